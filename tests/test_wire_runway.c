/* Runway's tasks: what goes out, byte for byte in meaning, and what is made of each answer. */

#include "wire_jobs.h"

#define QUICK  "[{\"jobs\":{\"polls\":0},\"image_result\":{\"size\":\"8x8\"},\"times\":-1}]"
#define HEAD   "{\"model\":\"gen4_image\",\"promptText\":\"" PROMPT "\",\"ratio\":"
#define TASK   "17f20503-6c24-4c16-946b-000000000001"
#define SQUARE HEAD "\"1024:1024\"}"

/* ---- pictures in bodies: {PNG}, {JPEG} and {WEBP} stand for data: URLs ---- */

static char jpeg_url[2048], webp_url[2048];

static void prepare_data_urls(void) {
    strcpy(jpeg_url, "data:image/jpeg;base64,");
    encode_base64(tiny_jpeg, tiny_jpeg_size, jpeg_url + strlen(jpeg_url));
    strcpy(webp_url, "data:image/webp;base64,");
    encode_base64(tiny_webp, tiny_webp_size, webp_url + strlen(webp_url));
}

static const char *with_pictures(const char *body) {
    static char text[16384];
    snprintf(text, sizeof text, "%s", body);
    replace_all(text, sizeof text, "{PNG}", data_url);
    replace_all(text, sizeof text, "{JPEG}", jpeg_url);
    replace_all(text, sizeof text, "{WEBP}", webp_url);
    return text;
}

/* ---- requests ---- */

typedef struct request_row {
    const char *name;
    const char *model;
    const char *options; /* provider_config */
    tarash_image_request request;
    const char *path; /* (default: text_to_image) */
    const char *body;
    const char *warnings;
    int calls; /* (default: 1) */
} request_row;

static tarash_image_input by_url[2], pixels[1];
static const unsigned char two_pixels[] = {255, 0, 0, 0, 0, 255};

