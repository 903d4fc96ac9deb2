/* Measures the library against libcurl alone, on loopback, all of it in one run:

       bench [--markdown] [--csv FILE] [PART ...]      PART: some letters of a task's name, or a whole of
                                                       poll, base64, compile

   Every measurement is a process of its own, so that its CPU time and its peak memory are its own; the five who do
   a task take turns. Shown are medians. No time makes it fail. */

#define _GNU_SOURCE
#include "bench.h"
#include "images.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT(array) (sizeof array / sizeof array[0])

enum { MOST_ROUNDS = 64, LONGEST_SECONDS = 60, BASE64_ROUNDS = 11, COMPILE_ROUNDS = 3 };

static const task tasks[] = {
    {"cold-1k", "one cold, 1 KB", INTO_MEMORY, 0, 1, 0, 0, 41},
    {"cold-1.5m", "one cold, 1.5 MB", INTO_MEMORY, 1, 1, 0, 0, 41},
    {"cold-8m", "one cold, 8 MB", INTO_MEMORY, 2, 1, 0, 0, 31},
    {"cold-32m", "one cold, 32 MB", INTO_MEMORY, 3, 1, 0, 0, 21},
    {"sink-1k", "1 KB into a sink", INTO_SINK, 0, 1, 0, 0, 21},
    {"sink-32m", "32 MB into a sink", INTO_SINK, 3, 1, 0, 0, 21},
    {"file-32m", "32 MB into a file", INTO_FILE, 3, 1, 0, 0, 11},
    {"url-1k", "URL of 1 KB, followed", AS_URL, 0, 1, 0, 0, 31},
    {"url-32m", "URL of 32 MB, followed", AS_URL, 3, 1, 0, 0, 11},
    {"sequence-1k", "200 in sequence, 1 KB", INTO_MEMORY, 0, 200, 0, 0, 21},
    {"at-once-64-1k", "64 at once, 1 KB", INTO_MEMORY, 0, 64, 1, 0, 31},
    {"at-once-64-1.5m", "64 at once, 1.5 MB", INTO_MEMORY, 1, 64, 1, 0, 11},
    {"at-once-1000-1k", "1,000 at once, 1 KB", INTO_MEMORY, 0, 1000, 1, 0, 9},
    {"upload-text-1k", "upload 1 KB, data URI", UPLOAD_TEXT, 0, 1, 0, 1, 21},
    {"upload-text-32m", "upload 32 MB, data URI, file", UPLOAD_TEXT, 3, 1, 0, 1, 11},
    {"upload-memory-32m", "upload 32 MB, data URI, memory", UPLOAD_TEXT, 3, 1, 0, 0, 11},
    {"upload-form-32m", "upload 32 MB, multipart, file", UPLOAD_FORM, 3, 1, 0, 1, 11},
};

typedef enum measure { WALL, CPU, PEAK, MEASURES, PEAK_ABOVE, COMPILING, KILOBYTES } measure;

typedef struct goal {
    const char *task;
    measure what;
    double most;
    const char *than; /* of PEAK_ABOVE: the task whose peak it is compared with */
} goal;

static const goal goals[] = {
    {"cold-32m", WALL, 0.60, NULL},
    {"cold-32m", CPU, 0.60, NULL},
    {"cold-32m", PEAK, 0.85, NULL},
    {"cold-8m", WALL, 0.75, NULL},
    {"cold-8m", CPU, 0.75, NULL},
    {"cold-1.5m", WALL, 0.75, NULL},
    {"cold-1.5m", CPU, 0.75, NULL},
    {"sink-32m", CPU, 0.60, NULL},
    {"sink-32m", PEAK_ABOVE, 1.0, "sink-1k"},
    {"sequence-1k", WALL, 1.05, NULL},
    {"sequence-1k", CPU, 1.05, NULL},
    {"at-once-64-1k", WALL, 1.10, NULL},
    {"at-once-64-1k", CPU, 1.10, NULL},
    {"at-once-64-1.5m", WALL, 0.80, NULL},
    {"at-once-64-1.5m", CPU, 0.80, NULL},
    {"upload-text-32m", PEAK_ABOVE, 1.0, "upload-text-1k"},
    {"upload-text-32m", CPU, 1.30, NULL},
    {"upload-memory-32m", PEAK_ABOVE, 1.0, "upload-text-1k"},
    {"upload-memory-32m", CPU, 1.30, NULL},
    {"compile", COMPILING, 1.04, NULL},
    {"compile", KILOBYTES, 128, NULL},
};

