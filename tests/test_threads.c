/* Threads, signals, fork, small stacks, and what is left after thousands of calls. Also built with the thread sanitizer:
   make tsan. */
/* LIBS: -ldl */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT */
#endif

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "scene.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

#define THREADS     64
#define SOON_MS     250
#define KEY         "sk-threads-0123456789"
#define SMALL       "\"image_result\": {\"size\": \"16x16\"}"
#define SMALL_STACK (64 * 1024)

/* ---- a resolver that takes its time -------------------------------------------------------------------- */

/* libcurl asks this one, since a program's own function goes before the C library's. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out) {
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    void *found;
    if (node && strcmp(node, "slow.invalid") == 0) {
        struct timespec duration = {3, 0};
        while (nanosleep(&duration, &duration) != 0 && errno == EINTR) continue;
        return EAI_NONAME;
    }
    found = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&real, &found, sizeof real);
    return real(node, service, hints, out);
}

/* Sanitizers and valgrind take their time, and memory of their own. */
static int is_slow(void) {
    const char *preloaded = getenv("LD_PRELOAD");
    return IS_SANITIZED || (preloaded && strstr(preloaded, "vgpreload"));
}

/* ---- workers: asserting is the main thread's business -------------------------------------------------- */

typedef struct worker {
    pthread_t thread;
    int number;
    const char *ca_file;
    char problem[256]; /* "" = none */
} worker;

#define EXPECT(w, condition)                                                                                 \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            snprintf((w)->problem, sizeof(w)->problem, "line %d: not so: %.150s", __LINE__, #condition);     \
            return NULL;                                                                                     \
        }                                                                                                    \
    } while (0)

static void start_worker(worker *w, int number, size_t stack, void *(*function)(void *)) {
    pthread_attr_t attributes;
    memset(w, 0, sizeof *w);
    w->number = number;
    w->ca_file = server_ca_file();
    assert_int_equal(pthread_attr_init(&attributes), 0);
    if (stack && !is_slow()) {
        if (stack < (size_t)PTHREAD_STACK_MIN) stack = (size_t)PTHREAD_STACK_MIN;
        assert_int_equal(pthread_attr_setstacksize(&attributes, stack), 0);
    }
    assert_int_equal(pthread_create(&w->thread, &attributes, function, w), 0);
    pthread_attr_destroy(&attributes);
}

static void join_worker(worker *w) {
    assert_int_equal(pthread_join(w->thread, NULL), 0);
    if (w->problem[0]) fail_msg("worker %d: %s", w->number, w->problem);
}

/* One kind of call after the other. */
typedef struct call {
    tarash_image_config config;
    tarash_image_request request;
    tarash_image_response response;
    char url[256], session[64];
} call;

static void call_init(call *c, int number, const char *protocol) {
    memset(c, 0, sizeof *c);
    snprintf(c->session, sizeof c->session, "thread-%d", number);
    server_api_url(c->url, sizeof c->url, c->session, protocol);
    c->config.provider = "openai";
    c->config.model = "dall-e-2";
    c->config.api_key = KEY;
    c->config.base_url = c->url;
    c->request.prompt = "a lighthouse in fog";
    c->request.size = "256x256";
}

static void call_mock(call *c, int number) {
    call_init(c, number, "");
    c->config.provider = "mock";
    c->config.model = NULL;
    c->request.size = "48x32";
    c->request.n = 2;
}

/* ---- a client for each thread -------------------------------------------------------------------------- */

static void *use_the_mock(worker *w, tarash_image_client *client) {
    call c;
    tarash_image_text plan;
    call_mock(&c, w->number);
    EXPECT(w, tarash_image_generate(client, &c.config, &c.request, &c.response) == TARASH_IMAGE_OK);
    EXPECT(w, c.response.image_count == 2 && c.response.images[1].width == 48);
    tarash_image_response_free(&c.response);
    EXPECT(w, tarash_image_generate(NULL, &c.config, &c.request, &c.response) == TARASH_IMAGE_OK);
    tarash_image_response_free(&c.response);
    EXPECT(w, tarash_image_plan(NULL, &c.config, &c.request, &plan) == TARASH_IMAGE_OK);
    tarash_image_text_free(&plan);
    return w;
}

