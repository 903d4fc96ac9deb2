/* Proxies: who goes through one, and that none is a way round the check of private addresses. */

#include "scene.h"

static const char *const variables[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY",  "no_proxy",    "NO_PROXY"};

static int forget_variables(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < sizeof variables / sizeof variables[0]; i++) unsetenv(variables[i]);
    return 0;
}

static int requests(const char *session, const char *method, const char *path) {
    cJSON *log = control_log(session);
    int count = log_count(log, method, path);
    cJSON_Delete(log);
    return count;
}

/* ---- the decision -------------------------------------------------------------------------------------- */

static void expect_proxied(const tarash_image_client *client, const char *text, int expected) {
    tarimg_url url;
    assert_true(tarimg_split_url(text, &url));
    if (tarimg_uses_proxy(client, &url) != expected)
        fail_msg("%s %s", text, expected ? "goes past the proxy" : "goes through the proxy");
}

static void exempt_hosts_are_understood(void **state) {
    static const struct {
        const char *list, *url;
        int is_exempt;
    } rows[] = {
        {"*", "http://a.example/", 1},
        {"a.example", "http://a.example/x", 1},
        {"A.Example", "http://a.EXAMPLE:8080/x", 1},
        {"example", "http://a.example/", 1},
        {".example", "http://a.example/", 1},
        {".a.example", "http://a.example/", 1},
        {"b.example,a.example", "http://a.example/", 1},
        {"b.example a.example", "http://a.example/", 1},
        {" b.example ,\ta.example ", "https://a.example/", 1},
        {"127.0.0.1", "http://127.0.0.1:81/", 1},
        {"b.example", "http://a.example/", 0},
        {"ample", "http://a.example/", 0},
        {"a.example.org", "http://a.example/", 0},
        {"a.example", "http://a.example.org/", 0},
        {"", "http://a.example/", 0},
        {" , ", "http://a.example/", 0},
    };
    scene s;
    size_t i;
    (void)state;
    scene_open(&s, "exempt");
    s.desc.proxy = "http://proxy.invalid:3128";
    scene_client(&s);
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        forget_variables(NULL);
        expect_proxied(s.client, rows[i].url, 1);
        assert_int_equal(setenv("no_proxy", rows[i].list, 1), 0);
        expect_proxied(s.client, rows[i].url, !rows[i].is_exempt);
        unsetenv("no_proxy");
        assert_int_equal(setenv("NO_PROXY", rows[i].list, 1), 0);
        expect_proxied(s.client, rows[i].url, !rows[i].is_exempt);
    }
    scene_close(&s);
}

static void the_environment_names_proxies(void **state) {
    scene s;
    (void)state;
    scene_open(&s, "by-variable");
    s.desc.proxy = NULL;
    scene_client(&s);
    expect_proxied(s.client, "http://a.example/", 0);
    expect_proxied(s.client, "https://a.example/", 0);
    assert_int_equal(setenv("http_proxy", "http://proxy.invalid", 1), 0);
    expect_proxied(s.client, "http://a.example/", 1);
    expect_proxied(s.client, "https://a.example/", 0);
    unsetenv("http_proxy");
    assert_int_equal(setenv("HTTPS_PROXY", "http://proxy.invalid", 1), 0);
    expect_proxied(s.client, "http://a.example/", 0);
    expect_proxied(s.client, "https://a.example/", 1);
    unsetenv("HTTPS_PROXY");
    assert_int_equal(setenv("all_proxy", "http://proxy.invalid", 1), 0);
    expect_proxied(s.client, "http://a.example/", 1);
    expect_proxied(s.client, "https://a.example/", 1);
    scene_close(&s);
    scene_start(&s, "by-variable", NULL); /* "" = none, whatever the environment says */
    expect_proxied(s.client, "http://a.example/", 0);
    scene_close(&s);
}

/* ---- private addresses --------------------------------------------------------------------------------- */

static void resolve_to_loopback(void *easy, void *user_data) {
    struct curl_slist *hosts = (struct curl_slist *)user_data;
    curl_easy_setopt((CURL *)easy, CURLOPT_RESOLVE, hosts);
}

/* Fetches a result at a host whose name leads to loopback, of a provider at a public address, with a proxy: the
   server's API, which logs what it is asked in the session "default". */
