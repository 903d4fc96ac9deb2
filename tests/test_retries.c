/* Same-provider retries, what the server asks for, and time-outs: when the next request happens, by a clock
   that stands still between them. */

#include "scene.h"

#include <fcntl.h>

#include <arpa/inet.h>
#include <sys/socket.h>

/* ---- which failures are tried again ---- */

static void retries_what_was_rejected(void **state) {
    static const int statuses[] = {409, 429, 500, 503};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        scene s;
        scene_start(&s, "retried", NULL);
        assert_int_equal(control_scriptf("retried", "[{\"status\": %d, \"times\": 2}]", statuses[i]), 0);
        assert_result(run(&s), TARASH_IMAGE_OK);
        assert_int_equal(control_posts("retried"), 3);
        assert_int_equal(s.response.attempt_count, 1);
        assert_int_equal(s.response.attempts[0].retries, 2);
        assert_int_equal(s.wait_count, 2);
        scene_close(&s);
    }
}

static void gives_up_after_max_retries(void **state) {
    static const int limits[] = {0 /* 2, the default */, 1, 5};
    size_t i;
    (void)state;
    for (i = 0; i < 3; i++) {
        scene s;
        int tries = 1 + (limits[i] ? limits[i] : 2);
        scene_start(&s, "giving-up", "[{\"status\": 503, \"times\": -1}]");
        s.config.max_retries = limits[i];
        assert_result(run(&s), TARASH_IMAGE_ERROR_HTTP);
        assert_int_equal(control_posts("giving-up"), tries);
        assert_int_equal(s.response.error.http_status, 503);
        assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_REJECTED);
        assert_true(s.response.error.retryable);
        assert_int_equal(s.response.attempts[0].retries, tries - 1);
        scene_close(&s);
    }
}

static void never_repeats_other_answers(void **state) {
    static const struct {
        int status;
        tarash_image_result result;
        tarash_image_delivery delivery;
    } cases[] = {{400, TARASH_IMAGE_ERROR_VALIDATION, TARASH_IMAGE_DELIVERY_REJECTED},
                 {401, TARASH_IMAGE_ERROR_AUTHENTICATION, TARASH_IMAGE_DELIVERY_REJECTED},
                 {403, TARASH_IMAGE_ERROR_AUTHENTICATION, TARASH_IMAGE_DELIVERY_REJECTED},
                 {404, TARASH_IMAGE_ERROR_HTTP, TARASH_IMAGE_DELIVERY_REJECTED},
                 {501, TARASH_IMAGE_ERROR_HTTP, TARASH_IMAGE_DELIVERY_REJECTED},
                 {502, TARASH_IMAGE_ERROR_HTTP, TARASH_IMAGE_DELIVERY_UNKNOWN},
                 {504, TARASH_IMAGE_ERROR_HTTP, TARASH_IMAGE_DELIVERY_UNKNOWN},
                 {408, TARASH_IMAGE_ERROR_TIMEOUT, TARASH_IMAGE_DELIVERY_UNKNOWN},
                 {524, TARASH_IMAGE_ERROR_TIMEOUT, TARASH_IMAGE_DELIVERY_UNKNOWN},
                 {302, TARASH_IMAGE_ERROR_HTTP, TARASH_IMAGE_DELIVERY_REJECTED}};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scene s;
        scene_start(&s, "once", NULL);
        assert_int_equal(control_scriptf("once", "[{\"status\": %d, \"times\": -1}]", cases[i].status), 0);
        assert_result(run(&s), cases[i].result);
        assert_int_equal(control_posts("once"), 1);
        assert_int_equal(s.response.error.http_status, cases[i].status);
        assert_delivery(s.response.error.delivery, cases[i].delivery);
        assert_int_equal(s.response.attempts[0].retries, 0);
        scene_close(&s);
    }
}

