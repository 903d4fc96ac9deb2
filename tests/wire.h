/* What the tests of the wire share: one call at a time against one session of the local server, and what the
   server's log and the response should hold. Each program uses a part of it. */

#ifndef WIRE_H
#define WIRE_H

#define _POSIX_C_SOURCE 200809L
#define TARASH_IMAGE_IMPLEMENTATION
#include "support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define KEY    "sk-wire-Secret-0123456789"
#define PROMPT "A red fox in snow"
/* ---- one call at a time -------------------------------------------------------------------------------- */

static struct {
    char session[64];
    char base_url[256];
    tarash_image_client *client;
    log_collector lines;
    tarash_image_config config;
    tarash_image_request request;
    tarash_image_response response;
    tarash_image_result result;
    cJSON *log;
} b;

/* Forgets what a list of names holds: "A,B", "A+B?", or "key=A,other=B". */
static inline void unset_listed(const char *list) {
    char name[64];
    while (list && *list) {
        size_t length = strcspn(list, ",=+?");
        snprintf(name, sizeof name, "%.*s", (int)length, list);
        unsetenv(name);
        list += length + (list[length] != '\0');
    }
}

/* No setting of the machine's may change what is sent. */
static inline void unset_variables(void) {
    size_t count, i;
    const tarash_image_provider_info *rows = tarash_image_providers(&count);
    for (i = 0; i < count; i++) {
        unset_listed(rows[i].base_url_variable);
        unset_listed(rows[i].key_variables);
        unset_listed(rows[i].option_variables);
    }
    unset_listed("OPENAI_CUSTOM_HEADERS,http_proxy,HTTP_PROXY,https_proxy,HTTPS_PROXY,all_proxy,ALL_PROXY");
}

static inline int set_up(void **state) {
    static int number;
    tarash_image_client_desc desc;
    (void)state;
    memset(&b, 0, sizeof b);
    memset(&desc, 0, sizeof desc);
    unset_variables();
    snprintf(b.session, sizeof b.session, "wire%d", ++number);
    desc.logger = log_collector_functions(&b.lines, TARASH_IMAGE_LOG_DEBUG);
    b.client = tarash_image_client_create(&desc);
    return b.client ? 0 : -1;
}

static inline int tear_down(void **state) {
    (void)state;
    tarash_image_response_free(&b.response);
    tarash_image_client_destroy(b.client);
    log_collector_clear(&b.lines);
    cJSON_Delete(b.log);
    unset_variables();
    return 0;
}

/* rest is the protocol's part of the base URL, e.g. "openai/v1". */
static inline void use(const char *provider, const char *rest) {
    b.config.provider = provider;
    b.config.api_key = KEY;
    b.config.base_url = server_api_url(b.base_url, sizeof b.base_url, b.session, rest);
    b.config.timeout_ms = 20000;
    b.config.max_retries = TARASH_IMAGE_NO_RETRIES;
    b.request.prompt = PROMPT;
}

static inline void script(const char *json) {
    assert_int_equal(control_script(b.session, json), 0);
}

static inline void refuse_text(const char *what, const char *text, const char *secret) {
    if (text && strstr(text, secret)) fail_msg("%s gives away the key: %s", what, text);
}

/* The key may be in no text that leaves the library. */
static inline void check_secret(const char *secret) {
    size_t i;
    refuse_text("error.message", b.response.error.message, secret);
    refuse_text("error.provider_code", b.response.error.provider_code, secret);
    refuse_text("raw_response", b.response.raw_response, secret);
    refuse_text("provider_metadata", b.response.provider_metadata, secret);
    refuse_text("a log line", b.lines.text, secret);
    for (i = 0; i < b.response.attempt_count; i++)
        refuse_text("an attempt", b.response.attempts[i].message, secret);
    for (i = 0; i < b.response.warning_count; i++) {
        refuse_text("a warning", b.response.warnings[i].asked, secret);
        refuse_text("a warning", b.response.warnings[i].sent, secret);
        refuse_text("a warning", b.response.warnings[i].why, secret);
    }
}

