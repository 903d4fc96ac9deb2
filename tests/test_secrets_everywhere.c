/* Every provider against servers that repeat all that they know: no byte that the library hands out, writes, logs or
   sends to anybody but the provider holds a secret of the config. Searched are whole responses, tokens (decoded), plans,
   log lines of all levels, progress, files and their names, memory that is given back, the command-line tool's output,
   and all that foreign origins receive. */

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#define main tool_main
#include "../examples/tarash-image.c"
#undef main

#include "support.h"

#include <setjmp.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The recognisable part of each kind of secret: hexadecimal, as some keys must be. */
#define MARK        "7e57c0de5ec2e7f00d9a" /* of keys */
#define HEADER_MARK "1dea5ca1ab1e0dda11c3" /* of config.headers */
#define COOKIE_MARK "c00c1e5a11ab0a2dd15c" /* behind a word, as in "Bearer X" */
#define OPTION_MARK "0b5e55ed2fa7cafe4b1d" /* of provider_config */
#define QUERY_MARK  "decaf1a7e9b10551f00d" /* of base_url's query */
#define WINDOW      8                      /* so much of a mark is a find */

static const char *const marks[] = {MARK, HEADER_MARK, COOKIE_MARK, OPTION_MARK, QUERY_MARK};

#define OTHERS "hdr-" HEADER_MARK ",ck-" COOKIE_MARK ",cfg-" OPTION_MARK

/* ---- whom to ask --------------------------------------------------------------------------------------- */

typedef struct variant {
    const char *name, *provider, *rest, *model, *key;
    const char *wrong_key; /* NULL: as the key, with "bad" in it */
    const char *parts; /* of the key, and other secrets that the provider may repeat; NULL: there are none */
    const char *options; /* members of provider_config, each with a comma behind it */
    const char *version;
    int partial_images;
} variant;

#define BASIC "cGFpbnRlcjo3ZTU3YzBkZTVlYzJlN2YwMGQ5YQ==" /* base64 of painter:MARK */
#define JWT   "eyJhbGciOiJub25lIn0.eyJhdWQiOiJhaS5henVyZSJ9.c2VjcmV0" MARK

/* fal-ai and together are dialects behind huggingface's router. */
static const variant variants[] = {
    {.name = "openai", .provider = "openai", .rest = "openai/v1", .key = "sk-" MARK},
    {.name = "openai, a stream",
     .provider = "openai",
     .rest = "openai/v1",
     .model = "gpt-image-1.5",
     .key = "sk-" MARK,
     .partial_images = 2},
    {.name = "openai_compatible",
     .provider = "openai_compatible",
     .rest = "compatible/v1",
     .model = "house-painter",
     .key = "sk-" MARK},
    {.name = "openai_compatible, a key in the address",
     .provider = "openai_compatible",
     .rest = "compatible/v1?subscription-key=qs-" QUERY_MARK,
     .model = "house-painter",
     .key = "sk-" MARK,
     .parts = "qs-" QUERY_MARK},
    {.name = "indoxrouter",
     .provider = "indoxrouter",
     .rest = "indoxrouter",
     .key = "indox-" MARK,
     .options = "\"byok_api_key\":\"byok-" OPTION_MARK "\","},
    {.name = "atoma", .provider = "atoma", .rest = "atoma", .key = "sk-" MARK},
    {.name = "xai", .provider = "xai", .rest = "xai/v1", .key = "xai-" MARK},
    {.name = "azure_openai",
     .provider = "azure_openai",
     .rest = "azure_openai",
     .model = "img-dep",
     .key = "sk-" MARK},
    {.name = "azure_openai, dated, a token",
     .provider = "azure_openai",
     .rest = "azure_openai",
     .model = "img-dep",
     .key = JWT,
     .wrong_key = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJhaS5henVyZSJ9.badc2VjcmV0" MARK,
     .version = "2025-04-01-preview"},
    {.name = "together", .provider = "together", .rest = "together/v1", .key = "tgp_v1_" MARK},
    {.name = "openrouter", .provider = "openrouter", .rest = "openrouter/api/v1", .key = "sk-or-v1-" MARK},
    {.name = "google", .provider = "google", .rest = "google", .key = "AIza" MARK},
    {.name = "google, vertex",
     .provider = "google",
     .rest = "google",
     .key = "ya29." MARK,
     .options = "\"project\":\"proj-1\",\"location\":\"us-central1\","},
    {.name = "automatic1111",
     .provider = "automatic1111",
     .rest = "automatic1111",
     .key = "painter:" MARK,
     .wrong_key = "painter:bad" MARK,
     .parts = MARK "," BASIC},
    {.name = "stability", .provider = "stability", .rest = "stability", .key = "sk-" MARK},
    {.name = "stability, bytes",
     .provider = "stability",
     .rest = "stability",
     .key = "sk-" MARK,
     .options = "\"accept\":\"image/*\","},
    {.name = "bedrock", .provider = "bedrock", .rest = "bedrock", .key = "bedrock-api-key-" MARK},
    {.name = "bedrock, signed with a session",
     .provider = "bedrock",
     .rest = "bedrock",
     .model = "stability.plain-name",
     .key = "ASIATARASHWIRETEST01:" MARK "/K7MDENG+bPxRfiCYwire:FwoGZXIvYXdz//" MARK "+session==",
     .wrong_key = "ASIATARASHWIRETEST01:" MARK "/K7MDENG+bPxRfiCYwire:FwoGZXIvYXdz//bad" MARK "+session==",
     .parts = MARK "/K7MDENG+bPxRfiCYwire,FwoGZXIvYXdz//" MARK "+session=="},
    {.name = "replicate", .provider = "replicate", .rest = "replicate/v1", .key = "r8_" MARK},
    {.name = "replicate, waiting",
     .provider = "replicate",
     .rest = "replicate/v1",
     .key = "r8_" MARK,
     .options = "\"wait\":true,"},
    {.name = "luma", .provider = "luma", .rest = "luma/dream-machine/v1", .key = "luma-" MARK},
    {.name = "fal",
     .provider = "fal",
     .rest = "fal/queue",
     .key = "5ca1ab1e-0000-4000:" MARK,
     .wrong_key = "bad0badb-0000-4000:bad" MARK,
     .parts = MARK},
    {.name = "fal, direct",
     .provider = "fal",
     .rest = "fal/run",
     .key = "sk-" MARK,
     .options = "\"direct\":true,"},
    {.name = "huggingface", .provider = "huggingface", .rest = "huggingface", .key = "hf_" MARK},
    {.name = "huggingface, fal",
     .provider = "huggingface",
     .rest = "huggingface",
     .model = "fal-ai/flux/dev",
     .key = "hf_" MARK,
     .options = "\"provider\":\"fal-ai\","},
    {.name = "huggingface, together",
     .provider = "huggingface",
     .rest = "huggingface",
     .model = "black-forest-labs/FLUX.1-schnell",
     .key = "hf_" MARK,
     .options = "\"provider\":\"together\","},
    {.name = "runway", .provider = "runway", .rest = "runway", .key = "key_" MARK},
    {.name = "bfl", .provider = "bfl", .rest = "bfl/v1", .key = "sk-" MARK},
    {.name = "recraft", .provider = "recraft", .rest = "recraft/v1", .key = "recraft-" MARK},
    {.name = "ideogram", .provider = "ideogram", .rest = "ideogram", .key = "sk-" MARK},
    {.name = "ideogram, a job",
     .provider = "ideogram",
     .rest = "ideogram",
     .key = "sk-" MARK,
     .options = "\"async\":true,"},
};

