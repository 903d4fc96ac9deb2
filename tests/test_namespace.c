/* Addresses that no reply may lead to: private, link-local and loopback ones, however they are written, named or reached.
   A network of this program's own has only a loopback device, which is given public and private addresses alike; a small
   server listens on all of them and tells which were connected to. Where such a network isn't allowed, nothing is tested,
   and that is said. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "scene.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#if defined(__linux__)

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>

#define KEY "sk-namespace-0123456789"

/* Reserved for documentation: should one packet get out all the same, nobody is there. */
#define PUBLIC  "203.0.113.7"
#define PUBLIC6 "2001:db8::7"

static const char *const addresses[] = {PUBLIC,       PUBLIC6,           "198.51.100.7",     "10.1.2.3",
                                        "172.16.5.5", "192.168.7.7",     "169.254.169.254",  "100.64.0.9",
                                        "198.18.0.9", "192.0.0.9",       "fd12:3456::7",     "fe80::7",
                                        "fec0::7",    "2002:a01:203::1", "64:ff9b::a01:203", "64:ff9b:1::7",
                                        "::10.1.2.3"};

static const char *no_network; /* why there is none */

/* ---- the network --------------------------------------------------------------------------------------- */

static int write_text(const char *path, const char *text) {
    int file = open(path, O_WRONLY), good;
    if (file < 0) return 0;
    good = write(file, text, strlen(text)) == (ssize_t)strlen(text);
    close(file);
    return good;
}

/* As a user who may do that only within a namespace of users, or as one who may do it anyway. */
static int enter_network(void) {
    char map[64];
    unsigned user = (unsigned)getuid(), group = (unsigned)getgid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return unshare(CLONE_NEWNET) == 0;
    (void)write_text("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", user);
    if (!write_text("/proc/self/uid_map", map)) return 0;
    snprintf(map, sizeof map, "0 %u 1", group);
    return write_text("/proc/self/gid_map", map);
}

static int raise_loopback(void) {
    struct ifreq request;
    int any = socket(AF_INET, SOCK_DGRAM, 0), good;
    memset(&request, 0, sizeof request);
    strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    good = any >= 0 && ioctl(any, SIOCSIFFLAGS, &request) == 0;
    if (any >= 0) close(any);
    return good;
}

/* ip address add TEXT dev lo */
static int add_address(const char *text) {
    struct {
        struct nlmsghdr head;
        struct ifaddrmsg message;
        char room[64];
    } request;
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        char room[512];
    } answer;
    struct rtattr attribute;
    unsigned char bytes[16];
    int family = strchr(text, ':') ? AF_INET6 : AF_INET, link, good;
    size_t size = family == AF_INET ? 4 : 16;
    if (inet_pton(family, text, bytes) != 1) return 0;
    memset(&request, 0, sizeof request);
    memset(&answer, 0, sizeof answer);
    request.head.nlmsg_len = (unsigned)(NLMSG_LENGTH(sizeof request.message) + RTA_LENGTH(size));
    request.head.nlmsg_type = RTM_NEWADDR;
    request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
    request.message.ifa_family = (unsigned char)family;
    request.message.ifa_prefixlen = (unsigned char)(size * 8);
    request.message.ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0;
    request.message.ifa_index = if_nametoindex("lo");
    attribute.rta_type = IFA_LOCAL;
    attribute.rta_len = (unsigned short)RTA_LENGTH(size);
    memcpy(request.room, &attribute, sizeof attribute);
    memcpy(request.room + RTA_LENGTH(0), bytes, size);
    link = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    good = link >= 0 && send(link, &request, request.head.nlmsg_len, 0) > 0 &&
           recv(link, &answer, sizeof answer, 0) > 0 && answer.head.nlmsg_type == NLMSG_ERROR &&
           (answer.error.error == 0 || answer.error.error == -EEXIST);
    if (link >= 0) close(link);
    return good;
}

/* ---- the server ---------------------------------------------------------------------------------------- */

enum { MOST_HITS = 256 };

typedef struct hit {
    char local[64]; /* the address that was connected to */
    char line[200]; /* of the request; empty: a connection */
    int has_key;
} hit;

/* Lies in memory that server and tests share. */
typedef struct exchange_log {
    char submit[2048];     /* answers every POST */
    char poll[2048];       /* every GET that's no picture */
    char location[2][400]; /* of /hop0 and /hop1 */
    unsigned count;
    hit hits[MOST_HITS];
} exchange_log;

static exchange_log *server;
static int server_port;
static pid_t server_process;

static hit *note_hit(int connection, const char *line) {
    struct sockaddr_in6 local;
    socklen_t size = sizeof local;
    char text[INET6_ADDRSTRLEN] = "?";
    unsigned number = __sync_fetch_and_add(&server->count, 1u);
    hit *h = &server->hits[number % MOST_HITS];
    memset(&local, 0, sizeof local);
    if (getsockname(connection, (struct sockaddr *)&local, &size) == 0)
        (void)inet_ntop(AF_INET6, &local.sin6_addr, text, sizeof text);
    snprintf(h->local, sizeof h->local, "%s", strncmp(text, "::ffff:", 7) == 0 ? text + 7 : text);
    snprintf(h->line, sizeof h->line, "%.*s", (int)strcspn(line, "\r\n"), line);
    h->has_key = strstr(line, KEY) != NULL;
    return h;
}

