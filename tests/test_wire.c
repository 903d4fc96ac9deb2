/* What goes over the wire: whole requests against what each provider's own client sends, and replies in every
   shape that providers give them. Real sockets, loopback only. */

#include "wire.h"

#include <ctype.h>

/* A picture of one pixel, and a whole answer with it. */
#define DOT "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
#define ANY_REQUEST                                                                                          \
    "[{\"status\":200,\"times\":-1,\"body\":{\"created\":7,\"data\":[{\"b64_json\":\"" DOT "\"}]}}]"

/* ---- requests without images: one row, one JSON body --------------------------------------------------- */

typedef struct body_row {
    const char *name;
    const char *provider; /* NULL: openai */
    const char *rest;     /* of the base URL; NULL: openai/v1 */
    const char *model;
    tarash_image_request request; /* the prompt is filled in where it is NULL */
    const char *options;          /* provider_config */
    const char *script;
    const char *path; /* NULL: openai/v1/images/generations */
    const char *body;
    const char *warnings; /* NULL: none */
    int calls;            /* 0: one */
} body_row;

#define P "\"prompt\":\"" PROMPT "\""
#define EXTRA(json)                                                                                          \
    { .extra_params = json }

static const body_row openai_rows[] = {
    {.name = "openai: a prompt alone", .body = "{\"model\":\"gpt-image-2.5-flare\"," P "}"},
    {.name = "openai: n of 1 is said if it was",
     .request = {.n = 1},
     .body = "{\"model\":\"gpt-image-2.5-flare\",\"n\":1," P "}"},
    {.name = "openai: 2.5 with everything",
     .request = {.n = 2,
                 .size = "1536x864",
                 .quality = "medium",
                 .output_format = "webp",
                 .background = "opaque",
                 .user = "u_9f2c"},
     .body = "{\"model\":\"gpt-image-2.5-flare\"," P ",\"n\":2,\"size\":\"1536x864\",\"quality\":\"medium\","
             "\"output_format\":\"webp\",\"background\":\"opaque\",\"user\":\"u_9f2c\"}"},
    {.name = "openai: 2.5 snapshot, xhigh, transparent",
     .model = "gpt-image-2.5-sunburst-2026-09-08",
     .request = {.quality = "xhigh", .background = "transparent", .size = "auto"},
     .body = "{\"model\":\"gpt-image-2.5-sunburst-2026-09-08\"," P
             ",\"quality\":\"xhigh\",\"background\":\"transparent\",\"size\":\"auto\"}"},
    {.name = "openai: 2.6 with everything",
     .model = "gpt-image-2.6-sunburst",
     .request = {.n = 3,
                 .size = "3840x2160",
                 .quality = "max",
                 .output_format = "jpeg",
                 .background = "auto",
                 .user = "me"},
     .body = "{\"model\":\"gpt-image-2.6-sunburst\"," P ",\"n\":3,\"size\":\"3840x2160\",\"quality\":\"max\","
             "\"output_format\":\"jpeg\",\"background\":\"auto\",\"user\":\"me\"}"},
    {.name = "openai: 2.6 gif",
     .model = "gpt-image-2.6-flare",
     .request = {.output_format = "gif", .size = "816x816"},
     .body = "{\"model\":\"gpt-image-2.6-flare\"," P ",\"output_format\":\"gif\",\"size\":\"816x816\"}"},
    {.name = "openai: gif is 2.6's",
     .request = {.output_format = "gif"},
     .body = "{\"model\":\"gpt-image-2.5-flare\"," P "}",
     .warnings = "output_format=gif>"},
    {.name = "openai: gpt-image-2 with everything",
     .model = "gpt-image-2",
     .request = {.n = 2,
                 .size = "1024x1536",
                 .quality = "high",
                 .output_format = "png",
                 .background = "opaque",
                 .user = "u"},
     .body = "{\"model\":\"gpt-image-2\"," P ",\"n\":2,\"size\":\"1024x1536\",\"quality\":\"high\","
             "\"output_format\":\"png\",\"background\":\"opaque\",\"user\":\"u\"}"},
    {.name = "openai: gpt-image-2 has no transparency and no xhigh",
     .model = "gpt-image-2-2026-04-21",
     .request = {.quality = "xhigh", .background = "transparent"},
     .body = "{\"model\":\"gpt-image-2-2026-04-21\"," P ",\"quality\":\"high\"}",
     .warnings = "quality=xhigh>high; background=transparent>"},
    {.name = "openai: gpt-image-1.5 with everything",
     .model = "gpt-image-1.5",
     .request = {.n = 2,
                 .size = "1536x1024",
                 .quality = "low",
                 .output_format = "webp",
                 .background = "transparent",
                 .user = "u"},
     .body = "{\"model\":\"gpt-image-1.5\"," P ",\"n\":2,\"size\":\"1536x1024\",\"quality\":\"low\","
             "\"output_format\":\"webp\",\"background\":\"transparent\",\"user\":\"u\"}"},
    {.name = "openai: gpt-image-1-mini",
     .model = "gpt-image-1-mini",
     .request = {.quality = "auto", .size = "auto"},
     .body = "{\"model\":\"gpt-image-1-mini\"," P ",\"quality\":\"auto\",\"size\":\"auto\"}"},
    {.name = "openai: dall-e-3 with everything",
     .model = "dall-e-3",
     .request = {.n = 1, .size = "1792x1024", .quality = "hd", .style = "vivid", .user = "u"},
     .body = "{\"model\":\"dall-e-3\"," P
             ",\"n\":1,\"size\":\"1792x1024\",\"quality\":\"hd\",\"style\":\"vivid\","
             "\"user\":\"u\",\"response_format\":\"b64_json\"}"},
    {.name = "openai: dall-e-3, standard and natural",
     .model = "dall-e-3",
     .request = {.quality = "standard", .style = "natural"},
     .body = "{\"model\":\"dall-e-3\"," P
             ",\"quality\":\"standard\",\"style\":\"natural\",\"response_format\":\"b64_json\"}"},
    {.name = "openai: dall-e-3 lacks the newer fields",
     .model = "dall-e-3",
     .request = {.output_format = "png", .background = "opaque", .partial_images = 2, .quality = "high"},
     .body = "{\"model\":\"dall-e-3\"," P ",\"quality\":\"hd\",\"response_format\":\"b64_json\"}",
     .warnings = "output_format=png>; background=opaque>; partial_images=2>; quality=high>hd"},
    {.name = "openai: dall-e-3's quality words",
     .model = "dall-e-3",
     .request = {.quality = "low"},
     .body = "{\"model\":\"dall-e-3\"," P ",\"quality\":\"standard\",\"response_format\":\"b64_json\"}",
     .warnings = "quality=low>standard"},
    {.name = "openai: dall-e-3 knows no auto",
     .model = "dall-e-3",
     .request = {.quality = "auto", .size = "auto"},
     .body = "{\"model\":\"dall-e-3\"," P ",\"response_format\":\"b64_json\"}"},
    {.name = "openai: dall-e-3 makes one at a time",
     .model = "dall-e-3",
     .request = {.n = 3},
     .calls = 3,
     .body = "{\"model\":\"dall-e-3\"," P ",\"n\":1,\"response_format\":\"b64_json\"}"},
    {.name = "openai: dall-e-3, a URL",
     .model = "dall-e-3",
     .request = {.output = TARASH_IMAGE_OUTPUT_URL},
     .body = "{\"model\":\"dall-e-3\"," P ",\"response_format\":\"url\"}"},
    {.name = "openai: dall-e-2",
     .model = "dall-e-2",
     .request = {.n = 2, .size = "512x512", .user = "u", .output = TARASH_IMAGE_OUTPUT_BASE64},
     .body = "{\"model\":\"dall-e-2\"," P
             ",\"n\":2,\"size\":\"512x512\",\"user\":\"u\",\"response_format\":\"b64_json\"}"},
    {.name = "openai: dall-e-2 has neither style nor hd",
     .model = "dall-e-2",
     .request = {.style = "vivid", .quality = "hd"},
     .body = "{\"model\":\"dall-e-2\"," P ",\"response_format\":\"b64_json\"}",
     .warnings = "quality=hd>; style=vivid>"},
    {.name = "openai: a model of tomorrow",
     .model = "gpt-image-9",
     .script = ANY_REQUEST,
     .request = {.size = "123x77",
                 .quality = "sublime",
                 .output_format = "avif",
                 .background = "starry",
                 .user = "u"},
     .body = "{\"model\":\"gpt-image-9\"," P ",\"size\":\"123x77\",\"quality\":\"sublime\","
             "\"output_format\":\"avif\",\"background\":\"starry\",\"user\":\"u\"}"},
    {.name = "openai: a model with a slash in its name",
     .provider = "openai",
     .model = "ft:gpt-image-2.5/mine",
     .script = ANY_REQUEST,
     .body = "{\"model\":\"ft:gpt-image-2.5/mine\"," P "}"},
    {.name = "openai: GPT image models answer with bytes",
     .request = {.output = TARASH_IMAGE_OUTPUT_URL},
     .body = "{\"model\":\"gpt-image-2.5-flare\"," P "}",
     .warnings = "output=url>bytes"},
    {.name = "openai: base64 beside the bytes",
     .request = {.output = TARASH_IMAGE_OUTPUT_BASE64},
     .body = "{\"model\":\"gpt-image-2.5-flare\"," P "}"},
    {.name = "openai: hd is high, standard is medium, vivid is nothing",
     .request = {.quality = "hd", .style = "vivid"},
     .body = "{\"model\":\"gpt-image-2.5-flare\"," P ",\"quality\":\"high\"}",
     .warnings = "style=vivid>; quality=hd>high"},
    {.name = "openai: standard is medium",
     .request = {.quality = "standard", .style = "natural"},
     .body = "{\"model\":\"gpt-image-2.5-flare\"," P ",\"quality\":\"medium\"}",
     .warnings = "style=natural>; quality=standard>medium"},
    {.name = "openai: what no model of it has",
     .request = {.negative_prompt = "blur", .has_seed = 1, .seed = 0},
     .body = "{\"model\":\"gpt-image-2.5-flare\"," P "}",
     .warnings = "negative_prompt=blur>; seed=0>"},
    {.name = "openai: jpg is jpeg",
     .request = {.output_format = "jpg"},
     .body = "{\"model\":\"gpt-image-2.5-flare\"," P ",\"output_format\":\"jpeg\"}"},
    {.name = "openai: a size between the steps",
     .request = {.size = "1001x1500"},
     .body = "{\"model\":\"gpt-image-2.5-flare\"," P ",\"size\":\"1008x1504\"}",
     .warnings = "size=1001x1500>1008x1504"},
    {.name = "openai: too many pixels",
     .request = {.size = "4096x4096"},
     .body = "{\"model\":\"gpt-image-2.5-flare\"," P ",\"size\":\"2880x2880\"}",
     .warnings = "size=4096x4096>2880x2880"},
    {.name = "openai: too few pixels",
     .request = {.size = "256x256"},
     .body = "{\"model\":\"gpt-image-2.5-flare\"," P ",\"size\":\"816x816\"}",
     .warnings = "size=256x256>816x816"},
    {.name = "openai: the nearest of a list",
     .model = "gpt-image-1.5",
     .request = {.size = "1792x1024"},
     .body = "{\"model\":\"gpt-image-1.5\"," P ",\"size\":\"1536x1024\"}",
     .warnings = "size=1792x1024>1536x1024"},
    {.name = "openai: dall-e-3 has no portrait of 1536",
     .model = "dall-e-3",
     .request = {.size = "1024x1536"},
     .body = "{\"model\":\"dall-e-3\"," P ",\"size\":\"1024x1792\",\"response_format\":\"b64_json\"}",
     .warnings = "size=1024x1536>1024x1792"},
    {.name = "openai: a ratio becomes a size",
     .request = {.aspect_ratio = "1:1"},
     .body = "{\"model\":\"gpt-image-2.5-flare\"," P ",\"size\":\"1024x1024\"}",
     .warnings = "aspect_ratio=1:1>1024x1024"},
    {.name = "openai: a ratio becomes a listed size",
     .model = "gpt-image-1.5",
     .request = {.aspect_ratio = "9:16"},
     .body = "{\"model\":\"gpt-image-1.5\"," P ",\"size\":\"1024x1536\"}",
     .warnings = "aspect_ratio=9:16>1024x1536"},
    {.name = "openai: a ratio for dall-e-3",
     .model = "dall-e-3",
     .request = {.aspect_ratio = "16:9"},
     .body = "{\"model\":\"dall-e-3\"," P ",\"size\":\"1792x1024\",\"response_format\":\"b64_json\"}",
     .warnings = "aspect_ratio=16:9>1792x1024"},
    {.name = "openai: size wins over the ratio",
     .request = {.size = "1024x1024", .aspect_ratio = "16:9"},
     .body = "{\"model\":\"gpt-image-2.5-flare\"," P ",\"size\":\"1024x1024\"}",
     .warnings = "aspect_ratio=16:9>"},
    {.name = "openai: size and the same ratio",
     .request = {.size = "1024x1024", .aspect_ratio = "1:1"},
     .body = "{\"model\":\"gpt-image-2.5-flare\"," P ",\"size\":\"1024x1024\"}"},
    {.name = "openai: extra_params add",
     .request = EXTRA("{\"moderation\":\"low\",\"output_format\":\"webp\",\"output_compression\":80}"),
     .body = "{\"model\":\"gpt-image-2.5-flare\"," P
             ",\"moderation\":\"low\",\"output_format\":\"webp\",\"output_compression\":80}"},
    {.name = "openai: extra_params win",
     .request = {.quality = "low", .extra_params = "{\"quality\":\"high\",\"prompt\":\"A cat\"}"},
     .body = "{\"model\":\"gpt-image-2.5-flare\",\"prompt\":\"A cat\",\"quality\":\"high\"}"},
    {.name = "openai: null in extra_params removes",
     .request = {.quality = "low", .extra_params = "{\"quality\":null,\"model\":null,\"none\":null}"},
     .script = ANY_REQUEST,
     .body = "{" P "}"},
    {.name = "openai: extra_params of every type",
     .script = ANY_REQUEST,
     .request = EXTRA("{\"a\":{\"b\":[1,2.5,\"x\",true,null]},\"c\":false,\"d\":{},\"e\":\"\\u00e9\\\"\"}"),
     .body = "{\"model\":\"gpt-image-2.5-flare\"," P
             ",\"a\":{\"b\":[1,2.5,\"x\",true,null]},\"c\":false,\"d\":{},\"e\":\"\\u00e9\\\"\"}"},
    {.name = "openai: a prompt of every kind of letter",
     .request = {.prompt = "F\xC3\xBC"
                           "chse \"und\" \\ \t\n\x01 \xF0\x9F\xA6\x8A / <b>"},
     .body = "{\"model\":\"gpt-image-2.5-flare\",\"prompt\":\"F\xC3\xBC"
             "chse \\\"und\\\" \\\\ \\t\\n\\u0001 \xF0\x9F\xA6\x8A / <b>\"}"},
    {.name = "openai: words in capitals",
     .request = {.quality = "High", .background = "OPAQUE", .output_format = "PNG"},
     .body = "{\"model\":\"gpt-image-2.5-flare\"," P
             ",\"quality\":\"high\",\"background\":\"opaque\",\"output_format\":\"png\"}"},
    {.name = "openai: previews ask for a stream",
     .request = {.partial_images = 2},
     .body = "{\"model\":\"gpt-image-2.5-flare\"," P ",\"stream\":true,\"partial_images\":2}"},
    {.name = "openai: previews of two images are two streams",
     .request = {.partial_images = 1, .n = 2},
     .calls = 2,
     .body = "{\"model\":\"gpt-image-2.5-flare\"," P ",\"n\":1,\"stream\":true,\"partial_images\":1}"},
};

