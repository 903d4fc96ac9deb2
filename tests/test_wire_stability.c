/* Stability AI over the wire: forms, the calls behind models and operations, bytes and JSON, jobs, errors. */

#include "wire.h"

#define SEED_OF_SERVER 343940597

/* Of sizes that the service takes. */
static tarash_image_input fox_png[1], fox_jpeg[1], pair[2], three_foxes[3], fox_gif[1];
static tarash_image_input white_mask;
static char fox_path[1024], fox_url[256];

/* ---- inputs -------------------------------------------------------------------------------------------- */

static int fetch_input(tarash_image_input *input, const char *rest) {
    char url[256];
    size_t size = 0;
    void *bytes = fetch_url(server_files_url(url, sizeof url, "drawn", rest), &size);
    memory_input(input, bytes, size);
    return bytes ? 0 : -1;
}

static int prepare_foxes(void) {
    int failed = fetch_input(&fox_png[0], "static/fox/96x64.png");
    failed |= fetch_input(&fox_jpeg[0], "static/fox/96x64.jpg");
    failed |= fetch_input(&pair[1], "static/style/64x96.webp");
    failed |= fetch_input(&fox_gif[0], "static/fox/64x64.gif");
    failed |= fetch_input(&white_mask, "static/mask/96x64.png");
    pair[0] = three_foxes[0] = fox_png[0];
    three_foxes[1] = fox_jpeg[0];
    three_foxes[2] = pair[1];
    temporary_path(fox_path, sizeof fox_path, "red fox.png");
    server_files_url(fox_url, sizeof fox_url, "drawn", "static/fox/96x64.png");
    return failed ? failed : write_whole_file(fox_path, fox_png[0].data, fox_png[0].size);
}

static void free_foxes(void) {
    free((void *)(uintptr_t)fox_png[0].data);
    free((void *)(uintptr_t)fox_jpeg[0].data);
    free((void *)(uintptr_t)pair[1].data);
    free((void *)(uintptr_t)fox_gif[0].data);
    free((void *)(uintptr_t)white_mask.data);
}

static int is_part(const cJSON *entry, const char *name, const tarash_image_input *input) {
    return log_same_bytes(log_part(entry, name, 0), input->data, input->size);
}

static void use_stability(void) {
    use("stability", "stability");
    b.config.poll_interval_ms = 1;
    b.config.retry.initial_ms = 1;
    b.config.retry.max_ms = 1;
}

static void expect_stability_headers(const cJSON *entry, const char *accept, const char *content) {
    static const char *const names[] = {"Host",         "User-Agent",     "Accept",       "Accept-Encoding",
                                        "Content-Type", "Content-Length", "Authorization"};
    expect_header_names(entry, names, COUNT(names));
    expect_header(entry, "Accept", accept);
    expect_in("Content-Type", log_header(entry, "Content-Type"), content);
    expect_header(entry, "Authorization", "Bearer " KEY);
}

/* ---- requests: one row, one form ----------------------------------------------------------------------- */

typedef struct form_row {
    const char *name;
    const char *model;
    const char *options;
    tarash_image_request request;
    const char *path; /* below v2beta/stable-image/ */
    const char *parts;
    const char *warnings;
    int has_mask;
    int is_job;
    int is_promptless;
} form_row;

#define FOX      "prompt=" PROMPT
#define SD3      FOX "\nmodel=sd3.5-large"
#define PICTURE  "image: image.png, image/png, another picture"
#define WITH_FOX .images = fox_png, .image_count = 1

