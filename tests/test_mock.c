/* The mock: pictures, outcomes, errors, simulated polling and latency, by the clock of the test. PNGs are
   unpacked by zlib. */
/* LIBS: -lz */

#define TARASH_IMAGE_IMPLEMENTATION
#include "support.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#define COUNT(array) (sizeof array / sizeof array[0])

/* ---- a scene ------------------------------------------------------------------------------------------- */

#define MAX_UPDATES 64

typedef struct scene {
    fake_clock clock;
    tarash_image_client_desc desc;
    tarash_image_client *client;
    tarash_image_config config;
    tarash_image_request request;
    tarash_image_mock mock;
    tarash_image_response response;
    tarash_image_update updates[MAX_UPDATES];
    int64_t times[MAX_UPDATES]; /* of the updates, since the job began */
    int had_response[MAX_UPDATES], had_error[MAX_UPDATES];
    size_t update_count;
    int64_t began;
    int64_t took; /* milliseconds of the clock */
} scene;

static void note_update(const tarash_image_update *update, void *user_data) {
    scene *s = (scene *)user_data;
    assert_true(s->update_count < MAX_UPDATES);
    s->updates[s->update_count] = *update;
    s->times[s->update_count] = s->clock.now_ms - s->began;
    s->had_response[s->update_count] = update->response != NULL;
    s->had_error[s->update_count] = update->error != NULL;
    s->update_count++;
}

static void scene_begin(scene *s) {
    memset(s, 0, sizeof *s);
    s->clock.now_ms = 1000000;
    s->desc.clock = fake_clock_functions(&s->clock);
    s->desc.random_seed = 42;
    s->client = tarash_image_client_create(&s->desc);
    assert_non_null(s->client);
    s->config.provider = "mock";
    s->request.prompt = "a lighthouse in fog";
    s->request.size = "48x32";
    s->mock.enabled = 1;
}

static void scene_end(scene *s) {
    tarash_image_response_free(&s->response);
    tarash_image_client_destroy(s->client);
}

/* Polls until the job has ended, moving the clock to whatever is waited for. */
static void finish(scene *s, tarash_image_job job) {
    int rounds;
    for (rounds = 0; rounds < 1000; rounds++) {
        (void)tarash_image_poll(s->client, 0);
        if (tarash_image_job_status(s->client, job, NULL) >= TARASH_IMAGE_STATUS_COMPLETED) break;
        if (s->client->timer_count && s->client->timers[0]->due > s->clock.now_ms)
            s->clock.now_ms = s->client->timers[0]->due;
    }
    assert_true(rounds < 1000);
    (void)tarash_image_poll(s->client, 0);
}

static tarash_image_result run(scene *s) {
    tarash_image_job job;
    tarash_image_response_free(&s->response);
    s->update_count = 0;
    s->began = s->clock.now_ms;
    s->request.user_data = s;
    job = tarash_image_submit(s->client, &s->config, &s->request);
    assert_int_not_equal(job.id, 0);
    finish(s, job);
    s->took = s->clock.now_ms - s->began;
    (void)tarash_image_take(s->client, job, &s->response);
    assert_true(s->response.error.result == TARASH_IMAGE_OK || s->response.error.message[0]);
    return s->response.error.result;
}

static void assert_ok(scene *s) {
    if (run(s) != TARASH_IMAGE_OK) fail_msg("%s", s->response.error.message);
    assert_int_equal(s->response.status, TARASH_IMAGE_STATUS_COMPLETED);
}

/* ---- looking at PNGs ----------------------------------------------------------------------------------- */

