/// Tables of numbers in files: .npy (NumPy's format, float32 or float64) and .csv.
#pragma once

#include "nn/status.h"

#include <stddef.h>

/// A table, row-major.
typedef struct {
    size_t n_rows, n_cols;
    double *values; // [n_rows x n_cols]
} mr_matrix;

/// Fails with MR_ERR_USAGE unless the name ends in .npy or .csv.
mr_status mr_matrix_check_name(const char *path);

/// Reads a table, by the file's name a .npy or a .csv. A .npy may have one dimension (one column)
/// or two, and numbers in either order; a .csv may begin with a line of names. There must be a row
/// at least, and every cell must be a finite number. Fails with MR_ERR_USAGE on another name, with
/// MR_ERR_IO, or with MR_ERR_INPUT; the message names the file, and of a bad cell the row and
/// column, both from 1, without the line of names. The caller frees the table with mr_matrix_free.
mr_status mr_matrix_read(const char *path, mr_matrix *out);
void mr_matrix_free(mr_matrix *matrix);

/// Writes values [n_rows x n_cols], whole or not at all: by the file's name a .npy of float64 (one
/// column: of one dimension), or a .csv without a line of names whose numbers read back as they
/// were.
mr_status mr_matrix_write(const char *path, size_t n_rows, size_t n_cols, const double *values);
