// Tables for fits: columns, weights, constants, outliers. Tables for scores: the same columns.

#include "cli/flow/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "flows/outliers.h"

enum { MAX_LIST = 600, MIN_INDEX = 3 };

static const double far_out = 1000;   // robust deviations that deserve a note
static const double clip_advice = 20; // of an ordinary column nothing is so far out

mr_header mr_header_of(const char *text) {
    return strcmp(text, "yes") == 0  ? MR_HEADER_YES
           : strcmp(text, "no") == 0 ? MR_HEADER_NO
                                     : MR_HEADER_AUTO;
}

bool mr_is_csv(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot != NULL && strcasecmp(dot, ".csv") == 0;
}

static void note_unsure(const char *path, const mr_matrix *matrix) {
    if (matrix->is_unsure)
        fprintf(stderr,
                "note: %s: the first row (%g, %g, ...) was taken for data; if it is the columns' "
                "names, give --header yes\n",
                path, matrix->values[0], matrix->values[1]);
}

// ---- Choosing columns of a table to fit

/// Which columns of the file are features; the weights may be one that is none.
typedef struct {
    bool *feature, *read; // [n_cols] owned; `read` with the weights
    size_t weights;       // column of the weights; n_cols: none
} choice;

static mr_status choose_weights(const mr_matrix *file, const char *text, choice *c) {
    size_t n_chosen = 0;
    bool *column = calloc(file->n_cols, sizeof *column);
    if (column == NULL)
        return mr_fail_memory("the columns");
    mr_status status = mr_matrix_choose_columns(file, text, "--weights", column);
    for (size_t j = 0; j < file->n_cols && status == MR_OK; j++)
        if (column[j]) {
            c->weights = j;
            n_chosen++;
        }
    free(column);
    if (status == MR_OK && n_chosen > 1)
        status = mr_fail(MR_ERR_USAGE, "--weights: %s is %zu columns; give one, or a file", text,
                         n_chosen);
    return status;
}

static mr_status choose(const char *path, const mr_matrix *file, const mr_fit_choice *chosen,
                        choice *c) {
    mr_status status = MR_OK;
    const size_t n = file->n_cols;
    c->weights = n;
    c->feature = malloc(n * sizeof *c->feature);
    c->read = malloc(n * sizeof *c->read);
    if (c->feature == NULL || c->read == NULL)
        return mr_fail_memory("the columns");
    memset(c->feature, true, n * sizeof *c->feature);
    if (chosen->columns[0] != '\0')
        MR_TRY(mr_matrix_choose_columns(file, chosen->columns, "--columns", c->feature));
    if (chosen->weights[0] != '\0' && !mr_matrix_is_table(chosen->weights)) {
        MR_TRY(choose_weights(file, chosen->weights, c));
        c->feature[c->weights] = false;
    }
    memcpy(c->read, c->feature, n * sizeof *c->read);
    if (c->weights < n)
        c->read[c->weights] = true;
    status = mr_matrix_check(path, file, c->read, false);
done:
    return status;
}

// ---- Weights

static mr_status weights_of_file(const char *path, size_t n_rows, double **out) {
    mr_matrix file = {0};
    mr_status status = mr_matrix_read(path, &file);
    if (status == MR_OK && (file.n_cols != 1 || file.n_rows != n_rows))
        status = mr_fail(MR_ERR_INPUT,
                         "%s: holds %zu rows of %zu; one weight a row is needed, %zu "
                         "in all",
                         path, file.n_rows, file.n_cols, n_rows);
    if (status == MR_OK) {
        *out = file.values;
        file.values = NULL;
    }
    mr_matrix_free(&file);
    return status;
}

static mr_status take_weights(const mr_matrix *file, const mr_fit_choice *chosen, const choice *c,
                              double **out) {
    if (chosen->weights[0] == '\0')
        return MR_OK;
    if (c->weights == file->n_cols)
        return weights_of_file(chosen->weights, file->n_rows, out);
    *out = malloc(file->n_rows * sizeof **out);
    for (size_t i = 0; i < file->n_rows && *out != NULL; i++)
        (*out)[i] = file->values[i * file->n_cols + c->weights];
    return *out != NULL ? MR_OK : mr_fail_memory("the weights");
}

