/* Limits: each that can be set is held to the byte, one below, at it and one above; what a server announces takes no
   memory, and what it sends without end takes a small multiple of the limit at most. */

#include "scene.h"
#include "test_list.h"

#include <curl/curl.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define BY_URL "{\"image_result\": {\"url\": true}}"
#define DOT    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
#define ITEM   "{\"b64_json\": \"" DOT "\"}"

enum { KIB = 1024, MIB = 1 << 20 };

/* ---- libcurl's memory ---------------------------------------------------------------------------------- */

/* Each block has its size before it. */
typedef union curl_block {
    size_t size;
    long double alignment;
} curl_block;

static size_t curl_bytes, curl_peak;

static void *curl_new(size_t size) {
    curl_block *block = (curl_block *)malloc(sizeof *block + size);
    if (!block) return NULL;
    block->size = size;
    curl_bytes += size;
    if (curl_bytes > curl_peak) curl_peak = curl_bytes;
    return block + 1;
}

static void curl_delete(void *data) {
    curl_block *block = (curl_block *)data;
    if (!block) return;
    curl_bytes -= block[-1].size;
    free(block - 1);
}

static void *curl_resize(void *data, size_t size) {
    size_t old = data ? ((curl_block *)data)[-1].size : 0;
    void *grown = curl_new(size);
    if (!grown) return NULL;
    if (data) memcpy(grown, data, old < size ? old : size);
    curl_delete(data);
    return grown;
}

static void *curl_new_zeroed(size_t count, size_t size) {
    void *data = curl_new(count * size);
    if (data) memset(data, 0, count * size);
    return data;
}

static char *curl_new_text(const char *text) {
    char *copy = (char *)curl_new(strlen(text) + 1);
    if (copy) memcpy(copy, text, strlen(text) + 1);
    return copy;
}

/* Before anything else asks libcurl for something. */
static int group_setup(void **state) {
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_new, curl_delete, curl_resize, curl_new_text,
                             curl_new_zeroed) != CURLE_OK)
        return -1;
    return server_setup(state);
}

/* ---- edges --------------------------------------------------------------------------------------------- */

typedef struct edge edge;

typedef struct edge_run {
    scene s;
    tarash_image_input input;
    tarash_image_sink sink;
    jobs_service service;
    char text[1024];
    size_t received;
} edge_run;

struct edge {
    const char *name;
    const char *script;
    size_t place; /* of the limit in tarash_image_limits */
    int is_int;   /* else it is a size_t */
    /* What the limit must be to be just enough, from a run without it. */
    size_t (*enough)(const edge_run *run);
    void (*prepare)(edge_run *run); /* or NULL; without a client yet */
    tarash_image_result beyond;
};

static size_t whole_reply(const edge_run *run) {
    return run->received;
}

static size_t whole_image(const edge_run *run) {
    return run->s.response.images[0].size;
}

static size_t two(const edge_run *run) {
    (void)run;
    return 2;
}

static size_t six(const edge_run *run) {
    (void)run;
    return 6;
}

static void ask_for_two(edge_run *run) {
    run->s.request.n = 2;
}

static void deep_extra_params(edge_run *run) {
    run->s.request.extra_params = "{\"a\": {\"b\": {\"c\": {\"d\": {\"e\": {}}}}}}";
}

static int take_nothing_open(void *user_data, size_t index, const char *mime_type, void **stream) {
    (void)user_data;
    (void)index;
    (void)mime_type;
    *stream = NULL;
    return 0;
}

static int take_nothing(void *user_data, void *stream, const void *data, size_t size) {
    (void)user_data;
    (void)stream;
    (void)data;
    (void)size;
    return 0;
}

static int take_nothing_close(void *user_data, void *stream) {
    (void)user_data;
    (void)stream;
    return 0;
}

static void use_sink(edge_run *run) {
    run->sink.open_fn = take_nothing_open;
    run->sink.write_fn = take_nothing;
    run->sink.close_fn = take_nothing_close;
    run->s.request.sink = &run->sink;
}

static void use_stream(edge_run *run) {
    run->s.config.model = "gpt-image-1.5";
    run->s.request.size = NULL;
    run->s.request.partial_images = 1;
}

static void use_edit(edge_run *run) {
    run->s.config.model = "gpt-image-1";
    run->s.request.size = NULL;
    run->s.request.images = &run->input;
    run->s.request.image_count = 1;
}

