/* Runs every file of every corpus through every fuzz target, without libFuzzer, and the replies of providers with each
   allocation failing (a sample, or all with TORTURE in the environment). Says TAP, one test per target.

       build/fuzz/replay                      all
       build/fuzz/replay json FILE ...        these files through one target */

#define FUZZ_REPLAY

#include "base64.c"
#include "json.c"
#include "media.c"
#include "merge.c"
#include "redact.c"
#include "reply.c"
#include "request.c"
#include "sse.c"
#include "times.c"
#include "token.c"
#include "urls.c"

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

static const struct {
    const char *name;
    void (*run)(const unsigned char *data, size_t size);
} targets[] = {{"base64", fuzz_base64},   {"json", fuzz_json},     {"media", fuzz_media},
               {"merge", fuzz_merge},     {"redact", fuzz_redact}, {"reply", fuzz_reply},
               {"request", fuzz_request}, {"sse", fuzz_sse},       {"times", fuzz_times},
               {"token", fuzz_token},     {"urls", fuzz_urls}};

typedef struct corpus_file {
    char path[1024];
    unsigned char *data;
    size_t size;
} corpus_file;

static corpus_file files[4096];
static size_t file_count;
static char current[1200];

/* A sanitizer says what happened, this says with which input. */
static void tell_current(void) {
    ssize_t ignored = write(2, current, strlen(current));
    (void)ignored;
}

static void on_abort(int number) {
    tell_current();
    signal(number, SIG_DFL);
    raise(number);
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define REPLAY_IS_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(REPLAY_IS_SANITIZED)
void __sanitizer_set_death_callback(void (*callback)(void));
#else
#define __sanitizer_set_death_callback(callback) (void)(callback)
#endif

static int load(const char *path) {
    corpus_file *file = &files[file_count];
    FILE *stream = fopen(path, "rb");
    long size;
    if (!stream || file_count + 1 == FUZZ_COUNT(files)) return 0;
    snprintf(file->path, sizeof file->path, "%s", path);
    if (fseek(stream, 0, SEEK_END) != 0 || (size = ftell(stream)) < 0 || fseek(stream, 0, SEEK_SET) != 0)
        return 0;
    file->size = (size_t)size;
    file->data = (unsigned char *)malloc(file->size ? file->size : 1);
    if (!file->data || fread(file->data, 1, file->size, stream) != file->size) return 0;
    fclose(stream);
    file_count++;
    return 1;
}

/* How many files of a folder were loaded; -1 if one could not be, or if there is no such folder. */
static int load_folder(const char *folder) {
    char path[1000];
    struct dirent *entry;
    int count = 0;
    DIR *directory = opendir(folder);
    if (!directory) return -1;
    while (count >= 0 && (entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        count = load(path) ? count + 1 : -1;
    }
    closedir(directory);
    return count;
}

/* Every target has a corpus, and every corpus a target. */
static int load_corpora(void) {
    char path[600];
    struct dirent *entry;
    size_t i, folders = 0;
    DIR *directory = opendir(TESTS_DIR "/fuzz/corpus");
    for (i = 0; i < FUZZ_COUNT(targets); i++) {
        snprintf(path, sizeof path, TESTS_DIR "/fuzz/corpus/%s", targets[i].name);
        if (load_folder(path) >= 1) continue;
        fprintf(stderr, "replay: no corpus, or an unreadable one: %s\n", path);
        return 0;
    }
    while (directory && (entry = readdir(directory)) != NULL) folders += entry->d_name[0] != '.';
    if (directory) closedir(directory);
    if (folders != FUZZ_COUNT(targets)) fprintf(stderr, "replay: a folder of the corpus has no target\n");
    return folders == FUZZ_COUNT(targets);
}

static void run(size_t target, const corpus_file *file) {
    unsigned char *copy = fuzz_copy(file->data, file->size);
    snprintf(current, sizeof current, "# in the target %s with %s\n", targets[target].name, file->path);
    targets[target].run(copy, file->size);
    free(copy);
}

static void run_without_memory(const corpus_file *file) {
    unsigned char *copy;
    if (!strstr(file->path, "/reply/")) return;
    copy = fuzz_copy(file->data, file->size);
    snprintf(current, sizeof current, "# without memory, with %s\n", file->path);
    reply_without_memory(copy, file->size, getenv("TORTURE") ? SIZE_MAX / 2 : 150);
    free(copy);
}

int main(int count, char **arguments) {
    size_t target, file, first = 0, last = FUZZ_COUNT(targets);
    int i;
    for (; count > 1 && first < last && strcmp(targets[first].name, arguments[1]) != 0; first++) continue;
    if (first == last) {
        fprintf(stderr, "replay: no target %s\n", arguments[1]);
        return 2;
    }
    if (count > 1) last = first + 1;
    for (i = 2; i < count; i++) {
        if (!load(arguments[i])) return 2;
    }
    if (count <= 2 && !load_corpora()) return 1;
    __sanitizer_set_death_callback(tell_current);
    signal(SIGABRT, on_abort);
    printf("1..%u\n", (unsigned)(last - first + (count <= 1)));
    for (target = first; target < last; target++) {
        fflush(stdout);
        for (file = 0; file < file_count; file++) run(target, &files[file]);
        printf("ok %u - %s: %u inputs\n", (unsigned)(target - first + 1), targets[target].name,
               (unsigned)file_count);
    }
    for (file = 0; count <= 1 && file < file_count; file++) run_without_memory(&files[file]);
    if (count <= 1) printf("ok %u - reply, without memory\n", (unsigned)(last - first + 1));
    for (file = 0; file < file_count; file++) free(files[file].data);
    return 0;
}