static uint32_t big_endian(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int paeth(int left, int above, int corner) {
    int p = left + above - corner, a = abs(p - left), b = abs(p - above), c = abs(p - corner);
    return a <= b && a <= c ? left : b <= c ? above : corner;
}

/* Undoes the filters of rows of `length` bytes, each behind its filter's type. */
static void unfilter(unsigned char *rows, size_t count, size_t length, size_t pixel) {
    size_t y, x;
    for (y = 0; y < count; y++) {
        unsigned char *row = rows + y * (length + 1) + 1;
        const unsigned char *above = y ? row - length - 1 : NULL;
        for (x = 0; x < length; x++) {
            int left = x >= pixel ? row[x - pixel] : 0, up = above ? above[x] : 0;
            int corner = above && x >= pixel ? above[x - pixel] : 0, add = 0;
            switch (row[-1]) {
            case 0: break;
            case 1: add = left; break;
            case 2: add = up; break;
            case 3: add = (left + up) / 2; break;
            case 4: add = paeth(left, up, corner); break;
            default: fail_msg("filter %d", row[-1]);
            }
            row[x] = (unsigned char)(row[x] + add);
        }
    }
}

/* Every chunk's checksum, the header, as many unpacked bytes as the header promises, and colours that are in
   the palette. */
static void assert_png(const unsigned char *data, size_t size, int width, int height) {
    static const int channels_of[] = {1, 0, 3, 1, 2, 0, 4};
    size_t at = 8, packed_size = 0, colours = 0, channels = 0, length, i;
    unsigned char *packed = (unsigned char *)malloc(size + 1), *rows;
    uLongf unpacked, got;
    int ended = 0, type = -1;
    assert_non_null(packed);
    assert_true(size > 8 && memcmp(data, "\x89PNG\r\n\x1A\n", 8) == 0);
    while (at < size) {
        const unsigned char *chunk = data + at + 8;
        assert_false(ended);
        assert_true(size - at >= 12);
        length = big_endian(data + at);
        assert_true(length <= size - at - 12);
        assert_int_equal(crc32(0, chunk - 4, (uInt)length + 4), big_endian(chunk + length));
        if (memcmp(chunk - 4, "IHDR", 4) == 0) {
            assert_int_equal(at, 8);
            assert_int_equal(length, 13);
            assert_int_equal(big_endian(chunk), width);
            assert_int_equal(big_endian(chunk + 4), height);
            type = chunk[9];
            assert_true(type <= 6 && channels_of[type]);
            channels = (size_t)channels_of[type];
            assert_int_equal(chunk[8], 8);                /* bits */
            assert_memory_equal(chunk + 10, "\0\0\0", 3); /* deflate, the usual filters, not interlaced */
        } else if (memcmp(chunk - 4, "PLTE", 4) == 0) {
            assert_true(packed_size == 0 && length % 3 == 0 && length >= 3 && length <= 768);
            colours = length / 3;
        } else if (memcmp(chunk - 4, "IDAT", 4) == 0) {
            memcpy(packed + packed_size, chunk, length);
            packed_size += length;
        } else if (memcmp(chunk - 4, "IEND", 4) == 0)
            ended = 1;
        at += length + 12;
    }
    assert_true(ended && channels);
    length = (size_t)width * channels;
    unpacked = (uLongf)((size_t)height * (length + 1));
    got = unpacked + 1;
    rows = (unsigned char *)malloc(got);
    assert_non_null(rows);
    assert_int_equal(uncompress(rows, &got, packed, (uLong)packed_size), Z_OK);
    assert_int_equal(got, unpacked);
    unfilter(rows, (size_t)height, length, channels);
    for (i = 0; type == 3 && i < unpacked; i++) {
        if (i % (length + 1)) assert_true(rows[i] < colours);
    }
    if (width >= 16 && height >= 16) { /* it isn't blank */
        for (i = 1; i < unpacked && rows[i] == rows[1]; i++) {
        }
        assert_true(i < unpacked);
    }
    free(rows);
    free(packed);
}

static void assert_png_image(const tarash_image *image, int width, int height) {
    assert_non_null(image->data);
    assert_string_equal(image->mime_type, "image/png");
    assert_int_equal(image->width, width);
    assert_int_equal(image->height, height);
    assert_png(image->data, image->size, width, height);
}

static int same_bytes(const tarash_image *a, const tarash_image *b) {
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

/* ---- pictures ------------------------------------------------------------------------------------------ */

static void test_needs_no_client_and_no_network(void **state) {
    tarash_image_config config = {0};
    tarash_image_request request = {0};
    tarash_image_response response;
    (void)state;
    config.provider = "mock";
    request.prompt = "a lighthouse in fog";
    assert_int_equal(tarash_image_generate(NULL, &config, &request, &response), TARASH_IMAGE_OK);
    assert_int_equal(response.image_count, 1);
    assert_png_image(&response.images[0], 1024, 1024);
    assert_int_equal(response.is_mock, 1);
    assert_string_equal(response.provider, "mock");
    assert_int_equal(response.attempt_count, 1);
    assert_int_equal(response.successful_attempt, 1);
    assert_int_equal(response.warning_count, 0);
    assert_true(response.request_id[0]);
    assert_true(response.created > 1600000000);
    assert_ptr_equal(tarash_image_response_first(&response), &response.images[0]);
    assert_int_equal(tarash_image_response_total_size(&response), response.images[0].size);
    tarash_image_response_free(&response);
}

/* The first image of a fresh client, to be freed with tarash_image_free. */
static tarash_image picture(const char *prompt, int has_seed, int64_t seed, const char *size) {
    scene s;
    tarash_image image;
    scene_begin(&s);
    s.request.prompt = prompt;
    s.request.has_seed = has_seed;
    s.request.seed = seed;
    s.request.size = size;
    assert_ok(&s);
    assert_int_equal(tarash_image_detach(&s.response.images[0], &image), TARASH_IMAGE_OK);
    scene_end(&s);
    return image;
}

static void test_pixels_depend_on_prompt_and_seed(void **state) {
    tarash_image images[8];
    size_t i, k;
    (void)state;
    images[0] = picture("a", 0, 0, "64x48");
    images[1] = picture("b", 0, 0, "64x48");
    images[2] = picture("a", 1, 1, "64x48");
    images[3] = picture("a", 1, 2, "64x48");
    images[4] = picture("a", 1, -1, "64x48");
    images[5] = picture("a", 1, INT64_MAX, "64x48");
    images[6] = picture("a", 1, INT64_MIN, "64x48");
    images[7] = picture("aa", 0, 0, "64x48");
    for (i = 0; i < 8; i++) {
        for (k = 0; k < i; k++) assert_false(same_bytes(&images[i], &images[k]));
    }
    {
        tarash_image again = picture("a", 1, 1, "64x48");
        assert_true(same_bytes(&again, &images[2]));
        tarash_image_free(&again);
        again = picture("a", 0, 77, "64x48"); /* a seed that doesn't count */
        assert_true(same_bytes(&again, &images[0]));
        tarash_image_free(&again);
    }
    for (i = 0; i < 8; i++) tarash_image_free(&images[i]);
}

static void test_pixels_depend_on_nothing_else(void **state) {
    tarash_image first = picture("a", 1, 5, "64x48");
    scene s;
    (void)state;
    scene_begin(&s);
    s.config.provider = "openai";
    s.config.model = "dall-e-3";
    s.config.mock = &s.mock;
    s.request.prompt = "a";
    s.request.has_seed = 1;
    s.request.seed = 5;
    s.request.size = "64x48";
    s.request.quality = "hd";
    s.request.style = "vivid";
    s.request.user = "u";
    s.clock.now_ms += 12345;
    assert_ok(&s);
    assert_ok(&s);
    assert_true(same_bytes(&s.response.images[0], &first));
    assert_int_equal(s.response.images[0].has_seed, 1);
    assert_int_equal(s.response.images[0].seed, 5);
    scene_end(&s);
    tarash_image_free(&first);
}

static void test_each_index_has_its_own_picture(void **state) {
    scene s;
    size_t i, k;
    tarash_image second;
    (void)state;
    scene_begin(&s);
    s.request.n = 5;
    assert_ok(&s);
    assert_int_equal(s.response.image_count, 5);
    for (i = 0; i < 5; i++) {
        assert_int_equal(s.response.images[i].index, i);
        assert_png_image(&s.response.images[i], 48, 32);
        for (k = 0; k < i; k++) assert_false(same_bytes(&s.response.images[i], &s.response.images[k]));
    }
    assert_int_equal(tarash_image_detach(&s.response.images[1], &second), TARASH_IMAGE_OK);
    s.request.n = 2;
    assert_ok(&s);
    assert_int_equal(s.response.image_count, 2);
    assert_true(same_bytes(&s.response.images[1], &second));
    s.request.n = 64;
    assert_ok(&s);
    assert_int_equal(s.response.image_count, 64);
    tarash_image_free(&second);
    scene_end(&s);
}

static void test_sizes(void **state) {
    static const int sizes[][2] = {{1, 1},   {1, 2},     {2, 1},    {3, 7},    {5, 1},
                                   {16, 16}, {640, 360}, {1, 4096}, {4096, 1}, {333, 777}};
    scene s;
    size_t i;
    (void)state;
    scene_begin(&s);
    for (i = 0; i < COUNT(sizes); i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "%dx%d", sizes[i][0], sizes[i][1]);
        s.request.size = text;
        assert_ok(&s);
        assert_png_image(&s.response.images[0], sizes[i][0], sizes[i][1]);
        assert_int_equal(s.response.warning_count, 0);
    }
    s.request.size = "auto";
    assert_ok(&s);
    assert_png_image(&s.response.images[0], 1024, 1024);
    scene_end(&s);
}

static void test_aspect_ratios(void **state) {
    static const struct {
        const char *text;
        double ratio;
    } cases[] = {{"1:1", 1},           {"16:9", 16.0 / 9}, {"9:16", 9.0 / 16},
                 {"19.5:9", 19.5 / 9}, {"2:3", 2.0 / 3},   {"4:1", 4}};
    scene s;
    size_t i;
    (void)state;
    scene_begin(&s);
    s.request.size = NULL;
    for (i = 0; i < COUNT(cases); i++) {
        double found;
        s.request.aspect_ratio = cases[i].text;
        assert_ok(&s);
        found = (double)s.response.images[0].width / s.response.images[0].height;
        if (found > cases[i].ratio * 1.02 || found < cases[i].ratio * 0.98)
            fail_msg("%s: %f", cases[i].text, found);
        assert_png_image(&s.response.images[0], s.response.images[0].width, s.response.images[0].height);
    }
    /* size wins where both are given */
    s.request.size = "20x30";
    s.request.aspect_ratio = "16:9";
    assert_ok(&s);
    assert_png_image(&s.response.images[0], 20, 30);
    scene_end(&s);
}

static void test_huge_sizes_are_fitted(void **state) {
    scene s;
    (void)state;
    scene_begin(&s);
    s.request.size = "65535x1";
    assert_ok(&s);
    assert_true(s.response.images[0].width <= 4096);
    assert_int_equal(s.response.warning_count, 1);
    assert_string_equal(s.response.warnings[0].field, "size");
    assert_string_equal(s.response.warnings[0].asked, "65535x1");
    s.request.strict = 1;
    assert_int_equal(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
    scene_end(&s);
}

/* ---- outputs ------------------------------------------------------------------------------------------- */

static void test_outputs(void **state) {
    scene s;
    tarash_image decoded;
    (void)state;
    scene_begin(&s);
    s.request.output = TARASH_IMAGE_OUTPUT_BYTES;
    assert_ok(&s);
    assert_non_null(s.response.images[0].data);
    assert_null(s.response.images[0].base64);
    s.request.output = TARASH_IMAGE_OUTPUT_BASE64;
    assert_ok(&s);
    assert_png_image(&s.response.images[0], 48, 32);
    assert_non_null(s.response.images[0].base64);
    assert_int_equal(
        tarash_image_from_base64(s.response.images[0].base64, strlen(s.response.images[0].base64), &decoded),
        TARASH_IMAGE_OK);
    assert_true(same_bytes(&decoded, &s.response.images[0]));
    tarash_image_free(&decoded);
    s.request.output = TARASH_IMAGE_OUTPUT_URL;
    s.request.n = 3;
    assert_ok(&s);
    assert_int_equal(s.response.image_count, 3);
    assert_null(s.response.images[0].data);
    assert_non_null(s.response.images[0].url);
    assert_string_not_equal(s.response.images[0].url, s.response.images[1].url);
    scene_end(&s);
}

typedef struct bucket {
    unsigned char *data;
    size_t size;
    int opened, closed, aborted, fail_write;
    size_t last_index;
    char mime[32];
} bucket;

static int bucket_open(void *user_data, size_t index, const char *mime_type, void **stream) {
    bucket *b = (bucket *)user_data;
    b->opened++;
    b->last_index = index;
    (void)snprintf(b->mime, sizeof b->mime, "%s", mime_type);
    *stream = b;
    return 0;
}

static int bucket_write(void *user_data, void *stream, const void *data, size_t size) {
    bucket *b = (bucket *)user_data;
    assert_ptr_equal(stream, b);
    if (b->fail_write) return 1;
    b->data = (unsigned char *)realloc(b->data, b->size + size);
    assert_non_null(b->data);
    memcpy(b->data + b->size, data, size);
    b->size += size;
    return 0;
}

static int bucket_close(void *user_data, void *stream) {
    (void)stream;
    ((bucket *)user_data)->closed++;
    return 0;
}

static void bucket_abort(void *user_data, void *stream) {
    (void)stream;
    ((bucket *)user_data)->aborted++;
}

static void test_sinks(void **state) {
    scene s;
    bucket b;
    tarash_image_sink sink;
    tarash_image drawn = picture("a lighthouse in fog", 0, 0, "640x480");
    (void)state;
    memset(&b, 0, sizeof b);
    memset(&sink, 0, sizeof sink);
    scene_begin(&s);
    sink.open_fn = bucket_open;
    sink.write_fn = bucket_write;
    sink.close_fn = bucket_close;
    sink.abort_fn = bucket_abort;
    sink.user_data = &b;
    s.request.sink = &sink;
    s.request.size = "640x480";
    assert_ok(&s);
    assert_int_equal(b.opened, 1);
    assert_int_equal(b.closed, 1);
    assert_int_equal(b.aborted, 0);
    assert_string_equal(b.mime, "image/png");
    assert_int_equal(b.size, drawn.size);
    assert_memory_equal(b.data, drawn.data, drawn.size);
    assert_null(s.response.images[0].data);
    assert_int_equal(s.response.images[0].size, drawn.size);
    assert_int_equal(s.response.images[0].width, 640);
    s.request.n = 3;
    assert_ok(&s);
    assert_int_equal(b.opened, 4);
    assert_int_equal(b.closed, 4);
    s.request.n = 1;
    b.fail_write = 1;
    assert_int_equal(run(&s), TARASH_IMAGE_ERROR_IO);
    assert_int_equal(b.closed, 4);
    assert_int_equal(b.aborted, 1);
    assert_int_equal(s.response.image_count, 0);
    free(b.data);
    tarash_image_free(&drawn);
    scene_end(&s);
}

static void test_file_sink(void **state) {
    scene s;
    tarash_image_sink sink;
    char pattern[300], path[300];
    size_t i;
    (void)state;
    memset(&sink, 0, sizeof sink);
    scene_begin(&s);
    sink.path = temporary_path(pattern, sizeof pattern, "mock-{index}.{ext}");
    s.request.sink = &sink;
    s.request.n = 2;
    assert_ok(&s);
    for (i = 0; i < 2; i++) {
        size_t size = 0;
        unsigned char *bytes;
        (void)temporary_path(path, sizeof path, i ? "mock-1.png" : "mock-0.png");
        assert_string_equal(s.response.images[i].path, path);
        bytes = (unsigned char *)read_whole_file(path, &size);
        assert_non_null(bytes);
        assert_int_equal(size, s.response.images[i].size);
        assert_png(bytes, size, 48, 32);
        free(bytes);
    }
    scene_end(&s);
}

/* ---- outcomes ------------------------------------------------------------------------------------------ */

static void test_given_images(void **state) {
    scene s;
    tarash_image_mock_response response;
    (void)state;
    memset(&response, 0, sizeof response);
    scene_begin(&s);
    s.config.mock = &s.mock;
    s.mock.responses = &response;
    s.mock.response_count = 1;
    response.data = tiny_jpeg;
    response.size = tiny_jpeg_size;
    response.url = "https://images.example/1.jpg";
    response.revised_prompt = "a tall lighthouse";
    assert_ok(&s);
    assert_int_equal(s.response.images[0].size, tiny_jpeg_size);
    assert_memory_equal(s.response.images[0].data, tiny_jpeg, tiny_jpeg_size);
    assert_string_equal(s.response.images[0].mime_type, "image/jpeg");
    assert_int_equal(s.response.images[0].width, 4);
    assert_string_equal(s.response.images[0].url, "https://images.example/1.jpg");
    assert_string_equal(s.response.images[0].revised_prompt, "a tall lighthouse");
    s.request.output = TARASH_IMAGE_OUTPUT_URL;
    assert_ok(&s);
    assert_null(s.response.images[0].data);
    assert_string_equal(s.response.images[0].url, "https://images.example/1.jpg");
    s.request.output = TARASH_IMAGE_OUTPUT_AUTO;
    response.data = NULL;
    response.size = 0;
    assert_ok(&s); /* nothing is fetched: it is drawn */
    assert_png_image(&s.response.images[0], 48, 32);
    assert_string_equal(s.response.images[0].url, "https://images.example/1.jpg");
    response.data = "no image at all, but text";
    response.size = 25;
    assert_int_not_equal(run(&s), TARASH_IMAGE_OK);
    scene_end(&s);
}

static void test_texts_are_copied_at_submit(void **state) {
    scene s;
    char url[] = "https://images.example/1.jpg";
    tarash_image_mock_response responses[1];
    tarash_image_job job;
    (void)state;
    memset(responses, 0, sizeof responses);
    scene_begin(&s);
    s.config.mock = &s.mock;
    s.mock.responses = responses;
    s.mock.response_count = 1;
    responses[0].url = url;
    job = tarash_image_submit(s.client, &s.config, &s.request);
    memset(url, 'x', sizeof url - 1);
    memset(responses, 0xFF, sizeof responses);
    memset(&s.mock, 0xFF, sizeof s.mock);
    memset(&s.config, 0xFF, sizeof s.config);
    finish(&s, job);
    assert_int_equal(tarash_image_take(s.client, job, &s.response), TARASH_IMAGE_OK);
    assert_string_equal(s.response.images[0].url, "https://images.example/1.jpg");
    scene_end(&s);
}

/* What the manual says of retries, per result and its usual status. */
static void test_errors(void **state) {
    static const struct {
        tarash_image_result result;
        int status, retryable, retries;
        tarash_image_delivery delivery;
    } cases[] = {
        {TARASH_IMAGE_ERROR_VALIDATION, 400, 0, 0, TARASH_IMAGE_DELIVERY_REJECTED},
        {TARASH_IMAGE_ERROR_UNSUPPORTED, 0, 0, 0, TARASH_IMAGE_DELIVERY_REJECTED},
        {TARASH_IMAGE_ERROR_CONTENT_MODERATION, 400, 0, 0, TARASH_IMAGE_DELIVERY_REJECTED},
        {TARASH_IMAGE_ERROR_AUTHENTICATION, 401, 0, 0, TARASH_IMAGE_DELIVERY_REJECTED},
        {TARASH_IMAGE_ERROR_RATE_LIMITED, 429, 1, 2, TARASH_IMAGE_DELIVERY_REJECTED},
        {TARASH_IMAGE_ERROR_QUOTA_EXCEEDED, 402, 0, 0, TARASH_IMAGE_DELIVERY_REJECTED},
        {TARASH_IMAGE_ERROR_HTTP, 500, 1, 2, TARASH_IMAGE_DELIVERY_REJECTED},
        {TARASH_IMAGE_ERROR_GENERATION_FAILED, 0, 1, 0, TARASH_IMAGE_DELIVERY_REJECTED},
        {TARASH_IMAGE_ERROR_CONNECTION, 0, 1, 2, TARASH_IMAGE_DELIVERY_NOT_SENT},
        {TARASH_IMAGE_ERROR_TIMEOUT, 0, 1, 0, TARASH_IMAGE_DELIVERY_UNKNOWN},
        {TARASH_IMAGE_ERROR_BAD_RESPONSE, 0, 1, 0, TARASH_IMAGE_DELIVERY_UNKNOWN},
        {TARASH_IMAGE_ERROR_TOO_LARGE, 0, 0, 0, TARASH_IMAGE_DELIVERY_REJECTED},
        {TARASH_IMAGE_ERROR_CANCELLED, 0, 0, 0, TARASH_IMAGE_DELIVERY_REJECTED},
        {TARASH_IMAGE_ERROR_IO, 0, 0, 0, TARASH_IMAGE_DELIVERY_REJECTED},
        {TARASH_IMAGE_ERROR_OUT_OF_MEMORY, 0, 0, 0, TARASH_IMAGE_DELIVERY_REJECTED},
    };
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        scene s;
        tarash_image_mock_response response;
        int retries, custom;
        for (custom = 0; custom < 2; custom++) {
            memset(&response, 0, sizeof response);
            scene_begin(&s);
            s.config.mock = &s.mock;
            s.mock.responses = &response;
            s.mock.response_count = 1;
            response.error = cases[i].result;
            if (custom) response.message = "the mock says no";
            assert_int_equal(run(&s), cases[i].result);
            if (s.response.error.http_status != cases[i].status ||
                s.response.error.retryable != cases[i].retryable)
                fail_msg("%s: status %d, retryable %d", tarash_image_result_name(cases[i].result),
                         s.response.error.http_status, s.response.error.retryable);
            assert_non_null(
                strstr(s.response.error.message,
                       custom ? "the mock says no" : tarash_image_result_string(cases[i].result)));
            assert_int_equal(s.response.status, TARASH_IMAGE_STATUS_FAILED);
            assert_int_equal(s.response.image_count, 0);
            assert_int_equal(s.response.is_mock, 1);
            assert_int_equal(s.response.attempt_count, 1);
            assert_int_equal(s.response.successful_attempt, 0);
            assert_int_equal(s.response.attempts[0].result, cases[i].result);
            assert_int_equal(s.response.attempts[0].http_status, cases[i].status);
            assert_string_equal(s.response.error.provider, "mock");
            retries = s.response.attempts[0].retries;
            if (retries != cases[i].retries || s.response.error.delivery != cases[i].delivery)
                fail_msg("%s: %d retries, %s", tarash_image_result_name(cases[i].result), retries,
                         tarash_image_delivery_name(s.response.error.delivery));
            assert_true(retries == 0 ? s.took == 0 : s.took > 0);
            scene_end(&s);
        }
    }
}

static void test_statuses_of_errors(void **state) {
    static const struct {
        int status, retries;
    } cases[] = {{400, 0}, {404, 0}, {409, 2}, {418, 0}, {429, 2},
                 {500, 2}, {501, 0}, {502, 0}, {503, 2}, {504, 0}};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        scene s;
        tarash_image_mock_response response;
        memset(&response, 0, sizeof response);
        scene_begin(&s);
        s.config.mock = &s.mock;
        s.mock.responses = &response;
        s.mock.response_count = 1;
        response.error = TARASH_IMAGE_ERROR_HTTP;
        response.http_status = cases[i].status;
        assert_int_equal(run(&s), TARASH_IMAGE_ERROR_HTTP);
        assert_int_equal(s.response.error.http_status, cases[i].status);
        if (s.response.attempts[0].retries != cases[i].retries)
            fail_msg("%d: %d retries", cases[i].status, s.response.attempts[0].retries);
        s.config.max_retries = TARASH_IMAGE_NO_RETRIES;
        (void)run(&s);
        assert_int_equal(s.response.attempts[0].retries, 0);
        s.config.max_retries = 4;
        (void)run(&s);
        assert_int_equal(s.response.attempts[0].retries, cases[i].retries * 2);
        scene_end(&s);
    }
}

