/// The tables of a run directory: progress.csv and evaluations.csv.
#pragma once

#include "base/status.h"

#include <stddef.h>

/// A table as it was when it was read. A last row without a newline is still being written and is
/// left out.
typedef struct {
    char *path; // owned, as all that follows
    char *text; // that the names and cells point into
    size_t n_rows, n_columns;
    char **names; // [n_columns]
    char **cells; // [n_rows x n_columns]
} mr_run_table;

enum { MR_NO_COLUMN = -1 };

/// Reads a table; a missing or empty file is a table without columns. Fails with MR_ERR_INPUT,
/// naming the line, if a row has not as many cells as the header. mr_run_table_free releases it,
/// also after a failure.
mr_status mr_run_table_read(const char *dir, const char *name, mr_run_table *out);
void mr_run_table_free(mr_run_table *table);

/// The index of a column; MR_NO_COLUMN if there is none of that name.
int mr_run_table_column(const mr_run_table *table, const char *name);

/// The number of a cell; `*out` is NaN if the cell is empty. Fails with MR_ERR_INPUT, naming the
/// line, if it is not a number.
mr_status mr_run_table_number(const mr_run_table *table, size_t row, size_t column, double *out);

/// The last number of a column that is not empty; NaN: there is none, or no such column.
double mr_run_table_last(const mr_run_table *table, const char *name);
