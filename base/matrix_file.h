/// Tables of numbers in files: .npy and .npz (NumPy's formats) and .csv.
#pragma once

#include "base/matrix.h"

/// Whether the first row of a .csv is the names of its columns.
typedef enum { MR_HEADER_AUTO, MR_HEADER_YES, MR_HEADER_NO } mr_header;

/// How a table is read.
typedef struct {
    mr_header header;
    const char *const *names; // [n_names] the expected names of the columns; NULL: unknown
    size_t n_names;
    size_t max_numbers; // a table of more stays in its file (matrix_rows.h); 0: none does
    /// [n_dictionaries] of the first columns of a .csv: texts that stand for their codes. NULL: all
    /// cells are numbers.
    const mr_dictionary *dictionary;
    size_t n_dictionaries;
} mr_matrix_options;

enum { MR_MAX_NAME_BYTES = 1024 }; // of a category

/// Fails with MR_ERR_USAGE unless a table can be written under that name: it ends in .npy or .csv.
mr_status mr_matrix_check_name(const char *path);

/// Whether the name is that of a table that can be read.
bool mr_matrix_is_table(const char *path);

/// Reads a table, by the file's name.
///
///   .npy  one dimension (one column) or two; booleans, integers and floating-point numbers of any
///         size up to 64 bits, in either byte order and either order of the axes. Integers beyond
///         2^53 are rounded
///   .npz  one such array, stored or deflated
///   .csv  numbers, or texts with a dictionary, separated by commas; the first row may be names:
///         see mr_header. With
///         MR_HEADER_AUTO it is if
///           - none of its cells is a number, or all are those of options->names; or
///           - its cells are whole numbers that go up or down from left to right (or the one cell
///             is 0, as pandas calls a single column), and at least three rows follow, none of
///             which has only whole numbers; or
///           - its three or more cells are whole numbers with equal steps, no other row has these
///             steps, and no cell is found again in its column
///
/// Cells that are not numbers become NaN and are recorded in `bad`: mr_matrix_check reports them.
/// There must be at least one row, and all must have the same width. Fails with MR_ERR_USAGE on
/// another name, with MR_ERR_IO, or with MR_ERR_INPUT; the message names the file and the row, from
/// 1, without the line of names. The caller frees the table with mr_matrix_free.
///
/// The numbers of a .csv that stays in a file are written to a temporary one in $TMPDIR, or in
/// /var/tmp: they are read many times, and rows of text cannot be found by their numbers. A .npz is
/// always read whole.
mr_status mr_matrix_read_cells(const char *path, const mr_matrix_options *options, mr_matrix *out);

/// Fails with MR_ERR_INPUT, naming row and column, on the first cell that is not a finite number.
///
///   columns  [n_cols] which to look at; NULL: all
///   allows_infinite  cells written as infinite or NaN are fine
mr_status mr_matrix_check(const char *path, const mr_matrix *matrix, const bool *columns,
                          bool allows_infinite);

/// Both, with MR_HEADER_AUTO: a table of finite numbers.
mr_status mr_matrix_read(const char *path, mr_matrix *out);

/// The categories of those columns [n_cols] of a .csv that `columns` says: all of their texts. Adds
/// them to `dictionary` [n_cols] of zeros, which the caller frees, also after a failure. Fails with
/// MR_ERR_INPUT, naming row and column, on an empty cell, a text that is not UTF-8 or longer than
/// MR_MAX_NAME_BYTES, and on more than n_max categories.
///
///   table  what mr_matrix_read_cells read of the file
mr_status mr_matrix_find_categories(const char *path, const mr_matrix *table, const bool *columns,
                                    size_t n_max, mr_dictionary *dictionary);

/// Reads a .csv again: cells of columns with a dictionary become codes; mr_matrix_check reports
/// others. On failure the table is empty.
///
///   options     as it was read before
///   dictionary  [n_cols], becomes the table's, also on failure
mr_status mr_matrix_read_codes(const char *path, const mr_matrix_options *options,
                               mr_dictionary *dictionary, mr_matrix *table);

/// What a .csv says in words. Borrowed.
typedef struct {
    char *const *names;              // [n_cols] of the columns; NULL: there is no line of names
    const mr_dictionary *dictionary; // [n_cols] names of the codes of each column; n = 0, or NULL:
                                     // numbers
} mr_matrix_labels;

/// Writes values [n_rows x n_cols], whole or not at all: by the file's name a .npy of float64 (one
/// column: of one dimension), or a .csv without a line of names whose numbers read back as they
/// were.
mr_status mr_matrix_write(const char *path, size_t n_rows, size_t n_cols, const double *values);

/// A table that is written by blocks of rows, otherwise as mr_matrix_write does it.
typedef struct mr_matrix_writer mr_matrix_writer;

/// Begins a table of n_rows x n_cols. The caller closes it.
///
///   labels  of a .csv; a .npy has the codes. NULL: none. Must outlive the writer
mr_status mr_matrix_writer_begin(const char *path, size_t n_rows, size_t n_cols,
                                 const mr_matrix_labels *labels, mr_matrix_writer **out);

/// Writes the next n_rows of them, [n_rows x n_cols].
mr_status mr_matrix_writer_append(mr_matrix_writer *writer, size_t n_rows, const double *values);

/// Gives the file its name, after the last row. Only closing may follow.
mr_status mr_matrix_writer_keep(mr_matrix_writer *writer);

/// Closes it, and removes the file unless it was kept; NULL is fine.
void mr_matrix_writer_close(mr_matrix_writer *writer);
