#define _POSIX_C_SOURCE 200809L
#define _DARWIN_C_SOURCE

#include "support.h"

#include <curl/curl.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>

#ifndef TESTS_DIR
#define TESTS_DIR "tests"
#endif

enum { PATH_SIZE = 1024, START_MS = 15000, STOP_MS = 5000, STEP_MS = 5, CONTROL_SECONDS = 60 };

static int complain(const char *what, const char *detail) {
    fprintf(stderr, "support: %s: %s\n", what, detail);
    return -1;
}

static void pause_ms(int milliseconds) {
    struct timespec duration;
    duration.tv_sec = milliseconds / 1000;
    duration.tv_nsec = (long)(milliseconds % 1000) * 1000000L;
    while (nanosleep(&duration, &duration) != 0 && errno == EINTR) continue;
}

/* ---- text that grows ----------------------------------------------------------------------------------- */

typedef struct growing_text {
    char *data;
    size_t size;
} growing_text;

static int append(growing_text *text, const void *data, size_t size) {
    char *grown = (char *)realloc(text->data, text->size + size + 1);
    if (!grown) return -1;
    if (size) memcpy(grown + text->size, data, size);
    text->data = grown;
    text->size += size;
    grown[text->size] = '\0';
    return 0;
}

/* ---- files --------------------------------------------------------------------------------------------- */

void *read_whole_file(const char *path, size_t *size) {
    growing_text text = {NULL, 0};
    char piece[16384];
    size_t count;
    FILE *file = fopen(path, "rb");
    if (!file) {
        complain(path, strerror(errno));
        return NULL;
    }
    append(&text, "", 0);
    while ((count = fread(piece, 1, sizeof piece, file)) > 0) append(&text, piece, count);
    fclose(file);
    if (size) *size = text.size;
    return text.data;
}

int write_whole_file(const char *path, const void *data, size_t size) {
    FILE *file = fopen(path, "wb");
    size_t written;
    if (!file) return complain(path, strerror(errno));
    written = size ? fwrite(data, 1, size, file) : 0;
    if (fclose(file) != 0 || written != size) return complain(path, "could not be written");
    return 0;
}

int file_exists(const char *path) {
    struct stat status;
    return stat(path, &status) == 0;
}

