/// Memory for things that live and die together: small pieces, released all at once.
#pragma once

#include <stddef.h>

typedef struct mr_arena mr_arena;

/// An empty arena, NULL if that fails. The caller frees it.
mr_arena *mr_arena_new(void);
void mr_arena_free(mr_arena *arena);

/// Zeroed memory, aligned for any type, NULL if that fails. Lives until the arena is freed.
void *mr_arena_alloc(mr_arena *arena, size_t n_bytes);

/// A copy of a text, NULL if that fails.
char *mr_arena_text(mr_arena *arena, const char *text);
