/* RFC 8259: what a JSON reader must accept, must refuse, and may do as it likes about, by hand after the cases that
   public conformance suites agree on. Each text is read in one piece, byte by byte, and in halves. */

#define TARASH_IMAGE_IMPLEMENTATION
#include "../tarash_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text)  text, sizeof text - 1
#define COUNT(array) (sizeof array / sizeof array[0])

typedef struct text_case {
    const char *text;
    size_t size;
} text_case;

/* 1 = accepted, 0 = refused as no JSON. */
static int accepts(const text_case *tried, size_t first, size_t piece) {
    const tarash_image_allocator allocator = tarimg_default_allocator();
    tarimg_arena arena;
    tarimg_reader reader;
    size_t at = 0;
    int good = 1;
    tarimg_arena_init(&arena, &allocator, 0);
    tarimg_reader_init(&reader, &arena, 1000, NULL, NULL);
    while (good && at < tried->size) {
        size_t size = at ? piece : first;
        if (size > tried->size - at) size = tried->size - at;
        good = tarimg_reader_feed(&reader, tried->text + at, size);
        at += size;
    }
    if (good) good = tarimg_reader_finish(&reader);
    assert_int_equal(reader.result, good ? TARASH_IMAGE_OK : TARASH_IMAGE_ERROR_BAD_RESPONSE);
    assert_true(good == (reader.root != NULL) || !good);
    tarimg_reader_free(&reader);
    tarimg_arena_free(&arena);
    return good;
}

static void expect_all(const text_case *cases, size_t count, int expected) {
    size_t i;
    int failed = 0;
    for (i = 0; i < count; i++) {
        size_t half = cases[i].size / 2 + 1;
        int seen = accepts(&cases[i], cases[i].size + 1, cases[i].size + 1);
        if (accepts(&cases[i], 1, 1) != seen || accepts(&cases[i], half, cases[i].size) != seen) {
            print_error("read otherwise in pieces: %s\n", cases[i].text);
            failed++;
        }
        if (seen == expected) continue;
        print_error("%s: %s\n", seen ? "accepted" : "refused", cases[i].text);
        failed++;
    }
    assert_int_equal(failed, 0);
}

