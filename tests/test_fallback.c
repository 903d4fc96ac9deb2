/* Chains: their order, what moves them on and what stops them, what each link is given, and what is told of
   it afterwards. */

#include "scene.h"

static tarash_image_mock_response outcome(tarash_image_result error, int http_status) {
    tarash_image_mock_response response;
    memset(&response, 0, sizeof response);
    response.error = error;
    response.http_status = http_status;
    return response;
}

/* A config that is answered by a mock with this outcome. */
typedef struct mocked {
    tarash_image_mock_response response;
    tarash_image_mock mock;
    tarash_image_config config;
} mocked;

static void mocked_init(mocked *m, const char *model, tarash_image_result error, int http_status) {
    memset(m, 0, sizeof *m);
    m->response = outcome(error, http_status);
    m->mock.enabled = 1;
    m->mock.responses = &m->response;
    m->mock.response_count = 1;
    m->config.provider = "openai";
    m->config.model = model;
    m->config.mock = &m->mock;
    m->config.max_retries = TARASH_IMAGE_NO_RETRIES;
}

/* ---- order ---- */

static void flattened_depth_first(void **state) {
    static const char *const order[] = {"a", "b", "c", "d"};
    mocked a, b, c, d;
    tarash_image_config of_a[2], of_b[1];
    scene s;
    size_t i;
    (void)state;
    scene_start(&s, "order", NULL);
    mocked_init(&a, "a", TARASH_IMAGE_ERROR_GENERATION_FAILED, 0);
    mocked_init(&b, "b", TARASH_IMAGE_ERROR_TIMEOUT, 0);
    mocked_init(&c, "c", TARASH_IMAGE_ERROR_CONNECTION, 0);
    mocked_init(&d, "d", TARASH_IMAGE_OK, 0);
    of_b[0] = c.config;
    b.config.fallbacks = of_b;
    b.config.fallback_count = 1;
    of_a[0] = b.config;
    of_a[1] = d.config;
    s.config = a.config;
    s.config.fallbacks = of_a;
    s.config.fallback_count = 2;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.attempt_count, 4);
    assert_int_equal(s.response.configs_in_chain, 4);
    assert_int_equal(s.response.successful_attempt, 4);
    assert_true(s.response.fallback_triggered);
    assert_string_equal(s.response.model, "d");
    assert_true(s.response.is_mock);
    for (i = 0; i < 4; i++) {
        assert_string_equal(s.response.attempts[i].model, order[i]);
        assert_string_equal(s.response.attempts[i].provider, "openai");
    }
    assert_result(s.response.attempts[0].result, TARASH_IMAGE_ERROR_GENERATION_FAILED);
    assert_result(s.response.attempts[1].result, TARASH_IMAGE_ERROR_TIMEOUT);
    assert_result(s.response.attempts[2].result, TARASH_IMAGE_ERROR_CONNECTION);
    assert_result(s.response.attempts[3].result, TARASH_IMAGE_OK);
    scene_close(&s);
}

static void the_first_success_ends_the_chain(void **state) {
    mocked a, b;
    scene s;
    (void)state;
    scene_start(&s, "first", NULL);
    mocked_init(&a, "a", TARASH_IMAGE_OK, 0);
    mocked_init(&b, "b", TARASH_IMAGE_OK, 0);
    s.config = a.config;
    s.config.fallbacks = &b.config;
    s.config.fallback_count = 1;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.attempt_count, 1);
    assert_int_equal(s.response.successful_attempt, 1);
    assert_false(s.response.fallback_triggered);
    assert_int_equal(s.response.configs_in_chain, 2);
    scene_close(&s);
}

static void retries_come_before_the_next_link(void **state) {
    scene s;
    tarash_image_config second;
    (void)state;
    scene_start(&s, "retry-first", "[{\"status\": 503, \"times\": 3}]");
    second = s.config;
    s.config.fallbacks = &second;
    s.config.fallback_count = 1;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(control_posts("retry-first"), 4);
    assert_int_equal(s.response.attempts[0].retries, 2);
    assert_int_equal(s.response.attempts[1].retries, 0);
    scene_close(&s);
}

