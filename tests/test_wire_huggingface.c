/* Hugging Face: its own inference, and the dialects of fal and Together behind its router. */

#include "wire.h"

#define P          "\"prompt\":\"" PROMPT "\""
#define INFERENCE  "huggingface/hf-inference/models/black-forest-labs/FLUX.1-schnell"
#define ANY_ANSWER "[{\"status\":400,\"times\":-1}]"

static void use_huggingface(const char *options) {
    use("huggingface", "huggingface");
    b.config.provider_config = options;
    b.config.poll_interval_ms = 1;
}

static const char *with_base64(const char *format) {
    static char text[4096], base64[1024];
    encode_base64(tiny_png, tiny_png_size, base64);
    snprintf(text, sizeof text, format, base64, base64);
    return text;
}

static void expect_headers(const cJSON *entry, const char *accept) {
    static const char *const names[] = {"Host",         "User-Agent",     "Accept",       "Accept-Encoding",
                                        "Content-Type", "Content-Length", "Authorization"};
    expect_header_names(entry, names, COUNT(names));
    expect_header(entry, "Accept", accept);
    expect_header(entry, "Authorization", "Bearer " KEY);
    expect_header(entry, "Content-Type", "application/json");
}

/* ---- hf-inference -------------------------------------------------------------------------------------- */

static void test_prompt_alone(void **state) {
    (void)state;
    use_huggingface(NULL);
    run_ok();
    expect_path(only_request(), INFERENCE);
    expect_text("the method", log_text(only_request(), "method"), "POST");
    expect_headers(only_request(), "*/*");
    expect_json(only_request(), "{\"inputs\":\"" PROMPT "\"}");
    assert_int_equal(b.response.image_count, 1);
    expect_picture(&b.response.images[0], "image/jpeg");
    assert_null(b.response.images[0].url);
    assert_int_equal(b.response.images[0].width, 1024);
}

static void test_everything(void **state) {
    (void)state;
    use_huggingface("{\"provider\":\"hf-inference\"}");
    b.config.model = "stabilityai/stable-diffusion-xl-base-1.0";
    b.request.size = "640x480";
    b.request.negative_prompt = "blur";
    b.request.has_seed = 1;
    b.request.seed = 0;
    b.request.output_format = "png";
    b.request.extra_params = "{\"parameters\":{\"guidance_scale\":7.5,\"num_inference_steps\":20}}";
    run_ok();
    expect_path(only_request(), "huggingface/hf-inference/models/stabilityai/stable-diffusion-xl-base-1.0");
    expect_headers(only_request(), "image/png");
    expect_json(only_request(),
                "{\"inputs\":\"" PROMPT
                "\",\"parameters\":{\"width\":640,\"height\":480,\"negative_prompt\":\"blur\","
                "\"seed\":0,\"guidance_scale\":7.5,\"num_inference_steps\":20}}");
    expect_warnings(NULL);
    assert_int_equal(b.response.images[0].width, 640);
}

static void test_what_it_lacks(void **state) {
    (void)state;
    use_huggingface(NULL);
    b.request.quality = "hd";
    b.request.style = "vivid";
    b.request.background = "opaque";
    b.request.user = "me";
    b.request.output = TARASH_IMAGE_OUTPUT_URL;
    b.request.aspect_ratio = "1:1";
    run_ok();
    expect_json(only_request(),
                "{\"inputs\":\"" PROMPT "\",\"parameters\":{\"width\":1024,\"height\":1024}}");
    expect_warnings("quality=hd>; style=vivid>; background=opaque>; user=me>; output=url>bytes; "
                    "aspect_ratio=1:1>1024x1024");
}

static void test_one_image_a_call(void **state) {
    double sum = 0;
    int i;
    (void)state;
    use_huggingface(NULL);
    b.request.n = 3;
    b.request.has_seed = 1;
    b.request.seed = 10;
    run_ok();
    assert_int_equal(requests(), 3);
    assert_int_equal(b.response.image_count, 3);
    for (i = 0; i < 3; i++) sum += log_number(log_entry(b.log, i), "json.parameters.seed");
    assert_true(sum == 10 + 11 + 12);
}

