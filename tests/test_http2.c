/* Many jobs over one connection, where server and libcurl speak HTTP/2. The server is nghttpd, which gives out files;
   where it can't be had, or libcurl lacks HTTP/2, the tests say so and are skipped. */

#include "wire.h"

#include <curl/curl.h>

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>

enum { JOBS = 64, UPLOADS = 16, UPLOAD_SIZE = 1 << 20, START_TRIES = 5, START_MS = 10000, STEP_MS = 10 };

static const char *why_not; /* why all is skipped, or NULL */

/* ---- the server ---------------------------------------------------------------------------------------- */

static struct {
    pid_t process;
    int port;
    char program[64];
    char documents[512];
} h2;

static const char *find_program(void) {
    static const char *const paths[] = {"/usr/sbin/nghttpd", "/usr/local/sbin/nghttpd", "/sbin/nghttpd"};
    size_t i;
    if (system("command -v nghttpd >/dev/null 2>&1") == 0) return "nghttpd";
    for (i = 0; i < COUNT(paths); i++) {
        if (access(paths[i], X_OK) == 0) return paths[i];
    }
    return NULL;
}

static void pause_step(void) {
    struct timespec step = {0, STEP_MS * 1000000L};
    nanosleep(&step, NULL);
}

static int is_listening(int port) {
    struct sockaddr_in address;
    int connected, handle = socket(AF_INET, SOCK_STREAM, 0);
    if (handle < 0) return 0;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected = connect(handle, (const struct sockaddr *)&address, sizeof address) == 0;
    close(handle);
    return connected;
}

static void stop_h2(void) {
    if (h2.process <= 0) return;
    kill(h2.process, SIGKILL);
    waitpid(h2.process, NULL, 0);
    h2.process = 0;
}

static int wait_for_h2(void) {
    int waited;
    for (waited = 0; waited < START_MS; waited += STEP_MS) {
        if (waitpid(h2.process, NULL, WNOHANG) == h2.process) {
            h2.process = 0;
            return 0; /* it could not listen, or didn't like its arguments */
        }
        if (is_listening(h2.port)) return 1;
        pause_step();
    }
    stop_h2();
    return 0;
}

static int launch_h2(void) {
    char port[16], key[1024];
    const char *arguments[] = {h2.program, "-a", "127.0.0.1", "-d", h2.documents, port, key, NULL, NULL};
    arguments[7] = server_ca_file();
    h2.port = unused_port();
    snprintf(port, sizeof port, "%d", h2.port);
    temporary_path(key, sizeof key, "key.pem");
    h2.process = fork();
    if (h2.process == 0) {
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)) _exit(126);
        execvp(h2.program, (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    return h2.process > 0 && wait_for_h2();
}

/* Somebody may take the port first. */
static int start_h2(const char *program) {
    int tries;
    snprintf(h2.program, sizeof h2.program, "%s", program);
    temporary_path(h2.documents, sizeof h2.documents, "h2");
    if (mkdir(h2.documents, 0700) != 0) return -1;
    for (tries = 0; tries < START_TRIES; tries++) {
        if (launch_h2()) return 0;
    }
    return -1;
}

/* ---- what it gives out: for each job a picture of its own ---------------------------------------------- */

static struct {
    void *data;
    size_t size;
} pictures[JOBS];

static int write_answer(const char *path, const void *picture, size_t size) {
    static const char head[] = "{\"created\": 1, \"data\": [{\"b64_json\": \"", tail[] = "\"}]}";
    char *text = (char *)malloc(sizeof head + size * 4 / 3 + 8 + sizeof tail);
    int result;
    if (!text) return -1;
    strcpy(text, head);
    encode_base64((const unsigned char *)picture, size, text + strlen(text));
    strcat(text, tail);
    result = write_whole_file(path, text, strlen(text));
    free(text);
    return result;
}

/* DOCUMENTS/job-N/images/generations and .../edits */
static int prepare_job(int number) {
    char path[700], url[256], rest[64];
    snprintf(rest, sizeof rest, "static/job-%d/24x16.png", number);
    pictures[number].data = fetch_url(server_files_url(url, sizeof url, "h2", rest), &pictures[number].size);
    if (!pictures[number].data) return -1;
    snprintf(path, sizeof path, "%s/job-%d", h2.documents, number);
    if (mkdir(path, 0700) != 0) return -1;
    snprintf(path, sizeof path, "%s/job-%d/images", h2.documents, number);
    if (mkdir(path, 0700) != 0) return -1;
    snprintf(path, sizeof path, "%s/job-%d/images/generations", h2.documents, number);
    if (write_answer(path, pictures[number].data, pictures[number].size) != 0) return -1;
    snprintf(path, sizeof path, "%s/job-%d/images/edits", h2.documents, number);
    return write_answer(path, pictures[number].data, pictures[number].size);
}

static int prepare_all(void **state) {
    const char *program = find_program();
    int i;
    (void)state;
    if (!program)
        why_not = "nghttpd isn't here (Debian's package is nghttp2-server)";
    else if (!(curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_HTTP2))
        why_not = "libcurl lacks HTTP/2";
    if (why_not) {
        print_message("test_http2: skipped: %s\n", why_not);
        return 0;
    }
    if (server_start_tls() != 0 || start_h2(program) != 0) return -1;
    for (i = 0; i < JOBS; i++) {
        if (prepare_job(i) != 0) return -1;
    }
    return 0;
}

static int release_all(void **state) {
    int i;
    for (i = 0; i < JOBS; i++) free(pictures[i].data);
    stop_h2();
    return server_teardown(state);
}

/* ---- a client whose connections are counted ------------------------------------------------------------ */

static int opened;

static curl_socket_t count_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address) {
    (void)data;
    (void)purpose;
    opened++;
    return socket(address->family, address->socktype, address->protocol);
}