static const form_row form_rows[] = {
    {.name = "a prompt alone is a form, too", .path = "generate/sd3", .parts = SD3},
    {.name = "sd3 with everything",
     .model = "sd3.5-medium",
     .request = {.negative_prompt = "blur",
                 .aspect_ratio = "16:9",
                 .style = "photographic",
                 .has_seed = 1,
                 .seed = 4294967294,
                 .output_format = "jpg"},
     .path = "generate/sd3",
     .parts = FOX "\nmodel=sd3.5-medium\nnegative_prompt=blur\naspect_ratio=16:9\n"
                  "style_preset=photographic\nseed=4294967294\noutput_format=jpeg"},
    {.name = "core with everything",
     .model = "core",
     .request = {.negative_prompt = "blur",
                 .aspect_ratio = "9:21",
                 .style = "3D-Model",
                 .has_seed = 1,
                 .seed = 0,
                 .output_format = "webp"},
     .path = "generate/core",
     .parts = FOX "\nnegative_prompt=blur\naspect_ratio=9:21\nstyle_preset=3d-model\nseed=0\n"
                  "output_format=webp"},
    {.name = "core by its long name", .model = "stable-image-core", .path = "generate/core", .parts = FOX},
    {.name = "ultra", .model = "ultra", .path = "generate/ultra", .parts = FOX},
    {.name = "ultra by its long name, and its provider",
     .model = "stability/stable-image-ultra",
     .path = "generate/ultra",
     .parts = FOX},
    {.name = "a size is its nearest ratio",
     .request = {.size = "1024x768"},
     .path = "generate/sd3",
     .parts = SD3 "\naspect_ratio=5:4",
     .warnings = "size=1024x768>5:4"},
    {.name = "a ratio that there isn't",
     .request = {.aspect_ratio = "4:3"},
     .path = "generate/sd3",
     .parts = SD3 "\naspect_ratio=5:4",
     .warnings = "aspect_ratio=4:3>5:4"},
    {.name = "what it lacks",
     .request = {.quality = "hd",
                 .style = "vivid",
                 .background = "transparent",
                 .partial_images = 1,
                 .output = TARASH_IMAGE_OUTPUT_URL},
     .path = "generate/sd3",
     .parts = SD3,
     .warnings = "quality=hd>; background=transparent>; partial_images=1>; output=url>bytes; style=vivid>"},
    {.name = "sd3 makes no webp",
     .request = {.output_format = "webp"},
     .path = "generate/sd3",
     .parts = SD3,
     .warnings = "output_format=webp>"},
    {.name = "extra_params win, add and remove",
     .request = {.negative_prompt = "blur",
                 .extra_params = "{\"cfg_scale\":4.5,\"negative_prompt\":null,\"model\":\"sd3.5-flash\"}"},
     .path = "generate/sd3",
     .parts = FOX "\nmodel=sd3.5-flash\ncfg_scale=4.5"},
    {.name = "another name of sd3.5",
     .model = "stable-diffusion-3.5-large-turbo",
     .path = "generate/sd3",
     .parts = FOX "\nmodel=sd3.5-large-turbo",
     .warnings = "model=stable-diffusion-3.5-large-turbo>sd3.5-large-turbo"},
    {.name = "sd3 alone is the current one",
     .model = "sd3",
     .path = "generate/sd3",
     .parts = SD3,
     .warnings = "model=sd3>sd3.5-large"},
    {.name = "a strength without an image",
     .options = "{\"strength\":0.6}",
     .path = "generate/sd3",
     .parts = SD3,
     .warnings = "provider_config.strength=0.6>"},
    {.name = "image to image",
     .request = {WITH_FOX},
     .options = "{\"strength\":0.6}",
     .path = "generate/sd3",
     .parts = SD3 "\nmode=image-to-image\nstrength=0.6\n" PICTURE},
    {.name = "image to image has a strength in any case",
     .request = {WITH_FOX},
     .path = "generate/sd3",
     .parts = SD3 "\nmode=image-to-image\nstrength=0.5\n" PICTURE},
    {.name = "image to image keeps its ratio",
     .request = {WITH_FOX, .aspect_ratio = "1:1"},
     .path = "generate/sd3",
     .parts = SD3 "\nmode=image-to-image\nstrength=0.5\n" PICTURE,
     .warnings = "aspect_ratio=1:1>"},
    {.name = "ultra's image to image",
     .model = "ultra",
     .request = {WITH_FOX, .aspect_ratio = "1:1"},
     .options = "{\"strength\":0.25,\"operation\":\"image_to_image\"}",
     .path = "generate/ultra",
     .parts = FOX "\nstrength=0.25\naspect_ratio=1:1\n" PICTURE},
    {.name = "an image by its path",
     .request = {.images = &(const tarash_image_input){.path = fox_path}, .image_count = 1},
     .path = "generate/sd3",
     .parts = SD3 "\nmode=image-to-image\nstrength=0.5\nimage: red fox.png, image/png, another picture"},
    {.name = "a jpeg",
     .request = {.images = fox_jpeg, .image_count = 1},
     .path = "generate/sd3",
     .parts = SD3 "\nmode=image-to-image\nstrength=0.5\nimage: image.jpg, image/jpeg, another picture"},
    {.name = "a mask makes it inpainting",
     .request = {WITH_FOX, .negative_prompt = "blur", .style = "anime"},
     .has_mask = 1,
     .path = "edit/inpaint",
     .parts = FOX "\nnegative_prompt=blur\nstyle_preset=anime\n" PICTURE
                  "\nmask: image.png, image/png, another picture"},
    {.name = "inpainting lacks ratios, and has its own model",
     .model = "ultra",
     .request = {WITH_FOX, .aspect_ratio = "1:1"},
     .has_mask = 1,
     .path = "edit/inpaint",
     .parts = FOX "\n" PICTURE "\nmask: image.png, image/png, another picture",
     .warnings = "aspect_ratio=1:1>; model=ultra>edit/inpaint"},
    {.name = "the operation edit with a mask",
     .options = "{\"operation\":\"edit\"}",
     .request = {WITH_FOX},
     .has_mask = 1,
     .path = "edit/inpaint",
     .parts = FOX "\n" PICTURE "\nmask: image.png, image/png, another picture"},
    {.name = "inpaint by the image's own alpha",
     .options = "{\"operation\":\"inpaint\"}",
     .request = {WITH_FOX, .extra_params = "{\"grow_mask\":12}"},
     .path = "edit/inpaint",
     .parts = FOX "\ngrow_mask=12\n" PICTURE},
    {.name = "erase",
     .options = "{\"operation\":\"erase\"}",
     .request = {WITH_FOX, .has_seed = 1, .seed = 5},
     .has_mask = 1,
     .is_promptless = 1,
     .path = "edit/erase",
     .parts = "seed=5\n" PICTURE "\nmask: image.png, image/png, another picture"},
    {.name = "erase takes no prompt and no style",
     .options = "{\"operation\":\"erase\"}",
     .request = {WITH_FOX, .style = "anime", .negative_prompt = "blur"},
     .path = "edit/erase",
     .parts = PICTURE,
     .warnings = "prompt=" PROMPT ">; negative_prompt=blur>; style=anime>"},
    {.name = "outpaint",
     .options = "{\"operation\":\"outpaint\"}",
     .request = {WITH_FOX, .extra_params = "{\"left\":200,\"up\":0,\"creativity\":0.3}"},
     .is_promptless = 1,
     .path = "edit/outpaint",
     .parts = "left=200\nup=0\ncreativity=0.3\n" PICTURE},
    {.name = "search and replace",
     .options = "{\"operation\":\"search_and_replace\"}",
     .request = {WITH_FOX, .extra_params = "{\"search_prompt\":\"the dog\"}"},
     .path = "edit/search-and-replace",
     .parts = FOX "\nsearch_prompt=the dog\n" PICTURE},
    {.name = "search and recolour",
     .options = "{\"operation\":\"search_and_recolor\"}",
     .request = {WITH_FOX, .extra_params = "{\"select_prompt\":\"the coat\"}"},
     .path = "edit/search-and-recolor",
     .parts = FOX "\nselect_prompt=the coat\n" PICTURE},
    {.name = "remove the background",
     .options = "{\"operation\":\"remove_background\"}",
     .request = {WITH_FOX, .has_seed = 1, .seed = 1, .output_format = "jpeg"},
     .is_promptless = 1,
     .path = "edit/remove-background",
     .parts = PICTURE,
     .warnings = "seed=1>; output_format=jpeg>"},
    {.name = "replace the background",
     .options = "{\"operation\":\"replace_background\"}",
     .request = {WITH_FOX, .extra_params = "{\"light_source_direction\":\"left\"}"},
     .is_job = 1,
     .path = "edit/replace-background-and-relight",
     .parts = "background_prompt=" PROMPT "\nlight_source_direction=left\n"
              "subject_image: image.png, image/png, another picture"},
    {.name = "relight after two other images",
     .options = "{\"operation\":\"relight\"}",
     .request = {.images = three_foxes, .image_count = 3, .negative_prompt = "blur"},
     .is_promptless = 1,
     .is_job = 1,
     .path = "edit/replace-background-and-relight",
     .parts = "negative_prompt=blur\nsubject_image: image.png, image/png, another picture\n"
              "background_reference: image.jpg, image/jpeg, another picture\n"
              "light_reference: image.webp, image/webp, another picture"},
    {.name = "sketch",
     .options = "{\"operation\":\"sketch\"}",
     .request = {WITH_FOX, .extra_params = "{\"control_strength\":0.7}"},
     .path = "control/sketch",
     .parts = FOX "\ncontrol_strength=0.7\n" PICTURE},
    {.name = "structure",
     .options = "{\"operation\":\"structure\"}",
     .request = {WITH_FOX},
     .path = "control/structure",
     .parts = FOX "\n" PICTURE},
    {.name = "style",
     .options = "{\"operation\":\"style\"}",
     .request = {WITH_FOX, .aspect_ratio = "21:9"},
     .path = "control/style",
     .parts = FOX "\naspect_ratio=21:9\n" PICTURE},
    {.name = "style transfer",
     .options = "{\"operation\":\"style_transfer\"}",
     .request = {.images = pair, .image_count = 2},
     .is_promptless = 1,
     .path = "control/style-transfer",
     .parts = "init_image: image.png, image/png, another picture\n"
              "style_image: image.webp, image/webp, another picture"},
    {.name = "upscale is the fast one",
     .options = "{\"operation\":\"upscale\"}",
     .request = {WITH_FOX},
     .is_promptless = 1,
     .path = "upscale/fast",
     .parts = PICTURE},
    {.name = "upscale fast takes no prompt",
     .options = "{\"operation\":\"upscale_fast\"}",
     .request = {WITH_FOX, .output_format = "webp"},
     .path = "upscale/fast",
     .parts = "output_format=webp\n" PICTURE,
     .warnings = "prompt=" PROMPT ">"},
    {.name = "upscale conservative",
     .options = "{\"operation\":\"upscale_conservative\"}",
     .request = {WITH_FOX, .extra_params = "{\"creativity\":0.35}"},
     .path = "upscale/conservative",
     .parts = FOX "\ncreativity=0.35\n" PICTURE},
    {.name = "upscale creative",
     .options = "{\"operation\":\"upscale_creative\"}",
     .request = {WITH_FOX, .style = "enhance"},
     .is_job = 1,
     .path = "upscale/creative",
     .parts = FOX "\nstyle_preset=enhance\n" PICTURE},
    {.name = "an operation says more than a model",
     .model = "core",
     .options = "{\"operation\":\"sketch\"}",
     .request = {WITH_FOX},
     .path = "control/sketch",
     .parts = FOX "\n" PICTURE,
     .warnings = "model=core>control/sketch"},
    {.name = "a call as the model",
     .model = "control/structure",
     .request = {WITH_FOX},
     .path = "control/structure",
     .parts = FOX "\n" PICTURE},
    {.name = "a call as the model that takes no prompt",
     .model = "upscale/fast",
     .request = {WITH_FOX},
     .path = "upscale/fast",
     .parts = PICTURE,
     .warnings = "prompt=" PROMPT ">"},
};