static void test_retry_after(void **state) {
    scene s;
    tarash_image_mock_response responses[2];
    (void)state;
    memset(responses, 0, sizeof responses);
    scene_begin(&s);
    s.config.mock = &s.mock;
    s.mock.kind = TARASH_IMAGE_MOCK_SCRIPTED;
    s.mock.responses = responses;
    s.mock.response_count = 2;
    responses[0].error = TARASH_IMAGE_ERROR_RATE_LIMITED;
    responses[0].retry_after_ms = 7321;
    assert_ok(&s);
    assert_int_equal(s.took, 7321);
    assert_int_equal(s.response.attempts[0].retries, 1);
    s.config.timeout_ms = 5000; /* a wait that would outlast the time left is not begun */
    assert_int_equal(run(&s), TARASH_IMAGE_ERROR_RATE_LIMITED);
    assert_int_equal(s.took, 0);
    assert_int_equal(s.response.error.retry_after_ms, 7321);
    scene_end(&s);
}

static void test_scripted_outcomes(void **state) {
    scene s;
    tarash_image_mock_response responses[3];
    (void)state;
    memset(responses, 0, sizeof responses);
    scene_begin(&s);
    s.config.mock = &s.mock;
    s.config.max_retries = 5;
    s.mock.kind = TARASH_IMAGE_MOCK_SCRIPTED;
    s.mock.responses = responses;
    s.mock.response_count = 3;
    responses[0].error = TARASH_IMAGE_ERROR_RATE_LIMITED;
    responses[1].error = TARASH_IMAGE_ERROR_HTTP;
    responses[1].http_status = 503;
    responses[2].url = "https://images.example/third.png";
    assert_ok(&s);
    assert_int_equal(s.response.attempts[0].retries, 2);
    assert_string_equal(s.response.images[0].url, "https://images.example/third.png");
    assert_ok(&s); /* each job begins with the first */
    assert_int_equal(s.response.attempts[0].retries, 2);
    s.mock.response_count = 2; /* the last one repeats */
    assert_int_equal(run(&s), TARASH_IMAGE_ERROR_HTTP);
    assert_int_equal(s.response.attempts[0].retries, 5);
    scene_end(&s);
}

