/* Calls from inside calls: what callbacks are told whatever else happens, and that a client which is busy is left
   alone. */

#include "scene.h"

typedef struct told {
    int finals, percent;
    tarash_image_status status;
} told;

static void note(const tarash_image_update *update, void *user_data) {
    told *t = (told *)user_data;
    if (update->status < TARASH_IMAGE_STATUS_COMPLETED) return;
    t->finals++;
    t->percent = update->progress_percent;
    t->status = update->status;
}

static void mock_start(scene *s, tarash_image_mock *mock, const char *session) {
    scene_start(s, session, NULL);
    memset(mock, 0, sizeof *mock);
    mock->enabled = 1;
    s->config.mock = mock;
}

/* ---- jobs that are forgotten --------------------------------------------------------------------------- */

/* Cancelled jobs need not be taken, but each is told its end before its place is another's. */
static void every_cancelled_job_is_told(void **state) {
    scene s;
    told each[64];
    int i;
    (void)state;
    scene_start(&s, "told", NULL);
    memset(each, 0, sizeof each);
    s.request.on_progress = note;
    for (i = 0; i < 64; i++) {
        s.request.user_data = &each[i];
        scene_submit(&s);
        tarash_image_cancel(s.client, s.job);
    }
    (void)tarash_image_poll(s.client, 0);
    assert_int_equal(control_posts("told"), 0);
    for (i = 0; i < 64; i++) {
        if (each[i].finals != 1) fail_msg("job %d was told %d times", i, each[i].finals);
        assert_int_equal(each[i].status, TARASH_IMAGE_STATUS_FAILED);
    }
    scene_close(&s);
}

/* The places of jobs that were cancelled and told are used again. */
static void cancelled_jobs_do_not_pile_up(void **state) {
    scene s;
    tarash_image_mock mock;
    size_t early = 0;
    int i;
    (void)state;
    mock_start(&s, &mock, "pile");
    mock.latency_ms = 1000;
    for (i = 0; i < 600; i++) {
        scene_submit(&s);
        tarash_image_cancel(s.client, s.job);
        (void)tarash_image_poll(s.client, 0);
        if (i == 100) early = s.memory.live_bytes;
    }
    assert_true(s.memory.live_bytes < early * 3);
    scene_close(&s);
}

static void cancel_and_submit(const tarash_image_update *update, void *user_data) {
    scene *s = (scene *)user_data;
    tarash_image_request request = s->request;
    int i;
    if (update->status >= TARASH_IMAGE_STATUS_COMPLETED || s->wait_count) return;
    s->wait_count = 1; /* once */
    tarash_image_cancel(s->client, update->job);
    request.on_progress = NULL;
    for (i = 0; i < 20; i++) {
        tarash_image_job other = tarash_image_submit(s->client, &s->config, &request);
        tarash_image_cancel(s->client, other);
    }
}

/* A blocking call waits for its job, and finds it, even when it is cancelled and others are submitted. */
static void a_blocking_call_keeps_its_job(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "keeps", "[{\"trickle\": {\"chunk\": 60, \"every_ms\": 10}}]");
    s.request.on_progress = cancel_and_submit;
    s.request.user_data = &s;
    assert_result(tarash_image_generate(s.client, &s.config, &s.request, &s.response),
                  TARASH_IMAGE_ERROR_CANCELLED);
    assert_int_equal(s.wait_count, 1);
    scene_close(&s);
}

/* ---- a client that is busy ----------------------------------------------------------------------------- */

typedef struct meddler {
    tarash_image_client *client;
    tarash_image_job job;
    tarash_image_response response;
    int lines, taken, destroyed, destroys;
} meddler;

