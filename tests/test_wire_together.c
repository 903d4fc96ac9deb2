/* Together over the wire: sizes as numbers, its own words for base64, and input images in two fields. */

#include "wire.h"

#define BASE  "together/v1"
#define PATH  "together/v1/images/generations"
#define FLUX2 "black-forest-labs/FLUX.2-dev"
#define DEV   "black-forest-labs/FLUX.1-dev"
#define EDIT  "black-forest-labs/FLUX.1-kontext-pro"
#define P     "\"prompt\":\"" PROMPT "\""
#define B64   "\"response_format\":\"base64\""

typedef struct body_row {
    const char *name, *model;
    tarash_image_request request;
    const char *options, *body, *warnings;
    int calls; /* 0: one */
} body_row;

static const body_row body_rows[] = {
    {.name = "together: a prompt alone", .body = "{\"model\":\"" FLUX2 "\"," P "," B64 "}"},
    {.name = "together: every option",
     .model = DEV,
     .request = {.n = 2,
                 .size = "640x480",
                 .has_seed = 1,
                 .seed = 42,
                 .negative_prompt = "blur",
                 .output_format = "png"},
     .body = "{\"model\":\"" DEV "\"," P ",\"n\":2,\"width\":640,\"height\":480,\"seed\":42,"
             "\"negative_prompt\":\"blur\",\"output_format\":\"png\"," B64 "}"},
    {.name = "together: seed 0 is a seed",
     .request = {.has_seed = 1},
     .body = "{\"model\":\"" FLUX2 "\"," P ",\"seed\":0," B64 "}"},
    {.name = "together: a ratio becomes a size",
     .request = {.aspect_ratio = "3:2"},
     .body = "{\"model\":\"" FLUX2 "\"," P ",\"width\":1248,\"height\":832," B64 "}",
     .warnings = "aspect_ratio=3:2>1248x832"},
    {.name = "together: auto is left out",
     .request = {.size = "auto", .quality = "auto", .aspect_ratio = "auto"},
     .body = "{\"model\":\"" FLUX2 "\"," P "," B64 "}"},
    {.name = "together: what OpenAI has and it lacks",
     .request =
         {.quality = "high", .style = "vivid", .background = "opaque", .user = "u", .partial_images = 1},
     .body = "{\"model\":\"" FLUX2 "\"," P "," B64 "}",
     .warnings = "quality=high>; style=vivid>; background=opaque>; user=u>; partial_images=1>"},
    {.name = "together: no webp",
     .request = {.output_format = "webp"},
     .body = "{\"model\":\"" FLUX2 "\"," P "," B64 "}",
     .warnings = "output_format=webp>"},
    {.name = "together: Google's models take neither seed nor negative prompt",
     .model = "google/flash-image-2.5",
     .request = {.has_seed = 1, .seed = 7, .negative_prompt = "blur", .size = "1024x1024"},
     .body = "{\"model\":\"google/flash-image-2.5\"," P ",\"width\":1024,\"height\":1024," B64 "}",
     .warnings = "negative_prompt=blur>; seed=7>"},
    {.name = "together: a URL",
     .request = {.output = TARASH_IMAGE_OUTPUT_URL, .size = "128x128"},
     .body = "{\"model\":\"" FLUX2 "\"," P ",\"width\":128,\"height\":128,\"response_format\":\"url\"}"},
    {.name = "together: base64 beside the bytes",
     .request = {.output = TARASH_IMAGE_OUTPUT_BASE64, .size = "128x128"},
     .body = "{\"model\":\"" FLUX2 "\"," P ",\"width\":128,\"height\":128," B64 "}"},
    {.name = "together: extra_params",
     .model = DEV,
     .request = {.size = "128x128",
                 .extra_params =
                     "{\"steps\":28,\"guidance_scale\":3.5,\"height\":null,\"image_loras\":[{\"path\":"
                     "\"a\",\"scale\":1}]}"},
     .body =
         "{\"model\":\"" DEV "\"," P ",\"width\":128,\"steps\":28,\"guidance_scale\":3.5,\"image_loras\":[{"
         "\"path\":\"a\",\"scale\":1}]," B64 "}"},
    {.name = "together: the operation by name",
     .options = "{\"operation\":\"generate\"}",
     .body = "{\"model\":\"" FLUX2 "\"," P "," B64 "}"},
    {.name = "together: above four images, in equal calls",
     .request = {.n = 8, .size = "128x128"},
     .body = "{\"model\":\"" FLUX2 "\"," P ",\"n\":4,\"width\":128,\"height\":128," B64 "}",
     .calls = 2},
};

