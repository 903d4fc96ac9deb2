/* Replies that say something else than they should. Every value of every answer of every provider is replaced by what
   doesn't belong there: what comes of it is an image or an error of a named kind, asked for once only, and nothing is
   left behind. And what exactly is made of the odd ones, at one provider. */

#include "scene.h"

#include <ctype.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define MARK         "7e57c0de5ec2e7f0"
#define DEEP_8(t)    t t t t t t t t
#define DEEP         DEEP_8(DEEP_8("[[[[[[[["))

enum { THREADS = 4, MOST_REQUESTS = 6, USUAL_MS = 60000 };

/* ---- every value of every answer ----------------------------------------------------------------------- */

typedef struct variant {
    const char *name, *provider, *rest, *model, *key, *options, *version;
} variant;

#define JWT "eyJhbGciOiJub25lIn0.eyJhdWQiOiJhaS5henVyZSJ9.c2VjcmV0" MARK

static const variant variants[] = {
    {"openai", "openai", "openai/v1", NULL, "sk-" MARK, NULL, NULL},
    {"openai_compatible", "openai_compatible", "compatible/v1", "house-painter", "sk-" MARK, NULL, NULL},
    {"indoxrouter", "indoxrouter", "indoxrouter", NULL, "indox-" MARK, NULL, NULL},
    {"atoma", "atoma", "atoma", NULL, "sk-" MARK, NULL, NULL},
    {"xai", "xai", "xai/v1", NULL, "xai-" MARK, NULL, NULL},
    {"azure_openai", "azure_openai", "azure_openai", "img-dep", "sk-" MARK, NULL, NULL},
    {"azure_openai, dated", "azure_openai", "azure_openai", "img-dep", JWT, NULL, "2025-04-01-preview"},
    {"together", "together", "together/v1", NULL, "tgp_v1_" MARK, NULL, NULL},
    {"openrouter", "openrouter", "openrouter/api/v1", NULL, "sk-or-v1-" MARK, NULL, NULL},
    {"google", "google", "google", NULL, "AIza" MARK, NULL, NULL},
    {"automatic1111", "automatic1111", "automatic1111", NULL, "painter:" MARK, NULL, NULL},
    {"stability", "stability", "stability", NULL, "sk-" MARK, NULL, NULL},
    {"bedrock", "bedrock", "bedrock", NULL, "bedrock-api-key-" MARK, NULL, NULL},
    {"replicate", "replicate", "replicate/v1", NULL, "r8_" MARK, NULL, NULL},
    {"luma", "luma", "luma/dream-machine/v1", NULL, "luma-" MARK, NULL, NULL},
    {"fal", "fal", "fal/queue", NULL, "5ca1ab1e-0000-4000:" MARK, NULL, NULL},
    {"huggingface, fal", "huggingface", "huggingface", "fal-ai/flux/dev", "hf_" MARK,
     "{\"provider\":\"fal-ai\"}", NULL},
    {"huggingface, together", "huggingface", "huggingface", "black-forest-labs/FLUX.1-schnell", "hf_" MARK,
     "{\"provider\":\"together\"}", NULL},
    {"runway", "runway", "runway", NULL, "key_" MARK, NULL, NULL},
    {"bfl", "bfl", "bfl/v1", NULL, "sk-" MARK, NULL, NULL},
    {"recraft", "recraft", "recraft/v1", NULL, "recraft-" MARK, NULL, NULL},
    {"ideogram", "ideogram", "ideogram", NULL, "sk-" MARK, NULL, NULL},
    {"ideogram, a job", "ideogram", "ideogram", NULL, "sk-" MARK, "{\"async\":true}", NULL},
    {"a provider of one's own", "painter", "jobs", NULL, "sk-" MARK, NULL, NULL},
};

/* "same" changes nothing. */
static const char *const ways[] = {"null",  "true",    "number",  "huge",  "integer",   "text",
                                   "empty", "list",    "object",  "nul",   "surrogate", "deep",
                                   "long",  "list_of", "missing", "twice", "again"};