static const request_row request_rows[] = {
    {.name = "runway: the least", .body = SQUARE},
    {.name = "runway: an empty model is the default", .model = "runway/gen4_image", .body = SQUARE},
    {.name = "runway: size and seed",
     .request = {.size = "1920x1080", .has_seed = 1, .seed = 4294967295},
     .body = HEAD "\"1920:1080\",\"seed\":4294967295}"},
    {.name = "runway: seed 0 is a seed",
     .request = {.has_seed = 1},
     .body = HEAD "\"1024:1024\",\"seed\":0}"},
    {.name = "runway: the nearest size",
     .request = {.size = "1000x1000"},
     .body = SQUARE,
     .warnings = "size=1000x1000>1024x1024"},
    {.name = "runway: auto is the default",
     .request = {.size = "auto", .aspect_ratio = "auto"},
     .body = SQUARE},
    {.name = "runway: a ratio is a listed pair",
     .request = {.aspect_ratio = "16:9"},
     .body = HEAD "\"1280:720\"}",
     .warnings = "aspect_ratio=16:9>1280x720"},
    {.name = "runway: a ratio of gemini",
     .model = "gemini_2.5_flash",
     .request = {.aspect_ratio = "16:9"},
     .body = "{\"model\":\"gemini_2.5_flash\",\"promptText\":\"" PROMPT "\",\"ratio\":\"1344:768\"}",
     .warnings = "aspect_ratio=16:9>1344x768"},
    {.name = "runway: a portrait of gemini 3.1",
     .model = "gemini_image3.1_flash",
     .request = {.size = "1408x11264"},
     .body = "{\"model\":\"gemini_image3.1_flash\",\"promptText\":\"" PROMPT "\",\"ratio\":\"1408:11264\"}"},
    {.name = "runway: what gen4 lacks",
     .request = {.negative_prompt = "blur",
                 .quality = "high",
                 .style = "vivid",
                 .output_format = "webp",
                 .background = "opaque",
                 .user = "u",
                 .partial_images = 1},
     .body = SQUARE,
     .warnings = "negative_prompt=blur>; quality=high>; style=vivid>; output_format=webp>; "
                 "background=opaque>; user=u>; partial_images=1>"},
    {.name = "runway: n is split", .request = {.n = 3}, .calls = 3, .body = SQUARE},
    {.name = "runway: gpt, all options",
     .model = "gpt_image_2_5_sunburst",
     .request = {.n = 2, .size = "1920x1280", .quality = "xhigh", .background = "transparent"},
     .body = "{\"model\":\"gpt_image_2_5_sunburst\",\"promptText\":\"" PROMPT
             "\",\"ratio\":\"1920:1280\",\"outputCount\":2,\"quality\":\"xhigh\",\"background\":"
             "\"transparent\"}"},
    {.name = "runway: gpt decides itself",
     .model = "gpt_image_2",
     .request = {.quality = "hd"},
     .body =
         "{\"model\":\"gpt_image_2\",\"promptText\":\"" PROMPT "\",\"ratio\":\"auto\",\"quality\":\"high\"}",
     .warnings = "quality=hd>high"},
    {.name = "runway: flare has no transparency, and no seed",
     .model = "gpt_image_2_5_flare",
     .request = {.background = "transparent", .has_seed = 1, .seed = 5, .size = "auto"},
     .body = "{\"model\":\"gpt_image_2_5_flare\",\"promptText\":\"" PROMPT "\",\"ratio\":\"auto\"}",
     .warnings = "seed=5>; background=transparent>"},
    {.name = "runway: more than one call makes",
     .model = "gpt_image_2",
     .request = {.n = 10},
     .body =
         "{\"model\":\"gpt_image_2\",\"promptText\":\"" PROMPT "\",\"ratio\":\"auto\",\"outputCount\":10}"},
    {.name = "runway: seedream",
     .model = "seedream5_pro",
     .request = {.n = 2, .output_format = "jpg", .size = "auto"},
     .body = "{\"model\":\"seedream5_pro\",\"promptText\":\"" PROMPT
             "\",\"ratio\":\"auto_1k\",\"outputCount\":2,\"outputFormat\":\"jpeg\"}"},
    {.name = "runway: seedream lite",
     .model = "seedream5_lite",
     .request = {.output_format = "webp"},
     .body = "{\"model\":\"seedream5_lite\",\"promptText\":\"" PROMPT "\",\"ratio\":\"2048:2048\"}",
     .warnings = "output_format=webp>"},
    {.name = "runway: muse",
     .model = "muse_image",
     .request = {.output_format = "webp", .size = "1600x1600"},
     .body = "{\"model\":\"muse_image\",\"promptText\":\"" PROMPT
             "\",\"ratio\":\"1600:1600\",\"outputFormat\":\"webp\"}"},
    {.name = "runway: grok, its quality words",
     .model = "grok_imagine_image_2",
     .request = {.quality = "high"},
     .body = "{\"model\":\"grok_imagine_image_2\",\"promptText\":\"" PROMPT
             "\",\"ratio\":\"auto_1k\",\"quality\":\"medium\"}",
     .warnings = "quality=high>medium"},
    {.name = "runway: grok, references and an edit",
     .model = "grok_imagine_image_2",
     .options = "{\"operation\":\"edit\"}",
     .request = {.images = one_png, .image_count = 1},
     .body = "{\"model\":\"grok_imagine_image_2\",\"promptText\":\"" PROMPT
             "\",\"ratio\":\"auto_1k\",\"referenceImages\":[{\"uri\":\"{PNG}\"}],\"edit\":true}"},
    {.name = "runway: an edit of gen4 is a reference",
     .options = "{\"operation\":\"edit\"}",
     .request = {.images = one_png, .image_count = 1},
     .body = HEAD "\"1024:1024\",\"referenceImages\":[{\"uri\":\"{PNG}\"}]}"},
    {.name = "runway: references from memory",
     .options = "{\"operation\":\"generate\"}",
     .request = {.images = three, .image_count = 3},
     .body = HEAD "\"1024:1024\",\"referenceImages\":[{\"uri\":\"{PNG}\"},{\"uri\":\"{JPEG}\"},{\"uri\":"
                  "\"{WEBP}\"}]}"},
    {.name = "runway: a reference by URL",
     .request = {.images = by_url, .image_count = 2},
     .options = "{\"tags\":[\"hero\",null]}",
     .body =
         HEAD "\"1024:1024\",\"referenceImages\":[{\"uri\":\"https://example.com/a.png\",\"tag\":\"hero\"},"
              "{\"uri\":\"https://example.com/b.jpg?x=1&y=2\"}]}"},
    {.name = "runway: a reference by path",
     .request = {.images = by_path, .image_count = 1},
     .options = "{\"tags\":[\"Hero_2\"]}",
     .body = HEAD "\"1024:1024\",\"referenceImages\":[{\"uri\":\"{PNG}\",\"tag\":\"Hero_2\"}]}"},
    {.name = "runway: a reference that is a data: URL",
     .request = {.images = as_data_url, .image_count = 1},
     .body = HEAD "\"1024:1024\",\"referenceImages\":[{\"uri\":\"{PNG}\"}]}"},
    {.name = "runway: turbo with its reference",
     .model = "gen4_image_turbo",
     .request = {.images = one_jpeg, .image_count = 1, .has_seed = 1, .seed = 3},
     .body = "{\"model\":\"gen4_image_turbo\",\"promptText\":\"" PROMPT
             "\",\"ratio\":\"1024:1024\",\"seed\":3,\"referenceImages\":[{\"uri\":\"{JPEG}\"}]}"},
    {.name = "runway: subjects",
     .model = "gemini_image3_pro",
     .options = "{\"tags\":[null,\"car\"],\"subjects\":[\"human\",\"object\"]}",
     .request = {.images = three, .image_count = 2},
     .body = "{\"model\":\"gemini_image3_pro\",\"promptText\":\"" PROMPT
             "\",\"ratio\":\"1024:1024\",\"referenceImages\":[{\"uri\":\"{PNG}\",\"subject\":\"human\"},"
             "{\"uri\":\"{JPEG}\",\"tag\":\"car\",\"subject\":\"object\"}]}"},
    {.name = "runway: tags where none are taken",
     .model = "muse_image",
     .options = "{\"tags\":[\"hero\"],\"subjects\":[\"human\"]}",
     .request = {.images = one_png, .image_count = 1},
     .body = "{\"model\":\"muse_image\",\"promptText\":\"" PROMPT
             "\",\"ratio\":\"auto\",\"referenceImages\":[{\"uri\":\"{PNG}\"}]}",
     .warnings = "provider_config.tags=hero>; provider_config.subjects=human>"},
    {.name = "runway: subjects where none are taken",
     .options = "{\"subjects\":[null,\"human\"]}",
     .request = {.images = three, .image_count = 2},
     .body = HEAD "\"1024:1024\",\"referenceImages\":[{\"uri\":\"{PNG}\"},{\"uri\":\"{JPEG}\"}]}",
     .warnings = "provider_config.subjects=human>"},
    {.name = "runway: extra_params",
     .request = {.extra_params = "{\"contentModeration\":{\"publicFigureThreshold\":\"low\"},\"seed\":9}"},
     .body = HEAD "\"1024:1024\",\"seed\":9,\"contentModeration\":{\"publicFigureThreshold\":\"low\"}}"},
    {.name = "runway: upscaling",
     .options = "{\"operation\":\"upscale\"}",
     .request = {.images = one_png,
                 .image_count = 1,
                 .extra_params = "{\"scaleFactor\":4,\"flavor\":\"photo\"}"},
     .path = "image_upscale",
     .body = "{\"model\":\"magnific_precision_upscaler_v2\",\"imageUri\":\"{PNG}\",\"scaleFactor\":4,"
             "\"flavor\":\"photo\"}",
     .warnings = "prompt=" PROMPT ">"},
    {.name = "runway: upscaling by model",
     .model = "magnific_precision_upscaler_v2",
     .request = {.images = by_url, .image_count = 1, .size = "64x64", .has_seed = 1},
     .path = "image_upscale",
     .body = "{\"model\":\"magnific_precision_upscaler_v2\",\"imageUri\":\"https://example.com/a.png\"}",
     .warnings = "prompt=" PROMPT ">; seed=0>; size=64x64>"},
    {.name = "runway: upscaling with a model that can't",
     .model = "gen4_image",
     .options = "{\"operation\":\"upscale\"}",
     .request = {.images = one_png, .image_count = 1},
     .path = "image_upscale",
     .body = "{\"model\":\"magnific_precision_upscaler_v2\",\"imageUri\":\"{PNG}\"}",
     .warnings = "prompt=" PROMPT ">; model=gen4_image>magnific_precision_upscaler_v2"},
};

