// A list of pieces.

#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct piece {
    struct piece *next;
    unsigned char bytes[]; // what is given begins at the first aligned one
} piece;

struct mr_arena {
    piece *first;
};

mr_arena *mr_arena_new(void) {
    return calloc(1, sizeof(mr_arena));
}

void mr_arena_free(mr_arena *arena) {
    if (!arena)
        return;
    for (piece *p = arena->first; p;) {
        piece *next = p->next;
        free(p);
        p = next;
    }
    free(arena);
}

void *mr_arena_alloc(mr_arena *arena, size_t n_bytes) {
    const size_t n_spare = MR_ARENA_ALIGNMENT - 1;
    piece *p = calloc(1, sizeof *p + n_spare + n_bytes);
    if (!p)
        return NULL;
    p->next = arena->first;
    arena->first = p;
    return p->bytes + (-(uintptr_t)p->bytes & n_spare);
}

char *mr_arena_text(mr_arena *arena, const char *text) {
    const size_t n = strlen(text) + 1;
    char *copy = mr_arena_alloc(arena, n);
    return copy ? memcpy(copy, text, n) : NULL;
}
