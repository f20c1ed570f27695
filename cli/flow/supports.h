/// --bounded, --circular and --categorical: the values that columns may have.
#pragma once

#include "flows/density.h"
#include "base/matrix.h"

/// The columns of a file that are fitted or given.
typedef struct {
    const mr_matrix *file; // borrowed
    size_t n;
    const size_t *column; // [n] of the file, borrowed
} mr_used_columns;

/// Sets which columns of a file [n_cols] the text of --categorical names without LOW:HIGH. Fails
/// with MR_ERR_USAGE, naming the option.
mr_status mr_supports_find_categorical(const char *categorical, const mr_matrix *file,
                                       bool *is_named);

/// Reads the texts of --bounded, --circular and --categorical ("": none) into `support`
/// [columns->n], which is zeroed: no column is bounded. Columns with a dictionary are categorical.
/// Fails with MR_ERR_USAGE, or with MR_ERR_INPUT on a category that is no whole number; the message
/// names the option.
mr_status mr_supports_read(const char *bounded, const char *circular, const char *categorical,
                           const mr_used_columns *columns, mr_support *support);
