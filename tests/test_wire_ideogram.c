/* Ideogram over the wire: the v2 API as JSON and as forms, the v1 API of the 3.0 and 4.0 models, jobs, and what the
   safety check keeps back. */

#include "wire.h"

#define P        "\"prompt\":\"" PROMPT "\""
#define FOX      "prompt=" PROMPT "\n"
#define OP(name) "{\"operation\":\"" name "\"}"
#define IMAGE    "image: image.png, image/png, png\n"
#define MASK     "mask: mask.png, image/png, another picture\n"
#define V2(rest) "ideogram/v2/image/" rest
#define V1(rest) "ideogram/v1/" rest

/* ---- input images -------------------------------------------------------------------------------------- */

static unsigned char mask_levels[16] = {255, 255, 0, 0, 200, 130, 100, 0, 255, 255, 0, 0, 255, 255, 0, 0};
static unsigned char picture_pixels[48];
static tarash_image_input as_pixels[1], as_url[1], with_style[2], styles_only[2], a_frame[1], a_gif[1];
static tarash_image_input mask_pixels;
static char fetched_url[256];
static const unsigned char gif_bytes[] =
    "GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;";

static void prepare_pictures(void) {
    as_pixels[0].pixels = picture_pixels;
    as_pixels[0].width = as_pixels[0].height = 4;
    as_pixels[0].channels = 3;
    as_url[0].url = server_files_url(fetched_url, sizeof fetched_url, "inputs", "static/4x4.png");
    mask_pixels.pixels = mask_levels;
    mask_pixels.width = mask_pixels.height = 4;
    mask_pixels.channels = 1;
    with_style[0] = styles_only[0] = a_frame[0] = one_png[0];
    with_style[1] = styles_only[1] = one_jpeg[0];
    with_style[1].role = styles_only[0].role = styles_only[1].role = TARASH_IMAGE_ROLE_STYLE;
    a_frame[0].role = TARASH_IMAGE_ROLE_LAST_FRAME;
    memory_input(&a_gif[0], gif_bytes, sizeof gif_bytes - 1);
}

static void use_ideogram(void) {
    use("ideogram", "ideogram");
    b.config.poll_interval_ms = 1;
}

/* The header lines of a call, and none with another key. */
static void expect_call(const cJSON *entry, const char *path) {
    char host[64];
    expect_text("the method", log_text(entry, "method"), "POST");
    expect_path(entry, path);
    snprintf(host, sizeof host, "127.0.0.1:%d", server_api_port());
    expect_header(entry, "Host", host);
    expect_header(entry, "User-Agent", "tarash_image/" TARASH_IMAGE_VERSION);
    expect_header(entry, "Accept", "application/json");
    expect_header(entry, "Api-Key", KEY);
    expect_no_header(entry, "Authorization");
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
    const char *path;
    const char *body;  /* JSON, or */
    const char *parts; /* of a form, one a line */
    const char *warnings;
    int calls;      /* 0: one */
    int is_unknown; /* to the server */
} request_row;

#define PNG .images = one_png, .image_count = 1

