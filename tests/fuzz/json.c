/* The JSON reader. First byte: limits and image paths; second: how the text is cut; the rest is the text. Read in
   pieces and in one it is the same; without images and limits, what is accepted is what RFC 8259 accepts. */

#include "fuzz.h"

#define JSON_PAYLOADS 4

typedef struct json_sink {
    unsigned char *data[JSON_PAYLOADS];
    size_t size[JSON_PAYLOADS], count, limit;
} json_sink;

static tarash_image_result json_open(void *context, size_t *index) {
    json_sink *sink = (json_sink *)context;
    if (sink->count == JSON_PAYLOADS) return TARASH_IMAGE_ERROR_IO;
    *index = sink->count++;
    return TARASH_IMAGE_OK;
}

static unsigned char *json_room(void *context, size_t size) {
    json_sink *sink = (json_sink *)context;
    size_t at = sink->count - 1;
    sink->data[at] = (unsigned char *)realloc(sink->data[at], sink->size[at] + size + 1);
    return sink->data[at] + sink->size[at];
}

static tarash_image_result json_take(void *context, size_t size) {
    json_sink *sink = (json_sink *)context;
    if (sink->size[sink->count - 1] + size > sink->limit) return TARASH_IMAGE_ERROR_TOO_LARGE;
    sink->size[sink->count - 1] += size;
    return TARASH_IMAGE_OK;
}

static tarash_image_result json_close(void *context, size_t *size) {
    const json_sink *sink = (const json_sink *)context;
    *size = sink->size[sink->count - 1];
    return TARASH_IMAGE_OK;
}

static void json_write_payload(void *context, tarimg_buffer *out, const tarimg_value *value) {
    const json_sink *sink = (const json_sink *)context;
    size_t i;
    char digits[8];
    FUZZ_CHECK(value->kind == TARIMG_PAYLOAD && value->index < sink->count);
    FUZZ_CHECK(value->size == sink->size[value->index]);
    tarimg_append_text(out, "\"<");
    for (i = 0; i < value->size; i++) {
        snprintf(digits, sizeof digits, "%02x", (unsigned)sink->data[value->index][i]);
        tarimg_append_text(out, digits);
    }
    tarimg_append_text(out, ">\"");
}

typedef struct json_outcome {
    tarash_image_result result;
    tarimg_buffer text; /* what was read, written again */
} json_outcome;

typedef struct json_manner {
    const char *paths;
    int max_depth;
    size_t document_limit, image_limit;
} json_manner;

static const tarash_image_allocator *json_allocator(void) {
    static tarash_image_allocator allocator;
    allocator = tarimg_default_allocator();
    return &allocator;
}

static void json_read(const json_manner *manner, fuzz_cutter cutter, fuzz_input in, json_outcome *out) {
    tarimg_payload_target target = {json_open, json_room, json_take, json_close, NULL};
    json_sink sink;
    tarimg_arena arena;
    tarimg_reader reader;
    size_t i;
    memset(&sink, 0, sizeof sink);
    sink.limit = manner->image_limit;
    target.context = &sink;
    tarimg_arena_init(&arena, json_allocator(), manner->document_limit);
    tarimg_reader_init(&reader, &arena, manner->max_depth, manner->paths, manner->paths ? &target : NULL);
    while (in.size) {
        size_t piece = fuzz_cut(&cutter, in.size);
        char *copy = (char *)fuzz_copy(in.data, piece);
        int good = tarimg_reader_feed(&reader, copy, piece);
        free(copy);
        FUZZ_CHECK(good == (reader.result == TARASH_IMAGE_OK));
        if (!good) break;
        in.data += piece;
        in.size -= piece;
    }
    out->result = tarimg_reader_finish(&reader) ? TARASH_IMAGE_OK : reader.result;
    FUZZ_CHECK(out->result == TARASH_IMAGE_OK || reader.problem != NULL);
    tarimg_buffer_init(&out->text, json_allocator(), 0);
    if (out->result == TARASH_IMAGE_OK) tarimg_write_json(&out->text, reader.root, json_write_payload, &sink);
    tarimg_reader_free(&reader);
    tarimg_arena_free(&arena);
    for (i = 0; i < sink.count; i++) free(sink.data[i]);
}

/* ---- RFC 8259 once more, as short as it can be said ---- */

typedef struct json_checker {
    const unsigned char *at, *end;
    int depth, max_depth, is_too_deep;
} json_checker;

static void json_space(json_checker *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')) c->at++;
}

static int json_char(json_checker *c, unsigned char wanted) {
    if (c->at == c->end || *c->at != wanted) return 0;
    c->at++;
    return 1;
}

static int json_word(json_checker *c, const char *word) {
    while (*word) {
        if (!json_char(c, (unsigned char)*word++)) return 0;
    }
    return 1;
}

static int json_digits(json_checker *c) {
    const unsigned char *start = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') c->at++;
    return c->at > start;
}

