/* Recraft over the wire: each call as JSON against what its reference says, and its answers and errors. */

#include "wire.h"

#define P        "\"prompt\":\"" PROMPT "\""
#define B64      "\"response_format\":\"b64_json\""
#define V41      "\"model\":\"recraftv4_1\""
#define V3       "\"model\":\"recraftv3\""
#define OP(name) "{\"operation\":\"" name "\"}"
#define STYLE_ID "5e0c2f3a-1b2d-4c6e-8f90-0123456789ab"

/* ---- input images -------------------------------------------------------------------------------------- */

static unsigned char mask_levels[16] = {255, 255, 0, 0, 200, 130, 100, 0, 255, 255, 0, 0, 255, 255, 0, 0};
static unsigned char picture_pixels[48];
static tarash_image_input as_pixels[1], as_url[1], two_styles[2], content_and_style[2], two_pngs[2],
    a_frame[1], a_gif[1];
static tarash_image_input mask_pixels;
static const unsigned char gif_bytes[] =
    "GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;";

static void prepare_pictures(void) {
    as_pixels[0].pixels = picture_pixels;
    as_pixels[0].width = as_pixels[0].height = 4;
    as_pixels[0].channels = 3;
    as_url[0].url = "https://example.com/fox.png";
    mask_pixels.pixels = mask_levels;
    mask_pixels.width = mask_pixels.height = 4;
    mask_pixels.channels = 1;
    two_styles[0] = content_and_style[0] = two_pngs[0] = two_pngs[1] = a_frame[0] = one_png[0];
    two_styles[1] = content_and_style[1] = one_jpeg[0];
    two_styles[0].role = two_styles[1].role = content_and_style[1].role = TARASH_IMAGE_ROLE_STYLE;
    a_frame[0].role = TARASH_IMAGE_ROLE_FIRST_FRAME;
    memory_input(&a_gif[0], gif_bytes, sizeof gif_bytes - 1);
}

/* The name of a data: URL in place of it. */
static void name_picture(const cJSON *entry, cJSON *value) {
    const cJSON *picture;
    const char *name = "<broken>";
    if (!cJSON_IsString(value) || strncmp(value->valuestring, "data:", 5) != 0) return;
    cJSON_ArrayForEach(picture, log_at(entry, "images")) {
        const cJSON *data = log_at(picture, "path");
        if (data && value->string && strcmp(data->valuestring, value->string) == 0)
            name = picture_name(picture);
    }
    cJSON_SetValuestring(value, name);
}

static void name_pictures(const cJSON *entry, cJSON *json) {
    cJSON *value, *element;
    int i = 0;
    cJSON_ArrayForEach(value, json) {
        name_picture(entry, value);
        if (!cJSON_IsArray(value)) continue;
        for (i = 0; i < cJSON_GetArraySize(value); i++) {
            char path[64];
            const cJSON *picture;
            element = cJSON_GetArrayItem(value, i);
            snprintf(path, sizeof path, "%s[%d]", value->string, i);
            cJSON_ArrayForEach(picture, log_at(entry, "images")) {
                if (strcmp(log_text(picture, "path"), path) == 0)
                    cJSON_SetValuestring(element, picture_name(picture));
            }
        }
    }
}

/* The whole body; pictures go by their names (see picture_name). */
static void expect_body(const cJSON *entry, const char *wanted_text) {
    cJSON *found = cJSON_Duplicate(log_at(entry, "json"), 1), *wanted = cJSON_Parse(wanted_text);
    char *text;
    int same;
    assert_non_null(found);
    assert_non_null(wanted);
    name_pictures(entry, found);
    same = cJSON_Compare(found, wanted, 1);
    text = cJSON_PrintUnformatted(found);
    if (!same) print_error("sent:   %s\nwanted: %s\n", text, wanted_text);
    cJSON_free(text);
    cJSON_Delete(found);
    cJSON_Delete(wanted);
    assert_true(same);
}

/* ---- requests ------------------------------------------------------------------------------------------ */

typedef struct request_row {
    const char *name;
    const char *model;
    tarash_image_request request; /* the prompt is filled in where it is NULL */
    const char *options;          /* provider_config */
    const tarash_image_input *images;
    size_t image_count;
    int has_mask;
    const char *call; /* of the path */
    const char *body;
    const char *warnings;
    int calls; /* 0: one */
} request_row;

#define PNG .images = one_png, .image_count = 1

