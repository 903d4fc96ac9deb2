/* Stability's models at Amazon Bedrock over the wire: JSON, bearer keys, signatures that the server checks. */

#include "wire.h"

#include <curl/curl.h>

#define BEARER         "bedrock-api-key-Secret0123456789"
#define SEED_OF_SERVER 343940597
/* The server's own made-up credentials. */
#define KEY_ID         "AKIATARASHWIRETEST00"
#define KEY_SECRET     "wJalrXUtnFEMI/K7MDENG+bPxRfiCYwiretest00"
#define SESSION_ID     "ASIATARASHWIRETEST00"
#define SESSION_SECRET "Jb3dXUtnFEMI/K7MDENG+bPxRfiCYwiretest01"
#define SESSION_TOKEN  "FwoGZXIvYXdzEWIRE//test+session=token=="
/* A name without anything to escape, which every libcurl signs rightly. */
#define PLAIN_MODEL "stability.plain-name"

static tarash_image_input fox_png[1], pair[2], white_mask;
static char fox_text[8192], style_text[8192], mask_text[8192];

/* ---- inputs -------------------------------------------------------------------------------------------- */

static int fetch_input(tarash_image_input *input, const char *rest, char *text, size_t text_size) {
    char url[256];
    size_t size = 0;
    void *bytes = fetch_url(server_files_url(url, sizeof url, "drawn", rest), &size);
    memory_input(input, bytes, size);
    if (!bytes || size * 4 / 3 + 5 > text_size) return -1;
    encode_base64((const unsigned char *)bytes, size, text);
    return 0;
}

static int prepare_foxes(void) {
    int failed = fetch_input(&fox_png[0], "static/fox/96x64.png", fox_text, sizeof fox_text);
    failed |= fetch_input(&pair[1], "static/style/64x96.webp", style_text, sizeof style_text);
    failed |= fetch_input(&white_mask, "static/mask/96x64.png", mask_text, sizeof mask_text);
    pair[0] = fox_png[0];
    return failed;
}

static void free_foxes(void) {
    free((void *)(uintptr_t)fox_png[0].data);
    free((void *)(uintptr_t)pair[1].data);
    free((void *)(uintptr_t)white_mask.data);
}

static void unset_aws(void) {
    unset_listed(
        "AWS_BEARER_TOKEN_BEDROCK,AWS_ACCESS_KEY_ID,AWS_SECRET_ACCESS_KEY,AWS_SESSION_TOKEN,AWS_REGION,"
        "AWS_DEFAULT_REGION,AWS_ENDPOINT_URL,AWS_ENDPOINT_URL_BEDROCK_RUNTIME");
}

static void use_bedrock(void) {
    unset_aws();
    use("bedrock", "bedrock");
    b.config.api_key = BEARER;
    b.config.retry.initial_ms = b.config.retry.max_ms = 1;
}

static int clean_up(void **state) {
    unset_aws();
    return tear_down(state);
}

#define CLEAN_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, clean_up)

/* ---- requests: one row, one JSON body ------------------------------------------------------------------ */

typedef struct body_row {
    const char *name;
    const char *model;
    const char *options;
    tarash_image_request request;
    const char *sent_model; /* as in the path */
    const char *body;       /* FOX, STYLE and MASK stand for the pictures */
    const char *warnings;
    int has_mask;
    int is_promptless;
} body_row;

#define P         "\"prompt\":\"" PROMPT "\""
#define CORE      "stability.stable-image-core-v1%3A1"
#define SD3       "stability.sd3-5-large-v1%3A0"
#define WITH_FOX  .images = fox_png, .image_count = 1
#define FOX_FIELD "\"image\":\"FOX\""

