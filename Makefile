# make          the examples and the command-line tool, into build/
# make demo     installs what is missing, builds, makes pictures offline
# make test     installs what is missing, builds and runs every test
# make bench    installs what is missing, measures the library against libcurl alone (Linux, a few minutes);
#               BENCH="cold poll" measures a part, BENCH=--markdown prints Markdown; make bench-chart draws the last run
# make fuzz     installs what is missing (clang), runs each fuzz target of tests/fuzz for FUZZ_SECONDS (default: 60);
#               FUZZ="json sse" runs these. New inputs are kept in build/fuzz/NAME.found, what failed in build/fuzz
# make torture  installs what is missing, fails memory, libcurl's memory and files at every single place (a few minutes)
# make tsan     installs what is missing, runs the tests of threads under the thread sanitizer
# make msan     installs what is missing (clang), replays the fuzz corpora under the memory sanitizer
# make coverage installs what is missing, measures which lines and branches of the header the tests run (gcc, a few minutes)
#
# SETUP=no installs nothing. All that the header itself needs is a C compiler and libcurl.

CC     ?= cc
CFLAGS ?= -std=c99 -O2
FUZZ_CC ?= clang
WARN   ?= -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef -Wstrict-prototypes
CPPFLAGS += -I.

# Asked for when used, so that they are right after `make setup-...` in the same run.
CURL_CFLAGS = $(shell pkg-config --cflags libcurl 2>/dev/null || curl-config --cflags 2>/dev/null)
CURL_LIBS   = $(shell pkg-config --libs libcurl 2>/dev/null || curl-config --libs 2>/dev/null || echo -lcurl)
TEST_LIBS   = -lcmocka -lcjson $(CURL_LIBS) -lm -pthread
# What a test names itself, in a line such as /* LIBS: -lz */
FILE_LIBS   = $(shell sed -n 's|^/\* LIBS: \(.*\) \*/$$|\1|p' $<)
TEST_DEFS   = -DTESTS_DIR='"$(CURDIR)/tests"'
SANITIZE    = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all

