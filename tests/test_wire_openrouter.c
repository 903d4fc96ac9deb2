/* OpenRouter over the wire: one call for making and editing, a size or a ratio, streams where there are any, and errors
   whose codes are statuses. */

#include "wire.h"

#define BASE    "openrouter/api/v1"
#define PATH    "openrouter/api/v1/images"
#define NANO    "google/gemini-nano-banana-2.1"
#define STREAMS "openai/gpt-image-2.5-flare"
#define P       "\"prompt\":\"" PROMPT "\""
#define M       "\"model\":\"" NANO "\","

typedef struct body_row {
    const char *name, *model;
    tarash_image_request request;
    const char *options, *body, *warnings;
    int calls; /* 0: one */
} body_row;

static const body_row body_rows[] = {
    {.name = "openrouter: a prompt alone", .body = "{" M P "}"},
    {.name = "openrouter: every option",
     .request = {.n = 2,
                 .aspect_ratio = "16:9",
                 .quality = "max",
                 .output_format = "webp",
                 .background = "opaque",
                 .has_seed = 1,
                 .seed = 42,
                 .user = "u"},
     .body = "{" M P ",\"n\":2,\"aspect_ratio\":\"16:9\",\"quality\":\"max\",\"output_format\":\"webp\","
             "\"background\":\"opaque\",\"seed\":42,\"user\":\"u\"}"},
    {.name = "openrouter: a size", .request = {.size = "640x480"}, .body = "{" M P ",\"size\":\"640x480\"}"},
    {.name = "openrouter: a size and its ratio",
     .request = {.size = "640x480", .aspect_ratio = "4:3"},
     .body = "{" M P ",\"size\":\"640x480\"}"},
    {.name = "openrouter: a size and another ratio",
     .request = {.size = "640x480", .aspect_ratio = "1:1"},
     .body = "{" M P ",\"size\":\"640x480\"}",
     .warnings = "aspect_ratio=1:1>"},
    {.name = "openrouter: a ratio that it lacks",
     .request = {.aspect_ratio = "7:5"},
     .body = "{" M P ",\"aspect_ratio\":\"4:3\"}",
     .warnings = "aspect_ratio=7:5>4:3"},
    {.name = "openrouter: auto",
     .request = {.size = "auto", .aspect_ratio = "auto", .quality = "auto"},
     .body = "{" M P ",\"aspect_ratio\":\"auto\",\"quality\":\"auto\"}"},
    {.name = "openrouter: quality words",
     .request = {.quality = "hd"},
     .body = "{" M P ",\"quality\":\"high\"}",
     .warnings = "quality=hd>high"},
    {.name = "openrouter: neither style, negative prompt nor URL",
     .request = {.style = "vivid", .negative_prompt = "blur", .output = TARASH_IMAGE_OUTPUT_URL},
     .body = "{" M P "}",
     .warnings = "negative_prompt=blur>; style=vivid>; output=url>bytes"},
    {.name = "openrouter: extra_params",
     .request = {.size = "64x64",
                 .extra_params =
                     "{\"size\":null,\"resolution\":\"512\",\"session_id\":\"s\",\"provider\":{\"only\":["
                     "\"google\"]}}"},
     .body = "{" M P ",\"resolution\":\"512\",\"session_id\":\"s\",\"provider\":{\"only\":[\"google\"]}}"},
    {.name = "openrouter: above ten images",
     .request = {.n = 20, .size = "64x64"},
     .body = "{" M P ",\"n\":10,\"size\":\"64x64\"}",
     .calls = 2},
    {.name = "openrouter: the operation by name",
     .options = "{\"operation\":\"generate\"}",
     .body = "{" M P "}"},
};

static void test_body(void **state) {
    const body_row *row = (const body_row *)*state;
    size_t wanted = row->request.n ? (size_t)row->request.n : 1, i;
    use("openrouter", BASE);
    b.config.model = row->model;
    b.config.provider_config = row->options;
    b.request = row->request;
    b.request.prompt = PROMPT;
    run();
    assert_int_equal(requests(), row->calls ? row->calls : 1);
    for (i = 0; i < (size_t)requests(); i++) {
        const cJSON *entry = log_entry(b.log, (int)i);
        expect_text("the method", log_text(entry, "method"), "POST");
        expect_path(entry, PATH);
        expect_usual_headers(entry);
        expect_header(entry, "Content-Type", "application/json");
        expect_json(entry, row->body);
    }
    expect(TARASH_IMAGE_OK);
    expect_warnings(row->warnings);
    assert_int_equal(b.response.image_count, wanted);
    for (i = 0; i < wanted; i++) assert_non_null(b.response.images[i].data);
}

