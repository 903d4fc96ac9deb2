/* Networks and servers that fail, at every stage of a call: a table of faults, and for each stage what it leads to. One
   runner takes every fault through blocking and non-blocking calls, alone and with a healthy second link, once and
   always: the documented result, no more POSTs than are safe, the chain going on or not, an end before the deadline, and
   nothing left behind. */

#include "scene.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define KEY      "sk-faults-0123456789abcdef"
#define MEGABYTE ((size_t)1 << 20)

enum { USUAL_MS = 60000, GRACE_MS = 1000, POLLS = 4, RETRIES = 2, THREADS = 8 };

/* The deadline of what hangs: time enough to get there. */
static int hang_ms(void) {
    const char *preloaded = getenv("LD_PRELOAD");
    return preloaded && strstr(preloaded, "vgpreload") ? 20000 : 2500;
}

/* ---- the stages of a call ------------------------------------------------------------------------------ */

typedef enum stage { CALL, RAW, SUBMIT, POLL, FETCH, DOWNLOAD, STAGES } stage;

#define AT(s) (1u << (s))
#define CALLS (AT(CALL) | AT(RAW) | AT(SUBMIT))

/* At each stage one provider whose calls have it, what it is asked, and how a behaviour gets there. */
static const struct {
    const char *name, *provider, *rest, *frame;
    int retries; /* before a request that may be sent again is given up */
} stages[] = {
    {"a call", "openai", "openai/v1", "[{\"path_contains\":\"/openai/\",\"times\":%d,%s}]", RETRIES},
    {"a call that answers with bytes", "huggingface", "huggingface",
     "[{\"path_contains\":\"/huggingface/\",\"times\":%d,%s}]", RETRIES},
    {"a submit", "fal", "fal/queue", "[{\"method\":\"POST\",\"path_contains\":\"/fal/\",\"times\":%d,%s}]",
     RETRIES},
    {"a poll", "fal", "fal/queue",
     "[{\"path_contains\":\"/fal/\",\"jobs\":{\"polls\":1}},"
     "{\"method\":\"GET\",\"path_contains\":\"/status\",\"times\":%d,%s}]",
     POLLS - 1},
    {"a fetch", "fal", "fal/queue",
     "[{\"path_contains\":\"/fal/\",\"jobs\":{\"polls\":0}},{\"path_contains\":\"/status\",\"times\":-1},"
     "{\"method\":\"GET\",\"path_contains\":\"/fal/\",\"times\":%d,%s}]",
     POLLS},
    {"a download", "fal", "fal/queue",
     "[{\"path_contains\":\"/fal/\",\"jobs\":{\"polls\":0}},"
     "{\"where\":\"any\",\"path_contains\":\"/image-\",\"times\":%d,%s}]",
     RETRIES},
};

static int is_job_stage(stage s) {
    return s == POLL || s == FETCH || s == DOWNLOAD;
}

typedef enum chain { ALONE, FOLLOWED, STOPPED, CHAINS } chain; /* STOPPED: by on_unknown */

static const char *const chain_names[] = {"", ", with a second link", ", with a second link and STOP"};

/* ---- what faults lead to ------------------------------------------------------------------------------- */

typedef enum outcome_name {
    FINE,       /* no fault at all, once it is understood */
    LOST,       /* nobody knows what became of it */
    BAD,        /* an answer that can't be read */
    HOLLOW,     /* a job that failed, or an answer without an image: nothing to be paid for */
    BIG,        /* stops the chain */
    SLOW,       /* takes all the time there is */
    MOVED,      /* a redirect of what mustn't be redirected */
    DENIED,     /* a status that says no */
    REFUSED,    /* nobody listens: nothing was sent */
    UNREACHED,  /* nobody answers: nothing was sent */
    UNTRUSTED,  /* not the one who should: nothing was sent, and nothing is tried again */
    ENDLESS,    /* a job that is never done */
    IMMORAL,    /* what the provider refuses to make */
    CALLED_OFF, /* by the provider */
    UNTRIED
} outcome_name;

typedef struct outcome {
    tarash_image_result result;
    tarash_image_delivery delivery; /* of a call; what is accepted stays so */
    unsigned again;                 /* stages whose request is sent again */
    int moves_on;                   /* to the next link */
    int is_curls;                   /* with libcurl's own code */
    int is_final;                   /* resuming leads to the same */
    int most_retries;               /* 0: the stage's own */
} outcome;

#define LATER (AT(POLL) | AT(FETCH) | AT(DOWNLOAD))

static const outcome outcomes[] = {
    [FINE] = {TARASH_IMAGE_OK, TARASH_IMAGE_DELIVERY_NOT_SENT, 0, 0, 0, 0, 0},
    [LOST] = {TARASH_IMAGE_ERROR_CONNECTION, TARASH_IMAGE_DELIVERY_UNKNOWN, LATER, 1, 1, 0, 0},
    [BAD] = {TARASH_IMAGE_ERROR_BAD_RESPONSE, TARASH_IMAGE_DELIVERY_UNKNOWN, AT(POLL) | AT(FETCH), 1, 0, 0,
             0},
    [HOLLOW] = {TARASH_IMAGE_ERROR_GENERATION_FAILED, TARASH_IMAGE_DELIVERY_REJECTED, 0, 1, 0, 0, 0},
    [BIG] = {TARASH_IMAGE_ERROR_TOO_LARGE, TARASH_IMAGE_DELIVERY_UNKNOWN, 0, 0, 0, 0, 0},
    [SLOW] = {TARASH_IMAGE_ERROR_TIMEOUT, TARASH_IMAGE_DELIVERY_UNKNOWN, 0, 1, 0, 0, 0},
    [MOVED] = {TARASH_IMAGE_ERROR_HTTP, TARASH_IMAGE_DELIVERY_REJECTED, 0, 0, 0, 0, 0},
    [DENIED] = {TARASH_IMAGE_ERROR_HTTP, TARASH_IMAGE_DELIVERY_REJECTED, AT(POLL) | AT(FETCH), 0, 0, 0, 3},
    [REFUSED] = {TARASH_IMAGE_ERROR_CONNECTION, TARASH_IMAGE_DELIVERY_NOT_SENT, CALLS | LATER, 1, 1, 0, 0},
    [UNREACHED] = {TARASH_IMAGE_ERROR_TIMEOUT, TARASH_IMAGE_DELIVERY_NOT_SENT, CALLS | LATER, 1, 1, 0, 0},
    [UNTRUSTED] = {TARASH_IMAGE_ERROR_CONNECTION, TARASH_IMAGE_DELIVERY_NOT_SENT, 0, 1, 1, 0, 0},
    [ENDLESS] = {TARASH_IMAGE_ERROR_TIMEOUT, TARASH_IMAGE_DELIVERY_ACCEPTED, 0, 1, 0, 1, 0},
    [IMMORAL] = {TARASH_IMAGE_ERROR_CONTENT_MODERATION, TARASH_IMAGE_DELIVERY_ACCEPTED, 0, 0, 0, 1, 0},
    [CALLED_OFF] = {TARASH_IMAGE_ERROR_CANCELLED, TARASH_IMAGE_DELIVERY_ACCEPTED, 0, 0, 0, 1, 0},
};

