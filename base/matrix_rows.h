/// Rows of a table, wherever its numbers are: in memory, or in a file that is larger than memory.
#pragma once

#include "base/matrix.h"

/// Tables of more numbers than these stay in their files, where a command can work on rows as they
/// come: as doubles they would take 256 MB, and a fit needs three times as much.
enum { MR_MAX_NUMBERS = 1 << 25 };

/// Reads rows first .. first+n-1 into out [n x n_cols]. Fails with MR_ERR_IO, and with
/// MR_ERR_INPUT if the file has become shorter meanwhile. Not by two threads at once.
mr_status mr_matrix_get_rows(const mr_matrix *matrix, size_t first, size_t n, double *out);

/// Some rows of a table, on the way through it. Begin with zeros.
typedef struct {
    size_t first, n; // n = 0: none are left
    const double *x; // [n x n_cols] borrowed: valid until the next call
    double *numbers; // owned; NULL for a table in memory
} mr_row_block;

/// Goes to the next rows: all at once of a table in memory.
mr_status mr_matrix_next_rows(const mr_matrix *matrix, mr_row_block *block);

/// Frees what it holds, and empties it.
void mr_row_block_free(mr_row_block *block);
