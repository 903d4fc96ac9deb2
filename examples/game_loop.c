/* game_loop.c - makes an image while a game keeps drawing 60 frames per second.

       game_loop [PROVIDER [BASE_URL [MODEL]]]        e.g.  game_loop openai
                                                            game_loop openai_compatible
   http://127.0.0.1:8080/v1 any

   Without arguments the mock pretends to be a slow provider. One thread, no locks: tarash_image_poll(client,
   0) moves the job and returns at once. The longest time that it took is printed at the end. */

#if !defined(_WIN32) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L /* clock_gettime, nanosleep */
#endif
#define TARASH_IMAGE_IMPLEMENTATION
#include "tarash_image.h"

#include <stdio.h>
#include <string.h>

#define FRAME_MS (1000.0 / 60.0)

/* A real game has these two already. */
#ifdef _WIN32
#include <windows.h>
static double now_ms(void) {
    LARGE_INTEGER ticks, per_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&per_second);
    return (double)ticks.QuadPart * 1000.0 / (double)per_second.QuadPart;
}
static void sleep_ms(double ms) {
    Sleep((DWORD)ms);
}
#else
#include <time.h>
static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}
static void sleep_ms(double ms) {
    struct timespec wait;
    wait.tv_sec = (time_t)(ms / 1e3);
    wait.tv_nsec = (long)((ms - (double)wait.tv_sec * 1e3) * 1e6);
    nanosleep(&wait, NULL);
}
#endif

typedef struct game {
    tarash_image_client *client;
    tarash_image_job job;
    tarash_image_status shown;
    int frames;
    double longest_poll_ms;
} game;

/* A game would draw a spinner or a bar here. */
static void draw(game *g, const tarash_image_update *update) {
    if (update->status == g->shown) return;
    g->shown = update->status;
    printf("frame %4d: %s\n", g->frames, tarash_image_status_name(update->status));
}

/* One frame: 1 while the image is still being made. */
static int frame(game *g) {
    double start = now_ms(), polled, left;
    tarash_image_update update = {0};
    tarash_image_status status;

    tarash_image_poll(g->client, 0);
    status = tarash_image_job_status(g->client, g->job, &update);
    polled = now_ms() - start;
    if (polled > g->longest_poll_ms) g->longest_poll_ms = polled;

    draw(g, &update);
    g->frames++;
    left = FRAME_MS - (now_ms() - start);
    if (left > 0) sleep_ms(left);
    return status == TARASH_IMAGE_STATUS_QUEUED || status == TARASH_IMAGE_STATUS_PROCESSING;
}

static int finish(game *g) {
    tarash_image_response response;
    tarash_image_error error = {0};
    tarash_image_take(g->client, g->job, &response);
    printf("frames drawn: %d, longest poll: %.2f ms\n", g->frames, g->longest_poll_ms);
    error = response.error;
    if (error.result == TARASH_IMAGE_OK) tarash_image_save(&response.images[0], "game_loop.png", &error);
    if (error.result == TARASH_IMAGE_OK)
        puts("game_loop.png");
    else
        fprintf(stderr, "%s: %s\n", tarash_image_result_name(error.result), error.message);
    tarash_image_response_free(&response);
    return error.result != TARASH_IMAGE_OK;
}

int main(int argc, char **argv) {
    tarash_image_mock mock = {0};
    tarash_image_mock_polling polling = {0};
    tarash_image_config config = {0};
    tarash_image_request request = {0};
    game g = {0};
    int failed;

    polling.enabled = 1;
    mock.enabled = 1;
    mock.polling = &polling;
    config.provider = argc > 1 ? argv[1] : "mock";
    config.base_url = argc > 2 ? argv[2] : NULL;
    config.model = argc > 3 ? argv[3] : NULL;
    if (strcmp(config.provider, "mock") == 0) config.mock = &mock;
    request.prompt = "a dragon's portrait, oil on canvas";

    g.client = tarash_image_client_create(NULL);
    if (!g.client) return 1;
    g.job = tarash_image_submit(g.client, &config, &request);
    while (frame(&g)) continue;
    failed = finish(&g);
    tarash_image_client_destroy(g.client);
    return failed;
}