static inline void run_with(const char *secret) {
    tarash_image_response_free(&b.response);
    cJSON_Delete(b.log);
    b.log = NULL;
    b.result = tarash_image_generate(b.client, &b.config, &b.request, &b.response);
    b.log = control_log(b.session);
    assert_non_null(b.log);
    assert_int_equal(b.result, b.response.error.result);
    assert_int_equal(control_leaks(b.session), 0);
    if (secret) check_secret(secret);
}

static inline void run(void) {
    run_with(b.config.api_key);
}

static inline void expect(tarash_image_result result) {
    if (b.result != result)
        fail_msg("%s instead of %s: %s", tarash_image_result_name(b.result), tarash_image_result_name(result),
                 b.response.error.message);
}

static inline void run_ok(void) {
    run();
    expect(TARASH_IMAGE_OK);
    assert_int_equal(b.response.status, TARASH_IMAGE_STATUS_COMPLETED);
}

static inline int requests(void) {
    return cJSON_GetArraySize(b.log);
}

static inline const cJSON *only_request(void) {
    if (requests() != 1) fail_msg("%d requests instead of one", requests());
    return log_entry(b.log, 0);
}

static inline void expect_text(const char *what, const char *found, const char *wanted) {
    if (!found || strcmp(found, wanted) != 0)
        fail_msg("%s is %s instead of %s", what, found ? found : "missing", wanted);
}

static inline void expect_in(const char *what, const char *found, const char *wanted) {
    if (!found || !strstr(found, wanted))
        fail_msg("%s, %s, lacks %s", what, found ? found : "missing", wanted);
}

static inline void expect_header(const cJSON *entry, const char *name, const char *value) {
    expect_text(name, log_header(entry, name), value);
    assert_int_equal(log_header_count(entry, name), 1);
}

static inline void expect_no_header(const cJSON *entry, const char *name) {
    if (log_header(entry, name)) fail_msg("%s was sent: %s", name, log_header(entry, name));
}

static inline void expect_path(const cJSON *entry, const char *rest) {
    char path[256];
    snprintf(path, sizeof path, "/s/%s/%s", b.session, rest);
    expect_text("the path", log_text(entry, "path"), path);
}

static inline void expect_json(const cJSON *entry, const char *json) {
    cJSON *wanted = cJSON_Parse(json);
    char *found = cJSON_PrintUnformatted(log_at(entry, "json"));
    int same = wanted && cJSON_Compare(log_at(entry, "json"), wanted, 1);
    cJSON_Delete(wanted);
    if (!same) print_error("sent:   %s\nwanted: %s\n", found ? found : "no JSON", json);
    cJSON_free(found);
    assert_true(same);
}

/* ---- warnings as text: "field=asked>sent", joined by "; " ---------------------------------------------- */

static inline void append_text(char *buffer, size_t size, const char *format, ...) {
    size_t length = strlen(buffer);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(buffer + length, size - length, format, arguments);
    va_end(arguments);
}

static inline void expect_warnings(const char *wanted) {
    char found[2048] = "";
    size_t i;
    for (i = 0; i < b.response.warning_count; i++) {
        const tarash_image_warning *warning = &b.response.warnings[i];
        assert_non_null(warning->why);
        assert_true(warning->why[0] != 0);
        append_text(found, sizeof found, "%s%s=%s>%s", i ? "; " : "", warning->field, warning->asked,
                    warning->sent);
    }
    expect_text("the list of warnings", found, wanted ? wanted : "");
}

static inline const tarash_image_warning *warning_about(const char *field) {
    size_t i;
    for (i = 0; i < b.response.warning_count; i++) {
        if (strcmp(b.response.warnings[i].field, field) == 0) return &b.response.warnings[i];
    }
    fail_msg("there is no warning about %s", field);
    return NULL;
}

