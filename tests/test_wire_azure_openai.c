/* Azure OpenAI over the wire: every style of address, keys and tokens, forms, streams, filters and errors. */

#include "wire.h"

#define BASE  "azure_openai"
#define DATED "2025-04-01-preview"
#define P     "\"prompt\":\"" PROMPT "\""
#define FOX   "prompt=" PROMPT "\n"
#define TOKEN "eyJhbGciOiJub25lIn0.eyJhdWQiOiJhaS5henVyZSJ9.c2VjcmV0LXNpZ25hdHVyZQ"

static void use_azure(const char *rest) {
    use("azure_openai", rest);
    b.config.model = "img-dep";
}

/* The header lines of a request; `credential` is the one that carries the key. */
static void expect_azure_headers(const cJSON *entry, const char *credential, const char *value) {
    const char *names[] = {"Host",         "User-Agent",     "Accept", "Accept-Encoding",
                           "Content-Type", "Content-Length", NULL};
    names[6] = credential;
    expect_header_names(entry, names, COUNT(names));
    expect_header(entry, "Accept", "application/json");
    expect_header(entry, credential, value);
}

/* ---- addresses ----------------------------------------------------------------------------------------- */

typedef struct address_row {
    const char *name;
    const char *rest;    /* of the base URL */
    const char *version; /* config.api_version */
    const char *model;
    const char *path;
    const char *sent_model; /* in the body; NULL: none */
    const char *warnings;
} address_row;

#define V1      "azure_openai/openai/v1/images/generations"
#define CLASSIC "azure_openai/openai/deployments/img-dep/images/generations?api-version=" DATED

static const address_row address_rows[] = {
    {"address: a resource", BASE, NULL, "img-dep", V1, "img-dep", NULL},
    {"address: a resource, slashes", BASE "//", NULL, "img-dep", V1, "img-dep", NULL},
    {"address: a resource, dated", BASE, DATED, "img-dep", CLASSIC, "img-dep", NULL},
    {"address: a resource, preview", BASE, "preview", "img-dep", V1 "?api-version=preview", "img-dep", NULL},
    {"address: a resource, v1", BASE, "v1", "img-dep", V1 "?api-version=v1", "img-dep", NULL},
    {"address: /openai", BASE "/openai", NULL, "img-dep", V1, "img-dep", NULL},
    {"address: /openai, dated", BASE "/openai/", DATED, "img-dep", CLASSIC, "img-dep", NULL},
    {"address: /openai/v1", BASE "/openai/v1", NULL, "img-dep", V1, "img-dep", NULL},
    {"address: /openai/v1/, preview", BASE "/openai/v1/", "preview", "img-dep", V1 "?api-version=preview",
     "img-dep", NULL},
    {"address: v1 takes no date", BASE "/openai/v1", DATED, "img-dep", V1, "img-dep",
     "api_version=" DATED ">"},
    {"address: the query's version", BASE "?api-version=" DATED, NULL, "img-dep", CLASSIC, "img-dep", NULL},
    {"address: the query's version wins", BASE "?api-version=" DATED, "preview", "img-dep", CLASSIC,
     "img-dep", "api_version=preview>" DATED},
    {"address: the query's version said twice", BASE "?api-version=" DATED, DATED, "img-dep", CLASSIC,
     "img-dep", NULL},
    {"address: v1 with a query", BASE "/openai/v1?api-version=preview", NULL, "img-dep",
     V1 "?api-version=preview", "img-dep", NULL},
    {"address: a deployment", BASE "/openai/deployments/img-dep", NULL, NULL, CLASSIC, "img-dep", NULL},
    {"address: a deployment, said twice", BASE "/openai/deployments/img-dep/", NULL, "img-dep", CLASSIC,
     "img-dep", NULL},
    {"address: a deployment, dated", BASE "/openai/deployments/dall-e-3", "2024-10-21", NULL,
     BASE "/openai/deployments/dall-e-3/images/generations?api-version=2024-10-21", "dall-e-3", NULL},
    {"address: a deployment wins", BASE "/openai/deployments/img-dep", NULL, "gpt-image-2", CLASSIC,
     "img-dep", "model=gpt-image-2>img-dep"},
    {"address: a target URI", CLASSIC, NULL, NULL, CLASSIC, "img-dep", NULL},
    {"address: a target URI of edits", BASE "/openai/deployments/img-dep/images/edits?api-version=" DATED,
     NULL, NULL, CLASSIC, "img-dep", NULL},
    {"address: a target URI of v1", V1 "?api-version=preview", NULL, "img-dep", V1 "?api-version=preview",
     "img-dep", NULL},
    {"address: a project", BASE "/api/projects/p1", NULL, "img-dep",
     BASE "/api/projects/p1/openai/v1/images/generations", "img-dep", NULL},
    {"address: a project's v1", BASE "/api/projects/p1/openai/v1", NULL, "img-dep",
     BASE "/api/projects/p1/openai/v1/images/generations", "img-dep", NULL},
    {"address: a project takes no version", BASE "/api/projects/p1/openai", "preview", "img-dep",
     BASE "/api/projects/p1/openai/v1/images/generations", "img-dep", "api_version=preview>"},
    {"address: a name that needs encoding", BASE, DATED, "picture maker/1",
     BASE "/openai/deployments/picture%20maker%2F1/images/generations?api-version=" DATED, "picture maker/1",
     NULL},
    {"address: an encoded name, said twice", BASE "/openai/deployments/picture%20maker%2F1", NULL,
     "picture maker/1", BASE "/openai/deployments/picture%20maker%2F1/images/generations?api-version=" DATED,
     "picture maker/1", NULL},
};

