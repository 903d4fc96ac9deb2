/* What surrounds the library and isn't its business: a wall clock that jumps, and a locale with decimal commas and letters of
   its own. */
/* LIBS: -ldl */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT */
#endif

#include <dlfcn.h>
#include <locale.h>
#include <sys/time.h>
#include <time.h>

#include "scenarios.h"
#include "test_list.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- a wall clock that jumps --------------------------------------------------------------------------- */

/* The library, libcurl and the C library's callers get these, since a program's own functions go first. Each reading is
   years before or after the last one. */
static int jumps;
static unsigned readings;

static time_t jump(void) {
    static const int years[] = {0, 20, -15, 3, -40, 8, 1};
    return jumps ? (time_t)years[readings++ % COUNT(years)] * 366 * 24 * 3600 : 0;
}

int clock_gettime(clockid_t which, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    void *found;
    int result;
    if (!real) {
        found = dlsym(RTLD_NEXT, "clock_gettime");
        memcpy(&real, &found, sizeof real);
    }
    result = real(which, now);
    if (which == CLOCK_REALTIME) now->tv_sec += jump();
    return result;
}

time_t time(time_t *out) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *out, void *zone) {
    struct timespec now;
    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}

typedef struct wait {
    const char *name, *script;
    void (*prepare)(scene *s);
    tarash_image_result result;
    int least_ms; /* that it takes; 20 s more at most */
} wait;

static jobs_service service;

static void poll_often(scene *s) {
    jobs_service_open(&service);
    server_api_url(s->url, sizeof s->url, s->session, "jobs");
    s->config.provider = "painter";
    s->config.model = NULL;
    s->request.size = "32x16";
    s->config.poll_interval_ms = 100;
}

static void retry_soon(scene *s) {
    s->config.retry.initial_ms = 200;
    s->config.retry.exponent = 1;
}

static void wait_little(scene *s) {
    s->config.timeout_ms = 400;
}

static void wait_little_for_all(scene *s) {
    s->config.total_timeout_ms = 400;
}

static void use_slow_mock(scene *s) {
    static tarash_image_mock mock;
    memset(&mock, 0, sizeof mock);
    mock.enabled = 1;
    mock.latency_ms = 300;
    s->config.mock = &mock;
}

static const wait waits[] = {
    {"polls", "[{\"jobs\": {\"polls\": 3}}]", poll_often, TARASH_IMAGE_OK, 400},
    {"retries", "[{\"status\": 503, \"times\": 2}]", retry_soon, TARASH_IMAGE_OK, 300},
    {"Retry-After", "[{\"status\": 503, \"headers\": {\"Retry-After\": \"1\"}}]", NULL, TARASH_IMAGE_OK,
     1000},
    {"an attempt's time", "[{\"stall\": true}]", wait_little, TARASH_IMAGE_ERROR_TIMEOUT, 400},
    {"the chain's time", "[{\"stall\": true}]", wait_little_for_all, TARASH_IMAGE_ERROR_TIMEOUT, 400},
    {"a mock", NULL, use_slow_mock, TARASH_IMAGE_OK, 300},
};

static void a_wall_clock_that_jumps(void **state) {
    const wait *tried = (const wait *)*state;
    scene s;
    tarash_image_result result;
    int64_t begin, took;
    scene_open(&s, "jumps");
    memset(&s.desc.clock, 0, sizeof s.desc.clock);
    if (tried->script) assert_int_equal(control_script("jumps", tried->script), 0);
    if (tried->prepare) tried->prepare(&s);
    readings = 0;
    jumps = 1;
    scene_client(&s);
    if (strcmp(s.config.provider, "painter") == 0)
        assert_result(tarash_image_register_provider(s.client, &service.provider), TARASH_IMAGE_OK);
    begin = real_ms();
    result = tarash_image_generate(s.client, &s.config, &s.request, &s.response);
    took = real_ms() - begin;
    jumps = 0;
    if (result != tried->result) fail_msg("%s", s.response.error.message);
    assert_true(readings > 0);
    assert_true(took >= tried->least_ms && took < tried->least_ms + SCENE_SECONDS * 1000);
    assert_true(s.response.elapsed_ms >= tried->least_ms && s.response.elapsed_ms <= took + 1);
    assert_int_equal(control_posts("jumps"), !tried->script                         ? 0
                                             : tried->prepare == retry_soon         ? 3
                                             : strstr(tried->script, "Retry-After") ? 2
                                                                                    : 1);
    scene_close(&s);
}

