/* Texts, secrets, URLs and addresses, times in headers, server-sent events, paths, timers, arenas and
 * buffers. */

#define TARASH_IMAGE_IMPLEMENTATION
#include "support.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text)  text, sizeof text - 1
#define COUNT(array) (sizeof array / sizeof array[0])

static unsigned next_random(unsigned *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void *exact(const void *data, size_t size) {
    void *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    if (size && data) memcpy(copy, data, size);
    return copy;
}

typedef struct bench {
    tarash_image_allocator allocator;
    tarimg_arena arena;
} bench;

static int bench_begin(void **state) {
    static bench the_bench;
    the_bench.allocator = tarimg_default_allocator();
    tarimg_arena_init(&the_bench.arena, &the_bench.allocator, 0);
    *state = &the_bench;
    return 0;
}

static int bench_end(void **state) {
    tarimg_arena_free(&((bench *)*state)->arena);
    return 0;
}

static tarimg_arena *arena_of(void **state) {
    return &((bench *)*state)->arena;
}

/* ---- UTF-8 --------------------------------------------------------------------------------------------- */

static void test_utf8(void **state) {
    static const struct {
        const char *text;
        size_t size;
        int good;
    } cases[] = {
        {BYTES(""), 1},
        {BYTES("a\x7F"), 1},
        {BYTES("a\0b"), 1},
        {BYTES("\xC2\x80"), 1},
        {BYTES("\xDF\xBF"), 1},
        {BYTES("\xE0\xA0\x80"), 1},
        {BYTES("\xED\x9F\xBF"), 1},
        {BYTES("\xEE\x80\x80"), 1},
        {BYTES("\xEF\xBF\xBF"), 1},
        {BYTES("\xF0\x90\x80\x80"), 1},
        {BYTES("\xF4\x8F\xBF\xBF"), 1},
        {BYTES("x\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80y"), 1},
        {BYTES("\x80"), 0},
        {BYTES("\xBF"), 0},
        {BYTES("\xC0\x80"), 0}, /* overlong */
        {BYTES("\xC1\xBF"), 0},
        {BYTES("\xE0\x80\x80"), 0},
        {BYTES("\xE0\x9F\xBF"), 0},
        {BYTES("\xF0\x80\x80\x80"), 0},
        {BYTES("\xF0\x8F\xBF\xBF"), 0},
        {BYTES("\xED\xA0\x80"), 0}, /* surrogates */
        {BYTES("\xED\xBF\xBF"), 0},
        {BYTES("\xF4\x90\x80\x80"), 0}, /* above U+10FFFF */
        {BYTES("\xF5\x80\x80\x80"), 0},
        {BYTES("\xF8\x88\x80\x80\x80"), 0},
        {BYTES("\xFE"), 0},
        {BYTES("\xFF"), 0},
        {BYTES("\xC3"), 0}, /* cut off */
        {BYTES("\xE2\x82"), 0},
        {BYTES("\xF0\x9F\x98"), 0},
        {BYTES("\xC3"
               "a"),
         0},
        {BYTES("\xE2\x82"
               "a"),
         0},
        {BYTES("\xE2\xC3\xA9"), 0},
        {BYTES("a\xC3\xA9\x80"), 0},
    };
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        char *copy = (char *)exact(cases[i].text, cases[i].size);
        if (tarimg_is_utf8(copy, cases[i].size) != cases[i].good) fail_msg("case %d", (int)i);
        free(copy);
    }
}

static void test_every_code_point(void **state) {
    uint32_t point;
    (void)state;
    for (point = 1; point <= 0x10FFFF; point++) {
        char out[4];
        size_t size = tarimg_put_utf8(point, out), expected = point < 0x80      ? 1
                                                              : point < 0x800   ? 2
                                                              : point < 0x10000 ? 3
                                                                                : 4;
        int is_surrogate = point >= 0xD800 && point <= 0xDFFF;
        if (size != expected || tarimg_utf8_length(out, size) != (is_surrogate ? 0 : size))
            fail_msg("U+%lX", (unsigned long)point);
        if (tarimg_utf8_length(out, size - 1) != 0) fail_msg("U+%lX cut off", (unsigned long)point);
    }
}

static void test_repaired_text_is_utf8(void **state) {
    static const char likely[] = "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"
                                 "a\xED\xA0";
    const tarash_image_allocator allocator = tarimg_default_allocator();
    unsigned seed = 9;
    int round;
    (void)state;
    for (round = 0; round < 20000; round++) {
        char text[12];
        size_t size = next_random(&seed) % sizeof text, i;
        tarimg_buffer out;
        for (i = 0; i < size; i++) {
            unsigned random = next_random(&seed);
            text[i] = round % 2 ? (char)random : likely[random % (sizeof likely - 1)];
        }
        tarimg_buffer_init(&out, &allocator, 0);
        tarimg_append_utf8(&out, text, size);
        assert_true(tarimg_is_utf8(out.data ? out.data : "", out.size));
        if (tarimg_is_utf8(text, size)) {
            assert_int_equal(out.size, size);
            if (size) assert_memory_equal(out.data, text, size);
        }
        tarimg_buffer_free(&out);
    }
}

static void test_fixed_copies_end_at_a_character(void **state) {
    static const char text[] = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";
    size_t capacity;
    (void)state;
    for (capacity = 1; capacity < 20; capacity++) {
        char *out = (char *)exact(NULL, capacity);
        memset(out, 'x', capacity);
        tarimg_copy_fixed(out, capacity, text);
        assert_int_equal(out[capacity - 1], 0);
        assert_true(tarimg_is_utf8(out, strlen(out)));
        assert_memory_equal(out, text, strlen(out));
        assert_true(strlen(out) + 4 >= (capacity - 1 < sizeof text - 1 ? capacity - 1 : sizeof text - 1));
        tarimg_copy_fixed(out, capacity, NULL);
        assert_string_equal(out, "");
        free(out);
    }
}

/* ---- words and lists ----------------------------------------------------------------------------------- */

