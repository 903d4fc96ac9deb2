/* test_mapping.c again, with arenas so small that every text is an allocation of its own. */
#define TARIMG_BLOCK_SIZE 16u
#include "test_mapping.c"
