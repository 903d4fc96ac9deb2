/* What the tests of the engine share: one client, one config, one request against one session of the local
   server, and a clock that stands still until a test moves it. Defines the implementation, so that a test can
   ask how long a job is going to wait. Everything is inline: each program uses a part of it. */

#ifndef SCENE_H
#define SCENE_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define TARASH_IMAGE_IMPLEMENTATION
#include "support.h"

#define SCENE_KEY     "sk-scene-0123456789abcdef"
#define SCENE_SECONDS 20 /* of real time, after which a test that waits has failed */

typedef struct scene {
    char session[64];
    char url[256];
    tarash_image_client_desc desc;
    fake_clock clock;
    counting_allocator memory;
    log_collector log;
    tarash_image_client *client;
    tarash_image_config config;
    tarash_image_request request;
    tarash_image_response response;
    tarash_image_job job;
    int64_t waits[32]; /* between the tries of the last run, in milliseconds of the clock */
    size_t wait_count;
} scene;

static inline int64_t real_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A session without a past, and settings that suit its OpenAI protocol. The client comes later, so that a
   test can change s->desc. */
static inline void scene_open(scene *s, const char *session) {
    memset(s, 0, sizeof *s);
    snprintf(s->session, sizeof s->session, "%s", session);
    assert_int_equal(control_reset(session), 0);
    server_api_url(s->url, sizeof s->url, session, "openai/v1");
    s->clock.now_ms = 1000000;
    s->desc.clock = fake_clock_functions(&s->clock);
    s->desc.allocator = counting_allocator_functions(&s->memory);
    s->desc.logger = log_collector_functions(&s->log, TARASH_IMAGE_LOG_DEBUG);
    s->desc.proxy = "";
    s->desc.random_seed = 1;
    s->config.provider = "openai";
    s->config.model = "dall-e-2";
    s->config.api_key = SCENE_KEY;
    s->config.base_url = s->url;
    s->request.prompt = "a lighthouse in fog";
    s->request.size = "256x256";
}

static inline void scene_client(scene *s) {
    s->client = tarash_image_client_create(&s->desc);
    assert_non_null(s->client);
}

/* Opens the scene and its client, and hands the server a script (NULL = none). */
static inline void scene_start(scene *s, const char *session, const char *script) {
    scene_open(s, session);
    if (script) assert_int_equal(control_script(session, script), 0);
    scene_client(s);
}

/* Releases everything; nothing may be left, and no key may have been logged. */
static inline void scene_close(scene *s) {
    tarash_image_response_free(&s->response);
    tarash_image_client_destroy(s->client);
    assert_int_equal(s->memory.live_blocks, 0);
    assert_false(log_collector_contains(&s->log, SCENE_KEY));
    assert_int_equal(control_leaks(s->session), 0);
    log_collector_clear(&s->log);
}

/* ---- looking into a client ---- */

static inline tarimg_job *job_at(tarash_image_client *client, size_t i) {
    return client->places[i].job;
}

static inline int is_sending(tarash_image_client *client) {
    size_t i;
    if (client->detached) return 1;
    for (i = 0; i < client->place_count; i++) {
        const tarimg_task *task = job_at(client, i) ? job_at(client, i)->tasks : NULL;
        for (; task; task = task->next) {
            if (task->transfer && task->transfer->easy) return 1;
        }
    }
    return 0;
}

/* When the earliest task that waits goes on, from now; -1 = none waits. */
static inline int64_t waiting_ms(tarash_image_client *client) {
    int64_t least = -1;
    size_t i;
    for (i = 0; i < client->place_count; i++) {
        const tarimg_task *task = job_at(client, i) ? job_at(client, i)->tasks : NULL;
        for (; task; task = task->next) {
            int64_t wait;
            if (!task->timer.place) continue;
            wait = task->timer.due - tarimg_now(client);
            if (wait < 0) wait = 0;
            if (least < 0 || wait < least) least = wait;
        }
    }
    return least;
}

/* How long until the earliest deadline of a job, from now; -1 = none. */
static inline int64_t deadline_ms(tarash_image_client *client) {
    int64_t least = -1;
    size_t i;
    for (i = 0; i < client->place_count; i++) {
        const tarimg_job *job = job_at(client, i);
        int64_t left = job && job->timer.place ? job->timer.due - tarimg_now(client) : -1;
        if (left >= 0 && (least < 0 || left < least)) least = left;
    }
    return least;
}

static inline int has_ended(scene *s) {
    return tarash_image_job_status(s->client, s->job, NULL) >= TARASH_IMAGE_STATUS_COMPLETED;
}

/* Polls until nothing is under way any more: what is left waits for the clock. */
static inline void settle(scene *s) {
    int64_t end = real_ms() + SCENE_SECONDS * 1000;
    do {
        (void)tarash_image_poll(s->client, 5);
        if (real_ms() > end) fail_msg("the request under way doesn't come to its end");
    } while (is_sending(s->client) || waiting_ms(s->client) == 0);
}