static void test_address(void **state) {
    const address_row *row = (const address_row *)*state;
    char body[256];
    use("azure_openai", row->rest);
    b.config.api_version = row->version;
    b.config.model = row->model;
    run();
    expect_path(log_entry(b.log, 0), row->path);
    expect_text("the method", log_text(only_request(), "method"), "POST");
    expect_azure_headers(only_request(), "api-key", KEY);
    expect_header(only_request(), "Content-Type", "application/json");
    snprintf(body, sizeof body, "{\"model\":\"%s\"," P "%s}", row->sent_model,
             strcmp(row->sent_model, "dall-e-3") == 0 ? ",\"response_format\":\"b64_json\"" : "");
    expect_json(only_request(), body);
    expect(TARASH_IMAGE_OK);
    expect_warnings(row->warnings);
    expect_text("the model", b.response.model, row->sent_model);
    expect_picture(&b.response.images[0], "image/png");
}

static void test_address_of_edits(void **state) {
    (void)state;
    use_azure(BASE "/openai/deployments/img-dep/images/generations?api-version=" DATED);
    b.request.images = one_png;
    b.request.image_count = 1;
    run_ok();
    expect_path(only_request(), BASE "/openai/deployments/img-dep/images/edits?api-version=" DATED);
}

/* Advice of a kind that strict doesn't mind: an environment's version may be meant for another address. */
static void test_strict_version(void **state) {
    (void)state;
    use_azure(BASE "/openai/v1");
    setenv("OPENAI_API_VERSION", DATED, 1);
    b.request.strict = 1;
    run_ok();
    expect_path(only_request(), V1);
    expect_warnings("api_version=" DATED ">");
}

static void test_environment(void **state) {
    char url[256];
    (void)state;
    use("azure_openai", BASE);
    setenv("AZURE_OPENAI_ENDPOINT", server_api_url(url, sizeof url, b.session, BASE "/"), 1);
    setenv("AZURE_OPENAI_API_KEY", KEY, 1);
    setenv("AZURE_API_KEY", "sk-another-0123456789", 1);
    setenv("OPENAI_API_VERSION", DATED, 1);
    setenv("AZURE_API_VERSION", "preview", 1);
    b.config.base_url = b.config.api_key = NULL;
    b.config.provider = NULL;
    b.config.model = "azure/img-dep";
    run_with(KEY);
    expect(TARASH_IMAGE_OK);
    expect_path(only_request(), CLASSIC);
    expect_header(only_request(), "api-key", KEY);
    b.config.api_version = "preview";
    run_with(KEY);
    expect_path(log_entry(b.log, -1), V1 "?api-version=preview");
    unsetenv("OPENAI_API_VERSION");
    b.config.api_version = NULL;
    b.config.provider_config = "{\"api_version\":\"v1\"}";
    run_with(KEY);
    expect_path(log_entry(b.log, -1), V1 "?api-version=v1");
    expect(TARASH_IMAGE_OK);
}

static void expect_plan(const char *url) {
    tarash_image_text plan;
    cJSON *json;
    tarash_image_result result = tarash_image_plan(b.client, &b.config, &b.request, &plan);
    if (result != TARASH_IMAGE_OK) fail_msg("no plan: %s", plan.error.message);
    assert_null(strstr(plan.data, b.config.api_key));
    json = cJSON_Parse(plan.data);
    tarash_image_text_free(&plan);
    assert_non_null(json);
    expect_text("the plan's URL", log_text(cJSON_GetArrayItem(json, 0), "url"), url);
    cJSON_Delete(json);
}

static void test_resource(void **state) {
    (void)state;
    use_azure(BASE);
    b.config.base_url = NULL;
    setenv("AZURE_RESOURCE_NAME", "res1", 1);
    expect_plan("https://res1.openai.azure.com/openai/v1/images/generations");
    b.config.provider_config = "{\"resource\":\"res-2\"}";
    b.config.api_version = DATED;
    expect_plan(
        "https://res-2.openai.azure.com/openai/deployments/img-dep/images/generations?api-version=" DATED);
    b.config.api_version = "a b&c";
    expect_plan("https://res-2.openai.azure.com/openai/v1/images/generations?api-version=a%20b%26c");
    b.config.base_url = "https://res3.cognitiveservices.azure.com/?a=b";
    b.config.api_version = NULL;
    expect_plan("https://res3.cognitiveservices.azure.com/openai/v1/images/generations?a=b");
    b.config.api_version = DATED;
    expect_plan("https://res3.cognitiveservices.azure.com/openai/deployments/img-dep/images/"
                "generations?a=b&api-version=" DATED);
    b.config.base_url = "https://res4.services.ai.azure.com/deployments-of-mine?x=/images/edits";
    b.config.api_version = NULL;
    expect_plan("https://res4.services.ai.azure.com/deployments-of-mine/openai/v1/images/generations?x=/"
                "images/edits");
}

