/* Sniffing, completeness, the PNG writer and masks. What it writes is unpacked by zlib. */
/* LIBS: -lz */
#define TARASH_IMAGE_IMPLEMENTATION
#include "support.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

/* ---- samples ------------------------------------------------------------------------------------------- */

typedef struct sample {
    const char *name;
    const char *bytes;
    size_t size;
    const char *mime_type;
    int width;
    int height;
} sample;

#define BYTES(text) text, sizeof text - 1

#define PNG_HEAD  "\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR"
#define JPEG_SOF0 "\xFF\xC0\0\x0B\x08\0\x30\0\x40\x01\x01\x11\0"
#define DIB_40    "BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"
#define ICO_ENTRY "\0\0\1\0\x20\0\x40\0\0\0\x16\0\0\0"
#define ISPE(w, h)                                                                                           \
    "\0\0\0\x14"                                                                                             \
    "ispe\0\0\0\0\0\0" w "\0\0" h
/* meta > pitm, iprp > ipco > three ispe, then ipma: the primary item 2 has the second one */
#define HEIF_META                                                                                            \
    "\0\0\0\x81meta\0\0\0\0\0\0\0\x0Epitm\0\0\0\0\0\2\0\0\0\x67iprp\0\0\0\x44ipco" ISPE("\2\0", "\2\0")      \
        ISPE("\2\0", "\1\xE0")                                                                               \
            ISPE("\3\0", "\3\0") "\0\0\0\x1Bipma\0\0\0\0\0\0\0\2\0\1\2\x83\1\0\2\3\x84\2\5"
#define HEIF_LARGEST                                                                                         \
    "\0\0\0\x44meta\0\0\0\0\0\0\0\x38iprp\0\0\0\x30ipco" ISPE("\2\0", "\2\0") ISPE("\x0F\xC0", "\x0B\xD0")
#define SVG_BOX "viewBox=\"-1.5 -2, 640 480.9\""

