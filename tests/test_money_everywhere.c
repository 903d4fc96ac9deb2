/* At every provider: a paid request that may have arrived is not sent again, however it got lost; polls and downloads never
   lead to another one; and a job or a link that was received can be gone back to. And whatever the body and the transport,
   libcurl sends no request again by itself. */

#include "scene.h"
#include "test_list.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- whom to ask --------------------------------------------------------------------------------------- */

typedef struct variant {
    const char *name, *provider, *rest, *model, *key, *options;
    int partial_images;
} variant;

#define PAINTER "painter:0123456789abcdef0123"
#define SIGNER  "AKIATARASHWIRETEST00:wJalrXUtnFEMI/K7MDENG+bPxRfiCYwiretest00"

static const variant variants[] = {
    {.name = "openai", .provider = "openai", .rest = "openai/v1", .key = SCENE_KEY},
    {.name = "openai, a stream",
     .provider = "openai",
     .rest = "openai/v1",
     .model = "gpt-image-1.5",
     .key = SCENE_KEY,
     .partial_images = 2},
    {.name = "openai_compatible",
     .provider = "openai_compatible",
     .rest = "compatible/v1",
     .model = "any",
     .key = SCENE_KEY},
    {.name = "indoxrouter", .provider = "indoxrouter", .rest = "indoxrouter", .key = "indox-0123456789"},
    {.name = "atoma", .provider = "atoma", .rest = "atoma", .key = SCENE_KEY},
    {.name = "xai", .provider = "xai", .rest = "xai/v1", .key = "xai-0123456789"},
    {.name = "azure_openai",
     .provider = "azure_openai",
     .rest = "azure_openai",
     .model = "img-dep",
     .key = SCENE_KEY},
    {.name = "together", .provider = "together", .rest = "together/v1", .key = "tgp_v1_0123456789"},
    {.name = "openrouter", .provider = "openrouter", .rest = "openrouter/api/v1", .key = "sk-or-v1-01234567"},
    {.name = "google", .provider = "google", .rest = "google", .key = "AIza0123456789"},
    {.name = "automatic1111", .provider = "automatic1111", .rest = "automatic1111", .key = PAINTER},
    {.name = "stability", .provider = "stability", .rest = "stability", .key = SCENE_KEY},
    {.name = "bedrock", .provider = "bedrock", .rest = "bedrock", .key = "bedrock-api-key-0123456789"},
    {.name = "bedrock, signed",
     .provider = "bedrock",
     .rest = "bedrock",
     .model = "stability.plain-name",
     .key = SIGNER},
    {.name = "replicate", .provider = "replicate", .rest = "replicate/v1", .key = "r8_0123456789"},
    {.name = "replicate, waiting",
     .provider = "replicate",
     .rest = "replicate/v1",
     .key = "r8_0123456789",
     .options = "{\"wait\":true}"},
    {.name = "luma", .provider = "luma", .rest = "luma/dream-machine/v1", .key = "luma-0123456789"},
    {.name = "fal", .provider = "fal", .rest = "fal/queue", .key = "5ca1ab1e-0000-4000:0123456789"},
    {.name = "fal, direct",
     .provider = "fal",
     .rest = "fal/run",
     .key = SCENE_KEY,
     .options = "{\"direct\":true}"},
    {.name = "huggingface", .provider = "huggingface", .rest = "huggingface", .key = "hf_0123456789"},
    {.name = "huggingface, fal",
     .provider = "huggingface",
     .rest = "huggingface",
     .model = "fal-ai/flux/dev",
     .key = "hf_0123456789",
     .options = "{\"provider\":\"fal-ai\"}"},
    {.name = "runway", .provider = "runway", .rest = "runway", .key = "key_0123456789"},
    {.name = "bfl", .provider = "bfl", .rest = "bfl/v1", .key = SCENE_KEY},
    {.name = "recraft", .provider = "recraft", .rest = "recraft/v1", .key = "recraft-0123456789"},
    {.name = "ideogram", .provider = "ideogram", .rest = "ideogram", .key = SCENE_KEY},
    {.name = "ideogram, a job",
     .provider = "ideogram",
     .rest = "ideogram",
     .key = SCENE_KEY,
     .options = "{\"async\":true}"},
};