static void test_bad_addresses(void **state) {
    (void)state;
    use_azure(BASE);
    b.config.base_url = NULL;
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "base_url");
    b.config.provider_config = "{\"resource\":\"evil.example/\"}";
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "provider_config.resource");
    use("azure_openai", BASE);
    b.config.provider_config = b.config.model = NULL;
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "deployment");
    assert_int_equal(requests(), 0);
}

/* ---- keys ---------------------------------------------------------------------------------------------- */

static void test_token(void **state) {
    (void)state;
    use_azure(BASE);
    b.config.api_key = TOKEN;
    run_ok();
    expect_azure_headers(only_request(), "Authorization", "Bearer " TOKEN);
    b.config.base_url = "https://res1.openai.azure.com";
    expect_plan("https://res1.openai.azure.com/openai/v1/images/generations");
    b.config.base_url = b.base_url;
    b.request.images = one_png;
    b.request.image_count = 1;
    b.config.api_version = DATED;
    run_ok();
    expect_azure_headers(log_entry(b.log, 1), "Authorization", "Bearer " TOKEN);
}

static void test_token_of_environment(void **state) {
    (void)state;
    use_azure(BASE);
    setenv("AZURE_OPENAI_AD_TOKEN", TOKEN, 1);
    b.config.api_key = NULL;
    run_with(TOKEN);
    expect(TARASH_IMAGE_OK);
    expect_azure_headers(only_request(), "Authorization", "Bearer " TOKEN);
}

static void test_keys_that_are_no_tokens(void **state) {
    static const char *const keys[] = {
        "eyJhbGciOiJub25l",   "eyJhbGciOi.eyJhdWQi",      "eyJa.eyJb.",
        "eyJa..c2lnbmF0dXJl", "xyJa.eyJb.c2lnbmF0dXJlcw", "eyJa.eyJb.eyJc.eyJd"};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(keys); i++) {
        use_azure(BASE);
        b.config.api_key = keys[i];
        run_ok();
        expect_azure_headers(log_entry(b.log, (int)i), "api-key", keys[i]);
    }
}

/* Whoever sets a header of that name means it. */
static void test_own_header(void **state) {
    static const tarash_image_header headers[] = {{"API-Key", "sk-own-0123456789"}};
    (void)state;
    use_azure(BASE);
    b.config.headers = headers;
    b.config.header_count = 1;
    run_with("sk-own-0123456789");
    expect(TARASH_IMAGE_OK);
    expect_header(only_request(), "api-key", "sk-own-0123456789");
    expect_no_header(only_request(), "Authorization");
}

static void test_echoed_key(void **state) {
    static const char *const keys[] = {"sk-bad-0123456789abcdef", "eyJhbad.eyJhdWQiOi.c2VjcmV0LXNpZw"};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(keys); i++) {
        use_azure(BASE);
        b.config.api_key = keys[i];
        run();
        expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
        assert_int_equal(b.response.error.http_status, 401);
        expect_text("the code", b.response.error.provider_code, i ? "Unauthorized" : "401");
        expect_in("the message", b.response.error.message, i ? "Access token" : "Access denied");
    }
}

/* No call follows a redirect, wherever it leads: the key would go along. */
static void test_redirects(void **state) {
    static const char *const scripts[] = {
        "[{\"redirect\":{\"status\":307,\"to\":\"{FILES}/f/{SESSION}/static/8x8.png\"}}]",
        "[{\"redirect\":{\"status\":308,\"to\":\"{API}/s/{SESSION}/" V1 "\"}}]"};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(scripts); i++) {
        use_azure(BASE);
        script(scripts[i]);
        run();
        expect(TARASH_IMAGE_ERROR_HTTP);
        assert_int_equal(b.response.error.http_status, i ? 308 : 307);
        assert_int_equal(requests(), (int)i + 1);
    }
}

/* ---- bodies -------------------------------------------------------------------------------------------- */

typedef struct body_row {
    const char *name, *model;
    tarash_image_request request;
    const char *options, *script, *body, *warnings;
    int calls; /* 0: one */
} body_row;

#define ANY                                                                                                  \
    "[{\"status\":200,\"times\":-1,\"body\":{\"created\":7,\"data\":[{\"b64_json\":\""                       \
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="       \
    "\"}]}}]"

