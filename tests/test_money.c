/* What was paid for is never paid for twice, and never lost. */

#include "scene.h"

/* ---- a provider whose code can be told what to do ------------------------------------------------------ */

typedef struct studio {
    tarash_image_provider provider;
    int accepts;             /* the reply's "id" is a job */
    int fails;               /* then fails */
    int goes_on, goes_on_to; /* to this phase, whatever came */
} studio;

/* The seed counts up from call to call, so paths tell them apart. */
static tarash_image_result studio_build(tarash_image_exchange *exchange, tarash_image_phase phase,
                                        void *user_data) {
    const char *id = tarash_image_exchange_job_id(exchange);
    char path[1200];
    (void)user_data;
    if (phase == TARASH_IMAGE_PHASE_SUBMIT) {
        snprintf(path, sizeof path, "paint/%d", (int)tarash_image_exchange_request(exchange)->seed);
        tarash_image_exchange_send(exchange, "POST", path);
        tarash_image_exchange_set_text(exchange, "prompt", tarash_image_exchange_request(exchange)->prompt);
    } else {
        snprintf(path, sizeof path, "%s/%.1100s", phase == TARASH_IMAGE_PHASE_POLL ? "look" : "get",
                 id ? id : "nothing");
        tarash_image_exchange_send(exchange, "GET", path);
    }
    return TARASH_IMAGE_OK;
}

static tarash_image_result studio_read(tarash_image_exchange *exchange, tarash_image_phase phase,
                                       void *user_data) {
    const studio *self = (const studio *)user_data;
    const char *id = tarash_image_exchange_text(exchange, "id");
    int found = tarash_image_exchange_add_image(exchange, "url");
    if (phase == TARASH_IMAGE_PHASE_SUBMIT && id && self->accepts) tarash_image_exchange_accept(exchange, id);
    if (self->fails)
        return tarash_image_exchange_fail(exchange, TARASH_IMAGE_ERROR_GENERATION_FAILED, "torn",
                                          "the canvas is torn");
    if (self->goes_on)
        tarash_image_exchange_next(exchange, (tarash_image_phase)self->goes_on_to);
    else if (!found && self->accepts)
        tarash_image_exchange_next(exchange, TARASH_IMAGE_PHASE_POLL);
    return TARASH_IMAGE_OK;
}

static void studio_start(scene *s, studio *self, const char *session, const char *script) {
    scene_start(s, session, script);
    memset(self, 0, sizeof *self);
    self->provider.name = "studio";
    self->provider.default_model = "oil";
    self->provider.polls = 1;
    self->provider.build_fn = studio_build;
    self->provider.read_fn = studio_read;
    self->provider.user_data = self;
    self->provider.capabilities.fields = TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED;
    self->provider.capabilities.max_n = 1;
    self->provider.capabilities.seed_max = 1000000;
    assert_result(tarash_image_register_provider(s->client, &self->provider), TARASH_IMAGE_OK);
    server_api_url(s->url, sizeof s->url, session, "jobs");
    s->config.provider = "studio";
    s->config.model = NULL;
    s->config.max_retries = TARASH_IMAGE_NO_RETRIES;
    s->request.size = NULL;
    s->request.has_seed = 1;
    s->request.seed = 0;
}

static int requests(const char *session, const char *method, const char *path) {
    cJSON *log = control_log(session);
    int count = log_count(log, method, path);
    cJSON_Delete(log);
    return count;
}

static void resume(scene *s, const char *token) {
    tarash_image_response_free(&s->response);
    s->job = tarash_image_resume(s->client, &s->config, token);
    assert_int_not_equal(s->job.id, 0);
    s->wait_count = 0;
    finish(s);
}

/* ---- streams whose image has come ---------------------------------------------------------------------- */

static void stream_start(scene *s, const char *session, const char *script, tarash_image_config *second) {
    scene_start(s, session, script);
    s->config.model = "gpt-image-1.5";
    s->request.size = "1024x1024";
    s->request.extra_params = "{\"stream\": true}";
    *second = s->config;
    s->config.fallbacks = second;
    s->config.fallback_count = 1;
}

