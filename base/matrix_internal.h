/// The formats of tables. Private to base/matrix_*.c.
#pragma once

#include "base/matrix_file.h"

typedef struct {
    const char *suffix; // of the file's name
    bool has_header;    // the first row may be names
    /// Makes a table of the file's bytes [n_bytes, and a zero after them]. On failure `out` may
    /// hold arrays already.
    mr_status (*read)(const char *path, const char *bytes, size_t n_bytes,
                      const mr_matrix_options *options, mr_matrix *out);
    /// NULL: it is only read.
    mr_status (*write)(const char *path, size_t n_rows, size_t n_cols, const double *values);
} mr_matrix_format;

extern const mr_matrix_format mr_matrix_npy;
extern const mr_matrix_format mr_matrix_npz;
extern const mr_matrix_format mr_matrix_csv;