/* Its bytes are those of the picture that comes back, whose size is what's measured. */
static void use_fetched_input(edge_run *run) {
    use_edit(run);
    server_files_url(run->text, sizeof run->text, run->s.session, "static/8x8.png");
    run->input.url = run->text;
    server_api_url(run->s.url, sizeof run->s.url, run->s.session, "compatible/v1");
    run->s.config.provider = "openai_compatible";
    run->s.config.model = "any";
}

static void use_data_url_input(edge_run *run) {
    use_edit(run);
    run->input.url = "data:image/png;base64," DOT;
}

static void use_raw_image(edge_run *run) {
    server_api_url(run->s.url, sizeof run->s.url, run->s.session, "huggingface");
    run->s.config.provider = "huggingface";
    run->s.config.api_key = "hf_0123456789abcdef";
    run->s.config.model = NULL;
}

static void use_polls(edge_run *run) {
    jobs_service_open(&run->service);
    server_api_url(run->s.url, sizeof run->s.url, run->s.session, "jobs");
    run->s.config.provider = "painter";
    run->s.config.model = NULL;
    run->s.request.size = "32x16";
}

#define SIZE_OF(field)  offsetof(tarash_image_limits, field), 0
#define INT_OF(field)   offsetof(tarash_image_limits, field), 1
#define REDIRECT(place) "{\"where\": \"files\", \"redirect\": {\"to\": \"/f/{SESSION}/" place "\"}}"
#define DEEP            "\"merge\": {\"deep\": [[[[[1]]]]]}"
#define HEAD            "HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n"

