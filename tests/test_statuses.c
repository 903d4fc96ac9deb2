/* Every error status there is, with every kind of body, at every stage of a call; and every way of saying when to come
   back. What a status means doesn't depend on how well its body can be read. */

#include "scene.h"

#include <ctype.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- what the manual says of a status ------------------------------------------------------------------ */

static int is_one_of(int status, const int *list) {
    while (*list && *list != status) list++;
    return *list != 0;
}

static tarash_image_result result_of(int status) {
    switch (status) {
    case 400:
    case 422: return TARASH_IMAGE_ERROR_VALIDATION;
    case 401:
    case 403: return TARASH_IMAGE_ERROR_AUTHENTICATION;
    case 402: return TARASH_IMAGE_ERROR_QUOTA_EXCEEDED;
    case 408:
    case 524: return TARASH_IMAGE_ERROR_TIMEOUT;
    case 429: return TARASH_IMAGE_ERROR_RATE_LIMITED;
    default: return TARASH_IMAGE_ERROR_HTTP;
    }
}

/* The gateway's own words for an answer that it didn't get: 502, 504, and those beside 524. */
static int is_in_doubt(int status) {
    return status == 408 || status == 502 || status == 504 || (status >= 520 && status <= 527);
}

static int is_repeated(int status) {
    static const int list[] = {409, 429, 500, 503, 0};
    return is_one_of(status, list);
}

static int moves_on(int status) {
    static const int list[] = {408, 429, 500, 502, 503, 504, 524, 0};
    return is_one_of(status, list);
}

/* May pass by itself: a poll or a download is worth another try. */
static int is_transient(int status) {
    static const int list[] = {408, 409, 425, 429, 0};
    return is_one_of(status, list) || status >= 500;
}

/* ---- bodies -------------------------------------------------------------------------------------------- */

typedef struct body {
    const char *name;
    const char *json; /* as a script has it */
    const char *word; /* in the message then */
} body;

static const body bodies[] = {
    {"an object", "{\"error\":{\"message\":\"the kiln is cold\",\"type\":\"kiln\",\"code\":\"cold\"}}",
     "the kiln is cold"},
    {"an object with a text", "{\"error\":\"the kiln is cold\"}", "the kiln is cold"},
    {"an object of others", "{\"kiln\":{\"cold\":true}}", NULL},
    {"an object with numbers", "{\"error\":{\"message\":17,\"code\":-1.5e300,\"type\":null}}", NULL},
    {"an array", "[{\"message\":\"the kiln is cold\"}]", NULL},
    {"an empty array", "[]", NULL},
    {"an empty object", "{}", NULL},
    {"a text", "\"\\\"the kiln is cold\\\"\"", NULL},
    {"a number", "\"42\"", NULL},
    {"null", "\"null\"", NULL},
    {"true", "\"true\"", NULL},
    {"words", "\"the kiln is cold\"", "the kiln is cold"},
    {"an HTML page",
     "\"<!DOCTYPE html><html><head><title>cold</title></head><body>the kiln\\r\\n\\t is</body></html>\"",
     "cold"},
    {"nothing", "\"\"", NULL},
    {"blanks", "\" \\r\\n\\t \"", NULL},
    {"JSON that ends early", "\"{\\\"error\\\":{\\\"message\\\":\\\"the kiln is\"", NULL},
    {"JSON with more behind it", "\"{\\\"error\\\":\\\"the kiln is cold\\\"} and so on\"", NULL},
    {"control characters",
     "{\"error\":{\"message\":\"the\\u0000 kiln\\u001b[31m is\\u007f\\u0007 cold\",\"code\":\"\\u0001\"}}",
     "kiln"},
    {"other scripts", "{\"error\":\"\\u7a91\\u306f \\ud83d\\udd25 \\u05e7\\u05e8\"}", "\xE7\xAA\x91"},
    {"half a character", "{\"error\":\"cold \\ud83d\"}", "cold"},
};