static void use_row(const form_row *row) {
    use_stability();
    b.config.model = row->model;
    b.config.provider_config = row->options;
    b.request = row->request;
    b.request.prompt = row->is_promptless ? NULL : PROMPT;
    if (row->has_mask) b.request.mask = white_mask;
}

static void check_form(void **state) {
    const form_row *row = (const form_row *)*state;
    const cJSON *entry;
    char path[256];
    use_row(row);
    run_ok();
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
    if (!row->is_job) (void)only_request();
    entry = log_entry(b.log, 0);
    expect_text("the method", log_text(entry, "method"), "POST");
    snprintf(path, sizeof path, "stability/v2beta/stable-image/%s", row->path);
    expect_path(entry, path);
    expect_stability_headers(entry, "application/json", "multipart/form-data; boundary=");
    expect_parts(entry, row->parts);
    if (row->has_mask) assert_true(is_part(entry, "mask", &white_mask));
    if (row->request.images == fox_png && log_part(entry, "image", 0))
        assert_true(is_part(entry, "image", &fox_png[0]));
    expect_warnings(row->warnings);
    assert_int_equal(b.response.image_count, 1);
    assert_non_null(b.response.images[0].data);
}

/* A form's fields are plain: no type, no file name. The bytes are those given, each in its own part. */
static void test_parts_are_plain(void **state) {
    const cJSON *entry;
    (void)state;
    use_stability();
    b.request.images = three_foxes;
    b.request.image_count = 3;
    b.config.provider_config = "{\"operation\":\"relight\"}";
    run_ok();
    entry = log_entry(b.log, 0);
    assert_true(is_part(entry, "subject_image", &three_foxes[0]));
    assert_true(is_part(entry, "background_reference", &three_foxes[1]));
    assert_true(is_part(entry, "light_reference", &three_foxes[2]));
    assert_null(log_text(log_part(entry, "background_prompt", 0), "content_type"));
    assert_null(log_text(log_part(entry, "background_prompt", 0), "filename"));
}

static void test_style_roles(void **state) {
    tarash_image_input both[2];
    (void)state;
    use_stability();
    both[0] = pair[1];
    both[0].role = TARASH_IMAGE_ROLE_STYLE;
    both[1] = pair[0];
    b.request.images = both;
    b.request.image_count = 2;
    b.config.provider_config = "{\"operation\":\"style_transfer\"}";
    run_ok();
    assert_true(is_part(only_request(), "style_image", &pair[1]));
    assert_true(is_part(only_request(), "init_image", &pair[0]));
    expect_warnings(NULL);
    both[0].role = TARASH_IMAGE_ROLE_REFERENCE;
    run_ok();
    assert_true(is_part(log_entry(b.log, 1), "init_image", &pair[1]));
    /* elsewhere roles mean nothing */
    b.request.image_count = 1;
    both[0] = fox_png[0];
    both[0].role = TARASH_IMAGE_ROLE_STYLE;
    b.config.provider_config = NULL;
    run_ok();
    expect_warnings("images[0].role=style>reference");
}

/* White stays white: what the user's mask says is what the service means. */
static void test_mask_pixels(void **state) {
    enum { WIDTH = 64, HEIGHT = 64 };
    static unsigned char grey[WIDTH * HEIGHT];
    const char *pixels;
    const cJSON *mask;
    int i, channels;
    (void)state;
    for (i = 0; i < WIDTH * HEIGHT; i++) grey[i] = i % 3 ? 0 : 255;
    use_stability();
    b.request.images = fox_png;
    b.request.image_count = 1;
    b.request.mask.pixels = grey;
    b.request.mask.width = WIDTH;
    b.request.mask.height = HEIGHT;
    b.request.mask.channels = 1;
    run_ok();
    mask = log_part(only_request(), "mask", 0);
    expect_text("the file name", log_text(mask, "filename"), "mask.png");
    channels = (int)log_number(mask, "image.channels");
    pixels = log_text(mask, "image.pixels");
    assert_non_null(pixels);
    assert_int_equal(strlen(pixels), (size_t)(WIDTH * HEIGHT * channels * 2));
    for (i = 0; i < WIDTH * HEIGHT; i++)
        assert_int_equal(strncmp(pixels + (size_t)i * (size_t)channels * 2, i % 3 ? "00" : "ff", 2), 0);
}