static const sample samples[] = {
    {"png", BYTES(PNG_HEAD "\0\0\1\x02\0\0\0\x03\x08\6\0\0\0"), "image/png", 258, 3},
    {"png edge", BYTES(PNG_HEAD "\x3B\x9A\xCA\0\0\0\0\1\x08\6\0\0\0"), "image/png", 1000000000, 1},
    {"png too wide", BYTES(PNG_HEAD "\x3B\x9A\xCA\1\0\0\0\1\x08\6\0\0\0"), "image/png", 0, 0},
    {"png of zero", BYTES(PNG_HEAD "\0\0\0\0\0\0\0\1\x08\6\0\0\0"), "image/png", 0, 0},
    {"png of Apple", BYTES("\x89PNG\r\n\x1A\n\0\0\0\4CgBI\x50\0\x20\6"), "image/png", 0, 0},
    {"jpeg", BYTES("\xFF\xD8" JPEG_SOF0), "image/jpeg", 64, 48},
    {"jpeg with tables first", BYTES("\xFF\xD8\xFF\xE0\0\4xx\xFF\xC4\0\3x\xFF\xCC\0\3x" JPEG_SOF0),
     "image/jpeg", 64, 48},
    {"jpeg with fill bytes", BYTES("\xFF\xD8\xFF\xFF\xFF\xE0\0\4\xFF\xC0\xFF\xFF" JPEG_SOF0), "image/jpeg",
     64, 48},
    {"jpeg, progressive", BYTES("\xFF\xD8\xFF\xC2\0\x0B\x08\1\0\2\0\1\1\x11\0"), "image/jpeg", 512, 256},
    {"jpeg, height comes later", BYTES("\xFF\xD8\xFF\xC0\0\x0B\x08\0\0\2\0\1\1\x11\0"), "image/jpeg", 0, 0},
    {"jpeg, broken segment", BYTES("\xFF\xD8\xFF\xE0\0\1" JPEG_SOF0), "image/jpeg", 0, 0},
    {"jpeg without a frame", BYTES("\xFF\xD8\xFF\xD9" JPEG_SOF0), "image/jpeg", 0, 0},
    {"gif 87a", BYTES("GIF87a\1\0\2\0"), "image/gif", 1, 2},
    {"gif 89a", BYTES("GIF89a\x40\1\xF0\0"), "image/gif", 320, 240},
    {"gif 88a is none", BYTES("GIF88a\1\0\2\0"), NULL, 0, 0},
    {"webp VP8", BYTES("RIFF\x30\0\0\0WEBPVP8 \x12\0\0\0\x30\1\0\x9D\1\x2A\x64\x40\x32\x80"), "image/webp",
     100, 50},
    {"webp VP8L", BYTES("RIFF\x1A\0\0\0WEBPVP8L\x0D\0\0\0\x2F\x63\x40\x0C\0"), "image/webp", 100, 50},
    {"webp VP8X", BYTES("RIFF\x1A\0\0\0WEBPVP8X\x0A\0\0\0\x10\0\0\0\x63\0\0\x31\1\0"), "image/webp", 100,
     306},
    {"webp unknown", BYTES("RIFF\x1A\0\0\0WEBPVP9 "), "image/webp", 0, 0},
    {"riff but no webp", BYTES("RIFF\x1A\0\0\0WAVEfmt "), NULL, 0, 0},
    {"bmp", BYTES(DIB_40 "\x05\0\0\0\x07\0\0\0"), "image/bmp", 5, 7},
    {"bmp, top-down", BYTES(DIB_40 "\x05\0\0\0\xF9\xFF\xFF\xFF"), "image/bmp", 5, 7},
    {"bmp, lowest height", BYTES(DIB_40 "\x05\0\0\0\0\0\0\x80"), "image/bmp", 0, 0},
    {"bmp of OS/2", BYTES("BM\x1A\0\0\0\0\0\0\0\x1A\0\0\0\x0C\0\0\0\5\0\7\0"), "image/bmp", 5, 7},
    {"text starting with BM", BYTES("BMW and other car makers"), NULL, 0, 0},
    {"ico",
     BYTES("\0\0\1\0\2\0"
           "\x10\x10" ICO_ENTRY "\x30\x20" ICO_ENTRY),
     "image/x-icon", 48, 32},
    {"ico of 256",
     BYTES("\0\0\1\0\1\0"
           "\0\0" ICO_ENTRY),
     "image/x-icon", 256, 256},
    {"ico of nothing", BYTES("\0\0\1\0\0\0"), NULL, 0, 0},
    {"tiff II",
     BYTES(
         "II*\0\x08\0\0\0\3\0\xFE\0\4\0\1\0\0\0\0\0\0\0\0\1\3\0\1\0\0\0\x40\1\0\0\1\1\4\0\1\0\0\0\xF0\0\0\0"),
     "image/tiff", 320, 240},
    {"tiff MM", BYTES("MM\0*\0\0\0\x0A..\0\2\1\0\0\3\0\0\0\1\1\x40\0\0\1\1\0\4\0\0\0\1\0\0\0\xF0"),
     "image/tiff", 320, 240},
    {"tiff without sizes", BYTES("MM\0*\0\0\0\x08\0\0"), "image/tiff", 0, 0},
    {"tiff, bad place", BYTES("MM\0*\0\0\0\1"), "image/tiff", 0, 0},
    {"jxl codestream", BYTES("\xFF\x0A\0\0"), "image/jxl", 0, 0},
    {"jxl container", BYTES("\0\0\0\x0CJXL \r\n\x87\n"), "image/jxl", 0, 0},
    {"avif",
     BYTES("\0\0\0\x18"
           "ftypavif\0\0\0\0mif1miaf" HEIF_META),
     "image/avif", 512, 480},
    {"avif, first brand mif1",
     BYTES("\0\0\0\x18"
           "ftypmif1\0\0\0\0miafavif" HEIF_META),
     "image/avif", 512, 480},
    {"heic",
     BYTES("\0\0\0\x14"
           "ftypheic\0\0\0\0mif1" HEIF_META),
     "image/heic", 512, 480},
    {"heic, mif1 alone",
     BYTES("\0\0\0\x14"
           "ftypmif1\0\0\0\0miaf" HEIF_META),
     "image/heic", 512, 480},
    {"heic without primary",
     BYTES("\0\0\0\x14"
           "ftypheic\0\0\0\0mif1" HEIF_LARGEST),
     "image/heic", 4032, 3024},
    {"heic, msf1",
     BYTES("\0\0\0\x14"
           "ftypmsf1\0\0\0\0iso8" HEIF_META),
     "image/heic", 512, 480},
    {"avif after other boxes",
     BYTES("\0\0\0\x10"
           "ftypavif\0\0\0\0\0\0\0\1free\0\0\0\0\0\0\0\x12xx" HEIF_META),
     "image/avif", 512, 480},
    {"avif, mdat without end",
     BYTES("\0\0\0\x10"
           "ftypavif\0\0\0\0\0\0\0\0mdat" HEIF_META),
     "image/avif", 0, 0},
    {"avif, broken box",
     BYTES("\0\0\0\x10"
           "ftypavif\0\0\0\0\0\0\0\7meta" HEIF_META),
     "image/avif", 0, 0},
    {"mp4",
     BYTES("\0\0\0\x14"
           "ftypisom\0\0\2\0mp41"),
     "video/mp4", 0, 0},
    {"mp4, later brand",
     BYTES("\0\0\0\x14"
           "ftypXYZ \0\0\2\0mp42"),
     "video/mp4", 0, 0},
    {"audio in mp4",
     BYTES("\0\0\0\x14"
           "ftypM4A \0\0\2\0mp42"),
     NULL, 0, 0},
    {"ftyp of none",
     BYTES("\0\0\0\x10"
           "ftypXYZ \0\0\2\0"),
     NULL, 0, 0},
    {"svg", BYTES("<svg width=\"120\" height='80.9px'>"), "image/svg+xml", 120, 80},
    {"svg, viewBox", BYTES("<svg " SVG_BOX " width='100%' height='50%'/>"), "image/svg+xml", 640, 480},
    {"svg, viewBox alone", BYTES("<svg\n\t" SVG_BOX ">"), "image/svg+xml", 640, 480},
    {"svg, size wins", BYTES("<svg " SVG_BOX " width = ' +12 ' height=\"9PX\">"), "image/svg+xml", 12, 9},
    {"svg, other names", BYTES("<svg xwidth='1' widths='2' data-height='3'>"), "image/svg+xml", 0, 0},
    {"svg, other unit", BYTES("<svg width='1in' height='5'>"), "image/svg+xml", 0, 0},
    {"svg, too large", BYTES("<svg width='99999999999999999999' height='5'>"), "image/svg+xml", 0, 0},
    {"svg, broken", BYTES("<svg width=12 height='5'>"), "image/svg+xml", 0, 0},
    {"svg with a prologue",
     BYTES("\xEF\xBB\xBF \r\n<?xml version='1.0'?><!-- <svg width='1'> -->\n<!DOCTYPE svg PUBLIC '>' \">\" "
           "[<!ENTITY a '>'> <!-- ]> ' -->]>\n<svg width='7' height='8'>"),
     "image/svg+xml", 7, 8},
    {"svgz element is none", BYTES("<svgz width='7' height='8'>"), NULL, 0, 0},
    {"html", BYTES("<!DOCTYPE html><html><svg width='7' height='8'>"), NULL, 0, 0},
    {"json", BYTES("{\"error\":\"no\"}"), NULL, 0, 0},
    {"zeros", BYTES("\0\0\0\0\0\0\0\0\0\0\0\0"), NULL, 0, 0},
};

