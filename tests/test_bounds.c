/* Work and memory stay within bounds, whatever a server sends. */

#include "scene.h"

/* What takes a few milliseconds; generous enough for sanitizers and busy machines. */
#define SOON_MS 5000

static int64_t timed_run(scene *s, tarash_image_result expected) {
    int64_t begin = real_ms();
    tarash_image_result result = run(s);
    if (result != expected) fail_msg("%s: %s", tarash_image_result_name(result), s->response.error.message);
    return real_ms() - begin;
}

static void fill(char *text, size_t size, const char *pattern) {
    size_t i, length = strlen(pattern);
    for (i = 0; i < size; i++) text[i] = pattern[i % length];
    text[size] = '\0';
}

/* A long message is searched for words once, not once per letter. */
static void long_messages_are_read_quickly(void **state) {
    static const char *const patterns[] = {"a", "content ", "safety syste"};
    size_t i, size = 1000000;
    char *message = (char *)malloc(size + 1);
    (void)state;
    assert_non_null(message);
    for (i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        scene s;
        fill(message, size, patterns[i]);
        scene_start(&s, "long-message", NULL);
        assert_int_equal(control_scriptf("long-message",
                                         "[{\"status\": 400, \"body\": {\"error\": {\"message\": \"%s\"}}}]",
                                         message),
                         0);
        assert_true(timed_run(&s, TARASH_IMAGE_ERROR_VALIDATION) < SOON_MS);
        assert_true(strlen(s.response.error.message) < sizeof s.response.error.message);
        scene_close(&s);
    }
    free(message);
}

/* The type of a stream's event is as long as the server likes. */
static void long_event_types_are_read_quickly(void **state) {
    scene s;
    size_t size = 1000000;
    char *type = (char *)malloc(size + 1);
    (void)state;
    assert_non_null(type);
    fill(type, size, "partial_imag");
    scene_start(&s, "long-type", NULL);
    assert_int_equal(
        control_scriptf("long-type",
                        "[{\"status\": 200, \"headers\": {\"Content-Type\": \"text/event-stream\"},"
                        " \"body\": \"data: {\\\"type\\\": \\\"%s\\\"}\\n\\n\"}]",
                        type),
        0);
    free(type);
    s.config.model = "gpt-image-1.5";
    s.request.size = NULL;
    s.request.partial_images = 1;
    assert_true(timed_run(&s, TARASH_IMAGE_ERROR_BAD_RESPONSE) < SOON_MS);
    scene_close(&s);
}

/* As many header lines as the limit on their bytes allows. */
static void many_header_lines_are_read_quickly(void **state) {
    scene s;
    char *script = (char *)malloc(2000000);
    size_t used;
    int i;
    (void)state;
    assert_non_null(script);
    used = (size_t)snprintf(script, 2000000, "[{\"raw\": \"HTTP/1.1 400 Bad\\r\\n");
    for (i = 0; i < 70000; i++) used += (size_t)snprintf(script + used, 2000000 - used, "a:\\r\\n");
    snprintf(script + used, 2000000 - used, "\\r\\n\"}]");
    scene_open(&s, "many-lines");
    s.desc.limits.max_header_bytes = 1 << 20;
    scene_client(&s);
    assert_int_equal(control_script("many-lines", script), 0);
    free(script);
    assert_true(timed_run(&s, TARASH_IMAGE_ERROR_VALIDATION) < SOON_MS);
    assert_int_equal(s.response.error.http_status, 400);
    scene_close(&s);
}

/* ---- previews ------------------------------------------------------------------------------------------ */

#define DOT "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="

static void count_previews(const tarash_image_update *update, void *user_data) {
    int *count = (int *)user_data;
    if (update->partial_image) ++*count;
}

