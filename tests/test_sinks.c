/* Sinks: images that go to functions or files as they arrive. */

#include "scene.h"

#include <sys/stat.h>

typedef struct stream {
    size_t index, size;
    char mime_type[32];
    unsigned char *data;
    int is_open;
} stream;

typedef struct recorder {
    stream streams[16];
    size_t opened, closed, aborted, total, largest;
    int fail_open, fail_write, fail_close; /* at this call, counted from 1 */
    int opens, writes, closes;
    int keep;
} recorder;

static int record_open(void *user_data, size_t index, const char *mime_type, void **out) {
    recorder *r = (recorder *)user_data;
    stream *made = &r->streams[r->opened % 16];
    if (++r->opens == r->fail_open) return 1;
    memset(made, 0, sizeof *made);
    made->index = index;
    snprintf(made->mime_type, sizeof made->mime_type, "%s", mime_type);
    made->is_open = 1;
    r->opened++;
    *out = made;
    return 0;
}

static int record_write(void *user_data, void *opaque, const void *data, size_t size) {
    recorder *r = (recorder *)user_data;
    stream *s = (stream *)opaque;
    assert_true(s->is_open);
    assert_true(size > 0);
    if (++r->writes == r->fail_write) return -1;
    r->total += size;
    if (size > r->largest) r->largest = size;
    if (r->keep) {
        s->data = (unsigned char *)realloc(s->data, s->size + size);
        assert_non_null(s->data);
        memcpy(s->data + s->size, data, size);
    }
    s->size += size;
    return 0;
}

static int record_close(void *user_data, void *opaque) {
    recorder *r = (recorder *)user_data;
    stream *s = (stream *)opaque;
    assert_true(s->is_open);
    s->is_open = 0;
    if (++r->closes == r->fail_close) return 5;
    r->closed++;
    return 0;
}

static void record_abort(void *user_data, void *opaque) {
    recorder *r = (recorder *)user_data;
    stream *s = (stream *)opaque;
    assert_true(s->is_open);
    s->is_open = 0;
    r->aborted++;
}

static void recorder_init(recorder *r, tarash_image_sink *sink) {
    memset(r, 0, sizeof *r);
    memset(sink, 0, sizeof *sink);
    r->keep = 1;
    sink->open_fn = record_open;
    sink->write_fn = record_write;
    sink->close_fn = record_close;
    sink->abort_fn = record_abort;
    sink->user_data = r;
}

static void recorder_clear(recorder *r) {
    size_t i;
    for (i = 0; i < 16; i++) {
        assert_false(r->streams[i].is_open);
        free(r->streams[i].data);
    }
}

/* The bytes of the same request without a sink. */
static void assert_same_as_memory(scene *s, const unsigned char *data, size_t size, const char *script) {
    const tarash_image_sink *sink = s->request.sink;
    s->request.sink = NULL;
    assert_int_equal(control_script(s->session, script), 0);
    assert_result(run(s), TARASH_IMAGE_OK);
    assert_int_equal(s->response.images[0].size, size);
    assert_memory_equal(s->response.images[0].data, data, size);
    s->request.sink = sink;
}

static void functions_get_the_image(void **state) {
    static const char *const scripts[] = {
        "[{}]", "[{\"image_result\": {\"url\": true}}]", "[{\"trickle\": {\"chunk\": 300, \"every_ms\": 1}}]",
        "[{\"image_result\": {\"bytes\": \"gif\", \"size\": \"512x512\"}}]"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        scene s;
        recorder r;
        tarash_image_sink sink;
        const tarash_image *image;
        scene_start(&s, "functions", scripts[i]);
        recorder_init(&r, &sink);
        s.request.sink = &sink;
        assert_result(run(&s), TARASH_IMAGE_OK);
        assert_int_equal(r.opened, 1);
        assert_int_equal(r.closed, 1);
        assert_int_equal(r.aborted, 0);
        assert_int_equal(r.streams[0].index, 0);
        assert_string_equal(r.streams[0].mime_type, i == 3 ? "image/gif" : "image/png");
        image = &s.response.images[0];
        assert_null(image->data);
        assert_null(image->path);
        assert_int_equal(image->size, r.streams[0].size);
        assert_string_equal(image->mime_type, i == 3 ? "image/gif" : "image/png");
        assert_true(i != 3 || r.writes > 1);
        assert_int_equal(image->width, i == 3 ? 512 : 256);
        assert_int_equal(image->height, i == 3 ? 512 : 256);
        assert_int_equal(tarash_image_response_total_size(&s.response), image->size);
        assert_same_as_memory(&s, r.streams[0].data, r.streams[0].size, scripts[i]);
        recorder_clear(&r);
        scene_close(&s);
    }
}

