/* Keys go to the provider and nowhere else: not into what the library hands out, whatever a server repeats, and
   not to any other address, whoever names it. */

#include "scene.h"

#define DOT         "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
#define AS_URL(url) "[{\"image_result\": {\"url_text\": \"" url "\"}}]"

static int requests(const char *session, const char *method, const char *path) {
    cJSON *log = control_log(session);
    int count = log_count(log, method, path);
    cJSON_Delete(log);
    return count;
}

static void assert_without(const char *what, const char *text, const char *secret) {
    if (text && strstr(text, secret)) fail_msg("%s gives away the key: %s", what, text);
}

/* The key is in no text of the response. */
static void assert_silent(const scene *s, const char *secret) {
    const tarash_image_response *r = &s->response;
    size_t i;
    assert_without("provider_request_id", r->provider_request_id, secret);
    assert_without("raw_response", r->raw_response, secret);
    assert_without("provider_metadata", r->provider_metadata, secret);
    assert_without("error.message", r->error.message, secret);
    assert_without("error.provider_code", r->error.provider_code, secret);
    assert_without("error.request_id", r->error.request_id, secret);
    for (i = 0; i < r->attempt_count; i++) {
        assert_without("attempts[].message", r->attempts[i].message, secret);
        assert_without("attempts[].request_id", r->attempts[i].request_id, secret);
    }
    for (i = 0; i < r->warning_count; i++) {
        assert_without("warnings[].asked", r->warnings[i].asked, secret);
        assert_without("warnings[].sent", r->warnings[i].sent, secret);
        assert_without("warnings[].why", r->warnings[i].why, secret);
    }
    for (i = 0; i < r->image_count; i++)
        assert_without("images[].revised_prompt", r->images[i].revised_prompt, secret);
    if (s->log.text) assert_without("a log line", s->log.text, secret);
}

/* ---- what servers repeat ------------------------------------------------------------------------------- */

static void a_stream_may_repeat_the_key(void **state) {
    scene s;
    (void)state;
    scene_start(
        &s, "stream-echo",
        "[{\"status\": 200, \"headers\": {\"Content-Type\": \"text/event-stream\"}, \"body\":"
        "\"event: image_generation.completed\\ndata: {\\\"type\\\":\\\"image_generation.completed\\\","
        "\\\"b64_json\\\":\\\"" DOT "\\\",\\\"note\\\":\\\"called with " SCENE_KEY "\\\"}\\n\\n\"}]");
    s.config.model = "gpt-image-1.5";
    s.request.size = NULL;
    s.request.partial_images = 1;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_picture(&s.response.images[0], 1, 1);
    assert_contains(s.response.raw_response, "called with ");
    assert_contains(s.response.provider_metadata, "called with ");
    assert_silent(&s, SCENE_KEY);
    scene_close(&s);
}

static void a_stream_that_fails_may_repeat_the_key(void **state) {
    scene s;
    (void)state;
    scene_start(
        &s, "stream-error-echo",
        "[{\"status\": 200, \"headers\": {\"Content-Type\": \"text/event-stream\"}, \"body\":"
        "\"event: error\\ndata: {\\\"type\\\":\\\"error\\\",\\\"error\\\":{\\\"code\\\":\\\"" SCENE_KEY
        "\\\",\\\"message\\\":\\\"refused " SCENE_KEY "\\\"}}\\n\\n\"}]");
    s.config.model = "gpt-image-1.5";
    s.request.size = NULL;
    s.request.partial_images = 1;
    assert_int_not_equal(run(&s), TARASH_IMAGE_OK);
    assert_contains(s.response.error.message, "refused ");
    assert_silent(&s, SCENE_KEY);
    scene_close(&s);
}

static void a_request_id_may_be_the_key(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "id-echo",
                "[{\"headers\": {\"x-request-id\": \"req-" SCENE_KEY "\"}},"
                " {\"status\": 400, \"headers\": {\"x-request-id\": \"req-" SCENE_KEY "\"}}]");
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_contains(s.response.provider_request_id, "req-");
    assert_silent(&s, SCENE_KEY);
    assert_result(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
    assert_contains(s.response.error.request_id, "req-");
    assert_contains(s.response.attempts[0].request_id, "req-");
    assert_silent(&s, SCENE_KEY);
    scene_close(&s);
}

/* ---- a provider's own code ---- */

typedef struct echoing {
    tarash_image_provider provider;
    int is_accepting;
    const char *job_id;
    const char *elsewhere; /* polls there */
} echoing;

