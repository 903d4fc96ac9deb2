/* custom_provider.c - a provider of your own, with jobs: what the library doesn't know is two functions.

       custom_provider                           prints the request that would be sent, and sends nothing
       custom_provider http://127.0.0.1:8080     makes an image there

   The server that it speaks to:

       POST   /jobs              {"prompt", "count"}  ->  {"id", "state"}
       GET    /jobs/ID           ->  {"state": "queued" | "working" | "done" | "failed", "position",
   "percent", "log"} GET    /jobs/ID/result    ->  {"pictures": [{"b64": "..."} | {"link": "https://..."}]}
       DELETE /jobs/ID

   A server that speaks the protocol of a built-in provider needs no functions: set .protocol and .base_url.
 */

#define TARASH_IMAGE_IMPLEMENTATION
#include "tarash_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Describes the request of a phase. The library sends it, with headers, retries, time-outs and all. */
static tarash_image_result build(tarash_image_exchange *exchange, tarash_image_phase phase, void *user_data) {
    static const char *const methods[] = {"POST", "GET", "GET", "DELETE"};
    const char *id = tarash_image_exchange_job_id(exchange);
    const char *end = phase == TARASH_IMAGE_PHASE_FETCH ? "/result" : "";
    size_t size = strlen("/jobs/") + (id ? strlen(id) : 0) + strlen(end) + 1;
    char *path = (char *)malloc(size);
    (void)user_data;
    if (!path) return TARASH_IMAGE_ERROR_OUT_OF_MEMORY;
    snprintf(path, size, "/jobs%s%s%s", id ? "/" : "", id ? id : "", end);
    tarash_image_exchange_send(exchange, methods[phase], path); /* copied */
    free(path);
    if (phase == TARASH_IMAGE_PHASE_SUBMIT) {
        tarash_image_exchange_set_text(exchange, "prompt", tarash_image_exchange_request(exchange)->prompt);
        tarash_image_exchange_set_integer(exchange, "count", tarash_image_exchange_count(exchange));
    }
    return TARASH_IMAGE_OK;
}

/* An id goes into a path, so one that could lead elsewhere is refused. */
static int is_plain(const char *id) {
    return id && *id &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == strlen(id);
}

static tarash_image_result read_submit(tarash_image_exchange *exchange) {
    const char *id = tarash_image_exchange_text(exchange, "id");
    if (!is_plain(id))
        return tarash_image_exchange_fail(exchange, TARASH_IMAGE_ERROR_BAD_RESPONSE, NULL,
                                          "no job id in the answer");
    tarash_image_exchange_accept(exchange, id);
    tarash_image_exchange_next(exchange, TARASH_IMAGE_PHASE_POLL);
    return TARASH_IMAGE_OK;
}

static tarash_image_result read_poll(tarash_image_exchange *exchange) {
    const char *state = tarash_image_exchange_text(exchange, "state");
    const char *log = tarash_image_exchange_text(exchange, "log");
    int64_t position = -1, percent = -1;
    int queued = state && strcmp(state, "queued") == 0;
    if (state && strcmp(state, "failed") == 0)
        return tarash_image_exchange_fail(exchange, TARASH_IMAGE_ERROR_GENERATION_FAILED, state, log);
    tarash_image_exchange_integer(exchange, "position", &position);
    tarash_image_exchange_integer(exchange, "percent", &percent);
    if (percent < 0 || percent > 100) percent = -1; /* -1: not known */
    if (position < 0 || position > 1000000) position = -1;
    tarash_image_exchange_progress(exchange,
                                   queued ? TARASH_IMAGE_STATUS_QUEUED : TARASH_IMAGE_STATUS_PROCESSING,
                                   (int)percent, (int)position, log);
    tarash_image_exchange_next(exchange, state && strcmp(state, "done") == 0 ? TARASH_IMAGE_PHASE_FETCH
                                                                             : TARASH_IMAGE_PHASE_POLL);
    return TARASH_IMAGE_OK;
}

