/// The header of NumPy's .npy files. Private to base/.
/// Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include "base/file.h"
#include "base/matrix_internal.h"

enum {
    MR_NPY_MAX_DIMS = 4,
    MR_NPY_MAX_HEADER = 4096, // bytes of a large file that its header is looked for in
};

/// What a header says.
typedef struct {
    mr_number_format format;
    bool is_by_columns; // NumPy's fortran_order: the first index runs fastest
    size_t n_dims;      // of more than MR_NPY_MAX_DIMS, the first sizes are kept
    size_t shape[MR_NPY_MAX_DIMS];
    size_t offset; // of the numbers in the file
} mr_npy_header;

/// Reads the header at the beginning of a file, of which n_bytes are at `bytes`. Fails with
/// MR_ERR_INPUT on anything but an array of plain numbers.
mr_status mr_npy_read_header(const char *path, const char *bytes, size_t n_bytes,
                             mr_npy_header *out);

/// Writes the header of an array [shape], row-major.
///
///   descr  NumPy's name of its numbers: "<f8", "|u1"
mr_status mr_npy_write_header(mr_new_file *file, const char *descr, size_t n_dims,
                              const size_t *shape);