static void test_headers(void **state) {
    (void)state;
    use("openrouter", BASE);
    b.request.size = "64x64";
    b.config.provider_config =
        "{\"referer\":\"https://example.org/\",\"title\":\"Fox painter\",\"categories\":\"a,b\"}";
    run_ok();
    expect_header(only_request(), "HTTP-Referer", "https://example.org/");
    expect_header(only_request(), "X-OpenRouter-Title", "Fox painter");
    expect_header(only_request(), "X-OpenRouter-Categories", "a,b");
    expect_warnings(NULL);
}

static void test_environment(void **state) {
    char url[256];
    (void)state;
    use("openrouter", BASE);
    setenv("OPENROUTER_BASE_URL", server_api_url(url, sizeof url, b.session, BASE), 1);
    setenv("OPENROUTER_API_KEY", "sk-or-v1-0123456789", 1);
    setenv("OPENROUTER_HTTP_REFERER", "https://example.org/", 1);
    setenv("OPENROUTER_APP_TITLE", "Title", 1);
    b.config.base_url = b.config.api_key = b.config.provider = NULL;
    b.config.model = "openrouter/" STREAMS;
    b.request.size = "64x64";
    run_with("sk-or-v1-0123456789");
    expect(TARASH_IMAGE_OK);
    expect_header(only_request(), "Authorization", "Bearer sk-or-v1-0123456789");
    expect_header(only_request(), "HTTP-Referer", "https://example.org/");
    expect_header(only_request(), "X-OpenRouter-Title", "Title");
    expect_no_header(only_request(), "X-OpenRouter-Categories");
    expect_text("the model", log_text(only_request(), "json.model"), STREAMS);
}

/* ---- input images -------------------------------------------------------------------------------------- */

#define REFERENCE "{\"type\":\"image_url\",\"image_url\":{\"url\":\"%s\"}}"

static void test_references(void **state) {
    tarash_image_input inputs[3];
    char body[8192], url[256];
    (void)state;
    use("openrouter", BASE);
    memset(inputs, 0, sizeof inputs);
    inputs[0].url = server_files_url(url, sizeof url, b.session, "static/8x8.png");
    memory_input(&inputs[1], tiny_png, tiny_png_size);
    inputs[2].path = png_path;
    b.request.images = inputs;
    b.request.image_count = 3;
    b.request.size = "64x64";
    b.config.provider_config = "{\"operation\":\"edit\"}";
    run_ok();
    snprintf(body, sizeof body,
             "{" M P ",\"size\":\"64x64\",\"input_references\":[" REFERENCE "," REFERENCE "," REFERENCE "]}",
             url, data_url, data_url);
    expect_path(only_request(), PATH);
    expect_usual_headers(only_request());
    expect_json(only_request(), body);
    expect_warnings(NULL);
}

static void test_image_pixels(void **state) {
    static const unsigned char grey[4] = {0, 255, 128, 7};
    tarash_image_input input;
    (void)state;
    use("openrouter", BASE);
    memset(&input, 0, sizeof input);
    input.pixels = grey;
    input.width = input.height = 2;
    input.channels = 1;
    input.role = TARASH_IMAGE_ROLE_STYLE;
    b.request.images = &input;
    b.request.image_count = 1;
    b.request.size = "64x64";
    run_ok();
    expect_text("the type", log_text(only_request(), "images[0].content_type"), "image/png");
    expect_text("the pixels", log_text(only_request(), "images[0].image.pixels"), "00ff8007");
    expect_warnings("images[0].role=style>reference");
}

static void test_what_it_lacks(void **state) {
    (void)state;
    use("openrouter", BASE);
    b.request.images = one_png;
    b.request.image_count = 1;
    memory_input(&b.request.mask, tiny_mask_png, tiny_mask_png_size);
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    expect_in("the message", b.response.error.message, "mask");
    memset(&b.request.mask, 0, sizeof b.request.mask);
    b.config.provider_config = "{\"operation\":\"upscale\"}";
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    b.config.provider_config = "{\"operation\":\"edit\"}";
    b.request.image_count = 0;
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(requests(), 0);
}

/* ---- streams ------------------------------------------------------------------------------------------- */

static size_t preview_count;