static void test_sink(void **state) {
    char path[512];
    tarash_image_sink sink;
    (void)state;
    use_huggingface(NULL);
    memset(&sink, 0, sizeof sink);
    sink.path = temporary_path(path, sizeof path, "hf-{index}.{ext}");
    b.request.sink = &sink;
    run_ok();
    assert_null(b.response.images[0].data);
    assert_true(file_exists(b.response.images[0].path));
}

static void test_image_input(void **state) {
    (void)state;
    use_huggingface(NULL);
    b.config.model = "black-forest-labs/FLUX.1-Kontext-dev";
    b.request.images = one_png;
    b.request.image_count = 1;
    b.request.has_seed = 1;
    b.request.seed = 3;
    run_ok();
    expect_json(only_request(),
                with_base64("{\"inputs\":\"%s\",\"parameters\":{\"prompt\":\"" PROMPT "\",\"seed\":3}}"));
    b.request.size = "512x256";
    b.config.provider_config = "{\"operation\":\"image_to_image\"}";
    assert_int_equal(control_reset(b.session), 0);
    run_ok();
    expect_json(only_request(),
                with_base64("{\"inputs\":\"%s\",\"parameters\":{\"prompt\":\"" PROMPT
                            "\",\"seed\":3,\"target_size\":{\"width\":512,\"height\":256}}}"));
}

static void test_refused_before_sending(void **state) {
    (void)state;
    use_huggingface("{\"provider\":\"replicate\"}");
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    expect_in("the message", b.response.error.message, "together");
    b.config.provider_config = "{\"operation\":\"upscale\"}";
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    b.config.provider_config = NULL;
    b.request.images = three;
    b.request.image_count = 2;
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    b.request.image_count = 1;
    b.request.mask = mask_bytes;
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    assert_int_equal(requests(), 0);
}

/* ---- errors -------------------------------------------------------------------------------------------- */

static void test_errors(void **state) {
    static const struct {
        const char *script;
        tarash_image_result result;
        const char *message;
    } rows[] = {
        {"[{\"status\":400,\"body\":{\"error\":\"no such task\"}}]", TARASH_IMAGE_ERROR_VALIDATION,
         "no such task"},
        {"[{\"status\":422,\"body\":{\"error\":[\"one\",\"two\"]}}]", TARASH_IMAGE_ERROR_VALIDATION,
         "one; two"},
        {"[{\"status\":402,\"body\":{\"error\":\"You have exceeded your monthly included credits\"}}]",
         TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, "credits"},
        {"[{\"status\":403}]", TARASH_IMAGE_ERROR_AUTHENTICATION, "access"},
        {"[{\"status\":429}]", TARASH_IMAGE_ERROR_RATE_LIMITED, "Rate limit"},
        {"[{\"status\":404}]", TARASH_IMAGE_ERROR_HTTP, "not found"},
        {"[{\"status\":500,\"error_shape\":\"empty\"}]", TARASH_IMAGE_ERROR_HTTP, "500"},
        {"[{\"status\":200,\"body\":{\"error\":\"out of memory\"}}]", TARASH_IMAGE_ERROR_GENERATION_FAILED,
         "out of memory"},
        {"[{\"status\":200,\"body\":[]}]", TARASH_IMAGE_ERROR_BAD_RESPONSE, "data"},
        {"[{\"image_result\":{\"bytes\":\"garbage\"}}]", TARASH_IMAGE_ERROR_BAD_RESPONSE, "image"},
    };
    size_t i;
    (void)state;
    use_huggingface(NULL);
    for (i = 0; i < COUNT(rows); i++) {
        script(rows[i].script);
        run();
        expect(rows[i].result);
        expect_in("the message", b.response.error.message, rows[i].message);
    }
    b.config.api_key = "hf_bad_0123456789";
    run();
    expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
}