static const body_row body_rows[] = {
    {.name = "body: every option",
     .model = "gpt-image-2",
     .request = {.n = 2,
                 .size = "1536x864",
                 .quality = "medium",
                 .output_format = "jpeg",
                 .background = "opaque",
                 .user = "u_9f2c"},
     .body = "{\"model\":\"gpt-image-2\"," P ",\"n\":2,\"size\":\"1536x864\",\"quality\":\"medium\","
             "\"output_format\":\"jpeg\",\"background\":\"opaque\",\"user\":\"u_9f2c\"}"},
    {.name = "body: neither webp nor xhigh nor transparency",
     .model = "gpt-image-2",
     .request = {.output_format = "webp", .quality = "xhigh", .background = "transparent"},
     .body = "{\"model\":\"gpt-image-2\"," P ",\"quality\":\"high\"}",
     .warnings = "quality=xhigh>high; background=transparent>; output_format=webp>"},
    {.name = "body: a deployment of any name lacks webp, too",
     .request = {.output_format = "webp", .size = "1024x1024", .quality = "high"},
     .body = "{\"model\":\"img-dep\"," P ",\"size\":\"1024x1024\",\"quality\":\"high\"}",
     .warnings = "output_format=webp>"},
    {.name = "body: fixed sizes of the 1 series",
     .model = "gpt-image-1.5",
     .request = {.size = "1792x1024", .background = "transparent"},
     .body = "{\"model\":\"gpt-image-1.5\"," P ",\"size\":\"1536x1024\",\"background\":\"transparent\"}",
     .warnings = "size=1792x1024>1536x1024"},
    {.name = "body: a ratio",
     .model = "gpt-image-2",
     .request = {.aspect_ratio = "16:9"},
     .body = "{\"model\":\"gpt-image-2\"," P ",\"size\":\"1360x768\"}",
     .warnings = "aspect_ratio=16:9>1360x768"},
    {.name = "body: a ratio at fixed sizes",
     .model = "gpt-image-1-mini",
     .request = {.aspect_ratio = "9:16"},
     .body = "{\"model\":\"gpt-image-1-mini\"," P ",\"size\":\"1024x1536\"}",
     .warnings = "aspect_ratio=9:16>1024x1536"},
    {.name = "body: a size out of the rules",
     .model = "gpt-image-2",
     .request = {.size = "1000x1000"},
     .body = "{\"model\":\"gpt-image-2\"," P ",\"size\":\"1008x1008\"}",
     .warnings = "size=1000x1000>1008x1008"},
    {.name = "body: no seed, style or negative prompt, and bytes only",
     .request = {.has_seed = 1,
                 .seed = 5,
                 .style = "vivid",
                 .negative_prompt = "blur",
                 .output = TARASH_IMAGE_OUTPUT_URL},
     .body = "{\"model\":\"img-dep\"," P "}",
     .warnings = "negative_prompt=blur>; style=vivid>; seed=5>; output=url>bytes"},
    {.name = "body: above ten images",
     .request = {.n = 20},
     .script = ANY,
     .body = "{\"model\":\"img-dep\"," P ",\"n\":10}",
     .warnings = "n=20>2",
     .calls = 2},
    {.name = "body: extra_params",
     .script = ANY,
     .request = {.quality = "low",
                 .extra_params = "{\"output_compression\":70,\"quality\":null,\"moderation\":\"low\"}"},
     .body = "{\"model\":\"img-dep\"," P ",\"output_compression\":70,\"moderation\":\"low\"}"},
    {.name = "body: dall-e-3 is asked for bytes",
     .model = "dall-e-3",
     .request = {.quality = "hd", .style = "natural"},
     .body = "{\"model\":\"dall-e-3\"," P
             ",\"quality\":\"hd\",\"style\":\"natural\",\"response_format\":\"b64_json\"}"},
    {.name = "body: the operation generate",
     .options = "{\"operation\":\"generate\"}",
     .body = "{\"model\":\"img-dep\"," P "}"},
    {.name = "body: a setting that is none",
     .options = "{\"region\":\"x\"}",
     .body = "{\"model\":\"img-dep\"," P "}",
     .warnings = "provider_config.region=x>"},
};

static void test_body(void **state) {
    const body_row *row = (const body_row *)*state;
    int i;
    use_azure(BASE);
    if (row->model) b.config.model = row->model;
    b.config.provider_config = row->options;
    b.request = row->request;
    b.request.prompt = PROMPT;
    if (row->script) script(row->script);
    run();
    assert_int_equal(requests(), row->calls ? row->calls : 1);
    for (i = 0; i < requests(); i++) {
        expect_path(log_entry(b.log, i), V1);
        expect_azure_headers(log_entry(b.log, i), "api-key", KEY);
        expect_json(log_entry(b.log, i), row->body);
    }
    expect(TARASH_IMAGE_OK);
    expect_warnings(row->warnings);
    if (!row->script) assert_int_equal(b.response.image_count, row->request.n ? (size_t)row->request.n : 1);
}

/* ---- edits --------------------------------------------------------------------------------------------- */

typedef struct form_row {
    const char *name, *version, *model;
    tarash_image_request request;
    const tarash_image_input *mask;
    const char *options, *script, *path, *parts, *warnings;
} form_row;

#define EDITS  "azure_openai/openai/v1/images/edits"
#define DEP    "model=img-dep\n"
#define MASKED "mask=white marks what to edit>unchanged, transparent marks it"

static tarash_image_input png_and_jpeg[2];