static size_t head_size(const edge_run *run) {
    (void)run;
    return strlen("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
}

static size_t interim_and_head_size(const edge_run *run) {
    return head_size(run) + strlen("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
}

static size_t dot_size(const edge_run *run) {
    (void)run;
    return (sizeof DOT - 1) / 4 * 3 - 2;
}

static size_t input_size(const edge_run *run) {
    size_t size = 0;
    free(fetch_url(run->text, &size));
    return size;
}

static const edge edges[] = {
    {"the bytes of a reply", "[{}]", SIZE_OF(max_reply_bytes), whole_reply, NULL,
     TARASH_IMAGE_ERROR_TOO_LARGE},
    {"the bytes of a reply in chunks", "[{\"chunked\": true}]", SIZE_OF(max_reply_bytes), whole_reply, NULL,
     TARASH_IMAGE_ERROR_TOO_LARGE},
    {"the bytes of a reply of bytes", "[{}]", SIZE_OF(max_reply_bytes), whole_image, use_raw_image,
     TARASH_IMAGE_ERROR_TOO_LARGE},
    {"the bytes of a download", "[" BY_URL "]", SIZE_OF(max_reply_bytes), whole_image, NULL,
     TARASH_IMAGE_ERROR_TOO_LARGE},
    {"the bytes of an image", "[{}]", SIZE_OF(max_image_bytes), whole_image, NULL,
     TARASH_IMAGE_ERROR_TOO_LARGE},
    {"the bytes of one of two images", "[{}]", SIZE_OF(max_image_bytes), whole_image, ask_for_two,
     TARASH_IMAGE_ERROR_TOO_LARGE},
    {"the bytes of an image in a stream", "[{}]", SIZE_OF(max_image_bytes), whole_image, use_stream,
     TARASH_IMAGE_ERROR_TOO_LARGE},
    {"the bytes of an image in a reply of bytes", "[{}]", SIZE_OF(max_image_bytes), whole_image,
     use_raw_image, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"the bytes of an image that is downloaded", "[" BY_URL "]", SIZE_OF(max_image_bytes), whole_image, NULL,
     TARASH_IMAGE_ERROR_TOO_LARGE},
    {"the bytes of an image for a sink", "[{}]", SIZE_OF(max_image_bytes), whole_image, use_sink,
     TARASH_IMAGE_ERROR_TOO_LARGE},
    {"the bytes of a download for a sink", "[" BY_URL "]", SIZE_OF(max_image_bytes), whole_image, use_sink,
     TARASH_IMAGE_ERROR_TOO_LARGE},
    {"the bytes of an input that is fetched", "[{\"status\": 200, \"body\": {\"data\": [" ITEM "]}}]",
     SIZE_OF(max_image_bytes), input_size, use_fetched_input, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"the bytes of an input that is a data: URL", "[{\"status\": 200, \"body\": {\"data\": [" ITEM "]}}]",
     SIZE_OF(max_image_bytes), dot_size, use_data_url_input, TARASH_IMAGE_ERROR_VALIDATION},
    {"the bytes of a head", "[{\"raw\": \"" HEAD "{\\\"data\\\":[{\\\"b64_json\\\":\\\"" DOT "\\\"}]}\"}]",
     SIZE_OF(max_header_bytes), head_size, NULL, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"the bytes of two heads",
     "[{\"raw\": \"HTTP/1.1 103 Early Hints\\r\\nLink: </x>\\r\\n\\r\\n" HEAD
     "{\\\"data\\\":[{\\\"b64_json\\\":\\\"" DOT "\\\"}]}\"}]",
     SIZE_OF(max_header_bytes), interim_and_head_size, NULL, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"the images of a request", "[{}]", INT_OF(max_images), two, ask_for_two, TARASH_IMAGE_ERROR_VALIDATION},
    {"the depth of a reply", "[{" DEEP "}]", INT_OF(max_json_depth), six, NULL, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"the depth of a poll", "[{\"jobs\": {\"polls\": 1}}, {\"method\": \"GET\", " DEEP "}]",
     INT_OF(max_json_depth), six, use_polls, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"the depth of extra_params", "[{\"status\": 200, \"body\": {\"data\": [" ITEM "]}}]",
     INT_OF(max_json_depth), six, deep_extra_params, TARASH_IMAGE_ERROR_VALIDATION},
    {"redirects", "[" BY_URL ", " REDIRECT("once") ", " REDIRECT("static/8x8.png") "]", INT_OF(max_redirects),
     two, NULL, TARASH_IMAGE_ERROR_BAD_RESPONSE},
};

/* A run with the limit, or without one (0). */
static tarash_image_result edge_try(edge_run *run, const edge *tried, size_t limit) {
    scene *s = &run->s;
    tarash_image_update update;
    char *place;
    memset(run, 0, sizeof *run);
    scene_open(s, "edge");
    place = (char *)&s->desc.limits + tried->place;
    if (tried->is_int)
        *(int *)(void *)place = (int)limit;
    else
        *(size_t *)(void *)place = limit;
    assert_int_equal(control_script("edge", tried->script), 0);
    if (tried->prepare) tried->prepare(run);
    scene_client(s);
    if (run->service.provider.name)
        assert_result(tarash_image_register_provider(s->client, &run->service.provider), TARASH_IMAGE_OK);
    s->job = tarash_image_submit(s->client, &s->config, &s->request);
    finish(s);
    (void)tarash_image_job_status(s->client, s->job, &update);
    run->received = (size_t)update.bytes_received;
    return scene_take(s);
}

static void a_limit_at_its_edge(void **state) {
    const edge *tried = (const edge *)*state;
    edge_run run;
    size_t enough;
    int step;
    if (edge_try(&run, tried, 0) != TARASH_IMAGE_OK) fail_msg("without it: %s", run.s.response.error.message);
    enough = tried->enough(&run);
    scene_close(&run.s);
    assert_true(enough > 1);
    for (step = -1; step <= 1; step++) {
        size_t limit = enough + (size_t)(step + 1) - 1;
        tarash_image_result expected = step < 0 ? tried->beyond : TARASH_IMAGE_OK;
        tarash_image_result result = edge_try(&run, tried, limit);
        if (result != expected)
            fail_msg("limit %u, needed %u: %s instead of %s: %s", (unsigned)limit, (unsigned)enough,
                     tarash_image_result_name(result), tarash_image_result_name(expected),
                     run.s.response.error.message);
        if (expected == TARASH_IMAGE_ERROR_TOO_LARGE)
            assert_contains(run.s.response.error.message, "limits.");
        scene_close(&run.s);
    }
}

/* What a document takes is the library's business; that there is an edge, and that it has to do with the size, is not. */
static tarash_image_result with_document(size_t limit, size_t length) {
    static const edge tried = {"document", "[{}]", SIZE_OF(max_document_bytes),
                               NULL,       NULL,   TARASH_IMAGE_ERROR_TOO_LARGE};
    char *script = (char *)malloc(length + 200);
    edge with = tried;
    edge_run run;
    tarash_image_result result;
    size_t used;
    assert_non_null(script);
    used = (size_t)snprintf(script, 200, "[{\"merge\": {\"long\": \"");
    memset(script + used, 'a', length);
    snprintf(script + used + length, 20, "\"}}]");
    with.script = script;
    result = edge_try(&run, &with, limit);
    if (result != TARASH_IMAGE_OK) {
        assert_result(result, TARASH_IMAGE_ERROR_TOO_LARGE);
        assert_contains(run.s.response.error.message, "limits.max_document_bytes");
    }
    scene_close(&run.s);
    free(script);
    return result;
}

static void a_document_at_its_edge(void **state) {
    static const size_t lengths[] = {4000, 50000};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(lengths); i++) {
        size_t low = 1, high = 1 << 20; /* fails; succeeds */
        assert_result(with_document(low, lengths[i]), TARASH_IMAGE_ERROR_TOO_LARGE);
        assert_result(with_document(high, lengths[i]), TARASH_IMAGE_OK);
        while (high - low > 1) {
            size_t middle = low + (high - low) / 2;
            if (with_document(middle, lengths[i]) == TARASH_IMAGE_OK)
                high = middle;
            else
                low = middle;
        }
        assert_result(with_document(high + 1, lengths[i]), TARASH_IMAGE_OK);
        assert_result(with_document(high - 2, lengths[i]), TARASH_IMAGE_ERROR_TOO_LARGE);
        if (high < lengths[i] || high > 4 * lengths[i] + 16 * KIB)
            fail_msg("a text of %u bytes needs a limit of %u", (unsigned)lengths[i], (unsigned)high);
    }
}

/* A reply with more images than the client wants to see: so many are kept, and it is said. */
static void images_beyond_the_limit(void **state) {
    int limit;
    (void)state;
    for (limit = 2; limit <= 4; limit++) {
        scene s;
        int kept = limit < 3 ? limit : 3;
        scene_open(&s, "edge");
        s.desc.limits.max_images = limit;
        s.request.n = 2;
        assert_int_equal(control_script("edge", "[{\"status\": 200, \"body\": {\"data\": [" ITEM ", " ITEM
                                                ", " ITEM "]}}]"),
                         0);
        scene_client(&s);
        assert_result(run(&s), TARASH_IMAGE_OK);
        assert_int_equal(s.response.image_count, kept);
        assert_int_equal(control_posts("edge"), 1);
        scene_close(&s);
    }
}

/* Those of the manual. */
static void defaults_are_as_documented(void **state) {
    scene s;
    const tarash_image_limits *limits;
    (void)state;
    scene_open(&s, "edge");
    scene_client(&s);
    limits = &s.client->limits;
    assert_int_equal(limits->max_reply_bytes, (size_t)256 * MIB);
    assert_int_equal(limits->max_document_bytes, (size_t)8 * MIB);
    assert_int_equal(limits->max_image_bytes, (size_t)128 * MIB);
    assert_int_equal(limits->max_header_bytes, (size_t)64 * KIB);
    assert_int_equal(limits->max_images, 64);
    assert_int_equal(limits->max_json_depth, 64);
    assert_int_equal(limits->max_redirects, 5);
    scene_close(&s);
}

/* ---- polls and time ------------------------------------------------------------------------------------ */

static void polls_at_their_edge(void **state) {
    int limit;
    (void)state;
    for (limit = 3; limit <= 5; limit++) {
        edge_run run;
        cJSON *log;
        memset(&run, 0, sizeof run);
        scene_start(&run.s, "edge", "[{\"jobs\": {\"polls\": 3}}]"); /* done when it is asked again */
        use_polls(&run);
        assert_result(tarash_image_register_provider(run.s.client, &run.service.provider), TARASH_IMAGE_OK);
        run.s.config.max_poll_attempts = limit;
        run.s.job = tarash_image_submit(run.s.client, &run.s.config, &run.s.request);
        finish(&run.s);
        assert_result(scene_take(&run.s), limit < 4 ? TARASH_IMAGE_ERROR_TIMEOUT : TARASH_IMAGE_OK);
        log = control_log("edge");
        assert_int_equal(log_count(log, "GET", "/jobs/job-1") - log_count(log, "GET", "/result"),
                         limit < 4 ? limit : 4);
        cJSON_Delete(log);
        scene_close(&run.s);
    }
}

typedef struct time_limit {
    const char *name;
    size_t place; /* in the config */
} time_limit;

static const time_limit time_limits[] = {
    {"an attempt's time", offsetof(tarash_image_config, timeout_ms)},
    {"the chain's time", offsetof(tarash_image_config, total_timeout_ms)},
};

/* Not a millisecond early, not one late. */
static void time_at_its_edge(void **state) {
    const time_limit *tried = (const time_limit *)*state;
    scene s;
    scene_start(&s, "edge", "[{\"stall\": true}]");
    *(int *)(void *)((char *)&s.config + tried->place) = 3000;
    scene_submit(&s);
    poll_until_requests(&s, 1);
    advance(&s, 2999);
    (void)tarash_image_poll(s.client, 0);
    assert_false(has_ended(&s));
    advance(&s, 1);
    (void)tarash_image_poll(s.client, 0);
    assert_true(has_ended(&s));
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_TIMEOUT);
    assert_int_equal(s.response.elapsed_ms, 3000);
    scene_close(&s);
}

