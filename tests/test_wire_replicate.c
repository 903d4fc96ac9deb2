/* What goes over the wire to Replicate, and what its predictions become. Real sockets, loopback only. */

#include "wire.h"

#define FLUX_2   "black-forest-labs/flux-2-pro"
#define SCHNELL  "black-forest-labs/flux-schnell"
#define SDXL     "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c962f9bdc"
#define SKETCHER "5c1d5c1d5c1d5c1d5c1d5c1d5c1d5c1d5c1d5c1d5c1d5c1d5c1d5c1d5c1d5c1d"
#define P        "\"prompt\":\"" PROMPT "\""
#define AT_ONCE  "[{\"times\":-1,\"jobs\":{\"polls\":0}}]"

static void use_replicate(const char *model) {
    use("replicate", "replicate/v1");
    b.config.model = model;
    b.config.poll_interval_ms = 1;
    b.config.retry.initial_ms = 1;
}

/* ---- requests: one row, one body ----------------------------------------------------------------------- */

typedef struct body_row {
    const char *name;
    const char *model;
    tarash_image_request request; /* the prompt is filled in where it is NULL */
    const char *options;          /* provider_config */
    const char *path;             /* below replicate/v1; NULL: models/MODEL/predictions */
    const char *body;     /* "@png", "@jpeg", "@webp" and "@mask" stand for these pictures' data: URLs */
    const char *warnings; /* NULL: none */
    int calls;            /* 0: one */
} body_row;

#define ALL_OPTIONS                                                                                          \
    .negative_prompt = "blur", .n = 1, .seed = 7, .has_seed = 1, .quality = "hd", .style = "vivid",          \
    .output_format = "png", .background = "opaque", .user = "u"

static tarash_image_input png_and_jpeg[2], from_pixels[1], by_url[1];
static const unsigned char grey_pixels[] = {0, 64, 128, 255};

