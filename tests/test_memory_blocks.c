/* test_memory.c again, with arenas so small that every text is an allocation of its own and may fail by itself. */
#define TARIMG_BLOCK_SIZE 16u
#include "test_memory.c"