static void never_repeats_what_may_have_arrived(void **state) {
    static const char *const scripts[] = {
        "[{\"reset\": \"before\"}]",  "[{\"reset\": \"in_headers\"}]",  "[{\"reset\": \"after_headers\"}]",
        "[{\"reset\": \"in_body\"}]", "[{\"close_after_bytes\": 100}]", "[{\"close_after_bytes\": 0}]",
        "[{\"raw\": \"\"}]",          "[{\"chunked\": \"truncated\"}]", "[{\"reset\": \"in_request\"}]"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        scene s;
        scene_start(&s, "lost", scripts[i]);
        assert_result(run(&s), TARASH_IMAGE_ERROR_CONNECTION);
        assert_int_equal(control_posts("lost"), 1);
        assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_UNKNOWN);
        assert_int_not_equal(s.response.error.curl_code, 0);
        assert_true(s.response.error.retryable);
        scene_close(&s);
    }
}

static void repeats_refused_connections(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "refused", NULL);
    snprintf(s.url, sizeof s.url, "http://127.0.0.1:%d/v1", unused_port());
    assert_result(run(&s), TARASH_IMAGE_ERROR_CONNECTION);
    assert_int_equal(s.wait_count, 2);
    assert_int_equal(s.response.attempts[0].retries, 2);
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_NOT_SENT);
    assert_int_equal(s.response.error.http_status, 0);
    assert_true(s.response.error.retryable);

    s.config.retry.no_connection_errors = 1;
    assert_result(run(&s), TARASH_IMAGE_ERROR_CONNECTION);
    assert_int_equal(s.wait_count, 0);
    assert_int_equal(s.response.attempts[0].retries, 0);
    scene_close(&s);
}

static void no_connection_errors_says_nothing_about_answers(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "answers", NULL);
    s.config.retry.no_connection_errors = 1;
    assert_int_equal(control_script("answers", "[{\"status\": 503}]"), 0);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(control_posts("answers"), 2);
    scene_close(&s);
}

static void no_retries_means_none(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "no-retries", "[{\"status\": 503}]");
    s.config.max_retries = TARASH_IMAGE_NO_RETRIES;
    assert_result(run(&s), TARASH_IMAGE_ERROR_HTTP);
    assert_int_equal(control_posts("no-retries"), 1);
    snprintf(s.url, sizeof s.url, "http://127.0.0.1:%d/v1", unused_port());
    assert_result(run(&s), TARASH_IMAGE_ERROR_CONNECTION);
    assert_int_equal(s.wait_count, 0);
    scene_close(&s);
}

static void empty_quota_is_not_worth_a_retry(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "quota", "[{\"status\": 429, \"error_code\": \"insufficient_quota\", \"times\": -1}]");
    assert_result(run(&s), TARASH_IMAGE_ERROR_QUOTA_EXCEEDED);
    assert_int_equal(control_posts("quota"), 1);
    assert_int_equal(s.response.error.http_status, 429);
    assert_string_equal(s.response.error.provider_code, "insufficient_quota");
    assert_false(s.response.error.retryable);
    scene_close(&s);
}

static void moderation_is_not_worth_a_retry(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "moderated-once", "[{\"moderation\": true, \"times\": -1}]");
    assert_result(run(&s), TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    assert_int_equal(control_posts("moderated-once"), 1);
    scene_close(&s);
}

/* ---- how long the wait is ---- */

static void assert_between(int64_t value, int64_t low, int64_t high) {
    if (value < low || value > high)
        fail_msg("%lld is not between %lld and %lld", (long long)value, (long long)low, (long long)high);
}

static void waits_grow_up_to_their_cap(void **state) {
    static const int64_t full[] = {1000, 2000, 4000, 5000, 5000, 5000};
    size_t i;
    scene s;
    (void)state;
    scene_start(&s, "growth", "[{\"status\": 500, \"times\": -1}]");
    s.config.max_retries = 6;
    s.config.retry.initial_ms = 1000;
    s.config.retry.max_ms = 5000;
    s.config.retry.exponent = 2;
    assert_result(run(&s), TARASH_IMAGE_ERROR_HTTP);
    assert_int_equal(s.wait_count, 6);
    for (i = 0; i < 6; i++) assert_between(s.waits[i], full[i] - full[i] / 4, full[i]);
    scene_close(&s);
}