static const body_row rows[] = {
    {.name = "flux-2-pro: a prompt alone",
     .model = NULL,
     .path = "models/" FLUX_2 "/predictions",
     .body = "{" P "}"},
    {.name = "flux-2-pro: everything",
     .model = FLUX_2,
     .request = {ALL_OPTIONS, .aspect_ratio = "16:9"},
     .body = "{" P ",\"aspect_ratio\":\"16:9\",\"seed\":7,\"output_format\":\"png\"}",
     .warnings = "negative_prompt=blur>; style=vivid>; background=opaque>; user=u>; quality=hd>"},
    {.name = "flux-2-pro: a resolution as quality",
     .model = FLUX_2,
     .request = {.quality = "2 MP", .output_format = "webp"},
     .body = "{" P ",\"resolution\":\"2 MP\",\"output_format\":\"webp\"}"},
    {.name = "flux-2-pro: a size is custom",
     .model = FLUX_2,
     .request = {.size = "1920x1088"},
     .body = "{" P ",\"aspect_ratio\":\"custom\",\"width\":1920,\"height\":1088}"},
    {.name = "flux-2-pro: a size between its steps",
     .model = FLUX_2,
     .request = {.size = "1000x1000"},
     .body = "{" P ",\"aspect_ratio\":\"custom\",\"width\":1008,\"height\":1008}",
     .warnings = "size=1000x1000>1008x1008"},
    {.name = "flux-2-pro: auto",
     .model = FLUX_2,
     .request = {.size = "auto", .quality = "auto", .aspect_ratio = "auto"},
     .body = "{" P "}"},
    {.name = "flux-2-pro: a ratio that it lacks",
     .model = FLUX_2,
     .request = {.aspect_ratio = "2:1"},
     .body = "{" P ",\"aspect_ratio\":\"16:9\"}",
     .warnings = "aspect_ratio=2:1>16:9"},
    {.name = "flux-2-pro: jpeg is jpg",
     .model = FLUX_2,
     .request = {.output_format = "jpeg"},
     .body = "{" P ",\"output_format\":\"jpg\"}"},
    {.name = "flux-2-pro: a format that it lacks",
     .model = FLUX_2,
     .request = {.output_format = "gif"},
     .body = "{" P "}",
     .warnings = "output_format=gif>"},
    {.name = "flux-2-pro: an edit follows its input",
     .model = FLUX_2,
     .request = {.images = png_and_jpeg, .image_count = 2},
     .body = "{" P ",\"aspect_ratio\":\"match_input_image\",\"input_images\":[\"@png\",\"@jpeg\"]}"},
    {.name = "flux-2-pro: an edit with a ratio",
     .model = FLUX_2,
     .request = {.images = one_png, .image_count = 1, .aspect_ratio = "4:3"},
     .body = "{" P ",\"aspect_ratio\":\"4:3\",\"input_images\":[\"@png\"]}"},
    {.name = "flux-2-pro: an input by URL",
     .model = FLUX_2,
     .request = {.images = by_url, .image_count = 1, .aspect_ratio = "1:1"},
     .body = "{" P ",\"aspect_ratio\":\"1:1\",\"input_images\":[\"https://example.com/a.png\"]}"},
    {.name = "flux-2-pro: an input by path",
     .model = FLUX_2,
     .request = {.images = by_path, .image_count = 1, .aspect_ratio = "1:1"},
     .body = "{" P ",\"aspect_ratio\":\"1:1\",\"input_images\":[\"@png\"]}"},
    {.name = "flux-2-pro: an input as a data: URL",
     .model = FLUX_2,
     .request = {.images = as_data_url, .image_count = 1, .aspect_ratio = "1:1"},
     .body = "{" P ",\"aspect_ratio\":\"1:1\",\"input_images\":[\"@png\"]}"},
    {.name = "flux-2-flex: its steps",
     .model = "black-forest-labs/flux-2-flex",
     .request = {.size = "1040x784"},
     .body = "{" P ",\"aspect_ratio\":\"custom\",\"width\":1056,\"height\":800}",
     .warnings = "size=1040x784>1056x800"},
    {.name = "flux-2-dev: its edge",
     .model = "black-forest-labs/flux-2-dev",
     .request = {.size = "2880x2880", .quality = "1 MP"},
     .body = "{" P ",\"aspect_ratio\":\"custom\",\"width\":1440,\"height\":1440}",
     .warnings = "quality=1 MP>; size=2880x2880>1440x1440"},
    {.name = "flux-schnell: everything",
     .model = SCHNELL,
     .request = {.n = 3, .seed = 0, .has_seed = 1, .aspect_ratio = "21:9", .output_format = "png"},
     .body = "{" P ",\"num_outputs\":3,\"seed\":0,\"aspect_ratio\":\"21:9\",\"output_format\":\"png\"}"},
    {.name = "flux-schnell: a size is a ratio",
     .model = SCHNELL,
     .request = {.size = "1024x768"},
     .body = "{" P ",\"aspect_ratio\":\"4:3\"}",
     .warnings = "size=1024x768>4:3"},
    {.name = "flux-dev: an image",
     .model = "black-forest-labs/flux-dev",
     .request = {.images = one_jpeg, .image_count = 1, .extra_params = "{\"prompt_strength\":0.5}"},
     .body = "{" P ",\"image\":\"@jpeg\",\"prompt_strength\":0.5}"},
    {.name = "flux-1.1-pro: an image",
     .model = "black-forest-labs/flux-1.1-pro",
     .request = {.images = one_png, .image_count = 1},
     .body = "{" P ",\"image_prompt\":\"@png\"}"},
    {.name = "flux-1.1-pro-ultra: has ratios only, and no webp",
     .model = "black-forest-labs/flux-1.1-pro-ultra",
     .request = {.size = "2048x1152", .output_format = "webp", .seed = 1, .has_seed = 1},
     .body = "{" P ",\"aspect_ratio\":\"16:9\",\"seed\":1}",
     .warnings = "size=2048x1152>16:9; output_format=webp>"},
    {.name = "flux-kontext-pro: an edit",
     .model = "black-forest-labs/flux-kontext-pro",
     .request = {.images = one_png, .image_count = 1, .output_format = "jpg"},
     .body = "{" P ",\"input_image\":\"@png\",\"output_format\":\"jpg\"}"},
    {.name = "flux-fill-pro: a mask",
     .model = "black-forest-labs/flux-fill-pro",
     .request = {.images = one_png, .image_count = 1, .seed = 5, .has_seed = 1},
     .body = "{" P ",\"image\":\"@png\",\"mask\":\"@mask\",\"seed\":5}"},
    {.name = "a mask without a model",
     .request = {.images = one_png, .image_count = 1},
     .path = "models/black-forest-labs/flux-fill-pro/predictions",
     .body = "{" P ",\"image\":\"@png\",\"mask\":\"@mask\"}"},
    {.name = "flux-3: quality is the resolution",
     .model = "black-forest-labs/flux-3-image",
     .request = {.quality = "2k", .images = one_png, .image_count = 1},
     .body = "{" P ",\"resolution\":\"2k\",\"images\":[\"@png\"]}"},
    {.name = "flux-3: so is a size",
     .model = "black-forest-labs/flux-3-image",
     .request = {.size = "2048x2048"},
     .body = "{" P ",\"resolution\":\"2k\",\"aspect_ratio\":\"1:1\"}",
     .warnings = "size=2048x2048>1:1"},
    {.name = "sd 3.5 large: no negative prompt",
     .model = "stability-ai/stable-diffusion-3.5-large",
     .request = {.negative_prompt = "blur", .aspect_ratio = "9:21"},
     .body = "{" P ",\"aspect_ratio\":\"9:21\"}",
     .warnings = "negative_prompt=blur>"},
    {.name = "sd 3.5 turbo: a negative prompt",
     .model = "stability-ai/stable-diffusion-3.5-large-turbo",
     .request = {.negative_prompt = "blur"},
     .body = "{" P ",\"negative_prompt\":\"blur\"}"},
    {.name = "sdxl: everything, by name and version",
     .model = "stability-ai/sdxl:" SDXL,
     .request = {.negative_prompt = "blur", .n = 4, .size = "1024x768", .seed = 3, .has_seed = 1},
     .path = "predictions",
     .body =
         "{" P ",\"negative_prompt\":\"blur\",\"num_outputs\":4,\"width\":1024,\"height\":768,\"seed\":3}"},
    {.name = "sdxl: a ratio is a size",
     .model = "stability-ai/sdxl:" SDXL,
     .request = {.aspect_ratio = "16:9"},
     .path = "predictions",
     .body = "{" P ",\"width\":1360,\"height\":768}",
     .warnings = "aspect_ratio=16:9>1360x768"},
    {.name = "recraft-v3: a size of its list, and a style",
     .model = "recraft-ai/recraft-v3",
     .request = {.size = "1820x1024", .style = "digital_illustration/pixel_art"},
     .body = "{" P ",\"size\":\"1820x1024\",\"style\":\"digital_illustration/pixel_art\"}"},
    {.name = "recraft-v4: the nearest size",
     .model = "recraft-ai/recraft-v4",
     .request = {.size = "1920x1080", .seed = 1, .has_seed = 1},
     .body = "{" P ",\"size\":\"1344x768\"}",
     .warnings = "seed=1>; size=1920x1080>1344x768"},
    {.name = "ideogram-v3: style and seed",
     .model = "ideogram-ai/ideogram-v3-turbo",
     .request = {.style = "design", .seed = 9, .has_seed = 1, .aspect_ratio = "1:3"},
     .body = "{" P ",\"style_type\":\"Design\",\"seed\":9,\"aspect_ratio\":\"1:3\"}"},
    {.name = "ideogram-4-5: everything",
     .model = "ideogram-ai/ideogram-4-5",
     .request = {.n = 2, .quality = "high", .size = "2048x2048"},
     .body = "{" P ",\"num_images\":2,\"quality\":\"high\",\"size\":\"2048x2048\"}"},
    {.name = "nano-banana: images",
     .model = "google/nano-banana",
     .request = {.images = png_and_jpeg, .image_count = 2, .aspect_ratio = "21:9", .output_format = "png"},
     .body =
         "{" P ",\"image_input\":[\"@png\",\"@jpeg\"],\"aspect_ratio\":\"21:9\",\"output_format\":\"png\"}"},
    {.name = "nano-banana-pro: a size is a ratio and a resolution",
     .model = "google/nano-banana-pro",
     .request = {.size = "1024x1024"},
     .body = "{" P ",\"aspect_ratio\":\"1:1\",\"resolution\":\"1K\"}",
     .warnings = "size=1024x1024>1:1"},
    {.name = "nano-banana-pro: the largest",
     .model = "google/nano-banana-pro",
     .request = {.size = "4096x4096"},
     .body = "{" P ",\"aspect_ratio\":\"1:1\",\"resolution\":\"4K\"}",
     .warnings = "size=4096x4096>1:1"},
    {.name = "nano-banana-pro: quality goes before",
     .model = "google/nano-banana-pro",
     .request = {.size = "1024x1024", .quality = "2K"},
     .body = "{" P ",\"aspect_ratio\":\"1:1\",\"resolution\":\"2K\"}",
     .warnings = "size=1024x1024>1:1"},
    {.name = "seedream-4: a size is custom",
     .model = "bytedance/seedream-4",
     .request = {.size = "2048x1536"},
     .body = "{" P ",\"size\":\"custom\",\"width\":2048,\"height\":1536}"},
    {.name = "seedream-4.5: a size is a ratio and a word",
     .model = "bytedance/seedream-4.5",
     .request = {.size = "4096x4096", .output_format = "png"},
     .body = "{" P ",\"size\":\"4K\",\"aspect_ratio\":\"1:1\"}",
     .warnings = "output_format=png>; size=4096x4096>1:1"},
    {.name = "qwen-image: everything",
     .model = "qwen/qwen-image",
     .request =
         {.negative_prompt = "blur", .seed = 2, .has_seed = 1, .size = "1024x1024", .output_format = "jpeg"},
     .body = "{" P ",\"negative_prompt\":\"blur\",\"seed\":2,\"width\":1024,\"height\":1024,\"output_"
             "format\":\"jpg\"}"},
    {.name = "gpt-image: OpenAI's words",
     .model = "openai/gpt-image-1.5",
     .request =
         {.n = 2, .quality = "hd", .background = "transparent", .output_format = "jpeg", .size = "1536x1024"},
     .body = "{" P ",\"number_of_images\":2,\"quality\":\"high\",\"background\":\"transparent\","
             "\"output_format\":\"jpeg\",\"aspect_ratio\":\"3:2\"}",
     .warnings = "size=1536x1024>3:2; quality=hd>high"},
    {.name = "an unknown model: common names",
     .model = "acme/new-painter",
     .request = {.negative_prompt = "blur",
                 .seed = 2,
                 .has_seed = 1,
                 .size = "640x480",
                 .output_format = "jpeg",
                 .images = one_png,
                 .image_count = 1,
                 .extra_params = "{\"glaze\":\"thick\"}"},
     .body =
         "{" P
         ",\"negative_prompt\":\"blur\",\"seed\":2,\"width\":640,\"height\":480,\"output_format\":\"jpg\","
         "\"image\":\"@png\",\"glaze\":\"thick\"}"},
    {.name = "an unknown model: a ratio",
     .model = "acme/new-painter",
     .request = {.aspect_ratio = "7:5", .quality = "hd", .user = "u"},
     .body = "{" P ",\"aspect_ratio\":\"7:5\"}",
     .warnings = "quality=hd>; user=u>"},
    {.name = "an unknown model: n is split",
     .model = "acme/new-painter",
     .request = {.n = 3, .seed = 5, .has_seed = 1},
     .body = NULL,
     .calls = 3,
     .warnings = "seed=5>5, and counting up from it"},
    {.name = "a bare version", .model = SKETCHER, .path = "predictions", .body = "{" P "}"},
    {.name = "a name and a version",
     .model = "acme/sketcher:" SKETCHER,
     .path = "predictions",
     .body = "{" P "}"},
    {.name = "a deployment",
     .model = "acme/fast-lane",
     .options = "{\"deployment\":true}",
     .path = "deployments/acme/fast-lane/predictions",
     .body = "{" P "}"},
    {.name = "no deployment",
     .model = SCHNELL,
     .options = "{\"deployment\":false,\"wait\":0}",
     .body = "{" P "}"},
};

