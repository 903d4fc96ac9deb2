/* A client for the fuzz targets: its clock stands still until it is moved, its memory is counted and may fail, and what
   it logs is looked through for the key. */

#ifndef FUZZ_ENGINE_H
#define FUZZ_ENGINE_H

#include "fuzz.h"

#define FUZZ_KEY  "sk-fuzz-0123456789abcdef"
#define FUZZ_BASE "https://api.fuzz.example/v1"

/* A key of two parts, and how it goes out where it is a user's name and password. */
#define FUZZ_PAIR  "user:" FUZZ_KEY
#define FUZZ_BASIC "dXNlcjpzay1mdXp6LTAxMjM0NTY3ODlhYmNkZWY="

typedef struct fuzz_memory {
    size_t live, calls, fail_at;
    int from_then_on;
} fuzz_memory;

static int fuzz_is_refused(fuzz_memory *memory) {
    memory->calls++;
    return memory->fail_at &&
           (memory->calls == memory->fail_at || (memory->from_then_on && memory->calls > memory->fail_at));
}

static void *fuzz_alloc(size_t size, void *user_data) {
    fuzz_memory *memory = (fuzz_memory *)user_data;
    void *block = fuzz_is_refused(memory) ? NULL : malloc(size);
    if (block) FUZZ_FRESH(block, size);
    memory->live += block != NULL;
    return block;
}

static void fuzz_free(void *pointer, void *user_data) {
    FUZZ_CHECK(pointer != NULL && ((fuzz_memory *)user_data)->live > 0);
    ((fuzz_memory *)user_data)->live--;
    free(pointer);
}

static void *fuzz_realloc(void *pointer, size_t old_size, size_t new_size, void *user_data) {
    void *block = fuzz_alloc(new_size, user_data);
    if (block && pointer) memcpy(block, pointer, old_size < new_size ? old_size : new_size);
    if (block && pointer) fuzz_free(pointer, user_data);
    return block;
}

static int64_t fuzz_now(void *user_data) {
    return *(int64_t *)user_data;
}

static int fuzz_is_pair; /* the key in use */

static int fuzz_has_secret(const char *text) {
    return strstr(text, FUZZ_KEY) != NULL || (fuzz_is_pair && strstr(text, FUZZ_BASIC) != NULL);
}

static void fuzz_check_secret(const char *text) {
    if (text) FUZZ_CHECK(!fuzz_has_secret(text));
}

static void fuzz_log(tarash_image_log_level level, const char *message, void *user_data) {
    (void)level;
    (void)user_data;
    fuzz_check_secret(message);
}

typedef struct fuzz_engine {
    fuzz_memory memory;
    int64_t now;
    tarash_image_client *client;
} fuzz_engine;

/* 0 where memory was told to run out. */
FUZZ_UNUSED static int fuzz_engine_open(fuzz_engine *engine, size_t fail_at, int from_then_on) {
    tarash_image_client_desc desc;
    memset(engine, 0, sizeof *engine);
    memset(&desc, 0, sizeof desc);
    engine->memory.fail_at = fail_at;
    engine->memory.from_then_on = from_then_on;
    engine->now = 1000000;
    desc.allocator.alloc_fn = fuzz_alloc;
    desc.allocator.realloc_fn = fuzz_realloc;
    desc.allocator.free_fn = fuzz_free;
    desc.allocator.user_data = &engine->memory;
    desc.clock.now_ms_fn = fuzz_now;
    desc.clock.user_data = &engine->now;
    desc.logger.log_fn = fuzz_log;
    desc.limits.max_reply_bytes = 1 << 20;
    desc.limits.max_document_bytes = 1 << 18;
    desc.limits.max_image_bytes = 1 << 18;
    desc.limits.max_images = 8;
    desc.limits.max_header_bytes = 2048;
    desc.proxy = "";
    desc.random_seed = 1;
    desc.skip_curl_global_init = 1;
    engine->client = tarash_image_client_create(&desc);
    if (!engine->client) FUZZ_CHECK(fail_at != 0 && engine->memory.live == 0);
    return engine->client != NULL;
}

FUZZ_UNUSED static void fuzz_engine_close(fuzz_engine *engine) {
    tarash_image_client_destroy(engine->client);
    FUZZ_CHECK(engine->memory.live == 0);
}

/* Moves the client's clock from timer to timer until the job has ended, at most so often. */
FUZZ_UNUSED static int fuzz_engine_run(fuzz_engine *engine, tarash_image_job job, int steps) {
    tarash_image_client *client = engine->client;
    while (steps-- > 0 && tarash_image_job_status(client, job, NULL) < TARASH_IMAGE_STATUS_COMPLETED) {
        (void)tarash_image_poll(client, 0);
        if (client->timer_count && client->timers[0]->due > engine->now) engine->now = client->timers[0]->due;
    }
    return tarash_image_job_status(client, job, NULL) >= TARASH_IMAGE_STATUS_COMPLETED;
}