static void an_endless_chain_is_refused(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "endless", NULL);
    s.config.fallbacks = &s.config;
    s.config.fallback_count = 1;
    assert_result(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
    assert_contains(s.response.error.message, "fallbacks");
    assert_int_equal(control_posts("endless"), 0);
    scene_close(&s);
}

/* ---- what moves a chain on ---- */

static int falls_back(tarash_image_result error, int http_status, uint32_t fallback_on) {
    mocked a, b;
    scene s;
    int moved;
    tarash_image_result result;
    scene_start(&s, "moves", NULL);
    mocked_init(&a, "a", error, http_status);
    mocked_init(&b, "b", TARASH_IMAGE_OK, 0);
    s.config = a.config;
    s.config.fallbacks = &b.config;
    s.config.fallback_count = 1;
    s.config.fallback_on = fallback_on;
    result = run(&s);
    moved = result == TARASH_IMAGE_OK;
    assert_int_equal(s.response.attempt_count, moved ? 2 : 1);
    if (!moved) assert_result(result, error);
    assert_result(s.response.attempts[0].result, error);
    scene_close(&s);
    return moved;
}

static void the_default_set(void **state) {
    static const int moving[] = {429, 500, 502, 503, 504},
                     stopping[] = {400, 402, 404, 405, 409, 410, 413, 418, 425, 501, 505, 507, 511, 529};
    size_t i;
    (void)state;
    assert_true(falls_back(TARASH_IMAGE_ERROR_GENERATION_FAILED, 0, 0));
    assert_true(falls_back(TARASH_IMAGE_ERROR_TIMEOUT, 0, 0));
    assert_true(falls_back(TARASH_IMAGE_ERROR_CONNECTION, 0, 0));
    assert_true(falls_back(TARASH_IMAGE_ERROR_RATE_LIMITED, 429, 0));
    assert_true(falls_back(TARASH_IMAGE_ERROR_BAD_RESPONSE, 0, 0));
    assert_true(falls_back(TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 429, 0));
    for (i = 0; i < sizeof moving / sizeof moving[0]; i++) {
        if (!falls_back(TARASH_IMAGE_ERROR_HTTP, moving[i], 0)) fail_msg("HTTP %d stops", moving[i]);
    }
    assert_false(falls_back(TARASH_IMAGE_ERROR_VALIDATION, 0, 0));
    assert_false(falls_back(TARASH_IMAGE_ERROR_UNSUPPORTED, 0, 0));
    assert_false(falls_back(TARASH_IMAGE_ERROR_CONTENT_MODERATION, 0, 0));
    assert_false(falls_back(TARASH_IMAGE_ERROR_AUTHENTICATION, 0, 0));
    assert_false(falls_back(TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 402, 0));
    assert_false(falls_back(TARASH_IMAGE_ERROR_TOO_LARGE, 0, 0));
    assert_false(falls_back(TARASH_IMAGE_ERROR_CANCELLED, 0, 0));
    assert_false(falls_back(TARASH_IMAGE_ERROR_IO, 0, 0));
    assert_false(falls_back(TARASH_IMAGE_ERROR_OUT_OF_MEMORY, 0, 0));
    for (i = 0; i < sizeof stopping / sizeof stopping[0]; i++) {
        if (falls_back(TARASH_IMAGE_ERROR_HTTP, stopping[i], 0)) fail_msg("HTTP %d moves on", stopping[i]);
    }
}

static void fallback_on_replaces_the_set(void **state) {
    uint32_t only = TARASH_IMAGE_BIT(TARASH_IMAGE_ERROR_AUTHENTICATION) |
                    TARASH_IMAGE_BIT(TARASH_IMAGE_ERROR_CONTENT_MODERATION) |
                    TARASH_IMAGE_BIT(TARASH_IMAGE_ERROR_TOO_LARGE);
    (void)state;
    assert_true(falls_back(TARASH_IMAGE_ERROR_AUTHENTICATION, 0, only));
    assert_true(falls_back(TARASH_IMAGE_ERROR_CONTENT_MODERATION, 0, only));
    assert_true(falls_back(TARASH_IMAGE_ERROR_TOO_LARGE, 0, only));
    assert_false(falls_back(TARASH_IMAGE_ERROR_GENERATION_FAILED, 0, only));
    assert_false(falls_back(TARASH_IMAGE_ERROR_HTTP, 503, only));
    assert_true(falls_back(TARASH_IMAGE_ERROR_HTTP, 404, TARASH_IMAGE_BIT(TARASH_IMAGE_ERROR_HTTP)));
}

