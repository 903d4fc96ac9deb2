/* What is measured, and who does it. */

#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>

typedef enum who {
    LIBRARY,
    FLOOR, /* libcurl into a doubling buffer */
    LIMIT, /* libcurl, the bytes thrown away */
    LEAST, /* that with a large receive buffer, but as many new pages touched as the image fills */
    BY_HAND,
    WHO_COUNT
} who;

typedef enum kind {
    INTO_MEMORY,
    INTO_SINK, /* functions that take the bytes */
    INTO_FILE,
    AS_URL,
    UPLOAD_TEXT, /* as a data: URI in JSON */
    UPLOAD_FORM  /* as a multipart form */
} kind;

typedef struct task {
    const char *name; /* what the command line calls it */
    const char *title;
    kind what;
    int image;     /* index into image_sizes */
    int count;     /* requests */
    int at_once;   /* or one after the other */
    int from_file; /* the input image; or else from memory */
    int rounds;
} task;

/* What a child knows before its clock starts. */
typedef struct setting {
    const task *todo;
    who by;
    int port;
    const char *directory;  /* for files */
    const char *input_path; /* the input image, as a file */
    unsigned char *input;   /* and in memory, where it comes from there */
    char *body;             /* FLOOR's upload, made before */
    size_t body_size;
    char form_type[80]; /* the content type of UPLOAD_FORM's body */
} setting;

/* Each does the whole task and returns 1 if every image was right. */
int library_run(const setting *s);
int plain_run(const setting *s);
int plain_prepare(setting *s);

/* Microseconds per tarash_image_poll(client, 0) with so many idle jobs; negative = failed. */
double library_poll_cost(int port, int jobs);

typedef size_t (*codec)(const void *in, size_t size, void *out); /* returns the bytes written */
size_t library_decode(const void *in, size_t size, void *out);
size_t library_encode(const void *in, size_t size, void *out);
size_t ssse3_decode(const void *in, size_t size, void *out); /* 0: not on this processor */
size_t ssse3_encode(const void *in, size_t size, void *out);
size_t portable_decode(const void *in, size_t size, void *out);
size_t portable_encode(const void *in, size_t size, void *out);
size_t plain_decode(const void *in, size_t size, void *out);

#endif
