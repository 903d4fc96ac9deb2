/* What goes to Google over the wire, and what comes back: Gemini's image models, Imagen, and Vertex AI. */

#include "wire.h"

#define NANO     "gemini-nano-banana-2.1"
#define PATH(m)  "google/v1beta/models/" m ":generateContent"
#define CONTENTS "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"" PROMPT "\"}]}]"
#define IMAGE    "\"responseModalities\":[\"IMAGE\"]"
#define VERTEX   "{\"project\":\"proj-1\",\"location\":\"us-central1\"}"
#define VERTEX_PATH(model, method)                                                                           \
    "google/v1beta1/projects/proj-1/locations/us-central1/publishers/google/models/" model ":" method
/* A picture of one pixel. */
#define DOT      "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
#define DOT_PART "{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"" DOT "\"}}"

static const char bearer[] = "Bearer " KEY;

static void expect_google_headers(const cJSON *entry, int is_vertex) {
    static const char *const names[] = {"Host",         "User-Agent",     "Accept",        "Accept-Encoding",
                                        "Content-Type", "Content-Length", "x-goog-api-key"};
    static const char *const vertex_names[] = {
        "Host", "User-Agent", "Accept", "Accept-Encoding", "Content-Type", "Content-Length", "Authorization"};
    expect_header_names(entry, is_vertex ? vertex_names : names, COUNT(names));
    expect_header(entry, is_vertex ? "Authorization" : "x-goog-api-key", is_vertex ? bearer : KEY);
    expect_header(entry, "Accept", "application/json");
    expect_header(entry, "Content-Type", "application/json");
    if (strstr(log_text(entry, "path"), KEY)) fail_msg("the key is in the URL");
}

static void ask_google(const char *model) {
    use("google", "google");
    b.config.model = model;
}

/* ---- requests: one row, one JSON body ------------------------------------------------------------------- */

typedef struct body_row {
    const char *name;
    const char *model;
    tarash_image_request request;
    const char *options;
    const char *script;
    const char *path; /* NULL: the default model's */
    const char *body;
    const char *warnings; /* NULL: none */
    int calls;            /* 0: one */
    int pictures;         /* 0: as many as calls */
} body_row;

static const body_row gemini_rows[] = {
    {.name = "gemini: a prompt alone", .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE "}}"},
    {.name = "gemini: everything it takes",
     .request = {.aspect_ratio = "16:9", .has_seed = 1, .seed = 7},
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE
             ",\"imageConfig\":{\"aspectRatio\":\"16:9\"},\"seed\":7}}"},
    {.name = "gemini: a size is a ratio and a word",
     .request = {.size = "1024x1024"},
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE
             ",\"imageConfig\":{\"aspectRatio\":\"1:1\",\"imageSize\":\"1K\"}}}",
     .warnings = "size=1024x1024>1:1"},
    {.name = "gemini: 1536x1024 is 1K still",
     .request = {.size = "1536x1024"},
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE
             ",\"imageConfig\":{\"aspectRatio\":\"3:2\",\"imageSize\":\"1K\"}}}",
     .warnings = "size=1536x1024>3:2"},
    {.name = "gemini: full HD is 2K",
     .request = {.size = "1920x1080"},
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE
             ",\"imageConfig\":{\"aspectRatio\":\"16:9\",\"imageSize\":\"2K\"}}}",
     .warnings = "size=1920x1080>16:9"},
    {.name = "gemini: UHD is 4K",
     .request = {.size = "3840x2160"},
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE
             ",\"imageConfig\":{\"aspectRatio\":\"16:9\",\"imageSize\":\"4K\"}}}",
     .warnings = "size=3840x2160>16:9"},
    {.name = "gemini: auto is left out",
     .request = {.size = "auto", .aspect_ratio = "auto", .quality = "auto"},
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE "}}"},
    {.name = "gemini: the nearest ratio",
     .request = {.aspect_ratio = "2.35:1"},
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE ",\"imageConfig\":{\"aspectRatio\":\"21:9\"}}}",
     .warnings = "aspect_ratio=2.35:1>21:9"},
    {.name = "gemini: a ratio of 2.1's own",
     .request = {.aspect_ratio = "1:8"},
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE ",\"imageConfig\":{\"aspectRatio\":\"1:8\"}}}"},
    {.name = "gemini: 3 pro lacks that ratio",
     .model = "gemini-3-pro-image",
     .request = {.aspect_ratio = "1:8"},
     .path = PATH("gemini-3-pro-image"),
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE ",\"imageConfig\":{\"aspectRatio\":\"9:16\"}}}",
     .warnings = "aspect_ratio=1:8>9:16"},
    {.name = "gemini: lite makes 1K only",
     .model = "gemini-3.1-flash-lite-image",
     .request = {.size = "2048x2048"},
     .path = PATH("gemini-3.1-flash-lite-image"),
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE
             ",\"imageConfig\":{\"aspectRatio\":\"1:1\",\"imageSize\":\"1K\"}}}",
     .warnings = "size=2048x2048>1:1; size=2048x2048>1K"},
    {.name = "gemini: 2.5 has no word for sizes",
     .model = "gemini-2.5-flash-image",
     .request = {.size = "1024x768"},
     .path = PATH("gemini-2.5-flash-image"),
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE ",\"imageConfig\":{\"aspectRatio\":\"4:3\"}}}",
     .warnings = "size=1024x768>4:3"},
    {.name = "gemini: 2.5 makes nothing larger",
     .model = "gemini-2.5-flash-image",
     .request = {.size = "4096x4096"},
     .path = PATH("gemini-2.5-flash-image"),
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE ",\"imageConfig\":{\"aspectRatio\":\"1:1\"}}}",
     .warnings = "size=4096x4096>1:1; size=4096x4096>"},
    {.name = "gemini: a model by its resource name",
     .model = "models/gemini-3-pro-image",
     .path = PATH("gemini-3-pro-image"),
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE "}}"},
    {.name = "gemini: what it lacks",
     .request = {.quality = "hd",
                 .style = "vivid",
                 .negative_prompt = "blur",
                 .background = "opaque",
                 .user = "u",
                 .output_format = "png",
                 .output = TARASH_IMAGE_OUTPUT_URL,
                 .partial_images = 1},
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE "}}",
     .warnings = "negative_prompt=blur>; quality=hd>; style=vivid>; background=opaque>; user=u>; "
                 "partial_images=1>; output=url>bytes; output_format=png>"},
    {.name = "gemini: base64 beside the bytes",
     .request = {.output = TARASH_IMAGE_OUTPUT_BASE64},
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE "}}"},
    {.name = "gemini: n is so many calls",
     .request = {.n = 3},
     .calls = 3,
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE "}}"},
    {.name = "gemini: extra_params merge",
     .request = {.extra_params =
                     "{\"generationConfig\":{\"imageConfig\":{\"imageSize\":\"4K\"},\"thinkingConfig\":"
                     "{\"thinkingLevel\":\"MINIMAL\"},\"responseModalities\":[\"TEXT\",\"IMAGE\"]},"
                     "\"safetySettings\":[{\"category\":\"HARM_CATEGORY_DANGEROUS_CONTENT\","
                     "\"threshold\":\"BLOCK_ONLY_HIGH\"}]}",
                 .aspect_ratio = "1:1"},
     .body =
         "{" CONTENTS ",\"generationConfig\":{\"responseModalities\":[\"TEXT\",\"IMAGE\"],\"imageConfig\":{"
         "\"aspectRatio\":\"1:1\",\"imageSize\":\"4K\"},\"thinkingConfig\":{\"thinkingLevel\":\"MINIMAL\"}},"
         "\"safetySettings\":[{\"category\":\"HARM_CATEGORY_DANGEROUS_CONTENT\","
         "\"threshold\":\"BLOCK_ONLY_HIGH\"}]}"},
    {.name = "gemini: a part of ours removed",
     .request = {.extra_params = "{\"generationConfig\":null}"},
     .body = "{" CONTENTS "}"},
};