/* What was cancelled stays cancelled, whatever the set says. */
static void fallback_on_has_no_say_in_some(void **state) {
    (void)state;
    assert_false(falls_back(TARASH_IMAGE_ERROR_CANCELLED, 0, 0xFFFFu));
    assert_false(falls_back(TARASH_IMAGE_ERROR_OUT_OF_MEMORY, 0, 0xFFFFu));
    assert_true(falls_back(TARASH_IMAGE_ERROR_VALIDATION, 0, 0xFFFFu));
}

/* The same with real answers: by the words of the server, not of a mock. */
static void over_the_wire(void **state) {
    static const struct {
        const char *behaviour;
        int moves;
        tarash_image_result result;
    } cases[] = {
        {"{\"status\": 400}", 0, TARASH_IMAGE_ERROR_VALIDATION},
        {"{\"status\": 401}", 0, TARASH_IMAGE_ERROR_AUTHENTICATION},
        {"{\"status\": 402}", 0, TARASH_IMAGE_ERROR_QUOTA_EXCEEDED},
        {"{\"status\": 403}", 0, TARASH_IMAGE_ERROR_AUTHENTICATION},
        {"{\"status\": 404}", 0, TARASH_IMAGE_ERROR_HTTP},
        {"{\"status\": 408}", 1, TARASH_IMAGE_ERROR_TIMEOUT},
        {"{\"status\": 409}", 0, TARASH_IMAGE_ERROR_HTTP},
        {"{\"status\": 422}", 0, TARASH_IMAGE_ERROR_VALIDATION},
        {"{\"status\": 429}", 1, TARASH_IMAGE_ERROR_RATE_LIMITED},
        {"{\"status\": 429, \"error_code\": \"insufficient_quota\"}", 1, TARASH_IMAGE_ERROR_QUOTA_EXCEEDED},
        {"{\"status\": 500}", 1, TARASH_IMAGE_ERROR_HTTP},
        {"{\"status\": 501}", 0, TARASH_IMAGE_ERROR_HTTP},
        {"{\"status\": 502}", 1, TARASH_IMAGE_ERROR_HTTP},
        {"{\"status\": 503}", 1, TARASH_IMAGE_ERROR_HTTP},
        {"{\"status\": 504}", 1, TARASH_IMAGE_ERROR_HTTP},
        {"{\"status\": 524}", 1, TARASH_IMAGE_ERROR_TIMEOUT},
        {"{\"moderation\": true}", 0, TARASH_IMAGE_ERROR_CONTENT_MODERATION},
        {"{\"moderation\": \"dalle\"}", 0, TARASH_IMAGE_ERROR_CONTENT_MODERATION},
        {"{\"status\": 200, \"body\": \"<html>hello</html>\"}", 1, TARASH_IMAGE_ERROR_BAD_RESPONSE},
        {"{\"status\": 200, \"body\": \"\"}", 1, TARASH_IMAGE_ERROR_BAD_RESPONSE},
        {"{\"status\": 200, \"body\": {\"ok\": true}}", 1, TARASH_IMAGE_ERROR_BAD_RESPONSE},
        {"{\"status\": 200, \"body\": {\"data\": []}}", 1, TARASH_IMAGE_ERROR_GENERATION_FAILED},
        {"{\"image_result\": {\"bytes\": \"html\"}}", 1, TARASH_IMAGE_ERROR_BAD_RESPONSE},
        {"{\"base64\": \"garbage_at:100\"}", 1, TARASH_IMAGE_ERROR_BAD_RESPONSE},
        {"{\"reset\": \"before\"}", 1, TARASH_IMAGE_ERROR_CONNECTION},
        {"{\"reset\": \"in_body\"}", 1, TARASH_IMAGE_ERROR_CONNECTION},
        {"{\"endless_headers\": true}", 0, TARASH_IMAGE_ERROR_TOO_LARGE}};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scene s;
        tarash_image_config second;
        scene_start(&s, "wire-moves", NULL);
        assert_int_equal(control_scriptf("wire-moves", "[%s, {}]", cases[i].behaviour), 0);
        s.config.max_retries = TARASH_IMAGE_NO_RETRIES;
        second = s.config;
        s.config.fallbacks = &second;
        s.config.fallback_count = 1;
        (void)run(&s);
        if ((s.response.attempt_count == 2) != cases[i].moves)
            fail_msg("%s: %d attempts", cases[i].behaviour, (int)s.response.attempt_count);
        if (s.response.attempts[0].result != cases[i].result)
            fail_msg("%s: %s, %s", cases[i].behaviour,
                     tarash_image_result_name(s.response.attempts[0].result), s.response.attempts[0].message);
        assert_result(s.response.error.result, cases[i].moves ? TARASH_IMAGE_OK : cases[i].result);
        assert_int_equal(s.response.image_count, cases[i].moves ? 1 : 0);
        scene_close(&s);
    }
}