static void an_image_that_streamed_survives_the_connection(void **state) {
    static const char *const scripts[] = {
        "[{\"chunked\": \"truncated\"}]",
        "[{\"content_length\": 50000000}]",
        "[{\"chunked\": \"truncated\", \"sse\": {\"done\": true}}]",
    };
    size_t i;
    (void)state;
    for (i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        scene s;
        tarash_image_config second;
        stream_start(&s, "stream-cut", scripts[i], &second);
        if (run(&s) != TARASH_IMAGE_OK) fail_msg("%s: %s", scripts[i], s.response.error.message);
        assert_int_equal(s.response.image_count, 1);
        assert_picture(&s.response.images[0], 1024, 1024);
        assert_int_equal(s.response.successful_attempt, 1);
        assert_int_equal(control_posts("stream-cut"), 1);
        scene_close(&s);
    }
}

/* What may still follow the image isn't waited for. */
static void an_image_that_streamed_ends_the_wait(void **state) {
    scene s;
    tarash_image_config second;
    int64_t begin = real_ms();
    (void)state;
    stream_start(&s, "stream-open", "[{\"sse\": {\"done\": true, \"every_ms\": 60000}}]", &second);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_picture(&s.response.images[0], 1024, 1024);
    assert_true(real_ms() - begin < 15000);
    assert_int_equal(control_posts("stream-open"), 1);
    scene_close(&s);
}

/* ---- several calls, one of them in doubt --------------------------------------------------------------- */

#define REFUSED "\"status\": 500, \"times\": -1"

static void one_call_in_doubt_stops_the_chain(void **state) {
    static const char *const scripts[] = {
        "[{\"path_contains\": \"paint/0\", " REFUSED
        "}, {\"path_contains\": \"paint/1\", \"reset\": \"before\"},"
        " {" REFUSED "}]",
        "[{\"path_contains\": \"paint/1\", " REFUSED
        "}, {\"path_contains\": \"paint/0\", \"reset\": \"before\"},"
        " {" REFUSED "}]",
    };
    size_t i;
    (void)state;
    for (i = 0; i < 2; i++) {
        scene s;
        studio self;
        tarash_image_config second;
        studio_start(&s, &self, "doubt", scripts[i]);
        s.request.n = 2;
        s.config.on_unknown = TARASH_IMAGE_UNKNOWN_STOP;
        second = s.config;
        s.config.fallbacks = &second;
        s.config.fallback_count = 1;
        assert_result(run(&s), TARASH_IMAGE_ERROR_CONNECTION);
        assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_UNKNOWN);
        assert_delivery(s.response.attempts[0].delivery, TARASH_IMAGE_DELIVERY_UNKNOWN);
        assert_int_equal(s.response.attempt_count, 1);
        assert_int_equal(control_posts("doubt"), 2);
        scene_close(&s);
    }
}

