/* Providers that a program adds: their code, jobs that are polled, tokens, and what may never be sent where. */

#include "scene.h"

typedef struct painter {
    scene s;
    jobs_service service;
} painter;

static void painter_start(painter *p, const char *session, const char *script) {
    scene_start(&p->s, session, script);
    jobs_service_open(&p->service);
    scene_use_jobs(&p->s, &p->service);
}

static int requests(const char *session, const char *method, const char *path) {
    cJSON *log = control_log(session);
    int count = log_count(log, method, path);
    cJSON_Delete(log);
    return count;
}

/* ---- with a protocol of the library's ---- */

static void one_that_speaks_a_built_in_protocol(void **state) {
    scene s;
    tarash_image_provider provider;
    cJSON *log;
    (void)state;
    scene_start(&s, "protocol", NULL);
    memset(&provider, 0, sizeof provider);
    provider.name = "in-house";
    provider.protocol = "openai_compatible";
    provider.default_model = "sd-9";
    provider.auth_header = "X-House-Key";
    provider.auth_prefix = "";
    provider.base_url = server_api_url(s.url, sizeof s.url, "protocol", "compatible/v1");
    assert_result(tarash_image_register_provider(s.client, &provider), TARASH_IMAGE_OK);
    s.config.provider = "in-house";
    s.config.model = NULL;
    s.config.base_url = NULL;
    s.request.size = "64x32";
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_picture(&s.response.images[0], 64, 32);
    assert_string_equal(s.response.provider, "in-house");
    assert_string_equal(s.response.model, "sd-9");
    log = control_log("protocol");
    assert_string_equal(log_header(log_entry(log, 0), "x-house-key"), SCENE_KEY);
    assert_null(log_header(log_entry(log, 0), "authorization"));
    assert_string_equal(log_text(log_entry(log, 0), "json.model"), "sd-9");
    cJSON_Delete(log);
    scene_close(&s);
}

static void it_may_be_named_before_the_slash(void **state) {
    painter p;
    (void)state;
    painter_start(&p, "slash", "[{\"jobs\": {\"polls\": 0}}]");
    p.s.config.provider = NULL;
    p.s.config.model = "painter/oil/dark";
    assert_result(run(&p.s), TARASH_IMAGE_OK);
    assert_string_equal(p.s.response.provider, "painter");
    assert_string_equal(p.s.response.model, "oil/dark");
    scene_close(&p.s);
}

static void one_may_hide_a_built_in_name(void **state) {
    painter p;
    (void)state;
    scene_start(&p.s, "hides", "[{\"jobs\": {\"polls\": 0}}]");
    jobs_service_open(&p.service);
    p.service.provider.name = "openai";
    scene_use_jobs(&p.s, &p.service);
    assert_result(run(&p.s), TARASH_IMAGE_OK);
    assert_int_equal(requests("hides", "POST", "/jobs"), 1);
    scene_close(&p.s);
}

static void registration_is_checked(void **state) {
    scene s;
    jobs_service service;
    tarash_image_provider provider;
    (void)state;
    scene_start(&s, "registration", NULL);
    jobs_service_open(&service);
    provider = service.provider;
    provider.name = NULL;
    assert_result(tarash_image_register_provider(s.client, &provider), TARASH_IMAGE_ERROR_VALIDATION);
    provider.name = "";
    assert_result(tarash_image_register_provider(s.client, &provider), TARASH_IMAGE_ERROR_VALIDATION);
    provider.name = "a/b";
    assert_result(tarash_image_register_provider(s.client, &provider), TARASH_IMAGE_ERROR_VALIDATION);
    provider = service.provider;
    provider.read_fn = NULL;
    assert_result(tarash_image_register_provider(s.client, &provider), TARASH_IMAGE_ERROR_VALIDATION);
    provider = service.provider;
    provider.protocol = "nobody's";
    assert_result(tarash_image_register_provider(s.client, &provider), TARASH_IMAGE_ERROR_VALIDATION);
    assert_result(tarash_image_register_provider(s.client, NULL), TARASH_IMAGE_ERROR_VALIDATION);
    assert_result(tarash_image_register_provider(NULL, &service.provider), TARASH_IMAGE_ERROR_VALIDATION);
    scene_close(&s);
}