static void a_bad_config_anywhere_is_found_before_anything_is_sent(void **state) {
    scene s;
    tarash_image_config second;
    (void)state;
    scene_start(&s, "bad-link", NULL);
    second = s.config;
    second.provider = "nobody";
    s.config.fallbacks = &second;
    s.config.fallback_count = 1;
    assert_result(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
    assert_contains(s.response.error.message, "nobody");
    assert_contains(s.response.error.message, "fallback 1");
    assert_int_equal(s.response.attempt_count, 0);
    assert_int_equal(control_posts("bad-link"), 0);
    scene_close(&s);
}

/* ---- where a second bill is possible ---- */

static size_t attempts_with(const char *script, tarash_image_on_unknown first,
                            tarash_image_on_unknown second) {
    scene s;
    tarash_image_config links[2];
    size_t attempts;
    scene_start(&s, "unknown", script);
    s.config.max_retries = TARASH_IMAGE_NO_RETRIES;
    links[0] = links[1] = s.config;
    links[0].on_unknown = second;
    s.config.on_unknown = first;
    links[0].fallbacks = &links[1];
    links[0].fallback_count = 1;
    s.config.fallbacks = links;
    s.config.fallback_count = 1;
    (void)run(&s);
    attempts = s.response.attempt_count;
    scene_close(&s);
    return attempts;
}

static void on_unknown(void **state) {
    static const char lost[] = "[{\"reset\": \"before\"}, {\"reset\": \"before\"}]";
    static const char refused[] = "[{\"status\": 503}, {\"status\": 503}]";
    static const char gateway[] = "[{\"status\": 502}, {\"status\": 504}]";
    static const char unreadable[] = "[{\"status\": 200, \"body\": \"x\"}, {\"status\": 408}]";
    const tarash_image_on_unknown inherit = TARASH_IMAGE_UNKNOWN_DEFAULT, go = TARASH_IMAGE_UNKNOWN_FALLBACK,
                                  stop = TARASH_IMAGE_UNKNOWN_STOP;
    (void)state;
    assert_int_equal(attempts_with(lost, inherit, inherit), 3); /* by default it moves on */
    assert_int_equal(attempts_with(lost, go, go), 3);
    assert_int_equal(attempts_with(lost, stop, inherit), 1);
    assert_int_equal(attempts_with(gateway, stop, inherit), 1);
    assert_int_equal(attempts_with(unreadable, stop, inherit), 1);
    assert_int_equal(attempts_with(unreadable, inherit, inherit), 3);
    assert_int_equal(attempts_with(lost, go, stop), 2);
    assert_int_equal(attempts_with(refused, stop, stop), 3); /* certain that nothing was made */
    /* Each config of the chain says it for itself, and for those that it holds. */
    assert_int_equal(attempts_with("[{\"status\": 503}, {\"reset\": \"before\"}]", stop, inherit), 2);
    assert_int_equal(attempts_with("[{\"status\": 503}, {\"reset\": \"before\"}]", stop, go), 3);
}

static void on_unknown_minds_a_job_that_may_still_finish(void **state) {
    scene s;
    jobs_service service;
    tarash_image_config second;
    (void)state;
    scene_start(&s, "unknown-job", "[{\"jobs\": {\"polls\": 1000}}]");
    jobs_service_open(&service);
    scene_use_jobs(&s, &service);
    second = s.config;
    s.config.max_poll_attempts = 2;
    s.config.on_unknown = TARASH_IMAGE_UNKNOWN_STOP;
    s.config.fallbacks = &second;
    s.config.fallback_count = 1;
    assert_result(run(&s), TARASH_IMAGE_ERROR_TIMEOUT);
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
    assert_int_equal(s.response.attempt_count, 1);
    assert_int_equal(control_posts("unknown-job"), 1);
    scene_close(&s);
}

static void fallback_on_is_inherited(void **state) {
    mocked a, b, c;
    scene s;
    (void)state;
    scene_start(&s, "inherit", NULL);
    mocked_init(&a, "a", TARASH_IMAGE_ERROR_AUTHENTICATION, 0);
    mocked_init(&b, "b", TARASH_IMAGE_ERROR_AUTHENTICATION, 0);
    mocked_init(&c, "c", TARASH_IMAGE_OK, 0);
    b.config.fallbacks = &c.config;
    b.config.fallback_count = 1;
    s.config = a.config;
    s.config.fallbacks = &b.config;
    s.config.fallback_count = 1;
    s.config.fallback_on = TARASH_IMAGE_BIT(TARASH_IMAGE_ERROR_AUTHENTICATION);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.attempt_count, 3);

    b.config.fallback_on = TARASH_IMAGE_BIT(TARASH_IMAGE_ERROR_TIMEOUT);
    assert_result(run(&s), TARASH_IMAGE_ERROR_AUTHENTICATION);
    assert_int_equal(s.response.attempt_count, 2);
    scene_close(&s);
}

