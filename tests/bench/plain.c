/* The tasks as a program does them with libcurl alone (the floor keeps the bytes, the limit throws them away), or
   as people write it by hand: libcurl, cJSON and a table. The least is what no reader into memory can be below: the
   limit, and the operating system's pages for the image. */

#include "bench.h"
#include "images.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SLOTS = 1000, FIRST_ROOM = 16384, PAGE = 4096 };

typedef struct slot {
    CURL *easy;
    const setting *s;
    char *data;
    size_t size, room;
    size_t received;
    unsigned char *image; /* of BY_HAND */
    size_t image_size;
} slot;

#define LARGE_IMAGE  262144u
#define LARGE_BUFFER 524288L

static const char request_body[] =
    "{\"model\":\"bench-1\",\"prompt\":\"a lighthouse in fog\",\"n\":1,\"response_format\":\"b64_json\"}";
static const char form_boundary[] = "------------------------bench0123456789";

static int is_upload(const task *t) {
    return t->what == UPLOAD_TEXT || t->what == UPLOAD_FORM;
}

/* ---- receiving ----------------------------------------------------------------------------------------- */

/* The image's pages, at the pace at which its text comes. */
static void touch_pages(slot *to) {
    size_t size = image_sizes[to->s->todo->image], filled = to->received / 4 * 3;
    if (!to->image) to->image = (unsigned char *)malloc(size);
    while (to->image && to->image_size < size && to->image_size < filled) {
        ((volatile unsigned char *)to->image)[to->image_size] = 1;
        to->image_size += PAGE;
    }
}

static size_t keep(char *data, size_t one, size_t size, void *user_data) {
    slot *to = (slot *)user_data;
    (void)one;
    to->received += size;
    if (to->s->by == LEAST && to->s->todo->what == INTO_MEMORY) touch_pages(to);
    if (to->s->by == LIMIT || to->s->by == LEAST) return size;
    if (to->size + size + 1 > to->room) {
        size_t room = to->room ? to->room : FIRST_ROOM;
        char *grown;
        while (room < to->size + size + 1) room *= 2;
        grown = (char *)realloc(to->data, room);
        if (!grown) return 0;
        to->data = grown;
        to->room = room;
    }
    memcpy(to->data + to->size, data, size);
    to->size += size;
    return size;
}

static void forget(slot *to) {
    free(to->data);
    to->data = NULL;
    to->size = to->room = to->received = 0;
}

/* ---- what people write by hand ------------------------------------------------------------------------- */

static signed char values[256];

static void fill_values(void) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    int i;
    memset(values, -1, sizeof values);
    for (i = 0; i < 64; i++) values[(unsigned char)alphabet[i]] = (signed char)i;
}

size_t plain_decode(const void *in, size_t size, void *out) {
    const unsigned char *text = (const unsigned char *)in;
    unsigned char *to = (unsigned char *)out;
    uint32_t bits = 0;
    size_t i, count = 0;
    if (!values[0]) fill_values();
    for (i = 0; i < size && values[text[i]] >= 0; i++) {
        bits = bits << 6 | (uint32_t)(unsigned char)values[text[i]];
        if (++count % 4) continue;
        *to++ = (unsigned char)(bits >> 16);
        *to++ = (unsigned char)(bits >> 8);
        *to++ = (unsigned char)bits;
    }
    if (count % 4 == 2) *to++ = (unsigned char)(bits >> 4);
    if (count % 4 == 3) {
        *to++ = (unsigned char)(bits >> 10);
        *to++ = (unsigned char)(bits >> 2);
    }
    return (size_t)(to - (unsigned char *)out);
}

static cJSON *parse(slot *to, const char *key, const char **text) {
    cJSON *document;
    to->data[to->size] = 0;
    document = cJSON_ParseWithLength(to->data, to->size + 1);
    *text = cJSON_GetStringValue(
        cJSON_GetObjectItem(cJSON_GetArrayItem(cJSON_GetObjectItem(document, "data"), 0), key));
    return document;
}

static int decode_by_hand(slot *to) {
    const char *text;
    cJSON *document = parse(to, "b64_json", &text);
    size_t size = text ? strlen(text) : 0;
    to->image = text ? (unsigned char *)malloc(size / 4 * 3 + 3) : NULL;
    if (to->image) to->image_size = plain_decode(text, size, to->image);
    cJSON_Delete(document);
    forget(to);
    return to->image && to->image_size == image_sizes[is_upload(to->s->todo) ? 0 : to->s->todo->image];
}

/* ---- one request --------------------------------------------------------------------------------------- */

static struct curl_slist *make_headers(const setting *s) {
    char type[128];
    struct curl_slist *list = curl_slist_append(NULL, "Authorization: Bearer key-for-the-benchmark");
    snprintf(type, sizeof type, "Content-Type: %s", s->form_type[0] ? s->form_type : "application/json");
    if (!(s->todo->what == UPLOAD_FORM && s->by == BY_HAND)) list = curl_slist_append(list, type);
    return curl_slist_append(list, "Expect:");
}

