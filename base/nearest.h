/// The nearest name, for messages about unknown environments, options, flows and the like.
#pragma once

#include <stddef.h>

/// The name at position `i` of a table; `table` is what was given to mr_nearest.
typedef const char *mr_name_at(const void *table, size_t i);

/// The least number of letters to insert, delete or replace that turns `a` into `b`; upper and
/// lower case count as equal (Levenshtein 1966). Names longer than 63 bytes are compared by their
/// first 63.
size_t mr_edit_distance(const char *a, const char *b);

/// The one of a table's `n` names that is nearest to `name` by edit distance, the first of equals.
/// NULL when none is near: more than half of its letters would have to change.
const char *mr_nearest(const char *name, size_t n, mr_name_at *at, const void *table);

/// Lists a table's names as "a, b, c", each once, without empty ones. Ends in ", ..." if not
/// all of them fit. Returns how many are listed.
///
///   text  [size] out
size_t mr_list_names(size_t n, mr_name_at *at, const void *table, size_t size, char *text);