static void use_runway(const char *model, const tarash_image_request *request) {
    use("runway", "runway");
    b.config.model = model;
    b.config.poll_interval_ms = 1;
    if (!request) return;
    b.request = *request;
    b.request.prompt = PROMPT;
}

static void check_body(const cJSON *entry, const request_row *row) {
    char path[128];
    snprintf(path, sizeof path, "runway/v1/%s", row->path ? row->path : "text_to_image");
    expect_text("the method", log_text(entry, "method"), "POST");
    expect_path(entry, path);
    expect_json(entry, with_pictures(row->body));
}

static void test_request(void **state) {
    const request_row *row = (const request_row *)*state;
    int i, calls = row->calls ? row->calls : 1;
    use_runway(row->model, &row->request);
    b.config.provider_config = row->options;
    if (row->model && strchr(row->model, '/')) b.config.provider = NULL;
    script(QUICK);
    run_ok();
    assert_int_equal(log_count(b.log, "POST", NULL), calls);
    for (i = 0; i < requests(); i++) {
        if (strcmp(log_text(log_entry(b.log, i), "method"), "POST") == 0)
            check_body(log_entry(b.log, i), row);
    }
    expect_warnings(row->warnings);
}

/* ---- refused before anything is sent ---- */

typedef struct refusal_row {
    const char *name;
    const char *model;
    const char *options;
    tarash_image_request request;
    tarash_image_result result;
    const char *message;
} refusal_row;

