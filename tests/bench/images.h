/* What the server and the benchmark agree on: the images, and where they are served.

       POST  /json/K/...   a reply with image K as base64       (any other request body is read and thrown away)
       POST  /url/K/...    a reply with the address of image K
       GET   /raw/K        image K itself
       POST  /jobs         a job that never ends */

#ifndef BENCH_IMAGES_H
#define BENCH_IMAGES_H

#include <stddef.h>

enum { IMAGE_COUNT = 4 };

static const size_t image_sizes[IMAGE_COUNT] = {1024, 3u << 19, 8u << 20, 32u << 20};

/* A PNG by its first and last bytes, 1024 pixels square; noise between, as compressed pixels are. NULL = no memory. */
unsigned char *image_make(size_t size);

/* Base64, padded. */
void image_encode(const unsigned char *in, size_t size, char *out);
size_t image_encoded_size(size_t size);

#endif
