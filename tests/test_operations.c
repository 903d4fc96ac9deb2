/* What every row of the table of operations promises: what it needs and takes is known before anything is sent. And the
   tables beside it: their capabilities make sense. */

#include "wire.h"

/* ---- one row, and a request that has all that it needs ------------------------------------------------- */

static const tarash_image_operation_info *rows;
static size_t row_count;

static tarash_image_input two_images[2], two_addresses[2];
static char options[128];

/* What some need besides what their flags say. */
static const struct {
    const char *provider, *operation; /* provider NULL = each */
    size_t images;
    const char *size, *ratio, *extra;
} needs[] = {{NULL, "style_transfer", 2, NULL, NULL, NULL},
             {"stability", "replace_background", 2, NULL, NULL, NULL},
             {"stability", "relight", 2, NULL, NULL, NULL},
             {NULL, "outpaint", 1, "512x512", NULL, "{\"left\":64}"},
             {NULL, "reframe", 1, NULL, "1:1", NULL},
             {NULL, "search_and_replace", 1, NULL, NULL, "{\"search_prompt\":\"sky\"}"},
             {NULL, "search_and_recolor", 1, NULL, NULL, "{\"select_prompt\":\"sky\"}"}};

static const tarash_image_provider_info *provider_of(const char *name) {
    size_t count, i;
    const tarash_image_provider_info *list = tarash_image_providers(&count);
    for (i = 0; i < count; i++) {
        if (strcmp(list[i].name, name) == 0) return &list[i];
    }
    return NULL;
}

static void name_operation(const char *operation) {
    snprintf(options, sizeof options, "{\"operation\":\"%s\"}", operation);
    b.config.provider_config = options;
}

/* A server where nothing is found: what gets there was allowed. */
static void use_provider(const tarash_image_provider_info *provider) {
    use(provider->name, "nothing");
    b.config.model = provider->default_model && provider->default_model[0] ? NULL : "m";
    b.config.api_key =
        provider->auth_prefix && strcmp(provider->auth_prefix, "Basic ") == 0 ? "someone:" KEY : KEY;
    b.config.poll_interval_ms = 1;
    b.request.prompt = NULL;
}

static void ask_what_it_needs(const tarash_image_operation_info *row) {
    size_t i;
    for (i = 0; i < COUNT(needs); i++) {
        if (strcmp(needs[i].operation, row->operation) != 0) continue;
        if (needs[i].provider && strcmp(needs[i].provider, row->provider) != 0) continue;
        b.request.image_count = needs[i].images;
        b.request.size = needs[i].size;
        b.request.aspect_ratio = needs[i].ratio;
        b.request.extra_params = needs[i].extra;
    }
}

static void use_row(const tarash_image_operation_info *row) {
    use_provider(provider_of(row->provider));
    name_operation(row->operation);
    /* Replicate has no model for some, Luma fetches its images itself. */
    if (strcmp(row->provider, "replicate") == 0) b.config.model = "house/painter";
    b.request.images = strcmp(row->provider, "luma") == 0 ? two_addresses : two_images;
    b.request.image_count = row->flags & TARASH_IMAGE_OPERATION_NEEDS_IMAGE ? 1 : 0;
    if (row->flags & TARASH_IMAGE_OPERATION_TAKES_PROMPT) b.request.prompt = PROMPT;
    if (row->flags & TARASH_IMAGE_OPERATION_NEEDS_MASK) b.request.mask = mask_bytes;
    ask_what_it_needs(row);
}

static void refused(const tarash_image_operation_info *row, tarash_image_result expected, const char *part) {
    run_with(NULL);
    if (b.result != expected || requests() || !strstr(b.response.error.message, part))
        fail_msg("%s %s: %s after %d requests, not %s about %s: %s", row->provider, row->operation,
                 tarash_image_result_name(b.result), requests(), tarash_image_result_name(expected), part,
                 b.response.error.message);
}