static int send_all(int connection, const void *data, size_t size) {
    const char *bytes = (const char *)data;
    while (size) {
        ssize_t sent = send(connection, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0) return 0;
        bytes += sent;
        size -= (size_t)sent;
    }
    return 1;
}

static int answer(int connection, const char *status, const char *type, const char *location,
                  const void *body, size_t size) {
    char head[1024];
    int length = snprintf(
        head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %u\r\n%s%s%s\r\n", status,
        type, (unsigned)size, location ? "Location: " : "", location ? location : "", location ? "\r\n" : "");
    return send_all(connection, head, (size_t)length) && send_all(connection, body, size);
}

/* Reads one request; 0 = there is none. */
static int read_request(int connection, char *request, size_t room) {
    size_t size = 0, wanted = 0;
    for (;;) {
        char *end;
        ssize_t got = recv(connection, request + size, room - 1 - size, 0);
        if (got <= 0) return 0;
        size += (size_t)got;
        request[size] = '\0';
        end = strstr(request, "\r\n\r\n");
        if (!end) continue;
        if (!wanted) {
            const char *length = strstr(request, "Content-Length: ");
            wanted = (size_t)(end + 4 - request) + (length && length < end ? (size_t)atoi(length + 16) : 0);
        }
        if (size >= wanted) return 1;
    }
}

static void serve(int connection) {
    static char request[65536];
    while (read_request(connection, request, sizeof request)) {
        const char *path = strchr(request, ' ') + 1, *hop = strstr(request, "/hop");
        int good;
        if (strncmp(path, "/barrier", 8) != 0) (void)note_hit(connection, request);
        if (strncmp(request, "POST", 4) == 0)
            good = answer(connection, "200 OK", "application/json", NULL, server->submit,
                          strlen(server->submit));
        else if (hop && hop == path)
            good = answer(connection, "302 Found", "text/plain", server->location[hop[4] == '1'], "", 0);
        else if (strncmp(path, "/pic", 4) == 0)
            good = answer(connection, "200 OK", "image/png", NULL, tiny_png, tiny_png_size);
        else
            good = answer(connection, "200 OK", "application/json", NULL, server->poll, strlen(server->poll));
        if (!good) return;
    }
}

static void accept_forever(int listener) {
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0) continue;
        (void)note_hit(connection, "");
        if (fork() == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            close(listener);
            serve(connection);
            _exit(0);
        }
        close(connection);
    }
}

static int start_server(void) {
    struct sockaddr_in6 all;
    socklen_t size = sizeof all;
    int listener = socket(AF_INET6, SOCK_STREAM, 0), off = 0;
    void *shared = mmap(NULL, sizeof *server, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(&all, 0, sizeof all);
    all.sin6_family = AF_INET6;
    if (shared == MAP_FAILED || listener < 0) return 0;
    server = (exchange_log *)shared;
    if (setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0 ||
        bind(listener, (struct sockaddr *)&all, sizeof all) != 0 || listen(listener, 64) != 0 ||
        getsockname(listener, (struct sockaddr *)&all, &size) != 0)
        return 0;
    server_port = ntohs(all.sin6_port);
    server_process = fork();
    if (server_process == 0) {
        (void)setpgid(0, 0);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        accept_forever(listener);
    }
    close(listener);
    return server_process > 0;
}

/* All connections that were made until now have been noted when this returns. */
static void wait_for_server(void) {
    struct sockaddr_in local;
    char text[256];
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    memset(&local, 0, sizeof local);
    local.sin_family = AF_INET;
    local.sin_port = htons((unsigned short)server_port);
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(connection, (struct sockaddr *)&local, sizeof local), 0);
    assert_true(send_all(connection, "GET /barrier HTTP/1.1\r\n\r\n", 25));
    assert_true(recv(connection, text, sizeof text, 0) > 0);
    close(connection);
}

/* How many connections and requests an address has seen; NULL = all private ones. */
static int hits_at(const char *address) {
    unsigned i, n = 0;
    wait_for_server();
    assert_true(server->count < MOST_HITS);
    for (i = 0; i < server->count; i++) {
        const char *local = server->hits[i].local;
        if (address ? strcmp(local, address) == 0
                    : strcmp(local, PUBLIC) != 0 && strcmp(local, PUBLIC6) != 0 &&
                          strcmp(local, "198.51.100.7") != 0)
            n++;
    }
    return (int)n - (address ? 0 : 1); /* our own connection */
}

static const hit *hit_of(const char *path) {
    unsigned i;
    for (i = 0; i < server->count; i++)
        if (strstr(server->hits[i].line, path)) return &server->hits[i];
    return NULL;
}

/* ---- one call ------------------------------------------------------------------------------------------ */

typedef struct call {
    char base_url[256];
    struct curl_slist *names;
    log_collector lines;
    counting_allocator memory;
    tarash_image_client_desc desc;
    tarash_image_client *client;
    tarash_image_config config;
    tarash_image_request request;
    tarash_image_response response;
} call;

static void use_names(void *easy, void *user_data) {
    (void)curl_easy_setopt((CURL *)easy, CURLOPT_RESOLVE, (struct curl_slist *)user_data);
}