typedef struct trial {
    const variant *variant;
    int request, place; /* of which answer, which value */
    const char *way;
    int is_blocking, is_followed, has_sink;
    char session[32], other[32], folder[600], pattern[700], problem[1024];
    tarash_image_client *client;
    counting_allocator memory;
    jobs_service service;
    tarash_image_config config, second;
    tarash_image_request request_of;
    tarash_image_sink sink;
    tarash_image_response response;
    char url[256], second_url[256];
} trial;

/* The first problem counts. Trials run in threads, where a failed assertion can't be caught. */
static void complain(trial *t, const char *format, ...) {
    va_list arguments;
    int size;
    if (t->problem[0]) return;
    size = snprintf(t->problem, sizeof t->problem, "%s, answer %d, value %d, %s%s%s: ", t->variant->name,
                    t->request, t->place, t->way, t->is_followed ? ", with a second link" : "",
                    t->is_blocking ? ", blocking" : "");
    va_start(arguments, format);
    vsnprintf(t->problem + size, sizeof t->problem - (size_t)size, format, arguments);
    va_end(arguments);
}

#define EXPECT(condition, ...)                                                                               \
    do {                                                                                                     \
        if (!(condition)) complain(t, __VA_ARGS__);                                                          \
    } while (0)

/* Answers before that one are right, and so are those behind it. */
static void set_script(trial *t) {
    char script[1024], spoil[128], before[64] = "";
    snprintf(spoil, sizeof spoil, ",\"spoil\":{\"at\":%d,\"how\":\"%s\"}", t->place, t->way);
    if (t->request > 1) snprintf(before, sizeof before, "{\"method\":\"GET\",\"times\":%d},", t->request - 1);
    snprintf(script, sizeof script,
             "[{\"jobs\":{\"polls\":0},\"method\":\"POST\",\"image_result\":{\"size\":\"64x64\"}%s},%s{"
             "\"method\":\"GET\"%s}]",
             t->request ? "" : spoil, before, t->request ? spoil : "");
    EXPECT(control_script(t->session, script) == 0, "no script: %s", script);
}

static void prepare_config(tarash_image_config *config, const variant *v, const char *url) {
    config->provider = v->provider;
    config->model = v->model;
    config->api_key = v->key;
    config->api_version = v->version;
    config->provider_config = v->options;
    config->base_url = url;
    config->timeout_ms = USUAL_MS;
    config->poll_interval_ms = 1;
    config->max_poll_attempts = 4;
    config->retry.initial_ms = 1;
}

/* What a thread does again and again goes through one client. */
static void trial_open(trial *t, const variant *v, int number) {
    tarash_image_client_desc desc;
    t->variant = v;
    t->way = "same";
    t->place = -1;
    memset(&desc, 0, sizeof desc);
    snprintf(t->session, sizeof t->session, "reply%d", number);
    snprintf(t->other, sizeof t->other, "reply%d-second", number);
    server_api_url(t->url, sizeof t->url, t->session, v->rest);
    server_api_url(t->second_url, sizeof t->second_url, t->other, "compatible/v1");
    prepare_config(&t->config, v, t->url);
    prepare_config(&t->second, &variants[1], t->second_url);
    t->request_of.prompt = "a lighthouse in fog";
    temporary_path(t->folder, sizeof t->folder, t->session);
    snprintf(t->pattern, sizeof t->pattern, "%s/{index}.{ext}", t->folder);
    t->sink.path = t->pattern;
    (void)mkdir(t->folder, 0700);
    desc.allocator = counting_allocator_functions(&t->memory);
    desc.proxy = "";
    t->client = tarash_image_client_create(&desc);
    EXPECT(t->client != NULL, "no client");
    jobs_service_open(&t->service);
    if (t->client)
        EXPECT(tarash_image_register_provider(t->client, &t->service.provider) == TARASH_IMAGE_OK,
               "no painter");
}

static void trial_close(trial *t) {
    tarash_image_response_free(&t->response);
    tarash_image_client_destroy(t->client);
    EXPECT(t->memory.live_blocks == 0, "%d blocks are left", (int)t->memory.live_blocks);
    EXPECT(control_leaks(t->session) == 0, "credentials went elsewhere");
    EXPECT(directory_count(t->folder) == 0, "files are left");
    (void)rmdir(t->folder);
}

