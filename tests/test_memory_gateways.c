/* Lack of memory in what azure_openai, together and openrouter do themselves: a call says OUT_OF_MEMORY or does what it
   would have done, and leaks nothing. */

#include "wire.h"

#define MOST 4000 /* allocations of one call */

typedef struct memory_row {
    const char *name, *provider, *rest, *model, *version, *options, *script;
    const tarash_image_input *images;
    size_t image_count;
    int partial_images, with_mask;
    tarash_image_result result;
} memory_row;

#define PNG      "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
#define VERDICTS "\"content_filter_results\":{\"hate\":{\"severity\":\"safe\",\"filtered\":false}}"

static const memory_row memory_rows[] = {
    {.name = "azure: a deployment, verdicts",
     .provider = "azure_openai",
     .rest = "azure_openai?x=y",
     .model = "picture maker/1",
     .version = "2025-04-01-preview",
     .script = "[{\"status\":200,\"times\":-1,\"body\":{\"created\":1,\"data\":[{\"b64_json\":\"" PNG
               "\",\"prompt_filter_results\":{\"a\":1}," VERDICTS "},{" VERDICTS "}]}}]"},
    {.name = "azure: another deployment in the URL, an edit",
     .provider = "azure_openai",
     .rest = "azure_openai/openai/deployments/img-dep/images/edits?api-version=2025-04-01-preview",
     .model = "other",
     .version = "preview",
     .images = one_png,
     .image_count = 1,
     .with_mask = 1,
     .script =
         "[{\"status\":200,\"times\":-1,\"body\":{\"created\":1,\"data\":[{\"b64_json\":\"" PNG "\"}]}}]"},
    {.name = "azure: no route",
     .provider = "azure_openai",
     .rest = "azure_openai",
     .model = "img-dep",
     .script =
         "[{\"status\":404,\"times\":-1,\"body\":{\"error\":{\"code\":\"404\",\"message\":\"Resource not "
         "found\"}}}]",
     .result = TARASH_IMAGE_ERROR_HTTP},
    {.name = "together: images",
     .provider = "together",
     .rest = "together/v1",
     .images = three,
     .image_count = 2,
     .script =
         "[{\"status\":200,\"times\":-1,\"body\":{\"data\":[{\"index\":0,\"b64_json\":\"" PNG "\"}]}}]"},
    {.name = "openrouter: a stream",
     .provider = "openrouter",
     .rest = "openrouter/api/v1",
     .model = "openai/gpt-image-2.5-flare",
     .options = "{\"title\":\"t\"}",
     .images = three,
     .image_count = 2,
     .partial_images = 1,
     .script = "[]"},
    {.name = "openrouter: an error within 200",
     .provider = "openrouter",
     .rest = "openrouter/api/v1",
     .script =
         "[{\"status\":200,\"times\":-1,\"body\":{\"error\":{\"code\":429,\"message\":\"No.\",\"metadata\":"
         "{\"raw\":\"Slow down.\"}}}}]",
     .result = TARASH_IMAGE_ERROR_RATE_LIMITED},
};

static const unsigned char grey[16] = {255};

static void prepare(const memory_row *row) {
    use(row->provider, row->rest);
    script(row->script);
    b.config.model = row->model;
    b.config.api_version = row->version;
    b.config.provider_config = row->options;
    b.request.size = "64x64";
    b.request.images = row->images;
    b.request.image_count = row->image_count;
    b.request.partial_images = row->partial_images;
    if (!row->with_mask) return;
    b.request.mask.pixels = grey;
    b.request.mask.width = b.request.mask.height = 4;
    b.request.mask.channels = 1;
}

/* Returns whether the call came to an end without lack of memory. */
static int try_once(const memory_row *row, counting_allocator *memory, size_t fail_at) {
    tarash_image_client_desc desc;
    tarash_image_client *client;
    tarash_image_response response;
    tarash_image_result result;
    memset(memory, 0, sizeof *memory);
    memset(&desc, 0, sizeof desc);
    desc.allocator = counting_allocator_functions(memory);
    client = tarash_image_client_create(&desc);
    assert_non_null(client);
    memory->fail_at = memory->calls + fail_at;
    memory->fail_from_then_on = fail_at % 2 == 0;
    result = tarash_image_generate(client, &b.config, &b.request, &response);
    tarash_image_response_free(&response);
    tarash_image_client_destroy(client);
    assert_int_equal(memory->live_blocks, 0);
    if (result == row->result) return memory->failures == 0;
    if (result != TARASH_IMAGE_ERROR_OUT_OF_MEMORY)
        fail_msg("allocation %d: %s", (int)fail_at, tarash_image_result_name(result));
    return 0;
}

static void test_memory(void **state) {
    const memory_row *row = (const memory_row *)*state;
    counting_allocator memory;
    size_t fail_at = 1;
    prepare(row);
    while (!try_once(row, &memory, fail_at)) {
        fail_at++;
        assert_true(fail_at < MOST);
    }
    assert_true(fail_at > 5);
}

int main(void) {
    int failed = 0;
    if (server_start() != 0 || prepare_inputs() != 0) return 1;
    RUN_ROWS(memory_rows, test_memory, tear_down);
    server_stop();
    return failed != 0;
}