static void test_image_by_url(void **state) {
    tarash_image_input input;
    (void)state;
    use_stability();
    memset(&input, 0, sizeof input);
    input.url = fox_url;
    b.request.images = &input;
    b.request.image_count = 1;
    run_ok();
    assert_true(is_part(only_request(), "image", &fox_png[0]));
}

static void test_image_pixels(void **state) {
    static unsigned char rgb[64 * 64 * 3];
    tarash_image_input input;
    (void)state;
    use_stability();
    memset(&input, 0, sizeof input);
    memset(rgb, 7, sizeof rgb);
    input.pixels = rgb;
    input.width = input.height = 64;
    input.channels = 3;
    b.request.images = &input;
    b.request.image_count = 1;
    run_ok();
    expect_text("the type", log_text(log_part(only_request(), "image", 0), "content_type"), "image/png");
    assert_int_equal(log_number(log_part(only_request(), "image", 0), "image.width"), 64);
}

static void test_user_is_a_header(void **state) {
    char long_name[300];
    (void)state;
    use_stability();
    b.request.user = "u_9f2c";
    run_ok();
    expect_header(only_request(), "stability-client-user-id", "u_9f2c");
    expect_parts(only_request(), SD3);
    expect_warnings(NULL);
    memset(long_name, 'u', sizeof long_name);
    long_name[257] = '\0';
    b.request.user = long_name;
    run_ok();
    expect_no_header(log_entry(b.log, 1), "stability-client-user-id");
    (void)warning_about("user");
}

static void test_several_images(void **state) {
    int seeds[3] = {0, 0, 0}, i;
    (void)state;
    use_stability();
    b.request.n = 3;
    b.request.has_seed = 1;
    b.request.seed = 4294967293;
    run_ok();
    assert_int_equal(requests(), 3);
    assert_int_equal(b.response.image_count, 3);
    for (i = 0; i < 3; i++) {
        assert_null(log_part(log_entry(b.log, i), "n", 0));
        seeds[0] += log_part_count(log_entry(b.log, i), "seed");
        assert_true(b.response.images[i].has_seed);
    }
    assert_int_equal(seeds[0], 3);
    assert_true(b.response.images[0].seed == 4294967293);
    assert_true(b.response.images[1].seed == 4294967294);
    assert_true(b.response.images[2].seed == SEED_OF_SERVER); /* 0 there: the range is used up */
    (void)warning_about("seed");
}

static void test_seed_bounds(void **state) {
    (void)state;
    use_stability();
    b.request.has_seed = 1;
    b.request.seed = 4294967295;
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    b.request.seed = -1;
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(requests(), 0);
}

/* ---- v1 ------------------------------------------------------------------------------------------------ */

typedef struct engine_row {
    const char *name;
    const char *model;
    tarash_image_request request;
    const char *engine;
    const char *body;
    const char *warnings;
} engine_row;

#define ENGINE_PROMPT "\"text_prompts\":[{\"text\":\"" PROMPT "\",\"weight\":1}"
#define SDXL          "stable-diffusion-xl-1024-v1-0"

static const engine_row engine_rows[] = {
    {"v1: a prompt alone", SDXL, {.n = 0}, SDXL, "{" ENGINE_PROMPT "],\"width\":1024,\"height\":1024}", NULL},
    {"v1: everything",
     SDXL,
     {.n = 2,
      .size = "1344x768",
      .negative_prompt = "blur",
      .style = "cinematic",
      .has_seed = 1,
      .seed = 4294967295},
     SDXL,
     "{" ENGINE_PROMPT ",{\"text\":\"blur\",\"weight\":-1}],\"width\":1344,\"height\":768,\"samples\":2,"
     "\"seed\":4294967295,\"style_preset\":\"cinematic\"}",
     NULL},
    {"v1: the short name, and a ratio",
     "stable-diffusion-xl",
     {.aspect_ratio = "16:9"},
     SDXL,
     "{" ENGINE_PROMPT "],\"width\":1344,\"height\":768}",
     "aspect_ratio=16:9>1344x768; model=stable-diffusion-xl>" SDXL},
    {"v1: a size that it lacks",
     SDXL,
     {.size = "1000x1000"},
     SDXL,
     "{" ENGINE_PROMPT "],\"width\":1024,\"height\":1024}",
     "size=1000x1000>1024x1024"},
    {"v1: 1.6 takes steps of 64",
     "stable-diffusion-v1-6",
     {.size = "700x600", .extra_params = "{\"steps\":30,\"sampler\":\"K_LMS\",\"cfg_scale\":7}"},
     "stable-diffusion-v1-6",
     "{" ENGINE_PROMPT "],\"width\":704,\"height\":576,\"steps\":30,\"sampler\":\"K_LMS\",\"cfg_scale\":7}",
     "size=700x600>704x576"},
    {"v1: 1.6 with the service's own size",
     "stable-diffusion-v1-6",
     {.n = 0},
     "stable-diffusion-v1-6",
     "{" ENGINE_PROMPT "]}",
     NULL},
};

static void check_engine(void **state) {
    const engine_row *row = (const engine_row *)*state;
    char path[256];
    use_stability();
    b.config.model = row->model;
    b.request = row->request;
    b.request.prompt = PROMPT;
    run_ok();
    snprintf(path, sizeof path, "stability/v1/generation/%s/text-to-image", row->engine);
    expect_path(only_request(), path);
    expect_text("the method", log_text(only_request(), "method"), "POST");
    expect_stability_headers(only_request(), "application/json", "application/json");
    expect_json(only_request(), row->body);
    expect_warnings(row->warnings);
    assert_int_equal(b.response.image_count, row->request.n ? (size_t)row->request.n : 1);
    assert_true(b.response.images[0].has_seed);
    assert_true(b.response.images[0].seed == (row->request.has_seed ? row->request.seed : SEED_OF_SERVER));
}

static void test_engine_takes_no_images(void **state) {
    (void)state;
    use_stability();
    b.config.model = SDXL;
    b.request.images = fox_png;
    b.request.image_count = 1;
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    assert_int_equal(requests(), 0);
}

static void test_engine_refusals(void **state) {
    (void)state;
    use_stability();
    b.config.model = SDXL;
    script("[{\"moderation\":\"items\"}]");
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    expect_text("the code", b.response.error.provider_code, "CONTENT_FILTERED");
    script("[{\"status\":200,\"body\":{\"artifacts\":[{\"finishReason\":\"ERROR\",\"seed\":1}]}}]");
    run();
    expect(TARASH_IMAGE_ERROR_GENERATION_FAILED);
    script("[{\"status\":200,\"body\":{\"artifacts\":[]}}]");
    run();
    expect(TARASH_IMAGE_ERROR_GENERATION_FAILED);
    script("[{\"status\":400,\"body\":{\"id\":\"a1\",\"name\":\"bad_request\",\"message\":\"steps: too "
           "few\"}}]");
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "steps: too few");
    expect_text("the code", b.response.error.provider_code, "bad_request");
}

