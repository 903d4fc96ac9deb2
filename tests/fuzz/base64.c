/* Base64: every path of the decoder and the encoder against one that works bit by bit, cut at every place; and what
   the public function makes of the same text. */

#include "fuzz.h"

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int base64_value(unsigned char c) {
    const char *hit;
    if (c == '-') c = '+';
    if (c == '_') c = '/';
    hit = c ? strchr(base64_digits, c) : NULL;
    return hit ? (int)(hit - base64_digits) : -1;
}

static size_t base64_prefix(const unsigned char *text, size_t size) {
    size_t at = 0;
    while (at < size && base64_value(text[at]) >= 0) at++;
    return at;
}

/* The whole bytes that so many digits stand for. */
static size_t base64_bits(const unsigned char *text, size_t digits, unsigned char *out) {
    size_t bit;
    memset(out, 0, (digits * 6 + 7) / 8);
    for (bit = 0; bit < digits * 6; bit++) {
        if (base64_value(text[bit / 6]) >> (5 - bit % 6) & 1)
            out[bit / 8] |= (unsigned char)(0x80 >> bit % 8);
    }
    return digits * 6 / 8;
}

typedef size_t (*base64_decode_fn)(const unsigned char *in, size_t size, unsigned char *out);
typedef size_t (*base64_encode_fn)(const unsigned char *in, size_t size, char *out);

static void base64_try_decoder(base64_decode_fn decode, const unsigned char *in, size_t size,
                               const unsigned char *expected) {
    unsigned char *text = fuzz_copy(in, size), *out = (unsigned char *)malloc(size / 4 * 3 + 1);
    size_t taken;
    FUZZ_CHECK(out != NULL);
    out[size / 4 * 3] = 0x5A;
    taken = decode(text, size, out);
    FUZZ_CHECK(taken % 4 == 0 && taken <= base64_prefix(in, size));
    FUZZ_CHECK(memcmp(out, expected, taken / 4 * 3) == 0);
    FUZZ_CHECK(out[size / 4 * 3] == 0x5A);
    free(text);
    free(out);
}

static void base64_try_encoder(base64_encode_fn encode, const unsigned char *in, size_t size) {
    unsigned char *bytes = fuzz_copy(in, size), *back = (unsigned char *)malloc(size + 4);
    char *out = (char *)malloc(size / 3 * 4 + 1);
    size_t taken;
    FUZZ_CHECK(out != NULL && back != NULL);
    taken = encode(bytes, size, out);
    FUZZ_CHECK(taken % 3 == 0 && taken <= size);
    FUZZ_CHECK(base64_prefix((const unsigned char *)out, taken / 3 * 4) == taken / 3 * 4);
    FUZZ_CHECK(base64_bits((const unsigned char *)out, taken / 3 * 4, back) == taken || taken == 0);
    FUZZ_CHECK(memcmp(back, in, taken) == 0);
    free(bytes);
    free(back);
    free(out);
}

static void base64_try_paths(const unsigned char *in, size_t size, const unsigned char *expected) {
    base64_try_decoder(tarimg_base64_decode_portable, in, size, expected);
    base64_try_decoder(tarimg_base64_decode_blocks, in, size, expected);
    base64_try_encoder(tarimg_base64_encode_portable, in, size);
    base64_try_encoder(tarimg_base64_encode_blocks, in, size);
#if defined(TARIMG_SSSE3)
    if (TARIMG_HAS_SSSE3()) {
        base64_try_decoder(tarimg_base64_decode_ssse3, in, size, expected);
        base64_try_encoder(tarimg_base64_encode_ssse3, in, size);
    }
#endif
#if defined(TARIMG_AVX2)
    if (TARIMG_HAS_AVX2()) {
        base64_try_decoder(tarimg_base64_decode_avx2, in, size, expected);
        base64_try_encoder(tarimg_base64_encode_avx2, in, size);
    }
#endif
#if defined(TARIMG_NEON)
    base64_try_decoder(tarimg_base64_decode_neon, in, size, expected);
    base64_try_encoder(tarimg_base64_encode_neon, in, size);
#endif
}