static void count_sockets(void *easy, void *user_data) {
    (void)user_data;
    curl_easy_setopt((CURL *)easy, CURLOPT_OPENSOCKETFUNCTION, count_socket);
}

static tarash_image_job jobs[JOBS];
static tarash_image_response responses[JOBS];

static int set_up_h2(void **state) {
    tarash_image_client_desc desc;
    if (why_not) return 0;
    if (set_up(state) != 0) return -1;
    tarash_image_client_destroy(b.client);
    memset(&desc, 0, sizeof desc);
    desc.logger = log_collector_functions(&b.lines, TARASH_IMAGE_LOG_DEBUG);
    desc.ca_file = server_ca_file();
    desc.proxy = "";
    desc.curl_hook_fn = count_sockets;
    b.client = tarash_image_client_create(&desc);
    opened = 0;
    return b.client ? 0 : -1;
}

static int tear_down_h2(void **state) {
    int i;
    for (i = 0; i < JOBS; i++) tarash_image_response_free(&responses[i]);
    return why_not ? 0 : tear_down(state);
}

#define SKIP_WITHOUT_HTTP2()                                                                                 \
    do {                                                                                                     \
        if (why_not) {                                                                                       \
            skip();                                                                                          \
            return;                                                                                          \
        }                                                                                                    \
    } while (0)

/* `origin` as "https://HOST:PORT/x"; each job has its own place below it. */
static void submit_all(const char *origin, int count) {
    char url[256];
    int i;
    for (i = 0; i < count; i++) {
        snprintf(url, sizeof url, "%s/job-%d", origin, i);
        use("openai_compatible", "");
        b.config.model = "m";
        b.config.base_url = url;
        jobs[i] = tarash_image_submit(b.client, &b.config, &b.request);
        assert_int_not_equal(jobs[i].id, 0);
    }
}

static void finish_all(int count) {
    int i;
    while (tarash_image_poll(b.client, 1000) > 0) continue;
    for (i = 0; i < count; i++) {
        tarash_image_response_free(&responses[i]);
        (void)tarash_image_take(b.client, jobs[i], &responses[i]);
    }
}

static void expect_job(int number) {
    const tarash_image_response *response = &responses[number];
    if (response->error.result != TARASH_IMAGE_OK) fail_msg("job %d: %s", number, response->error.message);
    assert_int_equal(response->image_count, 1);
    assert_int_equal(response->images[0].size, pictures[number].size);
    assert_memory_equal(response->images[0].data, pictures[number].data, pictures[number].size);
    assert_int_equal(response->images[0].width, 24);
    assert_int_equal(response->images[0].height, 16);
}

static const char *h2_origin(void) {
    static char origin[64];
    snprintf(origin, sizeof origin, "https://127.0.0.1:%d", h2.port);
    return origin;
}

