/* tarash-image.c - images from AI providers, from the command line. `tarash-image --help` says how.

   Build it in the root of the project with `make`, or by hand:  cc -I. examples/tarash-image.c -lcurl

   Keys come from the environment or from --api-key-file, never from an argument: arguments are visible to
   every user of the machine and stay in the shell's history. */

#if !defined(_WIN32) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L /* sigaction, isatty, access, stat */
#endif
#define TARASH_IMAGE_IMPLEMENTATION
#include "tarash_image.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#define STDERR_IS_TERMINAL() (_isatty(_fileno(stderr)) != 0)
#define MAY_WRITE_IN(path)   (_access(path, 2) == 0)
#define IS_DIRECTORY(mode)   (((mode)&_S_IFDIR) != 0)
#else
#include <unistd.h>
#define STDERR_IS_TERMINAL() (isatty(STDERR_FILENO) != 0)
#define MAY_WRITE_IN(path)   (access(path, W_OK | X_OK) == 0)
#define IS_DIRECTORY(mode)   S_ISDIR(mode)
#endif

#if defined(__GNUC__) || defined(__clang__)
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define PRINTF_LIKE(text, first)
#endif

#define DEFAULT_PATTERN "tarash-{index}.{ext}"
#define MAX_KEY_FILE    (64 * 1024)

/* What the library takes at most. */
#define MAX_IMAGES        64
#define MAX_RETRIES       100
#define MAX_POLL_ATTEMPTS 1000000
#define MAX_MILLISECONDS  2000000000

enum exit_status { /* the ones that --help lists */
                   EXIT_DONE = 0,
                   EXIT_USAGE = 2,
                   EXIT_MODERATION = 3,
                   EXIT_ACCOUNT = 4,
                   EXIT_NETWORK = 5,
                   EXIT_PROVIDER = 6,
                   EXIT_LOCAL = 7,
                   EXIT_CANCELLED = 130
};

enum mode { MODE_GENERATE, MODE_HELP, MODE_VERSION, MODE_PROVIDERS, MODE_MODELS };

/* A growing array of any type: `items` is a pointer of that type. */
#define GROW(items, count)                                                                                   \
    ((items) = grow((items), sizeof *(items), (count)), memset(&(items)[count], 0, sizeof *(items)),         \
     &(items)[(count)++])

typedef struct tool {
    enum mode mode;
    tarash_image_config config; /* the first link */
    tarash_image_request request;
    tarash_image_client_desc desc;

    /* As given, before prepare() puts them where they belong. */
    const char *prompt, *pattern, *key_file, *resume;
    int output, on_unknown, max_retries;
    int json, plan, quiet, verbose;
    tarash_image_config *fallbacks;
    size_t fallback_count;
    tarash_image_input *images;
    size_t image_count;
    tarash_image_header *headers;
    size_t header_count;

    int mocked, mock_weighted;
    tarash_image_mock mock, fallback_mock;
    tarash_image_mock_polling polling;
    tarash_image_mock_response *outcomes;
    size_t outcome_count;

    tarash_image_sink sink;
    int stdout_begun; /* bytes of an image went to standard output: it can't be begun again */

    tarash_image_result failure; /* the first error found in the command line */
    char *failure_message;

    int show_progress;
    size_t progress_width; /* of the line that stands on the terminal */
    char *key;
    char **texts; /* everything that keep() made */
    size_t text_count;
    char **paths; /* where images without a sink were saved, one per image, or NULL */
    size_t path_count;
} tool;

/* ---- memory, text, numbers ------------------------------------------------------------------------------
 */

static void *allocate(void *old, size_t size) {
    void *memory = realloc(old, size);
    if (!memory) {
        fputs("tarash-image: out of memory\n", stderr);
        exit(EXIT_LOCAL);
    }
    return memory;
}

static void *grow(void *items, size_t size, size_t count) {
    if (count != 0 && (count & (count - 1)) != 0) return items; /* full only at powers of two */
    return allocate(items, (count ? count * 2 : 1) * size);
}

/* Room for a text that lives as long as the tool. */
static char *room(tool *t, size_t length) {
    char *text = (char *)allocate(NULL, length + 1);
    *GROW(t->texts, t->text_count) = text;
    return text;
}

static char *keep(tool *t, const char *text, size_t length) {
    char *copy = room(t, length);
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

/* Notes what is wrong with the command line; the first error wins. */
static int PRINTF_LIKE(3, 4) refuse(tool *t, tarash_image_result result, const char *format, ...) {
    va_list arguments;
    int length;
    if (t->failure != TARASH_IMAGE_OK) return 0;
    va_start(arguments, format);
    length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    t->failure_message = (char *)allocate(NULL, length < 0 ? 1 : (size_t)length + 1);
    t->failure_message[0] = '\0';
    va_start(arguments, format);
    if (length > 0) vsnprintf(t->failure_message, (size_t)length + 1, format, arguments);
    va_end(arguments);
    t->failure = result;
    return 0;
}

static int starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

static int to_lower(int c) {
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

/* Are the `length` bytes at `text` that word, in upper or lower case? */
static int is_word(const char *text, size_t length, const char *word) {
    size_t i;
    for (i = 0; i < length && word[i]; i++)
        if (to_lower((unsigned char)text[i]) != to_lower((unsigned char)word[i])) return 0;
    return i == length && word[i] == '\0';
}

/* A whole number and nothing else; 0 if it isn't one or is out of range. */
static int parse_integer(const char *text, size_t length, int64_t min, int64_t max, int64_t *out) {
    size_t i = 0;
    int negative = length > 0 && text[0] == '-';
    uint64_t value = 0, limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    if (negative) i++;
    if (i == length) return 0;
    for (; i < length; i++) {
        unsigned digit = (unsigned)(text[i] - '0');
        if (text[i] < '0' || text[i] > '9' || value > (limit - digit) / 10) return 0;
        value = value * 10 + digit;
    }
    if (negative && value > 0)
        *out = -(int64_t)(value - 1) - 1;
    else
        *out = (int64_t)value;
    return *out >= min && *out <= max;
}

/* A decimal such as "1.5", in thousandths, further digits being dropped. No locale has a say in it. */
static int parse_thousandths(const char *text, size_t length, int64_t max, int64_t *out) {
    size_t i;
    int64_t value = 0;
    int digits = 0, decimals = -1; /* -1: before the point */
    for (i = 0; i < length; i++) {
        if (text[i] == '.' && decimals < 0) {
            decimals = 0;
            continue;
        }
        if (text[i] < '0' || text[i] > '9') return 0;
        digits++;
        if (decimals >= 3) continue;
        if (decimals >= 0) decimals++;
        value = value * 10 + (text[i] - '0');
        if (value > max) return 0;
    }
    for (decimals = decimals < 0 ? 0 : decimals; decimals < 3; decimals++)
        if ((value *= 10) > max) return 0;
    *out = value;
    return digits > 0;
}

/* The length of the valid UTF-8 sequence at `text`, 0 if there is none. */
static size_t utf8_length(const char *text) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *)text;
    size_t i, length = bytes[0] < 0x80   ? 1
                       : bytes[0] < 0xC2 ? 0
                       : bytes[0] < 0xE0 ? 2
                       : bytes[0] < 0xF0 ? 3
                                         : 4;
    uint32_t code = bytes[0];
    if (length <= 1) return length;
    if (bytes[0] > 0xF4) return 0;
    code &= 0xFFu >> (length + 1);
    for (i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80) return 0;
        code = (code << 6) | (bytes[i] & 0x3Fu);
    }
    if (code < smallest[length] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return 0;
    return length;
}

/* ---- writing --------------------------------------------------------------------------------------------
 */

/* For a terminal: what comes from a server must not move the cursor. */
static void put_clean(FILE *file, const char *text) {
    while (*text) {
        size_t length = utf8_length(text);
        int control = (unsigned char)text[0] < 0x20 || text[0] == 0x7F ||
                      (length == 2 && (unsigned char)text[0] == 0xC2 && (unsigned char)text[1] < 0xA0);
        if (length == 0 || control)
            fputc('?', file);
        else
            fwrite(text, 1, length, file);
        text += length ? length : 1;
    }
}

static void clear_progress(tool *t) {
    if (t->progress_width == 0) return;
    fprintf(stderr, "\r%*s\r", (int)t->progress_width, "");
    t->progress_width = 0;
}

static void complain(tool *t, const char *kind, const char *message) {
    clear_progress(t);
    fprintf(stderr, "tarash-image: %s", kind);
    put_clean(stderr, message);
    fputc('\n', stderr);
}

/* JSON, written straight to standard output. */
typedef struct json {
    int comma; /* the next value needs one before it */
} json;

static void json_quote(const char *text) {
    putchar('"');
    while (*text) {
        size_t length = utf8_length(text);
        unsigned char c = (unsigned char)*text;
        if (length == 0)
            fputs("\\ufffd", stdout);
        else if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20 || c == 0x7F)
            printf("\\u%04x", (unsigned)c);
        else
            fwrite(text, 1, length, stdout);
        text += length ? length : 1;
    }
    putchar('"');
}

