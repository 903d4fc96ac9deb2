/* Who is shown the key, and in which form; and what an adapter says as data about images: formats that it takes, the least
   edge, masks of two levels. */

#include "scene.h"

#include <curl/curl.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define DOT          "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="

/* ---- hosts and patterns -------------------------------------------------------------------------------- */

static const struct {
    const char *pattern, *host;
    int fits;
} host_rows[] = {
    {"api.house.test", "api.house.test", 1},
    {"api.house.test", "API.House.Test", 1},
    {"API.House.Test", "api.house.test", 1},
    {"api.house.test", "api.house.tes", 0},
    {"api.house.test", "api.house.test.", 0},
    {"api.house.test", "api.house.test.evil.test", 0},
    {"api.house.test", "evil-api.house.test", 0},
    {"api.house.test", "xapi.house.test", 0},
    {"api.house.test", "house.test", 0},
    {"api.house.test", "", 0},
    {"", "", 1},
    {"", "api.house.test", 0},
    {"*.house.test", "api.house.test", 1},
    {"*.house.test", "a.house.test", 1},
    {"*.house.test", "house.test", 0},
    {"*.house.test", ".house.test", 0},
    {"*.house.test", "a.b.house.test", 0},
    {"*.house.test", "api.house.test.evil.test", 0},
    {"*.house.test", "api-house.test", 0},
    {"*.house.test", "evilhouse.test", 0},
    {"api.*.house.test", "api.eu.house.test", 1},
    {"api.*.house.test", "api.eu-west-1.house.test", 1},
    {"api.*.house.test", "api.house.test", 0},
    {"api.*.house.test", "api..house.test", 0},
    {"api.*.house.test", "api.eu.west.house.test", 0},
    {"api.*.house.test", "api.evil.test", 0},
    {"api-*.house.test", "api-eu.house.test", 1},
    {"api-*.house.test", "api-.house.test", 0},
    {"api-*.house.test", "api-e.u.house.test", 0},
    {"a*z.house.test", "abcz.house.test", 1},
    {"a*z.house.test", "azz.house.test", 1},
    {"a*z.house.test", "az.house.test", 0},
    {"a*z.house.test", "abc.house.test", 0},
    {"*-*.house.test", "eu-1.house.test", 1},
    {"*-*.house.test", "eu-west-1.house.test", 1},
    {"*-*.house.test", "eu.house.test", 0},
    {"*-*.house.test", "-.house.test", 0},
    {"*.*.house.test", "a.b.house.test", 1},
    {"*.*.house.test", "a.house.test", 0},
    {"api.house.*", "api.house.test", 1},
    {"api.house.*", "api.house.co.test", 0},
    {"*", "localhost", 1},
    {"*", "house.test", 0},
    {"*", "", 0},
};

static void hosts_fit_patterns(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(host_rows); i++) {
        int fits = tarimg_host_fits(host_rows[i].pattern, strlen(host_rows[i].pattern), host_rows[i].host,
                                    strlen(host_rows[i].host));
        if (fits != host_rows[i].fits)
            fail_msg("\"%s\" and \"%s\": %d", host_rows[i].pattern, host_rows[i].host, fits);
    }
}

/* Neither of the two need end where its text ends. */
static void hosts_are_parts_of_texts(void **state) {
    (void)state;
    assert_int_equal(tarimg_host_fits("*.house.test,other", 12, "api.house.test:443/x", 14), 1);
    assert_int_equal(tarimg_host_fits("*.house.test,other", 13, "api.house.test:443/x", 14), 0);
    assert_int_equal(tarimg_host_fits("*.house.test,other", 12, "api.house.test:443/x", 15), 0);
}

static const struct {
    const char *list, *url;
    int is_one;
} key_host_rows[] = {
    {"api.house.test", "https://api.house.test", 1},
    {"api.house.test", "https://api.house.test/x?y#z", 1},
    {"api.house.test", "https://api.house.test:443/x", 1},
    {"api.house.test", "HTTPS://API.HOUSE.TEST/", 1},
    {"one.test, api.house.test ,two.test", "https://api.house.test/", 1},
    {"one.test,api.*.house.test", "https://api.eu.house.test/", 1},
    {"api.house.test", "http://api.house.test/", 0},
    {"api.house.test", "http://api.house.test:443/", 0},
    {"api.house.test", "https://api.house.test:8443/", 0},
    {"api.house.test", "https://api.house.test:80/", 0},
    {"api.house.test", "https://api.house.test.evil.test/", 0},
    {"api.house.test", "https://evil.test/api.house.test", 0},
    {"api.house.test", "https://evil.test?api.house.test", 0},
    {"api.house.test", "https://evil.test#@api.house.test", 0},
    {"api.house.test", "https://api.house.test@evil.test/", 0},
    {"api.house.test", "https://user:password@api.house.test/", 0},
    {"api.house.test", "https://api.house.test\\@evil.test/", 0},
    {"api.house.test", "https://evil.test\\.api.house.test/", 0},
    {"api.house.test", "https://api.house.test:443@evil.test/", 0},
    {"api.house.test", "https://api.house.test%2eevil.test/", 0},
    {"api.house.test", "https:///api.house.test/", 0},
    {"api.house.test", "//api.house.test/", 0},
    {"api.house.test", "ftp://api.house.test/", 0},
    {"api.house.test", "api.house.test", 0},
    {"api.house.test", " https://api.house.test/", 0},
    {"*.house.test", "https://[::1]/", 0},
    {"", "https://api.house.test/", 0},
    {NULL, "https://api.house.test/", 0},
    {"api.house.test", NULL, 0},
};

static void key_hosts_speak_https(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(key_host_rows); i++) {
        int is_one = tarimg_is_key_host(key_host_rows[i].list, key_host_rows[i].url);
        if (is_one != key_host_rows[i].is_one)
            fail_msg("\"%s\" and \"%s\": %d", key_host_rows[i].list ? key_host_rows[i].list : "no list",
                     key_host_rows[i].url ? key_host_rows[i].url : "no URL", is_one);
    }
}

#define HOSTS "api.house.test,poll.house.test,*.eu.house.test"

