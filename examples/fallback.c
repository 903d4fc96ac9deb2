/* fallback.c - a chain of two providers, offline: the first answers 503, the second makes the image. */

#define TARASH_IMAGE_IMPLEMENTATION
#include "tarash_image.h"

#include <stdio.h>

int main(void) {
    tarash_image_mock_response unavailable = {0};
    tarash_image_mock broken = {0}, working = {0};
    tarash_image_config first = {0}, second = {0};
    tarash_image_request request = {0};
    tarash_image_response response;
    size_t i;
    int failed;

    unavailable.error = TARASH_IMAGE_ERROR_HTTP;
    unavailable.http_status = 503;
    broken.enabled = 1;
    broken.responses = &unavailable;
    broken.response_count = 1;
    working.enabled = 1;

    second.provider = "xai";
    second.mock =
        &working; /* without the mocks this asks the real ones, with XAI_API_KEY and OPENAI_API_KEY */

    first.provider = "openai";
    first.mock = &broken;
    first.max_retries = 1; /* a 503 may be gone a moment later, so the same provider is asked once more */
    first.fallbacks = &second;
    first.fallback_count = 1;

    request.prompt = "a lighthouse in fog";
    request.size =
        "1536x1024"; /* adapted to each provider; where that changes something there is a warning */

    failed = tarash_image_generate(NULL, &first, &request, &response) != TARASH_IMAGE_OK;
    for (i = 0; i < response.attempt_count; i++) {
        const tarash_image_attempt *attempt = &response.attempts[i];
        printf("attempt %d: %s %s: %s", (int)i + 1, attempt->provider, attempt->model ? attempt->model : "",
               tarash_image_result_name(attempt->result));
        if (attempt->http_status) printf(" %d", attempt->http_status);
        printf(", %d retries, %ld ms %s\n", attempt->retries, (long)attempt->elapsed_ms, attempt->message);
    }
    for (i = 0; i < response.warning_count; i++)
        printf("warning: %s: %s: \"%s\" became \"%s\": %s\n", response.warnings[i].provider,
               response.warnings[i].field, response.warnings[i].asked, response.warnings[i].sent,
               response.warnings[i].why);
    if (!failed)
        failed = tarash_image_save(&response.images[0], "fallback.png", &response.error) != TARASH_IMAGE_OK;
    if (failed)
        fprintf(stderr, "%s\n", response.error.message);
    else
        printf("fallback.png, made by %s\n", response.provider);
    tarash_image_response_free(&response);
    return failed;
}