/* ---- each link's own request ---- */

static void each_link_adapts_the_request(void **state) {
    scene s;
    tarash_image_config second;
    char xai_url[256];
    cJSON *log;
    size_t i;
    int of_openai = 0, of_xai = 0;
    (void)state;
    scene_start(&s, "adapts", "[{\"status\": 500}]");
    memset(&second, 0, sizeof second);
    second.provider = "xai";
    second.model = "grok-imagine-image";
    second.api_key = "xai-" SCENE_KEY;
    second.base_url = server_api_url(xai_url, sizeof xai_url, "adapts", "xai/v1");
    s.config.max_retries = TARASH_IMAGE_NO_RETRIES;
    s.config.fallbacks = &second;
    s.config.fallback_count = 1;
    s.request.size = "300x300";
    s.request.quality = "hd";
    s.request.negative_prompt = "gulls";
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_string_equal(s.response.provider, "xai");
    assert_string_equal(s.response.model, "grok-imagine-image");
    log = control_log("adapts");
    assert_string_equal(log_text(log_entry(log, 0), "json.size"), "256x256");
    assert_string_equal(log_text(log_entry(log, 1), "json.aspect_ratio"), "1:1");
    assert_null(log_at(log_entry(log, 1), "json.size"));
    assert_null(log_at(log_entry(log, 1), "json.negative_prompt"));
    cJSON_Delete(log);
    for (i = 0; i < s.response.warning_count; i++) {
        const tarash_image_warning *warning = &s.response.warnings[i];
        assert_true(strlen(warning->why) > 0);
        assert_non_null(warning->sent);
        assert_non_null(warning->asked);
        if (strcmp(warning->provider, "openai") == 0) of_openai |= strcmp(warning->field, "size") == 0;
        if (strcmp(warning->provider, "xai") == 0) of_xai |= strcmp(warning->field, "size") == 0;
    }
    assert_true(of_openai);
    assert_true(of_xai);
    scene_close(&s);
}

