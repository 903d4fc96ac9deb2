/* What is refused before anything is sent: a table over every field. Then the names of the enumerations, the
   version, and whether the tables of providers and models make sense. */

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#define TARASH_IMAGE_IMPLEMENTATION
#include "support.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof array / sizeof array[0])
#define KEY          "sk-validation-0123456789"

/* ---- a scene that is valid until a test spoils it ------------------------------------------------------ */

typedef struct scene {
    tarash_image_client *client;
    tarash_image_config config;
    tarash_image_config second; /* a fallback, where a test makes it one */
    tarash_image_request request;
    tarash_image_input input;
    tarash_image_header header;
    tarash_image_mock mock;
    tarash_image_mock_response outcome;
    tarash_image_mock_polling polling;
    tarash_image_sink sink;
    char missing[300], empty[300];
} scene;

static scene s;
static int handles; /* that libcurl was asked for */

static void count_handles(void *handle, void *user_data) {
    (void)handle;
    (void)user_data;
    handles++;
}

static int begin(void **state) {
    static const char *const variables[] = {
        "OPENAI_API_KEY",       "OPENAI_BASE_URL",          "OPENAI_ORG_ID",    "OPENAI_PROJECT_ID",
        "XAI_API_KEY",          "INDOX_ROUTER_API_KEY",     "INDOXHUB_API_KEY", "ATOMA_API_KEY",
        "ATOMASDK_BEARER_AUTH", "OPENAI_COMPATIBLE_API_KEY"};
    tarash_image_client_desc desc;
    tarash_image_provider seedy;
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(variables); i++) (void)unsetenv(variables[i]);
    memset(&s, 0, sizeof s);
    memset(&desc, 0, sizeof desc);
    memset(&seedy, 0, sizeof seedy);
    desc.proxy = "";
    desc.curl_hook_fn = count_handles;
    s.client = tarash_image_client_create(&desc);
    if (!s.client) return -1;
    seedy.name = "seedy";
    seedy.protocol = "openai";
    seedy.base_url = "http://127.0.0.1:9";
    seedy.default_model = "x";
    seedy.capabilities.fields = TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_N;
    seedy.capabilities.seed_min = 1;
    seedy.capabilities.seed_max = 100;
    if (tarash_image_register_provider(s.client, &seedy) != TARASH_IMAGE_OK) return -1;
    (void)temporary_path(s.missing, sizeof s.missing, "no-such-file.png");
    (void)temporary_path(s.empty, sizeof s.empty, "empty.png");
    return write_whole_file(s.empty, "", 0);
}

static int end(void **state) {
    (void)state;
    tarash_image_client_destroy(s.client);
    return 0;
}

/* A valid config and request; the other structs are valid, too, but not in use. */
static void restore(void) {
    memset(&s.config, 0, sizeof s.config);
    memset(&s.second, 0, sizeof s.second);
    memset(&s.request, 0, sizeof s.request);
    memset(&s.input, 0, sizeof s.input);
    memset(&s.header, 0, sizeof s.header);
    memset(&s.mock, 0, sizeof s.mock);
    memset(&s.outcome, 0, sizeof s.outcome);
    memset(&s.polling, 0, sizeof s.polling);
    memset(&s.sink, 0, sizeof s.sink);
    s.config.provider = "openai";
    s.config.api_key = KEY;
    s.config.base_url = "http://127.0.0.1:9/v1";
    s.request.prompt = "a lighthouse in fog";
    s.second = s.config;
    s.header.name = "X-Team";
    s.header.value = "blue";
    s.input.data = tiny_png;
    s.input.size = tiny_png_size;
    s.mock.enabled = 1;
    s.mock.responses = &s.outcome;
    s.mock.response_count = 1;
    s.polling.enabled = 1;
}

static void use_header(void) {
    s.config.headers = &s.header;
    s.config.header_count = 1;
}

static void use_input(void) {
    s.request.images = &s.input;
    s.request.image_count = 1;
}

/* The input as raw pixels of a valid form. */
static void use_pixels(void) {
    static const unsigned char pixels[16] = {0};
    use_input();
    s.input.data = NULL;
    s.input.size = 0;
    s.input.pixels = pixels;
    s.input.width = s.input.height = 2;
    s.input.channels = 4;
}

static void use_url(const char *url) {
    use_input();
    s.input.data = NULL;
    s.input.size = 0;
    s.input.url = url;
}

static void use_path(const char *path) {
    use_url(NULL);
    s.input.path = path;
}

static void use_mock(void) {
    s.config.mock = &s.mock;
}

static void use_polling(void) {
    use_mock();
    s.mock.polling = &s.polling;
}

static void use_fallback(void) {
    s.config.fallbacks = &s.second;
    s.config.fallback_count = 1;
}

static void check_refused(int line, const char *what, tarash_image_result result, const char *beginning,
                          const tarash_image_config *config, const tarash_image_request *request) {
    tarash_image_response response;
    tarash_image_update update;
    tarash_image_text plan;
    tarash_image_job job;
    tarash_image_result taken;
    int before = handles;
    job = tarash_image_submit(s.client, config, request);
    assert_int_not_equal(job.id, 0);
    if (tarash_image_job_status(s.client, job, &update) != TARASH_IMAGE_STATUS_FAILED) {
        tarash_image_cancel(s.client, job);
        fail_msg("line %d: %s: is not refused", line, what);
    }
    assert_non_null(update.error);
    assert_int_equal(tarash_image_poll(s.client, 0), 0);
    taken = tarash_image_take(s.client, job, &response);
    assert_int_equal(taken, response.error.result);
    if (response.error.result != result || strncmp(response.error.message, beginning, strlen(beginning)) != 0)
        fail_msg("line %d: %s: %s, \"%s\"", line, what, tarash_image_result_name(response.error.result),
                 response.error.message);
    assert_int_equal(response.status, TARASH_IMAGE_STATUS_FAILED);
    assert_int_equal(response.attempt_count, 0);
    assert_int_equal(response.image_count, 0);
    assert_int_equal(response.error.delivery, TARASH_IMAGE_DELIVERY_NOT_SENT);
    assert_int_equal(response.error.http_status, 0);
    assert_int_equal(response.error.retryable, 0);
    assert_null(strstr(response.error.message, KEY));
    assert_true(tarimg_is_utf8(response.error.message, strlen(response.error.message)));
    tarash_image_response_free(&response);
    assert_int_equal(tarash_image_job_status(s.client, job, NULL), TARASH_IMAGE_STATUS_NONE);
    /* a plan says the same, and so does the blocking call */
    assert_int_equal(tarash_image_plan(s.client, config, request, &plan), result);
    assert_null(plan.data);
    if (strncmp(plan.error.message, beginning, strlen(beginning)) != 0)
        fail_msg("line %d: %s: plan: \"%s\"", line, what, plan.error.message);
    tarash_image_text_free(&plan);
    assert_int_equal(tarash_image_generate(s.client, config, request, &response), result);
    tarash_image_response_free(&response);
    assert_int_equal(handles, before);
}

