/* Server-sent events. First byte: how the text is cut; the rest is the stream. In pieces it gives the same events as
   in one, and the events that a reader gives which holds all lines at once. */

#include "fuzz.h"

typedef struct sse_record {
    tarimg_buffer text; /* each event's data, and a NUL */
    size_t begin;       /* of the current event */
    size_t stop_after, events;
} sse_record;

/* Ends an event. Line feeds at its beginning mean nothing in JSON, and whether an empty line leaves one is left open. */
static void sse_close(tarimg_buffer *text, size_t *begin) {
    size_t skip = 0;
    while (*begin + skip < text->size && text->data[*begin + skip] == '\n') skip++;
    if (skip) memmove(text->data + *begin, text->data + *begin + skip, text->size - *begin - skip);
    text->size -= skip;
    tarimg_append_char(text, '\0');
    *begin = text->size;
}

static int sse_data(void *context, const char *text, size_t size) {
    sse_record *record = (sse_record *)context;
    FUZZ_CHECK(size > 0);
    tarimg_append(&record->text, text, size);
    return 1;
}

static int sse_event(void *context) {
    sse_record *record = (sse_record *)context;
    sse_close(&record->text, &record->begin);
    return ++record->events != record->stop_after;
}

static void sse_read(fuzz_cutter cutter, fuzz_input in, sse_record *record) {
    static tarash_image_allocator allocator;
    tarimg_sse sse;
    tarimg_sse_handler handler;
    allocator = tarimg_default_allocator();
    memset(&sse, 0, sizeof sse);
    handler.data_fn = sse_data;
    handler.event_fn = sse_event;
    handler.context = record;
    tarimg_buffer_init(&record->text, &allocator, 0);
    record->begin = 0;
    record->events = 0;
    while (in.size) {
        size_t piece = fuzz_cut(&cutter, in.size);
        char *copy = (char *)fuzz_copy(in.data, piece);
        int good = tarimg_sse_feed(&sse, &handler, copy, piece);
        free(copy);
        FUZZ_CHECK(good == (record->events != record->stop_after || record->stop_after == 0));
        if (!good) break;
        in.data += piece;
        in.size -= piece;
    }
}

/* The end of the line at `at`, and where the next one begins. */
static size_t sse_line(fuzz_input in, size_t at, size_t *next) {
    size_t end = at;
    while (end < in.size && in.data[end] != '\r' && in.data[end] != '\n') end++;
    *next = end < in.size ? end + 1 : end;
    if (*next < in.size && in.data[end] == '\r' && in.data[*next] == '\n') ++*next;
    return end;
}

/* The standard's own steps, line by line; an event whose lines are all empty counts as none, as here. */
static void sse_expect(fuzz_input in, tarimg_buffer *out) {
    size_t at = 0, next, event = 0, sizes = 0;
    int lines = 0;
    if (in.size >= 3 && memcmp(in.data, "\xEF\xBB\xBF", 3) == 0) at = 3;
    for (; at < in.size; at = next) {
        size_t end = sse_line(in, at, &next);
        if (end == in.size) break; /* not a whole line */
        if (end == at) {
            if (sizes) sse_close(out, &event);
            sizes = 0;
            lines = 0;
            continue;
        }
        if (end - at < 5 || memcmp(in.data + at, "data:", 5) != 0) continue;
        at += 5;
        if (at < end && in.data[at] == ' ') at++;
        if (lines++) tarimg_append_char(out, '\n');
        tarimg_append(out, (const char *)in.data + at, end - at);
        sizes += end - at;
    }
    if (out->size > event) out->size = event;
}

FUZZ_TARGET(sse) {
    static tarash_image_allocator allocator;
    fuzz_input in = {data, size};
    unsigned flags = fuzz_byte(&in);
    fuzz_cutter cutter = fuzz_cutter_of(flags >> 2), whole = {0, 1};
    sse_record one, other;
    tarimg_buffer expected;
    allocator = tarimg_default_allocator();
    one.stop_after = other.stop_after = flags & 3;
    sse_read(cutter, in, &one);
    sse_read(whole, in, &other);
    FUZZ_CHECK(one.events == other.events && one.text.size == other.text.size);
    FUZZ_CHECK(one.text.size == 0 || memcmp(one.text.data, other.text.data, one.text.size) == 0);
    tarimg_buffer_init(&expected, &allocator, 0);
    sse_expect(in, &expected);
    if (!one.stop_after) {
        FUZZ_CHECK(one.text.size >= expected.size);
        FUZZ_CHECK(expected.size == 0 || memcmp(one.text.data, expected.data, expected.size) == 0);
    }
    tarimg_buffer_free(&expected);
    tarimg_buffer_free(&one.text);
    tarimg_buffer_free(&other.text);
}