static void links_that_were_not_tried_warn_of_nothing(void **state) {
    scene s;
    tarash_image_config second;
    size_t i;
    (void)state;
    scene_start(&s, "not-tried", NULL);
    second = s.config;
    second.provider = "xai";
    second.model = NULL;
    s.config.fallbacks = &second;
    s.config.fallback_count = 1;
    assert_result(run(&s), TARASH_IMAGE_OK);
    for (i = 0; i < s.response.warning_count; i++)
        assert_string_equal(s.response.warnings[i].provider, "openai");
    scene_close(&s);
}

/* Keys stay with their own link. */
static void keys_stay_with_their_provider(void **state) {
    scene s;
    tarash_image_config second;
    tarash_image_header header = {"X-Extra", "only-for-the-first"};
    cJSON *log;
    (void)state;
    scene_start(&s, "keys", "[{\"status\": 500}]");
    second = s.config;
    second.api_key = "sk-the-second-key-0123";
    s.config.max_retries = TARASH_IMAGE_NO_RETRIES;
    s.config.headers = &header;
    s.config.header_count = 1;
    s.config.fallbacks = &second;
    s.config.fallback_count = 1;
    assert_result(run(&s), TARASH_IMAGE_OK);
    log = control_log("keys");
    assert_string_equal(log_header(log_entry(log, 0), "authorization"), "Bearer " SCENE_KEY);
    assert_string_equal(log_header(log_entry(log, 0), "x-extra"), "only-for-the-first");
    assert_string_equal(log_header(log_entry(log, 1), "authorization"), "Bearer sk-the-second-key-0123");
    assert_null(log_header(log_entry(log, 1), "x-extra"));
    cJSON_Delete(log);
    scene_close(&s);
}

/* ---- what is told of it ---- */

static void attempts_are_recorded(void **state) {
    scene s;
    tarash_image_config second;
    const tarash_image_attempt *attempt;
    int64_t wall = (int64_t)time(NULL) * 1000;
    (void)state;
    scene_start(&s, "recorded", NULL);
    second = s.config;
    second.model = "dall-e-3";
    s.request.size = "1024x1024";
    s.config.max_retries = 1;
    s.config.fallbacks = &second;
    s.config.fallback_count = 1;
    assert_int_equal(control_script("recorded", "[{\"status\": 503, \"times\": 2}, "
                                                "{\"image_result\": {\"size\": \"8x8\"}}]"),
                     0);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.attempt_count, 2);
    attempt = &s.response.attempts[0];
    assert_string_equal(attempt->provider, "openai");
    assert_string_equal(attempt->model, "dall-e-2");
    assert_string_equal(attempt->request_id, "req_recorded_2");
    assert_result(attempt->result, TARASH_IMAGE_ERROR_HTTP);
    assert_int_equal(attempt->http_status, 503);
    assert_delivery(attempt->delivery, TARASH_IMAGE_DELIVERY_REJECTED);
    assert_int_equal(attempt->retries, 1);
    assert_int_equal(attempt->elapsed_ms, s.waits[0]);
    assert_true(attempt->started_at >= wall && attempt->started_at <= wall + 60000);
    assert_contains(attempt->message, "503");
    assert_contains(attempt->message, "overloaded");
    attempt = &s.response.attempts[1];
    assert_string_equal(attempt->model, "dall-e-3");
    assert_string_equal(attempt->request_id, "req_recorded_3");
    assert_result(attempt->result, TARASH_IMAGE_OK);
    assert_int_equal(attempt->http_status, 200);
    assert_delivery(attempt->delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
    assert_int_equal(attempt->retries, 0);
    assert_int_equal(attempt->elapsed_ms, 0);
    assert_string_equal(attempt->message, "");
    assert_string_equal(s.response.provider_request_id, "req_recorded_3");
    assert_int_equal(s.response.elapsed_ms, s.waits[0]);
    assert_int_equal(s.response.error.result, TARASH_IMAGE_OK);
    assert_string_equal(s.response.error.message, "");
    assert_true(strlen(s.response.request_id) > 8);
    scene_close(&s);
}

