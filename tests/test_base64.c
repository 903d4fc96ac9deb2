/* Base64: RFC 4648, both alphabets, every way to cut it, and a simple decoder to compare with. */

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

static unsigned next_random(unsigned *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* A block of exactly that size, so that the address sanitizer sees a byte too many. */
static void *exact(const void *data, size_t size) {
    void *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    if (size && data) memcpy(copy, data, size);
    return copy;
}

/* ---- the decoder under test, in pieces; -1 if it stopped early or refused the end ---------------------- */

static long decode_pieces(const char *text, size_t size, size_t first, size_t piece, unsigned char *out) {
    tarimg_base64 state;
    size_t at = 0, total = 0;
    unsigned char last[4];
    int rest;
    memset(&state, 0, sizeof state);
    while (at < size) {
        size_t now = at == 0 && first ? first : piece ? piece : size - at, written = 99, taken;
        char *in;
        unsigned char *room;
        if (now > size - at) now = size - at;
        in = (char *)exact(text + at, now);
        room = (unsigned char *)exact(NULL, tarimg_base64_room(now));
        taken = tarimg_base64_decode(&state, in, now, room, &written);
        assert_true(taken <= now);
        assert_true(written <= tarimg_base64_room(now));
        memcpy(out + total, room, written);
        free(in);
        free(room);
        total += written;
        at += taken;
        if (taken < now) return -1;
    }
    rest = tarimg_base64_finish(&state, last);
    if (rest < 0) return -1;
    memcpy(out + total, last, (size_t)rest);
    return (long)total + rest;
}

/* ---- a decoder that is easy to believe ----------------------------------------------------------------- */

static int value_of(char c) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *hit;
    if (c == '\0') return -1;
    if (c == '-') c = '+';
    if (c == '_') c = '/';
    hit = strchr(alphabet, c);
    return hit ? (int)(hit - alphabet) : -1;
}

static long reference_decode(const char *text, size_t size, unsigned char *out) {
    size_t bit, i;
    for (i = 0; i < size; i++) {
        if (value_of(text[i]) < 0) return -1;
    }
    if (size % 4 == 1) return -1;
    memset(out, 0, size);
    for (bit = 0; bit < size * 6; bit++) {
        if (value_of(text[bit / 6]) >> (5 - bit % 6) & 1) out[bit / 8] |= (unsigned char)(0x80 >> bit % 8);
    }
    return (long)(size * 6 / 8);
}

/* ---- tests --------------------------------------------------------------------------------------------- */

static const struct {
    const char *plain, *encoded;
} vectors[] = {{"", ""},
               {"f", "Zg=="},
               {"fo", "Zm8="},
               {"foo", "Zm9v"},
               {"foob", "Zm9vYg=="},
               {"fooba", "Zm9vYmE="},
               {"foobar", "Zm9vYmFy"}};

static void test_vectors(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(vectors); i++) {
        size_t size = strlen(vectors[i].plain), length = strlen(vectors[i].encoded), digits, told = 0;
        unsigned char *in = (unsigned char *)exact(vectors[i].plain, size), bytes[16];
        char *text = (char *)exact(NULL, length);
        assert_int_equal(tarimg_base64_encode(in, size, text), length);
        assert_memory_equal(text, vectors[i].encoded, length);
        assert_true(tarimg_base64_length(size, &told));
        assert_int_equal(told, length);
        digits = strcspn(vectors[i].encoded, "=");
        assert_int_equal(decode_pieces(text, digits, 0, 0, bytes), (long)size);
        assert_memory_equal(bytes, vectors[i].plain, size);
        free(in);
        free(text);
    }
}

static void test_length_is_checked(void **state) {
    size_t length = 0;
    (void)state;
    assert_true(tarimg_base64_length(SIZE_MAX / 4 * 3 - 3, &length));
    assert_false(tarimg_base64_length(SIZE_MAX, &length));
    assert_false(tarimg_base64_length(SIZE_MAX / 4 * 3 + 3, &length));
}

