/* The life of jobs: blocking and not, status, handles, waking up, callbacks, cancelling, connections. */

#include "scene.h"

#include <pthread.h>

/* ---- blocking, and not ---- */

static void both_ways_give_the_same(void **state) {
    scene s;
    tarash_image_response other;
    (void)state;
    scene_start(&s, "same", NULL);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.status, TARASH_IMAGE_STATUS_COMPLETED);
    assert_result(tarash_image_generate(s.client, &s.config, &s.request, &other), TARASH_IMAGE_OK);
    assert_int_equal(s.response.image_count, 1);
    assert_int_equal(other.image_count, 1);
    assert_picture(&s.response.images[0], 256, 256);
    assert_int_equal(s.response.images[0].size, other.images[0].size);
    assert_memory_equal(s.response.images[0].data, other.images[0].data, other.images[0].size);
    assert_string_equal(s.response.provider, other.provider);
    assert_string_equal(s.response.model, other.model);
    assert_int_equal(s.response.attempt_count, other.attempt_count);
    assert_int_equal(s.response.warning_count, other.warning_count);
    assert_string_not_equal(s.response.request_id, other.request_id);
    tarash_image_response_free(&other);

    assert_int_equal(control_script("same", "[{\"status\": 401}, {\"status\": 401}]"), 0);
    assert_result(run(&s), TARASH_IMAGE_ERROR_AUTHENTICATION);
    assert_result(tarash_image_generate(s.client, &s.config, &s.request, &other),
                  TARASH_IMAGE_ERROR_AUTHENTICATION);
    assert_string_equal(s.response.error.message, other.error.message);
    tarash_image_response_free(&other);
    scene_close(&s);
}

static void no_client_is_needed(void **state) {
    scene s;
    (void)state;
    scene_open(&s, "no-client");
    assert_result(tarash_image_generate(NULL, &s.config, &s.request, &s.response), TARASH_IMAGE_OK);
    assert_picture(tarash_image_response_first(&s.response), 256, 256);
    scene_close(&s);
}

static void a_response_outlives_its_client(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "outlives", NULL);
    assert_result(run(&s), TARASH_IMAGE_OK);
    tarash_image_client_destroy(s.client);
    s.client = NULL;
    assert_picture(&s.response.images[0], 256, 256);
    assert_string_equal(s.response.provider, "openai");
    tarash_image_response_free(&s.response);
    assert_int_equal(s.response.image_count, 0);
    tarash_image_response_free(&s.response); /* twice */
    tarash_image_response_free(NULL);
    scene_close(&s);
}

static void texts_of_config_and_request_are_copied(void **state) {
    scene s;
    char key[] = SCENE_KEY, prompt[] = "a heron", url[256], model[] = "dall-e-2", size[] = "256x256";
    (void)state;
    scene_start(&s, "copied", NULL);
    snprintf(url, sizeof url, "%s", s.url);
    s.config.api_key = key;
    s.config.base_url = url;
    s.config.model = model;
    s.request.prompt = prompt;
    s.request.size = size;
    scene_submit(&s);
    memset(key, 'x', sizeof key - 1);
    memset(url, 'x', sizeof url - 1);
    memset(prompt, 'x', sizeof prompt - 1);
    memset(model, 'x', sizeof model - 1);
    memset(size, 'x', sizeof size - 1);
    memset(&s.config, 0xA5, sizeof s.config);
    memset(&s.request, 0xA5, sizeof s.request);
    finish(&s);
    assert_result(scene_take(&s), TARASH_IMAGE_OK);
    scene_close(&s);
}

static void a_poll_never_blocks(void **state) {
    scene s;
    int64_t longest = 0, began = real_ms();
    int polls = 0;
    (void)state;
    scene_start(&s, "frames",
                "[{\"image_result\": {\"size\": \"16x16\"},"
                " \"trickle\": {\"chunk\": 20, \"every_ms\": 10, \"head\": true}}]");
    scene_submit(&s);
    while (!has_ended(&s)) {
        int64_t before = real_ms(), took;
        struct timespec frame = {0, 2000000};
        (void)tarash_image_poll(s.client, 0);
        took = real_ms() - before;
        if (took > longest) longest = took;
        polls++;
        nanosleep(&frame, NULL);
        assert_true(real_ms() - began < SCENE_SECONDS * 1000);
    }
    assert_result(scene_take(&s), TARASH_IMAGE_OK);
    assert_true(polls > 20);
    if (longest > 100) fail_msg("a poll took %d ms", (int)longest); /* generous: the machine may be busy */
    scene_close(&s);
}