static const refusal_row refusal_rows[] = {
    {.name = "runway: turbo needs a reference",
     .model = "gen4_image_turbo",
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "images: gen4_image_turbo needs a reference image"},
    {.name = "runway: at most three references",
     .request = {.images = sixteen, .image_count = 4},
     .result = TARASH_IMAGE_ERROR_UNSUPPORTED,
     .message = "images: runway gen4_image takes at most 3 input images"},
    {.name = "runway: no masks",
     .request = {.images = one_png, .image_count = 1, .mask = {.path = png_path}},
     .result = TARASH_IMAGE_ERROR_UNSUPPORTED,
     .message = "mask: "},
    {.name = "runway: an edit without an image",
     .options = "{\"operation\":\"edit\"}",
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "images: the operation edit needs"},
    {.name = "runway: no inpainting",
     .options = "{\"operation\":\"inpaint\"}",
     .request = {.images = one_png, .image_count = 1},
     .result = TARASH_IMAGE_ERROR_UNSUPPORTED,
     .message = "generate, edit, upscale"},
    {.name = "runway: upscaling nothing",
     .options = "{\"operation\":\"upscale\"}",
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "images: the operation upscale needs"},
    {.name = "runway: upscaling two",
     .options = "{\"operation\":\"upscale\"}",
     .request = {.images = three, .image_count = 2},
     .result = TARASH_IMAGE_ERROR_UNSUPPORTED,
     .message = "at most 1 input"},
    {.name = "runway: a tag too short",
     .options = "{\"tags\":[\"ab\"]}",
     .request = {.images = one_png, .image_count = 1},
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "provider_config.tags: a tag has 3 to 16"},
    {.name = "runway: a tag too long",
     .options = "{\"tags\":[\"abcdefghijklmnopq\"]}",
     .request = {.images = one_png, .image_count = 1},
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "provider_config.tags: a tag has 3 to 16"},
    {.name = "runway: a tag that begins with a digit",
     .options = "{\"tags\":[\"1hero\"]}",
     .request = {.images = one_png, .image_count = 1},
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "begins with a letter"},
    {.name = "runway: a tag with a blank",
     .options = "{\"tags\":[\"my hero\"]}",
     .request = {.images = one_png, .image_count = 1},
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "provider_config.tags: a tag has"},
    {.name = "runway: more tags than images",
     .options = "{\"tags\":[\"hero\",\"villain\"]}",
     .request = {.images = one_png, .image_count = 1},
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "provider_config.tags: is not a list"},
    {.name = "runway: tags that are no list",
     .options = "{\"tags\":\"hero\"}",
     .request = {.images = one_png, .image_count = 1},
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "provider_config.tags: is not a list"},
    {.name = "runway: tags in an object",
     .options = "{\"tags\":{\"0\":\"hero\"}}",
     .request = {.images = one_png, .image_count = 1},
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "provider_config.tags: is not a list"},
    {.name = "runway: a subject of another kind",
     .model = "gemini_image3_pro",
     .options = "{\"subjects\":[\"animal\"]}",
     .request = {.images = one_png, .image_count = 1},
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "provider_config.subjects: a subject is"},
    {.name = "runway: a seed out of range",
     .request = {.has_seed = 1, .seed = 4294967296},
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "seed"},
    {.name = "runway: strict",
     .request = {.strict = 1, .quality = "high"},
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "quality"},
};

static void test_refusal(void **state) {
    const refusal_row *row = (const refusal_row *)*state;
    use_runway(row->model, &row->request);
    b.config.provider_config = row->options;
    run();
    expect(row->result);
    expect_in("the message", b.response.error.message, row->message);
    assert_int_equal(requests(), 0);
    assert_int_equal(b.response.error.delivery, TARASH_IMAGE_DELIVERY_NOT_SENT);
}

/* ---- what a job's poll can say: the server's task with these members replaced ---- */

typedef struct reply_row {
    const char *name;
    const char *merge;
    tarash_image_result result;
    const char *code;
    const char *message;
} reply_row;

#define FAILED(code) "{\"status\":\"FAILED\",\"failure\":\"No luck.\",\"failureCode\":" code "}"

static const reply_row reply_rows[] = {
    {"runway: a URL that is none", "{\"output\":[17,null,{},\"\"]}", TARASH_IMAGE_ERROR_GENERATION_FAILED, "",
     "holds no image"},
    {"runway: no list of output", "{\"output\":\"https://example.com/x.png\"}",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "", "holds no image"},
    {"runway: empty output", "{\"output\":[]}", TARASH_IMAGE_ERROR_GENERATION_FAILED, "", "holds no image"},
    {"runway: prompt refused", FAILED("\"SAFETY.INPUT.TEXT\""), TARASH_IMAGE_ERROR_CONTENT_MODERATION,
     "SAFETY.INPUT.TEXT", "No luck."},
    {"runway: picture refused", FAILED("\"SAFETY.OUTPUT.IMAGE\""), TARASH_IMAGE_ERROR_CONTENT_MODERATION,
     "SAFETY.OUTPUT.IMAGE", "No luck."},
    {"runway: refused beforehand", FAILED("\"INPUT_PREPROCESSING.SAFETY.TEXT\""),
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, "INPUT_PREPROCESSING.SAFETY.TEXT", "No luck."},
    {"runway: failed beforehand", FAILED("\"INPUT_PREPROCESSING.INTERNAL\""),
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "INPUT_PREPROCESSING.INTERNAL", "No luck."},
    {"runway: bad output", FAILED("\"INTERNAL.BAD_OUTPUT.CODE01\""), TARASH_IMAGE_ERROR_GENERATION_FAILED,
     "INTERNAL.BAD_OUTPUT.CODE01", "No luck."},
    {"runway: someone else's fault", FAILED("\"THIRD_PARTY.UNAVAILABLE\""),
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "THIRD_PARTY.UNAVAILABLE", "No luck."},
    {"runway: a bad reference", FAILED("\"ASSET.INVALID\""), TARASH_IMAGE_ERROR_VALIDATION, "ASSET.INVALID",
     "No luck."},
    {"runway: a code of another type", FAILED("{\"SAFETY\":1}"), TARASH_IMAGE_ERROR_GENERATION_FAILED, "",
     "No luck."},
    {"runway: no code", FAILED("null"), TARASH_IMAGE_ERROR_GENERATION_FAILED, "", "No luck."},
    {"runway: no words", "{\"status\":\"FAILED\",\"failure\":null}", TARASH_IMAGE_ERROR_GENERATION_FAILED, "",
     "doesn't say why"},
    {"runway: cancelled at the provider", "{\"status\":\"CANCELLED\",\"output\":null}",
     TARASH_IMAGE_ERROR_CANCELLED, "CANCELLED", "cancelled at the provider"},
};

