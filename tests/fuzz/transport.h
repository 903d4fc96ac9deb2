/* Plays libcurl for the fuzz targets: what the library asks of it is answered by fuzz_answer_fn, at once and
   without a socket. Defines macros of libcurl's names, so that it must come before the implementation. */

#ifndef FUZZ_TRANSPORT_H
#define FUZZ_TRANSPORT_H

#include <curl/curl.h>

#include <stdarg.h>

#include <arpa/inet.h>

typedef size_t (*fuzz_bytes_fn)(char *data, size_t one, size_t size, void *user_data);

typedef struct fuzz_easy {
    struct fuzz_easy *next; /* of its multi */
    char *url;
    fuzz_bytes_fn write_fn, header_fn, read_fn;
    void *write_data, *header_data, *read_data, *private_data;
    char *error;
    const struct curl_slist *headers;
    const char *method, *username, *password, *text; /* a body as a whole */
    int has_body, checks_address;
    curl_off_t body_size;
    /* of the answer */
    long status;
    curl_off_t length;
    CURLcode code;
    int is_done, is_told;
} fuzz_easy;

typedef struct fuzz_multi {
    fuzz_easy *first;
    CURLMsg message;
} fuzz_multi;

/* A block of exactly that size, as fuzz.h has it. */
static unsigned char *fuzz_copy(const void *data, size_t size);

/* Answers a request by fuzz_deliver_head and fuzz_deliver, and gives what libcurl would say of it. */
static CURLcode (*fuzz_answer_fn)(fuzz_easy *easy);

/* ---- for who answers ---- */

FUZZ_UNUSED static CURLcode fuzz_deliver_line(fuzz_easy *easy, const char *line, size_t size) {
    char *copy = (char *)malloc(size ? size : 1);
    size_t taken;
    FUZZ_CHECK(copy != NULL);
    if (size) memcpy(copy, line, size);
    taken = easy->header_fn ? easy->header_fn(copy, 1, size, easy->header_data) : size;
    free(copy);
    return taken == size ? CURLE_OK : CURLE_WRITE_ERROR;
}

FUZZ_UNUSED static CURLcode fuzz_deliver(fuzz_easy *easy, const unsigned char *data, size_t size) {
    char *copy = (char *)malloc(size ? size : 1);
    size_t taken;
    FUZZ_CHECK(copy != NULL && size > 0);
    memcpy(copy, data, size);
    taken = easy->write_fn(copy, 1, size, easy->write_data);
    free(copy);
    return taken == size ? CURLE_OK : CURLE_WRITE_ERROR;
}

/* ---- libcurl's functions ---- */

/* Lists too, so that no memory that libcurl has filled, which the memory sanitizer knows nothing of, is read. */
static struct curl_slist *fuzz_list_append(struct curl_slist *list, const char *text) {
    struct curl_slist *line = (struct curl_slist *)malloc(sizeof *line), **link = &list;
    FUZZ_CHECK(line != NULL && text != NULL);
    line->data = strdup(text);
    line->next = NULL;
    FUZZ_CHECK(line->data != NULL);
    while (*link) link = &(*link)->next;
    *link = line;
    return list;
}

static void fuzz_list_free(struct curl_slist *list) {
    while (list) {
        struct curl_slist *next = list->next;
        free(list->data);
        free(list);
        list = next;
    }
}

static CURLcode fuzz_global_init(long flags) {
    (void)flags;
    return CURLE_OK;
}

static CURL *fuzz_easy_init(void) {
    return (CURL *)calloc(1, sizeof(fuzz_easy));
}

static void fuzz_easy_reset(CURL *handle) {
    fuzz_easy *easy = (fuzz_easy *)handle;
    free(easy->url);
    memset(easy, 0, sizeof *easy);
}

static void fuzz_easy_cleanup(CURL *handle) {
    fuzz_easy_reset(handle);
    free(handle);
}