static void polling_without_jobs_returns_at_once(void **state) {
    scene s;
    int64_t began;
    (void)state;
    scene_start(&s, "nothing", NULL);
    began = real_ms();
    assert_int_equal(tarash_image_poll(s.client, 10000), 0);
    assert_true(real_ms() - began < 2000);
    assert_int_equal(tarash_image_poll(NULL, 10), 0);
    scene_close(&s);
}

/* ---- status and handles ---- */

static void status_goes_through_its_steps(void **state) {
    scene s;
    tarash_image_update update;
    (void)state;
    scene_start(&s, "steps", "[{\"delay_ms\": 50}]");
    scene_submit(&s);
    assert_int_equal(tarash_image_job_status(s.client, s.job, &update), TARASH_IMAGE_STATUS_QUEUED);
    assert_int_equal(update.job.id, s.job.id);
    assert_int_equal(update.status, TARASH_IMAGE_STATUS_QUEUED);
    assert_int_equal(update.progress_percent, -1);
    assert_int_equal(update.queue_position, -1);
    assert_int_equal(update.attempt, 1);
    assert_string_equal(update.provider, "openai");
    assert_string_equal(update.model, "dall-e-2");
    assert_int_equal(tarash_image_poll(s.client, 0), 1);
    assert_int_equal(tarash_image_job_status(s.client, s.job, &update), TARASH_IMAGE_STATUS_PROCESSING);
    assert_null(update.error);
    finish(&s);
    assert_int_equal(tarash_image_poll(s.client, 0), 0);
    assert_int_equal(tarash_image_job_status(s.client, s.job, &update), TARASH_IMAGE_STATUS_COMPLETED);
    assert_true(update.bytes_received > 0);
    assert_result(scene_take(&s), TARASH_IMAGE_OK);
    assert_int_equal(tarash_image_job_status(s.client, s.job, &update), TARASH_IMAGE_STATUS_NONE);
    assert_int_equal(update.status, TARASH_IMAGE_STATUS_NONE);

    assert_int_equal(control_script("steps", "[{\"status\": 404}]"), 0);
    scene_submit(&s);
    finish(&s);
    assert_int_equal(tarash_image_job_status(s.client, s.job, &update), TARASH_IMAGE_STATUS_FAILED);
    assert_non_null(update.error);
    assert_int_equal(update.error->http_status, 404);
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_HTTP);
    scene_close(&s);
}

static void a_job_that_runs_can_not_be_taken(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "too-early", "[{\"delay_ms\": 30}]");
    scene_submit(&s);
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_VALIDATION);
    assert_result(s.response.error.result, TARASH_IMAGE_ERROR_VALIDATION);
    tarash_image_response_free(&s.response);
    finish(&s); /* it stays as it is */
    assert_result(scene_take(&s), TARASH_IMAGE_OK);
    scene_close(&s);
}