static void test_comparing(void **state) {
    (void)state;
    assert_true(tarimg_equal_nocase("AbZ", "aBz"));
    assert_false(tarimg_equal_nocase("ab", "abc"));
    assert_false(tarimg_equal_nocase("@", "`"));
    assert_false(tarimg_equal_nocase("[", "{"));
    assert_false(tarimg_equal_nocase("\xC3\x89", "\xC3\xA9"));
    assert_true(tarimg_equal("a", "a"));
    assert_false(tarimg_equal(NULL, NULL));
    assert_true(tarimg_begins("abc", "ab"));
    assert_true(tarimg_begins("abc", ""));
    assert_false(tarimg_begins("a", "ab"));
    assert_false(tarimg_begins(NULL, "a"));
    assert_true(tarimg_begins_nocase("HTTPS://x", "https://"));
    assert_false(tarimg_begins_nocase("htt", "https://"));
    assert_true(tarimg_contains_nocase("xxBase64yy", "bASE64"));
    assert_false(tarimg_contains_nocase("base6", "base64"));
    assert_false(tarimg_contains_nocase(NULL, "a"));
    assert_true(tarimg_has_control("a\x7F"));
    assert_true(tarimg_has_control("\t"));
    assert_false(tarimg_has_control("a \xC3\xA9"));
}

static void test_lists(void **state) {
    static const char *const words[] = {"a", "b c", "d"};
    const char *list = " a , b c,,  d ,", *item;
    size_t size, count = 0;
    (void)state;
    while (tarimg_next_item(&list, &item, &size)) {
        assert_true(count < 3);
        assert_int_equal(size, strlen(words[count]));
        assert_memory_equal(item, words[count], size);
        count++;
    }
    assert_int_equal(count, 3);
    list = NULL;
    assert_false(tarimg_next_item(&list, &item, &size));
    list = "";
    assert_false(tarimg_next_item(&list, &item, &size));
    list = " , ,, ";
    assert_false(tarimg_next_item(&list, &item, &size));
    assert_true(tarimg_in_list("png,jpeg , webp", "JPEG"));
    assert_true(tarimg_in_list("png,jpeg , webp", "webp"));
    assert_false(tarimg_in_list("png,jpeg", "jpe"));
    assert_false(tarimg_in_list("png,jpeg", "jpegs"));
    assert_false(tarimg_in_list("png,jpeg", ""));
    assert_false(tarimg_in_list(NULL, "png"));
}

/* ---- secrets ------------------------------------------------------------------------------------------- */

/* Secrets are separated by '|'. */
static void assert_redacted(const char *list, const char *text, const char *expected) {
    static char words[8][64];
    tarimg_secret secrets[8];
    size_t count = 0, size = strlen(text);
    char *copy;
    while (*list && count < 8) {
        size_t length = strcspn(list, "|");
        memcpy(words[count], list, length);
        words[count][length] = '\0';
        secrets[count].text = words[count];
        secrets[count].size = length;
        secrets[count].next = NULL;
        if (count) secrets[count - 1].next = &secrets[count];
        count++;
        list += length + (list[length] == '|');
    }
    copy = (char *)exact(text, size);
    tarimg_redact(count ? secrets : NULL, copy, size);
    if (memcmp(copy, expected, size) != 0) fail_msg("%s: %.*s, not %s", text, (int)size, copy, expected);
    free(copy);
}

static void test_redaction(void **state) {
    (void)state;
    assert_redacted("", "sk-secret", "sk-secret");
    assert_redacted("sk-secret", "", "");
    assert_redacted("sk-secret", "sk-secret", "*********");
    assert_redacted("sk-secret", "sk-secret at the start", "********* at the start");
    assert_redacted("sk-secret", "in the sk-secret middle", "in the ********* middle");
    assert_redacted("sk-secret", "at the end sk-secret", "at the end *********");
    assert_redacted("sk-secret", "sk-secretsk-secret,sk-secret", "******************,*********");
    assert_redacted("sk-secret", "sk-Secret sk_secret k-secret", "sk-Secret sk_secret k-secret");
    assert_redacted("sk-secret|other", "other sk-secret", "***** *********");
    assert_redacted("sk-secret|other", "othersk-secret", "**************");
    assert_redacted("sk-sk-secret", "sk-sk-sk-secret", "sk-************");
}

/* What a text's end cuts off may still give most of a secret away. */
static void test_redaction_of_a_cut_off_secret(void **state) {
    (void)state;
    assert_redacted("sk-secret", "cut sk-secre", "cut ********");
    assert_redacted("sk-secret", "cut sk-s", "cut ****");
    assert_redacted("sk-secret", "sk-secre", "********");
    assert_redacted("sk-secret", "cut sk-", "cut sk-");
    assert_redacted("sk-secret", "sk-secre and more", "sk-secre and more");
    assert_redacted("abcabcabcd", "abcabcabcabc", "abc*********");
}

static void test_redaction_of_overlapping_secrets(void **state) {
    (void)state;
    assert_redacted("sk-team-prod-XYZ|sk-team", "a sk-team-prod-XYZ b sk-team c",
                    "a **************** b ******* c");
    assert_redacted("sk-team|sk-team-prod-XYZ", "a sk-team-prod-XYZ b sk-team c",
                    "a **************** b ******* c");
    assert_redacted("prod-XYZ|sk-team-prod-XYZ", "sk-team-prod-XYZ", "****************");
    assert_redacted("team|sk-team-prod-XYZ", "sk-team-prod-XYZ", "****************");
    assert_redacted("abcdef|defghi", "x abcdefghi y", "x ********* y");
    assert_redacted("defghi|abcdef", "x abcdefghi y", "x ********* y");
    assert_redacted("ababab", "abababab", "********");
    assert_redacted("team|sk-team-prod-XYZ", "cut sk-team-prod", "cut ************");
}

static void test_redaction_of_a_document(void **state) {
    tarimg_arena *arena = arena_of(state);
    static const char text[] = "{\"sk-secret\":[\"x sk-secret\",{\"a\":\"sk-secret\"}],\"b\":\"sk-secre\"}";
    tarimg_value *root = tarimg_parse_json(arena, text, sizeof text - 1, 64);
    tarimg_secret secret = {"sk-secret", 9, NULL};
    tarimg_buffer out;
    assert_non_null(root);
    tarimg_redact_value(&secret, root);
    tarimg_redact_value(NULL, root);
    tarimg_buffer_init(&out, arena->allocator, 0);
    tarimg_write_json(&out, root, tarimg_write_payload, NULL);
    assert_string_equal(out.data,
                        "{\"*********\":[\"x *********\",{\"a\":\"*********\"}],\"b\":\"sk-secre\"}");
    tarimg_buffer_free(&out);
}

/* ---- URLs ---------------------------------------------------------------------------------------------- */