static void test_body(void **state) {
    const body_row *row = (const body_row *)*state;
    size_t wanted = row->request.n ? (size_t)row->request.n : 1, i;
    use("together", BASE);
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
    for (i = 0; i < wanted; i++) {
        const tarash_image *image = &b.response.images[i];
        assert_int_equal(image->index, i);
        assert_int_equal(image->url != NULL, row->request.output == TARASH_IMAGE_OUTPUT_URL);
        assert_int_equal(image->base64 != NULL, row->request.output == TARASH_IMAGE_OUTPUT_BASE64);
        if (!image->url)
            expect_picture(image, row->request.output_format && !strcmp(row->request.output_format, "png")
                                      ? "image/png"
                                      : "image/jpeg");
    }
}

/* ---- input images -------------------------------------------------------------------------------------- */

static void use_image(const char *model, const tarash_image_input *images, size_t count) {
    use("together", BASE);
    b.config.model = model;
    b.request.size = "128x128";
    b.request.images = images;
    b.request.image_count = count;
}

static void expect_edit(const char *model, const char *field, const char *value) {
    char body[4096];
    snprintf(body, sizeof body, "{\"model\":\"%s\"," P ",\"width\":128,\"height\":128,\"%s\":%s," B64 "}",
             model, field, value);
    run_ok();
    expect_path(log_entry(b.log, -1), PATH);
    expect_usual_headers(log_entry(b.log, -1));
    expect_json(log_entry(b.log, -1), body);
}

/* One image has a field of its own, but at the models that know the list alone. */
static void test_one_image(void **state) {
    char text[2048];
    (void)state;
    snprintf(text, sizeof text, "\"%s\"", data_url);
    use_image(EDIT, one_png, 1);
    expect_edit(EDIT, "image_url", text);
    b.request.images = by_path;
    expect_edit(EDIT, "image_url", text);
    b.request.images = as_data_url;
    b.config.provider_config = "{\"operation\":\"edit\"}";
    expect_edit(EDIT, "image_url", text);
    snprintf(text, sizeof text, "[\"%s\"]", data_url);
    b.config.model = FLUX2;
    expect_edit(FLUX2, "reference_images", text);
    b.config.model = "google/flash-image-2.5";
    expect_edit("google/flash-image-2.5", "reference_images", text);
}

static void test_several_images(void **state) {
    tarash_image_input inputs[2];
    char text[2048], url[256];
    (void)state;
    memset(inputs, 0, sizeof inputs);
    inputs[0].url = server_files_url(url, sizeof url, b.session, "static/8x8.png");
    memory_input(&inputs[1], tiny_png, tiny_png_size);
    snprintf(text, sizeof text, "[\"%s\",\"%s\"]", url, data_url);
    use_image(FLUX2, inputs, 2);
    expect_edit(FLUX2, "reference_images", text);
    use_image("Qwen/Qwen-Image-Edit", inputs, 2);
    expect_edit("Qwen/Qwen-Image-Edit", "reference_images", text);
    assert_int_equal(log_count(b.log, "GET", NULL), 0); /* the provider fetches URLs itself */
}

static void test_image_pixels(void **state) {
    static const unsigned char grey[4] = {0, 255, 128, 7};
    tarash_image_input input;
    (void)state;
    memset(&input, 0, sizeof input);
    input.pixels = grey;
    input.width = input.height = 2;
    input.channels = 1;
    use_image(EDIT, &input, 1);
    run_ok();
    expect_text("the type", log_text(only_request(), "images[0].content_type"), "image/png");
    expect_text("the pixels", log_text(only_request(), "images[0].image.pixels"), "00ff8007");
}

static void test_what_it_lacks(void **state) {
    (void)state;
    use_image(EDIT, three, 2);
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    use_image(EDIT, one_png, 1);
    memory_input(&b.request.mask, tiny_mask_png, tiny_mask_png_size);
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    expect_in("the message", b.response.error.message, "mask");
    memset(&b.request.mask, 0, sizeof b.request.mask);
    b.config.provider_config = "{\"operation\":\"inpaint\"}";
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    expect_in("the message", b.response.error.message, "generate, edit");
    b.request.image_count = 0;
    b.config.provider_config = "{\"operation\":\"edit\"}";
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(requests(), 0);
}

/* ---- replies and errors -------------------------------------------------------------------------------- */

static void test_reply(void **state) {
    (void)state;
    use("together", BASE);
    b.request.size = "128x128";
    b.request.n = 2;
    script("[{\"image_result\":{\"index\":\"reversed\"}}]");
    run_ok();
    assert_int_equal(b.response.image_count, 2);
    expect_in("the metadata", b.response.provider_metadata, "\"id\":\"img-1\"");
    expect_in("the metadata", b.response.provider_metadata, "\"object\":\"list\"");
    assert_non_null(b.response.provider_request_id);
    b.request.n = 1;
    script("[{\"image_result\":{\"url\":true}}]");
    run_ok();
    expect_picture(&b.response.images[0], "image/jpeg");
    assert_non_null(b.response.images[0].url);
    expect_no_header(log_entry(b.log, -1), "Authorization");
    script("[{\"image_result\":{\"empty\":true}}]");
    run();
    expect(TARASH_IMAGE_ERROR_GENERATION_FAILED);
}