/* A name that resolves to these addresses. */
static void add_name(call *c, const char *name, const char *resolved) {
    char entry[256];
    snprintf(entry, sizeof entry, "%s:%d:%s", name, server_port, resolved);
    c->names = curl_slist_append(c->names, entry);
    assert_non_null(c->names);
    c->desc.curl_hook_fn = use_names;
    c->desc.curl_hook_user_data = c->names;
}

static void call_open(call *c, const char *provider, const char *host) {
    memset(c, 0, sizeof *c);
    memset(server, 0, sizeof *server);
    snprintf(c->base_url, sizeof c->base_url, "http://%s:%d/v1", host, server_port);
    c->desc.allocator = counting_allocator_functions(&c->memory);
    c->desc.logger = log_collector_functions(&c->lines, TARASH_IMAGE_LOG_DEBUG);
    c->desc.proxy = "";
    c->config.provider = provider;
    c->config.api_key = KEY;
    c->config.base_url = c->base_url;
    c->config.timeout_ms = 5000;
    c->config.poll_interval_ms = 1;
    c->config.max_poll_attempts = 3;
    c->config.max_retries = TARASH_IMAGE_NO_RETRIES;
    c->config.retry.initial_ms = 1;
    c->request.prompt = "a lighthouse in fog";
}

static tarash_image_result call_run(call *c) {
    if (!c->client) c->client = tarash_image_client_create(&c->desc);
    assert_non_null(c->client);
    tarash_image_response_free(&c->response);
    return tarash_image_generate(c->client, &c->config, &c->request, &c->response);
}

static void call_close(call *c) {
    tarash_image_response_free(&c->response);
    tarash_image_client_destroy(c->client);
    assert_int_equal(c->memory.live_blocks, 0);
    assert_false(log_collector_contains(&c->lines, KEY));
    log_collector_clear(&c->lines);
    curl_slist_free_all(c->names);
}

#define RESULT_AT "{\"data\":[{\"url\":\"http://%s:%d%s\"}]}"

static void result_at(const char *host, const char *path) {
    snprintf(server->submit, sizeof server->submit, RESULT_AT, host, server_port, path);
}

static void redirect_to(int hop, const char *host, const char *path) {
    snprintf(server->location[hop], sizeof server->location[0], "http://%s:%d%s", host, server_port, path);
}

static void expect_refusal(const call *c, const char *what, tarash_image_result result) {
    if (result == TARASH_IMAGE_OK) fail_msg("%s: was fetched", what);
    if (hits_at(NULL)) fail_msg("%s: %s was connected to", what, server->hits[server->count - 2].local);
    if (result != TARASH_IMAGE_ERROR_BAD_RESPONSE)
        fail_msg("%s: %s: %s", what, tarash_image_result_name(result), c->response.error.message);
    assert_int_equal(c->response.error.delivery, TARASH_IMAGE_DELIVERY_ACCEPTED);
    assert_true(strstr(c->response.error.message, "private") || strstr(c->response.error.message, "valid") ||
                strstr(c->response.error.message, "must not be followed"));
}

/* ---- what is refused ----------------------------------------------------------------------------------- */

/* As a URL may write them. */
static const char *const private_hosts[] = {"127.0.0.1",
                                            "127.1",
                                            "127.255.255.254",
                                            "0x7f.1",
                                            "0177.0.0.1",
                                            "2130706433",
                                            "0.0.0.0",
                                            "0",
                                            "10.1.2.3",
                                            "10.1.2.3.",
                                            "0xa010203",
                                            "10.66051",
                                            "012.1.2.3",
                                            "172.16.5.5",
                                            "192.168.7.7",
                                            "169.254.169.254",
                                            "0xa9fea9fe",
                                            "100.64.0.9",
                                            "198.18.0.9",
                                            "192.0.0.9",
                                            "255.255.255.255",
                                            "224.0.0.1",
                                            "localhost",
                                            "LocalHost.",
                                            "pictures.localhost",
                                            "[::1]",
                                            "[0:0:0:0:0:0:0:1]",
                                            "[::]",
                                            "[::ffff:10.1.2.3]",
                                            "[::FFFF:a01:203]",
                                            "[0:0:0:0:0:ffff:7f00:1]",
                                            "[::10.1.2.3]",
                                            "[fd12:3456::7]",
                                            "[fe80::7]",
                                            "[fec0::7]",
                                            "[2002:a01:203::1]",
                                            "[64:ff9b::a01:203]",
                                            "[64:ff9b::10.1.2.3]",
                                            "[64:ff9b:1::7]",
                                            "[ff02::1]"};

/* Two readers might see different hosts in these. */
static const char *const odd_hosts[] = {"203.0.113.7@10.1.2.3",
                                        "10.1.2.3\\\\@203.0.113.7",
                                        "203.0.113.7:80@10.1.2.3",
                                        "[fe80::7%25lo]",
                                        "\xEF\xBC\x91\xEF\xBC\x90.1.2.3",
                                        "10\xE3\x80\x82"
                                        "1.2.3",
                                        "10.1.2.3%00.example",
                                        "%31%30.1.2.3",
                                        "[::1",
                                        "10.1.2.3#.example",
                                        "10.1.2.3?.example",
                                        " 10.1.2.3"};

static const char *const bases[] = {PUBLIC, "[" PUBLIC6 "]"};

