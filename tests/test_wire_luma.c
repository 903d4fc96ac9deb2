/* What goes over the wire to Luma, and what its generations become. Real sockets, loopback only. */

#include "wire.h"

#define BASE  "luma/dream-machine/v1"
#define IMAGE BASE "/generations/image"
#define P     "\"model\":\"photon-1\",\"prompt\":\"" PROMPT "\""
#define URL   "https://example.com/"

static void use_luma(void) {
    use("luma", BASE);
    b.config.poll_interval_ms = 1;
    b.config.retry.initial_ms = 1;
}

/* ---- requests: one row, one body ----------------------------------------------------------------------- */

typedef struct body_row {
    const char *name;
    const char *model;
    tarash_image_request request; /* the prompt is filled in where it is NULL */
    const char *options;          /* provider_config */
    const char *path;             /* NULL: generations/image */
    const char *body;
    const char *warnings; /* NULL: none */
} body_row;

static tarash_image_input urls[6], styled[1], faces[2], mixed[4];

static const body_row rows[] = {
    {.name = "a prompt alone", .body = "{" P "}"},
    {.name = "everything",
     .request = {.aspect_ratio = "9:21", .output_format = "png", .n = 1},
     .body = "{" P ",\"aspect_ratio\":\"9:21\",\"format\":\"png\"}"},
    {.name = "photon-flash-1, and jpeg is jpg",
     .model = "photon-flash-1",
     .request = {.output_format = "jpeg"},
     .body = "{\"model\":\"photon-flash-1\",\"prompt\":\"" PROMPT "\",\"format\":\"jpg\"}"},
    {.name = "a size is a ratio",
     .request = {.size = "1024x1024"},
     .body = "{" P ",\"aspect_ratio\":\"1:1\"}",
     .warnings = "size=1024x1024>1:1"},
    {.name = "a ratio that it lacks",
     .request = {.aspect_ratio = "3:2"},
     .body = "{" P ",\"aspect_ratio\":\"4:3\"}",
     .warnings = "aspect_ratio=3:2>4:3"},
    {.name = "auto",
     .request = {.size = "auto", .aspect_ratio = "auto", .quality = "auto"},
     .body = "{" P "}"},
    {.name = "what it lacks",
     .request = {.negative_prompt = "blur",
                 .seed = 1,
                 .has_seed = 1,
                 .quality = "hd",
                 .style = "vivid",
                 .background = "opaque",
                 .user = "u",
                 .output_format = "webp"},
     .body = "{" P "}",
     .warnings = "negative_prompt=blur>; quality=hd>; style=vivid>; background=opaque>; user=u>; seed=1>; "
                 "output_format=webp>"},
    {.name = "a reference",
     .request = {.images = urls, .image_count = 1},
     .body = "{" P ",\"image_ref\":[{\"url\":\"" URL "0.png\"}]}"},
    {.name = "four references with a weight",
     .request = {.images = urls, .image_count = 4},
     .options = "{\"weight\":0.85}",
     .body = "{" P ",\"image_ref\":[{\"url\":\"" URL "0.png\",\"weight\":0.85},{\"url\":\"" URL
             "1.png\",\"weight\":0.85},{\"url\":\"" URL "2.png\",\"weight\":0.85},{\"url\":\"" URL
             "3.png\",\"weight\":0.85}]}"},
    {.name = "a style",
     .request = {.images = styled, .image_count = 1},
     .options = "{\"weight\":1}",
     .body = "{" P ",\"style_ref\":[{\"url\":\"" URL "style.png\",\"weight\":1}]}"},
    {.name = "a character",
     .request = {.images = faces, .image_count = 2},
     .options = "{\"weight\":0.5}",
     .body = "{" P ",\"character_ref\":{\"identity0\":{\"images\":[\"" URL "a.png\",\"" URL "b.png\"]}}}"},
    {.name = "all roles",
     .request = {.images = mixed, .image_count = 4},
     .body = "{" P ",\"image_ref\":[{\"url\":\"" URL "0.png\"},{\"url\":\"" URL
             "1.png\"}],\"style_ref\":[{\"url\":\"" URL
             "style.png\"}],\"character_ref\":{\"identity0\":{\"images\":[\"" URL "a.png\"]}}}"},
    {.name = "generate", .options = "{\"operation\":\"generate\"}", .body = "{" P "}"},
    {.name = "an edit",
     .request = {.images = urls, .image_count = 1},
     .options = "{\"operation\":\"edit\",\"weight\":1.0}",
     .body = "{" P ",\"modify_image_ref\":{\"url\":\"" URL "0.png\",\"weight\":1.0}}"},
    {.name = "reframe",
     .request = {.images = urls, .image_count = 1, .aspect_ratio = "16:9"},
     .options = "{\"operation\":\"reframe\"}",
     .path = BASE "/generations/image/reframe",
     .body =
         "{" P ",\"generation_type\":\"reframe_image\",\"aspect_ratio\":\"16:9\",\"media\":{\"url\":\"" URL
         "0.png\"}}"},
    {.name = "reframe without a prompt, with fields of its own",
     .request = {.prompt = "",
                 .images = urls,
                 .image_count = 1,
                 .size = "1024x1024",
                 .extra_params = "{\"grid_position_x\":10,\"x_end\":1024}"},
     .options = "{\"operation\":\"reframe\",\"weight\":0.5}",
     .path = BASE "/generations/image/reframe",
     .body = "{\"model\":\"photon-1\",\"generation_type\":\"reframe_image\",\"aspect_ratio\":\"1:1\","
             "\"media\":{\"url\":"
             "\"" URL "0.png\"},\"grid_position_x\":10,\"x_end\":1024}",
     .warnings = "size=1024x1024>1:1"},
    {.name = "extra_params",
     .request = {.extra_params = "{\"sync\":true,\"sync_timeout\":60}"},
     .options = "{\"callback_url\":\"https://example.com/hook\"}",
     .body = "{" P ",\"sync\":true,\"sync_timeout\":60,\"callback_url\":\"https://example.com/hook\"}"},
};

