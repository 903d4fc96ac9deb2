/* Mappings of standard fields to a model's own, registered by the program: what goes out, what is left out and said so,
   and what is no mapping. */

#include "wire.h"

#define DOT    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
#define ITEM   "{\"b64_json\":\"" DOT "\"}"
#define ANSWER "[{\"status\":200,\"times\":-1,\"body\":{\"created\":1,\"data\":[" ITEM "]}}]"
#define TWO    "[{\"status\":200,\"times\":-1,\"body\":{\"created\":1,\"data\":[" ITEM "," ITEM "]}}]"

/* ---- registering, and one call ------------------------------------------------------------------------- */

static tarash_image_result try_map(const char *provider, const char *prefix, const char *fields,
                                   const char *constants) {
    tarash_image_field_mapping mapping;
    mapping.provider = provider;
    mapping.model_prefix = prefix;
    mapping.fields = fields;
    mapping.constants = constants;
    return tarash_image_register_field_mapping(b.client, &mapping);
}

static void map(const char *provider, const char *prefix, const char *fields, const char *constants) {
    if (try_map(provider, prefix, fields, constants) != TARASH_IMAGE_OK)
        fail_msg("\"%s\" is no mapping: %s", fields, b.lines.text);
}

/* A server of OpenAI's protocol that takes whatever comes. */
static void use_any(void) {
    use("openai_compatible", "compatible/v1");
    b.config.model = "m";
    script(ANSWER);
}

static void refused(tarash_image_result expected, const char *part) {
    int sent = control_posts(b.session);
    run();
    expect(expected);
    expect_in("the message", b.response.error.message, part);
    assert_int_equal(requests(), sent);
}

/* ---- what a mapping makes of a request ----------------------------------------------------------------- */

#define COMMON "\"model\":\"m\",\"response_format\":\"b64_json\""
#define ASKED  "\"prompt\":\"" PROMPT "\"," COMMON

typedef struct body_row {
    const char *name, *fields, *constants, *extra;
    const char *size, *ratio, *seed;
    int is_full; /* every other text is given, too */
    const char *body, *warnings;
} body_row;

static const body_row body_rows[] = {
    {.name = "every text under another name",
     .fields = "prompt=text,negative_prompt=avoid,size=dims,quality=effort,style=look,output_format=kind,"
               "background=back,user=who",
     .size = "64x48",
     .is_full = 1,
     .body = "{\"text\":\"" PROMPT
             "\",\"avoid\":\"rain\",\"dims\":\"64x48\",\"effort\":\"hd\",\"look\":\"vivid\","
             "\"kind\":\"webp\",\"back\":\"opaque\",\"who\":\"u-1\"," COMMON "}"},
    {.name = "ratio, n and seed under another name",
     .fields = "aspect_ratio=shape,n=count,seed=noise",
     .ratio = "16:9",
     .seed = "0",
     .body = "{" ASKED ",\"shape\":\"16:9\",\"noise\":0}"},
    {.name = "a name alone stays",
     .fields = "prompt,size,seed",
     .size = "64x48",
     .seed = "-5",
     .body = "{" ASKED ",\"size\":\"64x48\",\"seed\":-5}"},
    {.name = "what is not named goes out as before",
     .fields = "quality=effort",
     .size = "64x48",
     .is_full = 1,
     .body =
         "{" ASKED ",\"negative_prompt\":\"rain\",\"size\":\"64x48\",\"effort\":\"hd\",\"style\":\"vivid\","
         "\"output_format\":\"webp\",\"background\":\"opaque\",\"user\":\"u-1\"}"},
    {.name = "blanks around entries",
     .fields = " , prompt=text ,, size=dims , ",
     .size = "64x48",
     .body = "{\"text\":\"" PROMPT "\",\"dims\":\"64x48\"," COMMON "}"},
    {.name = "dots nest",
     .fields = "prompt=input.text,size=input.canvas.size,seed=input.canvas.seed,user=meta.user",
     .size = "64x48",
     .seed = "7",
     .is_full = 1,
     .body =
         "{\"input\":{\"text\":\"" PROMPT "\",\"canvas\":{\"size\":\"64x48\",\"seed\":7}},"
         "\"meta\":{\"user\":\"u-1\"},\"negative_prompt\":\"rain\",\"quality\":\"hd\",\"style\":\"vivid\","
         "\"output_format\":\"webp\",\"background\":\"opaque\"," COMMON "}"},
    {.name = "a size as an object",
     .fields = "size=image_size{}",
     .size = "64x48",
     .body = "{" ASKED ",\"image_size\":{\"width\":64,\"height\":48}}"},
    {.name = "a size as a nested object",
     .fields = "size=input.image-size_2{}",
     .size = "64x48",
     .body = "{" ASKED ",\"input\":{\"image-size_2\":{\"width\":64,\"height\":48}}}"},
    {.name = "a size as two numbers",
     .fields = "size=w+h",
     .size = "64x48",
     .body = "{" ASKED ",\"w\":64,\"h\":48}"},
    {.name = "a size as two nested numbers",
     .fields = "size=canvas.w+canvas.h",
     .size = "64x48",
     .body = "{" ASKED ",\"canvas\":{\"w\":64,\"h\":48}}"},
    {.name = "no size, no object", .fields = "size=image_size{}", .body = "{" ASKED "}"},
    {.name = "a word for a size stays text",
     .fields = "size=image_size{}",
     .size = "auto",
     .body = "{" ASKED ",\"image_size\":\"auto\"}"},
    {.name = "a ratio becomes a size of the mapping's form",
     .fields = "size=w+h",
     .ratio = "1:1",
     .body = "{" ASKED ",\"w\":1024,\"h\":1024}",
     .warnings = "aspect_ratio=1:1>1024x1024"},
    {.name = "a size becomes a ratio where the mapping has only that",
     .fields = "size=,aspect_ratio=shape",
     .size = "64x48",
     .body = "{" ASKED ",\"shape\":\"4:3\"}",
     .warnings = "size=64x48>4:3"},
    {.name = "constants",
     .fields = "prompt=text",
     .constants = "{\"steps\": 30, \"deep\": {\"list\": [1, true, null], \"b\": 1.50}}",
     .body = "{\"text\":\"" PROMPT "\",\"steps\":30,\"deep\":{\"list\":[1,true,null],\"b\":1.5}," COMMON "}"},
    {.name = "fields win over constants",
     .fields = "prompt=input.text,size=input.canvas{}",
     .constants = "{\"input\": {\"text\": \"a constant\", \"canvas\": \"square\", \"steps\": 30}}",
     .size = "64x48",
     .body = "{\"input\":{\"text\":\"" PROMPT
             "\",\"canvas\":{\"width\":64,\"height\":48},\"steps\":30}," COMMON "}"},
    {.name = "a constant stays where the field is not given",
     .fields = "size=canvas,seed=noise",
     .constants = "{\"canvas\": \"square\", \"noise\": 3}",
     .body = "{" ASKED ",\"canvas\":\"square\",\"noise\":3}"},
    {.name = "extra_params win over both",
     .fields = "prompt=input.text,seed=input.noise",
     .constants = "{\"input\": {\"steps\": 30, \"mode\": \"x\"}, \"keep\": 1}",
     .extra = "{\"input\": {\"text\": \"other\", \"steps\": 40, \"mode\": null, \"more\": [2]}}",
     .seed = "9",
     .body = "{\"input\":{\"text\":\"other\",\"noise\":9,\"steps\":40,\"more\":[2]},\"keep\":1," COMMON "}"},
    {.name = "empty constants",
     .fields = "prompt=text",
     .constants = " { } ",
     .body = "{\"text\":\"" PROMPT "\"," COMMON "}"},
    {.name = "fields of no name",
     .fields = "negative_prompt=,size=,quality=,style=,output_format=,background=,user=",
     .size = "64x48",
     .is_full = 1,
     .body = "{" ASKED "}",
     .warnings = "negative_prompt=rain>; quality=hd>; style=vivid>; output_format=webp>; background=opaque>; "
                 "user=u-1>; size=64x48>"},
    {.name = "a seed of no name",
     .fields = "seed=",
     .seed = "12",
     .body = "{" ASKED "}",
     .warnings = "seed=12>"},
    {.name = "a ratio of no name",
     .fields = "size=,aspect_ratio=",
     .ratio = "16:9",
     .body = "{" ASKED "}",
     .warnings = "aspect_ratio=16:9>"},
    {.name = "a word is no number", .fields = "size=w+h", .size = "auto", .body = "{" ASKED "}"},
    {.name = "a prompt of no name",
     .fields = "prompt=,seed=noise",
     .seed = "1",
     .body = "{\"noise\":1," COMMON "}",
     .warnings = "prompt=" PROMPT ">"},
    {.name = "words that leaving out gives need no warning",
     .fields = "size=,aspect_ratio=,quality=,background=",
     .size = "auto",
     .ratio = "auto",
     .body = "{" ASKED "}"},
};

