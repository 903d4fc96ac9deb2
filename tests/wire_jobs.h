/* What the wire tests of providers with jobs share, beside wire.h: words in bodies that stand for pictures, progress
   as text, resuming, cancelling, and calls that run out of memory. Each program uses a part of it. */

#ifndef WIRE_JOBS_H
#define WIRE_JOBS_H

#include "wire.h"

static inline void replace_all(char *text, size_t size, const char *word, const char *with) {
    static char rest[65536];
    char *at;
    while ((at = strstr(text, word)) != NULL) {
        snprintf(rest, sizeof rest, "%s", at + strlen(word));
        snprintf(at, size - (size_t)(at - text), "%s%s", with, rest);
    }
}

/* ---- progress as text: "queued -1%; processing 40% its words; completed 100%; " ---- */

static char steps[4096];

static inline void note_step(const tarash_image_update *update, void *user_data) {
    (void)user_data;
    assert_int_equal(update->queue_position, -1); /* none of these providers tells it */
    append_text(steps, sizeof steps, "%s %d%%%s%s; ", tarash_image_status_name(update->status),
                update->progress_percent, update->message ? " " : "", update->message ? update->message : "");
}

static inline void watch_progress(void) {
    steps[0] = '\0';
    b.request.on_progress = note_step;
}

/* ---- the other ways of a job ---- */

static inline void read_log_again(void) {
    cJSON_Delete(b.log);
    b.log = control_log(b.session);
    assert_non_null(b.log);
}

/* Gives up after the first poll, and goes on with the token. */
static inline void give_up_and_resume(void) {
    char token[1024];
    tarash_image_job job;
    b.config.max_poll_attempts = 1;
    run();
    expect(TARASH_IMAGE_ERROR_TIMEOUT);
    snprintf(token, sizeof token, "%s", b.response.error.job_token);
    assert_true(token[0] != '\0');
    refuse_text("the token", token, KEY);
    tarash_image_response_free(&b.response);
    b.config.max_poll_attempts = 10;
    job = tarash_image_resume(b.client, &b.config, token);
    while (tarash_image_poll(b.client, 100) > 0) continue;
    b.result = tarash_image_take(b.client, job, &b.response);
    expect(TARASH_IMAGE_OK);
    read_log_again();
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
}

/* Cancels after the first poll. What has to be told to the provider has been told when it returns. */
static inline void cancel_while_polling(void) {
    tarash_image_job job;
    int tries;
    b.config.max_poll_attempts = 1000000;
    script("[{\"jobs\":{\"polls\":1000000}}]");
    job = tarash_image_submit(b.client, &b.config, &b.request);
    for (tries = 0; tries < 1000 && !control_wait(b.session, 2, 1, 0, 0); tries++)
        (void)tarash_image_poll(b.client, 10);
    assert_true(tries < 1000);
    tarash_image_cancel(b.client, job);
    b.result = tarash_image_take(b.client, job, &b.response);
    expect(TARASH_IMAGE_ERROR_CANCELLED);
    assert_int_equal(b.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
    tarash_image_client_destroy(b.client);
    b.client = NULL;
    read_log_again();
}

/* ---- lack of memory ---- */

/* The call of b.config and b.request with an allocator that fails at one place; returns how many allocations
   there were. */
static inline size_t run_without_memory(size_t fail_at, int from_then_on, tarash_image_result whole) {
    counting_allocator memory;
    tarash_image_client_desc desc;
    tarash_image_client *client;
    tarash_image_response response;
    tarash_image_result result = TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    memset(&memory, 0, sizeof memory);
    memset(&desc, 0, sizeof desc);
    memory.fail_at = fail_at;
    memory.fail_from_then_on = from_then_on;
    desc.allocator = counting_allocator_functions(&memory);
    client = tarash_image_client_create(&desc);
    if (client) {
        result = tarash_image_generate(client, &b.config, &b.request, &response);
        tarash_image_response_free(&response);
    }
    tarash_image_client_destroy(client);
    if (result != whole && result != TARASH_IMAGE_ERROR_OUT_OF_MEMORY)
        fail_msg("%s without allocation %d", tarash_image_result_name(result), (int)fail_at);
    assert_int_equal(memory.live_blocks, 0);
    return memory.calls;
}

/* At every allocation of a call that otherwise has that result: once, and from then on. */
static inline void fail_everywhere(const char *json, tarash_image_result whole) {
    size_t calls, i;
    b.config.retry.initial_ms = 1;
    script(json);
    calls = run_without_memory(0, 0, whole);
    assert_true(calls > 20);
    for (i = 1; i <= calls; i++) {
        script(json);
        (void)run_without_memory(i, (int)(i & 1), whole);
    }
    assert_int_equal(control_leaks(b.session), 0);
}

#endif