static void *use_the_server(worker *w, tarash_image_client *client) {
    call c;
    tarash_image_job jobs[3];
    tarash_image image;
    char url[256];
    int i;
    call_init(&c, w->number, "openai/v1");
    for (i = 0; i < 3; i++) jobs[i] = tarash_image_submit(client, &c.config, &c.request);
    tarash_image_cancel(client, jobs[1]);
    while (tarash_image_poll(client, 100) > 0) continue;
    for (i = 0; i < 3; i++) {
        tarash_image_result result = tarash_image_take(client, jobs[i], &c.response);
        EXPECT(w, result == (i == 1 ? TARASH_IMAGE_ERROR_CANCELLED : TARASH_IMAGE_OK));
        EXPECT(w, i == 1 || c.response.images[0].width == 256);
        tarash_image_response_free(&c.response);
    }
    server_files_url(url, sizeof url, c.session, "static/8x8.png");
    EXPECT(w, tarash_image_from_url(client, url, &image, NULL) == TARASH_IMAGE_OK);
    tarash_image_free(&image);
    return w;
}

/* The same over TLS, with an input image of pixels and a mask. */
static void *use_tls(worker *w, tarash_image_client *client) {
    static const unsigned char pixels[16 * 16 * 4];
    call c;
    tarash_image_input input;
    call_init(&c, w->number, "");
    server_tls_url(c.url, sizeof c.url, c.session, "openai/v1");
    memset(&input, 0, sizeof input);
    input.pixels = pixels;
    input.width = input.height = 16;
    input.channels = 4;
    c.request.images = &input;
    c.request.image_count = 1;
    c.request.mask = input;
    EXPECT(w, tarash_image_generate(client, &c.config, &c.request, &c.response) == TARASH_IMAGE_OK);
    tarash_image_response_free(&c.response);
    return w;
}

static void *live_a_client(void *argument) {
    worker *w = (worker *)argument;
    tarash_image_client_desc desc;
    tarash_image_client *client;
    int round;
    memset(&desc, 0, sizeof desc);
    desc.proxy = "";
    desc.ca_file = w->ca_file;
    client = tarash_image_client_create(&desc);
    EXPECT(w, client != NULL);
    for (round = 0; round < 2; round++) {
        if (!use_the_mock(w, client)) return NULL;
        if (w->number % 2 && !use_the_server(w, client)) return NULL;
        if (w->number % 8 == 0 && !use_tls(w, client)) return NULL;
    }
    tarash_image_client_destroy(client);
    return NULL;
}

/* Each with a stack of 64 KB. */
static void a_client_for_each_thread(void **state) {
    static worker workers[THREADS];
    int i;
    (void)state;
    for (i = 0; i < THREADS; i++) start_worker(&workers[i], i, SMALL_STACK, live_a_client);
    for (i = 0; i < THREADS; i++) join_worker(&workers[i]);
    for (i = 1; i < THREADS; i += 2) {
        char session[64];
        snprintf(session, sizeof session, "thread-%d", i);
        assert_int_equal(control_leaks(session), 0);
    }
}

/* A client may be made by one thread, used by a second and destroyed by a third, one after the other. */
static tarash_image_client *passed_on;

static void *make_a_client(void *argument) {
    worker *w = (worker *)argument;
    tarash_image_client_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.proxy = "";
    passed_on = tarash_image_client_create(&desc);
    EXPECT(w, passed_on != NULL);
    return NULL;
}

static void *use_the_client(void *argument) {
    (void)use_the_server((worker *)argument, passed_on);
    return NULL;
}

static void *destroy_the_client(void *argument) {
    (void)argument;
    tarash_image_client_destroy(passed_on);
    return NULL;
}

static void a_client_that_is_passed_on(void **state) {
    void *(*const steps[])(void *) = {make_a_client, use_the_client, use_the_client, destroy_the_client};
    worker w;
    int i;
    (void)state;
    for (i = 0; i < 4; i++) {
        start_worker(&w, 1, 0, steps[i]);
        join_worker(&w);
    }
}