static const request_row request_rows[] = {
    {.name = "a prompt alone", .call = "generations", .body = "{" P "," V41 "," B64 "}"},
    {.name = "everything that V4.1 takes",
     .request = {.n = 2,
                 .size = "1344x768",
                 .has_seed = 1,
                 .seed = 42,
                 .output_format = "webp",
                 .output = TARASH_IMAGE_OUTPUT_URL},
     .call = "generations",
     .body = "{" P "," V41 ",\"n\":2,\"size\":\"1344x768\",\"random_seed\":42,\"image_format\":\"webp\","
             "\"response_format\":\"url\"}"},
    {.name = "everything that V3 takes",
     .model = "recraftv3",
     .request = {.n = 6,
                 .size = "1820x1024",
                 .has_seed = 1,
                 .seed = 4294967295,
                 .style = "digital_illustration",
                 .negative_prompt = "text",
                 .output_format = "png"},
     .call = "generations",
     .body =
         "{" P "," V3 ",\"n\":6,\"size\":\"1820x1024\",\"random_seed\":4294967295,"
         "\"style\":\"digital_illustration\",\"negative_prompt\":\"text\",\"image_format\":\"png\"," B64 "}"},
    {.name = "a style of one's own",
     .model = "recraftv3",
     .request = {.style = STYLE_ID},
     .call = "generations",
     .body = "{" P "," V3 ",\"style_id\":\"" STYLE_ID "\"," B64 "}"},
    {.name = "V2",
     .model = "recraftv2",
     .request = {.style = "icon", .size = "1024x1024"},
     .call = "generations",
     .body = "{" P ",\"model\":\"recraftv2\",\"style\":\"icon\",\"size\":\"1024x1024\"," B64 "}"},
    {.name = "V4.1 lacks what V3 had",
     .request = {.style = "icon",
                 .negative_prompt = "text",
                 .quality = "high",
                 .background = "transparent",
                 .user = "u",
                 .output_format = "jpeg",
                 .partial_images = 1},
     .call = "generations",
     .body = "{" P "," V41 "," B64 "}",
     .warnings = "negative_prompt=text>; quality=high>; style=icon>; background=transparent>; user=u>; "
                 "partial_images=1>; output_format=jpeg>"},
    {.name = "a ratio",
     .request = {.aspect_ratio = "16:9"},
     .call = "generations",
     .body = "{" P "," V41 ",\"size\":\"16:9\"," B64 "}"},
    {.name = "the nearest ratio",
     .request = {.aspect_ratio = "21:9"},
     .call = "generations",
     .body = "{" P "," V41 ",\"size\":\"2:1\"," B64 "}",
     .warnings = "aspect_ratio=21:9>2:1"},
    {.name = "the nearest size of V4.1",
     .request = {.size = "1920x1080"},
     .call = "generations",
     .body = "{" P "," V41 ",\"size\":\"1344x768\"," B64 "}",
     .warnings = "size=1920x1080>1344x768"},
    {.name = "the nearest size of a pro model",
     .model = "recraftv4_1_pro",
     .request = {.size = "1024x1024"},
     .call = "generations",
     .body = "{" P ",\"model\":\"recraftv4_1_pro\",\"size\":\"2048x2048\"," B64 "}",
     .warnings = "size=1024x1024>2048x2048"},
    {.name = "the nearest size of V3",
     .model = "recraftv3",
     .request = {.size = "1792x1024"},
     .call = "generations",
     .body = "{" P "," V3 ",\"size\":\"1820x1024\"," B64 "}",
     .warnings = "size=1792x1024>1820x1024"},
    {.name = "size auto is left out",
     .request = {.size = "auto"},
     .call = "generations",
     .body = "{" P "," V41 "," B64 "}"},
    {.name = "a vector model takes ratios",
     .model = "recraftv4_1_vector",
     .request = {.size = "1024x1024", .output_format = "svg"},
     .call = "generations",
     .body = "{" P ",\"model\":\"recraftv4_1_vector\",\"size\":\"1:1\"," B64 "}",
     .warnings = "size=1024x1024>1:1"},
    {.name = "SVG is asked of a vector model",
     .request = {.output_format = "SVG"},
     .call = "generations",
     .body = "{" P ",\"model\":\"recraftv4_1_vector\"," B64 "}"},
    {.name = "SVG can't be asked of a raster model",
     .model = "recraftv4_1",
     .request = {.output_format = "svg"},
     .call = "generations",
     .body = "{" P "," V41 "," B64 "}",
     .warnings = "output_format=svg>"},
    {.name = "a model of tomorrow gets all there is",
     .model = "recraftv9",
     .request = {.size = "1000x1000", .style = "new", .negative_prompt = "no"},
     .call = "generations",
     .body =
         "{" P
         ",\"model\":\"recraftv9\",\"size\":\"1000x1000\",\"style\":\"new\",\"negative_prompt\":\"no\"," B64
         "}"},
    {.name = "n beyond six is split",
     .request = {.n = 9, .has_seed = 1, .seed = 5},
     .calls = 2,
     .call = "generations",
     .body = "{" P "," V41 ",\"n\":6,\"random_seed\":5," B64 "}",
     .warnings = "seed=5>5, and counting up from it"},
    {.name = "controls by extra_params",
     .request = {.extra_params = "{\"controls\":{\"colors\":[{\"rgb\":[1,2,3]}]},\"prompt\":\"another\"}"},
     .call = "generations",
     .body = "{\"prompt\":\"another\"," V41 ",\"controls\":{\"colors\":[{\"rgb\":[1,2,3]}]}," B64 "}"},
    {.name = "controls by provider_config",
     .options = "{\"controls\":{\"background_color\":{\"rgb\":[9,8,7]}}}",
     .call = "generations",
     .body = "{" P "," V41 ",\"controls\":{\"background_color\":{\"rgb\":[9,8,7]}}," B64 "}"},
    {.name = "both, merged",
     .options = "{\"controls\":{\"background_color\":{\"rgb\":[9,8,7]}}}",
     .request = {.extra_params = "{\"controls\":{\"colors\":[{\"rgb\":[1,2,3]}]}}"},
     .call = "generations",
     .body =
         "{" P "," V41
         ",\"controls\":{\"background_color\":{\"rgb\":[9,8,7]},\"colors\":[{\"rgb\":[1,2,3]}]}," B64 "}"},
    {.name = "style references choose their model",
     .images = two_styles,
     .image_count = 2,
     .call = "generations",
     .body = "{" P ",\"model\":\"recraftv4_styles\",\"style_reference_urls\":[\"png\",\"jpeg\"]," B64 "}"},
    {.name = "style references of a vector model",
     .images = two_styles,
     .image_count = 2,
     .request = {.output_format = "svg"},
     .call = "generations",
     .body =
         "{" P ",\"model\":\"recraftv4_styles_vector\",\"style_reference_urls\":[\"png\",\"jpeg\"]," B64 "}"},
    {.name = "the id of a V4 style",
     .model = "recraftv4_styles_pro",
     .request = {.style = STYLE_ID},
     .call = "generations",
     .body = "{" P ",\"model\":\"recraftv4_styles_pro\",\"style_id\":\"" STYLE_ID "\"," B64 "}"},
    {.name = "an image is transformed",
     PNG,
     .call = "imageToImage",
     .body = "{" P "," V41 ",\"image_url\":\"png\",\"strength\":0.5," B64 "}"},
    {.name = "a transformation with everything",
     PNG,
     .model = "recraftv3",
     .options = "{\"strength\":0.2,\"controls\":{\"no_text\":true}}",
     .request = {.n = 2,
                 .has_seed = 1,
                 .seed = 7,
                 .style = "any",
                 .negative_prompt = "text",
                 .output_format = "png",
                 .size = "1024x1024"},
     .call = "imageToImage",
     .body =
         "{" P "," V3 ",\"image_url\":\"png\",\"strength\":0.2,\"controls\":{\"no_text\":true},\"n\":2,"
         "\"random_seed\":7,\"style\":\"any\",\"negative_prompt\":\"text\",\"image_format\":\"png\"," B64 "}",
     .warnings = "size=1024x1024>"},
    {.name = "the strength by extra_params",
     PNG,
     .options = OP("image_to_image"),
     .request = {.extra_params = "{\"strength\":0.4}"},
     .call = "imageToImage",
     .body = "{" P "," V41 ",\"image_url\":\"png\",\"strength\":0.4," B64 "}"},
    {.name = "an image by URL",
     .images = as_url,
     .image_count = 1,
     .call = "imageToImage",
     .body = "{" P "," V41 ",\"image_url\":\"https://example.com/fox.png\",\"strength\":0.5," B64 "}"},
    {.name = "an image by path",
     .images = by_path,
     .image_count = 1,
     .options = OP("edit"),
     .call = "imageToImage",
     .body = "{" P "," V41 ",\"image_url\":\"png\",\"strength\":0.5," B64 "}"},
    {.name = "an image as pixels",
     .images = as_pixels,
     .image_count = 1,
     .call = "imageToImage",
     .body = "{" P "," V41 ",\"image_url\":\"another picture\",\"strength\":0.5," B64 "}"},
    {.name = "a role that is none here",
     .images = a_frame,
     .image_count = 1,
     .call = "imageToImage",
     .body = "{" P "," V41 ",\"image_url\":\"png\",\"strength\":0.5," B64 "}",
     .warnings = "images[0].role=first_frame>reference"},
    {.name = "a mask means inpainting, by V3",
     PNG,
     .has_mask = 1,
     .call = "inpaint",
     .body = "{" P "," V3 ",\"image_url\":\"png\",\"mask_url\":\"another picture\"," B64 "}"},
    {.name = "inpainting to SVG",
     PNG,
     .has_mask = 1,
     .options = OP("edit"),
     .request = {.output_format = "svg", .n = 2},
     .calls = 2,
     .call = "inpaint",
     .body =
         "{" P
         ",\"model\":\"recraftv3_vector\",\"n\":1,\"image_url\":\"png\",\"mask_url\":\"another picture\"," B64
         "}"},
    {.name = "inpainting has no strength",
     PNG,
     .has_mask = 1,
     .options = "{\"operation\":\"inpaint\",\"strength\":0.2}",
     .call = "inpaint",
     .body = "{" P "," V3 ",\"image_url\":\"png\",\"mask_url\":\"another picture\"," B64 "}",
     .warnings = "provider_config.strength=0.2>"},
    {.name = "outpainting",
     PNG,
     .options = OP("outpaint"),
     .request = {.extra_params = "{\"expand_left\":100,\"expand_top\":20,\"zoom_out_percentage\":10}"},
     .call = "outpaint",
     .body =
         "{" P "," V3
         ",\"image_url\":\"png\",\"expand_left\":100,\"expand_top\":20,\"zoom_out_percentage\":10," B64 "}"},
    {.name = "outpainting to a ratio",
     PNG,
     .options = OP("outpaint"),
     .request = {.aspect_ratio = "2:1"},
     .call = "outpaint",
     .body = "{" P "," V3 ",\"image_url\":\"png\",\"size\":\"2:1\"," B64 "}"},
    {.name = "another background",
     PNG,
     .options = OP("replace_background"),
     .request = {.has_seed = 1, .seed = 0},
     .call = "replaceBackground",
     .body = "{" P "," V3 ",\"image_url\":\"png\",\"random_seed\":0," B64 "}"},
    {.name = "a background where there is none",
     PNG,
     .has_mask = 1,
     .options = OP("generate_background"),
     .call = "generateBackground",
     .body = "{" P "," V3 ",\"image_url\":\"png\",\"mask_url\":\"another picture\"," B64 "}"},
    {.name = "a variation has its image's shape",
     PNG,
     .options = OP("variation"),
     .request = {.prompt = "", .n = 3, .has_seed = 1, .seed = 3},
     .call = "variateImage",
     .body = "{" V41 ",\"image_url\":\"png\",\"size\":\"1:1\",\"n\":3,\"random_seed\":3," B64 "}"},
    {.name = "a variation takes little",
     PNG,
     .model = "recraftv3",
     .options = "{\"operation\":\"variation\",\"controls\":{}}",
     .request = {.size = "1536x1024", .style = "any", .negative_prompt = "text", .output_format = "webp"},
     .call = "variateImage",
     .body = "{" V3 ",\"image_url\":\"png\",\"size\":\"1536x1024\",\"image_format\":\"webp\"," B64 "}",
     .warnings = "prompt=" PROMPT ">; negative_prompt=text>; style=any>; provider_config.controls=>"},
    {.name = "erasing",
     PNG,
     .has_mask = 1,
     .options = OP("erase"),
     .request = {.prompt = ""},
     .call = "eraseRegion",
     .body = "{\"image_url\":\"png\",\"mask_url\":\"another picture\"," B64 "}"},
    {.name = "removing the background",
     PNG,
     .options = OP("remove_background"),
     .request = {.prompt = "", .output_format = "png", .output = TARASH_IMAGE_OUTPUT_URL},
     .call = "removeBackground",
     .body = "{\"image_url\":\"png\",\"image_format\":\"png\",\"response_format\":\"url\"}"},
    {.name = "tools have neither models nor settings",
     PNG,
     .model = "recraftv3",
     .options = OP("remove_background"),
     .request = {.size = "1024x1024", .has_seed = 1, .seed = 1, .style = "any"},
     .call = "removeBackground",
     .body = "{\"image_url\":\"png\"," B64 "}",
     .warnings = "prompt=" PROMPT ">; style=any>; seed=1>; size=1024x1024>; model=recraftv3>"},
    {.name = "enlarging",
     PNG,
     .options = OP("upscale"),
     .request = {.prompt = ""},
     .call = "crispUpscale",
     .body = "{\"image_url\":\"png\"," B64 "}"},
    {.name = "enlarging creatively",
     PNG,
     .options = OP("upscale_creative"),
     .request = {.prompt = ""},
     .call = "creativeUpscale",
     .body = "{\"image_url\":\"png\"," B64 "}"},
    {.name = "tracing",
     PNG,
     .options = OP("vectorize"),
     .request = {.prompt = "", .output_format = "svg", .extra_params = "{\"max_num_colors\":5}"},
     .call = "vectorize",
     .body = "{\"image_url\":\"png\",\"max_num_colors\":5," B64 "}"},
};