#define IMAGEN           "imagen-4.0-generate-001"
#define IMAGEN_PATH      "google/v1beta/models/" IMAGEN ":predict"
#define IMAGEN_INSTANCES "\"instances\":[{\"prompt\":\"" PROMPT "\"}]"

static const body_row imagen_rows[] = {
    {.name = "imagen: a prompt alone",
     .model = IMAGEN,
     .path = IMAGEN_PATH,
     .body = "{" IMAGEN_INSTANCES ",\"parameters\":{\"sampleCount\":1}}"},
    {.name = "imagen: everything the Gemini API has",
     .model = IMAGEN,
     .path = IMAGEN_PATH,
     .request = {.n = 3, .size = "2048x1152", .output_format = "jpeg"},
     .pictures = 3,
     .body = "{" IMAGEN_INSTANCES ",\"parameters\":{\"sampleCount\":3,\"aspectRatio\":\"16:9\","
             "\"sampleImageSize\":\"2K\",\"outputOptions\":{\"mimeType\":\"image/jpeg\"}}}",
     .warnings = "size=2048x1152>16:9"},
    {.name = "imagen: what only Vertex has",
     .model = IMAGEN,
     .path = IMAGEN_PATH,
     .request = {.negative_prompt = "fog", .has_seed = 1, .seed = 9},
     .body = "{" IMAGEN_INSTANCES ",\"parameters\":{\"sampleCount\":1}}",
     .warnings = "negative_prompt=fog>; seed=9>"},
    {.name = "imagen: more than one call makes",
     .model = IMAGEN,
     .path = IMAGEN_PATH,
     .request = {.n = 8},
     .calls = 2,
     .pictures = 8,
     .body = "{" IMAGEN_INSTANCES ",\"parameters\":{\"sampleCount\":4}}"},
    {.name = "imagen: everything Vertex has",
     .model = IMAGEN,
     .options = VERTEX,
     .path = VERTEX_PATH(IMAGEN, "predict"),
     .request = {.n = 2,
                 .aspect_ratio = "3:4",
                 .negative_prompt = "fog",
                 .has_seed = 1,
                 .seed = 9,
                 .output_format = "png"},
     .pictures = 2,
     .body = "{" IMAGEN_INSTANCES ",\"parameters\":{\"sampleCount\":2,\"aspectRatio\":\"3:4\","
             "\"negativePrompt\":\"fog\",\"outputOptions\":{\"mimeType\":\"image/png\"},\"seed\":9,"
             "\"addWatermark\":false}}",
     .warnings = "seed=9>9"},
    {.name = "imagen: 4K is too large",
     .model = IMAGEN,
     .path = IMAGEN_PATH,
     .request = {.size = "4096x4096"},
     .body = "{" IMAGEN_INSTANCES ",\"parameters\":{\"sampleCount\":1,\"aspectRatio\":\"1:1\","
             "\"sampleImageSize\":\"2K\"}}",
     .warnings = "size=4096x4096>1:1; size=4096x4096>2K"},
};

static const body_row vertex_rows[] = {
    {.name = "vertex: a prompt alone",
     .options = VERTEX,
     .path = VERTEX_PATH(NANO, "generateContent"),
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE "}}"},
    {.name = "vertex: the location has a default",
     .options = "{\"project\":\"proj-1\"}",
     .path =
         "google/v1beta1/projects/proj-1/locations/global/publishers/google/models/" NANO ":generateContent",
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE "}}"},
    {.name = "vertex: an old project's id",
     .options = "{\"project\":\"example.com:my-project\",\"location\":\"eu\"}",
     .path = "google/v1beta1/projects/example.com:my-project/locations/eu/publishers/google/models/" NANO
             ":generateContent",
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE "}}"},
    {.name = "vertex: a project's number",
     .options = "{\"project\":123456}",
     .path =
         "google/v1beta1/projects/123456/locations/global/publishers/google/models/" NANO ":generateContent",
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE "}}"},
    {.name = "vertex: the output format",
     .options = VERTEX,
     .path = VERTEX_PATH(NANO, "generateContent"),
     .request = {.output_format = "jpeg", .size = "1024x1024"},
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE
             ",\"imageConfig\":{\"aspectRatio\":\"1:1\",\"imageSize\":"
             "\"1K\",\"imageOutputOptions\":{\"mimeType\":\"image/jpeg\"}}}}",
     .warnings = "size=1024x1024>1:1"},
    {.name = "vertex: a format that it lacks",
     .options = VERTEX,
     .path = VERTEX_PATH(NANO, "generateContent"),
     .request = {.output_format = "webp"},
     .body = "{" CONTENTS ",\"generationConfig\":{" IMAGE "}}",
     .warnings = "output_format=webp>"},
};