static int is_dots(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int directory_count(const char *path) {
    struct dirent *entry;
    int count = 0;
    DIR *directory = opendir(path);
    if (!directory) return complain(path, strerror(errno));
    while ((entry = readdir(directory)) != NULL) count += !is_dots(entry->d_name);
    closedir(directory);
    return count;
}

static void remove_tree(const char *path) {
    struct dirent *entry;
    char inner[PATH_SIZE];
    DIR *directory;
    if (unlink(path) == 0) return;
    directory = opendir(path);
    if (!directory) return;
    while ((entry = readdir(directory)) != NULL) {
        if (is_dots(entry->d_name)) continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        remove_tree(inner);
    }
    closedir(directory);
    rmdir(path);
}

static char temporary[PATH_SIZE];
static pid_t temporary_owner;

static void remove_temporary(void) {
    /* A forked child that exits must leave its parent's files alone. */
    if (temporary[0] && getpid() == temporary_owner) remove_tree(temporary);
}

const char *temporary_directory(void) {
    const char *base = getenv("TMPDIR");
    if (temporary[0]) return temporary;
    snprintf(temporary, sizeof temporary, "%s/tarash_test_XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(temporary)) {
        complain(temporary, strerror(errno));
        abort();
    }
    temporary_owner = getpid();
    atexit(remove_temporary);
    return temporary;
}

const char *temporary_path(char *buffer, size_t size, const char *name) {
    snprintf(buffer, size, "%s/%s", temporary_directory(), name);
    return buffer;
}

/* ---- running programs ---------------------------------------------------------------------------------- */

static void be_quiet(void) {
    int nowhere = open("/dev/null", O_RDWR);
    dup2(nowhere, 1);
    dup2(nowhere, 2);
}

static int run_quietly(const char *const *arguments) {
    int status;
    pid_t child = fork();
    if (child < 0) return -1;
    if (child == 0) {
        be_quiet();
        execvp(arguments[0], (char *const *)arguments);
        _exit(127);
    }
    if (waitpid(child, &status, 0) != child) return -1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* ---- the server ---------------------------------------------------------------------------------------- */

static struct {
    pid_t process;
    int input; /* the server ends when this is closed, so also when this process dies */
    int api_port;
    int files_port;
    int tls_port;
    char certificate[PATH_SIZE];
    char key[PATH_SIZE];
} server;

static void find_server(char *path, size_t size) {
    const char *directory = getenv("TESTS_DIR");
    snprintf(path, size, "%s/server/server.py", directory && *directory ? directory : TESTS_DIR);
}

static int make_certificate(void) {
    const char *arguments[] = {"openssl",
                               "req",
                               "-x509",
                               "-newkey",
                               "ec",
                               "-pkeyopt",
                               "ec_paramgen_curve:P-256",
                               "-nodes",
                               "-days",
                               "2",
                               "-subj",
                               "/CN=localhost",
                               "-addext",
                               "subjectAltName=DNS:localhost,IP:127.0.0.1",
                               "-keyout",
                               server.key,
                               "-out",
                               server.certificate,
                               NULL};
    temporary_path(server.certificate, sizeof server.certificate, "certificate.pem");
    temporary_path(server.key, sizeof server.key, "key.pem");
    return run_quietly(arguments) == 0 ? 0 : complain("openssl", "made no certificate");
}

static int launch(const char *ports_file, int tls) {
    const char *python = getenv("PYTHON");
    char script[PATH_SIZE];
    const char *arguments[] = {python && *python ? python : "python3",
                               script,
                               "--ports-file",
                               ports_file,
                               tls ? "--tls" : NULL,
                               server.certificate,
                               server.key,
                               NULL};
    int ends[2];
    find_server(script, sizeof script);
    if (!file_exists(script)) return complain(script, "not found; set TESTS_DIR");
    if (pipe(ends) != 0) return complain("pipe", strerror(errno));
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    server.process = fork();
    if (server.process == 0) {
        dup2(ends[0], 0);
        if (ends[0] != 0) close(ends[0]);
        execvp(arguments[0], (char *const *)arguments);
        _exit(127);
    }
    close(ends[0]);
    server.input = ends[1];
    return server.process > 0 ? 0 : complain("fork", strerror(errno));
}

static int port_of(const cJSON *ports, const char *origin) {
    const cJSON *port = cJSON_GetObjectItemCaseSensitive(ports, origin);
    return port ? port->valueint : 0;
}

static int read_ports(const char *ports_file) {
    char *text = (char *)read_whole_file(ports_file, NULL);
    cJSON *ports = cJSON_Parse(text);
    free(text);
    server.api_port = port_of(ports, "api");
    server.files_port = port_of(ports, "files");
    server.tls_port = port_of(ports, "tls");
    cJSON_Delete(ports);
    return server.api_port && server.files_port ? 0 : complain(ports_file, "holds no ports");
}

static int wait_for_ports(const char *ports_file) {
    int waited;
    for (waited = 0; waited < START_MS; waited += STEP_MS) {
        if (file_exists(ports_file)) return read_ports(ports_file);
        if (waitpid(server.process, NULL, WNOHANG) == server.process) {
            server.process = 0;
            return complain("server.py", "ended at once");
        }
        pause_ms(STEP_MS);
    }
    return complain("server.py", "didn't start in time");
}

static int start(int tls) {
    char ports_file[PATH_SIZE];
    if (server.process && (server.tls_port || !tls)) return 0;
    server_stop();
    temporary_path(ports_file, sizeof ports_file, "ports.json");
    unlink(ports_file);
    if (tls && make_certificate() != 0) return -1;
    if (launch(ports_file, tls) == 0 && wait_for_ports(ports_file) == 0) return 0;
    server_stop();
    return -1;
}

int server_start(void) {
    return start(0);
}

int server_start_tls(void) {
    return start(1);
}

static int has_ended(void) {
    int waited;
    for (waited = 0; waited < STOP_MS; waited += STEP_MS) {
        if (waitpid(server.process, NULL, WNOHANG) != 0) return 1;
        pause_ms(STEP_MS);
    }
    return 0;
}

void server_stop(void) {
    if (server.input > 0) close(server.input);
    if (server.process > 0 && !has_ended()) {
        kill(server.process, SIGKILL);
        waitpid(server.process, NULL, 0);
    }
    memset(&server, 0, sizeof server);
}

int server_setup(void **state) {
    (void)state;
    return server_start();
}

int server_setup_tls(void **state) {
    (void)state;
    return server_start_tls();
}

int server_teardown(void **state) {
    (void)state;
    server_stop();
    return 0;
}

static const char *write_url(char *buffer, size_t size, const char *scheme, int port, const char *kind,
                             const char *session, const char *rest) {
    if (*rest == '/') ++rest;
    snprintf(buffer, size, "%s://127.0.0.1:%d/%s/%s/%s", scheme, port, kind, session, rest);
    return buffer;
}

const char *server_api_url(char *buffer, size_t size, const char *session, const char *rest) {
    return write_url(buffer, size, "http", server.api_port, "s", session, rest);
}

const char *server_tls_url(char *buffer, size_t size, const char *session, const char *rest) {
    return write_url(buffer, size, "https", server.tls_port, "s", session, rest);
}

const char *server_files_url(char *buffer, size_t size, const char *session, const char *rest) {
    return write_url(buffer, size, "http", server.files_port, "f", session, rest);
}

const char *server_tls_files_url(char *buffer, size_t size, const char *session, const char *rest) {
    return write_url(buffer, size, "https", server.tls_port, "f", session, rest);
}

int server_api_port(void) {
    return server.api_port;
}

int server_files_port(void) {
    return server.files_port;
}

int server_tls_port(void) {
    return server.tls_port;
}

const char *server_ca_file(void) {
    return server.tls_port ? server.certificate : NULL;
}

int unused_port(void) {
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int found = -1;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0) return -1;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) == 0 &&
        getsockname(listener, (struct sockaddr *)&address, &length) == 0)
        found = ntohs(address.sin_port);
    close(listener);
    return found;
}