static void test_split_url(void **state) {
    static const struct {
        const char *text, *host, *rest;
        int is_https, port;
    } cases[] = {
        {"http://h", "h", "", 0, 80},
        {"https://h", "h", "", 1, 443},
        {"HTTPS://H/", "H", "/", 1, 443},
        {"http://a.b-c_d.example/x/y?z#f", "a.b-c_d.example", "/x/y?z#f", 0, 80},
        {"http://h:8080", "h", "", 0, 8080},
        {"https://h:1/x", "h", "/x", 1, 1},
        {"http://h:65535?q", "h", "?q", 0, 65535},
        {"http://h#f", "h", "#f", 0, 80},
        {"http://127.0.0.1:80/", "127.0.0.1", "/", 0, 80},
        {"http://[::1]/x", "[::1]", "/x", 0, 80},
        {"http://[2001:db8::ff]:444", "[2001:db8::ff]", "", 0, 444},
        {"http://[::ffff:1.2.3.4]/", "[::ffff:1.2.3.4]", "/", 0, 80},
        {"http://h/a@b:c", "h", "/a@b:c", 0, 80},
        {"http://h/\xC3\xA9", "h", "/\xC3\xA9", 0, 80},
        {"http://h.", "h.", "", 0, 80},
    };
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        tarimg_url url;
        if (!tarimg_split_url(cases[i].text, &url)) fail_msg("%s is refused", cases[i].text);
        assert_int_equal(url.host_size, strlen(cases[i].host));
        assert_memory_equal(url.host, cases[i].host, url.host_size);
        assert_string_equal(url.rest, cases[i].rest);
        assert_int_equal(url.port, cases[i].port);
        assert_int_equal(url.is_https, cases[i].is_https);
    }
}

static void test_refused_urls(void **state) {
    static const char *const cases[] = {
        "",
        "h",
        "h/x",
        "//h/x",
        "/x",
        "ftp://h",
        "file:///etc/passwd",
        "gopher://h",
        "javascript:x",
        "data:,x",
        "http:",
        "http:/h",
        "http:h",
        "http://",
        "https:///x",
        "http://?x",
        "http://#x",
        "http:// h",
        /* credentials */
        "http://u@h",
        "http://u:p@h/",
        "http://u:80@h/",
        "http://@h",
        "http://h@",
        "http://h:80@g/",
        "http://h%40g/",
        /* white space, control characters, backslash */
        " http://h",
        "http://h ",
        "http://h/a b",
        "http://h/a\tb",
        "http://h/\r\nX: y",
        "http://h\n",
        "http://h/\x7F",
        "http://h\\x",
        "http:\\\\h",
        "http://h/\\x",
        "http://h\\@g",
        "http://h/\x01",
        /* ports */
        "http://h:",
        "http://h:/",
        "http://h:0",
        "http://h:-1",
        "http://h:65536",
        "http://h:99999999999999999999",
        "http://h:8o",
        "http://h:80:80",
        "http://h: 80",
        "http://h:+80",
        "http://h:0x50",
        /* hosts */
        "http://h%00/",
        "http://h,g/",
        "http://h;g",
        "http://h*",
        "http://\xC3\xA9/",
        "http://(h)",
        "http://h'",
        "http://$h",
        "http://h!g",
        /* IPv6 */
        "http://[::1",
        "http://::1/",
        "http://[::1]x",
        "http://[::1%25eth0]/",
        "http://[g::1]/",
        "http://[::1]]/",
        "http://[[::1]]/",
        "http://[]/",
        "http://[:::::]/",
        "http://[1.2.3.4]/",
        "http://[1:2]/",
        "http://x[::1]/",
    };
    char long_host[300];
    size_t i;
    tarimg_url url;
    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        if (tarimg_split_url(cases[i], &url)) fail_msg("\"%s\" is taken", cases[i]);
    }
    assert_false(tarimg_split_url(NULL, &url));
    memset(long_host, 'h', sizeof long_host);
    memcpy(long_host, "http://", 7);
    long_host[7 + 255] = '\0';
    assert_true(tarimg_split_url(long_host, &url));
    long_host[7 + 255] = 'h';
    long_host[7 + 256] = '\0';
    assert_false(tarimg_split_url(long_host, &url));
}

static void test_same_origin(void **state) {
    static const struct {
        const char *a, *b;
        int same;
    } cases[] = {
        {"http://h", "http://h/x?y", 1},
        {"http://h", "http://h:80", 1},
        {"https://h", "https://H:443/", 1},
        {"http://h:8080/a", "HTTP://h:8080/b", 1},
        {"http://[::1]/", "http://[::1]:80/", 1},
        {"http://h", "https://h", 0},
        {"https://h:80", "http://h:80", 0},
        {"http://h", "http://h:81", 0},
        {"http://h", "http://hh", 0},
        {"http://h.example", "http://example", 0},
        {"http://h.example", "http://h.example.evil", 0},
        {"http://h", "http://h@evil", 0},
        {"http://evil/http://h", "http://h", 0},
        {"http://h", "", 0},
        {"x", "x", 0},
        {"mock:", "mock:", 0},
    };
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        if (tarimg_same_origin(cases[i].a, cases[i].b) != cases[i].same ||
            tarimg_same_origin(cases[i].b, cases[i].a) != cases[i].same)
            fail_msg("%s, %s", cases[i].a, cases[i].b);
    }
    assert_false(tarimg_same_origin(NULL, "http://h"));
}

static void test_join_url(void **state) {
    static const struct {
        const char *base, *path, *joined;
    } cases[] = {
        {"https://h/v1", "images", "https://h/v1/images"},
        {"https://h/v1/", "images", "https://h/v1/images"},
        {"https://h/v1//", "//images", "https://h/v1/images"},
        {"https://h", "/images", "https://h/images"},
        {"https://h/", "", "https://h"},
        {"https://h/v1?key=x", "images", "https://h/v1/images?key=x"},
        {"https://h/v1/?key=x&y", "/images", "https://h/v1/images?key=x&y"},
        {"https://h/v1?key=x", "images?a=b", "https://h/v1/images?a=b&key=x"},
        {"https://h?key=x", "images", "https://h/images?key=x"},
        {"https://h/v1", "images?a=b", "https://h/v1/images?a=b"},
        {"https://h/v1", "https://g/x", "https://g/x"},
        {"https://h/v1", "HTTP://g/x", "HTTP://g/x"},
        {"https://h/v1?key=x", "https://g/x", "https://g/x"},
    };
    size_t i;
    for (i = 0; i < COUNT(cases); i++)
        assert_string_equal(tarimg_join_url(arena_of(state), cases[i].base, cases[i].path), cases[i].joined);
}

