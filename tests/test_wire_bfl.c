/* Black Forest Labs: a schema per model, polls of the address that the answer names, statuses with spaces. */

#include "wire_jobs.h"

#define QUICK "[{\"jobs\":{\"polls\":0},\"image_result\":{\"size\":\"8x8\"},\"times\":-1}]"
#define TASK  "5015d102-09e0-44e9-8ede-000000000001"
#define P     "\"prompt\":\"" PROMPT "\""

/* ---- pictures in bodies: {PNG}, {JPEG}, {WEBP} and {MASK} stand for their base64 ---- */

static char png_text[2048], jpeg_text[2048], webp_text[2048], mask_text[2048];

static void prepare_texts(void) {
    encode_base64(tiny_png, tiny_png_size, png_text);
    encode_base64(tiny_jpeg, tiny_jpeg_size, jpeg_text);
    encode_base64(tiny_webp, tiny_webp_size, webp_text);
    encode_base64(tiny_mask_png, tiny_mask_png_size, mask_text);
}

static const char *with_pictures(const char *body) {
    static char text[16384];
    snprintf(text, sizeof text, "%s", body);
    replace_all(text, sizeof text, "{PNG}", png_text);
    replace_all(text, sizeof text, "{JPEG}", jpeg_text);
    replace_all(text, sizeof text, "{WEBP}", webp_text);
    replace_all(text, sizeof text, "{MASK}", mask_text);
    return text;
}

/* ---- requests ---- */

typedef struct request_row {
    const char *name;
    const char *model;
    const char *operation;
    tarash_image_request request;
    const char *path; /* (default: the model) */
    const char *body;
    const char *warnings;
    int calls; /* (default: 1) */
    int promptless;
} request_row;

static tarash_image_input by_url[2], url_then_png[2], from_server[1];
static char server_png[256];

#define ONE_PNG   .images = one_png, .image_count = 1
#define WITH_MASK .images = one_png, .image_count = 1, .mask = {.data = tiny_mask_png, .size = 0}
#define NO_PROMPT "prompt=" PROMPT ">"
#define ALL_FIELDS                                                                                           \
    .negative_prompt = "blur", .quality = "high", .style = "vivid", .background = "opaque", .user = "u",     \
    .partial_images = 1
#define NO_FIELDS                                                                                            \
    "negative_prompt=blur>; quality=high>; style=vivid>; background=opaque>; user=u>; partial_images=1>"