static const request_row v2_rows[] = {
    {.name = "a prompt alone", .path = V2("generate/ideogram-4-5"), .body = "{" P "}"},
    {.name = "everything that 4.5 takes",
     .request = {.n = 8,
                 .size = "2560x1440",
                 .quality = "low",
                 .has_seed = 1,
                 .seed = 2147483647,
                 .output_format = "png",
                 .output = TARASH_IMAGE_OUTPUT_URL},
     .path = V2("generate/ideogram-4-5"),
     .body = "{" P ",\"num_images\":8,\"size\":\"2560x1440\",\"quality\":\"low\",\"seed\":2147483647}"},
    {.name = "what 4.5 lacks",
     .request = {.negative_prompt = "text",
                 .style = "design",
                 .background = "transparent",
                 .user = "u",
                 .output_format = "jpeg",
                 .partial_images = 1},
     .model = "ideogram-4-5",
     .path = V2("generate/ideogram-4-5"),
     .body = "{" P "}",
     .warnings = "negative_prompt=text>; style=design>; background=transparent>; user=u>; partial_images=1>; "
                 "output_format=jpeg>"},
    {.name = "4.5's nearest size",
     .request = {.size = "1000x1000"},
     .path = V2("generate/ideogram-4-5"),
     .body = "{" P ",\"size\":\"1024x1024\"}",
     .warnings = "size=1000x1000>1024x1024"},
    {.name = "4.5 has sizes, not ratios",
     .request = {.aspect_ratio = "16:9"},
     .path = V2("generate/ideogram-4-5"),
     .body = "{" P ",\"size\":\"1280x720\"}",
     .warnings = "aspect_ratio=16:9>1280x720"},
    {.name = "size auto",
     .request = {.size = "auto"},
     .path = V2("generate/ideogram-4-5"),
     .body = "{" P ",\"size\":\"auto\"}"},
    {.name = "quality words",
     .request = {.quality = "hd"},
     .path = V2("generate/ideogram-4-5"),
     .body = "{" P ",\"quality\":\"high\"}",
     .warnings = "quality=hd>high"},
    {.name = "the lowest quality is for edits",
     .request = {.quality = "very_low"},
     .path = V2("generate/ideogram-4-5"),
     .body = "{" P ",\"quality\":\"low\"}",
     .warnings = "quality=very_low>low"},
    {.name = "4.6 has a grid of sizes",
     .model = "ideogram-4-6",
     .request = {.size = "1000x4100"},
     .path = V2("generate/ideogram-4-6"),
     .body = "{" P ",\"size\":\"992x4096\"}",
     .warnings = "size=1000x4100>992x4096"},
    {.name = "4.0 has speeds",
     .model = "ideogram-4",
     .request = {.quality = "standard", .size = "2048x2048", .n = 2},
     .path = V2("generate/ideogram-4"),
     .body = "{" P ",\"rendering_speed\":\"default\",\"resolution\":\"2048x2048\",\"num_images\":2}",
     .warnings = "quality=standard>default"},
    {.name = "4.0's own words for them",
     .model = "ideogram-4",
     .request = {.quality = "Turbo"},
     .path = V2("generate/ideogram-4"),
     .body = "{" P ",\"rendering_speed\":\"turbo\"}"},
    {.name = "everything that 3.0 takes",
     .model = "ideogram-3",
     .request = {.n = 2,
                 .aspect_ratio = "16:9",
                 .quality = "high",
                 .style = "Design",
                 .negative_prompt = "text",
                 .has_seed = 1,
                 .seed = 0},
     .path = V2("generate/ideogram-3"),
     .body = "{" P ",\"num_images\":2,\"aspect_ratio\":\"16x9\",\"rendering_speed\":\"quality\","
             "\"style_type\":\"design\",\"negative_prompt\":\"text\",\"seed\":0}",
     .warnings = "quality=high>quality"},
    {.name = "3.0 has sizes, too",
     .model = "ideogram-3",
     .request = {.size = "1280x704", .style = "vivid"},
     .path = V2("generate/ideogram-3"),
     .body = "{" P ",\"resolution\":\"1280x704\"}",
     .warnings = "style=vivid>"},
    {.name = "transparency chooses its model",
     .request = {.background = "transparent", .aspect_ratio = "4:1"},
     .path = V2("generate/ideogram-4-transparent"),
     .body = "{" P ",\"aspect_ratio\":\"4x1\"}"},
    {.name = "3.0, transparent",
     .model = "ideogram-3-transparent",
     .request = {.background = "transparent", .negative_prompt = "text", .size = "1024x1024"},
     .path = V2("generate/ideogram-3-transparent"),
     .body = "{" P ",\"negative_prompt\":\"text\",\"aspect_ratio\":\"1x1\"}",
     .warnings = "size=1024x1024>1:1"},
    {.name = "n beyond eight is split",
     .request = {.n = 9, .has_seed = 1, .seed = 3},
     .path = V2("generate/ideogram-4-5"),
     .body = "{" P ",\"num_images\":8,\"seed\":3}",
     .warnings = "seed=3>3, and counting up from it",
     .calls = 2},
    {.name = "a model of tomorrow gets all there is, and its name in the path",
     .model = "ideogram 9/x?y",
     .request = {.size = "900x900", .style = "new", .quality = "deep", .negative_prompt = "no"},
     .path = V2("generate/ideogram%209%2Fx%3Fy"),
     .body = "{" P ",\"size\":\"900x900\",\"style\":\"new\",\"quality\":\"deep\",\"negative_prompt\":\"no\"}",
     .is_unknown = 1},
    {.name = "extra_params",
     .request = {.quality = "low", .extra_params = "{\"magic_prompt\":\"off\",\"quality\":null}"},
     .path = V2("generate/ideogram-4-5"),
     .body = "{" P ",\"magic_prompt\":\"off\"}"},
    {.name = "an unknown option",
     .options = "{\"magic_prompt\":\"off\"}",
     .path = V2("generate/ideogram-4-5"),
     .body = "{" P "}",
     .warnings = "provider_config.magic_prompt=off>"},
    {.name = "an image to edit",
     PNG,
     .path = V2("generate/ideogram-4-5"),
     .parts = FOX "images: image.png, image/png, png"},
    {.name = "three images, and everything",
     .images = three,
     .image_count = 3,
     .request = {.n = 2, .size = "1024x1024", .quality = "very_low", .has_seed = 1, .seed = 5},
     .path = V2("generate/ideogram-4-5"),
     .parts =
         FOX "num_images=2\nsize=1024x1024\nquality=very_low\nseed=5\nimages: image.png, image/png, png\n"
             "images: image.jpg, image/jpeg, jpeg\nimages: image.webp, image/webp, webp"},
    {.name = "an image by path",
     .images = by_path,
     .image_count = 1,
     .path = V2("generate/ideogram-4-5"),
     .parts = FOX "images: two words \xC3\xA9.png, image/png, png"},
    {.name = "an image as pixels",
     .images = as_pixels,
     .image_count = 1,
     .options = OP("edit"),
     .path = V2("generate/ideogram-4-5"),
     .parts = FOX "images: image.png, image/png, another picture"},
    {.name = "a data: URL",
     .images = as_data_url,
     .image_count = 1,
     .path = V2("generate/ideogram-4-5"),
     .parts = FOX "images: image.png, image/png, png"},
    {.name = "roles are unknown to 4.5",
     .images = with_style,
     .image_count = 2,
     .path = V2("generate/ideogram-4-5"),
     .parts = FOX "images: image.png, image/png, png\nimages: image.jpg, image/jpeg, jpeg",
     .warnings = "images[1].role=style>reference"},
    {.name = "a mask keeps the size",
     PNG,
     .has_mask = 1,
     .request = {.size = "1024x1024", .extra_params = "{\"enable_copyright_detection\":true}"},
     .path = V2("generate/ideogram-4-5"),
     .parts = FOX "enable_copyright_detection=true\nimages: image.png, image/png, png\n" MASK,
     .warnings = "size=1024x1024>"},
    {.name = "inpainting by 4.5",
     PNG,
     .has_mask = 1,
     .options = OP("inpaint"),
     .path = V2("generate/ideogram-4-5"),
     .parts = FOX "images: image.png, image/png, png\n" MASK},
    {.name = "inpainting by 3.0",
     PNG,
     .has_mask = 1,
     .model = "ideogram-3",
     .request = {.style = "realistic", .n = 1, .aspect_ratio = "1:1"},
     .path = V2("inpaint/ideogram-3"),
     .parts = FOX "style_type=realistic\nnum_images=1\n" IMAGE MASK,
     .warnings = "aspect_ratio=1x1>"},
    {.name = "a precise edit",
     .images = three,
     .image_count = 2,
     .has_mask = 1,
     .options = OP("precise_edit"),
     .request = {.quality = "medium", .size = "1024x1024", .has_seed = 1, .seed = 1},
     .path = V2("precise-edit/ideogram-4-5"),
     .parts = FOX "quality=medium\nseed=1\n" IMAGE "reference_images: image.jpg, image/jpeg, jpeg\n" MASK,
     .warnings = "size=1024x1024>"},
    {.name = "a remix by 4.5",
     .images = three,
     .image_count = 2,
     .options = OP("remix"),
     .request = {.extra_params = "{\"image_weight\":70}"},
     .path = V2("remix/ideogram-4-5"),
     .parts = FOX IMAGE "reference_images: image.jpg, image/jpeg, jpeg\nimage_weight=70"},
    {.name = "4.0 remixes what it is given",
     PNG,
     .model = "ideogram-4",
     .request = {.size = "2048x2048", .has_seed = 1, .seed = 1},
     .path = V2("remix/ideogram-4"),
     .parts = FOX "resolution=2048x2048\n" IMAGE,
     .warnings = "seed=1>"},
    {.name = "3.0 remixes, in a style",
     .images = with_style,
     .image_count = 2,
     .model = "ideogram-3",
     .request = {.aspect_ratio = "2:3", .negative_prompt = "text"},
     .path = V2("remix/ideogram-3"),
     .parts = FOX "aspect_ratio=2x3\nnegative_prompt=text\n" IMAGE
                  "style_reference_images: image.jpg, image/jpeg, jpeg"},
    {.name = "3.0 generates in a style",
     .images = styles_only,
     .image_count = 2,
     .model = "ideogram-3",
     .path = V2("generate/ideogram-3"),
     .parts = FOX
     "style_reference_images: image.png, image/png, png\nstyle_reference_images: image.jpg, image/jpeg, "
     "jpeg"},
    {.name = "reframing",
     PNG,
     .options = OP("reframe"),
     .request = {.prompt = "", .size = "1536x640", .n = 2, .has_seed = 1, .seed = 9},
     .path = V2("reframe/ideogram-3"),
     .parts = "resolution=1536x640\nnum_images=2\nseed=9\n" IMAGE},
    {.name = "reframing to a ratio",
     PNG,
     .options = OP("reframe"),
     .request = {.prompt = "", .aspect_ratio = "2:1"},
     .path = V2("reframe/ideogram-3"),
     .parts = "resolution=1408x704\n" IMAGE,
     .warnings = "aspect_ratio=2:1>1408x704"},
    {.name = "reframing by extra_params",
     PNG,
     .options = OP("reframe"),
     .request = {.prompt = "", .extra_params = "{\"resolution\":\"1536x512\"}"},
     .path = V2("reframe/ideogram-3"),
     .parts = "resolution=1536x512\n" IMAGE},
    {.name = "removing the background",
     PNG,
     .options = OP("remove_background"),
     .request = {.prompt = ""},
     .path = V2("remove-background/ideogram-1"),
     .parts = IMAGE},
    {.name = "enlarging",
     PNG,
     .options = OP("upscale"),
     .request = {.prompt = "", .extra_params = "{\"upscale_factor\":\"x4\"}", .has_seed = 1, .seed = 2},
     .path = V2("upscale/auto"),
     .parts = "seed=2\nupscale_factor=x4\n" IMAGE},
    {.name = "enlarging by a model that is told how",
     PNG,
     .options = OP("upscale"),
     .model = "topaz-bloom-2",
     .path = V2("upscale/topaz-bloom-2"),
     .parts = FOX IMAGE},
    {.name = "enlarging by one that isn't",
     PNG,
     .options = OP("upscale"),
     .model = "topaz-standard-2",
     .request = {.has_seed = 1, .seed = 2, .n = 1},
     .path = V2("upscale/topaz-standard-2"),
     .parts = IMAGE,
     .warnings = "prompt=" PROMPT ">; seed=2>"},
    {.name = "a tool's model instead of one that draws",
     PNG,
     .options = OP("remove_background"),
     .model = "ideogram-4-5",
     .path = V2("remove-background/ideogram-1"),
     .parts = IMAGE,
     .warnings = "prompt=" PROMPT ">; model=ideogram-4-5>ideogram-1"},
};