/* ---- places: addresses where a connection, or its TLS, comes to nothing -------------------------------- */

static struct { int refused, full, silent, tls, plain, expired; } ports;

typedef enum authority { NOBODY, RIGHT, OF_THE_EXPIRED } authority;

typedef struct place {
    const char *url; /* with the port to come */
    const int *port;
    authority trusted;
    int is_home; /* the base URL at every stage; else only what the stage asks lies there */
} place;

static const place nobody_listens = {"http://127.0.0.1:%d", &ports.refused, NOBODY, 0};
static const place queue_is_full = {"http://127.0.0.1:%d", &ports.full, NOBODY, 0};
static const place silent_handshake = {"https://127.0.0.1:%d", &ports.silent, RIGHT, 0};
static const place stranger = {"https://127.0.0.1:%d", &ports.tls, NOBODY, 0};
static const place other_name = {"https://painter.invalid:%d", &ports.tls, RIGHT, 0};
static const place too_old = {"https://localhost:%d", &ports.expired, OF_THE_EXPIRED, 0};
static const place plain_text = {"https://127.0.0.1:%d", &ports.plain, RIGHT, 0};
static const place right_address = {"https://127.0.0.1:%d", &ports.tls, RIGHT, 0};
static const place right_name = {"https://localhost:%d", &ports.tls, RIGHT, 0};
static const place home_by_tls = {"https://127.0.0.1:%d", &ports.tls, RIGHT, 1};

/* ---- faults -------------------------------------------------------------------------------------------- */

enum { ONLY_ONCE = 1, ONLY_ALWAYS = 2, WARM = 4, COLD_WARM = 8, OF_REPLICATE = 16, FINAL = 32 };

typedef struct fault {
    const char *name;
    const char *behaviour; /* of the server; or NULL */
    outcome_name of[STAGES];
    const place *place;
    const char *unasked; /* a path that only a download that is redirected may have asked for */
    const char *warning; /* about this field, of images in memory */
    int flags; /* WARM: of the second call on a connection. COLD_WARM: after a while. FINAL: resuming leads to
                  the same */
} fault;

#define ALL(o)                                                                                               \
    { o, o, o, o, o, o }
#define CALLED(o)                                                                                            \
    { o, o, o, o, o, UNTRIED }
#define DOWNLOADED(o)                                                                                        \
    { UNTRIED, UNTRIED, UNTRIED, UNTRIED, UNTRIED, o }
#define POLLED(o)                                                                                            \
    { UNTRIED, UNTRIED, UNTRIED, o, UNTRIED, UNTRIED }
/* All but the call that is answered with bytes. */
#define READ(o)                                                                                              \
    { o, UNTRIED, o, o, o, UNTRIED }
/* Calls are never redirected; downloads may be. */
#define REDIRECTED(download)                                                                                 \
    { MOVED, MOVED, MOVED, MOVED, MOVED, download }
#define RAW_TEXT(text)       "\"raw\":\"" text "\""
#define LINES(head)          RAW_TEXT("HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\n" head "\\r\\n")
#define REDIRECT(status, to) "\"redirect\":{\"status\":" #status ",\"to\":\"" to "\"}"
#define BODY(json)           "\"status\":200,\"body\":" json
#define DEEP_8(t)            t t t t t t t t
#define DEEP                 DEEP_8(DEEP_8("[[[[[[[["))