/* ---- with code of its own ---- */

typedef struct progress_log {
    int count;
    struct {
        tarash_image_status status;
        int percent, position;
        char message[32];
    } steps[32];
} progress_log;

static void note_progress(const tarash_image_update *update, void *user_data) {
    progress_log *log = (progress_log *)user_data;
    if (log->count >= 32) return;
    log->steps[log->count].status = update->status;
    log->steps[log->count].percent = update->progress_percent;
    log->steps[log->count].position = update->queue_position;
    snprintf(log->steps[log->count].message, 32, "%s", update->message ? update->message : "");
    log->count++;
}

static void submits_polls_and_fetches(void **state) {
    painter p;
    progress_log progress;
    cJSON *log;
    int i, queued = 0, half = 0;
    (void)state;
    painter_start(&p, "painted", "[{\"jobs\": {\"polls\": 3}}]");
    memset(&progress, 0, sizeof progress);
    p.s.request.on_progress = note_progress;
    p.s.request.user_data = &progress;
    p.s.request.has_seed = 1;
    p.s.request.seed = 77;
    assert_result(run(&p.s), TARASH_IMAGE_OK);
    assert_picture(&p.s.response.images[0], 32, 16);
    assert_int_equal(p.s.response.attempts[0].retries, 0);
    assert_int_equal(p.s.wait_count, 4);
    for (i = 0; i < 4; i++) assert_int_equal(p.s.waits[i], 2000); /* the default interval */
    log = control_log("painted");
    assert_int_equal(cJSON_GetArraySize(log), 6);
    assert_string_equal(log_text(log_entry(log, 0), "json.prompt"), "a lighthouse in fog");
    assert_int_equal((int)log_number(log_entry(log, 0), "json.seed"), 77);
    assert_int_equal((int)log_number(log_entry(log, 0), "json.count"), 1);
    assert_contains(log_text(log_entry(log, 5), "path"), "/jobs/job-1/result");
    for (i = 0; i < 6; i++)
        assert_string_equal(log_header(log_entry(log, i), "authorization"), "Bearer " SCENE_KEY);
    cJSON_Delete(log);
    for (i = 0; i < progress.count; i++) {
        if (progress.steps[i].status == TARASH_IMAGE_STATUS_QUEUED && progress.steps[i].position == 1)
            queued++;
        if (progress.steps[i].percent == 50 && strcmp(progress.steps[i].message, "step 3") == 0) half++;
    }
    assert_int_equal(queued, 1);
    assert_int_equal(half, 1);
    assert_int_equal(progress.steps[progress.count - 1].status, TARASH_IMAGE_STATUS_COMPLETED);
    scene_close(&p.s);
}

static void the_interval_is_the_configs(void **state) {
    painter p;
    size_t i;
    (void)state;
    painter_start(&p, "interval", "[{\"jobs\": {\"polls\": 2}}]");
    p.s.config.poll_interval_ms = 333;
    assert_result(run(&p.s), TARASH_IMAGE_OK);
    assert_int_equal(p.s.wait_count, 3);
    for (i = 0; i < 3; i++) assert_int_equal(p.s.waits[i], 333);
    scene_close(&p.s);
}

static void links_are_downloaded_without_the_key(void **state) {
    painter p;
    (void)state;
    painter_start(&p, "links", "[{\"jobs\": {\"polls\": 0, \"url\": true}}]");
    p.s.request.n = 2;
    assert_result(run(&p.s), TARASH_IMAGE_OK);
    assert_int_equal(p.s.response.image_count, 2);
    assert_picture(&p.s.response.images[1], 32, 16);
    assert_non_null(p.s.response.images[0].url);
    assert_int_equal(requests("links", "GET", "/f/links/image-"), 2);
    scene_close(&p.s); /* checks that nothing leaked */
}