static void trial_run(trial *t) {
    tarash_image_job job;
    struct timespec pause = {0, 1000000};
    tarash_image_response_free(&t->response);
    t->config.fallbacks = t->is_followed ? &t->second : NULL;
    t->config.fallback_count = (size_t)t->is_followed;
    t->request_of.sink = t->has_sink ? &t->sink : NULL;
    if (t->is_blocking) {
        (void)tarash_image_generate(t->client, &t->config, &t->request_of, &t->response);
        return;
    }
    job = tarash_image_submit(t->client, &t->config, &t->request_of);
    while (tarash_image_poll(t->client, 0) > 0) nanosleep(&pause, NULL);
    (void)tarash_image_take(t->client, job, &t->response);
}

/* ---- what may come of it ---- */

/* What the provider wrote may have line ends, and more; messages have none. */
static void check_text(trial *t, const char *what, const char *text, int is_message) {
    size_t size = text ? strlen(text) : 0;
    while (size) {
        size_t length = tarimg_utf8_length(text, size);
        EXPECT(length, "%s is no UTF-8: %s", what, text);
        EXPECT(!is_message || length > 1 || !iscntrl((unsigned char)*text), "%s has control characters",
               what);
        if (!length) return;
        text += length;
        size -= length;
    }
}

static int may_come(tarash_image_result result) {
    switch (result) {
    case TARASH_IMAGE_OK:
    case TARASH_IMAGE_ERROR_BAD_RESPONSE:
    case TARASH_IMAGE_ERROR_GENERATION_FAILED:
    case TARASH_IMAGE_ERROR_CONTENT_MODERATION: /* a finish that is told by something's being there */
    case TARASH_IMAGE_ERROR_TIMEOUT:            /* of a job that never seems to be done */
    case TARASH_IMAGE_ERROR_TOO_LARGE:
    case TARASH_IMAGE_ERROR_HTTP: return 1; /* of an address that is another's */
    default: return 0;
    }
}

static int moves_on(const tarash_image_attempt *attempt) {
    return attempt->result == TARASH_IMAGE_ERROR_BAD_RESPONSE ||
           attempt->result == TARASH_IMAGE_ERROR_GENERATION_FAILED ||
           attempt->result == TARASH_IMAGE_ERROR_TIMEOUT;
}

static void remove_file(trial *t, const char *path) {
    EXPECT(path && strncmp(path, t->folder, strlen(t->folder)) == 0, "a file elsewhere");
    EXPECT(path && unlink(path) == 0, "no file");
}

static void check_images(trial *t) {
    size_t i, good = 0;
    for (i = 0; i < t->response.image_count; i++) {
        const tarash_image *image = &t->response.images[i];
        good += image->data || image->path;
        if (image->path) remove_file(t, image->path);
        check_text(t, "the revised prompt", image->revised_prompt, 0);
    }
    EXPECT(good > 0, "success without an image");
}

static void check_failure(trial *t, const tarash_image_attempt *attempt) {
    EXPECT(may_come(attempt->result), "%s: %s", tarash_image_result_name(attempt->result), attempt->message);
    EXPECT(attempt->delivery != TARASH_IMAGE_DELIVERY_NOT_SENT, "not sent?");
    EXPECT(attempt->message[0], "no words");
    check_text(t, "the message", attempt->message, 1);
    check_text(t, "the code", t->response.error.provider_code, 1);
}

static void trial_check(trial *t) {
    const tarash_image_response *r = &t->response;
    int moved = r->attempt_count == 2;
    EXPECT(control_posts(t->session) == 1, "%d POSTs", control_posts(t->session));
    EXPECT(r->attempt_count >= 1 && r->attempt_count <= 1 + (size_t)t->is_followed, "%d attempts",
           (int)r->attempt_count);
    if (!r->attempt_count) return;
    if (r->attempts[0].result != TARASH_IMAGE_OK) {
        check_failure(t, &r->attempts[0]);
        EXPECT(moved == (t->is_followed && moves_on(&r->attempts[0])), "%d attempts after %s",
               (int)r->attempt_count, tarash_image_result_name(r->attempts[0].result));
    }
    EXPECT(!r->raw_response || !strstr(r->raw_response, MARK), "the key is in the raw response");
    if (r->error.result == TARASH_IMAGE_OK)
        check_images(t);
    else
        EXPECT(!moved, "the second link: %s", r->error.message);
    EXPECT(directory_count(t->folder) == 0, "files are left");
}