// ---- Constant columns

static bool is_constant(const mr_matrix *file, size_t column) {
    for (size_t i = 1; i < file->n_rows; i++)
        if (file->values[i * file->n_cols + column] != file->values[column])
            return false;
    return true;
}

static mr_status fail_constants(const char *path, const mr_matrix *file, const mr_layout *layout) {
    char list[MAX_LIST] = "";
    for (size_t k = 0; k < layout->n_constants; k++) {
        const size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s is %g", k > 0 ? ", " : "",
                 mr_matrix_column_name(file, layout->constants[k].column).text,
                 layout->constants[k].value);
    }
    return mr_fail(MR_ERR_INPUT,
                   "%s: constant columns have no density (%s in every row); give --drop-constant "
                   "to leave them out",
                   path, list);
}

static mr_status split_constants(const char *path, const mr_matrix *file, const choice *c,
                                 bool drops, size_t *n_features, mr_layout *layout) {
    for (size_t j = 0; j < file->n_cols; j++)
        if (c->feature[j] && is_constant(file, j))
            layout->constants[layout->n_constants++] = (mr_constant){j, file->values[j]};
        else if (c->feature[j])
            layout->columns[(*n_features)++] = j;
    if (layout->n_constants > 0 && !drops)
        return fail_constants(path, file, layout);
    if (*n_features == 0)
        return mr_fail(MR_ERR_INPUT, "%s: no column is left to fit; choose others by --columns",
                       path);
    return MR_OK;
}

static mr_status make_layout(const char *path, const mr_matrix *file, const choice *c, bool drops,
                             size_t *n_features, mr_layout *layout) {
    layout->n_columns = file->n_cols;
    layout->columns = calloc(file->n_cols, sizeof *layout->columns);
    layout->constants = calloc(file->n_cols, sizeof *layout->constants);
    layout->names = file->names != NULL ? calloc(file->n_cols, sizeof *layout->names) : NULL;
    bool is_whole = layout->columns != NULL && layout->constants != NULL &&
                    (file->names == NULL || layout->names != NULL);
    for (size_t j = 0; is_whole && layout->names != NULL && j < file->n_cols; j++) {
        layout->names[j] = strdup(file->names[j]);
        is_whole = layout->names[j] != NULL;
    }
    if (!is_whole)
        return mr_fail_memory("the columns");
    return split_constants(path, file, c, drops, n_features, layout);
}

// ---- What a user should know

// A file's column for one of the features.
static mr_column_name name_of(const mr_fit_table *table, size_t feature) {
    const mr_matrix file = {.n_cols = table->layout.n_columns, .names = table->layout.names};
    return mr_matrix_column_name(&file, table->layout.columns[feature]);
}

static void note_index(const char *path, const mr_fit_table *table) {
    const mr_matrix *data = &table->data;
    for (size_t i = 1; i < data->n_rows; i++)
        if (data->values[i * data->n_cols] != data->values[0] + (double)i)
            return;
    if (data->n_rows >= MIN_INDEX && table->layout.columns[0] == 0)
        fprintf(stderr,
                "note: %s: column %s counts the rows; if it is an index, choose the others by "
                "--columns\n",
                path, name_of(table, 0).text);
}

static void note_outliers(const char *path, const mr_fit_table *table, const mr_outliers *found) {
    const mr_matrix *data = &table->data;
    if (found->n_cells == 0)
        return;
    fprintf(stderr, "note: %s: row %zu, column %s is %g, %.3g robust deviations from the median",
            path, found->row + 1, name_of(table, found->column).text,
            data->values[found->row * data->n_cols + found->column], found->distance);
    if (found->n_cells > 1)
        fprintf(stderr, " (and %zu more beyond %g)", found->n_cells - 1, far_out);
    const bool may_be_name = found->row == 0 && table->is_csv && table->layout.names == NULL;
    fprintf(stderr, "; the fit of all other rows suffers: check it%s, or give --clip-outliers %g\n",
            may_be_name ? " (--header yes takes row 1 for the columns' names)" : "", clip_advice);
}