static const request_row v1_rows[] = {
    {.name = "v3: a prompt alone", .model = "ideogram-v3", .path = V1("ideogram-v3/generate"), .parts = FOX},
    {.name = "v3: everything",
     .model = "ideogram-v3",
     .request = {.n = 2,
                 .aspect_ratio = "16:9",
                 .quality = "low",
                 .style = "fiction",
                 .negative_prompt = "text",
                 .has_seed = 1,
                 .seed = 12,
                 .extra_params = "{\"magic_prompt\":\"OFF\"}"},
     .path = V1("ideogram-v3/generate"),
     .parts = FOX
     "num_images=2\naspect_ratio=16x9\nrendering_speed=TURBO\nstyle_type=FICTION\nnegative_prompt=text\n"
     "seed=12\nmagic_prompt=OFF",
     .warnings = "quality=low>turbo"},
    {.name = "v3: a size",
     .model = "ideogram-v3",
     .request = {.size = "1248x832", .quality = "flash"},
     .path = V1("ideogram-v3/generate"),
     .parts = FOX "resolution=1248x832\nrendering_speed=FLASH"},
    {.name = "v3: a mask",
     PNG,
     .has_mask = 1,
     .model = "ideogram-v3",
     .path = V1("ideogram-v3/inpaint"),
     .parts = FOX IMAGE MASK},
    {.name = "v3: a remix in a style",
     .images = with_style,
     .image_count = 2,
     .model = "ideogram-v3",
     .request = {.aspect_ratio = "1:2", .extra_params = "{\"image_weight\":20}"},
     .path = V1("ideogram-v3/remix"),
     .parts = FOX "aspect_ratio=1x2\n" IMAGE
                  "style_reference_images: image.jpg, image/jpeg, jpeg\nimage_weight=20"},
    {.name = "v3: reframing",
     PNG,
     .model = "ideogram-v3",
     .options = OP("reframe"),
     .request = {.prompt = "", .size = "512x1536"},
     .path = V1("ideogram-v3/reframe"),
     .parts = "resolution=512x1536\n" IMAGE},
    {.name = "v3: another background",
     PNG,
     .model = "ideogram-v3",
     .options = OP("replace_background"),
     .request = {.has_seed = 1, .seed = 4, .quality = "max"},
     .path = V1("ideogram-v3/replace-background"),
     .parts = FOX "seed=4\nrendering_speed=QUALITY\n" IMAGE,
     .warnings = "quality=max>quality"},
    {.name = "v3 has no jobs",
     .model = "ideogram-v3",
     .options = "{\"async\":true}",
     .path = V1("ideogram-v3/generate"),
     .parts = FOX,
     .warnings = "provider_config.async=true>"},
    {.name = "v4: one at a time, without seed",
     .model = "ideogram-v4",
     .request = {.n = 2, .has_seed = 1, .seed = 1, .size = "2880x1440", .quality = "hd"},
     .path = V1("ideogram-v4/generate"),
     .parts = "text_prompt=" PROMPT "\nresolution=2880x1440\nrendering_speed=QUALITY",
     .warnings = "seed=1>; quality=hd>quality",
     .calls = 2},
    {.name = "v4: a remix",
     PNG,
     .model = "ideogram-v4",
     .path = V1("ideogram-v4/remix"),
     .parts = "text_prompt=" PROMPT "\n" IMAGE},
    {.name = "v4: structured prompts",
     .model = "ideogram-v4",
     .request = {.extra_params = "{\"text_prompt\":null,\"json_prompt\":{\"a\":[1]}}"},
     .path = V1("ideogram-v4/generate"),
     .parts = "json_prompt={\"a\":[1]}"},
};