static void several_images_have_their_own_streams(void **state) {
    scene s;
    recorder r;
    tarash_image_sink sink;
    size_t i;
    int seen[3] = {0, 0, 0}, round;
    (void)state;
    for (round = 0; round < 2; round++) {
        scene_start(&s, "several", round ? "[{\"image_result\": {\"url\": true}}]" : NULL);
        recorder_init(&r, &sink);
        s.request.sink = &sink;
        s.request.n = 3;
        assert_result(run(&s), TARASH_IMAGE_OK);
        assert_int_equal(s.response.image_count, 3);
        assert_int_equal(r.closed, 3);
        for (i = 0; i < 3; i++) {
            assert_int_equal(s.response.images[i].index, i);
            assert_int_equal(s.response.images[i].width, 256);
            seen[r.streams[i].index]++;
            assert_int_equal(s.response.images[r.streams[i].index].size, r.streams[i].size);
        }
        recorder_clear(&r);
        scene_close(&s);
    }
    for (i = 0; i < 3; i++) assert_int_equal(seen[i], 2);
}

static void files_get_the_image(void **state) {
    static const char *const scripts[] = {"[{}]", "[{\"image_result\": {\"url\": true}}]",
                                          "[{\"image_result\": {\"bytes\": \"jpeg\"}}]"};
    size_t i;
    (void)state;
    for (i = 0; i < 3; i++) {
        scene s;
        char pattern[600], expected[600], directory[512];
        tarash_image_sink sink;
        void *data;
        size_t size;
        scene_start(&s, "files", scripts[i]);
        snprintf(directory, sizeof directory, "%s/files-%d", temporary_directory(), (int)i);
        assert_int_equal(mkdir(directory, 0700), 0);
        snprintf(pattern, sizeof pattern, "%s/a-{index}-{index}.{ext}", directory);
        memset(&sink, 0, sizeof sink);
        sink.path = pattern;
        s.request.sink = &sink;
        s.request.n = 2;
        assert_result(run(&s), TARASH_IMAGE_OK);
        snprintf(expected, sizeof expected, "%s/a-1-1.%s", directory, i == 2 ? "jpg" : "png");
        assert_string_equal(s.response.images[1].path, expected);
        assert_null(s.response.images[1].data);
        assert_int_equal(s.response.images[1].width, 256);
        data = read_whole_file(expected, &size);
        assert_non_null(data);
        assert_int_equal(size, s.response.images[1].size);
        assert_memory_equal(data, i == 2 ? "\xFF\xD8\xFF" : "\x89PN", 3);
        free(data);
        assert_int_equal(directory_count(directory), 2); /* no partial file beside them */
        scene_close(&s);
    }
}

static void a_file_is_replaced_whole(void **state) {
    scene s;
    char path[600];
    tarash_image_sink sink;
    void *data;
    size_t size;
    (void)state;
    scene_start(&s, "replaced", "[{\"reset\": \"in_body\"}]");
    temporary_path(path, sizeof path, "replaced.png");
    assert_int_equal(write_whole_file(path, "what was there", 14), 0);
    memset(&sink, 0, sizeof sink);
    sink.path = path;
    s.request.sink = &sink;
    assert_result(run(&s), TARASH_IMAGE_ERROR_CONNECTION);
    data = read_whole_file(path, &size);
    assert_int_equal(size, 14);
    free(data);
    assert_result(run(&s), TARASH_IMAGE_OK);
    data = read_whole_file(path, &size);
    assert_int_equal(size, s.response.images[0].size);
    free(data);
    scene_close(&s);
}

