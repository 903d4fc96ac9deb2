/* 64 KB of stack are enough for everything: each scenario of the other tests, and each provider, in a thread that has no
   more. Without sanitizers, which need more themselves, the test tells how much was used. */

#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "scenarios.h"

#include <limits.h>
#include <pthread.h>

#include <sys/mman.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

enum {
    STACK = 64 * 1024,
    PAINT = 0xA7,
    DEEP = 510,
    DEEPER = 20000
}; /* limits.max_json_depth is 512 at most */

/* Sanitizers and valgrind need a stack of their own. */
static int is_watched(void) {
    const char *preloaded = getenv("LD_PRELOAD");
    return IS_SANITIZED || (preloaded && strstr(preloaded, "vgpreload"));
}

/* ---- a thread with a painted stack --------------------------------------------------------------------- */

static size_t most_used;
static const char *most_used_by = "nobody";

/* The stack's lower end is read by its neighbour only: a page that nobody may touch. */
static unsigned char *new_stack(size_t page) {
    unsigned char *whole =
        (unsigned char *)mmap(NULL, page + STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(whole != MAP_FAILED);
    assert_int_equal(mprotect(whole, page, PROT_NONE), 0);
    memset(whole + page, PAINT, STACK);
    return whole;
}

static void in_small_stack(const char *name, void *(*function)(void *), void *argument) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), untouched = 0;
    unsigned char *whole = new_stack(page), *stack = whole + page;
    pthread_attr_t attributes;
    pthread_t thread;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    if (!is_watched()) assert_int_equal(pthread_attr_setstack(&attributes, stack, STACK), 0);
    assert_int_equal(pthread_create(&thread, &attributes, function, argument), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)pthread_attr_destroy(&attributes);
    while (!is_watched() && untouched < STACK && stack[untouched] == PAINT) untouched++;
    if (!is_watched() && STACK - untouched > most_used) {
        most_used = STACK - untouched;
        most_used_by = name;
    }
    (void)munmap(whole, page + STACK);
}

/* ---- scenarios ----------------------------------------------------------------------------------------- */

typedef struct trial {
    const scenario *tried;
    scene s;
    tarash_image_result result;
} trial;

static void *perform(void *argument) {
    trial *t = (trial *)argument;
    t->s.client = tarash_image_client_create(&t->s.desc);
    if (!t->s.client) return NULL;
    t->result = t->tried->perform(&t->s);
    tarash_image_response_free(&t->s.response);
    tarash_image_client_destroy(t->s.client);
    t->s.client = NULL;
    return NULL;
}

static void a_scenario(void **state) {
    static trial t;
    memset(&t, 0, sizeof t);
    t.tried = (const scenario *)*state;
    t.result = TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    scenario_open(&t.s, t.tried, "stack");
    in_small_stack(t.tried->name, perform, &t);
    assert_result(t.result, TARASH_IMAGE_OK);
    if (t.tried->check) t.tried->check(&t.s, t.result);
    assert_int_equal(t.s.memory.live_blocks, 0);
}

/* ---- providers ----------------------------------------------------------------------------------------- */

typedef struct asking {
    const char *provider, *rest, *model, *key, *options;
} asking;

/* Each row once, beside what the scenarios have. */
static const asking askings[] = {
    {"openai", "openai/v1", "gpt-image-1.5", SCENE_KEY, NULL},
    {"openai_compatible", "compatible/v1", "any", SCENE_KEY, NULL},
    {"indoxrouter", "indoxrouter", NULL, "indox-0123456789", NULL},
    {"atoma", "atoma", NULL, SCENE_KEY, NULL},
    {"xai", "xai/v1", NULL, "xai-0123456789", NULL},
    {"azure_openai", "azure_openai", "img-dep", SCENE_KEY, NULL},
    {"together", "together/v1", NULL, "tgp_v1_0123456789", NULL},
    {"openrouter", "openrouter/api/v1", NULL, "sk-or-v1-01234567", NULL},
    {"google", "google", NULL, "AIza0123456789", NULL},
    {"automatic1111", "automatic1111", NULL, "painter:0123456789abcdef0123", NULL},
    {"stability", "stability", NULL, SCENE_KEY, NULL},
    {"bedrock", "bedrock", NULL, "bedrock-api-key-0123456789", NULL},
    {"bedrock", "bedrock", "stability.plain-name",
     "AKIATARASHWIRETEST00:wJalrXUtnFEMI/K7MDENG+bPxRfiCYwiretest00", NULL},
    {"replicate", "replicate/v1", NULL, "r8_0123456789", NULL},
    {"luma", "luma/dream-machine/v1", NULL, "luma-0123456789", NULL},
    {"fal", "fal/queue", NULL, "5ca1ab1e-0000-4000:0123456789", NULL},
    {"huggingface", "huggingface", NULL, "hf_0123456789", NULL},
    {"runway", "runway", NULL, "key_0123456789", NULL},
    {"bfl", "bfl/v1", NULL, SCENE_KEY, NULL},
    {"recraft", "recraft/v1", NULL, "recraft-0123456789", NULL},
    {"ideogram", "ideogram", NULL, SCENE_KEY, "{\"async\":true}"},
    {"mock", "", NULL, NULL, NULL},
};

typedef struct call {
    tarash_image_client_desc desc;
    tarash_image_config config;
    tarash_image_request request;
    tarash_image_result result;
    char message[512], url[256];
} call;