static const body_row body_rows[] = {
    {.name = "a prompt alone", .sent_model = CORE, .body = "{" P "}"},
    {.name = "core with everything",
     .request = {.negative_prompt = "blur",
                 .aspect_ratio = "16:9",
                 .has_seed = 1,
                 .seed = 42,
                 .output_format = "jpg"},
     .sent_model = CORE,
     .body = "{" P ",\"negative_prompt\":\"blur\",\"aspect_ratio\":\"16:9\",\"seed\":42,"
             "\"output_format\":\"jpeg\"}"},
    {.name = "what core lacks",
     .request = {.style = "anime",
                 .user = "u",
                 .quality = "hd",
                 .size = "1024x1024",
                 .output_format = "webp",
                 .background = "opaque",
                 .output = TARASH_IMAGE_OUTPUT_URL},
     .sent_model = CORE,
     .body = "{" P ",\"aspect_ratio\":\"1:1\"}",
     .warnings = "quality=hd>; style=anime>; background=opaque>; user=u>; output=url>bytes; "
                 "size=1024x1024>1:1; output_format=webp>"},
    {.name = "ultra",
     .model = "stability.stable-image-ultra-v1:1",
     .sent_model = "stability.stable-image-ultra-v1%3A1",
     .body = "{" P "}"},
    {.name = "its provider before the model",
     .model = "bedrock/stability.sd3-5-large-v1:0",
     .sent_model = SD3,
     .body = "{" P "}"},
    {.name = "extra_params",
     .model = "stability.sd3-5-large-v1:0",
     .request = {.extra_params = "{\"mode\":\"text-to-image\",\"prompt\":\"A cat\"}"},
     .sent_model = SD3,
     .body = "{\"prompt\":\"A cat\",\"mode\":\"text-to-image\"}"},
    {.name = "an image goes to the model that takes one",
     .request = {WITH_FOX},
     .options = "{\"strength\":0.7}",
     .sent_model = SD3,
     .body = "{" P "," FOX_FIELD ",\"strength\":0.7,\"mode\":\"image-to-image\"}"},
    {.name = "the strength that there is in any case is a number",
     .model = "stability.sd3-5-large-v1:0",
     .request = {WITH_FOX, .aspect_ratio = "1:1"},
     .sent_model = SD3,
     .body = "{" P "," FOX_FIELD ",\"strength\":0.5,\"mode\":\"image-to-image\"}",
     .warnings = "aspect_ratio=1:1>"},
    {.name = "image to image by its name",
     .options = "{\"operation\":\"image_to_image\"}",
     .request = {WITH_FOX},
     .sent_model = SD3,
     .body = "{" P "," FOX_FIELD ",\"strength\":0.5,\"mode\":\"image-to-image\"}"},
    {.name = "an operation says more than a model",
     .model = "stability.stable-image-core-v1:1",
     .options = "{\"operation\":\"sketch\"}",
     .request = {WITH_FOX},
     .sent_model = "us.stability.stable-image-control-sketch-v1%3A0",
     .body = "{" P "," FOX_FIELD "}",
     .warnings = "model=stability.stable-image-core-v1:1>us.stability.stable-image-control-sketch-v1:0"},
    {.name = "a mask makes it inpainting",
     .request = {WITH_FOX, .style = "anime"},
     .has_mask = 1,
     .sent_model = "us.stability.stable-image-inpaint-v1%3A0",
     .body = "{" P "," FOX_FIELD ",\"mask\":\"MASK\",\"style_preset\":\"anime\"}"},
    {.name = "inpainting of another region stays there",
     .model = "stability.stable-image-inpaint-v1:0",
     .request = {WITH_FOX},
     .has_mask = 1,
     .sent_model = "stability.stable-image-inpaint-v1%3A0",
     .body = "{" P "," FOX_FIELD ",\"mask\":\"MASK\"}"},
    {.name = "and with its operation, too",
     .model = "stability.stable-image-inpaint-v1:0",
     .options = "{\"operation\":\"inpaint\"}",
     .request = {WITH_FOX, .extra_params = "{\"grow_mask\":7}"},
     .has_mask = 1,
     .sent_model = "stability.stable-image-inpaint-v1%3A0",
     .body = "{" P "," FOX_FIELD ",\"mask\":\"MASK\",\"grow_mask\":7}"},
    {.name = "erase",
     .options = "{\"operation\":\"erase\"}",
     .request = {WITH_FOX},
     .has_mask = 1,
     .is_promptless = 1,
     .sent_model = "us.stability.stable-image-erase-object-v1%3A0",
     .body = "{" FOX_FIELD ",\"mask\":\"MASK\"}"},
    {.name = "outpaint",
     .options = "{\"operation\":\"outpaint\"}",
     .request = {WITH_FOX, .extra_params = "{\"left\":64}"},
     .is_promptless = 1,
     .sent_model = "us.stability.stable-outpaint-v1%3A0",
     .body = "{" FOX_FIELD ",\"left\":64}"},
    {.name = "search and replace",
     .options = "{\"operation\":\"search_and_replace\"}",
     .request = {WITH_FOX, .extra_params = "{\"search_prompt\":\"a dog\"}"},
     .sent_model = "us.stability.stable-image-search-replace-v1%3A0",
     .body = "{" P "," FOX_FIELD ",\"search_prompt\":\"a dog\"}"},
    {.name = "search and recolour",
     .options = "{\"operation\":\"search_and_recolor\"}",
     .request = {WITH_FOX, .extra_params = "{\"select_prompt\":\"a dog\"}"},
     .sent_model = "us.stability.stable-image-search-recolor-v1%3A0",
     .body = "{" P "," FOX_FIELD ",\"select_prompt\":\"a dog\"}"},
    {.name = "remove the background",
     .options = "{\"operation\":\"remove_background\"}",
     .request = {WITH_FOX, .output_format = "webp"},
     .is_promptless = 1,
     .sent_model = "us.stability.stable-image-remove-background-v1%3A0",
     .body = "{" FOX_FIELD ",\"output_format\":\"webp\"}"},
    {.name = "sketch",
     .options = "{\"operation\":\"sketch\"}",
     .request = {WITH_FOX, .has_seed = 1, .seed = 3},
     .sent_model = "us.stability.stable-image-control-sketch-v1%3A0",
     .body = "{" P "," FOX_FIELD ",\"seed\":3}"},
    {.name = "structure",
     .options = "{\"operation\":\"structure\"}",
     .request = {WITH_FOX},
     .sent_model = "us.stability.stable-image-control-structure-v1%3A0",
     .body = "{" P "," FOX_FIELD "}"},
    {.name = "style",
     .options = "{\"operation\":\"style\"}",
     .request = {WITH_FOX, .aspect_ratio = "9:16"},
     .sent_model = "us.stability.stable-image-style-guide-v1%3A0",
     .body = "{" P "," FOX_FIELD ",\"aspect_ratio\":\"9:16\"}"},
    {.name = "style transfer",
     .options = "{\"operation\":\"style_transfer\"}",
     .request = {.images = pair, .image_count = 2},
     .is_promptless = 1,
     .sent_model = "us.stability.stable-style-transfer-v1%3A0",
     .body = "{\"init_image\":\"FOX\",\"style_image\":\"STYLE\"}"},
    {.name = "upscale",
     .options = "{\"operation\":\"upscale\"}",
     .request = {WITH_FOX},
     .is_promptless = 1,
     .sent_model = "us.stability.stable-fast-upscale-v1%3A0",
     .body = "{" FOX_FIELD "}"},
    {.name = "upscale conservative",
     .options = "{\"operation\":\"upscale_conservative\"}",
     .request = {WITH_FOX},
     .sent_model = "us.stability.stable-conservative-upscale-v1%3A0",
     .body = "{" P "," FOX_FIELD "}"},
    {.name = "upscale creative",
     .options = "{\"operation\":\"upscale_creative\"}",
     .request = {WITH_FOX},
     .sent_model = "us.stability.stable-creative-upscale-v1%3A0",
     .body = "{" P "," FOX_FIELD "}"},
    {.name = "a model that takes no prompt",
     .model = "us.stability.stable-fast-upscale-v1:0",
     .request = {WITH_FOX},
     .is_promptless = 1,
     .sent_model = "us.stability.stable-fast-upscale-v1%3A0",
     .body = "{" FOX_FIELD "}"},
    {.name = "the same without its part of the world",
     .model = "stability.stable-fast-upscale-v1:0",
     .request = {WITH_FOX},
     .sent_model = "stability.stable-fast-upscale-v1%3A0",
     .body = "{" FOX_FIELD "}",
     .warnings = "prompt=" PROMPT ">"},
};