static void what_must_be_accepted(void **state) {
    static const text_case cases[] = {
        {BYTES("[[]   ]")},
        {BYTES("[\"\"]")},
        {BYTES("[]")},
        {BYTES("[\"a\"]")},
        {BYTES("[false]")},
        {BYTES("[null, 1, \"1\", {}]")},
        {BYTES("[null]")},
        {BYTES("[1\n]")},
        {BYTES(" [1]")},
        {BYTES("[1,null,null,null,2]")},
        {BYTES("[2] ")},
        {BYTES("[123e65]")},
        {BYTES("[0e+1]")},
        {BYTES("[0e1]")},
        {BYTES("[ 4]")},
        {BYTES("[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]\n")},
        {BYTES("[20e1]")},
        {BYTES("[-0]")},
        {BYTES("[-123]")},
        {BYTES("[-1]")},
        {BYTES("[1E22]")},
        {BYTES("[1E-2]")},
        {BYTES("[1E+2]")},
        {BYTES("[123e45]")},
        {BYTES("[123.456e78]")},
        {BYTES("[1e-2]")},
        {BYTES("[1e+2]")},
        {BYTES("[123.456789]")},
        {BYTES("[0.4e00669999999999999999999999999999999999999999999999999999999999999999999999999999999]")},
        {BYTES("[-1e+9999]")},
        {BYTES("[100000000000000000000]")},
        {BYTES("{\"asd\":\"sdf\", \"dfg\":\"fgh\"}")},
        {BYTES("{\"a\":\"b\",\"a\":\"c\"}")},
        {BYTES("{\"a\":\"b\",\"a\":\"b\"}")},
        {BYTES("{}")},
        {BYTES("{\"\":0}")},
        {BYTES("{\"foo\\u0000bar\": 42}")},
        {BYTES("{ \"min\": -1.0e+28, \"max\": 1.0e+28 }")},
        {BYTES("{\"x\":[{\"id\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}], \"id\": \"x\"}")},
        {BYTES("{\"a\":[]}")},
        {BYTES("{\"title\":\"\\u041f\\u043e\\u043b\\u0442\\u043e\\u0440\\u0430\" }")},
        {BYTES("{\n\"a\": \"b\"\n}")},
        {BYTES("[\"\\u0060\\u012a\\u12AB\"]")},
        {BYTES("[\"\\uD801\\udc37\"]")},
        {BYTES("[\"\\ud83d\\ude39\\ud83d\\udc8d\"]")},
        {BYTES("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]")},
        {BYTES("[\"\\\\u0000\"]")},
        {BYTES("[\"\\\"\"]")},
        {BYTES("[\"a/*b*/c/*d//e\"]")},
        {BYTES("[\"\\\\a\"]")},
        {BYTES("[\"\\\\n\"]")},
        {BYTES("[\"\\u0012\"]")},
        {BYTES("[\"\\uFFFF\"]")},
        {BYTES("[\"asd\"]")},
        {BYTES("[ \"asd\"]")},
        {BYTES("[\"\\uDBFF\\uDFFF\"]")},
        {BYTES("[\"new\\u00A0line\"]")},
        {BYTES("[\"\xF4\x8F\xBF\xBF\"]")},
        {BYTES("[\"\xEF\xBF\xBF\"]")},
        {BYTES("[\"\\u0000\"]")},
        {BYTES("[\"\\u002c\"]")},
        {BYTES("[\"\xCF\x80\"]")},
        {BYTES("[\"\xF0\x9B\xBF\xBF\"]")},
        {BYTES("[\"asd \"]")},
        {BYTES("\" \"")},
        {BYTES("[\"\\uD834\\uDd1e\"]")},
        {BYTES("[\"\\u0821\"]")},
        {BYTES("[\"\\u0123\"]")},
        {BYTES("[\"\xE2\x80\xA8\"]")},
        {BYTES("[\"\xE2\x80\xA9\"]")},
        {BYTES("[\"\\u0061\\u30af\\u30EA\\u30b9\"]")},
        {BYTES("[\"new\\u000Aline\"]")},
        {BYTES("[\"\x7F\"]")},
        {BYTES("[\"\\uA66D\"]")},
        {BYTES("[\"\\u005C\"]")},
        {BYTES("[\"\\u0022\"]")},
        {BYTES("[\"\\uFDD0\"]")},
        {BYTES("[\"\\uD83F\\uDFFE\"]")},
        {BYTES("[\"\\u200B\"]")},
        {BYTES("[\"\\uFFFE\"]")},
        {BYTES("[\"\xE2\x82\xAC\xF0\x9D\x84\x9E\"]")},
        {BYTES("[\"a\x7F"
               "a\"]")},
        {BYTES("false")},
        {BYTES("42")},
        {BYTES("-0.1")},
        {BYTES("null")},
        {BYTES("\"asd\"")},
        {BYTES("true")},
        {BYTES("\"\"")},
        {BYTES("[\"a\"]\n")},
        {BYTES("[true]")},
        {BYTES(" [] ")},
    };
    (void)state;
    expect_all(cases, COUNT(cases), 1);
}

