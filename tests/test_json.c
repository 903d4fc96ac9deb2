/* The JSON section: the incremental reader at every way to cut a text, payload lifting, limits, the writer,
   merge patch, paths, and the small parsers of numbers, sizes and ratios. */

#define TARASH_IMAGE_IMPLEMENTATION
#include "../tarash_image.h"

#include <limits.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text)  text, sizeof text - 1
#define COUNT(array) (sizeof array / sizeof array[0])

/* ---- reading a text in given pieces -------------------------------------------------------------------- */

#define MAX_PAYLOADS 8

/* Gives out blocks of exactly the size asked for, so that the address sanitizer sees a byte too many. */
typedef struct sink_double {
    unsigned char *data[MAX_PAYLOADS];
    size_t size[MAX_PAYLOADS];
    int closed[MAX_PAYLOADS];
    size_t count;
    size_t limit; /* of one payload; 0 = none */
    int refuse;   /* opening fails with IO */
} sink_double;

static tarash_image_result sink_open(void *context, size_t *index) {
    sink_double *sink = (sink_double *)context;
    if (sink->refuse) return TARASH_IMAGE_ERROR_IO;
    assert_true(sink->count < MAX_PAYLOADS);
    *index = sink->count++;
    return TARASH_IMAGE_OK;
}

static unsigned char *sink_room(void *context, size_t size) {
    sink_double *sink = (sink_double *)context;
    size_t at = sink->count - 1;
    sink->data[at] = (unsigned char *)realloc(sink->data[at], sink->size[at] + size + 1);
    assert_non_null(sink->data[at]);
    return sink->data[at] + sink->size[at];
}

static tarash_image_result sink_take(void *context, size_t size) {
    sink_double *sink = (sink_double *)context;
    size_t at = sink->count - 1;
    assert_false(sink->closed[at]);
    if (sink->limit && sink->size[at] + size > sink->limit) return TARASH_IMAGE_ERROR_TOO_LARGE;
    sink->size[at] += size;
    return TARASH_IMAGE_OK;
}

static tarash_image_result sink_close(void *context, size_t *size) {
    sink_double *sink = (sink_double *)context;
    sink->closed[sink->count - 1] = 1;
    *size = sink->size[sink->count - 1];
    return TARASH_IMAGE_OK;
}

typedef struct reading {
    const char *paths; /* NULL: no payloads */
    int max_depth;
    size_t document_limit;
    size_t image_limit;
    int refuse;
} reading;

static const reading plain = {NULL, 64, 0, 0, 0};

/* Payloads are shown as their bytes in hexadecimal. */
static void show_payload(void *context, tarimg_buffer *out, const tarimg_value *value) {
    const sink_double *sink = (const sink_double *)context;
    size_t i;
    char text[8];
    assert_true(value->index < sink->count && sink->closed[value->index]);
    assert_int_equal(value->size, sink->size[value->index]);
    tarimg_append_text(out, "<");
    for (i = 0; i < value->size; i++) {
        (void)snprintf(text, sizeof text, "%02x", (unsigned)sink->data[value->index][i]);
        tarimg_append_text(out, text);
    }
    tarimg_append_text(out, ">");
}

static int feed_copy(tarimg_reader *reader, const char *text, size_t size) {
    char *copy = (char *)malloc(size ? size : 1);
    int good;
    assert_non_null(copy);
    if (size) memcpy(copy, text, size);
    good = tarimg_reader_feed(reader, copy, size);
    free(copy);
    return good;
}

/* Reads text cut after `first` bytes, the rest in pieces of `piece` (0 = in one); gives the document as it is
   written again, or "!RESULT". To be freed. */
static char *outcome_of(const char *text, size_t size, size_t first, size_t piece, const reading *how) {
    const tarash_image_allocator allocator = tarimg_default_allocator();
    tarimg_payload_target target;
    sink_double sink;
    tarimg_arena arena;
    tarimg_reader reader;
    tarimg_buffer out;
    size_t at = 0, i;
    int good = 1;
    memset(&sink, 0, sizeof sink);
    sink.limit = how->image_limit;
    sink.refuse = how->refuse;
    target.open_fn = sink_open;
    target.room_fn = sink_room;
    target.take_fn = sink_take;
    target.close_fn = sink_close;
    target.context = &sink;
    tarimg_arena_init(&arena, &allocator, how->document_limit);
    tarimg_reader_init(&reader, &arena, how->max_depth, how->paths, how->paths ? &target : NULL);
    while (good && at < size) {
        size_t left = size - at, now = at == 0 && first ? first : piece ? piece : left;
        if (now > left) now = left;
        good = feed_copy(&reader, text + at, now);
        at += now;
    }
    good = good && tarimg_reader_finish(&reader);
    tarimg_buffer_init(&out, &allocator, 0);
    if (good) {
        assert_int_equal(reader.result, TARASH_IMAGE_OK);
        tarimg_write_json(&out, reader.root, show_payload, &sink);
    } else {
        assert_int_not_equal(reader.result, TARASH_IMAGE_OK);
        assert_non_null(reader.problem);
        assert_false(tarimg_reader_feed(&reader, "x", 1)); /* it stays so */
        assert_false(tarimg_reader_finish(&reader));
        tarimg_append_text(&out, "!");
        tarimg_append_text(&out, tarash_image_result_name(reader.result));
    }
    tarimg_reader_free(&reader);
    tarimg_arena_free(&arena);
    for (i = 0; i < sink.count; i++) free(sink.data[i]);
    assert_non_null(out.data);
    return out.data; /* of malloc, as the allocator is the default one */
}

static void assert_reads_as(const char *text, size_t size, const reading *how, const char *expected) {
    size_t cut;
    for (cut = 0; cut <= size + 1; cut++) {
        char *found = cut <= size ? outcome_of(text, size, cut, 0, how) : outcome_of(text, size, 0, 1, how);
        if (strcmp(found, expected) != 0)
            fail_msg("%.200s (%d bytes), %s %d: %.300s, not %.300s", text, (int)size,
                     cut <= size ? "cut at" : "byte by byte", (int)cut, found, expected);
        free(found);
    }
}

/* Whatever it is, it is the same however the text is cut. */
static void assert_reads_alike(const char *text, size_t size, const reading *how) {
    char *whole = outcome_of(text, size, 0, 0, how);
    assert_reads_as(text, size, how, whole);
    free(whole);
}

/* ---- RFC 8259 ------------------------------------------------------------------------------------------ */