static const form_row form_rows[] = {
    {.name = "edit: bytes",
     .request = {.images = one_png, .image_count = 1},
     .parts = DEP FOX "image: image.png, image/png, png"},
    {.name = "edit: the path of a deployment",
     .version = DATED,
     .request = {.images = one_jpeg, .image_count = 1},
     .path = BASE "/openai/deployments/img-dep/images/edits?api-version=" DATED,
     .parts = DEP FOX "image: image.jpg, image/jpeg, jpeg"},
    {.name = "edit: several",
     .request = {.images = png_and_jpeg, .image_count = 2},
     .parts = DEP FOX "image[]: image.png, image/png, png\nimage[]: image.jpg, image/jpeg, jpeg"},
    {.name = "edit: a file",
     .request = {.images = by_path, .image_count = 1},
     .parts = DEP FOX "image: two words \xC3\xA9.png, image/png, png"},
    {.name = "edit: a data: URL",
     .request = {.images = as_data_url, .image_count = 1},
     .parts = DEP FOX "image: image.png, image/png, png"},
    {.name = "edit: a mask, and the operation by name",
     .request = {.images = one_png, .image_count = 1},
     .mask = &mask_bytes,
     .options = "{\"operation\":\"edit\"}",
     .parts = DEP FOX "image: image.png, image/png, png\nmask: image.png, image/png, mask",
     .warnings = MASKED},
    {.name = "edit: every option",
     .model = "gpt-image-1.5",
     .request = {.images = one_png,
                 .image_count = 1,
                 .n = 2,
                 .size = "1024x1024",
                 .quality = "low",
                 .output_format = "png",
                 .background = "transparent",
                 .user = "u",
                 .extra_params = "{\"input_fidelity\":\"high\"}"},
     .parts = "model=gpt-image-1.5\n" FOX "n=2\nsize=1024x1024\nquality=low\noutput_format=png\nbackground="
              "transparent\nuser=u\ninput_fidelity=high\nimage: image.png, image/png, png"},
};

static void test_form(void **state) {
    const form_row *row = (const form_row *)*state;
    use_azure(BASE);
    b.config.api_version = row->version;
    if (row->model) b.config.model = row->model;
    b.config.provider_config = row->options;
    b.request = row->request;
    b.request.prompt = PROMPT;
    if (row->mask) b.request.mask = *row->mask;
    run();
    expect_path(log_entry(b.log, 0), row->path ? row->path : EDITS);
    expect_azure_headers(only_request(), "api-key", KEY);
    expect_parts(only_request(), row->parts);
    expect(TARASH_IMAGE_OK);
    expect_warnings(row->warnings);
    assert_int_equal(b.response.image_count, row->request.n ? (size_t)row->request.n : 1);
}

/* White pixels of a mask become transparent ones. */
static void test_mask_pixels(void **state) {
    static const unsigned char grey[16] = {255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255};
    const char *pixels;
    int i;
    (void)state;
    use_azure(BASE);
    b.request.images = one_png;
    b.request.image_count = 1;
    b.request.mask.pixels = grey;
    b.request.mask.width = b.request.mask.height = 4;
    b.request.mask.channels = 1;
    run_ok();
    pixels = log_text(log_part(only_request(), "mask", 0), "image.pixels");
    assert_non_null(pixels);
    assert_int_equal(strlen(pixels), 16 * 8);
    for (i = 0; i < 16; i++) assert_memory_equal(pixels + i * 8 + 6, grey[i] ? "00" : "ff", 2);
    expect_warnings(NULL);
}

/* There are no edits by JSON: an image given by URL is fetched first, without the key. */
static void test_fetched_input(void **state) {
    tarash_image_input input;
    char url[256];
    (void)state;
    use_azure(BASE);
    memset(&input, 0, sizeof input);
    input.url = server_files_url(url, sizeof url, b.session, "static/9x9.jpg");
    b.request.images = &input;
    b.request.image_count = 1;
    run_ok();
    assert_int_equal(requests(), 2);
    expect_text("the first method", log_text(log_entry(b.log, 0), "method"), "GET");
    expect_no_header(log_entry(b.log, 0), "api-key");
    expect_path(log_entry(b.log, 1), EDITS);
    expect_text("the type", log_text(log_part(log_entry(b.log, 1), "image", 0), "content_type"),
                "image/jpeg");
}

static void test_webp_is_not_taken(void **state) {
    tarash_image_input input;
    char url[256];
    (void)state;
    use_azure(BASE);
    memset(&input, 0, sizeof input);
    memory_input(&input, tiny_webp, tiny_webp_size);
    b.request.images = &input;
    b.request.image_count = 1;
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    expect_in("the message", b.response.error.message, "images[0]");
    assert_int_equal(requests(), 0);
    memset(&input, 0, sizeof input);
    input.url = server_files_url(url, sizeof url, b.session, "static/9x9.webp");
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    assert_int_equal(log_count(b.log, "POST", NULL), 0);
    assert_int_equal(requests(), 1);
}

static void test_operations(void **state) {
    static const struct {
        const char *options;
        tarash_image_result result;
        const char *text;
    } rows[] = {{"{\"operation\":\"variation\"}", TARASH_IMAGE_ERROR_UNSUPPORTED, "generate, edit"},
                {"{\"operation\":\"edit\"}", TARASH_IMAGE_ERROR_VALIDATION, "images"}};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        use_azure(BASE);
        b.config.provider_config = rows[i].options;
        run();
        expect(rows[i].result);
        expect_in("the message", b.response.error.message, rows[i].text);
        assert_int_equal(requests(), 0);
    }
    use_azure(BASE);
    b.config.provider_config = NULL;
    b.config.model = "dall-e-3";
    b.request.images = one_png;
    b.request.image_count = 1;
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    b.config.model = "img-dep";
    b.request.images = seventeen;
    b.request.image_count = COUNT(seventeen);
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    assert_int_equal(requests(), 0);
}

