/* Merge patch (RFC 7396), which extra_params are. The input is two JSON objects, separated by a line feed: a body and a
   patch. The result has what the patch says, and else what the body had; patching it again changes nothing. */

#include "fuzz.h"

static const tarimg_value *merge_last(const tarimg_value *object, const char *name) {
    const tarimg_value *value, *found = NULL;
    for (value = object->first; value; value = value->next) {
        if (strcmp(value->name, name) == 0) found = value;
    }
    return found;
}

static int merge_is_twice(const tarimg_value *object) {
    const tarimg_value *value;
    for (value = object->first; value; value = value->next) {
        if (value->name && merge_last(object, value->name) != value) return 1;
        if (merge_is_twice(value)) return 1;
    }
    return 0;
}

static void merge_write(const tarimg_value *value, tarimg_buffer *out) {
    static tarash_image_allocator allocator;
    allocator = tarimg_default_allocator();
    tarimg_buffer_init(out, &allocator, 0);
    tarimg_write_json(out, value, tarimg_write_payload, NULL);
    FUZZ_CHECK(!out->failed && out->size > 0);
}

static int merge_equal(const tarimg_value *a, const tarimg_value *b) {
    tarimg_buffer one, other;
    int same;
    merge_write(a, &one);
    merge_write(b, &other);
    same = one.size == other.size && memcmp(one.data, other.data, one.size) == 0;
    tarimg_buffer_free(&one);
    tarimg_buffer_free(&other);
    return same;
}

static void merge_check(const tarimg_value *before, const tarimg_value *patch, const tarimg_value *after) {
    const tarimg_value *value;
    FUZZ_CHECK(after && after->kind == TARIMG_OBJECT);
    for (value = patch->first; value; value = value->next) {
        const tarimg_value *now = merge_last(after, value->name);
        const tarimg_value *old =
            before && before->kind == TARIMG_OBJECT ? merge_last(before, value->name) : NULL;
        if (value->kind == TARIMG_NULL)
            FUZZ_CHECK(now == NULL);
        else if (value->kind == TARIMG_OBJECT)
            merge_check(old, value, now);
        else
            FUZZ_CHECK(now && merge_equal(value, now));
    }
    for (value = before && before->kind == TARIMG_OBJECT ? before->first : NULL; value; value = value->next) {
        const tarimg_value *now = merge_last(after, value->name);
        if (!merge_last(patch, value->name)) FUZZ_CHECK(now && merge_equal(value, now));
    }
    for (value = after->first; value; value = value->next) {
        FUZZ_CHECK(merge_last(patch, value->name) ||
                   (before && before->kind == TARIMG_OBJECT && merge_last(before, value->name)));
        FUZZ_CHECK(value->parent == after);
    }
    FUZZ_CHECK(!after->first == !after->last && (!after->last || !after->last->next));
}

FUZZ_TARGET(merge) {
    static tarash_image_allocator allocator;
    fuzz_input in = {data, size}, first = fuzz_part(&in, '\n');
    tarimg_arena arena;
    tarimg_value *body, *before, *patch, *once;
    allocator = tarimg_default_allocator();
    tarimg_arena_init(&arena, &allocator, 0);
    body = tarimg_parse_json(&arena, (const char *)first.data, first.size, 64);
    before = tarimg_parse_json(&arena, (const char *)first.data, first.size, 64);
    patch = tarimg_parse_json(&arena, (const char *)in.data, in.size, 64);
    if (body && patch && body->kind == TARIMG_OBJECT && patch->kind == TARIMG_OBJECT) {
        tarimg_merge(&arena, body, patch);
        once = tarimg_copy_value(&arena, body);
        if (!merge_is_twice(before) && !merge_is_twice(patch)) merge_check(before, patch, body);
        tarimg_merge(&arena, body, patch);
        if (!merge_is_twice(patch)) FUZZ_CHECK(merge_equal(once, body));
    }
    FUZZ_CHECK(!arena.failed);
    tarimg_arena_free(&arena);
}
