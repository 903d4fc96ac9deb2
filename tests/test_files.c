/* Files that can't be opened, read, written, closed or renamed: each operation fails in turn, in each use of files. What
   was there stays, what is there is whole, and nothing is left lying about or open. */

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

/* ---- the C library's functions, which the implementation below calls by these names -------------------- */

typedef enum file_call { OPEN, READ, WRITE, CLOSE, SEEK, TELL, RENAME, REMOVE, FILE_CALLS } file_call;

static const char *const call_names[] = {"fopen", "fread", "fwrite", "fclose",
                                         "fseek", "ftell", "rename", "remove"};

static struct {
    size_t calls, fail_at, per_kind[FILE_CALLS];
    file_call failed;
    int has_failed;
    int no_removal;      /* every remove fails */
    const char *instead; /* of every file that is written */
} files;

static int fails(file_call kind) {
    files.per_kind[kind]++;
    if (++files.calls != files.fail_at) return 0;
    files.has_failed = 1;
    files.failed = kind;
    errno = EIO;
    return 1;
}

static FILE *open_double(const char *path, const char *mode) {
    if (fails(OPEN)) return NULL;
    return fopen(*mode == 'w' && files.instead ? files.instead : path, mode);
}

static size_t read_double(void *data, size_t one, size_t count, FILE *file) {
    return fails(READ) ? 0 : fread(data, one, count, file);
}

static size_t write_double(const void *data, size_t one, size_t count, FILE *file) {
    return fails(WRITE) ? fwrite(data, one, count / 2, file) : fwrite(data, one, count, file);
}

/* Closed it is, whatever it says. */
static int close_double(FILE *file) {
    int failed = fails(CLOSE), result = fclose(file);
    return failed ? EOF : result;
}

static int seek_double(FILE *file, long offset, int whence) {
    return fails(SEEK) ? -1 : fseek(file, offset, whence);
}

static long tell_double(FILE *file) {
    return fails(TELL) ? -1 : ftell(file);
}

static int rename_double(const char *from, const char *to) {
    return fails(RENAME) ? -1 : rename(from, to);
}

static int remove_double(const char *path) {
    return fails(REMOVE) || files.no_removal ? -1 : remove(path);
}

#define fopen  open_double
#define fread  read_double
#define fwrite write_double
#define fclose close_double
#define fseek  seek_double
#define ftell  tell_double
#define rename rename_double
#define remove remove_double

#include "scenarios.h"

#undef fopen
#undef fread
#undef fwrite
#undef fclose
#undef fseek
#undef ftell
#undef rename
#undef remove

/* ---- looking ------------------------------------------------------------------------------------------- */

static int open_descriptors(void) {
    int count = directory_count("/proc/self/fd");
    return count < 0 ? 0 : count;
}

static const char old_text[] = "what was there before";

static void make_old(const char *path) {
    assert_int_equal(write_whole_file(path, old_text, sizeof old_text), 0);
}

static int is_old(const char *path) {
    size_t size;
    char *data = (char *)read_whole_file(path, &size);
    int same = data && size == sizeof old_text && memcmp(data, old_text, size) == 0;
    free(data);
    return same;
}

/* ---- each operation in turn ---------------------------------------------------------------------------- */

typedef struct usage {
    const char *name;
    const char *script;
    void (*prepare)(scene *s);
    tarash_image_result (*perform)(scene *s);
    const char *written;    /* the file that it makes, or NULL */
    const char *operations; /* that it needs */
} usage;

static tarash_image_result perform_one_save(scene *s) {
    char path[600];
    tarash_image_result result;
    scenario_path(path, sizeof path, "saved.png");
    s->config.provider = "mock";
    s->config.model = NULL;
    s->request.size = "24x8";
    assert_result(tarash_image_generate(s->client, &s->config, &s->request, &s->response), TARASH_IMAGE_OK);
    result = tarash_image_save(&s->response.images[0], path, &s->response.error);
    assert_result(s->response.error.result, result);
    return result;
}

static void prepare_mock_sink(scene *s) {
    s->config.provider = "mock";
    s->config.model = NULL;
    s->request.size = "16x16";
    prepare_sink(s);
}