#define COMPATIBLE                                                                                           \
    .provider = "openai_compatible", .rest = "compatible/v1", .path = "compatible/v1/images/generations"

static const body_row compatible_rows[] = {
    {COMPATIBLE, .name = "compatible: a prompt alone", .body = "{" P ",\"response_format\":\"b64_json\"}"},
    {COMPATIBLE, .name = "compatible: everything as it is", .model = "my/model-7b",
     .request = {.negative_prompt = "blur",
                 .size = "123x77",
                 .quality = "hd",
                 .style = "vivid",
                 .n = 20,
                 .has_seed = 1,
                 .seed = -5,
                 .output_format = "png",
                 .background = "opaque",
                 .user = "u"},
     .body = "{\"model\":\"my/model-7b\"," P
             ",\"negative_prompt\":\"blur\",\"size\":\"123x77\",\"quality\":\"hd\",\"style\":\"vivid\","
             "\"n\":20,\"seed\":-5,\"output_format\":\"png\",\"background\":\"opaque\",\"user\":\"u\","
             "\"response_format\":\"b64_json\"}"},
    {COMPATIBLE, .name = "compatible: GPT image models are not asked for a form",
     .model = "proxy/gpt-image-1.5", .body = "{\"model\":\"proxy/gpt-image-1.5\"," P "}"},
    {COMPATIBLE, .name = "compatible: response_format turned off", .options = "{\"response_format\":null}",
     .body = "{" P "}"},
    {COMPATIBLE, .name = "compatible: response_format chosen", .options = "{\"response_format\":\"url\"}",
     .body = "{" P ",\"response_format\":\"url\"}"},
    {COMPATIBLE, .name = "compatible: response_format forced on a GPT image model", .model = "gpt-image-2",
     .options = "{\"response_format\":\"b64_json\"}", .script = ANY_REQUEST,
     .body = "{\"model\":\"gpt-image-2\"," P ",\"response_format\":\"b64_json\"}"},
    {COMPATIBLE, .name = "compatible: a URL wanted", .request = {.output = TARASH_IMAGE_OUTPUT_URL},
     .body = "{" P ",\"response_format\":\"url\"}"},
    {COMPATIBLE, .name = "compatible: a ratio becomes a size", .request = {.aspect_ratio = "1:1"},
     .body = "{" P ",\"size\":\"1024x1024\",\"response_format\":\"b64_json\"}",
     .warnings = "aspect_ratio=1:1>1024x1024"},
    {COMPATIBLE, .name = "compatible: extra_params",
     .request = EXTRA("{\"response_format\":null,\"step\":25,\"lora\":{\"a\":1}}"),
     .body = "{" P ",\"step\":25,\"lora\":{\"a\":1}}"},
    {COMPATIBLE, .name = "compatible: an unknown option",
     .options = "{\"organization\":\"org\",\"spice\":\"hot\"}",
     .body = "{" P ",\"response_format\":\"b64_json\"}",
     .warnings = "provider_config.organization=org>; provider_config.spice=hot>"},
    {.provider = "openai-compatible",
     .rest = "compatible/",
     .path = "compatible/images/generations",
     .name = "compatible: another spelling, no /v1, a slash at the end",
     .body = "{" P ",\"response_format\":\"b64_json\"}"},
};

#define XAI      .provider = "xai", .rest = "xai/v1", .path = "xai/v1/images/generations"
#define XAI_BODY "\"model\":\"grok-imagine-image-2.0\"," P ",\"response_format\":\"b64_json\""

static const body_row xai_rows[] = {
    {XAI, .name = "xai: a prompt alone", .body = "{" XAI_BODY "}"},
    {XAI, .name = "xai: everything",
     .request = {.n = 2, .aspect_ratio = "16:9", .quality = "medium", .user = "u"},
     .body = "{" XAI_BODY ",\"n\":2,\"aspect_ratio\":\"16:9\",\"quality\":\"medium\",\"user\":\"u\"}"},
    {XAI, .name = "xai: a small size", .request = {.size = "1024x768"},
     .body = "{" XAI_BODY ",\"aspect_ratio\":\"4:3\",\"resolution\":\"1k\"}",
     .warnings = "size=1024x768>4:3"},
    {XAI, .name = "xai: a large size", .request = {.size = "2048x2048"},
     .body = "{" XAI_BODY ",\"aspect_ratio\":\"1:1\",\"resolution\":\"2k\"}",
     .warnings = "size=2048x2048>1:1"},
    {XAI, .name = "xai: a size between the ratios", .request = {.size = "1000x590"},
     .body = "{" XAI_BODY ",\"aspect_ratio\":\"16:9\",\"resolution\":\"1k\"}",
     .warnings = "size=1000x590>16:9"},
    {XAI, .name = "xai: the widest ratio is 2.0's", .request = {.size = "1260x540"},
     .body = "{" XAI_BODY ",\"aspect_ratio\":\"21:9\",\"resolution\":\"1k\"}",
     .warnings = "size=1260x540>21:9"},
    {XAI, .name = "xai: 1.0 lacks 21:9 and quality", .model = "grok-imagine-image",
     .request = {.aspect_ratio = "21:9", .quality = "low"},
     .body = "{\"model\":\"grok-imagine-image\"," P
             ",\"response_format\":\"b64_json\",\"aspect_ratio\":\"20:9\"}",
     .warnings = "quality=low>; aspect_ratio=21:9>20:9"},
    {XAI, .name = "xai: auto size", .request = {.size = "auto"}, .body = "{" XAI_BODY "}"},
    {XAI, .name = "xai: auto ratio", .request = {.aspect_ratio = "auto"},
     .body = "{" XAI_BODY ",\"aspect_ratio\":\"auto\"}"},
    {XAI, .name = "xai: high is medium", .request = {.quality = "high"},
     .body = "{" XAI_BODY ",\"quality\":\"medium\"}", .warnings = "quality=high>medium"},
    {XAI, .name = "xai: hd is medium", .request = {.quality = "hd"},
     .body = "{" XAI_BODY ",\"quality\":\"medium\"}", .warnings = "quality=hd>medium"},
    {XAI, .name = "xai: size wins over the ratio", .request = {.size = "1024x768", .aspect_ratio = "16:9"},
     .body = "{" XAI_BODY ",\"aspect_ratio\":\"4:3\",\"resolution\":\"1k\"}",
     .warnings = "aspect_ratio=16:9>; size=1024x768>4:3"},
    {XAI, .name = "xai: words in capitals", .request = {.quality = "LOW"},
     .body = "{" XAI_BODY ",\"quality\":\"low\"}"},
    {XAI, .name = "xai: what it lacks",
     .request = {.style = "vivid",
                 .negative_prompt = "blur",
                 .has_seed = 1,
                 .seed = 3,
                 .output_format = "png",
                 .background = "opaque",
                 .partial_images = 1},
     .body = "{" XAI_BODY "}",
     .warnings = "negative_prompt=blur>; style=vivid>; output_format=png>; background=opaque>; seed=3>; "
                 "partial_images=1>"},
    {XAI, .name = "xai: a URL wanted", .request = {.output = TARASH_IMAGE_OUTPUT_URL},
     .body = "{\"model\":\"grok-imagine-image-2.0\"," P ",\"response_format\":\"url\"}"},
    {XAI, .name = "xai: extra_params",
     .request = EXTRA("{\"resolution\":\"2k\",\"storage_options\":{\"filename\":\"g.jpg\"}}"),
     .body = "{" XAI_BODY ",\"resolution\":\"2k\",\"storage_options\":{\"filename\":\"g.jpg\"}}"},
    {.provider = "grok",
     .rest = "xai/v1",
     .path = "xai/v1/images/generations",
     .name = "xai: another spelling",
     .body = "{" XAI_BODY "}"},
};

#define INDOX                                                                                                \
    .provider = "indoxrouter", .rest = "indoxrouter", .path = "indoxrouter/api/v1/images/generations"
#define INDOX_BODY "\"model\":\"openai/gpt-image-2.5-flare\"," P

static const body_row router_rows[] = {
    {INDOX, .name = "indoxrouter: a prompt alone", .body = "{" INDOX_BODY "}"},
    {INDOX, .name = "indoxrouter: everything for an OpenAI model",
     .request = {.n = 2,
                 .size = "1024x1024",
                 .quality = "high",
                 .style = "vivid",
                 .user = "u",
                 .background = "opaque",
                 .output_format = "webp",
                 .output = TARASH_IMAGE_OUTPUT_BASE64},
     .options = "{\"byok_api_key\":\"sk-behind-it-0123456789\"}",
     .body = "{" INDOX_BODY
             ",\"n\":2,\"size\":\"1024x1024\",\"quality\":\"high\",\"style\":\"vivid\",\"user\":\"u\","
             "\"background\":\"opaque\",\"output_format\":\"webp\",\"response_format\":\"b64_json\","
             "\"byok_api_key\":\"sk-behind-it-0123456789\"}"},
    {INDOX, .name = "indoxrouter: a URL wanted", .request = {.output = TARASH_IMAGE_OUTPUT_URL},
     .body = "{" INDOX_BODY ",\"response_format\":\"url\"}"},
    {INDOX, .name = "indoxrouter: an OpenAI model has no seed",
     .request = {.has_seed = 1, .seed = 9, .negative_prompt = "blur"}, .body = "{" INDOX_BODY "}",
     .warnings = "negative_prompt=blur>; seed=9>"},
    {INDOX, .name = "indoxrouter: a Google model", .model = "google/gemini-nano-banana-2.1",
     .request = {.aspect_ratio = "16:9", .negative_prompt = "blur", .has_seed = 1, .seed = 9, .n = 2},
     .body = "{\"model\":\"google/gemini-nano-banana-2.1\"," P
             ",\"aspect_ratio\":\"16:9\",\"negative_prompt\":\"blur\",\"seed\":9,\"n\":2}"},
    {INDOX, .name = "indoxrouter: a Google model takes ratios", .model = "google/imagen-4",
     .request = {.size = "1600x900"},
     .body = "{\"model\":\"google/imagen-4\"," P ",\"aspect_ratio\":\"16:9\"}",
     .warnings = "size=1600x900>16:9"},
    {INDOX, .name = "indoxrouter: a Google model lacks OpenAI's own fields", .model = "google/imagen-4",
     .request = {.background = "opaque"}, .body = "{\"model\":\"google/imagen-4\"," P "}",
     .warnings = "background=opaque>"},
    {INDOX, .name = "indoxrouter: an xAI model takes neither", .model = "xai/grok-imagine-image-2.0",
     .request = {.size = "1024x1024", .quality = "low"},
     .body = "{\"model\":\"xai/grok-imagine-image-2.0\"," P ",\"quality\":\"low\"}",
     .warnings = "size=1024x1024>"},
    {INDOX, .name = "indoxrouter: an xAI model takes no ratio", .model = "xai/grok-imagine-image-2.0",
     .request = {.aspect_ratio = "16:9"}, .body = "{\"model\":\"xai/grok-imagine-image-2.0\"," P "}",
     .warnings = "aspect_ratio=16:9>"},
    {INDOX, .name = "indoxrouter: an xAI model lacks OpenAI's own fields",
     .model = "xai/grok-imagine-image-2.0", .request = {.background = "opaque", .output_format = "png"},
     .body = "{\"model\":\"xai/grok-imagine-image-2.0\"," P "}",
     .warnings = "output_format=png>; background=opaque>"},
    {INDOX, .name = "indoxrouter: extra_params", .request = EXTRA("{\"additional_params\":{\"a\":1}}"),
     .body = "{" INDOX_BODY ",\"additional_params\":{\"a\":1}}"},
    {.provider = "indoxhub",
     .rest = "indoxrouter",
     .path = "indoxrouter/api/v1/images/generations",
     .name = "indoxrouter: another spelling",
     .body = "{" INDOX_BODY "}"},
};

#define ATOMA      .provider = "atoma", .rest = "atoma", .path = "atoma/v1/images/generations"
#define ATOMA_BODY "\"model\":\"black-forest-labs/FLUX.1-schnell\"," P

static const body_row atoma_rows[] = {
    {ATOMA, .name = "atoma: a prompt alone, and n", .body = "{" ATOMA_BODY ",\"n\":1}"},
    {ATOMA, .name = "atoma: everything",
     .request = {.n = 3, .size = "512x512", .quality = "hd", .style = "vivid", .user = "u"},
     .body = "{" ATOMA_BODY
             ",\"n\":3,\"size\":\"512x512\",\"quality\":\"hd\",\"style\":\"vivid\",\"user\":\"u\"}"},
    {ATOMA, .name = "atoma: a URL", .request = {.output = TARASH_IMAGE_OUTPUT_URL},
     .body = "{" ATOMA_BODY ",\"n\":1}"},
    {ATOMA, .name = "atoma: what it lacks",
     .request = {.background = "opaque", .output_format = "png", .has_seed = 1, .negative_prompt = "blur"},
     .body = "{" ATOMA_BODY ",\"n\":1}",
     .warnings = "negative_prompt=blur>; output_format=png>; background=opaque>; seed=0>"},
    {ATOMA, .name = "atoma: no option", .options = "{\"byok_api_key\":7}", .body = "{" ATOMA_BODY ",\"n\":1}",
     .warnings = "provider_config.byok_api_key=7>"},
};

static void check_images_of(const body_row *row) {
    size_t wanted = row->request.n ? (size_t)row->request.n : 1, i;
    if (row->script) return;
    assert_int_equal(b.response.image_count, wanted);
    for (i = 0; i < wanted; i++) {
        const tarash_image *image = &b.response.images[i];
        assert_int_equal(image->index, i);
        if (b.response.warning_count == 0 && row->request.output == TARASH_IMAGE_OUTPUT_URL) {
            assert_non_null(image->url);
            assert_null(image->data);
            continue;
        }
        assert_non_null(image->data);
        assert_non_null(image->mime_type);
        assert_int_equal(image->base64 != NULL, row->request.output == TARASH_IMAGE_OUTPUT_BASE64);
    }
}

static void test_body(void **state) {
    const body_row *row = (const body_row *)*state;
    int calls = row->calls ? row->calls : 1, i;
    use(row->provider ? row->provider : "openai", row->rest ? row->rest : "openai/v1");
    b.config.model = row->model;
    b.config.provider_config = row->options;
    b.request = row->request;
    if (!b.request.prompt) b.request.prompt = PROMPT;
    if (row->script) script(row->script);
    run();
    assert_int_equal(log_count(b.log, "POST", NULL), calls);
    for (i = 0; i < requests(); i++) {
        const cJSON *entry = log_entry(b.log, i);
        if (strcmp(log_text(entry, "kind"), "files") == 0) continue;
        expect_text("the method", log_text(entry, "method"), "POST");
        expect_path(entry, row->path ? row->path : "openai/v1/images/generations");
        expect_usual_headers(entry);
        expect_header(entry, "Content-Type", "application/json");
        expect_json(entry, row->body);
    }
    expect(TARASH_IMAGE_OK);
    expect_warnings(row->warnings);
    check_images_of(row);
}