static void nothing_is_left_of_a_failure(void **state) {
    static const char *const scripts[] = {
        "[{\"reset\": \"in_body\"}]",
        "[{\"base64\": \"garbage_at:2000\"}]",
        "[{\"image_result\": {\"size\": \"512x512\"}, \"close_after_bytes\": 3000}]",
        "[{\"image_result\": {\"url\": true}}, {\"where\": \"files\", \"reset\": \"in_body\", \"times\": 9}]",
        "[{\"image_result\": {\"url\": true}}, {\"where\": \"files\", \"status\": 404, \"times\": -1}]",
        "[{\"image_result\": {\"bytes\": \"html\"}}]",
        "[{\"image_result\": {\"bytes\": \"empty\"}}]"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        scene s;
        char pattern[600], directory[512];
        tarash_image_sink sink;
        scene_start(&s, "no-files", scripts[i]);
        snprintf(directory, sizeof directory, "%s/none-%d", temporary_directory(), (int)i);
        assert_int_equal(mkdir(directory, 0700), 0);
        snprintf(pattern, sizeof pattern, "%s/x.{ext}", directory);
        memset(&sink, 0, sizeof sink);
        sink.path = pattern;
        s.request.sink = &sink;
        if (run(&s) == TARASH_IMAGE_OK) fail_msg("%s: OK", scripts[i]);
        if (directory_count(directory) != 0)
            fail_msg("%s: %d files are left", scripts[i], directory_count(directory));
        scene_close(&s);
    }
}

static void no_folder_no_file(void **state) {
    scene s;
    tarash_image_sink sink;
    tarash_image_config second;
    char path[600];
    (void)state;
    scene_start(&s, "no-folder", NULL);
    second = s.config;
    s.config.fallbacks = &second;
    s.config.fallback_count = 1;
    memset(&sink, 0, sizeof sink);
    temporary_path(path, sizeof path, "not-there/a.png");
    sink.path = path;
    s.request.sink = &sink;
    assert_result(run(&s), TARASH_IMAGE_ERROR_IO);
    assert_int_equal(control_posts("no-folder"), 1); /* IO ends the chain */
    scene_close(&s);
}

static void errors_of_the_functions_are_io(void **state) {
    static const char *const scripts[] = {
        "[{\"image_result\": {\"bytes\": \"gif\", \"size\": \"512x512\"}}]",
        "[{\"image_result\": {\"bytes\": \"gif\", \"size\": \"512x512\", \"url\": true}}]"};
    int which, i;
    (void)state;
    for (i = 0; i < 2; i++) {
        for (which = 0; which < 4; which++) {
            scene s;
            recorder r;
            tarash_image_sink sink;
            tarash_image_config second;
            scene_start(&s, "sink-errors", scripts[i]);
            second = s.config;
            s.config.fallbacks = &second;
            s.config.fallback_count = 1;
            recorder_init(&r, &sink);
            r.fail_open = which == 0;
            r.fail_write = which == 1 ? 1 : which == 3 ? 2 : 0;
            r.fail_close = which == 2;
            s.request.sink = &sink;
            assert_result(run(&s), TARASH_IMAGE_ERROR_IO);
            assert_int_equal(s.response.attempt_count, 1);
            assert_int_equal(r.opened, which == 0 ? 0 : 1);
            assert_int_equal(r.closed, 0);
            assert_int_equal(r.aborted, which == 1 || which == 3 ? 1 : 0);
            assert_int_equal(control_posts("sink-errors"), 1);
            assert_int_equal(s.response.image_count == 0 || s.response.images[0].url != NULL, 1);
            recorder_clear(&r);
            scene_close(&s);
        }
    }
}

static void the_next_link_opens_again(void **state) {
    scene s;
    recorder r;
    tarash_image_sink sink;
    tarash_image_config second;
    (void)state;
    scene_start(&s, "reopened",
                "[{\"image_result\": {\"size\": \"1024x1024\"}, \"close_after_bytes\": 6000},"
                " {\"image_result\": {\"size\": \"64x64\"}}]");
    second = s.config;
    s.config.fallbacks = &second;
    s.config.fallback_count = 1;
    recorder_init(&r, &sink);
    s.request.sink = &sink;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(r.opened, 2);
    assert_int_equal(r.aborted, 1);
    assert_int_equal(r.closed, 1);
    assert_int_equal(r.streams[0].index, 0);
    assert_int_equal(r.streams[1].index, 0);
    assert_int_equal(s.response.images[0].width, 64);
    recorder_clear(&r);
    scene_close(&s);
}

