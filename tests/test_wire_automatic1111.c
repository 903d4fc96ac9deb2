/* What goes to Stable Diffusion web UI over the wire, and what comes back. */

#include "wire.h"

#define TXT2IMG "automatic1111/sdapi/v1/txt2img"
#define IMG2IMG "automatic1111/sdapi/v1/img2img"
#define P       "\"prompt\":\"" PROMPT "\""
#define LOGIN   "painter:Secret-0123456789"
/* base64 of LOGIN */
#define PACKED "cGFpbnRlcjpTZWNyZXQtMDEyMzQ1Njc4OQ=="
/* A picture of one pixel. */
#define DOT "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="

static void ask(const char *key) {
    use("automatic1111", "automatic1111");
    b.config.api_key = key;
}

static void expect_headers(const cJSON *entry, int has_key) {
    static const char *const names[] = {"Host",         "User-Agent",     "Accept",       "Accept-Encoding",
                                        "Content-Type", "Content-Length", "Authorization"};
    expect_header_names(entry, names, COUNT(names) - !has_key);
    expect_header(entry, "Accept", "application/json");
    expect_header(entry, "Content-Type", "application/json");
    if (has_key) expect_header(entry, "Authorization", "Basic " PACKED);
}

/* ---- requests without images: one row, one JSON body ---------------------------------------------------- */

typedef struct body_row {
    const char *name, *model;
    tarash_image_request request;
    const char *body, *warnings;
    int calls; /* 0: one */
} body_row;

static const body_row body_rows[] = {
    {.name = "a1111: a prompt alone", .body = "{" P "}"},
    {.name = "a1111: everything it takes",
     .model = "sd_xl_base_1.0",
     .request =
         {.n = 2, .size = "768x512", .negative_prompt = "blur", .style = "Ink", .has_seed = 1, .seed = 42},
     .body =
         "{" P
         ",\"negative_prompt\":\"blur\",\"styles\":[\"Ink\"],\"width\":768,\"height\":512,\"batch_size\":2,"
         "\"seed\":42,\"override_settings\":{\"sd_model_checkpoint\":\"sd_xl_base_1.0\"}}"},
    {.name = "a1111: sides are multiples of 8",
     .request = {.size = "1001x333"},
     .body = "{" P ",\"width\":1000,\"height\":336}",
     .warnings = "size=1001x333>1000x336"},
    {.name = "a1111: a ratio becomes a size",
     .request = {.aspect_ratio = "1:1"},
     .body = "{" P ",\"width\":1024,\"height\":1024}",
     .warnings = "aspect_ratio=1:1>1024x1024"},
    {.name = "a1111: auto is left out", .request = {.size = "auto"}, .body = "{" P "}"},
    {.name = "a1111: what it lacks",
     .request = {.quality = "hd",
                 .background = "opaque",
                 .user = "u",
                 .output_format = "png",
                 .output = TARASH_IMAGE_OUTPUT_URL,
                 .partial_images = 1},
     .body = "{" P "}",
     .warnings = "quality=hd>; output_format=png>; background=opaque>; user=u>; partial_images=1>; "
                 "output=url>bytes"},
    {.name = "a1111: extra_params",
     .request = {.extra_params =
                     "{\"steps\":20,\"sampler_name\":\"Euler a\",\"scheduler\":\"Karras\",\"cfg_scale\":6.5,"
                     "\"override_settings\":{\"CLIP_stop_at_last_layers\":2}}"},
     .model = "sd_xl_base_1.0",
     .body = "{" P ",\"steps\":20,\"sampler_name\":\"Euler a\",\"scheduler\":\"Karras\",\"cfg_scale\":6.5,"
             "\"override_settings\":{\"sd_model_checkpoint\":\"sd_xl_base_1.0\",\"CLIP_stop_at_last_layers\":"
             "2}}"},
    {.name = "a1111: more than one batch",
     .request = {.n = 16},
     .body = "{" P ",\"batch_size\":8}",
     .calls = 2},
};