static const fault faults[] = {
    /* connections */
    {"a refused connection", NULL, .of = ALL(REFUSED), .place = &nobody_listens},
    {"a connection that hangs", NULL, .of = ALL(UNREACHED), .place = &queue_is_full},
    {"a TLS handshake that hangs", NULL, .of = ALL(UNREACHED), .place = &silent_handshake},
    {"a certificate that nobody vouches for", NULL, .of = ALL(UNTRUSTED), .place = &stranger,
     .unasked = "/f/"},
    {"a certificate of another host", NULL, .of = ALL(UNTRUSTED), .place = &other_name, .unasked = "/f/"},
    {"a certificate that has expired", NULL, .of = ALL(UNTRUSTED), .place = &too_old, .unasked = "/f/"},
    {"a port without TLS", NULL, .of = ALL(UNTRUSTED), .place = &plain_text, .unasked = "/f/"},
    {"a right certificate", NULL, .of = {FINE, FINE, FINE, FINE, UNTRIED, FINE}, .place = &right_address},
    {"a right certificate by name", NULL, .of = {FINE, FINE, FINE, FINE, UNTRIED, FINE},
     .place = &right_name},
    {"a reset while the request is read", "\"reset\":\"in_request\"", .of = ALL(LOST)},
    {"a reset before the answer", "\"reset\":\"before\"", .of = ALL(LOST)},
    {"a reset in the headers", "\"reset\":\"in_headers\"", .of = ALL(LOST)},
    {"a reset after the headers", "\"reset\":\"after_headers\"", .of = ALL(LOST)},
    {"a reset in the body", "\"reset\":\"in_body\"", .of = ALL(LOST)},
    {"a close before the answer", RAW_TEXT(""), .of = ALL(LOST)},
    {"a close after the headers", "\"close_after_bytes\":0", .of = ALL(LOST)},
    {"a close in the body", "\"close_after_bytes\":40", .of = ALL(LOST)},
    {"a connection that closes when it is used again", "\"close_idle\":\"on_next_request\"",
     .of = {UNTRIED, UNTRIED, FINE, FINE, UNTRIED, UNTRIED}, .flags = ONLY_ONCE},
    /* A POST that went into a dead connection isn't sent again: it may have arrived. */
    {"a kept connection that closes as the next call comes", "\"close_idle\":\"on_next_request\"",
     .of = {LOST, LOST, LOST, UNTRIED, UNTRIED, FINE}, .flags = WARM | ONLY_ALWAYS},
    {"a kept connection that was closed meanwhile", "\"close_idle\":true", .of = ALL(FINE),
     .flags = COLD_WARM | ONLY_ALWAYS},
    /* how an answer travels */
    {"less than content-length says", "\"content_length\":100000000", .of = ALL(LOST)},
    {"a content-length of 10 GB", "\"content_length\":10737418240", .of = ALL(LOST)},
    {"10 GB that come", "\"endless_body\":true,\"content_length\":10737418240", .of = ALL(BIG)},
    {"a content-length beyond 63 bits", LINES("Content-Length: 99999999999999999999\\r\\n"), .of = ALL(BAD)},
    {"a negative content-length", LINES("Content-Length: -5\\r\\n"), .of = ALL(BAD)},
    {"a chunk of no size", RAW_TEXT("HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nzz\\r\\n"),
     .of = ALL(LOST)},
    {"a chunk of too much size",
     RAW_TEXT("HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nfffffffffffffffff\\r\\n{}"),
     .of = ALL(LOST)},
    {"chunks that break off", "\"chunked\":\"broken\"", .of = ALL(LOST)},
    {"chunks without an end", "\"chunked\":\"truncated\"", .of = ALL(LOST)},
    {"chunks", "\"chunked\":true", .of = ALL(FINE)},
    {"one byte at a time",
     "\"trickle\":{\"chunk\":1,\"every_ms\":0,\"head\":true},\"image_result\":{\"size\":\"8x8\"}",
     .of = ALL(FINE)},
    {"no answer", "\"stall\":true", .of = ALL(SLOW)},
    {"headers at one byte a second", "\"trickle\":{\"chunk\":1,\"every_ms\":1000,\"head\":true}",
     .of = ALL(SLOW)},
    {"a body at one byte a second", "\"trickle\":{\"chunk\":1,\"every_ms\":1000}", .of = ALL(SLOW)},
    {"an endless body", "\"endless_body\":true", .of = ALL(BIG)},
    {"an endless body in chunks", "\"endless_body\":\"chunked\"", .of = ALL(BIG)},
    {"endless blanks", "\"endless_body\":\"blanks\"", .of = READ(BIG)},
    {"endless headers", "\"endless_headers\":true", .of = ALL(BIG)},
    {"a gzip bomb", "\"gzip_bomb\":12", .of = ALL(BIG)},
    {"gzip", "\"gzip\":true", .of = ALL(FINE)},
    {"gzip that is none", "\"headers\":{\"Content-Encoding\":\"gzip\"}", .of = ALL(BAD)},
    {"an encoding that nobody knows", "\"headers\":{\"Content-Encoding\":\"rot13\"}", .of = ALL(BAD)},
    {"HTTP/1.0", "\"http10\":true", .of = ALL(FINE)},
    {"no HTTP", RAW_TEXT("SSH-2.0-OpenSSH_9.2\\r\\n"), .of = ALL(BAD)},
    {"HTTP of another century", RAW_TEXT("HTTP/7.5 200 OK\\r\\n\\r\\n"), .of = ALL(BAD)},
    {"a zero byte in the headers",
     RAW_TEXT("HTTP/1.1 200 OK\\r\\nX-A: b\\u0000c\\r\\nContent-Length: 2\\r\\n\\r\\n{}"), .of = ALL(BAD)},
    {"100-continue", "\"interim\":{\"status\":100,\"count\":1}", .of = ALL(FINE)},
    {"early hints", "\"interim\":{\"status\":103,\"count\":20}", .of = ALL(FINE)},
    {"a flood of early hints", "\"interim\":{\"status\":103,\"count\":-1}", .of = ALL(BIG)},
    {"a flood of 100-continue", "\"interim\":{\"status\":100,\"count\":-1}", .of = ALL(BIG)},
    {"204", "\"status\":204", .of = ALL(BAD)},
    {"an answer before the request is read", "\"early\":true,\"status\":200,\"body\":\"\"", .of = ALL(BAD)},
    /* redirects */
    {"a redirect in a circle", REDIRECT(302, "/f/{SESSION}/image-1.jpeg"), .of = REDIRECTED(BAD),
     .flags = ONLY_ALWAYS},
    {"a redirect to a file", REDIRECT(302, "file:///etc/passwd"), .of = REDIRECTED(BAD)},
    {"a redirect to another protocol", REDIRECT(301, "gopher://127.0.0.1:1/x"), .of = REDIRECTED(BAD)},
    {"a redirect without a place", "\"status\":302,\"body\":\"\"", .of = REDIRECTED(BAD)},
    {"a redirect to another origin", REDIRECT(307, "{API}/f/{SESSION}/static/8x8.png"),
     .of = REDIRECTED(FINE), .unasked = "/static/"},
    {"a redirect with method and body", REDIRECT(308, "{API}/s/{SESSION}/openai/v1/images/generations?again"),
     .of = REDIRECTED(DENIED), .unasked = "?again"},
    {"a redirect from https to http", REDIRECT(302, "{FILES}/f/{SESSION}/static/8x8.png"),
     .of = REDIRECTED(BAD), .unasked = "/static/", .place = &home_by_tls},
    {"a redirect from https to https", REDIRECT(302, "{TLS}/f/{SESSION}/static/8x8.png"),
     .of = REDIRECTED(FINE), .unasked = "/static/", .place = &home_by_tls},
    {"a redirect from http to https", REDIRECT(302, "{TLS}/f/{SESSION}/static/8x8.png"),
     .of = REDIRECTED(UNTRUSTED), .unasked = "/static/"},
    /* what an answer says */
    {"an empty 200", BODY("\"\""), .of = ALL(BAD)},
    {"an HTML page", "\"headers\":{\"Content-Type\":\"text/html\"}," BODY("\"<html>Sign in</html>\""),
     .of = ALL(BAD)},
    {"half an answer", BODY("\"{\\\"data\\\":[{\\\"b64_json\\\":\\\"iVBORw0K\""), .of = ALL(BAD)},
    {"two answers", BODY("\"{}{}\""), .of = ALL(BAD)},
    {"null", BODY("\"null\""), .of = ALL(BAD)},
    {"true", BODY("\"true\""), .of = ALL(BAD)},
    {"a number", BODY("\"-1e999\""), .of = ALL(BAD)},
    {"a text", BODY("\"\\\"done\\\"\""), .of = ALL(BAD)},
    {"a list", BODY("[{\"data\":[]}]"), .of = ALL(BAD)},
    {"a byte order mark",
     RAW_TEXT("HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\n\\u00ef\\u00bb\\u00bf{}"), .of = ALL(BAD)},
    {"a bomb of depth", BODY("\"" DEEP "\""), .of = {BIG, BIG, BIG, BIG, BIG, BAD}},
    {"bytes that are no image", "\"image_result\":{\"bytes\":\"garbage\"}",
     .of = {BAD, BAD, UNTRIED, FINE, FINE, BAD}},
    {"a page for an image", "\"image_result\":{\"bytes\":\"html\"}",
     .of = {BAD, BAD, UNTRIED, FINE, FINE, BAD}},
    {"no bytes of an image", "\"image_result\":{\"bytes\":\"empty\"}",
     .of = {HOLLOW, BAD, UNTRIED, FINE, FINE, BAD}},
    {"half an image", "\"image_result\":{\"bytes\":\"truncated\"}",
     .of = {FINE, FINE, UNTRIED, UNTRIED, UNTRIED, FINE}, .warning = "images"},
    {"another format than declared",
     "\"image_result\":{\"bytes\":\"gif\",\"size\":\"32x32\",\"mime\":\"image/png\"}", .of = ALL(FINE)},
    /* jobs */
    {"a job that is never done", "[{\"jobs\":{\"polls\":1000}}]", .of = POLLED(ENDLESS),
     .flags = ONLY_ALWAYS},
    {"a job that fails", "[{\"jobs\":{\"polls\":1,\"fail\":true}}]", .of = POLLED(HOLLOW),
     .flags = ONLY_ALWAYS | FINAL},
    {"a job that is refused", "[{\"jobs\":{\"polls\":1,\"moderation\":true}}]", .of = POLLED(IMMORAL),
     .flags = ONLY_ALWAYS},
    {"a job that is cancelled", "[{\"jobs\":{\"polls\":1,\"fail\":\"canceled\"}}]", .of = POLLED(CALLED_OFF),
     .flags = ONLY_ALWAYS | OF_REPLICATE},
    {"a state that nobody knows", "\"merge\":{\"status\":\"CONTEMPLATING\"}", .of = POLLED(ENDLESS),
     .flags = ONLY_ALWAYS},
    {"a state that nobody knows, for a while", "[{\"jobs\":{\"polls\":2,\"unknown_state\":true}}]",
     .of = POLLED(FINE), .flags = ONLY_ALWAYS},
    {"404", "\"status\":404", .of = CALLED(DENIED)},
    {"an address elsewhere for polls",
     "\"merge\":{\"status_url\":\"{FILES}/f/{SESSION}/elsewhere\",\"response_url\":\"{FILES}/f/{SESSION}/"
     "elsewhere\"}",
     .of = {UNTRIED, UNTRIED, FINE, FINE, UNTRIED, UNTRIED}, .unasked = "/elsewhere"},
    {"an address elsewhere for predictions",
     "[{\"jobs\":{\"polls\":1},\"merge\":{\"urls\":{\"get\":\"{FILES}/f/{SESSION}/elsewhere\"}}}]",
     .of = POLLED(FINE), .unasked = "/elsewhere", .flags = ONLY_ALWAYS | OF_REPLICATE},
    {"a result that has expired", "\"status\":403,\"body\":\"<Error>Request has expired</Error>\"",
     .of = DOWNLOADED(DENIED)},
    {"a result that is gone", "\"status\":410", .of = DOWNLOADED(DENIED)},
    {"a result that is not there", "\"status\":404", .of = DOWNLOADED(DENIED)},
    {"a result on another host", "\"image_result\":{\"other_host\":\"localhost\"}",
     .of = {UNTRIED, UNTRIED, UNTRIED, UNTRIED, FINE, UNTRIED}},
};