static const struct {
    const char *base_url, *url;
    int has_key;
} origin_rows[] = {
    {"https://api.house.test/v1", "https://api.house.test/other", 1},
    {"https://api.house.test/v1", "https://poll.house.test/x", 1},
    {"https://api.house.test/v1", "https://a.eu.house.test/x", 1},
    {"https://a.eu.house.test/v1", "https://b.eu.house.test/x", 1},
    {"https://poll.house.test:443", "https://api.house.test", 1},
    {"https://api.house.test/v1", "https://result.house.test/x", 0},
    {"https://api.house.test/v1", "http://api.house.test/v1", 0},
    {"https://api.house.test/v1", "http://poll.house.test/x", 0},
    {"https://api.house.test/v1", "https://api.house.test:8443/v1", 0},
    {"https://api.house.test/v1", "https://poll.house.test:8443/x", 0},
    {"https://api.house.test/v1", "https://poll.house.test.evil.test/x", 0},
    {"https://api.house.test/v1", "https://evil.test/?poll.house.test", 0},
    /* someone else's server in between has a key of its own */
    {"https://gateway.test/house", "https://gateway.test/poll", 1},
    {"https://gateway.test/house", "https://api.house.test/v1", 0},
    {"https://gateway.test/house", "https://poll.house.test/x", 0},
    {"http://127.0.0.1:8080/house", "http://127.0.0.1:8080/poll", 1},
    {"http://127.0.0.1:8080/house", "http://127.0.0.1:8081/poll", 0},
    {"http://127.0.0.1:8080/house", "https://127.0.0.1:8080/poll", 0},
    {"http://127.0.0.1:8080/house", "https://poll.house.test/x", 0},
    /* and so has the same host on another port, or without TLS */
    {"http://api.house.test/v1", "https://api.house.test/v1", 0},
    {"http://api.house.test/v1", "https://poll.house.test/x", 0},
    {"https://api.house.test:8443/v1", "https://poll.house.test/x", 0},
    {"https://api.house.test:8443/v1", "https://api.house.test/v1", 0},
    {"https://api.house.test:8443/v1", "https://api.house.test:8443/x", 1},
    {NULL, "https://api.house.test/v1", 0},
};

static int has_key(const char *hosts, const char *base_url, const char *url, int is_download) {
    tarash_image_exchange exchange;
    tarimg_link link;
    tarash_image_provider_info row;
    memset(&exchange, 0, sizeof exchange);
    memset(&link, 0, sizeof link);
    memset(&row, 0, sizeof row);
    row.key_hosts = hosts;
    link.row = &row;
    link.base_url = base_url;
    exchange.link = &link;
    exchange.is_download = is_download;
    return tarimg_exchange_has_key(&exchange, url);
}

static void the_key_stays_among_its_hosts(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(origin_rows); i++) {
        const char *base_url = origin_rows[i].base_url, *url = origin_rows[i].url;
        if (has_key(HOSTS, base_url, url, 0) != origin_rows[i].has_key)
            fail_msg("%s, then %s: not %d", base_url ? base_url : "nothing", url, origin_rows[i].has_key);
        assert_int_equal(has_key(HOSTS, base_url, url, 1), 0);
        if (base_url && has_key(NULL, base_url, url, 0) != tarimg_same_origin(base_url, url))
            fail_msg("without a list, %s, then %s", base_url, url);
    }
}

/* What the table says: hosts, and no pattern that anybody could register a name for. */
static void check_pattern(const char *provider, const char *item, size_t size) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789-.*";
    size_t i, dots = 0;
    for (i = 0; i < size; i++) {
        if (!strchr(plain, item[i])) fail_msg("%s: \"%.*s\" is no host", provider, (int)size, item);
    }
    for (i = size; i > 0 && dots < 2; i--) {
        if (item[i - 1] == '*') fail_msg("%s: \"%.*s\" leaves the domain open", provider, (int)size, item);
        dots += item[i - 1] == '.';
    }
    if (dots == 0) fail_msg("%s: \"%.*s\" is no whole name", provider, (int)size, item);
}

static void lists_of_the_table(void **state) {
    size_t count, i, lists = 0;
    const tarash_image_provider_info *rows = tarash_image_providers(&count);
    (void)state;
    for (i = 0; i < count; i++) {
        const char *list = rows[i].key_hosts, *item;
        size_t size;
        if (!list) continue;
        lists++;
        assert_non_null(rows[i].base_url);
        if (!tarimg_is_key_host(list, rows[i].base_url)) fail_msg("%s: not its own host", rows[i].name);
        assert_int_equal(has_key(list, "https://gateway.test/x", rows[i].base_url, 0), 0);
        assert_int_equal(has_key(list, "http://127.0.0.1:9/x", rows[i].base_url, 0), 0);
        while (tarimg_next_item(&list, &item, &size)) check_pattern(rows[i].name, item, size);
    }
    assert_true(lists > 0);
}

/* ---- the same over sockets ----------------------------------------------------------------------------- */

static struct curl_slist *detours; /* every host's usual ports, and 8443, are the local server's */

/* Names that no name server knows; the certificate is another host's. */
static void send_elsewhere(void *easy, void *user_data) {
    (void)user_data;
    curl_easy_setopt((CURL *)easy, CURLOPT_CONNECT_TO, detours);
    curl_easy_setopt((CURL *)easy, CURLOPT_SSL_VERIFYHOST, 0L);
}

static int prepare_detours(void **state) {
    static const int ports[] = {443, 8443, 80};
    char line[64];
    size_t i;
    if (server_setup_tls(state) != 0) return -1;
    for (i = 0; i < 3; i++) {
        snprintf(line, sizeof line, ":%d:127.0.0.1:%d", ports[i],
                 ports[i] == 80 ? server_api_port() : server_tls_port());
        detours = curl_slist_append(detours, line);
    }
    return detours ? 0 : -1;
}

static int forget_detours(void **state) {
    curl_slist_free_all(detours);
    return server_teardown(state);
}

typedef struct poll_row {
    const char *name, *base, *key_hosts, *poll;
    int has_key;
} poll_row;