#define REFUSED(result, beginning, spoil)                                                                    \
    do {                                                                                                     \
        restore();                                                                                           \
        spoil;                                                                                               \
        check_refused(__LINE__, #spoil, result, beginning, &s.config, &s.request);                           \
    } while (0)
#define INVALID(beginning, spoil)     REFUSED(TARASH_IMAGE_ERROR_VALIDATION, beginning, spoil)
#define UNSUPPORTED(beginning, spoil) REFUSED(TARASH_IMAGE_ERROR_UNSUPPORTED, beginning, spoil)

/* Nothing is sent here either: a plan will do. */
static void check_taken(int line, const char *what) {
    tarash_image_text plan;
    if (tarash_image_plan(s.client, &s.config, &s.request, &plan) != TARASH_IMAGE_OK)
        fail_msg("line %d: %s: %s", line, what, plan.error.message);
    assert_non_null(plan.data);
    tarash_image_text_free(&plan);
}

#define TAKEN(change)                                                                                        \
    do {                                                                                                     \
        restore();                                                                                           \
        change;                                                                                              \
        check_taken(__LINE__, #change);                                                                      \
    } while (0)

#define BAD_UTF8 "a\xC3("

/* ---- config -------------------------------------------------------------------------------------------- */

static void test_what_is_valid(void **state) {
    static const tarash_image_header two[] = {{"X-A", "1"}, {"Authorization", "Basic \xC3\xA9"}};
    (void)state;
    TAKEN((void)0);
    TAKEN(s.config.max_retries = TARASH_IMAGE_NO_RETRIES);
    TAKEN(s.config.retry.exponent = 1);
    TAKEN(s.config.retry.exponent = 10);
    TAKEN(s.config.timeout_ms = 2000000000);
    TAKEN(s.config.fallback_on = 0xFFFF);
    TAKEN(s.config.base_url = "https://[::1]:8443/v1?x=y");
    TAKEN(s.config.provider_config = "{\"organization\":\"o\"}");
    TAKEN((s.config.headers = two, s.config.header_count = 2));
    TAKEN((use_header(), s.header.value = ""));
    TAKEN(use_fallback());
    TAKEN(use_input());
    TAKEN(use_pixels());
    TAKEN(use_mock());
    TAKEN(use_polling());
    TAKEN((use_polling(), s.mock.enabled = 0, s.polling.delay_ms = -1));
    TAKEN(s.request.n = 64);
    TAKEN(s.request.extra_params = " { \"a\" : [ ] } ");
    TAKEN(s.request.size = "65535x1");
    TAKEN(s.request.prompt = "\xF0\x9F\x8C\x85\n\"two lines\"\t");
    TAKEN((s.request.has_seed = 1, s.request.seed = INT64_MIN));
    TAKEN((s.request.seed = -1, s.config.provider = "seedy"));
    TAKEN((s.request.has_seed = 1, s.request.seed = 1, s.config.provider = "seedy"));
    TAKEN((s.request.has_seed = 1, s.request.seed = 100, s.config.provider = "seedy"));
    TAKEN((s.config.provider = "openai_compatible", s.config.api_key = NULL));
    TAKEN((s.config.provider = "OpenAI_Compatible", s.config.model = "m"));
    TAKEN((s.config.provider = NULL, s.config.model = "openai/dall-e-3"));
    TAKEN((s.config.provider = NULL, s.config.model = "grok/grok-imagine-image"));
    TAKEN((s.config.provider = "indoxrouter", s.config.model = "openai/gpt-image-1"));
    TAKEN(s.config.api_key = KEY " \r\n");
}

static void test_nothing_at_all(void **state) {
    (void)state;
    restore();
    check_refused(__LINE__, "no config", TARASH_IMAGE_ERROR_VALIDATION, "config:", NULL, &s.request);
    check_refused(__LINE__, "no request", TARASH_IMAGE_ERROR_VALIDATION, "request:", &s.config, NULL);
    INVALID("", memset(&s.config, 0, sizeof s.config));
    INVALID("prompt:", memset(&s.request, 0, sizeof s.request));
}

static void test_providers_and_models(void **state) {
    (void)state;
    INVALID("provider:", s.config.provider = NULL);
    INVALID("provider:", s.config.provider = "");
    INVALID("provider:", s.config.provider = "nosuch");
    INVALID("provider:", s.config.provider = "openai ");
    INVALID("provider:", s.config.provider = "open\nai");
    INVALID("provider:", s.config.provider = BAD_UTF8);
    INVALID("provider:", (s.config.provider = NULL, s.config.model = "dall-e-3"));
    INVALID("provider:", (s.config.provider = NULL, s.config.model = "nosuch/dall-e-3"));
    INVALID("provider:", (s.config.provider = NULL, s.config.model = "/dall-e-3"));
    INVALID("model:", s.config.model = "");
    INVALID("model:", s.config.model = "a\r\nb");
    INVALID("model:", s.config.model = BAD_UTF8);
    INVALID("api_version:", s.config.api_version = "");
    INVALID("api_version:", s.config.api_version = "1\n");
    INVALID("api_version:", s.config.api_version = BAD_UTF8);
    restore();
    s.config.provider = "nosuch";
    {
        tarash_image_response response;
        assert_int_equal(tarash_image_generate(s.client, &s.config, &s.request, &response),
                         TARASH_IMAGE_ERROR_VALIDATION);
        assert_non_null(strstr(response.error.message, "openai")); /* what there is */
        tarash_image_response_free(&response);
    }
}

static void test_keys(void **state) {
    size_t count, i;
    const tarash_image_provider_info *rows = tarash_image_providers(&count);
    (void)state;
    INVALID("api_key:", s.config.api_key = "sk-a\r\nX-Evil: 1");
    INVALID("api_key:", s.config.api_key = "sk-a\tb");
    INVALID("api_key:", s.config.api_key = "sk-a\x7F");
    INVALID("api_key:", s.config.api_key = "");
    INVALID("api_key:", s.config.api_key = " \n");
    for (i = 0; i < count; i++) {
        tarash_image_response response;
        char variable[64];
        restore();
        s.config.provider = rows[i].name;
        if (!rows[i].default_model || !rows[i].default_model[0]) s.config.model = "m";
        s.config.api_key = NULL;
        if (rows[i].key_optional || !rows[i].key_variables) {
            check_taken(__LINE__, rows[i].name);
            continue;
        }
        check_refused(__LINE__, rows[i].name, TARASH_IMAGE_ERROR_VALIDATION, "api_key:", &s.config,
                      &s.request);
        (void)tarash_image_generate(s.client, &s.config, &s.request, &response);
        (void)snprintf(variable, sizeof variable, "%.*s", (int)strcspn(rows[i].key_variables, ","),
                       rows[i].key_variables);
        assert_non_null(strstr(response.error.message, variable));
        tarash_image_response_free(&response);
        assert_int_equal(setenv(variable, "", 1), 0); /* empty is as good as unset */
        check_refused(__LINE__, rows[i].name, TARASH_IMAGE_ERROR_VALIDATION, "api_key:", &s.config,
                      &s.request);
        assert_int_equal(setenv(variable, KEY, 1), 0);
        check_taken(__LINE__, rows[i].name);
        assert_int_equal(setenv(variable, "sk-\n-1", 1), 0);
        check_refused(__LINE__, rows[i].name, TARASH_IMAGE_ERROR_VALIDATION, "api_key:", &s.config,
                      &s.request);
        assert_int_equal(unsetenv(variable), 0);
    }
}

static void test_base_urls(void **state) {
    static const char *const bad[] = {"",
                                      "h",
                                      "ftp://h",
                                      "//h",
                                      "http://",
                                      "https:///v1",
                                      "http://u:p@h/v1",
                                      "http://u@h",
                                      "http://h:0/",
                                      "http://h:99999/",
                                      "http://h:x/",
                                      "http://h/a b",
                                      "http://h/\n",
                                      "http://h\\x",
                                      "http://h/#f",
                                      "http://h/\x7F",
                                      BAD_UTF8,
                                      "http://h/a\xC3(",
                                      "file:///tmp",
                                      "mock:",
                                      "http://[::1",
                                      " http://h"};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(bad); i++) INVALID("base_url:", s.config.base_url = bad[i]);
    INVALID("base_url:", (s.config.provider = "openai_compatible", s.config.base_url = NULL));
    restore();
    assert_int_equal(setenv("OPENAI_BASE_URL", "nonsense", 1), 0);
    s.config.base_url = NULL;
    check_refused(__LINE__, "OPENAI_BASE_URL", TARASH_IMAGE_ERROR_VALIDATION, "base_url:", &s.config,
                  &s.request);
    assert_int_equal(unsetenv("OPENAI_BASE_URL"), 0);
}

static void test_numbers_of_a_config(void **state) {
    (void)state;
    INVALID("timeout_ms:", s.config.timeout_ms = -1);
    INVALID("timeout_ms:", s.config.timeout_ms = INT_MIN);
    INVALID("timeout_ms:", s.config.timeout_ms = INT_MAX);
    INVALID("total_timeout_ms:", s.config.total_timeout_ms = -1);
    INVALID("total_timeout_ms:", s.config.total_timeout_ms = INT_MAX);
    INVALID("connect_timeout_ms:", s.config.connect_timeout_ms = -1);
    INVALID("connect_timeout_ms:", s.config.connect_timeout_ms = INT_MAX);
    INVALID("max_poll_attempts:", s.config.max_poll_attempts = -1);
    INVALID("max_poll_attempts:", s.config.max_poll_attempts = INT_MAX);
    INVALID("poll_interval_ms:", s.config.poll_interval_ms = -1);
    INVALID("poll_interval_ms:", s.config.poll_interval_ms = INT_MAX);
    INVALID("max_retries:", s.config.max_retries = -2);
    INVALID("max_retries:", s.config.max_retries = 101);
    INVALID("retry.initial_ms:", s.config.retry.initial_ms = -1);
    INVALID("retry.max_ms:", s.config.retry.max_ms = -1);
    INVALID("retry.max_elapsed_ms:", s.config.retry.max_elapsed_ms = -1);
    INVALID("retry.exponent:", s.config.retry.exponent = 0.99);
    INVALID("retry.exponent:", s.config.retry.exponent = 10.01);
    INVALID("retry.exponent:", s.config.retry.exponent = -1.5);
    INVALID("retry.exponent:", s.config.retry.exponent = (double)INFINITY);
    INVALID("retry.exponent:", s.config.retry.exponent = (double)NAN);
    INVALID("on_unknown:", s.config.on_unknown = (tarash_image_on_unknown)3);
    INVALID("on_unknown:", s.config.on_unknown = (tarash_image_on_unknown)INT_MAX);
    INVALID("fallback_on:", s.config.fallback_on = 1u << 16);
    INVALID("fallback_on:", s.config.fallback_on = 0x80000000u);
}

static void test_headers(void **state) {
    static const char *const bad_names[] = {"",    "a b", "a:",    "a\r\nb", "\xC3\xA9", "a\"",
                                            "(a)", "a\t", "a\x7F", "a/b",    "a,b",      " a"};
    static const char *const reserved[] = {"Host",       "content-length", "Transfer-Encoding",
                                           "CONNECTION", "Expect",         "Content-Type"};
    static const char *const bad_values[] = {"a\r\nX-Evil: 1", "\n", "a\x01", "a\x7F"};
    size_t i;
    (void)state;
    INVALID("headers", s.config.header_count = 1);
    INVALID("headers[0]:", (use_header(), s.header.name = NULL));
    INVALID("headers[0]:", (use_header(), s.header.value = NULL));
    for (i = 0; i < COUNT(bad_names); i++)
        INVALID("headers[0]:", (use_header(), s.header.name = bad_names[i]));
    for (i = 0; i < COUNT(reserved); i++) INVALID("headers[0]:", (use_header(), s.header.name = reserved[i]));
    for (i = 0; i < COUNT(bad_values); i++)
        INVALID("headers[0]:", (use_header(), s.header.value = bad_values[i]));
}

static void test_provider_config(void **state) {
    static const char *const bad[] = {"",  " ",   "[]",    "1",     "null",     "\"x\"",
                                      "{", "{}}", "{} {}", "{a:1}", "nonsense", "{\"a\":\"" BAD_UTF8 "\"}"};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(bad); i++) INVALID("provider_config:", s.config.provider_config = bad[i]);
    INVALID("provider_config.organization:",
            s.config.provider_config = "{\"organization\":\"a\\r\\nX-Evil: 1\"}");
}