/* A wait that the server asks for is begun where time is left behind it. */
static void waits_at_their_edge(void **state) {
    const time_limit *tried = (const time_limit *)*state;
    int limit;
    for (limit = 4999; limit <= 5001; limit++) {
        scene s;
        scene_start(&s, "edge", "[{\"status\": 503, \"headers\": {\"Retry-After\": \"5\"}}]");
        *(int *)(void *)((char *)&s.config + tried->place) = limit;
        assert_result(run(&s), limit > 5000 ? TARASH_IMAGE_OK : TARASH_IMAGE_ERROR_HTTP);
        assert_int_equal(s.wait_count, limit > 5000);
        assert_int_equal(control_posts("edge"), limit > 5000 ? 2 : 1);
        scene_close(&s);
    }
}

static void retries_at_their_edge(void **state) {
    int limit;
    (void)state;
    for (limit = 4999; limit <= 5001; limit++) {
        scene s;
        scene_start(&s, "edge", "[{\"status\": 503, \"headers\": {\"Retry-After\": \"5\"}}]");
        s.config.retry.max_elapsed_ms = limit;
        assert_result(run(&s), limit < 5000 ? TARASH_IMAGE_ERROR_HTTP : TARASH_IMAGE_OK);
        assert_int_equal(control_posts("edge"), limit < 5000 ? 1 : 2);
        scene_close(&s);
    }
}