static const request_row request_rows[] = {
    {.name = "bfl: the least", .path = "flux-2-pro", .body = "{" P "}"},
    {.name = "bfl: all that FLUX.2 has",
     .model = "flux-2-pro",
     .request = {.size = "1024x768", .has_seed = 1, .seed = 42, .output_format = "png", ONE_PNG},
     .body = "{" P ",\"width\":1024,\"height\":768,\"seed\":42,\"output_format\":\"png\",\"input_image\":"
             "\"{PNG}\"}"},
    {.name = "bfl: what FLUX.2 lacks",
     .model = "flux-2-max",
     .request = {ALL_FIELDS},
     .body = "{" P "}",
     .warnings = NO_FIELDS},
    {.name = "bfl: jpg is jpeg, auto is left out",
     .model = "flux-2-pro",
     .request = {.size = "auto", .output_format = "jpg"},
     .body = "{" P ",\"output_format\":\"jpeg\"}"},
    {.name = "bfl: seed 0 is a seed",
     .model = "flux-2-flex",
     .request = {.has_seed = 1},
     .body = "{" P ",\"seed\":0}"},
    {.name = "bfl: sizes between the steps",
     .model = "flux-2-pro",
     .request = {.size = "1001x1500"},
     .body = "{" P ",\"width\":1008,\"height\":1504}",
     .warnings = "size=1001x1500>1008x1504"},
    {.name = "bfl: too many pixels",
     .model = "flux-2-pro",
     .request = {.size = "4096x4096"},
     .body = "{" P ",\"width\":2048,\"height\":2048}",
     .warnings = "size=4096x4096>2048x2048"},
    {.name = "bfl: too small an edge",
     .model = "flux-2-pro",
     .request = {.size = "512x32"},
     .body = "{" P ",\"width\":512,\"height\":64}",
     .warnings = "size=512x32>512x64"},
    {.name = "bfl: a ratio becomes a size",
     .model = "flux-2-pro",
     .request = {.aspect_ratio = "16:9"},
     .body = "{" P ",\"width\":1360,\"height\":768}",
     .warnings = "aspect_ratio=16:9>1360x768"},
    {.name = "bfl: n is split", .model = "flux-2-pro", .request = {.n = 3}, .calls = 3, .body = "{" P "}"},
    {.name = "bfl: several images",
     .model = "flux-2-pro",
     .request = {.images = three, .image_count = 3},
     .body = "{" P ",\"input_image\":\"{PNG}\",\"input_image_2\":\"{JPEG}\",\"input_image_3\":\"{WEBP}\"}"},
    {.name = "bfl: an image by URL goes as URL",
     .model = "flux-2-pro",
     .request = {.images = url_then_png, .image_count = 2},
     .body = "{" P ",\"input_image\":\"https://example.com/a.png?x=1&y=2\",\"input_image_2\":\"{PNG}\"}"},
    {.name = "bfl: an image by path",
     .model = "flux-2-klein-9b",
     .operation = "edit",
     .request = {.images = by_path, .image_count = 1},
     .body = "{" P ",\"input_image\":\"{PNG}\"}"},
    {.name = "bfl: a data: URL goes as base64",
     .model = "flux-2-klein-4b",
     .request = {.images = as_data_url, .image_count = 1},
     .body = "{" P ",\"input_image\":\"{PNG}\"}"},
    {.name = "bfl: extra_params",
     .model = "flux-2-flex",
     .request = {.extra_params = "{\"guidance\":4.5,\"steps\":20,\"prompt_upsampling\":false}"},
     .body = "{" P ",\"guidance\":4.5,\"steps\":20,\"prompt_upsampling\":false}"},
    {.name = "bfl: an empty prefix of the vendor's name",
     .model = "black-forest-labs/flux-2-pro",
     .path = "flux-2-pro",
     .body = "{" P "}"},
    {.name = "bfl: FLUX 3 takes ratios",
     .model = "flux-3-image",
     .request = {.aspect_ratio = "16:9", .quality = "2k"},
     .body = "{" P ",\"aspect_ratio\":\"16:9\",\"resolution\":\"2k\"}"},
    {.name = "bfl: FLUX 3's strict schema",
     .model = "flux-3-image",
     .request = {.has_seed = 1, .seed = 7, .output_format = "png", .user = "u", .size = "auto"},
     .body = "{" P "}",
     .warnings = "output_format=png>; user=u>; seed=7>"},
    {.name = "bfl: a size is a ratio and a resolution of FLUX 3",
     .model = "flux-3-image",
     .request = {.size = "1920x1080"},
     .body = "{" P ",\"aspect_ratio\":\"16:9\",\"resolution\":\"1.5k\"}",
     .warnings = "size=1920x1080>16:9"},
    {.name = "bfl: the largest resolution of FLUX 3",
     .model = "flux-3-image",
     .request = {.size = "8000x6000"},
     .body = "{" P ",\"aspect_ratio\":\"4:3\",\"resolution\":\"4k\"}",
     .warnings = "size=8000x6000>4:3"},
    {.name = "bfl: the smallest resolution of FLUX 3",
     .model = "flux-3-image",
     .request = {.size = "512x512", .aspect_ratio = "1:1"},
     .body = "{" P ",\"aspect_ratio\":\"1:1\",\"resolution\":\"768sq\"}",
     .warnings = "size=512x512>1:1"},
    {.name = "bfl: a size is stronger than quality",
     .model = "flux-3-image",
     .request = {.size = "512x512", .quality = "4k"},
     .body = "{" P ",\"aspect_ratio\":\"1:1\",\"resolution\":\"768sq\"}",
     .warnings = "size=512x512>1:1; quality=4k>768sq"},
    {.name = "bfl: a size, and the quality that goes with it",
     .model = "flux-3-image",
     .request = {.size = "4096x4096", .quality = "4k"},
     .body = "{" P ",\"aspect_ratio\":\"1:1\",\"resolution\":\"4k\"}",
     .warnings = "size=4096x4096>1:1"},
    {.name = "bfl: a quality word is a resolution",
     .model = "flux-3-image",
     .request = {.quality = "standard"},
     .body = "{" P ",\"resolution\":\"1k\"}",
     .warnings = "quality=standard>1k"},
    {.name = "bfl: the nearest ratio of FLUX 3",
     .model = "flux-3-image",
     .request = {.aspect_ratio = "32:9"},
     .body = "{" P ",\"aspect_ratio\":\"21:9\"}",
     .warnings = "aspect_ratio=32:9>21:9"},
    {.name = "bfl: images of FLUX 3 are a list",
     .model = "flux-3-image",
     .request = {.images = url_then_png, .image_count = 2, .aspect_ratio = "auto"},
     .body =
         "{" P ",\"aspect_ratio\":\"auto\",\"images\":[\"https://example.com/a.png?x=1&y=2\",\"{PNG}\"]}"},
    {.name = "bfl: FLUX 3 klein",
     .model = "flux-3-image-klein",
     .request = {.size = "1024x1024", .has_seed = 1, .seed = 1, .output_format = "webp", ONE_PNG},
     .body = "{" P
             ",\"width\":1024,\"height\":1024,\"seed\":1,\"output_format\":\"webp\",\"images\":[\"{PNG}\"]}"},
    {.name = "bfl: kontext",
     .model = "flux-kontext-pro",
     .request = {.aspect_ratio = "7:5", .has_seed = 1, .seed = 3, .output_format = "png", ONE_PNG},
     .body =
         "{" P ",\"aspect_ratio\":\"7:5\",\"seed\":3,\"output_format\":\"png\",\"input_image\":\"{PNG}\"}"},
    {.name = "bfl: kontext, a size",
     .model = "flux-kontext-max",
     .request = {.size = "1024x768"},
     .body = "{" P ",\"aspect_ratio\":\"4:3\"}",
     .warnings = "size=1024x768>4:3"},
    {.name = "bfl: kontext, too wide",
     .model = "flux-kontext-max",
     .request = {.aspect_ratio = "3:1"},
     .body = "{" P ",\"aspect_ratio\":\"21:9\"}",
     .warnings = "aspect_ratio=3:1>21:9"},
    {.name = "bfl: kontext, too high",
     .model = "flux-kontext-max",
     .request = {.size = "100x300"},
     .body = "{" P ",\"aspect_ratio\":\"9:21\"}",
     .warnings = "size=100x300>1:3; aspect_ratio=1:3>9:21"},
    {.name = "bfl: kontext, the edges themselves",
     .model = "flux-kontext-max",
     .request = {.aspect_ratio = "9:21"},
     .body = "{" P ",\"aspect_ratio\":\"9:21\"}"},
    {.name = "bfl: ultra",
     .model = "flux-pro-1.1-ultra",
     .request = {.aspect_ratio = "21:9",
                 ONE_PNG,
                 .extra_params = "{\"raw\":true,\"image_prompt_strength\":0.5}"},
     .body = "{" P ",\"aspect_ratio\":\"21:9\",\"image_prompt\":\"{PNG}\",\"raw\":true,"
             "\"image_prompt_strength\":0.5}"},
    {.name = "bfl: 1.1",
     .model = "flux-pro-1.1",
     .request = {.size = "2000x1000", .has_seed = 1, .seed = 5},
     .body = "{" P ",\"width\":1440,\"height\":736,\"seed\":5}",
     .warnings = "size=2000x1000>1440x736"},
    {.name = "bfl: 1.1, too small",
     .model = "flux-pro-1.1",
     .request = {.size = "128x128"},
     .body = "{" P ",\"width\":256,\"height\":256}",
     .warnings = "size=128x128>256x256"},
    {.name = "bfl: dev fetches what it can't take as URL",
     .model = "flux-dev",
     .request = {.images = from_server, .image_count = 1},
     .body = "{" P ",\"image_prompt\":\"{SERVER}\"}"},
    {.name = "bfl: filling by model",
     .model = "flux-pro-1.0-fill",
     .request = {WITH_MASK, .has_seed = 1, .seed = 9, .output_format = "png"},
     .body = "{" P ",\"image\":\"{PNG}\",\"mask\":\"{MASK}\",\"seed\":9,\"output_format\":\"png\"}"},
    {.name = "bfl: filling without a prompt",
     .model = "flux-pro-1.0-fill",
     .promptless = 1,
     .request = {WITH_MASK},
     .body = "{\"image\":\"{PNG}\",\"mask\":\"{MASK}\"}"},
    {.name = "bfl: filling by operation",
     .operation = "inpaint",
     .request = {ONE_PNG, .size = "512x512", .extra_params = "{\"steps\":30,\"guidance\":60}"},
     .path = "flux-pro-1.0-fill",
     .body = "{" P ",\"image\":\"{PNG}\",\"steps\":30,\"guidance\":60}",
     .warnings = "size=512x512>"},
    {.name = "bfl: a mask fills",
     .request = {WITH_MASK},
     .path = "flux-pro-1.0-fill",
     .body = "{" P ",\"image\":\"{PNG}\",\"mask\":\"{MASK}\"}"},
    {.name = "bfl: an edit with a mask fills",
     .operation = "edit",
     .request = {WITH_MASK},
     .path = "flux-pro-1.0-fill",
     .body = "{" P ",\"image\":\"{PNG}\",\"mask\":\"{MASK}\"}"},
    {.name = "bfl: filling fetches URLs",
     .operation = "inpaint",
     .request = {.images = from_server, .image_count = 1},
     .path = "flux-pro-1.0-fill",
     .body = "{" P ",\"image\":\"{SERVER}\"}"},
    {.name = "bfl: filling with a model that can't",
     .model = "flux-2-pro",
     .operation = "inpaint",
     .request = {WITH_MASK},
     .path = "flux-pro-1.0-fill",
     .body = "{" P ",\"image\":\"{PNG}\",\"mask\":\"{MASK}\"}",
     .warnings = "model=flux-2-pro>flux-pro-1.0-fill"},
    {.name = "bfl: expanding by operation",
     .operation = "expand",
     .request = {ONE_PNG, .extra_params = "{\"left\":64,\"top\":0}"},
     .path = "flux-pro-1.0-expand",
     .body = "{" P ",\"image\":\"{PNG}\",\"left\":64,\"top\":0}"},
    {.name = "bfl: expanding by model, without a prompt",
     .model = "flux-pro-1.0-expand",
     .promptless = 1,
     .request = {ONE_PNG, .extra_params = "{\"right\":64}"},
     .body = "{\"image\":\"{PNG}\",\"right\":64}"},
    {.name = "bfl: outpainting by operation",
     .operation = "outpaint",
     .promptless = 1,
     .request = {ONE_PNG, .size = "1001x2000", .output_format = "png"},
     .path = "flux-tools/outpainting-v1",
     .body = "{\"input_image\":\"{PNG}\",\"width\":1001,\"height\":2000,\"output_format\":\"png\"}"},
    {.name = "bfl: outpainting by model, the canvas in extra_params",
     .model = "flux-tools/outpainting-v1",
     .request = {.images = by_url,
                 .image_count = 1,
                 .has_seed = 1,
                 .extra_params = "{\"width\":640,\"height\":480,\"mode\":\"fast\"}"},
     .body =
         "{" P ",\"input_image\":\"https://example.com/a.png?x=1&y=2\",\"width\":640,\"height\":480,\"mode\":"
         "\"fast\"}",
     .warnings = "seed=0>"},
    {.name = "bfl: erasing by operation",
     .operation = "erase",
     .request = {WITH_MASK, .extra_params = "{\"dilate_pixels\":0}"},
     .path = "flux-tools/erase-v1",
     .body = "{\"image\":\"{PNG}\",\"mask\":\"{MASK}\",\"dilate_pixels\":0}",
     .warnings = NO_PROMPT},
    {.name = "bfl: erasing by model",
     .model = "flux-tools/erase-v1",
     .promptless = 1,
     .request = {WITH_MASK, .has_seed = 1, .seed = 2},
     .body = "{\"image\":\"{PNG}\",\"mask\":\"{MASK}\",\"seed\":2}"},
    {.name = "bfl: deblurring by operation",
     .operation = "deblur",
     .promptless = 1,
     .request = {.images = by_url, .image_count = 1},
     .path = "flux-tools/deblur-v1",
     .body = "{\"image\":\"https://example.com/a.png?x=1&y=2\"}"},
    {.name = "bfl: deblurring by model",
     .model = "flux-tools/deblur-v1",
     .request = {ONE_PNG, .output_format = "jpeg"},
     .body = "{\"image\":\"{PNG}\",\"output_format\":\"jpeg\"}",
     .warnings = NO_PROMPT},
    {.name = "bfl: trying on",
     .operation = "try_on",
     .request = {.images = three, .image_count = 2},
     .path = "flux-tools/vto-v1",
     .body = "{" P ",\"person\":\"{PNG}\",\"garment\":\"{JPEG}\"}"},
};

