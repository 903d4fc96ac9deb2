/* Lack of memory, at every allocation: once, and from then on. A call may then say OUT_OF_MEMORY or succeed all
   the same; it leaks nothing, and its client works afterwards. */

#include "scene.h"

#include <sys/stat.h>

enum { MOST_TRIES = 1000 }; /* per scenario and manner; more allocations are sampled */

typedef struct scenario {
    const char *name;
    const char *script;                       /* of every run */
    void (*prepare)(scene *s);                /* before the client is made */
    tarash_image_result (*perform)(scene *s); /* with a client */
    void (*check)(scene *s, tarash_image_result result);
} scenario;

/* Like run(), but where there may be no job. */
static tarash_image_result drive(scene *s) {
    if (s->job.id) finish(s);
    return scene_take(s);
}

static tarash_image_result submit_and_drive(scene *s) {
    s->job = tarash_image_submit(s->client, &s->config, &s->request);
    return drive(s);
}

/* ---- the scenarios ---- */

static void prepare_mock(scene *s) {
    static tarash_image_mock_polling polling;
    static tarash_image_mock mock;
    memset(&polling, 0, sizeof polling);
    memset(&mock, 0, sizeof mock);
    polling.enabled = 1;
    mock.enabled = 1;
    mock.polling = &polling;
    s->config.mock = &mock;
    s->request.size = "32x32";
    s->request.n = 2;
    s->request.output = TARASH_IMAGE_OUTPUT_BASE64;
}

static tarash_image_result perform_blocking(scene *s) {
    return tarash_image_generate(s->client, &s->config, &s->request, &s->response);
}

static void prepare_many_settings(scene *s) {
    static const tarash_image_header headers[2] = {{"X-One", "1"}, {"X-Token", "token-value"}};
    s->request.n = 3;
    s->request.size = "200x200";
    s->request.quality = "hd";
    s->request.style = "vivid";
    s->request.user = "u-1";
    s->request.extra_params = "{\"user\": \"u-2\"}";
    s->config.provider_config = "{\"organization\": \"org-1\", \"unknown\": [1, 2]}";
    s->config.headers = headers;
    s->config.header_count = 2;
}

static tarash_image_mock_response refusal;
static tarash_image_mock refusing;
static tarash_image_config chain[2];

static void prepare_chain(scene *s) {
    memset(&refusal, 0, sizeof refusal);
    memset(&refusing, 0, sizeof refusing);
    memset(chain, 0, sizeof chain);
    refusal.error = TARASH_IMAGE_ERROR_GENERATION_FAILED;
    refusing.enabled = 1;
    refusing.responses = &refusal;
    refusing.response_count = 1;
    chain[0].provider = "xai";
    chain[0].mock = &refusing;
    chain[1] = s->config;
    s->config.max_retries = 1;
    s->config.fallbacks = chain;
    s->config.fallback_count = 2;
}

static jobs_service service;

static tarash_image_result perform_custom(scene *s) {
    tarash_image_result result;
    jobs_service_open(&service);
    server_api_url(s->url, sizeof s->url, s->session, "jobs");
    s->config.provider = "painter";
    s->config.model = NULL;
    s->request.size = "32x16";
    result = tarash_image_register_provider(s->client, &service.provider);
    return result == TARASH_IMAGE_OK ? submit_and_drive(s) : result;
}

static tarash_image_result perform_resume(scene *s) {
    tarash_image_text token;
    tarash_image_result result;
    jobs_service_open(&service);
    server_api_url(s->url, sizeof s->url, s->session, "jobs");
    s->config.provider = "painter";
    s->config.model = NULL;
    s->config.max_poll_attempts = 1;
    s->request.size = "32x16";
    result = tarash_image_register_provider(s->client, &service.provider);
    if (result != TARASH_IMAGE_OK) return result;
    s->job = tarash_image_submit(s->client, &s->config, &s->request);
    if (s->job.id) finish(s);
    result = tarash_image_job_token(s->client, s->job, &token);
    (void)scene_take(s);
    if (result == TARASH_IMAGE_OK) {
        s->config.max_poll_attempts = 60;
        s->job = tarash_image_resume(s->client, &s->config, token.data);
        tarash_image_text_free(&token);
        return drive(s);
    }
    tarash_image_text_free(&token);
    tarash_image_response_free(&s->response);
    return TARASH_IMAGE_ERROR_OUT_OF_MEMORY; /* there is no token where memory ran out before */
}