/* ---- one trial: a fault at a stage --------------------------------------------------------------------- */

typedef struct trial {
    const fault *fault;
    stage stage;
    chain chain;
    int is_once, is_blocking, has_sink;
    char session[32];
    tarash_image_config config, second;
    tarash_image_request request;
    tarash_image_sink sink;
    tarash_image_response response;
    counting_allocator memory;
    jobs_service service;
    tarash_image_phase phase; /* which is asked elsewhere */
    int posts_before;
    char elsewhere[256], url[256], second_url[256], folder[1100], pattern[1200], problem[1024];
    int64_t elapsed;
} trial;

/* The first problem counts. Trials run in threads, where a failed assertion can't be caught. */
static void complain(trial *t, const char *format, ...) {
    va_list arguments;
    int size;
    if (t->problem[0]) return;
    size = snprintf(t->problem, sizeof t->problem, "%s, %s%s%s%s: ", t->fault->name, stages[t->stage].name,
                    t->is_once ? ", once" : "", chain_names[t->chain], t->is_blocking ? ", blocking" : "");
    va_start(arguments, format);
    vsnprintf(t->problem + size, sizeof t->problem - (size_t)size, format, arguments);
    va_end(arguments);
}

#define EXPECT(condition, ...)                                                                               \
    do {                                                                                                     \
        if (!(condition)) complain(t, __VA_ARGS__);                                                          \
    } while (0)

static const outcome *outcome_of(const trial *t) {
    return &outcomes[t->fault->of[t->stage]];
}