static const poll_row poll_rows[] = {
    {"the same host", "https://api.house.test", NULL, "https://api.house.test", 1},
    {"a listed host", "https://api.house.test", "api.house.test,poll.house.test", "https://poll.house.test",
     1},
    {"a listed region", "https://api.house.test", "api.house.test,api.*.house.test",
     "https://api.eu.house.test", 1},
    {"a host that is not listed", "https://api.house.test", "api.house.test", "https://poll.house.test", 0},
    {"no list", "https://api.house.test", NULL, "https://poll.house.test", 0},
    {"two labels for one", "https://api.house.test", "api.house.test,*.house.test", "https://a.b.house.test",
     0},
    {"a longer name", "https://api.house.test", "*.house.test", "https://poll.house.test.evil.test", 0},
    {"another port", "https://api.house.test", "*.house.test", "https://poll.house.test:8443", 0},
    {"the same host on another port", "https://api.house.test", "*.house.test", "https://api.house.test:8443",
     0},
    {"no TLS", "https://api.house.test", "*.house.test", "http://poll.house.test", 0},
    {"the same host without TLS", "https://api.house.test", "*.house.test", "http://api.house.test", 0},
    {"a gateway", "https://gateway.test", "*.house.test", "https://poll.house.test", 0},
    {"a gateway itself", "https://gateway.test", "*.house.test", "https://gateway.test", 1},
    {"a base without TLS", "http://api.house.test", "*.house.test", "https://poll.house.test", 0},
};

static void submit_and_poll(scene *s, jobs_service *service, const poll_row *row) {
    static const tarash_image_header mine[1] = {{"X-Team", "painters"}};
    jobs_service_open(service);
    service->provider.key_hosts = row->key_hosts;
    service->elsewhere = 1;
    snprintf(service->poll_url, sizeof service->poll_url, "%s/s/%s/jobs/jobs/job-1", row->poll, s->session);
    scene_use_jobs(s, service);
    snprintf(s->url, sizeof s->url, "%s/s/%s/jobs", row->base, s->session);
    s->config.headers = mine;
    s->config.header_count = 1;
    s->config.max_retries = TARASH_IMAGE_NO_RETRIES;
}

static void expect_key(const cJSON *entry, int is_wanted) {
    const char *sent = log_header(entry, "Authorization"), *team = log_header(entry, "X-Team");
    if (is_wanted ? !sent || strcmp(sent, "Bearer " SCENE_KEY) != 0 : sent != NULL)
        fail_msg("to %s: %s", log_header(entry, "Host"), sent ? "the key" : "no key");
    assert_int_equal(team != NULL, is_wanted);
}

static void test_poll(void **state) {
    const poll_row *row = (const poll_row *)*state;
    scene s;
    jobs_service service;
    cJSON *log;
    scene_open(&s, "polls");
    s.desc.ca_file = server_ca_file();
    s.desc.curl_hook_fn = send_elsewhere;
    assert_int_equal(control_script("polls", "[{\"jobs\": {\"polls\": 1}}]"), 0);
    scene_client(&s);
    submit_and_poll(&s, &service, row);
    /* Every name leads to loopback here: where the provider's own hosts may, others are not asked at all. */
    assert_result(run(&s), row->has_key ? TARASH_IMAGE_OK : TARASH_IMAGE_ERROR_BAD_RESPONSE);
    log = control_log("polls");
    expect_key(log_entry(log, 0), 1);
    assert_int_equal(log_count(log, "GET", "") > 0, row->has_key);
    if (row->has_key) {
        assert_contains(log_text(log_entry(log, 1), "path"), "/jobs/job-1");
        assert_contains(row->poll, log_header(log_entry(log, 1), "Host"));
        expect_key(log_entry(log, 1), 1);
    }
    cJSON_Delete(log);
    scene_close(&s);
}

/* Addresses that two readers could understand differently. */
static void odd_addresses_get_no_key(void **state) {
    static const char *const odd[] = {"https://api.house.test@evil.test",
                                      "https://evil.test\\@api.house.test",
                                      "https://api.house.test:443@evil.test"};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(odd); i++) {
        poll_row row = {"", "https://api.house.test", "*.house.test", NULL, 0};
        scene s;
        jobs_service service;
        cJSON *log;
        scene_open(&s, "odd-polls");
        s.desc.ca_file = server_ca_file();
        s.desc.curl_hook_fn = send_elsewhere;
        scene_client(&s);
        row.poll = odd[i];
        submit_and_poll(&s, &service, &row);
        assert_int_not_equal(run(&s), TARASH_IMAGE_OK);
        log = control_log("odd-polls");
        expect_key(log_entry(log, 0), 1);
        if (cJSON_GetArraySize(log) != 1) fail_msg("%s was asked", odd[i]);
        cJSON_DeleteItemFromArray(log, 0);
        if (log_contains(log, SCENE_KEY) || log_contains(log, "X-Team")) fail_msg("%s got the key", odd[i]);
        cJSON_Delete(log);
        scene_close(&s);
    }
}

/* ---- keys of the environment --------------------------------------------------------------------------- */

#define VARIABLES "MAPTEST_ID+MAPTEST_SECRET+MAPTEST_SESSION?,MAPTEST_ALONE"

static void forget_variables(void) {
    static const char *const names[] = {"MAPTEST_ID", "MAPTEST_SECRET", "MAPTEST_SESSION", "MAPTEST_ALONE"};
    size_t i;
    for (i = 0; i < COUNT(names); i++) unsetenv(names[i]);
}

