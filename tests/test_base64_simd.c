/* Base64, path by path: what each vector path takes is what a simple decoder makes of it, none reads or writes
   a byte too many, and the whole is the same whichever path runs. */

#define TARASH_IMAGE_IMPLEMENTATION
#include "../tarash_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof array / sizeof array[0])
#define LONGEST      320

typedef struct path {
    const char *name;
    size_t (*decode)(const unsigned char *in, size_t size, unsigned char *out);
    size_t (*encode)(const unsigned char *in, size_t size, char *out);
    size_t decode_rest, encode_rest; /* fewer than these may be left over */
} path;

static size_t paths_here(path *paths) {
    static const path portable = {"portable", tarimg_base64_decode_portable, tarimg_base64_encode_portable, 4,
                                  3};
    static const path blocks = {"blocks", tarimg_base64_decode_blocks, tarimg_base64_encode_blocks, 4, 3};
    size_t count = 0;
    paths[count++] = portable;
    paths[count++] = blocks;
#if defined(TARIMG_SSSE3)
    if (TARIMG_HAS_SSSE3()) {
        static const path ssse3 = {"ssse3", tarimg_base64_decode_ssse3, tarimg_base64_encode_ssse3, 24, 16};
        paths[count++] = ssse3;
    }
#endif
#if defined(TARIMG_AVX2)
    if (TARIMG_HAS_AVX2()) {
        static const path avx2 = {"avx2", tarimg_base64_decode_avx2, tarimg_base64_encode_avx2, 76, 34};
        paths[count++] = avx2;
    }
#endif
#if defined(TARIMG_NEON)
    {
        static const path neon = {"neon", tarimg_base64_decode_neon, tarimg_base64_encode_neon, 64, 48};
        paths[count++] = neon;
    }
#endif
    return count;
}