/* Forbidden, and harmless all the same. */
static void meddle(tarash_image_log_level level, const char *message, void *user_data) {
    meddler *m = (meddler *)user_data;
    (void)level;
    (void)message;
    m->lines++;
    if (!m->client) return;
    if (tarash_image_take(m->client, m->job, &m->response) != TARASH_IMAGE_ERROR_VALIDATION) m->taken++;
    tarash_image_response_free(&m->response);
    tarash_image_cancel(m->client, m->job);
    (void)tarash_image_poll(m->client, 0);
    if (m->destroys && !m->destroyed) {
        m->destroyed = 1;
        tarash_image_client_destroy(m->client);
        m->client = NULL;
    }
}

static void a_logger_takes_nothing_away(void **state) {
    int destroys;
    (void)state;
    for (destroys = 0; destroys < 2; destroys++) {
        scene s;
        meddler m;
        told t;
        memset(&m, 0, sizeof m);
        memset(&t, 0, sizeof t);
        scene_open(&s, "meddler");
        assert_int_equal(control_script("meddler", "[{\"stall\": true}]"), 0);
        s.desc.logger.log_fn = meddle;
        s.desc.logger.user_data = &m;
        scene_client(&s);
        s.request.on_progress = note;
        s.request.user_data = &t;
        scene_submit(&s);
        poll_until_requests(&s, 1);
        m.client = s.client;
        m.job = s.job;
        m.destroys = destroys;
        m.lines = 0;
        tarash_image_cancel(s.client, s.job);
        assert_true(m.lines > 0);
        assert_int_equal(m.taken, 0);
        m.client = NULL;
        if (destroys) {
            assert_int_equal(s.memory.live_blocks, 0);
            s.client = NULL;
        } else {
            (void)tarash_image_poll(s.client, 0);
            assert_int_equal(t.finals, 1);
            assert_result(scene_take(&s), TARASH_IMAGE_ERROR_CANCELLED);
        }
        scene_close(&s);
    }
}

/* ---- what the last update says ------------------------------------------------------------------------- */

static void what_is_completed_is_at_a_hundred(void **state) {
    scene s;
    jobs_service service;
    tarash_image_mock mock;
    tarash_image_mock_polling polling;
    tarash_image_mock_response responses[2];
    told t;
    (void)state;
    /* A job that told 50 %, and then was done. */
    scene_start(&s, "percent", "[{\"jobs\": {\"polls\": 3}}]");
    jobs_service_open(&service);
    scene_use_jobs(&s, &service);
    memset(&t, 0, sizeof t);
    s.request.on_progress = note;
    s.request.user_data = &t;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(t.finals, 1);
    if (t.percent != 100) fail_msg("a job that is done is at %d %%", t.percent);
    scene_close(&s);
    /* A mock whose first try failed. */
    mock_start(&s, &mock, "percent");
    memset(&polling, 0, sizeof polling);
    memset(responses, 0, sizeof responses);
    memset(&t, 0, sizeof t);
    polling.enabled = 1;
    responses[0].error = TARASH_IMAGE_ERROR_RATE_LIMITED;
    mock.polling = &polling;
    mock.kind = TARASH_IMAGE_MOCK_SCRIPTED;
    mock.responses = responses;
    mock.response_count = 2;
    s.request.on_progress = note;
    s.request.user_data = &t;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(t.finals, 1);
    assert_int_equal(t.percent, 100);
    scene_close(&s);
}

/* ---- how far a cancelled job got ----------------------------------------------------------------------- */

/* Nothing has gone to the provider while the input images are still being fetched. */
static void fetching_inputs_sends_nothing(void **state) {
    scene s;
    tarash_image_input input;
    char url[256];
    (void)state;
    scene_start(&s, "inputs", "[{\"where\": \"files\", \"stall\": true}]");
    memset(&input, 0, sizeof input);
    input.url = server_files_url(url, sizeof url, "inputs", "static/8x8.png");
    server_api_url(s.url, sizeof s.url, "inputs", "compatible/v1");
    s.config.provider = "openai_compatible";
    s.request.images = &input;
    s.request.image_count = 1;
    scene_submit(&s);
    poll_until_requests(&s, 1);
    tarash_image_cancel(s.client, s.job);
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_CANCELLED);
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_NOT_SENT);
    assert_int_equal(control_posts("inputs"), 0);
    scene_close(&s);
}