static CURLcode fuzz_setopt(CURL *handle, CURLoption option, ...) {
    fuzz_easy *easy = (fuzz_easy *)handle;
    va_list arguments;
    long number = 0;
    void *pointer = NULL;
    curl_off_t offset = 0;
    void (*function)(void) = NULL;
    FUZZ_CHECK(easy != NULL);
    va_start(arguments, option);
    if (option < CURLOPTTYPE_OBJECTPOINT)
        number = va_arg(arguments, long);
    else if (option < CURLOPTTYPE_FUNCTIONPOINT)
        pointer = va_arg(arguments, void *);
    else if (option < CURLOPTTYPE_OFF_T)
        function = va_arg(arguments, void (*)(void));
    else
        offset = va_arg(arguments, curl_off_t);
    va_end(arguments);
    switch ((int)option) {
    case CURLOPT_URL:
        free(easy->url);
        easy->url = strdup((const char *)pointer);
        break;
    case CURLOPT_HTTPGET: easy->method = "GET"; break;
    case CURLOPT_NOBODY: easy->method = number ? "HEAD" : easy->method; break;
    case CURLOPT_POST:
        easy->method = "POST";
        easy->has_body = 1;
        break;
    case CURLOPT_CUSTOMREQUEST: easy->method = (const char *)pointer; break;
    case CURLOPT_POSTFIELDSIZE_LARGE: easy->body_size = offset; break;
    case CURLOPT_WRITEFUNCTION: easy->write_fn = (fuzz_bytes_fn)function; break;
    case CURLOPT_HEADERFUNCTION: easy->header_fn = (fuzz_bytes_fn)function; break;
    case CURLOPT_READFUNCTION: easy->read_fn = (fuzz_bytes_fn)function; break;
    case CURLOPT_OPENSOCKETFUNCTION: easy->checks_address = function != NULL; break;
    case CURLOPT_WRITEDATA: easy->write_data = pointer; break;
    case CURLOPT_HEADERDATA: easy->header_data = pointer; break;
    case CURLOPT_READDATA: easy->read_data = pointer; break;
    case CURLOPT_PRIVATE: easy->private_data = pointer; break;
    case CURLOPT_USERNAME: easy->username = (const char *)pointer; break;
    case CURLOPT_PASSWORD: easy->password = (const char *)pointer; break;
    case CURLOPT_POSTFIELDS: easy->text = (const char *)pointer; break;
    case CURLOPT_ERRORBUFFER: easy->error = (char *)pointer; break;
    case CURLOPT_HTTPHEADER: easy->headers = (const struct curl_slist *)pointer; break;
    default: break;
    }
    return CURLE_OK;
}

static CURLcode fuzz_getinfo(CURL *handle, CURLINFO info, ...) {
    const fuzz_easy *easy = (const fuzz_easy *)handle;
    va_list arguments;
    void *out;
    va_start(arguments, info);
    out = va_arg(arguments, void *);
    va_end(arguments);
    switch ((int)info) {
    case CURLINFO_RESPONSE_CODE: *(long *)out = easy->status; return CURLE_OK;
    case CURLINFO_REQUEST_SIZE: *(long *)out = easy->is_done || easy->status ? 200 : 0; return CURLE_OK;
    case CURLINFO_CONTENT_LENGTH_DOWNLOAD_T: *(curl_off_t *)out = easy->length; return CURLE_OK;
    case CURLINFO_PRIVATE: *(void **)out = easy->private_data; return CURLE_OK;
    default: break;
    }
    switch ((int)info & CURLINFO_TYPEMASK) {
    case CURLINFO_LONG: *(long *)out = 0; break;
    case CURLINFO_DOUBLE: *(double *)out = 0; break;
    case CURLINFO_OFF_T: *(curl_off_t *)out = 0; break;
    default: *(void **)out = NULL; break;
    }
    return CURLE_OK;
}

static CURLM *fuzz_multi_init(void) {
    return (CURLM *)calloc(1, sizeof(fuzz_multi));
}

static CURLMcode fuzz_multi_cleanup(CURLM *handle) {
    FUZZ_CHECK(((fuzz_multi *)handle)->first == NULL);
    free(handle);
    return CURLM_OK;
}

static CURLMcode fuzz_multi_add(CURLM *handle, CURL *added) {
    fuzz_multi *multi = (fuzz_multi *)handle;
    fuzz_easy *easy = (fuzz_easy *)added, **link = &multi->first;
    FUZZ_CHECK(easy->url && easy->write_fn && easy->header_fn && easy->method);
    while (*link) link = &(*link)->next;
    *link = easy;
    easy->next = NULL;
    return CURLM_OK;
}

static CURLMcode fuzz_multi_remove(CURLM *handle, CURL *removed) {
    fuzz_easy **link = &((fuzz_multi *)handle)->first;
    while (*link && *link != (fuzz_easy *)removed) link = &(*link)->next;
    if (*link) *link = (*link)->next;
    return CURLM_OK;
}

/* The body goes through a buffer of changing size, and is as long as was said. */
static CURLcode fuzz_send_body(fuzz_easy *easy) {
    static const size_t sizes[] = {1, 3, 64, 7, 4096, 2, 16384};
    curl_off_t sent = 0;
    size_t i;
    if (!easy->read_fn) {
        FUZZ_CHECK(easy->text != NULL && easy->body_size >= 0);
        free(fuzz_copy(easy->text, (size_t)easy->body_size));
        return CURLE_OK;
    }
    for (i = 0;; i++) {
        size_t size = sizes[i % (sizeof sizes / sizeof sizes[0])], got;
        char *room = (char *)malloc(size);
        FUZZ_CHECK(room != NULL);
        got = easy->read_fn(room, 1, size, easy->read_data);
        free(room);
        if (got == CURL_READFUNC_ABORT) return CURLE_ABORTED_BY_CALLBACK;
        if (got == 0) break;
        FUZZ_CHECK(got <= size);
        sent += (curl_off_t)got;
    }
    FUZZ_CHECK(sent == easy->body_size);
    return CURLE_OK;
}