/* Something went out, whatever the server said to it. */
static void sent(const tarash_image_operation_info *row) {
    run();
    if (requests() == 0)
        fail_msg("%s %s: nothing was sent: %s", row->provider, row->operation, b.response.error.message);
}

static int has_warning(const char *field) {
    size_t i;
    for (i = 0; i < b.response.warning_count; i++) {
        if (strcmp(b.response.warnings[i].field, field) == 0) return 1;
    }
    return 0;
}

/* ---- what each row says -------------------------------------------------------------------------------- */

static void test_whole_request(void **state) {
    const tarash_image_operation_info *row = (const tarash_image_operation_info *)*state;
    use_row(row);
    sent(row);
    assert_int_equal(b.response.error.http_status, 404);
    assert_false(has_warning("provider_config.operation"));
    /* Some models lack what others of the same operation take. */
    assert_int_equal(log_contains(b.log, PROMPT), b.request.prompt && !has_warning("prompt"));
    assert_true(!has_warning("prompt") || !(row->flags & TARASH_IMAGE_OPERATION_NEEDS_PROMPT));
}

static void test_needs(void **state) {
    const tarash_image_operation_info *row = (const tarash_image_operation_info *)*state;
    use_row(row);
    if (row->flags & TARASH_IMAGE_OPERATION_NEEDS_PROMPT) {
        b.request.prompt = NULL;
        refused(row, TARASH_IMAGE_ERROR_VALIDATION, "prompt: is missing");
        b.request.prompt = "";
        refused(row, TARASH_IMAGE_ERROR_VALIDATION, "prompt: is empty");
        b.request.prompt = PROMPT;
    }
    if (row->flags & TARASH_IMAGE_OPERATION_NEEDS_MASK) {
        memset(&b.request.mask, 0, sizeof b.request.mask);
        refused(row, TARASH_IMAGE_ERROR_VALIDATION, "mask: ");
    }
    if (row->flags & TARASH_IMAGE_OPERATION_NEEDS_IMAGE) {
        b.request.image_count = 0;
        refused(row, TARASH_IMAGE_ERROR_VALIDATION, "images: ");
    }
}

/* A prompt that need not be. */
static void test_may_lack_a_prompt(void **state) {
    const tarash_image_operation_info *row = (const tarash_image_operation_info *)*state;
    use_row(row);
    b.request.prompt = NULL;
    if (!(row->flags & TARASH_IMAGE_OPERATION_NEEDS_PROMPT)) sent(row);
}

static void test_takes_no_image(void **state) {
    const tarash_image_operation_info *row = (const tarash_image_operation_info *)*state;
    if (row->flags & TARASH_IMAGE_OPERATION_TAKES_IMAGES) return;
    use_row(row);
    b.request.image_count = 1;
    refused(row, TARASH_IMAGE_ERROR_VALIDATION, "images: the operation ");
    expect_in("the message", b.response.error.message, row->operation);
}

static void test_takes_no_mask(void **state) {
    const tarash_image_operation_info *row = (const tarash_image_operation_info *)*state;
    if (row->flags & TARASH_IMAGE_OPERATION_TAKES_MASK) return;
    use_row(row);
    b.request.mask = mask_bytes;
    refused(row, TARASH_IMAGE_ERROR_UNSUPPORTED, "mask: the operation ");
    expect_in("the message", b.response.error.message, row->operation);
}

static void test_takes_no_prompt(void **state) {
    const tarash_image_operation_info *row = (const tarash_image_operation_info *)*state;
    if (row->flags & TARASH_IMAGE_OPERATION_TAKES_PROMPT) return;
    use_row(row);
    b.request.prompt = PROMPT;
    sent(row);
    assert_true(has_warning("prompt"));
    expect_text("what was asked", warning_about("prompt")->asked, PROMPT);
    expect_text("what was sent", warning_about("prompt")->sent, "");
    assert_false(log_contains(b.log, PROMPT));
    cJSON_Delete(b.log);
    b.log = NULL;
    assert_int_equal(control_reset(b.session), 0);
    b.request.strict = 1;
    refused(row, TARASH_IMAGE_ERROR_VALIDATION, "prompt: ");
}