/* ---- what is announced --------------------------------------------------------------------------------- */

typedef struct announcement {
    const char *name;
    const char *script; /* with %s where the length is told */
    void (*prepare)(edge_run *run);
} announcement;

static const announcement announcements[] = {
    {"of a reply", "[{%s\"status\": 200, \"body\": {\"data\": [" ITEM "]}}]", NULL},
    {"of a reply of many images",
     "[{%s\"status\": 200, \"body\": {\"data\": [" ITEM "," ITEM "," ITEM "," ITEM "]}}]", NULL},
    {"of a reply for a sink", "[{%s\"status\": 200, \"body\": {\"data\": [" ITEM "]}}]", use_sink},
    {"of a stream", "[{%s\"image_result\": {\"size\": \"8x8\"}}]", use_stream},
    {"of a reply of bytes", "[{%s\"image_result\": {\"size\": \"8x8\"}}]", use_raw_image},
    {"of an error", "[{%s\"status\": 400}]", NULL},
    {"of an error in words", "[{%s\"status\": 500, \"body\": \"<html>no</html>\"}]", NULL},
    {"of a download", "[" BY_URL ", {%s\"where\": \"files\", \"times\": -1}]", NULL},
    {"of a download for a sink", "[" BY_URL ", {%s\"where\": \"files\", \"times\": -1}]", use_sink},
    {"of a poll", "[{\"jobs\": {\"polls\": 1}}, {%s\"method\": \"GET\", \"times\": -1}]", use_polls},
};