/* Whatever is wrong with a request is told alike. */
static void every_failed_submit_is_told_alike(void **state) {
    scene s;
    told by_request, by_config;
    (void)state;
    scene_start(&s, "alike", NULL);
    memset(&by_request, 0, sizeof by_request);
    memset(&by_config, 0, sizeof by_config);
    s.request.on_progress = note;
    s.request.user_data = &by_request;
    s.request.n = -1;
    assert_result(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
    s.request.n = 1;
    s.request.user_data = &by_config;
    s.config.timeout_ms = -1;
    assert_result(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
    (void)tarash_image_poll(s.client, 0);
    assert_int_equal(by_request.finals, by_config.finals);
    scene_close(&s);
}

typedef struct impatient {
    tarash_image_client *client;
    int calls;
} impatient;

/* A blocking call would have to move the very transfer that waits for this one to return. */
static int call_from_within(void *user_data, size_t index, const char *mime_type, void **stream) {
    impatient *self = (impatient *)user_data;
    tarash_image_config config;
    tarash_image_request request;
    tarash_image_response response;
    tarash_image_error error;
    tarash_image image;
    (void)index;
    (void)mime_type;
    *stream = NULL;
    memset(&config, 0, sizeof config);
    memset(&request, 0, sizeof request);
    config.provider = "mock";
    request.prompt = "within";
    assert_result(tarash_image_generate(self->client, &config, &request, &response),
                  TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(response.status, TARASH_IMAGE_STATUS_FAILED);
    assert_contains(response.error.message, "sink");
    assert_int_equal(response.image_count, 0);
    tarash_image_response_free(&response);
    assert_result(tarash_image_from_url(self->client, "http://127.0.0.1/x.png", &image, &error),
                  TARASH_IMAGE_ERROR_VALIDATION);
    assert_contains(error.message, "sink");
    assert_null(image.data);
    self->calls++;
    return 0;
}

static int take_piece(void *user_data, void *stream, const void *data, size_t size) {
    (void)user_data;
    (void)stream;
    (void)data;
    (void)size;
    return 0;
}

static int take_end(void *user_data, void *stream) {
    (void)user_data;
    (void)stream;
    return 0;
}

static void blocking_calls_from_a_sink_are_refused(void **state) {
    scene s;
    impatient self;
    tarash_image_sink sink;
    (void)state;
    scene_start(&s, "within", NULL);
    memset(&self, 0, sizeof self);
    memset(&sink, 0, sizeof sink);
    self.client = s.client;
    sink.open_fn = call_from_within;
    sink.write_fn = take_piece;
    sink.close_fn = take_end;
    sink.user_data = &self;
    s.request.sink = &sink;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(self.calls, 1);
    assert_int_equal(control_posts("within"), 1);
    /* And it takes bytes only. */
    s.request.output = TARASH_IMAGE_OUTPUT_URL;
    assert_result(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
    s.request.output = TARASH_IMAGE_OUTPUT_BASE64;
    assert_result(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
    assert_contains(s.response.error.message, "output:");
    assert_int_equal(control_posts("within"), 1);
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cancelled_job_is_told),
        cmocka_unit_test(cancelled_jobs_do_not_pile_up),
        cmocka_unit_test(a_blocking_call_keeps_its_job),
        cmocka_unit_test(a_logger_takes_nothing_away),
        cmocka_unit_test(what_is_completed_is_at_a_hundred),
        cmocka_unit_test(fetching_inputs_sends_nothing),
        cmocka_unit_test(every_failed_submit_is_told_alike),
        cmocka_unit_test(blocking_calls_from_a_sink_are_refused),
    };
    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