static void json_name(json *j, const char *name) {
    if (j->comma) putchar(',');
    j->comma = 1;
    if (!name) return;
    json_quote(name);
    putchar(':');
}

static void json_open(json *j, const char *name, int bracket) {
    json_name(j, name);
    putchar(bracket);
    j->comma = 0;
}

static void json_close(json *j, int bracket) {
    putchar(bracket);
    j->comma = 1;
}

static void json_text(json *j, const char *name, const char *text) {
    json_name(j, name);
    if (text)
        json_quote(text);
    else
        fputs("null", stdout);
}

static void json_number(json *j, const char *name, int64_t number) {
    json_name(j, name);
    printf("%" PRId64, number);
}

static void json_boolean(json *j, const char *name, int value) {
    json_name(j, name);
    fputs(value ? "true" : "false", stdout);
}

/* Where zero and empty mean "not known". */
static void json_known(json *j, const char *name, int64_t number) {
    if (number)
        json_number(j, name, number);
    else
        json_text(j, name, NULL);
}

static void json_filled(json *j, const char *name, const char *text) {
    json_text(j, name, text && *text ? text : NULL);
}

/* "a,b,c" as an array; NULL as null. */
static void json_list(json *j, const char *name, const char *list) {
    if (!list) {
        json_text(j, name, NULL);
        return;
    }
    json_open(j, name, '[');
    while (*list) {
        size_t length = strcspn(list, ",");
        char *item = (char *)allocate(NULL, length + 1);
        memcpy(item, list, length);
        item[length] = '\0';
        json_text(j, NULL, item);
        free(item);
        list += length;
        list += strspn(list, ", ");
    }
    json_close(j, ']');
}

/* ---- the options ----------------------------------------------------------------------------------------
 */

typedef enum option_kind {
    OPTION_FLAG,    /* an int, set to `max` */
    OPTION_TEXT,    /* a const char * */
    OPTION_INTEGER, /* an int from `min` to `max` */
    OPTION_SECONDS, /* an int in milliseconds, given in seconds */
    OPTION_CHOICE,  /* an int: the place among the words of `argument` */
    OPTION_HANDLER, /* handler(value) */
    OPTION_OPTIONAL /* handler(value or NULL); the value only as --name=value */
} option_kind;

typedef struct option {
    const char *name;
    char letter; /* 0 = none */
    option_kind kind;
    size_t offset; /* in struct tool */
    int min, max;
    int (*handler)(tool *t, const char *name, const char *value); /* NULL below: not used */
    const char *argument;
    const char *help;
} option;

/* A place in the tool, by its offset; the option's kind says of which type it is. */
static void *place(tool *t, const option *o) {
    return (char *)t + o->offset;
}

static int find_result(const char *text, size_t length, tarash_image_result *out) {
    int i;
    for (i = 0; i < TARASH_IMAGE_RESULT_COUNT; i++) {
        if (!is_word(text, length, tarash_image_result_name((tarash_image_result)i))) continue;
        *out = (tarash_image_result)i;
        return 1;
    }
    return 0;
}

static int on_seed(tool *t, const char *name, const char *value) {
    if (!parse_integer(value, strlen(value), INT64_MIN, INT64_MAX, &t->request.seed))
        return refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "--%s: \"%s\" is not a whole number of 64 bits", name,
                      value);
    t->request.has_seed = 1;
    return 1;
}

static int is_url(const char *text) {
    return starts_with(text, "http://") || starts_with(text, "https://") || starts_with(text, "data:");
}

static void set_input(tarash_image_input *input, const char *place_of_it) {
    memset(input, 0, sizeof *input);
    if (is_url(place_of_it))
        input->url = place_of_it;
    else
        input->path = place_of_it;
}

static int on_image(tool *t, const char *name, const char *value) {
    static const struct {
        const char *word;
        tarash_image_role role;
    } roles[] = {{"reference", TARASH_IMAGE_ROLE_REFERENCE},
                 {"first_frame", TARASH_IMAGE_ROLE_FIRST_FRAME},
                 {"last_frame", TARASH_IMAGE_ROLE_LAST_FRAME},
                 {"asset", TARASH_IMAGE_ROLE_ASSET},
                 {"style", TARASH_IMAGE_ROLE_STYLE}};
    const char *equals = strrchr(value, '=');
    tarash_image_role role = TARASH_IMAGE_ROLE_REFERENCE;
    tarash_image_input *input;
    size_t i, length = strlen(value);
    for (i = 0; equals && i < sizeof roles / sizeof roles[0]; i++) {
        if (strcmp(equals + 1, roles[i].word) != 0) continue;
        role = roles[i].role;
        length = (size_t)(equals - value);
    }
    if (length == 0) return refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "--%s: needs a file or a URL", name);
    input = GROW(t->images, t->image_count);
    set_input(input, keep(t, value, length));
    input->role = role;
    return 1;
}

static int on_mask(tool *t, const char *name, const char *value) {
    if (!*value) return refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "--%s: needs a file or a URL", name);
    set_input(&t->request.mask, value);
    return 1;
}

static int on_header(tool *t, const char *name, const char *value) {
    const char *colon = strchr(value, ':');
    tarash_image_header *header;
    if (!colon || colon == value)
        return refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "--%s: \"%s\" is not of the form 'Name: value'", name,
                      value);
    header = GROW(t->headers, t->header_count);
    header->name = keep(t, value, (size_t)(colon - value));
    header->value = colon + 1 + strspn(colon + 1, " \t");
    return 1;
}

/* The '@' before a base URL; others belong to the model. */
static const char *find_base_url(const char *value) {
    const char *at;
    for (at = strchr(value, '@'); at; at = strchr(at + 1, '@'))
        if (starts_with(at + 1, "http://") || starts_with(at + 1, "https://")) return at;
    return NULL;
}

static int on_fallback(tool *t, const char *name, const char *value) {
    const char *at = find_base_url(value);
    size_t length = at ? (size_t)(at - value) : strlen(value);
    const char *slash = (const char *)memchr(value, '/', length);
    size_t provider_length = slash ? (size_t)(slash - value) : length;
    tarash_image_config *config;
    if (provider_length == 0 || (slash && provider_length + 1 == length))
        return refuse(t, TARASH_IMAGE_ERROR_VALIDATION,
                      "--%s: \"%s\" is not of the form PROVIDER/MODEL[@BASE_URL]", name, value);
    config = GROW(t->fallbacks, t->fallback_count);
    config->provider = keep(t, value, provider_length);
    if (slash) config->model = keep(t, slash + 1, length - provider_length - 1);
    if (at) config->base_url = at + 1;
    return 1;
}

static int on_fallback_on(tool *t, const char *name, const char *value) {
    t->config.fallback_on = 0;
    while (1) {
        size_t length = strcspn(value, ",");
        tarash_image_result result = TARASH_IMAGE_OK;
        if (!find_result(value, length, &result) || result == TARASH_IMAGE_OK)
            return refuse(t, TARASH_IMAGE_ERROR_VALIDATION,
                          "--%s: \"%.*s\" is not the name of an error, such as RATE_LIMITED or TIMEOUT", name,
                          (int)length, value);
        t->config.fallback_on |= TARASH_IMAGE_BIT(result);
        if (value[length] == '\0') return 1;
        value += length + 1;
    }
}

/* One outcome of --mock:  auto | RESULT, then [:HTTPSTATUS] and [*WEIGHT]. */
static int add_mock_outcome(tool *t, const char *name, const char *item, size_t length) {
    const char *star = (const char *)memchr(item, '*', length);
    size_t head = star ? (size_t)(star - item) : length;
    const char *colon = (const char *)memchr(item, ':', head);
    size_t word = colon ? (size_t)(colon - item) : head;
    tarash_image_result result = TARASH_IMAGE_OK;
    tarash_image_mock_response *outcome;
    int64_t status = 0, weight = 1000;
    if (!is_word(item, word, "auto") && !find_result(item, word, &result))
        return refuse(t, TARASH_IMAGE_ERROR_VALIDATION,
                      "--%s: \"%.*s\" is neither auto, nor the name of a result, nor a setting", name,
                      (int)word, item);
    if (colon && (result == TARASH_IMAGE_OK || !parse_integer(colon + 1, head - word - 1, 100, 599, &status)))
        return refuse(t, TARASH_IMAGE_ERROR_VALIDATION,
                      "--%s: \"%.*s\" needs an error and an HTTP status of 100 to 599", name, (int)length,
                      item);
    if (star &&
        (!parse_thousandths(star + 1, length - head - 1, (int64_t)1000000000, &weight) || weight == 0))
        return refuse(t, TARASH_IMAGE_ERROR_VALIDATION,
                      "--%s: \"%.*s\" needs a weight above 0, at most 1000000", name, (int)length, item);
    outcome = GROW(t->outcomes, t->outcome_count);
    outcome->error = result;
    outcome->http_status = (int)status;
    outcome->weight = (double)weight / 1000.0;
    if (star) t->mock_weighted = 1;
    return 1;
}