/* ---- weights ------------------------------------------------------------------------------------------- */

#define DRAWS 3000

/* Which response each of a row of jobs got: '0' to '9'. */
static void draw(char *out, size_t count, uint64_t client_seed, uint64_t mock_seed, const double *weights,
                 size_t weight_count) {
    static const char *const urls[] = {"u:0", "u:1", "u:2", "u:3"};
    scene s;
    tarash_image_mock_response responses[4];
    size_t i;
    scene_begin(&s);
    tarash_image_client_destroy(s.client);
    s.desc.random_seed = client_seed;
    s.client = tarash_image_client_create(&s.desc);
    assert_non_null(s.client);
    memset(responses, 0, sizeof responses);
    for (i = 0; i < weight_count; i++) {
        responses[i].weight = weights[i];
        responses[i].url = urls[i];
    }
    s.config.mock = &s.mock;
    s.mock.seed = mock_seed;
    s.mock.responses = responses;
    s.mock.response_count = weight_count;
    s.request.output = TARASH_IMAGE_OUTPUT_URL;
    for (i = 0; i < count; i++) {
        assert_ok(&s);
        out[i] = s.response.images[0].url[2];
    }
    out[count] = '\0';
    scene_end(&s);
}

static size_t occurrences(const char *text, char c) {
    size_t count = 0;
    for (; *text; text++) count += *text == c;
    return count;
}