static void stream_previews(scene *s, const char *session, int count, int *seen) {
    static const char preview[] = "data: {\\\"type\\\":\\\"image_generation.partial_image\\\","
                                  "\\\"partial_image_index\\\":0,\\\"b64_json\\\":\\\"" DOT "\\\"}\\n\\n";
    size_t room = (sizeof preview + 1) * (size_t)count + 1000, used;
    char *script = (char *)malloc(room);
    int i;
    assert_non_null(script);
    scene_start(s, session, NULL);
    used = (size_t)snprintf(
        script, room,
        "[{\"status\": 200, \"headers\": {\"Content-Type\": \"text/event-stream\"}, \"body\": \"");
    for (i = 0; i < count; i++) {
        memcpy(script + used, preview, sizeof preview);
        used += sizeof preview - 1;
    }
    snprintf(script + used, room - used,
             "data: {\\\"type\\\":\\\"image_generation.completed\\\",\\\"b64_json\\\":\\\"" DOT
             "\\\"}\\n\\n\"}]");
    assert_int_equal(control_script(session, script), 0);
    free(script);
    *seen = 0;
    s->config.model = "gpt-image-1.5";
    s->request.size = NULL;
    s->request.partial_images = 3;
    s->request.on_progress = count_previews;
    s->request.user_data = seen;
}

/* However many previews a server sends, what is kept of them doesn't grow with their number. */
static void previews_leave_nothing_behind(void **state) {
    scene s;
    int seen;
    size_t few, many;
    (void)state;
    stream_previews(&s, "few-previews", 100, &seen);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_picture(&s.response.images[0], 1, 1);
    assert_int_equal(seen, 100);
    few = s.memory.peak_bytes;
    scene_close(&s);
    stream_previews(&s, "many-previews", 12000, &seen);
    /* Without a callback, so that none waits to be told. */
    s.request.on_progress = NULL;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_picture(&s.response.images[0], 1, 1);
    many = s.memory.peak_bytes;
    scene_close(&s);
    if (many > few + (1 << 20)) fail_msg("%u bytes for 100, %u for 12000", (unsigned)few, (unsigned)many);
}

/* ---- numbers ------------------------------------------------------------------------------------------- */

/* Sums of what servers count, and counting up from a seed, have an end. */
static void numbers_do_not_overflow(void **state) {
    static const char huge[] =
        "[{\"times\": -1, \"merge\": {\"usage\": {\"input_tokens\": 9223372036854775807, \"output_tokens\":"
        " 9223372036854775807, \"total_tokens\": 9223372036854775807}}}]";
    scene s;
    (void)state;
    scene_start(&s, "huge-usage", huge);
    s.config.model = "dall-e-3";
    s.request.size = "1024x1024";
    s.request.n = 3;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.image_count, 3);
    assert_true(s.response.usage.input_tokens == INT64_MAX);
    assert_true(s.response.usage.output_tokens == INT64_MAX);
    assert_true(s.response.usage.total_tokens == INT64_MAX);
    scene_close(&s);
}

static void seeds_stay_in_their_range(void **state) {
    scene s;
    jobs_service service;
    cJSON *log;
    int i, posts = 0;
    (void)state;
    scene_start(&s, "last-seed", "[{\"jobs\": {\"polls\": 0}, \"times\": -1}]");
    jobs_service_open(&service);
    service.provider.capabilities.max_n = 1;
    scene_use_jobs(&s, &service);
    s.request.n = 3;
    s.request.has_seed = 1;
    s.request.seed = service.provider.capabilities.seed_max - 1;
    assert_result(run(&s), TARASH_IMAGE_OK);
    log = control_log("last-seed");
    for (i = 0; i < cJSON_GetArraySize(log); i++) {
        double seed = log_number(log_entry(log, i), "json.seed");
        if (strcmp(log_text(log_entry(log, i), "method"), "POST") != 0) continue;
        posts++;
        if (seed < 0 || seed > 1000000) fail_msg("the seed %g was sent", seed);
    }
    assert_int_equal(posts, 3);
    cJSON_Delete(log);
    scene_close(&s);

    /* The largest of all, for a provider without a range. */
    scene_start(&s, "last-seed", NULL);
    s.config.provider = "openai_compatible";
    s.config.model = "gpt-image-1.5";
    server_api_url(s.url, sizeof s.url, "last-seed", "compatible/v1");
    s.request.size = NULL;
    s.request.n = 2;
    s.request.partial_images = 1; /* one call each */
    s.request.has_seed = 1;
    s.request.seed = INT64_MAX;
    (void)run(&s); /* whatever the server says */
    assert_int_equal(control_posts("last-seed"), 2);
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_messages_are_read_quickly),
        cmocka_unit_test(long_event_types_are_read_quickly),
        cmocka_unit_test(many_header_lines_are_read_quickly),
        cmocka_unit_test(previews_leave_nothing_behind),
        cmocka_unit_test(numbers_do_not_overflow),
        cmocka_unit_test(seeds_stay_in_their_range),
    };
    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