/* A copy of exactly that size, so that the address sanitizer sees the first byte too many. */
static unsigned char *exact_copy(const void *data, size_t size) {
    unsigned char *copy = (unsigned char *)malloc(size ? size : 1);
    assert_non_null(copy);
    if (size) memcpy(copy, data, size);
    return copy;
}

static int same_text(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void assert_media(const char *name, tarimg_media found, const char *mime_type, int width, int height) {
    if (same_text(found.mime_type, mime_type) && found.width == width && found.height == height) return;
    fail_msg("%s: %s %dx%d, not %s %dx%d", name, found.mime_type ? found.mime_type : "none", found.width,
             found.height, mime_type ? mime_type : "none", width, height);
}

/* ---- sniffing ------------------------------------------------------------------------------------------ */

static void test_sniff_knows_each_format(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < sizeof samples / sizeof samples[0]; ++i) {
        unsigned char *copy = exact_copy(samples[i].bytes, samples[i].size);
        tarimg_media found = tarimg_sniff(copy, samples[i].size);
        assert_media(samples[i].name, found, samples[i].mime_type, samples[i].width, samples[i].height);
        if (tarimg_sniff_needs_more(copy, samples[i].size) && samples[i].width)
            fail_msg("%s: needs more", samples[i].name);
        free(copy);
    }
}

static void check_prefixes(const sample *s) {
    size_t size;
    for (size = 0; size <= s->size; ++size) {
        unsigned char *copy = exact_copy(s->bytes, size);
        tarimg_media found = tarimg_sniff(copy, size);
        (void)tarimg_is_complete(copy, size);
        if (!tarimg_sniff_needs_more(copy, size))
            assert_media(s->name, found, s->mime_type, s->width, s->height);
        free(copy);
    }
}

static void test_sniff_settled_answers_stay(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < sizeof samples / sizeof samples[0]; ++i) check_prefixes(&samples[i]);
}

static void test_sniff_survives_changed_bytes(void **state) {
    size_t i, at;
    (void)state;
    for (i = 0; i < sizeof samples / sizeof samples[0]; ++i)
        for (at = 0; at < samples[i].size; ++at) {
            static const unsigned char values[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};
            unsigned char *copy = exact_copy(samples[i].bytes, samples[i].size);
            size_t k;
            for (k = 0; k < sizeof values; ++k) {
                tarimg_media found;
                copy[at] = values[k];
                found = tarimg_sniff(copy, samples[i].size);
                assert_true((found.width == 0) == (found.height == 0));
                assert_true(found.width >= 0 && found.height >= 0 && (found.mime_type || !found.width));
                (void)tarimg_is_complete(copy, samples[i].size);
            }
            free(copy);
        }
}

/* Files of real programs: known from their first bytes, complete with their last one. */
static void test_sniff_of_real_files(void **state) {
    const struct {
        const unsigned char *data;
        size_t size;
        const char *mime_type;
    } files[] = {{tiny_png, tiny_png_size, "image/png"},
                 {tiny_mask_png, tiny_mask_png_size, "image/png"},
                 {tiny_jpeg, tiny_jpeg_size, "image/jpeg"},
                 {tiny_webp, tiny_webp_size, "image/webp"}};
    size_t i, size;
    (void)state;
    for (i = 0; i < sizeof files / sizeof files[0]; ++i) {
        for (size = 0; size <= files[i].size; ++size) {
            unsigned char *copy = exact_copy(files[i].data, size);
            tarimg_media found = tarimg_sniff(copy, size);
            if (!tarimg_sniff_needs_more(copy, size)) assert_media("tiny", found, files[i].mime_type, 4, 4);
            if (found.mime_type) assert_int_equal(tarimg_is_complete(copy, size), size == files[i].size);
            free(copy);
        }
        assert_false(tarimg_sniff_needs_more(files[i].data, files[i].size));
    }
}