static void test_body(void **state) {
    const body_row *row = (const body_row *)*state;
    int calls = row->calls ? row->calls : 1, i;
    ask_google(row->model);
    b.config.provider_config = row->options;
    b.request = row->request;
    b.request.prompt = PROMPT;
    if (row->script) script(row->script);
    run();
    expect(TARASH_IMAGE_OK);
    assert_int_equal(requests(), calls);
    for (i = 0; i < calls; i++) {
        const cJSON *entry = log_entry(b.log, i);
        expect_text("the method", log_text(entry, "method"), "POST");
        expect_path(entry, row->path ? row->path : PATH(NANO));
        expect_google_headers(entry, row->options != NULL);
        expect_json(entry, row->body);
    }
    expect_warnings(row->warnings);
    assert_int_equal(b.response.image_count, row->pictures ? row->pictures : calls);
    for (i = 0; i < (int)b.response.image_count; i++) {
        assert_non_null(b.response.images[i].data);
        assert_int_equal(b.response.images[i].index, i);
        assert_int_equal(b.response.images[i].base64 != NULL, b.request.output == TARASH_IMAGE_OUTPUT_BASE64);
    }
}

/* Calls that n was split into would draw the same with the same seed. */
static void test_seeds_count_up(void **state) {
    double seeds[2];
    (void)state;
    ask_google(NULL);
    b.request.n = 2;
    b.request.has_seed = 1;
    b.request.seed = 40;
    run_ok();
    expect_warnings("seed=40>40, and counting up from it");
    assert_int_equal(requests(), 2);
    seeds[0] = log_number(log_entry(b.log, 0), "json.generationConfig.seed");
    seeds[1] = log_number(log_entry(b.log, 1), "json.generationConfig.seed");
    assert_true(seeds[0] + seeds[1] == 81 && (seeds[0] == 40 || seeds[0] == 41));
}

static void test_seed_range(void **state) {
    (void)state;
    ask_google(NULL);
    b.request.has_seed = 1;
    b.request.seed = 2147483648LL;
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "seed");
    assert_int_equal(requests(), 0);
    b.request.seed = -2147483647LL - 1;
    run_ok();
}

/* Whatever the size, the strict server takes what goes out. */
static void test_sizes_within_rules(void **state) {
    static const char *const sizes[] = {"1x1",      "640x480", "1000x590",  "512x2048",
                                        "4096x512", "800x100", "2160x3840", "1024x1792"};
    static const char *const models[] = {NANO, "gemini-3-pro-image", "gemini-3.1-flash-lite-image",
                                         "gemini-2.5-flash-image", IMAGEN};
    size_t i, k;
    (void)state;
    for (i = 0; i < COUNT(models); i++) {
        ask_google(models[i]);
        for (k = 0; k < COUNT(sizes); k++) {
            b.request.size = sizes[k];
            script("[{\"image_result\":{\"size\":\"16x16\"}}]");
            run();
            if (b.result != TARASH_IMAGE_OK) print_error("%s %s\n", models[i], sizes[k]);
            expect(TARASH_IMAGE_OK);
        }
    }
}

static void test_strict(void **state) {
    static const tarash_image_request cases[] = {{.quality = "hd"},
                                                 {.size = "1024x1024"},
                                                 {.aspect_ratio = "5:2"},
                                                 {.negative_prompt = "blur"},
                                                 {.output_format = "png"}};
    size_t i;
    (void)state;
    ask_google(NULL);
    for (i = 0; i < COUNT(cases); i++) {
        b.request = cases[i];
        b.request.prompt = PROMPT;
        b.request.strict = 1;
        run();
        expect(TARASH_IMAGE_ERROR_VALIDATION);
        assert_int_equal(requests(), 0);
    }
}

/* ---- where it goes ---------------------------------------------------------------------------------------- */

static void test_api_version(void **state) {
    (void)state;
    ask_google("gemini-3-pro-image");
    b.config.api_version = "v1";
    run_ok();
    expect_path(log_entry(b.log, -1), "google/v1/models/gemini-3-pro-image:generateContent");
    b.config.provider_config = VERTEX;
    run_ok();
    expect_path(log_entry(b.log, -1),
                "google/v1/projects/proj-1/locations/us-central1/publishers/google/models/"
                "gemini-3-pro-image:generateContent");
    b.config.api_version = "v1/../v2";
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "api_version");
    assert_int_equal(requests(), 2);
}

/* A name of a model can't leave its place in the path. */
static void test_odd_model(void **state) {
    (void)state;
    ask_google("../../x?y#z%");
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(requests(), 0);
    ask_google("a/x?y#z%");
    run();
    expect(TARASH_IMAGE_ERROR_HTTP);
    assert_int_equal(b.response.error.http_status, 404);
    expect_path(only_request(), "google/v1beta/models/a%2Fx%3Fy%23z%25:generateContent");
}

static void test_bad_places(void **state) {
    static const struct {
        const char *options, *named;
    } rows[] = {{"{\"project\":\"a/b\"}", "project"},
                {"{\"project\":\"..\"}", "project"},
                {"{\"project\":\"\"}", "project"},
                {"{\"project\":true}", "project"},
                {"{\"project\":\"p q\"}", "project"},
                {"{\"project\":\"p?x\"}", "project"},
                {"{\"project\":\"p\",\"location\":\"evil.example/\"}", "location"},
                {"{\"project\":\"p\",\"location\":\"evil.example#\"}", "location"},
                {"{\"project\":\"p\",\"location\":\"\"}", "location"},
                {"{\"project\":\"p\",\"location\":{}}", "location"},
                {"{\"location\":\"us-central1\"}", "location"}};
    size_t i, k;
    (void)state;
    ask_google(NULL);
    for (i = 0; i < COUNT(rows); i++) {
        for (k = 0; k < 2; k++) { /* with a base URL, and with the one that would be made of the location */
            ask_google(NULL);
            if (k) b.config.base_url = NULL;
            b.config.provider_config = rows[i].options;
            run();
            expect(TARASH_IMAGE_ERROR_VALIDATION);
            expect_in("the message", b.response.error.message, rows[i].named);
            assert_int_equal(b.response.error.delivery, TARASH_IMAGE_DELIVERY_NOT_SENT);
        }
    }
    assert_int_equal(requests(), 0);
}

static void expect_plan(const char *options, const char *url) {
    tarash_image_text text;
    b.config.provider_config = options;
    assert_int_equal(tarash_image_plan(b.client, &b.config, &b.request, &text), TARASH_IMAGE_OK);
    expect_in("the plan", text.data, url);
    refuse_text("the plan", text.data, KEY);
    tarash_image_text_free(&text);
}