/* A result there, and one that is redirected there. */
static void refuse_host(const char *host, const char *base, int is_redirected) {
    call c;
    call_open(&c, "openai", base);
    result_at(is_redirected ? base : host, is_redirected ? "/hop0" : "/pic.png");
    redirect_to(0, host, "/pic.png");
    expect_refusal(&c, host, call_run(&c));
    if ((hit_of("GET /hop0") != NULL) != is_redirected) fail_msg("%s: the way there wasn't taken", host);
    call_close(&c);
}

static void private_addresses_are_refused(void **state) {
    size_t i, k;
    (void)state;
    for (i = 0; i < COUNT(private_hosts); i++) {
        for (k = 0; k < COUNT(bases); k++) {
            refuse_host(private_hosts[i], bases[k], 0);
            refuse_host(private_hosts[i], bases[k], 1);
        }
    }
    for (i = 0; i < COUNT(odd_hosts); i++) refuse_host(odd_hosts[i], PUBLIC, 0);
}

/* And public ones are not. */
static void public_addresses_are_fetched(void **state) {
    static const char *const hosts[] = {PUBLIC,       "[" PUBLIC6 "]", "198.51.100.7",
                                        "3405803783", "0xcb.0.113.7",  "[2001:DB8:0::7]"};
    size_t i, k;
    (void)state;
    for (i = 0; i < COUNT(hosts); i++) {
        for (k = 0; k < 2; k++) {
            call c;
            call_open(&c, "openai", PUBLIC);
            result_at(k ? PUBLIC : hosts[i], k ? "/hop0" : "/pic.png");
            redirect_to(0, hosts[i], "/pic.png");
            if (call_run(&c) != TARASH_IMAGE_OK) fail_msg("%s: %s", hosts[i], c.response.error.message);
            assert_int_equal(hits_at(NULL), 0);
            assert_non_null(hit_of("GET /pic.png"));
            assert_false(hit_of("GET /pic.png")->has_key);
            assert_true(hit_of("POST /v1/")->has_key);
            call_close(&c);
        }
    }
}

static void a_redirect_further_on_is_refused(void **state) {
    call c;
    (void)state;
    call_open(&c, "openai", PUBLIC);
    result_at(PUBLIC, "/hop0");
    redirect_to(0, "198.51.100.7", "/hop1");
    redirect_to(1, "169.254.169.254", "/pic.png");
    expect_refusal(&c, "the second hop", call_run(&c));
    assert_non_null(hit_of("GET /hop1"));
    call_close(&c);
}

/* A sink sees nothing of it. */
static void a_sink_is_left_alone(void **state) {
    call c;
    tarash_image_sink sink;
    char folder[1024], path[1100];
    (void)state;
    memset(&sink, 0, sizeof sink);
    call_open(&c, "openai", PUBLIC);
    temporary_path(folder, sizeof folder, "sink");
    assert_int_equal(mkdir(folder, 0700), 0);
    snprintf(path, sizeof path, "%s/{index}.{ext}", folder);
    sink.path = path;
    c.request.sink = &sink;
    result_at("10.1.2.3", "/pic.png");
    expect_refusal(&c, "with a sink", call_run(&c));
    assert_int_equal(directory_count(folder), 0);
    result_at(PUBLIC, "/pic.png");
    assert_int_equal(call_run(&c), TARASH_IMAGE_OK);
    assert_int_equal(directory_count(folder), 1);
    call_close(&c);
}

/* ---- names --------------------------------------------------------------------------------------------- */

static const char *const resolved[] = {"10.1.2.3",
                                       "127.0.0.1",
                                       "172.16.5.5",
                                       "192.168.7.7",
                                       "169.254.169.254",
                                       "100.64.0.9",
                                       "198.18.0.9",
                                       "192.0.0.9",
                                       "[::1]",
                                       "[fe80::7]",
                                       "[fd12:3456::7]",
                                       "[fec0::7]",
                                       "[2002:a01:203::1]",
                                       "[64:ff9b::a01:203]",
                                       "[64:ff9b:1::7]",
                                       "[::ffff:10.1.2.3]",
                                       "[::10.1.2.3]",
                                       "0.0.0.0",
                                       "10.1.2.3,127.0.0.1,[::1]"};

static void names_of_private_addresses_are_refused(void **state) {
    size_t i;
    int is_redirected;
    (void)state;
    for (i = 0; i < 2 * COUNT(resolved); i++) {
        call c;
        is_redirected = (int)(i % 2);
        call_open(&c, "openai", "api.example");
        add_name(&c, "api.example", PUBLIC);
        add_name(&c, "pictures.example", resolved[i / 2]);
        result_at(is_redirected ? "api.example" : "pictures.example", is_redirected ? "/hop0" : "/pic.png");
        redirect_to(0, "pictures.example", "/pic.png");
        expect_refusal(&c, resolved[i / 2], call_run(&c));
        call_close(&c);
    }
}

/* A name of both kinds leads to the public address, or nowhere. */
static void names_of_both_kinds(void **state) {
    static const char *const both[] = {PUBLIC ",10.1.2.3", "10.1.2.3," PUBLIC, "[fd12:3456::7]," PUBLIC,
                                       "[" PUBLIC6 "],10.1.2.3"};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(both); i++) {
        call c;
        call_open(&c, "openai", PUBLIC);
        add_name(&c, "pictures.example", both[i]);
        result_at("pictures.example", "/pic.png");
        (void)call_run(&c);
        if (hits_at(NULL)) fail_msg("%s: a private address was connected to", both[i]);
        call_close(&c);
    }
}

