/* n split into calls, downloads, and what surrounds a call: warnings, plans, limits, logs, TLS, proxies. */

#include "scene.h"

#include <curl/curl.h>

static int requests(const char *session, const char *method, const char *path) {
    cJSON *log = control_log(session);
    int count = log_count(log, method, path);
    cJSON_Delete(log);
    return count;
}

/* ---- n, split ---- */

static void split_start(scene *s, const char *session, const char *script, int n) {
    scene_start(s, session, script);
    s->config.model = "dall-e-3";
    s->request.size = "1024x1024";
    s->request.n = n;
}

static void n_is_split_where_a_call_gives_one(void **state) {
    scene s;
    cJSON *log;
    int i;
    (void)state;
    split_start(&s, "split",
                "[{\"image_result\": {\"size\": \"8x8\", \"revised_prompt\": \"late\"}, \"delay_ms\": 60},"
                " {\"image_result\": {\"size\": \"8x8\"}, \"times\": -1}]",
                4);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.image_count, 4);
    for (i = 0; i < 4; i++) {
        assert_picture(&s.response.images[i], 8, 8);
        assert_int_equal(s.response.images[i].index, i);
        assert_non_null(s.response.images[i].revised_prompt);
    }
    assert_int_equal(s.response.attempt_count, 1);
    log = control_log("split");
    assert_int_equal(log_count(log, "POST", "generations"), 4);
    for (i = 0; i < 4; i++) {
        double n = log_number(log_entry(log, i), "json.n");
        assert_true(n < 0 || n == 1); /* NOLINT: exact */
    }
    cJSON_Delete(log);
    assert_null(warning_about(&s.response, "n"));
    scene_close(&s);
}

static void the_calls_are_made_side_by_side(void **state) {
    scene s;
    (void)state;
    split_start(&s, "side-by-side", "[{\"stall\": true, \"times\": -1}]", 3);
    scene_submit(&s);
    poll_until_requests(&s, 3);
    tarash_image_cancel(s.client, s.job);
    (void)scene_take(&s);
    scene_close(&s);
}

/* Of one reply the second of three images is none: the other two are paid for, and stay. */
static void one_bad_image_takes_no_other_with_it(void **state) {
    scene s;
    char good[256], script[1024];
    (void)state;
    good[tarimg_base64_encode(tiny_png, tiny_png_size, good)] = '\0';
    snprintf(script, sizeof script,
             "[{\"status\": 200, \"body\": {\"data\": [{\"b64_json\": \"%s\"}, {\"b64_json\":"
             " \"PGh0bWw+bm8gaW1hZ2U8L2h0bWw+\"}, {\"b64_json\": \"%s\"}]}}]",
             good, good);
    scene_start(&s, "one-bad", script);
    s.request.n = 3;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.image_count, 2);
    assert_int_equal(s.response.images[0].index, 0);
    assert_int_equal(s.response.images[1].index, 2);
    assert_int_equal(s.response.images[1].size, tiny_png_size);
    assert_non_null(warning_about(&s.response, "n"));
    assert_int_equal(control_posts("one-bad"), 1);
    scene_close(&s);
}

/* What came of an image that ends early is paid for: it is kept, and it is said. */
static void an_image_that_ends_early_is_told(void **state) {
    static const char *const scripts[] = {
        "[{\"image_result\": {\"bytes\": \"truncated\"}}]",
        "[{\"image_result\": {\"url\": true}},"
        " {\"where\": \"files\", \"image_result\": {\"bytes\": \"truncated\"}}]"};
    size_t i;
    (void)state;
    for (i = 0; i < 2; i++) {
        scene s;
        scene_start(&s, "early-end", scripts[i]);
        if (run(&s) != TARASH_IMAGE_OK) fail_msg("%s: %s", scripts[i], s.response.error.message);
        assert_int_equal(s.response.image_count, 1);
        if (!warning_about(&s.response, "images")) fail_msg("%s: no warning", scripts[i]);
        assert_int_equal(control_posts("early-end"), 1);
        scene_close(&s);
    }
}

static void images_that_came_are_kept(void **state) {
    scene s;
    const tarash_image_warning *warning;
    (void)state;
    split_start(
        &s, "partial",
        "[{\"status\": 400}, {\"image_result\": {\"size\": \"8x8\"}, \"times\": 1}, {\"moderation\": true},"
        " {\"image_result\": {\"size\": \"8x8\"}}]",
        4);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.status, TARASH_IMAGE_STATUS_COMPLETED);
    assert_int_equal(s.response.image_count, 2);
    assert_picture(&s.response.images[0], 8, 8);
    assert_picture(&s.response.images[1], 8, 8);
    assert_true(s.response.images[0].index < s.response.images[1].index);
    assert_result(s.response.error.result, TARASH_IMAGE_OK);
    warning = warning_about(&s.response, "n");
    assert_non_null(warning);
    assert_string_equal(warning->asked, "4");
    assert_string_equal(warning->sent, "2");
    assert_int_equal(s.response.attempt_count, 1);
    assert_result(s.response.attempts[0].result, TARASH_IMAGE_OK);
    scene_close(&s);
}

static void partial_success_is_no_reason_to_fall_back(void **state) {
    scene s;
    tarash_image_config second;
    (void)state;
    split_start(&s, "partial-chain",
                "[{\"reset\": \"before\"}, {\"image_result\": {\"size\": \"8x8\"}, \"times\": -1}]", 2);
    second = s.config;
    s.config.fallbacks = &second;
    s.config.fallback_count = 1;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.image_count, 1);
    assert_int_equal(s.response.attempt_count, 1);
    assert_int_equal(control_posts("partial-chain"), 2);
    scene_close(&s);
}

static void all_calls_may_fail(void **state) {
    scene s;
    (void)state;
    split_start(&s, "all-fail", "[{\"status\": 400, \"times\": -1}]", 3);
    assert_result(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(s.response.image_count, 0);
    assert_int_equal(s.response.attempt_count, 1);
    assert_int_equal(control_posts("all-fail"), 3);
    scene_close(&s);
}

static void each_call_is_retried_for_itself(void **state) {
    scene s;
    (void)state;
    split_start(&s, "own-retries",
                "[{\"status\": 503, \"times\": 2, \"headers\": {\"Retry-After\": \"5\"}},"
                " {\"image_result\": {\"size\": \"8x8\"}, \"times\": -1}]",
                3);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.image_count, 3);
    assert_int_equal(control_posts("own-retries"), 5);
    assert_int_equal(s.response.attempts[0].retries, 2);
    scene_close(&s);
}