static void use_bfl(const char *model, const tarash_image_request *request) {
    use("bfl", "bfl/v1");
    b.config.model = model;
    b.config.poll_interval_ms = 1;
    if (!request) return;
    b.request = *request;
    b.request.prompt = PROMPT;
    if (b.request.mask.data) b.request.mask.size = tiny_mask_png_size;
}

static void use_operation(const char *operation) {
    static char options[64];
    snprintf(options, sizeof options, "{\"operation\":\"%s\"}", operation ? operation : "");
    if (operation) b.config.provider_config = options;
}

/* What the server draws at that place, as base64. */
static const char *with_served(const char *body) {
    static char text[65536], drawn[16384];
    size_t size = 0;
    void *bytes = fetch_url(server_png, &size);
    assert_non_null(bytes);
    encode_base64((const unsigned char *)bytes, size, drawn);
    free(bytes);
    snprintf(text, sizeof text, "%s", body);
    replace_all(text, sizeof text, "{SERVER}", drawn);
    return text;
}

static void check_body(const cJSON *entry, const request_row *row) {
    char path[128];
    const char *body = with_pictures(row->body);
    snprintf(path, sizeof path, "bfl/v1/%s", row->path ? row->path : row->model);
    expect_path(entry, path);
    expect_json(entry, strstr(body, "{SERVER}") ? with_served(body) : body);
}