static const struct {
    const char *id, *secret, *session, *alone;
    const char *key; /* NULL = none */
} variable_rows[] = {
    {"sk-id", "secret", NULL, NULL, "sk-id:secret"},
    {"sk-id", "secret", "session", NULL, "sk-id:secret:session"},
    {"sk-id", "secret", "session", "sk-alone", "sk-id:secret:session"},
    {"sk-id", NULL, "session", "sk-alone", "sk-alone"},
    {NULL, "secret", "session", "sk-alone", "sk-alone"},
    {NULL, NULL, NULL, "sk-alone", "sk-alone"},
    {"sk-id", "", NULL, "sk-alone", "sk-alone"},
    {"", "secret", NULL, "sk-alone", "sk-alone"},
    {"sk-id", "secret", "", NULL, "sk-id:secret"},
    {"sk-id", "secret\n", NULL, NULL, "sk-id:secret"},
    {"sk-id", NULL, NULL, NULL, NULL},
    {NULL, "secret", "session", NULL, NULL},
    {NULL, NULL, "session", NULL, NULL},
    {NULL, NULL, NULL, "", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static void set_variable(const char *name, const char *value) {
    if (value) setenv(name, value, 1);
}

static void expect_bearer(const char *session, const char *key) {
    char wanted[128];
    cJSON *log = control_log(session);
    snprintf(wanted, sizeof wanted, "Bearer %s", key);
    assert_string_equal(log_header(log_entry(log, 0), "Authorization"), wanted);
    cJSON_Delete(log);
}

static void keys_have_parts(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(variable_rows); i++) {
        scene s;
        jobs_service service;
        scene_start(&s, "variables", "[{\"jobs\": {\"polls\": 0}}]");
        jobs_service_open(&service);
        service.provider.key_variables = VARIABLES;
        scene_use_jobs(&s, &service);
        s.config.api_key = NULL;
        forget_variables();
        set_variable("MAPTEST_ID", variable_rows[i].id);
        set_variable("MAPTEST_SECRET", variable_rows[i].secret);
        set_variable("MAPTEST_SESSION", variable_rows[i].session);
        set_variable("MAPTEST_ALONE", variable_rows[i].alone);
        if (run(&s) != (variable_rows[i].key ? TARASH_IMAGE_OK : TARASH_IMAGE_ERROR_VALIDATION))
            fail_msg("row %u: %s", (unsigned)i, s.response.error.message);
        if (variable_rows[i].key)
            expect_bearer("variables", variable_rows[i].key);
        else
            assert_contains(s.response.error.message, "MAPTEST_ID+MAPTEST_SECRET");
        forget_variables();
        scene_close(&s);
    }
}

/* Parts that may be missing may stand anywhere. */
static void first_parts_may_be_missing(void **state) {
    tarimg_arena arena;
    tarash_image_allocator allocator = tarimg_default_allocator();
    const char *list = "MAPTEST_SESSION?+MAPTEST_ID";
    (void)state;
    tarimg_arena_init(&arena, &allocator, 0);
    assert_null(tarimg_key_of_environment(&arena, list));
    assert_null(tarimg_key_of_environment(&arena, NULL));
    assert_null(tarimg_key_of_environment(&arena, "MAPTEST_SESSION?"));
    setenv("MAPTEST_ID", "sk-id", 1);
    assert_string_equal(tarimg_key_of_environment(&arena, list), "sk-id");
    setenv("MAPTEST_SESSION", "first", 1);
    assert_string_equal(tarimg_key_of_environment(&arena, list), "first:sk-id");
    assert_string_equal(tarimg_key_of_environment(&arena, " MAPTEST_ALONE , MAPTEST_ID "), "sk-id");
    forget_variables();
    tarimg_arena_free(&arena);
}

/* A key of the config's goes before any variable. */
static void the_configs_key_wins(void **state) {
    scene s;
    jobs_service service;
    (void)state;
    scene_start(&s, "own-key", "[{\"jobs\": {\"polls\": 0}}]");
    jobs_service_open(&service);
    service.provider.key_variables = VARIABLES;
    scene_use_jobs(&s, &service);
    setenv("MAPTEST_ID", "sk-id", 1);
    setenv("MAPTEST_SECRET", "secret", 1);
    assert_result(run(&s), TARASH_IMAGE_OK);
    expect_bearer("own-key", SCENE_KEY);
    forget_variables();
    scene_close(&s);
}

/* ---- keys of several parts are as secret as whole ones ------------------------------------------------- */

#define PART_1  "sk-someone"
#define PART_2  "s3cret-part"
#define PART_3  "session-part"
#define PARTS   PART_1 ":" PART_2 ":" PART_3
#define ENCODED "c2stc29tZW9uZTpzM2NyZXQtcGFydDpzZXNzaW9uLXBhcnQ=" /* that in base64 */

static const char *const hidden[] = {PARTS, PART_2, PART_3, ENCODED};

static void assert_without(const char *what, const char *text) {
    size_t i;
    for (i = 0; i < COUNT(hidden); i++) {
        if (text && strstr(text, hidden[i])) fail_msg("%s gives away \"%s\": %s", what, hidden[i], text);
    }
}

static void assert_silent(const scene *s) {
    const tarash_image_response *r = &s->response;
    size_t i;
    assert_without("the message", r->error.message);
    assert_without("the code", r->error.provider_code);
    assert_without("the request's id", r->error.request_id);
    assert_without("the request's id", r->provider_request_id);
    assert_without("raw_response", r->raw_response);
    assert_without("provider_metadata", r->provider_metadata);
    assert_without("the token", r->job_token);
    assert_without("the log", s->log.text);
    for (i = 0; i < r->attempt_count; i++) assert_without("an attempt", r->attempts[i].message);
    for (i = 0; i < r->warning_count; i++) {
        assert_without("a warning", r->warnings[i].asked);
        assert_without("a warning", r->warnings[i].sent);
    }
    for (i = 0; i < r->image_count; i++) assert_without("a prompt", r->images[i].revised_prompt);
}

/* What a server repeats, in all forms. */
#define REPEATED "whole " PARTS ", second " PART_2 ", third " PART_3 ", basic " ENCODED

static void assert_plan_is_silent(scene *s) {
    tarash_image_text text;
    assert_result(tarash_image_plan(s->client, &s->config, &s->request, &text), TARASH_IMAGE_OK);
    assert_without("the plan", text.data);
    tarash_image_text_free(&text);
}

static void errors_repeat_parts(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "parts-error",
                "[{\"status\": 401, \"headers\": {\"x-request-id\": \"" PART_2
                "\"}, \"body\": {\"error\": {\"message\":"
                " \"" REPEATED "\", \"code\": \"" PART_3 "\"}, \"" ENCODED "\": 1}}]");
    s.config.api_key = PARTS;
    assert_result(run(&s), TARASH_IMAGE_ERROR_AUTHENTICATION);
    assert_contains(s.response.error.message, "whole ");
    assert_contains(s.response.error.message, "basic ");
    assert_silent(&s);
    scene_close(&s);
}