/* Whatever the size, the strict server takes what goes out. */
static void test_sizes_within_rules(void **state) {
    static const char *const sizes[] = {"1x1",       "16384x16384", "3840x3840", "3841x2161", "2000x500",
                                        "500x2000",  "7680x4320",   "640x480",   "1920x1080", "1080x1920",
                                        "10000x100", "100x10000",   "817x803",   "5000x1700", "809x810"};
    static const char *const models[] = {"gpt-image-2.6-flare", "gpt-image-2", "gpt-image-1.5", "dall-e-3",
                                         "dall-e-2"};
    size_t i, k;
    (void)state;
    use("openai", "openai/v1");
    for (i = 0; i < COUNT(models); i++) {
        for (k = 0; k < COUNT(sizes); k++) {
            b.config.model = models[i];
            b.request.size = sizes[k];
            run();
            if (b.result != TARASH_IMAGE_OK) print_error("%s %s\n", models[i], sizes[k]);
            expect(TARASH_IMAGE_OK);
        }
    }
}

static void test_ratios_within_rules(void **state) {
    static const char *const ratios[] = {"16:9", "9:16", "21:9",   "1:3", "3:1",
                                         "4:1",  "1:10", "2.35:1", "3:2"};
    size_t i;
    (void)state;
    use("openai", "openai/v1");
    for (i = 0; i < COUNT(ratios); i++) {
        double w = 0, h = 0, wanted;
        int width = 0, height = 0;
        b.request.aspect_ratio = ratios[i];
        run_ok();
        assert_int_equal(sscanf(log_text(log_entry(b.log, -1), "json.size"), "%dx%d", &width, &height), 2);
        assert_int_equal(sscanf(ratios[i], "%lf:%lf", &w, &h), 2);
        wanted = w / h > 3 ? 3 : w / h < 1.0 / 3 ? 1.0 / 3 : w / h;
        if (width / (double)height / wanted > 1.03 || width / (double)height / wanted < 0.97)
            fail_msg("%s became %dx%d", ratios[i], width, height);
        assert_int_equal(b.response.images[0].width, width);
        assert_int_equal(b.response.images[0].height, height);
    }
}

static void test_strict(void **state) {
    static const tarash_image_request cases[] = {
        {.quality = "hd"},        {.style = "vivid"},
        {.size = "1001x1001"},    {.aspect_ratio = "1:1"},
        {.has_seed = 1},          {.negative_prompt = "blur"},
        {.output_format = "svg"}, {.output = TARASH_IMAGE_OUTPUT_URL}};
    size_t i;
    (void)state;
    use("openai", "openai/v1");
    for (i = 0; i < COUNT(cases); i++) {
        b.request = cases[i];
        b.request.prompt = PROMPT;
        b.request.strict = 1;
        run();
        expect(TARASH_IMAGE_ERROR_VALIDATION);
        assert_int_equal(requests(), 0);
        assert_int_equal(b.response.error.delivery, TARASH_IMAGE_DELIVERY_NOT_SENT);
    }
    memset(&b.request, 0, sizeof b.request);
    b.request.prompt = PROMPT;
    b.request.quality = "high";
    b.request.strict = 1;
    run_ok();
}

/* A ratio that only some models have, previews where there can be none: left out rather than refused. */
static void test_combinations(void **state) {
    (void)state;
    use("openai", "openai/v1");
    b.config.model = "gpt-image-2.6-flare";
    b.request.output_format = "svg";
    b.request.partial_images = 2;
    run();
    expect(TARASH_IMAGE_OK);
    expect_json(only_request(), "{\"model\":\"gpt-image-2.6-flare\"," P ",\"output_format\":\"svg\"}");
    expect_warnings("partial_images=2>");
}

static void test_several_svgs(void **state) {
    (void)state;
    use("openai", "openai/v1");
    b.config.model = "gpt-image-2.6-flare";
    b.request.output_format = "svg";
    b.request.n = 2;
    run();
    expect(TARASH_IMAGE_OK);
    assert_int_equal(b.response.image_count, 2);
}

static void test_raw_utf8(void **state) {
    (void)state;
    use("openai", "openai/v1");
    b.request.prompt = "\xC3\xBC \xF0\x9F\xA6\x8A";
    run_ok();
    expect_in("the body", log_text(only_request(), "body_text"), "\"\xC3\xBC \xF0\x9F\xA6\x8A\"");
}

/* ---- edits: one row, one form -------------------------------------------------------------------------- */

typedef struct form_row {
    const char *name, *provider, *rest, *model;
    tarash_image_request request;
    const tarash_image_input *mask;
    const char *options, *script, *path, *parts, *warnings;
    int calls;
} form_row;

#define FLARE  "model=gpt-image-2.5-flare\n"
#define FOX    "prompt=" PROMPT "\n"
#define MASKED "mask=white marks what to edit>unchanged, transparent marks it"

static const form_row form_rows[] = {
    {.name = "edit: one image",
     .request = {.images = one_png, .image_count = 1},
     .parts = FLARE FOX "image: image.png, image/png, png"},
    {.name = "edit: one JPEG",
     .request = {.images = one_jpeg, .image_count = 1},
     .parts = FLARE FOX "image: image.jpg, image/jpeg, jpeg"},
    {.name = "edit: several images",
     .request = {.images = three, .image_count = 3},
     .parts = FLARE FOX "image[]: image.png, image/png, png\nimage[]: image.jpg, image/jpeg, jpeg\nimage[]: "
                        "image.webp, image/webp, webp"},
    {.name = "edit: a file",
     .request = {.images = by_path, .image_count = 1},
     .parts = FLARE FOX "image: two words \xC3\xA9.png, image/png, png"},
    {.name = "edit: a data: URL",
     .request = {.images = as_data_url, .image_count = 1},
     .parts = FLARE FOX "image: image.png, image/png, png"},
    {.name = "edit: a mask",
     .request = {.images = one_png, .image_count = 1},
     .mask = &mask_bytes,
     .parts = FLARE FOX "image: image.png, image/png, png\nmask: image.png, image/png, mask",
     .warnings = MASKED},
    {.name = "edit: every option",
     .model = "gpt-image-2.6-sunburst",
     .request = {.images = one_png,
                 .image_count = 1,
                 .n = 2,
                 .size = "1024x1024",
                 .quality = "max",
                 .output_format = "webp",
                 .background = "transparent",
                 .user = "u"},
     .parts = "model=gpt-image-2.6-sunburst\n" FOX
              "n=2\nsize=1024x1024\nquality=max\noutput_format=webp\nbackground=transparent\nuser=u\n"
              "image: image.png, image/png, png"},
    {.name = "edit: previews",
     .request = {.images = one_png, .image_count = 1, .partial_images = 2},
     .parts = FLARE FOX "stream=true\npartial_images=2\nimage: image.png, image/png, png"},
    {.name = "edit: dall-e-2",
     .model = "dall-e-2",
     .request = {.images = one_png, .image_count = 1, .size = "256x256"},
     .mask = &mask_bytes,
     .parts = "model=dall-e-2\n" FOX "size=256x256\nresponse_format=b64_json\nimage: image.png, image/png, "
              "png\nmask: image.png, image/png, mask",
     .warnings = MASKED},
    {.name = "edit: extra_params in a form",
     .script = ANY_REQUEST,
     .request = {.images = one_png,
                 .image_count = 1,
                 .quality = "low",
                 .extra_params = "{\"input_fidelity\":\"high\",\"quality\":null,\"prompt\":\"A "
                                 "cat\",\"steps\":7,\"on\":false,\"o\":{\"a\":[1]}}"},
     .parts = FLARE
     "prompt=A cat\ninput_fidelity=high\nsteps=7\non=false\no={\"a\":[1]}\nimage: image.png, image/png, png"},
    {.name = "variation: dall-e-2",
     .model = "dall-e-2",
     .options = "{\"operation\":\"variation\"}",
     .request = {.images = one_png, .image_count = 1, .n = 2, .size = "256x256", .user = "u"},
     .path = "openai/v1/images/variations",
     .parts = "model=dall-e-2\nn=2\nsize=256x256\nuser=u\nresponse_format=b64_json\nimage: image.png, "
              "image/png, png",
     .warnings = "prompt=" PROMPT ">"},
    {.name = "compatible edit: one image",
     .provider = "openai_compatible",
     .rest = "compatible/v1",
     .path = "compatible/v1/images/edits",
     .request = {.images = one_png,
                 .image_count = 1,
                 .has_seed = 1,
                 .seed = 5,
                 .negative_prompt = "blur",
                 .style = "vivid"},
     .parts = FOX
     "seed=5\nnegative_prompt=blur\nstyle=vivid\nresponse_format=b64_json\nimage: image.png, image/png, png"},
    {.name = "compatible edit: several and a mask",
     .provider = "openai_compatible",
     .rest = "compatible/v1",
     .path = "compatible/v1/images/edits",
     .request = {.images = three, .image_count = 3},
     .mask = &mask_bytes,
     .options = "{\"response_format\":null}",
     .parts = FOX "image[]: image.png, image/png, png\nimage[]: image.jpg, image/jpeg, jpeg\nimage[]: "
                  "image.webp, image/webp, webp\n"
                  "mask: image.png, image/png, mask",
     .warnings = MASKED},
    {.name = "compatible variation",
     .provider = "openai_compatible",
     .rest = "compatible/v1",
     .path = "compatible/v1/images/variations",
     .options = "{\"operation\":\"variation\"}",
     .request = {.images = one_png, .image_count = 1, .prompt = ""},
     .parts = "response_format=b64_json\nimage: image.png, image/png, png"},
};

static void test_form(void **state) {
    const form_row *row = (const form_row *)*state;
    const cJSON *entry;
    use(row->provider ? row->provider : "openai", row->rest ? row->rest : "openai/v1");
    b.config.model = row->model;
    b.config.provider_config = row->options;
    b.request = row->request;
    if (!b.request.prompt) b.request.prompt = PROMPT;
    if (row->mask) b.request.mask = *row->mask;
    if (row->script) script(row->script);
    run();
    entry = log_entry(b.log, 0);
    assert_non_null(entry);
    expect_text("the method", log_text(entry, "method"), "POST");
    expect_path(entry, row->path ? row->path : "openai/v1/images/edits");
    expect_usual_headers(entry);
    expect_parts(entry, row->parts);
    expect(TARASH_IMAGE_OK);
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
    expect_warnings(row->warnings);
    if (!row->script) assert_int_equal(b.response.image_count, row->request.n ? (size_t)row->request.n : 1);
    expect_picture(&b.response.images[0],
                   row->request.output_format && !strcmp(row->request.output_format, "webp") ? "image/webp"
                                                                                             : "image/png");
}

static void test_form_text(void **state) {
    static const char *const prompts[] = {"one\r\n--two\r\n\r\n--tarash-\xC3\xBC\"q\"\r\n", " spaces \n",
                                          "\"", "%22 \\"};
    size_t i;
    (void)state;
    use("openai", "openai/v1");
    b.request.images = one_png;
    b.request.image_count = 1;
    for (i = 0; i < COUNT(prompts); i++) {
        b.request.prompt = prompts[i];
        run_ok();
        expect_text("the prompt", log_text(log_part(log_entry(b.log, -1), "prompt", 0), "text"), prompts[i]);
        assert_int_equal(cJSON_GetArraySize(log_at(log_entry(b.log, -1), "parts")), 3);
    }
}

/* Whatever a file is called, its part has a name and can't be mistaken for more than one line. */
static void test_odd_file_names(void **state) {
    static const char *const names[] = {"we\"ird.png",   "back\\slash.png", "a;b=c.png",
                                        "line\nend.png", "x.jpg",           "none"};
    tarash_image_input input;
    char path[1024];
    size_t i;
    (void)state;
    use("openai", "openai/v1");
    b.request.images = &input;
    b.request.image_count = 1;
    for (i = 0; i < COUNT(names); i++) {
        const cJSON *part;
        memset(&input, 0, sizeof input);
        input.path = temporary_path(path, sizeof path, names[i]);
        assert_int_equal(write_whole_file(path, tiny_png, tiny_png_size), 0);
        run_ok();
        part = log_part(log_entry(b.log, -1), "image", 0);
        assert_non_null(part);
        assert_true(log_text(part, "filename") && log_text(part, "filename")[0]);
        assert_null(strpbrk(log_text(part, "filename"), "\r\n/"));
        expect_text("the type", log_text(part, "content_type"),
                    "image/png"); /* of the bytes, not of the name */
        assert_true(log_same_bytes(part, tiny_png, tiny_png_size));
    }
}

static void test_given_mime_type(void **state) {
    tarash_image_input input;
    (void)state;
    use("openai", "openai/v1");
    script(ANY_REQUEST);
    memset(&input, 0, sizeof input);
    memory_input(&input, "not a known format", 18);
    b.request.images = &input;
    b.request.image_count = 1;
    run_ok();
    expect_text("the type", log_text(log_part(log_entry(b.log, 0), "image", 0), "content_type"),
                "application/octet-stream");
    assert_non_null(log_text(log_part(log_entry(b.log, 0), "image", 0), "filename"));
    input.mime_type = "image/heic";
    run_ok();
    expect_text("the type", log_text(log_part(log_entry(b.log, 1), "image", 0), "content_type"),
                "image/heic");
}

static void test_bad_inputs(void **state) {
    static const tarash_image_input inputs[] = {{.url = NULL},
                                                {.url = "ftp://127.0.0.1/a.png"},
                                                {.url = "data:image/png,plain"},
                                                {.url = "data:image/png;base64,*"},
                                                {.url = "file:///etc/hostname"},
                                                {.url = "http://user:pass@127.0.0.1/a.png"},
                                                {.path = "/nonexistent/a.png"},
                                                {.data = "x", .size = 0},
                                                {.url = "http://127.0.0.1/a.png", .path = "a.png"},
                                                {.pixels = "abc", .width = 1, .height = 1, .channels = 5},
                                                {.pixels = "abc", .width = 0, .height = 1, .channels = 3}};
    size_t i;
    (void)state;
    use("openai", "openai/v1");
    b.request.image_count = 1;
    for (i = 0; i < COUNT(inputs); i++) {
        b.request.images = &inputs[i];
        run();
        if (b.result != TARASH_IMAGE_ERROR_VALIDATION) print_error("input %d\n", (int)i);
        expect(TARASH_IMAGE_ERROR_VALIDATION);
        expect_in("the message", b.response.error.message, "images[0]");
        assert_int_equal(requests(), 0);
    }
}

static void test_image_order(void **state) {
    const cJSON *entry;
    (void)state;
    use("openai", "openai/v1");
    b.request.images = three;
    b.request.image_count = 3;
    run_ok();
    entry = only_request();
    assert_true(log_same_bytes(log_part(entry, "image[]", 0), tiny_png, tiny_png_size));
    assert_true(log_same_bytes(log_part(entry, "image[]", 1), tiny_jpeg, tiny_jpeg_size));
    assert_true(log_same_bytes(log_part(entry, "image[]", 2), tiny_webp, tiny_webp_size));
}

static void test_image_counts(void **state) {
    (void)state;
    use("openai", "openai/v1");
    b.request.images = sixteen;
    b.request.image_count = 16;
    run_ok();
    assert_int_equal(log_part_count(only_request(), "image[]"), 16);
    b.request.images = seventeen;
    b.request.image_count = 17;
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    assert_int_equal(requests(), 1);
}