/* ---- wakeup -------------------------------------------------------------------------------------------- */

typedef struct alarm_clock {
    tarash_image_client *client;
    atomic_int stop;
    int calls;
} alarm_clock;

static void *keep_waking(void *argument) {
    alarm_clock *a = (alarm_clock *)argument;
    while (!atomic_load(&a->stop)) {
        tarash_image_wakeup(a->client);
        a->calls++;
        usleep(100);
    }
    return NULL;
}

static void wakeups_all_the_time(void **state) {
    alarm_clock a;
    pthread_t thread;
    worker w;
    int i;
    (void)state;
    memset(&w, 0, sizeof w);
    memset(&a, 0, sizeof a);
    w.number = 1;
    a.client = tarash_image_client_create(NULL);
    assert_non_null(a.client);
    assert_int_equal(pthread_create(&thread, NULL, keep_waking, &a), 0);
    for (i = 0; i < 5; i++) {
        if (!use_the_server(&w, a.client)) break;
    }
    atomic_store(&a.stop, 1);
    pthread_join(thread, NULL);
    tarash_image_client_destroy(a.client);
    if (w.problem[0]) fail_msg("%s", w.problem);
    assert_true(a.calls > 0);
}

static void *wake_once(void *argument) {
    usleep(50000);
    tarash_image_wakeup((tarash_image_client *)argument);
    return NULL;
}

/* A wait of a minute ends when it is told to. */
static void a_wakeup_ends_a_wait(void **state) {
    scene s;
    pthread_t thread;
    int64_t begin;
    (void)state;
    scene_open(&s, "wakeup");
    memset(&s.desc.clock, 0, sizeof s.desc.clock);
    assert_int_equal(control_script("wakeup", "[{\"stall\": true}]"), 0);
    scene_client(&s);
    scene_submit(&s);
    poll_until_requests(&s, 1);
    begin = real_ms();
    assert_int_equal(pthread_create(&thread, NULL, wake_once, s.client), 0);
    while (real_ms() - begin < 50) (void)tarash_image_poll(s.client, 60000);
    assert_true(real_ms() - begin < 20000);
    pthread_join(thread, NULL);
    tarash_image_cancel(s.client, s.job);
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_CANCELLED);
    scene_close(&s);
}

/* ---- cancelling, wherever the job is ------------------------------------------------------------------- */

typedef struct place {
    const char *name;
    const char *script;
    void (*prepare)(scene *s); /* or NULL */
    int requests;              /* that the server has seen by then; 0 = so many milliseconds pass instead */
    int milliseconds;
} place;

static int silent[4] = {-1, -1, -1, -1}; /* a listener, and who waits at it */

static void end_silence(void) {
    size_t i;
    for (i = 0; i < 4; i++) {
        if (silent[i] >= 0) close(silent[i]);
        silent[i] = -1;
    }
}