/* NAME=NUMBER of --mock. */
static int add_mock_setting(tool *t, const char *name, const char *item, size_t length) {
    const char *equals = (const char *)memchr(item, '=', length);
    size_t word = (size_t)(equals - item);
    int is_seed = is_word(item, word, "seed"), is_delay = is_word(item, word, "delay");
    int64_t number = 0, min = is_delay ? 1 : 0, max = is_seed ? INT64_MAX : MAX_MILLISECONDS;
    if (!is_seed && !is_delay && !is_word(item, word, "latency"))
        return refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "--%s: no setting \"%.*s\"", name, (int)word, item);
    if (!parse_integer(equals + 1, length - word - 1, min, max, &number))
        return refuse(t, TARASH_IMAGE_ERROR_VALIDATION,
                      "--%s: \"%.*s\" needs a whole number from %" PRId64 " to %" PRId64, name, (int)length,
                      item, min, max);
    if (is_seed) {
        t->mock.seed = (uint64_t)number;
    } else if (is_delay) {
        t->polling.delay_ms = (int)number;
        t->polling.enabled = 1;
    } else {
        t->mock.latency_ms = (int)number;
    }
    return 1;
}

static int add_mock_item(tool *t, const char *name, const char *item, size_t length) {
    if (is_word(item, length, "polling"))
        t->polling.enabled = 1;
    else if (is_word(item, length, "weighted"))
        t->mock_weighted = 1;
    else if (memchr(item, '=', length))
        return add_mock_setting(t, name, item, length);
    else
        return add_mock_outcome(t, name, item, length);
    return 1;
}

static int on_mock(tool *t, const char *name, const char *value) {
    t->mocked = 1;
    while (value) {
        size_t length = strcspn(value, ",");
        if (!add_mock_item(t, name, value, length)) return 0;
        value = value[length] ? value + length + 1 : NULL;
    }
    return 1;
}

#define AT(member) offsetof(tool, member)

static const option options[] = {
    {"provider", 0, OPTION_TEXT, AT(config.provider), 0, 0, NULL, "NAME",
     "whom to ask; see --list-providers (default: the part of\n--model before its first slash)"},
    {"model", 0, OPTION_TEXT, AT(config.model), 0, 0, NULL, "NAME", "(default: the provider's)"},
    {"base-url", 0, OPTION_TEXT, AT(config.base_url), 0, 0, NULL, "URL", "(default: the provider's)"},
    {"api-version", 0, OPTION_TEXT, AT(config.api_version), 0, 0, NULL, "TEXT",
     "for providers that have versions"},
    {"api-key-file", 0, OPTION_TEXT, AT(key_file), 0, 0, NULL, "FILE",
     "a file that holds the key, 64 KiB at most\n(default: the provider's environment variable)"},
    {"negative-prompt", 0, OPTION_TEXT, AT(request.negative_prompt), 0, 0, NULL, "TEXT", "what to avoid"},
    {"size", 0, OPTION_TEXT, AT(request.size), 0, 0, NULL, "WxH", "in pixels, or auto"},
    {"aspect-ratio", 0, OPTION_TEXT, AT(request.aspect_ratio), 0, 0, NULL, "W:H", NULL},
    {"quality", 0, OPTION_TEXT, AT(request.quality), 0, 0, NULL, "WORD", "such as low, standard, hd, high"},
    {"style", 0, OPTION_TEXT, AT(request.style), 0, 0, NULL, "WORD", "such as vivid, natural"},
    {"count", 'n', OPTION_INTEGER, AT(request.n), 1, MAX_IMAGES, NULL, "N",
     "how many images, 1 to 64 (default: 1)"},
    {"seed", 0, OPTION_HANDLER, 0, 0, 0, on_seed, "N", NULL},
    {"image", 0, OPTION_HANDLER, 0, 0, 0, on_image, "FILE|URL[=ROLE]",
     "an image to work from; repeatable. ROLE: reference,\nfirst_frame, last_frame, asset, style. Where the "
     "name itself\n"
     "ends in such a word, add a role: '...?kind=style=reference'"},
    {"mask", 0, OPTION_HANDLER, 0, 0, 0, on_mask, "FILE",
     "what to edit. It is sent as it is: what marks that at a provider\n(white, black, transparent) is shown "
     "by --list-providers --json"},
    {"output", 0, OPTION_CHOICE, AT(output), 0, 0, NULL, "auto|bytes|url|base64",
     "auto, bytes: files, see -o. url: prints URLs and writes\nno file, unless the provider has only bytes "
     "to give.\n"
     "base64: prints the text, one line per image; with -o\nFILE it writes files instead. With --json it is "
     "a member"},
    {"output-format", 0, OPTION_TEXT, AT(request.output_format), 0, 0, NULL, "WORD", "png, jpeg, webp"},
    {"background", 0, OPTION_TEXT, AT(request.background), 0, 0, NULL, "WORD", "auto, opaque, transparent"},
    {"user", 0, OPTION_TEXT, AT(request.user), 0, 0, NULL, "ID",
     "your end user, for the provider's abuse detection"},
    {"partial-images", 0, OPTION_INTEGER, AT(request.partial_images), 0, 3, NULL, "N",
     "previews on the way, 0 to 3; written beside the image\nas NAME.partial-1.EXT"},
    {"extra", 0, OPTION_TEXT, AT(request.extra_params), 0, 0, NULL, "JSON",
     "object merged into the provider's body"},
    {"provider-config", 0, OPTION_TEXT, AT(config.provider_config), 0, 0, NULL, "JSON",
     "object of settings that the provider knows"},
    {"header", 0, OPTION_HANDLER, 0, 0, 0, on_header, "'NAME: VALUE'",
     "sent to the first link's provider; repeatable"},
    {"timeout", 0, OPTION_SECONDS, AT(config.timeout_ms), 0, 0, NULL, "SECONDS",
     "for each link of the chain (default: 120)"},
    {"total-timeout", 0, OPTION_SECONDS, AT(config.total_timeout_ms), 0, 0, NULL, "SECONDS",
     "for the whole chain (default: none)"},
    {"max-retries", 0, OPTION_INTEGER, AT(max_retries), 0, MAX_RETRIES, NULL, "N",
     "at the same provider, 0 to 100 (default: 2)"},
    {"poll-interval", 0, OPTION_SECONDS, AT(config.poll_interval_ms), 0, 0, NULL, "SECONDS", "(default: 2)"},
    {"max-poll-attempts", 0, OPTION_INTEGER, AT(config.max_poll_attempts), 1, MAX_POLL_ATTEMPTS, NULL, "N",
     "(default: 60)"},
    {"fallback", 0, OPTION_HANDLER, 0, 0, 0, on_fallback, "PROVIDER/MODEL[@BASE_URL]",
     "whom to ask if that fails; repeatable, tried in order.\nWithout /MODEL: the provider's default model"},
    {"fallback-on", 0, OPTION_HANDLER, 0, 0, 0, on_fallback_on, "RESULT,...",
     "after which errors (default: what may pass elsewhere)"},
    {"on-unknown", 0, OPTION_CHOICE, AT(on_unknown), 0, 0, NULL, "fallback|stop",
     "after a failure that may have been billed\n(default: fallback)"},
    {"mock", 0, OPTION_OPTIONAL, 0, 0, 0, on_mock, "[=SPEC]", "asks nobody: draws. See below"},
    {"strict", 0, OPTION_FLAG, AT(request.strict), 0, 1, NULL, NULL,
     "an error instead of a warning where the provider can't\ndo exactly what was asked"},
    {"plan", 0, OPTION_FLAG, AT(plan), 0, 1, NULL, NULL, "prints the requests as JSON, and sends nothing"},
    {"resume", 0, OPTION_TEXT, AT(resume), 0, 0, NULL, "TOKEN",
     "goes on with a job that was paid for; takes no prompt"},
    {"proxy", 0, OPTION_TEXT, AT(desc.proxy), 0, 0, NULL, "URL", NULL},
    {"ca-file", 0, OPTION_TEXT, AT(desc.ca_file), 0, 0, NULL, "FILE", "PEM file of certificate authorities"},
    {"out", 'o', OPTION_TEXT, AT(pattern), 0, 0, NULL, "PATTERN",
     "where to, with {index} and {ext}; - is standard output\n(default: " DEFAULT_PATTERN ")"},
    {"json", 0, OPTION_FLAG, AT(json), 0, 1, NULL, NULL, "prints one JSON object, also about a failure"},
    {"list-providers", 0, OPTION_FLAG, AT(mode), 0, MODE_PROVIDERS, NULL, NULL, NULL},
    {"list-models", 0, OPTION_FLAG, AT(mode), 0, MODE_MODELS, NULL, NULL, NULL},
    {"quiet", 'q', OPTION_FLAG, AT(quiet), 0, 1, NULL, NULL, "no paths, warnings and progress"},
    {"verbose", 'v', OPTION_FLAG, AT(verbose), 0, 1, NULL, NULL, "says on standard error what happens"},
    {"help", 'h', OPTION_FLAG, AT(mode), 0, MODE_HELP, NULL, NULL, NULL},
    {"version", 0, OPTION_FLAG, AT(mode), 0, MODE_VERSION, NULL, NULL, NULL},
};