static const usage usages[] = {
    {"saving", NULL, NULL, perform_one_save, "saved.png", "fopen fwrite fclose rename"},
    {"a_sink", "[{" SMALL_IMAGE "}]", prepare_sink, submit_and_drive, "0.png", "fopen fwrite fclose rename"},
    {"a_sink_of_a_large_image", "[{\"image_result\": {\"size\": \"512x512\", \"bytes\": \"gif\"}}]",
     prepare_sink, submit_and_drive, "0.gif", "fopen fwrite fclose rename"},
    {"a_sink_for_a_link", "[{" SMALL_LINK "}]", prepare_sink, submit_and_drive, "0.png",
     "fopen fwrite fclose rename"},
    {"a_sink_for_a_stream", "[{" SMALL_IMAGE "}]", prepare_stream_sink, submit_and_drive, "0.png",
     "fopen fwrite fclose rename"},
    {"a_sink_of_the_mock", NULL, prepare_mock_sink, submit_and_drive, "0.png", "fopen fwrite fclose rename"},
    {"a_form_of_files", GIF_REPLY, prepare_input_files, submit_and_drive, NULL,
     "fopen fread fclose fseek ftell"},
    {"json_of_files", GIF_REPLY, prepare_json_files, submit_and_drive, NULL,
     "fopen fread fclose fseek ftell"},
};