static void test_valid_texts(void **state) {
    static const struct {
        const char *text;
        size_t size;
        const char *written;
    } cases[] = {
        {BYTES("null"), "null"},
        {BYTES("true"), "true"},
        {BYTES("false"), "false"},
        {BYTES("0"), "0"},
        {BYTES("-0"), "-0"},
        {BYTES("-0.0"), "-0.0"},
        {BYTES("123456789012345678901234567890"), "123456789012345678901234567890"},
        {BYTES("1.5"), "1.5"},
        {BYTES("-1.5e10"), "-1.5e10"},
        {BYTES("1E+2"), "1E+2"},
        {BYTES("1e-2"), "1e-2"},
        {BYTES("0e1"), "0e1"},
        {BYTES("0E+01"), "0E+01"},
        {BYTES("1e1000"), "1e1000"},
        {BYTES("123.456e78"), "123.456e78"},
        {BYTES("\"\""), "\"\""},
        {BYTES("\"a\""), "\"a\""},
        {BYTES("\"\x7F\""), "\"\x7F\""},
        {BYTES("[]"), "[]"},
        {BYTES("{}"), "{}"},
        {BYTES(" \t\r\n[ \t\r\n] \t\r\n"), "[]"},
        {BYTES(" { } "), "{}"},
        {BYTES("[1]"), "[1]"},
        {BYTES("[1,2,3]"), "[1,2,3]"},
        {BYTES("[ 1 , -2 , 3.5 ]\n"), "[1,-2,3.5]"},
        {BYTES("[null,true,false]"), "[null,true,false]"},
        {BYTES("[[],{},[[]],[{}]]"), "[[],{},[[]],[{}]]"},
        {BYTES("{\"a\":1}"), "{\"a\":1}"},
        {BYTES("{ \"a\" : 1 , \"b\" : [ 2 ] , \"c\" : { } }"), "{\"a\":1,\"b\":[2],\"c\":{}}"},
        {BYTES("{\"\":0}"), "{\"\":0}"},
        {BYTES("{\"a\":{\"b\":{\"c\":[]}},\"d\":\"e\"}"), "{\"a\":{\"b\":{\"c\":[]}},\"d\":\"e\"}"},
        {BYTES("{\"a\":1,\"a\":2}"), "{\"a\":1,\"a\":2}"},
        {BYTES("{\"a\\u0062\":1}"), "{\"ab\":1}"},
        {BYTES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "\"\\\"\\\\/\\u0008\\u000c\\n\\u000d\\u0009\""},
        {BYTES("\"\\u0041\\u00e9\\u20AC\""), "\"A\xC3\xA9\xE2\x82\xAC\""},
        {BYTES("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""), "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""},
        {BYTES("\"\\ud83d\\ude00\""), "\"\xF0\x9F\x98\x80\""},
        {BYTES("\"\\uD834\\uDD1E!\""), "\"\xF0\x9D\x84\x9E!\""},
        {BYTES("\"\\uFFFF\\uFFFE\""), "\"\xEF\xBF\xBF\xEF\xBF\xBE\""},
        {BYTES("\"\\u001f\\u007F\""), "\"\\u001f\x7F\""},
        {BYTES("\"\xE2\x80\xA8\xE2\x80\xA9\""), "\"\xE2\x80\xA8\xE2\x80\xA9\""},
        {BYTES("[\"a\",\"b\\n\"]"), "[\"a\",\"b\\n\"]"},
        /* a NUL can't be in a C text; it and lone surrogates become U+FFFD */
        {BYTES("\"a\\u0000b\""), "\"a\xEF\xBF\xBD"
                                 "b\""},
        {BYTES("\"\\ud83d\""), "\"\xEF\xBF\xBD\""},
        {BYTES("\"\\ude00x\""), "\"\xEF\xBF\xBDx\""},
        {BYTES("\"\\ud83dx\""), "\"\xEF\xBF\xBDx\""},
        {BYTES("\"\\ud83d\\n\""), "\"\xEF\xBF\xBD\\n\""},
        {BYTES("\"\\ud83d\\u0041\""), "\"\xEF\xBF\xBD"
                                      "A\""},
        {BYTES("\"\\ud83d\\ud83d\\ude00\""), "\"\xEF\xBF\xBD\xF0\x9F\x98\x80\""},
        {BYTES("\"\\ude00\\ud83d\""), "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {BYTES("{\"\\ud83d\":1}"), "{\"\xEF\xBF\xBD\":1}"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        assert_reads_as(cases[i].text, cases[i].size, &plain, cases[i].written);
        /* what was written reads as itself */
        assert_reads_as(cases[i].written, strlen(cases[i].written), &plain, cases[i].written);
    }
}

static void test_invalid_texts(void **state) {
    static const struct {
        const char *text;
        size_t size;
    } cases[] = {
        {BYTES("")},
        {BYTES(" ")},
        {BYTES("\n\t ")},
        /* numbers */
        {BYTES("01")},
        {BYTES("-01")},
        {BYTES("00")},
        {BYTES("1.")},
        {BYTES(".5")},
        {BYTES("-.5")},
        {BYTES("-")},
        {BYTES("+1")},
        {BYTES("1e")},
        {BYTES("1e+")},
        {BYTES("1E-")},
        {BYTES("1.e5")},
        {BYTES("0.e1")},
        {BYTES("--1")},
        {BYTES("1-1")},
        {BYTES("0x10")},
        {BYTES("Infinity")},
        {BYTES("-Infinity")},
        {BYTES("NaN")},
        {BYTES("-nan")},
        {BYTES("inf")},
        {BYTES("1_000")},
        {BYTES("1 000")},
        {BYTES("1a")},
        {BYTES("1eE2")},
        {BYTES("1.2.3")},
        {BYTES("1,5")},
        {BYTES("- 1")},
        {BYTES("1e5.5")},
        {BYTES("\xEF\xBC\x91")},
        {BYTES("[1e]")},
        {BYTES("[-]")},
        {BYTES("[01]")},
        {BYTES("{\"a\":1.}")},
        {BYTES("E5")},
        {BYTES("e5")},
        /* words */
        {BYTES("nul")},
        {BYTES("nulll")},
        {BYTES("tru")},
        {BYTES("True")},
        {BYTES("TRUE")},
        {BYTES("falsee")},
        {BYTES("truefalse")},
        {BYTES("[truefalse]")},
        {BYTES("undefined")},
        {BYTES("[nul]")},
        {BYTES("[true1]")},
        {BYTES("null\0") /* a NUL behind it */},
        /* structure */
        {BYTES("[")},
        {BYTES("]")},
        {BYTES("{")},
        {BYTES("}")},
        {BYTES("[1")},
        {BYTES("[1,")},
        {BYTES("[1,]")},
        {BYTES("[,1]")},
        {BYTES("[,]")},
        {BYTES("[1,,2]")},
        {BYTES("[1 2]")},
        {BYTES("[1}")},
        {BYTES("{\"a\":1]")},
        {BYTES("[{]}")},
        {BYTES("{\"a\"}")},
        {BYTES("{\"a\":}")},
        {BYTES("{\"a\":1,}")},
        {BYTES("{,}")},
        {BYTES("{\"a\":1 \"b\":2}")},
        {BYTES("{a:1}")},
        {BYTES("{'a':1}")},
        {BYTES("{1:2}")},
        {BYTES("{null:1}")},
        {BYTES("{[]:1}")},
        {BYTES("{\"a\" 1}")},
        {BYTES("{\"a\"::1}")},
        {BYTES("{\"a\":1,,\"b\":2}")},
        {BYTES("{\"a\":1:2}")},
        {BYTES("[\"a\":1]")},
        {BYTES("{\"a\",1}")},
        {BYTES(":")},
        {BYTES(",")},
        {BYTES("[1;2]")},
        {BYTES("(1)")},
        {BYTES("{\"a\":1")},
        {BYTES("{\"a\":")},
        {BYTES("{\"a\"")},
        {BYTES("{\"a")},
        /* something behind the value */
        {BYTES("[1]x")},
        {BYTES("[1][2]")},
        {BYTES("{}{}")},
        {BYTES("1 1")},
        {BYTES("\"a\"b")},
        {BYTES("\"a\" \"b\"")},
        {BYTES("[],")},
        {BYTES("[]]")},
        {BYTES("{}}")},
        {BYTES("null null")},
        {BYTES("{} \0")},
        /* white space that JSON doesn't have, comments, a byte order mark */
        {BYTES("[\f]")},
        {BYTES("[\v]")},
        {BYTES("[\xC2\xA0]")},
        {BYTES("[1]\0")},
        {BYTES("\0")},
        {BYTES("[1]//")},
        {BYTES("[/**/]")},
        {BYTES("#\n1")},
        {BYTES("\xFE\xFF[]")},
        /* strings */
        {BYTES("\"")},
        {BYTES("\"a")},
        {BYTES("'a'")},
        {BYTES("`a`")},
        {BYTES("\"\\")},
        {BYTES("\"\\\"")},
        {BYTES("\"\\x41\"")},
        {BYTES("\"\\a\"")},
        {BYTES("\"\\v\"")},
        {BYTES("\"\\'\"")},
        {BYTES("\"\\0\"")},
        {BYTES("\"\\U0041\"")},
        {BYTES("\"\\u\"")},
        {BYTES("\"\\u004\"")},
        {BYTES("\"\\u004G\"")},
        {BYTES("\"\\u 041\"")},
        {BYTES("\"\\u-041\"")},
        {BYTES("\"\\u+041\"")},
        {BYTES("\"\\ud83d\\u\"")},
        {BYTES("\"\\\n\"")},
        {BYTES("\"\\\0\"")},
        {BYTES("\"a\nb\"")},
        {BYTES("\"a\tb\"")},
        {BYTES("\"a\rb\"")},
        {BYTES("\"a\0b\"")},
        {BYTES("\"\x1F\"")},
        {BYTES("\"\x01\"")},
        {BYTES("{\"a\nb\":1}")},
        {BYTES("[\"a\\\"]")},
    };
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(cases); i++) assert_reads_as(cases[i].text, cases[i].size, &plain, "!BAD_RESPONSE");
}

/* Every control character is refused inside a string, and every one but white space outside. */
static void test_control_characters(void **state) {
    int c;
    (void)state;
    for (c = 0; c < 0x20; c++) {
        char inside[] = "[\"a?b\"]", outside[] = "[?1]";
        inside[3] = outside[1] = (char)c;
        assert_reads_as(inside, sizeof inside - 1, &plain, "!BAD_RESPONSE");
        assert_reads_as(outside, sizeof outside - 1, &plain,
                        c == '\t' || c == '\n' || c == '\r' ? "[1]" : "!BAD_RESPONSE");
    }
}

static void test_invalid_utf8_is_replaced(void **state) {
#define R "\xEF\xBF\xBD"
    static const struct {
        const char *text;
        size_t size;
        const char *written;
    } cases[] = {
        {BYTES("\"\x80\""), "\"" R "\""},
        {BYTES("\"a\xFF"
               "b\""),
         "\"a" R "b\""},
        {BYTES("\"\xC0\xAF\""), "\"" R R "\""},
        {BYTES("\"\xED\xA0\x80\""), "\"" R R R "\""},
        {BYTES("\"\xF4\x90\x80\x80\""), "\"" R R R R "\""},
        {BYTES("\"\xC3\""), "\"" R "\""},
        {BYTES("\"\xE2\x82\""), "\"" R R "\""},
        {BYTES("\"\xE2\x82\xAC\xE2\""), "\"\xE2\x82\xAC" R "\""},
        {BYTES("{\"\xFF\":\"\xC3\xA9\"}"), "{\"" R "\":\"\xC3\xA9\"}"},
    };
#undef R
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(cases); i++)
        assert_reads_as(cases[i].text, cases[i].size, &plain, cases[i].written);
}