/* ---- what the servers do ------------------------------------------------------------------------------- */

enum fault_flag {
    WRONG_KEY = 1,
    TWO_IMAGES = 2,
    SUCCEEDS = 4, /* at every provider */
    FAILS = 8,
    REPEATS = 16,     /* at some provider at least, what is told holds the places of secrets */
    NOBODY_ELSE = 32, /* nobody is asked for what's called "moved" */
    IN_IMAGES = 64    /* what repeats is taken for an image's bytes, which no one wipes */
};

/* <S>: all secrets; <U>: in URLs; <E>: as JSON that escapes every character; <H>: one as part of a host, if it may be that. */
typedef struct fault {
    const char *name, *script;
    int flags;
} fault;

#define ECHO  "\"echo\":{\"texts\":\"<S>\",\"urls\":\"<U>\",\"names\":\"<S>\"}"
#define AGAIN ",{\"method\":\"GET\",\"times\":-1," ECHO "},{\"times\":-1," ECHO "}"
#define IDS                                                                                                  \
    "\"headers\":{\"x-request-id\":\"<S>\",\"request-id\":\"<S>\",\"x-fal-request-id\":\"<S>\","             \
    "\"apim-request-id\":\"<S>\",\"x-amzn-requestid\":\"<S>\",\"x-requestid\":\"<S>\","                      \
    "\"x-amzn-errortype\":\"<S>\",\"x-fal-error-type\":\"<S>\",\"WWW-Authenticate\":\"<S>\","                \
    "\"Server\":\"<S>\",\"Set-Cookie\":\"s=<S>\",\"Warning\":\"<S>\"}"
#define BODY(status, body) "[{\"status\":" #status ",\"times\":-1,\"body\":" body "}]"