static void clear_folder(void) {
    char path[PATH_MAX];
    struct dirent *entry;
    DIR *directory = opendir(scenario_folder);
    while (directory && (entry = readdir(directory)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", scenario_folder, entry->d_name);
        (void)unlink(path);
    }
    if (directory) closedir(directory);
}

/* What must be there after the run. */
static void check_written(const usage *tried, tarash_image_result result, int was_there) {
    char path[600], *data;
    size_t size;
    if (!tried->written) return;
    scenario_path(path, sizeof path, tried->written);
    if (result == TARASH_IMAGE_OK) {
        data = (char *)read_whole_file(path, &size);
        assert_true(data != NULL && size > 20 && !is_old(path));
        assert_true(data[size - 1] == '\x82' || data[size - 1] == ';'); /* of IEND, of a GIF */
        free(data);
    } else if (was_there)
        assert_true(is_old(path));
    else
        assert_false(file_exists(path));
    if (!files.no_removal) assert_int_equal(directory_count(scenario_folder), file_exists(path));
    clear_folder();
}

/* One run in which call `at` fails (0 = none), and removals where that is said; `message` tells of the failure. */
static tarash_image_result attempt(const usage *tried, size_t at, int was_there, int no_removal,
                                   char *message, size_t size) {
    scene s;
    char path[600];
    tarash_image_result result;
    scene_open(&s, "files");
    scenario_path(path, sizeof path, tried->written ? tried->written : "none");
    clear_folder();
    if (was_there && tried->written) make_old(path);
    if (tried->script) assert_int_equal(control_script("files", tried->script), 0);
    if (tried->prepare) tried->prepare(&s);
    scene_client(&s);
    memset(&files, 0, sizeof files);
    files.fail_at = at;
    files.no_removal = no_removal;
    result = tried->perform(&s);
    files.fail_at = 0;
    snprintf(message, size, "%s", s.response.error.message);
    assert_result(s.response.error.result, result);
    check_written(tried, result, was_there);
    if (tried->script && s.response.error.delivery == TARASH_IMAGE_DELIVERY_NOT_SENT &&
        result != TARASH_IMAGE_OK)
        assert_int_equal(control_posts("files"), 0);
    scene_close(&s);
    return result;
}

static void check_failure(const usage *tried, tarash_image_result result, const char *message) {
    const char *name = call_names[files.failed];
    assert_true(files.has_failed);
    /* What was only read may be closed as it likes. */
    if (result == TARASH_IMAGE_OK && files.failed == CLOSE && !tried->written) return;
    if (result != TARASH_IMAGE_ERROR_IO && (tried->written || result != TARASH_IMAGE_ERROR_VALIDATION))
        fail_msg("%s failed: %s: %s", name, tarash_image_result_name(result), message);
    /* The user is told which file. */
    if (!strstr(message, tried->written ? scenario_folder : "input"))
        fail_msg("%s failed: %s", name, message);
}

static void every_call_may_fail(void **state) {
    const usage *tried = (const usage *)*state;
    size_t calls, at;
    int i, descriptors;
    char message[600];
    assert_result(attempt(tried, 0, 0, 0, message, sizeof message), TARASH_IMAGE_OK);
    for (i = 0; i < FILE_CALLS; i++) {
        int is_needed = strstr(tried->operations, call_names[i]) != NULL;
        if (is_needed != (files.per_kind[i] > 0))
            fail_msg("%s: %d calls", call_names[i], (int)files.per_kind[i]);
    }
    calls = files.calls;
    descriptors = open_descriptors();
    for (at = 1; at <= calls; at++) {
        for (i = 0; i < 4; i++)
            check_failure(tried, attempt(tried, at, i & 1, i >> 1, message, sizeof message), message);
    }
    assert_int_equal(open_descriptors(), descriptors);
}

/* ---- places where nothing can be written --------------------------------------------------------------- */

static tarash_image small_image(void) {
    static unsigned char bytes[64];
    tarash_image image;
    memset(&image, 0, sizeof image);
    memset(bytes, 'x', sizeof bytes);
    image.data = bytes;
    image.size = sizeof bytes;
    return image;
}

/* Saving and a sink fail alike, and tell the path. */
static void expect_unwritable(const char *path) {
    tarash_image image = small_image();
    tarash_image_error error;
    tarash_image_sink sink;
    scene s;
    int descriptors = open_descriptors();
    assert_result(tarash_image_save(&image, path, &error), TARASH_IMAGE_ERROR_IO);
    assert_result(error.result, TARASH_IMAGE_ERROR_IO);
    if (strlen(path) < 300) assert_contains(error.message, path);
    assert_result(tarash_image_save(&image, path, NULL), TARASH_IMAGE_ERROR_IO);
    assert_int_equal(open_descriptors(), descriptors);
    scene_start(&s, "files", "[{" SMALL_IMAGE "}]");
    memset(&sink, 0, sizeof sink);
    sink.path = path;
    s.request.sink = &sink;
    assert_result(run(&s), TARASH_IMAGE_ERROR_IO);
    if (strlen(path) < 300) assert_contains(s.response.error.message, path);
    assert_true(s.response.error.delivery != TARASH_IMAGE_DELIVERY_NOT_SENT);
    assert_int_equal(control_posts("files"), 1);
    scene_close(&s);
}

static void places_that_take_no_file(void **state) {
    char path[1200], file[600], long_name[400];
    (void)state;
    memset(&files, 0, sizeof files);
    scenario_path(path, sizeof path, "missing/image.png");
    clear_folder();
    expect_unwritable(path);
    /* A folder of the target's own name. */
    scenario_path(path, sizeof path, "folder.png");
    assert_int_equal(mkdir(path, 0700), 0);
    expect_unwritable(path);
    assert_int_equal(directory_count(path), 0);
    assert_int_equal(directory_count(scenario_folder), 1);
    assert_int_equal(rmdir(path), 0);
    /* A file where a folder should be. */
    scenario_path(file, sizeof file, "file");
    make_old(file);
    snprintf(path, sizeof path, "%s/image.png", file);
    expect_unwritable(path);
    assert_true(is_old(file));
    clear_folder();
    /* A name that no file can have. */
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    snprintf(path, sizeof path, "%s/%s", scenario_folder, long_name);
    expect_unwritable(path);
    assert_int_equal(directory_count(scenario_folder), 0);
}

/* The disk is full: it shows when the bytes leave the C library's buffer. */
static void a_full_disk(void **state) {
    static const char *const scripts[] = {
        "[{" SMALL_IMAGE "}]", "[{\"image_result\": {\"size\": \"1024x1024\", \"bytes\": \"gif\"}}]"};
    tarash_image image = small_image();
    char path[600];
    size_t i;
    (void)state;
    if (!file_exists("/dev/full")) skip();
    memset(&files, 0, sizeof files);
    files.instead = "/dev/full";
    scenario_path(path, sizeof path, "full.png");
    clear_folder();
    make_old(path);
    assert_result(tarash_image_save(&image, path, NULL), TARASH_IMAGE_ERROR_IO);
    for (i = 0; i < 2; i++) {
        scene s;
        tarash_image_sink sink;
        scene_start(&s, "files", scripts[i]);
        memset(&sink, 0, sizeof sink);
        sink.path = path;
        s.request.sink = &sink;
        assert_result(run(&s), TARASH_IMAGE_ERROR_IO);
        assert_contains(s.response.error.message, path);
        scene_close(&s);
    }
    files.instead = NULL;
    assert_true(is_old(path));
    assert_int_equal(directory_count(scenario_folder), 1);
    clear_folder();
}

/* With nobody's rights, for root may write anywhere. */
static void a_folder_that_may_not_be_written_to(void **state) {
    char folder[600], path[700];
    uid_t self = geteuid();
    (void)state;
    memset(&files, 0, sizeof files);
    scenario_path(folder, sizeof folder, "locked");
    clear_folder();
    snprintf(path, sizeof path, "%s/image.png", folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    make_old(path);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(chmod(folder, 0555), 0);
    assert_int_equal(chmod(temporary_directory(), 0755), 0);
    assert_int_equal(chmod(scenario_folder, 0755), 0);
    if (self == 0 && seteuid(65534) != 0) skip();
    expect_unwritable(path);
    assert_true(is_old(path)); /* it can be seen, so that wasn't the reason */
    assert_int_equal(seteuid(self), 0);
    assert_int_equal(directory_count(folder), 1);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* ---- targets that exist -------------------------------------------------------------------------------- */

static void what_was_there_is_replaced(void **state) {
    tarash_image image = small_image();
    char path[600], other[600];
    size_t size;
    char *data;
    (void)state;
    memset(&files, 0, sizeof files);
    scenario_path(path, sizeof path, "target");
    scenario_path(other, sizeof other, "other");
    clear_folder();
    make_old(path);
    assert_int_equal(chmod(path, 0400), 0);
    assert_result(tarash_image_save(&image, path, NULL), TARASH_IMAGE_OK);
    data = (char *)read_whole_file(path, &size);
    assert_int_equal(size, image.size);
    assert_memory_equal(data, image.data, size);
    free(data);
    /* A link is replaced itself; what it led to stays. */
    make_old(other);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(other, path), 0);
    assert_result(tarash_image_save(&image, path, NULL), TARASH_IMAGE_OK);
    assert_true(is_old(other));
    assert_false(is_old(path));
    assert_int_equal(directory_count(scenario_folder), 2);
    clear_folder();
}

/* ---- input files --------------------------------------------------------------------------------------- */

typedef struct changing {
    const char *what;
    size_t size; /* of the file when it is sent; SIZE_MAX = gone */
    tarash_image_result expected;
} changing;

static void change_file(const char *path, size_t size) {
    unsigned char bytes[4096];
    if (size == SIZE_MAX) {
        assert_int_equal(unlink(path), 0);
        return;
    }
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, tiny_png, tiny_png_size);
    assert_int_equal(write_whole_file(path, bytes, size), 0);
}

static void input_files_that_change(void **state) {
    static const changing cases[] = {{"gone", SIZE_MAX, TARASH_IMAGE_ERROR_IO},
                                     {"emptied", 0, TARASH_IMAGE_ERROR_IO},
                                     {"cut", 10, TARASH_IMAGE_ERROR_IO},
                                     {"grown", 4096, TARASH_IMAGE_OK}};
    size_t i;
    (void)state;
    memset(&files, 0, sizeof files);
    for (i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        const changing *c = &cases[i / 2];
        scene s;
        scene_open(&s, "files");
        assert_int_equal(control_script("files", GIF_REPLY), 0);
        if (i % 2)
            prepare_input_files(&s);
        else
            prepare_json_files(&s);
        scene_client(&s);
        scene_submit(&s);
        change_file(s.request.images[0].path, c->size);
        finish(&s);
        if (scene_take(&s) != c->expected)
            fail_msg("%s: %s: %s", c->what, tarash_image_result_name(s.response.error.result),
                     s.response.error.message);
        scene_close(&s);
    }
}

static void inputs_that_are_no_files(void **state) {
    static const char *const paths[] = {"/", "/nowhere/at-all.png", "/dev/null", ""};
    size_t i;
    (void)state;
    memset(&files, 0, sizeof files);
    for (i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        scene s;
        tarash_image_input input;
        scene_start(&s, "files", GIF_REPLY);
        memset(&input, 0, sizeof input);
        input.path = paths[i];
        s.config.model = "gpt-image-1";
        s.request.size = NULL;
        s.request.images = &input;
        s.request.image_count = 1;
        assert_result(run(&s), TARASH_IMAGE_ERROR_VALIDATION);
        assert_contains(s.response.error.message, "images[0]");
        assert_int_equal(control_posts("files"), 0);
        scene_close(&s);
    }
}

/* ---- what is no file ---- */

static void *drain(void *path) {
    static unsigned char got[4096];
    FILE *pipe_end = (fopen)((const char *)path, "rb");
    size_t size = 0, n;
    while (pipe_end && (n = (fread)(got, 1, sizeof got, pipe_end)) > 0) size += n;
    if (pipe_end) (fclose)(pipe_end);
    return (void *)(uintptr_t)size;
}

static int is_pipe(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 && S_ISFIFO(found.st_mode);
}

/* No file may take a pipe's place; the bytes go into it. */
static void pipes_are_written_into(void **state) {
    char path[600];
    int by_sink;
    (void)state;
    memset(&files, 0, sizeof files);
    scenario_path(path, sizeof path, "pipe");
    clear_folder();
    for (by_sink = 0; by_sink < 2; by_sink++) {
        scene s;
        tarash_image_sink sink;
        pthread_t reader;
        void *size;
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_int_equal(pthread_create(&reader, NULL, drain, path), 0);
        memset(&sink, 0, sizeof sink);
        sink.path = path;
        scene_start(&s, "files", GIF_REPLY);
        if (by_sink) s.request.sink = &sink;
        assert_result(run(&s), TARASH_IMAGE_OK);
        if (!by_sink) assert_result(tarash_image_save(&s.response.images[0], path, NULL), TARASH_IMAGE_OK);
        assert_int_equal(pthread_join(reader, &size), 0);
        assert_int_equal((uintptr_t)size, s.response.images[0].size);
        assert_true(is_pipe(path));
        assert_int_equal(unlink(path), 0);
        assert_int_equal(directory_count(scenario_folder), 0);
        scene_close(&s);
    }
}

static void pipes_stay_where_writing_fails(void **state) {
    tarash_image image = small_image();
    char path[600], drained[4096];
    size_t n;
    int end;
    (void)state;
    scenario_path(path, sizeof path, "pipe");
    clear_folder();
    assert_int_equal(mkfifo(path, 0600), 0);
    end = open(path, O_RDWR | O_NONBLOCK); /* so that nobody waits for a reader */
    assert_true(end >= 0);
    for (n = 1; n < 10; n++) {
        tarash_image_result result;
        memset(&files, 0, sizeof files);
        files.fail_at = n;
        result = tarash_image_save(&image, path, NULL);
        assert_true(is_pipe(path));
        assert_int_equal(directory_count(scenario_folder), 1);
        while (read(end, drained, sizeof drained) > 0) {
        }
        if (!files.has_failed) break;
        assert_result(result, TARASH_IMAGE_ERROR_IO);
    }
    assert_int_equal(n, 4); /* opened, written, closed */
    close(end);
    assert_int_equal(unlink(path), 0);
}

#define USAGES (sizeof usages / sizeof usages[0])

int main(void) {
    const struct CMUnitTest others[] = {
        cmocka_unit_test(places_that_take_no_file),
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(a_folder_that_may_not_be_written_to),
        cmocka_unit_test(what_was_there_is_replaced),
        cmocka_unit_test(input_files_that_change),
        cmocka_unit_test(inputs_that_are_no_files),
        cmocka_unit_test(pipes_are_written_into),
        cmocka_unit_test(pipes_stay_where_writing_fails),
    };
    struct CMUnitTest tests[USAGES + sizeof others / sizeof others[0]];
    size_t i;
    memset(tests, 0, sizeof tests);
    for (i = 0; i < USAGES; i++) {
        tests[i].name = usages[i].name;
        tests[i].test_func = every_call_may_fail;
        tests[i].initial_state = (void *)(uintptr_t)&usages[i];
    }
    memcpy(&tests[USAGES], others, sizeof others);
    return _cmocka_run_group_tests("files", tests, sizeof tests / sizeof tests[0], server_setup,
                                   server_teardown);
}