/* The alpha of pixel i, from the server's reading of a PNG. */
static int alpha_of(const cJSON *picture, int i) {
    const char *pixels = log_text(picture, "image.pixels");
    int channels = (int)log_number(picture, "image.channels");
    unsigned value = 999;
    assert_non_null(pixels);
    assert_true(channels == 2 || channels == 4);
    assert_true(strlen(pixels) >= (size_t)((i + 1) * channels * 2));
    sscanf(pixels + 2 * (channels * (i + 1) - 1), "%2x", &value);
    return (int)value;
}

/* White is 0, black is 255, in each layout of raw pixels. */
static void test_mask_pixels(void **state) {
    unsigned char pixels[16 * 4];
    int channels, i, c;
    (void)state;
    for (channels = 1; channels <= 4; channels++) {
        const cJSON *mask;
        int alpha = channels == 2 || channels == 4;
        for (i = 0; i < 16; i++) {
            for (c = 0; c < channels; c++)
                pixels[i * channels + c] = (alpha && c == channels - 1) || i % 3 == 0 ? 255 : 0;
        }
        use("openai", "openai/v1");
        b.request.images = one_png;
        b.request.image_count = 1;
        b.request.mask.pixels = pixels;
        b.request.mask.width = b.request.mask.height = 4;
        b.request.mask.channels = channels;
        run_ok();
        mask = log_part(log_entry(b.log, -1), "mask", 0);
        assert_non_null(mask);
        expect_text("the file name", log_text(mask, "filename"), "mask.png");
        expect_text("the type", log_text(mask, "content_type"), "image/png");
        assert_int_equal(log_number(mask, "image.width"), 4);
        for (i = 0; i < 16; i++) assert_int_equal(alpha_of(mask, i), i % 3 == 0 ? 0 : 255);
        expect_warnings(NULL);
    }
}

static void test_image_pixels(void **state) {
    unsigned char pixels[4 * 4 * 3];
    char expected[4 * 4 * 3 * 2 + 1];
    const cJSON *image;
    size_t i;
    (void)state;
    for (i = 0; i < sizeof pixels; i++) {
        pixels[i] = (unsigned char)(i * 5);
        snprintf(expected + 2 * i, 3, "%02x", pixels[i]);
    }
    use("openai", "openai/v1");
    memset(&three[0], 0, sizeof three[0]);
    three[0].pixels = pixels;
    three[0].width = three[0].height = 4;
    three[0].channels = 3;
    b.request.images = three;
    b.request.image_count = 1;
    run();
    memset(&three[0], 0, sizeof three[0]);
    memory_input(&three[0], tiny_png, tiny_png_size);
    expect(TARASH_IMAGE_OK);
    image = log_part(only_request(), "image", 0);
    expect_text("the type", log_text(image, "content_type"), "image/png");
    expect_text("the pixels", log_text(image, "image.pixels"), expected);
}

static void test_mask_by_path(void **state) {
    char path[1024];
    (void)state;
    use("openai", "openai/v1");
    temporary_path(path, sizeof path, "where.png");
    assert_int_equal(write_whole_file(path, tiny_mask_png, tiny_mask_png_size), 0);
    b.request.images = by_path;
    b.request.image_count = 1;
    b.request.mask.path = path;
    run_ok();
    expect_parts(only_request(),
                 FLARE FOX "image: two words \xC3\xA9.png, image/png, png\nmask: where.png, image/png, mask");
}

/* A mask in which white marks what to edit goes out as it is, with a warning that strict refuses. */
static void test_mask_without_alpha(void **state) {
    (void)state;
    use("openai_compatible", "compatible/v1");
    b.request.images = one_png;
    b.request.image_count = 1;
    memory_input(&b.request.mask, tiny_png, tiny_png_size);
    run_ok();
    assert_true(log_same_bytes(log_part(only_request(), "mask", 0), tiny_png, tiny_png_size));
    (void)warning_about("mask");
    b.request.strict = 1;
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(requests(), 1);
}

/* Images by URL: OpenAI fetches them itself, so the edit is JSON; bytes beside them become data: URLs. */
static void test_json_edits(void **state) {
    tarash_image_input inputs[3];
    char url[256], body[4096];
    (void)state;
    use("openai", "openai/v1");
    memset(inputs, 0, sizeof inputs);
    inputs[0].url = server_files_url(url, sizeof url, b.session, "static/8x8.png");
    b.request.images = inputs;
    b.request.image_count = 1;
    b.request.n = 2;
    run_ok();
    expect_path(only_request(), "openai/v1/images/edits");
    expect_usual_headers(only_request());
    expect_header(only_request(), "Content-Type", "application/json");
    snprintf(body, sizeof body,
             "{\"model\":\"gpt-image-2.5-flare\"," P ",\"n\":2,\"images\":[{\"image_url\":\"%s\"}]}", url);
    expect_json(only_request(), body);
    assert_int_equal(b.response.image_count, 2);
    memory_input(&inputs[1], tiny_png, tiny_png_size);
    inputs[2].path = png_path;
    b.request.image_count = 3;
    b.request.n = 0;
    memory_input(&b.request.mask, tiny_mask_png, tiny_mask_png_size);
    run_ok();
    assert_int_equal(requests(), 2);
    snprintf(body, sizeof body,
             "{\"model\":\"gpt-image-2.5-flare\"," P
             ",\"images\":[{\"image_url\":\"%s\"},{\"image_url\":\"%s\"},{\"image_url\":\"%s\"}],"
             "\"mask\":{\"image_url\":\"data:image/png;base64,",
             url, data_url, data_url);
    encode_base64(tiny_mask_png, tiny_mask_png_size, body + strlen(body));
    append_text(body, sizeof body, "\"}}");
    expect_json(log_entry(b.log, 1), body);
}

/* One URL, be it the mask's, makes the whole edit JSON; raw pixels are PNGs there, too. */
static void test_json_edit_by_mask(void **state) {
    static const unsigned char grey[4] = {0, 255, 128, 7};
    tarash_image_input inputs[2];
    char url[256];
    const cJSON *entry;
    (void)state;
    use("openai", "openai/v1");
    memset(inputs, 0, sizeof inputs);
    memory_input(&inputs[0], tiny_jpeg, tiny_jpeg_size);
    inputs[1].pixels = grey;
    inputs[1].width = inputs[1].height = 2;
    inputs[1].channels = 1;
    b.request.images = inputs;
    b.request.image_count = 2;
    b.request.mask.url = server_files_url(url, sizeof url, b.session, "static/4x4.png");
    run_ok();
    entry = only_request();
    expect_text("the mask", log_text(entry, "json.mask.image_url"), url);
    assert_int_equal(cJSON_GetArraySize(log_at(entry, "json.images")), 2);
    expect_text("the first image", log_text(entry, "images[0].path"), "images[0].image_url");
    expect_text("its type", log_text(entry, "images[0].content_type"), "image/jpeg");
    assert_true(log_same_bytes(log_at(entry, "images[0]"), tiny_jpeg, tiny_jpeg_size));
    expect_text("the other type", log_text(entry, "images[1].content_type"), "image/png");
    expect_text("the pixels", log_text(entry, "images[1].image.pixels"), "00ff8007");
}

static void test_json_edit_merges(void **state) {
    tarash_image_input input;
    char url[256], body[1024];
    (void)state;
    use("openai", "openai/v1");
    memset(&input, 0, sizeof input);
    input.url = server_files_url(url, sizeof url, b.session, "static/8x8.png");
    b.request.images = &input;
    b.request.image_count = 1;
    memset(&b.request.mask, 0, sizeof b.request.mask);
    b.request.mask.url = url;
    b.request.extra_params = "{\"mask\":{\"image_url\":null,\"file_id\":\"file-1\"},\"quality\":\"low\"}";
    run_ok();
    snprintf(body, sizeof body,
             "{\"model\":\"gpt-image-2.5-flare\"," P
             ",\"images\":[{\"image_url\":\"%s\"}],\"mask\":{\"file_id\":\"file-1\"},\"quality\":\"low\"}",
             url);
    expect_json(only_request(), body);
}

/* Elsewhere only forms are known: the image is fetched here first, without the key. */
static void test_compatible_fetches(void **state) {
    static const char *const rests[] = {"static/8x8.png", "static/9x9.jpg"};
    tarash_image_input inputs[3];
    char urls[2][256];
    size_t size, i;
    (void)state;
    use("openai_compatible", "compatible/v1");
    memset(inputs, 0, sizeof inputs);
    for (i = 0; i < 2; i++) inputs[i].url = server_files_url(urls[i], sizeof urls[i], b.session, rests[i]);
    memory_input(&inputs[2], tiny_webp, tiny_webp_size);
    b.request.images = inputs;
    b.request.image_count = 3;
    b.request.mask.url = urls[0];
    run_ok();
    assert_int_equal(log_count(b.log, "GET", "/static/"), 3);
    assert_int_equal(log_count(b.log, "POST", "/images/edits"), 1);
    for (i = 0; i < 3; i++) assert_int_equal(log_count(log_entry(b.log, (int)i), "POST", NULL), 0);
    expect_path(log_entry(b.log, -1), "compatible/v1/images/edits");
    for (i = 0; i < 2; i++) {
        const cJSON *part = log_part(log_entry(b.log, -1), "image[]", (int)i);
        void *bytes = fetch_url(urls[i], &size);
        assert_non_null(part);
        assert_true(log_same_bytes(part, bytes, size));
        free(bytes);
        expect_text("the type", log_text(part, "content_type"), i ? "image/jpeg" : "image/png");
        assert_non_null(log_text(part, "filename"));
    }
    assert_int_equal(log_part_count(log_entry(b.log, -1), "mask"), 1);
}

static void test_input_that_is_gone(void **state) {
    tarash_image_input input;
    char url[256];
    (void)state;
    use("openai_compatible", "compatible/v1");
    memset(&input, 0, sizeof input);
    input.url = server_files_url(url, sizeof url, b.session, "nothing.png");
    b.request.images = &input;
    b.request.image_count = 1;
    run();
    assert_int_not_equal(b.result, TARASH_IMAGE_OK);
    assert_int_equal(log_count(b.log, "POST", NULL), 0);
    assert_int_equal(b.response.error.http_status, 404);
}

static void test_operation_words(void **state) {
    (void)state;
    use("openai", "openai/v1");
    b.config.provider_config = "{\"operation\":\"variation\"}";
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    b.config.provider_config = "{\"operation\":\"edit\"}";
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    b.config.provider_config = "{\"operation\":\"upscale\"}";
    run();
    expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
    assert_int_equal(requests(), 0);
    b.config.provider_config = "{\"operation\":\"generate\"}";
    run_ok();
}

static void test_xai_edits(void **state) {
    tarash_image_input inputs[5];
    char url[256], jpeg[1024] = "data:image/jpeg;base64,", body[8192];
    size_t i;
    (void)state;
    encode_base64(tiny_jpeg, tiny_jpeg_size, jpeg + strlen(jpeg));
    use("xai", "xai/v1");
    memset(inputs, 0, sizeof inputs);
    memory_input(&inputs[0], tiny_jpeg, tiny_jpeg_size);
    inputs[1].url = server_files_url(url, sizeof url, b.session, "static/8x8.png");
    for (i = 2; i < 5; i++) inputs[i] = one_png[0];
    b.request.images = inputs;
    b.request.image_count = 1;
    b.request.n = 1;
    run_ok();
    expect_path(only_request(), "xai/v1/images/edits");
    expect_usual_headers(only_request());
    snprintf(body, sizeof body, "{" XAI_BODY ",\"n\":1,\"image\":{\"url\":\"%s\",\"type\":\"image_url\"}}",
             jpeg);
    expect_json(only_request(), body);
    b.request.image_count = 2;
    b.request.aspect_ratio = "3:2";
    run_ok();
    snprintf(body, sizeof body,
             "{" XAI_BODY
             ",\"n\":1,\"aspect_ratio\":\"3:2\",\"images\":[{\"url\":\"%s\",\"type\":\"image_url\"},"
             "{\"url\":\"%s\",\"type\":\"image_url\"}]}",
             jpeg, url);
    expect_json(log_entry(b.log, 1), body);
    b.request.image_count = 5;
    run_ok();
    assert_int_equal(cJSON_GetArraySize(log_at(log_entry(b.log, 2), "json.images")), 5);
    /* Merging goes into objects that are there. */
    b.request.image_count = 1;
    b.request.aspect_ratio = NULL;
    b.request.extra_params = "{\"image\":{\"detail\":\"high\"}}";
    script(ANY_REQUEST);
    run_ok();
    snprintf(body, sizeof body,
             "{" XAI_BODY ",\"n\":1,\"image\":{\"url\":\"%s\",\"type\":\"image_url\",\"detail\":\"high\"}}",
             jpeg);
    expect_json(log_entry(b.log, 3), body);
}

static void test_unsupported_images(void **state) {
    static const struct {
        const char *provider, *rest, *model;
        size_t images;
        int mask;
    } rows[] = {{"atoma", "atoma", NULL, 1, 0},
                {"indoxrouter", "indoxrouter", NULL, 1, 0},
                {"xai", "xai/v1", NULL, 6, 0},
                {"xai", "xai/v1", NULL, 1, 1},
                {"openai", "openai/v1", "dall-e-3", 1, 0},
                {"openai", "openai/v1", "dall-e-2", 2, 0},
                {"indoxrouter", "indoxrouter", "google/imagen-4", 1, 0}};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        use(rows[i].provider, rows[i].rest);
        b.config.model = rows[i].model;
        b.request.images = sixteen;
        b.request.image_count = rows[i].images;
        memset(&b.request.mask, 0, sizeof b.request.mask);
        if (rows[i].mask) b.request.mask = mask_bytes;
        run();
        expect(TARASH_IMAGE_ERROR_UNSUPPORTED);
        assert_int_equal(requests(), 0);
        expect_text("the provider", b.response.error.provider, rows[i].provider);
        expect_in("the message", b.response.error.message, rows[i].mask ? "mask" : "images");
    }
    use("openai", "openai/v1");
    b.config.model = NULL;
    b.request.image_count = 0;
    b.request.mask = mask_bytes;
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(requests(), 0);
}

/* ---- streams ------------------------------------------------------------------------------------------- */

#define MOST_PREVIEWS 8

static struct {
    size_t count;
    unsigned char *data[MOST_PREVIEWS];
    size_t size[MOST_PREVIEWS], index[MOST_PREVIEWS];
    int width[MOST_PREVIEWS];
    int final_first;
} seen;

static void collect_previews(const tarash_image_update *update, void *user_data) {
    (void)user_data;
    if (update->status >= TARASH_IMAGE_STATUS_COMPLETED && !update->partial_image)
        seen.final_first = seen.count == 0;
    if (!update->partial_image || seen.count >= MOST_PREVIEWS) return;
    seen.size[seen.count] = update->partial_image->size;
    seen.index[seen.count] = update->partial_image->index;
    seen.width[seen.count] = update->partial_image->width;
    seen.data[seen.count] = (unsigned char *)malloc(update->partial_image->size + 1);
    if (!seen.data[seen.count]) return;
    memcpy(seen.data[seen.count], update->partial_image->data, update->partial_image->size);
    seen.count++;
}

