// Comma-separated files, read by libcsv.

#include <csv.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/file.h"
#include "nn/matrix_inside.h"
#include "nn/number.h"

enum { NUMBER_SIZE = 32, WORD_SIZE = 41 };

static const char byte_order_mark[] = "\xef\xbb\xbf"; // as some Windows programs write it

/// A table that grows as the parser goes through the file.
typedef struct {
    const char *path;
    mr_matrix *matrix;
    size_t n_values, capacity;
    size_t n_cells;      // of the present row
    size_t n_numbers;    // among them
    size_t bad_column;   // of the first that is none, from 1; 0: all are
    char bad[WORD_SIZE]; // its text
    bool has_names;      // the first row was no data
    mr_status status;    // what comes after a failure is passed over
} reader;

static bool parse_number(const char *text, size_t n_text, double *out) {
    char *end;
    *out = mr_number_read(text, &end);
    return n_text > 0 && end == text + n_text;
}

static bool make_room(reader *r) {
    if (r->n_values < r->capacity)
        return true;
    const size_t capacity = r->capacity == 0 ? 1024 : 2 * r->capacity;
    double *values = realloc(r->matrix->values, capacity * sizeof *values);
    if (values == NULL)
        return false;
    r->matrix->values = values;
    r->capacity = capacity;
    return true;
}

static void read_cell(void *text, size_t n_text, void *self) {
    reader *r = self;
    double number;
    if (r->status != MR_OK)
        return;
    r->n_cells++;
    if (parse_number(text, n_text, &number)) {
        r->n_numbers++;
    } else if (r->bad_column == 0) {
        r->bad_column = r->n_cells;
        snprintf(r->bad, sizeof r->bad, "%s", (const char *)text);
    }
    if (make_room(r))
        r->matrix->values[r->n_values++] = number;
    else
        r->status = mr_fail_memory(r->path);
}

static mr_status check_row(const reader *r) {
    const size_t row = r->matrix->n_rows + 1;
    if (r->bad_column > 0 && r->bad[0] == '\0')
        return mr_fail(MR_ERR_INPUT,
                       "%s: row %zu, column %zu is empty; every cell must be a number", r->path,
                       row, r->bad_column);
    if (r->bad_column > 0)
        return mr_fail(
            MR_ERR_INPUT,
            "%s: row %zu, column %zu is '%s', not a number; cells are numbers with commas "
            "between them",
            r->path, row, r->bad_column, r->bad);
    if (r->n_cells != r->matrix->n_cols)
        return mr_fail(MR_ERR_INPUT, "%s: row %zu has %zu columns, but the first line has %zu",
                       r->path, row, r->n_cells, r->matrix->n_cols);
    return MR_OK;
}

// A first row of words is the names of the columns.
static void end_row(int character, void *self) {
    (void)character;
    reader *r = self;
    const bool is_first = r->matrix->n_rows == 0 && !r->has_names;
    if (r->status != MR_OK)
        return;
    if (is_first)
        r->matrix->n_cols = r->n_cells;
    if (is_first && r->n_numbers == 0 && r->bad[0] != '\0') {
        r->has_names = true;
        r->n_values = 0;
    } else {
        r->status = check_row(r);
        r->matrix->n_rows++;
    }
    r->n_cells = r->n_numbers = r->bad_column = 0;
}

static mr_status parse(struct csv_parser *parser, const char *bytes, size_t n_bytes, reader *r) {
    const size_t n_mark = sizeof byte_order_mark - 1;
    if (n_bytes >= n_mark && memcmp(bytes, byte_order_mark, n_mark) == 0) {
        bytes += n_mark;
        n_bytes -= n_mark;
    }
    const bool is_parsed = csv_parse(parser, bytes, n_bytes, read_cell, end_row, r) == n_bytes &&
                           csv_fini(parser, read_cell, end_row, r) == 0;
    if (r->status != MR_OK || is_parsed)
        return r->status;
    if (csv_error(parser) != CSV_EPARSE)
        return mr_fail_memory(r->path);
    return mr_fail(MR_ERR_INPUT, "%s: row %zu has a quotation mark in the wrong place; remove it",
                   r->path, r->matrix->n_rows + 1);
}

static mr_status csv_read(const char *path, const char *bytes, size_t n_bytes, mr_matrix *out) {
    struct csv_parser parser;
    reader r = {.path = path, .matrix = out};
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL) != 0)
        return mr_fail_memory(path);
    const mr_status status = parse(&parser, bytes, n_bytes, &r);
    csv_free(&parser);
    return status;
}

// ---- Writing

static mr_status csv_write_table(const char *path, size_t n_rows, size_t n_cols,
                                 const double *values) {
    const size_t n = n_rows * n_cols;
    size_t n_bytes = 0;
    char *text = malloc(n * NUMBER_SIZE + 1);
    if (text == NULL)
        return mr_fail_memory(path);
    for (size_t i = 0; i < n; i++) {
        n_bytes += (size_t)mr_number_write(text + n_bytes, NUMBER_SIZE, values[i]);
        text[n_bytes++] = (i + 1) % n_cols == 0 ? '\n' : ',';
    }
    const mr_status status = mr_file_replace(path, 1, &(mr_bytes){text, n_bytes});
    free(text);
    return status;
}

const mr_matrix_format mr_matrix_csv = {
    .suffix = ".csv",
    .read = csv_read,
    .write = csv_write_table,
};