static void one_call_that_was_accepted_can_be_resumed(void **state) {
    static const char *const scripts[] = {
        "[{\"path_contains\": \"paint/0\", " REFUSED "},"
        " {\"path_contains\": \"paint/1\", \"status\": 202, \"body\": {\"id\": \"one\"}},"
        " {\"path_contains\": \"look/one\", \"status\": 200, \"body\": {}, \"times\": 3},"
        " {\"path_contains\": \"look/one\", \"status\": 200,"
        " \"body\": {\"url\": \"{FILES}/f/gravest/static/8x8.png\"}}]",
        "[{\"path_contains\": \"paint/1\", " REFUSED "},"
        " {\"path_contains\": \"paint/0\", \"status\": 202, \"body\": {\"id\": \"one\"}},"
        " {\"path_contains\": \"look/one\", \"status\": 200, \"body\": {}, \"times\": 3},"
        " {\"path_contains\": \"look/one\", \"status\": 200,"
        " \"body\": {\"url\": \"{FILES}/f/gravest/static/8x8.png\"}}]",
    };
    size_t i;
    (void)state;
    for (i = 0; i < 2; i++) {
        scene s;
        studio self;
        char token[1024];
        studio_start(&s, &self, "gravest", scripts[i]);
        self.accepts = 1;
        s.request.n = 2;
        s.config.max_poll_attempts = 3;
        assert_result(run(&s), TARASH_IMAGE_ERROR_TIMEOUT);
        assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
        assert_true(s.response.error.job_token[0] != 0);
        assert_non_null(s.response.job_token);
        assert_string_equal(s.response.job_token, s.response.error.job_token);
        snprintf(token, sizeof token, "%s", s.response.error.job_token);
        resume(&s, token);
        assert_result(scene_take(&s), TARASH_IMAGE_OK);
        assert_picture(&s.response.images[0], 8, 8);
        assert_int_equal(control_posts("gravest"), 2);
        scene_close(&s);
    }
}

/* ---- jobs that the provider has ------------------------------------------------------------------------ */

static void an_accepted_job_is_never_submitted_again(void **state) {
    scene s;
    studio self;
    (void)state;
    studio_start(&s, &self, "again",
                 "[{\"status\": 200, \"body\": {\"id\": \"one\"}, \"times\": -1,"
                 " \"headers\": {\"x-should-retry\": \"true\"}}]");
    self.accepts = 1;
    self.fails = 1;
    s.config.max_retries = 3;
    assert_result(run(&s), TARASH_IMAGE_ERROR_GENERATION_FAILED);
    assert_string_equal(s.response.error.provider_code, "torn");
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
    assert_int_equal(s.response.attempts[0].retries, 0);
    assert_int_equal(control_posts("again"), 1);
    scene_close(&s);
}

/* A good answer that nobody can read isn't asked for again, even if it says so. */
static void advice_counts_for_errors_only(void **state) {
    scene s;
    (void)state;
    scene_start(
        &s, "advised",
        "[{\"status\": 200, \"body\": \"{\", \"headers\": {\"x-should-retry\": \"true\"}, \"times\": -1}]");
    assert_result(run(&s), TARASH_IMAGE_ERROR_BAD_RESPONSE);
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_UNKNOWN);
    assert_int_equal(control_posts("advised"), 1);
    scene_close(&s);
}

static void code_can_not_submit_in_a_loop(void **state) {
    static const int phases[] = {TARASH_IMAGE_PHASE_SUBMIT, TARASH_IMAGE_PHASE_CANCEL, 77};
    size_t i;
    (void)state;
    for (i = 0; i < 3; i++) {
        scene s;
        studio self;
        studio_start(&s, &self, "submit-loop",
                     "[{\"status\": 200, \"body\": {\"id\": \"one\"}, \"times\": -1}]");
        self.accepts = 1;
        self.goes_on = 1;
        self.goes_on_to = phases[i];
        assert_int_not_equal(run(&s), TARASH_IMAGE_OK);
        assert_int_equal(requests("submit-loop", NULL, NULL), 1);
        scene_close(&s);
    }
}

static void fetching_comes_to_an_end(void **state) {
    scene s;
    studio self;
    (void)state;
    studio_start(&s, &self, "fetch-loop", "[{\"status\": 200, \"body\": {\"id\": \"one\"}, \"times\": -1}]");
    self.accepts = 1;
    self.goes_on = 1;
    self.goes_on_to = TARASH_IMAGE_PHASE_FETCH;
    s.config.max_poll_attempts = 7;
    assert_result(run(&s), TARASH_IMAGE_ERROR_TIMEOUT);
    assert_int_equal(control_posts("fetch-loop"), 1);
    assert_true(requests("fetch-loop", "GET", "get/one") <= 8);
    scene_close(&s);
}

/* ---- tokens -------------------------------------------------------------------------------------------- */

