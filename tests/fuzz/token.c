/* Job tokens, which may come from anywhere. First byte: 'r' = the rest is a token as it is, else the letter of the provider
   that resumes it, and the rest is the token's JSON. What is accepted gives a token again that is accepted again. */

#include "engine.h"

static char *token_encode(fuzz_input json) {
    size_t length = 0, prefix = strlen(TARIMG_TOKEN_PREFIX);
    char *token;
    FUZZ_CHECK(tarimg_base64_length(json.size, &length));
    token = (char *)malloc(prefix + length + 1);
    FUZZ_CHECK(token != NULL);
    memcpy(token, TARIMG_TOKEN_PREFIX, prefix);
    (void)tarimg_base64_encode(json.data, json.size, token + prefix);
    token[prefix + length] = '\0';
    token[prefix + strcspn(token + prefix, "=")] = '\0';
    return token;
}

static tarash_image_result token_build(tarash_image_exchange *exchange, tarash_image_phase phase,
                                       void *user_data) {
    char path[64];
    const char *id = tarash_image_exchange_job_id(exchange);
    (void)user_data;
    snprintf(path, sizeof path, "jobs/%.20s", id ? id : "none");
    tarash_image_exchange_send(exchange, phase == TARASH_IMAGE_PHASE_SUBMIT ? "POST" : "GET", path);
    return TARASH_IMAGE_OK;
}

static tarash_image_result token_read(tarash_image_exchange *exchange, tarash_image_phase phase,
                                      void *user_data) {
    int64_t number;
    (void)user_data;
    (void)phase;
    FUZZ_CHECK(tarash_image_exchange_status(exchange) == 200);
    fuzz_check_secret(tarash_image_exchange_reply_header(exchange, "content-type"));
    fuzz_check_secret(tarash_image_exchange_text(exchange, "id"));
    if (!tarash_image_exchange_integer(exchange, "image", &number) &&
        !tarash_image_exchange_length(exchange, "image"))
        FUZZ_CHECK(tarash_image_exchange_flag(exchange, "image") == -1);
    return tarash_image_exchange_add_image(exchange, "image") ? TARASH_IMAGE_OK
                                                              : TARASH_IMAGE_ERROR_BAD_RESPONSE;
}

/* A provider that has jobs, whatever the built-in ones have. */
static void token_register(tarash_image_client *client) {
    tarash_image_provider provider;
    memset(&provider, 0, sizeof provider);
    provider.name = "painter";
    provider.default_model = "brush";
    provider.image_paths = "image";
    provider.build_fn = token_build;
    provider.read_fn = token_read;
    provider.polls = provider.cancels = 1;
    FUZZ_CHECK(tarash_image_register_provider(client, &provider) == TARASH_IMAGE_OK);
}

static CURLcode token_answer(fuzz_easy *easy) {
    static const char reply[] = "{\"image\": \"R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7\"}";
    static const char page[] = "<html>";
    const char *text = strstr(easy->url, "image") ? page : reply;
    easy->status = 200;
    FUZZ_CHECK(fuzz_deliver_line(easy, "HTTP/1.1 200 OK\r\n", 17) == CURLE_OK);
    return fuzz_deliver(easy, (const unsigned char *)text, strlen(text));
}

/* The second token of a job that was resumed from the first, or NULL. To be freed. */
static char *token_resume(const char *token, unsigned letter, int runs) {
    fuzz_engine engine;
    fuzz_job job;
    size_t row = fuzz_row_of(letter);
    tarash_image_text again;
    tarash_image_job handle;
    tarash_image_response response;
    char *copy = NULL;
    FUZZ_CHECK(fuzz_engine_open(&engine, 0, 0));
    token_register(engine.client);
    fuzz_job_init(&job, row, 1);
    job.config.provider = NULL;
    job.config.model = NULL;
    if (letter != 'p') job.config.provider = tarimg_rows[row].name;
    if (letter != 'p') job.config.provider_config = NULL;
    fuzz_answer_fn = token_answer;
    handle = tarash_image_resume(engine.client, &job.config, token);
    FUZZ_CHECK(handle.id != 0);
    if (tarash_image_job_status(engine.client, handle, NULL) < TARASH_IMAGE_STATUS_COMPLETED) {
        if (tarash_image_job_token(engine.client, handle, &again) == TARASH_IMAGE_OK)
            copy = (char *)fuzz_copy(again.data, strlen(again.data) + 1);
        tarash_image_text_free(&again);
        if (runs && fuzz_engine_run(&engine, handle, 100)) {
            (void)tarash_image_take(engine.client, handle, &response);
            FUZZ_CHECK(response.image_count <= 8);
            tarash_image_response_free(&response);
        }
    } else {
        tarash_image_result result = tarash_image_take(engine.client, handle, &response);
        FUZZ_CHECK(result == TARASH_IMAGE_ERROR_VALIDATION || result == TARASH_IMAGE_ERROR_UNSUPPORTED);
        FUZZ_CHECK(response.error.message[0] != '\0');
        tarash_image_response_free(&response);
    }
    fuzz_engine_close(&engine);
    fuzz_answer_fn = NULL;
    return copy;
}

FUZZ_TARGET(token) {
    fuzz_input in = {data, size};
    unsigned letter = fuzz_byte(&in);
    char *token = letter == 'r' ? fuzz_text(in) : token_encode(in), *again, *third;
    again = token_resume(token, letter == 'r' ? 'p' : letter, 1);
    if (again) {
        fuzz_check_secret(again);
        third = token_resume(again, letter == 'r' ? 'p' : letter, 0);
        FUZZ_CHECK(third && strcmp(third, again) == 0);
        free(third);
    }
    free(again);
    free(token);
}
