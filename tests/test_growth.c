/* Thousands of calls of every kind, one after the other and side by side: success, failure, cancelling, jobs, downloads,
   files, mocks. Neither memory nor descriptors grow. */

#include "scene.h"

#include <signal.h>
#include <sys/stat.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

enum { SIDE_BY_SIDE = 4, MOST_KILOBYTES = 2048, MOST_DESCRIPTORS = 2 };

/* Sanitizers and valgrind keep what is freed for a while. */
static int is_slow(void) {
    const char *preloaded = getenv("LD_PRELOAD");
    return IS_SANITIZED || (preloaded && strstr(preloaded, "vgpreload"));
}

/* ---- kinds of calls ------------------------------------------------------------------------------------ */

typedef struct kind {
    const char *name, *provider, *rest, *script;
    tarash_image_result result;
    int polls_before_cancel; /* 0 = isn't cancelled */
    int has_sink, has_mock, has_second;
} kind;

#define SMALL "\"image_result\":{\"size\":\"16x16\"}"
#define LINK  "\"image_result\":{\"size\":\"16x16\",\"url\":true}"

static const kind kinds[] = {
    {"a mock", "mock", NULL, NULL, TARASH_IMAGE_OK, 0, 0, 1, 0},
    {"a mock into a file", "mock", NULL, NULL, TARASH_IMAGE_OK, 0, 1, 1, 0},
    {"base64", "openai", "openai/v1", "[{" SMALL "}]", TARASH_IMAGE_OK, 0, 0, 0, 0},
    {"base64 into a file", "openai", "openai/v1", "[{" SMALL "}]", TARASH_IMAGE_OK, 0, 1, 0, 0},
    {"a download", "openai_compatible", "compatible/v1", "[{" LINK "}]", TARASH_IMAGE_OK, 0, 0, 0, 0},
    {"a download into a file", "openai_compatible", "compatible/v1", "[{" LINK "}]", TARASH_IMAGE_OK, 0, 1, 0,
     0},
    {"a job", "painter", "jobs", "[{\"jobs\":{\"polls\":1}}]", TARASH_IMAGE_OK, 0, 0, 0, 0},
    {"a job with links", "painter", "jobs", "[{\"jobs\":{\"polls\":1,\"url\":true}}]", TARASH_IMAGE_OK, 0, 1,
     0, 0},
    {"a job that fails", "painter", "jobs", "[{\"jobs\":{\"polls\":0,\"fail\":true}}]",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, 0, 0, 0, 0},
    {"a refusal", "openai", "openai/v1", "[{\"status\":400}]", TARASH_IMAGE_ERROR_VALIDATION, 0, 0, 0, 0},
    {"no JSON", "openai", "openai/v1", "[{\"status\":200,\"body\":\"<html>\"}]",
     TARASH_IMAGE_ERROR_BAD_RESPONSE, 0, 1, 0, 0},
    {"a reset", "openai", "openai/v1", "[{\"reset\":\"in_body\"," SMALL "}]", TARASH_IMAGE_ERROR_CONNECTION,
     0, 1, 0, 0},
    {"a fallback", "xai", "xai/v1", "[{\"status\":502}]", TARASH_IMAGE_OK, 0, 1, 0, 1},
    {"a download that is gone", "openai_compatible", "compatible/v1",
     "[{" LINK "},{\"where\":\"files\",\"status\":404}]", TARASH_IMAGE_ERROR_HTTP, 0, 1, 0, 0},
    {"a bad setting", "openai", "openai/v1", NULL, TARASH_IMAGE_ERROR_VALIDATION, 0, 0, 0, 0},
    {"cancelled at once", "openai", "openai/v1", "[{" SMALL "}]", TARASH_IMAGE_ERROR_CANCELLED, 1, 0, 0, 0},
    {"cancelled on its way", "openai", "openai/v1", "[{\"stall\":true}]", TARASH_IMAGE_ERROR_CANCELLED, 3, 1,
     0, 0},
    {"a job that is cancelled", "painter", "jobs", "[{\"jobs\":{\"polls\":1000}}]",
     TARASH_IMAGE_ERROR_CANCELLED, 8, 0, 0, 0},
};

typedef struct call {
    const kind *kind;
    char session[32], url[256], second_url[256], pattern[700];
    tarash_image_config config, second;
    tarash_image_request request;
    tarash_image_sink sink;
    tarash_image_job job;
} call;

static struct {
    counting_allocator memory;
    jobs_service service;
    tarash_image_client *client;
    char folder[600];
} all;

static void prepare_config(tarash_image_config *config, const char *provider, const char *url) {
    config->provider = provider;
    config->api_key = strcmp(provider, "xai") == 0 ? "xai-growth-0123456789" : "sk-growth-0123456789";
    config->base_url = url;
    config->timeout_ms = 60000;
    config->poll_interval_ms = 1;
    config->max_retries = TARASH_IMAGE_NO_RETRIES;
}

static void call_open(call *c, const kind *k, int number) {
    memset(c, 0, sizeof *c);
    c->kind = k;
    snprintf(c->session, sizeof c->session, "growth%d", number);
    assert_int_equal(control_reset(c->session), 0);
    if (k->script) assert_int_equal(control_script(c->session, k->script), 0);
    if (k->rest) server_api_url(c->url, sizeof c->url, c->session, k->rest);
    server_api_url(c->second_url, sizeof c->second_url, c->session, "compatible/v1");
    prepare_config(&c->config, k->provider, k->rest ? c->url : NULL);
    prepare_config(&c->second, "openai_compatible", c->second_url);
    c->second.model = "second";
    if (strcmp(k->provider, "openai_compatible") == 0) c->config.model = "first";
    c->config.fallbacks = &c->second;
    c->config.fallback_count = (size_t)k->has_second;
    c->request.prompt = "a lighthouse in fog";
    if (strcmp(k->name, "a bad setting") == 0) c->request.n = -1;
    if (k->has_mock) c->request.size = "32x32";
    snprintf(c->pattern, sizeof c->pattern, "%s/%s-{index}.{ext}", all.folder, c->session);
    c->sink.path = c->pattern;
    if (k->has_sink) c->request.sink = &c->sink;
}

