/* fal: what goes out for each family of models, the queue, the direct call, results, and errors in every shape. */

#include "wire.h"

#define P "\"prompt\":\"" PROMPT "\""
#define EXTRA(json)                                                                                          \
    { .extra_params = json }
#define ONE_IMAGE  .images = one_png, .image_count = 1
#define TWO_IMAGES .images = three, .image_count = 2
#define MASKED     .images = one_png, .image_count = 1, .mask = {.data = tiny_mask_png, .size = 0}

static void use_fal(void) {
    use("fal", "fal/queue");
    b.config.poll_interval_ms = 1;
}

/* ---- bodies, with the words PNG, JPEG, WEBP and MASK for the data: URLs of the tiny pictures ---------- */

static char *data_url_of(const char *type, const unsigned char *data, size_t size) {
    static char urls[4][4096];
    static int next;
    char *url = urls[next++ % 4];
    sprintf(url, "data:image/%s;base64,", type);
    encode_base64(data, size, url + strlen(url));
    return url;
}

static const char *data_url_named(const char *word) {
    if (strncmp(word, "@PNG", 4) == 0) return data_url_of("png", tiny_png, tiny_png_size);
    if (strncmp(word, "@JPEG", 5) == 0) return data_url_of("jpeg", tiny_jpeg, tiny_jpeg_size);
    if (strncmp(word, "@WEBP", 5) == 0) return data_url_of("webp", tiny_webp, tiny_webp_size);
    return data_url_of("png", tiny_mask_png, tiny_mask_png_size);
}

