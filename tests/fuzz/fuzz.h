/* What the fuzz targets share. A target is a file with one FUZZ_TARGET(name) { ... }, which reads `data` of `size`
   bytes; libFuzzer calls it, or replay.c, which includes them all. Everything is static, and names of a file's
   own begin with its target's.

   Whatever a target checks beyond what the sanitizers see, it checks with FUZZ_CHECK. libcurl is played by
   transport.h: no socket is ever opened. Arenas are so small that every text is a block of its own, which shows
   the address sanitizer where each ends. */

#ifndef FUZZ_H
#define FUZZ_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUZZ_UNUSED      __attribute__((unused))
#define FUZZ_COUNT(list) (sizeof(list) / sizeof(list)[0])

#define FUZZ_CHECK(condition)                                                                                \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                          \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* The memory sanitizer doesn't see what libcurl writes: around its functions it is told to look away, and of their texts
   that they are whole. New memory it knows by itself; to all others it is what nobody has written. */
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#include <sanitizer/msan_interface.h>
#define FUZZ_FOREIGN_BEGIN()    __msan_scoped_disable_interceptor_checks()
#define FUZZ_FOREIGN_END()      __msan_scoped_enable_interceptor_checks()
#define FUZZ_FOREIGN(text)      __msan_unpoison_string(text)
#define FUZZ_FRESH(block, size) __msan_allocated_memory(block, size)
#endif
#endif
#ifndef FUZZ_FOREIGN
#define FUZZ_FOREIGN_BEGIN()    (void)0
#define FUZZ_FOREIGN_END()      (void)0
#define FUZZ_FOREIGN(text)      (void)(text)
#define FUZZ_FRESH(block, size) memset(block, 0xA5, size)
#endif

#ifdef FUZZ_REPLAY
#define FUZZ_TARGET(name) static void fuzz_##name(const unsigned char *data, size_t size)
#else
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
#define FUZZ_TARGET(name)                                                                                    \
    static void fuzz_##name(const unsigned char *data, size_t size);                                         \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {                                           \
        fuzz_##name(data, size);                                                                             \
        return 0;                                                                                            \
    }                                                                                                        \
    static void fuzz_##name(const unsigned char *data, size_t size)
#endif

#include "transport.h"

#define TARIMG_BLOCK_SIZE 16u
#define TARASH_IMAGE_STATIC
#define TARASH_IMAGE_IMPLEMENTATION
#include "../../tarash_image.h"

/* ---- the input, taken piece by piece ------------------------------------------------------------------- */

typedef struct fuzz_input {
    const unsigned char *data;
    size_t size;
} fuzz_input;

/* 0 once there is nothing left. */
FUZZ_UNUSED static unsigned fuzz_byte(fuzz_input *in) {
    unsigned byte = in->size ? *in->data : 0;
    if (in->size) {
        in->data++;
        in->size--;
    }
    return byte;
}

/* What stands before the next separator, or all that is left. */
FUZZ_UNUSED static fuzz_input fuzz_part(fuzz_input *in, unsigned char separator) {
    fuzz_input part = *in;
    const unsigned char *end = in->size ? (const unsigned char *)memchr(in->data, separator, in->size) : NULL;
    size_t taken = end ? (size_t)(end - in->data) + 1 : in->size;
    if (end) part.size = (size_t)(end - in->data);
    in->data = in->size ? in->data + taken : in->data;
    in->size -= taken;
    return part;
}

/* A block of exactly that size, so that the address sanitizer sees a byte too many. To be freed. */
FUZZ_UNUSED static unsigned char *fuzz_copy(const void *data, size_t size) {
    unsigned char *copy = (unsigned char *)malloc(size ? size : 1);
    FUZZ_CHECK(copy != NULL);
    if (size) memcpy(copy, data, size);
    return copy;
}

/* The same as a C text, up to its first NUL. To be freed. */
FUZZ_UNUSED static char *fuzz_text(fuzz_input part) {
    size_t size = part.size ? strnlen((const char *)part.data, part.size) : 0;
    char *text = (char *)malloc(size + 1);
    FUZZ_CHECK(text != NULL);
    if (size) memcpy(text, part.data, size);
    text[size] = '\0';
    return text;
}

/* The length of the next piece that a text is cut into. */
typedef struct fuzz_cutter {
    uint32_t state; /* 0 = in one piece */
    size_t longest;
} fuzz_cutter;

FUZZ_UNUSED static fuzz_cutter fuzz_cutter_of(unsigned byte) {
    static const size_t longest[] = {1, 2, 5, 17, 70, 300};
    fuzz_cutter cutter;
    cutter.state = byte;
    cutter.longest = longest[byte % FUZZ_COUNT(longest)];
    return cutter;
}

FUZZ_UNUSED static size_t fuzz_cut(fuzz_cutter *cutter, size_t left) {
    size_t size;
    if (!cutter->state) return left;
    cutter->state = cutter->state * 1664525u + 1013904223u;
    if (!cutter->state) cutter->state = 1;
    size = 1 + (cutter->state >> 8) % cutter->longest;
    return size < left ? size : left;
}

#endif