/* The largest block of a run in which so much is announced. */
static size_t largest_block(const announcement *tried, const char *length) {
    char script[2048];
    edge_run run;
    size_t largest;
    memset(&run, 0, sizeof run);
    scene_open(&run.s, "announced");
    run.s.config.max_retries = TARASH_IMAGE_NO_RETRIES;
    run.s.config.max_poll_attempts = 2;
    run.s.request.size = "256x256";
    if (tried->prepare) tried->prepare(&run);
    snprintf(script, sizeof script, tried->script, length);
    assert_int_equal(control_script("announced", script), 0);
    scene_client(&run.s);
    if (run.service.provider.name)
        assert_result(tarash_image_register_provider(run.s.client, &run.service.provider), TARASH_IMAGE_OK);
    curl_peak = curl_bytes;
    run.s.job = tarash_image_submit(run.s.client, &run.s.config, &run.s.request);
    finish(&run.s);
    (void)scene_take(&run.s);
    largest = run.s.memory.largest;
    scene_close(&run.s);
    return largest;
}

/* Not at once, that is: what has arrived may be a reason to take as much again. */
static void an_announcement_takes_no_memory(void **state) {
    static const char *const lengths[] = {"\"content_length\": 120000000, ",
                                          "\"content_length\": 4000000000, ",
                                          "\"content_length\": 9223372036854775807, "};
    const announcement *tried = (const announcement *)*state;
    size_t honest = largest_block(tried, ""), i;
    for (i = 0; i < COUNT(lengths); i++) {
        size_t largest = largest_block(tried, lengths[i]);
        if (largest > honest + 64 * KIB || curl_peak > MIB)
            fail_msg("%s%u bytes at once, %u when nothing is announced, %u of libcurl's", lengths[i],
                     (unsigned)largest, (unsigned)honest, (unsigned)curl_peak);
    }
}

/* ---- what has no end ----------------------------------------------------------------------------------- */

typedef struct flood {
    const char *name;
    const char *script;
    void (*prepare)(edge_run *run);
    tarash_image_result result;
} flood;

#define ENDLESS     "\"endless_body\": true"
#define BOMB        "\"gzip_bomb\": 300"
#define BODY(start) "\"status\": 200, \"body\": " start
#define STREAM      "\"status\": 200, \"headers\": {\"Content-Type\": \"text/event-stream\"}, \"body\": "
#define AT_FILES    "\"where\": \"files\", \"times\": -1"
#define AT_POLLS    "\"method\": \"GET\", \"times\": -1"

static const flood floods[] = {
    {"an image", "[{" ENDLESS "}]", NULL, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"an image in chunks", "[{\"endless_body\": \"chunked\"}]", NULL, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"an image, packed", "[{" BOMB "}]", NULL, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"an image for a sink", "[{" ENDLESS "}]", use_sink, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"an image for a sink, packed", "[{" BOMB "}]", use_sink, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"an image of bytes", "[{" ENDLESS "}]", use_raw_image, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"an image of bytes, packed", "[{" BOMB "}]", use_raw_image, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"an image in a stream", "[{" ENDLESS "}]", use_stream, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"a download", "[" BY_URL ", {" AT_FILES ", " ENDLESS "}]", NULL, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"a download, packed", "[" BY_URL ", {" AT_FILES ", " BOMB "}]", NULL, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"a download for a sink", "[" BY_URL ", {" AT_FILES ", " ENDLESS "}]", use_sink,
     TARASH_IMAGE_ERROR_TOO_LARGE},
    {"a text", "[{" BODY("{\"data\": [], \"note\": {\"link\": \"\"}}") ", " ENDLESS "}]", NULL,
     TARASH_IMAGE_ERROR_TOO_LARGE},
    {"a text, packed", "[{" BODY("{\"data\": [], \"note\": {\"link\": \"\"}}") ", " BOMB "}]", NULL,
     TARASH_IMAGE_ERROR_TOO_LARGE},
    {"a name", "[{" BODY("\"{\\\"\"") ", " ENDLESS "}]", NULL, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"the data of an event", "[{" STREAM "\"data: {\\\"a\\\":\\\"\", " ENDLESS "}]", use_stream,
     TARASH_IMAGE_ERROR_TOO_LARGE},
    {"the name of an event", "[{" STREAM "\"event: \", " ENDLESS "}]", use_stream,
     TARASH_IMAGE_ERROR_TOO_LARGE},
    {"a comment of a stream", "[{" STREAM "\": \", " BOMB "}]", use_stream, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"a poll",
     "[{\"jobs\": {\"polls\": 1}}, {" AT_POLLS ", " BODY("{\"state\": {\"link\": \"\"}}") ", " ENDLESS "}]",
     use_polls, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"a head", "[{\"endless_headers\": true}]", NULL, TARASH_IMAGE_ERROR_TOO_LARGE},
    {"the head of a download", "[" BY_URL ", {" AT_FILES ", \"endless_headers\": true}]", NULL,
     TARASH_IMAGE_ERROR_TOO_LARGE},
    {"heads before the head", "[{\"interim\": {\"status\": 103, \"count\": -1}}]", NULL,
     TARASH_IMAGE_ERROR_TOO_LARGE},
    {"an error", "[{\"status\": 400, " ENDLESS "}]", NULL, TARASH_IMAGE_ERROR_VALIDATION},
    {"an error, packed", "[{\"status\": 400, " BOMB "}]", NULL, TARASH_IMAGE_ERROR_VALIDATION},
    {"an error of a download", "[" BY_URL ", {" AT_FILES ", \"status\": 404, " ENDLESS "}]", NULL,
     TARASH_IMAGE_ERROR_HTTP},
    {"the body of a redirect",
     "[" BY_URL ", {\"where\": \"files\", " ENDLESS
     ", \"redirect\": {\"to\": \"/f/{SESSION}/static/8x8.png\"}}]",
     NULL, TARASH_IMAGE_OK},
};