/* The text with each "@name" replaced by that picture's data: URL; to be freed. */
static char *with_pictures(const char *text) {
    static const struct {
        const char *name, *type;
        const unsigned char *data;
        const size_t *size;
    } pictures[] = {{"@png", "png", tiny_png, &tiny_png_size},
                    {"@jpeg", "jpeg", tiny_jpeg, &tiny_jpeg_size},
                    {"@webp", "webp", tiny_webp, &tiny_webp_size},
                    {"@mask", "png", tiny_mask_png, &tiny_mask_png_size}};
    char *out = (char *)calloc(1, 65536), *end = out;
    assert_non_null(out);
    while (*text) {
        size_t i = 0;
        while (i < COUNT(pictures) && strncmp(text, pictures[i].name, strlen(pictures[i].name)) != 0) i++;
        if (i == COUNT(pictures)) {
            *end++ = *text++;
            continue;
        }
        end += sprintf(end, "data:image/%s;base64,", pictures[i].type);
        encode_base64(pictures[i].data, *pictures[i].size, end);
        end += strlen(end);
        text += strlen(pictures[i].name);
    }
    return out;
}

static void expect_input(const cJSON *entry, const char *body) {
    char *text = with_pictures(body), *sent = cJSON_PrintUnformatted(log_at(entry, "json.input"));
    cJSON *wanted = cJSON_Parse(text);
    int same = wanted && cJSON_Compare(log_at(entry, "json.input"), wanted, 1);
    cJSON_Delete(wanted);
    if (!same) print_error("sent:   %s\nwanted: %s\n", sent ? sent : "no input", text);
    cJSON_free(sent);
    free(text);
    assert_true(same);
}

/* The body holds nothing but the input, and the version where the path has none. */
static void expect_members(const cJSON *entry, const char *model) {
    const char *colon = model ? strchr(model, ':') : NULL, *version = colon ? colon + 1 : model;
    int has_version = version && !strchr(version, '/');
    assert_int_equal(cJSON_GetArraySize(log_at(entry, "json")), has_version ? 2 : 1);
    if (has_version) expect_text("the version", log_text(entry, "json.version"), version);
}

static void test_body(void **state) {
    const body_row *row = (const body_row *)*state;
    const char *prompt = PROMPT;
    char path[256];
    script(AT_ONCE);
    use_replicate(row->model);
    b.config.provider_config = row->options;
    b.request = row->request;
    if (!b.request.prompt) b.request.prompt = prompt;
    if (row->body && strstr(row->body, "@mask")) b.request.mask = mask_bytes;
    run_ok();
    expect_warnings(row->warnings);
    assert_int_equal(log_count(b.log, "POST", NULL), row->calls ? row->calls : 1);
    if (row->path)
        snprintf(path, sizeof path, "replicate/v1/%s", row->path);
    else
        snprintf(path, sizeof path, "replicate/v1/models/%s/predictions", row->model);
    expect_text("the method", log_text(log_entry(b.log, 0), "method"), "POST");
    expect_path(log_entry(b.log, 0), path);
    expect_members(log_entry(b.log, 0), row->model);
    if (row->body) expect_input(log_entry(b.log, 0), row->body);
}

static void test_headers(void **state) {
    (void)state;
    script(AT_ONCE);
    use_replicate(NULL);
    run_ok();
    expect_usual_headers(log_entry(b.log, 0));
    expect_header(log_entry(b.log, 0), "Content-Type", "application/json");
    expect_text("the poll", log_text(log_entry(b.log, 1), "method"), "GET");
    expect_path(log_entry(b.log, 1), "replicate/v1/predictions/rrr00000000000000000000001");
    expect_header(log_entry(b.log, 1), "Authorization", "Bearer " KEY);
    expect_no_header(log_entry(b.log, 1), "Content-Type");
    expect_no_header(log_entry(b.log, 2), "Authorization");
}

static void test_size_of_its_least_edge(void **state) {
    (void)state;
    script(AT_ONCE);
    use_replicate("black-forest-labs/flux-1.1-pro");
    b.request.size = "1024x100";
    run_ok();
    expect_text("the ratio", log_text(log_entry(b.log, 0), "json.input.aspect_ratio"), "custom");
    assert_true(log_number(log_entry(b.log, 0), "json.input.height") >= 256);
    assert_non_null(warning_about("size"));
}

static void test_extra_params(void **state) {
    (void)state;
    script(AT_ONCE);
    use_replicate(FLUX_2);
    b.request.output_format = "webp";
    b.request.extra_params = "{\"safety_tolerance\":4,\"output_format\":\"png\",\"aspect_ratio\":\"3:2\"}";
    run_ok();
    expect_input(log_entry(b.log, 0),
                 "{" P ",\"safety_tolerance\":4,\"output_format\":\"png\",\"aspect_ratio\":\"3:2\"}");
}

