/// The layout of a density's tables: which columns its features and given columns are.
#pragma once

#include "base/status.h"

#include <stddef.h>

/// A column of a table that was the same number in every row: no feature, but remembered.
typedef struct {
    size_t column;
    double value;
} mr_constant;

/// Which columns of which table the features are. Arrays may be NULL.
typedef struct {
    size_t n_columns;       // of the table; 0: it has the features and nothing else
    size_t *columns;        // [dim] the features', ascending
    char **names;           // [n_columns]
    size_t n_constants;     // ascending, none of them a feature
    mr_constant *constants; // [n_constants]
    size_t n_given;         // given_dim
    size_t *given;          // [n_given] the given columns, ascending
} mr_layout;

/// Releases its arrays, and empties it.
void mr_layout_release(mr_layout *layout);

/// Copies a layout whose `columns` has `dim` numbers. The caller releases the copy. Fails with
/// MR_ERR_MEMORY alone.
mr_status mr_layout_copy(const mr_layout *layout, size_t dim, mr_layout *out);