/* The row's body with the pictures in it. */
static char *filled_body(const char *body) {
    static const struct {
        const char *word, *text;
    } words[] = {{"\"FOX\"", fox_text}, {"\"STYLE\"", style_text}, {"\"MASK\"", mask_text}};
    char *out = (char *)calloc(1, 32768), *end = out;
    size_t i;
    assert_non_null(out);
    while (*body) {
        for (i = 0; i < COUNT(words) && strncmp(body, words[i].word, strlen(words[i].word)) != 0; i++)
            continue;
        if (i == COUNT(words)) {
            *end++ = *body++;
            continue;
        }
        end += sprintf(end, "\"%s\"", words[i].text);
        body += strlen(words[i].word);
    }
    return out;
}

static void expect_bedrock_headers(const cJSON *entry) {
    static const char *const names[] = {"Host",         "User-Agent",     "Accept",       "Accept-Encoding",
                                        "Content-Type", "Content-Length", "Authorization"};
    expect_header_names(entry, names, COUNT(names));
    expect_header(entry, "Accept", "application/json");
    expect_header(entry, "Content-Type", "application/json");
    expect_header(entry, "Authorization", "Bearer " BEARER);
}

static void check_body(void **state) {
    const body_row *row = (const body_row *)*state;
    char path[256], *body;
    use_bedrock();
    b.config.model = row->model;
    b.config.provider_config = row->options;
    b.request = row->request;
    b.request.prompt = row->is_promptless ? NULL : PROMPT;
    if (row->has_mask) b.request.mask = white_mask;
    run_ok();
    expect_text("the method", log_text(only_request(), "method"), "POST");
    snprintf(path, sizeof path, "bedrock/model/%s/invoke", row->sent_model);
    expect_path(only_request(), path);
    expect_bedrock_headers(only_request());
    body = filled_body(row->body);
    expect_json(only_request(), body);
    free(body);
    expect_warnings(row->warnings);
    assert_int_equal(b.response.image_count, 1);
    assert_true(b.response.images[0].has_seed);
}

/* ---- what is refused before anything is sent ----------------------------------------------------------- */

typedef struct refusal_row {
    const char *name;
    const char *model;
    const char *options;
    const char *api_key;
    tarash_image_request request;
    tarash_image_result result;
    const char *message;
} refusal_row;