static void test_seeds_of_split_calls(void **state) {
    int i, seen = 0;
    (void)state;
    script(AT_ONCE);
    use_replicate("acme/new-painter");
    b.request.n = 3;
    b.request.has_seed = 1;
    b.request.seed = 5;
    run_ok();
    assert_int_equal(b.response.image_count, 3);
    for (i = 0; i < requests(); i++) {
        const cJSON *entry = log_entry(b.log, i);
        if (strcmp(log_text(entry, "method"), "POST") != 0) continue;
        seen |= 1 << ((int)log_number(entry, "json.input.seed") - 5);
        assert_null(log_at(entry, "json.input.num_outputs"));
    }
    assert_int_equal(seen, 7);
}

/* ---- options ------------------------------------------------------------------------------------------- */

static void run_option(const char *options) {
    script(AT_ONCE);
    use_replicate(SCHNELL);
    b.config.provider_config = options;
    run();
}

static void test_wait(void **state) {
    (void)state;
    use_replicate(SCHNELL);
    b.config.provider_config = "{\"wait\":true}";
    run_ok();
    assert_int_equal(log_count(b.log, NULL, "predictions"), 1); /* and no poll */
    expect_header(log_entry(b.log, 0), "Prefer", "wait");
    expect_warnings(NULL);
    b.config.provider_config = "{\"wait\":10}";
    run_ok();
    expect_header(log_entry(b.log, -2), "Prefer", "wait=10");
}

static void test_wait_that_times_out(void **state) {
    (void)state;
    script("[{\"jobs\":{\"polls\":2}}]");
    use_replicate(SCHNELL);
    b.config.provider_config = "{\"wait\":1}";
    run_ok();
    assert_int_equal(log_number(log_entry(b.log, 0), "status"), 202);
    assert_int_equal(log_count(b.log, "GET", "predictions"), 2);
}

static void test_wait_limits(void **state) {
    (void)state;
    run_option("{\"wait\":300}");
    expect(TARASH_IMAGE_OK);
    expect_header(log_entry(b.log, 0), "Prefer", "wait=60");
    expect_warnings("provider_config.wait=300>60");
}

static void test_wait_is_refused(void **state) {
    static const char *const wrong[] = {"{\"wait\":-1}", "{\"wait\":\"long\"}", "{\"wait\":[1]}"};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(wrong); i++) {
        run_option(wrong[i]);
        expect(TARASH_IMAGE_ERROR_VALIDATION);
        expect_in("the message", b.response.error.message, "provider_config.wait");
        assert_int_equal(requests(), 0);
    }
}

static void test_deadline(void **state) {
    (void)state;
    run_option("{\"cancel_after\":\"1h30m\"}");
    expect(TARASH_IMAGE_OK);
    expect_header(log_entry(b.log, 0), "Cancel-After", "1h30m");
    expect_no_header(log_entry(b.log, 0), "Prefer");
    run_option("{\"cancel_after\":90}");
    expect(TARASH_IMAGE_OK);
    run_option("{\"cancel_after\":\"soon\"}");
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(b.response.error.http_status, 0); /* ours, not the server's */
    run_option("{\"cancel_after\":\"5m\\r\\nX: y\"}");
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "provider_config.cancel_after");
}

static void test_webhook(void **state) {
    (void)state;
    run_option("{\"webhook\":\"https://example.com/hook\",\"webhook_events_filter\":[\"completed\"]}");
    expect(TARASH_IMAGE_OK);
    expect_json(log_entry(b.log, 0), "{\"webhook\":\"https://example.com/hook\","
                                     "\"webhook_events_filter\":[\"completed\"],\"input\":{" P "}}");
}

static void test_models_that_are_no_models(void **state) {
    static const char *const wrong[] = {
        "../files", "a/b/c", "a/",   "/b",      "a/b:",          "a/b:c/d",
        "a/b?x=1",  "a b/c", "a/..", "a/b:c:d", "acme/%2e%2e/x", "acme/sketcher#"};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(wrong); i++) {
        use_replicate(wrong[i]);
        run();
        if (b.result != TARASH_IMAGE_ERROR_VALIDATION) fail_msg("%s: %s", wrong[i], b.response.error.message);
        expect_in("the message", b.response.error.message, "model");
        assert_int_equal(requests(), 0);
    }
    use_replicate("acme/sketcher:" SKETCHER);
    b.config.provider_config = "{\"deployment\":true}";
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(requests(), 0);
}

static void test_unsupported(void **state) {
    static const struct {
        const char *model;
        size_t images;
        int mask;
        const char *operation;
        tarash_image_result result;
    } table[] = {
        {SCHNELL, 1, 0, NULL, TARASH_IMAGE_ERROR_UNSUPPORTED},
        {"black-forest-labs/flux-kontext-max", 2, 0, NULL, TARASH_IMAGE_ERROR_UNSUPPORTED},
        {FLUX_2, 9, 0, NULL, TARASH_IMAGE_ERROR_UNSUPPORTED},
        {"acme/new-painter", 2, 0, NULL, TARASH_IMAGE_ERROR_UNSUPPORTED},
        {FLUX_2, 1, 1, NULL, TARASH_IMAGE_ERROR_UNSUPPORTED},
        {FLUX_2, 0, 0, "{\"operation\":\"vectorize\"}", TARASH_IMAGE_ERROR_UNSUPPORTED},
        {FLUX_2, 0, 0, "{\"operation\":\"edit\"}", TARASH_IMAGE_ERROR_VALIDATION},
        {NULL, 1, 0, "{\"operation\":\"inpaint\"}", TARASH_IMAGE_ERROR_VALIDATION},
    };
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        use_replicate(table[i].model);
        b.config.provider_config = table[i].operation;
        b.request.images = table[i].images ? sixteen : NULL;
        b.request.image_count = table[i].images;
        memset(&b.request.mask, 0, sizeof b.request.mask);
        if (table[i].mask) b.request.mask = mask_bytes;
        run();
        if (b.result != table[i].result)
            fail_msg("row %d: %s %s", (int)i, tarash_image_result_name(b.result), b.response.error.message);
        assert_int_equal(requests(), 0);
    }
}

static void test_operation_without_a_prompt(void **state) {
    (void)state;
    script("[{\"status\":201,\"body\":{\"id\":\"x\",\"status\":\"succeeded\",\"output\":\"{FILES}/f/a/static/"
           "8x8.png\"}}]");
    use_replicate("acme/upscaler:" SKETCHER);
    b.config.provider_config = "{\"operation\":\"upscale\"}";
    b.request.prompt = NULL;
    b.request.images = one_png;
    b.request.image_count = 1;
    run_ok();
    expect_input(log_entry(b.log, 0), "{\"image\":\"@png\"}");
    b.config.model = NULL; /* the default model is none for that */
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "model");
}