static const char *const who_names[WHO_COUNT] = {"library", "floor", "limit", "least", "by hand"};

typedef struct sample {
    double value[MEASURES]; /* milliseconds, milliseconds, megabytes */
    int good;
} sample;

typedef struct outcome {
    int was_run;
    double median[WHO_COUNT][MEASURES];
} outcome;

static outcome outcomes[COUNT(tasks)];
static int failures;

static struct {
    int is_run;
    int jobs[3];
    double us[3];
} polling = {0, {1, 100, 1000}, {0, 0, 0}};

enum {
    COPY,
    DECODE,
    DECODE_SSSE3,
    DECODE_PORTABLE,
    DECODE_TABLE,
    ENCODE,
    ENCODE_SSSE3,
    ENCODE_PORTABLE,
    CODECS
};
static const char *const codec_names[CODECS] = {
    "memcpy",          "decode", "decode, SSSE3", "decode, TARASH_IMAGE_NO_SIMD",
    "decode, a table", "encode", "encode, SSSE3", "encode, TARASH_IMAGE_NO_SIMD"};
static double codec_speed[CODECS]; /* GB of text per second */

typedef struct compiled {
    double seconds; /* 0 = could not be compiled */
    double text_kb;
} compiled;
static compiled compiled_library, compiled_stb;

static int wants_markdown;
static const char *csv_path;
static char **parts;
static int part_count;
static char directory[64];
static char input_paths[IMAGE_COUNT][96];

/* ---- numbers ------------------------------------------------------------------------------------------- */

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double seconds_of(struct timeval t) {
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double cpu_seconds(int whose) {
    struct rusage usage;
    getrusage(whose, &usage);
    return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
    if (!count) return 0;
    qsort(values, count, sizeof *values, compare);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static double ratio(double a, double b) {
    return b > 0 ? a / b : 0;
}

/* Of this process, in kilobytes: "VmRSS:", "VmHWM:". */
static double memory_of(const char *field) {
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    double kilobytes = 0;
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, field, strlen(field)) == 0) kilobytes = strtod(line + strlen(field), NULL);
    }
    if (file) fclose(file);
    return kilobytes;
}

/* The peak counts from now on. */
static void forget_peak(void) {
    int fd = open("/proc/self/clear_refs", O_WRONLY);
    if (fd < 0) return;
    if (write(fd, "5", 1) < 0) perror("bench: clear_refs");
    close(fd);
}

/* ---- one measurement, in a process of its own ---------------------------------------------------------- */

static int prepare(setting *s) {
    size_t i, size = image_sizes[s->todo->image];
    if (s->todo->what != UPLOAD_TEXT && s->todo->what != UPLOAD_FORM) return 1;
    if (!s->todo->from_file) {
        s->input = image_make(size);
        if (!s->input) return 0;
        for (i = 0; i < size; i += 4096) ((volatile unsigned char *)s->input)[i];
    }
    return plain_prepare(s);
}

static sample measure_here(setting *s) {
    sample got;
    double wall, cpu, memory;
    memset(&got, 0, sizeof got);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (!prepare(s)) return got;
    forget_peak();
    memory = memory_of("VmRSS:");
    cpu = cpu_seconds(RUSAGE_SELF);
    wall = seconds_now();
    got.good = s->by == LIBRARY ? library_run(s) : plain_run(s);
    got.value[WALL] = (seconds_now() - wall) * 1e3;
    got.value[CPU] = (cpu_seconds(RUSAGE_SELF) - cpu) * 1e3;
    got.value[PEAK] = (memory_of("VmHWM:") - memory) / 1024;
    return got;
}

static void child(setting *s, int out) {
    sample got;
    alarm(LONGEST_SECONDS);
    got = measure_here(s);
    if (write(out, &got, sizeof got) != (ssize_t)sizeof got) _exit(1);
    _exit(0);
}

/* Runs `run` in a child, which writes `size` bytes into the pipe; 0 = it didn't. */
static int in_a_child(void (*run)(setting *s, int out), setting *s, void *result, size_t size) {
    int ends[2], status = 0, got;
    pid_t pid;
    if (pipe(ends) < 0) return 0;
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        run(s, ends[1]);
    }
    close(ends[1]);
    got = pid > 0 && read(ends[0], result, size) == (ssize_t)size;
    close(ends[0]);
    if (pid > 0) waitpid(pid, &status, 0);
    return got;
}