static void test_reply(void **state) {
    const reply_row *row = (const reply_row *)*state;
    char json[1024];
    use_runway(NULL, NULL);
    snprintf(json, sizeof json,
             "[{\"jobs\":{\"polls\":0}},{\"method\":\"GET\",\"path_contains\":\"/tasks/\",\"merge\":%s}]",
             row->merge);
    script(json);
    run();
    expect(row->result);
    expect_text("the code", b.response.error.provider_code, row->code);
    expect_in("the message", b.response.error.message, row->message);
    assert_int_equal(b.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
    assert_int_equal(requests(), 2);
    assert_int_equal(b.response.image_count, 0);
}

/* ---- error statuses ---- */

typedef struct error_row {
    const char *name;
    const char *script;
    tarash_image_result result;
    const char *code;
    const char *message;
} error_row;

static const error_row error_rows[] = {
    {"runway: the validator's complaints",
     "[{\"status\":400,\"body\":{\"error\":\"Validation of body "
     "failed\",\"docUrl\":\"https://docs\",\"issues\":["
     "{\"code\":\"invalid_value\",\"path\":[\"ratio\"],\"message\":\"Invalid option\"},"
     "{\"code\":\"too_big\",\"path\":[\"referenceImages\",0,\"uri\"],\"message\":\"Too big\"}]}}]",
     TARASH_IMAGE_ERROR_VALIDATION, "invalid_value",
     "runway answered HTTP 400: Validation of body failed: ratio: Invalid option; referenceImages.0.uri: Too "
     "big"},
    {"runway: complaints of other types",
     "[{\"status\":400,\"body\":{\"error\":\"Validation of body "
     "failed\",\"issues\":[7,{\"path\":\"x\",\"code\":[],"
     "\"message\":\"Hm\"},{\"path\":[{}],\"message\":false}]}}]",
     TARASH_IMAGE_ERROR_VALIDATION, "", "Validation of body failed: Hm"},
    {"runway: issues that are no list", "[{\"status\":400,\"body\":{\"error\":\"No\",\"issues\":\"x\"}}]",
     TARASH_IMAGE_ERROR_VALIDATION, "", "runway answered HTTP 400: No"},
    {"runway: no credits",
     "[{\"status\":400,\"body\":{\"error\":\"You do not have enough credits to run this task.\"}}]",
     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, "", "You do not have enough credits"},
    {"runway: a key that is wrong", "[{\"status\":401}]", TARASH_IMAGE_ERROR_AUTHENTICATION, "",
     "runway answered HTTP 401"},
    {"runway: a model that isn't allowed", "[{\"status\":403,\"body\":{\"error\":\"Not for you\"}}]",
     TARASH_IMAGE_ERROR_AUTHENTICATION, "", "Not for you"},
    {"runway: not found", "[{\"status\":404}]", TARASH_IMAGE_ERROR_HTTP, "", "HTTP 404"},
    {"runway: too many requests", "[{\"status\":429,\"headers\":{\"retry-after-ms\":\"1500\"}}]",
     TARASH_IMAGE_ERROR_RATE_LIMITED, "", "HTTP 429"},
    {"runway: load is shed", "[{\"status\":503}]", TARASH_IMAGE_ERROR_HTTP, "", "HTTP 503"},
    {"runway: an id that can't be one", "[{\"merge\":{\"id\":\"../../me\"}}]",
     TARASH_IMAGE_ERROR_BAD_RESPONSE, "", "the job's id"},
    {"runway: no id", "[{\"merge\":{\"id\":null}}]", TARASH_IMAGE_ERROR_BAD_RESPONSE, "", "the job's id"},
};

static void test_error(void **state) {
    const error_row *row = (const error_row *)*state;
    use_runway(NULL, NULL);
    script(row->script);
    run();
    expect(row->result);
    expect_text("the code", b.response.error.provider_code, row->code);
    expect_in("the message", b.response.error.message, row->message);
    assert_int_equal(requests(), 1);
    if (row->result == TARASH_IMAGE_ERROR_RATE_LIMITED) {
        assert_int_equal(b.response.error.retry_after_ms, 1500);
    }
}

/* ---- headers, version, key ---- */

static const char *const get_headers[] = {"Host",          "User-Agent",      "Accept", "Accept-Encoding",
                                          "Authorization", "X-Runway-Version"};
static const char *const post_headers[] = {
    "Host",          "User-Agent",       "Accept",       "Accept-Encoding",
    "Authorization", "X-Runway-Version", "Content-Type", "Content-Length"};

static void test_headers(void **state) {
    const cJSON *post, *get;
    (void)state;
    use_runway(NULL, NULL);
    script(QUICK);
    run_ok();
    assert_int_equal(requests(), 3);
    post = log_entry(b.log, 0);
    expect_header_names(post, post_headers, COUNT(post_headers));
    expect_header(post, "Authorization", "Bearer " KEY);
    expect_header(post, "X-Runway-Version", "2024-11-06");
    expect_header(post, "Accept", "application/json");
    expect_header(post, "Content-Type", "application/json");
    get = log_entry(b.log, 1);
    expect_text("the method", log_text(get, "method"), "GET");
    expect_path(get, "runway/v1/tasks/" TASK);
    expect_header_names(get, get_headers, COUNT(get_headers));
    expect_header(get, "Authorization", "Bearer " KEY);
    expect_header(get, "X-Runway-Version", "2024-11-06");
    assert_int_equal((int)log_number(get, "body_size"), 0);
    expect_in("the download", log_text(log_entry(b.log, 2), "path"), "/f/");
    expect_no_header(log_entry(b.log, 2), "X-Runway-Version");
}

static void test_version(void **state) {
    int i;
    (void)state;
    use_runway(NULL, NULL);
    b.config.api_version = "2024-09-13";
    script(QUICK);
    run_ok();
    for (i = 0; i < 2; i++) expect_header(log_entry(b.log, i), "X-Runway-Version", "2024-09-13");
    expect_warnings(NULL);
    b.config.api_version = NULL;
    b.config.provider_config = "{\"api_version\":\"1999-01-01\"}";
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "The X-Runway-Version 1999-01-01 is not supported.");
}