static void test_body(void **state) {
    const body_row *row = (const body_row *)*state;
    script("[{\"jobs\":{\"polls\":0}}]");
    use_luma();
    b.config.model = row->model;
    b.config.provider_config = row->options;
    b.request = row->request;
    if (!b.request.prompt) b.request.prompt = PROMPT;
    run_ok();
    expect_warnings(row->warnings);
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
    expect_path(log_entry(b.log, 0), row->path ? row->path : IMAGE);
    expect_json(log_entry(b.log, 0), row->body);
}

static void test_headers(void **state) {
    (void)state;
    script("[{\"jobs\":{\"polls\":0}}]");
    use_luma();
    run_ok();
    expect_text("the method", log_text(log_entry(b.log, 0), "method"), "POST");
    expect_usual_headers(log_entry(b.log, 0));
    expect_header(log_entry(b.log, 0), "Content-Type", "application/json");
    expect_text("the poll", log_text(log_entry(b.log, 1), "method"), "GET");
    expect_header(log_entry(b.log, 1), "Authorization", "Bearer " KEY);
    expect_no_header(log_entry(b.log, 1), "Content-Type");
    expect_no_header(log_entry(b.log, 2), "Authorization");
}

static void test_n_is_split(void **state) {
    int i;
    (void)state;
    use_luma();
    b.request.n = 3;
    run_ok();
    assert_int_equal(b.response.image_count, 3);
    assert_int_equal(log_count(b.log, "POST", NULL), 3);
    for (i = 0; i < requests(); i++) {
        const cJSON *entry = log_entry(b.log, i);
        if (strcmp(log_text(entry, "method"), "POST") == 0) expect_json(entry, "{" P "}");
    }
}

/* ---- what it can't do ---------------------------------------------------------------------------------- */

typedef struct refusal_row {
    const char *name;
    const tarash_image_input *images;
    size_t count;
    const char *options;
    const char *ratio;
    int mask;
    tarash_image_result result;
    const char *message;
} refusal_row;

static tarash_image_input pixels[1], framed[1], after_urls[2];
static const unsigned char dot[] = {1, 2, 3};

#define NO TARASH_IMAGE_ERROR_UNSUPPORTED