/* A clock of the program's own that goes back: nothing comes early, and all comes when it has caught up. */
static void an_own_clock_that_goes_back(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "back", "[{\"status\": 503, \"headers\": {\"Retry-After\": \"5\"}}]");
    scene_submit(&s);
    settle(&s);
    advance(&s, -100000);
    (void)tarash_image_poll(s.client, 0);
    assert_int_equal(control_posts("back"), 1);
    advance(&s, 104999);
    (void)tarash_image_poll(s.client, 0);
    assert_int_equal(control_posts("back"), 1);
    advance(&s, 1);
    finish(&s);
    assert_result(scene_take(&s), TARASH_IMAGE_OK);
    assert_int_equal(control_posts("back"), 2);
    scene_close(&s);
}

/* ---- locales ------------------------------------------------------------------------------------------- */

typedef struct locale_case {
    const char *name, *source;
} locale_case;

/* Commas for points; points for thousands; an I without a dot. */
static const locale_case locales[] = {
    {"de_DE.UTF-8", "de_DE"}, {"tr_TR.UTF-8", "tr_TR"}, {"fr_FR.UTF-8", "fr_FR"}};

static char kept_locale[64];

/* An installed one, or one that is made for the test. Without either, or a way to make one, the test is skipped. */
static int enter_locale(const locale_case *l) {
    char folder[600], command[1500];
    if (setlocale(LC_ALL, l->name)) return 1;
    temporary_path(folder, sizeof folder, "locales");
    (void)mkdir(folder, 0700);
    snprintf(command, sizeof command, "localedef -i %s -f UTF-8 '%s/%s' >/dev/null 2>&1", l->source, folder,
             l->name);
    if (system(command) != 0) return 0;
    assert_int_equal(setenv("LOCPATH", folder, 1), 0);
    return setlocale(LC_ALL, l->name) != NULL;
}

static void begin_locale(void **state) {
    char text[16];
    const locale_case *l = (const locale_case *)*state;
    snprintf(kept_locale, sizeof kept_locale, "%s", setlocale(LC_ALL, NULL));
    if (!enter_locale(l)) skip();
    snprintf(text, sizeof text, "%.1f", 1.5);
    assert_string_equal(text, "1,5"); /* it is what it should be */
}

static void end_locale(void) {
    assert_non_null(setlocale(LC_ALL, kept_locale));
    unsetenv("LOCPATH");
}

static const struct {
    const char *provider, *model, *options, *extra;
} fractions[] = {
    {"openai_compatible", "any", NULL, "{\"strength\": 0.35, \"n\": [1e-3, -2.50]}"},
    {"stability", NULL, "{\"strength\": 0.35}", "{\"cfg_scale\": 7.25}"},
    {"luma", NULL, "{\"weight\": 0.25}", NULL},
    {"recraft", NULL, "{\"strength\": 0.75}", NULL},
    {"replicate", NULL, NULL, "{\"guidance\": 2.5}"},
    {"fal", NULL, NULL, "{\"guidance_scale\": 3.5}"},
    {"automatic1111", NULL, NULL, "{\"cfg_scale\": 6.5}"},
    {"google", NULL, NULL, "{\"temperature\": 0.5}"},
};

/* What would go out, with fractions wherever there can be some. */
static char *plan_of(size_t number, const char *ratio) {
    tarash_image_config config;
    tarash_image_request request;
    tarash_image_input input;
    tarash_image_client_desc desc;
    tarash_image_client *client;
    tarash_image_text plan;
    char *copy;
    memset(&config, 0, sizeof config);
    memset(&request, 0, sizeof request);
    memset(&input, 0, sizeof input);
    config.provider = fractions[number].provider;
    config.model = fractions[number].model;
    config.provider_config = fractions[number].options;
    config.api_key = strcmp(config.provider, "automatic1111") ? SCENE_KEY : "a:0123456789abcdef";
    config.base_url = "https://API.INDIA.example/I/v1";
    config.retry.exponent = 1.25;
    request.prompt = "an IRIS in a vase";
    request.aspect_ratio = ratio;
    request.quality = "HIGH";
    request.output_format = "JPEG";
    request.extra_params = fractions[number].extra;
    input.url = "HTTPS://cdn.INDIA.example/I.png";
    request.images = &input;
    if (fractions[number].options) request.image_count = 1;
    memset(&desc, 0, sizeof desc);
    desc.random_seed = 1; /* of a form's boundary */
    client = tarash_image_client_create(&desc);
    assert_non_null(client);
    (void)tarash_image_plan(client, &config, &request, &plan);
    tarash_image_client_destroy(client);
    copy = strdup(plan.data ? plan.data : plan.error.message);
    assert_non_null(copy);
    tarash_image_text_free(&plan);
    return copy;
}

