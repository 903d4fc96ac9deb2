/* What providers answer, through the whole engine: the input plays the server.

   First the provider: its name and a line feed, or a letter. Then a byte of options, see below; one that says which
   allocation fails ('0' = none; 'h' = none, and the provider is asked at its own address; 'p' = none, and the key is a pair;
   'u' = none, and input images are fetched).
   Then replies, separated by the byte 0x1E; each request takes the next one. A reply's first byte chooses its status,
   the second its type and how it is cut, the third header lines; the rest is the body. Where an option asks for it,
   what stands before the first separator is provider_config. */

#include "engine.h"

enum {
    REPLY_URLS = 1,    /* OUTPUT_URL */
    REPLY_BASE64 = 2,  /* OUTPUT_BASE64 */
    REPLY_SINK = 3,    /* these are one number */
    REPLY_STREAM = 4,  /* partial images */
    REPLY_MANY = 8,    /* n = 3 */
    REPLY_POLL = 16,   /* begins with a POLL, by a token */
    REPLY_FETCH = 32,  /* begins with a FETCH, by a token */
    REPLY_CONFIG = 64, /* provider_config from the input */
    REPLY_EDIT = 128   /* an input image, if the row takes one */
};

static const char reply_end = 0x1E;

static struct {
    fuzz_input left;
    int requests;
    const tarash_image_provider_info *row;
    int is_home; /* base_url is the row's own */
} reply_server;

static const char *const reply_lines[] = {
    "",
    "Retry-After: 1\r\n",
    "retry-after-ms: 20\r\nx-should-retry: true\r\n",
    "x-request-id: req-" FUZZ_KEY "\r\n",
    "Location: /elsewhere.png\r\n",
    "Location: https://cdn.fuzz.example/a.png?token=1\r\n",
    "Location: http://127.0.0.1/a.png\r\n",
    ("x-should-retry: false\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\n"
     "Retry-After: Tue, 15 Nov 1994 08:12:41 GMT\r\n"),
    "Fal-Request-Id: 1\r\nx-fal-error-type: x\r\nfinish-reason: CONTENT_FILTERED\r\nseed: 5\r\n"};

/* Does the host match the pattern, in which a star is a part of a label? */
static int reply_host_matches(const char *pattern, size_t size, const char *host) {
    for (; size && *pattern != '*'; size--) {
        if (tarimg_lower(*pattern++) != tarimg_lower(*host++)) return 0;
    }
    if (!size) return *host == '\0';
    do {
        if (reply_host_matches(pattern + 1, size - 1, host)) return 1;
    } while (*host && *host++ != '.');
    return 0;
}

/* May this URL's host be told the key? */
static int reply_is_home(const fuzz_easy *easy, const char *host, const tarimg_url *parts) {
    const tarimg_transfer *transfer = (const tarimg_transfer *)easy->private_data;
    const char *list = reply_server.row->key_hosts, *item;
    size_t size;
    if (!reply_server.is_home) return tarimg_same_origin(easy->url, FUZZ_BASE);
    if (tarimg_same_origin(easy->url, transfer->exchange.link->base_url)) return 1;
    while (tarimg_next_item(&list, &item, &size)) {
        if (reply_host_matches(item, size, host)) return parts->is_https && parts->port == 443;
    }
    return 0;
}

/* The key goes to the provider's origin only, and nothing asks a private host. */
static void reply_check_request(const fuzz_easy *easy) {
    const struct curl_slist *line;
    int has_key = fuzz_has_secret(easy->url) || easy->username || easy->password;
    tarimg_url parts;
    unsigned char address[16];
    char host[300];
    if (!tarimg_split_url(easy->url, &parts)) {
        FUZZ_CHECK(!has_key); /* libcurl is going to refuse it */
        return;
    }
    snprintf(host, sizeof host, "%.*s", (int)parts.host_size, parts.host);
    for (line = easy->headers; line; line = line->next) has_key |= fuzz_has_secret(line->data);
    if (has_key) FUZZ_CHECK(reply_is_home(easy, host, &parts));
    if (!easy->checks_address) return;
    switch (fuzz_numeric_host(host, address)) {
    case AF_INET: FUZZ_CHECK(!fuzz_is_private_4(address)); break;
    case AF_INET6: FUZZ_CHECK(!fuzz_is_private_6(address)); break;
    default: break;
    }
}

