// Tables that a saved density reads and writes: rows to score, given rows, samples.

#include "cli/flow/table.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Columns to read.
typedef struct {
    size_t n;
    const size_t *column; // [n] of the table that was fitted; NULL: it has these alone
    bool are_features;    // all features, and nothing else
    bool are_finite;      // no cell may be infinite or NaN
} wanted;

// ---- Finding columns

// A name that several columns have, in the file or in the model; NULL: there is none.
static const char *find_repeated(const mr_matrix *file, const mr_layout *layout, const wanted *w) {
    size_t column;
    for (size_t j = 0; j < w->n; j++) {
        const char *name = layout->names[w->column[j]];
        if (mr_matrix_find_name(file, name, &column) > 1)
            return name;
        for (size_t k = 0; k < j; k++)
            if (strcmp(layout->names[w->column[k]], name) == 0)
                return name;
    }
    return NULL;
}

// Finds the wanted columns by their names. Fails if the file has only some of them.
static mr_status match_names(const char *path, const mr_matrix *file, const mr_layout *layout,
                             const wanted *w, size_t *columns, bool *is_matched) {
    size_t n_found = 0;
    assert(w->column != NULL); // a layout with names has columns
    const char *missing = NULL, *repeated = find_repeated(file, layout, w);
    for (size_t j = 0; j < w->n; j++) {
        const char *name = layout->names[w->column[j]];
        if (mr_matrix_find_name(file, name, &columns[j]) > 0)
            n_found++;
        else if (missing == NULL)
            missing = name;
    }
    *is_matched = n_found == w->n && repeated == NULL;
    if (n_found > 0 && n_found < w->n)
        return mr_fail(MR_ERR_INPUT, "%s: has no column '%s', which the model needs", path,
                       missing);
    if (n_found > 0 && repeated != NULL)
        fprintf(stderr,
                "note: %s: several columns of it, or of the fitted table, are called '%s'; all are "
                "taken by their places\n",
                path, repeated);
    if (n_found == 0)
        fprintf(stderr,
                "note: %s: its columns have other names than those that the model was fitted to; "
                "they are taken by their places\n",
                path);
    return MR_OK;
}

static mr_status fail_width(const char *path, const mr_matrix *file, const mr_layout *layout,
                            const wanted *w) {
    if (layout->n_columns > w->n)
        return mr_fail(MR_ERR_INPUT,
                       "%s: row 1 has %zu columns, the model needs %zu, or %zu to pick them from; "
                       "was it fitted to other data?",
                       path, file->n_cols, w->n, layout->n_columns);
    return mr_fail(MR_ERR_INPUT,
                   "%s: row 1 has %zu columns, the model needs %zu; was it fitted to other data?",
                   path, file->n_cols, w->n);
}

// The position of a layout's column in a table of samples, which has features and constants only.
static size_t place_in_samples(const mr_layout *layout, size_t dim, size_t column) {
    size_t place = 0;
    for (size_t j = 0; j < dim; j++)
        place += layout->columns[j] < column;
    for (size_t k = 0; k < layout->n_constants; k++)
        place += layout->constants[k].column < column;
    return place;
}

// Finds the wanted columns by position: in a table with the fitted one's columns, in a table of the
// wanted columns only, or in a table of samples. False: it is none of these.
static bool match_places(const mr_matrix *file, const mr_layout *layout, const wanted *w,
                         size_t *columns) {
    const size_t width = file->n_cols;
    const bool is_whole = w->column != NULL && width == layout->n_columns;
    const bool is_sample = w->column != NULL && w->are_features && layout->n_constants > 0 &&
                           width == w->n + layout->n_constants;
    if (width != w->n && !is_whole && !is_sample)
        return false;
    for (size_t j = 0; j < w->n; j++)
        columns[j] = is_whole    ? w->column[j]
                     : is_sample ? place_in_samples(layout, w->n, w->column[j])
                                 : j;
    return true;
}

/// Where the wanted columns are.
typedef struct {
    size_t *column;  // [w->n] of the table
    bool is_matched; // they were found by their names
} places;

// The column of a table that was constant `k` of the fitted one; by its name if the features were
// found by theirs. False: the table doesn't have it.
static bool find_constant(const mr_matrix *file, const mr_layout *layout, const wanted *w,
                          const places *found, size_t k, size_t *out) {
    const size_t column = layout->constants[k].column;
    if (!found->is_matched) {
        *out = column;
        return file->n_cols == layout->n_columns;
    }
    if (mr_matrix_find_name(file, layout->names[column], out) != 1)
        return false;
    for (size_t j = 0; j < w->n; j++)
        if (found->column[j] == *out) // that of a feature with the same name
            return false;
    return true;
}