static void test_key_and_base(void **state) {
    (void)state;
    use_runway(NULL, NULL);
    setenv("RUNWAYML_BASE_URL", b.base_url, 1);
    setenv("RUNWAYML_API_SECRET", "key_0123456789abcdef", 1);
    b.config.base_url = b.config.api_key = NULL;
    b.config.provider = "runwayml";
    script(QUICK);
    run_ok();
    expect_header(log_entry(b.log, 0), "Authorization", "Bearer key_0123456789abcdef");
    expect_text("the provider", b.response.provider, "runway");
    b.config.base_url = b.base_url;
    b.config.api_key = "key_bad_0123456789";
    run_with(b.config.api_key);
    expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
    expect_in("the message", b.response.error.message, "Incorrect API key provided: *");
}

/* ---- the way of a task ---- */

static void test_progress(void **state) {
    (void)state;
    use_runway(NULL, NULL);
    watch_progress();
    script("[{\"jobs\":{\"polls\":6},\"image_result\":{\"size\":\"8x8\"}}]");
    run_ok();
    expect_in("the progress", steps,
              "queued -1%; queued -1% THROTTLED; processing 28%; processing 42%; processing 57%; "
              "processing 71%; ");
    expect_in("the end of progress", steps, "completed 100%; ");
    assert_int_equal(log_count(b.log, "GET", "/tasks/"), 7);
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
}

static void test_unknown_status(void **state) {
    (void)state;
    use_runway(NULL, NULL);
    watch_progress();
    script("[{\"jobs\":{\"polls\":2,\"unknown_state\":true},\"image_result\":{\"size\":\"8x8\"}}]");
    run_ok();
    expect_in("the progress", steps, "processing -1% MUSING; processing -1% MUSING; ");
}

static void test_status_of_another_type(void **state) {
    (void)state;
    use_runway(NULL, NULL);
    script("[{\"jobs\":{\"polls\":0},\"image_result\":{\"size\":\"8x8\"}},"
           "{\"method\":\"GET\",\"path_contains\":\"/tasks/\",\"merge\":{\"status\":null}},"
           "{\"method\":\"GET\",\"path_contains\":\"/tasks/\",\"status\":200,\"body\":\"[1]\"}]");
    b.config.retry.initial_ms = 1;
    run_ok(); /* the task is paid for: a strange answer is asked again */
    assert_int_equal(log_count(b.log, "GET", "/tasks/"), 3);
    assert_int_equal(control_left(b.session), 0);
}

static void test_progress_of_other_types(void **state) {
    (void)state;
    use_runway(NULL, NULL);
    watch_progress();
    script("[{\"jobs\":{\"polls\":3},\"image_result\":{\"size\":\"8x8\"}},"
           "{\"method\":\"GET\",\"path_contains\":\"/tasks/"
           "\",\"merge\":{\"status\":\"RUNNING\",\"progress\":\"x\"}},"
           "{\"method\":\"GET\",\"path_contains\":\"/tasks/"
           "\",\"merge\":{\"status\":\"RUNNING\",\"progress\":-0.5}},"
           "{\"method\":\"GET\",\"path_contains\":\"/tasks/"
           "\",\"merge\":{\"status\":\"RUNNING\",\"progress\":7e-1}}]");
    run_ok();
    assert_null(strstr(steps, "processing 0%"));
    expect_in("the progress", steps, "processing -1%; processing -1%; processing 70%; ");
}

