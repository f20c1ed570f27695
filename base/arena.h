/// Memory for things that live and die together: small pieces, released all at once.
#pragma once

#include <stddef.h>

typedef struct mr_arena mr_arena;

/// An empty arena, NULL if that fails. The caller frees it.
mr_arena *mr_arena_new(void);
void mr_arena_free(mr_arena *arena);

enum { MR_ARENA_ALIGNMENT = 64 }; // bytes: a cache line, and the widest vector

/// Zeroed memory at an address that is a multiple of MR_ARENA_ALIGNMENT, NULL if that fails. Lives
/// until the arena is freed. The system gives pages of large blocks only when they are first used.
void *mr_arena_alloc(mr_arena *arena, size_t n_bytes);

/// A copy of a text, NULL if that fails.
char *mr_arena_text(mr_arena *arena, const char *text);