static void fewer_images_than_asked_for_is_a_warning(void **state) {
    scene s;
    const tarash_image_warning *warning;
    (void)state;
    scene_start(&s, "fewer", "[{\"drop_items\": 1}]");
    s.request.n = 3;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.image_count, 2);
    warning = warning_about(&s.response, "n");
    assert_non_null(warning);
    assert_string_equal(warning->asked, "3");
    assert_string_equal(warning->sent, "2");
    scene_close(&s);
}

/* ---- downloads ---- */

#define AS_URL "{\"image_result\": {\"url\": true}}"

static void a_url_is_downloaded_and_kept(void **state) {
    scene s;
    void *bytes;
    size_t size;
    cJSON *log;
    (void)state;
    scene_start(&s, "download", "[" AS_URL "]");
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_picture(&s.response.images[0], 256, 256);
    assert_non_null(s.response.images[0].url);
    log = control_log("download");
    assert_int_equal(log_count(log, "GET", "/f/download/"), 1);
    assert_string_equal(log_text(log_entry(log, 1), "origin"), "files");
    assert_null(log_header(log_entry(log, 1), "authorization"));
    cJSON_Delete(log);
    bytes = fetch_url(s.response.images[0].url, &size);
    assert_int_equal(size, s.response.images[0].size);
    assert_memory_equal(bytes, s.response.images[0].data, size);
    free(bytes);
    scene_close(&s);
}

static void output_decides(void **state) {
    scene s;
    size_t length;
    tarash_image decoded;
    (void)state;
    scene_start(&s, "output", NULL);
    s.request.output = TARASH_IMAGE_OUTPUT_URL;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_non_null(s.response.images[0].url);
    assert_null(s.response.images[0].data);
    assert_int_equal(s.response.images[0].size, 0);
    assert_int_equal(requests("output", "GET", "/f/"), 0);

    s.request.output = TARASH_IMAGE_OUTPUT_BASE64;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_non_null(s.response.images[0].data);
    length = strlen(s.response.images[0].base64);
    assert_int_equal(length, (s.response.images[0].size + 2) / 3 * 4);
    assert_result(tarash_image_from_base64(s.response.images[0].base64, length, &decoded), TARASH_IMAGE_OK);
    assert_int_equal(decoded.size, s.response.images[0].size);
    assert_memory_equal(decoded.data, s.response.images[0].data, decoded.size);
    tarash_image_free(&decoded);

    s.request.output = TARASH_IMAGE_OUTPUT_BYTES;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_non_null(s.response.images[0].data);
    assert_null(s.response.images[0].base64);
    scene_close(&s);
}

static void redirects_are_followed(void **state) {
    static const struct {
        int count;
        tarash_image_result result;
    } cases[] = {{1, TARASH_IMAGE_OK}, {5, TARASH_IMAGE_OK}, {6, TARASH_IMAGE_ERROR_BAD_RESPONSE}};
    size_t i;
    (void)state;
    for (i = 0; i < 3; i++) {
        scene s;
        scene_start(&s, "redirects", NULL);
        assert_int_equal(
            control_scriptf("redirects",
                            "[" AS_URL ", {\"where\": \"files\", \"times\": %d, \"redirect\":"
                            " {\"status\": 307, \"to\": \"{FILES}/f/redirects/static/16x8.png\"}}]",
                            cases[i].count),
            0);
        assert_result(run(&s), cases[i].result);
        if (cases[i].result == TARASH_IMAGE_OK) assert_picture(&s.response.images[0], 16, 8);
        assert_int_equal(control_posts("redirects"), 1);
        assert_int_equal(requests("redirects", "GET", "/f/"), cases[i].count < 6 ? cases[i].count + 1 : 6);
        scene_close(&s);
    }
}

static void relative_redirects_are_understood(void **state) {
    static const char *const places[] = {"/f/relative/static/16x8.png", "static/16x8.png",
                                         "//127.0.0.1:%d/f/relative/static/16x8.png"};
    size_t i;
    (void)state;
    for (i = 0; i < 3; i++) {
        scene s;
        char place[128];
        scene_start(&s, "relative", NULL);
        if (i == 2)
            snprintf(place, sizeof place, "//127.0.0.1:%d/f/relative/static/16x8.png", server_files_port());
        else
            snprintf(place, sizeof place, "%s", places[i]);
        assert_int_equal(
            control_scriptf("relative",
                            "[" AS_URL
                            ", {\"where\": \"files\", \"redirect\": {\"status\": %d, \"to\": \"%s\"}}]",
                            i == 0   ? 301
                            : i == 1 ? 303
                                     : 308,
                            place),
            0);
        assert_result(run(&s), TARASH_IMAGE_OK);
        assert_picture(&s.response.images[0], 16, 8);
        scene_close(&s);
    }
}

static void bad_redirects_are_refused(void **state) {
    static const char *const places[] = {"file:///etc/hostname",
                                         "ftp://127.0.0.1/x",
                                         "gopher://127.0.0.1/",
                                         "http://user:password@127.0.0.1/x",
                                         "http:///x",
                                         "data:image/png;base64,AAAA",
                                         "javascript:alert(1)"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof places / sizeof places[0]; i++) {
        scene s;
        tarash_image_result result;
        scene_start(&s, "bad-redirect", NULL);
        assert_int_equal(control_scriptf("bad-redirect",
                                         "[" AS_URL
                                         ", {\"where\": \"files\", \"redirect\": {\"to\": \"%s\"}}]",
                                         places[i]),
                         0);
        result = run(&s);
        if (result == TARASH_IMAGE_OK) fail_msg("%s was followed", places[i]);
        if (i < 5) assert_result(result, TARASH_IMAGE_ERROR_BAD_RESPONSE);
        assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
        assert_int_equal(control_posts("bad-redirect"), 1);
        scene_close(&s);
    }
}

static void bad_urls_are_refused(void **state) {
    static const char *const urls[] = {"file:///etc/hostname", "ftp://127.0.0.1/x.png",   "/relative.png",
                                       "http://a b/",          "http://user@127.0.0.1/x", "https://",
                                       "http://127.0.0.1:0/"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        scene s;
        scene_start(&s, "bad-url", NULL);
        assert_int_equal(control_scriptf("bad-url", "[{\"image_result\": {\"url_text\": \"%s\"}}]", urls[i]),
                         0);
        assert_result(run(&s), TARASH_IMAGE_ERROR_BAD_RESPONSE);
        assert_int_equal(requests("bad-url", "GET", NULL), 0);
        scene_close(&s);
    }
}