static tarash_image_result echoing_build(tarash_image_exchange *exchange, tarash_image_phase phase,
                                         void *user_data) {
    const echoing *self = (const echoing *)user_data;
    if (phase == TARASH_IMAGE_PHASE_SUBMIT) {
        tarash_image_exchange_send(exchange, "POST", "echo");
        tarash_image_exchange_set_text(exchange, "prompt", "p");
    } else {
        tarash_image_exchange_send(exchange, "GET", self->elsewhere ? self->elsewhere : "echo/state");
    }
    tarash_image_exchange_header(exchange, "X-Session", "session-of-the-provider");
    return TARASH_IMAGE_OK;
}

static tarash_image_result echoing_read(tarash_image_exchange *exchange, tarash_image_phase phase,
                                        void *user_data) {
    const echoing *self = (const echoing *)user_data;
    (void)phase;
    if (tarash_image_exchange_add_image(exchange, "url")) {
        tarash_image_exchange_image_info(exchange, tarash_image_exchange_reply_header(exchange, "X-Echo"), 0,
                                         0);
        return TARASH_IMAGE_OK;
    }
    if (self->is_accepting) {
        if (phase == TARASH_IMAGE_PHASE_SUBMIT)
            tarash_image_exchange_accept(exchange, self->job_id ? self->job_id : "one");
        tarash_image_exchange_next(exchange, TARASH_IMAGE_PHASE_POLL);
        return TARASH_IMAGE_OK;
    }
    return tarash_image_exchange_fail(exchange, TARASH_IMAGE_ERROR_GENERATION_FAILED,
                                      tarash_image_exchange_reply_header(exchange, "X-Echo"),
                                      tarash_image_exchange_reply_header(exchange, "X-Echo"));
}

static void echoing_start(scene *s, echoing *self, const char *session, const char *script) {
    scene_start(s, session, script);
    memset(self, 0, sizeof *self);
    self->provider.name = "echo";
    self->provider.default_model = "e";
    self->provider.polls = 1;
    self->provider.build_fn = echoing_build;
    self->provider.read_fn = echoing_read;
    self->provider.user_data = self;
    assert_result(tarash_image_register_provider(s->client, &self->provider), TARASH_IMAGE_OK);
    server_api_url(s->url, sizeof s->url, session, "jobs");
    s->config.provider = "echo";
    s->config.model = NULL;
    s->request.size = NULL;
}

static void header_lines_may_repeat_the_key(void **state) {
    scene s;
    echoing self;
    (void)state;
    echoing_start(&s, &self, "header-echo",
                  "[{\"status\": 200, \"headers\": {\"X-Echo\": \"got " SCENE_KEY "\"},"
                  " \"body\": {\"url\": \"{FILES}/f/header-echo/static/8x8.png\"}},"
                  " {\"status\": 200, \"headers\": {\"X-Echo\": \"got " SCENE_KEY "\"}, \"body\": {}}]");
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_contains(s.response.images[0].revised_prompt, "got ");
    assert_silent(&s, SCENE_KEY);
    assert_result(run(&s), TARASH_IMAGE_ERROR_GENERATION_FAILED);
    assert_contains(s.response.error.message, "got ");
    assert_silent(&s, SCENE_KEY);
    scene_close(&s);
}

/* base64 of the URL-safe kind, without padding */
static void decode_token(const char *token, char *out, size_t size) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *c = strchr(token, '.');
    unsigned long bits = 0;
    size_t length = 0;
    int count = 0;
    assert_non_null(c);
    for (c++; *c && length + 1 < size; c++) {
        const char *place = strchr(letters, *c);
        assert_non_null(place);
        bits = (bits << 6 | (unsigned long)(place - letters)) & 0xFFFFFF;
        count += 6;
        if (count < 8) continue;
        count -= 8;
        out[length++] = (char)(bits >> count & 0xFF);
    }
    out[length] = '\0';
}

/* A result's URL that holds the key would carry it into the token. */
static void tokens_hold_no_key(void **state) {
    scene s;
    char decoded[4096];
    (void)state;
    scene_start(&s, "token-echo",
                "[{\"image_result\": {\"url_text\": \"{FILES}/f/token-echo/static/8x8.png?k=" SCENE_KEY
                "\"}},"
                " {\"where\": \"files\", \"status\": 503, \"times\": -1}]");
    assert_result(run(&s), TARASH_IMAGE_ERROR_HTTP);
    assert_true(s.response.error.job_token[0] != 0);
    decode_token(s.response.error.job_token, decoded, sizeof decoded);
    assert_contains(decoded, "\"urls\"");
    assert_without("the token", decoded, SCENE_KEY);
    assert_silent(&s, SCENE_KEY);
    scene_close(&s);
}