/* A connection that one job may use, another may not. */
static void kept_connections_are_checked(void **state) {
    call c;
    int before;
    (void)state;
    call_open(&c, "openai", "10.1.2.3");
    add_name(&c, "pictures.example", "192.168.7.7");
    result_at("pictures.example", "/pic.png");
    if (call_run(&c) != TARASH_IMAGE_OK) fail_msg("%s", c.response.error.message);
    assert_non_null(hit_of("GET /pic.png"));
    before = hits_at("192.168.7.7");
    assert_int_equal(before, 2); /* a connection, and a request */
    snprintf(c.base_url, sizeof c.base_url, "http://" PUBLIC ":%d/v1", server_port);
    assert_int_equal(call_run(&c), TARASH_IMAGE_ERROR_BAD_RESPONSE);
    assert_int_equal(hits_at("192.168.7.7"), before);
    call_close(&c);
}

/* ---- who is private himself ---------------------------------------------------------------------------- */

static void private_providers_may(void **state) {
    static const char *const private_bases[] = {"127.0.0.1",      "10.1.2.3",  "[::1]",
                                                "[fd12:3456::7]", "localhost", "169.254.169.254"};
    static const char *const hosts[] = {"127.0.0.1",      "10.1.2.3", "192.168.7.7",     "[::1]",
                                        "[fd12:3456::7]", PUBLIC,     "pictures.example"};
    size_t i, k;
    (void)state;
    for (i = 0; i < COUNT(private_bases); i++) {
        for (k = 0; k < COUNT(hosts); k++) {
            call c;
            call_open(&c, "openai", private_bases[i]);
            add_name(&c, "pictures.example", "172.16.5.5");
            result_at(hosts[k], k % 2 ? "/hop0" : "/pic.png");
            redirect_to(0, hosts[(k + 1) % COUNT(hosts)], "/pic.png");
            if (call_run(&c) != TARASH_IMAGE_OK)
                fail_msg("%s at %s: %s", hosts[k], private_bases[i], c.response.error.message);
            assert_false(hit_of("GET /pic.png")->has_key);
            call_close(&c);
        }
    }
}

/* A house's own server goes by a name that only its own resolver knows: what it has made lies there, too. */
static void private_providers_may_have_names(void **state) {
    call c;
    (void)state;
    call_open(&c, "openai", "painter.example");
    add_name(&c, "painter.example", "192.168.7.7");
    result_at("painter.example", "/pic.png");
    if (call_run(&c) != TARASH_IMAGE_OK) fail_msg("%s", c.response.error.message);
    assert_false(hit_of("GET /pic.png")->has_key);
    call_close(&c);
}

/* Each link of a chain by its own address. */
static void links_are_judged_by_themselves(void **state) {
    call c;
    tarash_image_config second;
    char url[256];
    (void)state;
    call_open(&c, "openai", PUBLIC);
    snprintf(url, sizeof url, "http://10.1.2.3:%d/v1", server_port);
    second = c.config;
    second.base_url = url;
    c.config.fallbacks = &second;
    c.config.fallback_count = 1;
    result_at("192.168.7.7", "/pic.png");
    assert_int_equal(call_run(&c), TARASH_IMAGE_OK);
    assert_int_equal(c.response.attempt_count, 2);
    assert_int_equal(c.response.attempts[0].result, TARASH_IMAGE_ERROR_BAD_RESPONSE);
    assert_int_equal(hits_at("192.168.7.7"), 2);
    call_close(&c);

    call_open(&c, "openai", "10.1.2.3");
    snprintf(url, sizeof url, "http://" PUBLIC ":%d/v1", server_port);
    second = c.config;
    second.base_url = url;
    c.config.fallbacks = &second;
    c.config.fallback_count = 1;
    snprintf(server->submit, sizeof server->submit,
             "{\"data\":[{\"url\":\"http://192.168.7.7:1/pic.png\"}]}");
    assert_int_equal(call_run(&c), TARASH_IMAGE_ERROR_BAD_RESPONSE); /* the first: nobody listens there */
    assert_int_equal(c.response.attempt_count, 2);
    assert_int_equal(c.response.attempts[0].result, TARASH_IMAGE_ERROR_CONNECTION);
    call_close(&c);
}

/* ---- jobs: where their state is told ------------------------------------------------------------------- */

static const char *const elsewhere[] = {"127.0.0.1",      "10.1.2.3",        "192.168.7.7",  "[::1]",
                                        "[fd12:3456::7]", "169.254.169.254", "localhost",    "2130706433",
                                        "[fe80::7]",      "inside.example",  "198.51.100.7", "[" PUBLIC6 "]"};
enum { PRIVATE_PLACES = 10 }; /* of these */

/* A provider of the program's own, whose code asks where the reply says: without the key, and never where only the
   program itself may go. */
static void ask_there(call *c, jobs_service *service, const char *base, const char *host,
                      const char *result_host) {
    call_open(c, "painter", base);
    jobs_service_open(service);
    service->elsewhere = 1;
    add_name(c, "inside.example", "10.1.2.3");
    snprintf(server->submit, sizeof server->submit,
             "{\"id\":\"job-1\",\"status_url\":\"http://%s:%d/state\"}", host, server_port);
    snprintf(server->poll, sizeof server->poll,
             "{\"state\":\"done\",\"pictures\":[{\"link\":\"http://%s:%d/pic.png\"}]}", result_host,
             server_port);
    c->client = tarash_image_client_create(&c->desc);
    assert_non_null(c->client);
    assert_int_equal(tarash_image_register_provider(c->client, &service->provider), TARASH_IMAGE_OK);
}

