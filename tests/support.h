/* What the tests share: the local server and its control, files, images, and doubles for the client's hooks.

   C99 and POSIX, libcurl and cJSON. Functions that return int give 0 for success and print why they failed,
   unless they say otherwise. The directory of the tests is the environment variable TESTS_DIR, else the
   macro, else "tests"; the interpreter is the environment variable PYTHON, else python3. */

#ifndef SUPPORT_H
#define SUPPORT_H

#include "../tarash_image.h"

#include <cjson/cJSON.h>

/* ---- the server: see tests/server/server.py ---- */

int server_start(void);     /* no-op where it runs */
int server_start_tls(void); /* with a third origin that speaks TLS; needs the openssl program */
void server_stop(void);

int server_setup(void **state); /* the same, as fixtures of a cmocka group */
int server_setup_tls(void **state);
int server_teardown(void **state);

/* Each writes a URL to buffer and returns buffer. rest begins with the protocol, e.g. "openai/v1". */
const char *server_api_url(char *buffer, size_t size, const char *session, const char *rest);
const char *server_tls_url(char *buffer, size_t size, const char *session, const char *rest);
/* A file, e.g. "static/64x48.png"; over TLS too. */
const char *server_files_url(char *buffer, size_t size, const char *session, const char *rest);
const char *server_tls_files_url(char *buffer, size_t size, const char *session, const char *rest);
int server_api_port(void);
int server_files_port(void);
int server_tls_port(void);        /* 0 without TLS */
const char *server_ca_file(void); /* for client_desc.ca_file; NULL without TLS */
int unused_port(void);            /* a port where nobody listens; -1 on failure */

/* ---- control of a session ---- */

int control_script(const char *session, const char *json);
int control_scriptf(const char *session, const char *format, ...);
int control_reset(const char *session);
cJSON *control_log(const char *session); /* an array, to be deleted; NULL on failure */
int control_posts(const char *session);  /* how many; -1 on failure */
int control_leaks(
    const char *session); /* requests to the files origin that carried credentials; -1 on failure */
int control_left(const char *session); /* behaviours that no request has used up; -1 on failure */
/* Waits until the session has seen so many requests, POSTs, and clients that left early: 1, or 0 after
 * timeout_ms. */
int control_wait(const char *session, int requests, int posts, int departures, int timeout_ms);

/* ---- looking into a log ---- */

/* An entry by number; a negative one counts from the end. NULL if there is none. */
const cJSON *log_entry(const cJSON *log, int number);
/* The first header of that name, in any case; NULL if there is none. And how many there are. */
const char *log_header(const cJSON *entry, const char *name);
int log_header_count(const cJSON *entry, const char *name);
/* What stands at a path like "json.images[0].image_url" or "parts[2].filename"; NULL if nothing does. */
const cJSON *log_at(const cJSON *entry, const char *path);
const char *log_text(const cJSON *entry, const char *path); /* NULL if there is no text */
double log_number(const cJSON *entry, const char *path);    /* -1 if there is no number; true is 1 */
/* The number-th form part of that name; NULL if there is none. */
const cJSON *log_part(const cJSON *entry, const char *name, int number);
int log_part_count(const cJSON *entry, const char *name);
/* 1 if a part, or an element of "images", is of these bytes. */
int log_same_bytes(const cJSON *described, const void *data, size_t size);
/* How many requests of a log have this method and this text in their path (each NULL = any). */
int log_count(const cJSON *log, const char *method, const char *path_contains);
/* 1 if the text occurs anywhere in the log. */
int log_contains(const cJSON *log, const char *text);

/* ---- files ---- */

/* A whole file with a NUL behind it, to be freed; NULL on failure. size may be NULL. */
void *read_whole_file(const char *path, size_t *size);
int write_whole_file(const char *path, const void *data, size_t size);
int file_exists(const char *path);     /* 1 or 0 */
int directory_count(const char *path); /* entries besides . and .. ; -1 on failure */
const char *temporary_directory(void); /* one per process, removed when it exits */
const char *temporary_path(char *buffer, size_t size, const char *name); /* in there */
/* What a URL gives, with a NUL behind it, to be freed; NULL if that isn't 200. */
void *fetch_url(const char *url, size_t *size);
void sha256_hex(const void *data, size_t size, char hex[65]);

/* ---- real images, 4 x 4 pixels ---- */

extern const unsigned char tiny_png[]; /* RGB, opaque */
extern const size_t tiny_png_size;
extern const unsigned char tiny_mask_png[]; /* RGBA, the left half transparent */
extern const size_t tiny_mask_png_size;
extern const unsigned char tiny_jpeg[];
extern const size_t tiny_jpeg_size;
extern const unsigned char tiny_webp[];
extern const size_t tiny_webp_size;

/* ---- doubles ---- */

/* Counts, and fails where it is told to. It aborts on memory that isn't its own, on a wrong old_size, and on
   NULL to free. Blocks always move when resized. Zero it before use; fields below the line may be set at any
   time. */
typedef struct counting_allocator {
    size_t live_blocks;
    size_t live_bytes;
    size_t peak_bytes;
    size_t largest;       /* the largest block asked for */
    size_t calls;         /* allocations and resizings */
    size_t failures;      /* of these, refused */
    size_t secrets_found; /* blocks given back with `secret` still in them */
    /* ---- */
    size_t fail_at;        /* refuses the call of this number, counted from 1 (0 = none) */
    int fail_from_then_on; /* and all later ones */
    size_t limit_bytes;    /* refuses what would take live_bytes above this (0 = no limit) */
    int fill; /* nonzero: new memory holds 0xA5, which hides it from valgrind but breaks lazy code */
    const char *secret;
} counting_allocator;

tarash_image_allocator counting_allocator_functions(counting_allocator *allocator);

/* Keeps every line as "LEVEL message\n". Zero it before use; release with log_collector_clear. */
typedef struct log_collector {
    char *text; /* NULL while there is none */
    size_t size;
    size_t count[4]; /* lines per level */
} log_collector;

tarash_image_logger log_collector_functions(log_collector *collector, tarash_image_log_level level);
int log_collector_contains(const log_collector *collector, const char *text); /* 1 or 0 */
void log_collector_clear(log_collector *collector);

/* Stands still unless step_ms is set. */
typedef struct fake_clock {
    int64_t now_ms;
    int64_t step_ms; /* goes on by this with each reading */
    size_t readings;
} fake_clock;

tarash_image_clock fake_clock_functions(fake_clock *clock);

#endif