/* One refused image of several takes no other with it. */
static void test_engine_partial_refusal(void **state) {
    char body[4096] = "[{\"status\":200,\"body\":{\"artifacts\":[{\"finishReason\":\"CONTENT_FILTERED\","
                      "\"base64\":\"AAAA\","
                      "\"seed\":1},{\"finishReason\":\"SUCCESS\",\"seed\":2,\"base64\":\"";
    (void)state;
    use_stability();
    b.config.model = SDXL;
    b.request.n = 2;
    encode_base64(tiny_png, tiny_png_size, body + strlen(body));
    append_text(body, sizeof body, "\"}]}}]");
    script(body);
    run_ok();
    assert_int_equal(b.response.image_count, 1);
    assert_int_equal(b.response.images[0].seed, 2);
    assert_int_equal(b.response.images[0].size, tiny_png_size);
    (void)warning_about("n");
}

/* ---- what is refused before anything is sent ----------------------------------------------------------- */

typedef struct refusal_row {
    const char *name;
    const char *model;
    const char *options;
    tarash_image_request request;
    int has_mask;
    int is_promptless;
    tarash_image_result result;
    const char *message;
} refusal_row;

static const refusal_row refusal_rows[] = {
    {.name = "an operation that there isn't",
     .options = "{\"operation\":\"vectorize\"}",
     .request = {WITH_FOX},
     .result = TARASH_IMAGE_ERROR_UNSUPPORTED,
     .message = "upscale_creative"},
    {.name = "core takes no images",
     .model = "core",
     .request = {WITH_FOX},
     .result = TARASH_IMAGE_ERROR_UNSUPPORTED,
     .message = "images"},
    {.name = "two images are too many",
     .request = {.images = pair, .image_count = 2},
     .result = TARASH_IMAGE_ERROR_UNSUPPORTED,
     .message = "images"},
    {.name = "an edit needs an image",
     .options = "{\"operation\":\"erase\"}",
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "images"},
    {.name = "a sketch takes no mask",
     .options = "{\"operation\":\"sketch\"}",
     .request = {WITH_FOX},
     .has_mask = 1,
     .result = TARASH_IMAGE_ERROR_UNSUPPORTED,
     .message = "mask"},
    {.name = "inpainting needs a prompt",
     .options = "{\"operation\":\"inpaint\"}",
     .request = {WITH_FOX},
     .is_promptless = 1,
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "prompt"},
    {.name = "a background of nothing",
     .options = "{\"operation\":\"replace_background\"}",
     .request = {WITH_FOX},
     .is_promptless = 1,
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "prompt"},
    {.name = "a style transfer of one image",
     .options = "{\"operation\":\"style_transfer\"}",
     .request = {WITH_FOX},
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "images"},
    {.name = "a GIF",
     .request = {.images = fox_gif, .image_count = 1},
     .result = TARASH_IMAGE_ERROR_UNSUPPORTED,
     .message = "images[0]"},
    {.name = "strict, and a size",
     .request = {.size = "1024x768", .strict = 1},
     .result = TARASH_IMAGE_ERROR_VALIDATION,
     .message = "size"},
};

static void check_refusal(void **state) {
    const refusal_row *row = (const refusal_row *)*state;
    use_stability();
    b.config.model = row->model;
    b.config.provider_config = row->options;
    b.request = row->request;
    b.request.prompt = row->is_promptless ? NULL : PROMPT;
    if (row->has_mask) b.request.mask = white_mask;
    run();
    expect(row->result);
    expect_in("the message", b.response.error.message, row->message);
    assert_int_equal(requests(), 0);
}

/* A model's other name changes nothing, so that strict lets it pass. */
static void test_strict_lets_names_pass(void **state) {
    (void)state;
    use_stability();
    b.config.model = "stable-diffusion-3.5-large";
    b.request.strict = 1;
    run_ok();
    expect_text("the model", b.response.model, "sd3.5-large");
}

static void test_names_and_keys(void **state) {
    static const char *const names[] = {"stability", "stability-ai", "stabilityai", "Stability"};
    size_t i;
    (void)state;
    use_stability();
    for (i = 0; i < COUNT(names); i++) {
        b.config.provider = names[i];
        run_ok();
        expect_text("the provider", b.response.provider, "stability");
    }
    b.config.api_key = NULL;
    run_with(NULL);
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "STABILITY_API_KEY");
    setenv("STABILITY_KEY", "sk-from-elsewhere-0123", 1);
    run_with("sk-from-elsewhere-0123");
    expect(TARASH_IMAGE_OK);
    expect_header(log_entry(b.log, -1), "Authorization", "Bearer sk-from-elsewhere-0123");
    setenv("STABILITY_API_KEY", "sk-the-usual-one-0123", 1);
    run_with("sk-the-usual-one-0123");
    expect_header(log_entry(b.log, -1), "Authorization", "Bearer sk-the-usual-one-0123");
    setenv("STABILITY_API_URL", b.config.base_url, 1);
    b.config.base_url = NULL;
    run_with("sk-the-usual-one-0123");
    expect(TARASH_IMAGE_OK);
    unsetenv("STABILITY_API_URL");
}

/* ---- replies ------------------------------------------------------------------------------------------- */

static void test_json_reply(void **state) {
    (void)state;
    use_stability();
    b.request.aspect_ratio = "16:9";
    b.request.prompt = "fox";
    run_ok();
    expect_picture(&b.response.images[0], "image/png");
    expect_drawn(&b.response.images[0], "fox", "1344x768");
    assert_true(b.response.images[0].has_seed);
    assert_int_equal(b.response.images[0].seed, SEED_OF_SERVER);
    expect_text("the metadata", b.response.provider_metadata, "{\"finish_reason\":\"SUCCESS\"}");
    assert_int_equal(strlen(b.response.provider_request_id), 32);
    expect_text("the model", b.response.model, "sd3.5-large");
}

static void test_bytes_reply(void **state) {
    (void)state;
    use_stability();
    b.config.provider_config = "{\"accept\":\"image/*\"}";
    b.request.has_seed = 1;
    b.request.seed = 77;
    b.request.output_format = "jpeg";
    run_ok();
    expect_header(only_request(), "Accept", "image/*");
    expect_picture(&b.response.images[0], "image/jpeg");
    assert_int_equal(b.response.images[0].width, 1024);
    assert_true(b.response.images[0].has_seed);
    assert_int_equal(b.response.images[0].seed, 77);
    expect_text("the metadata", b.response.provider_metadata, "{\"finish_reason\":\"SUCCESS\"}");
}