static void test_round_trip_at_every_cut(void **state) {
    unsigned char bytes[300], found[320];
    char text[404], url_safe[404];
    unsigned seed = 11;
    size_t size, i, cut;
    (void)state;
    for (size = 0; size <= sizeof bytes; size++) {
        size_t length, digits;
        for (i = 0; i < size; i++) bytes[i] = (unsigned char)next_random(&seed);
        length = tarimg_base64_encode(bytes, size, text);
        assert_int_equal(length, (size + 2) / 3 * 4);
        for (digits = length; digits && text[digits - 1] == '='; digits--) {
        }
        assert_int_equal(digits, (size * 8 + 5) / 6);
        for (i = 0; i < digits; i++) url_safe[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
        for (cut = 0; cut <= digits; cut++) {
            assert_int_equal(decode_pieces(text, digits, cut, 0, found), (long)size);
            assert_memory_equal(found, bytes, size);
            assert_int_equal(decode_pieces(url_safe, digits, cut, 0, found), (long)size);
            assert_memory_equal(found, bytes, size);
        }
        for (cut = 1; cut <= 9; cut++) {
            assert_int_equal(decode_pieces(text, digits, 0, cut, found), (long)size);
            assert_memory_equal(found, bytes, size);
        }
    }
}

static void test_every_character(void **state) {
    int c, place;
    (void)state;
    for (c = 0; c < 256; c++) {
        for (place = 0; place < 8; place++) {
            char text[] = "QUJDREVG";
            unsigned char found[16], expected[16];
            long size, cut;
            text[place] = (char)c;
            size = reference_decode(text, 8, expected);
            for (cut = 0; cut <= 8; cut++) {
                assert_int_equal(decode_pieces(text, 8, (size_t)cut, 0, found), size);
                if (size > 0) assert_memory_equal(found, expected, (size_t)size);
            }
        }
    }
}

/* What stops the decoder is the first character outside the alphabet, wherever it stands. */
static void test_stops_at_the_first_stranger(void **state) {
    static const char strangers[] = "= \n\t\r!.:,*\x80\xFF";
    char text[41];
    size_t at, k, cut;
    (void)state;
    for (at = 0; at < 40; at++) {
        for (k = 0; k + 1 < sizeof strangers; k++) {
            for (cut = 0; cut <= at; cut++) {
                tarimg_base64 state_of;
                unsigned char room[64];
                size_t written = 0, more = 0, taken;
                memset(&state_of, 0, sizeof state_of);
                memset(text, 'Q', sizeof text);
                text[at] = strangers[k];
                taken = tarimg_base64_decode(&state_of, text, cut, room, &written);
                assert_int_equal(taken, cut);
                taken += tarimg_base64_decode(&state_of, text + cut, 40 - cut, room, &more);
                assert_int_equal(taken, at);
                assert_int_equal(written + more, at / 4 * 3);
                assert_int_equal(state_of.count, at % 4);
            }
        }
    }
}

static void test_random_text_as_the_reference(void **state) {
    static const char mostly[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_";
    unsigned seed = 5;
    int round;
    (void)state;
    for (round = 0; round < 30000; round++) {
        char text[80];
        unsigned char found[128], expected[128];
        size_t size = next_random(&seed) % sizeof text, i;
        long wanted;
        for (i = 0; i < size; i++) text[i] = mostly[next_random(&seed) % (sizeof mostly - 1)];
        if (round % 3 == 0 && size) text[next_random(&seed) % size] = (char)next_random(&seed);
        wanted = reference_decode(text, size, expected);
        assert_int_equal(decode_pieces(text, size, next_random(&seed) % 9, next_random(&seed) % 9, found),
                         wanted);
        if (wanted > 0) assert_memory_equal(found, expected, (size_t)wanted);
    }
}

static void test_padding_is_judged_at_the_end(void **state) {
    int count, padding;
    (void)state;
    for (count = 0; count < 4; count++) {
        for (padding = 0; padding < 6; padding++) {
            tarimg_base64 state_of;
            unsigned char out[4];
            /* missing padding is fine, wrong padding isn't */
            int expected = count == 1 || (padding && (count == 0 || count + padding > 4)) ? -1
                           : count                                                        ? count - 1
                                                                                          : 0;
            memset(&state_of, 0, sizeof state_of);
            state_of.count = count;
            state_of.padding = padding;
            assert_int_equal(tarimg_base64_finish(&state_of, out), expected);
        }
    }
}

/* ---- whole texts, as users give them ------------------------------------------------------------------- */

static void assert_image(const char *text, tarash_image_result result, const char *bytes, size_t size) {
    size_t length = strlen(text);
    char *copy = (char *)exact(text, length);
    tarash_image image;
    tarash_image_result found = tarash_image_from_base64(copy, length, &image);
    if (found != result) fail_msg("\"%s\": %s", text, tarash_image_result_name(found));
    if (found == TARASH_IMAGE_OK) {
        assert_int_equal(image.size, size);
        assert_memory_equal(image.data, bytes, size);
    } else {
        assert_null(image.data);
        assert_int_equal(image.size, 0);
    }
    tarash_image_free(&image);
    tarash_image_free(&image);
    free(copy);
}

static void test_images_from_base64(void **state) {
    static const char gif[] = "GIF89a\1\0\2\0";
    static const char *const good[] = {"R0lGODlhAQACAA==",
                                       "R0lGODlhAQACAA",
                                       "R0lGODlhAQACAA=",
                                       " R0lG ODlh\r\nAQAC\tAA = = \n",
                                       "data:image/gif;base64,R0lGODlhAQACAA==",
                                       "data:;base64,R0lGODlhAQACAA",
                                       "DATA:image/gif;charset=x;BASE64,R0lGODlhAQACAA==",
                                       "data:image/png;base64, R0lGODlhAQACAA=="};
    static const char *const bad[] = {"R0lGODlhAQACA!==",
                                      "R0lGODlhAQACAA===",
                                      "R0lGODlhAQACAA==R0lG",
                                      "R0lGODlhAQACA",
                                      "=R0lGODlhAQACAA==",
                                      "data:image/gif,R0lGODlhAQACAA==",
                                      "data:image/gif;base64;R0lGODlhAQACAA==",
                                      "data:image/gif;base64",
                                      "data:",
                                      "R0lG:ODlhAQACAA==",
                                      "R0lGODlhAQACAA==\x80",
                                      "base64,R0lGODlhAQACAA=="};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(good); i++) assert_image(good[i], TARASH_IMAGE_OK, gif, sizeof gif - 1);
    for (i = 0; i < COUNT(bad); i++) assert_image(bad[i], TARASH_IMAGE_ERROR_VALIDATION, NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_length_is_checked),
        cmocka_unit_test(test_round_trip_at_every_cut),
        cmocka_unit_test(test_every_character),
        cmocka_unit_test(test_stops_at_the_first_stranger),
        cmocka_unit_test(test_random_text_as_the_reference),
        cmocka_unit_test(test_padding_is_judged_at_the_end),
        cmocka_unit_test(test_images_from_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