static inline void advance(scene *s, int64_t milliseconds) {
    s->clock.now_ms += milliseconds;
}

/* Polls until the server has seen so many requests. */
static inline void poll_until_requests(scene *s, int count) {
    int64_t end = real_ms() + SCENE_SECONDS * 1000;
    while (!control_wait(s->session, count, 0, 0, 0)) {
        (void)tarash_image_poll(s->client, 2);
        if (real_ms() > end) fail_msg("the server didn't see %d requests", count);
    }
}

/* ---- running a job ---- */

static inline void scene_submit(scene *s) {
    tarash_image_response_free(&s->response);
    s->job = tarash_image_submit(s->client, &s->config, &s->request);
    assert_int_not_equal(s->job.id, 0);
    s->wait_count = 0;
}

/* Moves the clock from wait to wait until the job has ended. Nothing may be sent before a wait is over. */
static inline void finish(scene *s) {
    for (;;) {
        int64_t wait, deadline;
        settle(s);
        if (has_ended(s)) return;
        wait = waiting_ms(s->client);
        deadline = deadline_ms(s->client);
        if (wait < 0) fail_msg("the job neither ends nor waits");
        if (deadline >= 0 && deadline < wait) wait = deadline;
        if (s->wait_count < sizeof s->waits / sizeof s->waits[0]) s->waits[s->wait_count++] = wait;
        if (wait > 1) {
            advance(s, wait - 1);
            (void)tarash_image_poll(s->client, 0);
            assert_false(is_sending(s->client));
            wait = 1;
        }
        advance(s, wait);
    }
}

static inline tarash_image_result scene_take(scene *s) {
    tarash_image_response_free(&s->response);
    return tarash_image_take(s->client, s->job, &s->response);
}

static inline tarash_image_result run(scene *s) {
    scene_submit(s);
    finish(s);
    return scene_take(s);
}

#define assert_result(result, expected)                                                                      \
    assert_string_equal(tarash_image_result_name(result), tarash_image_result_name(expected))
#define assert_delivery(delivery, expected)                                                                  \
    assert_string_equal(tarash_image_delivery_name(delivery), tarash_image_delivery_name(expected))
#define assert_contains(text, part)                                                                          \
    do {                                                                                                     \
        const char *whole_text = (text);                                                                     \
        if (!whole_text || !strstr(whole_text, (part)))                                                      \
            fail_msg("\"%s\" is not in \"%s\"", (part), whole_text ? whole_text : "(null)");                 \
    } while (0)

/* A whole picture, as its bytes say. */
static inline void assert_picture(const tarash_image *image, int width, int height) {
    assert_non_null(image);
    assert_non_null(image->data);
    assert_true(image->size > 8);
    assert_memory_equal(image->data, "\x89PNG", 4);
    assert_string_equal(image->mime_type, "image/png");
    assert_int_equal(image->width, width);
    assert_int_equal(image->height, height);
}

static inline const tarash_image_warning *warning_about(const tarash_image_response *response,
                                                        const char *field) {
    size_t i;
    for (i = 0; i < response->warning_count; i++) {
        if (strcmp(response->warnings[i].field, field) == 0) return &response->warnings[i];
    }
    return NULL;
}

/* ---- a provider of the program's own: the server's "jobs" ---- */

typedef struct jobs_service {
    int elsewhere;      /* polls where the answer says, not below base_url */
    char poll_url[256]; /* of that */
    const char *body;   /* JSON for the field "options" */
    int builds[4];      /* calls by phase */
    int reads[4];
    tarash_image_provider provider;
} jobs_service;

static inline tarash_image_result jobs_build(tarash_image_exchange *exchange, tarash_image_phase phase,
                                             void *user_data) {
    jobs_service *service = (jobs_service *)user_data;
    const tarash_image_request *request = tarash_image_exchange_request(exchange);
    const char *id = tarash_image_exchange_job_id(exchange);
    char path[300];
    service->builds[phase]++;
    switch (phase) {
    case TARASH_IMAGE_PHASE_SUBMIT:
        tarash_image_exchange_send(exchange, "POST", "jobs");
        tarash_image_exchange_set_text(exchange, "prompt", request->prompt);
        tarash_image_exchange_set_text(exchange, "size", request->size);
        tarash_image_exchange_set_integer(exchange, "count", tarash_image_exchange_count(exchange));
        if (request->has_seed) tarash_image_exchange_set_integer(exchange, "seed", request->seed);
        if (service->body) tarash_image_exchange_set_json(exchange, "options", service->body);
        return TARASH_IMAGE_OK;
    case TARASH_IMAGE_PHASE_POLL:
        snprintf(path, sizeof path, "jobs/%.200s", id ? id : "none");
        tarash_image_exchange_send(exchange, "GET", service->elsewhere ? service->poll_url : path);
        return TARASH_IMAGE_OK;
    case TARASH_IMAGE_PHASE_FETCH:
        snprintf(path, sizeof path, "jobs/%.200s/result", id ? id : "none");
        tarash_image_exchange_send(exchange, "GET", path);
        return TARASH_IMAGE_OK;
    case TARASH_IMAGE_PHASE_CANCEL:
        snprintf(path, sizeof path, "jobs/%.200s", id ? id : "none");
        tarash_image_exchange_send(exchange, "DELETE", path);
        return TARASH_IMAGE_OK;
    }
    return TARASH_IMAGE_ERROR_UNSUPPORTED;
}