COMPILE  = $(CC) $(CPPFLAGS) $(CURL_CFLAGS) $(CFLAGS) $(WARN)
EXAMPLES = $(patsubst examples/%.c,build/%,$(wildcard examples/*.c))
TESTS    = $(patsubst tests/%.c,build/tests/%,$(wildcard tests/test_*.c))
ASAN     = $(patsubst tests/%.c,build/asan/%,$(wildcard tests/test_*.c)) build/asan/tarash-image
SUPPORT  = $(wildcard tests/support.c)

.DELETE_ON_ERROR:
.PHONY: all tests-build asan-build demo test check setup-demo setup-test compile-matrix asan corpus valgrind clean format format-check \
        bench bench-chart setup-bench setup-bench-chart fuzz setup-fuzz coverage setup-coverage torture tsan msan

all: $(EXAMPLES)

build/%: examples/%.c tarash_image.h
	@mkdir -p $(@D)
	$(COMPILE) $< -o $@ $(LDFLAGS) $(CURL_LIBS)

build/tests/%: tests/%.c tarash_image.h $(wildcard tests/*.h) $(SUPPORT)
	@mkdir -p $(@D)
	$(COMPILE) -g $(TEST_DEFS) $< $(SUPPORT) -o $@ $(LDFLAGS) $(FILE_LIBS) $(TEST_LIBS)

build/asan/%: tests/%.c tarash_image.h $(wildcard tests/*.h) $(SUPPORT)
	@mkdir -p $(@D)
	$(COMPILE) $(SANITIZE) $(TEST_DEFS) $< $(SUPPORT) -o $@ $(LDFLAGS) $(FILE_LIBS) $(TEST_LIBS)

build/asan/tarash-image: examples/tarash-image.c tarash_image.h
	@mkdir -p $(@D)
	$(COMPILE) $(SANITIZE) $< -o $@ $(LDFLAGS) $(CURL_LIBS)

tests-build: all $(TESTS)
asan-build: $(ASAN)

setup-demo setup-test setup-bench setup-bench-chart setup-fuzz setup-coverage:
	@CC="$(CC)" FUZZ_CC="$(FUZZ_CC)" sh tests/setup.sh $(subst setup-,,$@)

demo: setup-demo
	@$(MAKE) --no-print-directory all
	@sh examples/demo.sh

# Everything, or one part: unit, asan, corpus, valgrind, matrix, cli. `check` is `test` without looking for what is missing.
test: setup-test
	@MAKE="$(MAKE)" CC="$(CC)" python3 tests/run.py
check:
	@MAKE="$(MAKE)" CC="$(CC)" python3 tests/run.py
compile-matrix: setup-test
	@MAKE="$(MAKE)" CC="$(CC)" python3 tests/run.py matrix
asan valgrind corpus: setup-test
	@MAKE="$(MAKE)" CC="$(CC)" python3 tests/run.py $@

# The newest whole or partial run is in build/bench/last.csv.
bench: setup-bench
	@$(MAKE) --no-print-directory build/bench/bench build/bench/server
	@CC="$(CC)" build/bench/bench --csv build/bench/last.csv $(BENCH)
bench-chart: setup-bench-chart
	@test -f build/bench/last.csv || $(MAKE) --no-print-directory bench BENCH=
	gnuplot -e "input='build/bench/last.csv'; output_file='tests/bench/chart.svg'" tests/bench/chart.gp

BENCH_PARTS = bench library plain portable images
build/bench/%.o: tests/bench/%.c $(wildcard tests/bench/*.h) tarash_image.h
	@mkdir -p $(@D)
	$(COMPILE) -D_POSIX_C_SOURCE=200809L -c $< -o $@
build/bench/bench: $(BENCH_PARTS:%=build/bench/%.o)
	$(CC) $^ -o $@ $(LDFLAGS) -lcjson $(CURL_LIBS) -lm
build/bench/server: build/bench/server.o build/bench/images.o
	$(CC) $^ -o $@ $(LDFLAGS)

FUZZ_SECONDS ?= 60
FUZZ_OPTIONS  = -timeout=20 -rss_limit_mb=3000 -max_len=4000 -print_final_stats=1
FUZZ         ?= $(filter-out replay,$(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c)))
FUZZ_PARTS    = $(wildcard tests/fuzz/*.c tests/fuzz/*.h) tarash_image.h
build/fuzz/replay: $(FUZZ_PARTS)
	@mkdir -p $(@D)
	$(COMPILE) $(SANITIZE) $(TEST_DEFS) tests/fuzz/replay.c -o $@ $(LDFLAGS) $(CURL_LIBS)
build/fuzz/%: tests/fuzz/%.c $(FUZZ_PARTS)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(CPPFLAGS) $(CURL_CFLAGS) -std=c99 $(SANITIZE) -fsanitize=fuzzer $< -o $@ $(LDFLAGS) $(CURL_LIBS)
fuzz: setup-fuzz
	@$(MAKE) --no-print-directory $(FUZZ:%=build/fuzz/%)
	@for name in $(FUZZ); do \
	    mkdir -p build/fuzz/$$name.found; \
	    words=$$(ls tests/fuzz/$$name.dict 2>/dev/null); \
	    echo "fuzz: $$name for $(FUZZ_SECONDS) s"; \
	    build/fuzz/$$name -max_total_time=$(FUZZ_SECONDS) $(FUZZ_OPTIONS) $${words:+-dict=$$words} \
	        -artifact_prefix=build/fuzz/$$name- build/fuzz/$$name.found tests/fuzz/corpus/$$name \
	        >build/fuzz/$$name.log 2>&1 || { tail -n 60 build/fuzz/$$name.log; exit 1; }; \
	    grep -E '^(Done|stat::average_exec)' build/fuzz/$$name.log; \
	done

# Every place where memory, libcurl's memory or a file may fail; `test` tries a sample of them.
TORTURE_TESTS = test_memory test_memory_blocks test_torture test_files
torture: setup-test
	@$(MAKE) --no-print-directory $(TORTURE_TESTS:%=build/asan/%) build/fuzz/replay
	TORTURE=1 build/fuzz/replay
	@for name in $(TORTURE_TESTS); do echo "torture: $$name"; TORTURE=1 build/asan/$$name || exit 1; done

# Threads under the thread sanitizer.
TSAN       = -O1 -g -fsanitize=thread
TSAN_TESTS = test_threads test_jobs
build/tsan/%: tests/%.c tarash_image.h $(wildcard tests/*.h) $(SUPPORT)
	@mkdir -p $(@D)
	$(COMPILE) $(TSAN) $(TEST_DEFS) $< $(SUPPORT) -o $@ $(LDFLAGS) $(FILE_LIBS) $(TEST_LIBS)
tsan: setup-test
	@$(MAKE) --no-print-directory $(TSAN_TESTS:%=build/tsan/%)
	@for name in $(TSAN_TESTS); do \
	    echo "tsan: $$name"; TSAN_OPTIONS="halt_on_error=1 $$TSAN_OPTIONS" build/tsan/$$name || exit 1; \
	done

# Only the corpora, with a libcurl that is played: the installed libcurl and cmocka aren't instrumented, so no network test can run.
MSAN = -O1 -g -fno-omit-frame-pointer -fsanitize=memory -fsanitize-memory-track-origins
build/msan/replay: $(FUZZ_PARTS)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(CPPFLAGS) $(CURL_CFLAGS) -std=c99 $(MSAN) $(TEST_DEFS) tests/fuzz/replay.c -o $@ $(LDFLAGS) $(CURL_LIBS)
msan: setup-fuzz
	@mkdir -p build/msan
	@if echo 'int main(void) { return 0; }' | $(FUZZ_CC) -fsanitize=memory -x c - -o build/msan/try >/dev/null 2>&1 && build/msan/try; then \
	    $(MAKE) --no-print-directory build/msan/replay && build/msan/replay; \
	else echo "msan: skipped, $(FUZZ_CC) has no memory sanitizer here"; fi

# The tests run without assertions, whose other side no test can reach.
COVERAGE = --coverage -O0 -g -DNDEBUG -fprofile-update=atomic
build/coverage/%: tests/%.c tarash_image.h $(wildcard tests/*.h) $(SUPPORT)
	@mkdir -p $(@D)
	$(COMPILE) $(COVERAGE) $(TEST_DEFS) $< $(SUPPORT) -o $@ $(LDFLAGS) $(FILE_LIBS) $(TEST_LIBS)
build/coverage/replay: $(FUZZ_PARTS)
	@mkdir -p $(@D)
	$(COMPILE) $(COVERAGE) $(TEST_DEFS) tests/fuzz/replay.c -o $@ $(LDFLAGS) $(CURL_LIBS)
build/coverage/tarash-image: examples/tarash-image.c tarash_image.h
	@mkdir -p $(@D)
	$(COMPILE) $(COVERAGE) $< -o $@ $(LDFLAGS) $(CURL_LIBS)
coverage: setup-coverage
	@MAKE="$(MAKE)" CC="$(CC)" python3 tests/coverage.py

clean:
	rm -rf build

format:
	git ls-files -z '*.c' '*.h' | xargs -0 clang-format -i
format-check:
	git ls-files -z '*.c' '*.h' | xargs -0 clang-format --dry-run -Werror
