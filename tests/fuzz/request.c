/* What the program asks for, at every provider. First the provider: its name and a line feed, or a letter; then a byte of options;
   then texts, each ended by a
   line feed: model, prompt, size, aspect ratio, quality, style, background, output format, negative prompt, user, base
   URL, a header's value, provider_config, extra_params. An empty one is not given. A plan is JSON without the key, or a refusal that says why. */

#include "engine.h"

enum { REQUEST_TEXTS = 14 };

static const char *request_or_null(const char *text) {
    return text[0] ? text : NULL;
}

static void request_fill(fuzz_job *job, char **texts, tarash_image_header *header) {
    job->config.model = request_or_null(texts[0]);
    job->request.prompt = request_or_null(texts[1]);
    job->request.size = request_or_null(texts[2]);
    job->request.aspect_ratio = request_or_null(texts[3]);
    job->request.quality = request_or_null(texts[4]);
    job->request.style = request_or_null(texts[5]);
    job->request.background = request_or_null(texts[6]);
    job->request.output_format = request_or_null(texts[7]);
    job->request.negative_prompt = request_or_null(texts[8]);
    job->request.user = request_or_null(texts[9]);
    if (texts[10][0]) job->config.base_url = texts[10];
    header->name = "X-More";
    header->value = texts[11];
    if (texts[11][0]) job->config.headers = header;
    if (texts[11][0]) job->config.header_count = 1;
    if (texts[12][0]) job->config.provider_config = texts[12];
    job->request.extra_params = request_or_null(texts[13]);
}

static void request_set_options(fuzz_job *job, unsigned options, size_t row) {
    const tarash_image_capabilities *caps = &tarimg_rows[row].capabilities;
    job->request.n = (int)(options & 3) * 3;
    job->request.strict = options >> 2 & 1;
    job->request.has_seed = options >> 3 & 1;
    job->request.seed = options >> 4 & 1 ? INT64_MAX : 7;
    job->request.output = options >> 5 & 1 ? TARASH_IMAGE_OUTPUT_URL : TARASH_IMAGE_OUTPUT_AUTO;
    if (!(options >> 6 & 1) || !(caps->fields & TARASH_IMAGE_FIELD_IMAGES)) return;
    job->image.data = fuzz_png;
    job->image.size = sizeof fuzz_png;
    job->request.images = &job->image;
    job->request.image_count = 1;
    if (!(options >> 7 & 1) || !(caps->fields & TARASH_IMAGE_FIELD_MASK)) return;
    job->request.mask.pixels = fuzz_png;
    job->request.mask.width = 8;
    job->request.mask.height = 2;
    job->request.mask.channels = 1;
}

FUZZ_TARGET(request) {
    tarash_image_allocator allocator = tarimg_default_allocator();
    fuzz_input in = {data, size};
    size_t row = fuzz_take_row(&in), i;
    unsigned options = fuzz_byte(&in);
    char *texts[REQUEST_TEXTS];
    int manner = fuzz_manner_of(row);
    tarash_image_header header;
    fuzz_engine engine;
    fuzz_job job;
    tarash_image_text plan;
    tarash_image_result result;
    tarimg_arena arena;
    if (manner == FUZZ_MANNERS) return;
    fuzz_job_init(&job, row, manner);
    for (i = 0; i < REQUEST_TEXTS; i++) texts[i] = fuzz_text(fuzz_part(&in, '\n'));
    request_fill(&job, texts, &header);
    request_set_options(&job, options, row);
    FUZZ_CHECK(fuzz_engine_open(&engine, 0, 0));
    result = tarash_image_plan(engine.client, &job.config, &job.request, &plan);
    FUZZ_CHECK(result == plan.error.result && (result == TARASH_IMAGE_OK) == (plan.data != NULL));
    FUZZ_CHECK(result != TARASH_IMAGE_ERROR_OUT_OF_MEMORY);
    fuzz_check_secret(plan.error.message);
    fuzz_check_secret(plan.data);
    if (result != TARASH_IMAGE_OK) {
        FUZZ_CHECK(plan.error.message[0] != '\0');
        FUZZ_CHECK(tarimg_is_utf8(plan.error.message, strlen(plan.error.message)));
    } else {
        tarimg_arena_init(&arena, &allocator, 0);
        FUZZ_CHECK(strlen(plan.data) == plan.size);
        FUZZ_CHECK(tarimg_parse_json(&arena, plan.data, plan.size, 80) != NULL);
        tarimg_arena_free(&arena);
    }
    tarash_image_text_free(&plan);
    fuzz_engine_close(&engine);
    for (i = 0; i < REQUEST_TEXTS; i++) free(texts[i]);
}