static void own_code_asks_elsewhere_without_the_key(void **state) {
    static const char *const pairs[][2] = {
        {PUBLIC, "198.51.100.7"}, {PUBLIC, "[" PUBLIC6 "]"}, {"10.1.2.3", "192.168.7.7"}};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(pairs); i++) {
        call c;
        jobs_service service;
        ask_there(&c, &service, pairs[i][0], pairs[i][1], pairs[i][0]);
        if (call_run(&c) != TARASH_IMAGE_OK) fail_msg("%s: %s", pairs[i][1], c.response.error.message);
        assert_non_null(hit_of("GET /state"));
        assert_false(hit_of("GET /state")->has_key);
        assert_true(hit_of("GET /v1/jobs/job-1/result")->has_key);
        assert_false(hit_of("GET /pic.png")->has_key);
        call_close(&c);
    }
}

static void own_code_is_led_to_no_private_address(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < PRIVATE_PLACES; i++) {
        call c;
        jobs_service service;
        ask_there(&c, &service, PUBLIC, elsewhere[i], PUBLIC);
        expect_refusal(&c, elsewhere[i], call_run(&c));
        call_close(&c);
    }
}

static void results_of_own_code_are_judged(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < PRIVATE_PLACES; i++) {
        call c;
        jobs_service service;
        ask_there(&c, &service, PUBLIC, "198.51.100.7", elsewhere[i]);
        expect_refusal(&c, elsewhere[i], call_run(&c));
        if (!c.response.error.job_token[0]) fail_msg("%s: no token", elsewhere[i]);
        call_close(&c);
    }
}

/* What replies of the built-in providers say of other places isn't followed: their own path is asked. */
typedef struct named {
    const char *provider, *submit, *poll;
    const char *path; /* that is asked instead */
} named;

#define THERE "http://%s:%d"

static const named names[] = {
    {"bfl", "{\"id\":\"task-1\",\"polling_url\":\"" THERE "/state?id=task-1\"}",
     "{\"id\":\"task-1\",\"status\":\"Ready\",\"result\":{\"sample\":\"" THERE "/pic.png\"}}",
     "GET /v1/get_result?id=task-1"},
    {"replicate",
     "{\"id\":\"task1\",\"status\":\"starting\",\"urls\":{\"get\":\"" THERE "/state\",\"cancel\":\"" THERE
     "/stop\"}}",
     "{\"id\":\"task1\",\"status\":\"succeeded\",\"output\":[\"" THERE "/pic.png\"]}",
     "GET /v1/predictions/task1"},
    {"fal",
     "{\"request_id\":\"task-1\",\"status\":\"IN_QUEUE\",\"status_url\":\"" THERE
     "/state\",\"response_url\":\"" THERE "/result\",\"cancel_url\":\"" THERE "/stop\"}",
     "{\"status\":\"COMPLETED\",\"images\":[{\"url\":\"" THERE "/pic.png\"}]}", "/requests/task-1/status"},
};

static void name_place(call *c, const named *n, const char *host) {
    call_open(c, n->provider, PUBLIC);
    add_name(c, "inside.example", "10.1.2.3");
    snprintf(server->submit, sizeof server->submit, n->submit, host, server_port, host, server_port, host,
             server_port);
    snprintf(server->poll, sizeof server->poll, n->poll, PUBLIC, server_port);
}

static void expect_only_at_home(const call *c, const named *n, const char *host) {
    if (hits_at(NULL) || hits_at("198.51.100.7") || hits_at(PUBLIC6))
        fail_msg("%s: %s was connected to", n->provider, host);
    if (!hit_of(n->path))
        fail_msg("%s: its own path wasn't asked: %s", n->provider, c->response.error.message);
    if (hit_of("/state") || hit_of("/result?") || hit_of("/stop")) fail_msg("%s: asked as told", n->provider);
}

static void places_named_in_replies_are_not_asked(void **state) {
    size_t i, k;
    (void)state;
    for (i = 0; i < COUNT(names); i++) {
        for (k = 0; k < COUNT(elsewhere); k++) {
            call c;
            name_place(&c, &names[i], elsewhere[k]);
            if (call_run(&c) != TARASH_IMAGE_OK)
                fail_msg("%s, %s: %s", names[i].provider, elsewhere[k], c.response.error.message);
            expect_only_at_home(&c, &names[i], elsewhere[k]);
            assert_true(hit_of(names[i].path)->has_key);
            assert_false(hit_of("GET /pic.png")->has_key);
            call_close(&c);
        }
    }
}