/* A megabyte is the limit of each; a buffer that doubles is there once more while it moves. */
static void what_has_no_end(void **state) {
    const flood *tried = (const flood *)*state;
    edge_run run;
    tarash_image_result result;
    memset(&run, 0, sizeof run);
    scene_open(&run.s, "flood");
    run.s.desc.limits.max_image_bytes = run.s.desc.limits.max_document_bytes = MIB;
    run.s.desc.limits.max_reply_bytes = 3 * MIB;
    run.s.config.max_retries = TARASH_IMAGE_NO_RETRIES;
    if (tried->prepare) tried->prepare(&run);
    assert_int_equal(control_script("flood", tried->script), 0);
    scene_client(&run.s);
    if (run.service.provider.name)
        assert_result(tarash_image_register_provider(run.s.client, &run.service.provider), TARASH_IMAGE_OK);
    curl_peak = curl_bytes;
    run.s.memory.peak_bytes = run.s.memory.live_bytes;
    run.s.job = tarash_image_submit(run.s.client, &run.s.config, &run.s.request);
    finish(&run.s);
    result = scene_take(&run.s);
    if (result != tried->result)
        fail_msg("%s instead of %s: %s", tarash_image_result_name(result),
                 tarash_image_result_name(tried->result), run.s.response.error.message);
    if (run.s.memory.peak_bytes > 4 * MIB || curl_peak > 2 * MIB)
        fail_msg("%u bytes, and %u of libcurl's", (unsigned)run.s.memory.peak_bytes, (unsigned)curl_peak);
    assert_int_equal(control_posts("flood"), 1);
    scene_close(&run.s);
}

/* ---- all of them --------------------------------------------------------------------------------------- */

int main(void) {
    size_t i;
    for (i = 0; i < COUNT(edges); i++) add_test("edge", edges[i].name, a_limit_at_its_edge, &edges[i]);
    add_test("edge", "the bytes of a document", a_document_at_its_edge, NULL);
    add_test("edge", "the images of a reply", images_beyond_the_limit, NULL);
    add_test("edge", "polls", polls_at_their_edge, NULL);
    add_test("edge", "the time for retries", retries_at_their_edge, NULL);
    for (i = 0; i < COUNT(time_limits); i++) {
        add_test("edge", time_limits[i].name, time_at_its_edge, &time_limits[i]);
        add_test("edge of a wait", time_limits[i].name, waits_at_their_edge, &time_limits[i]);
    }
    add_test("defaults are as documented", "", defaults_are_as_documented, NULL);
    for (i = 0; i < COUNT(announcements); i++)
        add_test("the announced length", announcements[i].name, an_announcement_takes_no_memory,
                 &announcements[i]);
    for (i = 0; i < COUNT(floods); i++) add_test("without end", floods[i].name, what_has_no_end, &floods[i]);
    return _cmocka_run_group_tests("limits", tests, test_count, group_setup, server_teardown);
}