/* A model that is being loaded says how long that takes. */
static void test_loading(void **state) {
    static const struct {
        const char *time;
        int64_t wait;
    } rows[] = {{"20.9", 21000}, {"0", 1000}, {"-5", 0},
                {"\"soon\"", 0}, {"[7]", 0},  {"999999999999999", TARIMG_MAX_RETRY_AFTER_MS}};
    char text[256];
    size_t i;
    (void)state;
    use_huggingface(NULL);
    for (i = 0; i < COUNT(rows); i++) {
        snprintf(text, sizeof text,
                 "[{\"status\":503,\"body\":{\"error\":\"loading\",\"estimated_time\":%s}}]", rows[i].time);
        script(text);
        run();
        expect(TARASH_IMAGE_ERROR_HTTP);
        if (b.response.error.retry_after_ms != rows[i].wait)
            fail_msg("%s: %ld ms", rows[i].time, (long)b.response.error.retry_after_ms);
    }
    script("[{\"status\":503,\"headers\":{\"Retry-After\":\"3\"},\"body\":{\"estimated_time\":20}}]");
    run();
    assert_true(b.response.error.retry_after_ms == 3000);
}

/* ---- Together ------------------------------------------------------------------------------------------ */

static void test_together(void **state) {
    (void)state;
    use_huggingface("{\"provider\":\"together\"}");
    b.request.size = "512x256";
    b.request.has_seed = 1;
    b.request.seed = 5;
    b.request.negative_prompt = "blur";
    b.request.output_format = "png";
    run_ok();
    expect_path(only_request(), "huggingface/together/v1/images/generations");
    expect_headers(only_request(), "application/json");
    expect_json(only_request(),
                "{\"model\":\"black-forest-labs/FLUX.1-schnell\"," P
                ",\"width\":512,\"height\":256,\"seed\":5,"
                "\"negative_prompt\":\"blur\",\"output_format\":\"png\",\"response_format\":\"base64\"}");
    expect_picture(&b.response.images[0], "image/png");
    script("[{\"status\":400,\"body\":{\"id\":\"o\",\"error\":{\"message\":\"bad steps\",\"type\":"
           "\"invalid_request_error\",\"param\":null,\"code\":null}}}]");
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "bad steps");
}

static void test_together_image(void **state) {
    (void)state;
    use_huggingface("{\"provider\":\"together\"}");
    b.request.images = one_png;
    b.request.image_count = 1;
    b.config.model = "black-forest-labs/FLUX.1-kontext-pro";
    script(ANY_ANSWER);
    run();
    expect_json(only_request(),
                with_base64("{\"model\":\"black-forest-labs/FLUX.1-kontext-pro\"," P
                            ",\"image_url\":\"data:image/png;base64,%s\",\"response_format\":\"base64\"}"));
    b.config.model = "black-forest-labs/FLUX.2-dev";
    run();
    expect_json(
        log_entry(b.log, 1),
        with_base64("{\"model\":\"black-forest-labs/FLUX.2-dev\"," P
                    ",\"reference_images\":[\"data:image/png;base64,%s\"],\"response_format\":\"base64\"}"));
}

/* ---- fal ----------------------------------------------------------------------------------------------- */

#define FIRST_JOB "00000001-b745-4b3e-ae38-1200304cf45b"

static char told[2048];

static void tell(const tarash_image_update *update, void *user_data) {
    (void)user_data;
    append_text(told, sizeof told, "%s %d\n", tarash_image_status_name(update->status),
                update->queue_position);
}

static void test_fal(void **state) {
    const char *const status =
        "huggingface/fal-ai/fal-ai/flux/requests/" FIRST_JOB "/status?_subdomain=queue";
    int i;
    (void)state;
    use_huggingface("{\"provider\":\"fal-ai\"}");
    b.config.model = "fal-ai/flux/dev";
    b.request.size = "64x64";
    b.request.has_seed = 1;
    b.request.seed = 5;
    b.request.output_format = "png";
    b.request.on_progress = tell;
    told[0] = '\0';
    script("[{\"jobs\":{\"polls\":2}}]");
    run_ok();
    assert_int_equal(requests(), 6);
    expect_path(log_entry(b.log, 0), "huggingface/fal-ai/fal-ai/flux/dev?_subdomain=queue");
    expect_headers(log_entry(b.log, 0), "application/json");
    expect_json(log_entry(b.log, 0), "{" P ",\"image_size\":{\"width\":64,\"height\":64},\"seed\":5,"
                                     "\"output_format\":\"png\"}");
    for (i = 1; i < 4; i++) expect_path(log_entry(b.log, i), status);
    expect_path(log_entry(b.log, 4),
                "huggingface/fal-ai/fal-ai/flux/requests/" FIRST_JOB "?_subdomain=queue");
    for (i = 1; i < 5; i++) expect_header(log_entry(b.log, i), "Authorization", "Bearer " KEY);
    expect_text("the origin of the image", log_text(log_entry(b.log, 5), "origin"), "files");
    expect_in("the progress", told, "queued 1\nqueued 0\n");
    assert_true(b.response.images[0].seed == 5);
}