static void test_redirects(void **state) {
    static const struct {
        const char *from, *location, *to;
    } cases[] = {
        {"http://h/a/b?q", "http://g/x", "http://g/x"},
        {"http://h/a/b?q", "https://g", "https://g"},
        {"http://h/a/b?q", "HTTPS://g/", "HTTPS://g/"},
        {"https://h/a/b?q", "//g/x", "https://g/x"},
        {"http://h:81/a/b?q", "//g/x", "http://g/x"},
        {"http://h:81/a/b?q", "/x?y", "http://h:81/x?y"},
        {"http://h/a/b?q", "x", "http://h/a/x"},
        {"http://h/a/b?q=/c/d", "x", "http://h/a/x"},
        {"http://h/a/b#/c/d", "x", "http://h/a/x"},
        {"http://h/a/", "x/y", "http://h/a/x/y"},
        {"http://h", "x", "http://h/x"},
        {"http://h?q", "x", "http://h/x"},
        {"http://h/a/b?q", "?y", "http://h/a/b?y"},
        {"http://h", "?y", "http://h/?y"},
        {"http://h/a/b", "x?u=http://g/", "http://h/a/x?u=http://g/"},
        {"http://h/a/b", "/x?u=http://g/", "http://h/x?u=http://g/"},
        /* RFC 3986 5.4.1: a fragment alone (which isn't sent), or nothing, is the URL itself */
        {"http://h/a/b?q", "", "http://h/a/b?q"},
        {"http://h/a/b?q", "#s", "http://h/a/b?q"},
        /* nowhere that may be followed */
        {"http://h/a", "ftp://g/x", NULL},
        {"http://h/a", "file:///etc/passwd", NULL},
        {"http://h/a", "gopher://g", NULL},
        {"http://h/a", "http://u:p@g/", NULL},
        {"http://h/a", "http://g\\x", NULL},
        {"http://h/a", "//u@g/", NULL},
        {"http://h/a", "//", NULL},
        {"http://h/a", "http://", NULL},
        {"http://h/a", "http://g/ x", NULL},
        {"mock:", "x", NULL},
        {"http://h/a", NULL, NULL},
    };
    size_t i;
    for (i = 0; i < COUNT(cases); i++) {
        const char *found = tarimg_redirect_url(arena_of(state), cases[i].from, cases[i].location);
        if (found && cases[i].to ? strcmp(found, cases[i].to) != 0 : found || cases[i].to)
            fail_msg("%s + %s: %s, not %s", cases[i].from, cases[i].location ? cases[i].location : "NULL",
                     found ? found : "NULL", cases[i].to ? cases[i].to : "NULL");
    }
}

/* However it is read, an odd Location doesn't lead to another host. */
static void test_odd_redirects_stay(void **state) {
    static const char *const odd[] = {
        "javascript:x", "data:,x", "mailto:a@b", "file:/etc/passwd", "http:x",   "http:/g/x", "\\\\g\\x",
        "/\\g/x",       "\\/g",    "/\t/g",      "../../../x",       "./x",      ";x",        "@g/",
        ":80/",         ".evil/",  "x y",        "x\r\ny",           "%2f%2fg/", "///g/x",    "////g"};
    size_t i;
    for (i = 0; i < COUNT(odd); i++) {
        const char *found = tarimg_redirect_url(arena_of(state), "http://h/a/b", odd[i]);
        tarimg_url url;
        if (found && tarimg_split_url(found, &url) && !tarimg_same_origin(found, "http://h/"))
            fail_msg("%s: %s", odd[i], found);
    }
}

static void test_shown_urls(void **state) {
    assert_string_equal(tarimg_shown_url(arena_of(state), "http://h/a?signature=x#y"), "http://h/a");
    assert_string_equal(tarimg_shown_url(arena_of(state), "http://h/a#y?z"), "http://h/a");
    assert_string_equal(tarimg_shown_url(arena_of(state), "http://h/a"), "http://h/a");
}

/* ---- hosts and addresses ------------------------------------------------------------------------------- */

static int is_private(const char *host) {
    char text[300];
    tarimg_url url;
    (void)snprintf(text, sizeof text, "http://%s/", host);
    return !tarimg_split_url(text, &url) || tarimg_is_private_host(&url);
}

static void test_private_hosts(void **state) {
    static const char *const private_ones[] = {
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "a.b.LocalHost.",
        "127.0.0.1",
        "127.255.255.255",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "127",
        "0",
        "0.0.0.0",
        "0.1.2.3",
        "2130706433",
        "0x7f000001",
        "0X7F000001",
        "0x7f.1",
        "0x7f.0x0.0x0.0x1",
        "017700000001",
        "0177.0.0.1",
        "0177.1",
        "127.0.0.01",
        "127.0x1",
        "0x",
        "10.0.0.0",
        "10.255.255.255",
        "10.1",
        "012.0.0.1",
        "0xa.0.0.1",
        "167772161",
        "100.64.0.0",
        "100.127.255.255",
        "169.254.0.0",
        "169.254.169.254",
        "2852039166",
        "0xA9FEA9FE",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.16689662",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.255",
        "192.168.0.0",
        "192.168.255.255",
        "192.168.257",
        "198.18.0.0",
        "198.19.255.255",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "4294967295",
        "037777777777",
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[0000:0000:0000:0000:0000:0000:0000:0001]",
        "[::127.0.0.1]",
        "[::8.8.8.8]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::FFFF:10.0.0.1]",
        "[0:0:0:0:0:ffff:192.168.1.1]",
        "[::ffff:169.254.169.254]",
        "[::ffff:0:0]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b::10.0.0.1]",
        "[2002:7f00:1::]",
        "[2002:a9fe:a9fe::1]",
        "[2002:0a00:0001::]",
        "[fe80::1]",
        "[fe80::]",
        "[febf::1]",
        "[fec0::1]",
        "[fc00::]",
        "[fd00::1]",
        "[fdff::1]",
        "[ff02::1]",
        "[ff0e::1]",
        "[64:ff9b:1::127.0.0.1]", /* RFC 8215: for local use */
        "[]",
        "[1]",
        "[:::]",
        "[1:2:3:4:5:6:7:8:9]",
        "[12345::]",
    };
    static const char *const public_ones[] = {
        "example.com",
        "api.openai.com",
        "localhost.example",
        "notlocalhost",
        "xlocalhost",
        "127.0.0.1.example",
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "134744072",
        "0x08080808",
        "010.8.8.8",
        "8.8.2056",
        "1.2",
        "[2001:4860:4860::8888]",
        "[2606:4700::1]",
        "[::ffff:8.8.8.8]",
        "[64:ff9b::8.8.8.8]",
        "[2002:808:808::1]",
        "[fbff::1]",
        "[3fff::1]",
        /* no addresses: names, which are looked at once they are resolved */
        "256.0.0.1.example",
        "08.example",
        "a.1.b",
    };
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(private_ones); i++) {
        if (!is_private(private_ones[i])) fail_msg("%s counts as public", private_ones[i]);
    }
    for (i = 0; i < COUNT(public_ones); i++) {
        if (is_private(public_ones[i])) fail_msg("%s counts as private", public_ones[i]);
    }
}

