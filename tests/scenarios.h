/* Whole uses of the library, each of which succeeds when nothing fails: what the tests run again and again while memory,
   libcurl's memory, or files fail. With TORTURE in the environment every place of failure is tried; else they are
   sampled. */

#ifndef SCENARIOS_H
#define SCENARIOS_H

#include "scene.h"

#include <sys/stat.h>

typedef struct scenario {
    const char *name;
    const char *script;                       /* of every run */
    void (*prepare)(scene *s);                /* before the client is made */
    tarash_image_result (*perform)(scene *s); /* with a client */
    void (*check)(scene *s, tarash_image_result result);
} scenario;

/* Tries per scenario and manner; more places of failure are sampled. */
static inline size_t most_tries(size_t usual) {
    return getenv("TORTURE") ? SIZE_MAX : usual;
}

/* From one place to the next. */
static inline size_t step_between(size_t places, size_t usual) {
    size_t most = most_tries(usual);
    return most == SIZE_MAX ? 1 : 1 + places / most;
}

/* Like run(), but where there may be no job. */
static inline tarash_image_result drive(scene *s) {
    if (s->job.id) finish(s);
    return scene_take(s);
}

static inline tarash_image_result submit_and_drive(scene *s) {
    s->job = tarash_image_submit(s->client, &s->config, &s->request);
    return drive(s);
}

/* ---- a folder of files --------------------------------------------------------------------------------- */

static char scenario_folder[512];

static inline const char *scenario_path(char *path, size_t size, const char *name) {
    snprintf(scenario_folder, sizeof scenario_folder, "%s/scenarios", temporary_directory());
    (void)mkdir(scenario_folder, 0700);
    snprintf(path, size, "%s/%s", scenario_folder, name);
    return path;
}

/* A whole image stands there, or nothing at all, and nothing beside it. */
static inline void check_folder(const char *name, tarash_image_result result, int width) {
    char path[600];
    size_t size;
    unsigned char *data;
    scenario_path(path, sizeof path, name);
    /* The image may be whole although its response could not be; half a file there is never. */
    if (result == TARASH_IMAGE_OK) assert_true(file_exists(path));
    assert_int_equal(directory_count(scenario_folder), file_exists(path));
    if (!file_exists(path)) return;
    data = (unsigned char *)read_whole_file(path, &size);
    assert_non_null(data);
    assert_memory_equal(data, "\x89PNG", 4);
    assert_int_equal(data[18] << 8 | data[19], width);
    assert_memory_equal(data + size - 8, "IEND", 4);
    free(data);
    (void)unlink(path);
}

/* ---- the mock ------------------------------------------------------------------------------------------ */