static void test_sniff_of_nothing(void **state) {
    (void)state;
    assert_null(tarimg_sniff(NULL, 0).mime_type);
    assert_true(tarimg_sniff_needs_more(NULL, 0));
    assert_true(tarimg_is_complete(NULL, 0));
}

static void test_sniff_asks_for_more_only_as_long_as_it_helps(void **state) {
    static const struct {
        const char *bytes;
        size_t size;
        int needs_more;
    } cases[] = {
        {BYTES("\x89PNG"), 1},
        {BYTES(PNG_HEAD "\0\0\0"), 1},
        {BYTES(PNG_HEAD "\0\0\0\1\0\0\0\1"), 0},
        {BYTES("\xFF\xD8\xFF\xE1\x7F\xFFxx"), 1},
        {BYTES("{\"er"), 1}, /* four bytes may still be a box's size */
        {BYTES("{\"error\""), 0},
        {BYTES("<!DOCTYPE html "), 1},
        {BYTES("<!DOCTYPE html><h"), 0},
        {BYTES("         "), 1},
        {BYTES("<svg width='1'"), 1},
        {BYTES("II*\0\0\0\1\0"), 1},
    };
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        unsigned char *copy = exact_copy(cases[i].bytes, cases[i].size);
        if (!tarimg_sniff_needs_more(copy, cases[i].size) != !cases[i].needs_more)
            fail_msg("case %d", (int)i);
        free(copy);
    }
}

static void test_sniff_survives_noise(void **state) {
    unsigned seed = 1;
    int round;
    (void)state;
    for (round = 0; round < 20000; ++round) {
        const sample *s = &samples[(size_t)round % (sizeof samples / sizeof samples[0])];
        unsigned char *copy = exact_copy(s->bytes, s->size);
        int changes;
        for (changes = 0; changes < 4; ++changes) {
            seed = seed * 1664525u + 1013904223u;
            copy[(seed >> 8) % s->size] = (unsigned char)(seed >> 24);
        }
        (void)tarimg_sniff(copy, s->size);
        (void)tarimg_is_complete(copy, s->size);
        free(copy);
    }
}

/* ---- extensions ---------------------------------------------------------------------------------------- */