static int is_away(const trial *t) {
    return t->fault->place && !t->fault->place->is_home;
}

/* ---- preparing it ---- */

static const char *behaviour_frame(const trial *t, stage at, int times, char *script, size_t size) {
    if (t->fault->behaviour && t->fault->behaviour[0] == '[') return t->fault->behaviour;
    snprintf(script, size, stages[at].frame, times,
             t->fault->behaviour ? t->fault->behaviour : "\"times\":-1");
    return script;
}

static void set_script(trial *t, stage at, int times) {
    char script[8192];
    EXPECT(control_script(t->session, behaviour_frame(t, at, times, script, sizeof script)) == 0,
           "no script");
}

static void prepare_config(tarash_image_config *config, const char *provider, const char *url) {
    config->provider = provider;
    config->api_key = KEY;
    config->base_url = url;
    config->timeout_ms = USUAL_MS;
    config->poll_interval_ms = 1;
    config->max_poll_attempts = POLLS;
    config->max_retries = RETRIES;
    config->retry.initial_ms = 1;
}

static void prepare_links(trial *t) {
    int is_replicate = t->fault->flags & OF_REPLICATE;
    server_api_url(t->url, sizeof t->url, t->session, is_replicate ? "replicate/v1" : stages[t->stage].rest);
    server_api_url(t->second_url, sizeof t->second_url, t->session, "compatible/v1");
    prepare_config(&t->config, is_replicate ? "replicate" : stages[t->stage].provider, t->url);
    prepare_config(&t->second, "openai_compatible", t->second_url);
    t->second.model = "second";
    if (t->chain != ALONE) {
        t->config.fallbacks = &t->second;
        t->config.fallback_count = 1;
    }
    if (t->chain == STOPPED) t->config.on_unknown = TARASH_IMAGE_UNKNOWN_STOP;
    if (t->fault->of[t->stage] == SLOW) t->config.timeout_ms = hang_ms();
    if (t->fault->of[t->stage] == UNREACHED) t->config.connect_timeout_ms = 400;
}

/* A provider of the program's own asks where it is told to. */
static tarash_image_result build_elsewhere(tarash_image_exchange *exchange, tarash_image_phase phase,
                                           void *user_data) {
    trial *t = (trial *)user_data;
    if (t->elsewhere[0] && phase == t->phase) {
        tarash_image_exchange_send(exchange, "GET", t->elsewhere);
        return TARASH_IMAGE_OK;
    }
    return jobs_build(exchange, phase, &t->service);
}

static tarash_image_result read_elsewhere(tarash_image_exchange *exchange, tarash_image_phase phase,
                                          void *user_data) {
    return jobs_read(exchange, phase, &((trial *)user_data)->service);
}

static void prepare_painter(trial *t, const char *origin) {
    jobs_service_open(&t->service);
    t->service.provider.build_fn = build_elsewhere;
    t->service.provider.read_fn = read_elsewhere;
    t->service.provider.user_data = t;
    t->phase = t->stage == POLL ? TARASH_IMAGE_PHASE_POLL : TARASH_IMAGE_PHASE_FETCH;
    if (t->stage == DOWNLOAD)
        EXPECT(control_scriptf(t->session,
                               "[{\"jobs\":{\"polls\":0,\"url\":true}},{\"method\":\"GET\",\"times\":1},"
                               "{\"method\":\"GET\",\"times\":-1,\"image_result\":{\"url_text\":"
                               "\"%s/f/{SESSION}/static/8x8.png\"}}]",
                               origin) == 0,
               "no script");
    else
        snprintf(t->elsewhere, sizeof t->elsewhere, "%s/f/%s/jobs/job-1", origin, t->session);
    server_api_url(t->url, sizeof t->url, t->session, "jobs");
    t->config.provider = "painter";
}

static void prepare_place(trial *t) {
    char origin[128], path[256];
    const place *p = t->fault->place;
    snprintf(origin, sizeof origin, p->url, *p->port);
    if (!p->is_home && is_job_stage(t->stage)) {
        prepare_painter(t, origin);
        return;
    }
    snprintf(path, sizeof path, "%s", strstr(t->url, "/s/"));
    snprintf(t->url, sizeof t->url, "%.100s%.150s", origin, path);
}

static void trial_open(trial *t, int number) {
    snprintf(t->session, sizeof t->session, "fault%d", number);
    prepare_links(t);
    if (t->fault->place) prepare_place(t);
    t->request.prompt = "a lighthouse in fog";
    temporary_path(t->folder, sizeof t->folder, t->session);
    snprintf(t->pattern, sizeof t->pattern, "%s/{index}.{ext}", t->folder);
    t->sink.path = t->pattern;
    if (t->has_sink) t->request.sink = &t->sink;
    EXPECT(mkdir(t->folder, 0700) == 0, "no folder: %s", strerror(errno));
}

static struct curl_slist *names; /* painter.invalid, without asking a name server */
static char expired_certificate[1100];

static void use_names(void *easy, void *unused) {
    (void)unused;
    (void)curl_easy_setopt((CURL *)easy, CURLOPT_RESOLVE, names);
}

static tarash_image_client *trial_client(trial *t) {
    tarash_image_client_desc desc;
    tarash_image_client *client;
    authority trusted = t->fault->place ? t->fault->place->trusted : NOBODY;
    memset(&desc, 0, sizeof desc);
    desc.ca_file = trusted == RIGHT            ? server_ca_file()
                   : trusted == OF_THE_EXPIRED ? expired_certificate
                                               : NULL;
    desc.curl_hook_fn = use_names;
    desc.allocator = counting_allocator_functions(&t->memory);
    desc.proxy = "";
    desc.limits.max_reply_bytes = 6 * MEGABYTE;
    desc.limits.max_image_bytes = 3 * MEGABYTE;
    desc.limits.max_document_bytes = 1 * MEGABYTE;
    desc.random_seed = 1;
    client = tarash_image_client_create(&desc);
    EXPECT(client != NULL, "no client");
    if (client && t->service.provider.name)
        EXPECT(tarash_image_register_provider(client, &t->service.provider) == TARASH_IMAGE_OK, "no painter");
    return client;
}

/* ---- running it ---- */

static void pause_ms(int milliseconds) {
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}