static void replies_repeat_parts(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "parts-reply",
                "[{\"status\": 200, \"headers\": {\"x-request-id\": \"" ENCODED
                "\"}, \"body\": {\"created\": 1,"
                " \"note\": \"" REPEATED "\", \"data\": [{\"b64_json\": \"" DOT
                "\", \"revised_prompt\": \"" REPEATED "\"}]}}]");
    s.config.api_key = PARTS;
    s.config.provider_config = "{\"unknown\": \"" PART_2 "\"}";
    s.request.style = PART_3;
    s.request.extra_params = "{\"a\": \"" ENCODED "\", \"b\": [\"" PART_3 "\"]}";
    assert_plan_is_silent(&s);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_contains(s.response.raw_response, "second ");
    assert_contains(s.response.provider_metadata, "third ");
    assert_true(s.response.warning_count > 0);
    assert_silent(&s);
    scene_close(&s);
}

/* The line end of a file is no part of the key. */
static void keys_of_files_repeat_parts(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "parts-file", "[{\"status\": 401, \"body\": \"" REPEATED "\"}]");
    s.config.api_key = PARTS "\r\n";
    assert_result(run(&s), TARASH_IMAGE_ERROR_AUTHENTICATION);
    assert_contains(s.response.error.message, "whole ");
    assert_silent(&s);
    expect_bearer("parts-file", PARTS);
    scene_close(&s);
}

/* HTTP Basic: what goes out is the encoded form, and nothing tells of it. */
static void basic_keys_go_out_encoded(void **state) {
    scene s;
    cJSON *log;
    (void)state;
    scene_start(&s, "parts-basic", "[{\"status\": 401, \"body\": {\"detail\": \"Basic " REPEATED "\"}}]");
    server_api_url(s.url, sizeof s.url, s.session, "automatic1111");
    s.config.provider = "automatic1111";
    s.config.model = NULL;
    s.config.api_key = PARTS;
    assert_plan_is_silent(&s);
    assert_result(run(&s), TARASH_IMAGE_ERROR_AUTHENTICATION);
    assert_contains(s.response.error.message, "basic ");
    assert_silent(&s);
    log = control_log("parts-basic");
    assert_string_equal(log_header(log_entry(log, 0), "Authorization"), "Basic " ENCODED);
    assert_int_equal(log_header_count(log_entry(log, 0), "Authorization"), 1);
    cJSON_Delete(log);
    scene_close(&s);
}

/* Neither is anything left of it in memory that was given back. */
static void parts_are_wiped(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(hidden); i++) {
        scene s;
        scene_open(&s, "parts-wiped");
        assert_int_equal(control_script("parts-wiped", "[{\"status\": 401, \"body\": \"" REPEATED "\"}]"), 0);
        s.memory.secret = hidden[i];
        scene_client(&s);
        server_api_url(s.url, sizeof s.url, s.session, "automatic1111");
        s.config.provider = "automatic1111";
        s.config.model = NULL;
        s.config.api_key = PARTS;
        assert_result(run(&s), TARASH_IMAGE_ERROR_AUTHENTICATION);
        scene_close(&s);
        if (s.memory.secrets_found) fail_msg("\"%s\" was left in memory", hidden[i]);
    }
}

/* ---- formats of input images --------------------------------------------------------------------------- */

typedef struct painter {
    tarash_image_provider provider;
    int is_form;
} painter;

static tarash_image_result painter_build(tarash_image_exchange *exchange, tarash_image_phase phase,
                                         void *user_data) {
    const painter *self = (const painter *)user_data;
    const tarash_image_request *request = tarash_image_exchange_request(exchange);
    size_t i;
    (void)phase;
    tarash_image_exchange_send(exchange, "POST", "paint");
    if (self->is_form) tarash_image_exchange_multipart(exchange);
    tarash_image_exchange_set_text(exchange, "size", request->size);
    for (i = 0; i < request->image_count; i++)
        tarash_image_exchange_set_image(exchange, self->is_form ? "image" : "images[]", (int)i);
    if (tarimg_has_mask(request)) tarash_image_exchange_set_image(exchange, "mask", -1);
    return TARASH_IMAGE_OK;
}

static tarash_image_result painter_read(tarash_image_exchange *exchange, tarash_image_phase phase,
                                        void *user_data) {
    (void)phase;
    (void)user_data;
    (void)tarash_image_exchange_add_image(exchange, "b64");
    return TARASH_IMAGE_OK;
}

static void painter_open(painter *self, const char *name) {
    memset(self, 0, sizeof *self);
    self->provider.name = name;
    self->provider.default_model = "brush";
    self->provider.image_paths = "b64";
    self->provider.build_fn = painter_build;
    self->provider.read_fn = painter_read;
    self->provider.user_data = self;
    self->provider.capabilities.fields =
        TARASH_IMAGE_FIELD_SIZE | TARASH_IMAGE_FIELD_IMAGES | TARASH_IMAGE_FIELD_MASK;
    self->provider.capabilities.mask = TARASH_IMAGE_MASK_WHITE;
}

static void painter_use(scene *s, painter *self) {
    assert_result(tarash_image_register_provider(s->client, &self->provider), TARASH_IMAGE_OK);
    server_api_url(s->url, sizeof s->url, s->session, "paint");
    s->config.provider = self->provider.name;
    s->config.model = NULL;
    s->request.size = NULL;
}

#define PAINTED "{\"method\": \"POST\", \"status\": 200, \"times\": -1, \"body\": {\"b64\": \"" DOT "\"}}"

static void painter_start(scene *s, painter *self, const char *session, const char *formats) {
    scene_start(s, session, "[" PAINTED "]");
    painter_open(self, "painter");
    self->provider.capabilities.input_formats = formats;
    painter_use(s, self);
}

static tarash_image_input bytes_of(const unsigned char *data, size_t size) {
    tarash_image_input input;
    memset(&input, 0, sizeof input);
    input.data = data;
    input.size = size;
    return input;
}