/* Bytes that are no UTF-8, which a script can only have sent as they are. */
static const body raw_bodies[] = {
    {"Latin-1", "k\\u00e4lter Ofen", NULL},
    {"JSON in Latin-1",
     "{\\\"error\\\":{\\\"message\\\":\\\"k\\u00e4lter Ofen\\\",\\\"code\\\":\\\"\\u00ff\\u00fe\\\"}}", NULL},
    {"UTF-16", "\\u00ff\\u00fe{\\u0000}\\u0000", NULL},
    {"zeros", "\\u0000\\u0000\\u0000\\u0000", NULL},
    {"an overlong form", "{\\\"error\\\":\\\"a\\u00c0\\u00afb\\u00ed\\u00a0\\u0080c\\\"}", NULL},
    {"a byte order mark", "\\u00ef\\u00bb\\u00bf{\\\"error\\\":\\\"the kiln is cold\\\"}", NULL},
};

static void check_text(const char *what, const char *text) {
    size_t size = strlen(text);
    while (size) {
        size_t length = tarimg_utf8_length(text, size);
        if (!length) fail_msg("%s is no UTF-8: %s", what, text);
        if (length == 1 && iscntrl((unsigned char)*text))
            fail_msg("%s has control characters: %s", what, text);
        text += length;
        size -= length;
    }
}

/* ---- one call ------------------------------------------------------------------------------------------ */

static struct {
    int status;
    const char *body;
} now;

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) fail_msg("%d, %s: not so: %s", now.status, now.body, #condition);                  \
    } while (0)

static int posts_to(const char *session, const char *path) {
    cJSON *log = control_log(session);
    int count = log_count(log, "POST", path);
    cJSON_Delete(log);
    return count;
}

static void check_error(const tarash_image_error *error) {
    char number[32];
    snprintf(number, sizeof number, "HTTP %d", now.status);
    CHECK(strstr(error->message, number));
    CHECK(strlen(error->message) < sizeof error->message - 1 || strcmp(now.body, "a megabyte") == 0);
    check_text("the message", error->message);
    check_text("the code", error->provider_code);
    check_text("the request's id", error->request_id);
}

/* A call that is always answered so, by itself and with a second link. `script` holds one number: the status. */
static void check_status(int status, const body *b, const char *script) {
    int followed;
    now.status = status;
    now.body = b->name;
    for (followed = 0; followed < 2; followed++) {
        scene s;
        tarash_image_config second;
        char url[256];
        int moved = followed && moves_on(status), tries = is_repeated(status) ? 2 : 1;
        tarash_image_result result;
        const tarash_image_attempt *first;
        scene_start(&s, "status", NULL);
        assert_int_equal(control_scriptf("status", script, status), 0);
        s.config.max_retries = 1;
        second = s.config;
        second.provider = "openai_compatible";
        second.base_url = server_api_url(url, sizeof url, "status", "compatible/v1");
        s.config.fallbacks = &second;
        s.config.fallback_count = (size_t)followed;
        result = run(&s);
        CHECK(s.response.attempt_count == 1 + (size_t)moved);
        first = &s.response.attempts[0];
        if (first->result != result_of(status))
            fail_msg("%d, %s: %s: %s", status, b->name, tarash_image_result_name(first->result),
                     first->message);
        CHECK(first->http_status == status);
        CHECK(first->delivery ==
              (is_in_doubt(status) ? TARASH_IMAGE_DELIVERY_UNKNOWN : TARASH_IMAGE_DELIVERY_REJECTED));
        CHECK(first->retries == tries - 1);
        if (b->word && !strstr(first->message, b->word))
            fail_msg("%d, %s: %s", status, b->name, first->message);
        CHECK(posts_to("status", "/openai/") == tries);
        CHECK(posts_to("status", "/compatible/") == moved);
        CHECK(moved ? result == TARASH_IMAGE_OK : result == result_of(status));
        CHECK(s.response.image_count == (size_t)moved);
        if (!moved) {
            check_error(&s.response.error);
            CHECK(s.response.error.http_status == status);
            CHECK(s.response.error.delivery == first->delivery);
            CHECK(s.response.error.curl_code == 0);
            CHECK(!s.response.error.job_token[0]);
            /* Worth another try later are those that may pass. */
            CHECK(s.response.error.retryable ==
                  (is_transient(status) || result == TARASH_IMAGE_ERROR_TIMEOUT));
        }
        scene_close(&s);
    }
}