static void test_request(void **state) {
    const request_row *row = (const request_row *)*state;
    int i, calls = row->calls ? row->calls : 1;
    use_bfl(row->model, &row->request);
    use_operation(row->operation);
    if (row->promptless) b.request.prompt = NULL;
    if (row->model && strncmp(row->model, "black-", 6) == 0) b.config.provider = NULL;
    server_files_url(server_png, sizeof server_png, b.session, "static/6x6.png");
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
    const char *operation;
    tarash_image_request request;
    int promptless;
    tarash_image_result result;
    const char *message;
} refusal_row;

static const refusal_row refusal_rows[] = {
    {.name = "bfl: klein takes four images",
     .model = "flux-2-klein-4b",
     .request = {.images = sixteen, .image_count = 5},
     .result = TARASH_IMAGE_ERROR_UNSUPPORTED,
     .message = "at most 4 input images"},
    {.name = "bfl: FLUX.2 takes eight",
     .model = "flux-2-pro",
     .request = {.images = sixteen, .image_count = 9},
     .result = TARASH_IMAGE_ERROR_UNSUPPORTED,
     .message = "at most 8 input images"},
    {.name = "bfl: FLUX.2 takes no mask",
     .model = "flux-2-pro",
     .request = {WITH_MASK},
     .result = TARASH_IMAGE_ERROR_UNSUPPORTED,
     .message = "mask: bfl flux-2-pro takes no mask"},
    {.name = "bfl: erasing needs a mask",
     .operation = "erase",
     .request = {ONE_PNG},
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "mask: the operation erase needs one"},
    {.name = "bfl: deblurring needs an image",
     .model = "flux-tools/deblur-v1",
     .promptless = 1,
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "images: the operation deblur needs"},
    {.name = "bfl: deblurring takes no mask",
     .operation = "deblur",
     .request = {WITH_MASK},
     .result = TARASH_IMAGE_ERROR_UNSUPPORTED,
     .message = "mask: the operation deblur takes none"},
    {.name = "bfl: outpainting needs a canvas",
     .operation = "outpaint",
     .request = {ONE_PNG, .extra_params = "{\"width\":640}"},
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "size: outpainting needs"},
    {.name = "bfl: no upscaling",
     .operation = "upscale",
     .request = {ONE_PNG},
     .result = TARASH_IMAGE_ERROR_UNSUPPORTED,
     .message = "generate, edit, inpaint, expand, outpaint, erase, deblur, try_on"},
    {.name = "bfl: a prompt is needed",
     .promptless = 1,
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "prompt: is missing"},
    {.name = "bfl: strict, and an operation with another model",
     .model = "flux-2-pro",
     .operation = "inpaint",
     .request = {ONE_PNG, .strict = 1},
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "model"},
};

static void test_refusal(void **state) {
    const refusal_row *row = (const refusal_row *)*state;
    use_bfl(row->model, &row->request);
    use_operation(row->operation);
    if (row->promptless) b.request.prompt = NULL;
    run();
    expect(row->result);
    expect_in("the message", b.response.error.message, row->message);
    assert_int_equal(requests(), 0);
}

/* ---- what a poll can say ---- */

typedef struct reply_row {
    const char *name;
    const char *body;
    tarash_image_result result;
    const char *code;
    const char *message;
} reply_row;