/* One call has its URL, which can't be fetched yet; the other is still at work. */
/* Until one call has a job, and another's picture is being fetched. */
static void poll_until_mixed(scene *s) {
    int64_t end = real_ms() + SCENE_SECONDS * 1000;
    for (;;) {
        const tarimg_task *task = s->client->places[0].job->tasks;
        int jobs = 0, downloads = 0;
        for (; task; task = task->next) {
            jobs += task->kind == TARIMG_TASK_CALL && task->is_accepted && task->job_id;
            downloads += task->kind == TARIMG_TASK_DOWNLOAD;
        }
        if (jobs && downloads) return;
        if (real_ms() > end) fail_msg("%d jobs, %d downloads", jobs, downloads);
        tarash_image_poll(s->client, 10);
    }
}

static void poll_until_asked(scene *s, const char *session, const char *path_contains) {
    int64_t end = real_ms() + SCENE_SECONDS * 1000;
    for (;;) {
        cJSON *log = control_log(session);
        int count = log_count(log, "GET", path_contains);
        cJSON_Delete(log);
        if (count) return;
        if (real_ms() > end) fail_msg("nobody asked for %s", path_contains);
        tarash_image_poll(s->client, 10);
    }
}

static void a_token_holds_jobs_and_urls(void **state) {
    scene s;
    studio self;
    tarash_image_text token;
    int first;
    (void)state;
    for (first = 0; first < 2; first++) {
        studio_start(&s, &self, "mixed", NULL);
        assert_int_equal(
            control_scriptf(
                "mixed",
                "[{\"path_contains\": \"paint/%d\", \"status\": 200,"
                " \"body\": {\"url\": \"{FILES}/f/mixed/static/16x8.png\"}},"
                " {\"path_contains\": \"paint/%d\", \"status\": 202, \"body\": {\"id\": \"one\"}},"
                " {\"path_contains\": \"look/one\", \"status\": 200, \"body\": {}, \"times\": 2},"
                " {\"path_contains\": \"look/one\", \"status\": 200,"
                " \"body\": {\"url\": \"{FILES}/f/mixed/static/8x16.png\"}},"
                " {\"where\": \"files\", \"path_contains\": \"16x8\", \"stall\": true}]",
                first, 1 - first),
            0);
        self.accepts = 1;
        s.request.n = 2;
        scene_submit(&s);
        poll_until_mixed(&s);
        poll_until_asked(&s, "mixed", "16x8"); /* the download that stalls */
        assert_result(tarash_image_job_token(s.client, s.job, &token), TARASH_IMAGE_OK);
        tarash_image_client_destroy(s.client);

        scene_client(&s);
        assert_result(tarash_image_register_provider(s.client, &self.provider), TARASH_IMAGE_OK);
        resume(&s, token.data);
        tarash_image_text_free(&token);
        assert_result(scene_take(&s), TARASH_IMAGE_OK);
        assert_int_equal(s.response.image_count, 2);
        assert_picture(&s.response.images[first], 16, 8);
        assert_picture(&s.response.images[1 - first], 8, 16);
        assert_int_equal(s.response.images[0].index, 0);
        assert_int_equal(s.response.images[1].index, 1);
        assert_int_equal(control_posts("mixed"), 2);
        scene_close(&s);
    }
}