/* ---- input images, and form parts as text -------------------------------------------------------------- */

static tarash_image_input one_png[1], one_jpeg[1], three[3], sixteen[16], seventeen[17], by_path[1],
    as_data_url[1];
static char png_path[1024], data_url[1024];
static tarash_image_input mask_bytes;

static inline void encode_base64(const unsigned char *data, size_t size, char *out) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t i;
    for (i = 0; i < size; i += 3) {
        unsigned long group = (unsigned long)data[i] << 16;
        if (i + 1 < size) group |= (unsigned long)data[i + 1] << 8;
        if (i + 2 < size) group |= data[i + 2];
        *out++ = letters[group >> 18];
        *out++ = letters[group >> 12 & 63];
        *out++ = i + 1 < size ? letters[group >> 6 & 63] : '=';
        *out++ = i + 2 < size ? letters[group & 63] : '=';
    }
    *out = '\0';
}

static inline void memory_input(tarash_image_input *input, const void *data, size_t size) {
    input->data = data;
    input->size = size;
}

static inline int prepare_inputs(void) {
    size_t i;
    memory_input(&one_png[0], tiny_png, tiny_png_size);
    memory_input(&one_jpeg[0], tiny_jpeg, tiny_jpeg_size);
    memory_input(&three[0], tiny_png, tiny_png_size);
    memory_input(&three[1], tiny_jpeg, tiny_jpeg_size);
    memory_input(&three[2], tiny_webp, tiny_webp_size);
    memory_input(&mask_bytes, tiny_mask_png, tiny_mask_png_size);
    for (i = 0; i < COUNT(sixteen); i++) memory_input(&sixteen[i], tiny_png, tiny_png_size);
    for (i = 0; i < COUNT(seventeen); i++) memory_input(&seventeen[i], tiny_png, tiny_png_size);
    strcpy(data_url, "data:image/png;base64,");
    encode_base64(tiny_png, tiny_png_size, data_url + strlen(data_url));
    as_data_url[0].url = data_url;
    by_path[0].path = temporary_path(png_path, sizeof png_path, "two words \xC3\xA9.png");
    return write_whole_file(png_path, tiny_png, tiny_png_size);
}

static inline const char *picture_name(const cJSON *described) {
    if (log_same_bytes(described, tiny_png, tiny_png_size)) return "png";
    if (log_same_bytes(described, tiny_jpeg, tiny_jpeg_size)) return "jpeg";
    if (log_same_bytes(described, tiny_webp, tiny_webp_size)) return "webp";
    if (log_same_bytes(described, tiny_mask_png, tiny_mask_png_size)) return "mask";
    return log_text(described, "image.kind") ? "another picture" : "no picture";
}

/* "name=text" of a field, "name: filename, type, picture" of a file. */
static inline void describe_part(const cJSON *part, char *out, size_t size) {
    const char *name = log_text(part, "name"), *filename = log_text(part, "filename"),
               *type = log_text(part, "content_type"), *text = log_text(part, "text");
    if (filename)
        snprintf(out, size, "%s: %s, %s, %s", name, filename, type ? type : "no type", picture_name(part));
    else
        snprintf(out, size, "%s=%s%s", name, text ? text : "?", type ? " with a type" : "");
}

static inline int has_part(const cJSON *entry, const char *wanted, size_t length) {
    const cJSON *part;
    char line[512];
    cJSON_ArrayForEach(part, log_at(entry, "parts")) {
        describe_part(part, line, sizeof line);
        if (strlen(line) == length && strncmp(line, wanted, length) == 0) return 1;
    }
    return 0;
}

static inline void print_parts(const cJSON *entry) {
    const cJSON *part;
    char line[512];
    cJSON_ArrayForEach(part, log_at(entry, "parts")) {
        describe_part(part, line, sizeof line);
        print_error("  part %s\n", line);
    }
}