/* ---- HTTP of the tests' own ---------------------------------------------------------------------------- */

static size_t receive(char *data, size_t size, size_t count, void *text) {
    return append((growing_text *)text, data, size * count) == 0 ? size * count : 0;
}

/* NULL body = GET. Returns the HTTP status, 0 if there was none. */
static long exchange(const char *url, const char *body, growing_text *reply) {
    long status = 0;
    CURL *curl = curl_easy_init();
    if (!curl) return 0;
    append(reply, "", 0);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)CONTROL_SECONDS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
    if (server.tls_port) curl_easy_setopt(curl, CURLOPT_CAINFO, server.certificate);
    if (body) curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
    if (body) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    if (curl_easy_perform(curl) == CURLE_OK) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    return status;
}

void *fetch_url(const char *url, size_t *size) {
    growing_text reply = {NULL, 0};
    if (exchange(url, NULL, &reply) != 200) {
        complain(url, reply.data ? reply.data : "no answer");
        free(reply.data);
        return NULL;
    }
    if (size) *size = reply.size;
    return reply.data;
}

/* ---- control of a session ------------------------------------------------------------------------------ */

static cJSON *control(const char *session, const char *command, const char *body) {
    growing_text reply = {NULL, 0};
    cJSON *document = NULL;
    char url[PATH_SIZE];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/_control/%s/%s", server.api_port, session, command);
    if (exchange(url, body, &reply) == 200)
        document = cJSON_Parse(reply.data);
    else
        complain(command, reply.data && *reply.data ? reply.data : "no answer");
    free(reply.data);
    return document;
}

static int control_ok(const char *session, const char *command, const char *body) {
    cJSON *document = control(session, command, body);
    cJSON_Delete(document);
    return document ? 0 : -1;
}

static int control_count(const char *session, const char *command) {
    cJSON *document = control(session, command, NULL);
    int count = document ? cJSON_GetArraySize(document) : -1;
    cJSON_Delete(document);
    return count;
}

