/// The names of settings in Stable-Baselines3 and CleanRL, for messages about unknown names.
#pragma once

#include <stdbool.h>
#include <stddef.h>

/// Explains the name of a setting of theirs in a sentence such as "Stable-Baselines3's
/// total_timesteps is steps here".
///
///   name        with `_` or `-`
///   as_options  whether our settings are written as options: --steps
///   text        out, at most `size` bytes with the final zero
///
/// False, and nothing is written, if neither program has a setting of that name.
bool mr_peer_name_explain(const char *name, bool as_options, char *text, size_t size);

/// The rows of the table: their name of row `i`, and the `k`th of our names for it; NULL: there are
/// no more.
size_t mr_peer_name_count(void);
const char *mr_peer_name_at(size_t i);
const char *mr_peer_name_ours(size_t i, size_t k);