static const reply_row reply_rows[] = {
    {"bfl: the request was moderated",
     "{\"id\":\"x\",\"status\":\"Request Moderated\",\"result\":null,\"details\":{\"Moderation "
     "Reasons\":[\"Violence\","
     "\"Hate\"]}}",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, "Request Moderated", "Request Moderated: Violence; Hate"},
    {"bfl: the picture was moderated",
     "{\"id\":\"x\",\"status\":\"Content Moderated\",\"result\":null,\"details\":{\"Moderation "
     "Reasons\":[\"Sex\"]}}",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, "Content Moderated", "Content Moderated: Sex"},
    {"bfl: moderation without reasons", "{\"status\":\"Content Moderated\",\"details\":null}",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, "Content Moderated", "safety system refused"},
    {"bfl: reasons of another type",
     "{\"status\":\"Content Moderated\",\"details\":{\"Moderation Reasons\":[{},7]}}",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, "Content Moderated", "safety system refused"},
    {"bfl: an error with words", "{\"status\":\"Error\",\"details\":\"Out of paint\"}",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "Error", "Out of paint"},
    {"bfl: an error in an object", "{\"status\":\"Error\",\"details\":{\"error\":\"Out of paint\"}}",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "Error", "Out of paint"},
    {"bfl: an error without words", "{\"status\":\"Error\",\"details\":[]}",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "Error", "doesn't say why"},
    {"bfl: failed", "{\"status\":\"Failed\"}", TARASH_IMAGE_ERROR_GENERATION_FAILED, "Failed",
     "doesn't say why"},
    {"bfl: state in place of status", "{\"state\":\"Error\",\"details\":\"Hm\"}",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "Error", "Hm"},
    {"bfl: ready without a result", "{\"status\":\"Ready\",\"result\":null}",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "", "holds no image"},
    {"bfl: ready with a result of another type",
     "{\"status\":\"Ready\",\"result\":{\"sample\":[1],\"seed\":{}}}", TARASH_IMAGE_ERROR_GENERATION_FAILED,
     "", "holds no image"},
};

static void test_reply(void **state) {
    const reply_row *row = (const reply_row *)*state;
    char json[1024];
    use_bfl(NULL, NULL);
    snprintf(json, sizeof json, "[{\"jobs\":{\"polls\":0}},{\"method\":\"GET\",\"status\":200,\"body\":%s}]",
             row->body);
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
    const char *message;
} error_row;

static const error_row error_rows[] = {
    {"bfl: not authenticated", "[{\"status\":403,\"body\":{\"detail\":\"Not authenticated\"}}]",
     TARASH_IMAGE_ERROR_AUTHENTICATION, "bfl answered HTTP 403: Not authenticated"},
    {"bfl: no credits", "[{\"status\":402,\"body\":{\"detail\":\"Insufficient credits\"}}]",
     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, "Insufficient credits"},
    {"bfl: a list of complaints",
     "[{\"status\":422,\"body\":{\"detail\":[{\"type\":\"missing\",\"loc\":[\"body\",\"prompt\"],\"msg\":"
     "\"Field "
     "required\",\"input\":{}},{\"type\":\"x\",\"loc\":[\"body\",\"images\",0],\"msg\":\"Bad\"}]}}]",
     TARASH_IMAGE_ERROR_VALIDATION, "HTTP 422: body.prompt: Field required; body.images.0: Bad"},
    {"bfl: a complaint in an object", "[{\"status\":400,\"body\":{\"detail\":{\"error\":\"Hm\"}}}]",
     TARASH_IMAGE_ERROR_VALIDATION, "HTTP 400: Hm"},
    {"bfl: a message", "[{\"status\":500,\"body\":{\"message\":\"Hm\"}}]", TARASH_IMAGE_ERROR_HTTP,
     "HTTP 500: Hm"},
    {"bfl: too many tasks", "[{\"status\":429,\"body\":{\"detail\":\"Too many active tasks\"}}]",
     TARASH_IMAGE_ERROR_RATE_LIMITED, "Too many active tasks"},
    {"bfl: an id that can't be one", "[{\"merge\":{\"id\":\"a/b\"}}]", TARASH_IMAGE_ERROR_BAD_RESPONSE,
     "the job's id"},
    {"bfl: no id", "[{\"merge\":{\"id\":[],\"polling_url\":7}}]", TARASH_IMAGE_ERROR_BAD_RESPONSE,
     "the job's id"},
};

static void test_error(void **state) {
    const error_row *row = (const error_row *)*state;
    use_bfl(NULL, NULL);
    script(row->script);
    run();
    expect(row->result);
    expect_in("the message", b.response.error.message, row->message);
    assert_int_equal(requests(), 1);
}

/* The real schema refuses what the model lacks: a user's own mistake comes back in its words. */
static void test_strict_schema(void **state) {
    (void)state;
    use_bfl("flux-3-image", NULL);
    b.request.extra_params = "{\"seed\":7}";
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_text("the message", b.response.error.message,
                "bfl answered HTTP 422: body.seed: Extra inputs are not permitted");
    expect_text("the code", b.response.error.provider_code, "extra_forbidden");
}

static void test_unknown_model(void **state) {
    (void)state;
    use_bfl("flux-9/x?y=%2e", NULL);
    script(QUICK);
    b.request.size = "100x77";
    run();
    expect(TARASH_IMAGE_ERROR_HTTP);
    expect_path(only_request(), "bfl/v1/flux-9/x%3Fy%3D%252e");
    expect_json(only_request(), "{" P ",\"width\":100,\"height\":77}");
}

/* ---- headers and keys ---- */

static const char *const get_headers[] = {"Host", "User-Agent", "Accept", "Accept-Encoding", "x-key"};
static const char *const post_headers[] = {"Host",  "User-Agent",   "Accept",        "Accept-Encoding",
                                           "x-key", "Content-Type", "Content-Length"};