static unsigned next_random(unsigned *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* A block of exactly that size, so that the address sanitizer sees a byte too many. */
static void *exact(const void *data, size_t size) {
    void *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    if (size && data) memcpy(copy, data, size);
    return size ? copy : (void *)((char *)copy + 1);
}

static void release(void *block, size_t size) {
    free(size ? block : (void *)((char *)block - 1));
}

/* ---- what is easy to believe --------------------------------------------------------------------------- */

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char mixed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_";

static int value_of(unsigned char c) {
    const char *hit;
    if (c == '\0') return -1;
    if (c == '-') c = '+';
    if (c == '_') c = '/';
    hit = strchr(standard, c);
    return hit ? (int)(hit - standard) : -1;
}

static size_t reference_prefix(const unsigned char *text, size_t size) {
    size_t at = 0;
    while (at < size && value_of(text[at]) >= 0) at++;
    return at;
}

/* Bit by bit; whole bytes only. */
static size_t reference_decode(const unsigned char *text, size_t digits, unsigned char *out) {
    size_t bit;
    memset(out, 0, digits + 1);
    for (bit = 0; bit < digits * 6; bit++) {
        if (value_of(text[bit / 6]) >> (5 - bit % 6) & 1) out[bit / 8] |= (unsigned char)(0x80 >> bit % 8);
    }
    return digits * 6 / 8;
}

static void reference_encode(const unsigned char *in, size_t size, char *out) {
    size_t digit, k;
    for (digit = 0; digit < (size * 8 + 5) / 6; digit++) {
        int value = 0;
        for (k = digit * 6; k < digit * 6 + 6; k++)
            value = value << 1 | (k < size * 8 ? in[k / 8] >> (7 - k % 8) & 1 : 0);
        out[digit] = standard[value];
    }
    for (; digit % 4; digit++) out[digit] = '=';
}

/* ---- checks -------------------------------------------------------------------------------------------- */

static void check_decode_path(const path *tried, const unsigned char *text, size_t size) {
    unsigned char expected[LONGEST + 1];
    size_t good = reference_prefix(text, size), room = size / 4 * 3, taken;
    unsigned char *in = (unsigned char *)exact(text, size), *out = (unsigned char *)exact(NULL, room);
    taken = tried->decode(in, size, out);
    if (taken > good || taken % 4 || (good == size && size - taken >= tried->decode_rest))
        fail_msg("%s: took %u of %u, %u good", tried->name, (unsigned)taken, (unsigned)size, (unsigned)good);
    if (tried->decode_rest == 4) assert_int_equal(taken, good / 4 * 4);
    (void)reference_decode(text, taken, expected);
    if (memcmp(out, expected, taken / 4 * 3) != 0) fail_msg("%s: wrong bytes", tried->name);
    release(in, size);
    release(out, room);
}

/* The decoder itself, begun in the middle of a group or not. */
static void check_decode(const unsigned char *text, size_t size, size_t cut) {
    unsigned char expected[LONGEST + 1], found[LONGEST + 16];
    size_t good = reference_prefix(text, size), total = 0, written = 99, at = 0, piece, taken;
    tarimg_base64 state;
    memset(&state, 0, sizeof state);
    if (cut > size) cut = size;
    for (piece = cut;; piece = size - cut) {
        char *in = (char *)exact(text + at, piece);
        unsigned char *out = (unsigned char *)exact(NULL, tarimg_base64_room(piece));
        taken = tarimg_base64_decode(&state, in, piece, out, &written);
        assert_true(written <= tarimg_base64_room(piece));
        memcpy(found + total, out, written);
        total += written;
        release(in, piece);
        release(out, tarimg_base64_room(piece));
        at += taken;
        if (taken < piece || at == size) break;
    }
    assert_int_equal(at, good);
    assert_int_equal(total, good / 4 * 3);
    assert_int_equal(state.count, good % 4);
    (void)reference_decode(text, good / 4 * 4, expected);
    assert_memory_equal(found, expected, total);
}

static void check_text(const unsigned char *text, size_t size, size_t cut) {
    path paths[8];
    size_t count = paths_here(paths), k;
    for (k = 0; k < count; k++) check_decode_path(&paths[k], text, size);
    check_decode(text, size, cut);
}

static void check_encode(const unsigned char *bytes, size_t size) {
    char expected[LONGEST * 2];
    path paths[8];
    size_t count = paths_here(paths), length = (size + 2) / 3 * 4, k, taken;
    unsigned char *in = (unsigned char *)exact(bytes, size);
    reference_encode(bytes, size, expected);
    for (k = 0; k < count; k++) {
        char *out = (char *)exact(NULL, size / 3 * 4);
        taken = paths[k].encode(in, size, out);
        if (taken > size || taken % 3 || size - taken >= paths[k].encode_rest)
            fail_msg("%s: took %u of %u", paths[k].name, (unsigned)taken, (unsigned)size);
        if (memcmp(out, expected, taken / 3 * 4) != 0) fail_msg("%s: wrong text", paths[k].name);
        release(out, size / 3 * 4);
    }
    {
        char *out = (char *)exact(NULL, length);
        assert_int_equal(tarimg_base64_encode(in, size, out), length);
        assert_memory_equal(out, expected, length);
        release(out, length);
    }
    release(in, size);
}

#if !defined(BASE64_FUZZ)

/* ---- tests --------------------------------------------------------------------------------------------- */

static void fill_text(unsigned char *text, size_t size, const char *alphabet, unsigned *seed) {
    size_t i, letters = strlen(alphabet);
    for (i = 0; i < size; i++) text[i] = (unsigned char)alphabet[next_random(seed) % letters];
}

static void test_every_length_and_cut(void **state) {
    static const char *const alphabets[] = {standard, url_safe, mixed};
    unsigned char text[LONGEST];
    unsigned seed = 3;
    size_t size, cut, k;
    (void)state;
    for (k = 0; k < COUNT(alphabets); k++) {
        for (size = 0; size <= 300; size++) {
            fill_text(text, size, alphabets[k], &seed);
            check_text(text, size, 0);
            for (cut = 1; cut <= size; cut += size < 160 || cut < 10 ? 1 : 7) check_decode(text, size, cut);
        }
    }
}

/* Each of the 256 characters in each lane, alone among letters of several kinds. */
static void test_every_character_in_every_lane(void **state) {
    static const char around[] = "Az09/+-_";
    unsigned char text[160];
    size_t at, k;
    int c;
    (void)state;
    for (k = 0; k + 1 < sizeof around; k++) {
        memset(text, around[k], sizeof text);
        for (at = 0; at < 132; at++) {
            for (c = 0; c < 256; c++) {
                text[at] = (unsigned char)c;
                if (k == 0 || at % 37 == k) check_text(text, sizeof text, (size_t)(c % 6));
            }
            text[at] = (unsigned char)around[k];
        }
    }
}

static void test_strangers_at_every_place(void **state) {
    static const unsigned char strangers[] = "=\n\"\\ \x80\xFF@[`{,.:\x00\x7F\xAF\xC1\xDF";
    unsigned char text[LONGEST];
    unsigned seed = 9;
    size_t size, at;
    (void)state;
    for (size = 60; size <= 300; size += next_random(&seed) % 9 + 1) {
        for (at = 0; at < size; at++) {
            fill_text(text, size, mixed, &seed);
            text[at] = strangers[next_random(&seed) % (sizeof strangers - 1)];
            if (at % 3 == 0) text[at + next_random(&seed) % (size - at)] = (unsigned char)next_random(&seed);
            check_text(text, size, next_random(&seed) % 5);
        }
    }
}

static void test_encoding_every_length(void **state) {
    unsigned char bytes[LONGEST];
    unsigned seed = 21;
    size_t size, i, round;
    (void)state;
    for (size = 0; size <= 300; size++) {
        for (round = 0; round < 8; round++) {
            for (i = 0; i < size; i++) bytes[i] = (unsigned char)next_random(&seed);
            check_encode(bytes, size);
        }
    }
    for (i = 0; i < 256; i++) {
        memset(bytes, (int)i, sizeof bytes);
        check_encode(bytes, 300);
    }
    for (i = 0; i < 64; i++) { /* the same value at every place */
        for (size = 0; size < 300; size += 3) {
            unsigned group = (unsigned)i * 0x41041u;
            bytes[size] = (unsigned char)(group >> 16);
            bytes[size + 1] = (unsigned char)(group >> 8);
            bytes[size + 2] = (unsigned char)group;
        }
        check_encode(bytes, 300);
    }
}

static void test_large_round_trip(void **state) {
    size_t size = 1000003, length = 0, i, taken, written = 0;
    unsigned char *bytes = (unsigned char *)exact(NULL, size), *found;
    char *text;
    unsigned seed = 33;
    tarimg_base64 decoder;
    (void)state;
    for (i = 0; i < size; i++) bytes[i] = (unsigned char)next_random(&seed);
    assert_true(tarimg_base64_length(size, &length));
    text = (char *)exact(NULL, length);
    assert_int_equal(tarimg_base64_encode(bytes, size, text), length);
    found = (unsigned char *)exact(NULL, tarimg_base64_room(length));
    memset(&decoder, 0, sizeof decoder);
    taken = tarimg_base64_decode(&decoder, text, length, found, &written);
    assert_int_equal(taken, length - 2); /* 1000003 is one more than a multiple of three */
    assert_int_equal(tarimg_base64_finish(&decoder, found + written), 1);
    assert_memory_equal(found, bytes, size);
    release(bytes, size);
    release(text, length);
    release(found, 1);
}

static void test_paths_are_there(void **state) {
    path paths[8];
    size_t count = paths_here(paths), k;
    (void)state;
    for (k = 0; k < count; k++) print_message("path: %s\n", paths[k].name);
    assert_true(count >= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_are_there),
        cmocka_unit_test(test_every_length_and_cut),
        cmocka_unit_test(test_every_character_in_every_lane),
        cmocka_unit_test(test_strangers_at_every_place),
        cmocka_unit_test(test_encoding_every_length),
        cmocka_unit_test(test_large_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