static sample measure_once(const task *t, who by, int port) {
    setting s;
    sample got;
    memset(&s, 0, sizeof s);
    memset(&got, 0, sizeof got);
    s.todo = t;
    s.by = by;
    s.port = port;
    s.directory = directory;
    s.input_path = input_paths[t->image];
    if (!in_a_child(child, &s, &got, sizeof got)) got.good = 0;
    return got;
}

static void measure_task(size_t index, int port) {
    static double values[WHO_COUNT][MEASURES][MOST_ROUNDS];
    const task *t = &tasks[index];
    size_t counts[WHO_COUNT] = {0, 0, 0, 0, 0};
    int round, turn, m;
    fprintf(stderr, "%s\n", t->name);
    for (round = 0; round < t->rounds; round++) {
        for (turn = 0; turn < WHO_COUNT; turn++) {
            int by = (turn + round) % WHO_COUNT;
            sample got = measure_once(t, (who)by, port);
            if (!got.good) {
                fprintf(stderr, "%s: %s failed\n", t->name, who_names[by]);
                failures++;
                return;
            }
            for (m = 0; m < MEASURES; m++) values[by][m][counts[by]] = got.value[m];
            counts[by]++;
        }
    }
    for (turn = 0; turn < WHO_COUNT; turn++) {
        for (m = 0; m < MEASURES; m++)
            outcomes[index].median[turn][m] = median(values[turn][m], counts[turn]);
    }
    outcomes[index].was_run = 1;
}

/* ---- polling, base64, compiling ------------------------------------------------------------------------ */

static int poll_jobs;

static void poll_child(setting *s, int out) {
    double cost;
    alarm(LONGEST_SECONDS);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    cost = library_poll_cost(s->port, poll_jobs);
    if (write(out, &cost, sizeof cost) != (ssize_t)sizeof cost) _exit(1);
    _exit(0);
}

static void measure_polling(int port) {
    size_t i;
    setting s;
    memset(&s, 0, sizeof s);
    s.port = port;
    fprintf(stderr, "poll\n");
    for (i = 0; i < COUNT(polling.jobs); i++) {
        poll_jobs = polling.jobs[i];
        if (in_a_child(poll_child, &s, &polling.us[i], sizeof polling.us[i]) && polling.us[i] >= 0) continue;
        fprintf(stderr, "poll: %d jobs failed\n", poll_jobs);
        failures++;
        return;
    }
    polling.is_run = 1;
}

static size_t copy(const void *in, size_t size, void *out) {
    memcpy(out, in, size);
    return size;
}

/* From memory rather than from a cache; every page has been touched before. */
static void measure_base64(void) {
    static const codec codecs[CODECS] = {copy,         library_decode, ssse3_decode, portable_decode,
                                         plain_decode, library_encode, ssse3_encode, portable_encode};
    size_t size = image_sizes[3], text_size = image_encoded_size(size);
    unsigned char *bytes = image_make(size);
    char *text = (char *)malloc(text_size), *out = (char *)malloc(text_size + 64);
    double times[CODECS][BASE64_ROUNDS];
    int round, i;
    fprintf(stderr, "base64\n");
    if (!bytes || !text || !out) return;
    image_encode(bytes, size, text);
    memset(out, 1, text_size + 64);
    for (round = 0; round < BASE64_ROUNDS; round++) {
        for (i = 0; i < CODECS; i++) {
            int encodes = i >= ENCODE;
            double start = seconds_now();
            size_t written = encodes ? codecs[i](bytes, size, out) : codecs[i](text, text_size, out);
            times[i][round] = seconds_now() - start;
            if (written == 0) times[i][round] = 0;
            if (memcmp(out, i == COPY || encodes ? text : (char *)bytes, written) != 0) failures++;
        }
    }
    for (i = 0; i < CODECS; i++)
        codec_speed[i] = ratio((double)text_size / 1e9, median(times[i], BASE64_ROUNDS));
    free(bytes);
    free(text);
    free(out);
}

static int run_quietly(const char *command) {
    return system(command) == 0;
}