static void a_job_is_taken_once(void **state) {
    scene s;
    tarash_image_response again;
    tarash_image_job none = {0}, foreign = {0x7FFF0123u};
    (void)state;
    scene_start(&s, "twice", NULL);
    assert_result(run(&s), TARASH_IMAGE_OK);
    memset(&again, 0xA5, sizeof again);
    assert_result(tarash_image_take(s.client, s.job, &again), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(again.image_count, 0);
    tarash_image_response_free(&again);
    assert_result(tarash_image_take(s.client, foreign, &again), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_not_equal(tarash_image_take(s.client, none, &again), TARASH_IMAGE_OK);
    assert_int_not_equal(tarash_image_take(NULL, none, &again), TARASH_IMAGE_OK);
    assert_result(tarash_image_take(s.client, none, NULL), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(tarash_image_job_status(s.client, none, NULL), TARASH_IMAGE_STATUS_NONE);
    assert_int_equal(tarash_image_job_status(s.client, foreign, NULL), TARASH_IMAGE_STATUS_NONE);
    assert_int_equal(tarash_image_job_status(NULL, s.job, NULL), TARASH_IMAGE_STATUS_NONE);
    tarash_image_cancel(s.client, s.job);
    tarash_image_cancel(s.client, none);
    tarash_image_cancel(s.client, foreign);
    tarash_image_cancel(NULL, s.job);
    scene_close(&s);
}

static void an_old_handle_stays_dead(void **state) {
    scene s;
    tarash_image_job old;
    int i;
    (void)state;
    scene_start(&s, "old-handle", NULL);
    s.config.provider = "mock";
    s.config.base_url = NULL;
    s.config.model = NULL;
    s.request.size = "8x8";
    assert_result(run(&s), TARASH_IMAGE_OK);
    old = s.job;
    for (i = 0; i < 300; i++) {
        scene_submit(&s);
        assert_int_not_equal(s.job.id, old.id);
        assert_int_equal(tarash_image_job_status(s.client, old, NULL), TARASH_IMAGE_STATUS_NONE);
        tarash_image_cancel(s.client, old); /* must not reach the new one */
        finish(&s);
        assert_result(scene_take(&s), TARASH_IMAGE_OK);
    }
    scene_close(&s);
}

static void a_bad_submit_still_gives_a_job(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "bad-submit", NULL);
    s.config.provider = "nobody";
    scene_submit(&s);
    assert_int_equal(tarash_image_job_status(s.client, s.job, NULL), TARASH_IMAGE_STATUS_FAILED);
    assert_int_equal(tarash_image_poll(s.client, 0), 0);
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_VALIDATION);
    assert_contains(s.response.error.message, "nobody");
    s.job = tarash_image_submit(s.client, NULL, NULL);
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(tarash_image_submit(NULL, &s.config, &s.request).id, 0);
    scene_close(&s);
}

enum { MANY = 40 };

static void many_jobs_on_one_client(void **state) {
    scene s;
    tarash_image_job jobs[MANY];
    int64_t end = real_ms() + SCENE_SECONDS * 1000;
    int i, left;
    (void)state;
    scene_start(&s, "many", NULL);
    assert_int_equal(
        control_script("many", "[{\"status\": 404, \"times\": 5},"
                               " {\"image_result\": {\"size\": \"8x8\"}, \"delay_ms\": 20, \"times\": -1}]"),
        0);
    for (i = 0; i < MANY; i++) {
        jobs[i] = tarash_image_submit(s.client, &s.config, &s.request);
        assert_int_not_equal(jobs[i].id, 0);
    }
    while ((left = tarash_image_poll(s.client, 100)) > 0) {
        assert_true(left <= MANY);
        assert_true(real_ms() < end);
    }
    for (i = left = 0; i < MANY; i++) {
        tarash_image_result result;
        /* in any order */
        result = tarash_image_take(s.client, jobs[(i * 7) % MANY], &s.response);
        if (result == TARASH_IMAGE_ERROR_HTTP)
            left++;
        else {
            assert_result(result, TARASH_IMAGE_OK);
            assert_picture(&s.response.images[0], 8, 8);
        }
        tarash_image_response_free(&s.response);
    }
    assert_int_equal(left, 5);
    assert_int_equal(control_posts("many"), MANY);
    scene_close(&s);
}

static void connections_are_reused(void **state) {
    scene s;
    cJSON *log;
    double connection;
    int i;
    (void)state;
    scene_start(&s, "reused", NULL);
    for (i = 0; i < 4; i++) assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(control_script("reused", "[{\"status\": 400}]"), 0);
    assert_result(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
    assert_result(run(&s), TARASH_IMAGE_OK);
    log = control_log("reused");
    connection = log_number(log_entry(log, 0), "connection");
    for (i = 1; i < 6; i++) assert_true(log_number(log_entry(log, i), "connection") == connection);
    cJSON_Delete(log);
    scene_close(&s);
}

/* ---- waking up ---- */

typedef struct waker {
    tarash_image_client *client;
    int after_ms;
} waker;

static void *wake(void *context) {
    const waker *w = (const waker *)context;
    struct timespec pause;
    pause.tv_sec = 0;
    pause.tv_nsec = w->after_ms * 1000000L;
    nanosleep(&pause, NULL);
    tarash_image_wakeup(w->client);
    return NULL;
}

static void another_thread_ends_a_wait(void **state) {
    scene s;
    waker w;
    pthread_t thread;
    int64_t began;
    (void)state;
    scene_open(&s, "wake");
    memset(&s.desc.clock, 0, sizeof s.desc.clock); /* with a clock of its own a poll never waits long */
    scene_client(&s);
    assert_int_equal(control_script("wake", "[{\"stall\": true}]"), 0);
    scene_submit(&s);
    poll_until_requests(&s, 1);
    while (tarash_image_poll(s.client, 20) && real_ms() % 3) continue; /* whatever is left to move */
    w.client = s.client;
    w.after_ms = 100;
    began = real_ms();
    assert_int_equal(pthread_create(&thread, NULL, wake, &w), 0);
    assert_int_equal(tarash_image_poll(s.client, 15000), 1);
    assert_true(real_ms() - began < 7000);
    pthread_join(thread, NULL);
    tarash_image_wakeup(NULL);
    scene_close(&s);
}

static void a_poll_waits_as_long_as_it_is_told(void **state) {
    scene s;
    int64_t began;
    (void)state;
    scene_open(&s, "told-wait");
    memset(&s.desc.clock, 0, sizeof s.desc.clock);
    scene_client(&s);
    assert_int_equal(control_script("told-wait", "[{\"stall\": true}]"), 0);
    scene_submit(&s);
    poll_until_requests(&s, 1);
    began = real_ms();
    (void)tarash_image_poll(s.client, 150);
    assert_int_equal(tarash_image_poll(s.client, 150), 1);
    assert_true(real_ms() - began >= 140);
    scene_close(&s);
}

/* ---- callbacks ---- */

typedef struct watcher {
    scene *s;
    int calls, completed, failed, processing;
    uint64_t bytes;
    tarash_image_result error;
    void (*action)(struct watcher *watcher, const tarash_image_update *update);
    tarash_image_job other;
    int done;
} watcher;

static void watch(const tarash_image_update *update, void *user_data) {
    watcher *w = (watcher *)user_data;
    w->calls++;
    assert_int_equal(w->completed + w->failed, 0); /* nothing comes after the end */
    if (update->status == TARASH_IMAGE_STATUS_PROCESSING) w->processing++;
    if (update->status == TARASH_IMAGE_STATUS_COMPLETED) {
        w->completed++;
        assert_non_null(update->response);
        assert_int_equal(update->response->image_count, 1);
        assert_null(update->error);
    }
    if (update->status == TARASH_IMAGE_STATUS_FAILED) {
        w->failed++;
        assert_non_null(update->error);
        assert_null(update->response);
        w->error = update->error->result;
    }
    assert_true(update->bytes_received >= w->bytes);
    w->bytes = update->bytes_received;
    if (w->action) w->action(w, update);
}

static void scene_watch(scene *s, watcher *w, void (*action)(watcher *, const tarash_image_update *)) {
    memset(w, 0, sizeof *w);
    w->s = s;
    w->action = action;
    s->request.on_progress = watch;
    s->request.user_data = w;
}

static void progress_is_told(void **state) {
    scene s;
    watcher w;
    (void)state;
    scene_start(&s, "progress", "[{\"trickle\": {\"chunk\": 400, \"every_ms\": 10}}]");
    scene_watch(&s, &w, NULL);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(w.completed, 1);
    assert_true(w.processing >= 2);
    assert_true(w.bytes > 400);

    scene_watch(&s, &w, NULL);
    assert_int_equal(control_script("progress", "[{\"status\": 400}]"), 0);
    assert_result(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(w.failed, 1);
    assert_result(w.error, TARASH_IMAGE_ERROR_VALIDATION);
    scene_close(&s);
}

static void submit_another(watcher *w, const tarash_image_update *update) {
    tarash_image_request request;
    if (update->status < TARASH_IMAGE_STATUS_COMPLETED || w->done) return;
    w->done = 1;
    request = w->s->request;
    request.on_progress = NULL;
    w->other = tarash_image_submit(w->s->client, &w->s->config, &request);
    assert_int_not_equal(w->other.id, 0);
}

static void a_callback_may_submit(void **state) {
    scene s;
    watcher w;
    (void)state;
    scene_start(&s, "submit-inside", NULL);
    scene_watch(&s, &w, submit_another);
    assert_result(run(&s), TARASH_IMAGE_OK);
    tarash_image_response_free(&s.response);
    s.job = w.other;
    finish(&s);
    assert_result(scene_take(&s), TARASH_IMAGE_OK);
    assert_int_equal(control_posts("submit-inside"), 2);
    scene_close(&s);
}

static void generate_another(watcher *w, const tarash_image_update *update) {
    tarash_image_request request;
    tarash_image_response response;
    (void)update;
    if (w->done) return;
    w->done = 1;
    request = w->s->request;
    request.on_progress = NULL;
    assert_result(tarash_image_generate(w->s->client, &w->s->config, &request, &response), TARASH_IMAGE_OK);
    tarash_image_response_free(&response);
    (void)tarash_image_poll(w->s->client, 0);
}

static void a_callback_may_poll(void **state) {
    scene s;
    watcher w;
    (void)state;
    scene_start(&s, "poll-inside", NULL);
    scene_watch(&s, &w, generate_another);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(w.done, 1);
    assert_int_equal(control_posts("poll-inside"), 2);
    scene_close(&s);
}

static void take_own(watcher *w, const tarash_image_update *update) {
    if (update->status < TARASH_IMAGE_STATUS_COMPLETED) return;
    w->done = 1;
    assert_result(tarash_image_take(w->s->client, update->job, &w->s->response), TARASH_IMAGE_OK);
}

static void a_callback_may_take(void **state) {
    scene s;
    watcher w;
    (void)state;
    scene_start(&s, "take-inside", NULL);
    scene_watch(&s, &w, take_own);
    scene_submit(&s);
    while (!w.done) (void)tarash_image_poll(s.client, 10);
    assert_picture(&s.response.images[0], 256, 256);
    assert_int_equal(tarash_image_job_status(s.client, s.job, NULL), TARASH_IMAGE_STATUS_NONE);
    scene_close(&s);
}

static void destroy_inside(watcher *w, const tarash_image_update *update) {
    (void)update;
    if (w->done) return;
    w->done = 1;
    tarash_image_client_destroy(w->s->client);
}

static void a_callback_may_destroy_the_client(void **state) {
    scene s;
    watcher w;
    tarash_image_client *client;
    (void)state;
    scene_start(&s, "destroy-inside", "[{\"stall\": true}]");
    scene_watch(&s, &w, destroy_inside);
    scene_submit(&s);
    while (!w.done) {
        client = s.client;
        if (tarash_image_poll(client, 10) == 0) break;
    }
    assert_int_equal(w.done, 1);
    assert_int_equal(s.memory.live_blocks, 0);
    s.client = NULL;
    scene_close(&s);

    /* And out of a blocking call: it ends. */
    scene_start(&s, "destroy-blocking", "[{\"stall\": true}]");
    scene_watch(&s, &w, destroy_inside);
    assert_int_not_equal(tarash_image_generate(s.client, &s.config, &s.request, &s.response),
                         TARASH_IMAGE_OK);
    assert_result(s.response.error.result, TARASH_IMAGE_ERROR_CANCELLED);
    tarash_image_response_free(&s.response);
    assert_int_equal(s.memory.live_blocks, 0);
    s.client = NULL;
    scene_close(&s);
}

/* ---- cancelling ---- */

static void assert_cancelled(scene *s) {
    tarash_image_update update;
    size_t i;
    assert_int_equal(tarash_image_job_status(s->client, s->job, &update), TARASH_IMAGE_STATUS_FAILED);
    assert_non_null(update.error);
    assert_result(update.error->result, TARASH_IMAGE_ERROR_CANCELLED);
    assert_int_equal(tarash_image_poll(s->client, 0), 0);
    assert_result(scene_take(s), TARASH_IMAGE_ERROR_CANCELLED);
    assert_int_equal(s->response.successful_attempt, 0);
    for (i = 0; i < s->response.image_count; i++) { /* a URL may be known already, or a sink has it whole */
        assert_true(s->response.images[i].url || s->response.images[i].size > 0);
        assert_null(s->response.images[i].data);
    }
}

static void cancel_before_it_starts(void **state) {
    scene s;
    watcher w;
    (void)state;
    scene_start(&s, "cancel-before", NULL);
    scene_watch(&s, &w, NULL);
    scene_submit(&s);
    tarash_image_cancel(s.client, s.job);
    assert_cancelled(&s);
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_NOT_SENT);
    assert_int_equal(control_posts("cancel-before"), 0);
    tarash_image_cancel(s.client, s.job); /* gone: no-op */
    scene_close(&s);
}

static void cancel_while_it_waits_for_the_answer(void **state) {
    scene s;
    watcher w;
    tarash_image_config second;
    (void)state;
    scene_start(&s, "cancel-waiting", "[{\"stall\": true}]");
    second = s.config;
    s.config.fallbacks = &second;
    s.config.fallback_count = 1;
    scene_watch(&s, &w, NULL);
    scene_submit(&s);
    poll_until_requests(&s, 1);
    tarash_image_cancel(s.client, s.job);
    assert_int_equal(tarash_image_poll(s.client, 0), 0);
    assert_int_equal(w.failed, 1);
    assert_result(w.error, TARASH_IMAGE_ERROR_CANCELLED);
    assert_cancelled(&s);
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_UNKNOWN);
    assert_int_equal(s.response.attempt_count, 1);
    assert_result(s.response.attempts[0].result, TARASH_IMAGE_ERROR_CANCELLED);
    assert_true(control_wait("cancel-waiting", 1, 1, 1, 5000));
    assert_int_equal(control_posts("cancel-waiting"), 1);
    scene_close(&s);
}

static void cancel_while_it_connects(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "cancel-connecting", NULL);
    snprintf(s.url, sizeof s.url, "http://127.0.0.1:%d/v1", unused_port());
    scene_submit(&s);
    (void)tarash_image_poll(s.client, 0);
    tarash_image_cancel(s.client, s.job);
    assert_cancelled(&s);
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_NOT_SENT);
    scene_close(&s);
}

