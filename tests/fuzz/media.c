/* What bytes of an image say: sniffing, its edges, whether its end is there. Once an answer is settled, no further
   byte changes it, and no byte beyond the given ones is read. */

#include "fuzz.h"

static tarimg_media media_sniff(const unsigned char *data, size_t size, int *needs_more) {
    unsigned char *copy = fuzz_copy(data, size);
    tarimg_media media = tarimg_sniff(copy, size);
    *needs_more = tarimg_sniff_needs_more(copy, size);
    (void)tarimg_is_complete(copy, size);
    free(copy);
    FUZZ_CHECK(media.width >= 0 && media.height >= 0 && (media.width > 0) == (media.height > 0));
    FUZZ_CHECK(media.mime_type || media.width == 0);
    FUZZ_CHECK(!media.mime_type || tarash_image_extension(media.mime_type)[0]);
    return media;
}

FUZZ_TARGET(media) {
    tarimg_media whole, part;
    int needs_more, part_needs_more;
    size_t at, step = size > 400 ? size / 200 : 1;
    whole = media_sniff(data, size, &needs_more);
    for (at = 0; at < size; at += step) {
        part = media_sniff(data, at, &part_needs_more);
        if (part_needs_more) continue;
        FUZZ_CHECK(part.mime_type == whole.mime_type);
        FUZZ_CHECK(part.width == whole.width && part.height == whole.height);
        FUZZ_CHECK(!needs_more);
    }
}
