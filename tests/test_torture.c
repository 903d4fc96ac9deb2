/* libcurl's own memory running out, at every allocation of it: once, and from then on. Whatever comes of it, the call
   ends with a result that fits, nothing is paid for twice, nothing leaks on either side, and the client works afterwards. */

#include "scenarios.h"

enum { MOST_TRIES = 60 };

/* ---- libcurl's allocator ------------------------------------------------------------------------------- */

static struct {
    size_t live, calls, fail_at;
    int is_armed, from_then_on;
} memory;

static int refuses(void) {
    if (!memory.is_armed) return 0;
    memory.calls++;
    return memory.fail_at &&
           (memory.calls == memory.fail_at || (memory.from_then_on && memory.calls > memory.fail_at));
}

static void *count_block(void *block) {
    memory.live += block != NULL;
    return block;
}

static void *curl_malloc_double(size_t size) {
    return refuses() ? NULL : count_block(malloc(size));
}

static void *curl_calloc_double(size_t count, size_t size) {
    return refuses() ? NULL : count_block(calloc(count, size));
}

static char *curl_strdup_double(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = refuses() ? NULL : (char *)count_block(malloc(size));
    if (copy) memcpy(copy, text, size);
    return copy;
}

static void *curl_realloc_double(void *block, size_t size) {
    void *grown;
    if (refuses()) return NULL;
    grown = realloc(block, size);
    if (!block) return count_block(grown);
    return grown;
}

static void curl_free_double(void *block) {
    if (block) memory.live--;
    free(block);
}

/* Before anything else asks libcurl for something. */
static int group_setup(void **state) {
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc_double, curl_free_double, curl_realloc_double,
                             curl_strdup_double, curl_calloc_double) != CURLE_OK)
        return -1;
    return server_setup(state);
}

/* ---- trying ---- */

static size_t attempt(const scenario *tried, size_t at, int from_then_on) {
    const char *manner = from_then_on ? "and later" : "once";
    scene s;
    tarash_image_result result = TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    size_t calls, live;
    scenario_open(&s, tried, "torture");
    live = memory.live;
    memory.calls = 0;
    memory.fail_at = at;
    memory.from_then_on = from_then_on;
    memory.is_armed = 1;
    s.client = tarash_image_client_create(&s.desc);
    if (s.client) result = tried->perform(&s);
    memory.is_armed = 0;
    calls = memory.calls;
    if (at == 0) assert_result(result, TARASH_IMAGE_OK);
    /* libcurl takes some of its own failures for the network's. */
    if (result != TARASH_IMAGE_OK && result != TARASH_IMAGE_ERROR_OUT_OF_MEMORY &&
        result != TARASH_IMAGE_ERROR_CONNECTION)
        fail_msg("allocation %d (%s): %s: %s", (int)at, manner, tarash_image_result_name(result),
                 s.response.error.message);
    assert_consistent(&s, result);
    assert_honest(&s, tried, result);
    if (tried->check) tried->check(&s, result);
    tarash_image_response_free(&s.response);
    s.request.on_progress = NULL;
    if (s.client) assert_client_works(&s);
    tarash_image_client_destroy(s.client);
    if (memory.live != live)
        fail_msg("allocation %d (%s): %d blocks of libcurl's are left", (int)at, manner,
                 (int)(memory.live - live));
    assert_int_equal(s.memory.live_blocks, 0);
    return calls;
}

static void every_allocation_of_libcurl_may_fail(void **state) {
    const scenario *tried = (const scenario *)*state;
    size_t calls = attempt(tried, 0, 0), step = step_between(calls, MOST_TRIES), at;
    for (at = 1; at <= calls; at += step) {
        (void)attempt(tried, at, 0);
        (void)attempt(tried, at + step / 2, 1);
    }
}

int main(void) {
    return run_scenarios(every_allocation_of_libcurl_may_fail, group_setup);
}