static const refusal_row refusal_rows[] = {
    {.name = "core takes no images",
     .model = "stability.stable-image-core-v1:1",
     .request = {WITH_FOX},
     .result = TARASH_IMAGE_ERROR_UNSUPPORTED,
     .message = "images"},
    {.name = "nor does it by the operation's name",
     .model = "stability.stable-image-core-v1:1",
     .options = "{\"operation\":\"image_to_image\"}",
     .request = {WITH_FOX},
     .result = TARASH_IMAGE_ERROR_UNSUPPORTED,
     .message = "images"},
    {.name = "Amazon's own models",
     .model = "amazon.nova-canvas-v1:0",
     .result = TARASH_IMAGE_ERROR_UNSUPPORTED,
     .message = "Stability"},
    {.name = "what only Stability itself has",
     .options = "{\"operation\":\"relight\"}",
     .request = {WITH_FOX},
     .result = TARASH_IMAGE_ERROR_UNSUPPORTED,
     .message = "operation"},
    {.name = "a region that would lead elsewhere",
     .options = "{\"region\":\"evil.example/\"}",
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "region"},
    {.name = "half a pair",
     .api_key = KEY_ID ":",
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "api_key"},
    {.name = "too large a seed",
     .request = {.has_seed = 1, .seed = 4294967295},
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "seed"},
};

static void check_refusal(void **state) {
    const refusal_row *row = (const refusal_row *)*state;
    use_bedrock();
    if (row->api_key) b.config.api_key = row->api_key;
    b.config.model = row->model;
    b.config.provider_config = row->options;
    b.request = row->request;
    b.request.prompt = PROMPT;
    run_with(NULL);
    expect(row->result);
    expect_in("the message", b.response.error.message, row->message);
    assert_int_equal(requests(), 0);
}

/* ---- keys and regions ---------------------------------------------------------------------------------- */

/* Does the libcurl at hand encode a signed path as AWS does? */
static int signs_any_path(void) {
    return curl_version_info(CURLVERSION_NOW)->version_num >= 0x080E00;
}

static void expect_scope(const cJSON *entry, const char *id, const char *region) {
    char credential[128], scope[128];
    snprintf(credential, sizeof credential, "AWS4-HMAC-SHA256 Credential=%s/20", id);
    snprintf(scope, sizeof scope, "/%s/bedrock/aws4_request", region);
    expect_in("Authorization", log_header(entry, "Authorization"), credential);
    expect_in("Authorization", log_header(entry, "Authorization"), scope);
}

/* The server calculates the signature anew, over path, headers and body. */
static void test_signed_request(void **state) {
    static const char *const names[] = {"Host",         "User-Agent",     "Accept",        "Accept-Encoding",
                                        "Content-Type", "Content-Length", "Authorization", "X-Amz-Date"};
    (void)state;
    use_bedrock();
    b.config.api_key = KEY_ID ":" KEY_SECRET;
    b.config.model = PLAIN_MODEL;
    b.config.provider_config = "{\"region\":\"eu-central-1\"}";
    run_with(KEY_SECRET);
    expect(TARASH_IMAGE_OK);
    expect_header_names(only_request(), names, COUNT(names));
    expect_scope(only_request(), KEY_ID, "eu-central-1");
    expect_json(only_request(), "{" P "}");
    expect_in("Authorization", log_header(only_request(), "Authorization"),
              "SignedHeaders=accept;content-type;host;x-amz-date");
    assert_false(log_contains(b.log, KEY_SECRET));
}

static void test_signed_session(void **state) {
    (void)state;
    use_bedrock();
    b.config.api_key = SESSION_ID ":" SESSION_SECRET ":" SESSION_TOKEN;
    b.config.model = PLAIN_MODEL;
    run_with(SESSION_SECRET);
    expect(TARASH_IMAGE_OK);
    check_secret(SESSION_TOKEN);
    expect_scope(only_request(), SESSION_ID, "us-west-2");
    expect_header(only_request(), "X-Amz-Security-Token", SESSION_TOKEN);
    expect_in("Authorization", log_header(only_request(), "Authorization"), ";x-amz-security-token");
}

/* The signature covers the body, input images and all. */
static void test_signed_images(void **state) {
    (void)state;
    use_bedrock();
    b.config.api_key = KEY_ID ":" KEY_SECRET;
    b.config.model = PLAIN_MODEL;
    b.request.images = fox_png;
    b.request.image_count = 1;
    b.request.extra_params = "{\"mode\":\"image-to-image\",\"strength\":0.4}";
    run_with(KEY_SECRET);
    expect(TARASH_IMAGE_OK);
    expect_text("the image", log_text(only_request(), "json.image"), fox_text);
}

/* A body that libcurl would announce with Expect: 100-continue. */
static void test_signed_long_body(void **state) {
    static char prompt[9000];
    (void)state;
    memset(prompt, 'x', sizeof prompt - 1);
    use_bedrock();
    b.config.api_key = KEY_ID ":" KEY_SECRET;
    b.config.model = PLAIN_MODEL;
    b.request.prompt = prompt;
    run_with(KEY_SECRET);
    expect(TARASH_IMAGE_OK);
    expect_no_header(only_request(), "Expect");
}