static void test_body(void **state) {
    const body_row *row = (const body_row *)*state;
    int calls = row->calls ? row->calls : 1, i;
    ask(LOGIN);
    b.config.model = row->model;
    b.request = row->request;
    b.request.prompt = PROMPT;
    run();
    expect(TARASH_IMAGE_OK);
    assert_int_equal(requests(), calls);
    for (i = 0; i < calls; i++) {
        const cJSON *entry = log_entry(b.log, i);
        expect_text("the method", log_text(entry, "method"), "POST");
        expect_path(entry, TXT2IMG);
        expect_headers(entry, 1);
        expect_json(entry, row->body);
    }
    expect_warnings(row->warnings);
    assert_int_equal(b.response.image_count, row->request.n ? row->request.n : 1);
    for (i = 0; i < (int)b.response.image_count; i++) expect_picture(&b.response.images[i], "image/png");
}

static void test_seed_range(void **state) {
    static const int64_t seeds[] = {-1, 4294967296};
    size_t i;
    (void)state;
    ask(NULL);
    b.request.has_seed = 1;
    for (i = 0; i < COUNT(seeds); i++) {
        b.request.seed = seeds[i];
        run();
        expect(TARASH_IMAGE_ERROR_VALIDATION);
    }
    assert_int_equal(requests(), 0);
}

/* ---- who asks ------------------------------------------------------------------------------------------------ */

static void test_no_key(void **state) {
    (void)state;
    ask(NULL);
    run_ok();
    expect_headers(only_request(), 0);
}

static void test_keys(void **state) {
    (void)state;
    ask(NULL);
    setenv("AUTOMATIC1111_API_AUTH", LOGIN, 1);
    setenv("AUTOMATIC1111_BASE_URL", b.config.base_url, 1);
    b.config.base_url = NULL;
    b.config.provider = "stable-diffusion-webui";
    run_with(LOGIN);
    expect(TARASH_IMAGE_OK);
    expect_headers(only_request(), 1);
    b.config.api_key = "no-colon-0123456789";
    b.config.provider = "a1111";
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "api_key");
    assert_int_equal(requests(), 1);
}

/* The server repeats it in both forms, and neither comes out. */
static void test_wrong_password(void **state) {
    (void)state;
    ask("painter:bad-0123456789");
    run();
    expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
    assert_int_equal(b.response.error.http_status, 401);
    expect_in("the message", b.response.error.message, "Incorrect username or password");
    check_secret("cGFpbnRlcjpiYWQtMDEyMzQ1Njc4OQ==");
    check_secret("bad-0123456789");
}

static void test_plan(void **state) {
    tarash_image_text text;
    (void)state;
    ask(LOGIN);
    b.config.base_url = NULL;
    assert_int_equal(tarash_image_plan(b.client, &b.config, &b.request, &text), TARASH_IMAGE_OK);
    expect_in("the plan", text.data, "\"http://127.0.0.1:7860/sdapi/v1/txt2img\"");
    refuse_text("the plan", text.data, PACKED);
    refuse_text("the plan", text.data, LOGIN);
    tarash_image_text_free(&text);
}

/* ---- input images ---------------------------------------------------------------------------------------------- */

static const char *tiny_text(void) {
    return strchr(data_url, ',') + 1;
}

static void test_one_image(void **state) {
    const tarash_image_input *const inputs[] = {one_png, by_path, as_data_url};
    char body[2048];
    size_t i;
    (void)state;
    snprintf(body, sizeof body, "{" P ",\"width\":512,\"height\":256,\"init_images\":[\"%s\"]}", tiny_text());
    for (i = 0; i < COUNT(inputs); i++) {
        ask(LOGIN);
        b.request.images = inputs[i];
        b.request.image_count = 1;
        b.request.size = "512x256";
        run_ok();
        expect_path(log_entry(b.log, -1), IMG2IMG);
        expect_headers(log_entry(b.log, -1), 1);
        expect_json(log_entry(b.log, -1), body);
    }
}

static void test_image_by_url(void **state) {
    tarash_image_input input;
    char url[256];
    (void)state;
    memset(&input, 0, sizeof input);
    ask(LOGIN);
    input.url = server_files_url(url, sizeof url, b.session, "static/200x104.png");
    b.request.images = &input;
    b.request.image_count = 1;
    run_ok();
    assert_int_equal(requests(), 2);
    expect_no_header(log_entry(b.log, 0), "Authorization");
    /* The image's own size, now that it is known. */
    assert_true(log_number(log_entry(b.log, 1), "json.width") == 200);
    assert_true(log_number(log_entry(b.log, 1), "json.height") == 104);
    expect_in("the image", log_text(log_entry(b.log, 1), "json.init_images[0]"), "iVBORw0KGgo");
}

