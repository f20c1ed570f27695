/// Tables as `millrace flow` fits and scores them.
#pragma once

#include "flows/density.h"
#include "base/matrix_file.h"

/// What --header says: auto, yes or no.
mr_header mr_header_of(const char *text);

/// Whether a table of that name may have a line of names.
bool mr_is_csv(const char *path);

/// How a table is to be fitted.
typedef struct {
    mr_header header;
    const char *columns; // "": all
    const char *weights; // a file or a column; "": none
    bool drop_constant;
    double clip; // robust deviations; 0: none
} mr_fit_choice;

/// A table that is ready to be fitted.
typedef struct {
    mr_matrix data;  // the features
    double *weights; // [n_rows]; NULL: rows count alike
    mr_layout layout;
    bool is_csv;
    size_t n_clipped; // cells
} mr_fit_table;

/// Reads one. Notes on stderr what a user should know of it: cells far out, an index, a first row
/// that may be names. To be freed also after a failure.
mr_status mr_fit_table_read(const char *path, const mr_fit_choice *chosen, mr_fit_table *table);
void mr_fit_table_free(mr_fit_table *table);

/// Reads a table and leaves the features of `density`: by their names where both have some, else by
/// their places, in a table like that which was fitted, a table of samples or one of the features
/// alone. Cells may be infinite or NaN. Notes on stderr what does not fit.
mr_status mr_score_table_read(const char *path, mr_header header, const mr_density *density,
                              mr_matrix *out);

/// Puts the constant columns of a density's layout between its features: x [n x dim] becomes
/// `*out` [n x n_cols], owned by the caller.
mr_status mr_samples_with_constants(const mr_density *density, size_t n, const double *x,
                                    double **out, size_t *n_cols);