static double text_size_of(const char *object) {
    char command[256];
    double size = 0;
    FILE *pipe_end;
    snprintf(command, sizeof command, "size '%s' 2>/dev/null | awk 'NR == 2 { print $1 }'", object);
    pipe_end = popen(command, "r");
    if (!pipe_end) return 0;
    if (fscanf(pipe_end, "%lf", &size) != 1) size = 0;
    pclose(pipe_end);
    return size / 1024;
}

static const char *compiler(void) {
    const char *named = getenv("CC");
    return named && *named ? named : "cc";
}

static compiled compile(const char *source) {
    char command[512], path[96], object[96];
    double times[COMPILE_ROUNDS];
    compiled got = {0, 0};
    int round;
    FILE *file;
    snprintf(path, sizeof path, "%s/one.c", directory);
    snprintf(object, sizeof object, "%s/one.o", directory);
    file = fopen(path, "w");
    if (!file) return got;
    fputs(source, file);
    fclose(file);
    snprintf(command, sizeof command, "%s -std=c99 -O2 -I. -c '%s' -o '%s' 2>/dev/null", compiler(), path,
             object);
    for (round = 0; round < COMPILE_ROUNDS; round++) {
        double start = cpu_seconds(RUSAGE_CHILDREN);
        if (!run_quietly(command)) return got;
        times[round] = cpu_seconds(RUSAGE_CHILDREN) - start;
    }
    got.seconds = median(times, COMPILE_ROUNDS);
    got.text_kb = text_size_of(object);
    return got;
}

static void measure_compiling(void) {
    fprintf(stderr, "compile\n");
    compiled_library = compile("#define TARASH_IMAGE_IMPLEMENTATION\n#include \"tarash_image.h\"\n");
    compiled_stb = compile("#define STB_IMAGE_IMPLEMENTATION\n#include <stb/stb_image.h>\n");
    if (!compiled_library.seconds) failures++;
}

/* ---- the report ---------------------------------------------------------------------------------------- */

static size_t task_index(const char *name) {
    size_t i;
    for (i = 0; i < COUNT(tasks); i++) {
        if (strcmp(tasks[i].name, name) == 0) return i;
    }
    return COUNT(tasks);
}

static double of_floor(const outcome *o, who by, measure m) {
    return ratio(o->median[by][m], o->median[FLOOR][m]);
}

static int goal_value(const goal *g, double *value) {
    size_t index = task_index(g->task), other = g->than ? task_index(g->than) : index;
    if (g->what == COMPILING) *value = ratio(compiled_library.seconds, compiled_stb.seconds);
    if (g->what == KILOBYTES) *value = compiled_library.text_kb;
    if (index == COUNT(tasks)) return *value > 0;
    if (!outcomes[index].was_run || !outcomes[other].was_run) return 0;
    if (g->what == PEAK_ABOVE)
        *value = outcomes[index].median[LIBRARY][PEAK] - outcomes[other].median[LIBRARY][PEAK];
    else
        *value = of_floor(&outcomes[index], LIBRARY, g->what);
    return 1;
}

static void print_goals_of(const char *name) {
    static const char *const names[] = {"wall",      "CPU", "peak", "", "MB above 1 KB", "time / stb_image's",
                                        "KB of text"};
    const char *comma = "";
    size_t i;
    for (i = 0; i < COUNT(goals); i++) {
        double value = 0;
        if (strcmp(goals[i].task, name) != 0 || !goal_value(&goals[i], &value)) continue;
        printf("%s%s %.*f <= %.*f %s", comma, names[goals[i].what], goals[i].what == KILOBYTES ? 0 : 2, value,
               goals[i].what == KILOBYTES ? 0 : 2, goals[i].most,
               value <= goals[i].most ? "met"
               : wants_markdown       ? "**missed**"
                                      : "MISSED");
        comma = ", ";
    }
}

static int any_task(void) {
    size_t i;
    for (i = 0; i < COUNT(tasks); i++) {
        if (outcomes[i].was_run) return 1;
    }
    return 0;
}

static void print_head(void) {
    if (wants_markdown) {
        printf("| case | library: ms, CPU ms, peak MB | floor: ms, CPU ms, peak MB "
               "| library / floor: wall, CPU, peak | by hand / floor | limit / floor: wall, CPU "
               "| least / floor | goals |\n"
               "|---|--:|--:|--:|--:|--:|--:|---|\n");
        return;
    }
    printf("%-31s %26s %26s  %17s %17s %11s %11s\n", "", "library", "floor", "library / floor",
           "by hand / floor", "limit /", "least /");
    printf("%-31s %8s %8s %8s %8s %8s %8s  %5s %5s %5s %5s %5s %5s %5s %5s %5s %5s  %s\n", "medians", "ms",
           "CPU ms", "peak MB", "ms", "CPU ms", "peak MB", "wall", "CPU", "peak", "wall", "CPU", "peak",
           "wall", "CPU", "wall", "CPU", "goals");
}