/* ---- streams ------------------------------------------------------------------------------------------- */

static struct {
    size_t count, index[8];
    int width;
} previews;

static void count_previews(const tarash_image_update *update, void *user_data) {
    (void)user_data;
    if (!update->partial_image || previews.count == COUNT(previews.index)) return;
    previews.width = update->partial_image->width;
    previews.index[previews.count++] = update->partial_image->index;
}

static void use_stream(const char *prompt) {
    memset(&previews, 0, sizeof previews);
    use_azure(BASE);
    b.request.prompt = prompt;
    b.request.size = "1024x1024";
    b.request.partial_images = 2;
    b.request.on_progress = count_previews;
}

static void expect_previews(void) {
    assert_int_equal(previews.count, 2);
    assert_int_equal(previews.index[0], 0);
    assert_int_equal(previews.index[1], 1);
    assert_int_equal(previews.width, 1024);
    assert_int_equal(b.response.image_count, 1);
    expect_drawn(&b.response.images[0], "fox", "1024x1024");
    assert_true(b.response.usage.total_tokens > 0);
}

static void test_stream(void **state) {
    (void)state;
    use_stream("fox");
    run_ok();
    expect_azure_headers(only_request(), "api-key", KEY);
    expect_json(only_request(), "{\"model\":\"img-dep\",\"prompt\":\"fox\",\"size\":\"1024x1024\","
                                "\"stream\":true,\"partial_images\":2}");
    expect_previews();
}

static void test_stream_of_an_edit(void **state) {
    (void)state;
    use_stream("fox");
    b.config.api_version = DATED;
    b.request.images = one_png;
    b.request.image_count = 1;
    run_ok();
    expect_parts(only_request(), "model=img-dep\nprompt=fox\nsize=1024x1024\nstream=true\npartial_images=2\n"
                                 "image: image.png, image/png, png");
    expect_previews();
}

static void test_stream_that_is_blocked(void **state) {
    (void)state;
    use_stream("fox");
    script("[{\"moderation\":\"stream\"}]");
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    expect_text("the code", b.response.error.provider_code, "moderation_blocked");
    assert_int_equal(b.response.error.http_status, 200);
}

/* ---- replies ------------------------------------------------------------------------------------------- */

static void test_reply(void **state) {
    cJSON *metadata;
    (void)state;
    use_azure(BASE);
    b.config.model = "gpt-image-2";
    b.request.n = 2;
    run_ok();
    assert_int_equal(b.response.image_count, 2);
    assert_true(b.response.usage.total_tokens > 0);
    assert_true(b.response.created > 1500000000);
    assert_non_null(b.response.provider_request_id);
    metadata = cJSON_Parse(b.response.provider_metadata);
    expect_text("the verdict on the prompt",
                log_text(metadata, "prompt_filter_results.custom_blocklists.details") ? "text" : "a list",
                "a list");
    expect_text("the prompt's severity", log_text(metadata, "prompt_filter_results.hate.severity"), "safe");
    expect_text("the image's severity", log_text(metadata, "content_filter_results[1].violence.severity"),
                "safe");
    expect_text("the size", log_text(metadata, "size"), "1024x1024");
    cJSON_Delete(metadata);
}

static void test_url_reply(void **state) {
    (void)state;
    use_azure(BASE "/openai/deployments/dall-e-3");
    b.config.model = NULL;
    b.config.api_version = "2024-10-21";
    script("[{\"image_result\":{\"url\":true,\"revised_prompt\":\"A calm fox\"}}]");
    run_ok();
    assert_int_equal(requests(), 2);
    expect_no_header(log_entry(b.log, 1), "api-key");
    expect_picture(&b.response.images[0], "image/png");
    assert_non_null(b.response.images[0].url);
    expect_text("the revised prompt", b.response.images[0].revised_prompt, "A calm fox");
}

#define GUILTY                                                                                               \
    "\"content_filter_results\":{\"hate\":{\"filtered\":false},\"sexual\":{\"severity\":\"high\","           \
    "\"filtered\":true}}"

static void test_filtered_items(void **state) {
    (void)state;
    use_azure(BASE);
    b.request.n = 2;
    script("[{\"status\":200,\"body\":{\"created\":7,\"data\":[{" GUILTY "},{" GUILTY "}]}}]");
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    expect_text("the code", b.response.error.provider_code, "content_filter");
    script("[{\"status\":200,\"body\":{\"created\":7,\"data\":[{" GUILTY "},"
           "{\"url\":\"{FILES}/f/{SESSION}/static/8x8.png\",\"content_filter_results\":7}]}}]");
    run_ok();
    assert_int_equal(b.response.image_count, 1);
    expect_text("the warning", warning_about("n")->sent, "1");
    script("[{\"status\":200,\"body\":{\"created\":7,\"data\":[{\"content_filter_results\":[]},7,null]}}]");
    run();
    expect(TARASH_IMAGE_ERROR_GENERATION_FAILED);
}