static int forget_previews(void **state) {
    size_t i;
    for (i = 0; i < seen.count; i++) free(seen.data[i]);
    memset(&seen, 0, sizeof seen);
    return tear_down(state);
}

static void use_stream(void) {
    use("openai", "openai/v1");
    b.request.prompt = "fox";
    b.request.size = "1024x1024";
    b.request.partial_images = 3;
    b.request.on_progress = collect_previews;
}

static void expect_previews(size_t count) {
    size_t i;
    assert_int_equal(seen.count, count);
    for (i = 0; i < count; i++) {
        assert_int_equal(seen.index[i], i);
        assert_int_equal(seen.width[i], 1024);
        assert_memory_equal(seen.data[i], "\x89PNG\r\n\x1a\n", 8);
    }
}

typedef struct stream_row {
    const char *name, *script;
} stream_row;

static const stream_row stream_rows[] = {
    {"stream: plain", "[{}]"},
    {"stream: CRLF", "[{\"sse\":{\"crlf\":true}}]"},
    {"stream: CR", "[{\"sse\":{\"cr\":true}}]"},
    {"stream: comments, ids, retries", "[{\"sse\":{\"comments\":true}}]"},
    {"stream: no space after the colon", "[{\"sse\":{\"no_space\":true}}]"},
    {"stream: data over many lines", "[{\"sse\":{\"multi_line\":true}}]"},
    {"stream: no event lines", "[{\"sse\":{\"no_event_lines\":true}}]"},
    {"stream: [DONE]", "[{\"sse\":{\"done\":true}}]"},
    {"stream: byte order mark", "[{\"sse\":{\"byte_order_mark\":true}}]"},
    {"stream: everything at once", "[{\"sse\":{\"crlf\":true,\"comments\":true,\"no_space\":true,\"multi_"
                                   "line\":true,\"done\":true,\"byte_order_mark\":true}}]"},
    {"stream: in small pieces", "[{\"trickle\":{\"chunk\":173,\"every_ms\":0}}]"},
    {"stream: gzip", "[{\"gzip\":true}]"},
};

static void test_stream(void **state) {
    const stream_row *row = (const stream_row *)*state;
    size_t i;
    use_stream();
    script(row->script);
    run_ok();
    expect_usual_headers(only_request());
    expect_previews(3);
    assert_int_equal(seen.final_first, 0);
    assert_int_equal(b.response.image_count, 1);
    expect_drawn(&b.response.images[0], "fox", "1024x1024");
    assert_true(b.response.usage.total_tokens > 0);
    assert_true(b.response.created > 1500000000);
    expect_in("the metadata", b.response.provider_metadata, "\"size\":\"1024x1024\"");
    assert_non_null(b.response.raw_response);
    assert_null(strstr(b.response.raw_response, "iVBOR"));
    expect_warnings(NULL);
    /* A preview is drawn like an image of this prompt. */
    b.request.partial_images = 0;
    for (i = 0; i < 3; i++) {
        char prompt[64];
        snprintf(prompt, sizeof prompt, "preview %d of fox", (int)i);
        b.request.prompt = prompt;
        run_ok();
        assert_int_equal(seen.size[i], b.response.images[0].size);
        assert_memory_equal(seen.data[i], b.response.images[0].data, seen.size[i]);
    }
}

static void test_stream_of_an_edit(void **state) {
    (void)state;
    use_stream();
    b.request.images = one_png;
    b.request.image_count = 1;
    run_ok();
    expect_previews(3);
    expect_drawn(&b.response.images[0], "fox", "1024x1024");
}

static void test_stream_of_several(void **state) {
    (void)state;
    use_stream();
    b.request.n = 2;
    b.request.partial_images = 1;
    run_ok();
    assert_int_equal(requests(), 2);
    assert_int_equal(b.response.image_count, 2);
    assert_int_equal(seen.count, 2);
}

static void test_stream_by_extra_params(void **state) {
    (void)state;
    use_stream();
    b.request.partial_images = 0;
    b.request.extra_params = "{\"stream\":true,\"partial_images\":2}";
    run_ok();
    assert_int_equal(b.response.image_count, 1);
    expect_drawn(&b.response.images[0], "fox", "1024x1024");
}

static void test_stream_as_base64(void **state) {
    (void)state;
    use_stream();
    b.request.output = TARASH_IMAGE_OUTPUT_BASE64;
    run_ok();
    assert_non_null(b.response.images[0].base64);
    assert_memory_equal(b.response.images[0].base64, "iVBOR", 5);
}

static void test_stream_that_is_none(void **state) {
    (void)state;
    use_stream();
    script("[{\"sse\":{\"json\":true}}]");
    run_ok();
    expect_previews(0);
    expect_drawn(&b.response.images[0], "fox", "1024x1024");
}

static void test_compatible_stream(void **state) {
    (void)state;
    use_stream();
    use("openai_compatible", "compatible/v1");
    b.request.prompt = "fox";
    script("[{\"sse\":{\"no_event_lines\":true}},{}]");
    run_ok();
    expect_previews(3);
    expect_drawn(&b.response.images[0], "fox", "1024x1024");
    run_ok(); /* a server that doesn't stream at all */
    expect_drawn(&b.response.images[0], "fox", "1024x1024");
}

typedef struct broken_stream_row {
    const char *name, *script;
    tarash_image_result result, other; /* either is right */
    const char *code, *text;
    size_t previews;
} broken_stream_row;

#define SERVER_WORDS "The server had an error while processing your request."

static const broken_stream_row broken_stream_rows[] = {
    {"stream: an error at its end", "[{\"sse\":{\"error\":true}}]", TARASH_IMAGE_ERROR_GENERATION_FAILED,
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "server_error", SERVER_WORDS, 3},
    {"stream: a bare error", "[{\"sse\":{\"bare_error\":true}}]", TARASH_IMAGE_ERROR_GENERATION_FAILED,
     TARASH_IMAGE_ERROR_GENERATION_FAILED, "server_error", SERVER_WORDS, 3},
    {"stream: moderation at its end", "[{\"sse\":{\"moderation\":true}}]",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, TARASH_IMAGE_ERROR_CONTENT_MODERATION, "moderation_blocked",
     "safety system", 3},
    {"stream: moderation at once", "[{\"moderation\":\"stream\"}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION,
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, "moderation_blocked", "safety system", 0},
    {"stream: moderation before it", "[{\"moderation\":true}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION,
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, "moderation_blocked", "safety system", 0},
    {"stream: an error before it", "[{\"status\":422}]", TARASH_IMAGE_ERROR_VALIDATION,
     TARASH_IMAGE_ERROR_VALIDATION, "server_error", "The server had an error", 0},
    {"stream: no completed event", "[{\"sse\":{\"no_completed\":true}}]",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, TARASH_IMAGE_ERROR_BAD_RESPONSE, "", "", 3},
    {"stream: [DONE] without a completed event", "[{\"sse\":{\"no_completed\":true,\"done\":true}}]",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, TARASH_IMAGE_ERROR_BAD_RESPONSE, "", "", 3},
    {"stream: nothing in it", "[{\"sse\":{\"stop_after\":0}}]", TARASH_IMAGE_ERROR_GENERATION_FAILED,
     TARASH_IMAGE_ERROR_BAD_RESPONSE, "", "", 0},
    {"stream: garbage in a preview", "[{\"base64\":\"garbage_at:100\"}]", TARASH_IMAGE_ERROR_BAD_RESPONSE,
     TARASH_IMAGE_ERROR_BAD_RESPONSE, "", "", 0},
};

static void test_broken_stream(void **state) {
    const broken_stream_row *row = (const broken_stream_row *)*state;
    use_stream();
    script(row->script);
    run();
    if (b.result != row->other) expect(row->result);
    assert_int_equal(b.response.status, TARASH_IMAGE_STATUS_FAILED);
    assert_int_equal(b.response.image_count, 0);
    expect_text("the code", b.response.error.provider_code, row->code);
    expect_in("the message", b.response.error.message, row->text);
    assert_true(b.response.error.message[0] != 0);
    expect_previews(row->previews);
    only_request();
}

/* ---- headers and settings ------------------------------------------------------------------------------ */

static void test_organization(void **state) {
    (void)state;
    use("openai", "openai/v1");
    run_ok();
    expect_no_header(log_entry(b.log, 0), "OpenAI-Organization");
    expect_no_header(log_entry(b.log, 0), "OpenAI-Project");
    b.config.provider_config = "{\"organization\":\"org-1\",\"project\":\"proj-1\"}";
    run_ok();
    expect_header(log_entry(b.log, 1), "OpenAI-Organization", "org-1");
    expect_header(log_entry(b.log, 1), "OpenAI-Project", "proj-1");
    setenv("OPENAI_ORG_ID", "org-env", 1);
    setenv("OPENAI_PROJECT_ID", "proj-env", 1);
    b.config.provider_config = "{\"organization\":\"org-1\"}";
    run_ok();
    expect_header(log_entry(b.log, 2), "OpenAI-Organization", "org-1");
    expect_header(log_entry(b.log, 2), "OpenAI-Project", "proj-env");
    b.config.provider_config = NULL;
    run_ok();
    expect_header(log_entry(b.log, 3), "OpenAI-Organization", "org-env");
    unsetenv("OPENAI_ORG_ID");
    setenv("OPENAI_PROJECT_ID", "", 1);
    run_ok();
    expect_no_header(log_entry(b.log, 4), "OpenAI-Organization");
    expect_no_header(log_entry(b.log, 4), "OpenAI-Project");
    expect_warnings(NULL);
}

static void test_base_url(void **state) {
    static const char *const rests[] = {"openai/v1", "openai/v1/"};
    char url[256];
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(rests); i++) {
        use("openai", rests[i]);
        run_ok();
        expect_path(log_entry(b.log, -1), "openai/v1/images/generations");
        setenv("OPENAI_BASE_URL", server_api_url(url, sizeof url, b.session, rests[i]), 1);
        b.config.base_url = NULL;
        run_ok();
        expect_path(log_entry(b.log, -1), "openai/v1/images/generations");
    }
    setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1", 1);
    use("openai", "openai/v1");
    run_ok(); /* the config wins */
    use("openai_compatible", "compatible/v1");
    b.config.base_url = NULL;
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "base_url");
}

static void test_base_url_query(void **state) {
    char url[300];
    (void)state;
    use("openai_compatible", "compatible/v1");
    snprintf(url, sizeof url, "%s?api-version=1", b.base_url);
    b.config.base_url = url;
    run_ok();
    expect_path(only_request(), "compatible/v1/images/generations?api-version=1");
}

static void test_custom_headers(void **state) {
    static const tarash_image_header headers[] = {{"X-Title", "a b"},
                                                  {"user-agent", "mine/1"},
                                                  {"ACCEPT", "application/*"},
                                                  {"authorization", "Basic sk-abc-0123456789"},
                                                  {"openai-Organization", "org-2"},
                                                  {"X-Empty", ""}};
    const cJSON *entry;
    (void)state;
    use("openai", "openai/v1");
    script(ANY_REQUEST);
    b.config.provider_config = "{\"organization\":\"org-1\",\"project\":\"proj-1\"}";
    b.config.headers = headers;
    b.config.header_count = COUNT(headers);
    run_ok();
    entry = only_request();
    expect_header(entry, "X-Title", "a b");
    expect_header(entry, "User-Agent", "mine/1");
    expect_header(entry, "Accept", "application/*");
    expect_header(entry, "Authorization", "Basic sk-abc-0123456789");
    expect_header(entry, "OpenAI-Organization", "org-2");
    expect_header(entry, "OpenAI-Project", "proj-1");
    expect_header(entry, "X-Empty", "");
    expect_header(entry, "Content-Type", "application/json");
    expect_header(entry, "Host", strstr(b.base_url, "127.0.0.1") ? log_header(entry, "Host") : "?");
    if (log_contains(b.log, KEY)) fail_msg("the key went out though Authorization was replaced");
    check_secret("sk-abc-0123456789");
}

/* The user's own headers stay at the provider, too. */
static void test_custom_headers_stay(void **state) {
    static const tarash_image_header headers[] = {
        {"X-Api-Key", "sk-other-0123456789"}, {"X-Trace", "42"}, {"Cookie", "a=b"}};
    int i;
    (void)state;
    use("openai_compatible", "compatible/v1");
    b.config.provider_config = "{\"response_format\":null}";
    b.config.headers = headers;
    b.config.header_count = COUNT(headers);
    run_ok();
    assert_int_equal(requests(), 2);
    expect_header(log_entry(b.log, 0), "X-Trace", "42");
    for (i = 0; i < 3; i++) expect_no_header(log_entry(b.log, 1), headers[i].name);
    expect_picture(&b.response.images[0], "image/png");
}

static void test_bad_headers(void **state) {
    static const tarash_image_header headers[] = {
        {"X-A", "1\r\nX-B: 2"},          {"X A", "1"},          {"X-A:", "1"}, {"", "1"},
        {"Content-Length", "5"},         {"Host", "elsewhere"}, {"X-A", NULL}, {"X-\xC3\xBC", "1"},
        {"Transfer-Encoding", "chunked"}};
    size_t i;
    (void)state;
    use("openai", "openai/v1");
    b.config.header_count = 1;
    for (i = 0; i < COUNT(headers); i++) {
        b.config.headers = &headers[i];
        run();
        expect(TARASH_IMAGE_ERROR_VALIDATION);
        assert_int_equal(requests(), 0);
    }
}

/* ---- names and keys ------------------------------------------------------------------------------------ */

typedef struct spelling_row {
    const char *name, *provider, *model, *rest;
    const char *provider_found, *model_found, *model_sent;
} spelling_row;

static const spelling_row spelling_rows[] = {
    {"spelling: openai/dall-e-3", NULL, "openai/dall-e-3", "openai/v1", "openai", "dall-e-3", "dall-e-3"},
    {"spelling: OpenAI/dall-e-3", NULL, "OpenAI/dall-e-3", "openai/v1", "openai", "dall-e-3", "dall-e-3"},
    {"spelling: OpenAI", "OpenAI", NULL, "openai/v1", "openai", "gpt-image-2.5-flare", "gpt-image-2.5-flare"},
    {"spelling: xai/...", NULL, "xai/grok-imagine-image", "xai/v1", "xai", "grok-imagine-image",
     "grok-imagine-image"},
    {"spelling: grok/...", NULL, "grok/grok-imagine-image", "xai/v1", "xai", "grok-imagine-image",
     "grok-imagine-image"},
    {"spelling: openai-compatible/a/b", NULL, "openai-compatible/a/b", "compatible/v1", "openai_compatible",
     "a/b", "a/b"},
    {"spelling: openai_compatible/a", NULL, "openai_compatible/a", "compatible/v1", "openai_compatible", "a",
     "a"},
    {"spelling: indoxrouter/google/imagen-4", NULL, "indoxrouter/google/imagen-4", "indoxrouter",
     "indoxrouter", "google/imagen-4", "google/imagen-4"},
    {"spelling: atoma/black-forest-labs/x", NULL, "atoma/black-forest-labs/x", "atoma", "atoma",
     "black-forest-labs/x", "black-forest-labs/x"},
    {"spelling: the provider twice", "openai", "openai/dall-e-3", "openai/v1", "openai", "dall-e-3",
     "dall-e-3"},
    {"spelling: a provider, and a model that begins like one", "indoxrouter", "openai/gpt-image-2",
     "indoxrouter", "indoxrouter", "openai/gpt-image-2", "openai/gpt-image-2"},
};