static void test_headers(void **state) {
    const cJSON *post, *get;
    (void)state;
    use_bfl(NULL, NULL);
    script(QUICK);
    run_ok();
    assert_int_equal(requests(), 3);
    post = log_entry(b.log, 0);
    expect_text("the method", log_text(post, "method"), "POST");
    expect_header_names(post, post_headers, COUNT(post_headers));
    expect_header(post, "x-key", KEY);
    expect_header(post, "Accept", "application/json");
    expect_header(post, "Content-Type", "application/json");
    get = log_entry(b.log, 1);
    expect_text("the method", log_text(get, "method"), "GET");
    expect_path(get, "bfl/v1/get_result?id=" TASK);
    expect_header_names(get, get_headers, COUNT(get_headers));
    expect_header(get, "x-key", KEY);
    expect_in("the download", log_text(log_entry(b.log, 2), "path"), "/f/");
    expect_no_header(log_entry(b.log, 2), "x-key");
}

static void test_keys(void **state) {
    (void)state;
    use_bfl(NULL, NULL);
    setenv("BFL_API_KEY", "sk-from-the-environment", 1);
    b.config.api_key = NULL;
    b.config.provider = "black_forest_labs";
    script(QUICK);
    run_ok();
    expect_header(log_entry(b.log, 0), "x-key", "sk-from-the-environment");
    expect_text("the provider", b.response.provider, "bfl");
    b.config.api_key = "sk-bad-0123456789";
    run_with(b.config.api_key);
    expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
    expect_in("the message", b.response.error.message, "Invalid API key: *");
}

static void test_key_hosts(void **state) {
    static const struct {
        const char *url;
        int has_key;
    } rows[] = {{"https://api.bfl.ai/v1/get_result?id=1", 1},
                {"https://api.us3.bfl.ai/v1/get_result?id=1", 1},
                {"https://api.eu1.bfl.ai/v1/get_result?id=1", 1},
                {"https://API.EU.BFL.AI/v1/get_result?id=1", 1},
                {"https://api.us.bfl.ai:443/v1/get_result?id=1", 1},
                {"http://api.us3.bfl.ai/v1/get_result?id=1", 0},
                {"https://api.us3.bfl.ai:8443/v1/get_result?id=1", 0},
                {"https://delivery-us1.bfl.ai/results/1.jpeg", 0},
                {"https://bfl.ai/", 0},
                {"https://evilbfl.ai/", 0},
                {"https://api.evilbfl.ai/", 0},
                {"https://api.us3.bfl.ai.evil.com/", 0},
                {"https://api.bfl.ai@evil.com/", 0},
                {"https://api.a.b.bfl.ai/", 0},
                {"https://evil.com/api.us3.bfl.ai", 0}};
    tarimg_link link;
    tarash_image_exchange exchange;
    size_t i;
    (void)state;
    memset(&link, 0, sizeof link);
    memset(&exchange, 0, sizeof exchange);
    exchange.link = &link;
    link.row = tarimg_find_row("bfl");
    link.base_url = link.row->base_url;
    for (i = 0; i < COUNT(rows); i++) {
        if (tarimg_exchange_has_key(&exchange, rows[i].url) != rows[i].has_key) fail_msg("%s", rows[i].url);
    }
    link.base_url = "https://gateway.example.com/v1";
    assert_int_equal(tarimg_exchange_has_key(&exchange, rows[1].url), 0);
}

/* ---- the way of a task ---- */

static void test_progress(void **state) {
    (void)state;
    use_bfl(NULL, NULL);
    watch_progress();
    script("[{\"jobs\":{\"polls\":4},\"image_result\":{\"size\":\"8x8\"}}]");
    run_ok();
    expect_in("the progress", steps, "queued -1%; queued -1%; processing 40%; processing 60%; ");
    expect_in("its end", steps, "completed 100%; ");
    assert_int_equal(log_count(b.log, "GET", "get_result"), 5);
}

static void test_progress_of_flux_3(void **state) {
    (void)state;
    use_bfl("flux-3-image", NULL);
    watch_progress();
    script("[{\"jobs\":{\"polls\":4},\"image_result\":{\"size\":\"8x8\"}}]");
    run_ok();
    expect_in("the progress", steps,
              "queued -1%; queued -1%; processing 40% Reasoning; processing 60% Generating; ");
}

static void test_unknown_status(void **state) {
    (void)state;
    use_bfl(NULL, NULL);
    watch_progress();
    script("[{\"jobs\":{\"polls\":2,\"unknown_state\":true},\"image_result\":{\"size\":\"8x8\"}}]");
    run_ok();
    expect_in("the progress", steps, "processing -1% Contemplating; processing -1% Contemplating; ");
}

static void test_facts(void **state) {
    (void)state;
    use_bfl(NULL, NULL);
    b.request.has_seed = 1;
    b.request.seed = 77;
    script(
        "[{\"jobs\":{\"polls\":0},\"image_result\":{\"size\":\"8x8\",\"revised_prompt\":\"A redder fox\"}}]");
    run_ok();
    expect_picture(&b.response.images[0], "image/jpeg");
    expect_in("the URL", b.response.images[0].url, "/f/");
    expect_text("the revised prompt", b.response.images[0].revised_prompt, "A redder fox");
    assert_true(b.response.images[0].has_seed);
    assert_int_equal(b.response.images[0].seed, 77);
    expect_text("the metadata", b.response.provider_metadata,
                "{\"cost\":3.0,\"input_mp\":0.0,\"output_mp\":1.05}");
    expect_text("the model", b.response.model, "flux-2-pro");
    expect_in("the raw answer", b.response.raw_response, "\"status\":\"Ready\"");
    b.request.has_seed = 0;
    script(QUICK);
    run_ok();
    assert_null(b.response.images[0].revised_prompt);
    assert_int_equal(b.response.images[0].seed, 42); /* the provider's own */
}