static void *generate_and_plan(void *argument) {
    call *c = (call *)argument;
    tarash_image_client *client = tarash_image_client_create(&c->desc);
    tarash_image_response response;
    tarash_image_text plan;
    if (!client) return NULL;
    (void)tarash_image_plan(client, &c->config, &c->request, &plan);
    tarash_image_text_free(&plan);
    c->result = tarash_image_generate(client, &c->config, &c->request, &response);
    snprintf(c->message, sizeof c->message, "%s", response.error.message);
    tarash_image_response_free(&response);
    tarash_image_client_destroy(client);
    return NULL;
}

static void call_open(call *c, const asking *a, const char *script) {
    memset(c, 0, sizeof *c);
    assert_int_equal(control_reset("stack"), 0);
    assert_int_equal(control_script("stack", script), 0);
    c->desc.proxy = "";
    c->desc.ca_file = server_ca_file();
    c->config.provider = a->provider;
    c->config.model = a->model;
    c->config.api_key = a->key;
    c->config.provider_config = a->options;
    c->config.base_url = server_api_url(c->url, sizeof c->url, "stack", a->rest);
    c->config.poll_interval_ms = 1;
    c->config.max_retries = TARASH_IMAGE_NO_RETRIES;
    c->request.prompt = "a lighthouse in fog";
    c->request.aspect_ratio = "3:2";
    c->request.n = 2;
}

static void every_provider(void **state) {
    static call c;
    size_t i, k, count;
    const tarash_image_provider_info *rows = tarash_image_providers(&count);
    (void)state;
    for (i = 0; i < COUNT(askings); i++) {
        call_open(&c, &askings[i], "[]");
        in_small_stack(askings[i].provider, generate_and_plan, &c);
        if (c.result != TARASH_IMAGE_OK) fail_msg("%s: %s", askings[i].provider, c.message);
        call_open(&c, &askings[i], "[{\"status\": 400, \"times\": -1}]");
        in_small_stack(askings[i].provider, generate_and_plan, &c);
    }
    for (i = 0; i < count; i++) {
        for (k = 0; k < COUNT(askings) && strcmp(askings[k].provider, rows[i].name) != 0; k++) continue;
        if (k == COUNT(askings)) fail_msg("%s isn't tested here", rows[i].name);
    }
}

/* ---- TLS, deep documents, long texts -------------------------------------------------------------------- */

static void over_tls(void **state) {
    static call c;
    (void)state;
    if (!server_ca_file()) skip();
    call_open(&c, &askings[0], "[{\"image_result\": {\"url\": true}}]");
    c.config.base_url = server_tls_url(c.url, sizeof c.url, "stack", "openai/v1");
    in_small_stack("TLS", generate_and_plan, &c);
    if (c.result != TARASH_IMAGE_OK) fail_msg("%s", c.message);
}

/* As deep as any client takes, in what is sent and in every part of what comes back; and deeper. */
static void ask_deeply(const char *start, int status, int levels, int asks_deeply) {
    static char extra[2 * DEEPER + 100], deep[2 * DEEPER + 1];
    static call c;
    memset(deep, '[', (size_t)levels);
    memset(deep + levels, ']', (size_t)levels);
    deep[2 * levels] = '\0';
    snprintf(extra, sizeof extra, "{\"a\":%s}", deep);
    call_open(&c, &askings[1], "[]");
    assert_int_equal(control_scriptf("stack", "[{\"status\": %d, \"body\": \"{%s%s}\", \"times\": -1}]",
                                     status, start, deep),
                     0);
    c.desc.limits.max_json_depth = 1 << 20;
    if (asks_deeply) c.request.extra_params = extra;
    in_small_stack("a deep document", generate_and_plan, &c);
    assert_true(c.result != TARASH_IMAGE_OK && c.result != TARASH_IMAGE_ERROR_OUT_OF_MEMORY);
    assert_int_equal(control_posts("stack"), levels > DEEP && asks_deeply ? 0 : 1);
}

static void deep_documents(void **state) {
    static const char *const starts[] = {
        "\\\"data\\\":", "\\\"usage\\\":", "\\\"deep\\\":", "\\\"error\\\":"};
    size_t i;
    (void)state;
    for (i = 0; i < 4 * COUNT(starts); i++)
        ask_deeply(starts[i / 4], i % 2 ? 400 : 200, i / 2 % 2 ? DEEPER : DEEP, i < 4);
}

/* ---- all of them --------------------------------------------------------------------------------------- */

static void what_was_used(void **state) {
    (void)state;
    if (is_watched()) skip();
    print_message("# %u of %d bytes of stack, most of all by %s\n", (unsigned)most_used, STACK, most_used_by);
    assert_true(most_used > 4096 && most_used < STACK);
}

int main(void) {
    struct CMUnitTest tests[SCENARIO_COUNT + 4] = {{NULL, NULL, NULL, NULL, NULL}};
    const struct CMUnitTest others[] = {
        cmocka_unit_test(every_provider),
        cmocka_unit_test(over_tls),
        cmocka_unit_test(deep_documents),
        cmocka_unit_test(what_was_used),
    };
    size_t i;
    for (i = 0; i < SCENARIO_COUNT; i++) {
        tests[i].name = scenario_list[i].name;
        tests[i].test_func = a_scenario;
        tests[i].initial_state = (void *)(uintptr_t)&scenario_list[i];
    }
    memcpy(&tests[SCENARIO_COUNT], others, sizeof others);
    return _cmocka_run_group_tests("stack", tests, COUNT(tests), server_setup_tls, server_teardown);
}