static mr_status count_others(const mr_matrix *file, size_t column, double value,
                              size_t *n_others) {
    mr_status status;
    mr_row_block b = {0};
    *n_others = 0;
    do {
        MR_TRY(mr_matrix_next_rows(file, &b));
        for (size_t i = 0; i < b.n; i++)
            *n_others += b.x[i * file->n_cols + column] != value;
    } while (b.n > 0);
done:
    mr_row_block_free(&b);
    return status;
}

// Notes columns that were constant in the fitted data and have another value here: the density does
// not include them.
static mr_status note_constants(const char *path, const mr_matrix *file, const mr_layout *layout,
                                const wanted *w, const places *found) {
    for (size_t k = 0; k < layout->n_constants; k++) {
        const double value = layout->constants[k].value;
        size_t n_others, column;
        if (!find_constant(file, layout, w, found, k, &column))
            continue;
        const mr_status status = count_others(file, column, value, &n_others);
        if (status != MR_OK)
            return status;
        if (n_others > 0)
            fprintf(stderr,
                    "note: %s: column %s is not %s in %zu rows, as it was in all that the model "
                    "was fitted to; it was left out of the model\n",
                    path, mr_matrix_column_name(file, column).text,
                    mr_matrix_value_name(file, column, value).text, n_others);
    }
    return MR_OK;
}

// Copies the names of categories of the table's column that was column `from` of the fitted one.
static mr_status copy_names(const mr_layout *layout, size_t from, mr_dictionary *to,
                            bool *has_names) {
    const mr_dictionary *d = &layout->dictionary[from];
    *has_names = *has_names || d->n > 0;
    mr_dictionary_free(to); // several constant columns may have been of one name
    return mr_dictionary_copy(d, to);
}

// Reads the columns of text of a .csv again, as the codes that the model has for them. A .npy has
// these codes.
static mr_status read_names(const char *path, const mr_matrix_options *options,
                            const mr_layout *layout, const wanted *w, const places *found,
                            mr_matrix *file) {
    mr_status status = MR_OK;
    const size_t n_cols = file->n_cols;
    size_t column;
    bool has_names = false;
    if (layout->dictionary == NULL || !mr_is_csv(path))
        return MR_OK;
    mr_dictionary *dictionary = calloc(n_cols, sizeof *dictionary);
    if (dictionary == NULL)
        return mr_fail_memory("the names of categories");
    for (size_t j = 0; j < w->n; j++)
        MR_TRY(copy_names(layout, w->column[j], &dictionary[found->column[j]], &has_names));
    for (size_t k = 0; k < layout->n_constants; k++)
        if (find_constant(file, layout, w, found, k, &column))
            MR_TRY(
                copy_names(layout, layout->constants[k].column, &dictionary[column], &has_names));
    if (has_names) {
        status = mr_matrix_read_codes(path, options, dictionary, file);
        dictionary = NULL;
    }
done:
    mr_dictionaries_free(n_cols, dictionary);
    return status;
}

static mr_status check_cells(const char *path, const mr_matrix *file, const wanted *w,
                             const size_t *columns) {
    bool *is_read = calloc(file->n_cols, sizeof *is_read);
    if (is_read == NULL)
        return mr_fail_memory("the columns");
    for (size_t j = 0; j < w->n; j++)
        is_read[columns[j]] = true;
    const mr_status status = mr_matrix_check(path, file, is_read, !w->are_finite);
    free(is_read);
    return status;
}

// Whether what was taken for names of columns is a row of data, as a fit would find; unless the
// model knows the names of its columns, and one is there.
static bool names_are_data(const mr_matrix *file, const mr_layout *layout, const wanted *w,
                           size_t *columns) {
    size_t column;
    if (layout->dictionary == NULL || !mr_table_is_text(file) ||
        !match_places(file, layout, w, columns))
        return false;
    for (size_t j = 0; j < w->n; j++) {
        const size_t from = w->column[j];
        if (!mr_table_is_category(file->names[columns[j]], &layout->dictionary[from]) ||
            (layout->names != NULL && mr_matrix_find_name(file, layout->names[from], &column) > 0))
            return false;
    }
    return true;
}

static mr_status read_cells(const char *path, mr_matrix_options *options, const mr_layout *layout,
                            const wanted *w, size_t *columns, mr_matrix *out) {
    mr_status status = mr_matrix_read_cells(path, options, out);
    if (status != MR_OK || options->header != MR_HEADER_AUTO || out->names == NULL ||
        !names_are_data(out, layout, w, columns))
        return status;
    mr_matrix_free(out);
    options->header = MR_HEADER_NO;
    status = mr_matrix_read_cells(path, options, out);
    out->is_unsure = true;
    return status;
}