static const struct {
    const char *formats, *mime_type;
    int is_webp, is_taken;
} format_rows[] = {
    {"png,jpeg", NULL, 0, 1},
    {"png,jpeg", NULL, 1, 0},
    {"webp", NULL, 1, 1},
    {"webp", NULL, 0, 0},
    {"PNG", NULL, 0, 1},
    {NULL, NULL, 1, 1},
    {"png,jpeg", "image/jpg", 0, 1},
    {"png,jpeg", "image/png", 1, 1}, /* the caller knows what it is */
    {"png,jpeg", "image/webp", 0, 0},
    {"png", "text/plain", 0, 1},
    {"jpeg, png", NULL, 0, 1},
};

static void bytes_are_of_a_format(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(format_rows); i++) {
        scene s;
        painter self;
        tarash_image_input image;
        tarash_image_result result;
        painter_start(&s, &self, "formats", format_rows[i].formats);
        image =
            format_rows[i].is_webp ? bytes_of(tiny_webp, tiny_webp_size) : bytes_of(tiny_png, tiny_png_size);
        image.mime_type = format_rows[i].mime_type;
        s.request.images = &image;
        s.request.image_count = 1;
        result = run(&s);
        if (result != (format_rows[i].is_taken ? TARASH_IMAGE_OK : TARASH_IMAGE_ERROR_UNSUPPORTED))
            fail_msg("row %u: %s", (unsigned)i, s.response.error.message);
        assert_int_equal(control_posts("formats"), format_rows[i].is_taken);
        if (!format_rows[i].is_taken) assert_contains(s.response.error.message, "images[0]: is image/");
        scene_close(&s);
    }
}

/* Every kind of input is looked at, and the mask. */
static void each_input_is_looked_at(void **state) {
    static char path[1024];
    static const unsigned char unknown[] = "no picture that anybody knows";
    tarash_image_input images[3];
    scene s;
    painter self;
    (void)state;
    temporary_path(path, sizeof path, "drawing.webp");
    assert_int_equal(write_whole_file(path, tiny_webp, tiny_webp_size), 0);
    painter_start(&s, &self, "each-format", "png,jpeg");
    images[0] = bytes_of(tiny_png, tiny_png_size);
    images[1] = bytes_of(tiny_jpeg, tiny_jpeg_size);
    images[2] = bytes_of(unknown, sizeof unknown - 1);
    s.request.images = images;
    s.request.image_count = 3;
    assert_result(run(&s), TARASH_IMAGE_OK); /* what it is isn't known, so the provider decides */
    memset(&images[1], 0, sizeof images[1]);
    images[1].path = path;
    assert_result(run(&s), TARASH_IMAGE_ERROR_UNSUPPORTED);
    assert_contains(s.response.error.message, "images[1]: is image/webp; painter takes png,jpeg");
    s.request.image_count = 1;
    s.request.mask = bytes_of(tiny_webp, tiny_webp_size);
    assert_result(run(&s), TARASH_IMAGE_ERROR_UNSUPPORTED);
    assert_contains(s.response.error.message, "mask: is image/webp");
    assert_int_equal(control_posts("each-format"), 1);
    scene_close(&s);
}

/* Pixels are written as PNG, whether that is taken or not. */
static void pixels_are_png(void **state) {
    static const unsigned char grey[4] = {1, 2, 3, 4};
    tarash_image_input image;
    scene s;
    painter self;
    (void)state;
    memset(&image, 0, sizeof image);
    image.pixels = grey;
    image.width = image.height = 2;
    image.channels = 1;
    painter_start(&s, &self, "pixel-formats", "jpeg");
    s.request.images = &image;
    s.request.image_count = 1;
    assert_result(run(&s), TARASH_IMAGE_ERROR_UNSUPPORTED);
    assert_contains(s.response.error.message, "images[0]: is image/png; painter takes jpeg");
    assert_int_equal(control_posts("pixel-formats"), 0);
    scene_close(&s);
}

static const struct {
    const char *name, *script;
    int is_taken;
} download_rows[] = {
    {"static/8x8.png", "[" PAINTED "]", 1},
    {"static/8x8.jpg", "[" PAINTED "]", 1},
    {"static/8x8.webp", "[" PAINTED "]", 0},
    {"static/8x8.gif", "[" PAINTED "]", 0},
    {"static/8x8.png", "[{\"where\": \"files\", \"image_result\": {\"mime\": \"image/webp\"}}, " PAINTED "]",
     1},
};

/* What is behind an address is known once it has been fetched: then it is refused, before anything is paid for. */
static void addresses_are_of_a_format(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(download_rows); i++) {
        scene s;
        painter self;
        tarash_image_input image;
        char url[256];
        memset(&image, 0, sizeof image);
        painter_start(&s, &self, "downloads", "png,jpeg");
        assert_int_equal(control_script("downloads", download_rows[i].script), 0);
        self.is_form = 1;
        image.url = server_files_url(url, sizeof url, "downloads", download_rows[i].name);
        s.request.images = &image;
        s.request.image_count = 1;
        if (run(&s) != (download_rows[i].is_taken ? TARASH_IMAGE_OK : TARASH_IMAGE_ERROR_UNSUPPORTED))
            fail_msg("row %u: %s", (unsigned)i, s.response.error.message);
        assert_int_equal(control_posts("downloads"), download_rows[i].is_taken);
        assert_true(control_wait("downloads", 1, 0, 0, 0));
        if (!download_rows[i].is_taken) {
            assert_contains(s.response.error.message, "images[0]: is image/");
            assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_NOT_SENT);
        }
        scene_close(&s);
    }
}

/* The bytes say what it is, not the server, nor the name. */
static void a_wrong_name_hides_no_format(void **state) {
    scene s;
    painter self;
    tarash_image_input image;
    char url[256],
        script[4096] =
            "[{\"where\": \"files\", \"raw\": \"HTTP/1.1 200 OK\\r\\nContent-Type: image/png\\r\\n\\r\\n";
    size_t i;
    (void)state;
    for (i = 0; i < tiny_webp_size; i++)
        snprintf(script + strlen(script), sizeof script - strlen(script), "\\u00%02x", tiny_webp[i]);
    snprintf(script + strlen(script), sizeof script - strlen(script), "\"}]");
    memset(&image, 0, sizeof image);
    painter_start(&s, &self, "wrong-name", "png");
    assert_int_equal(control_script("wrong-name", script), 0);
    self.is_form = 1;
    image.url = server_files_url(url, sizeof url, "wrong-name", "static/8x8.png");
    s.request.images = &image;
    s.request.image_count = 1;
    assert_result(run(&s), TARASH_IMAGE_ERROR_UNSUPPORTED);
    assert_contains(s.response.error.message, "images[0]: is image/webp; painter takes png");
    assert_int_equal(control_posts("wrong-name"), 0);
    scene_close(&s);
}