static const fault faults[] = {
    {"success", "[]", SUCCEEDS},
    {"a wrong key is repeated", "[]", WRONG_KEY | FAILS | REPEATS},
    {"a success that repeats everything", "[{" ECHO "}" AGAIN "]", REPEATS},
    {"a success that repeats names and sentences",
     "[{\"times\":-1,\"echo\":{\"texts\":\"<S>\",\"names\":\"<S>\"}}]", REPEATS},
    {"header lines that repeat", "[{\"times\":-1," IDS "}]", SUCCEEDS | REPEATS},
    {"header lines of a refusal", "[{\"times\":-1,\"status\":400," IDS "}]", FAILS | REPEATS},
    {"header lines of a breakdown", "[{\"times\":-1,\"status\":500," IDS "}]", FAILS | REPEATS},

    {"error.message and error.code",
     BODY(400, "{\"error\":{\"message\":\"for <S>.\",\"type\":\"<S>\",\"param\":\"<S>\",\"code\":\"<S>\"}}"),
     FAILS | REPEATS},
    {"error is a text", BODY(401, "{\"error\":\"for <S>.\"}"), FAILS | REPEATS},
    {"error is a list", BODY(422, "{\"error\":[\"for <S>.\",\"and <S>\"]}"), FAILS | REPEATS},
    {"detail is a text", BODY(403, "{\"detail\":\"for <S>.\",\"error_type\":\"<S>\"}"), FAILS | REPEATS},
    {"detail is an object", BODY(400, "{\"detail\":{\"error\":\"for <S>\",\"message\":\"<S>\"}}"),
     FAILS | REPEATS},
    {"detail is a list",
     BODY(422,
          "{\"detail\":[{\"loc\":[\"body\",\"<S>\"],\"msg\":\"for <S>\",\"type\":\"<S>\",\"input\":\"<S>\","
          "\"ctx\":{\"error\":\"<S>\"}}]}"),
     FAILS | REPEATS},
    {"message", BODY(404, "{\"message\":\"for <S>\",\"code\":\"<S>\",\"name\":\"<S>\"}"), FAILS | REPEATS},
    {"errors", BODY(400, "{\"id\":\"<S>\",\"name\":\"<S>\",\"errors\":[\"<S>\",{\"message\":\"<S>\"}]}"),
     FAILS | REPEATS},
    {"issues",
     BODY(400, "{\"error\":\"no\",\"docUrl\":\"http://x/<S>\",\"issues\":[{\"code\":\"<S>\","
               "\"path\":[\"<S>\"],\"message\":\"<S>\"}]}"),
     FAILS},
    {"google's details",
     BODY(400,
          "{\"error\":{\"code\":400,\"message\":\"for <S>\",\"status\":\"<S>\",\"details\":[{\"@type\":"
          "\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"<S>\",\"metadata\":{\"k\":\"<S>\"}},"
          "{\"@type\":\"type.googleapis.com/google.rpc.BadRequest\",\"fieldViolations\":[{\"field\":"
          "\"<S>\",\"description\":\"<S>\"}]}]}}"),
     FAILS | REPEATS},
    {"azure's inner error",
     BODY(400, "{\"error\":{\"message\":\"<S>\",\"code\":\"<S>\",\"inner_error\":{\"code\":\"<S>\","
               "\"content_filter_results\":{\"<S>\":{\"filtered\":true,\"severity\":\"<S>\"}}}}}"),
     FAILS | REPEATS},
    {"openrouter's metadata",
     BODY(403, "{\"error\":{\"code\":403,\"message\":\"<S>\",\"metadata\":{\"reasons\":[\"<S>\"],"
               "\"flagged_input\":\"<S>\",\"provider_name\":\"<S>\",\"raw\":\"{\\\"a\\\":\\\"<U>\\\"}\"}}}"),
     FAILS | REPEATS},
    {"replicate's problem",
     BODY(422, "{\"title\":\"<S>\",\"detail\":\"for <S>\",\"status\":422,"
               "\"invalid_fields\":[{\"type\":\"<S>\",\"field\":\"<S>\","
               "\"description\":\"<S>\"}]}"),
     FAILS | REPEATS},
    {"a list", BODY(400, "[\"for <S>\"]"), FAILS},
    {"a text", BODY(429, "\"\\\"for <S>\\\"\""), FAILS},
    {"a plain text", BODY(401, "\"wrong: <S>\""), FAILS | REPEATS},
    {"an HTML page",
     "[{\"status\":502,\"times\":-1,\"headers\":{\"Content-Type\":\"text/html\"},\"body\":"
     "\"<html><title><S></title><body>You sent <pre><S></pre></body></html>\"}]",
     FAILS | REPEATS},
    {"an error that is no JSON", BODY(500, "\"{\\\"error\\\":{\\\"message\\\":\\\"for <S>, \""),
     FAILS | REPEATS},
    {"a key in escapes",
     BODY(400, "\"{\\\"error\\\":{\\\"message\\\":\\\"for <E>\\\",\\\"code\\\":\\\"<E>\\\"}}\""),
     FAILS | REPEATS},
    {"a success in escapes",
     BODY(200, "\"{\\\"error\\\":{\\\"message\\\":\\\"for <E>\\\"},\\\"<E>\\\":\\\"<E>\\\"}\""), FAILS},

    {"a success that is no JSON", BODY(200, "\"{\\\"id\\\":\\\"<S>\\\",\\\"data\\\":[{\\\"url\\\":\\\"<S>\""),
     FAILS},
    {"a success that is HTML",
     "[{\"status\":200,\"times\":-1,\"headers\":{\"Content-Type\":\"text/html\"},\"body\":\"<html><S></"
     "html>\"}]",
     FAILS},
    {"a success that means nothing",
     BODY(200, "{\"<S>\":\"<S>\",\"message\":\"<S>\",\"detail\":\"<S>\",\"id\":\"<S>\",\"status\":\"<S>\"}"),
     FAILS},
    {"a success that is an error",
     BODY(200, "{\"success\":false,\"status\":\"<S>\",\"error\":{\"message\":\"<S>\",\"code\":\"<S>\"}}"),
     FAILS | REPEATS},
    {"a success that is a list of errors",
     BODY(200, "{\"data\":[{\"error\":\"<S>\",\"url\":\"<S>\"}],\"errors\":[\"<S>\"],\"images\":[\"<S>\"]}"),
     0},
    {"an image that is a page",
     "[{\"status\":200,\"times\":-1,\"headers\":{\"Content-Type\":\"image/png\"},\"body\":\"<html><S></"
     "html>\"}]",
     FAILS | IN_IMAGES},
    {"an event stream",
     "[{\"status\":200,\"times\":-1,\"headers\":{\"Content-Type\":\"text/event-stream\"},\"body\":"
     "\"event: <S>\\ndata: "
     "{\\\"type\\\":\\\"error\\\",\\\"error\\\":{\\\"code\\\":\\\"<S>\\\",\\\"message\\\":"
     "\\\"for <S>\\\"}}\\n\\n\"}]",
     FAILS | REPEATS},
    {"an event stream that breaks",
     "[{\"status\":200,\"times\":-1,\"headers\":{\"Content-Type\":\"text/event-stream\"},\"body\":"
     "\"event: <S>\\ndata: {\\\"type\\\":\\\"<S>\\\",\\\"b64_json\\\":\\\"<S>\"}]",
     FAILS},
    {"a reply that is cut off",
     "[{\"times\":-1,\"status\":200,\"content_length\":100000,\"body\":\"{\\\"id\\\":\\\"<S>\\\",\\\"x\\\":"
     "\\\"<S>\"}]",
     FAILS},
    {"a 302 without a way",
     "[{\"times\":-1,\"status\":302,\"headers\":{\"Location\":\"<U>\"},\"body\":\"<S>\"}]", FAILS},

    {"moderation", "[{\"moderation\":true," ECHO "}" AGAIN "]", REPEATS},
    {"moderation of some", "[{\"moderation\":\"items\"," ECHO "}" AGAIN "]", TWO_IMAGES},
    {"a job that fails", "[{\"jobs\":{\"polls\":1,\"fail\":true}," ECHO "}" AGAIN "]", REPEATS},
    {"a job that fails for that reason",
     "[{\"jobs\":{\"polls\":1,\"fail\":\"for <S>\"}},{\"method\":\"GET\",\"times\":-1}]", REPEATS},
    {"a job that fails with that code",
     "[{\"jobs\":{\"polls\":1,\"fail\":\"<U>\"}},{\"method\":\"GET\",\"times\":-1}]", REPEATS},
    {"a job that is moderated", "[{\"jobs\":{\"polls\":1,\"moderation\":true}," ECHO "}" AGAIN "]", REPEATS},
    {"a job that vanishes", "[{\"jobs\":{\"polls\":1,\"vanish\":true}," ECHO "}" AGAIN "]", 0},
    {"a job whose state is new", "[{\"jobs\":{\"polls\":2,\"unknown_state\":true}," ECHO "}" AGAIN "]", 0},
    {"a job whose result is gone",
     "[{\"jobs\":{\"polls\":1,\"result_status\":500}},{\"method\":\"GET\",\"times\":-1," ECHO "}]", 0},
    {"a job that is never done", "[{\"jobs\":{\"polls\":1000}," ECHO "}" AGAIN "]", 0},
    {"a poll that is refused",
     "[{\"jobs\":{\"polls\":3}},{\"method\":\"GET\",\"times\":-1,\"status\":403," IDS
     ",\"body\":{\"error\":{\"message\":\"for <S>\",\"code\":\"<S>\"},\"detail\":\"<S>\"}}]",
     REPEATS},
    {"a poll that is HTML",
     "[{\"jobs\":{\"polls\":3}},{\"method\":\"GET\",\"times\":-1,\"status\":200,\"body\":\"<p><S></p>\"}]",
     0},
    {"a poll that is redirected",
     "[{\"jobs\":{\"polls\":3}},{\"method\":\"GET\",\"times\":-1,\"redirect\":{\"status\":302,"
     "\"to\":\"{FILES}/f/{SESSION}/moved?told=<U>\"}}]",
     NOBODY_ELSE},
    {"a job elsewhere", "[{\"jobs\":{\"polls\":2,\"elsewhere\":true}}]", 0},
    {"a job elsewhere that repeats",
     "[{\"jobs\":{\"polls\":2,\"elsewhere\":true}," ECHO "}" AGAIN ",{\"where\":\"files\",\"times\":-1," ECHO
     "}]",
     0},
    {"a job elsewhere that is refused",
     "[{\"jobs\":{\"polls\":2,\"elsewhere\":true}},{\"where\":\"files\",\"times\":-1,\"status\":403,"
     "\"body\":{\"error\":\"for <S>\"}}]",
     0},

    {"the call is redirected",
     "[{\"times\":-1,\"redirect\":{\"status\":307,\"to\":\"{FILES}/f/{SESSION}/moved\"}}]",
     FAILS | NOBODY_ELSE},
    {"the call is redirected for good",
     "[{\"times\":-1,\"redirect\":{\"status\":308,\"to\":\"http://localhost:1/<U>\"}}]", FAILS | NOBODY_ELSE},
    {"the call is redirected to a page",
     "[{\"times\":-1,\"redirect\":{\"status\":303,\"to\":\"{FILES}/f/{SESSION}/static/moved/"
     "8x8.png?told=<U>\"}}]",
     FAILS | NOBODY_ELSE},
    {"a result elsewhere", "[{\"times\":-1,\"image_result\":{\"url\":true}}]", SUCCEEDS},
    {"a result that is redirected",
     "[{\"image_result\":{\"url\":true}},{\"where\":\"files\",\"redirect\":{\"status\":302,"
     "\"to\":\"/f/{SESSION}/static/8x8.png?told=<U>\"}},{\"where\":\"files\",\"redirect\":{\"status\":307,"
     "\"to\":\"{API}/f/{SESSION}/static/8x8.png?told=<U>\"}}]",
     SUCCEEDS},
    {"a result that is forbidden",
     "[{\"image_result\":{\"url\":true}},{\"where\":\"files\",\"times\":-1,\"status\":403,"
     "\"body\":\"<Error><Code>AccessDenied</Code><Sent><S></Sent></Error>\"}]",
     0},
    {"a result that is a page",
     "[{\"image_result\":{\"url\":true}},{\"where\":\"files\",\"times\":-1,\"status\":200,\"body\":\"<html><"
     "S>\"}]",
     IN_IMAGES},
    {"a result at the API",
     "[{\"times\":-1,\"image_result\":{\"url_text\":\"{API}/f/{SESSION}/static/8x8.png?told=<U>\"}}]", 0},
    {"a result whose host repeats",
     "[{\"times\":-1,\"image_result\":{\"url_text\":\"http://a<H>.localhost:1/x\"}}]", 0},
    {"a result whose URL is none", "[{\"times\":-1,\"image_result\":{\"url_text\":\"<S>\"}}]", 0},

    {"some images are missing", "[{\"drop_items\":1," ECHO "}" AGAIN "]", TWO_IMAGES},
    {"the second call is refused",
     "[{},{\"method\":\"POST\",\"times\":-1,\"status\":400,\"body\":{\"error\":{\"message\":\"for <S>\","
     "\"code\":\"<S>\"},\"detail\":\"<S>\"}}]",
     TWO_IMAGES},
    {"the second image is forbidden",
     "[{\"image_result\":{\"url\":true},\"times\":2},{\"where\":\"files\"},{\"where\":\"files\",\"times\":-1,"
     "\"status\":403,\"body\":\"<S>\"}]",
     TWO_IMAGES},
};