/* ---- masks --------------------------------------------------------------------------------------------- */

static void run_mask(const char *model, const char *wanted) {
    const cJSON *entry;
    char found[16];
    int i;
    script(AT_ONCE);
    use_replicate(model);
    b.request.images = from_pixels;
    b.request.image_count = 1;
    b.request.mask = from_pixels[0];
    run_ok();
    entry = log_entry(b.log, 0);
    for (i = 0; i < cJSON_GetArraySize(log_at(entry, "images")); i++) {
        const cJSON *image = cJSON_GetArrayItem(log_at(entry, "images"), i);
        const char *pixels = log_text(image, "image.pixels");
        int channels = (int)log_number(image, "image.channels"), k;
        if (!strstr(log_text(image, "path"), "mask")) continue;
        assert_non_null(pixels);
        for (k = 0; k < 4; k++) memcpy(found + 2 * k, pixels + 2 * channels * k, 2);
        found[8] = '\0';
        expect_text("the mask", found, wanted);
        return;
    }
    fail_msg("there is no mask");
}

static void test_mask_white(void **state) {
    (void)state;
    run_mask("black-forest-labs/flux-fill-pro", "004080ff");
    expect_warnings(NULL);
}

static void test_mask_black(void **state) {
    (void)state;
    run_mask("ideogram-ai/ideogram-v3-quality", "ffbf7f00");
    expect_warnings(NULL);
}

static void test_mask_bytes_of_the_other_polarity(void **state) {
    (void)state;
    script(AT_ONCE);
    use_replicate("ideogram-ai/ideogram-v3-turbo");
    b.request.images = one_png;
    b.request.image_count = 1;
    b.request.mask = mask_bytes;
    run_ok();
    expect_input(log_entry(b.log, 0), "{" P ",\"image\":\"@png\",\"mask\":\"@mask\"}");
    expect_warnings("mask=white marks what to edit>unchanged, black marks it");
}

/* ---- replies: outputs ---------------------------------------------------------------------------------- */

static void test_output_text(void **state) {
    (void)state;
    use_replicate(FLUX_2);
    run_ok();
    assert_int_equal(b.response.image_count, 1);
    expect_picture(&b.response.images[0], "image/webp");
    assert_non_null(b.response.images[0].url);
    assert_int_equal(b.response.created, 1795168800); /* 2026-11-20T10:00:00Z */
    expect_in("the metadata", b.response.provider_metadata, "\"predict_time\":2.31");
    expect_in("the metadata", b.response.provider_metadata, "\"version\":\"hidden\"");
    assert_null(strstr(b.response.provider_metadata, "\"input\""));
    expect_text("the model", b.response.model, FLUX_2);
    assert_true(b.response.images[0].has_seed);
    assert_int_equal(b.response.images[0].seed, 7331); /* of the log */
}

static void test_output_list(void **state) {
    (void)state;
    use_replicate(SCHNELL);
    b.request.n = 2;
    b.request.output_format = "png";
    run_ok();
    assert_int_equal(b.response.image_count, 2);
    expect_picture(&b.response.images[0], "image/png");
    expect_picture(&b.response.images[1], "image/png");
    assert_string_not_equal(b.response.images[0].url, b.response.images[1].url);
    assert_int_equal(b.response.images[1].index, 1);
}

static void test_output_object(void **state) {
    (void)state;
    use_replicate("acme/sketcher:" SKETCHER);
    run_ok();
    assert_int_equal(b.response.image_count, 1);
    expect_picture(&b.response.images[0], "image/png");
}

static void run_output(const char *model, const char *image_result) {
    char text[256];
    snprintf(text, sizeof text, "[{\"jobs\":{\"polls\":1},\"image_result\":%s}]", image_result);
    script(text);
    use_replicate(model);
    run();
}

static void test_output_data_urls(void **state) {
    static const char *const models[] = {FLUX_2, SCHNELL, "acme/sketcher:" SKETCHER};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(models); i++) {
        run_output(models[i], "{\"url\":false}");
        expect(TARASH_IMAGE_OK);
        assert_int_equal(b.response.image_count, 1);
        expect_picture(&b.response.images[0], i < 2 ? "image/webp" : "image/png");
        assert_null(b.response.images[0].url);
        assert_null(strstr(b.response.raw_response, "base64,"));
    }
}

/* Predictions repeat their input, with images of several megabytes; raw_response needs none of it. */
static void test_echoed_input(void **state) {
    static unsigned char noise[64 * 64 * 3];
    tarash_image_input image = {.pixels = noise, .width = 64, .height = 64, .channels = 3};
    unsigned value = 1;
    size_t i;
    (void)state;
    for (i = 0; i < sizeof noise; i++) {
        value = value * 1103515245u + 12345u;
        noise[i] = (unsigned char)(value >> 16);
    }
    use("replicate", "replicate/v1");
    b.config.model = FLUX_2;
    b.config.poll_interval_ms = 1;
    b.request.images = &image;
    b.request.image_count = 1;
    run_ok();
    expect_in("raw_response", b.response.raw_response, "\"input_images\":[\"data:image/png;base64,");
    assert_true(strlen(b.response.raw_response) < 3000);
}

static void test_output_with_gaps(void **state) {
    (void)state;
    run_output(SCHNELL, "{\"null_entries\":true}");
    expect(TARASH_IMAGE_OK);
    assert_int_equal(b.response.image_count, 1);
}

static void test_output_before_the_status(void **state) {
    (void)state;
    script("[{\"jobs\":{\"polls\":1}}, {\"method\":\"GET\",\"times\":1},"
           " {\"method\":\"GET\",\"merge\":{\"status\":\"processing\"}}]");
    use_replicate(FLUX_2);
    run_ok();
    assert_int_equal(b.response.image_count, 1);
    assert_int_equal(log_count(b.log, "GET", "predictions"), 2);
}

/* A part of a list that grows is not the result. */
static void test_output_that_grows(void **state) {
    (void)state;
    script("[{\"jobs\":{\"polls\":1}}, {\"method\":\"GET\",\"merge\":{\"status\":\"processing\",\"output\":"
           "[\"https://example.com/one-of-two.png\"]}}]");
    use_replicate(SCHNELL);
    b.request.n = 2;
    run_ok();
    assert_int_equal(b.response.image_count, 2);
}

static void test_output_url_only(void **state) {
    (void)state;
    use_replicate(FLUX_2);
    b.request.output = TARASH_IMAGE_OUTPUT_URL;
    run_ok();
    expect_warnings(NULL);
    assert_null(b.response.images[0].data);
    assert_non_null(b.response.images[0].url);
    assert_int_equal(log_count(b.log, NULL, "/f/"), 0);
}

/* ---- replies: refusals and failures -------------------------------------------------------------------- */

typedef struct ending_row {
    const char *name;
    const char *script;
    const char *options;
    tarash_image_result result;
    const char *code;
    const char *message;
} ending_row;