static void trial_finish(trial *t, tarash_image_client *client, tarash_image_job job) {
    while (tarash_image_poll(client, 0) > 0) pause_ms(2);
    (void)tarash_image_take(client, job, &t->response);
}

static void trial_run(trial *t, tarash_image_client *client) {
    int64_t began = real_ms();
    tarash_image_response_free(&t->response);
    if (t->is_blocking)
        (void)tarash_image_generate(client, &t->config, &t->request, &t->response);
    else
        trial_finish(t, client, tarash_image_submit(client, &t->config, &t->request));
    t->elapsed = real_ms() - began;
}

/* ---- what should have come of it ----------------------------------------------------------------------- */

static const char *first_path(const trial *t) {
    return strstr(t->url, t->session) + strlen(t->session);
}

static int count_requests(const trial *t, const char *method, const char *path) {
    cJSON *log = control_log(t->session);
    int count = log_count(log, method, path);
    cJSON_Delete(log);
    return count;
}

static int count_posts(const trial *t, const char *path) {
    return count_requests(t, "POST", path) - (path ? 0 : t->posts_before);
}

/* Whole images, and nothing else. */
static void check_files(trial *t, int expected) {
    struct dirent *entry;
    DIR *folder = opendir(t->folder);
    int count = 0;
    EXPECT(folder != NULL, "no folder");
    while (folder && (entry = readdir(folder)) != NULL) {
        char path[1400];
        struct stat status;
        if (entry->d_name[0] == '.' && (!entry->d_name[1] || entry->d_name[1] == '.')) continue;
        snprintf(path, sizeof path, "%s/%s", t->folder, entry->d_name);
        EXPECT(entry->d_name[0] >= '0' && entry->d_name[0] <= '9' && strlen(entry->d_name) <= 6,
               "a file %s was left", entry->d_name);
        EXPECT(stat(path, &status) == 0 && status.st_size > 20, "the file %s is not whole", entry->d_name);
        (void)unlink(path);
        count++;
    }
    if (folder) closedir(folder);
    EXPECT(count == expected, "%d files instead of %d", count, expected);
}

static void check_image(trial *t) {
    const tarash_image *image = tarash_image_response_first(&t->response);
    EXPECT(t->response.image_count == 1, "%d images", (int)t->response.image_count);
    if (!image) return;
    EXPECT(image->size > 20 && image->mime_type, "no image");
    EXPECT(t->has_sink ? image->path != NULL && !image->data : image->data != NULL,
           "it isn't where it should be");
    check_files(t, t->has_sink);
}

static tarash_image_delivery delivery_of(const trial *t) {
    return is_job_stage(t->stage) ? TARASH_IMAGE_DELIVERY_ACCEPTED : outcome_of(t)->delivery;
}

/* A second link might be paid for a second time. */
static int is_in_doubt(const trial *t) {
    return (delivery_of(t) == TARASH_IMAGE_DELIVERY_UNKNOWN ||
            delivery_of(t) == TARASH_IMAGE_DELIVERY_ACCEPTED) &&
           outcome_of(t)->result != TARASH_IMAGE_ERROR_GENERATION_FAILED;
}

static void check_failure(trial *t, const tarash_image_attempt *attempt) {
    const outcome *o = outcome_of(t);
    int retries = o->again & AT(t->stage) ? stages[t->stage].retries : 0;
    if (o->most_retries && retries > o->most_retries) retries = o->most_retries;
    EXPECT(attempt->result == o->result, "%s instead of %s: %s", tarash_image_result_name(attempt->result),
           tarash_image_result_name(o->result), attempt->message);
    EXPECT(attempt->delivery == delivery_of(t), "%s instead of %s: %s",
           tarash_image_delivery_name(attempt->delivery), tarash_image_delivery_name(delivery_of(t)),
           attempt->message);
    EXPECT(attempt->message[0], "no words");
    if (!t->is_once) EXPECT(attempt->retries == retries, "%d retries, not %d", attempt->retries, retries);
}

/* What was accepted can still be had, without another POST, once the network is well. */
static void check_resuming(trial *t, tarash_image_client *client) {
    char token[1024];
    snprintf(token, sizeof token, "%s", t->response.error.job_token);
    EXPECT(token[0], "no token");
    /* Where a result lies is part of the token. */
    if (!token[0] || (is_away(t) && t->stage == DOWNLOAD)) return;
    if (outcome_of(t)->is_final || t->fault->flags & FINAL) return;
    tarash_image_response_free(&t->response);
    EXPECT(control_script(t->session, "[]") == 0, "no script");
    t->elsewhere[0] = '\0';
    t->config.timeout_ms = USUAL_MS;
    trial_finish(t, client, tarash_image_resume_with(client, &t->config, &t->request, token));
    EXPECT(t->response.error.result == TARASH_IMAGE_OK, "resumed: %s: %s",
           tarash_image_result_name(t->response.error.result), t->response.error.message);
    check_image(t);
}

static void check_error(trial *t, tarash_image_client *client) {
    const tarash_image_error *error = &t->response.error;
    EXPECT(error->result == outcome_of(t)->result, "%s", tarash_image_result_name(error->result));
    EXPECT(error->delivery == delivery_of(t), "%s", tarash_image_delivery_name(error->delivery));
    EXPECT(!outcome_of(t)->is_curls || error->curl_code != 0, "no curl_code");
    EXPECT(t->response.image_count == 0 || !t->response.images[0].data, "an image all the same");
    check_files(t, 0);
    if (is_job_stage(t->stage))
        check_resuming(t, client);
    else
        EXPECT(!error->job_token[0], "a token: \"%s\"", error->job_token);
}

/* The promise is about what hangs; how long the rest takes is the machine's business. */
static void check_time(trial *t, int moved) {
    int64_t first = t->response.attempt_count ? t->response.attempts[0].elapsed_ms : 0;
    if (t->fault->of[t->stage] != SLOW) return;
    EXPECT(first <= hang_ms() + GRACE_MS, "the first link took %d ms", (int)first);
    if (!moved) EXPECT(t->elapsed <= hang_ms() + GRACE_MS, "took %d ms", (int)t->elapsed);
}