static void check_body(int status, const body *b) {
    char script[1024];
    snprintf(script, sizeof script,
             "[{\"path_contains\":\"/openai/\",\"status\":%%d,\"times\":-1,\"body\":%s}]", b->json);
    check_status(status, b, script);
}

static void every_status(void **state) {
    int status;
    (void)state;
    for (status = 400; status < 600; status++) check_body(status, &bodies[(size_t)status % COUNT(bodies)]);
}

/* One of each class, and those that are told apart. */
static const int classes[] = {400, 401, 402, 403, 404, 408, 409, 413, 418, 422, 425, 429,
                              451, 499, 500, 501, 502, 503, 504, 511, 520, 524, 529, 599};

static void every_body(void **state) {
    size_t i, k;
    (void)state;
    for (i = 0; i < COUNT(classes); i++)
        for (k = 0; k < COUNT(bodies); k++) check_body(classes[i], &bodies[k]);
}

static void bytes_that_are_no_text(void **state) {
    size_t i, k;
    (void)state;
    for (i = 0; i < COUNT(classes); i += 2) {
        for (k = 0; k < COUNT(raw_bodies); k++) {
            char script[1024];
            snprintf(script, sizeof script,
                     "[{\"path_contains\":\"/openai/\",\"times\":-1,\"raw\":\"HTTP/1.1 %%d Cold\\r\\n"
                     "Content-Type: application/json\\r\\nX-Request-Id: r\\u00e4\\u00ff\\u0001\\r\\n"
                     "Connection: close\\r\\n\\r\\n%s\"}]",
                     raw_bodies[k].json);
            check_status(classes[i], &raw_bodies[k], script);
        }
    }
}

static void megabytes(void **state) {
    static const body big = {"a megabyte", NULL, NULL};
    static const char *const frames[] = {
        "[{\"path_contains\":\"/openai/"
        "\",\"status\":%%d,\"times\":-1,\"body\":{\"error\":{\"message\":\"%s\"}}}]",
        "[{\"path_contains\":\"/openai/"
        "\",\"status\":%%d,\"times\":-1,\"body\":{\"error\":\"cold\",\"more\":[\"%s\"]}}]",
        "[{\"path_contains\":\"/openai/\",\"status\":%%d,\"times\":-1,\"body\":\"<html>%s\"}]"};
    static const size_t sizes[] = {1 << 20, 3 << 20};
    static const int few[] = {400, 404, 429, 500, 502};
    size_t i, k, z;
    (void)state;
    for (z = 0; z < COUNT(sizes); z++) {
        char *filler = (char *)malloc(sizes[z] + 1), *script = (char *)malloc(sizes[z] + 256);
        assert_true(filler && script);
        memset(filler, 'x', sizes[z]);
        filler[sizes[z]] = '\0';
        for (i = 0; i < COUNT(few); i++) {
            for (k = 0; k < COUNT(frames); k++) {
                snprintf(script, sizes[z] + 256, frames[k], filler);
                check_status(few[i], &big, script);
            }
        }
        free(filler);
        free(script);
    }
}

/* Nor does what is read of them take memory without bounds. */
static void bodies_are_read_within_bounds(void **state) {
    static const char *const scripts[] = {
        "[{\"status\":400,\"endless_body\":true,\"body\":{\"error\":\"cold\",\"url\":\"\"}}]",
        "[{\"status\":400,\"endless_body\":\"chunked\",\"body\":\"<html>\"}]",
        "[{\"status\":400,\"gzip_bomb\":64,\"body\":{\"error\":\"cold\",\"url\":\"\"}}]"};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(scripts); i++) {
        scene s;
        scene_start(&s, "bounds", scripts[i]);
        if (run(&s) != TARASH_IMAGE_ERROR_VALIDATION)
            fail_msg("%s: %s", scripts[i], s.response.error.message);
        assert_int_equal(s.response.error.http_status, 400);
        assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_REJECTED);
        assert_true(s.memory.peak_bytes < (size_t)8 << 20);
        scene_close(&s);
    }
}