static unsigned char grey[100 * 70];

static void grey_input(tarash_image_input *input) {
    size_t i;
    for (i = 0; i < sizeof grey; i++) grey[i] = i % 100 < 30 ? 255 : 0;
    memset(input, 0, sizeof *input);
    input->pixels = grey;
    input->width = 100;
    input->height = 70;
    input->channels = 1;
}

/* White stays white: what it marks is what the server changes. */
static void test_mask(void **state) {
    tarash_image_input image;
    const cJSON *entry;
    char mask[1024];
    (void)state;
    grey_input(&image);
    ask(LOGIN);
    b.request.images = &image;
    b.request.image_count = 1;
    b.request.mask = image;
    run_ok();
    entry = only_request();
    expect_path(entry, IMG2IMG);
    expect_text("the mask", log_text(entry, "json.mask"), log_text(entry, "json.init_images[0]"));
    assert_true(log_number(entry, "json.width") == 104 && log_number(entry, "json.height") == 72);
    expect_warnings(NULL);
    memset(&b.request.mask, 0, sizeof b.request.mask);
    b.request.mask = mask_bytes;
    b.request.images = one_png;
    b.config.provider_config = "{\"operation\":\"inpaint\"}";
    run_ok();
    encode_base64(tiny_mask_png, tiny_mask_png_size, mask);
    expect_text("the mask", log_text(log_entry(b.log, 1), "json.mask"), mask);
    expect_warnings(NULL);
}

static void test_what_images_it_takes(void **state) {
    (void)state;
    ask(NULL);
    b.request.images = sixteen;
    b.request.image_count = 2;
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    b.request.image_count = 0;
    b.request.mask = mask_bytes;
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(requests(), 0);
}

/* ---- operations ------------------------------------------------------------------------------------------------ */

static void test_upscale(void **state) {
    char body[2048];
    (void)state;
    ask(LOGIN);
    b.config.provider_config = "{\"operation\":\"upscale\"}";
    b.request.prompt = NULL;
    b.request.images = one_png;
    b.request.image_count = 1;
    run_ok();
    expect_path(only_request(), "automatic1111/sdapi/v1/extra-single-image");
    expect_headers(only_request(), 1);
    snprintf(body, sizeof body, "{\"image\":\"%s\",\"upscaler_1\":\"R-ESRGAN 4x+\"}", tiny_text());
    expect_json(only_request(), body);
    expect_picture(&b.response.images[0], "image/png");
    assert_int_equal(b.response.images[0].width, 8);
    expect_in("the metadata", b.response.provider_metadata, "html_info");
    b.request.size = "33x21";
    b.request.prompt = PROMPT;
    b.request.has_seed = 1;
    b.request.extra_params = "{\"upscaler_1\":\"Lanczos\",\"gfpgan_visibility\":0.5}";
    run_ok();
    snprintf(body, sizeof body,
             "{\"image\":\"%s\",\"upscaler_1\":\"Lanczos\",\"gfpgan_visibility\":0.5,\"resize_mode\":1,"
             "\"upscaling_resize_w\":33,\"upscaling_resize_h\":21}",
             tiny_text());
    expect_json(log_entry(b.log, 1), body);
    expect_warnings("prompt=" PROMPT ">; seed=0>");
    assert_int_equal(b.response.images[0].width, 33);
    assert_int_equal(b.response.images[0].height, 21);
}

static void test_operations(void **state) {
    static const struct {
        const char *options;
        size_t images;
        const char *path; /* NULL: nothing is sent */
        tarash_image_result result;
    } rows[] = {{"{\"operation\":\"generate\"}", 0, TXT2IMG, TARASH_IMAGE_OK},
                {"{\"operation\":\"generate\"}", 1, NULL, TARASH_IMAGE_ERROR_VALIDATION},
                {"{\"operation\":\"edit\"}", 1, IMG2IMG, TARASH_IMAGE_OK},
                {"{\"operation\":\"edit\"}", 0, NULL, TARASH_IMAGE_ERROR_VALIDATION},
                {"{\"operation\":\"image_to_image\"}", 1, IMG2IMG, TARASH_IMAGE_OK},
                {"{\"operation\":\"inpaint\"}", 1, NULL, TARASH_IMAGE_ERROR_VALIDATION},
                {"{\"operation\":\"upscale\"}", 0, NULL, TARASH_IMAGE_ERROR_VALIDATION},
                {"{\"operation\":\"vectorize\"}", 1, NULL, TARASH_IMAGE_ERROR_UNSUPPORTED}};
    size_t i;
    int sent = 0;
    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        ask(NULL);
        b.config.provider_config = rows[i].options;
        b.request.images = one_png;
        b.request.image_count = rows[i].images;
        run();
        expect(rows[i].result);
        sent += rows[i].path != NULL;
        assert_int_equal(requests(), sent);
        if (rows[i].path) expect_path(log_entry(b.log, -1), rows[i].path);
    }
}