#define FAIL(text)   "[{\"jobs\":{\"polls\":1,\"fail\":\"" text "\"}}]"
#define MERGED(json) "[{\"jobs\":{\"polls\":0}},{\"method\":\"GET\",\"times\":-1,\"merge\":" json "}]"
#define REFUSED      TARASH_IMAGE_ERROR_CONTENT_MODERATION

static const ending_row endings[] = {
    {"refused at once", "[{\"moderation\":true}]", NULL, REFUSED, "E005", "flagged as sensitive"},
    {"refused later", "[{\"jobs\":{\"polls\":1,\"moderation\":true}}]", NULL, REFUSED, "E005",
     "flagged as sensitive"},
    {"refused by the code alone", FAIL("Please try again with other inputs. (E005)"), NULL, REFUSED, "E005",
     "other inputs"},
    {"refused without a code", FAIL("NSFW content detected. Try running it again."), NULL, REFUSED, "failed",
     "NSFW"},
    {"every image refused", FAIL("All generated images contained NSFW content"), NULL, REFUSED, "failed",
     "NSFW"},
    {"an empty list, and the log says why",
     MERGED("{\"output\":[],\"logs\":\"NSFW content detected in image 0\\n\"}"), NULL, REFUSED, "",
     "safety system"},
    {"failed", FAIL("CUDA error: no kernel image"), NULL, TARASH_IMAGE_ERROR_GENERATION_FAILED, "failed",
     "CUDA error"},
    {"failed with a code", FAIL("Out of memory (E1001)"), NULL, TARASH_IMAGE_ERROR_GENERATION_FAILED, "E1001",
     "Out of memory"},
    {"failed without words", MERGED("{\"status\":\"failed\",\"error\":null}"), NULL,
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "failed", "the prediction failed"},
    {"failed with an object", MERGED("{\"status\":\"failed\",\"error\":{\"detail\":\"a bolt came loose\"}}"),
     NULL, TARASH_IMAGE_ERROR_GENERATION_FAILED, "failed", "a bolt came loose"},
    {"failed with a number", MERGED("{\"status\":\"failed\",\"error\":[7]}"), NULL,
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "failed", "the prediction failed"},
    {"canceled", FAIL("canceled"), NULL, TARASH_IMAGE_ERROR_CANCELLED, "canceled",
     "cancelled at the provider"},
    {"canceled by the deadline", FAIL("canceled"), "{\"cancel_after\":\"10s\"}", TARASH_IMAGE_ERROR_TIMEOUT,
     "canceled", "cancelled"},
    {"aborted", FAIL("aborted"), "{\"cancel_after\":\"10s\"}", TARASH_IMAGE_ERROR_TIMEOUT, "aborted",
     "deadline"},
    {"no output", MERGED("{\"output\":null}"), NULL, TARASH_IMAGE_ERROR_GENERATION_FAILED, "",
     "holds no image"},
    {"an output of words", MERGED("{\"output\":\"a fox, in words\"}"), NULL,
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "", "holds no image"},
    {"an output of another type", MERGED("{\"output\":[7,true,{\"a\":[null]}]}"), NULL,
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "", "holds no image"},
    {"no status", "[{\"status\":201,\"body\":{\"id\":\"x\"}}]", NULL, TARASH_IMAGE_ERROR_BAD_RESPONSE, "",
     "status"},
    {"no id", "[{\"status\":201,\"body\":{\"status\":\"starting\"}}]", NULL, TARASH_IMAGE_ERROR_BAD_RESPONSE,
     "", "id"},
    {"an id that leads elsewhere",
     "[{\"status\":201,\"body\":{\"status\":\"starting\",\"id\":\"../account\"}}]", NULL,
     TARASH_IMAGE_ERROR_BAD_RESPONSE, "", "id"},
    {"a list", "[{\"status\":201,\"body\":[1]}]", NULL, TARASH_IMAGE_ERROR_BAD_RESPONSE, "", "status"},
    {"a broken data: URL", MERGED("{\"output\":{\"picture\":\"data:image/png;base64,@@\"}}"), NULL,
     TARASH_IMAGE_ERROR_BAD_RESPONSE, "", "data: URL"},
};

static void test_ending(void **state) {
    const ending_row *row = (const ending_row *)*state;
    script(row->script);
    use_replicate(SCHNELL);
    b.config.provider_config = row->options;
    run();
    expect(row->result);
    expect_text("the code", b.response.error.provider_code, row->code);
    expect_in("the message", b.response.error.message, row->message);
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
    assert_in_range(requests(), 1, 4); /* it is final */
    assert_int_equal(b.response.image_count, 0);
}

/* The images that passed are kept, and the others are told of. */
static void test_some_refused(void **state) {
    (void)state;
    script("[{\"jobs\":{\"polls\":0},\"drop_items\":1},"
           " {\"method\":\"GET\",\"merge\":{\"logs\":\"NSFW content detected in image 1\\n\"}}]");
    use_replicate(SCHNELL);
    b.request.n = 2;
    run_ok();
    assert_int_equal(b.response.image_count, 1);
    expect_in("the reason", warning_about("n")->why, "safety system");
}

typedef struct status_row {
    const char *name;
    const char *script;
    tarash_image_result result;
    int status;
    const char *code;
    const char *message;
    int retry_after_ms;
} status_row;

static const status_row statuses[] = {
    {"422 of a field",
     "[{\"status\":422,\"body\":{\"title\":\"Input validation failed\",\"detail\":\"- input.output_format: "
     "output_format "
     "must be one of the following: \\\"jpg\\\", "
     "\\\"png\\\"\\n\",\"status\":422,\"invalid_fields\":[{\"type\":\"enum\","
     "\"field\":\"input.output_format\",\"description\":\"output_format must be ...\"}]}}]",
     TARASH_IMAGE_ERROR_VALIDATION, 422, "Input validation failed", "input.output_format", 0},
    {"422 of a version",
     "[{\"status\":422,\"body\":{\"title\":\"Invalid version or not permitted\",\"detail\":\"The specified "
     "version does "
     "not exist\",\"status\":422}}]",
     TARASH_IMAGE_ERROR_VALIDATION, 422, "Invalid version or not permitted", "The specified version", 0},
    {"401", "[{\"status\":401}]", TARASH_IMAGE_ERROR_AUTHENTICATION, 401, "Unauthenticated",
     "Incorrect API key", 0},
    {"402",
     "[{\"status\":402,\"body\":{\"title\":\"Insufficient credit\",\"detail\":\"You have insufficient credit "
     "to run this "
     "model.\",\"status\":402}}]",
     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 402, "Insufficient credit", "insufficient credit", 0},
    {"429 with seconds",
     "[{\"status\":429,\"body\":{\"detail\":\"Request was throttled. Your rate limit for creating "
     "predictions is reduced "
     "to 6 requests per minute. Your rate limit resets in ~5s.\",\"status\":429,\"retry_after\":7}}]",
     TARASH_IMAGE_ERROR_RATE_LIMITED, 429, "", "throttled", 7000},
    {"429 with words",
     "[{\"status\":429,\"body\":{\"detail\":\"Request was throttled. Your rate limit resets in ~30s.\"}}]",
     TARASH_IMAGE_ERROR_RATE_LIMITED, 429, "", "throttled", 30000},
    {"429 with a header",
     "[{\"status\":429,\"headers\":{\"Retry-After\":\"3\"},\"body\":{\"detail\":\"Slow "
     "down\",\"retry_after\":7}}]",
     TARASH_IMAGE_ERROR_RATE_LIMITED, 429, "", "Slow down", 3000},
    {"429 with nonsense", "[{\"status\":429,\"body\":{\"detail\":[],\"retry_after\":-5}}]",
     TARASH_IMAGE_ERROR_RATE_LIMITED, 429, "", "429", 0},
    {"500 of a page", "[{\"status\":500,\"error_shape\":\"html\"}]", TARASH_IMAGE_ERROR_HTTP, 500, "",
     "nginx", 0},
    {"503 without a body", "[{\"status\":503,\"error_shape\":\"empty\"}]", TARASH_IMAGE_ERROR_HTTP, 503, "",
     "503", 0},
};

