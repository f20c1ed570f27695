/// The layout of a density's tables: which columns its features and given columns are, and what
/// columns and categories are called.
#pragma once

#include "base/dictionary.h"
#include "base/tensors.h"

#include <stddef.h>

/// A column of a table that was the same number in every row: no feature, but remembered.
typedef struct {
    size_t column;
    double value;
} mr_constant;

/// Which columns of which table the features are. Arrays may be NULL.
typedef struct {
    size_t n_columns;          // of the table; 0: it has the features and nothing else
    size_t *columns;           // [dim] the features', ascending
    char **names;              // [n_columns]
    size_t n_constants;        // ascending, none of them a feature
    mr_constant *constants;    // [n_constants]
    size_t n_given;            // given_dim
    size_t *given;             // [n_given] the given columns, ascending
    mr_dictionary *dictionary; // [n_columns] the names of the codes of columns of text
} mr_layout;

/// Releases its arrays, and empties it.
void mr_layout_release(mr_layout *layout);

/// Copies a layout whose `columns` has `dim` numbers. The caller releases the copy. Fails with
/// MR_ERR_MEMORY alone.
mr_status mr_layout_copy(const mr_layout *layout, size_t dim, mr_layout *out);

/// Adds a layout to the metadata of a model file.
mr_status mr_layout_write(const mr_layout *layout, size_t dim, mr_tensors_writer *writer);

/// Reads one into `out`, which is empty and stays so if the file has none. The caller releases it,
/// also after a failure. Fails with MR_ERR_INPUT on one that contradicts itself.
mr_status mr_layout_read(const mr_tensors *file, size_t dim, size_t given_dim, mr_layout *out);

/// What the names of categories are called in the metadata.
extern const char mr_layout_categories[];