static void prepare(const request_row *row) {
    use("recraft", "recraft/v1");
    b.config.model = row->model;
    b.config.provider_config = row->options;
    b.request = row->request;
    if (!b.request.prompt) b.request.prompt = PROMPT;
    b.request.images = row->images;
    b.request.image_count = row->image_count;
    if (row->has_mask) b.request.mask = mask_pixels;
}

/* Models and styles that the server doesn't know are for the request's sake. */
static int is_unknown_to_server(const request_row *row) {
    return row->model && strcmp(row->model, "recraftv9") == 0;
}

/* Calls that run side by side come in any order: the one that asks for most. */
static const cJSON *largest_call(void) {
    const cJSON *entry, *largest = log_entry(b.log, 0);
    cJSON_ArrayForEach(entry, b.log) {
        if (log_number(entry, "json.n") > log_number(largest, "json.n")) largest = entry;
    }
    return largest;
}

static void test_request(void **state) {
    const request_row *row = (const request_row *)*state;
    const cJSON *call;
    char path[64];
    int calls = row->calls ? row->calls : 1;
    prepare(row);
    if (is_unknown_to_server(row)) script("[{\"status\":400}]");
    run();
    call = largest_call();
    if (!is_unknown_to_server(row)) expect(TARASH_IMAGE_OK);
    assert_int_equal(log_count(b.log, "POST", NULL), calls);
    snprintf(path, sizeof path, "recraft/v1/images/%s", row->call);
    expect_text("the method", log_text(call, "method"), "POST");
    expect_path(call, path);
    expect_usual_headers(call);
    expect_header(call, "Content-Type", "application/json");
    expect_body(call, row->body);
    expect_warnings(row->warnings);
}