static void test_status(void **state) {
    const status_row *row = (const status_row *)*state;
    script(row->script);
    use_replicate(SCHNELL);
    run();
    expect(row->result);
    assert_int_equal(b.response.error.http_status, row->status);
    expect_text("the code", b.response.error.provider_code, row->code);
    expect_in("the message", b.response.error.message, row->message);
    assert_int_equal(b.response.error.retry_after_ms, row->retry_after_ms);
    assert_int_equal(requests(), 1);
}

static void test_bad_key(void **state) {
    (void)state;
    use_replicate(SCHNELL);
    b.config.api_key = "r8_bad-Secret-0123456789";
    run();
    expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
    expect_text("the code", b.response.error.provider_code, "Unauthenticated");
}

static void test_key_of_the_environment(void **state) {
    (void)state;
    use_replicate(SCHNELL);
    b.config.api_key = NULL;
    run_with(NULL);
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "REPLICATE_API_TOKEN");
    setenv("REPLICATE_API_TOKEN", "r8_Secret-0123456789", 1);
    script(AT_ONCE);
    run_with("r8_Secret-0123456789");
    expect(TARASH_IMAGE_OK);
    expect_header(log_entry(b.log, 0), "Authorization", "Bearer r8_Secret-0123456789");
}

static void test_community_model_without_a_version(void **state) {
    (void)state;
    use_replicate("acme/sketcher");
    run();
    expect(TARASH_IMAGE_ERROR_HTTP);
    assert_int_equal(b.response.error.http_status, 404);
    expect_in("the message", b.response.error.message, "owner/name:version");
}

/* ---- jobs ---------------------------------------------------------------------------------------------- */

static char told[4096];

static void note_progress(const tarash_image_update *update, void *user_data) {
    (void)user_data;
    append_text(told, sizeof told, "%s %d %d %s\n", tarash_image_status_name(update->status),
                update->progress_percent, update->queue_position, update->message ? update->message : "-");
}

static void test_progress(void **state) {
    (void)state;
    told[0] = '\0';
    script("[{\"jobs\":{\"polls\":3}}]");
    use_replicate(SCHNELL);
    b.request.on_progress = note_progress;
    run_ok();
    expect_in("the progress", told, "queued -1 -1 -\n");
    expect_in("the progress", told, "processing 50 -1  50%|####      | 2/4\n");
    expect_in("the progress", told, "processing 75 -1  75%|####      | 3/4\n");
    expect_in("the progress", told, "completed 100 ");
}

static void test_progress_of_odd_logs(void **state) {
    static const struct {
        const char *log;
        const char *wanted;
    } table[] = {{"", "processing -1 -1 -\n"},
                 {"one\\r 5%\\r46%|#\\r\\n", "processing 46 -1 46%|#\n"},
                 {"12%\\nthen 300% and 99999999999%\\n", "processing 12 -1 then 300% and 99999999999%\n"},
                 {"%%%\\n\\n", "processing -1 -1 %%%\n"}};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(table); i++) {
        char text[256];
        told[0] = '\0';
        snprintf(text, sizeof text,
                 "[{\"jobs\":{\"polls\":0}},{\"method\":\"GET\",\"merge\":{\"status\":\"processing\","
                 "\"output\":null,"
                 "\"logs\":\"%s\"}}]",
                 table[i].log);
        script(text);
        use_replicate(SCHNELL);
        b.request.on_progress = note_progress;
        run_ok();
        expect_in("the progress", told, table[i].wanted);
    }
}

static void test_unknown_status_word(void **state) {
    (void)state;
    script("[{\"jobs\":{\"polls\":2,\"unknown_state\":true}}]");
    use_replicate(SCHNELL);
    run_ok();
    assert_int_equal(log_count(b.log, "GET", "predictions"), 3);
}

static void test_odd_polls(void **state) {
    (void)state;
    script("[{\"status\":201,\"body\":{\"status\":\"starting\",\"id\":\"abc\",\"urls\":7,\"logs\":[1]}},"
           " {\"method\":\"GET\",\"status\":200,\"body\":{\"status\":12,\"output\":{},\"logs\":{}}},"
           " {\"method\":\"GET\",\"status\":200,\"body\":{\"status\":\"succeeded\",\"output\":"
           "[\"{FILES}/f/a/static/8x8.png\"],\"created_at\":false}}]");
    use_replicate(SCHNELL);
    run_ok();
    expect_path(log_entry(b.log, 1), "replicate/v1/predictions/abc");
    assert_int_equal(b.response.images[0].width, 8);
}

static void test_poll_that_is_lost_once(void **state) {
    (void)state;
    script(
        "[{\"jobs\":{\"polls\":2}},{\"method\":\"GET\",\"path_contains\":\"predictions\",\"status\":404}]");
    use_replicate(SCHNELL);
    b.config.max_retries = 2;
    run_ok();
    assert_int_equal(control_posts(b.session), 1);
}

static void test_polls_elsewhere(void **state) {
    (void)state;
    script("[{\"jobs\":{\"polls\":2,\"elsewhere\":true}}]");
    use_replicate(SCHNELL);
    run_ok();
    assert_int_equal(log_count(b.log, "GET", "/f/"), 1); /* the image */
    assert_int_equal(log_count(b.log, "GET", "predictions"), 3);
}

static void test_resume(void **state) {
    char token[1024];
    tarash_image_job job;
    (void)state;
    script("[{\"jobs\":{\"polls\":6}}]");
    use_replicate(SCHNELL);
    b.config.max_poll_attempts = 2;
    run();
    expect(TARASH_IMAGE_ERROR_TIMEOUT);
    snprintf(token, sizeof token, "%s", b.response.error.job_token);
    assert_true(token[0] != 0);
    refuse_text("a token", token, KEY);
    b.config.max_poll_attempts = 0;
    b.config.model = NULL;
    job = tarash_image_resume(b.client, &b.config, token);
    while (tarash_image_poll(b.client, 100)) continue;
    tarash_image_response_free(&b.response);
    b.result = tarash_image_take(b.client, job, &b.response);
    expect(TARASH_IMAGE_OK);
    expect_picture(&b.response.images[0], "image/webp");
    assert_int_equal(control_posts(b.session), 1);
    assert_int_equal(control_leaks(b.session), 0);
}

