/// Tables of numbers in files: .npy (NumPy's format, float32 or float64) and .csv.
#pragma once

#include "nn/status.h"

#include <stddef.h>

/// A table, row-major.
typedef struct {
    size_t n_rows, n_cols;
    double *values; // [n_rows x n_cols]
} mr_matrix;

/// Reads a table; the file's name ends in .npy or .csv. A .npy may have one dimension (one column)
/// or two; a .csv may begin with a line of names. Every cell must be a finite number. Fails with
/// MR_ERR_IO or MR_ERR_INPUT; the message names the file and the row and column (from 1) of a bad
/// cell. The caller frees the table with mr_matrix_free.
mr_status mr_matrix_read(const char *path, mr_matrix *out);
void mr_matrix_free(mr_matrix *matrix);

/// Writes a .npy of float64 (or a .csv, by the name), whole or not at all. [n_rows x n_cols]; one
/// column: one dimension.
mr_status mr_matrix_write(const char *path, size_t n_rows, size_t n_cols, const double *values);