/* The second call of nine images asks for three. */
static void test_split(void **state) {
    const cJSON *second;
    (void)state;
    use("recraft", "recraft/v1");
    b.request.n = 9;
    run_ok();
    assert_int_equal(requests(), 2);
    second = log_entry(b.log, log_number(log_entry(b.log, 0), "json.n") == 6 ? 1 : 0);
    assert_int_equal((int)log_number(second, "json.n"), 3);
    assert_int_equal(b.response.image_count, 9);
}

/* Grey levels become white and black; white is what changes. */
static void test_mask_levels(void **state) {
    const cJSON *mask;
    (void)state;
    use("recraft", "recraft/v1");
    b.request.images = one_png;
    b.request.image_count = 1;
    b.request.mask = mask_pixels;
    run_ok();
    mask = log_at(only_request(), "images[1]");
    expect_text("the mask's place", log_text(mask, "path"), "mask_url");
    expect_text("the mask", log_text(mask, "image.pixels"), "ffff0000ffff0000ffff0000ffff0000");
    expect_warnings("");
}

/* A mask that is a file goes out as it is. */
static void test_mask_bytes(void **state) {
    (void)state;
    use("recraft", "recraft/v1");
    b.request.images = one_png;
    b.request.image_count = 1;
    b.request.mask = mask_bytes;
    script("[{\"status\":400}]");
    run();
    expect_body(only_request(), "{" P "," V3 ",\"image_url\":\"png\",\"mask_url\":\"mask\"," B64 "}");
}