static tarash_image_result fetch_through(const char *host, const char *no_proxy, int *direct, int *proxied) {
    scene s;
    char text[512], token[1024] = "tarash1.", entry[128], dotted[128], proxy[64];
    struct curl_slist *hosts;
    tarash_image_result result;
    size_t size;
    snprintf(entry, sizeof entry, "pictures.invalid:%d:127.0.0.1", server_files_port());
    snprintf(dotted, sizeof dotted, "pictures.invalid.:%d:127.0.0.1", server_files_port());
    hosts = curl_slist_append(curl_slist_append(NULL, entry), dotted);
    assert_non_null(hosts);
    assert_int_equal(control_reset("default"), 0);
    scene_open(&s, "proxied");
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", server_api_port());
    s.desc.proxy = proxy;
    s.desc.curl_hook_fn = resolve_to_loopback;
    s.desc.curl_hook_user_data = hosts;
    scene_client(&s);
    snprintf(text, sizeof text,
             "{\"provider\":\"openai\",\"model\":\"dall-e-2\",\"urls\":[{\"index\":0,"
             "\"url\":\"http://%s:%d/f/proxied/static/8x8.png\"}]}",
             host, server_files_port());
    size = tarimg_base64_encode((const unsigned char *)text, strlen(text), token + 8);
    token[8 + size] = '\0';
    while (token[7 + size] == '=') token[7 + size--] = '\0';
    s.config.base_url = "https://images.invalid/v1";
    s.config.max_retries = TARASH_IMAGE_NO_RETRIES;
    if (no_proxy) assert_int_equal(setenv("no_proxy", no_proxy, 1), 0);
    s.job = tarash_image_resume(s.client, &s.config, token);
    finish(&s);
    result = scene_take(&s);
    *direct = requests("proxied", NULL, NULL);
    *proxied = requests("default", "GET", "http://pictures.invalid");
    scene_close(&s);
    curl_slist_free_all(hosts);
    return result;
}

static void a_proxy_opens_the_connection_itself(void **state) {
    int direct, proxied;
    (void)state;
    (void)fetch_through("pictures.invalid", NULL, &direct, &proxied);
    assert_int_equal(direct, 0);
    assert_int_equal(proxied, 1);
}

/* Past the proxy, an address is checked as if there were none. */
static void exempt_hosts_are_checked(void **state) {
    static const char *const lists[] = {"pictures.invalid", "*", "a.example pictures.invalid", ".invalid"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        int direct, proxied;
        tarash_image_result result = fetch_through("pictures.invalid", lists[i], &direct, &proxied);
        if (result != TARASH_IMAGE_ERROR_BAD_RESPONSE || direct || proxied)
            fail_msg("%s: %s, %d direct, %d through the proxy", lists[i], tarash_image_result_name(result),
                     direct, proxied);
    }
}

/* Versions of libcurl read the list in different ways; it is told what was decided. */
static void both_are_of_one_mind(void **state) {
    int direct, proxied;
    (void)state;
    (void)fetch_through("pictures.invalid.", "pictures.invalid", &direct, &proxied);
    assert_int_equal(direct, 0);
    assert_true(proxied <= 1);
}

/* ---- how far it got ------------------------------------------------------------------------------------ */

/* A proxy that refuses the tunnel has let no byte of the request through. */
static void a_refused_tunnel_sends_nothing(void **state) {
    scene s;
    tarash_image_config second;
    tarash_image_mock mock;
    char proxy[64];
    (void)state;
    assert_int_equal(control_reset("default"), 0);
    scene_open(&s, "tunnel");
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", server_api_port());
    s.desc.proxy = proxy;
    scene_client(&s);
    memset(&second, 0, sizeof second);
    memset(&mock, 0, sizeof mock);
    mock.enabled = 1;
    second.provider = "mock";
    second.mock = &mock;
    s.config.base_url = "https://images.invalid/v1";
    s.config.max_retries = TARASH_IMAGE_NO_RETRIES;
    s.config.on_unknown = TARASH_IMAGE_UNKNOWN_STOP;
    s.config.fallbacks = &second;
    s.config.fallback_count = 1;
    assert_result(run(&s), TARASH_IMAGE_OK); /* certain that nothing was made, so it moves on */
    assert_int_equal(s.response.attempt_count, 2);
    assert_result(s.response.attempts[0].result, TARASH_IMAGE_ERROR_CONNECTION);
    assert_delivery(s.response.attempts[0].delivery, TARASH_IMAGE_DELIVERY_NOT_SENT);
    assert_int_equal(requests("default", "CONNECT", NULL), 1);
    scene_close(&s);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, forget_variables, forget_variables)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(exempt_hosts_are_understood),
        TEST(the_environment_names_proxies),
        TEST(a_proxy_opens_the_connection_itself),
        TEST(exempt_hosts_are_checked),
        TEST(both_are_of_one_mind),
        TEST(a_refused_tunnel_sends_nothing),
    };
    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