static const refusal_row refusals[] = {
    {"bytes", one_png, 1, NULL, NULL, 0, NO, "images[0]: luma takes input images by http(s) URL only"},
    {"a path", by_path, 1, NULL, NULL, 0, NO, "images[0]: luma takes"},
    {"a data: URL", as_data_url, 1, NULL, NULL, 0, NO, "images[0]: luma takes"},
    {"pixels", pixels, 1, NULL, NULL, 0, NO, "images[0]: luma takes"},
    {"bytes behind a URL", after_urls, 2, NULL, NULL, 0, NO, "images[1]: luma takes"},
    {"bytes to edit", one_png, 1, "{\"operation\":\"edit\"}", NULL, 0, NO, "images[0]: luma takes"},
    {"bytes to reframe", one_png, 1, "{\"operation\":\"reframe\"}", "1:1", 0, NO, "images[0]: luma takes"},
    {"five references", urls, 5, NULL, NULL, 0, NO, "images[4]"},
    {"two styles", NULL, 2, NULL, NULL, 0, NO, "images[1]"},
    {"a frame of a film", framed, 1, NULL, NULL, 0, NO, "images[0]"},
    {"a mask", urls, 1, NULL, NULL, 1, NO, "mask"},
    {"two images to edit", urls, 2, "{\"operation\":\"edit\"}", NULL, 0, NO, "image"},
    {"no image to edit", NULL, 0, "{\"operation\":\"edit\"}", NULL, 0, TARASH_IMAGE_ERROR_VALIDATION,
     "image"},
    {"no ratio to reframe to", urls, 1, "{\"operation\":\"reframe\"}", NULL, 0, TARASH_IMAGE_ERROR_VALIDATION,
     "aspect_ratio"},
    {"an operation that it lacks", urls, 1, "{\"operation\":\"upscale\"}", NULL, 0, NO,
     "generate, edit, reframe"},
};

static void test_refusal(void **state) {
    const refusal_row *row = (const refusal_row *)*state;
    tarash_image_input two_styles[2];
    two_styles[0] = two_styles[1] = styled[0];
    use_luma();
    b.config.provider_config = row->options;
    b.request.images = row->images || !row->count ? row->images : two_styles;
    b.request.image_count = row->count;
    b.request.aspect_ratio = row->ratio;
    if (row->mask) b.request.mask = mask_bytes;
    run();
    expect(row->result);
    expect_in("the message", b.response.error.message, row->message);
    assert_int_equal(requests(), 0);
}

/* ---- replies ------------------------------------------------------------------------------------------- */

static void test_reply(void **state) {
    (void)state;
    use_luma();
    run_ok();
    assert_int_equal(b.response.image_count, 1);
    expect_picture(&b.response.images[0], "image/jpeg");
    assert_non_null(b.response.images[0].url);
    assert_int_equal(b.response.created, 1795168800); /* 2026-11-20T10:00:00Z */
    expect_in("the metadata", b.response.provider_metadata, "\"generation_type\":\"image\"");
    assert_null(strstr(b.response.provider_metadata, "\"request\""));
    assert_int_equal(log_count(b.log, "GET", "generations"), 4);
}

static void test_reply_at_once(void **state) {
    (void)state;
    use_luma();
    b.request.extra_params = "{\"sync\":true}";
    run_ok();
    expect_picture(&b.response.images[0], "image/jpeg");
    assert_int_equal(log_count(b.log, NULL, "generations"), 1);
}

static void test_url_only(void **state) {
    (void)state;
    use_luma();
    b.request.output = TARASH_IMAGE_OUTPUT_URL;
    run_ok();
    expect_warnings(NULL);
    assert_null(b.response.images[0].data);
    assert_non_null(b.response.images[0].url);
}

typedef struct ending_row {
    const char *name;
    const char *script;
    tarash_image_result result;
    const char *code;
    const char *message;
} ending_row;

#define FAIL(text)   "[{\"jobs\":{\"polls\":1,\"fail\":\"" text "\"}}]"
#define MERGED(json) "[{\"jobs\":{\"polls\":0}},{\"method\":\"GET\",\"times\":-1,\"merge\":" json "}]"
#define REFUSED      TARASH_IMAGE_ERROR_CONTENT_MODERATION
#define FAILED       TARASH_IMAGE_ERROR_GENERATION_FAILED
#define UNREADABLE   TARASH_IMAGE_ERROR_BAD_RESPONSE