static CURLcode reply_lines_of(fuzz_easy *easy, unsigned type, unsigned more) {
    static const char *const types[] = {"application/json", "text/event-stream",        "image/png",
                                        "text/html",        "application/octet-stream", ""};
    const char *lines = reply_lines[more % FUZZ_COUNT(reply_lines)];
    char text[128];
    CURLcode code;
    snprintf(text, sizeof text, "HTTP/1.1 %ld Words\r\n", easy->status);
    code = fuzz_deliver_line(easy, text, strlen(text));
    snprintf(text, sizeof text, "Content-Type: %s\r\n", types[type % FUZZ_COUNT(types)]);
    if (code == CURLE_OK) code = fuzz_deliver_line(easy, text, strlen(text));
    while (*lines && code == CURLE_OK) {
        size_t size = strcspn(lines, "\n") + 1;
        code = fuzz_deliver_line(easy, lines, size);
        lines += size;
    }
    return code == CURLE_OK ? fuzz_deliver_line(easy, "\r\n", 2) : code;
}

static CURLcode reply_answer(fuzz_easy *easy) {
    static const long statuses[] = {200, 201, 202, 400, 401, 402, 403, 404, 408, 409,
                                    422, 429, 500, 502, 503, 302, 307, 204, 524, 0};
    fuzz_input body = fuzz_part(&reply_server.left, (unsigned char)reply_end);
    unsigned status = fuzz_byte(&body), type = fuzz_byte(&body), more = fuzz_byte(&body);
    fuzz_cutter cutter = fuzz_cutter_of(type / 6 & 15);
    CURLcode code;
    reply_server.requests++;
    reply_check_request(easy);
    /* '0' is 200. */
    easy->status = statuses[(status + 256 - '0') % 256 % FUZZ_COUNT(statuses)];
    if (!easy->status) return status & 64 ? CURLE_COULDNT_CONNECT : CURLE_RECV_ERROR;
    easy->length = type & 128 ? -1 : (curl_off_t)body.size;
    code = reply_lines_of(easy, type & 127, more);
    while (code == CURLE_OK && body.size) {
        size_t piece = fuzz_cut(&cutter, body.size);
        code = fuzz_deliver(easy, body.data, piece);
        body.data += piece;
        body.size -= piece;
    }
    return code;
}

/* ---- a sink that keeps nothing ---- */

static int reply_sink_open(void *user_data, size_t index, const char *mime_type, void **stream) {
    FUZZ_CHECK(mime_type && index < 64);
    ++*(int *)user_data;
    *stream = user_data;
    return 0;
}

static int reply_sink_write(void *user_data, void *stream, const void *data, size_t size) {
    FUZZ_CHECK(stream == user_data && data && size);
    return 0;
}

static int reply_sink_close(void *user_data, void *stream) {
    FUZZ_CHECK(stream == user_data && *(int *)user_data > 0);
    --*(int *)user_data;
    return 0;
}

static void reply_sink_abort(void *user_data, void *stream) {
    (void)reply_sink_close(user_data, stream);
}

/* ---- what comes of it ---- */

static void reply_check_text(const char *text) {
    if (!text) return;
    fuzz_check_secret(text);
    FUZZ_CHECK(tarimg_is_utf8(text, strlen(text)));
}

static void reply_check_json(const char *text) {
    tarash_image_allocator allocator = tarimg_default_allocator();
    tarimg_arena arena;
    if (!text) return;
    reply_check_text(text);
    tarimg_arena_init(&arena, &allocator, 0);
    FUZZ_CHECK(tarimg_parse_json(&arena, text, strlen(text), 80) != NULL);
    tarimg_arena_free(&arena);
}

static void reply_on_progress(const tarash_image_update *update, void *user_data) {
    (void)user_data;
    FUZZ_CHECK(update->progress_percent >= -1 && update->progress_percent <= 100 &&
               update->queue_position >= -1);
    FUZZ_CHECK(update->status >= TARASH_IMAGE_STATUS_QUEUED && update->status <= TARASH_IMAGE_STATUS_FAILED);
    reply_check_text(update->message);
}