static mr_status read_wanted(const char *path, mr_header header, const mr_layout *layout,
                             const wanted *w, mr_matrix *out) {
    mr_status status;
    mr_matrix_options options = mr_table_options(header);
    options.names = (const char *const *)layout->names;
    options.n_names = layout->n_columns;
    places found = {.column = calloc(w->n, sizeof *found.column)};
    mr_matrix file = {0};
    if (found.column == NULL)
        return mr_fail_memory("the columns");
    MR_TRY(read_cells(path, &options, layout, w, found.column, &file));
    mr_table_note_unsure(path, &file);
    if (file.names != NULL && layout->names != NULL)
        MR_TRY(match_names(path, &file, layout, w, found.column, &found.is_matched));
    if (!found.is_matched && !match_places(&file, layout, w, found.column))
        MR_TRY(fail_width(path, &file, layout, w));
    MR_TRY(read_names(path, &options, layout, w, &found, &file));
    MR_TRY(check_cells(path, &file, w, found.column));
    MR_TRY(note_constants(path, &file, layout, w, &found));
    MR_TRY(mr_matrix_keep_columns(&file, w->n, found.column));
    *out = file;
    file = (mr_matrix){0};
done:
    mr_matrix_free(&file);
    free(found.column);
    return status;
}

mr_status mr_score_table_read(const char *path, mr_header header, const mr_density *density,
                              mr_matrix *out) {
    const mr_layout *layout = mr_density_layout(density);
    const size_t dim = mr_density_dim(density), n_given = layout->n_given;
    size_t *columns = calloc(dim + n_given, sizeof *columns);
    if (columns == NULL)
        return mr_fail_memory("the columns");
    for (size_t j = 0; j < dim + n_given && layout->columns != NULL; j++)
        columns[j] = j < dim ? layout->columns[j] : layout->given[j - dim];
    const wanted w = {.n = mr_density_width(density),
                      .column = layout->columns != NULL ? columns : NULL,
                      .are_features = n_given == 0};
    const mr_status status = read_wanted(path, header, layout, &w, out);
    free(columns);
    return status;
}

mr_status mr_given_table_read(const char *path, mr_header header, const mr_density *density,
                              mr_matrix *out) {
    const mr_layout *layout = mr_density_layout(density);
    const wanted w = {
        .n = mr_density_given_dim(density), .column = layout->given, .are_finite = true};
    if (w.n == 0)
        return mr_fail(MR_ERR_USAGE, "--given is for models that were fitted with --given");
    return read_wanted(path, header, layout, &w, out);
}

// ---- Samples

size_t mr_rows_at_once(size_t width) {
    enum { NUMBERS = 1 << 21 };
    const size_t n = NUMBERS / width / MR_DENSITY_BATCH * MR_DENSITY_BATCH;
    return n > 0 ? n : MR_DENSITY_BATCH;
}

size_t mr_samples_width(const mr_density *density) {
    return mr_density_dim(density) + mr_density_layout(density)->n_constants;
}

void mr_samples_free_labels(mr_matrix_labels *labels) {
    free((char **)labels->names);
    free((mr_dictionary *)labels->dictionary);
    *labels = (mr_matrix_labels){0};
}

mr_status mr_samples_make_labels(const mr_density *density, mr_matrix_labels *out) {
    const mr_layout *layout = mr_density_layout(density);
    const size_t dim = mr_density_dim(density), width = mr_samples_width(density);
    const bool has_names = layout->names != NULL, has_codes = layout->dictionary != NULL;
    char **names = has_names ? calloc(width, sizeof *names) : NULL;
    mr_dictionary *dictionary = has_codes ? calloc(width, sizeof *dictionary) : NULL;
    *out = (mr_matrix_labels){names, dictionary};
    if ((has_names && names == NULL) || (has_codes && dictionary == NULL)) {
        mr_samples_free_labels(out);
        return mr_fail_memory("the names of columns");
    }
    for (size_t j = 0; (has_names || has_codes) && j < width; j++) {
        const size_t column = j < dim ? layout->columns[j] : layout->constants[j - dim].column;
        const size_t place = place_in_samples(layout, dim, column);
        if (has_names)
            names[place] = layout->names[column];
        if (has_codes)
            dictionary[place] = layout->dictionary[column];
    }
    return MR_OK;
}

void mr_samples_with_constants(const mr_density *density, size_t n, const double *x, double *out) {
    const mr_layout *layout = mr_density_layout(density);
    const size_t dim = mr_density_dim(density), width = mr_samples_width(density);
    for (size_t j = 0; j < dim; j++) {
        const size_t place =
            layout->n_constants > 0 ? place_in_samples(layout, dim, layout->columns[j]) : j;
        for (size_t i = 0; i < n; i++)
            out[i * width + place] = x[i * dim + j];
    }
    for (size_t k = 0; k < layout->n_constants; k++) {
        const size_t place = place_in_samples(layout, dim, layout->constants[k].column);
        for (size_t i = 0; i < n; i++)
            out[i * width + place] = layout->constants[k].value;
    }
}
