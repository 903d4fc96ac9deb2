/* Times as headers and replies tell them: dates in three forms, timestamps, Retry-After, and the small numbers around
   them. What is taken must be the time that it says; a date made of the input's own bytes must be taken. */

#include "fuzz.h"

#include <time.h>

static const char *const times_days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const times_long_days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                              "Thursday", "Friday", "Saturday"};
static const char *const times_months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* Every second until 9999 reads as itself in each form that can say it. */
static void times_round_trip(int64_t seconds) {
    struct tm t;
    time_t now = (time_t)seconds;
    char text[128];
    int64_t back = -1;
    if (!gmtime_r(&now, &t)) return;
    snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", times_days[t.tm_wday], t.tm_mday,
             times_months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    FUZZ_CHECK(tarimg_parse_date(text, &back) && back == seconds);
    snprintf(text, sizeof text, "%s %s %2d %02d:%02d:%02d %04d", times_days[t.tm_wday],
             times_months[t.tm_mon], t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, t.tm_year + 1900);
    FUZZ_CHECK(tarimg_parse_date(text, &back) && back == seconds);
    if (t.tm_year >= 70 && t.tm_year < 170) {
        snprintf(text, sizeof text, "%s, %02d-%s-%02d %02d:%02d:%02d GMT", times_long_days[t.tm_wday],
                 t.tm_mday, times_months[t.tm_mon], t.tm_year % 100, t.tm_hour, t.tm_min, t.tm_sec);
        FUZZ_CHECK(tarimg_parse_date(text, &back) && back == seconds);
    }
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.5Z", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
             t.tm_hour, t.tm_min, t.tm_sec);
    FUZZ_CHECK(tarimg_parse_timestamp(text, &back) && back == seconds);
}

static void times_retry_after(const char *text, int64_t now) {
    int64_t wait = tarimg_parse_retry_after(text, now), value = -1;
    FUZZ_CHECK(wait >= -1 && wait <= TARIMG_MAX_RETRY_AFTER_MS);
    if (text[0] != '-' && tarimg_parse_integer(text, strlen(text), &value))
        FUZZ_CHECK(wait ==
                   (value > TARIMG_MAX_RETRY_AFTER_MS / 1000 ? TARIMG_MAX_RETRY_AFTER_MS : value * 1000));
    else if (tarimg_parse_date(text, &value)) {
        int64_t expected = (value - now) * 1000;
        if (expected < 0) expected = 0;
        if (expected > TARIMG_MAX_RETRY_AFTER_MS) expected = TARIMG_MAX_RETRY_AFTER_MS;
        FUZZ_CHECK(wait == expected || strspn(text, "0123456789.") == strlen(text));
    }
}

/* Numbers as strtoll has them, which takes more than these do. */
static void times_numbers(const char *text) {
    int64_t value = 0, thousandths = 0;
    size_t digits = strspn(text + (*text == '-'), "0123456789") + (*text == '-');
    int is_number = text[digits] == '\0' && digits > (size_t)(*text == '-');
    if (tarimg_parse_integer(text, strlen(text), &value)) {
        FUZZ_CHECK(is_number);
        FUZZ_CHECK((long long)value == strtoll(text, NULL, 10));
    }
    if (tarimg_parse_thousandths(text, strlen(text), 1000000000000, &thousandths)) {
        FUZZ_CHECK(thousandths >= 0 && thousandths <= 1000000000000);
        FUZZ_CHECK(strspn(text, "0123456789.") == strlen(text));
        if (is_number && *text != '-' && digits < 10)
            FUZZ_CHECK(thousandths == strtoll(text, NULL, 10) * 1000);
    }
}

FUZZ_TARGET(times) {
    fuzz_input in = {data, size};
    int64_t now = 0, parsed;
    char *text;
    int i;
    for (i = 0; i < 5; i++) now = now << 8 | (int64_t)fuzz_byte(&in);
    now %= 253402300800; /* the year 10000 */
    times_round_trip(now);
    text = fuzz_text(in);
    times_retry_after(text, now);
    times_numbers(text);
    if (tarimg_parse_date(text, &parsed)) FUZZ_CHECK(parsed >= 0 && parsed < 253402300800 + 2 * 86400);
    if (tarimg_parse_timestamp(text, &parsed)) FUZZ_CHECK(parsed >= 0 && parsed < 253402300800 + 2 * 86400);
    free(text);
}