/* Calls that run side by side come in any order: the one that asks for most. */
static const cJSON *largest_call(void) {
    const cJSON *entry, *largest = log_entry(b.log, 0);
    cJSON_ArrayForEach(entry, b.log) {
        if (log_number(entry, "json.num_images") > log_number(largest, "json.num_images")) largest = entry;
    }
    return largest;
}

static void test_request(void **state) {
    const request_row *row = (const request_row *)*state;
    const cJSON *call;
    use_ideogram();
    b.config.model = row->model;
    b.config.provider_config = row->options;
    b.request = row->request;
    if (!b.request.prompt) b.request.prompt = PROMPT;
    b.request.images = row->images;
    b.request.image_count = row->image_count;
    if (row->has_mask) b.request.mask = mask_pixels;
    if (row->is_unknown) script("[{\"status\":400}]");
    run();
    call = largest_call();
    if (!row->is_unknown) expect(TARASH_IMAGE_OK);
    assert_int_equal(log_count(b.log, "POST", NULL), row->calls ? row->calls : 1);
    expect_call(call, row->path);
    if (row->body) {
        expect_header(call, "Content-Type", "application/json");
        expect_json(call, row->body);
    } else
        expect_parts(call, row->parts);
    expect_warnings(row->warnings);
}

/* A form takes files, so that a URL's bytes are fetched first. */
static void test_image_by_url(void **state) {
    (void)state;
    use_ideogram();
    b.request.images = as_url;
    b.request.image_count = 1;
    run_ok();
    expect_parts(log_entry(b.log, -2), FOX "images: image.png, image/png, another picture");
}

/* Black marks what changes, in two levels. */
static void test_mask_levels(void **state) {
    (void)state;
    use_ideogram();
    b.request.images = one_png;
    b.request.image_count = 1;
    b.request.mask = mask_pixels;
    run_ok();
    expect_text("the mask", log_text(log_part(log_entry(b.log, 0), "mask", 0), "image.pixels"),
                "0000ffff0000ffff0000ffff0000ffff");
    expect_warnings("");
}