static void test_chains(void **state) {
    static tarash_image_config many[64];
    size_t i;
    (void)state;
    INVALID("fallbacks:", s.config.fallback_count = 1);
    INVALID("fallbacks:",
            (s.config.fallbacks = &s.config, s.config.fallback_count = 1)); /* its own fallback */
    INVALID("fallbacks:", (use_fallback(), s.second.fallbacks = &s.config, s.second.fallback_count = 1));
    restore();
    for (i = 0; i < 64; i++) many[i] = s.second;
    INVALID("fallbacks:", (s.config.fallbacks = many, s.config.fallback_count = 64));
    TAKEN((s.config.fallbacks = many, s.config.fallback_count = 63));
    INVALID("fallbacks:", (s.config.fallbacks = many, s.config.fallback_count = SIZE_MAX));
    /* what is wrong with a link says with which */
    INVALID("fallback 1 (openai): api_key:", (use_fallback(), s.second.api_key = NULL));
    INVALID("fallback 1: timeout_ms:", (use_fallback(), s.second.timeout_ms = -1));
    INVALID("fallback 1: provider:", (use_fallback(), s.second.provider = "\x01"));
    INVALID("fallback 1: fallbacks:", (use_fallback(), s.second.fallback_count = 1));
    many[40].base_url = "x";
    INVALID("fallback 41 (openai): base_url:", (s.config.fallbacks = many, s.config.fallback_count = 50));
}

/* ---- request ------------------------------------------------------------------------------------------- */