static void test_model_of_the_operation(void **state) {
    (void)state;
    use_bfl(NULL, NULL);
    use_operation("deblur");
    b.request.images = one_png;
    b.request.image_count = 1;
    b.request.prompt = NULL;
    script(QUICK);
    run_ok();
    expect_text("the model", b.response.model, "flux-tools/deblur-v1");
    expect_picture(&b.response.images[0], "image/png");
}

static void test_url_only(void **state) {
    (void)state;
    use_bfl(NULL, NULL);
    b.request.output = TARASH_IMAGE_OUTPUT_URL;
    script(QUICK);
    run_ok();
    assert_int_equal(requests(), 2);
    assert_null(b.response.images[0].data);
    expect_in("the URL", b.response.images[0].url, "/f/");
    expect_warnings(NULL);
}

static void test_foreign_poll_url(void **state) {
    (void)state;
    use_bfl(NULL, NULL);
    script("[{\"jobs\":{\"polls\":2,\"elsewhere\":true},\"image_result\":{\"size\":\"8x8\"}}]");
    run_ok();
    assert_int_equal(log_count(b.log, "GET", "/jobs/" TASK), 0);
    assert_int_equal(log_count(b.log, "GET", "get_result?id=" TASK), 3);
}

/* Single clusters name no address: the task is asked for by its id. */
static void test_no_poll_url(void **state) {
    (void)state;
    use_bfl(NULL, NULL);
    script("[{\"jobs\":{\"polls\":1},\"image_result\":{\"size\":\"8x8\"},\"merge\":{\"polling_url\":null,"
           "\"cost\":null}}]");
    run_ok();
    expect_path(log_entry(b.log, 1), "bfl/v1/get_result?id=" TASK);
    expect_header(log_entry(b.log, 1), "x-key", KEY);
}

static void test_bad_poll_url(void **state) {
    (void)state;
    use_bfl(NULL, NULL);
    script("[{\"jobs\":{\"polls\":0},\"image_result\":{\"size\":\"8x8\"},"
           "\"merge\":{\"polling_url\":\"file:///etc/passwd\"}}]");
    run_ok();
    assert_int_equal(log_count(b.log, "GET", "get_result?id=" TASK), 1);
}

static void test_task_not_there_yet(void **state) {
    (void)state;
    use_bfl(NULL, NULL);
    b.config.retry.initial_ms = 1;
    script("[{\"jobs\":{\"polls\":0},\"image_result\":{\"size\":\"8x8\"}},"
           "{\"method\":\"GET\",\"status\":404},"
           "{\"method\":\"GET\",\"status\":200,\"body\":{\"id\":\"x\",\"status\":\"Task not found\"}}]");
    run_ok();
    assert_int_equal(log_count(b.log, "GET", "get_result"), 3);
}