/* What a row needs besides its name to get a request out, as far as it can be guessed from the row: the input chooses,
   or each is tried until one does. */
#define FUZZ_MANNERS 8

typedef struct fuzz_job {
    tarash_image_config config;
    tarash_image_request request;
    tarash_image_input image;
    char options[512];
} fuzz_job;

static const unsigned char fuzz_png[] = {
    0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0x00, 0x00, 0x00, 0x0D, 0x49, 0x48,
    0x44, 0x52, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x00,
    0x00, 0x1F, 0x15, 0xC4, 0x89, 0x00, 0x00, 0x00, 0x0D, 0x49, 0x44, 0x41, 0x54, 0x78,
    0xDA, 0x63, 0xFC, 0xCF, 0xC0, 0x50, 0x0F, 0x00, 0x04, 0x85, 0x01, 0x80, 0x84, 0xA9,
    0x8C, 0x21, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60, 0x82};

/* Every key that the row's provider_config may hold, but the operation, with a word for its value. */
static void fuzz_fill_options(fuzz_job *job, const tarash_image_provider_info *row) {
    const char *list = row->config_keys, *key;
    size_t size, used = 1;
    snprintf(job->options, sizeof job->options, "{");
    while (tarimg_next_item(&list, &key, &size)) {
        if (size == 9 && memcmp(key, "operation", 9) == 0) continue;
        used += (size_t)snprintf(job->options + used, sizeof job->options - used, "%s\"%.*s\":\"word\"",
                                 used > 1 ? "," : "", (int)size, key);
        FUZZ_CHECK(used + 2 < sizeof job->options);
    }
    snprintf(job->options + used, sizeof job->options - used, "}");
    job->config.provider_config = job->options;
}

FUZZ_UNUSED static void fuzz_job_init(fuzz_job *job, size_t row, int manner) {
    memset(job, 0, sizeof *job);
    job->config.provider = tarimg_rows[row].name;
    job->config.api_key = FUZZ_KEY;
    job->config.base_url = FUZZ_BASE;
    job->config.max_retries = 1;
    job->config.max_poll_attempts = 4;
    job->request.prompt = "a lighthouse in fog";
    if (!tarimg_is_set(tarimg_rows[row].default_model)) job->config.model = "model";
    if (manner & 1) fuzz_fill_options(job, &tarimg_rows[row]);
    if (manner & 1) job->config.api_version = "2025-04-01";
    fuzz_is_pair = manner >> 2 & 1;
    if (fuzz_is_pair) job->config.api_key = FUZZ_PAIR;
    if (manner & 2) {
        job->image.data = fuzz_png;
        job->image.size = sizeof fuzz_png;
        job->request.images = &job->image;
        job->request.image_count = 1;
    }
}

/* The first manner in which the row gets a request out; FUZZ_MANNERS if none. */
FUZZ_UNUSED static int fuzz_manner_of(size_t row) {
    static unsigned char known[256]; /* manner + 1 */
    int manner = 0;
    FUZZ_CHECK(TARIMG_ROW_COUNT < FUZZ_COUNT(known));
    if (known[row]) return known[row] - 1;
    if (!tarimg_rows[row].adapter) return FUZZ_MANNERS;
    for (; manner < FUZZ_MANNERS; manner++) {
        fuzz_job job;
        tarash_image_text plan;
        tarash_image_result result;
        fuzz_job_init(&job, row, manner);
        result = tarash_image_plan(NULL, &job.config, &job.request, &plan);
        tarash_image_text_free(&plan);
        if (result == TARASH_IMAGE_OK) break;
    }
    if (manner == FUZZ_MANNERS)
        fprintf(stderr, "fuzz: no way is known to get a request out of %s\n", tarimg_rows[row].name);
    FUZZ_CHECK(manner < FUZZ_MANNERS);
    known[row] = (unsigned char)(manner + 1);
    return manner;
}

/* Rows by letter, 'A' first. */
FUZZ_UNUSED static size_t fuzz_row_of(unsigned byte) {
    return (byte + 256u - 'A') % 256u % TARIMG_ROW_COUNT;
}

/* Takes the row off the input: a provider's name and a line feed, which stays right when rows are added, or a letter. */
FUZZ_UNUSED static size_t fuzz_take_row(fuzz_input *in) {
    size_t row;
    for (row = 0; row < TARIMG_ROW_COUNT; row++) {
        size_t size = strlen(tarimg_rows[row].name);
        if (in->size <= size || in->data[size] != '\n' || memcmp(in->data, tarimg_rows[row].name, size) != 0)
            continue;
        in->data += size + 1;
        in->size -= size + 1;
        return row;
    }
    return fuzz_row_of(fuzz_byte(in));
}

#endif