static char *nested(int depth, int kind) {
    size_t room = (size_t)depth * 8 + 8, at = 0;
    char *text = (char *)malloc(room);
    int i;
    assert_non_null(text);
    for (i = 0; i < depth; i++) {
        int is_object = kind == 1 || (kind == 2 && i % 2);
        const char *open = !is_object ? "[" : i == depth - 1 ? "{" : "{\"a\":";
        memcpy(text + at, open, strlen(open));
        at += strlen(open);
    }
    for (i = depth - 1; i >= 0; i--) text[at++] = kind == 1 || (kind == 2 && i % 2) ? '}' : ']';
    text[at] = '\0';
    return text;
}

static void test_nesting(void **state) {
    static const int limits[] = {1, 2, 5, 64};
    size_t k;
    int kind, more;
    (void)state;
    for (k = 0; k < COUNT(limits); k++) {
        for (kind = 0; kind < 3; kind++) {
            reading how = plain;
            how.max_depth = limits[k];
            for (more = -1; more <= 1; more++) {
                char *text;
                if (limits[k] + more < 1) continue;
                text = nested(limits[k] + more, kind);
                assert_reads_as(text, strlen(text), &how, more > 0 ? "!TOO_LARGE" : text);
                free(text);
            }
        }
    }
}

static void test_depth_counts_what_is_open(void **state) {
    static const char siblings[] = "[[],[],{},{},[[]],[[]],{\"a\":[]}]";
    reading how = plain;
    (void)state;
    how.max_depth = 3;
    assert_reads_as(siblings, sizeof siblings - 1, &how, siblings);
    how.max_depth = 2;
    assert_reads_as(siblings, sizeof siblings - 1, &how, "!TOO_LARGE");
}

static void test_a_very_deep_document_needs_no_stack(void **state) {
    char *text = nested(200000, 0), *found;
    reading how = plain;
    (void)state;
    how.max_depth = 200000;
    found = outcome_of(text, strlen(text), 0, 1000, &how);
    assert_string_equal(found, text);
    free(found);
    how.max_depth = 64;
    found = outcome_of(text, strlen(text), 0, 1000, &how);
    assert_string_equal(found, "!TOO_LARGE");
    free(found);
    free(text);
}

static void test_long_numbers(void **state) {
    char text[600];
    (void)state;
    memset(text, '1', sizeof text);
    text[TARIMG_MAX_WORD] = '\0';
    assert_reads_as(text, TARIMG_MAX_WORD, &plain, text);
    text[TARIMG_MAX_WORD] = '1';
    assert_reads_as(text, TARIMG_MAX_WORD + 1, &plain, "!BAD_RESPONSE");
}

/* ---- payloads ------------------------------------------------------------------------------------------ */

static const reading lifting = {"data[].b64_json, image.b64 ,[].deep[][].x", 64, 0, 0, 0};

static void assert_image_reads_as(const char *content, size_t size, const char *expected) {
    char text[2048], whole[2048];
    int length =
        snprintf(text, sizeof text, "{\"data\":[{\"b64_json\":\"%.*s\"}],\"z\":1}", (int)size, content);
    assert_in_range(length, 1, sizeof text - 1);
    if (expected[0] == '!')
        (void)snprintf(whole, sizeof whole, "%s", expected);
    else
        (void)snprintf(whole, sizeof whole, "{\"data\":[{\"b64_json\":%s}],\"z\":1}", expected);
    assert_reads_as(text, (size_t)length, &lifting, whole);
}