static void ask_row(const body_row *row) {
    tarash_image_request *request = &b.request;
    request->size = row->size;
    request->aspect_ratio = row->ratio;
    request->extra_params = row->extra;
    request->has_seed = row->seed != NULL;
    if (row->seed) request->seed = atoi(row->seed);
    if (!row->is_full) return;
    request->negative_prompt = "rain";
    request->quality = "hd";
    request->style = "vivid";
    request->output_format = "webp";
    request->background = "opaque";
    request->user = "u-1";
}

static void expect_plan(const char *body, const char *warnings);

static void test_body(void **state) {
    const body_row *row = (const body_row *)*state;
    use_any();
    map("openai_compatible", NULL, row->fields, row->constants);
    ask_row(row);
    run_ok();
    expect_path(only_request(), "compatible/v1/images/generations");
    expect_json(only_request(), row->body);
    expect_warnings(row->warnings);
    expect_plan(row->body, row->warnings);
    b.request.strict = 1;
    if (!row->warnings) return;
    refused(TARASH_IMAGE_ERROR_VALIDATION, "strict is set");
}

/* An encoded mask, where the row edits what is transparent. */
#define AS_IT_IS "mask=white marks what to edit>unchanged, transparent marks it"

/* ---- dry runs ------------------------------------------------------------------------------------------ */

static tarash_image_text plan_text;

static cJSON *make_plan(void) {
    cJSON *plan;
    tarash_image_text_free(&plan_text);
    if (tarash_image_plan(b.client, &b.config, &b.request, &plan_text) != TARASH_IMAGE_OK)
        fail_msg("no plan: %s", plan_text.error.message);
    plan = cJSON_Parse(plan_text.data);
    tarash_image_text_free(&plan_text);
    assert_non_null(plan);
    return plan;
}

static void expect_planned_warnings(const cJSON *link, const char *wanted) {
    char found[1024] = "";
    const cJSON *warning;
    cJSON_ArrayForEach(warning, log_at(link, "warnings")) {
        append_text(found, sizeof found, "%s%s=%s>%s", found[0] ? "; " : "", log_text(warning, "field"),
                    log_text(warning, "asked"), log_text(warning, "sent"));
    }
    expect_text("the plan's list of warnings", found, wanted ? wanted : "");
}

static void expect_plan(const char *body, const char *warnings) {
    cJSON *plan = make_plan(), *wanted = cJSON_Parse(body);
    const cJSON *link = cJSON_GetArrayItem(plan, 0);
    char *found = cJSON_PrintUnformatted(log_at(link, "body"));
    if (!wanted || !cJSON_Compare(log_at(link, "body"), wanted, 1))
        fail_msg("planned: %s\nwanted:  %s", found ? found : "no body", body);
    expect_planned_warnings(link, warnings);
    cJSON_free(found);
    cJSON_Delete(wanted);
    cJSON_Delete(plan);
}

static void plans_describe_mapped_images(void **state) {
    char wanted[1024];
    (void)state;
    use_any();
    map("openai_compatible", "", "images=input.pictures[].source,mask=input.mask,size=input.size{}", NULL);
    b.request.images = three;
    b.request.image_count = 2;
    b.request.mask = mask_bytes;
    b.request.size = "64x48";
    snprintf(wanted, sizeof wanted,
             "{" ASKED ",\"input\":{\"size\":{\"width\":64,\"height\":48},\"pictures\":["
             "{\"source\":\"<image/png, %u bytes>\"},{\"source\":\"<image/jpeg, %u bytes>\"}],"
             "\"mask\":\"<image/png, %u bytes>\"}}",
             (unsigned)tiny_png_size, (unsigned)tiny_jpeg_size, (unsigned)tiny_mask_png_size);
    expect_plan(wanted, AS_IT_IS);
}

/* Neighbours in the body are no trouble. */
static void places_may_be_near_each_other(void **state) {
    (void)state;
    use_any();
    map("openai_compatible", NULL, "prompt=a.b,user=a.bc,seed=ab,size=a.c{},style=,quality=", NULL);
    b.request.user = "u-1";
    b.request.has_seed = 1;
    b.request.size = "64x48";
    expect_plan("{\"a\":{\"b\":\"" PROMPT
                "\",\"bc\":\"u-1\",\"c\":{\"width\":64,\"height\":48}},\"ab\":0," COMMON "}",
                NULL);
}

/* A model without a prompt needs none. */
static void a_prompt_without_a_name_is_not_needed(void **state) {
    (void)state;
    use_any();
    map("openai_compatible", NULL, "prompt=,images=picture", NULL);
    b.request.prompt = NULL;
    b.request.images = as_data_url;
    b.request.image_count = 1;
    run_ok();
    assert_null(log_at(only_request(), "json.prompt"));
    expect_warnings(NULL);
}

typedef struct misfit_row {
    const char *name, *fields, *constants, *target;
    size_t image_count;
} misfit_row;

/* What has no room among the constants is told, not lost. */
static const misfit_row misfit_rows[] = {
    {"a text in a list", "prompt=in.text", "{\"in\":[1]}", "\"in.text\"", 0},
    {"images in an object", "images=pictures[]", "{\"pictures\":{\"a\":1}}", "\"pictures[]\"", 1},
    {"a size in a list", "size=canvas{}", "{\"canvas\":[]}", "\"canvas.", 0},
    {"a number in a list", "seed=in.noise", "{\"in\":[]}", "\"in.noise\"", 0},
    {"a mask in a list", "images=picture,mask=in.hole", "{\"in\":[]}", "\"in.hole\"", 1},
};

static void test_misfit(void **state) {
    const misfit_row *row = (const misfit_row *)*state;
    use_any();
    map("openai_compatible", NULL, row->fields, row->constants);
    b.request.size = "64x48";
    b.request.has_seed = 1;
    b.request.images = three;
    b.request.image_count = row->image_count;
    if (strstr(row->fields, "mask")) b.request.mask = mask_bytes;
    refused(TARASH_IMAGE_ERROR_VALIDATION, row->target);
}

/* ---- which mapping counts ------------------------------------------------------------------------------ */

static void expect_prompt_at(const char *model, const char *name) {
    char body[256];
    b.config.model = model;
    snprintf(body, sizeof body, "{\"%s\":\"%s\",\"model\":\"%s\",\"response_format\":\"b64_json\"}", name,
             PROMPT, model);
    expect_plan(body, NULL);
}

static void the_longest_prefix_counts(void **state) {
    (void)state;
    use_any();
    map("openai_compatible", "paint-2", "prompt=two", NULL);
    map("openai_compatible", NULL, "prompt=every", NULL);
    map("openai_compatible", "paint-2-large", "prompt=large", NULL);
    map("openai_compatible", "paint", "prompt=paint", NULL);
    expect_prompt_at("paint-2-large-v1", "large");
    expect_prompt_at("paint-2-large", "large");
    expect_prompt_at("paint-2-larg", "two");
    expect_prompt_at("paint-2", "two");
    expect_prompt_at("paint-1", "paint");
    expect_prompt_at("pain", "every");
    expect_prompt_at("Paint-2", "every");
    expect_prompt_at("a-paint-2", "every");
}