/* ---- all of them ---- */

typedef struct sweep {
    const variant *variant;
    int requests, places[MOST_REQUESTS]; /* how many values each answer has */
    int next, trials;
    pthread_mutex_t lock;
    char problem[1024];
} sweep;

/* What an undisturbed call asks for, and what it is told. */
static void look_around(sweep *w, trial *t) {
    const cJSON *entry;
    cJSON *log;
    EXPECT(control_script(t->session, "[{\"jobs\":{\"polls\":0},\"spoil\":{\"at\":-1,\"how\":\"same\"}},"
                                      "{\"times\":-1,\"spoil\":{\"at\":-1,\"how\":\"same\"}}]") == 0,
           "no script");
    trial_run(t);
    EXPECT(t->response.error.result == TARASH_IMAGE_OK, "%s", t->response.error.message);
    log = control_log(t->session);
    cJSON_ArrayForEach(entry, log) {
        if (strcmp(log_text(entry, "kind"), "api") != 0 || w->requests == MOST_REQUESTS) continue;
        w->places[w->requests++] = (int)log_number(entry, "places");
    }
    cJSON_Delete(log);
    EXPECT(w->requests > 0 && w->places[0] > 1, "no JSON");
}

/* The number-th combination of answer, value and way; 0 = there is none. */
static int find_combination(const sweep *w, int number, trial *t) {
    int place = number / (int)COUNT(ways);
    t->way = ways[number % (int)COUNT(ways)];
    for (t->request = 0; t->request < w->requests; t->request++) {
        t->place = place;
        if (place < w->places[t->request]) return 1;
        place -= w->places[t->request] > 0 ? w->places[t->request] : 0;
    }
    return 0;
}

static int next_number(sweep *w) {
    int number;
    (void)pthread_mutex_lock(&w->lock);
    number = w->next++;
    (void)pthread_mutex_unlock(&w->lock);
    return number;
}

static void *work_on(void *of) {
    static int sessions;
    sweep *w = (sweep *)of;
    trial *t = (trial *)calloc(1, sizeof *t);
    int number;
    (void)pthread_mutex_lock(&w->lock);
    trial_open(t, w->variant, sessions++);
    if (!w->requests) look_around(w, t);
    (void)pthread_mutex_unlock(&w->lock);
    while (!t->problem[0] && find_combination(w, number = next_number(w), t)) {
        t->is_blocking = number % 2;
        t->is_followed = number / 2 % 2;
        t->has_sink = number / 4 % 2;
        EXPECT(control_reset(t->session) == 0, "no reset");
        set_script(t);
        trial_run(t);
        trial_check(t);
        (void)pthread_mutex_lock(&w->lock);
        w->trials++;
        (void)pthread_mutex_unlock(&w->lock);
    }
    trial_close(t);
    (void)pthread_mutex_lock(&w->lock);
    if (t->problem[0]) snprintf(w->problem, sizeof w->problem, "%s", t->problem);
    (void)pthread_mutex_unlock(&w->lock);
    free(t);
    return NULL;
}

static void every_value(void **state) {
    pthread_t threads[THREADS];
    sweep w;
    int i;
    memset(&w, 0, sizeof w);
    w.variant = (const variant *)*state;
    assert_int_equal(pthread_mutex_init(&w.lock, NULL), 0);
    for (i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, work_on, &w), 0);
    for (i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    (void)pthread_mutex_destroy(&w.lock);
    if (w.problem[0]) fail_msg("%s", w.problem);
    assert_true(w.trials > 10);
}

/* ---- what is made of odd ones -------------------------------------------------------------------------- */