static void test_ipv4_forms(void **state) {
    static const struct {
        const char *text;
        int good;
        unsigned char bytes[4];
    } cases[] = {
        {"1.2.3.4", 1, {1, 2, 3, 4}},
        {"1.2.3.4.", 1, {1, 2, 3, 4}},
        {"255.255.255.255", 1, {255, 255, 255, 255}},
        {"1.2.772", 1, {1, 2, 3, 4}},
        {"1.2.65535", 1, {1, 2, 255, 255}},
        {"1.131844", 1, {1, 2, 3, 4}},
        {"1.16777215", 1, {1, 255, 255, 255}},
        {"16909060", 1, {1, 2, 3, 4}},
        {"0x01020304", 1, {1, 2, 3, 4}},
        {"0100401404", 1, {1, 2, 3, 4}},
        {"0x1.02.0x3.4", 1, {1, 2, 3, 4}},
        {"4294967295", 1, {255, 255, 255, 255}},
        {"", 0, {0}},
        {".", 0, {0}},
        {"1..2", 0, {0}},
        {".1", 0, {0}},
        {"1.2.3.4.5", 0, {0}},
        {"256.1.1.1", 0, {0}},
        {"1.2.3.256", 0, {0}},
        {"1.2.65536", 0, {0}},
        {"1.16777216", 0, {0}},
        {"4294967296", 0, {0}},
        {"99999999999999999999999", 0, {0}},
        {"08", 0, {0}},
        {"1.2.3.a", 0, {0}},
        {"0xg", 0, {0}},
        {"a", 0, {0}},
        {"1.2.3.4x", 0, {0}},
        {"-1", 0, {0}},
        {"1.2.3.4..", 0, {0}},
    };
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        unsigned char bytes[4] = {0, 0, 0, 0};
        size_t size = strlen(cases[i].text);
        char *copy = (char *)exact(cases[i].text, size);
        int good = tarimg_parse_ipv4(copy, size, bytes);
        if (good != cases[i].good || (good && memcmp(bytes, cases[i].bytes, 4) != 0))
            fail_msg("\"%s\"", cases[i].text);
        free(copy);
    }
}

static void test_private_socket_addresses(void **state) {
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
    struct sockaddr other;
    (void)state;
    memset(&in4, 0, sizeof in4);
    memset(&in6, 0, sizeof in6);
    memset(&other, 0, sizeof other);
    in4.sin_family = AF_INET;
    assert_int_equal(inet_pton(AF_INET, "192.168.1.1", &in4.sin_addr), 1);
    assert_true(tarimg_is_private_address((const struct sockaddr *)&in4));
    assert_int_equal(inet_pton(AF_INET, "8.8.8.8", &in4.sin_addr), 1);
    assert_false(tarimg_is_private_address((const struct sockaddr *)&in4));
    in6.sin6_family = AF_INET6;
    assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1", &in6.sin6_addr), 1);
    assert_true(tarimg_is_private_address((const struct sockaddr *)&in6));
    assert_int_equal(inet_pton(AF_INET6, "2606:4700::1", &in6.sin6_addr), 1);
    assert_false(tarimg_is_private_address((const struct sockaddr *)&in6));
    other.sa_family = AF_UNIX;
    assert_true(tarimg_is_private_address(&other)); /* what isn't known isn't reached */
}

/* ---- times --------------------------------------------------------------------------------------------- */

static void test_dates(void **state) {
    static const struct {
        const char *text;
        int64_t seconds;
    } good[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777}, /* RFC 9110's own examples */
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},     {"Sun Nov  6 08:49:37 1994", 784111777},
        {"Sun Nov 16 08:49:37 1994", 784975777},           {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Tue, 29 Feb 2000 23:59:59 GMT", 951868799},      {"Wed, 01 Mar 2000 00:00:00 GMT", 951868800},
        {"Fri, 31 Dec 1999 23:59:59 GMT", 946684799},      {"Tue, 19 Jan 2038 03:14:08 GMT", 2147483648LL},
        {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799LL}, {"sun, 06 nov 1994 08:49:37 gmt", 784111777},
        {"Sat, 21-Nov-26 00:00:00 GMT", 1795219200},
    };
    static const char *const bad[] = {"",
                                      "x",
                                      "tomorrow",
                                      "06 Nov 1994",
                                      "Sun, 06 Nov 1994",
                                      "08:49:37",
                                      "Sun, 06 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 08:49:37 GMT",
                                      "Sun, 32 Nov 1994 08:49:37 GMT",
                                      "Sun, 00 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1969 08:49:37 GMT",
                                      "Sun, 06 Nov 99999 08:49:37 GMT",
                                      "Sun, 06 Nov 999999999999999999999999 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 8:49:37 GMT",
                                      "Sun, 06 Nov 1994 08:49 GMT",
                                      "Sun, 06 Nov 1994 aa:bb:cc GMT",
                                      "Sun, 06 Foo 1994 08:49:37 GMT",
                                      "1994-11-06T08:49:37Z",
                                      "a b c d e f g h i j k l",
                                      "- - -",
                                      ",,,",
                                      "Nov",
                                      "-5"};
    size_t i;
    int64_t seconds = 0;
    (void)state;
    for (i = 0; i < COUNT(good); i++) {
        if (!tarimg_parse_date(good[i].text, &seconds) || seconds != good[i].seconds)
            fail_msg("%s: %lld", good[i].text, (long long)seconds);
    }
    for (i = 0; i < COUNT(bad); i++) {
        if (tarimg_parse_date(bad[i], &seconds)) fail_msg("\"%s\": %lld", bad[i], (long long)seconds);
    }
}

static void test_days(void **state) {
    int64_t expected = 0, year;
    (void)state;
    for (year = 1970; year < 2500; year++) {
        static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        int month;
        for (month = 1; month <= 12; month++) {
            assert_int_equal(tarimg_days(year, month, 1), expected);
            expected += lengths[month - 1];
            if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)) expected++;
        }
    }
}