/* With retries: what may be sent again, would be. */
static void open_variant(scene *s, const variant *v) {
    scene_open(s, "everywhere");
    server_api_url(s->url, sizeof s->url, s->session, v->rest);
    s->config.provider = v->provider;
    s->config.model = v->model;
    s->config.api_key = v->key;
    s->config.provider_config = v->options;
    s->config.max_retries = 4;
    s->config.max_poll_attempts = 5;
    s->request.size = NULL;
    s->request.partial_images = v->partial_images;
    s->desc.limits.max_image_bytes = s->desc.limits.max_document_bytes = 4 << 20;
    s->desc.limits.max_reply_bytes = 6 << 20;
    scene_client(s);
}

static int count_requests(const char *method, const char *path) {
    cJSON *log = control_log("everywhere");
    int count = log_count(log, method, path);
    cJSON_Delete(log);
    return count;
}

static void every_row_has_a_variant(void **state) {
    size_t count, i, k;
    const tarash_image_provider_info *rows = tarash_image_providers(&count);
    (void)state;
    for (i = 0; i < count; i++) {
        for (k = 0; k < COUNT(variants) && strcmp(variants[k].provider, rows[i].name) != 0; k++) continue;
        if (k == COUNT(variants) && strcmp(rows[i].name, "mock") != 0)
            fail_msg("%s isn't tested here", rows[i].name);
    }
}

/* ---- lost requests ------------------------------------------------------------------------------------- */

typedef struct loss {
    const char *name, *behaviour;
} loss;

#define WORDS "\"status\": 200, \"body\": "

/* The last ones aren't lost on the way: the answer says nothing, or can't be read. */
static const loss losses[] = {
    {"a reset before the answer", "\"reset\": \"before\""},
    {"a reset while it is read", "\"reset\": \"in_request\""},
    {"a reset in the head", "\"reset\": \"in_headers\""},
    {"a reset behind the head", "\"reset\": \"after_headers\""},
    {"a reset in the body", "\"reset\": \"in_body\""},
    {"an end instead of an answer", "\"raw\": \"\""},
    {"an end in the body", "\"close_after_bytes\": 10"},
    {"an end behind the head", "\"close_after_bytes\": 0"},
    {"a body that is cut off", WORDS "{\"id\": \"a\"}, \"content_length\": 100000"},
    {"chunks that are cut off", WORDS "{\"id\": \"a\"}, \"chunked\": \"truncated\""},
    {"chunks that are none", WORDS "{\"id\": \"a\"}, \"chunked\": \"broken\""},
    {"a status 408", "\"status\": 408"},
    {"a status 502", "\"status\": 502"},
    {"a status 504", "\"status\": 504"},
    {"a status 524", "\"status\": 524"},
    {"a success that is no JSON", WORDS "\"{\\\"id\\\": \""},
    {"a success that is a page", WORDS "\"<html>no</html>\""},
    {"a success without words", WORDS "\"\""},
    {"what is not HTTP", "\"raw\": \"SSH-2.0-x\\r\\n\""},
};

/* What was asked, in which nothing went wrong but the answer, is known to nobody. */
static void assert_in_doubt(const scene *s, const variant *v, const loss *l, int posts) {
    if (posts != 1) fail_msg("%s, %s: %d POSTs", v->name, l->name, posts);
    if (s->response.error.delivery != TARASH_IMAGE_DELIVERY_UNKNOWN)
        fail_msg("%s, %s: %s, %s", v->name, l->name, tarash_image_delivery_name(s->response.error.delivery),
                 s->response.error.message);
    if (s->response.attempts[0].retries) fail_msg("%s, %s: was sent again", v->name, l->name);
}

