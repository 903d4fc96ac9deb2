/* The benchmark's server: HTTP/1.1 with kept connections, on loopback. Its replies are made before it begins;
   large ones go out by sendfile, and request bodies are dropped in the kernel, so that it is never what a
   measurement waits for. Prints its port, and ends when its standard input does. Linux only. */

#define _GNU_SOURCE
#include "images.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_ROOM = 8192, EVENTS = 256, SMALL_REPLY = 128 * 1024, SKIP_AT_ONCE = 1 << 20 };

typedef struct reply {
    char *data; /* NULL: in the file */
    int file;
    size_t size;
} reply;

typedef struct connection {
    int fd;
    int waits_to_write;
    size_t head_size;
    size_t to_skip; /* of the request's body */
    const reply *out;
    size_t sent;
    char head[HEAD_ROOM + 1];
} connection;

static reply json_replies[IMAGE_COUNT], raw_replies[IMAGE_COUNT], url_replies[IMAGE_COUNT];
static reply job_reply, unknown_reply;
static int epoll;

/* ---- the replies --------------------------------------------------------------------------------------- */

static void stop(const char *what) {
    perror(what);
    exit(1);
}

static void write_all(int fd, const char *data, size_t size) {
    while (size) {
        ssize_t n = write(fd, data, size);
        if (n <= 0) stop("server: memory file");
        data += n;
        size -= (size_t)n;
    }
}

static reply make_reply(const char *status, const char *type, const char *body, size_t size) {
    char head[256];
    reply made;
    int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                     status, type, size);
    memset(&made, 0, sizeof made);
    made.size = (size_t)n + size;
    if (made.size > SMALL_REPLY) {
        made.file = memfd_create("reply", MFD_CLOEXEC);
        if (made.file < 0) stop("server: memfd_create");
        write_all(made.file, head, (size_t)n);
        write_all(made.file, body, size);
        return made;
    }
    made.data = (char *)malloc(made.size);
    if (!made.data) stop("server: memory");
    memcpy(made.data, head, (size_t)n);
    memcpy(made.data + n, body, size);
    return made;
}

static reply make_json(const unsigned char *image, size_t size) {
    static const char before[] = "{\"created\":1700000000,\"data\":[{\"b64_json\":\"";
    static const char after[] =
        "\"}],\"usage\":{\"input_tokens\":10,\"output_tokens\":20,\"total_tokens\":30}}";
    size_t text = image_encoded_size(size), total = sizeof before - 1 + text + sizeof after - 1;
    char *body = (char *)malloc(total);
    reply made;
    if (!body) stop("server: memory");
    memcpy(body, before, sizeof before - 1);
    image_encode(image, size, body + sizeof before - 1);
    memcpy(body + sizeof before - 1 + text, after, sizeof after - 1);
    made = make_reply("200 OK", "application/json", body, total);
    free(body);
    return made;
}

static void make_replies(int port) {
    int i;
    for (i = 0; i < IMAGE_COUNT; i++) {
        char body[160];
        unsigned char *image = image_make(image_sizes[i]);
        if (!image) stop("server: memory");
        json_replies[i] = make_json(image, image_sizes[i]);
        raw_replies[i] = make_reply("200 OK", "image/png", (const char *)image, image_sizes[i]);
        snprintf(body, sizeof body,
                 "{\"created\":1700000000,\"data\":[{\"url\":\"http://127.0.0.1:%d/raw/%d\"}]}", port, i);
        url_replies[i] = make_reply("200 OK", "application/json", body, strlen(body));
        free(image);
    }
    job_reply = make_reply("200 OK", "application/json", "{\"id\":\"job-1\"}", 14);
    unknown_reply = make_reply("404 Not Found", "application/json", "{}", 2);
}

static const reply *find_reply(const char *head) {
    const char *path = strchr(head, ' ');
    int index;
    if (!path++) return &unknown_reply;
    if (strncmp(path, "/jobs", 5) == 0) return &job_reply;
    if (path[0] != '/' || strlen(path) < 6) return &unknown_reply;
    index = path[strncmp(path, "/json/", 6) == 0 ? 6 : 5] - '0';
    if (index < 0 || index >= IMAGE_COUNT) return &unknown_reply;
    if (strncmp(path, "/json/", 6) == 0) return &json_replies[index];
    if (strncmp(path, "/raw/", 5) == 0) return &raw_replies[index];
    if (strncmp(path, "/url/", 5) == 0) return &url_replies[index];
    return &unknown_reply;
}