static void test_retry_after(void **state) {
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"0", 0},
        {"1", 1000},
        {"120", 120000},
        {"0.5", 500},
        {"1.25", 1250},
        {"2.0009", 2000},
        {"604800", TARIMG_MAX_RETRY_AFTER_MS},
        {"604801", TARIMG_MAX_RETRY_AFTER_MS},
        {"99999999", TARIMG_MAX_RETRY_AFTER_MS},
        {"10000000000000000000000000000000000", TARIMG_MAX_RETRY_AFTER_MS},
        {"604799.999", TARIMG_MAX_RETRY_AFTER_MS - 1},
        {"-1", -1},
        {"-0.5", -1},
        {"", -1},
        {"inf", -1},
        {"-inf", -1},
        {"nan", -1},
        {"infinity", -1},
        {"1e34", -1},
        {"1e3", -1},
        {"0x10", -1},
        {"5s", -1},
        {"five", -1},
        {"1,5", -1},
        {"1 2", -1},
        /* now is 784111777 */
        {"Sun, 06 Nov 1994 08:49:47 GMT", 10000},
        {"Sunday, 06-Nov-94 08:49:47 GMT", 10000},
        {"Sun Nov  6 08:49:47 1994", 10000},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Sun, 06 Nov 1994 08:49:36 GMT", 0},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Sun, 13 Nov 1994 08:49:37 GMT", TARIMG_MAX_RETRY_AFTER_MS},
        {"Sun, 13 Nov 1994 08:49:38 GMT", TARIMG_MAX_RETRY_AFTER_MS},
        {"Fri, 31 Dec 9999 23:59:59 GMT", TARIMG_MAX_RETRY_AFTER_MS},
        {"Fri, 31 Dec 99999 23:59:59 GMT", -1},
    };
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        int64_t found = tarimg_parse_retry_after(cases[i].text, 784111777);
        if (found != cases[i].ms)
            fail_msg("\"%s\": %lld, not %lld", cases[i].text, (long long)found, (long long)cases[i].ms);
    }
}

/* ---- server-sent events -------------------------------------------------------------------------------- */

typedef struct events {
    char text[512];
    size_t size;
    int stop_at; /* ends with that event, counted from 1 */
    int count;
} events;

static int take_data(void *context, const char *text, size_t size) {
    events *found = (events *)context;
    assert_true(found->size + size < sizeof found->text);
    memcpy(found->text + found->size, text, size);
    found->size += size;
    return 1;
}

static int take_event(void *context) {
    events *found = (events *)context;
    found->text[found->size++] = '|';
    return ++found->count != found->stop_at;
}

static void read_events(events *found, const char *text, size_t size, size_t first, size_t piece) {
    tarimg_sse sse;
    tarimg_sse_handler handler;
    size_t at = 0;
    memset(found, 0, sizeof *found);
    memset(&sse, 0, sizeof sse);
    handler.data_fn = take_data;
    handler.event_fn = take_event;
    handler.context = found;
    while (at < size) {
        size_t now = at == 0 && first ? first : piece ? piece : size - at;
        char *copy;
        if (now > size - at) now = size - at;
        copy = (char *)exact(text + at, now);
        assert_true(tarimg_sse_feed(&sse, &handler, copy, now));
        free(copy);
        at += now;
    }
    found->text[found->size] = '\0';
}

/* Data that no blank line has ended follows the last '|'. */
static void assert_events(const char *text, size_t size, const char *expected) {
    size_t cut;
    for (cut = 0; cut <= size + 1; cut++) {
        events found;
        read_events(&found, text, size, cut <= size ? cut : 0, cut <= size ? 0 : 1);
        if (strcmp(found.text, expected) != 0)
            fail_msg("%s cut at %d: %s, not %s", text, (int)cut, found.text, expected);
    }
}

static void test_events(void **state) {
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"data: a\n\n", "a|"},
        {"data:a\n\n", "a|"},
        {"data:  a\n\n", " a|"},
        {"data: a\r\n\r\n", "a|"},
        {"data: a\r\r", "a|"},
        {"data: a\n\ndata: b\n\n", "a|b|"},
        {"data: a\r\rdata: b\r\r", "a|b|"},
        {"data: a\r\n\r\ndata: b\r\n\r\n", "a|b|"},
        {"data: a\r\n\ndata: b\n\r\n", "a|b|"},
        {"data: a\ndata: b\ndata: c\n\n", "a\nb\nc|"},
        {"data: a\r\ndata: b\r\n\r\n", "a\nb|"},
        {"data: a\ndata:\ndata: b\n\n", "a\n\nb|"},
        {": comment\n\ndata: a\n\n", "a|"},
        {":\n\n:\n\ndata: a\n: between\ndata: b\n\n", "a\nb|"},
        {":data: a\n\n", ""},
        {"event: x\ndata: a\nid: 1\nretry: 5\n\n", "a|"},
        {"event: x\n\n", ""},
        {"event: data\n\ndata: a\n\n", "a|"},
        {"database: x\ndat: y\n data: z\nDATA: w\ndata : v\n\n", ""},
        {"a-very-long-field-name: x\ndata: a\n\n", "a|"},
        {"data: a: b: c\n\n", "a: b: c|"},
        {"data: \"a\\nb\"\n\n", "\"a\\nb\"|"},
        {"data: data: a\n\n", "data: a|"},
        {"\n\n\ndata: a\n\n\n\n", "a|"},
        {"\r\n\r\ndata: a\r\n\r\n\r\n", "a|"},
        {"data: a\n", "a"},
        {"data: a", "a"},
        {"data: a\n\ndata: b", "a|b"},
        {"data: [DONE]\n\n", "[DONE]|"},
        {"event: x", ""},
        {"", ""},
        {"data: \xC3\xA9\n\n", "\xC3\xA9|"},
        /* an event without data is none, however it is written */
        {"data\n\ndata: a\n\n", "a|"},
        {"data:\n\ndata: a\n\n", "a|"},
        {"data: \n\ndata: a\n\n", "a|"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(cases); i++) assert_events(cases[i].text, strlen(cases[i].text), cases[i].expected);
}

/* The HTML standard's event streams may begin with a byte order mark. */
static void test_events_after_a_byte_order_mark(void **state) {
    (void)state;
    assert_events(BYTES("\xEF\xBB\xBF"
                        "data: a\n\n"),
                  "a|");
}

static void test_events_end_where_the_handler_says(void **state) {
    static const char text[] = "data: a\n\ndata: b\n\ndata: c\n\n";
    tarimg_sse sse;
    tarimg_sse_handler handler;
    events found;
    (void)state;
    memset(&found, 0, sizeof found);
    memset(&sse, 0, sizeof sse);
    found.stop_at = 2;
    handler.data_fn = take_data;
    handler.event_fn = take_event;
    handler.context = &found;
    assert_false(tarimg_sse_feed(&sse, &handler, text, sizeof text - 1));
    assert_string_equal(found.text, "a|b|");
}