static void test_texts_of_a_request(void **state) {
    (void)state;
    INVALID("prompt:", s.request.prompt = NULL);
    INVALID("prompt:", s.request.prompt = "");
    INVALID("prompt:", s.request.prompt = BAD_UTF8);
    INVALID("prompt:", s.request.prompt = "\xED\xA0\x80");
    INVALID("negative_prompt:", s.request.negative_prompt = BAD_UTF8);
    INVALID("quality:", s.request.quality = "");
    INVALID("quality:", s.request.quality = "hd\n");
    INVALID("quality:", s.request.quality = BAD_UTF8);
    INVALID("style:", s.request.style = "");
    INVALID("style:", s.request.style = "\x01");
    INVALID("style:", s.request.style = BAD_UTF8);
    INVALID("background:", s.request.background = "");
    INVALID("background:", s.request.background = "a\tb");
    INVALID("background:", s.request.background = BAD_UTF8);
    INVALID("output_format:", s.request.output_format = "");
    INVALID("output_format:", s.request.output_format = "png\r");
    INVALID("output_format:", s.request.output_format = BAD_UTF8);
    INVALID("user:", s.request.user = "");
    INVALID("user:", s.request.user = "u\n");
    INVALID("user:", s.request.user = BAD_UTF8);
}

static void test_sizes_and_ratios(void **state) {
    static const char *const sizes[] = {
        "",      "x",       "1024",      "1024x",     "x1024",    "0x10",     "10x0",
        "-1x10", "10x-1",   "1024X1024", "1024*1024", "65536x10", "10x65536", "99999999999999999999x1",
        "1.5x1", " 10x10",  "10x10 ",    "10 x10",    "10x10x10", "AUTO",     "+1x1",
        "1e3x1", "10x10\n", BAD_UTF8};
    static const char *const ratios[] = {"",
                                         ":",
                                         "16",
                                         "16:",
                                         ":9",
                                         "0:1",
                                         "1:0",
                                         "-1:1",
                                         "16/9",
                                         "16x9",
                                         "1:1:1",
                                         "a:b",
                                         "16 :9",
                                         "1001:1",
                                         "1:1001",
                                         "1e3:1",
                                         "inf:1",
                                         "nan:nan",
                                         "99999999999999999999:1",
                                         "1:1\n",
                                         BAD_UTF8};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(sizes); i++) INVALID("size:", s.request.size = sizes[i]);
    for (i = 0; i < COUNT(ratios); i++) INVALID("aspect_ratio:", s.request.aspect_ratio = ratios[i]);
}

static void test_numbers_of_a_request(void **state) {
    (void)state;
    INVALID("n:", s.request.n = -1);
    INVALID("n:", s.request.n = 65);
    INVALID("n:", s.request.n = INT_MAX);
    INVALID("n:", s.request.n = INT_MIN);
    INVALID("partial_images:", s.request.partial_images = -1);
    INVALID("partial_images:", s.request.partial_images = 4);
    INVALID("output:", s.request.output = (tarash_image_output)4);
    INVALID("output:", s.request.output = (tarash_image_output)INT_MAX);
    INVALID("seed:", (s.config.provider = "seedy", s.request.has_seed = 1, s.request.seed = 0));
    INVALID("seed:", (s.config.provider = "seedy", s.request.has_seed = 1, s.request.seed = 101));
    INVALID("seed:", (s.config.provider = "seedy", s.request.has_seed = 1, s.request.seed = -1));
    INVALID("seed:", (s.config.provider = "seedy", s.request.has_seed = 1, s.request.seed = INT64_MAX));
    INVALID("fallback 1 (seedy): seed:", (use_fallback(), s.second.provider = "seedy", s.request.has_seed = 1,
                                          s.request.seed = INT64_MIN));
    INVALID("images:", s.request.image_count = 1);
    INVALID("image_count:", (use_input(), s.request.image_count = 1001));
    INVALID("image_count:", (use_input(), s.request.image_count = SIZE_MAX));
}

static void test_extra_params(void **state) {
    static const char *const bad[] = {
        "",           "[]",     "1",        "null",    "\"x\"",
        "{",          "{}}",    "{\"a\":}", "{'a':1}", "{\"a\":\"" BAD_UTF8 "\"}",
        "{\"a\":01}", "{} // x"};
    char deep[300];
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(bad); i++) INVALID("extra_params:", s.request.extra_params = bad[i]);
    memcpy(deep, "{\"a\":", 5);
    memset(deep + 5, '[', 64);
    memset(deep + 69, ']', 64);
    memcpy(deep + 133, "}", 2);
    INVALID("extra_params:", s.request.extra_params = deep); /* 65 deep */
    memmove(deep + 68, deep + 69, 66);
    memmove(deep + 131, deep + 132, 2);
    TAKEN(s.request.extra_params = deep);
}

static void test_sinks(void **state) {
    (void)state;
    INVALID("sink:", s.request.sink = &s.sink);
    INVALID("sink:", (s.request.sink = &s.sink, s.sink.path = ""));
}

static int open_nothing(void *user_data, size_t index, const char *mime_type, void **stream) {
    (void)user_data;
    (void)index;
    (void)mime_type;
    (void)stream;
    return 0;
}

static int write_nothing(void *user_data, void *stream, const void *data, size_t size) {
    (void)user_data;
    (void)stream;
    (void)data;
    (void)size;
    return 0;
}

static int close_nothing(void *user_data, void *stream) {
    (void)user_data;
    (void)stream;
    return 0;
}

static void test_incomplete_sinks(void **state) {
    int given;
    (void)state;
    for (given = 0; given < 8; given++) {
        restore();
        s.sink.open_fn = given & 1 ? open_nothing : NULL;
        s.sink.write_fn = given & 2 ? write_nothing : NULL;
        s.sink.close_fn = given & 4 ? close_nothing : NULL;
        s.request.sink = &s.sink;
        if (given == 7)
            check_taken(__LINE__, "a whole sink");
        else
            check_refused(__LINE__, "a part of a sink", TARASH_IMAGE_ERROR_VALIDATION, "sink:", &s.config,
                          &s.request);
    }
}

/* ---- input images -------------------------------------------------------------------------------------- */

static void test_sources_of_inputs(void **state) {
    (void)state;
    INVALID("images[0]:", (use_input(), s.input.data = NULL));
    INVALID("images[0]:", (use_input(), s.input.size = 0));
    INVALID("images[0]:", (use_input(), s.input.url = "http://h/x.png"));
    INVALID("images[0]:", (use_input(), s.input.path = s.empty));
    INVALID("images[0]:", (use_input(), s.input.pixels = tiny_png, s.input.width = s.input.height = 1,
                           s.input.channels = 1));
    INVALID("images[0].role:", (use_input(), s.input.role = (tarash_image_role)5));
    INVALID("images[0].role:", (use_input(), s.input.role = (tarash_image_role)INT_MAX));
    INVALID("images[0].mime_type:", (use_input(), s.input.mime_type = ""));
    INVALID("images[0].mime_type:", (use_input(), s.input.mime_type = "image/png\r\nX: y"));
    INVALID("images[0].mime_type:", (use_input(), s.input.mime_type = BAD_UTF8));
    INVALID("images[0]:", use_path(s.missing));
    INVALID("images[0]:", use_path(s.empty));
    INVALID("images[0]:", use_path(""));
    INVALID("images[0]:", use_path(temporary_directory()));
}