static void reply_check_response(const tarash_image_response *response, tarash_image_result result,
                                 const fuzz_job *job) {
    size_t i;
    FUZZ_CHECK(response->error.result == result && (int)result >= 0 && result < TARASH_IMAGE_RESULT_COUNT);
    FUZZ_CHECK(response->status == (result ? TARASH_IMAGE_STATUS_FAILED : TARASH_IMAGE_STATUS_COMPLETED));
    FUZZ_CHECK(result != TARASH_IMAGE_OK || response->image_count > 0);
    FUZZ_CHECK(response->image_count <= 8);
    for (i = 0; i < response->image_count; i++) {
        const tarash_image *image = &response->images[i];
        FUZZ_CHECK(!image->data || (image->size && image->mime_type));
        FUZZ_CHECK(image->data || image->url || job->request.sink);
        FUZZ_CHECK(image->width >= 0 && image->height >= 0);
        if (result == TARASH_IMAGE_OK && job->request.output == TARASH_IMAGE_OUTPUT_BASE64 && image->data)
            FUZZ_CHECK(image->base64 && strlen(image->base64) == (image->size + 2) / 3 * 4);
        if (image->url) FUZZ_CHECK(tarimg_is_utf8(image->url, strlen(image->url)));
    }
    reply_check_json(response->raw_response);
    reply_check_json(response->provider_metadata);
    reply_check_text(response->error.message);
    reply_check_text(response->error.provider_code);
    fuzz_check_secret(response->error.request_id);
    fuzz_check_secret(response->job_token);
    for (i = 0; i < response->warning_count; i++) {
        reply_check_text(response->warnings[i].asked);
        reply_check_text(response->warnings[i].why);
    }
    for (i = 0; i < response->attempt_count; i++) reply_check_text(response->attempts[i].message);
    /* What was handed out may be resumed, and nothing that wasn't accepted. */
    if (response->job_token) FUZZ_CHECK(tarimg_begins(response->job_token, TARIMG_TOKEN_PREFIX));
}

/* A job of this row that the provider has accepted. */
static tarash_image_job reply_resume(fuzz_engine *engine, const fuzz_job *job) {
    char json[256], token[512] = TARIMG_TOKEN_PREFIX;
    size_t size;
    snprintf(json, sizeof json,
             "{\"provider\":\"%s\",\"model\":\"%s\",\"jobs\":[{\"id\":\"job-1\",\"index\":0,\"count\":1}]}",
             job->config.provider, job->config.model ? job->config.model : "model");
    size =
        tarimg_base64_encode((const unsigned char *)json, strlen(json), token + strlen(TARIMG_TOKEN_PREFIX));
    size += strlen(TARIMG_TOKEN_PREFIX);
    while (token[size - 1] == '=') size--;
    token[size] = '\0';
    return tarash_image_resume_with(engine->client, &job->config, &job->request, token);
}

static void reply_set_options(fuzz_job *job, unsigned options, size_t row, int *open_sinks,
                              tarash_image_sink *sink) {
    if ((options & 3) == REPLY_URLS) job->request.output = TARASH_IMAGE_OUTPUT_URL;
    if ((options & 3) == REPLY_BASE64) job->request.output = TARASH_IMAGE_OUTPUT_BASE64;
    if ((options & 3) == REPLY_SINK) job->request.sink = sink;
    if (options & REPLY_STREAM) job->request.partial_images = 2;
    if (options & REPLY_MANY) job->request.n = 3;
    if (options & REPLY_EDIT && tarimg_rows[row].capabilities.fields & TARASH_IMAGE_FIELD_IMAGES) {
        job->image.data = fuzz_png;
        job->image.size = sizeof fuzz_png;
        job->request.images = &job->image;
        job->request.image_count = 1;
    }
    job->request.on_progress = reply_on_progress;
    memset(sink, 0, sizeof *sink);
    sink->open_fn = reply_sink_open;
    sink->write_fn = reply_sink_write;
    sink->close_fn = reply_sink_close;
    sink->abort_fn = reply_sink_abort;
    sink->user_data = open_sinks;
}

/* What the input's third byte says is told by `letter`, and what of memory by the others. */
typedef struct reply_run {
    unsigned letter;
    size_t fail_at;
    int from_then_on;
    size_t calls; /* allocations that there were */
    int requests;
    tarash_image_result result;
} reply_run;