/* ---- what is refused before anything is sent ----------------------------------------------------------- */

typedef struct refusal_row {
    const char *name;
    const char *model;
    const char *options;
    const tarash_image_input *images;
    size_t image_count;
    int has_mask;
    tarash_image_result result;
    const char *message;
} refusal_row;

static const refusal_row refusal_rows[] = {
    {"an operation that it lacks", NULL, OP("relight"), one_png, 1, 0, TARASH_IMAGE_ERROR_UNSUPPORTED,
     "recraft has no \"relight\""},
    {"two images", NULL, NULL, two_pngs, 2, 0, TARASH_IMAGE_ERROR_UNSUPPORTED,
     "images: recraft takes one image"},
    {"an image and a style", NULL, NULL, content_and_style, 2, 0, TARASH_IMAGE_ERROR_UNSUPPORTED,
     "only the operation generate takes images of the role style"},
    {"an image to generate", NULL, OP("generate"), one_png, 1, 0, TARASH_IMAGE_ERROR_UNSUPPORTED,
     "generate takes images of the role style only"},
    {"a style to enlarge", NULL, OP("upscale"), two_styles, 1, 0, TARASH_IMAGE_ERROR_UNSUPPORTED,
     "only the operation generate"},
    {"too many styles", NULL, NULL, sixteen, 11, 0, TARASH_IMAGE_ERROR_UNSUPPORTED, "at most 10"},
    {"a GIF", NULL, NULL, a_gif, 1, 0, TARASH_IMAGE_ERROR_UNSUPPORTED, "is image/gif"},
    {"V4 has no masks", "recraftv4_1", NULL, one_png, 1, 1, TARASH_IMAGE_ERROR_UNSUPPORTED, "takes no mask"},
    {"V4 doesn't outpaint", "recraftv4", OP("outpaint"), one_png, 1, 0, TARASH_IMAGE_ERROR_UNSUPPORTED,
     "model: recraftv4 can't do outpaint; leave it out, or use recraftv3"},
    {"V4 has no backgrounds", "recraftv4_1_pro", OP("replace_background"), one_png, 1, 0,
     TARASH_IMAGE_ERROR_UNSUPPORTED, "model: recraftv4_1_pro can't do replace_background"},
    {"V2 takes no images", "recraftv2", NULL, one_png, 1, 0, TARASH_IMAGE_ERROR_UNSUPPORTED,
     "takes no input images"},
    {"styles models transform nothing", "recraftv4_styles", OP("image_to_image"), one_png, 1, 0,
     TARASH_IMAGE_ERROR_UNSUPPORTED, "can't do image_to_image"},
    {"outpainting without extent", NULL, OP("outpaint"), one_png, 1, 0, TARASH_IMAGE_ERROR_VALIDATION,
     "size: is missing"},
    {"inpainting without a mask", NULL, OP("inpaint"), one_png, 1, 0, TARASH_IMAGE_ERROR_VALIDATION,
     "mask: the operation inpaint needs one"},
    {"erasing nothing", NULL, OP("erase"), one_png, 1, 0, TARASH_IMAGE_ERROR_VALIDATION,
     "mask: the operation"},
    {"removing the background of a mask", NULL, OP("remove_background"), one_png, 1, 1,
     TARASH_IMAGE_ERROR_UNSUPPORTED, "mask: the operation remove_background takes none"},
    {"tracing nothing", NULL, OP("vectorize"), NULL, 0, 0, TARASH_IMAGE_ERROR_VALIDATION,
     "images: the operation vectorize needs an input image"},
};