static void set_up(slot *to, const setting *s, struct curl_slist *headers) {
    const task *t = s->todo;
    char url[96];
    to->s = s;
    to->easy = curl_easy_init();
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%s/%d/images/%s", s->port,
             t->what == AS_URL ? "url" : "json", is_upload(t) ? 0 : t->image,
             is_upload(t) ? "edits" : "generations");
    curl_easy_setopt(to->easy, CURLOPT_URL, url);
    curl_easy_setopt(to->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(to->easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(to->easy, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(to->easy, CURLOPT_WRITEDATA, to);
    curl_easy_setopt(to->easy, CURLOPT_PRIVATE, to);
    if (s->by == LEAST && image_sizes[t->image] > LARGE_IMAGE)
        curl_easy_setopt(to->easy, CURLOPT_BUFFERSIZE, LARGE_BUFFER);
    if (!is_upload(t)) curl_easy_setopt(to->easy, CURLOPT_POSTFIELDS, request_body);
}

/* The reply is there: is it whole? */
static int finish(slot *to) {
    const setting *s = to->s;
    size_t size = image_sizes[is_upload(s->todo) ? 0 : s->todo->image];
    if (s->by == BY_HAND && s->todo->what != AS_URL) return decode_by_hand(to);
    if (s->todo->what == AS_URL) return to->received == size;
    return to->received > image_encoded_size(size);
}

static void release(slot *to) {
    forget(to);
    free(to->image);
    to->image = NULL;
    to->image_size = 0;
}

/* The second request of AS_URL, on the same connection. */
static int follow(slot *to) {
    char url[96];
    const char *link = NULL;
    cJSON *document = to->s->by == BY_HAND ? parse(to, "url", &link) : NULL;
    CURLcode code;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/raw/%d", to->s->port, to->s->todo->image);
    curl_easy_setopt(to->easy, CURLOPT_URL, link ? link : url);
    cJSON_Delete(document);
    forget(to);
    curl_easy_setopt(to->easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(to->easy, CURLOPT_HTTPGET, 1L);
    code = curl_easy_perform(to->easy);
    return code == CURLE_OK;
}

/* ---- downloads ----------------------------------------------------------------------------------------- */

static int run_in_sequence(const setting *s, struct curl_slist *headers) {
    slot one;
    int i, good = 1;
    memset(&one, 0, sizeof one);
    set_up(&one, s, headers);
    for (i = 0; i < s->todo->count; i++) {
        good &= curl_easy_perform(one.easy) == CURLE_OK;
        if (s->todo->what == AS_URL) good &= follow(&one);
        good &= finish(&one);
        release(&one);
    }
    curl_easy_cleanup(one.easy);
    return good;
}

static int collect(CURLM *multi) {
    CURLMsg *message;
    int left, good = 1;
    while ((message = curl_multi_info_read(multi, &left)) != NULL) {
        char *to = NULL;
        if (message->msg != CURLMSG_DONE) continue;
        good &= message->data.result == CURLE_OK;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &to);
        good &= finish((slot *)(void *)to);
    }
    return good;
}

static int run_at_once(const setting *s, struct curl_slist *headers) {
    static slot slots[MOST_SLOTS];
    CURLM *multi = curl_multi_init();
    int i, running = 1, good = 1;
    for (i = 0; i < s->todo->count; i++) {
        set_up(&slots[i], s, headers);
        curl_multi_add_handle(multi, slots[i].easy);
    }
    while (running) {
        curl_multi_perform(multi, &running);
        good &= collect(multi);
        if (running) curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    for (i = 0; i < s->todo->count; i++) {
        curl_multi_remove_handle(multi, slots[i].easy);
        curl_easy_cleanup(slots[i].easy);
        release(&slots[i]);
    }
    curl_multi_cleanup(multi);
    return good;
}

/* ---- uploads ------------------------------------------------------------------------------------------- */

static const char text_before[] = "{\"model\":\"grok-2-image\",\"prompt\":\"a lighthouse in fog\",\"n\":1,"
                                  "\"image\":{\"url\":\"data:image/png;base64,";
static const char text_after[] = "\",\"type\":\"image_url\"},\"response_format\":\"b64_json\"}";

static int prepare_text(setting *s, const unsigned char *image, size_t size) {
    size_t text = image_encoded_size(size);
    s->body_size = sizeof text_before - 1 + text + sizeof text_after - 1;
    s->body = (char *)malloc(s->body_size);
    if (!s->body) return 0;
    memcpy(s->body, text_before, sizeof text_before - 1);
    image_encode(image, size, s->body + sizeof text_before - 1);
    memcpy(s->body + sizeof text_before - 1 + text, text_after, sizeof text_after - 1);
    return 1;
}

static int prepare_form(setting *s, const unsigned char *image, size_t size) {
    char before[512], after[96];
    int n = snprintf(before, sizeof before,
                     "--%s\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na lighthouse in fog\r\n"
                     "--%s\r\nContent-Disposition: form-data; name=\"image\"; filename=\"image.png\"\r\n"
                     "Content-Type: image/png\r\n\r\n",
                     form_boundary, form_boundary);
    int m = snprintf(after, sizeof after, "\r\n--%s--\r\n", form_boundary);
    s->body_size = (size_t)n + size + (size_t)m;
    s->body = (char *)malloc(s->body_size);
    if (!s->body) return 0;
    memcpy(s->body, before, (size_t)n);
    memcpy(s->body + n, image, size);
    memcpy(s->body + (size_t)n + size, after, (size_t)m);
    return 1;
}

/* The floor's body is made before its clock starts. */
int plain_prepare(setting *s) {
    size_t size = image_sizes[s->todo->image];
    unsigned char *image;
    int good;
    if (s->by == LIBRARY || s->by == BY_HAND) return 1;
    if (s->todo->what == UPLOAD_FORM)
        snprintf(s->form_type, sizeof s->form_type, "multipart/form-data; boundary=%s", form_boundary);
    image = image_make(size);
    if (!image) return 0;
    good = s->todo->what == UPLOAD_TEXT ? prepare_text(s, image, size) : prepare_form(s, image, size);
    free(image);
    return good;
}

/* The limit sends whatever stands in libcurl's buffer. */
static size_t send_anything(char *to, size_t one, size_t size, void *user_data) {
    size_t *left = (size_t *)user_data, now = size * one < *left ? size * one : *left;
    (void)to;
    *left -= now;
    return now;
}

static unsigned char *read_file(const char *path, size_t size) {
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = (unsigned char *)malloc(size);
    if (file && bytes && fread(bytes, 1, size, file) != size) {
        free(bytes);
        bytes = NULL;
    }
    if (file) fclose(file);
    return bytes;
}

/* The text that people build: the image in memory, its base64 in memory, and the JSON of both in memory. */
static char *text_by_hand(const setting *s) {
    size_t size = image_sizes[s->todo->image], length = image_encoded_size(size);
    unsigned char *read = s->todo->from_file ? read_file(s->input_path, size) : NULL;
    char *text = (char *)malloc(length + 32), *printed;
    cJSON *document = cJSON_CreateObject(), *image = cJSON_AddObjectToObject(document, "image");
    if (!text || !(read || s->input)) return NULL;
    memcpy(text, "data:image/png;base64,", 22);
    image_encode(read ? read : s->input, size, text + 22);
    text[22 + length] = 0;
    cJSON_AddStringToObject(document, "model", "grok-2-image");
    cJSON_AddStringToObject(document, "prompt", "a lighthouse in fog");
    cJSON_AddStringToObject(image, "url", text);
    printed = cJSON_PrintUnformatted(document);
    cJSON_Delete(document);
    free(text);
    free(read);
    return printed;
}

static curl_mime *form_by_hand(const setting *s, CURL *easy) {
    curl_mime *form = curl_mime_init(easy);
    curl_mimepart *part = curl_mime_addpart(form);
    curl_mime_name(part, "prompt");
    curl_mime_data(part, "a lighthouse in fog", CURL_ZERO_TERMINATED);
    part = curl_mime_addpart(form);
    curl_mime_name(part, "image");
    if (s->todo->from_file) {
        curl_mime_filedata(part, s->input_path);
    } else {
        curl_mime_data(part, (const char *)s->input, image_sizes[s->todo->image]);
        curl_mime_filename(part, "image.png");
    }
    curl_mime_type(part, "image/png");
    return form;
}

static int run_upload(const setting *s, struct curl_slist *headers) {
    slot one;
    size_t left = s->body_size;
    char *text = NULL;
    curl_mime *form = NULL;
    int good;
    memset(&one, 0, sizeof one);
    set_up(&one, s, headers);
    if (s->by == BY_HAND && s->todo->what == UPLOAD_FORM) {
        form = form_by_hand(s, one.easy);
        curl_easy_setopt(one.easy, CURLOPT_MIMEPOST, form);
    } else if (s->by == BY_HAND) {
        text = text_by_hand(s);
        curl_easy_setopt(one.easy, CURLOPT_POSTFIELDS, text);
    } else {
        curl_easy_setopt(one.easy, CURLOPT_POST, 1L);
        curl_easy_setopt(one.easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)s->body_size);
        if (s->by == FLOOR) curl_easy_setopt(one.easy, CURLOPT_POSTFIELDS, s->body);
        curl_easy_setopt(one.easy, CURLOPT_READFUNCTION, send_anything);
        curl_easy_setopt(one.easy, CURLOPT_READDATA, &left);
    }
    good = curl_easy_perform(one.easy) == CURLE_OK && finish(&one);
    release(&one);
    curl_mime_free(form);
    free(text);
    curl_easy_cleanup(one.easy);
    return good;
}

int plain_run(const setting *s) {
    struct curl_slist *headers = make_headers(s);
    int good = is_upload(s->todo) ? run_upload(s, headers)
               : s->todo->at_once ? run_at_once(s, headers)
                                  : run_in_sequence(s, headers);
    curl_slist_free_all(headers);
    return good;
}