static void test_extensions(void **state) {
    static const char *const cases[][2] = {
        {"image/png", "png"},
        {"image/jpeg", "jpg"},
        {"image/jpg", "jpg"},
        {"image/gif", "gif"},
        {"image/webp", "webp"},
        {"image/bmp", "bmp"},
        {"image/avif", "avif"},
        {"image/heic", "heic"},
        {"image/tiff", "tiff"},
        {"image/x-icon", "ico"},
        {"image/vnd.microsoft.icon", "ico"},
        {"image/jxl", "jxl"},
        {"image/svg+xml", "svg"},
        {"video/mp4", "mp4"},
        {"IMAGE/Png", "png"},
        {"image/svg+xml; charset=utf-8", "svg"},
        {"image/png;q=1", "png"},
        {" image/png ", "png"},
        {"image/pngx", "bin"},
        {"image/pn", "bin"},
        {"text/html", "bin"},
        {"", "bin"},
        {NULL, "bin"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; ++i)
        assert_string_equal(tarimg_mime_extension(cases[i][0]), cases[i][1]);
}

/* ---- completeness -------------------------------------------------------------------------------------- */

static void check_complete_only_from(const char *bytes, size_t size, size_t identified, size_t complete) {
    size_t i;
    for (i = identified; i <= size; ++i) {
        unsigned char *copy = exact_copy(bytes, i);
        if (tarimg_is_complete(copy, i) != (i >= complete)) fail_msg("%d of %d bytes", (int)i, (int)size);
        free(copy);
    }
}

static void test_complete_png(void **state) {
    static const char bytes[] = PNG_HEAD "\0\0\0\1\0\0\0\1\x08\0\0\0\0CRC.\0\0\0\0IEND\xAE\x42\x60\x82more";
    (void)state;
    check_complete_only_from(bytes, sizeof bytes - 1, 8, sizeof bytes - 5);
}

static void test_complete_jpeg_despite_a_thumbnail(void **state) {
    static const char bytes[] =
        "\xFF\xD8\xFF\xE1\0\x08xx\xFF\xD8\xFF\xD9" JPEG_SOF0 "\xFF\xDA\0\2ab\xFF\0c\xFF\xD9more";
    (void)state;
    check_complete_only_from(bytes, sizeof bytes - 1, 3, sizeof bytes - 5);
}

static void test_complete_gif(void **state) {
    static const char bytes[] =
        "GIF89a\1\0\1\0\x80\0\0RGBRGB!\xF9\4\0\0\0\0\0,\0\0\0\0\1\0\1\0\x80RGBRGB\2\2\x44\1\0;more";
    (void)state;
    check_complete_only_from(bytes, sizeof bytes - 1, 6, sizeof bytes - 5);
}

static void test_complete_webp(void **state) {
    static const char bytes[] = "RIFF\x12\0\0\0WEBPVP8L\6\0\0\0\x2F\0\0\0\0.more";
    (void)state;
    check_complete_only_from(bytes, sizeof bytes - 1, 12, 26);
}

static void test_complete_is_assumed_of_others(void **state) {
    (void)state;
    assert_true(tarimg_is_complete((const unsigned char *)"BM", 2));
    assert_true(tarimg_is_complete((const unsigned char *)"<svg>", 5));
    assert_true(tarimg_is_complete((const unsigned char *)"hello", 5));
}

/* ---- the PNG writer ------------------------------------------------------------------------------------ */

typedef struct picture {
    uint32_t width;
    uint32_t height;
    int channels;
    unsigned char *pixels;
    int fail_at; /* row, or -1 */
} picture;

typedef struct blob {
    unsigned char *data;
    size_t size;
    size_t capacity;
    size_t fail_at; /* bytes */
    int calls_after_failure;
    int failed;
} blob;

static size_t row_size(const picture *p) {
    return (size_t)p->width * (size_t)p->channels;
}

static int give_row(void *context, uint32_t y, unsigned char *row) {
    const picture *p = (const picture *)context;
    if (p->fail_at >= 0 && (uint32_t)p->fail_at == y) return 77;
    memcpy(row, p->pixels + y * row_size(p), row_size(p));
    return 0;
}

static int take_bytes(void *context, const void *data, size_t size) {
    blob *b = (blob *)context;
    if (b->failed) ++b->calls_after_failure;
    if (b->size + size > b->fail_at) {
        b->failed = 1;
        return 78;
    }
    if (b->size + size > b->capacity) {
        b->capacity = (b->size + size) * 2;
        b->data = (unsigned char *)realloc(b->data, b->capacity);
        assert_non_null(b->data);
    }
    memcpy(b->data + b->size, data, size);
    b->size += size;
    return 0;
}

static blob new_blob(void) {
    blob b;
    memset(&b, 0, sizeof b);
    b.fail_at = SIZE_MAX;
    return b;
}

static int write_picture(picture *p, blob *out) {
    size_t size = tarimg_png_scratch_size(p->width, p->channels);
    unsigned char *scratch = (unsigned char *)malloc(size);
    int result;
    assert_true(size > 0);
    assert_non_null(scratch);
    memset(scratch, p->width % 2 ? 0 : 0xA5, size); /* zeros are what a match too far back would find */
    result = tarimg_png_write(p->width, p->height, p->channels, give_row, p, scratch, take_bytes, out);
    free(scratch);
    return result;
}

static uint32_t read_word(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static unsigned char unfiltered(int filter, unsigned char value, unsigned char left, unsigned char up) {
    assert_in_range(filter, 0, 2);
    return (unsigned char)(value + (filter == 1 ? left : filter == 2 ? up : 0));
}

static void unfilter(const picture *p, const unsigned char *packed, unsigned char *pixels) {
    size_t length = row_size(p), i;
    uint32_t y;
    for (y = 0; y < p->height; ++y, packed += length + 1, pixels += length)
        for (i = 0; i < length; ++i) {
            size_t bytes = (size_t)p->channels;
            unsigned char left = i < bytes ? 0 : pixels[i - bytes], up = y ? pixels[i - length] : 0;
            pixels[i] = unfiltered(packed[0], packed[1 + i], left, up);
        }
}

/* Checks every chunk and gives what the IDAT chunks hold together. */
static blob read_chunks(const picture *p, const blob *png) {
    static const int color_types[] = {0, 4, 2, 6};
    blob packed = new_blob();
    size_t at = 8, index = 0;
    int ended = 0;
    assert_memory_equal(png->data, "\x89PNG\r\n\x1A\n", 8);
    for (; !ended; ++index) {
        const unsigned char *chunk = png->data + at;
        size_t length;
        assert_true(png->size - at >= 12);
        length = read_word(chunk);
        assert_true(png->size - at - 12 >= length);
        assert_int_equal(read_word(chunk + 8 + length),
                         crc32(crc32(0, NULL, 0), chunk + 4, (uInt)length + 4));
        ended = memcmp(chunk + 4, "IEND", 4) == 0;
        if (index == 0) {
            assert_int_equal(length, 13);
            assert_memory_equal(chunk + 4, "IHDR", 4);
            assert_int_equal(read_word(chunk + 8), p->width);
            assert_int_equal(read_word(chunk + 12), p->height);
            assert_int_equal(chunk[16], 8);
            assert_int_equal(chunk[17], color_types[p->channels - 1]);
            assert_memory_equal(chunk + 18, "\0\0\0", 3);
        } else if (!ended) {
            assert_memory_equal(chunk + 4, "IDAT", 4);
            assert_true(length > 0 && length <= 16384);
            assert_int_equal(take_bytes(&packed, chunk + 8, length), 0);
        }
        at += length + 12;
    }
    assert_int_equal(at, png->size);
    return packed;
}

static size_t check_round_trip(picture *p) {
    blob png = new_blob(), packed;
    size_t raw_size = (row_size(p) + 1) * p->height, png_size;
    unsigned char *raw = (unsigned char *)malloc(raw_size), *pixels = (unsigned char *)malloc(raw_size);
    z_stream inflater;
    assert_true(raw && pixels);
    assert_int_equal(write_picture(p, &png), 0);
    packed = read_chunks(p, &png);
    memset(&inflater, 0, sizeof inflater);
    inflater.next_in = packed.data;
    inflater.avail_in = (uInt)packed.size;
    inflater.next_out = raw;
    inflater.avail_out = (uInt)raw_size;
    assert_int_equal(inflateInit(&inflater), Z_OK);
    assert_int_equal(inflate(&inflater, Z_FINISH), Z_STREAM_END); /* Adler-32 is checked by this */
    assert_int_equal(inflater.avail_out, 0);
    assert_int_equal(inflater.avail_in, 0);
    inflateEnd(&inflater);
    unfilter(p, raw, pixels);
    assert_memory_equal(pixels, p->pixels, row_size(p) * p->height);
    assert_media("written", tarimg_sniff(png.data, png.size), "image/png", (int)p->width, (int)p->height);
    assert_true(tarimg_is_complete(png.data, png.size));
    assert_false(tarimg_is_complete(png.data, png.size - 1));
    png_size = png.size;
    free(packed.data);
    free(png.data);
    free(pixels);
    free(raw);
    return png_size;
}

enum { NOISE, FLAT, RAMP, DIAGONAL, SPARSE, BLOCKS, PATTERN_COUNT };

static unsigned char pattern_byte(int pattern, uint32_t x, uint32_t y, uint32_t k, uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    switch (pattern) {
    case NOISE: return (unsigned char)(*seed >> 24);
    case FLAT: return (unsigned char)(200 + k);
    case RAMP: return (unsigned char)((k ? y : x) / 4);
    case DIAGONAL: return (unsigned char)((x + y + k * 7) / 3);
    case SPARSE: return (*seed >> 24) < 4 ? (unsigned char)(*seed >> 16) : 0;
    default: return ((x / 16 + y / 16) & 1) ? 255 : 0;
    }
}

static picture new_picture(uint32_t width, uint32_t height, int channels, int pattern) {
    picture p;
    uint32_t x, y, k, seed = width * 31 + height;
    unsigned char *at;
    p.width = width;
    p.height = height;
    p.channels = channels;
    p.fail_at = -1;
    p.pixels = at = (unsigned char *)malloc(row_size(&p) * height);
    assert_non_null(at);
    for (y = 0; y < height; ++y)
        for (x = 0; x < width; ++x)
            for (k = 0; k < (uint32_t)channels; ++k) *at++ = pattern_byte(pattern, x, y, k, &seed);
    return p;
}

static size_t check_pattern(uint32_t width, uint32_t height, int channels, int pattern) {
    picture p = new_picture(width, height, channels, pattern);
    size_t size = check_round_trip(&p);
    free(p.pixels);
    return size;
}

static void test_png_of_every_small_width(void **state) {
    uint32_t width;
    int channels, pattern;
    (void)state;
    for (width = 1; width <= 70; ++width)
        for (channels = 1; channels <= 4; ++channels)
            for (pattern = 0; pattern < PATTERN_COUNT; ++pattern) {
                check_pattern(width, 1, channels, pattern);
                check_pattern(width, 1 + width % 13, channels, pattern);
            }
}

/* Around the longest match, the deflate window and the IDAT size. */
static void test_png_of_awkward_sizes(void **state) {
    static const uint32_t sizes[][2] = {{257, 3},   {258, 3},   {259, 3},   {260, 5},
                                        {8177, 2},  {8178, 2},  {1, 8191},  {1, 70000},
                                        {32766, 3}, {32767, 3}, {32768, 3}, {70001, 2}};
    size_t i;
    int channels, pattern;
    (void)state;
    for (i = 0; i < sizeof sizes / sizeof sizes[0]; ++i)
        for (channels = 1; channels <= 4; ++channels)
            for (pattern = 0; pattern < PATTERN_COUNT; ++pattern)
                check_pattern(sizes[i][0], sizes[i][1], channels, pattern);
}

static void test_png_packs_what_is_smooth(void **state) {
    (void)state;
    assert_in_range(check_pattern(1024, 1024, 4, BLOCKS), 1, 64 * 1024);
    assert_in_range(check_pattern(1024, 1024, 1, FLAT), 1, 16 * 1024);
    assert_in_range(check_pattern(1024, 1024, 3, RAMP), 1, 128 * 1024);
    assert_in_range(check_pattern(1024, 1024, 3, DIAGONAL), 1, 512 * 1024);
    assert_in_range(check_pattern(1024, 1024, 3, NOISE), 1, 3 * 1024 * 1024 * 9 / 8);
}

static void test_png_is_deterministic(void **state) {
    picture p = new_picture(200, 100, 3, SPARSE);
    blob a = new_blob(), b = new_blob();
    (void)state;
    assert_int_equal(write_picture(&p, &a), 0);
    assert_int_equal(write_picture(&p, &b), 0);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    free(a.data);
    free(b.data);
    free(p.pixels);
}

/* One byte per pixel either way: what differs is the colour type, and the palette in front of the pixels. */
static void test_png_with_a_palette(void **state) {
    static unsigned char palette[TARIMG_PNG_COLOURS * 3];
    picture p = new_picture(200, 100, 1, SPARSE);
    unsigned char *scratch = (unsigned char *)malloc(tarimg_png_scratch_size(200, 1));
    blob grey = new_blob(), coloured = new_blob();
    size_t i;
    (void)state;
    assert_non_null(scratch);
    for (i = 0; i < sizeof palette; ++i) palette[i] = (unsigned char)(i * 7 + 3);
    assert_int_equal(write_picture(&p, &grey), 0);
    assert_int_equal(
        tarimg_png_write_colours(200, 100, 1, palette, give_row, &p, scratch, take_bytes, &coloured), 0);
    assert_int_equal(coloured.size, grey.size + 12 + sizeof palette);
    assert_memory_equal(coloured.data, grey.data, 24); /* up to the size */
    assert_int_equal(grey.data[25], 0);
    assert_int_equal(coloured.data[25], 3);
    assert_memory_equal(coloured.data + 33, "\0\0\3\0PLTE", 8);
    assert_memory_equal(coloured.data + 41, palette, sizeof palette);
    assert_int_equal(crc32(0, coloured.data + 12, 17), tarimg_png_crc(coloured.data + 12, 17));
    for (i = 0; i < 4; ++i)
        assert_int_equal(coloured.data[41 + sizeof palette + i],
                         crc32(0, coloured.data + 37, 4 + sizeof palette) >> (24 - 8 * i) & 0xFF);
    assert_memory_equal(coloured.data + 33 + 12 + sizeof palette, grey.data + 33, grey.size - 33);
    assert_media("coloured", tarimg_sniff(coloured.data, coloured.size), "image/png", 200, 100);
    free(scratch);
    free(grey.data);
    free(coloured.data);
    free(p.pixels);
}

static void test_png_passes_failures_on(void **state) {
    picture p = new_picture(300, 100, 3, NOISE);
    size_t limit;
    blob out = new_blob();
    (void)state;
    p.fail_at = 50;
    assert_int_equal(write_picture(&p, &out), 77);
    free(out.data);
    p.fail_at = -1;
    for (limit = 0; limit < 90000; limit += 4000) {
        out = new_blob();
        out.fail_at = limit;
        assert_int_equal(write_picture(&p, &out), 78);
        assert_int_equal(out.calls_after_failure, 0);
        free(out.data);
    }
    free(p.pixels);
}

static void test_png_refuses_bad_arguments(void **state) {
    unsigned char scratch[18];
    picture p = new_picture(1, 1, 4, FLAT);
    blob out = new_blob();
    (void)state;
    assert_int_equal(tarimg_png_scratch_size(0, 1), 0);
    assert_int_equal(tarimg_png_scratch_size(1, 0), 0);
    assert_int_equal(tarimg_png_scratch_size(1, 5), 0);
    assert_int_equal(tarimg_png_scratch_size(0x80000000u, 1), 0);
    if (SIZE_MAX == 0xFFFFFFFFu) assert_int_equal(tarimg_png_scratch_size(0x10000000u, 4), 0);
    assert_true(tarimg_png_scratch_size(1, 4) <= sizeof scratch);
    assert_int_equal(tarimg_png_write(0, 1, 4, give_row, &p, scratch, take_bytes, &out), -1);
    assert_int_equal(tarimg_png_write(1, 0, 4, give_row, &p, scratch, take_bytes, &out), -1);
    assert_int_equal(tarimg_png_write(1, 0x80000000u, 4, give_row, &p, scratch, take_bytes, &out), -1);
    assert_int_equal(tarimg_png_write(1, 1, 0, give_row, &p, scratch, take_bytes, &out), -1);
    assert_int_equal(tarimg_png_write(1, 1, 5, give_row, &p, scratch, take_bytes, &out), -1);
    assert_int_equal(tarimg_png_write(1, 1, 4, NULL, &p, scratch, take_bytes, &out), -1);
    assert_int_equal(tarimg_png_write(1, 1, 4, give_row, &p, NULL, take_bytes, &out), -1);
    assert_int_equal(tarimg_png_write(1, 1, 4, give_row, &p, scratch, NULL, &out), -1);
    assert_int_equal(out.size, 0);
    free(p.pixels);
}

/* ---- masks --------------------------------------------------------------------------------------------- */

/* Four pixels each: white, black, a grey just marked, a grey just not marked; then white that is transparent.
 */
static const unsigned char mask_grey[] = {255, 0, 128, 127, 0};
static const unsigned char mask_grey_alpha[] = {255, 255, 0, 255, 128, 128, 127, 255, 255, 127};
static const unsigned char mask_rgb[] = {255, 255, 255, 0, 0, 0, 128, 128, 128, 127, 127, 127, 0, 0, 0};
static const unsigned char mask_rgba[] = {255, 255, 255, 255, 0,   0,   0,   255, 128, 128,
                                          128, 128, 127, 127, 127, 255, 255, 255, 255, 127};

static tarimg_mask new_mask(const unsigned char *pixels, int channels, tarash_image_mask_polarity polarity) {
    tarimg_mask mask = {0};
    mask.pixels = pixels;
    mask.width = 5;
    mask.height = 1;
    mask.channels = channels;
    mask.polarity = polarity;
    return mask;
}

static void test_masks_take_each_form(void **state) {
    static const unsigned char *const sources[] = {mask_grey, mask_grey_alpha, mask_rgb, mask_rgba};
    static const unsigned char white[] = {255, 0, 128, 127, 0};
    static const unsigned char black[] = {0, 255, 127, 128, 255};
    static const unsigned char transparent[] = {255, 255, 255, 0,   255, 255, 255, 255, 255, 255,
                                                255, 0,   255, 255, 255, 255, 255, 255, 255, 255};
    int channels;
    (void)state;
    for (channels = 1; channels <= 4; ++channels) {
        const unsigned char *source = sources[channels - 1];
        unsigned char row[20];
        tarimg_mask mask = new_mask(source, channels, TARASH_IMAGE_MASK_WHITE);
        assert_int_equal(tarimg_mask_to_alpha(&mask, 0, row), 0);
        assert_memory_equal(row, white, sizeof white);
        mask = new_mask(source, channels, TARASH_IMAGE_MASK_BLACK);
        assert_int_equal(tarimg_mask_to_alpha(&mask, 0, row), 0);
        assert_memory_equal(row, black, sizeof black);
        mask = new_mask(source, channels, TARASH_IMAGE_MASK_TRANSPARENT);
        assert_int_equal(tarimg_mask_to_alpha(&mask, 0, row), 0);
        assert_memory_equal(row, transparent, sizeof transparent);
    }
}

static void test_mask_of_colours_is_their_luminance(void **state) {
    static const unsigned char colours[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 0, 254, 254, 254};
    static const unsigned char levels[] = {76, 149, 28, 226, 254};
    tarimg_mask mask = new_mask(colours, 3, TARASH_IMAGE_MASK_WHITE);
    unsigned char row[5];
    (void)state;
    assert_int_equal(tarimg_mask_to_alpha(&mask, 0, row), 0);
    assert_memory_equal(row, levels, sizeof levels);
}

static void test_mask_channels(void **state) {
    (void)state;
    assert_int_equal(tarimg_mask_channels(TARASH_IMAGE_MASK_NONE), 0);
    assert_int_equal(tarimg_mask_channels(TARASH_IMAGE_MASK_WHITE), 1);
    assert_int_equal(tarimg_mask_channels(TARASH_IMAGE_MASK_BLACK), 1);
    assert_int_equal(tarimg_mask_channels(TARASH_IMAGE_MASK_TRANSPARENT), 4);
}

static void test_mask_refuses_bad_rows(void **state) {
    unsigned char row[20];
    tarimg_mask mask = new_mask(mask_grey, 1, TARASH_IMAGE_MASK_WHITE);
    (void)state;
    assert_int_equal(tarimg_mask_to_alpha(&mask, 1, row), -1);
    mask = new_mask(mask_grey, 5, TARASH_IMAGE_MASK_WHITE);
    assert_int_equal(tarimg_mask_to_alpha(&mask, 0, row), -1);
    mask = new_mask(mask_grey, 1, TARASH_IMAGE_MASK_NONE);
    assert_int_equal(tarimg_mask_to_alpha(&mask, 0, row), -1);
    mask = new_mask(NULL, 1, TARASH_IMAGE_MASK_WHITE);
    assert_int_equal(tarimg_mask_to_alpha(&mask, 0, row), -1);
}

static void test_mask_is_written_as_png(void **state) {
    tarimg_mask mask = new_mask(mask_rgba, 4, TARASH_IMAGE_MASK_TRANSPARENT);
    unsigned char scratch[5 * 4 * 4 + 2];
    blob out = new_blob();
    (void)state;
    assert_int_equal(tarimg_png_scratch_size(5, 4), sizeof scratch);
    assert_int_equal(tarimg_png_write(5, 1, 4, tarimg_mask_to_alpha, &mask, scratch, take_bytes, &out), 0);
    assert_media("mask", tarimg_sniff(out.data, out.size), "image/png", 5, 1);
    free(out.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sniff_knows_each_format),
        cmocka_unit_test(test_sniff_settled_answers_stay),
        cmocka_unit_test(test_sniff_survives_changed_bytes),
        cmocka_unit_test(test_sniff_of_real_files),
        cmocka_unit_test(test_sniff_of_nothing),
        cmocka_unit_test(test_sniff_asks_for_more_only_as_long_as_it_helps),
        cmocka_unit_test(test_sniff_survives_noise),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_complete_png),
        cmocka_unit_test(test_complete_jpeg_despite_a_thumbnail),
        cmocka_unit_test(test_complete_gif),
        cmocka_unit_test(test_complete_webp),
        cmocka_unit_test(test_complete_is_assumed_of_others),
        cmocka_unit_test(test_png_of_every_small_width),
        cmocka_unit_test(test_png_of_awkward_sizes),
        cmocka_unit_test(test_png_packs_what_is_smooth),
        cmocka_unit_test(test_png_is_deterministic),
        cmocka_unit_test(test_png_with_a_palette),
        cmocka_unit_test(test_png_passes_failures_on),
        cmocka_unit_test(test_png_refuses_bad_arguments),
        cmocka_unit_test(test_masks_take_each_form),
        cmocka_unit_test(test_mask_of_colours_is_their_luminance),
        cmocka_unit_test(test_mask_channels),
        cmocka_unit_test(test_mask_refuses_bad_rows),
        cmocka_unit_test(test_mask_is_written_as_png),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