static mr_status look_for_outliers(const char *path, double clip, mr_fit_table *table) {
    mr_status status;
    mr_matrix *data = &table->data;
    const size_t n = data->n_rows, dim = data->n_cols;
    double *middle = calloc(dim, sizeof *middle), *deviation = calloc(dim, sizeof *deviation);
    if (middle == NULL || deviation == NULL) {
        status = mr_fail_memory("the columns");
        goto done;
    }
    MR_TRY(mr_robust_scale(n, dim, data->values, middle, deviation));
    if (clip > 0) {
        table->n_clipped = mr_clip_outliers(n, dim, data->values, middle, deviation, clip);
    } else {
        const mr_outliers found =
            mr_find_outliers(n, dim, data->values, middle, deviation, far_out);
        note_outliers(path, table, &found);
    }
done:
    free(middle);
    free(deviation);
    return status;
}

// ---- Tables to fit

mr_status mr_fit_table_read(const char *path, const mr_fit_choice *chosen, mr_fit_table *table) {
    mr_status status;
    choice c = {0};
    size_t n_features = 0;
    *table = (mr_fit_table){.is_csv = mr_is_csv(path)};
    MR_TRY(
        mr_matrix_read_cells(path, &(mr_matrix_options){.header = chosen->header}, &table->data));
    note_unsure(path, &table->data);
    MR_TRY(choose(path, &table->data, chosen, &c));
    MR_TRY(take_weights(&table->data, chosen, &c, &table->weights));
    MR_TRY(make_layout(path, &table->data, &c, chosen->drop_constant, &n_features, &table->layout));
    MR_TRY(mr_matrix_keep_columns(&table->data, n_features, table->layout.columns));
    note_index(path, table);
    status = look_for_outliers(path, chosen->clip, table);
done:
    free(c.feature);
    free(c.read);
    return status;
}

void mr_fit_table_free(mr_fit_table *table) {
    mr_matrix_free(&table->data);
    mr_layout_release(&table->layout);
    free(table->weights);
    table->weights = NULL;
}

// ---- Tables to score

static bool find_name(const mr_matrix *matrix, const char *name, size_t *out) {
    for (size_t j = 0; j < matrix->n_cols; j++)
        if (strcmp(matrix->names[j], name) == 0) {
            *out = j;
            return true;
        }
    return false;
}

// The file's columns of the features, then of the constants: by name. Where only some are there,
// the file is another one.
static mr_status match_names(const char *path, const mr_matrix *file, const mr_layout *layout,
                             size_t dim, size_t *columns, bool *is_matched) {
    size_t n_found = 0;
    const char *missing = NULL;
    for (size_t j = 0; j < dim; j++) {
        const char *name = layout->names[layout->columns[j]];
        if (find_name(file, name, &columns[j]))
            n_found++;
        else if (missing == NULL)
            missing = name;
    }
    *is_matched = n_found == dim;
    if (n_found > 0 && n_found < dim)
        return mr_fail(MR_ERR_INPUT, "%s: has no column '%s', which the model needs", path,
                       missing);
    if (n_found == 0)
        fprintf(stderr,
                "note: %s: its columns have other names than those that the model was fitted to; "
                "they are taken by their places\n",
                path);
    return MR_OK;
}

static mr_status fail_width(const char *path, const mr_matrix *file, const mr_density *density) {
    const mr_layout *layout = mr_density_layout(density);
    const size_t dim = mr_density_dim(density);
    if (layout->n_columns > dim)
        return mr_fail(MR_ERR_INPUT,
                       "%s: row 1 has %zu columns, the model needs %zu, or %zu to pick them from; "
                       "was it fitted to other data?",
                       path, file->n_cols, dim, layout->n_columns);
    return mr_fail(MR_ERR_INPUT,
                   "%s: row 1 has %zu columns, the model needs %zu; was it fitted to other data?",
                   path, file->n_cols, dim);
}

// Where a column of the layout is in a table of samples: only features and constants are there.
static size_t place_in_samples(const mr_layout *layout, size_t dim, size_t column) {
    size_t place = 0;
    for (size_t j = 0; j < dim; j++)
        place += layout->columns[j] < column;
    for (size_t k = 0; k < layout->n_constants; k++)
        place += layout->constants[k].column < column;
    return place;
}