static void test_facts(void **state) {
    (void)state;
    use_runway("gpt_image_2", NULL);
    b.request.n = 2;
    script(QUICK);
    run_ok();
    assert_int_equal(b.response.image_count, 2);
    expect_picture(&b.response.images[0], "image/png");
    expect_in("the URL", b.response.images[1].url, "/f/");
    expect_text("the metadata", b.response.provider_metadata, "{\"cost\":{\"credits\":5}}");
    assert_true(b.response.created == 1795168800); /* 2026-11-20T10:00:00Z */
    expect_text("the model", b.response.model, "gpt_image_2");
    assert_false(b.response.images[0].has_seed);
    expect_in("the raw answer", b.response.raw_response, "\"status\":\"SUCCEEDED\"");
}

static void test_url_only(void **state) {
    (void)state;
    use_runway(NULL, NULL);
    b.request.output = TARASH_IMAGE_OUTPUT_URL;
    script(QUICK);
    run_ok();
    assert_int_equal(requests(), 2);
    assert_null(b.response.images[0].data);
    expect_in("the URL", b.response.images[0].url, "/f/");
    expect_warnings(NULL);
}

static void test_some_urls_bad(void **state) {
    (void)state;
    use_runway(NULL, NULL);
    script("[{\"jobs\":{\"polls\":0},\"image_result\":{\"size\":\"8x8\",\"null_entries\":true}}]");
    run_ok();
    assert_int_equal(b.response.image_count, 1);
    expect_picture(&b.response.images[0], "image/png");
}

static void test_task_not_there_yet(void **state) {
    (void)state;
    use_runway(NULL, NULL);
    b.config.retry.initial_ms = 1;
    script("[{\"jobs\":{\"polls\":0},\"image_result\":{\"size\":\"8x8\"}},"
           "{\"method\":\"GET\",\"path_contains\":\"/tasks/\",\"status\":404}]");
    run_ok();
    assert_int_equal(log_count(b.log, "GET", "/tasks/"), 2);
    assert_int_equal(b.response.attempts[0].retries, 1);
}