static void a_failed_download_is_repeated_without_a_new_post(void **state) {
    static const char *const scripts[] = {
        "[" AS_URL ", {\"where\": \"files\", \"status\": 503, \"times\": 2}]",
        "[" AS_URL ", {\"where\": \"files\", \"status\": 502, \"times\": 2}]",
        "[" AS_URL ", {\"where\": \"files\", \"reset\": \"before\", \"times\": 2}]",
        "[" AS_URL ", {\"where\": \"files\", \"reset\": \"in_body\", \"times\": 2}]",
        "[" AS_URL ", {\"where\": \"files\", \"close_after_bytes\": 10, \"times\": 2}]"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        scene s;
        scene_start(&s, "again", scripts[i]);
        if (run(&s) != TARASH_IMAGE_OK) fail_msg("%s: %s", scripts[i], s.response.error.message);
        assert_picture(&s.response.images[0], 256, 256);
        assert_int_equal(control_posts("again"), 1);
        assert_int_equal(requests("again", "GET", "/f/"), 3);
        assert_int_equal(s.response.attempts[0].retries, 2);
        scene_close(&s);
    }
}

static void an_expired_url_is_told(void **state) {
    static const int statuses[] = {403, 404, 410};
    size_t i;
    (void)state;
    for (i = 0; i < 3; i++) {
        scene s;
        scene_start(&s, "expired", NULL);
        assert_int_equal(
            control_scriptf("expired", "[" AS_URL ", {\"where\": \"files\", \"status\": %d, \"times\": -1}]",
                            statuses[i]),
            0);
        assert_int_not_equal(run(&s), TARASH_IMAGE_OK);
        assert_int_equal(s.response.error.http_status, statuses[i]);
        assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
        assert_int_equal(control_posts("expired"), 1);
        assert_int_equal(requests("expired", "GET", "/f/"), 1);
        assert_int_equal(s.response.image_count, 1); /* the URL at least */
        assert_contains(s.response.images[0].url, "/f/expired/");
        assert_null(s.response.images[0].data);
        scene_close(&s);
    }
}

static void a_failed_download_can_be_resumed(void **state) {
    scene s;
    char token[1024];
    (void)state;
    scene_start(&s, "resumed", "[" AS_URL ", {\"where\": \"files\", \"status\": 503, \"times\": 3}]");
    assert_result(run(&s), TARASH_IMAGE_ERROR_HTTP);
    snprintf(token, sizeof token, "%s", s.response.error.job_token);
    assert_true(token[0] != 0);
    tarash_image_client_destroy(s.client);
    scene_client(&s); /* another one */
    s.job = tarash_image_resume(s.client, &s.config, token);
    finish(&s);
    assert_result(scene_take(&s), TARASH_IMAGE_OK);
    assert_picture(&s.response.images[0], 256, 256);
    assert_int_equal(control_posts("resumed"), 1);
    scene_close(&s);
}

/* Signed URLs are long; what was paid for must not be lost for that. */
static void a_long_url_can_be_resumed(void **state) {
    scene s;
    char query[1401];
    tarash_image_text token;
    (void)state;
    memset(query, 's', sizeof query - 1);
    query[sizeof query - 1] = '\0';
    scene_start(&s, "long-url", NULL);
    assert_int_equal(
        control_scriptf("long-url",
                        "[{\"image_result\": {\"url_text\": \"{FILES}/f/long-url/static/8x8.png?%s\"}},"
                        " {\"where\": \"files\", \"status\": 503, \"times\": 3}]",
                        query),
        0);
    scene_submit(&s);
    finish(&s);
    assert_result(tarash_image_job_token(s.client, s.job, &token), TARASH_IMAGE_OK);
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_HTTP);
    s.job = tarash_image_resume(s.client, &s.config, token.data);
    tarash_image_text_free(&token);
    finish(&s);
    assert_result(scene_take(&s), TARASH_IMAGE_OK);
    assert_picture(&s.response.images[0], 8, 8);
    assert_int_equal(control_posts("long-url"), 1);
    scene_close(&s);
}

static void what_is_no_image_is_refused(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "no-image",
                "[" AS_URL ", {\"where\": \"files\", \"times\": -1,"
                " \"image_result\": {\"bytes\": \"html\"}}]");
    assert_result(run(&s), TARASH_IMAGE_ERROR_BAD_RESPONSE);
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
    assert_int_equal(control_posts("no-image"), 1);
    scene_close(&s);
}

/* ---- private addresses ---- */

static int is_private(const char *text) {
    tarimg_url url;
    assert_true(tarimg_split_url(text, &url));
    return tarimg_is_private_host(&url);
}

static void private_hosts_are_known(void **state) {
    static const char *const private_ones[] = {"http://127.0.0.1/",
                                               "http://127.1/",
                                               "http://127.0.0.1./",
                                               "http://2130706433/",
                                               "http://0x7f000001/",
                                               "http://0177.0.0.1/",
                                               "http://0/",
                                               "http://0.0.0.0/",
                                               "http://10.1.2.3/",
                                               "http://100.64.0.1/",
                                               "http://100.127.255.255/",
                                               "http://169.254.169.254/",
                                               "http://172.16.0.1/",
                                               "http://172.31.255.255/",
                                               "http://192.168.0.1/",
                                               "http://192.0.0.8/",
                                               "http://198.18.0.1/",
                                               "http://224.0.0.1/",
                                               "http://255.255.255.255/",
                                               "http://localhost/",
                                               "http://LOCALHOST./",
                                               "http://a.localhost/",
                                               "http://[::1]/",
                                               "http://[::]/",
                                               "http://[fe80::1]/",
                                               "http://[fc00::1]/",
                                               "http://[fdab::1]/",
                                               "http://[ff02::1]/",
                                               "http://[::ffff:127.0.0.1]/",
                                               "http://[::ffff:10.0.0.1]/",
                                               "http://[64:ff9b::7f00:1]/",
                                               "http://[2002:7f00:1::]/",
                                               "http://[::127.0.0.1]/"};
    static const char *const public_ones[] = {
        "http://example.com/",       "http://1.1.1.1/",          "http://8.8.8.8:80/",
        "http://100.63.255.255/",    "http://100.128.0.1/",      "http://172.15.0.1/",
        "http://172.32.0.1/",        "http://192.169.0.1/",      "http://11.0.0.1/",
        "http://126.255.255.255/",   "http://128.0.0.1/",        "http://localhost.example.com/",
        "http://[2606:4700::1111]/", "http://[::ffff:8.8.8.8]/", "http://10.example.com/"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof private_ones / sizeof private_ones[0]; i++) {
        if (!is_private(private_ones[i])) fail_msg("%s counts as public", private_ones[i]);
    }
    for (i = 0; i < sizeof public_ones / sizeof public_ones[0]; i++) {
        if (is_private(public_ones[i])) fail_msg("%s counts as private", public_ones[i]);
    }
}