static void test_spelling(void **state) {
    const spelling_row *row = (const spelling_row *)*state;
    use(row->provider, row->rest);
    b.config.model = row->model;
    run_ok();
    expect_text("the provider", b.response.provider, row->provider_found);
    expect_text("the model", b.response.model, row->model_found);
    expect_text("the model sent", log_text(log_entry(b.log, 0), "json.model"), row->model_sent);
    assert_int_equal(b.response.attempt_count, 1);
    expect_text("the attempt's provider", b.response.attempts[0].provider, row->provider_found);
}

static void test_bad_spellings(void **state) {
    static const char *const models[] = {"dall-e-3", "acme/model", "somebody-else/FLUX",
                                         "/x",       "openai/",    NULL};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(models); i++) {
        use(NULL, "openai/v1");
        b.config.model = models[i];
        run();
        expect(TARASH_IMAGE_ERROR_VALIDATION);
        assert_int_equal(requests(), 0);
    }
    use("acme", "openai/v1");
    b.config.model = NULL;
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, "acme");
    expect_in("the message", b.response.error.message, "openai_compatible");
}

typedef struct key_row {
    const char *name, *provider, *rest;
    const char *variables[2];
    const char *others[4]; /* none of these is for this provider */
} key_row;

static const key_row key_rows[] = {
    {"key: openai",
     "openai",
     "openai/v1",
     {"OPENAI_API_KEY", NULL},
     {"OPENAI_COMPATIBLE_API_KEY", "XAI_API_KEY", NULL, NULL}},
    {"key: xai", "xai", "xai/v1", {"XAI_API_KEY", NULL}, {"OPENAI_API_KEY", NULL, NULL, NULL}},
    {"key: indoxrouter",
     "indoxrouter",
     "indoxrouter",
     {"INDOX_ROUTER_API_KEY", "INDOXHUB_API_KEY"},
     {"OPENAI_API_KEY", NULL, NULL, NULL}},
    {"key: atoma",
     "atoma",
     "atoma",
     {"ATOMASDK_BEARER_AUTH", "ATOMA_API_KEY"},
     {"OPENAI_API_KEY", NULL, NULL, NULL}},
};

static void test_key(void **state) {
    const key_row *row = (const key_row *)*state;
    size_t i;
    use(row->provider, row->rest);
    b.config.api_key = NULL;
    for (i = 0; row->others[i]; i++) setenv(row->others[i], "sk-not-for-you-0123456789", 1);
    run_with("sk-not-for-you-0123456789");
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_in("the message", b.response.error.message, row->variables[0]);
    assert_int_equal(requests(), 0);
    if (row->variables[1]) {
        setenv(row->variables[1], "sk-second-0123456789", 1);
        run_with("sk-second-0123456789");
        expect(TARASH_IMAGE_OK);
        expect_header(log_entry(b.log, 0), "Authorization", "Bearer sk-second-0123456789");
        setenv(row->variables[0], "", 1); /* empty is as good as unset */
        run_with("sk-second-0123456789");
        expect(TARASH_IMAGE_OK);
    }
    assert_int_equal(control_reset(b.session), 0);
    setenv(row->variables[0], "sk-first-0123456789\r\n", 1);
    run_with("sk-first-0123456789");
    expect(TARASH_IMAGE_OK);
    expect_header(log_entry(b.log, 0), "Authorization", "Bearer sk-first-0123456789");
    assert_int_equal(control_reset(b.session), 0);
    b.config.api_key = KEY "\n";
    run_with(KEY);
    expect(TARASH_IMAGE_OK);
    expect_header(log_entry(b.log, 0), "Authorization", "Bearer " KEY);
    if (log_contains(b.log, "sk-first")) fail_msg("a key of the environment went out beside the config's");
}

static void test_bad_keys(void **state) {
    static const char *const keys[] = {"sk-a\r\nX-Evil: 1", "sk-a\nb", "\n", "", "sk-a\x7Fz", "sk-\x01z"};
    size_t i;
    (void)state;
    use("openai", "openai/v1");
    for (i = 0; i < COUNT(keys); i++) {
        b.config.api_key = keys[i];
        run_with(strlen(keys[i]) > 4 ? keys[i] : NULL);
        expect(TARASH_IMAGE_ERROR_VALIDATION);
        assert_int_equal(requests(), 0);
    }
}

static void test_compatible_keys(void **state) {
    (void)state;
    setenv("OPENAI_API_KEY", "sk-of-openai-0123456789", 1);
    setenv("OPENAI_ORG_ID", "org-env", 1);
    use("openai_compatible", "compatible/v1");
    b.config.api_key = NULL;
    run_with("sk-of-openai-0123456789");
    expect(TARASH_IMAGE_OK);
    expect_no_header(only_request(), "Authorization");
    expect_no_header(only_request(), "OpenAI-Organization");
    if (log_contains(b.log, "sk-of-openai")) fail_msg("OPENAI_API_KEY went to another server");
    setenv("OPENAI_COMPATIBLE_API_KEY", "local-0123456789", 1);
    run_with("local-0123456789");
    expect(TARASH_IMAGE_OK);
    expect_header(log_entry(b.log, 1), "Authorization", "Bearer local-0123456789");
    b.config.api_key = "mine-0123456789";
    run();
    expect_header(log_entry(b.log, 2), "Authorization", "Bearer mine-0123456789");
}

/* ---- replies ------------------------------------------------------------------------------------------- */

static void test_facts_of_openai(void **state) {
    char id[96];
    cJSON *metadata, *raw;
    (void)state;
    use("openai", "openai/v1");
    b.request.prompt = "fox";
    b.request.size = "1024x1024";
    b.request.quality = "low";
    run_ok();
    expect_drawn(&b.response.images[0], "fox", "1024x1024");
    snprintf(id, sizeof id, "req_%s_1", b.session);
    expect_text("provider_request_id", b.response.provider_request_id, id);
    expect_text("the attempt's request id", b.response.attempts[0].request_id, id);
    assert_true(b.response.request_id && b.response.request_id[0]);
    assert_true(b.response.created > 1500000000);
    assert_true(b.response.usage.input_tokens > 0 && b.response.usage.output_tokens > 0);
    assert_int_equal(b.response.usage.total_tokens,
                     b.response.usage.input_tokens + b.response.usage.output_tokens);
    assert_int_equal(b.response.is_mock, 0);
    assert_null(b.response.images[0].revised_prompt);
    metadata = cJSON_Parse(b.response.provider_metadata);
    expect_text("metadata.size", log_text(metadata, "size"), "1024x1024");
    expect_text("metadata.quality", log_text(metadata, "quality"), "low");
    expect_text("metadata.output_format", log_text(metadata, "output_format"), "png");
    assert_null(log_at(metadata, "data"));
    cJSON_Delete(metadata);
    raw = cJSON_Parse(b.response.raw_response);
    assert_non_null(raw);
    assert_non_null(log_at(raw, "data[0].b64_json"));
    assert_true(log_number(raw, "created") > 0);
    cJSON_Delete(raw);
    assert_null(strstr(b.response.raw_response, "iVBOR"));
    assert_true(strlen(b.response.raw_response) < 2000);
    assert_null(strstr(b.response.provider_metadata, "iVBOR"));
}

static void test_usage_adds_up(void **state) {
    int64_t one;
    (void)state;
    use("openai", "openai/v1");
    b.request.partial_images = 1; /* one call for each image */
    run_ok();
    one = b.response.usage.total_tokens;
    b.request.n = 2;
    run_ok();
    assert_int_equal(b.response.usage.total_tokens, 2 * one);
}

static void test_revised_prompt(void **state) {
    (void)state;
    use("openai", "openai/v1");
    b.config.model = "dall-e-3";
    run_ok();
    expect_text("revised_prompt", b.response.images[0].revised_prompt, "A detailed view: " PROMPT);
}

static void test_base64_beside(void **state) {
    char *again;
    (void)state;
    use("openai", "openai/v1");
    b.request.size = "816x816";
    b.request.output = TARASH_IMAGE_OUTPUT_BASE64;
    run_ok();
    again = (char *)malloc(b.response.images[0].size * 2 + 8);
    assert_non_null(again);
    encode_base64(b.response.images[0].data, b.response.images[0].size, again);
    if (strcmp(again, b.response.images[0].base64) != 0) {
        free(again);
        fail_msg("base64 is not that of the bytes");
    }
    free(again);
}

typedef struct reply_row {
    const char *name, *script;
    tarash_image_result result;
    size_t images;
    int downloads; /* from the files origin */
    const char *mime_type;
} reply_row;

#define PNG "image/png"

static const reply_row reply_rows[] = {
    {"reply: base64", "[{}]", TARASH_IMAGE_OK, 1, 0, PNG},
    {"reply: base64 with line ends", "[{\"base64\":\"newlines\"}]", TARASH_IMAGE_OK, 1, 0, PNG},
    {"reply: base64 with spaces", "[{\"base64\":\"spaces\"}]", TARASH_IMAGE_OK, 1, 0, PNG},
    {"reply: base64 for URLs", "[{\"base64\":\"urlsafe\"}]", TARASH_IMAGE_OK, 1, 0, PNG},
    {"reply: base64 unpadded", "[{\"base64\":\"nopad\"}]", TARASH_IMAGE_OK, 1, 0, PNG},
    {"reply: base64 with escaped slashes", "[{\"base64\":\"escaped_slashes\"}]", TARASH_IMAGE_OK, 1, 0, PNG},
    {"reply: base64 behind a data: prefix", "[{\"base64\":\"data_uri\"}]", TARASH_IMAGE_OK, 1, 0, PNG},
    {"reply: base64 with garbage", "[{\"base64\":\"garbage_at:50\"}]", TARASH_IMAGE_ERROR_BAD_RESPONSE, 0, 0,
     NULL},
    {"reply: base64 with garbage at once", "[{\"base64\":\"garbage_at:0\"}]", TARASH_IMAGE_ERROR_BAD_RESPONSE,
     0, 0, NULL},
    {"reply: JPEG, whatever was asked", "[{\"image_result\":{\"bytes\":\"jpeg\"}}]", TARASH_IMAGE_OK, 1, 0,
     "image/jpeg"},
    {"reply: WebP", "[{\"image_result\":{\"bytes\":\"webp\"}}]", TARASH_IMAGE_OK, 1, 0, "image/webp"},
    {"reply: GIF", "[{\"image_result\":{\"bytes\":\"gif\"}}]", TARASH_IMAGE_OK, 1, 0, "image/gif"},
    {"reply: SVG", "[{\"image_result\":{\"bytes\":\"svg\"}}]", TARASH_IMAGE_OK, 1, 0, "image/svg+xml"},
    {"reply: no image in the base64", "[{\"image_result\":{\"bytes\":\"html\"}}]",
     TARASH_IMAGE_ERROR_BAD_RESPONSE, 0, 0, NULL},
    {"reply: noise in the base64", "[{\"image_result\":{\"bytes\":\"garbage\"}}]",
     TARASH_IMAGE_ERROR_BAD_RESPONSE, 0, 0, NULL},
    {"reply: a URL", "[{\"image_result\":{\"url\":true}}]", TARASH_IMAGE_OK, 1, 1, PNG},
    {"reply: a URL with a wrong type",
     "[{\"image_result\":{\"url\":true}},{\"where\":\"files\",\"image_result\":{\"mime\":\"text/plain\"}}]",
     TARASH_IMAGE_OK, 1, 1, PNG},
    {"reply: a URL with a page behind it",
     "[{\"image_result\":{\"url\":true}},{\"where\":\"files\",\"image_result\":{\"bytes\":\"html\"}}]",
     TARASH_IMAGE_ERROR_BAD_RESPONSE, 1, 1, NULL},
    {"reply: a URL that redirects",
     "[{\"image_result\":{\"url\":true}},{\"where\":\"files\",\"redirect\":{\"to\":\"{FILES}/f/{SESSION}/"
     "static/8x8.jpg\"}}]",
     TARASH_IMAGE_OK, 1, 2, "image/jpeg"},
    {"reply: a data: URL in url", "[{\"image_result\":{\"url_text\":\"data:image/png;base64," DOT "\"}}]",
     TARASH_IMAGE_OK, 1, 0, PNG},
    {"reply: URL and base64", "[{\"image_result\":{\"both\":true}}]", TARASH_IMAGE_OK, 1, 0, PNG},
    {"reply: empty entries among the real one", "[{\"image_result\":{\"null_entries\":true}}]",
     TARASH_IMAGE_OK, 1, 0, PNG},
    {"reply: only empty entries", "[{\"image_result\":{\"all_null\":true}}]",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, 0, 0, NULL},
    {"reply: an empty list", "[{\"image_result\":{\"empty\":true}}]", TARASH_IMAGE_ERROR_GENERATION_FAILED, 0,
     0, NULL},
    {"reply: no list", "[{\"status\":200,\"body\":{\"created\":1}}]", TARASH_IMAGE_ERROR_BAD_RESPONSE, 0, 0,
     NULL},
    {"reply: a list that is none", "[{\"status\":200,\"body\":{\"data\":\"x\"}}]",
     TARASH_IMAGE_ERROR_BAD_RESPONSE, 0, 0, NULL},
    {"reply: an array", "[{\"status\":200,\"body\":[1,2]}]", TARASH_IMAGE_ERROR_BAD_RESPONSE, 0, 0, NULL},
    {"reply: no JSON", "[{\"status\":200,\"body\":\"it works!\"}]", TARASH_IMAGE_ERROR_BAD_RESPONSE, 0, 0,
     NULL},
    {"reply: nothing", "[{\"status\":200}]", TARASH_IMAGE_ERROR_BAD_RESPONSE, 0, 0, NULL},
    {"reply: null for everything",
     "[{\"status\":200,\"body\":{\"created\":null,\"usage\":null,\"data\":[{\"b64_json\":\"" DOT
     "\",\"url\":null,\"revised_prompt\":null}],\"error\":null}}]",
     TARASH_IMAGE_OK, 1, 0, PNG},
    {"reply: no created", "[{\"status\":200,\"body\":{\"data\":[{\"b64_json\":\"" DOT "\"}]}}]",
     TARASH_IMAGE_OK, 1, 0, PNG},
    {"reply: an error within status 200",
     "[{\"status\":200,\"body\":{\"error\":{\"message\":\"No GPU left\",\"code\":\"busy\"}}}]",
     TARASH_IMAGE_ERROR_GENERATION_FAILED, 0, 0, NULL},
    {"reply: more than asked for",
     "[{\"status\":200,\"body\":{\"data\":[{\"b64_json\":\"" DOT "\"},{\"b64_json\":\"" DOT "\"}]}}]",
     TARASH_IMAGE_OK, 2, 0, PNG},
    {"reply: two names for one picture",
     "[{\"status\":200,\"body\":{\"data\":[{\"type\":\"b64_json\",\"index\":0,\"b64_json\":\"" DOT "\"}]}}]",
     TARASH_IMAGE_OK, 1, 0, PNG},
    {"reply: JSON that is called text", "[{\"headers\":{\"Content-Type\":\"text/plain\"}}]", TARASH_IMAGE_OK,
     1, 0, PNG},
    {"reply: JSON that is called nothing", "[{\"headers\":{\"Content-Type\":null}}]", TARASH_IMAGE_OK, 1, 0,
     PNG},
    {"reply: gzip", "[{\"gzip\":true}]", TARASH_IMAGE_OK, 1, 0, PNG},
    {"reply: chunks", "[{\"chunked\":true}]", TARASH_IMAGE_OK, 1, 0, PNG},
    {"reply: HTTP/1.0", "[{\"http10\":true}]", TARASH_IMAGE_OK, 1, 0, PNG},
};

