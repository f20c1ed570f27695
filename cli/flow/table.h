/// Tables that `millrace flow` fits and scores.
#pragma once

#include "flows/density.h"
#include "base/matrix_file.h"
#include "base/matrix_rows.h"

/// The value of --header: auto, yes or no.
mr_header mr_header_of(const char *text);

/// Whether a table of that name may have a header.
bool mr_is_csv(const char *path);

/// The options of a table to be fitted.
typedef struct {
    mr_header header;
    const char *columns;     // "": all
    const char *target;      // the same under another name; "": as `columns` says
    const char *given;       // "": none
    const char *weights;     // a file or a column; "": none
    const char *bounded;     // COLUMN:LOW:HIGH,...; "": none
    const char *circular;    // COLUMN[:LOW:HIGH],...; "": none
    const char *categorical; // likewise
    bool drop_constant;
    double clip; // robust deviations; 0: none
} mr_fit_choice;

/// A table ready to be fitted.
typedef struct {
    mr_matrix data; // the features, then the given columns
    size_t n_features;
    double *weights;     // [n_rows]; NULL: all 1
    mr_support *support; // [data.n_cols]; NULL: no column is bounded or circular
    mr_layout layout;
    bool is_csv;
    bool from_zero;             // columns are counted from 0
    size_t n_clipped;           // cells
    double clip;                // robust deviations; 0: none
    double *middle, *deviation; // [data.n_cols] owned; of a table that stays in its file, estimated
} mr_fit_table;

/// Reads one. Prints notes on stderr about outliers, an index column, and a first row that may be a
/// header. To be freed also after a failure.
mr_status mr_fit_table_read(const char *path, const mr_fit_choice *chosen, mr_fit_table *table);
void mr_fit_table_free(mr_fit_table *table);

/// The file's column that column j of the data is.
size_t mr_fit_table_column(const mr_fit_table *table, size_t j);

/// Reads those of the used columns [n_cols] of a table to be fitted that hold text again, as codes:
/// a column without a single number, and one that is named [n_cols] as categorical whose cells are
/// not whole numbers, or too far apart. The table's names may turn out to be its first row
/// (mr_table_is_category). Fails with MR_ERR_INPUT on a column of numbers and texts
/// that is not named.
mr_status mr_table_read_text(const char *path, const mr_matrix_options *options, const bool *used,
                             const bool *is_named, mr_matrix *table);

/// Whether no column of a .csv has a number.
bool mr_table_is_text(const mr_matrix *table);

/// Whether a text is one of the categories of a column of text. The first row of a table without
/// numbers (mr_table_is_text) is data, and no names, if that is so of its texts in all columns that
/// are used.
bool mr_table_is_category(const char *text, const mr_dictionary *dictionary);

/// Prints notes on stderr: which columns of text are categorical without being named, and which
/// have nearly as many categories as rows.
void mr_table_note_text(const char *path, const mr_matrix *table, const bool *is_named);

/// Reads rows first .. first+n-1 of a table to be fitted into x [n x data.n_cols]: what
/// mr_row_source asks for, of `self`, an mr_fit_table.
mr_status mr_fit_table_rows(void *self, size_t first, size_t n, double *x);

/// How the tables of `millrace flow` are read: large ones stay in their files.
mr_matrix_options mr_table_options(mr_header header);

/// How many rows of that width are scored or sampled at once: a multiple of MR_DENSITY_BATCH, of
/// some 16 MB.
size_t mr_rows_at_once(size_t width);

/// Prints a note on stderr that the first row of a table was taken for data, but may be names.
void mr_table_note_unsure(const char *path, const mr_matrix *matrix);

/// Reads a table and keeps the features of `density`, then its given columns: by their names if
/// both have names, else by position, from a table like the fitted one, a table of samples, or one
/// of these columns only. Cells may be infinite or NaN. Prints notes on stderr about what does not
/// match.
mr_status mr_score_table_read(const char *path, mr_header header, const mr_density *density,
                              mr_matrix *out);

/// The same for the given columns of a conditional density only. Cells must be finite. Fails with
/// MR_ERR_USAGE if the density is not conditional.
mr_status mr_given_table_read(const char *path, mr_header header, const mr_density *density,
                              mr_matrix *out);

/// Columns of a table of samples: the features and the constant columns.
size_t mr_samples_width(const mr_density *density);

/// Inserts the constant columns of a density's layout between its features: x [n x dim] becomes
/// out [n x mr_samples_width].
void mr_samples_with_constants(const mr_density *density, size_t n, const double *x, double *out);

/// What a table of samples says in words. The caller frees the arrays by mr_samples_free_labels;
/// the texts are the density's. Fails with MR_ERR_MEMORY alone.
mr_status mr_samples_make_labels(const mr_density *density, mr_matrix_labels *out);
void mr_samples_free_labels(mr_matrix_labels *labels);

enum { MR_N_OPTIONS_OF_TABLES = 10 };

/// The options of `flow fit` that are about tables alone.
extern const char *const mr_options_of_tables[MR_N_OPTIONS_OF_TABLES];