#define OPTION_COUNT (sizeof options / sizeof options[0])

static const char *const help_tail[] = {
    "",
    "SPEC of --mock is a comma-separated list:",
    "  auto                       an image is drawn",
    "  RATE_LIMITED, TIMEOUT:504  that error, with that HTTP status: any name of a result",
    "  auto*3                     with that weight; implies weighted",
    "  weighted                   outcomes are chosen at random; otherwise the first try gets the first, the "
    "second",
    "                             the second, and so on, the last one repeating",
    "  polling, delay=MS          the job is queued and processed first, with that much between (delay "
    "implies polling;",
    "                             default: --poll-interval, or 500)",
    "  latency=MS, seed=N         before each answer; of the choice",
    "SPEC is for the first provider, which is \"mock\" by default; every --fallback draws.",
    "",
    "Time-outs, retries and polling apply to every link of the chain; --base-url, --api-version, "
    "--api-key-file,",
    "--provider-config and --header to the first. Fallbacks take their keys from the environment.",
    "",
    "A path per image goes to standard output, warnings and errors to standard error. Ctrl-C cancels the "
    "job, twice",
    "ends at once. After a failure that left a job at the provider, the token for --resume is shown.",
    "",
    "Exit status:",
    "    0  done",
    "    2  usage, validation or unsupported (also a missing or empty --api-key-file)",
    "    3  refused by moderation",
    "    4  authentication, rate limit or quota",
    "    5  connection or time-out",
    "    6  the provider failed: HTTP, generation, bad response, too large",
    "    7  files or memory (also an --api-key-file that can't be read, and a folder of -o that can't be "
    "written)",
    "  130  cancelled",
};

static void print_option(const option *o) {
    char left[64];
    const char *help = o->help;
    int length = snprintf(left, sizeof left, "  %c%c%c --%s%s%s", o->letter ? '-' : ' ',
                          o->letter ? o->letter : ' ', o->letter ? ',' : ' ', o->name,
                          o->argument && o->argument[0] != '[' ? " " : "", o->argument ? o->argument : "");
    printf("%s", left);
    if (help && length > 31) printf("\n%*s", 33, "");
    if (help && length <= 31) printf("%*s", 33 - length, "");
    while (help && *help) {
        size_t line = strcspn(help, "\n");
        printf("%.*s", (int)line, help);
        help += line;
        if (*help) printf("\n%*s", 33, "");
        if (*help) help++;
    }
    putchar('\n');
}

static int print_help(void) {
    size_t i;
    puts("tarash-image " TARASH_IMAGE_VERSION " - images from AI providers\n\n"
         "  tarash-image [options] PROMPT\n\n"
         "  tarash-image --provider openai \"a lighthouse in fog\"       with the key in OPENAI_API_KEY\n"
         "  tarash-image --mock -o cat.png \"a cat\"                     offline\n\n"
         "Options (--name VALUE or --name=VALUE; -- ends them):\n");
    for (i = 0; i < OPTION_COUNT; i++) print_option(&options[i]);
    for (i = 0; i < sizeof help_tail / sizeof help_tail[0]; i++) puts(help_tail[i]);
    return EXIT_DONE;
}

/* ---- parsing the command line ---------------------------------------------------------------------------
 */

static int takes_value(const option *o) {
    return o->kind != OPTION_FLAG && o->kind != OPTION_OPTIONAL;
}

/* "-n/--count", for messages. */
static const char *label(tool *t, const option *o) {
    char start[] = "-?/--";
    char *text = room(t, strlen(start) + strlen(o->name));
    start[1] = o->letter;
    strcpy(text, o->letter ? start : "--");
    return strcat(text, o->name);
}

static int set_integer(tool *t, const option *o, const char *value) {
    int64_t number;
    if (!parse_integer(value, strlen(value), o->min, o->max, &number))
        return refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "%s: \"%s\" is not a whole number from %d to %d",
                      label(t, o), value, o->min, o->max);
    *(int *)place(t, o) = (int)number;
    return 1;
}

static int set_seconds(tool *t, const option *o, const char *value) {
    int64_t milliseconds;
    if (!parse_thousandths(value, strlen(value), MAX_MILLISECONDS, &milliseconds) || milliseconds == 0)
        return refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "--%s: \"%s\" is not a time from 0.001 to %d seconds",
                      o->name, value, MAX_MILLISECONDS / 1000);
    *(int *)place(t, o) = (int)milliseconds;
    return 1;
}

static int set_choice(tool *t, const option *o, const char *value) {
    const char *words = o->argument;
    int i;
    for (i = 0; *words; i++) {
        size_t length = strcspn(words, "|");
        if (is_word(words, length, value)) {
            *(int *)place(t, o) = i;
            return 1;
        }
        words += length;
        if (*words) words++;
    }
    return refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "--%s: \"%s\" is not one of %s", o->name, value,
                  o->argument);
}

static int apply_option(tool *t, const option *o, const char *value) {
    switch (o->kind) {
    case OPTION_FLAG:
        if (o->offset == AT(mode))
            t->mode = t->mode == MODE_HELP ? MODE_HELP : (enum mode)o->max;
        else
            *(int *)place(t, o) = o->max;
        return 1;
    case OPTION_TEXT: *(const char **)place(t, o) = value; return 1;
    case OPTION_INTEGER: return set_integer(t, o, value);
    case OPTION_SECONDS: return set_seconds(t, o, value);
    case OPTION_CHOICE: return set_choice(t, o, value);
    case OPTION_HANDLER:
    case OPTION_OPTIONAL: return o->handler(t, o->name, value);
    }
    return 0;
}

static const option *find_option(const char *name, size_t length) {
    size_t i;
    for (i = 0; i < OPTION_COUNT; i++)
        if (strlen(options[i].name) == length && memcmp(options[i].name, name, length) == 0)
            return &options[i];
    return NULL;
}

static const option *find_letter(char letter) {
    size_t i;
    for (i = 0; i < OPTION_COUNT; i++)
        if (letter && options[i].letter == letter) return &options[i];
    return NULL;
}

/* argv[at] is "--name" or "--name=value"; returns how many arguments it took. */
static int parse_long(tool *t, int argc, char **argv, int at) {
    const char *name = argv[at] + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] ? name + length + 1 : NULL;
    const option *o = find_option(name, length);
    if (!o) {
        refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "no option --%.*s; see tarash-image --help", (int)length,
               name);
        return 1;
    }
    if (value && o->kind == OPTION_FLAG) {
        refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "--%s takes no value", o->name);
    } else if (!value && takes_value(o)) {
        if (at + 1 >= argc) {
            refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "%s needs a value (%s)", label(t, o), o->argument);
            return 1;
        }
        apply_option(t, o, argv[at + 1]);
        return 2;
    } else {
        apply_option(t, o, value);
    }
    return 1;
}

/* argv[at] is "-n4", "-n" or "-qv"; returns how many arguments it took. */
static int parse_short(tool *t, int argc, char **argv, int at) {
    const char *letters;
    for (letters = argv[at] + 1; *letters; letters++) {
        const option *o = find_letter(*letters);
        if (!o) {
            refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "no option -%c; see tarash-image --help", *letters);
            return 1;
        }
        if (!takes_value(o)) {
            apply_option(t, o, NULL);
        } else if (letters[1]) {
            apply_option(t, o, letters + 1);
            return 1;
        } else if (at + 1 < argc) {
            apply_option(t, o, argv[at + 1]);
            return 2;
        } else {
            refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "%s needs a value (%s)", label(t, o), o->argument);
        }
    }
    return 1;
}

static void parse_prompt(tool *t, const char *text) {
    if (t->prompt)
        refuse(t, TARASH_IMAGE_ERROR_VALIDATION,
               "more than one prompt: \"%s\" after \"%s\"; put it in quotes%s", text, t->prompt,
               t->mocked ? ", and write a mock's SPEC as --mock=SPEC" : "");
    else
        t->prompt = text;
}

/* Goes on after an error: --json counts wherever it stands. */
static void parse_arguments(tool *t, int argc, char **argv) {
    int i = 1, ended = 0;
    while (i < argc) {
        const char *text = argv[i];
        if (ended || text[0] != '-' || text[1] == '\0') {
            parse_prompt(t, text);
            i++;
        } else if (text[1] != '-') {
            i += parse_short(t, argc, argv, i);
        } else if (text[2] == '\0') {
            ended = 1;
            i++;
        } else {
            i += parse_long(t, argc, argv, i);
        }
    }
}