static inline tarash_image_result jobs_read_state(tarash_image_exchange *exchange) {
    const char *state = tarash_image_exchange_text(exchange, "state");
    int64_t number = -1;
    if (!state)
        return tarash_image_exchange_fail(exchange, TARASH_IMAGE_ERROR_BAD_RESPONSE, NULL, "no state");
    if (strcmp(state, "failed") == 0) {
        const char *code = tarash_image_exchange_text(exchange, "error.code");
        return tarash_image_exchange_fail(exchange,
                                          code && strcmp(code, "content_policy") == 0
                                              ? TARASH_IMAGE_ERROR_CONTENT_MODERATION
                                              : TARASH_IMAGE_ERROR_GENERATION_FAILED,
                                          code, tarash_image_exchange_text(exchange, "error.message"));
    }
    if (strcmp(state, "done") == 0) {
        tarash_image_exchange_next(exchange, TARASH_IMAGE_PHASE_FETCH);
        return TARASH_IMAGE_OK;
    }
    if (strcmp(state, "queued") == 0) {
        (void)tarash_image_exchange_integer(exchange, "position", &number);
        tarash_image_exchange_progress(exchange, TARASH_IMAGE_STATUS_QUEUED, -1, (int)number, NULL);
    } else {
        (void)tarash_image_exchange_integer(exchange, "percent", &number);
        tarash_image_exchange_progress(exchange, TARASH_IMAGE_STATUS_PROCESSING, (int)number, -1,
                                       tarash_image_exchange_text(exchange, "log"));
    }
    tarash_image_exchange_next(exchange, TARASH_IMAGE_PHASE_POLL);
    return TARASH_IMAGE_OK;
}

static inline tarash_image_result jobs_read_pictures(tarash_image_exchange *exchange) {
    size_t i, count = tarash_image_exchange_length(exchange, "pictures");
    for (i = 0; i < count; i++) {
        char path[64];
        snprintf(path, sizeof path, "pictures[%u].b64", (unsigned)i);
        if (tarash_image_exchange_add_image(exchange, path)) continue;
        snprintf(path, sizeof path, "pictures[%u].link", (unsigned)i);
        (void)tarash_image_exchange_add_image(exchange, path);
    }
    return TARASH_IMAGE_OK;
}

static inline tarash_image_result jobs_read(tarash_image_exchange *exchange, tarash_image_phase phase,
                                            void *user_data) {
    jobs_service *service = (jobs_service *)user_data;
    const char *status_url = tarash_image_exchange_text(exchange, "status_url");
    service->reads[phase]++;
    if (phase == TARASH_IMAGE_PHASE_POLL) return jobs_read_state(exchange);
    if (phase == TARASH_IMAGE_PHASE_FETCH) return jobs_read_pictures(exchange);
    if (status_url) snprintf(service->poll_url, sizeof service->poll_url, "%s", status_url);
    tarash_image_exchange_accept(exchange, tarash_image_exchange_text(exchange, "id"));
    tarash_image_exchange_next(exchange, TARASH_IMAGE_PHASE_POLL);
    return TARASH_IMAGE_OK;
}

/* Describes the provider; the test may change service->provider before it registers it. */
static inline void jobs_service_open(jobs_service *service) {
    memset(service, 0, sizeof *service);
    service->provider.name = "painter";
    service->provider.default_model = "brush-1";
    service->provider.image_paths = "pictures[].b64";
    service->provider.build_fn = jobs_build;
    service->provider.read_fn = jobs_read;
    service->provider.polls = 1;
    service->provider.cancels = 1;
    service->provider.user_data = service;
    service->provider.capabilities.fields =
        TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED;
    service->provider.capabilities.seed_max = 1000000;
}

/* Makes the scene's config ask the service. */
static inline void scene_use_jobs(scene *s, jobs_service *service) {
    server_api_url(s->url, sizeof s->url, s->session, "jobs");
    s->config.provider = service->provider.name;
    s->config.model = NULL;
    s->request.size = "32x16";
    assert_result(tarash_image_register_provider(s->client, &service->provider), TARASH_IMAGE_OK);
}

#endif