static void test_base64_variants(void **state) {
    static const struct {
        const char *content, *expected;
    } cases[] = {
        {"QUJD", "<414243>"},
        {"QUI=", "<4142>"},
        {"QUI", "<4142>"},
        {"QQ==", "<41>"},
        {"QQ", "<41>"},
        {"QUJDRA==", "<41424344>"},
        {"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=", "<4142434445464748494a4b4c4d4e4f505152535455565758595a>"},
        {"+/+/", "<fbffbf>"},
        {"-_-_", "<fbffbf>"},
        {"+_-/", "<fbffbf>"},
        {"\\u002b\\/\\u002B\\u002f", "<fbffbf>"},
        {"\\u0051\\u0055\\u004A\\u0044", "<414243>"},
        {"QUJD\\nREVG\\n", "<414243444546>"},
        {"QUJD\\r\\nREVG\\r\\n", "<414243444546>"},
        {"Q U J D", "<414243>"},
        {" \\t QUJDREVG", "<414243444546>"},
        {"QUJDREV\\nHSElK", "<414243444547484"
                            "94a>"},
        {"QUI\\u003d", "<4142>"},
        {"QQ\\n=\\n=\\n", "<41>"},
        {"QUJDRA= =", "<41424344>"},
        /* wrong padding */
        {"Q", "!BAD_RESPONSE"},
        {"QUJDR", "!BAD_RESPONSE"},
        {"Q===", "!BAD_RESPONSE"},
        {"QUJDRA===", "!BAD_RESPONSE"},
        {"QUI==", "!BAD_RESPONSE"},
        {"QUJD=", "!BAD_RESPONSE"},
        {"QUJD====", "!BAD_RESPONSE"},
        {"=", "!BAD_RESPONSE"},
        {"====", "!BAD_RESPONSE"},
        {"=QUJD", "!BAD_RESPONSE"},
        {"QQ==QQ==", "!BAD_RESPONSE"},
        {"QQ=Q", "!BAD_RESPONSE"},
        {"QUI=QUJDREVG", "!BAD_RESPONSE"},
        /* data: URLs */
        {"data:image/png;base64,QUJD", "<414243>"},
        {"DATA:IMAGE/PNG;BASE64,QUJD", "<414243>"},
        {"data:;base64,QUJDREVGR0hJSktM", "<4142434445464748494a4b4c>"},
        {"data:image\\/png;base64,QU\\nI=", "<4142>"},
        {"data:image/svg+xml;charset=utf-8;base64,QUI", "<4142>"},
        {"data:image/png;base64,QU!D", "!BAD_RESPONSE"},
        {"data:image/png;base64,QUI==", "!BAD_RESPONSE"},
        {"data:image/png;base64,", "<>"},
        /* texts */
        {"", "\"\""},
        {"data:", "\"data:\""},
        {"data:image/png", "\"data:image/png\""},
        {"data:text/plain,hello", "\"data:text/plain,hello\""},
        {"data:text/plain,hello;base64,AAAA", "\"data:text/plain,hello;base64,AAAA\""},
        {"http://a", "\"http://a\""},
        {"https://example.com/a/very/long/path/image.png?signature=QUJD&x=1", "\"https://example.com/a/very/"
                                                                              "long/path/image.png?signature="
                                                                              "QUJD&x=1\""},
        {"https:\\/\\/example.com\\/a.png", "\"https://example.com/a.png\""},
        {"a:b", "\"a:b\""},
        {"gs://bucket/x", "\"gs://bucket/x\""},
        /* neither */
        {"\\ud83d\\ude00", "!BAD_RESPONSE"},
        {"QUJDREVG\\u0000", "!BAD_RESPONSE"},
        {"QUJDREVG\\u00e9", "!BAD_RESPONSE"},
        {"QUJDREVG\\ud83d", "!BAD_RESPONSE"},
        {"QUJDREVG\\x", "!BAD_RESPONSE"},
        {"QUJDREVG\\u12G4", "!BAD_RESPONSE"},
        {"QUJD.REVG", "!BAD_RESPONSE"},
        {"QUJDREVGR0hJ\n", "!BAD_RESPONSE"}, /* a newline that isn't escaped is no JSON */
    };
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(cases); i++)
        assert_image_reads_as(cases[i].content, strlen(cases[i].content), cases[i].expected);
}

static void test_garbage_at_each_position(void **state) {
    static const char good[] = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=";
    static const char bad[] = "!.%,;*~\x80\xFF";
    char text[sizeof good];
    size_t at, k;
    (void)state;
    for (at = 0; at + 2 < sizeof good; at++) {
        for (k = 0; bad[k]; k++) {
            memcpy(text, good, sizeof good);
            text[at] = bad[k];
            assert_image_reads_as(text, sizeof good - 1, "!BAD_RESPONSE");
        }
    }
}

/* A colon makes it a text where it comes early; anywhere, all ways to cut it agree. */
static void test_a_colon_at_each_position(void **state) {
    size_t at;
    (void)state;
    for (at = 0; at < 40; at++) {
        char text[128] = "{\"image\":{\"b64\":\"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZn\"}}";
        text[17 + at] = ':';
        assert_reads_alike(text, strlen(text), &lifting);
    }
}

static void test_long_data_prefixes(void **state) {
    size_t padding;
    (void)state;
    for (padding = 180; padding < 300; padding += 3) {
        char text[1024], name[400];
        int length;
        memset(name, 'n', sizeof name);
        length = snprintf(text, sizeof text,
                          "[{\"deep\":[[{\"x\":\"data:image/png;name=%.*s;base64,QUJDREVG\"}]]}]",
                          (int)padding, name);
        assert_reads_alike(text, (size_t)length, &lifting);
    }
}