static void default_waits(void **state) {
    static const int64_t full[] = {500, 750, 1125};
    size_t i;
    scene s;
    (void)state;
    scene_start(&s, "default-waits", "[{\"status\": 500, \"times\": -1}]");
    s.config.max_retries = 3;
    assert_result(run(&s), TARASH_IMAGE_ERROR_HTTP);
    assert_int_equal(s.wait_count, 3);
    for (i = 0; i < 3; i++) assert_between(s.waits[i], full[i] - full[i] / 4, full[i]);
    scene_close(&s);
}

static void waits_are_jittered(void **state) {
    int64_t least = 1 << 30, most = 0;
    uint64_t seed;
    (void)state;
    for (seed = 1; seed <= 24; seed++) {
        scene s;
        scene_open(&s, "jitter");
        s.desc.random_seed = seed;
        scene_client(&s);
        snprintf(s.url, sizeof s.url, "http://127.0.0.1:%d/v1", unused_port());
        s.config.max_retries = 1;
        s.config.retry.initial_ms = 10000;
        assert_result(run(&s), TARASH_IMAGE_ERROR_CONNECTION);
        assert_int_equal(s.wait_count, 1);
        assert_between(s.waits[0], 7500, 10000);
        if (s.waits[0] < least) least = s.waits[0];
        if (s.waits[0] > most) most = s.waits[0];
        scene_close(&s);
    }
    /* 24 draws that all lie within a fifth of the range would be one chance in 10^15. */
    assert_true(most - least > 500);
}

static void one_retry_after(const char *headers, int64_t least, int64_t most) {
    scene s;
    scene_start(&s, "retry-after", NULL);
    assert_int_equal(control_scriptf("retry-after", "[{\"status\": 429, \"headers\": {%s}}, {}]", headers),
                     0);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(control_posts("retry-after"), 2);
    assert_int_equal(s.wait_count, 1);
    if (s.waits[0] < least || s.waits[0] > most)
        fail_msg("{%s}: waited %lld ms, not %lld to %lld", headers, (long long)s.waits[0], (long long)least,
                 (long long)most);
    scene_close(&s);
}

static void obeys_retry_after(void **state) {
    (void)state;
    one_retry_after("\"Retry-After\": \"7\"", 7000, 7000);
    one_retry_after("\"retry-after\": \"1.5\"", 1500, 1500);
    one_retry_after("\"Retry-After\": \"0.25\"", 250, 250);
    one_retry_after("\"retry-after-ms\": \"2345\"", 2345, 2345);
    one_retry_after("\"Retry-After\": \"30\", \"retry-after-ms\": \"1200\"", 1200, 1200);
    one_retry_after("\"Retry-After\": \"  4  \"", 4000, 4000);
}

static void ignores_nonsense_in_retry_after(void **state) {
    (void)state;
    one_retry_after("\"Retry-After\": \"soon\"", 375, 500);
    one_retry_after("\"Retry-After\": \"-5\"", 375, 500);
    one_retry_after("\"Retry-After\": \"\"", 375, 500);
    one_retry_after("\"Retry-After\": \"5 minutes\"", 375, 500);
    one_retry_after("\"Retry-After\": \"1e3\"", 375, 500);
    one_retry_after("\"Retry-After\": \"0x10\"", 375, 500);
    one_retry_after("\"Retry-After\": \"NaN\"", 375, 500);
    one_retry_after("\"Retry-After\": \"Sun, 99 Foo 2099 88:88:88 GMT\"", 375, 500);
    one_retry_after("\"retry-after-ms\": \"later\", \"Retry-After\": \"3\"", 3000, 3000);
    one_retry_after("\"retry-after-ms\": \"-1\"", 375, 500);
}

/* The server's clock is what counts, whatever year it is in. */
static void one_retry_date(const char *date, const char *retry_after, int64_t least, int64_t most) {
    scene s;
    scene_start(&s, "retry-date", NULL);
    assert_int_equal(control_scriptf("retry-date",
                                     "[{\"raw\": \"HTTP/1.1 503 Busy\\r\\n%s%s%sRetry-After: %s\\r\\n"
                                     "Content-Length: 2\\r\\nConnection: close\\r\\n\\r\\n{}\"}]",
                                     date ? "Date: " : "", date ? date : "", date ? "\\r\\n" : "",
                                     retry_after),
                     0);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.wait_count, 1);
    if (s.waits[0] < least || s.waits[0] > most)
        fail_msg("%s: waited %lld ms, not %lld to %lld", retry_after, (long long)s.waits[0], (long long)least,
                 (long long)most);
    scene_close(&s);
}