/* Reads like JSON, without an end in sight. */
static void deep_bodies(void **state) {
    static char deep[20000], script[20200];
    size_t i;
    (void)state;
    for (i = 0; i < 2; i++) {
        scene s;
        memset(deep, '[', sizeof deep - 1);
        deep[sizeof deep - 1] = '\0';
        snprintf(script, sizeof script, "[{\"status\":%d,\"body\":\"%s\"}]", i ? 400 : 404, deep);
        scene_start(&s, "deep", script);
        assert_result(run(&s), i ? TARASH_IMAGE_ERROR_VALIDATION : TARASH_IMAGE_ERROR_HTTP);
        assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_REJECTED);
        scene_close(&s);
    }
}

/* ---- polls, fetches and downloads ---------------------------------------------------------------------- */

typedef struct later {
    const char *name, *once, *always;
    int is_download;
} later;

/* Of fal's jobs: first the job, then the stage's own answers, with a status in them. */
static const later stages[] = {
    {"a poll",
     "[{\"jobs\":{\"polls\":1}},{\"path_contains\":\"/status\",\"status\":%d,\"body\":{\"error\":\"cold\"}}]",
     "[{\"jobs\":{\"polls\":1}},{\"path_contains\":\"/status\",\"status\":%d,\"times\":-1}]", 0},
    {"a fetch",
     "[{\"jobs\":{\"polls\":0}},{\"path_contains\":\"/"
     "status\"},{\"method\":\"GET\",\"status\":%d,\"body\":\"cold\"}]",
     "[{\"jobs\":{\"polls\":0}},{\"path_contains\":\"/"
     "status\"},{\"method\":\"GET\",\"status\":%d,\"times\":-1,"
     "\"body\":[]}]",
     0},
    {"a download",
     "[{\"jobs\":{\"polls\":0}},{\"where\":\"files\",\"status\":%d,\"body\":\"<Error>cold</Error>\"}]",
     "[{\"jobs\":{\"polls\":0}},{\"where\":\"files\",\"status\":%d,\"times\":-1,\"body\":\"\"}]", 1},
};

static void job_start(scene *s, const char *script, int status) {
    scene_start(s, "later", NULL);
    assert_int_equal(control_scriptf("later", script, status), 0);
    server_api_url(s->url, sizeof s->url, "later", "fal/queue");
    s->config.provider = "fal";
    s->config.model = NULL;
    s->request.size = NULL;
    s->config.max_poll_attempts = 5;
    s->config.max_retries = 1;
}

/* Of what is paid for only polls and downloads are tried again; what can't be had now can be had with the token. */
static void check_later(const later *stage, int status, int is_once) {
    scene s;
    tarash_image_result result;
    int is_free = is_transient(status) || (status == 404 && !stage->is_download);
    now.status = status;
    now.body = stage->name;
    job_start(&s, is_once ? stage->once : stage->always, status);
    result = run(&s);
    CHECK(posts_to("later", NULL) == 1);
    CHECK(s.response.attempt_count == 1);
    if (is_once && is_free) {
        if (result != TARASH_IMAGE_OK)
            fail_msg("%d, %s, once: %s", status, stage->name, s.response.error.message);
        CHECK(s.response.attempts[0].retries == 1);
    } else {
        char token[1024];
        CHECK(result != TARASH_IMAGE_OK);
        CHECK(s.response.error.http_status == status);
        CHECK(s.response.error.delivery == TARASH_IMAGE_DELIVERY_ACCEPTED);
        CHECK(is_free == (s.response.attempts[0].retries > 0));
        /* A link that has expired says nothing of the request or the key. */
        if (stage->is_download && !is_in_doubt(status)) CHECK(result == TARASH_IMAGE_ERROR_HTTP);
        CHECK(result != TARASH_IMAGE_ERROR_CONNECTION && result != TARASH_IMAGE_ERROR_BAD_RESPONSE);
        check_error(&s.response.error);
        snprintf(token, sizeof token, "%s", s.response.error.job_token);
        CHECK(token[0]);
        assert_int_equal(control_script("later", "[]"), 0);
        tarash_image_response_free(&s.response);
        s.job = tarash_image_resume(s.client, &s.config, token);
        finish(&s);
        if (scene_take(&s) != TARASH_IMAGE_OK)
            fail_msg("%d, %s, resumed: %s", status, stage->name, s.response.error.message);
        CHECK(posts_to("later", NULL) == 1);
    }
    scene_close(&s);
}