/* With a path to escape, an old libcurl can't sign: then nothing is sent, and the way out is told. */
static void test_signed_path(void **state) {
    (void)state;
    use_bedrock();
    b.config.api_key = KEY_ID ":" KEY_SECRET;
    run_with(KEY_SECRET);
    if (signs_any_path()) {
        expect(TARASH_IMAGE_OK);
        expect_path(only_request(), "bedrock/model/" CORE "/invoke");
        return;
    }
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    expect_in("the message", b.response.error.message, "8.14");
    expect_in("the message", b.response.error.message, "bearer");
    assert_int_equal(requests(), 0);
}

static void test_wrong_signatures(void **state) {
    (void)state;
    use_bedrock();
    b.config.model = PLAIN_MODEL;
    b.config.api_key = KEY_ID ":not-the-secret-0123";
    run_with("not-the-secret-0123");
    expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
    expect_text("the code", b.response.error.provider_code, "InvalidSignatureException");
    b.config.api_key = "AKIANOBODYKNOWSTHIS0:some-secret-0123";
    run_with("some-secret-0123");
    expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
    expect_text("the code", b.response.error.provider_code, "UnrecognizedClientException");
    b.config.api_key = SESSION_ID ":" SESSION_SECRET ":expired-token-0123";
    run_with("expired-token-0123");
    expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
    assert_int_equal(requests(), 3);
}

static void test_keys_from_environment(void **state) {
    (void)state;
    use_bedrock();
    b.config.api_key = NULL;
    b.config.model = PLAIN_MODEL;
    run_with(NULL);
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "AWS_BEARER_TOKEN_BEDROCK");
    setenv("AWS_ACCESS_KEY_ID", SESSION_ID, 1);
    run_with(NULL);
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    setenv("AWS_SECRET_ACCESS_KEY", SESSION_SECRET, 1);
    setenv("AWS_SESSION_TOKEN", SESSION_TOKEN, 1);
    setenv("AWS_DEFAULT_REGION", "ap-south-1", 1);
    run_with(SESSION_SECRET);
    expect(TARASH_IMAGE_OK);
    expect_scope(log_entry(b.log, -1), SESSION_ID, "ap-south-1");
    setenv("AWS_REGION", "eu-west-3", 1);
    run_with(SESSION_SECRET);
    expect_scope(log_entry(b.log, -1), SESSION_ID, "eu-west-3");
    setenv("AWS_ACCESS_KEY_ID", KEY_ID, 1);
    setenv("AWS_SECRET_ACCESS_KEY", KEY_SECRET, 1);
    unsetenv("AWS_SESSION_TOKEN");
    run_with(KEY_SECRET);
    expect(TARASH_IMAGE_OK);
    expect_no_header(log_entry(b.log, -1), "X-Amz-Security-Token");
    setenv("AWS_BEARER_TOKEN_BEDROCK", BEARER, 1);
    run_with(BEARER);
    expect_header(log_entry(b.log, -1), "Authorization", "Bearer " BEARER);
}

/* The address, from the region; a plan says where a request would go. */
static void expect_address(const char *address) {
    tarash_image_text plan;
    assert_int_equal(tarash_image_plan(b.client, &b.config, &b.request, &plan), TARASH_IMAGE_OK);
    expect_in("the plan", plan.data, address);
    if (strstr(plan.data, BEARER)) fail_msg("the plan gives away the key");
    tarash_image_text_free(&plan);
}

static void test_addresses(void **state) {
    (void)state;
    use_bedrock();
    b.config.base_url = NULL;
    expect_address("https://bedrock-runtime.us-west-2.amazonaws.com/model/" CORE "/invoke");
    b.config.provider_config = "{\"region\":\"us-east-1\"}";
    expect_address("https://bedrock-runtime.us-east-1.amazonaws.com/model/");
    b.config.provider_config = "{\"region\":\"cn-north-1\"}";
    expect_address("https://bedrock-runtime.cn-north-1.amazonaws.com.cn/model/");
    b.config.provider_config = NULL;
    setenv("AWS_REGION", "eu-west-1", 1);
    expect_address("https://bedrock-runtime.eu-west-1.amazonaws.com/model/");
    setenv("AWS_ENDPOINT_URL", "https://everything.example", 1);
    expect_address("https://everything.example/model/");
    setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "https://bedrock.example/", 1);
    expect_address("https://bedrock.example/model/");
}

/* A plan of a signed request shows neither secret nor session. */
static void test_plan_of_signed(void **state) {
    tarash_image_text plan;
    (void)state;
    use_bedrock();
    b.config.base_url = NULL;
    b.config.api_key = SESSION_ID ":" SESSION_SECRET ":" SESSION_TOKEN;
    b.config.model = PLAIN_MODEL;
    assert_int_equal(tarash_image_plan(b.client, &b.config, &b.request, &plan), TARASH_IMAGE_OK);
    assert_null(strstr(plan.data, SESSION_SECRET));
    assert_null(strstr(plan.data, SESSION_TOKEN));
    tarash_image_text_free(&plan);
}

/* The region that signs is that of the address, where nothing else says one. */
static const char *region_of(tarimg_link *link, const char *base_url) {
    link->base_url = base_url;
    return tarimg_bedrock_region(link);
}