/* In JSON an address stays one, and nobody looks behind it. */
static void addresses_may_stay_addresses(void **state) {
    scene s;
    painter self;
    tarash_image_input image;
    (void)state;
    memset(&image, 0, sizeof image);
    image.url = "https://pictures.example/a.webp";
    painter_start(&s, &self, "addresses", "png");
    s.request.images = &image;
    s.request.image_count = 1;
    assert_result(run(&s), TARASH_IMAGE_OK);
    scene_close(&s);
}

/* ---- sizes --------------------------------------------------------------------------------------------- */

static const struct {
    int least_edge, step, max_edge, max_ratio, min_pixels, max_pixels;
    const char *asked, *sent;
} size_rows[] = {
    {64, 0, 0, 0, 0, 0, "64x64", "64x64"},
    {64, 0, 0, 0, 0, 0, "63x64", "64x64"},
    {64, 0, 0, 0, 0, 0, "10x300", "64x300"},
    {64, 0, 0, 0, 0, 0, "300x1", "300x64"},
    {64, 8, 0, 0, 0, 0, "1x100", "64x104"},
    {256, 32, 1440, 0, 0, 0, "200x1440", "256x1440"},
    {64, 0, 0, 0, 0, 40000, "100x100", "100x100"},
    {512, 0, 2048, 0, 0, 0, "4096x512", "2048x512"},
    {0, 0, 0, 0, 0, 0, "3x5", "3x5"},
};

static void edges_have_a_least_length(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(size_rows); i++) {
        scene s;
        painter self;
        cJSON *log;
        int is_same = strcmp(size_rows[i].asked, size_rows[i].sent) == 0;
        scene_start(&s, "edges", "[" PAINTED "]");
        painter_open(&self, "painter");
        self.provider.capabilities.size_min_edge = size_rows[i].least_edge;
        self.provider.capabilities.size_multiple = size_rows[i].step;
        self.provider.capabilities.size_max_edge = size_rows[i].max_edge;
        self.provider.capabilities.size_max_ratio = size_rows[i].max_ratio;
        self.provider.capabilities.size_min_pixels = size_rows[i].min_pixels;
        self.provider.capabilities.size_max_pixels = size_rows[i].max_pixels;
        painter_use(&s, &self);
        s.request.size = size_rows[i].asked;
        assert_result(run(&s), TARASH_IMAGE_OK);
        log = control_log("edges");
        assert_string_equal(log_text(log_entry(log, 0), "json.size"), size_rows[i].sent);
        assert_int_equal(s.response.warning_count, !is_same);
        if (!is_same) assert_string_equal(s.response.warnings[0].sent, size_rows[i].sent);
        cJSON_Delete(log);
        scene_close(&s);
    }
}

static void a_negative_edge_is_refused(void **state) {
    scene s;
    painter self;
    (void)state;
    scene_start(&s, "negative-edge", NULL);
    painter_open(&self, "painter");
    self.provider.capabilities.size_min_edge = -1;
    assert_result(tarash_image_register_provider(s.client, &self.provider), TARASH_IMAGE_ERROR_VALIDATION);
    scene_close(&s);
}

static const char *rule_broken(const tarash_image_capabilities *caps, int64_t width, int64_t height) {
    int64_t pixels = width * height, step = caps->size_multiple ? caps->size_multiple : 1;
    if (width < 1 || height < 1) return "there is nothing";
    if (width % step || height % step) return "the multiple";
    if (width < caps->size_min_edge || height < caps->size_min_edge) return "the least edge";
    if (caps->size_max_edge && (width > caps->size_max_edge || height > caps->size_max_edge))
        return "the longest edge";
    if (caps->size_max_ratio &&
        (width > height * caps->size_max_ratio || height > width * caps->size_max_ratio))
        return "the ratio";
    if (pixels < caps->size_min_pixels) return "the least pixels";
    if (caps->size_max_pixels && pixels > caps->size_max_pixels) return "the most pixels";
    return NULL;
}

/* Whatever is asked for, what a known model is sent is within its own rules. */
static void sizes_of_known_models_fit_their_rules(void **state) {
    static const int edges[] = {1,   7,   16,   63,   64,   100,  255,  256,  300,  512,   640,
                                800, 999, 1024, 1400, 1536, 2000, 2048, 4096, 5000, 10000, 30000};
    size_t count, i, w, h;
    const tarash_image_model_info *models = tarash_image_models(&count);
    (void)state;
    for (i = 0; i < count; i++) {
        const tarash_image_capabilities *caps = models[i].capabilities;
        if (!(caps->fields & TARASH_IMAGE_FIELD_SIZE) || (caps->sizes && !tarimg_in_list(caps->sizes, "any")))
            continue;
        for (w = 0; w < COUNT(edges); w++) {
            for (h = 0; h < COUNT(edges); h++) {
                int width = edges[w], height = edges[h];
                const char *broken;
                tarimg_fit_size(caps, &width, &height);
                broken = rule_broken(caps, width, height);
                if (broken)
                    fail_msg("%s %s: %dx%d becomes %dx%d, against %s", models[i].provider, models[i].id,
                             edges[w], edges[h], width, height, broken);
            }
        }
    }
}

/* ---- masks of two levels ------------------------------------------------------------------------------- */

static const unsigned char levels[] = {0, 1, 127, 128, 200, 255};

static void painter_mask(scene *s) {
    static tarash_image_input image;
    image = bytes_of(tiny_png, tiny_png_size);
    s->request.images = &image;
    s->request.image_count = 1;
    s->request.mask.pixels = levels;
    s->request.mask.width = 6;
    s->request.mask.height = 1;
    s->request.mask.channels = 1;
}

