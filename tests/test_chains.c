/* One request at every provider: chains whose links speak different protocols, and plans of all rows. */

#include "wire.h"

#define OTHER_KEY "another-Secret-9876543210"

/* ---- chains -------------------------------------------------------------------------------------------- */

static tarash_image_config links[4];
static char urls[4][256];

/* Link `index` asks `provider` at the protocol's part of the session's URL. */
static void add_link(size_t index, const char *provider, const char *rest) {
    tarash_image_config *link = index ? &links[index] : &b.config;
    link->provider = provider;
    link->api_key = KEY;
    link->base_url = server_api_url(urls[index], sizeof urls[index], b.session, rest);
    link->timeout_ms = 20000;
    link->max_retries = TARASH_IMAGE_NO_RETRIES;
    link->poll_interval_ms = 1;
    if (!index) return;
    b.config.fallbacks = &links[1];
    b.config.fallback_count = index;
}

static const cJSON *post_to(const char *path_contains) {
    const cJSON *entry;
    cJSON_ArrayForEach(entry, b.log) {
        if (strcmp(log_text(entry, "method"), "POST") == 0 && strstr(log_text(entry, "path"), path_contains))
            return entry;
    }
    fail_msg("no POST to %s", path_contains);
    return NULL;
}

static void start_chain(void) {
    memset(links, 0, sizeof links);
    add_link(0, "fal", "fal/queue");
    add_link(1, "stability", "stability");
    add_link(2, "google", "google");
    b.request.prompt = PROMPT;
    b.request.size = "1280x720";
    b.request.has_seed = 1;
    b.request.seed = 7;
    b.request.negative_prompt = "fog";
    b.request.output_format = "png";
}

/* Each link gets the same request in its own words. */
static void test_three_protocols(void **state) {
    size_t i;
    const cJSON *form;
    (void)state;
    start_chain();
    script(
        "[{\"path_contains\":\"/fal/\",\"status\":503},{\"path_contains\":\"/stability/\",\"status\":500}]");
    run_ok();
    expect_json(post_to("/fal/"),
                "{"
                "\"prompt\":\"" PROMPT "\""
                ",\"image_size\":{\"width\":1280,\"height\":720},\"seed\":7,\"output_format\":\"png\"}");
    form = post_to("/stability/");
    expect_parts(form,
                 "prompt=" PROMPT "\nnegative_prompt=fog\naspect_ratio=16:9\nseed=7\noutput_format=png\n"
                 "model=sd3.5-large");
    expect_json(
        post_to("/google/"),
        "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"" PROMPT "\"}]}],\"generationConfig\":{"
        "\"responseModalities\":[\"IMAGE\"],\"imageConfig\":{\"aspectRatio\":\"16:9\",\"imageSize\":\"1K\"},"
        "\"seed\":7}}");
    assert_string_equal(b.response.provider, "google");
    assert_int_equal(b.response.successful_attempt, 3);
    assert_int_equal(b.response.fallback_triggered, 1);
    assert_int_equal(b.response.attempt_count, 3);
    assert_int_equal(b.response.attempts[0].http_status, 503);
    assert_int_equal(b.response.attempts[1].http_status, 500);
    assert_int_equal(b.response.attempts[2].result, TARASH_IMAGE_OK);
    for (i = 0; i < b.response.warning_count; i++) assert_non_null(b.response.warnings[i].provider);
    expect_picture(&b.response.images[0], "image/png");
}

/* A job that fails after it was accepted lets the chain move on; its provider is not asked again. */
static void test_a_failed_job_falls_through(void **state) {
    (void)state;
    start_chain();
    add_link(0, "runway", "runway");
    b.request.seed = 1;
    b.request.negative_prompt = NULL;
    script("[{\"path_contains\":\"/runway/\",\"jobs\":{\"polls\":1,\"fail\":true}}]");
    run_ok();
    assert_string_equal(b.response.provider, "stability");
    assert_int_equal(b.response.attempts[0].result, TARASH_IMAGE_ERROR_GENERATION_FAILED);
    assert_int_equal(log_count(b.log, "POST", "/runway/"), 1);
    assert_int_equal(log_count(b.log, "POST", "/stability/"), 1);
    assert_int_equal(log_count(b.log, "POST", "/google/"), 0);
}

/* Moderation ends a chain, wherever it comes from. */
static void test_moderation_stops_the_chain(void **state) {
    (void)state;
    start_chain();
    script("[{\"path_contains\":\"/fal/\",\"status\":503},{\"path_contains\":\"/stability/"
           "\",\"moderation\":true}]");
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    assert_int_equal(b.response.attempt_count, 2);
    assert_int_equal(log_count(b.log, "POST", "/google/"), 0);
}