/* The host follows from the location, and with it where the key may go. */
static void test_hosts(void **state) {
    (void)state;
    b.config.provider = "gemini";
    b.config.api_key = KEY;
    b.request.prompt = PROMPT;
    expect_plan(NULL, "\"https://generativelanguage.googleapis.com/v1beta/models/" NANO ":generateContent\"");
    expect_plan("{\"project\":\"p\"}",
                "\"https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global/publishers/google/"
                "models/" NANO ":generateContent\"");
    expect_plan("{\"project\":\"p\",\"location\":\"global\"}",
                "\"https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global/");
    expect_plan("{\"project\":\"p\",\"location\":\"eu\"}",
                "\"https://aiplatform.eu.rep.googleapis.com/v1beta1/projects/p/locations/eu/");
    expect_plan("{\"project\":\"p\",\"location\":\"us\"}",
                "\"https://aiplatform.us.rep.googleapis.com/v1beta1/");
    expect_plan("{\"project\":\"p\",\"location\":\"us-central1\"}",
                "\"https://us-central1-aiplatform.googleapis.com/v1beta1/projects/p/locations/us-central1/");
}

static void test_keys(void **state) {
    static const char *const variables[] = {"GOOGLE_API_KEY", "GEMINI_API_KEY",
                                            "GOOGLE_GENERATIVE_AI_API_KEY"};
    char key[32];
    size_t i;
    (void)state;
    for (i = COUNT(variables); i-- > 0;) { /* earlier ones win */
        ask_google(NULL);
        b.config.api_key = NULL;
        snprintf(key, sizeof key, "AIzaKey%dabcdef", (int)i);
        setenv(variables[i], key, 1);
        run_with(key);
        expect(TARASH_IMAGE_OK);
        expect_header(log_entry(b.log, -1), "x-goog-api-key", key);
    }
    unset_variables();
    run_with(NULL);
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "GOOGLE_API_KEY");
}

static void test_base_url_variable(void **state) {
    (void)state;
    ask_google(NULL);
    setenv("GOOGLE_GEMINI_BASE_URL", b.config.base_url, 1);
    b.config.base_url = NULL;
    b.config.provider = NULL;
    b.config.model = "gemini/" NANO;
    run_ok();
    expect_path(only_request(), PATH(NANO));
    expect_text("the provider", b.response.provider, "google");
}

/* ---- input images ----------------------------------------------------------------------------------------- */

static const char *png_part(char *part, size_t size) {
    snprintf(part, size, "{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"%s\"}}",
             strchr(data_url, ',') + 1);
    return part;
}

static const char *content_with(char *body, size_t size, const char *parts) {
    snprintf(body, size,
             "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"" PROMPT "\"},%s]}],"
             "\"generationConfig\":{" IMAGE "}}",
             parts);
    return body;
}

static void test_one_image(void **state) {
    char part[1024], body[2048];
    const tarash_image_input *const inputs[] = {one_png, by_path, as_data_url};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(inputs); i++) {
        ask_google(NULL);
        b.request.images = inputs[i];
        b.request.image_count = 1;
        run_ok();
        expect_path(log_entry(b.log, -1), PATH(NANO));
        expect_google_headers(log_entry(b.log, -1), 0);
        expect_json(log_entry(b.log, -1), content_with(body, sizeof body, png_part(part, sizeof part)));
    }
}

static void test_several_images(void **state) {
    char png[1024], jpeg[1024], webp[1024], parts[4096], body[8192];
    (void)state;
    ask_google(NULL);
    encode_base64(tiny_jpeg, tiny_jpeg_size, jpeg);
    encode_base64(tiny_webp, tiny_webp_size, webp);
    snprintf(parts, sizeof parts,
             "%s,{\"inlineData\":{\"mimeType\":\"image/jpeg\",\"data\":\"%s\"}},"
             "{\"inlineData\":{\"mimeType\":\"image/webp\",\"data\":\"%s\"}}",
             png_part(png, sizeof png), jpeg, webp);
    b.request.images = three;
    b.request.image_count = 3;
    b.config.provider_config = "{\"operation\":\"edit\"}";
    run_ok();
    expect_json(only_request(), content_with(body, sizeof body, parts));
    expect_warnings(NULL);
}

/* A URL's bytes are fetched without the key, and sent. */
static void test_image_by_url(void **state) {
    tarash_image_input input;
    char url[256];
    const cJSON *entry;
    (void)state;
    memset(&input, 0, sizeof input);
    ask_google(NULL);
    input.url = server_files_url(url, sizeof url, b.session, "static/8x8.png");
    b.request.images = &input;
    b.request.image_count = 1;
    run_ok();
    assert_int_equal(requests(), 2);
    expect_text("the origin", log_text(log_entry(b.log, 0), "origin"), "files");
    expect_no_header(log_entry(b.log, 0), "x-goog-api-key");
    entry = log_entry(b.log, 1);
    expect_text("the type", log_text(entry, "json.contents[0].parts[1].inlineData.mimeType"), "image/png");
    expect_in("the bytes", log_text(entry, "json.contents[0].parts[1].inlineData.data"), "iVBORw0KGgo");
}

/* A file that Google keeps itself needs the key, and goes by its address. */
static void test_image_at_google(void **state) {
    tarash_image_input input;
    char url[512], part[1024];
    (void)state;
    memset(&input, 0, sizeof input);
    ask_google(NULL);
    snprintf(url, sizeof url, "%s/v1beta/files/abc-123", b.config.base_url);
    input.url = url;
    input.mime_type = "image/png";
    b.request.images = &input;
    b.request.image_count = 1;
    script("[{\"status\":200,\"body\":{\"candidates\":[{\"content\":{\"parts\":[" DOT_PART "]}}]}}]");
    run_ok();
    snprintf(part, sizeof part,
             "{\"text\":\"" PROMPT "\"},{\"fileData\":{\"mimeType\":\"image/png\",\"fileUri\":\"%s\"}}", url);
    expect_in("the body", log_text(only_request(), "body_text"), part);
}

static void test_image_pixels(void **state) {
    static const unsigned char pixels[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9};
    tarash_image_input input;
    (void)state;
    memset(&input, 0, sizeof input);
    input.pixels = pixels;
    input.width = input.height = 2;
    input.channels = 3;
    ask_google(NULL);
    b.request.images = &input;
    b.request.image_count = 1;
    run_ok();
    expect_text("the type", log_text(only_request(), "json.contents[0].parts[1].inlineData.mimeType"),
                "image/png");
    expect_in("the bytes", log_text(only_request(), "json.contents[0].parts[1].inlineData.data"),
              "iVBORw0KGgo");
}