static void test_weights(void **state) {
    static const double weights[] = {1, 3, 6};
    static char drawn[DRAWS + 1];
    int round;
    (void)state;
    for (round = 0; round < 2; round++) { /* by the client's seed, and by the mock's own */
        draw(drawn, DRAWS, 99, round ? 7 : 0, weights, 3);
        /* 300, 900 and 1800 are expected; five standard deviations are 82, 126 and 134 */
        assert_in_range(occurrences(drawn, '0'), 300 - 82, 300 + 82);
        assert_in_range(occurrences(drawn, '1'), 900 - 126, 900 + 126);
        assert_in_range(occurrences(drawn, '2'), 1800 - 134, 1800 + 134);
    }
}

static void test_default_and_tiny_weights(void **state) {
    static const double even[] = {0, 0}, uneven[] = {1e-9, 1e9}, half[] = {0.5, 0};
    static char drawn[DRAWS + 1];
    (void)state;
    draw(drawn, DRAWS, 1, 0, even, 2);
    assert_in_range(occurrences(drawn, '0'), 1500 - 137, 1500 + 137);
    draw(drawn, DRAWS, 1, 0, half, 2); /* a third of them */
    assert_in_range(occurrences(drawn, '0'), 1000 - 129, 1000 + 129);
    draw(drawn, 200, 1, 0, uneven, 2);
    assert_int_equal(occurrences(drawn, '1'), 200);
}