/* ---- replies --------------------------------------------------------------------------------------------------- */

static void test_facts(void **state) {
    (void)state;
    ask(NULL);
    b.request.prompt = "fox";
    b.request.n = 2;
    b.request.size = "64x64";
    b.request.has_seed = 1;
    b.request.seed = 40;
    run_ok();
    assert_int_equal(b.response.image_count, 2);
    expect_drawn(&b.response.images[0], "fox", "64x64");
    assert_true(b.response.images[0].has_seed && b.response.images[0].seed == 40);
    assert_true(b.response.images[1].has_seed && b.response.images[1].seed == 41);
    expect_in("the metadata", b.response.provider_metadata, "\"sd_model_hash\":\"6ce0161689\"");
    if (strstr(b.response.provider_metadata, "parameters")) fail_msg("the request is among the metadata");
    b.request.has_seed = 0;
    run_ok();
    assert_true(b.response.images[0].has_seed && b.response.images[0].seed >= 0);
    assert_true(b.response.images[1].seed == b.response.images[0].seed + 1);
}

/* Batches count their seeds up, so that the second one goes on where the first one ends. */
static void test_seeds_of_batches(void **state) {
    size_t i;
    (void)state;
    ask(NULL);
    b.request.n = 9;
    b.request.size = "64x64";
    b.request.has_seed = 1;
    b.request.seed = 100;
    run_ok();
    assert_int_equal(requests(), 2);
    assert_int_equal(b.response.image_count, 9);
    for (i = 0; i < 9; i++) assert_true(b.response.images[i].seed == 100 + (int64_t)i);
}

/* A grid is none of the images, and the seeds belong to those behind it. */
static void test_grid(void **state) {
    tarash_image_sink sink;
    char pattern[1024], path[1024];
    size_t size = 0;
    void *bytes;
    int before;
    (void)state;
    ask(NULL);
    b.request.prompt = "fox";
    b.request.n = 2;
    b.request.size = "64x64";
    b.request.has_seed = 1;
    b.request.extra_params = "{\"save_images\":true}";
    run_ok();
    assert_int_equal(b.response.image_count, 2);
    expect_drawn(&b.response.images[0], "fox", "64x64");
    assert_int_equal(b.response.images[0].seed, 0);
    assert_int_equal(b.response.images[1].seed, 1);
    memset(&sink, 0, sizeof sink);
    sink.path = temporary_path(pattern, sizeof pattern, "batch-{index}.png");
    b.request.sink = &sink;
    before = directory_count(temporary_directory());
    run_ok();
    assert_int_equal(directory_count(temporary_directory()), before + 2);
    bytes = read_whole_file(temporary_path(path, sizeof path, "batch-0.png"), &size);
    b.request.sink = NULL;
    run_ok();
    assert_non_null(bytes);
    assert_int_equal(size, b.response.images[0].size);
    assert_memory_equal(bytes, b.response.images[0].data, size);
    free(bytes);
}