static void prepare_edit(scene *s) {
    static tarash_image_input inputs[2];
    static unsigned char pixels[8 * 8];
    memset(inputs, 0, sizeof inputs);
    memset(pixels, 0xFF, sizeof pixels);
    inputs[0].data = tiny_png;
    inputs[0].size = tiny_png_size;
    inputs[1].pixels = pixels;
    inputs[1].width = inputs[1].height = 8;
    inputs[1].channels = 1;
    s->config.model = "gpt-image-1";
    s->request.size = NULL;
    s->request.images = inputs;
    s->request.image_count = 2;
    s->request.mask.pixels = pixels;
    s->request.mask.width = s->request.mask.height = 4;
    s->request.mask.channels = 1;
}

static void ignore_progress(const tarash_image_update *update, void *user_data) {
    (void)update;
    (void)user_data;
}

static void prepare_stream(scene *s) {
    s->config.model = "gpt-image-1";
    s->request.size = NULL;
    s->request.partial_images = 2;
    s->request.on_progress = ignore_progress;
}

static tarash_image_result perform_cancelled(scene *s) {
    tarash_image_job second;
    tarash_image_response response;
    tarash_image_result result;
    jobs_service_open(&service);
    server_api_url(s->url, sizeof s->url, s->session, "jobs");
    s->config.provider = "painter";
    s->config.model = NULL;
    s->request.on_progress = ignore_progress;
    result = tarash_image_register_provider(s->client, &service.provider);
    if (result != TARASH_IMAGE_OK) return result;
    s->job = tarash_image_submit(s->client, &s->config, &s->request);
    second = tarash_image_submit(s->client, &s->config, &s->request);
    tarash_image_cancel(s->client, second);
    if (s->job.id) settle(s);
    tarash_image_cancel(s->client, s->job);
    settle(s);
    result = tarash_image_take(s->client, second, &response);
    if (result != TARASH_IMAGE_ERROR_CANCELLED) assert_result(result, TARASH_IMAGE_ERROR_OUT_OF_MEMORY);
    tarash_image_response_free(&response);
    result = scene_take(s);
    if (result == TARASH_IMAGE_ERROR_CANCELLED) {
        tarash_image_response_free(&s->response);
        return TARASH_IMAGE_OK;
    }
    return result;
}

static char sink_directory[512], sink_path[600];
static tarash_image_sink file_sink;

static void prepare_sink(scene *s) {
    snprintf(sink_directory, sizeof sink_directory, "%s/memory", temporary_directory());
    (void)mkdir(sink_directory, 0700);
    snprintf(sink_path, sizeof sink_path, "%s/{index}.{ext}", sink_directory);
    memset(&file_sink, 0, sizeof file_sink);
    file_sink.path = sink_path;
    s->request.sink = &file_sink;
}

static void check_sink(scene *s, tarash_image_result result) {
    char path[600];
    (void)s;
    snprintf(path, sizeof path, "%s/0.png", sink_directory);
    /* The image may be whole although there was no memory left to tell of it; half a file there is never. */
    if (result == TARASH_IMAGE_OK) assert_true(file_exists(path));
    assert_int_equal(directory_count(sink_directory), file_exists(path));
    (void)unlink(path);
}

static tarash_image_result perform_plan(scene *s) {
    tarash_image_text plan;
    tarash_image_result result = tarash_image_plan(s->client, &s->config, &s->request, &plan);
    assert_int_equal(plan.data != NULL, result == TARASH_IMAGE_OK);
    assert_result(plan.error.result, result);
    tarash_image_text_free(&plan);
    return result;
}