/* ---- where images go ------------------------------------------------------------------------------------
 */

static int to_stdout(const tool *t) {
    return t->pattern && strcmp(t->pattern, "-") == 0;
}

/* Do images become files or bytes on standard output, and not just text? */
static int wants_files(const tool *t) {
    if (t->output == TARASH_IMAGE_OUTPUT_URL) return 0;
    if (t->output == TARASH_IMAGE_OUTPUT_BASE64) return t->pattern && !to_stdout(t);
    return 1;
}

static const char *last_slash(const char *path) {
    const char *slash = strrchr(path, '/');
#ifdef _WIN32
    const char *other = strrchr(path, '\\');
    if (other && (!slash || other > slash)) return other;
#endif
    return slash;
}

/* `path` with `extra` before its extension; to be freed. */
static char *insert_before_extension(const char *path, const char *extra) {
    const char *slash = last_slash(path);
    const char *dot = strrchr(path, '.');
    size_t head = dot && (!slash || dot > slash) ? (size_t)(dot - path) : strlen(path);
    char *out = (char *)allocate(NULL, strlen(path) + strlen(extra) + 1);
    memcpy(out, path, head);
    strcpy(out + head, extra);
    strcat(out, path + head);
    return out;
}

/* The pattern with {index} and {ext} replaced, as the library's own sink does it; to be freed. */
static char *expand_pattern(const char *pattern, size_t index, const char *extension) {
    char number[32];
    char *out = (char *)allocate(NULL, 1);
    size_t length = 0;
    snprintf(number, sizeof number, "%lu", (unsigned long)index);
    while (*pattern) {
        const char *piece = pattern;
        size_t piece_length = 1, taken = 1;
        if (starts_with(pattern, "{index}")) {
            piece = number;
            taken = strlen("{index}");
            piece_length = strlen(number);
        } else if (starts_with(pattern, "{ext}")) {
            piece = extension;
            taken = strlen("{ext}");
            piece_length = strlen(extension);
        }
        out = (char *)allocate(out, length + piece_length + 1);
        memcpy(out + length, piece, piece_length);
        length += piece_length;
        pattern += taken;
    }
    out[length] = '\0';
    return out;
}

/* A file name for an image that no sink took; `several`: a pattern without {index} must not overwrite itself.
 */
static char *image_path(tool *t, const tarash_image *image, int several) {
    const char *pattern = t->pattern && !to_stdout(t) ? t->pattern : DEFAULT_PATTERN;
    char *path = expand_pattern(pattern, image->index, tarash_image_extension(image->mime_type));
    char *numbered, extra[32];
    if (!several || strstr(pattern, "{index}")) return path;
    snprintf(extra, sizeof extra, "-%lu", (unsigned long)image->index);
    numbered = insert_before_extension(path, extra);
    free(path);
    return numbered;
}

static int stdout_open(void *user_data, size_t index, const char *mime_type, void **stream) {
    tool *t = (tool *)user_data;
    (void)mime_type;
    *stream = stdout;
    return index != 0 || t->stdout_begun; /* what was written can't be taken back */
}

static int stdout_write(void *user_data, void *stream, const void *data, size_t size) {
    ((tool *)user_data)->stdout_begun = 1;
    return fwrite(data, 1, size, (FILE *)stream) != size;
}

static int stdout_close(void *user_data, void *stream) {
    (void)user_data;
    return fflush((FILE *)stream) != 0;
}

static void stdout_abort(void *user_data, void *stream) {
    (void)user_data;
    (void)stream;
}

/* Must images be in memory before they become files? */
static int needs_memory(const tool *t) {
    if (t->output == TARASH_IMAGE_OUTPUT_BASE64) return 1; /* its text is made of them */
    /* How many a token brings is not known: several must not overwrite each other. */
    return t->resume && t->pattern && !to_stdout(t) && !strstr(t->pattern, "{index}");
}

static void set_sink(tool *t) {
    if (!wants_files(t) || needs_memory(t)) return;
    t->request.sink = &t->sink;
    if (!to_stdout(t)) {
        t->sink.path = t->pattern ? t->pattern : DEFAULT_PATTERN;
        return;
    }
#ifdef _WIN32
    _setmode(_fileno(stdout), _O_BINARY);
#endif
    t->sink.open_fn = stdout_open;
    t->sink.write_fn = stdout_write;
    t->sink.close_fn = stdout_close;
    t->sink.abort_fn = stdout_abort;
    t->sink.user_data = t;
}

/* Sets errno if it isn't. */
static int is_directory(const char *path) {
    struct stat about;
    if (stat(path, &about) != 0) return 0;
    errno = ENOTDIR;
    return IS_DIRECTORY(about.st_mode);
}

static int check_path(tool *t, const char *path) {
    const char *slash = last_slash(path);
    const char *directory = !slash ? "." : slash == path ? "/" : keep(t, path, (size_t)(slash - path));
    if (strstr(directory, "{ext}")) return 1; /* not known yet */
    if (is_directory(directory) && MAY_WRITE_IN(directory)) {
        if (!(slash && slash[1] == '\0') && !is_directory(path)) return 1;
        errno = EISDIR;
    }
    return refuse(t, TARASH_IMAGE_ERROR_IO, "-o: can't write \"%s\": %s", path, strerror(errno));
}

/* Better now than after the provider was paid. */
static int check_paths(tool *t) {
    int i, fine = 1, perhaps = t->output == TARASH_IMAGE_OUTPUT_URL && t->pattern;
    if (t->plan || to_stdout(t) || (!wants_files(t) && !perhaps)) return 1;
    for (i = 0; fine && (i == 0 || i < t->request.n); i++) {
        char *path = expand_pattern(t->pattern ? t->pattern : DEFAULT_PATTERN, (size_t)i, "{ext}");
        fine = check_path(t, path);
        free(path);
    }
    return fine;
}

static int check_output(tool *t) {
    int several = t->request.n > 1 && wants_files(t);
    if (t->pattern && !*t->pattern) return refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "-o: an empty pattern");
    if (to_stdout(t) && t->json)
        return refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "-o - and --json both want standard output");
    if (to_stdout(t) && several)
        return refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "-o -: standard output takes one image, not %d",
                      t->request.n);
    if (several && t->pattern && !strstr(t->pattern, "{index}"))
        return refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "-o: %d images need {index} in the pattern \"%s\"",
                      t->request.n, t->pattern);
    return check_paths(t);
}

/* ---- from the command line to config and request --------------------------------------------------------
 */

static int read_key_file(tool *t) {
    FILE *file;
    size_t size;
    int failed;
    if (!t->key_file) return 1;
    errno = 0;
    file = fopen(t->key_file, "rb");
    if (!file)
        return refuse(t, errno == ENOENT ? TARASH_IMAGE_ERROR_VALIDATION : TARASH_IMAGE_ERROR_IO,
                      "--api-key-file: can't open \"%s\": %s", t->key_file, strerror(errno));
    t->key = (char *)allocate(NULL, MAX_KEY_FILE + 2);
    memset(t->key, 0, MAX_KEY_FILE + 2);
    setvbuf(file, NULL, _IONBF, 0); /* no second copy of the key */
    size = fread(t->key, 1, MAX_KEY_FILE + 1, file);
    failed = ferror(file);
    fclose(file);
    if (failed) return refuse(t, TARASH_IMAGE_ERROR_IO, "--api-key-file: can't read \"%s\"", t->key_file);
    if (size > MAX_KEY_FILE)
        return refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "--api-key-file: \"%s\" is larger than 64 KiB",
                      t->key_file);
    while (size > 0 && (t->key[size - 1] == '\n' || t->key[size - 1] == '\r')) t->key[--size] = '\0';
    if (size == 0 || memchr(t->key, '\0', size))
        return refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "--api-key-file: \"%s\" holds no key", t->key_file);
    t->config.api_key = t->key;
    return 1;
}

static void set_mock(tool *t) {
    if (!t->mocked) return;
    if (!t->config.provider) t->config.provider = "mock";
    t->mock.enabled = t->fallback_mock.enabled = 1;
    t->mock.kind = t->mock_weighted ? TARASH_IMAGE_MOCK_WEIGHTED : TARASH_IMAGE_MOCK_SCRIPTED;
    t->mock.responses = t->outcomes;
    t->mock.response_count = t->outcome_count;
    if (t->polling.delay_ms == 0) t->polling.delay_ms = t->config.poll_interval_ms;
    t->mock.polling = t->polling.enabled ? &t->polling : NULL;
    t->config.mock = &t->mock;
}