static void cancel_in_the_middle_of_a_body(void **state) {
    scene s;
    tarash_image_update update;
    (void)state;
    scene_start(&s, "cancel-body", "[{\"trickle\": {\"chunk\": 60, \"every_ms\": 10}}]");
    scene_submit(&s);
    do {
        (void)tarash_image_poll(s.client, 10);
        (void)tarash_image_job_status(s.client, s.job, &update);
    } while (update.bytes_received < 100);
    tarash_image_cancel(s.client, s.job);
    assert_cancelled(&s);
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_UNKNOWN);
    assert_true(control_wait("cancel-body", 1, 1, 1, 5000));
    scene_close(&s);
}

static void cancel_in_a_backoff(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "cancel-backoff", "[{\"status\": 503, \"times\": -1}]");
    scene_submit(&s);
    settle(&s);
    assert_true(waiting_ms(s.client) > 0);
    tarash_image_cancel(s.client, s.job);
    assert_cancelled(&s);
    advance(&s, 1000000);
    (void)tarash_image_poll(s.client, 0);
    assert_int_equal(control_posts("cancel-backoff"), 1);
    scene_close(&s);
}

static void cancel_own(watcher *w, const tarash_image_update *update) {
    w->done++;
    tarash_image_cancel(w->s->client, update->job);
}