static void count_previews(const tarash_image_update *update, void *user_data) {
    (void)user_data;
    if (!update->partial_image) return;
    assert_int_equal(update->partial_image->index, preview_count);
    assert_int_equal(update->partial_image->width, 64);
    preview_count++;
}

static void use_stream(const char *model) {
    preview_count = 0;
    use("openrouter", BASE);
    b.config.model = model;
    b.request.prompt = "fox";
    b.request.size = "64x64";
    b.request.partial_images = 1;
    b.request.on_progress = count_previews;
}

static void test_stream(void **state) {
    (void)state;
    use_stream(STREAMS);
    b.request.strict = 1; /* how many previews come is advice only */
    run_ok();
    expect_usual_headers(only_request());
    expect_json(only_request(),
                "{\"model\":\"" STREAMS "\",\"prompt\":\"fox\",\"size\":\"64x64\",\"stream\":true}");
    assert_int_equal(preview_count, 2);
    expect_drawn(&b.response.images[0], "fox", "64x64");
    assert_true(b.response.created > 1500000000);
    assert_int_equal(b.response.usage.output_tokens, 4175);
    expect_warnings("partial_images=1>a stream");
}

/* The moment is called created here, not created_at. */
static void test_moment(void **state) {
    (void)state;
    use_stream(STREAMS);
    script("[{\"raw\":\"HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\n\\r\\n"
           "data: "
           "{\\\"type\\\":\\\"image_generation.completed\\\",\\\"created\\\":1763640000,\\\"b64_json\\\":\\\""
           "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
           "\\\"}\\n\\n\"}]");
    run_ok();
    assert_int_equal(b.response.created, 1763640000);
    expect_picture(&b.response.images[0], "image/png");
}

/* A model that can't stream answers in one piece. */
static void test_stream_that_is_none(void **state) {
    (void)state;
    use_stream(NANO);
    run_ok();
    assert_int_equal(preview_count, 0);
    expect_drawn(&b.response.images[0], "fox", "64x64");
}

