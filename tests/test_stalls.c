/* Nothing comes any more: polls and downloads are given up and tried again, a call is waited for. */

#define TARIMG_STALL_SECONDS 1L
#include "scene.h"

static void a_poll_that_hangs_is_asked_again(void **state) {
    scene s;
    jobs_service service;
    cJSON *log;
    (void)state;
    scene_start(&s, "stalled-poll", "[{\"jobs\": {\"polls\": 1}}, {\"method\": \"GET\", \"stall\": true}]");
    jobs_service_open(&service);
    scene_use_jobs(&s, &service);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.image_count, 1);
    log = control_log("stalled-poll");
    assert_int_equal(log_count(log, "POST", ""), 1);
    assert_true(log_count(log, "GET", "/jobs/job-1") > 1);
    cJSON_Delete(log);
    scene_close(&s);
}

static void a_download_that_hangs_is_asked_again(void **state) {
    scene s;
    cJSON *log;
    (void)state;
    scene_start(&s, "stalled-download",
                "[{\"image_result\": {\"url\": true}}, {\"where\": \"files\", \"stall\": true}]");
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_picture(tarash_image_response_first(&s.response), 256, 256);
    log = control_log("stalled-download");
    assert_int_equal(log_count(log, "POST", ""), 1);
    assert_int_equal(log_count(log, "GET", ""), 2);
    cJSON_Delete(log);
    scene_close(&s);
}

static void a_call_may_think_in_silence(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "thinking", "[{\"delay_ms\": 3500}]");
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(s.response.attempts[0].retries, 0);
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_poll_that_hangs_is_asked_again),
        cmocka_unit_test(a_download_that_hangs_is_asked_again),
        cmocka_unit_test(a_call_may_think_in_silence),
    };
    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
