// Columns of text in tables: their categories, and the codes of these.

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/csv_text.h"
#include "base/file.h"
#include "base/json_memory.h"
#include "base/matrix_file.h"

/// Categories that are collected on the way through a file.
typedef struct {
    const char *path;
    const mr_matrix *table;
    const bool *columns; // [n_cols]
    size_t n_max;
    mr_dictionary *dictionary; // [n_cols]
    size_t n_rows;             // without the line of names
    size_t n_cells;            // of the present row
    bool is_data;              // the present row is not the line of names
} collector;

static mr_status check_text(const collector *c, size_t column, const char *text, size_t n_text) {
    bool is_utf8;
    const mr_column_name name = mr_matrix_column_name(c->table, column);
    const mr_status status = mr_json_check_utf8(text, &is_utf8);
    if (status != MR_OK)
        return status;
    if (n_text == 0)
        return mr_fail(MR_ERR_INPUT,
                       "%s: row %zu, column %s is empty; every cell needs a category: fill it in, "
                       "or leave the row out",
                       c->path, c->n_rows + 1, name.text);
    if (!is_utf8)
        return mr_fail(MR_ERR_INPUT, "%s: row %zu, column %s is not UTF-8; save the table in UTF-8",
                       c->path, c->n_rows + 1, name.text);
    if (n_text > MR_MAX_NAME_BYTES)
        return mr_fail(
            MR_ERR_INPUT,
            "%s: row %zu, column %s is a text of %zu bytes, and a category's name has at "
            "most %d; leave the column out",
            c->path, c->n_rows + 1, name.text, n_text, MR_MAX_NAME_BYTES);
    return MR_OK;
}

static mr_status collect_cell(void *self, const char *text, size_t n_text) {
    mr_status status;
    collector *c = self;
    const size_t j = c->n_cells++;
    size_t code;
    if (!c->is_data || j >= c->table->n_cols || !c->columns[j] ||
        mr_dictionary_find(&c->dictionary[j], text, &code))
        return MR_OK;
    MR_TRY(check_text(c, j, text, n_text));
    MR_TRY(mr_dictionary_add(&c->dictionary[j], text));
    if (c->dictionary[j].n > c->n_max)
        status = mr_fail(MR_ERR_INPUT,
                         "%s: column %s has more than %zu different texts, which are too many "
                         "categories; is it an identifier? Leave the column out",
                         c->path, mr_matrix_column_name(c->table, j).text, c->n_max);
done:
    return status;
}

static mr_status collect_row(void *self) {
    collector *c = self;
    c->n_rows += c->is_data;
    c->is_data = true;
    c->n_cells = 0;
    return MR_OK;
}

mr_status mr_matrix_find_categories(const char *path, const mr_matrix *table, const bool *columns,
                                    size_t n_max, mr_dictionary *dictionary) {
    collector c = {.path = path,
                   .table = table,
                   .columns = columns,
                   .n_max = n_max,
                   .dictionary = dictionary,
                   .is_data = table->names == NULL};
    const mr_csv_visitor visitor = {&c, collect_cell, collect_row};
    int file;
    size_t n_bytes;
    mr_status status = mr_file_open(path, &file, &n_bytes);
    if (status != MR_OK)
        return status;
    status = mr_csv_parse_file(path, file, &c.n_rows, &visitor);
    close(file);
    return status;
}

mr_status mr_matrix_read_codes(const char *path, const mr_matrix_options *options,
                               mr_dictionary *dictionary, mr_matrix *table) {
    mr_status status;
    mr_matrix_options coded = *options;
    const size_t n_rows = table->n_rows, n_cols = table->n_cols;
    const bool from_zero = table->from_zero;
    coded.header = table->names != NULL ? MR_HEADER_YES : MR_HEADER_NO;
    coded.dictionary = dictionary;
    coded.n_dictionaries = n_cols;
    mr_matrix_free(table); // two of them may be too large
    MR_TRY(mr_matrix_read_cells(path, &coded, table));
    table->from_zero = from_zero;
    if (table->n_rows != n_rows || table->n_cols != n_cols) {
        mr_matrix_free(table);
        status = mr_fail(MR_ERR_INPUT, "%s was changed while it was read; try again", path);
        goto done;
    }
    table->dictionary = dictionary;
    dictionary = NULL;
done:
    mr_dictionaries_free(n_cols, dictionary);
    return status;
}