/* Whichever comes is read, whatever was asked for. */
static void test_other_reply_than_asked(void **state) {
    char body[4096] = "[{\"status\":200,\"headers\":{\"Content-Type\":\"application/json; type=image/png\"},"
                      "\"body\":{\"finish_reason\":\"SUCCESS\",\"seed\":9,\"image\":\"";
    (void)state;
    use_stability();
    b.config.provider_config = "{\"accept\":\"image/*\"}";
    encode_base64(tiny_png, tiny_png_size, body + strlen(body));
    append_text(body, sizeof body, "\"}}]");
    script(body);
    run_ok();
    assert_int_equal(b.response.images[0].size, tiny_png_size);
    assert_int_equal(b.response.images[0].seed, 9);
    b.config.provider_config = NULL;
    script("[{\"status\":200,\"headers\":{\"Content-Type\":\"image/gif\",\"seed\":\"12\"},\"body\":"
           "\"GIF89a\\u0001\\u0000\\u0001\\u0000\\u0000\\u0000\\u0000;\"}]");
    run_ok();
    expect_text("the type", b.response.images[0].mime_type, "image/gif");
    assert_int_equal(b.response.images[0].seed, 12);
}

static void test_filtered_images(void **state) {
    (void)state;
    use_stability();
    script("[{\"moderation\":\"items\"}]");
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    expect_text("the code", b.response.error.provider_code, "CONTENT_FILTERED");
    assert_int_equal(b.response.image_count, 0);
    b.config.provider_config = "{\"accept\":\"image/*\"}";
    script("[{\"moderation\":\"items\"}]");
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    expect_text("the code", b.response.error.provider_code, "CONTENT_FILTERED");
    assert_int_equal(b.response.image_count, 0);
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

/* No sink sees a blurred picture: what is refused shows behind the image only. */
static void test_filtered_image_and_sink(void **state) {
    static const struct {
        const char *model, *options;
    } rows[] = {{NULL, NULL}, {NULL, "{\"accept\":\"image/*\"}"}, {SDXL, NULL}};
    counting_sink counts;
    tarash_image_sink sink = sink_of(&counts);
    size_t i;
    (void)state;
    use_stability();
    b.request.sink = &sink;
    for (i = 0; i < COUNT(rows); i++) {
        b.config.model = rows[i].model;
        b.config.provider_config = rows[i].options;
        memset(&counts, 0, sizeof counts);
        script("[{\"moderation\":\"items\"}]");
        run();
        expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
        assert_int_equal(counts.opened, 0);
        run_ok();
        assert_int_equal(counts.opened, 1);
        assert_int_equal(counts.closed, 1);
        assert_true(b.response.images[0].size > 0);
    }
}

static void test_odd_replies(void **state) {
    static const struct {
        const char *body;
        tarash_image_result result;
    } rows[] = {
        {"{\"finish_reason\":\"SUCCESS\",\"seed\":1}", TARASH_IMAGE_ERROR_GENERATION_FAILED},
        {"{\"finish_reason\":\"ERROR\",\"seed\":1}", TARASH_IMAGE_ERROR_GENERATION_FAILED},
        {"{\"finish_reason\":\"SUCCESS\",\"image\":null}", TARASH_IMAGE_ERROR_GENERATION_FAILED},
        {"{\"finish_reason\":\"SUCCESS\",\"image\":17}", TARASH_IMAGE_ERROR_GENERATION_FAILED},
        {"{\"finish_reason\":{\"a\":1},\"image\":[1],\"seed\":\"x\"}", TARASH_IMAGE_ERROR_BAD_RESPONSE},
        {"{}", TARASH_IMAGE_ERROR_BAD_RESPONSE},
        {"[]", TARASH_IMAGE_ERROR_BAD_RESPONSE},
        {"null", TARASH_IMAGE_ERROR_BAD_RESPONSE},
        {"{\"id\":7}", TARASH_IMAGE_ERROR_HTTP},
        {"{\"id\":\"a/../b\"}", TARASH_IMAGE_ERROR_BAD_RESPONSE},
        {"{\"artifacts\":7}", TARASH_IMAGE_ERROR_BAD_RESPONSE},
        {"{\"artifacts\":[7,null,{\"base64\":7}]}", TARASH_IMAGE_ERROR_GENERATION_FAILED},
    };
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        use_stability();
        assert_int_equal(control_scriptf(b.session, "[{\"status\":200,\"body\":%s}]",
                                         rows[i].body[0] == 'n' ? "\"null\"" : rows[i].body),
                         0);
        run();
        if (b.result != rows[i].result) print_error("%s\n", rows[i].body);
        expect(rows[i].result);
    }
}

/* ---- errors -------------------------------------------------------------------------------------------- */

typedef struct error_row {
    const char *name;
    int status;
    const char *body;
    tarash_image_result result;
    const char *code;
    const char *message;
} error_row;

static const error_row error_rows[] = {
    {"error: bad_request", 400,
     "{\"id\":\"a1\",\"name\":\"bad_request\",\"errors\":[\"seed: is too big\",\"prompt: is required\"]}",
     TARASH_IMAGE_ERROR_VALIDATION, "bad_request", "seed: is too big; prompt: is required"},
    {"error: unauthorized", 401,
     "{\"errors\":[\"authorization: invalid or missing header "
     "value\"],\"id\":\"fc\",\"name\":\"unauthorized\"}",
     TARASH_IMAGE_ERROR_AUTHENTICATION, "unauthorized", "authorization: invalid"},
    {"error: payment_required", 402,
     "{\"id\":\"a1\",\"name\":\"payment_required\",\"errors\":[\"You lack sufficient credits\"]}",
     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, "payment_required", "sufficient credits"},
    {"error: content_moderation", 403,
     "{\"id\":\"a1\",\"name\":\"content_moderation\",\"errors\":[\"Your request was flagged\"]}",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, "content_moderation", "flagged"},
    {"error: permission", 403,
     "{\"id\":\"a1\",\"name\":\"permission_denied\",\"errors\":[\"You don't have access\"]}",
     TARASH_IMAGE_ERROR_AUTHENTICATION, "permission_denied", "access"},
    {"error: 403 without words", 403, "{}", TARASH_IMAGE_ERROR_AUTHENTICATION, "", "403"},
    {"error: not_found", 404, "{\"id\":\"a1\",\"name\":\"not_found\",\"errors\":[\"nothing here\"]}",
     TARASH_IMAGE_ERROR_HTTP, "not_found", "nothing here"},
    {"error: payload_too_large", 413,
     "{\"id\":\"a1\",\"name\":\"payload_too_large\",\"errors\":[\"larger than 10MiB\"]}",
     TARASH_IMAGE_ERROR_VALIDATION, "payload_too_large", "10MiB"},
    {"error: invalid_language", 422,
     "{\"id\":\"a1\",\"name\":\"invalid_language\",\"errors\":[\"English is the only supported language\"]}",
     TARASH_IMAGE_ERROR_VALIDATION, "invalid_language", "English"},
    {"error: rate_limit_exceeded", 429,
     "{\"id\":\"a1\",\"name\":\"rate_limit_exceeded\",\"errors\":[\"150 requests within 10 seconds\"]}",
     TARASH_IMAGE_ERROR_RATE_LIMITED, "rate_limit_exceeded", "150 requests"},
    {"error: internal_error", 500,
     "{\"id\":\"a1\",\"name\":\"internal_error\",\"errors\":[\"An unexpected error\"]}",
     TARASH_IMAGE_ERROR_HTTP, "internal_error", "unexpected"},
    {"error: a name goes before the status", 400,
     "{\"id\":\"a1\",\"name\":\"content_moderation\",\"errors\":[\"flagged\"]}",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, "content_moderation", "flagged"},
    {"error: a page in between", 502, "\"<html>Bad Gateway</html>\"", TARASH_IMAGE_ERROR_HTTP, "",
     "Bad Gateway"},
    {"error: words of wrong types", 400, "{\"id\":1,\"name\":{\"a\":1},\"errors\":\"text\"}",
     TARASH_IMAGE_ERROR_VALIDATION, "", "400"},
};

