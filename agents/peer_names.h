/// Settings as other programs call them, for messages about unknown names.
#pragma once

#include <stdbool.h>
#include <stddef.h>

/// Writes what is to be used here in the place of a setting of Stable-Baselines3 or CleanRL, as in
/// "Stable-Baselines3's total_timesteps is steps here", into `text`, at most `size` bytes with the
/// final zero.
///
///   name        with `_` or `-`
///   as_options  ours are written as options: --steps
///
/// False, and nothing is written, if it is none of theirs.
bool mr_peer_name_explain(const char *name, bool as_options, char *text, size_t size);

/// The table: its rows, and the names of settings that row `i` gives for the other's; NULL: none
/// (more).
size_t mr_peer_name_count(void);
const char *mr_peer_name_at(size_t i);
const char *mr_peer_name_ours(size_t i, size_t k);
