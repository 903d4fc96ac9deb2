#define TARASH_IMAGE_IMPLEMENTATION
#include "tarash_image.h"
#include <stdio.h>

int main(int argc, char **argv) {
    tarash_image_config config = {0};
    tarash_image_request request = {0};
    tarash_image_response response;
    config.provider = argc > 1 ? argv[1] : "mock"; /* "openai": the key comes from OPENAI_API_KEY */
    request.prompt = "a lighthouse in fog";
    if (tarash_image_generate(NULL, &config, &request, &response) == TARASH_IMAGE_OK)
        tarash_image_save(&response.images[0], "lighthouse.png", &response.error);
    if (response.error.result != TARASH_IMAGE_OK) fprintf(stderr, "%s\n", response.error.message);
    int failed = response.error.result != TARASH_IMAGE_OK;
    tarash_image_response_free(&response);
    return failed;
}