static void a_request_in_doubt_is_sent_once(void **state) {
    const loss *l = (const loss *)*state;
    size_t i;
    for (i = 0; i < COUNT(variants); i++) {
        scene s;
        open_variant(&s, &variants[i]);
        assert_int_equal(control_scriptf(s.session, "[{%s, \"times\": -1}]", l->behaviour), 0);
        if (run(&s) == TARASH_IMAGE_OK) fail_msg("%s, %s: succeeded", variants[i].name, l->name);
        assert_in_doubt(&s, &variants[i], l, control_posts(s.session));
        scene_close(&s);
    }
}

/* An answer that doesn't come. */
static void a_request_that_is_not_answered_is_sent_once(void **state) {
    static const loss silence = {"no answer", ""};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(variants); i++) {
        scene s;
        open_variant(&s, &variants[i]);
        assert_int_equal(control_script(s.session, "[{\"stall\": true, \"times\": -1}]"), 0);
        scene_submit(&s);
        poll_until_requests(&s, 1);
        advance(&s, 120000);
        finish(&s);
        assert_result(scene_take(&s), TARASH_IMAGE_ERROR_TIMEOUT);
        assert_in_doubt(&s, &variants[i], &silence, control_posts(s.session));
        scene_close(&s);
    }
}

/* Every provider after another one: each is asked once. */
static void each_link_in_doubt_is_asked_once(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(variants); i++) {
        scene s;
        tarash_image_config second;
        char url[256], path[80];
        const variant *v = &variants[i], *w = &variants[(i + 5) % COUNT(variants)];
        open_variant(&s, v);
        second = s.config;
        second.provider = w->provider;
        second.model = w->model;
        second.api_key = w->key;
        second.provider_config = w->options;
        second.base_url = server_api_url(url, sizeof url, s.session, w->rest);
        s.config.fallbacks = &second;
        s.config.fallback_count = 1;
        s.request.partial_images = 0;
        assert_int_equal(control_script(s.session, "[{\"reset\": \"before\", \"times\": -1}]"), 0);
        assert_result(run(&s), TARASH_IMAGE_ERROR_CONNECTION);
        assert_int_equal(s.response.attempt_count, 2);
        if (control_posts(s.session) != 2)
            fail_msg("%s, then %s: %d", v->name, w->name, control_posts(s.session));
        snprintf(path, sizeof path, "/s/everywhere/%.*s", (int)strcspn(w->rest, "/"), w->rest);
        assert_int_equal(count_requests("POST", path), 1);
        scene_close(&s);
    }
}

/* ---- polls and downloads ------------------------------------------------------------------------------- */

static const loss later_losses[] = {
    {"a status 500", "\"status\": 500"},
    {"a status 502", "\"status\": 502"},
    {"a status 503", "\"status\": 503, \"headers\": {\"x-should-retry\": \"true\"}"},
    {"a status 429", "\"status\": 429, \"headers\": {\"Retry-After\": \"1\"}"},
    {"a status 409", "\"status\": 409"},
    {"a status 408", "\"status\": 408"},
    {"a status 404", "\"status\": 404"},
    {"a status 403", "\"status\": 403"},
    {"a status 400", "\"status\": 400"},
    {"a reset", "\"reset\": \"before\""},
    {"a reset in the body", "\"reset\": \"in_body\""},
    {"an end in the body", "\"close_after_bytes\": 3"},
    {"a page", WORDS "\"<html>no</html>\""},
    {"nothing", WORDS "\"\""},
    {"an answer that is too large", "\"endless_body\": true"},
};

static tarash_image_result resume(scene *s, const char *token) {
    char kept[4096];
    snprintf(kept, sizeof kept, "%s", token);
    assert_int_equal(control_script(s->session, "[]"), 0);
    tarash_image_response_free(&s->response);
    s->job = tarash_image_resume_with(s->client, &s->config, &s->request, kept);
    assert_int_not_equal(s->job.id, 0);
    s->wait_count = 0;
    finish(s);
    return scene_take(s);
}