static void models_without_a_mapping_stay_as_they_are(void **state) {
    (void)state;
    use_any();
    map("openai_compatible", "paint-2", "prompt=two", NULL);
    map("openai", NULL, "prompt=elsewhere", NULL);
    expect_prompt_at("other", "prompt");
    expect_prompt_at("paint-1", "prompt");
}

static void a_mapping_of_the_same_prefix_replaces(void **state) {
    const tarimg_registered_mapping *registered;
    int count = 0;
    (void)state;
    use_any();
    map("openai_compatible", "paint", "prompt=first,size=dims", "{\"steps\": 1}");
    map("openai_compatible", "", "prompt=every", "{\"steps\": 2}");
    map("openai_compatible", "paint", "prompt=second", NULL);
    map("OpenAI_Compatible", NULL, "prompt=all", NULL);
    for (registered = b.client->mappings; registered; registered = registered->next) count++;
    assert_int_equal(count, 2);
    b.request.size = "64x48";
    b.config.model = "paint";
    expect_plan("{\"second\":\"" PROMPT
                "\",\"size\":\"64x48\",\"model\":\"paint\",\"response_format\":\"b64_json\"}",
                NULL);
    b.config.model = "x";
    expect_plan(
        "{\"all\":\"" PROMPT "\",\"size\":\"64x48\",\"model\":\"x\",\"response_format\":\"b64_json\"}", NULL);
}

/* Other spellings of a provider are the same provider. */
static void a_mapping_may_name_an_alias(void **state) {
    (void)state;
    use("openai-compatible", "compatible/v1");
    map("openai-compatible", "", "prompt=one", NULL);
    expect_prompt_at("m", "one");
    map("openai_compatible", "", "prompt=two", NULL);
    expect_prompt_at("m", "two");
    b.config.provider = "openai_compatible";
    expect_prompt_at("m", "two");
}

static void texts_are_copied(void **state) {
    char provider[] = "openai_compatible", prefix[] = "paint", fields[] = "prompt=text",
         constants[] = "{\"steps\": 30}";
    (void)state;
    use_any();
    map(provider, prefix, fields, constants);
    memset(provider, '!', sizeof provider - 1);
    memset(prefix, '!', sizeof prefix - 1);
    memset(fields, '!', sizeof fields - 1);
    memset(constants, '!', sizeof constants - 1);
    b.config.model = "paint-1";
    expect_plan("{\"text\":\"" PROMPT
                "\",\"steps\":30,\"model\":\"paint-1\",\"response_format\":\"b64_json\"}",
                NULL);
}

static void mappings_are_of_one_client(void **state) {
    tarash_image_client *own = b.client, *other = tarash_image_client_create(NULL);
    (void)state;
    use_any();
    assert_non_null(other);
    map("openai_compatible", "", "prompt=text", NULL);
    b.client = other;
    expect_prompt_at("m", "prompt");
    b.client = own;
    tarash_image_client_destroy(other);
    expect_prompt_at("m", "text");
}

/* Each link of a chain has its own. */
static void links_are_mapped_one_by_one(void **state) {
    tarash_image_config second;
    (void)state;
    use_any();
    script("[{\"status\":500},{\"status\":200,\"body\":{\"data\":[" ITEM "]}}]");
    map("openai_compatible", "first", "prompt=one,style=", NULL);
    map("openai_compatible", "second", "prompt=two,seed=noise", "{\"steps\":1}");
    second = b.config;
    second.model = "second";
    b.config.model = "first";
    b.config.fallbacks = &second;
    b.config.fallback_count = 1;
    b.request.style = "vivid";
    b.request.has_seed = 1;
    run_ok();
    assert_int_equal(requests(), 2);
    expect_json(log_entry(b.log, 0),
                "{\"one\":\"" PROMPT "\",\"seed\":0,\"model\":\"first\",\"response_format\":\"b64_json\"}");
    expect_json(log_entry(b.log, 1), "{\"two\":\"" PROMPT "\",\"style\":\"vivid\",\"noise\":0,\"steps\":1,"
                                     "\"model\":\"second\",\"response_format\":\"b64_json\"}");
    expect_warnings("style=vivid>");
}

/* What a model takes besides names is still known of it. */
static void lists_of_a_known_model_still_count(void **state) {
    (void)state;
    use("openai", "openai/v1");
    script(ANSWER);
    b.config.model = "gpt-image-1.5";
    map("openai", "gpt-image", "size=shape.size,quality=effort,n=count,user=safety_identifier", NULL);
    b.request.size = "1000x1000";
    b.request.quality = "hd";
    b.request.user = "u-1";
    run_ok();
    expect_json(only_request(),
                "{\"model\":\"gpt-image-1.5\",\"prompt\":\"" PROMPT
                "\",\"shape\":{\"size\":\"1024x1024\"},\"effort\":\"high\",\"safety_identifier\":\"u-1\"}");
    expect_warnings("size=1000x1000>1024x1024; quality=hd>high");
}

/* A strict server takes it under the mapped name, and would not under the other. */
static void a_field_that_was_renamed(void **state) {
    (void)state;
    use("openai", "openai/v1");
    b.config.model = "gpt-image-1.5";
    map("openai", "gpt-image-1.5", "user=safety_identifier", "{\"moderation\":\"low\"}");
    b.request.user = "u-1";
    run_ok();
    expect_json(only_request(), "{\"model\":\"gpt-image-1.5\",\"prompt\":\"" PROMPT
                                "\",\"safety_identifier\":\"u-1\",\"moderation\":\"low\"}");
    expect_warnings(NULL);
}

/* ---- n and seeds --------------------------------------------------------------------------------------- */

static tarash_image_provider house(void) {
    tarash_image_provider provider;
    memset(&provider, 0, sizeof provider);
    provider.name = "house";
    provider.protocol = "openai_compatible";
    provider.capabilities.fields = TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_OUTPUT;
    provider.capabilities.max_n = 2;
    return provider;
}

static void use_house(void) {
    tarash_image_provider provider = house();
    use("house", "compatible/v1");
    b.config.model = "m";
    assert_int_equal(tarash_image_register_provider(b.client, &provider), TARASH_IMAGE_OK);
}

/* The numbers at one place of every request, in rising order. */
static void expect_numbers(const char *path, const char *wanted) {
    char found[128] = "";
    double low = -1;
    int i, left = requests();
    while (left > 0) {
        double next = 1e9;
        for (i = 0; i < requests(); i++) {
            double number = log_number(log_entry(b.log, i), path);
            if (number > low && number < next) next = number;
        }
        if (next > 1e8) break;
        for (i = 0; i < requests(); i++) {
            if (log_number(log_entry(b.log, i), path) != next) continue;
            append_text(found, sizeof found, "%s%g", found[0] ? "," : "", next);
            left--;
        }
        low = next;
    }
    expect_text(path, found, wanted);
}

static void n_goes_out_under_its_name(void **state) {
    (void)state;
    use_any();
    script(TWO);
    map("openai_compatible", NULL, "n=input.count", NULL);
    b.request.n = 2;
    run_ok();
    expect_json(only_request(), "{" ASKED ",\"input\":{\"count\":2}}");
    assert_int_equal(b.response.image_count, 2);
    expect_warnings(NULL);
}

static void n_is_split_as_before(void **state) {
    (void)state;
    use_house();
    map("house", NULL, "prompt=text,n=count,seed=noise", NULL);
    b.request.n = 5;
    b.request.has_seed = 1;
    b.request.seed = 100;
    b.request.size = "8x8";
    script("[{\"status\":200,\"times\":-1,\"body\":{\"data\":[" ITEM "," ITEM "]}}]");
    run();
    assert_int_equal(requests(), 3);
    expect_numbers("json.count", "1,2,2");
    expect_numbers("json.noise", "100,102,104");
    assert_null(log_at(log_entry(b.log, 0), "json.n"));
    assert_null(log_at(log_entry(b.log, 0), "json.seed"));
}

/* A model without such a field yields one image a call. */
static void n_without_a_name_is_split_into_calls(void **state) {
    (void)state;
    use_any();
    map("openai_compatible", NULL, "n=,seed=noise", NULL);
    b.request.n = 3;
    b.request.has_seed = 1;
    b.request.seed = 7;
    run_ok();
    assert_int_equal(b.response.image_count, 3);
    assert_int_equal(requests(), 3);
    expect_numbers("json.noise", "7,8,9");
    assert_null(log_at(log_entry(b.log, 1), "json.n"));
    expect_warnings("seed=7>7, and counting up from it");
}

