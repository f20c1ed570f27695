// Memory of an arena.

#include "base/arena.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

Test(arena, gives_zeroed_memory_that_any_vector_may_be_loaded_from) {
    const size_t sizes[] = {0, 1, 7, 64, 65, 1000, 1 << 20};
    mr_arena *arena = mr_arena_new();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *memory = mr_arena_alloc(arena, sizes[i]);
        cr_assert_not_null(memory);
        cr_expect_eq((uintptr_t)memory % MR_ARENA_ALIGNMENT, 0);
        for (size_t k = 0; k < sizes[i]; k++)
            cr_assert_eq(memory[k], 0);
        memset(memory, 1, sizes[i]); // what is released is not given again as it is
    }
    mr_arena_free(arena);
}