static void test_task_that_vanished(void **state) {
    (void)state;
    use_runway(NULL, NULL);
    b.config.retry.initial_ms = 1;
    script("[{\"jobs\":{\"vanish\":true}}]");
    run();
    expect(TARASH_IMAGE_ERROR_HTTP);
    expect_in("the message", b.response.error.message, "An asset with that ID was not found.");
    assert_int_equal(b.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
}

static void test_moderation(void **state) {
    (void)state;
    use_runway(NULL, NULL);
    script("[{\"moderation\":true}]");
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    expect_text("the code", b.response.error.provider_code, "SAFETY.INPUT.TEXT");
    assert_false(b.response.error.retryable);
    script("[{\"moderation\":\"items\"}]");
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    expect_text("the code", b.response.error.provider_code, "SAFETY.OUTPUT.IMAGE");
    script("[{\"jobs\":{\"polls\":0,\"fail\":true}}]");
    run();
    expect(TARASH_IMAGE_ERROR_GENERATION_FAILED);
    assert_true(b.response.error.retryable);
}

/* The vendor's header goes before the status. */
static void test_should_retry(void **state) {
    (void)state;
    use_runway(NULL, NULL);
    b.config.max_retries = 2;
    b.config.retry.initial_ms = 1;
    script("[{\"status\":503,\"headers\":{\"x-should-retry\":\"false\"}}]");
    run();
    expect(TARASH_IMAGE_ERROR_HTTP);
    assert_int_equal(requests(), 1);
    assert_int_equal(control_reset(b.session), 0);
    script("[{\"status\":400,\"headers\":{\"x-should-retry\":\"true\"}},{\"status\":503},"
           "{\"jobs\":{\"polls\":0},\"image_result\":{\"size\":\"8x8\"}}]");
    run_ok();
    assert_int_equal(log_count(b.log, "POST", NULL), 3);
}

static void test_resume(void **state) {
    (void)state;
    use_runway(NULL, NULL);
    script("[{\"jobs\":{\"polls\":3},\"image_result\":{\"size\":\"8x8\"}}]");
    give_up_and_resume();
    expect_picture(&b.response.images[0], "image/png");
    expect_path(log_entry(b.log, 2), "runway/v1/tasks/" TASK);
    expect_header(log_entry(b.log, 2), "X-Runway-Version", "2024-11-06");
}

static void test_cancel(void **state) {
    const cJSON *entry;
    (void)state;
    use_runway(NULL, NULL);
    cancel_while_polling();
    assert_int_equal(log_count(b.log, "DELETE", NULL), 1);
    entry = log_entry(b.log, -1);
    expect_path(entry, "runway/v1/tasks/" TASK);
    expect_header_names(entry, get_headers, COUNT(get_headers));
    expect_header(entry, "Authorization", "Bearer " KEY);
    assert_int_equal((int)log_number(entry, "status"), 204);
}

static void test_no_memory(void **state) {
    (void)state;
    use_runway("gemini_image3_pro", NULL);
    b.config.provider_config = "{\"tags\":[\"hero\",null],\"subjects\":[null,\"human\"]}";
    b.request.images = three;
    b.request.image_count = 2;
    b.request.size = "1000x1000";
    fail_everywhere("[{\"jobs\":{\"polls\":1},\"image_result\":{\"size\":\"8x8\"}}]", TARASH_IMAGE_OK);
    fail_everywhere("[{\"jobs\":{\"polls\":0,\"moderation\":true}}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    fail_everywhere(
        "[{\"status\":400,\"body\":{\"error\":\"No\",\"issues\":[{\"code\":\"x\",\"path\":[\"a\",0],"
        "\"message\":\"Bad\"},{\"message\":\"Worse\"}]}}]",
        TARASH_IMAGE_ERROR_VALIDATION);
}

/* Each call counts its seed up from the first. */
static void test_split_seeds(void **state) {
    int i, seen = 0;
    (void)state;
    use_runway(NULL, NULL);
    b.request.n = 2;
    b.request.has_seed = 1;
    b.request.seed = 4294967295;
    script(QUICK);
    run_ok();
    for (i = 0; i < requests(); i++) {
        if (strcmp(log_text(log_entry(b.log, i), "method"), "POST") != 0) continue;
        seen |= log_number(log_entry(b.log, i), "json.seed") == 4294967295.0 ? 1 : 0;
        seen |= log_number(log_entry(b.log, i), "json.seed") == 0 ? 2 : 0; /* round within the range */
    }
    assert_int_equal(seen, 3);
    assert_int_equal(b.response.image_count, 2);
}

static void test_pixels(void **state) {
    const cJSON *image;
    (void)state;
    use_runway(NULL, NULL);
    b.request.images = pixels;
    b.request.image_count = 1;
    script(QUICK);
    run_ok();
    image = log_at(log_entry(b.log, 0), "images[0]");
    expect_text("the place", log_text(image, "path"), "referenceImages[0].uri");
    expect_text("the type", log_text(image, "content_type"), "image/png");
    expect_text("the pixels", log_text(image, "image.pixels"), "ff00000000ff");
}

static void test_gif_reference(void **state) {
    static const unsigned char gif[] = "GIF89a\1\0\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2L\1\0;";
    tarash_image_input input;
    (void)state;
    memset(&input, 0, sizeof input);
    memory_input(&input, gif, sizeof gif - 1);
    use_runway(NULL, NULL);
    b.request.images = &input;
    b.request.image_count = 1;
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    expect_in("the message", b.response.error.message, "image/gif; runway takes png,jpeg,webp");
    assert_int_equal(requests(), 0);
}

static void test_plan(void **state) {
    tarash_image_text plan;
    (void)state;
    use_runway(NULL, NULL);
    b.config.base_url = NULL;
    assert_int_equal(tarash_image_plan(b.client, &b.config, &b.request, &plan), TARASH_IMAGE_OK);
    expect_in("the plan", plan.data, "\"url\":\"https://api.dev.runwayml.com/v1/text_to_image\"");
    expect_in("the plan", plan.data, "\"X-Runway-Version\":\"2024-11-06\"");
    refuse_text("the plan", plan.data, KEY);
    tarash_image_text_free(&plan);
}

static int run_others(void) {
    const struct CMUnitTest tests[] = {TEST(test_headers),
                                       TEST(test_version),
                                       TEST(test_key_and_base),
                                       TEST(test_progress),
                                       TEST(test_unknown_status),
                                       TEST(test_status_of_another_type),
                                       TEST(test_progress_of_other_types),
                                       TEST(test_facts),
                                       TEST(test_url_only),
                                       TEST(test_some_urls_bad),
                                       TEST(test_task_not_there_yet),
                                       TEST(test_task_that_vanished),
                                       TEST(test_moderation),
                                       TEST(test_should_retry),
                                       TEST(test_resume),
                                       TEST(test_cancel),
                                       TEST(test_no_memory),
                                       TEST(test_split_seeds),
                                       TEST(test_pixels),
                                       TEST(test_gif_reference),
                                       TEST(test_plan)};
    return cmocka_run_group_tests_name("runway", tests, NULL, NULL);
}

int main(void) {
    int failed = 0;
    if (server_start() != 0 || prepare_inputs() != 0) return 1;
    prepare_data_urls();
    by_url[0].url = "https://example.com/a.png";
    by_url[1].url = "https://example.com/b.jpg?x=1&y=2";
    pixels[0].pixels = two_pixels;
    pixels[0].width = 2;
    pixels[0].height = 1;
    pixels[0].channels = 3;
    RUN_ROWS(request_rows, test_request, tear_down);
    RUN_ROWS(refusal_rows, test_refusal, tear_down);
    RUN_ROWS(reply_rows, test_reply, tear_down);
    RUN_ROWS(error_rows, test_error, tear_down);
    failed += run_others();
    server_stop();
    return failed != 0;
}