static void reply_perform(reply_run *run, const fuzz_job *job, size_t row, unsigned options) {
    fuzz_engine engine;
    tarash_image_job handle;
    tarash_image_response response;
    run->result = TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    if (!fuzz_engine_open(&engine, run->fail_at, run->from_then_on)) return;
    if (options & (REPLY_POLL | REPLY_FETCH) && tarimg_rows[row].adapter->polls)
        handle = reply_resume(&engine, job);
    else
        handle = tarash_image_submit(engine.client, &job->config, &job->request);
    if (options & REPLY_FETCH && handle.id && engine.client->places[0].job->tasks)
        engine.client->places[0].job->tasks->phase = TARASH_IMAGE_PHASE_FETCH;
    if (!fuzz_engine_run(&engine, handle, 200)) {
        FUZZ_CHECK(handle.id == 0 || reply_server.requests > 0);
        tarash_image_cancel(engine.client, handle);
        (void)tarash_image_poll(engine.client, 0);
    }
    run->result = tarash_image_take(engine.client, handle, &response);
    if (response.storage) reply_check_response(&response, run->result, job);
    if (!run->fail_at) FUZZ_CHECK(run->result != TARASH_IMAGE_ERROR_OUT_OF_MEMORY);
    run->calls = engine.memory.calls;
    run->requests = reply_server.requests;
    tarash_image_response_free(&response);
    fuzz_engine_close(&engine);
}

/* 0 where there is no server to play. */
static int reply_try(reply_run *run, fuzz_input in, size_t row, unsigned options) {
    int open_sinks = 0, manner;
    char *config = NULL;
    fuzz_job job;
    tarash_image_sink sink;
    if (tarimg_equal(tarimg_rows[row].name, "mock")) return 0;
    manner = fuzz_manner_of(row);
    if (manner == FUZZ_MANNERS) return 0;
    fuzz_job_init(&job, row, manner);
    reply_server.is_home = run->letter == 'h';
    if (reply_server.is_home) job.config.base_url = NULL;
    if (run->letter == 'p') {
        job.config.api_key = FUZZ_PAIR;
        fuzz_is_pair = 1;
    }
    reply_set_options(&job, options, row, &open_sinks, &sink);
    if (run->letter == 'u' && job.request.image_count) {
        memset(&job.image, 0, sizeof job.image);
        job.image.url = "https://cdn.fuzz.example/input.png";
    }
    if (options & REPLY_CONFIG) {
        config = fuzz_text(fuzz_part(&in, (unsigned char)reply_end));
        job.config.provider_config = config;
    }
    reply_server.row = &tarimg_rows[row];
    reply_server.left = in;
    reply_server.requests = 0;
    fuzz_answer_fn = reply_answer;
    reply_perform(run, &job, row, options);
    fuzz_answer_fn = NULL;
    FUZZ_CHECK(open_sinks == 0);
    free(config);
    return 1;
}

FUZZ_TARGET(reply) {
    fuzz_input in = {data, size};
    size_t row = fuzz_take_row(&in);
    unsigned options = fuzz_byte(&in);
    reply_run run;
    memset(&run, 0, sizeof run);
    run.letter = fuzz_byte(&in);
    run.fail_at = run.letter && strchr("hpu", (int)run.letter) ? 0 : (run.letter + 256u - '0') % 256u;
    (void)reply_try(&run, in, row, options);
}

#ifdef FUZZ_REPLAY
/* Each allocation fails, once and from then on (`most` times each; the rest is sampled): what comes of it is what came of
   it with memory enough, or lack of memory. */
static void reply_without_memory(const unsigned char *data, size_t size, size_t most) {
    fuzz_input in = {data, size};
    size_t row = fuzz_take_row(&in), at, step;
    unsigned options = fuzz_byte(&in);
    reply_run whole, run;
    memset(&whole, 0, sizeof whole);
    whole.letter = fuzz_byte(&in);
    if (!reply_try(&whole, in, row, options)) return;
    step = 1 + whole.calls / most;
    for (at = 1; at <= whole.calls; at += step) {
        int manner;
        for (manner = 0; manner < 2; manner++) {
            memset(&run, 0, sizeof run);
            run.letter = whole.letter;
            run.fail_at = at;
            run.from_then_on = manner;
            (void)reply_try(&run, in, row, options);
            /* Another request gets another answer. */
            if (run.result == whole.result || run.result == TARASH_IMAGE_ERROR_OUT_OF_MEMORY ||
                run.requests != whole.requests)
                continue;
            fprintf(stderr, "allocation %u (%s): %s instead of %s\n", (unsigned)at,
                    manner ? "and later" : "once", tarash_image_result_name(run.result),
                    tarash_image_result_name(whole.result));
            abort();
        }
    }
}
#endif