static void test_reply(void **state) {
    const reply_row *row = (const reply_row *)*state;
    size_t i;
    use("openai_compatible", "compatible/v1");
    b.request.size = "128x96";
    script(row->script);
    run();
    expect(row->result);
    assert_int_equal(log_count(b.log, "GET", NULL), row->downloads);
    assert_int_equal(log_count(b.log, "POST", NULL), 1);
    assert_int_equal(b.response.image_count, row->images);
    for (i = 0; i < row->images; i++) {
        assert_int_equal(b.response.images[i].index, i);
        if (row->mime_type) {
            expect_picture(&b.response.images[i], row->mime_type);
        } else { /* the URL was paid for, and may be tried again */
            assert_null(b.response.images[i].data);
            assert_non_null(b.response.images[i].url);
            assert_true(b.response.error.job_token[0] != 0);
        }
    }
    if (row->result != TARASH_IMAGE_OK) {
        assert_true(b.response.error.message[0] != 0);
        assert_int_equal(b.response.status, TARASH_IMAGE_STATUS_FAILED);
    }
    if (b.response.raw_response && strstr(b.response.raw_response, "iVBOR"))
        fail_msg("%s", b.response.raw_response);
}

static void test_error_in_200(void **state) {
    (void)state;
    use("openai_compatible", "compatible/v1");
    script("[{\"status\":200,\"body\":{\"error\":{\"message\":\"No GPU left\",\"code\":\"busy\"}}},"
           "{\"status\":200,\"body\":{\"error\":{\"message\":\"no\",\"code\":\"moderation_blocked\"}}}]");
    run();
    expect_in("the message", b.response.error.message, "No GPU left");
    expect_text("the code", b.response.error.provider_code, "busy");
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
}

static void test_same_bytes_by_url(void **state) {
    (void)state;
    use("openai_compatible", "compatible/v1");
    b.request.prompt = "fox";
    b.request.size = "128x96";
    b.config.provider_config = "{\"response_format\":\"url\"}";
    run_ok();
    expect_drawn(&b.response.images[0], "fox", "128x96");
    expect_in("the URL", b.response.images[0].url, "/image-1.png");
    script("[{\"image_result\":{\"both\":true}}]");
    run_ok();
    expect_drawn(&b.response.images[0], "fox", "128x96");
    expect_in("the URL", b.response.images[0].url, "/image-2.png");
    assert_int_equal(log_count(b.log, "GET", NULL), 1);
}

/* Some servers number their images, and give them in another order. */
static void test_numbered_images(void **state) {
    tarash_image_response straight;
    size_t i;
    (void)state;
    use("openai_compatible", "compatible/v1");
    b.request.n = 3;
    b.request.size = "64x64";
    script("[{\"image_result\":{\"index\":true}},{\"image_result\":{\"index\":\"reversed\"}}]");
    run_ok();
    straight = b.response;
    memset(&b.response, 0, sizeof b.response);
    run();
    for (i = 0; i < 3 && i < b.response.image_count; i++) {
        const tarash_image *image = &b.response.images[i];
        if (image->size != straight.images[i].size ||
            memcmp(image->data, straight.images[i].data, image->size) != 0)
            break;
    }
    tarash_image_response_free(&straight);
    expect(TARASH_IMAGE_OK);
    assert_int_equal(i, 3);
}

static void test_usage_words(void **state) {
    (void)state;
    use("openai_compatible", "compatible/v1");
    script("[{\"status\":200,\"body\":{\"data\":[{\"b64_json\":\"" DOT "\"}],"
           "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}}]");
    run_ok();
    assert_int_equal(b.response.usage.input_tokens, 3);
    assert_int_equal(b.response.usage.output_tokens, 4);
    assert_int_equal(b.response.usage.total_tokens, 7);
}

static void test_fewer_images(void **state) {
    (void)state;
    use("openai", "openai/v1");
    b.request.n = 3;
    script("[{\"drop_items\":1}]");
    run_ok();
    assert_int_equal(b.response.image_count, 2);
    (void)warning_about("n");
}

/* Blocks that come with status 200, and in words. */
static void test_xai_moderation(void **state) {
    (void)state;
    use("xai", "xai/v1");
    script("[{\"moderation\":\"items\"},{\"moderation\":\"empty\"},{\"moderation\":\"http\"},{\"moderation\":"
           "\"mixed\"}]");
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    assert_int_equal(b.response.error.retryable, 0);
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    assert_int_equal(b.response.error.http_status, 400);
    expect_in("the message", b.response.error.message, "rejected by content moderation");
    b.request.n = 2;
    run_ok();
    assert_int_equal(b.response.image_count, 1);
    expect_picture(&b.response.images[0], "image/jpeg");
    (void)warning_about("n");
    assert_int_equal(requests(), 4);
}

static void test_xai_reply(void **state) {
    (void)state;
    use("xai", "xai/v1");
    b.request.n = 2;
    run_ok();
    assert_int_equal(requests(), 1);
    assert_int_equal(b.response.image_count, 2);
    expect_picture(&b.response.images[1], "image/jpeg");
    assert_null(b.response.images[0].revised_prompt); /* it is empty */
    expect_in("the metadata", b.response.provider_metadata, "\"cost_in_usd_ticks\":600000000");
    script("[{\"image_result\":{\"url\":true}},{\"base64\":\"data_uri\"}]");
    run_ok();
    assert_int_equal(log_count(b.log, "GET", NULL), 2);
    expect_picture(&b.response.images[0], "image/jpeg");
    run_ok();
    expect_picture(&b.response.images[0], "image/jpeg");
}

static void test_indoxrouter_reply(void **state) {
    (void)state;
    use("indoxrouter", "indoxrouter");
    b.request.n = 2;
    run_ok();
    assert_int_equal(log_count(b.log, "GET", NULL), 2);
    assert_int_equal(b.response.usage.input_tokens, 5);
    assert_int_equal(b.response.usage.output_tokens, 11);
    assert_int_equal(b.response.usage.total_tokens, 16);
    expect_in("the metadata", b.response.provider_metadata, "\"duration_ms\":12.5");
    expect_in("the metadata", b.response.provider_metadata, "\"cost\":0.08");
    expect_picture(&b.response.images[0], "image/png");
    assert_non_null(b.response.images[0].url);
    b.request.output = TARASH_IMAGE_OUTPUT_BASE64;
    run_ok();
    assert_int_equal(log_count(b.log, "GET", NULL), 2);
    assert_non_null(b.response.images[0].base64);
}

static void test_indoxrouter_created(void **state) {
    (void)state;
    use("indoxrouter", "indoxrouter");
    run_ok();
    assert_int_equal(b.response.created, 1775563200); /* 2026-04-07T12:00:00Z */
}

/* Failures that come as HTTP 200 are told by their words. */
static void test_indoxrouter_success_false(void **state) {
    (void)state;
    use("indoxrouter", "indoxrouter");
    script("[{\"status\":200,\"body\":{\"request_id\":\"r-1\",\"success\":false,\"message\":\"Out of "
           "cheese.\",\"data\":\"\"}}]");
    run();
    expect(TARASH_IMAGE_ERROR_GENERATION_FAILED);
    expect_in("the message", b.response.error.message, "Out of cheese.");
    expect_in("the answer", b.response.raw_response, "r-1");
}

static void test_indoxrouter_moderation(void **state) {
    (void)state;
    use("indoxrouter", "indoxrouter");
    script("[{\"moderation\":true},{\"moderation\":\"ok\"}]");
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    run();
    expect(TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    expect_in("the message", b.response.error.message, "safety system");
}

static void test_indoxrouter_credits(void **state) {
    (void)state;
    use("indoxrouter", "indoxrouter");
    script("[{\"status\":200,\"body\":{\"success\":false,\"message\":\"Insufficient credits. Top "
           "up.\",\"data\":\"\"}}]");
    run();
    expect(TARASH_IMAGE_ERROR_QUOTA_EXCEEDED);
    expect_in("the message", b.response.error.message, "Insufficient credits");
}

static void test_byok_stays_secret(void **state) {
    (void)state;
    use("indoxrouter", "indoxrouter");
    b.config.provider_config = "{\"byok_api_key\":\"sk-behind-it-0123456789\"}";
    script("[{\"status\":400,\"body\":{\"detail\":\"Upstream refused sk-behind-it-0123456789\"}}]");
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    expect_text("the byok key", log_text(only_request(), "json.byok_api_key"), "sk-behind-it-0123456789");
    check_secret("sk-behind-it-0123456789");
}

static void test_atoma_reply(void **state) {
    (void)state;
    use("atoma", "atoma");
    b.request.n = 2;
    run_ok();
    assert_int_equal(log_count(b.log, "GET", NULL), 2);
    assert_int_equal(b.response.image_count, 2);
    expect_picture(&b.response.images[0], "image/png");
    expect_picture(&b.response.images[1], "image/png");
    assert_int_not_equal(b.response.images[0].size, 0);
    assert_true(b.response.images[0].size != b.response.images[1].size ||
                memcmp(b.response.images[0].data, b.response.images[1].data, b.response.images[0].size) != 0);
}

/* ---- errors -------------------------------------------------------------------------------------------- */

typedef struct error_row {
    const char *name, *provider, *rest, *script;
    tarash_image_result result;
    int status;
    const char *code; /* NULL: whatever it is */
    const char *text; /* of the message */
} error_row;

#define SHAPE(shape)   "[{\"status\":400,\"error_shape\":\"" shape "\"}]"
#define STATUS(status) "[{\"status\":" #status "}]"
#define WITH_CODE(status, code, text)                                                                        \
    "[{\"status\":" #status ",\"body\":{\"error\":{\"message\":\"" text                                      \
    "\",\"type\":\"some_type\",\"param\":null,\"code\":\"" code "\"}}}]"

static const error_row error_rows[] = {
    {"error: object", NULL, NULL, SHAPE("object"), TARASH_IMAGE_ERROR_VALIDATION, 400, "invalid_request",
     "Invalid request."},
    {"error: string", NULL, NULL, SHAPE("string"), TARASH_IMAGE_ERROR_VALIDATION, 400, "",
     "Invalid request."},
    {"error: detail text", NULL, NULL, SHAPE("detail_text"), TARASH_IMAGE_ERROR_VALIDATION, 400, "",
     "Invalid request."},
    {"error: detail object", NULL, NULL, SHAPE("detail_object"), TARASH_IMAGE_ERROR_VALIDATION, 400, "",
     "Invalid request."},
    {"error: detail list", NULL, NULL, SHAPE("detail_list"), TARASH_IMAGE_ERROR_VALIDATION, 400,
     "invalid_request", "Invalid request."},
    {"error: message", NULL, NULL, SHAPE("message"), TARASH_IMAGE_ERROR_VALIDATION, 400, "",
     "Invalid request."},
    {"error: word and message", NULL, NULL, SHAPE("sdcpp"), TARASH_IMAGE_ERROR_VALIDATION, 400, NULL,
     "Invalid request."},
    {"error: code and text", NULL, NULL, SHAPE("xai"), TARASH_IMAGE_ERROR_VALIDATION, 400, "invalid_request",
     "Invalid request."},
    {"error: a number as code", NULL, NULL, SHAPE("numeric_code"), TARASH_IMAGE_ERROR_VALIDATION, 400, "400",
     "Invalid request."},
    {"error: a status as code", NULL, NULL, SHAPE("string_code"), TARASH_IMAGE_ERROR_VALIDATION, 400, "400",
     "Invalid request."},
    {"error: a page", NULL, NULL, SHAPE("html"), TARASH_IMAGE_ERROR_VALIDATION, 400, "", "400"},
    {"error: nothing", NULL, NULL, SHAPE("empty"), TARASH_IMAGE_ERROR_VALIDATION, 400, "", "400"},
    {"error: code null", NULL, NULL,
     "[{\"status\":400,\"body\":{\"error\":{\"message\":\"No.\",\"type\":\"image_generation_user_error\","
     "\"param\":null,\"code\":null}}}]",
     TARASH_IMAGE_ERROR_VALIDATION, 400, "image_generation_user_error", "No."},
    {"error: 401", NULL, NULL, STATUS(401), TARASH_IMAGE_ERROR_AUTHENTICATION, 401, "invalid_api_key",
     "Incorrect API key"},
    {"error: 402", NULL, NULL, STATUS(402), TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 402, "insufficient_credits",
     "Insufficient credits"},
    {"error: 403", NULL, NULL, STATUS(403), TARASH_IMAGE_ERROR_AUTHENTICATION, 403, "access_denied",
     "access"},
    {"error: 404", NULL, NULL, STATUS(404), TARASH_IMAGE_ERROR_HTTP, 404, "not_found", "not found"},
    {"error: 408", NULL, NULL, STATUS(408), TARASH_IMAGE_ERROR_TIMEOUT, 408, NULL, "408"},
    {"error: 409", NULL, NULL, STATUS(409), TARASH_IMAGE_ERROR_HTTP, 409, NULL, "409"},
    {"error: 413", NULL, NULL, STATUS(413), TARASH_IMAGE_ERROR_HTTP, 413, NULL, "413"},
    {"error: 422", NULL, NULL, STATUS(422), TARASH_IMAGE_ERROR_VALIDATION, 422, NULL, "422"},
    {"error: 429", NULL, NULL, STATUS(429), TARASH_IMAGE_ERROR_RATE_LIMITED, 429, "rate_limit_exceeded",
     "Rate limit"},
    {"error: 500", NULL, NULL, STATUS(500), TARASH_IMAGE_ERROR_HTTP, 500, "server_error",
     "The server had an error"},
    {"error: 503", NULL, NULL, STATUS(503), TARASH_IMAGE_ERROR_HTTP, 503, "server_overloaded", "overloaded"},
    {"error: 524", NULL, NULL, STATUS(524), TARASH_IMAGE_ERROR_TIMEOUT, 524, NULL, "524"},
    {"error: no such model", NULL, NULL, WITH_CODE(404, "model_not_found", "The model does not exist."),
     TARASH_IMAGE_ERROR_HTTP, 404, "model_not_found", "The model does not exist."},
    {"error: quota", NULL, NULL, WITH_CODE(429, "insufficient_quota", "You exceeded your current quota."),
     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 429, "insufficient_quota", "current quota"},
    {"error: spend limit", NULL, NULL, WITH_CODE(429, "project_spend_limit_exceeded", "Spent."),
     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 429, "project_spend_limit_exceeded", "Spent."},
    {"error: hard limit", NULL, NULL,
     WITH_CODE(400, "billing_hard_limit_reached", "Billing hard limit has been reached"),
     TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 400, "billing_hard_limit_reached", "hard limit"},
    {"error: moderation", NULL, NULL, "[{\"moderation\":true}]", TARASH_IMAGE_ERROR_CONTENT_MODERATION, 400,
     "moderation_blocked", "safety system"},
    {"error: the old moderation", NULL, NULL, "[{\"moderation\":\"dalle\"}]",
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, 400, "content_policy_violation", "safety system"},
    {"error: moderation by its code, status 403", NULL, NULL, WITH_CODE(403, "moderation_blocked", "No."),
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, 403, "moderation_blocked", "No."},
    {"error: moderation by its code, status 422", NULL, NULL,
     WITH_CODE(422, "content_policy_violation", "No."), TARASH_IMAGE_ERROR_CONTENT_MODERATION, 422,
     "content_policy_violation", "No."},
    {"error: moderation by its code, status 429", NULL, NULL, WITH_CODE(429, "moderation_blocked", "No."),
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, 429, "moderation_blocked", "No."},
    {"error: moderation by its code, status 500", NULL, NULL, WITH_CODE(500, "moderation_blocked", "No."),
     TARASH_IMAGE_ERROR_CONTENT_MODERATION, 500, "moderation_blocked", "No."},
    {"error: a moderation that is out of order blocks nothing", NULL, NULL,
     WITH_CODE(503, "overloaded", "The content moderation service is busy."), TARASH_IMAGE_ERROR_HTTP, 503,
     "overloaded", "busy"},
    {"error: a word about moderation is none", NULL, NULL,
     WITH_CODE(400, "invalid_value", "Invalid value for 'moderation': expected 'auto' or 'low'."),
     TARASH_IMAGE_ERROR_VALIDATION, 400, "invalid_value", "Invalid value for 'moderation'"},
    {"error: compatible, plain text", "openai_compatible", "compatible/v1",
     "[{\"status\":500,\"body\":\"out of VRAM\"}]", TARASH_IMAGE_ERROR_HTTP, 500, "", "out of VRAM"},
    {"error: compatible, an empty object", "openai_compatible", "compatible/v1",
     "[{\"status\":500,\"body\":{}}]", TARASH_IMAGE_ERROR_HTTP, 500, "", "500"},
    {"error: JSON that is called text", "openai_compatible", "compatible/v1",
     "[{\"status\":400,\"error_shape\":\"object\",\"headers\":{\"Content-Type\":\"text/html\"}}]",
     TARASH_IMAGE_ERROR_VALIDATION, 400, "invalid_request", "Invalid request."},
    {"error: a redirect is not followed", NULL, NULL,
     "[{\"redirect\":{\"to\":\"{FILES}/f/{SESSION}/static/8x8.png\"}}]", TARASH_IMAGE_ERROR_HTTP, 302, NULL,
     "302"},
    {"error: a redirect of its own origin, neither", NULL, NULL,
     "[{\"redirect\":{\"status\":307,\"to\":\"{API}/s/{SESSION}/openai/v1/images/generations\"}}]",
     TARASH_IMAGE_ERROR_HTTP, 307, NULL, "307"},
    {"error: xai 400", "xai", "xai/v1", STATUS(400), TARASH_IMAGE_ERROR_VALIDATION, 400,
     "Client specified an invalid argument", "Invalid request."},
    {"error: xai 429", "xai", "xai/v1", STATUS(429), TARASH_IMAGE_ERROR_RATE_LIMITED, 429,
     "rate_limit_exceeded", "Rate limit"},
    {"error: xai 500", "xai", "xai/v1", STATUS(500), TARASH_IMAGE_ERROR_HTTP, 500, "",
     "The server had an error"},
    {"error: indoxrouter 400", "indoxrouter", "indoxrouter", STATUS(400), TARASH_IMAGE_ERROR_VALIDATION, 400,
     "", "Invalid request."},
    {"error: indoxrouter 402", "indoxrouter", "indoxrouter", STATUS(402), TARASH_IMAGE_ERROR_QUOTA_EXCEEDED,
     402, "", "Insufficient credits"},
    {"error: atoma 422", "atoma", "atoma", "[{\"status\":422,\"body\":\"prompt too long\"}]",
     TARASH_IMAGE_ERROR_VALIDATION, 422, "", "prompt too long"},
};

static void test_error(void **state) {
    const error_row *row = (const error_row *)*state;
    const tarash_image_error *error = &b.response.error;
    char id[96];
    use(row->provider ? row->provider : "openai", row->rest ? row->rest : "openai/v1");
    script(row->script);
    run();
    expect(row->result);
    assert_int_equal(error->http_status, row->status);
    if (row->code) expect_text("the code", error->provider_code, row->code);
    expect_in("the message", error->message, row->text);
    snprintf(id, sizeof id, "req_%s_1", b.session);
    expect_text("the request id", error->request_id, id);
    expect_text("the provider", error->provider, row->provider ? row->provider : "openai");
    assert_true(error->model[0] != 0 || (row->provider && strcmp(row->provider, "openai_compatible") == 0));
    assert_int_equal(b.response.image_count, 0);
    assert_int_equal(b.response.status, TARASH_IMAGE_STATUS_FAILED);
    assert_int_equal(b.response.attempt_count, 1);
    assert_int_equal(b.response.attempts[0].result, row->result);
    assert_int_equal(b.response.attempts[0].http_status, row->status);
    assert_int_equal(error->delivery, row->status == 408 || row->status == 524
                                          ? TARASH_IMAGE_DELIVERY_UNKNOWN
                                          : TARASH_IMAGE_DELIVERY_REJECTED);
    only_request();
}

/* A message that is too long for its place is cut between two letters. */
static void test_long_message(void **state) {
    char json[4096] = "[{\"status\":400,\"body\":{\"error\":{\"message\":\"x";
    size_t i;
    (void)state;
    use("openai", "openai/v1");
    for (i = 0; i < 700; i++) strcat(json, "\xC3\xBC");
    strcat(json, "\"}}}]");
    script(json);
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    i = strlen(b.response.error.message);
    assert_true(i > 400 && i < sizeof b.response.error.message);
    expect_in("the message", b.response.error.message, "\xC3\xBC\xC3\xBC");
    assert_int_not_equal((unsigned char)b.response.error.message[i - 1], 0xC3);
}

/* What can't get better is not asked again, whatever its status. */
static void test_not_asked_again(void **state) {
    static const char *const scripts[] = {WITH_CODE(429, "insufficient_quota", "x"),
                                          WITH_CODE(429, "moderation_blocked", "x"),
                                          STATUS(400),
                                          STATUS(401),
                                          STATUS(403),
                                          STATUS(404),
                                          STATUS(422)};
    size_t i;
    (void)state;
    use("openai", "openai/v1");
    b.config.max_retries = 2;
    b.config.retry.initial_ms = 1;
    for (i = 0; i < COUNT(scripts); i++) {
        assert_int_equal(control_reset(b.session), 0);
        script(scripts[i]);
        run();
        assert_int_not_equal(b.result, TARASH_IMAGE_OK);
        only_request();
        assert_int_equal(b.response.error.retryable, 0);
    }
}

/* The server's 401 repeats the key that it was given. */
static void test_echoed_key(void **state) {
    static const struct {
        const char *provider, *rest, *key;
    } rows[] = {{"openai", "openai/v1", "sk-bad-Secret-0123456789"},
                {"xai", "xai/v1", "xai-bad-Secret-0123456789"},
                {"indoxrouter", "indoxrouter", "indox-bad-Secret-0123456789"},
                {"atoma", "atoma", "sk-bad-Secret-0123456789"},
                {"openai_compatible", "compatible/v1", "bad-Secret-0123456789"}};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        use(rows[i].provider, rows[i].rest);
        b.config.api_key = rows[i].key;
        run();
        expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
        assert_int_equal(b.response.error.http_status, 401);
        expect_in("the message", b.response.error.message, "Incorrect API key provided");
        check_secret("bad-Secret-0123456789");
        assert_true(b.lines.size > 0);
    }
}