static void test_refusal(void **state) {
    const refusal_row *row = (const refusal_row *)*state;
    use("recraft", "recraft/v1");
    b.config.model = row->model;
    b.config.provider_config = row->options;
    b.request.images = row->images;
    b.request.image_count = row->image_count;
    if (row->has_mask) b.request.mask = mask_pixels;
    run();
    expect(row->result);
    expect_in("the message", b.response.error.message, row->message);
    assert_int_equal(requests(), 0);
}

static void test_seed_range(void **state) {
    (void)state;
    use("recraft", "recraft/v1");
    b.request.has_seed = 1;
    b.request.seed = 4294967296;
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "seed");
    assert_int_equal(requests(), 0);
}

static void test_strict(void **state) {
    (void)state;
    use("recraft", "recraft/v1");
    b.request.strict = 1;
    b.request.style = "icon";
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "style");
    assert_int_equal(requests(), 0);
}

/* The table of operations names the paths that the calls go to. */
static void test_operations(void **state) {
    size_t i, k, count, found = 0;
    const tarash_image_operation_info *operations = tarash_image_operations(&count);
    (void)state;
    for (i = 0; i < count; i++) {
        for (k = 0; k < COUNT(tarimg_recraft_calls); k++) {
            if (strcmp(operations[i].provider, "recraft") != 0 ||
                strcmp(operations[i].operation, tarimg_recraft_calls[k].operation) != 0)
                continue;
            expect_text(operations[i].operation, operations[i].call, tarimg_recraft_calls[k].path);
            found++;
        }
    }
    assert_int_equal(found, COUNT(tarimg_recraft_calls));
}

/* ---- answers ------------------------------------------------------------------------------------------- */

typedef struct reply_row {
    const char *name;
    const char *model;
    const char *options;
    const char *script;
    int n;
    int has_image;
    tarash_image_output output;
    const char *mime_type;
    int url_is_kept;
} reply_row;

static const reply_row reply_rows[] = {
    {"base64", NULL, NULL, "[]", 2, 0, TARASH_IMAGE_OUTPUT_AUTO, "image/webp", 0},
    {"links although base64 was asked for", NULL, NULL, "[{\"image_result\":{\"url\":true}}]", 2, 0,
     TARASH_IMAGE_OUTPUT_AUTO, "image/webp", 1},
    {"both", NULL, NULL, "[{\"image_result\":{\"both\":true}}]", 1, 0, TARASH_IMAGE_OUTPUT_AUTO, "image/webp",
     1},
    {"SVG", "recraftv4_vector", NULL, "[]", 1, 0, TARASH_IMAGE_OUTPUT_AUTO, "image/svg+xml", 0},
    {"PNG all the same", NULL, NULL, "[{\"image_result\":{\"bytes\":\"png\"}}]", 1, 0,
     TARASH_IMAGE_OUTPUT_AUTO, "image/png", 0},
    {"nulls among them", NULL, NULL, "[{\"image_result\":{\"null_entries\":true}}]", 2, 0,
     TARASH_IMAGE_OUTPUT_AUTO, "image/webp", 0},
    {"a single image", NULL, OP("remove_background"), "[]", 0, 1, TARASH_IMAGE_OUTPUT_AUTO, "image/webp", 0},
    {"a single link", NULL, OP("upscale"), "[{\"image_result\":{\"url\":true}}]", 0, 1,
     TARASH_IMAGE_OUTPUT_AUTO, "image/webp", 1},
    {"a single image as both", NULL, OP("upscale"), "[{\"image_result\":{\"both\":true}}]", 0, 1,
     TARASH_IMAGE_OUTPUT_AUTO, "image/webp", 1},
    {"a drawing", NULL, OP("vectorize"), "[]", 0, 1, TARASH_IMAGE_OUTPUT_BASE64, "image/svg+xml", 0},
};