static CURLMcode fuzz_multi_perform(CURLM *handle, int *active) {
    fuzz_multi *multi = (fuzz_multi *)handle;
    fuzz_easy *easy;
    for (easy = multi->first; easy; easy = easy->next) {
        if (easy->is_done) continue;
        easy->length = -1;
        easy->code = easy->has_body ? fuzz_send_body(easy) : CURLE_OK;
        if (easy->code == CURLE_OK)
            easy->code = fuzz_answer_fn ? fuzz_answer_fn(easy) : CURLE_COULDNT_CONNECT;
        easy->is_done = 1;
    }
    *active = 0;
    return CURLM_OK;
}

static CURLMsg *fuzz_multi_info_read(CURLM *handle, int *left) {
    fuzz_multi *multi = (fuzz_multi *)handle;
    fuzz_easy *easy;
    *left = 0;
    for (easy = multi->first; easy; easy = easy->next) {
        if (!easy->is_done || easy->is_told) continue;
        easy->is_told = 1;
        multi->message.msg = CURLMSG_DONE;
        multi->message.easy_handle = (CURL *)easy;
        multi->message.data.result = easy->code;
        return &multi->message;
    }
    return NULL;
}

static CURLMcode fuzz_multi_poll(CURLM *handle, struct curl_waitfd *more, unsigned count, int timeout_ms,
                                 int *ready) {
    (void)handle;
    (void)more;
    (void)count;
    (void)timeout_ms;
    if (ready) *ready = 0;
    return CURLM_OK;
}

static CURLMcode fuzz_multi_wakeup(CURLM *handle) {
    (void)handle;
    return CURLM_OK;
}

#undef curl_easy_setopt
#undef curl_easy_getinfo
#define curl_slist_append        fuzz_list_append
#define curl_slist_free_all      fuzz_list_free
#define curl_global_init         fuzz_global_init
#define curl_easy_init           fuzz_easy_init
#define curl_easy_reset          fuzz_easy_reset
#define curl_easy_cleanup        fuzz_easy_cleanup
#define curl_easy_setopt         fuzz_setopt
#define curl_easy_getinfo        fuzz_getinfo
#define curl_multi_init          fuzz_multi_init
#define curl_multi_cleanup       fuzz_multi_cleanup
#define curl_multi_add_handle    fuzz_multi_add
#define curl_multi_remove_handle fuzz_multi_remove
#define curl_multi_perform       fuzz_multi_perform
#define curl_multi_info_read     fuzz_multi_info_read
#define curl_multi_poll          fuzz_multi_poll
#define curl_multi_wakeup        fuzz_multi_wakeup

/* ---- what is believed about hosts, without the library's own code ---- */

/* The host's numeric address, as a resolver would take the text: AF_INET, AF_INET6, or 0 for a name. */
FUZZ_UNUSED static int fuzz_numeric_host(const char *host, unsigned char *address) {
    struct in_addr four;
    char bare[64];
    size_t size = strlen(host);
    if (host[0] == '[' && size > 2 && size < sizeof bare) {
        memcpy(bare, host + 1, size - 2);
        bare[size - 2] = '\0';
        return inet_pton(AF_INET6, bare, address) == 1 ? AF_INET6 : 0;
    }
    if (!inet_aton(host, &four)) return 0;
    memcpy(address, &four, 4);
    return AF_INET;
}

FUZZ_UNUSED static int fuzz_is_private_4(const unsigned char *a) {
    return a[0] == 0 || a[0] == 10 || a[0] == 127 || (a[0] == 100 && a[1] >= 64 && a[1] < 128) ||
           (a[0] == 169 && a[1] == 254) || (a[0] == 172 && a[1] >= 16 && a[1] < 32) ||
           (a[0] == 192 && (a[1] == 168 || (a[1] == 0 && a[2] == 0))) ||
           (a[0] == 198 && (a[1] == 18 || a[1] == 19)) || a[0] >= 224;
}

FUZZ_UNUSED static int fuzz_is_private_6(const unsigned char *a) {
    static const unsigned char zero[16];
    if (memcmp(a, zero, 10) == 0 && a[10] == 0xFF && a[11] == 0xFF) return fuzz_is_private_4(a + 12);
    if (memcmp(a, zero, 12) == 0) return 1;
    return (a[0] & 0xFE) == 0xFC || (a[0] == 0xFE && a[1] >= 0x80) || a[0] == 0xFF;
}

#endif