static void a_model_may_have_what_the_row_lacks(void **state) {
    (void)state;
    use_house();
    script(ANSWER);
    b.request.style = "vivid";
    b.request.user = "u-1";
    run_ok();
    expect_warnings("style=vivid>; user=u-1>");
    map("house", "m", "style=look", NULL);
    run_ok();
    expect_json(log_entry(b.log, 1), "{" ASKED ",\"look\":\"vivid\"}");
    expect_warnings("user=u-1>");
}

/* ---- images and masks ---------------------------------------------------------------------------------- */

/* The path and picture of every data: URL of a request, one a line. */
static void expect_pictures(const cJSON *entry, const char *wanted) {
    char found[512] = "";
    const cJSON *image;
    cJSON_ArrayForEach(image, log_at(entry, "images")) {
        append_text(found, sizeof found, "%s: %s\n", log_text(image, "path"), picture_name(image));
    }
    expect_text("the list of pictures", found, wanted);
}

typedef struct image_row {
    const char *name, *fields;
    size_t count;
    int with_mask;
    const char *pictures;
    const char *warnings;
} image_row;

static const image_row image_rows[] = {
    {"one name", "images=picture", 1, 0, "picture: png\n", NULL},
    {"a nested name", "images=input.picture", 1, 0, "input.picture: png\n", NULL},
    {"a list of one", "images=pictures[]", 1, 0, "pictures[0]: png\n", NULL},
    {"a list of three", "images=pictures[]", 3, 0, "pictures[0]: png\npictures[1]: jpeg\npictures[2]: webp\n",
     NULL},
    {"a nested list", "images=input.pictures[]", 2, 0, "input.pictures[0]: png\ninput.pictures[1]: jpeg\n",
     NULL},
    {"a list of objects", "images=refs[].url", 3, 0,
     "refs[0].url: png\nrefs[1].url: jpeg\nrefs[2].url: webp\n", NULL},
    {"nested objects", "images=a.refs[].source.url", 2, 0,
     "a.refs[0].source.url: png\na.refs[1].source.url: jpeg\n", NULL},
    {"a mask", "images=picture,mask=hole", 1, 1, "picture: png\nhole: mask\n", AS_IT_IS},
    {"a nested mask", "images=in.pictures[],mask=in.hole", 2, 1,
     "in.pictures[0]: png\nin.pictures[1]: jpeg\nin.hole: mask\n", AS_IT_IS},
};

static void test_images(void **state) {
    const image_row *row = (const image_row *)*state;
    use_any();
    map("openai_compatible", "m", row->fields, NULL);
    b.request.images = three;
    b.request.image_count = row->count;
    if (row->with_mask) b.request.mask = mask_bytes;
    run_ok();
    expect_header(only_request(), "Content-Type", "application/json");
    expect_pictures(only_request(), row->pictures);
    expect_text("the prompt", log_text(only_request(), "json.prompt"), PROMPT);
    expect_warnings(row->warnings);
}

/* An image that has an address goes out as that, beside others that haven't. */
static void addresses_stay_addresses(void **state) {
    static tarash_image_input mixed[3];
    char wanted[2400];
    (void)state;
    mixed[0].url = "https://pictures.example/a.png";
    mixed[1] = as_data_url[0];
    mixed[2] = by_path[0];
    use_any();
    map("openai_compatible", NULL, "images=refs[].url,mask=hole", NULL);
    b.request.images = mixed;
    b.request.image_count = 3;
    b.request.mask.url = "https://pictures.example/hole.png";
    run_ok();
    snprintf(wanted, sizeof wanted,
             "{" ASKED
             ",\"refs\":[{\"url\":\"https://pictures.example/a.png\"},{\"url\":\"%s\"},{\"url\":\"%s\"}],"
             "\"hole\":\"https://pictures.example/hole.png\"}",
             data_url, data_url);
    expect_json(only_request(), wanted);
}

static void pixels_are_drawn(void **state) {
    static const unsigned char pixels[16 * 3];
    static tarash_image_input drawn[1];
    const cJSON *image;
    (void)state;
    drawn[0].pixels = pixels;
    drawn[0].width = drawn[0].height = 4;
    drawn[0].channels = 3;
    use_any();
    map("openai_compatible", NULL, "images=picture,mask=hole", NULL);
    b.request.images = drawn;
    b.request.image_count = 1;
    b.request.mask = drawn[0];
    run_ok();
    image = cJSON_GetArrayItem(log_at(only_request(), "images"), 0);
    expect_text("the path", log_text(image, "path"), "picture");
    assert_int_equal((int)log_number(image, "image.width"), 4);
    assert_int_equal((int)log_number(image, "image.channels"), 3);
    image = cJSON_GetArrayItem(log_at(only_request(), "images"), 1);
    expect_text("the path", log_text(image, "path"), "hole");
    assert_int_equal((int)log_number(image, "image.channels"), 4); /* the row's polarity: transparency */
}

/* Where a row knows no masks, white marks what to edit, as the request has it. */
static void a_mask_where_the_row_has_none(void **state) {
    static const unsigned char half[4] = {255, 0, 255, 0};
    const cJSON *mask;
    (void)state;
    use_house();
    script(ANSWER);
    map("house", NULL, "images=picture,mask=hole", NULL);
    b.request.images = one_png;
    b.request.image_count = 1;
    b.request.mask.pixels = half;
    b.request.mask.width = b.request.mask.height = 2;
    b.request.mask.channels = 1;
    run_ok();
    mask = cJSON_GetArrayItem(log_at(only_request(), "images"), 1);
    expect_text("the path", log_text(mask, "path"), "hole");
    expect_text("the pixels", log_text(mask, "image.pixels"), "ff00ff00");
}

static void one_name_takes_one_image(void **state) {
    (void)state;
    use_any();
    map("openai_compatible", NULL, "images=picture", NULL);
    b.request.images = three;
    b.request.image_count = 2;
    refused(TARASH_IMAGE_ERROR_UNSUPPORTED, "at most 1 input images");
}

static void images_without_a_name_are_refused(void **state) {
    (void)state;
    use_any();
    map("openai_compatible", NULL, "images=", NULL);
    b.request.images = one_png;
    b.request.image_count = 1;
    refused(TARASH_IMAGE_ERROR_UNSUPPORTED, "images: openai_compatible m takes no input images");
}

static void a_mask_without_a_name_is_refused(void **state) {
    (void)state;
    use_any();
    map("openai_compatible", NULL, "images=picture,mask=", NULL);
    b.request.images = one_png;
    b.request.image_count = 1;
    b.request.mask = mask_bytes;
    refused(TARASH_IMAGE_ERROR_UNSUPPORTED, "mask: openai_compatible m takes no mask");
}

/* A protocol that doesn't see the images doesn't look for a mask: it would be lost. */
static void images_take_their_mask_along(void **state) {
    (void)state;
    use_any();
    map("openai_compatible", NULL, "images=picture", NULL);
    b.request.images = one_png;
    b.request.image_count = 1;
    b.request.mask = mask_bytes;
    refused(TARASH_IMAGE_ERROR_UNSUPPORTED, "mask: openai_compatible m takes no mask");
}

/* The operation still names the call. */
static void mapped_images_of_an_operation(void **state) {
    (void)state;
    use_any();
    map("openai_compatible", NULL, "images=pictures[]", NULL);
    b.config.provider_config = "{\"operation\":\"edit\"}";
    b.request.images = three;
    b.request.image_count = 2;
    run_ok();
    expect_path(only_request(), "compatible/v1/images/edits");
    expect_pictures(only_request(), "pictures[0]: png\npictures[1]: jpeg\n");
}

/* ---- forms --------------------------------------------------------------------------------------------- */