int control_script(const char *session, const char *json) {
    return control_ok(session, "script", json);
}

int control_scriptf(const char *session, const char *format, ...) {
    va_list arguments;
    int length, result;
    char *json;
    va_start(arguments, format);
    length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    json = length < 0 ? NULL : (char *)malloc((size_t)length + 1);
    if (!json) return complain("script", "out of memory");
    va_start(arguments, format);
    vsnprintf(json, (size_t)length + 1, format, arguments);
    va_end(arguments);
    result = control_script(session, json);
    free(json);
    return result;
}

int control_reset(const char *session) {
    return control_ok(session, "reset", "");
}

cJSON *control_log(const char *session) {
    return control(session, "log", NULL);
}

int control_posts(const char *session) {
    cJSON *document = control(session, "posts", NULL);
    const cJSON *posts = cJSON_GetObjectItemCaseSensitive(document, "posts");
    int count = posts ? posts->valueint : -1;
    cJSON_Delete(document);
    return count;
}

int control_leaks(const char *session) {
    return control_count(session, "leaks");
}

int control_left(const char *session) {
    return control_count(session, "script");
}

int control_wait(const char *session, int requests, int posts, int departures, int timeout_ms) {
    char command[160];
    cJSON *document;
    int satisfied;
    snprintf(command, sizeof command, "wait?requests=%d&posts=%d&departures=%d&timeout_ms=%d", requests,
             posts, departures, timeout_ms);
    document = control(session, command, NULL);
    satisfied = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(document, "satisfied")) ? 1 : 0;
    cJSON_Delete(document);
    return satisfied;
}

/* ---- looking into a log -------------------------------------------------------------------------------- */

const cJSON *log_entry(const cJSON *log, int number) {
    return cJSON_GetArrayItem(log, number < 0 ? number + cJSON_GetArraySize(log) : number);
}

/* The next header of that name behind `after`, or the first one. */
static const cJSON *next_header(const cJSON *entry, const char *name, const cJSON *after) {
    const cJSON *headers = cJSON_GetObjectItemCaseSensitive(entry, "headers");
    const cJSON *header = after ? after->next : headers ? headers->child : NULL;
    while (header && strcasecmp(header->child->valuestring, name) != 0) header = header->next;
    return header;
}

const char *log_header(const cJSON *entry, const char *name) {
    const cJSON *header = next_header(entry, name, NULL);
    return header ? header->child->next->valuestring : NULL;
}

int log_header_count(const cJSON *entry, const char *name) {
    const cJSON *header = NULL;
    int count = 0;
    while ((header = next_header(entry, name, header)) != NULL) ++count;
    return count;
}

static const cJSON *member(const cJSON *value, const char **path) {
    char name[128];
    size_t length = strcspn(*path, ".[");
    if (length >= sizeof name) return NULL;
    memcpy(name, *path, length);
    name[length] = '\0';
    *path += length;
    return cJSON_GetObjectItemCaseSensitive(value, name);
}

static const cJSON *element(const cJSON *value, const char **path) {
    char *end;
    long place = strtol(*path + 1, &end, 10);
    *path = *end == ']' ? end + 1 : end;
    return cJSON_GetArrayItem(value, (int)place);
}

const cJSON *log_at(const cJSON *entry, const char *path) {
    while (entry && *path) {
        if (*path == '.') ++path;
        entry = *path == '[' ? element(entry, &path) : member(entry, &path);
    }
    return entry;
}

const char *log_text(const cJSON *entry, const char *path) {
    return cJSON_GetStringValue((cJSON *)log_at(entry, path));
}

double log_number(const cJSON *entry, const char *path) {
    const cJSON *value = log_at(entry, path);
    if (cJSON_IsBool(value)) return cJSON_IsTrue(value) ? 1 : 0;
    return cJSON_IsNumber(value) ? value->valuedouble : -1;
}

static int is_part_of_name(const cJSON *part, const char *name) {
    const char *its_name = log_text(part, "name");
    return its_name && strcmp(its_name, name) == 0;
}

