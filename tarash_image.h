/* tarash_image.h - 0.1.0 - images from AI providers, in C - public domain or MIT - needs libcurl only

   Do this in ONE C or C++ file to make the implementation:

       #define TARASH_IMAGE_IMPLEMENTATION
       #include "tarash_image.h"

   and just  #include "tarash_image.h"  everywhere else. Link with libcurl 7.68 or newer:

       cc main.c -lcurl                      Linux, macOS, MinGW
       cl main.c libcurl.lib ws2_32.lib      Windows, MSVC

   One request struct, any provider: change the config and nothing else. The library retries, falls back from
   one provider to the next, never blocks a frame if you don't let it, and has an offline mock that draws.

   QUICK START

       tarash_image_config config;
       tarash_image_request request;
       tarash_image_response response;
       memset(&config, 0, sizeof config);
       memset(&request, 0, sizeof request);
       config.provider = "openai";                       // the key comes from OPENAI_API_KEY
       request.prompt = "a lighthouse in fog";
       if (tarash_image_generate(NULL, &config, &request, &response) == TARASH_IMAGE_OK)
           tarash_image_save(&response.images[0], "lighthouse.png", NULL);
       else
           fprintf(stderr, "%s\n", response.error.message);
       tarash_image_response_free(&response);

   IN A GAME LOOP

       job = tarash_image_submit(client, &config, &request);         // returns at once
       while (running) {
           tarash_image_poll(client, 0);                             // moves every job, never waits
           if (tarash_image_job_status(client, job, NULL) >= TARASH_IMAGE_STATUS_COMPLETED) {
               tarash_image_take(client, job, &response);            // yours now; the job is gone
               ...
           }
           draw_frame();
       }

   OFFLINE:   config.provider = "mock";    or, to keep the provider's name,
              tarash_image_mock mock = {0};  mock.enabled = 1;  config.mock = &mock;

   FALLBACK:  tarash_image_config second = {0};  second.provider = "xai";
              config.fallbacks = &second;  config.fallback_count = 1;

   OPTIONS (macros; define them where the implementation is made, unless said otherwise)

     TARASH_IMAGE_IMPLEMENTATION    makes the implementation in this file
     TARASH_IMAGE_STATIC            every function is static (define it wherever the header is included)
     TARASH_IMAGE_API               linkage of the public functions, e.g. __declspec(dllexport)  (default: extern)
     TARASH_IMAGE_MALLOC(size), TARASH_IMAGE_REALLOC(pointer, size), TARASH_IMAGE_FREE(pointer)
                                    the default allocator: all three or none  (default: malloc, realloc, free)
     TARASH_IMAGE_ASSERT(condition) internal invariants only  (default: assert)
     TARASH_IMAGE_NO_SIMD           base64 without vector code
     TARASH_IMAGE_NO_STDIO          no file is ever opened: paths, saving and the file sink are UNSUPPORTED
     TARASH_IMAGE_NO_OPENAI, TARASH_IMAGE_NO_OPENAI_COMPATIBLE, TARASH_IMAGE_NO_INDOXROUTER,
     TARASH_IMAGE_NO_ATOMA, TARASH_IMAGE_NO_XAI, TARASH_IMAGE_NO_AZURE_OPENAI, TARASH_IMAGE_NO_TOGETHER,
     TARASH_IMAGE_NO_OPENROUTER, TARASH_IMAGE_NO_GOOGLE, TARASH_IMAGE_NO_AUTOMATIC1111,
     TARASH_IMAGE_NO_STABILITY, TARASH_IMAGE_NO_BEDROCK, TARASH_IMAGE_NO_REPLICATE, TARASH_IMAGE_NO_LUMA,
     TARASH_IMAGE_NO_FAL, TARASH_IMAGE_NO_HUGGINGFACE, TARASH_IMAGE_NO_RUNWAY, TARASH_IMAGE_NO_BFL,
     TARASH_IMAGE_NO_RECRAFT, TARASH_IMAGE_NO_IDEOGRAM, TARASH_IMAGE_NO_MOCK
                                    the provider stays known by name, and using it is UNSUPPORTED

   PROVIDERS

     name                key from                    base URL                                        images  mask
     openai              OPENAI_API_KEY              https://api.openai.com/v1                       16      transparent
     openai_compatible   OPENAI_COMPATIBLE_API_KEY   yours (base_url)                                16      transparent
     indoxrouter         INDOX_ROUTER_API_KEY        https://api.indoxhub.com                        -       -
     atoma               ATOMASDK_BEARER_AUTH        https://api.atoma.network                       -       -
     xai                 XAI_API_KEY                 https://api.x.ai/v1                             5       -
     azure_openai        AZURE_OPENAI_API_KEY        yours (base_url)                                16      transparent
     together            TOGETHER_API_KEY            https://api.together.ai/v1                      any     -
     openrouter          OPENROUTER_API_KEY          https://openrouter.ai/api/v1                    any     -
     google              GOOGLE_API_KEY              https://generativelanguage.googleapis.com       14      -
     automatic1111       AUTOMATIC1111_API_AUTH      http://127.0.0.1:7860                           1       white
     stability           STABILITY_API_KEY           https://api.stability.ai                        3       white
     bedrock             AWS_BEARER_TOKEN_BEDROCK    https://bedrock-runtime.us-west-2.amazonaws.com 3       white
     replicate           REPLICATE_API_TOKEN         https://api.replicate.com/v1                    16      black, white
     luma                LUMAAI_API_KEY              https://api.lumalabs.ai/dream-machine/v1        9       -
     fal                 FAL_KEY                     https://queue.fal.run                           16      transparent, white
     huggingface         HF_TOKEN                    https://router.huggingface.co                   1       -
     runway              RUNWAYML_API_SECRET         https://api.dev.runwayml.com                    any     -
     bfl                 BFL_API_KEY                 https://api.bfl.ai/v1                           any     white
     recraft             RECRAFT_API_TOKEN           https://external.api.recraft.ai/v1              10      white
     ideogram            IDEOGRAM_API_KEY            https://api.ideogram.ai                         11      black, white
     mock                none                        none                                            any     white

     Other environment variables:
       openai              base URL OPENAI_BASE_URL; organization OPENAI_ORG_ID; project OPENAI_PROJECT_ID
       indoxrouter         keys INDOXHUB_API_KEY
       atoma               keys ATOMA_API_KEY
       azure_openai        keys AZURE_API_KEY, AZURE_OPENAI_AD_TOKEN; base URL AZURE_OPENAI_ENDPOINT,
                           AZURE_API_BASE; api_version OPENAI_API_VERSION, AZURE_API_VERSION; resource
                           AZURE_RESOURCE_NAME
       together            base URL TOGETHER_BASE_URL
       openrouter          base URL OPENROUTER_BASE_URL; referer OPENROUTER_HTTP_REFERER; title
                           OPENROUTER_APP_TITLE
       google              keys GEMINI_API_KEY, GOOGLE_GENERATIVE_AI_API_KEY; base URL
                           GOOGLE_GEMINI_BASE_URL; api_version GOOGLE_GENAI_API_VERSION
       automatic1111       base URL AUTOMATIC1111_BASE_URL
       stability           keys STABILITY_KEY; base URL STABILITY_API_URL
       bedrock             keys AWS_ACCESS_KEY_ID+AWS_SECRET_ACCESS_KEY+AWS_SESSION_TOKEN?; base URL
                           AWS_ENDPOINT_URL_BEDROCK_RUNTIME, AWS_ENDPOINT_URL; region AWS_REGION,
                           AWS_DEFAULT_REGION
       luma                keys LUMA_API_KEY; base URL LUMAAI_BASE_URL
       fal                 keys FAL_API_KEY, FAL_KEY_ID+FAL_KEY_SECRET
       huggingface         keys HUGGING_FACE_HUB_TOKEN, HF_API_TOKEN
       runway              base URL RUNWAYML_BASE_URL
       recraft             keys RECRAFT_API_KEY

     What the tables don't say:
       azure_openai        The model is the name of your deployment. The base URL is the resource's, with or without
                           /openai or /openai/v1, that of a project or of a deployment, or a whole target URI. A dated
                           api_version (one in the base URL's query wins) leads to the deployment's path; none, "v1"
                           and "preview" lead to v1. A key that is a token (a JWT) goes out as a bearer.
       google              The Gemini API, or Vertex AI where provider_config names a project.
       bedrock             A key "id:secret" or "id:secret:session" signs the request, which for models with a ':' in
                           their name needs libcurl 8.14; a bearer key needs nothing.
       replicate           Models are "owner/name" (official ones), "owner/name:version", or a version.
       luma                Input images by http(s) URL only, of the roles reference, style and asset (one character).
       fal                 Each model is an endpoint with fields of its own. Images and masks turn the name of a model
                           into that of its edits ("fal-ai/flux-2" into "fal-ai/flux-2/edit"); without a model a
                           mask asks for fal-ai/flux-pro/v1/fill.
       automatic1111       Works without a key; one is the "user:password" of the server's --api-auth. An edit
                           without a size keeps that of its image.
       stability           A mask makes it an inpainting. The model may be a call's path, too: "control/sketch".
       recraft, ideogram   Input images of the role style lend a generation their style (ideogram: 3.0 models).
                           ideogram-v3 and ideogram-v4 are asked by the old API.

     What provider_config (a JSON object) may hold: everywhere "operation", and
       openai              "organization", "project": the headers of those names
       openai_compatible   "response_format": "b64_json", "url", or null to leave it out
       indoxrouter         "byok_api_key": your own key at the provider behind it
       azure_openai        "api_version", as config.api_version; "resource": its name, where no base URL is given
       openrouter          "referer", "title", "categories": headers that tell of your application
       google              "project": Vertex AI instead of the Gemini API, and the key is an OAuth token;
                           "location": e.g. "us-central1" (default: "global"); "api_version", as config.api_version
       stability           "strength": 0 to 1, how much of an input image may change (default: 0.5); "accept": any
                           "image/..." for an answer of bytes instead of JSON with base64
       bedrock             "strength"; "region" (default: us-west-2)
       replicate           "deployment": true, where the model is a deployment's owner/name; "wait": true, or for how
                           many seconds (1 to 60) the provider may hold the first request, which then can't be
                           cancelled or resumed; "cancel_after": a deadline such as "5m"; "webhook",
                           "webhook_events_filter"; extra_params go into "input", to the model
       luma                "weight": 0 to 1, of each input image; "callback_url"
       fal                 "direct": true asks fal.run, without the queue; "sync_mode": true has the images within the
                           answer; "priority": "low"
       huggingface         "provider": "hf-inference" (default), or "fal-ai" or "together", with the model's name there
       runway              "tags": a list with one name (or null) for each input image, for "@name" in the prompt;
                           "subjects": likewise "human", "object" or null (gemini_image3 models); "api_version": the
                           X-Runway-Version header, as config.api_version
       recraft             "strength": of image_to_image, 0 (the image) to 1 (default: 0.5); "controls": an object
       ideogram            "async": true runs a call as a job, which a token can resume
     A key of it that the provider doesn't know becomes a warning.

     "operation" says what generation fields don't: one name for the same thing at every provider. Without it the
     request decides (images or a mask make it an edit). One that a provider lacks is UNSUPPORTED before anything is
     sent; tarash_image_operations and README tell which each one has. An operation chooses its call or model, and what
     it takes besides the standard fields goes into extra_params in the provider's own words: "left" and "creativity"
     of stability's outpaint, "scale" of an upscaler.
       generate, edit, variation     what they say; image_to_image, remix: a new image that follows one
       inpaint, erase                where the mask marks it; precise_edit: the image, and nothing else of it
       outpaint, expand, reframe     more around the image: sides or a canvas, or another ratio
       remove_background, replace_background, generate_background, relight
       search_and_replace, search_and_recolor
       sketch, structure, style      the image gives that; style_transfer: two images, the second (or the one with
                                     the role style) gives the style; try_on: the person, then the garment
       upscale, upscale_fast, upscale_conservative, upscale_creative, deblur, vectorize

   ADAPTING A REQUEST
     Each provider, and each link of a chain, gets the same request, adapted. A size that a model lacks becomes
     its nearest; an aspect ratio becomes a size where only sizes exist, and the other way round; quality words
     are mapped; what can't be expressed is left out. Each of these is a warning in the response {field, asked,
     sent, why}; with request.strict it is a VALIDATION error before anything is sent. Input images that a
     provider can't take are never left out: that is UNSUPPORTED. Words and models that the tables don't know are
     sent as they are.

   RETRIES, FALLBACK AND MONEY
     A generation is billed and can't be undone, so what happens after a failure depends on how far the
     request got (error.delivery):
       NOT_SENT   no byte of the request left                 same provider again, then the next link
       REJECTED   a full answer with an error came            again on 409, 429, 500, 503; then the next link
       UNKNOWN    sent, but no full answer: time-out, reset,  never again at the same provider; the next link,
                  408, 502, 504, an unreadable 200            unless on_unknown says STOP
       ACCEPTED   the provider has a job, or made the images  only its polls and downloads are tried again
     Polls and downloads during which nothing comes for 30 seconds count as failed, and are tried again.
     The chain moves on after GENERATION_FAILED, TIMEOUT, CONNECTION, RATE_LIMITED, BAD_RESPONSE, and HTTP 429,
     500, 502, 503, 504; it stops on anything else. A reply's x-should-retry header goes before the status.
     fallback_on replaces that rule. A(B(C), D) is tried in the order A, B, C, D. A wait that would outlast the
     time left is not begun.
     error.job_token, or tarash_image_job_token, brings back a job that was paid for: tarash_image_resume.

   THREADS
     One client, its jobs and its callbacks belong to one thread at a time; different clients need no locks.
     tarash_image_wakeup is the one call that may come from another thread. Functions that take no client, or a
     NULL one, may be called from any thread at any time. Environment variables are read by submit, generate,
     plan and resume. With a libcurl older than 7.84 call curl_global_init yourself before there are threads.
     A logger must not call the library; a sink and a provider's own functions may call tarash_image_cancel only.

   MEMORY
     Texts of configs and requests are copied when a job is submitted. Image bytes and pixels (data, pixels) are
     not: they must stay until the job has been taken, and so must a sink's and a callback's user_data. A
     response owns what it points to, outlives its client, and is released by tarash_image_response_free.

   SECURITY
     The key goes only to the origin of base_url, and of fal and bfl to those hosts of theirs that
     tarash_image_providers tells (key_hosts). Addresses that a reply names for its job count there only; a
     provider's own code may ask elsewhere, without the key. Result downloads never carry credentials, and
     follow at most five redirects, http and https only. Neither reaches private, link-local or loopback
     addresses unless base_url is one. TLS is always verified. Keys are removed from every error, log line,
     plan, token and raw_response, and wiped when freed.

   LIMITS
     See tarash_image_limits. What comes from outside is capped before memory is taken for it.

   VERSIONS
     Header and implementation must be of one copy. No binary compatibility is promised between versions; fields
     and enumerators are only ever appended.

   The licence stands at the end of this file. Table of contents:  grep -n '^/[*] >>' tarash_image.h */

#if defined(TARASH_IMAGE_IMPLEMENTATION) && !defined(TARASH_IMAGE_IMPLEMENTED) &&                            \
    defined(__STRICT_ANSI__) && !defined(_POSIX_C_SOURCE) && !defined(_XOPEN_SOURCE) &&                      \
    !defined(_GNU_SOURCE)
/* Strict C99 hides the monotonic clock; asked for here, before the first system header, and withdrawn below.
 */
#define _POSIX_C_SOURCE 200809L
#define TARIMG_POSIX_ASKED
#endif

/* >>api */
#ifndef TARASH_IMAGE_H
#define TARASH_IMAGE_H

#define TARASH_IMAGE_VERSION_MAJOR  0
#define TARASH_IMAGE_VERSION_MINOR  1
#define TARASH_IMAGE_VERSION_PATCH  0
#define TARASH_IMAGE_VERSION_NUMBER 100 /* major * 10000 + minor * 100 + patch */
#define TARASH_IMAGE_VERSION        "0.1.0"

#include <stddef.h>
#include <stdint.h>

#ifndef TARASH_IMAGE_API
#if defined(TARASH_IMAGE_STATIC) && (defined(__GNUC__) || defined(__clang__))
#define TARASH_IMAGE_API static __attribute__((unused))
#elif defined(TARASH_IMAGE_STATIC)
#define TARASH_IMAGE_API static
#else
#define TARASH_IMAGE_API extern
#endif
#endif

#if defined(TARASH_IMAGE_STATIC) && !defined(TARASH_IMAGE_IMPLEMENTATION) && defined(__GNUC__)
/* A file that declares static functions and never defines them is fine. gcc says so at the file's end, where a
   pragma that was popped counts no more. */
#pragma GCC diagnostic ignored "-Wunused-function"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- results ------------------------------------------------------------------------------------------- */

/* X(enumerator, value, name, description); values are permanent, new ones are appended. */
#define TARASH_IMAGE_RESULTS(X)                                                                              \
    X(TARASH_IMAGE_OK, 0, "OK", "success")                                                                   \
    X(TARASH_IMAGE_ERROR_VALIDATION, 1, "VALIDATION", "a setting is missing, malformed or out of range")     \
    X(TARASH_IMAGE_ERROR_UNSUPPORTED, 2, "UNSUPPORTED",                                                      \
      "the provider or this build can't do what was asked")                                                  \
    X(TARASH_IMAGE_ERROR_CONTENT_MODERATION, 3, "CONTENT_MODERATION", "the provider refused the content")    \
    X(TARASH_IMAGE_ERROR_AUTHENTICATION, 4, "AUTHENTICATION", "the key is wrong or lacks permission")        \
    X(TARASH_IMAGE_ERROR_RATE_LIMITED, 5, "RATE_LIMITED", "too many requests; try again later")              \
    X(TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 6, "QUOTA_EXCEEDED", "the account's quota or credit is used up")    \
    X(TARASH_IMAGE_ERROR_HTTP, 7, "HTTP", "the provider answered with an error status")                      \
    X(TARASH_IMAGE_ERROR_GENERATION_FAILED, 8, "GENERATION_FAILED", "the provider failed to make an image")  \
    X(TARASH_IMAGE_ERROR_CONNECTION, 9, "CONNECTION", "the connection failed or broke")                      \
    X(TARASH_IMAGE_ERROR_TIMEOUT, 10, "TIMEOUT", "it took too long")                                         \
    X(TARASH_IMAGE_ERROR_BAD_RESPONSE, 11, "BAD_RESPONSE", "the answer is not what the protocol promises")   \
    X(TARASH_IMAGE_ERROR_TOO_LARGE, 12, "TOO_LARGE", "the answer exceeds a limit of the client")             \
    X(TARASH_IMAGE_ERROR_CANCELLED, 13, "CANCELLED", "the job was cancelled")                                \
    X(TARASH_IMAGE_ERROR_IO, 14, "IO", "a file or sink could not be read or written")                        \
    X(TARASH_IMAGE_ERROR_OUT_OF_MEMORY, 15, "OUT_OF_MEMORY", "an allocation failed")

typedef enum tarash_image_result {
#define TARASH_IMAGE_X(enumerator, value, name, description) enumerator = value,
    TARASH_IMAGE_RESULTS(TARASH_IMAGE_X)
#undef TARASH_IMAGE_X
        TARASH_IMAGE_RESULT_COUNT = 16
} tarash_image_result;

/* A bit of config.fallback_on, e.g. TARASH_IMAGE_BIT(TARASH_IMAGE_ERROR_TIMEOUT). */
#define TARASH_IMAGE_BIT(result) (1u << (unsigned)(result))

typedef enum tarash_image_status {
    TARASH_IMAGE_STATUS_NONE = 0, /* no such job: never submitted, or already taken */
    TARASH_IMAGE_STATUS_QUEUED = 1,
    TARASH_IMAGE_STATUS_PROCESSING = 2,
    TARASH_IMAGE_STATUS_COMPLETED = 3, /* ready to take */
    TARASH_IMAGE_STATUS_FAILED = 4     /* ready to take; the response says why */
} tarash_image_status;

typedef enum tarash_image_output {
    TARASH_IMAGE_OUTPUT_AUTO = 0,  /* bytes; a URL is downloaded, and kept beside them */
    TARASH_IMAGE_OUTPUT_BYTES = 1, /* the same, said aloud */
    TARASH_IMAGE_OUTPUT_URL = 2,   /* the URL, and no download; bytes where the provider has no URLs */
    TARASH_IMAGE_OUTPUT_BASE64 = 3 /* bytes, and their base64 text beside them */
} tarash_image_output;

/* What an input image is for; a warning where a provider has no roles. */
typedef enum tarash_image_role {
    TARASH_IMAGE_ROLE_REFERENCE = 0,
    TARASH_IMAGE_ROLE_FIRST_FRAME = 1,
    TARASH_IMAGE_ROLE_LAST_FRAME = 2,
    TARASH_IMAGE_ROLE_ASSET = 3,
    TARASH_IMAGE_ROLE_STYLE = 4
} tarash_image_role;

/* How far a failed request got; see RETRIES, FALLBACK AND MONEY. */
typedef enum tarash_image_delivery {
    TARASH_IMAGE_DELIVERY_NOT_SENT = 0,
    TARASH_IMAGE_DELIVERY_REJECTED = 1,
    TARASH_IMAGE_DELIVERY_UNKNOWN = 2,
    TARASH_IMAGE_DELIVERY_ACCEPTED = 3
} tarash_image_delivery;

/* May the chain move on where a second bill is possible? */
typedef enum tarash_image_on_unknown {
    TARASH_IMAGE_UNKNOWN_DEFAULT = 0, /* as the config that holds this one; FALLBACK for the first */
    TARASH_IMAGE_UNKNOWN_FALLBACK = 1,
    TARASH_IMAGE_UNKNOWN_STOP = 2
} tarash_image_on_unknown;

typedef enum tarash_image_log_level {
    TARASH_IMAGE_LOG_DEBUG = 0,
    TARASH_IMAGE_LOG_INFO = 1,
    TARASH_IMAGE_LOG_WARNING = 2,
    TARASH_IMAGE_LOG_ERROR = 3
} tarash_image_log_level;

/* Common values of the text fields; any other text that a provider knows is as good. */
#define TARASH_IMAGE_SIZE_AUTO                "auto"
#define TARASH_IMAGE_SIZE_SQUARE_256          "256x256"
#define TARASH_IMAGE_SIZE_SQUARE_512          "512x512"
#define TARASH_IMAGE_SIZE_SQUARE_1024         "1024x1024"
#define TARASH_IMAGE_SIZE_PORTRAIT_1024X1792  "1024x1792"
#define TARASH_IMAGE_SIZE_LANDSCAPE_1792X1024 "1792x1024"
#define TARASH_IMAGE_SIZE_PORTRAIT_1024X1536  "1024x1536"
#define TARASH_IMAGE_SIZE_LANDSCAPE_1536X1024 "1536x1024"
#define TARASH_IMAGE_QUALITY_AUTO             "auto"
#define TARASH_IMAGE_QUALITY_LOW              "low"
#define TARASH_IMAGE_QUALITY_STANDARD         "standard"
#define TARASH_IMAGE_QUALITY_MEDIUM           "medium"
#define TARASH_IMAGE_QUALITY_HD               "hd"
#define TARASH_IMAGE_QUALITY_HIGH             "high"
#define TARASH_IMAGE_STYLE_VIVID              "vivid"
#define TARASH_IMAGE_STYLE_NATURAL            "natural"
#define TARASH_IMAGE_FORMAT_PNG               "png"
#define TARASH_IMAGE_FORMAT_JPEG              "jpeg"
#define TARASH_IMAGE_FORMAT_WEBP              "webp"
#define TARASH_IMAGE_BACKGROUND_AUTO          "auto"
#define TARASH_IMAGE_BACKGROUND_OPAQUE        "opaque"
#define TARASH_IMAGE_BACKGROUND_TRANSPARENT   "transparent"

#define TARASH_IMAGE_NO_RETRIES (-1) /* for config.max_retries */

/* ---- small structs ------------------------------------------------------------------------------------- */

/* Memory functions: all three, or none for the default ones. Called on the thread that uses the client, and
   by the release functions of what the client made. libcurl's own memory is not covered (see
   curl_global_init_mem). */
typedef struct tarash_image_allocator {
    void *(*alloc_fn)(size_t size, void *user_data);
    /* pointer may be NULL */
    void *(*realloc_fn)(void *pointer, size_t old_size, size_t new_size, void *user_data);
    void (*free_fn)(void *pointer, void *user_data); /* never NULL */
    void *user_data;
} tarash_image_allocator;

/* Receives log lines at `level` and above; without log_fn the library is silent. No line holds a key. */
typedef struct tarash_image_logger {
    void (*log_fn)(tarash_image_log_level level, const char *message, void *user_data);
    void *user_data;
    tarash_image_log_level level; /* (default: DEBUG, that is, all) */
} tarash_image_logger;

/* A monotonic clock in milliseconds, for tests and for engines with a time of their own. With a clock of
   yours, tarash_image_poll never waits longer than a millisecond before it reads it again. */
typedef struct tarash_image_clock {
    int64_t (*now_ms_fn)(void *user_data); /* (default: the system's monotonic clock) */
    void *user_data;
} tarash_image_clock;

typedef struct tarash_image_header {
    const char *name;
    const char *value;
} tarash_image_header;

/* What may come from outside, at most; zero means the default. A reply or an image that exceeds one is TOO_LARGE,
   a redirect too many BAD_RESPONSE, a request of yours VALIDATION; of more images than max_images the first are
   kept. */
typedef struct tarash_image_limits {
    size_t max_reply_bytes;    /* one HTTP reply as it arrives, unpacked (default: 256 MiB) */
    size_t max_document_bytes; /* what is kept of a reply besides its images (default: 8 MiB) */
    size_t max_image_bytes;    /* one decoded image (default: 128 MiB) */
    size_t max_header_bytes;   /* the header lines of one reply (default: 64 KiB) */
    int max_images;            /* images in one response, and request.n (default: 64) */
    int max_json_depth;        /* nesting of a reply and of extra_params (default: 64; at most 512 counts) */
    int max_redirects;         /* of one download (default: 5) */
} tarash_image_limits;

/* What a client is made with; all-zero gives the defaults. Texts are copied. */
typedef struct tarash_image_client_desc {
    tarash_image_allocator allocator;
    tarash_image_logger logger;
    tarash_image_clock clock;
    tarash_image_limits limits;
    const char *user_agent; /* (default: "tarash_image/<version>") */
    const char *proxy;      /* as CURLOPT_PROXY; "" = none (default: libcurl's environment variables) */
    const char *ca_file;    /* PEM file of certificate authorities (default: libcurl's) */
    /* Called with each CURL* after the library has set it up and before it is used, for options of your own
       (client certificates, DNS, interfaces). Keep the callbacks, the URL and the protocols as they are. */
    void (*curl_hook_fn)(void *curl_easy_handle, void *user_data);
    void *curl_hook_user_data;
    uint64_t random_seed;      /* for jitter and weighted mocks; 0 = from the clock */
    int skip_curl_global_init; /* nonzero: the program has called curl_global_init itself */
} tarash_image_client_desc;

/* One input image: exactly one of url, path, data, pixels. Raw pixels are written as a PNG. */
typedef struct tarash_image_input {
    const char *url;        /* http(s) URL, or a data: URL with base64 */
    const char *path;       /* a file, read while it is sent (UTF-8 on every platform) */
    const void *data;       /* an encoded image (PNG, JPEG, ...) of `size` bytes; must outlive the job */
    size_t size;            /* bytes */
    const void *pixels;     /* 8 bits per channel, rows top-down without padding; must outlive the job */
    int width;              /* pixels */
    int height;             /* pixels */
    int channels;           /* 1 grey, 2 grey+alpha, 3 RGB, 4 RGBA */
    const char *mime_type;  /* (default: read from the bytes) */
    tarash_image_role role; /* (default: REFERENCE) */
} tarash_image_input;

typedef enum tarash_image_mock_kind {
    TARASH_IMAGE_MOCK_WEIGHTED = 0,
    TARASH_IMAGE_MOCK_SCRIPTED = 1
} tarash_image_mock_kind;

/* One outcome of a mock: an error if `error` is set, else an image. */
typedef struct tarash_image_mock_response {
    double weight;             /* share among the responses, > 0 (default: 1) */
    tarash_image_result error; /* any result but OK is returned as that failure */
    int http_status;           /* of that failure (default: what fits the result) */
    int retry_after_ms;        /* of that failure (default: none) */
    const char *message;       /* of that failure (default: a general one) */
    const void *data;          /* the image to give, encoded, `size` bytes (default: a drawn PNG) */
    size_t size;
    const char *url;            /* given as the image's url; nothing is fetched */
    const char *revised_prompt; /* given as the image's revised prompt */
} tarash_image_mock_response;

/* Simulated polling: one update per status, `delay_ms` apart. */
typedef struct tarash_image_mock_polling {
    int enabled;
    const tarash_image_status *statuses; /* (default: queued, processing, completed) */
    size_t status_count;
    const int *percentages; /* one per status, 0 to 100 (default: 0 queued, 50 processing, 100 completed) */
    int delay_ms;           /* (default: 500; negative is invalid) */
} tarash_image_mock_polling;

typedef struct tarash_image_mock {
    int enabled;
    const tarash_image_mock_response *responses; /* (default: one drawn image) */
    size_t response_count;
    tarash_image_mock_kind kind; /* WEIGHTED: chosen at random; SCRIPTED: the k-th try of a job gets the k-th,
                                    the last one repeats */
    uint64_t seed;               /* of the weighted choice (default: the client's generator) */
    const tarash_image_mock_polling *polling; /* (default: none, and then no progress is reported) */
    int latency_ms;                           /* before each answer (default: 0) */
} tarash_image_mock;

/* Same-provider retries: the k-th wait is initial * exponent^k up to max, less up to a quarter at random. A
   wait that the server asks for (Retry-After) takes its place. */
typedef struct tarash_image_retry {
    int initial_ms;           /* (default: 500) */
    int max_ms;               /* (default: 60000) */
    double exponent;          /* 1 to 10 (default: 1.5) */
    int max_elapsed_ms;       /* no retry begins later than this after the first try (default: 3600000) */
    int no_connection_errors; /* nonzero: a connection that could not be made is not retried */
} tarash_image_retry;

/* ---- config: who to ask -------------------------------------------------------------------------------- */

typedef struct tarash_image_config {
    const char *provider;    /* e.g. "openai"; NULL: the part of `model` before the first slash */
    const char *model;       /* (default: the provider's) */
    const char *api_key;     /* (default: the provider's environment variables) */
    const char *base_url;    /* http(s), no credentials in it (default: the provider's) */
    const char *api_version; /* for providers that have versions (default: the provider's) */
    int timeout_ms;         /* this config's attempt as a whole: requests, retries, waits, polls and downloads
                               (default: 120000) */
    int total_timeout_ms;   /* the whole chain; only the first config's counts (default: none) */
    int connect_timeout_ms; /* (default: 10000) */
    int max_poll_attempts;  /* (default: 60, or as many as fit into timeout_ms) */
    int poll_interval_ms;   /* (default: 2000) */
    int max_retries;        /* after the first try; TARASH_IMAGE_NO_RETRIES = none (default: 2) */
    tarash_image_retry retry;
    const tarash_image_mock *mock;               /* used instead of the provider where mock->enabled */
    const struct tarash_image_config *fallbacks; /* tried in order, each with its own fallbacks first */
    size_t fallback_count;
    /* TARASH_IMAGE_BIT(...) | ...: the results after which the chain moves on; 0 = as the config that
       holds this one, and at the top the rule above. CANCELLED and OUT_OF_MEMORY always end it */
    uint32_t fallback_on;
    /* (default: as the config that holds this one, and FALLBACK at the top) */
    tarash_image_on_unknown on_unknown;
    const char *provider_config; /* JSON object, see PROVIDERS */
    /* sent to base_url's origin only; one of ours with the same name gives way */
    const tarash_image_header *headers;
    size_t header_count;
} tarash_image_config;

/* ---- request: what to make ----------------------------------------------------------------------------- */

typedef struct tarash_image_update tarash_image_update;
typedef void (*tarash_image_progress_fn)(const tarash_image_update *update, void *user_data);

/* Takes images as they arrive instead of memory; tarash_image.data is then NULL and size still says how many
   bytes there were. Memory stays constant, unless previews (partial_images) are asked for, or the provider's
   reply tells only behind an image whether it counts (drafts of google, refusals of stability and bedrock, grids
   of automatic1111): then the image waits in memory until the reply is complete. Functions return 0 for success;
   anything else ends the job with IO. They are called inside tarash_image_poll, and may call
   tarash_image_cancel but no other function of the client. */
typedef struct tarash_image_sink {
    /* the built-in file sink, which writes as tarash_image_save does: a path with {index} and {ext}; the
       functions are not used then */
    const char *path;
    int (*open_fn)(void *user_data, size_t index, const char *mime_type, void **stream);
    int (*write_fn)(void *user_data, void *stream, const void *data, size_t size);
    int (*close_fn)(void *user_data, void *stream);  /* the image is whole */
    void (*abort_fn)(void *user_data, void *stream); /* it will not be; the same index may be opened again */
    void *user_data;
} tarash_image_sink;

typedef struct tarash_image_request {
    const char *prompt;          /* UTF-8; required unless the provider's operation takes none */
    const char *negative_prompt; /* what to avoid */
    const char *size;            /* "WxH" in pixels, or "auto" */
    const char *aspect_ratio;    /* "W:H"; size wins where both are given */
    const char *quality;
    const char *style;
    int n;        /* images (default: 1); above what one call yields it is split into parallel calls */
    int has_seed; /* nonzero: seed counts, 0 included */
    int64_t seed;
    const tarash_image_input *images; /* images or a mask turn generation into editing */
    size_t image_count;
    /* white marks what to edit; raw pixels are turned into the provider's own form */
    tarash_image_input mask;
    tarash_image_output output; /* (default: AUTO, bytes) */
    const char *output_format;  /* "png", "jpeg", "webp", ... */
    const char *background;     /* "auto", "opaque", "transparent" */
    const char *user;           /* your end user's id, for the provider's abuse detection */
    int partial_images;         /* previews wanted on the way, 0 to 3 (default: 0) */
    /* JSON object merged into the provider's body last: objects merge, null removes */
    const char *extra_params;
    int strict; /* nonzero: what would be a warning about a setting is a VALIDATION error */
    const tarash_image_sink *sink;
    /* called inside tarash_image_poll; may call any function of the client */
    tarash_image_progress_fn on_progress;
    void *user_data; /* for on_progress */
} tarash_image_request;

/* ---- response: what came back -------------------------------------------------------------------------- */

typedef struct tarash_image {
    unsigned char *data;   /* the encoded image; NULL with a sink, or where only a URL was wanted */
    size_t size;           /* bytes, also where a sink took them */
    const char *url;       /* where the provider keeps it, or NULL; these expire */
    const char *base64;    /* for OUTPUT_BASE64, else NULL */
    const char *path;      /* where the file sink put it, or NULL */
    const char *mime_type; /* read from the bytes, whatever the provider says */
    int width;             /* pixels, read from the bytes; 0 if unknown */
    int height;
    const char *revised_prompt; /* or NULL */
    int has_seed;
    int64_t seed;                         /* the one that the provider used */
    size_t index;                         /* 0-based place in the request's n */
    struct tarash_image_storage *storage; /* internal */
} tarash_image;

typedef struct tarash_image_warning {
    const char *field; /* of the request or config, e.g. "size" */
    const char *asked;
    const char *sent; /* what went out instead; "" = left out */
    const char *why;
    const char *provider;
} tarash_image_warning;

/* Fixed arrays, so that an error outlives lack of memory. Texts are cut at their array's end. */
typedef struct tarash_image_error {
    tarash_image_result result;
    int http_status; /* 0 = no HTTP answer */
    int curl_code;   /* CURLcode, 0 = none */
    tarash_image_delivery delivery;
    int retryable;          /* nonzero: the same request may succeed later */
    int64_t retry_after_ms; /* as the server asked; 0 = it didn't */
    char provider[32];
    char model[96];
    char request_id[96];    /* the provider's */
    char provider_code[96]; /* the provider's own word for the error */
    char message[512];      /* what happened and what to do; never a key */
    char job_token[1024];   /* the response's job_token; "" if there is none, or if it is longer than this */
} tarash_image_error;

typedef struct tarash_image_attempt { /* one config of the chain that was tried */
    const char *provider;
    const char *model;
    const char *request_id;     /* the provider's, or NULL */
    tarash_image_result result; /* OK for the one that succeeded */
    int http_status;
    tarash_image_delivery delivery;
    int retries;        /* requests sent again at this provider, polls and downloads included */
    int64_t started_at; /* UTC, milliseconds since 1970, to the second */
    int64_t elapsed_ms;
    const char *message; /* "" on success */
} tarash_image_attempt;

typedef struct tarash_image_usage {
    int64_t input_tokens; /* each 0 if not reported */
    int64_t output_tokens;
    int64_t total_tokens;
} tarash_image_usage;

/* Filled on failure too: attempts, warnings and error are always there, and images that came nevertheless. */
typedef struct tarash_image_response {
    const char *request_id;          /* ours, unique */
    const char *provider_request_id; /* or NULL */
    const char *provider;            /* who answered, or failed last */
    const char *model;
    tarash_image_status status; /* COMPLETED or FAILED */
    int is_mock;
    int64_t created; /* UTC, seconds since 1970 */
    tarash_image *images;
    size_t image_count;
    tarash_image_usage usage;
    const tarash_image_warning *warnings;
    size_t warning_count;
    const tarash_image_attempt *attempts;
    size_t attempt_count;   /* = total attempts */
    int successful_attempt; /* 1-based; 0 = none */
    int fallback_triggered; /* nonzero: not the first config's images */
    int configs_in_chain;
    int64_t elapsed_ms;
    const char *raw_response; /* the provider's JSON, images replaced by their length; an array of several
                                      replies where n was split; NULL if none came */
    /* JSON object of what the standard fields don't carry, of the first reply where n was split; "{}"
       if nothing */
    const char *provider_metadata;
    tarash_image_error error; /* result OK on success */
    /* for tarash_image_resume where something paid for can still be fetched, or NULL */
    const char *job_token;
    struct tarash_image_storage *storage; /* internal */
} tarash_image_response;

typedef struct tarash_image_job {
    uint32_t id; /* 0 = none */
} tarash_image_job;

/* A job's state. Pointers are good until the next call on the client. */
struct tarash_image_update {
    tarash_image_job job;
    tarash_image_status status;
    int progress_percent;    /* 0 to 100, -1 = unknown */
    int queue_position;      /* 0-based, -1 = unknown */
    uint64_t bytes_received; /* of the replies of this attempt */
    const char *provider;
    const char *model;
    int attempt;                           /* 1-based link of the chain */
    const char *message;                   /* a log line of the provider, or NULL */
    const tarash_image *partial_image;     /* a preview, or NULL; its index is the preview's number */
    size_t image_index;                    /* of the image that it is a preview of */
    const tarash_image_response *response; /* when COMPLETED, in on_progress only, else NULL */
    const tarash_image_error *error;       /* when FAILED, else NULL */
};

/* A text that the library made; `error` says why where a call failed. Release with tarash_image_text_free. */
typedef struct tarash_image_text {
    char *data; /* NUL-terminated, NULL on failure */
    size_t size;
    tarash_image_error error;
    struct tarash_image_storage *storage; /* internal */
} tarash_image_text;

typedef struct tarash_image_client tarash_image_client;

/* ---- providers and models as data ---------------------------------------------------------------------- */

/* Standard fields, as bits of capabilities.fields. */
typedef enum tarash_image_field {
    TARASH_IMAGE_FIELD_NEGATIVE_PROMPT = 1 << 0,
    TARASH_IMAGE_FIELD_SIZE = 1 << 1,
    TARASH_IMAGE_FIELD_ASPECT_RATIO = 1 << 2,
    TARASH_IMAGE_FIELD_QUALITY = 1 << 3,
    TARASH_IMAGE_FIELD_STYLE = 1 << 4,
    TARASH_IMAGE_FIELD_N = 1 << 5,
    TARASH_IMAGE_FIELD_SEED = 1 << 6,
    TARASH_IMAGE_FIELD_IMAGES = 1 << 7,
    TARASH_IMAGE_FIELD_MASK = 1 << 8,
    TARASH_IMAGE_FIELD_OUTPUT = 1 << 9, /* can be asked for a URL or for base64 */
    TARASH_IMAGE_FIELD_OUTPUT_FORMAT = 1 << 10,
    TARASH_IMAGE_FIELD_BACKGROUND = 1 << 11,
    TARASH_IMAGE_FIELD_USER = 1 << 12,
    TARASH_IMAGE_FIELD_PARTIAL_IMAGES = 1 << 13,
    TARASH_IMAGE_FIELD_ROLES = 1 << 14 /* of input images */
} tarash_image_field;

/* What marks the part to edit, at this provider. */
typedef enum tarash_image_mask_polarity {
    TARASH_IMAGE_MASK_NONE = 0,
    TARASH_IMAGE_MASK_WHITE = 1,
    TARASH_IMAGE_MASK_BLACK = 2,
    TARASH_IMAGE_MASK_TRANSPARENT = 3
} tarash_image_mask_polarity;

/* What a provider or model takes. Lists are comma-separated; NULL = no list is known, and anything passes. */
typedef struct tarash_image_capabilities {
    uint32_t fields; /* TARASH_IMAGE_FIELD_... */
    int max_n;       /* images per call; more is split (0 = no limit known) */
    int max_input_images;
    tarash_image_mask_polarity mask;
    int64_t seed_min;
    int64_t seed_max;
    const char *sizes;   /* "any" in the list = every size within the rules below */
    int size_multiple;   /* both sides are a multiple of this (0 = no rule, for each of these) */
    int size_max_edge;   /* pixels */
    int size_max_ratio;  /* long side at most this many times the short one */
    int size_min_pixels; /* width x height */
    int size_max_pixels;
    const char *aspect_ratios;
    const char *qualities;
    const char *styles;
    const char *backgrounds;
    const char *output_formats;
    int size_min_edge;         /* pixels */
    const char *input_formats; /* of input images, e.g. "png,jpeg" */
    int mask_is_binary;        /* masks are of two levels only */
} tarash_image_capabilities;

typedef struct tarash_image_provider_info {
    const char *name;
    const char *aliases;           /* other spellings, comma-separated, or NULL */
    const char *base_url;          /* NULL: the config must give one */
    const char *base_url_variable; /* environment variable that replaces it, or NULL */
    /* comma-separated, in order, or NULL; "A+B" is A's and B's values, joined by a colon, "A+B+C?" may lack C's */
    const char *key_variables;
    int key_optional;
    const char *auth_header;
    const char *auth_prefix;
    /* Hosts that share the key among each other, comma-separated, '*' for one label; NULL: base_url's origin only. */
    const char *key_hosts;
    const char *default_model; /* NULL: the config must give one; "" : may be left out */
    /* what provider_config may hold besides "operation", comma-separated, or NULL; "key?" is true or false, "key*" any JSON */
    const char *config_keys;
    /* "key=VARIABLE,...": environment variables for keys that it leaves out, or NULL */
    const char *option_variables;
    int poll_interval_ms;                   /* where the config gives none; 0 = 2000 */
    tarash_image_capabilities capabilities; /* of models that the model table doesn't know */
    int compiled_in;
    const struct tarimg_adapter *adapter; /* internal */
} tarash_image_provider_info;

/* Models known when this version was made: data, never a gate. An id that ends in '*' stands for all that
 * begin so. */
typedef struct tarash_image_model_info {
    const char *provider;
    const char *id;
    const char *life; /* "current", or when it ended or will end */
    const tarash_image_capabilities *capabilities;
} tarash_image_model_info;

/* What an operation takes; bits of tarash_image_operation_info.flags. */
typedef enum tarash_image_operation_flag {
    TARASH_IMAGE_OPERATION_TAKES_PROMPT = 1 << 0,
    TARASH_IMAGE_OPERATION_NEEDS_PROMPT = 1 << 1,
    TARASH_IMAGE_OPERATION_TAKES_IMAGES = 1 << 2,
    TARASH_IMAGE_OPERATION_NEEDS_IMAGE = 1 << 3,
    TARASH_IMAGE_OPERATION_TAKES_MASK = 1 << 4,
    TARASH_IMAGE_OPERATION_NEEDS_MASK = 1 << 5
} tarash_image_operation_flag;

/* What provider_config's "operation" may be: one name for the same thing at every provider. What an operation
   takes besides the standard fields goes into extra_params, in the provider's own words. */
typedef struct tarash_image_operation_info {
    const char *provider;
    const char *operation;
    const char *call;                              /* the provider's name, path or model for it */
    uint32_t flags;                                /* TARASH_IMAGE_OPERATION_... */
    const tarash_image_capabilities *capabilities; /* NULL: the model's */
} tarash_image_operation_info;

/* Which standard fields of a request go to which fields of a provider's body: for models that the library
   doesn't know, and for those that it knows wrongly. */
typedef struct tarash_image_field_mapping {
    const char *provider;     /* as in config.provider */
    const char *model_prefix; /* the longest that fits a model wins; NULL or "" = every model */
    /* comma-separated "standard" or "standard=body", standard being one of prompt, negative_prompt, size,
       aspect_ratio, quality, style, n, seed, images, mask, output_format, background, user; body being
           name          the value itself; of images the only one; dots nest
           name[]        images as a list; name[].key a list of objects
           name{}        size as {"width": W, "height": H}
           name+name     size as two numbers
           (nothing)     the model has no such field: a warning, or UNSUPPORTED for images
       Two body fields may not meet, and no standard field is named twice. Where images are mapped, so must a mask be.
       A protocol that edits by a call of its own (openai) then sees no images: name the operation "edit" to have it.
       What isn't named goes out as the provider's protocol has it; at providers whose models each have fields
       of their own (fal, replicate) it is left out, with a warning. */
    const char *fields;
    const char *constants; /* JSON object merged into the body before the fields are written, or NULL */
} tarash_image_field_mapping;

/* ---- one call ------------------------------------------------------------------------------------------ */

/* Makes images and waits for them. `client` may be NULL for a one-off; reusing one keeps connections open.
   `out` is always filled and is released with tarash_image_response_free, after a failure too. Blocks for at
   most the configs' time-outs. On a client with other jobs, those move on meanwhile. */
TARASH_IMAGE_API tarash_image_result tarash_image_generate(tarash_image_client *client,
                                                           const tarash_image_config *config,
                                                           const tarash_image_request *request,
                                                           tarash_image_response *out);

/* Releases what a response owns and zeroes it. Legal on a zeroed response, on NULL, and twice. */
TARASH_IMAGE_API void tarash_image_response_free(tarash_image_response *response);

/* Writes an image's bytes to `path`: whole or not at all (written beside it and renamed; into what is no file, a
   device or a pipe, directly). `error` may be NULL. VALIDATION without bytes or path, IO, UNSUPPORTED under
   TARASH_IMAGE_NO_STDIO. */
TARASH_IMAGE_API tarash_image_result tarash_image_save(const tarash_image *image, const char *path,
                                                       tarash_image_error *error);

/* ---- without blocking ---------------------------------------------------------------------------------- */

/* Makes a client; NULL desc = defaults. NULL if memory runs out, if the allocator is incomplete, or if user_agent or
   proxy has a control character in it. */
TARASH_IMAGE_API tarash_image_client *tarash_image_client_create(const tarash_image_client_desc *desc);

/* Cancels what is running and releases the client; responses that were taken stay. NULL is legal. From a
   callback, the release happens when the outermost call returns. Waits up to a second where a provider is
   still being told that its job was cancelled; polling on after tarash_image_cancel avoids that. */
TARASH_IMAGE_API void tarash_image_client_destroy(tarash_image_client *client);

/* Starts a job and returns at once. A request that can't start gives a job that has already FAILED, whose
   take says why; only lack of memory gives id 0. */
TARASH_IMAGE_API tarash_image_job tarash_image_submit(tarash_image_client *client,
                                                      const tarash_image_config *config,
                                                      const tarash_image_request *request);

/* Moves every job on; waits up to timeout_ms for something to happen (0 or less = doesn't wait). Returns how many
   jobs are still running. Callbacks are called in here. */
TARASH_IMAGE_API int tarash_image_poll(tarash_image_client *client, int timeout_ms);

/* Ends a wait in tarash_image_poll or tarash_image_generate early; legal from any thread. */
TARASH_IMAGE_API void tarash_image_wakeup(tarash_image_client *client);

/* A job's status; `optional` (may be NULL) receives the details. */
TARASH_IMAGE_API tarash_image_status tarash_image_job_status(tarash_image_client *client,
                                                             tarash_image_job job,
                                                             tarash_image_update *optional);

/* Hands over the response of a job that is COMPLETED or FAILED, and ends the job. The result is
   out->error.result. A job that still runs, or doesn't exist, is VALIDATION and stays as it is. */
TARASH_IMAGE_API tarash_image_result tarash_image_take(tarash_image_client *client, tarash_image_job job,
                                                       tarash_image_response *out);

/* Ends a job at once, and asks the provider to stop where it can. The job is FAILED with CANCELLED; taking it
   is allowed but not required. No-op on a job that has ended or doesn't exist. (libcurl before 7.87 may wait for
   a host name that is being resolved.) */
TARASH_IMAGE_API void tarash_image_cancel(tarash_image_client *client, tarash_image_job job);

/* ---- around it ----------------------------------------------------------------------------------------- */

/* Dry run: a JSON array with, per link of the chain, provider, model, method, url, headers (keys redacted),
   body (JSON, or the list of form parts), calls (into how many n is split) and warnings. Sends nothing.
   `client` may be NULL. */
TARASH_IMAGE_API tarash_image_result tarash_image_plan(tarash_image_client *client,
                                                       const tarash_image_config *config,
                                                       const tarash_image_request *request,
                                                       tarash_image_text *json_out);

/* A text, without secrets, that resumes what the provider has accepted: in another process too, for as long
   as the provider keeps it. UNSUPPORTED if there is nothing to resume. */
TARASH_IMAGE_API tarash_image_result tarash_image_job_token(tarash_image_client *client, tarash_image_job job,
                                                            tarash_image_text *out);

/* Releases a text; legal on a zeroed one, on NULL, and twice. */
TARASH_IMAGE_API void tarash_image_text_free(tarash_image_text *text);

/* Goes on with the job of a token: its polls and downloads, never a new generation. `config` as for the job
   itself (its key and base_url are used, its fallbacks are not); `provider` and `model` may be NULL. */
TARASH_IMAGE_API tarash_image_job tarash_image_resume(tarash_image_client *client,
                                                      const tarash_image_config *config, const char *token);

/* The same with a sink, output and progress: of `request` (NULL = none) only those count. */
TARASH_IMAGE_API tarash_image_job tarash_image_resume_with(tarash_image_client *client,
                                                           const tarash_image_config *config,
                                                           const tarash_image_request *request,
                                                           const char *token);

/* The built-in providers and models; static data. */
TARASH_IMAGE_API const tarash_image_provider_info *tarash_image_providers(size_t *count);
TARASH_IMAGE_API const tarash_image_model_info *tarash_image_models(size_t *count);

/* Which operations each built-in provider has; static data. */
TARASH_IMAGE_API const tarash_image_operation_info *tarash_image_operations(size_t *count);

/* The first image, or NULL; the bytes of all images together. */
TARASH_IMAGE_API const tarash_image *tarash_image_response_first(const tarash_image_response *response);
TARASH_IMAGE_API size_t tarash_image_response_total_size(const tarash_image_response *response);

/* An image of its own, released with tarash_image_free: decoded from base64 (a data: URL prefix and white
   space are fine), downloaded, or copied out of a response so that it outlives it. `error` may be NULL. */
TARASH_IMAGE_API tarash_image_result tarash_image_from_base64(const char *text, size_t length,
                                                              tarash_image *out);
TARASH_IMAGE_API tarash_image_result tarash_image_from_url(tarash_image_client *client, const char *url,
                                                           tarash_image *out, tarash_image_error *error);
TARASH_IMAGE_API tarash_image_result tarash_image_detach(const tarash_image *image, tarash_image *out);

/* Releases an image of its own; legal on a zeroed one, on NULL, and twice. Not for images inside a response.
 */
TARASH_IMAGE_API void tarash_image_free(tarash_image *image);

/* "VALIDATION", and a sentence about it; static texts, never NULL. And the same for the other enumerations.
 */
TARASH_IMAGE_API const char *tarash_image_result_name(tarash_image_result result);
TARASH_IMAGE_API const char *tarash_image_result_string(tarash_image_result result);
TARASH_IMAGE_API const char *tarash_image_status_name(tarash_image_status status);
TARASH_IMAGE_API const char *tarash_image_delivery_name(tarash_image_delivery delivery);

/* File name extension of a MIME type without the dot: "png", "jpg", "webp", ...; "bin" for one that is
 * unknown. */
TARASH_IMAGE_API const char *tarash_image_extension(const char *mime_type);

/* TARASH_IMAGE_VERSION of the implementation. */
TARASH_IMAGE_API const char *tarash_image_version(void);

/* ---- providers of your own ----------------------------------------------------------------------------- */

typedef struct tarash_image_exchange tarash_image_exchange; /* one HTTP request of a job, and its reply */

typedef enum tarash_image_phase {
    TARASH_IMAGE_PHASE_SUBMIT = 0, /* asks for the images */
    TARASH_IMAGE_PHASE_POLL = 1,   /* asks how the job stands */
    TARASH_IMAGE_PHASE_FETCH = 2,  /* asks for the result of a job that is done */
    TARASH_IMAGE_PHASE_CANCEL = 3  /* asks the provider to stop; its reply is not read */
} tarash_image_phase;

/* A provider that you add to a client. With `protocol` it speaks like a built-in one and needs no code.
   Otherwise build_fn describes the request of a phase and read_fn reads its reply (2xx; the library reads
   error statuses); both use the tarash_image_exchange_... functions only, and must not block. They are called
   for one exchange at a time, in tarash_image_poll, tarash_image_submit and tarash_image_plan. */
typedef struct tarash_image_provider {
    const char *name;          /* may be that of a built-in one, which it then hides on this client */
    const char *protocol;      /* name of the built-in provider whose protocol it speaks, or NULL */
    const char *base_url;      /* (default: the config must give one) */
    const char *default_model; /* (default: the config must give one) */
    const char *key_variables; /* environment variables, comma-separated (default: none) */
    int key_optional;
    const char *auth_header; /* (default: "Authorization") */
    const char *auth_prefix; /* (default: "Bearer ") */
    const char *config_keys; /* what provider_config may hold, comma-separated */
    /* all zero: with `protocol` as there, else every field as given */
    tarash_image_capabilities capabilities;
    /* where base64 images stand in replies, comma-separated, e.g. "data[].b64_json"; after a '?' a URL that may be a data: one, e.g. "?data[].url" */
    const char *image_paths;
    tarash_image_result (*build_fn)(tarash_image_exchange *exchange, tarash_image_phase phase,
                                    void *user_data);
    tarash_image_result (*read_fn)(tarash_image_exchange *exchange, tarash_image_phase phase,
                                   void *user_data);
    int polls;   /* nonzero: it has jobs, so POLL may be built (and is resumed by tokens) */
    int cancels; /* nonzero: it can cancel, so CANCEL may be built */
    void *user_data;
    const char *key_hosts; /* hosts that share the key, as in tarash_image_provider_info (default: none) */
} tarash_image_provider;

/* Adds a provider to a client; texts are copied. VALIDATION (what is missing is logged), UNSUPPORTED where
   its protocol is compiled out, OUT_OF_MEMORY. */
TARASH_IMAGE_API tarash_image_result tarash_image_register_provider(tarash_image_client *client,
                                                                    const tarash_image_provider *provider);

/* Adds a mapping to a client, for built-in and registered providers; texts are copied. One of the same provider
   and model_prefix is replaced. VALIDATION (what is wrong is logged), OUT_OF_MEMORY. */
TARASH_IMAGE_API tarash_image_result
tarash_image_register_field_mapping(tarash_image_client *client, const tarash_image_field_mapping *mapping);

/* For build_fn. Request fields come adapted to the provider's capabilities; prompt and texts live as long as
 * the exchange. */
TARASH_IMAGE_API const tarash_image_request *tarash_image_exchange_request(tarash_image_exchange *exchange);
TARASH_IMAGE_API const char *tarash_image_exchange_model(tarash_image_exchange *exchange);
TARASH_IMAGE_API int
tarash_image_exchange_count(tarash_image_exchange *exchange); /* images wanted of this call */
TARASH_IMAGE_API const char *
tarash_image_exchange_job_id(tarash_image_exchange *exchange); /* as accepted, or NULL */
/* A provider_config value by path, as text; NULL if it isn't there. */
TARASH_IMAGE_API const char *tarash_image_exchange_option(tarash_image_exchange *exchange, const char *path);
/* Method ("GET", "POST", ...) and path below base_url, or a whole URL (followed without the key unless it is
   of base_url's origin). */
TARASH_IMAGE_API void tarash_image_exchange_send(tarash_image_exchange *exchange, const char *method,
                                                 const char *path);
TARASH_IMAGE_API void tarash_image_exchange_header(tarash_image_exchange *exchange, const char *name,
                                                   const char *value);
/* Body fields. JSON by default, `path` like "input.prompt"; after _multipart, form parts of that name. NULL
 * text is left out. */
TARASH_IMAGE_API void tarash_image_exchange_multipart(tarash_image_exchange *exchange);
TARASH_IMAGE_API void tarash_image_exchange_set_text(tarash_image_exchange *exchange, const char *path,
                                                     const char *text);
TARASH_IMAGE_API void tarash_image_exchange_set_integer(tarash_image_exchange *exchange, const char *path,
                                                        int64_t number);
TARASH_IMAGE_API void tarash_image_exchange_set_json(tarash_image_exchange *exchange, const char *path,
                                                     const char *json);
/* An input image: 0-based index, or -1 for the mask. In JSON a data: URL (or the image's own URL), in a form
 * a file. */
TARASH_IMAGE_API void tarash_image_exchange_set_image(tarash_image_exchange *exchange, const char *path,
                                                      int index);

/* For read_fn. Paths are like "data[0].url". */
TARASH_IMAGE_API int tarash_image_exchange_status(tarash_image_exchange *exchange); /* HTTP status */
TARASH_IMAGE_API const char *tarash_image_exchange_reply_header(tarash_image_exchange *exchange,
                                                                const char *name);
TARASH_IMAGE_API const char *tarash_image_exchange_text(tarash_image_exchange *exchange,
                                                        const char *path); /* or NULL */
TARASH_IMAGE_API int tarash_image_exchange_integer(tarash_image_exchange *exchange, const char *path,
                                                   int64_t *number); /* 1 = found */
TARASH_IMAGE_API size_t tarash_image_exchange_length(tarash_image_exchange *exchange,
                                                     const char *path); /* of an array or object */
/* An image at that place of the reply: base64 (if image_paths names it), a data: URL, or a URL. 1 = found. */
TARASH_IMAGE_API int tarash_image_exchange_add_image(tarash_image_exchange *exchange, const char *path);
/* About the image that was added last: what the provider made of the prompt (or NULL), and the seed that it used. */
TARASH_IMAGE_API void tarash_image_exchange_image_info(tarash_image_exchange *exchange,
                                                       const char *revised_prompt, int has_seed,
                                                       int64_t seed);
/* Tokens, as the provider counts them; 0 = not told. */
TARASH_IMAGE_API void tarash_image_exchange_usage(tarash_image_exchange *exchange, int64_t input,
                                                  int64_t output, int64_t total);
/* 1 = true, 0 = false, -1 = neither or missing. */
TARASH_IMAGE_API int tarash_image_exchange_flag(tarash_image_exchange *exchange, const char *path);
/* The wait before the next POLL, in milliseconds, in place of the config's. */
TARASH_IMAGE_API void tarash_image_exchange_delay(tarash_image_exchange *exchange, int milliseconds);
/* The provider has a job now. An id that could not be part of a URL's path is BAD_RESPONSE. */
TARASH_IMAGE_API void tarash_image_exchange_accept(tarash_image_exchange *exchange, const char *job_id);
TARASH_IMAGE_API void tarash_image_exchange_progress(tarash_image_exchange *exchange,
                                                     tarash_image_status status, int percent,
                                                     int queue_position, const char *message);
/* What comes after this reply: POLL after the config's interval, or FETCH at once. Without it the call is
 * done. */
TARASH_IMAGE_API void tarash_image_exchange_next(tarash_image_exchange *exchange, tarash_image_phase phase);
/* The call has failed; returns `result` for read_fn to return. */
TARASH_IMAGE_API tarash_image_result tarash_image_exchange_fail(tarash_image_exchange *exchange,
                                                                tarash_image_result result,
                                                                const char *provider_code,
                                                                const char *message);

#ifdef __cplusplus
}
#endif

#endif /* TARASH_IMAGE_H */

#if defined(TARASH_IMAGE_IMPLEMENTATION) && !defined(TARASH_IMAGE_IMPLEMENTED)
#define TARASH_IMAGE_IMPLEMENTED

/* >>platform
   Everything that differs between systems: includes, the monotonic clock, files, sockets. Nothing below names
   an operating system again. */

#include <curl/curl.h>

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if LIBCURL_VERSION_NUM < 0x074400
#error "tarash_image.h needs libcurl 7.68 or newer"
#endif

#if defined(_WIN32)
#include <windows.h> /* libcurl's header has brought the socket half of it */
#else
#include <sys/types.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#endif

#ifndef TARASH_IMAGE_ASSERT
#include <assert.h>
#define TARASH_IMAGE_ASSERT(condition) assert(condition)
#endif

#if defined(TARASH_IMAGE_MALLOC) && defined(TARASH_IMAGE_REALLOC) && defined(TARASH_IMAGE_FREE)
#elif defined(TARASH_IMAGE_MALLOC) || defined(TARASH_IMAGE_REALLOC) || defined(TARASH_IMAGE_FREE)
#error "define all of TARASH_IMAGE_MALLOC, TARASH_IMAGE_REALLOC and TARASH_IMAGE_FREE, or none"
#else
#define TARASH_IMAGE_MALLOC(size)           malloc(size)
#define TARASH_IMAGE_REALLOC(pointer, size) realloc(pointer, size)
#define TARASH_IMAGE_FREE(pointer)          free(pointer)
#endif

#if defined(__GNUC__) || defined(__clang__)
#define TARIMG_UNUSED              __attribute__((unused))
#define TARIMG_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define TARIMG_UNUSED
#define TARIMG_PRINTF(text, first)
#endif

/* What is called from dozens of places: copies of it would be a sixth of the machine code. */
#if defined(__GNUC__) || defined(__clang__)
#define TARIMG_ONCE __attribute__((noinline))
#elif defined(_MSC_VER)
#define TARIMG_ONCE __declspec(noinline)
#else
#define TARIMG_ONCE
#endif

/* In static mode a program may use any part of the API: none of it is to be reported as unused. */
#if defined(TARASH_IMAGE_STATIC)
#define TARIMG_PUBLIC static TARIMG_UNUSED
#else
#define TARIMG_PUBLIC
#endif

#if defined(_WIN32)
static int64_t tarimg_system_clock_ms(void *user_data) {
    (void)user_data;
    return (int64_t)GetTickCount64();
}
#else
#if !defined(CLOCK_MONOTONIC) && defined(__linux__)
/* Strict C99 with a system header included before this one: the C library has the function but hides it. */
struct tarimg_timespec {
    time_t tv_sec;
    long tv_nsec;
};
#ifdef __cplusplus
extern "C"
#endif
    int
    clock_gettime(int clock_id, struct tarimg_timespec *now);
#define TARIMG_CLOCK_MONOTONIC 1
#else
#define tarimg_timespec        timespec
#define TARIMG_CLOCK_MONOTONIC CLOCK_MONOTONIC
#endif

static int64_t tarimg_system_clock_ms(void *user_data) {
    struct tarimg_timespec now;
    (void)user_data;
    if (clock_gettime(TARIMG_CLOCK_MONOTONIC, &now) != 0) return 0;
    return (int64_t)now.tv_sec * 1000 + (int64_t)(now.tv_nsec / 1000000);
}
#endif

/* Wall clock: only for what is shown (created, started_at), never for waiting. */
static int64_t tarimg_wall_clock_seconds(void) {
    time_t now = time(NULL);
    return now == (time_t)-1 ? 0 : (int64_t)now;
}

#if !defined(TARASH_IMAGE_NO_STDIO)
#if defined(_WIN32)
/* UTF-8 to UTF-16; NULL if the path is too long or not UTF-8. */
static wchar_t *tarimg_wide_path(const char *path, wchar_t *out, int capacity) {
    return MultiByteToWideChar(CP_UTF8, 0, path, -1, out, capacity) > 0 ? out : NULL;
}

static FILE *tarimg_file_open(const char *path, int writing) {
    wchar_t wide[4096];
    if (!tarimg_wide_path(path, wide, 4096)) return NULL;
    return _wfopen(wide, writing ? L"wb" : L"rb");
}

static int tarimg_file_rename(const char *from, const char *to) {
    wchar_t wide_from[4096], wide_to[4096];
    if (!tarimg_wide_path(from, wide_from, 4096) || !tarimg_wide_path(to, wide_to, 4096)) return -1;
    return MoveFileExW(wide_from, wide_to, MOVEFILE_REPLACE_EXISTING) ? 0 : -1;
}

static void tarimg_file_remove(const char *path) {
    wchar_t wide[4096];
    if (tarimg_wide_path(path, wide, 4096)) (void)_wremove(wide);
}

/* Devices have names of their own here, beside which nothing can be written. */
static int tarimg_file_is_special(const char *path) {
    (void)path;
    return 0;
}

static int64_t tarimg_file_size(FILE *file) {
    int64_t size;
    if (_fseeki64(file, 0, SEEK_END) != 0) return -1;
    size = _ftelli64(file);
    return _fseeki64(file, 0, SEEK_SET) != 0 ? -1 : size;
}
#else
static FILE *tarimg_file_open(const char *path, int writing) {
    return fopen(path, writing ? "wb" : "rb");
}

static int tarimg_file_rename(const char *from, const char *to) {
    return rename(from, to);
}

static void tarimg_file_remove(const char *path) {
    (void)remove(path);
}

static int tarimg_file_is_special(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 && !S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode);
}

static int64_t tarimg_file_size(FILE *file) {
    long size;
    if (fseek(file, 0, SEEK_END) != 0) return -1;
    size = ftell(file);
    return fseek(file, 0, SEEK_SET) != 0 ? -1 : (int64_t)size;
}
#endif
#endif /* TARASH_IMAGE_NO_STDIO */

/* >>memory
   Checked sizes, the allocator, a growing buffer with a limit, and an arena. Both containers remember a
   failure, so that a row of appends needs one check at its end. */

static int tarimg_add_size(size_t a, size_t b, size_t *sum) {
    if (a > SIZE_MAX - b) return 0;
    *sum = a + b;
    return 1;
}

static int tarimg_multiply_size(size_t a, size_t b, size_t *product) {
    if (a != 0 && b > SIZE_MAX / a) return 0;
    *product = a * b;
    return 1;
}

static void *tarimg_default_alloc(size_t size, void *user_data) {
    (void)user_data;
    return TARASH_IMAGE_MALLOC(size);
}

static void *tarimg_default_realloc(void *pointer, size_t old_size, size_t new_size, void *user_data) {
    (void)old_size;
    (void)user_data;
    return TARASH_IMAGE_REALLOC(pointer, new_size);
}

static void tarimg_default_free(void *pointer, void *user_data) {
    (void)user_data;
    TARASH_IMAGE_FREE(pointer);
}

static tarash_image_allocator tarimg_default_allocator(void) {
    tarash_image_allocator allocator;
    allocator.alloc_fn = tarimg_default_alloc;
    allocator.realloc_fn = tarimg_default_realloc;
    allocator.free_fn = tarimg_default_free;
    allocator.user_data = NULL;
    return allocator;
}

static void *tarimg_alloc(const tarash_image_allocator *allocator, size_t size) {
    void *pointer = allocator->alloc_fn(size ? size : 1, allocator->user_data);
    if (pointer) memset(pointer, 0, size);
    return pointer;
}

static void tarimg_release(const tarash_image_allocator *allocator, void *pointer) {
    if (pointer) allocator->free_fn(pointer, allocator->user_data);
}

/* Overwrites memory that held a secret. Called through a volatile pointer, so that the compiler keeps it. */
static void tarimg_wipe(void *pointer, size_t size) {
    static void *(*const volatile set)(void *, int, size_t) = memset;
    if (size) (void)set(pointer, 0, size);
}

/* An array with room for one more element: the same, or a larger one in its place. NULL: memory ran out, and the array is
   as it was. */
static void *tarimg_grow(const tarash_image_allocator *allocator, void *array, size_t count, size_t *capacity,
                         size_t element) {
    size_t wanted, bytes;
    void *grown;
    if (count < *capacity) return array;
    wanted = *capacity ? *capacity : 4;
    if (*capacity && !tarimg_multiply_size(wanted, 2, &wanted)) return NULL;
    if (!tarimg_multiply_size(wanted, element, &bytes)) return NULL;
    grown = allocator->realloc_fn(array, *capacity * element, bytes, allocator->user_data);
    if (grown) *capacity = wanted;
    return grown;
}

typedef struct tarimg_buffer {
    const tarash_image_allocator *allocator;
    char *data; /* NUL-terminated once anything was appended */
    size_t size;
    size_t capacity;
    size_t limit;   /* 0 = none */
    int failed;     /* memory ran out */
    int over_limit; /* the limit was hit */
} tarimg_buffer;

static void tarimg_buffer_init(tarimg_buffer *buffer, const tarash_image_allocator *allocator, size_t limit) {
    memset(buffer, 0, sizeof *buffer);
    buffer->allocator = allocator;
    buffer->limit = limit;
}

static void tarimg_buffer_free(tarimg_buffer *buffer) {
    if (!buffer->data) return;
    tarimg_wipe(buffer->data, buffer->capacity);
    tarimg_release(buffer->allocator, buffer->data);
    buffer->data = NULL;
    buffer->size = buffer->capacity = 0;
}

static int tarimg_buffer_reserve(tarimg_buffer *buffer, size_t extra) {
    size_t needed, wanted;
    void *grown;
    if (buffer->failed || buffer->over_limit) return 0;
    if (!tarimg_add_size(buffer->size, extra, &needed) || !tarimg_add_size(needed, 1, &needed)) {
        buffer->failed = 1;
        return 0;
    }
    if (buffer->limit && needed - 1 > buffer->limit) {
        buffer->over_limit = 1;
        return 0;
    }
    if (needed <= buffer->capacity) return 1;
    wanted = buffer->capacity ? buffer->capacity : 64;
    while (wanted < needed) wanted = wanted > SIZE_MAX / 2 ? needed : wanted * 2;
    grown = buffer->allocator->alloc_fn(wanted, buffer->allocator->user_data);
    if (!grown) {
        buffer->failed = 1;
        return 0;
    }
    /* Not realloc: what is left behind may be a secret, and must be wiped. */
    memset(grown, 0, wanted);
    if (buffer->size) memcpy(grown, buffer->data, buffer->size);
    if (buffer->data) tarimg_wipe(buffer->data, buffer->capacity);
    tarimg_release(buffer->allocator, buffer->data);
    buffer->data = (char *)grown;
    buffer->capacity = wanted;
    return 1;
}

TARIMG_ONCE static void tarimg_append(tarimg_buffer *buffer, const char *text, size_t size) {
    if (!tarimg_buffer_reserve(buffer, size)) return;
    if (size) memcpy(buffer->data + buffer->size, text, size);
    buffer->size += size;
    buffer->data[buffer->size] = '\0';
}

static void tarimg_append_text(tarimg_buffer *buffer, const char *text) {
    tarimg_append(buffer, text, strlen(text));
}

static void tarimg_append_char(tarimg_buffer *buffer, char c) {
    tarimg_append(buffer, &c, 1);
}

typedef struct tarimg_block {
    struct tarimg_block *next;
    size_t used;
    size_t capacity; /* of the bytes behind the header */
} tarimg_block;

#define TARIMG_ALIGNMENT 16u
#define TARIMG_BLOCK_HEADER                                                                                  \
    ((sizeof(tarimg_block) + TARIMG_ALIGNMENT - 1u) / TARIMG_ALIGNMENT * TARIMG_ALIGNMENT)
#ifndef TARIMG_BLOCK_SIZE /* tests make it tiny, so that every text is an allocation that may fail */
#define TARIMG_BLOCK_SIZE 4000u
#endif

typedef struct tarimg_arena {
    const tarash_image_allocator *allocator;
    tarimg_block *blocks;
    size_t total;   /* bytes handed out */
    size_t limit;   /* 0 = none */
    int failed;     /* memory ran out */
    int over_limit; /* the limit was hit */
} tarimg_arena;

static void tarimg_arena_init(tarimg_arena *arena, const tarash_image_allocator *allocator, size_t limit) {
    memset(arena, 0, sizeof *arena);
    arena->allocator = allocator;
    arena->limit = limit;
}

static void tarimg_arena_free(tarimg_arena *arena) {
    tarimg_block *block = arena->blocks;
    while (block) {
        tarimg_block *next = block->next;
        tarimg_wipe((char *)block + TARIMG_BLOCK_HEADER, block->used);
        tarimg_release(arena->allocator, block);
        block = next;
    }
    arena->blocks = NULL;
    arena->total = 0;
}

/* Many arenas stay small: each block is twice the one before, up to the usual size. */
static size_t tarimg_next_block(const tarimg_arena *arena) {
    size_t least = TARIMG_BLOCK_SIZE / 4;
    if (arena->blocks && arena->blocks->capacity >= least) least = arena->blocks->capacity;
    if (arena->blocks) least = least < TARIMG_BLOCK_SIZE / 2 ? least * 2 : TARIMG_BLOCK_SIZE;
    return least;
}

static tarimg_block *tarimg_arena_block(tarimg_arena *arena, size_t size) {
    size_t least = tarimg_next_block(arena);
    size_t capacity = size > least ? size : least, bytes;
    tarimg_block *block;
    if (!tarimg_add_size(capacity, TARIMG_BLOCK_HEADER, &bytes)) return NULL;
    block = (tarimg_block *)arena->allocator->alloc_fn(bytes, arena->allocator->user_data);
    if (!block) return NULL;
    block->used = 0;
    block->capacity = capacity;
    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

/* Zeroed memory that lives as long as the arena. */
static void *tarimg_take(tarimg_arena *arena, size_t size) {
    tarimg_block *block = arena->blocks;
    size_t rounded;
    void *memory;
    if (arena->failed || arena->over_limit) return NULL;
    if (!tarimg_add_size(size, TARIMG_ALIGNMENT - 1u, &rounded)) {
        arena->failed = 1;
        return NULL;
    }
    rounded -= rounded % TARIMG_ALIGNMENT;
    if (arena->limit && rounded > arena->limit - arena->total) {
        arena->over_limit = 1;
        return NULL;
    }
    if (!block || block->capacity - block->used < rounded) block = tarimg_arena_block(arena, rounded);
    if (!block) {
        arena->failed = 1;
        return NULL;
    }
    memory = (char *)block + TARIMG_BLOCK_HEADER + block->used;
    block->used += rounded;
    arena->total += rounded;
    memset(memory, 0, rounded);
    return memory;
}

/* What a response, a standalone image or a text owns: its strings, and how to release them. */
struct tarash_image_storage {
    tarash_image_allocator allocator;
    tarimg_arena arena;
};

static struct tarash_image_storage *tarimg_storage_new(const tarash_image_allocator *allocator) {
    struct tarash_image_storage *storage =
        (struct tarash_image_storage *)tarimg_alloc(allocator, sizeof *storage);
    if (!storage) return NULL;
    storage->allocator = *allocator;
    tarimg_arena_init(&storage->arena, &storage->allocator, 0);
    return storage;
}

static void tarimg_storage_free(struct tarash_image_storage *storage) {
    tarash_image_allocator allocator;
    if (!storage) return;
    allocator = storage->allocator;
    tarimg_arena_free(&storage->arena);
    tarimg_release(&allocator, storage);
}

/* >>text
   ASCII and UTF-8 without the locale: copies, comparison, numbers, comma-separated lists, sizes and ratios.
 */

static char *tarimg_copy_bytes(tarimg_arena *arena, const char *text, size_t size) {
    size_t bytes;
    char *copy;
    if (!tarimg_add_size(size, 1, &bytes)) return NULL;
    copy = (char *)tarimg_take(arena, bytes);
    if (copy && size) memcpy(copy, text, size);
    return copy;
}

/* NULL stays NULL. */
static char *tarimg_copy(tarimg_arena *arena, const char *text) {
    return text ? tarimg_copy_bytes(arena, text, strlen(text)) : NULL;
}

static char *tarimg_format(tarimg_arena *arena, const char *format, ...) TARIMG_PRINTF(2, 3);
static char *tarimg_format(tarimg_arena *arena, const char *format, ...) {
    va_list arguments;
    int size;
    char *text;
    va_start(arguments, format);
    size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0) return NULL;
    text = (char *)tarimg_take(arena, (size_t)size + 1);
    if (!text) return NULL;
    va_start(arguments, format);
    (void)vsnprintf(text, (size_t)size + 1, format, arguments);
    va_end(arguments);
    return text;
}

/* Three texts in a row; printf's way of doing it would be a tenth of a small request's cost. */
static char *tarimg_concat(tarimg_arena *arena, const char *a, const char *b, const char *c) {
    size_t size_a = strlen(a), size_b = strlen(b), size_c = strlen(c), size;
    char *text = NULL;
    if (tarimg_add_size(size_a, size_b, &size) && tarimg_add_size(size, size_c, &size) && size < SIZE_MAX)
        text = (char *)tarimg_take(arena, size + 1);
    else
        arena->failed = 1;
    if (!text) return NULL;
    memcpy(text, a, size_a);
    memcpy(text + size_a, b, size_b);
    memcpy(text + size_a + size_b, c, size_c);
    return text;
}

/* Copies into a fixed array, cut at a UTF-8 boundary. */
TARIMG_ONCE static void tarimg_copy_fixed(char *out, size_t capacity, const char *text) {
    size_t size = text ? strlen(text) : 0;
    if (size >= capacity) {
        size = capacity - 1;
        while (size && ((unsigned char)text[size] & 0xC0) == 0x80) size--;
    }
    if (size) memcpy(out, text, size);
    memset(out + size, 0, capacity - size);
}

static int tarimg_is_set(const char *text) {
    return text && text[0];
}

static int tarimg_equal(const char *a, const char *b) {
    return a && b && *a == *b && strcmp(a, b) == 0;
}

static int tarimg_lower(int c) {
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static int tarimg_is_digit(int c) {
    return c >= '0' && c <= '9';
}

static int tarimg_is_space(int c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int tarimg_equal_bytes_nocase(const char *a, const char *b, size_t size) {
    size_t i;
    for (i = 0; i < size; i++) {
        if (tarimg_lower((unsigned char)a[i]) != tarimg_lower((unsigned char)b[i])) return 0;
    }
    return 1;
}

static int tarimg_equal_nocase(const char *a, const char *b) {
    size_t size = strlen(a);
    return size == strlen(b) && tarimg_equal_bytes_nocase(a, b, size);
}

static int tarimg_begins(const char *text, const char *prefix) {
    return text && strncmp(text, prefix, strlen(prefix)) == 0;
}

static int tarimg_begins_nocase(const char *text, const char *prefix) {
    size_t size = strlen(prefix);
    return text && strlen(text) >= size && tarimg_equal_bytes_nocase(text, prefix, size);
}

static int tarimg_contains_nocase(const char *text, const char *part) {
    size_t size = strlen(part), left = text ? strlen(text) : 0;
    for (; left >= size && left; text++, left--) {
        if (tarimg_equal_bytes_nocase(text, part, size)) return 1;
    }
    return 0;
}

/* Walks a comma-separated list: *cursor starts at the list and ends as NULL. White space around items is not
 * part of them. */
static int tarimg_next_item(const char **cursor, const char **item, size_t *size) {
    const char *start = *cursor, *end;
    if (!start) return 0;
    while (*start == ' ' || *start == ',') start++;
    if (!*start) return 0;
    end = strchr(start, ',');
    *cursor = end;
    *size = end ? (size_t)(end - start) : strlen(start);
    *item = start;
    while (*size && start[*size - 1] == ' ') (*size)--;
    return 1;
}

/* The item as the list has it; NULL if it isn't there. Case doesn't matter. */
static const char *tarimg_find_item(const char *list, const char *word) {
    const char *item;
    size_t size;
    while (tarimg_next_item(&list, &item, &size)) {
        if (strlen(word) == size && tarimg_equal_bytes_nocase(item, word, size)) return item;
    }
    return NULL;
}

static int tarimg_in_list(const char *list, const char *word) {
    return tarimg_find_item(list, word) != NULL;
}

/* Length of the valid UTF-8 sequence at `text`, 0 if there is none. */
static size_t tarimg_utf8_length(const char *text, size_t size) {
    const unsigned char *s = (const unsigned char *)text;
    size_t length, i;
    uint32_t point;
    if (size == 0) return 0;
    if (s[0] < 0x80) return 1;
    length = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4 || size < length) return 0;
    point = s[0] & (0xFFu >> (length + 1));
    for (i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0;
        point = point << 6 | (s[i] & 0x3Fu);
    }
    if (length == 3 && (point < 0x800 || (point >= 0xD800 && point <= 0xDFFF))) return 0;
    if (length == 4 && (point < 0x10000 || point > 0x10FFFF)) return 0;
    return length;
}

static int tarimg_is_utf8(const char *text, size_t size) {
    while (size) {
        size_t length = tarimg_utf8_length(text, size);
        if (!length) return 0;
        text += length;
        size -= length;
    }
    return 1;
}

static int tarimg_has_control(const char *text);

/* May it stand in a URL's path as it is, and stay within its place? */
static const char *tarimg_or(const char *given, const char *fallback) {
    return given ? given : fallback;
}

static int tarimg_is_path_part(const char *text) {
    return tarimg_is_set(text) && !tarimg_has_control(text) && !strpbrk(text, " /\\?#%");
}

static int tarimg_has_control(const char *text) {
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || (unsigned char)*text == 0x7F) return 1;
    }
    return 0;
}

static size_t tarimg_put_utf8(uint32_t point, char *out) {
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xC0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3F));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xE0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3F));
        out[2] = (char)(0x80 | (point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3F));
    out[2] = (char)(0x80 | (point >> 6 & 0x3F));
    out[3] = (char)(0x80 | (point & 0x3F));
    return 4;
}

/* Appends text with every byte that is not UTF-8 replaced by U+FFFD. */
/* Makes a text that others wrote fit to be shown: whole UTF-8 characters, no control characters. */
static void tarimg_clean_text(char *text) {
    char *out = text;
    size_t size = strlen(text);
    while (size) {
        size_t length = tarimg_utf8_length(text, size);
        if (!length) {
            *out = '?';
            length = 1;
        } else if (length == 1 && ((unsigned char)*text < 0x20 || *text == 0x7F))
            *out = ' ';
        else {
            memmove(out, text, length);
            out += length - 1;
        }
        out++;
        text += length;
        size -= length;
    }
    *out = '\0';
}

static void tarimg_append_utf8(tarimg_buffer *buffer, const char *text, size_t size) {
    while (size) {
        size_t length = tarimg_utf8_length(text, size);
        if (length)
            tarimg_append(buffer, text, length);
        else
            tarimg_append(buffer, "\xEF\xBF\xBD", 3);
        if (!length) length = 1;
        text += length;
        size -= length;
    }
}

/* A whole number of decimal digits with an optional minus; 0 if `text` is anything else or doesn't fit. */
static int tarimg_parse_integer(const char *text, size_t size, int64_t *out) {
    uint64_t value = 0, limit = (uint64_t)INT64_MAX;
    int negative = size && text[0] == '-';
    size_t i = negative ? 1 : 0;
    if (i == size) return 0;
    if (negative) limit++;
    for (; i < size; i++) {
        unsigned digit;
        if (!tarimg_is_digit(text[i])) return 0;
        digit = (unsigned)(text[i] - '0');
        if (value > (limit - digit) / 10) return 0;
        value = value * 10 + digit;
    }
    *out = negative ? (value == limit ? INT64_MIN : -(int64_t)value) : (int64_t)value;
    return 1;
}

/* A decimal number in thousandths: "19.5" is 19500; further decimals are cut, and values are capped at `cap`.
 */
static int tarimg_parse_thousandths(const char *text, size_t size, int64_t cap, int64_t *out) {
    int64_t value = 0, scale = 1000;
    size_t i, digits = 0;
    int is_over = 0;
    for (i = 0; i < size && tarimg_is_digit(text[i]); i++, digits++) {
        if (!is_over) value = value * 10 + (text[i] - '0') * 1000;
        is_over |= value > cap;
    }
    if (i < size && text[i] == '.') {
        for (i++; i < size && tarimg_is_digit(text[i]); i++, digits++) {
            scale /= 10;
            value += (text[i] - '0') * scale;
        }
    }
    if (i != size || digits == 0) return 0;
    *out = is_over || value > cap ? cap : value;
    return 1;
}

#define TARIMG_MAX_EDGE 65535

/* "WxH" in pixels, 1 to TARIMG_MAX_EDGE each. */
static int tarimg_parse_size(const char *text, size_t size, int *width, int *height) {
    const char *x = (const char *)memchr(text, 'x', size);
    int64_t w, h;
    if (!x) return 0;
    if (!tarimg_parse_integer(text, (size_t)(x - text), &w)) return 0;
    if (!tarimg_parse_integer(x + 1, size - (size_t)(x + 1 - text), &h)) return 0;
    if (w < 1 || h < 1 || w > TARIMG_MAX_EDGE || h > TARIMG_MAX_EDGE) return 0;
    *width = (int)w;
    *height = (int)h;
    return 1;
}

/* "W:H", decimals allowed ("19.5:9"); the ratio as a number. */
static int tarimg_parse_ratio(const char *text, size_t size, double *ratio) {
    const char *colon = (const char *)memchr(text, ':', size);
    int64_t w, h;
    if (!colon) return 0;
    if (!tarimg_parse_thousandths(text, (size_t)(colon - text), 1000000000000, &w)) return 0;
    if (!tarimg_parse_thousandths(colon + 1, size - (size_t)(colon + 1 - text), 1000000000000, &h)) return 0;
    if (w < 1 || h < 1 || w > h * 1000 || h > w * 1000) return 0;
    *ratio = (double)w / (double)h;
    return 1;
}

/* >>base64
   Decodes what a reply brings piece by piece, encodes what a body asks for. Both alphabets are taken, padding
   may be missing; white space and padding are the caller's business.

   Long texts go through vector code: AVX2 or SSSE3, whichever the processor has, NEON on 64-bit ARM. The
   methods are those of Wojciech Mula and Daniel Lemire, "Faster Base64 Encoding and Decoding Using AVX2
   Instructions" (2018). Vector code does whole blocks only and leaves a block with a stranger in it untouched,
   so that the portable code alone decides where decoding ends: results are the same on every path.
   TARASH_IMAGE_NO_SIMD leaves the portable code only. */

/* __EDG__: compilers that pass for gcc and lack some of its vector extensions. */
#if defined(TARASH_IMAGE_NO_SIMD) || defined(__EDG__) || defined(__TINYC__)
#elif defined(__x86_64__) && defined(__clang__)
#define TARIMG_SSSE3 __attribute__((target("ssse3")))
#if !defined(_MSC_VER) || defined(__AVX2__) /* else clang-cl's immintrin.h may keep AVX2 to itself */
#define TARIMG_AVX2 __attribute__((target("avx2")))
#endif
#elif defined(__x86_64__) && defined(__GNUC__) && __GNUC__ >= 5
#define TARIMG_SSSE3 __attribute__((target("ssse3")))
#if !defined(_WIN32) &&                                                                                      \
    !defined(__CYGWIN__) /* where gcc misaligns such variables on the stack: its bug 54412 */
#define TARIMG_AVX2 __attribute__((target("avx2")))
#define TARIMG_AVX2_BUILTINS
#endif
#elif defined(_M_X64) && !defined(_M_ARM64EC) && defined(_MSC_VER) && _MSC_VER >= 1900
#define TARIMG_SSSE3
#define TARIMG_AVX2
#elif (defined(__aarch64__) && defined(__ARM_NEON) && defined(__GNUC__)) ||                                  \
    (defined(_M_ARM64) && defined(_MSC_VER) && _MSC_VER >= 1920)
#define TARIMG_NEON
#endif

#if defined(TARIMG_SSSE3)
#include <tmmintrin.h>
#endif
#if defined(TARIMG_AVX2) && !defined(TARIMG_AVX2_BUILTINS)
#include <immintrin.h>
#endif
#if defined(TARIMG_NEON)
#include <arm_neon.h>
#endif

typedef struct tarimg_base64 {
    uint32_t bits; /* of a group that is not whole yet */
    int count;     /* characters of it, 0 to 3 */
    int padding;   /* '=' seen */
} tarimg_base64;

/* V(value) for each of the 256 characters; 64 = not in the alphabet. */
#define TARIMG_BASE64_8(V, a, b, c, d, e, f, g, h) V(a), V(b), V(c), V(d), V(e), V(f), V(g), V(h)
#define TARIMG_BASE64_NONE(V)                      TARIMG_BASE64_8(V, 64, 64, 64, 64, 64, 64, 64, 64)
#define TARIMG_BASE64_NONE_64(V)                                                                             \
    TARIMG_BASE64_NONE(V), TARIMG_BASE64_NONE(V), TARIMG_BASE64_NONE(V), TARIMG_BASE64_NONE(V),              \
        TARIMG_BASE64_NONE(V), TARIMG_BASE64_NONE(V), TARIMG_BASE64_NONE(V), TARIMG_BASE64_NONE(V)
#define TARIMG_BASE64_ASCII(V)                                                                               \
    TARIMG_BASE64_NONE(V), TARIMG_BASE64_NONE(V), TARIMG_BASE64_NONE(V), TARIMG_BASE64_NONE(V),              \
        TARIMG_BASE64_NONE(V), TARIMG_BASE64_8(V, 64, 64, 64, 62, 64, 62, 64, 63),                           \
        TARIMG_BASE64_8(V, 52, 53, 54, 55, 56, 57, 58, 59),                                                  \
        TARIMG_BASE64_8(V, 60, 61, 64, 64, 64, 64, 64, 64), TARIMG_BASE64_8(V, 64, 0, 1, 2, 3, 4, 5, 6),     \
        TARIMG_BASE64_8(V, 7, 8, 9, 10, 11, 12, 13, 14), TARIMG_BASE64_8(V, 15, 16, 17, 18, 19, 20, 21, 22), \
        TARIMG_BASE64_8(V, 23, 24, 25, 64, 64, 64, 64, 63),                                                  \
        TARIMG_BASE64_8(V, 64, 26, 27, 28, 29, 30, 31, 32),                                                  \
        TARIMG_BASE64_8(V, 33, 34, 35, 36, 37, 38, 39, 40),                                                  \
        TARIMG_BASE64_8(V, 41, 42, 43, 44, 45, 46, 47, 48),                                                  \
        TARIMG_BASE64_8(V, 49, 50, 51, 64, 64, 64, 64, 64)
#define TARIMG_BASE64_ALL(V)                                                                                 \
    { TARIMG_BASE64_ASCII(V), TARIMG_BASE64_NONE_64(V), TARIMG_BASE64_NONE_64(V) }

/* The values at each of the four places of a group, so that a group is the OR of four look-ups. */
#define TARIMG_BASE64_STRANGER    0x1000000u
#define TARIMG_BASE64_AT(v, bits) ((v) < 64 ? (uint32_t)(v) << (bits) : TARIMG_BASE64_STRANGER)
#define TARIMG_BASE64_1ST(v)      TARIMG_BASE64_AT(v, 18)
#define TARIMG_BASE64_2ND(v)      TARIMG_BASE64_AT(v, 12)
#define TARIMG_BASE64_3RD(v)      TARIMG_BASE64_AT(v, 6)
#define TARIMG_BASE64_4TH(v)      TARIMG_BASE64_AT(v, 0)
static const uint32_t tarimg_base64_places[4][256] = {
    TARIMG_BASE64_ALL(TARIMG_BASE64_1ST), TARIMG_BASE64_ALL(TARIMG_BASE64_2ND),
    TARIMG_BASE64_ALL(TARIMG_BASE64_3RD), TARIMG_BASE64_ALL(TARIMG_BASE64_4TH)};

static const char tarimg_base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* ---- paths: each takes whole groups from the front and returns how many characters or bytes it took. They
   write no more than size / 4 * 3 bytes (decoding) or what they return stands for (encoding) ---- */

static uint32_t tarimg_base64_group(const unsigned char *in) {
    return tarimg_base64_places[0][in[0]] | tarimg_base64_places[1][in[1]] | tarimg_base64_places[2][in[2]] |
           tarimg_base64_places[3][in[3]];
}

static size_t tarimg_base64_decode_portable(const unsigned char *in, size_t size, unsigned char *out) {
    size_t at = 0;
    for (; size - at >= 4; at += 4, out += 3) {
        uint32_t group = tarimg_base64_group(in + at);
        if (group & TARIMG_BASE64_STRANGER) break;
        out[0] = (unsigned char)(group >> 16);
        out[1] = (unsigned char)(group >> 8 & 255u);
        out[2] = (unsigned char)(group & 255u);
    }
    return at;
}

static size_t tarimg_base64_encode_portable(const unsigned char *in, size_t size, char *out) {
    const char *alphabet = tarimg_base64_alphabet;
    size_t at = 0;
    for (; size - at >= 3; at += 3, out += 4) {
        uint32_t group = (uint32_t)in[at] << 16 | (uint32_t)in[at + 1] << 8 | in[at + 2];
        out[0] = alphabet[group >> 18];
        out[1] = alphabet[group >> 12 & 63u];
        out[2] = alphabet[group >> 6 & 63u];
        out[3] = alphabet[group & 63u];
    }
    return at;
}

#if defined(TARIMG_SSSE3)
/* Tables for byte shuffles, which look up in 16 bytes; twice, since AVX2 shuffles its halves separately. */
#define TARIMG_TWICE(...)                                                                                    \
    { __VA_ARGS__, __VA_ARGS__ }

/* A character is in the alphabet if the entries of its low and high half have a bit in common: one bit for
   each high half that differs in what may follow. From 0x80 on the shuffle by the character itself yields 0. */
static const unsigned char tarimg_base64_low[32] = TARIMG_TWICE(
    0x1A, 0x1E, 0x1E, 0x1E, 0x1E, 0x1E, 0x1E, 0x1E, 0x1E, 0x1E, 0x1C, 0x05, 0x04, 0x05, 0x04, 0x0D);
static const unsigned char tarimg_base64_high[32] =
    TARIMG_TWICE(0, 0, 0x01, 0x02, 0x04, 0x08, 0x04, 0x10, 0, 0, 0, 0, 0, 0, 0, 0);

/* Which of a row's ranges a character is in follows from its high half, but for - / _ : moving what ends
   in D or F elsewhere gives each a place of its own in the table of what to add. */
static const unsigned char tarimg_base64_moves[32] =
    TARIMG_TWICE(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 11);
static const unsigned char tarimg_base64_adds[32] =
    TARIMG_TWICE(0xE0, 0xB9, 0x13, 0x04, 0xBF, 0xBF, 0xB9, 0xB9, 0, 0, 0x11, 0, 0xBF, 0x10, 0xB9, 0xBF);

/* Drops the empty byte of each group and turns the rest round. */
static const unsigned char tarimg_base64_pack[32] =
    TARIMG_TWICE(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 0x80, 0x80, 0x80, 0x80);

/* What encoding adds: by 0 for 26 to 51, by value - 51 for what is above, by 13 for what is below. */
static const unsigned char tarimg_base64_letters[32] =
    TARIMG_TWICE(71, 0xFC, 0xFC, 0xFC, 0xFC, 0xFC, 0xFC, 0xFC, 0xFC, 0xFC, 0xFC, 0xED, 0xF0, 65, 0, 0);

TARIMG_SSSE3 static inline __m128i tarimg_128_load(const void *at) {
    return _mm_loadu_si128((const __m128i *)at);
}

TARIMG_SSSE3 static inline void tarimg_128_store(void *at, __m128i value) {
    _mm_storeu_si128((__m128i *)at, value);
}

TARIMG_SSSE3 static size_t tarimg_base64_decode_ssse3(const unsigned char *in, size_t size,
                                                      unsigned char *out) {
    const __m128i low = tarimg_128_load(tarimg_base64_low), high = tarimg_128_load(tarimg_base64_high);
    const __m128i moves = tarimg_128_load(tarimg_base64_moves), adds = tarimg_128_load(tarimg_base64_adds);
    const __m128i pack = tarimg_128_load(tarimg_base64_pack), zero = _mm_setzero_si128();
    size_t at = 0;
    for (; size - at >= 24; at += 16, out += 12) { /* 8 more than the block, as 4 bytes too many are stored */
        __m128i text = tarimg_128_load(in + at), half, valid, place;
        half = _mm_and_si128(_mm_srli_epi32(text, 4), _mm_set1_epi8(15));
        valid = _mm_and_si128(_mm_shuffle_epi8(low, text), _mm_shuffle_epi8(high, half));
        if (_mm_movemask_epi8(_mm_cmpeq_epi8(valid, zero))) break;
        place = _mm_add_epi8(_mm_shuffle_epi8(moves, text), half);
        text = _mm_add_epi8(text, _mm_shuffle_epi8(adds, place));
        text = _mm_maddubs_epi16(text, _mm_set1_epi32(0x01400140)); /* a * 64 + b */
        text = _mm_madd_epi16(text, _mm_set1_epi32(0x00011000));    /* ab * 4096 + cd */
        tarimg_128_store(out, _mm_shuffle_epi8(text, pack));
    }
    return at;
}

TARIMG_SSSE3 static size_t tarimg_base64_encode_ssse3(const unsigned char *in, size_t size, char *out) {
    const __m128i spread = _mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
    const __m128i letters = tarimg_128_load(tarimg_base64_letters);
    size_t at = 0;
    for (; size - at >= 16; at += 12, out += 16) { /* 16 bytes are read, 12 used */
        __m128i bytes = _mm_shuffle_epi8(tarimg_128_load(in + at), spread), first, second, place, below;
        /* multiplying moves the 6 bits of each pair of values by different distances */
        first = _mm_mulhi_epu16(_mm_and_si128(bytes, _mm_set1_epi32(0x0FC0FC00)), _mm_set1_epi32(0x04000040));
        second =
            _mm_mullo_epi16(_mm_and_si128(bytes, _mm_set1_epi32(0x003F03F0)), _mm_set1_epi32(0x01000010));
        bytes = _mm_or_si128(first, second);
        place = _mm_subs_epu8(bytes, _mm_set1_epi8(51));
        below = _mm_and_si128(_mm_cmpgt_epi8(_mm_set1_epi8(26), bytes), _mm_set1_epi8(13));
        place = _mm_shuffle_epi8(letters, _mm_or_si128(place, below));
        tarimg_128_store(out, _mm_add_epi8(bytes, place));
    }
    return at;
}
#endif

#if defined(TARIMG_AVX2_BUILTINS)
/* immintrin.h adds half a second to each compilation with gcc, whose manual documents what these few need. */
#define TARIMG_256(name) tarimg_256_##name
typedef char tarimg_256 __attribute__((vector_size(32)));
typedef unsigned char tarimg_256_u8 __attribute__((vector_size(32)));
typedef signed char tarimg_256_s8 __attribute__((vector_size(32)));
typedef short tarimg_256_s16 __attribute__((vector_size(32)));
typedef int tarimg_256_s32 __attribute__((vector_size(32)));
typedef unsigned tarimg_256_u32 __attribute__((vector_size(32)));

TARIMG_AVX2 static inline tarimg_256 tarimg_256_set1_epi32(int x) {
    const tarimg_256_s32 all = {x, x, x, x, x, x, x, x};
    return (tarimg_256)all;
}

TARIMG_AVX2 static inline tarimg_256 tarimg_256_and_si256(tarimg_256 a, tarimg_256 b) {
    return a & b;
}

TARIMG_AVX2 static inline tarimg_256 tarimg_256_or_si256(tarimg_256 a, tarimg_256 b) {
    return a | b;
}

TARIMG_AVX2 static inline tarimg_256 tarimg_256_add_epi8(tarimg_256 a, tarimg_256 b) {
    return (tarimg_256)((tarimg_256_u8)a + (tarimg_256_u8)b);
}

TARIMG_AVX2 static inline tarimg_256 tarimg_256_subs_epu8(tarimg_256 a, tarimg_256 b) {
    return __builtin_ia32_psubusb256(a, b);
}

TARIMG_AVX2 static inline tarimg_256 tarimg_256_cmpeq_epi8(tarimg_256 a, tarimg_256 b) {
    return (tarimg_256)(a == b);
}

TARIMG_AVX2 static inline tarimg_256 tarimg_256_cmpgt_epi8(tarimg_256 a, tarimg_256 b) {
    return (tarimg_256)((tarimg_256_s8)a > (tarimg_256_s8)b);
}

TARIMG_AVX2 static inline tarimg_256 tarimg_256_srli_epi32(tarimg_256 a, int count) {
    return (tarimg_256)((tarimg_256_u32)a >> count);
}

TARIMG_AVX2 static inline tarimg_256 tarimg_256_shuffle_epi8(tarimg_256 table, tarimg_256 index) {
    return __builtin_ia32_pshufb256(table, index);
}

TARIMG_AVX2 static inline tarimg_256 tarimg_256_permutevar8x32_epi32(tarimg_256 a, tarimg_256 index) {
    return (tarimg_256)__builtin_ia32_permvarsi256((tarimg_256_s32)a, (tarimg_256_s32)index);
}

TARIMG_AVX2 static inline tarimg_256 tarimg_256_maddubs_epi16(tarimg_256 a, tarimg_256 b) {
    return (tarimg_256)__builtin_ia32_pmaddubsw256(a, b);
}

TARIMG_AVX2 static inline tarimg_256 tarimg_256_madd_epi16(tarimg_256 a, tarimg_256 b) {
    return (tarimg_256)__builtin_ia32_pmaddwd256((tarimg_256_s16)a, (tarimg_256_s16)b);
}

TARIMG_AVX2 static inline tarimg_256 tarimg_256_mulhi_epu16(tarimg_256 a, tarimg_256 b) {
    return (tarimg_256)__builtin_ia32_pmulhuw256((tarimg_256_s16)a, (tarimg_256_s16)b);
}

TARIMG_AVX2 static inline tarimg_256 tarimg_256_mullo_epi16(tarimg_256 a, tarimg_256 b) {
    return (tarimg_256)((tarimg_256_s16)a * (tarimg_256_s16)b);
}

TARIMG_AVX2 static inline int tarimg_256_movemask_epi8(tarimg_256 a) {
    return __builtin_ia32_pmovmskb256(a);
}

TARIMG_AVX2 static inline tarimg_256 tarimg_256_load(const void *at) {
    tarimg_256 value;
    memcpy(&value, at, sizeof value);
    return value;
}

TARIMG_AVX2 static inline void tarimg_256_store(void *at, tarimg_256 value) {
    memcpy(at, &value, sizeof value);
}
#elif defined(TARIMG_AVX2)
#define TARIMG_256(name) _mm256_##name
typedef __m256i tarimg_256;

TARIMG_AVX2 static inline tarimg_256 tarimg_256_load(const void *at) {
    return _mm256_loadu_si256((const __m256i *)at);
}

TARIMG_AVX2 static inline void tarimg_256_store(void *at, tarimg_256 value) {
    _mm256_storeu_si256((__m256i *)at, value);
}
#endif

#if defined(TARIMG_AVX2)
/* Others do this by themselves: without it SSE code is slow afterwards. */
#if defined(_MSC_VER)
#define TARIMG_256_END() _mm256_zeroupper()
#else
#define TARIMG_256_END() ((void)0)
#endif

/* The next two are the SSSE3 functions in twice the width. A byte that has a bit in common is not zero. */
TARIMG_AVX2 static inline tarimg_256 tarimg_256_valid(tarimg_256 text, tarimg_256 half) {
    return TARIMG_256(and_si256)(TARIMG_256(shuffle_epi8)(tarimg_256_load(tarimg_base64_low), text),
                                 TARIMG_256(shuffle_epi8)(tarimg_256_load(tarimg_base64_high), half));
}

TARIMG_AVX2 static inline tarimg_256 tarimg_256_half(tarimg_256 text) {
    return TARIMG_256(and_si256)(TARIMG_256(srli_epi32)(text, 4), TARIMG_256(set1_epi32)(0x0F0F0F0F));
}

/* 24 bytes and 8 of no meaning. */
TARIMG_AVX2 static inline void tarimg_256_decode(unsigned char *out, tarimg_256 text, tarimg_256 half) {
    static const int32_t join[8] = {0, 1, 2, 4, 5, 6, 3, 7};
    tarimg_256 place = TARIMG_256(shuffle_epi8)(tarimg_256_load(tarimg_base64_moves), text);
    place = TARIMG_256(add_epi8)(place, half);
    place = TARIMG_256(shuffle_epi8)(tarimg_256_load(tarimg_base64_adds), place);
    text = TARIMG_256(add_epi8)(text, place);
    text = TARIMG_256(maddubs_epi16)(text, TARIMG_256(set1_epi32)(0x01400140));
    text = TARIMG_256(madd_epi16)(text, TARIMG_256(set1_epi32)(0x00011000));
    text = TARIMG_256(shuffle_epi8)(text, tarimg_256_load(tarimg_base64_pack));
    tarimg_256_store(out, TARIMG_256(permutevar8x32_epi32)(text, tarimg_256_load(join)));
}

TARIMG_AVX2 static size_t tarimg_base64_decode_avx2(const unsigned char *in, size_t size,
                                                    unsigned char *out) {
    const tarimg_256 zero = TARIMG_256(set1_epi32)(0);
    size_t at = 0;
    for (; size - at >= 76; at += 64, out += 48) { /* 12 more, as 8 bytes too many are stored */
        tarimg_256 first = tarimg_256_load(in + at), second = tarimg_256_load(in + at + 32);
        tarimg_256 first_half = tarimg_256_half(first), second_half = tarimg_256_half(second);
        tarimg_256 wrong = TARIMG_256(cmpeq_epi8)(tarimg_256_valid(first, first_half), zero);
        tarimg_256 wrong_too = TARIMG_256(cmpeq_epi8)(tarimg_256_valid(second, second_half), zero);
        if (TARIMG_256(movemask_epi8)(TARIMG_256(or_si256)(wrong, wrong_too))) break;
        tarimg_256_decode(out, first, first_half);
        tarimg_256_decode(out + 24, second, second_half);
    }
    TARIMG_256_END();
    return at;
}

/* Loads 32 bytes of which the 24 in the middle are used, so it starts when there are 4 before them. */
TARIMG_AVX2 static size_t tarimg_base64_encode_avx2(const unsigned char *in, size_t size, char *out) {
    static const unsigned char spread_bytes[32] = {5, 4, 6, 5, 8, 7, 9, 8, 11, 10, 12, 11, 14, 13, 15, 14,
                                                   1, 0, 2, 1, 4, 3, 5, 4, 7,  6,  8,  7,  10, 9,  11, 10};
    const tarimg_256 spread = tarimg_256_load(spread_bytes), letters = tarimg_256_load(tarimg_base64_letters);
    size_t at;
    if (size < 6 + 28) return 0;
    at = tarimg_base64_encode_portable(in, 6, out);
    for (out += 8; size - at >= 28; at += 24, out += 32) {
        tarimg_256 bytes = TARIMG_256(shuffle_epi8)(tarimg_256_load(in + at - 4), spread);
        tarimg_256 first = TARIMG_256(and_si256)(bytes, TARIMG_256(set1_epi32)(0x0FC0FC00)), place, below;
        tarimg_256 second = TARIMG_256(and_si256)(bytes, TARIMG_256(set1_epi32)(0x003F03F0));
        first = TARIMG_256(mulhi_epu16)(first, TARIMG_256(set1_epi32)(0x04000040));
        second = TARIMG_256(mullo_epi16)(second, TARIMG_256(set1_epi32)(0x01000010));
        bytes = TARIMG_256(or_si256)(first, second);
        place = TARIMG_256(subs_epu8)(bytes, TARIMG_256(set1_epi32)(0x33333333));
        below = TARIMG_256(cmpgt_epi8)(TARIMG_256(set1_epi32)(0x1A1A1A1A), bytes);
        below = TARIMG_256(and_si256)(below, TARIMG_256(set1_epi32)(0x0D0D0D0D));
        place = TARIMG_256(shuffle_epi8)(letters, TARIMG_256(or_si256)(place, below));
        tarimg_256_store(out, TARIMG_256(add_epi8)(bytes, place));
    }
    TARIMG_256_END();
    return at;
}
#endif

#if defined(TARIMG_SSSE3)
/* Asked at each call: both ways read what the system or the start-up code has found out (the system's
   registers are saved, too), which is far cheaper than cpuid in a virtual machine and needs no cache. */
#if defined(_MSC_VER)
#define TARIMG_HAS_SSSE3() IsProcessorFeaturePresent(36) /* PF_SSSE3_INSTRUCTIONS_AVAILABLE */
#define TARIMG_HAS_AVX2()  IsProcessorFeaturePresent(40) /* PF_AVX2_INSTRUCTIONS_AVAILABLE */
#else
#define TARIMG_HAS_SSSE3() __builtin_cpu_supports("ssse3")
#define TARIMG_HAS_AVX2()  __builtin_cpu_supports("avx2")
#endif
#endif

#if defined(TARIMG_NEON)
#define TARIMG_BASE64_SAME(v) (v)
static const unsigned char tarimg_base64_values[128] = {TARIMG_BASE64_ASCII(TARIMG_BASE64_SAME)};

static inline uint8x16x4_t tarimg_neon_table(const unsigned char *bytes) {
    uint8x16x4_t table;
    table.val[0] = vld1q_u8(bytes);
    table.val[1] = vld1q_u8(bytes + 16);
    table.val[2] = vld1q_u8(bytes + 32);
    table.val[3] = vld1q_u8(bytes + 48);
    return table;
}

/* Two look-ups in 64 bytes, of which one yields 0. From 0x80 on both do, so that bit is kept. */
static inline uint8x16_t tarimg_neon_values(uint8x16x4_t below, uint8x16x4_t above, uint8x16_t text) {
    uint8x16_t value = vorrq_u8(vqtbl4q_u8(below, text), vqtbl4q_u8(above, veorq_u8(text, vdupq_n_u8(64))));
    return vorrq_u8(value, vandq_u8(text, vdupq_n_u8(128)));
}

static size_t tarimg_base64_decode_neon(const unsigned char *in, size_t size, unsigned char *out) {
    const uint8x16x4_t below = tarimg_neon_table(tarimg_base64_values);
    const uint8x16x4_t above = tarimg_neon_table(tarimg_base64_values + 64);
    size_t at = 0;
    for (; size - at >= 64; at += 64, out += 48) {
        uint8x16x4_t text = vld4q_u8(in + at);
        uint8x16_t a = tarimg_neon_values(below, above, text.val[0]);
        uint8x16_t b = tarimg_neon_values(below, above, text.val[1]);
        uint8x16_t c = tarimg_neon_values(below, above, text.val[2]);
        uint8x16_t d = tarimg_neon_values(below, above, text.val[3]);
        uint8x16x3_t bytes;
        if (vmaxvq_u8(vorrq_u8(vorrq_u8(a, b), vorrq_u8(c, d))) > 63) break;
        bytes.val[0] = vorrq_u8(vshlq_n_u8(a, 2), vshrq_n_u8(b, 4));
        bytes.val[1] = vorrq_u8(vshlq_n_u8(b, 4), vshrq_n_u8(c, 2));
        bytes.val[2] = vorrq_u8(vshlq_n_u8(c, 6), d);
        vst3q_u8(out, bytes);
    }
    return at;
}

static size_t tarimg_base64_encode_neon(const unsigned char *in, size_t size, char *out) {
    const uint8x16x4_t alphabet = tarimg_neon_table((const unsigned char *)tarimg_base64_alphabet);
    const uint8x16_t six = vdupq_n_u8(63);
    size_t at = 0;
    for (; size - at >= 48; at += 48, out += 64) {
        uint8x16x3_t bytes = vld3q_u8(in + at);
        uint8x16_t b = vorrq_u8(vshlq_n_u8(bytes.val[0], 4), vshrq_n_u8(bytes.val[1], 4));
        uint8x16_t c = vorrq_u8(vshlq_n_u8(bytes.val[1], 2), vshrq_n_u8(bytes.val[2], 6));
        uint8x16x4_t text;
        text.val[0] = vqtbl4q_u8(alphabet, vshrq_n_u8(bytes.val[0], 2));
        text.val[1] = vqtbl4q_u8(alphabet, vandq_u8(b, six));
        text.val[2] = vqtbl4q_u8(alphabet, vandq_u8(c, six));
        text.val[3] = vqtbl4q_u8(alphabet, vandq_u8(bytes.val[2], six));
        vst4q_u8((unsigned char *)out, text);
    }
    return at;
}
#endif

#define TARIMG_BASE64_LONG 64 /* below it vector code doesn't pay */

/* Whole groups, as fast as this processor can. May stop early: what is left is for the portable code. */
static size_t tarimg_base64_decode_blocks(const unsigned char *in, size_t size, unsigned char *out) {
    size_t at = 0;
    if (size >= TARIMG_BASE64_LONG) {
#if defined(TARIMG_AVX2)
        if (TARIMG_HAS_AVX2()) at = tarimg_base64_decode_avx2(in, size, out);
#endif
#if defined(TARIMG_SSSE3)
        if (TARIMG_HAS_SSSE3()) at += tarimg_base64_decode_ssse3(in + at, size - at, out + at / 4 * 3);
#elif defined(TARIMG_NEON)
        at = tarimg_base64_decode_neon(in, size, out);
#endif
    }
    return at + tarimg_base64_decode_portable(in + at, size - at, out + at / 4 * 3);
}

static size_t tarimg_base64_encode_blocks(const unsigned char *in, size_t size, char *out) {
    size_t at = 0;
    if (size >= TARIMG_BASE64_LONG) {
#if defined(TARIMG_AVX2)
        if (TARIMG_HAS_AVX2()) at = tarimg_base64_encode_avx2(in, size, out);
#endif
#if defined(TARIMG_SSSE3)
        if (TARIMG_HAS_SSSE3()) at += tarimg_base64_encode_ssse3(in + at, size - at, out + at / 3 * 4);
#elif defined(TARIMG_NEON)
        at = tarimg_base64_encode_neon(in, size, out);
#endif
    }
    return at + tarimg_base64_encode_portable(in + at, size - at, out + at / 3 * 4);
}

/* ---- for the sections below ---- */

/* Bytes that decoding `size` more characters can yield at most. */
static size_t tarimg_base64_room(size_t size) {
    return size / 4 * 3 + 6;
}

/* Decodes up to the first character outside the alphabet; returns how many characters were taken. `out` has
   room for tarimg_base64_room(size) bytes, all of which may be written to. */
static size_t tarimg_base64_decode(tarimg_base64 *state, const char *text, size_t size, unsigned char *out,
                                   size_t *written) {
    const unsigned char *in = (const unsigned char *)text, *end = in + size;
    unsigned char *start = out;
    while (in < end) {
        uint32_t value;
        if (state->count == 0) {
            size_t taken = tarimg_base64_decode_blocks(in, (size_t)(end - in), out);
            in += taken;
            out += taken / 4 * 3;
            if (in == end) break;
        }
        value = tarimg_base64_places[3][*in];
        if (value & TARIMG_BASE64_STRANGER) break;
        in++;
        state->bits = state->bits << 6 | value;
        if (++state->count < 4) continue;
        out[0] = (unsigned char)(state->bits >> 16);
        out[1] = (unsigned char)(state->bits >> 8);
        out[2] = (unsigned char)state->bits;
        out += 3;
        state->bits = 0;
        state->count = 0;
    }
    *written = (size_t)(out - start);
    return (size_t)((const char *)in - text);
}

/* The bytes of a last group that is not whole: 0 to 2, or -1 if it can't be one. */
static int tarimg_base64_finish(tarimg_base64 *state, unsigned char *out) {
    if (state->count == 1) return -1;
    if (state->padding && (state->count == 0 || state->count + state->padding > 4)) return -1;
    if (state->count == 2) {
        out[0] = (unsigned char)(state->bits >> 4);
        return 1;
    }
    if (state->count == 3) {
        out[0] = (unsigned char)(state->bits >> 10);
        out[1] = (unsigned char)(state->bits >> 2);
        return 2;
    }
    return 0;
}

/* Encodes `size` bytes, padded; returns the characters written (4 for every 3 bytes begun). */
static size_t tarimg_base64_encode(const unsigned char *in, size_t size, char *out) {
    const char *alphabet = tarimg_base64_alphabet;
    size_t taken = tarimg_base64_encode_blocks(in, size, out), written = taken / 3 * 4;
    size -= taken;
    if (size == 0) return written;
    in += taken;
    out += written;
    out[0] = alphabet[in[0] >> 2];
    out[1] = alphabet[(in[0] & 3) << 4 | (size == 2 ? in[1] >> 4 : 0)];
    out[2] = size == 2 ? alphabet[(in[1] & 15) << 2] : '=';
    out[3] = '=';
    return written + 4;
}

static int tarimg_base64_length(size_t size, size_t *length) {
    size_t groups = size / 3 + (size % 3 ? 1 : 0);
    return tarimg_multiply_size(groups, 4, length);
}

/* >>json
   A small document (values in an arena), a writer, and an incremental reader. The reader takes RFC 8259 in
   pieces of any size. A string that stands at one of the image paths and holds base64 never becomes a text:
   it is decoded into a payload as it arrives, and the document keeps the payload's number. */

typedef enum tarimg_kind {
    TARIMG_NULL,
    TARIMG_FALSE,
    TARIMG_TRUE,
    TARIMG_NUMBER, /* text as it stood */
    TARIMG_STRING,
    TARIMG_ARRAY,
    TARIMG_OBJECT,
    TARIMG_PAYLOAD,   /* of a reply: index = payload, size = decoded bytes */
    TARIMG_INPUT_URL, /* of a body: index = input image, written as a data: URL or as the URL it was given by
                       */
    TARIMG_INPUT_BASE64, /* of a body: index = input image, written as bare base64 */
    TARIMG_INPUT_FILE    /* of a form: index = input image, sent as a file */
} tarimg_kind;

typedef struct tarimg_value {
    tarimg_kind kind;
    const char *name; /* in an object */
    const char *text; /* of a string or number, NUL-terminated */
    size_t size;
    size_t index;
    struct tarimg_value *parent;
    struct tarimg_value *first;
    struct tarimg_value *last;
    struct tarimg_value *next;
} tarimg_value;

/* Every builder below takes NULL values as they come from an arena that is out of memory; arena->failed
 * tells. */
TARIMG_ONCE static tarimg_value *tarimg_value_new(tarimg_arena *arena, tarimg_kind kind) {
    tarimg_value *value = (tarimg_value *)tarimg_take(arena, sizeof *value);
    if (value) value->kind = kind;
    return value;
}

static tarimg_value *tarimg_value_text(tarimg_arena *arena, const char *text) {
    tarimg_value *value = tarimg_value_new(arena, TARIMG_STRING);
    if (!value) return NULL;
    value->text = tarimg_copy(arena, text);
    value->size = strlen(text);
    return value->text ? value : NULL;
}

static tarimg_value *tarimg_value_integer(tarimg_arena *arena, int64_t number) {
    tarimg_value *value = tarimg_value_new(arena, TARIMG_NUMBER);
    if (!value) return NULL;
    value->text = tarimg_format(arena, "%lld", (long long)number);
    value->size = value->text ? strlen(value->text) : 0;
    return value->text ? value : NULL;
}

static void tarimg_append_value(tarimg_value *parent, tarimg_value *value) {
    if (!parent || !value) return;
    value->parent = parent;
    value->next = NULL;
    if (parent->last)
        parent->last->next = value;
    else
        parent->first = value;
    parent->last = value;
}

static void tarimg_remove_member(tarimg_value *object, const char *name) {
    tarimg_value **link, *last = NULL;
    if (!object) return;
    link = &object->first;
    while (*link) {
        if (tarimg_equal((*link)->name, name))
            *link = (*link)->next;
        else {
            last = *link;
            link = &(*link)->next;
        }
    }
    object->last = last;
}

/* The last member of that name, as most readers have it. */
TARIMG_ONCE static tarimg_value *tarimg_member(const tarimg_value *object, const char *name) {
    tarimg_value *value, *found = NULL;
    if (!object || object->kind != TARIMG_OBJECT) return NULL;
    for (value = object->first; value; value = value->next) {
        if (tarimg_equal(value->name, name)) found = value;
    }
    return found;
}

/* Puts a member in, in place of one of the same name. `name` is copied. */
static void tarimg_set(tarimg_arena *arena, tarimg_value *object, const char *name, tarimg_value *value) {
    tarimg_value *old = tarimg_member(object, name), *child;
    if (!object || !value) return;
    if (old) {
        old->kind = value->kind;
        old->text = value->text;
        old->size = value->size;
        old->index = value->index;
        old->first = value->first;
        old->last = value->last;
        for (child = old->first; child; child = child->next) child->parent = old;
        return;
    }
    value->name = tarimg_copy(arena, name);
    if (value->name) tarimg_append_value(object, value);
}

/* Text that is NULL is left out. */
static void tarimg_set_text(tarimg_arena *arena, tarimg_value *object, const char *name, const char *text) {
    if (text) tarimg_set(arena, object, name, tarimg_value_text(arena, text));
}

static void tarimg_set_integer(tarimg_arena *arena, tarimg_value *object, const char *name, int64_t number) {
    tarimg_set(arena, object, name, tarimg_value_integer(arena, number));
}

static void tarimg_set_true(tarimg_arena *arena, tarimg_value *object, const char *name) {
    tarimg_set(arena, object, name, tarimg_value_new(arena, TARIMG_TRUE));
}

static tarimg_value *tarimg_copy_value(tarimg_arena *arena, const tarimg_value *value) {
    tarimg_value *copy = tarimg_value_new(arena, value->kind);
    const tarimg_value *child;
    if (!copy) return NULL;
    copy->name = value->name;
    copy->text = value->text;
    copy->size = value->size;
    copy->index = value->index;
    for (child = value->first; child; child = child->next)
        tarimg_append_value(copy, tarimg_copy_value(arena, child));
    return copy;
}

/* JSON merge patch (RFC 7396): objects merge, null removes, anything else replaces. */
static void tarimg_merge(tarimg_arena *arena, tarimg_value *target, const tarimg_value *patch) {
    const tarimg_value *change;
    for (change = patch->first; change; change = change->next) {
        tarimg_value *old = tarimg_member(target, change->name);
        if (change->kind == TARIMG_NULL)
            tarimg_remove_member(target, change->name);
        else if (change->kind != TARIMG_OBJECT)
            tarimg_set(arena, target, change->name, tarimg_copy_value(arena, change));
        else {
            if (!old || old->kind != TARIMG_OBJECT)
                tarimg_set(arena, target, change->name, tarimg_value_new(arena, TARIMG_OBJECT));
            old = tarimg_member(target, change->name);
            if (old) tarimg_merge(arena, old, change);
        }
    }
}

/* One step of a path: a name, or an index in brackets ([] is (size_t)-1). Returns what follows. */
typedef struct tarimg_step {
    const char *name;
    size_t size;
    int is_index;
    size_t index;
} tarimg_step;

static const char *tarimg_next_step(const char *path, tarimg_step *step) {
    memset(step, 0, sizeof *step);
    if (*path == '.') path++;
    if (*path == '[') {
        step->is_index = 1;
        path++;
        if (*path == ']') step->index = (size_t)-1;
        while (tarimg_is_digit(*path)) step->index = step->index * 10 + (size_t)(*path++ - '0');
        return *path == ']' ? path + 1 : path;
    }
    step->name = path;
    step->size = strcspn(path, ".[");
    return path + step->size;
}

static tarimg_value *tarimg_element(const tarimg_value *array, size_t index) {
    tarimg_value *value;
    if (!array || array->kind != TARIMG_ARRAY) return NULL;
    for (value = array->first; value && index; value = value->next) index--;
    return value;
}

static const tarimg_value *tarimg_step_into(const tarimg_value *value, const tarimg_step *step) {
    const tarimg_value *child, *found = NULL;
    if (step->is_index) return tarimg_element(value, step->index);
    if (value->kind != TARIMG_OBJECT) return NULL;
    for (child = value->first; child; child = child->next) {
        if (strlen(child->name) == step->size && memcmp(child->name, step->name, step->size) == 0)
            found = child;
    }
    return found;
}

/* The value at a path such as "data[0].url"; NULL if there is none. An empty path is the value itself. */
static const tarimg_value *tarimg_at(const tarimg_value *value, const char *path) {
    tarimg_step step;
    while (value && *path) {
        path = tarimg_next_step(path, &step);
        value = tarimg_step_into(value, &step);
    }
    return value;
}

/* The text of a string or number at a path; NULL otherwise. */
TARIMG_ONCE static const char *tarimg_text_at(const tarimg_value *value, const char *path) {
    const tarimg_value *found = tarimg_at(value, path);
    return found && (found->kind == TARIMG_STRING || found->kind == TARIMG_NUMBER) ? found->text : NULL;
}

/* A number, or a string that is one; decimals are cut. */
static int tarimg_integer_at(const tarimg_value *value, const char *path, int64_t *out) {
    const char *text = tarimg_text_at(value, path);
    if (!text) return 0;
    return tarimg_parse_integer(text, strcspn(text, "."), out) && !strpbrk(text, "eE");
}

static int tarimg_is_false_at(const tarimg_value *value, const char *path) {
    const tarimg_value *found = tarimg_at(value, path);
    return found && found->kind == TARIMG_FALSE;
}

/* The container at one step of a path, made where there is none; a scalar gives way. NULL: it doesn't fit. */
static tarimg_value *tarimg_enter_step(tarimg_arena *arena, tarimg_value *place, const tarimg_step *step,
                                       const char *name, tarimg_kind kind) {
    tarimg_value *next = step->is_index ? tarimg_element(place, step->index) : tarimg_member(place, name);
    if (!next) {
        next = tarimg_value_new(arena, kind);
        if (step->is_index)
            tarimg_append_value(place, next);
        else
            tarimg_set(arena, place, name, next);
    } else if (next->kind != TARIMG_ARRAY && next->kind != TARIMG_OBJECT) {
        next->kind = kind;
        next->text = NULL;
        next->size = 0;
    }
    return next && next->kind == kind ? next : NULL;
}

/* Puts a value at a path, making objects and arrays on the way; "[]" appends. 0 if the path doesn't fit. */
static int tarimg_put(tarimg_arena *arena, tarimg_value *root, const char *path, tarimg_value *value) {
    tarimg_value *place = root;
    tarimg_step step;
    if (!*path) return 0;
    while (place) {
        const char *rest = tarimg_next_step(path, &step);
        char *name = step.is_index ? NULL : tarimg_copy_bytes(arena, step.name, step.size);
        if (rest == path || place->kind != (step.is_index ? TARIMG_ARRAY : TARIMG_OBJECT)) return 0;
        if (!step.is_index && !name) return 0;
        if (*rest)
            place = tarimg_enter_step(arena, place, &step, name, *rest == '[' ? TARIMG_ARRAY : TARIMG_OBJECT);
        else if (step.is_index) {
            tarimg_append_value(place, value);
            return 1;
        } else {
            tarimg_set(arena, place, name, value);
            return 1;
        }
        path = rest;
    }
    return 0;
}

static void tarimg_write_string(tarimg_buffer *out, const char *text, size_t size) {
    static const char hex[] = "0123456789abcdef";
    size_t i, start = 0;
    tarimg_append_char(out, '"');
    for (i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        char escape[6] = {'\\', 'u', '0', '0', '0', '0'};
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        tarimg_append(out, text + start, i - start);
        start = i + 1;
        escape[4] = hex[c >> 4];
        escape[5] = hex[c & 15];
        if (c == '"')
            tarimg_append(out, "\\\"", 2);
        else if (c == '\\')
            tarimg_append(out, "\\\\", 2);
        else if (c == '\n')
            tarimg_append(out, "\\n", 2);
        else
            tarimg_append(out, escape, 6);
    }
    tarimg_append(out, text + start, size - start);
    tarimg_append_char(out, '"');
}

/* Called for TARIMG_PAYLOAD and TARIMG_INPUT_... values, which only their owner can write. */
typedef void (*tarimg_special_fn)(void *context, tarimg_buffer *out, const tarimg_value *value);

/* Writes a value as JSON. Iterative: a hostile document may be as deep as the reader's limit, the stack is
 * not. */
static void tarimg_write_json(tarimg_buffer *out, const tarimg_value *root, tarimg_special_fn special,
                              void *context) {
    const tarimg_value *value = root;
    while (value) {
        if (value != root && value->parent->kind == TARIMG_OBJECT) {
            tarimg_write_string(out, value->name, strlen(value->name));
            tarimg_append_char(out, ':');
        }
        switch (value->kind) {
        case TARIMG_NULL: tarimg_append_text(out, "null"); break;
        case TARIMG_FALSE: tarimg_append_text(out, "false"); break;
        case TARIMG_TRUE: tarimg_append_text(out, "true"); break;
        case TARIMG_NUMBER: tarimg_append(out, value->text, value->size); break;
        case TARIMG_STRING: tarimg_write_string(out, value->text, value->size); break;
        case TARIMG_ARRAY: tarimg_append_char(out, '['); break;
        case TARIMG_OBJECT: tarimg_append_char(out, '{'); break;
        case TARIMG_PAYLOAD:
        case TARIMG_INPUT_URL:
        case TARIMG_INPUT_BASE64:
        case TARIMG_INPUT_FILE: special(context, out, value); break;
        }
        if (value->first) {
            value = value->first;
            continue;
        }
        if (value->kind == TARIMG_ARRAY) tarimg_append_char(out, ']');
        if (value->kind == TARIMG_OBJECT) tarimg_append_char(out, '}');
        while (value != root && !value->next) {
            value = value->parent;
            tarimg_append_char(out, value->kind == TARIMG_ARRAY ? ']' : '}');
        }
        if (value == root) return;
        tarimg_append_char(out, ',');
        value = value->next;
    }
}

static void tarimg_write_payload(void *context, tarimg_buffer *out, const tarimg_value *value) {
    char text[64];
    (void)context;
    (void)snprintf(text, sizeof text, "\"<image, %llu bytes>\"", (unsigned long long)value->size);
    tarimg_append_text(out, text);
}

/* Where the reader puts decoded images. Functions return OK or the result that ends the reading. */
typedef struct tarimg_payload_target {
    tarash_image_result (*open_fn)(void *context, size_t *index);
    unsigned char *(*room_fn)(void *context,
                              size_t size); /* NULL: see take_fn's result, which is asked with 0 */
    tarash_image_result (*take_fn)(void *context, size_t size);
    tarash_image_result (*close_fn)(void *context, size_t *size);
    void *context;
} tarimg_payload_target;

typedef enum tarimg_reader_state {
    TARIMG_AT_VALUE,
    TARIMG_AT_FIRST_ELEMENT, /* after '[': a value or ']' */
    TARIMG_AT_FIRST_NAME,    /* after '{': a name or '}' */
    TARIMG_AT_NAME,          /* after ',' in an object */
    TARIMG_AT_COLON,
    TARIMG_AT_SEPARATOR, /* after a value: ',' or the end of the container */
    TARIMG_IN_NAME,
    TARIMG_IN_STRING,
    TARIMG_IN_PROBE,   /* a string at an image path, not yet known to be base64 */
    TARIMG_IN_PAYLOAD, /* base64 */
    TARIMG_IN_WORD,    /* number, true, false, null */
    TARIMG_AT_END
} tarimg_reader_state;

typedef struct tarimg_reader {
    tarimg_arena *arena;
    tarimg_buffer scratch; /* of a name, string or word that is not whole yet */
    tarimg_value *root;
    tarimg_value *parent; /* innermost open container */
    const char *name;     /* of the next value */
    tarimg_reader_state state;
    int depth, max_depth;
    const char
        *image_paths; /* comma-separated; after a '?' only a data: URL is an image, anything else a text */
    int is_url_place; /* the string being read stands at such a place */
    const char *echo_path; /* a member that repeats the request; its long texts are cut, or NULL */
    int is_echo;           /* the string being read is in there */
    const tarimg_payload_target *target;
    tarimg_base64 base64;
    size_t payload;
    int escape; /* 0 = outside, 1 = after a backslash, 2 to 5 = digits of \u */
    uint32_t point, high_surrogate;
    tarash_image_result result; /* what ended the reading */
    const char *problem;
} tarimg_reader;

static void tarimg_reader_init(tarimg_reader *reader, tarimg_arena *arena, int max_depth,
                               const char *image_paths, const tarimg_payload_target *target) {
    memset(reader, 0, sizeof *reader);
    reader->arena = arena;
    reader->max_depth = max_depth;
    reader->image_paths = image_paths;
    reader->target = target;
    tarimg_buffer_init(&reader->scratch, arena->allocator, arena->limit);
}

static void tarimg_reader_free(tarimg_reader *reader) {
    tarimg_buffer_free(&reader->scratch);
}

static int tarimg_reader_fail(tarimg_reader *reader, tarash_image_result result, const char *problem) {
    if (reader->result == TARASH_IMAGE_OK) {
        reader->result = result;
        reader->problem = problem;
    }
    return 0;
}

/* Turns a container's refusal into the reader's result. */
static int tarimg_reader_memory(tarimg_reader *reader) {
    if (reader->arena->failed || reader->scratch.failed)
        return tarimg_reader_fail(reader, TARASH_IMAGE_ERROR_OUT_OF_MEMORY, "out of memory");
    if (reader->arena->over_limit || reader->scratch.over_limit)
        return tarimg_reader_fail(reader, TARASH_IMAGE_ERROR_TOO_LARGE,
                                  "the reply exceeds limits.max_document_bytes");
    return 1;
}

/* Does the value about to be read, at `name` in `parent`, stand at this path? Compared from the leaf upwards.
 */
static int tarimg_path_matches(const char *path, size_t size, const tarimg_value *parent, const char *name) {
    while (size) {
        size_t start = size;
        if (!parent) return 0;
        if (path[size - 1] == ']') {
            if (parent->kind != TARIMG_ARRAY) return 0;
            size -= size >= 2 ? 2 : 1;
        } else {
            while (start && path[start - 1] != '.' && path[start - 1] != ']') start--;
            if (parent->kind != TARIMG_OBJECT || !name) return 0;
            if (strlen(name) != size - start || memcmp(name, path + start, size - start) != 0) return 0;
            size = start && path[start - 1] == '.' ? start - 1 : start;
        }
        name = parent->name;
        parent = parent->parent;
    }
    return parent == NULL;
}

static int tarimg_at_image_path(tarimg_reader *reader) {
    const char *paths = reader->image_paths, *path;
    size_t size;
    if (!reader->target) return 0;
    while (tarimg_next_item(&paths, &path, &size)) {
        reader->is_url_place = *path == '?';
        if (tarimg_path_matches(path + reader->is_url_place, size - (size_t)reader->is_url_place,
                                reader->parent, reader->name))
            return 1;
    }
    return 0;
}

/* Is the value about to be read part of what repeats the request? */
static int tarimg_in_echo(const tarimg_reader *reader) {
    const char *name = reader->name;
    const tarimg_value *parent = reader->parent;
    if (!reader->echo_path) return 0;
    for (; parent; name = parent->name, parent = parent->parent) {
        if (tarimg_path_matches(reader->echo_path, strlen(reader->echo_path), parent, name)) return 1;
    }
    return 0;
}

/* Adds a finished value where the reader stands. */
static tarimg_value *tarimg_reader_add(tarimg_reader *reader, tarimg_kind kind) {
    tarimg_value *value = tarimg_value_new(reader->arena, kind);
    if (!value) {
        (void)tarimg_reader_memory(reader);
        return NULL;
    }
    value->name = reader->name;
    reader->name = NULL;
    if (reader->parent)
        tarimg_append_value(reader->parent, value);
    else
        reader->root = value;
    reader->state = reader->parent ? TARIMG_AT_SEPARATOR : TARIMG_AT_END;
    return value;
}

static int tarimg_reader_open(tarimg_reader *reader, tarimg_kind kind) {
    tarimg_value *value;
    if (reader->depth >= reader->max_depth)
        return tarimg_reader_fail(reader, TARASH_IMAGE_ERROR_TOO_LARGE,
                                  "the reply is nested deeper than limits.max_json_depth");
    value = tarimg_reader_add(reader, kind);
    if (!value) return 0;
    reader->parent = value;
    reader->depth++;
    reader->state = kind == TARIMG_ARRAY ? TARIMG_AT_FIRST_ELEMENT : TARIMG_AT_FIRST_NAME;
    return 1;
}

static int tarimg_reader_close(tarimg_reader *reader, tarimg_kind kind) {
    if (!reader->parent || reader->parent->kind != kind)
        return tarimg_reader_fail(reader, TARASH_IMAGE_ERROR_BAD_RESPONSE, "brackets don't match");
    reader->parent = reader->parent->parent;
    reader->depth--;
    reader->state = reader->parent ? TARIMG_AT_SEPARATOR : TARIMG_AT_END;
    return 1;
}

/* The text gathered in scratch, as valid UTF-8 in the arena. */
static const char *tarimg_reader_text(tarimg_reader *reader, size_t *size) {
    const tarimg_buffer *scratch = &reader->scratch;
    tarimg_buffer clean;
    const char *text;
    if (!tarimg_reader_memory(reader)) return NULL;
    if (tarimg_is_utf8(scratch->data ? scratch->data : "", scratch->size)) {
        text = tarimg_copy_bytes(reader->arena, scratch->data, scratch->size);
        *size = scratch->size;
    } else {
        tarimg_buffer_init(&clean, reader->arena->allocator, reader->arena->limit);
        tarimg_append_utf8(&clean, scratch->data, scratch->size);
        if (clean.failed) reader->scratch.failed = 1;
        if (clean.over_limit) reader->scratch.over_limit = 1;
        text = clean.data ? tarimg_copy_bytes(reader->arena, clean.data, clean.size) : NULL;
        *size = clean.size;
        tarimg_buffer_free(&clean);
    }
    return tarimg_reader_memory(reader) ? text : NULL;
}

static int tarimg_end_string(tarimg_reader *reader) {
    size_t size = 0;
    const char *text = tarimg_reader_text(reader, &size);
    tarimg_value *value;
    if (!text) return 0;
    if (reader->state == TARIMG_IN_NAME) {
        reader->name = text;
        reader->state = TARIMG_AT_COLON;
        return 1;
    }
    value = tarimg_reader_add(reader, TARIMG_STRING);
    if (!value) return 0;
    value->text = text;
    value->size = size;
    return 1;
}

static int tarimg_payload_fail(tarimg_reader *reader, tarash_image_result result) {
    return tarimg_reader_fail(reader, result,
                              result == TARASH_IMAGE_ERROR_TOO_LARGE
                                  ? "an image exceeds limits.max_image_bytes"
                              : result == TARASH_IMAGE_ERROR_IO ? "the sink could not take the image"
                                                                : "an image could not be kept");
}

/* Base64 text, free of JSON escapes, into the open payload. */
static int tarimg_payload_text(tarimg_reader *reader, const char *text, size_t size) {
    const tarimg_payload_target *target = reader->target;
    while (size) {
        size_t written = 0, taken;
        unsigned char *room;
        tarash_image_result result;
        if (reader->base64.padding || tarimg_is_space(*text) || *text == '=') {
            if (*text == '=')
                reader->base64.padding++;
            else if (!tarimg_is_space(*text))
                return tarimg_reader_fail(reader, TARASH_IMAGE_ERROR_BAD_RESPONSE,
                                          "base64 goes on after its padding");
            text++;
            size--;
            continue;
        }
        room = target->room_fn(target->context, tarimg_base64_room(size));
        if (!room) return tarimg_payload_fail(reader, target->take_fn(target->context, 0));
        taken = tarimg_base64_decode(&reader->base64, text, size, room, &written);
        result = target->take_fn(target->context, written);
        if (result != TARASH_IMAGE_OK) return tarimg_payload_fail(reader, result);
        text += taken;
        size -= taken;
        if (size && !tarimg_is_space(*text) && *text != '=')
            return tarimg_reader_fail(reader, TARASH_IMAGE_ERROR_BAD_RESPONSE,
                                      "an image is not valid base64");
    }
    return 1;
}

static int tarimg_begin_payload(tarimg_reader *reader) {
    tarash_image_result result = reader->target->open_fn(reader->target->context, &reader->payload);
    if (result != TARASH_IMAGE_OK) return tarimg_payload_fail(reader, result);
    memset(&reader->base64, 0, sizeof reader->base64);
    reader->state = TARIMG_IN_PAYLOAD;
    return 1;
}

static int tarimg_end_payload(tarimg_reader *reader) {
    const tarimg_payload_target *target = reader->target;
    unsigned char *room = target->room_fn(target->context, 4);
    int rest;
    tarimg_value *value;
    tarash_image_result result;
    if (!room) return tarimg_payload_fail(reader, target->take_fn(target->context, 0));
    rest = tarimg_base64_finish(&reader->base64, room);
    if (rest < 0)
        return tarimg_reader_fail(reader, TARASH_IMAGE_ERROR_BAD_RESPONSE, "an image's base64 is cut off");
    result = target->take_fn(target->context, (size_t)rest);
    if (result != TARASH_IMAGE_OK) return tarimg_payload_fail(reader, result);
    value = tarimg_reader_add(reader, TARIMG_PAYLOAD);
    if (!value) return 0;
    value->index = reader->payload;
    result = target->close_fn(target->context, &value->size);
    return result == TARASH_IMAGE_OK ? 1 : tarimg_payload_fail(reader, result);
}

#define TARIMG_PROBE_SIZE  256 /* a data: URL's prefix is shorter */
#define TARIMG_SCHEME_SIZE 16  /* a URL has its colon by then */

/* Decides what a string at an image path is, once enough of it is there: an ordinary text (a URL, say), a
   data: URL, or bare base64. */
static int tarimg_probe(tarimg_reader *reader, int at_end) {
    tarimg_buffer *scratch = &reader->scratch;
    const char *text = scratch->data ? scratch->data : "";
    size_t size = scratch->size, skip = 0;
    int has_comma = size && text[size - 1] == ',';
    if (!tarimg_reader_memory(reader)) return 0;
    if (size >= 5 && tarimg_begins_nocase(text, "data:")) {
        if (!has_comma && !at_end && size < TARIMG_PROBE_SIZE) return 1;
        if (!has_comma || size < 8 || !tarimg_equal_bytes_nocase(text + size - 8, ";base64,", 8)) {
            reader->state = TARIMG_IN_STRING;
            return 1;
        }
        skip = size;
    } else if (reader->is_url_place && size < 5 && !at_end && tarimg_begins_nocase("data:", text))
        return 1;
    else if (reader->is_url_place || (at_end && size == 0) ||
             ((at_end || size > 5) && memchr(text, ':', size))) {
        reader->state = TARIMG_IN_STRING;
        return 1;
    } else if (!at_end && size < TARIMG_SCHEME_SIZE)
        return 1;
    if (!tarimg_begin_payload(reader)) return 0;
    return tarimg_payload_text(reader, text + skip, size - skip);
}

#define TARIMG_ECHO_SIZE 1024 /* what is kept of a text that only repeats the request */

/* How much of a piece of the current string is kept; 0 = nothing. */
static int tarimg_keeps(const tarimg_reader *reader, size_t *size) {
    size_t room = reader->scratch.size < TARIMG_ECHO_SIZE ? TARIMG_ECHO_SIZE - reader->scratch.size : 0;
    if (reader->is_echo && *size > room) *size = room;
    return *size > 0;
}

/* A piece of the current string, unescaped. */
static int tarimg_string_piece(tarimg_reader *reader, const char *text, size_t size) {
    /* One character at a time until it is known what the string is, so that its cutting makes no difference.
     */
    while (size && reader->state == TARIMG_IN_PROBE) {
        tarimg_append(&reader->scratch, text++, 1);
        size--;
        if (!tarimg_probe(reader, 0)) return 0;
    }
    if (reader->state == TARIMG_IN_PAYLOAD) return tarimg_payload_text(reader, text, size);
    if (!tarimg_keeps(reader, &size)) return 1;
    tarimg_append(&reader->scratch, text, size);
    return tarimg_reader_memory(reader);
}

static int tarimg_string_point(tarimg_reader *reader, uint32_t point) {
    char utf8[4];
    size_t size = tarimg_put_utf8(point ? point : 0xFFFD, utf8);
    return tarimg_string_piece(reader, utf8, size);
}

/* A high surrogate that no low one follows stands for U+FFFD. */
static int tarimg_lone_surrogate(tarimg_reader *reader) {
    if (!reader->high_surrogate) return 1;
    reader->high_surrogate = 0;
    return tarimg_string_point(reader, 0xFFFD);
}

static int tarimg_hex_value(int c) {
    if (tarimg_is_digit(c)) return c - '0';
    c = tarimg_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int tarimg_unicode_escape(tarimg_reader *reader, uint32_t point) {
    uint32_t high = reader->high_surrogate;
    if (high && point >= 0xDC00 && point <= 0xDFFF) {
        reader->high_surrogate = 0;
        return tarimg_string_point(reader, 0x10000 + ((high - 0xD800) << 10) + (point - 0xDC00));
    }
    if (!tarimg_lone_surrogate(reader)) return 0;
    if (point >= 0xD800 && point <= 0xDBFF) {
        reader->high_surrogate = point;
        return 1;
    }
    return tarimg_string_point(reader, point >= 0xDC00 && point <= 0xDFFF ? 0xFFFD : point);
}

/* One character of an escape sequence. */
static int tarimg_escape_char(tarimg_reader *reader, char c) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *simple;
    int digit;
    if (reader->escape == 1) {
        reader->point = 0;
        reader->escape = c == 'u' ? 2 : 0;
        if (c == 'u') return 1;
        simple = c ? strchr(from, c) : NULL;
        if (!simple)
            return tarimg_reader_fail(reader, TARASH_IMAGE_ERROR_BAD_RESPONSE,
                                      "an unknown escape in a string");
        return tarimg_lone_surrogate(reader) && tarimg_string_piece(reader, to + (simple - from), 1);
    }
    digit = tarimg_hex_value((unsigned char)c);
    if (digit < 0) return tarimg_reader_fail(reader, TARASH_IMAGE_ERROR_BAD_RESPONSE, "a bad \\u escape");
    reader->point = reader->point << 4 | (uint32_t)digit;
    if (++reader->escape < 6) return 1;
    reader->escape = 0;
    return tarimg_unicode_escape(reader, reader->point);
}

/* The end of the plain part of a string: a quote, a backslash or a control character. */
static const char *tarimg_plain_end(const char *text, const char *end) {
    while (text < end && *text != '"' && *text != '\\' && (unsigned char)*text >= 0x20) text++;
    return text;
}

static int tarimg_close_string(tarimg_reader *reader) {
    if (!tarimg_lone_surrogate(reader)) return 0;
    if (reader->state == TARIMG_IN_PROBE && !tarimg_probe(reader, 1)) return 0;
    return reader->state == TARIMG_IN_PAYLOAD ? tarimg_end_payload(reader) : tarimg_end_string(reader);
}

/* Base64 up to the first character that is something else: the decoder itself finds the end, so that each
   byte is touched once. */
static const char *tarimg_read_payload(tarimg_reader *reader, const char *text, const char *end) {
    const tarimg_payload_target *target = reader->target;
    size_t written = 0, size = (size_t)(end - text), taken;
    unsigned char *room;
    tarash_image_result result;
    if (reader->base64.padding) return text;
    room = target->room_fn(target->context, tarimg_base64_room(size));
    if (!room) {
        (void)tarimg_payload_fail(reader, target->take_fn(target->context, 0));
        return NULL;
    }
    taken = tarimg_base64_decode(&reader->base64, text, size, room, &written);
    result = target->take_fn(target->context, written);
    if (result == TARASH_IMAGE_OK) return text + taken;
    (void)tarimg_payload_fail(reader, result);
    return NULL;
}

static const char *tarimg_read_string(tarimg_reader *reader, const char *text, const char *end) {
    const char *stop;
    if (reader->escape) return tarimg_escape_char(reader, *text) ? text + 1 : NULL;
    if (reader->state == TARIMG_IN_PAYLOAD) {
        text = tarimg_read_payload(reader, text, end);
        if (!text || text == end) return text;
    }
    stop =
        reader->state == TARIMG_IN_PROBE && end - text > TARIMG_PROBE_SIZE ? text + TARIMG_PROBE_SIZE : end;
    stop = tarimg_plain_end(text, stop);
    if (stop > text) {
        if (!tarimg_lone_surrogate(reader)) return NULL;
        return tarimg_string_piece(reader, text, (size_t)(stop - text)) ? stop : NULL;
    }
    if (*text == '\\') {
        reader->escape = 1;
        return text + 1;
    }
    if (*text == '"') return tarimg_close_string(reader) ? text + 1 : NULL;
    (void)tarimg_reader_fail(reader, TARASH_IMAGE_ERROR_BAD_RESPONSE, "a control character in a string");
    return NULL;
}

/* The grammar of a JSON number. */
static int tarimg_is_number(const char *text) {
    if (*text == '-') text++;
    if (*text == '0')
        text++;
    else if (tarimg_is_digit(*text)) {
        while (tarimg_is_digit(*text)) text++;
    } else
        return 0;
    if (*text == '.') {
        if (!tarimg_is_digit(*++text)) return 0;
        while (tarimg_is_digit(*text)) text++;
    }
    if (*text == 'e' || *text == 'E') {
        text++;
        if (*text == '+' || *text == '-') text++;
        if (!tarimg_is_digit(*text)) return 0;
        while (tarimg_is_digit(*text)) text++;
    }
    return *text == '\0';
}

static int tarimg_end_word(tarimg_reader *reader) {
    const char *word = reader->scratch.data;
    tarimg_value *value;
    const char *text;
    size_t size = 0;
    if (!tarimg_reader_memory(reader)) return 0;
    if (tarimg_equal(word, "true")) return tarimg_reader_add(reader, TARIMG_TRUE) != NULL;
    if (tarimg_equal(word, "false")) return tarimg_reader_add(reader, TARIMG_FALSE) != NULL;
    if (tarimg_equal(word, "null")) return tarimg_reader_add(reader, TARIMG_NULL) != NULL;
    if (!word || !tarimg_is_number(word))
        return tarimg_reader_fail(reader, TARASH_IMAGE_ERROR_BAD_RESPONSE, "a word that JSON doesn't have");
    text = tarimg_reader_text(reader, &size);
    if (!text) return 0;
    value = tarimg_reader_add(reader, TARIMG_NUMBER);
    if (!value) return 0;
    value->text = text;
    value->size = size;
    return 1;
}

static int tarimg_is_word_char(char c) {
    return tarimg_is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' || c == 'E';
}

#define TARIMG_MAX_WORD 512 /* digits of a number */

static const char *tarimg_read_word(tarimg_reader *reader, const char *text, const char *end) {
    const char *stop = text;
    while (stop < end && tarimg_is_word_char(*stop)) stop++;
    tarimg_append(&reader->scratch, text, (size_t)(stop - text));
    if (reader->scratch.size > TARIMG_MAX_WORD) {
        (void)tarimg_reader_fail(reader, TARASH_IMAGE_ERROR_BAD_RESPONSE, "a number with too many digits");
        return NULL;
    }
    if (stop < end && !tarimg_end_word(reader)) return NULL;
    return tarimg_reader_memory(reader) ? stop : NULL;
}

static void tarimg_begin_string(tarimg_reader *reader, tarimg_reader_state state) {
    reader->is_echo = 0;
    reader->scratch.size = 0;
    if (reader->scratch.data) reader->scratch.data[0] = '\0';
    reader->escape = 0;
    reader->high_surrogate = 0;
    reader->state = state;
}

static int tarimg_begin_value(tarimg_reader *reader, char c) {
    if (c == '{') return tarimg_reader_open(reader, TARIMG_OBJECT);
    if (c == '[') return tarimg_reader_open(reader, TARIMG_ARRAY);
    if (c == '"') {
        tarimg_begin_string(reader, tarimg_at_image_path(reader) ? TARIMG_IN_PROBE : TARIMG_IN_STRING);
        reader->is_echo = tarimg_in_echo(reader);
        return 1;
    }
    if (!tarimg_is_word_char(c))
        return tarimg_reader_fail(reader, TARASH_IMAGE_ERROR_BAD_RESPONSE, "not JSON");
    tarimg_begin_string(reader, TARIMG_IN_WORD);
    tarimg_append_char(&reader->scratch, c);
    return tarimg_reader_memory(reader);
}

static int tarimg_read_separator(tarimg_reader *reader, char c) {
    if (c == ']') return tarimg_reader_close(reader, TARIMG_ARRAY);
    if (c == '}') return tarimg_reader_close(reader, TARIMG_OBJECT);
    if (c != ',') return tarimg_reader_fail(reader, TARASH_IMAGE_ERROR_BAD_RESPONSE, "a comma is missing");
    reader->state = reader->parent->kind == TARIMG_ARRAY ? TARIMG_AT_VALUE : TARIMG_AT_NAME;
    return 1;
}

static int tarimg_read_name(tarimg_reader *reader, char c) {
    if (c == '}' && reader->state == TARIMG_AT_FIRST_NAME) return tarimg_reader_close(reader, TARIMG_OBJECT);
    if (c != '"')
        return tarimg_reader_fail(reader, TARASH_IMAGE_ERROR_BAD_RESPONSE, "a member's name is missing");
    tarimg_begin_string(reader, TARIMG_IN_NAME);
    return 1;
}

static int tarimg_read_structure(tarimg_reader *reader, char c) {
    if (tarimg_is_space(c)) return 1;
    switch (reader->state) {
    case TARIMG_AT_FIRST_ELEMENT:
        if (c == ']') return tarimg_reader_close(reader, TARIMG_ARRAY);
        return tarimg_begin_value(reader, c);
    case TARIMG_AT_VALUE: return tarimg_begin_value(reader, c);
    case TARIMG_AT_FIRST_NAME:
    case TARIMG_AT_NAME: return tarimg_read_name(reader, c);
    case TARIMG_AT_COLON:
        if (c != ':')
            return tarimg_reader_fail(reader, TARASH_IMAGE_ERROR_BAD_RESPONSE, "a colon is missing");
        reader->state = TARIMG_AT_VALUE;
        return 1;
    case TARIMG_AT_SEPARATOR: return tarimg_read_separator(reader, c);
    case TARIMG_AT_END:
    case TARIMG_IN_NAME:
    case TARIMG_IN_STRING:
    case TARIMG_IN_PROBE:
    case TARIMG_IN_PAYLOAD:
    case TARIMG_IN_WORD: break;
    }
    return tarimg_reader_fail(reader, TARASH_IMAGE_ERROR_BAD_RESPONSE, "something follows the JSON value");
}

/* Reads the next piece; 0 once the reading has failed (reader->result says how). */
static int tarimg_reader_feed(tarimg_reader *reader, const char *text, size_t size) {
    const char *end = text + size;
    if (reader->result != TARASH_IMAGE_OK) return 0;
    while (text && text < end) {
        switch (reader->state) {
        case TARIMG_IN_NAME:
        case TARIMG_IN_STRING:
        case TARIMG_IN_PROBE:
        case TARIMG_IN_PAYLOAD: text = tarimg_read_string(reader, text, end); break;
        case TARIMG_IN_WORD: text = tarimg_read_word(reader, text, end); break;
        case TARIMG_AT_VALUE:
        case TARIMG_AT_FIRST_ELEMENT:
        case TARIMG_AT_FIRST_NAME:
        case TARIMG_AT_NAME:
        case TARIMG_AT_COLON:
        case TARIMG_AT_SEPARATOR:
        case TARIMG_AT_END: text = tarimg_read_structure(reader, *text) ? text + 1 : NULL; break;
        }
    }
    return text != NULL;
}

/* The whole text has been fed. */
static int tarimg_reader_finish(tarimg_reader *reader) {
    if (reader->result != TARASH_IMAGE_OK) return 0;
    if (reader->state == TARIMG_IN_WORD && !tarimg_end_word(reader)) return 0;
    if (reader->state == TARIMG_AT_END) return 1;
    return tarimg_reader_fail(reader, TARASH_IMAGE_ERROR_BAD_RESPONSE,
                              reader->root ? "the JSON is cut off" : "no JSON at all");
}

/* Reads a whole text; NULL if it isn't JSON (or memory ran out: arena->failed). */
static tarimg_value *tarimg_parse_json(tarimg_arena *arena, const char *text, size_t size, int max_depth) {
    tarimg_reader reader;
    int good;
    tarimg_reader_init(&reader, arena, max_depth, NULL, NULL);
    good = tarimg_reader_feed(&reader, text, size) && tarimg_reader_finish(&reader);
    if (reader.result == TARASH_IMAGE_ERROR_OUT_OF_MEMORY) arena->failed = 1;
    tarimg_reader_free(&reader);
    return good ? reader.root : NULL;
}

/* >>media
   What the bytes of an image say about themselves, and a PNG writer for raw pixels and masks.
   Nothing here allocates or keeps state, and no byte beyond the given size is read. Sniffing treats its bytes
   as a prefix that may grow: once an answer is settled (tarimg_sniff_needs_more is 0), no further byte
   changes it. The writer's output depends on the pixels alone: same pixels, same bytes. */

typedef struct tarimg_media {
    const char *mime_type; /* NULL: no image or video known here */
    int width;             /* 0: unknown, or not in the bytes at hand */
    int height;
} tarimg_media;

#define TARIMG_MEDIA_EDGE_MAX 1000000000u

/* ---- bounded reading */

typedef struct tarimg_view {
    const unsigned char *data;
    size_t size;
    int grows; /* nonzero: bytes that aren't at hand follow these */
} tarimg_view;

typedef struct tarimg_media_probe {
    tarimg_media media;
    int open; /* nonzero: more bytes could change the answer */
} tarimg_media_probe;

typedef enum tarimg_media_found {
    TARIMG_FOUND_NO = 0,
    TARIMG_FOUND_CUT = 1,
    TARIMG_FOUND_YES = 2
} tarimg_media_found;

#define TARIMG_NOWHERE SIZE_MAX

static int tarimg_view_has(const tarimg_view *view, size_t at, size_t count) {
    return at <= view->size && count <= view->size - at;
}

/* An integer of 1 to 4 bytes; 0 if it isn't wholly there. */
static uint32_t tarimg_view_integer(const tarimg_view *view, size_t at, size_t count, int big_endian) {
    uint32_t value = 0;
    size_t i;
    if (!tarimg_view_has(view, at, count)) return 0;
    for (i = 0; i < count; ++i) value = value << 8 | view->data[big_endian ? at + i : at + count - 1 - i];
    return value;
}

static uint32_t tarimg_view_be(const tarimg_view *view, size_t at, size_t count) {
    return tarimg_view_integer(view, at, count, 1);
}

static uint32_t tarimg_view_le(const tarimg_view *view, size_t at, size_t count) {
    return tarimg_view_integer(view, at, count, 0);
}

static tarimg_view tarimg_view_slice(const tarimg_view *view, size_t begin, size_t end) {
    tarimg_view slice;
    slice.data = view->data + begin;
    slice.size = end - begin;
    slice.grows = view->grows && end == view->size;
    return slice;
}

/* Do the bytes start with the pattern, in which '.' is any byte? CUT if they do as far as they go. */
static tarimg_media_found tarimg_view_match(const tarimg_view *view, size_t at, const char *pattern,
                                            size_t length) {
    size_t i;
    for (i = 0; i < length; ++i) {
        if (!tarimg_view_has(view, at, i + 1)) return TARIMG_FOUND_CUT;
        if (pattern[i] != '.' && view->data[at + i] != (unsigned char)pattern[i]) return TARIMG_FOUND_NO;
    }
    return TARIMG_FOUND_YES;
}

/* The place just after the first occurrence, or NOWHERE. */
static size_t tarimg_view_after(const tarimg_view *view, size_t at, const char *text, size_t length) {
    for (; tarimg_view_has(view, at, length); ++at)
        if (memcmp(view->data + at, text, length) == 0) return at + length;
    return TARIMG_NOWHERE;
}

static void tarimg_probe_edges(tarimg_media_probe *probe, uint32_t width, uint32_t height) {
    if (width < 1 || width > TARIMG_MEDIA_EDGE_MAX || height < 1 || height > TARIMG_MEDIA_EDGE_MAX) return;
    probe->media.width = (int)width;
    probe->media.height = (int)height;
}

/* ---- PNG, GIF, BMP, ICO */

static void tarimg_probe_png(const tarimg_view *view, tarimg_media_probe *probe) {
    tarimg_media_found header = tarimg_view_match(view, 12, "IHDR", 4);
    probe->open = header != TARIMG_FOUND_NO && !tarimg_view_has(view, 0, 24);
    if (header == TARIMG_FOUND_YES && !probe->open)
        tarimg_probe_edges(probe, tarimg_view_be(view, 16, 4), tarimg_view_be(view, 20, 4));
}

static void tarimg_probe_gif(const tarimg_view *view, tarimg_media_probe *probe) {
    probe->open = !tarimg_view_has(view, 0, 10);
    if (!probe->open) tarimg_probe_edges(probe, tarimg_view_le(view, 6, 2), tarimg_view_le(view, 8, 2));
}

static int tarimg_bmp_header_known(uint32_t size) {
    static const unsigned char sizes[] = {12, 16, 40, 52, 56, 64, 108, 124};
    size_t i;
    for (i = 0; i < sizeof sizes; ++i)
        if (sizes[i] == size) return 1;
    return 0;
}

/* "BM" alone is too weak: any text may start so. The size of the second header tells. */
static void tarimg_probe_bmp(const tarimg_view *view, tarimg_media_probe *probe) {
    uint32_t header = tarimg_view_le(view, 14, 4);
    uint32_t height = tarimg_view_le(view, 22, 4);
    probe->open = !tarimg_view_has(view, 0, 26);
    if (!tarimg_bmp_header_known(header)) {
        probe->media.mime_type = NULL;
        probe->open = !tarimg_view_has(view, 0, 18);
    } else if (header == 12) {
        tarimg_probe_edges(probe, tarimg_view_le(view, 18, 2), tarimg_view_le(view, 20, 2));
        probe->open = !tarimg_view_has(view, 0, 22);
    } else if (!probe->open) {
        tarimg_probe_edges(probe, tarimg_view_le(view, 18, 4),
                           height >> 31 ? 0u - height : height); /* top-down */
    }
}

static uint32_t tarimg_ico_edge(const tarimg_view *view, size_t at) {
    uint32_t edge = tarimg_view_le(view, at, 1);
    return edge ? edge : 256;
}

/* An icon is as large as its largest picture. */
static void tarimg_probe_ico(const tarimg_view *view, tarimg_media_probe *probe) {
    uint32_t count = tarimg_view_le(view, 4, 2), width = 0, height = 0;
    size_t at = 6;
    probe->open = !tarimg_view_has(view, 0, 6 + (size_t)count * 16);
    if (!count) probe->media.mime_type = NULL;
    if (!count || probe->open) return;
    for (; count; --count, at += 16) {
        uint32_t w = tarimg_ico_edge(view, at), h = tarimg_ico_edge(view, at + 1);
        if (w * h <= width * height) continue;
        width = w;
        height = h;
    }
    tarimg_probe_edges(probe, width, height);
}

/* ---- JPEG */

enum { TARIMG_JPEG_EOI = 0xD9, TARIMG_JPEG_SOS = 0xDA, TARIMG_JPEG_CUT = -1, TARIMG_JPEG_BROKEN = -2 };

static int tarimg_jpeg_is_frame(int marker) {
    return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

/* Markers without a segment; and stuffing, which isn't one. */
static int tarimg_jpeg_is_bare(int marker) {
    return marker <= 0x01 || (marker >= 0xD0 && marker <= 0xD8);
}

/* Steps over what precedes a marker, fill bytes and the marker itself. */
static int tarimg_jpeg_marker(const tarimg_view *view, size_t *at) {
    size_t i = *at;
    while (i < view->size && view->data[i] != 0xFF) ++i;
    while (i < view->size && view->data[i] == 0xFF) ++i;
    *at = i;
    if (i == view->size) return TARIMG_JPEG_CUT;
    *at += 1;
    return view->data[i];
}

/* Walks to the first scan, or the frame header before it. *at is then where the marker's segment begins. */
static int tarimg_jpeg_seek(const tarimg_view *view, int stop_at_frame, size_t *at) {
    int marker;
    *at = 2;
    while ((marker = tarimg_jpeg_marker(view, at)) != TARIMG_JPEG_CUT) {
        size_t length = tarimg_view_be(view, *at, 2);
        if (tarimg_jpeg_is_bare(marker)) continue;
        if (marker == TARIMG_JPEG_EOI || marker == TARIMG_JPEG_SOS) return marker;
        if (stop_at_frame && tarimg_jpeg_is_frame(marker)) return marker;
        if (!tarimg_view_has(view, *at, 2)) return TARIMG_JPEG_CUT;
        if (length < 2) return TARIMG_JPEG_BROKEN;
        if (!tarimg_view_has(view, *at, length)) return TARIMG_JPEG_CUT;
        *at += length;
    }
    return marker;
}

static void tarimg_probe_jpeg(const tarimg_view *view, tarimg_media_probe *probe) {
    size_t at;
    int marker = tarimg_jpeg_seek(view, 1, &at), is_frame = tarimg_jpeg_is_frame(marker);
    probe->open = marker == TARIMG_JPEG_CUT || (is_frame && !tarimg_view_has(view, at, 7));
    if (is_frame && !probe->open)
        tarimg_probe_edges(probe, tarimg_view_be(view, at + 5, 2), tarimg_view_be(view, at + 3, 2));
}

/* ---- WebP */

static void tarimg_probe_vp8(const tarimg_view *view, tarimg_media_probe *probe) {
    if (tarimg_view_match(view, 23, "\x9D\x01\x2A", 3) != TARIMG_FOUND_YES) return;
    tarimg_probe_edges(probe, tarimg_view_le(view, 26, 2) & 0x3FFF, tarimg_view_le(view, 28, 2) & 0x3FFF);
}

static void tarimg_probe_vp8l(const tarimg_view *view, tarimg_media_probe *probe) {
    uint32_t bits = tarimg_view_le(view, 21, 4);
    if (tarimg_view_le(view, 20, 1) != 0x2F) return;
    tarimg_probe_edges(probe, (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1);
}

static void tarimg_probe_vp8x(const tarimg_view *view, tarimg_media_probe *probe) {
    tarimg_probe_edges(probe, tarimg_view_le(view, 24, 3) + 1, tarimg_view_le(view, 27, 3) + 1);
}

typedef void (*tarimg_probe_fn)(const tarimg_view *view, tarimg_media_probe *probe);

static void tarimg_probe_webp(const tarimg_view *view, tarimg_media_probe *probe) {
    static const struct {
        char chunk[5];
        unsigned char needs;
        tarimg_probe_fn probe_fn;
    } kinds[] = {
        {"VP8 ", 30, tarimg_probe_vp8}, {"VP8L", 25, tarimg_probe_vp8l}, {"VP8X", 30, tarimg_probe_vp8x}};
    size_t i;
    for (i = 0; i < sizeof kinds / sizeof kinds[0]; ++i) {
        tarimg_media_found found = tarimg_view_match(view, 12, kinds[i].chunk, 4);
        if (found == TARIMG_FOUND_NO) continue;
        probe->open = !tarimg_view_has(view, 0, kinds[i].needs);
        if (!probe->open) kinds[i].probe_fn(view, probe);
        return;
    }
}

/* ---- AVIF, HEIC, MP4: files of boxes */

typedef struct tarimg_box {
    const unsigned char *type;
    tarimg_view body; /* clipped to its parent */
} tarimg_box;

/* A size of 1 means that 64 bits follow, 0 that the box goes on to the end of its parent. */
static uint64_t tarimg_box_size(const tarimg_view *parent, size_t at, size_t *header) {
    uint64_t size = tarimg_view_be(parent, at, 4);
    *header = size == 1 ? 16 : 8;
    if (size == 1)
        return (uint64_t)tarimg_view_be(parent, at + 8, 4) << 32 | tarimg_view_be(parent, at + 12, 4);
    return size ? size : UINT64_MAX;
}

/* Reads the box at *at and steps over it. NO: there is no further one. CUT: it is not at hand. */
static tarimg_media_found tarimg_box_next(const tarimg_view *parent, size_t *at, tarimg_box *box) {
    size_t header, rest = parent->size - *at;
    uint64_t size = tarimg_box_size(parent, *at, &header);
    if (rest < header) return parent->grows ? TARIMG_FOUND_CUT : TARIMG_FOUND_NO;
    if (size < header) return TARIMG_FOUND_NO;
    box->type = parent->data + *at + 4;
    box->body = tarimg_view_slice(parent, *at + header, size < rest ? *at + (size_t)size : parent->size);
    box->body.grows = parent->grows && size > rest;
    *at = size < rest ? *at + (size_t)size : parent->size;
    return TARIMG_FOUND_YES;
}

static tarimg_media_found tarimg_box_find(const tarimg_view *parent, const char *type, size_t skip,
                                          tarimg_view *body) {
    tarimg_box box;
    tarimg_media_found found;
    size_t at = 0;
    while ((found = tarimg_box_next(parent, &at, &box)) == TARIMG_FOUND_YES) {
        if (memcmp(box.type, type, 4) != 0) continue;
        *body = tarimg_view_slice(&box.body, skip < box.body.size ? skip : box.body.size, box.body.size);
        return TARIMG_FOUND_YES;
    }
    return found;
}

/* Where the properties of an item are listed: a count, then indices. NOWHERE if they aren't. */
static size_t tarimg_heif_list(const tarimg_view *ipma, uint32_t item) {
    size_t id_size = tarimg_view_be(ipma, 0, 1) ? 4 : 2, index_size = tarimg_view_be(ipma, 3, 1) & 1 ? 2 : 1,
           at = 8;
    while (tarimg_view_has(ipma, at, id_size + 1)) {
        if (tarimg_view_be(ipma, at, id_size) == item) return at + id_size;
        at += id_size + 1 + tarimg_view_be(ipma, at + id_size, 1) * index_size;
    }
    return TARIMG_NOWHERE;
}

static int tarimg_heif_is_listed(const tarimg_view *ipma, size_t list, uint32_t property) {
    size_t index_size = tarimg_view_be(ipma, 3, 1) & 1 ? 2 : 1;
    uint32_t count = tarimg_view_be(ipma, list, 1), mask = index_size == 2 ? 0x7FFF : 0x7F;
    for (++list; count; --count, list += index_size)
        if ((tarimg_view_be(ipma, list, index_size) & mask) == property) return 1;
    return 0;
}

/* The size of the primary item; tiles and thumbnails have sizes, too. If it isn't known which one that is,
   the largest. */
static void tarimg_heif_edges(const tarimg_view *ipco, const tarimg_view *ipma, size_t list,
                              tarimg_media_probe *probe) {
    uint32_t width = 0, height = 0, property;
    tarimg_box box;
    size_t at = 0;
    for (property = 1; tarimg_box_next(ipco, &at, &box) == TARIMG_FOUND_YES; ++property) {
        uint32_t w = tarimg_view_be(&box.body, 4, 4), h = tarimg_view_be(&box.body, 8, 4);
        if (memcmp(box.type, "ispe", 4) != 0 || (uint64_t)w * h <= (uint64_t)width * height) continue;
        if (list != TARIMG_NOWHERE && !tarimg_heif_is_listed(ipma, list, property)) continue;
        width = w;
        height = h;
    }
    tarimg_probe_edges(probe, width, height);
}

static void tarimg_probe_heif(const tarimg_view *view, tarimg_media_probe *probe) {
    tarimg_view meta, iprp, ipco, pitm, ipma;
    size_t list = TARIMG_NOWHERE;
    tarimg_media_found found = tarimg_box_find(view, "meta", 4, &meta); /* after version and flags */
    probe->open = found == TARIMG_FOUND_CUT || (found == TARIMG_FOUND_YES && meta.grows);
    if (found != TARIMG_FOUND_YES || probe->open) return;
    if (tarimg_box_find(&meta, "iprp", 0, &iprp) != TARIMG_FOUND_YES) return;
    if (tarimg_box_find(&iprp, "ipco", 0, &ipco) != TARIMG_FOUND_YES) return;
    memset(&ipma, 0, sizeof ipma);
    if (tarimg_box_find(&meta, "pitm", 0, &pitm) == TARIMG_FOUND_YES &&
        tarimg_box_find(&iprp, "ipma", 0, &ipma) == TARIMG_FOUND_YES)
        list = tarimg_heif_list(&ipma, tarimg_view_be(&pitm, 4, tarimg_view_be(&pitm, 0, 1) ? 4 : 2));
    tarimg_heif_edges(&ipco, &ipma, list, probe);
}

enum { TARIMG_BRAND_WEAK = 1, TARIMG_BRAND_OPEN = 2, TARIMG_BRAND_SURE = 3 };

/* WEAK settles it as the major brand only, SURE anywhere; OPEN leaves it to the brands that follow. */
typedef struct tarimg_brand {
    char pattern[5];
    unsigned char strength;
    const char *mime_type;
    tarimg_probe_fn probe_fn;
} tarimg_brand;

static const tarimg_brand tarimg_brands[] = {
    {"avif", TARIMG_BRAND_SURE, "image/avif", tarimg_probe_heif},
    {"avis", TARIMG_BRAND_SURE, "image/avif", tarimg_probe_heif},
    {"heic", TARIMG_BRAND_SURE, "image/heic", tarimg_probe_heif},
    {"heix", TARIMG_BRAND_SURE, "image/heic", tarimg_probe_heif},
    {"heim", TARIMG_BRAND_SURE, "image/heic", tarimg_probe_heif},
    {"heis", TARIMG_BRAND_SURE, "image/heic", tarimg_probe_heif},
    {"hev.", TARIMG_BRAND_SURE, "image/heic", tarimg_probe_heif},
    {"mif1", TARIMG_BRAND_OPEN, "image/heic", tarimg_probe_heif},
    {"mif2", TARIMG_BRAND_OPEN, "image/heic", tarimg_probe_heif},
    {"msf1", TARIMG_BRAND_OPEN, "image/heic", tarimg_probe_heif},
    {"M4A ", TARIMG_BRAND_WEAK, NULL,
     NULL}, /* these name the MP4 brands as compatible, but are no video of it */
    {"M4B ", TARIMG_BRAND_WEAK, NULL, NULL},
    {"qt  ", TARIMG_BRAND_WEAK, NULL, NULL},
    {"crx ", TARIMG_BRAND_WEAK, NULL, NULL},
    {"iso.", TARIMG_BRAND_WEAK, "video/mp4", NULL},
    {"mp4.", TARIMG_BRAND_WEAK, "video/mp4", NULL},
    {"mp71", TARIMG_BRAND_WEAK, "video/mp4", NULL},
    {"avc1", TARIMG_BRAND_WEAK, "video/mp4", NULL},
    {"hvc1", TARIMG_BRAND_WEAK, "video/mp4", NULL},
    {"av01", TARIMG_BRAND_WEAK, "video/mp4", NULL},
    {"dash", TARIMG_BRAND_WEAK, "video/mp4", NULL},
    {"MSNV", TARIMG_BRAND_WEAK, "video/mp4", NULL},
    {"M4V.", TARIMG_BRAND_WEAK, "video/mp4", NULL},
};

static const tarimg_brand *tarimg_brand_at(const tarimg_view *body, size_t at) {
    size_t i;
    for (i = 0; i < sizeof tarimg_brands / sizeof tarimg_brands[0]; ++i)
        if (tarimg_view_match(body, at, tarimg_brands[i].pattern, 4) == TARIMG_FOUND_YES)
            return &tarimg_brands[i];
    return NULL;
}

/* The strongest of the brands; nonzero if it is settled. Major brand, its version, then the compatible ones.
 */
static int tarimg_brand_choose(const tarimg_view *body, const tarimg_brand **best) {
    size_t at;
    for (at = 0, *best = NULL; tarimg_view_has(body, at, 4); at += at ? 4 : 8) {
        const tarimg_brand *brand = tarimg_brand_at(body, at);
        if (brand && (!*best || brand->strength > (*best)->strength)) *best = brand;
        if (*best &&
            ((*best)->strength == TARIMG_BRAND_SURE || (!at && (*best)->strength == TARIMG_BRAND_WEAK)))
            return 1;
    }
    return !body->grows;
}

static void tarimg_probe_ftyp(const tarimg_view *view, tarimg_media_probe *probe) {
    const tarimg_brand *brand;
    tarimg_box box;
    size_t at = 0;
    tarimg_media_found found = tarimg_box_next(view, &at, &box);
    probe->open = found == TARIMG_FOUND_CUT;
    if (found != TARIMG_FOUND_YES) return;
    probe->open = !tarimg_brand_choose(&box.body, &brand);
    if (!brand) return;
    probe->media.mime_type = brand->mime_type;
    if (!probe->open && brand->probe_fn) brand->probe_fn(view, probe);
}

/* ---- TIFF */

static void tarimg_probe_tiff(const tarimg_view *view, tarimg_media_probe *probe) {
    int big_endian = view->data[0] == 'M';
    size_t at = tarimg_view_integer(view, 4, 4, big_endian);
    uint32_t count = tarimg_view_integer(view, at, 2, big_endian), edges[2] = {0, 0};
    probe->open = !tarimg_view_has(view, 0, 8) || (at >= 8 && !tarimg_view_has(view, at, 2));
    if (probe->open || at < 8) return;
    for (at += 2; count && !(edges[0] && edges[1]); --count, at += 12) {
        uint32_t tag = tarimg_view_integer(view, at, 2, big_endian);
        uint32_t type = tarimg_view_integer(view, at + 2, 2, big_endian);
        probe->open = !tarimg_view_has(view, at, 12);
        if (probe->open) return;
        if ((tag == 256 || tag == 257) && (type == 3 || type == 4)) /* a short or a long */
            edges[tag - 256] = tarimg_view_integer(view, at + 8, type == 3 ? 2 : 4, big_endian);
    }
    tarimg_probe_edges(probe, edges[0], edges[1]);
}

/* ---- SVG */

static int tarimg_svg_is_space(unsigned char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t tarimg_svg_skip_space(const tarimg_view *view, size_t at) {
    while (at < view->size && tarimg_svg_is_space(view->data[at])) ++at;
    return at;
}

static size_t tarimg_svg_skip_digits(const tarimg_view *view, size_t at) {
    while (at < view->size && view->data[at] >= '0' && view->data[at] <= '9') ++at;
    return at;
}

/* A doctype ends at the first '>' that isn't in quotes, in a comment or in the [internal subset]. */
static size_t tarimg_svg_after_doctype(const tarimg_view *view, size_t at) {
    int inside = 0;
    while (at < view->size) {
        char c = (char)view->data[at];
        if (c == '"' || c == '\'') {
            at = tarimg_view_after(view, at + 1, &c, 1);
        } else if (tarimg_view_match(view, at, "<!--", 4) == TARIMG_FOUND_YES) {
            at = tarimg_view_after(view, at + 4, "-->", 3);
        } else {
            ++at;
            if (c == '>' && !inside) return at;
            inside = c == '[' || (inside && c != ']');
        }
    }
    return TARIMG_NOWHERE;
}

/* Steps over one declaration, comment or doctype. NO: there is none at this place. */
static tarimg_media_found tarimg_svg_skip_prologue(const tarimg_view *view, size_t *at) {
    static const struct {
        char begin[10];
        unsigned char begin_length;
        char end[4]; /* none: a doctype */
        unsigned char end_length;
    } parts[] = {{"<?", 2, "?>", 2}, {"<!--", 4, "-->", 3}, {"<!DOCTYPE", 9, "", 0}};
    size_t i;
    for (i = 0; i < sizeof parts / sizeof parts[0]; ++i) {
        tarimg_media_found found = tarimg_view_match(view, *at, parts[i].begin, parts[i].begin_length);
        size_t inner;
        if (found == TARIMG_FOUND_NO) continue;
        if (found == TARIMG_FOUND_CUT) return found;
        inner = *at + parts[i].begin_length;
        inner = parts[i].end_length ? tarimg_view_after(view, inner, parts[i].end, parts[i].end_length)
                                    : tarimg_svg_after_doctype(view, inner);
        if (inner == TARIMG_NOWHERE) return TARIMG_FOUND_CUT;
        *at = inner;
        return TARIMG_FOUND_YES;
    }
    return TARIMG_FOUND_NO;
}

/* Steps to what follows "<svg" at the start of a document. */
static tarimg_media_found tarimg_svg_root(const tarimg_view *view, size_t *at) {
    static const char bom[] = "\xEF\xBB\xBF";
    tarimg_media_found found = tarimg_view_match(view, 0, bom, 3);
    if (found == TARIMG_FOUND_CUT) return found;
    *at = found == TARIMG_FOUND_YES ? 3 : 0;
    do {
        *at = tarimg_svg_skip_space(view, *at);
        found = tarimg_svg_skip_prologue(view, at);
    } while (found == TARIMG_FOUND_YES);
    if (found == TARIMG_FOUND_CUT) return found;
    found = tarimg_view_match(view, *at, "<svg.", 5);
    if (found != TARIMG_FOUND_YES) return found;
    *at += 4;
    return tarimg_svg_is_space(view->data[*at]) || view->data[*at] == '>' || view->data[*at] == '/'
               ? TARIMG_FOUND_YES
               : TARIMG_FOUND_NO;
}

typedef struct tarimg_svg_attribute {
    tarimg_view name;
    tarimg_view value;
} tarimg_svg_attribute;

static size_t tarimg_svg_name_end(const tarimg_view *view, size_t at) {
    while (at < view->size && !tarimg_svg_is_space(view->data[at]) && !strchr("=>/\"'<", view->data[at]))
        ++at;
    return at;
}

/* NO: the tag ends here, or is none. */
static tarimg_media_found tarimg_svg_next(const tarimg_view *view, size_t *at,
                                          tarimg_svg_attribute *attribute) {
    size_t begin = tarimg_svg_skip_space(view, *at), end = tarimg_svg_name_end(view, begin);
    char quote;
    attribute->name = tarimg_view_slice(view, begin, end);
    begin = tarimg_svg_skip_space(view, end);
    if (begin == view->size) return TARIMG_FOUND_CUT;
    if (view->data[begin] != '=' || !attribute->name.size) return TARIMG_FOUND_NO;
    begin = tarimg_svg_skip_space(view, begin + 1);
    if (begin == view->size) return TARIMG_FOUND_CUT;
    quote = (char)view->data[begin];
    if (quote != '"' && quote != '\'') return TARIMG_FOUND_NO;
    end = tarimg_view_after(view, begin + 1, &quote, 1);
    if (end == TARIMG_NOWHERE) return TARIMG_FOUND_CUT;
    attribute->value = tarimg_view_slice(view, begin + 1, end - 1);
    *at = end;
    return TARIMG_FOUND_YES;
}

static int tarimg_svg_is_px(const tarimg_view *text, size_t at) {
    return tarimg_view_has(text, at, 2) && (text->data[at] | 32) == 'p' && (text->data[at + 1] | 32) == 'x';
}

/* "120", " 120.7px " -> 120; 0 for any other unit. */
static uint32_t tarimg_svg_pixels(const tarimg_view *text) {
    uint32_t value = 0;
    size_t at = tarimg_svg_skip_space(text, 0), end;
    if (at < text->size && text->data[at] == '+') ++at;
    for (end = tarimg_svg_skip_digits(text, at); at < end; ++at) {
        if (value > TARIMG_MEDIA_EDGE_MAX / 10) return 0;
        value = value * 10 + (uint32_t)(text->data[at] - '0');
    }
    if (at < text->size && text->data[at] == '.') at = tarimg_svg_skip_digits(text, at + 1);
    if (tarimg_svg_is_px(text, at)) at += 2;
    return tarimg_svg_skip_space(text, at) == text->size ? value : 0;
}

/* The number at `index` of a list as in "0 0 640,480". */
static uint32_t tarimg_svg_list_pixels(const tarimg_view *list, int index) {
    size_t at = 0, begin;
    do {
        while (at < list->size && (tarimg_svg_is_space(list->data[at]) || list->data[at] == ',')) ++at;
        begin = at;
        while (at < list->size && !tarimg_svg_is_space(list->data[at]) && list->data[at] != ',') ++at;
    } while (index-- > 0);
    {
        tarimg_view number = tarimg_view_slice(list, begin, at);
        return tarimg_svg_pixels(&number);
    }
}

static int tarimg_svg_is_named(const tarimg_svg_attribute *attribute, const char *name) {
    return attribute->name.size == strlen(name) &&
           memcmp(attribute->name.data, name, attribute->name.size) == 0;
}

static void tarimg_probe_svg(const tarimg_view *view, tarimg_media_probe *probe) {
    uint32_t size[2] = {0, 0}, box[2] = {0, 0};
    tarimg_svg_attribute attribute;
    size_t at = 0;
    tarimg_media_found found = tarimg_svg_root(view, &at);
    if (found != TARIMG_FOUND_YES) probe->media.mime_type = NULL;
    probe->open = found == TARIMG_FOUND_CUT;
    if (found != TARIMG_FOUND_YES) return;
    while ((found = tarimg_svg_next(view, &at, &attribute)) == TARIMG_FOUND_YES) {
        if (tarimg_svg_is_named(&attribute, "width")) size[0] = tarimg_svg_pixels(&attribute.value);
        if (tarimg_svg_is_named(&attribute, "height")) size[1] = tarimg_svg_pixels(&attribute.value);
        if (!tarimg_svg_is_named(&attribute, "viewBox")) continue;
        box[0] = tarimg_svg_list_pixels(&attribute.value, 2);
        box[1] = tarimg_svg_list_pixels(&attribute.value, 3);
    }
    probe->open = found == TARIMG_FOUND_CUT;
    if (probe->open) return;
    tarimg_probe_edges(probe, box[0], box[1]);
    tarimg_probe_edges(probe, size[0], size[1]);
}

/* ---- sniffing */

typedef struct tarimg_media_format {
    const char *mime_type;
    const char *magic; /* '.' is any byte */
    size_t magic_length;
    tarimg_probe_fn probe_fn; /* may be NULL; may take the type back */
} tarimg_media_format;

#define TARIMG_MAGIC(text) text, sizeof text - 1

/* Strongest first: the first that fits is it. */
static const tarimg_media_format tarimg_formats[] = {
    {"image/png", TARIMG_MAGIC("\x89PNG\r\n\x1A\n"), tarimg_probe_png},
    {"image/jpeg", TARIMG_MAGIC("\xFF\xD8\xFF"), tarimg_probe_jpeg},
    {"image/gif", TARIMG_MAGIC("GIF87a"), tarimg_probe_gif},
    {"image/gif", TARIMG_MAGIC("GIF89a"), tarimg_probe_gif},
    {"image/webp", TARIMG_MAGIC("RIFF....WEBP"), tarimg_probe_webp},
    {"image/jxl", TARIMG_MAGIC("\0\0\0\x0CJXL \r\n\x87\n"), NULL},
    {NULL, TARIMG_MAGIC("....ftyp"), tarimg_probe_ftyp},
    {"image/tiff", TARIMG_MAGIC("II*\0"), tarimg_probe_tiff},
    {"image/tiff", TARIMG_MAGIC("MM\0*"), tarimg_probe_tiff},
    {"image/x-icon", TARIMG_MAGIC("\0\0\1\0"), tarimg_probe_ico},
    {"image/jxl", TARIMG_MAGIC("\xFF\x0A"), NULL},
    {"image/bmp", TARIMG_MAGIC("BM"), tarimg_probe_bmp},
    {"image/svg+xml", TARIMG_MAGIC(""), tarimg_probe_svg},
};

static tarimg_media_probe tarimg_probe_bytes(const unsigned char *data, size_t size) {
    tarimg_media_probe probe = {{NULL, 0, 0}, 0};
    tarimg_view view;
    int open = 0;
    size_t i;
    view.data = data;
    view.size = size;
    view.grows = 1;
    for (i = 0; i < sizeof tarimg_formats / sizeof tarimg_formats[0]; ++i) {
        const tarimg_media_format *format = &tarimg_formats[i];
        tarimg_media_found found = tarimg_view_match(&view, 0, format->magic, format->magic_length);
        if (found == TARIMG_FOUND_CUT) open = 1;
        if (found != TARIMG_FOUND_YES) continue;
        probe.media.mime_type = format->mime_type;
        if (format->probe_fn) format->probe_fn(&view, &probe);
        break;
    }
    probe.open |= open;
    return probe;
}

static tarimg_media tarimg_sniff(const unsigned char *data, size_t size) {
    return tarimg_probe_bytes(data, size).media;
}

static int tarimg_sniff_needs_more(const unsigned char *data, size_t size) {
    return tarimg_probe_bytes(data, size).open;
}

/* ---- file name extensions */

static int tarimg_mime_is(const char *mime, const char *lower) {
    for (; *lower; ++mime, ++lower)
        if ((*mime >= 'A' && *mime <= 'Z' ? *mime + 32 : *mime) != *lower) return 0;
    return *mime == 0 || *mime == ';' || *mime == ' ' || *mime == '\t';
}

static const char *tarimg_mime_extension(const char *mime) {
    static const char *const names[][2] = {
        {"image/png", "png"},      {"image/jpeg", "jpg"},
        {"image/jpg", "jpg"},      {"image/gif", "gif"},
        {"image/webp", "webp"},    {"image/bmp", "bmp"},
        {"image/x-ms-bmp", "bmp"}, {"image/avif", "avif"},
        {"image/heic", "heic"},    {"image/heif", "heic"},
        {"image/tiff", "tiff"},    {"image/x-icon", "ico"},
        {"image/jxl", "jxl"},      {"image/svg+xml", "svg"},
        {"video/mp4", "mp4"},      {"image/vnd.microsoft.icon", "ico"},
    };
    size_t i;
    while (mime && (*mime == ' ' || *mime == '\t')) ++mime;
    for (i = 0; mime && i < sizeof names / sizeof names[0]; ++i)
        if (tarimg_mime_is(mime, names[i][0])) return names[i][1];
    return "bin";
}

/* ---- completeness */

/* From chunk to chunk by their lengths: the image's megabytes are not touched again. */
static int tarimg_png_is_complete(const tarimg_view *view) {
    size_t at = 8;
    while (view->size - at >= 12) {
        uint32_t length = (uint32_t)tarimg_view_be(view, at, 4);
        if (memcmp(view->data + at + 4, "IEND", 4) == 0) return 1;
        if (length > view->size - at - 12) return 0;
        at += (size_t)length + 12;
    }
    return 0;
}

/* Searched after the first scan begins, as a thumbnail in the header has an end of its own. */
static int tarimg_jpeg_is_complete(const tarimg_view *view) {
    size_t at;
    int marker = tarimg_jpeg_seek(view, 0, &at);
    if (marker == TARIMG_JPEG_SOS && view->size > at + 2 &&
        memcmp(view->data + view->size - 2, "\xFF\xD9", 2) == 0)
        return 1;
    if (marker == TARIMG_JPEG_SOS) return tarimg_view_after(view, at, "\xFF\xD9", 2) != TARIMG_NOWHERE;
    return marker != TARIMG_JPEG_CUT;
}

static int tarimg_webp_is_complete(const tarimg_view *view) {
    return view->size - 8 >= tarimg_view_le(view, 4, 4);
}

static size_t tarimg_gif_colors_size(const tarimg_view *view, size_t at) {
    uint32_t flags = tarimg_view_le(view, at, 1);
    return flags & 0x80 ? (size_t)3 << ((flags & 7) + 1) : 0;
}

/* The place after the zero that ends a chain of sub-blocks. */
static size_t tarimg_gif_skip_data(const tarimg_view *view, size_t at) {
    while (at < view->size && view->data[at]) at += (size_t)view->data[at] + 1;
    return at < view->size ? at + 1 : view->size;
}

static int tarimg_gif_is_complete(const tarimg_view *view) {
    size_t at = 13 + tarimg_gif_colors_size(view, 10);
    while (at < view->size && (view->data[at] == 0x21 || view->data[at] == 0x2C)) {
        int is_image = view->data[at] == 0x2C;
        at = tarimg_gif_skip_data(view, is_image ? at + 11 + tarimg_gif_colors_size(view, at + 9) : at + 2);
    }
    return at < view->size; /* the trailer; or what only a broken file has here */
}

static int tarimg_is_complete(const unsigned char *data, size_t size) {
    static const struct {
        const char *mime_type;
        int (*is_complete_fn)(const tarimg_view *view);
    } checks[] = {{"image/png", tarimg_png_is_complete},
                  {"image/jpeg", tarimg_jpeg_is_complete},
                  {"image/gif", tarimg_gif_is_complete},
                  {"image/webp", tarimg_webp_is_complete}};
    const char *mime_type = tarimg_sniff(data, size).mime_type;
    tarimg_view view;
    size_t i;
    view.data = data;
    view.size = size;
    view.grows = 0;
    for (i = 0; mime_type && i < sizeof checks / sizeof checks[0]; ++i)
        if (strcmp(checks[i].mime_type, mime_type) == 0) return checks[i].is_complete_fn(&view);
    return 1;
}

#define TARIMG_TAIL_SIZE 64 /* some writers put a few bytes behind an image's end */

/* By its last bytes alone, where the others have gone into a sink. */
static int tarimg_is_ended(const char *mime_type, const unsigned char *tail, size_t size) {
    tarimg_view view;
    view.data = tail;
    view.size = size;
    view.grows = 0;
    if (strcmp(mime_type, "image/png") == 0) return tarimg_view_after(&view, 0, "IEND", 4) != TARIMG_NOWHERE;
    if (strcmp(mime_type, "image/jpeg") == 0)
        return tarimg_view_after(&view, 0, "\xFF\xD9", 2) != TARIMG_NOWHERE;
    return 1;
}

/* ---- PNG writer: fixed Huffman codes, matches within two rows at a few likely distances and a hashed one */

typedef int (*tarimg_png_row_fn)(void *context, uint32_t y, unsigned char *row);
typedef int (*tarimg_png_write_fn)(void *context, const void *data, size_t size);

#define TARIMG_PNG_CHUNK      8192
#define TARIMG_PNG_MATCH_MAX  258
#define TARIMG_PNG_WINDOW     32768
#define TARIMG_PNG_EDGE_MAX   0x7FFFFFFFu
#define TARIMG_PNG_DISTANCES  3
#define TARIMG_PNG_END_SYMBOL 256
#define TARIMG_PNG_KEY        4 /* bytes that are hashed */
#define TARIMG_PNG_HASH_BITS  11

typedef struct tarimg_png_distance {
    size_t distance;
    uint32_t code; /* with its extra bits, as they are put into the stream */
    unsigned bits;
} tarimg_png_distance;

typedef struct tarimg_png_match {
    size_t length; /* 0: none is better than a literal */
    size_t saved;  /* bits */
    tarimg_png_distance distance;
} tarimg_png_match;

typedef struct tarimg_png {
    tarimg_png_write_fn write_fn;
    void *write_context;
    int result; /* sticky: after a failure nothing is written */
    uint32_t adler;
    uint64_t pending; /* bits not yet written, lowest first; fewer than 32 between calls */
    unsigned pending_count;
    size_t used;         /* bytes of the chunk's data */
    uint16_t codes[288]; /* of literals and lengths: reversed code << 4 | bits */
    tarimg_png_distance distances[TARIMG_PNG_DISTANCES];
    size_t distance_count;
    uint32_t position;                                 /* of the row in the filtered bytes, modulo 2^32 */
    uint32_t recent[1 << TARIMG_PNG_HASH_BITS];        /* where bytes of that hash were last */
    unsigned char chunk[4 + 4 + TARIMG_PNG_CHUNK + 4]; /* length, type, data, CRC */
} tarimg_png;

/* One row on its way: what was asked for, the row above it, and the last two filtered ones side by side. */
typedef struct tarimg_png_rows {
    unsigned char *raw;
    unsigned char *above;
    unsigned char *window;
    size_t length; /* bytes of a raw row; a filtered one has its filter type in front */
    size_t pixel;  /* bytes */
} tarimg_png_rows;

static uint32_t tarimg_png_crc(const unsigned char *data, size_t size) {
    static const uint32_t table[16] = {0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
                                       0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
                                       0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
    uint32_t crc = 0xFFFFFFFFu;
    size_t i;
    for (i = 0; i < size; ++i) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

/* 5552 is the most bytes after which the sums still fit 32 bits. */
static uint32_t tarimg_png_adler(uint32_t adler, const unsigned char *data, size_t size) {
    uint32_t low = adler & 0xFFFF, high = adler >> 16;
    while (size) {
        size_t i, count = size < 5552 ? size : 5552;
        for (i = 0; i < count; ++i) {
            low += data[i];
            high += low;
        }
        low %= 65521;
        high %= 65521;
        data += count;
        size -= count;
    }
    return high << 16 | low;
}

static void tarimg_png_store(unsigned char *at, uint32_t value) {
    at[0] = (unsigned char)(value >> 24);
    at[1] = (unsigned char)(value >> 16 & 0xFF);
    at[2] = (unsigned char)(value >> 8 & 0xFF);
    at[3] = (unsigned char)(value & 0xFF);
}

static void tarimg_png_send(tarimg_png *png, const void *data, size_t size) {
    if (!png->result) png->result = png->write_fn(png->write_context, data, size);
}

/* Sends the data gathered so far as a chunk of that type. */
static void tarimg_png_flush(tarimg_png *png, const char *type) {
    size_t used = png->used;
    tarimg_png_store(png->chunk, (uint32_t)used);
    memcpy(png->chunk + 4, type, 4);
    tarimg_png_store(png->chunk + 8 + used, tarimg_png_crc(png->chunk + 4, used + 4));
    tarimg_png_send(png, png->chunk, used + 12);
    png->used = 0;
}

static void tarimg_png_put_byte(tarimg_png *png, uint32_t byte) {
    png->chunk[8 + png->used++] = (unsigned char)(byte & 0xFF);
    if (png->used == TARIMG_PNG_CHUNK) tarimg_png_flush(png, "IDAT");
}

static void tarimg_png_put_word(tarimg_png *png, uint32_t word) {
    int shift;
    for (shift = 24; shift >= 0; shift -= 8) tarimg_png_put_byte(png, word >> shift);
}

static void tarimg_png_put_pending(tarimg_png *png, unsigned bits) {
    unsigned i;
    for (i = 0; i < bits; i += 8, png->pending >>= 8)
        tarimg_png_put_byte(png, (uint32_t)(png->pending & 0xFF));
    png->pending_count = png->pending_count - bits;
}

static void tarimg_png_put_bits(tarimg_png *png, uint32_t value, unsigned count) {
    png->pending |= (uint64_t)value << png->pending_count;
    png->pending_count += count;
    if (png->pending_count >= 32) tarimg_png_put_pending(png, 32);
}

static void tarimg_png_put_symbol(tarimg_png *png, size_t symbol) {
    tarimg_png_put_bits(png, (uint32_t)png->codes[symbol] >> 4, png->codes[symbol] & 15u);
}

/* Huffman codes go into the stream with their highest bit first, all else with the lowest. */
static uint32_t tarimg_png_reverse(uint32_t code, unsigned bits) {
    uint32_t reversed = 0;
    for (; bits; --bits, code >>= 1) reversed = reversed << 1 | (code & 1);
    return reversed;
}

static void tarimg_png_make_codes(tarimg_png *png) {
    static const struct {
        uint16_t first, end, code, bits;
    } ranges[] = {{0, 144, 0x30, 8}, {144, 256, 0x190, 9}, {256, 280, 0, 7}, {280, 288, 0xC0, 8}};
    size_t i;
    uint32_t symbol;
    for (i = 0; i < sizeof ranges / sizeof ranges[0]; ++i)
        for (symbol = ranges[i].first; symbol < ranges[i].end; ++symbol) {
            uint32_t code = tarimg_png_reverse(ranges[i].code + symbol - ranges[i].first, ranges[i].bits);
            png->codes[symbol] = (uint16_t)(code << 4 | ranges[i].bits);
        }
}

/* From 4 on, two distance codes share each number of extra bits. */
static tarimg_png_distance tarimg_png_make_distance(size_t distance) {
    tarimg_png_distance made;
    uint32_t rest = (uint32_t)distance - 1, extra = 0;
    while (rest >> extra > 3) ++extra;
    made.distance = distance;
    made.code = tarimg_png_reverse((rest >> extra) + 2 * extra, 5) | (rest & ((1u << extra) - 1)) << 5;
    made.bits = 5 + extra;
    return made;
}

static void tarimg_png_add_distance(tarimg_png *png, size_t distance) {
    if (distance <= TARIMG_PNG_WINDOW)
        png->distances[png->distance_count++] = tarimg_png_make_distance(distance);
}

static void tarimg_png_put_match(tarimg_png *png, const tarimg_png_match *match) {
    static const uint16_t bases[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                     31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const unsigned char extras[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                           2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    size_t i = 0;
    while (i + 1 < sizeof extras && bases[i + 1] <= match->length) ++i;
    tarimg_png_put_symbol(png, 257 + i);
    tarimg_png_put_bits(png, (uint32_t)(match->length - bases[i]), extras[i]);
    tarimg_png_put_bits(png, match->distance.code, match->distance.bits);
}

static size_t tarimg_png_match_length(const unsigned char *at, size_t distance, size_t limit) {
    const unsigned char *from = at - distance;
    size_t length = 0;
    while (length < limit && at[length] == from[length]) ++length;
    return length;
}

static void tarimg_png_try(tarimg_png_match *best, const unsigned char *at, size_t limit,
                           const tarimg_png_distance *distance) {
    size_t length = tarimg_png_match_length(at, distance->distance, limit);
    if (length < 3 || length * 8 <= best->saved + distance->bits) return;
    best->length = length;
    best->saved = length * 8 - distance->bits;
    best->distance = *distance;
}

static size_t tarimg_png_hash(const unsigned char *at) {
    uint32_t key = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    return (uint32_t)(key * 2654435761u) >> (32 - TARIMG_PNG_HASH_BITS);
}

/* Where the same bytes were last, if they were: a hint, as hashes collide and positions wrap. */
static void tarimg_png_try_recent(const tarimg_png *png, tarimg_png_match *best, const unsigned char *row,
                                  size_t i, size_t history, size_t limit) {
    uint32_t back = png->position + (uint32_t)i - png->recent[tarimg_png_hash(row + i)];
    tarimg_png_distance distance;
    if (back < 1 || back > history || back > TARIMG_PNG_WINDOW) return;
    if (memcmp(row + i, row + i - back, TARIMG_PNG_KEY) != 0) return;
    distance = tarimg_png_make_distance(back);
    tarimg_png_try(best, row + i, limit, &distance);
}

/* The match that saves the most bits; `above` is how much of the row before there is to refer to. */
static tarimg_png_match tarimg_png_choose(const tarimg_png *png, const unsigned char *row, size_t i,
                                          size_t length, size_t above) {
    tarimg_png_match best;
    size_t k, limit = length - i < TARIMG_PNG_MATCH_MAX ? length - i : TARIMG_PNG_MATCH_MAX;
    memset(&best, 0, sizeof best);
    best.saved = 8; /* what a length takes */
    for (k = 0; k < png->distance_count && best.length < limit; ++k)
        if (png->distances[k].distance <= above + i)
            tarimg_png_try(&best, row + i, limit, &png->distances[k]);
    if (best.length < limit && limit >= TARIMG_PNG_KEY)
        tarimg_png_try_recent(png, &best, row, i, above + i, limit);
    return best;
}

/* Packs the second row of the window. */
static void tarimg_png_pack(tarimg_png *png, const unsigned char *row, size_t length, size_t above) {
    size_t i = 0, end;
    while (i < length) {
        tarimg_png_match match = tarimg_png_choose(png, row, i, length, above);
        if (match.length)
            tarimg_png_put_match(png, &match);
        else
            tarimg_png_put_symbol(png, row[i]);
        for (end = i + (match.length ? match.length : 1); i < end; ++i)
            if (length - i >= TARIMG_PNG_KEY)
                png->recent[tarimg_png_hash(row + i)] = png->position + (uint32_t)i;
    }
    png->position += (uint32_t)length;
}

static void tarimg_png_filter_none(const tarimg_png_rows *rows, unsigned char *out) {
    memcpy(out, rows->raw, rows->length);
}

static void tarimg_png_filter_sub(const tarimg_png_rows *rows, unsigned char *out) {
    size_t i;
    memcpy(out, rows->raw, rows->pixel);
    for (i = rows->pixel; i < rows->length; ++i)
        out[i] = (unsigned char)((rows->raw[i] - rows->raw[i - rows->pixel]) & 0xFF);
}

static void tarimg_png_filter_up(const tarimg_png_rows *rows, unsigned char *out) {
    size_t i;
    for (i = 0; i < rows->length; ++i) out[i] = (unsigned char)((rows->raw[i] - rows->above[i]) & 0xFF);
}

/* The sum of the bytes' distances from 0: what is near it tends to pack well. */
static uint64_t tarimg_png_cost(const unsigned char *row, size_t length) {
    uint64_t sum = 0;
    size_t i;
    for (i = 0; i < length; ++i) sum += row[i] < 128 ? row[i] : 256u - row[i];
    return sum;
}

/* Filters into the second row of the window, in the best of the ways. */
static void tarimg_png_filter(const tarimg_png_rows *rows) {
    static void (*const filters[])(const tarimg_png_rows *, unsigned char *) = {
        tarimg_png_filter_none, tarimg_png_filter_sub, tarimg_png_filter_up};
    const size_t count = sizeof filters / sizeof filters[0];
    unsigned char *out = rows->window + rows->length + 1;
    uint64_t best = UINT64_MAX;
    size_t i, last = 0;
    for (i = 0; i < count; ++i) {
        uint64_t cost;
        filters[i](rows, out + 1);
        cost = tarimg_png_cost(out + 1, rows->length);
        if (cost > best) continue;
        best = cost;
        out[0] = (unsigned char)i;
        last = i;
    }
    if (last + 1 < count) filters[last](rows, out + 1);
}

static void tarimg_png_add_row(tarimg_png *png, tarimg_png_rows *rows, uint32_t y) {
    size_t length = rows->length + 1;
    unsigned char *filtered = rows->window + length, *raw = rows->raw;
    tarimg_png_filter(rows);
    png->adler = tarimg_png_adler(png->adler, filtered, length);
    tarimg_png_pack(png, filtered, length, y ? length : 0);
    memcpy(rows->window, filtered, length);
    rows->raw = rows->above;
    rows->above = raw;
}

#define TARIMG_PNG_COLOURS 256 /* of a palette, three bytes each */

static void tarimg_png_put_palette(tarimg_png *png, const unsigned char *palette) {
    size_t i;
    for (i = 0; i < TARIMG_PNG_COLOURS * 3; i++) tarimg_png_put_byte(png, palette[i]);
    tarimg_png_flush(png, "PLTE");
}

static void tarimg_png_begin(tarimg_png *png, uint32_t width, uint32_t height, int channels,
                             size_t row_length, const unsigned char *palette) {
    static const unsigned char color_types[] = {0, 4, 2, 6};
    static const unsigned char signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    tarimg_png_send(png, signature, sizeof signature);
    tarimg_png_put_word(png, width);
    tarimg_png_put_word(png, height);
    tarimg_png_put_byte(png, 8); /* bits per channel */
    tarimg_png_put_byte(png, palette ? 3 : color_types[channels - 1]);
    tarimg_png_put_byte(png, 0); /* compression, filtering and interlacing are the plain ones */
    tarimg_png_put_byte(png, 0);
    tarimg_png_put_byte(png, 0);
    tarimg_png_flush(png, "IHDR");
    if (palette) tarimg_png_put_palette(png, palette);
    tarimg_png_put_byte(png, 0x78); /* deflate with a 32 KiB window, packed quickly */
    tarimg_png_put_byte(png, 0x01);
    tarimg_png_put_bits(png, 3, 3); /* the last block is the only one, with fixed codes */
    tarimg_png_make_codes(png);
    tarimg_png_add_distance(png, 1);
    if (channels > 1) tarimg_png_add_distance(png, (size_t)channels);
    tarimg_png_add_distance(png, row_length + 1);
}

static void tarimg_png_end(tarimg_png *png) {
    tarimg_png_put_symbol(png, TARIMG_PNG_END_SYMBOL);
    tarimg_png_put_pending(png, png->pending_count);
    tarimg_png_put_word(png, png->adler);
    if (png->used) tarimg_png_flush(png, "IDAT");
    tarimg_png_flush(png, "IEND");
}

/* Two raw rows and two filtered ones; 0 for a bad argument. */
static size_t tarimg_png_scratch_size(uint32_t width, int channels) {
    if (width < 1 || width > TARIMG_PNG_EDGE_MAX || channels < 1 || channels > 4) return 0;
    if (width > (SIZE_MAX - 2) / 4 / (size_t)channels) return 0;
    return (size_t)width * (size_t)channels * 4 + 2;
}

/* 0, or the first failure of a callback, or -1 for a bad argument. `rows` is of tarimg_png_scratch_size
 * bytes. */
static int tarimg_png_write_colours(uint32_t width, uint32_t height, int channels,
                                    const unsigned char *palette, tarimg_png_row_fn row_fn, void *row_context,
                                    unsigned char *rows, tarimg_png_write_fn write_fn, void *write_context) {
    tarimg_png png;
    tarimg_png_rows state;
    uint32_t y;
    if (!tarimg_png_scratch_size(width, channels) || height < 1 || height > TARIMG_PNG_EDGE_MAX) return -1;
    if (!row_fn || !rows || !write_fn) return -1;
    memset(&png, 0, sizeof png);
    png.write_fn = write_fn;
    png.write_context = write_context;
    png.adler = 1;
    state.pixel = (size_t)channels;
    state.length = width * state.pixel;
    state.raw = rows;
    state.above = rows + state.length;
    state.window = rows + state.length * 2;
    memset(state.above, 0, state.length);
    tarimg_png_begin(&png, width, height, channels, state.length, palette);
    for (y = 0; y < height && !png.result; ++y) {
        png.result = row_fn(row_context, y, state.raw);
        if (!png.result) tarimg_png_add_row(&png, &state, y);
    }
    tarimg_png_end(&png);
    return png.result;
}

static int tarimg_png_write(uint32_t width, uint32_t height, int channels, tarimg_png_row_fn row_fn,
                            void *row_context, unsigned char *rows, tarimg_png_write_fn write_fn,
                            void *write_context) {
    return tarimg_png_write_colours(width, height, channels, NULL, row_fn, row_context, rows, write_fn,
                                    write_context);
}

/* ---- masks */

/* A mask as pixels, white where to edit; the row context of tarimg_mask_to_alpha. */
typedef struct tarimg_mask {
    const unsigned char *pixels; /* 8 bits per channel, rows top-down without padding */
    uint32_t width;
    uint32_t height;
    int channels;
    tarash_image_mask_polarity polarity; /* of the form it is turned into */
    int is_binary;                       /* two levels only */
} tarimg_mask;

static const unsigned char tarimg_mask_shapes[] = {0, 1, 1, 4}; /* channels by polarity */

/* Channels of the form a mask is turned into; 0 where there is no mask. */
static int tarimg_mask_channels(tarash_image_mask_polarity polarity) {
    size_t index = (size_t)polarity;
    return index < sizeof tarimg_mask_shapes ? tarimg_mask_shapes[index] : 0;
}

/* How far a pixel is marked, 0 to 255. The weights add up to 256, so that white stays 255. */
static unsigned tarimg_mask_level(const unsigned char *pixel, int channels) {
    if (channels % 2 == 0 && pixel[channels - 1] < 128) return 0;
    if (channels < 3) return pixel[0];
    return (77u * pixel[0] + 150u * pixel[1] + 29u * pixel[2]) >> 8;
}

static void tarimg_mask_put(unsigned char *out, unsigned level, tarash_image_mask_polarity polarity) {
    if (polarity == TARASH_IMAGE_MASK_WHITE) out[0] = (unsigned char)(level & 0xFF);
    if (polarity == TARASH_IMAGE_MASK_BLACK) out[0] = (unsigned char)((255 - level) & 0xFF);
    if (polarity != TARASH_IMAGE_MASK_TRANSPARENT) return;
    memset(out, 255, 3);
    out[3] = level < 128 ? 255 : 0;
}

/* A tarimg_png_row_fn; the row has tarimg_mask_channels(polarity) channels. */
static int tarimg_mask_to_alpha(void *context, uint32_t y, unsigned char *row) {
    const tarimg_mask *mask = (const tarimg_mask *)context;
    size_t channels = (size_t)mask->channels, shape = (size_t)tarimg_mask_channels(mask->polarity);
    const unsigned char *pixel = mask->pixels;
    uint32_t x;
    if (!pixel || y >= mask->height || mask->channels < 1 || mask->channels > 4 || !shape) return -1;
    pixel += (size_t)y * mask->width * channels;
    for (x = 0; x < mask->width; ++x, pixel += channels, row += shape) {
        unsigned level = tarimg_mask_level(pixel, mask->channels);
        if (mask->is_binary) level = level < 128 ? 0 : 255;
        tarimg_mask_put(row, level, mask->polarity);
    }
    return 0;
}

/* >>http
   What an exchange is made of, without a socket: input images and body, URLs and who may see the key, the
   head of a reply, payloads on their way into memory or a sink. */

/* ---- secrets: what must never leave but in a request to its own provider */

#define TARIMG_MIN_SECRET 4 /* shorter ones (dummy keys of local servers) would tear ordinary words apart */

typedef struct tarimg_secret {
    const char *text;
    size_t size;
    struct tarimg_secret *next;
} tarimg_secret;

/* Overwrites every occurrence of every secret in place, and a beginning of one that the text's end cut off.
 */
static void tarimg_redact_from(const tarimg_secret *secrets, char *text, size_t size, size_t shortest,
                               int is_cut) {
    unsigned char begins[256]; /* a secret? Most positions are passed over by this alone. */
    const tarimg_secret *secret;
    size_t i, covered = 0;
    if (!secrets) return;
    memset(begins, 0, sizeof begins);
    for (secret = secrets; secret; secret = secret->next) begins[(unsigned char)secret->text[0]] = 1;
    for (i = 0; i < size; i++) {
        /* Secrets are looked for in what stands ahead, which is still untouched, so that they may overlap. */
        for (secret = begins[(unsigned char)text[i]] ? secrets : NULL; secret; secret = secret->next) {
            size_t length = secret->size < size - i ? secret->size : size - i;
            if (text[i] != secret->text[0] || secret->size < shortest || i + length <= covered) continue;
            if (length < secret->size && (!is_cut || length < TARIMG_MIN_SECRET)) continue;
            if (memcmp(text + i, secret->text, length) == 0) covered = i + length;
        }
        if (i < covered) text[i] = '*';
    }
}

/* A text that may have been cut off: a secret's beginning at its end counts as well. */
static void tarimg_redact(const tarimg_secret *secrets, char *text, size_t size) {
    tarimg_redact_from(secrets, text, size, 0, 1);
}

/* Only texts that this file has copied itself come here. */
static void tarimg_redact_text(const tarimg_secret *secrets, const char *text) {
    if (text && secrets) tarimg_redact(secrets, (char *)(uintptr_t)text, strlen(text));
}

#define TARIMG_NAME_SECRET 8 /* a short dummy key may well be the name of a member that an adapter reads */

static void tarimg_redact_value(const tarimg_secret *secrets, tarimg_value *root) {
    tarimg_value *value = root;
    while (secrets && value) {
        if (value->name)
            tarimg_redact_from(secrets, (char *)(uintptr_t)value->name, strlen(value->name),
                               TARIMG_NAME_SECRET, 0);
        if (value->text) tarimg_redact_from(secrets, (char *)(uintptr_t)value->text, value->size, 0, 0);
        if (value->first) {
            value = value->first;
            continue;
        }
        while (value != root && !value->next) value = value->parent;
        if (value == root) return;
        value = value->next;
    }
}

/* ---- URLs */

typedef struct tarimg_url {
    const char *host;
    size_t host_size;
    int port;
    int is_https;
    const char *rest; /* from the path on */
} tarimg_url;

static int tarimg_is_host_char(char c) {
    return tarimg_is_digit(c) || (tarimg_lower(c) >= 'a' && tarimg_lower(c) <= 'z') || c == '.' || c == '-' ||
           c == '_';
}

static int tarimg_is_ipv6(const char *text, size_t size) {
    unsigned char address[16];
    char copy[64];
    if (size >= sizeof copy) return 0;
    memcpy(copy, text, size);
    copy[size] = '\0';
    return inet_pton(AF_INET6, copy, address) == 1;
}

/* Splits an absolute http(s) URL. Deliberately narrow: no credentials, no white space, no backslash, no host
   that two parsers could read differently. */
static int tarimg_split_url(const char *text, tarimg_url *url) {
    const char *c;
    int64_t port;
    memset(url, 0, sizeof *url);
    if (!text) return 0;
    for (c = text; *c; c++) {
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c == 0x7F || *c == '\\') return 0;
    }
    if (tarimg_begins_nocase(text, "https://"))
        url->is_https = 1;
    else if (!tarimg_begins_nocase(text, "http://"))
        return 0;
    url->host = text + (url->is_https ? 8 : 7);
    c = url->host;
    if (*c == '[') {
        for (c++; *c && (tarimg_hex_value(*c) >= 0 || *c == ':' || *c == '.'); c++) {
        }
        if (*c++ != ']' || !tarimg_is_ipv6(url->host + 1, (size_t)(c - url->host - 2))) return 0;
    } else
        while (tarimg_is_host_char(*c)) c++;
    url->host_size = (size_t)(c - url->host);
    if (url->host_size == 0 || url->host_size > 255) return 0;
    url->port = url->is_https ? 443 : 80;
    if (*c == ':') {
        size_t digits = strcspn(++c, "/?#");
        if (!tarimg_parse_integer(c, digits, &port) || port < 1 || port > 65535) return 0;
        url->port = (int)port;
        c += digits;
    }
    if (*c && *c != '/' && *c != '?' && *c != '#') return 0;
    url->rest = c;
    return 1;
}

static int tarimg_same_origin(const char *a, const char *b) {
    tarimg_url first, second;
    if (!tarimg_split_url(a, &first) || !tarimg_split_url(b, &second)) return 0;
    return first.is_https == second.is_https && first.port == second.port &&
           first.host_size == second.host_size &&
           tarimg_equal_bytes_nocase(first.host, second.host, first.host_size);
}

/* Does a host fit a pattern, in which '*' stands for one label, or a part of one? */
static int tarimg_host_fits(const char *pattern, size_t pattern_size, const char *host, size_t host_size) {
    const char *end = pattern + pattern_size, *host_end = host + host_size;
    while (pattern < end && *pattern != '*') {
        if (host == host_end || tarimg_lower(*pattern++) != tarimg_lower(*host++)) return 0;
    }
    if (pattern == end) return host == host_end;
    do {
        if (host == host_end || *host == '.') return 0;
        host++;
    } while (!tarimg_host_fits(pattern + 1, (size_t)(end - pattern - 1), host, (size_t)(host_end - host)));
    return 1;
}

/* A URL as logs and messages show it: without the query, which may be a signature. */
static const char *tarimg_shown_url(tarimg_arena *arena, const char *url) {
    return tarimg_copy_bytes(arena, url, strcspn(url, "?#"));
}

typedef struct tarimg_net {
    unsigned char prefix[4];
    int bits;
} tarimg_net;

static int tarimg_is_private_ipv4(const unsigned char *address) {
    static const tarimg_net nets[] = {{{0, 0, 0, 0}, 8},    {{10, 0, 0, 0}, 8},     {{100, 64, 0, 0}, 10},
                                      {{127, 0, 0, 0}, 8},  {{169, 254, 0, 0}, 16}, {{172, 16, 0, 0}, 12},
                                      {{192, 0, 0, 0}, 24}, {{192, 168, 0, 0}, 16}, {{198, 18, 0, 0}, 15},
                                      {{224, 0, 0, 0}, 3}};
    uint32_t value =
        (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 | address[3];
    size_t i;
    for (i = 0; i < sizeof nets / sizeof nets[0]; i++) {
        const unsigned char *p = nets[i].prefix;
        uint32_t net = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        if (((value ^ net) >> (32 - nets[i].bits)) == 0) return 1;
    }
    return 0;
}

static int tarimg_is_private_ipv6(const unsigned char *address) {
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    static const unsigned char nat64[12] = {0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0};
    static const unsigned char local_nat64[6] = {0, 0x64, 0xFF, 0x9B, 0, 1};
    static const unsigned char zero[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    if (memcmp(address, mapped, 12) == 0 || memcmp(address, nat64, 12) == 0)
        return tarimg_is_private_ipv4(address + 12);
    if (memcmp(address, zero, 12) == 0) return 1;
    if (memcmp(address, local_nat64, 6) == 0) return 1;
    if (address[0] == 0x20 && address[1] == 0x02) return tarimg_is_private_ipv4(address + 2);
    if ((address[0] & 0xFE) == 0xFC || address[0] == 0xFF) return 1;
    return address[0] == 0xFE && (address[1] & 0x80) == 0x80;
}

static int tarimg_is_private_address(const struct sockaddr *address) {
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in4;
        unsigned char bytes[4];
        memcpy(&in4, address, sizeof in4);
        memcpy(bytes, &in4.sin_addr, 4);
        return tarimg_is_private_ipv4(bytes);
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        unsigned char bytes[16];
        memcpy(&in6, address, sizeof in6);
        memcpy(bytes, &in6.sin6_addr, 16);
        return tarimg_is_private_ipv6(bytes);
    }
    return 1;
}

/* One part of an IPv4 address as resolvers take it: decimal, 0x hexadecimal or 0 octal. */
static const char *tarimg_ipv4_part(const char *text, const char *end, uint64_t *value) {
    unsigned base = 10;
    const char *start;
    if (end - text > 1 && text[0] == '0') {
        base = tarimg_lower(text[1]) == 'x' ? 16 : 8;
        text += base == 16 ? 2 : 1;
    }
    *value = 0;
    for (start = text; text < end; text++) {
        int digit = tarimg_hex_value(*text);
        if (digit < 0 || (unsigned)digit >= base) break;
        *value = *value * base + (unsigned)digit;
        if (*value > 0xFFFFFFFFu) return NULL;
    }
    return text == start && base == 10 ? NULL : text;
}

/* "127.0.0.1", "127.1", "0x7f000001", "2130706433": 1 and the address. */
static int tarimg_parse_ipv4(const char *text, size_t size, unsigned char *out) {
    const char *end = text + size;
    uint64_t value = 0, part = 0;
    int parts = 0;
    if (size && end[-1] == '.') end--;
    for (;;) {
        text = tarimg_ipv4_part(text, end, &part);
        if (!text || parts == 4) return 0;
        parts++;
        if (text == end) break;
        if (*text != '.' || part > 255) return 0;
        value = value << 8 | part;
        text++;
    }
    if (parts > 1 && part >> (8 * (5 - parts))) return 0;
    value = parts == 1 ? part : value << (8 * (5 - parts)) | part;
    out[0] = (unsigned char)(value >> 24);
    out[1] = (unsigned char)(value >> 16);
    out[2] = (unsigned char)(value >> 8);
    out[3] = (unsigned char)value;
    return 1;
}

/* Does the host's very name say that it is not a public one? Names that only resolve to such an address are
   caught when the socket is opened. */
static int tarimg_is_private_host(const tarimg_url *url) {
    unsigned char address[16];
    char host[256];
    size_t size = url->host_size;
    memcpy(host, url->host, size);
    host[size] = '\0';
    if (host[0] == '[') {
        host[size - 1] = '\0';
        return inet_pton(AF_INET6, host + 1, address) != 1 || tarimg_is_private_ipv6(address);
    }
    if (tarimg_parse_ipv4(host, size, address)) return tarimg_is_private_ipv4(address);
    if (host[size - 1] == '.') host[--size] = '\0';
    if (tarimg_equal_nocase(host, "localhost")) return 1;
    return size > 10 && tarimg_equal_nocase(host + size - 10, ".localhost");
}

static int tarimg_is_whole_url(const char *path) {
    return tarimg_begins_nocase(path, "http://") || tarimg_begins_nocase(path, "https://");
}

/* base_url and a path below it; the base's own query stays behind the path. */
static const char *tarimg_join_url(tarimg_arena *arena, const char *base, const char *path) {
    size_t cut = strcspn(base, "?#"), size = cut;
    if (tarimg_is_whole_url(path)) return tarimg_copy(arena, path);
    while (size && base[size - 1] == '/') size--;
    while (*path == '/') path++;
    if (base[cut] == '\0' && base[size] == '\0') return tarimg_concat(arena, base, *path ? "/" : "", path);
    if (base[cut] != '?') return tarimg_format(arena, "%.*s%s%s", (int)size, base, *path ? "/" : "", path);
    return tarimg_format(arena, "%.*s%s%s%c%s", (int)size, base, *path ? "/" : "", path,
                         strchr(path, '?') ? '&' : '?', base + cut + 1);
}

/* Where a redirect leads; NULL if nowhere that may be followed. */
static const char *tarimg_redirect_url(tarimg_arena *arena, const char *from, const char *location) {
    tarimg_url url;
    const char *path_end;
    if (!tarimg_split_url(from, &url) || !location) return NULL;
    if (*location == '\0' || *location == '#') return tarimg_copy_bytes(arena, from, strcspn(from, "#"));
    if (strstr(location, "://") && strcspn(location, ":/?#") == (size_t)(strstr(location, "://") - location))
        return tarimg_split_url(location, &url) ? tarimg_copy(arena, location) : NULL;
    if (tarimg_begins(location, "//")) {
        const char *whole = tarimg_format(arena, "%s%s", url.is_https ? "https:" : "http:", location);
        return tarimg_split_url(whole, &url) ? whole : NULL;
    }
    if (*location == '/') return tarimg_format(arena, "%.*s%s", (int)(url.rest - from), from, location);
    path_end = url.rest + strcspn(url.rest, "?#");
    if (*location != '?')
        while (path_end > url.rest && path_end[-1] != '/') path_end--;
    return tarimg_format(arena, "%.*s%s%s", (int)(path_end - from), from, path_end == url.rest ? "/" : "",
                         location);
}

/* ---- times in headers */

#define TARIMG_MAX_RETRY_AFTER_MS ((int64_t)7 * 24 * 3600 * 1000)

/* Days since 1970 of a date of the Gregorian calendar. */
static int64_t tarimg_days(int64_t year, int month, int day) {
    int64_t era, year_of_era, day_of_year;
    year -= month <= 2;
    era = (year >= 0 ? year : year - 399) / 400;
    year_of_era = year - era * 400;
    day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static int tarimg_month(const char *word, size_t size) {
    static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    int i;
    for (i = 0; size == 3 && i < 12; i++) {
        if (tarimg_equal_bytes_nocase(word, months + i * 3, 3)) return i + 1;
    }
    return 0;
}

static int tarimg_clock_time(const char *word, size_t size, int64_t *seconds) {
    int i;
    if (size != 8 || word[2] != ':' || word[5] != ':') return 0;
    for (i = 0; i < 8; i++) {
        if (i != 2 && i != 5 && !tarimg_is_digit(word[i])) return 0;
    }
    *seconds = ((word[0] - '0') * 10 + word[1] - '0') * 3600 + ((word[3] - '0') * 10 + word[4] - '0') * 60 +
               (word[6] - '0') * 10 + word[7] - '0';
    return 1;
}

/* An HTTP date in any of its three forms, in seconds since 1970; 0 if it is none. Words are told by their
   shape, so that the forms need no code of their own. */
static int tarimg_parse_date(const char *text, int64_t *out) {
    int64_t number, time_of_day = -1, year = -1, day = -1;
    int month = 0, words = 0;
    while (*text && words++ < 8) {
        size_t size = strcspn(text, " ,-"), gap;
        if (tarimg_month(text, size))
            month = tarimg_month(text, size);
        else if (tarimg_parse_integer(text, size, &number) && number >= 0) {
            if (size <= 2 && day < 0)
                day = number;
            else if (size == 2)
                year = number + (number < 70 ? 2000 : 1900);
            else if (size == 4)
                year = number;
            else
                return 0;
        } else
            (void)tarimg_clock_time(text, size, &time_of_day);
        text += size;
        gap = strspn(text, " ,-");
        text += gap;
    }
    if (*text || month == 0 || day < 1 || day > 31 || year < 1970 || time_of_day < 0) return 0;
    *out = tarimg_days(year, month, (int)day) * 86400 + time_of_day;
    return 1;
}

/* "2026-04-07T12:00:00Z", decimals and other zones' suffixes ignored, in seconds since 1970. */
static int tarimg_parse_timestamp(const char *text, int64_t *out) {
    int64_t year, month, day, time_of_day;
    if (strlen(text) < 19 || text[4] != '-' || text[7] != '-' || !strchr("Tt ", text[10])) return 0;
    if (!tarimg_parse_integer(text, 4, &year) || !tarimg_parse_integer(text + 5, 2, &month)) return 0;
    if (!tarimg_parse_integer(text + 8, 2, &day) || !tarimg_clock_time(text + 11, 8, &time_of_day)) return 0;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31) return 0;
    *out = tarimg_days(year, (int)month, (int)day) * 86400 + time_of_day;
    return 1;
}

/* Retry-After as seconds (decimals allowed) or as a date; -1 if it is neither, or negative. */
static int64_t tarimg_parse_retry_after(const char *text, int64_t now_seconds) {
    int64_t value;
    if (tarimg_parse_thousandths(text, strlen(text), TARIMG_MAX_RETRY_AFTER_MS, &value)) return value;
    if (!tarimg_parse_date(text, &value)) return -1;
    value -= now_seconds;
    if (value < 0) return 0;
    return value > TARIMG_MAX_RETRY_AFTER_MS / 1000 ? TARIMG_MAX_RETRY_AFTER_MS : value * 1000;
}

/* ---- input images */

/* An image of the request, resolved: bytes in memory, a file, or a URL whose bytes are not here. */
typedef struct tarimg_input {
    const char *url;
    const char *path;
    const unsigned char *data;
    size_t size;          /* bytes, of data or of the file */
    unsigned char *owned; /* data, if it was made here */
    const char *mime_type;
    const char *filename;
    tarash_image_role role;
    const char *field; /* "images[2]" or "mask", for messages */
    int has_alpha;     /* a PNG with an alpha channel */
    int width, height; /* 0 = unknown */
} tarimg_input;

static int tarimg_input_has_bytes(const tarimg_input *input) {
    return input->data || input->path;
}

/* Learns type and file name from the first bytes. */
static void tarimg_describe_input(tarimg_arena *arena, tarimg_input *input, const unsigned char *head,
                                  size_t size) {
    tarimg_media media = tarimg_sniff(head, size);
    const char *slash;
    if (!input->mime_type) input->mime_type = media.mime_type;
    input->width = media.width;
    input->height = media.height;
    input->has_alpha =
        tarimg_equal(media.mime_type, "image/png") && size > 25 && (head[25] == 4 || head[25] == 6);
    if (input->filename) return;
    if (input->path) {
        slash = strrchr(input->path, '/');
        input->filename = slash ? slash + 1 : input->path;
        if (strpbrk(input->filename, "\"\r\n\\")) input->filename = NULL;
    }
    if (!input->filename)
        input->filename = tarimg_format(arena, "image.%s", tarimg_mime_extension(input->mime_type));
}

/* ---- bodies: a list of texts and images, read piece by piece while they are sent */

typedef struct tarimg_segment {
    const char *text; /* or an image: */
    const tarimg_input *input;
    int is_base64;
    size_t size; /* bytes on the wire */
    struct tarimg_segment *next;
} tarimg_segment;

typedef struct tarimg_body {
    tarimg_segment *first, *last;
    uint64_t size;
    /* where reading stands */
    const tarimg_segment *segment;
    size_t offset; /* in the segment's text, or in the image's own bytes */
    char pending[4];
    size_t pending_size, pending_offset;
#if !defined(TARASH_IMAGE_NO_STDIO)
    FILE *file;
#endif
} tarimg_body;

static tarimg_segment *tarimg_body_segment(tarimg_arena *arena, tarimg_body *body, size_t size) {
    tarimg_segment *segment = (tarimg_segment *)tarimg_take(arena, sizeof *segment);
    if (!segment) return NULL;
    segment->size = size;
    if (body->last)
        body->last->next = segment;
    else
        body->first = segment;
    body->last = segment;
    body->size += size;
    return segment;
}

static void tarimg_body_text(tarimg_arena *arena, tarimg_body *body, const char *text, size_t size) {
    tarimg_segment *segment = size ? tarimg_body_segment(arena, body, size) : NULL;
    if (segment) segment->text = tarimg_copy_bytes(arena, text, size);
}

static void tarimg_body_input(tarimg_arena *arena, tarimg_body *body, const tarimg_input *input,
                              int is_base64) {
    size_t size = input->size;
    tarimg_segment *segment;
    if (is_base64 && !tarimg_base64_length(input->size, &size)) arena->failed = 1;
    segment = tarimg_body_segment(arena, body, size);
    if (!segment) return;
    segment->input = input;
    segment->is_base64 = is_base64;
}

static void tarimg_body_close(tarimg_body *body) {
#if !defined(TARASH_IMAGE_NO_STDIO)
    if (body->file) (void)fclose(body->file);
    body->file = NULL;
#endif
    body->offset = body->pending_size = body->pending_offset = 0;
}

static void tarimg_body_rewind(tarimg_body *body) {
    tarimg_body_close(body);
    body->segment = body->first;
}

/* `size` bytes of the current image; 0 if the file has changed under us. */
static int tarimg_body_raw(tarimg_body *body, unsigned char *out, size_t size) {
    const tarimg_input *input = body->segment->input;
    if (input->data) memcpy(out, input->data + body->offset, size);
#if !defined(TARASH_IMAGE_NO_STDIO)
    else {
        if (!body->file) body->file = tarimg_file_open(input->path, 0);
        if (!body->file || fread(out, 1, size, body->file) != size) return 0;
    }
#endif
    body->offset += size;
    return 1;
}

#define TARIMG_ENCODE_SLACK 64 /* what the widest encoder writes at once, and more */

/* How many bytes are encoded into a room at once: whole groups, unless the image ends. */
static size_t tarimg_encode_size(size_t capacity, size_t left) {
    size_t size =
        capacity > 2 * TARIMG_ENCODE_SLACK ? (capacity - TARIMG_ENCODE_SLACK) / 4 * 3 : capacity / 4 * 3;
    return size < left ? size : left;
}

/* The last characters of a room that is too small for a group wait in `pending`. */
static int tarimg_body_encode_group(tarimg_body *body, size_t left) {
    unsigned char raw[3];
    size_t size = left < 3 ? left : 3;
    if (!tarimg_body_raw(body, raw, size)) return 0;
    body->pending_size = tarimg_base64_encode(raw, size, body->pending);
    body->pending_offset = 0;
    return 1;
}

/* Base64 of the current image into `out`: from where it stands in memory, or from a file's bytes that are read into the
   room's end, which the text reaches only when they have been used. */
static int tarimg_body_encode(tarimg_body *body, char *out, size_t capacity, size_t *written) {
    const tarimg_input *input = body->segment->input;
    size_t left = input->size - body->offset, size = tarimg_encode_size(capacity, left);
    unsigned char small[TARIMG_ENCODE_SLACK * 2];
    unsigned char *raw = capacity > sizeof small ? (unsigned char *)out + (capacity - size) : small;
    if (capacity < 4) return tarimg_body_encode_group(body, left);
    if (input->data) {
        *written = tarimg_base64_encode(input->data + body->offset, size, out);
        body->offset += size;
        return 1;
    }
    if (!tarimg_body_raw(body, raw, size)) return 0;
    *written = tarimg_base64_encode(raw, size, out);
    return 1;
}

static size_t tarimg_body_pending(tarimg_body *body, char *out, size_t capacity) {
    size_t size = body->pending_size - body->pending_offset;
    if (size > capacity) size = capacity;
    memcpy(out, body->pending + body->pending_offset, size);
    body->pending_offset += size;
    return size;
}

/* The next piece of the current segment; 0 on a read error. */
static int tarimg_body_piece(tarimg_body *body, char *out, size_t capacity, size_t *written) {
    const tarimg_segment *segment = body->segment;
    size_t left = (segment->text ? segment->size : segment->input->size) - body->offset;
    *written = 0;
    if (body->pending_offset < body->pending_size) {
        *written = tarimg_body_pending(body, out, capacity);
        return 1;
    }
    if (left == 0) {
        tarimg_body_close(body);
        body->segment = segment->next;
        return 1;
    }
    if (segment->is_base64) return tarimg_body_encode(body, out, capacity, written);
    if (left > capacity) left = capacity;
    *written = left;
    if (!segment->text) return tarimg_body_raw(body, (unsigned char *)out, left);
    memcpy(out, segment->text + body->offset, left);
    body->offset += left;
    return 1;
}

/* Fills `out`; 0 on a read error. */
static int tarimg_body_read(tarimg_body *body, char *out, size_t capacity, size_t *written) {
    *written = 0;
    while (body->segment && *written < capacity) {
        size_t piece;
        if (!tarimg_body_piece(body, out + *written, capacity - *written, &piece)) return 0;
        *written += piece;
    }
    return 1;
}

/* ---- files appear whole or not at all */

#define TARIMG_FILE_ADVICE "does the folder exist, may it be written to, and has the disk room?"

#if !defined(TARASH_IMAGE_NO_STDIO)
typedef struct tarimg_file_writer {
    FILE *file;
    const char *path;
    char *partial; /* written here first */
    int is_direct; /* a device or a pipe, which no file may take the place of */
    const tarash_image_allocator *allocator;
} tarimg_file_writer;

/* `unique` keeps writers of one target apart. */
static int tarimg_file_begin(tarimg_file_writer *writer, const tarash_image_allocator *allocator,
                             const char *path, uint64_t unique) {
    size_t size = strlen(path) + 40;
    writer->file = NULL;
    writer->path = path;
    writer->allocator = allocator;
    writer->partial = (char *)tarimg_alloc(allocator, size);
    if (!writer->partial) return 0;
    (void)snprintf(writer->partial, size, "%s.%08lx.part", path, (unsigned long)(unique & 0xFFFFFFFFu));
    writer->is_direct = tarimg_file_is_special(path);
    writer->file = tarimg_file_open(writer->is_direct ? path : writer->partial, 1);
    return writer->file != NULL;
}

static void tarimg_file_abort(tarimg_file_writer *writer) {
    if (writer->file) {
        (void)fclose(writer->file);
        if (!writer->is_direct) tarimg_file_remove(writer->partial);
    }
    writer->file = NULL;
    tarimg_release(writer->allocator, writer->partial);
    writer->partial = NULL;
}

static int tarimg_file_commit(tarimg_file_writer *writer) {
    int good = fclose(writer->file) == 0;
    if (good && !writer->is_direct) good = tarimg_file_rename(writer->partial, writer->path) == 0;
    writer->file = NULL;
    if (!good && !writer->is_direct) tarimg_file_remove(writer->partial);
    tarimg_release(writer->allocator, writer->partial);
    writer->partial = NULL;
    return good;
}
#endif

#if !defined(TARASH_IMAGE_NO_STDIO)
/* The sink's path with {index} and {ext} filled in. */
static char *tarimg_expand_path(tarimg_arena *arena, const char *pattern, size_t index,
                                const char *extension) {
    tarimg_buffer path;
    char number[24], *copy;
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)index);
    tarimg_buffer_init(&path, arena->allocator, 0);
    while (*pattern) {
        if (tarimg_begins(pattern, "{index}")) {
            tarimg_append_text(&path, number);
            pattern += 7;
        } else if (tarimg_begins(pattern, "{ext}")) {
            tarimg_append_text(&path, extension);
            pattern += 5;
        } else
            tarimg_append_char(&path, *pattern++);
    }
    copy = path.failed ? NULL : tarimg_copy_bytes(arena, path.data, path.size);
    tarimg_buffer_free(&path);
    return copy;
}
#endif

/* ---- payloads: an image's bytes on their way into memory, or through a buffer into a sink */

#define TARIMG_SINK_CHUNK 65536u
#define TARIMG_MOST_AHEAD 8u /* times what has come is reserved on the word of a Content-Length */
#define TARIMG_FIRST_ROOM 16384u

typedef struct tarimg_payload {
    const tarash_image_allocator *allocator;
    unsigned char *data; /* the image, or the sink's buffer */
    size_t fill;         /* bytes in data */
    size_t capacity;
    size_t size; /* bytes of the image so far */
    size_t limit;
    size_t expected; /* bytes, by the reply's head; 0 = unknown */
    tarimg_media media;
    tarash_image_result result; /* why no more is taken */
    int closed;
    const tarash_image_sink *sink; /* NULL = memory */
    size_t index;                  /* of the image, for the sink */
    uint64_t unique;               /* keeps partial files apart */
    tarimg_arena *path_arena;
    char *path; /* of the file sink */
    int sink_open;
    int is_no_image; /* known before anything was opened */
    void *stream;
    unsigned char tail[TARIMG_TAIL_SIZE]; /* the last bytes that went into the sink */
    size_t tail_size;
#if !defined(TARASH_IMAGE_NO_STDIO)
    tarimg_file_writer file;
#endif
} tarimg_payload;

static void tarimg_payload_init(tarimg_payload *payload, const tarash_image_allocator *allocator,
                                size_t limit, uint64_t expected) {
    memset(payload, 0, sizeof *payload);
    payload->allocator = allocator;
    payload->limit = limit;
    payload->expected = expected > limit ? limit : (size_t)expected;
}

/* A file sink whose path has no {index} has room for the first image only. */
static int tarimg_sink_has_room(const tarash_image_sink *sink, size_t index) {
    return !sink->path || index == 0 || strstr(sink->path, "{index}") != NULL;
}

static tarash_image_result tarimg_sink_open(tarimg_payload *payload) {
    const tarash_image_sink *sink = payload->sink;
    const char *mime = payload->media.mime_type;
    if (!sink->path) {
        if (sink->open_fn(sink->user_data, payload->index, mime, &payload->stream) != 0)
            return TARASH_IMAGE_ERROR_IO;
        payload->sink_open = 1;
        return TARASH_IMAGE_OK;
    }
#if !defined(TARASH_IMAGE_NO_STDIO)
    payload->path =
        tarimg_expand_path(payload->path_arena, sink->path, payload->index, tarimg_mime_extension(mime));
    if (!payload->path) return TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    payload->sink_open = 1;
    if (tarimg_file_begin(&payload->file, payload->allocator, payload->path, payload->unique))
        return TARASH_IMAGE_OK;
    return payload->file.partial ? TARASH_IMAGE_ERROR_IO : TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
#else
    return TARASH_IMAGE_ERROR_UNSUPPORTED;
#endif
}

static void tarimg_sink_abort(tarimg_payload *payload) {
    const tarash_image_sink *sink = payload->sink;
    if (!payload->sink_open) return;
    payload->sink_open = 0;
#if !defined(TARASH_IMAGE_NO_STDIO)
    if (sink->path) {
        tarimg_file_abort(&payload->file);
        return;
    }
#endif
    if (sink->abort_fn) sink->abort_fn(sink->user_data, payload->stream);
}

/* `size` bytes go out of sight: their end tells whether the image is whole. */
static void tarimg_keep_tail(tarimg_payload *payload, size_t size) {
    size_t taken = size < TARIMG_TAIL_SIZE ? size : TARIMG_TAIL_SIZE, kept = TARIMG_TAIL_SIZE - taken;
    if (kept > payload->tail_size) kept = payload->tail_size;
    memmove(payload->tail, payload->tail + payload->tail_size - kept, kept);
    memcpy(payload->tail + kept, payload->data + size - taken, taken);
    payload->tail_size = kept + taken;
}

static tarash_image_result tarimg_sink_flush(tarimg_payload *payload) {
    const tarash_image_sink *sink = payload->sink;
    size_t size = payload->fill;
    payload->fill = 0;
    if (size == 0) return TARASH_IMAGE_OK;
    tarimg_keep_tail(payload, size);
#if !defined(TARASH_IMAGE_NO_STDIO)
    if (sink->path)
        return fwrite(payload->data, 1, size, payload->file.file) == size ? TARASH_IMAGE_OK
                                                                          : TARASH_IMAGE_ERROR_IO;
#endif
    return sink->write_fn(sink->user_data, payload->stream, payload->data, size) == 0 ? TARASH_IMAGE_OK
                                                                                      : TARASH_IMAGE_ERROR_IO;
}

static tarash_image_result tarimg_sink_close(tarimg_payload *payload) {
    const tarash_image_sink *sink = payload->sink;
    payload->sink_open = 0;
#if !defined(TARASH_IMAGE_NO_STDIO)
    if (sink->path) return tarimg_file_commit(&payload->file) ? TARASH_IMAGE_OK : TARASH_IMAGE_ERROR_IO;
#endif
    return sink->close_fn(sink->user_data, payload->stream) == 0 ? TARASH_IMAGE_OK : TARASH_IMAGE_ERROR_IO;
}

/* The sink's buffer is passed on when it is full; the first one waits for the image's type to be known. */
static tarash_image_result tarimg_sink_advance(tarimg_payload *payload, int at_end) {
    tarash_image_result result;
    if (payload->is_no_image) {
        payload->fill = 0;
        return TARASH_IMAGE_OK;
    }
    if (!payload->sink_open) {
        if (!at_end && payload->fill < TARIMG_SINK_CHUNK &&
            tarimg_sniff_needs_more(payload->data, payload->fill))
            return TARASH_IMAGE_OK;
        payload->media = tarimg_sniff(payload->data, payload->fill);
        /* No image: nothing is opened, the rest is passed over, and whoever uses the payload finds out. */
        if (!payload->media.mime_type) {
            payload->fill = 0;
            payload->is_no_image = 1;
            return TARASH_IMAGE_OK;
        }
        result = tarimg_sink_open(payload);
        if (result != TARASH_IMAGE_OK) return result;
    }
    if (!at_end && payload->fill < TARIMG_SINK_CHUNK) return TARASH_IMAGE_OK;
    return tarimg_sink_flush(payload);
}

/* A capacity for `needed` bytes: what the reply's head announces, but only so much ahead of what has come. */
static size_t tarimg_next_room(const tarimg_payload *payload, size_t needed) {
    size_t wanted = payload->capacity + payload->capacity / 2, ahead;
    if (payload->sink)
        wanted = TARIMG_SINK_CHUNK;
    else if (payload->expected) {
        ahead = needed < SIZE_MAX / TARIMG_MOST_AHEAD ? needed * TARIMG_MOST_AHEAD : SIZE_MAX;
        if (ahead > payload->expected) ahead = payload->expected;
        if (wanted < ahead) wanted = ahead;
    } else if (wanted < TARIMG_FIRST_ROOM)
        wanted = TARIMG_FIRST_ROOM;
    return wanted < needed ? needed : wanted;
}

/* Room for `size` more bytes; NULL when memory ran out or nothing more is taken. */
static unsigned char *tarimg_payload_room(tarimg_payload *payload, size_t size) {
    size_t needed, wanted;
    void *grown;
    if (payload->result != TARASH_IMAGE_OK) return NULL;
    /* A sink's buffer is emptied rather than grown. */
    if (payload->sink_open && size > payload->capacity - payload->fill)
        payload->result = tarimg_sink_flush(payload);
    if (payload->result != TARASH_IMAGE_OK) return NULL;
    if (!tarimg_add_size(payload->fill, size, &needed)) needed = SIZE_MAX;
    if (needed <= payload->capacity) return payload->data + payload->fill;
    wanted = tarimg_next_room(payload, needed);
    grown = payload->allocator->realloc_fn(payload->data, payload->capacity, wanted,
                                           payload->allocator->user_data);
    if (!grown) {
        payload->result = TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
        return NULL;
    }
    payload->data = (unsigned char *)grown;
    payload->capacity = wanted;
    return payload->data + payload->fill;
}

/* `size` bytes have been put into the room. */
static tarash_image_result tarimg_payload_take(tarimg_payload *payload, size_t size) {
    if (payload->result != TARASH_IMAGE_OK) return payload->result;
    if (size > payload->limit - payload->size) return payload->result = TARASH_IMAGE_ERROR_TOO_LARGE;
    payload->size += size;
    payload->fill += size;
    if (payload->sink && size) payload->result = tarimg_sink_advance(payload, 0);
    return payload->result;
}

static tarash_image_result tarimg_payload_write(tarimg_payload *payload, const void *data, size_t size) {
    unsigned char *room = tarimg_payload_room(payload, size);
    if (!room) return payload->result;
    memcpy(room, data, size);
    return tarimg_payload_take(payload, size);
}

static void tarimg_payload_shrink(tarimg_payload *payload) {
    void *exact;
    if (payload->fill == 0 || payload->fill == payload->capacity) return;
    exact = payload->allocator->realloc_fn(payload->data, payload->capacity, payload->fill,
                                           payload->allocator->user_data);
    if (!exact) return;
    payload->data = (unsigned char *)exact;
    payload->capacity = payload->fill;
}

/* All bytes are here. What is no image is found out by whoever uses the payload: media.mime_type is NULL. */
static tarash_image_result tarimg_payload_close(tarimg_payload *payload) {
    if (payload->result != TARASH_IMAGE_OK || payload->closed) return payload->result;
    payload->closed = 1;
    if (!payload->sink) {
        payload->media =
            tarimg_sniff(payload->data ? payload->data : (const unsigned char *)"", payload->fill);
        tarimg_payload_shrink(payload);
        return TARASH_IMAGE_OK;
    }
    payload->result = tarimg_sink_advance(payload, 1);
    return payload->result;
}

static int tarimg_payload_is_complete(const tarimg_payload *payload) {
    if (payload->sink) return tarimg_is_ended(payload->media.mime_type, payload->tail, payload->tail_size);
    return tarimg_is_complete(payload->data, payload->fill);
}

/* The image is wanted: only now a sink's file appears, for the reply that it came in may still turn out broken. */
static tarash_image_result tarimg_payload_deliver(tarimg_payload *payload) {
    if (payload->result == TARASH_IMAGE_OK && payload->sink_open)
        payload->result = tarimg_sink_close(payload);
    return payload->result;
}

static void tarimg_payload_free(tarimg_payload *payload) {
    if (payload->sink) tarimg_sink_abort(payload);
    tarimg_release(payload->allocator, payload->data);
    payload->data = NULL;
    payload->fill = payload->capacity = 0;
}

/* Decodes base64 text, perhaps with a data: URL's prefix, into memory of its own. */
static tarash_image_result tarimg_decode_text(const tarash_image_allocator *allocator, const char *text,
                                              size_t size, size_t limit, tarimg_payload *payload) {
    tarimg_base64 state;
    const char *comma = NULL, *end = text + size;
    unsigned char *room;
    int rest;
    tarimg_payload_init(payload, allocator, limit, 0);
    memset(&state, 0, sizeof state);
    if (size > 5 && tarimg_equal_bytes_nocase(text, "data:", 5)) {
        comma = (const char *)memchr(text, ',', size);
        if (!comma || comma - text < 7 || !tarimg_equal_bytes_nocase(comma - 7, ";base64", 7))
            return TARASH_IMAGE_ERROR_VALIDATION;
        text = comma + 1;
    }
    while (text < end) {
        size_t written = 0, left = (size_t)(end - text), taken = 0;
        if (!state.padding) {
            if (left > TARIMG_SINK_CHUNK) left = TARIMG_SINK_CHUNK;
            room = tarimg_payload_room(payload, tarimg_base64_room(left));
            if (!room) return payload->result;
            taken = tarimg_base64_decode(&state, text, left, room, &written);
            if (tarimg_payload_take(payload, written) != TARASH_IMAGE_OK) return payload->result;
        }
        text += taken;
        if (taken == left) continue;
        if (*text == '=')
            state.padding++;
        else if (!tarimg_is_space(*text))
            return TARASH_IMAGE_ERROR_VALIDATION;
        text++;
    }
    room = tarimg_payload_room(payload, 4);
    rest = room ? tarimg_base64_finish(&state, room) : 0;
    if (rest < 0) return TARASH_IMAGE_ERROR_VALIDATION;
    (void)tarimg_payload_take(payload, (size_t)rest);
    return tarimg_payload_close(payload);
}

/* ---- server-sent events: finds the data of each event, in pieces of any size */

typedef enum tarimg_sse_place {
    TARIMG_SSE_LINE_START,
    TARIMG_SSE_FIELD,      /* before the colon */
    TARIMG_SSE_DATA_START, /* one space may follow the colon */
    TARIMG_SSE_DATA,
    TARIMG_SSE_SKIP /* comment, or a field that doesn't matter */
} tarimg_sse_place;

typedef struct tarimg_sse {
    tarimg_sse_place place;
    char field[8];
    size_t field_size;
    int after_return; /* the last character was a CR: an LF belongs to it */
    int has_data;     /* a data line of the current event has been seen */
    size_t marks;     /* bytes of a byte order mark at the very beginning; 4 = past it */
    size_t data_size;
} tarimg_sse;

/* What the events' data goes to; 0 ends the parsing. */
typedef struct tarimg_sse_handler {
    int (*data_fn)(void *context, const char *text, size_t size);
    int (*event_fn)(void *context); /* the event is whole */
    void *context;
} tarimg_sse_handler;

static int tarimg_sse_line_end(tarimg_sse *sse, const tarimg_sse_handler *handler) {
    int was_blank = sse->place == TARIMG_SSE_LINE_START;
    sse->place = TARIMG_SSE_LINE_START;
    sse->field_size = 0;
    if (!was_blank) return 1;
    sse->has_data = 0;
    if (sse->data_size == 0) return 1;
    sse->data_size = 0;
    return handler->event_fn(handler->context);
}

static int tarimg_sse_field_char(tarimg_sse *sse, const tarimg_sse_handler *handler, char c) {
    if (sse->place == TARIMG_SSE_LINE_START) sse->place = c == ':' ? TARIMG_SSE_SKIP : TARIMG_SSE_FIELD;
    if (sse->place != TARIMG_SSE_FIELD) return 1;
    if (c != ':') {
        if (sse->field_size < sizeof sse->field) sse->field[sse->field_size++] = c;
        return 1;
    }
    sse->place =
        sse->field_size == 4 && memcmp(sse->field, "data", 4) == 0 ? TARIMG_SSE_DATA_START : TARIMG_SSE_SKIP;
    if (sse->place == TARIMG_SSE_SKIP || !sse->has_data) return 1;
    return handler->data_fn(handler->context, "\n", 1);
}

static int tarimg_sse_feed(tarimg_sse *sse, const tarimg_sse_handler *handler, const char *text,
                           size_t size) {
    static const char mark[] = "\xEF\xBB\xBF";
    const char *end = text + size;
    while (text < end) {
        if (sse->marks < 3 && *text == mark[sse->marks]) {
            sse->marks++;
            text++;
            continue;
        }
        if (sse->marks == 1 ||
            sse->marks == 2) { /* no mark after all, but part of a name that nobody knows */
            sse->place = TARIMG_SSE_FIELD;
            sse->field_size = sizeof sse->field;
        }
        sse->marks = 4;
        if (*text == '\n' && sse->after_return) {
            sse->after_return = 0;
            text++;
            continue;
        }
        sse->after_return = *text == '\r';
        if (*text == '\r' || *text == '\n') {
            if (!tarimg_sse_line_end(sse, handler)) return 0;
            text++;
        } else if (sse->place == TARIMG_SSE_DATA || sse->place == TARIMG_SSE_DATA_START) {
            const char *stop;
            size_t skip = sse->place == TARIMG_SSE_DATA_START && *text == ' ';
            sse->place = TARIMG_SSE_DATA;
            sse->has_data = 1;
            text += skip;
            stop = (const char *)memchr(text, '\n', (size_t)(end - text));
            if (!stop) stop = end;
            if (stop > text && memchr(text, '\r', (size_t)(stop - text)))
                stop = (const char *)memchr(text, '\r', (size_t)(stop - text));
            sse->data_size += (size_t)(stop - text);
            if (stop > text && !handler->data_fn(handler->context, text, (size_t)(stop - text))) return 0;
            text = stop;
        } else {
            if (!tarimg_sse_field_char(sse, handler, *text)) return 0;
            text++;
        }
    }
    return 1;
}

/* >>providers
   Helpers that the sections below share, then a section for each protocol, then the tables of models and
   rows.

   An adapter is pure: build_fn describes the request of exchange->phase, read_fn takes from the parsed reply
   of a 2xx what it holds. Neither knows a socket, a clock, a file or the environment. */

typedef struct tarimg_adapter tarimg_adapter;

typedef struct tarimg_header {
    const char *name;
    const char *value;
    struct tarimg_header *next;
} tarimg_header;

typedef struct tarimg_headers {
    tarimg_header *first, *last;
} tarimg_headers;

typedef struct tarimg_note { /* a warning on its way into the response */
    tarash_image_warning warning;
    int is_advice; /* nothing was changed, so `strict` doesn't mind */
    struct tarimg_note *next;
} tarimg_note;

/* One config of a chain, resolved: its row, its key, and the request as this provider and model take it. */
typedef struct tarimg_link {
    tarash_image_config config; /* a copy; numbers have their defaults */
    const tarash_image_provider_info *row;
    const tarash_image_provider *custom; /* the user's own code, or NULL */
    const tarimg_adapter *adapter;
    const tarash_image_capabilities *caps;
    const tarash_image_operation_info *operation; /* NULL: the request decides */
    const tarash_image_operation_info
        *model_operation;               /* what the model that was named does by itself, or NULL */
    const struct tarimg_mapped *mapped; /* the standard fields that a mapping takes over */
    const tarimg_value *constants;      /* of that mapping, or NULL */
    const char *provider;               /* the name shown */
    const char *model;                  /* the name sent, "" = none */
    const char *base_url;
    const char *key;              /* NULL = none */
    tarimg_value *options;        /* provider_config, an object */
    const tarimg_value *extra;    /* extra_params, an object or NULL */
    tarash_image_request request; /* a copy, adapted: what isn't sent is NULL */
    int has_mask;                 /* the request has one */
    int width, height;            /* of the size asked for, 0 = none */
    int count;                    /* images wanted */
    int per_call;                 /* images that one call yields */
    const tarimg_input *inputs;
    size_t input_count;
    const tarimg_input *mask; /* in this provider's polarity, or NULL */
    tarimg_arena *arena;      /* the job's */
    const tarimg_secret *secrets;
    int collecting; /* warnings are noted: once, while the job is checked */
    tarimg_note *notes, *last_note;
    const tarash_image_mock *mock;
    uint64_t mock_state; /* of the weighted choice */
    int mock_tries;
    int is_quiet; /* a mock without polling reports no progress */
    int max_depth;
} tarimg_link;

typedef struct tarimg_found { /* an image that a reply holds */
    int is_payload;
    size_t payload;
    const char *url;
    const char *revised_prompt;
    int has_seed;
    int64_t seed;
    int64_t number; /* the provider's own, -1 = none */
    struct tarimg_found *next;
} tarimg_found;

struct tarash_image_exchange {
    tarimg_link *link;
    struct tarimg_task *task; /* NULL in a dry run */
    tarash_image_phase phase;
    int is_download;              /* of a result or an input image: carries no credentials */
    const char *speaker;          /* who answers, for messages: the provider, or a download's server */
    tarash_image_request request; /* the link's, with this call's own seed */
    int count;                    /* images wanted of this call */
    size_t first_index;           /* of them */
    int poll_number;              /* 1 for the first POLL */
    const tarash_image_allocator *allocator;
    const tarash_image_sink *sink; /* where images go as they arrive, NULL = memory */
    size_t max_image_bytes;
    uint64_t expected_bytes;  /* of one image, as far as the reply's head tells */
    uint64_t unique;          /* random */
    tarimg_arena arena;       /* the exchange's own */
    tarash_image_error error; /* set by tarimg_fail */

    /* the request, written by the adapter */
    const char *method;
    const char *path; /* below base_url, or a whole URL */
    tarimg_headers headers;
    const char *accept;
    tarimg_value *body; /* an object; NULL = none */
    int is_form;        /* multipart instead of JSON */
    const char *image_paths;
    const char *echo_path; /* a member of the reply that repeats the request, with its images, or NULL */
    int holds_images;      /* which of a reply's images count shows at its end: a sink sees them then */
    int wants_bytes;       /* an input that is a URL must be downloaded first */
    const char *auth_header, *auth_prefix; /* in place of the row's, or NULL */
    int is_auth_whole;                     /* the prefix is the whole value */
    const char *aws_region; /* the key is a pair that signs the request instead of going along */
    const char *aws_service;
    int latency_ms; /* of an adapter that answers itself */

    /* the reply, read by the adapter */
    int status;
    tarimg_headers reply_headers;
    tarimg_arena reply_arena;
    tarimg_value *document;
    tarimg_payload **payloads;
    size_t payload_count, payload_capacity;
    tarimg_payload *spare_payload; /* of a preview that has been passed on */
    int is_raw_image;              /* the reply is payload 0 itself */

    /* what the adapter made of it */
    tarimg_found *found, *last_found;
    tarimg_found *spare_found; /* as spare_payload */
    size_t found_count;
    int refused_count;    /* images that the provider's safety system kept back */
    int unreadable_count; /* images whose data: URL is broken */
    int is_preview;       /* of a stream: found is a partial image */
    int stream_done;
    size_t preview_index;
    const char *job_id, *poll_url, *fetch_url, *cancel_url;
    int advice;   /* on trying again: -1 no, 1 yes, 0 = the status decides */
    int is_final; /* asking for the same once more would give the same: no poll or fetch is repeated */
    int has_next;
    tarash_image_phase next_phase;
    int next_delay_ms; /* -1 = the config's poll interval */
    int has_progress;
    tarash_image_status progress;
    int percent, queue_position;
    const char *progress_message;
    tarash_image_usage usage;
    int64_t created;
    tarimg_value *metadata; /* object */
};

struct tarimg_adapter {
    tarash_image_result (*build_fn)(tarash_image_exchange *exchange);  /* MUST */
    tarash_image_result (*read_fn)(tarash_image_exchange *exchange);   /* MUST, unless it answers itself */
    tarash_image_result (*event_fn)(tarash_image_exchange *exchange);  /* MAY: an event of a stream */
    tarash_image_result (*answer_fn)(tarash_image_exchange *exchange); /* MAY: the reply without a request */
    int polls;                                                         /* has jobs that a token can resume */
    int cancels; /* CANCEL may be built; 2: of a call without a job, too */
    void (*error_fn)(tarash_image_exchange *exchange); /* MAY: corrects exchange->error and advice of an error
                                                          status, which have been read in the usual way */
    const char *(*model_fn)(const tarimg_link *link); /* MAY: the model to send; inputs, mask, options and the
                                                          operation are known. NULL: the one given */
    const char *(*base_url_fn)(const tarimg_link *link,
                               const char **problem); /* MAY: where base_url isn't given; NULL: the row's */
    int is_mapped;           /* the standard fields are written by the table of mappings, not by build_fn */
    const char *fields_path; /* where in the body mapped fields and extra_params go; NULL: at its top */
};

/* ---- helpers: outcome */

TARIMG_ONCE static tarash_image_result tarimg_fail(tarash_image_exchange *exchange,
                                                   tarash_image_result result, const char *code,
                                                   const char *message) {
    exchange->error.result = result;
    tarimg_copy_fixed(exchange->error.provider_code, sizeof exchange->error.provider_code, code);
    tarimg_copy_fixed(exchange->error.message, sizeof exchange->error.message, message);
    tarimg_clean_text(exchange->error.message);
    tarimg_clean_text(exchange->error.provider_code);
    return result;
}

TARIMG_ONCE static void tarimg_add_note(tarimg_link *link, int is_advice, const char *field,
                                        const char *asked, const char *sent, const char *why) {
    tarimg_note *note;
    if (!link->collecting) return;
    note = (tarimg_note *)tarimg_take(link->arena, sizeof *note);
    if (!note) return;
    note->is_advice = is_advice;
    note->warning.field = tarimg_copy(link->arena, field);
    note->warning.asked = tarimg_copy(link->arena, asked ? asked : "");
    note->warning.sent = tarimg_copy(link->arena, sent ? sent : "");
    note->warning.why = tarimg_copy(link->arena, why);
    note->warning.provider = link->provider;
    if (link->last_note)
        link->last_note->next = note;
    else
        link->notes = note;
    link->last_note = note;
}

/* A setting that goes out changed, or (sent NULL) not at all. */
TARIMG_ONCE static void tarimg_warn(tarimg_link *link, const char *field, const char *asked, const char *sent,
                                    const char *why) {
    tarimg_add_note(link, 0, field, asked, sent, why);
}

/* ---- helpers: request */

TARIMG_ONCE static void tarimg_send(tarash_image_exchange *exchange, const char *method, const char *path) {
    exchange->method = method;
    exchange->path = tarimg_copy(&exchange->arena, path);
    exchange->accept = "application/json";
}

static void tarimg_add_header(tarimg_arena *arena, tarimg_headers *list, const char *name,
                              const char *value) {
    tarimg_header *header = value ? (tarimg_header *)tarimg_take(arena, sizeof *header) : NULL;
    if (!header) return;
    header->name = tarimg_copy(arena, name);
    header->value = tarimg_copy(arena, value);
    if (!header->name || !header->value) return;
    if (list->last)
        list->last->next = header;
    else
        list->first = header;
    list->last = header;
}

TARIMG_ONCE static tarimg_value *tarimg_body_object(tarash_image_exchange *exchange) {
    if (!exchange->body) exchange->body = tarimg_value_new(&exchange->arena, TARIMG_OBJECT);
    return exchange->body;
}

static void tarimg_body_set(tarash_image_exchange *exchange, const char *name, const char *text) {
    tarimg_set_text(&exchange->arena, tarimg_body_object(exchange), name, text);
}

static void tarimg_body_integer(tarash_image_exchange *exchange, const char *name, int64_t number) {
    tarimg_set_integer(&exchange->arena, tarimg_body_object(exchange), name, number);
}

static const char *tarimg_base64_text(tarimg_arena *arena, const char *text) {
    size_t size = strlen(text), length;
    char *encoded = tarimg_base64_length(size, &length) ? (char *)tarimg_take(arena, length + 1) : NULL;
    if (encoded) encoded[tarimg_base64_encode((const unsigned char *)text, size, encoded)] = '\0';
    return encoded;
}

/* The key in another header than the row's, or with another prefix; header "" sends no key. */
static void tarimg_use_key(tarash_image_exchange *exchange, const char *header, const char *prefix) {
    exchange->auth_header = header;
    exchange->auth_prefix = prefix;
}

/* The key, "user:password", as HTTP Basic. */
static void tarimg_use_basic_key(tarash_image_exchange *exchange) {
    const char *key = exchange->link->key;
    const char *encoded = key ? tarimg_base64_text(&exchange->arena, key) : NULL;
    if (!encoded) return;
    exchange->auth_header = "Authorization";
    exchange->auth_prefix = tarimg_format(&exchange->arena, "Basic %s", encoded);
    exchange->is_auth_whole = 1;
}

/* The key, "id:secret" or "id:secret:session", signs the request (AWS Signature Version 4). The signature covers the
   body, so that the whole of it must be in memory. */
static tarash_image_result tarimg_use_signing_key(tarash_image_exchange *exchange, const char *region,
                                                  const char *service) {
    const char *key = exchange->link->key, *secret = key ? strchr(key, ':') : NULL,
               *session = secret ? strchr(secret + 1, ':') : NULL;
    if (!secret || secret == key || !secret[1] || secret[1] == ':')
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                           "api_key: has the form id:secret, or id:secret:session");
#if LIBCURL_VERSION_NUM < 0x074B00
    return tarimg_fail(exchange, TARASH_IMAGE_ERROR_UNSUPPORTED, NULL,
                       "api_key: signing requests needs libcurl 7.75 or newer");
#else
    exchange->auth_header = "";
    exchange->aws_region = region;
    exchange->aws_service = service;
    if (session) tarimg_add_header(&exchange->arena, &exchange->headers, "x-amz-security-token", session + 1);
    return TARASH_IMAGE_OK;
#endif
}

static int tarimg_is_unreserved(char c) {
    return tarimg_is_digit(c) || (tarimg_lower(c) >= 'a' && tarimg_lower(c) <= 'z') ||
           strchr("-._~", c) != NULL;
}

/* Text as part of a URL's path or query: what is not unreserved, nor in `kept`, becomes %XX. */
static const char *tarimg_encode_path(tarimg_arena *arena, const char *text, const char *kept) {
    static const char hex[] = "0123456789ABCDEF";
    size_t size;
    char *encoded, *out;
    if (!text || !tarimg_multiply_size(strlen(text), 3, &size)) return NULL;
    encoded = out = (char *)tarimg_take(arena, size + 1);
    for (; encoded && *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (tarimg_is_unreserved(*text) || strchr(kept, *text)) {
            *out++ = *text;
            continue;
        }
        *out++ = '%';
        *out++ = hex[c >> 4];
        *out++ = hex[c & 15];
    }
    if (encoded) *out = '\0';
    return encoded;
}

/* A text without characters that could change a host or path that it becomes part of. */
static int tarimg_is_plain_word(const char *text) {
    if (!tarimg_is_set(text)) return 0;
    for (; *text; text++) {
        if (!tarimg_is_digit(*text) && !(tarimg_lower(*text) >= 'a' && tarimg_lower(*text) <= 'z') &&
            *text != '-' && *text != '_')
            return 0;
    }
    return 1;
}

/* An input image as a value; index (size_t)-1 is the mask. */
TARIMG_ONCE static tarimg_value *tarimg_input_value(tarash_image_exchange *exchange, tarimg_kind kind,
                                                    size_t index) {
    tarimg_link *link = exchange->link;
    const tarimg_input *input = index == (size_t)-1 ? link->mask : &link->inputs[index];
    tarimg_value *value = tarimg_value_new(&exchange->arena, kind);
    if (kind != TARIMG_INPUT_URL && !tarimg_input_has_bytes(input)) exchange->wants_bytes = 1;
    if (value) value->index = index;
    return value;
}

static const tarimg_input *tarimg_input_of(const tarimg_link *link, const tarimg_value *value) {
    return value->index == (size_t)-1 ? link->mask : &link->inputs[value->index];
}

/* Adds a form part beside others of the same name. */
static void tarimg_form_file(tarash_image_exchange *exchange, const char *name, size_t index) {
    tarimg_value *value = tarimg_input_value(exchange, TARIMG_INPUT_FILE, index);
    if (!value) return;
    value->name = tarimg_copy(&exchange->arena, name);
    if (value->name) tarimg_append_value(tarimg_body_object(exchange), value);
}

TARIMG_ONCE static const char *tarimg_option(const tarimg_link *link, const char *path) {
    return tarimg_text_at(link->options, path);
}

/* The standard fields under the names that OpenAI gave them, as far as the adapted request still has them. */
static void tarimg_body_common(tarash_image_exchange *exchange) {
    const tarash_image_request *request = &exchange->request;
    if (exchange->link->model[0]) tarimg_body_set(exchange, "model", exchange->link->model);
    tarimg_body_set(exchange, "prompt", tarimg_is_set(request->prompt) ? request->prompt : NULL);
    if (request->n > 0) tarimg_body_integer(exchange, "n", exchange->count);
    tarimg_body_set(exchange, "size", request->size);
    tarimg_body_set(exchange, "aspect_ratio", request->aspect_ratio);
    tarimg_body_set(exchange, "quality", request->quality);
    tarimg_body_set(exchange, "style", request->style);
    tarimg_body_set(exchange, "background", request->background);
    tarimg_body_set(exchange, "output_format", request->output_format);
    tarimg_body_set(exchange, "user", request->user);
    tarimg_body_set(exchange, "negative_prompt", request->negative_prompt);
    if (request->has_seed) tarimg_body_integer(exchange, "seed", exchange->request.seed);
}

/* ---- helpers: reply */

static const char *tarimg_reply_header(const tarash_image_exchange *exchange, const char *name) {
    const tarimg_header *header;
    for (header = exchange->reply_headers.first; header; header = header->next) {
        if (tarimg_equal_nocase(header->name, name)) return header->value;
    }
    return NULL;
}

static tarimg_found *tarimg_add_found(tarash_image_exchange *exchange) {
    tarimg_found *found = exchange->spare_found;
    if (!found) found = (tarimg_found *)tarimg_take(&exchange->arena, sizeof *found);
    if (!found) return NULL;
    exchange->spare_found = NULL;
    memset(found, 0, sizeof *found);
    found->number = -1;
    if (exchange->last_found)
        exchange->last_found->next = found;
    else
        exchange->found = found;
    exchange->last_found = found;
    exchange->found_count++;
    return found;
}

/* A place for the bytes of the next image. */
static tarash_image_result tarimg_open_payload(tarash_image_exchange *exchange, size_t *index) {
    tarimg_payload *payload;
    int is_surplus;
    void *grown = tarimg_grow(exchange->allocator, exchange->payloads, exchange->payload_count,
                              &exchange->payload_capacity, sizeof *exchange->payloads);
    if (!grown) return TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    exchange->payloads = (tarimg_payload **)grown;
    payload = exchange->spare_payload ? exchange->spare_payload
                                      : (tarimg_payload *)tarimg_take(&exchange->arena, sizeof *payload);
    exchange->spare_payload = NULL;
    if (!payload) return TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    tarimg_payload_init(payload, exchange->allocator, exchange->max_image_bytes, exchange->expected_bytes);
    payload->index = exchange->first_index + exchange->payload_count;
    /* More images than this call was asked for would take the place of another call's, and one file has room for one. */
    is_surplus = exchange->payload_count >= (size_t)exchange->count &&
                 exchange->link->per_call < exchange->link->count;
    if (exchange->sink && !is_surplus && !exchange->holds_images &&
        tarimg_sink_has_room(exchange->sink, payload->index))
        payload->sink = exchange->sink;
    payload->unique = exchange->unique + exchange->payload_count;
    payload->path_arena = &exchange->arena;
    *index = exchange->payload_count;
    exchange->payloads[exchange->payload_count++] = payload;
    return TARASH_IMAGE_OK;
}

/* What was decoded need not stand in raw_response. */
static void tarimg_value_to_payload(tarimg_value *value, size_t index, size_t size) {
    value->kind = TARIMG_PAYLOAD;
    value->text = NULL;
    value->index = index;
    value->size = size;
}

/* A data: URL at a place where the reader didn't expect one. */
static int tarimg_take_data_url(tarash_image_exchange *exchange, const tarimg_value *value, size_t *index) {
    tarimg_payload decoded;
    tarash_image_result result = tarimg_decode_text(exchange->allocator, value->text, value->size,
                                                    exchange->max_image_bytes, &decoded);
    if (result == TARASH_IMAGE_OK) result = tarimg_open_payload(exchange, index);
    if (result == TARASH_IMAGE_OK) {
        *exchange->payloads[*index] = decoded;
        tarimg_value_to_payload((tarimg_value *)(uintptr_t)value, *index, decoded.fill);
        return 1;
    }
    tarimg_payload_free(&decoded);
    exchange->unreadable_count++;
    if (result == TARASH_IMAGE_ERROR_OUT_OF_MEMORY) exchange->arena.failed = 1;
    return 0;
}

/* The image at a value of the reply: a payload, or a URL. NULL if it is neither. */
static tarimg_found *tarimg_add_image(tarash_image_exchange *exchange, const tarimg_value *value) {
    tarimg_found *found;
    size_t payload = 0;
    int is_payload, is_data;
    if (!value || (value->kind != TARIMG_PAYLOAD && value->kind != TARIMG_STRING)) return NULL;
    if (value->kind == TARIMG_STRING && !value->text[0]) return NULL;
    is_payload = value->kind == TARIMG_PAYLOAD;
    is_data = !is_payload && tarimg_begins_nocase(value->text, "data:");
    if (is_payload) payload = value->index;
    /* One that can't be read takes no other with it. */
    if (is_data && !tarimg_take_data_url(exchange, value, &payload)) return NULL;
    found = tarimg_add_found(exchange);
    if (!found) return NULL;
    found->is_payload = is_payload || is_data;
    found->payload = payload;
    if (!found->is_payload) found->url = tarimg_copy(&exchange->arena, value->text);
    return found;
}

static void tarimg_read_usage(tarash_image_exchange *exchange, const tarimg_value *usage) {
    static const char *const names[3][3] = {{"input_tokens", "prompt_tokens", "tokens_prompt"},
                                            {"output_tokens", "completion_tokens", "tokens_completion"},
                                            {"total_tokens", "total_tokens", "tokens_total"}};
    int64_t *fields[3];
    int i, k;
    fields[0] = &exchange->usage.input_tokens;
    fields[1] = &exchange->usage.output_tokens;
    fields[2] = &exchange->usage.total_tokens;
    for (i = 0; i < 3; i++) {
        for (k = 0; k < 3; k++) {
            if (tarimg_integer_at(usage, names[i][k], fields[i])) break;
        }
    }
}

/* Without looking for one of that name: a hostile reply has thousands. */
static void tarimg_append_member(tarimg_arena *arena, tarimg_value *object, const tarimg_value *member) {
    tarimg_value *copy = object ? tarimg_copy_value(arena, member) : NULL;
    if (!copy) return;
    copy->name = tarimg_copy(arena, member->name);
    if (copy->name) tarimg_append_value(object, copy);
}

/* What the standard fields don't carry: every member of the reply but those named. */
static void tarimg_read_metadata(tarash_image_exchange *exchange, const char *except) {
    const tarimg_value *value;
    if (!exchange->document || exchange->document->kind != TARIMG_OBJECT) return;
    if (!exchange->metadata) exchange->metadata = tarimg_value_new(&exchange->arena, TARIMG_OBJECT);
    for (value = exchange->document->first; value; value = value->next) {
        if (!tarimg_in_list(except, value->name))
            tarimg_append_member(&exchange->arena, exchange->metadata, value);
    }
}

/* ---- helpers: addresses */

/* Is a URL's host one of those that the row lists? Those speak https, on its usual port. */
static int tarimg_is_key_host(const char *list, const char *text) {
    tarimg_url url;
    const char *item;
    size_t size;
    if (!list || !tarimg_split_url(text, &url) || !url.is_https || url.port != 443) return 0;
    while (tarimg_next_item(&list, &item, &size)) {
        if (tarimg_host_fits(item, size, url.host, url.host_size)) return 1;
    }
    return 0;
}

/* The provider's own: of base_url's origin, or of the hosts that share the key with it. */
static int tarimg_is_own_url(const tarimg_link *link, const char *url) {
    if (!link->base_url) return 0;
    return tarimg_same_origin(url, link->base_url) ||
           (tarimg_is_key_host(link->row->key_hosts, link->base_url) &&
            tarimg_is_key_host(link->row->key_hosts, url));
}

/* An address that a reply names for its job, if it is the provider's own; NULL: the adapter's is asked instead. */
static const char *tarimg_job_url(tarash_image_exchange *exchange, const char *path) {
    const char *url = tarimg_text_at(exchange->document, path);
    return tarimg_is_set(url) && tarimg_is_own_url(exchange->link, url) ? tarimg_copy(&exchange->arena, url)
                                                                        : NULL;
}

/* ---- helpers: errors */

static const char *tarimg_first_text(const tarimg_value *document, const char *const *paths, size_t count) {
    size_t i;
    for (i = 0; i < count; i++) {
        const char *text = tarimg_text_at(document, paths[i]);
        if (tarimg_is_set(text)) return text;
    }
    return NULL;
}

#define TARIMG_MOST_STEPS 8 /* of a path to what is wrong */

/* A list of names and numbers that leads to what is wrong: "body.prompt". */
static const char *tarimg_error_place(tarimg_arena *arena, const tarimg_value *path) {
    const tarimg_value *step = path && path->kind == TARIMG_ARRAY ? path->first : NULL;
    const char *where = "";
    int count = 0;
    for (; step && where && count < TARIMG_MOST_STEPS; step = step->next) {
        if (step->kind != TARIMG_STRING && step->kind != TARIMG_NUMBER) continue;
        where = tarimg_format(arena, "%s%s%.64s", where, *where ? "." : "", step->text);
        count++;
    }
    return where;
}

/* One entry of a list of errors: a text, or {loc, msg}, or {message}. */
static const char *tarimg_error_entry(tarimg_arena *arena, const tarimg_value *entry) {
    static const char *const paths[] = {"msg", "message", "description"};
    const char *text = entry->kind == TARIMG_STRING
                           ? entry->text
                           : tarimg_first_text(entry, paths, sizeof paths / sizeof paths[0]);
    const tarimg_value *place = tarimg_at(entry, "loc");
    const char *where = tarimg_error_place(arena, place ? place : tarimg_at(entry, "path"));
    return text && where && *where ? tarimg_format(arena, "%s: %s", where, text) : text;
}

#define TARIMG_MOST_ERRORS 8 /* of a list, that go into a message */

/* The entries of a list of errors in one text; NULL if there is none. */
static const char *tarimg_error_list(tarimg_arena *arena, const tarimg_value *list) {
    const tarimg_value *entry;
    const char *joined = NULL;
    int count = 0;
    if (!list || list->kind != TARIMG_ARRAY) return NULL;
    for (entry = list->first; entry && count < TARIMG_MOST_ERRORS; entry = entry->next) {
        const char *text = tarimg_error_entry(arena, entry);
        if (!tarimg_is_set(text)) continue;
        joined = joined ? tarimg_format(arena, "%s; %s", joined, text) : text;
        if (!joined) return NULL;
        count++;
    }
    return joined;
}

static const char *tarimg_error_message(tarimg_arena *arena, const tarimg_value *document) {
    static const char *const paths[] = {
        "error.message",       "message", "error", "detail", "detail.error", "detail.message", "error.detail",
        "error.error.message", "msg",     "title"};
    static const char *const lists[] = {"detail", "errors", "error"};
    const char *text = NULL;
    size_t i;
    for (i = 0; !text && i < sizeof lists / sizeof lists[0]; i++)
        text = tarimg_error_list(arena, tarimg_at(document, lists[i]));
    return text ? text : tarimg_first_text(document, paths, sizeof paths / sizeof paths[0]);
}

static const char *tarimg_error_code(const tarimg_value *document) {
    static const char *const paths[] = {"error.code",   "code", "error.type", "detail[0].type",
                                        "error.status", "type", "name"};
    return tarimg_first_text(document, paths, sizeof paths / sizeof paths[0]);
}

/* The codes are certain at any status; the phrases count only where the status doesn't speak against them. */
static int tarimg_is_moderation(int status, const tarimg_value *document, const char *code,
                                const char *message) {
    static const char codes[] =
        "moderation_blocked,content_policy_violation,content_filter,contentFilter,content_policy,"
        "ResponsibleAIPolicyViolation,safety_violation,content_moderation";
    static const char *const phrases[] = {"safety system",      "content moderation",
                                          "content policy",     "content_policy",
                                          "moderation_blocked", "content management policy"};
    const char *type = tarimg_text_at(document, "error.type");
    size_t i;
    if (code && tarimg_in_list(codes, code)) return 1;
    if (type && tarimg_in_list(codes, type)) return 1;
    if (status >= 500 || status == 401) return 0;
    for (i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
        if (tarimg_contains_nocase(message, phrases[i])) return 1;
    }
    return 0;
}

static tarash_image_result tarimg_result_of_status(int status) {
    static const struct {
        int status;
        tarash_image_result result;
    } table[] = {{400, TARASH_IMAGE_ERROR_VALIDATION},     {401, TARASH_IMAGE_ERROR_AUTHENTICATION},
                 {402, TARASH_IMAGE_ERROR_QUOTA_EXCEEDED}, {403, TARASH_IMAGE_ERROR_AUTHENTICATION},
                 {408, TARASH_IMAGE_ERROR_TIMEOUT},        {422, TARASH_IMAGE_ERROR_VALIDATION},
                 {429, TARASH_IMAGE_ERROR_RATE_LIMITED},   {524, TARASH_IMAGE_ERROR_TIMEOUT}};
    size_t i;
    for (i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].status == status) return table[i].result;
    }
    return TARASH_IMAGE_ERROR_HTTP;
}

/* Moderation and quota are known by the provider's words first, the status comes second. */
static tarash_image_result tarimg_classify(int status, const tarimg_value *document, const char *code,
                                           const char *message) {
    static const char quota[] = "insufficient_quota,project_spend_limit_exceeded,billing_hard_limit_reached,"
                                "insufficient_credits,quota_exceeded,insufficient_balance";
    const char *type = tarimg_text_at(document, "error.type");
    if (tarimg_is_moderation(status, document, code, message)) return TARASH_IMAGE_ERROR_CONTENT_MODERATION;
    if ((code && tarimg_in_list(quota, code)) || (type && tarimg_in_list(quota, type)))
        return TARASH_IMAGE_ERROR_QUOTA_EXCEEDED;
    return tarimg_result_of_status(status);
}

static tarash_image_delivery tarimg_delivery_of_status(int status) {
    return status == 408 || status == 502 || status == 504 || (status >= 520 && status <= 527)
               ? TARASH_IMAGE_DELIVERY_UNKNOWN
               : TARASH_IMAGE_DELIVERY_REJECTED;
}

/* An error status: reads the body's words, whatever shape they have. `plain` is the body's beginning as text.
 */
static tarash_image_result tarimg_read_error(tarash_image_exchange *exchange, const char *plain) {
    const char *message = tarimg_error_message(&exchange->arena, exchange->document),
               *code = tarimg_error_code(exchange->document);
    tarash_image_result result = tarimg_classify(exchange->status, exchange->document, code, message);
    const char *text;
    /* An expired link says nothing about the request or the key. */
    if (exchange->is_download && result != TARASH_IMAGE_ERROR_TIMEOUT) result = TARASH_IMAGE_ERROR_HTTP;
    if (!message && !exchange->document) message = plain;
    text = tarimg_format(&exchange->arena, "%s answered HTTP %d%s%s", exchange->speaker, exchange->status,
                         tarimg_is_set(message) ? ": " : "", message ? message : "");
    (void)tarimg_fail(exchange, result, code, text ? text : "");
    exchange->error.http_status = exchange->status;
    return result;
}

/* An error that comes within a 2xx, or a stream. */
static tarash_image_result tarimg_soft_error(tarash_image_exchange *exchange) {
    const char *message = tarimg_error_message(&exchange->arena, exchange->document),
               *code = tarimg_error_code(exchange->document);
    tarash_image_result result = tarimg_classify(0, exchange->document, code, message);
    if (tarimg_contains_nocase(message, "insufficient credit")) result = TARASH_IMAGE_ERROR_QUOTA_EXCEEDED;
    if (result == TARASH_IMAGE_ERROR_HTTP) result = TARASH_IMAGE_ERROR_GENERATION_FAILED;
    return tarimg_fail(exchange, result, code, message ? message : "the answer is an error without words");
}

/* ---- helpers: the reply that OpenAI made common */

#define TARIMG_BLOCKED                                                                                       \
    "the provider's safety system refused the content; change the prompt or the input images"

/* The reply that OpenAI made common: data[] of {b64_json | url, revised_prompt}. */
static tarash_image_result tarimg_read_image_list(tarash_image_exchange *exchange) {
    const tarimg_value *list = tarimg_at(exchange->document, "data"), *item;
    const tarimg_value *error = tarimg_at(exchange->document, "error");
    const char *created_at = tarimg_text_at(exchange->document, "created_at");
    tarimg_read_usage(exchange, tarimg_at(exchange->document, "usage"));
    if (!tarimg_integer_at(exchange->document, "created", &exchange->created) && created_at)
        (void)tarimg_parse_timestamp(created_at, &exchange->created);
    tarimg_read_metadata(exchange, "data,created");
    if (tarimg_is_false_at(exchange->document, "success") || (error && error->kind != TARIMG_NULL))
        return tarimg_soft_error(exchange);
    if (!list || list->kind != TARIMG_ARRAY)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_BAD_RESPONSE, NULL,
                           "the answer has no list named data");
    for (item = list->first; item; item = item->next) {
        tarimg_found *found = tarimg_add_image(exchange, tarimg_at(item, "b64_json"));
        const char *url = tarimg_text_at(item, "url");
        if (!found)
            found = tarimg_add_image(exchange, tarimg_at(item, "url"));
        else if (tarimg_is_set(url))
            found->url = tarimg_copy(&exchange->arena, url);
        if (found) {
            found->revised_prompt = tarimg_copy(&exchange->arena, tarimg_text_at(item, "revised_prompt"));
            (void)tarimg_integer_at(item, "index", &found->number);
        }
        if (tarimg_is_false_at(item, "respect_moderation")) exchange->refused_count++;
    }
    if (exchange->found) return TARASH_IMAGE_OK;
    if (exchange->refused_count)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_CONTENT_MODERATION, "respect_moderation",
                           TARIMG_BLOCKED);
    return tarimg_fail(exchange, TARASH_IMAGE_ERROR_GENERATION_FAILED, NULL, "the answer holds no image");
}

/* ---- helpers: adapting the request to a provider */

static double tarimg_ratio_distance(double a, double b) {
    return a > b ? a / b : b / a;
}

static int64_t tarimg_square_root(int64_t value) {
    int64_t low = 0, high = 3037000499;
    while (low < high) {
        int64_t middle = (low + high + 1) / 2;
        if (middle <= value / middle)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static int64_t tarimg_round_to(int64_t value, int64_t multiple) {
    value = (value + multiple / 2) / multiple * multiple;
    return value ? value : multiple;
}

/* Moves a size into the rules of a model that takes free sizes. */
static void tarimg_fit_size(const tarash_image_capabilities *caps, int *width, int *height) {
    int64_t w = *width, h = *height, pixels = w * h, step = caps->size_multiple ? caps->size_multiple : 1;
    if (caps->size_max_ratio && w > h * caps->size_max_ratio) w = h * caps->size_max_ratio;
    if (caps->size_max_ratio && h > w * caps->size_max_ratio) h = w * caps->size_max_ratio;
    pixels = w * h;
    if (caps->size_max_pixels && pixels > caps->size_max_pixels) {
        int64_t scaled = tarimg_square_root(w * caps->size_max_pixels / h);
        h = scaled * h / w;
        w = scaled;
    } else if (caps->size_min_pixels && pixels < caps->size_min_pixels) {
        int64_t scaled = tarimg_square_root(w * caps->size_min_pixels / h);
        h = scaled * h / w;
        w = scaled;
        if (w * h < caps->size_min_pixels) {
            w++;
            h++;
        }
    }
    if (caps->size_max_edge && w > caps->size_max_edge) {
        h = h * caps->size_max_edge / w;
        w = caps->size_max_edge;
    }
    if (caps->size_max_edge && h > caps->size_max_edge) {
        w = w * caps->size_max_edge / h;
        h = caps->size_max_edge;
    }
    if (caps->size_min_edge && w < caps->size_min_edge) w = caps->size_min_edge;
    if (caps->size_min_edge && h < caps->size_min_edge) h = caps->size_min_edge;
    w = tarimg_round_to(w, step);
    h = tarimg_round_to(h, step);
    while (caps->size_max_pixels && w * h > caps->size_max_pixels) {
        if (w > h)
            w -= step;
        else
            h -= step;
    }
    while (caps->size_min_pixels && w * h < caps->size_min_pixels) {
        if (w > h)
            h += step;
        else
            w += step;
    }
    while (caps->size_max_ratio && w > h * caps->size_max_ratio) w -= step;
    while (caps->size_max_ratio && h > w * caps->size_max_ratio) h -= step;
    *width = (int)w;
    *height = (int)h;
}

/* The listed size nearest in shape, then in area. */
static const char *tarimg_nearest_size(tarimg_arena *arena, const char *sizes, double ratio, double pixels) {
    const char *item, *best = NULL;
    size_t size, best_size = 0;
    double best_shape = 0, best_area = 0;
    while (tarimg_next_item(&sizes, &item, &size)) {
        int w, h;
        double shape, area;
        if (!tarimg_parse_size(item, size, &w, &h)) continue;
        shape = tarimg_ratio_distance((double)w / h, ratio);
        area = tarimg_ratio_distance((double)w * h, pixels);
        if (best && (shape > best_shape + 1e-9 || (shape > best_shape - 1e-9 && area >= best_area))) continue;
        best = item;
        best_size = size;
        best_shape = shape;
        best_area = area;
    }
    return best ? tarimg_copy_bytes(arena, best, best_size) : NULL;
}

static const char *tarimg_nearest_ratio(tarimg_arena *arena, const char *ratios, double wanted) {
    const char *item, *best = NULL;
    size_t size, best_size = 0;
    double best_distance = 0, ratio;
    while (tarimg_next_item(&ratios, &item, &size)) {
        if (!tarimg_parse_ratio(item, size, &ratio)) continue;
        if (best && tarimg_ratio_distance(ratio, wanted) >= best_distance) continue;
        best = item;
        best_size = size;
        best_distance = tarimg_ratio_distance(ratio, wanted);
    }
    return best ? tarimg_copy_bytes(arena, best, best_size) : NULL;
}

/* A size that the model takes, nearest to the one given. */
static const char *tarimg_size_for(tarimg_link *link, int width, int height) {
    const tarash_image_capabilities *caps = link->caps;
    if (caps->sizes && !tarimg_in_list(caps->sizes, "any"))
        return tarimg_nearest_size(link->arena, caps->sizes, (double)width / height, (double)width * height);
    tarimg_fit_size(caps, &width, &height);
    return tarimg_format(link->arena, "%dx%d", width, height);
}

static int tarimg_common_divisor(int a, int b) {
    while (b) {
        int rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static void tarimg_adapt_size(tarimg_link *link) {
    tarash_image_request *request = &link->request;
    const char *asked = request->size, *fitting;
    int is_auto = tarimg_equal(asked, "auto");
    if (!asked) return;
    request->size = NULL;
    if (!is_auto) (void)tarimg_parse_size(asked, strlen(asked), &link->width, &link->height);
    if (!(link->caps->fields & TARASH_IMAGE_FIELD_SIZE)) {
        if (is_auto) return; /* the provider's own choice is what leaving it out gives */
        if (link->caps->fields & TARASH_IMAGE_FIELD_ASPECT_RATIO) return; /* becomes a ratio */
        tarimg_warn(link, "size", asked, NULL, "this provider takes no size");
        return;
    }
    if (is_auto) {
        if (!link->caps->sizes || tarimg_in_list(link->caps->sizes, "auto")) request->size = asked;
        return;
    }
    fitting = tarimg_size_for(link, link->width, link->height);
    request->size = fitting;
    if (fitting && !tarimg_equal(fitting, asked))
        tarimg_warn(link, "size", asked, fitting, "the nearest size that this model takes");
}

#define TARIMG_DEFAULT_PIXELS 1048576 /* of a size made from an aspect ratio */

/* A ratio where only sizes are taken. */
static void tarimg_ratio_to_size(tarimg_link *link, const char *asked, double ratio) {
    int64_t width = tarimg_square_root((int64_t)((double)TARIMG_DEFAULT_PIXELS * ratio));
    int64_t height = (int64_t)((double)width / ratio + 0.5);
    width = tarimg_round_to(width, 16);
    height = tarimg_round_to(height, 16);
    link->width = (int)width;
    link->height = (int)height;
    if (link->caps->sizes && !tarimg_in_list(link->caps->sizes, "any"))
        link->request.size =
            tarimg_nearest_size(link->arena, link->caps->sizes, ratio, TARIMG_DEFAULT_PIXELS);
    else
        link->request.size = tarimg_size_for(link, link->width, link->height);
    if (link->request.size)
        tarimg_warn(link, "aspect_ratio", asked, link->request.size, "this provider takes sizes, not ratios");
}

/* A size where only ratios are taken. */
static void tarimg_size_to_ratio(tarimg_link *link) {
    int divisor = tarimg_common_divisor(link->width, link->height);
    const char *exact = tarimg_format(link->arena, "%d:%d", link->width / divisor, link->height / divisor);
    const char *asked = tarimg_format(link->arena, "%dx%d", link->width, link->height);
    const char *ratios = link->caps->aspect_ratios;
    link->request.aspect_ratio =
        ratios ? tarimg_nearest_ratio(link->arena, ratios, (double)link->width / link->height) : exact;
    if (link->request.aspect_ratio)
        tarimg_warn(link, "size", asked, link->request.aspect_ratio,
                    "this provider takes aspect ratios, not sizes");
}

static void tarimg_adapt_ratio(tarimg_link *link) {
    tarash_image_request *request = &link->request;
    const char *asked = request->aspect_ratio, *ratios = link->caps->aspect_ratios;
    double ratio = 0;
    int takes_ratio = (link->caps->fields & TARASH_IMAGE_FIELD_ASPECT_RATIO) != 0;
    int takes_size = (link->caps->fields & TARASH_IMAGE_FIELD_SIZE) != 0;
    request->aspect_ratio = NULL;
    if (!asked) {
        if (takes_ratio && !takes_size && link->width) tarimg_size_to_ratio(link);
        return;
    }
    if (tarimg_equal(asked, "auto")) {
        if (takes_ratio && (!ratios || tarimg_in_list(ratios, "auto"))) request->aspect_ratio = asked;
        return;
    }
    (void)tarimg_parse_ratio(asked, strlen(asked), &ratio);
    if (link->width) {
        if (tarimg_ratio_distance(ratio, (double)link->width / link->height) > 1.01)
            tarimg_warn(link, "aspect_ratio", asked, NULL, "size is set, too, and wins");
        if (takes_ratio && !takes_size) tarimg_size_to_ratio(link);
        return;
    }
    if (takes_ratio) {
        request->aspect_ratio = !ratios || tarimg_in_list(ratios, asked)
                                    ? asked
                                    : tarimg_nearest_ratio(link->arena, ratios, ratio);
        if (request->aspect_ratio && !tarimg_equal(request->aspect_ratio, asked))
            tarimg_warn(link, "aspect_ratio", asked, request->aspect_ratio,
                        "the nearest ratio that this model takes");
        return;
    }
    if (takes_size)
        tarimg_ratio_to_size(link, asked, ratio);
    else
        tarimg_warn(link, "aspect_ratio", asked, NULL, "this provider takes no aspect ratio");
}

/* How much work a quality word stands for; 0 = not a word of this ladder. */
static int tarimg_quality_rank(const char *word, size_t size) {
    static const struct {
        const char *word;
        int rank;
    } ladder[] = {{"low", 1},
                  {"draft", 1},
                  {"standard", 2},
                  {"medium", 2},
                  {"hd", 3},
                  {"high", 3},
                  {"xhigh", 4},
                  {"max", 5},
                  {"ultra", 5},
                  {"very_low", 1},
                  /* resolutions and speeds, where a model has those instead */
                  {"0.5k", 1},
                  {"1k", 2},
                  {"2k", 3},
                  {"4k", 5},
                  {"turbo", 1},
                  {"balanced", 2},
                  {"default", 2},
                  {"quality", 3}};
    size_t i;
    for (i = 0; i < sizeof ladder / sizeof ladder[0]; i++) {
        if (strlen(ladder[i].word) == size && tarimg_equal_bytes_nocase(ladder[i].word, word, size))
            return ladder[i].rank;
    }
    return 0;
}

/* A word in the list's own spelling. */
static const char *tarimg_listed_word(tarimg_link *link, const char *list, const char *word) {
    const char *item = tarimg_find_item(list, word);
    return item ? tarimg_copy_bytes(link->arena, item, strlen(word)) : word;
}

static void tarimg_adapt_quality(tarimg_link *link) {
    const char *asked = link->request.quality, *list = link->caps->qualities, *item, *best = NULL;
    size_t size, best_size = 0;
    int rank, distance, best_distance = 100;
    if (!asked || !(link->caps->fields & TARASH_IMAGE_FIELD_QUALITY)) return;
    if (!list) return;
    if (tarimg_in_list(list, asked)) {
        link->request.quality = tarimg_listed_word(link, list, asked);
        return;
    }
    link->request.quality = NULL;
    if (tarimg_equal(asked, "auto")) return; /* what leaving it out gives */
    rank = tarimg_quality_rank(asked, strlen(asked));
    if (!rank) {
        link->request.quality = asked; /* a word newer than the table */
        return;
    }
    while (tarimg_next_item(&list, &item, &size)) {
        int other = tarimg_quality_rank(item, size);
        distance = other > rank ? other - rank : rank - other;
        if (!other || distance >= best_distance) continue;
        best = item;
        best_size = size;
        best_distance = distance;
    }
    if (best) link->request.quality = tarimg_copy_bytes(link->arena, best, best_size);
    tarimg_warn(link, "quality", asked, link->request.quality, "the nearest word that this model takes");
}

/* A word that must be of the model's list, if it has one. */
static const char *tarimg_adapt_word(tarimg_link *link, const char *field, const char *asked,
                                     const char *list) {
    if (!asked || !list) return asked;
    if (tarimg_in_list(list, asked)) return tarimg_listed_word(link, list, asked);
    if (tarimg_equal(asked, "auto")) return NULL;
    tarimg_warn(link, field, asked, NULL, "this model doesn't take that value");
    return NULL;
}

/* One format, two spellings: the list's own, else the standard's. */
static const char *tarimg_adapt_jpeg(const char *asked, const char *list) {
    if (!asked || !tarimg_in_list("jpg,jpeg", asked)) return asked;
    return list && tarimg_in_list(list, "jpg") && !tarimg_in_list(list, "jpeg") ? "jpg" : "jpeg";
}

/* Fields that a provider lacks altogether. */
static void tarimg_drop_unsupported(tarimg_link *link) {
    tarash_image_request *request = &link->request;
    static const struct {
        uint32_t field;
        const char *name;
        size_t offset;
    } texts[] = {
        {TARASH_IMAGE_FIELD_NEGATIVE_PROMPT, "negative_prompt",
         offsetof(tarash_image_request, negative_prompt)},
        {TARASH_IMAGE_FIELD_QUALITY, "quality", offsetof(tarash_image_request, quality)},
        {TARASH_IMAGE_FIELD_STYLE, "style", offsetof(tarash_image_request, style)},
        {TARASH_IMAGE_FIELD_OUTPUT_FORMAT, "output_format", offsetof(tarash_image_request, output_format)},
        {TARASH_IMAGE_FIELD_BACKGROUND, "background", offsetof(tarash_image_request, background)},
        {TARASH_IMAGE_FIELD_USER, "user", offsetof(tarash_image_request, user)}};
    size_t i;
    for (i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char **value = (const char **)(void *)((char *)request + texts[i].offset);
        if (!*value || (link->caps->fields & texts[i].field)) continue;
        /* What leaving it out gives needs no warning. */
        if (!tarimg_equal(*value, "auto"))
            tarimg_warn(link, texts[i].name, *value, NULL, "this model has no such setting");
        *value = NULL;
    }
    if (request->has_seed && !(link->caps->fields & TARASH_IMAGE_FIELD_SEED)) {
        tarimg_warn(link, "seed", tarimg_format(link->arena, "%lld", (long long)request->seed), NULL,
                    "this model takes no seed");
        request->has_seed = 0;
    }
    if (request->partial_images && !(link->caps->fields & TARASH_IMAGE_FIELD_PARTIAL_IMAGES)) {
        tarimg_warn(link, "partial_images", tarimg_format(link->arena, "%d", request->partial_images), NULL,
                    "this model sends no previews");
        request->partial_images = 0;
    }
    if (request->output == TARASH_IMAGE_OUTPUT_URL && !(link->caps->fields & TARASH_IMAGE_FIELD_OUTPUT)) {
        tarimg_warn(link, "output", "url", "bytes", "this model answers with bytes only");
        request->output = TARASH_IMAGE_OUTPUT_BYTES;
    }
}

/* Drawings and animations come one at a time, and without previews. */
static void tarimg_adapt_format(tarimg_link *link) {
    tarash_image_request *request = &link->request;
    if (!request->output_format || !tarimg_in_list("svg,gif", request->output_format)) return;
    if (tarimg_equal_nocase(request->output_format, "svg")) link->per_call = 1;
    if (!request->partial_images) return;
    tarimg_warn(link, "partial_images", tarimg_format(link->arena, "%d", request->partial_images), NULL,
                "this output format has no previews");
    request->partial_images = 0;
}

/* How n is split: what one call yields, and seeds that differ between calls. */
static void tarimg_adapt_count(tarimg_link *link) {
    const tarash_image_capabilities *caps = link->caps;
    tarash_image_request *request = &link->request;
    link->count = request->n > 0 ? request->n : 1;
    if (!link->per_call) link->per_call = link->count;
    if (caps->max_n && link->per_call > caps->max_n) link->per_call = caps->max_n;
    if (!(caps->fields & TARASH_IMAGE_FIELD_N)) {
        link->per_call = 1;
        request->n = 0;
    }
    if (request->partial_images) link->per_call = 1; /* previews of several images couldn't be told apart */
    if (request->has_seed && link->per_call < link->count)
        tarimg_warn(link, "seed", tarimg_format(link->arena, "%lld", (long long)request->seed),
                    tarimg_format(link->arena, "%lld, and counting up from it", (long long)request->seed),
                    "n is split into several calls, which would all give the same images");
}

static const char *tarimg_polarity_name(tarash_image_mask_polarity polarity) {
    static const char *const names[] = {"none", "white", "black", "transparent"};
    return names[polarity];
}

static void tarimg_compare_mask(tarimg_link *link) {
    const tarimg_input *mask = link->mask, *image = link->inputs;
    if (!mask || !mask->width || !image->width ||
        (mask->width == image->width && mask->height == image->height))
        return;
    tarimg_add_note(link, 1, "mask", tarimg_format(link->arena, "%dx%d", mask->width, mask->height),
                    "unchanged",
                    tarimg_format(link->arena,
                                  "the first image is %dx%d, and most providers want a mask of the same size",
                                  image->width, image->height));
}

static void tarimg_adapt_mask(tarimg_link *link) {
    tarash_image_mask_polarity polarity = link->caps->mask;
    const char *name = tarimg_polarity_name(polarity);
    const char *why;
    int fits;
    if (!link->mask || link->request.mask.pixels) return;
    if (polarity == TARASH_IMAGE_MASK_NONE || polarity == TARASH_IMAGE_MASK_WHITE) return;
    fits = polarity == TARASH_IMAGE_MASK_TRANSPARENT && link->mask->has_alpha;
    why = tarimg_format(link->arena,
                        "an encoded mask goes out as it is, and this provider edits where it is %s; give "
                        "pixels to have it converted",
                        name);
    if (why)
        tarimg_add_note(link, fits, "mask", "white marks what to edit",
                        tarimg_format(link->arena, "unchanged, %s marks it", name), why);
}

static void tarimg_adapt_roles(tarimg_link *link) {
    static const char *const names[] = {"reference", "first_frame", "last_frame", "asset", "style"};
    size_t i;
    if (link->caps->fields & TARASH_IMAGE_FIELD_ROLES) return;
    for (i = 0; i < link->input_count; i++) {
        const tarimg_input *input = &link->inputs[i];
        if (input->role != TARASH_IMAGE_ROLE_REFERENCE)
            tarimg_warn(link, tarimg_format(link->arena, "%s.role", input->field), names[input->role],
                        "reference", "this provider has no roles for input images");
    }
}

/* The request as this link's provider and model take it. */
static void tarimg_adapt(tarimg_link *link) {
    tarash_image_request *request = &link->request;
    const tarash_image_capabilities *caps = link->caps;
    tarimg_drop_unsupported(link);
    tarimg_adapt_size(link);
    tarimg_adapt_ratio(link);
    tarimg_adapt_quality(link);
    tarimg_adapt_mask(link);
    tarimg_compare_mask(link);
    tarimg_adapt_roles(link);
    request->style = tarimg_adapt_word(link, "style", request->style, caps->styles);
    request->background = tarimg_adapt_word(link, "background", request->background, caps->backgrounds);
    request->output_format = tarimg_adapt_jpeg(request->output_format, caps->output_formats);
    request->output_format =
        tarimg_adapt_word(link, "output_format", request->output_format, caps->output_formats);
    tarimg_adapt_format(link);
    tarimg_adapt_count(link);
}

/* ---- helpers: mapped fields

   A mapping takes standard fields over: build_fn doesn't see them, and they are written from here. */

#define TARIMG_MAPPED_PROMPT (1u << 31) /* beside the bits of tarash_image_field */

typedef struct tarimg_mapped {
    uint32_t field;     /* TARASH_IMAGE_FIELD_..., or TARIMG_MAPPED_PROMPT */
    const char *target; /* "" = the model has no such field */
    struct tarimg_mapped *next;
} tarimg_mapped;

static const struct {
    const char *name;
    uint32_t field;
    size_t
        offset; /* of a text in the request; 0: no text (nor is the prompt, which stands first, looked up by it) */
} tarimg_mappable[] = {
    {"prompt", TARIMG_MAPPED_PROMPT, offsetof(tarash_image_request, prompt)},
    {"negative_prompt", TARASH_IMAGE_FIELD_NEGATIVE_PROMPT, offsetof(tarash_image_request, negative_prompt)},
    {"size", TARASH_IMAGE_FIELD_SIZE, offsetof(tarash_image_request, size)},
    {"aspect_ratio", TARASH_IMAGE_FIELD_ASPECT_RATIO, offsetof(tarash_image_request, aspect_ratio)},
    {"quality", TARASH_IMAGE_FIELD_QUALITY, offsetof(tarash_image_request, quality)},
    {"style", TARASH_IMAGE_FIELD_STYLE, offsetof(tarash_image_request, style)},
    {"output_format", TARASH_IMAGE_FIELD_OUTPUT_FORMAT, offsetof(tarash_image_request, output_format)},
    {"background", TARASH_IMAGE_FIELD_BACKGROUND, offsetof(tarash_image_request, background)},
    {"user", TARASH_IMAGE_FIELD_USER, offsetof(tarash_image_request, user)},
    {"n", TARASH_IMAGE_FIELD_N, 0},
    {"seed", TARASH_IMAGE_FIELD_SEED, 0},
    {"images", TARASH_IMAGE_FIELD_IMAGES, 0},
    {"mask", TARASH_IMAGE_FIELD_MASK, 0}};

#define TARIMG_MAPPABLE_COUNT (sizeof tarimg_mappable / sizeof tarimg_mappable[0])
#define TARIMG_MAPPED_TEXTS   9 /* of them are texts, and stand first */

static uint32_t tarimg_mappable_field(const char *name, size_t size) {
    size_t i;
    for (i = 0; i < TARIMG_MAPPABLE_COUNT; i++) {
        if (strlen(tarimg_mappable[i].name) == size && memcmp(tarimg_mappable[i].name, name, size) == 0)
            return tarimg_mappable[i].field;
    }
    return 0;
}

static const tarimg_mapped *tarimg_find_mapped(const tarimg_link *link, uint32_t field) {
    const tarimg_mapped *mapped = link->mapped;
    while (mapped && mapped->field != field) mapped = mapped->next;
    return mapped;
}

static const char **tarimg_request_text(tarash_image_request *request, size_t index) {
    return (const char **)(void *)((char *)request + tarimg_mappable[index].offset);
}

/* The request as build_fn sees it: without what a mapping takes over. */
static void tarimg_hide_mapped(const tarimg_link *link, tarash_image_request *request) {
    size_t i;
    for (i = 0; i < TARIMG_MAPPED_TEXTS; i++) {
        if (tarimg_find_mapped(link, tarimg_mappable[i].field)) *tarimg_request_text(request, i) = NULL;
    }
    if (tarimg_find_mapped(link, TARASH_IMAGE_FIELD_N)) request->n = 0;
    if (tarimg_find_mapped(link, TARASH_IMAGE_FIELD_SEED)) request->has_seed = 0;
    if (tarimg_find_mapped(link, TARASH_IMAGE_FIELD_IMAGES)) {
        request->images = NULL;
        request->image_count = 0;
    }
    if (tarimg_find_mapped(link, TARASH_IMAGE_FIELD_MASK)) memset(&request->mask, 0, sizeof request->mask);
}

/* The part of a body field that names a place; what follows says in which form. */
static size_t tarimg_target_size(const char *target, size_t size) {
    size_t i = 0;
    while (i < size && !strchr("[{+", target[i])) i++;
    return i;
}

/* An entry of a mapping's list, "standard" or "standard=body", in its parts. */
typedef struct tarimg_entry {
    uint32_t field;
    const char *target;
    size_t target_size;
    const char *places[2]; /* "w+h" names two */
    size_t place_sizes[2];
} tarimg_entry;

static int tarimg_next_entry(const char **fields, tarimg_entry *entry) {
    const char *item, *equals;
    size_t size, name_size;
    if (!tarimg_next_item(fields, &item, &size)) return 0;
    equals = (const char *)memchr(item, '=', size);
    name_size = equals ? (size_t)(equals - item) : size;
    entry->field = tarimg_mappable_field(item, name_size);
    entry->target = equals ? equals + 1 : item;
    entry->target_size = equals ? size - name_size - 1 : size;
    entry->places[0] = entry->places[1] = entry->target;
    entry->place_sizes[0] = tarimg_target_size(entry->target, entry->target_size);
    entry->place_sizes[1] = 0;
    if (entry->place_sizes[0] < entry->target_size && entry->target[entry->place_sizes[0]] == '+') {
        entry->places[1] += entry->place_sizes[0] + 1;
        entry->place_sizes[1] = entry->target_size - entry->place_sizes[0] - 1;
    }
    return 1;
}

/* Reads "standard=body,..."; entries of unknown names are left out. */
static tarimg_mapped *tarimg_parse_mapping(tarimg_arena *arena, const char *fields) {
    tarimg_mapped *first = NULL;
    tarimg_entry entry;
    while (tarimg_next_entry(&fields, &entry)) {
        tarimg_mapped *mapped = entry.field ? (tarimg_mapped *)tarimg_take(arena, sizeof *mapped) : NULL;
        if (!mapped) continue;
        mapped->field = entry.field;
        mapped->target = tarimg_copy_bytes(arena, entry.target, entry.target_size);
        mapped->next = first;
        if (mapped->target) first = mapped;
    }
    return first;
}

static void tarimg_put_mapped(tarash_image_exchange *exchange, tarimg_value *root, const char *target,
                              tarimg_value *value) {
    if (!value || !root) return;
    if (exchange->is_form)
        tarimg_set(&exchange->arena, root, target, value);
    else if (!tarimg_put(&exchange->arena, root, target, value) && !exchange->arena.failed)
        (void)tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                          tarimg_format(&exchange->arena,
                                        "field mapping: \"%s\" doesn't fit the body's other fields", target));
}

/* A size: text, an object ("name{}"), or two numbers ("name+name"). */
static void tarimg_put_mapped_size(tarash_image_exchange *exchange, tarimg_value *root, const char *target,
                                   const char *size) {
    tarimg_arena *arena = &exchange->arena;
    const char *name = tarimg_copy_bytes(arena, target, strcspn(target, "+{")), *wide = name, *high = NULL;
    int width, height, is_object = strchr(target, '{') != NULL;
    if (strchr(target, '+')) high = strchr(target, '+') + 1;
    if (is_object && name) {
        wide = tarimg_format(arena, "%s.width", name);
        high = tarimg_format(arena, "%s.height", name);
    }
    if (!name || !wide) return;
    if (!tarimg_parse_size(size, strlen(size), &width, &height)) {
        if (high && !is_object)
            return; /* two numbers have no word for "auto", which is what leaving them out gives */
        high = NULL;
    }
    if (!high) {
        tarimg_put_mapped(exchange, root, name, tarimg_value_text(arena, size));
        return;
    }
    tarimg_put_mapped(exchange, root, wide, tarimg_value_integer(arena, width));
    tarimg_put_mapped(exchange, root, high, tarimg_value_integer(arena, height));
}

static void tarimg_put_mapped_images(tarash_image_exchange *exchange, tarimg_value *root,
                                     const char *target) {
    size_t i, name_size = strcspn(target, "[");
    const char *name = tarimg_copy_bytes(&exchange->arena, target, name_size);
    for (i = 0; name && i < exchange->link->input_count; i++) {
        if (exchange->is_form)
            tarimg_form_file(exchange, name, i);
        else
            tarimg_put_mapped(exchange, root, target, tarimg_input_value(exchange, TARIMG_INPUT_URL, i));
    }
}

static void tarimg_put_mapped_mask(tarash_image_exchange *exchange, tarimg_value *root, const char *target) {
    if (exchange->is_form)
        tarimg_form_file(exchange, target, (size_t)-1);
    else
        tarimg_put_mapped(exchange, root, target, tarimg_input_value(exchange, TARIMG_INPUT_URL, (size_t)-1));
}

static void tarimg_put_mapped_text(tarash_image_exchange *exchange, tarimg_value *root,
                                   tarash_image_request *request, size_t index) {
    const tarimg_mapped *mapped = tarimg_find_mapped(exchange->link, tarimg_mappable[index].field);
    const char *text = *tarimg_request_text(request, index);
    if (!mapped || !mapped->target[0] || !text) return;
    if (mapped->field == TARASH_IMAGE_FIELD_SIZE)
        tarimg_put_mapped_size(exchange, root, mapped->target, text);
    else if (mapped->field != TARIMG_MAPPED_PROMPT || text[0])
        tarimg_put_mapped(exchange, root, mapped->target, tarimg_value_text(&exchange->arena, text));
}

/* Writes the mapping's constants and fields of `request` into the body. */
static void tarimg_write_mapped(tarash_image_exchange *exchange, tarimg_value *root,
                                tarash_image_request *request) {
    const tarimg_link *link = exchange->link;
    const tarimg_mapped *mapped;
    size_t i;
    if (!root) return;
    if (link->constants) tarimg_merge(&exchange->arena, root, link->constants);
    for (i = 0; i < TARIMG_MAPPED_TEXTS; i++) tarimg_put_mapped_text(exchange, root, request, i);
    mapped = tarimg_find_mapped(link, TARASH_IMAGE_FIELD_N);
    if (mapped && mapped->target[0] && request->n > 0)
        tarimg_put_mapped(exchange, root, mapped->target,
                          tarimg_value_integer(&exchange->arena, exchange->count));
    mapped = tarimg_find_mapped(link, TARASH_IMAGE_FIELD_SEED);
    if (mapped && mapped->target[0] && request->has_seed)
        tarimg_put_mapped(exchange, root, mapped->target,
                          tarimg_value_integer(&exchange->arena, request->seed));
    mapped = tarimg_find_mapped(link, TARASH_IMAGE_FIELD_IMAGES);
    if (mapped && mapped->target[0]) tarimg_put_mapped_images(exchange, root, mapped->target);
    mapped = tarimg_find_mapped(link, TARASH_IMAGE_FIELD_MASK);
    if (mapped && mapped->target[0] && link->mask) tarimg_put_mapped_mask(exchange, root, mapped->target);
}

/* >>provider openai
   Also openai_compatible. JSON for generations and for edits of images given by URL, a form for edits of
   bytes; one JSON reply, or a stream of events with previews.
   https://platform.openai.com/docs/api-reference/images */

static int tarimg_openai_any_url_input(const tarimg_link *link) {
    size_t i;
    for (i = 0; i < link->input_count; i++) {
        if (!tarimg_input_has_bytes(&link->inputs[i])) return 1;
    }
    return link->mask && !tarimg_input_has_bytes(link->mask);
}

static tarimg_value *tarimg_openai_json_image(tarash_image_exchange *exchange, size_t index) {
    tarimg_value *image = tarimg_value_new(&exchange->arena, TARIMG_OBJECT);
    tarimg_set(&exchange->arena, image, "image_url", tarimg_input_value(exchange, TARIMG_INPUT_URL, index));
    return image;
}

static void tarimg_openai_json_images(tarash_image_exchange *exchange) {
    tarimg_value *list = tarimg_value_new(&exchange->arena, TARIMG_ARRAY);
    size_t i;
    for (i = 0; i < exchange->link->input_count; i++)
        tarimg_append_value(list, tarimg_openai_json_image(exchange, i));
    tarimg_set(&exchange->arena, tarimg_body_object(exchange), "images", list);
    if (exchange->link->mask)
        tarimg_set(&exchange->arena, tarimg_body_object(exchange), "mask",
                   tarimg_openai_json_image(exchange, (size_t)-1));
}

static void tarimg_openai_form_images(tarash_image_exchange *exchange) {
    size_t i, count = exchange->link->input_count;
    exchange->is_form = 1;
    for (i = 0; i < count; i++) tarimg_form_file(exchange, count == 1 ? "image" : "image[]", i);
    if (exchange->link->mask) tarimg_form_file(exchange, "mask", (size_t)-1);
}

/* Old models are asked for one of the two forms; GPT image models refuse the question and answer base64. */
static const char *tarimg_openai_response_format(const tarimg_link *link) {
    if (!(link->caps->fields & TARASH_IMAGE_FIELD_OUTPUT)) return NULL;
    return link->request.output == TARASH_IMAGE_OUTPUT_URL ? "url" : "b64_json";
}

static const char *tarimg_compatible_response_format(tarimg_link *link) {
    const tarimg_value *option = tarimg_at(link->options, "response_format");
    const char *wanted = tarimg_openai_response_format(link), *sent = wanted;
    if (option)
        sent = option->kind == TARIMG_STRING ? option->text : NULL;
    else if (tarimg_contains_nocase(link->model, "gpt-image"))
        sent = NULL;
    if (link->request.output == TARASH_IMAGE_OUTPUT_URL && !tarimg_equal(sent, "url"))
        tarimg_warn(link, "output", "url", sent,
                    "response_format says otherwise; the server may answer with bytes");
    return sent;
}

/* The call, and the images that it takes; servers that know no JSON edits get forms only. */
static void tarimg_openai_build_images(tarash_image_exchange *exchange, int takes_urls) {
    const tarimg_link *link = exchange->link;
    int is_edit = link->input_count != 0;
    if (link->operation) is_edit = tarimg_equal(link->operation->operation, "edit");
    tarimg_send(exchange, "POST",
                link->operation ? link->operation->call
                : is_edit       ? "images/edits"
                                : "images/generations");
    if (!link->input_count) return;
    if (takes_urls && is_edit && tarimg_openai_any_url_input(link))
        tarimg_openai_json_images(exchange);
    else
        tarimg_openai_form_images(exchange);
}

static void tarimg_openai_check_background(tarash_image_exchange *exchange) {
    const tarash_image_request *request = &exchange->request;
    if (!tarimg_equal(request->background, "transparent") || !tarimg_equal(request->output_format, "jpeg"))
        return;
    tarimg_warn(exchange->link, "output_format", "jpeg", NULL, "a transparent background needs png or webp");
    tarimg_remove_member(tarimg_body_object(exchange), "output_format");
}

static void tarimg_openai_build_stream(tarash_image_exchange *exchange) {
    if (!exchange->link->request.partial_images) return;
    tarimg_set_true(&exchange->arena, tarimg_body_object(exchange), "stream");
    tarimg_body_integer(exchange, "partial_images", exchange->link->request.partial_images);
}

static tarash_image_result tarimg_openai_build(tarash_image_exchange *exchange) {
    tarimg_body_common(exchange);
    tarimg_openai_build_images(exchange, 1);
    tarimg_body_set(exchange, "response_format", tarimg_openai_response_format(exchange->link));
    tarimg_openai_check_background(exchange);
    tarimg_openai_build_stream(exchange);
    tarimg_add_header(&exchange->arena, &exchange->headers, "OpenAI-Organization",
                      tarimg_option(exchange->link, "organization"));
    tarimg_add_header(&exchange->arena, &exchange->headers, "OpenAI-Project",
                      tarimg_option(exchange->link, "project"));
    exchange->image_paths = "data[].b64_json,?data[].url,b64_json";
    return TARASH_IMAGE_OK;
}

/* Other servers of the protocol: forms only, for not all know the JSON edits. */
static tarash_image_result tarimg_compatible_build(tarash_image_exchange *exchange) {
    tarimg_body_common(exchange);
    tarimg_openai_build_images(exchange, 0);
    tarimg_body_set(exchange, "response_format", tarimg_compatible_response_format(exchange->link));
    tarimg_openai_build_stream(exchange);
    exchange->image_paths = "data[].b64_json,?data[].url,b64_json";
    return TARASH_IMAGE_OK;
}

/* An error event holds an error object, or is one. */
static int tarimg_openai_is_error_event(const tarimg_value *document) {
    const char *type = tarimg_text_at(document, "type");
    const tarimg_value *error = tarimg_at(document, "error");
    if (error && error->kind != TARIMG_NULL) return 1;
    return tarimg_contains_nocase(type, "error") ||
           (tarimg_text_at(document, "message") && tarimg_at(document, "code"));
}

static tarash_image_result tarimg_openai_event(tarash_image_exchange *exchange) {
    const char *type = tarimg_text_at(exchange->document, "type");
    int64_t index = 0;
    if (tarimg_contains_nocase(type, ".partial_image")) {
        (void)tarimg_integer_at(exchange->document, "partial_image_index", &index);
        exchange->is_preview = 1;
        exchange->preview_index = index < 0 ? 0 : (size_t)index;
        (void)tarimg_add_image(exchange, tarimg_at(exchange->document, "b64_json"));
        return TARASH_IMAGE_OK;
    }
    if (tarimg_openai_is_error_event(exchange->document)) return tarimg_soft_error(exchange);
    if (!tarimg_contains_nocase(type, ".completed")) return TARASH_IMAGE_OK;
    if (!tarimg_add_image(exchange, tarimg_at(exchange->document, "b64_json")))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_GENERATION_FAILED, NULL,
                           "the completed event holds no image");
    tarimg_read_usage(exchange, tarimg_at(exchange->document, "usage"));
    (void)tarimg_integer_at(exchange->document, "created_at", &exchange->created);
    tarimg_read_metadata(exchange, "type,b64_json,created_at");
    exchange->stream_done = 1;
    return TARASH_IMAGE_OK;
}

static const tarimg_adapter tarimg_openai_adapter = {
    tarimg_openai_build, tarimg_read_image_list, tarimg_openai_event, NULL, 0, 0, NULL, NULL, NULL, 0, NULL};
static const tarimg_adapter tarimg_compatible_adapter = {tarimg_compatible_build,
                                                         tarimg_read_image_list,
                                                         tarimg_openai_event,
                                                         NULL,
                                                         0,
                                                         0,
                                                         NULL,
                                                         NULL,
                                                         NULL,
                                                         0,
                                                         NULL};

/* >>provider indoxrouter
   A router: the model is "provider/name". A refusal may come as HTTP 200 with success false.
   https://indoxhub.com/docs/usage/images */

static tarash_image_result tarimg_indoxrouter_build(tarash_image_exchange *exchange) {
    tarash_image_output output = exchange->link->request.output;
    tarimg_send(exchange, "POST", "api/v1/images/generations");
    tarimg_body_common(exchange);
    if (output == TARASH_IMAGE_OUTPUT_URL) tarimg_body_set(exchange, "response_format", "url");
    if (output == TARASH_IMAGE_OUTPUT_BASE64) tarimg_body_set(exchange, "response_format", "b64_json");
    tarimg_body_set(exchange, "byok_api_key", tarimg_option(exchange->link, "byok_api_key"));
    exchange->image_paths = "data[].b64_json,?data[].url";
    return TARASH_IMAGE_OK;
}

static const tarimg_adapter tarimg_indoxrouter_adapter = {
    tarimg_indoxrouter_build, tarimg_read_image_list, NULL, NULL, 0, 0, NULL, NULL, NULL, 0, NULL};

/* >>provider atoma
   Answers with URLs only; n is required. https://github.com/atoma-network/atoma-sdk-python */

static tarash_image_result tarimg_atoma_build(tarash_image_exchange *exchange) {
    tarimg_send(exchange, "POST", "v1/images/generations");
    tarimg_body_common(exchange);
    tarimg_body_integer(exchange, "n", exchange->count);
    exchange->image_paths = "data[].b64_json,?data[].url";
    return TARASH_IMAGE_OK;
}

static const tarimg_adapter tarimg_atoma_adapter = {
    tarimg_atoma_build, tarimg_read_image_list, NULL, NULL, 0, 0, NULL, NULL, NULL, 0, NULL};

/* >>provider xai
   Ratios and a resolution instead of sizes, JSON for edits, too, and refusals within HTTP 200.
   https://docs.x.ai/docs/guides/image-generations */

static tarimg_value *tarimg_xai_image(tarash_image_exchange *exchange, size_t index) {
    tarimg_value *image = tarimg_value_new(&exchange->arena, TARIMG_OBJECT);
    tarimg_set(&exchange->arena, image, "url", tarimg_input_value(exchange, TARIMG_INPUT_URL, index));
    tarimg_set_text(&exchange->arena, image, "type", "image_url");
    return image;
}

static void tarimg_xai_images(tarash_image_exchange *exchange) {
    size_t i, count = exchange->link->input_count;
    tarimg_value *list;
    if (count == 1) {
        tarimg_set(&exchange->arena, tarimg_body_object(exchange), "image", tarimg_xai_image(exchange, 0));
        return;
    }
    list = tarimg_value_new(&exchange->arena, TARIMG_ARRAY);
    for (i = 0; i < count; i++) tarimg_append_value(list, tarimg_xai_image(exchange, i));
    tarimg_set(&exchange->arena, tarimg_body_object(exchange), "images", list);
}

#define TARIMG_XAI_1K_EDGE 1536 /* a size beyond this asks for the 2k resolution */

static tarash_image_result tarimg_xai_build(tarash_image_exchange *exchange) {
    tarimg_link *link = exchange->link;
    tarimg_send(exchange, "POST", link->input_count ? "images/edits" : "images/generations");
    tarimg_body_common(exchange);
    if (link->width)
        tarimg_body_set(exchange, "resolution",
                        link->width > TARIMG_XAI_1K_EDGE || link->height > TARIMG_XAI_1K_EDGE ? "2k" : "1k");
    if (link->input_count) tarimg_xai_images(exchange);
    if (link->input_count == 1 && exchange->request.aspect_ratio) {
        tarimg_warn(link, "aspect_ratio", exchange->request.aspect_ratio, NULL,
                    "an edit of one image keeps that image's ratio");
        tarimg_remove_member(tarimg_body_object(exchange), "aspect_ratio");
    }
    tarimg_body_set(exchange, "response_format", tarimg_openai_response_format(link));
    exchange->image_paths = "data[].b64_json,?data[].url";
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_xai_read(tarash_image_exchange *exchange) {
    const tarimg_value *list = tarimg_at(exchange->document, "data");
    tarash_image_result result = tarimg_read_image_list(exchange);
    if (result == TARASH_IMAGE_ERROR_GENERATION_FAILED && list && !list->first)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_CONTENT_MODERATION, NULL, TARIMG_BLOCKED);
    return result;
}

static const tarimg_adapter tarimg_xai_adapter = {
    tarimg_xai_build, tarimg_xai_read, NULL, NULL, 0, 0, NULL, NULL, NULL, 0, NULL};

/* >>provider azure_openai
   OpenAI's protocol at deployments of one's own, with forms for every edit. A dated version goes with the path of a
   deployment, none, "v1" and "preview" with the path of v1; the base URL may end at the resource, at /openai, at
   /openai/v1, at a project, at a deployment, or be a whole target URI. A version in its query wins.
   https://learn.microsoft.com/azure/ai-foundry/openai/reference-preview */

#define TARIMG_AZURE_VERSION "2025-04-01-preview" /* for a deployment's URL that comes without one */

typedef struct tarimg_azure_base {
    const char *root;       /* up to the query, without a call or a slash at its end */
    const char *query;      /* behind the '?', "" = none */
    const char *version;    /* that the query has, or NULL */
    const char *deployment; /* that the root names, or NULL */
} tarimg_azure_base;

static int tarimg_azure_ends(const char *text, size_t size, const char *end) {
    size_t length = strlen(end);
    return size >= length && tarimg_equal_bytes_nocase(text + size - length, end, length);
}

static const char *tarimg_azure_root(tarimg_arena *arena, const char *base) {
    static const char *const ends[] = {"/", "/images/generations", "/images/edits"};
    size_t size = strcspn(base, "?"), i = 0;
    while (i < sizeof ends / sizeof ends[0]) {
        int fits = tarimg_azure_ends(base, size, ends[i]);
        if (fits) size -= strlen(ends[i]);
        i = fits ? 0 : i + 1;
    }
    return tarimg_copy_bytes(arena, base, size);
}

static const char *tarimg_azure_query_version(tarimg_arena *arena, const char *query) {
    static const char name[] = "api-version=";
    const size_t length = sizeof name - 1;
    while (*query) {
        size_t size = strcspn(query, "&");
        if (tarimg_begins_nocase(query, name)) return tarimg_copy_bytes(arena, query + length, size - length);
        query += size + (query[size] == '&');
    }
    return NULL;
}

static const char *tarimg_azure_deployment(tarimg_arena *arena, const char *root) {
    static const char segment[] = "/deployments/";
    const char *found = root ? strstr(root, segment) : NULL;
    size_t size;
    if (!found) return NULL;
    found += sizeof segment - 1;
    size = strcspn(found, "/");
    return size ? tarimg_copy_bytes(arena, found, size) : NULL;
}

static tarimg_azure_base tarimg_azure_read_base(tarimg_arena *arena, const char *base_url) {
    tarimg_azure_base base;
    const char *query = strchr(base_url, '?');
    base.root = tarimg_azure_root(arena, base_url);
    base.query = query ? query + 1 : "";
    base.version = tarimg_azure_query_version(arena, base.query);
    base.deployment = tarimg_azure_deployment(arena, base.root);
    return base;
}

static int tarimg_azure_is_dated(const char *version) {
    return version && tarimg_is_digit(version[0]);
}

static int tarimg_azure_root_ends(const tarimg_azure_base *base, const char *end) {
    return tarimg_azure_ends(base->root, strlen(base->root), end);
}

static int tarimg_azure_is_project(const tarimg_azure_base *base) {
    return strstr(base->root, "/api/projects/") != NULL;
}

/* What the root says about the style: nothing else is left to choose then. */
static int tarimg_azure_is_v1_root(const tarimg_azure_base *base) {
    return tarimg_azure_root_ends(base, "/v1") || tarimg_azure_is_project(base);
}

/* The version that goes out behind the path, beside one in the query of the base URL. */
static const char *tarimg_azure_version(tarimg_link *link, const tarimg_azure_base *base) {
    const char *asked = tarimg_option(link, "api_version");
    int fits =
        !tarimg_azure_is_project(base) && !(tarimg_azure_is_v1_root(base) && tarimg_azure_is_dated(asked));
    if (base->version) {
        if (tarimg_is_set(asked) && !tarimg_equal(asked, base->version))
            tarimg_add_note(link, 1, "api_version", asked, base->version, "base_url has one, which wins");
        return NULL;
    }
    if (!tarimg_is_set(asked)) return base->deployment ? TARIMG_AZURE_VERSION : NULL;
    if (fits) return asked;
    tarimg_add_note(link, 1, "api_version", asked, NULL, "base_url leads to v1, which takes no such version");
    return NULL;
}

/* What stands between the root and the call. */
static const char *tarimg_azure_middle(tarash_image_exchange *exchange, const tarimg_azure_base *base,
                                       const char *version) {
    int has_openai = tarimg_azure_root_ends(base, "/openai");
    const char *model;
    if (base->deployment || tarimg_azure_root_ends(base, "/v1")) return "";
    if (tarimg_azure_is_project(base) || !tarimg_azure_is_dated(base->version ? base->version : version))
        return has_openai ? "/v1" : "/openai/v1";
    model = tarimg_encode_path(&exchange->arena, exchange->link->model, "");
    return model ? tarimg_format(&exchange->arena, "%s/deployments/%s", has_openai ? "" : "/openai", model)
                 : NULL;
}

static const char *tarimg_azure_url(tarash_image_exchange *exchange, const tarimg_azure_base *base) {
    tarimg_arena *arena = &exchange->arena;
    const char *version = tarimg_azure_version(exchange->link, base);
    const char *middle = tarimg_azure_middle(exchange, base, version), *url, *encoded;
    if (!middle || !exchange->path) return NULL;
    url = tarimg_format(arena, "%s%s/%s%s%s", base->root, middle, exchange->path, base->query[0] ? "?" : "",
                        base->query);
    if (!url || !version) return url;
    encoded = tarimg_encode_path(arena, version, "");
    return encoded ? tarimg_format(arena, "%s%capi-version=%s", url, base->query[0] ? '&' : '?', encoded)
                   : NULL;
}

static int tarimg_azure_is_deployment(tarimg_arena *arena, const char *model, const char *deployment) {
    return tarimg_equal(model, deployment) || tarimg_equal(tarimg_encode_path(arena, model, ""), deployment);
}

/* A deployment in the base URL is the model. */
static const char *tarimg_azure_model(const tarimg_link *link) {
    const char *deployment =
        tarimg_azure_deployment(link->arena, tarimg_azure_root(link->arena, link->base_url));
    return tarimg_azure_is_deployment(link->arena, link->model, deployment) ? NULL : deployment;
}

static void tarimg_azure_compare_model(tarash_image_exchange *exchange, const tarimg_azure_base *base) {
    const char *asked = exchange->link->config.model;
    if (!base->deployment || !tarimg_is_set(asked) ||
        tarimg_azure_is_deployment(&exchange->arena, asked, base->deployment))
        return;
    tarimg_warn(exchange->link, "model", asked, base->deployment, "base_url names the deployment");
    tarimg_body_set(exchange, "model", base->deployment);
}

/* https://{resource}.openai.azure.com, where nothing else says the address. */
static const char *tarimg_azure_base_url(const tarimg_link *link, const char **problem) {
    const char *resource = tarimg_option(link, "resource");
    if (resource && !tarimg_is_plain_word(resource))
        *problem = "provider_config.resource: is no name of a resource";
    if (!tarimg_is_plain_word(resource)) return NULL;
    return tarimg_format(link->arena, "https://%s.openai.azure.com", resource);
}

/* A JSON Web Token: three parts, the first of which begins an object. */
static int tarimg_azure_is_token(const char *key) {
    const char *first = key ? strchr(key, '.') : NULL, *second = first ? strchr(first + 1, '.') : NULL;
    return tarimg_begins(key, "eyJ") && second && second > first + 1 && second[1] && !strchr(second + 1, '.');
}

/* Tokens of Entra are bearers, keys have a header of their own. */
static void tarimg_azure_use_key(tarash_image_exchange *exchange) {
    const tarimg_link *link = exchange->link;
    if (tarimg_azure_is_token(link->key) && tarimg_equal_nocase(link->row->auth_header, "api-key"))
        tarimg_use_key(exchange, "Authorization", "Bearer ");
}

static tarash_image_result tarimg_azure_build(tarash_image_exchange *exchange) {
    tarimg_link *link = exchange->link;
    tarimg_azure_base base = tarimg_azure_read_base(&exchange->arena, link->base_url);
    if (!base.root) return TARASH_IMAGE_OK; /* out of memory, which the arena remembers */
    if (!base.deployment && !link->model[0])
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                           "model: is missing; at azure_openai it is the name of your deployment");
    tarimg_body_common(exchange);
    tarimg_openai_build_images(exchange, 0);
    exchange->path = tarimg_azure_url(exchange, &base);
    tarimg_azure_compare_model(exchange, &base);
    tarimg_body_set(exchange, "response_format", tarimg_openai_response_format(link));
    tarimg_openai_check_background(exchange);
    tarimg_openai_build_stream(exchange);
    tarimg_azure_use_key(exchange);
    exchange->image_paths = "data[].b64_json,?data[].url,b64_json";
    return TARASH_IMAGE_OK;
}

static int tarimg_azure_is_filtered(const tarimg_value *item) {
    const tarimg_value *verdicts = tarimg_at(item, "content_filter_results"), *verdict;
    if (!verdicts || verdicts->kind != TARIMG_OBJECT) return 0;
    for (verdict = verdicts->first; verdict; verdict = verdict->next) {
        const tarimg_value *filtered = tarimg_at(verdict, "filtered");
        if (filtered && filtered->kind == TARIMG_TRUE) return 1;
    }
    return 0;
}

static int tarimg_azure_has_image(const tarimg_value *item) {
    const tarimg_value *bytes = tarimg_at(item, "b64_json");
    return (bytes && bytes->kind == TARIMG_PAYLOAD) || tarimg_is_set(tarimg_text_at(item, "url"));
}

/* What the filters say: of the prompt once, of each image in turn. */
static void tarimg_azure_read_verdicts(tarash_image_exchange *exchange, const tarimg_value *list) {
    tarimg_arena *arena = &exchange->arena;
    tarimg_value *verdicts = tarimg_value_new(arena, TARIMG_ARRAY);
    const tarimg_value *item;
    for (item = list->first; item; item = item->next) {
        const tarimg_value *prompt = tarimg_at(item, "prompt_filter_results"),
                           *image = tarimg_at(item, "content_filter_results");
        if (prompt && exchange->metadata && !tarimg_member(exchange->metadata, "prompt_filter_results"))
            tarimg_set(arena, exchange->metadata, "prompt_filter_results", tarimg_copy_value(arena, prompt));
        if (image) tarimg_append_value(verdicts, tarimg_copy_value(arena, image));
        if (tarimg_azure_is_filtered(item) && !tarimg_azure_has_image(item)) exchange->refused_count++;
    }
    if (verdicts && verdicts->first && exchange->metadata)
        tarimg_set(arena, exchange->metadata, "content_filter_results", verdicts);
}

static tarash_image_result tarimg_azure_read(tarash_image_exchange *exchange) {
    const tarimg_value *list = tarimg_at(exchange->document, "data");
    tarash_image_result result = tarimg_read_image_list(exchange);
    if (!list || list->kind != TARIMG_ARRAY) return result;
    tarimg_azure_read_verdicts(exchange, list);
    if (result == TARASH_IMAGE_ERROR_GENERATION_FAILED && exchange->refused_count)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_CONTENT_MODERATION, "content_filter", TARIMG_BLOCKED);
    return result;
}

/* "Try again in 6 seconds", "Please retry after 6 seconds": some gateways say it nowhere else. */
static int64_t tarimg_azure_told_delay(const char *message) {
    static const char *const words[] = {"again in ", "retry after "};
    int64_t seconds;
    size_t i;
    for (; *message; message++) {
        for (i = 0; i < sizeof words / sizeof words[0]; i++) {
            const char *digits = message + strlen(words[i]);
            if (tarimg_begins_nocase(message, words[i]) &&
                tarimg_parse_integer(digits, strspn(digits, "0123456789"), &seconds))
                return seconds < TARIMG_MAX_RETRY_AFTER_MS / 1000 ? seconds * 1000
                                                                  : TARIMG_MAX_RETRY_AFTER_MS;
        }
    }
    return 0;
}

static void tarimg_azure_add_hint(tarash_image_exchange *exchange, const char *hint) {
    tarash_image_error *error = &exchange->error;
    const char *message = tarimg_format(&exchange->arena, "%s (%s)", error->message, hint);
    if (message) tarimg_copy_fixed(error->message, sizeof error->message, message);
}

static void tarimg_azure_error(tarash_image_exchange *exchange) {
    static const char *const inner[] = {"error.inner_error.code", "error.innererror.code"};
    tarash_image_error *error = &exchange->error;
    if (tarimg_equal(tarimg_first_text(exchange->document, inner, 2), "ResponsibleAIPolicyViolation"))
        error->result = TARASH_IMAGE_ERROR_CONTENT_MODERATION;
    /* A blocked resource is a matter of the account, though its words are of content. */
    else if (exchange->status == 403 && tarimg_equal(error->provider_code, "Forbidden"))
        error->result = TARASH_IMAGE_ERROR_AUTHENTICATION;
    if (exchange->status == 429 && !error->retry_after_ms)
        error->retry_after_ms = tarimg_azure_told_delay(error->message);
    if (exchange->status == 404 && tarimg_equal(error->provider_code, "404"))
        tarimg_azure_add_hint(exchange, "check base_url, api_version and model");
}

static const tarimg_adapter tarimg_azure_adapter = {
    tarimg_azure_build, tarimg_azure_read,  tarimg_openai_event,   NULL, 0,   0,
    tarimg_azure_error, tarimg_azure_model, tarimg_azure_base_url, 0,    NULL};

/* >>provider together
   Width and height as numbers; the request says base64 where the reply says b64_json. Which field takes input images
   is up to the model. https://docs.together.ai/reference/post-images-generations,
   https://docs.together.ai/docs/inference/images/reference-images */

/* These models know the list alone; elsewhere one image has a field of its own. */
static int tarimg_together_wants_list(const tarimg_link *link) {
    return link->input_count > 1 || tarimg_begins(link->model, "black-forest-labs/FLUX.2") ||
           tarimg_begins(link->model, "google/");
}

static void tarimg_together_images(tarash_image_exchange *exchange) {
    const tarimg_link *link = exchange->link;
    tarimg_value *list;
    size_t i;
    if (!link->input_count) return;
    if (!tarimg_together_wants_list(link)) {
        tarimg_set(&exchange->arena, tarimg_body_object(exchange), "image_url",
                   tarimg_input_value(exchange, TARIMG_INPUT_URL, 0));
        return;
    }
    list = tarimg_value_new(&exchange->arena, TARIMG_ARRAY);
    for (i = 0; i < link->input_count; i++)
        tarimg_append_value(list, tarimg_input_value(exchange, TARIMG_INPUT_URL, i));
    tarimg_set(&exchange->arena, tarimg_body_object(exchange), "reference_images", list);
}

static void tarimg_together_size(tarash_image_exchange *exchange) {
    const char *size = exchange->request.size;
    int width, height;
    if (!size || !tarimg_parse_size(size, strlen(size), &width, &height)) return;
    tarimg_remove_member(tarimg_body_object(exchange), "size");
    tarimg_body_integer(exchange, "width", width);
    tarimg_body_integer(exchange, "height", height);
}

static tarash_image_result tarimg_together_build(tarash_image_exchange *exchange) {
    tarimg_send(exchange, "POST", "images/generations");
    tarimg_body_common(exchange);
    tarimg_together_size(exchange);
    tarimg_together_images(exchange);
    tarimg_body_set(exchange, "response_format",
                    exchange->link->request.output == TARASH_IMAGE_OUTPUT_URL ? "url" : "base64");
    exchange->image_paths = "data[].b64_json,?data[].url";
    return TARASH_IMAGE_OK;
}

/* Its safety checker has no code of its own. */
static void tarimg_together_error(tarash_image_exchange *exchange) {
    tarash_image_error *error = &exchange->error;
    if ((exchange->status == 400 || exchange->status == 422) &&
        (tarimg_contains_nocase(error->message, "nsfw") ||
         tarimg_contains_nocase(error->provider_code, "nsfw")))
        error->result = TARASH_IMAGE_ERROR_CONTENT_MODERATION;
}

static const tarimg_adapter tarimg_together_adapter = {tarimg_together_build,
                                                       tarimg_read_image_list,
                                                       NULL,
                                                       NULL,
                                                       0,
                                                       0,
                                                       tarimg_together_error,
                                                       NULL,
                                                       NULL,
                                                       0,
                                                       NULL};

/* >>provider openrouter
   One call for making and editing; a size, or a ratio. Codes of errors are HTTP statuses, also where the reply's own
   status is 200 or a stream has begun. https://openrouter.ai/docs/api/api-reference/images/generate-an-image,
   https://openrouter.ai/docs/errors */

static tarimg_value *tarimg_openrouter_image(tarash_image_exchange *exchange, size_t index) {
    tarimg_arena *arena = &exchange->arena;
    tarimg_value *image = tarimg_value_new(arena, TARIMG_OBJECT),
                 *holder = tarimg_value_new(arena, TARIMG_OBJECT);
    tarimg_set(arena, holder, "url", tarimg_input_value(exchange, TARIMG_INPUT_URL, index));
    tarimg_set_text(arena, image, "type", "image_url");
    tarimg_set(arena, image, "image_url", holder);
    return image;
}

static void tarimg_openrouter_images(tarash_image_exchange *exchange) {
    tarimg_value *list;
    size_t i;
    if (!exchange->link->input_count) return;
    list = tarimg_value_new(&exchange->arena, TARIMG_ARRAY);
    for (i = 0; i < exchange->link->input_count; i++)
        tarimg_append_value(list, tarimg_openrouter_image(exchange, i));
    tarimg_set(&exchange->arena, tarimg_body_object(exchange), "input_references", list);
}

static void tarimg_openrouter_headers(tarash_image_exchange *exchange) {
    static const char *const names[][2] = {{"HTTP-Referer", "referer"},
                                           {"X-OpenRouter-Title", "title"},
                                           {"X-OpenRouter-Categories", "categories"}};
    size_t i;
    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        tarimg_add_header(&exchange->arena, &exchange->headers, names[i][0],
                          tarimg_option(exchange->link, names[i][1]));
}

static void tarimg_openrouter_stream(tarash_image_exchange *exchange) {
    tarimg_link *link = exchange->link;
    if (!link->request.partial_images) return;
    tarimg_set_true(&exchange->arena, tarimg_body_object(exchange), "stream");
    tarimg_add_note(link, 1, "partial_images", tarimg_format(link->arena, "%d", link->request.partial_images),
                    "a stream", "how many previews come, if any, is up to the model");
}

static tarash_image_result tarimg_openrouter_build(tarash_image_exchange *exchange) {
    tarimg_send(exchange, "POST", "images");
    tarimg_body_common(exchange);
    tarimg_openrouter_images(exchange);
    tarimg_openrouter_stream(exchange);
    tarimg_openrouter_headers(exchange);
    exchange->image_paths = "data[].b64_json,?data[].url,b64_json";
    return TARASH_IMAGE_OK;
}

/* What the provider behind it said goes into the message; its refusals are known by it. */
static void tarimg_openrouter_read_upstream(tarash_image_exchange *exchange) {
    tarash_image_error *error = &exchange->error;
    const char *raw = tarimg_text_at(exchange->document, "error.metadata.raw");
    const char *message;
    if (!tarimg_is_set(raw)) return;
    if (tarimg_is_moderation(400, NULL, NULL, raw)) error->result = TARASH_IMAGE_ERROR_CONTENT_MODERATION;
    message = tarimg_format(&exchange->arena, "%s: %s", error->message, raw);
    if (message) tarimg_copy_fixed(error->message, sizeof error->message, message);
}

static void tarimg_openrouter_error(tarash_image_exchange *exchange) {
    const tarimg_value *metadata = tarimg_at(exchange->document, "error.metadata");
    const tarimg_value *reasons = tarimg_at(metadata, "reasons");
    tarimg_openrouter_read_upstream(exchange);
    if ((reasons && reasons->first) || tarimg_is_set(tarimg_text_at(metadata, "flagged_input")))
        exchange->error.result = TARASH_IMAGE_ERROR_CONTENT_MODERATION;
}

/* An error within a 200: its code is the status that it would have had. */
static tarash_image_result tarimg_openrouter_soft_error(tarash_image_exchange *exchange) {
    tarash_image_result result = tarimg_soft_error(exchange);
    int64_t code;
    if (result == TARASH_IMAGE_ERROR_GENERATION_FAILED &&
        tarimg_integer_at(exchange->document, "error.code", &code) && code >= 400 && code < 600) {
        result = tarimg_result_of_status((int)code);
        if (result != TARASH_IMAGE_ERROR_HTTP) exchange->error.result = result;
    }
    tarimg_openrouter_error(exchange);
    return exchange->error.result;
}

static tarash_image_result tarimg_openrouter_read(tarash_image_exchange *exchange) {
    const tarimg_value *error = tarimg_at(exchange->document, "error");
    if (error && error->kind != TARIMG_NULL) return tarimg_openrouter_soft_error(exchange);
    return tarimg_read_image_list(exchange);
}

static tarash_image_result tarimg_openrouter_event(tarash_image_exchange *exchange) {
    tarash_image_result result;
    if (tarimg_openai_is_error_event(exchange->document)) return tarimg_openrouter_soft_error(exchange);
    result = tarimg_openai_event(exchange);
    (void)tarimg_integer_at(exchange->document, "created", &exchange->created);
    return result;
}

static const tarimg_adapter tarimg_openrouter_adapter = {tarimg_openrouter_build,
                                                         tarimg_openrouter_read,
                                                         tarimg_openrouter_event,
                                                         NULL,
                                                         0,
                                                         0,
                                                         tarimg_openrouter_error,
                                                         NULL,
                                                         NULL,
                                                         0,
                                                         NULL};

/* >>provider google
   Gemini's image models by generateContent and the older Imagen ones by predict: at the Gemini API, or at Vertex AI
   where provider_config names a project. Refusals come within HTTP 200. A model that thinks may send drafts before its
   image, marked as thoughts behind their bytes.
   https://ai.google.dev/gemini-api/docs/image-generation, npm @google/genai 3.1, @ai-sdk/google-vertex 5.0 */

/* An id of a project, old ones with a domain ("example.com:name") included; it becomes a part of the path. */
static int tarimg_google_is_project(const char *text) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-.:";
    return tarimg_is_set(text) && *text != '.' && text[strspn(text, allowed)] == '\0';
}

static int tarimg_google_is_vertex(const tarimg_link *link) {
    return tarimg_at(link->options, "project") != NULL;
}

static const char *tarimg_google_location(const tarimg_link *link) {
    const char *location = tarimg_option(link, "location");
    return location ? location : "global";
}

static const char *tarimg_google_base_url(const tarimg_link *link, const char **problem) {
    const char *location = tarimg_google_location(link);
    (void)problem; /* build_fn checks the options in any case */
    if (!tarimg_google_is_vertex(link) || !tarimg_is_plain_word(location)) return NULL;
    if (tarimg_equal(location, "global")) return "https://aiplatform.googleapis.com";
    if (tarimg_in_list("us,eu", location))
        return tarimg_format(link->arena, "https://aiplatform.%s.rep.googleapis.com", location);
    return tarimg_format(link->arena, "https://%s-aiplatform.googleapis.com", location);
}

static const char *tarimg_google_model(const tarimg_link *link) {
    static const char prefix[] = "models/";
    return strncmp(link->model, prefix, sizeof prefix - 1) == 0 ? link->model + sizeof prefix - 1 : NULL;
}

static int tarimg_google_is_imagen(const tarimg_link *link) {
    return strncmp(link->model, "imagen", 6) == 0;
}

static tarash_image_result tarimg_google_check(tarash_image_exchange *exchange) {
    const tarimg_link *link = exchange->link;
    const char *problem = NULL;
    if (tarimg_at(link->options, "api_version") && !tarimg_is_plain_word(tarimg_option(link, "api_version")))
        problem = "api_version: is a word such as v1beta";
    if (tarimg_google_is_vertex(link) && !tarimg_google_is_project(tarimg_option(link, "project")))
        problem = "provider_config.project: is the id of a Google Cloud project";
    if (tarimg_at(link->options, "location") && !tarimg_is_plain_word(tarimg_option(link, "location")))
        problem = "provider_config.location: is a word such as global, eu or us-central1";
    if (tarimg_at(link->options, "location") && !tarimg_google_is_vertex(link))
        problem = "provider_config.location: is a project's; name the project, too";
    return problem ? tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL, problem) : TARASH_IMAGE_OK;
}

static void tarimg_google_send(tarash_image_exchange *exchange, const char *method) {
    const tarimg_link *link = exchange->link;
    tarimg_arena *arena = &exchange->arena;
    const char *version = tarimg_option(link, "api_version"), *place = "";
    const char *model = tarimg_encode_path(arena, link->model, "");
    if (tarimg_google_is_vertex(link)) {
        place = tarimg_format(arena, "projects/%s/locations/%s/publishers/google/",
                              tarimg_option(link, "project"), tarimg_google_location(link));
        tarimg_use_key(exchange, "Authorization", "Bearer ");
    }
    if (!version) version = tarimg_google_is_vertex(link) ? "v1beta1" : "v1beta";
    if (model && place)
        tarimg_send(exchange, "POST",
                    tarimg_format(arena, "%s/%smodels/%s:%s", version, place, model, method));
}

static void tarimg_google_put(tarash_image_exchange *exchange, const char *path, tarimg_value *value) {
    (void)tarimg_put(&exchange->arena, tarimg_body_object(exchange), path, value);
}

static void tarimg_google_put_text(tarash_image_exchange *exchange, const char *path, const char *text) {
    if (tarimg_is_set(text)) tarimg_google_put(exchange, path, tarimg_value_text(&exchange->arena, text));
}

static void tarimg_google_put_integer(tarash_image_exchange *exchange, const char *path, int64_t number) {
    tarimg_google_put(exchange, path, tarimg_value_integer(&exchange->arena, number));
}

/* The words for sizes that a model knows. */
static const char *tarimg_google_sizes(const char *model) {
    static const struct {
        const char *prefix, *words;
    } table[] = {{"gemini-2.5-flash-image", ""}, {"gemini-3.1-flash-lite-image", "1K"}, {"imagen-", "1K,2K"}};
    size_t i;
    for (i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strncmp(model, table[i].prefix, strlen(table[i].prefix)) == 0) return table[i].words;
    }
    return "1K,2K,4K";
}

/* The word for the size asked for: the smallest that has its pixels, or nearly so. */
static const char *tarimg_google_size(tarimg_link *link) {
    static const struct {
        const char *word;
        int64_t pixels;
    } table[] = {{"1K", 1572864}, {"2K", 6291456}, {"4K", INT64_MAX}};
    const char *wanted = NULL, *found = NULL, *words = tarimg_google_sizes(link->model);
    int64_t pixels = (int64_t)link->width * link->height;
    size_t i;
    if (!link->width) return NULL;
    for (i = 0; i < sizeof table / sizeof table[0]; i++) {
        wanted = table[i].word;
        if (tarimg_in_list(words, wanted)) found = wanted;
        if (pixels <= table[i].pixels) break;
    }
    if (!tarimg_equal(found, wanted) && !tarimg_equal(wanted, "1K"))
        tarimg_warn(link, "size", tarimg_format(link->arena, "%dx%d", link->width, link->height), found,
                    "larger than what this model makes");
    return found;
}

/* A setting that Vertex AI has and the Gemini API lacks. */
static const char *tarimg_google_vertex_only(tarimg_link *link, const char *field, const char *asked) {
    if (!asked || tarimg_google_is_vertex(link)) return asked;
    tarimg_warn(link, field, asked, NULL, "the Gemini API has no such setting; Vertex AI does");
    return NULL;
}

static void tarimg_google_put_format(tarash_image_exchange *exchange, const char *path, const char *format) {
    if (format) tarimg_google_put_text(exchange, path, tarimg_format(&exchange->arena, "image/%s", format));
}

/* ---- generateContent */

/* Is it one that was given to Google before? Such a URL needs the key, and is passed on. */
static int tarimg_google_is_file(const tarimg_link *link, const tarimg_input *input) {
    return input->url && !tarimg_input_has_bytes(input) && link->base_url &&
           tarimg_same_origin(input->url, link->base_url) && strstr(input->url, "/files/");
}

static void tarimg_google_put_image(tarash_image_exchange *exchange, size_t index) {
    const tarimg_input *input = &exchange->link->inputs[index];
    int is_file = tarimg_google_is_file(exchange->link, input);
    tarimg_arena *arena = &exchange->arena;
    tarimg_value *part = tarimg_value_new(arena, TARIMG_OBJECT),
                 *image = tarimg_value_new(arena, TARIMG_OBJECT);
    tarimg_set_text(arena, image, "mimeType", input->mime_type);
    if (is_file)
        tarimg_set_text(arena, image, "fileUri", input->url);
    else
        tarimg_set(arena, image, "data", tarimg_input_value(exchange, TARIMG_INPUT_BASE64, index));
    tarimg_set(arena, part, is_file ? "fileData" : "inlineData", image);
    tarimg_google_put(exchange, "contents[0].parts[]", part);
}

static void tarimg_google_build_content(tarash_image_exchange *exchange) {
    tarimg_link *link = exchange->link;
    const tarash_image_request *request = &exchange->request;
    size_t i;
    tarimg_google_send(exchange, "generateContent");
    tarimg_google_put_text(exchange, "contents[0].role", "user");
    tarimg_google_put_text(exchange, "contents[0].parts[0].text", request->prompt);
    for (i = 0; i < link->input_count; i++) tarimg_google_put_image(exchange, i);
    tarimg_google_put_text(exchange, "generationConfig.responseModalities[]", "IMAGE");
    tarimg_google_put_text(exchange, "generationConfig.imageConfig.aspectRatio", request->aspect_ratio);
    tarimg_google_put_text(exchange, "generationConfig.imageConfig.imageSize", tarimg_google_size(link));
    tarimg_google_put_format(exchange, "generationConfig.imageConfig.imageOutputOptions.mimeType",
                             tarimg_google_vertex_only(link, "output_format", request->output_format));
    if (request->has_seed) tarimg_google_put_integer(exchange, "generationConfig.seed", request->seed);
}

/* ---- predict */

/* A seed excludes the watermark, which is on unless it is switched off. */
static void tarimg_google_put_seed(tarash_image_exchange *exchange) {
    tarimg_link *link = exchange->link;
    const char *asked = tarimg_format(&exchange->arena, "%lld", (long long)exchange->request.seed);
    if (!exchange->request.has_seed || !tarimg_google_vertex_only(link, "seed", asked)) return;
    tarimg_google_put_integer(exchange, "parameters.seed", exchange->request.seed);
    tarimg_google_put(exchange, "parameters.addWatermark", tarimg_value_new(&exchange->arena, TARIMG_FALSE));
    tarimg_add_note(link, 1, "seed", asked, asked, "with a seed, Imagen puts no watermark into the image");
}

static void tarimg_google_build_prediction(tarash_image_exchange *exchange) {
    tarimg_link *link = exchange->link;
    const tarash_image_request *request = &exchange->request;
    tarimg_google_send(exchange, "predict");
    tarimg_google_put_text(exchange, "instances[0].prompt", request->prompt);
    tarimg_google_put_integer(exchange, "parameters.sampleCount", exchange->count);
    tarimg_google_put_text(exchange, "parameters.aspectRatio", request->aspect_ratio);
    tarimg_google_put_text(exchange, "parameters.sampleImageSize", tarimg_google_size(link));
    tarimg_google_put_text(exchange, "parameters.negativePrompt",
                           tarimg_google_vertex_only(link, "negative_prompt", request->negative_prompt));
    tarimg_google_put_format(exchange, "parameters.outputOptions.mimeType", request->output_format);
    tarimg_google_put_seed(exchange);
}

static tarash_image_result tarimg_google_build(tarash_image_exchange *exchange) {
    tarash_image_result result = tarimg_google_check(exchange);
    if (result != TARASH_IMAGE_OK) return result;
    if (tarimg_google_is_imagen(exchange->link))
        tarimg_google_build_prediction(exchange);
    else
        tarimg_google_build_content(exchange);
    exchange->image_paths = "candidates[].content.parts[].inlineData.data,predictions[].bytesBase64Encoded";
    exchange->holds_images = !tarimg_google_is_imagen(exchange->link); /* drafts come first */
    return TARASH_IMAGE_OK;
}

/* ---- replies */

static int tarimg_google_is_thought(const tarimg_value *part) {
    const tarimg_value *thought = tarimg_at(part, "thought");
    return thought && thought->kind == TARIMG_TRUE;
}

static const tarimg_value *tarimg_google_image_of(const tarimg_value *part) {
    const tarimg_value *image = tarimg_at(part, "inlineData.data");
    if (tarimg_google_is_thought(part)) return NULL;
    return image ? image : tarimg_at(part, "fileData.fileUri");
}

/* The last image is the result: drafts come before it, marked as such or not. */
static void tarimg_google_read_parts(tarash_image_exchange *exchange, const tarimg_value *parts) {
    const tarimg_value *part, *last = NULL;
    if (!parts || parts->kind != TARIMG_ARRAY) return;
    for (part = parts->first; part; part = part->next) {
        if (tarimg_google_image_of(part)) last = part;
    }
    if (last) (void)tarimg_add_image(exchange, tarimg_google_image_of(last));
}

/* What the model says beside the image, or in its place. */
static const char *tarimg_google_words(tarash_image_exchange *exchange) {
    const tarimg_value *parts = tarimg_at(exchange->document, "candidates[0].content.parts"), *part;
    const char *words = NULL;
    if (!parts || parts->kind != TARIMG_ARRAY) return NULL;
    for (part = parts->first; part; part = part->next) {
        const char *text = tarimg_text_at(part, "text");
        if (!tarimg_is_set(text) || tarimg_google_is_thought(part)) continue;
        words = words ? tarimg_format(&exchange->arena, "%s\n%s", words, text) : text;
    }
    return words;
}

static void tarimg_google_read_usage(tarash_image_exchange *exchange) {
    const tarimg_value *usage = tarimg_at(exchange->document, "usageMetadata");
    int64_t thoughts = 0;
    (void)tarimg_integer_at(usage, "promptTokenCount", &exchange->usage.input_tokens);
    (void)tarimg_integer_at(usage, "candidatesTokenCount", &exchange->usage.output_tokens);
    (void)tarimg_integer_at(usage, "totalTokenCount", &exchange->usage.total_tokens);
    (void)tarimg_integer_at(usage, "thoughtsTokenCount", &thoughts);
    if (thoughts > 0 && exchange->usage.output_tokens <= INT64_MAX - thoughts)
        exchange->usage.output_tokens += thoughts;
}

static void tarimg_google_read_metadata(tarash_image_exchange *exchange, const char *words) {
    const tarimg_value *candidate = tarimg_at(exchange->document, "candidates[0]"), *member;
    tarimg_read_metadata(exchange, "candidates,predictions");
    if (!exchange->metadata) return;
    tarimg_set_text(&exchange->arena, exchange->metadata, "text", words);
    if (!candidate || candidate->kind != TARIMG_OBJECT) return;
    for (member = candidate->first; member; member = member->next) {
        if (!tarimg_in_list("content,index", member->name))
            tarimg_set(&exchange->arena, exchange->metadata, member->name,
                       tarimg_copy_value(&exchange->arena, member));
    }
}

static tarash_image_result tarimg_google_blocked(tarash_image_exchange *exchange, const char *code,
                                                 const char *message) {
    return tarimg_fail(exchange, TARASH_IMAGE_ERROR_CONTENT_MODERATION, code,
                       tarimg_is_set(message) ? message : TARIMG_BLOCKED);
}

/* Why a whole answer holds no image. */
static tarash_image_result tarimg_google_explain(tarash_image_exchange *exchange, const char *words) {
    static const char blocking[] =
        "IMAGE_SAFETY,IMAGE_PROHIBITED_CONTENT,IMAGE_RECITATION,SAFETY,PROHIBITED_CONTENT,BLOCKLIST,"
        "RECITATION,SPII,LANGUAGE";
    const tarimg_value *document = exchange->document;
    const char *block = tarimg_text_at(document, "promptFeedback.blockReason");
    const char *reason = tarimg_text_at(document, "candidates[0].finishReason");
    const char *message = tarimg_text_at(document, "candidates[0].finishMessage");
    const char *stored = tarimg_text_at(document, "predictions[0].gcsUri");
    if (block)
        return tarimg_google_blocked(exchange, block,
                                     tarimg_text_at(document, "promptFeedback.blockReasonMessage"));
    if (stored)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_GENERATION_FAILED, "gcsUri",
                           tarimg_format(&exchange->arena,
                                         "the image was stored at %s, and can't be fetched from there",
                                         stored));
    if (tarimg_google_is_imagen(exchange->link)) /* which leaves out all that its filters stop */
        return tarimg_google_blocked(exchange, "raiFilteredReason",
                                     tarimg_text_at(document, "predictions[0].raiFilteredReason"));
    if (reason && tarimg_in_list(blocking, reason)) return tarimg_google_blocked(exchange, reason, message);
    if (!tarimg_is_set(message) && words)
        message = tarimg_format(&exchange->arena, "the model answered in words: %s", words);
    if (!tarimg_is_set(message))
        message = tarimg_format(&exchange->arena, "the answer holds no image (%s)",
                                reason ? reason : "and no word why");
    return tarimg_fail(exchange, TARASH_IMAGE_ERROR_GENERATION_FAILED, reason, message ? message : "");
}

static void tarimg_google_read_predictions(tarash_image_exchange *exchange, const tarimg_value *list) {
    const tarimg_value *item;
    if (!list || list->kind != TARIMG_ARRAY) return;
    for (item = list->first; item; item = item->next) {
        tarimg_found *found = tarimg_add_image(exchange, tarimg_at(item, "bytesBase64Encoded"));
        if (found)
            found->revised_prompt = tarimg_copy(&exchange->arena, tarimg_text_at(item, "prompt"));
        else if (tarimg_text_at(item, "raiFilteredReason"))
            exchange->refused_count++;
    }
}

/* Why an answer is none of this protocol, or NULL. */
static const char *tarimg_google_problem(const tarash_image_exchange *exchange) {
    static const char *const known[] = {"candidates", "promptFeedback", "error"};
    const tarimg_value *document = exchange->document, *predictions = tarimg_at(document, "predictions");
    size_t i;
    if (!document || document->kind != TARIMG_OBJECT) return "the answer is no JSON object";
    if (predictions && predictions->kind != TARIMG_ARRAY) return "the answer's predictions are no list";
    if (tarimg_google_is_imagen(exchange->link)) /* all filtered: nothing at all */
        return predictions || !document->first || tarimg_at(document, "error")
                   ? NULL
                   : "the answer has no predictions";
    for (i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (tarimg_at(document, known[i])) return NULL;
    }
    return "the answer has no list named candidates";
}

static tarash_image_result tarimg_google_read(tarash_image_exchange *exchange) {
    const tarimg_value *candidates = tarimg_at(exchange->document, "candidates"), *candidate;
    const char *created = tarimg_text_at(exchange->document, "createTime");
    const char *words = tarimg_google_words(exchange);
    const char *problem = tarimg_google_problem(exchange);
    if (problem) return tarimg_fail(exchange, TARASH_IMAGE_ERROR_BAD_RESPONSE, NULL, problem);
    tarimg_google_read_usage(exchange);
    tarimg_google_read_metadata(exchange, words);
    if (created) (void)tarimg_parse_timestamp(created, &exchange->created);
    if (tarimg_at(exchange->document, "error.message")) return tarimg_soft_error(exchange);
    tarimg_google_read_predictions(exchange, tarimg_at(exchange->document, "predictions"));
    if (candidates && candidates->kind == TARIMG_ARRAY) {
        for (candidate = candidates->first; candidate; candidate = candidate->next)
            tarimg_google_read_parts(exchange, tarimg_at(candidate, "content.parts"));
    }
    return exchange->found ? TARASH_IMAGE_OK : tarimg_google_explain(exchange, words);
}

/* ---- errors */

/* "37s", "1.5s" */
static void tarimg_google_read_delay(tarash_image_exchange *exchange, const char *text) {
    size_t size = text ? strlen(text) : 0;
    int64_t wait;
    if (size < 2 || text[size - 1] != 's') return;
    if (tarimg_parse_thousandths(text, size - 1, TARIMG_MAX_RETRY_AFTER_MS, &wait))
        exchange->error.retry_after_ms = (int)wait;
}

/* A quota that the next minute doesn't fill: of a day, or of nothing at all. */
static int tarimg_google_is_used_up(const tarimg_value *detail, const char *message) {
    const tarimg_value *violations = tarimg_at(detail, "violations"), *violation;
    if (tarimg_contains_nocase(message, "limit: 0,") ||
        tarimg_contains_nocase(message, "credits are depleted"))
        return 1;
    if (!violations || violations->kind != TARIMG_ARRAY) return 0;
    for (violation = violations->first; violation; violation = violation->next) {
        if (tarimg_contains_nocase(tarimg_text_at(violation, "quotaId"), "PerDay")) return 1;
    }
    return 0;
}

static void tarimg_google_error(tarash_image_exchange *exchange) {
    const tarimg_value *details = tarimg_at(exchange->document, "error.details"), *detail;
    const char *message = tarimg_text_at(exchange->document, "error.message");
    const char *code = tarimg_text_at(exchange->document, "error.status");
    tarash_image_error *error = &exchange->error;
    int is_used_up = tarimg_google_is_used_up(NULL, message);
    for (detail = details && details->kind == TARIMG_ARRAY ? details->first : NULL; detail;
         detail = detail->next) {
        const char *reason = tarimg_text_at(detail, "reason");
        if (tarimg_is_set(reason)) code = reason;
        tarimg_google_read_delay(exchange, tarimg_text_at(detail, "retryDelay"));
        is_used_up |= tarimg_google_is_used_up(detail, NULL);
    }
    if (tarimg_contains_nocase(message, "Responsible AI practices"))
        error->result = TARASH_IMAGE_ERROR_CONTENT_MODERATION;
    if (!code) return;
    tarimg_copy_fixed(error->provider_code, sizeof error->provider_code, code);
    if (tarimg_begins_nocase(code, "API_KEY_")) error->result = TARASH_IMAGE_ERROR_AUTHENTICATION;
    if (tarimg_equal(code, "BILLING_DISABLED") || (exchange->status == 429 && is_used_up))
        error->result = TARASH_IMAGE_ERROR_QUOTA_EXCEEDED;
}

static const tarimg_adapter tarimg_google_adapter = {
    tarimg_google_build, tarimg_google_read,     NULL, NULL, 0, 0, tarimg_google_error,
    tarimg_google_model, tarimg_google_base_url, 0,    NULL};

/* >>provider automatic1111
   Stable Diffusion web UI, and Forge, on a machine of one's own: one blocking call, with seeds and the like in a text of
   JSON inside the reply. The model is the checkpoint to load; without one the server's own stays.
   github.com/AUTOMATIC1111/stable-diffusion-webui, modules/api/{api,models}.py */

#define TARIMG_AUTOMATIC1111_UPSCALER "R-ESRGAN 4x+" /* the server's own default leaves the image as it is */

static void tarimg_automatic1111_put_list(tarash_image_exchange *exchange, const char *name,
                                          tarimg_value *value) {
    tarimg_value *list = tarimg_value_new(&exchange->arena, TARIMG_ARRAY);
    tarimg_append_value(list, value);
    tarimg_set(&exchange->arena, tarimg_body_object(exchange), name, list);
}

/* The size asked for; an edit without one keeps its image's, which the server would squeeze into a square. */
static void tarimg_automatic1111_put_size(tarash_image_exchange *exchange, const char *width_name,
                                          const char *height_name, int from_input) {
    const tarimg_link *link = exchange->link;
    const char *size = exchange->request.size;
    int width = 0, height = 0;
    if (size)
        (void)tarimg_parse_size(size, strlen(size), &width, &height);
    else if (from_input && link->input_count && link->inputs[0].width) {
        width = link->inputs[0].width;
        height = link->inputs[0].height;
        tarimg_fit_size(link->caps, &width, &height);
    }
    if (!width) return;
    tarimg_body_integer(exchange, width_name, width);
    tarimg_body_integer(exchange, height_name, height);
}

static void tarimg_automatic1111_put_images(tarash_image_exchange *exchange) {
    if (!exchange->link->input_count) return;
    tarimg_automatic1111_put_list(exchange, "init_images",
                                  tarimg_input_value(exchange, TARIMG_INPUT_BASE64, 0));
    if (exchange->link->mask)
        tarimg_set(&exchange->arena, tarimg_body_object(exchange), "mask",
                   tarimg_input_value(exchange, TARIMG_INPUT_BASE64, (size_t)-1));
}

static void tarimg_automatic1111_put_model(tarash_image_exchange *exchange) {
    tarimg_value *settings;
    if (!exchange->link->model[0]) return;
    settings = tarimg_value_new(&exchange->arena, TARIMG_OBJECT);
    tarimg_set_text(&exchange->arena, settings, "sd_model_checkpoint", exchange->link->model);
    tarimg_set(&exchange->arena, tarimg_body_object(exchange), "override_settings", settings);
}

static void tarimg_automatic1111_build_image(tarash_image_exchange *exchange) {
    const tarash_image_request *request = &exchange->request;
    tarimg_send(exchange, "POST", exchange->link->input_count ? "sdapi/v1/img2img" : "sdapi/v1/txt2img");
    tarimg_body_set(exchange, "prompt", request->prompt);
    tarimg_body_set(exchange, "negative_prompt", request->negative_prompt);
    if (request->style)
        tarimg_automatic1111_put_list(exchange, "styles",
                                      tarimg_value_text(&exchange->arena, request->style));
    tarimg_automatic1111_put_size(exchange, "width", "height", 1);
    if (request->n > 0) tarimg_body_integer(exchange, "batch_size", exchange->count);
    if (request->has_seed) tarimg_body_integer(exchange, "seed", request->seed);
    tarimg_automatic1111_put_images(exchange);
    tarimg_automatic1111_put_model(exchange);
}

static void tarimg_automatic1111_build_upscale(tarash_image_exchange *exchange) {
    tarimg_send(exchange, "POST", "sdapi/v1/extra-single-image");
    tarimg_set(&exchange->arena, tarimg_body_object(exchange), "image",
               tarimg_input_value(exchange, TARIMG_INPUT_BASE64, 0));
    tarimg_body_set(exchange, "upscaler_1", TARIMG_AUTOMATIC1111_UPSCALER);
    if (!exchange->request.size) return;
    tarimg_body_integer(exchange, "resize_mode", 1);
    tarimg_automatic1111_put_size(exchange, "upscaling_resize_w", "upscaling_resize_h", 0);
}

static tarash_image_result tarimg_automatic1111_build(tarash_image_exchange *exchange) {
    const tarimg_link *link = exchange->link;
    if (link->key && !strchr(link->key, ':'))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                           "api_key: has the form user:password (the server's --api-auth)");
    tarimg_use_basic_key(exchange);
    if (exchange->phase == TARASH_IMAGE_PHASE_CANCEL) {
        tarimg_send(exchange, "POST", "sdapi/v1/interrupt");
        return TARASH_IMAGE_OK;
    }
    if (link->operation && tarimg_equal(link->operation->operation, "upscale"))
        tarimg_automatic1111_build_upscale(exchange);
    else
        tarimg_automatic1111_build_image(exchange);
    exchange->image_paths = "images[],image";
    exchange->holds_images = 1; /* a grid may stand before them */
    return TARASH_IMAGE_OK;
}

/* The images that were asked for: behind a grid, and before what extensions add. */
static void tarimg_automatic1111_read_images(tarash_image_exchange *exchange, const tarimg_value *info) {
    const tarimg_value *list = tarimg_at(exchange->document, "images"), *seeds = tarimg_at(info, "all_seeds"),
                       *image, *seed;
    int64_t first = 0, place = 0;
    int is_counted = seeds && seeds->kind == TARIMG_ARRAY && seeds->first;
    (void)tarimg_integer_at(info, "index_of_first_image", &first);
    if (!list || list->kind != TARIMG_ARRAY) return;
    seed = is_counted ? seeds->first : NULL;
    for (image = list->first; image && (seed || !is_counted); image = image->next) {
        tarimg_found *found;
        if (place++ < first) continue;
        found = tarimg_add_image(exchange, image);
        if (found && seed) found->has_seed = tarimg_integer_at(seed, "", &found->seed);
        if (seed) seed = seed->next;
    }
}

static tarash_image_result tarimg_automatic1111_read(tarash_image_exchange *exchange) {
    const char *text = tarimg_text_at(exchange->document, "info");
    tarimg_value *info = NULL;
    tarimg_read_metadata(exchange, "images,image,parameters,info");
    if (text) info = tarimg_parse_json(&exchange->arena, text, strlen(text), exchange->link->max_depth);
    tarimg_redact_value(exchange->link->secrets, info); /* what its escapes have hidden */
    if (info && exchange->metadata) tarimg_set(&exchange->arena, exchange->metadata, "info", info);
    tarimg_automatic1111_read_images(exchange, info);
    (void)tarimg_add_image(exchange, tarimg_at(exchange->document, "image"));
    if (exchange->found) return TARASH_IMAGE_OK;
    return tarimg_fail(exchange, TARASH_IMAGE_ERROR_GENERATION_FAILED, NULL,
                       "the answer holds no image; was the server interrupted?");
}

/* {"detail"}, or of an exception {"error": its class, "detail", "errors": its text}. */
static void tarimg_automatic1111_error(tarash_image_exchange *exchange) {
    static const char *const paths[] = {"detail", "errors"};
    static const char *const faults[] = {"Sampler not found",     "Init image not found", "Script '",
                                         "Invalid encoded image", "Invalid image url",    "Model not found"};
    const char *message = tarimg_first_text(exchange->document, paths, sizeof paths / sizeof paths[0]);
    const char *kind = tarimg_text_at(exchange->document, "error");
    tarash_image_error *error = &exchange->error;
    size_t i;
    if (kind) tarimg_copy_fixed(error->provider_code, sizeof error->provider_code, kind);
    if (exchange->status == 404 && tarimg_equal(message, "Not Found"))
        message = "there is no such path; the server must be started with --api";
    if (!message) return;
    for (i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        if (tarimg_begins_nocase(message, faults[i])) error->result = TARASH_IMAGE_ERROR_VALIDATION;
    }
    message = tarimg_format(&exchange->arena, "%s answered HTTP %d: %s", exchange->speaker, exchange->status,
                            message);
    if (message) tarimg_copy_fixed(error->message, sizeof error->message, message);
}

static const tarimg_adapter tarimg_automatic1111_adapter = {tarimg_automatic1111_build,
                                                            tarimg_automatic1111_read,
                                                            NULL,
                                                            NULL,
                                                            0,
                                                            2,
                                                            tarimg_automatic1111_error,
                                                            NULL,
                                                            NULL,
                                                            0,
                                                            NULL};

/* >>provider stability
   Forms always, one image per call; the model or the operation is a path. Bytes or JSON come back, with a refused
   image as status 200; two calls give a job. The old v1 engines take JSON.
   https://platform.stability.ai/docs/api-reference */

/* What the calls of v2beta differ in; Bedrock sells the same ones as models, whose ids hold `name`. */
typedef struct tarimg_stability_service {
    const char *call; /* below v2beta/stable-image/ */
    const char *name;
    const char *images; /* fields of the input images, in their order */
    const char *prompt; /* the prompt's field, or NULL */
} tarimg_stability_service;

/* The last one stands for calls that are newer than this table. */
static const tarimg_stability_service tarimg_stability_services[] = {
    {"generate/core", "stable-image-core", "", "prompt"},
    {"generate/ultra", "stable-image-ultra", "image", "prompt"},
    {"generate/sd3", "sd3", "image", "prompt"},
    {"edit/erase", "erase-object", "image", NULL},
    {"edit/inpaint", "inpaint", "image", "prompt"},
    {"edit/outpaint", "outpaint", "image", "prompt"},
    {"edit/search-and-replace", "search-replace", "image", "prompt"},
    {"edit/search-and-recolor", "search-recolor", "image", "prompt"},
    {"edit/remove-background", "remove-background", "image", NULL},
    {"edit/replace-background-and-relight", "relight", "subject_image,background_reference,light_reference",
     "background_prompt"},
    {"control/sketch", "control-sketch", "image", "prompt"},
    {"control/structure", "control-structure", "image", "prompt"},
    {"control/style", "style-guide", "image", "prompt"},
    {"control/style-transfer", "style-transfer", "init_image,style_image", "prompt"},
    {"upscale/fast", "fast-upscale", "image", NULL},
    {"upscale/conservative", "conservative-upscale", "image", "prompt"},
    {"upscale/creative", "creative-upscale", "image", "prompt"},
    {"", "", "image", "prompt"}};

#define TARIMG_STABILITY_LAST          (sizeof tarimg_stability_services / sizeof tarimg_stability_services[0] - 1)
#define TARIMG_STABILITY_STRENGTH      "0.5" /* where none is given; the call must have one */
#define TARIMG_STABILITY_LONGEST_USER  256
#define TARIMG_STABILITY_LOCKED_OUT_MS 60000 /* after too many requests */

static int tarimg_stability_is_engine(const char *model) {
    return tarimg_begins(model, "stable-diffusion-");
}

/* Operations that any model has, and not a call of its own. */
static int tarimg_stability_is_general(const tarash_image_operation_info *operation) {
    return !operation || tarimg_equal(operation->call, "generate");
}

/* Names that other places have for these models. */
static const char *tarimg_stability_model(const tarimg_link *link) {
    const char *model = link->model;
    if (!tarimg_stability_is_general(link->operation)) return link->operation->call;
    if (link->has_mask && !strchr(model, '/')) return "edit/inpaint";
    if (tarimg_equal(model, "stable-diffusion-xl")) return "stable-diffusion-xl-1024-v1-0";
    if (tarimg_equal(model, "sd3") || tarimg_equal(model, "stable-diffusion-3")) return "sd3.5-large";
    if (tarimg_begins(model, "stable-diffusion-3"))
        return tarimg_format(link->arena, "sd3%s", model + strlen("stable-diffusion-3"));
    return NULL;
}

static const char *tarimg_stability_call(const char *model) {
    if (strchr(model, '/')) return model;
    if (tarimg_contains_nocase(model, "core")) return "generate/core";
    return tarimg_contains_nocase(model, "ultra") ? "generate/ultra" : "generate/sd3";
}

static const tarimg_stability_service *tarimg_stability_find_service(const char *call) {
    size_t i = 0;
    while (i < TARIMG_STABILITY_LAST && !tarimg_equal(tarimg_stability_services[i].call, call)) i++;
    return &tarimg_stability_services[i];
}

/* ---- request */

/* A model that was asked for, and doesn't go out under that name, is worth a word; nothing is lost by it. */
static void tarimg_stability_tell_model(tarimg_link *link) {
    const char *asked = link->config.model;
    if (asked && !tarimg_equal(asked, link->model))
        tarimg_add_note(link, 1, "model", asked, link->model,
                        "the provider's name of what makes this request's image");
}

static void tarimg_stability_prompt(tarash_image_exchange *exchange,
                                    const tarimg_stability_service *service) {
    const char *prompt = exchange->request.prompt;
    if (!tarimg_is_set(prompt)) return;
    if (service->prompt)
        tarimg_body_set(exchange, service->prompt, prompt);
    else
        tarimg_warn(exchange->link, "prompt", prompt, NULL, "this model takes no prompt");
}

static void tarimg_stability_settings(tarash_image_exchange *exchange) {
    const tarash_image_request *request = &exchange->request;
    tarimg_body_set(exchange, "negative_prompt", request->negative_prompt);
    tarimg_body_set(exchange, "aspect_ratio", request->aspect_ratio);
    tarimg_body_set(exchange, "style_preset", request->style);
    tarimg_body_set(exchange, "output_format", request->output_format);
    if (request->has_seed) tarimg_body_integer(exchange, "seed", request->seed);
}

/* Of two images whose roles say so, the first one gives the style. */
static int tarimg_stability_swaps(const tarimg_link *link, const tarimg_stability_service *service) {
    return tarimg_equal(service->images, "init_image,style_image") && link->input_count == 2 &&
           link->inputs[0].role == TARASH_IMAGE_ROLE_STYLE && link->inputs[1].role != TARASH_IMAGE_ROLE_STYLE;
}

static void tarimg_stability_images(tarash_image_exchange *exchange, const tarimg_stability_service *service,
                                    tarimg_kind kind) {
    const tarimg_link *link = exchange->link;
    const char *list = service->images, *item;
    size_t i = 0, size, swap = (size_t)tarimg_stability_swaps(link, service);
    for (; i < link->input_count && tarimg_next_item(&list, &item, &size); i++) {
        const char *name = tarimg_copy_bytes(&exchange->arena, item, size);
        if (name)
            tarimg_set(&exchange->arena, tarimg_body_object(exchange), name,
                       tarimg_input_value(exchange, kind, i ^ swap));
    }
    if (link->mask)
        tarimg_set(&exchange->arena, tarimg_body_object(exchange), "mask",
                   tarimg_input_value(exchange, kind, (size_t)-1));
}

static void tarimg_stability_strength(tarash_image_exchange *exchange) {
    const tarimg_value *given = tarimg_at(exchange->link->options, "strength");
    tarimg_value *value = given ? tarimg_copy_value(&exchange->arena, given)
                                : tarimg_value_text(&exchange->arena, TARIMG_STABILITY_STRENGTH);
    if (value && !given) value->kind = TARIMG_NUMBER;
    tarimg_set(&exchange->arena, tarimg_body_object(exchange), "strength", value);
}

/* Image to image: how much of the image may change, and at SD3 a mode in which the image gives the shape. */
static void tarimg_stability_change(tarash_image_exchange *exchange,
                                    const tarimg_stability_service *service) {
    tarimg_link *link = exchange->link;
    const char *strength = tarimg_option(link, "strength"), *ratio = exchange->request.aspect_ratio;
    if (!tarimg_begins(service->call, "generate/") || link->input_count == 0) {
        if (strength)
            tarimg_warn(link, "provider_config.strength", strength, NULL,
                        "only image to image has a strength");
        return;
    }
    tarimg_stability_strength(exchange);
    if (!tarimg_equal(service->call, "generate/sd3")) return;
    tarimg_body_set(exchange, "mode", "image-to-image");
    if (!ratio) return;
    tarimg_warn(link, "aspect_ratio", ratio, NULL, "image to image keeps the image's ratio");
    tarimg_remove_member(tarimg_body_object(exchange), "aspect_ratio");
}

/* Images that a call can't do without, beyond the first. */
static tarash_image_result tarimg_stability_check(tarash_image_exchange *exchange,
                                                  const tarimg_stability_service *service) {
    const tarimg_link *link = exchange->link;
    if (tarimg_equal(service->images, "init_image,style_image") && link->input_count == 1)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                           "images: a style transfer takes two, the second (or the one with the role style) "
                           "gives the style");
    if (tarimg_equal(service->prompt, "background_prompt") && !tarimg_is_set(exchange->request.prompt) &&
        link->input_count < 2 && !tarimg_member(link->extra, "background_prompt"))
        return tarimg_fail(
            exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
            "prompt: is missing; say what the background shall be, or give a second image of it");
    return TARASH_IMAGE_OK;
}

/* The fields of a call, in a form or, at Bedrock, in JSON. */
static tarash_image_result tarimg_stability_fields(tarash_image_exchange *exchange,
                                                   const tarimg_stability_service *service,
                                                   tarimg_kind image_kind) {
    tarimg_stability_prompt(exchange, service);
    tarimg_stability_settings(exchange);
    tarimg_stability_images(exchange, service, image_kind);
    tarimg_stability_change(exchange, service);
    return tarimg_stability_check(exchange, service);
}

/* The end user's id is a header here. */
static void tarimg_stability_user(tarash_image_exchange *exchange) {
    const char *user = exchange->request.user;
    if (!user) return;
    if (strlen(user) <= TARIMG_STABILITY_LONGEST_USER)
        tarimg_add_header(&exchange->arena, &exchange->headers, "stability-client-user-id", user);
    else
        tarimg_warn(exchange->link, "user", user, NULL, "this provider takes at most 256 characters of it");
}

static void tarimg_stability_weigh(tarash_image_exchange *exchange, tarimg_value *list, const char *text,
                                   int weight) {
    tarimg_value *entry = tarimg_is_set(text) ? tarimg_value_new(&exchange->arena, TARIMG_OBJECT) : NULL;
    if (!entry || !list) return;
    tarimg_set_text(&exchange->arena, entry, "text", text);
    tarimg_set_integer(&exchange->arena, entry, "weight", weight);
    tarimg_append_value(list, entry);
}

static void tarimg_stability_engine_size(tarash_image_exchange *exchange) {
    const char *size = exchange->request.size;
    int width = 0, height = 0;
    if (!size && tarimg_contains_nocase(exchange->link->model, "xl-1024")) size = "1024x1024";
    if (!size || !tarimg_parse_size(size, strlen(size), &width, &height)) return;
    tarimg_body_integer(exchange, "width", width);
    tarimg_body_integer(exchange, "height", height);
}

/* v1: JSON, sizes in pixels, several images, and a negative prompt as one that weighs less than nothing. */
static tarash_image_result tarimg_stability_build_engine(tarash_image_exchange *exchange) {
    const tarash_image_request *request = &exchange->request;
    const char *model = tarimg_encode_path(&exchange->arena, exchange->link->model, "");
    const char *path = tarimg_format(&exchange->arena, "v1/generation/%s/text-to-image", model ? model : "");
    tarimg_value *prompts = tarimg_value_new(&exchange->arena, TARIMG_ARRAY);
    tarimg_send(exchange, "POST", path);
    tarimg_stability_weigh(exchange, prompts, request->prompt, 1);
    tarimg_stability_weigh(exchange, prompts, request->negative_prompt, -1);
    tarimg_set(&exchange->arena, tarimg_body_object(exchange), "text_prompts", prompts);
    tarimg_stability_engine_size(exchange);
    if (request->n > 0) tarimg_body_integer(exchange, "samples", exchange->count);
    if (request->has_seed) tarimg_body_integer(exchange, "seed", request->seed);
    tarimg_body_set(exchange, "style_preset", request->style);
    exchange->image_paths = "artifacts[].base64,[].base64"; /* older servers: the bare list */
    exchange->holds_images = 1;                             /* whether one was refused is told beside it */
    return TARASH_IMAGE_OK;
}

/* provider_config's accept: bytes, or JSON with base64 and more facts; a poll has another word for bytes. */
static void tarimg_stability_accept(tarash_image_exchange *exchange, const char *bytes) {
    const char *wanted = tarimg_option(exchange->link, "accept");
    if (tarimg_begins(wanted, "image/") || tarimg_equal(wanted, "*/*")) exchange->accept = bytes;
    exchange->image_paths = "image";
    exchange->holds_images = 1; /* as above */
}

static tarash_image_result tarimg_stability_build_poll(tarash_image_exchange *exchange) {
    tarimg_send(exchange, "GET", tarimg_format(&exchange->arena, "v2beta/results/%s", exchange->job_id));
    tarimg_stability_accept(exchange, "*/*");
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_stability_build(tarash_image_exchange *exchange) {
    tarimg_link *link = exchange->link;
    const char *call = tarimg_stability_call(link->model);
    const char *path = tarimg_encode_path(&exchange->arena, call, "/");
    if (exchange->phase == TARASH_IMAGE_PHASE_POLL) return tarimg_stability_build_poll(exchange);
    tarimg_stability_tell_model(link);
    if (tarimg_stability_is_engine(link->model)) return tarimg_stability_build_engine(exchange);
    tarimg_send(exchange, "POST",
                tarimg_format(&exchange->arena, "v2beta/stable-image/%s", path ? path : ""));
    tarimg_stability_accept(exchange, "image/*");
    exchange->is_form = 1;
    tarimg_stability_user(exchange);
    if (tarimg_equal(call, "generate/sd3") && !strchr(link->model, '/'))
        tarimg_body_set(exchange, "model", link->model);
    return tarimg_stability_fields(exchange, tarimg_stability_find_service(call), TARIMG_INPUT_FILE);
}

/* ---- reply */

/* What became of an image, as the provider says. */
static tarash_image_result tarimg_stability_judge(tarash_image_exchange *exchange, const char *reason) {
    if (!tarimg_is_set(reason) || tarimg_equal(reason, "SUCCESS")) return TARASH_IMAGE_OK;
    if (tarimg_equal(reason, "CONTENT_FILTERED"))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_CONTENT_MODERATION, reason, TARIMG_BLOCKED);
    return tarimg_fail(exchange, TARASH_IMAGE_ERROR_GENERATION_FAILED, reason,
                       "the provider gave up on the image");
}

static tarash_image_result tarimg_stability_read_bytes(tarash_image_exchange *exchange) {
    const char *reason = tarimg_reply_header(exchange, "finish-reason"),
               *seed = tarimg_reply_header(exchange, "seed");
    tarash_image_result result = tarimg_stability_judge(exchange, reason);
    tarimg_found *found = result == TARASH_IMAGE_OK ? tarimg_add_found(exchange) : NULL;
    if (!found) return result;
    found->is_payload = 1;
    found->has_seed = seed && tarimg_parse_integer(seed, strlen(seed), &found->seed);
    exchange->metadata = tarimg_value_new(&exchange->arena, TARIMG_OBJECT);
    tarimg_set_text(&exchange->arena, exchange->metadata, "finish_reason", reason);
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_stability_read_artifacts(tarash_image_exchange *exchange,
                                                           const tarimg_value *list) {
    const tarimg_value *item;
    tarash_image_result result = TARASH_IMAGE_OK, one;
    for (item = list->first; item; item = item->next) {
        tarimg_found *found;
        one = tarimg_stability_judge(exchange, tarimg_text_at(item, "finishReason"));
        if (one != TARASH_IMAGE_OK) result = one;
        if (one == TARASH_IMAGE_ERROR_CONTENT_MODERATION) exchange->refused_count++;
        found = one == TARASH_IMAGE_OK ? tarimg_add_image(exchange, tarimg_at(item, "base64")) : NULL;
        if (found) found->has_seed = tarimg_integer_at(item, "seed", &found->seed);
    }
    if (!exchange->found) return result; /* without any problem either: the engine says that no image came */
    exchange->error.result = TARASH_IMAGE_OK;
    exchange->error.message[0] = exchange->error.provider_code[0] = '\0';
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_stability_wait(tarash_image_exchange *exchange) {
    exchange->has_progress = 1;
    exchange->progress = TARASH_IMAGE_STATUS_PROCESSING;
    exchange->has_next = 1;
    exchange->next_phase = TARASH_IMAGE_PHASE_POLL;
    return TARASH_IMAGE_OK;
}

/* A call that gives a job answers with nothing but its id. */
static tarash_image_result tarimg_stability_accepted(tarash_image_exchange *exchange) {
    const char *id = tarimg_text_at(exchange->document, "id");
    if (!tarimg_is_path_part(id))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_BAD_RESPONSE, NULL,
                           "the answer holds neither an image nor the id of a job");
    exchange->job_id = tarimg_copy(&exchange->arena, id);
    return tarimg_stability_wait(exchange);
}

static tarash_image_result tarimg_stability_read_image(tarash_image_exchange *exchange) {
    const char *reason = tarimg_text_at(exchange->document, "finish_reason");
    tarash_image_result result = tarimg_stability_judge(exchange, reason);
    tarimg_found *found;
    if (result != TARASH_IMAGE_OK) return result;
    found = tarimg_add_image(exchange, tarimg_at(exchange->document, "image"));
    if (found) {
        found->has_seed = tarimg_integer_at(exchange->document, "seed", &found->seed);
        return TARASH_IMAGE_OK;
    }
    if (reason || exchange->error.result != TARASH_IMAGE_OK) return exchange->error.result;
    if (exchange->phase == TARASH_IMAGE_PHASE_SUBMIT) return tarimg_stability_accepted(exchange);
    /* A poll that is neither an end nor a failure: whatever word the provider has for it. */
    return exchange->status == 202 || tarimg_text_at(exchange->document, "status")
               ? tarimg_stability_wait(exchange)
               : tarimg_stability_accepted(exchange);
}

static tarash_image_result tarimg_stability_read(tarash_image_exchange *exchange) {
    const tarimg_value *artifacts = tarimg_at(exchange->document, "artifacts");
    if (exchange->document && exchange->document->kind == TARIMG_ARRAY && exchange->document->first)
        artifacts = exchange->document;
    if (exchange->is_raw_image) return tarimg_stability_read_bytes(exchange);
    tarimg_read_metadata(exchange, "image,seed,artifacts,id,status");
    if (artifacts && artifacts->kind == TARIMG_ARRAY)
        return tarimg_stability_read_artifacts(exchange, artifacts);
    return tarimg_stability_read_image(exchange);
}

/* Errors have a name, which says more than the status: 403 is a refused content or a missing right. */
static void tarimg_stability_error(tarash_image_exchange *exchange) {
    static const struct {
        const char *name;
        tarash_image_result result;
    } table[] = {{"bad_request", TARASH_IMAGE_ERROR_VALIDATION},
                 {"payload_too_large", TARASH_IMAGE_ERROR_VALIDATION},
                 {"invalid_language", TARASH_IMAGE_ERROR_VALIDATION},
                 {"unauthorized", TARASH_IMAGE_ERROR_AUTHENTICATION},
                 {"permission_denied", TARASH_IMAGE_ERROR_AUTHENTICATION},
                 {"payment_required", TARASH_IMAGE_ERROR_QUOTA_EXCEEDED},
                 {"content_moderation", TARASH_IMAGE_ERROR_CONTENT_MODERATION},
                 {"rate_limit_exceeded", TARASH_IMAGE_ERROR_RATE_LIMITED}};
    const char *name = tarimg_text_at(exchange->document, "name");
    tarash_image_error *error = &exchange->error;
    size_t i;
    for (i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (tarimg_equal(table[i].name, name)) error->result = table[i].result;
    }
    if (error->result == TARASH_IMAGE_ERROR_RATE_LIMITED && !error->retry_after_ms)
        error->retry_after_ms = TARIMG_STABILITY_LOCKED_OUT_MS;
    /* A job that failed answers each poll so; asking on would change nothing. */
    if (exchange->phase != TARASH_IMAGE_PHASE_POLL || !tarimg_equal(name, "internal_error")) return;
    error->result = TARASH_IMAGE_ERROR_GENERATION_FAILED;
    exchange->advice = -1;
}

static const tarimg_adapter tarimg_stability_adapter = {
    tarimg_stability_build, tarimg_stability_read,  NULL, NULL, 1,   0,
    tarimg_stability_error, tarimg_stability_model, NULL, 0,    NULL};

/* >>provider bedrock
   Stability's calls as models of Amazon Bedrock: JSON with bare base64, a bearer key or a signature.
   https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-stability-diffusion.html */

#define TARIMG_BEDROCK_REGION "us-west-2" /* where Stability's models are */
#define TARIMG_BEDROCK_SD3    "stability.sd3-5-large-v1:0"
#define TARIMG_BEDROCK_INPAINT                                                                               \
    "us.stability.stable-image-inpaint-v1:0" /* editing models go by a profile of a part of the world */

static const tarimg_stability_service *tarimg_bedrock_find_service(const char *model) {
    size_t i = 0;
    while (i < TARIMG_STABILITY_LAST && !tarimg_contains_nocase(model, tarimg_stability_services[i].name))
        i++;
    return &tarimg_stability_services[i];
}

static int tarimg_bedrock_takes_mask(const char *model) {
    return tarimg_in_list("edit/inpaint,edit/erase", tarimg_bedrock_find_service(model)->call);
}

/* An operation is a model; one that is of the right kind already stays, for it may be of another region. */
static const char *tarimg_bedrock_model(const tarimg_link *link) {
    const char *model = link->model;
    if (!tarimg_stability_is_general(link->operation))
        return tarimg_bedrock_find_service(model) == tarimg_bedrock_find_service(link->operation->call)
                   ? NULL
                   : link->operation->call;
    if (link->has_mask && !tarimg_bedrock_takes_mask(model)) return TARIMG_BEDROCK_INPAINT;
    return link->input_count && !link->config.model ? TARIMG_BEDROCK_SD3 : NULL;
}

/* The region: as configured, else that of the base URL, else the usual one. NULL if it is malformed. */
/* Of a host such as bedrock-runtime.us-east-1.amazonaws.com; NULL of any other. */
static const char *tarimg_bedrock_host_region(const tarimg_link *link) {
    tarimg_url url;
    const char *host, *name;
    if (!tarimg_split_url(link->base_url, &url)) return NULL;
    host = tarimg_copy_bytes(link->arena, url.host, url.host_size);
    name = host ? strstr(host, "bedrock-runtime") : NULL;
    if (name) name = strchr(name, '.');
    return name ? tarimg_copy_bytes(link->arena, name + 1, strcspn(name + 1, ".")) : NULL;
}

/* The one that is signed for: the host's, where it names one. */
static const char *tarimg_bedrock_region(const tarimg_link *link) {
    const char *region = link->base_url ? tarimg_bedrock_host_region(link) : NULL;
    if (!region) region = tarimg_option(link, "region");
    if (!region) region = TARIMG_BEDROCK_REGION;
    return tarimg_is_plain_word(region) ? region : NULL;
}

static const char *tarimg_bedrock_base_url(const tarimg_link *link, const char **problem) {
    const char *region = tarimg_bedrock_region(link);
    if (!region) *problem = "provider_config.region: is no name of a region";
    return region ? tarimg_format(link->arena, "https://bedrock-runtime.%s.amazonaws.com%s", region,
                                  tarimg_begins(region, "cn-") ? ".cn" : "")
                  : NULL;
}

/* A key of two parts signs the request; any other is a bearer's. */
static tarash_image_result tarimg_bedrock_use_key(tarash_image_exchange *exchange) {
    const tarimg_link *link = exchange->link;
    const char *region = tarimg_bedrock_region(link);
    if (!region)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                           "provider_config.region: is not a region's name, such as " TARIMG_BEDROCK_REGION);
    if (!link->key || !strchr(link->key, ':')) return TARASH_IMAGE_OK;
    return tarimg_use_signing_key(exchange, region, "bedrock");
}

static tarash_image_result tarimg_bedrock_build(tarash_image_exchange *exchange) {
    tarimg_link *link = exchange->link;
    const char *model = tarimg_encode_path(&exchange->arena, link->model, "");
    tarash_image_result result;
    if (tarimg_contains_nocase(link->model, "amazon."))
        return tarimg_fail(
            exchange, TARASH_IMAGE_ERROR_UNSUPPORTED, NULL,
            "model: only Stability's models of Bedrock are spoken here; Amazon's own image models "
            "have ended");
    tarimg_stability_tell_model(link);
    tarimg_send(exchange, "POST", tarimg_format(&exchange->arena, "model/%s/invoke", model ? model : ""));
    result = tarimg_stability_fields(exchange, tarimg_bedrock_find_service(link->model), TARIMG_INPUT_BASE64);
    if (result != TARASH_IMAGE_OK) return result;
    exchange->image_paths = "images[]";
    exchange->holds_images = 1;
    return tarimg_bedrock_use_key(exchange);
}

/* The reason that one of a reply's images was not made. */
static tarash_image_result tarimg_bedrock_judge(tarash_image_exchange *exchange, const char *reason) {
    if (!tarimg_is_set(reason) || tarimg_equal_nocase(reason, "SUCCESS")) return TARASH_IMAGE_OK;
    if (tarimg_begins_nocase(reason, "filter") || tarimg_contains_nocase(reason, "content_filtered"))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_CONTENT_MODERATION, reason, TARIMG_BLOCKED);
    return tarimg_fail(exchange, TARASH_IMAGE_ERROR_GENERATION_FAILED, reason, reason);
}

static void tarimg_bedrock_add_image(tarash_image_exchange *exchange, const tarimg_value *image,
                                     const tarimg_value *seeds, size_t index) {
    const char *path = tarimg_format(&exchange->arena, "[%llu]", (unsigned long long)index);
    tarimg_found *found = tarimg_add_image(exchange, image);
    if (found && path) found->has_seed = tarimg_integer_at(seeds, path, &found->seed);
}

static tarash_image_result tarimg_bedrock_read(tarash_image_exchange *exchange) {
    const tarimg_value *images = tarimg_at(exchange->document, "images"), *image, *reason;
    const tarimg_value *reasons = tarimg_at(exchange->document, "finish_reasons");
    const tarimg_value *seeds = tarimg_at(exchange->document, "seeds");
    const char *status = tarimg_text_at(exchange->document, "status");
    tarash_image_result result = TARASH_IMAGE_OK;
    size_t index = 0;
    tarimg_read_metadata(exchange, "images,seeds");
    if (tarimg_contains_nocase(status, "moderated"))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_CONTENT_MODERATION, status, TARIMG_BLOCKED);
    if ((!images || images->kind != TARIMG_ARRAY) && (!reasons || reasons->kind != TARIMG_ARRAY))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_BAD_RESPONSE, NULL,
                           "the answer has no list named images");
    reason = reasons && reasons->kind == TARIMG_ARRAY ? reasons->first : NULL;
    image = images && images->kind == TARIMG_ARRAY ? images->first : NULL;
    for (; image || reason; index++) {
        const char *word = reason && reason->kind == TARIMG_STRING ? reason->text : NULL;
        tarash_image_result one = tarimg_bedrock_judge(exchange, word);
        if (one != TARASH_IMAGE_OK) result = one;
        if (one == TARASH_IMAGE_ERROR_CONTENT_MODERATION) exchange->refused_count++;
        if (one == TARASH_IMAGE_OK && image) tarimg_bedrock_add_image(exchange, image, seeds, index);
        if (image) image = image->next;
        if (reason) reason = reason->next;
    }
    if (!exchange->found && result != TARASH_IMAGE_OK) return result;
    if (exchange->found && result != TARASH_IMAGE_OK) {
        exchange->error.result = TARASH_IMAGE_OK;
        exchange->error.message[0] = exchange->error.provider_code[0] = '\0';
    }
    return exchange->error.result;
}

/* A refusal of the content is a ValidationException like any other, but for its words. */
static int tarimg_bedrock_is_moderation(const char *message) {
    return tarimg_contains_nocase(message, "content filter") ||
           tarimg_contains_nocase(message, "Responsible AI");
}

/* The exception's name stands in a header, perhaps with an address behind it, or in the body behind a '#'. */
static const char *tarimg_bedrock_exception(tarash_image_exchange *exchange) {
    const char *name = tarimg_reply_header(exchange, "x-amzn-errortype"), *mark;
    if (!tarimg_is_set(name)) name = tarimg_text_at(exchange->document, "__type");
    if (!name) return NULL;
    mark = strchr(name, '#');
    if (mark) name = mark + 1;
    return tarimg_copy_bytes(&exchange->arena, name, strcspn(name, ":"));
}

static void tarimg_bedrock_error(tarash_image_exchange *exchange) {
    static const struct {
        const char *name;
        tarash_image_result result;
    } table[] = {{"ValidationException", TARASH_IMAGE_ERROR_VALIDATION},
                 {"AccessDeniedException", TARASH_IMAGE_ERROR_AUTHENTICATION},
                 {"UnrecognizedClientException", TARASH_IMAGE_ERROR_AUTHENTICATION},
                 {"InvalidSignatureException", TARASH_IMAGE_ERROR_AUTHENTICATION},
                 {"IncompleteSignatureException", TARASH_IMAGE_ERROR_AUTHENTICATION},
                 {"MissingAuthenticationTokenException", TARASH_IMAGE_ERROR_AUTHENTICATION},
                 {"ExpiredTokenException", TARASH_IMAGE_ERROR_AUTHENTICATION},
                 {"ServiceQuotaExceededException", TARASH_IMAGE_ERROR_QUOTA_EXCEEDED},
                 {"ThrottlingException", TARASH_IMAGE_ERROR_RATE_LIMITED},
                 {"ModelTimeoutException", TARASH_IMAGE_ERROR_TIMEOUT},
                 {"ModelErrorException", TARASH_IMAGE_ERROR_GENERATION_FAILED}};
    const char *name = tarimg_bedrock_exception(exchange);
    tarash_image_error *error = &exchange->error;
    size_t i;
    if (!name) return;
    tarimg_copy_fixed(error->provider_code, sizeof error->provider_code, name);
    if (error->result == TARASH_IMAGE_ERROR_CONTENT_MODERATION) return;
    for (i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (tarimg_equal(table[i].name, name)) error->result = table[i].result;
    }
    if (error->result == TARASH_IMAGE_ERROR_VALIDATION && tarimg_bedrock_is_moderation(error->message))
        error->result = TARASH_IMAGE_ERROR_CONTENT_MODERATION;
}

static const tarimg_adapter tarimg_bedrock_adapter = {
    tarimg_bedrock_build, tarimg_bedrock_read,     NULL, NULL, 0, 0, tarimg_bedrock_error,
    tarimg_bedrock_model, tarimg_bedrock_base_url, 0,    NULL};
/* >>provider replicate
   Every model has fields of its own (the table of mappings), inside "input"; every call is a prediction that is polled.
   Models: "owner/name" (official), "owner/name:version" or a bare version (any), or a deployment's "owner/name".
   https://replicate.com/docs/reference/http, https://replicate.com/docs/topics/predictions/lifecycle */

/* What goes beside the mapped fields. The first prefix that fits counts. */
static const struct {
    const char *prefix;
    const char *custom; /* field that must say "custom" where width and height are sent, or NULL */
    const char
        *resolution;   /* field that takes a word for the longer edge, where sizes are not taken, or NULL */
    const char *words; /* for up to TARIMG_REPLICATE_1K_EDGE, up to TARIMG_REPLICATE_2K_EDGE, more */
    int follows_input; /* an edit keeps the first input's ratio only if told so */
} tarimg_replicate_rules[] = {
    {"black-forest-labs/flux-1.1-pro-ultra", NULL, NULL, NULL, 0},
    {"black-forest-labs/flux-1.1-pro", "aspect_ratio", NULL, NULL, 0},
    {"black-forest-labs/flux-2-", "aspect_ratio", NULL, NULL, 1},
    {"black-forest-labs/flux-3", NULL, "resolution", "1k,2k,4k", 0},
    {"bytedance/seedream-4.5", NULL, "size", "2K,2K,4K", 0},
    {"bytedance/seedream-4", "size", NULL, NULL, 0},
    {"google/nano-banana-", NULL, "resolution", "1K,2K,4K", 0},
    {"google/imagen-4", NULL, "image_size", "1K,2K,2K", 0},
};

#define TARIMG_REPLICATE_RULE_COUNT (sizeof tarimg_replicate_rules / sizeof tarimg_replicate_rules[0])
#define TARIMG_REPLICATE_1K_EDGE    1536
#define TARIMG_REPLICATE_2K_EDGE    3072

/* Where there is a mask and no model is named, the model that takes one. */
static const char *tarimg_replicate_model(const tarimg_link *link) {
    return !link->config.model && link->has_mask ? "black-forest-labs/flux-fill-pro" : NULL;
}

static const char *tarimg_replicate_resolution(tarimg_link *link, const char *words) {
    int edge = link->width > link->height ? link->width : link->height;
    int rank = (edge > TARIMG_REPLICATE_1K_EDGE) + (edge > TARIMG_REPLICATE_2K_EDGE);
    const char *item = NULL;
    size_t size = 0;
    do {
        if (!tarimg_next_item(&words, &item, &size)) break;
    } while (rank-- > 0);
    return item ? tarimg_copy_bytes(link->arena, item, size) : NULL;
}

/* The request itself is read from the link: of the mapped fields the exchange shows none. */
static void tarimg_replicate_follow_rules(tarash_image_exchange *exchange, tarimg_value *fields) {
    tarimg_link *link = exchange->link;
    const tarash_image_request *request = &link->request;
    tarimg_arena *arena = &exchange->arena;
    size_t i = 0, size;
    while (i < TARIMG_REPLICATE_RULE_COUNT) {
        size = strlen(tarimg_replicate_rules[i].prefix);
        if (strncmp(link->model, tarimg_replicate_rules[i].prefix, size) == 0) break;
        i++;
    }
    if (i == TARIMG_REPLICATE_RULE_COUNT) return;
    if (request->size && tarimg_replicate_rules[i].custom)
        tarimg_set_text(arena, fields, tarimg_replicate_rules[i].custom, "custom");
    if (link->width && tarimg_replicate_rules[i].resolution)
        tarimg_set_text(arena, fields, tarimg_replicate_rules[i].resolution,
                        tarimg_replicate_resolution(link, tarimg_replicate_rules[i].words));
    if (tarimg_replicate_rules[i].follows_input && request->image_count && !request->size &&
        !request->aspect_ratio)
        tarimg_set_text(arena, fields, "aspect_ratio", "match_input_image");
}

static int tarimg_replicate_is_word(const char *text, size_t size) {
    size_t i;
    for (i = 0; i < size; i++) {
        int c = tarimg_lower(text[i]);
        if (!tarimg_is_digit(text[i]) && !(c >= 'a' && c <= 'z') && c != '-' && c != '_' &&
            (c != '.' || i == 0))
            return 0;
    }
    return size > 0;
}

static int tarimg_replicate_is_name(const char *text, size_t size) {
    const char *slash = (const char *)memchr(text, '/', size);
    size_t owner = slash ? (size_t)(slash - text) : 0;
    return slash && tarimg_replicate_is_word(text, owner) &&
           tarimg_replicate_is_word(slash + 1, size - owner - 1);
}

/* The version of "owner/name:version", or of a bare version; NULL = none. */
static const char *tarimg_replicate_version(const char *model) {
    const char *colon = strchr(model, ':');
    return colon ? colon + 1 : strchr(model, '/') ? NULL : model;
}

static int tarimg_replicate_is_model(const char *model) {
    const char *version = tarimg_replicate_version(model);
    size_t name = strcspn(model, ":");
    if (version && !tarimg_replicate_is_word(version, strlen(version))) return 0;
    return version == model || tarimg_replicate_is_name(model, name);
}

static int tarimg_replicate_is_deployment(const tarimg_link *link) {
    const tarimg_value *option = tarimg_at(link->options, "deployment");
    return option && option->kind == TARIMG_TRUE;
}

/* Path and version: what is to be run. */
static tarash_image_result tarimg_replicate_address(tarash_image_exchange *exchange) {
    const tarimg_link *link = exchange->link;
    const char *model = link->model, *version = tarimg_replicate_version(model);
    int is_deployment = tarimg_replicate_is_deployment(link);
    const char *path = "predictions";
    if (!link->config.model && link->operation &&
        !(link->operation->flags & TARASH_IMAGE_OPERATION_NEEDS_PROMPT))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                           "model: is missing; this operation has no default one");
    if (!tarimg_replicate_is_model(model))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                           "model: has the form owner/name, owner/name:version, or is a version");
    if (is_deployment && version)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                           "model: a deployment's name is owner/name, without a version");
    if (!version)
        path = tarimg_format(&exchange->arena, "%s/%s/predictions", is_deployment ? "deployments" : "models",
                             model);
    tarimg_send(exchange, "POST", path);
    tarimg_body_set(exchange, "version", version);
    return TARASH_IMAGE_OK;
}

#define TARIMG_REPLICATE_LONGEST_WAIT 60 /* seconds */

/* "wait": true, or seconds. Without it the reply comes at once, so that the job can be cancelled and resumed. */
static tarash_image_result tarimg_replicate_wait(tarash_image_exchange *exchange) {
    tarimg_link *link = exchange->link;
    const tarimg_value *option = tarimg_at(link->options, "wait");
    tarimg_arena *arena = &exchange->arena;
    int64_t seconds = 0;
    if (!option || option->kind == TARIMG_FALSE || option->kind == TARIMG_NULL) return TARASH_IMAGE_OK;
    if (option->kind == TARIMG_TRUE) {
        tarimg_add_header(arena, &exchange->headers, "Prefer", "wait");
        return TARASH_IMAGE_OK;
    }
    if (!tarimg_integer_at(link->options, "wait", &seconds) || seconds < 0)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                           "provider_config.wait: is true, false, or 0 to 60 seconds");
    if (seconds > TARIMG_REPLICATE_LONGEST_WAIT) {
        tarimg_warn(link, "provider_config.wait", option->text, "60",
                    "the provider holds a request no longer");
        seconds = TARIMG_REPLICATE_LONGEST_WAIT;
    }
    if (seconds)
        tarimg_add_header(arena, &exchange->headers, "Prefer", tarimg_format(arena, "wait=%d", (int)seconds));
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_replicate_deadline(tarash_image_exchange *exchange) {
    const char *text = tarimg_option(exchange->link, "cancel_after");
    if (!text) return TARASH_IMAGE_OK;
    if (!*text || text[strspn(text, "0123456789hms")])
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                           "provider_config.cancel_after: is a time such as 90s, 5m or 1h30m");
    tarimg_add_header(&exchange->arena, &exchange->headers, "Cancel-After", text);
    return TARASH_IMAGE_OK;
}

static void tarimg_replicate_webhook(tarash_image_exchange *exchange) {
    const tarimg_value *events = tarimg_at(exchange->link->options, "webhook_events_filter");
    tarimg_body_set(exchange, "webhook", tarimg_option(exchange->link, "webhook"));
    if (events && events->kind == TARIMG_ARRAY)
        tarimg_set(&exchange->arena, tarimg_body_object(exchange), "webhook_events_filter",
                   tarimg_copy_value(&exchange->arena, events));
}

static tarash_image_result tarimg_replicate_submit(tarash_image_exchange *exchange) {
    tarash_image_result result = tarimg_replicate_address(exchange);
    tarimg_value *fields;
    if (result == TARASH_IMAGE_OK) result = tarimg_replicate_wait(exchange);
    if (result == TARASH_IMAGE_OK) result = tarimg_replicate_deadline(exchange);
    if (result != TARASH_IMAGE_OK) return result;
    tarimg_replicate_webhook(exchange);
    fields = tarimg_value_new(&exchange->arena, TARIMG_OBJECT);
    tarimg_set(&exchange->arena, tarimg_body_object(exchange), "input", fields);
    tarimg_replicate_follow_rules(exchange, tarimg_member(exchange->body, "input"));
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_replicate_build(tarash_image_exchange *exchange) {
    tarimg_arena *arena = &exchange->arena;
    exchange->image_paths = "?output,?output[],?output.image,?output.images[]";
    exchange->echo_path = "input";
    switch (exchange->phase) {
    case TARASH_IMAGE_PHASE_SUBMIT: return tarimg_replicate_submit(exchange);
    case TARASH_IMAGE_PHASE_CANCEL:
        tarimg_send(exchange, "POST", tarimg_format(arena, "predictions/%s/cancel", exchange->job_id));
        return TARASH_IMAGE_OK;
    default:
        tarimg_send(exchange, "GET", tarimg_format(arena, "predictions/%s", exchange->job_id));
        return TARASH_IMAGE_OK;
    }
}

/* ---- what the prediction tells */

/* The code at the end of an error's text, e.g. "... (E005)"; NULL = none. */
static const char *tarimg_replicate_code(tarimg_arena *arena, const char *text) {
    const char *place = text;
    while (place && (place = strstr(place, "(E")) != NULL) {
        size_t digits = strspn(place + 2, "0123456789");
        if (digits >= 3 && place[2 + digits] == ')') return tarimg_copy_bytes(arena, place + 1, digits + 1);
        place++;
    }
    return NULL;
}

static int tarimg_replicate_is_refusal(const char *code, const char *text) {
    static const char *const phrases[] = {"nsfw", "flagged as", "sensitive content", "safety filter",
                                          "safety checker"};
    size_t i;
    if (tarimg_equal(code, "E005")) return 1;
    for (i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
        if (tarimg_contains_nocase(text, phrases[i])) return 1;
    }
    return tarimg_is_moderation(0, NULL, code, text);
}

/* The last "NN%" of the log; -1 = none. */
static int tarimg_replicate_percent(const char *log) {
    int percent = -1, number = -1;
    for (; log && *log; log++) {
        if (tarimg_is_digit(*log))
            number = number < 0 ? *log - '0' : number <= 100 ? number * 10 + (*log - '0') : number;
        else {
            if (*log == '%' && number >= 0 && number <= 100) percent = number;
            number = -1;
        }
    }
    return percent;
}

/* The last line of the log that isn't empty, or NULL. Progress bars end their lines with a carriage return. */
static const char *tarimg_replicate_last_line(tarimg_arena *arena, const char *log) {
    size_t end = log ? strlen(log) : 0, start;
    while (end && tarimg_is_space(log[end - 1])) end--;
    for (start = end; start && log[start - 1] != '\n' && log[start - 1] != '\r'; start--) continue;
    return end ? tarimg_copy_bytes(arena, log + start, end - start) : NULL;
}

/* Most models write "Using seed: N". */
static int tarimg_replicate_seed(const char *log, int64_t *seed) {
    const char *place = log ? strstr(log, "seed: ") : NULL;
    return place && tarimg_parse_integer(place + 6, strspn(place + 6, "0123456789"), seed);
}

static int tarimg_replicate_is_image(const tarimg_value *value) {
    if (value->kind == TARIMG_PAYLOAD) return 1;
    return value->kind == TARIMG_STRING &&
           (tarimg_begins_nocase(value->text, "https://") || tarimg_begins_nocase(value->text, "http://") ||
            tarimg_begins_nocase(value->text, "data:image/"));
}

/* An output is a URL, a data: URL, a list of them, or an object that holds them. */
static size_t tarimg_replicate_count_images(const tarimg_value *value) {
    size_t count = 0;
    const tarimg_value *child;
    if (!value) return 0;
    if (tarimg_replicate_is_image(value)) return 1;
    for (child = value->first; child; child = child->next) count += tarimg_replicate_count_images(child);
    return count;
}

static void tarimg_replicate_add_images(tarash_image_exchange *exchange, const tarimg_value *value,
                                        const char *log) {
    const tarimg_value *child;
    tarimg_found *found;
    if (!value) return;
    if (!tarimg_replicate_is_image(value)) {
        for (child = value->first; child; child = child->next)
            tarimg_replicate_add_images(exchange, child, log);
        return;
    }
    found = tarimg_add_image(exchange, value);
    if (found) found->has_seed = tarimg_replicate_seed(log, &found->seed);
}

static tarash_image_result tarimg_replicate_finish(tarash_image_exchange *exchange, const char *log) {
    const char *created_at = tarimg_text_at(exchange->document, "created_at");
    int is_refused = tarimg_contains_nocase(log, "nsfw");
    exchange->advice = -1; /* what is unreadable now stays so */
    tarimg_replicate_add_images(exchange, tarimg_at(exchange->document, "output"), log);
    tarimg_read_metadata(exchange, "input,output,urls,error,status,created_at");
    if (created_at) (void)tarimg_parse_timestamp(created_at, &exchange->created);
    if (exchange->error.result != TARASH_IMAGE_OK) return exchange->error.result;
    if (!exchange->found && is_refused)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_CONTENT_MODERATION, NULL, TARIMG_BLOCKED);
    if (!exchange->found)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_GENERATION_FAILED, NULL,
                           "the prediction's output holds no image");
    if (is_refused && exchange->found_count < (size_t)exchange->count)
        exchange->refused_count = exchange->count - (int)exchange->found_count;
    return TARASH_IMAGE_OK;
}

static const struct {
    const char *word;
    tarash_image_status status;
    tarash_image_result result; /* of a prediction that ended without an output */
    const char *message;
} tarimg_replicate_words[] = {
    {"starting", TARASH_IMAGE_STATUS_QUEUED, TARASH_IMAGE_OK, NULL},
    {"processing", TARASH_IMAGE_STATUS_PROCESSING, TARASH_IMAGE_OK, NULL},
    {"succeeded", TARASH_IMAGE_STATUS_COMPLETED, TARASH_IMAGE_OK, NULL},
    {"failed", TARASH_IMAGE_STATUS_FAILED, TARASH_IMAGE_ERROR_GENERATION_FAILED, "the prediction failed"},
    {"canceled", TARASH_IMAGE_STATUS_FAILED, TARASH_IMAGE_ERROR_CANCELLED,
     "the prediction was cancelled at the provider"},
    {"aborted", TARASH_IMAGE_STATUS_FAILED, TARASH_IMAGE_ERROR_TIMEOUT,
     "the prediction's deadline passed before it began"},
};

#define TARIMG_REPLICATE_WORD_COUNT (sizeof tarimg_replicate_words / sizeof tarimg_replicate_words[0])

static tarash_image_result tarimg_replicate_failed(tarash_image_exchange *exchange, size_t word) {
    const char *text = tarimg_error_message(&exchange->arena, exchange->document);
    const char *code = tarimg_replicate_code(&exchange->arena, text);
    tarash_image_result result = tarimg_replicate_words[word].result;
    if (tarimg_is_set(text) && tarimg_replicate_is_refusal(code, text))
        result = TARASH_IMAGE_ERROR_CONTENT_MODERATION;
    exchange->advice = -1; /* asking again how it stands changes nothing */
    /* A deadline that the user set is no decision to do without the image. */
    if (result == TARASH_IMAGE_ERROR_CANCELLED && tarimg_option(exchange->link, "cancel_after"))
        result = TARASH_IMAGE_ERROR_TIMEOUT;
    return tarimg_fail(exchange, result, code ? code : tarimg_replicate_words[word].word,
                       tarimg_is_set(text) ? text : tarimg_replicate_words[word].message);
}

static void tarimg_replicate_accept(tarash_image_exchange *exchange) {
    if (exchange->phase != TARASH_IMAGE_PHASE_SUBMIT) return;
    tarash_image_exchange_accept(exchange, tarimg_text_at(exchange->document, "id"));
    exchange->poll_url = tarimg_job_url(exchange, "urls.get");
    exchange->cancel_url = tarimg_job_url(exchange, "urls.cancel");
}

/* A status that is newer than the table counts as one on the way. */
static tarash_image_result tarimg_replicate_go_on(tarash_image_exchange *exchange, tarash_image_status status,
                                                  const char *log) {
    tarimg_replicate_accept(exchange);
    if (exchange->error.result != TARASH_IMAGE_OK) return exchange->error.result;
    tarash_image_exchange_progress(exchange, status, tarimg_replicate_percent(log), -1,
                                   tarimg_replicate_last_line(&exchange->arena, log));
    tarash_image_exchange_next(exchange, TARASH_IMAGE_PHASE_POLL);
    return TARASH_IMAGE_OK;
}

/* A list may still grow, and an object too. */
static int tarimg_replicate_is_whole(const tarash_image_exchange *exchange) {
    const tarimg_value *output = tarimg_at(exchange->document, "output");
    return output && output->kind != TARIMG_ARRAY && output->kind != TARIMG_OBJECT;
}

static tarash_image_result tarimg_replicate_read(tarash_image_exchange *exchange) {
    const char *word = tarimg_text_at(exchange->document, "status"),
               *log = tarimg_text_at(exchange->document, "logs");
    tarash_image_status status = TARASH_IMAGE_STATUS_PROCESSING;
    size_t i = 0, count = tarimg_replicate_count_images(tarimg_at(exchange->document, "output"));
    if (!tarimg_is_set(word))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_BAD_RESPONSE, NULL,
                           "the answer is no prediction with a status");
    while (i < TARIMG_REPLICATE_WORD_COUNT && !tarimg_equal(word, tarimg_replicate_words[i].word)) i++;
    if (i < TARIMG_REPLICATE_WORD_COUNT) {
        status = tarimg_replicate_words[i].status;
        if (status == TARASH_IMAGE_STATUS_FAILED) return tarimg_replicate_failed(exchange, i);
    }
    /* A prediction that is waited for may show its whole output before its status follows. */
    if (status == TARASH_IMAGE_STATUS_COMPLETED || (count && tarimg_replicate_is_whole(exchange)))
        return tarimg_replicate_finish(exchange, log);
    return tarimg_replicate_go_on(exchange, status, log);
}

/* The body's own words for what the status says. */
static void tarimg_replicate_error(tarash_image_exchange *exchange) {
    tarash_image_error *error = &exchange->error;
    const char *detail = tarimg_text_at(exchange->document, "detail");
    const char *place = detail ? strstr(detail, "resets in ~") : NULL;
    int64_t seconds = 0;
    if (!error->provider_code[0])
        tarimg_copy_fixed(error->provider_code, sizeof error->provider_code,
                          tarimg_text_at(exchange->document, "title"));
    if (!tarimg_integer_at(exchange->document, "retry_after", &seconds) && place)
        (void)tarimg_parse_integer(place + 11, strspn(place + 11, "0123456789"), &seconds);
    if (!error->retry_after_ms && seconds > 0)
        error->retry_after_ms = seconds < INT32_MAX ? seconds * 1000 : INT32_MAX;
    if (exchange->status == 404 && exchange->phase == TARASH_IMAGE_PHASE_SUBMIT &&
        !tarimg_replicate_version(exchange->link->model))
        tarimg_copy_fixed(
            error->message, sizeof error->message,
            tarimg_format(&exchange->arena,
                          "%s (model: there is no official model of that name; others need a version: "
                          "owner/name:version)",
                          error->message));
}

static const tarimg_adapter tarimg_replicate_adapter = {
    tarimg_replicate_build, tarimg_replicate_read,  NULL, NULL, 1,      1,
    tarimg_replicate_error, tarimg_replicate_model, NULL, 1,    "input"};

/* >>provider luma
   Generations that are polled; input images by URL only, each in the field that its role and the operation ask for.
   https://docs.lumalabs.ai/docs/image-generation, https://github.com/lumalabs/lumaai-python */

#define TARIMG_LUMA_MOST_IMAGES 4 /* in image_ref, and of one character */

static const struct {
    tarash_image_role role;
    const char *field;
    size_t most;
} tarimg_luma_roles[] = {
    {TARASH_IMAGE_ROLE_REFERENCE, "image_ref", TARIMG_LUMA_MOST_IMAGES},
    {TARASH_IMAGE_ROLE_STYLE, "style_ref", 1},
    {TARASH_IMAGE_ROLE_ASSET, "character_ref.identity0.images", TARIMG_LUMA_MOST_IMAGES},
};

#define TARIMG_LUMA_ROLE_COUNT (sizeof tarimg_luma_roles / sizeof tarimg_luma_roles[0])

static tarimg_value *tarimg_luma_url(tarash_image_exchange *exchange, size_t index) {
    tarimg_value *image = tarimg_value_new(&exchange->arena, TARIMG_OBJECT);
    tarimg_set(&exchange->arena, image, "url", tarimg_input_value(exchange, TARIMG_INPUT_URL, index));
    return image;
}

/* {url, weight}; without a weight the provider has its own. */
static tarimg_value *tarimg_luma_weighted(tarash_image_exchange *exchange, size_t index) {
    tarimg_value *image = tarimg_luma_url(exchange, index);
    const tarimg_value *weight = tarimg_at(exchange->link->options, "weight");
    if (weight && weight->kind == TARIMG_NUMBER)
        tarimg_set(&exchange->arena, image, "weight", tarimg_copy_value(&exchange->arena, weight));
    return image;
}

static tarash_image_result tarimg_luma_unsupported(tarash_image_exchange *exchange, const char *field,
                                                   const char *why) {
    const char *text = tarimg_format(&exchange->arena, "%s: %s", field, why);
    return tarimg_fail(exchange, TARASH_IMAGE_ERROR_UNSUPPORTED, NULL, text ? text : "");
}

static tarash_image_result tarimg_luma_check_images(tarash_image_exchange *exchange) {
    const tarimg_link *link = exchange->link;
    size_t i;
    for (i = 0; i < link->input_count; i++) {
        const tarimg_input *input = &link->inputs[i];
        if (tarimg_input_has_bytes(input))
            return tarimg_luma_unsupported(
                exchange, input->field,
                "luma takes input images by http(s) URL only, from where it fetches them");
    }
    return TARASH_IMAGE_OK;
}

/* For an operation that takes one image, whatever its role: OK, and no other was given. */
static tarash_image_result tarimg_luma_check_single(tarash_image_exchange *exchange) {
    if (exchange->link->input_count == 1) return TARASH_IMAGE_OK;
    return tarimg_luma_unsupported(exchange, "images", "this operation takes exactly one image");
}

static tarash_image_result tarimg_luma_place_image(tarash_image_exchange *exchange, size_t index,
                                                   size_t *used) {
    const tarimg_input *input = &exchange->link->inputs[index];
    tarimg_arena *arena = &exchange->arena;
    const char *list;
    size_t i = 0;
    while (i < TARIMG_LUMA_ROLE_COUNT && tarimg_luma_roles[i].role != input->role) i++;
    if (i == TARIMG_LUMA_ROLE_COUNT)
        return tarimg_luma_unsupported(exchange, input->field,
                                       "luma's roles of images are reference, style and asset (a character)");
    if (++used[i] > tarimg_luma_roles[i].most)
        return tarimg_luma_unsupported(
            exchange, input->field,
            "luma takes up to 4 references, 1 style image, and 4 images of one character");
    list = tarimg_format(arena, "%s[]", tarimg_luma_roles[i].field);
    if (list)
        (void)tarimg_put(arena, tarimg_body_object(exchange), list,
                         input->role == TARASH_IMAGE_ROLE_ASSET
                             ? tarimg_input_value(exchange, TARIMG_INPUT_URL, index)
                             : tarimg_luma_weighted(exchange, index));
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_luma_images(tarash_image_exchange *exchange) {
    const tarash_image_operation_info *operation = exchange->link->operation;
    tarash_image_result result = tarimg_luma_check_images(exchange);
    size_t used[TARIMG_LUMA_ROLE_COUNT] = {0, 0, 0}, i;
    if (result != TARASH_IMAGE_OK) return result;
    if (operation && tarimg_equal(operation->operation, "edit")) {
        result = tarimg_luma_check_single(exchange);
        if (result == TARASH_IMAGE_OK)
            tarimg_set(&exchange->arena, tarimg_body_object(exchange), "modify_image_ref",
                       tarimg_luma_weighted(exchange, 0));
        return result;
    }
    for (i = 0; i < exchange->link->input_count && result == TARASH_IMAGE_OK; i++)
        result = tarimg_luma_place_image(exchange, i, used);
    return result;
}

static tarash_image_result tarimg_luma_reframe(tarash_image_exchange *exchange) {
    tarash_image_result result = tarimg_luma_check_images(exchange);
    if (result == TARASH_IMAGE_OK) result = tarimg_luma_check_single(exchange);
    if (result != TARASH_IMAGE_OK) return result;
    if (!exchange->request.aspect_ratio)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                           "aspect_ratio: the operation reframe needs one");
    tarimg_body_set(exchange, "generation_type", "reframe_image");
    tarimg_set(&exchange->arena, tarimg_body_object(exchange), "media", tarimg_luma_url(exchange, 0));
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_luma_submit(tarash_image_exchange *exchange) {
    const tarash_image_request *request = &exchange->request;
    const tarash_image_operation_info *operation = exchange->link->operation;
    tarimg_send(exchange, "POST", operation ? operation->call : "generations/image");
    tarimg_body_set(exchange, "model", exchange->link->model);
    tarimg_body_set(exchange, "prompt", tarimg_is_set(request->prompt) ? request->prompt : NULL);
    tarimg_body_set(exchange, "aspect_ratio", request->aspect_ratio);
    tarimg_body_set(exchange, "format", request->output_format);
    tarimg_body_set(exchange, "callback_url", tarimg_option(exchange->link, "callback_url"));
    if (operation && tarimg_equal(operation->operation, "reframe")) return tarimg_luma_reframe(exchange);
    return tarimg_luma_images(exchange);
}

static tarash_image_result tarimg_luma_build(tarash_image_exchange *exchange) {
    if (exchange->phase == TARASH_IMAGE_PHASE_SUBMIT) return tarimg_luma_submit(exchange);
    tarimg_send(exchange, exchange->phase == TARASH_IMAGE_PHASE_CANCEL ? "DELETE" : "GET",
                tarimg_format(&exchange->arena, "generations/%s", exchange->job_id));
    return TARASH_IMAGE_OK;
}

/* A refusal is known by its words only: https://docs.lumalabs.ai/docs/errors */
static int tarimg_luma_is_refusal(const char *text) {
    return tarimg_contains_nocase(text, "moderation") || tarimg_contains_nocase(text, "blacklisted") ||
           tarimg_contains_nocase(text, "nsfw") || tarimg_is_moderation(0, NULL, NULL, text);
}

static tarash_image_result tarimg_luma_failed(tarash_image_exchange *exchange) {
    const char *reason = tarimg_text_at(exchange->document, "failure_reason");
    return tarimg_fail(exchange,
                       tarimg_luma_is_refusal(reason) ? TARASH_IMAGE_ERROR_CONTENT_MODERATION
                                                      : TARASH_IMAGE_ERROR_GENERATION_FAILED,
                       "failed", tarimg_is_set(reason) ? reason : "the generation failed");
}

/* Most refusals share the status 400. */
static void tarimg_luma_error(tarash_image_exchange *exchange) {
    tarash_image_error *error = &exchange->error;
    const char *detail = tarimg_text_at(exchange->document, "detail");
    if (exchange->status != 400 || !detail) return;
    if (tarimg_luma_is_refusal(detail)) error->result = TARASH_IMAGE_ERROR_CONTENT_MODERATION;
    if (tarimg_contains_nocase(detail, "insufficient credit"))
        error->result = TARASH_IMAGE_ERROR_QUOTA_EXCEEDED;
}

static tarash_image_result tarimg_luma_finish(tarash_image_exchange *exchange) {
    const char *created_at = tarimg_text_at(exchange->document, "created_at");
    exchange->advice = -1; /* what is unreadable now stays so */
    if (created_at) (void)tarimg_parse_timestamp(created_at, &exchange->created);
    tarimg_read_metadata(exchange, "assets,request,state,failure_reason,created_at");
    if (!tarimg_add_image(exchange, tarimg_at(exchange->document, "assets.image")) &&
        exchange->error.result == TARASH_IMAGE_OK)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_GENERATION_FAILED, NULL,
                           "the generation is complete, and holds no image");
    return exchange->error.result;
}

static tarash_image_result tarimg_luma_read(tarash_image_exchange *exchange) {
    const char *state = tarimg_text_at(exchange->document, "state");
    if (!tarimg_is_set(state))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_BAD_RESPONSE, NULL,
                           "the answer is no generation with a state");
    if (tarimg_equal(state, "completed")) return tarimg_luma_finish(exchange);
    if (tarimg_equal(state, "failed")) return tarimg_luma_failed(exchange);
    if (exchange->phase == TARASH_IMAGE_PHASE_SUBMIT)
        tarash_image_exchange_accept(exchange, tarimg_text_at(exchange->document, "id"));
    if (exchange->error.result != TARASH_IMAGE_OK) return exchange->error.result;
    /* A state that is newer than this counts as one on the way. */
    tarash_image_exchange_progress(
        exchange, tarimg_equal(state, "queued") ? TARASH_IMAGE_STATUS_QUEUED : TARASH_IMAGE_STATUS_PROCESSING,
        -1, -1, NULL);
    tarash_image_exchange_next(exchange, TARASH_IMAGE_PHASE_POLL);
    return TARASH_IMAGE_OK;
}

static const tarimg_adapter tarimg_luma_adapter = {
    tarimg_luma_build, tarimg_luma_read, NULL, NULL, 1, 1, tarimg_luma_error, NULL, NULL, 0, NULL};

/* >>provider fal
   A queue with status, result and cancel at queue.fal.run, or one call at fal.run. Every model is an endpoint with
   fields of its own, so the mappings write them; what a model does with images is often another endpoint.
   https://fal.ai/docs/model-apis/model-endpoints/queue, https://fal.ai/docs/documentation/model-apis/errors, and the
   endpoints' types in npm @fal-ai/client 1.10.1 */

#define TARIMG_FAL_BASE_URL "https://queue.fal.run"
#define TARIMG_FAL_FILL     "fal-ai/flux-pro/v1/fill" /* edits with a mask, where no model is given */

/* The endpoint that a model's name stands for: without images, with one, with several, with a mask. NULL: the name
   itself, and for several images what one has. */
static const struct {
    const char *model, *plain, *image, *images, *masked;
} tarimg_fal_endpoints[] = {
    {"fal-ai/flux-2", NULL, "fal-ai/flux-2/edit", NULL, NULL},
    {"fal-ai/flux-2/turbo", NULL, "fal-ai/flux-2/turbo/edit", NULL, NULL},
    {"fal-ai/flux-2/flash", NULL, "fal-ai/flux-2/flash/edit", NULL, NULL},
    {"fal-ai/flux-2/klein/4b/base", NULL, "fal-ai/flux-2/klein/4b/base/edit", NULL, NULL},
    {"fal-ai/flux-2/klein/9b", NULL, "fal-ai/flux-2/klein/9b/edit", NULL, NULL},
    {"fal-ai/flux-2/klein/9b/base", NULL, "fal-ai/flux-2/klein/9b/base/edit", NULL, NULL},
    {"fal-ai/flux-2-pro", NULL, "fal-ai/flux-2-pro/edit", NULL, NULL},
    {"fal-ai/flux-2-max", NULL, "fal-ai/flux-2-max/edit", NULL, NULL},
    {"fal-ai/flux-2-flex", NULL, "fal-ai/flux-2-flex/edit", NULL, NULL},
    {"fal-ai/flux/dev", NULL, "fal-ai/flux/dev/image-to-image", NULL, NULL},
    {"fal-ai/flux/krea", NULL, "fal-ai/flux/krea/image-to-image", NULL, NULL},
    {"fal-ai/flux/srpo", NULL, "fal-ai/flux/srpo/image-to-image", NULL, NULL},
    {"fal-ai/flux-1/dev", NULL, "fal-ai/flux-1/dev/image-to-image", NULL, NULL},
    {"fal-ai/flux-1/krea", NULL, "fal-ai/flux-1/krea/image-to-image", NULL, NULL},
    {"fal-ai/flux-1/srpo", NULL, "fal-ai/flux-1/srpo/image-to-image", NULL, NULL},
    {"fal-ai/flux-pro/kontext", "fal-ai/flux-pro/kontext/text-to-image", NULL,
     "fal-ai/flux-pro/kontext/multi", NULL},
    {"fal-ai/flux-pro/kontext/max", "fal-ai/flux-pro/kontext/max/text-to-image", NULL,
     "fal-ai/flux-pro/kontext/max/multi", NULL},
    {"fal-ai/stable-diffusion-v3-medium", NULL, "fal-ai/stable-diffusion-v3-medium/image-to-image", NULL,
     NULL},
    {"fal-ai/fast-sdxl", NULL, "fal-ai/fast-sdxl/image-to-image", NULL, "fal-ai/fast-sdxl/inpainting"},
    {"fal-ai/recraft/v3/text-to-image", NULL, "fal-ai/recraft/v3/image-to-image", NULL, NULL},
    {"fal-ai/nano-banana", NULL, "fal-ai/nano-banana/edit", NULL, NULL},
    {"fal-ai/nano-banana-pro", NULL, "fal-ai/nano-banana-pro/edit", NULL, NULL},
    {"fal-ai/nano-banana-2", NULL, "fal-ai/nano-banana-2/edit", NULL, NULL},
    {"fal-ai/gemini-25-flash-image", NULL, "fal-ai/gemini-25-flash-image/edit", NULL, NULL},
    {"fal-ai/gemini-3-pro-image-preview", NULL, "fal-ai/gemini-3-pro-image-preview/edit", NULL, NULL},
    {"fal-ai/gemini-3.1-flash-image-preview", NULL, "fal-ai/gemini-3.1-flash-image-preview/edit", NULL, NULL},
    {"fal-ai/gpt-image-1/text-to-image", NULL, "fal-ai/gpt-image-1/edit-image", NULL, NULL},
    {"fal-ai/gpt-image-1-mini", NULL, "fal-ai/gpt-image-1-mini/edit", NULL, NULL},
    {"fal-ai/gpt-image-1.5", NULL, "fal-ai/gpt-image-1.5/edit", NULL, "fal-ai/gpt-image-1.5/edit"},
    {"fal-ai/gpt-image-2", NULL, "fal-ai/gpt-image-2/edit", NULL, "fal-ai/gpt-image-2/edit"},
    {"fal-ai/bytedance/seedream/v4/text-to-image", NULL, "fal-ai/bytedance/seedream/v4/edit", NULL, NULL},
    {"fal-ai/bytedance/seedream/v4.5/text-to-image", NULL, "fal-ai/bytedance/seedream/v4.5/edit", NULL, NULL},
    {"fal-ai/bytedance/seedream/v5/lite/text-to-image", NULL, "fal-ai/bytedance/seedream/v5/lite/edit", NULL,
     NULL},
    {"fal-ai/ideogram/v2", NULL, "fal-ai/ideogram/v2/remix", NULL, "fal-ai/ideogram/v2/edit"},
    {"fal-ai/ideogram/v2/turbo", NULL, "fal-ai/ideogram/v2/turbo/remix", NULL,
     "fal-ai/ideogram/v2/turbo/edit"},
    {"fal-ai/ideogram/v2a", NULL, "fal-ai/ideogram/v2a/remix", NULL, NULL},
    {"fal-ai/ideogram/v2a/turbo", NULL, "fal-ai/ideogram/v2a/turbo/remix", NULL, NULL},
    {"fal-ai/ideogram/v3", NULL, "fal-ai/ideogram/v3/remix", NULL, "fal-ai/ideogram/v3/edit"},
    {"fal-ai/qwen-image", NULL, "fal-ai/qwen-image/image-to-image", NULL, NULL},
    {"fal-ai/qwen-image-edit", NULL, NULL, NULL, "fal-ai/qwen-image-edit/inpaint"},
    {"fal-ai/qwen-image-2/text-to-image", NULL, "fal-ai/qwen-image-2/edit", NULL, NULL},
    {"fal-ai/qwen-image-2/pro/text-to-image", NULL, "fal-ai/qwen-image-2/pro/edit", NULL, NULL},
    {"fal-ai/qwen-image-max/text-to-image", NULL, "fal-ai/qwen-image-max/edit", NULL, NULL},
    {"fal-ai/z-image/turbo", NULL, "fal-ai/z-image/turbo/image-to-image", NULL,
     "fal-ai/z-image/turbo/inpaint"},
    {"xai/grok-imagine-image", NULL, "xai/grok-imagine-image/edit", NULL, NULL},
    {"fal-ai/wan/v2.7/text-to-image", NULL, "fal-ai/wan/v2.7/edit", NULL, NULL},
    {"fal-ai/wan/v2.7/pro/text-to-image", NULL, "fal-ai/wan/v2.7/pro/edit", NULL, NULL},
    {"fal-ai/luma-photon", NULL, "fal-ai/luma-photon/modify", NULL, NULL},
    {"fal-ai/luma-photon/flash", NULL, "fal-ai/luma-photon/flash/modify", NULL, NULL},
    {"fal-ai/hidream-i1-full", NULL, "fal-ai/hidream-i1-full/image-to-image", NULL, NULL},
    {"fal-ai/hunyuan-image/v3/instruct/text-to-image", NULL, "fal-ai/hunyuan-image/v3/instruct/edit", NULL,
     NULL},
    {"fal-ai/kling-image/o3/text-to-image", NULL, "fal-ai/kling-image/o3/image-to-image", NULL, NULL},
    {"fal-ai/kling-image/v3/text-to-image", NULL, "fal-ai/kling-image/v3/image-to-image", NULL, NULL},
    {"fal-ai/minimax/image-01", NULL, "fal-ai/minimax/image-01/subject-reference", NULL, NULL},
};

#define TARIMG_FAL_ENDPOINT_COUNT (sizeof tarimg_fal_endpoints / sizeof tarimg_fal_endpoints[0])

static const char *tarimg_fal_endpoint(const char *model, size_t image_count, int has_mask) {
    const char *chosen = NULL;
    size_t i = 0;
    while (i < TARIMG_FAL_ENDPOINT_COUNT && !tarimg_equal(tarimg_fal_endpoints[i].model, model)) i++;
    if (i == TARIMG_FAL_ENDPOINT_COUNT) return model;
    if (has_mask)
        chosen = tarimg_fal_endpoints[i].masked;
    else if (image_count == 0)
        chosen = tarimg_fal_endpoints[i].plain;
    else if (image_count > 1)
        chosen = tarimg_fal_endpoints[i].images;
    if (!chosen && image_count) chosen = tarimg_fal_endpoints[i].image;
    return chosen ? chosen : model;
}

/* Is an operation's work done by the model that was named? One that no table knows is the user's own choice. */
static int tarimg_fal_does(const tarimg_link *link, const char *model) {
    static const char general[] = "generate,edit,image_to_image,inpaint";
    size_t i;
    if (!link->operation || tarimg_in_list(general, link->operation->operation)) return 1;
    if (link->model_operation) return link->model_operation == link->operation;
    for (i = 0; i < TARIMG_FAL_ENDPOINT_COUNT; i++) {
        if (tarimg_equal(tarimg_fal_endpoints[i].model, model)) return 0;
    }
    return 1;
}

static const char *tarimg_fal_model(const tarimg_link *link) {
    int is_edit = !link->operation || tarimg_equal(link->operation->operation, "edit");
    int is_kept = link->config.model && tarimg_fal_does(link, link->model);
    if (!link->config.model && is_edit && link->has_mask) return TARIMG_FAL_FILL;
    return tarimg_fal_endpoint(!is_kept && link->operation ? link->operation->call : link->model,
                               link->input_count, link->has_mask);
}

/* A model that gives way to the operation's own is worth a word. */
static void tarimg_fal_tell_model(tarimg_link *link) {
    const char *asked = link->config.model;
    if (asked && !tarimg_fal_does(link, asked))
        tarimg_warn(link, "model", asked, link->model, "the operation has a model of its own");
}

/* ---- fal: requests */

static int tarimg_fal_is_on(const tarimg_link *link, const char *option) {
    const tarimg_value *value = tarimg_at(link->options, option);
    return value && value->kind == TARIMG_TRUE;
}

/* The part of a model's name that its jobs live under: owner/alias, with the namespace that may stand before it. */
static const char *tarimg_fal_application(tarimg_arena *arena, const char *model) {
    int parts = tarimg_begins(model, "workflows/") || tarimg_begins(model, "comfy/") ? 3 : 2;
    const char *end = model;
    while (*end && (*end != '/' || --parts > 0)) end++;
    return tarimg_encode_path(arena, tarimg_copy_bytes(arena, model, (size_t)(end - model)), "/");
}

static const char *tarimg_fal_job_path(tarash_image_exchange *exchange, const char *tail) {
    const char *application = tarimg_fal_application(&exchange->arena, exchange->link->model);
    return application ? tarimg_format(&exchange->arena, "%s/requests/%s%s", application,
                                       exchange->job_id ? exchange->job_id : "", tail)
                       : NULL;
}

/* How many times 1024 pixels a word like "2K" stands for. */
static double tarimg_fal_edge(const char *word) {
    return *word == '0' ? 0.5 : (double)(*word - '0');
}

/* Where a ratio takes a size's place, the size still says how fine the image is to be. */
static const char *tarimg_fal_resolution(const tarimg_link *link) {
    const tarimg_mapped *quality = tarimg_find_mapped(link, TARASH_IMAGE_FIELD_QUALITY);
    const char *list = link->caps->qualities, *item, *best = NULL;
    double longest = link->width > link->height ? link->width : link->height, nearest = 0;
    size_t size, best_size = 0;
    if (!quality || !tarimg_equal(quality->target, "resolution") || !link->width || link->request.quality)
        return NULL;
    while (tarimg_next_item(&list, &item, &size)) {
        double distance =
            tarimg_is_digit(*item) ? tarimg_ratio_distance(longest, 1024 * tarimg_fal_edge(item)) : 0;
        if (!tarimg_is_digit(*item) || (best && distance >= nearest)) continue;
        best = item;
        best_size = size;
        nearest = distance;
    }
    return best ? tarimg_copy_bytes(link->arena, best, best_size) : NULL;
}

static void tarimg_fal_build_sync(tarash_image_exchange *exchange) {
    tarimg_link *link = exchange->link;
    if (!tarimg_fal_is_on(link, "sync_mode")) return;
    tarimg_set_true(&exchange->arena, tarimg_body_object(exchange), "sync_mode");
    if (link->request.output == TARASH_IMAGE_OUTPUT_URL)
        tarimg_warn(link, "output", "url", "bytes", "sync_mode answers with the bytes");
}

static tarash_image_result tarimg_fal_build_submit(tarash_image_exchange *exchange) {
    tarimg_link *link = exchange->link;
    const char *path = tarimg_encode_path(&exchange->arena, link->model, "/");
    const char *priority = tarimg_option(link, "priority");
    int is_direct = tarimg_fal_is_on(link, "direct");
    if (path && is_direct && tarimg_equal(link->base_url, TARIMG_FAL_BASE_URL))
        path = tarimg_format(&exchange->arena, "https://fal.run/%s", path);
    tarimg_send(exchange, "POST", path);
    if (!is_direct)
        tarimg_add_header(&exchange->arena, &exchange->headers, "X-Fal-Queue-Priority",
                          priority ? priority : "normal");
    tarimg_fal_tell_model(link);
    (void)tarimg_body_object(exchange);
    tarimg_body_set(exchange, "resolution", tarimg_fal_resolution(link));
    tarimg_fal_build_sync(exchange);
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_fal_build(tarash_image_exchange *exchange) {
    exchange->image_paths = "images[].file_data,?images[].url,image.file_data,?image.url";
    exchange->holds_images = 1; /* which of them are flagged stands behind them */
    switch (exchange->phase) {
    case TARASH_IMAGE_PHASE_POLL:
        tarimg_send(exchange, "GET", tarimg_fal_job_path(exchange, "/status?logs=1"));
        return TARASH_IMAGE_OK;
    case TARASH_IMAGE_PHASE_FETCH:
        tarimg_send(exchange, "GET", tarimg_fal_job_path(exchange, ""));
        return TARASH_IMAGE_OK;
    case TARASH_IMAGE_PHASE_CANCEL:
        tarimg_send(exchange, "PUT", tarimg_fal_job_path(exchange, "/cancel"));
        return TARASH_IMAGE_OK;
    case TARASH_IMAGE_PHASE_SUBMIT: break;
    }
    return tarimg_fal_build_submit(exchange);
}

/* ---- fal: jobs */

static void tarimg_fal_progress(tarash_image_exchange *exchange, tarash_image_status status, int percent,
                                int position, const char *message) {
    exchange->has_progress = 1;
    exchange->progress = status;
    exchange->percent = percent;
    exchange->queue_position = position;
    exchange->progress_message = tarimg_copy(&exchange->arena, message);
}

static void tarimg_fal_next(tarash_image_exchange *exchange, tarash_image_phase phase) {
    exchange->has_next = 1;
    exchange->next_phase = phase;
}

/* The address that the reply gives, where it is at the origin that is asked; else the one that it would be there. */
static const char *tarimg_fal_job_url(tarash_image_exchange *exchange, const char *name, const char *tail) {
    const char *base_url = exchange->link->base_url, *given = tarimg_text_at(exchange->document, name), *path;
    if (given && tarimg_same_origin(given, base_url)) return tarimg_copy(&exchange->arena, given);
    path = tarimg_fal_job_path(exchange, tail);
    return path ? tarimg_join_url(&exchange->arena, base_url, path) : NULL;
}

static tarash_image_result tarimg_fal_take_job_id(tarash_image_exchange *exchange) {
    const char *id = tarimg_text_at(exchange->document, "request_id");
    if (!tarimg_is_path_part(id))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_BAD_RESPONSE, NULL,
                           "the answer holds neither images nor the id of a request");
    exchange->job_id = tarimg_copy(&exchange->arena, id);
    return TARASH_IMAGE_OK;
}

static int tarimg_fal_position(const tarimg_value *document) {
    int64_t position = -1;
    if (!tarimg_integer_at(document, "queue_position", &position)) return -1;
    return position < 0 || position > INT_MAX ? -1 : (int)position;
}

static tarash_image_result tarimg_fal_accept(tarash_image_exchange *exchange) {
    tarash_image_result result = tarimg_fal_take_job_id(exchange);
    const char *status_url;
    if (result != TARASH_IMAGE_OK) return result;
    status_url = tarimg_fal_job_url(exchange, "status_url", "/status");
    if (status_url)
        exchange->poll_url =
            tarimg_format(&exchange->arena, "%s%clogs=1", status_url, strchr(status_url, '?') ? '&' : '?');
    exchange->fetch_url = tarimg_fal_job_url(exchange, "response_url", "");
    exchange->cancel_url = tarimg_fal_job_url(exchange, "cancel_url", "/cancel");
    tarimg_fal_progress(exchange, TARASH_IMAGE_STATUS_QUEUED, -1, tarimg_fal_position(exchange->document),
                        NULL);
    tarimg_fal_next(exchange, TARASH_IMAGE_PHASE_POLL);
    return TARASH_IMAGE_OK;
}

/* The platform's and the models' own words; others are classified by status. */
static const struct {
    const char *code;
    tarash_image_result result;
} tarimg_fal_codes[] = {{"content_policy_violation", TARASH_IMAGE_ERROR_CONTENT_MODERATION},
                        {"no_media_generated", TARASH_IMAGE_ERROR_GENERATION_FAILED},
                        {"generation_timeout", TARASH_IMAGE_ERROR_TIMEOUT},
                        {"request_timeout", TARASH_IMAGE_ERROR_TIMEOUT},
                        {"startup_timeout", TARASH_IMAGE_ERROR_TIMEOUT},
                        {"client_cancelled", TARASH_IMAGE_ERROR_GENERATION_FAILED},
                        {"client_disconnected", TARASH_IMAGE_ERROR_GENERATION_FAILED}};

static tarash_image_result tarimg_fal_result_of_code(const char *code, tarash_image_result otherwise) {
    size_t i;
    for (i = 0; i < sizeof tarimg_fal_codes / sizeof tarimg_fal_codes[0]; i++) {
        if (tarimg_equal(tarimg_fal_codes[i].code, code)) return tarimg_fal_codes[i].result;
    }
    return otherwise;
}

/* COMPLETED says only that the platform is done with it; `error` that it failed there. */
static tarash_image_result tarimg_fal_read_completed(tarash_image_exchange *exchange) {
    const tarimg_value *error = tarimg_at(exchange->document, "error");
    const char *code = tarimg_text_at(exchange->document, "error_type"),
               *message = tarimg_error_message(&exchange->arena, exchange->document);
    int is_error = error && (error->first || (error->kind == TARIMG_STRING && error->size));
    if (!tarimg_is_set(code) && !is_error) {
        tarimg_fal_next(exchange, TARASH_IMAGE_PHASE_FETCH);
        return TARASH_IMAGE_OK;
    }
    if (tarimg_is_moderation(0, exchange->document, code, message))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_CONTENT_MODERATION, code, message);
    return tarimg_fail(exchange, tarimg_fal_result_of_code(code, TARASH_IMAGE_ERROR_GENERATION_FAILED), code,
                       message ? message : "the request failed, and the answer says no more");
}

static const char *tarimg_fal_last_log(const tarimg_value *document) {
    const tarimg_value *logs = tarimg_at(document, "logs");
    return logs && logs->kind == TARIMG_ARRAY && logs->last ? tarimg_text_at(logs->last, "message") : NULL;
}

/* The last "42%" of a line, as progress bars write it; -1 if there is none. */
static int tarimg_fal_percent(const char *line) {
    const char *mark = line ? strrchr(line, '%') : NULL, *start = mark;
    int percent = 0;
    while (start && start > line && mark - start < 3 && tarimg_is_digit(start[-1])) start--;
    if (start == mark) return -1;
    for (; start < mark; start++) percent = percent * 10 + (*start - '0');
    return percent > 100 ? -1 : percent;
}

static tarash_image_result tarimg_fal_read_status(tarash_image_exchange *exchange) {
    const char *status = tarimg_text_at(exchange->document, "status");
    const char *line = tarimg_fal_last_log(exchange->document);
    if (!tarimg_is_set(status))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_BAD_RESPONSE, NULL,
                           "the answer tells no status of the request");
    if (tarimg_equal(status, "COMPLETED")) return tarimg_fal_read_completed(exchange);
    if (tarimg_equal(status, "IN_QUEUE"))
        tarimg_fal_progress(exchange, TARASH_IMAGE_STATUS_QUEUED, -1, tarimg_fal_position(exchange->document),
                            line);
    else
        tarimg_fal_progress(exchange, TARASH_IMAGE_STATUS_PROCESSING, tarimg_fal_percent(line), -1, line);
    tarimg_fal_next(exchange, TARASH_IMAGE_PHASE_POLL);
    return TARASH_IMAGE_OK;
}

/* ---- fal: results */

#define TARIMG_FAL_MOST_FLAGS 1024 /* that are looked at */

/* A flagged image has been blacked out, unless the user has switched the checker off. */
static int tarimg_fal_is_flagged(const tarash_image_exchange *exchange, size_t index) {
    const tarimg_value *flags = tarimg_at(exchange->document, "has_nsfw_concepts"), *flag;
    if (!flags || flags->kind != TARIMG_ARRAY) flags = tarimg_at(exchange->document, "nsfw_content_detected");
    flag = index < TARIMG_FAL_MOST_FLAGS ? tarimg_element(flags, index) : NULL;
    if (!flag || flag->kind != TARIMG_TRUE) return 0;
    return !tarimg_is_false_at(exchange->link->extra, "enable_safety_checker");
}

/* What became of the prompt, where that isn't what was sent. */
static const char *tarimg_fal_revised_prompt(const tarash_image_exchange *exchange) {
    const char *text = tarimg_text_at(exchange->document, "revised_prompt"),
               *sent = exchange->link->request.prompt;
    if (!tarimg_is_set(text)) text = tarimg_text_at(exchange->document, "prompt");
    return sent && tarimg_is_set(text) && !tarimg_equal(text, sent) ? text : NULL;
}

static void tarimg_fal_add_image(tarash_image_exchange *exchange, const tarimg_value *item, size_t index) {
    tarimg_found *found;
    if (tarimg_fal_is_flagged(exchange, index)) {
        exchange->refused_count++;
        return;
    }
    found = tarimg_add_image(exchange, tarimg_at(item, "file_data"));
    if (!found) found = tarimg_add_image(exchange, tarimg_at(item, "url"));
    if (!found) return;
    found->has_seed = tarimg_integer_at(exchange->document, "seed", &found->seed);
    found->revised_prompt = tarimg_copy(&exchange->arena, tarimg_fal_revised_prompt(exchange));
}

static tarash_image_result tarimg_fal_read_output(tarash_image_exchange *exchange) {
    const tarimg_value *list = tarimg_at(exchange->document, "images"), *item;
    size_t index = 0;
    tarimg_read_metadata(exchange, "images,image,seed");
    for (item = list && list->kind == TARIMG_ARRAY ? list->first : NULL; item; item = item->next)
        tarimg_fal_add_image(exchange, item, index++);
    /* Tools that make one image name it so; some models give both, for the same image. */
    if (index == 0) tarimg_fal_add_image(exchange, tarimg_at(exchange->document, "image"), 0);
    if (exchange->found) return TARASH_IMAGE_OK;
    if (exchange->refused_count)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_CONTENT_MODERATION, "has_nsfw_concepts",
                           TARIMG_BLOCKED);
    return tarimg_fail(exchange, TARASH_IMAGE_ERROR_GENERATION_FAILED, NULL, "the answer holds no image");
}

static tarash_image_result tarimg_fal_read(tarash_image_exchange *exchange) {
    const tarimg_value *images = tarimg_at(exchange->document, "images"),
                       *image = tarimg_at(exchange->document, "image");
    int is_output = (images && images->kind == TARIMG_ARRAY) || (image && image->kind == TARIMG_OBJECT);
    if (exchange->phase == TARASH_IMAGE_PHASE_POLL) return tarimg_fal_read_status(exchange);
    if (exchange->phase == TARASH_IMAGE_PHASE_SUBMIT && !is_output) return tarimg_fal_accept(exchange);
    if (exchange->document && exchange->document->kind != TARIMG_OBJECT)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_BAD_RESPONSE, NULL, "the answer is no JSON object");
    return tarimg_fal_read_output(exchange);
}

/* ---- fal: errors */

/* The gravest word: a refusal among others, else the first of the list, else the platform's own. */
static const char *tarimg_fal_error_code(const tarash_image_exchange *exchange) {
    const tarimg_value *detail = tarimg_at(exchange->document, "detail"), *entry;
    const char *code = NULL, *type;
    for (entry = detail && detail->kind == TARIMG_ARRAY ? detail->first : NULL; entry; entry = entry->next) {
        type = tarimg_text_at(entry, "type");
        if (!code || tarimg_equal(type, "content_policy_violation")) code = type;
    }
    if (!code) code = tarimg_text_at(exchange->document, "error_type");
    return code ? code : tarimg_reply_header(exchange, "x-fal-error-type");
}

/* The provider's own word on another try: -1 no, 1 yes, 0 none. */
static int tarimg_fal_advice(tarash_image_exchange *exchange) {
    const char *retryable = tarimg_reply_header(exchange, "x-fal-retryable"),
               *needs = tarimg_reply_header(exchange, "x-fal-needs-retry");
    /* The limit that the user set on the wait has passed. */
    if (exchange->status == 504 && tarimg_reply_header(exchange, "x-fal-request-timeout-type")) return -1;
    /* What a result's address answers doesn't change; a model's error there is the end of the request. */
    if (exchange->phase == TARASH_IMAGE_PHASE_FETCH)
        exchange->is_final =
            tarimg_at(exchange->document, "detail[0]") || tarimg_text_at(exchange->document, "error_type");
    if (exchange->phase == TARASH_IMAGE_PHASE_POLL) return 0;
    if (tarimg_equal(needs, "1")) return 1;
    if (!retryable) return 0;
    return tarimg_equal_nocase(retryable, "true") ? 1 : tarimg_equal_nocase(retryable, "false") ? -1 : 0;
}

static void tarimg_fal_read_error(tarash_image_exchange *exchange) {
    tarash_image_error *error = &exchange->error;
    const char *code = tarimg_fal_error_code(exchange);
    if (code) tarimg_copy_fixed(error->provider_code, sizeof error->provider_code, code);
    error->result = tarimg_fal_result_of_code(code, error->result);
    exchange->advice = tarimg_fal_advice(exchange);
    if (exchange->status == 403 && tarimg_contains_nocase(error->message, "exhausted balance"))
        error->result = TARASH_IMAGE_ERROR_QUOTA_EXCEEDED;
    if (exchange->phase == TARASH_IMAGE_PHASE_FETCH && exchange->status >= 500 && exchange->is_final &&
        error->result == TARASH_IMAGE_ERROR_HTTP)
        error->result = TARASH_IMAGE_ERROR_GENERATION_FAILED;
}

static const tarimg_adapter tarimg_fal_adapter = {tarimg_fal_build,      tarimg_fal_read,  NULL, NULL, 1,   1,
                                                  tarimg_fal_read_error, tarimg_fal_model, NULL, 1,    NULL};

/* >>provider huggingface
   A router: its own inference answers with the bytes of the image, and behind it other providers speak their own
   dialects (provider_config.provider). https://huggingface.co/docs/inference-providers and npm @huggingface/inference
   4.13.30 */

#define TARIMG_HF_SUBDOMAIN "_subdomain=queue" /* of fal: what the router asks for is the queue */

static void tarimg_hf_put_size(tarash_image_exchange *exchange, tarimg_value *place) {
    int width, height;
    const char *size = exchange->request.size;
    if (!size || !tarimg_parse_size(size, strlen(size), &width, &height)) return;
    tarimg_set_integer(&exchange->arena, place, "width", width);
    tarimg_set_integer(&exchange->arena, place, "height", height);
}

/* An object at that name, if it holds anything. */
static void tarimg_hf_put_object(tarash_image_exchange *exchange, tarimg_value *place, const char *name,
                                 tarimg_value *object) {
    if (object && object->first) tarimg_set(&exchange->arena, place, name, object);
}

static tarash_image_result tarimg_hf_build_inference(tarash_image_exchange *exchange) {
    tarimg_arena *arena = &exchange->arena;
    const tarash_image_request *request = &exchange->request;
    tarimg_value *body = tarimg_body_object(exchange), *parameters = tarimg_value_new(arena, TARIMG_OBJECT);
    const char *model = tarimg_encode_path(arena, exchange->link->model, "/");
    tarimg_send(exchange, "POST", model ? tarimg_format(arena, "hf-inference/models/%s", model) : NULL);
    exchange->accept =
        request->output_format ? tarimg_format(arena, "image/%s", request->output_format) : "*/*";
    if (exchange->link->input_count) {
        tarimg_value *target = tarimg_value_new(arena, TARIMG_OBJECT);
        tarimg_set(arena, body, "inputs", tarimg_input_value(exchange, TARIMG_INPUT_BASE64, 0));
        tarimg_set_text(arena, parameters, "prompt", request->prompt);
        if (target) tarimg_hf_put_size(exchange, target);
        tarimg_hf_put_object(exchange, parameters, "target_size", target);
    } else {
        tarimg_set_text(arena, body, "inputs", request->prompt);
        if (parameters) tarimg_hf_put_size(exchange, parameters);
    }
    tarimg_set_text(arena, parameters, "negative_prompt", request->negative_prompt);
    if (request->has_seed) tarimg_set_integer(arena, parameters, "seed", request->seed);
    tarimg_hf_put_object(exchange, body, "parameters", parameters);
    exchange->image_paths = "data[].b64_json,?data[].url";
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_hf_read_inference(tarash_image_exchange *exchange) {
    tarimg_found *found;
    if (!exchange->is_raw_image) return tarimg_read_image_list(exchange);
    found = tarimg_add_found(exchange);
    if (!found) return TARASH_IMAGE_OK; /* the arena remembers */
    found->is_payload = 1;
    return TARASH_IMAGE_OK;
}

/* ---- huggingface: other providers' dialects */

static void tarimg_hf_build_words(tarash_image_exchange *exchange) {
    const tarash_image_request *request = &exchange->request;
    tarimg_body_set(exchange, "prompt", request->prompt);
    tarimg_body_set(exchange, "negative_prompt", request->negative_prompt);
    tarimg_body_set(exchange, "output_format", request->output_format);
    if (request->has_seed) tarimg_body_integer(exchange, "seed", request->seed);
}

static tarash_image_result tarimg_hf_build_together(tarash_image_exchange *exchange) {
    const tarimg_link *link = exchange->link;
    int is_kontext =
        tarimg_contains_nocase(link->model, "kontext") && tarimg_contains_nocase(link->model, "flux.1");
    tarimg_value *body = tarimg_body_object(exchange);
    tarimg_send(exchange, "POST", "together/v1/images/generations");
    tarimg_body_set(exchange, "model", link->model);
    tarimg_hf_build_words(exchange);
    if (body) tarimg_hf_put_size(exchange, body);
    if (link->input_count)
        (void)tarimg_put(&exchange->arena, body, is_kontext ? "image_url" : "reference_images[0]",
                         tarimg_input_value(exchange, TARIMG_INPUT_URL, 0));
    tarimg_body_set(exchange, "response_format", "base64");
    exchange->image_paths = "data[].b64_json,?data[].url";
    return TARASH_IMAGE_OK;
}

/* As the router's own client has it: image fields of either name, for fal's models take one or the other. */
static tarash_image_result tarimg_hf_build_fal(tarash_image_exchange *exchange) {
    tarimg_arena *arena = &exchange->arena;
    const char *model = tarimg_encode_path(arena, exchange->link->model, "/");
    tarimg_value *body, *size;
    exchange->image_paths = "images[].file_data,?images[].url,image.file_data,?image.url";
    exchange->holds_images = 1;
    if (exchange->phase == TARASH_IMAGE_PHASE_POLL || exchange->phase == TARASH_IMAGE_PHASE_FETCH) {
        tarimg_send(exchange, "GET", "fal-ai"); /* below it the job's own address, which is known */
        return TARASH_IMAGE_OK;
    }
    body = tarimg_body_object(exchange);
    size = tarimg_value_new(arena, TARIMG_OBJECT);
    tarimg_send(exchange, "POST",
                model ? tarimg_format(arena, "fal-ai/%s?" TARIMG_HF_SUBDOMAIN, model) : NULL);
    tarimg_hf_build_words(exchange);
    if (size) tarimg_hf_put_size(exchange, size);
    tarimg_hf_put_object(exchange, body, "image_size", size);
    if (!exchange->link->input_count) return TARASH_IMAGE_OK;
    (void)tarimg_put(arena, body, "image_url", tarimg_input_value(exchange, TARIMG_INPUT_URL, 0));
    (void)tarimg_put(arena, body, "image_urls[0]", tarimg_input_value(exchange, TARIMG_INPUT_URL, 0));
    return TARASH_IMAGE_OK;
}

/* fal's own address of the job, without its origin: the router has it below /fal-ai. */
static const char *tarimg_hf_job_url(tarash_image_exchange *exchange, const char *tail) {
    const char *given = tarimg_text_at(exchange->document, "response_url"), *path;
    tarimg_url url;
    if (!given || !tarimg_split_url(given, &url)) return NULL;
    path = tarimg_copy_bytes(&exchange->arena, url.rest, strcspn(url.rest, "?#"));
    path = path ? tarimg_format(&exchange->arena, "fal-ai%s%s?" TARIMG_HF_SUBDOMAIN, path, tail) : NULL;
    return path ? tarimg_join_url(&exchange->arena, exchange->link->base_url, path) : NULL;
}

static tarash_image_result tarimg_hf_read_fal(tarash_image_exchange *exchange) {
    tarash_image_result result;
    if (exchange->phase == TARASH_IMAGE_PHASE_POLL) return tarimg_fal_read_status(exchange);
    if (exchange->phase == TARASH_IMAGE_PHASE_FETCH) return tarimg_fal_read_output(exchange);
    if ((result = tarimg_fal_take_job_id(exchange)) != TARASH_IMAGE_OK) return result;
    exchange->poll_url = tarimg_hf_job_url(exchange, "/status");
    exchange->fetch_url = tarimg_hf_job_url(exchange, "");
    if (!exchange->poll_url)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_BAD_RESPONSE, NULL,
                           "the answer doesn't say where the result will be");
    tarimg_fal_progress(exchange, TARASH_IMAGE_STATUS_QUEUED, -1, tarimg_fal_position(exchange->document),
                        NULL);
    tarimg_fal_next(exchange, TARASH_IMAGE_PHASE_POLL);
    return TARASH_IMAGE_OK;
}

/* ---- huggingface: which of them */

typedef struct tarimg_hf_dialect {
    const char *name; /* as in provider_config.provider; the first is the default */
    tarash_image_result (*build_fn)(tarash_image_exchange *exchange);
    tarash_image_result (*read_fn)(tarash_image_exchange *exchange);
    void (*error_fn)(tarash_image_exchange *exchange);
} tarimg_hf_dialect;

/* A model that is being loaded says how long that will take, in seconds. */
static void tarimg_hf_read_inference_error(tarash_image_exchange *exchange) {
    int64_t seconds = 0;
    if (!tarimg_integer_at(exchange->document, "estimated_time", &seconds) || seconds < 0) return;
    if (seconds > INT_MAX) seconds = INT_MAX;
    if (!exchange->error.retry_after_ms) exchange->error.retry_after_ms = (seconds + 1) * 1000;
}

static const tarimg_hf_dialect tarimg_hf_dialects[] = {
    {"hf-inference", tarimg_hf_build_inference, tarimg_hf_read_inference, tarimg_hf_read_inference_error},
    {"fal-ai", tarimg_hf_build_fal, tarimg_hf_read_fal, tarimg_fal_read_error},
    {"together", tarimg_hf_build_together, tarimg_read_image_list, NULL},
};

/* NULL: the router's dialect for that one isn't spoken here. */
static const tarimg_hf_dialect *tarimg_hf_dialect_of(const tarash_image_exchange *exchange) {
    const char *name = tarimg_option(exchange->link, "provider");
    size_t i;
    if (exchange->phase != TARASH_IMAGE_PHASE_SUBMIT) name = "fal-ai"; /* no other has jobs */
    if (!name) return &tarimg_hf_dialects[0];
    for (i = 0; i < sizeof tarimg_hf_dialects / sizeof tarimg_hf_dialects[0]; i++) {
        if (tarimg_equal(tarimg_hf_dialects[i].name, name)) return &tarimg_hf_dialects[i];
    }
    return NULL;
}

static tarash_image_result tarimg_hf_build(tarash_image_exchange *exchange) {
    const tarimg_hf_dialect *dialect = tarimg_hf_dialect_of(exchange);
    if (dialect) return dialect->build_fn(exchange);
    return tarimg_fail(exchange, TARASH_IMAGE_ERROR_UNSUPPORTED, NULL,
                       "provider_config.provider: hf-inference, fal-ai and together are spoken");
}

static tarash_image_result tarimg_hf_read(tarash_image_exchange *exchange) {
    const tarimg_hf_dialect *dialect = tarimg_hf_dialect_of(exchange);
    return (dialect ? dialect : &tarimg_hf_dialects[0])->read_fn(exchange);
}

static void tarimg_hf_read_error(tarash_image_exchange *exchange) {
    const tarimg_hf_dialect *dialect = tarimg_hf_dialect_of(exchange);
    if (dialect && dialect->error_fn) dialect->error_fn(exchange);
}

static const tarimg_adapter tarimg_hf_adapter = {tarimg_hf_build,      tarimg_hf_read, NULL, NULL, 1,   0,
                                                 tarimg_hf_read_error, NULL,           NULL, 0,    NULL};

/* >>provider runway
   Tasks that are polled; sizes are pixel pairs of a list per model. https://docs.dev.runwayml.com/api, and
   the vendor's SDK (npm @runwayml/sdk) for fields and lists. */

enum {
    TARIMG_RUNWAY_TAGS = 1,     /* reference images may have tags, for "@tag" in the prompt */
    TARIMG_RUNWAY_SUBJECTS = 2, /* and say whether they show a human or an object */
    TARIMG_RUNWAY_NEEDS_IMAGE = 4,
    TARIMG_RUNWAY_EDIT_FLAG = 8, /* an edit is told from a reference by a field */
    TARIMG_RUNWAY_UPSCALER = 16
};

typedef struct tarimg_runway_model {
    const char *prefix;
    const char *ratio; /* where the request names no size: the field is required */
    int traits;
} tarimg_runway_model;

static const tarimg_runway_model *tarimg_runway_model_of(const char *model) {
    static const tarimg_runway_model table[] = {
        {"gen4_image_turbo", "1024:1024", TARIMG_RUNWAY_TAGS | TARIMG_RUNWAY_NEEDS_IMAGE},
        {"gemini_image3", "1024:1024", TARIMG_RUNWAY_TAGS | TARIMG_RUNWAY_SUBJECTS},
        {"gpt_image", "auto", TARIMG_RUNWAY_TAGS},
        {"seedream5_lite", "2048:2048", 0},
        {"seedream", "auto_1k", 0},
        {"grok_imagine", "auto_1k", TARIMG_RUNWAY_EDIT_FLAG},
        {"muse_image", "auto", 0},
        {"magnific", "", TARIMG_RUNWAY_UPSCALER},
        {"", "1024:1024", TARIMG_RUNWAY_TAGS}};
    const tarimg_runway_model *row = table;
    while (!tarimg_begins(model, row->prefix)) row++;
    return row;
}

static const char *tarimg_runway_choose_model(const tarimg_link *link) {
    if (!link->operation || !tarimg_equal(link->operation->operation, "upscale")) return NULL;
    return tarimg_runway_model_of(link->model)->traits & TARIMG_RUNWAY_UPSCALER ? NULL
                                                                                : link->operation->call;
}

/* "WxH" becomes "W:H". */
static const char *tarimg_runway_ratio(tarash_image_exchange *exchange) {
    const char *size = exchange->request.size;
    int width, height;
    if (!size || !tarimg_parse_size(size, strlen(size), &width, &height))
        return tarimg_runway_model_of(exchange->link->model)->ratio;
    return tarimg_format(&exchange->arena, "%d:%d", width, height);
}

static int tarimg_runway_is_tag(const char *text) {
    size_t size = strlen(text), i;
    if (size < 3 || size > 16 || tarimg_is_digit(text[0]) || text[0] == '_') return 0;
    for (i = 0; i < size; i++) {
        int c = tarimg_lower(text[i]);
        if (!tarimg_is_digit(c) && !(c >= 'a' && c <= 'z') && c != '_') return 0;
    }
    return 1;
}

static int tarimg_runway_is_subject(const char *text) {
    return tarimg_in_list("human,object", text);
}

/* A list of provider_config: one word or null for each input image. */
static tarash_image_result tarimg_runway_check_words(tarash_image_exchange *exchange, const char *name,
                                                     int (*is_right)(const char *), const char *rule) {
    const tarimg_value *list = tarimg_at(exchange->link->options, name), *item;
    size_t count = 0;
    if (!list || list->kind == TARIMG_NULL) return TARASH_IMAGE_OK;
    for (item = list->first; item; item = item->next, count++) {
        if (item->kind == TARIMG_NULL || (item->kind == TARIMG_STRING && is_right(item->text))) continue;
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                           tarimg_format(&exchange->arena, "provider_config.%s: %s", name, rule));
    }
    if (list->kind == TARIMG_ARRAY && count <= exchange->link->input_count) return TARASH_IMAGE_OK;
    return tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                       tarimg_format(&exchange->arena,
                                     "provider_config.%s: is not a list with one entry for each input image",
                                     name));
}

/* The first word of a list that the model doesn't take is enough to tell which. */
static void tarimg_runway_drop_words(tarash_image_exchange *exchange, const char *name) {
    const tarimg_value *list = tarimg_at(exchange->link->options, name), *item = list ? list->first : NULL;
    while (item && item->kind != TARIMG_STRING) item = item->next;
    if (item)
        tarimg_warn(exchange->link, tarimg_format(&exchange->arena, "provider_config.%s", name), item->text,
                    NULL, "this model doesn't take that for its reference images");
}

static void tarimg_runway_set_word(tarash_image_exchange *exchange, tarimg_value *image, const char *field,
                                   const char *list, size_t index) {
    const tarimg_value *words = tarimg_at(exchange->link->options, list);
    const tarimg_value *word = words ? tarimg_element(words, index) : NULL;
    if (word && word->kind == TARIMG_STRING) tarimg_set_text(&exchange->arena, image, field, word->text);
}

static void tarimg_runway_add_images(tarash_image_exchange *exchange, int traits) {
    tarimg_value *list = tarimg_value_new(&exchange->arena, TARIMG_ARRAY);
    size_t i;
    for (i = 0; i < exchange->link->input_count; i++) {
        tarimg_value *image = tarimg_value_new(&exchange->arena, TARIMG_OBJECT);
        tarimg_set(&exchange->arena, image, "uri", tarimg_input_value(exchange, TARIMG_INPUT_URL, i));
        if (traits & TARIMG_RUNWAY_TAGS) tarimg_runway_set_word(exchange, image, "tag", "tags", i);
        if (traits & TARIMG_RUNWAY_SUBJECTS)
            tarimg_runway_set_word(exchange, image, "subject", "subjects", i);
        tarimg_append_value(list, image);
    }
    tarimg_set(&exchange->arena, tarimg_body_object(exchange), "referenceImages", list);
}

static tarash_image_result tarimg_runway_build_images(tarash_image_exchange *exchange) {
    tarimg_link *link = exchange->link;
    int traits = tarimg_runway_model_of(link->model)->traits;
    tarash_image_result result = tarimg_runway_check_words(
        exchange, "tags", tarimg_runway_is_tag,
        "a tag has 3 to 16 letters, digits and underscores, and begins with a letter");
    if (result == TARASH_IMAGE_OK)
        result = tarimg_runway_check_words(exchange, "subjects", tarimg_runway_is_subject,
                                           "a subject is \"human\" or \"object\"");
    if (result != TARASH_IMAGE_OK) return result;
    if ((traits & TARIMG_RUNWAY_NEEDS_IMAGE) && !link->input_count)
        return tarimg_fail(
            exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
            tarimg_format(&exchange->arena, "images: %s needs a reference image", link->model));
    if (!(traits & TARIMG_RUNWAY_TAGS)) tarimg_runway_drop_words(exchange, "tags");
    if (!(traits & TARIMG_RUNWAY_SUBJECTS)) tarimg_runway_drop_words(exchange, "subjects");
    if (link->input_count) tarimg_runway_add_images(exchange, traits);
    if ((traits & TARIMG_RUNWAY_EDIT_FLAG) && link->operation &&
        tarimg_equal(link->operation->operation, "edit"))
        tarimg_set_true(&exchange->arena, tarimg_body_object(exchange), "edit");
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_runway_build_generation(tarash_image_exchange *exchange) {
    const tarash_image_request *request = &exchange->request;
    tarimg_send(exchange, "POST", "v1/text_to_image");
    tarimg_body_set(exchange, "model", exchange->link->model);
    tarimg_body_set(exchange, "promptText", request->prompt);
    tarimg_body_set(exchange, "ratio", tarimg_runway_ratio(exchange));
    if (request->n > 0) tarimg_body_integer(exchange, "outputCount", exchange->count);
    if (request->has_seed) tarimg_body_integer(exchange, "seed", request->seed);
    tarimg_body_set(exchange, "quality", request->quality);
    tarimg_body_set(exchange, "background", request->background);
    tarimg_body_set(exchange, "outputFormat", request->output_format);
    return tarimg_runway_build_images(exchange);
}

static tarash_image_result tarimg_runway_build_upscale(tarash_image_exchange *exchange) {
    tarimg_link *link = exchange->link;
    tarimg_send(exchange, "POST", "v1/image_upscale");
    if (link->input_count != 1)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                           "images: upscaling needs exactly one input image");
    if (link->config.model && !tarimg_equal(link->config.model, link->model))
        tarimg_warn(link, "model", link->config.model, link->model, "upscaling has a model of its own");
    tarimg_body_set(exchange, "model", link->model);
    tarimg_set(&exchange->arena, tarimg_body_object(exchange), "imageUri",
               tarimg_input_value(exchange, TARIMG_INPUT_URL, 0));
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_runway_build(tarash_image_exchange *exchange) {
    const char *version = tarimg_option(exchange->link, "api_version");
    tarimg_add_header(&exchange->arena, &exchange->headers, "X-Runway-Version",
                      tarimg_is_set(version) ? version : "2024-11-06");
    if (exchange->phase != TARASH_IMAGE_PHASE_SUBMIT) {
        const char *path =
            tarimg_format(&exchange->arena, "v1/tasks/%s", exchange->job_id ? exchange->job_id : "");
        tarimg_send(exchange, exchange->phase == TARASH_IMAGE_PHASE_CANCEL ? "DELETE" : "GET", path);
        return TARASH_IMAGE_OK;
    }
    if (tarimg_runway_model_of(exchange->link->model)->traits & TARIMG_RUNWAY_UPSCALER)
        return tarimg_runway_build_upscale(exchange);
    return tarimg_runway_build_generation(exchange);
}

/* A fraction of one, as the per cent of progress; -1 where there is none. */
static int tarimg_percent_of_fraction(const tarimg_value *document, const char *path) {
    const char *text = tarimg_text_at(document, path);
    int64_t thousandths;
    if (!text || !tarimg_parse_thousandths(text, strlen(text), 1000, &thousandths)) return -1;
    return (int)(thousandths / 10);
}

static tarash_image_result tarimg_runway_read_output(tarash_image_exchange *exchange) {
    const tarimg_value *list = tarimg_at(exchange->document, "output"), *item;
    const char *created = tarimg_text_at(exchange->document, "createdAt");
    if (created) (void)tarimg_parse_timestamp(created, &exchange->created);
    tarimg_read_metadata(exchange, "id,status,createdAt,output");
    for (item = list ? list->first : NULL; item; item = item->next) (void)tarimg_add_image(exchange, item);
    return exchange->error.result;
}

/* What the beginning of a failureCode says; what else there is means that no image could be made. */
static tarash_image_result tarimg_runway_result_of(const char *code) {
    static const struct {
        const char *prefix;
        tarash_image_result result;
    } table[] = {{"SAFETY", TARASH_IMAGE_ERROR_CONTENT_MODERATION},
                 {"INPUT_PREPROCESSING.SAFETY", TARASH_IMAGE_ERROR_CONTENT_MODERATION},
                 {"ASSET.INVALID", TARASH_IMAGE_ERROR_VALIDATION}};
    size_t i;
    for (i = 0; code && i < sizeof table / sizeof table[0]; i++) {
        if (tarimg_begins(code, table[i].prefix)) return table[i].result;
    }
    return TARASH_IMAGE_ERROR_GENERATION_FAILED;
}

static tarash_image_result tarimg_runway_read_failure(tarash_image_exchange *exchange) {
    const char *code = tarimg_text_at(exchange->document, "failureCode");
    const char *words = tarimg_text_at(exchange->document, "failure");
    tarash_image_result result = tarimg_runway_result_of(code);
    if (!code && tarimg_is_moderation(0, NULL, NULL, words)) result = TARASH_IMAGE_ERROR_CONTENT_MODERATION;
    return tarimg_fail(exchange, result, code,
                       tarimg_is_set(words) ? words : "the task failed, and the provider doesn't say why");
}

static tarash_image_result tarimg_runway_read(tarash_image_exchange *exchange) {
    const char *status = tarimg_text_at(exchange->document, "status");
    int is_queued = tarimg_equal(status, "PENDING") || tarimg_equal(status, "THROTTLED");
    if (exchange->phase == TARASH_IMAGE_PHASE_SUBMIT) {
        tarash_image_exchange_accept(exchange, tarimg_text_at(exchange->document, "id"));
        tarash_image_exchange_next(exchange, TARASH_IMAGE_PHASE_POLL);
        return exchange->error.result;
    }
    if (!tarimg_is_set(status))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_BAD_RESPONSE, NULL, "the task has no status");
    if (tarimg_equal(status, "SUCCEEDED")) return tarimg_runway_read_output(exchange);
    if (tarimg_equal(status, "FAILED")) return tarimg_runway_read_failure(exchange);
    if (tarimg_equal(status, "CANCELLED"))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_CANCELLED, status,
                           "the task was cancelled at the provider");
    /* A word that this version doesn't know is no reason to give up what is being paid for. */
    tarash_image_exchange_progress(exchange,
                                   is_queued ? TARASH_IMAGE_STATUS_QUEUED : TARASH_IMAGE_STATUS_PROCESSING,
                                   tarimg_percent_of_fraction(exchange->document, "progress"), -1,
                                   tarimg_in_list("PENDING,RUNNING", status) ? NULL : status);
    tarash_image_exchange_next(exchange, TARASH_IMAGE_PHASE_POLL);
    return TARASH_IMAGE_OK;
}

/* "referenceImages.0.uri: message" of one of the validator's complaints. */
/* The complaints stand beside a general sentence, and want of credit has a status that says nothing. */
static void tarimg_runway_read_error(tarash_image_exchange *exchange) {
    tarash_image_error *error = &exchange->error;
    const tarimg_value *issues = tarimg_at(exchange->document, "issues");
    const char *words = tarimg_text_at(exchange->document, "error");
    const char *code = tarimg_text_at(exchange->document, "issues[0].code");
    const char *told = tarimg_error_list(&exchange->arena, issues);
    if (tarimg_contains_nocase(words, "enough credits")) error->result = TARASH_IMAGE_ERROR_QUOTA_EXCEEDED;
    if (code) tarimg_copy_fixed(error->provider_code, sizeof error->provider_code, code);
    if (told) told = tarimg_format(&exchange->arena, "%s: %s", error->message, told);
    if (told) tarimg_copy_fixed(error->message, sizeof error->message, told);
}

static const tarimg_adapter tarimg_runway_adapter = {
    tarimg_runway_build,      tarimg_runway_read,         NULL, NULL, 1,   1,
    tarimg_runway_read_error, tarimg_runway_choose_model, NULL, 0,    NULL};

/* >>provider bfl
   Black Forest Labs: a path and a schema per model, and polls of the address that the answer names, on a host
   of one of the vendor's clusters. https://api.bfl.ai/openapi.json, https://docs.bfl.ai */

typedef struct tarimg_bfl_model {
    const char *prefix;
    const char *
        images; /* fields of the input images, in order; the last one counts on: name_2, name_3; "name[]" is a list */
    int takes_urls;         /* of input images; else base64 only */
    const char *operations; /* that this model is made for */
} tarimg_bfl_model;

static const tarimg_bfl_model *tarimg_bfl_model_of(const char *model) {
    static const tarimg_bfl_model table[] = {{"flux-3-image", "images[]", 1, NULL},
                                             {"flux-tools/outpainting", "input_image", 1, "outpaint"},
                                             {"flux-tools/erase", "image", 1, "erase"},
                                             {"flux-tools/deblur", "image", 1, "deblur"},
                                             {"flux-tools/vto", "person,garment", 1, "try_on"},
                                             {"flux-pro-1.0-expand", "image", 0, "expand"},
                                             {"flux-pro-1.0-fill", "image", 0, "inpaint"},
                                             {"flux-pro-1.1", "image_prompt", 0, NULL},
                                             {"flux-dev", "image_prompt", 0, NULL},
                                             {"", "input_image", 1, NULL}};
    const tarimg_bfl_model *row = table;
    while (!tarimg_begins(model, row->prefix)) row++;
    return row;
}

#define TARIMG_BFL_FILL "flux-pro-1.0-fill"

static const char *tarimg_bfl_choose_model(const tarimg_link *link) {
    const tarash_image_operation_info *operation = link->operation;
    if (operation && operation->call[0]) {
        const char *made_for = tarimg_bfl_model_of(link->model)->operations;
        return made_for && tarimg_in_list(made_for, operation->operation) ? NULL : operation->call;
    }
    return link->has_mask && !link->config.model ? TARIMG_BFL_FILL : NULL;
}

static void tarimg_bfl_add_image(tarash_image_exchange *exchange, const tarimg_bfl_model *model,
                                 const char *field, size_t index) {
    int as_url = model->takes_urls && !tarimg_input_has_bytes(&exchange->link->inputs[index]);
    tarimg_value *value =
        tarimg_input_value(exchange, as_url ? TARIMG_INPUT_URL : TARIMG_INPUT_BASE64, index);
    if (field && value && tarimg_body_object(exchange))
        (void)tarimg_put(&exchange->arena, tarimg_body_object(exchange), field, value);
}

static void tarimg_bfl_add_images(tarash_image_exchange *exchange, const tarimg_bfl_model *model) {
    const char *names = model->images, *item = names;
    size_t i, size = strlen(names);
    for (i = 0; i < exchange->link->input_count; i++) {
        int is_named = tarimg_next_item(&names, &item, &size) || strchr(item, '[') != NULL;
        const char *name = tarimg_copy_bytes(&exchange->arena, item, size);
        if (!is_named && name) name = tarimg_format(&exchange->arena, "%s_%d", name, (int)i + 1);
        tarimg_bfl_add_image(exchange, model, name, i);
    }
    if (exchange->link->mask)
        tarimg_set(&exchange->arena, tarimg_body_object(exchange), "mask",
                   tarimg_input_value(exchange, TARIMG_INPUT_BASE64, (size_t)-1));
}

static void tarimg_bfl_set_size(tarash_image_exchange *exchange) {
    const char *size = exchange->request.size;
    int width, height;
    if (!size || !tarimg_parse_size(size, strlen(size), &width, &height)) return;
    tarimg_body_integer(exchange, "width", width);
    tarimg_body_integer(exchange, "height", height);
}

/* Models with free ratios take them from 21:9 to 9:21. */
static void tarimg_bfl_set_ratio(tarash_image_exchange *exchange) {
    static const char widest[] = "21:9", highest[] = "9:21";
    const char *asked = exchange->request.aspect_ratio, *sent = asked;
    double ratio;
    if (!asked) return;
    if (!exchange->link->caps->aspect_ratios && tarimg_parse_ratio(asked, strlen(asked), &ratio)) {
        if (ratio * 9 > 21.0001) sent = widest;
        if (ratio * 21 < 8.9999) sent = highest;
    }
    if (sent != asked)
        tarimg_warn(exchange->link, "aspect_ratio", asked, sent, "this model takes ratios from 21:9 to 9:21");
    tarimg_body_set(exchange, "aspect_ratio", sent);
}

/* FLUX 3 has steps of resolution: the one whose square comes nearest to the size asked for. */
static const char *tarimg_bfl_resolution(tarash_image_exchange *exchange) {
    static const struct {
        const char *name;
        int edge;
    } steps[] = {{"768sq", 768}, {"1k", 1024}, {"1.5k", 1536}, {"2k", 2048}, {"4k", 4096}};
    tarimg_link *link = exchange->link;
    double pixels = (double)link->width * link->height, best_distance = 0;
    const char *best = NULL;
    size_t i;
    if (!link->caps->qualities || !link->width) return exchange->request.quality;
    for (i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        double distance = tarimg_ratio_distance((double)steps[i].edge * steps[i].edge, pixels);
        if (best && distance >= best_distance) continue;
        best = steps[i].name;
        best_distance = distance;
    }
    if (exchange->request.quality && !tarimg_equal(exchange->request.quality, best))
        tarimg_warn(link, "quality", exchange->request.quality, best, "size is set, too, and wins");
    return best;
}

/* Outpainting wants the size of the whole canvas, which extra_params may give, too. */
static int tarimg_bfl_lacks_canvas(const tarash_image_exchange *exchange, const tarimg_bfl_model *model) {
    const tarimg_value *extra = exchange->link->extra;
    if (!tarimg_equal(model->operations, "outpaint") || exchange->request.size) return 0;
    return !tarimg_at(extra, "width") || !tarimg_at(extra, "height");
}

static tarash_image_result tarimg_bfl_build_submit(tarash_image_exchange *exchange) {
    tarimg_link *link = exchange->link;
    const tarash_image_request *request = &exchange->request;
    const tarimg_bfl_model *model = tarimg_bfl_model_of(link->model);
    const char *path = tarimg_encode_path(&exchange->arena, link->model, "/");
    if (path) tarimg_send(exchange, "POST", path);
    if (tarimg_bfl_lacks_canvas(exchange, model))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                           "size: outpainting needs the size of the whole canvas");
    if (link->config.model && !tarimg_equal(link->config.model, link->model))
        tarimg_warn(link, "model", link->config.model, link->model, "this operation has a model of its own");
    tarimg_body_set(exchange, "prompt", tarimg_is_set(request->prompt) ? request->prompt : NULL);
    tarimg_bfl_add_images(exchange, model);
    tarimg_bfl_set_size(exchange);
    tarimg_bfl_set_ratio(exchange);
    tarimg_body_set(exchange, "resolution", tarimg_bfl_resolution(exchange));
    if (request->has_seed) tarimg_body_integer(exchange, "seed", request->seed);
    tarimg_body_set(exchange, "output_format", request->output_format);
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_bfl_build(tarash_image_exchange *exchange) {
    const char *id = exchange->job_id ? exchange->job_id : "";
    if (exchange->phase == TARASH_IMAGE_PHASE_SUBMIT) return tarimg_bfl_build_submit(exchange);
    id = tarimg_encode_path(&exchange->arena, id, "");
    tarimg_send(exchange, "GET", tarimg_format(&exchange->arena, "get_result?id=%s", id ? id : ""));
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_bfl_read_submit(tarash_image_exchange *exchange) {
    tarash_image_exchange_accept(exchange, tarimg_text_at(exchange->document, "id"));
    exchange->poll_url = tarimg_job_url(exchange, "polling_url");
    tarimg_read_metadata(exchange, "id,polling_url,status,webhook_url");
    tarash_image_exchange_next(exchange, TARASH_IMAGE_PHASE_POLL);
    return exchange->error.result;
}

static tarash_image_result tarimg_bfl_read_result(tarash_image_exchange *exchange, const char *status) {
    const char *prompt = tarimg_text_at(exchange->document, "result.prompt");
    tarimg_found *found = tarimg_add_image(exchange, tarimg_at(exchange->document, "result.sample"));
    (void)status;
    if (!found) return exchange->error.result;
    if (tarimg_is_set(prompt) && !tarimg_equal(prompt, exchange->request.prompt))
        found->revised_prompt = tarimg_copy(&exchange->arena, prompt);
    found->has_seed = tarimg_integer_at(exchange->document, "result.seed", &found->seed);
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_bfl_read_moderation(tarash_image_exchange *exchange, const char *status) {
    const char *reasons =
        tarimg_error_list(&exchange->arena, tarimg_at(exchange->document, "details.Moderation Reasons"));
    return tarimg_fail(exchange, TARASH_IMAGE_ERROR_CONTENT_MODERATION, status,
                       reasons ? tarimg_format(&exchange->arena, "%s: %s", status, reasons) : TARIMG_BLOCKED);
}

static tarash_image_result tarimg_bfl_read_failure(tarash_image_exchange *exchange, const char *status) {
    const char *words = tarimg_text_at(exchange->document, "details");
    if (!words) words = tarimg_error_message(&exchange->arena, tarimg_at(exchange->document, "details"));
    return tarimg_fail(exchange, TARASH_IMAGE_ERROR_GENERATION_FAILED, status,
                       tarimg_is_set(words) ? words : "the task failed, and the provider doesn't say why");
}

static tarash_image_result tarimg_bfl_read_waiting(tarash_image_exchange *exchange, const char *status) {
    int percent = tarimg_percent_of_fraction(exchange->document, "progress");
    int is_queued = tarimg_equal(status, "Pending") && percent < 0;
    tarash_image_exchange_progress(exchange,
                                   is_queued ? TARASH_IMAGE_STATUS_QUEUED : TARASH_IMAGE_STATUS_PROCESSING,
                                   percent, -1, tarimg_equal(status, "Pending") ? NULL : status);
    tarash_image_exchange_next(exchange, TARASH_IMAGE_PHASE_POLL);
    return TARASH_IMAGE_OK;
}

#define TARIMG_BFL_PATIENCE 3 /* polls that may not find a task which has just been accepted */

static tarash_image_result tarimg_bfl_read_missing(tarash_image_exchange *exchange, const char *status) {
    if (exchange->poll_number < TARIMG_BFL_PATIENCE) return tarimg_bfl_read_waiting(exchange, status);
    return tarimg_fail(exchange, TARASH_IMAGE_ERROR_GENERATION_FAILED, status,
                       "the provider knows the task no more");
}

static tarash_image_result tarimg_bfl_read(tarash_image_exchange *exchange) {
    static const struct {
        const char *status;
        tarash_image_result (*read_fn)(tarash_image_exchange *exchange, const char *status);
    } table[] = {{"Ready", tarimg_bfl_read_result},
                 {"Request Moderated", tarimg_bfl_read_moderation},
                 {"Content Moderated", tarimg_bfl_read_moderation},
                 {"Error", tarimg_bfl_read_failure},
                 {"Failed", tarimg_bfl_read_failure},
                 {"Task not found", tarimg_bfl_read_missing}};
    const char *status = tarimg_text_at(exchange->document, "status");
    size_t i;
    if (exchange->phase == TARASH_IMAGE_PHASE_SUBMIT) return tarimg_bfl_read_submit(exchange);
    if (!status) status = tarimg_text_at(exchange->document, "state");
    if (!tarimg_is_set(status))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_BAD_RESPONSE, NULL, "the task has no status");
    for (i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (tarimg_equal(status, table[i].status)) return table[i].read_fn(exchange, status);
    }
    return tarimg_bfl_read_waiting(exchange, status);
}

/* What a task has come to stands in the body, whatever the status of a poll. */
static void tarimg_bfl_error(tarash_image_exchange *exchange) {
    const char *status = tarimg_text_at(exchange->document, "status");
    tarash_image_error *error = &exchange->error;
    if (exchange->phase != TARASH_IMAGE_PHASE_POLL || !tarimg_is_set(status)) return;
    if (tarimg_contains_nocase(status, "moderated"))
        error->result = TARASH_IMAGE_ERROR_CONTENT_MODERATION;
    else if (tarimg_in_list("Error,Failed,Task not found", status))
        error->result = TARASH_IMAGE_ERROR_GENERATION_FAILED;
    else
        return;
    tarimg_copy_fixed(error->provider_code, sizeof error->provider_code, status);
    exchange->is_final =
        !tarimg_equal(status, "Task not found") || exchange->poll_number >= TARIMG_BFL_PATIENCE;
}

static const tarimg_adapter tarimg_bfl_adapter = {
    tarimg_bfl_build, tarimg_bfl_read,         NULL, NULL, 1,   0,
    tarimg_bfl_error, tarimg_bfl_choose_model, NULL, 0,    NULL};

/* >>provider recraft
   A call for each thing that can be done to an image, all of them at once: JSON in, JSON out. Calls that make images
   answer with a list, those that process one with that one. Errors are plain text or JSON.
   https://www.recraft.ai/docs/api-reference */

/* The body's name for a standard field, from a list of "standard" or "standard=body"; NULL = not in it. */
static const char *tarimg_recraft_target(tarimg_arena *arena, const char *fields, const char *field) {
    const char *item;
    size_t size;
    while (tarimg_next_item(&fields, &item, &size)) {
        const char *equals = (const char *)memchr(item, '=', size);
        size_t name_size = equals ? (size_t)(equals - item) : size;
        const char *target = equals ? equals + 1 : item;
        if (strlen(field) == name_size && memcmp(item, field, name_size) == 0)
            return tarimg_copy_bytes(arena, target, (size_t)(item + size - target));
    }
    return NULL;
}

static void tarimg_recraft_put(tarash_image_exchange *exchange, const char *fields, const char *field,
                               tarimg_value *value) {
    const char *target = tarimg_recraft_target(&exchange->arena, fields, field);
    if (!value) return;
    if (target)
        tarimg_set(&exchange->arena, tarimg_body_object(exchange), target, value);
    else
        tarimg_warn(exchange->link, field, value->text, NULL, "this call takes no such setting");
}

/* Writes the standard fields that a call takes, under its names; the others become warnings. */
static void tarimg_recraft_fields(tarash_image_exchange *exchange, const char *fields) {
    const tarash_image_request *request = &exchange->request;
    const struct {
        const char *field, *text;
    } texts[] = {{"prompt", tarimg_is_set(request->prompt) ? request->prompt : NULL},
                 {"negative_prompt", request->negative_prompt},
                 {"size", request->size},
                 {"aspect_ratio", request->aspect_ratio},
                 {"quality", request->quality},
                 {"style", request->style},
                 {"output_format", request->output_format}};
    tarimg_arena *arena = &exchange->arena;
    size_t i;
    for (i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].text)
            tarimg_recraft_put(exchange, fields, texts[i].field, tarimg_value_text(arena, texts[i].text));
    }
    if (request->n > 0)
        tarimg_recraft_put(exchange, fields, "n", tarimg_value_integer(arena, exchange->count));
    if (request->has_seed)
        tarimg_recraft_put(exchange, fields, "seed", tarimg_value_integer(arena, request->seed));
}

typedef struct tarimg_recraft_call {
    const char *operation;
    const char *path;
    const char *fields;  /* standard fields that it takes: "standard" or "standard=body" */
    const char *model;   /* where none is given; NULL = the provider's default, "" = the call has no models */
    const char *refused; /* what the models begin with that it doesn't take, or NULL */
} tarimg_recraft_call;

#define TARIMG_RECRAFT_MAKING  "n,seed=random_seed,output_format=image_format"
#define TARIMG_RECRAFT_DRAWING "prompt,negative_prompt,style," TARIMG_RECRAFT_MAKING
#define TARIMG_RECRAFT_SIZED   ",size,aspect_ratio=size"
#define TARIMG_RECRAFT_V3      "recraftv3", "recraftv2,recraftv4"

static const tarimg_recraft_call tarimg_recraft_calls[] = {
    {"generate", "images/generations", TARIMG_RECRAFT_DRAWING TARIMG_RECRAFT_SIZED, NULL, NULL},
    {"image_to_image", "images/imageToImage", TARIMG_RECRAFT_DRAWING, NULL, "recraftv2,recraftv4_styles"},
    {"inpaint", "images/inpaint", TARIMG_RECRAFT_DRAWING, TARIMG_RECRAFT_V3},
    {"outpaint", "images/outpaint", TARIMG_RECRAFT_DRAWING TARIMG_RECRAFT_SIZED, TARIMG_RECRAFT_V3},
    {"replace_background", "images/replaceBackground", TARIMG_RECRAFT_DRAWING, TARIMG_RECRAFT_V3},
    {"generate_background", "images/generateBackground", TARIMG_RECRAFT_DRAWING, TARIMG_RECRAFT_V3},
    {"variation", "images/variateImage", TARIMG_RECRAFT_MAKING TARIMG_RECRAFT_SIZED, NULL, NULL},
    {"erase", "images/eraseRegion", "output_format=image_format", "", NULL},
    {"remove_background", "images/removeBackground", "output_format=image_format", "", NULL},
    {"upscale", "images/crispUpscale", "output_format=image_format", "", NULL},
    {"upscale_creative", "images/creativeUpscale", "output_format=image_format", "", NULL},
    {"vectorize", "images/vectorize", "", "", NULL}};

/* Input images but those that only lend their style. */
static size_t tarimg_recraft_content_count(const tarimg_link *link) {
    size_t i, count = 0;
    for (i = 0; i < link->input_count; i++) count += link->inputs[i].role != TARASH_IMAGE_ROLE_STYLE;
    return count;
}

static const tarimg_recraft_call *tarimg_recraft_call_of(const tarimg_link *link) {
    const char *name = link->operation ? link->operation->operation : NULL;
    size_t i;
    if (!name || tarimg_equal(name, "edit"))
        name = link->has_mask                       ? "inpaint"
               : tarimg_recraft_content_count(link) ? "image_to_image"
                                                    : "generate";
    for (i = 0; i < sizeof tarimg_recraft_calls / sizeof tarimg_recraft_calls[0]; i++) {
        if (tarimg_equal(tarimg_recraft_calls[i].operation, name)) return &tarimg_recraft_calls[i];
    }
    return &tarimg_recraft_calls[0];
}

#define TARIMG_RECRAFT_MODEL "recraftv4_1"

static int tarimg_recraft_is_svg(const tarash_image_request *request) {
    return request->output_format && tarimg_equal_nocase(request->output_format, "svg");
}

static const char *tarimg_recraft_model(const tarimg_link *link) {
    const tarimg_recraft_call *call = tarimg_recraft_call_of(link);
    const char *model = call->model ? call->model : tarimg_or(link->row->default_model, TARIMG_RECRAFT_MODEL);
    if (call->model && !call->model[0]) return "";
    if (link->config.model) return NULL;
    if (link->input_count && !tarimg_recraft_content_count(link)) model = "recraftv4_styles";
    if (!tarimg_recraft_is_svg(&link->request)) return model;
    return tarimg_format(link->arena, "%s_vector", model);
}

static int tarimg_recraft_is_refused(const tarimg_recraft_call *call, const char *model) {
    const char *list = call->refused, *item;
    size_t size;
    while (tarimg_next_item(&list, &item, &size)) {
        if (strncmp(model, item, size) == 0) return 1;
    }
    return 0;
}

static tarash_image_result tarimg_recraft_unsupported(tarash_image_exchange *exchange, const char *message) {
    return tarimg_fail(exchange, TARASH_IMAGE_ERROR_UNSUPPORTED, NULL, message ? message : "");
}

static tarash_image_result tarimg_recraft_check(tarash_image_exchange *exchange,
                                                const tarimg_recraft_call *call) {
    tarimg_link *link = exchange->link;
    size_t content = tarimg_recraft_content_count(link);
    int is_generation = tarimg_equal(call->operation, "generate");
    if (tarimg_recraft_is_refused(call, link->model))
        return tarimg_recraft_unsupported(
            exchange,
            tarimg_format(&exchange->arena, "model: %s can't do %s; leave it out, or use %s", link->model,
                          call->operation, call->model ? call->model : TARIMG_RECRAFT_MODEL));
    if (content > 1)
        return tarimg_recraft_unsupported(
            exchange,
            "images: recraft takes one image, and beside the operation generate none but of the role style");
    if (is_generation && content)
        return tarimg_recraft_unsupported(
            exchange, "images: the operation generate takes images of the role style only");
    if (!is_generation && content < link->input_count)
        return tarimg_recraft_unsupported(
            exchange, "images: only the operation generate takes images of the role style");
    return TARASH_IMAGE_OK;
}

/* Roles other than style mean nothing here. */
static void tarimg_recraft_check_roles(tarimg_link *link) {
    static const char *const names[] = {"reference", "first_frame", "last_frame", "asset", "style"};
    size_t i;
    for (i = 0; i < link->input_count; i++) {
        const tarimg_input *input = &link->inputs[i];
        if (input->role != TARASH_IMAGE_ROLE_REFERENCE && input->role != TARASH_IMAGE_ROLE_STYLE)
            tarimg_warn(link, tarimg_format(link->arena, "%s.role", input->field), names[input->role],
                        "reference", "this provider knows no such role");
    }
}

static void tarimg_recraft_images(tarash_image_exchange *exchange) {
    const tarimg_link *link = exchange->link;
    tarimg_arena *arena = &exchange->arena;
    tarimg_value *body = tarimg_body_object(exchange), *styles = NULL;
    size_t i;
    for (i = 0; i < link->input_count; i++) {
        tarimg_value *image = tarimg_input_value(exchange, TARIMG_INPUT_URL, i);
        if (link->inputs[i].role != TARASH_IMAGE_ROLE_STYLE) {
            tarimg_set(arena, body, "image_url", image);
            continue;
        }
        if (!styles) styles = tarimg_value_new(arena, TARIMG_ARRAY);
        tarimg_append_value(styles, image);
    }
    tarimg_set(arena, body, "style_reference_urls", styles);
    if (link->mask)
        tarimg_set(arena, body, "mask_url", tarimg_input_value(exchange, TARIMG_INPUT_URL, (size_t)-1));
}

static int tarimg_recraft_is_uuid(const char *text) {
    size_t i;
    if (!text || strlen(text) != 36) return 0;
    for (i = 0; i < 36; i++) {
        int c = tarimg_lower(text[i]), is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_dash ? c != '-' : !(tarimg_is_digit(text[i]) || (c >= 'a' && c <= 'f'))) return 0;
    }
    return 1;
}

/* A style of one's own goes by its id; the V4 models know no others. */
static void tarimg_recraft_style(tarash_image_exchange *exchange, const tarimg_recraft_call *call) {
    tarimg_link *link = exchange->link;
    const char *style = exchange->request.style;
    if (!style || !tarimg_recraft_target(&exchange->arena, call->fields, "style")) return;
    if (tarimg_recraft_is_uuid(style))
        tarimg_body_set(exchange, "style_id", style);
    else if (tarimg_begins(link->model, "recraftv4"))
        tarimg_warn(link, "style", style, NULL, "this model takes the id of a style only");
    else
        return;
    exchange->request.style = NULL;
}

static void tarimg_recraft_option(tarash_image_exchange *exchange, const char *name, int is_taken) {
    const tarimg_value *option = tarimg_member(exchange->link->options, name);
    if (option && is_taken)
        tarimg_set(&exchange->arena, tarimg_body_object(exchange), name,
                   tarimg_copy_value(&exchange->arena, option));
    else if (option)
        tarimg_warn(exchange->link, tarimg_format(&exchange->arena, "provider_config.%s", name), option->text,
                    NULL, "this call takes no such setting");
}

#define TARIMG_RECRAFT_STRENGTH "0.5" /* half way between the image and the prompt */

static void tarimg_recraft_options(tarash_image_exchange *exchange, const tarimg_recraft_call *call) {
    int is_transformation = tarimg_equal(call->operation, "image_to_image");
    if (is_transformation) {
        tarimg_value *strength = tarimg_value_text(&exchange->arena, TARIMG_RECRAFT_STRENGTH);
        if (strength) strength->kind = TARIMG_NUMBER;
        tarimg_set(&exchange->arena, tarimg_body_object(exchange), "strength", strength);
    }
    tarimg_recraft_option(exchange, "strength", is_transformation);
    tarimg_recraft_option(exchange, "controls", tarimg_begins(call->fields, "prompt"));
}

/* A variation must be told its shape: that of the image, if nothing else was asked for. */
static void tarimg_recraft_shape(tarash_image_exchange *exchange) {
    const tarimg_link *link = exchange->link;
    const tarimg_input *image = link->inputs;
    double ratio = image->width && image->height ? (double)image->width / image->height : 1;
    if (!exchange->request.size && !exchange->request.aspect_ratio)
        exchange->request.aspect_ratio =
            link->caps->aspect_ratios
                ? tarimg_nearest_ratio(&exchange->arena, link->caps->aspect_ratios, ratio)
                : "1:1";
}

/* What an outpainting adds, or how large it becomes, is the caller's to say. */
static int tarimg_recraft_has_extent(const tarash_image_exchange *exchange) {
    static const char *const names[] = {"expand_left",   "expand_right", "expand_top",
                                        "expand_bottom", "size",         "zoom_out_percentage"};
    size_t i;
    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (tarimg_member(exchange->link->extra, names[i])) return 1;
    }
    return exchange->request.size || exchange->request.aspect_ratio;
}

static tarash_image_result tarimg_recraft_build(tarash_image_exchange *exchange) {
    tarimg_link *link = exchange->link;
    const tarimg_recraft_call *call = tarimg_recraft_call_of(link);
    tarash_image_result result = tarimg_recraft_check(exchange, call);
    if (result != TARASH_IMAGE_OK) return result;
    if (tarimg_equal(call->operation, "variation")) tarimg_recraft_shape(exchange);
    if (tarimg_equal(call->operation, "outpaint") && !tarimg_recraft_has_extent(exchange))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                           "size: is missing; or say in extra_params how far to expand_left, expand_right, "
                           "expand_top, expand_bottom, or the zoom_out_percentage");
    if (link->config.model && !link->model[0])
        tarimg_warn(link, "model", link->config.model, NULL, "this operation has no models");
    tarimg_recraft_check_roles(link);
    tarimg_send(exchange, "POST", call->path);
    if (link->model[0]) tarimg_body_set(exchange, "model", link->model);
    /* Which models draw SVG shows in their name; the call has no word for it. */
    if (tarimg_recraft_is_svg(&exchange->request)) {
        exchange->request.output_format = NULL;
        if (!tarimg_contains_nocase(link->model, "vector") && !tarimg_equal(call->operation, "vectorize"))
            tarimg_warn(link, "output_format", "svg", NULL, "the models that draw SVG end in _vector");
    }
    tarimg_recraft_style(exchange, call);
    tarimg_recraft_fields(exchange, call->fields);
    tarimg_recraft_options(exchange, call);
    tarimg_recraft_images(exchange);
    tarimg_body_set(exchange, "response_format", tarimg_openai_response_format(link));
    exchange->image_paths = "data[].b64_json,image.b64_json,?data[].url,?image.url";
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_recraft_read(tarash_image_exchange *exchange) {
    const tarimg_value *image = tarimg_at(exchange->document, "image");
    tarimg_found *found;
    if (!image || image->kind != TARIMG_OBJECT) return tarimg_read_image_list(exchange);
    (void)tarimg_integer_at(exchange->document, "created", &exchange->created);
    tarimg_read_metadata(exchange, "image,created");
    found = tarimg_add_image(exchange, tarimg_at(image, "b64_json"));
    if (found)
        found->url = tarimg_copy(&exchange->arena, tarimg_text_at(image, "url"));
    else
        found = tarimg_add_image(exchange, tarimg_at(image, "url"));
    return found ? TARASH_IMAGE_OK
                 : tarimg_fail(exchange, TARASH_IMAGE_ERROR_GENERATION_FAILED, NULL,
                               "the answer holds no image");
}

static int tarimg_recraft_says(const tarash_image_exchange *exchange, const char *const *words,
                               size_t count) {
    size_t i;
    for (i = 0; i < count; i++) {
        if (tarimg_contains_nocase(exchange->error.message, words[i])) return 1;
    }
    return 0;
}

/* Refusals have no code of their own, so that their words must do. */
static void tarimg_recraft_error(tarash_image_exchange *exchange) {
    static const char *const moderation[] = {"moderation", "content policy", "nsfw", "inappropriate",
                                             "prohibited"};
    static const char *const quota[] = {"not enough", "insufficient", "out of credits", "units balance"};
    int status = exchange->status;
    if (status != 400 && status != 402 && status != 403 && status != 422) return;
    if (tarimg_recraft_says(exchange, moderation, sizeof moderation / sizeof moderation[0]))
        exchange->error.result = TARASH_IMAGE_ERROR_CONTENT_MODERATION;
    else if (tarimg_recraft_says(exchange, quota, sizeof quota / sizeof quota[0]))
        exchange->error.result = TARASH_IMAGE_ERROR_QUOTA_EXCEEDED;
}

static const tarimg_adapter tarimg_recraft_adapter = {
    tarimg_recraft_build, tarimg_recraft_read,  NULL, NULL, 0,   0,
    tarimg_recraft_error, tarimg_recraft_model, NULL, 0,    NULL};

/* >>provider ideogram
   The v2 API: what is done, and by which model, stand in the path; JSON for text alone, a form where files go along.
   The models ideogram-v3 and ideogram-v4 are asked by the v1 API, in forms. Answers are links. Some calls can run as
   jobs (provider_config's "async"), some always do.
   https://developer.ideogram.ai/api-reference, and its OpenAPI document */

typedef struct tarimg_ideogram_call {
    const char *action; /* of the path */
    const char *model;  /* what the model begins with; "" = any */
    const char *fields; /* as recraft's; NULL = the model can't do it */
    const char *image;  /* the part of the first image; NULL = the call takes none */
    const char *others; /* of the images behind it, or NULL */
    const char *styles; /* of the images that lend their style, or NULL */
} tarimg_ideogram_call;

#define TARIMG_IDEOGRAM_45    "prompt,quality,n=num_images,seed"
#define TARIMG_IDEOGRAM_SPEED "prompt,quality=rendering_speed,n=num_images"
#define TARIMG_IDEOGRAM_LOOKS TARIMG_IDEOGRAM_SPEED ",seed,style=style_type"
#define TARIMG_IDEOGRAM_SHAPE ",negative_prompt,size=resolution,aspect_ratio"
#define TARIMG_IDEOGRAM_V1_V4 "prompt=text_prompt,quality=rendering_speed,size=resolution"
#define TARIMG_IDEOGRAM_FRAME "quality=rendering_speed,n=num_images,seed,size=resolution"

/* The first row that fits counts. */
static const tarimg_ideogram_call tarimg_ideogram_calls[] = {
    {"generate", "ideogram-4-transparent", TARIMG_IDEOGRAM_SPEED ",seed,aspect_ratio", NULL, NULL, NULL},
    {"generate", "ideogram-3-transparent", TARIMG_IDEOGRAM_SPEED ",seed,aspect_ratio,negative_prompt", NULL,
     NULL, NULL},
    {"generate", "ideogram-4-", TARIMG_IDEOGRAM_45 ",size", "images", "images", NULL},
    {"generate", "ideogram-4", TARIMG_IDEOGRAM_SPEED ",seed,size=resolution", NULL, NULL, NULL},
    {"generate", "ideogram-3", TARIMG_IDEOGRAM_LOOKS TARIMG_IDEOGRAM_SHAPE, NULL, NULL,
     "style_reference_images"},
    {"generate", "ideogram-v4", TARIMG_IDEOGRAM_V1_V4, NULL, NULL, NULL},
    {"generate", "ideogram-v3", TARIMG_IDEOGRAM_LOOKS TARIMG_IDEOGRAM_SHAPE, NULL, NULL,
     "style_reference_images"},
    {"generate", "", TARIMG_IDEOGRAM_45 ",negative_prompt,size,aspect_ratio,style", "images", "images", NULL},
    {"precise-edit", "ideogram-4-", TARIMG_IDEOGRAM_45, "image", "reference_images", NULL},
    {"precise-edit", "ideogram-", NULL, NULL, NULL, NULL},
    {"precise-edit", "", TARIMG_IDEOGRAM_45, "image", "reference_images", NULL},
    {"inpaint", "", TARIMG_IDEOGRAM_LOOKS, "image", NULL, "style_reference_images"},
    {"remix", "ideogram-4-", TARIMG_IDEOGRAM_45, "image", "reference_images", NULL},
    {"remix", "ideogram-4", TARIMG_IDEOGRAM_SPEED ",size=resolution", "image", NULL, NULL},
    {"remix", "ideogram-v4", TARIMG_IDEOGRAM_V1_V4 ",n=num_images", "image", NULL, NULL},
    {"remix", "", TARIMG_IDEOGRAM_LOOKS TARIMG_IDEOGRAM_SHAPE, "image", NULL, "style_reference_images"},
    {"reframe", "ideogram-4", NULL, NULL, NULL, NULL},
    {"reframe", "ideogram-v4", NULL, NULL, NULL, NULL},
    {"reframe", "", TARIMG_IDEOGRAM_FRAME, "image", NULL, "style_reference_images"},
    {"replace-background", "ideogram-v3", TARIMG_IDEOGRAM_SPEED ",seed", "image", NULL,
     "style_reference_images"},
    {"replace-background", "ideogram-4", NULL, NULL, NULL, NULL},
    {"replace-background", "ideogram-v4", NULL, NULL, NULL, NULL},
    {"replace-background", "", TARIMG_IDEOGRAM_SPEED, "image", NULL, NULL},
    {"remove-background", "", "", "image", NULL, NULL},
    {"remove-object", "", "seed", "image", NULL, NULL},
    {"upscale", "topaz-standard", "", "image", NULL, NULL},
    {"upscale", "topaz-bloom", "prompt,seed", "image", NULL, NULL},
    {"upscale", "topaz-redefine", "prompt,seed", "image", NULL, NULL},
    {"upscale", "nano-banana", "prompt,seed", "image", NULL, NULL},
    {"upscale", "", "seed", "image", NULL, NULL}};

static int tarimg_ideogram_is_v1(const char *model) {
    return tarimg_begins(model, "ideogram-v");
}

/* Models of the two old families have calls of their own for what the newer ones do by generating. */
static int tarimg_ideogram_is_family_3(const char *model) {
    return tarimg_begins(model, "ideogram-3") || tarimg_begins(model, "ideogram-v3");
}

static const char *tarimg_ideogram_action(const tarimg_link *link) {
    const char *model = link->model;
    size_t i, content = 0;
    if (link->operation && !tarimg_in_list("generate,edit,inpaint", link->operation->operation))
        return link->operation->call;
    for (i = 0; i < link->input_count; i++) content += link->inputs[i].role != TARASH_IMAGE_ROLE_STYLE;
    if (tarimg_ideogram_is_family_3(model))
        return link->has_mask ? "inpaint" : content ? "remix" : "generate";
    if (!content) return "generate";
    return tarimg_equal(model, "ideogram-4") || tarimg_begins(model, "ideogram-v4") ? "remix" : "generate";
}

static const tarimg_ideogram_call *tarimg_ideogram_call_of(const char *action, const char *model) {
    size_t i;
    for (i = 0; i < sizeof tarimg_ideogram_calls / sizeof tarimg_ideogram_calls[0]; i++) {
        const tarimg_ideogram_call *call = &tarimg_ideogram_calls[i];
        if (tarimg_equal(call->action, action) && tarimg_begins(model, call->model)) return call;
    }
    return NULL;
}

typedef struct tarimg_ideogram_tool {
    const char *operation;
    const char *model; /* where none is given */
    int is_apart;      /* the models that draw don't have it at all */
} tarimg_ideogram_tool;

static const tarimg_ideogram_tool tarimg_ideogram_tools[] = {{"remove_background", "ideogram-1", 1},
                                                             {"erase", "ideogram-1", 1},
                                                             {"upscale", "auto", 1},
                                                             {"reframe", "ideogram-3", 0},
                                                             {"replace_background", "ideogram-3", 0}};

static const tarimg_ideogram_tool *tarimg_ideogram_tool_of(const tarimg_link *link) {
    size_t i;
    for (i = 0; link->operation && i < sizeof tarimg_ideogram_tools / sizeof tarimg_ideogram_tools[0]; i++) {
        if (tarimg_equal(tarimg_ideogram_tools[i].operation, link->operation->operation))
            return &tarimg_ideogram_tools[i];
    }
    return NULL;
}

static const char *tarimg_ideogram_model(const tarimg_link *link) {
    const tarimg_ideogram_tool *tool = tarimg_ideogram_tool_of(link);
    const char *given = link->config.model, *background = link->request.background;
    if (tool && (!given || (tool->is_apart && tarimg_begins(given, "ideogram-")))) return tool->model;
    if (!given && background && !link->input_count && !link->operation &&
        tarimg_equal_nocase(background, "transparent"))
        return "ideogram-4-transparent";
    return NULL;
}

/* The v1 API has its words in capitals. */
static const char *tarimg_ideogram_capitals(tarimg_arena *arena, const char *word) {
    char *text = word ? tarimg_copy(arena, word) : NULL, *c;
    for (c = text; c && *c; c++) {
        if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
    }
    return text;
}

/* "16:9" is written 16x9 here. */
static const char *tarimg_ideogram_ratio(tarimg_arena *arena, const char *ratio) {
    char *text = ratio ? tarimg_copy(arena, ratio) : NULL, *colon = text ? strchr(text, ':') : NULL;
    if (colon) *colon = 'x';
    return text;
}

/* The request's fields in the words of the call. */
static void tarimg_ideogram_words(tarash_image_exchange *exchange, const tarimg_ideogram_call *call) {
    tarash_image_request *request = &exchange->request;
    tarimg_link *link = exchange->link;
    tarimg_arena *arena = &exchange->arena;
    const char *quality = tarimg_recraft_target(arena, call->fields, "quality");
    if (tarimg_equal(request->quality, "very_low") && tarimg_equal(quality, "quality") &&
        !link->input_count) {
        tarimg_warn(link, "quality", "very_low", "low", "this word is for edits of images only");
        request->quality = "low";
    }
    if (!tarimg_begins(link->model, "gpt-") && !tarimg_begins(link->model, "nano-"))
        request->aspect_ratio = tarimg_ideogram_ratio(arena, request->aspect_ratio);
    if (request->size && link->has_mask) {
        tarimg_warn(link, "size", request->size, NULL, "with a mask the image keeps its size");
        request->size = NULL;
    }
    request->output_format = NULL; /* PNG is all there is */
    request->background = NULL;    /* the model has said it */
    if (!tarimg_ideogram_is_v1(link->model)) return;
    request->quality = tarimg_ideogram_capitals(arena, request->quality);
    request->style = tarimg_ideogram_capitals(arena, request->style);
}

#define TARIMG_IDEOGRAM_MASKED_IMAGES 4 /* one of which is edited */

static tarash_image_result tarimg_ideogram_images(tarash_image_exchange *exchange,
                                                  const tarimg_ideogram_call *call) {
    tarimg_link *link = exchange->link;
    size_t i, content = 0;
    for (i = 0; i < link->input_count; i++) {
        int is_style = link->inputs[i].role == TARASH_IMAGE_ROLE_STYLE && call->styles;
        const char *part = is_style ? call->styles : content++ ? call->others : call->image;
        if (!part)
            return tarimg_fail(exchange, TARASH_IMAGE_ERROR_UNSUPPORTED, NULL,
                               tarimg_format(&exchange->arena, "%s: %s of ideogram %s takes %s input image",
                                             link->inputs[i].field, call->action, link->model,
                                             call->image ? "one" : "no"));
        tarimg_form_file(exchange, part, i);
    }
    if (link->mask && content > TARIMG_IDEOGRAM_MASKED_IMAGES)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_UNSUPPORTED, NULL,
                           "images: with a mask ideogram takes at most 4 input images");
    if (link->mask) tarimg_form_file(exchange, "mask", (size_t)-1);
    return TARASH_IMAGE_OK;
}

static void tarimg_ideogram_check_roles(tarimg_link *link, const tarimg_ideogram_call *call) {
    static const char *const names[] = {"reference", "first_frame", "last_frame", "asset", "style"};
    size_t i;
    for (i = 0; i < link->input_count; i++) {
        const tarimg_input *input = &link->inputs[i];
        if (input->role == TARASH_IMAGE_ROLE_REFERENCE) continue;
        if (!(link->caps->fields & TARASH_IMAGE_FIELD_ROLES)) continue; /* has been said already */
        if (input->role == TARASH_IMAGE_ROLE_STYLE && call->styles) continue;
        tarimg_warn(link, tarimg_format(link->arena, "%s.role", input->field), names[input->role],
                    "reference", "this call knows no such role");
    }
}

/* May the call run as a job where that is asked for? */
static int tarimg_ideogram_can_wait(const char *action, const char *model) {
    if (tarimg_ideogram_is_v1(model))
        return tarimg_begins(model, "ideogram-v4") && tarimg_equal(action, "generate");
    return !tarimg_in_list("replace-background,remove-object", action);
}

static int tarimg_ideogram_wants_job(tarash_image_exchange *exchange, const char *action) {
    const tarimg_value *option = tarimg_member(exchange->link->options, "async");
    if (!option || option->kind != TARIMG_TRUE) return 0;
    if (tarimg_ideogram_can_wait(action, exchange->link->model)) return 1;
    if (tarimg_ideogram_is_v1(exchange->link->model))
        tarimg_warn(exchange->link, "provider_config.async", "true", NULL, "this call answers at once only");
    return 0; /* the others are jobs anyway */
}

static const char *tarimg_ideogram_path(tarash_image_exchange *exchange, const char *action, int is_job) {
    tarimg_arena *arena = &exchange->arena;
    const char *model = tarimg_encode_path(arena, exchange->link->model, "");
    if (!model) return NULL;
    if (!tarimg_ideogram_is_v1(model)) return tarimg_format(arena, "v2/image/%s/%s", action, model);
    return tarimg_format(arena, "v1/%s/%s%s", model, is_job ? "async/" : "", action);
}

static tarash_image_result tarimg_ideogram_build_submit(tarash_image_exchange *exchange) {
    tarimg_link *link = exchange->link;
    const char *action = tarimg_ideogram_action(link), *path;
    const tarimg_ideogram_call *call = tarimg_ideogram_call_of(action, link->model);
    int is_job = tarimg_ideogram_wants_job(exchange, action);
    tarash_image_result result;
    if (!call || !call->fields)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_UNSUPPORTED, NULL,
                           tarimg_format(&exchange->arena,
                                         "model: %s can't do %s; leave it out for one that can", link->model,
                                         action));
    if (link->config.model && !tarimg_equal(link->config.model, link->model))
        tarimg_warn(link, "model", link->config.model, link->model, "this operation has models of its own");
    path = tarimg_ideogram_path(exchange, action, is_job);
    if (path) tarimg_send(exchange, "POST", path);
    tarimg_ideogram_check_roles(link, call);
    tarimg_ideogram_words(exchange, call);
    if (tarimg_equal(action, "reframe") && !exchange->request.size &&
        !tarimg_member(link->extra, "resolution"))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                           "size: is missing; the operation reframe needs one, or an aspect_ratio");
    tarimg_recraft_fields(exchange, call->fields);
    if (is_job && !tarimg_ideogram_is_v1(link->model))
        tarimg_set_true(&exchange->arena, tarimg_body_object(exchange), "async");
    exchange->is_form = link->input_count || tarimg_ideogram_is_v1(link->model);
    result = tarimg_ideogram_images(exchange, call);
    exchange->image_paths = "?data[].url";
    return result;
}

static tarash_image_result tarimg_ideogram_build(tarash_image_exchange *exchange) {
    const char *path;
    if (exchange->phase == TARASH_IMAGE_PHASE_SUBMIT) return tarimg_ideogram_build_submit(exchange);
    path = tarimg_format(&exchange->arena, "%s/generations/%s",
                         tarimg_ideogram_is_v1(exchange->link->model) ? "v1" : "v2", exchange->job_id);
    if (path) tarimg_send(exchange, "GET", path);
    exchange->image_paths = "?data[].url";
    return TARASH_IMAGE_OK;
}

static void tarimg_ideogram_read_image(tarash_image_exchange *exchange, const tarimg_value *item) {
    const char *prompt = tarimg_text_at(item, "prompt");
    tarimg_found *found;
    if (tarimg_is_false_at(item, "is_image_safe")) {
        exchange->refused_count++;
        return;
    }
    found = tarimg_add_image(exchange, tarimg_at(item, "url"));
    if (!found) return;
    if (!tarimg_equal(prompt, exchange->request.prompt))
        found->revised_prompt = tarimg_copy(&exchange->arena, prompt);
    found->has_seed = tarimg_integer_at(item, "seed", &found->seed);
}

static tarash_image_result tarimg_ideogram_read_images(tarash_image_exchange *exchange,
                                                       const tarimg_value *list) {
    const tarimg_value *item;
    const char *created = tarimg_text_at(exchange->document, "created");
    if (created) (void)tarimg_parse_timestamp(created, &exchange->created);
    tarimg_read_metadata(exchange, "data,created,status,response_type");
    for (item = list->first; item; item = item->next) tarimg_ideogram_read_image(exchange, item);
    if (exchange->found || exchange->error.result != TARASH_IMAGE_OK) return exchange->error.result;
    if (exchange->refused_count)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_CONTENT_MODERATION, "is_image_safe", TARIMG_BLOCKED);
    return tarimg_fail(exchange, TARASH_IMAGE_ERROR_GENERATION_FAILED, NULL, "the answer holds no image");
}

static tarash_image_result tarimg_ideogram_read_submit(tarash_image_exchange *exchange) {
    const tarimg_value *list = tarimg_at(exchange->document, "data");
    const char *id = tarimg_text_at(exchange->document, "generation_id");
    if (list && list->kind == TARIMG_ARRAY) return tarimg_ideogram_read_images(exchange, list);
    if (tarimg_text_at(exchange->document, "error")) return tarimg_soft_error(exchange);
    if (!id || !tarimg_is_path_part(id))
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_BAD_RESPONSE, NULL,
                           "the answer has neither a list named data nor a generation_id");
    exchange->job_id = tarimg_copy(&exchange->arena, id);
    exchange->has_next = 1;
    exchange->next_phase = TARASH_IMAGE_PHASE_POLL;
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_ideogram_read_failure(tarash_image_exchange *exchange) {
    const char *reason = tarimg_text_at(exchange->document, "failure_reason");
    int is_refusal = tarimg_contains_nocase(reason, "safety") || tarimg_contains_nocase(reason, "moderation");
    return tarimg_fail(
        exchange, is_refusal ? TARASH_IMAGE_ERROR_CONTENT_MODERATION : TARASH_IMAGE_ERROR_GENERATION_FAILED,
        "failed", tarimg_is_set(reason) ? reason : "the generation has failed");
}

/* A status that isn't known is one of a job that still runs. */
static tarash_image_result tarimg_ideogram_read_poll(tarash_image_exchange *exchange) {
    const char *status = tarimg_text_at(exchange->document, "status");
    const tarimg_value *list = tarimg_at(exchange->document, "data");
    if (!status)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_BAD_RESPONSE, NULL, "the answer tells no status");
    if (tarimg_equal(status, "failed")) return tarimg_ideogram_read_failure(exchange);
    if (!tarimg_equal(status, "completed")) {
        exchange->has_progress = 1;
        exchange->progress = TARASH_IMAGE_STATUS_PROCESSING;
        if (!tarimg_equal(status, "pending"))
            exchange->progress_message = tarimg_copy(&exchange->arena, status);
        exchange->has_next = 1;
        exchange->next_phase = TARASH_IMAGE_PHASE_POLL;
        return TARASH_IMAGE_OK;
    }
    if (!list || list->kind != TARIMG_ARRAY)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_BAD_RESPONSE, NULL,
                           "the answer has no list named data");
    return tarimg_ideogram_read_images(exchange, list);
}

static tarash_image_result tarimg_ideogram_read(tarash_image_exchange *exchange) {
    return exchange->phase == TARASH_IMAGE_PHASE_SUBMIT ? tarimg_ideogram_read_submit(exchange)
                                                        : tarimg_ideogram_read_poll(exchange);
}

/* What an account lacks goes by a reason; a 422 is a refusal, unless it lists what is wrong with the request. */
static void tarimg_ideogram_error(tarash_image_exchange *exchange) {
    const char *reason = tarimg_text_at(exchange->document, "reject_reason");
    if (reason) {
        tarimg_copy_fixed(exchange->error.provider_code, sizeof exchange->error.provider_code, reason);
        exchange->error.result = tarimg_equal(reason, "inflight_limit") ? TARASH_IMAGE_ERROR_RATE_LIMITED
                                                                        : TARASH_IMAGE_ERROR_QUOTA_EXCEEDED;
    } else if (exchange->status == 422 && (!tarimg_error_message(&exchange->arena, exchange->document) ||
                                           tarimg_contains_nocase(exchange->error.message, "safety") ||
                                           tarimg_contains_nocase(exchange->error.message, "moderation")))
        exchange->error.result = TARASH_IMAGE_ERROR_CONTENT_MODERATION;
}

static const tarimg_adapter tarimg_ideogram_adapter = {
    tarimg_ideogram_build, tarimg_ideogram_read,  NULL, NULL, 1,   0,
    tarimg_ideogram_error, tarimg_ideogram_model, NULL, 0,    NULL};

/* >>provider custom
   A provider that the user registered: its functions, behind the same interface. */

static tarash_image_result tarimg_custom_result(tarash_image_exchange *exchange, tarash_image_result result) {
    if (result != TARASH_IMAGE_OK && exchange->error.result == TARASH_IMAGE_OK)
        (void)tarimg_fail(exchange, result, NULL, "the provider's own code reported a failure");
    return exchange->error.result; /* the helpers fail it, too */
}

static tarash_image_result tarimg_custom_build(tarash_image_exchange *exchange) {
    const tarash_image_provider *custom = exchange->link->custom;
    exchange->image_paths = custom->image_paths;
    return tarimg_custom_result(exchange, custom->build_fn(exchange, exchange->phase, custom->user_data));
}

static tarash_image_result tarimg_custom_read(tarash_image_exchange *exchange) {
    const tarash_image_provider *custom = exchange->link->custom;
    return tarimg_custom_result(exchange, custom->read_fn(exchange, exchange->phase, custom->user_data));
}

static const tarimg_adapter tarimg_custom_adapter = {
    tarimg_custom_build, tarimg_custom_read, NULL, NULL, 0, 0, NULL, NULL, NULL, 0, NULL};
static const tarimg_adapter tarimg_custom_polling_adapter = {
    tarimg_custom_build, tarimg_custom_read, NULL, NULL, 1, 0, NULL, NULL, NULL, 0, NULL};
static const tarimg_adapter tarimg_custom_cancelling_adapter = {
    tarimg_custom_build, tarimg_custom_read, NULL, NULL, 1, 1, NULL, NULL, NULL, 0, NULL};

/* >>mock
   A provider that answers itself. It draws real PNGs whose pixels depend on prompt, seed and index only,
   fails as it is told, and simulates polling; everything else - retries, fallback, sinks, progress - is the
   engine's. */

static uint64_t tarimg_mix(uint64_t value) {
    value += 0x9E3779B97F4A7C15u;
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
    value = (value ^ value >> 27) * 0x94D049BB133111EBu;
    return value ^ value >> 31;
}

typedef struct tarimg_painting { /* a sky, a disc and two lines of hills, in the colours of a palette */
    uint32_t width, height;
    unsigned char palette[TARIMG_PNG_COLOURS * 3];
    int64_t disc_x, disc_y, disc_radius;
    uint32_t wave[2], phase[2], base[2], swing[2];
    uint32_t *hills[2]; /* their height at each column */
} tarimg_painting;

#define TARIMG_DISC_COLOUR 0
#define TARIMG_HILL_COLOUR 1 /* and the next */
#define TARIMG_SKY_COLOUR  3 /* and all that follow */
#define TARIMG_SKY_COLOURS (TARIMG_PNG_COLOURS - TARIMG_SKY_COLOUR)

static void tarimg_pick_colour(uint64_t *state, unsigned char *colour, unsigned lowest) {
    int i;
    *state = tarimg_mix(*state);
    for (i = 0; i < 3; i++)
        colour[i] = (unsigned char)(lowest + (*state >> (8 * i) & 0xFF) * (255 - lowest) / 255);
}

static uint32_t tarimg_pick(uint64_t *state, uint32_t low, uint32_t high) {
    *state = tarimg_mix(*state);
    return high > low ? low + (uint32_t)(*state % (high - low)) : low;
}

static void tarimg_pick_palette(tarimg_painting *painting, uint64_t *state) {
    unsigned char top[3], bottom[3], *colour = painting->palette;
    unsigned i, k;
    tarimg_pick_colour(state, top, 20);
    tarimg_pick_colour(state, bottom, 120);
    tarimg_pick_colour(state, colour + 3 * TARIMG_DISC_COLOUR, 180);
    tarimg_pick_colour(state, colour + 3 * TARIMG_HILL_COLOUR, 40);
    tarimg_pick_colour(state, colour + 3 * TARIMG_HILL_COLOUR + 3, 10);
    colour += 3 * TARIMG_SKY_COLOUR;
    for (i = 0; i < TARIMG_SKY_COLOURS; i++) {
        for (k = 0; k < 3; k++)
            *colour++ = (unsigned char)((top[k] * (TARIMG_SKY_COLOURS - 1 - i) + bottom[k] * i) /
                                        (TARIMG_SKY_COLOURS - 1));
    }
}

/* The height of a line of hills at x: a parabola up and down. */
static uint32_t tarimg_hill(const tarimg_painting *painting, int i, uint32_t x) {
    uint64_t wave = painting->wave[i], at = ((uint64_t)x + painting->phase[i]) % (2 * wave), curve;
    int is_valley = at >= wave;
    if (is_valley) at -= wave;
    curve = 4 * at * (wave - at) * painting->swing[i] / (wave * wave);
    return is_valley ? painting->base[i] + (uint32_t)curve : painting->base[i] - (uint32_t)curve;
}

/* `columns` has room for twice the width. */
static void tarimg_painting_init(tarimg_painting *painting, uint32_t width, uint32_t height, uint64_t hash,
                                 uint32_t *columns) {
    uint32_t shorter = width < height ? width : height, x;
    int i;
    painting->width = width;
    painting->height = height;
    tarimg_pick_palette(painting, &hash);
    painting->disc_x = tarimg_pick(&hash, width / 6, width - width / 6);
    painting->disc_y = tarimg_pick(&hash, height / 8, height / 2);
    painting->disc_radius = tarimg_pick(&hash, shorter / 16, shorter / 5);
    for (i = 0; i < 2; i++) {
        painting->wave[i] = tarimg_pick(&hash, width / 5 + 1, width / 2 + 2);
        painting->phase[i] = tarimg_pick(&hash, 0, painting->wave[i]);
        painting->base[i] = height / 2 + height / 6 * (uint32_t)i + tarimg_pick(&hash, 0, height / 12 + 1);
        painting->swing[i] = tarimg_pick(&hash, height / 24, height / 8 + 1);
        painting->hills[i] = columns + (i ? width : 0);
        for (x = 0; x < width; x++) painting->hills[i][x] = tarimg_hill(painting, i, x);
    }
}

static int tarimg_paint_row(void *context, uint32_t y, unsigned char *row) {
    const tarimg_painting *p = (const tarimg_painting *)context;
    int64_t dy = (int64_t)y - p->disc_y, rest = p->disc_radius * p->disc_radius - dy * dy, half, from, to;
    uint32_t x;
    memset(row, (int)(TARIMG_SKY_COLOUR + (uint64_t)y * TARIMG_SKY_COLOURS / p->height), p->width);
    if (rest > 0) {
        half = tarimg_square_root(rest);
        from = p->disc_x - half < 0 ? 0 : p->disc_x - half;
        to = p->disc_x + half > (int64_t)p->width ? (int64_t)p->width : p->disc_x + half;
        if (to > from) memset(row + from, TARIMG_DISC_COLOUR, (size_t)(to - from));
    }
    for (x = 0; x < p->width; x++) {
        if (y > p->hills[0][x]) row[x] = TARIMG_HILL_COLOUR;
        if (y > p->hills[1][x]) row[x] = TARIMG_HILL_COLOUR + 1;
    }
    return 0;
}

static int tarimg_write_to_payload(void *context, const void *data, size_t size) {
    return (int)tarimg_payload_write((tarimg_payload *)context, data, size);
}

static uint64_t tarimg_hash_text(uint64_t hash, const char *text) {
    for (; text && *text; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001B3u;
    return hash;
}

static void tarimg_mock_size(const tarimg_link *link, uint32_t *width, uint32_t *height) {
    const tarash_image_request *request = &link->request;
    double ratio = 1;
    int w = 1024, h = 1024;
    if (request->size)
        (void)tarimg_parse_size(request->size, strlen(request->size), &w, &h);
    else if (request->aspect_ratio &&
             tarimg_parse_ratio(request->aspect_ratio, strlen(request->aspect_ratio), &ratio)) {
        w = (int)tarimg_square_root((int64_t)((double)TARIMG_DEFAULT_PIXELS * ratio));
        h = (int)((double)w / ratio + 0.5);
        tarimg_fit_size(link->caps, &w, &h);
    }
    *width = (uint32_t)w;
    *height = (uint32_t)h;
}

static tarash_image_result tarimg_mock_draw(tarash_image_exchange *exchange, tarimg_payload *payload, int k) {
    const tarash_image_request *request = &exchange->link->request;
    uint64_t hash = tarimg_hash_text(0xCBF29CE484222325u, request->prompt);
    uint32_t width, height, *columns;
    tarimg_painting painting;
    unsigned char *scratch;
    int written = -1;
    tarimg_mock_size(exchange->link, &width, &height);
    hash = tarimg_mix(hash ^ tarimg_mix((request->has_seed ? (uint64_t)request->seed : 0) + 1));
    columns = (uint32_t *)tarimg_alloc(exchange->allocator, (size_t)width * 2 * sizeof *columns);
    scratch = (unsigned char *)tarimg_alloc(exchange->allocator, tarimg_png_scratch_size(width, 1));
    if (columns && scratch) {
        tarimg_painting_init(&painting, width, height, tarimg_mix(hash + (uint64_t)k), columns);
        written = tarimg_png_write_colours(width, height, 1, painting.palette, tarimg_paint_row, &painting,
                                           scratch, tarimg_write_to_payload, payload);
    }
    tarimg_release(exchange->allocator, columns);
    tarimg_release(exchange->allocator, scratch);
    if (written == 0) return TARASH_IMAGE_OK;
    return payload->result ? payload->result : TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
}

static tarash_image_result tarimg_mock_image(tarash_image_exchange *exchange,
                                             const tarash_image_mock_response *response, int k) {
    const tarash_image_request *request = &exchange->link->request;
    tarimg_found *found = tarimg_add_found(exchange);
    tarash_image_result result;
    size_t index = 0;
    if (!found) return TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    if (response) {
        found->url = tarimg_copy(&exchange->arena, response->url);
        found->revised_prompt = tarimg_copy(&exchange->arena, response->revised_prompt);
    }
    found->has_seed = request->has_seed;
    found->seed = request->seed;
    if (request->output == TARASH_IMAGE_OUTPUT_URL) {
        if (!found->url)
            found->url =
                tarimg_format(&exchange->arena, "mock://image/%08lx-%d.png",
                              (unsigned long)(tarimg_hash_text(0, request->prompt) & 0xFFFFFFFFu), k);
        return TARASH_IMAGE_OK;
    }
    found->is_payload = 1;
    result = tarimg_open_payload(exchange, &index);
    if (result != TARASH_IMAGE_OK) return result;
    found->payload = index;
    if (response && response->data)
        result = tarimg_payload_write(exchange->payloads[index], response->data, response->size);
    else
        result = tarimg_mock_draw(exchange, exchange->payloads[index], (int)exchange->first_index + k);
    return result == TARASH_IMAGE_OK ? tarimg_payload_close(exchange->payloads[index]) : result;
}

static const tarash_image_mock_response *tarimg_mock_choose(tarimg_link *link) {
    const tarash_image_mock *mock = link->mock;
    double total = 0, point;
    size_t i;
    if (!mock || mock->response_count == 0) return NULL;
    if (mock->kind == TARASH_IMAGE_MOCK_SCRIPTED) {
        i = (size_t)link->mock_tries++;
        return &mock->responses[i < mock->response_count ? i : mock->response_count - 1];
    }
    for (i = 0; i < mock->response_count; i++)
        total += mock->responses[i].weight > 0 ? mock->responses[i].weight : 1;
    link->mock_state = tarimg_mix(link->mock_state);
    point = (double)(link->mock_state >> 11) / 9007199254740992.0 * total;
    for (i = 0; i + 1 < mock->response_count; i++) {
        point -= mock->responses[i].weight > 0 ? mock->responses[i].weight : 1;
        if (point < 0) break;
    }
    return &mock->responses[i];
}

static int tarimg_mock_status(tarash_image_result result) {
    static const struct {
        tarash_image_result result;
        int status;
    } table[] = {{TARASH_IMAGE_ERROR_VALIDATION, 400},     {TARASH_IMAGE_ERROR_CONTENT_MODERATION, 400},
                 {TARASH_IMAGE_ERROR_AUTHENTICATION, 401}, {TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 402},
                 {TARASH_IMAGE_ERROR_RATE_LIMITED, 429},   {TARASH_IMAGE_ERROR_HTTP, 500}};
    size_t i;
    for (i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].result == result) return table[i].status;
    }
    return 0;
}

static tarash_image_result tarimg_mock_outcome(tarash_image_exchange *exchange) {
    const tarash_image_mock_response *response = tarimg_mock_choose(exchange->link);
    tarash_image_result result = TARASH_IMAGE_OK;
    int k;
    if (response && response->error != TARASH_IMAGE_OK) {
        exchange->error.http_status =
            response->http_status ? response->http_status : tarimg_mock_status(response->error);
        exchange->error.retry_after_ms = response->retry_after_ms;
        return tarimg_fail(exchange, response->error, "mock",
                           response->message ? response->message
                                             : tarash_image_result_string(response->error));
    }
    for (k = 0; k < exchange->count && result == TARASH_IMAGE_OK; k++)
        result = tarimg_mock_image(exchange, response, k);
    if (result != TARASH_IMAGE_OK && exchange->error.result == TARASH_IMAGE_OK)
        (void)tarimg_fail(exchange, result, NULL, tarash_image_result_string(result));
    return result;
}

static const tarash_image_mock_polling *tarimg_mock_polling(const tarimg_link *link) {
    return link->mock && link->mock->polling && link->mock->polling->enabled ? link->mock->polling : NULL;
}

/* The status of step k, and its percentage; 0 when the sequence is over. */
static int tarimg_mock_step(const tarash_image_mock_polling *polling, size_t k, tarash_image_status *status,
                            int *percent) {
    static const tarash_image_status usual[] = {TARASH_IMAGE_STATUS_QUEUED, TARASH_IMAGE_STATUS_PROCESSING,
                                                TARASH_IMAGE_STATUS_COMPLETED};
    size_t count = polling->statuses ? polling->status_count : 3;
    if (k >= count) return 0;
    *status = polling->statuses ? polling->statuses[k] : usual[k];
    *percent = polling->percentages                        ? polling->percentages[k]
               : *status == TARASH_IMAGE_STATUS_QUEUED     ? 0
               : *status == TARASH_IMAGE_STATUS_PROCESSING ? 50
               : *status == TARASH_IMAGE_STATUS_COMPLETED  ? 100
                                                           : -1;
    return 1;
}

static tarash_image_result tarimg_mock_build(tarash_image_exchange *exchange) {
    tarimg_send(exchange, "MOCK", "mock:");
    tarimg_body_common(exchange);
    exchange->latency_ms = exchange->link->mock ? exchange->link->mock->latency_ms : 0;
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_mock_answer(tarash_image_exchange *exchange) {
    const tarash_image_mock_polling *polling = tarimg_mock_polling(exchange->link);
    tarash_image_status status = TARASH_IMAGE_STATUS_NONE, next;
    int percent = -1, next_percent;
    size_t k = (size_t)exchange->poll_number;
    if (!polling || !tarimg_mock_step(polling, k, &status, &percent)) return tarimg_mock_outcome(exchange);
    exchange->has_progress = 1;
    exchange->progress = status;
    exchange->percent = percent;
    exchange->queue_position = -1;
    if (!tarimg_mock_step(polling, k + 1, &next, &next_percent)) return tarimg_mock_outcome(exchange);
    if (exchange->phase == TARASH_IMAGE_PHASE_SUBMIT)
        exchange->job_id =
            tarimg_format(&exchange->arena, "mock_%08lx", (unsigned long)(exchange->unique & 0xFFFFFFFFu));
    exchange->has_next = 1;
    exchange->next_phase = TARASH_IMAGE_PHASE_POLL;
    exchange->next_delay_ms = polling->delay_ms ? polling->delay_ms : 500;
    return TARASH_IMAGE_OK;
}

static const tarimg_adapter tarimg_mock_adapter = {
    tarimg_mock_build, NULL, NULL, tarimg_mock_answer, 0, 0, NULL, NULL, NULL, 0, NULL};

/* >>tables
   Models and providers as data. A row whose adapter is compiled out stays known by name. */

/* clang-format off */
#define TARIMG_FIELDS_GPT_IMAGE                                                                              \
    (TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_IMAGES | \
     TARASH_IMAGE_FIELD_MASK | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_BACKGROUND |            \
     TARASH_IMAGE_FIELD_USER | TARASH_IMAGE_FIELD_PARTIAL_IMAGES)
#define TARIMG_FIELDS_ALL 0x7FFF
#define TARIMG_FIELDS_ROUTER                                                                                 \
    (TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_STYLE | TARASH_IMAGE_FIELD_N | \
     TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_BACKGROUND | TARASH_IMAGE_FIELD_USER)
#define TARIMG_FIELDS_ROUTED /* to models that lack OpenAI's own fields */                                    \
    (TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_STYLE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_USER)
#define TARIMG_FIELDS_XAI                                                                                    \
    (TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N |                   \
     TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_USER)

#define TARIMG_FIELDS_REPLICATE /* what most of its models take */                                            \
    (TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT)
#define TARIMG_REPLICATE_ELEVEN "1:1,16:9,21:9,3:2,2:3,4:5,5:4,3:4,4:3,9:16,9:21"
#define TARIMG_REPLICATE_NINE   "1:1,16:9,3:2,2:3,4:5,5:4,9:16,3:4,4:3"

#define TARIMG_FIELDS_RUNWAY (TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT)
#define TARIMG_FIELDS_BFL                                                                                    \
    (TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_OUTPUT_FORMAT)

#define TARIMG_FIELDS_RECRAFT_TOOL                                                                           \
    (TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_OUTPUT_FORMAT)
#define TARIMG_FIELDS_RECRAFT_V2 /* without images */                                                        \
    (TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED |                      \
     TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_STYLE |               \
     TARASH_IMAGE_FIELD_NEGATIVE_PROMPT)
#define TARIMG_FIELDS_RECRAFT_V3                                                                             \
    (TARIMG_FIELDS_RECRAFT_V2 | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK | TARASH_IMAGE_FIELD_ROLES)
#define TARIMG_FIELDS_RECRAFT_V4                                                                             \
    (TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED |                      \
     TARIMG_FIELDS_RECRAFT_TOOL | TARASH_IMAGE_FIELD_ROLES)
#define TARIMG_RECRAFT_RATIOS "1:1,2:1,1:2,3:2,2:3,4:3,3:4,5:4,4:5,6:10,14:10,10:14,16:9,9:16"
#define TARIMG_RECRAFT_SIZES_V4                                                                              \
    "1024x1024,1536x768,768x1536,1280x832,832x1280,1216x896,896x1216,1152x896,896x1152,832x1344,1280x896,"   \
    "896x1280,1344x768,768x1344"
#define TARIMG_RECRAFT_SIZES_PRO                                                                             \
    "2048x2048,3072x1536,1536x3072,2560x1664,1664x2560,2432x1792,1792x2432,2304x1792,1792x2304,1664x2688,"   \
    "2560x1792,1792x2560,2688x1536,1536x2688"
#define TARIMG_RECRAFT_SIZES_V3                                                                              \
    "1024x1024,2048x1024,1024x2048,1536x1024,1024x1536,1365x1024,1024x1365,1280x1024,1024x1280,1024x1707,"   \
    "1434x1024,1024x1434,1820x1024,1024x1820"
#define TARIMG_RECRAFT_INPUTS "png,jpeg,webp,svg+xml"
#define TARIMG_IDEOGRAM_SEEDS 0, 2147483647
#define TARIMG_FIELDS_IDEOGRAM                                                                               \
    (TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED |                           \
     TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_OUTPUT_FORMAT)
#define TARIMG_FIELDS_IDEOGRAM_3                                                                             \
    (TARIMG_FIELDS_IDEOGRAM | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_ASPECT_RATIO |                    \
     TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_STYLE | TARASH_IMAGE_FIELD_IMAGES |             \
     TARASH_IMAGE_FIELD_MASK | TARASH_IMAGE_FIELD_ROLES)
#define TARIMG_IDEOGRAM_SIZES_2K                                                                             \
    "2048x2048,1440x2880,2880x1440,1664x2496,2496x1664,1792x2240,2240x1792,1440x2560,2560x1440,1600x2560,"   \
    "2560x1600,1728x2304,2304x1728,1296x3168,3168x1296,1152x2944,2944x1152,1248x3328,3328x1248,1280x3072,"   \
    "3072x1280,1024x3072,3072x1024"
#define TARIMG_IDEOGRAM_SIZES_1K                                                                             \
    "1024x1024,896x1120,1120x896,864x1152,1152x864,832x1248,1248x832,800x1280,1280x800,720x1280,1280x720,"   \
    "720x1440,1440x720"
#define TARIMG_IDEOGRAM_SIZES_3                                                                              \
    "512x1536,576x1408,576x1472,576x1536,640x1344,640x1408,640x1472,640x1536,704x1152,704x1216,704x1280,"    \
    "704x1344,704x1408,704x1472,736x1312,768x1088,768x1216,768x1280,768x1344,800x1280,832x960,832x1024,"     \
    "832x1088,832x1152,832x1216,832x1248,864x1152,896x960,896x1024,896x1088,896x1120,896x1152,960x832,"      \
    "960x896,960x1024,960x1088,1024x832,1024x896,1024x960,1024x1024,1088x768,1088x832,1088x896,1088x960,"    \
    "1120x896,1152x704,1152x832,1152x864,1152x896,1216x704,1216x768,1216x832,1248x832,1280x704,1280x768,"    \
    "1280x800,1312x736,1344x640,1344x704,1344x768,1408x576,1408x640,1408x704,1472x576,1472x640,1472x704,"    \
    "1536x512,1536x576,1536x640"
#define TARIMG_IDEOGRAM_RATIOS "1:3,3:1,1:2,2:1,9:16,16:9,10:16,16:10,2:3,3:2,3:4,4:3,4:5,5:4,1:1"
#define TARIMG_IDEOGRAM_STYLES "auto,general,realistic,design,custom,fiction,stylized"

/* fields, max n, input images, mask, seeds from, to,
   sizes, multiple, max edge, max ratio, min pixels, max pixels,
   aspect ratios, qualities, styles, backgrounds, output formats,
   min edge, input formats, mask is binary */
static const tarash_image_capabilities tarimg_caps_gpt_image_26 = {
    TARIMG_FIELDS_GPT_IMAGE, 10, 16, TARASH_IMAGE_MASK_TRANSPARENT, 0, 0,
    "auto,any", 16, 3840, 3, 655360, 8294400,
    NULL, "auto,low,medium,high,xhigh,max", NULL, "auto,opaque,transparent", "png,jpeg,webp,gif,svg", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_gpt_image_25 = {
    TARIMG_FIELDS_GPT_IMAGE, 10, 16, TARASH_IMAGE_MASK_TRANSPARENT, 0, 0,
    "auto,any", 16, 3840, 3, 655360, 8294400,
    NULL, "auto,low,medium,high,xhigh,max", NULL, "auto,opaque,transparent", "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_gpt_image_2 = {
    TARIMG_FIELDS_GPT_IMAGE, 10, 16, TARASH_IMAGE_MASK_TRANSPARENT, 0, 0,
    "auto,any", 16, 3840, 3, 655360, 8294400,
    NULL, "auto,low,medium,high", NULL, "auto,opaque", "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_gpt_image_1 = {
    TARIMG_FIELDS_GPT_IMAGE, 10, 16, TARASH_IMAGE_MASK_TRANSPARENT, 0, 0,
    "auto,1024x1024,1536x1024,1024x1536", 0, 0, 0, 0, 0,
    NULL, "auto,low,medium,high", NULL, "auto,opaque,transparent", "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_dall_e_3 = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_STYLE | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_USER,
    1, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "1024x1024,1792x1024,1024x1792", 0, 0, 0, 0, 0,
    NULL, "standard,hd", "vivid,natural", NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_dall_e_2 = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_USER |
        TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK,
    10, 1, TARASH_IMAGE_MASK_TRANSPARENT, 0, 0,
    "256x256,512x512,1024x1024", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_xai_2 = {
    TARIMG_FIELDS_XAI, 10, 5, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "auto,1:1,3:4,4:3,9:16,16:9,2:3,3:2,9:19.5,19.5:9,9:20,20:9,1:2,2:1,21:9,5:2",
    "auto,low,medium", NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_xai_1 = {
    TARIMG_FIELDS_XAI & ~(unsigned)TARASH_IMAGE_FIELD_QUALITY, 10, 5, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "auto,1:1,3:4,4:3,9:16,16:9,2:3,3:2,9:19.5,19.5:9,9:20,20:9,1:2,2:1",
    NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_indox_google = {
    TARIMG_FIELDS_ROUTED | TARASH_IMAGE_FIELD_ASPECT_RATIO |
        TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_NEGATIVE_PROMPT,
    0, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_indox_xai = {
    TARIMG_FIELDS_ROUTED, 0, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_flux_schnell = {
    TARIMG_FIELDS_REPLICATE | TARASH_IMAGE_FIELD_N,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    TARIMG_REPLICATE_ELEVEN, NULL, NULL, NULL, "webp,jpg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_flux_dev = {
    TARIMG_FIELDS_REPLICATE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_IMAGES,
    4, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    TARIMG_REPLICATE_ELEVEN, NULL, NULL, NULL, "webp,jpg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_flux_11_pro = {
    TARIMG_FIELDS_REPLICATE | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_IMAGES,
    1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 16, 1440, 0, 0, 0,
    TARIMG_REPLICATE_NINE, NULL, NULL, NULL, "webp,jpg,png", 256, "png,jpeg,gif,webp", 0};
static const tarash_image_capabilities tarimg_caps_flux_11_ultra = {
    TARIMG_FIELDS_REPLICATE | TARASH_IMAGE_FIELD_IMAGES,
    1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    TARIMG_REPLICATE_ELEVEN, NULL, NULL, NULL, "jpg,png", 0, "png,jpeg,gif,webp", 0};
static const tarash_image_capabilities tarimg_caps_flux_kontext = {
    TARIMG_FIELDS_REPLICATE | TARASH_IMAGE_FIELD_IMAGES,
    1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    TARIMG_REPLICATE_NINE ",21:9,9:21,2:1,1:2", NULL, NULL, NULL, "jpg,png", 0, "png,jpeg,gif,webp", 0};
static const tarash_image_capabilities tarimg_caps_flux_fill = {
    TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK,
    1, 1, TARASH_IMAGE_MASK_WHITE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "jpg,png", 0, "png,jpeg,gif,webp", 0};
static const tarash_image_capabilities tarimg_caps_flux_2_pro = {
    TARIMG_FIELDS_REPLICATE | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_IMAGES,
    1, 8, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 16, 2048, 0, 0, 0,
    TARIMG_REPLICATE_NINE, "0.5 MP,1 MP,2 MP,4 MP", NULL, NULL, "webp,jpg,png", 256, "png,jpeg,gif,webp", 0};
static const tarash_image_capabilities tarimg_caps_flux_2_flex = {
    TARIMG_FIELDS_REPLICATE | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_IMAGES,
    1, 10, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 32, 2048, 0, 0, 0,
    TARIMG_REPLICATE_NINE, "0.5 MP,1 MP,2 MP,4 MP", NULL, NULL, "webp,jpg,png", 256, "png,jpeg,gif,webp", 0};
static const tarash_image_capabilities tarimg_caps_flux_2_dev = {
    TARIMG_FIELDS_REPLICATE | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_IMAGES,
    1, 4, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 32, 1440, 0, 0, 0,
    TARIMG_REPLICATE_NINE, NULL, NULL, NULL, "webp,jpg,png", 256, "png,jpeg,gif,webp", 0};
static const tarash_image_capabilities tarimg_caps_flux_3 = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_IMAGES,
    1, 10, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, "768sq,1k,1.5k,2k,4k", NULL, NULL, "webp,jpg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_sd_35_turbo = {
    TARIMG_FIELDS_REPLICATE | TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_IMAGES,
    1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    TARIMG_REPLICATE_ELEVEN, NULL, NULL, NULL, "webp,jpg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_sd_35 = {
    TARIMG_FIELDS_REPLICATE | TARASH_IMAGE_FIELD_IMAGES,
    1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    TARIMG_REPLICATE_ELEVEN, NULL, NULL, NULL, "webp,jpg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_sdxl = {
    TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK | TARASH_IMAGE_FIELD_OUTPUT,
    4, 1, TARASH_IMAGE_MASK_WHITE, 0, 0,
    "any", 8, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_replicate_recraft_3 = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_STYLE | TARASH_IMAGE_FIELD_OUTPUT,
    1, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "1024x1024,1365x1024,1024x1365,1536x1024,1024x1536,1820x1024,1024x1820,2048x1024,1024x2048,1434x1024,1024x1434,1280x1024,1024x1280,1707x1024,1024x1707", 0, 0, 0, 0, 0,
    "1:1,4:3,3:4,3:2,2:3,16:9,9:16,1:2,2:1,7:5,5:7,4:5,5:4,3:5,5:3", NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_replicate_recraft_4 = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_OUTPUT,
    1, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "1024x1024,1536x768,768x1536,1280x832,832x1280,1216x896,896x1216,1152x896,896x1152,832x1344,1280x896,896x1280,1344x768,768x1344", 0, 0, 0, 0, 0,
    "1:1,2:1,1:2,3:2,2:3,4:3,3:4,5:4,4:5,16:9,9:16", NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_replicate_ideogram_3 = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_STYLE | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK | TARASH_IMAGE_FIELD_OUTPUT,
    1, 1, TARASH_IMAGE_MASK_BLACK, 0, 2147483647,
    NULL, 0, 0, 0, 0, 0,
    "1:3,3:1,1:2,2:1,9:16,16:9,10:16,16:10,2:3,3:2,3:4,4:3,4:5,5:4,1:1", NULL, "None,Auto,General,Realistic,Design", NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_replicate_ideogram_4 = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK | TARASH_IMAGE_FIELD_OUTPUT,
    8, 5, TARASH_IMAGE_MASK_BLACK, 0, 2147483647,
    "2048x2048,1792x2240,2240x1792,1728x2304,2304x1728,1664x2496,2496x1664,1440x2560,2560x1440,1600x2560,2560x1600,1440x2880,2880x1440,1280x3072", 0, 0, 0, 0, 0,
    NULL, "very_low,low,medium,high", NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_replicate_banana_pro = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_IMAGES,
    1, 14, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "1:1,2:3,3:2,3:4,4:3,4:5,5:4,9:16,16:9,21:9", "1K,2K,4K", NULL, NULL, "jpg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_replicate_banana = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_IMAGES,
    1, 14, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "1:1,2:3,3:2,3:4,4:3,4:5,5:4,9:16,16:9,21:9", NULL, NULL, NULL, "jpg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_replicate_imagen = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    1, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "1:1,9:16,16:9,3:4,4:3", "1K,2K", NULL, NULL, "jpg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_replicate_seedream_45 = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_IMAGES,
    1, 14, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "1:1,4:3,3:4,16:9,9:16,3:2,2:3,21:9", NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_replicate_seedream_4 = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_IMAGES,
    1, 10, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 4096, 0, 0, 0,
    "1:1,4:3,3:4,16:9,9:16,3:2,2:3,21:9", NULL, NULL, NULL, NULL, 1024, NULL, 0};
static const tarash_image_capabilities tarimg_caps_replicate_qwen = {
    TARIMG_FIELDS_REPLICATE | TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_IMAGES,
    1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 2048, 0, 0, 0,
    NULL, NULL, NULL, NULL, "webp,jpg,png", 512, NULL, 0};
static const tarash_image_capabilities tarimg_caps_replicate_gpt_image = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_BACKGROUND | TARASH_IMAGE_FIELD_USER | TARASH_IMAGE_FIELD_OUTPUT,
    10, 16, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "1:1,3:2,2:3", "auto,low,medium,high", NULL, "auto,transparent,opaque", "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_luma = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_ROLES | TARASH_IMAGE_FIELD_OUTPUT,
    1, 9, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "1:1,16:9,9:16,4:3,3:4,21:9,9:21", NULL, NULL, NULL, "jpg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_luma_single = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_ROLES | TARASH_IMAGE_FIELD_OUTPUT,
    1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "1:1,16:9,9:16,4:3,3:4,21:9,9:21", NULL, NULL, NULL, "jpg,png", 0, NULL, 0};

#define TARIMG_FIELDS_TOGETHER                                                                               \
    (TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES |  \
     TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_OUTPUT_FORMAT)
#define TARIMG_FIELDS_OPENROUTER                                                                             \
    (TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N | \
     TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT |                \
     TARASH_IMAGE_FIELD_BACKGROUND | TARASH_IMAGE_FIELD_USER | TARASH_IMAGE_FIELD_PARTIAL_IMAGES)
#define TARIMG_OPENROUTER_RATIOS                                                                             \
    "auto,1:1,1:2,1:4,1:8,2:1,2:3,2.35:1,3:2,3:4,4:1,4:3,4:5,5:2,5:4,8:1,9:16,16:9,9:19.5,19.5:9,9:20,20:9,9:21,21:9"

static const tarash_image_capabilities tarimg_caps_azure_25 = {
    TARIMG_FIELDS_GPT_IMAGE, 10, 16, TARASH_IMAGE_MASK_TRANSPARENT, 0, 0,
    "auto,any", 16, 3840, 3, 655360, 8294400,
    NULL, "auto,low,medium,high,xhigh,max", NULL, "auto,opaque,transparent", "png,jpeg", 0, "png,jpeg", 0};
static const tarash_image_capabilities tarimg_caps_azure_2 = {
    TARIMG_FIELDS_GPT_IMAGE, 10, 16, TARASH_IMAGE_MASK_TRANSPARENT, 0, 0,
    "auto,any", 16, 3840, 3, 655360, 8294400,
    NULL, "auto,low,medium,high", NULL, "auto,opaque", "png,jpeg", 0, "png,jpeg", 0};
static const tarash_image_capabilities tarimg_caps_azure_1 = {
    TARIMG_FIELDS_GPT_IMAGE, 10, 16, TARASH_IMAGE_MASK_TRANSPARENT, 0, 0,
    "auto,1024x1024,1536x1024,1024x1536", 0, 0, 0, 0, 0,
    NULL, "auto,low,medium,high", NULL, "auto,opaque,transparent", "png,jpeg", 0, "png,jpeg", 0};
static const tarash_image_capabilities tarimg_caps_together = {
    TARIMG_FIELDS_TOGETHER, 4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, "png,jpeg", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_together_kontext = {
    TARIMG_FIELDS_TOGETHER, 4, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, "png,jpeg", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_together_google = {
    TARIMG_FIELDS_TOGETHER & ~(unsigned)(TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_NEGATIVE_PROMPT),
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, "png,jpeg", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_openrouter = {
    TARIMG_FIELDS_OPENROUTER, 10, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 0, TARIMG_OPENROUTER_RATIOS,
    "auto,low,medium,high,xhigh,max", NULL, "auto,opaque,transparent", "png,jpeg,webp,svg", 0, NULL, 0};
#define TARIMG_FIELDS_GOOGLE                                                                                 \
    (TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT)
#define TARIMG_INT32_MIN (-2147483647 - 1)
#define TARIMG_INT32_MAX 2147483647
#define TARIMG_GOOGLE_RATIOS "1:1,2:3,3:2,3:4,4:3,4:5,5:4,9:16,16:9,21:9"
static const tarash_image_capabilities tarimg_caps_gemini = {
    TARIMG_FIELDS_GOOGLE, 1, 14, TARASH_IMAGE_MASK_NONE, TARIMG_INT32_MIN, TARIMG_INT32_MAX,
    NULL, 0, 0, 0, 0, 0,
    TARIMG_GOOGLE_RATIOS ",1:4,4:1,1:8,8:1", NULL, NULL, NULL, "png,jpeg", 0, "png,jpeg,webp,heic,heif", 0};
static const tarash_image_capabilities tarimg_caps_gemini_3 = {
    TARIMG_FIELDS_GOOGLE, 1, 14, TARASH_IMAGE_MASK_NONE, TARIMG_INT32_MIN, TARIMG_INT32_MAX,
    NULL, 0, 0, 0, 0, 0,
    TARIMG_GOOGLE_RATIOS, NULL, NULL, NULL, "png,jpeg", 0, "png,jpeg,webp,heic,heif", 0};
static const tarash_image_capabilities tarimg_caps_gemini_25 = {
    TARIMG_FIELDS_GOOGLE, 1, 3, TARASH_IMAGE_MASK_NONE, TARIMG_INT32_MIN, TARIMG_INT32_MAX,
    NULL, 0, 0, 0, 0, 0,
    TARIMG_GOOGLE_RATIOS, NULL, NULL, NULL, "png,jpeg", 0, "png,jpeg,webp,heic,heif", 0};
static const tarash_image_capabilities tarimg_caps_imagen = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_OUTPUT_FORMAT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 4294967295,
    NULL, 0, 0, 0, 0, 0,
    "1:1,3:4,4:3,9:16,16:9", NULL, NULL, NULL, "png,jpeg", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_automatic1111_upscale = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_IMAGES, 1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};

#define TARIMG_STABILITY_RATIOS "1:1,21:9,16:9,3:2,5:4,4:5,2:3,9:16,9:21"
#define TARIMG_STABILITY_STYLES                                                                              \
    "3d-model,analog-film,anime,cinematic,comic-book,digital-art,enhance,fantasy-art,isometric,line-art,low-poly," \
    "modeling-compound,neon-punk,origami,photographic,pixel-art,tile-texture"
#define TARIMG_STABILITY_PIXELS "png,jpeg,webp"
/* A call of Stability's: fields, input images, what marks the part to edit, output formats. */
#define TARIMG_STABILITY_CAPS(fields, images, mask, formats)                                                 \
    {(fields), 1, (images), (mask), 0, 4294967294, NULL, 0, 0, 0, 0, 0,                                      \
     ((fields) & TARASH_IMAGE_FIELD_ASPECT_RATIO) ? TARIMG_STABILITY_RATIOS : NULL, NULL,                    \
     ((fields) & TARASH_IMAGE_FIELD_STYLE) ? TARIMG_STABILITY_STYLES : NULL, NULL, (formats), 0,             \
     ((fields) & TARASH_IMAGE_FIELD_IMAGES) ? TARIMG_STABILITY_PIXELS : NULL, 0}
#define TARIMG_FIELDS_STABILITY /* of every call that makes an image of a text */                            \
    (TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_SEED |        \
     TARASH_IMAGE_FIELD_OUTPUT_FORMAT)
#define TARIMG_FIELDS_STABILITY_GENERATE                                                                     \
    (TARIMG_FIELDS_STABILITY | TARASH_IMAGE_FIELD_STYLE | TARASH_IMAGE_FIELD_USER)
#define TARIMG_FIELDS_STABILITY_PLAIN /* of calls that ask no more than an image */                          \
    (TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT)
#define TARIMG_FIELDS_STABILITY_SEEDED (TARIMG_FIELDS_STABILITY_PLAIN | TARASH_IMAGE_FIELD_SEED)
#define TARIMG_FIELDS_STABILITY_WORDY  (TARIMG_FIELDS_STABILITY_SEEDED | TARASH_IMAGE_FIELD_NEGATIVE_PROMPT)
#define TARIMG_FIELDS_STABILITY_STYLED (TARIMG_FIELDS_STABILITY_WORDY | TARASH_IMAGE_FIELD_STYLE)

static const tarash_image_capabilities tarimg_caps_stability_core =
    TARIMG_STABILITY_CAPS(TARIMG_FIELDS_STABILITY_GENERATE, 0, TARASH_IMAGE_MASK_NONE, TARIMG_STABILITY_PIXELS);
static const tarash_image_capabilities tarimg_caps_stability_ultra =
    TARIMG_STABILITY_CAPS(TARIMG_FIELDS_STABILITY_GENERATE | TARASH_IMAGE_FIELD_IMAGES, 1, TARASH_IMAGE_MASK_NONE, TARIMG_STABILITY_PIXELS);
static const tarash_image_capabilities tarimg_caps_stability_sd3 =
    TARIMG_STABILITY_CAPS(TARIMG_FIELDS_STABILITY_GENERATE | TARASH_IMAGE_FIELD_IMAGES, 1, TARASH_IMAGE_MASK_NONE, "png,jpeg");
/* v1: sizes instead of ratios, and several images of one call */
#define TARIMG_FIELDS_STABILITY_ENGINE                                                                       \
    (TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_STYLE |               \
     TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED)
static const tarash_image_capabilities tarimg_caps_stability_sdxl = {
    TARIMG_FIELDS_STABILITY_ENGINE, 10, 0, TARASH_IMAGE_MASK_NONE, 0, 4294967295,
    "1024x1024,1152x896,896x1152,1216x832,832x1216,1344x768,768x1344,1536x640,640x1536", 0, 0, 0, 0, 0,
    NULL, NULL, TARIMG_STABILITY_STYLES, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_stability_engine = {
    TARIMG_FIELDS_STABILITY_ENGINE, 10, 0, TARASH_IMAGE_MASK_NONE, 0, 4294967295,
    "any", 64, 1536, 0, 262144, 1048576,
    NULL, NULL, TARIMG_STABILITY_STYLES, NULL, NULL, 320, NULL, 0};

/* The same calls at both places; Bedrock hears nothing of users. */
#define TARIMG_STABILITY_SERVICE(name, fields, images, mask, formats)                                        \
    static const tarash_image_capabilities tarimg_caps_stability_##name =                                    \
        TARIMG_STABILITY_CAPS((fields) | TARASH_IMAGE_FIELD_USER, images, mask, formats);                    \
    static const tarash_image_capabilities tarimg_caps_bedrock_##name =                                      \
        TARIMG_STABILITY_CAPS(fields, images, mask, formats)
TARIMG_STABILITY_SERVICE(erase, TARIMG_FIELDS_STABILITY_SEEDED | TARASH_IMAGE_FIELD_MASK, 1, TARASH_IMAGE_MASK_WHITE, TARIMG_STABILITY_PIXELS);
TARIMG_STABILITY_SERVICE(inpaint, TARIMG_FIELDS_STABILITY_STYLED | TARASH_IMAGE_FIELD_MASK, 1, TARASH_IMAGE_MASK_WHITE, TARIMG_STABILITY_PIXELS);
TARIMG_STABILITY_SERVICE(outpaint, TARIMG_FIELDS_STABILITY_SEEDED | TARASH_IMAGE_FIELD_STYLE, 1, TARASH_IMAGE_MASK_NONE, TARIMG_STABILITY_PIXELS);
TARIMG_STABILITY_SERVICE(styled, TARIMG_FIELDS_STABILITY_STYLED, 1, TARASH_IMAGE_MASK_NONE, TARIMG_STABILITY_PIXELS);
TARIMG_STABILITY_SERVICE(guided, TARIMG_FIELDS_STABILITY_STYLED | TARASH_IMAGE_FIELD_ASPECT_RATIO, 1, TARASH_IMAGE_MASK_NONE, TARIMG_STABILITY_PIXELS);
TARIMG_STABILITY_SERVICE(transfer, TARIMG_FIELDS_STABILITY_WORDY | TARASH_IMAGE_FIELD_ROLES, 2, TARASH_IMAGE_MASK_NONE, TARIMG_STABILITY_PIXELS);
TARIMG_STABILITY_SERVICE(wordy, TARIMG_FIELDS_STABILITY_WORDY, 1, TARASH_IMAGE_MASK_NONE, TARIMG_STABILITY_PIXELS);
TARIMG_STABILITY_SERVICE(cutout, TARIMG_FIELDS_STABILITY_PLAIN, 1, TARASH_IMAGE_MASK_NONE, "png,webp");
TARIMG_STABILITY_SERVICE(plain, TARIMG_FIELDS_STABILITY_PLAIN, 1, TARASH_IMAGE_MASK_NONE, TARIMG_STABILITY_PIXELS);
static const tarash_image_capabilities tarimg_caps_stability_relit =
    TARIMG_STABILITY_CAPS(TARIMG_FIELDS_STABILITY_WORDY | TARASH_IMAGE_FIELD_USER, 3, TARASH_IMAGE_MASK_NONE, TARIMG_STABILITY_PIXELS);
static const tarash_image_capabilities tarimg_caps_bedrock_text =
    TARIMG_STABILITY_CAPS(TARIMG_FIELDS_STABILITY, 0, TARASH_IMAGE_MASK_NONE, "png,jpeg");
static const tarash_image_capabilities tarimg_caps_bedrock_sd3 =
    TARIMG_STABILITY_CAPS(TARIMG_FIELDS_STABILITY | TARASH_IMAGE_FIELD_IMAGES, 1, TARASH_IMAGE_MASK_NONE, TARIMG_STABILITY_PIXELS);
/* By its own name, and by a profile of a part of the world. */
#define TARIMG_BEDROCK_MODEL(id, caps)                                                                       \
    {"bedrock", "stability." id, "current", &caps}, {"bedrock", "us.stability." id, "current", &caps}

#define TARIMG_FAL_FLUX_RATIOS   "21:9,16:9,4:3,3:2,1:1,2:3,3:4,9:16,9:21"
#define TARIMG_FAL_GOOGLE_RATIOS "21:9,16:9,3:2,4:3,5:4,1:1,4:5,3:4,2:3,9:16"
static const tarash_image_capabilities tarimg_caps_fal_flux = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "jpeg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_flux_image = {
    TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "jpeg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_flux_redux = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "jpeg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_flux_ultra = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED |
        TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "jpeg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_flux_kontext = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED |
        TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    TARIMG_FAL_FLUX_RATIOS, NULL, NULL, NULL, "jpeg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_flux_kontext_multi = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED |
        TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 4, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    TARIMG_FAL_FLUX_RATIOS, NULL, NULL, NULL, "jpeg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_flux_kontext_text = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    TARIMG_FAL_FLUX_RATIOS, NULL, NULL, NULL, "jpeg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_flux_kontext_dev = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED |
        TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "auto,1:1,16:9,21:9,3:2,2:3,4:5,5:4,3:4,4:3,9:16,9:21", NULL, NULL, NULL, "jpeg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_flux_fill = {
    TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 1, TARASH_IMAGE_MASK_WHITE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "jpeg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_flux_2 = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 2048, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,jpeg,webp", 512, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_flux_2_edit = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 4, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 2048, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,jpeg,webp", 512, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_flux_2_klein = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 2048, 0, 0, 0,
    NULL, NULL, NULL, NULL, "jpeg,png", 512, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_flux_2_pro = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_OUTPUT_FORMAT |
        TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "jpeg,png", 512, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_flux_2_pro_edit = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 8, TARASH_IMAGE_MASK_NONE, 0, 0,
    "auto,any", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "jpeg,png", 512, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_flux_2_outpaint = {
    TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "jpeg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_flux_3 = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_sd_35 = {
    TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "jpeg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_sdxl = {
    TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "jpeg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_sdxl_image = {
    TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT |
        TARASH_IMAGE_FIELD_OUTPUT,
    4, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "jpeg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_sdxl_inpaint = {
    TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 1, TARASH_IMAGE_MASK_WHITE, 0, 0,
    "any", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "jpeg,png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_recraft = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_STYLE | TARASH_IMAGE_FIELD_OUTPUT,
    1, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_recraft_image = {
    TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_STYLE | TARASH_IMAGE_FIELD_IMAGES |
        TARASH_IMAGE_FIELD_OUTPUT,
    1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_recraft_4 = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_OUTPUT,
    1, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_banana = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    TARIMG_FAL_GOOGLE_RATIOS, NULL, NULL, NULL, "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_banana_edit = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED |
        TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 10, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "auto," TARIMG_FAL_GOOGLE_RATIOS, NULL, NULL, NULL, "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_banana_pro = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "auto," TARIMG_FAL_GOOGLE_RATIOS, "1K,2K,4K", NULL, NULL, "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_banana_pro_edit = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT |
        TARASH_IMAGE_FIELD_OUTPUT,
    4, 14, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "auto," TARIMG_FAL_GOOGLE_RATIOS, "1K,2K,4K", NULL, NULL, "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_banana_2 = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "auto," TARIMG_FAL_GOOGLE_RATIOS ",4:1,1:4,8:1,1:8", "0.5K,1K,2K,4K", NULL, NULL, "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_banana_2_edit = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT |
        TARASH_IMAGE_FIELD_OUTPUT,
    4, 14, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "auto," TARIMG_FAL_GOOGLE_RATIOS ",4:1,1:4,8:1,1:8", "0.5K,1K,2K,4K", NULL, NULL, "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_imagen_4 = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "1:1,16:9,9:16,4:3,3:4", "1K,2K", NULL, NULL, "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_gpt_image = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_BACKGROUND | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "1024x1024,1536x1024,1024x1536", 0, 0, 0, 0, 0,
    NULL, "low,medium,high", NULL, "auto,transparent,opaque", "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_gpt_image_edit = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_IMAGES |
        TARASH_IMAGE_FIELD_MASK | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_BACKGROUND |
        TARASH_IMAGE_FIELD_OUTPUT,
    4, 16, TARASH_IMAGE_MASK_TRANSPARENT, 0, 0,
    "auto,1024x1024,1536x1024,1024x1536", 0, 0, 0, 0, 0,
    NULL, "low,medium,high", NULL, "auto,transparent,opaque", "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_gpt_image_mini_edit = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_IMAGES |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_BACKGROUND | TARASH_IMAGE_FIELD_OUTPUT,
    4, 16, TARASH_IMAGE_MASK_NONE, 0, 0,
    "auto,1024x1024,1536x1024,1024x1536", 0, 0, 0, 0, 0,
    NULL, "low,medium,high", NULL, "auto,transparent,opaque", "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_seedream_4 = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "auto,any", 0, 0, 0, 921600, 16777216,
    NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_seedream_4_edit = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES |
        TARASH_IMAGE_FIELD_OUTPUT,
    4, 10, TARASH_IMAGE_MASK_NONE, 0, 0,
    "auto,any", 0, 0, 0, 921600, 16777216,
    NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_seedream_45 = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 3686400, 16777216,
    NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_seedream_45_edit = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES |
        TARASH_IMAGE_FIELD_OUTPUT,
    4, 10, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 3686400, 16777216,
    NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_seedream_5 = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 3686400, 9437184,
    NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_seedream_5_edit = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT,
    4, 10, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 3686400, 9437184,
    NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_ideogram = {
    TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_QUALITY |
        TARASH_IMAGE_FIELD_STYLE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 0,
    NULL, "TURBO,BALANCED,QUALITY", "AUTO,GENERAL,REALISTIC,DESIGN", NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_ideogram_remix = {
    TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_QUALITY |
        TARASH_IMAGE_FIELD_STYLE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES |
        TARASH_IMAGE_FIELD_OUTPUT,
    4, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 0,
    NULL, "TURBO,BALANCED,QUALITY", "AUTO,GENERAL,REALISTIC,DESIGN", NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_ideogram_reframe = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_STYLE | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT,
    4, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 0,
    NULL, "TURBO,BALANCED,QUALITY", "AUTO,GENERAL,REALISTIC,DESIGN", NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_ideogram_edit = {
    TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES |
        TARASH_IMAGE_FIELD_MASK | TARASH_IMAGE_FIELD_OUTPUT,
    4, 1, TARASH_IMAGE_MASK_WHITE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, "TURBO,BALANCED,QUALITY", NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_ideogram_46 = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_OUTPUT,
    1, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "auto,any", 0, 4096, 6, 0, 0,
    NULL, NULL, NULL, NULL, NULL, 256, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_qwen = {
    TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,jpeg", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_qwen_image = {
    TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT |
        TARASH_IMAGE_FIELD_OUTPUT,
    4, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,jpeg", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_qwen_inpaint = {
    TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 1, TARASH_IMAGE_MASK_WHITE, 0, 0,
    "any", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,jpeg", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_qwen_2 = {
    TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 262144, 4194304,
    NULL, NULL, NULL, NULL, "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_qwen_2_edit = {
    TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT |
        TARASH_IMAGE_FIELD_OUTPUT,
    4, 3, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 262144, 4194304,
    NULL, NULL, NULL, NULL, "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_z_image = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_z_image_image = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    "auto,any", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_z_image_inpaint = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES |
        TARASH_IMAGE_FIELD_MASK | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 1, TARASH_IMAGE_MASK_WHITE, 0, 0,
    "auto,any", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_grok = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "auto,1:1,16:9,4:3,3:4,9:16", "1K,4K", NULL, NULL, "jpeg,png,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_grok_edit = {
    TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_IMAGES |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 3, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, "1k,2k", NULL, NULL, "jpeg,png,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_photon = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_OUTPUT,
    1, 0, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "16:9,9:16,1:1,4:3,3:4,21:9,9:21", NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_photon_image = {
    TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT,
    1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "16:9,9:16,1:1,4:3,3:4,21:9,9:21", NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_background = {
    TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED |
        TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT,
    4, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_eraser = {
    TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK | TARASH_IMAGE_FIELD_OUTPUT,
    1, 1, TARASH_IMAGE_MASK_WHITE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_birefnet = {
    TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,webp,gif", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_esrgan = {
    TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,jpeg", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_clarity = {
    TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES |
        TARASH_IMAGE_FIELD_OUTPUT,
    1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_tool = {
    TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT,
    1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_deblur = {
    TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT,
    1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_fal_relight = {
    TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N |
        TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_OUTPUT,
    4, 1, TARASH_IMAGE_MASK_WHITE, 0, 0,
    "any", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "jpeg,png", 0, NULL, 0};

static const tarash_image_capabilities tarimg_caps_runway_gen4 = {
    TARIMG_FIELDS_RUNWAY | TARASH_IMAGE_FIELD_SEED, 1, 3, TARASH_IMAGE_MASK_NONE, 0, 4294967295,
    "1024x1024,1080x1080,1168x880,1360x768,1440x1080,1080x1440,1808x768,1920x1080,1080x1920,2112x912,"
    "1280x720,720x1280,720x720,960x720,720x960,1680x720", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, NULL, 0, "png,jpeg,webp", 0};
static const tarash_image_capabilities tarimg_caps_runway_gemini_25 = {
    TARIMG_FIELDS_RUNWAY, 1, 3, TARASH_IMAGE_MASK_NONE, 0, 0,
    "1344x768,768x1344,1024x1024,1184x864,864x1184,1536x672,832x1248,1248x832,896x1152,1152x896", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, NULL, 0, "png,jpeg,webp", 0};
static const tarash_image_capabilities tarimg_caps_runway_gemini_3_pro = {
    TARIMG_FIELDS_RUNWAY, 1, 14, TARASH_IMAGE_MASK_NONE, 0, 0,
    "1344x768,768x1344,1024x1024,1184x864,864x1184,1536x672,832x1248,1248x832,896x1152,1152x896,"
    "2048x2048,1696x2528,2528x1696,1792x2400,2400x1792,1856x2304,2304x1856,1536x2752,2752x1536,3168x1344,"
    "4096x4096,3392x5056,5056x3392,3584x4800,4800x3584,3712x4608,4608x3712,3072x5504,5504x3072,6336x2688", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, NULL, 0, "png,jpeg,webp", 0};
static const tarash_image_capabilities tarimg_caps_runway_gemini_31_flash = {
    TARIMG_FIELDS_RUNWAY, 1, 14, TARASH_IMAGE_MASK_NONE, 0, 0,
    "1344x768,768x1344,1024x1024,1184x864,864x1184,1536x672,832x1248,1248x832,896x1152,1152x896,"
    "2048x2048,1696x2528,2528x1696,1792x2400,2400x1792,1856x2304,2304x1856,1536x2752,2752x1536,3168x1344,"
    "4096x4096,3392x5056,5056x3392,3584x4800,4800x3584,3712x4608,4608x3712,3072x5504,5504x3072,6336x2688,"
    "512x512,416x624,624x416,432x592,592x432,448x576,576x448,384x672,672x384,768x336,256x1024,1024x256,"
    "176x1408,1408x176,512x2048,2048x512,352x2816,2816x352,1024x4096,4096x1024,704x5632,5632x704,"
    "2048x8192,8192x2048,1408x11264,11264x1408", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, NULL, 0, "png,jpeg,webp", 0};
static const tarash_image_capabilities tarimg_caps_runway_gpt_2 = {
    TARIMG_FIELDS_RUNWAY | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_BACKGROUND, 10, 16, TARASH_IMAGE_MASK_NONE, 0, 0,
    "auto,2048x880,1920x1088,1920x1280,1920x1440,1920x1536,1920x1920,1536x1920,1440x1920,1280x1920,"
    "1088x1920,2912x1248,2560x1440,2560x1712,2560x1920,2560x2048,2560x2560,2048x2560,1920x2560,1712x2560,"
    "1440x2560,3840x1648,3840x2160,3504x2336,3264x2448,3200x2560,2880x2880,2560x3200,2448x3264,2336x3504,"
    "2160x3840", 0, 0, 0, 0, 0,
    NULL, "auto,low,medium,high", NULL, "auto,opaque,transparent", NULL, 0, "png,jpeg,webp", 0};
static const tarash_image_capabilities tarimg_caps_runway_gpt_25_flare = {
    TARIMG_FIELDS_RUNWAY | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_BACKGROUND, 10, 16, TARASH_IMAGE_MASK_NONE, 0, 0,
    "auto,2048x880,1920x1088,1920x1280,1920x1440,1920x1536,1920x1920,1536x1920,1440x1920,1280x1920,"
    "1088x1920,2912x1248,2560x1440,2560x1712,2560x1920,2560x2048,2560x2560,2048x2560,1920x2560,1712x2560,"
    "1440x2560,3840x1648,3840x2160,3504x2336,3264x2448,3200x2560,2880x2880,2560x3200,2448x3264,2336x3504,"
    "2160x3840", 0, 0, 0, 0, 0,
    NULL, "low,medium,high,xhigh,max", NULL, "auto,opaque", NULL, 0, "png,jpeg,webp", 0};
static const tarash_image_capabilities tarimg_caps_runway_gpt_25 = {
    TARIMG_FIELDS_RUNWAY | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_BACKGROUND, 10, 16, TARASH_IMAGE_MASK_NONE, 0, 0,
    "auto,2048x880,1920x1088,1920x1280,1920x1440,1920x1536,1920x1920,1536x1920,1440x1920,1280x1920,"
    "1088x1920,2912x1248,2560x1440,2560x1712,2560x1920,2560x2048,2560x2560,2048x2560,1920x2560,1712x2560,"
    "1440x2560,3840x1648,3840x2160,3504x2336,3264x2448,3200x2560,2880x2880,2560x3200,2448x3264,2336x3504,"
    "2160x3840", 0, 0, 0, 0, 0,
    NULL, "low,medium,high,xhigh,max", NULL, "auto,opaque,transparent", NULL, 0, "png,jpeg,webp", 0};
static const tarash_image_capabilities tarimg_caps_runway_seedream_pro = {
    TARIMG_FIELDS_RUNWAY | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_OUTPUT_FORMAT, 4, 14, TARASH_IMAGE_MASK_NONE, 0, 0,
    "auto,1024x1024,1184x896,896x1184,1376x768,768x1376,1296x864,864x1296,2048x2048,2304x1728,1728x2304,"
    "2720x1530,1530x2720,2496x1664,1664x2496", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,jpeg", 0, "png,jpeg,webp", 0};
static const tarash_image_capabilities tarimg_caps_runway_seedream_lite = {
    TARIMG_FIELDS_RUNWAY | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_OUTPUT_FORMAT, 4, 14, TARASH_IMAGE_MASK_NONE, 0, 0,
    "2048x2048,2304x1728,1728x2304,2848x1600,1600x2848,2496x1664,1664x2496,3136x1344,3072x3072,3456x2592,"
    "2592x3456,4096x2304,2304x4096,3744x2496,2496x3744,4704x2016", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,jpeg", 0, "png,jpeg,webp", 0};
static const tarash_image_capabilities tarimg_caps_runway_grok = {
    TARIMG_FIELDS_RUNWAY | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_QUALITY, 4, 3, TARASH_IMAGE_MASK_NONE, 0, 0,
    "auto,1024x1024,1280x720,720x1280,1152x864,864x1152,1248x832,832x1248,1248x576,576x1248,1280x576,"
    "576x1280,1408x704,704x1408,2048x2048,2816x1584", 0, 0, 0, 0, 0,
    NULL, "low,medium", NULL, NULL, NULL, 0, "png,jpeg,webp", 0};
static const tarash_image_capabilities tarimg_caps_runway_muse = {
    TARIMG_FIELDS_RUNWAY | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_OUTPUT_FORMAT, 4, 10, TARASH_IMAGE_MASK_NONE, 0, 0,
    "auto,2352x1008,2016x1152,1920x1280,1792x1344,1600x1600,1344x1792,1280x1920,1152x2016", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,jpeg,webp", 0, "png,jpeg,webp", 0};
static const tarash_image_capabilities tarimg_caps_runway_upscaler = {
    TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT, 1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, NULL, 0, "png,jpeg,webp", 0};
static const tarash_image_capabilities tarimg_caps_bfl_flux_3 = {
    TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_QUALITY, 1, 10, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    "auto,21:9,2:1,16:9,3:2,7:5,4:3,5:4,1:1,4:5,3:4,5:7,2:3,9:16,1:2,9:21", "768sq,1k,1.5k,2k,4k", NULL, NULL, NULL, 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_bfl_flux_3_klein = {
    TARIMG_FIELDS_BFL | TARASH_IMAGE_FIELD_SIZE, 1, 10, TARASH_IMAGE_MASK_NONE, 0, 0,
    "auto,any", 16, 0, 0, 0, 4194304,
    NULL, NULL, NULL, NULL, "png,jpeg,webp", 64, NULL, 0};
static const tarash_image_capabilities tarimg_caps_bfl_flux_2 = {
    TARIMG_FIELDS_BFL | TARASH_IMAGE_FIELD_SIZE, 1, 8, TARASH_IMAGE_MASK_NONE, 0, 0,
    "auto,any", 16, 0, 0, 0, 4194304,
    NULL, NULL, NULL, NULL, "png,jpeg,webp", 64, NULL, 0};
static const tarash_image_capabilities tarimg_caps_bfl_flux_2_klein = {
    TARIMG_FIELDS_BFL | TARASH_IMAGE_FIELD_SIZE, 1, 4, TARASH_IMAGE_MASK_NONE, 0, 0,
    "auto,any", 16, 0, 0, 0, 4194304,
    NULL, NULL, NULL, NULL, "png,jpeg,webp", 64, NULL, 0};
static const tarash_image_capabilities tarimg_caps_bfl_kontext = {
    TARIMG_FIELDS_BFL | TARASH_IMAGE_FIELD_ASPECT_RATIO, 1, 4, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_bfl_ultra = {
    TARIMG_FIELDS_BFL | TARASH_IMAGE_FIELD_ASPECT_RATIO, 1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_bfl_flux_1 = {
    TARIMG_FIELDS_BFL | TARASH_IMAGE_FIELD_SIZE, 1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 32, 1440, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,jpeg,webp", 256, NULL, 0};
static const tarash_image_capabilities tarimg_caps_bfl_fill = {
    TARIMG_FIELDS_BFL | TARASH_IMAGE_FIELD_MASK, 1, 1, TARASH_IMAGE_MASK_WHITE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_bfl_tool = {
    TARIMG_FIELDS_BFL, 1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_bfl_outpainting = {
    TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_OUTPUT_FORMAT, 1, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    "any", 0, 0, 0, 0, 4194304,
    NULL, NULL, NULL, NULL, "png,jpeg,webp", 64, NULL, 0};
static const tarash_image_capabilities tarimg_caps_bfl_try_on = {
    TARIMG_FIELDS_BFL, 1, 2, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,jpeg,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_recraft_v4 = {
    TARIMG_FIELDS_RECRAFT_V4 | TARASH_IMAGE_FIELD_SIZE, 6, 10, TARASH_IMAGE_MASK_NONE, 0, 4294967295,
    TARIMG_RECRAFT_SIZES_V4, 0, 0, 0, 0, 0,
    TARIMG_RECRAFT_RATIOS, NULL, NULL, NULL, "png,webp", 0, TARIMG_RECRAFT_INPUTS, 0};
static const tarash_image_capabilities tarimg_caps_recraft_v4_pro = {
    TARIMG_FIELDS_RECRAFT_V4 | TARASH_IMAGE_FIELD_SIZE, 6, 10, TARASH_IMAGE_MASK_NONE, 0, 4294967295,
    TARIMG_RECRAFT_SIZES_PRO, 0, 0, 0, 0, 0,
    TARIMG_RECRAFT_RATIOS, NULL, NULL, NULL, "png,webp", 0, TARIMG_RECRAFT_INPUTS, 0};
static const tarash_image_capabilities tarimg_caps_recraft_v4_vector = {
    TARIMG_FIELDS_RECRAFT_V4, 6, 10, TARASH_IMAGE_MASK_NONE, 0, 4294967295,
    NULL, 0, 0, 0, 0, 0,
    TARIMG_RECRAFT_RATIOS, NULL, NULL, NULL, "svg", 0, TARIMG_RECRAFT_INPUTS, 0};
static const tarash_image_capabilities tarimg_caps_recraft_styles = {
    TARIMG_FIELDS_RECRAFT_V4 | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_STYLE, 6, 10, TARASH_IMAGE_MASK_NONE, 0, 4294967295,
    TARIMG_RECRAFT_SIZES_V4, 0, 0, 0, 0, 0,
    TARIMG_RECRAFT_RATIOS, NULL, NULL, NULL, "png,webp", 0, TARIMG_RECRAFT_INPUTS, 0};
static const tarash_image_capabilities tarimg_caps_recraft_styles_pro = {
    TARIMG_FIELDS_RECRAFT_V4 | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_STYLE, 6, 10, TARASH_IMAGE_MASK_NONE, 0, 4294967295,
    TARIMG_RECRAFT_SIZES_PRO, 0, 0, 0, 0, 0,
    TARIMG_RECRAFT_RATIOS, NULL, NULL, NULL, "png,webp", 0, TARIMG_RECRAFT_INPUTS, 0};
static const tarash_image_capabilities tarimg_caps_recraft_styles_vector = {
    TARIMG_FIELDS_RECRAFT_V4 | TARASH_IMAGE_FIELD_STYLE, 6, 10, TARASH_IMAGE_MASK_NONE, 0, 4294967295,
    NULL, 0, 0, 0, 0, 0,
    TARIMG_RECRAFT_RATIOS, NULL, NULL, NULL, "svg", 0, TARIMG_RECRAFT_INPUTS, 0};
static const tarash_image_capabilities tarimg_caps_recraft_v3 = {
    TARIMG_FIELDS_RECRAFT_V3 | TARASH_IMAGE_FIELD_SIZE, 6, 10, TARASH_IMAGE_MASK_WHITE, 0, 4294967295,
    TARIMG_RECRAFT_SIZES_V3, 0, 0, 0, 0, 0,
    TARIMG_RECRAFT_RATIOS, NULL, NULL, NULL, "png,webp", 0, TARIMG_RECRAFT_INPUTS, 1};
static const tarash_image_capabilities tarimg_caps_recraft_v3_vector = {
    TARIMG_FIELDS_RECRAFT_V3, 6, 10, TARASH_IMAGE_MASK_WHITE, 0, 4294967295,
    NULL, 0, 0, 0, 0, 0,
    TARIMG_RECRAFT_RATIOS, NULL, NULL, NULL, "svg", 0, TARIMG_RECRAFT_INPUTS, 1};
static const tarash_image_capabilities tarimg_caps_recraft_v2 = {
    TARIMG_FIELDS_RECRAFT_V2 | TARASH_IMAGE_FIELD_SIZE, 6, 0, TARASH_IMAGE_MASK_NONE, 0, 4294967295,
    TARIMG_RECRAFT_SIZES_V3, 0, 0, 0, 0, 0,
    TARIMG_RECRAFT_RATIOS, NULL, NULL, NULL, "png,webp", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_recraft_v2_vector = {
    TARIMG_FIELDS_RECRAFT_V2, 6, 0, TARASH_IMAGE_MASK_NONE, 0, 4294967295,
    NULL, 0, 0, 0, 0, 0,
    TARIMG_RECRAFT_RATIOS, NULL, NULL, NULL, "svg", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_recraft_tool = {
    TARIMG_FIELDS_RECRAFT_TOOL, 0, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,webp", 0, TARIMG_RECRAFT_INPUTS, 0};
static const tarash_image_capabilities tarimg_caps_recraft_erase = {
    TARIMG_FIELDS_RECRAFT_TOOL | TARASH_IMAGE_FIELD_MASK, 0, 1, TARASH_IMAGE_MASK_WHITE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png,webp", 0, TARIMG_RECRAFT_INPUTS, 1};
static const tarash_image_capabilities tarimg_caps_recraft_vectorize = {
    TARIMG_FIELDS_RECRAFT_TOOL, 0, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "svg", 0, TARIMG_RECRAFT_INPUTS, 0};
static const tarash_image_capabilities tarimg_caps_ideogram_46 = {
    TARIMG_FIELDS_IDEOGRAM | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK, 8, 5, TARASH_IMAGE_MASK_BLACK, TARIMG_IDEOGRAM_SEEDS,
    "auto,any", 32, 4096, 6, 0, 0,
    NULL, "low,medium,high,very_low", NULL, NULL, "png", 256, "png,jpeg,webp", 1};
static const tarash_image_capabilities tarimg_caps_ideogram_45 = {
    TARIMG_FIELDS_IDEOGRAM | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK, 8, 5, TARASH_IMAGE_MASK_BLACK, TARIMG_IDEOGRAM_SEEDS,
    "auto," TARIMG_IDEOGRAM_SIZES_1K "," TARIMG_IDEOGRAM_SIZES_2K, 0, 0, 0, 0, 0,
    NULL, "low,medium,high,very_low", NULL, NULL, "png", 0, "png,jpeg,webp", 1};
static const tarash_image_capabilities tarimg_caps_ideogram_4 = {
    TARIMG_FIELDS_IDEOGRAM | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_IMAGES, 8, 1, TARASH_IMAGE_MASK_NONE, TARIMG_IDEOGRAM_SEEDS,
    TARIMG_IDEOGRAM_SIZES_2K, 0, 0, 0, 0, 0,
    NULL, "turbo,default,quality", NULL, NULL, "png", 0, "png,jpeg,webp", 0};
static const tarash_image_capabilities tarimg_caps_ideogram_4_transparent = {
    TARIMG_FIELDS_IDEOGRAM | TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_BACKGROUND, 8, 0, TARASH_IMAGE_MASK_NONE, TARIMG_IDEOGRAM_SEEDS,
    NULL, 0, 0, 0, 0, 0,
    "1:4,4:1," TARIMG_IDEOGRAM_RATIOS, "turbo,default,quality", NULL, "transparent", "png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_ideogram_3_transparent = {
    TARIMG_FIELDS_IDEOGRAM | TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_BACKGROUND | TARASH_IMAGE_FIELD_NEGATIVE_PROMPT, 8, 0, TARASH_IMAGE_MASK_NONE, TARIMG_IDEOGRAM_SEEDS,
    NULL, 0, 0, 0, 0, 0,
    TARIMG_IDEOGRAM_RATIOS, "turbo,default,quality", NULL, "transparent", "png", 0, NULL, 0};
static const tarash_image_capabilities tarimg_caps_ideogram_3 = {
    TARIMG_FIELDS_IDEOGRAM_3, 8, 11, TARASH_IMAGE_MASK_BLACK, TARIMG_IDEOGRAM_SEEDS,
    TARIMG_IDEOGRAM_SIZES_3, 0, 0, 0, 0, 0,
    TARIMG_IDEOGRAM_RATIOS, "turbo,default,quality", TARIMG_IDEOGRAM_STYLES, NULL, "png", 0, "png,jpeg,webp", 1};
static const tarash_image_capabilities tarimg_caps_ideogram_v4 = {
    (TARIMG_FIELDS_IDEOGRAM | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_IMAGES) & ~(unsigned)(TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED), 0, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    TARIMG_IDEOGRAM_SIZES_2K, 0, 0, 0, 0, 0,
    NULL, "turbo,default,quality", NULL, NULL, "png", 0, "png,jpeg,webp", 0};
static const tarash_image_capabilities tarimg_caps_ideogram_precise = {
    TARIMG_FIELDS_IDEOGRAM | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK, 8, 5, TARASH_IMAGE_MASK_BLACK, TARIMG_IDEOGRAM_SEEDS,
    NULL, 0, 0, 0, 0, 0,
    NULL, "low,medium,high,very_low", NULL, NULL, "png", 0, "png,jpeg,webp", 1};
static const tarash_image_capabilities tarimg_caps_ideogram_reframe = {
    TARIMG_FIELDS_IDEOGRAM | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_ROLES, 8, 11, TARASH_IMAGE_MASK_NONE, TARIMG_IDEOGRAM_SEEDS,
    TARIMG_IDEOGRAM_SIZES_3, 0, 0, 0, 0, 0,
    NULL, "turbo,default,quality", NULL, NULL, "png", 0, "png,jpeg,webp", 0};
static const tarash_image_capabilities tarimg_caps_ideogram_background = {
    TARIMG_FIELDS_IDEOGRAM | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_ROLES, 8, 11, TARASH_IMAGE_MASK_NONE, TARIMG_IDEOGRAM_SEEDS,
    NULL, 0, 0, 0, 0, 0,
    NULL, "turbo,default,quality", NULL, NULL, "png", 0, "png,jpeg,webp", 0};
static const tarash_image_capabilities tarimg_caps_ideogram_tool = {
    TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_OUTPUT_FORMAT, 0, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png", 0, "png,jpeg,webp", 0};
static const tarash_image_capabilities tarimg_caps_ideogram_erase = {
    TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK | TARASH_IMAGE_FIELD_SEED |
        TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_OUTPUT_FORMAT, 0, 1, TARASH_IMAGE_MASK_WHITE, TARIMG_IDEOGRAM_SEEDS,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png", 0, "png,jpeg,webp", 1};
static const tarash_image_capabilities tarimg_caps_ideogram_upscale = {
    TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_OUTPUT |
        TARASH_IMAGE_FIELD_OUTPUT_FORMAT, 0, 1, TARASH_IMAGE_MASK_NONE, TARIMG_IDEOGRAM_SEEDS,
    NULL, 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, "png", 0, "png,jpeg,webp", 0};

/* The first row that matches counts: longer prefixes stand above shorter ones. */
static const tarash_image_model_info tarimg_models[] = {
    {"openai", "gpt-image-2.6-flare", "current", &tarimg_caps_gpt_image_26},
    {"openai", "gpt-image-2.6-sunburst", "current", &tarimg_caps_gpt_image_26},
    {"openai", "gpt-image-2.6*", "current", &tarimg_caps_gpt_image_26},
    {"openai", "gpt-image-2.5-flare", "current", &tarimg_caps_gpt_image_25},
    {"openai", "gpt-image-2.5-sunburst", "current", &tarimg_caps_gpt_image_25},
    {"openai", "gpt-image-2.5*", "current", &tarimg_caps_gpt_image_25},
    {"openai", "gpt-image-2*", "current", &tarimg_caps_gpt_image_2},
    {"openai", "gpt-image-1.5*", "ends 2026-12-01", &tarimg_caps_gpt_image_1},
    {"openai", "gpt-image-1-mini*", "ends 2026-12-01", &tarimg_caps_gpt_image_1},
    {"openai", "gpt-image-1*", "ended 2026-10-23", &tarimg_caps_gpt_image_1},
    {"openai", "chatgpt-image-latest", "ends 2026-12-01", &tarimg_caps_gpt_image_1},
    {"openai", "dall-e-3", "ended 2026-05-12", &tarimg_caps_dall_e_3},
    {"openai", "dall-e-2", "ended 2026-05-12", &tarimg_caps_dall_e_2},
    {"xai", "grok-imagine-image-2.0*", "current", &tarimg_caps_xai_2},
    {"xai", "grok-imagine-image-quality", "ended 2026-11-02", &tarimg_caps_xai_2},
    {"xai", "grok-imagine-image-pro", "ended 2026-05-15", &tarimg_caps_xai_2},
    {"xai", "grok-imagine-image", "current", &tarimg_caps_xai_1},
    {"indoxrouter", "google/*", "current", &tarimg_caps_indox_google},
    {"indoxrouter", "xai/*", "current", &tarimg_caps_indox_xai},
    {"azure_openai", "gpt-image-2.6*", "current", &tarimg_caps_azure_25},
    {"azure_openai", "gpt-image-2.5*", "current", &tarimg_caps_azure_25},
    {"azure_openai", "gpt-image-2*", "current", &tarimg_caps_azure_2},
    {"azure_openai", "gpt-image-1.5*", "ends 2026-12-16", &tarimg_caps_azure_1},
    {"azure_openai", "gpt-image-1-mini*", "ends 2027-04-07", &tarimg_caps_azure_1},
    {"azure_openai", "gpt-image-1*", "ended 2026-10-23", &tarimg_caps_azure_1},
    {"azure_openai", "dall-e-3", "ended 2026-03-04", &tarimg_caps_dall_e_3},
    {"together", "black-forest-labs/FLUX.2*", "current", &tarimg_caps_together},
    {"together", "black-forest-labs/FLUX.1-kontext*", "current", &tarimg_caps_together_kontext},
    {"together", "google/*", "current", &tarimg_caps_together_google},
    {"openrouter", "google/gemini-nano-banana-2.1", "current", &tarimg_caps_openrouter},
    {"google", "gemini-nano-banana-2.1*", "current", &tarimg_caps_gemini},
    {"google", "gemini-3-pro-image-preview", "ended 2026-06-25", &tarimg_caps_gemini_3},
    {"google", "gemini-3-pro-image*", "current", &tarimg_caps_gemini_3},
    {"google", "gemini-3.1-flash-lite-image*", "current", &tarimg_caps_gemini_3},
    {"google", "gemini-3.1-flash-image*", "ended 2026-10-29", &tarimg_caps_gemini},
    {"google", "gemini-2.5-flash-image*", "ended 2026-10-02", &tarimg_caps_gemini_25},
    {"google", "imagen-*", "ended 2026-08-17", &tarimg_caps_imagen},
    {"stability", "sd3.5-large", "current", &tarimg_caps_stability_sd3},
    {"stability", "sd3.5-large-turbo", "current", &tarimg_caps_stability_sd3},
    {"stability", "sd3.5-medium", "current", &tarimg_caps_stability_sd3},
    {"stability", "sd3*", "current", &tarimg_caps_stability_sd3},
    {"stability", "core*", "current", &tarimg_caps_stability_core},
    {"stability", "stable-image-core*", "current", &tarimg_caps_stability_core},
    {"stability", "ultra*", "current", &tarimg_caps_stability_ultra},
    {"stability", "stable-image-ultra*", "current", &tarimg_caps_stability_ultra},
    {"stability", "generate/core", "current", &tarimg_caps_stability_core},
    {"stability", "generate/sd3", "current", &tarimg_caps_stability_sd3},
    {"stability", "edit/inpaint", "current", &tarimg_caps_stability_inpaint},
    {"stability", "generate/ultra", "current", &tarimg_caps_stability_ultra},
    {"stability", "stable-diffusion-xl*", "maintained", &tarimg_caps_stability_sdxl},
    {"stability", "stable-diffusion-*", "maintained", &tarimg_caps_stability_engine},
    TARIMG_BEDROCK_MODEL("stable-image-core*", tarimg_caps_bedrock_text),
    TARIMG_BEDROCK_MODEL("stable-image-ultra*", tarimg_caps_bedrock_text),
    TARIMG_BEDROCK_MODEL("sd3*", tarimg_caps_bedrock_sd3),
    TARIMG_BEDROCK_MODEL("stable-image-inpaint*", tarimg_caps_bedrock_inpaint),
    TARIMG_BEDROCK_MODEL("stable-image-erase-object*", tarimg_caps_bedrock_erase),
    TARIMG_BEDROCK_MODEL("stable-outpaint*", tarimg_caps_bedrock_outpaint),
    TARIMG_BEDROCK_MODEL("stable-image-search-replace*", tarimg_caps_bedrock_styled),
    TARIMG_BEDROCK_MODEL("stable-image-search-recolor*", tarimg_caps_bedrock_styled),
    TARIMG_BEDROCK_MODEL("stable-image-remove-background*", tarimg_caps_bedrock_cutout),
    TARIMG_BEDROCK_MODEL("stable-image-control-sketch*", tarimg_caps_bedrock_styled),
    TARIMG_BEDROCK_MODEL("stable-image-control-structure*", tarimg_caps_bedrock_styled),
    TARIMG_BEDROCK_MODEL("stable-image-style-guide*", tarimg_caps_bedrock_guided),
    TARIMG_BEDROCK_MODEL("stable-style-transfer*", tarimg_caps_bedrock_transfer),
    TARIMG_BEDROCK_MODEL("stable-fast-upscale*", tarimg_caps_bedrock_plain),
    TARIMG_BEDROCK_MODEL("stable-conservative-upscale*", tarimg_caps_bedrock_wordy),
    TARIMG_BEDROCK_MODEL("stable-creative-upscale*", tarimg_caps_bedrock_styled),
    {"replicate", "black-forest-labs/flux-schnell*", "current", &tarimg_caps_flux_schnell},
    {"replicate", "black-forest-labs/flux-dev*", "current", &tarimg_caps_flux_dev},
    {"replicate", "black-forest-labs/flux-1.1-pro-ultra*", "current", &tarimg_caps_flux_11_ultra},
    {"replicate", "black-forest-labs/flux-1.1-pro*", "current", &tarimg_caps_flux_11_pro},
    {"replicate", "black-forest-labs/flux-kontext-*", "current", &tarimg_caps_flux_kontext},
    {"replicate", "black-forest-labs/flux-fill-*", "current", &tarimg_caps_flux_fill},
    {"replicate", "black-forest-labs/flux-2-flex*", "current", &tarimg_caps_flux_2_flex},
    {"replicate", "black-forest-labs/flux-2-dev*", "current", &tarimg_caps_flux_2_dev},
    {"replicate", "black-forest-labs/flux-2-*", "current", &tarimg_caps_flux_2_pro},
    {"replicate", "black-forest-labs/flux-3-image*", "current", &tarimg_caps_flux_3},
    {"replicate", "stability-ai/stable-diffusion-3.5-large-turbo*", "current", &tarimg_caps_sd_35_turbo},
    {"replicate", "stability-ai/stable-diffusion-3.5-*", "current", &tarimg_caps_sd_35},
    {"replicate", "stability-ai/sdxl*", "current", &tarimg_caps_sdxl},
    {"replicate", "recraft-ai/recraft-v3", "current", &tarimg_caps_replicate_recraft_3},
    {"replicate", "recraft-ai/recraft-v4", "current", &tarimg_caps_replicate_recraft_4},
    {"replicate", "ideogram-ai/ideogram-v3-*", "current", &tarimg_caps_replicate_ideogram_3},
    {"replicate", "ideogram-ai/ideogram-4-5*", "current", &tarimg_caps_replicate_ideogram_4},
    {"replicate", "google/nano-banana-*", "current", &tarimg_caps_replicate_banana_pro},
    {"replicate", "google/nano-banana*", "current", &tarimg_caps_replicate_banana},
    {"replicate", "google/imagen-4*", "ended 2026-08-17", &tarimg_caps_replicate_imagen},
    {"replicate", "bytedance/seedream-4.5*", "current", &tarimg_caps_replicate_seedream_45},
    {"replicate", "bytedance/seedream-4*", "current", &tarimg_caps_replicate_seedream_4},
    {"replicate", "qwen/qwen-image*", "current", &tarimg_caps_replicate_qwen},
    {"replicate", "openai/gpt-image-1.5*", "ends 2026-12-01", &tarimg_caps_replicate_gpt_image},
    {"replicate", "openai/gpt-image-1*", "ended 2026-10-23", &tarimg_caps_replicate_gpt_image},
    {"replicate", "openai/gpt-image-*", "current", &tarimg_caps_replicate_gpt_image},
    {"luma", "photon-flash-1", "current", &tarimg_caps_luma},
    {"luma", "photon-1", "current", &tarimg_caps_luma},
    {"fal", "fal-ai/flux/dev", "current", &tarimg_caps_fal_flux},
    {"fal", "fal-ai/flux/schnell", "current", &tarimg_caps_fal_flux},
    {"fal", "fal-ai/flux/krea", "current", &tarimg_caps_fal_flux},
    {"fal", "fal-ai/flux/srpo", "current", &tarimg_caps_fal_flux},
    {"fal", "fal-ai/flux-1/dev", "current", &tarimg_caps_fal_flux},
    {"fal", "fal-ai/flux-1/schnell", "current", &tarimg_caps_fal_flux},
    {"fal", "fal-ai/flux-pro/v1.1", "current", &tarimg_caps_fal_flux},
    {"fal", "fal-ai/flux/dev/image-to-image", "current", &tarimg_caps_fal_flux_image},
    {"fal", "fal-ai/flux-1/dev/image-to-image", "current", &tarimg_caps_fal_flux_image},
    {"fal", "fal-ai/flux-1/dev/redux", "current", &tarimg_caps_fal_flux_redux},
    {"fal", "fal-ai/flux-pro/v1.1-ultra", "current", &tarimg_caps_fal_flux_ultra},
    {"fal", "fal-ai/flux-pro/kontext", "current", &tarimg_caps_fal_flux_kontext},
    {"fal", "fal-ai/flux-pro/kontext/max", "current", &tarimg_caps_fal_flux_kontext},
    {"fal", "fal-ai/flux-pro/kontext/multi", "current", &tarimg_caps_fal_flux_kontext_multi},
    {"fal", "fal-ai/flux-pro/kontext/max/multi", "current", &tarimg_caps_fal_flux_kontext_multi},
    {"fal", "fal-ai/flux-pro/kontext/text-to-image", "current", &tarimg_caps_fal_flux_kontext_text},
    {"fal", "fal-ai/flux-pro/kontext/max/text-to-image", "current", &tarimg_caps_fal_flux_kontext_text},
    {"fal", "fal-ai/flux-kontext/dev", "current", &tarimg_caps_fal_flux_kontext_dev},
    {"fal", "fal-ai/flux-pro/v1/fill", "current", &tarimg_caps_fal_flux_fill},
    {"fal", "fal-ai/flux-2", "current", &tarimg_caps_fal_flux_2},
    {"fal", "fal-ai/flux-2/turbo", "current", &tarimg_caps_fal_flux_2},
    {"fal", "fal-ai/flux-2/flash", "current", &tarimg_caps_fal_flux_2},
    {"fal", "fal-ai/flux-2/edit", "current", &tarimg_caps_fal_flux_2_edit},
    {"fal", "fal-ai/flux-2/turbo/edit", "current", &tarimg_caps_fal_flux_2_edit},
    {"fal", "fal-ai/flux-2/flash/edit", "current", &tarimg_caps_fal_flux_2_edit},
    {"fal", "fal-ai/flux-2/klein/9b/edit", "current", &tarimg_caps_fal_flux_2_edit},
    {"fal", "fal-ai/flux-2/klein/4b/edit", "current", &tarimg_caps_fal_flux_2_edit},
    {"fal", "fal-ai/flux-2/klein/9b", "current", &tarimg_caps_fal_flux_2_klein},
    {"fal", "fal-ai/flux-2-pro", "current", &tarimg_caps_fal_flux_2_pro},
    {"fal", "fal-ai/flux-2-max", "current", &tarimg_caps_fal_flux_2_pro},
    {"fal", "fal-ai/flux-2-flex", "current", &tarimg_caps_fal_flux_2_pro},
    {"fal", "fal-ai/flux-2-pro/edit", "current", &tarimg_caps_fal_flux_2_pro_edit},
    {"fal", "fal-ai/flux-2-max/edit", "current", &tarimg_caps_fal_flux_2_pro_edit},
    {"fal", "fal-ai/flux-2-flex/edit", "current", &tarimg_caps_fal_flux_2_pro_edit},
    {"fal", "fal-ai/flux-2-pro/outpaint", "current", &tarimg_caps_fal_flux_2_outpaint},
    {"fal", "blackforestlabs/flux-3/text-to-image", "current", &tarimg_caps_fal_flux_3},
    {"fal", "fal-ai/stable-diffusion-v35-large", "current", &tarimg_caps_fal_sd_35},
    {"fal", "fal-ai/stable-diffusion-v35-medium", "current", &tarimg_caps_fal_sd_35},
    {"fal", "fal-ai/fast-sdxl", "current", &tarimg_caps_fal_sdxl},
    {"fal", "fal-ai/fast-sdxl/image-to-image", "current", &tarimg_caps_fal_sdxl_image},
    {"fal", "fal-ai/fast-sdxl/inpainting", "current", &tarimg_caps_fal_sdxl_inpaint},
    {"fal", "fal-ai/recraft/v3/text-to-image", "current", &tarimg_caps_fal_recraft},
    {"fal", "fal-ai/recraft/v3/image-to-image", "current", &tarimg_caps_fal_recraft_image},
    {"fal", "fal-ai/recraft/v4/text-to-image", "current", &tarimg_caps_fal_recraft_4},
    {"fal", "fal-ai/recraft/v4/pro/text-to-image", "current", &tarimg_caps_fal_recraft_4},
    {"fal", "fal-ai/nano-banana", "current", &tarimg_caps_fal_banana},
    {"fal", "fal-ai/gemini-25-flash-image", "current", &tarimg_caps_fal_banana},
    {"fal", "fal-ai/nano-banana/edit", "current", &tarimg_caps_fal_banana_edit},
    {"fal", "fal-ai/gemini-25-flash-image/edit", "current", &tarimg_caps_fal_banana_edit},
    {"fal", "fal-ai/nano-banana-pro", "current", &tarimg_caps_fal_banana_pro},
    {"fal", "fal-ai/gemini-3-pro-image-preview", "current", &tarimg_caps_fal_banana_pro},
    {"fal", "fal-ai/nano-banana-pro/edit", "current", &tarimg_caps_fal_banana_pro_edit},
    {"fal", "fal-ai/gemini-3-pro-image-preview/edit", "current", &tarimg_caps_fal_banana_pro_edit},
    {"fal", "fal-ai/nano-banana-2", "current", &tarimg_caps_fal_banana_2},
    {"fal", "fal-ai/gemini-3.1-flash-image-preview", "current", &tarimg_caps_fal_banana_2},
    {"fal", "fal-ai/nano-banana-2/edit", "current", &tarimg_caps_fal_banana_2_edit},
    {"fal", "fal-ai/gemini-3.1-flash-image-preview/edit", "current", &tarimg_caps_fal_banana_2_edit},
    {"fal", "fal-ai/imagen4/preview", "ended 2026-08-17", &tarimg_caps_fal_imagen_4},
    {"fal", "fal-ai/imagen4/preview/ultra", "ended 2026-08-17", &tarimg_caps_fal_imagen_4},
    {"fal", "fal-ai/gpt-image-2", "current", &tarimg_caps_fal_gpt_image},
    {"fal", "fal-ai/gpt-image-1.5", "ends 2026-12-01", &tarimg_caps_fal_gpt_image},
    {"fal", "fal-ai/gpt-image-1-mini", "ends 2026-12-01", &tarimg_caps_fal_gpt_image},
    {"fal", "fal-ai/gpt-image-2/edit", "current", &tarimg_caps_fal_gpt_image_edit},
    {"fal", "fal-ai/gpt-image-1.5/edit", "ends 2026-12-01", &tarimg_caps_fal_gpt_image_edit},
    {"fal", "fal-ai/gpt-image-1-mini/edit", "ends 2026-12-01", &tarimg_caps_fal_gpt_image_mini_edit},
    {"fal", "fal-ai/bytedance/seedream/v4/text-to-image", "current", &tarimg_caps_fal_seedream_4},
    {"fal", "fal-ai/bytedance/seedream/v4/edit", "current", &tarimg_caps_fal_seedream_4_edit},
    {"fal", "fal-ai/bytedance/seedream/v4.5/text-to-image", "current", &tarimg_caps_fal_seedream_45},
    {"fal", "fal-ai/bytedance/seedream/v4.5/edit", "current", &tarimg_caps_fal_seedream_45_edit},
    {"fal", "fal-ai/bytedance/seedream/v5/lite/text-to-image", "current", &tarimg_caps_fal_seedream_5},
    {"fal", "fal-ai/bytedance/seedream/v5/lite/edit", "current", &tarimg_caps_fal_seedream_5_edit},
    {"fal", "fal-ai/ideogram/v3", "current", &tarimg_caps_fal_ideogram},
    {"fal", "fal-ai/ideogram/v3/remix", "current", &tarimg_caps_fal_ideogram_remix},
    {"fal", "fal-ai/ideogram/v3/reframe", "current", &tarimg_caps_fal_ideogram_reframe},
    {"fal", "fal-ai/ideogram/v3/edit", "current", &tarimg_caps_fal_ideogram_edit},
    {"fal", "ideogram/v4.6", "current", &tarimg_caps_fal_ideogram_46},
    {"fal", "fal-ai/qwen-image", "current", &tarimg_caps_fal_qwen},
    {"fal", "fal-ai/qwen-image/image-to-image", "current", &tarimg_caps_fal_qwen_image},
    {"fal", "fal-ai/qwen-image-edit", "current", &tarimg_caps_fal_qwen_image},
    {"fal", "fal-ai/qwen-image-edit/inpaint", "current", &tarimg_caps_fal_qwen_inpaint},
    {"fal", "fal-ai/qwen-image-2/text-to-image", "current", &tarimg_caps_fal_qwen_2},
    {"fal", "fal-ai/qwen-image-2/pro/text-to-image", "current", &tarimg_caps_fal_qwen_2},
    {"fal", "fal-ai/qwen-image-max/text-to-image", "current", &tarimg_caps_fal_qwen_2},
    {"fal", "fal-ai/qwen-image-2/edit", "current", &tarimg_caps_fal_qwen_2_edit},
    {"fal", "fal-ai/qwen-image-2/pro/edit", "current", &tarimg_caps_fal_qwen_2_edit},
    {"fal", "fal-ai/qwen-image-max/edit", "current", &tarimg_caps_fal_qwen_2_edit},
    {"fal", "fal-ai/qwen-image-edit-2511", "current", &tarimg_caps_fal_qwen_2_edit},
    {"fal", "fal-ai/qwen-image-edit-2509", "current", &tarimg_caps_fal_qwen_2_edit},
    {"fal", "fal-ai/z-image/turbo", "current", &tarimg_caps_fal_z_image},
    {"fal", "fal-ai/z-image/turbo/image-to-image", "current", &tarimg_caps_fal_z_image_image},
    {"fal", "fal-ai/z-image/turbo/inpaint", "current", &tarimg_caps_fal_z_image_inpaint},
    {"fal", "xai/grok-imagine-image", "current", &tarimg_caps_fal_grok},
    {"fal", "xai/grok-imagine-image/edit", "current", &tarimg_caps_fal_grok_edit},
    {"fal", "fal-ai/luma-photon", "current", &tarimg_caps_fal_photon},
    {"fal", "fal-ai/luma-photon/flash", "current", &tarimg_caps_fal_photon},
    {"fal", "fal-ai/luma-photon/modify", "current", &tarimg_caps_fal_photon_image},
    {"fal", "fal-ai/luma-photon/flash/modify", "current", &tarimg_caps_fal_photon_image},
    {"fal", "fal-ai/bria/background/replace", "current", &tarimg_caps_fal_background},
    {"fal", "fal-ai/bria/eraser", "current", &tarimg_caps_fal_eraser},
    {"fal", "fal-ai/birefnet/v2", "current", &tarimg_caps_fal_birefnet},
    {"fal", "fal-ai/birefnet", "current", &tarimg_caps_fal_birefnet},
    {"fal", "fal-ai/esrgan", "current", &tarimg_caps_fal_esrgan},
    {"fal", "fal-ai/clarity-upscaler", "current", &tarimg_caps_fal_clarity},
    {"fal", "fal-ai/aura-sr", "current", &tarimg_caps_fal_tool},
    {"fal", "fal-ai/recraft/upscale/crisp", "current", &tarimg_caps_fal_tool},
    {"fal", "fal-ai/recraft/upscale/creative", "current", &tarimg_caps_fal_tool},
    {"fal", "fal-ai/recraft/vectorize", "current", &tarimg_caps_fal_tool},
    {"fal", "fal-ai/bria/background/remove", "current", &tarimg_caps_fal_tool},
    {"fal", "fal-ai/imageutils/rembg", "current", &tarimg_caps_fal_tool},
    {"fal", "fal-ai/nafnet/deblur", "current", &tarimg_caps_fal_deblur},
    {"fal", "fal-ai/iclight-v2", "current", &tarimg_caps_fal_relight},
    {"runway", "gen4_image", "current", &tarimg_caps_runway_gen4},
    {"runway", "gen4_image_turbo", "current", &tarimg_caps_runway_gen4},
    {"runway", "gemini_2.5_flash", "current", &tarimg_caps_runway_gemini_25},
    {"runway", "gemini_image3_pro", "current", &tarimg_caps_runway_gemini_3_pro},
    {"runway", "gemini_image3.1_flash", "current", &tarimg_caps_runway_gemini_31_flash},
    {"runway", "gpt_image_2", "current", &tarimg_caps_runway_gpt_2},
    {"runway", "gpt_image_2_5_flare", "current", &tarimg_caps_runway_gpt_25_flare},
    {"runway", "gpt_image_2_5_sunburst", "current", &tarimg_caps_runway_gpt_25},
    {"runway", "seedream5_pro", "current", &tarimg_caps_runway_seedream_pro},
    {"runway", "seedream5_lite", "current", &tarimg_caps_runway_seedream_lite},
    {"runway", "grok_imagine_image_2", "current", &tarimg_caps_runway_grok},
    {"runway", "muse_image", "current", &tarimg_caps_runway_muse},
    {"runway", "magnific_precision_upscaler_v2", "current", &tarimg_caps_runway_upscaler},
    {"bfl", "flux-3-image", "current", &tarimg_caps_bfl_flux_3},
    {"bfl", "flux-3-image-klein", "current", &tarimg_caps_bfl_flux_3_klein},
    {"bfl", "flux-2-klein-4b", "current", &tarimg_caps_bfl_flux_2_klein},
    {"bfl", "flux-2-klein-9b", "current", &tarimg_caps_bfl_flux_2_klein},
    {"bfl", "flux-2-klein-9b-preview", "current", &tarimg_caps_bfl_flux_2_klein},
    {"bfl", "flux-2-klein*", "current", &tarimg_caps_bfl_flux_2_klein},
    {"bfl", "flux-2-pro", "current", &tarimg_caps_bfl_flux_2},
    {"bfl", "flux-2-pro-preview", "current", &tarimg_caps_bfl_flux_2},
    {"bfl", "flux-2-max", "current", &tarimg_caps_bfl_flux_2},
    {"bfl", "flux-2-flex", "current", &tarimg_caps_bfl_flux_2},
    {"bfl", "flux-kontext-pro", "current", &tarimg_caps_bfl_kontext},
    {"bfl", "flux-kontext-max", "current", &tarimg_caps_bfl_kontext},
    {"bfl", "flux-pro-1.1-ultra*", "current", &tarimg_caps_bfl_ultra},
    {"bfl", "flux-pro-1.1", "current", &tarimg_caps_bfl_flux_1},
    {"bfl", "flux-dev", "current", &tarimg_caps_bfl_flux_1},
    {"bfl", "flux-pro-1.0-fill*", "current", &tarimg_caps_bfl_fill},
    {"bfl", "flux-pro-1.0-expand", "current", &tarimg_caps_bfl_tool},
    {"bfl", "flux-tools/outpainting-v1", "current", &tarimg_caps_bfl_outpainting},
    {"bfl", "flux-tools/erase-v1", "current", &tarimg_caps_bfl_fill},
    {"bfl", "flux-tools/deblur-v1", "current", &tarimg_caps_bfl_tool},
    {"bfl", "flux-tools/vto-v1", "current", &tarimg_caps_bfl_try_on},
    {"recraft", "recraftv4_1_pro_vector", "current", &tarimg_caps_recraft_v4_vector},
    {"recraft", "recraftv4_1_pro", "current", &tarimg_caps_recraft_v4_pro},
    {"recraft", "recraftv4_1_pro*", "current", &tarimg_caps_recraft_v4_pro},
    {"recraft", "recraftv4_1_utility_pro_vector", "current", &tarimg_caps_recraft_v4_vector},
    {"recraft", "recraftv4_1_utility_pro", "current", &tarimg_caps_recraft_v4_pro},
    {"recraft", "recraftv4_1_utility_pro*", "current", &tarimg_caps_recraft_v4_pro},
    {"recraft", "recraftv4_1_utility_vector", "current", &tarimg_caps_recraft_v4_vector},
    {"recraft", "recraftv4_1_utility", "current", &tarimg_caps_recraft_v4},
    {"recraft", "recraftv4_1_flash", "current", &tarimg_caps_recraft_v4},
    {"recraft", "recraftv4_1_vector", "current", &tarimg_caps_recraft_v4_vector},
    {"recraft", "recraftv4_1", "current", &tarimg_caps_recraft_v4},
    {"recraft", "recraftv4_1*", "current", &tarimg_caps_recraft_v4},
    {"recraft", "recraftv4_styles_pro_vector", "current", &tarimg_caps_recraft_styles_vector},
    {"recraft", "recraftv4_styles_pro", "current", &tarimg_caps_recraft_styles_pro},
    {"recraft", "recraftv4_styles_pro*", "current", &tarimg_caps_recraft_styles_pro},
    {"recraft", "recraftv4_styles_vector", "current", &tarimg_caps_recraft_styles_vector},
    {"recraft", "recraftv4_styles", "current", &tarimg_caps_recraft_styles},
    {"recraft", "recraftv4_styles*", "current", &tarimg_caps_recraft_styles},
    {"recraft", "recraftv4_pro_vector", "current", &tarimg_caps_recraft_v4_vector},
    {"recraft", "recraftv4_pro", "current", &tarimg_caps_recraft_v4_pro},
    {"recraft", "recraftv4_pro*", "current", &tarimg_caps_recraft_v4_pro},
    {"recraft", "recraftv4_vector", "current", &tarimg_caps_recraft_v4_vector},
    {"recraft", "recraftv4", "current", &tarimg_caps_recraft_v4},
    {"recraft", "recraftv4_raster", "current", &tarimg_caps_recraft_v4},
    {"recraft", "recraftv3_vector", "current", &tarimg_caps_recraft_v3_vector},
    {"recraft", "recraftv3", "current", &tarimg_caps_recraft_v3},
    {"recraft", "recraftv3*", "current", &tarimg_caps_recraft_v3},
    {"recraft", "recraftv2_vector", "current", &tarimg_caps_recraft_v2_vector},
    {"recraft", "recraftv2", "current", &tarimg_caps_recraft_v2},
    {"recraft", "recraftv2*", "current", &tarimg_caps_recraft_v2},
    {"ideogram", "ideogram-4-6*", "current", &tarimg_caps_ideogram_46},
    {"ideogram", "ideogram-4-5*", "current", &tarimg_caps_ideogram_45},
    {"ideogram", "ideogram-4-transparent", "current", &tarimg_caps_ideogram_4_transparent},
    {"ideogram", "ideogram-4", "current", &tarimg_caps_ideogram_4},
    {"ideogram", "ideogram-3-transparent", "current", &tarimg_caps_ideogram_3_transparent},
    {"ideogram", "ideogram-3*", "current", &tarimg_caps_ideogram_3},
    {"ideogram", "ideogram-v4", "current", &tarimg_caps_ideogram_v4},
    {"ideogram", "ideogram-v3", "current", &tarimg_caps_ideogram_3},
};

#if defined(TARASH_IMAGE_NO_OPENAI)
#define TARIMG_OPENAI 0, NULL
#else
#define TARIMG_OPENAI 1, &tarimg_openai_adapter
#endif
#if defined(TARASH_IMAGE_NO_OPENAI_COMPATIBLE)
#define TARIMG_OPENAI_COMPATIBLE 0, NULL
#else
#define TARIMG_OPENAI_COMPATIBLE 1, &tarimg_compatible_adapter
#endif
#if defined(TARASH_IMAGE_NO_INDOXROUTER)
#define TARIMG_INDOXROUTER 0, NULL
#else
#define TARIMG_INDOXROUTER 1, &tarimg_indoxrouter_adapter
#endif
#if defined(TARASH_IMAGE_NO_ATOMA)
#define TARIMG_ATOMA 0, NULL
#else
#define TARIMG_ATOMA 1, &tarimg_atoma_adapter
#endif
#if defined(TARASH_IMAGE_NO_XAI)
#define TARIMG_XAI 0, NULL
#else
#define TARIMG_XAI 1, &tarimg_xai_adapter
#endif
#if defined(TARASH_IMAGE_NO_AZURE_OPENAI)
#define TARIMG_AZURE_OPENAI 0, NULL
#else
#define TARIMG_AZURE_OPENAI 1, &tarimg_azure_adapter
#endif
#if defined(TARASH_IMAGE_NO_TOGETHER)
#define TARIMG_TOGETHER 0, NULL
#else
#define TARIMG_TOGETHER 1, &tarimg_together_adapter
#endif
#if defined(TARASH_IMAGE_NO_OPENROUTER)
#define TARIMG_OPENROUTER 0, NULL
#else
#define TARIMG_OPENROUTER 1, &tarimg_openrouter_adapter
#endif
#if defined(TARASH_IMAGE_NO_GOOGLE)
#define TARIMG_GOOGLE 0, NULL
#else
#define TARIMG_GOOGLE 1, &tarimg_google_adapter
#endif
#if defined(TARASH_IMAGE_NO_AUTOMATIC1111)
#define TARIMG_AUTOMATIC1111 0, NULL
#else
#define TARIMG_AUTOMATIC1111 1, &tarimg_automatic1111_adapter
#endif
#if defined(TARASH_IMAGE_NO_STABILITY)
#define TARIMG_STABILITY 0, NULL
#else
#define TARIMG_STABILITY 1, &tarimg_stability_adapter
#endif
#if defined(TARASH_IMAGE_NO_BEDROCK)
#define TARIMG_BEDROCK 0, NULL
#else
#define TARIMG_BEDROCK 1, &tarimg_bedrock_adapter
#endif
#if defined(TARASH_IMAGE_NO_REPLICATE)
#define TARIMG_REPLICATE 0, NULL
#else
#define TARIMG_REPLICATE 1, &tarimg_replicate_adapter
#endif
#if defined(TARASH_IMAGE_NO_LUMA)
#define TARIMG_LUMA 0, NULL
#else
#define TARIMG_LUMA 1, &tarimg_luma_adapter
#endif
#if defined(TARASH_IMAGE_NO_FAL)
#define TARIMG_FAL 0, NULL
#else
#define TARIMG_FAL 1, &tarimg_fal_adapter
#endif
#if defined(TARASH_IMAGE_NO_HUGGINGFACE)
#define TARIMG_HUGGINGFACE 0, NULL
#else
#define TARIMG_HUGGINGFACE 1, &tarimg_hf_adapter
#endif
#if defined(TARASH_IMAGE_NO_RUNWAY)
#define TARIMG_RUNWAY 0, NULL
#else
#define TARIMG_RUNWAY 1, &tarimg_runway_adapter
#endif
#if defined(TARASH_IMAGE_NO_BFL)
#define TARIMG_BFL 0, NULL
#else
#define TARIMG_BFL 1, &tarimg_bfl_adapter
#endif
#if defined(TARASH_IMAGE_NO_RECRAFT)
#define TARIMG_RECRAFT 0, NULL
#else
#define TARIMG_RECRAFT 1, &tarimg_recraft_adapter
#endif
#if defined(TARASH_IMAGE_NO_IDEOGRAM)
#define TARIMG_IDEOGRAM 0, NULL
#else
#define TARIMG_IDEOGRAM 1, &tarimg_ideogram_adapter
#endif
#if defined(TARASH_IMAGE_NO_MOCK)
#define TARIMG_MOCK 0, NULL
#else
#define TARIMG_MOCK 1, &tarimg_mock_adapter
#endif

#define TARIMG_TAKES_PROMPT TARASH_IMAGE_OPERATION_TAKES_PROMPT
#define TARIMG_NEEDS_PROMPT (TARASH_IMAGE_OPERATION_TAKES_PROMPT | TARASH_IMAGE_OPERATION_NEEDS_PROMPT)
#define TARIMG_TAKES_IMAGES TARASH_IMAGE_OPERATION_TAKES_IMAGES
#define TARIMG_NEEDS_IMAGE  (TARASH_IMAGE_OPERATION_TAKES_IMAGES | TARASH_IMAGE_OPERATION_NEEDS_IMAGE)
#define TARIMG_TAKES_MASK   TARASH_IMAGE_OPERATION_TAKES_MASK
#define TARIMG_NEEDS_MASK   (TARASH_IMAGE_OPERATION_TAKES_MASK | TARASH_IMAGE_OPERATION_NEEDS_MASK)

static const tarash_image_capabilities tarimg_caps_variation = {
    TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_USER |
        TARASH_IMAGE_FIELD_IMAGES,
    10, 1, TARASH_IMAGE_MASK_NONE, 0, 0,
    "256x256,512x512,1024x1024", 0, 0, 0, 0, 0,
    NULL, NULL, NULL, NULL, NULL, 0, NULL, 0};

/* provider, operation, the provider's call, what it takes, capabilities if not the model's */
static const tarash_image_operation_info tarimg_operations[] = {
    {"openai", "generate", "images/generations", TARIMG_NEEDS_PROMPT, NULL},
    {"openai", "edit", "images/edits", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_TAKES_MASK, NULL},
    {"openai", "variation", "images/variations", TARIMG_NEEDS_IMAGE, &tarimg_caps_variation},
    {"openai_compatible", "generate", "images/generations", TARIMG_NEEDS_PROMPT, NULL},
    {"openai_compatible", "edit", "images/edits", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_TAKES_MASK, NULL},
    {"openai_compatible", "variation", "images/variations", TARIMG_NEEDS_IMAGE, &tarimg_caps_variation},
    {"indoxrouter", "generate", "api/v1/images/generations", TARIMG_NEEDS_PROMPT, NULL},
    {"atoma", "generate", "v1/images/generations", TARIMG_NEEDS_PROMPT, NULL},
    {"xai", "generate", "images/generations", TARIMG_NEEDS_PROMPT, NULL},
    {"xai", "edit", "images/edits", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"azure_openai", "generate", "images/generations", TARIMG_NEEDS_PROMPT, NULL},
    {"azure_openai", "edit", "images/edits", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_TAKES_MASK, NULL},
    {"together", "generate", "images/generations", TARIMG_NEEDS_PROMPT, NULL},
    {"together", "edit", "images/generations", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"openrouter", "generate", "images", TARIMG_NEEDS_PROMPT, NULL},
    {"openrouter", "edit", "images", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"google", "generate", "generateContent", TARIMG_NEEDS_PROMPT, NULL},
    {"google", "edit", "generateContent", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"automatic1111", "generate", "sdapi/v1/txt2img", TARIMG_NEEDS_PROMPT, NULL},
    {"automatic1111", "edit", "sdapi/v1/img2img", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_TAKES_MASK, NULL},
    {"automatic1111", "image_to_image", "sdapi/v1/img2img", TARIMG_TAKES_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"automatic1111", "inpaint", "sdapi/v1/img2img", TARIMG_TAKES_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_NEEDS_MASK, NULL},
    {"automatic1111", "upscale", "sdapi/v1/extra-single-image", TARIMG_NEEDS_IMAGE, &tarimg_caps_automatic1111_upscale},
    {"stability", "generate", "generate", TARIMG_NEEDS_PROMPT, NULL},
    {"stability", "edit", "generate", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_TAKES_MASK, NULL},
    {"stability", "image_to_image", "generate", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"stability", "inpaint", "edit/inpaint", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_TAKES_MASK, &tarimg_caps_stability_inpaint},
    {"stability", "erase", "edit/erase", TARIMG_NEEDS_IMAGE | TARIMG_TAKES_MASK, &tarimg_caps_stability_erase},
    {"stability", "outpaint", "edit/outpaint", TARIMG_TAKES_PROMPT | TARIMG_NEEDS_IMAGE, &tarimg_caps_stability_outpaint},
    {"stability", "search_and_replace", "edit/search-and-replace", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, &tarimg_caps_stability_styled},
    {"stability", "search_and_recolor", "edit/search-and-recolor", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, &tarimg_caps_stability_styled},
    {"stability", "remove_background", "edit/remove-background", TARIMG_NEEDS_IMAGE, &tarimg_caps_stability_cutout},
    {"stability", "replace_background", "edit/replace-background-and-relight", TARIMG_TAKES_PROMPT | TARIMG_NEEDS_IMAGE, &tarimg_caps_stability_relit},
    {"stability", "relight", "edit/replace-background-and-relight", TARIMG_TAKES_PROMPT | TARIMG_NEEDS_IMAGE, &tarimg_caps_stability_relit},
    {"stability", "sketch", "control/sketch", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, &tarimg_caps_stability_styled},
    {"stability", "structure", "control/structure", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, &tarimg_caps_stability_styled},
    {"stability", "style", "control/style", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, &tarimg_caps_stability_guided},
    {"stability", "style_transfer", "control/style-transfer", TARIMG_TAKES_PROMPT | TARIMG_NEEDS_IMAGE, &tarimg_caps_stability_transfer},
    {"stability", "upscale", "upscale/fast", TARIMG_NEEDS_IMAGE, &tarimg_caps_stability_plain},
    {"stability", "upscale_fast", "upscale/fast", TARIMG_NEEDS_IMAGE, &tarimg_caps_stability_plain},
    {"stability", "upscale_conservative", "upscale/conservative", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, &tarimg_caps_stability_wordy},
    {"stability", "upscale_creative", "upscale/creative", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, &tarimg_caps_stability_styled},
    {"bedrock", "generate", "generate", TARIMG_NEEDS_PROMPT, NULL},
    {"bedrock", "edit", "generate", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_TAKES_MASK, NULL},
    {"bedrock", "image_to_image", "generate", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"bedrock", "inpaint", "us.stability.stable-image-inpaint-v1:0", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_TAKES_MASK, NULL},
    {"bedrock", "erase", "us.stability.stable-image-erase-object-v1:0", TARIMG_NEEDS_IMAGE | TARIMG_TAKES_MASK, NULL},
    {"bedrock", "outpaint", "us.stability.stable-outpaint-v1:0", TARIMG_TAKES_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"bedrock", "search_and_replace", "us.stability.stable-image-search-replace-v1:0", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"bedrock", "search_and_recolor", "us.stability.stable-image-search-recolor-v1:0", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"bedrock", "remove_background", "us.stability.stable-image-remove-background-v1:0", TARIMG_NEEDS_IMAGE, NULL},
    {"bedrock", "sketch", "us.stability.stable-image-control-sketch-v1:0", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"bedrock", "structure", "us.stability.stable-image-control-structure-v1:0", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"bedrock", "style", "us.stability.stable-image-style-guide-v1:0", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"bedrock", "style_transfer", "us.stability.stable-style-transfer-v1:0", TARIMG_TAKES_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"bedrock", "upscale", "us.stability.stable-fast-upscale-v1:0", TARIMG_NEEDS_IMAGE, NULL},
    {"bedrock", "upscale_fast", "us.stability.stable-fast-upscale-v1:0", TARIMG_NEEDS_IMAGE, NULL},
    {"bedrock", "upscale_conservative", "us.stability.stable-conservative-upscale-v1:0", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"bedrock", "upscale_creative", "us.stability.stable-creative-upscale-v1:0", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"replicate", "generate", "predictions", TARIMG_NEEDS_PROMPT, NULL},
    {"replicate", "edit", "predictions", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_TAKES_MASK, NULL},
    {"replicate", "inpaint", "predictions", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_NEEDS_MASK, NULL},
    {"replicate", "upscale", "predictions", TARIMG_TAKES_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"replicate", "remove_background", "predictions", TARIMG_TAKES_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"luma", "generate", "generations/image", TARIMG_NEEDS_PROMPT | TARIMG_TAKES_IMAGES, NULL},
    {"luma", "edit", "generations/image", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, &tarimg_caps_luma_single},
    {"luma", "reframe", "generations/image/reframe", TARIMG_TAKES_PROMPT | TARIMG_NEEDS_IMAGE, &tarimg_caps_luma_single},
    {"fal", "generate", "fal-ai/flux-2", TARIMG_NEEDS_PROMPT | TARIMG_TAKES_IMAGES | TARIMG_TAKES_MASK, NULL},
    {"fal", "edit", "fal-ai/flux-2/edit", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_TAKES_MASK, NULL},
    {"fal", "image_to_image", "fal-ai/flux/dev/image-to-image", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"fal", "variation", "fal-ai/flux-1/dev/redux", TARIMG_NEEDS_IMAGE, NULL},
    {"fal", "inpaint", TARIMG_FAL_FILL, TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_NEEDS_MASK, NULL},
    {"fal", "outpaint", "fal-ai/flux-2-pro/outpaint", TARIMG_NEEDS_IMAGE, NULL},
    {"fal", "erase", "fal-ai/bria/eraser", TARIMG_NEEDS_IMAGE | TARIMG_NEEDS_MASK, NULL},
    {"fal", "remove_background", "fal-ai/birefnet/v2", TARIMG_NEEDS_IMAGE, NULL},
    {"fal", "replace_background", "fal-ai/bria/background/replace", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"fal", "upscale", "fal-ai/clarity-upscaler", TARIMG_TAKES_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"fal", "upscale_fast", "fal-ai/esrgan", TARIMG_NEEDS_IMAGE, NULL},
    {"fal", "upscale_conservative", "fal-ai/recraft/upscale/crisp", TARIMG_NEEDS_IMAGE, NULL},
    {"fal", "upscale_creative", "fal-ai/recraft/upscale/creative", TARIMG_NEEDS_IMAGE, NULL},
    {"fal", "vectorize", "fal-ai/recraft/vectorize", TARIMG_NEEDS_IMAGE, NULL},
    {"fal", "deblur", "fal-ai/nafnet/deblur", TARIMG_NEEDS_IMAGE, NULL},
    {"fal", "remix", "fal-ai/ideogram/v3/remix", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"fal", "reframe", "fal-ai/ideogram/v3/reframe", TARIMG_NEEDS_IMAGE, NULL},
    {"fal", "relight", "fal-ai/iclight-v2", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_TAKES_MASK, NULL},
    {"huggingface", "generate", "hf-inference", TARIMG_NEEDS_PROMPT | TARIMG_TAKES_IMAGES, NULL},
    {"huggingface", "image_to_image", "hf-inference", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"runway", "generate", "text_to_image", TARIMG_NEEDS_PROMPT | TARIMG_TAKES_IMAGES, NULL},
    {"runway", "edit", "text_to_image", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"runway", "upscale", "magnific_precision_upscaler_v2", TARIMG_NEEDS_IMAGE, NULL},
    {"bfl", "generate", "", TARIMG_NEEDS_PROMPT | TARIMG_TAKES_IMAGES, NULL},
    {"bfl", "edit", "", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_TAKES_MASK, NULL},
    {"bfl", "inpaint", TARIMG_BFL_FILL, TARIMG_TAKES_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_TAKES_MASK, NULL},
    {"bfl", "expand", "flux-pro-1.0-expand", TARIMG_TAKES_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"bfl", "outpaint", "flux-tools/outpainting-v1", TARIMG_TAKES_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"bfl", "erase", "flux-tools/erase-v1", TARIMG_NEEDS_IMAGE | TARIMG_NEEDS_MASK, NULL},
    {"bfl", "deblur", "flux-tools/deblur-v1", TARIMG_NEEDS_IMAGE, NULL},
    {"bfl", "try_on", "flux-tools/vto-v1", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"recraft", "generate", "images/generations", TARIMG_NEEDS_PROMPT | TARIMG_TAKES_IMAGES, NULL},
    {"recraft", "edit", "images/imageToImage", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_TAKES_MASK, NULL},
    {"recraft", "image_to_image", "images/imageToImage", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"recraft", "inpaint", "images/inpaint", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_NEEDS_MASK, NULL},
    {"recraft", "outpaint", "images/outpaint", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"recraft", "replace_background", "images/replaceBackground", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"recraft", "generate_background", "images/generateBackground", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_NEEDS_MASK, NULL},
    {"recraft", "variation", "images/variateImage", TARIMG_NEEDS_IMAGE, NULL},
    {"recraft", "erase", "images/eraseRegion", TARIMG_NEEDS_IMAGE | TARIMG_NEEDS_MASK, &tarimg_caps_recraft_erase},
    {"recraft", "remove_background", "images/removeBackground", TARIMG_NEEDS_IMAGE, &tarimg_caps_recraft_tool},
    {"recraft", "upscale", "images/crispUpscale", TARIMG_NEEDS_IMAGE, &tarimg_caps_recraft_tool},
    {"recraft", "upscale_creative", "images/creativeUpscale", TARIMG_NEEDS_IMAGE, &tarimg_caps_recraft_tool},
    {"recraft", "vectorize", "images/vectorize", TARIMG_NEEDS_IMAGE, &tarimg_caps_recraft_vectorize},
    {"ideogram", "generate", "generate", TARIMG_NEEDS_PROMPT | TARIMG_TAKES_IMAGES | TARIMG_TAKES_MASK, NULL},
    {"ideogram", "edit", "generate", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_TAKES_MASK, NULL},
    {"ideogram", "inpaint", "generate", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_NEEDS_MASK, NULL},
    {"ideogram", "precise_edit", "precise-edit", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE | TARIMG_TAKES_MASK, &tarimg_caps_ideogram_precise},
    {"ideogram", "remix", "remix", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, NULL},
    {"ideogram", "reframe", "reframe", TARIMG_NEEDS_IMAGE, &tarimg_caps_ideogram_reframe},
    {"ideogram", "replace_background", "replace-background", TARIMG_NEEDS_PROMPT | TARIMG_NEEDS_IMAGE, &tarimg_caps_ideogram_background},
    {"ideogram", "remove_background", "remove-background", TARIMG_NEEDS_IMAGE, &tarimg_caps_ideogram_tool},
    {"ideogram", "erase", "remove-object", TARIMG_NEEDS_IMAGE | TARIMG_NEEDS_MASK, &tarimg_caps_ideogram_erase},
    {"ideogram", "upscale", "upscale", TARIMG_TAKES_PROMPT | TARIMG_NEEDS_IMAGE, &tarimg_caps_ideogram_upscale},
};

/* What most of fal's models take; the name of the field that images go to differs. */
#define TARIMG_FAL_SIZED      "prompt,size=image_size{},n=num_images,seed,output_format"
#define TARIMG_FAL_RATIO      "prompt,aspect_ratio,n=num_images,seed,output_format"
#define TARIMG_FAL_SHAPELESS  "prompt,n=num_images,seed,output_format"
#define TARIMG_FAL_NEGATIVE   ",negative_prompt"
#define TARIMG_FAL_RESOLUTION ",quality=resolution"
#define TARIMG_FAL_ONE        ",images=image_url"
#define TARIMG_FAL_MANY       ",images=image_urls[]"
#define TARIMG_FAL_MASKED     ",images=image_url,mask=mask_url"

/* Built-in mappings, for adapters that are is_mapped; the longest prefix that fits counts. */
static const tarash_image_field_mapping tarimg_mappings[] = {
    {"replicate", "black-forest-labs/flux-schnell", "prompt,aspect_ratio,n=num_outputs,seed,output_format", NULL},
    {"replicate", "black-forest-labs/flux-dev", "prompt,aspect_ratio,n=num_outputs,seed,images=image,output_format", NULL},
    {"replicate", "black-forest-labs/flux-1.1-pro-ultra", "prompt,aspect_ratio,seed,images=image_prompt,output_format", NULL},
    {"replicate", "black-forest-labs/flux-1.1-pro", "prompt,size=width+height,aspect_ratio,seed,images=image_prompt,output_format", NULL},
    {"replicate", "black-forest-labs/flux-kontext-", "prompt,aspect_ratio,seed,images=input_image,output_format", NULL},
    {"replicate", "black-forest-labs/flux-fill-", "prompt,seed,images=image,mask,output_format", NULL},
    {"replicate", "black-forest-labs/flux-2-flex", "prompt,size=width+height,aspect_ratio,quality=resolution,seed,images=input_images[],output_format", NULL},
    {"replicate", "black-forest-labs/flux-2-dev", "prompt,size=width+height,aspect_ratio,seed,images=input_images[],output_format", NULL},
    {"replicate", "black-forest-labs/flux-2-", "prompt,size=width+height,aspect_ratio,quality=resolution,seed,images=input_images[],output_format", NULL},
    {"replicate", "black-forest-labs/flux-3-image", "prompt,aspect_ratio,quality=resolution,images=images[],output_format", NULL},
    {"replicate", "stability-ai/stable-diffusion-3.5-large-turbo", "prompt,negative_prompt,aspect_ratio,seed,images=image,output_format", NULL},
    {"replicate", "stability-ai/stable-diffusion-3.5-", "prompt,aspect_ratio,seed,images=image,output_format", NULL},
    {"replicate", "stability-ai/sdxl", "prompt,negative_prompt,size=width+height,n=num_outputs,seed,images=image,mask", NULL},
    {"replicate", "recraft-ai/recraft-v3", "prompt,size,aspect_ratio,style", NULL},
    {"replicate", "recraft-ai/recraft-v4", "prompt,size,aspect_ratio", NULL},
    {"replicate", "ideogram-ai/ideogram-v3-", "prompt,aspect_ratio,style=style_type,seed,images=image,mask", NULL},
    {"replicate", "ideogram-ai/ideogram-4-5", "prompt,size,quality,n=num_images,seed,images=images[],mask", NULL},
    {"replicate", "google/nano-banana-", "prompt,aspect_ratio,quality=resolution,images=image_input[],output_format", NULL},
    {"replicate", "google/nano-banana", "prompt,aspect_ratio,images=image_input[],output_format", NULL},
    {"replicate", "google/imagen-4", "prompt,aspect_ratio,quality=image_size,output_format", NULL},
    {"replicate", "bytedance/seedream-4.5", "prompt,aspect_ratio,images=image_input[]", NULL},
    {"replicate", "bytedance/seedream-4", "prompt,size=width+height,aspect_ratio,images=image_input[]", NULL},
    {"replicate", "qwen/qwen-image", "prompt,negative_prompt,size=width+height,aspect_ratio,seed,images=image,output_format", NULL},
    {"replicate", "openai/gpt-image-", "prompt,aspect_ratio,quality,n=number_of_images,images=input_images[],output_format,background,user=user_id", NULL},
    {"replicate", "", "prompt,negative_prompt,size=width+height,aspect_ratio,seed,images=image,mask,output_format", NULL},
    {"fal", "", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE ",aspect_ratio" TARIMG_FAL_MANY ",mask=mask_url", NULL},
    {"fal", "fal-ai/flux/", TARIMG_FAL_SIZED, NULL},
    {"fal", "fal-ai/flux-1/", TARIMG_FAL_SIZED, NULL},
    {"fal", "fal-ai/flux/dev/image-to-image", TARIMG_FAL_SHAPELESS TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/flux/krea/image-to-image", TARIMG_FAL_SHAPELESS TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/flux/srpo/image-to-image", TARIMG_FAL_SHAPELESS TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/flux-1/dev/image-to-image", TARIMG_FAL_SHAPELESS TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/flux-1/krea/image-to-image", TARIMG_FAL_SHAPELESS TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/flux-1/srpo/image-to-image", TARIMG_FAL_SHAPELESS TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/flux/schnell/redux", "size=image_size{},n=num_images,seed,output_format" TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/flux/krea/redux", "size=image_size{},n=num_images,seed,output_format" TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/flux-1/dev/redux", "size=image_size{},n=num_images,seed,output_format" TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/flux-1/schnell/redux", "size=image_size{},n=num_images,seed,output_format" TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/flux-1/krea/redux", "size=image_size{},n=num_images,seed,output_format" TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/flux-lora", TARIMG_FAL_SIZED, NULL},
    {"fal", "fal-ai/flux-lora/image-to-image", TARIMG_FAL_SIZED TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/flux-krea-lora", TARIMG_FAL_SIZED, NULL},
    {"fal", "fal-ai/flux-krea-lora/image-to-image", TARIMG_FAL_SIZED TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/flux-krea-lora/inpainting", TARIMG_FAL_SIZED TARIMG_FAL_MASKED, NULL},
    {"fal", "fal-ai/flux-pro/", TARIMG_FAL_SIZED, NULL},
    {"fal", "fal-ai/flux-pro/v1.1-ultra", TARIMG_FAL_RATIO TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/flux-pro/v1/fill", TARIMG_FAL_SHAPELESS TARIMG_FAL_MASKED, NULL},
    {"fal", "fal-ai/flux-pro/v1/redux", TARIMG_FAL_SIZED TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/flux-pro/v1.1/redux", TARIMG_FAL_SIZED TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/flux-pro/kontext", TARIMG_FAL_RATIO TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/flux-pro/kontext/multi", TARIMG_FAL_RATIO TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/flux-pro/kontext/max/multi", TARIMG_FAL_RATIO TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/flux-pro/kontext/text-to-image", TARIMG_FAL_RATIO, NULL},
    {"fal", "fal-ai/flux-pro/kontext/max/text-to-image", TARIMG_FAL_RATIO, NULL},
    {"fal", "fal-ai/flux-kontext/dev", "prompt,aspect_ratio=resolution_mode,n=num_images,seed,output_format" TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/flux-2", TARIMG_FAL_SIZED, NULL},
    {"fal", "fal-ai/flux-2/edit", TARIMG_FAL_SIZED TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/flux-2/turbo/edit", TARIMG_FAL_SIZED TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/flux-2/flash/edit", TARIMG_FAL_SIZED TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/flux-2/klein/4b/edit", TARIMG_FAL_SIZED TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/flux-2/klein/9b/edit", TARIMG_FAL_SIZED TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/flux-2/klein/4b/base", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE, NULL},
    {"fal", "fal-ai/flux-2/klein/4b/base/edit", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/flux-2/klein/9b/base", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE, NULL},
    {"fal", "fal-ai/flux-2/klein/9b/base/edit", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/flux-2-pro", "prompt,size=image_size{},seed,output_format", NULL},
    {"fal", "fal-ai/flux-2-pro/edit", "prompt,size=image_size{},seed,output_format" TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/flux-2-max", "prompt,size=image_size{},seed,output_format", NULL},
    {"fal", "fal-ai/flux-2-max/edit", "prompt,size=image_size{},seed,output_format" TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/flux-2-flex", "prompt,size=image_size{},seed,output_format", NULL},
    {"fal", "fal-ai/flux-2-flex/edit", "prompt,size=image_size{},seed,output_format" TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/flux-2-pro/outpaint", "images=image_url,output_format", NULL},
    {"fal", "blackforestlabs/flux-3/text-to-image", "prompt,aspect_ratio" TARIMG_FAL_RESOLUTION, NULL},
    {"fal", "fal-ai/stable-diffusion-v3-medium", "prompt,size=image_size{},n=num_images,seed" TARIMG_FAL_NEGATIVE, NULL},
    {"fal", "fal-ai/stable-diffusion-v3-medium/image-to-image", "prompt,size=image_size{},n=num_images,seed" TARIMG_FAL_NEGATIVE TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/stable-diffusion-v35-", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE, NULL},
    {"fal", "fal-ai/fast-sdxl", "prompt,size=image_size{},n=num_images,seed,output_format=format" TARIMG_FAL_NEGATIVE, NULL},
    {"fal", "fal-ai/fast-sdxl/image-to-image", "prompt,size=image_size{},n=num_images,seed,output_format=format" TARIMG_FAL_NEGATIVE TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/fast-sdxl/inpainting", "prompt,size=image_size{},n=num_images,seed,output_format=format" TARIMG_FAL_NEGATIVE TARIMG_FAL_MASKED, NULL},
    {"fal", "fal-ai/recraft/v3/text-to-image", "prompt,size=image_size{},style", NULL},
    {"fal", "fal-ai/recraft/v3/image-to-image", "prompt,style" TARIMG_FAL_NEGATIVE TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/recraft/v4/", "prompt,size=image_size{}", NULL},
    {"fal", "fal-ai/recraft/upscale/", "images=image_url", NULL},
    {"fal", "fal-ai/recraft/vectorize", "images=image_url", NULL},
    {"fal", "fal-ai/nano-banana", TARIMG_FAL_RATIO, NULL},
    {"fal", "fal-ai/nano-banana/edit", TARIMG_FAL_RATIO TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/gemini-25-flash-image", TARIMG_FAL_RATIO, NULL},
    {"fal", "fal-ai/gemini-25-flash-image/edit", TARIMG_FAL_RATIO TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/nano-banana-pro", TARIMG_FAL_RATIO TARIMG_FAL_RESOLUTION, NULL},
    {"fal", "fal-ai/nano-banana-pro/edit", TARIMG_FAL_RATIO TARIMG_FAL_RESOLUTION TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/nano-banana-2", TARIMG_FAL_RATIO TARIMG_FAL_RESOLUTION, NULL},
    {"fal", "fal-ai/nano-banana-2/edit", TARIMG_FAL_RATIO TARIMG_FAL_RESOLUTION TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/gemini-3-pro-image-preview", TARIMG_FAL_RATIO TARIMG_FAL_RESOLUTION, NULL},
    {"fal", "fal-ai/gemini-3-pro-image-preview/edit", TARIMG_FAL_RATIO TARIMG_FAL_RESOLUTION TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/gemini-3.1-flash-image-preview", TARIMG_FAL_RATIO TARIMG_FAL_RESOLUTION, NULL},
    {"fal", "fal-ai/gemini-3.1-flash-image-preview/edit", TARIMG_FAL_RATIO TARIMG_FAL_RESOLUTION TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/imagen4/preview", TARIMG_FAL_RATIO TARIMG_FAL_RESOLUTION, NULL},
    {"fal", "fal-ai/imagen4/preview/fast", TARIMG_FAL_RATIO, NULL},
    {"fal", "fal-ai/imagen3", "prompt,aspect_ratio,n=num_images,seed" TARIMG_FAL_NEGATIVE, NULL},
    {"fal", "fal-ai/gpt-image-", "prompt,size=image_size,quality,n=num_images,output_format,background", NULL},
    {"fal", "fal-ai/gpt-image-1/edit-image", "prompt,size=image_size,quality,n=num_images,output_format,background" TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/gpt-image-1-mini/edit", "prompt,size=image_size,quality,n=num_images,output_format,background" TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/gpt-image-1.5/edit", "prompt,size=image_size,quality,n=num_images,output_format,background" TARIMG_FAL_MANY ",mask=mask_image_url", NULL},
    {"fal", "fal-ai/gpt-image-2/edit", "prompt,size=image_size,quality,n=num_images,output_format,background" TARIMG_FAL_MANY ",mask=mask_image_url", NULL},
    {"fal", "fal-ai/bytedance/seedream/", "prompt,size=image_size{},n=num_images,seed", NULL},
    {"fal", "fal-ai/bytedance/dreamina/", "prompt,size=image_size{},n=num_images,seed", NULL},
    {"fal", "fal-ai/bytedance/seedream/v4/edit", "prompt,size=image_size{},n=num_images,seed" TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/bytedance/seedream/v4.5/edit", "prompt,size=image_size{},n=num_images,seed" TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/bytedance/seedream/v5/lite/", "prompt,size=image_size{},n=num_images", NULL},
    {"fal", "fal-ai/bytedance/seedream/v5/lite/edit", "prompt,size=image_size{},n=num_images" TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/ideogram/v2", "prompt,aspect_ratio,style,seed" TARIMG_FAL_NEGATIVE, NULL},
    {"fal", "fal-ai/ideogram/v2a", "prompt,aspect_ratio,style,seed", NULL},
    {"fal", "fal-ai/ideogram/v2/edit", "prompt,style,seed" TARIMG_FAL_MASKED, NULL},
    {"fal", "fal-ai/ideogram/v2/turbo/edit", "prompt,style,seed" TARIMG_FAL_MASKED, NULL},
    {"fal", "fal-ai/ideogram/v2/remix", "prompt,aspect_ratio,style,seed" TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/ideogram/v2/turbo/remix", "prompt,aspect_ratio,style,seed" TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/ideogram/v2a/remix", "prompt,aspect_ratio,style,seed" TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/ideogram/v2a/turbo/remix", "prompt,aspect_ratio,style,seed" TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/ideogram/v3", "prompt,size=image_size{},quality=rendering_speed,style,n=num_images,seed" TARIMG_FAL_NEGATIVE, NULL},
    {"fal", "fal-ai/ideogram/v3/remix", "prompt,size=image_size{},quality=rendering_speed,style,n=num_images,seed" TARIMG_FAL_NEGATIVE TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/ideogram/v3/reframe", "size=image_size{},quality=rendering_speed,style,n=num_images,seed" TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/ideogram/v3/replace-background", "prompt,quality=rendering_speed,style,n=num_images,seed" TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/ideogram/v3/edit", "prompt,quality=rendering_speed,n=num_images,seed" TARIMG_FAL_MASKED, NULL},
    {"fal", "ideogram/v4.6", "prompt,size=image_size{}", NULL},
    {"fal", "fal-ai/qwen-image", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE, NULL},
    {"fal", "fal-ai/qwen-image/image-to-image", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/qwen-image-edit", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/qwen-image-edit/inpaint", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE TARIMG_FAL_MASKED, NULL},
    {"fal", "fal-ai/qwen-image-edit-2509", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/qwen-image-edit-2511", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/qwen-image-edit-plus", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/qwen-image-2/edit", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/qwen-image-2/pro/edit", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/qwen-image-max/edit", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/z-image/", TARIMG_FAL_SIZED, NULL},
    {"fal", "fal-ai/z-image/base", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE, NULL},
    {"fal", "fal-ai/z-image/turbo/image-to-image", TARIMG_FAL_SIZED TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/z-image/turbo/inpaint", TARIMG_FAL_SIZED TARIMG_FAL_ONE ",mask=mask_image_url", NULL},
    {"fal", "xai/grok-imagine-image", "prompt,aspect_ratio,n=num_images,output_format" TARIMG_FAL_RESOLUTION, NULL},
    {"fal", "xai/grok-imagine-image/edit", "prompt,n=num_images,output_format" TARIMG_FAL_RESOLUTION TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/wan/v2.7/", "prompt,size=image_size{},seed" TARIMG_FAL_NEGATIVE, NULL},
    {"fal", "fal-ai/wan/v2.7/edit", "prompt,size=image_size{},seed" ",n=num_images" TARIMG_FAL_NEGATIVE TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/wan/v2.7/pro/edit", "prompt,size=image_size{},seed" ",n=num_images" TARIMG_FAL_NEGATIVE TARIMG_FAL_MANY, NULL},
    {"fal", "wan/v2.6/text-to-image", "prompt,size=image_size{},seed" TARIMG_FAL_NEGATIVE TARIMG_FAL_ONE, NULL},
    {"fal", "wan/v2.6/image-to-image", "prompt,size=image_size{},seed" ",n=num_images" TARIMG_FAL_NEGATIVE TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/luma-photon", "prompt,aspect_ratio", NULL},
    {"fal", "fal-ai/luma-photon/modify", "prompt,aspect_ratio" TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/luma-photon/reframe", "prompt,aspect_ratio" TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/luma-photon/flash/modify", "prompt,aspect_ratio" TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/luma-photon/flash/reframe", "prompt,aspect_ratio" TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/hidream-i1-", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE, NULL},
    {"fal", "fal-ai/hidream-i1-full/image-to-image", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/hidream-e1-", TARIMG_FAL_SHAPELESS TARIMG_FAL_NEGATIVE TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/hunyuan-image/", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE, NULL},
    {"fal", "fal-ai/hunyuan-image/v3/instruct/text-to-image", TARIMG_FAL_SIZED, NULL},
    {"fal", "fal-ai/hunyuan-image/v3/instruct/edit", TARIMG_FAL_SIZED TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/kling-image/", "prompt,aspect_ratio,n=num_images,output_format" TARIMG_FAL_RESOLUTION, NULL},
    {"fal", "fal-ai/kling-image/v3/text-to-image", "prompt,aspect_ratio,n=num_images,output_format" TARIMG_FAL_RESOLUTION TARIMG_FAL_NEGATIVE, NULL},
    {"fal", "fal-ai/kling-image/v3/image-to-image", "prompt,aspect_ratio,n=num_images,output_format" TARIMG_FAL_RESOLUTION TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/kling-image/o1", "prompt,aspect_ratio,n=num_images,output_format" TARIMG_FAL_RESOLUTION TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/kling-image/o3/image-to-image", "prompt,aspect_ratio,n=num_images,output_format" TARIMG_FAL_RESOLUTION TARIMG_FAL_MANY, NULL},
    {"fal", "fal-ai/minimax/image-01", "prompt,aspect_ratio,n=num_images", NULL},
    {"fal", "fal-ai/minimax/image-01/subject-reference", "prompt,aspect_ratio,n=num_images" TARIMG_FAL_ONE, NULL},
    {"fal", "bria/fibo/generate", "prompt,aspect_ratio,seed" TARIMG_FAL_RESOLUTION TARIMG_FAL_NEGATIVE TARIMG_FAL_ONE, NULL},
    {"fal", "bria/text-to-image/3.2", "prompt,aspect_ratio,seed" TARIMG_FAL_NEGATIVE, NULL},
    {"fal", "fal-ai/bria/text-to-image/", "prompt,aspect_ratio,n=num_images,seed" TARIMG_FAL_NEGATIVE, NULL},
    {"fal", "fal-ai/bria/background/remove", "images=image_url", NULL},
    {"fal", "fal-ai/bria/background/replace", "prompt,n=num_images,seed" TARIMG_FAL_NEGATIVE TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/bria/eraser", "images=image_url,mask=mask_url", NULL},
    {"fal", "fal-ai/bria/expand", "prompt,aspect_ratio,seed" TARIMG_FAL_NEGATIVE TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/bria/genfill", "prompt,n=num_images,seed" TARIMG_FAL_NEGATIVE TARIMG_FAL_MASKED, NULL},
    {"fal", "fal-ai/birefnet", "images=image_url,output_format", NULL},
    {"fal", "fal-ai/imageutils/rembg", "images=image_url", NULL},
    {"fal", "fal-ai/esrgan", "images=image_url,output_format", NULL},
    {"fal", "fal-ai/aura-sr", "images=image_url", NULL},
    {"fal", "fal-ai/clarity-upscaler", "prompt,seed" TARIMG_FAL_NEGATIVE TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/topaz/upscale/image", "prompt,output_format" TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/nafnet/", "seed" TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/iclight-v2", TARIMG_FAL_SIZED TARIMG_FAL_NEGATIVE TARIMG_FAL_ONE ",mask=mask_image_url", NULL},
    {"fal", "fal-ai/object-removal", "prompt" TARIMG_FAL_ONE, NULL},
    {"fal", "fal-ai/object-removal/mask", "images=image_url,mask=mask_url", NULL},
};

/* name, aliases,
   base URL, its variable, key variables, key optional, auth header, auth prefix, hosts that share the key,
   default model, provider_config keys, variables of those keys, poll interval,
   capabilities of models that the table above lacks, compiled in, adapter */
static const tarash_image_provider_info tarimg_rows[] = {
    {"openai", NULL,
     "https://api.openai.com/v1", "OPENAI_BASE_URL", "OPENAI_API_KEY", 0, "Authorization", "Bearer ", NULL,
     "gpt-image-2.5-flare", "organization,project", "organization=OPENAI_ORG_ID,project=OPENAI_PROJECT_ID", 0,
     {TARIMG_FIELDS_GPT_IMAGE, 10, 16, TARASH_IMAGE_MASK_TRANSPARENT, 0, 0, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0},
     TARIMG_OPENAI},
    {"openai_compatible", "openai-compatible",
     NULL, NULL, "OPENAI_COMPATIBLE_API_KEY", 1, "Authorization", "Bearer ", NULL,
     "", "response_format*", NULL, 0,
     {TARIMG_FIELDS_ALL & ~(unsigned)(TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_ROLES), 0, 16, TARASH_IMAGE_MASK_TRANSPARENT, 0, 0, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0},
     TARIMG_OPENAI_COMPATIBLE},
    {"indoxrouter", "indoxhub",
     "https://api.indoxhub.com", NULL, "INDOX_ROUTER_API_KEY,INDOXHUB_API_KEY", 0, "Authorization", "Bearer ", NULL,
     "openai/gpt-image-2.5-flare", "byok_api_key", NULL, 0,
     {TARIMG_FIELDS_ROUTER, 0, 0, TARASH_IMAGE_MASK_NONE, 0, 0, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0},
     TARIMG_INDOXROUTER},
    {"atoma", NULL,
     "https://api.atoma.network", NULL, "ATOMASDK_BEARER_AUTH,ATOMA_API_KEY", 0, "Authorization", "Bearer ", NULL,
     "black-forest-labs/FLUX.1-schnell", NULL, NULL, 0,
     {TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_QUALITY | TARASH_IMAGE_FIELD_STYLE | TARASH_IMAGE_FIELD_N |
          TARASH_IMAGE_FIELD_USER | TARASH_IMAGE_FIELD_OUTPUT,
      10, 0, TARASH_IMAGE_MASK_NONE, 0, 0, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0},
     TARIMG_ATOMA},
    {"xai", "grok",
     "https://api.x.ai/v1", NULL, "XAI_API_KEY", 0, "Authorization", "Bearer ", NULL,
     "grok-imagine-image-2.0", NULL, NULL, 0,
     {TARIMG_FIELDS_XAI, 10, 5, TARASH_IMAGE_MASK_NONE, 0, 0, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0},
     TARIMG_XAI},
    {"azure_openai", "azure-openai,azure",
     NULL, "AZURE_OPENAI_ENDPOINT,AZURE_API_BASE", "AZURE_OPENAI_API_KEY,AZURE_API_KEY,AZURE_OPENAI_AD_TOKEN", 0,
     "api-key", "", NULL,
     "", "api_version,resource",
     "api_version=OPENAI_API_VERSION,api_version=AZURE_API_VERSION,resource=AZURE_RESOURCE_NAME", 0,
     {TARIMG_FIELDS_GPT_IMAGE, 10, 16, TARASH_IMAGE_MASK_TRANSPARENT, 0, 0, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, "png,jpeg", 0, "png,jpeg", 0},
     TARIMG_AZURE_OPENAI},
    {"together", "togetherai,together_ai,together-ai",
     "https://api.together.ai/v1", "TOGETHER_BASE_URL", "TOGETHER_API_KEY", 0, "Authorization", "Bearer ", NULL,
     "black-forest-labs/FLUX.2-dev", NULL, NULL, 0,
     {TARIMG_FIELDS_TOGETHER, 4, 0, TARASH_IMAGE_MASK_NONE, 0, 0, "any", 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, "png,jpeg", 0, NULL, 0},
     TARIMG_TOGETHER},
    {"openrouter", NULL,
     "https://openrouter.ai/api/v1", "OPENROUTER_BASE_URL", "OPENROUTER_API_KEY", 0, "Authorization", "Bearer ", NULL,
     "google/gemini-nano-banana-2.1", "referer,title,categories",
     "referer=OPENROUTER_HTTP_REFERER,title=OPENROUTER_APP_TITLE", 0,
     {TARIMG_FIELDS_OPENROUTER, 10, 0, TARASH_IMAGE_MASK_NONE, 0, 0, "any", 0, 0, 0, 0, 0, TARIMG_OPENROUTER_RATIOS,
      "auto,low,medium,high,xhigh,max", NULL, "auto,opaque,transparent", "png,jpeg,webp,svg", 0, NULL, 0},
     TARIMG_OPENROUTER},
    {"google", "gemini",
     "https://generativelanguage.googleapis.com", "GOOGLE_GEMINI_BASE_URL", "GOOGLE_API_KEY,GEMINI_API_KEY,GOOGLE_GENERATIVE_AI_API_KEY", 0, "x-goog-api-key", "", NULL,
     "gemini-nano-banana-2.1", "api_version,project,location", "api_version=GOOGLE_GENAI_API_VERSION", 0,
     {TARIMG_FIELDS_GOOGLE, 1, 14, TARASH_IMAGE_MASK_NONE, TARIMG_INT32_MIN, TARIMG_INT32_MAX, NULL, 0, 0, 0, 0, 0, TARIMG_GOOGLE_RATIOS ",1:4,4:1,1:8,8:1", NULL, NULL, NULL, "png,jpeg", 0, NULL, 0},
     TARIMG_GOOGLE},
    {"automatic1111", "a1111,stable-diffusion-webui",
     "http://127.0.0.1:7860", "AUTOMATIC1111_BASE_URL", "AUTOMATIC1111_API_AUTH", 1, "Authorization", "Basic ", NULL,
     "", NULL, NULL, 0,
     {TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_STYLE | TARASH_IMAGE_FIELD_N | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_NEGATIVE_PROMPT |
          TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK,
      8, 1, TARASH_IMAGE_MASK_WHITE, 0, 4294967295, "any", 8, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, 64, NULL, 0},
     TARIMG_AUTOMATIC1111},
    {"stability", "stability-ai,stabilityai,stability_ai",
     "https://api.stability.ai", "STABILITY_API_URL", "STABILITY_API_KEY,STABILITY_KEY", 0, "Authorization", "Bearer ", NULL,
     "sd3.5-large", "strength,accept", NULL, 10000,
     TARIMG_STABILITY_CAPS(TARIMG_FIELDS_STABILITY_GENERATE | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK, 1, TARASH_IMAGE_MASK_WHITE, TARIMG_STABILITY_PIXELS),
     TARIMG_STABILITY},
    {"bedrock", "amazon-bedrock,amazon_bedrock,aws-bedrock,aws_bedrock",
     "https://bedrock-runtime." TARIMG_BEDROCK_REGION ".amazonaws.com", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME,AWS_ENDPOINT_URL",
     "AWS_BEARER_TOKEN_BEDROCK,AWS_ACCESS_KEY_ID+AWS_SECRET_ACCESS_KEY+AWS_SESSION_TOKEN?", 0, "Authorization", "Bearer ", NULL,
     "stability.stable-image-core-v1:1", "region,strength", "region=AWS_REGION,region=AWS_DEFAULT_REGION", 0,
     TARIMG_STABILITY_CAPS(TARIMG_FIELDS_STABILITY | TARASH_IMAGE_FIELD_STYLE | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK, 3, TARASH_IMAGE_MASK_WHITE, TARIMG_STABILITY_PIXELS),
     TARIMG_BEDROCK},
    {"replicate", NULL,
     "https://api.replicate.com/v1", NULL, "REPLICATE_API_TOKEN", 0, "Authorization", "Bearer ", NULL,
     "black-forest-labs/flux-2-pro", "deployment?,wait*,cancel_after,webhook,webhook_events_filter*", NULL, 0,
     {TARIMG_FIELDS_REPLICATE | TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK,
      1, 1, TARASH_IMAGE_MASK_WHITE, 0, 0, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, "webp,jpg,png", 0, NULL, 0},
     TARIMG_REPLICATE},
    {"luma", "lumalabs,lumaai",
     "https://api.lumalabs.ai/dream-machine/v1", "LUMAAI_BASE_URL", "LUMAAI_API_KEY,LUMA_API_KEY", 0, "Authorization", "Bearer ", NULL,
     "photon-1", "weight,callback_url", NULL, 0,
     {TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_OUTPUT_FORMAT | TARASH_IMAGE_FIELD_ROLES | TARASH_IMAGE_FIELD_OUTPUT,
      1, 9, TARASH_IMAGE_MASK_NONE, 0, 0, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, "jpg,png", 0, NULL, 0},
     TARIMG_LUMA},
    {"fal", "fal_ai,fal.ai",
     TARIMG_FAL_BASE_URL, NULL, "FAL_KEY,FAL_API_KEY,FAL_KEY_ID+FAL_KEY_SECRET", 0, "Authorization", "Key ",
     "queue.fal.run,fal.run,queue.falrun.com,falrun.com",
     "fal-ai/flux-2", "direct?,sync_mode?,priority", NULL, 500,
     {TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_ASPECT_RATIO | TARASH_IMAGE_FIELD_N |
          TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK | TARASH_IMAGE_FIELD_OUTPUT_FORMAT |
          TARASH_IMAGE_FIELD_OUTPUT,
      4, 10, TARASH_IMAGE_MASK_WHITE, 0, 0, "any", 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0},
     TARIMG_FAL},
    {"huggingface", "hugging_face,hf",
     "https://router.huggingface.co", NULL, "HF_TOKEN,HUGGING_FACE_HUB_TOKEN,HF_API_TOKEN", 0, "Authorization", "Bearer ", NULL,
     "black-forest-labs/FLUX.1-schnell", "provider", NULL, 500,
     {TARASH_IMAGE_FIELD_NEGATIVE_PROMPT | TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_SEED | TARASH_IMAGE_FIELD_IMAGES |
          TARASH_IMAGE_FIELD_OUTPUT_FORMAT,
      1, 1, TARASH_IMAGE_MASK_NONE, 0, 0, "any", 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, "png,jpeg,webp", 0, NULL, 0},
     TARIMG_HUGGINGFACE},
    {"runway", "runwayml",
     "https://api.dev.runwayml.com", "RUNWAYML_BASE_URL", "RUNWAYML_API_SECRET", 0, "Authorization", "Bearer ", NULL,
     "gen4_image", "api_version,tags*,subjects*", NULL, 5000,
     {TARIMG_FIELDS_RUNWAY | TARASH_IMAGE_FIELD_SEED, 1, 0, TARASH_IMAGE_MASK_NONE, 0, 4294967295, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, 0, "png,jpeg,webp", 0},
     TARIMG_RUNWAY},
    {"bfl", "black-forest-labs,black_forest_labs",
     "https://api.bfl.ai/v1", NULL, "BFL_API_KEY", 0, "x-key", "", "api.bfl.ai,api.*.bfl.ai",
     "flux-2-pro", NULL, NULL, 0,
     {TARIMG_FIELDS_BFL | TARASH_IMAGE_FIELD_SIZE, 1, 0, TARASH_IMAGE_MASK_NONE, 0, 0, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0},
     TARIMG_BFL},
    {"recraft", NULL,
     "https://external.api.recraft.ai/v1", NULL, "RECRAFT_API_TOKEN,RECRAFT_API_KEY", 0, "Authorization", "Bearer ", NULL,
     "recraftv4_1", "strength,controls*", NULL, 0,
     {TARIMG_FIELDS_RECRAFT_V3 | TARASH_IMAGE_FIELD_SIZE, 6, 10, TARASH_IMAGE_MASK_WHITE, 0, 4294967295, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, "png,webp,svg", 0, TARIMG_RECRAFT_INPUTS, 1},
     TARIMG_RECRAFT},
    {"ideogram", NULL,
     "https://api.ideogram.ai", NULL, "IDEOGRAM_API_KEY", 0, "Api-Key", "", NULL,
     "ideogram-4-5", "async?", NULL, 0,
     {TARIMG_FIELDS_IDEOGRAM_3, 8, 5, TARASH_IMAGE_MASK_BLACK, TARIMG_IDEOGRAM_SEEDS, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, "png", 0, "png,jpeg,webp", 1},
     TARIMG_IDEOGRAM},
    {"mock", NULL,
     "mock:", NULL, NULL, 1, "Authorization", "Bearer ", NULL,
     "mock", NULL, NULL, 0,
     {TARIMG_FIELDS_ALL & ~(unsigned)TARASH_IMAGE_FIELD_PARTIAL_IMAGES, 0, 0, TARASH_IMAGE_MASK_WHITE, 0, 0, "auto,any", 0, 4096, 0, 0, 0, NULL, NULL, NULL, NULL, "png", 0, NULL, 0},
     TARIMG_MOCK},
};
/* clang-format on */

#define TARIMG_ROW_COUNT       (sizeof tarimg_rows / sizeof tarimg_rows[0])
#define TARIMG_MODEL_COUNT     (sizeof tarimg_models / sizeof tarimg_models[0])
#define TARIMG_OPERATION_COUNT (sizeof tarimg_operations / sizeof tarimg_operations[0])
#define TARIMG_MAPPING_COUNT   (sizeof tarimg_mappings / sizeof tarimg_mappings[0])

static int tarimg_row_is_named(const tarash_image_provider_info *row, const char *name) {
    return tarimg_equal_nocase(row->name, name) || (row->aliases && tarimg_in_list(row->aliases, name));
}

static const tarash_image_provider_info *tarimg_find_row(const char *name) {
    size_t i;
    for (i = 0; i < TARIMG_ROW_COUNT; i++) {
        if (tarimg_row_is_named(&tarimg_rows[i], name)) return &tarimg_rows[i];
    }
    return NULL;
}

/* The built-in row whose protocol an adapter speaks; NULL for the user's own code. */
static const tarash_image_provider_info *tarimg_row_of_adapter(const tarimg_adapter *adapter) {
    size_t i;
    for (i = 0; i < TARIMG_ROW_COUNT; i++) {
        if (tarimg_rows[i].adapter == adapter) return &tarimg_rows[i];
    }
    return NULL;
}

/* By the operation's name or, with that NULL, by the provider's word for it. */
static const tarash_image_operation_info *tarimg_find_operation(const char *provider, const char *operation,
                                                                const char *call) {
    size_t i;
    for (i = 0; i < TARIMG_OPERATION_COUNT; i++) {
        const tarash_image_operation_info *info = &tarimg_operations[i];
        if (!tarimg_equal(info->provider, provider)) continue;
        if (tarimg_equal(info->operation, operation) || (!operation && tarimg_equal(info->call, call)))
            return info;
    }
    return NULL;
}

/* How much of a model's name a mapping's prefix covers, plus one; 0 = it doesn't fit. */
static size_t tarimg_mapping_fit(const tarash_image_field_mapping *mapping, const char *model) {
    size_t size = mapping->model_prefix ? strlen(mapping->model_prefix) : 0;
    return size == 0 || strncmp(model, mapping->model_prefix, size) == 0 ? size + 1 : 0;
}

static const tarash_image_field_mapping *tarimg_find_mapping(const char *provider, const char *model) {
    const tarash_image_field_mapping *best = NULL;
    size_t i, best_fit = 0;
    for (i = 0; i < TARIMG_MAPPING_COUNT; i++) {
        size_t fit;
        if (!tarimg_equal(tarimg_mappings[i].provider, provider)) continue;
        fit = tarimg_mapping_fit(&tarimg_mappings[i], model);
        if (fit <= best_fit) continue;
        best = &tarimg_mappings[i];
        best_fit = fit;
    }
    return best;
}

static const tarash_image_capabilities *tarimg_find_caps(const tarash_image_provider_info *row,
                                                         const char *model) {
    size_t i;
    /* A row of the user's that hides a built-in one has capabilities of its own. */
    if (tarimg_find_row(row->name) != row) return &row->capabilities;
    for (i = 0; i < TARIMG_MODEL_COUNT; i++) {
        const tarash_image_model_info *info = &tarimg_models[i];
        size_t size;
        if (!tarimg_equal(info->provider, row->name)) continue;
        size = strlen(info->id);
        if (info->id[size - 1] == '*' ? strncmp(model, info->id, size - 1) == 0
                                      : strcmp(model, info->id) == 0)
            return info->capabilities;
    }
    return &row->capabilities;
}

/* >>engine
   Jobs, tasks and transfers.

     job        one generation: a chain of links, tried one after another
     attempt    one link of the chain; its tasks run side by side and end together
     task       one call of the provider (submit, polls, fetch), or one download
     transfer   one HTTP request of a task, from its description to its outcome

   Everything that waits is a timer in one heap. Nothing here blocks, and nothing calls the user but the sink,
   the logger, a custom provider's functions, and - after the machinery has come to rest - on_progress. */

typedef struct tarimg_timer {
    int64_t due;
    size_t place; /* in the heap, 1-based; 0 = not armed */
    int is_job;   /* owner is a job, else a task */
    void *owner;
} tarimg_timer;

typedef enum tarimg_task_kind {
    TARIMG_TASK_CALL,
    TARIMG_TASK_DOWNLOAD, /* of a result */
    TARIMG_TASK_INPUT     /* of an input image that the provider wants as bytes */
} tarimg_task_kind;

typedef enum tarimg_task_state {
    TARIMG_TASK_WAITING, /* for its timer, or for input images */
    TARIMG_TASK_RUNNING,
    TARIMG_TASK_DONE,
    TARIMG_TASK_FAILED
} tarimg_task_state;

typedef struct tarimg_task {
    tarimg_task_kind kind;
    tarimg_task_state state;
    struct tarimg_job *job;
    struct tarimg_task *next;
    tarimg_timer timer;
    tarash_image_phase phase;
    int retries, polls, poll_failures, redirects;
    int waits_for_inputs;
    int count;          /* images wanted, of a call */
    size_t first_index; /* of a call's images; of a download's one; of an input: its number */
    const char *url;    /* of a download */
    int from_private;   /* the first URL of a download names a private host */
    const char *job_id, *poll_url, *fetch_url, *cancel_url; /* once the provider has accepted */
    int is_accepted;
    tarash_image_error error;
    struct tarimg_transfer *transfer;
} tarimg_task;

typedef enum tarimg_reply_mode {
    TARIMG_REPLY_NONE,
    TARIMG_REPLY_JSON,
    TARIMG_REPLY_EVENTS,
    TARIMG_REPLY_IMAGE,
    TARIMG_REPLY_ERROR, /* JSON perhaps; its beginning is kept as text */
    TARIMG_REPLY_SKIP   /* a redirect's body, or the reply to a remote cancel */
} tarimg_reply_mode;

#define TARIMG_PLAIN_SIZE     1024        /* of an error body that isn't JSON */
#define TARIMG_MAX_ERROR_BODY (1u << 20u) /* what is read of an error body */
#define TARIMG_CANCEL_MS      5000        /* for a provider to be told that a job was cancelled */
#define TARIMG_DESTROY_MS     1000        /* the same, while the client is destroyed */

typedef struct tarimg_transfer {
    tarash_image_exchange exchange;
    struct tarash_image_client *client;
    struct tarimg_transfer *next_detached; /* remote cancels outlive their job */
    tarimg_link *own_link;                 /* a detached transfer's own, with its memory in own_arena */
    tarimg_arena own_arena;
    CURL *easy;
    struct curl_slist *header_list;
    tarimg_body body;
    char curl_error[CURL_ERROR_SIZE];
    tarimg_reply_mode mode;
    tarimg_reader reader;
    int has_reader;
    tarimg_payload_target target;
    tarimg_sse sse;
    char sse_probe[8]; /* the beginning of an event's data, until it can't be [DONE] */
    size_t sse_probe_size;
    int sse_is_done_mark;
    char plain[TARIMG_PLAIN_SIZE];
    size_t plain_size;
    size_t header_bytes;
    uint64_t received;
    int has_enough;             /* the rest of an error body is not wanted */
    tarash_image_result broken; /* why receiving was ended from here */
    const char *reason;
    int is_proxied;     /* of a download */
    int is_public_only; /* the address must not be private */
    int was_refused;    /* it was */
    int send_count;     /* how often libcurl set about sending the request */
    int64_t started;
} tarimg_transfer;

typedef struct tarimg_slot { /* an image of the response in the making */
    tarash_image image;
    int is_used;
    int is_ready;
} tarimg_slot;

typedef struct tarimg_event {
    struct tarimg_event *next;
    uint32_t job_id;
    int is_final;
    tarash_image_update update;
    tarash_image preview;
    char *message;
} tarimg_event;

typedef struct tarimg_tried { /* an attempt on its way into the response */
    tarash_image_attempt attempt;
    struct tarimg_tried *next;
} tarimg_tried;

typedef struct tarimg_job {
    struct tarash_image_client *client;
    uint32_t id;
    int has_ended, is_running, cancel_requested, was_cancelled;
    int may_be_paid;     /* a call of this attempt was sent, and not refused */
    int told_refusal;    /* of this attempt: a warning says that images were kept back */
    int is_awaited;      /* by a blocking call */
    int has_final_event; /* not yet dispatched */
    tarimg_arena arena;  /* configs, request, adapted requests: wiped at the end */
    tarimg_link *links;
    size_t link_count, current;
    tarash_image_request request;
    tarash_image_sink sink;
    tarimg_input *inputs;
    tarimg_input *masks[8]; /* by polarity, and beyond them those of two levels */
    tarimg_secret *secrets;
    uint64_t random;
    tarimg_arena attempt_arena;
    tarimg_task *tasks;
    tarimg_slot *slots;
    size_t slot_count, slot_capacity;
    int64_t started, attempt_started, attempt_deadline, total_deadline;
    int64_t attempt_wall;
    int attempt_retries;
    tarimg_timer timer;
    tarash_image_status status;
    int percent, queue_position;
    int last_percent; /* as a COMPLETED status came with it, -1 = none */
    uint64_t bytes_received, bytes_told;
    struct tarash_image_storage *storage;
    tarimg_tried *tried, *last_tried;
    size_t tried_count;
    tarimg_note *late_notes, *last_late_note; /* not of a link: what was lost on the way */
    tarash_image_usage usage;
    int64_t created;
    tarimg_buffer raw, metadata;
    int raw_count;
    const char *provider_request_id;
    int http_status; /* of the last reply to a call */
    const char *token;
    tarash_image_error error;
    tarash_image_response response; /* once it has ended */
} tarimg_job;

typedef struct tarimg_place { /* where a job lives */
    tarimg_job *job;
    uint16_t generation; /* tells a job from those that lived here before */
    size_t next_free;    /* 1-based, 0 = none */
} tarimg_place;

typedef struct tarimg_registered_mapping {
    tarash_image_field_mapping mapping;
    struct tarimg_registered_mapping *next;
} tarimg_registered_mapping;

typedef struct tarimg_registered {
    tarash_image_provider provider;
    tarash_image_provider_info row;
    struct tarimg_registered *next;
} tarimg_registered;

struct tarash_image_client {
    tarash_image_allocator allocator;
    tarash_image_logger logger;
    tarash_image_clock clock;
    int has_own_clock;
    tarash_image_limits limits;
    tarimg_arena arena; /* desc texts, registered providers */
    const char *user_agent, *proxy, *ca_file;
    void (*curl_hook_fn)(void *, void *);
    void *curl_hook_user_data;
    tarimg_registered *registered;
    tarimg_registered_mapping *mappings;
    CURLM *multi;
    CURL **idle; /* handles that keep their options clean for reuse */
    size_t idle_count, idle_capacity;
    tarimg_place *places; /* of jobs: the low half of an id, less one */
    size_t place_count, place_capacity;
    size_t first_free; /* 1-based, 0 = none */
    int running;
    tarimg_timer **timers;
    size_t timer_count, timer_capacity, timer_owners;
    tarimg_event *events, *last_event;
    tarimg_transfer *detached;
    size_t transfer_count; /* that are under way */
    uint64_t usual_reply;  /* bytes of the last one that was to bring images */
    uint64_t random;
    uint64_t submitted;
    int is_busy;       /* inside the machinery: no job may be taken away */
    int has_new_bytes; /* some job has received more than it was told of */
    int depth;         /* of calls that are under way */
    int destroy_requested;
};

/* ---- time and chance */

static int64_t tarimg_now(const tarash_image_client *client) {
    return client->clock.now_ms_fn(client->clock.user_data);
}

static uint64_t tarimg_random(tarash_image_client *client) {
    client->random += 0x9E3779B97F4A7C15u;
    return tarimg_mix(client->random);
}

/* Sooner of two deadlines; 0 is none. */
static int64_t tarimg_sooner(int64_t a, int64_t b) {
    if (!a || (b && b < a)) return b;
    return a;
}

/* ---- timers: a binary heap whose room is made when an owner is, so that arming never fails */

static int tarimg_timer_reserve(tarash_image_client *client) {
    void *grown = tarimg_grow(&client->allocator, client->timers, client->timer_owners,
                              &client->timer_capacity, sizeof *client->timers);
    if (!grown) return 0;
    client->timers = (tarimg_timer **)grown;
    client->timer_owners++;
    return 1;
}

static void tarimg_timer_place(tarash_image_client *client, tarimg_timer *timer, size_t place) {
    client->timers[place - 1] = timer;
    timer->place = place;
}

static void tarimg_timer_sift(tarash_image_client *client, tarimg_timer *timer, size_t place) {
    while (place > 1 && client->timers[place / 2 - 1]->due > timer->due) {
        tarimg_timer_place(client, client->timers[place / 2 - 1], place);
        place /= 2;
    }
    for (;;) {
        size_t child = place * 2;
        if (child > client->timer_count) break;
        if (child < client->timer_count && client->timers[child]->due < client->timers[child - 1]->due)
            child++;
        if (client->timers[child - 1]->due >= timer->due) break;
        tarimg_timer_place(client, client->timers[child - 1], place);
        place = child;
    }
    tarimg_timer_place(client, timer, place);
}

static void tarimg_timer_disarm(tarash_image_client *client, tarimg_timer *timer) {
    tarimg_timer *last;
    size_t place = timer->place;
    if (!place) return;
    timer->place = 0;
    last = client->timers[--client->timer_count];
    if (last != timer) tarimg_timer_sift(client, last, place);
}

static void tarimg_timer_arm(tarash_image_client *client, tarimg_timer *timer, int64_t due) {
    tarimg_timer_disarm(client, timer);
    TARASH_IMAGE_ASSERT(client->timer_count < client->timer_owners);
    timer->due = due;
    client->timer_count++;
    tarimg_timer_sift(client, timer, client->timer_count);
}

static void tarimg_timer_retire(tarash_image_client *client, tarimg_timer *timer) {
    tarimg_timer_disarm(client, timer);
    client->timer_owners--;
}

/* ---- logging */

static void tarimg_log(tarash_image_client *client, const tarimg_secret *secrets,
                       tarash_image_log_level level, const char *format, ...) TARIMG_PRINTF(4, 5);
static void tarimg_log(tarash_image_client *client, const tarimg_secret *secrets,
                       tarash_image_log_level level, const char *format, ...) {
    char line[640];
    va_list arguments;
    if (!client->logger.log_fn || level < client->logger.level) return;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    tarimg_redact(secrets, line, strlen(line));
    client->logger.log_fn(level, line, client->logger.user_data);
}

/* ---- errors of a job */

static tarash_image_result tarimg_set_error(tarash_image_error *error, tarash_image_result result,
                                            const char *format, ...) TARIMG_PRINTF(3, 4);
static tarash_image_result tarimg_set_error(tarash_image_error *error, tarash_image_result result,
                                            const char *format, ...) {
    char message[sizeof error->message + 4]; /* a character that is cut is cut beyond the message's end */
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    tarimg_clean_text(message);
    error->result = result;
    tarimg_copy_fixed(error->message, sizeof error->message, message);
    return result;
}

static tarash_image_result tarimg_no_memory(tarash_image_error *error) {
    return tarimg_set_error(error, TARASH_IMAGE_ERROR_OUT_OF_MEMORY, "out of memory");
}

/* ---- checking what the user gave */

static tarash_image_result tarimg_check_text(tarash_image_error *error, const char *field, const char *text) {
    if (text && !tarimg_is_utf8(text, strlen(text)))
        return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION, "%s: is not valid UTF-8", field);
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_check_word(tarash_image_error *error, const char *field, const char *text) {
    if (text && tarimg_has_control(text))
        return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION, "%s: has a control character in it",
                                field);
    if (text && !text[0])
        return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION,
                                "%s: is empty; leave it NULL for the default", field);
    return tarimg_check_text(error, field, text);
}

static tarash_image_result tarimg_check_number(tarash_image_error *error, const char *field, int64_t value,
                                               int64_t low, int64_t high) {
    if (value >= low && value <= high) return TARASH_IMAGE_OK;
    return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION, "%s: %lld is not between %lld and %lld",
                            field, (long long)value, (long long)low, (long long)high);
}

#define TARIMG_MAX_MS 2000000000 /* three weeks */

static tarash_image_result tarimg_check_config_numbers(tarash_image_error *error,
                                                       const tarash_image_config *config) {
    const struct {
        const char *field;
        int value, low, high;
    } numbers[] = {{"timeout_ms", config->timeout_ms, 0, TARIMG_MAX_MS},
                   {"total_timeout_ms", config->total_timeout_ms, 0, TARIMG_MAX_MS},
                   {"connect_timeout_ms", config->connect_timeout_ms, 0, TARIMG_MAX_MS},
                   {"max_poll_attempts", config->max_poll_attempts, 0, 1000000},
                   {"poll_interval_ms", config->poll_interval_ms, 0, TARIMG_MAX_MS},
                   {"max_retries", config->max_retries, TARASH_IMAGE_NO_RETRIES, 100},
                   {"retry.initial_ms", config->retry.initial_ms, 0, TARIMG_MAX_MS},
                   {"retry.max_ms", config->retry.max_ms, 0, TARIMG_MAX_MS},
                   {"retry.max_elapsed_ms", config->retry.max_elapsed_ms, 0, TARIMG_MAX_MS},
                   {"on_unknown", (int)config->on_unknown, 0, 2}};
    size_t i;
    for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        tarash_image_result result =
            tarimg_check_number(error, numbers[i].field, numbers[i].value, numbers[i].low, numbers[i].high);
        if (result != TARASH_IMAGE_OK) return result;
    }
    if (!(config->retry.exponent >= 1 && config->retry.exponent <= 10) &&
        !(config->retry.exponent >= 0 && config->retry.exponent <= 0))
        return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION,
                                "retry.exponent: is not between 1 and 10");
    if (config->fallback_on & ~((1u << TARASH_IMAGE_RESULT_COUNT) - 1u))
        return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION,
                                "fallback_on: has bits that are no result");
    return TARASH_IMAGE_OK;
}

static int tarimg_is_header_name(const char *name) {
    const char *c;
    for (c = name; *c; c++) {
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7F || strchr("()<>@,;:\\\"/[]?={}", *c))
            return 0;
    }
    return c > name;
}

static tarash_image_result tarimg_check_headers(tarash_image_error *error,
                                                const tarash_image_config *config) {
    static const char reserved[] = "host,content-length,transfer-encoding,connection,expect,content-type";
    size_t i;
    if (config->header_count && !config->headers)
        return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION,
                                "headers: is NULL, but header_count is not 0");
    for (i = 0; i < config->header_count; i++) {
        const char *name = config->headers[i].name, *value = config->headers[i].value;
        if (!tarimg_is_set(name) || !value)
            return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION,
                                    "headers[%llu]: needs a name and a value", (unsigned long long)i);
        if (!tarimg_is_header_name(name))
            return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION,
                                    "headers[%llu]: the name has a character that header names don't",
                                    (unsigned long long)i);
        if (tarimg_has_control(value))
            return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION,
                                    "headers[%llu]: the value has a control character in it",
                                    (unsigned long long)i);
        if (tarimg_in_list(reserved, name))
            return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION,
                                    "headers[%llu]: %s is the library's own", (unsigned long long)i, name);
    }
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_check_mock_polling(tarash_image_error *error,
                                                     const tarash_image_mock_polling *polling) {
    size_t i, count = polling->statuses ? polling->status_count : 3;
    tarash_image_result result;
    if ((polling->statuses != NULL) != (polling->status_count != 0))
        return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION,
                                "mock.polling.statuses: needs a status_count, and the other way round");
    for (i = 0; polling->statuses && i < count; i++) {
        result = tarimg_check_number(error, "mock.polling.statuses", (int)polling->statuses[i], 1, 4);
        if (result != TARASH_IMAGE_OK) return result;
    }
    for (i = 0; polling->percentages && i < count; i++) {
        result = tarimg_check_number(error, "mock.polling.percentages", polling->percentages[i], 0, 100);
        if (result != TARASH_IMAGE_OK) return result;
    }
    return tarimg_check_number(error, "mock.polling.delay_ms", polling->delay_ms, 0, TARIMG_MAX_MS);
}

static tarash_image_result tarimg_check_mock_response(tarash_image_error *error,
                                                      const tarash_image_mock_response *response, size_t i) {
    const char *problem = NULL;
    if (!(response->weight >= 0 && response->weight <= 1e9))
        problem = "weight is not a positive number";
    else if ((int)response->error < 0 || (int)response->error >= TARASH_IMAGE_RESULT_COUNT)
        problem = "error is no result";
    else if (response->error != TARASH_IMAGE_OK && (response->data || response->url))
        problem = "has an error and an image";
    else if (response->http_status < 0 || response->http_status > 599)
        problem = "http_status is out of range";
    else if (response->retry_after_ms < 0)
        problem = "retry_after_ms is negative";
    else if ((response->data != NULL) != (response->size != 0))
        problem = "data needs a size, and the other way round";
    if (!problem) return TARASH_IMAGE_OK;
    return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION, "mock.responses[%llu]: %s",
                            (unsigned long long)i, problem);
}

static tarash_image_result tarimg_check_mock(tarash_image_error *error, const tarash_image_mock *mock) {
    tarash_image_result result;
    size_t i;
    if (!mock || !mock->enabled) return TARASH_IMAGE_OK;
    if ((result = tarimg_check_number(error, "mock.latency_ms", mock->latency_ms, 0, TARIMG_MAX_MS)) !=
        TARASH_IMAGE_OK)
        return result;
    if ((result = tarimg_check_number(error, "mock.kind", (int)mock->kind, 0, 1)) != TARASH_IMAGE_OK)
        return result;
    if (mock->response_count && !mock->responses)
        return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION,
                                "mock.responses: is NULL, but response_count is not 0");
    for (i = 0; i < mock->response_count; i++) {
        result = tarimg_check_mock_response(error, &mock->responses[i], i);
        if (result != TARASH_IMAGE_OK) return result;
    }
    return mock->polling && mock->polling->enabled ? tarimg_check_mock_polling(error, mock->polling)
                                                   : TARASH_IMAGE_OK;
}

static int tarimg_sink_is_whole(const tarash_image_sink *sink) {
    return sink->path ? sink->path[0] != 0 : sink->open_fn && sink->write_fn && sink->close_fn;
}

static tarash_image_result tarimg_check_request(tarash_image_client *client, tarash_image_error *error,
                                                const tarash_image_request *request) {
    const struct {
        const char *field, *text;
    } words[] = {{"size", request->size},
                 {"aspect_ratio", request->aspect_ratio},
                 {"quality", request->quality},
                 {"style", request->style},
                 {"background", request->background},
                 {"output_format", request->output_format},
                 {"user", request->user}};
    tarash_image_result result;
    double ratio;
    int width, height;
    size_t i;
    if ((result = tarimg_check_text(error, "prompt", request->prompt)) != TARASH_IMAGE_OK) return result;
    if ((result = tarimg_check_text(error, "negative_prompt", request->negative_prompt)) != TARASH_IMAGE_OK)
        return result;
    for (i = 0; i < sizeof words / sizeof words[0]; i++) {
        if ((result = tarimg_check_word(error, words[i].field, words[i].text)) != TARASH_IMAGE_OK)
            return result;
    }
    if (request->size && !tarimg_equal(request->size, "auto") &&
        !tarimg_parse_size(request->size, strlen(request->size), &width, &height))
        return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION,
                                "size: \"%s\" is neither \"auto\" nor \"WxH\" with 1 to %d pixels each",
                                request->size, TARIMG_MAX_EDGE);
    if (request->aspect_ratio && !tarimg_equal(request->aspect_ratio, "auto") &&
        !tarimg_parse_ratio(request->aspect_ratio, strlen(request->aspect_ratio), &ratio))
        return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION,
                                "aspect_ratio: \"%s\" is neither \"auto\" nor \"W:H\"",
                                request->aspect_ratio);
    if ((result = tarimg_check_number(error, "n", request->n ? request->n : 1, 1,
                                      client->limits.max_images)) != TARASH_IMAGE_OK)
        return result;
    if ((result = tarimg_check_number(error, "partial_images", request->partial_images, 0, 3)) !=
        TARASH_IMAGE_OK)
        return result;
    if ((result = tarimg_check_number(error, "output", (int)request->output, 0, 3)) != TARASH_IMAGE_OK)
        return result;
    if (request->image_count && !request->images)
        return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION,
                                "images: is NULL, but image_count is not 0");
    if (request->image_count > 1000)
        return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION,
                                "image_count: no provider takes that many");
    if (request->sink && !tarimg_sink_is_whole(request->sink))
        return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION,
                                "sink: needs a path, or open_fn, write_fn and close_fn");
    if (request->sink && request->n > 1 && !tarimg_sink_has_room(request->sink, 1))
        return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION,
                                "sink.path: needs {index} in it, for n is %d", request->n);
    if (request->sink && request->output > TARASH_IMAGE_OUTPUT_BYTES)
        return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION,
                                "output: a sink takes bytes; leave output AUTO or BYTES with it");
#if defined(TARASH_IMAGE_NO_STDIO)
    if (request->sink && request->sink->path)
        return tarimg_set_error(error, TARASH_IMAGE_ERROR_UNSUPPORTED,
                                "sink.path: this build opens no files");
#endif
    return TARASH_IMAGE_OK;
}

/* Reads a JSON object that the user gave; NULL text gives an empty one. */
static tarash_image_result tarimg_parse_object(tarimg_job *job, const char *field, const char *text,
                                               tarimg_value **out) {
    *out = text ? tarimg_parse_json(&job->arena, text, strlen(text), job->client->limits.max_json_depth)
                : tarimg_value_new(&job->arena, TARIMG_OBJECT);
    if (job->arena.failed) return tarimg_no_memory(&job->error);
    if (!*out || (*out)->kind != TARIMG_OBJECT)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION, "%s: is not a JSON object",
                                field);
    return TARASH_IMAGE_OK;
}

/* ---- resolving input images */

static int tarimg_copy_row(void *context, uint32_t y, unsigned char *row) {
    const tarash_image_input *input = (const tarash_image_input *)context;
    size_t bytes = (size_t)input->width * (size_t)input->channels;
    memcpy(row, (const unsigned char *)input->pixels + bytes * y, bytes);
    return 0;
}

/* Writes raw pixels as a PNG into memory; `row_fn` says in which form. */
static tarash_image_result tarimg_encode_pixels(tarimg_job *job, const tarash_image_input *given,
                                                int channels, tarimg_png_row_fn row_fn, void *row_context,
                                                tarimg_input *out) {
    const tarash_image_allocator *allocator = &job->client->allocator;
    size_t scratch_size = tarimg_png_scratch_size((uint32_t)given->width, channels);
    tarimg_payload payload;
    unsigned char *scratch = scratch_size ? (unsigned char *)tarimg_alloc(allocator, scratch_size) : NULL;
    int written;
    if (!scratch) return tarimg_no_memory(&job->error);
    tarimg_payload_init(&payload, allocator, job->client->limits.max_image_bytes, 0);
    written = tarimg_png_write((uint32_t)given->width, (uint32_t)given->height, channels, row_fn, row_context,
                               scratch, tarimg_write_to_payload, &payload);
    tarimg_release(allocator, scratch);
    if (written == 0) written = (int)tarimg_payload_close(&payload);
    out->data = out->owned = payload.data;
    out->size = payload.fill;
    if (written == 0) return TARASH_IMAGE_OK;
    if (payload.result == TARASH_IMAGE_ERROR_TOO_LARGE)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "%s: the pixels exceed limits.max_image_bytes as a PNG", out->field);
    return tarimg_no_memory(&job->error);
}

static tarash_image_result tarimg_check_pixels(tarimg_job *job, const tarash_image_input *given,
                                               const char *field) {
    size_t bytes;
    if (given->width < 1 || given->height < 1 || given->width > TARIMG_MAX_EDGE ||
        given->height > TARIMG_MAX_EDGE)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "%s: pixels need width and height from 1 to %d", field, TARIMG_MAX_EDGE);
    if (given->channels < 1 || given->channels > 4)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "%s: pixels have 1 to 4 channels, not %d", field, given->channels);
    if (!tarimg_multiply_size((size_t)given->width * (size_t)given->channels, (size_t)given->height, &bytes))
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION, "%s: too many pixels", field);
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_resolve_data_url(tarimg_job *job, const char *url, tarimg_input *out) {
    tarimg_payload payload;
    tarash_image_result result = tarimg_decode_text(&job->client->allocator, url, strlen(url),
                                                    job->client->limits.max_image_bytes, &payload);
    out->data = out->owned = payload.data;
    out->size = payload.fill;
    if (result == TARASH_IMAGE_ERROR_OUT_OF_MEMORY) return tarimg_no_memory(&job->error);
    if (result != TARASH_IMAGE_OK)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "%s: the data: URL is not valid base64, or too large", out->field);
    if (payload.fill == 0)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "%s: the data: URL holds no bytes", out->field);
    tarimg_describe_input(&job->arena, out, payload.data, payload.fill);
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_resolve_path(tarimg_job *job, tarimg_input *out) {
#if defined(TARASH_IMAGE_NO_STDIO)
    return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_UNSUPPORTED, "%s: this build opens no files",
                            out->field);
#else
    unsigned char head[4096];
    FILE *file = tarimg_file_open(out->path, 0);
    int64_t size = file ? tarimg_file_size(file) : -1;
    size_t read = size > 0 ? fread(head, 1, sizeof head, file) : 0;
    if (file) (void)fclose(file);
    if (size < 0 || (size > 0 && read == 0))
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "%s: the file \"%.300s\" can't be read", out->field, out->path);
    if (size == 0)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "%s: the file \"%.300s\" is empty", out->field, out->path);
    if ((uint64_t)size > SIZE_MAX / 2)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION, "%s: the file is too large",
                                out->field);
    out->size = (size_t)size;
    tarimg_describe_input(&job->arena, out, head, read);
    return TARASH_IMAGE_OK;
#endif
}

static tarash_image_result tarimg_resolve_url(tarimg_job *job, tarimg_input *out) {
    tarimg_url url;
    if (tarimg_begins_nocase(out->url, "data:")) {
        const char *data_url = out->url;
        out->url = NULL;
        return tarimg_resolve_data_url(job, data_url, out);
    }
    if (tarimg_check_text(&job->error, out->field, out->url) != TARASH_IMAGE_OK) return job->error.result;
    if (!tarimg_split_url(out->url, &url))
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "%s: the url is not a valid http(s) or data: URL", out->field);
    out->url = tarimg_copy(&job->arena, out->url);
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_resolve_input(tarimg_job *job, const tarash_image_input *given,
                                                tarimg_input *out) {
    int sources =
        (given->url != NULL) + (given->path != NULL) + (given->data != NULL) + (given->pixels != NULL);
    tarash_image_result result;
    if (sources != 1)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "%s: needs exactly one of url, path, data and pixels", out->field);
    result = tarimg_check_word(&job->error, tarimg_format(&job->arena, "%s.mime_type", out->field),
                               given->mime_type);
    if (result != TARASH_IMAGE_OK) return result;
    result = tarimg_check_number(&job->error, tarimg_format(&job->arena, "%s.role", out->field),
                                 (int)given->role, 0, 4);
    if (result != TARASH_IMAGE_OK) return result;
    if (given->pixels && given->mime_type && !tarimg_equal(given->mime_type, "image/png"))
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "%s.mime_type: pixels are sent as image/png", out->field);
    out->role = given->role;
    out->mime_type = tarimg_copy(&job->arena, given->mime_type);
    if (given->url) {
        out->url = given->url;
        return tarimg_resolve_url(job, out);
    }
    if (given->path) {
        out->path = tarimg_copy(&job->arena, given->path);
        return out->path ? tarimg_resolve_path(job, out) : tarimg_no_memory(&job->error);
    }
    if (given->pixels) {
        tarash_image_input source = *given;
        if ((result = tarimg_check_pixels(job, given, out->field)) != TARASH_IMAGE_OK) return result;
        result = tarimg_encode_pixels(job, given, given->channels, tarimg_copy_row, &source, out);
        if (result == TARASH_IMAGE_OK) tarimg_describe_input(&job->arena, out, out->data, out->size);
        return result;
    }
    if (!given->size)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "%s: data has no bytes (size is 0)", out->field);
    out->data = (const unsigned char *)given->data;
    out->size = given->size;
    tarimg_describe_input(&job->arena, out, out->data, out->size < 4096 ? out->size : 4096);
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_resolve_inputs(tarimg_job *job) {
    const tarash_image_request *request = &job->request;
    size_t i;
    if (request->image_count == 0) return TARASH_IMAGE_OK;
    job->inputs = (tarimg_input *)tarimg_take(&job->arena, request->image_count * sizeof *job->inputs);
    if (!job->inputs) return tarimg_no_memory(&job->error);
    for (i = 0; i < request->image_count; i++) {
        tarash_image_result result;
        job->inputs[i].field = tarimg_format(&job->arena, "images[%llu]", (unsigned long long)i);
        if (!job->inputs[i].field) return tarimg_no_memory(&job->error);
        result = tarimg_resolve_input(job, &request->images[i], &job->inputs[i]);
        if (result != TARASH_IMAGE_OK) return result;
    }
    return TARASH_IMAGE_OK;
}

static int tarimg_has_mask(const tarash_image_request *request) {
    return request->mask.url || request->mask.path || request->mask.data || request->mask.pixels;
}

/* The mask as one polarity has it: pixels are converted, once for each polarity that the chain needs. */
static tarash_image_result tarimg_resolve_mask(tarimg_job *job, const tarash_image_capabilities *caps,
                                               const tarimg_input **out) {
    tarash_image_mask_polarity polarity = caps->mask;
    const tarash_image_input *given = &job->request.mask;
    tarimg_input *mask;
    tarash_image_result result;
    size_t place = given->pixels ? (size_t)polarity + (caps->mask_is_binary ? 4 : 0) : 0;
    *out = job->masks[place];
    if (*out) return TARASH_IMAGE_OK;
    mask = (tarimg_input *)tarimg_take(&job->arena, sizeof *mask);
    if (!mask) return tarimg_no_memory(&job->error);
    mask->field = "mask";
    job->masks[place] = mask;
    *out = mask;
    if (given->pixels) {
        tarimg_mask source;
        if ((result = tarimg_check_pixels(job, given, "mask")) != TARASH_IMAGE_OK) return result;
        source.pixels = (const unsigned char *)given->pixels;
        source.width = (uint32_t)given->width;
        source.height = (uint32_t)given->height;
        source.channels = given->channels;
        source.polarity = polarity;
        source.is_binary = caps->mask_is_binary;
        mask->filename = "mask.png";
        result = tarimg_encode_pixels(job, given, tarimg_mask_channels(polarity), tarimg_mask_to_alpha,
                                      &source, mask);
        if (result == TARASH_IMAGE_OK) tarimg_describe_input(&job->arena, mask, mask->data, mask->size);
        return result;
    }
    return tarimg_resolve_input(job, given, mask);
}

/* ---- resolving a chain */

static void tarimg_add_secret(tarimg_job *job, const char *text) {
    tarimg_secret *secret;
    if (!text || strlen(text) < TARIMG_MIN_SECRET) return;
    for (secret = job->secrets; secret; secret = secret->next) {
        if (tarimg_equal(secret->text, text)) return;
    }
    secret = (tarimg_secret *)tarimg_take(&job->arena, sizeof *secret);
    if (!secret) return;
    secret->text = tarimg_copy(&job->arena, text);
    secret->size = strlen(text);
    secret->next = job->secrets;
    if (secret->text) job->secrets = secret;
}

/* A key, without the line end of the file that it was read from; each part of one that has parts, and its form in
   HTTP Basic, is as secret as the whole. */
static void tarimg_add_key_secrets(tarimg_job *job, const char *given) {
    size_t size = given ? strlen(given) : 0;
    const char *key, *part, *end;
    while (size && tarimg_is_space(given[size - 1])) size--;
    key = size ? tarimg_copy_bytes(&job->arena, given, size) : NULL;
    if (!key) return;
    tarimg_add_secret(job, key);
    if (!strchr(key, ':')) return;
    tarimg_add_secret(job, tarimg_base64_text(&job->arena, key));
    for (part = key; part; part = end ? end + 1 : NULL) {
        end = strchr(part, ':');
        if (part != key) tarimg_add_secret(job, tarimg_copy_bytes(&job->arena, part, strcspn(part, ":")));
    }
}

static int tarimg_is_secret_name(const char *name) {
    static const char *const parts[] = {"key", "token", "secret", "auth", "password", "cookie", "credential"};
    size_t i;
    for (i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (tarimg_contains_nocase(name, parts[i])) return 1;
    }
    return 0;
}

/* Parameters of base_url's query that look like keys are secrets, too. */
static void tarimg_add_query_secrets(tarimg_job *job, const char *url) {
    const char *at = strchr(url, '?');
    while (at && *at) {
        size_t size = strcspn(++at, "&"), name = strcspn(at, "=&");
        char *text = tarimg_copy_bytes(&job->arena, at, size);
        if (text && name < size) {
            text[name] = '\0';
            if (tarimg_is_secret_name(text)) tarimg_add_secret(job, text + name + 1);
        }
        at += size;
    }
}

/* The first of the row's variables that is set, or NULL. */
static const char *tarimg_environment(const char *variables, const char **name_out) {
    const char *item;
    size_t size;
    while (tarimg_next_item(&variables, &item, &size)) {
        char name[64];
        const char *value;
        if (size >= sizeof name) continue;
        memcpy(name, item, size);
        name[size] = '\0';
        value = getenv(name);
        if (name_out) *name_out = item;
        if (tarimg_is_set(value)) return value;
    }
    return NULL;
}

static const tarash_image_provider_info *tarimg_row_of(tarash_image_client *client, const char *name,
                                                       const tarash_image_provider **custom) {
    tarimg_registered *registered;
    *custom = NULL;
    for (registered = client->registered; registered; registered = registered->next) {
        if (!tarimg_row_is_named(&registered->row, name)) continue;
        if (registered->provider.build_fn) *custom = &registered->provider;
        return &registered->row;
    }
    return tarimg_find_row(name);
}

static const char *tarimg_known_providers(tarimg_arena *arena) {
    const char *names = "";
    size_t i;
    for (i = 0; i < TARIMG_ROW_COUNT && names; i++)
        names = tarimg_format(arena, "%s%s%s", names, i ? ", " : "", tarimg_rows[i].name);
    return names ? names : "";
}

/* "openai/dall-e-3" at openai itself means dall-e-3; where model names have slashes of their own, they stay. */
static void tarimg_cut_own_prefix(tarimg_job *job, tarimg_link *link, const char *slash) {
    const tarash_image_provider *custom;
    const tarash_image_provider_info *row = tarimg_row_of(job->client, link->config.provider, &custom);
    size_t size = (size_t)(slash - link->config.model);
    if (!row || custom || !row->default_model || strchr(row->default_model, '/') || !row->default_model[0])
        return;
    if (strlen(row->name) == size && tarimg_equal_bytes_nocase(link->config.model, row->name, size) &&
        slash[1])
        link->config.model = slash + 1;
}

static int tarimg_default(int value, int fallback) {
    return value ? value : fallback;
}

static const char *tarimg_redacted_copy(tarimg_job *job, const char *text) {
    char *copy = tarimg_copy(&job->arena, text);
    if (copy) tarimg_redact_text(job->secrets, copy);
    return copy ? copy : "";
}

/* Finds the link's row, and cuts the provider off a model such as "openai/dall-e-3" where no provider is
 * given. */
static tarash_image_result tarimg_resolve_row(tarimg_job *job, tarimg_link *link) {
    int fitting;
    const char *name = link->config.provider, *model = link->config.model;
    const char *slash = model ? strchr(model, '/') : NULL;
    int is_mock = link->config.mock && link->config.mock->enabled;
    if (!name && slash) {
        name = tarimg_copy_bytes(&job->arena, model, (size_t)(slash - model));
        if (!name) return tarimg_no_memory(&job->error);
        if (tarimg_row_of(job->client, name, &link->custom)) link->config.model = slash + 1;
        if (link->config.model == slash + 1 && !slash[1])
            return tarimg_set_error(
                &job->error, TARASH_IMAGE_ERROR_VALIDATION,
                "model: is empty behind the provider's name; give the provider alone for its default");
        if (link->config.model != slash + 1 && !is_mock)
            return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                    "provider: is missing, and \"%s\", before the model's first slash, is no "
                                    "known one (known: %s)",
                                    name, tarimg_known_providers(&job->arena));
    }
    if (link->config.provider && slash) tarimg_cut_own_prefix(job, link, slash);
    if (!name && is_mock) name = "mock";
    if (!name)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "provider: is missing (known: %s)", tarimg_known_providers(&job->arena));
    link->row = tarimg_row_of(job->client, name, &link->custom);
    link->provider = link->row ? link->row->name : name;
    if (is_mock) {
        if (link->config.model == NULL && link->row) link->config.model = link->row->default_model;
        link->row = tarimg_find_row("mock");
        link->custom = NULL;
    }
    if (!link->row) /* it may be a key in the wrong field */
        link->provider = name = tarimg_redacted_copy(job, name);
    if (!link->row)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "provider: \"%.64s\" is not known (known: %s)", name,
                                tarimg_known_providers(&job->arena));
    if (!link->row->adapter)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_UNSUPPORTED,
                                "provider: %s was compiled out of this build", link->row->name);
    link->adapter = link->row->adapter;
    link->config.poll_interval_ms =
        tarimg_default(link->config.poll_interval_ms, tarimg_default(link->row->poll_interval_ms, 2000));
    fitting = link->config.timeout_ms / link->config.poll_interval_ms;
    link->config.max_poll_attempts =
        tarimg_default(link->config.max_poll_attempts, fitting > 60 ? fitting : 60);
    return TARASH_IMAGE_OK;
}

/* The operations that a provider has, for a message. */
static const char *tarimg_known_operations(tarimg_arena *arena, const char *provider) {
    const char *list = "none";
    size_t i, count = 0;
    for (i = 0; list && i < TARIMG_OPERATION_COUNT; i++) {
        if (!tarimg_equal(tarimg_operations[i].provider, provider)) continue;
        list = tarimg_format(arena, "%s%s%s", count ? list : "", count ? ", " : "",
                             tarimg_operations[i].operation);
        count++;
    }
    return list ? list : "";
}

static tarash_image_result tarimg_resolve_operation(tarimg_job *job, tarimg_link *link) {
    const tarash_image_provider_info *protocol = tarimg_row_of_adapter(link->adapter);
    const char *wanted = tarimg_option(link, "operation");
    if (!wanted || !protocol || link->adapter->answer_fn) return TARASH_IMAGE_OK;
    link->operation = tarimg_find_operation(protocol->name, wanted, NULL);
    if (link->operation || tarimg_equal(wanted, "generate")) return TARASH_IMAGE_OK;
    return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_UNSUPPORTED,
                            "provider_config.operation: %s has no \"%.64s\" (it has: %s)", link->provider,
                            tarimg_redacted_copy(job, wanted),
                            tarimg_known_operations(&job->arena, protocol->name));
}

/* What the user has registered goes before the table. */
static const tarash_image_field_mapping *tarimg_mapping_of(const tarimg_job *job, const tarimg_link *link,
                                                           int *is_registered) {
    const tarash_image_provider_info *protocol = tarimg_row_of_adapter(link->adapter);
    const tarimg_registered_mapping *registered;
    const tarash_image_field_mapping *best = NULL;
    size_t best_fit = 0;
    for (registered = job->client->mappings; registered; registered = registered->next) {
        size_t fit = tarimg_mapping_fit(&registered->mapping, link->model);
        if (!tarimg_row_is_named(link->row, registered->mapping.provider) || fit <= best_fit) continue;
        best = &registered->mapping;
        best_fit = fit;
    }
    *is_registered = best != NULL;
    if (!best && protocol && link->adapter->is_mapped)
        best = tarimg_find_mapping(protocol->name, link->model);
    return best;
}

/* The capabilities that follow from a mapping. */
static void tarimg_map_capabilities(tarimg_link *link, tarash_image_capabilities *caps, int is_registered) {
    const uint32_t kept =
        TARASH_IMAGE_FIELD_OUTPUT | TARASH_IMAGE_FIELD_PARTIAL_IMAGES | TARASH_IMAGE_FIELD_ROLES;
    const tarimg_mapped *mapped;
    if (link->adapter->is_mapped) caps->fields &= kept;
    for (mapped = link->mapped; mapped; mapped = mapped->next) {
        uint32_t field = mapped->field & ~TARIMG_MAPPED_PROMPT;
        caps->fields = mapped->target[0] ? caps->fields | field : caps->fields & ~field;
        if (field == TARASH_IMAGE_FIELD_IMAGES && !strstr(mapped->target, "[]"))
            caps->max_input_images = 1;
        else if (field == TARASH_IMAGE_FIELD_IMAGES && is_registered && caps->max_input_images == 1)
            caps->max_input_images = 0; /* that was another mapping's */
        if (field == TARASH_IMAGE_FIELD_MASK && caps->mask == TARASH_IMAGE_MASK_NONE)
            caps->mask = TARASH_IMAGE_MASK_WHITE;
    }
    /* A protocol that sees no images doesn't look for a mask. */
    if (tarimg_find_mapped(link, TARASH_IMAGE_FIELD_IMAGES) &&
        !tarimg_find_mapped(link, TARASH_IMAGE_FIELD_MASK) && tarimg_row_of_adapter(link->adapter))
        caps->fields &= ~(uint32_t)TARASH_IMAGE_FIELD_MASK;
}

/* The standard fields that a mapping takes over, and what that says about the model. */
static tarash_image_result tarimg_resolve_mapping(tarimg_job *job, tarimg_link *link) {
    tarimg_arena *arena = &job->arena;
    tarash_image_capabilities *caps;
    tarimg_value *constants = NULL;
    int is_registered;
    const tarash_image_field_mapping *mapping;
    if (link->adapter->answer_fn) return TARASH_IMAGE_OK;
    mapping = tarimg_mapping_of(job, link, &is_registered);
    if (!mapping) return TARASH_IMAGE_OK;
    link->mapped = tarimg_parse_mapping(arena, mapping->fields);
    if (mapping->constants) {
        constants = tarimg_parse_json(arena, mapping->constants, strlen(mapping->constants), link->max_depth);
        link->constants = constants;
    }
    caps = (tarash_image_capabilities *)tarimg_take(arena, sizeof *caps);
    if (!caps) return tarimg_no_memory(&job->error);
    *caps = *link->caps;
    if (is_registered || !link->operation || !link->operation->capabilities)
        tarimg_map_capabilities(link, caps, is_registered);
    link->caps = caps;
    return TARASH_IMAGE_OK;
}

/* Would it lead out of the path that it becomes a part of? */
static int tarimg_has_dot_segment(const char *model) {
    while (*model) {
        size_t size = strcspn(model, "/");
        if ((size == 1 && model[0] == '.') || (size == 2 && model[0] == '.' && model[1] == '.')) return 1;
        model += size + (model[size] == '/');
    }
    return 0;
}

static tarash_image_result tarimg_resolve_model(tarimg_job *job, tarimg_link *link) {
    const char *chosen;
    const tarash_image_provider_info *protocol;
    tarash_image_result result = tarimg_resolve_operation(job, link);
    if (result != TARASH_IMAGE_OK) return result;
    link->model = link->config.model ? link->config.model : link->row->default_model;
    if (!link->model)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "model: is missing; %s has no default", link->provider);
    link->has_mask = tarimg_has_mask(&job->request);
    if (tarimg_has_dot_segment(link->model))
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION, "model: has a part of dots only");
    protocol = tarimg_row_of_adapter(link->adapter);
    if (protocol) link->model_operation = tarimg_find_operation(protocol->name, NULL, link->model);
    chosen = link->adapter->model_fn ? link->adapter->model_fn(link) : NULL;
    if (chosen) link->model = chosen;
    /* Some models are what others call an operation. */
    if (!link->operation && protocol && !tarimg_option(link, "operation"))
        link->operation = tarimg_find_operation(protocol->name, NULL, link->model);
    link->caps = link->operation && link->operation->capabilities ? link->operation->capabilities
                                                                  : tarimg_find_caps(link->row, link->model);
    return tarimg_resolve_mapping(job, link);
}

static tarash_image_result tarimg_resolve_base_url(tarimg_job *job, tarimg_link *link) {
    const char *problem = NULL;
    tarimg_url url;
    const char *variable = link->row->base_url_variable;
    const char *given = link->config.base_url ? link->config.base_url : tarimg_environment(variable, NULL);
    /* What a registered provider says of itself goes before what its protocol would work out. */
    if (!given && link->adapter->base_url_fn &&
        (!link->row->base_url || tarimg_row_of_adapter(link->adapter) == link->row))
        given = link->adapter->base_url_fn(link, &problem);
    if (problem) return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION, "%s", problem);
    link->base_url = tarimg_copy(&job->arena, given ? given : link->row->base_url);
    if (job->arena.failed) return tarimg_no_memory(&job->error);
    if (!link->base_url)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "base_url: is missing; %s has no default%s%s", link->provider,
                                variable ? "; set it, or one of the environment variables " : "",
                                variable ? variable : "");
    if (link->adapter->answer_fn) return TARASH_IMAGE_OK;
    if (!tarimg_split_url(link->base_url, &url) || strchr(link->base_url, '#'))
        return tarimg_set_error(
            &job->error, TARASH_IMAGE_ERROR_VALIDATION,
            "base_url: is not a valid http(s) URL (no credentials, white space or fragment in it)");
    tarimg_add_query_secrets(job, link->base_url);
    return TARASH_IMAGE_OK;
}

/* The first of the variables, or of the pairs "A+B+C?", that is set. */
static const char *tarimg_key_of_environment(tarimg_arena *arena, const char *variables) {
    const char *item, *joined;
    size_t size;
    while (tarimg_next_item(&variables, &item, &size)) {
        const char *part = item, *end = item + size;
        for (joined = ""; joined && part < end; part += (part < end)) {
            size_t length = strcspn(part, "+?,");
            const char *name = tarimg_copy_bytes(arena, part, length);
            const char *value = name ? tarimg_environment(name, NULL) : NULL;
            int may_lack = part[length] == '?';
            part += length + (size_t)may_lack;
            if (value)
                joined = *joined ? tarimg_format(arena, "%s:%s", joined, value) : value;
            else if (!may_lack)
                joined = NULL;
        }
        if (joined && *joined) return joined;
    }
    return NULL;
}

static tarash_image_result tarimg_resolve_key(tarimg_job *job, tarimg_link *link) {
    const char *key = link->config.api_key, *variables = link->row->key_variables;
    tarimg_url url;
    size_t size;
    if (link->adapter->answer_fn) return TARASH_IMAGE_OK;
    if (!key) key = tarimg_key_of_environment(&job->arena, variables);
    size = key ? strlen(key) : 0;
    while (size && tarimg_is_space(key[size - 1])) size--;
    if (size == 0) {
        if (link->row->key_optional) return TARASH_IMAGE_OK;
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "api_key: is missing; set it%s%.*s",
                                variables ? ", or the environment variable " : "",
                                variables ? (int)strcspn(variables, ",") : 0, variables ? variables : "");
    }
    link->key = tarimg_copy_bytes(&job->arena, key, size);
    if (!link->key) return tarimg_no_memory(&job->error);
    tarimg_add_key_secrets(job, link->key);
    if (tarimg_split_url(link->base_url, &url) && !url.is_https && !tarimg_is_private_host(&url))
        tarimg_add_note(link, 1, "base_url", "http", "http",
                        "the key crosses the network unencrypted; use https");
    if (tarimg_has_control(link->key))
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "api_key: has a control character in it");
    return TARASH_IMAGE_OK;
}

/* Environment variables for options that provider_config leaves out. */
static void tarimg_fill_options(tarimg_job *job, tarimg_link *link) {
    const char *list = link->row->option_variables, *item, *equals;
    size_t size;
    while (tarimg_next_item(&list, &item, &size)) {
        char *name, *variable;
        const char *value;
        equals = (const char *)memchr(item, '=', size);
        name = tarimg_copy_bytes(&job->arena, item, (size_t)(equals - item));
        variable = tarimg_copy_bytes(&job->arena, equals + 1, size - (size_t)(equals + 1 - item));
        if (!name || !variable) return;
        value = getenv(variable);
        if (tarimg_is_set(value) && !tarimg_member(link->options, name))
            tarimg_set_text(&job->arena, link->options, name, value);
    }
}

/* What a key of provider_config is: 't' a text or number, '?' true or false, '*' anything; '\0' = not known here. */
static char tarimg_option_kind(const tarimg_link *link, const char *name) {
    const char *list = link->row->config_keys, *item;
    int is_builtin = tarimg_row_of_adapter(link->adapter) != NULL;
    size_t size, length = strlen(name);
    if (is_builtin && tarimg_equal(name, "operation")) return 't';
    while (tarimg_next_item(&list, &item, &size)) {
        char mark = size > length ? item[length] : 't';
        if (size < length || size > length + 1 || memcmp(item, name, length) != 0) continue;
        if (mark == 't' && !is_builtin) return '*'; /* the user's own code knows what it wants */
        if (size == length || mark == '?' || mark == '*') return mark;
    }
    return '\0';
}

static int tarimg_is_of_kind(const tarimg_value *option, char kind) {
    if (kind == '*' || option->kind == TARIMG_NULL) return 1;
    if (kind == '?') return option->kind == TARIMG_TRUE || option->kind == TARIMG_FALSE;
    return option->kind == TARIMG_STRING || option->kind == TARIMG_NUMBER;
}

static tarash_image_result tarimg_resolve_options(tarimg_job *job, tarimg_link *link) {
    const tarimg_value *option;
    int is_version;
    char kind;
    tarash_image_result result =
        tarimg_parse_object(job, "provider_config", link->config.provider_config, &link->options);
    if (result != TARASH_IMAGE_OK) return result;
    tarimg_set_text(&job->arena, link->options, "api_version", link->config.api_version);
    tarimg_fill_options(job, link);
    for (option = link->options->first; option; option = option->next) {
        if (option->kind == TARIMG_STRING && tarimg_has_control(option->text))
            return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                    "provider_config.%.64s: has a control character in it",
                                    tarimg_redacted_copy(job, option->name));
        if (option->kind == TARIMG_STRING && tarimg_is_secret_name(option->name))
            tarimg_add_secret(job, option->text);
        if (link->adapter->answer_fn) continue;
        kind = tarimg_option_kind(link, option->name);
        if (kind && !tarimg_is_of_kind(option, kind))
            return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                    "provider_config.%.64s: must be %s",
                                    tarimg_redacted_copy(job, option->name),
                                    kind == '?' ? "true or false" : "a text or a number");
        if (kind) continue;
        is_version = link->config.api_version && tarimg_equal(option->name, "api_version");
        tarimg_warn(
            link, is_version ? "api_version" : tarimg_format(&job->arena, "provider_config.%s", option->name),
            option->text, NULL, "this provider knows no such setting");
    }
    return TARASH_IMAGE_OK;
}

static void
tarimg_default_numbers(tarash_image_config *config) { /* but those of polling, which rows decide */
    config->timeout_ms = tarimg_default(config->timeout_ms, 120000);
    config->connect_timeout_ms = tarimg_default(config->connect_timeout_ms, 10000);
    config->max_retries =
        config->max_retries == TARASH_IMAGE_NO_RETRIES ? 0 : tarimg_default(config->max_retries, 2);
    config->retry.initial_ms = tarimg_default(config->retry.initial_ms, 500);
    config->retry.max_ms = tarimg_default(config->retry.max_ms, 60000);
    config->retry.max_elapsed_ms = tarimg_default(config->retry.max_elapsed_ms, 3600000);
    if (config->retry.exponent < 1) config->retry.exponent = 1.5;
}

static void tarimg_copy_headers(tarimg_job *job, tarimg_link *link) {
    const tarash_image_header *given = link->config.headers;
    size_t i, count = link->config.header_count, bytes;
    tarash_image_header *copies;
    link->config.headers = NULL;
    if (!count || !tarimg_multiply_size(count, sizeof *copies, &bytes)) return;
    copies = (tarash_image_header *)tarimg_take(&job->arena, bytes);
    if (!copies) return;
    for (i = 0; i < count; i++) {
        copies[i].name = tarimg_copy(&job->arena, given[i].name);
        copies[i].value = tarimg_copy(&job->arena, given[i].value);
        if (!tarimg_is_secret_name(given[i].name)) continue;
        tarimg_add_secret(job, given[i].value);
        /* "Bearer X": X alone is as secret. */
        if (strrchr(given[i].value, ' ')) tarimg_add_secret(job, strrchr(given[i].value, ' ') + 1);
    }
    link->config.headers = copies;
}

static void tarimg_copy_mock(tarimg_job *job, tarimg_link *link) {
    tarash_image_mock *mock;
    tarash_image_mock_response *responses;
    tarash_image_mock_polling *polling;
    size_t i, bytes;
    if (!link->config.mock || !link->config.mock->enabled) return;
    mock = (tarash_image_mock *)tarimg_take(&job->arena, sizeof *mock);
    if (!mock) return;
    *mock = *link->config.mock;
    link->mock = mock;
    if (mock->response_count && tarimg_multiply_size(mock->response_count, sizeof *responses, &bytes) &&
        (responses = (tarash_image_mock_response *)tarimg_take(&job->arena, bytes)) != NULL) {
        memcpy(responses, mock->responses, bytes);
        for (i = 0; i < mock->response_count; i++) {
            responses[i].message = tarimg_copy(&job->arena, responses[i].message);
            responses[i].url = tarimg_copy(&job->arena, responses[i].url);
            responses[i].revised_prompt = tarimg_copy(&job->arena, responses[i].revised_prompt);
        }
        mock->responses = responses;
    }
    if (mock->polling &&
        (polling = (tarash_image_mock_polling *)tarimg_take(&job->arena, sizeof *polling)) != NULL) {
        *polling = *mock->polling;
        mock->polling = polling;
        bytes = polling->status_count * sizeof *polling->statuses;
        if (polling->statuses && bytes) {
            tarash_image_status *statuses = (tarash_image_status *)tarimg_take(&job->arena, bytes);
            if (statuses) memcpy(statuses, polling->statuses, bytes);
            polling->statuses = statuses;
        }
        bytes = (polling->statuses ? polling->status_count : 3) * sizeof *polling->percentages;
        if (polling->percentages) {
            int *percentages = (int *)tarimg_take(&job->arena, bytes);
            if (percentages) memcpy(percentages, polling->percentages, bytes);
            polling->percentages = percentages;
        }
    }
}

/* The user's texts, copied; image bytes, the sink's and the callback's data stay where they are. */
static void tarimg_copy_config(tarimg_job *job, tarimg_link *link, const tarash_image_config *config) {
    tarash_image_config *copy = &link->config;
    *copy = *config;
    copy->provider = tarimg_copy(&job->arena, config->provider);
    copy->model = tarimg_copy(&job->arena, config->model);
    copy->api_key = tarimg_copy(&job->arena, config->api_key);
    copy->base_url = tarimg_copy(&job->arena, config->base_url);
    copy->api_version = tarimg_copy(&job->arena, config->api_version);
    copy->provider_config = tarimg_copy(&job->arena, config->provider_config);
    copy->fallbacks = NULL;
    copy->fallback_count = 0;
    tarimg_copy_headers(job, link);
    tarimg_copy_mock(job, link);
    tarimg_default_numbers(copy);
}

static void tarimg_copy_request(tarimg_job *job, const tarash_image_request *request) {
    tarash_image_request *copy = &job->request;
    *copy = *request;
    copy->prompt = tarimg_copy(&job->arena, request->prompt);
    copy->negative_prompt = tarimg_copy(&job->arena, request->negative_prompt);
    copy->size = tarimg_copy(&job->arena, request->size);
    copy->aspect_ratio = tarimg_copy(&job->arena, request->aspect_ratio);
    copy->quality = tarimg_copy(&job->arena, request->quality);
    copy->style = tarimg_copy(&job->arena, request->style);
    copy->output_format = tarimg_copy(&job->arena, request->output_format);
    copy->background = tarimg_copy(&job->arena, request->background);
    copy->user = tarimg_copy(&job->arena, request->user);
    copy->extra_params = NULL;
    if (!request->sink) return;
    job->sink = *request->sink;
    job->sink.path = tarimg_copy(&job->arena, request->sink->path);
    copy->sink = &job->sink;
}

static tarash_image_result tarimg_check_config(tarimg_job *job, const tarash_image_config *config) {
    const struct {
        const char *field, *text;
    } words[] = {{"provider", config->provider},
                 {"model", config->model},
                 {"base_url", config->base_url},
                 {"api_version", config->api_version}};
    tarash_image_result result;
    size_t i;
    for (i = 0; i < sizeof words / sizeof words[0]; i++) {
        if ((result = tarimg_check_word(&job->error, words[i].field, words[i].text)) != TARASH_IMAGE_OK)
            return result;
    }
    if ((result = tarimg_check_text(&job->error, "provider_config", config->provider_config)) !=
        TARASH_IMAGE_OK)
        return result;
    if ((result = tarimg_check_config_numbers(&job->error, config)) != TARASH_IMAGE_OK) return result;
    if ((result = tarimg_check_headers(&job->error, config)) != TARASH_IMAGE_OK) return result;
    if (config->fallback_count && !config->fallbacks)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "fallbacks: is NULL, but fallback_count is not 0");
    return tarimg_check_mock(&job->error, config->mock);
}

#define TARIMG_MAX_LINKS 64

/* The configs in the order in which they are tried; a config that is its own fallback ends at the limit. */
static int tarimg_flatten(const tarash_image_config *config, const tarash_image_config **out, size_t *parents,
                          size_t parent, size_t *count, int depth) {
    size_t i, self = *count;
    if (self >= TARIMG_MAX_LINKS || depth > TARIMG_MAX_LINKS) return 0;
    out[self] = config;
    parents[self] = parent;
    (*count)++;
    for (i = 0; config->fallbacks && i < config->fallback_count; i++) {
        if (!tarimg_flatten(&config->fallbacks[i], out, parents, self, count, depth + 1)) return 0;
    }
    return 1;
}

static tarash_image_result tarimg_check_inputs(tarimg_job *job, tarimg_link *link) {
    const tarash_image_capabilities *caps = link->caps;
    if (link->input_count && !(caps->fields & TARASH_IMAGE_FIELD_IMAGES))
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_UNSUPPORTED,
                                "images: %s %s takes no input images", link->provider, link->model);
    if (caps->max_input_images && link->input_count > (size_t)caps->max_input_images)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_UNSUPPORTED,
                                "images: %s %s takes at most %d input images", link->provider, link->model,
                                caps->max_input_images);
    if (!tarimg_has_mask(&job->request)) return TARASH_IMAGE_OK;
    if (link->input_count == 0)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "mask: needs an image that it masks (images is empty)");
    if (!(caps->fields & TARASH_IMAGE_FIELD_MASK))
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_UNSUPPORTED, "mask: %s %s takes no mask",
                                link->provider, link->model);
    return tarimg_resolve_mask(job, caps, &link->mask);
}

static tarash_image_result tarimg_check_seed(tarimg_job *job, tarimg_link *link) {
    const tarash_image_capabilities *caps = link->caps;
    if (!link->request.has_seed || caps->seed_min >= caps->seed_max ||
        !(caps->fields & TARASH_IMAGE_FIELD_SEED))
        return TARASH_IMAGE_OK;
    return tarimg_check_number(&job->error, "seed", link->request.seed, caps->seed_min, caps->seed_max);
}

/* ---- exchanges: the request's description */

static void tarimg_exchange_init(tarash_image_exchange *exchange, tarimg_job *job, tarimg_link *link) {
    tarash_image_client *client = job->client;
    memset(exchange, 0, sizeof *exchange);
    exchange->link = link;
    exchange->request = link->request;
    exchange->speaker = link->provider;
    exchange->allocator = &client->allocator;
    exchange->max_image_bytes = client->limits.max_image_bytes;
    exchange->unique = tarimg_random(client);
    exchange->percent = exchange->queue_position = -1;
    exchange->next_delay_ms = -1;
    tarimg_arena_init(&exchange->arena, &client->allocator, 0);
    tarimg_arena_init(&exchange->reply_arena, &client->allocator, client->limits.max_document_bytes);
}

static void tarimg_exchange_free(tarash_image_exchange *exchange) {
    size_t i;
    for (i = 0; i < exchange->payload_count; i++) tarimg_payload_free(exchange->payloads[i]);
    tarimg_release(exchange->allocator, exchange->payloads);
    tarimg_arena_free(&exchange->reply_arena);
    tarimg_arena_free(&exchange->arena);
}

/* The object of the body that holds the model's fields. */
static tarimg_value *tarimg_fields_place(tarash_image_exchange *exchange) {
    tarimg_value *body = tarimg_body_object(exchange), *place;
    const char *path = exchange->link->adapter->fields_path;
    if (!path || !body) return body;
    place = tarimg_member(body, path);
    if (place && place->kind == TARIMG_OBJECT) return place;
    place = tarimg_value_new(&exchange->arena, TARIMG_OBJECT);
    if (place) tarimg_set(&exchange->arena, body, path, place);
    return place;
}

static tarash_image_result tarimg_check_input_format(tarash_image_exchange *exchange,
                                                     const tarimg_input *input) {
    const char *formats = exchange->link->caps->input_formats, *type = input->mime_type;
    if (!formats || !type || !tarimg_input_has_bytes(input) || !tarimg_begins_nocase(type, "image/") ||
        tarimg_in_list(formats, type + 6) ||
        (tarimg_equal(type + 6, "jpg") && tarimg_in_list(formats, "jpeg")))
        return TARASH_IMAGE_OK;
    return tarimg_fail(exchange, TARASH_IMAGE_ERROR_UNSUPPORTED, NULL,
                       tarimg_format(&exchange->arena, "%s: is %s; %s takes %s", input->field, type,
                                     exchange->link->provider, formats));
}

static tarash_image_result tarimg_check_input_formats(tarash_image_exchange *exchange) {
    const tarimg_link *link = exchange->link;
    tarash_image_result result = TARASH_IMAGE_OK;
    size_t i;
    if (!link->caps || exchange->phase != TARASH_IMAGE_PHASE_SUBMIT) return TARASH_IMAGE_OK;
    for (i = 0; i < link->input_count && result == TARASH_IMAGE_OK; i++)
        result = tarimg_check_input_format(exchange, &link->inputs[i]);
    if (result == TARASH_IMAGE_OK && link->mask) result = tarimg_check_input_format(exchange, link->mask);
    return result;
}

/* libcurl signs paths with other than plain characters as AWS does it only since 8.14, and every header that must be
   signed only since 7.87. */
static tarash_image_result tarimg_check_signing(tarash_image_exchange *exchange) {
    const char *url = exchange->aws_region
                          ? tarimg_join_url(&exchange->arena, exchange->link->base_url, exchange->path)
                          : NULL;
    unsigned version;
    tarimg_url parts;
    const char *c;
    if (!url || !tarimg_split_url(url, &parts)) return TARASH_IMAGE_OK;
    version = curl_version_info(CURLVERSION_NOW)->version_num;
    if (version >= 0x080E00) return TARASH_IMAGE_OK;
    for (c = parts.rest; *c && *c != '?'; c++) {
        if (version >= 0x075700 && (*c == '/' || tarimg_is_unreserved(*c))) continue;
        return tarimg_fail(
            exchange, TARASH_IMAGE_ERROR_UNSUPPORTED, NULL,
            tarimg_format(&exchange->arena,
                          "api_key: libcurl %s can't sign a request for this model (8.14 and newer can); "
                          "use a bearer key",
                          curl_version_info(CURLVERSION_NOW)->version));
    }
    return TARASH_IMAGE_OK;
}

/* Lets the adapter describe the request of the exchange's phase, and merges the user's extra parameters. */
static tarash_image_result tarimg_exchange_build(tarash_image_exchange *exchange) {
    tarimg_link *link = exchange->link;
    tarash_image_request request = exchange->request;
    tarash_image_result result;
    size_t input_count = link->input_count;
    const tarimg_input *mask = link->mask;
    if (link->mapped) {
        tarimg_hide_mapped(link, &exchange->request);
        if (tarimg_find_mapped(link, TARASH_IMAGE_FIELD_IMAGES)) link->input_count = 0;
        if (tarimg_find_mapped(link, TARASH_IMAGE_FIELD_MASK)) link->mask = NULL;
    }
    result = link->adapter->build_fn(exchange);
    link->input_count = input_count;
    link->mask = mask;
    if (result == TARASH_IMAGE_OK && exchange->phase == TARASH_IMAGE_PHASE_SUBMIT) {
        if (link->mapped) tarimg_write_mapped(exchange, tarimg_fields_place(exchange), &request);
        result = exchange->error.result;
        if (link->extra && link->extra->first && tarimg_fields_place(exchange))
            tarimg_merge(&exchange->arena, tarimg_fields_place(exchange), link->extra);
    }
    if (result == TARASH_IMAGE_OK) result = tarimg_check_input_formats(exchange);
    if (result == TARASH_IMAGE_OK && exchange->path) result = tarimg_check_signing(exchange);
    if (exchange->arena.failed) return tarimg_no_memory(&exchange->error);
    if (result == TARASH_IMAGE_OK && !exchange->path)
        return tarimg_fail(exchange, TARASH_IMAGE_ERROR_UNSUPPORTED, NULL,
                           "the provider's code described no request");
    return result;
}

static int tarimg_exchange_has_key(const tarash_image_exchange *exchange, const char *url) {
    return !exchange->is_download && tarimg_is_own_url(exchange->link, url);
}

static const char *tarimg_auth_header(const tarash_image_exchange *exchange) {
    return exchange->auth_header ? exchange->auth_header : exchange->link->row->auth_header;
}

/* All header lines of the request, in order; the user's take the place of ours. Credentials and the user's
   own headers go to the provider's origin only. */
static tarimg_header *tarimg_exchange_headers(tarash_image_exchange *exchange, const char *url) {
    tarimg_link *link = exchange->link;
    tarimg_arena *arena = &exchange->arena;
    tarimg_headers list = {NULL, NULL}, kept = {NULL, NULL};
    tarimg_header *header;
    size_t i;
    if (exchange->body && exchange->is_form)
        tarimg_add_header(arena, &list, "Content-Type",
                          tarimg_format(arena, "multipart/form-data; boundary=tarash-%016llx",
                                        (unsigned long long)exchange->unique));
    else if (exchange->body)
        tarimg_add_header(arena, &list, "Content-Type", "application/json");
    tarimg_add_header(arena, &list, "Accept", exchange->accept);
    if (!tarimg_exchange_has_key(exchange, url)) return list.first;
    if (link->key && *tarimg_auth_header(exchange))
        tarimg_add_header(
            arena, &list, tarimg_auth_header(exchange),
            tarimg_concat(arena, exchange->auth_prefix ? exchange->auth_prefix : link->row->auth_prefix,
                          exchange->is_auth_whole ? "" : link->key, ""));
    for (header = exchange->headers.first; header; header = header->next)
        tarimg_add_header(arena, &list, header->name, header->value);
    for (header = list.first; header; header = header->next) {
        int is_replaced = 0;
        for (i = 0; link->config.headers && i < link->config.header_count; i++)
            is_replaced |= tarimg_equal_nocase(link->config.headers[i].name, header->name);
        if (!is_replaced) tarimg_add_header(arena, &kept, header->name, header->value);
    }
    for (i = 0; link->config.headers && i < link->config.header_count; i++)
        tarimg_add_header(arena, &kept, link->config.headers[i].name, link->config.headers[i].value);
    return kept.first;
}

/* ---- exchanges: the body as it is sent */

typedef struct tarimg_renderer {
    tarimg_arena *arena;
    const tarimg_link *link;
    tarimg_body *body; /* NULL: a plan, images are described */
} tarimg_renderer;

static void tarimg_flush_text(tarimg_renderer *renderer, tarimg_buffer *text) {
    tarimg_body_text(renderer->arena, renderer->body, text->data, text->size);
    text->size = 0;
}

/* A JSON string of a text without its secrets. */
static void tarimg_write_redacted(tarimg_buffer *out, const tarimg_secret *secrets, const char *text) {
    tarimg_buffer copy;
    tarimg_buffer_init(&copy, out->allocator, 0);
    tarimg_append_text(&copy, text);
    if (copy.failed)
        out->failed = 1;
    else {
        tarimg_redact_text(secrets, copy.data);
        tarimg_write_string(out, copy.data, copy.size);
    }
    tarimg_buffer_free(&copy);
}

static void tarimg_describe_image(tarimg_buffer *out, const tarimg_input *input) {
    char text[160];
    const char *type = input->mime_type ? input->mime_type : "application/octet-stream";
    (void)snprintf(text, sizeof text, "\"<%.64s, %llu bytes>\"", type, (unsigned long long)input->size);
    tarimg_append_text(out, text);
}

/* An input image inside JSON. */
static void tarimg_render_input(void *context, tarimg_buffer *out, const tarimg_value *value) {
    tarimg_renderer *renderer = (tarimg_renderer *)context;
    const tarimg_input *input = tarimg_input_of(renderer->link, value);
    if (!tarimg_input_has_bytes(input)) {
        if (renderer->body)
            tarimg_write_string(out, input->url, strlen(input->url));
        else
            tarimg_write_redacted(out, renderer->link->secrets, input->url);
        return;
    }
    if (!renderer->body) {
        tarimg_describe_image(out, input);
        return;
    }
    tarimg_append_char(out, '"');
    if (value->kind == TARIMG_INPUT_URL) {
        tarimg_append_text(out, "data:");
        tarimg_append_text(out, input->mime_type ? input->mime_type : "application/octet-stream");
        tarimg_append_text(out, ";base64,");
    }
    tarimg_flush_text(renderer, out);
    tarimg_body_input(renderer->arena, renderer->body, input, 1);
    tarimg_append_char(out, '"');
}

/* A name or file name inside a form's header. */
static void tarimg_append_quoted(tarimg_buffer *out, const char *text) {
    tarimg_append_char(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            tarimg_append_text(out, "%22");
        else if (*text == '\r')
            tarimg_append_text(out, "%0D");
        else if (*text == '\n')
            tarimg_append_text(out, "%0A");
        else
            tarimg_append_char(out, *text);
    }
    tarimg_append_char(out, '"');
}

/* A form part's value as text: strings as they are, everything else as JSON. */
static void tarimg_append_part_text(tarimg_renderer *renderer, tarimg_buffer *out,
                                    const tarimg_value *value) {
    if (value->kind == TARIMG_STRING)
        tarimg_append(out, value->text, value->size);
    else
        tarimg_write_json(out, value, tarimg_render_input, renderer);
}

static void tarimg_render_form(tarimg_renderer *renderer, tarimg_buffer *out, const tarimg_value *form,
                               const char *boundary) {
    const tarimg_value *part;
    for (part = form->first; part; part = part->next) {
        const tarimg_input *input =
            part->kind == TARIMG_INPUT_FILE ? tarimg_input_of(renderer->link, part) : NULL;
        tarimg_append_text(out, "--");
        tarimg_append_text(out, boundary);
        tarimg_append_text(out, "\r\nContent-Disposition: form-data; name=");
        tarimg_append_quoted(out, part->name);
        if (input) {
            tarimg_append_text(out, "; filename=");
            tarimg_append_quoted(out, input->filename ? input->filename : "image");
            tarimg_append_text(out, "\r\nContent-Type: ");
            tarimg_append_text(out, input->mime_type ? input->mime_type : "application/octet-stream");
        }
        tarimg_append_text(out, "\r\n\r\n");
        if (input) {
            tarimg_flush_text(renderer, out);
            tarimg_body_input(renderer->arena, renderer->body, input, 0);
        } else
            tarimg_append_part_text(renderer, out, part);
        tarimg_append_text(out, "\r\n");
    }
    tarimg_append_text(out, "--");
    tarimg_append_text(out, boundary);
    tarimg_append_text(out, "--\r\n");
}

static int tarimg_render_body(tarash_image_exchange *exchange, tarimg_body *body) {
    tarimg_renderer renderer;
    tarimg_buffer text;
    char boundary[40];
    int good;
    if (!exchange->body) return 1;
    renderer.arena = &exchange->arena;
    renderer.link = exchange->link;
    renderer.body = body;
    tarimg_buffer_init(&text, exchange->allocator, 0);
    (void)snprintf(boundary, sizeof boundary, "tarash-%016llx", (unsigned long long)exchange->unique);
    if (exchange->is_form)
        tarimg_render_form(&renderer, &text, exchange->body, boundary);
    else
        tarimg_write_json(&text, exchange->body, tarimg_render_input, &renderer);
    good = !text.failed;
    if (good && text.size) tarimg_flush_text(&renderer, &text);
    tarimg_buffer_free(&text);
    tarimg_body_rewind(body);
    return good && !exchange->arena.failed;
}

/* A text that could not be copied may look like one that is missing: then memory is the reason. */
static tarash_image_result tarimg_refused(tarimg_job *job, tarash_image_result result) {
    if (result == TARASH_IMAGE_OK) return result;
    if (job->arena.failed || job->attempt_arena.failed || job->storage->arena.failed)
        return tarimg_no_memory(&job->error);
    return result;
}

/* ---- preparing a job: everything that can be said before anything is sent */

/* A dry run of the link's first request, for its warnings and refusals. */
static tarash_image_result tarimg_try_link(tarimg_job *job, tarimg_link *link) {
    tarash_image_exchange exchange;
    tarash_image_result result;
    tarimg_exchange_init(&exchange, job, link);
    exchange.count = link->per_call;
    result = tarimg_exchange_build(&exchange);
    if (result != TARASH_IMAGE_OK) {
        job->error.result = result;
        memcpy(job->error.message, exchange.error.message, sizeof job->error.message);
    }
    tarimg_exchange_free(&exchange);
    return result;
}

static tarash_image_result tarimg_check_strict(tarimg_job *job, tarimg_link *link) {
    const tarimg_note *note;
    for (note = link->notes; note; note = note->next) tarimg_redact_text(job->secrets, note->warning.asked);
    if (!job->request.strict) return TARASH_IMAGE_OK;
    for (note = link->notes; note; note = note->next) {
        const tarash_image_warning *warning = &note->warning;
        if (note->is_advice) continue;
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "%.64s: \"%.96s\" would be sent as \"%.96s\" (%.128s), and strict is set",
                                warning->field, warning->asked, warning->sent, warning->why);
    }
    return TARASH_IMAGE_OK;
}

/* The prompt, images and mask that the operation at hand must have, or can't take. */
static tarash_image_result tarimg_check_operation(tarimg_job *job, tarimg_link *link) {
    const char *prompt = job->request.prompt;
    uint32_t flags = link->operation
                         ? link->operation->flags
                         : TARASH_IMAGE_OPERATION_TAKES_PROMPT | TARASH_IMAGE_OPERATION_NEEDS_PROMPT |
                               TARASH_IMAGE_OPERATION_TAKES_IMAGES | TARASH_IMAGE_OPERATION_TAKES_MASK;
    const char *name = link->operation ? link->operation->operation : "";
    const tarimg_mapped *mapped = tarimg_find_mapped(link, TARIMG_MAPPED_PROMPT);
    if (link->mapped && (mapped ? !mapped->target[0] : link->adapter->is_mapped))
        flags &= ~(uint32_t)(TARASH_IMAGE_OPERATION_TAKES_PROMPT | TARASH_IMAGE_OPERATION_NEEDS_PROMPT);
    if (!tarimg_is_set(prompt) && (flags & TARASH_IMAGE_OPERATION_NEEDS_PROMPT))
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "prompt: is %s; say what the image shall show", prompt ? "empty" : "missing");
    if (link->input_count && !(flags & TARASH_IMAGE_OPERATION_TAKES_IMAGES))
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "images: the operation %s takes none; leave it out, or name another", name);
    if (!link->input_count && (flags & TARASH_IMAGE_OPERATION_NEEDS_IMAGE))
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "images: the operation %s needs an input image", name);
    if (link->has_mask && !(flags & TARASH_IMAGE_OPERATION_TAKES_MASK))
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_UNSUPPORTED,
                                "mask: the operation %s takes none", name);
    if (!link->has_mask && (flags & TARASH_IMAGE_OPERATION_NEEDS_MASK))
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "mask: the operation %s needs one", name);
    if (tarimg_is_set(prompt) && !(flags & TARASH_IMAGE_OPERATION_TAKES_PROMPT)) {
        tarimg_warn(link, "prompt", prompt, NULL, "no prompt is taken here");
        link->request.prompt = NULL;
    }
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_resolve_link(tarimg_job *job, tarimg_link *link) {
    tarash_image_result result;
    link->arena = &job->arena;
    link->collecting = 1;
    link->inputs = job->inputs;
    link->input_count = job->request.image_count;
    link->request = job->request;
    link->max_depth = job->client->limits.max_json_depth;
    if ((result = tarimg_resolve_row(job, link)) != TARASH_IMAGE_OK) return result;
    if ((result = tarimg_resolve_options(job, link)) != TARASH_IMAGE_OK) return result;
    if ((result = tarimg_resolve_base_url(job, link)) != TARASH_IMAGE_OK) return result;
    if ((result = tarimg_resolve_model(job, link)) != TARASH_IMAGE_OK) return result;
    if ((result = tarimg_resolve_key(job, link)) != TARASH_IMAGE_OK) return result;
    if (job->arena.failed) return tarimg_no_memory(&job->error);
    if ((result = tarimg_check_operation(job, link)) != TARASH_IMAGE_OK) return result;
    if ((result = tarimg_check_inputs(job, link)) != TARASH_IMAGE_OK) return result;
    if ((result = tarimg_check_seed(job, link)) != TARASH_IMAGE_OK) return result;
    tarimg_adapt(link);
    if (link->mock)
        link->mock_state = link->mock->seed ? tarimg_mix(link->mock->seed + job->client->submitted)
                                            : tarimg_random(job->client);
    link->is_quiet = link->adapter->answer_fn && !tarimg_mock_polling(link);
    if ((result = tarimg_try_link(job, link)) != TARASH_IMAGE_OK) return result;
    link->collecting = 0;
    if (job->arena.failed) return tarimg_no_memory(&job->error);
    return tarimg_check_strict(job, link);
}

/* Says which link of a chain a refusal is about. */
static tarash_image_result tarimg_name_link(tarimg_job *job, size_t index, const tarimg_link *link) {
    char message[sizeof job->error.message];
    tarimg_copy_fixed(job->error.provider, sizeof job->error.provider, link->provider);
    tarimg_copy_fixed(job->error.model, sizeof job->error.model, link->model);
    if (index == 0 || job->error.result == TARASH_IMAGE_ERROR_OUT_OF_MEMORY) return job->error.result;
    memcpy(message, job->error.message, sizeof message);
    return tarimg_set_error(&job->error, job->error.result, "fallback %d%s%s%s: %.440s", (int)index,
                            link->provider ? " (" : "", link->provider ? link->provider : "",
                            link->provider ? ")" : "", message);
}

static tarash_image_result tarimg_resolve_chain(tarimg_job *job, const tarash_image_config *config,
                                                const tarimg_value *extra) {
    const tarash_image_config *configs[TARIMG_MAX_LINKS];
    size_t parents[TARIMG_MAX_LINKS], count = 0, i;
    tarash_image_result result;
    if (!tarimg_flatten(config, configs, parents, 0, &count, 0))
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "fallbacks: the chain has more than %d configs", TARIMG_MAX_LINKS);
    job->links = (tarimg_link *)tarimg_take(&job->arena, count * sizeof *job->links);
    if (!job->links) return tarimg_no_memory(&job->error);
    job->link_count = count;
    for (i = 0; i < job->link_count; i++) {
        tarimg_link *link = &job->links[i];
        tarimg_add_key_secrets(job, configs[i]->api_key);
        result = tarimg_check_config(job, configs[i]);
        if (result == TARASH_IMAGE_OK) {
            tarimg_copy_config(job, link, configs[i]);
            link->extra = extra;
            if (!link->config.fallback_on && i)
                link->config.fallback_on = job->links[parents[i]].config.fallback_on;
            if (!link->config.on_unknown && i)
                link->config.on_unknown = job->links[parents[i]].config.on_unknown;
            result = job->arena.failed ? tarimg_no_memory(&job->error) : tarimg_resolve_link(job, link);
        }
        if (result != TARASH_IMAGE_OK) return tarimg_name_link(job, i, link);
    }
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_job_prepare(tarimg_job *job, const tarash_image_config *config,
                                              const tarash_image_request *request) {
    tarimg_value *extra = NULL;
    tarash_image_result result;
    size_t i;
    if (!config) return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION, "config: is NULL");
    if (!request) return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION, "request: is NULL");
    job->request.on_progress = request->on_progress;
    job->request.user_data = request->user_data;
    /* A key that stands in a wrong field is not told either. */
    tarimg_add_key_secrets(job, config->api_key);
    if ((result = tarimg_check_request(job->client, &job->error, request)) != TARASH_IMAGE_OK) return result;
    tarimg_copy_request(job, request);
    if ((result = tarimg_check_text(&job->error, "extra_params", request->extra_params)) != TARASH_IMAGE_OK)
        return result;
    if ((result = tarimg_parse_object(job, "extra_params", request->extra_params, &extra)) != TARASH_IMAGE_OK)
        return result;
    if ((result = tarimg_resolve_inputs(job)) != TARASH_IMAGE_OK) return result;
    if ((result = tarimg_resolve_chain(job, config, extra)) != TARASH_IMAGE_OK) return result;
    for (i = 0; i < job->link_count; i++) job->links[i].secrets = job->secrets;
    return TARASH_IMAGE_OK;
}

/* ---- transfers: libcurl, and nothing but this part knows it */

static void tarimg_break(tarimg_transfer *transfer, tarash_image_result result, const char *reason) {
    if (transfer->broken != TARASH_IMAGE_OK) return;
    transfer->broken = result;
    transfer->reason = reason;
}

static tarash_image_result tarimg_target_open(void *context, size_t *index) {
    return tarimg_open_payload(&((tarimg_transfer *)context)->exchange, index);
}

static tarimg_payload *tarimg_last_payload(void *context) {
    tarash_image_exchange *exchange = &((tarimg_transfer *)context)->exchange;
    return exchange->payloads[exchange->payload_count - 1];
}

static unsigned char *tarimg_target_room(void *context, size_t size) {
    return tarimg_payload_room(tarimg_last_payload(context), size);
}

static tarash_image_result tarimg_target_take(void *context, size_t size) {
    return tarimg_payload_take(tarimg_last_payload(context), size);
}

static tarash_image_result tarimg_target_close(void *context, size_t *size) {
    tarimg_payload *payload = tarimg_last_payload(context);
    tarash_image_result result = tarimg_payload_close(payload);
    *size = payload->size;
    return result;
}

static void tarimg_start_reader(tarimg_transfer *transfer, int wants_images) {
    tarash_image_exchange *exchange = &transfer->exchange;
    if (transfer->has_reader) tarimg_reader_free(&transfer->reader);
    transfer->target.open_fn = tarimg_target_open;
    transfer->target.room_fn = tarimg_target_room;
    transfer->target.take_fn = tarimg_target_take;
    transfer->target.close_fn = tarimg_target_close;
    transfer->target.context = transfer;
    tarimg_reader_init(&transfer->reader, &exchange->reply_arena, transfer->client->limits.max_json_depth,
                       exchange->image_paths, wants_images ? &transfer->target : NULL);
    transfer->reader.echo_path = exchange->echo_path;
    transfer->has_reader = 1;
}

/* Data of an event, unless it is the [DONE] that ends some streams. */
static int tarimg_event_data(void *context, const char *text, size_t size) {
    static const char mark[] = "[DONE]";
    tarimg_transfer *transfer = (tarimg_transfer *)context;
    if (transfer->exchange.stream_done) return 1;
    while (size && transfer->sse_probe_size < sizeof mark - 1) {
        if (*text != mark[transfer->sse_probe_size]) {
            size_t held = transfer->sse_probe_size;
            transfer->sse_probe_size = sizeof mark; /* known to be something else */
            if (held && !tarimg_reader_feed(&transfer->reader, mark, held)) break;
            return tarimg_reader_feed(&transfer->reader, text, size);
        }
        transfer->sse_probe_size++;
        text++;
        size--;
    }
    if (transfer->sse_probe_size == sizeof mark - 1) return 1;
    return tarimg_reader_feed(&transfer->reader, text, size);
}

static void tarimg_emit_preview(tarimg_transfer *transfer);

/* What an event brought is gone with it; one payload's memory serves the next event. */
static void tarimg_drop_payloads(tarash_image_exchange *exchange) {
    size_t i;
    for (i = 0; i < exchange->payload_count; i++) tarimg_payload_free(exchange->payloads[i]);
    if (exchange->payload_count) exchange->spare_payload = exchange->payloads[0];
    exchange->payload_count = 0;
    if (exchange->found) exchange->spare_found = exchange->found;
    exchange->found = exchange->last_found = NULL;
    exchange->found_count = 0;
}

/* An event of the stream is whole: the adapter reads it, and the next one starts afresh. */
static int tarimg_event_whole(void *context) {
    tarimg_transfer *transfer = (tarimg_transfer *)context;
    tarash_image_exchange *exchange = &transfer->exchange;
    int is_mark = transfer->sse_probe_size == 6;
    if (exchange->stream_done || is_mark) return 1;
    if (!tarimg_reader_finish(&transfer->reader)) return 0;
    exchange->document = transfer->reader.root;
    tarimg_redact_value(exchange->link->secrets, exchange->document);
    exchange->is_preview = 0;
    if (exchange->link->adapter->event_fn && exchange->link->adapter->event_fn(exchange) != TARASH_IMAGE_OK)
        return 0;
    if (exchange->stream_done) return 1;
    if (exchange->is_preview) tarimg_emit_preview(transfer);
    tarimg_drop_payloads(exchange);
    exchange->document = NULL;
    tarimg_arena_free(&exchange->reply_arena);
    tarimg_start_reader(transfer, 1);
    transfer->sse_probe_size = 0;
    return 1;
}

static int tarimg_feed_events(tarimg_transfer *transfer, const char *text, size_t size) {
    tarimg_sse_handler handler;
    handler.data_fn = tarimg_event_data;
    handler.event_fn = tarimg_event_whole;
    handler.context = transfer;
    if (tarimg_sse_feed(&transfer->sse, &handler, text, size)) {
        /* The image is here: whatever follows, or goes wrong, cannot take it away any more. */
        transfer->has_enough = transfer->exchange.stream_done;
        return !transfer->has_enough;
    }
    if (transfer->exchange.error.result != TARASH_IMAGE_OK)
        tarimg_break(transfer, transfer->exchange.error.result, transfer->exchange.error.message);
    else
        tarimg_break(transfer, transfer->reader.result, transfer->reader.problem);
    return 0;
}

/* What a reply is, as soon as its body begins. */
static tarimg_reply_mode tarimg_mode_of(tarimg_transfer *transfer) {
    tarash_image_exchange *exchange = &transfer->exchange;
    const char *type = tarimg_reply_header(exchange, "content-type");
    if (exchange->phase == TARASH_IMAGE_PHASE_CANCEL) return TARIMG_REPLY_SKIP;
    if (exchange->status >= 300 && exchange->status < 400) return TARIMG_REPLY_SKIP;
    if (exchange->status < 200 || exchange->status >= 400) return TARIMG_REPLY_ERROR;
    if (exchange->task && exchange->task->kind != TARIMG_TASK_CALL) return TARIMG_REPLY_IMAGE;
    if (tarimg_begins_nocase(type, "text/event-stream") && exchange->link->adapter->event_fn)
        return TARIMG_REPLY_EVENTS;
    if (tarimg_begins_nocase(type, "image/")) return TARIMG_REPLY_IMAGE;
    return TARIMG_REPLY_JSON;
}

static int tarimg_begin_reply(tarimg_transfer *transfer) {
    tarash_image_exchange *exchange = &transfer->exchange;
    long status = 0;
    curl_off_t length = -1;
    size_t index;
    tarash_image_result result;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    exchange->status = (int)status;
    transfer->mode = tarimg_mode_of(transfer);
    if (length > 0)
        exchange->expected_bytes =
            transfer->mode == TARIMG_REPLY_IMAGE ? (uint64_t)length : (uint64_t)length / 4 * 3;
    if (transfer->mode == TARIMG_REPLY_IMAGE) {
        exchange->is_raw_image = 1;
        result = tarimg_open_payload(exchange, &index);
        if (result != TARASH_IMAGE_OK) tarimg_break(transfer, result, "out of memory");
        return result == TARASH_IMAGE_OK;
    }
    /* A stream's previews and its image can't be told apart as they arrive: no sink sees them. */
    if (transfer->mode == TARIMG_REPLY_EVENTS) exchange->sink = NULL;
    if (transfer->mode != TARIMG_REPLY_SKIP)
        tarimg_start_reader(transfer, transfer->mode != TARIMG_REPLY_ERROR);
    return 1;
}

static int tarimg_take_image(tarimg_transfer *transfer, const char *data, size_t size) {
    tarash_image_result result = tarimg_payload_write(transfer->exchange.payloads[0], data, size);
    if (result == TARASH_IMAGE_OK) return 1;
    tarimg_break(transfer, result,
                 result == TARASH_IMAGE_ERROR_TOO_LARGE      ? "the image exceeds limits.max_image_bytes"
                 : result == TARASH_IMAGE_ERROR_BAD_RESPONSE ? "the answer is not an image"
                 : result == TARASH_IMAGE_ERROR_IO           ? "the sink could not take the image"
                                                             : "out of memory");
    return 0;
}

static int tarimg_take_error_body(tarimg_transfer *transfer, const char *data, size_t size) {
    size_t room = TARIMG_PLAIN_SIZE - 1 - transfer->plain_size;
    size_t kept = size < room ? size : room;
    memcpy(transfer->plain + transfer->plain_size, data, kept);
    transfer->plain_size += kept;
    (void)tarimg_reader_feed(&transfer->reader, data, size);
    if (transfer->received <= TARIMG_MAX_ERROR_BODY) return 1;
    transfer->has_enough = 1;
    return 0;
}

static size_t tarimg_on_body(char *data, size_t one, size_t size, void *user_data) {
    tarimg_transfer *transfer = (tarimg_transfer *)user_data;
    int good = 1;
    (void)one;
    if (transfer->mode == TARIMG_REPLY_NONE && !tarimg_begin_reply(transfer)) return size + 1;
    transfer->received += size;
    if (transfer->exchange.task) transfer->exchange.task->job->bytes_received += size;
    transfer->client->has_new_bytes = 1;
    if (transfer->received > transfer->client->limits.max_reply_bytes) {
        tarimg_break(transfer, TARASH_IMAGE_ERROR_TOO_LARGE, "the reply exceeds limits.max_reply_bytes");
        return size + 1;
    }
    switch (transfer->mode) {
    case TARIMG_REPLY_JSON:
        good = tarimg_reader_feed(&transfer->reader, data, size);
        if (!good) tarimg_break(transfer, transfer->reader.result, transfer->reader.problem);
        break;
    case TARIMG_REPLY_EVENTS: good = tarimg_feed_events(transfer, data, size); break;
    case TARIMG_REPLY_IMAGE: good = tarimg_take_image(transfer, data, size); break;
    case TARIMG_REPLY_ERROR: good = tarimg_take_error_body(transfer, data, size); break;
    case TARIMG_REPLY_SKIP:
        transfer->has_enough = transfer->received > TARIMG_MAX_ERROR_BODY;
        good = !transfer->has_enough;
        break;
    case TARIMG_REPLY_NONE: break;
    }
    return good ? size : size + 1;
}

/* A header line; a status line begins a reply anew (1xx, proxies). */
static size_t tarimg_on_header(char *data, size_t one, size_t size, void *user_data) {
    tarimg_transfer *transfer = (tarimg_transfer *)user_data;
    tarash_image_exchange *exchange = &transfer->exchange;
    size_t length = size, name;
    char *text, *value;
    (void)one;
    transfer->header_bytes += size;
    if (transfer->header_bytes > transfer->client->limits.max_header_bytes) {
        tarimg_break(transfer, TARASH_IMAGE_ERROR_TOO_LARGE,
                     "the header lines exceed limits.max_header_bytes");
        return size + 1;
    }
    while (length && (data[length - 1] == '\r' || data[length - 1] == '\n')) length--;
    if (length >= 5 && tarimg_equal_bytes_nocase(data, "http/", 5)) {
        exchange->reply_headers.first = exchange->reply_headers.last = NULL;
        return size;
    }
    text = tarimg_copy_bytes(&exchange->arena, data, length);
    if (!text) {
        tarimg_break(transfer, TARASH_IMAGE_ERROR_OUT_OF_MEMORY, "out of memory");
        return size + 1;
    }
    name = strcspn(text, ":");
    if (text[name] != ':') return size;
    text[name] = '\0';
    value = text + name + 1;
    while (*value == ' ' || *value == '\t') value++;
    for (length = strlen(value); length && (value[length - 1] == ' ' || value[length - 1] == '\t'); length--)
        value[length - 1] = '\0';
    tarimg_redact_text(exchange->link->secrets, value);
    tarimg_add_header(&exchange->arena, &exchange->reply_headers, text, value);
    return size;
}

static size_t tarimg_on_read(char *out, size_t one, size_t size, void *user_data) {
    tarimg_transfer *transfer = (tarimg_transfer *)user_data;
    size_t written = 0;
    (void)one;
    if (tarimg_body_read(&transfer->body, out, size, &written)) return written;
    tarimg_break(transfer, TARASH_IMAGE_ERROR_IO, "an input image's file could not be read, or has changed");
    return CURL_READFUNC_ABORT;
}

/* Refuses a private address of a host whose name didn't show it, before anything is sent there. */
static curl_socket_t tarimg_on_socket(void *user_data, curlsocktype purpose, struct curl_sockaddr *address) {
    tarimg_transfer *transfer = (tarimg_transfer *)user_data;
    (void)purpose;
    if (tarimg_is_private_address(&address->addr)) {
        transfer->was_refused = 1;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype, address->protocol);
}

#if LIBCURL_VERSION_NUM >= 0x075000
/* The same for a connection that another job has left open. */
static int tarimg_on_connected(void *user_data, char *address, char *own_address, int port, int own_port) {
    tarimg_transfer *transfer = (tarimg_transfer *)user_data;
    unsigned char bytes[16];
    int is_private = 1;
    (void)own_address;
    (void)port;
    (void)own_port;
    if (inet_pton(AF_INET, address, bytes) == 1)
        is_private = tarimg_is_private_ipv4(bytes);
    else if (inet_pton(AF_INET6, address, bytes) == 1)
        is_private = tarimg_is_private_ipv6(bytes);
    if (!is_private) return CURL_PREREQFUNC_OK;
    transfer->was_refused = 1;
    return CURL_PREREQFUNC_ABORT;
}

static unsigned tarimg_check_reused(tarimg_transfer *transfer) {
    CURLcode code = curl_easy_setopt(transfer->easy, CURLOPT_PREREQFUNCTION, tarimg_on_connected);
    /* Built with a newer libcurl than it runs with. */
    if (code == CURLE_UNKNOWN_OPTION)
        return (unsigned)curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L);
    return (unsigned)code | (unsigned)curl_easy_setopt(transfer->easy, CURLOPT_PREREQDATA, transfer);
}
#else
/* Without a word on kept connections only a new one is certain to be checked. */
static unsigned tarimg_check_reused(tarimg_transfer *transfer) {
    return (unsigned)curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L);
}
#endif

static CURL *tarimg_take_handle(tarash_image_client *client) {
    if (client->idle_count) return client->idle[--client->idle_count];
    return curl_easy_init();
}

#define TARIMG_IDLE_HANDLES  64
#define TARIMG_LARGE_BUFFER  524288L /* of libcurl's, where a large reply is expected */
#define TARIMG_USUAL_BUFFER  16384L
#define TARIMG_UPLOAD_BUFFER 65536L
#define TARIMG_LARGE_REPLY   262144u
#define TARIMG_FEW           4 /* transfers at once that may have such a buffer each */

static void tarimg_return_handle(tarash_image_client *client, CURL *easy) {
    void *grown = NULL;
    curl_easy_reset(easy);
    /* libcurl keeps the buffer of a transfer that ended before others on its connection, and then takes no size. */
    if (client->idle_count < TARIMG_IDLE_HANDLES &&
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, TARIMG_USUAL_BUFFER) == CURLE_OK)
        grown = tarimg_grow(&client->allocator, client->idle, client->idle_count, &client->idle_capacity,
                            sizeof(CURL *));
    if (!grown) {
        curl_easy_cleanup(easy);
        return;
    }
    client->idle = (CURL **)grown;
    client->idle[client->idle_count++] = easy;
}

/* libcurl's copy of the header lines held the key. */
static void tarimg_free_header_list(tarimg_transfer *transfer) {
    struct curl_slist *line;
    for (line = transfer->header_list; line; line = line->next) tarimg_wipe(line->data, strlen(line->data));
    curl_slist_free_all(transfer->header_list);
    transfer->header_list = NULL;
}

static void tarimg_transfer_free(tarimg_transfer *transfer) {
    tarash_image_client *client = transfer->client;
    if (transfer->easy) {
        client->transfer_count--;
        (void)curl_multi_remove_handle(client->multi, transfer->easy);
        tarimg_return_handle(client, transfer->easy);
    }
    tarimg_free_header_list(transfer);
    tarimg_body_close(&transfer->body);
    if (transfer->has_reader) tarimg_reader_free(&transfer->reader);
    tarimg_exchange_free(&transfer->exchange);
    tarimg_arena_free(&transfer->own_arena);
    tarimg_wipe(transfer->plain, sizeof transfer->plain);
    tarimg_release(&client->allocator, transfer);
}

static tarimg_transfer *tarimg_transfer_new(tarimg_job *job, tarimg_link *link) {
    tarash_image_client *client = job->client;
    tarimg_transfer *transfer = (tarimg_transfer *)tarimg_alloc(&client->allocator, sizeof *transfer);
    if (!transfer) return NULL;
    transfer->client = client;
    tarimg_arena_init(&transfer->own_arena, &client->allocator, 0);
    tarimg_exchange_init(&transfer->exchange, job, link);
    transfer->started = tarimg_now(client);
    return transfer;
}

static int tarimg_add_header_line(tarimg_transfer *transfer, const char *line) {
    struct curl_slist *list = line ? curl_slist_append(transfer->header_list, line) : NULL;
    if (!list) return 0;
    transfer->header_list = list;
    return 1;
}

static int tarimg_make_header_list(tarimg_transfer *transfer, const tarimg_header *headers) {
    tarimg_arena *arena = &transfer->exchange.arena;
    for (; headers; headers = headers->next) {
        /* libcurl's way to say a header without a value is a semicolon. */
        const char *line = headers->value[0] ? tarimg_concat(arena, headers->name, ": ", headers->value)
                                             : tarimg_concat(arena, headers->name, ";", "");
        if (!tarimg_add_header_line(transfer, line)) return 0;
    }
    /* libcurl's own additions that no provider expects. */
    if (!transfer->exchange.body && !tarimg_add_header_line(transfer, "Content-Type:")) return 0;
    /* Older libcurls sign even a line that only takes a header away. */
    return transfer->exchange.aws_region ? 1 : tarimg_add_header_line(transfer, "Expect:");
}

/* Hosts are separated by commas or blanks. */
static int tarimg_next_host(const char **cursor, const char **item, size_t *size) {
    if (!*cursor) return 0;
    *cursor += strspn(*cursor, ", \t");
    *item = *cursor;
    *size = strcspn(*cursor, ", \t");
    *cursor += *size;
    return *size > 0;
}

/* "10.0.0.0/8": is the host an address within it? */
static int tarimg_is_in_range(const char *range, size_t size, const tarimg_url *url) {
    const char *slash = (const char *)memchr(range, '/', size);
    unsigned char net[4], host[4];
    int64_t bits;
    uint32_t difference;
    if (!slash || !tarimg_parse_integer(slash + 1, size - (size_t)(slash + 1 - range), &bits) || bits < 0 ||
        bits > 32)
        return 0;
    if (!tarimg_parse_ipv4(range, (size_t)(slash - range), net) ||
        !tarimg_parse_ipv4(url->host, url->host_size, host))
        return 0;
    difference = (uint32_t)(net[0] ^ host[0]) << 24 | (uint32_t)(net[1] ^ host[1]) << 16 |
                 (uint32_t)(net[2] ^ host[2]) << 8 | (uint32_t)(net[3] ^ host[3]);
    return bits == 0 || difference >> (32 - bits) == 0;
}

/* Does no_proxy name the host, as libcurl reads it: the names themselves and what ends in them, or "*"? */
static int tarimg_is_proxy_exempt(const char *list, const tarimg_url *url) {
    const char *item;
    size_t size;
    while (tarimg_next_host(&list, &item, &size)) {
        const char *tail;
        if ((size == 1 && *item == '*') || tarimg_is_in_range(item, size, url)) return 1;
        if (*item == '.') {
            item++;
            size--;
        }
        if (size == 0 || size > url->host_size) continue;
        tail = url->host + url->host_size - size;
        if (!tarimg_equal_bytes_nocase(tail, item, size)) continue;
        if (size == url->host_size || tail[-1] == '.') return 1;
    }
    return 0;
}

/* Whether a proxy, whose own address may well be private, will open the connection. */
static int tarimg_uses_proxy(const tarash_image_client *client, const tarimg_url *url) {
    const char *variables =
        url->is_https ? "https_proxy,HTTPS_PROXY,all_proxy,ALL_PROXY" : "http_proxy,all_proxy,ALL_PROXY";
    if (tarimg_is_proxy_exempt(tarimg_environment("no_proxy,NO_PROXY", NULL), url)) return 0;
    return client->proxy ? client->proxy[0] != 0 : tarimg_environment(variables, NULL) != NULL;
}

/* libcurl is told what was decided, so that the address check and the connection can't be of different minds. */
static unsigned tarimg_decide_proxy(tarimg_transfer *transfer) {
    if (transfer->is_proxied) return (unsigned)curl_easy_setopt(transfer->easy, CURLOPT_NOPROXY, "");
    return (unsigned)curl_easy_setopt(transfer->easy, CURLOPT_PROXY, "");
}

/* A large buffer takes a quarter off large replies and costs small ones half a megabyte each: the last reply that was to
   bring images tells which kind this client sees. */
static int tarimg_expects_much(const tarimg_transfer *transfer) {
    const tarash_image_exchange *exchange = &transfer->exchange;
    const tarash_image_client *client = transfer->client;
    if (!exchange->is_download && !exchange->image_paths) return 0;
    if (exchange->phase == TARASH_IMAGE_PHASE_POLL || exchange->phase == TARASH_IMAGE_PHASE_CANCEL) return 0;
    return client->transfer_count <= TARIMG_FEW && client->usual_reply >= TARIMG_LARGE_REPLY;
}

#ifndef TARIMG_STALL_SECONDS /* tests have less patience */
#define TARIMG_STALL_SECONDS 30L
#endif

/* A poll or a download during which nothing comes is given up and tried again. A call is not: it may be thinking, and
   is paid for. */
static unsigned tarimg_set_patience(tarimg_transfer *transfer) {
    const tarash_image_exchange *exchange = &transfer->exchange;
    unsigned bad = 0;
    if (exchange->phase == TARASH_IMAGE_PHASE_SUBMIT && !exchange->is_download) return 0;
    bad |= (unsigned)curl_easy_setopt(transfer->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    return bad | (unsigned)curl_easy_setopt(transfer->easy, CURLOPT_LOW_SPEED_TIME, TARIMG_STALL_SECONDS);
}

/* Options that every transfer has. CURLcodes are or-ed: any failure is lack of memory, or a libcurl without
 * HTTP. */
static unsigned tarimg_set_common(tarimg_transfer *transfer, const char *url, int connect_timeout_ms) {
    tarash_image_client *client = transfer->client;
    CURL *easy = transfer->easy;
    unsigned bad = 0;
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_URL, url);
#if LIBCURL_VERSION_NUM >= 0x075500
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* A name that is being resolved holds up nobody who cancels: libcurl's thread ends by itself. */
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_timeout_ms);
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    bad |= tarimg_set_patience(transfer);
    /* Where a server speaks HTTP/2, many requests share one connection. TLS's handshake tells; without it, only the
       first answer would, and every other request would wait for that. */
    if (tarimg_begins_nocase(url, "https:")) bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_USERAGENT, client->user_agent);
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_error);
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, tarimg_on_body);
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, tarimg_on_header);
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->header_list);
    /* Nothing is gained by compressing images; a server that does so all the same is understood. */
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "identity");
    if (client->proxy) bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_PROXY, client->proxy);
    if (transfer->exchange.is_download || transfer->is_public_only || transfer->is_proxied)
        bad |= tarimg_decide_proxy(transfer);
    if (client->ca_file) bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_CAINFO, client->ca_file);
    /* Always said: a handle whose reset ran out of memory has forgotten libcurl's own sizes. */
    /* (One that libcurl has left its buffer with, after sharing a connection, keeps that and refuses.) */
    (void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE,
                           tarimg_expects_much(transfer) ? TARIMG_LARGE_BUFFER : TARIMG_USUAL_BUFFER);
    (void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, TARIMG_UPLOAD_BUFFER);
    if (transfer->is_public_only) {
        bad |= tarimg_check_reused(transfer);
        bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, tarimg_on_socket);
        bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
    }
    return bad;
}

/* POST, PUT and PATCH carry a body even when it is empty: a length of 0 is sent then. */
static int tarimg_sends_body(const tarimg_transfer *transfer, const char *method) {
    return transfer->body.size > 0 || tarimg_in_list("POST,PUT,PATCH", method);
}

#if LIBCURL_VERSION_NUM >= 0x075000
/* libcurl sends a request again by itself where a kept connection turns out dead, or where a server refuses an
   expectation. That may be billed twice. */
static int tarimg_on_send(void *user_data, char *address, char *own_address, int port, int own_port) {
    tarimg_transfer *transfer = (tarimg_transfer *)user_data;
    (void)address;
    (void)own_address;
    (void)port;
    (void)own_port;
    return ++transfer->send_count == 1 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}
#endif

/* Is libcurl kept from sending twice what it holds in memory? */
static int tarimg_guard_body(tarimg_transfer *transfer) {
#if LIBCURL_VERSION_NUM >= 0x075000
    return curl_easy_setopt(transfer->easy, CURLOPT_PREREQFUNCTION, tarimg_on_send) == CURLE_OK &&
           curl_easy_setopt(transfer->easy, CURLOPT_PREREQDATA, transfer) == CURLE_OK;
#else
    (void)transfer;
    return 0;
#endif
}

/* The signature covers the body, so libcurl must have all of it; a connection of its own keeps libcurl from sending it
   twice where there is no guard. */
static unsigned tarimg_set_signing(tarimg_transfer *transfer) {
#if LIBCURL_VERSION_NUM >= 0x074B00
    tarash_image_exchange *exchange = &transfer->exchange;
    tarimg_arena *arena = &exchange->arena;
    size_t size = (size_t)transfer->body.size, written = 0, at = 0;
    char *body = transfer->body.size < SIZE_MAX ? (char *)tarimg_take(arena, size + 1) : NULL;
    const char *provider = tarimg_format(arena, "aws:amz:%s:%s", exchange->aws_region, exchange->aws_service);
    const char *key = exchange->link->key, *secret = strchr(key, ':') + 1;
    const char *id = tarimg_copy_bytes(arena, key, (size_t)(secret - 1 - key));
    unsigned bad = 0;
    secret = tarimg_copy_bytes(arena, secret, strcspn(secret, ":"));
    if (!body || !provider || !id || !secret) return 1;
    while (at < size && tarimg_body_read(&transfer->body, body + at, size - at, &written) && written)
        at += written;
    if (at < size) {
        tarimg_break(transfer, TARASH_IMAGE_ERROR_IO,
                     "an input image's file could not be read, or has changed");
        return 1;
    }
    if (!tarimg_guard_body(transfer))
        bad |= (unsigned)curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L);
    bad |= (unsigned)curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
    bad |= (unsigned)curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, body);
    bad |= (unsigned)curl_easy_setopt(transfer->easy, CURLOPT_AWS_SIGV4, provider);
    bad |= (unsigned)curl_easy_setopt(transfer->easy, CURLOPT_USERNAME, id);
    return bad | (unsigned)curl_easy_setopt(transfer->easy, CURLOPT_PASSWORD, secret);
#else
    (void)transfer;
    return 1;
#endif
}

/* A body that is text alone goes out together with the head, where libcurl lets itself be kept from sending both again
   (a body that comes from a read callback can't be rewound). 0: it must be read. */
static int tarimg_set_text_body(tarimg_transfer *transfer) {
    const tarimg_segment *text = transfer->body.first;
    CURL *easy = transfer->easy;
    if (!text || text->next || text->input || !tarimg_guard_body(transfer)) return 0;
    return curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)text->size) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDS, text->text) == CURLE_OK;
}

/* No rewind function on purpose: libcurl would send a POST again by itself when a kept connection turns out
   dead, and such a request may be billed twice. */
static unsigned tarimg_set_method(tarimg_transfer *transfer, const char *method) {
    CURL *easy = transfer->easy;
    unsigned bad = 0;
    if (!tarimg_sends_body(transfer, method)) {
        bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        if (tarimg_equal(method, "HEAD"))
            bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        else if (!tarimg_equal(method, "GET"))
            bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
        return bad;
    }
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_POST, 1L);
    if (transfer->exchange.aws_region) return bad | tarimg_set_signing(transfer);
    if (!tarimg_equal(method, "POST")) bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    if (tarimg_set_text_body(transfer)) return bad;
    /* Nothing to rewind would let libcurl send it again, too. */
    if (transfer->body.size == 0) bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->body.size);
    bad |= (unsigned)curl_easy_setopt(easy, CURLOPT_READFUNCTION, tarimg_on_read);
    return bad | (unsigned)curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
}

/* Begins the exchange's request at `url`; 0 = memory ran out. */
static int tarimg_transfer_start(tarimg_transfer *transfer, const char *url) {
    tarash_image_exchange *exchange = &transfer->exchange;
    tarash_image_client *client = transfer->client;
    tarimg_header *headers = tarimg_exchange_headers(exchange, url);
    if (!tarimg_render_body(exchange, &transfer->body) || exchange->arena.failed) return 0;
    if (!tarimg_make_header_list(transfer, headers)) return 0;
    transfer->easy = tarimg_take_handle(client);
    if (!transfer->easy) return 0;
    client->transfer_count++;
    if (tarimg_set_common(transfer, url, exchange->link->config.connect_timeout_ms)) return 0;
    if (tarimg_set_method(transfer, exchange->method)) return 0;
    if (client->curl_hook_fn) client->curl_hook_fn(transfer->easy, client->curl_hook_user_data);
    tarimg_log(client, exchange->link->secrets, TARASH_IMAGE_LOG_DEBUG, "%s: %s %s, %llu bytes",
               exchange->link->provider, exchange->method, tarimg_shown_url(&exchange->arena, url),
               (unsigned long long)transfer->body.size);
    return curl_multi_add_handle(client->multi, transfer->easy) == CURLM_OK;
}

static int tarimg_is_tls_failure(CURLcode code) {
    return code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION ||
           code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CIPHER || code == CURLE_SSL_CACERT_BADFILE ||
           code == CURLE_SSL_ISSUER_ERROR || code == CURLE_USE_SSL_FAILED || code == CURLE_SSL_CRL_BADFILE;
}

static tarash_image_result tarimg_result_of_curl(CURLcode code) {
    switch ((int)code) {
    case CURLE_OUT_OF_MEMORY: return TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    case CURLE_OPERATION_TIMEDOUT: return TARASH_IMAGE_ERROR_TIMEOUT;
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY: return TARASH_IMAGE_ERROR_BAD_RESPONSE;
    case CURLE_FILESIZE_EXCEEDED:
    case 100: return TARASH_IMAGE_ERROR_TOO_LARGE; /* CURLE_TOO_LARGE, of libcurl 8.6 and newer */
    default: return TARASH_IMAGE_ERROR_CONNECTION;
    }
}

static int tarimg_has_sent(tarimg_transfer *transfer) {
    long request = 0, tunnel = 0;
    /* What a proxy refused was the tunnel, not the request. */
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &tunnel);
    if (transfer->send_count > 1) return 1;
    if (tunnel && (tunnel < 200 || tunnel > 299)) return 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &request);
    return request > 0;
}

/* What the server asks for before another try, in milliseconds; 0 = nothing. */
static int64_t tarimg_reply_delay(tarimg_transfer *transfer) {
    const tarash_image_exchange *exchange = &transfer->exchange;
    const char *milliseconds = tarimg_reply_header(exchange, "retry-after-ms"),
               *date = tarimg_reply_header(exchange, "date");
    const char *after = tarimg_reply_header(exchange, "retry-after");
    int64_t value, now = tarimg_wall_clock_seconds();
    if (milliseconds && tarimg_parse_thousandths(milliseconds, strlen(milliseconds),
                                                 TARIMG_MAX_RETRY_AFTER_MS * 1000, &value))
        return (value + 999) / 1000;
    if (!after) return 0;
    /* A date is meant by the server's clock, which may differ from ours. */
    if (date) (void)tarimg_parse_date(date, &now);
    value = tarimg_parse_retry_after(after, now);
    return value < 0 ? 0 : value;
}

static const char *tarimg_reply_request_id(const tarash_image_exchange *exchange) {
    static const char *const names[] = {"x-request-id",    "request-id",       "x-fal-request-id",
                                        "apim-request-id", "x-amzn-requestid", "x-requestid"};
    size_t i;
    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = tarimg_reply_header(exchange, names[i]);
        if (tarimg_is_set(value)) return value;
    }
    return NULL;
}

/* libcurl reports that the transfer failed. */
static void tarimg_read_curl_failure(tarimg_transfer *transfer, CURLcode code) {
    tarash_image_error *error = &transfer->exchange.error;
    const char *detail = transfer->curl_error[0] ? transfer->curl_error : curl_easy_strerror(code);
    if (transfer->send_count > 1) detail = "the connection broke before an answer came";
    error->curl_code = (int)code;
    error->delivery =
        tarimg_has_sent(transfer) ? TARASH_IMAGE_DELIVERY_UNKNOWN : TARASH_IMAGE_DELIVERY_NOT_SENT;
    if (transfer->was_refused) {
        (void)tarimg_set_error(error, TARASH_IMAGE_ERROR_BAD_RESPONSE,
                               "the result's host has a private address, and is not asked");
        return;
    }
    if (tarimg_is_tls_failure(code)) error->delivery = TARASH_IMAGE_DELIVERY_NOT_SENT;
    (void)tarimg_set_error(error, tarimg_result_of_curl(code), "%s: %s", transfer->exchange.speaker, detail);
}

#define TARIMG_UNREADABLE "%s: an image's data: URL can't be read"

/* A bare value is no provider's answer: some box on the way has made it. */
static int tarimg_is_structure(const tarimg_value *document) {
    return document && (document->kind == TARIMG_OBJECT || document->kind == TARIMG_ARRAY);
}

/* The reply came, and is read: OK, or exchange->error. */
static void tarimg_read_reply(tarimg_transfer *transfer) {
    tarash_image_exchange *exchange = &transfer->exchange;
    tarash_image_error *error = &exchange->error;
    tarimg_reader *reader = &transfer->reader;
    long status = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    exchange->status = (int)status;
    error->http_status = exchange->status;
    if (transfer->mode == TARIMG_REPLY_NONE) transfer->mode = tarimg_mode_of(transfer);
    if (exchange->status < 200 || exchange->status >= 300) {
        if (transfer->has_reader && tarimg_reader_finish(reader)) exchange->document = reader->root;
        if (transfer->has_reader && reader->result == TARASH_IMAGE_ERROR_OUT_OF_MEMORY)
            exchange->arena.failed = 1;
        tarimg_redact_value(exchange->link->secrets, exchange->document);
        tarimg_redact(exchange->link->secrets, transfer->plain, transfer->plain_size);
        (void)tarimg_read_error(exchange, transfer->plain);
        error->delivery = tarimg_delivery_of_status(exchange->status);
        error->retry_after_ms = tarimg_reply_delay(transfer);
        if (!exchange->is_download && exchange->link->adapter->error_fn) {
            exchange->link->adapter->error_fn(exchange);
            if (error->retry_after_ms < 0 || error->retry_after_ms > TARIMG_MAX_RETRY_AFTER_MS)
                error->retry_after_ms = TARIMG_MAX_RETRY_AFTER_MS;
        }
        return;
    }
    error->delivery = TARASH_IMAGE_DELIVERY_UNKNOWN; /* of a reply that turns out unreadable */
    if (exchange->is_raw_image) {
        tarash_image_result result = tarimg_payload_close(exchange->payloads[0]);
        if (result != TARASH_IMAGE_OK) (void)tarimg_set_error(error, result, "the image could not be kept");
        if (exchange->task->kind == TARIMG_TASK_CALL && result == TARASH_IMAGE_OK)
            (void)exchange->link->adapter->read_fn(exchange);
        return;
    }
    if (transfer->mode == TARIMG_REPLY_EVENTS) {
        /* The last event may lack its blank line. */
        (void)tarimg_feed_events(transfer, "\n\n", 2);
        if (transfer->broken == TARASH_IMAGE_OK && !exchange->stream_done)
            (void)tarimg_set_error(error, TARASH_IMAGE_ERROR_BAD_RESPONSE,
                                   "%s: the stream ended before the image was complete", exchange->speaker);
        return;
    }
    if (!transfer->has_reader || !tarimg_reader_finish(reader)) {
        (void)tarimg_set_error(error, transfer->has_reader ? reader->result : TARASH_IMAGE_ERROR_BAD_RESPONSE,
                               "%s answered HTTP %d with what is no JSON: %s", exchange->speaker,
                               exchange->status,
                               transfer->has_reader ? reader->problem : "the answer is empty");
        return;
    }
    exchange->document = reader->root;
    tarimg_redact_value(exchange->link->secrets, exchange->document);
    if (!exchange->link->custom && !tarimg_is_structure(exchange->document)) {
        (void)tarimg_set_error(error, TARASH_IMAGE_ERROR_BAD_RESPONSE,
                               "%s answered HTTP %d with JSON that is no object", exchange->speaker,
                               exchange->status);
        return;
    }
    if (exchange->link->adapter->read_fn(exchange) == TARASH_IMAGE_OK) return;
    if (!exchange->found && exchange->unreadable_count &&
        error->result == TARASH_IMAGE_ERROR_GENERATION_FAILED)
        (void)tarimg_set_error(error, TARASH_IMAGE_ERROR_BAD_RESPONSE, TARIMG_UNREADABLE, exchange->speaker);
    exchange->is_final = !exchange->link->custom &&
                         (error->result != TARASH_IMAGE_ERROR_BAD_RESPONSE || exchange->unreadable_count);
    if (error->result != TARASH_IMAGE_ERROR_BAD_RESPONSE) error->delivery = TARASH_IMAGE_DELIVERY_REJECTED;
}

/* A sink's failure names the file, if there is one. */
static void tarimg_name_file(tarash_image_exchange *exchange) {
    size_t i;
    if (exchange->error.result != TARASH_IMAGE_ERROR_IO) return;
    for (i = 0; i < exchange->payload_count; i++) {
        const tarimg_payload *payload = exchange->payloads[i];
        if (payload->result != TARASH_IMAGE_ERROR_IO || !payload->path) continue;
        (void)tarimg_set_error(&exchange->error, TARASH_IMAGE_ERROR_IO,
                               "sink.path: \"%.400s\" can't be written: " TARIMG_FILE_ADVICE, payload->path);
    }
}

/* A transfer has ended: exchange->error says how. */
static void tarimg_transfer_finish(tarimg_transfer *transfer, CURLcode code) {
    tarash_image_exchange *exchange = &transfer->exchange;
    tarash_image_error *error = &exchange->error;
    if (code == CURLE_OK || transfer->has_enough) {
        if (exchange->payload_count) transfer->client->usual_reply = transfer->received;
        tarimg_read_reply(transfer);
    } else if (transfer->broken == TARASH_IMAGE_OK)
        tarimg_read_curl_failure(transfer, code);
    if (transfer->broken != TARASH_IMAGE_OK) {
        error->http_status = exchange->status;
        error->delivery =
            tarimg_has_sent(transfer) ? TARASH_IMAGE_DELIVERY_UNKNOWN : TARASH_IMAGE_DELIVERY_NOT_SENT;
        if (transfer->exchange.error.result == TARASH_IMAGE_OK)
            (void)tarimg_set_error(error, transfer->broken, "%s: %s", exchange->speaker,
                                   transfer->reason ? transfer->reason : "the answer is unreadable");
    }
    tarimg_name_file(exchange);
    if (exchange->arena.failed) (void)tarimg_no_memory(error);
    if (exchange->task && exchange->task->kind == TARIMG_TASK_CALL && tarimg_has_sent(transfer) &&
        error->delivery != TARASH_IMAGE_DELIVERY_REJECTED)
        exchange->task->job->may_be_paid = 1;
    tarimg_clean_text(error->message);
    tarimg_clean_text(error->provider_code);
    tarimg_redact_text(exchange->link->secrets, error->message);
    tarimg_redact_text(exchange->link->secrets, error->provider_code);
    tarimg_copy_fixed(error->request_id, sizeof error->request_id, tarimg_reply_request_id(exchange));
    tarimg_clean_text(error->request_id);
    tarimg_redact_text(exchange->link->secrets, error->request_id);
    tarimg_log(transfer->client, exchange->link->secrets, TARASH_IMAGE_LOG_DEBUG,
               "%s: HTTP %d, %llu bytes in %lld ms%s%s", exchange->speaker, exchange->status,
               (unsigned long long)transfer->received,
               (long long)(tarimg_now(transfer->client) - transfer->started), error->result ? ": " : "",
               error->result ? error->message : "");
}

/* ---- progress */

static void tarimg_queue_event(tarimg_job *job, tarimg_event *event) {
    tarash_image_client *client = job->client;
    tarash_image_update *update = &event->update;
    event->job_id = job->id;
    job->bytes_told = job->bytes_received;
    update->job.id = job->id;
    update->status = job->status;
    update->progress_percent = job->percent;
    update->queue_position = job->queue_position;
    update->bytes_received = job->bytes_received;
    update->attempt = (int)job->current + 1;
    if (job->link_count) {
        const tarimg_link *link = &job->links[job->current < job->link_count ? job->current : 0];
        update->provider = link->provider;
        update->model = link->model;
    }
    update->message = event->message;
    if (client->last_event)
        client->last_event->next = event;
    else
        client->events = event;
    client->last_event = event;
}

static int tarimg_is_watched(const tarimg_job *job) {
    return job->request.on_progress && !(job->link_count && job->links[job->current].is_quiet);
}

/* Reports the job's state, unless nobody listens. A report lost to lack of memory is not worth a failure. */
static void tarimg_report(tarimg_job *job, const char *message) {
    tarimg_event *event;
    const tarash_image_allocator *allocator = &job->client->allocator;
    size_t size = message ? strlen(message) + 1 : 0;
    if (!tarimg_is_watched(job)) return;
    event = (tarimg_event *)tarimg_alloc(allocator, sizeof *event);
    if (!event) return;
    if (message && (event->message = (char *)tarimg_alloc(allocator, size)) != NULL)
        memcpy(event->message, message, size);
    tarimg_queue_event(job, event);
}

static void tarimg_event_free(const tarash_image_allocator *allocator, tarimg_event *event) {
    tarimg_release(allocator, event->message);
    tarimg_release(allocator, event->preview.data);
    tarimg_release(allocator, event);
}

/* A preview has arrived: its bytes go to the callback and are gone afterwards. */
static void tarimg_emit_preview(tarimg_transfer *transfer) {
    tarash_image_exchange *exchange = &transfer->exchange;
    tarimg_job *job = exchange->task->job;
    tarimg_found *found = exchange->found;
    tarimg_payload *payload = found && found->is_payload ? exchange->payloads[found->payload] : NULL;
    tarimg_event *event = NULL;
    if (!payload) return;
    if (tarimg_is_watched(job)) event = (tarimg_event *)tarimg_alloc(exchange->allocator, sizeof *event);
    if (event) {
        event->preview.data = payload->data;
        event->preview.size = payload->fill;
        event->preview.mime_type = payload->media.mime_type;
        event->preview.width = payload->media.width;
        event->preview.height = payload->media.height;
        event->preview.index = exchange->preview_index;
        event->update.image_index = exchange->first_index;
        event->update.partial_image = &event->preview;
        payload->data = NULL;
        payload->capacity = payload->fill = 0;
        tarimg_queue_event(job, event);
    }
}

static void tarimg_note_progress(tarimg_job *job, tarash_image_status status, int percent, int position,
                                 const char *message) {
    job->status = status == TARASH_IMAGE_STATUS_QUEUED ? status : TARASH_IMAGE_STATUS_PROCESSING;
    job->percent = percent > 100 ? 100 : percent < -1 ? -1 : percent;
    job->queue_position = position < -1 ? -1 : position;
    if (status == TARASH_IMAGE_STATUS_COMPLETED) job->last_percent = job->percent;
    /* What ends the job is reported when it has ended. */
    if (status == TARASH_IMAGE_STATUS_COMPLETED || status == TARASH_IMAGE_STATUS_FAILED) return;
    tarimg_report(job, message);
}

/* ---- tasks */

static void tarimg_task_fail(tarimg_task *task, const tarash_image_error *error);
static void tarimg_task_outcome(tarimg_task *task);
static void tarimg_attempt_check(tarimg_job *job);
static void tarimg_job_end(tarimg_job *job, const tarash_image_error *error);
static void tarimg_job_cancel(tarimg_job *job);

static tarimg_task *tarimg_task_add(tarimg_job *job, tarimg_task_kind kind) {
    tarash_image_client *client = job->client;
    tarimg_task *task = (tarimg_task *)tarimg_take(&job->attempt_arena, sizeof *task), **link = &job->tasks;
    if (!task || !tarimg_timer_reserve(client)) return NULL;
    task->kind = kind;
    task->job = job;
    task->timer.owner = task;
    while (*link) link = &(*link)->next;
    *link = task;
    tarimg_timer_arm(client, &task->timer, tarimg_now(client));
    return task;
}

static void tarimg_task_drop_transfer(tarimg_task *task) {
    if (task->transfer) tarimg_transfer_free(task->transfer);
    task->transfer = NULL;
}

static void tarimg_task_end(tarimg_task *task, tarimg_task_state state) {
    tarimg_timer_disarm(task->job->client, &task->timer);
    tarimg_task_drop_transfer(task);
    task->state = state;
}

/* The deadline that a wait of this job must respect; 0 = none. */
static int64_t tarimg_deadline(const tarimg_job *job) {
    return tarimg_sooner(job->attempt_deadline, job->total_deadline);
}

/* The task's own request can't be made at all. */
static void tarimg_task_refuse(tarimg_task *task, tarash_image_result result, const char *message) {
    tarash_image_error error;
    memset(&error, 0, sizeof error);
    (void)tarimg_set_error(&error, result, "%s", message);
    tarimg_task_fail(task, &error);
}

static const char *tarimg_phase_url(const tarimg_task *task) {
    if (task->phase == TARASH_IMAGE_PHASE_POLL) return task->poll_url;
    if (task->phase == TARASH_IMAGE_PHASE_FETCH) return task->fetch_url;
    if (task->phase == TARASH_IMAGE_PHASE_CANCEL) return task->cancel_url;
    return NULL;
}

/* Input images that the provider wants as bytes, and that are URLs: fetched side by side, then the call goes
 * on. */
static void tarimg_fetch_inputs(tarimg_task *task) {
    tarimg_job *job = task->job;
    tarimg_link *link = &job->links[job->current];
    tarimg_task *other;
    size_t i;
    task->state = TARIMG_TASK_WAITING;
    task->waits_for_inputs = 1;
    for (other = job->tasks; other; other = other->next) {
        if (other->kind == TARIMG_TASK_INPUT) return; /* another call has asked already */
    }
    for (i = 0; i <= link->input_count; i++) {
        const tarimg_input *input = i < link->input_count ? &link->inputs[i] : link->mask;
        if (!input || tarimg_input_has_bytes(input)) continue;
        other = tarimg_task_add(job, TARIMG_TASK_INPUT);
        if (!other) {
            tarimg_task_refuse(task, TARASH_IMAGE_ERROR_OUT_OF_MEMORY, "out of memory");
            return;
        }
        other->url = input->url;
        other->first_index = i;
    }
}

/* The seed of the image at `index` when n is split: counting up, and round within the provider's range. */
static int64_t tarimg_seed_of(const tarimg_link *link, size_t index) {
    const tarash_image_capabilities *caps = link->caps;
    int64_t seed = link->request.seed;
    uint64_t first = 0, count = (uint64_t)INT64_MAX + 1;
    if (caps && caps->seed_max > caps->seed_min) {
        first = (uint64_t)caps->seed_min;
        count = (uint64_t)caps->seed_max - first + 1;
    } else if (seed < 0)
        return index > (uint64_t)INT64_MAX ? seed : seed + (int64_t)index;
    if (count == 0) return (int64_t)((uint64_t)seed + index); /* every number there is */
    return (int64_t)(first + ((uint64_t)seed - first + index % count) % count);
}

static void tarimg_exchange_for_task(tarimg_task *task, tarash_image_exchange *exchange) {
    exchange->task = task;
    exchange->phase = task->phase;
    exchange->count = task->count;
    exchange->first_index = task->first_index;
    exchange->request.seed = tarimg_seed_of(exchange->link, task->first_index);
    exchange->poll_number = task->polls;
    exchange->job_id = task->job_id;
    exchange->poll_url = task->poll_url;
    exchange->fetch_url = task->fetch_url;
    exchange->cancel_url = task->cancel_url;
    exchange->sink = task->job->request.sink;
    if (task->job->request.output == TARASH_IMAGE_OUTPUT_URL || task->kind == TARIMG_TASK_INPUT)
        exchange->sink = NULL;
}

/* Only who asks a private host himself may be sent on to one. */
static int tarimg_may_be_private(const tarimg_job *job) {
    const tarimg_link *link = &job->links[job->current];
    tarimg_url url;
    return link->base_url && tarimg_split_url(link->base_url, &url) && tarimg_is_private_host(&url);
}

/* Was the address named by a reply? Where a provider's own code goes on, it may be. */
static int tarimg_is_named_url(const tarimg_task *task, const tarash_image_exchange *exchange) {
    if (tarimg_phase_url(task)) return 1;
    return task->phase != TARASH_IMAGE_PHASE_SUBMIT && tarimg_is_whole_url(exchange->path);
}

/* May an address that somebody else has named be asked? 1, and the transfer knows how; 0: it is private, or none. What is
   the provider's own may be asked in any case: it has the key already. */
static int tarimg_admit_url(const tarimg_job *job, tarimg_transfer *transfer, const char *text) {
    tarimg_url url;
    if (!tarimg_split_url(text, &url)) return 0;
    transfer->is_proxied = tarimg_uses_proxy(job->client, &url);
    if (tarimg_may_be_private(job) || tarimg_is_own_url(&job->links[job->current], text)) return 1;
    if (tarimg_is_private_host(&url)) return 0;
    transfer->is_public_only = !transfer->is_proxied;
    return 1;
}

static void tarimg_task_call(tarimg_task *task) {
    tarimg_url parts;
    tarimg_job *job = task->job;
    tarimg_link *link = &job->links[job->current];
    tarimg_transfer *transfer = tarimg_transfer_new(job, link);
    tarash_image_exchange *exchange = transfer ? &transfer->exchange : NULL;
    const char *url;
    if (!transfer) {
        tarimg_task_refuse(task, TARASH_IMAGE_ERROR_OUT_OF_MEMORY, "out of memory");
        return;
    }
    task->transfer = transfer;
    task->state = TARIMG_TASK_RUNNING;
    if (task->phase == TARASH_IMAGE_PHASE_POLL) task->polls++;
    tarimg_exchange_for_task(task, exchange);
    if (tarimg_exchange_build(exchange) != TARASH_IMAGE_OK) {
        tarimg_task_outcome(task);
        return;
    }
    if (exchange->wants_bytes) {
        tarimg_task_drop_transfer(task);
        tarimg_fetch_inputs(task);
        return;
    }
    if (link->adapter->answer_fn) {
        tarimg_timer_arm(job->client, &task->timer, tarimg_now(job->client) + exchange->latency_ms);
        return;
    }
    url = tarimg_phase_url(task) ? tarimg_phase_url(task)
                                 : tarimg_join_url(&exchange->arena, link->base_url, exchange->path);
    if (url && !tarimg_split_url(url, &parts)) {
        tarimg_task_refuse(task, TARASH_IMAGE_ERROR_BAD_RESPONSE,
                           "the address to ask is not a valid http(s) URL");
        return;
    }
    if (url && tarimg_is_named_url(task, exchange) && !tarimg_admit_url(job, transfer, url)) {
        tarimg_task_refuse(task, TARASH_IMAGE_ERROR_BAD_RESPONSE,
                           "the job's URL leads to a private address, and is not asked");
        return;
    }
    if (url && tarimg_transfer_start(transfer, url)) return;
    if (transfer->broken != TARASH_IMAGE_OK)
        tarimg_task_refuse(task, transfer->broken, transfer->reason);
    else
        tarimg_task_refuse(task, TARASH_IMAGE_ERROR_OUT_OF_MEMORY, "out of memory");
}

static void tarimg_task_download(tarimg_task *task) {
    tarimg_job *job = task->job;
    tarimg_url url;
    tarimg_transfer *transfer;
    /* Where the user points is his own business; where that redirects to is not. */
    const tarimg_link *link = &job->links[job->current];
    int is_public_only = task->kind == TARIMG_TASK_DOWNLOAD && link->base_url
                             ? !tarimg_may_be_private(job) && !tarimg_same_origin(task->url, link->base_url)
                             : task->redirects > 0 && !task->from_private;
    if (!tarimg_split_url(task->url, &url)) {
        tarimg_task_refuse(task, TARASH_IMAGE_ERROR_BAD_RESPONSE,
                           "the image's URL is not a valid http(s) one");
        return;
    }
    if (task->redirects == 0) task->from_private = tarimg_is_private_host(&url);
    if (is_public_only && tarimg_is_private_host(&url)) {
        tarimg_task_refuse(task, TARASH_IMAGE_ERROR_BAD_RESPONSE,
                           "the image's URL leads to a private address, and is not followed");
        return;
    }
    transfer = tarimg_transfer_new(job, &job->links[job->current]);
    task->transfer = transfer;
    task->state = TARIMG_TASK_RUNNING;
    if (transfer) {
        tarimg_exchange_for_task(task, &transfer->exchange);
        transfer->exchange.speaker =
            task->kind == TARIMG_TASK_INPUT ? "the input image's server" : "the result's server";
        transfer->exchange.is_download = 1;
        transfer->exchange.method = "GET";
        transfer->exchange.accept = "image/*";
        transfer->is_proxied = tarimg_uses_proxy(job->client, &url);
        transfer->is_public_only = is_public_only && !transfer->is_proxied;
    }
    if (!transfer || !tarimg_transfer_start(transfer, task->url))
        tarimg_task_refuse(task, TARASH_IMAGE_ERROR_OUT_OF_MEMORY, "out of memory");
}

/* The task's timer has fired: it is to begin, to go on, or to be answered by its own adapter. */
static void tarimg_task_run(tarimg_task *task) {
    tarash_image_exchange *exchange = task->transfer ? &task->transfer->exchange : NULL;
    if (task->state == TARIMG_TASK_RUNNING && exchange && exchange->link->adapter &&
        exchange->link->adapter->answer_fn) {
        if (exchange->link->adapter->answer_fn(exchange) != TARASH_IMAGE_OK &&
            exchange->error.delivery == TARASH_IMAGE_DELIVERY_NOT_SENT) {
            tarash_image_result result = exchange->error.result;
            if (result != TARASH_IMAGE_ERROR_CONNECTION)
                exchange->error.delivery = TARASH_IMAGE_DELIVERY_REJECTED;
            if (result == TARASH_IMAGE_ERROR_TIMEOUT || result == TARASH_IMAGE_ERROR_BAD_RESPONSE)
                exchange->error.delivery = TARASH_IMAGE_DELIVERY_UNKNOWN;
            if (exchange->error.http_status)
                exchange->error.delivery = tarimg_delivery_of_status(exchange->error.http_status);
        }
        tarimg_name_file(exchange);
        tarimg_task_outcome(task);
        return;
    }
    if (task->kind == TARIMG_TASK_CALL)
        tarimg_task_call(task);
    else
        tarimg_task_download(task);
}

/* ---- tasks: after a failure */

static int64_t tarimg_backoff(tarimg_job *job, int retries) {
    const tarash_image_retry *retry = &job->links[job->current].config.retry;
    double delay = retry->initial_ms;
    int64_t wait;
    while (retries-- > 0 && delay < retry->max_ms) delay *= retry->exponent;
    wait = delay < retry->max_ms ? (int64_t)delay : retry->max_ms;
    return wait - (int64_t)(tarimg_random(job->client) % (uint64_t)(wait / 4 + 1));
}

static int tarimg_is_transient_status(int status) {
    return status == 408 || status == 409 || status == 425 || status == 429 || status >= 500;
}

/* The server's own word on whether to try again, which goes before the status: -1 no, 1 yes, 0 none. */
static int tarimg_advised(const tarimg_task *task) {
    const char *word =
        task->transfer ? tarimg_reply_header(&task->transfer->exchange, "x-should-retry") : NULL;
    if (!word) return task->transfer ? task->transfer->exchange.advice : 0;
    return tarimg_equal_nocase(word, "false") ? -1 : tarimg_equal_nocase(word, "true");
}

/* May what failed be asked again at the same provider? Polls and downloads cost nothing; a call may, unless
   it is certain that nothing was made of it. */
static int tarimg_may_repeat(const tarimg_task *task, const tarash_image_error *error, int is_free) {
    int advice = tarimg_advised(task);
    const tarash_image_config *config = &task->job->links[task->job->current].config;
    if (advice < 0 || (error->curl_code && tarimg_is_tls_failure((CURLcode)error->curl_code))) return 0;
    if (error->result == TARASH_IMAGE_ERROR_OUT_OF_MEMORY) return 0;
    if (is_free && task->transfer && task->transfer->exchange.is_final) return 0;
    if (is_free) {
        if (error->result == TARASH_IMAGE_ERROR_CONNECTION || error->result == TARASH_IMAGE_ERROR_TIMEOUT)
            return 1;
        if (error->http_status == 404) return task->kind == TARIMG_TASK_CALL;
        /* A page that some box on the way put in the answer's place. */
        if (error->result == TARASH_IMAGE_ERROR_BAD_RESPONSE) return task->kind == TARIMG_TASK_CALL;
        return tarimg_is_transient_status(error->http_status);
    }
    if (error->delivery == TARASH_IMAGE_DELIVERY_NOT_SENT)
        return !config->retry.no_connection_errors && (error->result == TARASH_IMAGE_ERROR_CONNECTION ||
                                                       error->result == TARASH_IMAGE_ERROR_TIMEOUT);
    if (error->delivery != TARASH_IMAGE_DELIVERY_REJECTED) return 0;
    if (error->result == TARASH_IMAGE_ERROR_QUOTA_EXCEEDED ||
        error->result == TARASH_IMAGE_ERROR_CONTENT_MODERATION)
        return 0;
    return advice > 0 || error->http_status == 409 || error->http_status == 429 ||
           error->http_status == 500 || error->http_status == 503;
}

static int tarimg_repeats_left(const tarimg_task *task, const tarash_image_error *error) {
    const tarash_image_config *config = &task->job->links[task->job->current].config;
    if (task->kind == TARIMG_TASK_CALL && task->phase != TARASH_IMAGE_PHASE_SUBMIT) {
        /* The job is paid for: patience up to the polls' own limit; but an id that stays unknown is lost. */
        if (error->http_status == 404) return task->poll_failures < 3;
        if (task->phase == TARASH_IMAGE_PHASE_POLL && task->polls >= config->max_poll_attempts) return 0;
        return task->poll_failures < config->max_poll_attempts;
    }
    return task->retries < config->max_retries;
}

/* Is there time to wait, and the wish for it? */
static int tarimg_may_wait(tarimg_job *job, int64_t wait) {
    const tarash_image_retry *retry = &job->links[job->current].config.retry;
    int64_t now = tarimg_now(job->client), deadline = tarimg_deadline(job);
    if (deadline && wait >= deadline - now) return 0;
    return now + wait - job->attempt_started <= retry->max_elapsed_ms;
}

/* Begins another try if that is allowed and worth it. */
static int tarimg_task_repeat(tarimg_task *task, const tarash_image_error *error) {
    tarimg_job *job = task->job;
    const tarimg_link *link = &job->links[job->current];
    int is_poll = task->kind == TARIMG_TASK_CALL && task->phase != TARASH_IMAGE_PHASE_SUBMIT;
    int is_free = task->kind != TARIMG_TASK_CALL || is_poll;
    int64_t wait;
    if (task->is_accepted && !is_free) return 0;
    if (!tarimg_may_repeat(task, error, is_free) || !tarimg_repeats_left(task, error)) return 0;
    wait = tarimg_backoff(job, is_poll ? task->poll_failures : task->retries);
    if (error->retry_after_ms) wait = error->retry_after_ms;
    if (!tarimg_may_wait(job, wait)) return 0;
    if (is_poll) task->poll_failures++;
    task->retries++;
    job->attempt_retries++;
    tarimg_log(job->client, job->secrets, TARASH_IMAGE_LOG_WARNING, "%s: %s; again in %lld ms",
               link->provider, error->message, (long long)wait);
    tarimg_task_drop_transfer(task);
    task->state = TARIMG_TASK_WAITING;
    tarimg_timer_arm(job->client, &task->timer, tarimg_now(job->client) + wait);
    return 1;
}

static int tarimg_is_retryable(const tarash_image_error *error) {
    switch (error->result) {
    case TARASH_IMAGE_ERROR_RATE_LIMITED:
    case TARASH_IMAGE_ERROR_TIMEOUT:
    case TARASH_IMAGE_ERROR_GENERATION_FAILED:
    case TARASH_IMAGE_ERROR_BAD_RESPONSE: return 1;
    case TARASH_IMAGE_ERROR_CONNECTION: return !tarimg_is_tls_failure((CURLcode)error->curl_code);
    case TARASH_IMAGE_ERROR_HTTP: return tarimg_is_transient_status(error->http_status);
    case TARASH_IMAGE_OK:
    case TARASH_IMAGE_ERROR_VALIDATION:
    case TARASH_IMAGE_ERROR_UNSUPPORTED:
    case TARASH_IMAGE_ERROR_CONTENT_MODERATION:
    case TARASH_IMAGE_ERROR_AUTHENTICATION:
    case TARASH_IMAGE_ERROR_QUOTA_EXCEEDED:
    case TARASH_IMAGE_ERROR_TOO_LARGE:
    case TARASH_IMAGE_ERROR_CANCELLED:
    case TARASH_IMAGE_ERROR_IO:
    case TARASH_IMAGE_ERROR_OUT_OF_MEMORY:
    case TARASH_IMAGE_RESULT_COUNT: break;
    }
    return 0;
}

/* The task has failed for good. */
static void tarimg_task_fail(tarimg_task *task, const tarash_image_error *error) {
    tarimg_job *job = task->job;
    const tarimg_link *link = &job->links[job->current];
    tarimg_task *other;
    task->error = *error;
    task->error.retryable = tarimg_advised(task) ? tarimg_advised(task) > 0 : tarimg_is_retryable(error);
    if (link->row && (task->is_accepted || task->kind == TARIMG_TASK_DOWNLOAD))
        task->error.delivery = TARASH_IMAGE_DELIVERY_ACCEPTED;
    if (!task->error.provider[0])
        tarimg_copy_fixed(task->error.provider, sizeof task->error.provider, link->provider);
    if (!task->error.model[0]) tarimg_copy_fixed(task->error.model, sizeof task->error.model, link->model);
    tarimg_task_end(task, TARIMG_TASK_FAILED);
    if (task->kind == TARIMG_TASK_INPUT) {
        for (other = job->tasks; other; other = other->next) {
            if (other->kind != TARIMG_TASK_CALL || !other->waits_for_inputs ||
                other->state != TARIMG_TASK_WAITING)
                continue;
            other->error = task->error;
            (void)tarimg_set_error(
                &other->error, task->error.result, "%s: could not be fetched: %.440s",
                task->first_index < job->request.image_count ? job->inputs[task->first_index].field : "mask",
                task->error.message);
            other->error.delivery = TARASH_IMAGE_DELIVERY_NOT_SENT;
            tarimg_task_end(other, TARIMG_TASK_FAILED);
        }
    }
}

/* ---- tasks: after a success */

static tarimg_slot *tarimg_slot_at(tarimg_job *job, size_t index) {
    tarash_image_client *client = job->client;
    if (index >= (size_t)client->limits.max_images) return NULL;
    while (job->slot_count <= index) {
        void *grown = tarimg_grow(&client->allocator, job->slots, job->slot_count, &job->slot_capacity,
                                  sizeof *job->slots);
        if (!grown) return NULL;
        job->slots = (tarimg_slot *)grown;
        memset(&job->slots[job->slot_count], 0, sizeof *job->slots);
        job->slots[job->slot_count].image.index = job->slot_count;
        job->slot_count++;
    }
    return &job->slots[index];
}

static void tarimg_late_note(tarimg_job *job, const char *field, const char *asked, const char *sent,
                             const char *why) {
    tarimg_note *note = (tarimg_note *)tarimg_take(&job->storage->arena, sizeof *note);
    if (!note) return;
    note->warning.field = tarimg_copy(&job->storage->arena, field);
    note->warning.asked = tarimg_copy(&job->storage->arena, asked ? asked : "");
    note->warning.sent = tarimg_copy(&job->storage->arena, sent ? sent : "");
    note->warning.why = tarimg_copy(&job->storage->arena, why ? why : "");
    note->warning.provider = tarimg_copy(&job->storage->arena, job->links[job->current].provider);
    if (job->last_late_note)
        job->last_late_note->next = note;
    else
        job->late_notes = note;
    job->last_late_note = note;
}

/* Bytes that had to wait in memory (a stream's, say) go into the sink after all. */
static tarash_image_result tarimg_send_to_sink(tarimg_job *job, tarimg_payload *payload, size_t index) {
    tarimg_payload into;
    tarash_image_result result;
    if (!job->request.sink || payload->sink || !payload->media.mime_type) return TARASH_IMAGE_OK;
    if (!tarimg_sink_has_room(job->request.sink, index)) return TARASH_IMAGE_OK;
    tarimg_payload_init(&into, payload->allocator, payload->limit, 0);
    into.sink = job->request.sink;
    into.index = index;
    into.unique = tarimg_random(job->client);
    into.path_arena = &job->storage->arena;
    result = tarimg_payload_write(&into, payload->data, payload->fill);
    if (result == TARASH_IMAGE_OK) result = tarimg_payload_close(&into);
    tarimg_payload_free(payload);
    if (result != TARASH_IMAGE_OK) tarimg_payload_free(&into);
    *payload = into;
    return result;
}

/* Moves a payload's bytes into an image of the response, or lets the sink complete it. */
static tarash_image_result tarimg_keep_payload(tarimg_job *job, tarimg_payload *payload,
                                               tarash_image *image) {
    if (!payload->media.mime_type) return TARASH_IMAGE_ERROR_BAD_RESPONSE;
    if (tarimg_payload_deliver(payload) != TARASH_IMAGE_OK) return payload->result;
    tarimg_release(payload->allocator, image->data);
    image->data = NULL;
    image->mime_type = payload->media.mime_type;
    image->width = payload->media.width;
    image->height = payload->media.height;
    image->size = payload->size;
    image->path = tarimg_copy(&job->storage->arena, payload->path);
    if (!tarimg_payload_is_complete(payload))
        tarimg_late_note(job, "images",
                         tarimg_format(&job->storage->arena, "image %llu", (unsigned long long)image->index),
                         "kept as it came", "the image's end is missing: the provider sent it cut off");
    if (payload->sink) return TARASH_IMAGE_OK;
    image->data = payload->data;
    payload->data = NULL;
    payload->fill = payload->capacity = 0;
    return TARASH_IMAGE_OK;
}

#define TARIMG_NO_IMAGE "what came is not an image of any known kind"

static const char *tarimg_keep_problem(tarash_image_result result) {
    switch ((int)result) {
    case TARASH_IMAGE_ERROR_TOO_LARGE: return "more images than limits.max_images";
    case TARASH_IMAGE_ERROR_BAD_RESPONSE: return TARIMG_NO_IMAGE;
    case TARASH_IMAGE_ERROR_IO: return "the sink could not take the image";
    default: return tarash_image_result_string(result);
    }
}

/* One image that a reply holds. OK, or why it can't be used. */
static tarash_image_result tarimg_absorb_image(tarimg_task *task, const tarimg_found *found, size_t index) {
    tarimg_url parts;
    tarimg_job *job = task->job;
    tarimg_arena *arena = &job->storage->arena;
    tarash_image_exchange *exchange = &task->transfer->exchange;
    tarimg_slot *slot = tarimg_slot_at(job, index);
    tarash_image *image;
    tarimg_task *download;
    if (!slot)
        return index >= (size_t)job->client->limits.max_images ? TARASH_IMAGE_ERROR_TOO_LARGE
                                                               : TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    image = &slot->image;
    slot->is_used = 1;
    image->url = tarimg_copy(arena, found->url);
    image->revised_prompt =
        tarimg_is_set(found->revised_prompt) ? tarimg_copy(arena, found->revised_prompt) : NULL;
    image->has_seed = found->has_seed;
    image->seed = found->seed;
    if (arena->failed) return TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    if (found->is_payload) {
        tarash_image_result result = tarimg_send_to_sink(job, exchange->payloads[found->payload], index);
        if (result != TARASH_IMAGE_OK) return result;
        result = tarimg_keep_payload(job, exchange->payloads[found->payload], image);
        if (result != TARASH_IMAGE_OK) return result;
        slot->is_ready = 1;
        return TARASH_IMAGE_OK;
    }
    if (job->request.output == TARASH_IMAGE_OUTPUT_URL) {
        if (!exchange->link->adapter->answer_fn && !tarimg_split_url(image->url, &parts))
            return TARASH_IMAGE_ERROR_BAD_RESPONSE;
        slot->is_ready = 1;
        return TARASH_IMAGE_OK;
    }
    download = tarimg_task_add(job, TARIMG_TASK_DOWNLOAD);
    if (!download) return TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    download->url = image->url;
    download->first_index = index;
    download->count = 1;
    return TARASH_IMAGE_OK;
}

static void tarimg_append_document(tarimg_job *job, const tarimg_value *document) {
    if (!document) return;
    if (job->raw_count++) tarimg_append_char(&job->raw, ',');
    tarimg_write_json(&job->raw, document, tarimg_write_payload, NULL);
}

static void tarimg_add_tokens(int64_t *sum, int64_t tokens) {
    if (tokens > 0) *sum = tokens > INT64_MAX - *sum ? INT64_MAX : *sum + tokens;
}

static void tarimg_absorb_facts(tarimg_task *task) {
    tarimg_job *job = task->job;
    const tarash_image_exchange *exchange = &task->transfer->exchange;
    tarimg_add_tokens(&job->usage.input_tokens, exchange->usage.input_tokens);
    tarimg_add_tokens(&job->usage.output_tokens, exchange->usage.output_tokens);
    tarimg_add_tokens(&job->usage.total_tokens, exchange->usage.total_tokens);
    if (exchange->created > 0) job->created = exchange->created;
    job->http_status = exchange->status;
    if (exchange->error.request_id[0])
        job->provider_request_id = tarimg_copy(&job->storage->arena, exchange->error.request_id);
    if (exchange->found || !exchange->has_next) tarimg_append_document(job, exchange->document);
    if (exchange->metadata && exchange->metadata->first && job->metadata.size == 0)
        tarimg_write_json(&job->metadata, exchange->metadata, tarimg_write_payload, NULL);
}

#define TARIMG_MOST_NUMBERED 256 /* no reply that is meant well has more images */

/* Do the provider's own numbers give every image of the reply a place of its own? */
static int tarimg_are_numbered(const tarash_image_exchange *exchange) {
    const tarimg_found *found, *other;
    if (exchange->found_count > TARIMG_MOST_NUMBERED) return 0;
    for (found = exchange->found; found; found = found->next) {
        if (found->number < 0 || found->number >= (int64_t)exchange->found_count) return 0;
        for (other = found->next; other; other = other->next) {
            if (other->number == found->number) return 0;
        }
    }
    return 1;
}

/* Images beyond those asked for are kept where their places can't belong to another call. What a sink has taken has its place
   already: the order of arrival. */
static tarash_image_result tarimg_absorb_images(tarimg_task *task) {
    const tarash_image_exchange *exchange = &task->transfer->exchange;
    const tarimg_link *link = &task->job->links[task->job->current];
    const tarimg_found *found;
    int is_numbered = !exchange->sink && tarimg_are_numbered(exchange);
    tarash_image_result first_problem = TARASH_IMAGE_OK;
    size_t k = 0;
    for (found = exchange->found; found; found = found->next, k++) {
        size_t place = is_numbered ? (size_t)found->number : k;
        tarash_image_result result;
        if (place >= (size_t)task->count && link->per_call < link->count) {
            tarimg_late_note(task->job, "n", NULL, NULL,
                             "the provider sent more images than were asked for; the rest was left");
            continue;
        }
        result = tarimg_absorb_image(task, found, task->first_index + place);
        if (result != TARASH_IMAGE_OK && result != TARASH_IMAGE_ERROR_BAD_RESPONSE) return result;
        /* What is no image must not take the others with it: they are paid for. */
        if (first_problem == TARASH_IMAGE_OK) first_problem = result;
    }
    return first_problem;
}

static void tarimg_accept(tarimg_task *task) {
    const tarash_image_exchange *exchange = &task->transfer->exchange;
    tarimg_arena *arena = &task->job->attempt_arena;
    task->is_accepted = 1;
    if (exchange->job_id != task->job_id) task->job_id = tarimg_copy(arena, exchange->job_id);
    if (exchange->poll_url != task->poll_url) task->poll_url = tarimg_copy(arena, exchange->poll_url);
    if (exchange->fetch_url != task->fetch_url) task->fetch_url = tarimg_copy(arena, exchange->fetch_url);
    if (exchange->cancel_url != task->cancel_url) task->cancel_url = tarimg_copy(arena, exchange->cancel_url);
}

/* The reply asks for another exchange. */
static void tarimg_task_next(tarimg_task *task) {
    tarimg_job *job = task->job;
    const tarash_image_config *config = &job->links[job->current].config;
    const tarash_image_exchange *exchange = &task->transfer->exchange;
    int64_t wait = 0;
    tarash_image_error error;
    int is_again =
        exchange->next_phase == TARASH_IMAGE_PHASE_FETCH && task->phase == TARASH_IMAGE_PHASE_FETCH;
    if (is_again) task->polls++; /* a result that isn't there yet is as good as a poll */
    if (exchange->next_phase == TARASH_IMAGE_PHASE_POLL || is_again)
        wait = exchange->next_delay_ms >= 0 ? exchange->next_delay_ms : config->poll_interval_ms;
    task->phase = exchange->next_phase;
    task->poll_failures = 0;
    if ((task->phase == TARASH_IMAGE_PHASE_POLL || is_again) && task->polls >= config->max_poll_attempts) {
        memset(&error, 0, sizeof error);
        (void)tarimg_set_error(&error, TARASH_IMAGE_ERROR_TIMEOUT,
                               "%s: not done after %d polls (max_poll_attempts)",
                               job->links[job->current].provider, task->polls);
        tarimg_task_fail(task, &error);
        return;
    }
    tarimg_task_drop_transfer(task);
    task->state = TARIMG_TASK_WAITING;
    tarimg_timer_arm(job->client, &task->timer, tarimg_now(job->client) + wait);
}

static void tarimg_call_succeeded(tarimg_task *task) {
    tarash_image_exchange *exchange = &task->transfer->exchange;
    tarash_image_result result;
    if (exchange->has_progress)
        tarimg_note_progress(task->job, exchange->progress, exchange->percent, exchange->queue_position,
                             exchange->progress_message);
    tarimg_absorb_facts(task);
    if (exchange->has_next) {
        task->is_accepted = 1;
        tarimg_task_next(task);
        return;
    }
    if (!exchange->found && exchange->unreadable_count) {
        exchange->error.delivery = TARASH_IMAGE_DELIVERY_UNKNOWN;
        exchange->is_final = 1;
        (void)tarimg_set_error(&exchange->error, TARASH_IMAGE_ERROR_BAD_RESPONSE, TARIMG_UNREADABLE,
                               exchange->speaker);
        tarimg_task_fail(task, &exchange->error);
        return;
    }
    if (!exchange->found && exchange->document && !tarimg_is_structure(exchange->document)) {
        exchange->error.delivery = TARASH_IMAGE_DELIVERY_UNKNOWN;
        (void)tarimg_set_error(&exchange->error, TARASH_IMAGE_ERROR_BAD_RESPONSE,
                               "%s: the answer is no JSON object", exchange->link->provider);
        tarimg_task_fail(task, &exchange->error);
        return;
    }
    if (!exchange->found) {
        exchange->error.delivery = TARASH_IMAGE_DELIVERY_REJECTED;
        (void)tarimg_set_error(&exchange->error, TARASH_IMAGE_ERROR_GENERATION_FAILED,
                               "%s: the answer holds no image", exchange->link->provider);
        tarimg_task_fail(task, &exchange->error);
        return;
    }
    if (exchange->refused_count) {
        task->job->told_refusal = 1;
        tarimg_late_note(
            task->job, "n", tarimg_format(&task->job->storage->arena, "%d", task->count),
            tarimg_format(&task->job->storage->arena, "%llu", (unsigned long long)exchange->found_count),
            TARIMG_BLOCKED);
    }
    result = tarimg_absorb_images(task);
    if (result == TARASH_IMAGE_OK)
        tarimg_task_end(task, TARIMG_TASK_DONE);
    else {
        exchange->error.delivery = TARASH_IMAGE_DELIVERY_UNKNOWN;
        (void)tarimg_set_error(&exchange->error, result, "%s: %s", exchange->link->provider,
                               tarimg_keep_problem(result));
        tarimg_name_file(exchange);
        tarimg_task_fail(task, &exchange->error);
    }
}

static void tarimg_input_arrived(tarimg_task *task) {
    tarimg_job *job = task->job;
    tarimg_payload *payload = task->transfer->exchange.payloads[0];
    tarimg_input *input =
        task->first_index < job->request.image_count ? &job->inputs[task->first_index] : job->masks[0];
    tarimg_task *other;
    input->data = input->owned = payload->data;
    input->size = payload->fill;
    payload->data = NULL;
    payload->fill = payload->capacity = 0;
    tarimg_describe_input(&job->arena, input, input->data, input->size);
    tarimg_task_end(task, TARIMG_TASK_DONE);
    for (other = job->tasks; other; other = other->next) {
        if (other->kind == TARIMG_TASK_INPUT && other->state != TARIMG_TASK_DONE) return;
    }
    for (other = job->tasks; other; other = other->next) {
        if (!other->waits_for_inputs) continue;
        other->waits_for_inputs = 0;
        tarimg_timer_arm(job->client, &other->timer, tarimg_now(job->client));
    }
}

static void tarimg_download_succeeded(tarimg_task *task) {
    tarash_image_exchange *exchange = &task->transfer->exchange;
    tarimg_payload *payload = exchange->payload_count ? exchange->payloads[0] : NULL;
    tarimg_slot *slot;
    if (!payload || !payload->media.mime_type) {
        tarimg_task_refuse(task, TARASH_IMAGE_ERROR_BAD_RESPONSE, TARIMG_NO_IMAGE);
        return;
    }
    if (task->kind == TARIMG_TASK_INPUT) {
        tarimg_input_arrived(task);
        return;
    }
    slot = &task->job->slots[task->first_index];
    exchange->error.result = tarimg_keep_payload(task->job, payload, &slot->image);
    if (exchange->error.result != TARASH_IMAGE_OK) {
        (void)tarimg_set_error(&exchange->error, exchange->error.result, "%s",
                               tarimg_keep_problem(exchange->error.result));
        tarimg_name_file(exchange);
        tarimg_task_fail(task, &exchange->error);
        return;
    }
    slot->is_ready = 1;
    tarimg_task_end(task, TARIMG_TASK_DONE);
}

static int tarimg_is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Downloads follow redirects, each hop checked like the first; 1 = on the way. */
static int tarimg_task_redirect(tarimg_task *task) {
    tarimg_job *job = task->job;
    tarash_image_exchange *exchange = &task->transfer->exchange;
    const char *url;
    if (task->kind == TARIMG_TASK_CALL || !tarimg_is_redirect(exchange->status)) return 0;
    url = tarimg_redirect_url(&job->attempt_arena, task->url, tarimg_reply_header(exchange, "location"));
    if (url && tarimg_begins_nocase(task->url, "https:") && !tarimg_begins_nocase(url, "https:")) url = NULL;
    if (!url || task->redirects >= job->client->limits.max_redirects) {
        (void)tarimg_set_error(&exchange->error, TARASH_IMAGE_ERROR_BAD_RESPONSE,
                               url ? "the image's URL redirects more than limits.max_redirects times"
                                   : "the image's URL redirects to where it must not be followed");
        return 0;
    }
    task->redirects++;
    task->url = url;
    tarimg_task_drop_transfer(task);
    task->state = TARIMG_TASK_WAITING;
    tarimg_timer_arm(job->client, &task->timer, tarimg_now(job->client));
    return 1;
}

/* The task's transfer has come to its end, with exchange->error. */
static void tarimg_task_outcome(tarimg_task *task) {
    tarimg_job *job = task->job;
    tarash_image_exchange *exchange = &task->transfer->exchange;
    if (exchange->job_id) tarimg_accept(task);
    if (job->cancel_requested) {
        tarimg_job_cancel(job);
        return;
    }
    if (tarimg_task_redirect(task)) return;
    if (job->attempt_arena.failed || job->storage->arena.failed) (void)tarimg_no_memory(&exchange->error);
    if (exchange->error.result == TARASH_IMAGE_OK) {
        if (task->kind == TARIMG_TASK_CALL)
            tarimg_call_succeeded(task);
        else
            tarimg_download_succeeded(task);
    } else if (!tarimg_task_repeat(task, &exchange->error)) {
        tarash_image_error error = exchange->error;
        if (task->kind == TARIMG_TASK_CALL) tarimg_append_document(job, exchange->document);
        tarimg_task_fail(task, &error);
    }
    tarimg_attempt_check(job);
}

/* ---- attempts */

static void tarimg_drop_slots(tarimg_job *job) {
    size_t i;
    for (i = 0; i < job->slot_count; i++) tarimg_release(&job->client->allocator, job->slots[i].image.data);
    job->slot_count = 0;
}

static void tarimg_drop_tasks(tarimg_job *job) {
    tarimg_task *task;
    for (task = job->tasks; task; task = task->next) {
        tarimg_task_drop_transfer(task);
        tarimg_timer_retire(job->client, &task->timer);
    }
    job->tasks = NULL;
    tarimg_arena_free(&job->attempt_arena);
}

static void tarimg_arm_deadline(tarimg_job *job) {
    int64_t deadline = tarimg_deadline(job);
    if (deadline)
        tarimg_timer_arm(job->client, &job->timer, deadline);
    else
        tarimg_timer_disarm(job->client, &job->timer);
}

static void tarimg_attempt_init(tarimg_job *job) {
    tarimg_link *link = &job->links[job->current];
    tarimg_drop_slots(job);
    job->attempt_started = tarimg_now(job->client);
    job->attempt_wall = tarimg_wall_clock_seconds() * 1000;
    job->attempt_deadline = job->attempt_started + link->config.timeout_ms;
    job->attempt_retries = 0;
    job->bytes_received = job->bytes_told = 0;
    job->percent = job->queue_position = job->last_percent = -1;
    job->raw.size = job->metadata.size = 0;
    job->raw_count = 0;
    job->provider_request_id = NULL;
    job->http_status = job->told_refusal = job->may_be_paid = 0;
    job->created = 0;
    memset(&job->usage, 0, sizeof job->usage);
    tarimg_arm_deadline(job);
}

/* Begins the current link: its calls, side by side. */
static void tarimg_attempt_start(tarimg_job *job) {
    tarimg_link *link = &job->links[job->current];
    int done;
    tarimg_attempt_init(job);
    tarimg_log(job->client, job->secrets, TARASH_IMAGE_LOG_INFO, "%s %s: %d image%s", link->provider,
               link->model, link->count, link->count == 1 ? "" : "s");
    for (done = 0; done < link->count; done += link->per_call) {
        tarimg_task *task = tarimg_task_add(job, TARIMG_TASK_CALL);
        if (!task) {
            tarash_image_error error;
            memset(&error, 0, sizeof error);
            (void)tarimg_no_memory(&error);
            tarimg_job_end(job, &error);
            return;
        }
        task->first_index = (size_t)done;
        task->count = link->count - done < link->per_call ? link->count - done : link->per_call;
    }
    if (link->adapter->answer_fn) return; /* its own sequence reports */
    job->status = TARASH_IMAGE_STATUS_PROCESSING;
    tarimg_report(job, NULL);
}

static size_t tarimg_count_ready(const tarimg_job *job) {
    size_t i, count = 0;
    for (i = 0; i < job->slot_count; i++) count += job->slots[i].is_ready != 0;
    return count;
}

/* What a failure says about money: most where something paid for may still come, least where nothing was sent. */
static int tarimg_gravity(const tarash_image_error *error) {
    switch (error->delivery) {
    case TARASH_IMAGE_DELIVERY_ACCEPTED: return error->result == TARASH_IMAGE_ERROR_GENERATION_FAILED ? 2 : 4;
    case TARASH_IMAGE_DELIVERY_UNKNOWN: return 3;
    case TARASH_IMAGE_DELIVERY_REJECTED: return 1;
    case TARASH_IMAGE_DELIVERY_NOT_SENT: break;
    }
    return 0;
}

/* Of several failures the gravest speaks for the attempt; the first among equals. */
static const tarimg_task *tarimg_gravest_failure(const tarimg_job *job) {
    const tarimg_task *task, *gravest = NULL;
    for (task = job->tasks; task; task = task->next) {
        if (task->state != TARIMG_TASK_FAILED) continue;
        if (!gravest || tarimg_gravity(&task->error) > tarimg_gravity(&gravest->error)) gravest = task;
    }
    return gravest;
}

/* ---- tokens: what the provider has accepted, without any secret */

#define TARIMG_TOKEN_PREFIX "tarash1."

static void tarimg_token_task(tarimg_arena *arena, tarimg_value *jobs, const tarimg_task *task) {
    tarimg_value *entry = tarimg_value_new(arena, TARIMG_OBJECT);
    tarimg_append_value(jobs, entry);
    tarimg_set_text(arena, entry, "id", task->job_id);
    tarimg_set_text(arena, entry, "poll", task->poll_url);
    tarimg_set_text(arena, entry, "fetch", task->fetch_url);
    tarimg_set_text(arena, entry, "cancel", task->cancel_url);
    tarimg_set_integer(arena, entry, "index", (int64_t)task->first_index);
    tarimg_set_integer(arena, entry, "count", task->count);
}

static void tarimg_token_url(tarimg_arena *arena, tarimg_value *urls, const tarash_image *image) {
    tarimg_value *entry = tarimg_value_new(arena, TARIMG_OBJECT);
    tarimg_append_value(urls, entry);
    tarimg_set_text(arena, entry, "url", image->url);
    tarimg_set_integer(arena, entry, "index", (int64_t)image->index);
}

/* What can still be fetched, as JSON in base64 for URLs; empty if there is nothing. */
static void tarimg_make_token(const tarimg_job *job, tarimg_buffer *out) {
    const tarimg_link *link = &job->links[job->current];
    tarimg_arena arena;
    tarimg_value *root, *jobs, *urls;
    const tarimg_task *task;
    tarimg_buffer json;
    size_t length, i;
    tarimg_arena_init(&arena, &job->client->allocator, 0);
    tarimg_buffer_init(&json, &job->client->allocator, 0);
    root = tarimg_value_new(&arena, TARIMG_OBJECT);
    jobs = tarimg_value_new(&arena, TARIMG_ARRAY);
    urls = tarimg_value_new(&arena, TARIMG_ARRAY);
    tarimg_set_text(&arena, root, "provider", link->provider);
    tarimg_set_text(&arena, root, "model", link->model);
    for (task = job->tasks; task; task = task->next) {
        if (task->kind == TARIMG_TASK_CALL && task->is_accepted && task->job_id &&
            task->state != TARIMG_TASK_DONE && link->adapter->polls)
            tarimg_token_task(&arena, jobs, task);
        if (task->kind == TARIMG_TASK_DOWNLOAD && task->state != TARIMG_TASK_DONE && link->row)
            tarimg_token_url(&arena, urls, &job->slots[task->first_index].image);
    }
    if (jobs && jobs->first) tarimg_set(&arena, root, "jobs", jobs);
    if (urls && urls->first) tarimg_set(&arena, root, "urls", urls);
    if (root && ((jobs && jobs->first) || (urls && urls->first))) {
        tarimg_redact_value(job->secrets, root);
        tarimg_write_json(&json, root, tarimg_write_payload, NULL);
        tarimg_append_text(out, TARIMG_TOKEN_PREFIX);
        if (!json.failed && tarimg_base64_length(json.size, &length) && tarimg_buffer_reserve(out, length)) {
            out->size +=
                tarimg_base64_encode((const unsigned char *)json.data, json.size, out->data + out->size);
            while (out->data[out->size - 1] == '=') out->size--;
            out->data[out->size] = '\0';
            for (i = 0; i < out->size; i++) {
                if (out->data[i] == '+') out->data[i] = '-';
                if (out->data[i] == '/') out->data[i] = '_';
            }
        } else
            out->failed = 1;
    }
    if (arena.failed || json.failed) out->failed = 1;
    tarimg_buffer_free(&json);
    tarimg_arena_free(&arena);
}

/* The whole token goes into the response, and into the error if it fits. */
static void tarimg_error_token(tarimg_job *job, tarash_image_error *error) {
    tarimg_buffer token;
    tarimg_buffer_init(&token, &job->client->allocator, 0);
    tarimg_make_token(job, &token);
    if (!token.failed && token.size) {
        job->token = tarimg_copy(&job->storage->arena, token.data);
        if (token.size < sizeof error->job_token) memcpy(error->job_token, token.data, token.size + 1);
    }
    tarimg_buffer_free(&token);
}

/* ---- attempts: their end */

/* Whatever went wrong last: what was sent before may be billed. */
static tarash_image_delivery tarimg_honest_delivery(const tarimg_job *job, tarash_image_delivery delivery) {
    const tarimg_task *task;
    if (delivery != TARASH_IMAGE_DELIVERY_NOT_SENT) return delivery;
    for (task = job->tasks; task; task = task->next) {
        if (task->is_accepted) return TARASH_IMAGE_DELIVERY_ACCEPTED;
    }
    return job->may_be_paid ? TARASH_IMAGE_DELIVERY_UNKNOWN : delivery;
}

static void tarimg_record_attempt(tarimg_job *job, const tarash_image_error *error) {
    const tarimg_link *link = &job->links[job->current];
    tarimg_arena *arena = &job->storage->arena;
    tarimg_tried *tried = (tarimg_tried *)tarimg_take(arena, sizeof *tried);
    tarash_image_attempt *attempt;
    const char *request_id = error ? error->request_id : job->provider_request_id;
    if (!tried) return;
    attempt = &tried->attempt;
    attempt->provider = tarimg_copy(arena, link->provider);
    attempt->model = tarimg_copy(arena, link->model);
    attempt->request_id = tarimg_is_set(request_id) ? tarimg_copy(arena, request_id) : NULL;
    attempt->result = error ? error->result : TARASH_IMAGE_OK;
    attempt->http_status = error ? error->http_status : job->http_status;
    attempt->delivery = error ? tarimg_honest_delivery(job, error->delivery) : TARASH_IMAGE_DELIVERY_ACCEPTED;
    attempt->retries = job->attempt_retries;
    attempt->started_at = job->attempt_wall;
    attempt->elapsed_ms = tarimg_now(job->client) - job->attempt_started;
    attempt->message = tarimg_copy(arena, error ? error->message : "");
    if (job->last_tried)
        job->last_tried->next = tried;
    else
        job->tried = tried;
    job->last_tried = tried;
    job->tried_count++;
}

/* The default set (see RETRIES, FALLBACK AND MONEY): what another provider may well do better. */
static int tarimg_falls_back(const tarimg_link *link, const tarash_image_error *error) {
    if (error->result == TARASH_IMAGE_ERROR_CANCELLED || error->result == TARASH_IMAGE_ERROR_OUT_OF_MEMORY)
        return 0;
    if (link->config.on_unknown == TARASH_IMAGE_UNKNOWN_STOP) {
        if (error->delivery == TARASH_IMAGE_DELIVERY_UNKNOWN) return 0;
        if (error->delivery == TARASH_IMAGE_DELIVERY_ACCEPTED &&
            error->result != TARASH_IMAGE_ERROR_GENERATION_FAILED)
            return 0;
    }
    if (link->config.fallback_on) return (link->config.fallback_on & TARASH_IMAGE_BIT(error->result)) != 0;
    switch (error->result) {
    case TARASH_IMAGE_ERROR_GENERATION_FAILED:
    case TARASH_IMAGE_ERROR_TIMEOUT:
    case TARASH_IMAGE_ERROR_CONNECTION:
    case TARASH_IMAGE_ERROR_RATE_LIMITED:
    case TARASH_IMAGE_ERROR_BAD_RESPONSE: return 1;
    case TARASH_IMAGE_ERROR_HTTP:
    case TARASH_IMAGE_ERROR_QUOTA_EXCEEDED:
        return error->http_status == 429 || error->http_status == 500 ||
               (error->http_status >= 502 && error->http_status <= 504);
    case TARASH_IMAGE_OK:
    case TARASH_IMAGE_ERROR_VALIDATION:
    case TARASH_IMAGE_ERROR_UNSUPPORTED:
    case TARASH_IMAGE_ERROR_CONTENT_MODERATION:
    case TARASH_IMAGE_ERROR_AUTHENTICATION:
    case TARASH_IMAGE_ERROR_TOO_LARGE:
    case TARASH_IMAGE_ERROR_CANCELLED:
    case TARASH_IMAGE_ERROR_IO:
    case TARASH_IMAGE_ERROR_OUT_OF_MEMORY:
    case TARASH_IMAGE_RESULT_COUNT: break;
    }
    return 0;
}

/* Some images came, some did not: the ones that did are kept, and the loss is said. */
static void tarimg_note_losses(tarimg_job *job, size_t ready) {
    const tarimg_task *failure = tarimg_gravest_failure(job);
    const tarimg_link *link = &job->links[job->current];
    tarimg_arena *arena = &job->storage->arena;
    if (!failure && (ready >= (size_t)link->count || job->told_refusal)) return;
    tarimg_late_note(job, "n", tarimg_format(arena, "%d", link->count),
                     tarimg_format(arena, "%llu", (unsigned long long)ready),
                     failure ? tarimg_format(arena, "some images did not come (%s): %s",
                                             tarash_image_result_name(failure->error.result),
                                             failure->error.message)
                             : "the provider sent fewer images than were asked for");
}

static void tarimg_attempt_failed(tarimg_job *job, const tarash_image_error *given) {
    tarimg_link *link = &job->links[job->current];
    tarash_image_error error = *given;
    int is_over = job->total_deadline && tarimg_now(job->client) >= job->total_deadline;
    if (error.delivery == TARASH_IMAGE_DELIVERY_ACCEPTED) tarimg_error_token(job, &error);
    tarimg_record_attempt(job, &error);
    tarimg_log(job->client, job->secrets, TARASH_IMAGE_LOG_WARNING, "%s %s failed: %s: %s", link->provider,
               link->model, tarash_image_result_name(error.result), error.message);
    if (job->current + 1 >= job->link_count || is_over || !tarimg_falls_back(link, &error)) {
        tarimg_job_end(job, &error);
        return;
    }
    tarimg_drop_tasks(job);
    job->current++;
    tarimg_attempt_start(job);
}

/* Ends the attempt once all its tasks have. */
static void tarimg_attempt_check(tarimg_job *job) {
    const tarimg_task *task;
    tarash_image_error error;
    size_t ready;
    if (job->has_ended) return;
    if (job->cancel_requested) {
        tarimg_job_cancel(job);
        return;
    }
    for (task = job->tasks; task; task = task->next) {
        if (task->state == TARIMG_TASK_FAILED && task->error.result == TARASH_IMAGE_ERROR_OUT_OF_MEMORY)
            break;
        if (task->state != TARIMG_TASK_DONE && task->state != TARIMG_TASK_FAILED) return;
    }
    ready = tarimg_count_ready(job);
    if (ready && !task) {
        tarimg_note_losses(job, ready);
        memset(&error, 0, sizeof error);
        if (tarimg_gravest_failure(job)) tarimg_error_token(job, &error);
        tarimg_record_attempt(job, NULL);
        tarimg_job_end(job, NULL);
        return;
    }
    if (!task) task = tarimg_gravest_failure(job);
    if (task)
        error = task->error;
    else {
        memset(&error, 0, sizeof error);
        (void)tarimg_set_error(&error, TARASH_IMAGE_ERROR_GENERATION_FAILED, "no image came");
    }
    tarimg_attempt_failed(job, &error);
}

/* The attempt's time, or the whole chain's, is over. */
static void tarimg_attempt_timeout(tarimg_job *job) {
    tarimg_task *task;
    int is_total = job->total_deadline && tarimg_now(job->client) >= job->total_deadline;
    const tarimg_link *link = &job->links[job->current];
    for (task = job->tasks; task; task = task->next) {
        tarash_image_error error;
        if (task->state == TARIMG_TASK_DONE || task->state == TARIMG_TASK_FAILED) continue;
        memset(&error, 0, sizeof error);
        if (task->transfer && task->transfer->easy && tarimg_has_sent(task->transfer))
            error.delivery = TARASH_IMAGE_DELIVERY_UNKNOWN;
        (void)tarimg_set_error(&error, TARASH_IMAGE_ERROR_TIMEOUT, "%s: not done within %s (%d ms)",
                               link->provider, is_total ? "total_timeout_ms" : "timeout_ms",
                               is_total ? job->links[0].config.total_timeout_ms : link->config.timeout_ms);
        tarimg_task_fail(task, &error);
    }
    tarimg_attempt_check(job);
}

/* ---- jobs */

#define TARIMG_SLOT_BITS 16u /* of a job's id; the rest counts how often the place was used */
#define TARIMG_MAX_JOBS  ((1u << TARIMG_SLOT_BITS) - 2u)

static tarimg_job *tarimg_find_job(const tarash_image_client *client, tarash_image_job handle) {
    size_t slot = handle.id & ((1u << TARIMG_SLOT_BITS) - 1u);
    tarimg_job *job;
    if (!client || !slot || slot > client->place_count) return NULL;
    job = client->places[slot - 1].job;
    return job && job->id == handle.id ? job : NULL;
}

static void tarimg_job_free(tarimg_job *job);

/* A cancelled job that nobody took gives its place up when one is needed. */
static void tarimg_reap_cancelled(tarash_image_client *client) {
    size_t i;
    for (i = 0; i < client->place_count; i++) {
        tarimg_job *job = client->places[i].job;
        if (!job || !job->has_ended || !job->was_cancelled || job->is_awaited || job->has_final_event)
            continue;
        tarimg_job_free(job);
        return;
    }
}

static int tarimg_place_job(tarash_image_client *client, tarimg_job *job) {
    size_t slot;
    tarimg_place *place;
    if (!client->first_free && client->place_count == client->place_capacity) tarimg_reap_cancelled(client);
    if (client->first_free) {
        slot = client->first_free - 1;
        client->first_free = client->places[slot].next_free;
    } else {
        void *grown = client->place_count < TARIMG_MAX_JOBS
                          ? tarimg_grow(&client->allocator, client->places, client->place_count,
                                        &client->place_capacity, sizeof *client->places)
                          : NULL;
        if (!grown) return 0;
        client->places = (tarimg_place *)grown;
        slot = client->place_count++;
        memset(&client->places[slot], 0, sizeof client->places[slot]);
    }
    place = &client->places[slot];
    place->generation++;
    place->job = job;
    job->id = (uint32_t)place->generation << TARIMG_SLOT_BITS | (uint32_t)(slot + 1);
    return 1;
}

static void tarimg_free_inputs(tarimg_job *job) {
    size_t i;
    for (i = 0; job->inputs && i < job->request.image_count; i++)
        tarimg_release(&job->client->allocator, job->inputs[i].owned);
    for (i = 0; i < sizeof job->masks / sizeof job->masks[0]; i++) {
        if (job->masks[i]) tarimg_release(&job->client->allocator, job->masks[i]->owned);
        job->masks[i] = NULL;
    }
    job->inputs = NULL;
}

static void tarimg_job_free(tarimg_job *job) {
    tarash_image_client *client = job->client;
    size_t slot = (job->id & ((1u << TARIMG_SLOT_BITS) - 1u));
    tarimg_drop_tasks(job);
    tarimg_drop_slots(job);
    tarimg_release(&client->allocator, job->slots);
    tarimg_free_inputs(job);
    tarimg_buffer_free(&job->raw);
    tarimg_buffer_free(&job->metadata);
    tarash_image_response_free(&job->response);
    tarimg_storage_free(job->storage);
    if (job->timer.owner) tarimg_timer_retire(client, &job->timer);
    if (job->is_running) client->running--;
    tarimg_arena_free(&job->arena);
    if (slot) {
        client->places[slot - 1].job = NULL;
        client->places[slot - 1].next_free = client->first_free;
        client->first_free = slot;
    }
    tarimg_release(&client->allocator, job);
}

/* A job that has its place, and nothing else yet; NULL = memory ran out. */
static tarimg_job *tarimg_job_new(tarash_image_client *client) {
    tarimg_job *job = (tarimg_job *)tarimg_alloc(&client->allocator, sizeof *job);
    if (!job) return NULL;
    job->client = client;
    job->status = TARASH_IMAGE_STATUS_QUEUED;
    job->percent = job->queue_position = job->last_percent = -1;
    tarimg_arena_init(&job->arena, &client->allocator, 0);
    tarimg_arena_init(&job->attempt_arena, &client->allocator, 0);
    tarimg_buffer_init(&job->raw, &client->allocator, 0);
    tarimg_buffer_init(&job->metadata, &client->allocator, 0);
    job->storage = tarimg_storage_new(&client->allocator);
    job->random = tarimg_random(client);
    job->started = tarimg_now(client);
    client->submitted++;
    if (job->storage && tarimg_timer_reserve(client)) {
        job->timer.owner = job;
        job->timer.is_job = 1;
        if (tarimg_place_job(client, job)) return job;
    }
    tarimg_job_free(job);
    return NULL;
}

/* ---- jobs: the response */

static const char *tarimg_keep_text(tarimg_arena *arena, const tarimg_buffer *text, int as_array) {
    if (!text->size || text->failed) return NULL;
    return as_array ? tarimg_format(arena, "[%s]", text->data)
                    : tarimg_copy_bytes(arena, text->data, text->size);
}

static void tarimg_fill_warnings(tarimg_job *job) {
    tarimg_arena *arena = &job->storage->arena;
    tarash_image_response *response = &job->response;
    const tarimg_note *note;
    tarash_image_warning *warnings;
    size_t count = 0, i, tried = job->tried_count ? job->tried_count : job->link_count;
    for (i = 0; i < tried; i++) {
        for (note = job->links[i].notes; note; note = note->next) count++;
    }
    for (note = job->late_notes; note; note = note->next) count++;
    if (!count) return;
    warnings = (tarash_image_warning *)tarimg_take(arena, count * sizeof *warnings);
    if (!warnings) return;
    response->warnings = warnings;
    for (i = 0; i < tried; i++) {
        for (note = job->links[i].notes; note; note = note->next, warnings++) {
            warnings->field = tarimg_copy(arena, note->warning.field);
            warnings->asked = tarimg_copy(arena, note->warning.asked);
            warnings->sent = tarimg_copy(arena, note->warning.sent);
            warnings->why = tarimg_copy(arena, note->warning.why);
            warnings->provider = tarimg_copy(arena, note->warning.provider);
            tarimg_redact_text(job->secrets, warnings->asked);
        }
    }
    for (note = job->late_notes; note; note = note->next) *warnings++ = note->warning;
    response->warning_count = count;
}

static void tarimg_fill_attempts(tarimg_job *job) {
    tarash_image_response *response = &job->response;
    const tarimg_tried *tried;
    tarash_image_attempt *attempts;
    if (!job->tried_count) return;
    attempts = (tarash_image_attempt *)tarimg_take(&job->storage->arena, job->tried_count * sizeof *attempts);
    if (!attempts) return;
    response->attempts = attempts;
    response->attempt_count = job->tried_count;
    for (tried = job->tried; tried; tried = tried->next) *attempts++ = tried->attempt;
}

/* The text of an image's bytes, for those who asked for it. */
static int tarimg_fill_base64(tarimg_arena *arena, tarash_image *image) {
    size_t length;
    char *text;
    if (!image->data || !tarimg_base64_length(image->size, &length)) return 1;
    text = (char *)tarimg_take(arena, length + 1);
    if (!text) return 0;
    (void)tarimg_base64_encode(image->data, image->size, text);
    image->base64 = text;
    return 1;
}

static void tarimg_fill_images(tarimg_job *job) {
    tarash_image_response *response = &job->response;
    tarash_image *images;
    size_t i;
    if (!job->slot_count) return;
    images = (tarash_image *)tarimg_take(&job->storage->arena, job->slot_count * sizeof *images);
    if (!images) return;
    response->images = images;
    for (i = 0; i < job->slot_count; i++) {
        tarimg_slot *slot = &job->slots[i];
        /* Of a failed download the URL, at least, is worth having. */
        if (!slot->is_ready && !(slot->is_used && slot->image.url)) continue;
        *images = slot->image;
        slot->image.data = NULL;
        if (job->request.output == TARASH_IMAGE_OUTPUT_BASE64)
            (void)tarimg_fill_base64(&job->storage->arena, images);
        images++;
        response->image_count++;
    }
}

static void tarimg_fill_response(tarimg_job *job, const tarash_image_error *error) {
    tarimg_arena *arena = &job->storage->arena;
    tarash_image_response *response = &job->response;
    const tarimg_link *link = job->link_count ? &job->links[job->current] : NULL;
    memset(response, 0, sizeof *response);
    response->request_id = tarimg_format(arena, "tarash-%016llx", (unsigned long long)job->random);
    response->status = error ? TARASH_IMAGE_STATUS_FAILED : TARASH_IMAGE_STATUS_COMPLETED;
    response->created = job->created ? job->created : tarimg_wall_clock_seconds();
    response->elapsed_ms = tarimg_now(job->client) - job->started;
    response->configs_in_chain = (int)job->link_count;
    response->usage = job->usage;
    response->provider_request_id = job->provider_request_id;
    if (link) {
        response->provider = tarimg_copy(arena, link->provider);
        response->model = tarimg_copy(arena, link->model);
        response->is_mock = link->adapter && link->adapter->answer_fn != NULL;
    }
    if (!error) {
        response->successful_attempt = (int)job->current + 1;
        response->fallback_triggered = job->current > 0;
    }
    tarimg_fill_images(job);
    tarimg_fill_warnings(job);
    tarimg_fill_attempts(job);
    response->raw_response = tarimg_keep_text(arena, &job->raw, job->raw_count > 1);
    response->provider_metadata = tarimg_keep_text(arena, &job->metadata, 0);
    if (!response->provider_metadata) response->provider_metadata = "{}";
    response->job_token = job->token;
    if (error) response->error = *error;
    if (error && error->request_id[0] && !response->provider_request_id)
        response->provider_request_id = tarimg_copy(arena, error->request_id);
    if (arena->failed || job->raw.failed || job->metadata.failed) {
        (void)tarimg_no_memory(&response->error);
        response->status = TARASH_IMAGE_STATUS_FAILED;
        response->successful_attempt = response->fallback_triggered = 0;
    }
    if (response->error.result != TARASH_IMAGE_OK)
        response->error.delivery = tarimg_honest_delivery(job, response->error.delivery);
    response->storage = job->storage;
    job->storage = NULL;
}

/* The job is over: NULL error is success. What it held is released, the response waits to be taken. */
static void tarimg_job_end(tarimg_job *job, const tarash_image_error *error) {
    tarash_image_client *client = job->client;
    tarash_image_error kept;
    tarimg_event *event = NULL;
    if (job->has_ended) return;
    if (error) kept = *error;
    job->has_ended = 1;
    if (tarimg_is_watched(job)) event = (tarimg_event *)tarimg_alloc(&client->allocator, sizeof *event);
    tarimg_fill_response(job, error ? &kept : NULL);
    tarimg_redact_text(job->secrets, job->response.error.message);
    tarimg_drop_tasks(job);
    tarimg_drop_slots(job);
    tarimg_free_inputs(job);
    tarimg_timer_disarm(client, &job->timer);
    if (job->is_running) client->running--;
    job->is_running = 0;
    job->status = job->response.status;
    job->queue_position = -1;
    if (job->status == TARASH_IMAGE_STATUS_COMPLETED)
        job->percent = job->last_percent >= 0 ? job->last_percent : 100;
    if (job->response.error.result != TARASH_IMAGE_OK)
        tarimg_log(client, job->secrets, TARASH_IMAGE_LOG_ERROR, "failed: %s: %s",
                   tarash_image_result_name(job->response.error.result), job->response.error.message);
    else
        tarimg_log(client, job->secrets, TARASH_IMAGE_LOG_INFO, "done: %llu image%s in %lld ms",
                   (unsigned long long)job->response.image_count, job->response.image_count == 1 ? "" : "s",
                   (long long)job->response.elapsed_ms);
    if (!event) return;
    event->is_final = 1;
    job->has_final_event = 1;
    tarimg_queue_event(job, event);
}

/* ---- jobs: cancelling */

static int tarimg_is_under_way(const tarimg_task *task) {
    return task->kind == TARIMG_TASK_CALL && task->transfer && task->transfer->easy &&
           tarimg_has_sent(task->transfer);
}

/* Tells the provider to stop. The request outlives the job, so it takes along what it needs of the link. */
static void tarimg_cancel_remotely(tarimg_job *job, tarimg_task *task) {
    tarash_image_client *client = job->client;
    tarimg_link *link = &job->links[job->current];
    tarimg_transfer *transfer;
    tarash_image_exchange *exchange;
    const char *url;
    int is_named;
    if (task->state == TARIMG_TASK_DONE || !link->adapter->cancels) return;
    if (!task->is_accepted && (link->adapter->cancels < 2 || !tarimg_is_under_way(task))) return;
    transfer = tarimg_transfer_new(job, link);
    if (!transfer) return;
    exchange = &transfer->exchange;
    exchange->phase = TARASH_IMAGE_PHASE_CANCEL;
    exchange->job_id = tarimg_copy(&exchange->arena, task->job_id);
    transfer->own_link = (tarimg_link *)tarimg_take(&transfer->own_arena, sizeof *link);
    if (transfer->own_link && tarimg_exchange_build(exchange) == TARASH_IMAGE_OK) {
        url = task->cancel_url ? task->cancel_url
                               : tarimg_join_url(&exchange->arena, link->base_url, exchange->path);
        is_named = task->cancel_url || tarimg_is_whole_url(exchange->path);
        if (url && (!is_named || tarimg_admit_url(job, transfer, url)) &&
            tarimg_transfer_start(transfer, url)) {
            /* From here on nothing of the job may be referred to. */
            (void)curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, (long)TARIMG_CANCEL_MS);
            transfer->own_link->provider = tarimg_copy(&transfer->own_arena, link->provider);
            transfer->own_link->adapter = link->adapter;
            exchange->link = transfer->own_link;
            exchange->task = NULL;
            transfer->next_detached = client->detached;
            client->detached = transfer;
            return;
        }
    }
    tarimg_transfer_free(transfer);
}

static void tarimg_job_cancel(tarimg_job *job) {
    tarash_image_error error;
    tarimg_task *task;
    if (job->has_ended) return;
    memset(&error, 0, sizeof error);
    (void)tarimg_set_error(&error, TARASH_IMAGE_ERROR_CANCELLED, "the job was cancelled");
    job->was_cancelled = 1;
    for (task = job->tasks; task; task = task->next) {
        if (task->is_accepted)
            error.delivery = TARASH_IMAGE_DELIVERY_ACCEPTED;
        else if (error.delivery == TARASH_IMAGE_DELIVERY_NOT_SENT && task->kind == TARIMG_TASK_CALL &&
                 task->transfer && task->transfer->easy && tarimg_has_sent(task->transfer))
            error.delivery = TARASH_IMAGE_DELIVERY_UNKNOWN;
        tarimg_cancel_remotely(job, task);
    }
    if (job->link_count) {
        tarimg_copy_fixed(error.provider, sizeof error.provider, job->links[job->current].provider);
        tarimg_copy_fixed(error.model, sizeof error.model, job->links[job->current].model);
        if (job->tasks) tarimg_record_attempt(job, &error);
    }
    tarimg_job_end(job, &error);
}

/* ---- the pump */

static void tarimg_job_timer(tarimg_job *job) {
    if (job->has_ended) return;
    if (job->cancel_requested)
        tarimg_job_cancel(job);
    else if (!job->tasks)
        tarimg_attempt_start(job);
    else
        tarimg_attempt_timeout(job);
}

static void tarimg_fire_timers(tarash_image_client *client) {
    int64_t now = tarimg_now(client);
    while (client->timer_count && client->timers[0]->due <= now) {
        tarimg_timer *timer = client->timers[0];
        tarimg_timer_disarm(client, timer);
        if (timer->is_job)
            tarimg_job_timer((tarimg_job *)timer->owner);
        else {
            tarimg_task *task = (tarimg_task *)timer->owner;
            tarimg_job *job = task->job;
            tarimg_task_run(task);
            tarimg_attempt_check(job);
        }
    }
}

static void tarimg_detached_done(tarash_image_client *client, tarimg_transfer *transfer) {
    tarimg_transfer **link = &client->detached;
    while (*link && *link != transfer) link = &(*link)->next_detached;
    if (*link) *link = transfer->next_detached;
    tarimg_transfer_free(transfer);
}

static int tarimg_collect_finished(tarash_image_client *client) {
    CURLMsg *message;
    int left, collected = 0;
    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        tarimg_transfer *transfer = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE) continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        collected = 1;
        if (!transfer->exchange.task) {
            tarimg_detached_done(client, transfer);
            continue;
        }
        tarimg_transfer_finish(transfer, code);
        tarimg_task_outcome(transfer->exchange.task);
    }
    return collected;
}

/* Reports bytes at most once per pump and job. */
static void tarimg_report_bytes(tarash_image_client *client) {
    size_t i;
    if (!client->has_new_bytes) return;
    client->has_new_bytes = 0;
    for (i = 0; i < client->place_count; i++) {
        tarimg_job *job = client->places[i].job;
        if (!job || job->has_ended || job->bytes_received == job->bytes_told) continue;
        job->bytes_told = job->bytes_received;
        tarimg_report(job, NULL);
    }
}

static void tarimg_dispatch_events(tarash_image_client *client) {
    while (client->events && !client->destroy_requested) {
        tarimg_event *event = client->events;
        tarash_image_job handle;
        tarimg_job *job;
        client->events = event->next;
        if (!client->events) client->last_event = NULL;
        handle.id = event->job_id;
        job = tarimg_find_job(client, handle);
        if (job && event->is_final) {
            job->has_final_event = 0;
            event->update.error = job->response.error.result == TARASH_IMAGE_OK ? NULL : &job->response.error;
            event->update.response = event->update.error ? NULL : &job->response;
        }
        if (job && job->request.on_progress && !(job->was_cancelled && !event->is_final))
            job->request.on_progress(&event->update, job->request.user_data);
        tarimg_event_free(&client->allocator, event);
    }
}

/* Moves everything that can move; returns whether anything came of it (that a request went out is not worth
   another round before waiting). */
static int tarimg_pump(tarash_image_client *client) {
    int moved = 0, rounds = 0, active = 0, running = client->running, collected;
    client->is_busy = 1;
    do {
        tarimg_fire_timers(client);
        (void)curl_multi_perform(client->multi, &active);
        collected = tarimg_collect_finished(client);
        moved |= collected;
    } while (collected && ++rounds < 16);
    tarimg_report_bytes(client);
    client->is_busy = 0;
    moved |= client->events != NULL || client->running != running;
    tarimg_dispatch_events(client);
    return moved;
}

/* How long a poll may sleep. */
static int tarimg_sleep_ms(tarash_image_client *client, int timeout_ms) {
    int64_t wait = timeout_ms;
    if (client->timer_count) {
        int64_t until = client->timers[0]->due - tarimg_now(client);
        if (until < 0) until = 0;
        if (until < wait) wait = until;
    }
    if (client->has_own_clock && wait > 1) wait = 1;
    return (int)wait;
}

static void tarimg_client_release(tarash_image_client *client);

static void tarimg_enter(tarash_image_client *client) {
    client->depth++;
}

/* The outermost call carries out a destroy that a callback asked for; 1 = the client is gone. */
static int tarimg_leave(tarash_image_client *client) {
    if (--client->depth || !client->destroy_requested) return 0;
    tarimg_client_release(client);
    return 1;
}

/* Work on the client outside the pump, during which a logger or sink must not take anything away. */
static int tarimg_begin_work(tarash_image_client *client) {
    int was_busy = client->is_busy;
    tarimg_enter(client);
    client->is_busy = 1;
    return was_busy;
}

static void tarimg_end_work(tarash_image_client *client, int was_busy) {
    client->is_busy = was_busy;
    (void)tarimg_leave(client);
}

/* >>client
   Making and releasing clients, and what is registered with them. */

static void tarimg_default_limits(tarash_image_limits *limits) {
    if (!limits->max_reply_bytes) limits->max_reply_bytes = (size_t)256 << 20;
    if (!limits->max_document_bytes) limits->max_document_bytes = (size_t)8 << 20;
    if (!limits->max_image_bytes) limits->max_image_bytes = (size_t)128 << 20;
    if (!limits->max_header_bytes) limits->max_header_bytes = (size_t)64 << 10;
    if (limits->max_images <= 0) limits->max_images = 64;
    if (limits->max_json_depth <= 0) limits->max_json_depth = 64;
    /* Some readers of documents call themselves for each level, and a thread's stack may be 64 KB. */
    if (limits->max_json_depth > 512) limits->max_json_depth = 512;
    if (limits->max_redirects <= 0) limits->max_redirects = 5;
}

static int tarimg_client_init(tarash_image_client *client, const tarash_image_client_desc *desc) {
    tarimg_arena *arena = &client->arena;
    if ((desc->user_agent && tarimg_has_control(desc->user_agent)) ||
        (desc->proxy && tarimg_has_control(desc->proxy)))
        return 0;
    client->logger.log_fn = desc->logger.log_fn;
    client->logger.user_data = desc->logger.user_data;
    client->logger.level = desc->logger.level;
    client->clock = desc->clock;
    client->has_own_clock = desc->clock.now_ms_fn != NULL;
    if (!client->has_own_clock) client->clock.now_ms_fn = tarimg_system_clock_ms;
    client->limits = desc->limits;
    tarimg_default_limits(&client->limits);
    client->curl_hook_fn = desc->curl_hook_fn;
    client->curl_hook_user_data = desc->curl_hook_user_data;
    tarimg_arena_init(arena, &client->allocator, 0);
    client->user_agent =
        tarimg_copy(arena, desc->user_agent ? desc->user_agent : "tarash_image/" TARASH_IMAGE_VERSION);
    client->proxy = tarimg_copy(arena, desc->proxy);
    client->ca_file = tarimg_copy(arena, desc->ca_file);
    client->usual_reply = TARIMG_LARGE_REPLY;
    client->random = desc->random_seed;
    if (!client->random)
        client->random = tarimg_mix((uint64_t)tarimg_system_clock_ms(NULL)) ^
                         tarimg_mix((uint64_t)(uintptr_t)client) ^ (uint64_t)tarimg_wall_clock_seconds();
    if (arena->failed) return 0;
    if (!desc->skip_curl_global_init && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return 0;
    client->multi = curl_multi_init();
    return client->multi != NULL;
}

/* Remote cancels that are under way get a moment to reach their providers. */
static void tarimg_finish_detached(tarash_image_client *client) {
    int64_t start = tarimg_system_clock_ms(NULL);
    int active = 0;
    while (client->detached && tarimg_system_clock_ms(NULL) - start < TARIMG_DESTROY_MS) {
        (void)curl_multi_perform(client->multi, &active);
        if (!tarimg_collect_finished(client)) (void)curl_multi_poll(client->multi, NULL, 0, 50, NULL);
    }
    while (client->detached) tarimg_detached_done(client, client->detached);
}

static void tarimg_client_release(tarash_image_client *client) {
    tarash_image_allocator allocator = client->allocator;
    size_t i;
    client->is_busy = 1;
    for (i = 0; i < client->place_count; i++) {
        if (!client->places[i].job) continue;
        tarimg_job_cancel(client->places[i].job);
        tarimg_job_free(client->places[i].job);
    }
    if (client->multi) tarimg_finish_detached(client);
    while (client->events) {
        tarimg_event *event = client->events;
        client->events = event->next;
        tarimg_event_free(&allocator, event);
    }
    while (client->idle_count) curl_easy_cleanup(client->idle[--client->idle_count]);
    if (client->multi) (void)curl_multi_cleanup(client->multi);
    tarimg_release(&allocator, client->idle);
    tarimg_release(&allocator, client->places);
    tarimg_release(&allocator, client->timers);
    tarimg_arena_free(&client->arena);
    tarimg_release(&allocator, client);
}

static int tarimg_all_zero(const void *memory, size_t size) {
    const unsigned char *byte = (const unsigned char *)memory;
    while (size--) {
        if (*byte++) return 0;
    }
    return 1;
}

/* The row that a user's provider is looked up by. */
static tarash_image_provider_info tarimg_row_of_provider(const tarash_image_provider *provider,
                                                         const tarash_image_provider_info *protocol) {
    tarash_image_provider_info row;
    memset(&row, 0, sizeof row);
    if (protocol) row = *protocol;
    row.name = provider->name;
    row.aliases = NULL;
    row.base_url = provider->base_url;
    row.base_url_variable = NULL;
    row.key_variables = provider->key_variables;
    row.key_optional = provider->key_optional;
    row.auth_header = tarimg_or(provider->auth_header, tarimg_or(row.auth_header, "Authorization"));
    row.auth_prefix = tarimg_or(provider->auth_prefix, tarimg_or(row.auth_prefix, "Bearer "));
    row.key_hosts = provider->key_hosts;
    row.default_model = provider->default_model;
    row.config_keys = tarimg_or(provider->config_keys, row.config_keys);
    row.option_variables = NULL;
    row.compiled_in = 1;
    if (!tarimg_all_zero(&provider->capabilities, sizeof provider->capabilities))
        row.capabilities = provider->capabilities;
    else if (!protocol)
        row.capabilities.fields = TARIMG_FIELDS_ALL;
    if (!protocol)
        row.adapter = provider->cancels ? &tarimg_custom_cancelling_adapter
                      : provider->polls ? &tarimg_custom_polling_adapter
                                        : &tarimg_custom_adapter;
    return row;
}

static void tarimg_copy_provider(tarimg_arena *arena, tarash_image_provider *copy,
                                 const tarash_image_provider *provider) {
    tarash_image_capabilities *caps = &copy->capabilities;
    *copy = *provider;
    copy->name = tarimg_copy(arena, provider->name);
    copy->protocol = tarimg_copy(arena, provider->protocol);
    copy->base_url = tarimg_copy(arena, provider->base_url);
    copy->default_model = tarimg_copy(arena, provider->default_model);
    copy->key_variables = tarimg_copy(arena, provider->key_variables);
    copy->auth_header = tarimg_copy(arena, provider->auth_header);
    copy->auth_prefix = tarimg_copy(arena, provider->auth_prefix);
    copy->config_keys = tarimg_copy(arena, provider->config_keys);
    copy->key_hosts = tarimg_copy(arena, provider->key_hosts);
    copy->image_paths = tarimg_copy(arena, provider->image_paths);
    caps->sizes = tarimg_copy(arena, caps->sizes);
    caps->aspect_ratios = tarimg_copy(arena, caps->aspect_ratios);
    caps->qualities = tarimg_copy(arena, caps->qualities);
    caps->styles = tarimg_copy(arena, caps->styles);
    caps->backgrounds = tarimg_copy(arena, caps->backgrounds);
    caps->output_formats = tarimg_copy(arena, caps->output_formats);
    caps->input_formats = tarimg_copy(arena, caps->input_formats);
}

/* >>public
   The functions of the API: thin, and last. */

TARIMG_PUBLIC const char *tarash_image_version(void) {
    return TARASH_IMAGE_VERSION;
}

TARIMG_PUBLIC const char *tarash_image_result_name(tarash_image_result result) {
    static const char *const names[] = {
#define TARASH_IMAGE_X(enumerator, value, name, description) name,
        TARASH_IMAGE_RESULTS(TARASH_IMAGE_X)
#undef TARASH_IMAGE_X
    };
    return (unsigned)result < TARASH_IMAGE_RESULT_COUNT ? names[result] : "UNKNOWN";
}

TARIMG_PUBLIC const char *tarash_image_result_string(tarash_image_result result) {
    static const char *const texts[] = {
#define TARASH_IMAGE_X(enumerator, value, name, description) description,
        TARASH_IMAGE_RESULTS(TARASH_IMAGE_X)
#undef TARASH_IMAGE_X
    };
    return (unsigned)result < TARASH_IMAGE_RESULT_COUNT ? texts[result] : "unknown result";
}

TARIMG_PUBLIC const char *tarash_image_status_name(tarash_image_status status) {
    static const char *const names[] = {"none", "queued", "processing", "completed", "failed"};
    return (unsigned)status < sizeof names / sizeof names[0] ? names[status] : "unknown";
}

TARIMG_PUBLIC const char *tarash_image_delivery_name(tarash_image_delivery delivery) {
    static const char *const names[] = {"NOT_SENT", "REJECTED", "UNKNOWN", "ACCEPTED"};
    return (unsigned)delivery < sizeof names / sizeof names[0] ? names[delivery] : "INVALID";
}

TARIMG_PUBLIC const char *tarash_image_extension(const char *mime_type) {
    return tarimg_mime_extension(mime_type);
}

TARIMG_PUBLIC const tarash_image_provider_info *tarash_image_providers(size_t *count) {
    if (count) *count = TARIMG_ROW_COUNT;
    return tarimg_rows;
}

TARIMG_PUBLIC const tarash_image_model_info *tarash_image_models(size_t *count) {
    if (count) *count = TARIMG_MODEL_COUNT;
    return tarimg_models;
}

TARIMG_PUBLIC const tarash_image_operation_info *tarash_image_operations(size_t *count) {
    if (count) *count = TARIMG_OPERATION_COUNT;
    return tarimg_operations;
}

TARIMG_PUBLIC tarash_image_client *tarash_image_client_create(const tarash_image_client_desc *desc) {
    tarash_image_client_desc defaults;
    tarash_image_allocator allocator;
    tarash_image_client *client;
    int given;
    memset(&defaults, 0, sizeof defaults);
    if (!desc) desc = &defaults;
    allocator = desc->allocator;
    given = (allocator.alloc_fn != NULL) + (allocator.realloc_fn != NULL) + (allocator.free_fn != NULL);
    if (given != 0 && given != 3) return NULL;
    if (given == 0) allocator = tarimg_default_allocator();
    client = (tarash_image_client *)tarimg_alloc(&allocator, sizeof *client);
    if (!client) return NULL;
    client->allocator = allocator;
    if (tarimg_client_init(client, desc)) return client;
    tarimg_client_release(client);
    return NULL;
}

TARIMG_PUBLIC void tarash_image_client_destroy(tarash_image_client *client) {
    if (!client) return;
    if (client->depth || client->is_busy)
        client->destroy_requested = 1;
    else
        tarimg_client_release(client);
}

static tarash_image_result tarimg_refuse_provider(tarash_image_client *client, tarash_image_result result,
                                                  const char *why) {
    tarimg_log(client, NULL, TARASH_IMAGE_LOG_ERROR, "register_provider: %s", why);
    return result;
}

static int tarimg_are_sane(const tarash_image_capabilities *caps) {
    return caps->max_n >= 0 && caps->max_input_images >= 0 && caps->size_multiple >= 0 &&
           caps->size_max_edge >= 0 && caps->size_max_ratio >= 0 && caps->size_min_pixels >= 0 &&
           caps->size_max_pixels >= 0 && caps->size_min_edge >= 0 && (unsigned)caps->mask <= 3u;
}

TARIMG_PUBLIC tarash_image_result tarash_image_register_provider(tarash_image_client *client,
                                                                 const tarash_image_provider *provider) {
    const tarash_image_provider_info *protocol = NULL;
    tarimg_registered *registered;
    tarimg_url url;
    if (!client || !provider) return TARASH_IMAGE_ERROR_VALIDATION;
    if (!tarimg_is_set(provider->name) || strpbrk(provider->name, "/, ") ||
        tarimg_has_control(provider->name))
        return tarimg_refuse_provider(client, TARASH_IMAGE_ERROR_VALIDATION,
                                      "name: is missing, or has a slash, comma or space in it");
    if ((provider->auth_header && !tarimg_is_header_name(provider->auth_header)) ||
        (provider->auth_prefix && tarimg_has_control(provider->auth_prefix)))
        return tarimg_refuse_provider(client, TARASH_IMAGE_ERROR_VALIDATION,
                                      "auth_header, auth_prefix: have a character that headers don't");
    if (!tarimg_are_sane(&provider->capabilities))
        return tarimg_refuse_provider(
            client, TARASH_IMAGE_ERROR_VALIDATION,
            "capabilities: has a negative number, or a mask polarity that doesn't exist");
    if (provider->base_url && !tarimg_split_url(provider->base_url, &url))
        return tarimg_refuse_provider(client, TARASH_IMAGE_ERROR_VALIDATION,
                                      "base_url: is not a valid http(s) URL");
    if (provider->protocol) {
        protocol = tarimg_find_row(provider->protocol);
        if (!protocol)
            return tarimg_refuse_provider(client, TARASH_IMAGE_ERROR_VALIDATION,
                                          "protocol: no built-in provider has that name");
        if (!protocol->adapter)
            return tarimg_refuse_provider(client, TARASH_IMAGE_ERROR_UNSUPPORTED,
                                          "protocol: was compiled out of this build");
    } else if (!provider->build_fn || !provider->read_fn)
        return tarimg_refuse_provider(client, TARASH_IMAGE_ERROR_VALIDATION,
                                      "build_fn and read_fn: are needed where there is no protocol");
    registered = (tarimg_registered *)tarimg_take(&client->arena, sizeof *registered);
    if (registered) {
        tarimg_copy_provider(&client->arena, &registered->provider, provider);
        if (provider->protocol) registered->provider.build_fn = NULL;
        registered->row = tarimg_row_of_provider(&registered->provider, protocol);
    }
    if (client->arena.failed) {
        client->arena.failed = 0;
        return TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    }
    registered->next = client->registered;
    client->registered = registered;
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_refuse_mapping(tarash_image_client *client, const char *why) {
    tarimg_log(client, NULL, TARASH_IMAGE_LOG_ERROR, "register_field_mapping: %s", why);
    return TARASH_IMAGE_ERROR_VALIDATION;
}

/* A name, or names joined by dots. */
static int tarimg_is_dotted(const char *text, size_t size) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    size_t i;
    for (i = 0; i < size; i++) {
        if (!text[i] || !strchr(plain, text[i]) || (text[i] == '.' && i && text[i - 1] == '.')) return 0;
    }
    return size > 0 && text[0] != '.' && text[size - 1] != '.';
}

/* Is a body field written as the standard field at hand can be? */
static int tarimg_is_target(uint32_t field, const char *target, size_t size) {
    size_t named = tarimg_target_size(target, size), rest = size - named;
    const char *form = target + named;
    if (size == 0) return 1;
    if (!tarimg_is_dotted(target, named)) return 0;
    if (rest == 0) return 1;
    if (field == TARASH_IMAGE_FIELD_SIZE)
        return (rest == 2 && memcmp(form, "{}", 2) == 0) ||
               (*form == '+' && tarimg_is_dotted(form + 1, rest - 1));
    if (field != TARASH_IMAGE_FIELD_IMAGES || rest < 2 || memcmp(form, "[]", 2) != 0) return 0;
    return rest == 2 || (form[2] == '.' && tarimg_is_dotted(form + 3, rest - 3));
}

/* Is one place the other, or a part of it? */
static int tarimg_places_meet(const char *a, size_t a_size, const char *b, size_t b_size) {
    size_t common = a_size < b_size ? a_size : b_size;
    if (common == 0 || memcmp(a, b, common) != 0) return 0;
    return a_size == b_size || (a_size < b_size ? b[common] : a[common]) == '.';
}

static int tarimg_entries_meet(const tarimg_entry *a, const tarimg_entry *b) {
    int i, k;
    for (i = 0; i < 2; i++) {
        for (k = 0; k < 2; k++) {
            if (a == b && i == k) continue;
            if (tarimg_places_meet(a->places[i], a->place_sizes[i], b->places[k], b->place_sizes[k]))
                return 1;
        }
    }
    return 0;
}

/* What is wrong with a mapping's list, or NULL. */
static const char *tarimg_mapping_problem(const char *fields) {
    tarimg_entry entry, other;
    const char *rest;
    if (!tarimg_is_set(fields)) return "fields: is missing";
    while (tarimg_next_entry(&fields, &entry)) {
        if (!entry.field) return "fields: has an entry whose first part is no standard field";
        if (!tarimg_is_target(entry.field, entry.target, entry.target_size))
            return "fields: has a body field that can't be read (name, name[], name[].key, name{} or "
                   "name+name)";
        if (tarimg_entries_meet(&entry, &entry))
            return "fields: has two body fields of which one is the other, or a part of it";
        for (rest = fields; tarimg_next_entry(&rest, &other);) {
            if (other.field == entry.field) return "fields: names a standard field twice";
            if (tarimg_entries_meet(&entry, &other))
                return "fields: has two body fields of which one is the other, or a part of it";
        }
    }
    return NULL;
}

static int tarimg_same_mapping(const tarash_image_field_mapping *a, const tarash_image_field_mapping *b) {
    return tarimg_equal_nocase(a->provider, b->provider) && tarimg_equal(a->model_prefix, b->model_prefix);
}

TARIMG_PUBLIC tarash_image_result
tarash_image_register_field_mapping(tarash_image_client *client, const tarash_image_field_mapping *mapping) {
    tarimg_registered_mapping *registered, **place;
    const tarash_image_provider *custom = NULL;
    const char *problem;
    const tarimg_value *constants;
    if (!client || !mapping) return TARASH_IMAGE_ERROR_VALIDATION;
    if (!tarimg_is_set(mapping->provider) || !tarimg_row_of(client, mapping->provider, &custom))
        return tarimg_refuse_mapping(client, "provider: is missing or not known");
    problem = tarimg_mapping_problem(mapping->fields);
    if (problem) return tarimg_refuse_mapping(client, problem);
    registered = (tarimg_registered_mapping *)tarimg_take(&client->arena, sizeof *registered);
    if (registered) {
        registered->mapping.provider = tarimg_copy(&client->arena, mapping->provider);
        registered->mapping.model_prefix =
            tarimg_copy(&client->arena, mapping->model_prefix ? mapping->model_prefix : "");
        registered->mapping.fields = tarimg_copy(&client->arena, mapping->fields);
        registered->mapping.constants = tarimg_copy(&client->arena, mapping->constants);
    }
    constants = mapping->constants
                    ? tarimg_parse_json(&client->arena, mapping->constants, strlen(mapping->constants),
                                        client->limits.max_json_depth)
                    : NULL;
    if (client->arena.failed) {
        client->arena.failed = 0;
        return TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    }
    if (mapping->constants && (!constants || constants->kind != TARIMG_OBJECT))
        return tarimg_refuse_mapping(client, "constants: is not a JSON object");
    for (place = &client->mappings; *place; place = &(*place)->next) {
        if (!tarimg_same_mapping(&(*place)->mapping, &registered->mapping)) continue;
        *place = (*place)->next;
        break;
    }
    registered->next = client->mappings;
    client->mappings = registered;
    return TARASH_IMAGE_OK;
}

static tarash_image_job tarimg_submit(tarash_image_client *client, const tarash_image_config *config,
                                      const tarash_image_request *request) {
    tarash_image_job handle = {0};
    tarimg_job *job = tarimg_job_new(client);
    if (!job) return handle;
    handle.id = job->id;
    if (tarimg_refused(job, tarimg_job_prepare(job, config, request)) != TARASH_IMAGE_OK) {
        tarash_image_error error = job->error;
        tarimg_job_end(job, &error);
        return handle;
    }
    if (job->links[0].config.total_timeout_ms)
        job->total_deadline = job->started + job->links[0].config.total_timeout_ms;
    job->is_running = 1;
    client->running++;
    tarimg_timer_arm(client, &job->timer, job->started);
    return handle;
}

TARIMG_PUBLIC tarash_image_job tarash_image_submit(tarash_image_client *client,
                                                   const tarash_image_config *config,
                                                   const tarash_image_request *request) {
    tarash_image_job handle = {0};
    int was_busy;
    if (!client) return handle;
    was_busy = tarimg_begin_work(client);
    handle = tarimg_submit(client, config, request);
    tarimg_end_work(client, was_busy);
    return handle;
}

TARIMG_PUBLIC int tarash_image_poll(tarash_image_client *client, int timeout_ms) {
    int moved, running;
    if (!client || client->destroy_requested) return 0;
    if (client->is_busy) return client->running;
    tarimg_enter(client);
    moved = tarimg_pump(client);
    if (!moved && timeout_ms > 0 && (client->running || client->detached) && !client->destroy_requested) {
        (void)curl_multi_poll(client->multi, NULL, 0, tarimg_sleep_ms(client, timeout_ms), NULL);
        (void)tarimg_pump(client);
    }
    running = client->running;
    return tarimg_leave(client) ? 0 : running;
}

TARIMG_PUBLIC void tarash_image_wakeup(tarash_image_client *client) {
    if (client) (void)curl_multi_wakeup(client->multi);
}

TARIMG_PUBLIC tarash_image_status tarash_image_job_status(tarash_image_client *client, tarash_image_job job,
                                                          tarash_image_update *optional) {
    tarimg_job *found = tarimg_find_job(client, job);
    if (optional) {
        memset(optional, 0, sizeof *optional);
        optional->job = job;
        optional->progress_percent = optional->queue_position = -1;
    }
    if (!found) return TARASH_IMAGE_STATUS_NONE;
    if (optional) {
        optional->status = found->status;
        optional->progress_percent = found->percent;
        optional->queue_position = found->queue_position;
        optional->bytes_received = found->bytes_received;
        optional->attempt = (int)found->current + 1;
        if (found->link_count) {
            optional->provider = found->links[found->current].provider;
            optional->model = found->links[found->current].model;
        }
        if (found->status == TARASH_IMAGE_STATUS_FAILED) optional->error = &found->response.error;
    }
    return found->status;
}

TARIMG_PUBLIC tarash_image_result tarash_image_take(tarash_image_client *client, tarash_image_job job,
                                                    tarash_image_response *out) {
    tarimg_job *found = tarimg_find_job(client, job);
    if (!out) return TARASH_IMAGE_ERROR_VALIDATION;
    memset(out, 0, sizeof *out);
    if (!found || !found->has_ended || client->is_busy) {
        out->status = TARASH_IMAGE_STATUS_FAILED;
        return tarimg_set_error(
            &out->error, job.id || !client ? TARASH_IMAGE_ERROR_VALIDATION : TARASH_IMAGE_ERROR_OUT_OF_MEMORY,
            !job.id  ? "job: is none; memory ran out when it was submitted"
            : !found ? "job: doesn't exist, or has been taken already"
                     : "job: is still running; poll until it is completed or failed");
    }
    *out = found->response;
    memset(&found->response, 0, sizeof found->response);
    tarimg_job_free(found);
    return out->error.result;
}

TARIMG_PUBLIC void tarash_image_cancel(tarash_image_client *client, tarash_image_job job) {
    tarimg_job *found = tarimg_find_job(client, job);
    int was_busy;
    if (!found || found->has_ended) return;
    found->cancel_requested = 1;
    if (client->is_busy) {
        tarimg_timer_arm(client, &found->timer, tarimg_now(client));
        return;
    }
    was_busy = tarimg_begin_work(client);
    tarimg_job_cancel(found);
    tarimg_end_work(client, was_busy);
}

static tarash_image_result tarimg_wait_and_take(tarash_image_client *client, tarash_image_job job,
                                                tarash_image_response *out) {
    while (job.id && !client->destroy_requested) {
        tarimg_job *found = tarimg_find_job(client, job);
        if (found) found->is_awaited = 1;
        if (!found || found->has_ended) break;
        (void)tarash_image_poll(client, 1000);
    }
    if (client->destroy_requested) tarash_image_cancel(client, job);
    return tarash_image_take(client, job, out);
}

TARIMG_PUBLIC tarash_image_result tarash_image_generate(tarash_image_client *client,
                                                        const tarash_image_config *config,
                                                        const tarash_image_request *request,
                                                        tarash_image_response *out) {
    tarash_image_client *own = NULL;
    tarash_image_result result;
    if (!out) return TARASH_IMAGE_ERROR_VALIDATION;
    memset(out, 0, sizeof *out);
    if (!client) client = own = tarash_image_client_create(NULL);
    if (!client) {
        out->status = TARASH_IMAGE_STATUS_FAILED;
        return tarimg_no_memory(&out->error);
    }
    if (client->is_busy) {
        out->status = TARASH_IMAGE_STATUS_FAILED;
        return tarimg_set_error(&out->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "client: may not be used from a sink, a logger or a provider's code");
    }
    tarimg_enter(client);
    result = tarimg_wait_and_take(client, tarash_image_submit(client, config, request), out);
    (void)tarimg_leave(client);
    tarash_image_client_destroy(own);
    return result;
}

TARIMG_PUBLIC void tarash_image_response_free(tarash_image_response *response) {
    size_t i;
    if (!response) return;
    for (i = 0; response->storage && i < response->image_count; i++)
        tarimg_release(&response->storage->allocator, response->images[i].data);
    tarimg_storage_free(response->storage);
    memset(response, 0, sizeof *response);
}

TARIMG_PUBLIC const tarash_image *tarash_image_response_first(const tarash_image_response *response) {
    return response && response->image_count ? &response->images[0] : NULL;
}

TARIMG_PUBLIC size_t tarash_image_response_total_size(const tarash_image_response *response) {
    size_t i, total = 0;
    for (i = 0; response && i < response->image_count; i++) {
        if (!tarimg_add_size(total, response->images[i].size, &total)) return SIZE_MAX;
    }
    return total;
}

/* ---- public: files */

TARIMG_PUBLIC tarash_image_result tarash_image_save(const tarash_image *image, const char *path,
                                                    tarash_image_error *error) {
    tarash_image_error ignored;
    if (!error) error = &ignored;
    memset(error, 0, sizeof *error);
    if (!image || !image->data)
        return tarimg_set_error(
            error, TARASH_IMAGE_ERROR_VALIDATION,
            "image: has no bytes to save (a sink took them, or only a URL was asked for)");
    if (!tarimg_is_set(path))
        return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION, "path: is missing");
#if defined(TARASH_IMAGE_NO_STDIO)
    return tarimg_set_error(error, TARASH_IMAGE_ERROR_UNSUPPORTED, "this build opens no files");
#else
    {
        tarash_image_allocator allocator =
            image->storage ? image->storage->allocator : tarimg_default_allocator();
        uint64_t unique =
            tarimg_mix((uint64_t)(uintptr_t)image->data ^ (uint64_t)tarimg_system_clock_ms(NULL));
        tarimg_file_writer writer;
        if (!tarimg_file_begin(&writer, &allocator, path, unique)) {
            if (!writer.partial) return tarimg_no_memory(error);
            tarimg_file_abort(&writer);
            return tarimg_set_error(error, TARASH_IMAGE_ERROR_IO,
                                    "\"%.400s\" can't be written: " TARIMG_FILE_ADVICE, path);
        }
        if (fwrite(image->data, 1, image->size, writer.file) != image->size) {
            tarimg_file_abort(&writer);
            return tarimg_set_error(error, TARASH_IMAGE_ERROR_IO,
                                    "\"%.400s\" could not be written whole: is the disk full?", path);
        }
        if (!tarimg_file_commit(&writer))
            return tarimg_set_error(error, TARASH_IMAGE_ERROR_IO, "\"%.400s\" could not be completed", path);
        return TARASH_IMAGE_OK;
    }
#endif
}

/* ---- public: images of their own */

/* Gives bytes that were made here to an image of its own. */
static tarash_image_result tarimg_own_image(const tarash_image_allocator *allocator, tarimg_payload *payload,
                                            tarash_image *out) {
    out->storage = tarimg_storage_new(allocator);
    if (!out->storage) return TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    out->data = payload->data;
    out->size = payload->fill;
    out->mime_type = payload->media.mime_type;
    out->width = payload->media.width;
    out->height = payload->media.height;
    payload->data = NULL;
    return TARASH_IMAGE_OK;
}

TARIMG_PUBLIC tarash_image_result tarash_image_from_base64(const char *text, size_t length,
                                                           tarash_image *out) {
    tarash_image_allocator allocator = tarimg_default_allocator();
    tarimg_payload payload;
    tarash_image_result result;
    if (!out) return TARASH_IMAGE_ERROR_VALIDATION;
    memset(out, 0, sizeof *out);
    if (!text || !length) return TARASH_IMAGE_ERROR_VALIDATION;
    result = tarimg_decode_text(&allocator, text, length, SIZE_MAX, &payload);
    if (result == TARASH_IMAGE_OK && !payload.media.mime_type) result = TARASH_IMAGE_ERROR_VALIDATION;
    if (result == TARASH_IMAGE_OK) result = tarimg_own_image(&allocator, &payload, out);
    tarimg_payload_free(&payload);
    return result;
}

TARIMG_PUBLIC void tarash_image_free(tarash_image *image) {
    if (!image) return;
    if (image->storage) {
        tarimg_release(&image->storage->allocator, image->data);
        tarimg_storage_free(image->storage);
    }
    memset(image, 0, sizeof *image);
}

TARIMG_PUBLIC tarash_image_result tarash_image_detach(const tarash_image *image, tarash_image *out) {
    tarash_image_allocator allocator = tarimg_default_allocator();
    tarimg_arena *arena;
    if (!out) return TARASH_IMAGE_ERROR_VALIDATION;
    memset(out, 0, sizeof *out);
    if (!image) return TARASH_IMAGE_ERROR_VALIDATION;
    if (image->storage) allocator = image->storage->allocator;
    *out = *image;
    out->data = NULL;
    out->storage = tarimg_storage_new(&allocator);
    if (!out->storage) goto no_memory;
    arena = &out->storage->arena;
    if (image->data) {
        out->data = (unsigned char *)tarimg_alloc(&allocator, image->size);
        if (!out->data) goto no_memory;
        memcpy(out->data, image->data, image->size);
    }
    out->url = tarimg_copy(arena, image->url);
    out->base64 = tarimg_copy(arena, image->base64);
    out->path = tarimg_copy(arena, image->path);
    out->mime_type = tarimg_copy(arena, image->mime_type);
    out->revised_prompt = tarimg_copy(arena, image->revised_prompt);
    if (!arena->failed) return TARASH_IMAGE_OK;
no_memory:
    tarash_image_free(out);
    return TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
}

/* A job with a link that belongs to no provider, for what is fetched without one. */
static tarimg_job *tarimg_job_without_provider(tarash_image_client *client) {
    static const tarimg_adapter none = {NULL, NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, 0, NULL};
    tarimg_job *job = tarimg_job_new(client);
    if (!job) return NULL;
    job->links = (tarimg_link *)tarimg_take(&job->arena, sizeof *job->links);
    if (!job->links) {
        tarimg_job_free(job);
        return NULL;
    }
    job->link_count = 1;
    job->links[0].adapter = &none;
    job->links[0].provider = "download";
    job->links[0].model = "";
    job->links[0].count = job->links[0].per_call = 1;
    tarimg_default_numbers(&job->links[0].config);
    return job;
}

/* The job goes on with the tasks that were added to it. */
static void tarimg_job_begin(tarimg_job *job) {
    job->is_running = 1;
    job->client->running++;
    job->status = TARASH_IMAGE_STATUS_PROCESSING;
    tarimg_arm_deadline(job);
}

/* An image of a URL that is known from the start; 0 = memory ran out. */
static int tarimg_add_download(tarimg_job *job, const char *url, size_t index) {
    tarimg_slot *slot = tarimg_slot_at(job, index);
    tarimg_task *task = slot ? tarimg_task_add(job, TARIMG_TASK_DOWNLOAD) : NULL;
    if (!task) return 0;
    slot->is_used = 1;
    slot->image.url = tarimg_copy(&job->storage->arena, url);
    task->url = slot->image.url;
    task->first_index = index;
    task->count = 1;
    return task->url != NULL;
}

TARIMG_PUBLIC tarash_image_result tarash_image_from_url(tarash_image_client *client, const char *url,
                                                        tarash_image *out, tarash_image_error *error) {
    tarash_image_client *own = NULL;
    tarash_image_error ignored;
    tarash_image_response response;
    tarash_image_job handle = {0};
    tarash_image_result result;
    tarimg_job *job;
    tarimg_url parts;
    if (!error) error = &ignored;
    memset(error, 0, sizeof *error);
    if (!out) return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION, "out: is NULL");
    memset(out, 0, sizeof *out);
    if (!tarimg_split_url(url, &parts))
        return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION, "url: is not a valid http(s) URL");
    if (!client) client = own = tarash_image_client_create(NULL);
    if (!client) return tarimg_no_memory(error);
    if (client->is_busy)
        return tarimg_set_error(error, TARASH_IMAGE_ERROR_VALIDATION,
                                "client: may not be used from a sink, a logger or a provider's code");
    job = tarimg_job_without_provider(client);
    if (job) {
        handle.id = job->id;
        tarimg_attempt_init(job);
        if (tarimg_add_download(job, url, 0))
            tarimg_job_begin(job);
        else {
            (void)tarimg_no_memory(&job->error);
            tarimg_job_end(job, &job->error);
        }
    }
    tarimg_enter(client);
    result = tarimg_wait_and_take(client, handle, &response);
    *error = response.error;
    if (result == TARASH_IMAGE_OK) {
        /* The image takes the response's storage over: its texts live there. */
        *out = response.images[0];
        out->storage = response.storage;
        response.storage = NULL;
    }
    tarash_image_response_free(&response);
    (void)tarimg_leave(client);
    tarash_image_client_destroy(own);
    return result;
}

/* ---- public: plan */

/* "name":"text", without secrets. */
static void tarimg_plan_pair(tarimg_buffer *out, const tarimg_link *link, const char *name,
                             const char *text) {
    tarimg_write_string(out, name, strlen(name));
    tarimg_append_char(out, ':');
    if (text)
        tarimg_write_redacted(out, link->secrets, text);
    else
        tarimg_append_text(out, "null");
}

static void tarimg_plan_headers(tarimg_buffer *out, tarash_image_exchange *exchange, const char *url) {
    tarimg_link *link = exchange->link;
    const tarimg_header *header;
    const char *separator = "";
    tarimg_append_text(out, ",\"headers\":{");
    for (header = tarimg_exchange_headers(exchange, url); header; header = header->next) {
        int is_secret = tarimg_is_secret_name(header->name) ||
                        (link->key && tarimg_equal_nocase(header->name, tarimg_auth_header(exchange)));
        tarimg_append_text(out, separator);
        tarimg_plan_pair(out, link, header->name, is_secret ? "[redacted]" : header->value);
        separator = ",";
    }
    if (exchange->aws_region) { /* libcurl makes it when the request is sent */
        tarimg_append_text(out, separator);
        tarimg_plan_pair(out, link, "Authorization", "[redacted]");
    }
    tarimg_append_char(out, '}');
}

static void tarimg_plan_form(tarimg_buffer *out, tarash_image_exchange *exchange) {
    const tarimg_value *part;
    tarimg_renderer renderer;
    const char *separator = "";
    renderer.arena = &exchange->arena;
    renderer.link = exchange->link;
    renderer.body = NULL;
    tarimg_append_char(out, '[');
    for (part = exchange->body->first; part; part = part->next) {
        tarimg_append_text(out, separator);
        tarimg_append_char(out, '{');
        tarimg_plan_pair(out, exchange->link, "name", part->name);
        tarimg_append_char(out, ',');
        if (part->kind == TARIMG_INPUT_FILE) {
            const tarimg_input *input = tarimg_input_of(exchange->link, part);
            char size[32];
            tarimg_plan_pair(out, exchange->link, "filename", input->filename);
            tarimg_append_char(out, ',');
            tarimg_plan_pair(out, exchange->link, "content_type", input->mime_type);
            (void)snprintf(size, sizeof size, ",\"bytes\":%llu", (unsigned long long)input->size);
            tarimg_append_text(out, tarimg_input_has_bytes(input) ? size : ",\"bytes\":null");
            if (!tarimg_input_has_bytes(input)) {
                tarimg_append_char(out, ',');
                tarimg_plan_pair(out, exchange->link, "fetched_from",
                                 tarimg_shown_url(&exchange->arena, input->url));
            }
        } else {
            tarimg_buffer text;
            tarimg_buffer_init(&text, exchange->allocator, 0);
            tarimg_append_part_text(&renderer, &text, part);
            if (text.failed) out->failed = 1;
            tarimg_plan_pair(out, exchange->link, "value", text.data ? text.data : "");
            tarimg_buffer_free(&text);
        }
        tarimg_append_char(out, '}');
        separator = ",";
    }
    tarimg_append_char(out, ']');
}

static void tarimg_plan_warnings(tarimg_buffer *out, const tarimg_link *link) {
    const tarimg_note *note;
    const char *separator = "";
    tarimg_append_text(out, ",\"warnings\":[");
    for (note = link->notes; note; note = note->next) {
        tarimg_append_text(out, separator);
        tarimg_append_char(out, '{');
        tarimg_plan_pair(out, link, "field", note->warning.field);
        tarimg_append_char(out, ',');
        tarimg_plan_pair(out, link, "asked", note->warning.asked);
        tarimg_append_char(out, ',');
        tarimg_plan_pair(out, link, "sent", note->warning.sent);
        tarimg_append_char(out, ',');
        tarimg_plan_pair(out, link, "why", note->warning.why);
        tarimg_append_char(out, '}');
        separator = ",";
    }
    tarimg_append_char(out, ']');
}

static void tarimg_plan_body(tarimg_buffer *out, tarash_image_exchange *exchange) {
    tarimg_renderer renderer;
    renderer.arena = &exchange->arena;
    renderer.link = exchange->link;
    renderer.body = NULL;
    tarimg_append_text(out, ",\"body\":");
    if (!exchange->body)
        tarimg_append_text(out, "null");
    else if (exchange->is_form)
        tarimg_plan_form(out, exchange);
    else
        tarimg_write_json(out, exchange->body, tarimg_render_input, &renderer);
}

static tarash_image_result tarimg_plan_link(tarimg_job *job, tarimg_link *link, tarimg_buffer *out) {
    tarash_image_exchange exchange;
    tarash_image_result result;
    const char *url;
    char calls[32];
    tarimg_exchange_init(&exchange, job, link);
    exchange.count = link->per_call;
    result = tarimg_exchange_build(&exchange);
    if (result == TARASH_IMAGE_OK) {
        tarimg_redact_value(job->secrets, exchange.body);
        url = link->adapter->answer_fn ? exchange.path
                                       : tarimg_join_url(&exchange.arena, link->base_url, exchange.path);
        tarimg_append_char(out, '{');
        tarimg_plan_pair(out, link, "provider", link->provider);
        tarimg_append_char(out, ',');
        tarimg_plan_pair(out, link, "model", link->model);
        tarimg_append_char(out, ',');
        tarimg_plan_pair(out, link, "method", exchange.method);
        tarimg_append_char(out, ',');
        tarimg_plan_pair(out, link, "url", url);
        if (url) tarimg_plan_headers(out, &exchange, url);
        tarimg_plan_body(out, &exchange);
        (void)snprintf(calls, sizeof calls, ",\"calls\":%d",
                       (link->count + link->per_call - 1) / link->per_call);
        tarimg_append_text(out, calls);
        tarimg_plan_warnings(out, link);
        tarimg_append_char(out, '}');
    }
    if (exchange.arena.failed || out->failed) result = TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    tarimg_exchange_free(&exchange);
    return result;
}

static void tarimg_text_init(tarash_image_text *text) {
    memset(text, 0, sizeof *text);
}

/* Makes a text out of a buffer. */
static tarash_image_result tarimg_text_from(tarash_image_text *text, const tarash_image_allocator *allocator,
                                            const tarimg_buffer *from) {
    text->storage = from->failed ? NULL : tarimg_storage_new(allocator);
    if (text->storage) text->data = tarimg_copy_bytes(&text->storage->arena, from->data, from->size);
    if (!text->data) {
        tarash_image_text_free(text);
        return tarimg_no_memory(&text->error);
    }
    text->size = from->size;
    return TARASH_IMAGE_OK;
}

static tarash_image_result tarimg_plan(tarash_image_client *client, const tarash_image_config *config,
                                       const tarash_image_request *request, tarash_image_text *json_out) {
    tarimg_job *job;
    tarimg_buffer out;
    tarash_image_result result;
    size_t i;
    job = tarimg_job_new(client);
    if (!job) return tarimg_no_memory(&json_out->error);
    tarimg_buffer_init(&out, &client->allocator, 0);
    result = tarimg_refused(job, tarimg_job_prepare(job, config, request));
    json_out->error = job->error;
    tarimg_append_char(&out, '[');
    for (i = 0; i < job->link_count && result == TARASH_IMAGE_OK; i++) {
        if (i) tarimg_append_char(&out, ',');
        result = tarimg_plan_link(job, &job->links[i], &out);
        if (result != TARASH_IMAGE_OK)
            (void)tarimg_set_error(&json_out->error, result, "%s", tarash_image_result_string(result));
    }
    tarimg_append_char(&out, ']');
    if (result == TARASH_IMAGE_OK) result = tarimg_text_from(json_out, &client->allocator, &out);
    tarimg_buffer_free(&out);
    tarimg_redact_text(job->secrets, json_out->error.message);
    tarimg_job_free(job);
    return result;
}

TARIMG_PUBLIC tarash_image_result tarash_image_plan(tarash_image_client *client,
                                                    const tarash_image_config *config,
                                                    const tarash_image_request *request,
                                                    tarash_image_text *json_out) {
    tarash_image_client *own = NULL;
    tarash_image_result result;
    int was_busy;
    if (!json_out) return TARASH_IMAGE_ERROR_VALIDATION;
    tarimg_text_init(json_out);
    if (!client) client = own = tarash_image_client_create(NULL);
    if (!client) return tarimg_no_memory(&json_out->error);
    was_busy = tarimg_begin_work(client);
    result = tarimg_plan(client, config, request, json_out);
    tarimg_end_work(client, was_busy);
    tarash_image_client_destroy(own);
    return result;
}

TARIMG_PUBLIC void tarash_image_text_free(tarash_image_text *text) {
    if (!text) return;
    tarimg_storage_free(text->storage);
    text->storage = NULL;
    text->data = NULL;
    text->size = 0;
}

/* ---- public: tokens */

TARIMG_PUBLIC tarash_image_result tarash_image_job_token(tarash_image_client *client, tarash_image_job job,
                                                         tarash_image_text *out) {
    tarimg_job *found = tarimg_find_job(client, job);
    tarimg_buffer token;
    tarash_image_result result;
    if (!out) return TARASH_IMAGE_ERROR_VALIDATION;
    tarimg_text_init(out);
    if (!found)
        return tarimg_set_error(&out->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "job: doesn't exist, or has been taken already");
    tarimg_buffer_init(&token, &client->allocator, 0);
    if (found->has_ended && found->response.job_token)
        tarimg_append_text(&token, found->response.job_token);
    else if (!found->has_ended)
        tarimg_make_token(found, &token);
    if (token.failed)
        result = tarimg_no_memory(&out->error);
    else if (token.size == 0)
        result = tarimg_set_error(
            &out->error, TARASH_IMAGE_ERROR_UNSUPPORTED,
            "there is nothing to resume: the provider has accepted nothing yet, or has no jobs");
    else
        result = tarimg_text_from(out, &client->allocator, &token);
    tarimg_buffer_free(&token);
    return result;
}

/* The token's JSON, or NULL. */
static tarimg_value *tarimg_parse_token(tarimg_job *job, const char *token) {
    size_t size = strlen(TARIMG_TOKEN_PREFIX), length, written = 0, taken;
    unsigned char *bytes;
    tarimg_base64 state;
    int rest;
    if (!tarimg_begins(token, TARIMG_TOKEN_PREFIX)) return NULL;
    token += size;
    length = strlen(token);
    while (length && tarimg_is_space(token[length - 1])) length--;
    bytes = (unsigned char *)tarimg_take(&job->arena, tarimg_base64_room(length));
    if (!bytes) return NULL;
    memset(&state, 0, sizeof state);
    taken = tarimg_base64_decode(&state, token, length, bytes, &written);
    if (taken != length) return NULL;
    rest = tarimg_base64_finish(&state, bytes + written);
    if (rest < 0) return NULL;
    return tarimg_parse_json(&job->arena, (const char *)bytes, written + (size_t)rest, 16);
}

/* One accepted call of a token, to be polled. */
static tarash_image_result tarimg_resume_call(tarimg_job *job, const tarimg_value *entry) {
    int64_t index = 0, count = 1;
    tarimg_task *task;
    (void)tarimg_integer_at(entry, "index", &index);
    (void)tarimg_integer_at(entry, "count", &count);
    if (index < 0 || count < 1 || index > job->client->limits.max_images ||
        count > job->client->limits.max_images - job->links[0].count)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION, "token: is damaged");
    task = tarimg_task_add(job, TARIMG_TASK_CALL);
    if (!task) return tarimg_no_memory(&job->error);
    task->phase = TARASH_IMAGE_PHASE_POLL;
    task->is_accepted = 1;
    task->first_index = (size_t)index;
    task->count = (int)count;
    task->job_id = tarimg_copy(&job->attempt_arena, tarimg_text_at(entry, "id"));
    task->poll_url = tarimg_copy(&job->attempt_arena, tarimg_text_at(entry, "poll"));
    task->fetch_url = tarimg_copy(&job->attempt_arena, tarimg_text_at(entry, "fetch"));
    task->cancel_url = tarimg_copy(&job->attempt_arena, tarimg_text_at(entry, "cancel"));
    if (job->attempt_arena.failed) return tarimg_no_memory(&job->error);
    if (!tarimg_is_path_part(task->job_id))
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION, "token: is damaged");
    job->links[0].count += (int)count;
    return TARASH_IMAGE_OK;
}

/* One image of a token whose URL is known. */
static tarash_image_result tarimg_resume_url(tarimg_job *job, const tarimg_value *entry) {
    const char *url = tarimg_text_at(entry, "url");
    int64_t index = -1;
    (void)tarimg_integer_at(entry, "index", &index);
    if (!url || index < 0 || index >= job->client->limits.max_images ||
        job->links[0].count >= job->client->limits.max_images ||
        ((size_t)index < job->slot_count && job->slots[index].is_used))
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION, "token: is damaged");
    if (!tarimg_add_download(job, url, (size_t)index)) return tarimg_no_memory(&job->error);
    job->links[0].count++;
    return TARASH_IMAGE_OK;
}

/* Fills the job from the token: its link without a request, and a task for everything that is left to fetch.
 */
static tarash_image_result tarimg_resume_job(tarimg_job *job, const tarash_image_config *config,
                                             const char *token) {
    tarimg_value *root = token ? tarimg_parse_token(job, token) : NULL;
    const tarimg_value *list, *entry;
    const char *provider = tarimg_text_at(root, "provider");
    tarimg_link *link;
    tarash_image_result result;
    if (!provider)
        return job->arena.failed ? tarimg_no_memory(&job->error)
                                 : tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                                    "token: is not one of this library's, or is cut off");
    if (!config) return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION, "config: is NULL");
    tarimg_add_key_secrets(job, config->api_key);
    if ((result = tarimg_check_config(job, config)) != TARASH_IMAGE_OK) return result;
    link = (tarimg_link *)tarimg_take(&job->arena, sizeof *link);
    if (!link) return tarimg_no_memory(&job->error);
    job->links = link;
    link->arena = &job->arena;
    tarimg_copy_config(job, link, config);
    link->config.mock = NULL;
    if (!link->config.provider) link->config.provider = provider;
    if (!link->config.model) link->config.model = tarimg_text_at(root, "model");
    if ((result = tarimg_resolve_row(job, link)) != TARASH_IMAGE_OK) return result;
    if (!tarimg_equal(link->provider, provider))
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                "provider: the token is %.32s's, not %.32s's", provider, link->provider);
    if ((result = tarimg_resolve_options(job, link)) != TARASH_IMAGE_OK) return result;
    if ((result = tarimg_resolve_base_url(job, link)) != TARASH_IMAGE_OK) return result;
    if ((result = tarimg_resolve_model(job, link)) != TARASH_IMAGE_OK) return result;
    if ((result = tarimg_resolve_key(job, link)) != TARASH_IMAGE_OK) return result;
    link->secrets = job->secrets;
    link->per_call = 1;
    link->max_depth = job->client->limits.max_json_depth;
    job->link_count = 1;
    tarimg_attempt_init(job);
    list = tarimg_at(root, "jobs");
    if (list && !link->adapter->polls)
        return tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_UNSUPPORTED,
                                "token: %s has no jobs to resume", link->provider);
    for (entry = list ? list->first : NULL; entry; entry = entry->next) {
        if ((result = tarimg_resume_call(job, entry)) != TARASH_IMAGE_OK) return result;
    }
    list = tarimg_at(root, "urls");
    for (entry = list ? list->first : NULL; entry; entry = entry->next) {
        if ((result = tarimg_resume_url(job, entry)) != TARASH_IMAGE_OK) return result;
    }
    return job->tasks ? TARASH_IMAGE_OK
                      : tarimg_set_error(&job->error, TARASH_IMAGE_ERROR_VALIDATION,
                                         "token: holds nothing to resume");
}

/* Of the request that a job is resumed with, what still means something. */
static tarash_image_result tarimg_resume_request(tarimg_job *job, const tarash_image_request *request) {
    tarash_image_request kept;
    tarash_image_result result;
    if (!request) return TARASH_IMAGE_OK;
    memset(&kept, 0, sizeof kept);
    kept.output = request->output;
    kept.sink = request->sink;
    kept.on_progress = request->on_progress;
    kept.user_data = request->user_data;
    result = tarimg_check_request(job->client, &job->error, &kept);
    if (result == TARASH_IMAGE_OK) tarimg_copy_request(job, &kept);
    return result;
}

TARIMG_PUBLIC tarash_image_job tarash_image_resume(tarash_image_client *client,
                                                   const tarash_image_config *config, const char *token) {
    return tarash_image_resume_with(client, config, NULL, token);
}

TARIMG_PUBLIC tarash_image_job tarash_image_resume_with(tarash_image_client *client,
                                                        const tarash_image_config *config,
                                                        const tarash_image_request *request,
                                                        const char *token) {
    tarash_image_job handle = {0};
    int was_busy = client ? tarimg_begin_work(client) : 0;
    tarimg_job *job = client ? tarimg_job_new(client) : NULL;
    if (job) handle.id = job->id;
    if (job && tarimg_resume_request(job, request) == TARASH_IMAGE_OK &&
        tarimg_refused(job, tarimg_resume_job(job, config, token)) == TARASH_IMAGE_OK) {
        if (job->links[0].config.total_timeout_ms)
            job->total_deadline = job->started + job->links[0].config.total_timeout_ms;
        tarimg_job_begin(job);
    } else if (job) {
        tarash_image_error error = job->error;
        tarimg_job_end(job, &error);
    }
    if (client) tarimg_end_work(client, was_busy);
    return handle;
}

/* ---- public: for providers of your own */

TARIMG_PUBLIC const tarash_image_request *tarash_image_exchange_request(tarash_image_exchange *exchange) {
    return &exchange->request;
}

TARIMG_PUBLIC const char *tarash_image_exchange_model(tarash_image_exchange *exchange) {
    return exchange->link->model;
}

TARIMG_PUBLIC int tarash_image_exchange_count(tarash_image_exchange *exchange) {
    return exchange->count;
}

TARIMG_PUBLIC const char *tarash_image_exchange_job_id(tarash_image_exchange *exchange) {
    return exchange->job_id;
}

TARIMG_PUBLIC const char *tarash_image_exchange_option(tarash_image_exchange *exchange, const char *path) {
    return tarimg_option(exchange->link, path);
}

TARIMG_PUBLIC void tarash_image_exchange_send(tarash_image_exchange *exchange, const char *method,
                                              const char *path) {
    tarimg_send(exchange, "GET", path ? path : "");
    exchange->method = tarimg_copy(&exchange->arena, method ? method : "GET");
}

TARIMG_PUBLIC void tarash_image_exchange_header(tarash_image_exchange *exchange, const char *name,
                                                const char *value) {
    if (!tarimg_is_set(name) || !value || tarimg_has_control(name) || tarimg_has_control(value) ||
        strpbrk(name, ": ")) {
        (void)tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                          "the provider's code set a header that is not valid");
        return;
    }
    tarimg_add_header(&exchange->arena, &exchange->headers, name, value);
}

TARIMG_PUBLIC void tarash_image_exchange_multipart(tarash_image_exchange *exchange) {
    (void)tarimg_body_object(exchange);
    exchange->is_form = 1;
}

static void tarimg_exchange_put(tarash_image_exchange *exchange, const char *path, tarimg_value *value) {
    if (!value) return;
    if (exchange->is_form && tarimg_is_set(path))
        tarimg_set(&exchange->arena, tarimg_body_object(exchange), path, value);
    else if (!path || !tarimg_put(&exchange->arena, tarimg_body_object(exchange), path, value))
        (void)tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                          "the provider's code set a field by a path that doesn't fit");
}

TARIMG_PUBLIC void tarash_image_exchange_set_text(tarash_image_exchange *exchange, const char *path,
                                                  const char *text) {
    if (text) tarimg_exchange_put(exchange, path, tarimg_value_text(&exchange->arena, text));
}

TARIMG_PUBLIC void tarash_image_exchange_set_integer(tarash_image_exchange *exchange, const char *path,
                                                     int64_t number) {
    tarimg_exchange_put(exchange, path, tarimg_value_integer(&exchange->arena, number));
}

TARIMG_PUBLIC void tarash_image_exchange_set_json(tarash_image_exchange *exchange, const char *path,
                                                  const char *json) {
    tarimg_value *value =
        json ? tarimg_parse_json(&exchange->arena, json, strlen(json), exchange->link->max_depth) : NULL;
    if (value)
        tarimg_exchange_put(exchange, path, value);
    else if (json)
        (void)tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                          "the provider's code set JSON that is not valid");
}

TARIMG_PUBLIC void tarash_image_exchange_set_image(tarash_image_exchange *exchange, const char *path,
                                                   int index) {
    const tarimg_link *link = exchange->link;
    tarimg_kind kind = exchange->is_form ? TARIMG_INPUT_FILE : TARIMG_INPUT_URL;
    if (index < 0 ? link->mask == NULL : (size_t)index >= link->input_count) {
        (void)tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                          "the provider's code asked for an input image that is not there");
        return;
    }
    if (exchange->is_form)
        tarimg_form_file(exchange, path, index < 0 ? (size_t)-1 : (size_t)index);
    else
        tarimg_exchange_put(exchange, path,
                            tarimg_input_value(exchange, kind, index < 0 ? (size_t)-1 : (size_t)index));
}

TARIMG_PUBLIC int tarash_image_exchange_status(tarash_image_exchange *exchange) {
    return exchange->status;
}

TARIMG_PUBLIC const char *tarash_image_exchange_reply_header(tarash_image_exchange *exchange,
                                                             const char *name) {
    return tarimg_reply_header(exchange, name);
}

TARIMG_PUBLIC const char *tarash_image_exchange_text(tarash_image_exchange *exchange, const char *path) {
    return tarimg_text_at(exchange->document, path);
}

TARIMG_PUBLIC int tarash_image_exchange_integer(tarash_image_exchange *exchange, const char *path,
                                                int64_t *number) {
    return tarimg_integer_at(exchange->document, path, number);
}

TARIMG_PUBLIC size_t tarash_image_exchange_length(tarash_image_exchange *exchange, const char *path) {
    const tarimg_value *value = tarimg_at(exchange->document, path), *child;
    size_t count = 0;
    for (child = value ? value->first : NULL; child; child = child->next) count++;
    return count;
}

TARIMG_PUBLIC int tarash_image_exchange_add_image(tarash_image_exchange *exchange, const char *path) {
    return tarimg_add_image(exchange, tarimg_at(exchange->document, path)) != NULL;
}

TARIMG_PUBLIC void tarash_image_exchange_image_info(tarash_image_exchange *exchange,
                                                    const char *revised_prompt, int has_seed, int64_t seed) {
    tarimg_found *found = exchange->last_found;
    if (!found) return;
    found->revised_prompt = tarimg_copy(&exchange->arena, revised_prompt);
    found->has_seed = has_seed;
    found->seed = seed;
}

TARIMG_PUBLIC void tarash_image_exchange_usage(tarash_image_exchange *exchange, int64_t input, int64_t output,
                                               int64_t total) {
    exchange->usage.input_tokens = input;
    exchange->usage.output_tokens = output;
    exchange->usage.total_tokens = total;
}

TARIMG_PUBLIC int tarash_image_exchange_flag(tarash_image_exchange *exchange, const char *path) {
    const tarimg_value *value = tarimg_at(exchange->document, path);
    if (!value || (value->kind != TARIMG_TRUE && value->kind != TARIMG_FALSE)) return -1;
    return value->kind == TARIMG_TRUE;
}

TARIMG_PUBLIC void tarash_image_exchange_delay(tarash_image_exchange *exchange, int milliseconds) {
    exchange->next_delay_ms = milliseconds < 0 ? -1 : milliseconds;
}

TARIMG_PUBLIC void tarash_image_exchange_accept(tarash_image_exchange *exchange, const char *job_id) {
    if (!tarimg_is_path_part(job_id)) {
        (void)tarimg_fail(exchange, TARASH_IMAGE_ERROR_BAD_RESPONSE, NULL,
                          "the job's id is missing, or can't be part of a URL");
        return;
    }
    exchange->job_id = tarimg_copy(&exchange->arena, job_id);
}

TARIMG_PUBLIC void tarash_image_exchange_progress(tarash_image_exchange *exchange, tarash_image_status status,
                                                  int percent, int queue_position, const char *message) {
    exchange->has_progress = 1;
    exchange->progress = status;
    exchange->percent = percent;
    exchange->queue_position = queue_position;
    exchange->progress_message = tarimg_copy(&exchange->arena, message);
}

TARIMG_PUBLIC void tarash_image_exchange_next(tarash_image_exchange *exchange, tarash_image_phase phase) {
    if (phase != TARASH_IMAGE_PHASE_POLL && phase != TARASH_IMAGE_PHASE_FETCH) {
        (void)tarimg_fail(exchange, TARASH_IMAGE_ERROR_VALIDATION, NULL,
                          "the provider's code may go on with POLL or FETCH only");
        return;
    }
    exchange->has_next = 1;
    exchange->next_phase = phase;
}

TARIMG_PUBLIC tarash_image_result tarash_image_exchange_fail(tarash_image_exchange *exchange,
                                                             tarash_image_result result,
                                                             const char *provider_code, const char *message) {
    return tarimg_fail(exchange, result == TARASH_IMAGE_OK ? TARASH_IMAGE_ERROR_GENERATION_FAILED : result,
                       provider_code, message);
}

#if defined(TARIMG_POSIX_ASKED)
#undef _POSIX_C_SOURCE
#undef TARIMG_POSIX_ASKED
#endif

#endif /* TARASH_IMAGE_IMPLEMENTATION */

/*
This software is available under two licences. Choose whichever you prefer.

------------------------------------------------------------------------------
ALTERNATIVE A - MIT License

Copyright (c) 2026 The tarash_image authors

Permission is hereby granted, free of charge, to any person obtaining a copy of
this software and associated documentation files (the "Software"), to deal in
the Software without restriction, including without limitation the rights to
use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies
of the Software, and to permit persons to whom the Software is furnished to do
so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.

------------------------------------------------------------------------------
ALTERNATIVE B - Public Domain (www.unlicense.org)

This is free and unencumbered software released into the public domain.

Anyone is free to copy, modify, publish, use, compile, sell, or distribute this
software, either in source code form or as a compiled binary, for any purpose,
commercial or non-commercial, and by any means.

In jurisdictions that recognize copyright laws, the author or authors of this
software dedicate any and all copyright interest in the software to the public
domain. We make this dedication for the benefit of the public at large and to
the detriment of our heirs and successors. We intend this dedication to be an
overt act of relinquishment in perpetuity of all present and future rights to
this software under copyright law.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN
ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION
WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
*/