static void test_paths(void **state) {
    static const struct {
        const char *text, *written;
    } cases[] = {
        {"{\"data\":[{\"b64_json\":\"QUJD\"},{\"b64_json\":\"REVG\"},{\"url\":\"x\"}]}",
         "{\"data\":[{\"b64_json\":<414243>},{\"b64_json\":<444546>},{\"url\":\"x\"}]}"},
        {"{\"d\\u0061ta\":[{\"b64\\u005fjson\":\"QUJD\"}]}", "{\"data\":[{\"b64_json\":<414243>}]}"},
        {"{\"image\":{\"b64\":\"QUJD\"}}", "{\"image\":{\"b64\":<414243>}}"},
        {"[{\"deep\":[[{\"x\":\"QUJD\"}]]}]", "[{\"deep\":[[{\"x\":<414243>}]]}]"},
        {"[{\"deep\":[[{\"x\":\"QUJD\",\"y\":\"QUJD\"},{}],[{\"x\":\"QQ\"}]]}]",
         "[{\"deep\":[[{\"x\":<414243>,\"y\":\"QUJD\"},{}],[{\"x\":<41>}]]}]"},
        /* not at a path */
        {"{\"data\":{\"b64_json\":\"QUJD\"}}", NULL},
        {"{\"data\":[[{\"b64_json\":\"QUJD\"}]]}", NULL},
        {"{\"data\":[{\"b64_json\":[\"QUJD\"]}]}", NULL},
        {"{\"data\":[{\"b64_json\":{\"x\":\"QUJD\"}}]}", NULL},
        {"{\"data\":[\"QUJD\"]}", NULL},
        {"[{\"b64_json\":\"QUJD\"}]", NULL},
        {"{\"x\":{\"data\":[{\"b64_json\":\"QUJD\"}]}}", NULL},
        {"[{\"data\":[{\"b64_json\":\"QUJD\"}]}]", NULL},
        {"{\"data\":[{\"b64_jso\":\"QUJD\",\"b64_json2\":\"QUJD\",\"xb64_json\":\"QUJD\"}]}", NULL},
        {"{\"image.b64\":\"QUJD\"}", NULL},
        {"{\"b64\":\"QUJD\",\"image\":\"QUJD\"}", NULL},
        {"\"QUJD\"", NULL},
        {"[\"QUJD\"]", NULL},
        {"[{\"deep\":[{\"x\":\"QUJD\"}]}]", NULL},
        /* at a path, but no string */
        {"{\"data\":[{\"b64_json\":null},{\"b64_json\":12},{\"b64_json\":true}]}", NULL},
        /* a name is never one */
        {"{\"image\":{\"b64\":{\"QUJD\":1}}}", NULL},
    };
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(cases); i++)
        assert_reads_as(cases[i].text, strlen(cases[i].text), &lifting,
                        cases[i].written ? cases[i].written : cases[i].text);
}

static void test_without_a_target_nothing_is_lifted(void **state) {
    static const char text[] = "{\"image\":{\"b64\":\"QUJD\"}}";
    (void)state;
    assert_reads_as(text, sizeof text - 1, &plain, text);
}

static void test_a_cut_off_payload(void **state) {
    static const char text[] = "{\"image\":{\"b64\":\"QUJDREVGR0hJSktM\"}}";
    size_t size;
    (void)state;
    for (size = 0; size + 1 < sizeof text; size++) assert_reads_as(text, size, &lifting, "!BAD_RESPONSE");
}

/* ---- limits -------------------------------------------------------------------------------------------- */

static void test_document_limit(void **state) {
    reading how = plain;
    char text[4096];
    size_t i;
    (void)state;
    how.document_limit = 1000;
    memset(text, 'a', sizeof text);
    text[0] = text[1501] = '"';
    assert_reads_as(text, 1502, &how, "!TOO_LARGE");
    memset(text, '\xFF', 500); /* is 3 bytes each in the document */
    text[0] = text[499] = '"';
    assert_reads_as(text, 500, &how, "!TOO_LARGE");
    text[0] = '[';
    for (i = 0; i < 200; i++) memcpy(text + 1 + 2 * i, i < 199 ? "1," : "1]", 2);
    assert_reads_as(text, 401, &how, "!TOO_LARGE");
    assert_reads_as("[1,2]", 5, &how, "[1,2]");
}

static void test_images_dont_count_for_the_document(void **state) {
    size_t size = 100000, i;
    char *text = (char *)malloc(size + 64), *found;
    reading how = lifting;
    (void)state;
    assert_non_null(text);
    how.document_limit = 1000;
    memcpy(text, "{\"image\":{\"b64\":\"", 17);
    for (i = 0; i < size; i++) text[17 + i] = "ABCDabcd0123+/-_"[i % 16];
    memcpy(text + 17 + size, "\"}}", 4);
    found = outcome_of(text, size + 20, 0, 777, &how);
    assert_int_equal(strlen(found), 17 + size / 4 * 3 * 2 + 3);
    free(found);
    how.image_limit = size / 4 * 3;
    found = outcome_of(text, size + 20, 0, 777, &how);
    assert_int_equal(found[0], '{');
    free(found);
    how.image_limit--;
    found = outcome_of(text, size + 20, 0, 777, &how);
    assert_string_equal(found, "!TOO_LARGE");
    free(found);
    free(text);
}

static void test_image_limit(void **state) {
    reading how = lifting;
    (void)state;
    how.image_limit = 5;
    assert_reads_as(BYTES("{\"image\":{\"b64\":\"QUJDREU=\"}}"), &how, "{\"image\":{\"b64\":<4142434445>}}");
    assert_reads_as(BYTES("{\"image\":{\"b64\":\"QUJDREVG\"}}"), &how, "!TOO_LARGE");
    how.image_limit = 4;
    assert_reads_as(BYTES("{\"image\":{\"b64\":\"QUJDREU=\"}}"), &how, "!TOO_LARGE");
    assert_reads_as(BYTES("{\"image\":{\"b64\":\"QUJDREU\"}}"), &how, "!TOO_LARGE");
}

static void test_a_target_that_refuses(void **state) {
    reading how = lifting;
    (void)state;
    how.refuse = 1;
    assert_reads_as(BYTES("{\"image\":{\"b64\":\"QUJDREU=\"}}"), &how, "!IO");
    assert_reads_as(BYTES("{\"image\":{\"b64\":\"http://x\"}}"), &how, "{\"image\":{\"b64\":\"http://x\"}}");
}

/* ---- random documents ---------------------------------------------------------------------------------- */

