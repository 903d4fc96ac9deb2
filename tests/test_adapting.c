/* What becomes of a request where a provider lacks something: nothing is dropped in silence, and nothing is
   complained about that costs nobody anything. */

#include "scene.h"

/* ---- one request, as a dry run would send it ----------------------------------------------------------- */

static scene s;
static tarash_image_text text;
static cJSON *plan;

static int set_up(void **state) {
    (void)state;
    scene_start(&s, "adapting", NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    cJSON_Delete(plan);
    plan = NULL;
    tarash_image_text_free(&text);
    scene_close(&s);
    return 0;
}

/* A fresh request to a provider. */
static void ask(const char *provider, const char *model) {
    memset(&s.request, 0, sizeof s.request);
    s.request.prompt = "a lighthouse in fog";
    s.config.provider = provider;
    s.config.model = model;
    s.config.provider_config = NULL;
}

static tarash_image_result make_plan(void) {
    tarash_image_result result;
    cJSON_Delete(plan);
    plan = NULL;
    tarash_image_text_free(&text);
    result = tarash_image_plan(s.client, &s.config, &s.request, &text);
    if (result == TARASH_IMAGE_OK) {
        plan = cJSON_Parse(text.data);
        assert_non_null(plan);
    }
    return result;
}

/* What is found at a path of the plan's body, as JSON without blanks. */
static void expect_body(const char *path, const char *wanted) {
    char whole[128], *found;
    const cJSON *value;
    snprintf(whole, sizeof whole, "body.%s", path);
    value = log_at(cJSON_GetArrayItem(plan, 0), whole);
    found = value ? cJSON_PrintUnformatted(value) : NULL;
    if (wanted ? !found || strcmp(found, wanted) != 0 : found != NULL)
        fail_msg("%s is %s instead of %s", path, found ? found : "missing", wanted ? wanted : "missing");
    cJSON_free(found);
}

/* The warnings as "field=asked>sent", joined by "; ". strict takes the same request if there are none. */
static void expect_warnings(const char *wanted) {
    char found[1024] = "";
    const cJSON *warning;
    tarash_image_result strict;
    cJSON_ArrayForEach(warning, log_at(cJSON_GetArrayItem(plan, 0), "warnings")) {
        size_t used = strlen(found);
        assert_non_null(log_text(warning, "why"));
        snprintf(found + used, sizeof found - used, "%s%s=%s>%s", used ? "; " : "",
                 log_text(warning, "field"), log_text(warning, "asked"), log_text(warning, "sent"));
    }
    if (strcmp(found, wanted) != 0) fail_msg("the warnings are \"%s\" instead of \"%s\"", found, wanted);
    s.request.strict = 1;
    strict = make_plan();
    s.request.strict = 0;
    assert_result(strict, wanted[0] ? TARASH_IMAGE_ERROR_VALIDATION : TARASH_IMAGE_OK);
}

static void plan_ok(void) {
    assert_result(make_plan(), TARASH_IMAGE_OK);
}

static void refused(tarash_image_result expected, const char *part) {
    tarash_image_result result = make_plan();
    if (result != expected) fail_msg("%s: %s", tarash_image_result_name(result), text.error.message);
    assert_contains(text.error.message, part);
}

/* ---- sizes and ratios ---------------------------------------------------------------------------------- */

static void auto_is_no_size_beside_a_ratio(void **state) {
    (void)state;
    ask("openai", "gpt-image-1.5");
    s.request.size = "auto";
    s.request.aspect_ratio = "2:3";
    plan_ok();
    expect_body("size", "\"1024x1536\"");
    expect_warnings("aspect_ratio=2:3>1024x1536");
    ask("openai", "dall-e-3");
    s.request.size = "auto";
    s.request.aspect_ratio = "16:9";
    plan_ok();
    expect_body("size", "\"1792x1024\"");
    expect_warnings("aspect_ratio=16:9>1792x1024");
    ask("xai", NULL);
    s.request.size = "auto";
    s.request.aspect_ratio = "16:9";
    plan_ok();
    expect_body("aspect_ratio", "\"16:9\"");
    expect_warnings("");
}

static void size_wins_where_there_are_ratios_only(void **state) {
    (void)state;
    ask("indoxrouter", "google/imagen-4");
    s.request.size = "1600x900";
    s.request.aspect_ratio = "1:1";
    plan_ok();
    expect_body("aspect_ratio", "\"16:9\"");
    expect_body("size", NULL);
    expect_warnings("aspect_ratio=1:1>; size=1600x900>16:9");
}

/* ---- names --------------------------------------------------------------------------------------------- */

static void a_model_may_carry_its_providers_name(void **state) {
    static const char *const names[] = {"openai", "OpenAI"};
    size_t i;
    (void)state;
    for (i = 0; i < 2; i++) {
        ask(names[i], "openai/dall-e-3");
        s.request.n = 3;
        s.request.style = "vivid";
        plan_ok();
        expect_body("model", "\"dall-e-3\"");
        expect_body("style", "\"vivid\"");
        expect_body("response_format", "\"b64_json\"");
        assert_int_equal((int)log_number(cJSON_GetArrayItem(plan, 0), "calls"), 3);
        expect_warnings("");
    }
    ask("xai", "xai/grok-imagine-image");
    plan_ok();
    expect_body("model", "\"grok-imagine-image\"");
    /* Where names have slashes of their own, they stay. */
    ask("indoxrouter", "openai/dall-e-3");
    plan_ok();
    expect_body("model", "\"openai/dall-e-3\"");
    ask("openai_compatible", "openai/dall-e-3");
    plan_ok();
    expect_body("model", "\"openai/dall-e-3\"");
}

/* One's own provider of a built-in name has its own capabilities, not the built-in models'. */
static void a_hidden_provider_hides_its_models(void **state) {
    tarash_image_provider provider;
    (void)state;
    memset(&provider, 0, sizeof provider);
    provider.name = "openai";
    provider.protocol = "openai_compatible";
    provider.capabilities.fields = TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED;
    provider.capabilities.max_n = 4;
    provider.capabilities.seed_max = 1000;
    assert_result(tarash_image_register_provider(s.client, &provider), TARASH_IMAGE_OK);
    ask("openai", "dall-e-3");
    s.request.n = 4;
    s.request.has_seed = 1;
    s.request.seed = 9;
    s.request.style = "vivid";
    plan_ok();
    assert_int_equal((int)log_number(cJSON_GetArrayItem(plan, 0), "calls"), 1);
    expect_body("n", "4");
    expect_body("seed", "9");
    expect_body("style", NULL);
    expect_warnings("style=vivid>");
}

/* ---- words --------------------------------------------------------------------------------------------- */

static void auto_is_never_worth_a_warning(void **state) {
    static const struct {
        const char *provider, *model;
    } rows[] = {{"openai", "gpt-image-2.5-flare"},
                {"openai", "dall-e-3"},
                {"openai", "dall-e-2"},
                {"xai", "grok-imagine-image"},
                {"xai", NULL},
                {"indoxrouter", "openai/gpt-image-2.5-flare"},
                {"indoxrouter", "google/imagen-4"},
                {"indoxrouter", "xai/grok-imagine-image-2.0"},
                {"atoma", NULL},
                {"openai_compatible", "m"}};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ask(rows[i].provider, rows[i].model);
        s.request.size = "auto";
        s.request.aspect_ratio = "auto";
        s.request.quality = "auto";
        s.request.background = "auto";
        plan_ok();
        expect_warnings("");
    }
}