/* ---- searching ----------------------------------------------------------------------------------------- */

static struct {
    const variant *variant;
    const fault *fault;
    int stars; /* places that something was taken from */
} now;

static void found(const char *what, const char *bytes, size_t size, size_t at) {
    size_t begin = at > 40 ? at - 40 : 0;
    fail_msg("%s, %s: %s holds a secret: ...%.*s", now.variant ? now.variant->name : "",
             now.fault ? now.fault->name : "", what, (int)(size - begin > 120 ? 120 : size - begin),
             bytes + begin);
}

/* What `mark` looks like within base64, where it begins at the first, second or third byte of a group. */
static void base64_face(const char *mark, size_t shift, char *face) {
    char bytes[3 + 32] = "\0\0", text[64];
    size_t size = shift + strlen(mark), begin = (shift * 8 + 5) / 6, end = size * 8 / 6;
    memcpy(bytes + shift, mark, strlen(mark));
    (void)tarimg_base64_encode((const unsigned char *)bytes, size, text);
    memcpy(face, text + begin, end - begin);
    face[end - begin] = '\0';
}

#define FACES_PER_MARK (sizeof MARK - 1 - WINDOW + 1 + 3)

static char faces[COUNT(marks) * FACES_PER_MARK][64];
static unsigned char face_begins[256];

static void prepare_faces(void) {
    size_t i, j, n = 0;
    for (i = 0; i < COUNT(marks); i++) {
        for (j = 0; j + WINDOW <= strlen(marks[i]); j++)
            snprintf(faces[n++], sizeof faces[0], "%.*s", WINDOW, marks[i] + j);
        for (j = 0; j < 3; j++) base64_face(marks[i], j, faces[n++]);
    }
    assert(n == COUNT(faces));
    for (i = 0; i < n; i++) face_begins[(unsigned char)faces[i][0]] = 1;
}

static void search_bytes(const char *what, const void *data, size_t size) {
    const char *bytes = (const char *)data;
    size_t i, k;
    for (i = 0; i + WINDOW <= size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '*' && memcmp(bytes + i, "********", WINDOW) == 0) now.stars++;
        if (!face_begins[c]) continue;
        for (k = 0; k < COUNT(faces); k++) {
            size_t length = strlen(faces[k]);
            if (length <= size - i && memcmp(bytes + i, faces[k], length) == 0) found(what, bytes, size, i);
        }
    }
}