#define GIF          "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
#define IMAGE        "{\"b64_json\":\"" GIF "\"}"
#define OF(all)      "{\"data\":[" all "]}"
#define BASE64(text) OF("{\"b64_json\":\"" text "\"}")
#define LINK(text)   OF("{\"url\":\"" text "\"}")
#define WITH(member) "{\"data\":[" IMAGE "]," member "}"

typedef struct odd {
    const char *name, *body;
    tarash_image_result result;
    size_t images;
    tarash_image_result in_sink; /* where that makes a difference */
} odd;

#define OK    TARASH_IMAGE_OK
#define BAD   TARASH_IMAGE_ERROR_BAD_RESPONSE
#define NONE  TARASH_IMAGE_ERROR_GENERATION_FAILED
#define LARGE TARASH_IMAGE_ERROR_TOO_LARGE

static const odd odds[] = {
    /* lists */
    {"as it should be", OF(IMAGE), OK, 1, 0},
    {"an empty list", OF(""), NONE, 0, 0},
    {"an object for the list", "{\"data\":" IMAGE "}", BAD, 0, 0},
    {"a text for the list", "{\"data\":\"" GIF "\"}", BAD, 0, 0},
    {"a number for the list", "{\"data\":1}", BAD, 0, 0},
    {"null for the list", "{\"data\":null}", BAD, 0, 0},
    {"no list", "{}", BAD, 0, 0},
    {"null entries", OF("null,null"), NONE, 0, 0},
    {"null entries among images", OF("null," IMAGE ",null," IMAGE), OK, 2, 0},
    {"empty entries among images", OF("{},[],\"\",0," IMAGE), OK, 1, 0},
    {"neither base64 nor a URL", OF("{\"b64_json\":null,\"url\":null}"), NONE, 0, 0},
    {"empty base64 and an empty URL", OF("{\"b64_json\":\"\",\"url\":\"\"}"), NONE, 0, 0},
    {"base64 and an empty URL", OF("{\"b64_json\":\"" GIF "\",\"url\":\"\"}"), OK, 1, 0},
    {"base64 and null for a URL", OF("{\"b64_json\":\"" GIF "\",\"url\":null}"), OK, 1, 0},
    {"base64 and a URL", OF("{\"b64_json\":\"" GIF "\",\"url\":\"http://127.0.0.1:1/x.png\"}"), OK, 1, 0},
    {"a URL and base64", OF("{\"url\":\"http://127.0.0.1:1/x.png\",\"b64_json\":\"" GIF "\"}"), OK, 1, 0},
    {"a list for base64", OF("{\"b64_json\":[\"" GIF "\"]}"), NONE, 0, 0},
    {"a list in the list", OF("[" IMAGE "]"), NONE, 0, 0},
    {"true for base64", OF("{\"b64_json\":true}"), NONE, 0, 0},
    {"a number for a URL", OF("{\"url\":7}"), NONE, 0, 0},
    /* twice the same name: the last one counts, as with most readers */
    {"two lists, the first one empty", "{\"data\":[],\"data\":[" IMAGE "]}", OK, 1, 0},
    {"two lists, the second one empty", "{\"data\":[" IMAGE "],\"data\":[]}", NONE, 0, 0},
    {"base64 twice, then null", OF("{\"b64_json\":\"" GIF "\",\"b64_json\":null}"), NONE, 0, 0},
    {"null, then base64", OF("{\"b64_json\":null,\"b64_json\":\"" GIF "\"}"), OK, 1, 0},
    {"base64 twice", OF("{\"b64_json\":\"" GIF "\",\"b64_json\":\"" GIF "\"}"), OK, 1, 0},
    {"names that differ by case", "{\"Data\":[],\"DATA\":1,\"data\":[" IMAGE "]}", OK, 1, 0},
    {"a name with a zero", "{\"data\\u0000\":[],\"data\":[" IMAGE "]}", OK, 1, 0},
    /* what is told beside */
    {"an error that is null", WITH("\"error\":null"), OK, 1, 0},
    {"numbers beyond range",
     WITH("\"created\":1e400,\"usage\":{\"input_tokens\":-1e400,\"output_tokens\":"
          "99999999999999999999,\"total_tokens\":1e30}"),
     OK, 1, 0},
    {"numbers that are none", WITH("\"created\":\"soon\",\"usage\":{\"total_tokens\":[1]}"), OK, 1, 0},
    {"a list for the usage", WITH("\"usage\":[1,2,3]"), OK, 1, 0},
    {"lone surrogates", OF("{\"b64_json\":\"" GIF "\",\"revised_prompt\":\"a\\ud83d b\\udc00\"}"), OK, 1, 0},
    {"zeros", OF("{\"b64_json\":\"" GIF "\",\"revised_prompt\":\"a\\u0000b\\u001b[2J\"}"), OK, 1, 0},
    {"an object for the prompt", OF("{\"b64_json\":\"" GIF "\",\"revised_prompt\":{\"a\":1}}"), OK, 1, 0},
    {"an invalid number", WITH("\"created\":01"), BAD, 0, 0},
    {"not a number", WITH("\"created\":NaN"), BAD, 0, 0},
    {"a comma too many", OF(IMAGE ","), BAD, 0, 0},
    {"more behind it", OF(IMAGE) "{}", BAD, 0, 0},
    {"half a surrogate's escape", OF("{\"b64_json\":\"" GIF "\",\"revised_prompt\":\"\\ud83\"}"), BAD, 0, 0},
    {"a deep bomb", WITH("\"usage\":" DEEP), LARGE, 0, 0},
    /* base64 */
    {"line breaks", BASE64("R0lGODlhAQABAIAAAAAAAP///yH5BA\\r\\nEAAAAALAAAAAABAAEAAAIB\\nRAA7\\n"), OK, 1, 0},
    {"blanks and tabs", BASE64(" R0lGODlhAQABAIAAAAAAAP///yH5BA\\tEAAAAALAAAAAABAAEAAAIBRAA7 "), OK, 1, 0},
    {"the alphabet for URLs", BASE64("R0lGODlhAQABAIAAAAAAAP___yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"), OK, 1, 0},
    {"both alphabets", BASE64("R0lGODlhAQABAIAAAAAAAP_/_yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"), OK, 1, 0},
    {"padding that is right", BASE64("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7AA=="), OK, 1,
     0},
    {"padding that is missing", BASE64("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7AA"), OK, 1,
     0},
    {"half of the padding", BASE64("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7AA="), OK, 1, 0},
    {"padding that isn't needed", BASE64(GIF "="), BAD, 0, 0},
    {"too much padding", BASE64("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7AA==="), BAD, 0, 0},
    {"padding in the middle", BASE64("R0lGODlhAQABAIAAAAAAAP==" GIF), BAD, 0, 0},
    {"nothing but padding", BASE64("===="), BAD, 0, 0},
    {"a letter too many", BASE64(GIF "A"), BAD, 0, 0},
    {"garbage at first", BASE64("*" GIF), BAD, 0, 0},
    {"garbage at last", BASE64(GIF "*"), BAD, 0, 0},
    {"a letter that is none", BASE64("R0lGODlhAQABAIAAAAAAAP\\u00e9//yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"), BAD,
     0, 0},
    {"a zero in base64", BASE64("R0lGODlhAQABAIAAAAAAAP\\u0000//yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"), BAD, 0, 0},
    {"half a character in base64", BASE64("R0lGODlhAQABAIAAAAAAAP\\ud83d//yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"),
     BAD, 0, 0},
    {"escaped letters", BASE64("\\u00520lGODlhAQABAIAAAAAAAP\\/\\/\\/yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"), OK, 1,
     0},
    {"a data: URL", BASE64("data:image/gif;base64," GIF), OK, 1, 0},
    {"a data: URL of another type", BASE64("data:text/html;base64," GIF), OK, 1, 0},
    {"a data: URL without base64", BASE64("data:image/gif," GIF), BAD, 0, 0},
    {"nothing but blanks", BASE64("  \\n "), BAD, 0, 0},
    {"a page", BASE64("PGh0bWw+PGJvZHk+U2lnbiBpbjwvYm9keT48L2h0bWw+"), BAD, 0, 0},
    {"one byte", BASE64("iQ=="), BAD, 0, 0},
    {"one bad image, then a good one", OF("{\"b64_json\":\"PGh0bWw+\"}," IMAGE), OK, 1, 0},
    {"one good image, then a bad one", OF(IMAGE ",{\"b64_json\":\"PGh0bWw+\"}"), OK, 1, 0},
    /* addresses */
    {"a file", LINK("file:///etc/passwd"), BAD, 0, 0},
    {"another protocol", LINK("ftp://127.0.0.1:1/x.png"), BAD, 0, 0},
    {"no protocol", LINK("//127.0.0.1:1/x.png"), BAD, 0, 0},
    {"a path", LINK("/x.png"), BAD, 0, 0},
    {"a script", LINK("javascript:alert(1)"), BAD, 0, 0},
    {"no host", LINK("http:///x.png"), BAD, 0, 0},
    {"a port that is none", LINK("http://127.0.0.1:99999/x.png"), BAD, 0, 0},
    {"a line break in a URL", LINK("http://127.0.0.1:1/x\\r\\nX-Key: 1"), BAD, 0, 0},
    {"a zero before a URL", LINK("\\u0000http://127.0.0.1:1/x.png"), BAD, 0, 0},
    {"blanks in a URL", LINK("http://127.0.0.1:1/x y.png"), BAD, 0, 0},
    {"a data: URL for a URL", LINK("data:image/gif;base64," GIF), OK, 1, 0},
    {"a data: URL of garbage", LINK("data:image/gif;base64,**"), BAD, 0, 0},
};

