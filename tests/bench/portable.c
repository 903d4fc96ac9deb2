/* The library's base64 without vector instructions. */

#define TARASH_IMAGE_NO_SIMD
#define TARASH_IMAGE_STATIC
#define TARASH_IMAGE_IMPLEMENTATION
#include "tarash_image.h"

#include "bench.h"

size_t portable_decode(const void *in, size_t size, void *out) {
    tarimg_base64 state;
    size_t written = 0;
    memset(&state, 0, sizeof state);
    (void)tarimg_base64_decode(&state, (const char *)in, size, (unsigned char *)out, &written);
    return written;
}

size_t portable_encode(const void *in, size_t size, void *out) {
    return tarimg_base64_encode((const unsigned char *)in, size, (char *)out);
}