/* ---- errors -------------------------------------------------------------------------------------------- */

typedef struct error_row {
    const char *name, *script;
    tarash_image_result result;
    int status;
    const char *code, *text;
} error_row;

#define SHORT(status, code, text)                                                                            \
    "[{\"status\":" #status ",\"body\":{\"error\":{\"code\":\"" code "\",\"message\":\"" text "\"}}}]"

static const error_row error_rows[] = {
    {"error: the long form", "[{\"moderation\":true}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION, 400,
     "content_policy_violation", "safety system"},
    {"error: a prompt, short", "[{\"moderation\":\"dalle\"}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION, 400,
     "contentFilter", "Your task failed"},
    {"error: a result, short", "[{\"moderation\":\"items\"}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION, 400,
     "contentFilter", "Generated image was filtered"},
    {"error: innererror", "[{\"moderation\":\"http\"}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION, 400,
     "content_filter", "content management policy"},
    {"error: GPT image's own", "[{\"moderation\":\"ok\"}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION, 400,
     "moderation_blocked", "safety_violations=[violence]"},
    {"error: known by inner_error alone",
     "[{\"status\":400,\"body\":{\"error\":{\"code\":\"BadRequest\",\"message\":\"No.\",\"inner_error\":{"
     "\"code\":\"ResponsibleAIPolicyViolation\"}}}}]",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, 400, "BadRequest", "No."},
    {"error: known by innererror alone",
     "[{\"status\":500,\"body\":{\"error\":{\"code\":\"500\",\"message\":\"No.\",\"innererror\":{"
     "\"code\":\"ResponsibleAIPolicyViolation\"}}}}]",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, 500, "500", "No."},
    {"error: another inner_error",
     "[{\"status\":400,\"body\":{\"error\":{\"code\":\"BadRequest\",\"message\":\"No.\",\"inner_error\":{"
     "\"code\":7},\"innererror\":\"text\"}}}]",
     TARASH_IMAGE_ERROR_VALIDATION, 400, "BadRequest", "No."},
    {"error: within 200",
     "[{\"status\":200,\"body\":{\"created\":1,\"error\":{\"code\":\"contentFilter\",\"message\":\"No.\"}}}]",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, 200, "contentFilter", "No."},
    {"error: a blocked resource is none of the prompt's",
     SHORT(403, "Forbidden",
           "Your resource has been temporarily blocked because we detected behavior that may violate our "
           "content policy."),
     TARASH_IMAGE_ERROR_AUTHENTICATION, 403, "Forbidden", "temporarily blocked"},
    {"error: no deployment",
     SHORT(404, "DeploymentNotFound", "The API deployment for this resource does not exist."),
     TARASH_IMAGE_ERROR_HTTP, 404, "DeploymentNotFound", "does not exist"},
    {"error: no route", SHORT(404, "404", "Resource not found"), TARASH_IMAGE_ERROR_HTTP, 404, "404",
     "Resource not found (check base_url, api_version and model)"},
    {"error: a wrong key", SHORT(401, "401", "Access denied due to invalid subscription key."),
     TARASH_IMAGE_ERROR_AUTHENTICATION, 401, "401", "Access denied"},
    {"error: a code that is a number",
     "[{\"status\":401,\"body\":{\"error\":{\"code\":401,\"message\":\"No.\"}}}]",
     TARASH_IMAGE_ERROR_AUTHENTICATION, 401, "401", "No."},
    {"error: without an envelope",
     "[{\"status\":401,\"body\":{\"statusCode\":401,\"message\":\"Unauthorized.\"}}]",
     TARASH_IMAGE_ERROR_AUTHENTICATION, 401, "", "Unauthorized."},
    {"error: a version that is none", SHORT(400, "BadRequest", "API version not supported"),
     TARASH_IMAGE_ERROR_VALIDATION, 400, "BadRequest", "API version"},
    {"error: an unknown field", "[{\"status\":400}]", TARASH_IMAGE_ERROR_VALIDATION, 400, "invalid_request",
     "Invalid request."},
    {"error: quota", SHORT(429, "insufficient_quota", "You exceeded your current quota."),
     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 429, "insufficient_quota", "quota"},
    {"error: 500", "[{\"status\":500}]", TARASH_IMAGE_ERROR_HTTP, 500, "server_error", "server had an error"},
    {"error: a page", "[{\"status\":502,\"error_shape\":\"html\"}]", TARASH_IMAGE_ERROR_HTTP, 502, "", "502"},
};

static void test_error(void **state) {
    const error_row *row = (const error_row *)*state;
    const tarash_image_error *error = &b.response.error;
    char id[96];
    use_azure(BASE);
    script(row->script);
    run();
    expect(row->result);
    assert_int_equal(error->http_status, row->status);
    expect_text("the code", error->provider_code, row->code);
    expect_in("the message", error->message, row->text);
    snprintf(id, sizeof id, "req_%s_1", b.session);
    expect_text("the request id", error->request_id, id);
    expect_text("the provider", error->provider, "azure_openai");
    expect_text("the model", error->model, "img-dep");
    assert_int_equal(b.response.image_count, 0);
    assert_int_equal(requests(), 1);
}