static void test_reply(void **state) {
    const reply_row *row = (const reply_row *)*state;
    size_t i, count = row->n ? (size_t)row->n : 1;
    use("recraft", "recraft/v1");
    b.config.model = row->model;
    b.config.provider_config = row->options;
    b.request.n = row->n;
    b.request.output = row->output;
    if (row->has_image) {
        b.request.images = one_png;
        b.request.image_count = 1;
    }
    script(row->script);
    run_ok();
    assert_int_equal(b.response.image_count, count);
    for (i = 0; i < count; i++) {
        const tarash_image *image = &b.response.images[i];
        assert_non_null(image->data);
        expect_text("the MIME type", image->mime_type, row->mime_type);
        assert_int_equal(image->url != NULL, row->url_is_kept);
        assert_int_equal(image->base64 != NULL, row->output == TARASH_IMAGE_OUTPUT_BASE64);
        assert_int_equal(image->index, i);
    }
    assert_true(b.response.created > 1700000000);
    expect_in("provider_metadata", b.response.provider_metadata, "\"credits\":");
    assert_null(strstr(b.response.provider_metadata, "image_id"));
    expect_in("raw_response", b.response.raw_response, "image_id");
}

static void test_url_only(void **state) {
    (void)state;
    use("recraft", "recraft/v1");
    b.request.output = TARASH_IMAGE_OUTPUT_URL;
    run_ok();
    assert_int_equal(requests(), 1);
    assert_null(b.response.images[0].data);
    expect_in("the URL", b.response.images[0].url, "/f/");
}

static void test_style_id_is_told(void **state) {
    (void)state;
    use("recraft", "recraft/v1");
    script("[{\"merge\":{\"style_id\":\"" STYLE_ID "\"}}]");
    run_ok();
    expect_in("provider_metadata", b.response.provider_metadata, STYLE_ID);
}

static void test_revised_prompt(void **state) {
    (void)state;
    use("recraft", "recraft/v1");
    script("[{\"image_result\":{\"revised_prompt\":\"A fox, in detail\"}}]");
    run_ok();
    expect_text("the revised prompt", b.response.images[0].revised_prompt, "A fox, in detail");
}

/* ---- errors -------------------------------------------------------------------------------------------- */

typedef struct error_row {
    const char *name;
    const char *script;
    tarash_image_result result;
    int http_status;
    const char *code; /* NULL: none */
    const char *message;
    int retryable;
} error_row;

static const error_row error_rows[] = {
    {"a bad request",
     "[{\"status\":400,\"body\":{\"code\":\"invalid_request\",\"message\":\"unsupported size\"}}]",
     TARASH_IMAGE_ERROR_VALIDATION, 400, "invalid_request", "unsupported size", 0},
    {"a bad request as text", "[{\"status\":400,\"body\":\"no such thing\"}]", TARASH_IMAGE_ERROR_VALIDATION,
     400, NULL, "no such thing", 0},
    {"no right", "[{\"status\":401,\"body\":\"request unauthorized\"}]", TARASH_IMAGE_ERROR_AUTHENTICATION,
     401, NULL, "request unauthorized", 0},
    {"no such path", "[{\"status\":404,\"body\":\"404 page not found\"}]", TARASH_IMAGE_ERROR_HTTP, 404, NULL,
     "404 page not found", 0},
    {"no units", "[{\"status\":402,\"body\":{\"code\":\"x\",\"message\":\"no\"}}]",
     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 402, "x", "no", 0},
    {"not enough units, forbidden", "[{\"status\":403,\"body\":\"not enough API units\"}]",
     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 403, NULL, "not enough API units", 0},
    {"not enough units, a bad request",
     "[{\"status\":400,\"body\":{\"code\":\"not_enough_credits\",\"message\":\"Not enough credits\"}}]",
     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 400, "not_enough_credits", "Not enough credits", 0},
    {"forbidden", "[{\"status\":403,\"body\":\"forbidden\"}]", TARASH_IMAGE_ERROR_AUTHENTICATION, 403, NULL,
     "forbidden", 0},
    {"too many", "[{\"status\":429,\"body\":\"too many requests\",\"headers\":{\"Retry-After\":\"2\"}}]",
     TARASH_IMAGE_ERROR_RATE_LIMITED, 429, NULL, "too many requests", 1},
    {"down", "[{\"status\":503}]", TARASH_IMAGE_ERROR_HTTP, 503, "server_overloaded", "overloaded", 1},
    {"a refusal", "[{\"moderation\":true}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION, 400, "content_policy",
     "content policy", 0},
    {"a refusal as text", "[{\"moderation\":\"http\"}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION, 400, NULL,
     "content moderation", 0},
    {"a refusal in other words", "[{\"status\":422,\"body\":{\"message\":\"NSFW content detected\"}}]",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, 422, NULL, "NSFW", 0},
    {"no images", "[{\"image_result\":{\"empty\":true}}]", TARASH_IMAGE_ERROR_GENERATION_FAILED, 0, NULL,
     "no image", 1},
    {"only nulls", "[{\"image_result\":{\"all_null\":true}}]", TARASH_IMAGE_ERROR_GENERATION_FAILED, 0, NULL,
     "no image", 1},
    {"no list", "[{\"status\":200,\"body\":{\"created\":1}}]", TARASH_IMAGE_ERROR_BAD_RESPONSE, 0, NULL,
     "data", 1},
    {"an image that is none", "[{\"status\":200,\"body\":{\"image\":{\"url\":7,\"b64_json\":{}}}}]",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, 0, NULL, "no image", 1},
    {"a list that is none", "[{\"status\":200,\"body\":{\"data\":{},\"image\":[]}}]",
     TARASH_IMAGE_ERROR_BAD_RESPONSE, 0, NULL, "data", 1},
};