static void cancel_from_the_callback(void **state) {
    scene s;
    watcher w;
    (void)state;
    scene_start(&s, "cancel-callback", "[{\"trickle\": {\"chunk\": 60, \"every_ms\": 10}}]");
    scene_watch(&s, &w, cancel_own);
    scene_submit(&s);
    while (!has_ended(&s)) (void)tarash_image_poll(s.client, 10);
    (void)tarash_image_poll(s.client, 0);
    assert_int_equal(w.failed, 1);
    assert_cancelled(&s);
    scene_close(&s);
}

/* A sink that cancels, in its n-th call. */
typedef struct cancelling_sink {
    scene *s;
    int calls, cancel_at, opened, closed, aborted;
} cancelling_sink;

static int sink_call(cancelling_sink *sink) {
    if (++sink->calls == sink->cancel_at) tarash_image_cancel(sink->s->client, sink->s->job);
    return 0;
}

static int sink_open(void *user_data, size_t index, const char *mime_type, void **stream) {
    cancelling_sink *sink = (cancelling_sink *)user_data;
    (void)index;
    (void)mime_type;
    *stream = NULL;
    sink->opened++;
    return sink_call(sink);
}

static int sink_write(void *user_data, void *stream, const void *data, size_t size) {
    (void)stream;
    (void)data;
    (void)size;
    return sink_call((cancelling_sink *)user_data);
}

