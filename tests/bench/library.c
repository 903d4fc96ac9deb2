/* The tasks as the library does them. */

#define TARASH_IMAGE_IMPLEMENTATION
#include "tarash_image.h"

#include "bench.h"
#include "images.h"

#include <stdio.h>
#include <time.h>

enum { MOST_JOBS = 1000 };

static const char model[] = "bench-1";

typedef struct order {
    tarash_image_config config;
    tarash_image_request request;
    tarash_image_input input;
    tarash_image_sink sink;
    char base_url[64];
    char path[512];
    size_t sunk;
} order;

/* ---- a sink that only counts ---- */

static int sink_open(void *user_data, size_t index, const char *mime_type, void **stream) {
    (void)index;
    *stream = user_data;
    return strcmp(mime_type, "image/png") != 0;
}

static int sink_write(void *user_data, void *stream, const void *data, size_t size) {
    (void)stream;
    (void)data;
    ((order *)user_data)->sunk += size;
    return 0;
}

static int sink_close(void *user_data, void *stream) {
    (void)user_data;
    (void)stream;
    return 0;
}

static void sink_abort(void *user_data, void *stream) {
    (void)user_data;
    (void)stream;
}

static void use_sink(order *o, const setting *s) {
    o->sink.user_data = o;
    if (s->todo->what == INTO_FILE) {
        snprintf(o->path, sizeof o->path, "%s/sink-{index}.{ext}", s->directory);
        o->sink.path = o->path;
    } else {
        o->sink.open_fn = sink_open;
        o->sink.write_fn = sink_write;
        o->sink.close_fn = sink_close;
        o->sink.abort_fn = sink_abort;
    }
    o->request.sink = &o->sink;
}

static void use_input(order *o, const setting *s) {
    if (s->todo->from_file) {
        o->input.path = s->input_path;
    } else {
        o->input.data = s->input;
        o->input.size = image_sizes[s->todo->image];
    }
    o->request.images = &o->input;
    o->request.image_count = 1;
}

static int is_upload(const task *t) {
    return t->what == UPLOAD_TEXT || t->what == UPLOAD_FORM;
}

static void write_order(order *o, const setting *s) {
    const task *t = s->todo;
    memset(o, 0, sizeof *o);
    snprintf(o->base_url, sizeof o->base_url, "http://127.0.0.1:%d/%s/%d", s->port,
             t->what == AS_URL ? "url" : "json", is_upload(t) ? 0 : t->image);
    o->config.provider = t->what == UPLOAD_TEXT ? "xai" : "openai_compatible";
    o->config.model = t->what == UPLOAD_TEXT ? NULL : model;
    o->config.api_key = "key-for-the-benchmark";
    o->config.base_url = o->base_url;
    o->config.max_retries = TARASH_IMAGE_NO_RETRIES;
    o->request.prompt = "a lighthouse in fog";
    if (t->what == INTO_SINK || t->what == INTO_FILE) use_sink(o, s);
    if (is_upload(t)) use_input(o, s);
}

static int is_right(const order *o, const setting *s, tarash_image_result result,
                    const tarash_image_response *r) {
    size_t size = image_sizes[is_upload(s->todo) ? 0 : s->todo->image];
    if (result != TARASH_IMAGE_OK) fprintf(stderr, "library: %s\n", r->error.message);
    if (result != TARASH_IMAGE_OK || r->image_count != 1 || r->images[0].size != size) return 0;
    if (s->todo->what == INTO_SINK) return o->sunk % size == 0;
    return s->todo->what == INTO_FILE || (r->images[0].data && r->images[0].width == 1024);
}

static int run_in_sequence(tarash_image_client *client, order *o, const setting *s) {
    int i, good = 1;
    for (i = 0; i < s->todo->count; i++) {
        tarash_image_response response;
        tarash_image_result result = tarash_image_generate(client, &o->config, &o->request, &response);
        good &= is_right(o, s, result, &response);
        tarash_image_response_free(&response);
    }
    return good;
}

static int run_at_once(tarash_image_client *client, order *o, const setting *s) {
    static tarash_image_job jobs[MOST_JOBS];
    static tarash_image_response responses[MOST_JOBS];
    int i, good = 1;
    for (i = 0; i < s->todo->count; i++) jobs[i] = tarash_image_submit(client, &o->config, &o->request);
    while (tarash_image_poll(client, 1000) > 0) {
    }
    for (i = 0; i < s->todo->count; i++)
        good &= is_right(o, s, tarash_image_take(client, jobs[i], &responses[i]), &responses[i]);
    for (i = 0; i < s->todo->count; i++) tarash_image_response_free(&responses[i]);
    return good;
}