static void test_urls_of_inputs(void **state) {
    static const char *const bad[] = {"",
                                      "x",
                                      "ftp://h/x",
                                      "file:///etc/passwd",
                                      "http://",
                                      "http://u:p@h/x",
                                      "http://h/a b",
                                      "http://h/\n",
                                      "http://h/\\",
                                      "http://h/a\xC3(",
                                      "data:",
                                      "data:image/png,abc",
                                      "data:image/png;base64",
                                      "data:image/png;base64,!!!!",
                                      "data:image/png;base64,QUJDR",
                                      "data:image/png;base64,QQ===",
                                      "data:image/png;base64,"};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(bad); i++) {
        restore();
        use_url(bad[i]);
        check_refused(__LINE__, bad[i], TARASH_IMAGE_ERROR_VALIDATION, "images[0]:", &s.config, &s.request);
    }
}

static void test_pixels(void **state) {
    static const int edges[] = {0, -1, INT_MIN, 65536, INT_MAX};
    static const int channels[] = {0, -1, 5, INT_MAX, INT_MIN};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(edges); i++) {
        INVALID("images[0]:", (use_pixels(), s.input.width = edges[i]));
        INVALID("images[0]:", (use_pixels(), s.input.height = edges[i]));
    }
    for (i = 0; i < COUNT(channels); i++)
        INVALID("images[0]:", (use_pixels(), s.input.channels = channels[i]));
}

static void test_the_second_input(void **state) {
    tarash_image_input two[2];
    (void)state;
    restore();
    two[0] = two[1] = s.input;
    two[1].size = 0;
    INVALID("images[1]:", (s.request.images = two, s.request.image_count = 2));
}

static void test_masks(void **state) {
    (void)state;
    INVALID("mask:", s.request.mask = s.input); /* without an image that it masks */
    INVALID("mask:", (use_input(), s.request.mask = s.input, s.request.mask.size = 0));
    INVALID("mask:", (use_input(), s.request.mask = s.input, s.request.mask.url = "http://h/x.png"));
    INVALID("mask:", (use_input(), s.request.mask.path = s.missing));
    INVALID("mask:", (use_input(), s.request.mask.url = "nonsense"));
    INVALID("mask:", (use_pixels(), s.request.mask = s.input, s.request.mask.width = 0));
    INVALID("mask:", (use_pixels(), s.request.mask = s.input, s.request.mask.channels = 5));
    TAKEN((use_pixels(), s.request.mask = s.input));
}

static void test_what_a_provider_cannot_do(void **state) {
    (void)state;
    UNSUPPORTED("images:", (use_input(), s.config.model = "dall-e-3"));
    UNSUPPORTED("images:", (use_input(), s.config.provider = "indoxrouter"));
    UNSUPPORTED("images:", (use_input(), s.config.provider = "atoma"));
    UNSUPPORTED("mask:", (use_input(), s.request.mask = s.input, s.config.provider = "xai"));
    UNSUPPORTED("fallback 1 (xai): mask:",
                (use_input(), use_fallback(), s.request.mask = s.input, s.second.provider = "xai"));
    restore();
    {
        tarash_image_input six[6];
        int i;
        for (i = 0; i < 6; i++) six[i] = s.input;
        UNSUPPORTED("images:",
                    (s.config.provider = "xai", s.request.images = six, s.request.image_count = 6));
        TAKEN((s.config.provider = "xai", s.request.images = six, s.request.image_count = 5));
    }
}

static void test_strict(void **state) {
    (void)state;
    TAKEN((s.config.model = "dall-e-3", s.request.size = "640x480"));
    INVALID("size:", (s.config.model = "dall-e-3", s.request.size = "640x480", s.request.strict = 1));
    INVALID("negative_prompt:", (s.request.negative_prompt = "rain", s.request.strict = 1));
    INVALID("provider_config.nonsense:",
            (s.config.provider_config = "{\"nonsense\":\"1\"}", s.request.strict = 1));
    INVALID("fallback 1 (openai): size:",
            (use_fallback(), s.second.model = "dall-e-3", s.request.size = "640x480", s.config.mock = &s.mock,
             s.request.strict = 1));
}

/* ---- mock ---------------------------------------------------------------------------------------------- */

static void test_mocks(void **state) {
    static const tarash_image_status unknown[] = {TARASH_IMAGE_STATUS_QUEUED, (tarash_image_status)99};
    static const int low[] = {0, -5, 100}, high[] = {0, 50, 101};
    (void)state;
    INVALID("mock.latency_ms:", (use_mock(), s.mock.latency_ms = -1));
    INVALID("mock.responses:", (use_mock(), s.mock.responses = NULL));
    INVALID("mock.responses[0]", (use_mock(), s.outcome.weight = -1));
    INVALID("mock.responses[0]", (use_mock(), s.outcome.weight = (double)NAN));
    INVALID("mock.responses[0]", (use_mock(), s.outcome.weight = (double)INFINITY));
    INVALID("mock.responses[0]", (use_mock(), s.outcome.error = (tarash_image_result)16));
    INVALID("mock.responses[0]", (use_mock(), s.outcome.error = (tarash_image_result)INT_MAX));
    INVALID("mock.responses[0]",
            (use_mock(), s.outcome.error = TARASH_IMAGE_ERROR_HTTP, s.outcome.http_status = -1));
    INVALID("mock.responses[0]",
            (use_mock(), s.outcome.error = TARASH_IMAGE_ERROR_HTTP, s.outcome.http_status = 600));
    INVALID("mock.responses[0]",
            (use_mock(), s.outcome.error = TARASH_IMAGE_ERROR_HTTP, s.outcome.retry_after_ms = -1));
    INVALID("mock.responses[0]",
            (use_mock(), s.outcome.error = TARASH_IMAGE_ERROR_HTTP, s.outcome.url = "http://h/x"));
    INVALID("mock.responses[0]", (use_mock(), s.outcome.error = TARASH_IMAGE_ERROR_HTTP,
                                  s.outcome.data = tiny_png, s.outcome.size = 1));
    INVALID("mock.responses[0]", (use_mock(), s.outcome.data = tiny_png));
    INVALID("mock.kind:", (use_mock(), s.mock.kind = (tarash_image_mock_kind)2));
    INVALID("mock.polling.delay_ms:", (use_polling(), s.polling.delay_ms = -1));
    INVALID("mock.polling.statuses", (use_polling(), s.polling.statuses = unknown));
    INVALID("mock.polling.statuses", (use_polling(), s.polling.status_count = 2));
    INVALID("mock.polling.statuses",
            (use_polling(), s.polling.statuses = unknown, s.polling.status_count = 2));
    INVALID("mock.polling.percentages", (use_polling(), s.polling.percentages = low));
    INVALID("mock.polling.percentages", (use_polling(), s.polling.percentages = high));
    INVALID("fallback 1: mock.latency_ms:",
            (use_fallback(), s.second.mock = &s.mock, s.mock.latency_ms = -1));
}