/* An edit of bytes is a form at OpenAI; its parts have the mapped names. */
static void parts_of_a_form_are_renamed(void **state) {
    (void)state;
    use("openai", "openai/v1");
    b.config.model = "gpt-image-2.5-flare";
    map("openai", "gpt-image-2.5", "user=safety_identifier,mask=markup,quality", "{\"moderation\":\"low\"}");
    b.request.images = one_png;
    b.request.image_count = 1;
    b.request.mask = mask_bytes;
    b.request.user = "u-1";
    b.request.quality = "low";
    run_ok();
    expect_path(only_request(), "openai/v1/images/edits");
    expect_parts(only_request(),
                 "model=gpt-image-2.5-flare\nprompt=" PROMPT "\nsafety_identifier=u-1\nquality=low\n"
                 "moderation=low\nimage: image.png, image/png, png\n"
                 "markup: image.png, image/png, mask");
    expect_warnings(AS_IT_IS);
}

static void numbers_of_a_form_are_renamed(void **state) {
    (void)state;
    use_any();
    script(TWO);
    map("openai_compatible", NULL, "prompt=text,n=count,seed=noise,size=w+h", "{\"steps\":30,\"fast\":true}");
    b.request.images = three;
    b.request.image_count = 3;
    b.request.n = 2;
    b.request.has_seed = 1;
    b.request.seed = 5;
    b.request.size = "64x48";
    run_ok();
    expect_path(only_request(), "compatible/v1/images/edits");
    expect_parts(only_request(),
                 "model=m\ntext=" PROMPT "\ncount=2\nnoise=5\nw=64\nh=48\nsteps=30\nfast=true\n"
                 "response_format=b64_json\nimage[]: image.png, image/png, png\n"
                 "image[]: image.jpg, image/jpeg, jpeg\nimage[]: image.webp, image/webp, webp");
}

/* Forms know no nesting. */
static void dots_of_a_form_stay(void **state) {
    (void)state;
    use_any();
    map("openai_compatible", NULL, "prompt=in.text,size=in.canvas{},mask=in.hole", "{\"deep\":{\"a\":[1]}}");
    b.request.images = one_png;
    b.request.image_count = 1;
    b.request.mask = mask_bytes;
    b.request.size = "64x48";
    run_ok();
    expect_parts(only_request(),
                 "model=m\nin.text=" PROMPT "\nin.canvas.width=64\nin.canvas.height=48\n"
                 "deep={\"a\":[1]}\nresponse_format=b64_json\nimage: image.png, image/png, png\n"
                 "in.hole: image.png, image/png, mask");
}

/* ---- a provider's own code ----------------------------------------------------------------------------- */

typedef struct painter {
    int is_form;
    int looks_for_images; /* sends every image, and the mask, that it is shown */
    const char *prompt;   /* that it was shown, or NULL */
    const char *style;
    int n, has_seed;
} painter;

static tarash_image_result painter_build(tarash_image_exchange *exchange, tarash_image_phase phase,
                                         void *user_data) {
    painter *self = (painter *)user_data;
    const tarash_image_request *request = tarash_image_exchange_request(exchange);
    size_t i;
    (void)phase;
    tarash_image_exchange_send(exchange, "POST", "paint");
    if (self->is_form) tarash_image_exchange_multipart(exchange);
    tarash_image_exchange_set_text(exchange, "model", tarash_image_exchange_model(exchange));
    tarash_image_exchange_set_text(exchange, "style", request->style);
    for (i = 0; self->looks_for_images && i < request->image_count; i++)
        tarash_image_exchange_set_image(exchange, "images[]", (int)i);
    if (self->looks_for_images && request->mask.data) tarash_image_exchange_set_image(exchange, "mask", -1);
    self->prompt = request->prompt ? "shown" : NULL;
    self->style = request->style ? "shown" : NULL;
    self->n = request->n;
    self->has_seed = request->has_seed;
    return TARASH_IMAGE_OK;
}

static tarash_image_result painter_read(tarash_image_exchange *exchange, tarash_image_phase phase,
                                        void *user_data) {
    (void)phase;
    (void)user_data;
    (void)tarash_image_exchange_add_image(exchange, "data[0].b64_json");
    return TARASH_IMAGE_OK;
}

static void use_painter(painter *self) {
    tarash_image_provider provider;
    memset(self, 0, sizeof *self);
    memset(&provider, 0, sizeof provider);
    provider.name = "painter";
    provider.default_model = "brush";
    provider.image_paths = "data[].b64_json";
    provider.build_fn = painter_build;
    provider.read_fn = painter_read;
    provider.user_data = self;
    use("painter", "compatible/v1");
    script(ANSWER);
    assert_int_equal(tarash_image_register_provider(b.client, &provider), TARASH_IMAGE_OK);
}

static void code_does_not_see_what_is_mapped(void **state) {
    painter self;
    (void)state;
    use_painter(&self);
    map("painter", "bru",
        "prompt=input.text,size=input.canvas{},n=input.count,seed=noise,images=input.refs[].src",
        "{\"input\":{\"steps\":4}}");
    b.request.size = "64x48";
    b.request.style = "vivid";
    b.request.n = 1;
    b.request.has_seed = 1;
    b.request.seed = 3;
    b.request.images = as_data_url;
    b.request.image_count = 1;
    run_ok();
    assert_null(self.prompt);
    assert_non_null(self.style);
    assert_int_equal(self.n, 0);
    assert_int_equal(self.has_seed, 0);
    expect_path(only_request(), "compatible/v1/paint");
    expect_pictures(only_request(), "input.refs[0].src: png\n");
    expect_text("the prompt", log_text(only_request(), "json.input.text"), PROMPT);
    assert_int_equal((int)log_number(only_request(), "json.input.canvas.width"), 64);
    assert_int_equal((int)log_number(only_request(), "json.input.count"), 1);
    assert_int_equal((int)log_number(only_request(), "json.input.steps"), 4);
    assert_int_equal((int)log_number(only_request(), "json.noise"), 3);
    expect_text("the style", log_text(only_request(), "json.style"), "vivid");
    expect_warnings(NULL);
}

static void code_sees_no_images_that_are_mapped(void **state) {
    painter self;
    (void)state;
    use_painter(&self);
    self.looks_for_images = 1;
    map("painter", NULL, "images=refs[],mask=hole", NULL);
    b.request.images = three;
    b.request.image_count = 2;
    b.request.mask = mask_bytes;
    run_ok();
    expect_pictures(only_request(), "refs[0]: png\nrefs[1]: jpeg\nhole: mask\n");
    map("painter", NULL, "prompt=text", NULL);
    run_ok();
    expect_pictures(log_entry(b.log, 1), "images[0]: png\nimages[1]: jpeg\nmask: mask\n");
}

static void code_may_send_the_mask_of_mapped_images(void **state) {
    painter self;
    (void)state;
    use_painter(&self);
    self.looks_for_images = 1;
    map("painter", NULL, "images=refs[]", NULL);
    b.request.images = three;
    b.request.image_count = 1;
    b.request.mask = mask_bytes;
    run_ok();
    expect_pictures(only_request(), "mask: mask\nrefs[0]: png\n");
}

static void code_sees_what_is_not_mapped(void **state) {
    painter self;
    (void)state;
    use_painter(&self);
    map("painter", "pencil", "prompt=text", NULL);
    b.request.style = "vivid";
    b.request.n = 1;
    run_ok();
    assert_non_null(self.prompt);
    assert_int_equal(self.n, 1);
    expect_json(only_request(), "{\"model\":\"brush\",\"style\":\"vivid\"}");
}

static void code_with_a_form(void **state) {
    painter self;
    (void)state;
    use_painter(&self);
    self.is_form = 1;
    map("painter", NULL, "prompt=text,n=count,images=picture[],mask=hole", "{\"steps\":4}");
    b.request.images = three;
    b.request.image_count = 2;
    b.request.mask = mask_bytes;
    b.request.n = 1;
    run_ok();
    expect_parts(only_request(),
                 "model=brush\ntext=" PROMPT "\ncount=1\nsteps=4\npicture: image.png, image/png, png\n"
                 "picture: image.jpg, image/jpeg, jpeg\nhole: image.png, image/png, mask");
}