static void transparency_needs_a_format_that_has_it(void **state) {
    static const char *const spellings[] = {"jpeg", "jpg", "JPEG", "JPG"};
    size_t i;
    (void)state;
    for (i = 0; i < 4; i++) {
        ask("openai", "gpt-image-2.5-flare");
        s.request.background = "transparent";
        s.request.output_format = spellings[i];
        plan_ok();
        expect_body("background", "\"transparent\"");
        expect_body("output_format", NULL);
        expect_warnings("output_format=jpeg>");
    }
    s.request.output_format = "webp";
    plan_ok();
    expect_body("output_format", "\"webp\"");
    expect_warnings("");
    s.request.background = "opaque";
    s.request.output_format = "JPG";
    plan_ok();
    expect_body("output_format", "\"jpeg\"");
    expect_warnings("");
}

static void listed_words_are_sent_as_listed(void **state) {
    (void)state;
    ask("openai", "dall-e-3");
    s.request.quality = "HD";
    s.request.style = "Vivid";
    plan_ok();
    expect_body("quality", "\"hd\"");
    expect_body("style", "\"vivid\"");
    expect_warnings("");
}

/* ---- what comes back ----------------------------------------------------------------------------------- */

static void a_url_that_is_not_asked_for_is_told(void **state) {
    (void)state;
    ask("openai_compatible", "proxy/gpt-image-1.5");
    s.request.output = TARASH_IMAGE_OUTPUT_URL;
    plan_ok();
    expect_body("response_format", NULL);
    expect_warnings("output=url>");
    ask("openai_compatible", "m");
    s.request.output = TARASH_IMAGE_OUTPUT_URL;
    s.config.provider_config = "{\"response_format\": \"b64_json\"}";
    plan_ok();
    expect_body("response_format", "\"b64_json\"");
    expect_warnings("output=url>b64_json");
    s.config.provider_config = "{\"response_format\": null}";
    plan_ok();
    expect_body("response_format", NULL);
    expect_warnings("output=url>");
    s.config.provider_config = "{\"response_format\": \"url\"}";
    plan_ok();
    expect_body("response_format", "\"url\"");
    expect_warnings("");
}