static const ending_row endings[] = {
    {"refused at once", "[{\"moderation\":true}]", REFUSED, "failed", "Advanced prompt moderation failed"},
    {"refused later", "[{\"jobs\":{\"polls\":1,\"moderation\":true}}]", REFUSED, "failed", "moderation"},
    {"refused words", FAIL("Contains blacklisted words"), REFUSED, "failed", "blacklisted"},
    {"refused input", FAIL("Frame moderation failed"), REFUSED, "failed", "Frame moderation"},
    {"failed", FAIL("Prompt processing failed"), FAILED, "failed", "Prompt processing failed"},
    {"an input that can't be read", FAIL("Failed to read user input frames"), FAILED, "failed",
     "input frames"},
    {"failed without words", MERGED("{\"state\":\"failed\",\"failure_reason\":null}"), FAILED, "failed",
     "the generation failed"},
    {"failed with a number", MERGED("{\"state\":\"failed\",\"failure_reason\":[1]}"), FAILED, "failed",
     "the generation failed"},
    {"no image", MERGED("{\"assets\":{\"image\":null}}"), FAILED, "", "holds no image"},
    {"no assets", MERGED("{\"assets\":null}"), FAILED, "", "holds no image"},
    {"assets of another type", MERGED("{\"assets\":[{\"image\":7}]}"), FAILED, "", "holds no image"},
    {"a broken data: URL", MERGED("{\"assets\":{\"image\":\"data:image/png;base64,@@\"}}"), UNREADABLE, "",
     "data: URL"},
    {"no state", "[{\"status\":201,\"body\":{\"id\":\"x\"}}]", UNREADABLE, "", "state"},
    {"no id", "[{\"status\":201,\"body\":{\"state\":\"queued\"}}]", UNREADABLE, "", "id"},
    {"an id that leads elsewhere",
     "[{\"status\":201,\"body\":{\"state\":\"queued\",\"id\":\"a/../../credits\"}}]", UNREADABLE, "", "id"},
    {"a text", "[{\"status\":201,\"body\":\"\\\"queued\\\"\"}]", UNREADABLE, "", ""},
};

static void test_ending(void **state) {
    const ending_row *row = (const ending_row *)*state;
    script(row->script);
    use_luma();
    run();
    expect(row->result);
    expect_text("the code", b.response.error.provider_code, row->code);
    expect_in("the message", b.response.error.message, row->message);
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
    assert_in_range(requests(), 1, 4);
}

typedef struct status_row {
    const char *name;
    const char *script;
    tarash_image_result result;
    int status;
    const char *message;
} status_row;

static const status_row statuses[] = {
    {"400 of a sentence",
     "[{\"status\":400,\"body\":{\"detail\":\"Prompt is too short, minimum length is 3 characters\"}}]",
     TARASH_IMAGE_ERROR_VALIDATION, 400, "minimum length is 3"},
    {"422 of a list",
     "[{\"status\":422,\"body\":{\"detail\":[{\"type\":\"literal_error\",\"loc\":[\"body\",\"model\"],"
     "\"msg\":\"Input should "
     "be "
     "'photon-1'\",\"input\":\"x\",\"ctx\":{}},{\"type\":\"missing\",\"loc\":[\"body\",\"prompt\"],\"msg\":"
     "\"Field "
     "required\"}]}}]",
     TARASH_IMAGE_ERROR_VALIDATION, 422,
     "body.model: Input should be 'photon-1'; body.prompt: Field required"},
    {"401", "[{\"status\":401}]", TARASH_IMAGE_ERROR_AUTHENTICATION, 401, "Incorrect API key"},
    {"402", "[{\"status\":402,\"body\":{\"detail\":\"Insufficient credits\"}}]",
     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 402, "Insufficient credits"},
    {"400 that means credits", "[{\"status\":400,\"body\":{\"detail\":\"Insufficient credits\"}}]",
     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 400, "Insufficient credits"},
    {"400 that means a refusal", "[{\"status\":400,\"body\":{\"detail\":\"Contains blacklisted words\"}}]",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, 400, "blacklisted"},
    {"429", "[{\"status\":429,\"headers\":{\"Retry-After\":\"4\"}}]", TARASH_IMAGE_ERROR_RATE_LIMITED, 429,
     "Rate limit"},
    {"500", "[{\"status\":500,\"error_shape\":\"html\"}]", TARASH_IMAGE_ERROR_HTTP, 500, "nginx"},
};