static void test_what_images_it_takes(void **state) {
    static const struct {
        const char *model;
        size_t images;
        int mask;
        tarash_image_result result;
    } rows[] = {{NULL, 14, 0, TARASH_IMAGE_OK},
                {NULL, 15, 0, TARASH_IMAGE_ERROR_UNSUPPORTED},
                {"gemini-2.5-flash-image", 3, 0, TARASH_IMAGE_OK},
                {"gemini-2.5-flash-image", 4, 0, TARASH_IMAGE_ERROR_UNSUPPORTED},
                {NULL, 1, 1, TARASH_IMAGE_ERROR_UNSUPPORTED},
                {IMAGEN, 1, 0, TARASH_IMAGE_ERROR_UNSUPPORTED}};
    static const char gif[] =
        "GIF89a\1\0\1\0\200\0\0\0\0\0\377\377\377!\371\4\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;";
    tarash_image_input input;
    size_t i;
    int sent = 0;
    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        ask_google(rows[i].model);
        b.request.images = sixteen;
        b.request.image_count = rows[i].images;
        memset(&b.request.mask, 0, sizeof b.request.mask);
        if (rows[i].mask) b.request.mask = mask_bytes;
        run();
        expect(rows[i].result);
        sent += rows[i].result == TARASH_IMAGE_OK;
        assert_int_equal(requests(), sent);
    }
    memset(&input, 0, sizeof input);
    memset(&b.request.mask, 0, sizeof b.request.mask);
    memory_input(&input, gif, sizeof gif - 1);
    ask_google(NULL);
    b.request.images = &input;
    b.request.image_count = 1;
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    assert_int_equal(requests(), sent);
}

static void test_operations(void **state) {
    (void)state;
    ask_google(NULL);
    b.config.provider_config = "{\"operation\":\"upscale\"}";
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    expect_in("the message", b.response.error.message, "generate, edit");
    b.config.provider_config = "{\"operation\":\"edit\"}";
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(requests(), 0);
    b.config.provider_config = "{\"operation\":\"generate\"}";
    run_ok();
    expect_json(only_request(), "{" CONTENTS ",\"generationConfig\":{" IMAGE "}}");
}

/* ---- replies ---------------------------------------------------------------------------------------------- */

static void test_facts(void **state) {
    (void)state;
    ask_google(NULL);
    b.request.prompt = "fox";
    b.request.extra_params = "{\"generationConfig\":{\"responseModalities\":[\"TEXT\",\"IMAGE\"]}}";
    run_ok();
    expect_picture(&b.response.images[0], "image/png");
    expect_drawn(&b.response.images[0], "fox", "1024x1024");
    assert_int_equal(b.response.usage.input_tokens, 1);
    assert_int_equal(b.response.usage.output_tokens, 1120);
    assert_int_equal(b.response.usage.total_tokens, 1121);
    expect_in("the metadata", b.response.provider_metadata, "\"modelVersion\":\"" NANO "\"");
    expect_in("the metadata", b.response.provider_metadata, "\"text\":\"Here it is.\"");
    expect_in("the metadata", b.response.provider_metadata, "\"finishReason\":\"STOP\"");
    expect_text("the model", b.response.model, NANO);
    if (strstr(b.response.provider_metadata, "parts")) fail_msg("the parts are among the metadata");
}

static void test_thinking_tokens(void **state) {
    (void)state;
    ask_google(NULL);
    script(
        "[{\"status\":200,\"body\":{\"candidates\":[{\"content\":{\"parts\":[" DOT_PART "]}}],\"createTime\":"
        "\"2026-04-07T12:00:00Z\",\"usageMetadata\":{\"promptTokenCount\":270,\"candidatesTokenCount\":1120,"
        "\"thoughtsTokenCount\":150,\"totalTokenCount\":1540}}}]");
    run_ok();
    assert_int_equal(b.response.usage.input_tokens, 270);
    assert_int_equal(b.response.usage.output_tokens, 1270);
    assert_int_equal(b.response.usage.total_tokens, 1540);
    assert_int_equal(b.response.created, 1775563200);
}

#define THINKING "{\"generationConfig\":{\"thinkingConfig\":{\"includeThoughts\":true}}}"

/* Drafts are no images, and take no image's place. */
static void test_thoughts(void **state) {
    (void)state;
    ask_google(NULL);
    b.request.prompt = "fox";
    b.request.extra_params = THINKING;
    b.request.n = 2;
    run_ok();
    assert_int_equal(b.response.image_count, 2);
    expect_drawn(&b.response.images[0], "fox", "1024x1024");
    expect_drawn(&b.response.images[1], "fox", "1024x1024");
    if (strstr(b.response.provider_metadata, "Sketching")) fail_msg("a thought is among the metadata");
    expect_warnings(NULL);
}

/* Nor do they reach a sink. */
static void test_thoughts_and_a_file(void **state) {
    tarash_image_sink sink;
    char pattern[1024], path[1024], name[64];
    size_t size = 0, i;
    (void)state;
    for (i = 0; i < 2; i++) {
        int before = directory_count(temporary_directory());
        memset(&sink, 0, sizeof sink);
        snprintf(name, sizeof name, i ? "fox%d-{index}.{ext}" : "fox%d.{ext}", (int)i);
        sink.path = temporary_path(pattern, sizeof pattern, name);
        ask_google(NULL);
        b.request.extra_params = THINKING;
        b.request.sink = &sink;
        run_ok();
        assert_int_equal(b.response.image_count, 1);
        assert_int_equal(directory_count(temporary_directory()), before + 1);
        expect_text("the file", b.response.images[0].path,
                    temporary_path(path, sizeof path, i ? "fox1-0.png" : "fox0.png"));
        free(read_whole_file(path, &size));
        assert_int_equal(size, b.response.images[0].size);
        assert_int_equal(b.response.images[0].width, 1024);
    }
}

/* Of several images without a mark the last one is the result; the others stay behind it. */
static void test_several_unmarked(void **state) {
    char jpeg[1024];
    (void)state;
    ask_google(NULL);
    encode_base64(tiny_jpeg, tiny_jpeg_size, jpeg);
    assert_int_equal(
        control_scriptf(b.session,
                        "[{\"status\":200,\"body\":{\"candidates\":[{\"content\":{\"parts\":[" DOT_PART
                        ",{\"text\":\"and\"},{\"inlineData\":{\"data\":\"%s\"}}]}}]}}]",
                        jpeg),
        0);
    run_ok();
    assert_int_equal(b.response.image_count, 1);
    expect_picture(&b.response.images[0], "image/jpeg");
}

static void test_image_by_uri(void **state) {
    (void)state;
    ask_google(NULL);
    script("[{\"image_result\":{\"url\":true}}]");
    run_ok();
    assert_int_equal(requests(), 2);
    expect_text("the origin", log_text(log_entry(b.log, 1), "origin"), "files");
    expect_no_header(log_entry(b.log, 1), "x-goog-api-key");
    expect_picture(&b.response.images[0], "image/png");
    assert_non_null(b.response.images[0].url);
}