static tarash_image_result perform_from_url(scene *s) {
    char url[256];
    tarash_image image, copy;
    tarash_image_error error;
    tarash_image_result result;
    server_files_url(url, sizeof url, s->session, "static/8x8.png");
    result = tarash_image_from_url(s->client, url, &image, &error);
    assert_result(error.result, result);
    if (result == TARASH_IMAGE_OK) {
        result = tarash_image_detach(&image, &copy);
        if (result == TARASH_IMAGE_OK) assert_picture(&copy, 8, 8);
        tarash_image_free(&copy);
    }
    tarash_image_free(&image);
    return result;
}

/* ---- trying them ---- */

static void forget_job(scene *s) {
    s->job.id = 0;
    s->request.on_progress = NULL;
    s->request.sink = NULL;
}

/* The same client, with memory again. */
static void assert_client_works(scene *s) {
    tarash_image_config config;
    tarash_image_request request;
    tarash_image_response response;
    memset(&config, 0, sizeof config);
    memset(&request, 0, sizeof request);
    config.provider = "mock";
    request.prompt = "afterwards";
    request.size = "8x8";
    assert_result(tarash_image_generate(s->client, &config, &request, &response), TARASH_IMAGE_OK);
    assert_picture(&response.images[0], 8, 8);
    tarash_image_response_free(&response);
}

/* One run that refuses allocation number `at` (0 = none); returns how many there were. */
static size_t attempt(const scenario *tried, size_t at, int from_then_on) {
    scene s;
    tarash_image_result result = TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    size_t calls;
    scene_open(&s, "memory");
    memset(&s.desc.logger, 0, sizeof s.desc.logger);
    if (tried->script) assert_int_equal(control_script("memory", tried->script), 0);
    if (tried->prepare) tried->prepare(&s);
    s.memory.fill = 1;
    s.memory.fail_at = at;
    s.memory.fail_from_then_on = from_then_on;
    s.client = tarash_image_client_create(&s.desc);
    if (s.client) result = tried->perform(&s);
    calls = s.memory.calls;
    s.memory.fail_at = 0;
    if (at == 0) assert_result(result, TARASH_IMAGE_OK);
    if (result != TARASH_IMAGE_OK && result != TARASH_IMAGE_ERROR_OUT_OF_MEMORY)
        fail_msg("%s: allocation %d (%s): %s: %s", tried->name, (int)at, from_then_on ? "and later" : "once",
                 tarash_image_result_name(result), s.response.error.message);
    if (s.response.storage) assert_result(s.response.error.result, result);
    if (s.response.storage && result == TARASH_IMAGE_OK) {
        assert_int_equal(s.response.status, TARASH_IMAGE_STATUS_COMPLETED);
        assert_true(s.response.image_count >= 1);
        assert_true(s.response.attempt_count >= 1);
        assert_true(s.response.images[0].size > 0);
        if (s.request.output == TARASH_IMAGE_OUTPUT_BASE64) assert_non_null(s.response.images[0].base64);
    } else if (s.response.storage) {
        assert_int_equal(s.response.status, TARASH_IMAGE_STATUS_FAILED);
        assert_int_equal(s.response.successful_attempt, 0);
    }
    if (tried->check) tried->check(&s, result);
    tarash_image_response_free(&s.response);
    forget_job(&s);
    if (s.client) assert_client_works(&s);
    tarash_image_client_destroy(s.client);
    if (s.memory.live_blocks)
        fail_msg("%s: allocation %d (%s): %d blocks are left", tried->name, (int)at,
                 from_then_on ? "and later" : "once", (int)s.memory.live_blocks);
    return calls;
}

static void try_all(const scenario *tried) {
    size_t calls = attempt(tried, 0, 0), step = 1 + calls / MOST_TRIES, at;
    assert_true(calls > 5);
    for (at = 1; at <= calls; at += step) {
        (void)attempt(tried, at, 0);
        (void)attempt(tried, at + step / 2, 1);
    }
}

#define SMALL "\"image_result\": {\"size\": \"16x16\"}"

static void a_mock(void **state) {
    static const scenario tried = {"mock", NULL, prepare_mock, submit_and_drive, NULL};
    (void)state;
    try_all(&tried);
}

