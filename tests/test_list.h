/* A program's tests, put together from tables: each row of a table is a test of its own name. */

#ifndef TEST_LIST_H
#define TEST_LIST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define MOST_TESTS 100

static struct CMUnitTest tests[MOST_TESTS];
static char test_names[MOST_TESTS][120];
static size_t test_count;

/* "what: name", or "what" where the name is empty; `data` is the test's *state. */
static inline void add_test(const char *what, const char *name, CMUnitTestFunction function,
                            const void *data) {
    struct CMUnitTest *test = &tests[test_count];
    assert_true(test_count < MOST_TESTS);
    snprintf(test_names[test_count], sizeof test_names[0], "%s%s%s", what, *name ? ": " : "", name);
    test->name = test_names[test_count++];
    test->test_func = function;
    test->initial_state = (void *)(uintptr_t)data;
}

#endif