static void attempts_are_recorded_on_failure(void **state) {
    scene s;
    tarash_image_config second;
    (void)state;
    scene_start(&s, "recorded-failure", "[{\"reset\": \"before\"}, {\"status\": 401}]");
    second = s.config;
    second.model = "dall-e-3";
    s.request.size = NULL;
    s.config.fallbacks = &second;
    s.config.fallback_count = 1;
    assert_result(run(&s), TARASH_IMAGE_ERROR_AUTHENTICATION);
    assert_int_equal(s.response.status, TARASH_IMAGE_STATUS_FAILED);
    assert_int_equal(s.response.attempt_count, 2);
    assert_int_equal(s.response.successful_attempt, 0);
    assert_int_equal(s.response.configs_in_chain, 2);
    assert_false(s.response.fallback_triggered);
    assert_int_equal(s.response.image_count, 0);
    assert_result(s.response.attempts[0].result, TARASH_IMAGE_ERROR_CONNECTION);
    assert_int_equal(s.response.attempts[0].http_status, 0);
    assert_null(s.response.attempts[0].request_id);
    assert_delivery(s.response.attempts[0].delivery, TARASH_IMAGE_DELIVERY_UNKNOWN);
    assert_result(s.response.attempts[1].result, TARASH_IMAGE_ERROR_AUTHENTICATION);
    assert_int_equal(s.response.attempts[1].http_status, 401);
    assert_string_equal(s.response.error.model, "dall-e-3");
    assert_string_equal(s.response.error.provider, "openai");
    assert_string_equal(s.response.error.request_id, "req_recorded-failure_1");
    assert_string_equal(s.response.error.provider_code, "invalid_api_key");
    assert_string_equal(s.response.error.message, s.response.attempts[1].message);
    assert_string_equal(s.response.provider, "openai");
    assert_string_equal(s.response.model, "dall-e-3");
    assert_non_null(s.response.raw_response);
    assert_string_equal(s.response.provider_metadata, "{}");
    scene_close(&s);
}

/* What the first link's replies told is not told of the second's. */
static void nothing_of_a_failed_link_is_left(void **state) {
    scene s;
    jobs_service service;
    tarash_image_config second;
    char url[256];
    (void)state;
    scene_start(
        &s, "left-over",
        "[{\"jobs\": {\"fail\": true, \"polls\": 0}},"
        " {\"method\": \"POST\", \"path_contains\": \"openai\", \"image_result\": {\"size\": \"8x8\"},"
        "  \"merge\": {\"created\": null}, \"headers\": {\"x-request-id\": null}}]");
    jobs_service_open(&service);
    second = s.config;
    second.base_url = server_api_url(url, sizeof url, "left-over", "openai/v1");
    scene_use_jobs(&s, &service);
    s.request.size = NULL;
    s.config.fallbacks = &second;
    s.config.fallback_count = 1;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.attempt_count, 2);
    assert_result(s.response.attempts[0].result, TARASH_IMAGE_ERROR_GENERATION_FAILED);
    assert_string_equal(s.response.attempts[0].message, "The painter ran out of paint.");
    assert_non_null(s.response.attempts[0].request_id);
    assert_null(s.response.attempts[1].request_id);
    assert_null(s.response.provider_request_id);
    assert_true(strstr(s.response.raw_response, "painter") == NULL);
    scene_close(&s);
}

/* ---- a connection that died while it was kept ---- */

static void a_stale_connection_costs_nothing(void **state) {
    scene s;
    cJSON *log;
    struct timespec moment = {0, 100000000};
    (void)state;
    scene_start(&s, "stale", "[{\"close_idle\": true}]");
    assert_result(run(&s), TARASH_IMAGE_OK);
    nanosleep(&moment, NULL); /* the end of the connection must have arrived */
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(control_posts("stale"), 2);
    log = control_log("stale");
    assert_true(log_number(log_entry(log, 0), "connection") != log_number(log_entry(log, 1), "connection"));
    cJSON_Delete(log);
    scene_close(&s);
}