/* A key that comes back inside an answer, even a good one, or escaped. */
static void test_key_in_an_answer(void **state) {
    (void)state;
    use("openai", "openai/v1");
    script("[{\"merge\":{\"note\":\"called with " KEY "\",\"k\":[\"" KEY "\"]}},"
           "{\"status\":400,\"headers\":{\"Content-Type\":\"application/json\"},"
           "\"body\":\"{\\\"error\\\":{\\\"message\\\":\\\"no: \\\\u0073k-wire-Secret-0123456789\\\"}}\"},"
           "{\"status\":500,\"body\":\"plain " KEY " text\"},"
           "{\"status\":400,\"body\":{\"error\":{\"code\":\"" KEY "\",\"message\":\"x\"}}}]");
    run_ok();
    expect_in("the metadata", b.response.provider_metadata, "called with ");
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    run();
    expect(TARASH_IMAGE_ERROR_HTTP);
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
}

/* Keys are known by the names of headers and options, too, misplaced ones included. */
static void test_other_secrets(void **state) {
    static const tarash_image_header header = {"X-Api-Key", "hdr-Secret-0123456789"};
    (void)state;
    use("openai", "openai/v1");
    b.config.headers = &header;
    b.config.header_count = 1;
    b.config.provider_config = "{\"api_key\":\"cfg-Secret-0123456789\"}";
    script("[{\"status\":400,\"body\":{\"error\":{\"message\":\"no hdr-Secret-0123456789, "
           "cfg-Secret-0123456789\","
           "\"code\":\"hdr-Secret-0123456789\"}}}]");
    run();
    expect(TARASH_IMAGE_ERROR_VALIDATION);
    (void)warning_about("provider_config.api_key");
    check_secret("hdr-Secret");
    check_secret("cfg-Secret");
}

/* Servers repeat the bare key, without the scheme before it. */
static void test_own_authorization(void **state) {
    static const tarash_image_header headers[] = {{"Authorization", "Bearer own-Secret-0123456789"},
                                                  {"authorization", "Basic own-Secret-0123456789"},
                                                  {"Proxy-Authorization", "Key own-Secret-0123456789"}};
    size_t i;
    (void)state;
    use("openai", "openai/v1");
    b.config.header_count = 1;
    for (i = 0; i < COUNT(headers); i++) {
        b.config.headers = &headers[i];
        script("[{\"status\":401,\"body\":{\"error\":{\"message\":\"Incorrect API key provided: "
               "own-Secret-0123456789.\"}}}]");
        run();
        expect(TARASH_IMAGE_ERROR_AUTHENTICATION);
        check_secret("own-Secret");
    }
}

/* Result URLs go elsewhere: nobody's key goes there with them. */
static void test_no_key_to_files(void **state) {
    static const struct {
        const char *provider, *rest, *options;
    } rows[] = {{"openai", "openai/v1", "{\"organization\":\"org-1\",\"project\":\"proj-1\"}"},
                {"openai_compatible", "compatible/v1", NULL},
                {"xai", "xai/v1", NULL},
                {"indoxrouter", "indoxrouter", NULL},
                {"atoma", "atoma", NULL}};
    static const tarash_image_header headers[] = {{"OpenAI-Beta", "images=v2"}};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        const cJSON *entry;
        use(rows[i].provider, rows[i].rest);
        b.config.provider_config = rows[i].options;
        b.config.headers = headers;
        b.config.header_count = 1;
        script("[{\"image_result\":{\"url\":true}}]");
        run_ok();
        entry = log_entry(b.log, -1);
        expect_text("the method", log_text(entry, "method"), "GET");
        expect_text("the origin", log_text(entry, "origin"), "files");
        expect_no_header(entry, "Authorization");
        expect_no_header(entry, "OpenAI-Organization");
        expect_no_header(entry, "OpenAI-Beta");
        expect_no_header(entry, "Content-Type");
        assert_non_null(b.response.images[0].data);
    }
}

/* ---- running ------------------------------------------------------------------------------------------- */

#define STREAM(function) cmocka_unit_test_setup_teardown(function, set_up, forget_previews)

static int run_tables(void) {
    int failed = 0;
    RUN_ROWS(openai_rows, test_body, tear_down);
    RUN_ROWS(compatible_rows, test_body, tear_down);
    RUN_ROWS(xai_rows, test_body, tear_down);
    RUN_ROWS(router_rows, test_body, tear_down);
    RUN_ROWS(atoma_rows, test_body, tear_down);
    RUN_ROWS(form_rows, test_form, tear_down);
    RUN_ROWS(stream_rows, test_stream, forget_previews);
    RUN_ROWS(broken_stream_rows, test_broken_stream, forget_previews);
    RUN_ROWS(spelling_rows, test_spelling, tear_down);
    RUN_ROWS(key_rows, test_key, tear_down);
    RUN_ROWS(reply_rows, test_reply, tear_down);
    RUN_ROWS(error_rows, test_error, tear_down);
    return failed;
}

static int run_others(void) {
    const struct CMUnitTest tests[] = {TEST(test_sizes_within_rules),
                                       TEST(test_ratios_within_rules),
                                       TEST(test_strict),
                                       TEST(test_combinations),
                                       TEST(test_several_svgs),
                                       TEST(test_raw_utf8),
                                       TEST(test_form_text),
                                       TEST(test_odd_file_names),
                                       TEST(test_given_mime_type),
                                       TEST(test_bad_inputs),
                                       TEST(test_image_order),
                                       TEST(test_image_counts),
                                       TEST(test_mask_pixels),
                                       TEST(test_image_pixels),
                                       TEST(test_mask_by_path),
                                       TEST(test_mask_without_alpha),
                                       TEST(test_json_edits),
                                       TEST(test_json_edit_by_mask),
                                       TEST(test_json_edit_merges),
                                       TEST(test_compatible_fetches),
                                       TEST(test_input_that_is_gone),
                                       TEST(test_operation_words),
                                       TEST(test_xai_edits),
                                       TEST(test_unsupported_images),
                                       STREAM(test_stream_of_an_edit),
                                       STREAM(test_stream_of_several),
                                       STREAM(test_stream_by_extra_params),
                                       STREAM(test_stream_as_base64),
                                       STREAM(test_stream_that_is_none),
                                       STREAM(test_compatible_stream),
                                       TEST(test_organization),
                                       TEST(test_base_url),
                                       TEST(test_base_url_query),
                                       TEST(test_custom_headers),
                                       TEST(test_custom_headers_stay),
                                       TEST(test_bad_headers),
                                       TEST(test_bad_spellings),
                                       TEST(test_bad_keys),
                                       TEST(test_compatible_keys),
                                       TEST(test_facts_of_openai),
                                       TEST(test_usage_adds_up),
                                       TEST(test_revised_prompt),
                                       TEST(test_base64_beside),
                                       TEST(test_error_in_200),
                                       TEST(test_same_bytes_by_url),
                                       TEST(test_numbered_images),
                                       TEST(test_usage_words),
                                       TEST(test_fewer_images),
                                       TEST(test_xai_moderation),
                                       TEST(test_xai_reply),
                                       TEST(test_indoxrouter_reply),
                                       TEST(test_indoxrouter_created),
                                       TEST(test_indoxrouter_success_false),
                                       TEST(test_indoxrouter_moderation),
                                       TEST(test_indoxrouter_credits),
                                       TEST(test_byok_stays_secret),
                                       TEST(test_atoma_reply),
                                       TEST(test_long_message),
                                       TEST(test_not_asked_again),
                                       TEST(test_echoed_key),
                                       TEST(test_key_in_an_answer),
                                       TEST(test_other_secrets),
                                       TEST(test_own_authorization),
                                       TEST(test_no_key_to_files)};
    return cmocka_run_group_tests_name("others", tests, NULL, NULL);
}

int main(void) {
    int failed;
    if (server_start() != 0 || prepare_inputs() != 0) return 1;
    failed = run_tables() + run_others();
    server_stop();
    return failed != 0;
}