static void remove_files(const tarash_image_response *response) {
    size_t i;
    for (i = 0; i < response->image_count; i++)
        if (response->images[i].path) assert_int_equal(unlink(response->images[i].path), 0);
}

static void call_take(call *c) {
    tarash_image_response response;
    tarash_image_result result = tarash_image_take(all.client, c->job, &response);
    if (result != c->kind->result)
        fail_msg("%s: %s: %s", c->kind->name, tarash_image_result_name(result), response.error.message);
    remove_files(&response);
    tarash_image_response_free(&response);
}

static void call_start(call *c, int is_blocking) {
    tarash_image_response response;
    tarash_image_result result;
    if (!is_blocking || c->kind->polls_before_cancel) {
        c->job = tarash_image_submit(all.client, &c->config, &c->request);
        if (c->kind->polls_before_cancel == 1) tarash_image_cancel(all.client, c->job);
        return;
    }
    result = tarash_image_generate(all.client, &c->config, &c->request, &response);
    if (result != c->kind->result)
        fail_msg("%s: %s: %s", c->kind->name, tarash_image_result_name(result), response.error.message);
    remove_files(&response);
    tarash_image_response_free(&response);
}

/* Some calls side by side. */
static void run_some(call *calls, const kind *first, size_t count, int is_blocking) {
    size_t i;
    int turn = 0;
    for (i = 0; i < count; i++) {
        call_open(&calls[i], &first[i], (int)(first + i - kinds));
        call_start(&calls[i], is_blocking);
    }
    while (tarash_image_poll(all.client, 1) > 0) {
        turn++;
        for (i = 0; i < count; i++)
            if (first[i].polls_before_cancel && first[i].polls_before_cancel <= turn)
                tarash_image_cancel(all.client, calls[i].job);
    }
    for (i = 0; i < count; i++)
        if (calls[i].job.id) call_take(&calls[i]);
}

static void run_rounds(int count) {
    call calls[SIDE_BY_SIDE];
    size_t i;
    int round;
    for (round = 0; round < count; round++)
        for (i = 0; i < COUNT(kinds); i += SIDE_BY_SIDE)
            run_some(calls, &kinds[i], COUNT(kinds) - i < SIDE_BY_SIDE ? COUNT(kinds) - i : SIDE_BY_SIDE,
                     round % 2);
}

/* ---- what may not grow --------------------------------------------------------------------------------- */

typedef struct size_of_all {
    long kilobytes;
    int descriptors, files;
    size_t blocks, bytes;
} size_of_all;

static long resident_kilobytes(void) {
    long pages = 0, ignored;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file) return 0;
    if (fscanf(file, "%ld %ld", &ignored, &pages) != 2) pages = 0;
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* What was cancelled may still be telling so to its provider. */
static size_of_all measure(void) {
    size_of_all now;
    while (all.client && is_sending(all.client)) (void)tarash_image_poll(all.client, 5);
    now.kilobytes = resident_kilobytes();
    now.descriptors = file_exists("/proc/self/fd") ? directory_count("/proc/self/fd") : 0;
    now.files = directory_count(all.folder);
    now.blocks = all.memory.live_blocks;
    now.bytes = all.memory.live_bytes;
    return now;
}

static void check_growth(const size_of_all *before) {
    size_of_all now = measure();
    if (now.descriptors > before->descriptors + MOST_DESCRIPTORS)
        fail_msg("%d descriptors, then %d", before->descriptors, now.descriptors);
    if (!is_slow() && now.kilobytes > before->kilobytes + MOST_KILOBYTES)
        fail_msg("%ld KB, then %ld KB", before->kilobytes, now.kilobytes);
    if (now.bytes > before->bytes + 1024 || now.blocks > before->blocks + 8)
        fail_msg("%u bytes in %u blocks, then %u in %u", (unsigned)before->bytes, (unsigned)before->blocks,
                 (unsigned)now.bytes, (unsigned)now.blocks);
    assert_int_equal(now.files, 0);
}

static void nothing_grows(void **state) {
    tarash_image_client_desc desc;
    size_of_all before, empty;
    int part, rounds = is_slow() ? 5 : 40;
    (void)state;
    memset(&desc, 0, sizeof desc);
    desc.allocator = counting_allocator_functions(&all.memory);
    desc.proxy = "";
    temporary_path(all.folder, sizeof all.folder, "growth");
    assert_int_equal(mkdir(all.folder, 0700), 0);
    empty = measure();
    all.client = tarash_image_client_create(&desc);
    assert_non_null(all.client);
    jobs_service_open(&all.service);
    assert_result(tarash_image_register_provider(all.client, &all.service.provider), TARASH_IMAGE_OK);
    run_rounds(rounds);
    before = measure();
    for (part = 0; part < 5; part++) {
        run_rounds(rounds);
        check_growth(&before);
    }
    tarash_image_client_destroy(all.client);
    all.client = NULL;
    assert_int_equal(all.memory.live_blocks, 0);
    assert_true(measure().descriptors <= empty.descriptors);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_grows)};
    signal(SIGPIPE, SIG_IGN);
    (void)temporary_directory();
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return 1;
    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