const cJSON *log_part(const cJSON *entry, const char *name, int number) {
    const cJSON *part;
    cJSON_ArrayForEach(part, cJSON_GetObjectItemCaseSensitive(entry, "parts")) {
        if (is_part_of_name(part, name) && number-- == 0) return part;
    }
    return NULL;
}

int log_part_count(const cJSON *entry, const char *name) {
    int count = 0;
    while (log_part(entry, name, count)) ++count;
    return count;
}

int log_same_bytes(const cJSON *described, const void *data, size_t size) {
    const char *their = log_text(described, "sha256");
    char our[65];
    sha256_hex(data, size, our);
    return their && log_number(described, "size") == (double)size && strcmp(their, our) == 0;
}

static int is_request(const cJSON *entry, const char *method, const char *path_contains) {
    const char *its_method = log_text(entry, "method");
    const char *its_path = log_text(entry, "path");
    if (method && (!its_method || strcmp(its_method, method) != 0)) return 0;
    return !path_contains || (its_path && strstr(its_path, path_contains));
}

int log_count(const cJSON *log, const char *method, const char *path_contains) {
    const cJSON *entry;
    int count = 0;
    cJSON_ArrayForEach(entry, log) {
        count += is_request(entry, method, path_contains);
    }
    return count;
}

int log_contains(const cJSON *log, const char *text) {
    const cJSON *item;
    if (cJSON_IsString(log)) return strstr(log->valuestring, text) != NULL;
    cJSON_ArrayForEach(item, log) {
        if ((item->string && strstr(item->string, text)) || log_contains(item, text)) return 1;
    }
    return 0;
}

/* ---- SHA-256 ------------------------------------------------------------------------------------------- */

static uint32_t rotate(uint32_t word, int bits) {
    return word >> bits | word << (32 - bits);
}

static const uint32_t sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static void sha256_schedule(uint32_t words[64], const unsigned char block[64]) {
    int i;
    for (i = 0; i < 16; ++i) {
        const unsigned char *bytes = block + 4 * i;
        words[i] = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    }
    for (; i < 64; ++i) {
        uint32_t early = words[i - 15], late = words[i - 2];
        words[i] = words[i - 16] + (rotate(early, 7) ^ rotate(early, 18) ^ early >> 3) + words[i - 7] +
                   (rotate(late, 17) ^ rotate(late, 19) ^ late >> 10);
    }
}

static void sha256_block(uint32_t state[8], const unsigned char block[64]) {
    uint32_t words[64], s[8];
    int i;
    sha256_schedule(words, block);
    memcpy(s, state, sizeof s);
    for (i = 0; i < 64; ++i) {
        uint32_t first = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) +
                         ((s[4] & s[5]) ^ (~s[4] & s[6])) + sha256_constants[i] + words[i];
        uint32_t second = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) +
                          ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += first;
        s[0] = first + second;
    }
    for (i = 0; i < 8; ++i) state[i] += s[i];
}

/* The last one or two blocks: the rest of the data, a one bit, zeros, and the length in bits. */
static void sha256_finish(uint32_t state[8], const unsigned char *rest, size_t size, size_t total) {
    unsigned char block[128] = {0};
    size_t length = size < 56 ? 64 : 128;
    uint64_t bits = (uint64_t)total * 8;
    int i;
    if (size) memcpy(block, rest, size);
    block[size] = 0x80;
    for (i = 0; i < 8; ++i) block[length - 1 - (size_t)i] = (unsigned char)(bits >> (8 * i));
    sha256_block(state, block);
    if (length == 128) sha256_block(state, block + 64);
}

void sha256_hex(const void *data, size_t size, char hex[65]) {
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const unsigned char *bytes = (const unsigned char *)data;
    size_t done = 0;
    int i;
    for (; size - done >= 64; done += 64) sha256_block(state, bytes + done);
    sha256_finish(state, bytes ? bytes + done : NULL, size - done, size);
    for (i = 0; i < 8; ++i) snprintf(hex + 8 * i, 9, "%08lx", (unsigned long)state[i]);
}

/* ---- allocator ----------------------------------------------------------------------------------------- */