static void plans_are_the_same(void **state) {
    static const char *const ratios[] = {"16:9", "2.35:1", "1.5:1"};
    char *plain[COUNT(fractions) * COUNT(ratios)];
    size_t i;
    for (i = 0; i < COUNT(plain); i++) plain[i] = plan_of(i / COUNT(ratios), ratios[i % COUNT(ratios)]);
    begin_locale(state);
    for (i = 0; i < COUNT(plain); i++) {
        char *other = plan_of(i / COUNT(ratios), ratios[i % COUNT(ratios)]);
        if (strcmp(plain[i], other) != 0) fail_msg("%s\n%s", plain[i], other);
        free(other);
        free(plain[i]);
    }
    end_locale();
}

/* Numbers, times and names in what comes back. */
static void replies_are_the_same(void **state) {
    static const char script[] =
        "[{\"status\": 503, \"headers\": {\"RETRY-AFTER\": \"1.5\"}},"
        " {\"status\": 429, \"headers\": {\"retry-after-ms\": \"250.75\"}},"
        " {\"status\": 200, \"headers\": {\"CONTENT-TYPE\": \"APPLICATION/JSON\"}, \"body\":"
        " \"{\\\"data\\\":[{\\\"b64_json\\\":\\\"R0lGODlhAQABAIAAAAAAAP///"
        "yH5BAEAAAAALAAAAAABAAEAAAIBRAA7\\\"}],"
        "\\\"created\\\":1.7e9,\\\"score\\\":[0.125,-1.5e-3]}\"}]";
    scene s;
    int64_t waited[2][2];
    int i;
    for (i = 0; i < 2; i++) {
        if (i) begin_locale(state);
        scene_start(&s, "locale", script);
        assert_result(run(&s), TARASH_IMAGE_OK);
        assert_string_equal(s.response.images[0].mime_type, "image/gif");
        assert_contains(s.response.raw_response, "[0.125,-1.5e-3]");
        assert_int_equal(s.wait_count, 2);
        waited[i][0] = s.waits[0];
        waited[i][1] = s.waits[1];
        scene_close(&s);
    }
    end_locale();
    assert_true(waited[0][0] == waited[1][0] && waited[0][1] == waited[1][1]);
}

/* All that the library does. */
static void scenarios_succeed(void **state) {
    size_t i;
    begin_locale(state);
    for (i = 0; i < SCENARIO_COUNT; i++) {
        const scenario *tried = &scenario_list[i];
        scene s;
        tarash_image_result result;
        scenario_open(&s, tried, "locale");
        scene_client(&s);
        result = tried->perform(&s);
        if (result != TARASH_IMAGE_OK) fail_msg("%s: %s", tried->name, s.response.error.message);
        if (tried->check) tried->check(&s, result);
        scene_close(&s);
    }
    end_locale();
}

/* ---- all of them --------------------------------------------------------------------------------------- */

int main(void) {
    size_t i;
    for (i = 0; i < COUNT(waits); i++)
        add_test("a wall clock that jumps", waits[i].name, a_wall_clock_that_jumps, &waits[i]);
    add_test("an own clock that goes back", "", an_own_clock_that_goes_back, NULL);
    for (i = 0; i < COUNT(locales); i++) {
        add_test("plans", locales[i].name, plans_are_the_same, &locales[i]);
        add_test("replies", locales[i].name, replies_are_the_same, &locales[i]);
        add_test("scenarios", locales[i].name, scenarios_succeed, &locales[i]);
    }
    return _cmocka_run_group_tests("surroundings", tests, test_count, server_setup, server_teardown);
}