static void check_error(void **state) {
    const error_row *row = (const error_row *)*state;
    use_stability();
    assert_int_equal(control_scriptf(b.session, "[{\"status\":%d,\"body\":%s}]", row->status, row->body), 0);
    run();
    expect(row->result);
    assert_int_equal(b.response.error.http_status, row->status);
    expect_text("the code", b.response.error.provider_code, row->code);
    expect_in("the message", b.response.error.message, row->message);
    assert_int_equal(requests(), 1);
}

static void test_rate_limit_waits(void **state) {
    (void)state;
    use_stability();
    script("[{\"status\":429}]");
    run();
    expect(TARASH_IMAGE_ERROR_RATE_LIMITED);
    assert_int_equal(b.response.error.retry_after_ms, 60000);
    script("[{\"status\":429,\"headers\":{\"Retry-After\":\"7\"}}]");
    run();
    assert_int_equal(b.response.error.retry_after_ms, 7000);
}

/* v2beta says which header is wrong, v1 repeats the key. */
static void test_echoed_key(void **state) {
    (void)state;
    use_stability();
    b.config.api_key = "sk-bad-Secret-0123456789";
    run();
    expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
    assert_int_equal(b.response.error.http_status, 401);
    b.config.model = SDXL;
    run();
    expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
    assert_int_equal(requests(), 2);
}

static void test_moderated_prompt(void **state) {
    (void)state;
    use_stability();
    script("[{\"moderation\":true}]");
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    assert_int_equal(b.response.error.http_status, 403);
    assert_int_equal(b.response.error.retryable, 0);
}

/* ---- jobs ---------------------------------------------------------------------------------------------- */

typedef struct progress_log {
    char text[1024];
} progress_log;

static void note_progress(const tarash_image_update *update, void *user_data) {
    progress_log *log = (progress_log *)user_data;
    append_text(log->text, sizeof log->text, "%s %d %d;", tarash_image_status_name(update->status),
                update->progress_percent, update->queue_position);
}

static void use_job(void) {
    use_stability();
    b.config.provider_config = "{\"operation\":\"upscale_creative\"}";
    b.request.images = fox_png;
    b.request.image_count = 1;
}

static void test_job(void **state) {
    progress_log progress = {""};
    static const char *const names[] = {"Host", "User-Agent", "Accept", "Accept-Encoding", "Authorization"};
    char path[256];
    int i;
    (void)state;
    use_job();
    b.request.on_progress = note_progress;
    b.request.user_data = &progress;
    b.request.has_seed = 1;
    b.request.seed = 31;
    script("[{\"jobs\":{\"polls\":2}}]");
    run_ok();
    assert_int_equal(requests(), 4);
    for (i = 1; i < 4; i++) {
        const cJSON *poll = log_entry(b.log, i);
        const char *rest = strstr(log_text(poll, "path"), "/v2beta/results/");
        expect_text("the method", log_text(poll, "method"), "GET");
        assert_non_null(rest);
        assert_int_equal(strlen(rest), strlen("/v2beta/results/") + 64);
        snprintf(path, sizeof path, "/s/%s/stability%s", b.session, rest);
        expect_text("the path", log_text(poll, "path"), path);
        expect_header_names(poll, names, COUNT(names));
        expect_header(poll, "Accept", "application/json");
        assert_int_equal(log_number(poll, "body_size"), 0);
    }
    assert_int_equal(b.response.images[0].width, 192);
    assert_int_equal(b.response.images[0].seed, 31);
    expect_text("the progress", progress.text,
                "processing -1 -1;processing -1 -1;processing -1 -1;processing -1 -1;completed 100 -1;");
    expect_text("the model", b.response.model, "upscale/creative");
}

/* The other call that gives a job begins with 202; and bytes have another word there. */
static void test_job_of_bytes(void **state) {
    (void)state;
    use_stability();
    b.config.provider_config = "{\"operation\":\"replace_background\",\"accept\":\"image/*\"}";
    b.request.images = fox_png;
    b.request.image_count = 1;
    script("[{\"jobs\":{\"polls\":1}}]");
    run_ok();
    assert_int_equal(requests(), 3);
    assert_int_equal(log_number(log_entry(b.log, 0), "status"), 202);
    expect_header(log_entry(b.log, 0), "Accept", "image/*");
    expect_header(log_entry(b.log, 1), "Accept", "*/*");
    assert_int_equal(b.response.images[0].seed, SEED_OF_SERVER);
    expect_picture(&b.response.images[0], "image/png");
}

