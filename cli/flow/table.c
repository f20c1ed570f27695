// Tables for fits: columns, weights, constants, bounds, outliers.

#include "cli/flow/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/flow/supports.h"
#include "flows/outliers.h"

enum {
    MAX_LIST = 600,
    MIN_INDEX = 3,
    SAMPLE_ROWS = 1 << 16, // of a table in a file, whose medians are taken: known to half a percent
                           // of a deviation
};

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

mr_matrix_options mr_table_options(mr_header header) {
    return (mr_matrix_options){.header = header, .max_numbers = MR_MAX_NUMBERS};
}

void mr_table_note_unsure(const char *path, const mr_matrix *matrix) {
    if (matrix->is_unsure)
        fprintf(stderr,
                "note: %s: the first row was taken for data; if it is the columns' names, give "
                "--header yes\n",
                path);
}

// ---- Choosing columns of a table to fit

/// Which columns of the file are features, given or the weights.
typedef struct {
    bool *feature, *given; // [n_cols] owned
    bool *fitted, *read;   // [n_cols] owned: either of these; or the weights, too
    bool *categorical;     // [n_cols] owned: named as such, without bounds
    size_t weights;        // column of the weights; n_cols: none
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

static bool is_set(const char *text) {
    return text[0] != '\0';
}

static mr_status fail_overlap(const mr_matrix *file, size_t column, const char *option) {
    return mr_fail(MR_ERR_USAGE, "column %s is both a given column and one of %s; leave out one",
                   mr_matrix_column_name(file, column).text, option);
}

// The features: those chosen, or all that have no other use.
static mr_status choose_features(const mr_matrix *file, const mr_fit_choice *chosen, choice *c) {
    const char *option = is_set(chosen->target) ? "--target" : "--columns";
    const char *text = is_set(chosen->target) ? chosen->target : chosen->columns;
    if (is_set(chosen->target) && is_set(chosen->columns))
        return mr_fail(MR_ERR_USAGE, "--target and --columns both choose the columns to fit; give "
                                     "one of them");
    if (is_set(text)) {
        const mr_status status = mr_matrix_choose_columns(file, text, option, c->feature);
        if (status != MR_OK)
            return status;
    }
    for (size_t j = 0; j < file->n_cols; j++) {
        if (!is_set(text))
            c->feature[j] = !c->given[j];
        if (j == c->weights)
            c->feature[j] = false;
        if (c->feature[j] && c->given[j])
            return fail_overlap(file, j, option);
        if (j == c->weights && c->given[j])
            return fail_overlap(file, j, "--weights");
    }
    return MR_OK;
}

static mr_status choose(const mr_matrix *file, const mr_fit_choice *chosen, choice *c) {
    mr_status status = MR_OK;
    const size_t n = file->n_cols;
    c->weights = n;
    c->feature = calloc(n, sizeof *c->feature);
    c->given = calloc(n, sizeof *c->given);
    c->fitted = calloc(n, sizeof *c->fitted);
    c->read = calloc(n, sizeof *c->read);
    c->categorical = calloc(n, sizeof *c->categorical);
    if (c->feature == NULL || c->given == NULL || c->fitted == NULL || c->read == NULL ||
        c->categorical == NULL)
        return mr_fail_memory("the columns");
    if (is_set(chosen->given))
        MR_TRY(mr_matrix_choose_columns(file, chosen->given, "--given", c->given));
    if (is_set(chosen->weights) && !mr_matrix_is_table(chosen->weights))
        MR_TRY(choose_weights(file, chosen->weights, c));
    MR_TRY(choose_features(file, chosen, c));
    MR_TRY(mr_supports_find_categorical(chosen->categorical, file, c->categorical));
    for (size_t j = 0; j < n; j++) {
        c->fitted[j] = c->feature[j] || c->given[j];
        c->read[j] = c->fitted[j] || j == c->weights;
    }
done:
    return status;
}

// Whether a list of columns names number 0, and not a column that is called "0".
static bool names_zero(const mr_matrix *file, const char *list) {
    for (const char *at = list; *at != '\0'; at += strcspn(at, ","), at += *at == ',')
        if (at[0] == '0' && strchr(",-:", at[1]) != NULL) {
            for (size_t j = 0; file->names != NULL && j < file->n_cols; j++)
                if (strcmp(file->names[j], "0") == 0)
                    return false;
            return true;
        }
    return false;
}

enum { N_LISTS = 7 };

// The options that choose columns.
static void list_choices(const mr_fit_choice *chosen, const char *lists[N_LISTS]) {
    const bool is_column = !mr_matrix_is_table(chosen->weights);
    const char *const all[N_LISTS] = {chosen->columns,
                                      chosen->target,
                                      chosen->given,
                                      chosen->bounded,
                                      chosen->circular,
                                      chosen->categorical,
                                      is_column ? chosen->weights : ""};
    memcpy(lists, all, sizeof all);
}

// Whether a list of columns has one of this name, alone, or before a range or bounds.
static bool has_name(const char *list, const char *name) {
    const size_t n = strlen(name);
    for (const char *at = list; *at != '\0'; at += strcspn(at, ","), at += *at == ',')
        if (n > 0 && strncmp(at, name, n) == 0 && strchr(",-:", at[n]) != NULL)
            return true;
    return false;
}

// Whether a column is chosen by its name, which is one then.
static bool are_names_used(const mr_matrix *file, const mr_fit_choice *chosen) {
    const char *lists[N_LISTS];
    list_choices(chosen, lists);
    for (size_t i = 0; i < N_LISTS; i++)
        for (size_t j = 0; file->names != NULL && j < file->n_cols; j++)
            if (has_name(lists[i], file->names[j]))
                return true;
    return false;
}

// Columns are counted from 1, or from 0 if the command names column 0.
static void choose_counting(const mr_fit_choice *chosen, mr_matrix *file) {
    const char *lists[N_LISTS];
    list_choices(chosen, lists);
    for (size_t i = 0; i < N_LISTS; i++)
        file->from_zero |= names_zero(file, lists[i]);
    if (file->from_zero)
        fprintf(stderr, "note: columns are counted from 0, because column 0 is named\n");
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
    mr_status status;
    mr_row_block b = {0};
    *out = malloc(file->n_rows * sizeof **out);
    if (*out == NULL)
        return mr_fail_memory("the weights");
    do {
        MR_TRY(mr_matrix_next_rows(file, &b));
        for (size_t i = 0; i < b.n; i++)
            (*out)[b.first + i] = b.x[i * file->n_cols + c->weights];
    } while (b.n > 0);
done:
    mr_row_block_free(&b);
    return status;
}

// ---- Constant columns

// Finds which columns are constant, and the first row: [n_cols] each.
static mr_status find_constants(const mr_matrix *file, bool *is_constant, double *first) {
    mr_status status;
    mr_row_block b = {0};
    const size_t n = file->n_cols;
    for (size_t j = 0; j < n; j++)
        is_constant[j] = true;
    do {
        MR_TRY(mr_matrix_next_rows(file, &b));
        if (b.first == 0)
            memcpy(first, b.x, n * sizeof *first);
        for (size_t i = 0; i < b.n; i++)
            for (size_t j = 0; j < n; j++)
                is_constant[j] = is_constant[j] && b.x[i * n + j] == first[j];
    } while (b.n > 0);
done:
    mr_row_block_free(&b);
    return status;
}

static mr_status fail_constants(const char *path, const mr_matrix *file, const mr_layout *layout) {
    char list[MAX_LIST] = "";
    for (size_t k = 0; k < layout->n_constants; k++) {
        const size_t used = strlen(list);
        const mr_constant *c = &layout->constants[k];
        snprintf(list + used, sizeof list - used, "%s%s is %s", k > 0 ? ", " : "",
                 mr_matrix_column_name(file, c->column).text,
                 mr_matrix_value_name(file, c->column, c->value).text);
    }
    return mr_fail(MR_ERR_INPUT,
                   "%s: constant columns have no density (%s in every row); give --drop-constant "
                   "to leave them out",
                   path, list);
}

static mr_status split_constants(const char *path, const mr_matrix *file, const choice *c,
                                 bool drops, mr_fit_table *table) {
    mr_status status;
    mr_layout *layout = &table->layout;
    bool *is_constant = malloc(file->n_cols * sizeof *is_constant);
    double *first = malloc(file->n_cols * sizeof *first);
    if (is_constant == NULL || first == NULL) {
        status = mr_fail_memory("the columns");
        goto done;
    }
    MR_TRY(find_constants(file, is_constant, first));
    for (size_t j = 0; j < file->n_cols; j++) {
        if (!c->feature[j] && !c->given[j])
            continue;
        const bool constant = is_constant[j];
        if (constant && (c->feature[j] || !drops))
            layout->constants[layout->n_constants++] = (mr_constant){j, first[j]};
        else if (!constant && c->feature[j])
            layout->columns[table->n_features++] = j;
        else if (!constant)
            layout->given[layout->n_given++] = j;
    }
    if (layout->n_constants > 0 && !drops)
        status = fail_constants(path, file, layout);
    else if (table->n_features == 0)
        status =
            mr_fail(MR_ERR_INPUT, "%s: no column is left to fit; choose others by --columns", path);
done:
    free(is_constant);
    free(first);
    return status;
}

static mr_status make_layout(const char *path, const mr_matrix *file, const choice *c, bool drops,
                             mr_fit_table *table) {
    mr_layout *layout = &table->layout;
    layout->n_columns = file->n_cols;
    layout->columns = calloc(file->n_cols, sizeof *layout->columns);
    layout->given = calloc(file->n_cols, sizeof *layout->given);
    layout->constants = calloc(file->n_cols, sizeof *layout->constants);
    layout->names = file->names != NULL ? calloc(file->n_cols, sizeof *layout->names) : NULL;
    bool is_whole = layout->columns != NULL && layout->given != NULL && layout->constants != NULL &&
                    (file->names == NULL || layout->names != NULL);
    for (size_t j = 0; is_whole && layout->names != NULL && j < file->n_cols; j++) {
        layout->names[j] = strdup(file->names[j]);
        is_whole = layout->names[j] != NULL;
    }
    if (!is_whole)
        return mr_fail_memory("the columns");
    const mr_status status =
        mr_dictionaries_copy(file->n_cols, file->dictionary, &layout->dictionary);
    return status == MR_OK ? split_constants(path, file, c, drops, table) : status;
}

size_t mr_fit_table_column(const mr_fit_table *table, size_t j) {
    return j < table->n_features ? table->layout.columns[j]
                                 : table->layout.given[j - table->n_features];
}

static mr_status read_supports(const mr_fit_choice *chosen, const mr_used_columns *used,
                               mr_fit_table *table) {
    if (!is_set(chosen->bounded) && !is_set(chosen->circular) && !is_set(chosen->categorical) &&
        used->file->dictionary == NULL)
        return MR_OK;
    table->support = calloc(used->n, sizeof *table->support);
    if (table->support == NULL)
        return mr_fail_memory("the columns");
    return mr_supports_read(chosen->bounded, chosen->circular, chosen->categorical, used,
                            table->support);
}

// Keeps the features, then the given columns, and reads their supports.
static mr_status keep_columns(const mr_fit_choice *chosen, mr_fit_table *table) {
    const size_t n = table->n_features + table->layout.n_given;
    size_t *columns = calloc(n, sizeof *columns);
    const mr_used_columns used = {&table->data, n, columns};
    if (columns == NULL)
        return mr_fail_memory("the columns");
    for (size_t j = 0; j < n; j++)
        columns[j] = mr_fit_table_column(table, j);
    table->from_zero = table->data.from_zero;
    mr_status status = read_supports(chosen, &used, table);
    if (status == MR_OK)
        status = mr_matrix_keep_columns(&table->data, n, columns);
    free(columns);
    return status;
}

// ---- Notes on the data

// The file without its numbers, for messages.
static mr_matrix file_of(const mr_fit_table *table) {
    return (mr_matrix){.n_rows = table->data.n_rows,
                       .n_cols = table->layout.n_columns,
                       .names = table->layout.names,
                       .dictionary = table->layout.dictionary,
                       .from_zero = table->from_zero};
}

static mr_column_name name_of(const mr_fit_table *table, size_t j) {
    const mr_matrix file = file_of(table);
    return mr_matrix_column_name(&file, mr_fit_table_column(table, j));
}

static mr_status note_index(const char *path, const mr_fit_table *table) {
    mr_status status;
    mr_row_block b = {0};
    const mr_matrix *data = &table->data;
    double start = 0;
    const bool is_text = data->dictionary != NULL && data->dictionary[0].n > 0;
    bool is_index = data->n_rows >= MIN_INDEX && table->layout.columns[0] == 0 && !is_text;
    do {
        MR_TRY(mr_matrix_next_rows(data, &b));
        if (b.first == 0)
            start = b.x[0];
        for (size_t i = 0; i < b.n && is_index; i++)
            is_index = b.x[i * data->n_cols] == start + (double)(b.first + i);
    } while (b.n > 0 && is_index);
    if (is_index)
        fprintf(stderr,
                "note: %s: column %s counts the rows; if it is an index, choose the others by "
                "--columns\n",
                path, name_of(table, 0).text);
done:
    mr_row_block_free(&b);
    return status;
}

static void note_outliers(const char *path, const mr_fit_table *table, const mr_outliers *found) {
    if (found->n_cells == 0)
        return;
    fprintf(stderr, "note: %s: row %zu, column %s is %g, %.3g robust deviations from the median",
            path, found->row + 1, name_of(table, found->column).text, found->value,
            found->distance);
    if (found->n_cells > 1)
        fprintf(stderr, " (and %zu more beyond %g)", found->n_cells - 1, far_out);
    const bool may_be_name = found->row == 0 && table->is_csv && table->layout.names == NULL;
    fprintf(stderr, "; the fit of all other rows suffers: check it%s, or give --clip-outliers %g\n",
            may_be_name ? " (--header yes takes row 1 for the columns' names)" : "", clip_advice);
}

static void add_outliers(mr_outliers *all, const mr_outliers *found, size_t first_row) {
    const size_t n_cells = all->n_cells + found->n_cells;
    if (found->distance > all->distance) {
        *all = *found;
        all->row += first_row;
    }
    all->n_cells = n_cells;
}

// Clips the cells, or finds those to be noted. The cells of a table in a file are clipped once more
// whenever they are read.
static mr_status look_for_outliers(const char *path, mr_fit_table *table) {
    mr_status status;
    mr_row_block b = {0};
    mr_outliers found = {0};
    const mr_matrix *data = &table->data;
    do {
        MR_TRY(mr_matrix_next_rows(data, &b));
        if (table->clip > 0) {
            double *x = data->values != NULL ? data->values : b.numbers;
            table->n_clipped += mr_clip_outliers(b.n, data->n_cols, x, table->middle,
                                                 table->deviation, table->clip);
        } else {
            const mr_outliers of_block =
                mr_find_outliers(b.n, data->n_cols, b.x, table->middle, table->deviation, far_out);
            add_outliers(&found, &of_block, b.first);
        }
    } while (b.n > 0);
    note_outliers(path, table, &found);
done:
    mr_row_block_free(&b);
    return status;
}

// Rows at equal distances through the file. A column that varies, but not in these rows, has no
// outliers.
static mr_status measure_sample(mr_fit_table *table) {
    mr_status status;
    const mr_matrix *data = &table->data;
    const size_t dim = data->n_cols,
                 n = data->n_rows < SAMPLE_ROWS ? data->n_rows : (size_t)SAMPLE_ROWS;
    double *sample = malloc(n * dim * sizeof *sample);
    if (sample == NULL)
        return mr_fail_memory("the data");
    for (size_t i = 0; i < n; i++)
        MR_TRY(mr_matrix_get_rows(data, data->n_rows / n * i, 1, sample + i * dim));
    MR_TRY(mr_robust_scale(n, dim, sample, table->middle, table->deviation));
    for (size_t j = 0; j < dim; j++)
        if (table->deviation[j] == 0)
            table->deviation[j] = (double)INFINITY;
done:
    free(sample);
    return status;
}

static mr_status measure_columns(mr_fit_table *table) {
    const mr_matrix *data = &table->data;
    table->middle = calloc(data->n_cols, sizeof *table->middle);
    table->deviation = calloc(data->n_cols, sizeof *table->deviation);
    if (table->middle == NULL || table->deviation == NULL)
        return mr_fail_memory("the columns");
    const mr_status status = data->values == NULL
                                 ? measure_sample(table)
                                 : mr_robust_scale(data->n_rows, data->n_cols, data->values,
                                                   table->middle, table->deviation);
    for (size_t j = 0; j < data->n_cols && table->support != NULL; j++)
        if (table->support[j].type == MR_SUPPORT_CATEGORY) // it has no distances
            table->deviation[j] = (double)INFINITY;
    return status;
}

// ---- Tables to fit

mr_status mr_fit_table_read(const char *path, const mr_fit_choice *chosen, mr_fit_table *table) {
    mr_status status;
    choice c = {0};
    mr_matrix_options options = mr_table_options(chosen->header);
    *table = (mr_fit_table){.is_csv = mr_is_csv(path), .clip = chosen->clip};
    MR_TRY(mr_matrix_read_cells(path, &options, &table->data));
    mr_table_note_unsure(path, &table->data);
    choose_counting(chosen, &table->data);
    MR_TRY(choose(&table->data, chosen, &c));
    if (are_names_used(&table->data, chosen))
        options.header = MR_HEADER_YES;
    MR_TRY(mr_table_read_text(path, &options, c.fitted, c.categorical, &table->data));
    MR_TRY(mr_matrix_check(path, &table->data, c.read, false));
    MR_TRY(take_weights(&table->data, chosen, &c, &table->weights));
    MR_TRY(make_layout(path, &table->data, &c, chosen->drop_constant, table));
    MR_TRY(keep_columns(chosen, table));
    MR_TRY(note_index(path, table));
    MR_TRY(measure_columns(table));
    MR_TRY(look_for_outliers(path, table));
    const mr_matrix file = file_of(table);
    mr_table_note_text(path, &file, c.categorical);
done:
    free(c.feature);
    free(c.given);
    free(c.fitted);
    free(c.categorical);
    free(c.read);
    return status;
}

void mr_fit_table_free(mr_fit_table *table) {
    mr_matrix_free(&table->data);
    mr_layout_release(&table->layout);
    free(table->weights);
    free(table->support);
    free(table->middle);
    free(table->deviation);
    *table = (mr_fit_table){0};
}

mr_status mr_fit_table_rows(void *self, size_t first, size_t n, double *x) {
    const mr_fit_table *table = self;
    const mr_status status = mr_matrix_get_rows(&table->data, first, n, x);
    if (status == MR_OK && table->clip > 0)
        mr_clip_outliers(n, table->data.n_cols, x, table->middle, table->deviation, table->clip);
    return status;
}

const char *const mr_options_of_tables[MR_N_OPTIONS_OF_TABLES] = {
    "header",   "columns",     "target",        "given",   "bounded",
    "circular", "categorical", "drop_constant", "weights", "clip_outliers"};