/* Resumes the download of a URL for a provider whose base_url is a public-looking host that doesn't exist:
   nothing may be connected to. */
static void resume_url(scene *s, const char *base_url, const char *url) {
    char text[700], token[1100];
    size_t size;
    snprintf(text, sizeof text,
             "{\"provider\":\"openai\",\"model\":\"dall-e-2\",\"urls\":[{\"url\":\"%s\",\"index\":0}]}", url);
    memcpy(token, "tarash1.", 8);
    size = tarimg_base64_encode((const unsigned char *)text, strlen(text), token + 8);
    token[8 + size] = '\0';
    while (token[7 + size] == '=') token[7 + size--] = '\0';
    s->config.base_url = base_url;
    s->job = tarash_image_resume(s->client, &s->config, token);
    finish(s);
}

static void results_at_private_addresses_are_not_asked_for(void **state) {
    scene s;
    char url[256], alias[256];
    const char *base = "https://images.invalid/v1";
    (void)state;
    scene_start(&s, "private", NULL);
    server_files_url(url, sizeof url, "private", "static/8x8.png");
    resume_url(&s, base, url);
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_BAD_RESPONSE);
    assert_contains(s.response.error.message, "private");
    snprintf(alias, sizeof alias, "http://localhost:%d/f/private/static/8x8.png", server_files_port());
    resume_url(&s, base, alias);
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_BAD_RESPONSE);
    snprintf(alias, sizeof alias, "http://[::ffff:127.0.0.1]:%d/f/private/static/8x8.png",
             server_files_port());
    resume_url(&s, base, alias);
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_BAD_RESPONSE);
    assert_int_equal(requests("private", NULL, NULL), 0);
    /* Where the provider itself is such a host, its results may be. */
    resume_url(&s, s.url, url);
    assert_result(scene_take(&s), TARASH_IMAGE_OK);
    assert_picture(&s.response.images[0], 8, 8);
    scene_close(&s);
}

/* The name looks public and leads to loopback: found out when the socket is to be opened. */
static void resolve_to_loopback(void *easy, void *user_data) {
    struct curl_slist *hosts = (struct curl_slist *)user_data;
    curl_easy_setopt((CURL *)easy, CURLOPT_RESOLVE, hosts);
}

static void names_that_lead_to_private_addresses_are_refused(void **state) {
    scene s;
    char url[256], entry[128];
    struct curl_slist *hosts;
    (void)state;
    snprintf(entry, sizeof entry, "pictures.invalid:%d:127.0.0.1", server_files_port());
    hosts = curl_slist_append(NULL, entry);
    assert_non_null(hosts);
    scene_open(&s, "rebound");
    s.desc.curl_hook_fn = resolve_to_loopback;
    s.desc.curl_hook_user_data = hosts;
    scene_client(&s);
    snprintf(url, sizeof url, "http://pictures.invalid:%d/f/rebound/static/8x8.png", server_files_port());
    resume_url(&s, "https://images.invalid/v1", url);
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_BAD_RESPONSE);
    assert_int_equal(requests("rebound", NULL, NULL), 0);
    resume_url(&s, s.url, url); /* the resolution itself works */
    assert_result(scene_take(&s), TARASH_IMAGE_OK);
    scene_close(&s);
    curl_slist_free_all(hosts);
}

/* A connection that was kept by a job that may use private addresses is none for one that may not. */
static void kept_connections_open_no_back_door(void **state) {
    scene s;
    char url[256], entry[128];
    struct curl_slist *hosts;
    (void)state;
    snprintf(entry, sizeof entry, "pictures.invalid:%d:127.0.0.1", server_files_port());
    hosts = curl_slist_append(NULL, entry);
    assert_non_null(hosts);
    scene_open(&s, "back-door");
    s.desc.curl_hook_fn = resolve_to_loopback;
    s.desc.curl_hook_user_data = hosts;
    scene_client(&s);
    snprintf(url, sizeof url, "http://pictures.invalid:%d/f/back-door/static/8x8.png", server_files_port());
    resume_url(&s, s.url, url);
    assert_result(scene_take(&s), TARASH_IMAGE_OK);
    resume_url(&s, "https://images.invalid/v1", url);
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_BAD_RESPONSE);
    assert_int_equal(requests("back-door", "GET", NULL), 1);
    scene_close(&s);
    curl_slist_free_all(hosts);
}

/* ---- images of their own ---- */

static void from_base64(void **state) {
    char text[512], spaced[1024], url[600];
    size_t length = tarimg_base64_encode(tiny_png, tiny_png_size, text), i, k = 0;
    tarash_image image;
    (void)state;
    assert_result(tarash_image_from_base64(text, length, &image), TARASH_IMAGE_OK);
    assert_int_equal(image.size, tiny_png_size);
    assert_memory_equal(image.data, tiny_png, tiny_png_size);
    assert_picture(&image, 4, 4);
    tarash_image_free(&image);
    assert_null(image.data);
    tarash_image_free(&image);
    tarash_image_free(NULL);
    for (i = 0; i < length; i++) {
        spaced[k++] = text[i];
        if (i % 10 == 0) spaced[k++] = "\n\r \t"[i / 10 % 4];
    }
    assert_result(tarash_image_from_base64(spaced, k, &image), TARASH_IMAGE_OK);
    tarash_image_free(&image);
    snprintf(url, sizeof url, "data:image/png;base64,%.*s", (int)length, text);
    assert_result(tarash_image_from_base64(url, strlen(url), &image), TARASH_IMAGE_OK);
    tarash_image_free(&image);
    assert_result(tarash_image_from_base64("data:image/png,abc", 18, &image), TARASH_IMAGE_ERROR_VALIDATION);
    assert_result(tarash_image_from_base64("@@@@", 4, &image), TARASH_IMAGE_ERROR_VALIDATION);
    assert_result(tarash_image_from_base64("aGVsbG8=", 8, &image), TARASH_IMAGE_ERROR_VALIDATION); /* hello */
    assert_result(tarash_image_from_base64("", 0, &image), TARASH_IMAGE_ERROR_VALIDATION);
    assert_result(tarash_image_from_base64(NULL, 3, &image), TARASH_IMAGE_ERROR_VALIDATION);
    assert_result(tarash_image_from_base64(text, length, NULL), TARASH_IMAGE_ERROR_VALIDATION);
    assert_null(image.data);
}