static void test_status(void **state) {
    const status_row *row = (const status_row *)*state;
    script(row->script);
    use_luma();
    run();
    expect(row->result);
    assert_int_equal(b.response.error.http_status, row->status);
    expect_in("the message", b.response.error.message, row->message);
    assert_int_equal(b.response.error.retry_after_ms, row->status == 429 ? 4000 : 0);
    assert_int_equal(requests(), 1);
}

static void test_keys(void **state) {
    (void)state;
    use_luma();
    b.config.api_key = "luma-bad-Secret-0123456789";
    run();
    expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
    b.config.api_key = NULL;
    run_with(NULL);
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "LUMAAI_API_KEY");
    setenv("LUMA_API_KEY", "luma-second-0123456789", 1);
    run_with("luma-second-0123456789");
    expect(TARASH_IMAGE_OK);
    setenv("LUMAAI_API_KEY", "luma-first-0123456789", 1);
    run_with("luma-first-0123456789");
    expect(TARASH_IMAGE_OK);
    expect_header(log_entry(b.log, -1 - 5), "Authorization", "Bearer luma-first-0123456789");
}

/* ---- jobs ---------------------------------------------------------------------------------------------- */

static char told[2048];

static void note_progress(const tarash_image_update *update, void *user_data) {
    (void)user_data;
    append_text(told, sizeof told, "%s %d %d %s\n", tarash_image_status_name(update->status),
                update->progress_percent, update->queue_position, update->message ? update->message : "-");
}

static void test_progress(void **state) {
    (void)state;
    told[0] = '\0';
    use_luma();
    b.request.on_progress = note_progress;
    run_ok();
    expect_in("the progress", told, "queued -1 -1 -\nprocessing -1 -1 -\n");
    expect_in("the progress", told, "completed 100 ");
}

static void test_unknown_state(void **state) {
    (void)state;
    script("[{\"jobs\":{\"polls\":2,\"unknown_state\":true}}]");
    use_luma();
    run_ok();
    assert_int_equal(log_count(b.log, "GET", "generations"), 3);
}

static void test_poll_that_is_lost_once(void **state) {
    (void)state;
    script(
        "[{\"jobs\":{\"polls\":2}},{\"method\":\"GET\",\"path_contains\":\"generations\",\"status\":404}]");
    use_luma();
    run_ok();
    assert_int_equal(control_posts(b.session), 1);
}

