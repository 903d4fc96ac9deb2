/* Lack of memory, at every allocation: once, and from then on. A call may then say OUT_OF_MEMORY or succeed all
   the same; it leaks nothing, and its client works afterwards. */

#include "scenarios.h"

enum { MOST_TRIES = 1000 };

/* One run that refuses allocation number `at` (0 = none); returns how many there were. */
static size_t attempt(const scenario *tried, size_t at, int from_then_on) {
    scene s;
    tarash_image_result result = TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    size_t calls;
    scenario_open(&s, tried, "memory");
    s.memory.fail_at = at;
    s.memory.fail_from_then_on = from_then_on;
    s.client = tarash_image_client_create(&s.desc);
    if (s.client) result = tried->perform(&s);
    calls = s.memory.calls;
    s.memory.fail_at = 0;
    if (at == 0) assert_result(result, TARASH_IMAGE_OK);
    if (result != TARASH_IMAGE_OK && result != TARASH_IMAGE_ERROR_OUT_OF_MEMORY)
        fail_msg("allocation %d (%s): %s: %s", (int)at, from_then_on ? "and later" : "once",
                 tarash_image_result_name(result), s.response.error.message);
    assert_consistent(&s, result);
    assert_honest(&s, tried, result);
    if (tried->check) tried->check(&s, result);
    tarash_image_response_free(&s.response);
    s.request.on_progress = NULL;
    if (s.client) assert_client_works(&s);
    tarash_image_client_destroy(s.client);
    if (s.memory.live_blocks)
        fail_msg("allocation %d (%s): %d blocks are left", (int)at, from_then_on ? "and later" : "once",
                 (int)s.memory.live_blocks);
    return calls;
}

static void every_allocation_may_fail(void **state) {
    const scenario *tried = (const scenario *)*state;
    size_t calls = attempt(tried, 0, 0), step = step_between(calls, MOST_TRIES), at;
    assert_true(calls > 5);
    for (at = 1; at <= calls; at += step) {
        (void)attempt(tried, at, 0);
        (void)attempt(tried, at + step / 2, 1);
    }
}

int main(void) {
    return run_scenarios(every_allocation_may_fail, server_setup);
}