/* More ids than an error has room for. */
static void a_token_may_have_any_length(void **state) {
    scene s;
    studio self;
    char script[6000], id[121];
    size_t used = 0;
    tarash_image_text text;
    char *token;
    int i;
    (void)state;
    memset(id, 'i', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    used += (size_t)snprintf(script, sizeof script, "[");
    for (i = 0; i < 8; i++)
        used += (size_t)snprintf(
            script + used, sizeof script - used,
            "{\"path_contains\": \"paint/%d\", \"status\": 202, \"body\": {\"id\": \"%d%s\"}},", i, i, id);
    used += (size_t)snprintf(script + used, sizeof script - used,
                             "{\"path_contains\": \"look/\", \"status\": 200, \"body\": {}, \"times\": 16},"
                             " {\"path_contains\": \"look/\", \"status\": 200, \"times\": -1,"
                             " \"body\": {\"url\": \"{FILES}/f/long-token/static/8x8.png\"}}]");
    assert_true(used < sizeof script);
    studio_start(&s, &self, "long-token", script);
    self.accepts = 1;
    s.request.n = 8;
    s.config.max_poll_attempts = 2;
    scene_submit(&s);
    finish(&s);
    assert_result(tarash_image_job_token(s.client, s.job, &text), TARASH_IMAGE_OK);
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_TIMEOUT);
    assert_true(text.size >= sizeof s.response.error.job_token);
    assert_string_equal(s.response.error.job_token, ""); /* rather nothing than a part of it */
    assert_non_null(s.response.job_token);
    assert_string_equal(s.response.job_token, text.data);
    tarash_image_text_free(&text);
    token = strdup(s.response.job_token);
    assert_non_null(token);
    resume(&s, token);
    free(token);
    assert_result(scene_take(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.image_count, 8);
    assert_int_equal(control_posts("long-token"), 8);
    scene_close(&s);
}

/* What is missing of a success was paid for as well. */
static void a_part_of_a_success_can_be_resumed(void **state) {
    scene s;
    studio self;
    char token[1024];
    (void)state;
    studio_start(&s, &self, "rest",
                 "[{\"path_contains\": \"paint/0\", \"status\": 200,"
                 " \"body\": {\"url\": \"{FILES}/f/rest/static/16x8.png\"}},"
                 " {\"path_contains\": \"paint/1\", \"status\": 202, \"body\": {\"id\": \"one\"}},"
                 " {\"path_contains\": \"look/one\", \"status\": 200, \"body\": {}, \"times\": 2},"
                 " {\"path_contains\": \"look/one\", \"status\": 200,"
                 " \"body\": {\"url\": \"{FILES}/f/rest/static/8x16.png\"}}]");
    self.accepts = 1;
    s.request.n = 2;
    s.config.max_poll_attempts = 2;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.image_count, 1);
    assert_picture(&s.response.images[0], 16, 8);
    assert_non_null(warning_about(&s.response, "n"));
    assert_result(s.response.error.result, TARASH_IMAGE_OK);
    assert_non_null(s.response.job_token);
    snprintf(token, sizeof token, "%s", s.response.job_token);
    resume(&s, token);
    assert_result(scene_take(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.image_count, 1);
    assert_picture(&s.response.images[0], 8, 16);
    assert_null(s.response.job_token); /* nothing is left */
    assert_int_equal(control_posts("rest"), 2);
    scene_close(&s);
}

static void a_resumed_job_has_its_time(void **state) {
    scene s;
    studio self;
    char token[1024];
    (void)state;
    studio_start(&s, &self, "late-resume",
                 "[{\"path_contains\": \"paint/0\", \"status\": 202, \"body\": {\"id\": \"one\"}},"
                 " {\"path_contains\": \"look/one\", \"status\": 200, \"body\": {}, \"times\": -1}]");
    self.accepts = 1;
    s.config.max_poll_attempts = 1;
    assert_result(run(&s), TARASH_IMAGE_ERROR_TIMEOUT);
    snprintf(token, sizeof token, "%s", s.response.error.job_token);
    s.config.max_poll_attempts = 1000;
    s.config.total_timeout_ms = 7000;
    resume(&s, token);
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_TIMEOUT);
    assert_contains(s.response.error.message, "total_timeout_ms");
    assert_int_equal(s.response.elapsed_ms, 7000);
    assert_string_equal(s.response.job_token, token); /* it is still there */
    assert_int_equal(control_posts("late-resume"), 1);
    scene_close(&s);
}

/* ---- pictures that can't be fetched -------------------------------------------------------------------- */