static void test_stream_that_fails(void **state) {
    static const struct {
        const char *script;
        tarash_image_result result;
        const char *code;
    } rows[] = {
        {"[{\"moderation\":\"stream\"}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION, "403"},
        {"[{\"sse\":{\"error\":true}}]", TARASH_IMAGE_ERROR_GENERATION_FAILED, "server_error"},
        {"[{\"sse\":{\"moderation\":true}}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION, "moderation_blocked"},
        {"[{\"sse\":{\"no_completed\":true}}]", TARASH_IMAGE_ERROR_BAD_RESPONSE, ""}};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        use_stream(STREAMS);
        script(rows[i].script);
        run();
        expect(rows[i].result);
        expect_text("the code", b.response.error.provider_code, rows[i].code);
        assert_int_equal(b.response.error.http_status, 200);
    }
}

/* ---- replies and errors -------------------------------------------------------------------------------- */

static void test_reply(void **state) {
    (void)state;
    use("openrouter", BASE);
    b.request.prompt = "fox";
    b.request.size = "64x64";
    b.request.n = 3;
    script("[{\"drop_items\":1}]");
    run_ok();
    assert_int_equal(b.response.image_count, 2);
    (void)warning_about("n");
    expect_drawn(&b.response.images[0], "fox", "64x64");
    assert_int_equal(b.response.usage.input_tokens, 1);
    assert_int_equal(b.response.usage.total_tokens, 3 * 4175 + 1);
    expect_in("the metadata", b.response.provider_metadata, "\"is_byok\":false");
    assert_non_null(b.response.provider_request_id);
}

typedef struct error_row {
    const char *name, *script;
    tarash_image_result result;
    int status;
    const char *code, *text;
} error_row;

#define ERROR(status, code, text, more)                                                                      \
    "[{\"status\":" #status ",\"body\":{\"error\":{\"code\":" #code ",\"message\":\"" text "\"" more "}}}]"

static const error_row error_rows[] = {
    {"error: 400", "[{\"status\":400}]", TARASH_IMAGE_ERROR_VALIDATION, 400, "400", "Invalid request."},
    {"error: 401", "[{\"status\":401}]", TARASH_IMAGE_ERROR_AUTHENTICATION, 401, "401", "Incorrect API key"},
    {"error: 402", "[{\"status\":402}]", TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 402, "402", "credits"},
    {"error: 403 is a matter of the key", "[{\"status\":403}]", TARASH_IMAGE_ERROR_AUTHENTICATION, 403, "403",
     "access"},
    {"error: 403 with reasons is none", "[{\"moderation\":true}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION, 403,
     "403", "flagged"},
    {"error: 403 with a list of reasons alone",
     ERROR(403, 403, "No.", ",\"metadata\":{\"reasons\":[\"violence\"]}"),
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, 403, "403", "No."},
    {"error: 404", "[{\"status\":404}]", TARASH_IMAGE_ERROR_HTTP, 404, "404", "not found"},
    {"error: 413", "[{\"status\":413}]", TARASH_IMAGE_ERROR_HTTP, 413, "413", ""},
    {"error: 429", "[{\"status\":429}]", TARASH_IMAGE_ERROR_RATE_LIMITED, 429, "429", "Rate limit"},
    {"error: 502", "[{\"status\":502}]", TARASH_IMAGE_ERROR_HTTP, 502, "502", "error"},
    {"error: 524", "[{\"status\":524}]", TARASH_IMAGE_ERROR_TIMEOUT, 524, "524", "error"},
    {"error: 529", "[{\"status\":529}]", TARASH_IMAGE_ERROR_HTTP, 529, "529", "error"},
    {"error: what the provider behind it said",
     ERROR(400, 400, "Provider returned error",
           ",\"metadata\":{\"provider_name\":\"X\",\"raw\":\"{\\\"error\\\":\\\"bad ratio\\\"}\"}"),
     TARASH_IMAGE_ERROR_VALIDATION, 400, "400", "Provider returned error: {\"error\":\"bad ratio\"}"},
    {"error: its refusal",
     ERROR(400, 400, "Provider returned error",
           ",\"metadata\":{\"raw\":\"{\\\"code\\\":\\\"moderation_blocked\\\"}\"}"),
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, 400, "400", "moderation_blocked"},
    {"error: odd metadata", ERROR(400, 400, "No.", ",\"metadata\":[{\"reasons\":1}]"),
     TARASH_IMAGE_ERROR_VALIDATION, 400, "400", "No."},
    {"error: within 200, moderation", "[{\"moderation\":\"ok\"}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION, 200,
     "403", "flagged"},
    {"error: within 200, credits", ERROR(200, 402, "Empty.", ""), TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 200,
     "402", "Empty."},
    {"error: within 200, rate", ERROR(200, 429, "Slow down.", ""), TARASH_IMAGE_ERROR_RATE_LIMITED, 200,
     "429", "Slow down."},
    {"error: within 200, the provider is down", ERROR(200, 502, "Down.", ""),
     TARASH_IMAGE_ERROR_GENERATION_FAILED, 200, "502", "Down."},
    {"error: within 200, a code that is no status", ERROR(200, 7, "Odd.", ""),
     TARASH_IMAGE_ERROR_GENERATION_FAILED, 200, "7", "Odd."},
    {"error: no images", "[{\"status\":200,\"body\":{\"created\":1,\"data\":[],\"error\":null}}]",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, 200, "", "no image"},
};

static void test_error(void **state) {
    const error_row *row = (const error_row *)*state;
    use("openrouter", BASE);
    script(row->script);
    run();
    expect(row->result);
    assert_int_equal(b.response.error.http_status, row->status);
    expect_text("the code", b.response.error.provider_code, row->code);
    expect_in("the message", b.response.error.message, row->text);
    expect_text("the provider", b.response.error.provider, "openrouter");
    assert_int_equal(requests(), 1);
}

static void test_echoed_key(void **state) {
    (void)state;
    use("openrouter", BASE);
    b.config.api_key = "sk-or-v1-bad-0123456789abcdef";
    run();
    expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
    expect_in("the message", b.response.error.message, "Incorrect API key");
    script(ERROR(400, 400, "Provider returned error",
                 ",\"metadata\":{\"raw\":\"key sk-or-v1-bad-0123456789abcdef\"}"));
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
}

static int run_others(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_headers),      TEST(test_environment),         TEST(test_references),
        TEST(test_image_pixels), TEST(test_what_it_lacks),       TEST(test_stream),
        TEST(test_moment),       TEST(test_stream_that_is_none), TEST(test_stream_that_fails),
        TEST(test_reply),        TEST(test_echoed_key)};
    return cmocka_run_group_tests_name("others", tests, NULL, NULL);
}

int main(void) {
    int failed = 0;
    if (server_start() != 0 || prepare_inputs() != 0) return 1;
    RUN_ROWS(body_rows, test_body, tear_down);
    RUN_ROWS(error_rows, test_error, tear_down);
    failed += run_others();
    server_stop();
    return failed != 0;
}