/* The lines of `wanted` are the parts, in any order. */
static inline void expect_parts(const cJSON *entry, const char *wanted) {
    int count = 0;
    expect_in("Content-Type", log_header(entry, "Content-Type"), "multipart/form-data; boundary=");
    assert_null(log_text(entry, "form_error"));
    while (*wanted) {
        size_t length = strcspn(wanted, "\n");
        if (!has_part(entry, wanted, length)) {
            print_parts(entry);
            fail_msg("no part is \"%.*s\"", (int)length, wanted);
        }
        count++;
        wanted += length + (wanted[length] == '\n');
    }
    if (cJSON_GetArraySize(log_at(entry, "parts")) != count) {
        print_parts(entry);
        fail_msg("there are %d parts instead of %d", cJSON_GetArraySize(log_at(entry, "parts")), count);
    }
}

/* The header lines that go out, and no others. */
static inline void expect_header_names(const cJSON *entry, const char *const *names, size_t count) {
    const cJSON *header;
    size_t i;
    for (i = 0; i < count; i++) {
        if (log_header_count(entry, names[i]) != 1)
            fail_msg("%d times the header %s", log_header_count(entry, names[i]), names[i]);
    }
    cJSON_ArrayForEach(header, log_at(entry, "headers")) {
        const char *name = cJSON_GetArrayItem(header, 0)->valuestring;
        for (i = 0; i < count && strcasecmp(name, names[i]) != 0; i++) continue;
        if (i == count)
            fail_msg("an unexpected header: %s: %s", name, cJSON_GetArrayItem(header, 1)->valuestring);
    }
}

static inline void expect_usual_headers(const cJSON *entry) {
    static const char *const names[] = {"Host",         "User-Agent",     "Accept",       "Accept-Encoding",
                                        "Content-Type", "Content-Length", "Authorization"};
    char host[64];
    snprintf(host, sizeof host, "127.0.0.1:%d", server_api_port());
    expect_header_names(entry, names, COUNT(names));
    expect_header(entry, "Host", host);
    expect_header(entry, "User-Agent", "tarash_image/" TARASH_IMAGE_VERSION);
    expect_header(entry, "Accept", "application/json");
    expect_header(entry, "Authorization", "Bearer " KEY);
}

/* ---- pictures that come back --------------------------------------------------------------------------- */

static inline void expect_picture(const tarash_image *image, const char *mime_type) {
    assert_non_null(image->data);
    assert_true(image->size > 20);
    expect_text("the MIME type", image->mime_type, mime_type);
    assert_true(image->width > 0 && image->height > 0);
}

/* The server draws a file of any name as it draws image 0 of a prompt of that name. */
static inline void expect_drawn(const tarash_image *image, const char *prompt, const char *size) {
    char rest[128], url[256];
    size_t length = 0;
    void *bytes;
    snprintf(rest, sizeof rest, "static/%s/%s.png", prompt, size);
    bytes = fetch_url(server_files_url(url, sizeof url, "drawn", rest), &length);
    assert_non_null(bytes);
    assert_int_equal(image->size, length);
    assert_memory_equal(image->data, bytes, length);
    free(bytes);
}

/* ---- running ------------------------------------------------------------------------------------------- */

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

/* A test for each row of a table, named by the row's first member. */
#define RUN_ROWS(table, function, after)                                                                     \
    do {                                                                                                     \
        struct CMUnitTest tests[COUNT(table)];                                                               \
        size_t row;                                                                                          \
        for (row = 0; row < COUNT(table); row++) {                                                           \
            tests[row].name = (table)[row].name;                                                             \
            tests[row].test_func = function;                                                                 \
            tests[row].setup_func = set_up;                                                                  \
            tests[row].teardown_func = after;                                                                \
            tests[row].initial_state = (void *)(uintptr_t) & (table)[row];                                   \
        }                                                                                                    \
        failed += cmocka_run_group_tests_name(#table, tests, NULL, NULL);                                    \
    } while (0)

#endif