static void cancel_after_two_polls(const char *behaviours) {
    tarash_image_job job;
    tarash_image_response response;
    cJSON *log;
    const cJSON *entry;
    script(behaviours);
    use_replicate(SCHNELL);
    b.config.max_poll_attempts = 1000000;
    job = tarash_image_submit(b.client, &b.config, &b.request);
    while (control_wait(b.session, 3, 0, 0, 0) == 0) (void)tarash_image_poll(b.client, 10);
    tarash_image_cancel(b.client, job);
    while (control_wait(b.session, 0, 2, 0, 0) == 0) (void)tarash_image_poll(b.client, 10);
    (void)tarash_image_take(b.client, job, &response);
    assert_int_equal(response.error.result, TARASH_IMAGE_ERROR_CANCELLED);
    tarash_image_response_free(&response);
    log = control_log(b.session);
    entry = log_entry(log, -1);
    expect_text("the method", log_text(entry, "method"), "POST");
    expect_path(entry, "replicate/v1/predictions/rrr00000000000000000000001/cancel");
    expect_header(entry, "Authorization", "Bearer " KEY);
    expect_no_header(entry, "Content-Type");
    assert_int_equal(log_number(entry, "status"), 200);
    cJSON_Delete(log);
}

static void test_cancel(void **state) {
    (void)state;
    cancel_after_two_polls("[{\"jobs\":{\"polls\":1000000}}]");
}

static void test_cancel_without_links(void **state) {
    (void)state;
    cancel_after_two_polls("[{\"jobs\":{\"polls\":1000000},\"merge\":{\"urls\":{}}}]");
}

/* ---- mappings of the user's ---------------------------------------------------------------------------- */

static void test_registered_mapping(void **state) {
    tarash_image_field_mapping mapping = {
        "replicate", "acme/new-painter",
        "prompt,n=num_outputs,images=image,style=glaze,seed=", "{\"width\":64}"};
    (void)state;
    assert_int_equal(tarash_image_register_field_mapping(b.client, &mapping), TARASH_IMAGE_OK);
    script(AT_ONCE);
    use_replicate("acme/new-painter");
    b.request.style = "thick";
    b.request.n = 1;
    b.request.has_seed = 1;
    b.request.extra_params = "{\"height\":32}";
    run_ok();
    expect_input(log_entry(b.log, 0),
                 "{" P ",\"num_outputs\":1,\"glaze\":\"thick\",\"width\":64,\"height\":32}");
    expect_warnings("seed=0>");
}

/* ---- lack of memory ------------------------------------------------------------------------------------ */

/* One call in which the allocation of this number fails (0 = none); returns how many there were. */
static size_t run_short_of_memory(size_t fail_at) {
    counting_allocator memory;
    tarash_image_client_desc desc;
    tarash_image_client *client;
    tarash_image_result result = TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    memset(&memory, 0, sizeof memory);
    memset(&desc, 0, sizeof desc);
    memory.fail_at = fail_at;
    desc.allocator = counting_allocator_functions(&memory);
    client = tarash_image_client_create(&desc);
    if (client) {
        result = tarash_image_generate(client, &b.config, &b.request, &b.response);
        tarash_image_response_free(&b.response);
    }
    tarash_image_client_destroy(client);
    assert_int_equal(memory.live_blocks, 0);
    if (fail_at == 0) assert_int_equal(result, TARASH_IMAGE_OK);
    if (result != TARASH_IMAGE_OK && result != TARASH_IMAGE_ERROR_OUT_OF_MEMORY)
        fail_msg("allocation %d: %s", (int)fail_at, tarash_image_result_name(result));
    return memory.calls;
}

static void test_lack_of_memory(void **state) {
    size_t calls, i;
    (void)state;
    script("[{\"times\":-1,\"jobs\":{\"polls\":1}}]");
    use_replicate(FLUX_2);
    b.request.size = "1000x1000";
    b.request.images = png_and_jpeg;
    b.request.image_count = 2;
    b.config.provider_config = "{\"wait\":90,\"cancel_after\":\"5m\",\"webhook\":\"https://example.com/\"}";
    calls = run_short_of_memory(0);
    assert_true(calls > 10);
    for (i = 1; i <= calls; i++) (void)run_short_of_memory(i);
}

/* ---- running ------------------------------------------------------------------------------------------- */

static const struct CMUnitTest others[] = {
    TEST(test_headers),
    TEST(test_size_of_its_least_edge),
    TEST(test_extra_params),
    TEST(test_seeds_of_split_calls),
    TEST(test_wait),
    TEST(test_wait_that_times_out),
    TEST(test_wait_limits),
    TEST(test_wait_is_refused),
    TEST(test_deadline),
    TEST(test_webhook),
    TEST(test_models_that_are_no_models),
    TEST(test_unsupported),
    TEST(test_operation_without_a_prompt),
    TEST(test_mask_white),
    TEST(test_mask_black),
    TEST(test_mask_bytes_of_the_other_polarity),
    TEST(test_output_text),
    TEST(test_output_list),
    TEST(test_output_object),
    TEST(test_output_data_urls),
    TEST(test_echoed_input),
    TEST(test_output_with_gaps),
    TEST(test_output_before_the_status),
    TEST(test_output_that_grows),
    TEST(test_output_url_only),
    TEST(test_some_refused),
    TEST(test_bad_key),
    TEST(test_key_of_the_environment),
    TEST(test_community_model_without_a_version),
    TEST(test_progress),
    TEST(test_progress_of_odd_logs),
    TEST(test_unknown_status_word),
    TEST(test_odd_polls),
    TEST(test_poll_that_is_lost_once),
    TEST(test_polls_elsewhere),
    TEST(test_resume),
    TEST(test_cancel),
    TEST(test_cancel_without_links),
    TEST(test_lack_of_memory),
    TEST(test_registered_mapping),
};

static void prepare_more(void) {
    memory_input(&png_and_jpeg[0], tiny_png, tiny_png_size);
    memory_input(&png_and_jpeg[1], tiny_jpeg, tiny_jpeg_size);
    by_url[0].url = "https://example.com/a.png";
    from_pixels[0].pixels = grey_pixels;
    from_pixels[0].width = from_pixels[0].height = 2;
    from_pixels[0].channels = 1;
}

int main(void) {
    int failed = 0;
    if (server_start() != 0 || prepare_inputs() != 0) return 1;
    prepare_more();
    RUN_ROWS(rows, test_body, tear_down);
    RUN_ROWS(endings, test_ending, tear_down);
    RUN_ROWS(statuses, test_status, tear_down);
    failed += cmocka_run_group_tests(others, NULL, NULL);
    server_stop();
    return failed != 0;
}