/* ---- connections --------------------------------------------------------------------------------------- */

static void watch(connection *c, int operation, uint32_t events) {
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = events;
    event.data.ptr = c;
    if (epoll_ctl(epoll, operation, c->fd, &event) < 0) stop("server: epoll_ctl");
}

static void hang_up(connection *c) {
    close(c->fd);
    free(c);
}

static void want_to_write(connection *c, int wants) {
    if (c->waits_to_write == wants) return;
    c->waits_to_write = wants;
    watch(c, EPOLL_CTL_MOD, wants ? EPOLLOUT : EPOLLIN);
}

/* 0 = the connection is gone. */
static int send_reply(connection *c) {
    while (c->sent < c->out->size) {
        off_t offset = (off_t)c->sent;
        size_t left = c->out->size - c->sent;
        ssize_t n = c->out->data ? send(c->fd, c->out->data + c->sent, left, MSG_NOSIGNAL)
                                 : sendfile(c->fd, c->out->file, &offset, left);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            want_to_write(c, 1);
            return 1;
        }
        if (n <= 0) return 0;
        c->sent += (size_t)n;
    }
    c->out = NULL;
    c->head_size = 0;
    want_to_write(c, 0);
    return 1;
}

static size_t content_length(const char *head) {
    const char *line;
    for (line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, "content-length:", 15) == 0) return (size_t)strtoull(line + 17, NULL, 10);
    }
    return 0;
}

static int begin_reply(connection *c) {
    c->out = find_reply(c->head);
    c->sent = 0;
    return send_reply(c);
}

/* 1 = goes on later, 0 = gone. */
static int skip_body(connection *c) {
    while (c->to_skip) {
        size_t most = c->to_skip < SKIP_AT_ONCE ? c->to_skip : SKIP_AT_ONCE;
        ssize_t n = recv(c->fd, NULL, most, MSG_TRUNC);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 1;
        if (n <= 0) return 0;
        c->to_skip -= (size_t)n;
    }
    return begin_reply(c);
}

static int read_head(connection *c) {
    ssize_t n = recv(c->fd, c->head + c->head_size, HEAD_ROOM - c->head_size, 0);
    size_t extra;
    char *end;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 1;
    if (n <= 0) return 0;
    c->head_size += (size_t)n;
    c->head[c->head_size] = 0;
    end = strstr(c->head, "\r\n\r\n");
    if (!end) return c->head_size < HEAD_ROOM;
    end[2] = 0;
    extra = c->head_size - (size_t)(end + 4 - c->head);
    c->to_skip = content_length(c->head);
    c->to_skip = c->to_skip > extra ? c->to_skip - extra : 0;
    return c->to_skip ? skip_body(c) : begin_reply(c);
}

static void serve(connection *c) {
    int alive = c->out ? send_reply(c) : c->to_skip ? skip_body(c) : read_head(c);
    if (!alive) hang_up(c);
}

static void accept_all(int listener) {
    for (;;) {
        int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        connection *c;
        if (fd < 0) return;
        c = (connection *)malloc(sizeof *c);
        if (!c) stop("server: memory");
        memset(c, 0, offsetof(connection, head));
        c->fd = fd;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static int listen_on_loopback(int *port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        stop("server: listen");
    *port = ntohs(address.sin_port);
    return fd;
}

int main(void) {
    static connection listener, input; /* stand for what is no connection */
    struct epoll_event events[EVENTS];
    int port;
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) stop("server: epoll");
    listener.fd = listen_on_loopback(&port);
    input.fd = STDIN_FILENO;
    watch(&listener, EPOLL_CTL_ADD, EPOLLIN);
    watch(&input, EPOLL_CTL_ADD, EPOLLIN);
    make_replies(port);
    printf("%d\n", port);
    fflush(stdout);
    for (;;) {
        int i, n = epoll_wait(epoll, events, EVENTS, -1);
        if (n < 0 && errno != EINTR) stop("server: epoll_wait");
        for (i = 0; i < n; i++) {
            if (events[i].data.ptr == &input) return 0;
            if (events[i].data.ptr == &listener)
                accept_all(listener.fd);
            else
                serve((connection *)events[i].data.ptr);
        }
    }
}