static void expect_all(int count) {
    int i;
    for (i = 0; i < count; i++) expect_job(i);
}

/* ---- tests --------------------------------------------------------------------------------------------- */

static void many_jobs_share_one_connection(void **state) {
    (void)state;
    SKIP_WITHOUT_HTTP2();
    submit_all(h2_origin(), JOBS);
    assert_int_equal(b.client->running, JOBS); /* all of them at once */
    finish_all(JOBS);
    expect_all(JOBS);
    assert_int_equal(opened, 1);
}

static void later_jobs_use_it_as_well(void **state) {
    int round;
    (void)state;
    SKIP_WITHOUT_HTTP2();
    for (round = 0; round < 3; round++) {
        submit_all(h2_origin(), 8);
        finish_all(8);
        expect_all(8);
    }
    assert_int_equal(opened, 1);
}

/* Bodies that are read while they are sent, beside each other. */
static void many_uploads_share_one_connection(void **state) {
    static unsigned char bytes[UPLOAD_SIZE];
    tarash_image_input image[1];
    (void)state;
    SKIP_WITHOUT_HTTP2();
    memcpy(bytes, tiny_png, tiny_png_size); /* what stands behind a picture's end counts for nothing */
    memset(image, 0, sizeof image);
    memory_input(image, bytes, sizeof bytes);
    b.request.images = image;
    b.request.image_count = 1;
    submit_all(h2_origin(), UPLOADS);
    finish_all(UPLOADS);
    expect_all(UPLOADS);
    assert_int_equal(opened, 1);
}

/* A stream that fails, and one that is given up, leave the others alone. */
static void other_streams_go_on(void **state) {
    char url[256];
    int i, is_running;
    (void)state;
    SKIP_WITHOUT_HTTP2();
    submit_all(h2_origin(), 16);
    snprintf(url, sizeof url, "%s/nowhere", h2_origin());
    b.config.base_url = url;
    jobs[16] = tarash_image_submit(b.client, &b.config, &b.request);
    (void)tarash_image_poll(b.client, 0);
    is_running = tarash_image_job_status(b.client, jobs[3], NULL) < TARASH_IMAGE_STATUS_COMPLETED;
    tarash_image_cancel(b.client, jobs[3]);
    finish_all(17);
    for (i = 0; i < 16; i++) {
        if (i != 3 || !is_running) expect_job(i); /* it may have come to its end before */
    }
    if (is_running) assert_int_equal(responses[3].error.result, TARASH_IMAGE_ERROR_CANCELLED);
    assert_int_equal(responses[16].error.http_status, 404);
    assert_int_equal(opened, 1);
    submit_all(h2_origin(), 4); /* the connection is as good as before */
    finish_all(4);
    expect_all(4);
    assert_int_equal(opened, 1);
}

/* Two clients share nothing. */
static void each_client_has_its_own(void **state) {
    (void)state;
    SKIP_WITHOUT_HTTP2();
    submit_all(h2_origin(), 2);
    finish_all(2);
    assert_int_equal(opened, 1);
    tear_down(state);
    assert_int_equal(set_up_h2(state), 0);
    submit_all(h2_origin(), 2);
    finish_all(2);
    expect_all(2);
    assert_int_equal(opened, 1);
}

/* The count counts: a server of HTTP/1.1 has a connection for each of the jobs that run beside each other. */
static void without_it_each_job_has_its_own(void **state) {
    char origin[256];
    int i;
    (void)state;
    SKIP_WITHOUT_HTTP2();
    server_tls_url(origin, sizeof origin, b.session, "compatible/v1");
    script("[{\"delay_ms\": 100, \"times\": -1, \"status\": 404}]");
    submit_all(origin, 8);
    finish_all(8);
    for (i = 0; i < 8; i++) assert_int_equal(responses[i].error.http_status, 404);
    assert_true(opened > 1);
}

#define H2_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_h2, tear_down_h2)

int main(void) {
    const struct CMUnitTest tests[] = {
        H2_TEST(many_jobs_share_one_connection),    H2_TEST(later_jobs_use_it_as_well),
        H2_TEST(many_uploads_share_one_connection), H2_TEST(other_streams_go_on),
        H2_TEST(each_client_has_its_own),           H2_TEST(without_it_each_job_has_its_own),
    };
    atexit(stop_h2);
    return cmocka_run_group_tests(tests, prepare_all, release_all);
}