static void expect_body(const cJSON *entry, const char *body) {
    static char filled[65536];
    char *out = filled;
    while (*body) {
        if (*body != '@') {
            *out++ = *body++;
            continue;
        }
        strcpy(out, data_url_named(body));
        out += strlen(out);
        body += 1 + strspn(body + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    }
    *out = '\0';
    expect_json(entry, filled);
}

static void expect_headers(const cJSON *entry, int has_body) {
    static const char *const names[] = {
        "Host",          "User-Agent",   "Accept",         "Accept-Encoding",
        "Authorization", "Content-Type", "Content-Length", "X-Fal-Queue-Priority"};
    expect_header_names(entry, names, has_body ? COUNT(names) : 5);
    expect_header(entry, "Accept", "application/json");
    expect_header(entry, "Authorization", "Key " KEY);
    if (has_body) expect_header(entry, "Content-Type", "application/json");
    if (has_body) expect_header(entry, "X-Fal-Queue-Priority", "normal");
}

static void expect_fal_path(const cJSON *entry, const char *rest) {
    char path[256];
    snprintf(path, sizeof path, "fal/queue/%s", rest);
    expect_path(entry, path);
}

typedef struct fal_row {
    const char *name;
    const char *model; /* NULL: the default */
    tarash_image_request request;
    const char *options;
    const char *endpoint;
    const char *body;
    const char *warnings;
    int calls; /* 0: one */
} fal_row;

#define ANY_BODY "[{\"status\":500,\"times\":-1}]" /* what goes out is all that counts */

static const fal_row size_rows[] = {
    {.name = "a prompt alone", .endpoint = "fal-ai/flux-2", .body = "{" P "}"},
    {.name = "everything that FLUX.2 takes",
     .request = {.size = "1024x768", .n = 2, .has_seed = 1, .seed = 42, .output_format = "webp"},
     .endpoint = "fal-ai/flux-2",
     .body = "{" P ",\"image_size\":{\"width\":1024,\"height\":768},\"num_images\":2,\"seed\":42,"
             "\"output_format\":\"webp\"}"},
    {.name = "jpg is jpeg",
     .request = {.output_format = "jpg"},
     .endpoint = "fal-ai/flux-2",
     .body = "{" P ",\"output_format\":\"jpeg\"}"},
    {.name = "what FLUX.2 lacks",
     .request = {.negative_prompt = "blur",
                 .quality = "hd",
                 .style = "vivid",
                 .background = "opaque",
                 .user = "me",
                 .partial_images = 1},
     .endpoint = "fal-ai/flux-2",
     .body = "{" P "}",
     .warnings = "negative_prompt=blur>; quality=hd>; style=vivid>; background=opaque>; user=me>; "
                 "partial_images=1>"},
    {.name = "a size below FLUX.2's edge",
     .request = {.size = "256x512"},
     .endpoint = "fal-ai/flux-2",
     .body = "{" P ",\"image_size\":{\"width\":512,\"height\":512}}",
     .warnings = "size=256x512>512x512"},
    {.name = "a size beyond FLUX.2's edge",
     .request = {.size = "4096x2048"},
     .endpoint = "fal-ai/flux-2",
     .body = "{" P ",\"image_size\":{\"width\":2048,\"height\":1024}}",
     .warnings = "size=4096x2048>2048x1024"},
    {.name = "an aspect ratio becomes a size",
     .request = {.aspect_ratio = "16:9"},
     .endpoint = "fal-ai/flux-2",
     .body = "{" P ",\"image_size\":{\"width\":1360,\"height\":768}}",
     .warnings = "aspect_ratio=16:9>1360x768"},
    {.name = "auto is what leaving it out gives",
     .request = {.size = "auto", .quality = "auto"},
     .endpoint = "fal-ai/flux-2",
     .body = "{" P "}"},
    {.name = "six images are two calls",
     .request = {.n = 6, .size = "512x512", .has_seed = 1, .seed = 7},
     .endpoint = "fal-ai/flux-2",
     .calls = 2,
     .warnings = "seed=7>7, and counting up from it"},
    {.name = "one image a call where there is no num_images",
     .model = "fal-ai/flux-2-pro",
     .request = {.n = 2},
     .endpoint = "fal-ai/flux-2-pro",
     .calls = 2,
     .body = "{" P "}"},
    {.name = "extra_params come last",
     .request = {.output_format = "png",
                 .extra_params = "{\"output_format\":\"webp\",\"guidance_scale\":3.5,\"acceleration\":null}"},
     .endpoint = "fal-ai/flux-2",
     .body = "{" P ",\"output_format\":\"webp\",\"guidance_scale\":3.5}"},
    {.name = "a name of a size by extra_params",
     .request = EXTRA("{\"image_size\":\"portrait_16_9\"}"),
     .endpoint = "fal-ai/flux-2",
     .body = "{" P ",\"image_size\":\"portrait_16_9\"}"},
    {.name = "a sub-path of the model",
     .model = "fal-ai/flux/schnell",
     .request = {.size = "512x512"},
     .endpoint = "fal-ai/flux/schnell",
     .body = "{" P ",\"image_size\":{\"width\":512,\"height\":512}}"},
    {.name = "a ratio model: a ratio as it is",
     .model = "fal-ai/nano-banana",
     .request = {.aspect_ratio = "21:9", .n = 2, .output_format = "jpeg"},
     .endpoint = "fal-ai/nano-banana",
     .body = "{" P ",\"aspect_ratio\":\"21:9\",\"num_images\":2,\"output_format\":\"jpeg\"}"},
    {.name = "a ratio model: a size becomes a ratio",
     .model = "fal-ai/nano-banana",
     .request = {.size = "1920x1080"},
     .endpoint = "fal-ai/nano-banana",
     .body = "{" P ",\"aspect_ratio\":\"16:9\"}",
     .warnings = "size=1920x1080>16:9"},
    {.name = "a ratio model: the nearest ratio",
     .model = "fal-ai/nano-banana",
     .request = {.aspect_ratio = "2:1"},
     .endpoint = "fal-ai/nano-banana",
     .body = "{" P ",\"aspect_ratio\":\"16:9\"}",
     .warnings = "aspect_ratio=2:1>16:9"},
    {.name = "a ratio model: a large size asks for a resolution",
     .model = "fal-ai/nano-banana-pro",
     .request = {.size = "2048x2048"},
     .endpoint = "fal-ai/nano-banana-pro",
     .body = "{" P ",\"aspect_ratio\":\"1:1\",\"resolution\":\"2K\"}",
     .warnings = "size=2048x2048>1:1"},
    {.name = "a ratio model: a small size, too",
     .model = "fal-ai/nano-banana-2",
     .request = {.size = "512x512"},
     .endpoint = "fal-ai/nano-banana-2",
     .body = "{" P ",\"aspect_ratio\":\"1:1\",\"resolution\":\"0.5K\"}",
     .warnings = "size=512x512>1:1"},
    {.name = "a ratio model: quality is the resolution",
     .model = "fal-ai/nano-banana-pro",
     .request = {.size = "1024x1024", .quality = "4k"},
     .endpoint = "fal-ai/nano-banana-pro",
     .body = "{" P ",\"aspect_ratio\":\"1:1\",\"resolution\":\"4K\"}",
     .warnings = "size=1024x1024>1:1"},
    {.name = "a ratio model: words of quality are resolutions, too",
     .model = "fal-ai/nano-banana-pro",
     .request = {.quality = "hd"},
     .endpoint = "fal-ai/nano-banana-pro",
     .body = "{" P ",\"resolution\":\"2K\"}",
     .warnings = "quality=hd>2K"},
    {.name = "FLUX Ultra takes any ratio",
     .model = "fal-ai/flux-pro/v1.1-ultra",
     .request = {.aspect_ratio = "16:9", .has_seed = 1, .seed = 3},
     .endpoint = "fal-ai/flux-pro/v1.1-ultra",
     .body = "{" P ",\"aspect_ratio\":\"16:9\",\"seed\":3}"},
    {.name = "GPT image: the size is a text",
     .model = "fal-ai/gpt-image-1.5",
     .request = {.size = "1536x1024", .quality = "high", .background = "transparent", .n = 2},
     .endpoint = "fal-ai/gpt-image-1.5",
     .body = "{" P ",\"image_size\":\"1536x1024\",\"quality\":\"high\",\"background\":\"transparent\","
             "\"num_images\":2}"},
    {.name = "GPT image: the nearest of its sizes, and its words",
     .model = "fal-ai/gpt-image-1.5",
     .request = {.size = "2000x1000", .quality = "hd"},
     .endpoint = "fal-ai/gpt-image-1.5",
     .body = "{" P ",\"image_size\":\"1536x1024\",\"quality\":\"high\"}",
     .warnings = "size=2000x1000>1536x1024; quality=hd>high"},
    {.name = "SDXL: format, and a negative prompt",
     .model = "fal-ai/fast-sdxl",
     .request = {.negative_prompt = "blur", .output_format = "png"},
     .endpoint = "fal-ai/fast-sdxl",
     .body = "{" P ",\"negative_prompt\":\"blur\",\"format\":\"png\"}"},
    {.name = "recraft: a style, no seed, one a call",
     .model = "fal-ai/recraft/v3/text-to-image",
     .request = {.style = "digital_illustration/pixel_art", .has_seed = 1, .seed = 1, .output_format = "png"},
     .endpoint = "fal-ai/recraft/v3/text-to-image",
     .body = "{" P ",\"style\":\"digital_illustration/pixel_art\"}",
     .warnings = "output_format=png>; seed=1>"},
    {.name = "ideogram: words of its own",
     .model = "fal-ai/ideogram/v3",
     .request = {.style = "design", .quality = "turbo", .negative_prompt = "blur", .size = "1024x1024"},
     .endpoint = "fal-ai/ideogram/v3",
     .body = "{" P ",\"style\":\"DESIGN\",\"rendering_speed\":\"TURBO\",\"negative_prompt\":\"blur\","
             "\"image_size\":{\"width\":1024,\"height\":1024}}"},
    {.name = "seedream: many pixels, no format",
     .model = "fal-ai/bytedance/seedream/v4.5/text-to-image",
     .request = {.size = "2560x1440", .output_format = "png"},
     .endpoint = "fal-ai/bytedance/seedream/v4.5/text-to-image",
     .body = "{" P ",\"image_size\":{\"width\":2560,\"height\":1440}}",
     .warnings = "output_format=png>"},
    {.name = "luma: a ratio and nothing else",
     .model = "fal-ai/luma-photon",
     .request = {.aspect_ratio = "9:21", .output_format = "png"},
     .endpoint = "fal-ai/luma-photon",
     .body = "{" P ",\"aspect_ratio\":\"9:21\"}",
     .warnings = "output_format=png>"},
    {.name = "sync_mode",
     .options = "{\"sync_mode\":true}",
     .request = {.size = "512x512"},
     .endpoint = "fal-ai/flux-2",
     .body = "{" P ",\"image_size\":{\"width\":512,\"height\":512},\"sync_mode\":true}"},
    {.name = "sync_mode has no URLs",
     .options = "{\"sync_mode\":true}",
     .request = {.size = "512x512", .output = TARASH_IMAGE_OUTPUT_URL},
     .endpoint = "fal-ai/flux-2",
     .body = "{" P ",\"image_size\":{\"width\":512,\"height\":512},\"sync_mode\":true}",
     .warnings = "output=url>bytes"},
    {.name = "an unknown option",
     .options = "{\"spice\":\"hot\"}",
     .endpoint = "fal-ai/flux-2",
     .body = "{" P "}",
     .warnings = "provider_config.spice=hot>"},
};

/* Endpoints that images and masks lead to. */
static const fal_row image_rows[] = {
    {.name = "FLUX.2 edits at its sibling",
     .request = {ONE_IMAGE},
     .endpoint = "fal-ai/flux-2/edit",
     .body = "{" P ",\"image_urls\":[\"@PNG\"]}"},
    {.name = "several images",
     .request = {TWO_IMAGES, .size = "512x512", .has_seed = 1, .seed = 9, .output_format = "jpeg"},
     .endpoint = "fal-ai/flux-2/edit",
     .body = "{" P ",\"image_urls\":[\"@PNG\",\"@JPEG\"],\"image_size\":{\"width\":512,\"height\":512},"
             "\"seed\":9,\"output_format\":\"jpeg\"}"},
    {.name = "the edit endpoint by its own name",
     .model = "fal-ai/flux-2/edit",
     .request = {ONE_IMAGE},
     .endpoint = "fal-ai/flux-2/edit",
     .body = "{" P ",\"image_urls\":[\"@PNG\"]}"},
    {.name = "an edit that keeps its image's size",
     .model = "fal-ai/flux-2-pro",
     .request = {ONE_IMAGE, .size = "auto"},
     .endpoint = "fal-ai/flux-2-pro/edit",
     .body = "{" P ",\"image_urls\":[\"@PNG\"],\"image_size\":\"auto\"}"},
    {.name = "FLUX.1: one image, no size",
     .model = "fal-ai/flux/dev",
     .request = {ONE_IMAGE, .size = "512x512"},
     .endpoint = "fal-ai/flux/dev/image-to-image",
     .body = "{" P ",\"image_url\":\"@PNG\"}",
     .warnings = "size=512x512>"},
    {.name = "FLUX Ultra takes an image itself",
     .model = "fal-ai/flux-pro/v1.1-ultra",
     .request = {ONE_IMAGE},
     .endpoint = "fal-ai/flux-pro/v1.1-ultra",
     .body = "{" P ",\"image_url\":\"@PNG\"}"},
    {.name = "kontext without an image",
     .model = "fal-ai/flux-pro/kontext",
     .endpoint = "fal-ai/flux-pro/kontext/text-to-image",
     .body = "{" P "}"},
    {.name = "kontext with one",
     .model = "fal-ai/flux-pro/kontext",
     .request = {ONE_IMAGE, .aspect_ratio = "3:2"},
     .endpoint = "fal-ai/flux-pro/kontext",
     .body = "{" P ",\"image_url\":\"@PNG\",\"aspect_ratio\":\"3:2\"}"},
    {.name = "kontext with two",
     .model = "fal-ai/flux-pro/kontext",
     .request = {TWO_IMAGES},
     .endpoint = "fal-ai/flux-pro/kontext/multi",
     .body = "{" P ",\"image_urls\":[\"@PNG\",\"@JPEG\"]}"},
    {.name = "kontext dev has a name of its own for the ratio",
     .model = "fal-ai/flux-kontext/dev",
     .request = {ONE_IMAGE, .aspect_ratio = "16:9"},
     .endpoint = "fal-ai/flux-kontext/dev",
     .body = "{" P ",\"image_url\":\"@PNG\",\"resolution_mode\":\"16:9\"}"},
    {.name = "a mask without a model",
     .request = {MASKED},
     .endpoint = "fal-ai/flux-pro/v1/fill",
     .body = "{" P ",\"image_url\":\"@PNG\",\"mask_url\":\"@MASK\"}"},
    {.name = "SDXL: a mask",
     .model = "fal-ai/fast-sdxl",
     .request = {MASKED},
     .endpoint = "fal-ai/fast-sdxl/inpainting",
     .body = "{" P ",\"image_url\":\"@PNG\",\"mask_url\":\"@MASK\"}"},
    {.name = "z-image: a mask by another name",
     .model = "fal-ai/z-image/turbo",
     .request = {MASKED},
     .endpoint = "fal-ai/z-image/turbo/inpaint",
     .body = "{" P ",\"image_url\":\"@PNG\",\"mask_image_url\":\"@MASK\"}"},
    {.name = "ideogram: a mask",
     .model = "fal-ai/ideogram/v3",
     .request = {MASKED},
     .endpoint = "fal-ai/ideogram/v3/edit",
     .body = "{" P ",\"image_url\":\"@PNG\",\"mask_url\":\"@MASK\"}"},
    {.name = "GPT image: a mask whose transparent part is edited",
     .model = "fal-ai/gpt-image-1.5",
     .request = {MASKED},
     .endpoint = "fal-ai/gpt-image-1.5/edit",
     .body = "{" P ",\"image_urls\":[\"@PNG\"],\"mask_image_url\":\"@MASK\"}",
     .warnings = "mask=white marks what to edit>unchanged, transparent marks it"},
    {.name = "grok: quality is a resolution in other letters",
     .model = "xai/grok-imagine-image",
     .request = {ONE_IMAGE, .quality = "2K"},
     .endpoint = "xai/grok-imagine-image/edit",
     .body = "{" P ",\"image_urls\":[\"@PNG\"],\"resolution\":\"2k\"}"},
    {.name = "roles are not known",
     .request = {.images = NULL}, /* filled in by the test */
     .endpoint = "fal-ai/flux-2/edit",
     .body = "{" P ",\"image_urls\":[\"@PNG\"]}",
     .warnings = "images[0].role=style>reference"},
};

/* Each operation, with a model of its own; what it takes besides comes by extra_params. */
static const fal_row operation_rows[] = {
    {.name = "generate",
     .options = "{\"operation\":\"generate\"}",
     .endpoint = "fal-ai/flux-2",
     .body = "{" P "}"},
    {.name = "edit",
     .options = "{\"operation\":\"edit\"}",
     .request = {ONE_IMAGE},
     .endpoint = "fal-ai/flux-2/edit",
     .body = "{" P ",\"image_urls\":[\"@PNG\"]}"},
    {.name = "edit with a mask",
     .options = "{\"operation\":\"edit\"}",
     .request = {MASKED},
     .endpoint = "fal-ai/flux-pro/v1/fill",
     .body = "{" P ",\"image_url\":\"@PNG\",\"mask_url\":\"@MASK\"}"},
    {.name = "image_to_image",
     .options = "{\"operation\":\"image_to_image\"}",
     .request = {ONE_IMAGE, .extra_params = "{\"strength\":0.6}"},
     .endpoint = "fal-ai/flux/dev/image-to-image",
     .body = "{" P ",\"image_url\":\"@PNG\",\"strength\":0.6}"},
    {.name = "variation",
     .options = "{\"operation\":\"variation\"}",
     .request = {ONE_IMAGE, .prompt = "", .has_seed = 1, .seed = 5},
     .endpoint = "fal-ai/flux-1/dev/redux",
     .body = "{\"image_url\":\"@PNG\",\"seed\":5}"},
    {.name = "inpaint",
     .options = "{\"operation\":\"inpaint\"}",
     .request = {MASKED, .n = 2},
     .endpoint = "fal-ai/flux-pro/v1/fill",
     .body = "{" P ",\"image_url\":\"@PNG\",\"mask_url\":\"@MASK\",\"num_images\":2}"},
    {.name = "outpaint",
     .options = "{\"operation\":\"outpaint\"}",
     .request = {ONE_IMAGE, .prompt = "", .extra_params = "{\"expand_left\":200,\"expand_right\":200}"},
     .endpoint = "fal-ai/flux-2-pro/outpaint",
     .body = "{\"image_url\":\"@PNG\",\"expand_left\":200,\"expand_right\":200}"},
    {.name = "erase",
     .options = "{\"operation\":\"erase\"}",
     .request = {MASKED, .prompt = ""},
     .endpoint = "fal-ai/bria/eraser",
     .body = "{\"image_url\":\"@PNG\",\"mask_url\":\"@MASK\"}"},
    {.name = "remove_background",
     .options = "{\"operation\":\"remove_background\"}",
     .request = {ONE_IMAGE, .prompt = "", .output_format = "webp"},
     .endpoint = "fal-ai/birefnet/v2",
     .body = "{\"image_url\":\"@PNG\",\"output_format\":\"webp\"}"},
    {.name = "remove_background needs no prompt, and takes none",
     .options = "{\"operation\":\"remove_background\"}",
     .request = {ONE_IMAGE},
     .endpoint = "fal-ai/birefnet/v2",
     .body = "{\"image_url\":\"@PNG\"}",
     .warnings = "prompt=" PROMPT ">"},
    {.name = "remove_background by another model",
     .model = "fal-ai/bria/background/remove",
     .options = "{\"operation\":\"remove_background\"}",
     .request = {ONE_IMAGE, .prompt = ""},
     .endpoint = "fal-ai/bria/background/remove",
     .body = "{\"image_url\":\"@PNG\"}"},
    {.name = "a model that is an operation needs no word for it",
     .model = "fal-ai/birefnet/v2",
     .request = {ONE_IMAGE, .prompt = ""},
     .endpoint = "fal-ai/birefnet/v2",
     .body = "{\"image_url\":\"@PNG\"}"},
    {.name = "replace_background",
     .options = "{\"operation\":\"replace_background\"}",
     .request = {ONE_IMAGE, .negative_prompt = "people"},
     .endpoint = "fal-ai/bria/background/replace",
     .body = "{" P ",\"image_url\":\"@PNG\",\"negative_prompt\":\"people\"}"},
    {.name = "upscale",
     .options = "{\"operation\":\"upscale\"}",
     .request = {ONE_IMAGE, .extra_params = "{\"upscale_factor\":4}"},
     .endpoint = "fal-ai/clarity-upscaler",
     .body = "{" P ",\"image_url\":\"@PNG\",\"upscale_factor\":4}"},
    {.name = "upscale without words",
     .options = "{\"operation\":\"upscale\"}",
     .request = {ONE_IMAGE, .prompt = ""},
     .endpoint = "fal-ai/clarity-upscaler",
     .body = "{\"image_url\":\"@PNG\"}"},
    {.name = "upscale_fast",
     .options = "{\"operation\":\"upscale_fast\"}",
     .request = {ONE_IMAGE, .prompt = "", .extra_params = "{\"scale\":2}", .output_format = "jpeg"},
     .endpoint = "fal-ai/esrgan",
     .body = "{\"image_url\":\"@PNG\",\"scale\":2,\"output_format\":\"jpeg\"}"},
    {.name = "upscale_conservative",
     .options = "{\"operation\":\"upscale_conservative\"}",
     .request = {ONE_IMAGE, .prompt = ""},
     .endpoint = "fal-ai/recraft/upscale/crisp",
     .body = "{\"image_url\":\"@PNG\"}"},
    {.name = "upscale_creative",
     .options = "{\"operation\":\"upscale_creative\"}",
     .request = {ONE_IMAGE, .prompt = ""},
     .endpoint = "fal-ai/recraft/upscale/creative",
     .body = "{\"image_url\":\"@PNG\"}"},
    {.name = "vectorize",
     .options = "{\"operation\":\"vectorize\"}",
     .request = {ONE_IMAGE, .prompt = ""},
     .endpoint = "fal-ai/recraft/vectorize",
     .body = "{\"image_url\":\"@PNG\"}"},
    {.name = "deblur",
     .options = "{\"operation\":\"deblur\"}",
     .request = {ONE_IMAGE, .prompt = "", .has_seed = 1, .seed = 2},
     .endpoint = "fal-ai/nafnet/deblur",
     .body = "{\"image_url\":\"@PNG\",\"seed\":2}"},
    {.name = "remix",
     .options = "{\"operation\":\"remix\"}",
     .request = {ONE_IMAGE, .style = "REALISTIC"},
     .endpoint = "fal-ai/ideogram/v3/remix",
     .body = "{" P ",\"image_url\":\"@PNG\",\"style\":\"REALISTIC\"}"},
    {.name = "reframe",
     .options = "{\"operation\":\"reframe\"}",
     .request = {ONE_IMAGE, .prompt = "", .size = "1024x512"},
     .endpoint = "fal-ai/ideogram/v3/reframe",
     .body = "{\"image_url\":\"@PNG\",\"image_size\":{\"width\":1024,\"height\":512}}"},
    {.name = "relight",
     .options = "{\"operation\":\"relight\"}",
     .request = {ONE_IMAGE},
     .endpoint = "fal-ai/iclight-v2",
     .body = "{" P ",\"image_url\":\"@PNG\"}"},
};

/* Static tables can't hold sizes that are known at run time only. */
static void set_up_request(const fal_row *row) {
    static tarash_image_input as_style[1];
    use_fal();
    b.config.model = row->model;
    b.config.provider_config = row->options;
    b.request = row->request;
    if (!b.request.prompt) b.request.prompt = PROMPT;
    if (b.request.mask.data) b.request.mask.size = tiny_mask_png_size;
    if (row->warnings && strstr(row->warnings, ".role=")) {
        as_style[0] = one_png[0];
        as_style[0].role = TARASH_IMAGE_ROLE_STYLE;
        b.request.images = as_style;
        b.request.image_count = 1;
    }
}

static void test_request(void **state) {
    const fal_row *row = (const fal_row *)*state;
    const cJSON *entry;
    int calls = 0;
    set_up_request(row);
    run();
    expect(TARASH_IMAGE_OK);
    cJSON_ArrayForEach(entry, b.log) {
        if (strcmp(log_text(entry, "kind"), "api") != 0 || strcmp(log_text(entry, "method"), "POST") != 0)
            continue;
        calls++;
        expect_fal_path(entry, row->endpoint);
        expect_headers(entry, 1);
        if (row->body) expect_body(entry, row->body);
    }
    assert_int_equal(calls, row->calls ? row->calls : 1);
    expect_warnings(row->warnings);
    expect_text("the model", b.response.model, row->endpoint);
    assert_int_equal(b.response.image_count, b.request.n ? b.request.n : 1);
}

/* ---- other ways to give an image ----------------------------------------------------------------------- */

static void expect_source(const tarash_image_input *image, const char *body) {
    assert_int_equal(control_reset(b.session), 0);
    b.request.images = image;
    b.request.image_count = 1;
    run_ok();
    if (body) expect_body(log_entry(b.log, 0), body);
}

static void test_image_sources(void **state) {
    static const unsigned char pixels[4] = {255, 0, 0, 255};
    tarash_image_input by_pixels = {.pixels = pixels, .width = 1, .height = 1, .channels = 4};
    tarash_image_input by_url = {.url = "https://example.com/cat.png"};
    (void)state;
    use_fal();
    expect_source(by_path, "{" P ",\"image_urls\":[\"@PNG\"]}");
    expect_source(as_data_url, "{" P ",\"image_urls\":[\"@PNG\"]}");
    expect_source(&by_url, "{" P ",\"image_urls\":[\"https://example.com/cat.png\"]}"); /* not fetched here */
    expect_source(&by_pixels, NULL);
    expect_text("the kind", log_text(log_entry(b.log, 0), "images[0].image.kind"), "png");
    expect_text("the pixel", log_text(log_entry(b.log, 0), "images[0].image.pixels"), "ff0000ff");
}

static void expect_mask_pixels(const char *model, const char *place, const char *wanted) {
    static const unsigned char grey[2] = {255, 0};
    b.config.model = model;
    b.request.images = one_png;
    b.request.image_count = 1;
    memset(&b.request.mask, 0, sizeof b.request.mask);
    b.request.mask.pixels = grey;
    b.request.mask.width = 2;
    b.request.mask.height = 1;
    b.request.mask.channels = 1;
    assert_int_equal(control_reset(b.session), 0);
    run_ok();
    expect_text("the mask's place", log_text(log_entry(b.log, 0), "images[1].path"), place);
    expect_text("the mask", log_text(log_entry(b.log, 0), "images[1].image.pixels"), wanted);
}

/* White marks what to edit; GPT image models edit where it is transparent. */
static void test_mask_polarity(void **state) {
    (void)state;
    use_fal();
    expect_mask_pixels(NULL, "mask_url", "ff00");
    expect_mask_pixels("fal-ai/ideogram/v3", "mask_url", "ff00");
    expect_mask_pixels("fal-ai/gpt-image-1.5", "mask_image_url", "ffffff00ffffffff");
}

static void expect_refused(tarash_image_result result, const char *part) {
    run();
    expect(result);
    assert_int_equal(requests(), 0);
    expect_in("the message", b.response.error.message, part);
}

static void test_refused_before_sending(void **state) {
    (void)state;
    use_fal();
    b.request.images = three;
    b.request.image_count = 2;
    b.config.model = "fal-ai/flux/dev";
    expect_refused(TARASH_IMAGE_ERROR_UNSUPPORTED, "image");
    b.config.model = "fal-ai/luma-photon/reframe";
    expect_refused(TARASH_IMAGE_ERROR_UNSUPPORTED, "image");
    b.request.image_count = 1;
    b.config.model = "fal-ai/recraft/v4/text-to-image";
    expect_refused(TARASH_IMAGE_ERROR_UNSUPPORTED, "image");
    b.config.model = "fal-ai/flux-2"; /* a model that was asked for is never another's mask edit */
    b.request.mask = mask_bytes;
    expect_refused(TARASH_IMAGE_ERROR_UNSUPPORTED, "mask");
    memset(&b.request.mask, 0, sizeof b.request.mask);
    b.config.model = NULL;
    b.config.provider_config = "{\"operation\":\"sketch\"}";
    expect_refused(TARASH_IMAGE_ERROR_UNSUPPORTED, "remove_background");
    b.config.provider_config = "{\"operation\":\"erase\"}";
    expect_refused(TARASH_IMAGE_ERROR_VALIDATION, "mask");
    b.config.provider_config = "{\"operation\":\"upscale\"}";
    b.request.image_count = 0;
    expect_refused(TARASH_IMAGE_ERROR_VALIDATION, "image");
}

/* ---- models that no table knows ------------------------------------------------------------------------ */

static void test_unknown_model(void **state) {
    (void)state;
    use_fal();
    script("[{\"status\":500}]");
    b.config.model = "someone/some-model/v9";
    b.request.negative_prompt = "blur";
    b.request.size = "1000x777";
    b.request.n = 2;
    b.request.has_seed = 1;
    b.request.seed = 8;
    b.request.output_format = "avif";
    b.request.images = three;
    b.request.image_count = 2;
    b.request.mask = mask_bytes;
    run();
    expect(TARASH_IMAGE_ERROR_HTTP);
    expect_fal_path(only_request(), "someone/some-model/v9");
    expect_body(only_request(),
                "{" P ",\"negative_prompt\":\"blur\",\"image_size\":{\"width\":1000,\"height\":777},"
                "\"num_images\":2,\"seed\":8,\"output_format\":\"avif\","
                "\"image_urls\":[\"@PNG\",\"@JPEG\"],\"mask_url\":\"@MASK\"}");
    expect_warnings(NULL);
}

static void test_registered_mapping(void **state) {
    tarash_image_field_mapping mapping = {"fal", "someone/some-model", "prompt=text,images=picture,size=w+h",
                                          "{\"mode\":\"art\"}"};
    (void)state;
    use_fal();
    script("[{\"status\":500}]");
    assert_int_equal(tarash_image_register_field_mapping(b.client, &mapping), TARASH_IMAGE_OK);
    b.config.model = "someone/some-model/v9";
    b.request.images = one_png;
    b.request.image_count = 1;
    b.request.size = "64x32";
    b.request.has_seed = 1;
    run();
    expect(TARASH_IMAGE_ERROR_HTTP);
    expect_body(only_request(),
                "{\"mode\":\"art\",\"text\":\"" PROMPT "\",\"picture\":\"@PNG\",\"w\":64,\"h\":32}");
    expect_warnings("seed=0>");
}

/* What a row says that a model takes is what its mapping writes. */
static void expect_agreement(const char *model, const tarash_image_capabilities *caps) {
    tarimg_arena arena;
    tarash_image_allocator allocator = tarimg_default_allocator();
    const tarimg_mapped *mapped;
    uint32_t fields = TARASH_IMAGE_FIELD_OUTPUT;
    tarimg_arena_init(&arena, &allocator, 0);
    mapped = tarimg_parse_mapping(&arena, tarimg_find_mapping("fal", model)->fields);
    for (; mapped; mapped = mapped->next) fields |= mapped->field & ~TARIMG_MAPPED_PROMPT;
    tarimg_arena_free(&arena);
    if (fields != caps->fields)
        fail_msg("%s: %x instead of %x", model, (unsigned)caps->fields, (unsigned)fields);
}

static void test_rows_agree_with_mappings(void **state) {
    size_t count, i;
    const tarash_image_model_info *models = tarash_image_models(&count);
    (void)state;
    for (i = 0; i < count; i++) {
        if (strcmp(models[i].provider, "fal") == 0) expect_agreement(models[i].id, models[i].capabilities);
    }
    expect_agreement("a-model-of-tomorrow", &tarimg_find_row("fal")->capabilities);
}

/* ---- the queue ----------------------------------------------------------------------------------------- */

#define FIRST_JOB "00000001-b745-4b3e-ae38-1200304cf45b"

static void test_queue(void **state) {
    static const char *const paths[] = {"fal-ai/flux/dev", "fal-ai/flux/requests/" FIRST_JOB "/status?logs=1",
                                        "fal-ai/flux/requests/" FIRST_JOB "/status?logs=1",
                                        "fal-ai/flux/requests/" FIRST_JOB "/status?logs=1",
                                        "fal-ai/flux/requests/" FIRST_JOB};
    int i;
    (void)state;
    use_fal();
    script("[{\"jobs\":{\"polls\":2}}]");
    b.config.model = "fal-ai/flux/dev";
    run_ok();
    assert_int_equal(requests(), 6);
    for (i = 0; i < 5; i++) {
        expect_text("the method", log_text(log_entry(b.log, i), "method"), i ? "GET" : "POST");
        expect_fal_path(log_entry(b.log, i), paths[i]);
        expect_headers(log_entry(b.log, i), i == 0);
    }
    expect_text("the origin of the image", log_text(log_entry(b.log, 5), "origin"), "files");
    expect_picture(&b.response.images[0], "image/jpeg");
    assert_non_null(b.response.images[0].url);
    assert_int_equal(b.response.images[0].has_seed, 1);
    assert_true(b.response.images[0].seed == 3187724598);
    assert_null(b.response.images[0].revised_prompt);
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
    expect_in("the metadata", b.response.provider_metadata, "\"timings\":{\"inference\":1.84}");
}

/* ---- progress as text: "status percent position line" -------------------------------------------------- */

static char told[2048];

static void tell(const tarash_image_update *update, void *user_data) {
    (void)user_data;
    append_text(told, sizeof told, "%s %d %d %s\n", tarash_image_status_name(update->status),
                update->progress_percent, update->queue_position, update->message ? update->message : "-");
}

static void test_progress(void **state) {
    (void)state;
    use_fal();
    script("[{\"jobs\":{\"polls\":4}}]");
    told[0] = '\0';
    b.request.on_progress = tell;
    run_ok();
    expect_in("the progress", told, "queued -1 2 -\n");
    expect_in("the progress", told, "queued -1 1 -\nqueued -1 0 -\n");
    expect_in("the progress", told, "processing 50 -1 50%|####| step 3\nprocessing 66 -1 66%|####| step 4\n");
    expect_in("the progress", told, "completed");
}

static void test_progress_without_percents(void **state) {
    (void)state;
    use_fal();
    script("[{\"jobs\":{\"polls\":2}},"
           " {\"method\":\"GET\",\"path_contains\":\"/status\",\"merge\":{\"status\":\"IN_PROGRESS\","
           "  \"logs\":[{\"message\":\"1000% warm\"},{\"message\":\"loading\"}]}},"
           " {\"method\":\"GET\",\"path_contains\":\"/status\",\"merge\":{\"status\":\"IN_PROGRESS\","
           "  \"logs\":[7,{\"message\":[]}]}},"
           " {\"method\":\"GET\",\"path_contains\":\"/status\",\"merge\":{\"status\":\"IN_QUEUE\","
           "  \"queue_position\":-3,\"logs\":null}},"
           " {\"method\":\"GET\",\"path_contains\":\"/status\",\"merge\":{\"status\":\"IN_PROGRESS\","
           "  \"logs\":[{\"message\":\"150% of %\"}]}}]");
    told[0] = '\0';
    b.request.on_progress = tell;
    run_ok();
    expect_in("the progress", told, "processing -1 -1 loading\n");
    expect_in("the progress", told, "processing -1 -1 -\n");
    expect_in("the progress", told, "queued -1 -1 -\n");
    expect_in("the progress", told, "processing -1 -1 150% of %\n");
}

/* A status that has no name yet is work that goes on. */
static void test_unknown_status(void **state) {
    (void)state;
    use_fal();
    script("[{\"jobs\":{\"polls\":2,\"unknown_state\":true}}]");
    told[0] = '\0';
    b.request.on_progress = tell;
    run_ok();
    expect_in("the progress", told, "processing");
}

static void test_status_is_missing(void **state) {
    (void)state;
    use_fal();
    b.config.max_poll_attempts = 2;
    b.config.retry.initial_ms = 1;
    script(
        "[{\"method\":\"GET\",\"path_contains\":\"/status\",\"times\":-1,\"merge\":{\"status\":{\"a\":1}}}]");
    run();
    expect(TARASH_IMAGE_ERROR_BAD_RESPONSE);
    assert_int_equal(b.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
}

static void test_poll_is_lost_once(void **state) {
    (void)state;
    use_fal();
    b.config.retry.initial_ms = 1;
    script("[{\"method\":\"GET\",\"path_contains\":\"/status\",\"status\":404},"
           " {\"method\":\"GET\",\"path_contains\":\"/status\",\"status\":503}]");
    run_ok();
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
}

/* ---- addresses of the job ------------------------------------------------------------------------------ */

/* An address elsewhere is never asked: the job's place at the origin that the key is for is known. */
static void test_foreign_addresses(void **state) {
    (void)state;
    use_fal();
    script("[{\"jobs\":{\"polls\":1,\"elsewhere\":true},"
           "  "
           "\"merge\":{\"response_url\":\"{FILES}/f/x/result\",\"cancel_url\":\"https://example.com/"
           "cancel\"}}]");
    run_ok();
    assert_int_equal(log_count(b.log, "GET", "fal/queue/fal-ai/flux-2/requests/" FIRST_JOB "/status?logs=1"),
                     2);
    assert_int_equal(log_count(b.log, NULL, "/f/x/result"), 0);
    assert_int_equal(log_count(b.log, NULL, "/jobs/"), 0);
}

static void test_addresses_are_missing(void **state) {
    (void)state;
    use_fal();
    script("[{\"merge\":{\"response_url\":null,\"status_url\":7,\"cancel_url\":\"\",\"status\":null}}]");
    b.config.model = "fal-ai/flux-pro/v1.1";
    run_ok();
    assert_int_equal(
        log_count(b.log, "GET", "fal/queue/fal-ai/flux-pro/requests/" FIRST_JOB "/status?logs=1"), 4);
}

/* What the reply gives is used as it is. */
static void test_addresses_are_used(void **state) {
    (void)state;
    use_fal();
    script(
        "[{\"merge\":{\"status_url\":\"{API}/s/{SESSION}/fal/queue/fal-ai/other/requests/a/status?x=1\"}},"
        " {\"path_contains\":\"fal-ai/other/requests/a/status?x=1&logs=1\",\"method\":\"GET\",\"status\":200,"
        "  \"body\":{\"status\":\"COMPLETED\"}},"
        " {\"path_contains\":\"fal-ai/flux-2/requests/\",\"method\":\"GET\",\"status\":200,"
        "  \"body\":{\"images\":[{\"url\":\"{FILES}/f/{SESSION}/static/8x8.png\"}]}}]");
    run_ok();
    assert_int_equal(requests(), 4);
}

static void test_bad_job_ids(void **state) {
    static const char *const ids[] = {"\"\"", "null", "\"a/b\"", "\"a b\"", "[]", "\"..%2f\""};
    char text[128];
    size_t i;
    (void)state;
    use_fal();
    for (i = 0; i < COUNT(ids); i++) {
        snprintf(text, sizeof text, "[{\"merge\":{\"request_id\":%s}}]", ids[i]);
        script(text);
        run();
        expect(TARASH_IMAGE_ERROR_BAD_RESPONSE);
        assert_int_equal(log_count(b.log, "GET", NULL), 0);
    }
}

/* Namespaces, and characters that a URL can't have as they are. */
static void test_paths_of_models(void **state) {
    static const char *const rows[][3] = {
        {"workflows/me/my-flow/v2", "workflows/me/my-flow/v2",
         "workflows/me/my-flow/requests/j1/status?logs=1"},
        {"comfy/me/flow", "comfy/me/flow", "comfy/me/flow/requests/j1/status?logs=1"},
        {"me/a b?c#d/e", "me/a%20b%3Fc%23d/e", "me/a%20b%3Fc%23d/requests/j1/status?logs=1"},
        {"fal-ai/x", "fal-ai/x", "fal-ai/x/requests/j1/status?logs=1"}};
    size_t i;
    (void)state;
    use_fal();
    for (i = 0; i < COUNT(rows); i++) {
        assert_int_equal(control_reset(b.session), 0);
        script("[{\"status\":200,\"body\":{\"request_id\":\"j1\"}},"
               " {\"method\":\"GET\",\"status\":200,\"body\":{\"status\":\"COMPLETED\",\"error\":\"no\"}}]");
        b.config.model = rows[i][0];
        run();
        expect(TARASH_IMAGE_ERROR_GENERATION_FAILED);
        expect_fal_path(log_entry(b.log, 0), rows[i][1]);
        expect_fal_path(log_entry(b.log, 1), rows[i][2]);
    }
}

static void test_priority(void **state) {
    static const tarash_image_header mine[] = {{"X-Fal-Queue-Priority", "normal"}, {"X-Fal-Store-IO", "0"}};
    (void)state;
    use_fal();
    b.config.provider_config = "{\"priority\":\"low\"}";
    run_ok();
    expect_header(log_entry(b.log, 0), "X-Fal-Queue-Priority", "low");
    b.config.headers = mine;
    b.config.header_count = COUNT(mine);
    assert_int_equal(control_reset(b.session), 0);
    run_ok();
    expect_header(log_entry(b.log, 0), "X-Fal-Queue-Priority", "normal");
    expect_header(log_entry(b.log, 0), "X-Fal-Store-IO", "0");
}

/* ---- cancel and resume --------------------------------------------------------------------------------- */

static tarash_image_job submit_and_wait(const char *behaviours, int seen) {
    tarash_image_job job;
    if (behaviours) script(behaviours);
    job = tarash_image_submit(b.client, &b.config, &b.request);
    while (!control_wait(b.session, seen, 0, 0, 0)) (void)tarash_image_poll(b.client, 5);
    (void)tarash_image_poll(b.client, 5);
    return job;
}

static void test_cancel(void **state) {
    tarash_image_job job;
    const cJSON *entry;
    int i;
    (void)state;
    use_fal();
    b.config.poll_interval_ms = 60000;
    job = submit_and_wait("[{\"jobs\":{\"polls\":100}}]", 1);
    for (i = 0; i < 1000 && tarash_image_job_status(b.client, job, NULL) != TARASH_IMAGE_STATUS_QUEUED; i++)
        (void)tarash_image_poll(b.client, 5);
    for (i = 0; i < 20; i++) (void)tarash_image_poll(b.client, 5);
    tarash_image_cancel(b.client, job);
    for (i = 0; i < 1000 && !control_wait(b.session, 2, 0, 0, 0); i++) (void)tarash_image_poll(b.client, 5);
    b.result = tarash_image_take(b.client, job, &b.response);
    expect(TARASH_IMAGE_ERROR_CANCELLED);
    b.log = control_log(b.session);
    entry = log_entry(b.log, 1);
    expect_text("the method", log_text(entry, "method"), "PUT");
    expect_fal_path(entry, "fal-ai/flux-2/requests/" FIRST_JOB "/cancel");
    expect_header(entry, "Authorization", "Key " KEY);
    expect_header(entry, "Content-Length", "0");
    expect_no_header(entry, "Content-Type");
    expect_no_header(entry, "Transfer-Encoding");
}

static void test_resume(void **state) {
    tarash_image_text token;
    tarash_image_job job;
    int i;
    (void)state;
    use_fal();
    b.config.model = "fal-ai/flux/dev";
    b.request.n = 2;
    b.request.size = "64x64";
    b.config.poll_interval_ms = 60000;
    job = submit_and_wait("[{\"jobs\":{\"polls\":1}}]", 1);
    for (i = 0; i < 20; i++) (void)tarash_image_poll(b.client, 5);
    assert_int_equal(tarash_image_job_token(b.client, job, &token), TARASH_IMAGE_OK);
    assert_null(strstr(token.data, KEY));
    tarash_image_client_destroy(b.client);
    b.client = tarash_image_client_create(NULL);
    assert_int_equal(control_wait(b.session, 2, 0, 0, 2000), 1); /* the destroyed client's cancel */
    assert_int_equal(control_reset(b.session), 0);
    script("[{\"path_contains\":\"/"
           "status\",\"method\":\"GET\",\"status\":200,\"body\":{\"status\":\"COMPLETED\"}},"
           " {\"path_contains\":\"fal-ai/flux/requests/" FIRST_JOB "\",\"method\":\"GET\",\"status\":200,"
           "  \"body\":{\"images\":[{\"url\":\"{FILES}/f/{SESSION}/static/8x8.png\"},"
           "  {\"url\":\"{FILES}/f/{SESSION}/static/9x9.png\"}],\"prompt\":\"p\",\"seed\":4}}]");
    b.config.model = NULL;
    b.config.poll_interval_ms = 1;
    job = tarash_image_resume(b.client, &b.config, token.data);
    while (tarash_image_poll(b.client, 50) > 0) continue;
    b.result = tarash_image_take(b.client, job, &b.response);
    expect(TARASH_IMAGE_OK);
    assert_int_equal(b.response.image_count, 2);
    assert_int_equal(b.response.images[1].width, 9);
    assert_true(b.response.images[1].seed == 4);
    assert_null(b.response.images[0].revised_prompt); /* whether it was revised can't be known */
    b.log = control_log(b.session);
    assert_int_equal(log_count(b.log, "POST", NULL), 0);
    expect_header(log_entry(b.log, 0), "Authorization", "Key " KEY);
    tarash_image_text_free(&token);
}

/* ---- the direct call ----------------------------------------------------------------------------------- */

static void test_direct(void **state) {
    static const char *const names[] = {"Host",         "User-Agent",     "Accept",       "Accept-Encoding",
                                        "Content-Type", "Content-Length", "Authorization"};
    (void)state;
    use("fal", "fal/run");
    b.config.provider_config = "{\"direct\":true}";
    b.request.size = "512x512";
    run_ok();
    assert_int_equal(requests(), 2);
    expect_path(log_entry(b.log, 0), "fal/run/fal-ai/flux-2");
    expect_header_names(log_entry(b.log, 0), names, COUNT(names));
    expect_body(log_entry(b.log, 0), "{" P ",\"image_size\":{\"width\":512,\"height\":512}}");
    expect_picture(&b.response.images[0], "image/png");
}

/* Without a base URL the call goes to the host that it belongs to. */
static void test_direct_host(void **state) {
    tarash_image_text plan;
    (void)state;
    use_fal();
    b.config.base_url = NULL;
    b.config.provider_config = "{\"direct\":true}";
    assert_int_equal(tarash_image_plan(b.client, &b.config, &b.request, &plan), TARASH_IMAGE_OK);
    expect_in("the plan", plan.data, "\"https://fal.run/fal-ai/flux-2\"");
    expect_in("the plan", plan.data, "Authorization");
    tarash_image_text_free(&plan);
    b.config.provider_config = NULL;
    assert_int_equal(tarash_image_plan(b.client, &b.config, &b.request, &plan), TARASH_IMAGE_OK);
    expect_in("the plan", plan.data, "\"https://queue.fal.run/fal-ai/flux-2\"");
    tarash_image_text_free(&plan);
}

static void test_sync_mode(void **state) {
    int with_sink;
    char path[512];
    tarash_image_sink sink;
    (void)state;
    use_fal();
    memset(&sink, 0, sizeof sink);
    b.config.provider_config = "{\"sync_mode\":true}";
    b.request.prompt = "fox";
    b.request.size = "512x512";
    b.request.n = 2;
    for (with_sink = 0; with_sink < 2; with_sink++) {
        if (with_sink) b.request.sink = &sink;
        sink.path = temporary_path(path, sizeof path, "sync-{index}.{ext}");
        assert_int_equal(control_reset(b.session), 0);
        run_ok();
        assert_int_equal(log_count(b.log, NULL, "/f/"), 0);
        assert_int_equal(b.response.image_count, 2);
        assert_null(b.response.images[1].url);
        assert_null(strstr(b.response.raw_response, "base64,iVBOR"));
        if (!with_sink) expect_drawn(&b.response.images[0], "fox", "512x512");
    }
    assert_non_null(b.response.images[1].path);
    assert_true(file_exists(b.response.images[1].path));
}

/* ---- results in each shape ----------------------------------------------------------------------------- */

#define DONE(body)                                                                                           \
    "[{\"path_contains\":\"/status\",\"method\":\"GET\",\"status\":200,\"body\":{\"status\":\"COMPLETED\","  \
    "\"logs\":null,\"metrics\":{}}},{\"path_contains\":\"/requests/\",\"method\":\"GET\",\"status\":200,"    \
    "\"body\":" body "}]"
#define STATIC(name) "{FILES}/f/{SESSION}/static/" name

static void run_done(const char *behaviours) {
    assert_int_equal(control_reset(b.session), 0);
    script(behaviours);
    run();
}

static void test_shapes(void **state) {
    (void)state;
    use_fal();
    run_done(DONE("{\"image\":{\"url\":\"" STATIC("8x8.png") "\",\"width\":null,\"content_type\":null}}"));
    expect(TARASH_IMAGE_OK);
    assert_int_equal(b.response.images[0].width, 8);
    run_done(DONE(
        "{\"images\":[{\"url\":\"" STATIC("8x8.png") "\"}],\"image\":{\"url\":\"" STATIC("9x9.png") "\"}}"));
    expect(TARASH_IMAGE_OK);
    assert_int_equal(b.response.image_count, 1);
    run_done(DONE("{\"images\":[],\"image\":{\"url\":\"" STATIC("9x9.svg") "\"}}"));
    expect(TARASH_IMAGE_OK);
    expect_text("the type", b.response.images[0].mime_type, "image/svg+xml");
    run_done(
        DONE("{\"images\":[null,7,{\"url\":\"" STATIC("8x8.jpg") "\",\"file_data\":null}],\"seed\":\"5\"}"));
    expect(TARASH_IMAGE_OK);
    expect_text("the type", b.response.images[0].mime_type, "image/jpeg");
    assert_true(b.response.images[0].seed == 5);
    run_done(DONE(
        "{\"images\":[{\"url\":\"" STATIC("8x8.png") "\"}],\"seed\":1e99,\"prompt\":\"A fox, retold\"}"));
    expect(TARASH_IMAGE_OK);
    assert_int_equal(b.response.images[0].has_seed, 0);
    expect_text("the prompt", b.response.images[0].revised_prompt, "A fox, retold");
    run_done(DONE(
        "{\"images\":[{\"url\":\"" STATIC("8x8.png") "\"}],\"revised_prompt\":\"Grok's\",\"prompt\":7}"));
    expect(TARASH_IMAGE_OK);
    expect_text("the prompt", b.response.images[0].revised_prompt, "Grok's");
}

static void test_file_data(void **state) {
    char text[2048], base64[1024];
    (void)state;
    use_fal();
    encode_base64(tiny_jpeg, tiny_jpeg_size, base64);
    snprintf(text, sizeof text, DONE("{\"images\":[{\"file_data\":\"%s\",\"url\":null}]}"), base64);
    run_done(text);
    expect(TARASH_IMAGE_OK);
    assert_int_equal(b.response.images[0].size, tiny_jpeg_size);
    assert_memory_equal(b.response.images[0].data, tiny_jpeg, tiny_jpeg_size);
}

static void test_no_image(void **state) {
    static const char *const bodies[] = {DONE("{\"images\":[]}"), DONE("{\"images\":7,\"image\":null}"),
                                         DONE("{}"), DONE("{\"images\":[{\"url\":\"\"}]}")};
    size_t i;
    (void)state;
    use_fal();
    for (i = 0; i < COUNT(bodies); i++) {
        run_done(bodies[i]);
        expect(TARASH_IMAGE_ERROR_GENERATION_FAILED);
        assert_int_equal(b.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
    }
}

static void test_url_output(void **state) {
    (void)state;
    use_fal();
    b.request.output = TARASH_IMAGE_OUTPUT_URL;
    run_ok();
    assert_int_equal(log_count(b.log, NULL, "/f/"), 0);
    assert_null(b.response.images[0].data);
    expect_in("the URL", b.response.images[0].url, "/image-1.png");
}

/* ---- moderation ---------------------------------------------------------------------------------------- */

static void test_flagged_images(void **state) {
    (void)state;
    use_fal();
    b.request.n = 2;
    b.request.size = "512x512";
    script("[{\"moderation\":\"mixed\"}]");
    run_ok();
    assert_int_equal(b.response.image_count, 1);
    expect_in("the image that is left", b.response.images[0].url, "image-2");
    expect_warnings("n=2>1");
    script("[{\"moderation\":\"items\"}]");
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    expect_text("the code", b.response.error.provider_code, "has_nsfw_concepts");
    run_done(DONE("{\"images\":[{\"url\":\"" STATIC("8x8.png") "\"}],\"nsfw_content_detected\":[true]}"));
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    run_done(DONE("{\"images\":[{\"url\":\"" STATIC("8x8.png") "\"}],\"has_nsfw_concepts\":\"true\"}"));
    expect(TARASH_IMAGE_OK);
}

/* Who switches the checker off wants the images whatever it says. */
static void test_flags_without_checker(void **state) {
    (void)state;
    use_fal();
    b.request.extra_params = "{\"enable_safety_checker\":false}";
    script("[{\"moderation\":\"items\"}]");
    run_ok();
    assert_int_equal(b.response.image_count, 1);
}

/* A flagged image that comes within the answer never reaches the sink. */
static void test_flagged_images_and_sink(void **state) {
    char path[512];
    tarash_image_sink sink;
    (void)state;
    use_fal();
    memset(&sink, 0, sizeof sink);
    sink.path = temporary_path(path, sizeof path, "flagged-{index}.{ext}");
    b.request.sink = &sink;
    b.request.n = 2;
    b.request.size = "512x512";
    b.config.provider_config = "{\"sync_mode\":true}";
    script("[{\"moderation\":\"mixed\"}]");
    run_ok();
    assert_int_equal(b.response.image_count, 1);
    assert_false(file_exists(temporary_path(path, sizeof path, "flagged-1.png")));
    assert_true(file_exists(temporary_path(path, sizeof path, "flagged-0.png")));
}

/* ---- failures ------------------------------------------------------------------------------------------ */

typedef struct failure_row {
    const char *name;
    const char *script;
    tarash_image_result result;
    const char *code; /* NULL: not looked at */
    const char *message;
    tarash_image_delivery delivery;
    int is_direct;
} failure_row;

#define ACCEPTED TARASH_IMAGE_DELIVERY_ACCEPTED
#define REJECTED TARASH_IMAGE_DELIVERY_REJECTED
#define UNKNOWN  TARASH_IMAGE_DELIVERY_UNKNOWN
#define DETAIL(loc, msg, type)                                                                               \
    "{\"detail\":[{\"loc\":[" loc "],\"msg\":\"" msg "\",\"type\":\"" type                                   \
    "\",\"ctx\":{},\"input\":\"secret\"}]}"

static const failure_row failure_rows[] = {
    {"the platform failed", "[{\"jobs\":{\"polls\":1,\"fail\":true}}]", TARASH_IMAGE_ERROR_GENERATION_FAILED,
     "runner_disconnected", "The runner went away.", ACCEPTED, 0},
    {"the platform took too long", "[{\"jobs\":{\"polls\":1,\"fail\":\"request_timeout\"}}]",
     TARASH_IMAGE_ERROR_TIMEOUT, "request_timeout", "Request timed out", ACCEPTED, 0},
    {"cancelled at the provider", "[{\"jobs\":{\"polls\":1,\"fail\":\"client_cancelled\"}}]",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "client_cancelled", "cancelled", ACCEPTED, 0},
    {"the model failed", "[{\"jobs\":{\"polls\":1,\"fail\":\"model\"}}]", TARASH_IMAGE_ERROR_VALIDATION,
     "image_load_error", "image_url: Failed to load the image.", ACCEPTED, 0},
    {"the model refused", "[{\"jobs\":{\"polls\":1,\"moderation\":true}}]",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, "content_policy_violation",
     "prompt: The content could not be processed", ACCEPTED, 0},
    {"the model broke, and says so for good", "[{\"jobs\":{\"polls\":1,\"result_status\":500}}]",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "internal_server_error", "The model failed.", ACCEPTED, 0},
    {"the model took too long",
     "[{\"jobs\":{\"polls\":1}},{\"method\":\"GET\",\"path_contains\":\"/status\","
     "\"status\":200,\"body\":{\"status\":\"COMPLETED\"}},"
     "{\"method\":\"GET\",\"status\":504,\"body\":" DETAIL("\"body\"", "slow", "generation_timeout") "}]",
     TARASH_IMAGE_ERROR_TIMEOUT, "generation_timeout", "slow", ACCEPTED, 0},
    {"no media",
     "[{\"jobs\":{\"polls\":1}},{\"method\":\"GET\",\"path_contains\":\"/status\","
     "\"status\":200,\"body\":{\"status\":\"COMPLETED\"}},"
     "{\"method\":\"GET\",\"status\":422,\"body\":" DETAIL("\"body\"", "none", "no_media_generated") "}]",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "no_media_generated", "none", ACCEPTED, 0},
    {"an error that is an object",
     "[{\"method\":\"GET\",\"path_contains\":\"/status\",\"status\":200,\"body\":{\"status\":\"COMPLETED\","
     "\"error\":{\"message\":\"It broke\"}}}]",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "", "It broke", ACCEPTED, 0},
    {"an error type alone",
     "[{\"method\":\"GET\",\"path_contains\":\"/status\",\"status\":200,\"body\":{\"status\":\"COMPLETED\","
     "\"error\":null,\"error_type\":\"internal_error\"}}]",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "internal_error", "says no more", ACCEPTED, 0},
    {"an error within the status that is a refusal",
     "[{\"method\":\"GET\",\"path_contains\":\"/status\",\"status\":200,\"body\":{\"status\":\"COMPLETED\","
     "\"error\":\"flagged by our content policy\"}}]",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, "", "content policy", ACCEPTED, 0},
    {"the job has vanished", "[{\"jobs\":{\"vanish\":true}}]", TARASH_IMAGE_ERROR_HTTP, "not_found",
     "Request not found", ACCEPTED, 0},
    {"refused at once", "[{\"moderation\":\"http\"}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION,
     "content_policy_violation", "prompt: The content", REJECTED, 0},
    {"refused directly", "[{\"moderation\":true}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION,
     "content_policy_violation", "prompt: The content", REJECTED, 1},
    {"a refusal among others",
     "[{\"status\":422,\"body\":{\"detail\":[{\"loc\":[\"body\",\"image_urls\",0],\"msg\":\"small\","
     "\"type\":\"image_too_small\"},{\"loc\":[\"body\"],\"msg\":\"no\",\"type\":\"content_policy_violation\"}"
     "]}}]",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, "content_policy_violation", "image_urls.0: small", REJECTED, 0},
    {"a field of the wrong value",
     "[{\"status\":422,\"body\":" DETAIL("\"body\",\"num_images\"", "too many", "less_than_equal") "}]",
     TARASH_IMAGE_ERROR_VALIDATION, "less_than_equal", "num_images: too many", REJECTED, 0},
    {"a bad request", "[{\"status\":400}]", TARASH_IMAGE_ERROR_VALIDATION, NULL, "Invalid request", REJECTED,
     0},
    {"a model that isn't there", "[{\"status\":404,\"body\":{\"detail\":\"Application 'x' not found\"}}]",
     TARASH_IMAGE_ERROR_HTTP, NULL, "Application 'x' not found", REJECTED, 0},
    {"no balance",
     "[{\"status\":403,\"body\":{\"detail\":\"User is locked. Reason: Exhausted balance. Top up.\"}}]",
     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, NULL, "Exhausted balance", REJECTED, 0},
    {"not allowed", "[{\"status\":403}]", TARASH_IMAGE_ERROR_AUTHENTICATION, NULL, "access", REJECTED, 0},
    {"too many requests", "[{\"status\":429,\"headers\":{\"Retry-After\":\"7\"}}]",
     TARASH_IMAGE_ERROR_RATE_LIMITED, NULL, "", REJECTED, 0},
    {"a message in place of a detail", "[{\"status\":500,\"body\":{\"message\":\"Oh no\"}}]",
     TARASH_IMAGE_ERROR_HTTP, NULL, "Oh no", REJECTED, 0},
    {"the platform's word in a header",
     "[{\"status\":503,\"body\":{\"detail\":\"later\"},\"headers\":{\"X-Fal-Error-Type\":"
     "\"runner_scheduling_failure\"}}]",
     TARASH_IMAGE_ERROR_HTTP, "runner_scheduling_failure", "later", REJECTED, 1},
    {"the limit that the user set has passed",
     "[{\"status\":504,\"body\":{\"detail\":\"Request timed out\",\"error_type\":\"request_timeout\"},"
     "\"headers\":{\"X-Fal-Request-Timeout-Type\":\"user\",\"X-Fal-Retryable\":\"true\"}}]",
     TARASH_IMAGE_ERROR_TIMEOUT, "request_timeout", "Request timed out", UNKNOWN, 1},
    {"no JSON at all", "[{\"status\":502,\"error_shape\":\"html\"}]", TARASH_IMAGE_ERROR_HTTP, "", "nginx",
     UNKNOWN, 0},
};

static void test_failure(void **state) {
    const failure_row *row = (const failure_row *)*state;
    use("fal", row->is_direct ? "fal/run" : "fal/queue");
    if (row->is_direct) b.config.provider_config = "{\"direct\":true}";
    b.config.poll_interval_ms = 1;
    b.config.retry.initial_ms = 1;
    script(row->script);
    run();
    expect(row->result);
    if (row->code) expect_text("the code", b.response.error.provider_code, row->code);
    expect_in("the message", b.response.error.message, row->message);
    assert_int_equal(b.response.error.delivery, row->delivery);
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
    assert_null(strstr(b.response.error.message, "secret")); /* what the error repeats of the input */
}

static void test_wrong_key(void **state) {
    (void)state;
    use_fal();
    b.config.api_key = "bad0badb-1111:bad2222233334444";
    run();
    expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
    expect_in("the message", b.response.error.message, "No user found");
    refuse_text("error.message", b.response.error.message, "bad2222233334444");
    refuse_text("a log line", b.lines.text, "bad2222233334444");
}

static void test_two_part_key(void **state) {
    (void)state;
    use_fal();
    b.config.api_key = NULL;
    setenv("FAL_KEY_ID", "12345678-aaaa", 1);
    setenv("FAL_KEY_SECRET", "0123456789abcdef", 1);
    run_ok();
    expect_header(log_entry(b.log, 0), "Authorization", "Key 12345678-aaaa:0123456789abcdef");
    setenv("FAL_API_KEY", "sk-two", 1);
    assert_int_equal(control_reset(b.session), 0);
    run_ok();
    expect_header(log_entry(b.log, 0), "Authorization", "Key sk-two");
    setenv("FAL_KEY", "sk-one", 1);
    assert_int_equal(control_reset(b.session), 0);
    run_ok();
    expect_header(log_entry(b.log, 0), "Authorization", "Key sk-one");
}

/* ---- another try: the provider's word goes before the status ------------------------------------------- */

typedef struct retry_row {
    const char *name;
    const char *script; /* of the first try */
    int tries;
} retry_row;

static const retry_row retry_rows[] = {
    {"503 is tried again", "[{\"status\":503}]", 2},
    {"unless it is not to be", "[{\"status\":503,\"headers\":{\"X-Fal-Retryable\":\"false\"}}]", 1},
    {"422 is not tried again", "[{\"status\":422}]", 1},
    {"unless it may be", "[{\"status\":422,\"headers\":{\"X-Fal-Retryable\":\"true\"}}]", 2},
    {"or needs to be",
     "[{\"status\":422,\"headers\":{\"X-Fal-Needs-Retry\":\"1\",\"X-Fal-Retryable\":null}}]", 2},
    {"a word that isn't one", "[{\"status\":503,\"headers\":{\"X-Fal-Retryable\":\"perhaps\"}}]", 2},
    {"502 may have made images", "[{\"status\":502,\"headers\":{\"X-Fal-Retryable\":\"true\"}}]", 1},
    {"504 with its reason, never",
     "[{\"status\":504,\"headers\":{\"X-Fal-Request-Timeout-Type\":\"user\",\"X-Fal-Retryable\":\"true\"}}]",
     1},
    {"a refusal, never", "[{\"moderation\":\"http\",\"headers\":{\"X-Fal-Retryable\":\"true\"}}]", 1},
};

static void test_retry(void **state) {
    const retry_row *row = (const retry_row *)*state;
    use_fal();
    b.config.max_retries = 2;
    b.config.retry.initial_ms = 1;
    script(row->script);
    run();
    assert_int_equal(b.result == TARASH_IMAGE_OK, row->tries == 2);
    assert_int_equal(log_count(b.log, "POST", NULL), row->tries);
}

/* A timed-out status is asked for again, unless the header says that the request is over. */
static void test_status_timeout(void **state) {
    (void)state;
    use_fal();
    b.config.retry.initial_ms = 1;
    script("[{\"method\":\"GET\",\"path_contains\":\"/status\",\"status\":504}]");
    run_ok();
    assert_int_equal(control_reset(b.session), 0);
    script("[{\"method\":\"GET\",\"path_contains\":\"/status\",\"status\":504,"
           "  \"headers\":{\"X-Fal-Request-Timeout-Type\":\"user\"}}]");
    run();
    assert_int_not_equal(b.result, TARASH_IMAGE_OK);
    assert_int_equal(log_count(b.log, "GET", "/status"), 1);
}

/* ---- memory -------------------------------------------------------------------------------------------- */

/* One run that refuses allocation number `at` (0 = none); returns how many there were. */
static size_t run_short_of_memory(size_t at, const char *behaviours) {
    tarash_image_client_desc desc;
    counting_allocator memory;
    tarash_image_client *client;
    size_t calls;
    memset(&desc, 0, sizeof desc);
    memset(&memory, 0, sizeof memory);
    memory.fill = 1;
    memory.fail_at = at;
    desc.allocator = counting_allocator_functions(&memory);
    client = tarash_image_client_create(&desc);
    b.result = TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    assert_int_equal(control_reset(b.session), 0);
    script(behaviours);
    if (client) b.result = tarash_image_generate(client, &b.config, &b.request, &b.response);
    calls = memory.calls;
    tarash_image_response_free(&b.response);
    tarash_image_client_destroy(client);
    assert_int_equal(memory.live_blocks, 0);
    return calls;
}

static void test_memory(void **state) {
    static const char *const scripts[] = {
        "[{\"jobs\":{\"polls\":0},\"image_result\":{\"size\":\"8x8\"}}]",
        "[{\"status\":422,\"body\":{\"detail\":[{\"loc\":[\"body\",\"a\"],\"msg\":\"m\",\"type\":\"t\"}]}}]"};
    size_t i, at, calls;
    (void)state;
    use_fal();
    b.config.model = "fal-ai/nano-banana-pro";
    b.request.images = one_png;
    b.request.image_count = 1;
    b.request.size = "512x512";
    for (i = 0; i < COUNT(scripts); i++) {
        tarash_image_result result;
        calls = run_short_of_memory(0, scripts[i]);
        result = b.result;
        assert_int_equal(result, i == 0 ? TARASH_IMAGE_OK : TARASH_IMAGE_ERROR_VALIDATION);
        for (at = 1; at <= calls; at++) {
            (void)run_short_of_memory(at, scripts[i]);
            if (b.result != result && b.result != TARASH_IMAGE_ERROR_OUT_OF_MEMORY)
                fail_msg("allocation %d: %s", (int)at, tarash_image_result_name(b.result));
        }
    }
}

/* ---- running ------------------------------------------------------------------------------------------- */

int main(void) {
    const struct CMUnitTest others[] = {
        TEST(test_image_sources),
        TEST(test_mask_polarity),
        TEST(test_refused_before_sending),
        TEST(test_unknown_model),
        TEST(test_registered_mapping),
        TEST(test_rows_agree_with_mappings),
        TEST(test_queue),
        TEST(test_progress),
        TEST(test_progress_without_percents),
        TEST(test_unknown_status),
        TEST(test_status_is_missing),
        TEST(test_poll_is_lost_once),
        TEST(test_foreign_addresses),
        TEST(test_addresses_are_missing),
        TEST(test_addresses_are_used),
        TEST(test_bad_job_ids),
        TEST(test_paths_of_models),
        TEST(test_priority),
        TEST(test_cancel),
        TEST(test_resume),
        TEST(test_direct),
        TEST(test_direct_host),
        TEST(test_sync_mode),
        TEST(test_shapes),
        TEST(test_file_data),
        TEST(test_no_image),
        TEST(test_url_output),
        TEST(test_flagged_images),
        TEST(test_flags_without_checker),
        TEST(test_flagged_images_and_sink),
        TEST(test_wrong_key),
        TEST(test_two_part_key),
        TEST(test_status_timeout),
        TEST(test_memory),
    };
    int failed = 0;
    if (server_start() != 0 || prepare_inputs() != 0) return 1;
    RUN_ROWS(size_rows, test_request, tear_down);
    RUN_ROWS(image_rows, test_request, tear_down);
    RUN_ROWS(operation_rows, test_request, tear_down);
    RUN_ROWS(failure_rows, test_failure, tear_down);
    RUN_ROWS(retry_rows, test_retry, tear_down);
    failed += cmocka_run_group_tests(others, NULL, NULL);
    server_stop();
    return failed != 0;
}