/* One picture was refused, the other is there: why there is only one is told. */
static void a_refused_picture_among_good_ones_is_told(void **state) {
    const tarash_image_warning *warning;
    (void)state;
    assert_int_equal(control_script("adapting", "[{\"moderation\": \"mixed\"}]"), 0);
    ask("xai", NULL);
    server_api_url(s.url, sizeof s.url, "adapting", "xai/v1");
    s.request.n = 2;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.image_count, 1);
    for (warning = s.response.warnings; warning < s.response.warnings + s.response.warning_count; warning++) {
        if (strstr(warning->why, "safety system")) return;
    }
    fail_msg("no warning says that a picture was refused");
}

/* ---- input images -------------------------------------------------------------------------------------- */

static void roles_without_meaning_are_told(void **state) {
    tarash_image_input inputs[2];
    (void)state;
    memset(inputs, 0, sizeof inputs);
    inputs[0].data = inputs[1].data = tiny_png;
    inputs[0].size = inputs[1].size = tiny_png_size;
    inputs[1].role = TARASH_IMAGE_ROLE_STYLE;
    ask("openai", "gpt-image-1.5");
    s.request.images = inputs;
    s.request.image_count = 2;
    plan_ok();
    expect_warnings("images[1].role=style>reference");
    inputs[1].role = TARASH_IMAGE_ROLE_REFERENCE;
    plan_ok();
    expect_warnings("");
}

static void a_mask_of_another_size_is_told(void **state) {
    static const unsigned char grey[64 * 64];
    tarash_image_input image;
    const cJSON *link;
    (void)state;
    memset(&image, 0, sizeof image);
    image.pixels = grey;
    image.width = 16;
    image.height = 8;
    image.channels = 1;
    ask("openai", "gpt-image-1.5");
    s.request.images = &image;
    s.request.image_count = 1;
    s.request.mask = image;
    plan_ok();
    expect_warnings("");
    s.request.mask.width = 8;
    s.request.mask.height = 16;
    plan_ok(); /* advice: servers differ in it */
    link = cJSON_GetArrayItem(plan, 0);
    assert_int_equal(cJSON_GetArraySize(log_at(link, "warnings")), 1);
    assert_string_equal(log_text(link, "warnings[0].field"), "mask");
    assert_string_equal(log_text(link, "warnings[0].asked"), "8x16");
    assert_contains(log_text(link, "warnings[0].why"), "16x8");
    /* Encoded ones have their size in their heads. */
    s.request.mask = image;
    image.pixels = NULL;
    image.width = image.height = image.channels = 0;
    image.data = tiny_png;
    image.size = tiny_png_size;
    plan_ok();
    assert_contains(log_text(cJSON_GetArrayItem(plan, 0), "warnings[0].why"), "4x4");
}