/* In a form an image is a file, and one that has an address is fetched for it. */
static void a_forms_images_are_fetched(void **state) {
    painter self;
    tarash_image_input there[1];
    char url[256];
    int i;
    (void)state;
    memset(there, 0, sizeof there);
    there[0].url = server_files_url(url, sizeof url, b.session, "static/24x16.png");
    use_painter(&self);
    self.is_form = 1;
    map("painter", NULL, "images=picture", NULL);
    b.request.images = there;
    b.request.image_count = 1;
    run_ok();
    for (i = 0; i < requests() && !log_text(log_entry(b.log, i), "parts[0].name"); i++) continue;
    assert_int_equal((int)log_number(log_part(log_entry(b.log, i), "picture", 0), "image.width"), 24);
}

/* The mapping of a client's own provider that speaks a built-in one's protocol is not the built-in one's. */
static void a_protocol_is_not_its_namesake(void **state) {
    (void)state;
    use_house();
    script(ANSWER);
    map("openai_compatible", NULL, "prompt=text", NULL);
    expect_plan("{" ASKED "}", NULL);
    map("house", NULL, "prompt=words,quality=effort", "{\"steps\":3}");
    b.request.quality = "hd";
    run_ok();
    expect_json(only_request(), "{\"words\":\"" PROMPT "\",\"effort\":\"hd\",\"steps\":3," COMMON "}");
    expect_warnings(NULL);
}

/* ---- models with fields of their own ------------------------------------------------------------------- */

#define SELF_URL "data:image/png;base64," DOT

static void use_fal(const char *model) {
    use("fal", "fal/queue");
    script("[{\"status\":200,\"times\":-1,\"body\":{\"images\":[{\"url\":\"" SELF_URL "\"}]}}]");
    b.config.model = model;
}

static void use_replicate(const char *model) {
    use("replicate", "replicate/v1");
    script("[{\"status\":201,\"times\":-1,\"body\":{\"id\":\"p1\",\"status\":\"succeeded\",\"output\":["
           "\"" SELF_URL "\"]}}]");
    b.config.model = model;
}

/* All settings, of which a mapping may know a part. */
static void ask_full(void) {
    static const body_row row = {.name = "", .size = "64x48", .seed = "5", .is_full = 1};
    ask_row(&row);
}

/* What isn't named is left out there, and said so. */
static void only_the_fields_of_the_model_go_out(void **state) {
    (void)state;
    use_fal("house/painter/v9");
    map("fal", "house/painter", "prompt=text,size=canvas.size{},seed=noise,user=meta.who",
        "{\"canvas\":{\"dpi\":72}}");
    ask_full();
    run_ok();
    expect_path(only_request(), "fal/queue/house/painter/v9");
    expect_json(only_request(),
                "{\"text\":\"" PROMPT "\",\"canvas\":{\"dpi\":72,\"size\":{\"width\":64,\"height\":48}},"
                "\"noise\":5,\"meta\":{\"who\":\"u-1\"}}");
    expect_warnings(
        "negative_prompt=rain>; quality=hd>; style=vivid>; output_format=webp>; background=opaque>");
    b.request.strict = 1;
    refused(TARASH_IMAGE_ERROR_VALIDATION, "negative_prompt");
}

static void fields_go_to_their_place_in_the_body(void **state) {
    (void)state;
    use_replicate("house/painter");
    map("replicate", "house/", "prompt=words.text,size=w+h,n=count,seed=noise,images=refs[].src,mask=hole",
        "{\"words\":{\"language\":\"en\"},\"steps\":4}");
    b.request.size = "64x48";
    b.request.n = 1;
    b.request.has_seed = 1;
    b.request.seed = 9;
    b.request.images = three;
    b.request.image_count = 1;
    b.request.mask = mask_bytes;
    b.request.extra_params = "{\"steps\":5,\"words\":{\"language\":null}}";
    run_ok();
    expect_path(only_request(), "replicate/v1/models/house/painter/predictions");
    expect_pictures(only_request(), "input.refs[0].src: png\ninput.hole: mask\n");
    assert_int_equal(cJSON_GetArraySize(log_at(only_request(), "json")), 1);
    assert_int_equal(cJSON_GetArraySize(log_at(only_request(), "json.input")), 8);
    expect_text("the prompt", log_text(only_request(), "json.input.words.text"), PROMPT);
    assert_null(log_at(only_request(), "json.input.words.language"));
    assert_int_equal((int)log_number(only_request(), "json.input.w"), 64);
    assert_int_equal((int)log_number(only_request(), "json.input.h"), 48);
    assert_int_equal((int)log_number(only_request(), "json.input.count"), 1);
    assert_int_equal((int)log_number(only_request(), "json.input.noise"), 9);
    assert_int_equal((int)log_number(only_request(), "json.input.steps"), 5);
    expect_warnings(NULL);
}

static void a_known_model_is_mapped_anew(void **state) {
    (void)state;
    use_fal("fal-ai/flux/dev");
    ask_full();
    expect_plan("{\"prompt\":\"" PROMPT "\",\"image_size\":{\"width\":64,\"height\":48},\"seed\":5}",
                "negative_prompt=rain>; quality=hd>; style=vivid>; background=opaque>; user=u-1>; "
                "output_format=webp>");
    map("fal", "fal-ai/flux", "prompt=words,quality=effort", NULL);
    expect_plan(
        "{\"words\":\"" PROMPT "\",\"effort\":\"hd\"}",
        "negative_prompt=rain>; style=vivid>; output_format=webp>; background=opaque>; user=u-1>; seed=5>; "
        "size=64x48>");
    b.config.model = "fal-ai/recraft/v3/text-to-image"; /* another family stays */
    b.request.style = "digital_illustration";
    expect_plan(
        "{\"prompt\":\"" PROMPT "\",\"image_size\":{\"width\":64,\"height\":48},"
        "\"style\":\"digital_illustration\"}",
        "negative_prompt=rain>; quality=hd>; output_format=webp>; background=opaque>; user=u-1>; seed=5>");
}

/* The generic mapping's one image says nothing of another one's list. */
static void a_list_has_no_limit_of_another(void **state) {
    (void)state;
    use_replicate("house/painter");
    map("replicate", "house/", "prompt,images=refs[]", NULL);
    b.request.images = three;
    b.request.image_count = 3;
    run_ok();
    expect_pictures(only_request(), "input.refs[0]: png\ninput.refs[1]: jpeg\ninput.refs[2]: webp\n");
}

/* What one call yields is known of the mapping: one image where there is no field for n. */
static void n_of_a_model_of_its_own(void **state) {
    (void)state;
    use_fal("house/painter");
    map("fal", "house/painter", "prompt,seed=noise", NULL);
    b.request.n = 3;
    b.request.has_seed = 1;
    b.request.seed = 20;
    run_ok();
    assert_int_equal(requests(), 3);
    assert_int_equal(b.response.image_count, 3);
    expect_numbers("json.noise", "20,21,22");
    expect_warnings("seed=20>20, and counting up from it");
}

static void images_of_a_model_of_its_own(void **state) {
    (void)state;
    use_fal("house/painter");
    map("fal", "house/painter", "prompt", NULL);
    map("fal", "house/painter/edit", "prompt,images=picture.source", NULL);
    b.request.images = three;
    b.request.image_count = 1;
    refused(TARASH_IMAGE_ERROR_UNSUPPORTED, "takes no input images");
    b.config.model = "house/painter/edit";
    run_ok();
    expect_pictures(only_request(), "picture.source: png\n");
    b.request.image_count = 2;
    refused(TARASH_IMAGE_ERROR_UNSUPPORTED, "at most 1 input images");
    b.request.image_count = 1;
    b.request.mask = mask_bytes;
    refused(TARASH_IMAGE_ERROR_UNSUPPORTED, "takes no mask");
}

/* ---- what is no mapping -------------------------------------------------------------------------------- */

typedef struct refusal_row {
    const char *name, *provider, *fields, *constants, *why;
} refusal_row;

#define UNREADABLE(field)                                                                                    \
    "unreadable: " field, "openai_compatible", field, NULL, "body field that can't be read"
#define UNKNOWN(field) "unknown: " field, "openai_compatible", field, NULL, "no standard field"