/* Nor does a job's id. */
static void tokens_of_jobs_hold_no_key(void **state) {
    scene s;
    echoing self;
    char decoded[4096];
    (void)state;
    echoing_start(&s, &self, "job-echo",
                  "[{\"status\": 202, \"body\": {}}, {\"status\": 200, \"body\": {}}]");
    self.is_accepting = 1;
    self.job_id = "job-of-" SCENE_KEY;
    s.config.max_poll_attempts = 1;
    assert_result(run(&s), TARASH_IMAGE_ERROR_TIMEOUT);
    if (s.response.job_token) {
        decode_token(s.response.job_token, decoded, sizeof decoded);
        assert_without("the token", decoded, SCENE_KEY);
    }
    assert_silent(&s, SCENE_KEY);
    scene_close(&s);
}

/* ---- what was asked ------------------------------------------------------------------------------------ */

/* A key that is longer than what a message quotes of it: its beginning is a secret, too. */
static void strict_quotes_no_key(void **state) {
    scene s;
    char key[165], options[256];
    size_t i;
    (void)state;
    strcpy(key, "sk-proj-");
    for (i = 8; i < sizeof key - 1; i++) key[i] = (char)('a' + i % 26);
    key[sizeof key - 1] = '\0';
    snprintf(options, sizeof options, "{\"api_key\": \"%s\"}", key);
    scene_start(&s, "strict-key", NULL);
    s.config.provider_config = options;
    s.request.strict = 1;
    assert_result(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
    assert_contains(s.response.error.message, "provider_config.api_key");
    key[16] = '\0';
    assert_silent(&s, key);
    assert_int_equal(control_posts("strict-key"), 0);
    s.request.strict = 0;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_non_null(warning_about(&s.response, "provider_config.api_key"));
    assert_silent(&s, key);
    scene_close(&s);
}

/* JSON writes some keys with backslashes. */
static void plans_hold_no_key_however_it_is_written(void **state) {
    scene s;
    tarash_image_text plan;
    static const tarash_image_header header = {"X-Api-Token", "tok\"en\\secret/9876543210"};
    (void)state;
    scene_start(&s, "plan-key", NULL);
    s.config.provider = "indoxrouter";
    s.config.model = NULL;
    s.config.provider_config = "{\"byok_api_key\": \"sk-\\\"quoted\\\\secret-\\u00e9-123456\"}";
    s.config.headers = &header;
    s.config.header_count = 1;
    assert_result(tarash_image_plan(s.client, &s.config, &s.request, &plan), TARASH_IMAGE_OK);
    assert_contains(plan.data, "byok_api_key");
    assert_contains(plan.data, "X-Api-Token");
    assert_without("the plan", plan.data, "quoted");
    assert_without("the plan", plan.data, "secret-");
    assert_without("the plan", plan.data, "9876543210");
    assert_without("the plan", plan.data, SCENE_KEY);
    tarash_image_text_free(&plan);
    scene_close(&s);
}

static void a_key_in_the_address_is_a_key(void **state) {
    static const char *const names[] = {"api_key", "access_token", "subscription-key", "KEY"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        scene s;
        tarash_image_text plan;
        char url[400];
        scene_start(
            &s, "query-key",
            "[{\"status\": 400, \"body\": {\"error\": {\"message\": \"no query-Secret-0123456789\"}}}]");
        snprintf(url, sizeof url, "%s?version=2026-01-01&%s=query-Secret-0123456789", s.url, names[i]);
        s.config.base_url = url;
        assert_result(tarash_image_plan(s.client, &s.config, &s.request, &plan), TARASH_IMAGE_OK);
        assert_contains(plan.data, "2026-01-01");
        assert_without("the plan", plan.data, "query-Secret");
        tarash_image_text_free(&plan);
        assert_result(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
        assert_contains(s.response.error.message, "no ");
        assert_silent(&s, "query-Secret");
        assert_int_equal(requests("query-key", "POST", "query-Secret-0123456789"), 1); /* it is sent */
        scene_close(&s);
    }
}

/* A body grows while it is written; what it grew out of is wiped. */
static void keys_in_bodies_are_wiped(void **state) {
    scene s;
    char *prompt = (char *)malloc(200001);
    tarash_image_text plan;
    (void)state;
    assert_non_null(prompt);
    memset(prompt, 'p', 200000);
    prompt[200000] = '\0';
    scene_open(&s, "wiped");
    s.memory.secret = "byok-Secret-0123456789";
    scene_client(&s);
    s.config.provider = "indoxrouter";
    s.config.model = NULL;
    s.config.provider_config = "{\"byok_api_key\": \"byok-Secret-0123456789\"}";
    server_api_url(s.url, sizeof s.url, "wiped", "indoxrouter");
    /* Behind the key, so that the body grows with it inside. */
    s.request.extra_params = "{\"z\": {\"a\": [1, 2, 3, 4, 5, 6, 7, 8, 9]}}";
    s.request.user = prompt;
    assert_result(tarash_image_plan(s.client, &s.config, &s.request, &plan), TARASH_IMAGE_OK);
    tarash_image_text_free(&plan);
    (void)run(&s);
    assert_int_equal(control_posts("wiped"), 1);
    tarash_image_response_free(&s.response);
    tarash_image_client_destroy(s.client);
    s.client = NULL;
    assert_int_equal(s.memory.secrets_found, 0);
    free(prompt);
    scene_close(&s);
}

/* ---- where keys go ------------------------------------------------------------------------------------- */

/* The API's host serves files as well; whoever names one of its URLs doesn't get an authorized request. */
static void downloads_from_the_apis_own_host_are_without_the_key(void **state) {
    static const tarash_image_header header = {"X-Extra", "for the API only"};
    static const struct {
        const char *script;
        int requests;
    } rows[] = {
        {AS_URL("{API}/f/own-host/static/8x8.png"), 1},
        {"[{\"image_result\": {\"url_text\": \"{FILES}/f/own-host/static/4x4.png\"}},"
         " {\"where\": \"files\", \"redirect\": {\"status\": 302, \"to\": "
         "\"{API}/f/own-host/static/8x8.png\"}}]",
         2},
        {"[{\"image_result\": {\"url_text\": \"{API}/f/own-host/static/4x4.png\"}},"
         " {\"where\": \"files\", \"redirect\": {\"status\": 307, \"to\": \"/f/own-host/static/8x8.png\"}}]",
         2},
    };
    size_t i;
    (void)state;
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene s;
        cJSON *log;
        scene_start(&s, "own-host", rows[i].script);
        s.config.provider_config = "{\"organization\": \"org-1\"}";
        s.config.headers = &header;
        s.config.header_count = 1;
        assert_result(run(&s), TARASH_IMAGE_OK);
        assert_picture(&s.response.images[0], 8, 8);
        log = control_log("own-host");
        assert_int_equal(log_count(log, "GET", "/f/own-host/"), rows[i].requests);
        assert_string_equal(log_text(log_entry(log, -1), "origin"), "api");
        assert_string_equal(log_header(log_entry(log, 0), "x-extra"), "for the API only");
        assert_null(log_header(log_entry(log, -1), "authorization"));
        assert_null(log_header(log_entry(log, -1), "x-extra"));
        assert_null(log_header(log_entry(log, -1), "openai-organization"));
        cJSON_Delete(log);
        scene_close(&s); /* checks that nothing leaked */
    }
}

/* Nor to get an authorized request elsewhere below base_url, e.g. one that lists the account's files. */
static void a_redirect_makes_no_authorized_request(void **state) {
    scene s;
    cJSON *log;
    (void)state;
    scene_start(&s, "into-api",
                "[{\"image_result\": {\"url_text\": \"{FILES}/f/into-api/static/4x4.png\"}},"
                " {\"where\": \"files\", \"redirect\": {\"status\": 302,"
                " \"to\": \"{API}/s/into-api/openai/v1/models\"}}]");
    assert_int_not_equal(run(&s), TARASH_IMAGE_OK);
    log = control_log("into-api");
    assert_contains(log_text(log_entry(log, -1), "path"), "/v1/models");
    assert_null(log_header(log_entry(log, -1), "authorization"));
    cJSON_Delete(log);
    scene_close(&s);
}

static void input_images_from_the_apis_own_host_are_without_the_key(void **state) {
    scene s;
    tarash_image_input input;
    char url[256];
    (void)state;
    scene_start(&s, "own-input", NULL);
    server_api_url(s.url, sizeof s.url, "own-input", "compatible/v1");
    snprintf(url, sizeof url, "http://127.0.0.1:%d/f/own-input/static/8x8.png", server_api_port());
    memset(&input, 0, sizeof input);
    input.url = url;
    s.config.provider = "openai_compatible";
    s.request.images = &input;
    s.request.image_count = 1;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(requests("own-input", "GET", "/f/own-input/static/8x8.png"), 1);
    scene_close(&s); /* checks that nothing leaked */
}

/* Headers that a provider's code adds are for the API as well. */
static void polls_elsewhere_are_without_the_providers_headers(void **state) {
    scene s;
    echoing self;
    char url[256];
    cJSON *log;
    (void)state;
    echoing_start(&s, &self, "poll-headers",
                  "[{\"status\": 202, \"body\": {}},"
                  " {\"where\": \"files\", \"path_contains\": \"state\", \"status\": 200,"
                  " \"body\": {\"url\": \"{FILES}/f/poll-headers/static/8x8.png\"}}]");
    self.is_accepting = 1;
    self.elsewhere = server_files_url(url, sizeof url, "poll-headers", "state");
    assert_result(run(&s), TARASH_IMAGE_OK);
    log = control_log("poll-headers");
    assert_string_equal(log_header(log_entry(log, 0), "x-session"), "session-of-the-provider");
    assert_contains(log_text(log_entry(log, 1), "path"), "/state");
    assert_null(log_header(log_entry(log, 1), "x-session"));
    assert_null(log_header(log_entry(log, 1), "authorization"));
    cJSON_Delete(log);
    scene_close(&s);
}

/* A poll is no file: where it is redirected to isn't asked. */
static void polls_are_not_redirected(void **state) {
    scene s;
    echoing self;
    (void)state;
    echoing_start(&s, &self, "poll-redirect",
                  "[{\"status\": 202, \"body\": {}},"
                  " {\"path_contains\": \"state\", \"times\": -1, \"redirect\": {\"status\": 302,"
                  " \"to\": \"{FILES}/f/poll-redirect/jobs/one\"}}]");
    self.is_accepting = 1;
    assert_int_not_equal(run(&s), TARASH_IMAGE_OK);
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
    assert_int_equal(requests("poll-redirect", "GET", "/f/"), 0);
    scene_close(&s);
}

/* ---- header lines that aren't ours --------------------------------------------------------------------- */

static void nothing_adds_header_lines(void **state) {
    static const char *const prefixes[] = {"Bearer a\r\nX-Evil: ", "Bearer\n", "Bearer\x7F", "\x01"};
    static const char *const names[] = {"X-Key\r\nX-Evil", "X Key", "X-Key:", "", "X-K\xC3\xA9y"};
    scene s;
    tarash_image_provider provider;
    size_t i;
    (void)state;
    scene_open(&s, "header-lines");
    s.desc.user_agent = "ua\r\nX-Evil: 1";
    s.client = tarash_image_client_create(&s.desc);
    assert_null(s.client);
    s.desc.user_agent = NULL;
    scene_client(&s);
    memset(&provider, 0, sizeof provider);
    provider.name = "house";
    provider.protocol = "openai_compatible";
    for (i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        provider.auth_prefix = prefixes[i];
        assert_result(tarash_image_register_provider(s.client, &provider), TARASH_IMAGE_ERROR_VALIDATION);
    }
    provider.auth_prefix = "";
    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        provider.auth_header = names[i];
        if (tarash_image_register_provider(s.client, &provider) != TARASH_IMAGE_ERROR_VALIDATION)
            fail_msg("the header name \"%s\" was taken", names[i]);
    }
    provider.auth_header = "X-Key";
    assert_result(tarash_image_register_provider(s.client, &provider), TARASH_IMAGE_OK);
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_may_repeat_the_key),
        cmocka_unit_test(a_stream_that_fails_may_repeat_the_key),
        cmocka_unit_test(a_request_id_may_be_the_key),
        cmocka_unit_test(header_lines_may_repeat_the_key),
        cmocka_unit_test(tokens_hold_no_key),
        cmocka_unit_test(tokens_of_jobs_hold_no_key),
        cmocka_unit_test(strict_quotes_no_key),
        cmocka_unit_test(plans_hold_no_key_however_it_is_written),
        cmocka_unit_test(a_key_in_the_address_is_a_key),
        cmocka_unit_test(keys_in_bodies_are_wiped),
        cmocka_unit_test(downloads_from_the_apis_own_host_are_without_the_key),
        cmocka_unit_test(a_redirect_makes_no_authorized_request),
        cmocka_unit_test(input_images_from_the_apis_own_host_are_without_the_key),
        cmocka_unit_test(polls_elsewhere_are_without_the_providers_headers),
        cmocka_unit_test(polls_are_not_redirected),
        cmocka_unit_test(nothing_adds_header_lines),
    };
    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