/* ---- jobs and calls without an object ------------------------------------------------------------------ */

static void test_calls_on_nothing(void **state) {
    tarash_image_response response;
    tarash_image_text text;
    tarash_image image;
    tarash_image_error error;
    tarash_image_update update;
    tarash_image_job none = {0}, stale = {12345};
    (void)state;
    restore();
    assert_int_equal(tarash_image_submit(NULL, &s.config, &s.request).id, 0);
    assert_int_equal(tarash_image_poll(NULL, 10), 0);
    tarash_image_wakeup(NULL);
    tarash_image_cancel(NULL, none);
    tarash_image_cancel(s.client, none);
    tarash_image_cancel(s.client, stale);
    assert_int_equal(tarash_image_job_status(s.client, none, NULL), TARASH_IMAGE_STATUS_NONE);
    assert_int_equal(tarash_image_job_status(s.client, stale, &update), TARASH_IMAGE_STATUS_NONE);
    assert_int_equal(update.status, TARASH_IMAGE_STATUS_NONE);
    assert_int_equal(tarash_image_job_status(NULL, stale, &update), TARASH_IMAGE_STATUS_NONE);
    assert_int_equal(tarash_image_take(s.client, stale, &response), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(response.status, TARASH_IMAGE_STATUS_FAILED);
    assert_true(tarimg_begins(response.error.message, "job:"));
    tarash_image_response_free(&response);
    assert_int_equal(tarash_image_take(NULL, stale, &response), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(tarash_image_take(s.client, stale, NULL), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(tarash_image_generate(s.client, &s.config, &s.request, NULL),
                     TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(tarash_image_job_token(s.client, stale, &text), TARASH_IMAGE_ERROR_VALIDATION);
    tarash_image_text_free(&text);
    tarash_image_response_free(NULL);
    tarash_image_text_free(NULL);
    tarash_image_free(NULL);
    tarash_image_client_destroy(NULL);
    memset(&image, 0, sizeof image);
    memset(&response, 0, sizeof response);
    tarash_image_free(&image);
    tarash_image_response_free(&response);
    assert_null(tarash_image_response_first(&response));
    assert_null(tarash_image_response_first(NULL));
    assert_int_equal(tarash_image_response_total_size(&response), 0);
    assert_int_equal(tarash_image_response_total_size(NULL), 0);
    assert_int_equal(tarash_image_save(NULL, s.missing, &error), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(tarash_image_save(&image, s.missing, &error), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(tarash_image_save(&image, s.missing, NULL), TARASH_IMAGE_ERROR_VALIDATION);
    assert_false(file_exists(s.missing));
    assert_int_equal(tarash_image_from_base64(NULL, 0, &image), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(tarash_image_from_base64("QUJD", 4, NULL), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(tarash_image_from_url(s.client, NULL, &image, &error), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(tarash_image_from_url(s.client, "ftp://h", &image, &error),
                     TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(tarash_image_from_url(s.client, "http://u:p@h/", &image, NULL),
                     TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(tarash_image_detach(NULL, &image), TARASH_IMAGE_ERROR_VALIDATION);
}

static tarash_image_result build_nothing(tarash_image_exchange *exchange, tarash_image_phase phase,
                                         void *user_data) {
    (void)exchange;
    (void)phase;
    (void)user_data;
    return TARASH_IMAGE_OK;
}

static void test_providers_that_cannot_be_registered(void **state) {
    tarash_image_provider p;
    static const char *const names[] = {NULL, "", "a/b", "a,b", "a b"};
    size_t i;
    (void)state;
    memset(&p, 0, sizeof p);
    p.protocol = "openai";
    for (i = 0; i < COUNT(names); i++) {
        p.name = names[i];
        assert_int_equal(tarash_image_register_provider(s.client, &p), TARASH_IMAGE_ERROR_VALIDATION);
    }
    p.name = "mine";
    assert_int_equal(tarash_image_register_provider(NULL, &p), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(tarash_image_register_provider(s.client, NULL), TARASH_IMAGE_ERROR_VALIDATION);
    p.protocol = "nosuch";
    assert_int_equal(tarash_image_register_provider(s.client, &p), TARASH_IMAGE_ERROR_VALIDATION);
    p.protocol = NULL;
    assert_int_equal(tarash_image_register_provider(s.client, &p), TARASH_IMAGE_ERROR_VALIDATION);
    p.build_fn = build_nothing;
    assert_int_equal(tarash_image_register_provider(s.client, &p), TARASH_IMAGE_ERROR_VALIDATION);
    p.read_fn = build_nothing;
    assert_int_equal(tarash_image_register_provider(s.client, &p), TARASH_IMAGE_OK);
    INVALID("base_url:", (s.config.provider = "mine", s.config.model = "m", s.config.base_url = NULL));
    INVALID("model:", s.config.provider = "mine");
    UNSUPPORTED("", (s.config.provider = "mine", s.config.model = "m")); /* its code described no request */
}

static void test_tokens_that_are_none(void **state) {
    static const char *const tokens[] = {
        NULL, "", "x", "{}", "[]", "{\"v\":1}", "{\"version\":99}", "tarash", "\xFF\xFE"};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(tokens); i++) {
        tarash_image_response response;
        tarash_image_job job;
        restore();
        job = tarash_image_resume(s.client, &s.config, tokens[i]);
        assert_int_not_equal(job.id, 0);
        assert_int_equal(tarash_image_job_status(s.client, job, NULL), TARASH_IMAGE_STATUS_FAILED);
        assert_int_equal(tarash_image_take(s.client, job, &response), TARASH_IMAGE_ERROR_VALIDATION);
        tarash_image_response_free(&response);
    }
}

static void test_incomplete_allocators(void **state) {
    int given;
    (void)state;
    for (given = 0; given < 8; given++) {
        counting_allocator memory;
        tarash_image_client_desc desc;
        tarash_image_client *client;
        memset(&memory, 0, sizeof memory);
        memset(&desc, 0, sizeof desc);
        desc.allocator = counting_allocator_functions(&memory);
        if (!(given & 1)) desc.allocator.alloc_fn = NULL;
        if (!(given & 2)) desc.allocator.realloc_fn = NULL;
        if (!(given & 4)) desc.allocator.free_fn = NULL;
        client = tarash_image_client_create(&desc);
        assert_int_equal(client != NULL, given == 0 || given == 7);
        tarash_image_client_destroy(client);
        assert_int_equal(memory.live_blocks, 0);
    }
}

/* ---- names --------------------------------------------------------------------------------------------- */

static void test_names_of_results(void **state) {
    static const struct {
        tarash_image_result result;
        int value;
        const char *name, *description;
    } rows[] = {
#define ROW(enumerator, value, name, description) {enumerator, value, name, description},
        TARASH_IMAGE_RESULTS(ROW)
#undef ROW
    };
    static const int strangers[] = {-1, 16, 1000, INT_MAX, INT_MIN};
    size_t i, k;
    (void)state;
    assert_int_equal(COUNT(rows), TARASH_IMAGE_RESULT_COUNT);
    for (i = 0; i < COUNT(rows); i++) {
        assert_int_equal(rows[i].result, i); /* without a gap */
        assert_int_equal(rows[i].value, i);
        assert_string_equal(tarash_image_result_name(rows[i].result), rows[i].name);
        assert_string_equal(tarash_image_result_string(rows[i].result), rows[i].description);
        assert_int_equal(TARASH_IMAGE_BIT(rows[i].result), 1u << i);
        for (k = 0; k < i; k++) assert_string_not_equal(rows[i].name, rows[k].name);
    }
    for (i = 0; i < COUNT(strangers); i++) {
        assert_true(tarash_image_result_name((tarash_image_result)strangers[i])[0]);
        assert_true(tarash_image_result_string((tarash_image_result)strangers[i])[0]);
        assert_true(tarash_image_status_name((tarash_image_status)strangers[i])[0]);
        assert_true(tarash_image_delivery_name((tarash_image_delivery)strangers[i])[0]);
    }
}

static void test_names_of_statuses(void **state) {
    static const char *const statuses[] = {"none", "queued", "processing", "completed", "failed"};
    static const char *const deliveries[] = {"NOT_SENT", "REJECTED", "UNKNOWN", "ACCEPTED"};
    int i;
    (void)state;
    for (i = 0; i < 5; i++)
        assert_string_equal(tarash_image_status_name((tarash_image_status)i), statuses[i]);
    for (i = 0; i < 4; i++)
        assert_string_equal(tarash_image_delivery_name((tarash_image_delivery)i), deliveries[i]);
}

static void test_version(void **state) {
    char text[32];
    (void)state;
    (void)snprintf(text, sizeof text, "%d.%d.%d", TARASH_IMAGE_VERSION_MAJOR, TARASH_IMAGE_VERSION_MINOR,
                   TARASH_IMAGE_VERSION_PATCH);
    assert_string_equal(TARASH_IMAGE_VERSION, text);
    assert_string_equal(tarash_image_version(), text);
    assert_int_equal(TARASH_IMAGE_VERSION_NUMBER, TARASH_IMAGE_VERSION_MAJOR * 10000 +
                                                      TARASH_IMAGE_VERSION_MINOR * 100 +
                                                      TARASH_IMAGE_VERSION_PATCH);
}

static void test_extensions(void **state) {
    (void)state;
    assert_string_equal(tarash_image_extension("image/png"), "png");
    assert_string_equal(tarash_image_extension("image/jpeg"), "jpg");
    assert_string_equal(tarash_image_extension("image/webp"), "webp");
    assert_string_equal(tarash_image_extension("image/svg+xml"), "svg");
    assert_string_equal(tarash_image_extension("video/mp4"), "mp4");
    assert_string_equal(tarash_image_extension("application/pdf"), "bin");
    assert_string_equal(tarash_image_extension(""), "bin");
    assert_string_equal(tarash_image_extension(NULL), "bin");
}

/* ---- tables -------------------------------------------------------------------------------------------- */

static void assert_words(const char *where, const char *list) {
    const char *item;
    size_t size, count = 0;
    if (!list) return;
    while (tarimg_next_item(&list, &item, &size)) {
        if (!size) fail_msg("%s has an empty word", where);
        count++;
    }
    if (!count) fail_msg("%s is empty instead of NULL", where);
}

static void assert_capabilities(const char *where, const tarash_image_capabilities *caps) {
    const char *list, *item;
    size_t size;
    int width, height;
    double ratio;
    if (caps->fields & ~(uint32_t)TARIMG_FIELDS_ALL) fail_msg("%s: unknown fields", where);
    if (caps->max_n < 0 || caps->max_input_images < 0 || caps->seed_min > caps->seed_max)
        fail_msg("%s: numbers", where);
    if (caps->size_min_pixels > caps->size_max_pixels && caps->size_max_pixels) fail_msg("%s: pixels", where);
    if (caps->mask == TARASH_IMAGE_MASK_NONE ? (caps->fields & TARASH_IMAGE_FIELD_MASK) != 0
                                             : !(caps->fields & TARASH_IMAGE_FIELD_MASK))
        fail_msg("%s: mask", where);
    if ((caps->fields & TARASH_IMAGE_FIELD_MASK) && !(caps->fields & TARASH_IMAGE_FIELD_IMAGES))
        fail_msg("%s: a mask but no images", where);
    if (caps->max_input_images && !(caps->fields & TARASH_IMAGE_FIELD_IMAGES)) fail_msg("%s: images", where);
    for (list = caps->sizes; tarimg_next_item(&list, &item, &size);) {
        if (strncmp(item, "any", 3) == 0 || strncmp(item, "auto", 4) == 0) continue;
        if (!tarimg_parse_size(item, size, &width, &height))
            fail_msg("%s: size %.*s", where, (int)size, item);
    }
    for (list = caps->aspect_ratios; tarimg_next_item(&list, &item, &size);) {
        if (strncmp(item, "auto", 4) != 0 && !tarimg_parse_ratio(item, size, &ratio))
            fail_msg("%s: ratio %.*s", where, (int)size, item);
    }
    assert_words(where, caps->sizes);
    assert_words(where, caps->aspect_ratios);
    assert_words(where, caps->qualities);
    assert_words(where, caps->styles);
    assert_words(where, caps->backgrounds);
    assert_words(where, caps->output_formats);
}

static void test_table_of_providers(void **state) {
    size_t count = 0, i, k;
    const tarash_image_provider_info *rows = tarash_image_providers(&count);
    (void)state;
    assert_true(count >= 6);
    assert_ptr_equal(tarash_image_providers(NULL), rows);
    for (i = 0; i < count; i++) {
        const tarash_image_provider_info *row = &rows[i];
        const char *list, *item;
        size_t size;
        tarimg_url url;
        assert_capabilities(row->name, &row->capabilities);
        assert_ptr_equal(tarimg_find_row(row->name), row);
        assert_true(row->compiled_in && row->adapter);
        assert_non_null(row->auth_header);
        assert_non_null(row->auth_prefix);
        for (list = row->aliases; tarimg_next_item(&list, &item, &size);) {
            char alias[64];
            (void)snprintf(alias, sizeof alias, "%.*s", (int)size, item);
            assert_ptr_equal(tarimg_find_row(alias), row);
            for (k = 0; k < count; k++) assert_string_not_equal(alias, rows[k].name);
        }
        if (row->base_url && strcmp(row->base_url, "mock:") != 0) {
            assert_true(tarimg_split_url(row->base_url, &url));
            assert_true(url.is_https || tarimg_is_private_host(&url)); /* a key stays unread on its way */
        }
        assert_words(row->name, row->aliases);
        assert_words(row->name, row->key_variables);
        assert_words(row->name, row->config_keys);
        for (list = row->option_variables; tarimg_next_item(&list, &item, &size);) {
            char key[64];
            assert_non_null(memchr(item, '=', size));
            (void)snprintf(key, sizeof key, "%.*s", (int)strcspn(item, "="), item);
            assert_true(tarimg_in_list(row->config_keys, key));
        }
        /* the default model resolves */
        restore();
        s.config.provider = row->name;
        if (!row->default_model || !row->default_model[0]) s.config.model = "m";
        if (strcmp(row->name, "automatic1111") == 0) s.config.api_key = "user:password";
        check_taken(__LINE__, row->name);
    }
}

/* Some models are operations, with needs of their own. */
static void give_what_it_needs(const char *provider, const char *model) {
    static tarash_image_input image;
    const tarash_image_operation_info *operation = tarimg_find_operation(provider, NULL, model);
    uint32_t flags = operation ? operation->flags : 0;
    memset(&image, 0, sizeof image);
    image.data = tiny_png;
    image.size = tiny_png_size;
    if ((flags & TARASH_IMAGE_OPERATION_NEEDS_IMAGE) || strcmp(model, "gen4_image_turbo") == 0) {
        s.request.images = &image;
        s.request.image_count = 1;
    }
    if (strcmp(model, "flux-tools/outpainting-v1") == 0) s.request.size = "1024x1024";
    if (flags & TARASH_IMAGE_OPERATION_NEEDS_MASK) {
        s.request.mask.data = tiny_mask_png;
        s.request.mask.size = tiny_mask_png_size;
    }
}

static void test_table_of_models(void **state) {
    size_t count = 0, i, k;
    const tarash_image_model_info *models = tarash_image_models(&count);
    (void)state;
    assert_true(count > 0);
    assert_ptr_equal(tarash_image_models(NULL), models);
    for (i = 0; i < count; i++) {
        const tarash_image_provider_info *row = tarimg_find_row(models[i].provider);
        size_t size = strlen(models[i].id);
        char id[96];
        assert_non_null(row);
        assert_string_equal(row->name, models[i].provider);
        assert_true(size && models[i].life && models[i].life[0]);
        assert_non_null(models[i].capabilities);
        assert_capabilities(models[i].id, models[i].capabilities);
        /* the row is found by what it stands for: none above it takes it away */
        (void)snprintf(id, sizeof id, "%s", models[i].id);
        if (id[size - 1] == '*') id[size - 1] = '\0';
        for (k = 0; k < i; k++) {
            size_t length = strlen(models[k].id);
            if (strcmp(models[k].provider, models[i].provider) != 0) continue;
            if (models[k].id[length - 1] == '*' ? strncmp(id, models[k].id, length - 1) == 0
                                                : strcmp(models[i].id, models[k].id) == 0)
                fail_msg("%s is hidden by %s", models[i].id, models[k].id);
        }
        assert_ptr_equal(tarimg_find_caps(row, id), models[i].capabilities);
        restore();
        s.config.provider = models[i].provider;
        s.config.model = id;
        if (strcmp(row->name, "automatic1111") == 0) s.config.api_key = "user:password";
        give_what_it_needs(models[i].provider, id);
        check_taken(__LINE__, id);
    }
    assert_ptr_equal(tarimg_find_caps(&tarash_image_providers(NULL)[0], "a-model-of-tomorrow"),
                     &tarash_image_providers(NULL)[0].capabilities);
}

/* A value of the wrong kind is refused, and named: it would be ignored, and something else be made and paid for. */
static void test_kinds_of_options(void **state) {
    static const struct {
        const char *provider, *options, *message;
    } rows[] = {
        {"stability", "{\"operation\":[\"upscale\"]}",
         "provider_config.operation: must be a text or a number"},
        {"ideogram", "{\"async\":\"yes\"}", "provider_config.async: must be true or false"},
        {"fal", "{\"direct\":1}", "provider_config.direct: must be true or false"},
        {"bedrock", "{\"region\":[\"x\"]}", "provider_config.region: must be a text or a number"},
        {"replicate", "{\"deployment\":\"true\"}", "provider_config.deployment: must be true or false"}};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        restore();
        s.config.provider = rows[i].provider;
        s.config.provider_config = rows[i].options;
        check_refused(__LINE__, rows[i].provider, TARASH_IMAGE_ERROR_VALIDATION, rows[i].message, &s.config,
                      &s.request);
    }
}

/* What the table of models says of a model's fields is what its mapping writes. */
static void test_mappings_and_models_agree(void **state) {
    size_t count = 0, i, k;
    const tarash_image_model_info *models = tarash_image_models(&count);
    uint32_t mappable = 0;
    (void)state;
    for (i = 0; i < TARIMG_MAPPABLE_COUNT; i++) mappable |= tarimg_mappable[i].field & ~TARIMG_MAPPED_PROMPT;
    for (i = 0; i < TARIMG_MAPPING_COUNT; i++) {
        if (tarimg_mapping_problem(tarimg_mappings[i].fields))
            fail_msg("%s %s: %s", tarimg_mappings[i].provider, tarimg_mappings[i].model_prefix,
                     tarimg_mapping_problem(tarimg_mappings[i].fields));
        for (k = 0; k < i; k++) assert_false(tarimg_same_mapping(&tarimg_mappings[i], &tarimg_mappings[k]));
    }
    for (i = 0; i < count; i++) {
        const tarash_image_provider_info *row = tarimg_find_row(models[i].provider);
        const tarash_image_field_mapping *mapping;
        const char *fields;
        char id[96];
        tarimg_entry entry;
        uint32_t written = 0;
        if (!row->adapter || !row->adapter->is_mapped) continue;
        (void)snprintf(id, sizeof id, "%.*s", (int)strcspn(models[i].id, "*"), models[i].id);
        mapping = tarimg_find_mapping(row->name, id);
        assert_non_null(mapping);
        for (fields = mapping->fields; tarimg_next_entry(&fields, &entry);) {
            if (entry.target_size) written |= entry.field & ~TARIMG_MAPPED_PROMPT;
        }
        if ((models[i].capabilities->fields & mappable) != written)
            fail_msg("%s: the model has %x, its mapping \"%s\" writes %x", id,
                     (unsigned)(models[i].capabilities->fields & mappable), mapping->fields,
                     (unsigned)written);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_of_options),
        cmocka_unit_test(test_mappings_and_models_agree),
        cmocka_unit_test(test_what_is_valid),
        cmocka_unit_test(test_nothing_at_all),
        cmocka_unit_test(test_providers_and_models),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_base_urls),
        cmocka_unit_test(test_numbers_of_a_config),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_provider_config),
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_texts_of_a_request),
        cmocka_unit_test(test_sizes_and_ratios),
        cmocka_unit_test(test_numbers_of_a_request),
        cmocka_unit_test(test_extra_params),
        cmocka_unit_test(test_sinks),
        cmocka_unit_test(test_incomplete_sinks),
        cmocka_unit_test(test_sources_of_inputs),
        cmocka_unit_test(test_urls_of_inputs),
        cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_the_second_input),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_what_a_provider_cannot_do),
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_mocks),
        cmocka_unit_test(test_calls_on_nothing),
        cmocka_unit_test(test_providers_that_cannot_be_registered),
        cmocka_unit_test(test_tokens_that_are_none),
        cmocka_unit_test(test_incomplete_allocators),
        cmocka_unit_test(test_names_of_results),
        cmocka_unit_test(test_names_of_statuses),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_table_of_providers),
        cmocka_unit_test(test_table_of_models),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
