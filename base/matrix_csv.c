// Tables in comma-separated files, as they are read.

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/csv_text.h"
#include "base/file.h"
#include "base/json_memory.h"
#include "base/matrix_internal.h"
#include "base/number.h"

enum {
    MIN_ROWS_BELOW = 3,      // a line of names is told from data by the rows below it
    MIN_STEPS = 3,           // columns whose equal steps are no accident
    BLOCK_NUMBERS = 1 << 17, // of a large table, that are kept in memory at a time
};

/// A table that grows as the parser goes through the file.
typedef struct {
    const char *path;
    const mr_matrix_options *options;
    mr_matrix *matrix;
    size_t n_values, capacity;
    size_t n_cells; // of the present row
    size_t n_whole; // among them, written as whole numbers
    char **first;   // [n_first] the texts of the first row; owned
    size_t n_first;
    double *first_row;    // [n_cols] its numbers; owned
    bool is_repeated;     // a later row has the first one's steps, or a column its first cell again
    int spill;            // where numbers of whole rows go from memory; -1: nowhere
    size_t n_rows_read;   // with the line of names
    size_t n_whole_below; // rows below the first that have only whole numbers
    bool is_first_whole;
} reader;

static bool parse_number(const char *text, size_t n_text, double *out) {
    char *end;
    *out = mr_number_read(text, &end);
    return n_text > 0 && end == text + n_text;
}