static int sink_close(void *user_data, void *stream) {
    (void)stream;
    ((cancelling_sink *)user_data)->closed++;
    return sink_call((cancelling_sink *)user_data);
}

static void sink_abort(void *user_data, void *stream) {
    (void)stream;
    ((cancelling_sink *)user_data)->aborted++;
}

static void cancel_from_a_sink_with(const char *script, int at) {
    scene s;
    tarash_image_config second;
    tarash_image_sink sink;
    cancelling_sink context;
    scene_start(&s, "cancel-sink", script);
    memset(&sink, 0, sizeof sink);
    memset(&context, 0, sizeof context);
    sink.open_fn = sink_open;
    sink.write_fn = sink_write;
    sink.close_fn = sink_close;
    sink.abort_fn = sink_abort;
    sink.user_data = &context;
    context.s = &s;
    context.cancel_at = at;
    second = s.config;
    s.config.fallbacks = &second;
    s.config.fallback_count = 1;
    s.request.sink = &sink;
    scene_submit(&s);
    finish(&s);
    if (context.calls < at) fail_msg("the sink was called %d times only", context.calls);
    assert_cancelled(&s);
    assert_int_equal(context.opened, 1);
    assert_int_equal(context.closed + context.aborted, 1);
    assert_int_equal(control_posts("cancel-sink"), 1);
    scene_close(&s);
}