static void set_body(const char *session, const char *body) {
    cJSON *script = cJSON_CreateArray(), *behaviour = cJSON_CreateObject();
    char *text;
    cJSON_AddNumberToObject(behaviour, "status", 200);
    cJSON_AddStringToObject(behaviour, "body", body);
    cJSON_AddItemToArray(script, behaviour);
    text = cJSON_PrintUnformatted(script);
    cJSON_Delete(script);
    assert_int_equal(control_script(session, text), 0);
    cJSON_free(text);
}

static void an_odd_one(void **state) {
    const odd *o = (const odd *)*state;
    int i;
    for (i = 0; i < 8; i++) {
        trial *t = (trial *)calloc(1, sizeof *t);
        tarash_image_result result = i >> 2 && o->in_sink ? o->in_sink : o->result;
        assert_non_null(t);
        trial_open(t, &variants[1], 1000);
        t->is_blocking = i & 1;
        t->is_followed = i >> 1 & 1;
        t->has_sink = i >> 2;
        assert_int_equal(control_reset(t->session), 0);
        set_body(t->session, o->body);
        trial_run(t);
        if (t->response.attempt_count)
            EXPECT(t->response.attempts[0].result == result, "%s: %s",
                   tarash_image_result_name(t->response.attempts[0].result), t->response.attempts[0].message);
        if (result == OK)
            EXPECT(t->response.image_count == o->images, "%d images", (int)t->response.image_count);
        trial_check(t);
        trial_close(t);
        if (t->problem[0]) print_error("%s: %s\n", o->name, t->problem);
        assert_string_equal(t->problem, "");
        free(t);
    }
}

int main(void) {
    struct CMUnitTest sweeps[COUNT(variants)], others[COUNT(odds)];
    size_t i;
    int failed;
    memset(sweeps, 0, sizeof sweeps);
    memset(others, 0, sizeof others);
    for (i = 0; i < COUNT(variants); i++) {
        sweeps[i].name = variants[i].name;
        sweeps[i].test_func = every_value;
        sweeps[i].initial_state = (void *)(uintptr_t)&variants[i];
    }
    for (i = 0; i < COUNT(odds); i++) {
        others[i].name = odds[i].name;
        others[i].test_func = an_odd_one;
        others[i].initial_state = (void *)(uintptr_t)&odds[i];
    }
    signal(SIGPIPE, SIG_IGN);
    (void)temporary_directory();
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || server_start() != 0) return 1;
    failed = cmocka_run_group_tests_name("odd", others, NULL, NULL);
    failed += cmocka_run_group_tests_name("every_value", sweeps, NULL, NULL);
    server_stop();
    return failed != 0;
}