/* Nor are jobs cancelled there. */
static void cancels_stay_at_home(void **state) {
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(elsewhere); i++) {
        call c;
        tarash_image_job job;
        int tries;
        name_place(&c, &names[1], elsewhere[i]);
        snprintf(server->poll, sizeof server->poll, "{\"id\":\"task1\",\"status\":\"processing\"}");
        c.config.max_poll_attempts = 1000000;
        c.client = tarash_image_client_create(&c.desc);
        job = tarash_image_submit(c.client, &c.config, &c.request);
        for (tries = 0; tries < 1000 && !hit_of(names[1].path); tries++)
            (void)tarash_image_poll(c.client, 10);
        tarash_image_cancel(c.client, job);
        tarash_image_client_destroy(c.client); /* waits for it */
        c.client = NULL;
        expect_only_at_home(&c, &names[1], elsewhere[i]);
        assert_non_null(hit_of("POST /v1/predictions/task1/cancel"));
        call_close(&c);
    }
}

/* A token may have been changed on its way. */
static void tokens_lead_to_no_private_address(void **state) {
    static const char *const texts[] = {"{\"provider\":\"bfl\",\"model\":\"m\",\"jobs\":[{\"id\":\"task-1\","
                                        "\"poll\":\"http://10.1.2.3:%d/state\","
                                        "\"index\":0,\"count\":1}]}",
                                        "{\"provider\":\"bfl\",\"model\":\"m\",\"urls\":[{\"index\":0,"
                                        "\"url\":\"http://10.1.2.3:%d/pic.png\"}]}"};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(texts); i++) {
        call c;
        char text[512], token[1024] = "tarash1.";
        size_t size;
        tarash_image_job job;
        call_open(&c, "bfl", PUBLIC);
        snprintf(text, sizeof text, texts[i], server_port);
        size = tarimg_base64_encode((const unsigned char *)text, strlen(text), token + 8);
        token[8 + size] = '\0';
        while (token[7 + size] == '=') token[7 + size--] = '\0';
        c.client = tarash_image_client_create(&c.desc);
        job = tarash_image_resume(c.client, &c.config, token);
        while (tarash_image_poll(c.client, 100) > 0) continue;
        assert_int_not_equal(tarash_image_take(c.client, job, &c.response), TARASH_IMAGE_OK);
        if (hits_at(NULL)) fail_msg("%s: a private address was connected to", text);
        call_close(&c);
    }
}

/* ---- what the user points to --------------------------------------------------------------------------- */

/* An input image may lie anywhere; where its server sends us on to may not. */
static void inputs(void **state) {
    static const struct {
        const char *host, *path, *next;
        int is_fine;
    } rows[] = {{"10.1.2.3", "/pic.png", "", 1},       {"[::1]", "/pic.png", "", 1},
                {PUBLIC, "/hop0", PUBLIC, 1},          {"10.1.2.3", "/hop0", "192.168.7.7", 1},
                {PUBLIC, "/hop0", "10.1.2.3", 0},      {PUBLIC, "/hop0", "[::1]", 0},
                {PUBLIC, "/hop0", "inside.example", 0}};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        call c;
        tarash_image_input input;
        char url[256];
        tarash_image_result result;
        memset(&input, 0, sizeof input);
        call_open(&c, "openai_compatible", PUBLIC);
        add_name(&c, "inside.example", "10.1.2.3");
        snprintf(url, sizeof url, "http://%s:%d%s", rows[i].host, server_port, rows[i].path);
        input.url = url;
        c.config.model = "m";
        c.request.images = &input;
        c.request.image_count = 1;
        result_at(PUBLIC, "/pic.png");
        redirect_to(0, rows[i].next, "/pic.png");
        result = call_run(&c);
        if (rows[i].is_fine != (result == TARASH_IMAGE_OK))
            fail_msg("%s, %s: %s", rows[i].host, rows[i].next, c.response.error.message);
        if (!rows[i].is_fine) {
            assert_int_equal(hits_at(NULL), 0);
            assert_null(hit_of("POST"));
        }
        call_close(&c);
    }
}

/* The same for tarash_image_from_url. */
static void from_url(void **state) {
    static const struct {
        const char *host, *path, *next;
        int is_fine;
    } rows[] = {{"10.1.2.3", "/pic.png", "", 1},        {PUBLIC, "/pic.png", "", 1},
                {PUBLIC, "/hop0", PUBLIC, 1},           {"10.1.2.3", "/hop0", "192.168.7.7", 1},
                {PUBLIC, "/hop0", "10.1.2.3", 0},       {PUBLIC, "/hop0", "[fd12:3456::7]", 0},
                {PUBLIC, "/hop0", "169.254.169.254", 0}};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        call c;
        char url[256];
        tarash_image image;
        tarash_image_error error;
        tarash_image_result result;
        call_open(&c, "openai", PUBLIC);
        snprintf(url, sizeof url, "http://%s:%d%s", rows[i].host, server_port, rows[i].path);
        redirect_to(0, rows[i].next, "/pic.png");
        c.client = tarash_image_client_create(&c.desc);
        result = tarash_image_from_url(c.client, url, &image, &error);
        if (rows[i].is_fine != (result == TARASH_IMAGE_OK))
            fail_msg("%s to %s: %s %s", rows[i].host, rows[i].next, tarash_image_result_name(result),
                     error.message);
        if (!rows[i].is_fine) assert_int_equal(hits_at(NULL), 0);
        tarash_image_free(&image);
        call_close(&c);
    }
}

/* ---- proxies ------------------------------------------------------------------------------------------- */