static void cancel_from_a_sink(void **state) {
    (void)state;
    /* opening, writing, closing: also where the answer is whole in the same moment */
    cancel_from_a_sink_with(NULL, 1);
    cancel_from_a_sink_with(NULL, 2);
    cancel_from_a_sink_with(NULL, 3);
    cancel_from_a_sink_with("[{\"image_result\": {\"url\": true}}]", 1);
    cancel_from_a_sink_with("[{\"image_result\": {\"url\": true}}]", 2);
    cancel_from_a_sink_with("[{\"image_result\": {\"size\": \"1024x1024\"}}]", 2);
}

/* The link fails in the very moment in which the sink cancels. */
static void cancel_beats_fallback(void **state) {
    (void)state;
    cancel_from_a_sink_with("[{\"base64\": \"garbage_at:1600\"}]", 1);
    cancel_from_a_sink_with("[{\"image_result\": {\"size\": \"64x64\"}, \"merge\": {\"created\": \"x\"}, "
                            "\"close_after_bytes\": 1600}]",
                            1);
}

/* ---- cancelling at the provider ---- */

static void cancel_reaches_the_provider(void **state) {
    scene s;
    jobs_service service;
    cJSON *log;
    (void)state;
    scene_start(&s, "cancel-remote", "[{\"jobs\": {\"polls\": 1000}}]");
    jobs_service_open(&service);
    scene_use_jobs(&s, &service);
    scene_submit(&s);
    settle(&s);
    advance(&s, 2000);
    settle(&s); /* between two polls */
    tarash_image_cancel(s.client, s.job);
    assert_int_equal(service.builds[TARASH_IMAGE_PHASE_CANCEL], 1);
    assert_cancelled(&s);
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
    settle(&s);
    log = control_log("cancel-remote");
    assert_int_equal(log_count(log, "DELETE", "/jobs/job-1"), 1);
    assert_int_equal(log_count(log, "GET", "/jobs/job-1"), 1);
    assert_string_equal(log_header(log_entry(log, -1), "authorization"), "Bearer " SCENE_KEY);
    cJSON_Delete(log);
    assert_int_equal(service.reads[TARASH_IMAGE_PHASE_CANCEL], 0);
    scene_close(&s);
}

static void cancel_during_a_poll_reaches_the_provider(void **state) {
    scene s;
    jobs_service service;
    cJSON *log;
    (void)state;
    scene_start(&s, "cancel-poll", "[{\"jobs\": {\"polls\": 1000}}, {\"method\": \"GET\", \"stall\": true}]");
    jobs_service_open(&service);
    scene_use_jobs(&s, &service);
    scene_submit(&s);
    settle(&s);
    advance(&s, 2000);
    poll_until_requests(&s, 2);
    tarash_image_cancel(s.client, s.job);
    assert_cancelled(&s);
    settle(&s);
    log = control_log("cancel-poll");
    assert_int_equal(log_count(log, "DELETE", "/jobs/job-1"), 1);
    cJSON_Delete(log);
    scene_close(&s);
}

static void destroying_a_client_cancels_its_jobs(void **state) {
    scene s;
    jobs_service service;
    cJSON *log;
    int i;
    (void)state;
    scene_start(&s, "destroy", "[{\"jobs\": {\"polls\": 1000}}]");
    jobs_service_open(&service);
    scene_use_jobs(&s, &service);
    scene_submit(&s);
    settle(&s);
    s.config.provider = "openai";
    s.config.model = "dall-e-2";
    server_api_url(s.url, sizeof s.url, "destroy", "openai/v1");
    s.request.size = NULL;
    assert_int_equal(control_script("destroy", "[{\"stall\": true, \"times\": -1}]"), 0);
    for (i = 0; i < 3; i++) (void)tarash_image_submit(s.client, &s.config, &s.request);
    (void)tarash_image_poll(s.client, 5);
    assert_int_equal(control_script("destroy", "[]"), 0);
    (void)tarash_image_submit(s.client, &s.config, &s.request); /* never begun */
    tarash_image_client_destroy(s.client);
    s.client = NULL;
    assert_int_equal(s.memory.live_blocks, 0);
    log = control_log("destroy");
    assert_int_equal(log_count(log, "DELETE", "/jobs/job-1"), 1);
    cJSON_Delete(log);
    tarash_image_client_destroy(NULL);
    scene_close(&s);
}