static inline void prepare_mock(scene *s) {
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

/* Saved, and its detached copy saved over it. */
static inline tarash_image_result save_twice(const tarash_image *image, const char *path) {
    tarash_image copy;
    tarash_image_error error;
    tarash_image_result result = tarash_image_save(image, path, &error);
    memset(&copy, 0, sizeof copy);
    assert_result(error.result, result);
    if (result == TARASH_IMAGE_OK) result = tarash_image_detach(image, &copy);
    if (result == TARASH_IMAGE_OK) assert_picture(&copy, 24, 8);
    if (result == TARASH_IMAGE_OK) result = tarash_image_save(&copy, path, NULL);
    tarash_image_free(&copy);
    return result;
}

static inline tarash_image_result perform_save(scene *s) {
    char path[600];
    tarash_image_result result;
    scenario_path(path, sizeof path, "saved.png");
    s->config.mock = NULL;
    s->config.provider = "mock";
    s->config.model = NULL;
    s->request.size = "24x8";
    result = tarash_image_generate(s->client, &s->config, &s->request, &s->response);
    if (result != TARASH_IMAGE_OK) return result;
    result = save_twice(&s->response.images[0], path);
    tarash_image_response_free(&s->response);
    return result;
}

static inline void check_save(scene *s, tarash_image_result result) {
    (void)s;
    check_folder("saved.png", result, 24);
}

/* ---- calls --------------------------------------------------------------------------------------------- */

/* A call that blocks moves no clock of the tests': it goes on by itself. */
static inline tarash_image_result perform_blocking(scene *s) {
    s->clock.step_ms = 1;
    return tarash_image_generate(s->client, &s->config, &s->request, &s->response);
}

static inline void prepare_many_settings(scene *s) {
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

static inline void prepare_chain(scene *s) {
    static tarash_image_mock_response refusal;
    static tarash_image_mock refusing;
    static tarash_image_config chain[2];
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

static inline void ignore_progress(const tarash_image_update *update, void *user_data) {
    (void)update;
    (void)user_data;
}

static inline void prepare_stream(scene *s) {
    s->config.model = "gpt-image-1";
    s->request.size = NULL;
    s->request.partial_images = 2;
    s->request.on_progress = ignore_progress;
}

/* ---- input images -------------------------------------------------------------------------------------- */

static inline tarash_image_input *two_inputs(scene *s) {
    static tarash_image_input inputs[2];
    memset(inputs, 0, sizeof inputs);
    s->request.size = NULL;
    s->request.images = inputs;
    s->request.image_count = 2;
    inputs[0].data = tiny_png;
    inputs[0].size = tiny_png_size;
    inputs[1] = inputs[0];
    return inputs;
}

static inline void prepare_edit(scene *s) {
    static unsigned char pixels[8 * 8];
    tarash_image_input *inputs = two_inputs(s);
    memset(pixels, 0xFF, sizeof pixels);
    inputs[1].data = NULL;
    inputs[1].size = 0;
    inputs[1].pixels = pixels;
    inputs[1].width = inputs[1].height = 8;
    inputs[1].channels = 1;
    s->config.model = "gpt-image-1";
    s->request.mask.pixels = pixels;
    s->request.mask.width = s->request.mask.height = 4;
    s->request.mask.channels = 1;
}

static inline void prepare_input_files(scene *s) {
    static char path[600];
    tarash_image_input *inputs = two_inputs(s);
    temporary_path(path, sizeof path, "input.png");
    assert_int_equal(write_whole_file(path, tiny_png, tiny_png_size), 0);
    inputs[0].data = inputs[1].data = NULL;
    inputs[0].size = inputs[1].size = 0;
    inputs[0].path = inputs[1].path = path;
    s->config.model = "gpt-image-1";
}

/* The same files as base64 in JSON. */
static inline void prepare_json_files(scene *s) {
    prepare_input_files(s);
    server_api_url(s->url, sizeof s->url, s->session, "xai/v1");
    s->config.provider = "xai";
    s->config.model = NULL;
}

/* Inputs that have to be fetched first. */
static inline void prepare_input_urls(scene *s) {
    static char url[256], other[256];
    tarash_image_input *inputs = two_inputs(s);
    inputs[0].data = inputs[1].data = NULL;
    inputs[0].size = inputs[1].size = 0;
    inputs[0].url = server_files_url(url, sizeof url, s->session, "static/8x8.png");
    inputs[1].url = server_files_url(other, sizeof other, s->session, "static/4x4.png");
    server_api_url(s->url, sizeof s->url, s->session, "compatible/v1");
    s->config.provider = "openai_compatible";
    s->config.model = "any";
}

/* ---- jobs ---------------------------------------------------------------------------------------------- */

static jobs_service scenario_service;

static inline tarash_image_result begin_jobs(scene *s) {
    jobs_service_open(&scenario_service);
    server_api_url(s->url, sizeof s->url, s->session, "jobs");
    s->config.provider = "painter";
    s->config.model = NULL;
    s->request.size = "32x16";
    return tarash_image_register_provider(s->client, &scenario_service.provider);
}

static inline tarash_image_result perform_custom(scene *s) {
    tarash_image_result result = begin_jobs(s);
    s->request.on_progress = ignore_progress;
    return result == TARASH_IMAGE_OK ? submit_and_drive(s) : result;
}

static inline tarash_image_result perform_resume(scene *s) {
    tarash_image_text token;
    tarash_image_result result = begin_jobs(s);
    if (result != TARASH_IMAGE_OK) return result;
    s->config.max_poll_attempts = 1;
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

static inline tarash_image_result perform_cancelled(scene *s) {
    tarash_image_job second;
    tarash_image_response response;
    tarash_image_result result = begin_jobs(s);
    s->request.on_progress = ignore_progress;
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

/* ---- sinks --------------------------------------------------------------------------------------------- */

static inline void prepare_sink(scene *s) {
    static char pattern[600];
    static tarash_image_sink sink;
    memset(&sink, 0, sizeof sink);
    sink.path = scenario_path(pattern, sizeof pattern, "{index}.{ext}");
    s->request.sink = &sink;
}

static inline void check_sink(scene *s, tarash_image_result result) {
    (void)s;
    check_folder("0.png", result, 16);
}

static inline void prepare_stream_sink(scene *s) {
    prepare_stream(s);
    prepare_sink(s);
}

/* ---- without a job ------------------------------------------------------------------------------------- */

static inline tarash_image_result perform_plan(scene *s) {
    tarash_image_text plan;
    tarash_image_result result = tarash_image_plan(s->client, &s->config, &s->request, &plan);
    assert_int_equal(plan.data != NULL, result == TARASH_IMAGE_OK);
    assert_result(plan.error.result, result);
    tarash_image_text_free(&plan);
    return result;
}

static inline tarash_image_result perform_from_url(scene *s) {
    char url[256];
    tarash_image image, copy;
    tarash_image_error error;
    tarash_image_result result;
    s->clock.step_ms = 1;
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

/* ---- the list ------------------------------------------------------------------------------------------ */

#define SMALL_IMAGE "\"image_result\": {\"size\": \"16x16\"}"
#define SMALL_LINK  "\"image_result\": {\"size\": \"16x16\", \"url\": true}"
#define ONE_GIF     "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
#define GIF_REPLY   "[{\"status\": 200, \"body\": {\"data\": [{\"b64_json\": \"" ONE_GIF "\"}]}}]"

static const scenario scenario_list[] = {
    {"a_mock", NULL, prepare_mock, submit_and_drive, NULL},
    {"saving", NULL, NULL, perform_save, check_save},
    {"a_blocking_call", "[{" SMALL_IMAGE "}]", NULL, perform_blocking, NULL},
    {"many_settings",
     "[{\"status\": 200, \"body\": {\"created\": 5, \"data\": [{\"b64_json\": \"" ONE_GIF "\"}],"
     " \"usage\": {\"total_tokens\": 5}, \"more\": [1, {\"x\": null}]}}]",
     prepare_many_settings, submit_and_drive, NULL},
    {"a_download",
     "[{" SMALL_LINK "},"
     " {\"where\": \"files\", \"redirect\": {\"to\": \"{FILES}/f/{SESSION}/static/16x16.png\"}},"
     " {\"where\": \"files\", \"status\": 503}]",
     NULL, submit_and_drive, NULL},
    {"a_chain", "[{\"status\": 503, \"times\": 2}, {" SMALL_IMAGE "}]", prepare_chain, submit_and_drive,
     NULL},
    {"a_job_that_is_polled", "[{\"jobs\": {\"polls\": 2}}]", NULL, perform_custom, NULL},
    {"a_job_that_is_resumed", "[{\"jobs\": {\"polls\": 2}}]", NULL, perform_resume, NULL},
    {"a_form", GIF_REPLY, prepare_edit, submit_and_drive, NULL},
    {"a_form_of_files", GIF_REPLY, prepare_input_files, submit_and_drive, NULL},
    {"json_of_files", GIF_REPLY, prepare_json_files, submit_and_drive, NULL},
    {"inputs_that_are_fetched", GIF_REPLY, prepare_input_urls, submit_and_drive, NULL},
    {"a_stream", "[{" SMALL_IMAGE "}]", prepare_stream, submit_and_drive, NULL},
    {"jobs_that_are_cancelled", "[{\"jobs\": {\"polls\": 1000}}]", NULL, perform_cancelled, NULL},
    {"a_sink", "[{" SMALL_IMAGE "}]", prepare_sink, submit_and_drive, check_sink},
    {"a_sink_for_a_link", "[{" SMALL_LINK "}]", prepare_sink, submit_and_drive, check_sink},
    {"a_sink_for_a_stream", "[{" SMALL_IMAGE "}]", prepare_stream_sink, submit_and_drive, check_sink},
    {"a_plan", NULL, prepare_edit, perform_plan, NULL},
    {"a_plan_of_a_chain", NULL, prepare_chain, perform_plan, NULL},
    {"an_image_of_a_url", NULL, NULL, perform_from_url, NULL},
};

#define SCENARIO_COUNT (sizeof scenario_list / sizeof scenario_list[0])

/* Opens the scene of a scenario. What it does not clean up itself is s->response. */
static inline void scenario_open(scene *s, const scenario *tried, const char *session) {
    scene_open(s, session);
    memset(&s->desc.logger, 0, sizeof s->desc.logger);
    if (tried->script) assert_int_equal(control_script(session, tried->script), 0);
    if (tried->prepare) tried->prepare(s);
    s->memory.fill = 1;
}

/* What a response says of itself hangs together. */
static inline void assert_consistent(const scene *s, tarash_image_result result) {
    const tarash_image_response *response = &s->response;
    if (!response->storage) return;
    assert_result(response->error.result, result);
    if (result != TARASH_IMAGE_OK) {
        assert_int_equal(response->status, TARASH_IMAGE_STATUS_FAILED);
        assert_int_equal(response->successful_attempt, 0);
        assert_true(response->error.message[0] != '\0');
        return;
    }
    assert_int_equal(response->status, TARASH_IMAGE_STATUS_COMPLETED);
    assert_true(response->image_count >= 1);
    assert_true(response->attempt_count >= 1);
    assert_true(response->images[0].size > 0);
    if (s->request.output == TARASH_IMAGE_OUTPUT_BASE64) assert_non_null(response->images[0].base64);
}

/* Nothing was paid for behind the caller's back: what is said not to have been sent was never seen. Asks the server, so
   nothing may fail any more. */
static inline void assert_honest(const scene *s, const scenario *tried, tarash_image_result result) {
    int posts;
    if (result == TARASH_IMAGE_OK || !s->response.storage || s->response.configs_in_chain > 1) return;
    if (tried->perform != submit_and_drive && tried->perform != perform_blocking) return;
    posts = control_posts(s->session);
    assert_true(posts <= 1);
    if (posts && s->response.error.delivery == TARASH_IMAGE_DELIVERY_NOT_SENT)
        fail_msg("%s: said not to be sent, and seen by the server", s->response.error.message);
}

static inline void assert_picture_comes(scene *s, const tarash_image_config *config, const char *size,
                                        int edge) {
    tarash_image_request request;
    tarash_image_response response;
    memset(&request, 0, sizeof request);
    request.prompt = "afterwards";
    request.size = size;
    assert_result(tarash_image_generate(s->client, config, &request, &response), TARASH_IMAGE_OK);
    assert_picture(&response.images[0], edge, edge);
    tarash_image_response_free(&response);
}

/* The same client, once nothing fails any more: with the mock, and now and then over its connections. */
static inline void assert_client_works(scene *s) {
    static unsigned times;
    tarash_image_config config;
    char url[256];
    memset(&config, 0, sizeof config);
    config.provider = "mock";
    assert_picture_comes(s, &config, "8x8", 8);
    if (times++ % 8) return;
    assert_int_equal(control_reset(s->session), 0);
    config.provider = "openai";
    config.model = "dall-e-2";
    config.api_key = SCENE_KEY;
    config.base_url = server_api_url(url, sizeof url, s->session, "openai/v1");
    assert_picture_comes(s, &config, "256x256", 256);
    assert_int_equal(control_posts(s->session), 1);
}

/* Runs `function` as a test of each scenario. */
static inline int run_scenarios(CMUnitTestFunction function, CMFixtureFunction group_setup) {
    struct CMUnitTest tests[SCENARIO_COUNT];
    size_t i;
    memset(tests, 0, sizeof tests);
    for (i = 0; i < SCENARIO_COUNT; i++) {
        tests[i].name = scenario_list[i].name;
        tests[i].test_func = function;
        tests[i].initial_state = (void *)(uintptr_t)&scenario_list[i];
    }
    return _cmocka_run_group_tests("scenarios", tests, SCENARIO_COUNT, group_setup, server_teardown);
}

#endif