static void what_must_be_refused(void **state) {
    static const text_case cases[] = {
        {BYTES("[1 true]")},
        {BYTES("[a\xE5]")},
        {BYTES("[\"\": 1]")},
        {BYTES("[\"\"],")},
        {BYTES("[,1]")},
        {BYTES("[1,,2]")},
        {BYTES("[\"x\",,]")},
        {BYTES("[\"x\"]]")},
        {BYTES("[\"\",]")},
        {BYTES("[\"x\"")},
        {BYTES("[x")},
        {BYTES("[3[4]]")},
        {BYTES("[\xFF]")},
        {BYTES("[1:2]")},
        {BYTES("[,]")},
        {BYTES("[-]")},
        {BYTES("[   , \"\"]")},
        {BYTES("[\"a\",\n4\n,1,")},
        {BYTES("[1,]")},
        {BYTES("[1,,]")},
        {BYTES("[\"\x0B"
               "a\"\\f]")},
        {BYTES("[*]")},
        {BYTES("[\"\"")},
        {BYTES("[1,")},
        {BYTES("[1,\n1\n,1")},
        {BYTES("[{}")},
        {BYTES("[fals]")},
        {BYTES("[nul]")},
        {BYTES("[tru]")},
        {BYTES("123\0")},
        {BYTES("[++1234]")},
        {BYTES("[+1]")},
        {BYTES("[+Inf]")},
        {BYTES("[-01]")},
        {BYTES("[-1.0.]")},
        {BYTES("[-2.]")},
        {BYTES("[-NaN]")},
        {BYTES("[.-1]")},
        {BYTES("[.2e-3]")},
        {BYTES("[0.1.2]")},
        {BYTES("[0.3e+]")},
        {BYTES("[0.3e]")},
        {BYTES("[0.e1]")},
        {BYTES("[0E+]")},
        {BYTES("[0E]")},
        {BYTES("[0e+]")},
        {BYTES("[0e]")},
        {BYTES("[1.0e+]")},
        {BYTES("[1.0e-]")},
        {BYTES("[1.0e]")},
        {BYTES("[1 000.0]")},
        {BYTES("[1eE2]")},
        {BYTES("[2.e+3]")},
        {BYTES("[2.e-3]")},
        {BYTES("[2.e3]")},
        {BYTES("[9.e+]")},
        {BYTES("[Inf]")},
        {BYTES("[NaN]")},
        {BYTES("[\xEF\xBC\x91]")},
        {BYTES("[1+2]")},
        {BYTES("[0x1]")},
        {BYTES("[0x42]")},
        {BYTES("[Infinity]")},
        {BYTES("[0e+-1]")},
        {BYTES("[-123.123foo]")},
        {BYTES("[123\xE5]")},
        {BYTES("[1e1\xE5]")},
        {BYTES("[0\xE5]\n")},
        {BYTES("[-Infinity]")},
        {BYTES("[-foo]")},
        {BYTES("[- 1]")},
        {BYTES("[-012]")},
        {BYTES("[-.123]")},
        {BYTES("[-1x]")},
        {BYTES("[1ea]")},
        {BYTES("[1e\xE5]")},
        {BYTES("[1.]")},
        {BYTES("[.123]")},
        {BYTES("[1.2a-3]")},
        {BYTES("[1.8011670033376514H-308]")},
        {BYTES("[012]")},
        {BYTES("[\"x\", truth]")},
        {BYTES("{[: \"x\"}\n")},
        {BYTES("{\"x\", null}")},
        {BYTES("{\"x\"::\"b\"}")},
        {BYTES("{\xF0\x9F\x87\xA8\xF0\x9F\x87\xAD}")},
        {BYTES("{\"a\":\"a\" 123}")},
        {BYTES("{key: 'value'}")},
        {BYTES("{\"\xB9\":\"0\",}")},
        {BYTES("{\"a\" b}")},
        {BYTES("{:\"b\"}")},
        {BYTES("{\"a\" \"b\"}")},
        {BYTES("{\"a\":")},
        {BYTES("{\"a\"")},
        {BYTES("{1:1}")},
        {BYTES("{9999E9999:1}")},
        {BYTES("{null:null,null:null}")},
        {BYTES("{\"id\":0,,,,,}")},
        {BYTES("{'a':0}")},
        {BYTES("{\"id\":0,}")},
        {BYTES("{\"a\":\"b\"}/**/")},
        {BYTES("{\"a\":\"b\"}/**//")},
        {BYTES("{\"a\":\"b\"}//")},
        {BYTES("{\"a\":\"b\"}/")},
        {BYTES("{\"a\":\"b\",,\"c\":\"d\"}")},
        {BYTES("{a: \"b\"}")},
        {BYTES("{\"a\":\"a")},
        {BYTES("{ \"foo\" : \"bar\", \"a\" }")},
        {BYTES("{\"a\":\"b\"}#")},
        {BYTES(" ")},
        {BYTES("[\"\\uD800\\\"]")},
        {BYTES("[\"\\uD800\\u\"]")},
        {BYTES("[\"\\uD800\\u1\"]")},
        {BYTES("[\"\\uD800\\u1x\"]")},
        {BYTES("[\xC3\xA9]")},
        {BYTES("[\"\\x00\"]")},
        {BYTES("[\"\\\\\\\"]")},
        {BYTES("[\"\\\t\"]")},
        {BYTES("[\"\\\xF0\x9F\x8C\x80\"]")},
        {BYTES("[\"\\\"]")},
        {BYTES("[\"\\u00A\"]")},
        {BYTES("[\"\\uD834\\uDd\"]")},
        {BYTES("[\"\\uD800\\uD800\\x\"]")},
        {BYTES("[\"\\u\xE5\"]")},
        {BYTES("[\"\\a\"]")},
        {BYTES("[\"\\uqqqq\"]")},
        {BYTES("[\"\\\xE5\"]")},
        {BYTES("[\\u0020\"asd\"]")},
        {BYTES("[\\n]")},
        {BYTES("\"")},
        {BYTES("['single quote']")},
        {BYTES("abc")},
        {BYTES("[\"\\")},
        {BYTES("[\"a\0a\"]")},
        {BYTES("[\"new\nline\"]")},
        {BYTES("[\"\t\"]")},
        {BYTES("\"\\UA66D\"")},
        {BYTES("\"\"x")},
        {BYTES("<.>")},
        {BYTES("[<null>]")},
        {BYTES("[1]x")},
        {BYTES("[1]]")},
        {BYTES("[\"asd]")},
        {BYTES("a\xC3\xA5")},
        {BYTES("[True]")},
        {BYTES("1]")},
        {BYTES("{\"x\": true,")},
        {BYTES("[][]")},
        {BYTES("]")},
        {BYTES("\xEF\xBB{}")},
        {BYTES("\xE5")},
        {BYTES("[")},
        {BYTES("")},
        {BYTES("[\0]")},
        {BYTES("2@")},
        {BYTES("{}}")},
        {BYTES("{\"\":")},
        {BYTES("{\"a\":/*comment*/\"b\"}")},
        {BYTES("{\"a\": true} \"x\"")},
        {BYTES("['")},
        {BYTES("[,")},
        {BYTES("[{")},
        {BYTES("[\"a")},
        {BYTES("[\"a\"")},
        {BYTES("{")},
        {BYTES("{]")},
        {BYTES("{,")},
        {BYTES("{[")},
        {BYTES("{\"a")},
        {BYTES("{'a'")},
        {BYTES("[\"\\{[\"\\{[\"\\{[\"\\{")},
        {BYTES("\xE9")},
        {BYTES("*")},
        {BYTES("{\"a\":\"b\"}#{}")},
        {BYTES("[\\u000A\"\"]")},
        {BYTES("[1")},
        {BYTES("[ false, nul")},
        {BYTES("[ true, fals")},
        {BYTES("[ false, tru")},
        {BYTES("{\"asd\":\"asd\"")},
        {BYTES("\xC3\xA5")},
        {BYTES("[\xE2\x81\xA0]")},
        {BYTES("\xEF\xBB\xBF")},
        {BYTES("[\x0C]")},
        {BYTES("\xFF\xFE[\0\"\0\xE9\0\"\0]\0")},
    };
    (void)state;
    expect_all(cases, COUNT(cases), 0);
}