static const struct {
    tarash_image_mask_polarity polarity;
    int is_binary;
    const char *pixels;
} level_rows[] = {
    {TARASH_IMAGE_MASK_WHITE, 0, "00017f80c8ff"},
    {TARASH_IMAGE_MASK_WHITE, 1, "000000ffffff"},
    {TARASH_IMAGE_MASK_BLACK, 0, "fffe807f3700"},
    {TARASH_IMAGE_MASK_BLACK, 1, "ffffff000000"},
    {TARASH_IMAGE_MASK_TRANSPARENT, 0, "ffffffffffffffffffffffffffffff00ffffff00ffffff00"},
    {TARASH_IMAGE_MASK_TRANSPARENT, 1, "ffffffffffffffffffffffffffffff00ffffff00ffffff00"},
};

static void expect_mask(const cJSON *entry, const char *pixels) {
    const cJSON *mask = cJSON_GetArrayItem(log_at(entry, "images"), 1);
    assert_string_equal(log_text(mask, "path"), "mask");
    assert_string_equal(log_text(mask, "image.pixels"), pixels);
}

static void masks_have_two_levels_where_asked(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(level_rows); i++) {
        scene s;
        painter self;
        cJSON *log;
        scene_start(&s, "levels", "[" PAINTED "]");
        painter_open(&self, "painter");
        self.provider.capabilities.mask = level_rows[i].polarity;
        self.provider.capabilities.mask_is_binary = level_rows[i].is_binary;
        painter_use(&s, &self);
        painter_mask(&s);
        assert_result(run(&s), TARASH_IMAGE_OK);
        log = control_log("levels");
        expect_mask(log_entry(log, 0), level_rows[i].pixels);
        cJSON_Delete(log);
        scene_close(&s);
    }
}

/* One mask, in the form of each link; all of them are released (scene_close looks). */
static void each_link_has_its_own_mask(void **state) {
    static const char *const names[] = {"one", "two", "three", "four", "five", "six"};
    scene s;
    painter painters[6];
    tarash_image_config links[5];
    cJSON *log;
    size_t i;
    (void)state;
    scene_start(&s, "mask-chain", "[{\"status\": 500, \"times\": 5}, " PAINTED "]");
    s.config.max_retries = TARASH_IMAGE_NO_RETRIES;
    for (i = 0; i < 6; i++) {
        painter_open(&painters[i], names[i]);
        painters[i].provider.capabilities.mask = level_rows[i].polarity;
        painters[i].provider.capabilities.mask_is_binary = level_rows[i].is_binary;
        painter_use(&s, &painters[i]);
    }
    s.config.provider = names[0];
    for (i = 0; i < 5; i++) {
        links[i] = s.config;
        links[i].provider = names[i + 1];
    }
    s.config.fallbacks = links;
    s.config.fallback_count = 5;
    painter_mask(&s);
    assert_result(run(&s), TARASH_IMAGE_OK);
    log = control_log("mask-chain");
    for (i = 0; i < 6; i++) expect_mask(log_entry(log, (int)i), level_rows[i].pixels);
    cJSON_Delete(log);
    scene_close(&s);
}

/* An encoded mask goes out as it is. */
static void encoded_masks_stay(void **state) {
    scene s;
    painter self;
    cJSON *log;
    (void)state;
    scene_start(&s, "encoded-mask", "[" PAINTED "]");
    painter_open(&self, "painter");
    self.provider.capabilities.mask_is_binary = 1;
    painter_use(&s, &self);
    painter_mask(&s);
    s.request.mask = bytes_of(tiny_mask_png, tiny_mask_png_size);
    assert_result(run(&s), TARASH_IMAGE_OK);
    log = control_log("encoded-mask");
    assert_true(log_same_bytes(cJSON_GetArrayItem(log_at(log_entry(log, 0), "images"), 1), tiny_mask_png,
                               tiny_mask_png_size));
    cJSON_Delete(log);
    scene_close(&s);
}

/* ---- all of them --------------------------------------------------------------------------------------- */

static int run_polls(void) {
    struct CMUnitTest tests[COUNT(poll_rows) + 1];
    size_t i;
    memset(tests, 0, sizeof tests);
    for (i = 0; i < COUNT(poll_rows); i++) {
        tests[i].name = poll_rows[i].name;
        tests[i].test_func = test_poll;
        tests[i].initial_state = (void *)(uintptr_t)&poll_rows[i];
    }
    tests[i].name = "odd_addresses_get_no_key";
    tests[i].test_func = odd_addresses_get_no_key;
    return cmocka_run_group_tests_name("polls elsewhere", tests, prepare_detours, forget_detours);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_fit_patterns),
        cmocka_unit_test(hosts_are_parts_of_texts),
        cmocka_unit_test(key_hosts_speak_https),
        cmocka_unit_test(the_key_stays_among_its_hosts),
        cmocka_unit_test(lists_of_the_table),
        cmocka_unit_test(keys_have_parts),
        cmocka_unit_test(first_parts_may_be_missing),
        cmocka_unit_test(the_configs_key_wins),
        cmocka_unit_test(errors_repeat_parts),
        cmocka_unit_test(replies_repeat_parts),
        cmocka_unit_test(keys_of_files_repeat_parts),
        cmocka_unit_test(basic_keys_go_out_encoded),
        cmocka_unit_test(parts_are_wiped),
        cmocka_unit_test(bytes_are_of_a_format),
        cmocka_unit_test(each_input_is_looked_at),
        cmocka_unit_test(pixels_are_png),
        cmocka_unit_test(addresses_are_of_a_format),
        cmocka_unit_test(a_wrong_name_hides_no_format),
        cmocka_unit_test(addresses_may_stay_addresses),
        cmocka_unit_test(edges_have_a_least_length),
        cmocka_unit_test(a_negative_edge_is_refused),
        cmocka_unit_test(sizes_of_known_models_fit_their_rules),
        cmocka_unit_test(masks_have_two_levels_where_asked),
        cmocka_unit_test(each_link_has_its_own_mask),
        cmocka_unit_test(encoded_masks_stay),
    };
    int failed = cmocka_run_group_tests(tests, server_setup, server_teardown);
    return failed + run_polls() != 0;
}