static void obeys_dates(void **state) {
    static const char now[] = "Sun, 06 Nov 1994 08:49:37 GMT";
    time_t soon;
    struct tm *parts;
    char text[64];
    (void)state;
    one_retry_date(now, "Sun, 06 Nov 1994 08:49:47 GMT", 10000, 10000);
    one_retry_date(now, "Sunday, 06-Nov-94 08:49:57 GMT", 20000, 20000);
    one_retry_date(now, "Sun Nov  6 08:50:07 1994", 30000, 30000);
    one_retry_date("Fri, 31 Dec 1999 23:59:50 GMT", "Sat, 01 Jan 2000 00:00:20 GMT", 30000, 30000);
    one_retry_date("Mon, 28 Feb 2028 23:59:58 GMT", "Tue, 29 Feb 2028 00:00:08 GMT", 10000, 10000);
    one_retry_date(now, "Sun, 06 Nov 1994 08:00:00 GMT", 0, 500); /* gone by already */

    soon = time(NULL) + 25;
    parts = gmtime(&soon);
    assert_non_null(parts);
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", parts);
    one_retry_date(NULL, text, 20000, 25000);
    one_retry_date("yesterday", text, 20000, 25000);
}

static void told_not_to_retry(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "told",
                "[{\"status\": 503, \"times\": -1, \"headers\": {\"X-Should-Retry\": \"false\"}}]");
    assert_result(run(&s), TARASH_IMAGE_ERROR_HTTP);
    assert_int_equal(control_posts("told"), 1);
    scene_close(&s);
}

static void told_to_retry(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "told-to", "[{\"status\": 418, \"headers\": {\"x-should-retry\": \"true\"}}]");
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(control_posts("told-to"), 2);
    scene_close(&s);
}

static void begins_no_wait_that_outlasts_the_time_left(void **state) {
    scene s;
    int64_t before;
    (void)state;
    scene_start(&s, "too-long",
                "[{\"status\": 429, \"times\": -1, \"headers\": {\"Retry-After\": \"300\"}}]");
    before = s.clock.now_ms;
    assert_result(run(&s), TARASH_IMAGE_ERROR_RATE_LIMITED);
    assert_int_equal(s.clock.now_ms, before);
    assert_int_equal(control_posts("too-long"), 1);
    assert_int_equal(s.response.error.retry_after_ms, 300000);

    /* With the time for it, it is waited. */
    s.config.timeout_ms = 400000;
    s.config.max_retries = 1;
    assert_result(run(&s), TARASH_IMAGE_ERROR_RATE_LIMITED);
    assert_int_equal(s.clock.now_ms, before + 300000);

    /* The whole chain's time counts as well. */
    s.config.total_timeout_ms = 200000;
    assert_result(run(&s), TARASH_IMAGE_ERROR_RATE_LIMITED);
    assert_int_equal(s.clock.now_ms, before + 300000);
    scene_close(&s);
}

static void moves_on_rather_than_wait_too_long(void **state) {
    scene s;
    tarash_image_config second;
    (void)state;
    scene_start(&s, "too-long-chain", "[{\"status\": 429, \"headers\": {\"Retry-After\": \"3600\"}}]");
    second = s.config;
    s.config.fallbacks = &second;
    s.config.fallback_count = 1;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.wait_count, 0);
    assert_int_equal(s.response.attempt_count, 2);
    scene_close(&s);
}