/* What is said about time and retries holds for every link. */
static void set_chain(tool *t) {
    size_t i;
    t->config.max_retries = t->max_retries == 0  ? TARASH_IMAGE_NO_RETRIES
                            : t->max_retries < 0 ? 0
                                                 : t->max_retries;
    t->config.on_unknown = t->on_unknown < 0 ? TARASH_IMAGE_UNKNOWN_DEFAULT
                           : t->on_unknown   ? TARASH_IMAGE_UNKNOWN_STOP
                                             : TARASH_IMAGE_UNKNOWN_FALLBACK;
    t->config.headers = t->headers;
    t->config.header_count = t->header_count;
    t->config.fallbacks = t->fallbacks;
    t->config.fallback_count = t->fallback_count;
    for (i = 0; i < t->fallback_count; i++) {
        tarash_image_config *link = &t->fallbacks[i];
        link->timeout_ms = t->config.timeout_ms;
        link->max_retries = t->config.max_retries;
        link->poll_interval_ms = t->config.poll_interval_ms;
        link->max_poll_attempts = t->config.max_poll_attempts;
        if (t->mocked) link->mock = &t->fallback_mock;
    }
}

static void on_log(tarash_image_log_level level, const char *message, void *user_data) {
    static const char *const names[] = {"debug: ", "info: ", "warning: ", "error: "};
    complain((tool *)user_data, names[level], message);
}

/* Previews are saved beside the image that they become. */
static void on_update(const tarash_image_update *update, void *user_data) {
    tool *t = (tool *)user_data;
    tarash_image_error error;
    char extra[48], *whole, *path;
    if (!update->partial_image || !wants_files(t) || to_stdout(t)) return;
    whole = expand_pattern(t->pattern ? t->pattern : DEFAULT_PATTERN, update->image_index,
                           tarash_image_extension(update->partial_image->mime_type));
    snprintf(extra, sizeof extra, ".partial-%lu", (unsigned long)update->partial_image->index + 1);
    path = insert_before_extension(whole, extra);
    if (tarash_image_save(update->partial_image, path, &error) != TARASH_IMAGE_OK)
        complain(t, "warning: preview: ", error.message);
    else if (!t->quiet)
        complain(t, "preview: ", path);
    free(path);
    free(whole);
}

static int prepare(tool *t) {
    if (t->failure != TARASH_IMAGE_OK) return 0;
    if (t->resume && t->prompt)
        return refuse(t, TARASH_IMAGE_ERROR_VALIDATION,
                      "--resume takes no prompt: the token stands for the job");
    if (t->resume && t->plan) return refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "--resume can't be planned");
    if (!t->resume && !t->prompt && t->image_count == 0)
        return refuse(t, TARASH_IMAGE_ERROR_VALIDATION, "a prompt is needed; see tarash-image --help");
    if (!check_output(t) || !read_key_file(t)) return 0;
    set_mock(t);
    set_chain(t);
    set_sink(t);
    t->request.prompt = t->prompt;
    t->request.images = t->images;
    t->request.image_count = t->image_count;
    t->request.output = (tarash_image_output)t->output;
    t->request.on_progress = on_update;
    t->request.user_data = t;
    if (t->verbose) {
        t->desc.logger.log_fn = on_log;
        t->desc.logger.user_data = t;
    }
    t->show_progress = !t->quiet && STDERR_IS_TERMINAL();
    return 1;
}

/* ---- running --------------------------------------------------------------------------------------------
 */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

/* The second Ctrl-C finds the default again and kills. */
static void catch_interrupt(void) {
#ifdef _WIN32
    signal(SIGINT, on_interrupt); /* resets itself */
#else
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_handler = on_interrupt;
    action.sa_flags = (int)SA_RESETHAND;
    sigaction(SIGINT, &action, NULL);
#endif
}

static const char *in_bytes(char *buffer, size_t size, uint64_t bytes) {
    if (bytes < 1000)
        snprintf(buffer, size, "%u bytes", (unsigned)bytes);
    else if (bytes < 1000000)
        snprintf(buffer, size, "%.1f kB", (double)bytes / 1e3);
    else
        snprintf(buffer, size, "%.1f MB", (double)bytes / 1e6);
    return buffer;
}

static void show_progress(tool *t, const tarash_image_update *update) {
    char line[79], part[32];
    size_t used, i;
    if (!t->show_progress) return;
    snprintf(line, sizeof line, "%s", tarash_image_status_name(update->status));
    for (i = 0; line[i]; i++) line[i] = (char)to_lower((unsigned char)line[i]);
    used = strlen(line);
#define ADD(...) (snprintf(line + used, sizeof line - used, __VA_ARGS__), used = strlen(line))
    if (update->provider) ADD(" at %.32s", update->provider);
    if (update->queue_position >= 0) ADD(", position %d", update->queue_position + 1);
    if (update->progress_percent >= 0) ADD(", %d%%", update->progress_percent);
    if (update->bytes_received > 0) ADD(", %s", in_bytes(part, sizeof part, update->bytes_received));
    if (update->message && *update->message) ADD(": %s", update->message);
#undef ADD
    for (i = 0; line[i]; i++)
        if (line[i] < 0x20 || line[i] > 0x7E) line[i] = '?';
    fprintf(stderr, "\r%-*s", (int)(t->progress_width > used ? t->progress_width : used), line);
    fflush(stderr);
    t->progress_width = used;
}

static void wait_for_job(tool *t, tarash_image_client *client, tarash_image_job job) {
    tarash_image_update update;
    tarash_image_status status;
    int asked_to_stop = 0;
    while (1) {
        tarash_image_poll(client, 100);
        memset(&update, 0, sizeof update);
        status = tarash_image_job_status(client, job, &update);
        if (status != TARASH_IMAGE_STATUS_QUEUED && status != TARASH_IMAGE_STATUS_PROCESSING) break;
        show_progress(t, &update);
        if (interrupted && !asked_to_stop) {
            tarash_image_cancel(client, job);
            asked_to_stop = 1;
        }
    }
    clear_progress(t);
}

static int exit_status(tarash_image_result result) {
    switch (result) {
    case TARASH_IMAGE_OK: return EXIT_DONE;
    case TARASH_IMAGE_ERROR_VALIDATION:
    case TARASH_IMAGE_ERROR_UNSUPPORTED: return EXIT_USAGE;
    case TARASH_IMAGE_ERROR_CONTENT_MODERATION: return EXIT_MODERATION;
    case TARASH_IMAGE_ERROR_AUTHENTICATION:
    case TARASH_IMAGE_ERROR_RATE_LIMITED:
    case TARASH_IMAGE_ERROR_QUOTA_EXCEEDED: return EXIT_ACCOUNT;
    case TARASH_IMAGE_ERROR_CONNECTION:
    case TARASH_IMAGE_ERROR_TIMEOUT: return EXIT_NETWORK;
    case TARASH_IMAGE_ERROR_HTTP:
    case TARASH_IMAGE_ERROR_GENERATION_FAILED:
    case TARASH_IMAGE_ERROR_BAD_RESPONSE:
    case TARASH_IMAGE_ERROR_TOO_LARGE: return EXIT_PROVIDER;
    case TARASH_IMAGE_ERROR_CANCELLED: return EXIT_CANCELLED;
    case TARASH_IMAGE_ERROR_IO:
    case TARASH_IMAGE_ERROR_OUT_OF_MEMORY:
    case TARASH_IMAGE_RESULT_COUNT: break;
    }
    return EXIT_LOCAL;
}

static void set_error(tarash_image_error *error, tarash_image_result result, const char *message) {
    memset(error, 0, sizeof *error);
    error->result = result;
    snprintf(error->message, sizeof error->message, "%s", message);
}

/* ---- what came of it ------------------------------------------------------------------------------------
 */

static void save_image(tool *t, const tarash_image *image, char **path, int several,
                       tarash_image_error *error) {
    if (to_stdout(t) && !several) {
        if (fwrite(image->data, 1, image->size, stdout) != image->size)
            set_error(error, TARASH_IMAGE_ERROR_IO, "can't write to standard output");
        return;
    }
    *path = image_path(t, image, several);
    if (tarash_image_save(image, *path, error) == TARASH_IMAGE_OK) return;
    free(*path);
    *path = NULL;
}

/* Images that no sink took and that are not wanted as text alone. Failing, it sets `error`. */
static void save_images(tool *t, const tarash_image_response *response, tarash_image_error *error) {
    size_t i;
    for (i = 0; i < response->image_count; i++) {
        const tarash_image *image = &response->images[i];
        tarash_image_error problem;
        char **path = GROW(t->paths, t->path_count);
        int only_bytes =
            t->output == TARASH_IMAGE_OUTPUT_URL && !image->url; /* don't lose what was paid for */
        if (!image->data || image->path || (!wants_files(t) && !only_bytes)) continue;
        if (only_bytes && !t->quiet)
            complain(t, "warning: ", "the provider gave no URL but the image itself");
        set_error(&problem, TARASH_IMAGE_OK, "");
        save_image(t, image, path, response->image_count > 1, &problem);
        if (problem.result != TARASH_IMAGE_OK && error->result == TARASH_IMAGE_OK) *error = problem;
    }
}