static void check_later(scene *s, const variant *v, const loss *l, int lost) {
    tarash_image_result result = s->response.error.result;
    int posts = control_posts(s->session);
    if (posts != 1) fail_msg("%s, %s: %d POSTs", v->name, l->name, posts);
    if (!lost) return; /* the provider has no jobs, or no links */
    if (result == TARASH_IMAGE_OK) return;
    if (s->response.error.delivery != TARASH_IMAGE_DELIVERY_ACCEPTED)
        fail_msg("%s, %s: %s, %s", v->name, l->name, tarash_image_delivery_name(s->response.error.delivery),
                 s->response.error.message);
    if (!s->response.job_token || strcmp(s->response.job_token, s->response.error.job_token) != 0)
        fail_msg("%s, %s: no token with \"%s\"", v->name, l->name, s->response.error.message);
    if (resume(s, s->response.job_token) != TARASH_IMAGE_OK)
        fail_msg("%s, %s: can't be resumed: %s", v->name, l->name, s->response.error.message);
    assert_int_equal(s->response.image_count, 1);
    assert_true(s->response.images[0].size > 0);
    if (control_posts(s->session) != 1) fail_msg("%s, %s: resuming was a POST", v->name, l->name);
}

/* So many variants have jobs and links, by which it is known that something was tried. */
enum { WITH_JOBS = 8, WITH_LINKS = 12 };

static void a_poll_is_no_new_request(void **state) {
    const loss *l = (const loss *)*state;
    size_t i, tried = 0;
    for (i = 0; i < COUNT(variants); i++) {
        scene s;
        int polls;
        open_variant(&s, &variants[i]);
        assert_int_equal(control_scriptf(s.session,
                                         "[{\"jobs\": {\"polls\": 3}},"
                                         " {\"method\": \"GET\", \"where\": \"api\", \"times\": -1, %s}]",
                                         l->behaviour),
                         0);
        (void)run(&s);
        polls = count_requests("GET", "/s/everywhere/");
        tried += polls > 0;
        check_later(&s, &variants[i], l, polls);
        scene_close(&s);
    }
    if (tried < WITH_JOBS) fail_msg("%d", (int)tried);
}

static void a_download_is_no_new_request(void **state) {
    const loss *l = (const loss *)*state;
    size_t i, tried = 0;
    for (i = 0; i < COUNT(variants); i++) {
        scene s;
        int downloads;
        open_variant(&s, &variants[i]);
        assert_int_equal(control_scriptf(s.session,
                                         "[{\"where\": \"files\", \"times\": -1, %s},"
                                         " {\"image_result\": {\"url\": true}, \"times\": -1}]",
                                         l->behaviour),
                         0);
        (void)run(&s);
        downloads = count_requests("GET", "/f/everywhere/");
        tried += downloads > 0;
        check_later(&s, &variants[i], l, downloads);
        scene_close(&s);
    }
    if (tried < WITH_LINKS) fail_msg("%d", (int)tried);
}

/* Given up while the provider is still at work: the job comes back by its token. */
static void a_job_that_is_given_up_can_be_resumed(void **state) {
    size_t i, tried = 0;
    (void)state;
    for (i = 0; i < COUNT(variants); i++) {
        static const loss patience = {"the end of patience", ""};
        scene s;
        int polls;
        open_variant(&s, &variants[i]);
        s.config.max_poll_attempts = 2;
        assert_int_equal(control_script(s.session, "[{\"jobs\": {\"polls\": 3}}]"), 0);
        (void)run(&s);
        polls = count_requests("GET", "/s/everywhere/");
        if (polls) assert_result(s.response.error.result, TARASH_IMAGE_ERROR_TIMEOUT);
        tried += polls > 0;
        check_later(&s, &variants[i], &patience, polls);
        scene_close(&s);
    }
    if (tried < WITH_JOBS) fail_msg("%d", (int)tried);
}