static void stops_after_max_elapsed(void **state) {
    scene s;
    int64_t sum = 0;
    size_t i;
    (void)state;
    scene_start(&s, "max-elapsed", "[{\"status\": 500, \"times\": -1}]");
    s.config.max_retries = 50;
    s.config.retry.initial_ms = 1000;
    s.config.retry.exponent = 1;
    s.config.retry.max_elapsed_ms = 4500;
    assert_result(run(&s), TARASH_IMAGE_ERROR_HTTP);
    for (i = 0; i < s.wait_count; i++) sum += s.waits[i];
    assert_between(sum, 3500, 4500);
    assert_int_equal(control_posts("max-elapsed"), (int)s.wait_count + 1);
    scene_close(&s);
}

/* ---- time-outs ---- */

static void an_attempt_has_its_time(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "timeout", "[{\"stall\": true}]");
    s.config.timeout_ms = 30000;
    scene_submit(&s);
    poll_until_requests(&s, 1);
    advance(&s, 29999);
    (void)tarash_image_poll(s.client, 0);
    assert_false(has_ended(&s));
    advance(&s, 1);
    (void)tarash_image_poll(s.client, 0);
    assert_true(has_ended(&s));
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_TIMEOUT);
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_UNKNOWN);
    assert_contains(s.response.error.message, "timeout_ms");
    assert_int_equal(s.response.attempts[0].elapsed_ms, 30000);
    assert_int_equal(s.response.elapsed_ms, 30000);
    assert_true(control_wait("timeout", 1, 1, 1, 5000)); /* the server sees the client leave */
    assert_int_equal(control_posts("timeout"), 1);
    scene_close(&s);
}

static void the_default_is_two_minutes(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "timeout-default", "[{\"stall\": true}]");
    scene_submit(&s);
    poll_until_requests(&s, 1);
    advance(&s, 119999);
    (void)tarash_image_poll(s.client, 0);
    assert_false(has_ended(&s));
    advance(&s, 1);
    (void)tarash_image_poll(s.client, 0);
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_TIMEOUT);
    scene_close(&s);
}

static void time_runs_out_in_the_middle_of_a_body(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "timeout-body", "[{\"trickle\": {\"chunk\": 50, \"every_ms\": 20}}]");
    scene_submit(&s);
    for (;;) {
        tarash_image_update update;
        (void)tarash_image_poll(s.client, 10);
        (void)tarash_image_job_status(s.client, s.job, &update);
        if (update.bytes_received > 0) break;
    }
    advance(&s, 120000);
    (void)tarash_image_poll(s.client, 0);
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_TIMEOUT);
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_UNKNOWN);
    assert_int_equal(s.response.image_count, 0);
    scene_close(&s);
}

/* A port that takes connections into its queue until that is full, and answers no more afterwards. */
typedef struct full_port {
    int listener, others[8], port;
} full_port;

static void full_port_open(full_port *full) {
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int i;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    full->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(full->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(full->listener, 0), 0);
    assert_int_equal(getsockname(full->listener, (struct sockaddr *)&address, &length), 0);
    full->port = ntohs(address.sin_port);
    for (i = 0; i < 8; i++) {
        full->others[i] = socket(AF_INET, SOCK_STREAM, 0);
        (void)fcntl(full->others[i], F_SETFL, O_NONBLOCK);
        (void)connect(full->others[i], (struct sockaddr *)&address, sizeof address);
    }
}

static void full_port_close(full_port *full) {
    int i;
    for (i = 0; i < 8; i++) close(full->others[i]);
    close(full->listener);
}

static void connecting_has_its_own_time(void **state) {
    scene s;
    full_port full;
    int64_t began;
    (void)state;
    scene_start(&s, "connect-timeout", NULL);
    full_port_open(&full);
    snprintf(s.url, sizeof s.url, "http://127.0.0.1:%d/v1", full.port);
    s.config.connect_timeout_ms = 150;
    s.config.max_retries = 1;
    began = real_ms();
    assert_result(run(&s), TARASH_IMAGE_ERROR_TIMEOUT);
    assert_true(real_ms() - began >= 300); /* twice */
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_NOT_SENT);
    assert_int_equal(s.response.attempts[0].retries, 1);
    full_port_close(&full);
    scene_close(&s);
}

