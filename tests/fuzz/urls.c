/* URLs: what the library takes a URL for is what libcurl, which opens the connection, takes it for; private addresses
   are known however they are written. The input is two texts, separated by a line feed: a URL, and a path or
   redirect below it. */

#include "fuzz.h"

static const tarash_image_allocator *urls_allocator(void) {
    static tarash_image_allocator allocator;
    allocator = tarimg_default_allocator();
    return &allocator;
}

/* Host and port as libcurl reads them; 0 if it refuses the URL. */
typedef struct urls_parts {
    char *scheme, *host, *port;
} urls_parts;

static int urls_split(const char *text, urls_parts *parts) {
    CURLU *url;
    int good;
    FUZZ_FOREIGN_BEGIN();
    url = curl_url();
    good = url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
           curl_url_get(url, CURLUPART_SCHEME, &parts->scheme, 0) == CURLUE_OK &&
           curl_url_get(url, CURLUPART_HOST, &parts->host, 0) == CURLUE_OK &&
           curl_url_get(url, CURLUPART_PORT, &parts->port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    curl_url_cleanup(url);
    FUZZ_FOREIGN_END();
    if (!good) return 0;
    FUZZ_FOREIGN(parts->scheme);
    FUZZ_FOREIGN(parts->host);
    FUZZ_FOREIGN(parts->port);
    return 1;
}

static void urls_free(urls_parts *parts) {
    curl_free(parts->scheme);
    curl_free(parts->host);
    curl_free(parts->port);
}

/* Is it an address at which nothing public can be? Names are not. */
static int urls_is_private(const char *host) {
    unsigned char address[16];
    char bare[300];
    size_t size = strlen(host);
    int family;
    snprintf(bare, sizeof bare, "%s", host);
    if (size && size < sizeof bare && bare[size - 1] == '.') bare[size - 1] = '\0';
    family = fuzz_numeric_host(bare, address);
    if (family == AF_INET) return fuzz_is_private_4(address);
    if (family == AF_INET6) return fuzz_is_private_6(address);
    return strcasecmp(bare, "localhost") == 0;
}

static void urls_check(const char *text) {
    tarimg_url url;
    urls_parts parts;
    char host[300];
    memset(&parts, 0, sizeof parts);
    if (tarimg_split_url(text, &url)) {
        FUZZ_CHECK(url.host_size > 0 && url.host_size <= 255 && url.port >= 1 && url.port <= 65535);
        FUZZ_CHECK(tarimg_same_origin(text, text));
        memcpy(host, url.host, url.host_size);
        host[url.host_size] = '\0';
        if (urls_is_private(host)) FUZZ_CHECK(tarimg_is_private_host(&url));
        if (urls_split(text, &parts)) {
            unsigned char ours[4], theirs[16];
            int same = strcasecmp(host, parts.host) == 0;
            /* libcurl writes an IPv4 address in the usual way, and an IPv6 address in its shortest. */
            if (!same && tarimg_parse_ipv4(host, url.host_size, ours) &&
                fuzz_numeric_host(parts.host, theirs) == AF_INET)
                same = memcmp(ours, theirs, 4) == 0;
            if (!same && host[0] == '[') same = parts.host[0] == '[';
            FUZZ_CHECK(same);
            FUZZ_CHECK(url.port == atoi(parts.port));
            FUZZ_CHECK(url.is_https == (strcmp(parts.scheme, "https") == 0));
            if (urls_is_private(parts.host)) FUZZ_CHECK(tarimg_is_private_host(&url));
        }
        urls_free(&parts);
    }
}

/* A path below a base stays at the base's origin, unless it is a whole URL of its own. */
static void urls_check_join(const char *base, const char *path) {
    tarimg_arena arena;
    const char *joined;
    tarimg_url url;
    int is_whole = tarimg_begins_nocase(path, "http://") || tarimg_begins_nocase(path, "https://");
    tarimg_arena_init(&arena, urls_allocator(), 0);
    joined = tarimg_join_url(&arena, base, path);
    FUZZ_CHECK(joined != NULL);
    if (is_whole)
        FUZZ_CHECK(strcmp(joined, path) == 0);
    else if (tarimg_split_url(base, &url) && !strchr(base, '#') && tarimg_split_url(joined, &url))
        FUZZ_CHECK(tarimg_same_origin(base, joined));
    tarimg_arena_free(&arena);
}

/* "mailto:x", "http:/x": libcurl takes what stands before the colon for a scheme, the library for a part of a path. */
static int urls_has_scheme(const char *text) {
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
    return size && text[size] == ':';
}

/* Where libcurl would go; NULL: nowhere. */
static char *urls_follow(const char *from, const char *location) {
    CURLU *url;
    char *whole = NULL;
    FUZZ_FOREIGN_BEGIN();
    url = curl_url();
    FUZZ_CHECK(url != NULL);
    if (curl_url_set(url, CURLUPART_URL, from, 0) != CURLUE_OK ||
        curl_url_set(url, CURLUPART_URL, location, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_URL, &whole, 0) != CURLUE_OK)
        whole = NULL;
    curl_url_cleanup(url);
    FUZZ_FOREIGN_END();
    if (whole) FUZZ_FOREIGN(whole);
    return whole;
}

static void urls_check_same(const char *ours, const char *theirs) {
    urls_parts one, other;
    memset(&one, 0, sizeof one);
    memset(&other, 0, sizeof other);
    if (urls_split(ours, &one) && urls_split(theirs, &other)) {
        FUZZ_CHECK(strcasecmp(one.host, other.host) == 0);
        FUZZ_CHECK(strcmp(one.port, other.port) == 0 && strcmp(one.scheme, other.scheme) == 0);
    }
    urls_free(&one);
    urls_free(&other);
}

/* A redirect leads where libcurl would go, or nowhere. */
static void urls_check_redirect(const char *from, const char *location) {
    tarimg_arena arena;
    const char *target;
    tarimg_url url;
    char *whole = NULL;
    tarimg_arena_init(&arena, urls_allocator(), 0);
    target = tarimg_redirect_url(&arena, from, location);
    if (target && tarimg_split_url(target, &url) && *location) whole = urls_follow(from, location);
    if (whole && tarimg_split_url(whole, &url) && !strchr(from, '#') &&
        (tarimg_split_url(location, &url) || !urls_has_scheme(location)))
        urls_check_same(target, whole);
    curl_free(whole);
    tarimg_arena_free(&arena);
}

static void urls_check_proxy_list(const char *list, const char *text) {
    tarimg_url url;
    if (tarimg_split_url(text, &url)) (void)tarimg_is_proxy_exempt(list, &url);
}

FUZZ_TARGET(urls) {
    fuzz_input in = {data, size}, first = fuzz_part(&in, '\n');
    char *url = fuzz_text(first), *other = fuzz_text(in);
    urls_check(url);
    urls_check(other);
    FUZZ_CHECK(tarimg_same_origin(url, other) == tarimg_same_origin(other, url));
    urls_check_join(url, other);
    urls_check_redirect(url, other);
    urls_check_proxy_list(other, url);
    free(url);
    free(other);
}