static void search_text(const char *what, const char *text) {
    if (text) search_bytes(what, text, strlen(text));
}

static void search_token(const char *what, const char *token) {
    char decoded[8192];
    size_t written = 0;
    tarimg_base64 state;
    int rest;
    if (!token || !*token) return;
    search_text(what, token);
    assert_true(strlen(token) < sizeof decoded);
    memset(&state, 0, sizeof state);
    (void)tarimg_base64_decode(&state, strchr(token, '.') + 1, strlen(strchr(token, '.') + 1),
                               (unsigned char *)decoded, &written);
    rest = tarimg_base64_finish(&state, (unsigned char *)decoded + written);
    assert_true(rest >= 0);
    search_bytes(what, decoded, written + (size_t)rest);
}

static void search_error(const tarash_image_error *error) {
    search_text("error.message", error->message);
    search_text("error.provider_code", error->provider_code);
    search_text("error.request_id", error->request_id);
    search_text("error.provider", error->provider);
    search_text("error.model", error->model);
    search_token("error.job_token", error->job_token);
    search_bytes("the bytes of an error", error, sizeof *error);
}

static void search_image(const tarash_image *image) {
    search_text("images[].url", image->url);
    search_text("images[].base64", image->base64);
    search_text("images[].path", image->path);
    search_text("images[].mime_type", image->mime_type);
    search_text("images[].revised_prompt", image->revised_prompt);
    if (image->data) search_bytes("images[].data", image->data, image->size);
}

static void search_response(const tarash_image_response *r) {
    size_t i;
    search_text("request_id", r->request_id);
    search_text("provider_request_id", r->provider_request_id);
    search_text("provider", r->provider);
    search_text("model", r->model);
    search_text("raw_response", r->raw_response);
    search_text("provider_metadata", r->provider_metadata);
    search_token("job_token", r->job_token);
    search_error(&r->error);
    for (i = 0; i < r->image_count; i++) search_image(&r->images[i]);
    for (i = 0; i < r->warning_count; i++) {
        search_text("warnings[].field", r->warnings[i].field);
        search_text("warnings[].asked", r->warnings[i].asked);
        search_text("warnings[].sent", r->warnings[i].sent);
        search_text("warnings[].why", r->warnings[i].why);
        search_text("warnings[].provider", r->warnings[i].provider);
    }
    for (i = 0; i < r->attempt_count; i++) {
        search_text("attempts[].message", r->attempts[i].message);
        search_text("attempts[].request_id", r->attempts[i].request_id);
        search_text("attempts[].provider", r->attempts[i].provider);
        search_text("attempts[].model", r->attempts[i].model);
    }
}

static void search_update(const tarash_image_update *update) {
    search_text("update.message", update->message);
    search_text("update.provider", update->provider);
    search_text("update.model", update->model);
    if (update->partial_image) search_image(update->partial_image);
    if (update->response) search_response(update->response);
    if (update->error) search_error(update->error);
}

static void on_progress(const tarash_image_update *update, void *user_data) {
    (void)user_data;
    search_update(update);
}

/* Names and contents of a folder's files, which are gone afterwards. */
static void search_folder(const char *path) {
    struct dirent *entry;
    DIR *folder = opendir(path);
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        char file[1400];
        size_t size;
        void *bytes;
        if (entry->d_name[0] == '.' && (!entry->d_name[1] || entry->d_name[1] == '.')) continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        search_text("a file's name", entry->d_name);
        bytes = read_whole_file(file, &size);
        if (bytes) search_bytes("a file", bytes, size);
        free(bytes);
        assert_int_equal(remove(file), 0);
    }
    closedir(folder);
}

/* All that went to anybody but the API. */
static void search_foreign(const cJSON *log) {
    const cJSON *entry;
    cJSON_ArrayForEach(entry, log) {
        char *text;
        if (strcmp(log_text(entry, "kind"), "api") == 0) continue;
        text = cJSON_PrintUnformatted(entry);
        search_text("a request to a foreign origin", text);
        cJSON_free(text);
        if (log_header(entry, "authorization") || log_header(entry, "x-plain"))
            fail_msg("%s, %s: headers went elsewhere", now.variant->name, now.fault->name);
    }
    if ((now.fault->flags & NOBODY_ELSE) && log_count(log, NULL, "moved"))
        fail_msg("%s, %s: a redirect was followed", now.variant->name, now.fault->name);
}

/* ---- one call ------------------------------------------------------------------------------------------ */

typedef enum output_mode { TO_MEMORY, TO_FILES, AS_URL, AS_BASE64, OUTPUT_MODES } output_mode;

typedef struct call {
    char session[64], url[320], options[512], key[256], told[1024], folder[1200], pattern[1400];
    tarash_image_header headers[3];
    counting_allocator memory;
    log_collector lines;
    tarash_image_client *client;
    tarash_image_config config;
    tarash_image_request request;
    tarash_image_sink sink;
    tarash_image_response response;
} call;

/* All secrets of the call, as somebody may repeat them. */
static void tell_all(call *c, const variant *v) {
    snprintf(c->told, sizeof c->told, "%s,%s%s%s", c->key, v->parts ? v->parts : "", v->parts ? "," : "",
             OTHERS);
}

static void wrong_key(const variant *v, char *key, size_t size) {
    if (v->wrong_key)
        snprintf(key, size, "%s", v->wrong_key);
    else
        snprintf(key, size, "%.*sbad%s", (int)(strlen(v->key) - strlen(MARK)), v->key, MARK);
}