static void every_status_later(void **state) {
    size_t k;
    int status;
    (void)state;
    for (k = 0; k < COUNT(stages); k++)
        for (status = 400; status < 600; status++) check_later(&stages[k], status, status % 2);
}

static void every_class_later(void **state) {
    size_t i, k;
    (void)state;
    for (i = 0; i < COUNT(classes); i++) {
        for (k = 0; k < COUNT(stages); k++) {
            check_later(&stages[k], classes[i], 0);
            check_later(&stages[k], classes[i], 1);
        }
    }
}

/* ---- when to come back --------------------------------------------------------------------------------- */

#define OWN_LEAST 375 /* of the first wait without advice */
#define OWN_MOST  500
#define WEEK      ((int64_t)7 * 24 * 3600 * 1000)
#define NEVER     (-1) /* too long to be waited for */
#define DATE      "Date: Sun, 06 Nov 1994 08:49:37 GMT\\r\\n"

typedef struct advice {
    const char *lines; /* header lines, as a script has them */
    int64_t least, most;
} advice;

static const advice advices[] = {
    {"Retry-After: 7\\r\\n", 7000, 7000},
    {"Retry-After: 007\\r\\n", 7000, 7000},
    {"retry-after:7\\r\\n", 7000, 7000},
    {"RETRY-AFTER: \\t 7 \\t\\r\\n", 7000, 7000},
    {"Retry-After: 1.5\\r\\n", 1500, 1500},
    {"Retry-After: 0.001\\r\\n", 1, 1},
    {"Retry-After: 2.9999999999999999999999999999999999999\\r\\n", 2999, 3000},
    {"Retry-After: 119\\r\\n", 119000, 119000},
    {"retry-after-ms: 1200\\r\\n", 1200, 1200},
    {"Retry-After-Ms: 1200.5\\r\\n", 1201, 1201},
    {"retry-after-ms: 0.2\\r\\n", 1, 1},
    {"Retry-After: 30\\r\\nretry-after-ms: 1200\\r\\n", 1200, 1200},
    {"retry-after-ms: soon\\r\\nRetry-After: 3\\r\\n", 3000, 3000},
    {"retry-after-ms: -7\\r\\nRetry-After: 3\\r\\n", 3000, 3000},
    {"retry-after-ms: nan\\r\\nRetry-After: 3\\r\\n", 3000, 3000},
    /* dates, by the server's clock */
    {DATE "Retry-After: Sun, 06 Nov 1994 08:49:47 GMT\\r\\n", 10000, 10000},
    {DATE "Retry-After: Sunday, 06-Nov-94 08:49:57 GMT\\r\\n", 20000, 20000},
    {DATE "Retry-After: Sun Nov  6 08:50:07 1994\\r\\n", 30000, 30000},
    {DATE "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\\r\\n", OWN_LEAST, OWN_MOST},
    {DATE "Retry-After: Sat, 05 Nov 1994 08:49:37 GMT\\r\\n", OWN_LEAST, OWN_MOST},
    {DATE "Retry-After: Thu, 01 Jan 1970 00:00:00 GMT\\r\\n", OWN_LEAST, OWN_MOST},
    {"Date: Wed, 31 Dec 1969 23:59:59 GMT\\r\\nRetry-After: 4\\r\\n", 4000, 4000},
    {"Date: Fri, 31 Dec 100000 23:59:59 GMT\\r\\nRetry-After: 4\\r\\n", 4000, 4000},
    /* too long: the attempt ends at once */
    {"Retry-After: 120\\r\\n", NEVER, 120000},
    {"Retry-After: 3600\\r\\n", NEVER, 3600000},
    {"Retry-After: 604800\\r\\n", NEVER, WEEK},
    {"Retry-After: 604801\\r\\n", NEVER, WEEK},
    {"Retry-After: 2147483648\\r\\n", NEVER, WEEK},
    {"Retry-After: 9223372036854775807\\r\\n", NEVER, WEEK},
    {"Retry-After: 9223372036854775808\\r\\n", NEVER, WEEK},
    {"Retry-After: 18446744073709551616\\r\\n", NEVER, WEEK},
    {"Retry-After: 10000000000000000000000000000000000\\r\\n", NEVER, WEEK},
    {"retry-after-ms: 10000000000000000000000000000000000\\r\\n", NEVER, WEEK},
    {"retry-after-ms: 604800001\\r\\n", NEVER, WEEK},
    {DATE "Retry-After: Sun, 06 Nov 1994 09:49:37 GMT\\r\\n", NEVER, 3600000},
    {DATE "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\\r\\n", NEVER, WEEK},
    {"Date: Thu, 01 Jan 1970 00:00:00 GMT\\r\\nRetry-After: Fri, 31 Dec 9999 23:59:59 GMT\\r\\n", NEVER,
     WEEK},
    /* no advice at all */
    {"", OWN_LEAST, OWN_MOST},
    {"Retry-After:\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: 0\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: -7\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: -0.5\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: +7\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: .\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: 1.2.3\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: 7,9\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: 7s\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: 0x7\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: 1e34\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: inf\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: Infinity\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: -inf\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: nan\\r\\n", OWN_LEAST, OWN_MOST},
    {"retry-after-ms: nan\\r\\n", OWN_LEAST, OWN_MOST},
    {"retry-after-ms: inf\\r\\n", OWN_LEAST, OWN_MOST},
    {"retry-after-ms: -1\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: Fri, 31 Dec 100000 23:59:59 GMT\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: Fri, 31 Dec 99999999999999999999 23:59:59 GMT\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: Fri, 32 Dec 2099 23:59:59 GMT\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: Fri, 31 Dez 2099 23:59:59 GMT\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: Fri, 31 Dec 2099\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: 2099-12-31T23:59:59Z\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: tomorrow\\r\\n", OWN_LEAST, OWN_MOST},
    {"Retry-After: \\u00ff\\u00fe\\r\\n", OWN_LEAST, OWN_MOST},
};