static void test_vertex_downloads(void **state) {
    (void)state;
    ask_google(NULL);
    b.config.provider_config = VERTEX;
    script("[{\"image_result\":{\"url\":true}}]");
    run_ok();
    expect_no_header(log_entry(b.log, 1), "Authorization");
}

static void test_imagen_reply(void **state) {
    (void)state;
    ask_google(IMAGEN);
    script("[{\"image_result\":{\"revised_prompt\":\"A red fox, at dawn\"}},{\"moderation\":\"mixed\"}]");
    run_ok();
    expect_text("the prompt", b.response.images[0].revised_prompt, "A red fox, at dawn");
    b.request.n = 3;
    run_ok();
    assert_int_equal(b.response.image_count, 2);
    (void)warning_about("n");
}

/* What is of the wrong type is no image, and nothing worse. */
static void test_odd_replies(void **state) {
    static const char *const bodies[] = {
        "{}",
        "[]",
        "null",
        "7",
        "{\"candidates\":7}",
        "{\"candidates\":[]}",
        "{\"candidates\":[null,7,\"x\",[]]}",
        "{\"candidates\":[{\"content\":null}]}",
        "{\"candidates\":[{\"content\":{\"parts\":{}}}]}",
        "{\"candidates\":[{\"content\":{\"parts\":[null,7,\"x\",{},[]]}}]}",
        "{\"candidates\":[{\"content\":{\"parts\":[{\"inlineData\":7}]}}]}",
        "{\"candidates\":[{\"content\":{\"parts\":[{\"inlineData\":{\"data\":7}}]}}]}",
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":7,\"thought\":\"no\"}]}}],"
        "\"usageMetadata\":[],\"promptFeedback\":[]}",
        "{\"candidates\":{\"content\":{}},\"predictions\":7,\"error\":null}"};
    size_t i;
    (void)state;
    ask_google(NULL);
    for (i = 0; i < COUNT(bodies); i++) {
        assert_int_equal(control_scriptf(b.session, "[{\"status\":200,\"body\":%s}]",
                                         strcmp(bodies[i], "null") == 0 ? "\"null\"" : bodies[i]),
                         0);
        run();
        if (b.result == TARASH_IMAGE_OK) print_error("%s\n", bodies[i]);
        assert_true(b.result == TARASH_IMAGE_ERROR_GENERATION_FAILED ||
                    b.result == TARASH_IMAGE_ERROR_BAD_RESPONSE);
    }
}

/* ---- refusals --------------------------------------------------------------------------------------------- */

typedef struct refusal_row {
    const char *name, *model, *script;
    tarash_image_result result;
    int http_status;
    const char *code, *message;
    int retry_after_ms;
} refusal_row;

#define FINISHED(reason)                                                                                     \
    "[{\"status\":200,\"body\":{\"candidates\":[{\"index\":0,\"finishReason\":\"" reason "\"}]}}]"
#define BLOCKED(reason) "[{\"status\":200,\"body\":{\"promptFeedback\":{\"blockReason\":\"" reason "\"}}}]"
#define ERROR_OF(status, word, text, details)                                                                \
    "[{\"status\":" #status ",\"body\":{\"error\":{\"code\":" #status ",\"message\":\"" text                 \
    "\",\"status\":\"" word "\",\"details\":[" details "]}}}]"
#define REASON(word) "{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"" word "\"}"
#define RETRY(delay) "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":" delay "}"
#define QUOTA(id)                                                                                            \
    "{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\",\"violations\":[{\"quotaId\":"               \
    "\"GenerateRequestsPerMinute\"},{\"quotaId\":\"" id "\"}]}"