static void test_weighted_choice_is_reproducible(void **state) {
    static const double weights[] = {1, 1, 1, 1};
    char first[101], second[101];
    (void)state;
    draw(first, 100, 5, 0, weights, 4);
    draw(second, 100, 5, 0, weights, 4);
    assert_string_equal(first, second);
    draw(second, 100, 6, 0, weights, 4);
    assert_string_not_equal(first, second);
    draw(first, 100, 5, 33, weights, 4);
    draw(second, 100, 6, 33, weights, 4); /* the mock's seed alone counts */
    assert_string_equal(first, second);
    draw(second, 100, 5, 34, weights, 4);
    assert_string_not_equal(first, second);
}

/* ---- polling ------------------------------------------------------------------------------------------- */

static void assert_update(const scene *s, size_t i, tarash_image_status status, int percent, int64_t at) {
    if (i >= s->update_count) fail_msg("there are %d updates", (int)s->update_count);
    if (s->updates[i].status != status || s->updates[i].progress_percent != percent || s->times[i] != at)
        fail_msg("update %d: %s, %d %%, at %d ms, not %s, %d %%, at %d ms", (int)i,
                 tarash_image_status_name(s->updates[i].status), s->updates[i].progress_percent,
                 (int)s->times[i], tarash_image_status_name(status), percent, (int)at);
    assert_int_equal(s->updates[i].attempt, 1);
    assert_int_equal(s->updates[i].queue_position, -1);
    assert_int_equal(s->had_response[i], status == TARASH_IMAGE_STATUS_COMPLETED);
    assert_int_equal(s->had_error[i], status == TARASH_IMAGE_STATUS_FAILED);
}

static void polling_begin(scene *s, tarash_image_mock_polling *polling) {
    scene_begin(s);
    memset(polling, 0, sizeof *polling);
    polling->enabled = 1;
    s->mock.polling = polling;
    s->config.mock = &s->mock;
    s->request.on_progress = note_update;
}

static void test_polling(void **state) {
    scene s;
    tarash_image_mock_polling polling;
    (void)state;
    polling_begin(&s, &polling);
    assert_ok(&s);
    assert_int_equal(s.update_count, 3);
    assert_update(&s, 0, TARASH_IMAGE_STATUS_QUEUED, 0, 0);
    assert_update(&s, 1, TARASH_IMAGE_STATUS_PROCESSING, 50, 500);
    assert_update(&s, 2, TARASH_IMAGE_STATUS_COMPLETED, 100, 1000);
    assert_int_equal(s.took, 1000);
    assert_png_image(&s.response.images[0], 48, 32);
    assert_int_equal(s.response.attempts[0].retries, 0);
    polling.delay_ms = 30;
    assert_ok(&s);
    assert_int_equal(s.update_count, 3);
    assert_int_equal(s.took, 60);
    /* the config's own interval plays no part */
    s.config.poll_interval_ms = 9999;
    assert_ok(&s);
    assert_int_equal(s.took, 60);
    scene_end(&s);
}

static void test_polling_with_lists_of_ones_own(void **state) {
    static const tarash_image_status statuses[] = {
        TARASH_IMAGE_STATUS_QUEUED,     TARASH_IMAGE_STATUS_QUEUED,     TARASH_IMAGE_STATUS_PROCESSING,
        TARASH_IMAGE_STATUS_PROCESSING, TARASH_IMAGE_STATUS_PROCESSING, TARASH_IMAGE_STATUS_COMPLETED};
    static const int percentages[] = {0, 1, 20, 40, 99, 100};
    static const int three[] = {10, 60, 100};
    scene s;
    tarash_image_mock_polling polling;
    size_t i;
    (void)state;
    polling_begin(&s, &polling);
    polling.statuses = statuses;
    polling.status_count = 6;
    polling.delay_ms = 100;
    assert_ok(&s);
    assert_int_equal(s.update_count, 6);
    for (i = 0; i < 6; i++) assert_update(&s, i, statuses[i], i < 2 ? 0 : i < 5 ? 50 : 100, (int64_t)i * 100);
    polling.percentages = percentages;
    assert_ok(&s);
    assert_int_equal(s.update_count, 6);
    for (i = 0; i < 6; i++) assert_update(&s, i, statuses[i], percentages[i], (int64_t)i * 100);
    polling.statuses = NULL;
    polling.status_count = 0;
    polling.percentages = three;
    assert_ok(&s);
    assert_int_equal(s.update_count, 3);
    assert_update(&s, 0, TARASH_IMAGE_STATUS_QUEUED, 10, 0);
    assert_update(&s, 1, TARASH_IMAGE_STATUS_PROCESSING, 60, 100);
    assert_update(&s, 2, TARASH_IMAGE_STATUS_COMPLETED, 100, 200);
    polling.percentages = NULL;
    polling.statuses = statuses + 5; /* completed alone */
    polling.status_count = 1;
    assert_ok(&s);
    assert_int_equal(s.update_count, 1);
    assert_update(&s, 0, TARASH_IMAGE_STATUS_COMPLETED, 100, 0);
    scene_end(&s);
}