static unsigned next_random(unsigned *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void random_value(tarimg_buffer *out, unsigned *seed, int depth) {
    static const char *const leaves[] = {
        "null", "true", "false", "0", "-12.5e3", "\"\"", "\"a\\\"b\xC3\xA9\"", "[]", "{}"};
    unsigned i, kind = next_random(seed) % 6, count = next_random(seed) % 4 + 1;
    if (depth == 0 || kind < 3) {
        tarimg_append_text(out, leaves[next_random(seed) % COUNT(leaves)]);
        return;
    }
    tarimg_append_text(out, kind == 3 ? "{" : "[");
    for (i = 0; i < count; i++) {
        if (i) tarimg_append_text(out, ",");
        if (kind == 3) tarimg_append_text(out, i % 2 ? "\"k\\\\\":" : "\"name\":");
        random_value(out, seed, depth - 1);
    }
    tarimg_append_text(out, kind == 3 ? "}" : "]");
}

static void test_random_documents_round_trip(void **state) {
    const tarash_image_allocator allocator = tarimg_default_allocator();
    unsigned seed = 7;
    int round;
    (void)state;
    for (round = 0; round < 500; round++) {
        tarimg_buffer text;
        char *found;
        tarimg_buffer_init(&text, &allocator, 0);
        random_value(&text, &seed, 6);
        found = outcome_of(text.data, text.size, 0, next_random(&seed) % 7 + 1, &plain);
        assert_string_equal(found, text.data);
        free(found);
        tarimg_buffer_free(&text);
    }
}

static void test_random_damage_reads_alike(void **state) {
    static const char sample[] =
        "{\"data\":[{\"b64_json\":\"QUJDREVGR0hJ\"},{\"url\":\"h\\u00e9\"}],\"n\":-1.5e3,\"t\":[true,null]}";
    static const char marks[] = "\"\\{}[]:,0e-.tn =\xFF\xC3\n";
    unsigned seed = 3;
    int round;
    (void)state;
    for (round = 0; round < 600; round++) {
        char text[sizeof sample];
        memcpy(text, sample, sizeof text);
        text[next_random(&seed) % (sizeof text - 1)] = marks[next_random(&seed) % (sizeof marks - 1)];
        if (round % 2)
            text[next_random(&seed) % (sizeof text - 1)] = marks[next_random(&seed) % (sizeof marks - 1)];
        assert_reads_alike(text, sizeof text - 1, &lifting);
    }
}

/* ---- building, writing, merging ------------------------------------------------------------------------ */

typedef struct workbench {
    tarash_image_allocator allocator;
    tarimg_arena arena;
    tarimg_buffer out;
} workbench;

static void workbench_begin(workbench *bench) {
    bench->allocator = tarimg_default_allocator();
    tarimg_arena_init(&bench->arena, &bench->allocator, 0);
    tarimg_buffer_init(&bench->out, &bench->allocator, 0);
}

static void workbench_end(workbench *bench) {
    tarimg_buffer_free(&bench->out);
    tarimg_arena_free(&bench->arena);
}

static tarimg_value *parsed(workbench *bench, const char *text) {
    tarimg_value *value = tarimg_parse_json(&bench->arena, text, strlen(text), 64);
    if (!value) fail_msg("%s doesn't parse", text);
    return value;
}

static const char *written(workbench *bench, const tarimg_value *value) {
    bench->out.size = 0;
    tarimg_write_json(&bench->out, value, tarimg_write_payload, NULL);
    return bench->out.data;
}

static void test_writer_escapes(void **state) {
    workbench bench;
    char text[129], expected[] = "\"?\"";
    int c;
    (void)state;
    workbench_begin(&bench);
    for (c = 1; c < 128; c++) {
        tarimg_value *value, *again;
        text[0] = (char)c;
        text[1] = '\0';
        value = tarimg_value_text(&bench.arena, text);
        expected[1] = (char)c;
        if (c >= 0x20 && c != '"' && c != '\\')
            assert_string_equal(written(&bench, value), expected);
        else
            assert_int_equal(written(&bench, value)[1], '\\');
        again = parsed(&bench, written(&bench, value));
        assert_string_equal(again->text, text);
    }
    workbench_end(&bench);
}

static void test_writer_of_parts(void **state) {
    workbench bench;
    const tarimg_value *root;
    tarimg_value *payload;
    (void)state;
    workbench_begin(&bench);
    root = parsed(&bench, "{\"a\":[1,{\"b\":[]}],\"c\":{\"d\":{}},\"e\":2}");
    assert_string_equal(written(&bench, tarimg_at(root, "a")), "[1,{\"b\":[]}]");
    assert_string_equal(written(&bench, tarimg_at(root, "a[1].b")), "[]");
    assert_string_equal(written(&bench, tarimg_at(root, "c")), "{\"d\":{}}");
    assert_string_equal(written(&bench, tarimg_at(root, "e")), "2");
    payload = tarimg_value_new(&bench.arena, TARIMG_PAYLOAD);
    payload->size = 1234;
    assert_string_equal(written(&bench, payload), "\"<image, 1234 bytes>\"");
    workbench_end(&bench);
}

/* RFC 7396, appendix A (those whose target and patch are objects), and its section 3. */
static void test_merge_patch(void **state) {
    static const struct {
        const char *target, *patch, *result;
    } cases[] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
        {"{\"title\":\"Goodbye!\",\"author\":{\"givenName\":\"John\",\"familyName\":\"Doe\"},"
         "\"tags\":[\"example\",\"sample\"],\"content\":\"This will be unchanged\"}",
         "{\"title\":\"Hello!\",\"phoneNumber\":\"+01-123-456-7890\",\"author\":{\"familyName\":null},"
         "\"tags\":[\"example\"]}",
         "{\"title\":\"Hello!\",\"author\":{\"givenName\":\"John\"},\"tags\":[\"example\"],"
         "\"content\":\"This will be unchanged\",\"phoneNumber\":\"+01-123-456-7890\"}"},
        /* the algorithm of section 2 */
        {"{\"a\":1}", "{}", "{\"a\":1}"},
        {"{}", "{\"a\":null}", "{}"},
        {"{\"a\":1}", "{\"a\":{\"b\":null,\"c\":2}}", "{\"a\":{\"c\":2}}"},
        {"{\"a\":[1]}", "{\"a\":{\"b\":{}}}", "{\"a\":{\"b\":{}}}"},
        {"{\"a\":{\"b\":1}}", "{\"a\":2}", "{\"a\":2}"},
        {"{\"a\":{\"b\":1}}", "{\"a\":null,\"c\":3}", "{\"c\":3}"},
        {"{}", "{\"a\":[{\"b\":null}]}", "{\"a\":[{\"b\":null}]}"}, /* arrays aren't merged */
        {"{\"a\":1,\"b\":2,\"c\":3}", "{\"c\":null,\"d\":4}", "{\"a\":1,\"b\":2,\"d\":4}"},
        {"{\"a\":1,\"a\":2}", "{\"a\":null}", "{}"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        workbench bench;
        tarimg_value *target, *patch;
        workbench_begin(&bench);
        target = parsed(&bench, cases[i].target);
        patch = parsed(&bench, cases[i].patch);
        tarimg_merge(&bench.arena, target, patch);
        assert_string_equal(written(&bench, target), cases[i].result);
        assert_string_equal(written(&bench, patch), cases[i].patch);
        workbench_end(&bench);
    }
}

static void test_reading_by_path(void **state) {
    workbench bench;
    const tarimg_value *root;
    int64_t number = 5;
    (void)state;
    workbench_begin(&bench);
    root = parsed(&bench,
                  "{\"a\":[{\"b\":\"x\"},[1,2],-7.9],\"n\":12,\"s\":\"34\",\"f\":false,\"t\":true,\"z\":null,"
                  "\"e\":1e3,\"big\":9223372036854775808,\"d\":1,\"d\":2,\"\":{\"q\":3},\"w\":\"12a\"}");
    assert_ptr_equal(tarimg_at(root, ""), root);
    assert_string_equal(tarimg_text_at(root, "a[0].b"), "x");
    assert_string_equal(tarimg_text_at(root, "a[1][1]"), "2");
    assert_string_equal(tarimg_text_at(root, "n"), "12");
    assert_string_equal(tarimg_text_at(root, "d"), "2"); /* the last of that name */
    assert_null(tarimg_text_at(root, "a"));
    assert_null(tarimg_text_at(root, "t"));
    assert_null(tarimg_text_at(root, "z"));
    assert_null(tarimg_at(root, "missing"));
    assert_null(tarimg_at(root, "a[3]"));
    assert_null(tarimg_at(root, "a[99999999999999999999999]"));
    assert_null(tarimg_at(root, "a.b"));
    assert_null(tarimg_at(root, "n[0]"));
    assert_null(tarimg_at(root, "n.x"));
    assert_null(tarimg_at(root, "a[0].b.c"));
    assert_null(tarimg_at(root, "a[0].bb"));
    assert_null(tarimg_at(root, "[0]"));
    assert_null(tarimg_at(NULL, "a"));
    assert_true(tarimg_is_false_at(root, "f"));
    assert_false(tarimg_is_false_at(root, "t"));
    assert_false(tarimg_is_false_at(root, "missing"));
    assert_true(tarimg_integer_at(root, "n", &number) && number == 12);
    assert_true(tarimg_integer_at(root, "s", &number) && number == 34);
    assert_true(tarimg_integer_at(root, "a[2]", &number) && number == -7);
    number = 5;
    assert_false(tarimg_integer_at(root, "e", &number));
    assert_false(tarimg_integer_at(root, "big", &number));
    assert_false(tarimg_integer_at(root, "w", &number));
    assert_false(tarimg_integer_at(root, "t", &number));
    assert_false(tarimg_integer_at(root, "missing", &number));
    workbench_end(&bench);
}

static void test_broken_paths_end(void **state) {
    static const char *const paths[] = {".",  "..", "a..b", "[",     "[[", "a[", "a[x]", "a[0",   "]",
                                        "a]", "[]", "a[]",  "a[].b", ".a", "a.", "[-1]", "a[0]]", "a[0]b"};
    workbench bench;
    const tarimg_value *root;
    size_t i;
    (void)state;
    workbench_begin(&bench);
    root = parsed(&bench, "{\"a\":[{\"b\":1}]}");
    for (i = 0; i < COUNT(paths); i++) {
        tarimg_value *object = tarimg_value_new(&bench.arena, TARIMG_OBJECT);
        (void)tarimg_at(root, paths[i]);
        tarimg_put(&bench.arena, object, paths[i], tarimg_value_integer(&bench.arena, 1));
        (void)parsed(&bench, written(&bench, object)); /* whatever was made of it is JSON */
    }
    workbench_end(&bench);
}

static void test_putting_by_path(void **state) {
    static const struct {
        const char *paths[4];
        const char *result;
    } cases[] = {
        {{"a"}, "{\"a\":0}"},
        {{"a", "b"}, "{\"a\":0,\"b\":1}"},
        {{"a", "a"}, "{\"a\":1}"},
        {{"a.b.c"}, "{\"a\":{\"b\":{\"c\":0}}}"},
        {{"a.b", "a.c"}, "{\"a\":{\"b\":0,\"c\":1}}"},
        {{"a[]", "a[]"}, "{\"a\":[0,1]}"},
        {{"a[0].x", "a[0].y", "a[1].x"}, "{\"a\":[{\"x\":0,\"y\":1},{\"x\":2}]}"},
        {{"a[].x", "a[].x"}, "{\"a\":[{\"x\":0},{\"x\":1}]}"},
        {{"a[][]"}, "{\"a\":[[0]]}"},
        {{"a[0]", "a[1]"}, "{\"a\":[0,1]}"},
        {{"a.b", "a"}, "{\"a\":1}"},
    };
    size_t i, k;
    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        workbench bench;
        tarimg_value *root;
        workbench_begin(&bench);
        root = tarimg_value_new(&bench.arena, TARIMG_OBJECT);
        for (k = 0; k < 4 && cases[i].paths[k]; k++)
            tarimg_put(&bench.arena, root, cases[i].paths[k], tarimg_value_integer(&bench.arena, (int64_t)k));
        assert_string_equal(written(&bench, root), cases[i].result);
        workbench_end(&bench);
    }
}