static void refusals_name_what_they_mean(void **state) {
    static const unsigned char grey[64];
    tarash_image_input image;
    (void)state;
    memset(&image, 0, sizeof image);
    ask("openai", "gpt-image-1.5");
    s.request.images = &image;
    s.request.image_count = 1;
    image.data = tiny_png;
    image.size = tiny_png_size;
    image.role = (tarash_image_role)9;
    refused(TARASH_IMAGE_ERROR_VALIDATION, "images[0].role:");
    image.role = TARASH_IMAGE_ROLE_REFERENCE;
    image.mime_type = "image/png\r\nX-Evil: 1";
    refused(TARASH_IMAGE_ERROR_VALIDATION, "images[0].mime_type:");
    image.mime_type = NULL;
    s.request.mask = image;
    s.request.mask.mime_type = "\x01";
    refused(TARASH_IMAGE_ERROR_VALIDATION, "mask.mime_type:");
    memset(&s.request.mask, 0, sizeof s.request.mask);
    /* Pixels become a PNG, and nothing else. */
    image.data = NULL;
    image.size = 0;
    image.pixels = grey;
    image.width = image.height = 8;
    image.channels = 1;
    image.mime_type = "text/html";
    refused(TARASH_IMAGE_ERROR_VALIDATION, "images[0].mime_type:");
    image.mime_type = "image/png";
    plan_ok();
}

/* ---- operations ---------------------------------------------------------------------------------------- */

static void variations_take_few_fields(void **state) {
    static const char *const providers[] = {"openai_compatible", "openai"};
    tarash_image_input image;
    size_t i;
    (void)state;
    memset(&image, 0, sizeof image);
    image.data = tiny_png;
    image.size = tiny_png_size;
    for (i = 0; i < 2; i++) {
        cJSON *log;
        const cJSON *entry, *warning;
        assert_int_equal(control_reset("adapting"), 0);
        ask(providers[i], "dall-e-2");
        server_api_url(s.url, sizeof s.url, "adapting", i ? "openai/v1" : "compatible/v1");
        s.config.provider_config = "{\"operation\": \"variation\"}";
        s.request.images = &image;
        s.request.image_count = 1;
        s.request.n = 1;
        s.request.quality = "high";
        s.request.style = "vivid";
        s.request.output_format = "png";
        s.request.negative_prompt = "rain";
        s.request.has_seed = 1;
        s.request.seed = 7;
        s.request.partial_images = 2;
        plan_ok();
        for (warning = log_at(cJSON_GetArrayItem(plan, 0), "warnings")->child; warning;
             warning = warning->next)
            assert_string_equal(log_text(warning, "sent"), "");
        assert_int_equal(cJSON_GetArraySize(log_at(cJSON_GetArrayItem(plan, 0), "warnings")), 7);
        assert_result(run(&s), TARASH_IMAGE_OK);
        log = control_log("adapting");
        entry = log_entry(log, 0);
        assert_contains(log_text(entry, "path"), "images/variations");
        assert_int_equal(log_part_count(entry, "image"), 1);
        assert_int_equal(log_part_count(entry, "quality") + log_part_count(entry, "style") +
                             log_part_count(entry, "output_format") + log_part_count(entry, "seed") +
                             log_part_count(entry, "negative_prompt") + log_part_count(entry, "stream") +
                             log_part_count(entry, "partial_images") + log_part_count(entry, "prompt"),
                         0);
        cJSON_Delete(log);
    }
}