static void call_open(call *c, const variant *v, int flags, output_mode mode) {
    tarash_image_client_desc desc;
    memset(c, 0, sizeof *c);
    memset(&desc, 0, sizeof desc);
    snprintf(c->session, sizeof c->session, "everywhere");
    assert_int_equal(control_reset(c->session), 0);
    server_api_url(c->url, sizeof c->url, c->session, v->rest);
    snprintf(c->key, sizeof c->key, "%s", v->key);
    if (flags & WRONG_KEY) wrong_key(v, c->key, sizeof c->key);
    tell_all(c, v);
    snprintf(c->options, sizeof c->options, "{%s\"api_key\":\"cfg-" OPTION_MARK "\"}",
             v->options ? v->options : "");
    c->headers[0].name = "X-Api-Token";
    c->headers[0].value = "hdr-" HEADER_MARK;
    c->headers[1].name = "Cookie";
    c->headers[1].value = "session ck-" COOKIE_MARK;
    c->headers[2].name = "X-Plain";
    c->headers[2].value = "for the API only";
    c->config.provider = v->provider;
    c->config.model = v->model;
    c->config.api_key = c->key;
    c->config.base_url = c->url;
    c->config.api_version = v->version;
    c->config.provider_config = c->options;
    c->config.headers = c->headers;
    c->config.header_count = COUNT(c->headers);
    c->config.timeout_ms = 20000;
    c->config.poll_interval_ms = 1;
    c->config.max_poll_attempts = 8;
    c->config.max_retries = TARASH_IMAGE_NO_RETRIES;
    c->config.retry.initial_ms = 1;
    c->request.prompt = "a lighthouse in fog";
    c->request.n = flags & TWO_IMAGES ? 2 : 1;
    c->request.partial_images = v->partial_images;
    c->request.on_progress = on_progress;
    temporary_path(c->folder, sizeof c->folder, "images");
    snprintf(c->pattern, sizeof c->pattern, "%s/picture-{index}.{ext}", c->folder);
    c->sink.path = c->pattern;
    if (mode == TO_FILES) c->request.sink = &c->sink;
    if (mode == AS_URL) c->request.output = TARASH_IMAGE_OUTPUT_URL;
    if (mode == AS_BASE64) c->request.output = TARASH_IMAGE_OUTPUT_BASE64;
    c->memory.secret = flags & IN_IMAGES ? NULL : MARK;
    desc.allocator = counting_allocator_functions(&c->memory);
    desc.logger = log_collector_functions(&c->lines, TARASH_IMAGE_LOG_DEBUG);
    desc.proxy = "";
    c->client = tarash_image_client_create(&desc);
    assert_non_null(c->client);
}

