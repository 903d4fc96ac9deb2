# make          the examples and the command-line tool, into build/
# make demo     installs what is missing, builds, makes pictures offline
# make test     installs what is missing, builds and runs every test
# make bench    installs what is missing, measures the library against libcurl alone (Linux, a few minutes);
#               BENCH="cold poll" measures a part, BENCH=--markdown prints Markdown; make bench-chart draws the last run
#
# SETUP=no installs nothing. All that the header itself needs is a C compiler and libcurl.

CC     ?= cc
CFLAGS ?= -std=c99 -O2
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
.PHONY: all tests-build asan-build demo test check setup-demo setup-test compile-matrix asan valgrind clean format format-check \
        bench bench-chart setup-bench setup-bench-chart

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

setup-demo setup-test setup-bench setup-bench-chart:
	@CC="$(CC)" sh tests/setup.sh $(subst setup-,,$@)

demo: setup-demo
	@$(MAKE) --no-print-directory all
	@sh examples/demo.sh

# Everything, or one part: unit, asan, valgrind, matrix, cli. `check` is `test` without looking for what is missing.
test: setup-test
	@MAKE="$(MAKE)" CC="$(CC)" python3 tests/run.py
check:
	@MAKE="$(MAKE)" CC="$(CC)" python3 tests/run.py
compile-matrix: setup-test
	@MAKE="$(MAKE)" CC="$(CC)" python3 tests/run.py matrix
asan valgrind: setup-test
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

clean:
	rm -rf build

format:
	git ls-files -z '*.c' '*.h' | xargs -0 clang-format -i
format-check:
	git ls-files -z '*.c' '*.h' | xargs -0 clang-format --dry-run -Werror
