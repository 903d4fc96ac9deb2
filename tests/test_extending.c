/* What a provider's own code may say and do, and what is refused of it. */

#include "scene.h"

#define DOT "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="

/* ---- registration -------------------------------------------------------------------------------------- */

static tarash_image_provider in_house(void) {
    tarash_image_provider provider;
    memset(&provider, 0, sizeof provider);
    provider.name = "house";
    provider.protocol = "openai_compatible";
    return provider;
}

#define REFUSED(change)                                                                                      \
    do {                                                                                                     \
        provider = in_house();                                                                               \
        change;                                                                                              \
        if (tarash_image_register_provider(s.client, &provider) != TARASH_IMAGE_ERROR_VALIDATION)            \
            fail_msg("was taken: %s", #change);                                                              \
    } while (0)

static void impossible_capabilities_are_refused(void **state) {
    scene s;
    tarash_image_provider provider;
    (void)state;
    scene_start(&s, "capabilities", NULL);
    REFUSED(provider.capabilities.mask = (tarash_image_mask_polarity)9);
    REFUSED(provider.capabilities.mask = (tarash_image_mask_polarity)-1);
    REFUSED(provider.capabilities.max_n = -1);
    REFUSED(provider.capabilities.max_input_images = -1);
    REFUSED(provider.capabilities.size_multiple = -16);
    REFUSED(provider.capabilities.size_max_edge = -1);
    REFUSED(provider.capabilities.size_min_pixels = -1);
    REFUSED(provider.capabilities.size_max_pixels = -1);
    REFUSED(provider.base_url = "not a url");
    REFUSED(provider.base_url = "ftp://h/");
    provider = in_house();
    assert_result(tarash_image_register_provider(s.client, &provider), TARASH_IMAGE_OK);
    assert_true(log_collector_contains(&s.log, "capabilities")); /* what is wrong is logged */
    scene_close(&s);
}

/* ---- code ---------------------------------------------------------------------------------------------- */

typedef struct code {
    tarash_image_provider provider;
    const char *method;   /* of SUBMIT */
    const char *image_at; /* path of the image in a reply */
    const char *job_id;   /* to be accepted instead of the reply's "id" */
    int accepts, tells, lost_ids;
    int flags[3];
} code;

static tarash_image_result code_build(tarash_image_exchange *exchange, tarash_image_phase phase,
                                      void *user_data) {
    code *self = (code *)user_data;
    const char *id = tarash_image_exchange_job_id(exchange);
    char path[300];
    if (phase == TARASH_IMAGE_PHASE_SUBMIT) {
        tarash_image_exchange_send(exchange, self->method ? self->method : "POST", "start");
        if (!self->method) tarash_image_exchange_set_text(exchange, "prompt", "p");
        return TARASH_IMAGE_OK;
    }
    if (!id && self->accepts) self->lost_ids++;
    snprintf(path, sizeof path, "look/%.200s", id ? id : "nothing");
    tarash_image_exchange_send(exchange, self->method ? "GET" : "POST", path);
    if (!self->method) tarash_image_exchange_set_json(exchange, "want", "{\"sizes\": [1, {\"deep\": true}]}");
    return TARASH_IMAGE_OK;
}

static tarash_image_result code_read(tarash_image_exchange *exchange, tarash_image_phase phase,
                                     void *user_data) {
    code *self = (code *)user_data;
    if (self->tells) {
        self->flags[0] = tarash_image_exchange_flag(exchange, "yes");
        self->flags[1] = tarash_image_exchange_flag(exchange, "no");
        self->flags[2] = tarash_image_exchange_flag(exchange, "nowhere");
        tarash_image_exchange_usage(exchange, 3, 4, 7);
        tarash_image_exchange_delay(exchange, 123);
    }
    if (tarash_image_exchange_add_image(exchange, self->image_at ? self->image_at : "url")) {
        if (self->tells) tarash_image_exchange_image_info(exchange, "a red fox", 1, 99);
        return TARASH_IMAGE_OK;
    }
    if (phase == TARASH_IMAGE_PHASE_SUBMIT && self->accepts)
        tarash_image_exchange_accept(exchange, self->job_id ? self->job_id
                                                            : tarash_image_exchange_text(exchange, "id"));
    tarash_image_exchange_next(exchange, TARASH_IMAGE_PHASE_POLL);
    return TARASH_IMAGE_OK;
}

static void code_use(scene *s, code *self) {
    assert_result(tarash_image_register_provider(s->client, &self->provider), TARASH_IMAGE_OK);
    server_api_url(s->url, sizeof s->url, s->session, "jobs");
    s->config.provider = "code";
    s->config.model = NULL;
    s->request.size = NULL;
}

static void code_open(code *self) {
    memset(self, 0, sizeof *self);
    self->provider.name = "code";
    self->provider.default_model = "c";
    self->provider.polls = 1;
    self->provider.build_fn = code_build;
    self->provider.read_fn = code_read;
    self->provider.user_data = self;
}

static void code_start(scene *s, code *self, const char *session, const char *script) {
    scene_start(s, session, script);
    code_open(self);
    code_use(s, self);
}

/* A reply to HEAD has no body, whatever length it tells. */
static void head_has_no_body(void **state) {
    scene s;
    code self;
    (void)state;
    code_start(&s, &self, "head",
               "[{\"method\": \"HEAD\", \"raw\": \"HTTP/1.1 200 OK\\r\\nContent-Length: 5000\\r\\n\\r\\n\"},"
               " {\"method\": \"GET\", \"status\": 200,"
               " \"body\": {\"url\": \"{FILES}/f/head/static/8x8.png\"}}]");
    self.method = "HEAD";
    (void)run(&s); /* nothing was accepted, so what comes of it is the code's affair */
    assert_int_equal(s.response.error.curl_code, 0);
    if (s.response.error.result == TARASH_IMAGE_OK) assert_picture(&s.response.images[0], 8, 8);
    scene_close(&s);
}

/* At any place, not only at those that image_paths names. */
static void images_may_be_data_urls(void **state) {
    scene s;
    code self;
    (void)state;
    code_start(&s, &self, "data-url",
               "[{\"status\": 200, \"body\": {\"deep\": [{\"link\": \"data:image/png;base64," DOT "\"}]}}]");
    self.image_at = "deep[0].link";
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_picture(&s.response.images[0], 1, 1);
    assert_null(s.response.job_token);
    scene_close(&s);
    code_start(&s, &self, "data-url",
               "[{\"status\": 200, \"body\": {\"deep\": [{\"link\": \"data:image/png;base64,@@\"}]}}]");
    self.image_at = "deep[0].link";
    assert_int_not_equal(run(&s), TARASH_IMAGE_OK);
    scene_close(&s);
}

/* The code of a poll works alike, whether the job was begun here or is resumed. */
static void resumed_polls_are_built_alike(void **state) {
    scene s;
    code self;
    char token[1024];
    cJSON *log;
    const cJSON *entry;
    (void)state;
    code_start(
        &s, &self, "resumed-json",
        "[{\"status\": 202, \"body\": {\"id\": \"one\"}}, {\"status\": 200, \"body\": {}, \"times\": 2},"
        " {\"status\": 200, \"body\": {\"url\": \"{FILES}/f/resumed-json/static/8x8.png\"}}]");
    self.accepts = 1;
    s.config.max_poll_attempts = 2;
    assert_result(run(&s), TARASH_IMAGE_ERROR_TIMEOUT);
    snprintf(token, sizeof token, "%s", s.response.error.job_token);
    s.job = tarash_image_resume(s.client, &s.config, token);
    finish(&s);
    assert_result(scene_take(&s), TARASH_IMAGE_OK);
    log = control_log("resumed-json");
    entry = log_entry(log, 3);
    assert_contains(log_text(entry, "path"), "look/one");
    assert_non_null(log_at(entry, "json.want.sizes[1].deep"));
    cJSON_Delete(log);
    scene_close(&s);
}

static void code_fills_the_response(void **state) {
    scene s;
    code self;
    (void)state;
    code_start(&s, &self, "facts",
               "[{\"status\": 202, \"body\": {\"id\": \"one\"}},"
               " {\"status\": 200, \"body\": {\"yes\": true, \"no\": false, \"url\":"
               " \"{FILES}/f/facts/static/8x8.png\"}}]");
    self.accepts = 1;
    self.tells = 1;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.waits[0], 123);
    assert_int_equal(self.flags[0], 1);
    assert_int_equal(self.flags[1], 0);
    assert_int_equal(self.flags[2], -1);
    assert_string_equal(s.response.images[0].revised_prompt, "a red fox");
    assert_int_equal(s.response.images[0].has_seed, 1);
    assert_int_equal(s.response.images[0].seed, 99);
    assert_true(s.response.usage.total_tokens >= 7);
    scene_close(&s);
}