/* ---- connections that have died ------------------------------------------------------------------------ */

typedef struct body {
    const char *name;
    void (*prepare)(scene *s, tarash_image_input *input);
} body;

static void as_text(scene *s, tarash_image_input *input) {
    (void)s;
    (void)input;
}

static void as_long_text(scene *s, tarash_image_input *input) {
    static char prompt[1200001];
    (void)input;
    memset(prompt, 'p', sizeof prompt - 1);
    s->request.prompt = prompt;
}

static void with_image(scene *s, const tarash_image_input *input) {
    s->request.images = input;
    s->request.image_count = 1;
}

static void as_form(scene *s, tarash_image_input *input) {
    input->data = tiny_png;
    input->size = tiny_png_size;
    with_image(s, input);
}

/* Noise, which is as long as a PNG. */
static void as_long_form(scene *s, tarash_image_input *input) {
    static unsigned char pixels[1000 * 1000 * 3];
    uint32_t noise = 1;
    size_t i;
    for (i = 0; i < sizeof pixels; i++) {
        noise = noise * 1664525u + 1013904223u;
        pixels[i] = (unsigned char)(noise >> 24);
    }
    input->pixels = pixels;
    input->width = input->height = 1000;
    input->channels = 3;
    with_image(s, input);
}

static void as_form_of_a_file(scene *s, tarash_image_input *input) {
    static char path[600];
    temporary_path(path, sizeof path, "input.png");
    assert_int_equal(write_whole_file(path, tiny_png, tiny_png_size), 0);
    input->path = path;
    with_image(s, input);
}

static void as_json_with_an_image(scene *s, tarash_image_input *input) {
    const char *protocol = strstr(s->url, "/compatible/");
    memcpy(s->url + (protocol - s->url), "/xai/v1", sizeof "/xai/v1");
    s->config.provider = "xai";
    s->config.model = NULL;
    s->config.api_key = "xai-0123456789";
    as_form(s, input);
}

static const body bodies[] = {
    {"a text", as_text},
    {"a long text", as_long_text},
    {"a form", as_form},
    {"a long form", as_long_form},
    {"a form of a file", as_form_of_a_file},
    {"JSON with an image", as_json_with_an_image},
};

/* The server closes when the second request has arrived, over the connection that the first one left: whatever libcurl
   makes of it, the server hears of no third. */
static void expect_one_post(const body *tried, int tls) {
    scene s;
    cJSON *log;
    tarash_image_input input;
    memset(&input, 0, sizeof input);
    scene_open(&s, "died");
    (tls ? server_tls_url : server_api_url)(s.url, sizeof s.url, s.session, "compatible/v1");
    s.desc.ca_file = server_ca_file();
    s.config.provider = "openai_compatible";
    s.config.model = "any";
    s.config.max_retries = 4;
    s.request.size = NULL;
    assert_int_equal(control_script(s.session, "[{\"close_idle\": \"on_next_request\"}]"), 0);
    tried->prepare(&s, &input);
    scene_client(&s);
    assert_result(run(&s), TARASH_IMAGE_OK);
    if (run(&s) != TARASH_IMAGE_ERROR_CONNECTION) fail_msg("%s: %s", tried->name, s.response.error.message);
    assert_delivery(s.response.error.delivery, TARASH_IMAGE_DELIVERY_UNKNOWN);
    log = control_log(s.session);
    if (cJSON_GetArraySize(log) != 2) fail_msg("%s: %d requests", tried->name, cJSON_GetArraySize(log));
    assert_true(log_number(log_entry(log, 1), "dropped") > 0);
    assert_true(log_number(log_entry(log, 0), "connection") == log_number(log_entry(log, 1), "connection"));
    cJSON_Delete(log);
    scene_close(&s);
}