/* How many POSTs have arrived at the first link. */
static int posts_expected(const trial *t) {
    return outcome_of(t)->delivery == TARASH_IMAGE_DELIVERY_NOT_SENT && t->fault->of[t->stage] != FINE &&
                   !is_job_stage(t->stage)
               ? 0
               : 1 + t->posts_before;
}

/* What was asked at last may have been where a redirect leads to. */
static int is_followed(outcome_name o) {
    return o == FINE || o == DENIED;
}

static void trial_check(trial *t, tarash_image_client *client) {
    const tarash_image_response *r = &t->response;
    const outcome *o = outcome_of(t);
    int is_fine = o->result == TARASH_IMAGE_OK || (t->is_once && o->again & AT(t->stage)),
        moved = !is_fine && o->moves_on && (t->chain == FOLLOWED || (t->chain == STOPPED && !is_in_doubt(t)));
    size_t attempts = 1 + (size_t)moved;
    const char *path = first_path(t);
    check_time(t, moved);
    EXPECT(r->attempt_count == attempts, "%d attempts: %s", (int)r->attempt_count, r->error.message);
    EXPECT(count_posts(t, path) == posts_expected(t), "%d POSTs", count_posts(t, path));
    EXPECT(count_posts(t, "/compatible/") == moved, "%d POSTs to the second link",
           count_posts(t, "/compatible/"));
    EXPECT(control_leaks(t->session) == 0, "credentials went elsewhere");
    if (t->fault->unasked && !(t->stage == DOWNLOAD && is_followed(t->fault->of[DOWNLOAD])))
        EXPECT(count_requests(t, NULL, t->fault->unasked) == 0, "%s was asked", t->fault->unasked);
    if (r->attempt_count != attempts) return;
    if (!is_fine) check_failure(t, &r->attempts[0]);
    if (is_fine || moved) {
        EXPECT(r->error.result == TARASH_IMAGE_OK, "%s: %s", tarash_image_result_name(r->error.result),
               r->error.message);
        EXPECT(r->successful_attempt == (int)attempts, "attempt %d was successful", r->successful_attempt);
        check_image(t);
        if (t->fault->warning)
            EXPECT(r->warning_count == 1 && strcmp(r->warnings[0].field, t->fault->warning) == 0,
                   "%d warnings", (int)r->warning_count);
    } else {
        check_error(t, client);
        EXPECT(count_posts(t, path) == posts_expected(t), "%d POSTs in the end", count_posts(t, path));
    }
}

static void trial_close(trial *t, tarash_image_client *client) {
    tarash_image_response_free(&t->response);
    tarash_image_client_destroy(client);
    EXPECT(t->memory.live_blocks == 0, "%d blocks are left", (int)t->memory.live_blocks);
    EXPECT(t->memory.peak_bytes < 24 * MEGABYTE, "%d bytes at once", (int)t->memory.peak_bytes);
    (void)rmdir(t->folder);
    EXPECT(control_reset(t->session) == 0, "no reset");
}

/* A first call, so that there is a connection to be lost. */
static void warm_up(trial *t, tarash_image_client *client) {
    if (t->fault->flags & COLD_WARM)
        EXPECT(control_script(t->session, "[{\"where\":\"any\",\"times\":-1,\"close_idle\":true}]") == 0,
               "no script");
    else /* the last answer that comes on it */
        set_script(t, t->stage == SUBMIT ? FETCH : t->stage, 1);
    trial_run(t, client);
    EXPECT(t->response.error.result == TARASH_IMAGE_OK, "the first call: %s", t->response.error.message);
    check_image(t);
    t->posts_before = 1;
    if (t->fault->flags & COLD_WARM) pause_ms(1000); /* until it is seen to be closed */
}

static void perform(trial *t, int number) {
    tarash_image_client *client;
    trial_open(t, number);
    client = trial_client(t);
    if (!client) return;
    if (t->fault->flags & (WARM | COLD_WARM))
        warm_up(t, client);
    else if (t->fault->behaviour)
        set_script(t, t->stage, t->is_once ? 1 : -1);
    trial_run(t, client);
    trial_check(t, client);
    trial_close(t, client);
}

/* ---- many trials side by side -------------------------------------------------------------------------- */

enum { MOST_TRIALS = 96 };

static struct {
    trial *trials[MOST_TRIALS];
    int count, next, numbers;
    pthread_mutex_t lock;
} work = {{NULL}, 0, 0, 0, PTHREAD_MUTEX_INITIALIZER};

static void *work_on(void *unused) {
    for (;;) {
        trial *mine = NULL;
        int number = 0;
        (void)pthread_mutex_lock(&work.lock);
        if (work.next < work.count) {
            mine = work.trials[work.next++];
            number = ++work.numbers;
        }
        (void)pthread_mutex_unlock(&work.lock);
        if (!mine) return unused;
        perform(mine, number);
    }
}

static int count_descriptors(void) {
    return file_exists("/proc/self/fd") ? directory_count("/proc/self/fd") : 0;
}

static void work_all(int threads) {
    pthread_t ids[MOST_TRIALS];
    int i, before = count_descriptors(), failed = 0;
    for (i = 0; i < threads; i++) assert_int_equal(pthread_create(&ids[i], NULL, work_on, NULL), 0);
    for (i = 0; i < threads; i++) assert_int_equal(pthread_join(ids[i], NULL), 0);
    for (i = 0; i < work.count; i++) {
        if (work.trials[i]->problem[0]) {
            print_error("%s\n", work.trials[i]->problem);
            failed++;
        }
        free(work.trials[i]);
    }
    work.count = work.next = 0;
    assert_int_equal(count_descriptors(), before);
    if (failed) fail_msg("%d trials failed", failed);
}

static void add_trial(const fault *f, stage s, chain c, int is_once, int is_blocking) {
    trial *t = (trial *)calloc(1, sizeof *t);
    assert_non_null(t);
    assert_true(work.count < MOST_TRIALS);
    t->fault = f;
    t->stage = s;
    t->chain = c;
    t->is_once = is_once;
    t->is_blocking = is_blocking;
    t->has_sink = (work.count / 2 + work.count) % 2; /* both ways with both kinds of call */
    work.trials[work.count++] = t;
}