/* The items' own numbers decide their order. */
static void test_order(void **state) {
    char *first;
    size_t size;
    (void)state;
    use("together", BASE);
    b.request.size = "128x128";
    b.request.n = 2;
    run_ok();
    size = b.response.images[0].size;
    first = (char *)malloc(size);
    assert_non_null(first);
    memcpy(first, b.response.images[0].data, size);
    script("[{\"image_result\":{\"index\":\"reversed\"}}]");
    run_ok();
    assert_int_equal(b.response.images[0].size, size);
    assert_memory_equal(b.response.images[0].data, first, size);
    free(first);
}

static void test_environment(void **state) {
    char url[256];
    (void)state;
    use("together", BASE);
    setenv("TOGETHER_BASE_URL", server_api_url(url, sizeof url, b.session, BASE "/"), 1);
    setenv("TOGETHER_API_KEY", "tgp_v1_0123456789abcdef", 1);
    b.config.base_url = b.config.api_key = b.config.provider = NULL;
    b.config.model = "together/" FLUX2;
    b.request.size = "128x128";
    run_with("tgp_v1_0123456789abcdef");
    expect(TARASH_IMAGE_OK);
    expect_header(only_request(), "Authorization", "Bearer tgp_v1_0123456789abcdef");
    expect_text("the model", log_text(only_request(), "json.model"), FLUX2);
    expect_text("the model", b.response.model, FLUX2);
}

typedef struct error_row {
    const char *name, *model, *script;
    tarash_image_result result;
    int status;
    const char *code, *text;
} error_row;

static const error_row error_rows[] = {
    {"error: moderation", NULL, "[{\"moderation\":true}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION, 422,
     "nsfw_content", "NSFW content"},
    {"error: moderation by its words", NULL,
     "[{\"status\":400,\"body\":{\"error\":{\"message\":\"Input has NSFW "
     "content.\",\"type\":\"x\",\"param\":null,"
     "\"code\":null}}}]",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, 400, "x", "NSFW"},
    {"error: a busy checker is no refusal", NULL,
     "[{\"status\":503,\"body\":{\"error\":{\"message\":\"The NSFW checker is busy.\"}}}]",
     TARASH_IMAGE_ERROR_HTTP, 503, "", "busy"},
    {"error: a model that is none", "nobody/nothing", "[]", TARASH_IMAGE_ERROR_HTTP, 404,
     "model_not_available", "Unable to access model"},
    {"error: 401", NULL, "[{\"status\":401}]", TARASH_IMAGE_ERROR_AUTHENTICATION, 401, "invalid_api_key",
     "Incorrect API key"},
    {"error: 402", NULL, "[{\"status\":402}]", TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 402, "insufficient_credits",
     "credits"},
    {"error: 429", NULL, "[{\"status\":429}]", TARASH_IMAGE_ERROR_RATE_LIMITED, 429, "rate_limit_exceeded",
     "Rate limit"},
    {"error: a message alone", NULL, "[{\"status\":400,\"body\":{\"error\":{\"message\":\"No.\"}}}]",
     TARASH_IMAGE_ERROR_VALIDATION, 400, "", "No."},
    {"error: text", NULL, "[{\"status\":500,\"body\":\"upstream broke\"}]", TARASH_IMAGE_ERROR_HTTP, 500, "",
     "upstream broke"},
    {"error: within 200", NULL,
     "[{\"status\":200,\"body\":{\"error\":{\"message\":\"No.\",\"code\":\"content_filter\"}}}]",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, 200, "content_filter", "No."},
};

static void test_error(void **state) {
    const error_row *row = (const error_row *)*state;
    use("together", BASE);
    b.config.model = row->model;
    script(row->script);
    run();
    expect(row->result);
    assert_int_equal(b.response.error.http_status, row->status);
    expect_text("the code", b.response.error.provider_code, row->code);
    expect_in("the message", b.response.error.message, row->text);
    expect_text("the provider", b.response.error.provider, "together");
    assert_int_equal(requests(), 1);
}

static void test_echoed_key(void **state) {
    (void)state;
    use("together", BASE);
    b.config.api_key = "tgp_v1_bad_0123456789abcdef";
    run();
    expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
    expect_in("the message", b.response.error.message, "Incorrect API key");
}

static void test_spellings(void **state) {
    static const char *const names[] = {"together", "togetherai", "together-ai", "together_ai"};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(names); i++) {
        use("together", BASE);
        b.config.provider = names[i];
        b.request.size = "128x128";
        run_ok();
        expect_text("the provider", b.response.provider, "together");
    }
}

static int run_others(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_one_image),     TEST(test_several_images), TEST(test_image_pixels),
        TEST(test_what_it_lacks), TEST(test_reply),          TEST(test_order),
        TEST(test_environment),   TEST(test_echoed_key),     TEST(test_spellings)};
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