static tarash_image_client *make_client(void) {
    tarash_image_client_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.skip_curl_global_init = 1;
    return tarash_image_client_create(&desc);
}

int library_run(const setting *s) {
    order o;
    tarash_image_client *client = make_client();
    int good;
    if (!client) return 0;
    write_order(&o, s);
    good = s->todo->at_once ? run_at_once(client, &o, s) : run_in_sequence(client, &o, s);
    tarash_image_client_destroy(client);
    return good;
}

/* ---- many idle jobs: a provider whose jobs are asked for after ten minutes ---- */

static tarash_image_result build(tarash_image_exchange *exchange, tarash_image_phase phase, void *user_data) {
    (void)user_data;
    tarash_image_exchange_send(exchange, phase == TARASH_IMAGE_PHASE_SUBMIT ? "POST" : "GET", "/jobs");
    if (phase == TARASH_IMAGE_PHASE_SUBMIT)
        tarash_image_exchange_set_text(exchange, "prompt", "a lighthouse");
    return TARASH_IMAGE_OK;
}

static tarash_image_result accept_job(tarash_image_exchange *exchange, tarash_image_phase phase,
                                      void *user_data) {
    (void)phase;
    ++*(int *)user_data;
    tarash_image_exchange_accept(exchange, "job-1");
    tarash_image_exchange_next(exchange, TARASH_IMAGE_PHASE_POLL);
    return TARASH_IMAGE_OK;
}

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double time_polls(tarash_image_client *client) {
    double start = now_us(), spent = 0;
    int calls = 0;
    while (spent < 3e5) {
        int i;
        for (i = 0; i < 20; i++) (void)tarash_image_poll(client, 0);
        calls += 20;
        spent = now_us() - start;
    }
    return spent / calls;
}

static void submit_jobs(tarash_image_client *client, int port, int jobs) {
    tarash_image_config config;
    tarash_image_request request;
    char base_url[64];
    int i;
    memset(&config, 0, sizeof config);
    memset(&request, 0, sizeof request);
    snprintf(base_url, sizeof base_url, "http://127.0.0.1:%d", port);
    config.provider = "idle";
    config.model = model;
    config.base_url = base_url;
    config.poll_interval_ms = 600000;
    config.timeout_ms = 3600000;
    request.prompt = "a lighthouse";
    for (i = 0; i < jobs; i++) (void)tarash_image_submit(client, &config, &request);
}

double library_poll_cost(int port, int jobs) {
    tarash_image_provider provider;
    tarash_image_client *client = make_client();
    int accepted = 0;
    double cost = -1, until = now_us() + 2e7;
    memset(&provider, 0, sizeof provider);
    provider.name = "idle";
    provider.key_optional = 1;
    provider.build_fn = build;
    provider.read_fn = accept_job;
    provider.polls = 1;
    provider.user_data = &accepted;
    if (!client || tarash_image_register_provider(client, &provider) != TARASH_IMAGE_OK) return -1;
    submit_jobs(client, port, jobs);
    while (accepted < jobs && now_us() < until) (void)tarash_image_poll(client, 100);
    if (accepted == jobs) cost = time_polls(client);
    tarash_image_client_destroy(client);
    return cost;
}

/* ---- base64 ---- */

size_t library_decode(const void *in, size_t size, void *out) {
    tarimg_base64 state;
    size_t written = 0;
    memset(&state, 0, sizeof state);
    (void)tarimg_base64_decode(&state, (const char *)in, size, (unsigned char *)out, &written);
    return written;
}

size_t library_encode(const void *in, size_t size, void *out) {
    return tarimg_base64_encode((const unsigned char *)in, size, (char *)out);
}

#if defined(TARIMG_SSSE3)
size_t ssse3_decode(const void *in, size_t size, void *out) {
    const unsigned char *text = (const unsigned char *)in;
    size_t at = TARIMG_HAS_SSSE3() ? tarimg_base64_decode_ssse3(text, size, (unsigned char *)out) : 0;
    if (at) at += tarimg_base64_decode_portable(text + at, size - at, (unsigned char *)out + at / 4 * 3);
    return at / 4 * 3;
}

size_t ssse3_encode(const void *in, size_t size, void *out) {
    return TARIMG_HAS_SSSE3()
               ? tarimg_base64_encode_ssse3((const unsigned char *)in, size, (char *)out) / 3 * 4
               : 0;
}
#else
size_t ssse3_decode(const void *in, size_t size, void *out) {
    (void)in, (void)size, (void)out;
    return 0;
}

size_t ssse3_encode(const void *in, size_t size, void *out) {
    return ssse3_decode(in, size, out);
}
#endif