static void from_url(void **state) {
    scene s;
    char url[256];
    tarash_image image;
    tarash_image_error error;
    (void)state;
    scene_open(&s, "from-url");
    memset(&s.desc.clock, 0, sizeof s.desc.clock);
    scene_client(&s);
    server_files_url(url, sizeof url, "from-url", "static/24x12.png");
    assert_result(tarash_image_from_url(s.client, url, &image, &error), TARASH_IMAGE_OK);
    assert_picture(&image, 24, 12);
    assert_string_equal(image.url, url);
    assert_result(error.result, TARASH_IMAGE_OK);
    tarash_image_free(&image);
    assert_result(tarash_image_from_url(NULL, url, &image, NULL), TARASH_IMAGE_OK);
    tarash_image_free(&image);
    assert_result(tarash_image_from_url(s.client, "file:///etc/hostname", &image, &error),
                  TARASH_IMAGE_ERROR_VALIDATION);
    assert_result(tarash_image_from_url(s.client, NULL, &image, &error), TARASH_IMAGE_ERROR_VALIDATION);
    server_files_url(url, sizeof url, "from-url", "nothing");
    assert_result(tarash_image_from_url(s.client, url, &image, &error), TARASH_IMAGE_ERROR_HTTP);
    assert_int_equal(error.http_status, 404);
    assert_string_equal(error.job_token, ""); /* there is no job */
    assert_null(image.data);
    scene_close(&s);
}

static void detached_images_outlive_their_response(void **state) {
    scene s;
    tarash_image copy;
    size_t size;
    (void)state;
    scene_start(&s, "detached", "[{\"image_result\": {\"url\": true, \"revised_prompt\": \"a rook\"}}]");
    assert_result(run(&s), TARASH_IMAGE_OK);
    size = s.response.images[0].size;
    assert_result(tarash_image_detach(&s.response.images[0], &copy), TARASH_IMAGE_OK);
    tarash_image_response_free(&s.response);
    tarash_image_client_destroy(s.client);
    s.client = NULL;
    assert_picture(&copy, 256, 256);
    assert_int_equal(copy.size, size);
    assert_string_equal(copy.revised_prompt, "a rook");
    assert_contains(copy.url, "/f/detached/");
    tarash_image_free(&copy);
    assert_result(tarash_image_detach(NULL, &copy), TARASH_IMAGE_ERROR_VALIDATION);
    scene_close(&s);
}

static void saving_is_whole_or_not_at_all(void **state) {
    scene s;
    char path[600];
    tarash_image_error error;
    tarash_image empty;
    void *data;
    size_t size;
    (void)state;
    scene_start(&s, "saved", NULL);
    assert_result(run(&s), TARASH_IMAGE_OK);
    temporary_path(path, sizeof path, "saved.png");
    assert_int_equal(write_whole_file(path, "old", 3), 0);
    assert_result(tarash_image_save(&s.response.images[0], path, &error), TARASH_IMAGE_OK);
    data = read_whole_file(path, &size);
    assert_int_equal(size, s.response.images[0].size);
    assert_memory_equal(data, s.response.images[0].data, size);
    free(data);
    temporary_path(path, sizeof path, "no-such-folder/saved.png");
    assert_result(tarash_image_save(&s.response.images[0], path, &error), TARASH_IMAGE_ERROR_IO);
    assert_contains(error.message, "no-such-folder");
    assert_result(tarash_image_save(&s.response.images[0], "", NULL), TARASH_IMAGE_ERROR_VALIDATION);
    assert_result(tarash_image_save(&s.response.images[0], NULL, NULL), TARASH_IMAGE_ERROR_VALIDATION);
    memset(&empty, 0, sizeof empty);
    assert_result(tarash_image_save(&empty, path, &error), TARASH_IMAGE_ERROR_VALIDATION);
    assert_result(tarash_image_save(NULL, path, &error), TARASH_IMAGE_ERROR_VALIDATION);
    scene_close(&s);
}

/* ---- warnings, strict, plan ---- */

