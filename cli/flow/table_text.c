// Columns of text in tables to be fitted: which are categorical, and their codes.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/flow/table.h"

enum {
    MAX_LIST = 600,
    MIN_ROWS = 20, // of a table whose categories are compared with its rows
};

// ---- Choosing

static mr_status fail_mixed(const char *path, const mr_matrix *table, size_t column) {
    const mr_bad_cell *bad = &table->bad[column];
    const bool may_be_name = bad->row == 1 && table->names == NULL;
    return mr_fail(
        MR_ERR_INPUT,
        "%s: row %zu, column %s is '%s', not a number, and other cells of the column are "
        "numbers; correct it, or give --categorical %zu if they are categories%s",
        path, bad->row, mr_matrix_column_name(table, column).text, bad->word.text,
        column + !table->from_zero,
        may_be_name ? ", or --header yes if row 1 is the columns' names" : "");
}

// Of a column that is not named as categorical: a file with other dividers between its cells.
static mr_status check_divider(const char *path, const mr_matrix *table, size_t column) {
    static const char of_numbers[] = "0123456789+-.eE;? "; // a tab is shown as a question mark
    const mr_bad_cell *bad = &table->bad[column];
    const char *text = bad->word.text;
    const bool has_numbers = text[strspn(text, of_numbers)] == '\0';
    if (bad->divider == '\0' || (table->n_cols > 1 && !has_numbers))
        return MR_OK;
    return mr_fail(MR_ERR_INPUT,
                   "%s: row %zu, column %s is '%s'; divide cells by commas, not by %s", path,
                   bad->row, mr_matrix_column_name(table, column).text, text,
                   bad->divider == ';' ? "semicolons" : "tabs");
}

// Whether numbers of a column are categories as they are: whole numbers, few enough.
static mr_status check_codes(const mr_matrix *table, size_t column, bool *are_codes) {
    mr_status status;
    mr_row_block b = {0};
    double low = INFINITY, high = -INFINITY;
    bool are_whole = true;
    do {
        MR_TRY(mr_matrix_next_rows(table, &b));
        for (size_t i = 0; i < b.n; i++) {
            const double x = b.x[i * table->n_cols + column];
            if (!isfinite(x)) { // a fault of the table, which is told of where numbers are checked
                *are_codes = true;
                goto done;
            }
            are_whole = are_whole && x == floor(x);
            low = fmin(low, x);
            high = fmax(high, x);
        }
    } while (b.n > 0 && are_whole);
    *are_codes = are_whole && high - low < MR_MAX_CATEGORIES;
done:
    mr_row_block_free(&b);
    return status;
}

// Whether a column becomes codes.
static mr_status choose_column(const char *path, const mr_matrix *table, size_t column,
                               bool is_named, bool *is_text) {
    mr_status status = MR_OK;
    const mr_bad_cell *bad = &table->bad[column];
    bool are_codes = true;
    if (bad->row == 0 && is_named)
        MR_TRY(check_codes(table, column, &are_codes));
    *is_text = bad->row > 0 ? is_named || !bad->has_numbers : !are_codes;
    if (bad->row > 0 && !is_named && *is_text)
        status = check_divider(path, table, column);
    else if (bad->row > 0 && !*is_text && bad->word.text[0] != '\0')
        status = fail_mixed(path, table, column);
done:
    return status;
}

// ---- Notes

static void note_text(const char *path, const mr_matrix *table, const bool *is_named) {
    char list[MAX_LIST] = "";
    for (size_t j = 0; j < table->n_cols; j++) {
        const size_t used = strlen(list), n = table->dictionary[j].n;
        if (n > 1 && !is_named[j])
            snprintf(list + used, sizeof list - used, "%s%s with %zu categories",
                     used > 0 ? ", " : "", mr_matrix_column_name(table, j).text, n);
    }
    if (list[0] != '\0')
        fprintf(stderr, "note: %s: columns of text are categorical: %s\n", path, list);
}

static void note_identifiers(const char *path, const mr_matrix *table) {
    for (size_t j = 0; j < table->n_cols; j++) {
        const size_t n = table->dictionary[j].n;
        if (table->n_rows >= MIN_ROWS && 2 * n > table->n_rows)
            fprintf(stderr,
                    "note: %s: column %s has %zu categories in %zu rows; if it is an identifier, "
                    "choose the others by --columns\n",
                    path, mr_matrix_column_name(table, j).text, n, table->n_rows);
    }
}

void mr_table_note_text(const char *path, const mr_matrix *table, const bool *is_named) {
    if (table->dictionary == NULL)
        return;
    note_text(path, table, is_named);
    note_identifiers(path, table);
}

// ---- Reading

bool mr_table_is_text(const mr_matrix *table) {
    for (size_t j = 0; j < table->n_cols; j++)
        if (table->bad == NULL || table->bad[j].row == 0 || table->bad[j].has_numbers)
            return false;
    return true;
}

bool mr_table_is_category(const char *text, const mr_dictionary *dictionary) {
    size_t code;
    return mr_dictionary_find(dictionary, text, &code);
}

static bool names_are_data(const mr_matrix *table, const bool *used,
                           const mr_dictionary *dictionary) {
    if (!mr_table_is_text(table))
        return false;
    for (size_t j = 0; j < table->n_cols; j++)
        if (used[j] && !mr_table_is_category(table->names[j], &dictionary[j]))
            return false;
    return true;
}

// The table is read again afterwards.
static void take_names_as_data(mr_matrix *table) {
    for (size_t j = 0; j < table->n_cols; j++)
        free(table->names[j]);
    free(table->names);
    table->names = NULL;
    table->n_rows++;
}

static mr_status read_codes(const char *path, const mr_matrix_options *options, const bool *used,
                            const bool *is_text, mr_matrix *table) {
    const size_t n = table->n_cols;
    mr_dictionary *dictionary = calloc(n, sizeof *dictionary);
    if (dictionary == NULL)
        return mr_fail_memory("the names of categories");
    const mr_status status =
        mr_matrix_find_categories(path, table, is_text, MR_MAX_CATEGORIES, dictionary);
    if (status != MR_OK) {
        mr_dictionaries_free(n, dictionary);
        return status;
    }
    if (options->header == MR_HEADER_AUTO && table->names != NULL &&
        names_are_data(table, used, dictionary)) {
        take_names_as_data(table);
        table->is_unsure = true;
        mr_table_note_unsure(path, table);
    }
    return mr_matrix_read_codes(path, options, dictionary, table);
}

mr_status mr_table_read_text(const char *path, const mr_matrix_options *options, const bool *used,
                             const bool *is_named, mr_matrix *table) {
    mr_status status = MR_OK;
    const size_t n = table->n_cols;
    bool has_text = false;
    bool *is_text = calloc(n, sizeof *is_text);
    if (is_text == NULL)
        return mr_fail_memory("the columns");
    for (size_t j = 0; j < n && table->bad != NULL; j++) {
        if (used[j])
            MR_TRY(choose_column(path, table, j, is_named[j], &is_text[j]));
        has_text = has_text || is_text[j];
    }
    if (has_text)
        status = read_codes(path, options, used, is_text, table);
done:
    free(is_text);
    return status;
}