#define TWICE(fields)   "twice: " fields, "openai_compatible", fields, NULL, "names a standard field twice"
#define MEETING(fields) "meeting: " fields, "openai_compatible", fields, NULL, "is the other, or a part of it"

static const refusal_row refusal_rows[] = {
    {"no provider", NULL, "prompt", NULL, "provider: is missing or not known"},
    {"an empty provider", "", "prompt", NULL, "provider: is missing or not known"},
    {"an unknown provider", "nobody", "prompt", NULL, "provider: is missing or not known"},
    {"no fields", "openai_compatible", NULL, NULL, "fields: is missing"},
    {"empty fields", "openai_compatible", "", NULL, "fields: is missing"},
    {UNKNOWN("promt")},
    {UNKNOWN("prompt=text,model=name")},
    {UNKNOWN("Prompt=text")},
    {UNKNOWN("=text")},
    {UNKNOWN("prompt =text")},
    {UNKNOWN("output=form")},
    {UNKNOWN("partial_images=previews")},
    {UNKNOWN("n[]")},
    {UNREADABLE("prompt=a b")},
    {UNREADABLE("prompt= text")},
    {UNREADABLE("prompt=.text")},
    {UNREADABLE("prompt=text.")},
    {UNREADABLE("prompt=.")},
    {UNREADABLE("prompt=text[]")},
    {UNREADABLE("prompt=text{}")},
    {UNREADABLE("prompt=a+b")},
    {UNREADABLE("prompt=a=b")},
    {UNREADABLE("prompt=\xC3\xA9")},
    {"a line end", "openai_compatible", "prompt=a\nb", NULL, "body field that can't be read"},
    {UNREADABLE("size,prompt=a/b")},
    {UNREADABLE("n=count[]")},
    {UNREADABLE("seed=noise{}")},
    {UNREADABLE("mask=holes[]")},
    {UNREADABLE("size={}")},
    {UNREADABLE("size=a{")},
    {UNREADABLE("size=a{}b")},
    {UNREADABLE("size=a{x}")},
    {UNREADABLE("size=a{}+b")},
    {UNREADABLE("size=+")},
    {UNREADABLE("size=+h")},
    {UNREADABLE("size=w+")},
    {UNREADABLE("size=w+h+d")},
    {UNREADABLE("size=w+.h")},
    {UNREADABLE("size=w+h.")},
    {UNREADABLE("size=a[]")},
    {UNREADABLE("images=[]")},
    {UNREADABLE("images=a[")},
    {UNREADABLE("images=a[0]")},
    {UNREADABLE("images=a[]b")},
    {UNREADABLE("images=a[].")},
    {UNREADABLE("images=a[].b[]")},
    {UNREADABLE("images=a[].b.")},
    {UNREADABLE("images=a{}")},
    {UNREADABLE("images=a+b")},
    {UNREADABLE("prompt=a..b")},
    {UNREADABLE("size=a.{}")},
    {UNREADABLE("size=.a{}")},
    {UNREADABLE("size=a.+b")},
    {UNREADABLE("size=.a+b")},
    {UNREADABLE("size=a+b..c")},
    {UNREADABLE("images=.a[]")},
    {UNREADABLE("images=a.[]")},
    {UNREADABLE("images=.[]")},
    {UNREADABLE("images=a[].b..c")},
    {TWICE("size=a,size=b")},
    {TWICE("size=a,prompt,size=")},
    {TWICE("prompt,prompt")},
    {MEETING("prompt=a,user=a")},
    {MEETING("prompt,user=prompt")},
    {MEETING("prompt=a,user=a.b")},
    {MEETING("prompt=a.b,seed,user=a")},
    {MEETING("images=a[],prompt=a")},
    {MEETING("images=a[].b,prompt=a.b")},
    {MEETING("size=a{},prompt=a.width")},
    {MEETING("size=w+h,seed=h")},
    {MEETING("seed=h,size=w+h")},
    {MEETING("size=w+w")},
    {MEETING("size=w+w.h")},
    {"constants that are a list", "openai_compatible", "prompt", "[1]", "constants: is not a JSON object"},
    {"constants that are a text", "openai_compatible", "prompt", "\"{}\"", "constants: is not a JSON object"},
    {"constants that are null", "openai_compatible", "prompt", "null", "constants: is not a JSON object"},
    {"constants that are empty", "openai_compatible", "prompt", "", "constants: is not a JSON object"},
    {"constants that are cut off", "openai_compatible", "prompt", "{\"a\": 1",
     "constants: is not a JSON object"},
    {"constants and more", "openai_compatible", "prompt", "{} {}", "constants: is not a JSON object"},
};