static void a_post_is_never_sent_twice(void **state) {
    static const int sizes[] = {10, 200000};
    size_t i;
    (void)state;
    for (i = 0; i < 2; i++) {
        scene s;
        char *prompt = (char *)malloc((size_t)sizes[i] + 1);
        cJSON *log;
        assert_non_null(prompt);
        memset(prompt, 'p', (size_t)sizes[i]);
        prompt[sizes[i]] = '\0';
        scene_open(&s, "stale-post");
        server_api_url(s.url, sizeof s.url, "stale-post", "compatible/v1");
        s.config.provider = "openai_compatible";
        scene_client(&s);
        assert_int_equal(control_script("stale-post", "[{\"close_idle\": \"on_next_request\"}]"), 0);
        assert_result(run(&s), TARASH_IMAGE_OK);
        s.request.prompt = prompt;
        assert_result(run(&s), TARASH_IMAGE_ERROR_CONNECTION);
        assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_UNKNOWN);
        log = control_log("stale-post");
        assert_int_equal(cJSON_GetArraySize(log), 2);
        assert_true(log_number(log_entry(log, 1), "dropped") > 0);
        cJSON_Delete(log);
        free(prompt);
        scene_close(&s);
    }
}

/* A POST without a body: nothing has to be rewound, so libcurl could send it again all by itself. */
static tarash_image_result bare_build(tarash_image_exchange *exchange, tarash_image_phase phase,
                                      void *user_data) {
    (void)phase;
    (void)user_data;
    tarash_image_exchange_send(exchange, "POST", "images/generations?bare=1");
    return TARASH_IMAGE_OK;
}

static tarash_image_result bare_read(tarash_image_exchange *exchange, tarash_image_phase phase,
                                     void *user_data) {
    (void)phase;
    (void)user_data;
    (void)tarash_image_exchange_add_image(exchange, "url");
    return TARASH_IMAGE_OK;
}

static void a_post_without_a_body_is_never_sent_twice(void **state) {
    scene s;
    tarash_image_provider provider;
    (void)state;
    scene_start(&s, "stale-bare",
                "[{\"status\": 200, \"close_idle\": \"on_next_request\", \"times\": -1, \"method\": \"POST\","
                " \"body\": {\"url\": \"{FILES}/f/stale-bare/static/8x8.png\"}}]");
    memset(&provider, 0, sizeof provider);
    provider.name = "bare";
    provider.default_model = "b";
    provider.build_fn = bare_build;
    provider.read_fn = bare_read;
    assert_result(tarash_image_register_provider(s.client, &provider), TARASH_IMAGE_OK);
    s.config.provider = "bare";
    s.config.model = NULL;
    assert_result(run(&s), TARASH_IMAGE_OK);
    /* It may fail, or go out on a new connection; it may not go out twice. */
    if (run(&s) == TARASH_IMAGE_ERROR_CONNECTION)
        assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_UNKNOWN);
    else
        assert_result(s.response.error.result, TARASH_IMAGE_OK);
    assert_int_equal(control_posts("stale-bare"), 2);
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flattened_depth_first),
        cmocka_unit_test(the_first_success_ends_the_chain),
        cmocka_unit_test(retries_come_before_the_next_link),
        cmocka_unit_test(the_default_set),
        cmocka_unit_test(fallback_on_replaces_the_set),
        cmocka_unit_test(fallback_on_has_no_say_in_some),
        cmocka_unit_test(over_the_wire),
        cmocka_unit_test(a_bad_config_anywhere_is_found_before_anything_is_sent),
        cmocka_unit_test(on_unknown),
        cmocka_unit_test(on_unknown_minds_a_job_that_may_still_finish),
        cmocka_unit_test(fallback_on_is_inherited),
        cmocka_unit_test(each_link_adapts_the_request),
        cmocka_unit_test(links_that_were_not_tried_warn_of_nothing),
        cmocka_unit_test(keys_stay_with_their_provider),
        cmocka_unit_test(attempts_are_recorded),
        cmocka_unit_test(attempts_are_recorded_on_failure),
        cmocka_unit_test(nothing_of_a_failed_link_is_left),
        cmocka_unit_test(a_stale_connection_costs_nothing),
        cmocka_unit_test(a_post_is_never_sent_twice),
        cmocka_unit_test(a_post_without_a_body_is_never_sent_twice),
        cmocka_unit_test(an_endless_chain_is_refused),
    };
    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