static void strict_refuses_what_would_be_changed(void **state) {
    scene s;
    tarash_image_config second;
    (void)state;
    scene_start(&s, "strict", NULL);
    s.request.size = "300x300";
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_string_equal(warning_about(&s.response, "size")->asked, "300x300");
    assert_string_equal(warning_about(&s.response, "size")->sent, "256x256");
    s.request.strict = 1;
    assert_result(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
    assert_contains(s.response.error.message, "size");
    assert_int_equal(control_posts("strict"), 1);
    /* A link further down counts as much. */
    s.request.size = "256x256";
    second = s.config;
    second.model = "dall-e-3";
    s.config.fallbacks = &second;
    s.config.fallback_count = 1;
    assert_result(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
    assert_int_equal(control_posts("strict"), 1);
    s.config.fallback_count = 0;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.warning_count, 0);
    scene_close(&s);
}

static void a_plan_sends_nothing(void **state) {
    scene s;
    tarash_image_config second;
    tarash_image_text plan;
    tarash_image_header header = {"X-Api-Token", "hidden-value"};
    cJSON *json;
    const cJSON *link;
    char url[256];
    (void)state;
    scene_start(&s, "plan", NULL);
    memset(&second, 0, sizeof second);
    second.provider = "xai";
    second.api_key = "xai-another-key-0123";
    second.base_url = server_api_url(url, sizeof url, "plan", "xai/v1");
    s.config.model = "dall-e-3";
    s.config.headers = &header;
    s.config.header_count = 1;
    s.config.fallbacks = &second;
    s.config.fallback_count = 1;
    s.request.size = "1000x1000";
    s.request.n = 3;
    s.request.prompt = "say \"" SCENE_KEY "\"\n";
    assert_result(tarash_image_plan(s.client, &s.config, &s.request, &plan), TARASH_IMAGE_OK);
    assert_int_equal(strlen(plan.data), plan.size);
    assert_null(strstr(plan.data, SCENE_KEY));
    assert_null(strstr(plan.data, "xai-another-key-0123"));
    assert_null(strstr(plan.data, "hidden-value"));
    json = cJSON_ParseWithOpts(plan.data, NULL, 1);
    assert_non_null(json);
    assert_int_equal(cJSON_GetArraySize(json), 2);
    link = cJSON_GetArrayItem(json, 0);
    assert_string_equal(log_text(link, "provider"), "openai");
    assert_string_equal(log_text(link, "model"), "dall-e-3");
    assert_string_equal(log_text(link, "method"), "POST");
    assert_contains(log_text(link, "url"), "/s/plan/openai/v1/images/generations");
    assert_contains(log_text(link, "headers.Authorization"), "redacted");
    assert_string_equal(log_text(link, "headers.Content-Type"), "application/json");
    assert_string_equal(log_text(link, "body.size"), "1024x1024");
    assert_int_equal((int)log_number(link, "calls"), 3);
    assert_string_equal(log_text(link, "warnings[0].field"), "size");
    assert_string_equal(log_text(link, "warnings[0].asked"), "1000x1000");
    assert_string_equal(log_text(link, "warnings[0].sent"), "1024x1024");
    link = cJSON_GetArrayItem(json, 1);
    assert_string_equal(log_text(link, "provider"), "xai");
    assert_string_equal(log_text(link, "body.aspect_ratio"), "1:1");
    assert_null(log_at(link, "headers.X-Api-Token"));
    cJSON_Delete(json);
    tarash_image_text_free(&plan);
    tarash_image_text_free(&plan);
    tarash_image_text_free(NULL);

    assert_result(tarash_image_plan(NULL, &s.config, &s.request, &plan), TARASH_IMAGE_OK);
    tarash_image_text_free(&plan);
    s.config.provider = "nobody";
    assert_result(tarash_image_plan(s.client, &s.config, &s.request, &plan), TARASH_IMAGE_ERROR_VALIDATION);
    assert_null(plan.data);
    assert_contains(plan.error.message, "nobody");
    tarash_image_text_free(&plan);
    assert_int_equal(tarash_image_poll(s.client, 0), 0);
    assert_int_equal(requests("plan", NULL, NULL), 0);
    scene_close(&s);
}

static void a_plan_lists_form_parts(void **state) {
    scene s;
    tarash_image_input input;
    tarash_image_text plan;
    cJSON *json;
    (void)state;
    scene_start(&s, "plan-form", NULL);
    memset(&input, 0, sizeof input);
    input.data = tiny_png;
    input.size = tiny_png_size;
    s.request.images = &input;
    s.request.image_count = 1;
    assert_result(tarash_image_plan(s.client, &s.config, &s.request, &plan), TARASH_IMAGE_OK);
    json = cJSON_ParseWithOpts(plan.data, NULL, 1);
    assert_non_null(json);
    assert_true(cJSON_IsArray(log_at(log_entry(json, 0), "body")));
    assert_true(log_contains(json, "image/png"));
    assert_true(log_contains(json, "a lighthouse in fog"));
    cJSON_Delete(json);
    tarash_image_text_free(&plan);
    scene_close(&s);
}

/* ---- limits, at the edge ---- */

static tarash_image_result limited(const tarash_image_limits *limits, const char *script) {
    scene s;
    tarash_image_result result;
    scene_open(&s, "limited");
    s.desc.limits = *limits;
    assert_int_equal(control_script("limited", script), 0);
    scene_client(&s);
    result = run(&s);
    if (result != TARASH_IMAGE_OK) {
        assert_result(result, TARASH_IMAGE_ERROR_TOO_LARGE);
        assert_contains(s.response.error.message, "limits.");
    }
    scene_close(&s);
    return result;
}

static void limits_hold_at_their_edge(void **state) {
    static const char plain[] = "[{}]", by_url[] = "[" AS_URL "]", gzip[] = "[{\"gzip\": true}]";
    tarash_image_limits limits;
    scene s;
    size_t image, reply;
    (void)state;
    scene_start(&s, "limited", plain);
    scene_submit(&s);
    finish(&s);
    {
        tarash_image_update update;
        (void)tarash_image_job_status(s.client, s.job, &update);
        reply = (size_t)update.bytes_received;
    }
    assert_result(scene_take(&s), TARASH_IMAGE_OK);
    image = s.response.images[0].size;
    scene_close(&s);

    memset(&limits, 0, sizeof limits);
    limits.max_image_bytes = image;
    assert_result(limited(&limits, plain), TARASH_IMAGE_OK);
    assert_result(limited(&limits, by_url), TARASH_IMAGE_OK);
    limits.max_image_bytes = image - 1;
    assert_result(limited(&limits, plain), TARASH_IMAGE_ERROR_TOO_LARGE);
    assert_result(limited(&limits, by_url), TARASH_IMAGE_ERROR_TOO_LARGE);

    memset(&limits, 0, sizeof limits);
    limits.max_reply_bytes = reply;
    assert_result(limited(&limits, plain), TARASH_IMAGE_OK);
    limits.max_reply_bytes = reply - 1;
    assert_result(limited(&limits, plain), TARASH_IMAGE_ERROR_TOO_LARGE);
    assert_result(limited(&limits, gzip), TARASH_IMAGE_ERROR_TOO_LARGE); /* as it is unpacked */
}

static void a_reply_without_end_is_left(void **state) {
    static const char *const scripts[] = {"[{\"endless_body\": true}]", "[{\"endless_body\": \"chunked\"}]",
                                          "[{\"endless_headers\": true}]", "[{\"gzip_bomb\": 64}]"};
    tarash_image_limits limits;
    size_t i;
    (void)state;
    memset(&limits, 0, sizeof limits);
    limits.max_image_bytes = 1 << 20;
    for (i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        if (limited(&limits, scripts[i]) != TARASH_IMAGE_ERROR_TOO_LARGE) fail_msg("%s", scripts[i]);
    }
}

static void headers_have_a_limit(void **state) {
    static const char script[] =
        "[{\"raw\": \"HTTP/1.1 200 OK\\r\\nContent-Length: 107\\r\\nConnection:  close  \\r\\n\\r\\n"
        "{\\\"data\\\":[{\\\"b64_json\\\":\\\"R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7\\\"}],"
        "\\\"pad\\\":\\\"0123456789\\\",\\\"x\\\":1}\"}]";
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 107\r\nConnection:  close  \r\n\r\n";
    tarash_image_limits limits;
    tarash_image_result result;
    (void)state;
    memset(&limits, 0, sizeof limits);
    limits.max_header_bytes = sizeof head - 1;
    result = limited(&limits, script);
    assert_result(result, TARASH_IMAGE_OK);
    limits.max_header_bytes = sizeof head - 2;
    assert_result(limited(&limits, script), TARASH_IMAGE_ERROR_TOO_LARGE);
}

static void documents_have_limits(void **state) {
    tarash_image_limits limits;
    scene s;
    int i;
    (void)state;
    /* One deep member: {"data": [{"b64_json"}]} is three levels itself. */
    for (i = 0; i < 2; i++) {
        memset(&limits, 0, sizeof limits);
        limits.max_json_depth = i ? 5 : 6;
        assert_result(limited(&limits, "[{\"merge\": {\"deep\": [[[[[1]]]]]}}]"),
                      i ? TARASH_IMAGE_ERROR_TOO_LARGE : TARASH_IMAGE_OK);
    }
    memset(&limits, 0, sizeof limits);
    limits.max_document_bytes = 20000;
    assert_result(limited(&limits, "[{}]"), TARASH_IMAGE_OK);
    {
        char *script = (char *)malloc(40000);
        assert_non_null(script);
        memset(script, 'a', 40000);
        memcpy(script, "[{\"merge\": {\"long\": \"", 21);
        memcpy(script + 39000, "\"}}]", 5);
        assert_result(limited(&limits, script), TARASH_IMAGE_ERROR_TOO_LARGE);
        free(script);
    }
    /* More images than the client wants to see. */
    scene_open(&s, "max-images");
    s.desc.limits.max_images = 2;
    scene_client(&s);
    s.request.n = 3;
    assert_result(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
    assert_contains(s.response.error.message, "n:");
    assert_int_equal(control_posts("max-images"), 0);
    s.request.n = 2;
    assert_result(run(&s), TARASH_IMAGE_OK);
    scene_close(&s);
}

/* ---- logs ---- */

static void logs_have_levels(void **state) {
    scene s;
    tarash_image_log_level level;
    (void)state;
    for (level = TARASH_IMAGE_LOG_DEBUG; level <= TARASH_IMAGE_LOG_ERROR; level++) {
        int i;
        scene_open(&s, "levels");
        s.desc.logger.level = level;
        scene_client(&s);
        assert_int_equal(control_script("levels", "[{\"status\": 503}, {\"status\": 400}]"), 0);
        assert_result(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
        for (i = 0; i < 4; i++) assert_int_equal(s.log.count[i] > 0, i >= (int)level);
        scene_close(&s);
    }
    scene_open(&s, "levels");
    memset(&s.desc.logger, 0, sizeof s.desc.logger);
    scene_client(&s);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_null(s.log.text);
    scene_close(&s);
}

static void keys_are_in_nothing_that_leaves(void **state) {
    scene s;
    tarash_image_header header = {"X-Secret-Token", "header-secret-42"};
    (void)state;
    scene_open(&s, "redacted");
    s.memory.secret = "badkey-0123456789";
    scene_client(&s);
    /* The server repeats a wrong key in its message. */
    s.config.api_key = "sk-badkey-0123456789";
    s.config.headers = &header;
    s.config.header_count = 1;
    assert_result(run(&s), TARASH_IMAGE_ERROR_AUTHENTICATION);
    assert_contains(s.response.error.message, "Incorrect API key");
    assert_null(strstr(s.response.error.message, "badkey-0123456789"));
    assert_null(strstr(s.response.raw_response, "badkey-0123456789"));
    assert_null(strstr(s.response.attempts[0].message, "badkey-0123456789"));
    assert_false(log_collector_contains(&s.log, "badkey-0123456789"));
    assert_false(log_collector_contains(&s.log, "header-secret-42"));
    tarash_image_response_free(&s.response);
    tarash_image_client_destroy(s.client);
    s.client = NULL;
    assert_int_equal(s.memory.secrets_found, 0); /* wiped when it was freed */
    scene_close(&s);
}

/* ---- options of the client ---- */

typedef struct hook_record {
    int calls;
    CURL *last;
} hook_record;

static void on_hook(void *easy, void *user_data) {
    hook_record *record = (hook_record *)user_data;
    record->calls++;
    record->last = (CURL *)easy;
    curl_easy_setopt((CURL *)easy, CURLOPT_REFERER, "http://hook.example/");
}

static void the_hook_sees_every_handle(void **state) {
    scene s;
    hook_record record;
    cJSON *log;
    (void)state;
    scene_open(&s, "hook");
    memset(&record, 0, sizeof record);
    s.desc.curl_hook_fn = on_hook;
    s.desc.curl_hook_user_data = &record;
    s.desc.user_agent = "gallery/7";
    scene_client(&s);
    assert_int_equal(control_script("hook", "[" AS_URL "]"), 0);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(record.calls, 2);
    log = control_log("hook");
    assert_string_equal(log_header(log_entry(log, 0), "referer"), "http://hook.example/");
    assert_string_equal(log_header(log_entry(log, 0), "user-agent"), "gallery/7");
    assert_string_equal(log_header(log_entry(log, 1), "user-agent"), "gallery/7");
    cJSON_Delete(log);
    scene_close(&s);
    scene_start(&s, "hook", NULL);
    assert_result(run(&s), TARASH_IMAGE_OK);
    log = control_log("hook");
    assert_string_equal(log_header(log_entry(log, 0), "user-agent"), "tarash_image/" TARASH_IMAGE_VERSION);
    assert_null(log_header(log_entry(log, 0), "expect"));
    cJSON_Delete(log);
    scene_close(&s);
}

static void a_proxy_is_used(void **state) {
    scene s;
    char proxy[64];
    (void)state;
    scene_open(&s, "proxy");
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", unused_port());
    s.desc.proxy = proxy; /* nobody is there */
    scene_client(&s);
    s.config.max_retries = TARASH_IMAGE_NO_RETRIES;
    assert_result(run(&s), TARASH_IMAGE_ERROR_CONNECTION);
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_NOT_SENT);
    assert_int_equal(control_posts("proxy"), 0);
    tarash_image_client_destroy(s.client);

    /* The server itself as a proxy: it is asked with a whole URL, of a host that doesn't exist. */
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", server_api_port());
    s.desc.proxy = proxy;
    scene_client(&s);
    s.config.base_url = "http://images.invalid/v1";
    (void)run(&s);
    assert_int_not_equal(s.response.error.http_status, 0);
    assert_int_equal(s.response.error.curl_code, 0);
    scene_close(&s);
}

/* ---- TLS ---- */

static void tls_works_with_the_right_authority(void **state) {
    scene s;
    (void)state;
    scene_open(&s, "tls");
    s.desc.ca_file = server_ca_file();
    scene_client(&s);
    server_tls_url(s.url, sizeof s.url, "tls", "openai/v1");
    assert_int_equal(control_script("tls", "[{}, " AS_URL "]"), 0);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_contains(s.response.images[0].url, "https://");
    assert_picture(&s.response.images[0], 256, 256);
    scene_close(&s);
}

/* Whether a connection can be shared is known after its handshake: nobody waits for the first answer. */
static void over_tls_calls_are_made_side_by_side_too(void **state) {
    scene s;
    (void)state;
    scene_open(&s, "tls-side-by-side");
    s.desc.ca_file = server_ca_file();
    scene_client(&s);
    server_tls_url(s.url, sizeof s.url, "tls-side-by-side", "openai/v1");
    assert_int_equal(control_script("tls-side-by-side", "[{\"stall\": true, \"times\": -1}]"), 0);
    s.config.model = "dall-e-3";
    s.request.size = "1024x1024";
    s.request.n = 3;
    scene_submit(&s);
    poll_until_requests(&s, 3);
    tarash_image_cancel(s.client, s.job);
    (void)scene_take(&s);
    scene_close(&s);
}

static void tls_is_never_skipped(void **state) {
    scene s;
    cJSON *log;
    (void)state;
    scene_start(&s, "tls-unknown", NULL);
    server_tls_url(s.url, sizeof s.url, "tls-unknown", "openai/v1");
    assert_result(run(&s), TARASH_IMAGE_ERROR_CONNECTION);
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_NOT_SENT);
    assert_int_equal(s.wait_count, 0);
    assert_int_equal(s.response.attempts[0].retries, 0);
    assert_false(s.response.error.retryable);
    assert_int_not_equal(s.response.error.curl_code, 0);
    log = control_log("tls-unknown");
    assert_int_equal(cJSON_GetArraySize(log), 0);
    cJSON_Delete(log);
    scene_close(&s);
}

static void https_is_not_left_for_http(void **state) {
    scene s;
    (void)state;
    scene_open(&s, "downgrade");
    s.desc.ca_file = server_ca_file();
    scene_client(&s);
    server_tls_url(s.url, sizeof s.url, "downgrade", "openai/v1");
    assert_int_equal(control_script("downgrade", "[" AS_URL ", {\"where\": \"files\", \"redirect\":"
                                                 " {\"to\": \"{FILES}/f/downgrade/static/8x8.png\"}}]"),
                     0);
    assert_result(run(&s), TARASH_IMAGE_ERROR_BAD_RESPONSE);
    assert_int_equal(requests("downgrade", "GET", "static"), 0);
    /* The other way round is fine. */
    server_api_url(s.url, sizeof s.url, "downgrade", "openai/v1");
    assert_int_equal(control_script("downgrade", "[" AS_URL ", {\"where\": \"files\", \"redirect\":"
                                                 " {\"to\": \"{TLS}/f/downgrade/static/8x8.png\"}}]"),
                     0);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_picture(&s.response.images[0], 8, 8);
    scene_close(&s);
}

static void a_result_that_is_already_http_is_told_apart(void **state) {
    scene s;
    (void)state;
    scene_open(&s, "tls-file");
    scene_client(&s); /* without the authority: the download fails, not the call */
    assert_int_equal(
        control_script("tls-file",
                       "[{\"image_result\": {\"url_text\": \"{TLS}/f/tls-file/static/8x8.png\"}}]"),
        0);
    assert_result(run(&s), TARASH_IMAGE_ERROR_CONNECTION);
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
    assert_int_equal(s.wait_count, 0);
    assert_int_equal(control_posts("tls-file"), 1);
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(n_is_split_where_a_call_gives_one),
        cmocka_unit_test(the_calls_are_made_side_by_side),
        cmocka_unit_test(an_image_that_ends_early_is_told),
        cmocka_unit_test(images_that_came_are_kept),
        cmocka_unit_test(one_bad_image_takes_no_other_with_it),
        cmocka_unit_test(partial_success_is_no_reason_to_fall_back),
        cmocka_unit_test(all_calls_may_fail),
        cmocka_unit_test(each_call_is_retried_for_itself),
        cmocka_unit_test(fewer_images_than_asked_for_is_a_warning),
        cmocka_unit_test(a_url_is_downloaded_and_kept),
        cmocka_unit_test(output_decides),
        cmocka_unit_test(redirects_are_followed),
        cmocka_unit_test(relative_redirects_are_understood),
        cmocka_unit_test(bad_redirects_are_refused),
        cmocka_unit_test(bad_urls_are_refused),
        cmocka_unit_test(a_failed_download_is_repeated_without_a_new_post),
        cmocka_unit_test(an_expired_url_is_told),
        cmocka_unit_test(a_failed_download_can_be_resumed),
        cmocka_unit_test(a_long_url_can_be_resumed),
        cmocka_unit_test(what_is_no_image_is_refused),
        cmocka_unit_test(private_hosts_are_known),
        cmocka_unit_test(results_at_private_addresses_are_not_asked_for),
        cmocka_unit_test(names_that_lead_to_private_addresses_are_refused),
        cmocka_unit_test(kept_connections_open_no_back_door),
        cmocka_unit_test(from_base64),
        cmocka_unit_test(from_url),
        cmocka_unit_test(detached_images_outlive_their_response),
        cmocka_unit_test(saving_is_whole_or_not_at_all),
        cmocka_unit_test(strict_refuses_what_would_be_changed),
        cmocka_unit_test(a_plan_sends_nothing),
        cmocka_unit_test(a_plan_lists_form_parts),
        cmocka_unit_test(limits_hold_at_their_edge),
        cmocka_unit_test(a_reply_without_end_is_left),
        cmocka_unit_test(headers_have_a_limit),
        cmocka_unit_test(documents_have_limits),
        cmocka_unit_test(logs_have_levels),
        cmocka_unit_test(keys_are_in_nothing_that_leaves),
        cmocka_unit_test(the_hook_sees_every_handle),
        cmocka_unit_test(a_proxy_is_used),
        cmocka_unit_test(tls_works_with_the_right_authority),
        cmocka_unit_test(over_tls_calls_are_made_side_by_side_too),
        cmocka_unit_test(tls_is_never_skipped),
        cmocka_unit_test(https_is_not_left_for_http),
        cmocka_unit_test(a_result_that_is_already_http_is_told_apart),
    };
    return cmocka_run_group_tests(tests, server_setup_tls, server_teardown);
}