static bool is_whole(const char *text) {
    return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
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

// Keeps a cell of the first row: it may be a name.
static bool keep_first(reader *r, const char *text) {
    const size_t n = r->n_first;
    char **grown = (n & (n - 1)) == 0 // full at every power of two
                       ? realloc(r->first, (n > 0 ? 2 * n : 1) * sizeof *grown)
                       : r->first;
    if (grown == NULL)
        return false;
    r->first = grown;
    r->first[n] = strdup(text);
    r->n_first += r->first[n] != NULL;
    return r->first[n] != NULL;
}

// Of a cell of the row under way. NaN if it's neither a number nor, of a column with a dictionary,
// one of its categories. The first such cell of each column is kept.
static double cell_value(reader *r, size_t column, const char *text, size_t n_text) {
    const mr_matrix_options *o = r->options;
    const mr_dictionary *d = column < o->n_dictionaries ? &o->dictionary[column] : NULL;
    const bool has_codes = d != NULL && d->n > 0;
    size_t code = 0;
    double number = NAN;
    const bool is_good =
        has_codes ? mr_dictionary_find(d, text, &code) : parse_number(text, n_text, &number);
    mr_bad_cell *bad = column < r->matrix->n_cols ? &r->matrix->bad[column] : NULL;
    if (bad != NULL && is_good && isfinite(number))
        bad->has_numbers = true;
    if (bad != NULL && !is_good && bad->row == 0) {
        bad->row = r->matrix->n_rows + 1;
        bad->word = mr_word_of(text);
        bad->divider = text[strcspn(text, ";\t")];
    }
    return !is_good ? (double)NAN : has_codes ? (double)code : number;
}

// Cells of the first row are looked at when it is known what it is.
static mr_status read_cell(void *self, const char *text, size_t n_text) {
    reader *r = self;
    double number = NAN;
    if (!make_room(r) || (r->n_rows_read == 0 && !keep_first(r, text)))
        return mr_fail_memory(r->path);
    if (r->n_rows_read > 0)
        number = cell_value(r, r->n_cells, text, n_text);
    else if (!parse_number(text, n_text, &number))
        number = NAN;
    r->matrix->values[r->n_values++] = number;
    r->n_cells++;
    r->n_whole += is_whole(text);
    return MR_OK;
}

// ---- Whether the first row is names

static bool is_words(const reader *r) {
    bool has_words = false;
    for (size_t j = 0; j < r->n_first; j++) {
        double number;
        if (parse_number(r->first[j], strlen(r->first[j]), &number))
            return false;
        has_words = has_words || r->first[j][0] != '\0';
    }
    return has_words;
}

static bool is_expected(const reader *r) {
    const mr_matrix_options *o = r->options;
    if (o->names == NULL || o->n_names != r->n_first)
        return false;
    for (size_t j = 0; j < r->n_first; j++)
        if (strcmp(o->names[j], r->first[j]) != 0)
            return false;
    return true;
}

// Increasing or decreasing throughout; a single column without a name is called 0.
static bool is_sequence(const double *row, size_t n) {
    for (size_t j = 2; j < n; j++)
        if ((row[j] > row[j - 1]) != (row[1] > row[0]))
            return false;
    return n > 1 ? row[1] != row[0] : row[0] == 0;
}

static bool has_steps(const double *row, size_t n, double step) {
    for (size_t j = 1; j < n; j++)
        if (row[j] - row[j - 1] != step)
            return false;
    return true;
}

static bool repeats(const double *first, const double *row, size_t n) {
    if (has_steps(row, n, first[1] - first[0]))
        return true;
    for (size_t j = 0; j < n; j++)
        if (row[j] == first[j])
            return true;
    return false;
}

// Of a first row of numbers, when all rows are there: the rules of mr_matrix_read_cells.
static bool looks_like_names(const reader *r) {
    const mr_matrix *m = r->matrix;
    const double *first = r->first_row;
    if (!r->is_first_whole || m->n_rows <= MIN_ROWS_BELOW || !is_sequence(first, m->n_cols))
        return false;
    if (r->n_whole_below == 0)
        return true;
    return m->n_cols >= MIN_STEPS && has_steps(first, m->n_cols, first[1] - first[0]) &&
           !r->is_repeated;
}

// Equal steps, as names have them, that were taken for data all the same. Between texts, as in
// "city,2019,2020", two numbers are enough.
static bool may_be_names(const reader *r) {
    double last = 0, step = 0;
    size_t n_numbers = 0;
    for (size_t j = 0; j < r->n_first; j++) {
        const double x = r->first_row[j];
        if (isnan(x))
            continue;
        if (!is_whole(r->first[j]) || (n_numbers > 1 && x - last != step))
            return false;
        step = n_numbers > 0 ? x - last : 0;
        last = x;
        n_numbers++;
    }
    const size_t n_least = n_numbers < r->n_first ? 2 : MIN_STEPS;
    return n_numbers >= n_least && step != 0 && r->matrix->n_rows > MIN_ROWS_BELOW;
}

static mr_status take_names(reader *r) {
    for (size_t j = 0; j < r->n_first; j++) {
        bool is_utf8;
        const mr_status status = mr_json_check_utf8(r->first[j], &is_utf8);
        if (status != MR_OK)
            return status;
        if (!is_utf8)
            return mr_fail(MR_ERR_INPUT,
                           "%s: the name of column %zu is not UTF-8; save the table in UTF-8",
                           r->path, j + 1);
    }
    r->matrix->names = r->first;
    r->first = NULL;
    r->n_first = 0;
    return MR_OK;
}

// Its values are in memory already, but not yet as codes. That a number stands there is noted
// later: it may still be a name (settle_first).
static void take_first_as_data(reader *r) {
    for (size_t j = 0; j < r->n_first; j++) {
        const char *text = r->first[j];
        r->matrix->values[j] = cell_value(r, j, text, strlen(text));
        r->matrix->bad[j].has_numbers = false;
    }
    r->matrix->n_rows = 1;
}

static mr_status end_first(reader *r) {
    const mr_header header = r->options->header;
    r->matrix->n_cols = r->n_cells;
    r->n_rows_read = 1;
    r->is_first_whole = r->n_whole == r->n_cells;
    r->first_row = malloc((r->n_cells + 1) * sizeof *r->first_row);
    r->matrix->bad = calloc(r->n_cells + 1, sizeof *r->matrix->bad);
    if (r->first_row == NULL || r->matrix->bad == NULL)
        return mr_fail_memory(r->path);
    memcpy(r->first_row, r->matrix->values, r->n_cells * sizeof *r->first_row);
    if (header == MR_HEADER_YES || (header == MR_HEADER_AUTO && (is_words(r) || is_expected(r)))) {
        r->n_values = 0;
        return take_names(r);
    }
    take_first_as_data(r);
    return MR_OK;
}

// Writes the numbers in memory to the temporary file.
static mr_status spill(reader *r) {
    if (!mr_file_write_all(r->spill, r->matrix->values, r->n_values * sizeof *r->matrix->values))
        return mr_fail(MR_ERR_IO,
                       "cannot keep the numbers of %s in a temporary file: %s; set TMPDIR to a "
                       "folder on a disk with room",
                       r->path, strerror(errno));
    r->n_values = 0;
    return MR_OK;
}

static mr_status end_other(reader *r) {
    mr_matrix *m = r->matrix;
    if (r->n_cells != m->n_cols)
        return mr_fail(MR_ERR_INPUT, "%s: row %zu has %zu columns, but the first line has %zu",
                       r->path, m->n_rows + 1, r->n_cells, m->n_cols);
    m->n_rows++;
    r->n_rows_read++;
    r->n_whole_below += r->n_whole == r->n_cells;
    if (r->is_first_whole && !r->is_repeated && m->n_cols >= MIN_STEPS)
        r->is_repeated = repeats(r->first_row, m->values + r->n_values - m->n_cols, m->n_cols);
    return r->spill >= 0 && r->n_values >= BLOCK_NUMBERS ? spill(r) : MR_OK;
}

static mr_status end_row(void *self) {
    reader *r = self;
    const mr_status status = r->n_rows_read == 0 ? end_first(r) : end_other(r);
    r->n_cells = r->n_whole = 0;
    return status;
}

// Settles what the first row is, when all rows are there.
static mr_status settle_first(reader *r) {
    mr_matrix *m = r->matrix;
    if (m->names != NULL || m->n_rows == 0)
        return MR_OK;
    const bool is_open = r->options->header == MR_HEADER_AUTO;
    if (!is_open || !looks_like_names(r)) {
        m->is_unsure = is_open && may_be_names(r);
        for (size_t j = 0; j < m->n_cols; j++)
            m->bad[j].has_numbers |= isfinite(r->first_row[j]);
        return MR_OK;
    }
    if (m->file != NULL) {
        mr_matrix_drop_first_row(m);
    } else {
        m->n_rows--;
        memmove(m->values, m->values + m->n_cols, m->n_rows * m->n_cols * sizeof *m->values);
    }
    for (size_t j = 0; j < m->n_cols; j++)
        m->bad[j].row -= m->bad[j].row > 0;
    return take_names(r);
}

// ---- Reading

static void release(reader *r) {
    for (size_t j = 0; j < r->n_first; j++)
        free(r->first[j]);
    free(r->first);
    free(r->first_row);
}

static mr_status csv_read(const char *path, const char *bytes, size_t n_bytes,
                          const mr_matrix_options *options, mr_matrix *out) {
    reader r = {.path = path, .options = options, .matrix = out, .spill = -1};
    const mr_csv_visitor visitor = {&r, read_cell, end_row};
    mr_status status = mr_csv_parse(path, bytes, n_bytes, &out->n_rows, &visitor);
    if (status == MR_OK)
        status = settle_first(&r);
    release(&r);
    return status;
}

// The numbers of whole rows go to the temporary file as they are read.
static mr_status read_to_file(int file, reader *r) {
    mr_status status;
    const mr_csv_visitor visitor = {r, read_cell, end_row};
    MR_TRY(mr_csv_parse_file(r->path, file, &r->matrix->n_rows, &visitor));
    MR_TRY(spill(r));
    const mr_matrix *m = r->matrix;
    const mr_stored_numbers stored = {
        .format.type = mr_number_type_find("f8"), .n_rows = m->n_rows, .n_cols = m->n_cols};
    const int spilled = r->spill;
    r->spill = -1;
    MR_TRY(mr_matrix_of_file(r->path, spilled, &stored, r->options->max_numbers, r->matrix));
    status = settle_first(r);
done:
    release(r);
    free(r->matrix->values);
    r->matrix->values = NULL;
    return status;
}

// A number takes two bytes at least, with what divides it from the next.
static mr_status csv_open(const char *path, const mr_matrix_options *options, mr_matrix *out,
                          bool *is_made) {
    mr_status status;
    int file = -1;
    size_t n_bytes;
    reader r = {.path = path, .options = options, .matrix = out, .spill = -1};
    MR_TRY(mr_file_open(path, &file, &n_bytes));
    if (n_bytes / 2 <= options->max_numbers)
        goto done;
    *is_made = true;
    MR_TRY(mr_file_open_temporary(path, &r.spill));
    MR_TRY(read_to_file(file, &r));
    if (out->n_rows * out->n_cols <= options->max_numbers)
        status = mr_matrix_file_load(out);
done:
    if (file >= 0)
        close(file);
    if (r.spill >= 0)
        close(r.spill);
    return status;
}

const mr_matrix_format mr_matrix_csv = {
    .suffix = ".csv",
    .has_header = true,
    .read = csv_read,
    .open = csv_open,
    .begin = mr_csv_begin,
    .append = mr_csv_append,
};