static const char *path_of(const tool *t, const tarash_image_response *response, size_t i) {
    if (response->images[i].path) return response->images[i].path;
    return i < t->path_count ? t->paths[i] : NULL;
}

static void json_images(tool *t, json *j, const tarash_image_response *response) {
    size_t i;
    json_open(j, "images", '[');
    for (i = 0; i < response->image_count; i++) {
        const tarash_image *image = &response->images[i];
        json_open(j, NULL, '{');
        json_number(j, "index", (int64_t)image->index);
        json_text(j, "path", path_of(t, response, i));
        json_text(j, "url", image->url);
        json_text(j, "mime_type", image->mime_type);
        json_known(j, "width", image->width);
        json_known(j, "height", image->height);
        json_known(j, "bytes", (int64_t)image->size);
        json_text(j, "revised_prompt", image->revised_prompt);
        if (image->has_seed)
            json_number(j, "seed", image->seed);
        else
            json_text(j, "seed", NULL);
        if (t->output == TARASH_IMAGE_OUTPUT_BASE64) json_text(j, "base64", image->base64);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void json_warnings(json *j, const tarash_image_response *response) {
    size_t i;
    json_open(j, "warnings", '[');
    for (i = 0; i < response->warning_count; i++) {
        const tarash_image_warning *warning = &response->warnings[i];
        json_open(j, NULL, '{');
        json_text(j, "field", warning->field);
        json_text(j, "asked", warning->asked);
        json_text(j, "sent", warning->sent);
        json_text(j, "why", warning->why);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void json_attempts(json *j, const tarash_image_response *response) {
    size_t i;
    json_open(j, "attempts", '[');
    for (i = 0; i < response->attempt_count; i++) {
        const tarash_image_attempt *attempt = &response->attempts[i];
        json_open(j, NULL, '{');
        json_text(j, "provider", attempt->provider);
        json_text(j, "model", attempt->model);
        json_text(j, "result", tarash_image_result_name(attempt->result));
        json_known(j, "http_status", attempt->http_status);
        json_text(j, "delivery", tarash_image_delivery_name(attempt->delivery));
        json_number(j, "retries", attempt->retries);
        json_number(j, "elapsed_ms", attempt->elapsed_ms);
        json_text(j, "message", attempt->message ? attempt->message : "");
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* What --resume takes; the error's copy is empty where the token is too long for it. */
static const char *token_of(const tarash_image_response *response, const tarash_image_error *error) {
    return response->job_token ? response->job_token : error->job_token;
}

static void json_error(json *j, const tarash_image_error *error, const char *message, const char *token) {
    if (error->result == TARASH_IMAGE_OK) {
        json_text(j, "error", NULL);
        return;
    }
    json_open(j, "error", '{');
    json_text(j, "result", tarash_image_result_name(error->result));
    json_known(j, "http_status", error->http_status);
    json_filled(j, "provider_code", error->provider_code);
    json_text(j, "delivery", tarash_image_delivery_name(error->delivery));
    json_known(j, "retry_after_ms", error->retry_after_ms);
    json_text(j, "message", message);
    json_filled(j, "job_token", token);
    json_close(j, '}');
}

static void print_json(tool *t, const tarash_image_response *response, const tarash_image_error *error,
                       const char *message) {
    json j = {0};
    json_open(&j, NULL, '{');
    json_text(&j, "result", tarash_image_result_name(error->result));
    json_text(&j, "provider", response->provider);
    json_filled(&j, "model", response->model);
    json_text(&j, "request_id", response->request_id);
    json_boolean(&j, "is_mock", response->is_mock);
    json_images(t, &j, response);
    json_warnings(&j, response);
    json_open(&j, "usage", '{');
    json_known(&j, "input_tokens", response->usage.input_tokens);
    json_known(&j, "output_tokens", response->usage.output_tokens);
    json_known(&j, "total_tokens", response->usage.total_tokens);
    json_close(&j, '}');
    json_attempts(&j, response);
    json_error(&j, error, message, token_of(response, error));
    json_close(&j, '}');
    putchar('\n');
}

/* What was made but isn't here: its URL may still work. */
static void point_at(tool *t, const char *url) {
    clear_progress(t);
    fputs("tarash-image: warning: not downloaded: ", stderr);
    put_clean(stderr, url);
    fputc('\n', stderr);
}

static void print_text(tool *t, const tarash_image_response *response) {
    size_t i;
    for (i = 0; i < response->image_count; i++) {
        const tarash_image *image = &response->images[i];
        const char *path = path_of(t, response, i);
        if (t->output == TARASH_IMAGE_OUTPUT_BASE64 && image->base64 && !wants_files(t))
            puts(image->base64);
        else if (t->output == TARASH_IMAGE_OUTPUT_URL && image->url)
            puts(image->url);
        else if (path && !t->quiet)
            puts(path);
        else if (image->size == 0 && image->url && !t->quiet)
            point_at(t, image->url);
    }
}

static void print_warnings(tool *t, const tarash_image_response *response) {
    size_t i;
    if (t->quiet) return;
    for (i = 0; i < response->warning_count; i++) {
        const tarash_image_warning *w = &response->warnings[i];
        clear_progress(t);
        fputs("tarash-image: warning: ", stderr);
        if (w->provider) put_clean(stderr, w->provider);
        fputs(w->provider ? ": " : "", stderr);
        put_clean(stderr, w->field);
        fputs(" \"", stderr);
        put_clean(stderr, w->asked ? w->asked : "");
        fputs(w->sent && *w->sent ? "\" was sent as \"" : "\" was left out", stderr);
        put_clean(stderr, w->sent ? w->sent : "");
        fputs(w->sent && *w->sent ? "\": " : ": ", stderr);
        put_clean(stderr, w->why ? w->why : "");
        fputc('\n', stderr);
    }
}

static void print_token(tool *t, const char *token) {
    if (!*token) return;
    complain(
        t, "",
        "the provider still has images of this job; fetch them with the same --provider and --resume TOKEN:");
    put_clean(stderr, token);
    fputc('\n', stderr);
}

static int report_error(tool *t, const tarash_image_error *error, const char *message, const char *token) {
    if (error->result != TARASH_IMAGE_OK)
        complain(t, "", *message ? message : tarash_image_result_string(error->result));
    print_token(t, token);
    return exit_status(error->result);
}

static int report(tool *t, const tarash_image_response *response, const tarash_image_error *error) {
    const char *message = error->message;
    if (t->json)
        print_json(t, response, error, message);
    else
        print_text(t, response);
    print_warnings(t, response);
    return report_error(t, error, message, token_of(response, error));
}

/* An error of the command line, which may be longer than the library's fixed message. */
static int report_refusal(tool *t) {
    tarash_image_response nothing;
    tarash_image_error error;
    memset(&nothing, 0, sizeof nothing);
    set_error(&error, t->failure, "");
    if (t->json) print_json(t, &nothing, &error, t->failure_message);
    return report_error(t, &error, t->failure_message, "");
}

/* ---- modes ----------------------------------------------------------------------------------------------
 */

static int run_plan(tool *t, tarash_image_client *client) {
    tarash_image_text plan;
    tarash_image_response nothing;
    tarash_image_result result;
    int status = EXIT_DONE;
    memset(&plan, 0, sizeof plan);
    memset(&nothing, 0, sizeof nothing);
    result = tarash_image_plan(client, &t->config, &t->request, &plan);
    if (result == TARASH_IMAGE_OK)
        puts(plan.data);
    else
        status = report(t, &nothing, &plan.error);
    tarash_image_text_free(&plan);
    return status;
}

static int run_job(tool *t, tarash_image_client *client) {
    tarash_image_response response;
    tarash_image_error error;
    tarash_image_job job;
    int status;
    memset(&response, 0, sizeof response);
    catch_interrupt();
    job = t->resume ? tarash_image_resume_with(client, &t->config, &t->request, t->resume)
                    : tarash_image_submit(client, &t->config, &t->request);
    if (job.id == 0) {
        refuse(t, TARASH_IMAGE_ERROR_OUT_OF_MEMORY, "out of memory");
        return report_refusal(t);
    }
    wait_for_job(t, client, job);
    tarash_image_take(client, job, &response);
    error = response.error;
    save_images(t, &response, &error);
    status = report(t, &response, &error);
    tarash_image_response_free(&response);
    return status;
}

static int run_generate(tool *t) {
    tarash_image_client *client;
    int status;
    if (!prepare(t)) return report_refusal(t);
    client = tarash_image_client_create(&t->desc);
    if (!client) {
        refuse(t, TARASH_IMAGE_ERROR_OUT_OF_MEMORY, "can't make a client: out of memory");
        return report_refusal(t);
    }
    status = t->plan ? run_plan(t, client) : run_job(t, client);
    tarash_image_client_destroy(client);
    return status;
}

static void json_fields(json *j, uint32_t fields) {
    static const struct {
        const char *name;
        unsigned bit;
    } known[] = {{"negative_prompt", TARASH_IMAGE_FIELD_NEGATIVE_PROMPT},
                 {"size", TARASH_IMAGE_FIELD_SIZE},
                 {"aspect_ratio", TARASH_IMAGE_FIELD_ASPECT_RATIO},
                 {"quality", TARASH_IMAGE_FIELD_QUALITY},
                 {"style", TARASH_IMAGE_FIELD_STYLE},
                 {"n", TARASH_IMAGE_FIELD_N},
                 {"seed", TARASH_IMAGE_FIELD_SEED},
                 {"images", TARASH_IMAGE_FIELD_IMAGES},
                 {"mask", TARASH_IMAGE_FIELD_MASK},
                 {"output", TARASH_IMAGE_FIELD_OUTPUT},
                 {"output_format", TARASH_IMAGE_FIELD_OUTPUT_FORMAT},
                 {"background", TARASH_IMAGE_FIELD_BACKGROUND},
                 {"user", TARASH_IMAGE_FIELD_USER},
                 {"partial_images", TARASH_IMAGE_FIELD_PARTIAL_IMAGES},
                 {"roles", TARASH_IMAGE_FIELD_ROLES}};
    size_t i;
    json_open(j, "fields", '[');
    for (i = 0; i < sizeof known / sizeof known[0]; i++)
        if (fields & known[i].bit) json_text(j, NULL, known[i].name);
    json_close(j, ']');
}

static void json_capabilities(json *j, const tarash_image_capabilities *c) {
    static const char *const masks[] = {NULL, "white", "black", "transparent"};
    json_open(j, "capabilities", '{');
    json_fields(j, c->fields);
    json_known(j, "max_n", c->max_n);
    json_number(j, "max_input_images", c->max_input_images);
    json_text(j, "mask", masks[c->mask]);
    json_number(j, "seed_min", c->seed_min);
    json_number(j, "seed_max", c->seed_max);
    json_list(j, "sizes", c->sizes);
    json_known(j, "size_multiple", c->size_multiple);
    json_known(j, "size_max_edge", c->size_max_edge);
    json_known(j, "size_max_ratio", c->size_max_ratio);
    json_known(j, "size_min_pixels", c->size_min_pixels);
    json_known(j, "size_max_pixels", c->size_max_pixels);
    json_list(j, "aspect_ratios", c->aspect_ratios);
    json_list(j, "qualities", c->qualities);
    json_list(j, "styles", c->styles);
    json_list(j, "backgrounds", c->backgrounds);
    json_list(j, "output_formats", c->output_formats);
    json_known(j, "size_min_edge", c->size_min_edge);
    json_list(j, "input_formats", c->input_formats);
    json_boolean(j, "mask_is_binary", c->mask_is_binary);
    json_close(j, '}');
}

static void json_operations(json *j, const char *provider) {
    static const struct {
        const char *name;
        uint32_t flag;
    } known[] = {{"takes_prompt", TARASH_IMAGE_OPERATION_TAKES_PROMPT},
                 {"needs_prompt", TARASH_IMAGE_OPERATION_NEEDS_PROMPT},
                 {"takes_images", TARASH_IMAGE_OPERATION_TAKES_IMAGES},
                 {"needs_image", TARASH_IMAGE_OPERATION_NEEDS_IMAGE},
                 {"takes_mask", TARASH_IMAGE_OPERATION_TAKES_MASK},
                 {"needs_mask", TARASH_IMAGE_OPERATION_NEEDS_MASK}};
    size_t count = 0, i, k;
    const tarash_image_operation_info *operations = tarash_image_operations(&count);
    json_open(j, "operations", '[');
    for (i = 0; i < count; i++) {
        if (strcmp(operations[i].provider, provider) != 0) continue;
        json_open(j, NULL, '{');
        json_text(j, "name", operations[i].operation);
        json_text(j, "call", operations[i].call);
        for (k = 0; k < sizeof known / sizeof known[0]; k++)
            json_boolean(j, known[k].name, (operations[i].flags & known[k].flag) != 0);
        if (operations[i].capabilities)
            json_capabilities(j, operations[i].capabilities);
        else
            json_text(j, "capabilities", NULL);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static int list_providers(const tool *t) {
    size_t i, count = 0;
    const tarash_image_provider_info *providers = tarash_image_providers(&count);
    json j = {0};
    if (t->json) json_open(&j, NULL, '[');
    if (!t->json) printf("%-20s %-32s %-24s %s\n", "PROVIDER", "KEY FROM", "DEFAULT MODEL", "BASE URL");
    for (i = 0; i < count; i++) {
        const tarash_image_provider_info *p = &providers[i];
        if (!t->json) {
            printf("%-20s %-32s %-24s %s%s\n", p->name, p->key_variables ? p->key_variables : "-",
                   p->default_model && *p->default_model ? p->default_model : "-",
                   p->base_url ? p->base_url : "-", p->compiled_in ? "" : "  (not in this build)");
            continue;
        }
        json_open(&j, NULL, '{');
        json_text(&j, "name", p->name);
        json_list(&j, "aliases", p->aliases);
        json_text(&j, "base_url", p->base_url);
        json_text(&j, "base_url_variable", p->base_url_variable);
        json_list(&j, "key_variables", p->key_variables);
        json_boolean(&j, "key_optional", p->key_optional);
        json_text(&j, "auth_header", p->auth_header);
        json_text(&j, "auth_prefix", p->auth_prefix);
        json_filled(&j, "default_model", p->default_model);
        json_list(&j, "key_hosts", p->key_hosts);
        json_list(&j, "config_keys", p->config_keys);
        json_list(&j, "option_variables", p->option_variables);
        json_known(&j, "poll_interval_ms", p->poll_interval_ms);
        json_boolean(&j, "compiled_in", p->compiled_in);
        json_operations(&j, p->name);
        json_capabilities(&j, &p->capabilities);
        json_close(&j, '}');
    }
    if (t->json) json_close(&j, ']');
    if (t->json) putchar('\n');
    return EXIT_DONE;
}

static int list_models(const tool *t) {
    size_t i, count = 0;
    const tarash_image_model_info *models = tarash_image_models(&count);
    json j = {0};
    if (t->json) json_open(&j, NULL, '[');
    if (!t->json)
        printf("%-20s %-28s %-12s %-6s %-6s %s\n", "PROVIDER", "MODEL", "LIFE", "MAX N", "IMAGES", "SIZES");
    for (i = 0; i < count; i++) {
        const tarash_image_model_info *m = &models[i];
        if (!t->json) {
            printf("%-20s %-28s %-12s %-6d %-6d %s\n", m->provider, m->id, m->life ? m->life : "-",
                   m->capabilities->max_n, m->capabilities->max_input_images,
                   m->capabilities->sizes ? m->capabilities->sizes : "-");
            continue;
        }
        json_open(&j, NULL, '{');
        json_text(&j, "provider", m->provider);
        json_text(&j, "id", m->id);
        json_text(&j, "life", m->life);
        json_capabilities(&j, m->capabilities);
        json_close(&j, '}');
    }
    if (t->json) json_close(&j, ']');
    if (t->json) putchar('\n');
    return EXIT_DONE;
}

static int print_version(void) {
    printf("tarash-image %s (%s)\n", tarash_image_version(), curl_version());
    return EXIT_DONE;
}

static int run(tool *t) {
    if (t->mode == MODE_HELP) return print_help();
    if (t->failure != TARASH_IMAGE_OK) return report_refusal(t);
    switch (t->mode) {
    case MODE_VERSION: return print_version();
    case MODE_PROVIDERS: return list_providers(t);
    case MODE_MODELS: return list_models(t);
    case MODE_HELP:
    case MODE_GENERATE: break;
    }
    return run_generate(t);
}

/* ---- main -----------------------------------------------------------------------------------------------
 */

static void release(tool *t) {
    size_t i;
    volatile char *key = t->key;
    for (i = 0; key && i < MAX_KEY_FILE; i++) key[i] = 0; /* volatile: not optimised away */
    for (i = 0; i < t->path_count; i++) free(t->paths[i]);
    for (i = 0; i < t->text_count; i++) free(t->texts[i]);
    free(t->key);
    free(t->paths);
    free(t->texts);
    free(t->images);
    free(t->headers);
    free(t->fallbacks);
    free(t->outcomes);
    free(t->failure_message);
}

int main(int argc, char **argv) {
    static tool t;
    int status;
    t.max_retries = t.on_unknown = -1;
    parse_arguments(&t, argc, argv);
    status = run(&t);
    release(&t);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("tarash-image: can't write to standard output\n", stderr);
        if (status == EXIT_DONE) status = EXIT_LOCAL;
    }
    return status;
}