/* Where a model is what others call an operation, naming the model is enough. */
static int is_model(const tarash_image_operation_info *row) {
    size_t count, i;
    const tarash_image_model_info *models = tarash_image_models(&count);
    for (i = 0; i < count; i++) {
        if (strcmp(models[i].provider, row->provider) == 0 && strcmp(models[i].id, row->call) == 0) return 1;
    }
    return 0;
}

static void test_implied(void **state) {
    const tarash_image_operation_info *row = (const tarash_image_operation_info *)*state;
    if (!is_model(row)) return;
    use_row(row);
    b.config.provider_config = NULL;
    b.config.model = row->call;
    sent(row);
    assert_true(!has_warning("prompt") || !(row->flags & TARASH_IMAGE_OPERATION_NEEDS_PROMPT));
    if (row->flags & TARASH_IMAGE_OPERATION_NEEDS_IMAGE) {
        assert_int_equal(control_reset(b.session), 0);
        b.request.image_count = 0;
        refused(row, TARASH_IMAGE_ERROR_VALIDATION, "images: ");
    }
}

/* ---- each provider ------------------------------------------------------------------------------------- */

static void test_unknown_operation(void **state) {
    const tarash_image_provider_info *provider = (const tarash_image_provider_info *)*state;
    size_t i;
    if (strcmp(provider->name, "mock") == 0) return;
    use_provider(provider);
    name_operation("paint_by_numbers");
    b.request.prompt = PROMPT;
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    assert_int_equal(requests(), 0);
    expect_in("the message", b.response.error.message, "provider_config.operation: ");
    expect_in("the message", b.response.error.message, provider->name);
    expect_in("the message", b.response.error.message, "\"paint_by_numbers\"");
    for (i = 0; i < row_count; i++) {
        if (strcmp(rows[i].provider, provider->name) == 0)
            expect_in("the message", b.response.error.message, rows[i].operation);
    }
}

/* Whether there is a row for it or not. */
static void test_generate(void **state) {
    const tarash_image_provider_info *provider = (const tarash_image_provider_info *)*state;
    int is_mock = strcmp(provider->name, "mock") == 0;
    use_provider(provider);
    name_operation("generate");
    b.request.prompt = PROMPT;
    run();
    if (is_mock) {
        expect(TARASH_IMAGE_OK);
        return;
    }
    if (requests() == 0) fail_msg("%s: %s", provider->name, b.response.error.message);
    assert_true(log_contains(b.log, PROMPT));
    assert_false(has_warning("provider_config.operation"));
}

/* ---- the tables ---------------------------------------------------------------------------------------- */

static const char vocabulary[] =
    "generate,edit,precise_edit,image_to_image,variation,remix,inpaint,outpaint,expand,reframe,erase,remove_"
    "background,"
    "try_on,replace_background,generate_background,relight,search_and_replace,search_and_recolor,sketch,"
    "structure,"
    "style,"
    "style_transfer,upscale,upscale_fast,upscale_conservative,upscale_creative,deblur,vectorize";

static void names_are_of_one_vocabulary(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < row_count; i++) {
        if (!tarimg_in_list(vocabulary, rows[i].operation))
            fail_msg("%s: \"%s\" is no known name", rows[i].provider, rows[i].operation);
    }
}

static void rows_are_of_known_providers(void **state) {
    size_t i;
    (void)state;
    assert_true(row_count > 0);
    for (i = 0; i < row_count; i++) {
        if (!provider_of(rows[i].provider)) fail_msg("there is no provider %s", rows[i].provider);
        assert_non_null(rows[i].call);
    }
    assert_ptr_equal(tarash_image_operations(NULL), rows);
}