static void test_odd_replies(void **state) {
    static const struct {
        const char *body;
        size_t images; /* 0: none, and that is a failure */
    } rows[] = {
        {"{\"images\":[\"" DOT "\"],\"info\":\"{\\\"all_seeds\\\":[5]}\"}", 1},
        /* what extensions add behind them */
        {"{\"images\":[\"" DOT "\",\"" DOT "\",\"" DOT "\"],\"info\":\"{\\\"all_seeds\\\":[5]}\"}", 1},
        {"{\"images\":[\"" DOT "\",\"" DOT "\"],\"info\":\"no JSON\"}", 2},
        {"{\"images\":[\"" DOT "\"],\"info\":\"[]\"}", 1},
        {"{\"images\":[\"" DOT
         "\"],\"info\":\"{\\\"all_seeds\\\":7,\\\"index_of_first_image\\\":\\\"x\\\"}\"}",
         1},
        {"{\"images\":[\"" DOT "\"],\"info\":\"{\\\"all_seeds\\\":[{}]}\"}", 1},
        {"{\"images\":[\"" DOT "\"],\"info\":{\"all_seeds\":[5]}}", 1},
        {"{\"images\":[\"data:image/png;base64," DOT "\"]}", 1},
        {"{\"images\":[\"" DOT "\"],\"info\":\"{\\\"index_of_first_image\\\":9}\"}", 0},
        {"{\"images\":[],\"info\":\"\"}", 0},
        {"{\"images\":null}", 0},
        {"{\"images\":{\"a\":1}}", 0},
        {"{\"images\":[null,7,{}],\"info\":7}", 0},
        {"{\"image\":null}", 0},
        {"[]", 0},
        {"{}", 0}};
    size_t i;
    (void)state;
    ask(NULL);
    for (i = 0; i < COUNT(rows); i++) {
        assert_int_equal(control_scriptf(b.session, "[{\"status\":200,\"body\":%s}]", rows[i].body), 0);
        run();
        if (b.response.image_count != rows[i].images) print_error("%s\n", rows[i].body);
        assert_int_equal(b.response.image_count, rows[i].images);
        expect(rows[i].images ? TARASH_IMAGE_OK : TARASH_IMAGE_ERROR_GENERATION_FAILED);
    }
}

/* ---- refusals -------------------------------------------------------------------------------------------------- */

typedef struct refusal_row {
    const char *name, *script;
    tarash_image_result result;
    int http_status;
    const char *code, *message;
} refusal_row;

#define EXCEPTION(status, kind, detail, errors)                                                              \
    "[{\"status\":" #status ",\"body\":{\"error\":\"" kind "\",\"detail\":\"" detail                         \
    "\",\"body\":\"\",\"errors\":\"" errors "\"}}]"

static const refusal_row refusal_rows[] = {
    {"refusal: no --api", "[{\"status\":404,\"body\":{\"detail\":\"Not Found\"}}]", TARASH_IMAGE_ERROR_HTTP,
     404, "",
     "automatic1111 answered HTTP 404: there is no such path; the server must be started with --api"},
    {"refusal: a sampler", "[{\"status\":404,\"body\":{\"detail\":\"Sampler not found\"}}]",
     TARASH_IMAGE_ERROR_VALIDATION, 404, "", "Sampler not found"},
    {"refusal: a sampler, as an exception", EXCEPTION(404, "HTTPException", "Sampler not found", ""),
     TARASH_IMAGE_ERROR_VALIDATION, 404, "HTTPException",
     "automatic1111 answered HTTP 404: Sampler not found"},
    {"refusal: an image", EXCEPTION(500, "HTTPException", "Invalid encoded image", ""),
     TARASH_IMAGE_ERROR_VALIDATION, 500, "HTTPException", "Invalid encoded image"},
    {"refusal: out of memory", EXCEPTION(500, "OutOfMemoryError", "", "CUDA out of memory."),
     TARASH_IMAGE_ERROR_HTTP, 500, "OutOfMemoryError",
     "automatic1111 answered HTTP 500: CUDA out of memory."},
    {"refusal: fields",
     "[{\"status\":422,\"body\":{\"detail\":[{\"loc\":[\"body\",\"steps\"],\"msg\":\"not an "
     "integer\",\"type\":"
     "\"type_error\"}]}}]",
     TARASH_IMAGE_ERROR_VALIDATION, 422, "type_error", "body.steps: not an integer"},
    {"refusal: no JSON", "[{\"status\":500,\"error_shape\":\"html\"}]", TARASH_IMAGE_ERROR_HTTP, 500, "",
     "HTTP 500"},
    {"refusal: an interrupted call", "[{\"image_result\":{\"empty\":true}}]",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, 200, "", "interrupted"},
};

static void test_refusal(void **state) {
    const refusal_row *row = (const refusal_row *)*state;
    ask(LOGIN);
    script(row->script);
    run();
    expect(row->result);
    assert_int_equal(requests(), 1);
    assert_int_equal(b.response.error.http_status, row->http_status);
    expect_text("the code", b.response.error.provider_code, row->code);
    expect_in("the message", b.response.error.message, row->message);
}

