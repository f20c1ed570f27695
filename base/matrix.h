/// A table of numbers, the names of its columns, and those of categories.
#pragma once

#include "base/dictionary.h"

#include <stdbool.h>
#include <stddef.h>

enum { MR_WORD_SIZE = 41 };

/// A text as messages quote it: its first characters, with question marks for control characters.
typedef struct {
    char text[MR_WORD_SIZE];
} mr_word;
mr_word mr_word_of(const char *text);

/// The first cell of a column that is not a number, or none of its categories.
typedef struct {
    size_t row;       // from 1; 0: there is none
    mr_word word;     // "": the cell is empty
    char divider;     // a semicolon or tab in it; 0: it has neither
    bool has_numbers; // other cells of the column are finite numbers
} mr_bad_cell;

typedef struct mr_matrix_file mr_matrix_file; // numbers that stay in a file

/// A table, row-major.
typedef struct {
    size_t n_rows, n_cols;
    double *values;            // [n_rows x n_cols]; NULL: the numbers are in `file`
    mr_matrix_file *file;      // owned: read by matrix_rows.h
    char **names;              // [n_cols] of the columns; NULL: the file has none
    mr_bad_cell *bad;          // [n_cols]; NULL: all cells are numbers
    mr_dictionary *dictionary; // [n_cols] of columns whose numbers are the codes of texts; NULL:
                               // there are none
    bool is_unsure;            // the first row was taken for data, but may be meant as names
    bool from_zero;            // columns are counted from 0, in choices and messages; else from 1
} mr_matrix;

/// Frees what a table holds, and empties it.
void mr_matrix_free(mr_matrix *matrix);

/// Keeps the columns [n] of a table, in that order. What is left of a table in a file is read into
/// memory if it is small enough.
mr_status mr_matrix_keep_columns(mr_matrix *matrix, size_t n, const size_t *columns);

/// Finds the first column of that name. Returns how many there are; 0: the table has none, or no
/// names.
size_t mr_matrix_find_name(const mr_matrix *matrix, const char *name, size_t *out);

/// Reads a choice of columns into `chosen` [n_cols]: names, numbers from 1 (or from 0) and ranges
/// of either ("2-4", "3-", "x-z"), separated by commas. If the table has names, these are tried
/// before numbers; a name that several columns have chooses none. Fails with MR_ERR_USAGE, naming
/// the part of the text and the columns; `where` is the source of the text in the message.
mr_status mr_matrix_choose_columns(const mr_matrix *matrix, const char *text, const char *where,
                                   bool *chosen);

/// What messages call a column: its number and its name: "2 (speed)".
typedef struct {
    char text[MR_WORD_SIZE + 32];
} mr_column_name;
mr_column_name mr_matrix_column_name(const mr_matrix *matrix, size_t column);

/// What messages call a value of a column: a number, or the name of a category.
mr_word mr_matrix_value_name(const mr_matrix *matrix, size_t column, double value);