static void test_fal_failures(void **state) {
    (void)state;
    use_huggingface("{\"provider\":\"fal-ai\"}");
    b.config.model = "fal-ai/flux/dev";
    script("[{\"jobs\":{\"polls\":1,\"moderation\":true}}]");
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    script("[{\"jobs\":{\"polls\":1,\"fail\":true}}]");
    run();
    expect(TARASH_IMAGE_ERROR_GENERATION_FAILED);
    expect_text("the code", b.response.error.provider_code, "runner_disconnected");
    script("[{\"merge\":{\"response_url\":\"fal\"}}]");
    run();
    expect(TARASH_IMAGE_ERROR_BAD_RESPONSE);
    script("[{\"merge\":{\"request_id\":null}}]");
    run();
    expect(TARASH_IMAGE_ERROR_BAD_RESPONSE);
}

/* Its models take an image by the one name or the other. */
static void test_fal_image(void **state) {
    (void)state;
    use_huggingface("{\"provider\":\"fal-ai\"}");
    b.config.model = "fal-ai/flux-2/edit";
    b.request.images = one_png;
    b.request.image_count = 1;
    script(ANY_ANSWER);
    run();
    expect_json(only_request(), with_base64("{" P ",\"image_url\":\"data:image/png;base64,%s\","
                                            "\"image_urls\":[\"data:image/png;base64,%s\"]}"));
}

static void test_fal_resume(void **state) {
    tarash_image_text token;
    tarash_image_job job;
    int i;
    (void)state;
    use_huggingface("{\"provider\":\"fal-ai\"}");
    b.config.model = "fal-ai/flux/dev";
    b.config.poll_interval_ms = 60000;
    script("[{\"jobs\":{\"polls\":1}}]");
    job = tarash_image_submit(b.client, &b.config, &b.request);
    while (!control_wait(b.session, 1, 0, 0, 0)) (void)tarash_image_poll(b.client, 5);
    for (i = 0; i < 20; i++) (void)tarash_image_poll(b.client, 5);
    assert_int_equal(tarash_image_job_token(b.client, job, &token), TARASH_IMAGE_OK);
    tarash_image_client_destroy(b.client);
    b.client = tarash_image_client_create(NULL);
    b.config.poll_interval_ms = 1;
    job = tarash_image_resume(b.client, &b.config, token.data);
    while (tarash_image_poll(b.client, 50) > 0) continue;
    b.result = tarash_image_take(b.client, job, &b.response);
    expect(TARASH_IMAGE_OK);
    b.log = control_log(b.session);
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
    assert_int_equal(log_count(b.log, "PUT", NULL), 0); /* no way to cancel through the router is known */
    tarash_image_text_free(&token);
}

/* ---- keys ---------------------------------------------------------------------------------------------- */

static void test_variables(void **state) {
    (void)state;
    use_huggingface(NULL);
    b.config.api_key = NULL;
    b.config.provider = "hf";
    setenv("HF_API_TOKEN", "hf_three", 1);
    run_ok();
    expect_header(log_entry(b.log, -1), "Authorization", "Bearer hf_three");
    setenv("HF_TOKEN", "hf_one", 1);
    run_ok();
    expect_header(log_entry(b.log, -1), "Authorization", "Bearer hf_one");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_prompt_alone),
        TEST(test_everything),
        TEST(test_what_it_lacks),
        TEST(test_one_image_a_call),
        TEST(test_sink),
        TEST(test_image_input),
        TEST(test_refused_before_sending),
        TEST(test_errors),
        TEST(test_loading),
        TEST(test_together),
        TEST(test_together_image),
        TEST(test_fal),
        TEST(test_fal_failures),
        TEST(test_fal_image),
        TEST(test_fal_resume),
        TEST(test_variables),
    };
    int failed;
    if (server_start() != 0 || prepare_inputs() != 0) return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    server_stop();
    return failed != 0;
}