static void test_error(void **state) {
    const error_row *row = (const error_row *)*state;
    const tarash_image_error *error = &b.response.error;
    use("recraft", "recraft/v1");
    script(row->script);
    run();
    expect(row->result);
    if (row->http_status) assert_int_equal(error->http_status, row->http_status);
    expect_text("the code", error->provider_code, row->code ? row->code : "");
    expect_in("the message", error->message, row->message);
    assert_int_equal(error->retryable != 0, row->retryable);
    if (row->result == TARASH_IMAGE_ERROR_RATE_LIMITED) assert_int_equal(error->retry_after_ms, 2000);
}

/* The server repeats a wrong key; run() looks for it. */
static void test_wrong_key(void **state) {
    (void)state;
    use("recraft", "recraft/v1");
    b.config.api_key = "sk-bad-key-0123456789";
    run();
    expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
    expect_in("the message", b.response.error.message, "request unauthorized");
}

static void test_keys(void **state) {
    (void)state;
    use("recraft", "recraft/v1");
    b.config.api_key = NULL;
    run_with(NULL);
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "RECRAFT_API_TOKEN");
    setenv("RECRAFT_API_KEY", "sk-second-0123456789", 1);
    run_with("sk-second-0123456789");
    expect(TARASH_IMAGE_OK);
    expect_header(only_request(), "Authorization", "Bearer sk-second-0123456789");
    setenv("RECRAFT_API_TOKEN", "sk-first-0123456789", 1);
    run_with("sk-first-0123456789");
    expect(TARASH_IMAGE_OK);
    expect_header(log_entry(b.log, -1), "Authorization", "Bearer sk-first-0123456789");
}

static void test_slash(void **state) {
    (void)state;
    use("recraft", "recraft/v1");
    b.config.provider = NULL;
    b.config.model = "recraft/recraftv3";
    run_ok();
    expect_text("the model", log_text(only_request(), "json.model"), "recraftv3");
    expect_text("the provider", b.response.provider, "recraft");
    expect_text("the model", b.response.model, "recraftv3");
}

/* ---- running ------------------------------------------------------------------------------------------- */

static int run_tables(void) {
    int failed = 0;
    RUN_ROWS(request_rows, test_request, tear_down);
    RUN_ROWS(refusal_rows, test_refusal, tear_down);
    RUN_ROWS(reply_rows, test_reply, tear_down);
    RUN_ROWS(error_rows, test_error, tear_down);
    return failed;
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_split),
                                       TEST(test_mask_levels),
                                       TEST(test_mask_bytes),
                                       TEST(test_seed_range),
                                       TEST(test_strict),
                                       TEST(test_url_only),
                                       TEST(test_style_id_is_told),
                                       TEST(test_revised_prompt),
                                       TEST(test_operations),
                                       TEST(test_wrong_key),
                                       TEST(test_keys),
                                       TEST(test_slash)};
    int failed;
    if (server_start() != 0 || prepare_inputs() != 0) return 1;
    prepare_pictures();
    failed = run_tables();
    failed += cmocka_run_group_tests_name("others", tests, NULL, NULL);
    server_stop();
    return failed != 0;
}