static void test_region_of_address(void **state) {
    tarimg_link link;
    tarimg_arena arena;
    tarash_image_allocator allocator;
    counting_allocator counted;
    (void)state;
    memset(&link, 0, sizeof link);
    memset(&counted, 0, sizeof counted);
    allocator = counting_allocator_functions(&counted);
    tarimg_arena_init(&arena, &allocator, 0);
    link.arena = &arena;
    expect_text("the region", region_of(&link, "https://bedrock-runtime.eu-west-1.amazonaws.com"),
                "eu-west-1");
    expect_text("the region", region_of(&link, "https://bedrock-runtime-fips.us-east-2.amazonaws.com"),
                "us-east-2");
    expect_text("the region", region_of(&link, "https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com"),
                "us-east-1");
    expect_text("the region", region_of(&link, "https://gateway.example/bedrock-runtime"), "us-west-2");
    expect_text("the region", region_of(&link, "https://gw.example/bedrock-runtime/v1.0"), "us-west-2");
    expect_text("the region", region_of(&link, NULL), "us-west-2");
    tarimg_arena_free(&arena);
}

/* ---- replies ------------------------------------------------------------------------------------------- */

static void test_reply(void **state) {
    (void)state;
    use_bedrock();
    b.request.prompt = "fox";
    b.request.has_seed = 1;
    b.request.seed = 5;
    run_ok();
    expect_drawn(&b.response.images[0], "fox", "1024x1024");
    assert_int_equal(b.response.images[0].seed, 5);
    expect_text("the metadata", b.response.provider_metadata, "{\"finish_reasons\":[null]}");
    expect_text("the model", b.response.model, "stability.stable-image-core-v1:1");
    expect_text("the raw reply's end", strstr(b.response.raw_response, "\"seeds\"") ? "there" : NULL,
                "there");
}

static void test_several_images(void **state) {
    (void)state;
    use_bedrock();
    b.request.n = 2;
    b.request.has_seed = 1;
    b.request.seed = 8;
    run_ok();
    assert_int_equal(requests(), 2);
    assert_int_equal(b.response.images[0].seed, 8);
    assert_int_equal(b.response.images[1].seed, 9);
}

static void test_filtered(void **state) {
    static const char *const variants[] = {"true", "\"items\"", "\"http\""};
    size_t i;
    (void)state;
    use_bedrock();
    for (i = 0; i < COUNT(variants); i++) {
        assert_int_equal(control_scriptf(b.session, "[{\"moderation\":%s}]", variants[i]), 0);
        run();
        expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
        assert_int_equal(b.response.error.retryable, 0);
        assert_int_equal(b.response.image_count, 0);
    }
    assert_int_equal(requests(), 3);
}

static void test_odd_replies(void **state) {
    static const struct {
        const char *body;
        tarash_image_result result;
        const char *code;
    } rows[] = {
        {"{\"finish_reasons\":[\"Filter reason: input image\"],\"images\":[\"AAAA\"]}",
         TARASH_IMAGE_ERROR_CONTENT_MODERATION, "Filter reason: input image"},
        {"{\"finish_reasons\":[\"Inference error\"],\"images\":[\"\"],\"seeds\":[1]}",
         TARASH_IMAGE_ERROR_GENERATION_FAILED, "Inference error"},
        {"{\"finish_reasons\":[null],\"images\":[]}", TARASH_IMAGE_ERROR_GENERATION_FAILED, ""},
        {"{\"finish_reasons\":[null],\"images\":[7,null,{}]}", TARASH_IMAGE_ERROR_GENERATION_FAILED, ""},
        {"{\"finish_reasons\":7,\"images\":7,\"seeds\":7,\"status\":7}", TARASH_IMAGE_ERROR_BAD_RESPONSE, ""},
        {"{}", TARASH_IMAGE_ERROR_BAD_RESPONSE, ""},
        {"[]", TARASH_IMAGE_ERROR_BAD_RESPONSE, ""},
    };
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        use_bedrock();
        assert_int_equal(control_scriptf(b.session, "[{\"status\":200,\"body\":%s}]", rows[i].body), 0);
        run();
        if (b.result != rows[i].result) print_error("%s\n", rows[i].body);
        expect(rows[i].result);
        expect_text("the code", b.response.error.provider_code, rows[i].code);
    }
}

/* Where images go in the tests of refused ones: counted, and thrown away. */
typedef struct counting_sink {
    int opened, closed, aborted;
} counting_sink;

static int count_open(void *user_data, size_t index, const char *mime_type, void **stream) {
    (void)index;
    (void)mime_type;
    *stream = user_data;
    return ((counting_sink *)user_data)->opened++, 0;
}

static int count_write(void *user_data, void *stream, const void *data, size_t size) {
    (void)user_data;
    (void)stream;
    (void)data;
    (void)size;
    return 0;
}

static int count_close(void *user_data, void *stream) {
    (void)stream;
    return ((counting_sink *)user_data)->closed++, 0;
}

static void count_abort(void *user_data, void *stream) {
    (void)stream;
    ((counting_sink *)user_data)->aborted++;
}