static void a_failed_job_is_told_as_the_code_tells_it(void **state) {
    painter p;
    (void)state;
    painter_start(&p, "failed-job", "[{\"jobs\": {\"polls\": 1, \"fail\": true}}]");
    assert_result(run(&p.s), TARASH_IMAGE_ERROR_GENERATION_FAILED);
    assert_string_equal(p.s.response.error.provider_code, "out_of_paint");
    assert_string_equal(p.s.response.error.message, "The painter ran out of paint.");
    assert_delivery(p.s.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
    assert_int_equal(control_posts("failed-job"), 1);
    scene_close(&p.s);

    painter_start(&p, "refused-job", "[{\"jobs\": {\"polls\": 1, \"moderation\": true}}]");
    assert_result(run(&p.s), TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    scene_close(&p.s);
}

static void a_poll_that_fails_is_asked_again(void **state) {
    static const char *const scripts[] = {
        "[{\"jobs\": {\"polls\": 1}}, {\"method\": \"GET\", \"status\": 500, \"times\": 2}]",
        "[{\"jobs\": {\"polls\": 1}}, {\"method\": \"GET\", \"status\": 502, \"times\": 2}]",
        "[{\"jobs\": {\"polls\": 1}}, {\"method\": \"GET\", \"status\": 429, \"times\": 2}]",
        "[{\"jobs\": {\"polls\": 1}}, {\"method\": \"GET\", \"reset\": \"before\", \"times\": 2}]",
        "[{\"jobs\": {\"polls\": 1}}, {\"method\": \"GET\", \"close_after_bytes\": 3, \"times\": 2}]",
        "[{\"jobs\": {\"polls\": 1}}, {\"method\": \"GET\", \"status\": 404, \"times\": 1}]",
        "[{\"jobs\": {\"polls\": 1}}, {\"method\": \"GET\", \"path_contains\": \"result\", \"status\": 503, "
        "\"times\": 2}]",
        "[{\"jobs\": {\"polls\": 1}}, {\"method\": \"GET\", \"status\": 200, \"body\": \"<html>\", "
        "\"times\": 1}]"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        painter p;
        painter_start(&p, "poll-errors", scripts[i]);
        p.s.config.max_retries = TARASH_IMAGE_NO_RETRIES; /* is about what costs money */
        if (run(&p.s) != TARASH_IMAGE_OK) fail_msg("%s: %s", scripts[i], p.s.response.error.message);
        assert_int_equal(control_posts("poll-errors"), 1);
        assert_true(p.s.response.attempts[0].retries >= 1);
        scene_close(&p.s);
    }
}

static void a_fetch_that_fails_is_asked_again_whatever_the_polls(void **state) {
    painter p;
    (void)state;
    painter_start(&p, "fetch-late",
                  "[{\"jobs\": {\"polls\": 1}}, {\"method\": \"GET\", \"path_contains\": \"result\","
                  " \"status\": 503}]");
    p.s.config.max_poll_attempts = 2; /* exactly what the job takes */
    assert_result(run(&p.s), TARASH_IMAGE_OK);
    scene_close(&p.s);
}

static void a_job_that_vanished_is_given_up(void **state) {
    painter p;
    (void)state;
    painter_start(&p, "vanished", "[{\"jobs\": {\"vanish\": true}}]");
    assert_result(run(&p.s), TARASH_IMAGE_ERROR_HTTP);
    assert_int_equal(p.s.response.error.http_status, 404);
    assert_delivery(p.s.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
    assert_int_equal(control_posts("vanished"), 1);
    assert_true(requests("vanished", "GET", "/jobs/job-1") < 10);
    scene_close(&p.s);
}

static void polls_have_an_end(void **state) {
    painter p;
    (void)state;
    painter_start(&p, "endless-job", "[{\"jobs\": {\"polls\": 1000}}]");
    p.s.config.max_poll_attempts = 5;
    assert_result(run(&p.s), TARASH_IMAGE_ERROR_TIMEOUT);
    assert_int_equal(requests("endless-job", "GET", "/jobs/job-1"), 5);
    assert_delivery(p.s.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
    assert_contains(p.s.response.error.message, "max_poll_attempts");
    assert_true(p.s.response.error.job_token[0] != 0);
    assert_int_equal(control_posts("endless-job"), 1);
    scene_close(&p.s);

    /* The time-out counts for polls as well. */
    painter_start(&p, "late-job", "[{\"jobs\": {\"polls\": 1000}}]");
    p.s.config.timeout_ms = 7000;
    assert_result(run(&p.s), TARASH_IMAGE_ERROR_TIMEOUT);
    assert_delivery(p.s.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
    assert_true(p.s.response.error.job_token[0] != 0);
    assert_true(p.s.response.elapsed_ms >= 6000 && p.s.response.elapsed_ms <= 7000);
    scene_close(&p.s);
}

static void polls_elsewhere_are_without_the_key(void **state) {
    painter p;
    cJSON *log;
    tarash_image_header header = {"X-Extra", "for the API only"};
    (void)state;
    painter_start(&p, "elsewhere", "[{\"jobs\": {\"polls\": 1, \"elsewhere\": true}}]");
    p.service.elsewhere = 1;
    snprintf(p.service.poll_url, sizeof p.service.poll_url, "unset");
    p.s.config.headers = &header;
    p.s.config.header_count = 1;
    assert_result(run(&p.s), TARASH_IMAGE_OK);
    log = control_log("elsewhere");
    assert_int_equal(log_count(log, "GET", "/f/elsewhere/jobs/job-1"), 2);
    assert_string_equal(log_text(log_entry(log, 1), "origin"), "files");
    assert_null(log_header(log_entry(log, 1), "authorization"));
    assert_null(log_header(log_entry(log, 1), "x-extra"));
    assert_string_equal(log_header(log_entry(log, -1), "authorization"), "Bearer " SCENE_KEY);
    cJSON_Delete(log);
    scene_close(&p.s);
}

/* ---- bad code ---- */

typedef struct bad_code {
    int mode;
} bad_code;

static tarash_image_result bad_build(tarash_image_exchange *exchange, tarash_image_phase phase,
                                     void *user_data) {
    const bad_code *bad = (const bad_code *)user_data;
    (void)phase;
    if (bad->mode == 0) return TARASH_IMAGE_OK; /* says nothing */
    if (bad->mode == 1) return TARASH_IMAGE_ERROR_UNSUPPORTED;
    tarash_image_exchange_send(exchange, "POST", "jobs");
    if (bad->mode == 2) tarash_image_exchange_header(exchange, "X-Bad\r\nX-Worse", "1");
    if (bad->mode == 3) tarash_image_exchange_header(exchange, "X-Bad", "1\r\nX-Worse: 2");
    if (bad->mode == 4) tarash_image_exchange_set_json(exchange, "options", "{nonsense");
    if (bad->mode == 5) tarash_image_exchange_set_image(exchange, "image", 3);
    if (bad->mode == 6)
        return tarash_image_exchange_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, "mine", "not today");
    if (bad->mode == 8) tarash_image_exchange_set_text(exchange, "prompt.[0..x", "odd path");
    tarash_image_exchange_set_text(exchange, "prompt", "p");
    return TARASH_IMAGE_OK;
}

static tarash_image_result bad_read(tarash_image_exchange *exchange, tarash_image_phase phase,
                                    void *user_data) {
    const bad_code *bad = (const bad_code *)user_data;
    int64_t number;
    (void)phase;
    assert_int_equal(tarash_image_exchange_status(exchange), 202);
    assert_non_null(tarash_image_exchange_reply_header(exchange, "X-Request-Id"));
    assert_null(tarash_image_exchange_text(exchange, "nowhere[3].at"));
    assert_int_equal(tarash_image_exchange_integer(exchange, "id", &number), 0);
    assert_int_equal(tarash_image_exchange_length(exchange, "nowhere"), 0);
    assert_int_equal(tarash_image_exchange_add_image(exchange, "nowhere"), 0);
    if (bad->mode == 7) return TARASH_IMAGE_ERROR_GENERATION_FAILED;
    return TARASH_IMAGE_OK; /* and no image */
}

static void bad_code_does_no_harm(void **state) {
    static const struct {
        tarash_image_result result;
        int posts;
    } expected[] = {{TARASH_IMAGE_ERROR_UNSUPPORTED, 0},       {TARASH_IMAGE_ERROR_UNSUPPORTED, 0},
                    {TARASH_IMAGE_ERROR_VALIDATION, 0},        {TARASH_IMAGE_ERROR_VALIDATION, 0},
                    {TARASH_IMAGE_ERROR_VALIDATION, 0},        {TARASH_IMAGE_OK, 0},
                    {TARASH_IMAGE_ERROR_VALIDATION, 0},        {TARASH_IMAGE_ERROR_GENERATION_FAILED, 1},
                    {TARASH_IMAGE_ERROR_GENERATION_FAILED, -1}};
    int mode;
    (void)state;
    for (mode = 0; mode < 9; mode++) {
        scene s;
        tarash_image_provider provider;
        bad_code bad;
        bad.mode = mode;
        scene_start(&s, "bad-code", NULL);
        memset(&provider, 0, sizeof provider);
        provider.name = "bad";
        provider.default_model = "b";
        provider.build_fn = bad_build;
        provider.read_fn = bad_read;
        provider.user_data = &bad;
        assert_result(tarash_image_register_provider(s.client, &provider), TARASH_IMAGE_OK);
        server_api_url(s.url, sizeof s.url, "bad-code", "jobs");
        s.config.provider = "bad";
        s.config.model = NULL;
        s.request.size = NULL;
        if (mode == 5 || mode == 8)
            (void)run(&s); /* whatever comes of it */
        else if (run(&s) != expected[mode].result)
            fail_msg("mode %d: %s", mode, tarash_image_result_name(s.response.error.result));
        if (expected[mode].posts >= 0 && mode != 5)
            assert_int_equal(control_posts("bad-code"), expected[mode].posts);
        if (mode == 6) assert_string_equal(s.response.error.message, "not today");
        assert_int_equal(requests("bad-code", NULL, NULL), control_posts("bad-code"));
        scene_close(&s);
    }
}

/* ---- tokens ---- */

static void token_of(painter *p, char *token, size_t size) {
    tarash_image_text text;
    assert_result(tarash_image_job_token(p->s.client, p->s.job, &text), TARASH_IMAGE_OK);
    assert_true(text.size < size);
    assert_int_equal(strlen(text.data), text.size);
    memcpy(token, text.data, text.size + 1);
    tarash_image_text_free(&text);
    tarash_image_text_free(&text);
}

static void a_job_goes_on_in_another_client(void **state) {
    painter p;
    jobs_service service;
    tarash_image_text text;
    char token[1024];
    (void)state;
    painter_start(&p, "token", "[{\"jobs\": {\"polls\": 4}}]");
    scene_submit(&p.s);
    assert_result(tarash_image_job_token(p.s.client, p.s.job, &text), TARASH_IMAGE_ERROR_UNSUPPORTED);
    assert_true(text.error.message[0] != 0);
    tarash_image_text_free(&text);
    settle(&p.s);
    advance(&p.s, 2000);
    settle(&p.s);
    token_of(&p, token, sizeof token);
    assert_null(strstr(token, SCENE_KEY));
    /* The program ends without a cancel: the provider isn't told. */
    service = p.service;
    p.service.provider.cancels = 0;
    p.s.client->registered->row.adapter = &tarimg_custom_polling_adapter;
    job_at(p.s.client, 0)->links[0].adapter = &tarimg_custom_polling_adapter;
    tarash_image_client_destroy(p.s.client);

    scene_client(&p.s);
    p.service = service;
    assert_result(tarash_image_register_provider(p.s.client, &p.service.provider), TARASH_IMAGE_OK);
    p.s.config.provider = NULL;
    p.s.job = tarash_image_resume(p.s.client, &p.s.config, token);
    assert_int_not_equal(p.s.job.id, 0);
    finish(&p.s);
    assert_result(scene_take(&p.s), TARASH_IMAGE_OK);
    assert_picture(&p.s.response.images[0], 32, 16);
    assert_string_equal(p.s.response.provider, "painter");
    assert_string_equal(p.s.response.model, "brush-1");
    assert_int_equal(control_posts("token"), 1);
    scene_close(&p.s);
}

static void the_token_of_an_error_resumes(void **state) {
    painter p;
    char token[1024];
    (void)state;
    painter_start(&p, "error-token", "[{\"jobs\": {\"polls\": 3}}]");
    p.s.config.max_poll_attempts = 2;
    assert_result(run(&p.s), TARASH_IMAGE_ERROR_TIMEOUT);
    snprintf(token, sizeof token, "%s", p.s.response.error.job_token);
    assert_true(token[0] != 0);
    tarash_image_response_free(&p.s.response);
    p.s.job = tarash_image_resume(p.s.client, &p.s.config, token);
    finish(&p.s);
    assert_result(scene_take(&p.s), TARASH_IMAGE_OK);
    assert_picture(&p.s.response.images[0], 32, 16);
    assert_int_equal(control_posts("error-token"), 1);
    scene_close(&p.s);
}

static void resume_of(painter *p, const char *token, tarash_image_result expected) {
    p->s.job = tarash_image_resume(p->s.client, &p->s.config, token);
    assert_int_not_equal(p->s.job.id, 0);
    finish(&p->s);
    if (scene_take(&p->s) != expected)
        fail_msg("%s: %s, %s", token ? token : "(null)", tarash_image_result_name(p->s.response.error.result),
                 p->s.response.error.message);
}

static void damaged_tokens_are_refused(void **state) {
    painter p;
    char token[1024], damaged[1024];
    size_t i, size;
    cJSON *log;
    int before;
    (void)state;
    painter_start(&p, "damaged", "[{\"jobs\": {\"polls\": 1000}}]");
    scene_submit(&p.s);
    settle(&p.s);
    token_of(&p, token, sizeof token);
    tarash_image_cancel(p.s.client, p.s.job);
    settle(&p.s);
    (void)scene_take(&p.s);
    log = control_log("damaged");
    before = cJSON_GetArraySize(log);
    cJSON_Delete(log);
    resume_of(&p, NULL, TARASH_IMAGE_ERROR_VALIDATION);
    resume_of(&p, "", TARASH_IMAGE_ERROR_VALIDATION);
    resume_of(&p, "tarash1.", TARASH_IMAGE_ERROR_VALIDATION);
    resume_of(&p, "tarash1.!!!", TARASH_IMAGE_ERROR_VALIDATION);
    resume_of(&p, "tarash9.e30", TARASH_IMAGE_ERROR_VALIDATION);
    resume_of(&p, "tarash1.e30", TARASH_IMAGE_ERROR_VALIDATION);                            /* {} */
    resume_of(&p, "tarash1.W10", TARASH_IMAGE_ERROR_VALIDATION);                            /* [] */
    resume_of(&p, "tarash1.eyJwcm92aWRlciI6InBhaW50ZXIifQ", TARASH_IMAGE_ERROR_VALIDATION); /* only that */
    size = strlen(token);
    for (i = 0; i < size; i++) { /* cut off anywhere */
        memcpy(damaged, token, i);
        damaged[i] = '\0';
        resume_of(&p, damaged, TARASH_IMAGE_ERROR_VALIDATION);
    }
    log = control_log("damaged");
    assert_int_equal(cJSON_GetArraySize(log), before);
    cJSON_Delete(log);
    scene_close(&p.s);
}

static void a_token_belongs_to_its_provider(void **state) {
    painter p;
    char token[1024];
    (void)state;
    painter_start(&p, "foreign", "[{\"jobs\": {\"polls\": 1000}}]");
    scene_submit(&p.s);
    settle(&p.s);
    token_of(&p, token, sizeof token);
    tarash_image_cancel(p.s.client, p.s.job);
    settle(&p.s);
    (void)scene_take(&p.s);
    p.s.config.provider = "openai";
    resume_of(&p, token, TARASH_IMAGE_ERROR_VALIDATION);
    assert_contains(p.s.response.error.message, "painter");
    p.s.job = tarash_image_resume(p.s.client, NULL, token);
    assert_result(scene_take(&p.s), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(tarash_image_resume(NULL, &p.s.config, token).id, 0);
    scene_close(&p.s);

    /* A client that doesn't know the provider says so. */
    scene_start(&p.s, "foreign", NULL);
    p.s.config.provider = NULL;
    p.s.config.model = NULL;
    resume_of(&p, token, TARASH_IMAGE_ERROR_VALIDATION);
    scene_close(&p.s);
}

/* A forged token can't send the key to another host. */
static void a_token_does_not_carry_the_key_away(void **state) {
    painter p;
    char token[1024], text[512];
    size_t size;
    cJSON *log;
    (void)state;
    painter_start(&p, "forged", NULL);
    snprintf(text, sizeof text,
             "{\"provider\":\"painter\",\"model\":\"brush-1\",\"jobs\":[{\"id\":\"job-1\","
             "\"poll\":\"http://127.0.0.1:%d/f/forged/jobs/job-1\",\"index\":0,\"count\":1}]}",
             server_files_port());
    memcpy(token, "tarash1.", 8);
    size = tarimg_base64_encode((const unsigned char *)text, strlen(text), token + 8);
    token[8 + size] = '\0';
    while (token[7 + size] == '=') token[7 + size--] = '\0';
    p.s.config.max_poll_attempts = 2;
    p.s.job = tarash_image_resume(p.s.client, &p.s.config, token);
    finish(&p.s);
    assert_int_not_equal(scene_take(&p.s), TARASH_IMAGE_OK);
    log = control_log("forged");
    assert_true(cJSON_GetArraySize(log) >= 1);
    assert_string_equal(log_text(log_entry(log, 0), "origin"), "files");
    cJSON_Delete(log);
    assert_int_equal(control_leaks("forged"), 0);
    scene_close(&p.s);
}

/* ---- n, split ---- */

static void seeds_count_up(void **state) {
    painter p;
    cJSON *log;
    int i, seen[4] = {0, 0, 0, 0};
    const tarash_image_warning *warning;
    (void)state;
    scene_start(&p.s, "seeds", "[{\"jobs\": {\"polls\": 0}, \"times\": -1}]");
    jobs_service_open(&p.service);
    p.service.provider.capabilities.max_n = 1;
    scene_use_jobs(&p.s, &p.service);
    p.s.request.n = 4;
    p.s.request.has_seed = 1;
    p.s.request.seed = 40;
    assert_result(run(&p.s), TARASH_IMAGE_OK);
    assert_int_equal(p.s.response.image_count, 4);
    log = control_log("seeds");
    for (i = 0; i < cJSON_GetArraySize(log); i++) {
        int seed = (int)log_number(log_entry(log, i), "json.seed");
        if (strcmp(log_text(log_entry(log, i), "method"), "POST") != 0) continue;
        assert_true(seed >= 40 && seed < 44);
        seen[seed - 40]++;
        assert_int_equal((int)log_number(log_entry(log, i), "json.count"), 1);
    }
    cJSON_Delete(log);
    for (i = 0; i < 4; i++) assert_int_equal(seen[i], 1);
    warning = warning_about(&p.s.response, "seed");
    assert_non_null(warning);
    assert_string_equal(warning->asked, "40");
    scene_close(&p.s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_speaks_a_built_in_protocol),
        cmocka_unit_test(it_may_be_named_before_the_slash),
        cmocka_unit_test(one_may_hide_a_built_in_name),
        cmocka_unit_test(registration_is_checked),
        cmocka_unit_test(submits_polls_and_fetches),
        cmocka_unit_test(the_interval_is_the_configs),
        cmocka_unit_test(links_are_downloaded_without_the_key),
        cmocka_unit_test(a_failed_job_is_told_as_the_code_tells_it),
        cmocka_unit_test(a_poll_that_fails_is_asked_again),
        cmocka_unit_test(a_fetch_that_fails_is_asked_again_whatever_the_polls),
        cmocka_unit_test(a_job_that_vanished_is_given_up),
        cmocka_unit_test(polls_have_an_end),
        cmocka_unit_test(polls_elsewhere_are_without_the_key),
        cmocka_unit_test(bad_code_does_no_harm),
        cmocka_unit_test(a_job_goes_on_in_another_client),
        cmocka_unit_test(the_token_of_an_error_resumes),
        cmocka_unit_test(damaged_tokens_are_refused),
        cmocka_unit_test(a_token_belongs_to_its_provider),
        cmocka_unit_test(a_token_does_not_carry_the_key_away),
        cmocka_unit_test(seeds_count_up),
    };
    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