static void operations_are_told_apart(void **state) {
    size_t i, k;
    (void)state;
    for (i = 0; i < row_count; i++) {
        for (k = 0; k < i; k++) {
            if (strcmp(rows[i].provider, rows[k].provider) == 0 &&
                strcmp(rows[i].operation, rows[k].operation) == 0)
                fail_msg("%s has two rows for %s", rows[i].provider, rows[i].operation);
        }
    }
}

static void what_is_needed_is_taken(void **state) {
    static const uint32_t pairs[3][2] = {
        {TARASH_IMAGE_OPERATION_NEEDS_PROMPT, TARASH_IMAGE_OPERATION_TAKES_PROMPT},
        {TARASH_IMAGE_OPERATION_NEEDS_IMAGE, TARASH_IMAGE_OPERATION_TAKES_IMAGES},
        {TARASH_IMAGE_OPERATION_NEEDS_MASK, TARASH_IMAGE_OPERATION_TAKES_MASK}};
    size_t i, k;
    (void)state;
    for (i = 0; i < row_count; i++) {
        const tarash_image_operation_info *row = &rows[i];
        for (k = 0; k < 3; k++) {
            if ((row->flags & pairs[k][0]) && !(row->flags & pairs[k][1]))
                fail_msg("%s %s needs what it doesn't take", row->provider, row->operation);
        }
        assert_int_equal(row->flags >> 6, 0);
        if ((row->flags & TARASH_IMAGE_OPERATION_TAKES_MASK) &&
            !(row->flags & TARASH_IMAGE_OPERATION_TAKES_IMAGES))
            fail_msg("%s %s masks nothing", row->provider, row->operation);
        if (!(row->flags & (TARASH_IMAGE_OPERATION_NEEDS_PROMPT | TARASH_IMAGE_OPERATION_NEEDS_IMAGE)))
            fail_msg("%s %s needs nothing", row->provider, row->operation);
    }
}

/* ---- capabilities -------------------------------------------------------------------------------------- */

/* "provider name", of what is looked at. */
static char owner[256];

static void look_at(const char *provider, const char *name) {
    snprintf(owner, sizeof owner, "%s %s", provider, name);
}

#define SANE(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) fail_msg("%s: not so: %s", owner, #condition);                                     \
    } while (0)

static void check_words(const char *list, int (*is_right)(const char *item, size_t size)) {
    const char *item;
    size_t size;
    if (!list) return;
    SANE(list[0] && list[strlen(list) - 1] != ',' && !strstr(list, ",,") && !strstr(list, ", ") &&
         !strstr(list, " ,"));
    while (tarimg_next_item(&list, &item, &size)) {
        char word[64];
        SANE(size < sizeof word);
        snprintf(word, sizeof word, "%.*s", (int)size, item);
        if (is_right && !is_right(item, size)) fail_msg("%s: the list holds \"%s\"", owner, word);
        if (list && tarimg_in_list(list, word)) fail_msg("%s: \"%s\" stands twice in a list", owner, word);
    }
}

static int is_one_of(const char *list, const char *item, size_t size) {
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)size, item);
    return tarimg_in_list(list, word);
}

static int is_size(const char *item, size_t size) {
    int width, height;
    return is_one_of("auto,any", item, size) || tarimg_parse_size(item, size, &width, &height);
}

static int is_ratio(const char *item, size_t size) {
    double ratio;
    return is_one_of("auto", item, size) || tarimg_parse_ratio(item, size, &ratio);
}

static int is_format(const char *item, size_t size) {
    return is_one_of("png,jpeg,jpg,webp,gif,svg,svg+xml,avif,heic,heif,bmp,tiff", item, size);
}

static int is_background(const char *item, size_t size) {
    return is_one_of("auto,opaque,transparent", item, size);
}