static void a_dead_connection_costs_one_post(void **state) {
    expect_one_post((const body *)*state, 0);
    if (server_ca_file()) expect_one_post((const body *)*state, 1);
}

/* A GET may be sent again: nobody pays for it. */
static void a_dead_connection_costs_no_download(void **state) {
    scene s;
    (void)state;
    scene_start(&s, "died",
                "[{\"where\": \"files\", \"close_idle\": \"on_next_request\"},"
                " {\"image_result\": {\"url\": true}, \"times\": -1}]");
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_result(run(&s), TARASH_IMAGE_OK);
    assert_int_equal(control_posts(s.session), 2);
    scene_close(&s);
}

/* A server that refuses to be asked whether it wants the body: libcurl would leave the question out, and send it all
   again by itself. */
static void refuse_expectation(scene *s, const char *name) {
    assert_int_equal(control_script(s->session, "[{\"no_continue\": true, \"status\": 417, \"times\": -1}]"),
                     0);
    scene_client(s);
    if (run(s) == TARASH_IMAGE_OK) fail_msg("%s: succeeded", name);
    if (control_posts(s->session) != 1) fail_msg("%s: %d POSTs", name, control_posts(s->session));
    scene_close(s);
}

static void an_expectation_that_failed_costs_one_post(void **state) {
    const body *tried = (const body *)*state;
    scene s;
    tarash_image_input input;
    memset(&input, 0, sizeof input);
    scene_open(&s, "expect");
    server_api_url(s.url, sizeof s.url, s.session, "compatible/v1");
    s.config.provider = "openai_compatible";
    s.config.model = "any";
    s.request.size = NULL;
    tried->prepare(&s, &input);
    refuse_expectation(&s, tried->name);
}

/* A signed body goes another way. */
static void a_signed_expectation_that_failed_costs_one_post(void **state) {
    static char prompt[1500001];
    scene s;
    (void)state;
    memset(prompt, 'p', sizeof prompt - 1);
    scene_open(&s, "expect");
    server_api_url(s.url, sizeof s.url, s.session, "bedrock");
    s.config.provider = "bedrock";
    s.config.model = "stability.plain-name";
    s.config.api_key = SIGNER;
    s.request.size = NULL;
    s.request.prompt = prompt;
    refuse_expectation(&s, "bedrock, signed");
}

/* ---- all of them --------------------------------------------------------------------------------------- */

int main(void) {
    size_t i;
    add_test("every row has a variant", "", every_row_has_a_variant, NULL);
    for (i = 0; i < COUNT(losses); i++)
        add_test("sent once", losses[i].name, a_request_in_doubt_is_sent_once, &losses[i]);
    add_test("sent once", "no answer", a_request_that_is_not_answered_is_sent_once, NULL);
    add_test("sent once", "at each link", each_link_in_doubt_is_asked_once, NULL);
    for (i = 0; i < COUNT(later_losses); i++) {
        add_test("no new request: a poll", later_losses[i].name, a_poll_is_no_new_request, &later_losses[i]);
        add_test("no new request: a download", later_losses[i].name, a_download_is_no_new_request,
                 &later_losses[i]);
    }
    add_test("a job that is given up can be resumed", "", a_job_that_is_given_up_can_be_resumed, NULL);
    for (i = 0; i < COUNT(bodies); i++) {
        add_test("a dead connection", bodies[i].name, a_dead_connection_costs_one_post, &bodies[i]);
        add_test("an expectation that failed", bodies[i].name, an_expectation_that_failed_costs_one_post,
                 &bodies[i]);
    }
    add_test("a dead connection", "a download", a_dead_connection_costs_no_download, NULL);
    add_test("an expectation that failed", "bedrock, signed", a_signed_expectation_that_failed_costs_one_post,
             NULL);
    return _cmocka_run_group_tests("money", tests, test_count, server_setup_tls, server_teardown);
}