/* What the strict server itself says of a wrong setting. */
static void test_wrong_settings(void **state) {
    (void)state;
    ask(NULL);
    b.request.extra_params = "{\"sampler_name\":\"Magic\"}";
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "Sampler not found");
    b.request.extra_params = "{\"steps\":\"many\"}";
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "body.steps");
}

/* ---- lack of memory, at every allocation ------------------------------------------------------------------- */

/* The call says so or ends as it would have all the same, and leaks nothing. Returns whether nothing lacked. */
static int call_without(size_t number, const char *behaviours, tarash_image_result last) {
    counting_allocator memory;
    tarash_image_client_desc desc;
    tarash_image_client *client;
    tarash_image_result result = TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    memset(&memory, 0, sizeof memory);
    memset(&desc, 0, sizeof desc);
    memory.fail_at = number;
    desc.allocator = counting_allocator_functions(&memory);
    client = tarash_image_client_create(&desc);
    if (client) {
        tarash_image_response response;
        script(behaviours);
        result = tarash_image_generate(client, &b.config, &b.request, &response);
        tarash_image_response_free(&response);
        tarash_image_client_destroy(client);
    }
    assert_int_equal(memory.live_blocks, 0);
    if (memory.failures == 0) return 1;
    if ((result == TARASH_IMAGE_OK) != (last == TARASH_IMAGE_OK) &&
        result != TARASH_IMAGE_ERROR_OUT_OF_MEMORY)
        fail_msg("%s where allocation %d fails", tarash_image_result_name(result), (int)number);
    return 0;
}

static void every_allocation(const char *behaviours, tarash_image_result last) {
    size_t number = 1;
    while (!call_without(number, behaviours, last)) number++;
    script(behaviours);
    run();
    expect(last);
}

/* The call has no job, but the server can be interrupted. */
static void test_cancel(void **state) {
    tarash_image_job job;
    (void)state;
    use("automatic1111", "automatic1111");
    b.config.api_key = "user:password";
    script("[{\"path_contains\":\"txt2img\",\"stall\":true}]");
    job = tarash_image_submit(b.client, &b.config, &b.request);
    while (control_wait(b.session, 1, 1, 0, 0) != 1) tarash_image_poll(b.client, 10);
    tarash_image_cancel(b.client, job);
    while (control_wait(b.session, 2, 2, 0, 0) != 1) tarash_image_poll(b.client, 10);
    b.log = control_log(b.session);
    assert_int_equal(log_count(b.log, "POST", "/sdapi/v1/interrupt"), 1);
    expect_in("the key", log_header(log_entry(b.log, 1), "Authorization"), "Basic ");
}

static void test_out_of_memory(void **state) {
    (void)state;
    ask(LOGIN);
    b.config.model = "sd_xl_base_1.0";
    b.request.images = one_png;
    b.request.image_count = 1;
    b.request.mask = mask_bytes;
    b.request.n = 2;
    b.request.style = "Ink";
    b.request.negative_prompt = "blur";
    b.request.extra_params = "{\"save_images\":true}";
    every_allocation("[]", TARASH_IMAGE_OK);
    every_allocation(EXCEPTION(404, "HTTPException", "Sampler not found", ""), TARASH_IMAGE_ERROR_VALIDATION);
}

/* ---- running --------------------------------------------------------------------------------------------------- */

static int run_others(void) {
    const struct CMUnitTest tests[] = {TEST(test_cancel),         TEST(test_seed_range),
                                       TEST(test_no_key),         TEST(test_keys),
                                       TEST(test_wrong_password), TEST(test_plan),
                                       TEST(test_one_image),      TEST(test_image_by_url),
                                       TEST(test_mask),           TEST(test_what_images_it_takes),
                                       TEST(test_upscale),        TEST(test_operations),
                                       TEST(test_facts),          TEST(test_seeds_of_batches),
                                       TEST(test_grid),           TEST(test_odd_replies),
                                       TEST(test_wrong_settings), TEST(test_out_of_memory)};
    return cmocka_run_group_tests_name("others", tests, NULL, NULL);
}

int main(void) {
    int failed = 0;
    if (server_start() != 0 || prepare_inputs() != 0) return 1;
    RUN_ROWS(body_rows, test_body, tear_down);
    RUN_ROWS(refusal_rows, test_refusal, tear_down);
    failed += run_others();
    server_stop();
    return failed != 0;
}