static void test_refusal(void **state) {
    const refusal_row *row = (const refusal_row *)*state;
    use_any();
    map("openai_compatible", "", "prompt=text", "{\"steps\":1}");
    log_collector_clear(&b.lines);
    assert_int_equal(try_map(row->provider, "", row->fields, row->constants), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(b.lines.count[TARASH_IMAGE_LOG_ERROR], 1);
    expect_in("the log", b.lines.text, "register_field_mapping: ");
    expect_in("the log", b.lines.text, row->why);
    /* What was there is still there, and nothing else is. */
    expect_plan("{\"text\":\"" PROMPT "\",\"steps\":1," COMMON "}", NULL);
}

static void nothing_to_register(void **state) {
    tarash_image_field_mapping mapping;
    (void)state;
    memset(&mapping, 0, sizeof mapping);
    assert_int_equal(tarash_image_register_field_mapping(b.client, NULL), TARASH_IMAGE_ERROR_VALIDATION);
    mapping.provider = "openai";
    mapping.fields = "prompt";
    assert_int_equal(tarash_image_register_field_mapping(NULL, &mapping), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(tarash_image_register_field_mapping(b.client, &mapping), TARASH_IMAGE_OK);
}

/* As deep as any JSON of the client's. */
static void constants_have_a_depth(void **state) {
    tarash_image_client_desc desc;
    (void)state;
    tarash_image_client_destroy(b.client);
    memset(&desc, 0, sizeof desc);
    desc.logger = log_collector_functions(&b.lines, TARASH_IMAGE_LOG_DEBUG);
    desc.limits.max_json_depth = 3;
    b.client = tarash_image_client_create(&desc);
    use_any();
    assert_int_equal(try_map("openai_compatible", "", "prompt", "{\"a\":{\"b\":{\"c\":{}}}}"),
                     TARASH_IMAGE_ERROR_VALIDATION);
    map("openai_compatible", "", "prompt", "{\"a\":{\"b\":1}}");
    expect_plan("{" ASKED ",\"a\":{\"b\":1}}", NULL);
}

/* ---- lack of memory ------------------------------------------------------------------------------------ */

#define MOST 4000 /* allocations of one test */

static const char everything[] =
    "prompt=in.text,negative_prompt=in.avoid,size=in.canvas{},quality=effort,style=,n=count,seed=noise,"
    "images=in.refs[].src,mask=in.hole,output_format=kind,background=back,user=who";
static char every_value[1024];

static void describe_everything(void) {
    snprintf(
        every_value, sizeof every_value,
        "{\"model\":\"m\",\"response_format\":\"b64_json\",\"in\":{\"text\":\"" PROMPT
        "\",\"avoid\":\"rain\","
        "\"canvas\":{\"width\":64,\"height\":48},\"steps\":30,\"refs\":[{\"src\":\"<image/png, %u bytes>\"},"
        "{\"src\":\"<image/jpeg, %u bytes>\"}],\"hole\":\"<image/png, %u "
        "bytes>\"},\"effort\":\"hd\",\"count\":1,"
        "\"noise\":5,\"kind\":\"webp\",\"back\":\"opaque\",\"who\":\"u-1\",\"list\":[1],\"extra\":true}",
        (unsigned)tiny_png_size, (unsigned)tiny_jpeg_size, (unsigned)tiny_mask_png_size);
}

static void ask_everything(void) {
    describe_everything();
    static const body_row row = {
        .name = "", .size = "64x48", .seed = "5", .is_full = 1, .extra = "{\"extra\":true}"};
    use_any();
    ask_row(&row);
    b.request.n = 1;
    b.request.images = three;
    b.request.image_count = 2;
    b.request.mask = mask_bytes;
}

static void restart_client(counting_allocator *memory) {
    tarash_image_client_desc desc;
    tarash_image_client_destroy(b.client);
    assert_int_equal(memory->live_blocks, 0);
    memset(memory, 0, sizeof *memory);
    memset(&desc, 0, sizeof desc);
    desc.allocator = counting_allocator_functions(memory);
    b.client = tarash_image_client_create(&desc);
    assert_non_null(b.client);
}

static void fail_allocation(counting_allocator *memory, size_t number) {
    memory->failures = 0;
    memory->fail_at = memory->calls + number;
    memory->fail_from_then_on = number % 2 == 0;
}

static void fail_no_more(counting_allocator *memory) {
    memory->fail_at = 0;
    memory->fail_from_then_on = 0;
}

static tarash_image_result map_everything(void) {
    return try_map("openai_compatible", "m", everything, "{\"in\":{\"steps\":30},\"list\":[1]}");
}

static void expect_oom_or_ok(tarash_image_result result, size_t number) {
    if (result != TARASH_IMAGE_OK && result != TARASH_IMAGE_ERROR_OUT_OF_MEMORY)
        fail_msg("allocation %u: %s", (unsigned)number, tarash_image_result_name(result));
}

/* A registration that fails leaves what was there; a second one goes well. */
static void memory_runs_out_in_registration(void **state) {
    static counting_allocator memory;
    size_t number = 0, failures = 1;
    (void)state;
    while (failures) {
        tarash_image_result result;
        restart_client(&memory);
        ask_everything();
        map("openai_compatible", "m", "prompt=before,images=pictures[],mask=hole", NULL);
        fail_allocation(&memory, ++number);
        result = map_everything();
        fail_no_more(&memory);
        failures = memory.failures;
        expect_oom_or_ok(result, number);
        if (failures) assert_int_equal(result, TARASH_IMAGE_ERROR_OUT_OF_MEMORY);
        if (result != TARASH_IMAGE_OK) {
            cJSON *plan = make_plan();
            expect_text("the prompt", log_text(cJSON_GetArrayItem(plan, 0), "body.before"), PROMPT);
            cJSON_Delete(plan);
            assert_int_equal(map_everything(), TARASH_IMAGE_OK);
        }
        expect_plan(every_value, "style=vivid>; " AS_IT_IS);
        assert_true(number < MOST);
    }
    tarash_image_client_destroy(b.client);
    b.client = NULL;
    assert_int_equal(memory.live_blocks, 0);
}

/* A dry run either says so or has the whole body. */
static void memory_runs_out_in_a_plan(void **state) {
    static counting_allocator memory;
    size_t number = 0, failures = 1;
    (void)state;
    while (failures) {
        tarash_image_text text;
        tarash_image_result result;
        restart_client(&memory);
        ask_everything();
        assert_int_equal(map_everything(), TARASH_IMAGE_OK);
        fail_allocation(&memory, ++number);
        result = tarash_image_plan(b.client, &b.config, &b.request, &text);
        fail_no_more(&memory);
        failures = memory.failures;
        expect_oom_or_ok(result, number);
        if (result == TARASH_IMAGE_OK) {
            cJSON *plan = cJSON_Parse(text.data), *wanted = cJSON_Parse(every_value);
            if (!cJSON_Compare(log_at(cJSON_GetArrayItem(plan, 0), "body"), wanted, 1))
                fail_msg("allocation %u: %s", (unsigned)number, text.data);
            cJSON_Delete(plan);
            cJSON_Delete(wanted);
        }
        tarash_image_text_free(&text);
        expect_plan(every_value, "style=vivid>; " AS_IT_IS);
        assert_true(number < MOST);
    }
    assert_true(number > 5);
    tarash_image_client_destroy(b.client);
    b.client = NULL;
    assert_int_equal(memory.live_blocks, 0);
}

/* Whatever is sent is whole, and the client goes on. */
static void memory_runs_out_in_a_call(void **state) {
    static counting_allocator memory;
    size_t number = 0, failures = 1;
    int sent;
    (void)state;
    ask_everything();
    while (failures) {
        tarash_image_response response;
        tarash_image_result result;
        restart_client(&memory);
        assert_int_equal(map_everything(), TARASH_IMAGE_OK);
        fail_allocation(&memory, ++number);
        result = tarash_image_generate(b.client, &b.config, &b.request, &response);
        fail_no_more(&memory);
        failures = memory.failures;
        expect_oom_or_ok(result, number);
        tarash_image_response_free(&response);
        assert_true(number < MOST);
    }
    assert_true(number > 10);
    b.log = control_log(b.session);
    for (sent = 0; sent < requests(); sent++) {
        const cJSON *entry = log_entry(b.log, sent);
        expect_pictures(entry, "in.refs[0].src: png\nin.refs[1].src: jpeg\nin.hole: mask\n");
        assert_int_equal((int)log_number(entry, "json.in.steps"), 30);
        assert_int_equal((int)log_number(entry, "json.noise"), 5);
        expect_text("who", log_text(entry, "json.who"), "u-1");
    }
    assert_true(sent > 0);
    run_ok();
    tarash_image_response_free(&b.response);
    tarash_image_client_destroy(b.client);
    b.client = NULL;
    assert_int_equal(memory.live_blocks, 0);
}

/* ---- all of them --------------------------------------------------------------------------------------- */

static const struct CMUnitTest single_tests[] = {
    TEST(plans_describe_mapped_images),
    TEST(places_may_be_near_each_other),
    TEST(a_prompt_without_a_name_is_not_needed),
    TEST(the_longest_prefix_counts),
    TEST(models_without_a_mapping_stay_as_they_are),
    TEST(a_mapping_of_the_same_prefix_replaces),
    TEST(a_mapping_may_name_an_alias),
    TEST(texts_are_copied),
    TEST(mappings_are_of_one_client),
    TEST(links_are_mapped_one_by_one),
    TEST(lists_of_a_known_model_still_count),
    TEST(a_field_that_was_renamed),
    TEST(n_goes_out_under_its_name),
    TEST(n_is_split_as_before),
    TEST(n_without_a_name_is_split_into_calls),
    TEST(a_model_may_have_what_the_row_lacks),
    TEST(addresses_stay_addresses),
    TEST(pixels_are_drawn),
    TEST(a_mask_where_the_row_has_none),
    TEST(one_name_takes_one_image),
    TEST(images_without_a_name_are_refused),
    TEST(a_mask_without_a_name_is_refused),
    TEST(images_take_their_mask_along),
    TEST(mapped_images_of_an_operation),
    TEST(parts_of_a_form_are_renamed),
    TEST(numbers_of_a_form_are_renamed),
    TEST(dots_of_a_form_stay),
    TEST(code_does_not_see_what_is_mapped),
    TEST(code_sees_no_images_that_are_mapped),
    TEST(code_may_send_the_mask_of_mapped_images),
    TEST(code_sees_what_is_not_mapped),
    TEST(code_with_a_form),
    TEST(a_forms_images_are_fetched),
    TEST(a_protocol_is_not_its_namesake),
    TEST(only_the_fields_of_the_model_go_out),
    TEST(fields_go_to_their_place_in_the_body),
    TEST(a_known_model_is_mapped_anew),
    TEST(a_list_has_no_limit_of_another),
    TEST(n_of_a_model_of_its_own),
    TEST(images_of_a_model_of_its_own),
    TEST(nothing_to_register),
    TEST(constants_have_a_depth),
    TEST(memory_runs_out_in_registration),
    TEST(memory_runs_out_in_a_plan),
    TEST(memory_runs_out_in_a_call),
};

int main(void) {
    int failed = 0;
    if (server_start() != 0 || prepare_inputs() != 0) return 1;
    RUN_ROWS(body_rows, test_body, tear_down);
    RUN_ROWS(image_rows, test_images, tear_down);
    RUN_ROWS(misfit_rows, test_misfit, tear_down);
    RUN_ROWS(refusal_rows, test_refusal, tear_down);
    failed += cmocka_run_group_tests(single_tests, NULL, NULL);
    server_stop();
    return failed != 0;
}