static void time_runs_out_while_connecting(void **state) {
    scene s;
    full_port full;
    (void)state;
    scene_start(&s, "timeout-connecting", NULL);
    full_port_open(&full);
    snprintf(s.url, sizeof s.url, "http://127.0.0.1:%d/v1", full.port);
    scene_submit(&s);
    (void)tarash_image_poll(s.client, 20);
    advance(&s, 120000);
    (void)tarash_image_poll(s.client, 0);
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_TIMEOUT);
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_NOT_SENT);
    full_port_close(&full);
    scene_close(&s);
}

static void the_whole_chain_has_its_time(void **state) {
    scene s;
    tarash_image_config others[2];
    (void)state;
    scene_start(&s, "total", "[{\"stall\": true, \"times\": -1}]");
    s.config.timeout_ms = 1000;
    others[0] = others[1] = s.config;
    s.config.fallbacks = others;
    s.config.fallback_count = 2;
    s.config.total_timeout_ms = 1500;
    others[0].total_timeout_ms = 1; /* only the first config's counts */
    scene_submit(&s);
    poll_until_requests(&s, 1);
    advance(&s, 1000);
    poll_until_requests(&s, 2);
    assert_false(has_ended(&s));
    advance(&s, 499);
    (void)tarash_image_poll(s.client, 0);
    assert_false(has_ended(&s));
    advance(&s, 1);
    (void)tarash_image_poll(s.client, 0);
    assert_result(scene_take(&s), TARASH_IMAGE_ERROR_TIMEOUT);
    assert_contains(s.response.error.message, "total_timeout_ms");
    assert_int_equal(s.response.attempt_count, 2);
    assert_int_equal(s.response.configs_in_chain, 3);
    assert_int_equal(s.response.elapsed_ms, 1500);
    assert_int_equal(control_posts("total"), 2);
    scene_close(&s);
}

/* A wait in the engine's real time: the only test here that takes any. */
static void a_blocking_call_waits_its_backoff(void **state) {
    scene s;
    int64_t began;
    (void)state;
    scene_open(&s, "real-wait");
    memset(&s.desc.clock, 0, sizeof s.desc.clock);
    scene_client(&s);
    assert_int_equal(control_script("real-wait", "[{\"status\": 503}]"), 0);
    s.config.retry.initial_ms = 100;
    began = real_ms();
    assert_result(tarash_image_generate(s.client, &s.config, &s.request, &s.response), TARASH_IMAGE_OK);
    assert_true(real_ms() - began >= 75);
    assert_int_equal(s.response.attempts[0].retries, 1);
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retries_what_was_rejected),
        cmocka_unit_test(gives_up_after_max_retries),
        cmocka_unit_test(never_repeats_other_answers),
        cmocka_unit_test(never_repeats_what_may_have_arrived),
        cmocka_unit_test(repeats_refused_connections),
        cmocka_unit_test(no_connection_errors_says_nothing_about_answers),
        cmocka_unit_test(no_retries_means_none),
        cmocka_unit_test(empty_quota_is_not_worth_a_retry),
        cmocka_unit_test(moderation_is_not_worth_a_retry),
        cmocka_unit_test(waits_grow_up_to_their_cap),
        cmocka_unit_test(default_waits),
        cmocka_unit_test(waits_are_jittered),
        cmocka_unit_test(obeys_retry_after),
        cmocka_unit_test(ignores_nonsense_in_retry_after),
        cmocka_unit_test(obeys_dates),
        cmocka_unit_test(told_not_to_retry),
        cmocka_unit_test(told_to_retry),
        cmocka_unit_test(begins_no_wait_that_outlasts_the_time_left),
        cmocka_unit_test(moves_on_rather_than_wait_too_long),
        cmocka_unit_test(stops_after_max_elapsed),
        cmocka_unit_test(an_attempt_has_its_time),
        cmocka_unit_test(the_default_is_two_minutes),
        cmocka_unit_test(time_runs_out_in_the_middle_of_a_body),
        cmocka_unit_test(connecting_has_its_own_time),
        cmocka_unit_test(time_runs_out_while_connecting),
        cmocka_unit_test(the_whole_chain_has_its_time),
        cmocka_unit_test(a_blocking_call_waits_its_backoff),
    };
    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