static void test_long_event_data(void **state) {
    static char text[300], expected[300];
    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text, "data: ", 6);
    memcpy(text + 290, "\r\n\r\n", 4);
    memset(expected, 'x', 284);
    memcpy(expected + 284, "|", 2);
    assert_events(text, 294, expected);
}

/* ---- paths of sinks ------------------------------------------------------------------------------------ */

static void test_expanding_paths(void **state) {
    static const struct {
        const char *pattern, *path;
    } cases[] = {
        {"out.png", "out.png"},
        {"out-{index}.{ext}", "out-7.webp"},
        {"{index}{index}", "77"},
        {"{ext}", "webp"},
        {"", ""},
        {"{", "{"},
        {"{}", "{}"},
        {"{index", "{index"},
        {"{INDEX}", "{INDEX}"},
        {"{{index}}", "{7}"},
        {"{in{index}dex}", "{in7dex}"},
        {"%s%n{ext}%d", "%s%nwebp%d"},
        {"\xC3\xA9/{index}", "\xC3\xA9/7"},
    };
    size_t i;
    for (i = 0; i < COUNT(cases); i++)
        assert_string_equal(tarimg_expand_path(arena_of(state), cases[i].pattern, 7, "webp"), cases[i].path);
    assert_string_equal(tarimg_expand_path(arena_of(state), "{index}", 0, "png"), "0");
    assert_true(strlen(tarimg_expand_path(arena_of(state), "{index}", SIZE_MAX, "png")) >= 10);
}

/* ---- timers -------------------------------------------------------------------------------------------- */

#define TIMERS 40

static void test_timers_as_a_sorted_list(void **state) {
    tarash_image_client *client = tarash_image_client_create(NULL);
    static tarimg_timer timers[TIMERS];
    int armed[TIMERS] = {0};
    unsigned seed = 21;
    int round, i;
    (void)state;
    assert_non_null(client);
    memset(timers, 0, sizeof timers);
    for (i = 0; i < TIMERS; i++) assert_true(tarimg_timer_reserve(client));
    for (round = 0; round < 50000; round++) {
        int which = (int)(next_random(&seed) % TIMERS), first = -1;
        size_t count = 0;
        if (next_random(&seed) % 3) {
            tarimg_timer_arm(client, &timers[which], (int64_t)(next_random(&seed) % 50) - 10);
            armed[which] = 1;
        } else {
            tarimg_timer_disarm(client, &timers[which]);
            armed[which] = 0;
        }
        for (i = 0; i < TIMERS; i++) {
            if (!armed[i]) {
                assert_int_equal(timers[i].place, 0);
                continue;
            }
            count++;
            assert_ptr_equal(client->timers[timers[i].place - 1], &timers[i]);
            if (first < 0 || timers[i].due < timers[first].due) first = i;
        }
        assert_int_equal(client->timer_count, count);
        if (first >= 0) assert_int_equal(client->timers[0]->due, timers[first].due);
    }
    /* taken off the top one by one, they come in order */
    {
        int64_t last = INT64_MIN;
        while (client->timer_count) {
            tarimg_timer *top = client->timers[0];
            assert_true(top->due >= last);
            last = top->due;
            tarimg_timer_disarm(client, top);
            tarimg_timer_disarm(client, top); /* twice is fine */
        }
    }
    for (i = 0; i < TIMERS; i++) tarimg_timer_retire(client, &timers[i]);
    assert_int_equal(client->timer_owners, 0);
    tarash_image_client_destroy(client);
}

static void test_extreme_times(void **state) {
    tarash_image_client *client = tarash_image_client_create(NULL);
    tarimg_timer a = {0}, b = {0}, c = {0};
    (void)state;
    assert_non_null(client);
    assert_true(tarimg_timer_reserve(client) && tarimg_timer_reserve(client) && tarimg_timer_reserve(client));
    tarimg_timer_arm(client, &a, INT64_MAX);
    tarimg_timer_arm(client, &b, INT64_MIN);
    tarimg_timer_arm(client, &c, 0);
    assert_ptr_equal(client->timers[0], &b);
    tarimg_timer_arm(client, &b, INT64_MAX);
    assert_ptr_equal(client->timers[0], &c);
    tarimg_timer_retire(client, &a);
    tarimg_timer_retire(client, &b);
    tarimg_timer_retire(client, &c);
    tarash_image_client_destroy(client);
    assert_int_equal(tarimg_sooner(0, 0), 0);
    assert_int_equal(tarimg_sooner(5, 0), 5);
    assert_int_equal(tarimg_sooner(0, 5), 5);
    assert_int_equal(tarimg_sooner(3, 5), 3);
    assert_int_equal(tarimg_sooner(5, 3), 3);
}

/* ---- memory -------------------------------------------------------------------------------------------- */

static void test_checked_sizes(void **state) {
    size_t out = 1;
    (void)state;
    assert_true(tarimg_add_size(SIZE_MAX, 0, &out) && out == SIZE_MAX);
    assert_true(tarimg_add_size(SIZE_MAX - 1, 1, &out) && out == SIZE_MAX);
    assert_false(tarimg_add_size(SIZE_MAX, 1, &out));
    assert_true(tarimg_multiply_size(0, SIZE_MAX, &out) && out == 0);
    assert_true(tarimg_multiply_size(SIZE_MAX, 0, &out) && out == 0);
    assert_true(tarimg_multiply_size(SIZE_MAX, 1, &out) && out == SIZE_MAX);
    assert_false(tarimg_multiply_size(SIZE_MAX / 2 + 1, 2, &out));
    assert_false(tarimg_multiply_size(SIZE_MAX, SIZE_MAX, &out));
}