static int json_number(json_checker *c) {
    const unsigned char *start = c->at;
    (void)json_char(c, '-');
    if (!json_char(c, '0') && !json_digits(c)) return 0;
    if (json_char(c, '.') && !json_digits(c)) return 0;
    if (json_char(c, 'e') || json_char(c, 'E')) {
        if (!json_char(c, '+')) (void)json_char(c, '-');
        if (!json_digits(c)) return 0;
    }
    return c->at - start <= TARIMG_MAX_WORD;
}

static int json_string(json_checker *c) {
    int i;
    if (!json_char(c, '"')) return 0;
    while (c->at < c->end && *c->at != '"') {
        if (*c->at < 0x20) return 0;
        if (*c->at++ != '\\') continue;
        if (c->at == c->end || *c->at == 0 || !strchr("\"\\/bfnrtu", *c->at)) return 0;
        if (*c->at++ != 'u') continue;
        for (i = 0; i < 4; i++, c->at++) {
            if (c->at == c->end || *c->at == 0 || !strchr("0123456789abcdefABCDEF", *c->at)) return 0;
        }
    }
    return json_char(c, '"');
}

static int json_value(json_checker *c);

static int json_members(json_checker *c, int is_object) {
    unsigned char last = is_object ? '}' : ']';
    if (c->depth >= c->max_depth) {
        c->is_too_deep = 1;
        return 0;
    }
    c->depth++;
    c->at++;
    json_space(c);
    if (!json_char(c, last)) {
        do {
            json_space(c);
            if (is_object) {
                if (!json_string(c)) return 0;
                json_space(c);
                if (!json_char(c, ':')) return 0;
                json_space(c);
            }
            if (!json_value(c)) return 0;
            json_space(c);
        } while (json_char(c, ','));
        if (!json_char(c, last)) return 0;
    }
    c->depth--;
    return 1;
}

static int json_value(json_checker *c) {
    if (c->at == c->end) return 0;
    switch (*c->at) {
    case '{': return json_members(c, 1);
    case '[': return json_members(c, 0);
    case '"': return json_string(c);
    case 't': return json_word(c, "true");
    case 'f': return json_word(c, "false");
    case 'n': return json_word(c, "null");
    default: return json_number(c);
    }
}

static tarash_image_result json_check(fuzz_input in, int max_depth) {
    json_checker checker;
    int good;
    memset(&checker, 0, sizeof checker);
    checker.at = in.data;
    checker.end = in.data + in.size;
    checker.max_depth = max_depth;
    json_space(&checker);
    good = json_value(&checker);
    json_space(&checker);
    if (checker.is_too_deep) return TARASH_IMAGE_ERROR_TOO_LARGE;
    return good && checker.at == checker.end ? TARASH_IMAGE_OK : TARASH_IMAGE_ERROR_BAD_RESPONSE;
}

FUZZ_TARGET(json) {
    static const char *const paths[] = {NULL, "data[].b64_json,?data[].url,b64_json", "a,?b,[]", "a.b[][].c"};
    static const size_t limits[] = {0, 0, 400, 3000};
    fuzz_input in = {data, size}, again;
    unsigned flags = fuzz_byte(&in);
    fuzz_cutter cutter = fuzz_cutter_of(fuzz_byte(&in)), whole = {0, 1};
    json_manner manner;
    json_outcome one, other;
    manner.paths = paths[flags & 3];
    manner.max_depth = flags & 4 ? 3 : 64;
    manner.document_limit = limits[flags >> 3 & 3];
    manner.image_limit = flags & 32 ? 20 : SIZE_MAX;
    json_read(&manner, cutter, in, &one);
    json_read(&manner, whole, in, &other);
    FUZZ_CHECK(one.result == other.result && one.text.size == other.text.size);
    FUZZ_CHECK(one.text.size == 0 || memcmp(one.text.data, other.text.data, one.text.size) == 0);
    if (!manner.paths && !manner.document_limit) FUZZ_CHECK(one.result == json_check(in, manner.max_depth));
    tarimg_buffer_free(&other.text);
    if (one.result == TARASH_IMAGE_OK) {
        /* What was written is JSON, and reads as itself. */
        manner.paths = NULL;
        manner.document_limit = 0;
        again.data = (const unsigned char *)one.text.data;
        again.size = one.text.size;
        FUZZ_CHECK(tarimg_is_utf8(one.text.data, one.text.size));
        FUZZ_CHECK(json_check(again, 64) == TARASH_IMAGE_OK);
        json_read(&manner, cutter, again, &other);
        FUZZ_CHECK(other.result == TARASH_IMAGE_OK && other.text.size == one.text.size);
        FUZZ_CHECK(memcmp(one.text.data, other.text.data, one.text.size) == 0);
        tarimg_buffer_free(&other.text);
    }
    tarimg_buffer_free(&one.text);
}