static void set_advice(const char *session, int status, const advice *a) {
    assert_int_equal(
        control_scriptf(session,
                        "[{\"raw\":\"HTTP/1.1 %d Busy\\r\\n%sContent-Length: 2\\r\\nConnection: close\\r\\n"
                        "\\r\\n{}\"}]",
                        status, a->lines),
        0);
}

static void check_wait(const advice *a, int status, const char *what, const scene *s,
                       tarash_image_result result) {
    const tarash_image_error *error = &s->response.error;
    if (a->least == NEVER) {
        if (result == TARASH_IMAGE_OK || s->wait_count)
            fail_msg("%s, %d, {%s}: waited", what, status, a->lines);
        if (error->retry_after_ms != a->most)
            fail_msg("%s, %d, {%s}: told %lld", what, status, a->lines, (long long)error->retry_after_ms);
        return;
    }
    if (result != TARASH_IMAGE_OK) fail_msg("%s, %d, {%s}: %s", what, status, a->lines, error->message);
    if (s->wait_count < 1 || s->waits[0] < a->least || s->waits[0] > a->most)
        fail_msg("%s, %d, {%s}: waited %lld ms, not %lld to %lld", what, status, a->lines,
                 s->wait_count ? (long long)s->waits[0] : -1LL, (long long)a->least, (long long)a->most);
}

static void advice_is_followed(void **state) {
    static const int statuses[] = {409, 429, 500, 503};
    size_t i, k;
    (void)state;
    for (i = 0; i < COUNT(advices); i++) {
        for (k = 0; k < COUNT(statuses); k++) {
            scene s;
            scene_start(&s, "advice", NULL);
            set_advice("advice", statuses[k], &advices[i]);
            check_wait(&advices[i], statuses[k], "a call", &s, run(&s));
            assert_int_equal(control_posts("advice"), advices[i].least == NEVER ? 1 : 2);
            scene_close(&s);
        }
    }
}