static void check_numbers(const tarash_image_capabilities *caps) {
    int step = caps->size_multiple ? caps->size_multiple : 1;
    SANE(tarimg_are_sane(caps));
    SANE(caps->seed_min <= caps->seed_max);
    SANE(!caps->size_max_pixels || caps->size_min_pixels <= caps->size_max_pixels);
    SANE(!caps->size_max_edge || caps->size_min_edge <= caps->size_max_edge);
    SANE(caps->size_min_edge % step == 0);
    SANE(caps->size_max_edge % step == 0);
    SANE((caps->fields >> 15) == 0);
    SANE((caps->fields & TARASH_IMAGE_FIELD_IMAGES) || caps->max_input_images == 0);
    SANE((caps->fields & TARASH_IMAGE_FIELD_IMAGES) || !(caps->fields & TARASH_IMAGE_FIELD_MASK));
    SANE(!(caps->fields & TARASH_IMAGE_FIELD_MASK) == (caps->mask == TARASH_IMAGE_MASK_NONE));
    SANE(!caps->mask_is_binary || (caps->fields & TARASH_IMAGE_FIELD_MASK));
}

static void check_lists(const tarash_image_capabilities *caps) {
    check_words(caps->sizes, is_size);
    check_words(caps->aspect_ratios, is_ratio);
    check_words(caps->output_formats, is_format);
    check_words(caps->input_formats, is_format);
    check_words(caps->backgrounds, is_background);
    check_words(caps->qualities, NULL);
    check_words(caps->styles, NULL);
}

/* A list tells choices of a field that is there. */
static void check_fields_of_lists(const tarash_image_capabilities *caps) {
    SANE(!caps->sizes || (caps->fields & TARASH_IMAGE_FIELD_SIZE));
    SANE(!caps->aspect_ratios || (caps->fields & TARASH_IMAGE_FIELD_ASPECT_RATIO));
    SANE(!caps->qualities || (caps->fields & TARASH_IMAGE_FIELD_QUALITY));
    SANE(!caps->styles || (caps->fields & TARASH_IMAGE_FIELD_STYLE));
    SANE(!caps->backgrounds || (caps->fields & TARASH_IMAGE_FIELD_BACKGROUND));
    SANE(!caps->output_formats || (caps->fields & TARASH_IMAGE_FIELD_OUTPUT_FORMAT));
    SANE(!caps->input_formats || (caps->fields & TARASH_IMAGE_FIELD_IMAGES));
}

static void check_capabilities(const tarash_image_capabilities *caps) {
    check_numbers(caps);
    check_lists(caps);
    check_fields_of_lists(caps);
}

static void capabilities_of_operations(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < row_count; i++) {
        const tarash_image_capabilities *caps = rows[i].capabilities;
        look_at(rows[i].provider, rows[i].operation);
        if (!caps) continue;
        check_capabilities(caps);
        SANE(!(caps->fields & TARASH_IMAGE_FIELD_IMAGES) ==
             !(rows[i].flags & TARASH_IMAGE_OPERATION_TAKES_IMAGES));
        SANE(!(caps->fields & TARASH_IMAGE_FIELD_MASK) ==
             !(rows[i].flags & TARASH_IMAGE_OPERATION_TAKES_MASK));
    }
}

static void capabilities_of_models(void **state) {
    size_t count, i;
    const tarash_image_model_info *models = tarash_image_models(&count);
    (void)state;
    for (i = 0; i < count; i++) {
        look_at(models[i].provider, models[i].id);
        SANE(provider_of(models[i].provider) != NULL);
        check_capabilities(models[i].capabilities);
    }
}

static void capabilities_of_providers(void **state) {
    size_t count, i;
    const tarash_image_provider_info *list = tarash_image_providers(&count);
    (void)state;
    for (i = 0; i < count; i++) {
        look_at(list[i].name, "");
        check_capabilities(&list[i].capabilities);
    }
}