/* Paths that contradict each other: it stays JSON, whichever wins. */
static void test_putting_what_contradicts(void **state) {
    static const char *const pairs[][2] = {{"a", "a.b"},     {"a", "a[]"},      {"a", "a[0].b"},
                                           {"a.b", "a[]"},   {"a[]", "a.b"},    {"a[].b", "a.b.c"},
                                           {"a", "a.b.c.d"}, {"a[0]", "a[0].b"}};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(pairs); i++) {
        workbench bench;
        tarimg_value *root;
        const char *text;
        workbench_begin(&bench);
        root = tarimg_value_new(&bench.arena, TARIMG_OBJECT);
        tarimg_put(&bench.arena, root, pairs[i][0], tarimg_value_integer(&bench.arena, 1));
        tarimg_put(&bench.arena, root, pairs[i][1], tarimg_value_integer(&bench.arena, 2));
        text = written(&bench, root);
        if (!tarimg_parse_json(&bench.arena, text, strlen(text), 64))
            fail_msg("%s then %s: %s", pairs[i][0], pairs[i][1], text);
        workbench_end(&bench);
    }
}

static void test_members(void **state) {
    workbench bench;
    tarimg_value *root;
    (void)state;
    workbench_begin(&bench);
    root = parsed(&bench, "{\"a\":1,\"b\":{\"c\":2},\"a\":3}");
    assert_string_equal(tarimg_member(root, "a")->text, "3");
    assert_null(tarimg_member(root, "x"));
    assert_null(tarimg_member(NULL, "a"));
    assert_null(tarimg_member(tarimg_member(root, "a"), "a"));
    tarimg_set_text(&bench.arena, root, "t", "x\"y");
    tarimg_set_text(&bench.arena, root, "u", NULL);
    tarimg_set_integer(&bench.arena, root, "i", INT64_MIN);
    tarimg_set_true(&bench.arena, root, "b");
    assert_string_equal(written(&bench, root),
                        "{\"a\":1,\"b\":true,\"a\":3,\"t\":\"x\\\"y\",\"i\":-9223372036854775808}");
    tarimg_remove_member(root, "i");
    tarimg_remove_member(root, "a");
    tarimg_remove_member(root, "missing");
    tarimg_set_integer(&bench.arena, root, "z", 9);
    assert_string_equal(written(&bench, root), "{\"b\":true,\"t\":\"x\\\"y\",\"z\":9}");
    workbench_end(&bench);
}

/* ---- numbers in texts ---------------------------------------------------------------------------------- */

static void test_parse_integer(void **state) {
    static const struct {
        const char *text;
        int good;
        int64_t value;
    } cases[] = {
        {"0", 1, 0},
        {"-0", 1, 0},
        {"7", 1, 7},
        {"-7", 1, -7},
        {"007", 1, 7},
        {"9223372036854775807", 1, INT64_MAX},
        {"9223372036854775806", 1, INT64_MAX - 1},
        {"-9223372036854775808", 1, INT64_MIN},
        {"-9223372036854775807", 1, -INT64_MAX},
        {"9223372036854775808", 0, 0},
        {"-9223372036854775809", 0, 0},
        {"18446744073709551616", 0, 0},
        {"92233720368547758070", 0, 0},
        {"99999999999999999999999999", 0, 0},
        {"00000000000000000000000000000001", 1, 1},
        {"", 0, 0},
        {"-", 0, 0},
        {"+1", 0, 0},
        {" 1", 0, 0},
        {"1 ", 0, 0},
        {"1.0", 0, 0},
        {"1e3", 0, 0},
        {"0x1", 0, 0},
        {"--1", 0, 0},
        {"1-", 0, 0},
        {"a", 0, 0},
    };
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        int64_t value = 77;
        int good = tarimg_parse_integer(cases[i].text, strlen(cases[i].text), &value);
        if (good != cases[i].good || value != (good ? cases[i].value : 77)) fail_msg("\"%s\"", cases[i].text);
    }
}