/* Where nothing is tried again by itself, the advice is told to the caller all the same. */
static void advice_is_told(void **state) {
    static const int statuses[] = {400, 403, 404, 502, 504};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(advices); i++) {
        scene s;
        const advice *a = &advices[i];
        int64_t told;
        scene_start(&s, "told", NULL);
        set_advice("told", statuses[i % COUNT(statuses)], a);
        assert_int_not_equal(run(&s), TARASH_IMAGE_OK);
        told = s.response.error.retry_after_ms;
        assert_int_equal(s.wait_count, 0);
        assert_int_equal(control_posts("told"), 1);
        if (a->least == OWN_LEAST) {
            if (told) fail_msg("{%s}: told %lld", a->lines, (long long)told);
        } else if (told < a->least || told > a->most)
            fail_msg("{%s}: told %lld", a->lines, (long long)told);
        scene_close(&s);
    }
}

/* Of polls and downloads as well. */
static void advice_counts_later(void **state) {
    static const char *const later_ones[] = {"\"path_contains\":\"/status\",", "\"where\":\"files\","};
    size_t i, k;
    (void)state;
    for (i = 0; i < COUNT(advices); i++) {
        for (k = 0; k < COUNT(later_ones); k++) {
            scene s;
            const advice *a = &advices[i];
            tarash_image_result result;
            job_start(&s, "[{\"status\":%d}]", 500);
            s.config.poll_interval_ms = 1;
            assert_int_equal(
                control_scriptf("later",
                                "[{\"jobs\":{\"polls\":0}},{%s\"raw\":\"HTTP/1.1 503 Busy\\r\\n%s"
                                "Content-Length: 2\\r\\nConnection: close\\r\\n\\r\\n{}\"}]",
                                later_ones[k], a->lines),
                0);
            result = run(&s);
            assert_true(s.wait_count > 0);
            assert_int_equal(s.waits[0], 1); /* before the first poll */
            memmove(s.waits, s.waits + 1, --s.wait_count * sizeof s.waits[0]);
            check_wait(a, 503, k ? "a download" : "a poll", &s, result);
            assert_int_equal(control_posts("later"), 1);
            if (result != TARASH_IMAGE_OK)
                assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
            scene_close(&s);
        }
    }
}

/* A wait that is too long makes room for the next link, at once. */
static void long_waits_move_on(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(advices); i++) {
        scene s;
        tarash_image_config second;
        if (advices[i].least != NEVER) continue;
        scene_start(&s, "moving", NULL);
        set_advice("moving", 429, &advices[i]);
        second = s.config;
        s.config.fallbacks = &second;
        s.config.fallback_count = 1;
        assert_result(run(&s), TARASH_IMAGE_OK);
        assert_int_equal(s.wait_count, 0);
        assert_int_equal(s.response.attempt_count, 2);
        assert_result(s.response.attempts[0].result, TARASH_IMAGE_ERROR_RATE_LIMITED);
        scene_close(&s);
    }
}

/* Two lines of advice: one of them, and nothing made of both. */
static void advice_given_twice(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "twice", "[{\"status\": 429, \"headers\": {\"Retry-After\": [\"7\", \"9\"]}}]");
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_true(s.wait_count == 1 && (s.waits[0] == 7000 || s.waits[0] == 9000));
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status),
        cmocka_unit_test(every_body),
        cmocka_unit_test(bytes_that_are_no_text),
        cmocka_unit_test(megabytes),
        cmocka_unit_test(bodies_are_read_within_bounds),
        cmocka_unit_test(deep_bodies),
        cmocka_unit_test(every_status_later),
        cmocka_unit_test(every_class_later),
        cmocka_unit_test(advice_is_followed),
        cmocka_unit_test(advice_is_told),
        cmocka_unit_test(advice_counts_later),
        cmocka_unit_test(long_waits_move_on),
        cmocka_unit_test(advice_given_twice),
    };
    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