/* What an operation without capabilities of its own takes, some model of the provider's takes. */
static uint32_t fields_of_models(const char *provider) {
    size_t count, i;
    const tarash_image_model_info *models = tarash_image_models(&count);
    uint32_t fields = provider_of(provider)->capabilities.fields;
    for (i = 0; i < count; i++) {
        if (strcmp(models[i].provider, provider) == 0) fields |= models[i].capabilities->fields;
    }
    return fields;
}

static void some_model_can_do_it(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < row_count; i++) {
        uint32_t fields = fields_of_models(rows[i].provider);
        look_at(rows[i].provider, rows[i].operation);
        if (rows[i].capabilities) continue;
        SANE(!(rows[i].flags & TARASH_IMAGE_OPERATION_TAKES_IMAGES) || (fields & TARASH_IMAGE_FIELD_IMAGES));
        SANE(!(rows[i].flags & TARASH_IMAGE_OPERATION_TAKES_MASK) || (fields & TARASH_IMAGE_FIELD_MASK));
    }
}

/* ---- providers of the program's own -------------------------------------------------------------------- */

static tarash_image_result code_build(tarash_image_exchange *exchange, tarash_image_phase phase,
                                      void *user_data) {
    (void)phase;
    (void)user_data;
    tarash_image_exchange_send(exchange, "POST", "code");
    tarash_image_exchange_set_text(exchange, "operation",
                                   tarash_image_exchange_option(exchange, "operation"));
    return TARASH_IMAGE_OK;
}

static tarash_image_result code_read(tarash_image_exchange *exchange, tarash_image_phase phase,
                                     void *user_data) {
    (void)phase;
    (void)user_data;
    return tarash_image_exchange_fail(exchange, TARASH_IMAGE_ERROR_GENERATION_FAILED, NULL, "nothing");
}

static void use_own(const char *protocol, const char *config_keys) {
    tarash_image_provider provider;
    memset(&provider, 0, sizeof provider);
    provider.name = "own";
    provider.protocol = protocol;
    provider.config_keys = config_keys;
    provider.default_model = "m";
    provider.build_fn = code_build;
    provider.read_fn = code_read;
    use("own", "nothing");
    assert_int_equal(tarash_image_register_provider(b.client, &provider), TARASH_IMAGE_OK);
}

static void a_protocols_operations_are_its_speakers(void **state) {
    (void)state;
    use_own("openai", NULL);
    name_operation("sketch");
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    expect_in("the message", b.response.error.message,
              "own has no \"sketch\" (it has: generate, edit, variation)");
    name_operation("variation");
    b.request.prompt = NULL;
    b.request.images = one_png;
    b.request.image_count = 1;
    run();
    expect_path(only_request(), "nothing/images/variations");
    assert_false(has_warning("provider_config.operation"));
}

/* Ones own code knows what its words mean. */
static void code_has_no_table(void **state) {
    (void)state;
    use_own(NULL, "operation");
    name_operation("paint_by_numbers");
    run();
    expect_text("the operation", log_text(only_request(), "json.operation"), "paint_by_numbers");
    assert_false(has_warning("provider_config.operation"));
}

static void code_may_know_no_operation(void **state) {
    (void)state;
    use_own(NULL, NULL);
    name_operation("edit");
    run();
    expect_text("what was asked", warning_about("provider_config.operation")->asked, "edit");
}

/* What is no text names nothing, and is told. */
static void an_operation_is_a_text(void **state) {
    static const char *const odd[] = {"true", "false", "[\"edit\"]", "{}", "5", "\"\""};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(odd); i++) {
        use_provider(provider_of("openai"));
        b.request.prompt = PROMPT;
        snprintf(options, sizeof options, "{\"operation\":%s}", odd[i]);
        b.config.provider_config = options;
        run();
        if (b.result == TARASH_IMAGE_ERROR_HTTP || requests()) fail_msg("%s was sent", odd[i]);
        expect_in("the message", b.response.error.message, "provider_config.operation: ");
    }
    b.config.provider_config = "{\"operation\":null}";
    run();
    assert_int_equal(requests(), 1);
}