static tarash_image_result read_result(tarash_image_exchange *exchange) {
    size_t i, count = tarash_image_exchange_length(exchange, "pictures");
    int found = 0;
    for (i = 0; i < count; i++) {
        char path[64];
        snprintf(path, sizeof path, "pictures[%lu].b64", (unsigned long)i);
        if (tarash_image_exchange_add_image(exchange, path)) {
            found = 1;
            continue;
        }
        snprintf(path, sizeof path, "pictures[%lu].link", (unsigned long)i);
        if (tarash_image_exchange_add_image(exchange, path)) found = 1;
    }
    if (found) return TARASH_IMAGE_OK; /* no next phase: done */
    return tarash_image_exchange_fail(exchange, TARASH_IMAGE_ERROR_BAD_RESPONSE, NULL,
                                      "no pictures in the answer");
}

static tarash_image_result read_reply(tarash_image_exchange *exchange, tarash_image_phase phase,
                                      void *user_data) {
    (void)user_data;
    if (phase == TARASH_IMAGE_PHASE_SUBMIT) return read_submit(exchange);
    if (phase == TARASH_IMAGE_PHASE_POLL) return read_poll(exchange);
    return read_result(exchange);
}

static tarash_image_result add_provider(tarash_image_client *client) {
    tarash_image_provider provider = {0};
    provider.name = "picture_server";
    provider.default_model = "default";
    provider.key_variables = "PICTURE_SERVER_KEY";
    provider.key_optional = 1;
    provider.capabilities.fields = TARASH_IMAGE_FIELD_N;
    provider.capabilities.max_n = 4;         /* more is split into parallel jobs */
    provider.image_paths = "pictures[].b64"; /* decoded as it arrives, never held as text */
    provider.build_fn = build;
    provider.read_fn = read_reply;
    provider.polls = 1;
    provider.cancels = 1;
    return tarash_image_register_provider(client, &provider);
}

static int print_plan(tarash_image_client *client, tarash_image_config *config,
                      const tarash_image_request *request) {
    tarash_image_text plan;
    tarash_image_result result;
    config->base_url = "http://127.0.0.1:8080"; /* nothing is sent there */
    result = tarash_image_plan(client, config, request, &plan);
    puts(result == TARASH_IMAGE_OK ? plan.data : plan.error.message);
    tarash_image_text_free(&plan);
    return result != TARASH_IMAGE_OK;
}

static int make_image(tarash_image_client *client, const tarash_image_config *config,
                      const tarash_image_request *request) {
    tarash_image_response response;
    int failed = tarash_image_generate(client, config, request, &response) != TARASH_IMAGE_OK;
    if (!failed)
        failed = tarash_image_save(&response.images[0], "custom.png", &response.error) != TARASH_IMAGE_OK;
    puts(failed ? response.error.message : "custom.png");
    tarash_image_response_free(&response);
    return failed;
}

static void show_progress(const tarash_image_update *update, void *user_data) {
    (void)user_data;
    printf("%s, position %d, %d%% %s\n", tarash_image_status_name(update->status), update->queue_position,
           update->progress_percent, update->message ? update->message : "");
}

int main(int argc, char **argv) {
    tarash_image_config config = {0};
    tarash_image_request request = {0};
    tarash_image_client *client = tarash_image_client_create(NULL);
    int failed = 1;
    if (!client) return 1;
    config.provider = "picture_server";
    config.base_url = argc > 1 ? argv[1] : NULL;
    config.poll_interval_ms = 200;
    request.prompt = "a lighthouse in fog";
    request.on_progress = show_progress;
    if (add_provider(client) != TARASH_IMAGE_OK)
        fputs("the provider is incomplete\n", stderr);
    else
        failed = argc > 1 ? make_image(client, &config, &request) : print_plan(client, &config, &request);
    tarash_image_client_destroy(client);
    return failed;
}