static void test_wait(void **state) {
    static const struct {
        const char *script;
        int64_t wait;
    } rows[] = {
        {"[{\"status\":429,\"body\":{\"statusCode\":429,\"message\":\"Rate limit is exceeded. Try again in 6 "
         "seconds.\"}}]",
         6000},
        {SHORT(429, "429", "Requests have exceeded the call rate limit. Please retry after 11 seconds."),
         11000},
        {"[{\"status\":429,\"headers\":{\"retry-after\":\"3\"},\"body\":{\"error\":{\"code\":\"429\","
         "\"message\":\"Please retry after 9 seconds.\"}}}]",
         3000},
        {"[{\"status\":429,\"headers\":{\"retry-after-ms\":\"1500\",\"retry-after\":\"2\"}}]", 1500},
        {SHORT(429, "429", "Please retry after 99999999999999999999 seconds, retry after"), 0},
        {SHORT(429, "429", "Please retry after 99999999999 seconds."), (int64_t)7 * 24 * 3600 * 1000},
        {SHORT(429, "429", "Slow down."), 0},
        {SHORT(503, "503", "Please retry after 9 seconds."), 0}};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        use_azure(BASE);
        script(rows[i].script);
        run();
        expect(i + 1 == COUNT(rows) ? TARASH_IMAGE_ERROR_HTTP : TARASH_IMAGE_ERROR_RATE_LIMITED);
        assert_int_equal(b.response.error.retry_after_ms, rows[i].wait);
    }
}

/* A second try is the same request. */
static void test_retry(void **state) {
    int i;
    (void)state;
    use_azure(BASE);
    b.config.api_key = TOKEN;
    b.config.api_version = DATED;
    b.config.max_retries = 1;
    script("[{\"status\":429,\"headers\":{\"retry-after-ms\":\"1\"}}]");
    run_ok();
    assert_int_equal(requests(), 2);
    for (i = 0; i < 2; i++) {
        expect_path(log_entry(b.log, i), CLASSIC);
        expect_azure_headers(log_entry(b.log, i), "Authorization", "Bearer " TOKEN);
        expect_json(log_entry(b.log, i), "{\"model\":\"img-dep\"," P "}");
    }
}

/* The server itself refuses what it doesn't know; that it would is what makes the other tests worth something. */
static void test_strict_server(void **state) {
    (void)state;
    use_azure(BASE);
    b.config.model = "nobody";
    run();
    expect(TARASH_IMAGE_ERROR_HTTP);
    expect_text("the code", b.response.error.provider_code, "DeploymentNotFound");
    use_azure(BASE);
    b.config.api_version = "2020-01-01";
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_text("the code", b.response.error.provider_code, "BadRequest");
    use_azure(BASE);
    b.config.api_version = NULL;
    b.request.extra_params = "{\"output_format\":\"webp\"}";
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    use_azure(BASE);
    b.request.extra_params = "{\"response_format\":\"b64_json\"}";
    run();
    expect_text("the code", b.response.error.provider_code, "unknown_parameter");
}

static void test_spellings(void **state) {
    static const char *const names[] = {"azure_openai", "azure-openai", "azure", "Azure_OpenAI"};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(names); i++) {
        use_azure(BASE);
        b.config.provider = names[i];
        run_ok();
        expect_text("the provider", b.response.provider, "azure_openai");
    }
}

static int run_others(void) {
    const struct CMUnitTest tests[] = {TEST(test_address_of_edits),
                                       TEST(test_strict_version),
                                       TEST(test_environment),
                                       TEST(test_resource),
                                       TEST(test_bad_addresses),
                                       TEST(test_token),
                                       TEST(test_token_of_environment),
                                       TEST(test_keys_that_are_no_tokens),
                                       TEST(test_own_header),
                                       TEST(test_echoed_key),
                                       TEST(test_redirects),
                                       TEST(test_mask_pixels),
                                       TEST(test_fetched_input),
                                       TEST(test_webp_is_not_taken),
                                       TEST(test_operations),
                                       TEST(test_stream),
                                       TEST(test_stream_of_an_edit),
                                       TEST(test_stream_that_is_blocked),
                                       TEST(test_reply),
                                       TEST(test_url_reply),
                                       TEST(test_filtered_items),
                                       TEST(test_wait),
                                       TEST(test_retry),
                                       TEST(test_strict_server),
                                       TEST(test_spellings)};
    return cmocka_run_group_tests_name("others", tests, NULL, NULL);
}

int main(void) {
    int failed = 0;
    if (server_start() != 0 || prepare_inputs() != 0) return 1;
    png_and_jpeg[0] = one_png[0];
    png_and_jpeg[1] = one_jpeg[0];
    RUN_ROWS(address_rows, test_address, tear_down);
    RUN_ROWS(body_rows, test_body, tear_down);
    RUN_ROWS(form_rows, test_form, tear_down);
    RUN_ROWS(error_rows, test_error, tear_down);
    failed += run_others();
    server_stop();
    return failed != 0;
}