static tarash_image_sink sink_of(counting_sink *counts) {
    tarash_image_sink sink;
    memset(&sink, 0, sizeof sink);
    memset(counts, 0, sizeof *counts);
    sink.open_fn = count_open;
    sink.write_fn = count_write;
    sink.close_fn = count_close;
    sink.abort_fn = count_abort;
    sink.user_data = counts;
    return sink;
}

/* No sink sees a picture that was refused: the reasons may stand behind the images. */
static void test_filtered_image_and_sink(void **state) {
    char body[4096] = "[{\"status\":200,\"body\":\"{\\\"images\\\":[\\\"";
    counting_sink counts;
    tarash_image_sink sink = sink_of(&counts);
    (void)state;
    use_bedrock();
    b.request.sink = &sink;
    encode_base64(tiny_png, tiny_png_size, body + strlen(body));
    append_text(body, sizeof body, "\\\"],\\\"finish_reasons\\\":[\\\"Filter reason: output image\\\"]}\"}]");
    script(body);
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    assert_int_equal(counts.opened, 0);
    run_ok();
    assert_int_equal(counts.closed, 1);
}

/* ---- errors -------------------------------------------------------------------------------------------- */

typedef struct error_row {
    const char *name;
    int status;
    const char *type; /* of the header, or NULL */
    const char *body;
    tarash_image_result result;
    const char *code;
} error_row;

#define MESSAGE "{\"message\":\"It went wrong\"}"

static const error_row error_rows[] = {
    {"error: ValidationException", 400, "ValidationException:http://internal.amazon.com/coral/", MESSAGE,
     TARASH_IMAGE_ERROR_VALIDATION, "ValidationException"},
    {"error: content is a ValidationException, too", 400, "ValidationException",
     "{\"message\":\"This request has been blocked by our content filters.\"}",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, "ValidationException"},
    {"error: AccessDeniedException", 403, "AccessDeniedException", MESSAGE, TARASH_IMAGE_ERROR_AUTHENTICATION,
     "AccessDeniedException"},
    {"error: ExpiredTokenException", 400, "ExpiredTokenException", MESSAGE, TARASH_IMAGE_ERROR_AUTHENTICATION,
     "ExpiredTokenException"},
    {"error: ServiceQuotaExceededException", 400, "ServiceQuotaExceededException", MESSAGE,
     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, "ServiceQuotaExceededException"},
    {"error: ThrottlingException", 429, "ThrottlingException", MESSAGE, TARASH_IMAGE_ERROR_RATE_LIMITED,
     "ThrottlingException"},
    {"error: ModelNotReadyException", 429, "ModelNotReadyException", MESSAGE, TARASH_IMAGE_ERROR_RATE_LIMITED,
     "ModelNotReadyException"},
    {"error: ModelTimeoutException", 408, "ModelTimeoutException", MESSAGE, TARASH_IMAGE_ERROR_TIMEOUT,
     "ModelTimeoutException"},
    {"error: ModelErrorException", 424, "ModelErrorException", MESSAGE, TARASH_IMAGE_ERROR_GENERATION_FAILED,
     "ModelErrorException"},
    {"error: ResourceNotFoundException", 404, "ResourceNotFoundException", MESSAGE, TARASH_IMAGE_ERROR_HTTP,
     "ResourceNotFoundException"},
    {"error: InternalServerException", 500, "InternalServerException", MESSAGE, TARASH_IMAGE_ERROR_HTTP,
     "InternalServerException"},
    {"error: ServiceUnavailableException", 503, "ServiceUnavailableException", MESSAGE,
     TARASH_IMAGE_ERROR_HTTP, "ServiceUnavailableException"},
    {"error: a type in the body", 400, NULL,
     "{\"__type\":\"com.amazon.coral.service#ExpiredTokenException\",\"message\":\"It went wrong\"}",
     TARASH_IMAGE_ERROR_AUTHENTICATION, "ExpiredTokenException"},
    {"error: no type at all", 403, NULL, MESSAGE, TARASH_IMAGE_ERROR_AUTHENTICATION, ""},
};

static void check_error(void **state) {
    const error_row *row = (const error_row *)*state;
    char headers[256] = "{}";
    use_bedrock();
    if (row->type) snprintf(headers, sizeof headers, "{\"x-amzn-ErrorType\":\"%s\"}", row->type);
    assert_int_equal(control_scriptf(b.session, "[{\"status\":%d,\"body\":%s,\"headers\":%s}]", row->status,
                                     row->body, headers),
                     0);
    run();
    expect(row->result);
    assert_int_equal(b.response.error.http_status, row->status);
    expect_text("the code", b.response.error.provider_code, row->code);
    if (strcmp(row->body, MESSAGE) == 0) expect_in("the message", b.response.error.message, "It went wrong");
    assert_int_equal(requests(), 1);
}