/* A proxy may be in the house; it's he who connects, and private addresses stay refused by name. */
static void proxies(void **state) {
    static const struct {
        const char *host, *no_proxy;
        int is_fine;
        const char *connected; /* for the picture */
    } rows[] = {{PUBLIC, NULL, 1, "10.1.2.3"},
                {"pictures.example", NULL, 1, "10.1.2.3"}, /* whatever the proxy makes of it */
                {"10.1.2.3", NULL, 0, NULL},
                {"[::1]", NULL, 0, NULL},
                {"169.254.169.254", NULL, 0, NULL},
                {"pictures.example", "pictures.example", 0, NULL},
                {"pictures.example", "example", 0, NULL},
                {"pictures.example", ".example", 0, NULL},
                {"pictures.example", "elsewhere.example, pictures.example", 0, NULL},
                {"pictures.example", "*", 0, NULL},
                {"pictures.example", "elsewhere.example", 1, "10.1.2.3"},
                {"192.168.7.7", "192.168.0.0/16", 0, NULL},
                {"[fd12:3456::7]", "fd12:3456::7", 0, NULL},
                {PUBLIC, "203.0.113.0/24", 1, PUBLIC},
                {PUBLIC, PUBLIC, 1, PUBLIC},
                {"198.51.100.7", "*", 1, "198.51.100.7"}};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        call c;
        char proxy[64], what[128];
        tarash_image_result result;
        const hit *picture;
        call_open(&c, "openai", PUBLIC);
        add_name(&c, "pictures.example", "192.168.7.7");
        snprintf(proxy, sizeof proxy, "http://10.1.2.3:%d", server_port);
        c.desc.proxy = proxy;
        result_at(rows[i].host, "/pic.png");
        snprintf(what, sizeof what, "%s, no_proxy %s", rows[i].host,
                 rows[i].no_proxy ? rows[i].no_proxy : "unset");
        if (rows[i].no_proxy) assert_int_equal(setenv("no_proxy", rows[i].no_proxy, 1), 0);
        result = call_run(&c);
        unsetenv("no_proxy");
        wait_for_server();
        picture = hit_of("/pic.png");
        if (rows[i].is_fine != (picture != NULL))
            fail_msg("%s: %s %s", what, picture ? picture->local : "", c.response.error.message);
        if (picture && strcmp(picture->local, rows[i].connected) != 0)
            fail_msg("%s: at %s", what, picture->local);
        if (picture) assert_false(picture->has_key);
        if (!rows[i].is_fine) assert_int_equal(result, TARASH_IMAGE_ERROR_BAD_RESPONSE);
        assert_int_equal(hits_at("192.168.7.7") + hits_at("fd12:3456::7") + hits_at("::1"), 0);
        call_close(&c);
    }
}

#endif /* __linux__ */

/* ---- running ------------------------------------------------------------------------------------------- */

#if defined(__linux__)

static int set_up(void **state) {
    (void)state;
    return 0;
}

static int tear_down(void **state) {
    static const char *const variables[] = {"no_proxy", "NO_PROXY"};
    size_t i;
    (void)state;
    for (i = 0; i < COUNT(variables); i++) unsetenv(variables[i]);
    return 0;
}

static void make_network(void) {
    size_t i;
    if (!enter_network())
        no_network = "a network of its own";
    else if (!raise_loopback())
        no_network = "a loopback device";
    for (i = 0; !no_network && i < COUNT(addresses); i++)
        if (!add_address(addresses[i])) no_network = addresses[i];
    if (!no_network && !start_server()) no_network = "a server";
}

static void skip_it(void **state) {
    (void)state;
    print_message("skipped: this program may not have %s here\n", no_network);
    skip();
}

#define TEST(function)                                                                                       \
    { #function, no_network ? skip_it : function, set_up, tear_down, NULL }

int main(void) {
    int failed;
    static const char *const variables[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                            "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
    size_t i;
    for (i = 0; i < COUNT(variables); i++) unsetenv(variables[i]);
    (void)temporary_directory();
    make_network();
    if (no_network)
        print_message("no private network: %s is refused here, so all of this is skipped\n", no_network);
    {
        const struct CMUnitTest tests[] = {
            TEST(private_addresses_are_refused),
            TEST(public_addresses_are_fetched),
            TEST(a_redirect_further_on_is_refused),
            TEST(a_sink_is_left_alone),
            TEST(names_of_private_addresses_are_refused),
            TEST(names_of_both_kinds),
            TEST(kept_connections_are_checked),
            TEST(private_providers_may),
            TEST(private_providers_may_have_names),
            TEST(links_are_judged_by_themselves),
            TEST(own_code_asks_elsewhere_without_the_key),
            TEST(own_code_is_led_to_no_private_address),
            TEST(results_of_own_code_are_judged),
            TEST(places_named_in_replies_are_not_asked),
            TEST(cancels_stay_at_home),
            TEST(tokens_lead_to_no_private_address),
            TEST(inputs),
            TEST(from_url),
            TEST(proxies),
        };
        failed = cmocka_run_group_tests_name("namespace", tests, NULL, NULL);
    }
    if (server_process > 0) {
        kill(-server_process, SIGKILL);
        kill(server_process, SIGKILL);
        (void)waitpid(server_process, NULL, 0);
    }
    return failed != 0;
}

#else

static void skip_it(void **state) {
    (void)state;
    print_message("skipped: networks of a program's own are Linux's\n");
    skip();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(skip_it)};
    return cmocka_run_group_tests_name("namespace", tests, NULL, NULL);
}

#endif