static void print_task(size_t i) {
    const outcome *o = &outcomes[i];
    const char *bar = wants_markdown ? " |" : "";
    printf(wants_markdown ? "| %s |" : "%-31s", tasks[i].title);
    printf(" %8.2f %8.2f %8.2f%s", o->median[LIBRARY][WALL], o->median[LIBRARY][CPU],
           o->median[LIBRARY][PEAK], bar);
    printf(" %8.2f %8.2f %8.2f%s ", o->median[FLOOR][WALL], o->median[FLOOR][CPU], o->median[FLOOR][PEAK],
           bar);
    printf(" %5.2f %5.2f %5.2f%s", of_floor(o, LIBRARY, WALL), of_floor(o, LIBRARY, CPU),
           of_floor(o, LIBRARY, PEAK), bar);
    printf(" %5.2f %5.2f %5.2f%s", of_floor(o, BY_HAND, WALL), of_floor(o, BY_HAND, CPU),
           of_floor(o, BY_HAND, PEAK), bar);
    printf(" %5.2f %5.2f%s", of_floor(o, LIMIT, WALL), of_floor(o, LIMIT, CPU), bar);
    printf(" %5.2f %5.2f%s  ", of_floor(o, LEAST, WALL), of_floor(o, LEAST, CPU), bar);
    print_goals_of(tasks[i].name);
    printf("%s\n", bar);
}

static void print_tasks(void) {
    size_t i;
    if (!any_task()) return;
    print_head();
    for (i = 0; i < COUNT(tasks); i++) {
        if (outcomes[i].was_run) print_task(i);
    }
    printf("\nFloor: libcurl into a doubling buffer. Limit: libcurl, the bytes thrown away. Least: the limit "
           "with a "
           "large\nreceive buffer, and new pages for the image. By hand: libcurl, cJSON, a table.\nUploads: "
           "floor, libcurl sends the finished body from memory; limit, it sends "
           "what stands in its buffer.\n");
}

static void print_polling(void) {
    size_t i;
    if (!polling.is_run) return;
    printf("\ntarash_image_poll(client, 0) with idle jobs, microseconds a call:");
    for (i = 0; i < COUNT(polling.jobs); i++)
        printf("%s %d: %.2f", i ? "," : "", polling.jobs[i], polling.us[i]);
    printf("\n");
}

static void print_base64(void) {
    int i;
    if (codec_speed[COPY] <= 0) return;
    printf("\nbase64, GB of text a second:");
    for (i = 0; i < CODECS; i++) {
        if (codec_speed[i] > 0) printf("%s %s %.1f", i ? ";" : "", codec_names[i], codec_speed[i]);
    }
    printf("\n");
}

static void print_compiled(void) {
    if (compiled_library.seconds <= 0) return;
    printf("\ncompiling at -O2: %.2f s CPU, %.0f KB of text", compiled_library.seconds,
           compiled_library.text_kb);
    if (compiled_stb.seconds > 0)
        printf(" (stb_image: %.2f s, %.0f KB)", compiled_stb.seconds, compiled_stb.text_kb);
    printf("; ");
    print_goals_of("compile");
    printf("\n");
}

static void print_machine(void) {
    char line[160] = "";
    char command[256];
    FILE *version;
    snprintf(command, sizeof command, "%s --version 2>/dev/null", compiler());
    version = popen(command, "r");
    if (version && fgets(line, sizeof line, version)) line[strcspn(line, "\n")] = 0;
    if (version) pclose(version);
    printf("%ld cores, Linux, %s, libcurl %s; loopback\n\n", sysconf(_SC_NPROCESSORS_ONLN), line,
           curl_version_info(CURLVERSION_NOW)->version);
}