/* Each link of a chain is asked for it. */
static void a_chain_is_checked_before_its_first_link_is_asked(void **state) {
    tarash_image_config second;
    (void)state;
    use_provider(provider_of("openai"));
    name_operation("variation");
    b.request.images = one_png;
    b.request.image_count = 1;
    second = b.config;
    second.provider = "xai";
    b.config.fallbacks = &second;
    b.config.fallback_count = 1;
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    expect_in("the message", b.response.error.message,
              "fallback 1 (xai): provider_config.operation: xai has no");
    assert_int_equal(requests(), 0);
}

/* ---- running ------------------------------------------------------------------------------------------- */

/* A test for each row, under its name; 0 = all went well. */
static int run_each(const char *group, CMUnitTestFunction function) {
    struct CMUnitTest *tests = (struct CMUnitTest *)calloc(row_count, sizeof *tests);
    char(*names)[128] = (char(*)[128])calloc(row_count, sizeof *names);
    size_t i;
    int failed;
    for (i = 0; i < row_count; i++) {
        snprintf(names[i], sizeof names[i], "%s: %s %s", group, rows[i].provider, rows[i].operation);
        tests[i].name = names[i];
        tests[i].test_func = function;
        tests[i].setup_func = set_up;
        tests[i].teardown_func = tear_down;
        tests[i].initial_state = (void *)(uintptr_t)&rows[i];
    }
    failed = _cmocka_run_group_tests(group, tests, row_count, NULL, NULL);
    free(names);
    free(tests);
    return failed;
}

static int run_providers(const char *group, CMUnitTestFunction function) {
    size_t count, i;
    const tarash_image_provider_info *list = tarash_image_providers(&count);
    struct CMUnitTest *tests = (struct CMUnitTest *)calloc(count, sizeof *tests);
    int failed;
    for (i = 0; i < count; i++) {
        tests[i].name = list[i].name;
        tests[i].test_func = function;
        tests[i].setup_func = set_up;
        tests[i].teardown_func = tear_down;
        tests[i].initial_state = (void *)(uintptr_t)&list[i];
    }
    failed = _cmocka_run_group_tests(group, tests, count, NULL, NULL);
    free(tests);
    return failed;
}

static const struct CMUnitTest tables[] = {
    TEST(names_are_of_one_vocabulary),
    TEST(rows_are_of_known_providers),
    TEST(operations_are_told_apart),
    TEST(what_is_needed_is_taken),
    TEST(capabilities_of_operations),
    TEST(capabilities_of_models),
    TEST(capabilities_of_providers),
    TEST(some_model_can_do_it),
    TEST(an_operation_is_a_text),
    TEST(a_protocols_operations_are_its_speakers),
    TEST(code_has_no_table),
    TEST(code_may_know_no_operation),
    TEST(a_chain_is_checked_before_its_first_link_is_asked),
};

int main(void) {
    int failed = 0;
    if (server_start() != 0 || prepare_inputs() != 0) return 1;
    rows = tarash_image_operations(&row_count);
    two_images[0] = two_images[1] = one_png[0];
    two_addresses[0].url = two_addresses[1].url = "https://pictures.example/a.png";
    failed += run_each("whole", test_whole_request);
    failed += run_each("needs", test_needs);
    failed += run_each("without a prompt", test_may_lack_a_prompt);
    failed += run_each("no image", test_takes_no_image);
    failed += run_each("no mask", test_takes_no_mask);
    failed += run_each("no prompt", test_takes_no_prompt);
    failed += run_each("implied", test_implied);
    failed += run_providers("unknown operation", test_unknown_operation);
    failed += run_providers("generate", test_generate);
    failed += cmocka_run_group_tests(tables, NULL, NULL);
    server_stop();
    return failed != 0;
}