/* But white for what is to be erased. */
static void test_erase(void **state) {
    (void)state;
    use_ideogram();
    b.config.provider_config = OP("erase");
    b.request.prompt = NULL;
    b.request.images = one_png;
    b.request.image_count = 1;
    b.request.mask = mask_pixels;
    run_ok();
    expect_call(log_entry(b.log, 0), V2("remove-object/ideogram-1"));
    expect_parts(log_entry(b.log, 0), IMAGE MASK);
    expect_text("the mask", log_text(log_part(log_entry(b.log, 0), "mask", 0), "image.pixels"),
                "ffff0000ffff0000ffff0000ffff0000");
    assert_int_equal(log_count(b.log, "GET", "/v2/generations/gen-1"), 4);
    expect_picture(&b.response.images[0], "image/png");
}

/* A mask that is a file goes out as it is, with a warning. */
static void test_mask_bytes(void **state) {
    (void)state;
    use_ideogram();
    b.request.images = one_png;
    b.request.image_count = 1;
    b.request.mask = mask_bytes;
    run_ok();
    expect_parts(log_entry(b.log, 0),
                 FOX "images: image.png, image/png, png\nmask: image.png, image/png, mask");
    expect_in("the warning", warning_about("mask")->sent, "black");
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
    {"an operation that it lacks", NULL, OP("outpaint"), one_png, 1, 0, TARASH_IMAGE_ERROR_UNSUPPORTED,
     "ideogram has no \"outpaint\""},
    {"six images", NULL, NULL, sixteen, 6, 0, TARASH_IMAGE_ERROR_UNSUPPORTED, "at most 5"},
    {"five images and a mask", NULL, NULL, sixteen, 5, 1, TARASH_IMAGE_ERROR_UNSUPPORTED, "at most 4"},
    {"two images for 3.0", "ideogram-3", NULL, three, 2, 0, TARASH_IMAGE_ERROR_UNSUPPORTED,
     "images[1]: remix of ideogram ideogram-3 takes one input image"},
    {"two images for v3", "ideogram-v3", NULL, three, 2, 0, TARASH_IMAGE_ERROR_UNSUPPORTED, "takes one"},
    {"a mask for 4.0", "ideogram-4", NULL, one_png, 1, 1, TARASH_IMAGE_ERROR_UNSUPPORTED, "takes no mask"},
    {"an image to be transparent", "ideogram-4-transparent", NULL, one_png, 1, 0,
     TARASH_IMAGE_ERROR_UNSUPPORTED, "takes no input images"},
    {"4.5 doesn't reframe", "ideogram-4-5", OP("reframe"), one_png, 1, 0, TARASH_IMAGE_ERROR_UNSUPPORTED,
     "model: ideogram-4-5 can't do reframe"},
    {"v4 has no backgrounds", "ideogram-v4", OP("replace_background"), one_png, 1, 0,
     TARASH_IMAGE_ERROR_UNSUPPORTED, "model: ideogram-v4 can't do replace-background"},
    {"3.0 doesn't edit precisely", "ideogram-3", OP("precise_edit"), one_png, 1, 0,
     TARASH_IMAGE_ERROR_UNSUPPORTED, "model: ideogram-3 can't do precise-edit"},
    {"a GIF", NULL, NULL, a_gif, 1, 0, TARASH_IMAGE_ERROR_UNSUPPORTED, "is image/gif"},
    {"reframing to nothing", NULL, OP("reframe"), one_png, 1, 0, TARASH_IMAGE_ERROR_VALIDATION,
     "size: is missing"},
    {"inpainting without a mask", NULL, OP("inpaint"), one_png, 1, 0, TARASH_IMAGE_ERROR_VALIDATION,
     "mask: the operation inpaint needs one"},
    {"a remix of nothing", NULL, OP("remix"), NULL, 0, 0, TARASH_IMAGE_ERROR_VALIDATION,
     "images: the operation remix needs"},
    {"enlarging a mask", NULL, OP("upscale"), one_png, 1, 1, TARASH_IMAGE_ERROR_UNSUPPORTED,
     "mask: the operation upscale takes none"},
};

static void test_refusal(void **state) {
    const refusal_row *row = (const refusal_row *)*state;
    use_ideogram();
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
    use_ideogram();
    b.request.has_seed = 1;
    b.request.seed = 2147483648;
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "seed");
    assert_int_equal(requests(), 0);
}

/* ---- answers ------------------------------------------------------------------------------------------- */

static void test_answer(void **state) {
    (void)state;
    use_ideogram();
    b.request.n = 2;
    b.request.has_seed = 1;
    b.request.seed = 700;
    run_ok();
    assert_int_equal(b.response.image_count, 2);
    expect_picture(&b.response.images[1], "image/png");
    expect_in("the URL", b.response.images[1].url, "/f/");
    expect_text("the revised prompt", b.response.images[0].revised_prompt, "A detailed view: " PROMPT);
    assert_true(b.response.images[1].has_seed);
    assert_int_equal(b.response.images[1].seed, 701);
    expect_in("provider_metadata", b.response.provider_metadata, "\"generation_id\":\"gen-1\"");
    expect_in("provider_metadata", b.response.provider_metadata, "\"generation_kind\":\"sampling\"");
    expect_text("the model", b.response.model, "ideogram-4-5");
}

/* A prompt that came back as it was hasn't been revised. */
static void test_same_prompt(void **state) {
    (void)state;
    use_ideogram();
    script("[{\"status\":200,\"body\":{\"created\":\"2026-10-02 "
           "04:05:06+00:00\",\"data\":[{\"url\":\"{FILES}/f/{SESSION}/"
           "static/8x8.png\",\"prompt\":\"" PROMPT "\",\"is_image_safe\":true,\"seed\":\"x\"}]}}]");
    run_ok();
    assert_null(b.response.images[0].revised_prompt);
    assert_false(b.response.images[0].has_seed);
    assert_int_equal(b.response.created, 1790913906);
    assert_int_equal(b.response.images[0].width, 8);
}