static mr_status match_places(const char *path, const mr_matrix *file, const mr_density *density,
                              size_t *columns) {
    const mr_layout *layout = mr_density_layout(density);
    const size_t dim = mr_density_dim(density), width = file->n_cols;
    const bool has_columns = layout->columns != NULL;
    if (width != dim &&
        !(has_columns && (width == layout->n_columns || width == dim + layout->n_constants)))
        return fail_width(path, file, density);
    for (size_t j = 0; j < dim; j++) {
        columns[j] = j;
        if (has_columns && width == layout->n_columns)
            columns[j] = layout->columns[j];
        else if (has_columns && width == dim + layout->n_constants)
            columns[j] = place_in_samples(layout, dim, layout->columns[j]);
    }
    return MR_OK;
}

// What was the same in all rows of the fitted data may not be here; the density knows nothing of
// it.
static void note_constants(const char *path, const mr_matrix *file, const mr_layout *layout) {
    for (size_t k = 0; k < layout->n_constants && file->n_cols == layout->n_columns; k++) {
        const mr_constant *c = &layout->constants[k];
        size_t n_others = 0;
        for (size_t i = 0; i < file->n_rows; i++)
            n_others += file->values[i * file->n_cols + c->column] != c->value;
        if (n_others > 0)
            fprintf(stderr,
                    "note: %s: column %s is not %g in %zu rows, as it was in all that the model "
                    "was fitted to; it was left out of the model\n",
                    path, mr_matrix_column_name(file, c->column).text, c->value, n_others);
    }
}

static mr_status check_features(const char *path, const mr_matrix *file, size_t dim,
                                const size_t *columns) {
    bool *is_read = calloc(file->n_cols, sizeof *is_read);
    if (is_read == NULL)
        return mr_fail_memory("the columns");
    for (size_t j = 0; j < dim; j++)
        is_read[columns[j]] = true;
    const mr_status status = mr_matrix_check(path, file, is_read, true);
    free(is_read);
    return status;
}

mr_status mr_score_table_read(const char *path, mr_header header, const mr_density *density,
                              mr_matrix *out) {
    mr_status status;
    const mr_layout *layout = mr_density_layout(density);
    const size_t dim = mr_density_dim(density);
    const mr_matrix_options options = {.header = header,
                                       .names = (const char *const *)layout->names,
                                       .n_names = layout->n_columns};
    bool is_matched = false;
    size_t *columns = calloc(dim, sizeof *columns);
    mr_matrix file = {0};
    if (columns == NULL)
        return mr_fail_memory("the columns");
    MR_TRY(mr_matrix_read_cells(path, &options, &file));
    note_unsure(path, &file);
    if (file.names != NULL && layout->names != NULL)
        MR_TRY(match_names(path, &file, layout, dim, columns, &is_matched));
    if (!is_matched)
        MR_TRY(match_places(path, &file, density, columns));
    MR_TRY(check_features(path, &file, dim, columns));
    note_constants(path, &file, layout);
    MR_TRY(mr_matrix_keep_columns(&file, dim, columns));
    *out = file;
    file = (mr_matrix){0};
done:
    mr_matrix_free(&file);
    free(columns);
    return status;
}

// ---- Samples

mr_status mr_samples_with_constants(const mr_density *density, size_t n, const double *x,
                                    double **out, size_t *n_cols) {
    const mr_layout *layout = mr_density_layout(density);
    const size_t dim = mr_density_dim(density), width = dim + layout->n_constants;
    double *table = calloc(n, width * sizeof *table);
    if (table == NULL)
        return mr_fail_memory("the samples");
    for (size_t j = 0; j < dim; j++) {
        const size_t place =
            layout->n_constants > 0 ? place_in_samples(layout, dim, layout->columns[j]) : j;
        for (size_t i = 0; i < n; i++)
            table[i * width + place] = x[i * dim + j];
    }
    for (size_t k = 0; k < layout->n_constants; k++) {
        const size_t place = place_in_samples(layout, dim, layout->constants[k].column);
        for (size_t i = 0; i < n; i++)
            table[i * width + place] = layout->constants[k].value;
    }
    *out = table;
    *n_cols = width;
    return MR_OK;
}