static void a_download_that_is_repeated_opens_again(void **state) {
    scene s;
    recorder r;
    tarash_image_sink sink;
    (void)state;
    scene_start(&s, "reopened-download",
                "[{\"image_result\": {\"size\": \"512x512\", \"url\": true}},"
                " {\"where\": \"files\", \"close_after_bytes\": 500, \"times\": 2}]");
    recorder_init(&r, &sink);
    s.request.sink = &sink;
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(r.closed, 1);
    assert_int_equal(r.opened, r.aborted + 1);
    assert_int_equal(control_posts("reopened-download"), 1);
    assert_int_equal(s.response.images[0].width, 512);
    recorder_clear(&r);
    scene_close(&s);
}

static void abort_may_be_missing(void **state) {
    scene s;
    recorder r;
    tarash_image_sink sink;
    (void)state;
    scene_start(&s, "no-abort",
                "[{\"image_result\": {\"size\": \"1024x1024\"}, \"close_after_bytes\": 6000}]");
    recorder_init(&r, &sink);
    sink.abort_fn = NULL;
    s.request.sink = &sink;
    assert_result(run(&s), TARASH_IMAGE_ERROR_CONNECTION);
    scene_close(&s);
    free(r.streams[0].data);

    sink.write_fn = NULL; /* but the others may not */
    scene_start(&s, "no-abort", NULL);
    s.request.sink = &sink;
    assert_result(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
    assert_contains(s.response.error.message, "sink");
    assert_int_equal(control_posts("no-abort"), 0);
    scene_close(&s);
}

/* Whatever the image's size: what is kept is a buffer. */
static void memory_is_constant(void **state) {
    static const char *const kinds[] = {"", ", \"url\": true"};
    size_t i;
    (void)state;
    for (i = 0; i < 2; i++) {
        size_t peaks[2], sizes[2];
        int big;
        for (big = 0; big < 2; big++) {
            scene s;
            recorder r;
            tarash_image_sink sink;
            scene_start(&s, "constant", NULL);
            assert_int_equal(control_scriptf("constant",
                                             "[{\"image_result\": {\"bytes\": \"gif\", \"size\": \"%s\"%s}}]",
                                             big ? "2048x2048" : "512x512", kinds[i]),
                             0);
            recorder_init(&r, &sink);
            r.keep = 0;
            s.request.sink = &sink;
            assert_result(run(&s), TARASH_IMAGE_OK);
            sizes[big] = r.total;
            peaks[big] = s.memory.peak_bytes;
            assert_int_equal(s.response.images[0].size, r.total);
            scene_close(&s);
        }
        assert_true(sizes[1] > 10 * sizes[0] && sizes[1] > 2000000);
        if (peaks[1] > 400000 || peaks[1] > peaks[0] + 70000)
            fail_msg("peak %d bytes for an image of %d, %d for one of %d", (int)peaks[1], (int)sizes[1],
                     (int)peaks[0], (int)sizes[0]);
    }
}

/* Without a sink it is the decoded image once, and little else: never the base64 text as well. */
static void memory_is_the_image_once(void **state) {
    scene s;
    size_t image;
    (void)state;
    scene_start(&s, "once", "[{\"endless_body\": true}]");
    s.desc.limits.max_image_bytes = (size_t)4 << 20;
    tarash_image_client_destroy(s.client);
    scene_client(&s);
    s.memory.largest = s.memory.peak_bytes = 0;
    (void)run(&s);
    image = (size_t)4 << 20;
    /* A buffer that grows by half is there twice while it moves. */
    assert_true(s.memory.largest <= image * 3 / 2 + 65536);
    assert_true(s.memory.peak_bytes <= image * 3);
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_get_the_image),
        cmocka_unit_test(several_images_have_their_own_streams),
        cmocka_unit_test(files_get_the_image),
        cmocka_unit_test(a_file_is_replaced_whole),
        cmocka_unit_test(nothing_is_left_of_a_failure),
        cmocka_unit_test(no_folder_no_file),
        cmocka_unit_test(errors_of_the_functions_are_io),
        cmocka_unit_test(the_next_link_opens_again),
        cmocka_unit_test(a_download_that_is_repeated_opens_again),
        cmocka_unit_test(abort_may_be_missing),
        cmocka_unit_test(memory_is_constant),
        cmocka_unit_test(memory_is_the_image_once),
    };
    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