/* Ids become a part of URLs. */
static void odd_job_ids_are_refused(void **state) {
    static const char *const ids[] = {"", "a/b", "../up", "a b", "a?b", "a#b", "a%2f", "a\r\nb", "a\\b"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        scene s;
        code self;
        code_start(&s, &self, "odd-ids", "[{\"status\": 202, \"body\": {\"id\": \"one\"}}]");
        self.accepts = 1;
        self.job_id = ids[i];
        if (run(&s) != TARASH_IMAGE_ERROR_BAD_RESPONSE) fail_msg("the id \"%s\" was taken", ids[i]);
        assert_int_equal(control_posts("odd-ids"), 1);
        scene_close(&s);
    }
}

/* Where memory runs out as a job is accepted, no poll is built without its id. */
static void polls_have_their_id_when_memory_runs_out(void **state) {
    char id[5001], script[6000];
    size_t fail_at, calls = 0;
    (void)state;
    memset(id, 'i', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    snprintf(script, sizeof script,
             "[{\"status\": 202, \"body\": {\"id\": \"%s\"}},"
             " {\"status\": 200, \"body\": {\"url\": \"{FILES}/f/lost-ids/static/8x8.png\"}}]",
             id);
    for (fail_at = 0; fail_at <= calls; fail_at++) {
        scene s;
        code self;
        tarash_image_result result;
        scene_open(&s, "lost-ids");
        assert_int_equal(control_script("lost-ids", script), 0);
        scene_client(&s);
        code_open(&self);
        self.accepts = 1;
        code_use(&s, &self);
        if (fail_at) s.memory.fail_at = s.memory.calls + fail_at;
        calls = s.memory.calls;
        s.job = tarash_image_submit(s.client, &s.config, &s.request);
        if (s.job.id) finish(&s);
        result = scene_take(&s);
        calls = s.memory.calls - calls;
        if (self.lost_ids) fail_msg("allocation %u: a poll was built without its id", (unsigned)fail_at);
        if (result != TARASH_IMAGE_OK && result != TARASH_IMAGE_ERROR_OUT_OF_MEMORY)
            fail_msg("allocation %u: %s: %s", (unsigned)fail_at, tarash_image_result_name(result),
                     s.response.error.message);
        if (fail_at == 0) assert_result(result, TARASH_IMAGE_OK);
        scene_close(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(impossible_capabilities_are_refused),
        cmocka_unit_test(head_has_no_body),
        cmocka_unit_test(images_may_be_data_urls),
        cmocka_unit_test(resumed_polls_are_built_alike),
        cmocka_unit_test(code_fills_the_response),
        cmocka_unit_test(odd_job_ids_are_refused),
        cmocka_unit_test(polls_have_their_id_when_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