static void test_task_that_vanished(void **state) {
    (void)state;
    use_bfl(NULL, NULL);
    script("[{\"jobs\":{\"vanish\":true}}]");
    run();
    expect(TARASH_IMAGE_ERROR_GENERATION_FAILED);
    expect_text("the code", b.response.error.provider_code, "Task not found");
    assert_int_equal(b.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
    assert_int_equal(log_count(b.log, "GET", "get_result"), 3);
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
}

static void test_moderation(void **state) {
    (void)state;
    use_bfl(NULL, NULL);
    script("[{\"moderation\":true}]");
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    expect_text("the message", b.response.error.message,
                "Request Moderated: Derivative Works Filter; Violence");
    assert_false(b.response.error.retryable);
    script("[{\"moderation\":\"items\"}]");
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    expect_text("the code", b.response.error.provider_code, "Content Moderated");
    script("[{\"jobs\":{\"polls\":0,\"fail\":true}}]");
    run();
    expect(TARASH_IMAGE_ERROR_GENERATION_FAILED);
    expect_text("the message", b.response.error.message, "The worker gave up.");
}

/* A submit is not idempotent, but one that was refused for load may be sent again. */
static void test_retry(void **state) {
    (void)state;
    use_bfl(NULL, NULL);
    b.config.max_retries = 2;
    b.config.retry.initial_ms = 1;
    script(
        "[{\"status\":429},{\"status\":503},{\"jobs\":{\"polls\":0},\"image_result\":{\"size\":\"8x8\"}}]");
    run_ok();
    assert_int_equal(log_count(b.log, "POST", NULL), 3);
    assert_int_equal(control_reset(b.session), 0);
    script("[{\"status\":402}]");
    run();
    expect(TARASH_IMAGE_ERROR_QUOTA_EXCEEDED);
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
}

/* The token keeps the address that the answer named. */
static void test_resume(void **state) {
    (void)state;
    use_bfl(NULL, NULL);
    script("[{\"jobs\":{\"polls\":3},\"image_result\":{\"size\":\"8x8\"}}]");
    give_up_and_resume();
    expect_picture(&b.response.images[0], "image/jpeg");
    assert_int_equal(log_count(b.log, "GET", "get_result?id=" TASK), 4);
}

/* There is no way to cancel at the provider, so nothing is sent. */
static void test_cancel(void **state) {
    (void)state;
    use_bfl(NULL, NULL);
    cancel_while_polling();
    assert_int_equal(log_count(b.log, "DELETE", NULL), 0);
}

static void test_no_memory(void **state) {
    (void)state;
    use_bfl("flux-3-image", NULL);
    b.request.images = three;
    b.request.image_count = 2;
    b.request.size = "1920x1080";
    b.request.quality = "4k";
    fail_everywhere(
        "[{\"jobs\":{\"polls\":1},\"image_result\":{\"size\":\"8x8\",\"revised_prompt\":\"Hm\"}}]",
        TARASH_IMAGE_OK);
    fail_everywhere("[{\"jobs\":{\"polls\":0,\"moderation\":true}}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    fail_everywhere("[{\"jobs\":{\"polls\":0,\"fail\":true}}]", TARASH_IMAGE_ERROR_GENERATION_FAILED);
    b.config.model = NULL;
    b.request.image_count = 1;
    b.request.mask = mask_bytes;
    fail_everywhere("[{\"jobs\":{\"polls\":0},\"image_result\":{\"size\":\"8x8\"}}]", TARASH_IMAGE_OK);
}

static void test_split_seeds(void **state) {
    int i, seen = 0;
    (void)state;
    use_bfl(NULL, NULL);
    b.request.n = 2;
    b.request.has_seed = 1;
    b.request.seed = 41;
    script(QUICK);
    run_ok();
    assert_int_equal(b.response.image_count, 2);
    for (i = 0; i < requests(); i++) {
        if (strcmp(log_text(log_entry(b.log, i), "method"), "POST") != 0) continue;
        seen |= log_number(log_entry(b.log, i), "json.seed") == 41 ? 1 : 0;
        seen |= log_number(log_entry(b.log, i), "json.seed") == 42 ? 2 : 0;
    }
    assert_int_equal(seen, 3);
    assert_int_equal(b.response.images[0].seed, 41);
    assert_int_equal(b.response.images[1].seed, 42);
}

/* White pixels mark what to paint, and stay white. */
static void test_mask_of_pixels(void **state) {
    static const unsigned char photo[] = {255, 0, 0, 0, 0, 255}, white_left[] = {255, 0};
    tarash_image_input image;
    const cJSON *entry;
    (void)state;
    memset(&image, 0, sizeof image);
    image.pixels = photo;
    image.width = 2;
    image.height = 1;
    image.channels = 3;
    use_bfl(NULL, NULL);
    b.request.images = &image;
    b.request.image_count = 1;
    b.request.mask.pixels = white_left;
    b.request.mask.width = 2;
    b.request.mask.height = 1;
    b.request.mask.channels = 1;
    script(QUICK);
    run_ok();
    entry = log_entry(b.log, 0);
    expect_path(entry, "bfl/v1/flux-pro-1.0-fill");
    expect_text("the first image", log_text(entry, "images[0].path"), "image");
    expect_text("its pixels", log_text(entry, "images[0].image.pixels"), "ff00000000ff");
    expect_text("the second image", log_text(entry, "images[1].path"), "mask");
    expect_text("its pixels", log_text(entry, "images[1].image.pixels"), "ff00");
}

static void test_plan(void **state) {
    tarash_image_text plan;
    (void)state;
    use_bfl("flux-tools/erase-v1", NULL);
    b.config.base_url = NULL;
    b.request.prompt = NULL;
    b.request.images = one_png;
    b.request.image_count = 1;
    b.request.mask = mask_bytes;
    assert_int_equal(tarash_image_plan(b.client, &b.config, &b.request, &plan), TARASH_IMAGE_OK);
    expect_in("the plan", plan.data, "\"url\":\"https://api.bfl.ai/v1/flux-tools/erase-v1\"");
    expect_in("the plan", plan.data, "\"x-key\":\"[redacted]\"");
    refuse_text("the plan", plan.data, KEY);
    tarash_image_text_free(&plan);
}

static int run_others(void) {
    const struct CMUnitTest tests[] = {TEST(test_strict_schema),
                                       TEST(test_unknown_model),
                                       TEST(test_headers),
                                       TEST(test_keys),
                                       TEST(test_key_hosts),
                                       TEST(test_progress),
                                       TEST(test_progress_of_flux_3),
                                       TEST(test_unknown_status),
                                       TEST(test_facts),
                                       TEST(test_model_of_the_operation),
                                       TEST(test_url_only),
                                       TEST(test_foreign_poll_url),
                                       TEST(test_no_poll_url),
                                       TEST(test_bad_poll_url),
                                       TEST(test_task_not_there_yet),
                                       TEST(test_task_that_vanished),
                                       TEST(test_moderation),
                                       TEST(test_retry),
                                       TEST(test_resume),
                                       TEST(test_cancel),
                                       TEST(test_no_memory),
                                       TEST(test_split_seeds),
                                       TEST(test_mask_of_pixels),
                                       TEST(test_plan)};
    return cmocka_run_group_tests_name("bfl", tests, NULL, NULL);
}

int main(void) {
    int failed = 0;
    if (server_start() != 0 || prepare_inputs() != 0) return 1;
    prepare_texts();
    by_url[0].url = url_then_png[0].url = "https://example.com/a.png?x=1&y=2";
    url_then_png[1] = one_png[0];
    from_server[0].url = server_png;
    RUN_ROWS(request_rows, test_request, tear_down);
    RUN_ROWS(refusal_rows, test_refusal, tear_down);
    RUN_ROWS(reply_rows, test_reply, tear_down);
    RUN_ROWS(error_rows, test_error, tear_down);
    failed += run_others();
    server_stop();
    return failed != 0;
}