/* Cut after `first` characters, the last byte or two included. */
static void base64_try_cut(const unsigned char *in, size_t size, size_t first,
                           const unsigned char *expected) {
    size_t pieces[2], at = 0, out_size = 0, i, good = base64_prefix(in, size);
    unsigned char *out = (unsigned char *)malloc(size + 4);
    tarimg_base64 state;
    memset(&state, 0, sizeof state);
    FUZZ_CHECK(out != NULL);
    pieces[0] = first;
    pieces[1] = size - first;
    for (i = 0; i < 2; i++) {
        unsigned char *text = fuzz_copy(in + at, pieces[i]),
                      *room = (unsigned char *)malloc(tarimg_base64_room(pieces[i]));
        size_t written = 0,
               taken = tarimg_base64_decode(&state, (const char *)text, pieces[i], room, &written);
        FUZZ_CHECK(room != NULL && written <= tarimg_base64_room(pieces[i]));
        memcpy(out + out_size, room, written);
        out_size += written;
        at += taken;
        free(text);
        free(room);
        if (taken < pieces[i]) break;
    }
    FUZZ_CHECK(at == good);
    FUZZ_CHECK(out_size == good / 4 * 3);
    if (good % 4 == 1)
        FUZZ_CHECK(tarimg_base64_finish(&state, out + out_size) == -1);
    else {
        FUZZ_CHECK(tarimg_base64_finish(&state, out + out_size) == (int)(good % 4 ? good % 4 - 1 : 0));
        out_size = good * 6 / 8;
    }
    FUZZ_CHECK(memcmp(out, expected, out_size) == 0);
    free(out);
}

static void base64_round_trip(const unsigned char *in, size_t size) {
    size_t length = 0, written, out_size = 0;
    char *text;
    unsigned char *out;
    tarimg_base64 state;
    int rest;
    memset(&state, 0, sizeof state);
    FUZZ_CHECK(tarimg_base64_length(size, &length));
    text = (char *)malloc(length + 1);
    out = (unsigned char *)malloc(tarimg_base64_room(length));
    FUZZ_CHECK(text != NULL && out != NULL);
    written = tarimg_base64_encode(in, size, text);
    FUZZ_CHECK(written == length);
    while (written && text[written - 1] == '=') {
        written--;
        state.padding++;
    }
    FUZZ_CHECK(state.padding == (int)((3 - size % 3) % 3));
    FUZZ_CHECK(tarimg_base64_decode(&state, text, written, out, &out_size) == written);
    rest = tarimg_base64_finish(&state, out + out_size);
    FUZZ_CHECK(rest >= 0 && out_size + (size_t)rest == size && memcmp(out, in, size) == 0);
    free(text);
    free(out);
}

static void base64_public(const unsigned char *in, size_t size) {
    char *text = (char *)fuzz_copy(in, size);
    tarash_image image;
    tarash_image_result result = tarash_image_from_base64(text, size, &image);
    FUZZ_CHECK((result == TARASH_IMAGE_OK) == (image.data != NULL));
    FUZZ_CHECK(result == TARASH_IMAGE_OK || result == TARASH_IMAGE_ERROR_VALIDATION);
    if (result == TARASH_IMAGE_OK) FUZZ_CHECK(image.size > 0 && image.size <= size && image.mime_type);
    tarash_image_free(&image);
    free(text);
}

FUZZ_TARGET(base64) {
    unsigned char *expected;
    size_t good, cut;
    if (size > 600) size = 600; /* each cut costs a decoding */
    good = base64_prefix(data, size);
    expected = (unsigned char *)malloc(good * 6 / 8 + 1);
    FUZZ_CHECK(expected != NULL);
    (void)base64_bits(data, good, expected);
    base64_try_paths(data, size, expected);
    for (cut = 0; cut <= size; cut++) base64_try_cut(data, size, cut, expected);
    base64_round_trip(data, size);
    base64_public(data, size);
    free(expected);
}