/* Puts the secrets into the places of a script. */
static void call_script(const call *c, const char *script) {
    static char filled[65536];
    const char *secret = now.variant->parts ? now.variant->parts : c->key;
    char escaped[sizeof c->told * 7 + 1], host[56];
    size_t size = 0, i;
    for (i = 0; c->told[i]; i++) snprintf(escaped + 7 * i, 8, "\\\\u00%02x", (unsigned)c->told[i]);
    i = strspn(secret, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    snprintf(host, sizeof host, "%.*s", secret[i] && secret[i] != ',' ? 0 : (int)(i < 55 ? i : 55), secret);
    while (*script) {
        const char *with = strncmp(script, "<S>", 3) == 0   ? c->told
                           : strncmp(script, "<U>", 3) == 0 ? c->told
                           : strncmp(script, "<E>", 3) == 0 ? escaped
                           : strncmp(script, "<H>", 3) == 0 ? host
                                                            : NULL;
        assert_true(size + sizeof escaped < sizeof filled);
        if (with)
            size += (size_t)snprintf(filled + size, sizeof filled - size, "%s", with);
        else
            filled[size++] = *script;
        script += with ? 3 : 1;
    }
    filled[size] = '\0';
    assert_int_equal(control_script(c->session, filled), 0);
}

static void search_job_token(call *c, tarash_image_job job) {
    tarash_image_text token;
    (void)tarash_image_job_token(c->client, job, &token);
    search_token("the token", token.data);
    search_error(&token.error);
    tarash_image_text_free(&token);
}

/* To its end, searching what is told on the way. */
static tarash_image_result call_finish(call *c, tarash_image_job job) {
    tarash_image_update update;
    assert_int_not_equal(job.id, 0);
    while (tarash_image_poll(c->client, 50) > 0) {
        (void)tarash_image_job_status(c->client, job, &update);
        search_update(&update);
        search_job_token(c, job);
    }
    (void)tarash_image_job_status(c->client, job, &update);
    search_update(&update);
    tarash_image_response_free(&c->response);
    (void)tarash_image_take(c->client, job, &c->response);
    search_response(&c->response);
    return c->response.error.result;
}

static void call_close(call *c) {
    tarash_image_response_free(&c->response);
    tarash_image_client_destroy(c->client);
    search_text("a log line", c->lines.text);
    log_collector_clear(&c->lines);
    search_folder(c->folder);
    assert_int_equal(c->memory.live_blocks, 0);
    if (c->memory.secrets_found)
        fail_msg("%s, %s: %d blocks were given back with the key in them", now.variant->name,
                 now.fault ? now.fault->name : "", (int)c->memory.secrets_found);
}

/* What the provider still has is fetched, from servers that behave. */
static void resume(call *c) {
    char token[4096];
    if (!c->response.job_token || strlen(c->response.job_token) >= sizeof token) return;
    snprintf(token, sizeof token, "%s", c->response.job_token);
    assert_int_equal(control_script(c->session, "[]"), 0);
    c->config.max_poll_attempts = 2;
    (void)call_finish(c, tarash_image_resume_with(c->client, &c->config, &c->request, token));
}

static void check_outcome(const call *c, tarash_image_result result) {
    const char *who = now.variant->name, *what = now.fault->name;
    if ((now.fault->flags & SUCCEEDS) && result != TARASH_IMAGE_OK)
        fail_msg("%s, %s: %s", who, what, c->response.error.message);
    if ((now.fault->flags & FAILS) && result == TARASH_IMAGE_OK) fail_msg("%s, %s: succeeded", who, what);
    if (result != TARASH_IMAGE_OK && !c->response.error.message[0]) fail_msg("%s, %s: no words", who, what);
}

static void one_call(output_mode mode) {
    call c;
    cJSON *log;
    call_open(&c, now.variant, now.fault->flags, mode);
    call_script(&c, now.fault->script);
    check_outcome(&c, call_finish(&c, tarash_image_submit(c.client, &c.config, &c.request)));
    log = control_log(c.session);
    search_foreign(log);
    /* The search means something only if the secrets were sent at all. */
    assert_true(log_contains(log, "hdr-" HEADER_MARK));
    cJSON_Delete(log);
    resume(&c);
    log = control_log(c.session);
    search_foreign(log);
    cJSON_Delete(log);
    call_close(&c);
}

/* ---- tests --------------------------------------------------------------------------------------------- */

/* A fault at every provider, the ways of output in turn; the first ones in all ways. */
static void a_fault_everywhere(void **state) {
    size_t number, i;
    int mode;
    now.fault = (const fault *)*state;
    number = (size_t)(now.fault - faults);
    now.stars = 0;
    for (i = 0; i < COUNT(variants); i++) {
        now.variant = &variants[i];
        for (mode = 0; mode < OUTPUT_MODES; mode++) {
            if (number < 3 || (size_t)mode == (number + i) % OUTPUT_MODES) one_call((output_mode)mode);
        }
    }
    if ((now.fault->flags & REPEATS) && !now.stars) fail_msg("nobody repeated anything");
    now.variant = NULL;
    now.fault = NULL;
}

static void every_row_has_a_variant(void **state) {
    size_t count, i, k;
    const tarash_image_provider_info *rows = tarash_image_providers(&count);
    (void)state;
    for (i = 0; i < count; i++) {
        for (k = 0; k < COUNT(variants) && strcmp(variants[k].provider, rows[i].name) != 0; k++) continue;
        if (k == COUNT(variants) && strcmp(rows[i].name, "mock") != 0)
            fail_msg("%s isn't tested here", rows[i].name);
    }
}

/* The search itself. */
static void searching_finds(void **state) {
    static const char *const carriers[] = {
        "x 7e57c0de", "2e7f00d9a", "cGFpbnRlcjo3ZTU3YzBkZTVlYzJlN2YwMGQ5YQ==", "N2U1N2MwZGU1ZWMyZTdmMDBkOWE",
        "a0b5e55ed2f"};
    size_t i, k, n;
    (void)state;
    for (i = 0; i < COUNT(carriers); i++) {
        for (k = n = 0; k < COUNT(faces); k++) n += strstr(carriers[i], faces[k]) != NULL;
        if (!n) fail_msg("nothing is found in %s", carriers[i]);
    }
}

static void plans(void **state) {
    size_t i;
    int strict;
    (void)state;
    for (i = 0; i < 2 * COUNT(variants); i++) {
        call c;
        tarash_image_text text;
        now.variant = &variants[i / 2];
        strict = (int)(i % 2);
        call_open(&c, now.variant, 0, TO_MEMORY);
        if (!strchr(c.url, '?')) strcat(c.url, "?subscription-key=qs-" QUERY_MARK);
        c.request.strict = strict;
        (void)tarash_image_plan(c.client, &c.config, &c.request, &text);
        if (!strict && !text.data) fail_msg("%s: %s", now.variant->name, text.error.message);
        if (!strict && (!strstr(text.data, "X-Api-Token") || !strstr(text.data, "for the API only")))
            fail_msg("%s: the plan lacks headers: %s", now.variant->name, text.data);
        search_text("the plan", text.data);
        search_error(&text.error);
        tarash_image_text_free(&text);
        call_close(&c);
    }
    now.variant = NULL;
}

/* A key in a field that isn't meant for it is in no message about that field. */
static void keys_in_wrong_fields(void **state) {
    size_t i, k;
    (void)state;
    for (i = 0; i < COUNT(variants); i++) {
        for (k = 0; k < 17; k++) {
            call c;
            tarash_image_input input;
            const char *key;
            memset(&input, 0, sizeof input);
            now.variant = &variants[i];
            call_open(&c, now.variant, 0, TO_MEMORY);
            c.memory.secret = NULL; /* only a key in its place is known to be wiped */
            key = c.key;
            switch (k) {
            case 0: c.request.size = key; break;
            case 1: c.request.quality = key; break;
            case 2: c.request.style = key; break;
            case 3: c.request.output_format = key; break;
            case 4: c.request.background = key; break;
            case 5: c.request.aspect_ratio = key; break;
            case 6: c.request.user = key; break;
            case 7: c.config.api_version = key; break;
            case 8: c.request.extra_params = key; break;
            case 9: c.config.provider_config = key; break;
            case 10: c.config.base_url = key; break;
            case 11: c.request.negative_prompt = key; break;
            case 12: c.config.provider = key; break;
            case 13: snprintf(c.options, sizeof c.options, "{\"operation\":\"%s\"}", key); break;
            case 14: snprintf(c.options, sizeof c.options, "{\"%s\":\"\\u0001\"}", key); break;
            case 15: c.request.output_format = c.request.prompt = key; break;
            case 16: input.path = key; break;
            }
            if (k == 16) {
                c.request.images = &input;
                c.request.image_count = 1;
            }
            c.request.strict = 1;
            (void)call_finish(&c, tarash_image_submit(c.client, &c.config, &c.request));
            c.request.strict = 0;
            if (k != 10) (void)call_finish(&c, tarash_image_submit(c.client, &c.config, &c.request));
            call_close(&c);
        }
    }
    now.variant = NULL;
}

/* Wherever a text is cut: the beginning of a key at its end is a secret, too. */
static void keys_at_the_cut(void **state) {
    static const size_t cuts[] = {96, 440, 512, TARIMG_PLAIN_SIZE};
    static const char *const frames[] = {
        "[{\"times\":-1,\"status\":400,\"body\":{\"error\":{\"message\":\"%s%s\"}}}]",
        "[{\"times\":-1,\"status\":400,\"body\":{\"error\":{\"code\":\"%s%s\"}}}]",
        "[{\"times\":-1,\"status\":500,\"body\":\"%s%s\"}]",
        "[{\"times\":-1,\"status\":500,\"headers\":{\"x-request-id\":\"%s%s\"}}]",
        "[{\"times\":-1,\"status\":200,\"body\":{\"error\":{\"message\":\"%s%s\"}}}]"};
    char filler[2048], script[4096];
    size_t row, i, k, shift;
    (void)state;
    for (row = 0; row < COUNT(variants); row += 6) {
        now.variant = &variants[row];
        for (i = 0; i < COUNT(cuts); i++) {
            for (k = 0; k < COUNT(frames); k++) {
                /* The text begins with a word or two of the library's own. */
                for (shift = 0; shift < 63; shift += 9) {
                    call c;
                    size_t size = cuts[i] - shift;
                    call_open(&c, now.variant, 0, TO_MEMORY);
                    memset(filler, 'x', size);
                    filler[size] = '\0';
                    snprintf(script, sizeof script, frames[k], filler, c.key);
                    assert_int_equal(control_script(c.session, script), 0);
                    (void)call_finish(&c, tarash_image_submit(c.client, &c.config, &c.request));
                    call_close(&c);
                }
            }
        }
    }
    now.variant = NULL;
}

/* ---- the tool ------------------------------------------------------------------------------------------ */

/* Runs the tool with these arguments and searches all that it prints. Returns its exit status. */
static int search_tool(const call *c, const variant *v, const char *const *more, int expects_output) {
    const char *arguments[64];
    char key_file[1200], output[1200], header[128], cookie[128];
    int count = 0, status = 0;
    size_t size = 0;
    void *text;
    pid_t child;
    temporary_path(key_file, sizeof key_file, "key");
    temporary_path(output, sizeof output, "output");
    snprintf(header, sizeof header, "X-Api-Token: %s", c->headers[0].value);
    snprintf(cookie, sizeof cookie, "Cookie: %s", c->headers[1].value);
    assert_int_equal(write_whole_file(key_file, c->key, strlen(c->key)), 0);
    arguments[count++] = "tarash-image";
    arguments[count++] = "--provider";
    arguments[count++] = v->provider;
    arguments[count++] = "--base-url";
    arguments[count++] = c->url;
    if (v->model) {
        arguments[count++] = "--model";
        arguments[count++] = v->model;
    }
    arguments[count++] = "--api-key-file";
    arguments[count++] = key_file;
    arguments[count++] = "--provider-config";
    arguments[count++] = c->options;
    arguments[count++] = "--header";
    arguments[count++] = header;
    arguments[count++] = "--header";
    arguments[count++] = cookie;
    arguments[count++] = "--poll-interval";
    arguments[count++] = "0.001";
    arguments[count++] = "--max-retries";
    arguments[count++] = "0";
    arguments[count++] = "--max-poll-attempts";
    arguments[count++] = "4";
    arguments[count++] = "--timeout"; /* of the waits between polls that fail, which it has no option for */
    arguments[count++] = "1.2";
    arguments[count++] = "--verbose";
    arguments[count++] = "-o";
    arguments[count++] = c->pattern;
    while (*more) arguments[count++] = *more++;
    arguments[count] = NULL;
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int to = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(to, 1);
        dup2(to, 2);
        exit(tool_main(count, (char **)(uintptr_t)arguments));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    text = read_whole_file(output, &size);
    assert_non_null(text);
    if (expects_output) assert_true(size > 20);
    search_bytes("the tool's output", text, size);
    free(text);
    search_folder(c->folder);
    return WEXITSTATUS(status);
}

static void the_tool_prints_none(void **state) {
    static const char *const which[] = {"openai",    "automatic1111", "bedrock, signed with a session",
                                        "replicate", "fal",           "google"};
    static const char *const generate[] = {"--json", "-n", "2", "a lighthouse in fog", NULL},
                             *const plan[] = {"--plan", "a lighthouse in fog", NULL},
                             *const strict[] = {"--json", "--strict", "a lighthouse in fog", NULL},
                             *const plain[] = {"a lighthouse in fog", NULL};
    size_t i, k, f;
    (void)state;
    for (i = 0; i < COUNT(which); i++) {
        call c;
        for (k = 0; strcmp(variants[k].name, which[i]) != 0; k++) assert_true(k + 1 < COUNT(variants));
        now.variant = &variants[k];
        call_open(&c, now.variant, 0, TO_FILES);
        assert_int_equal(search_tool(&c, now.variant, plan, 1), 0);
        assert_int_equal(search_tool(&c, now.variant, strict, 1), EXIT_USAGE); /* provider_config.api_key */
        for (f = 0; f < COUNT(faults); f++) {
            if (f % 3 && f > 8) continue;
            now.fault = &faults[f];
            wrong_key(now.variant, c.key, sizeof c.key);
            if (!(now.fault->flags & WRONG_KEY)) snprintf(c.key, sizeof c.key, "%s", now.variant->key);
            call_script(&c, now.fault->script);
            k = (size_t)search_tool(&c, now.variant, f % 2 ? plain : generate, 1);
            if ((now.fault->flags & SUCCEEDS) && k != 0)
                fail_msg("%s, %s: the tool ends with %d", now.variant->name, now.fault->name, (int)k);
            if ((now.fault->flags & FAILS) && k == 0)
                fail_msg("%s, %s: the tool ends well", now.variant->name, now.fault->name);
        }
        now.fault = NULL;
        snprintf(c.key, sizeof c.key, "%s", now.variant->key);
        call_close(&c);
    }
    now.variant = NULL;
}

/* No setting of the machine's may change what is sent. */
static void unset_listed(const char *list) {
    char name[64];
    while (list && *list) {
        size_t length = strcspn(list, ",=+?");
        snprintf(name, sizeof name, "%.*s", (int)length, list);
        unsetenv(name);
        list += length + (list[length] != '\0');
    }
}

static void unset_variables(void) {
    size_t count, i;
    const tarash_image_provider_info *rows = tarash_image_providers(&count);
    for (i = 0; i < count; i++) {
        unset_listed(rows[i].base_url_variable);
        unset_listed(rows[i].key_variables);
        unset_listed(rows[i].option_variables);
    }
    unset_listed("http_proxy,HTTP_PROXY,https_proxy,HTTPS_PROXY,all_proxy,ALL_PROXY");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_a_variant),
        cmocka_unit_test(searching_finds),
        cmocka_unit_test(plans),
        cmocka_unit_test(keys_in_wrong_fields),
        cmocka_unit_test(keys_at_the_cut),
        cmocka_unit_test(the_tool_prints_none),
    };
    struct CMUnitTest of_faults[COUNT(faults)];
    char folder[1200];
    size_t i;
    int failed;
    memset(of_faults, 0, sizeof of_faults);
    for (i = 0; i < COUNT(faults); i++) {
        of_faults[i].name = faults[i].name;
        of_faults[i].test_func = a_fault_everywhere;
        of_faults[i].initial_state = (void *)(uintptr_t)&faults[i];
    }
    prepare_faces();
    unset_variables();
    if (server_start() != 0) return 1;
    if (mkdir(temporary_path(folder, sizeof folder, "images"), 0700) != 0) return 1;
    failed = cmocka_run_group_tests_name("secrets", tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("faults", of_faults, NULL, NULL);
    server_stop();
    return failed != 0;
}