typedef struct block {
    size_t size;
    counting_allocator *owner;
} block;

enum { BLOCK_HEAD = 32 }; /* keeps the alignment of malloc */

static void broken(const char *what) {
    fprintf(stderr, "counting_allocator: %s\n", what);
    abort();
}

static block *block_of(void *pointer, const counting_allocator *owner) {
    block *found = (block *)((char *)pointer - BLOCK_HEAD);
    if (found->owner != owner) broken("memory of somebody else, or released before");
    return found;
}

static int refuses(counting_allocator *allocator, size_t size) {
    size_t number = ++allocator->calls;
    size_t at = allocator->fail_at;
    int refused = at && (allocator->fail_from_then_on ? number >= at : number == at);
    if (allocator->limit_bytes && allocator->live_bytes + size > allocator->limit_bytes) refused = 1;
    if (size > allocator->largest) allocator->largest = size;
    allocator->failures += refused ? 1 : 0;
    return refused;
}

static void *allocate(counting_allocator *allocator, size_t size) {
    /* Zeroed where it will be searched: what was never written can hold no secret. */
    char *memory = (char *)(allocator->secret ? calloc(1, BLOCK_HEAD + size) : malloc(BLOCK_HEAD + size));
    block *made = (block *)memory;
    if (!memory) return NULL;
    made->size = size;
    made->owner = allocator;
    allocator->live_blocks += 1;
    allocator->live_bytes += size;
    if (allocator->live_bytes > allocator->peak_bytes) allocator->peak_bytes = allocator->live_bytes;
    if (allocator->fill) memset(memory + BLOCK_HEAD, 0xA5, size);
    return memory + BLOCK_HEAD;
}

static int holds(const char *memory, size_t size, const char *secret) {
    size_t length = strlen(secret), i;
    for (i = 0; i + length <= size; ++i) {
        if (memory[i] == secret[0] && memcmp(memory + i, secret, length) == 0) return 1;
    }
    return 0;
}

static void release(counting_allocator *allocator, block *unwanted) {
    char *memory = (char *)unwanted + BLOCK_HEAD;
    if (allocator->secret && holds(memory, unwanted->size, allocator->secret)) allocator->secrets_found += 1;
    allocator->live_blocks -= 1;
    allocator->live_bytes -= unwanted->size;
    unwanted->owner = NULL;
    free(unwanted);
}

static void *counting_alloc(size_t size, void *user_data) {
    counting_allocator *allocator = (counting_allocator *)user_data;
    return refuses(allocator, size) ? NULL : allocate(allocator, size);
}

static void *counting_realloc(void *pointer, size_t old_size, size_t new_size, void *user_data) {
    counting_allocator *allocator = (counting_allocator *)user_data;
    block *old = pointer ? block_of(pointer, allocator) : NULL;
    void *moved;
    if (old_size != (old ? old->size : 0)) broken("resized with a wrong old_size");
    if (refuses(allocator, new_size)) return NULL;
    moved = allocate(allocator, new_size);
    if (!moved || !old) return moved;
    memcpy(moved, pointer, old_size < new_size ? old_size : new_size);
    release(allocator, old);
    return moved;
}

static void counting_free(void *pointer, void *user_data) {
    counting_allocator *allocator = (counting_allocator *)user_data;
    if (!pointer) broken("NULL was released");
    release(allocator, block_of(pointer, allocator));
}

tarash_image_allocator counting_allocator_functions(counting_allocator *allocator) {
    tarash_image_allocator functions;
    functions.alloc_fn = counting_alloc;
    functions.realloc_fn = counting_realloc;
    functions.free_fn = counting_free;
    functions.user_data = allocator;
    return functions;
}

/* ---- log collector ------------------------------------------------------------------------------------- */

static void collect(tarash_image_log_level level, const char *message, void *user_data) {
    static const char *const names[] = {"DEBUG ", "INFO ", "WARNING ", "ERROR "};
    log_collector *collector = (log_collector *)user_data;
    growing_text text;
    text.data = collector->text;
    text.size = collector->size;
    append(&text, names[level], strlen(names[level]));
    append(&text, message, strlen(message));
    append(&text, "\n", 1);
    collector->text = text.data;
    collector->size = text.size;
    collector->count[level] += 1;
}