static void test_parse_thousandths(void **state) {
    static const struct {
        const char *text;
        int64_t cap;
        int good;
        int64_t value;
    } cases[] = {
        {"0", 100000, 1, 0},
        {"1", 100000, 1, 1000},
        {"19.5", 100000, 1, 19500},
        {"0.001", 100000, 1, 1},
        {"0.0019", 100000, 1, 1},
        {".5", 100000, 1, 500},
        {"5.", 100000, 1, 5000},
        {"1.23456", 100000, 1, 1234},
        {"100", 100000, 1, 100000},
        {"99.999", 100000, 1, 99999},
        {"100.001", 100000, 1, 100000},
        {"101", 100000, 1, 100000},
        {"1000", 100000, 1, 100000},
        {"123456", 100000, 1, 100000},
        {"99999999999999999999999999999999999", 100000, 1, 100000},
        {"1000.5", 100000, 1, 100000},
        {"000000000000000000000000000001", 100000, 1, 1000},
        {"", 100000, 0, 0},
        {".", 100000, 0, 0},
        {"-1", 100000, 0, 0},
        {"+1", 100000, 0, 0},
        {"1,5", 100000, 0, 0},
        {"1.2.3", 100000, 0, 0},
        {"1e3", 100000, 0, 0},
        {"inf", 100000, 0, 0},
        {"nan", 100000, 0, 0},
        {" 1", 100000, 0, 0},
        {"1 ", 100000, 0, 0},
    };
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        int64_t value = 77;
        int good = tarimg_parse_thousandths(cases[i].text, strlen(cases[i].text), cases[i].cap, &value);
        if (good != cases[i].good || value != (good ? cases[i].value : 77))
            fail_msg("\"%s\": %d, %lld", cases[i].text, good, (long long)value);
    }
}

static void test_parse_size(void **state) {
    static const char *const bad[] = {"",
                                      "x",
                                      "1x",
                                      "x1",
                                      "0x1",
                                      "1x0",
                                      "-1x1",
                                      "1x-1",
                                      "65536x1",
                                      "1x65536",
                                      "1X1",
                                      "1x1x1",
                                      " 1x1",
                                      "1x1 ",
                                      "1 x1",
                                      "1.5x1",
                                      "1024",
                                      "auto",
                                      "99999999999999999999x1",
                                      "+1x1",
                                      "1024*1024",
                                      "1e3x1",
                                      "4294967297x1"};
    int width = 0, height = 0;
    size_t i;
    (void)state;
    assert_true(tarimg_parse_size(BYTES("1024x768"), &width, &height));
    assert_true(width == 1024 && height == 768);
    assert_true(tarimg_parse_size(BYTES("1x65535"), &width, &height));
    assert_true(width == 1 && height == 65535);
    assert_true(tarimg_parse_size("12x345", 4, &width, &height)); /* the size given counts */
    assert_true(width == 12 && height == 3);
    for (i = 0; i < COUNT(bad); i++) {
        if (tarimg_parse_size(bad[i], strlen(bad[i]), &width, &height)) fail_msg("\"%s\"", bad[i]);
    }
}

static void test_parse_ratio(void **state) {
    static const char *const bad[] = {
        "",         ":",    "1:",    ":1",     "0:1",    "1:0",
        "0.0001:1", "-1:1", "1:-1",  "1001:1", "1:1001", "100001:100",
        "1x1",      "1/1",  "1",     "a:b",    "1:1:1",  "1 :1",
        "1: 1",     "auto", "1,5:1", "1e2:1",  "inf:1",  "999999999999999999999999:1"};
    static const struct {
        const char *text;
        double ratio;
    } good[] = {{"1:1", 1},        {"16:9", 16.0 / 9}, {"19.5:9", 19.5 / 9}, {"1000:1", 1000},
                {"1:1000", 0.001}, {"0.5:1", 0.5},     {"1024:1024", 1}};
    double ratio = 0;
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(bad); i++) {
        if (tarimg_parse_ratio(bad[i], strlen(bad[i]), &ratio)) fail_msg("\"%s\" is %f", bad[i], ratio);
    }
    for (i = 0; i < COUNT(good); i++) {
        double difference;
        assert_true(tarimg_parse_ratio(good[i].text, strlen(good[i].text), &ratio));
        difference = ratio - good[i].ratio;
        if (difference > 1e-9 || difference < -1e-9) fail_msg("\"%s\" is %f", good[i].text, ratio);
    }
}

/* ---- the locale ---------------------------------------------------------------------------------------- */

static void test_locale_changes_nothing(void **state) {
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8",
                                        "tr_TR.UTF-8", "de_DE",      "German"};
    static const char text[] = "{\"a\":1.5,\"I\":[-2.5e3]}";
    size_t i;
    int64_t value = 0;
    double ratio = 0;
    (void)state;
    for (i = 0; i < COUNT(names); i++) {
        if (setlocale(LC_ALL, names[i])) break;
    }
    if (i == COUNT(names)) skip();
    assert_reads_as(text, sizeof text - 1, &plain, text);
    assert_reads_as("1,5", 3, &plain, "!BAD_RESPONSE");
    assert_true(tarimg_parse_thousandths("19.5", 4, 1000000, &value) && value == 19500);
    assert_false(tarimg_parse_thousandths("19,5", 4, 1000000, &value));
    assert_true(tarimg_parse_ratio("1.5:1", 5, &ratio) && ratio > 1.4 && ratio < 1.6);
    assert_true(tarimg_equal_nocase("TITLE", "title")); /* in Turkish, too */
    assert_non_null(setlocale(LC_ALL, "C"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_texts),
        cmocka_unit_test(test_invalid_texts),
        cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_invalid_utf8_is_replaced),
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_depth_counts_what_is_open),
        cmocka_unit_test(test_a_very_deep_document_needs_no_stack),
        cmocka_unit_test(test_long_numbers),
        cmocka_unit_test(test_base64_variants),
        cmocka_unit_test(test_garbage_at_each_position),
        cmocka_unit_test(test_a_colon_at_each_position),
        cmocka_unit_test(test_long_data_prefixes),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_without_a_target_nothing_is_lifted),
        cmocka_unit_test(test_a_cut_off_payload),
        cmocka_unit_test(test_document_limit),
        cmocka_unit_test(test_images_dont_count_for_the_document),
        cmocka_unit_test(test_image_limit),
        cmocka_unit_test(test_a_target_that_refuses),
        cmocka_unit_test(test_random_documents_round_trip),
        cmocka_unit_test(test_random_damage_reads_alike),
        cmocka_unit_test(test_writer_escapes),
        cmocka_unit_test(test_writer_of_parts),
        cmocka_unit_test(test_merge_patch),
        cmocka_unit_test(test_reading_by_path),
        cmocka_unit_test(test_broken_paths_end),
        cmocka_unit_test(test_putting_by_path),
        cmocka_unit_test(test_putting_what_contradicts),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_parse_integer),
        cmocka_unit_test(test_parse_thousandths),
        cmocka_unit_test(test_parse_size),
        cmocka_unit_test(test_parse_ratio),
        cmocka_unit_test(test_locale_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