static void a_blocking_call(void **state) {
    static const scenario tried = {"blocking", "[{" SMALL "}]", NULL, perform_blocking, NULL};
    (void)state;
    try_all(&tried);
}

static void many_settings(void **state) {
    static const scenario tried = {"settings",
                                   "[{\"status\": 200, \"body\": {\"created\": 5, \"data\": [{\"b64_json\": "
                                   "\"R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7\"}],"
                                   " \"usage\": {\"total_tokens\": 5}, \"more\": [1, {\"x\": null}]}}]",
                                   prepare_many_settings, submit_and_drive, NULL};
    (void)state;
    try_all(&tried);
}

static void a_download(void **state) {
    static const scenario tried = {
        "download",
        "[{\"image_result\": {\"size\": \"16x16\", \"url\": true}},"
        " {\"where\": \"files\", \"redirect\": {\"to\": \"{FILES}/f/memory/static/16x16.png\"}},"
        " {\"where\": \"files\", \"status\": 503}]",
        NULL, submit_and_drive, NULL};
    (void)state;
    try_all(&tried);
}

static void a_chain(void **state) {
    static const scenario tried = {"chain", "[{\"status\": 503, \"times\": 2}, {" SMALL "}]", prepare_chain,
                                   submit_and_drive, NULL};
    (void)state;
    try_all(&tried);
}

static void a_job_that_is_polled(void **state) {
    static const scenario tried = {"polled", "[{\"jobs\": {\"polls\": 2}}]", NULL, perform_custom, NULL};
    (void)state;
    try_all(&tried);
}

static void a_job_that_is_resumed(void **state) {
    static const scenario tried = {"resumed", "[{\"jobs\": {\"polls\": 2}}]", NULL, perform_resume, NULL};
    (void)state;
    try_all(&tried);
}

static void a_form(void **state) {
    static const scenario tried = {"form",
                                   "[{\"status\": 200, \"body\": {\"data\": [{\"b64_json\": "
                                   "\"R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7\"}]}}]",
                                   prepare_edit, submit_and_drive, NULL};
    (void)state;
    try_all(&tried);
}

static void a_stream(void **state) {
    static const scenario tried = {"stream", "[{" SMALL "}]", prepare_stream, submit_and_drive, NULL};
    (void)state;
    try_all(&tried);
}

static void jobs_that_are_cancelled(void **state) {
    static const scenario tried = {"cancelled", "[{\"jobs\": {\"polls\": 1000}}]", NULL, perform_cancelled,
                                   NULL};
    (void)state;
    try_all(&tried);
}

static void a_sink(void **state) {
    static const scenario tried = {"sink", "[{" SMALL "}]", prepare_sink, submit_and_drive, check_sink};
    static const scenario other = {"sink, url", "[{\"image_result\": {\"size\": \"16x16\", \"url\": true}}]",
                                   prepare_sink, submit_and_drive, check_sink};
    (void)state;
    try_all(&tried);
    try_all(&other);
}

static void a_plan(void **state) {
    static const scenario tried = {"plan", NULL, prepare_edit, perform_plan, NULL};
    static const scenario other = {"plan of a chain", NULL, prepare_chain, perform_plan, NULL};
    (void)state;
    try_all(&tried);
    try_all(&other);
}

static void an_image_of_a_url(void **state) {
    static const scenario tried = {"from_url", NULL, NULL, perform_from_url, NULL};
    (void)state;
    try_all(&tried);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mock),
        cmocka_unit_test(a_blocking_call),
        cmocka_unit_test(many_settings),
        cmocka_unit_test(a_download),
        cmocka_unit_test(a_chain),
        cmocka_unit_test(a_job_that_is_polled),
        cmocka_unit_test(a_job_that_is_resumed),
        cmocka_unit_test(a_form),
        cmocka_unit_test(a_stream),
        cmocka_unit_test(jobs_that_are_cancelled),
        cmocka_unit_test(a_sink),
        cmocka_unit_test(a_plan),
        cmocka_unit_test(an_image_of_a_url),
    };
    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