static void test_an_error_forces_the_last_status_to_failed(void **state) {
    scene s;
    tarash_image_mock_polling polling;
    tarash_image_mock_response response;
    (void)state;
    memset(&response, 0, sizeof response);
    response.error = TARASH_IMAGE_ERROR_CONTENT_MODERATION;
    polling_begin(&s, &polling);
    s.mock.responses = &response;
    s.mock.response_count = 1;
    assert_int_equal(run(&s), TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    assert_int_equal(s.update_count, 3);
    assert_update(&s, 0, TARASH_IMAGE_STATUS_QUEUED, 0, 0);
    assert_update(&s, 1, TARASH_IMAGE_STATUS_PROCESSING, 50, 500);
    assert_int_equal(s.updates[2].status, TARASH_IMAGE_STATUS_FAILED);
    assert_int_equal(s.times[2], 1000);
    assert_true(s.had_error[2]);
    scene_end(&s);
}

static void test_without_polling_there_is_no_progress(void **state) {
    scene s;
    tarash_image_mock_polling polling;
    tarash_image_mock_response response;
    (void)state;
    memset(&response, 0, sizeof response);
    polling_begin(&s, &polling);
    polling.enabled = 0;
    polling.delay_ms = -1; /* isn't looked at */
    assert_ok(&s);
    assert_int_equal(s.update_count, 0);
    assert_int_equal(s.took, 0);
    s.mock.polling = NULL;
    assert_ok(&s);
    assert_int_equal(s.update_count, 0);
    s.mock.latency_ms = 700;
    s.request.n = 3;
    assert_ok(&s);
    assert_int_equal(s.update_count, 0);
    s.mock.responses = &response;
    s.mock.response_count = 1;
    response.error = TARASH_IMAGE_ERROR_RATE_LIMITED;
    assert_int_equal(run(&s), TARASH_IMAGE_ERROR_RATE_LIMITED);
    assert_int_equal(s.update_count, 0);
    s.config.mock = NULL;
    assert_ok(&s);
    assert_int_equal(s.update_count, 0);
    scene_end(&s);
}

static void test_polling_ends_with_the_time(void **state) {
    scene s;
    tarash_image_mock_polling polling;
    (void)state;
    polling_begin(&s, &polling);
    s.config.timeout_ms = 700;
    assert_int_equal(run(&s), TARASH_IMAGE_ERROR_TIMEOUT);
    assert_int_equal(s.took, 700);
    scene_end(&s);
}

static void test_cancelling_while_polling(void **state) {
    scene s;
    tarash_image_mock_polling polling;
    tarash_image_job job;
    tarash_image_update update;
    (void)state;
    polling_begin(&s, &polling);
    s.request.user_data = &s;
    job = tarash_image_submit(s.client, &s.config, &s.request);
    assert_int_equal(tarash_image_poll(s.client, 0), 1);
    assert_int_equal(tarash_image_job_status(s.client, job, &update), TARASH_IMAGE_STATUS_QUEUED);
    s.clock.now_ms += 500;
    (void)tarash_image_poll(s.client, 0);
    assert_int_equal(tarash_image_job_status(s.client, job, &update), TARASH_IMAGE_STATUS_PROCESSING);
    assert_int_equal(update.progress_percent, 50);
    assert_string_equal(update.provider, "mock");
    assert_int_equal(tarash_image_take(s.client, job, &s.response), TARASH_IMAGE_ERROR_VALIDATION);
    tarash_image_cancel(s.client, job);
    assert_int_equal(tarash_image_job_status(s.client, job, NULL), TARASH_IMAGE_STATUS_FAILED);
    assert_int_equal(tarash_image_take(s.client, job, &s.response), TARASH_IMAGE_ERROR_CANCELLED);
    assert_int_equal(tarash_image_job_status(s.client, job, NULL), TARASH_IMAGE_STATUS_NONE);
    assert_int_equal(tarash_image_poll(s.client, 0), 0);
    scene_end(&s);
}

/* ---- latency ------------------------------------------------------------------------------------------- */

static void test_latency(void **state) {
    scene s;
    tarash_image_job job;
    tarash_image_mock_polling polling;
    (void)state;
    scene_begin(&s);
    s.config.mock = &s.mock;
    s.mock.latency_ms = 250;
    job = tarash_image_submit(s.client, &s.config, &s.request);
    assert_int_equal(tarash_image_poll(s.client, 0), 1);
    s.clock.now_ms += 249;
    assert_int_equal(tarash_image_poll(s.client, 0), 1);
    s.clock.now_ms += 1;
    assert_int_equal(tarash_image_poll(s.client, 0), 0);
    assert_int_equal(tarash_image_take(s.client, job, &s.response), TARASH_IMAGE_OK);
    assert_int_equal(s.response.elapsed_ms, 250);
    s.request.n = 3; /* together */
    assert_ok(&s);
    assert_int_equal(s.took, 250);
    memset(&polling, 0, sizeof polling);
    polling.enabled = 1;
    s.mock.polling = &polling; /* before each answer */
    assert_ok(&s);
    assert_int_equal(s.took, 3 * 250 + 2 * 500);
    scene_end(&s);
}

/* ---- in place of a provider ---------------------------------------------------------------------------- */

static void test_over_a_named_provider(void **state) {
    size_t count, i;
    const tarash_image_provider_info *rows = tarash_image_providers(&count);
    (void)state;
    for (i = 0; i < count; i++) {
        scene s;
        scene_begin(&s);
        s.config.provider = rows[i].name;
        s.config.mock = &s.mock;
        assert_ok(&s); /* no key, no base URL */
        assert_string_equal(s.response.provider, rows[i].name);
        if (rows[i].default_model) assert_string_equal(s.response.model, rows[i].default_model);
        assert_int_equal(s.response.is_mock, 1);
        assert_png_image(&s.response.images[0], 48, 32);
        scene_end(&s);
    }
}

static void test_over_any_name(void **state) {
    scene s;
    (void)state;
    scene_begin(&s);
    s.config.mock = &s.mock;
    s.config.provider = NULL;
    assert_ok(&s);
    s.config.model = "openai/dall-e-3";
    assert_ok(&s);
    assert_string_equal(s.response.provider, "openai");
    assert_string_equal(s.response.model, "dall-e-3");
    s.config.provider = "xai";
    s.config.model = "a-model-of-tomorrow";
    assert_ok(&s);
    assert_string_equal(s.response.model, "a-model-of-tomorrow");
    scene_end(&s);
}

static void test_a_mock_that_is_switched_off(void **state) {
    scene s;
    (void)state;
    scene_begin(&s);
    s.mock.enabled = 0;
    s.config.mock = &s.mock;
    s.config.provider = "xai";
    assert_int_equal(run(&s), TARASH_IMAGE_ERROR_VALIDATION); /* the key is missing, as there is no mock */
    assert_int_equal(s.response.is_mock, 0);
    s.config.provider = "mock";
    assert_ok(&s);
    scene_end(&s);
}

static void test_each_link_has_its_own_mock(void **state) {
    scene s;
    tarash_image_mock mocks[3];
    tarash_image_mock_response failures[2];
    tarash_image_config fallbacks[2];
    (void)state;
    memset(mocks, 0, sizeof mocks);
    memset(failures, 0, sizeof failures);
    memset(fallbacks, 0, sizeof fallbacks);
    scene_begin(&s);
    failures[0].error = TARASH_IMAGE_ERROR_GENERATION_FAILED;
    failures[1].error = TARASH_IMAGE_ERROR_TIMEOUT;
    mocks[0].enabled = mocks[1].enabled = mocks[2].enabled = 1;
    mocks[0].responses = &failures[0];
    mocks[0].response_count = 1;
    mocks[1].responses = &failures[1];
    mocks[1].response_count = 1;
    mocks[1].latency_ms = 40;
    s.config.provider = "openai";
    s.config.mock = &mocks[0];
    s.config.fallbacks = fallbacks;
    s.config.fallback_count = 2;
    fallbacks[0].provider = "xai";
    fallbacks[0].mock = &mocks[1];
    fallbacks[1].provider = "atoma";
    fallbacks[1].mock = &mocks[2];
    assert_ok(&s);
    assert_int_equal(s.response.attempt_count, 3);
    assert_int_equal(s.response.successful_attempt, 3);
    assert_int_equal(s.response.configs_in_chain, 3);
    assert_int_equal(s.response.fallback_triggered, 1);
    assert_string_equal(s.response.provider, "atoma");
    assert_string_equal(s.response.attempts[0].provider, "openai");
    assert_int_equal(s.response.attempts[0].result, TARASH_IMAGE_ERROR_GENERATION_FAILED);
    assert_string_equal(s.response.attempts[1].provider, "xai");
    assert_int_equal(s.response.attempts[1].result, TARASH_IMAGE_ERROR_TIMEOUT);
    assert_int_equal(s.response.attempts[1].elapsed_ms, 40);
    assert_int_equal(s.response.attempts[2].result, TARASH_IMAGE_OK);
    assert_string_equal(s.response.attempts[2].message, "");
    assert_int_equal(s.took, 40);
    failures[1].error = TARASH_IMAGE_ERROR_CONTENT_MODERATION; /* stops the chain */
    assert_int_equal(run(&s), TARASH_IMAGE_ERROR_CONTENT_MODERATION);
    assert_int_equal(s.response.attempt_count, 2);
    scene_end(&s);
}

static void test_a_plan_of_a_mock_draws_nothing(void **state) {
    scene s;
    tarash_image_text text;
    (void)state;
    scene_begin(&s);
    s.config.mock = &s.mock;
    assert_int_equal(tarash_image_plan(s.client, &s.config, &s.request, &text), TARASH_IMAGE_OK);
    assert_non_null(strstr(text.data, "\"provider\":\"mock\""));
    tarash_image_text_free(&text);
    tarash_image_text_free(&text);
    scene_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_needs_no_client_and_no_network),
        cmocka_unit_test(test_pixels_depend_on_prompt_and_seed),
        cmocka_unit_test(test_pixels_depend_on_nothing_else),
        cmocka_unit_test(test_each_index_has_its_own_picture),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_aspect_ratios),
        cmocka_unit_test(test_huge_sizes_are_fitted),
        cmocka_unit_test(test_outputs),
        cmocka_unit_test(test_sinks),
        cmocka_unit_test(test_file_sink),
        cmocka_unit_test(test_given_images),
        cmocka_unit_test(test_texts_are_copied_at_submit),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_statuses_of_errors),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_scripted_outcomes),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_default_and_tiny_weights),
        cmocka_unit_test(test_weighted_choice_is_reproducible),
        cmocka_unit_test(test_polling),
        cmocka_unit_test(test_polling_with_lists_of_ones_own),
        cmocka_unit_test(test_an_error_forces_the_last_status_to_failed),
        cmocka_unit_test(test_without_polling_there_is_no_progress),
        cmocka_unit_test(test_polling_ends_with_the_time),
        cmocka_unit_test(test_cancelling_while_polling),
        cmocka_unit_test(test_latency),
        cmocka_unit_test(test_over_a_named_provider),
        cmocka_unit_test(test_over_any_name),
        cmocka_unit_test(test_a_mock_that_is_switched_off),
        cmocka_unit_test(test_each_link_has_its_own_mock),
        cmocka_unit_test(test_a_plan_of_a_mock_draws_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