/* A provider that doesn't answer its cancel holds nobody up. */
static void destroying_waits_a_moment_only(void **state) {
    scene s;
    jobs_service service;
    int64_t began;
    (void)state;
    scene_start(&s, "destroy-slow",
                "[{\"jobs\": {\"polls\": 1000}}, {\"method\": \"DELETE\", \"stall\": true}]");
    jobs_service_open(&service);
    scene_use_jobs(&s, &service);
    scene_submit(&s);
    settle(&s);
    began = real_ms();
    tarash_image_client_destroy(s.client);
    s.client = NULL;
    assert_true(real_ms() - began < 5000);
    scene_close(&s);
}

static void nothing_is_sent_after_a_cancel(void **state) {
    scene s;
    jobs_service service;
    cJSON *log;
    (void)state;
    scene_start(&s, "cancel-quiet", "[{\"jobs\": {\"polls\": 1000}}]");
    jobs_service_open(&service);
    service.provider.cancels = 0; /* it can't be told */
    scene_use_jobs(&s, &service);
    scene_submit(&s);
    settle(&s);
    tarash_image_cancel(s.client, s.job);
    assert_cancelled(&s);
    advance(&s, 100000);
    (void)tarash_image_poll(s.client, 10);
    log = control_log("cancel-quiet");
    assert_int_equal(cJSON_GetArraySize(log), 1);
    cJSON_Delete(log);
    scene_close(&s);
}

static void cancelled_jobs_need_not_be_taken(void **state) {
    scene s;
    int i;
    size_t blocks = 0;
    (void)state;
    scene_start(&s, "not-taken", NULL);
    s.config.provider = "mock";
    s.config.base_url = NULL;
    s.config.model = NULL;
    for (i = 0; i < 500; i++) {
        scene_submit(&s);
        tarash_image_cancel(s.client, s.job);
        if (i == 100) blocks = s.memory.live_blocks;
    }
    assert_true(s.memory.live_blocks <= blocks + 20); /* they don't pile up */
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_give_the_same),
        cmocka_unit_test(no_client_is_needed),
        cmocka_unit_test(a_response_outlives_its_client),
        cmocka_unit_test(texts_of_config_and_request_are_copied),
        cmocka_unit_test(a_poll_never_blocks),
        cmocka_unit_test(polling_without_jobs_returns_at_once),
        cmocka_unit_test(status_goes_through_its_steps),
        cmocka_unit_test(a_job_that_runs_can_not_be_taken),
        cmocka_unit_test(a_job_is_taken_once),
        cmocka_unit_test(an_old_handle_stays_dead),
        cmocka_unit_test(a_bad_submit_still_gives_a_job),
        cmocka_unit_test(many_jobs_on_one_client),
        cmocka_unit_test(connections_are_reused),
        cmocka_unit_test(another_thread_ends_a_wait),
        cmocka_unit_test(a_poll_waits_as_long_as_it_is_told),
        cmocka_unit_test(progress_is_told),
        cmocka_unit_test(a_callback_may_submit),
        cmocka_unit_test(a_callback_may_poll),
        cmocka_unit_test(a_callback_may_take),
        cmocka_unit_test(a_callback_may_destroy_the_client),
        cmocka_unit_test(cancel_before_it_starts),
        cmocka_unit_test(cancel_while_it_waits_for_the_answer),
        cmocka_unit_test(cancel_while_it_connects),
        cmocka_unit_test(cancel_in_the_middle_of_a_body),
        cmocka_unit_test(cancel_in_a_backoff),
        cmocka_unit_test(cancel_from_the_callback),
        cmocka_unit_test(cancel_from_a_sink),
        cmocka_unit_test(cancel_beats_fallback),
        cmocka_unit_test(cancel_reaches_the_provider),
        cmocka_unit_test(cancel_during_a_poll_reaches_the_provider),
        cmocka_unit_test(destroying_a_client_cancels_its_jobs),
        cmocka_unit_test(destroying_waits_a_moment_only),
        cmocka_unit_test(nothing_is_sent_after_a_cancel),
        cmocka_unit_test(cancelled_jobs_need_not_be_taken),
    };
    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