/* A port where nobody answers; with a full queue it doesn't even accept connections. */
static int listen_in_silence(int is_full) {
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    size_t i;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (i = 0; i < 4; i++) silent[i] = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(silent[0] >= 0);
    assert_int_equal(bind(silent[0], (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(silent[0], is_full ? 0 : 8), 0);
    assert_int_equal(getsockname(silent[0], (struct sockaddr *)&address, &size), 0);
    for (i = 1; is_full && i < 4; i++) {
        assert_int_equal(fcntl(silent[i], F_SETFL, O_NONBLOCK), 0);
        (void)connect(silent[i], (struct sockaddr *)&address, sizeof address);
    }
    return ntohs(address.sin_port);
}

static void ask_a_full_queue(scene *s) {
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/v1", listen_in_silence(1));
}

static void ask_silence(scene *s) {
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/v1", listen_in_silence(0));
}

static void ask_silence_by_tls(scene *s) {
    snprintf(s->url, sizeof s->url, "https://127.0.0.1:%d/v1", listen_in_silence(0));
}

static void ask_a_slow_resolver(scene *s) {
    snprintf(s->url, sizeof s->url, "http://slow.invalid/v1");
}

static jobs_service service;

static void ask_jobs(scene *s) {
    jobs_service_open(&service);
    server_api_url(s->url, sizeof s->url, s->session, "jobs");
    s->config.provider = "painter";
    s->config.model = NULL;
    s->request.size = "32x16";
    s->config.poll_interval_ms = 60000;
}

static void ask_jobs_often(scene *s) {
    ask_jobs(s);
    s->config.poll_interval_ms = 20;
    s->config.max_poll_attempts = 100000;
}

static void send_much(scene *s) {
    static unsigned char *bytes;
    static tarash_image_input input;
    size_t size = 32 << 20;
    if (!bytes) bytes = (unsigned char *)calloc(1, size);
    assert_non_null(bytes);
    memcpy(bytes, tiny_png, tiny_png_size);
    memset(&input, 0, sizeof input);
    input.data = bytes;
    input.size = size;
    s->config.model = "gpt-image-1";
    s->request.size = NULL;
    s->request.images = &input;
    s->request.image_count = 1;
}

static void send_much_to_silence(scene *s) {
    send_much(s);
    ask_silence(s);
}

static void use_the_slow_mock(scene *s) {
    static tarash_image_mock mock;
    memset(&mock, 0, sizeof mock);
    mock.enabled = 1;
    mock.latency_ms = 60000;
    s->config.mock = &mock;
}

static const place places[] = {
    {"before anything", NULL, NULL, 0, 0},
    {"resolving", NULL, ask_a_slow_resolver, 0, 100},
    {"connecting", NULL, ask_a_full_queue, 0, 60},
    {"connected in silence", NULL, ask_silence, 0, 60},
    {"in a TLS handshake", NULL, ask_silence_by_tls, 0, 60},
    {"sending", NULL, send_much_to_silence, 0, 100},
    {"waiting for the head", "[{\"stall\": true}]", NULL, 1, 0},
    {"in the head", "[{\"trickle\": {\"chunk\": 1, \"every_ms\": 20, \"head\": true}}]", NULL, 1, 60},
    {"in the body", "[{\"trickle\": {\"chunk\": 5, \"every_ms\": 10}}]", NULL, 1, 60},
    {"in an endless body", "[{\"endless_body\": true}]", NULL, 1, 20},
    {"waiting to try again", "[{\"status\": 503, \"headers\": {\"Retry-After\": \"60\"}, \"times\": -1}]",
     NULL, 1, 60},
    {"waiting for a poll", "[{\"jobs\": {\"polls\": 1000}}]", ask_jobs, 1, 60},
    {"in a poll", "[{\"jobs\": {\"polls\": 100000}}, {\"method\": \"GET\", \"stall\": true}]", ask_jobs_often,
     2, 0},
    {"fetching the result", "[{\"image_result\": {\"url\": true}}, {\"where\": \"files\", \"stall\": true}]",
     NULL, 2, 0},
    {"waiting for the mock", NULL, use_the_slow_mock, 0, 20},
};

static int64_t time_to_cancel(const place *at, int destroys) {
    scene s;
    int64_t begin, took;
    scene_open(&s, "cancel");
    memset(&s.desc.clock, 0, sizeof s.desc.clock);
    s.desc.ca_file = server_ca_file();
    if (at->script) assert_int_equal(control_script("cancel", at->script), 0);
    if (at->prepare) at->prepare(&s);
    scene_client(&s);
    if (s.config.provider && strcmp(s.config.provider, "painter") == 0)
        assert_result(tarash_image_register_provider(s.client, &service.provider), TARASH_IMAGE_OK);
    scene_submit(&s);
    if (at->requests) poll_until_requests(&s, at->requests);
    for (begin = real_ms(); real_ms() - begin < at->milliseconds;) (void)tarash_image_poll(s.client, 5);
    assert_true(tarash_image_job_status(s.client, s.job, NULL) < TARASH_IMAGE_STATUS_COMPLETED);
    begin = real_ms();
    if (destroys) {
        tarash_image_client_destroy(s.client);
        s.client = NULL;
    } else {
        tarash_image_cancel(s.client, s.job);
        assert_result(scene_take(&s), TARASH_IMAGE_ERROR_CANCELLED);
    }
    took = real_ms() - begin;
    end_silence();
    tarash_image_response_free(&s.response);
    tarash_image_client_destroy(s.client);
    assert_int_equal(s.memory.live_blocks, 0);
    log_collector_clear(&s.log);
    return took;
}

/* On a busy machine one of three times is enough. */
static void expect_soon(const place *at, int destroys, int64_t limit) {
    int64_t least = INT64_MAX;
    int tries;
    for (tries = 0; tries < 3 && least > limit; tries++) {
        int64_t took = time_to_cancel(at, destroys);
        if (took < least) least = took;
    }
    if (least > limit) fail_msg("%s took %d ms", destroys ? "destroying" : "cancelling", (int)least);
}

/* libcurl before 7.87 waits for its resolver, and one with c-ares doesn't ask ours. */
static int can_be_tried(const place *at) {
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    return at->prepare != ask_a_slow_resolver || (info->version_num >= 0x075700 && !info->ares);
}

static void cancelled_at_once(void **state) {
    if (!can_be_tried((const place *)*state)) skip();
    expect_soon((const place *)*state, 0, is_slow() ? 8 * SOON_MS : SOON_MS);
}

/* A second more where the provider is told. */
static void destroyed_at_once(void **state) {
    if (!can_be_tried((const place *)*state)) skip();
    expect_soon((const place *)*state, 1, 1000 + (is_slow() ? 8 * SOON_MS : SOON_MS));
}

/* ---- callbacks that do everything ---------------------------------------------------------------------- */

#define MOST_JOBS 40

typedef struct chaos {
    scene s;
    tarash_image_job jobs[MOST_JOBS];
    int count, depth, finals, taken;
    unsigned seed;
} chaos;

static unsigned roll(chaos *c, unsigned sides) {
    c->seed = c->seed * 1664525u + 1013904223u;
    return (c->seed >> 8) % sides;
}

static void stir(const tarash_image_update *update, void *user_data);

static void submit_one(chaos *c) {
    static tarash_image_mock mock;
    static tarash_image_mock_polling polling;
    tarash_image_request request = c->s.request;
    tarash_image_config config = c->s.config;
    if (c->count == MOST_JOBS) return;
    memset(&mock, 0, sizeof mock);
    memset(&polling, 0, sizeof polling);
    polling.enabled = mock.enabled = 1;
    polling.delay_ms = 1;
    mock.polling = &polling;
    if (roll(c, 2)) config.mock = &mock;
    if (config.mock) request.size = "8x8";
    request.on_progress = stir;
    request.user_data = c;
    c->jobs[c->count] = tarash_image_submit(c->s.client, &config, &request);
    if (c->jobs[c->count].id) c->count++;
}

static void take_one(chaos *c) {
    tarash_image_response response;
    tarash_image_job job;
    if (!c->count) return;
    job = c->jobs[roll(c, (unsigned)c->count)];
    if (tarash_image_job_status(c->s.client, job, NULL) < TARASH_IMAGE_STATUS_COMPLETED) return;
    (void)tarash_image_take(c->s.client, job, &response);
    c->taken++;
    tarash_image_response_free(&response);
}

static void stir(const tarash_image_update *update, void *user_data) {
    chaos *c = (chaos *)user_data;
    if (update->status >= TARASH_IMAGE_STATUS_COMPLETED) c->finals++;
    if (c->depth > 3) return;
    c->depth++;
    switch (roll(c, 7)) {
    case 0: submit_one(c); break;
    case 1: tarash_image_cancel(c->s.client, c->jobs[roll(c, (unsigned)c->count + 1) % MOST_JOBS]); break;
    case 2: (void)tarash_image_poll(c->s.client, (int)roll(c, 3)); break;
    case 3: take_one(c); break;
    case 4: tarash_image_cancel(c->s.client, update->job); break;
    case 5: tarash_image_wakeup(c->s.client); break;
    default: break;
    }
    c->depth--;
}

static void callbacks_that_do_everything(void **state) {
    unsigned seed;
    (void)state;
    for (seed = 1; seed <= 12; seed++) {
        chaos c;
        int i;
        int64_t end = real_ms() + SCENE_SECONDS * 1000;
        memset(&c, 0, sizeof c);
        c.seed = seed;
        scene_open(&c.s, "chaos");
        memset(&c.s.desc.clock, 0, sizeof c.s.desc.clock);
        assert_int_equal(control_script("chaos", "[{" SMALL ", \"times\": -1}]"), 0);
        scene_client(&c.s);
        for (i = 0; i < 8; i++) submit_one(&c);
        while (tarash_image_poll(c.s.client, 10) > 0) {
            if (real_ms() > end) fail_msg("seed %u: the jobs don't end", seed);
        }
        (void)tarash_image_poll(c.s.client, 0);
        for (i = 0; i < c.count; i++)
            assert_true(tarash_image_job_status(c.s.client, c.jobs[i], NULL) !=
                        TARASH_IMAGE_STATUS_PROCESSING);
        assert_true(c.finals > 0);
        scene_close(&c.s);
    }
}

/* ---- signals ------------------------------------------------------------------------------------------- */

/* A server that goes away while much is sent to it must not end the program. */
static void a_broken_pipe_ends_nothing(void **state) {
    static const char *const scripts[] = {"[{\"reset\": \"in_request\"}]",
                                          "[{\"early\": true, \"status\": 413}]", "[{\"reset\": \"before\"}]",
                                          "[{\"close_idle\": true}, {" SMALL "}]"};
    size_t i;
    int tls;
    (void)state;
    assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    for (i = 0; i < 2 * sizeof scripts / sizeof scripts[0]; i++) {
        scene s;
        tls = i % 2;
        scene_open(&s, "pipe");
        s.desc.ca_file = server_ca_file();
        assert_int_equal(control_script("pipe", scripts[i / 2]), 0);
        if (tls) server_tls_url(s.url, sizeof s.url, "pipe", "openai/v1");
        send_much(&s);
        scene_client(&s);
        (void)run(&s); /* whatever comes of it */
        assert_true(s.response.error.result != TARASH_IMAGE_OK || s.response.image_count);
        scene_close(&s);
    }
}

static atomic_int interruptions;

static void on_alarm(int number) {
    (void)number;
    atomic_fetch_add(&interruptions, 1);
}

/* System calls that are interrupted a thousand times a second. */
static void interrupted_system_calls(void **state) {
    struct sigaction action;
    struct itimerval often, never;
    worker w;
    tarash_image_client *client;
    tarash_image_client_desc desc;
    int i;
    (void)state;
    memset(&action, 0, sizeof action);
    memset(&often, 0, sizeof often);
    memset(&never, 0, sizeof never);
    memset(&w, 0, sizeof w);
    memset(&desc, 0, sizeof desc);
    desc.proxy = "";
    desc.ca_file = server_ca_file();
    w.number = 8;
    client = tarash_image_client_create(&desc);
    assert_non_null(client);
    action.sa_handler = on_alarm; /* no SA_RESTART */
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    often.it_value.tv_usec = often.it_interval.tv_usec = 1000;
    atomic_store(&interruptions, 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (i = 0; i < 5 && use_the_mock(&w, client) && use_the_server(&w, client) && use_tls(&w, client); i++)
        continue;
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_true(signal(SIGALRM, SIG_IGN) != SIG_ERR); /* one may still be on its way */
    tarash_image_client_destroy(client);
    if (w.problem[0]) fail_msg("%s", w.problem);
    assert_true(atomic_load(&interruptions) > 10);
}

/* ---- fork ---------------------------------------------------------------------------------------------- */

static int child_status(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int live_as_a_child(void) {
    worker w;
    tarash_image_client *client;
    tarash_image_client_desc desc;
    memset(&w, 0, sizeof w);
    memset(&desc, 0, sizeof desc);
    desc.proxy = "";
    w.number = 3;
    client = tarash_image_client_create(&desc);
    if (!client || !use_the_mock(&w, client) || !use_the_server(&w, client)) return 1;
    tarash_image_client_destroy(client);
    return 0;
}

/* A child that ends, or that has a client of its own, does nothing to the parent's jobs. */
static void children(void **state) {
    int uses, i;
    (void)state;
    for (uses = 0; uses < 2; uses++) {
        scene s;
        pid_t child;
        scene_start(&s, "parent",
                    "[{\"trickle\": {\"chunk\": 200, \"every_ms\": 1}, \"times\": -1, " SMALL "}]");
        assert_result(run(&s), TARASH_IMAGE_OK); /* a connection is kept open */
        scene_submit(&s);
        poll_until_requests(&s, 2);
        for (i = 0; i < 3; i++) {
            child = fork();
            assert_true(child >= 0);
            if (child == 0) _exit(uses ? live_as_a_child() : 0);
            assert_int_equal(child_status(child), 0);
        }
        finish(&s);
        assert_result(scene_take(&s), TARASH_IMAGE_OK);
        assert_picture(&s.response.images[0], 16, 16);
        scene_close(&s);
    }
}

/* ---- nothing grows ------------------------------------------------------------------------------------- */

static long resident_kilobytes(void) {
    long pages = 0, ignored;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file) return 0;
    if (fscanf(file, "%ld %ld", &ignored, &pages) != 2) pages = 0;
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void mixed_calls(worker *w, tarash_image_client *client, int count) {
    int i;
    for (i = 0; i < count && !w->problem[0]; i++) {
        if (i % 4 == 0)
            (void)use_the_server(w, client);
        else
            (void)use_the_mock(w, client);
    }
}

static void nothing_grows(void **state) {
    worker w;
    tarash_image_client *client;
    tarash_image_client_desc desc;
    int descriptors, rounds = is_slow() ? 100 : 1200;
    long resident;
    (void)state;
    memset(&w, 0, sizeof w);
    memset(&desc, 0, sizeof desc);
    desc.proxy = "";
    w.number = 5;
    client = tarash_image_client_create(&desc);
    assert_non_null(client);
    mixed_calls(&w, client, rounds / 6);
    descriptors = directory_count("/proc/self/fd");
    resident = resident_kilobytes();
    mixed_calls(&w, client, rounds);
    if (w.problem[0]) fail_msg("%s", w.problem);
    assert_true(directory_count("/proc/self/fd") <= descriptors + 2);
    if (!is_slow() && resident_kilobytes() > resident + 4096)
        fail_msg("%ld KB, then %ld KB", resident, resident_kilobytes());
    tarash_image_client_destroy(client);
    assert_true(directory_count("/proc/self/fd") <= descriptors);
}

#define PLACES (sizeof places / sizeof places[0])

int main(void) {
    const struct CMUnitTest others[] = {
        cmocka_unit_test(a_client_for_each_thread),
        cmocka_unit_test(a_client_that_is_passed_on),
        cmocka_unit_test(wakeups_all_the_time),
        cmocka_unit_test(a_wakeup_ends_a_wait),
        cmocka_unit_test(callbacks_that_do_everything),
        cmocka_unit_test(a_broken_pipe_ends_nothing),
        cmocka_unit_test(interrupted_system_calls),
        cmocka_unit_test(children),
        cmocka_unit_test(nothing_grows),
    };
    struct CMUnitTest tests[2 * PLACES];
    char names[2 * PLACES][80];
    size_t i;
    int failed;
    memset(tests, 0, sizeof tests);
    for (i = 0; i < 2 * PLACES; i++) {
        snprintf(names[i], sizeof names[i], "%s %s", i % 2 ? "destroyed" : "cancelled", places[i / 2].name);
        tests[i].name = names[i];
        tests[i].test_func = i % 2 ? destroyed_at_once : cancelled_at_once;
        tests[i].initial_state = (void *)(uintptr_t)&places[i / 2];
    }
    failed = cmocka_run_group_tests(others, server_setup_tls, NULL);
    failed += _cmocka_run_group_tests("places", tests, 2 * PLACES, server_setup_tls, server_teardown);
    return failed;
}