/* Once makes a difference only where something is tried again. */
static int is_tried(const fault *f, stage s, int is_once) {
    if (f->of[s] == UNTRIED) return 0;
    if (f->flags & ONLY_ONCE) return is_once;
    return !is_once || (is_job_stage(s) && f->behaviour && !(f->flags & ONLY_ALWAYS));
}

static void a_fault_at_every_stage(void **state) {
    const fault *f = (const fault *)*state;
    int s, c, once, blocking, hangs = 0;
    for (s = 0; s < STAGES; s++) {
        hangs |= f->of[s] == SLOW || f->of[s] == UNREACHED;
        for (c = 0; c < CHAINS; c++)
            for (once = 0; once < 2; once++)
                for (blocking = 0; blocking < 2; blocking++)
                    if (is_tried(f, (stage)s, once)) add_trial(f, (stage)s, (chain)c, once, blocking);
    }
    work_all(hangs ? work.count : THREADS);
}

/* ---- the places themselves ----------------------------------------------------------------------------- */

static int full_queue[8];

/* A socket of our own: the port stays ours. With a queue of -1 nobody listens. */
static int bind_port(int queue, int *port) {
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        (queue >= 0 && listen(listener, queue) != 0) ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        return -1;
    *port = ntohs(address.sin_port);
    return 0;
}

/* A port that takes connections into its queue until that is full, and answers no more afterwards. */
static int fill_queue(void) {
    struct sockaddr_in address;
    size_t i;
    if (bind_port(0, &ports.full) != 0) return -1;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((unsigned short)ports.full);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (i = 0; i < COUNT(full_queue); i++) {
        full_queue[i] = socket(AF_INET, SOCK_STREAM, 0);
        (void)fcntl(full_queue[i], F_SETFL, O_NONBLOCK);
        (void)connect(full_queue[i], (struct sockaddr *)&address, sizeof address);
    }
    return 0;
}

/* ---- a second server, whose certificate has expired ---- */

static struct {
    pid_t process;
    int input;
    char key[1100];
} expired;

static int make_expired_certificate(void) {
    static const char config[] =
        "[ca]\ndefault_ca=d\n[d]\nnew_certs_dir=.\ndatabase=./index\nserial=./serial\ndefault_md=sha256\n"
        "policy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=DNS:localhost,IP:127.0.0."
        "1\n"
        "basicConstraints=CA:TRUE\n";
    static const struct {
        const char *name, *text;
    } files[] = {{"config", config}, {"index", ""}, {"serial", "01\n"}};
    char folder[1100], path[1200], command[4096];
    size_t i;
    if (mkdir(temporary_path(folder, sizeof folder, "expired"), 0700) != 0) return -1;
    snprintf(expired_certificate, sizeof expired_certificate, "%.1000s/certificate.pem", folder);
    snprintf(expired.key, sizeof expired.key, "%.1000s/key.pem", folder);
    for (i = 0; i < COUNT(files); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        if (write_whole_file(path, files[i].text, strlen(files[i].text)) != 0) return -1;
    }
    snprintf(
        command, sizeof command,
        "cd '%s' && { openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost"
        " -keyout key.pem -out request.pem && openssl ca -batch -config config -selfsign -keyfile key.pem"
        " -in request.pem -out certificate.pem -startdate 20200101000000Z -enddate 20200201000000Z -notext;"
        " } >log 2>&1 </dev/null",
        folder);
    return system(command) == 0 && file_exists(expired_certificate) ? 0 : -1;
}

static void become_expired_server(int input, const char *ports_file) {
    const char *python = getenv("PYTHON"), *tests = getenv("TESTS_DIR");
    char script[1200];
    snprintf(script, sizeof script, "%s/server/server.py", tests && *tests ? tests : TESTS_DIR);
    (void)dup2(input, 0);
    (void)close(input);
    execlp(python && *python ? python : "python3", "python3", script, "--ports-file", ports_file, "--tls",
           expired_certificate, expired.key, (char *)NULL);
    _exit(127);
}

static int start_expired_server(void) {
    char path[1200], *text;
    int ends[2], waited;
    cJSON *found;
    if (make_expired_certificate() != 0 || pipe(ends) != 0) return -1;
    temporary_path(path, sizeof path, "expired-ports.json");
    (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    expired.process = fork();
    if (expired.process == 0) become_expired_server(ends[0], path);
    (void)close(ends[0]);
    expired.input = ends[1];
    for (waited = 0; !file_exists(path); waited++) {
        if (waited > 6000) return -1;
        pause_ms(5);
    }
    text = (char *)read_whole_file(path, NULL);
    found = cJSON_Parse(text);
    ports.expired = (int)log_number(found, "tls");
    cJSON_Delete(found);
    free(text);
    return ports.expired > 0 ? 0 : -1;
}

static void stop_expired_server(void) {
    if (expired.process <= 0) return;
    (void)close(expired.input); /* it ends with its standard input */
    (void)waitpid(expired.process, NULL, 0);
}

static int open_places(void) {
    char entry[64];
    if (server_start_tls() != 0 || start_expired_server() != 0 || fill_queue() != 0 ||
        bind_port(-1, &ports.refused) != 0 || bind_port(64, &ports.silent) != 0)
        return -1;
    ports.plain = server_api_port();
    ports.tls = server_tls_port();
    snprintf(entry, sizeof entry, "painter.invalid:%d:127.0.0.1", ports.tls);
    names = curl_slist_append(NULL, entry);
    return names ? 0 : -1;
}

int main(void) {
    struct CMUnitTest tests[COUNT(faults)];
    size_t i;
    int failed;
    memset(tests, 0, sizeof tests);
    for (i = 0; i < COUNT(faults); i++) {
        tests[i].name = faults[i].name;
        tests[i].test_func = a_fault_at_every_stage;
        tests[i].initial_state = (void *)(uintptr_t)&faults[i];
    }
    signal(SIGPIPE, SIG_IGN);
    (void)temporary_directory();
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || open_places() != 0) return 1;
    failed = cmocka_run_group_tests_name("faults", tests, NULL, NULL);
    stop_expired_server();
    server_stop();
    curl_slist_free_all(names);
    return failed != 0;
}