/* The standard leaves these open; what this reader does about them is part of how it reads replies. */
static void what_is_left_open(void **state) {
    static const text_case accepted[] = {
        {BYTES("[123.456e-789]")},
        {BYTES("[1.5e+9999]")},
        {BYTES("[-123123e100000]")},
        {BYTES("[123123123123123123123123123123]")},
        {BYTES("{\"\\uDFAA\":0}")},
        {BYTES("[\"\\uDADA\"]")},
        {BYTES("[\"\\uD888\\u1234\"]")},
        {BYTES("[\"\xE6\x97\xA5\xD1\x88\xFA\"]")},
        {BYTES("[\"\\uD800\\n\"]")},
        {BYTES("[\"\\uDd1ea\"]")},
        {BYTES("[\"\\uD800\\uD800\\n\"]")},
        {BYTES("[\"\\ud800abc\"]")},
        {BYTES("[\"\xFF\"]")},
        {BYTES("[\"\xED\xA0\x80\"]")},
        {BYTES("[\"\xFC\x83\xBF\xBF\xBF\xBF\"]")},
        {BYTES("[\"\xC0\xAF\"]")},
        {BYTES("[\"\xF4\xBF\xBF\xBF\"]")},
        {BYTES("[\"\xE0\xFF\"]")},
        {BYTES("[\"\x81\"]")},
    };
    static const text_case refused[] = {{BYTES("\xEF\xBB\xBF{}")}, {BYTES("\0[\0\"\0\xE9\0\"\0]")}};
    (void)state;
    expect_all(accepted, COUNT(accepted), 1);
    expect_all(refused, COUNT(refused), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_must_be_accepted),
        cmocka_unit_test(what_must_be_refused),
        cmocka_unit_test(what_is_left_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