/* Someone has deleted it meanwhile. */
static void test_generation_that_is_gone(void **state) {
    (void)state;
    script("[{\"jobs\":{\"vanish\":true}}]");
    use_luma();
    run();
    expect(TARASH_IMAGE_ERROR_HTTP);
    assert_int_equal(b.response.error.http_status, 404);
    assert_int_equal(b.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
    assert_int_equal(control_posts(b.session), 1);
}

static void test_resume(void **state) {
    char token[1024];
    tarash_image_job job;
    (void)state;
    script("[{\"jobs\":{\"polls\":6}}]");
    use_luma();
    b.config.max_poll_attempts = 2;
    run();
    expect(TARASH_IMAGE_ERROR_TIMEOUT);
    snprintf(token, sizeof token, "%s", b.response.error.job_token);
    assert_true(token[0] != 0);
    refuse_text("a token", token, KEY);
    b.config.max_poll_attempts = 0;
    job = tarash_image_resume(b.client, &b.config, token);
    while (tarash_image_poll(b.client, 100)) continue;
    tarash_image_response_free(&b.response);
    b.result = tarash_image_take(b.client, job, &b.response);
    expect(TARASH_IMAGE_OK);
    expect_picture(&b.response.images[0], "image/jpeg");
    assert_int_equal(control_posts(b.session), 1);
}

static void test_cancel(void **state) {
    tarash_image_job job;
    tarash_image_response response;
    cJSON *log = NULL;
    const char *id, *deleted;
    (void)state;
    script("[{\"jobs\":{\"polls\":1000000}}]");
    use_luma();
    b.config.max_poll_attempts = 1000000;
    job = tarash_image_submit(b.client, &b.config, &b.request);
    while (control_wait(b.session, 3, 0, 0, 0) == 0) (void)tarash_image_poll(b.client, 10);
    tarash_image_cancel(b.client, job);
    do {
        (void)tarash_image_poll(b.client, 10);
        cJSON_Delete(log);
        log = control_log(b.session);
    } while (log_count(log, "DELETE", NULL) == 0);
    (void)tarash_image_take(b.client, job, &response);
    assert_int_equal(response.error.result, TARASH_IMAGE_ERROR_CANCELLED);
    tarash_image_response_free(&response);
    id = strrchr(log_text(log_entry(log, 1), "path"), '/');
    deleted = log_text(log_entry(log, -1), "path");
    expect_text("the deleted generation", strrchr(deleted, '/'), id);
    expect_header(log_entry(log, -1), "Authorization", "Bearer " KEY);
    expect_no_header(log_entry(log, -1), "Content-Type");
    assert_int_equal(log_number(log_entry(log, -1), "status"), 204);
    cJSON_Delete(log);
}

/* ---- lack of memory ------------------------------------------------------------------------------------ */

/* One call in which the allocation of this number fails (0 = none); returns how many there were. */
static size_t run_short_of_memory(size_t fail_at) {
    counting_allocator memory;
    tarash_image_client_desc desc;
    tarash_image_client *client;
    tarash_image_result result = TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    memset(&memory, 0, sizeof memory);
    memset(&desc, 0, sizeof desc);
    memory.fail_at = fail_at;
    desc.allocator = counting_allocator_functions(&memory);
    client = tarash_image_client_create(&desc);
    if (client) {
        result = tarash_image_generate(client, &b.config, &b.request, &b.response);
        tarash_image_response_free(&b.response);
    }
    tarash_image_client_destroy(client);
    assert_int_equal(memory.live_blocks, 0);
    if (fail_at == 0) assert_int_equal(result, TARASH_IMAGE_OK);
    if (result != TARASH_IMAGE_OK && result != TARASH_IMAGE_ERROR_OUT_OF_MEMORY)
        fail_msg("allocation %d: %s", (int)fail_at, tarash_image_result_name(result));
    return memory.calls;
}

static void test_lack_of_memory(void **state) {
    size_t calls, i;
    (void)state;
    script("[{\"times\":-1,\"jobs\":{\"polls\":1}}]");
    use_luma();
    b.request.size = "1024x1024";
    b.request.images = mixed;
    b.request.image_count = 4;
    b.config.provider_config = "{\"weight\":0.5}";
    calls = run_short_of_memory(0);
    assert_true(calls > 10);
    for (i = 1; i <= calls; i++) (void)run_short_of_memory(i);
}

/* ---- running ------------------------------------------------------------------------------------------- */

static const struct CMUnitTest others[] = {
    TEST(test_headers),
    TEST(test_n_is_split),
    TEST(test_reply),
    TEST(test_reply_at_once),
    TEST(test_url_only),
    TEST(test_keys),
    TEST(test_progress),
    TEST(test_unknown_state),
    TEST(test_poll_that_is_lost_once),
    TEST(test_generation_that_is_gone),
    TEST(test_resume),
    TEST(test_cancel),
    TEST(test_lack_of_memory),
};

static void prepare_more(void) {
    static const char *const names[] = {URL "0.png", URL "1.png", URL "2.png",
                                        URL "3.png", URL "4.png", URL "5.png"};
    size_t i;
    for (i = 0; i < COUNT(urls); i++) urls[i].url = names[i];
    styled[0].url = URL "style.png";
    styled[0].role = TARASH_IMAGE_ROLE_STYLE;
    faces[0].url = URL "a.png";
    faces[1].url = URL "b.png";
    faces[0].role = faces[1].role = TARASH_IMAGE_ROLE_ASSET;
    mixed[0] = urls[0];
    mixed[1] = styled[0];
    mixed[2] = faces[0];
    mixed[3] = urls[1];
    framed[0] = urls[0];
    framed[0].role = TARASH_IMAGE_ROLE_FIRST_FRAME;
    pixels[0].pixels = dot;
    pixels[0].width = pixels[0].height = 1;
    pixels[0].channels = 3;
    after_urls[0] = urls[0];
    after_urls[1] = one_png[0];
}

int main(void) {
    int failed = 0;
    if (server_start() != 0 || prepare_inputs() != 0) return 1;
    prepare_more();
    RUN_ROWS(rows, test_body, tear_down);
    RUN_ROWS(refusals, test_refusal, tear_down);
    RUN_ROWS(endings, test_ending, tear_down);
    RUN_ROWS(statuses, test_status, tear_down);
    failed += cmocka_run_group_tests(others, NULL, NULL);
    server_stop();
    return failed != 0;
}