static void write_csv(void) {
    FILE *file = csv_path ? fopen(csv_path, "w") : NULL;
    size_t i;
    int by;
    if (csv_path && !file) perror(csv_path);
    if (!file) return;
    fprintf(file, "task,who,wall_ms,cpu_ms,peak_mb,wall_ratio,cpu_ratio,peak_ratio\n");
    for (i = 0; i < COUNT(tasks); i++) {
        for (by = 0; by < WHO_COUNT && outcomes[i].was_run; by++) {
            const double *m = outcomes[i].median[by];
            fprintf(file, "%s,%s,%.4f,%.4f,%.3f,%.4f,%.4f,%.4f\n", tasks[i].name, who_names[by], m[WALL],
                    m[CPU], m[PEAK], of_floor(&outcomes[i], (who)by, WALL),
                    of_floor(&outcomes[i], (who)by, CPU), of_floor(&outcomes[i], (who)by, PEAK));
        }
    }
    fclose(file);
}

/* ---- what it needs around it --------------------------------------------------------------------------- */

/* In a child: a large block that is freed changes how malloc takes the next ones, in every process made after. */
static void input_child(setting *s, int out) {
    size_t size = image_sizes[s->todo->image];
    unsigned char *image = image_make(size);
    FILE *file = fopen(s->input_path, "wb");
    int good = file && image && fwrite(image, 1, size, file) == size;
    if (file && fclose(file) != 0) good = 0;
    if (write(out, &good, sizeof good) != (ssize_t)sizeof good) _exit(1);
    _exit(0);
}

static int write_input(int index) {
    int good = 0;
    task t;
    setting s;
    memset(&t, 0, sizeof t);
    memset(&s, 0, sizeof s);
    t.image = index;
    s.todo = &t;
    snprintf(input_paths[index], sizeof input_paths[index], "%s/input-%d.png", directory, index);
    s.input_path = input_paths[index];
    return in_a_child(input_child, &s, &good, sizeof good) && good;
}

static int make_directory(void) {
    int i;
    snprintf(directory, sizeof directory, "/tmp/bench-XXXXXX");
    if (!mkdtemp(directory)) return 0;
    for (i = 0; i < IMAGE_COUNT; i++) {
        if (!write_input(i)) return 0;
    }
    return 1;
}

static void remove_directory(void) {
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    if (strncmp(directory, "/tmp/bench-", 11) == 0) (void)run_quietly(command);
}

/* The server is the program of that name beside this one; it ends with the pipe into it. */
static pid_t start_server(const char *self, int *port, int *leash) {
    char path[512], line[32];
    const char *slash = strrchr(self, '/');
    int in[2], out[2];
    pid_t pid;
    ssize_t n;
    snprintf(path, sizeof path, "%.*sserver", slash ? (int)(slash + 1 - self) : 0, self);
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0) return -1;
    pid = fork();
    if (pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        execl(path, path, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    n = read(out[0], line, sizeof line - 1);
    close(out[0]);
    *leash = in[1];
    if (n <= 0) return -1;
    line[n] = 0;
    *port = (int)strtol(line, NULL, 10);
    return pid;
}

static int is_wanted(const char *name) {
    int i;
    for (i = 0; i < part_count; i++) {
        if (strstr(name, parts[i])) return 1;
    }
    return part_count == 0;
}

static void read_arguments(int argc, char **argv) {
    int i;
    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--markdown") == 0)
            wants_markdown = 1;
        else if (strcmp(argv[i], "--csv") == 0 && i + 1 < argc)
            csv_path = argv[++i];
        else
            break;
    }
    parts = argv + i;
    part_count = argc - i;
}

/* A thousand connections at both ends. */
static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void measure_all(int port) {
    size_t i;
    for (i = 0; i < COUNT(tasks); i++) {
        if (is_wanted(tasks[i].name)) measure_task(i, port);
    }
    if (is_wanted("poll")) measure_polling(port);
    if (is_wanted("base64")) measure_base64();
    if (is_wanted("compile")) measure_compiling();
}

static void print_all(void) {
    print_machine();
    print_tasks();
    print_polling();
    print_base64();
    print_compiled();
    write_csv();
}

int main(int argc, char **argv) {
    int port = 0, leash = -1;
    pid_t server;
    read_arguments(argc, argv);
    raise_file_limit();
    server = start_server(argv[0], &port, &leash);
    if (server < 0 || !make_directory()) {
        fprintf(stderr, "bench: no server, or no room for its files\n");
        remove_directory();
        return 1;
    }
    measure_all(port);
    close(leash);
    waitpid(server, NULL, 0);
    print_all();
    remove_directory();
    return failures > 0;
}