/* The files' host says nothing about the key, the prompt or the account. */
static void a_lost_picture_is_not_the_providers_answer(void **state) {
    static const int statuses[] = {400, 401, 402, 403, 413, 422};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        scene s;
        scene_start(&s, "not-its-answer", NULL);
        assert_int_equal(control_scriptf("not-its-answer",
                                         "[{\"image_result\": {\"url\": true}},"
                                         " {\"where\": \"files\", \"status\": %d, \"times\": -1}]",
                                         statuses[i]),
                         0);
        assert_result(run(&s), TARASH_IMAGE_ERROR_HTTP);
        assert_int_equal(s.response.error.http_status, statuses[i]);
        assert_contains(s.response.error.message, "the result's server");
        assert_null(strstr(s.response.error.message, "openai answered"));
        assert_true(s.response.error.job_token[0] != 0);
        scene_close(&s);
    }
}

/* ---- pictures beyond those asked for ------------------------------------------------------------------- */

static void encoded(char *out, const char *rest) {
    char url[256];
    size_t size = 0;
    void *bytes = fetch_url(server_files_url(url, sizeof url, "surplus", rest), &size);
    assert_non_null(bytes);
    out[tarimg_base64_encode((const unsigned char *)bytes, size, out)] = '\0';
    free(bytes);
}

/* Each call was asked for one picture and gives two: the second may not take another call's place, which the
   answer that comes last could. */
static void what_is_too_much_takes_no_place(void **state) {
    static const char data[] =
        "\"status\": 200, \"body\": {\"data\": [{\"b64_json\": \"%s\"}, {\"b64_json\": \"%s\"}]}";
    scene s;
    tarash_image_sink sink;
    char path[1024], name[1100], narrow[1000], wide[1000], body[2500];
    int i;
    (void)state;
    scene_start(&s, "surplus", NULL);
    encoded(narrow, "static/8x8.png");
    encoded(wide, "static/32x8.png");
    assert_int_equal(control_reset("surplus"), 0);
    snprintf(body, sizeof body, data, narrow, wide);
    assert_int_equal(control_scriptf("surplus", "[{\"delay_ms\": 400, %s}, {\"times\": -1, %s}]", body, body),
                     0);
    memset(&sink, 0, sizeof sink);
    s.config.model = "dall-e-3";
    s.request.size = "1024x1024";
    s.request.n = 3;
    sink.path = temporary_path(path, sizeof path, "surplus-{index}.{ext}");
    s.request.sink = &sink;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.image_count, 3);
    for (i = 0; i < 3; i++) {
        size_t size = 0;
        unsigned char *bytes;
        char file[64];
        assert_int_equal(s.response.images[i].width, 8);
        snprintf(file, sizeof file, "surplus-%d.png", i);
        temporary_path(name, sizeof name, file);
        assert_string_equal(s.response.images[i].path, name);
        bytes = (unsigned char *)read_whole_file(name, &size);
        assert_non_null(bytes);
        assert_int_equal(size, s.response.images[i].size);
        assert_int_equal(bytes[19], 8); /* the width in the file's head */
        free(bytes);
    }
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_that_streamed_survives_the_connection),
        cmocka_unit_test(an_image_that_streamed_ends_the_wait),
        cmocka_unit_test(one_call_in_doubt_stops_the_chain),
        cmocka_unit_test(one_call_that_was_accepted_can_be_resumed),
        cmocka_unit_test(an_accepted_job_is_never_submitted_again),
        cmocka_unit_test(advice_counts_for_errors_only),
        cmocka_unit_test(code_can_not_submit_in_a_loop),
        cmocka_unit_test(fetching_comes_to_an_end),
        cmocka_unit_test(a_token_holds_jobs_and_urls),
        cmocka_unit_test(a_token_may_have_any_length),
        cmocka_unit_test(a_part_of_a_success_can_be_resumed),
        cmocka_unit_test(a_resumed_job_has_its_time),
        cmocka_unit_test(a_lost_picture_is_not_the_providers_answer),
        cmocka_unit_test(what_is_too_much_takes_no_place),
    };
    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