static void test_buffers(void **state) {
    counting_allocator counting;
    tarash_image_allocator allocator;
    tarimg_buffer buffer;
    size_t i;
    (void)state;
    memset(&counting, 0, sizeof counting);
    counting.fill = 1;
    allocator = counting_allocator_functions(&counting);
    tarimg_buffer_init(&buffer, &allocator, 100);
    tarimg_append(&buffer, NULL, 0);
    assert_string_equal(buffer.data, "");
    for (i = 0; i < 100; i++) tarimg_append_char(&buffer, 'x');
    assert_int_equal(buffer.size, 100);
    assert_int_equal(strlen(buffer.data), 100);
    assert_false(buffer.over_limit);
    tarimg_append_char(&buffer, 'y');
    assert_true(buffer.over_limit);
    assert_false(buffer.failed);
    assert_int_equal(strlen(buffer.data), 100);
    tarimg_append(&buffer, "", 0); /* remembered */
    assert_true(buffer.over_limit);
    tarimg_buffer_free(&buffer);
    tarimg_buffer_free(&buffer);
    assert_int_equal(counting.live_blocks, 0);

    tarimg_buffer_init(&buffer, &allocator, 0);
    tarimg_append_text(&buffer, "before");
    assert_false(tarimg_buffer_reserve(&buffer, SIZE_MAX));
    assert_true(buffer.failed);
    tarimg_append_text(&buffer, "after");
    assert_string_equal(buffer.data, "before");
    tarimg_buffer_free(&buffer);

    tarimg_buffer_init(&buffer, &allocator, 0);
    tarimg_append_text(&buffer, "before");
    counting.fail_at = counting.calls + 1;
    for (i = 0; i < 100; i++) tarimg_append_char(&buffer, 'x');
    assert_true(buffer.failed);
    assert_int_equal(strlen(buffer.data), buffer.size);
    tarimg_buffer_free(&buffer);
    assert_int_equal(counting.live_blocks, 0);
}

static void test_arenas(void **state) {
    counting_allocator counting;
    tarash_image_allocator allocator;
    tarimg_arena arena;
    size_t size, total = 0;
    (void)state;
    memset(&counting, 0, sizeof counting);
    counting.fill = 1;
    allocator = counting_allocator_functions(&counting);
    tarimg_arena_init(&arena, &allocator, 0);
    for (size = 0; size < 9000; size = size * 2 + 1) {
        unsigned char *memory = (unsigned char *)tarimg_take(&arena, size);
        size_t i;
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % sizeof(void *), 0);
        for (i = 0; i < size; i++) assert_int_equal(memory[i], 0);
        if (size) memset(memory, 0xFF, size);
        total += size;
    }
    assert_true(arena.total >= total);
    assert_null(tarimg_take(&arena, SIZE_MAX));
    assert_true(arena.failed);
    assert_null(tarimg_take(&arena, 1)); /* remembered */
    tarimg_arena_free(&arena);
    tarimg_arena_free(&arena);
    assert_int_equal(counting.live_blocks, 0);

    tarimg_arena_init(&arena, &allocator, 64);
    assert_non_null(tarimg_take(&arena, 48));
    assert_non_null(tarimg_take(&arena, 16));
    assert_null(tarimg_take(&arena, 1));
    assert_true(arena.over_limit && !arena.failed);
    tarimg_arena_free(&arena);

    tarimg_arena_init(&arena, &allocator, 0);
    counting.fail_at = counting.calls + 1;
    assert_null(tarimg_take(&arena, 1));
    assert_true(arena.failed && !arena.over_limit);
    tarimg_arena_free(&arena);
    assert_int_equal(counting.live_blocks, 0);
}

static void test_freed_memory_holds_no_secret(void **state) {
    counting_allocator counting;
    tarash_image_allocator allocator;
    tarimg_arena arena;
    tarimg_buffer buffer;
    (void)state;
    memset(&counting, 0, sizeof counting);
    counting.secret = "sk-secret-value";
    allocator = counting_allocator_functions(&counting);
    tarimg_arena_init(&arena, &allocator, 0);
    assert_non_null(tarimg_copy(&arena, "key: sk-secret-value"));
    tarimg_arena_free(&arena);
    tarimg_buffer_init(&buffer, &allocator, 0);
    tarimg_append_text(&buffer, "key: sk-secret-value");
    tarimg_buffer_free(&buffer);
    assert_int_equal(counting.secrets_found, 0);
    assert_int_equal(counting.live_blocks, 0);
}

static void test_arrays_grow(void **state) {
    const tarash_image_allocator allocator = tarimg_default_allocator();
    void *array = NULL;
    size_t capacity = 0, count;
    (void)state;
    for (count = 0; count < 1000; count++) {
        array = tarimg_grow(&allocator, array, count, &capacity, sizeof(int));
        assert_non_null(array);
        assert_true(capacity > count);
        ((int *)array)[count] = (int)count;
    }
    for (count = 0; count < 1000; count++) assert_int_equal(((int *)array)[count], (int)count);
    assert_null(tarimg_grow(&allocator, array, capacity, &capacity, SIZE_MAX / 2));
    free(array);
}

static void test_formats(void **state) {
    assert_string_equal(tarimg_format(arena_of(state), "%s-%d", "a", 5), "a-5");
    assert_string_equal(tarimg_format(arena_of(state), "%s", ""), "");
    assert_null(tarimg_copy(arena_of(state), NULL));
    assert_string_equal(tarimg_copy(arena_of(state), ""), "");
    assert_string_equal(tarimg_copy_bytes(arena_of(state), "abc", 2), "ab");
    assert_null(tarimg_copy_bytes(arena_of(state), "abc", SIZE_MAX));
}

#define WITH_BENCH(function) cmocka_unit_test_setup_teardown(function, bench_begin, bench_end)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_repaired_text_is_utf8),
        cmocka_unit_test(test_fixed_copies_end_at_a_character),
        cmocka_unit_test(test_comparing),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_redaction),
        cmocka_unit_test(test_redaction_of_a_cut_off_secret),
        cmocka_unit_test(test_redaction_of_overlapping_secrets),
        WITH_BENCH(test_redaction_of_a_document),
        cmocka_unit_test(test_split_url),
        cmocka_unit_test(test_refused_urls),
        cmocka_unit_test(test_same_origin),
        WITH_BENCH(test_join_url),
        WITH_BENCH(test_redirects),
        WITH_BENCH(test_odd_redirects_stay),
        WITH_BENCH(test_shown_urls),
        cmocka_unit_test(test_private_hosts),
        cmocka_unit_test(test_ipv4_forms),
        cmocka_unit_test(test_private_socket_addresses),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_days),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_events_after_a_byte_order_mark),
        cmocka_unit_test(test_events_end_where_the_handler_says),
        cmocka_unit_test(test_long_event_data),
        WITH_BENCH(test_expanding_paths),
        cmocka_unit_test(test_timers_as_a_sorted_list),
        cmocka_unit_test(test_extreme_times),
        cmocka_unit_test(test_checked_sizes),
        cmocka_unit_test(test_buffers),
        cmocka_unit_test(test_arenas),
        cmocka_unit_test(test_freed_memory_holds_no_secret),
        cmocka_unit_test(test_arrays_grow),
        WITH_BENCH(test_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