static void a_variation_alone_needs_no_prompt(void **state) {
    static const char *const prompts[] = {NULL, ""};
    static const char *const operations[] = {"generate", "edit"};
    tarash_image_input image;
    size_t i, k;
    char options[64];
    (void)state;
    memset(&image, 0, sizeof image);
    image.data = tiny_png;
    image.size = tiny_png_size;
    for (i = 0; i < 2; i++) {
        for (k = 0; k < 2; k++) {
            ask("openai", "dall-e-2");
            snprintf(options, sizeof options, "{\"operation\": \"%s\"}", operations[k]);
            s.config.provider_config = options;
            s.request.prompt = prompts[i];
            s.request.images = k ? &image : NULL;
            s.request.image_count = k;
            refused(TARASH_IMAGE_ERROR_VALIDATION, "prompt:");
        }
        s.config.provider_config = "{\"operation\": \"variation\"}";
        plan_ok();
    }
}

static void an_operation_contradicts_no_images(void **state) {
    tarash_image_input image;
    (void)state;
    memset(&image, 0, sizeof image);
    image.data = tiny_png;
    image.size = tiny_png_size;
    ask("openai", "gpt-image-1.5");
    s.config.provider_config = "{\"operation\": \"generate\"}";
    s.request.images = &image;
    s.request.image_count = 1;
    refused(TARASH_IMAGE_ERROR_VALIDATION, "images:");
}

/* ---- files --------------------------------------------------------------------------------------------- */

static void several_images_need_several_files(void **state) {
    tarash_image_sink sink;
    char path[1024];
    (void)state;
    memset(&sink, 0, sizeof sink);
    sink.path = temporary_path(path, sizeof path, "one.png");
    ask("openai", "dall-e-2");
    s.request.sink = &sink;
    s.request.n = 2;
    refused(TARASH_IMAGE_ERROR_VALIDATION, "{index}");
    assert_result(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(control_posts("adapting"), 0);
    s.request.n = 1;
    plan_ok();
}

/* A provider that sends more than was asked for overwrites nothing: what has no file stays in memory. */
static void unasked_images_overwrite_no_file(void **state) {
    tarash_image_sink sink;
    char path[1024];
    unsigned char *bytes;
    size_t size = 0;
    (void)state;
    assert_int_equal(control_script("adapting", "[{\"status\": 200, \"body\": {\"data\": ["
                                                "{\"url\": \"{FILES}/f/adapting/static/8x8.png\"},"
                                                "{\"url\": \"{FILES}/f/adapting/static/32x8.png\"}]}}]"),
                     0);
    memset(&sink, 0, sizeof sink);
    sink.path = temporary_path(path, sizeof path, "first.png");
    ask("openai_compatible", "m");
    s.request.sink = &sink;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_string_equal(s.response.images[0].path, path);
    assert_int_equal(s.response.images[0].width, 8);
    bytes = (unsigned char *)read_whole_file(path, &size);
    assert_non_null(bytes);
    assert_int_equal(size, s.response.images[0].size);
    assert_int_equal(bytes[19], 8);
    free(bytes);
    if (s.response.image_count > 1) {
        assert_null(s.response.images[1].path);
        assert_picture(&s.response.images[1], 32, 8);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(auto_is_no_size_beside_a_ratio),
        TEST(size_wins_where_there_are_ratios_only),
        TEST(a_model_may_carry_its_providers_name),
        TEST(a_hidden_provider_hides_its_models),
        TEST(auto_is_never_worth_a_warning),
        TEST(transparency_needs_a_format_that_has_it),
        TEST(listed_words_are_sent_as_listed),
        TEST(a_url_that_is_not_asked_for_is_told),
        TEST(a_refused_picture_among_good_ones_is_told),
        TEST(roles_without_meaning_are_told),
        TEST(a_mask_of_another_size_is_told),
        TEST(refusals_name_what_they_mean),
        TEST(variations_take_few_fields),
        TEST(a_variation_alone_needs_no_prompt),
        TEST(an_operation_contradicts_no_images),
        TEST(several_images_need_several_files),
        TEST(unasked_images_overwrite_no_file),
    };
    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