/* A link's key reaches its own provider only. */
static void test_each_link_has_its_own_key(void **state) {
    const cJSON *entry;
    (void)state;
    start_chain();
    links[2].api_key = OTHER_KEY;
    script("[{\"path_contains\":\"/fal/\",\"status\":503},{\"path_contains\":\"/stability/\",\"status\":500},"
           "{\"path_contains\":\"/google/\",\"status\":200,\"body\":{}}]");
    run();
    cJSON_ArrayForEach(entry, b.log) {
        char *text = cJSON_PrintUnformatted(log_at(entry, "headers"));
        int is_google = strstr(log_text(entry, "path"), "/google/") != NULL;
        assert_int_equal(strstr(text, OTHER_KEY) != NULL, is_google);
        assert_int_equal(strstr(text, KEY) != NULL, !is_google);
        cJSON_free(text);
    }
    check_secret(OTHER_KEY);
}

/* ---- plans --------------------------------------------------------------------------------------------- */

static const char *model_for(const tarash_image_provider_info *row) {
    return row->default_model && row->default_model[0] ? NULL : "m";
}

static const cJSON *header_of(const cJSON *plan, const char *name) {
    return cJSON_GetObjectItem(cJSON_GetObjectItem(plan, "headers"), name);
}

static void check_plan(const tarash_image_provider_info *row, const cJSON *plan) {
    const cJSON *body = cJSON_GetObjectItem(plan, "body"), *key = header_of(plan, row->auth_header);
    const char *url = cJSON_GetStringValue(cJSON_GetObjectItem(plan, "url"));
    char *text = cJSON_PrintUnformatted(body);
    expect_text("the provider", cJSON_GetStringValue(cJSON_GetObjectItem(plan, "provider")), row->name);
    assert_non_null(cJSON_GetStringValue(cJSON_GetObjectItem(plan, "model")));
    assert_true(cJSON_IsNumber(cJSON_GetObjectItem(plan, "calls")));
    assert_true(cJSON_IsArray(cJSON_GetObjectItem(plan, "warnings")));
    if (strcmp(row->name, "mock") != 0) {
        expect_text("the method", cJSON_GetStringValue(cJSON_GetObjectItem(plan, "method")), "POST");
        assert_non_null(url);
        assert_true(strncmp(url, "http", 4) == 0);
        if (!key) fail_msg("%s: no %s", row->name, row->auth_header);
        expect_text("the key", cJSON_GetStringValue(key), "[redacted]");
        expect_in(row->name, text, PROMPT);
    }
    cJSON_free(text);
}

/* The same request over all rows reads as documented: one object for each, in the chain's order, no key in it. */
static void test_a_plan_of_all_rows(void **state) {
    static tarash_image_config all[32];
    size_t count, i;
    const tarash_image_provider_info *rows = tarash_image_providers(&count);
    tarash_image_text text;
    cJSON *plan;
    (void)state;
    assert_true(count >= 21 && count <= COUNT(all));
    memset(all, 0, sizeof all);
    for (i = 0; i < count; i++) {
        all[i].provider = rows[i].name;
        all[i].model = model_for(&rows[i]);
        all[i].api_key = strcmp(rows[i].name, "automatic1111") == 0 ? "user:" KEY : KEY;
        all[i].base_url = rows[i].base_url ? NULL : "https://images.example";
    }
    all[0].fallbacks = &all[1];
    all[0].fallback_count = count - 1;
    b.request.prompt = PROMPT;
    b.request.size = "1024x1024";
    b.request.n = 2;
    assert_int_equal(tarash_image_plan(b.client, &all[0], &b.request, &text), TARASH_IMAGE_OK);
    refuse_text("the plan", text.data, KEY);
    plan = cJSON_Parse(text.data);
    assert_int_equal(cJSON_GetArraySize(plan), count);
    for (i = 0; i < count; i++) check_plan(&rows[i], cJSON_GetArrayItem(plan, (int)i));
    cJSON_Delete(plan);
    tarash_image_text_free(&text);
    assert_int_equal(b.lines.size && strstr(b.lines.text, KEY) != NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_three_protocols),
        TEST(test_a_failed_job_falls_through),
        TEST(test_moderation_stops_the_chain),
        TEST(test_each_link_has_its_own_key),
        TEST(test_a_plan_of_all_rows),
    };
    int failed;
    if (server_start() != 0 || prepare_inputs() != 0) return 1;
    failed = cmocka_run_group_tests_name("chains", tests, NULL, NULL);
    server_stop();
    return failed != 0;
}
