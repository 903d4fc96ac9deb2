/* Secrets in texts: lines of the input are secrets, what stands behind an empty line is the text. Whatever they are, none
   of them is left whole in it, and what isn't part of one stays. */

#include "fuzz.h"

#define REDACT_SECRETS 4

static int redact_covers(const tarimg_secret *secret, const unsigned char *text, size_t size, size_t at) {
    size_t from = at + 1 > secret->size ? at + 1 - secret->size : 0, i;
    for (i = from; i <= at; i++) {
        size_t left = size - i, length = left < secret->size ? left : secret->size;
        if (i + length <= at || (length < secret->size && length < TARIMG_MIN_SECRET)) continue;
        if (memcmp(text + i, secret->text, length) == 0) return 1;
    }
    return 0;
}

FUZZ_TARGET(redact) {
    fuzz_input in = {data, size};
    tarimg_secret secrets[REDACT_SECRETS];
    size_t count = 0, i, k;
    char *text;
    memset(secrets, 0, sizeof secrets);
    for (;;) {
        fuzz_input line = fuzz_part(&in, '\n');
        if (line.size < TARIMG_MIN_SECRET || count == REDACT_SECRETS) break;
        secrets[count].text = (const char *)fuzz_copy(line.data, line.size);
        secrets[count].size = line.size;
        if (count) secrets[count].next = &secrets[count - 1];
        count++;
    }
    text = (char *)fuzz_copy(in.data, in.size);
    tarimg_redact(count ? &secrets[count - 1] : NULL, text, in.size);
    for (i = 0; i < in.size; i++) {
        int covered = 0;
        for (k = 0; k < count && !covered; k++) covered = redact_covers(&secrets[k], in.data, in.size, i);
        FUZZ_CHECK(text[i] == (covered ? '*' : (char)in.data[i]));
    }
    free(text);
    for (k = 0; k < count; k++) free((void *)(uintptr_t)secrets[k].text);
}