static void test_v1_answer(void **state) {
    (void)state;
    use_ideogram();
    b.config.model = "ideogram-v3";
    run_ok();
    expect_picture(&b.response.images[0], "image/png");
    assert_int_equal(b.response.images[0].seed, 12345);
    assert_int_equal(b.response.created, 1795168800);
}

static void test_url_only(void **state) {
    (void)state;
    use_ideogram();
    b.request.output = TARASH_IMAGE_OUTPUT_URL;
    run_ok();
    assert_int_equal(requests(), 1);
    assert_null(b.response.images[0].data);
    expect_in("the URL", b.response.images[0].url, "/f/");
}

/* What the safety check kept back is told, and takes nothing else with it. */
static void test_partly_unsafe(void **state) {
    (void)state;
    use_ideogram();
    b.request.n = 3;
    script("[{\"moderation\":\"mixed\"}]");
    run_ok();
    assert_int_equal(b.response.image_count, 2);
    assert_true(b.response.warning_count > 0);
}

typedef struct error_row {
    const char *name;
    const char *script;
    tarash_image_result result;
    int http_status;
    const char *code; /* NULL: none */
    const char *message;
    int retryable;
} error_row;

#define REJECTED(status, reason)                                                                             \
    "[{\"status\":" #status ",\"body\":{\"error\":\"No.\",\"reject_reason\":\"" reason "\"}}]"

static const error_row error_rows[] = {
    {"invalid input", "[{\"status\":400,\"body\":{\"error\":\"Invalid input\"}}]",
     TARASH_IMAGE_ERROR_VALIDATION, 400, NULL, "Invalid input", 0},
    {"invalid input, in detail", "[{\"status\":400,\"body\":{\"detail\":\"no such size\"}}]",
     TARASH_IMAGE_ERROR_VALIDATION, 400, NULL, "no such size", 0},
    {"a wrong key", "[{\"status\":401}]", TARASH_IMAGE_ERROR_AUTHENTICATION, 401, NULL, "Incorrect API key",
     0},
    {"no funds", REJECTED(402, "insufficient_funds"), TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 402,
     "insufficient_funds", "No.", 0},
    {"no subscription", REJECTED(402, "subscription_required"), TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 402,
     "subscription_required", "No.", 0},
    {"a daily limit at 429", REJECTED(429, "daily_limit"), TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 429,
     "daily_limit", "No.", 0},
    {"too many under way", "[{\"status\":429}]", TARASH_IMAGE_ERROR_RATE_LIMITED, 429, "inflight_limit",
     "Rate limit", 1},
    {"too many under way, at 402", REJECTED(402, "inflight_limit"), TARASH_IMAGE_ERROR_RATE_LIMITED, 402,
     "inflight_limit", "No.", 1},
    {"not found", "[{\"status\":404,\"body\":{\"error\":\"no\"}}]", TARASH_IMAGE_ERROR_HTTP, 404, NULL, "no",
     0},
    {"down", "[{\"status\":503}]", TARASH_IMAGE_ERROR_HTTP, 503, NULL, "overloaded", 1},
    {"a refused prompt", "[{\"moderation\":true}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION, 422, NULL,
     "safety checks", 0},
    {"a refused prompt, without words", "[{\"status\":422,\"error_shape\":\"empty\"}]",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, 422, NULL, "422", 0},
    {"a request that is wrong", "[{\"status\":422,\"error_shape\":\"detail_list\"}]",
     TARASH_IMAGE_ERROR_VALIDATION, 422, "server_error", "body.prompt", 0},
    {"refused images", "[{\"moderation\":\"items\"}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION, 0,
     "is_image_safe", "safety system", 0},
    {"no images", "[{\"image_result\":{\"empty\":true}}]", TARASH_IMAGE_ERROR_GENERATION_FAILED, 0, NULL,
     "no image", 1},
    {"neither list nor job", "[{\"status\":200,\"body\":{\"data\":7}}]", TARASH_IMAGE_ERROR_BAD_RESPONSE, 0,
     NULL, "neither", 1},
    {"a job of a strange name", "[{\"status\":200,\"body\":{\"generation_id\":\"../x\"}}]",
     TARASH_IMAGE_ERROR_BAD_RESPONSE, 0, NULL, "neither", 1},
    {"an error within 200", "[{\"status\":200,\"body\":{\"error\":\"out of paint\",\"status_code\":500}}]",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, 0, NULL, "out of paint", 1},
    {"an answer that is a list", "[{\"status\":200,\"body\":[1]}]", TARASH_IMAGE_ERROR_BAD_RESPONSE, 0, NULL,
     "neither", 1},
};

static void test_error(void **state) {
    const error_row *row = (const error_row *)*state;
    const tarash_image_error *error = &b.response.error;
    use_ideogram();
    script(row->script);
    run();
    expect(row->result);
    if (row->http_status) assert_int_equal(error->http_status, row->http_status);
    expect_text("the code", error->provider_code, row->code ? row->code : "");
    expect_in("the message", error->message, row->message);
    assert_int_equal(error->retryable != 0, row->retryable);
}

/* The server repeats a wrong key; run() looks for it. */
static void test_wrong_key(void **state) {
    (void)state;
    use_ideogram();
    b.config.api_key = "sk-bad-key-0123456789";
    run();
    expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
    expect_in("the message", b.response.error.message, "Access denied");
}