/* Bedrock's words, and the key that they repeat. */
static void test_errors_of_server(void **state) {
    (void)state;
    use_bedrock();
    b.config.api_key = "bedrock-api-key-bad-Secret0123";
    run();
    expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
    expect_text("the code", b.response.error.provider_code, "AccessDeniedException");
    b.config.api_key = BEARER;
    b.config.model = "stability.no-such-model-v9:9";
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_path(log_entry(b.log, -1), "bedrock/model/stability.no-such-model-v9%3A9/invoke");
    b.config.model = "arn:aws:bedrock:us-west-2:1234:inference-profile/us.stability.x";
    run();
    expect_path(
        log_entry(b.log, -1),
        "bedrock/model/arn%3Aaws%3Abedrock%3Aus-west-2%3A1234%3Ainference-profile%2Fus.stability.x/invoke");
}

/* A signed request that is tried again has a signature of its own. */
static void test_retry_of_signed(void **state) {
    (void)state;
    use_bedrock();
    b.config.api_key = KEY_ID ":" KEY_SECRET;
    b.config.model = PLAIN_MODEL;
    b.config.max_retries = 1;
    script("[{\"status\":429}]");
    run_with(KEY_SECRET);
    expect(TARASH_IMAGE_OK);
    assert_int_equal(requests(), 2);
}

/* A signature is no permission to follow: nothing of it may reach another place. */
static void test_signed_redirect(void **state) {
    (void)state;
    use_bedrock();
    b.config.api_key = SESSION_ID ":" SESSION_SECRET ":" SESSION_TOKEN;
    b.config.model = PLAIN_MODEL;
    script("[{\"redirect\":{\"status\":307,\"to\":\"{FILES}/f/{SESSION}/static/4x4.png\"}}]");
    run_with(SESSION_SECRET);
    assert_int_not_equal(b.result, TARASH_IMAGE_OK);
    assert_int_equal(requests(), 1);
}

/* Any allocation may fail: the call then says so, and leaves nothing behind. */
static void test_out_of_memory(void **state) {
    static const char *const options[] = {NULL, "{\"strength\":0.5,\"region\":\"eu-west-1\"}",
                                          "{\"operation\":\"inpaint\"}"};
    size_t at, total, row;
    (void)state;
    use_bedrock();
    for (row = 0; row < COUNT(options); row++) {
        for (at = 0, total = 0; at <= total; at++) {
            size_t calls;
            counting_allocator memory;
            tarash_image_client_desc desc;
            tarash_image_client *client;
            memset(&memory, 0, sizeof memory);
            memset(&desc, 0, sizeof desc);
            desc.allocator = counting_allocator_functions(&memory);
            client = tarash_image_client_create(&desc);
            assert_non_null(client);
            if (at) memory.fail_at = memory.calls + at;
            b.config.provider_config = options[row];
            b.request.images = row ? fox_png : NULL;
            b.request.image_count = row ? 1 : 0;
            script("[{\"jobs\":{\"polls\":1},\"image_result\":{\"size\":\"8x8\"}}]");
            calls = memory.calls;
            b.result = tarash_image_generate(client, &b.config, &b.request, &b.response);
            calls = memory.calls - calls;
            if (at == 0) {
                expect(TARASH_IMAGE_OK);
                total = calls;
            }
            if (b.result != TARASH_IMAGE_OK) expect(TARASH_IMAGE_ERROR_OUT_OF_MEMORY);
            tarash_image_response_free(&b.response);
            tarash_image_client_destroy(client);
            assert_int_equal(memory.live_blocks, 0);
        }
    }
}

static int run_others(void) {
    static const struct CMUnitTest tests[] = {CLEAN_TEST(test_signed_request),
                                              CLEAN_TEST(test_signed_session),
                                              CLEAN_TEST(test_signed_images),
                                              CLEAN_TEST(test_signed_long_body),
                                              CLEAN_TEST(test_signed_path),
                                              CLEAN_TEST(test_wrong_signatures),
                                              CLEAN_TEST(test_keys_from_environment),
                                              CLEAN_TEST(test_addresses),
                                              CLEAN_TEST(test_plan_of_signed),
                                              CLEAN_TEST(test_region_of_address),
                                              CLEAN_TEST(test_reply),
                                              CLEAN_TEST(test_several_images),
                                              CLEAN_TEST(test_filtered),
                                              CLEAN_TEST(test_odd_replies),
                                              CLEAN_TEST(test_filtered_image_and_sink),
                                              CLEAN_TEST(test_errors_of_server),
                                              CLEAN_TEST(test_out_of_memory),
                                              CLEAN_TEST(test_retry_of_signed),
                                              CLEAN_TEST(test_signed_redirect)};
    return cmocka_run_group_tests_name("others", tests, NULL, NULL);
}

int main(void) {
    int failed = 0;
    if (server_start() != 0 || prepare_inputs() != 0 || prepare_foxes() != 0) return 1;
    RUN_ROWS(body_rows, check_body, clean_up);
    RUN_ROWS(refusal_rows, check_refusal, clean_up);
    RUN_ROWS(error_rows, check_error, clean_up);
    failed += run_others();
    server_stop();
    free_foxes();
    return failed != 0;
}