static void test_job_fails(void **state) {
    (void)state;
    use_job();
    script("[{\"jobs\":{\"polls\":1,\"fail\":true}}]");
    run();
    expect(TARASH_IMAGE_ERROR_GENERATION_FAILED);
    assert_int_equal(requests(), 3); /* a failure is not asked about again */
    assert_int_equal(b.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
    expect_text("the code", b.response.error.provider_code, "internal_error");
}

static void test_job_moderated(void **state) {
    (void)state;
    use_job();
    script("[{\"jobs\":{\"polls\":1,\"moderation\":true}}]");
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    assert_int_equal(requests(), 3);
}

static void test_job_filtered(void **state) {
    (void)state;
    use_job();
    script(
        "[{\"jobs\":{\"polls\":0}},{\"method\":\"GET\",\"merge\":{\"finish_reason\":\"CONTENT_FILTERED\"}}]");
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    assert_int_equal(b.response.image_count, 0);
}

static void test_job_unknown_word(void **state) {
    (void)state;
    use_job();
    script("[{\"jobs\":{\"polls\":2,\"unknown_state\":true}}]");
    run_ok();
    assert_int_equal(requests(), 4);
}

static void test_job_unknown_word_with_200(void **state) {
    (void)state;
    use_job();
    script("[{\"jobs\":{\"polls\":0}},{\"method\":\"GET\",\"status\":200,\"body\":{\"id\":\"a\",\"status\":"
           "\"warming\"}}]");
    run_ok();
    assert_int_equal(requests(), 3);
}

static void test_job_hiccups(void **state) {
    (void)state;
    use_job();
    script("[{\"jobs\":{\"polls\":1}},{\"method\":\"GET\",\"status\":404},"
           "{\"method\":\"GET\",\"status\":503,\"body\":\"<html>no</html>\"}]");
    run_ok();
    assert_int_equal(requests(), 5);
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
}

static void test_job_vanishes(void **state) {
    (void)state;
    use_job();
    script("[{\"jobs\":{\"polls\":1,\"vanish\":true}}]");
    run();
    expect(TARASH_IMAGE_ERROR_HTTP);
    assert_int_equal(b.response.error.http_status, 404);
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
}

static void test_job_gives_up(void **state) {
    (void)state;
    use_job();
    b.config.max_poll_attempts = 2;
    script("[{\"jobs\":{\"polls\":9}}]");
    run();
    expect(TARASH_IMAGE_ERROR_TIMEOUT);
    assert_int_equal(requests(), 3);
    assert_non_null(b.response.job_token);
}

static void test_job_resumes(void **state) {
    char token[2048];
    tarash_image_job job;
    (void)state;
    use_job();
    b.config.max_poll_attempts = 1;
    script("[{\"jobs\":{\"polls\":2}}]");
    run();
    expect(TARASH_IMAGE_ERROR_TIMEOUT);
    snprintf(token, sizeof token, "%s", b.response.job_token);
    b.config.max_poll_attempts = 0;
    tarash_image_response_free(&b.response);
    job = tarash_image_resume(b.client, &b.config, token);
    while (tarash_image_job_status(b.client, job, NULL) < TARASH_IMAGE_STATUS_COMPLETED)
        tarash_image_poll(b.client, 100);
    b.result = tarash_image_take(b.client, job, &b.response);
    expect(TARASH_IMAGE_OK);
    assert_int_equal(b.response.image_count, 1);
    cJSON_Delete(b.log);
    b.log = control_log(b.session);
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
}

/* Cancelling stops the polls; the service has no call for more. */
static void test_job_cancelled(void **state) {
    tarash_image_job job;
    (void)state;
    use_job();
    script("[{\"jobs\":{\"polls\":50}}]");
    job = tarash_image_submit(b.client, &b.config, &b.request);
    while (control_wait(b.session, 2, 1, 0, 0) != 1) tarash_image_poll(b.client, 10);
    tarash_image_cancel(b.client, job);
    (void)tarash_image_take(b.client, job, &b.response);
    assert_int_equal(b.response.error.result, TARASH_IMAGE_ERROR_CANCELLED);
    b.log = control_log(b.session);
    assert_int_equal(log_count(b.log, "DELETE", NULL), 0);
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
}

/* Any allocation may fail: the call then says so, and leaves nothing behind. */
static void test_out_of_memory(void **state) {
    static const char *const options[] = {NULL, "{\"strength\":0.5,\"accept\":\"image/*\"}",
                                          "{\"operation\":\"upscale_creative\"}",
                                          "{\"operation\":\"replace_background\"}"};
    size_t at, total, row;
    (void)state;
    use_stability();
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

/* ---- tables -------------------------------------------------------------------------------------------- */

static void test_row(void **state) {
    size_t count, i, found = 0;
    const tarash_image_provider_info *rows = tarash_image_providers(&count);
    (void)state;
    for (i = 0; i < count; i++) {
        if (strcmp(rows[i].name, "stability") != 0) continue;
        found++;
        assert_int_equal(rows[i].poll_interval_ms, 10000);
        expect_text("the address", rows[i].base_url, "https://api.stability.ai");
        assert_int_equal(rows[i].capabilities.mask, TARASH_IMAGE_MASK_WHITE);
    }
    assert_int_equal(found, 1);
}

static int run_others(void) {
    static const struct CMUnitTest tests[] = {TEST(test_parts_are_plain),
                                              TEST(test_style_roles),
                                              TEST(test_mask_pixels),
                                              TEST(test_image_by_url),
                                              TEST(test_image_pixels),
                                              TEST(test_user_is_a_header),
                                              TEST(test_several_images),
                                              TEST(test_seed_bounds),
                                              TEST(test_engine_takes_no_images),
                                              TEST(test_engine_refusals),
                                              TEST(test_engine_partial_refusal),
                                              TEST(test_strict_lets_names_pass),
                                              TEST(test_names_and_keys),
                                              TEST(test_json_reply),
                                              TEST(test_bytes_reply),
                                              TEST(test_other_reply_than_asked),
                                              TEST(test_filtered_images),
                                              TEST(test_filtered_image_and_sink),
                                              TEST(test_odd_replies),
                                              TEST(test_rate_limit_waits),
                                              TEST(test_echoed_key),
                                              TEST(test_moderated_prompt),
                                              TEST(test_job),
                                              TEST(test_job_of_bytes),
                                              TEST(test_job_fails),
                                              TEST(test_job_moderated),
                                              TEST(test_job_filtered),
                                              TEST(test_job_unknown_word),
                                              TEST(test_job_unknown_word_with_200),
                                              TEST(test_job_hiccups),
                                              TEST(test_job_vanishes),
                                              TEST(test_job_gives_up),
                                              TEST(test_job_resumes),
                                              TEST(test_job_cancelled),
                                              TEST(test_out_of_memory),
                                              TEST(test_row)};
    return cmocka_run_group_tests_name("others", tests, NULL, NULL);
}

int main(void) {
    int failed = 0;
    if (server_start() != 0 || prepare_inputs() != 0 || prepare_foxes() != 0) return 1;
    RUN_ROWS(form_rows, check_form, tear_down);
    RUN_ROWS(engine_rows, check_engine, tear_down);
    RUN_ROWS(refusal_rows, check_refusal, tear_down);
    RUN_ROWS(error_rows, check_error, tear_down);
    failed += run_others();
    server_stop();
    free_foxes();
    return failed != 0;
}