static void test_key_variable(void **state) {
    (void)state;
    use_ideogram();
    b.config.api_key = NULL;
    run_with(NULL);
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "IDEOGRAM_API_KEY");
    setenv("IDEOGRAM_API_KEY", "sk-variable-0123456789", 1);
    run_with("sk-variable-0123456789");
    expect(TARASH_IMAGE_OK);
    expect_header(log_entry(b.log, 0), "Api-Key", "sk-variable-0123456789");
}

/* An account that has no money left isn't asked again; one with too much under way is. */
static void test_retries(void **state) {
    (void)state;
    use_ideogram();
    b.config.max_retries = 2;
    b.config.retry.initial_ms = b.config.retry.max_ms = 1;
    script("[{\"status\":429,\"times\":-1,\"body\":{\"error\":\"No.\",\"reject_reason\":\"daily_limit\"}}]");
    run();
    expect(TARASH_IMAGE_ERROR_QUOTA_EXCEEDED);
    assert_int_equal(requests(), 1);
    script("[{\"status\":429,\"times\":2}]");
    run_ok();
    assert_int_equal(log_count(b.log, "POST", NULL), 4);
}

/* ---- jobs ---------------------------------------------------------------------------------------------- */

typedef struct seen_progress {
    char text[1024];
} seen_progress;

static void watch(const tarash_image_update *update, void *user_data) {
    seen_progress *seen = (seen_progress *)user_data;
    append_text(seen->text, sizeof seen->text, "%s %d %d %s\n", tarash_image_status_name(update->status),
                update->progress_percent, update->queue_position, update->message ? update->message : "-");
}

static void use_job(const char *model) {
    use_ideogram();
    b.config.model = model;
    b.config.provider_config = "{\"async\":true}";
}

static void test_job(void **state) {
    seen_progress seen;
    (void)state;
    memset(&seen, 0, sizeof seen);
    use_job(NULL);
    b.request.n = 2;
    b.request.on_progress = watch;
    b.request.user_data = &seen;
    run_ok();
    expect_call(log_entry(b.log, 0), V2("generate/ideogram-4-5"));
    expect_json(log_entry(b.log, 0), "{" P ",\"num_images\":2,\"async\":true}");
    assert_int_equal(log_count(b.log, "GET", "/ideogram/v2/generations/gen-1"), 4);
    expect_header(log_entry(b.log, 1), "Api-Key", KEY);
    expect_no_header(log_entry(b.log, 1), "Content-Type");
    assert_int_equal(b.response.image_count, 2);
    assert_int_equal(b.response.created, 1795168800);
    expect_in("provider_metadata", b.response.provider_metadata, "\"usage_cost_usd_micros\":120000");
    expect_in("the progress", seen.text, "processing -1 -1 -\nprocessing -1 -1 -\n");
    expect_in("the progress", seen.text, "completed 100 -1 -\n");
}

static void test_job_of_a_form(void **state) {
    (void)state;
    use_job(NULL);
    b.request.images = one_png;
    b.request.image_count = 1;
    run_ok();
    expect_parts(log_entry(b.log, 0), FOX "async=true\nimages: image.png, image/png, png");
    assert_int_equal(log_count(b.log, "GET", "/v2/generations/"), 4);
}

static void test_job_of_v1(void **state) {
    (void)state;
    use_job("ideogram-v4");
    run_ok();
    expect_call(log_entry(b.log, 0), V1("ideogram-v4/async/generate"));
    expect_parts(log_entry(b.log, 0), "text_prompt=" PROMPT);
    assert_int_equal(log_count(b.log, "GET", "/ideogram/v1/generations/gen-1"), 4);
}

/* Some calls are jobs whether one asks for it or not. */
static void test_job_that_is_one_anyway(void **state) {
    (void)state;
    use_ideogram();
    b.config.provider_config = "{\"operation\":\"replace_background\",\"async\":true}";
    b.request.images = one_png;
    b.request.image_count = 1;
    b.request.quality = "turbo";
    run_ok();
    expect_call(log_entry(b.log, 0), V2("replace-background/ideogram-3"));
    expect_parts(log_entry(b.log, 0), FOX "rendering_speed=turbo\n" IMAGE);
    assert_int_equal(log_count(b.log, "GET", "/v2/generations/gen-1"), 4);
    expect_warnings("");
    expect_text("the model", b.response.model, "ideogram-3");
}

typedef struct job_row {
    const char *name;
    const char *script;
    tarash_image_result result;
    const char *code;
    const char *message;
} job_row;

#define POLLED(body) "[{\"method\":\"GET\",\"times\":-1,\"status\":200,\"body\":" body "}]"

static const job_row job_rows[] = {
    {"it fails", "[{\"jobs\":{\"fail\":true}}]", TARASH_IMAGE_ERROR_GENERATION_FAILED, "failed",
     "could not be completed"},
    {"its images are unsafe", "[{\"jobs\":{\"moderation\":true}}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION,
     "is_image_safe", "safety system"},
    {"it fails for safety", POLLED("{\"status\":\"failed\",\"failure_reason\":\"Failed the safety checks\"}"),
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, "failed", "safety"},
    {"it fails without words", POLLED("{\"status\":\"failed\"}"), TARASH_IMAGE_ERROR_GENERATION_FAILED,
     "failed", "has failed"},
    {"it tells nothing", POLLED("{\"generation_id\":\"x\"}"), TARASH_IMAGE_ERROR_BAD_RESPONSE, "",
     "no status"},
    {"it has nothing to show", POLLED("{\"status\":\"completed\"}"), TARASH_IMAGE_ERROR_BAD_RESPONSE, "",
     "data"},
    {"its list is empty", POLLED("{\"status\":\"completed\",\"data\":[]}"),
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "", "no image"},
    {"it is gone", "[{\"jobs\":{\"vanish\":true}}]", TARASH_IMAGE_ERROR_HTTP, "", "not found"},
};