static const refusal_row refusal_rows[] = {
    {"refusal: the prompt", NULL, "[{\"moderation\":true}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION, 200,
     "PROHIBITED_CONTENT", "safety system", 0},
    {"refusal: the image", NULL, "[{\"moderation\":\"items\"}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION, 200,
     "IMAGE_SAFETY", "filtered out because it violated", 0},
    {"refusal: Responsible AI", NULL, "[{\"moderation\":\"http\"}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION,
     400, "INVALID_ARGUMENT", "sensitive words", 0},
    {"refusal: no image", NULL, "[{\"moderation\":\"empty\"}]", TARASH_IMAGE_ERROR_GENERATION_FAILED, 200,
     "NO_IMAGE", "no image", 0},
    {"refusal: a new block reason", NULL, BLOCKED("MODEL_ARMOR"), TARASH_IMAGE_ERROR_CONTENT_MODERATION, 200,
     "MODEL_ARMOR", "refused the content", 0},
    {"refusal: Vertex' words", NULL,
     "[{\"status\":200,\"body\":{\"promptFeedback\":{\"blockReason\":\"SAFETY\",\"blockReasonMessage\":\"No "
     "foxes.\"}}}]",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, 200, "SAFETY", "No foxes.", 0},
    {"refusal: PROHIBITED_CONTENT", NULL, FINISHED("PROHIBITED_CONTENT"),
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, 200, "PROHIBITED_CONTENT", "", 0},
    {"refusal: IMAGE_RECITATION", NULL, FINISHED("IMAGE_RECITATION"), TARASH_IMAGE_ERROR_CONTENT_MODERATION,
     200, "IMAGE_RECITATION", "", 0},
    {"refusal: SPII", NULL, FINISHED("SPII"), TARASH_IMAGE_ERROR_CONTENT_MODERATION, 200, "SPII", "", 0},
    {"refusal: OTHER", NULL, FINISHED("OTHER"), TARASH_IMAGE_ERROR_GENERATION_FAILED, 200, "OTHER", "(OTHER)",
     0},
    {"refusal: MAX_TOKENS", NULL, FINISHED("MAX_TOKENS"), TARASH_IMAGE_ERROR_GENERATION_FAILED, 200,
     "MAX_TOKENS", "", 0},
    {"refusal: an unknown reason", NULL, FINISHED("TIRED"), TARASH_IMAGE_ERROR_GENERATION_FAILED, 200,
     "TIRED", "", 0},
    {"refusal: words instead", NULL, "[{\"image_result\":{\"empty\":true},\"merge\":{}}]",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, 200, "STOP", "no image", 0},
    {"refusal: words", NULL,
     "[{\"status\":200,\"body\":{\"candidates\":[{\"finishReason\":\"STOP\",\"content\":{\"parts\":[{"
     "\"text\":\"Let me "
     "think.\",\"thought\":true},{\"text\":\"What colour\"},{\"text\":\"shall it be?\"}]}}]}}]",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, 200, "STOP", "in words: What colour shall it be?", 0},
    {"refusal: an error in 200", NULL,
     "[{\"status\":200,\"body\":{\"error\":{\"code\":503,\"message\":\"Overloaded.\",\"status\":"
     "\"UNAVAILABLE\"}}}]",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, 200, NULL, "Overloaded.", 0},
    {"refusal: Imagen's filter", IMAGEN, "[{\"moderation\":true}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION,
     200, "raiFilteredReason", "usage guidelines", 0},
    {"refusal: Imagen says nothing", IMAGEN, "[{\"image_result\":{\"empty\":true}}]",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, 200, "raiFilteredReason", "refused the content", 0},
    {"error: 400", NULL, "[{\"status\":400}]", TARASH_IMAGE_ERROR_VALIDATION, 400, "INVALID_ARGUMENT",
     "google answered HTTP 400: Invalid request.", 0},
    {"error: 401", NULL, "[{\"status\":401}]", TARASH_IMAGE_ERROR_AUTHENTICATION, 401, "UNAUTHENTICATED", "",
     0},
    {"error: 403", NULL, "[{\"status\":403}]", TARASH_IMAGE_ERROR_AUTHENTICATION, 403, "PERMISSION_DENIED",
     "", 0},
    {"error: 404", NULL, "[{\"status\":404}]", TARASH_IMAGE_ERROR_HTTP, 404, "NOT_FOUND", "", 0},
    {"error: 429", NULL, "[{\"status\":429}]", TARASH_IMAGE_ERROR_RATE_LIMITED, 429, "RESOURCE_EXHAUSTED", "",
     37000},
    {"error: 500", NULL, "[{\"status\":500}]", TARASH_IMAGE_ERROR_HTTP, 500, "INTERNAL", "", 0},
    {"error: 503", NULL, "[{\"status\":503}]", TARASH_IMAGE_ERROR_HTTP, 503, "UNAVAILABLE", "", 0},
    {"error: no JSON", NULL, "[{\"status\":502,\"error_shape\":\"html\"}]", TARASH_IMAGE_ERROR_HTTP, 502, "",
     "", 0},
    {"error: a bad key is 400", NULL,
     ERROR_OF(400, "INVALID_ARGUMENT", "API key not valid.", REASON("API_KEY_INVALID")),
     TARASH_IMAGE_ERROR_AUTHENTICATION, 400, "API_KEY_INVALID", "API key not valid.", 0},
    {"error: a blocked key", NULL,
     ERROR_OF(403, "PERMISSION_DENIED", "Blocked.", REASON("API_KEY_SERVICE_BLOCKED")),
     TARASH_IMAGE_ERROR_AUTHENTICATION, 403, "API_KEY_SERVICE_BLOCKED", "", 0},
    {"error: no billing", NULL, ERROR_OF(403, "PERMISSION_DENIED", "Enable it.", REASON("BILLING_DISABLED")),
     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 403, "BILLING_DISABLED", "", 0},
    {"error: decimals of a second", NULL,
     ERROR_OF(429, "RESOURCE_EXHAUSTED", "Slow down.", RETRY("\"1.250s\"")), TARASH_IMAGE_ERROR_RATE_LIMITED,
     429, "RESOURCE_EXHAUSTED", "Slow down.", 1250},
    {"error: nine decimals", NULL,
     ERROR_OF(429, "RESOURCE_EXHAUSTED", "Slow down.", RETRY("\"18.46222212s\"")),
     TARASH_IMAGE_ERROR_RATE_LIMITED, 429, "RESOURCE_EXHAUSTED", "", 18462},
    {"error: an unreadable delay", NULL, ERROR_OF(429, "RESOURCE_EXHAUSTED", "Slow down.", RETRY("\"soon\"")),
     TARASH_IMAGE_ERROR_RATE_LIMITED, 429, "RESOURCE_EXHAUSTED", "", 0},
    {"error: a delay of the wrong type", NULL,
     ERROR_OF(429, "RESOURCE_EXHAUSTED", "Slow down.", RETRY("{\"seconds\":3}")),
     TARASH_IMAGE_ERROR_RATE_LIMITED, 429, "RESOURCE_EXHAUSTED", "", 0},
    {"error: the minute's quota", NULL,
     ERROR_OF(429, "RESOURCE_EXHAUSTED", "Quota.", QUOTA("TokensPerMinute")), TARASH_IMAGE_ERROR_RATE_LIMITED,
     429, "RESOURCE_EXHAUSTED", "", 0},
    {"error: the day's quota", NULL,
     ERROR_OF(429, "RESOURCE_EXHAUSTED", "Quota.",
              QUOTA("GenerateRequestsPerDayPerProjectPerModel-FreeTier")),
     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 429, "RESOURCE_EXHAUSTED", "", 0},
    {"error: a quota of nothing", NULL,
     ERROR_OF(429, "RESOURCE_EXHAUSTED", "Quota exceeded for metric: free_tier_requests, limit: 0, model: x",
              ""),
     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 429, "RESOURCE_EXHAUSTED", "limit: 0", 0},
    {"error: credits", NULL, ERROR_OF(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted.", ""),
     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 429, "RESOURCE_EXHAUSTED", "depleted", 0},
    {"error: a null code", NULL,
     "[{\"status\":400,\"body\":{\"error\":{\"code\":null,\"message\":\"Bad.\",\"status\":\"INVALID_"
     "ARGUMENT\"}}}]",
     TARASH_IMAGE_ERROR_VALIDATION, 400, "INVALID_ARGUMENT", "Bad.", 0},
    {"error: details of the wrong type", NULL,
     "[{\"status\":400,\"body\":{\"error\":{\"message\":\"Bad.\",\"status\":\"INVALID_ARGUMENT\",\"details\":"
     "7}}}]",
     TARASH_IMAGE_ERROR_VALIDATION, 400, "INVALID_ARGUMENT", "Bad.", 0},
    {"error: entries of the wrong type", NULL,
     "[{\"status\":400,\"body\":{\"error\":{\"message\":\"Bad.\",\"details\":[null,7,[],{\"reason\":{}},"
     "{\"violations\":[7,null]}]}}}]",
     TARASH_IMAGE_ERROR_VALIDATION, 400, NULL, "Bad.", 0},
};

static void test_refusal(void **state) {
    const refusal_row *row = (const refusal_row *)*state;
    ask_google(row->model);
    script(row->script);
    run();
    expect(row->result);
    assert_int_equal(requests(), 1);
    assert_int_equal(b.response.error.http_status, row->http_status);
    if (row->code) expect_text("the code", b.response.error.provider_code, row->code);
    expect_in("the message", b.response.error.message, row->message);
    assert_int_equal(b.response.error.retry_after_ms, row->retry_after_ms);
    assert_int_equal(b.response.error.delivery, row->http_status == 502 ? TARASH_IMAGE_DELIVERY_UNKNOWN
                                                                        : TARASH_IMAGE_DELIVERY_REJECTED);
}

/* The server repeats the key; it must not come out. */
static void test_echoed_key(void **state) {
    (void)state;
    ask_google(NULL);
    b.config.api_key = "sk-bad-Secret-0123456789";
    run();
    expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
    assert_int_equal(b.response.error.http_status, 400);
    expect_text("the code", b.response.error.provider_code, "API_KEY_INVALID");
    expect_in("the message", b.response.error.message, "API key not valid");
    b.config.provider_config = VERTEX;
    run();
    expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
    assert_int_equal(b.response.error.http_status, 401);
    expect_text("the code", b.response.error.provider_code, "ACCESS_TOKEN_TYPE_UNSUPPORTED");
}

/* The wait that RetryInfo asks for is kept; what the day's quota stops isn't tried again. */
static void test_retries(void **state) {
    (void)state;
    ask_google(NULL);
    b.config.max_retries = 1;
    script("["
           "{\"status\":429,\"body\":{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[" RETRY(
               "\"0.02s\"") "]}}}]");
    run_ok();
    assert_int_equal(requests(), 2);
    script(ERROR_OF(429, "RESOURCE_EXHAUSTED", "Quota.",
                    QUOTA("GenerateRequestsPerDay") "," RETRY("\"0.01s\"")));
    run();
    expect(TARASH_IMAGE_ERROR_QUOTA_EXCEEDED);
    assert_int_equal(requests(), 3);
    /* A wait that would outlast the time left isn't begun. */
    b.config.timeout_ms = 5000;
    script("[{\"status\":429,\"times\":2}]");
    run();
    expect(TARASH_IMAGE_ERROR_RATE_LIMITED);
    assert_int_equal(requests(), 4);
}

/* ---- lack of memory, at every allocation ------------------------------------------------------------------- */

/* The call says so or ends as it would have all the same, and leaks nothing. Returns whether nothing lacked. */
static int call_without(size_t number, const char *behaviours, tarash_image_result last) {
    counting_allocator memory;
    tarash_image_client_desc desc;
    tarash_image_client *client;
    tarash_image_result result = TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    memset(&memory, 0, sizeof memory);
    memset(&desc, 0, sizeof desc);
    memory.fail_at = number;
    desc.allocator = counting_allocator_functions(&memory);
    client = tarash_image_client_create(&desc);
    if (client) {
        tarash_image_response response;
        script(behaviours);
        result = tarash_image_generate(client, &b.config, &b.request, &response);
        tarash_image_response_free(&response);
        tarash_image_client_destroy(client);
    }
    assert_int_equal(memory.live_blocks, 0);
    if (memory.failures == 0) return 1;
    if ((result == TARASH_IMAGE_OK) != (last == TARASH_IMAGE_OK) &&
        result != TARASH_IMAGE_ERROR_OUT_OF_MEMORY)
        fail_msg("%s where allocation %d fails", tarash_image_result_name(result), (int)number);
    return 0;
}

static void every_allocation(const char *behaviours, tarash_image_result last) {
    size_t number = 1;
    while (!call_without(number, behaviours, last)) number++;
    script(behaviours);
    run();
    expect(last);
}

static void test_out_of_memory(void **state) {
    (void)state;
    ask_google(NULL);
    b.config.provider_config = VERTEX;
    b.request.images = three;
    b.request.image_count = 3;
    b.request.size = "1920x1080";
    b.request.has_seed = 1;
    b.request.output_format = "png";
    every_allocation("[{\"image_result\":{\"size\":\"16x16\",\"null_entries\":true}}]", TARASH_IMAGE_OK);
    ask_google(IMAGEN);
    b.request.image_count = 0;
    b.request.n = 2;
    b.request.negative_prompt = "fog";
    every_allocation("[{\"image_result\":{\"size\":\"16x16\",\"revised_prompt\":\"fox\"}}]", TARASH_IMAGE_OK);
    b.request.n = 1;
    every_allocation(ERROR_OF(429, "RESOURCE_EXHAUSTED", "Quota.", QUOTA("GenerateRequestsPerDay")),
                     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED);
    every_allocation(FINISHED("OTHER"), TARASH_IMAGE_ERROR_BAD_RESPONSE);
}

/* ---- running ---------------------------------------------------------------------------------------------- */

static int run_tables(void) {
    int failed = 0;
    RUN_ROWS(gemini_rows, test_body, tear_down);
    RUN_ROWS(imagen_rows, test_body, tear_down);
    RUN_ROWS(vertex_rows, test_body, tear_down);
    RUN_ROWS(refusal_rows, test_refusal, tear_down);
    return failed;
}

static int run_others(void) {
    const struct CMUnitTest tests[] = {TEST(test_seeds_count_up),
                                       TEST(test_seed_range),
                                       TEST(test_sizes_within_rules),
                                       TEST(test_strict),
                                       TEST(test_api_version),
                                       TEST(test_odd_model),
                                       TEST(test_bad_places),
                                       TEST(test_hosts),
                                       TEST(test_keys),
                                       TEST(test_base_url_variable),
                                       TEST(test_one_image),
                                       TEST(test_several_images),
                                       TEST(test_image_by_url),
                                       TEST(test_image_at_google),
                                       TEST(test_image_pixels),
                                       TEST(test_what_images_it_takes),
                                       TEST(test_operations),
                                       TEST(test_facts),
                                       TEST(test_thinking_tokens),
                                       TEST(test_thoughts),
                                       TEST(test_thoughts_and_a_file),
                                       TEST(test_several_unmarked),
                                       TEST(test_image_by_uri),
                                       TEST(test_vertex_downloads),
                                       TEST(test_imagen_reply),
                                       TEST(test_odd_replies),
                                       TEST(test_echoed_key),
                                       TEST(test_retries),
                                       TEST(test_out_of_memory)};
    return cmocka_run_group_tests_name("others", tests, NULL, NULL);
}

int main(void) {
    int failed;
    if (server_start() != 0 || prepare_inputs() != 0) return 1;
    failed = run_tables() + run_others();
    server_stop();
    return failed != 0;
}
