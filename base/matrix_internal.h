/// The formats of tables, and tables that stay in a file. Private to base/matrix_*.c.
#pragma once

#include "base/file.h"
#include "base/matrix_file.h"

#include <stdint.h>

// ---- Numbers

/// A type of number, by NumPy's name of it without the order of its bytes.
typedef struct {
    const char *name;
    size_t size;
    double (*get)(uint64_t bits);
} mr_number_type;

/// NULL if there is none of that name.
const mr_number_type *mr_number_type_find(const char *name);

/// How numbers are written in a file.
typedef struct {
    const mr_number_type *type;
    bool is_big_endian;
} mr_number_format;

/// Decodes `n` numbers, `step` bytes apart, into `out`, `out_step` numbers apart.
void mr_numbers_decode(mr_number_format format, const void *bytes, size_t step, size_t n,
                       double *out, size_t out_step);

// ---- Tables whose numbers stay in a file

/// Where the numbers are.
typedef struct {
    mr_number_format format;
    size_t offset;         // bytes before the first number
    size_t n_rows, n_cols; // of the file
    bool is_by_columns;    // column after column
} mr_stored_numbers;

/// Makes a table of the numbers in a file, of which it takes over the descriptor, also on failure.
///
///   path        of the table, for messages
///   max_numbers as in mr_matrix_options
mr_status mr_matrix_of_file(const char *path, int file, const mr_stored_numbers *stored,
                            size_t max_numbers, mr_matrix *out);

/// Closes it; NULL is fine.
void mr_matrix_file_close(mr_matrix_file *file);

/// Reads such a table into memory.
mr_status mr_matrix_file_load(mr_matrix *matrix);

/// mr_matrix_keep_columns of such a table, but for the names.
mr_status mr_matrix_file_keep(mr_matrix *matrix, size_t n, const size_t *columns);

/// Leaves out the first row. Only before columns are kept.
void mr_matrix_drop_first_row(mr_matrix *matrix);

// ---- Formats

typedef struct {
    const char *suffix; // of the file's name
    bool has_header;    // the first row may be names
    /// Makes a table of the file's bytes [n_bytes, and a zero after them]. On failure `out` may
    /// hold arrays already.
    mr_status (*read)(const char *path, const char *bytes, size_t n_bytes,
                      const mr_matrix_options *options, mr_matrix *out);
    /// Makes a table that stays in a file, if it may have more than options->max_numbers numbers;
    /// else leaves `*is_made` false, and the file has to be read. NULL: it always has to be.
    mr_status (*open)(const char *path, const mr_matrix_options *options, mr_matrix *out,
                      bool *is_made);
    /// Writes what comes before the rows of a table. NULL: the format is only read.
    mr_status (*begin)(mr_new_file *file, size_t n_rows, size_t n_cols,
                       const mr_matrix_labels *labels);
    mr_status (*append)(mr_new_file *file, size_t n_rows, size_t n_cols, const double *values,
                        const mr_matrix_labels *labels);
} mr_matrix_format;

mr_status mr_csv_begin(mr_new_file *file, size_t n_rows, size_t n_cols,
                       const mr_matrix_labels *labels);
mr_status mr_csv_append(mr_new_file *file, size_t n_rows, size_t n_cols, const double *values,
                        const mr_matrix_labels *labels);

extern const mr_matrix_format mr_matrix_npy;
extern const mr_matrix_format mr_matrix_npz;
extern const mr_matrix_format mr_matrix_csv;