static void test_failed_job(void **state) {
    const job_row *row = (const job_row *)*state;
    use_job(NULL);
    script(row->script);
    run();
    expect(row->result);
    expect_text("the code", b.response.error.provider_code, row->code);
    expect_in("the message", b.response.error.message, row->message);
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
    assert_int_equal(b.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
}

/* A word that isn't known is one of a job that runs on. */
static void test_unknown_status(void **state) {
    seen_progress seen;
    (void)state;
    memset(&seen, 0, sizeof seen);
    use_job(NULL);
    b.request.on_progress = watch;
    b.request.user_data = &seen;
    script("[{\"jobs\":{\"unknown_state\":true}}]");
    run_ok();
    expect_in("the progress", seen.text, "processing -1 -1 contemplating\n");
}

static void test_poll_errors(void **state) {
    (void)state;
    use_job(NULL);
    b.config.max_retries = 2;
    b.config.retry.initial_ms = b.config.retry.max_ms = 1;
    script("[{\"method\":\"GET\",\"status\":404,\"path_contains\":\"generations\"},"
           "{\"method\":\"GET\",\"status\":429,\"path_contains\":\"generations\",\"headers\":{\"Retry-"
           "After\":\"0\"}}]");
    run_ok();
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
    assert_int_equal(control_left(b.session), 0);
}

static void resume(const char *model, const char *path) {
    char token[1024];
    tarash_image_job job;
    use_job(model);
    b.config.max_poll_attempts = 2;
    run();
    expect(TARASH_IMAGE_ERROR_TIMEOUT);
    snprintf(token, sizeof token, "%s", b.response.error.job_token);
    assert_true(token[0] != 0);
    assert_null(strstr(token, KEY));
    tarash_image_response_free(&b.response);
    b.config.max_poll_attempts = 0;
    b.config.model = NULL;
    b.config.provider_config = NULL;
    job = tarash_image_resume(b.client, &b.config, token);
    while (tarash_image_poll(b.client, 50) > 0) continue;
    assert_int_equal(tarash_image_take(b.client, job, &b.response), TARASH_IMAGE_OK);
    expect_picture(&b.response.images[0], "image/png");
    cJSON_Delete(b.log);
    b.log = control_log(b.session);
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
    assert_int_equal(log_count(b.log, "GET", path), 4);
    assert_int_equal(control_leaks(b.session), 0);
}

static void test_resume(void **state) {
    (void)state;
    resume(NULL, "/ideogram/v2/generations/gen-1");
}

static void test_resume_v1(void **state) {
    (void)state;
    resume("ideogram-v4", "/ideogram/v1/generations/gen-1");
}

/* Nothing can be cancelled there: the job ends here, and nothing is sent. */
static void test_cancel(void **state) {
    tarash_image_job job;
    (void)state;
    use_job(NULL);
    b.config.poll_interval_ms = 10000;
    script("[{\"jobs\":{\"polls\":1000}}]");
    job = tarash_image_submit(b.client, &b.config, &b.request);
    while (!control_wait(b.session, 1, 1, 0, 0)) tarash_image_poll(b.client, 10);
    tarash_image_cancel(b.client, job);
    assert_int_equal(tarash_image_take(b.client, job, &b.response), TARASH_IMAGE_ERROR_CANCELLED);
    while (tarash_image_poll(b.client, 10) > 0) continue;
    assert_int_equal(control_posts(b.session), 1);
}

/* ---- running ------------------------------------------------------------------------------------------- */

static int run_tables(void) {
    int failed = 0;
    RUN_ROWS(v2_rows, test_request, tear_down);
    RUN_ROWS(v1_rows, test_request, tear_down);
    RUN_ROWS(refusal_rows, test_refusal, tear_down);
    RUN_ROWS(error_rows, test_error, tear_down);
    RUN_ROWS(job_rows, test_failed_job, tear_down);
    return failed;
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_image_by_url),
                                       TEST(test_mask_levels),
                                       TEST(test_erase),
                                       TEST(test_mask_bytes),
                                       TEST(test_seed_range),
                                       TEST(test_answer),
                                       TEST(test_same_prompt),
                                       TEST(test_v1_answer),
                                       TEST(test_url_only),
                                       TEST(test_partly_unsafe),
                                       TEST(test_wrong_key),
                                       TEST(test_key_variable),
                                       TEST(test_retries),
                                       TEST(test_job),
                                       TEST(test_job_of_a_form),
                                       TEST(test_job_of_v1),
                                       TEST(test_job_that_is_one_anyway),
                                       TEST(test_unknown_status),
                                       TEST(test_poll_errors),
                                       TEST(test_resume),
                                       TEST(test_resume_v1),
                                       TEST(test_cancel)};
    int failed;
    if (server_start() != 0 || prepare_inputs() != 0) return 1;
    prepare_pictures();
    failed = run_tables();
    failed += cmocka_run_group_tests_name("others", tests, NULL, NULL);
    server_stop();
    return failed != 0;
}