tarash_image_logger log_collector_functions(log_collector *collector, tarash_image_log_level level) {
    tarash_image_logger logger;
    logger.log_fn = collect;
    logger.user_data = collector;
    logger.level = level;
    return logger;
}

int log_collector_contains(const log_collector *collector, const char *text) {
    return collector->text && strstr(collector->text, text) ? 1 : 0;
}

void log_collector_clear(log_collector *collector) {
    free(collector->text);
    memset(collector, 0, sizeof *collector);
}

/* ---- clock --------------------------------------------------------------------------------------------- */

static int64_t read_clock(void *user_data) {
    fake_clock *clock = (fake_clock *)user_data;
    clock->readings += 1;
    clock->now_ms += clock->step_ms;
    return clock->now_ms;
}

tarash_image_clock fake_clock_functions(fake_clock *clock) {
    tarash_image_clock functions;
    functions.now_ms_fn = read_clock;
    functions.user_data = clock;
    return functions;
}

/* ---- images -------------------------------------------------------------------------------------------- */

const unsigned char tiny_png[] = {
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
    0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x04, 0x08, 0x02, 0x00, 0x00, 0x00, 0x26, 0x93, 0x09, 0x29, 0x00,
    0x00, 0x00, 0x18, 0x49, 0x44, 0x41, 0x54, 0x78, 0x01, 0x63, 0xb0, 0x35, 0x13, 0x03, 0xa2, 0xfb, 0x02,
    0x7f, 0x81, 0x88, 0x89, 0x01, 0x09, 0xe0, 0xe6, 0x00, 0x00, 0xd8, 0x27, 0x04, 0xf1, 0xa3, 0xfc, 0x6b,
    0xea, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
};
const size_t tiny_png_size = sizeof tiny_png;

const unsigned char tiny_mask_png[] = {
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44,
    0x52, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x04, 0x08, 0x06, 0x00, 0x00, 0x00, 0xa9,
    0xf1, 0x9e, 0x7e, 0x00, 0x00, 0x00, 0x10, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x60,
    0x40, 0x80, 0xff, 0x50, 0x4c, 0xaa, 0x00, 0x00, 0xe3, 0x60, 0x07, 0xf9, 0xb1, 0x59, 0xa9,
    0x01, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
};
const size_t tiny_mask_png_size = sizeof tiny_mask_png;

const unsigned char tiny_jpeg[] = {
    0xff, 0xd8, 0xff, 0xe0, 0x00, 0x10, 0x4a, 0x46, 0x49, 0x46, 0x00, 0x01, 0x01, 0x00, 0x00, 0x01, 0x00,
    0x01, 0x00, 0x00, 0xff, 0xdb, 0x00, 0x43, 0x00, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08,
    0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08,
    0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08,
    0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08,
    0x08, 0x08, 0x08, 0x08, 0xff, 0xc0, 0x00, 0x0b, 0x08, 0x00, 0x04, 0x00, 0x04, 0x01, 0x01, 0x11, 0x00,
    0xff, 0xc4, 0x00, 0x15, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x07, 0xff, 0xc4, 0x00, 0x14, 0x10, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xda, 0x00, 0x08, 0x01, 0x01,
    0x00, 0x00, 0x3f, 0x00, 0x8f, 0x3f, 0xff, 0xd9,
};
const size_t tiny_jpeg_size = sizeof tiny_jpeg;

const unsigned char tiny_webp[] = {
    0x52, 0x49, 0x46, 0x46, 0x18, 0x00, 0x00, 0x00, 0x57, 0x45, 0x42, 0x50, 0x56, 0x50, 0x38, 0x4c,
    0x0c, 0x00, 0x00, 0x00, 0x2f, 0x03, 0xc0, 0x00, 0x00, 0xa8, 0x4d, 0x7b, 0x6a, 0xd1, 0xff, 0x00,
};
const size_t tiny_webp_size = sizeof tiny_webp;
