// Comma-separated files, read by libcsv.

#include <csv.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/matrix_internal.h"
#include "base/number.h"

enum {
    NUMBER_SIZE = 32,
    MIN_ROWS_BELOW = 3,        // a line of names is told from data by the rows below it
    MIN_STEPS = 3,             // columns whose equal steps are no accident
    CHUNK = 1 << 20,           // bytes of a large file that are parsed at a time
    BLOCK_NUMBERS = 1 << 17,   // of a large table, that are kept in memory at a time
    WRITTEN_NUMBERS = 1 << 13, // that are written at a time
};

static const char byte_order_mark[] = "\xef\xbb\xbf"; // as some Windows programs write it

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
    mr_status status; // what comes after a failure is passed over
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

// The first bad cell of each column is kept, fit to be printed.
static bool keep_bad(reader *r, size_t column, const char *text) {
    mr_matrix *m = r->matrix;
    if (r->n_rows_read == 0 || column >= m->n_cols)
        return true; // the first row is looked at when it is known what it is
    if (m->bad == NULL)
        m->bad = calloc(m->n_cols, sizeof *m->bad);
    if (m->bad == NULL)
        return false;
    mr_bad_cell *bad = &m->bad[column];
    if (bad->row > 0)
        return true;
    bad->row = m->n_rows + 1;
    snprintf(bad->text, sizeof bad->text, "%s", text);
    for (char *c = bad->text; *c != '\0'; c++)
        if (iscntrl((unsigned char)*c))
            *c = '?';
    return true;
}

static void read_cell(void *data, size_t n_text, void *self) {
    reader *r = self;
    const char *text = data;
    double number;
    if (r->status != MR_OK)
        return;
    const bool is_number = parse_number(text, n_text, &number);
    bool is_kept = make_room(r) && (r->n_rows_read > 0 || keep_first(r, text));
    if (is_kept && !is_number)
        is_kept = keep_bad(r, r->n_cells, text);
    if (!is_kept) {
        r->status = mr_fail_memory(r->path);
        return;
    }
    r->matrix->values[r->n_values++] = is_number ? number : (double)NAN;
    r->n_cells++;
    r->n_whole += is_whole(text);
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

// Equal steps, as names have them, that were taken for data all the same.
static bool may_be_names(const reader *r) {
    const mr_matrix *m = r->matrix;
    const double *first = r->first_row;
    return m->n_cols >= MIN_STEPS && m->n_rows > MIN_ROWS_BELOW && first[1] != first[0] &&
           has_steps(first, m->n_cols, first[1] - first[0]);
}

static void take_names(reader *r) {
    r->matrix->names = r->first;
    r->first = NULL;
    r->n_first = 0;
}

static mr_status take_first_as_data(reader *r) {
    r->matrix->n_rows = 0;
    for (size_t j = 0; j < r->n_first; j++) {
        double number;
        if (!parse_number(r->first[j], strlen(r->first[j]), &number) &&
            !keep_bad(r, j, r->first[j]))
            return mr_fail_memory(r->path);
    }
    r->matrix->n_rows = 1;
    return MR_OK;
}

static mr_status end_first(reader *r) {
    const mr_header header = r->options->header;
    r->matrix->n_cols = r->n_cells;
    r->n_rows_read = 1;
    r->is_first_whole = r->n_whole == r->n_cells;
    r->first_row = malloc((r->n_cells + 1) * sizeof *r->first_row);
    if (r->first_row == NULL)
        return mr_fail_memory(r->path);
    memcpy(r->first_row, r->matrix->values, r->n_cells * sizeof *r->first_row);
    if (header == MR_HEADER_YES || (header == MR_HEADER_AUTO && (is_words(r) || is_expected(r)))) {
        take_names(r);
        r->n_values = 0;
        return MR_OK;
    }
    return take_first_as_data(r);
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

static void end_row(int character, void *self) {
    (void)character;
    reader *r = self;
    if (r->status != MR_OK)
        return;
    r->status = r->n_rows_read == 0 ? end_first(r) : end_other(r);
    r->n_cells = r->n_whole = 0;
}

// The numbers of the first row turn out to be names.
static void settle_first(reader *r) {
    mr_matrix *m = r->matrix;
    if (r->options->header != MR_HEADER_AUTO || m->names != NULL || m->n_rows == 0)
        return;
    if (!looks_like_names(r)) {
        m->is_unsure = r->is_first_whole && may_be_names(r);
        return;
    }
    take_names(r);
    if (m->file != NULL) {
        mr_matrix_drop_first_row(m);
    } else {
        m->n_rows--;
        memmove(m->values, m->values + m->n_cols, m->n_rows * m->n_cols * sizeof *m->values);
    }
    for (size_t j = 0; m->bad != NULL && j < m->n_cols; j++)
        m->bad[j].row -= m->bad[j].row > 0;
}

// ---- Reading

// Of a part of a file that begins at byte `first`.
static mr_status check_encoding(const char *path, const char *bytes, size_t n_bytes, size_t first) {
    const char *zero = memchr(bytes, '\0', n_bytes);
    const bool is_wide = first == 0 && n_bytes >= 2 &&
                         (memcmp(bytes, "\xff\xfe", 2) == 0 || memcmp(bytes, "\xfe\xff", 2) == 0);
    if (is_wide || zero != NULL)
        return mr_fail(MR_ERR_INPUT,
                       "%s: byte %zu is not of a text in UTF-8; save it as a .csv in UTF-8", path,
                       is_wide ? 1 : first + (size_t)(zero - bytes) + 1);
    return MR_OK;
}

static mr_status check_parsed(const reader *r, struct csv_parser *parser, bool is_parsed) {
    if (r->status != MR_OK || is_parsed)
        return r->status;
    if (csv_error(parser) != CSV_EPARSE)
        return mr_fail_memory(r->path);
    return mr_fail(MR_ERR_INPUT, "%s: row %zu has a quotation mark in the wrong place; remove it",
                   r->path, r->matrix->n_rows + 1);
}

static mr_status parse(struct csv_parser *parser, const char *bytes, size_t n_bytes, size_t first,
                       reader *r) {
    const mr_status status = check_encoding(r->path, bytes, n_bytes, first);
    const size_t n_mark = sizeof byte_order_mark - 1;
    if (status != MR_OK)
        return status;
    if (first == 0 && n_bytes >= n_mark && memcmp(bytes, byte_order_mark, n_mark) == 0) {
        bytes += n_mark;
        n_bytes -= n_mark;
    }
    return check_parsed(r, parser,
                        csv_parse(parser, bytes, n_bytes, read_cell, end_row, r) == n_bytes);
}

static mr_status parse_file(struct csv_parser *parser, int file, reader *r) {
    mr_status status = MR_OK;
    size_t first = 0;
    ssize_t n;
    char *bytes = malloc(CHUNK);
    if (bytes == NULL)
        return mr_fail_memory(r->path);
    while ((n = read(file, bytes, CHUNK)) > 0) {
        MR_TRY(parse(parser, bytes, (size_t)n, first, r));
        first += (size_t)n;
    }
    if (n < 0)
        status = mr_fail(MR_ERR_IO, "cannot read %s: %s; check the disk", r->path, strerror(errno));
done:
    free(bytes);
    return status;
}

static void release(reader *r, struct csv_parser *parser) {
    csv_free(parser);
    for (size_t j = 0; j < r->n_first; j++)
        free(r->first[j]);
    free(r->first);
    free(r->first_row);
}

static mr_status csv_read(const char *path, const char *bytes, size_t n_bytes,
                          const mr_matrix_options *options, mr_matrix *out) {
    mr_status status;
    struct csv_parser parser;
    reader r = {.path = path, .options = options, .matrix = out, .spill = -1};
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL) != 0)
        return mr_fail_memory(path);
    MR_TRY(parse(&parser, bytes, n_bytes, 0, &r));
    MR_TRY(check_parsed(&r, &parser, csv_fini(&parser, read_cell, end_row, &r) == 0));
    settle_first(&r);
done:
    release(&r, &parser);
    return status;
}

// The numbers of whole rows go to the temporary file as they are read.
static mr_status read_to_file(int file, reader *r) {
    mr_status status;
    struct csv_parser parser;
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL) != 0)
        return mr_fail_memory(r->path);
    MR_TRY(parse_file(&parser, file, r));
    MR_TRY(check_parsed(r, &parser, csv_fini(&parser, read_cell, end_row, r) == 0));
    MR_TRY(spill(r));
    const mr_matrix *m = r->matrix;
    const mr_stored_numbers stored = {
        .format.type = mr_number_type_find("f8"), .n_rows = m->n_rows, .n_cols = m->n_cols};
    const int spilled = r->spill;
    r->spill = -1;
    MR_TRY(mr_matrix_of_file(r->path, spilled, &stored, r->options->max_numbers, r->matrix));
    settle_first(r);
done:
    release(r, &parser);
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

// ---- Writing

static mr_status csv_begin(mr_new_file *file, size_t n_rows, size_t n_cols) {
    (void)file;
    (void)n_rows;
    (void)n_cols;
    return MR_OK; // no line of names
}

static mr_status csv_append(mr_new_file *file, size_t n_rows, size_t n_cols, const double *values) {
    mr_status status = MR_OK;
    const size_t n = n_rows * n_cols;
    char *text = malloc(WRITTEN_NUMBERS * NUMBER_SIZE);
    if (text == NULL)
        return mr_fail_memory("a table");
    for (size_t i = 0; i < n;) {
        size_t n_bytes = 0;
        for (size_t k = 0; k < WRITTEN_NUMBERS && i < n; k++, i++) {
            n_bytes += (size_t)mr_number_write(text + n_bytes, NUMBER_SIZE, values[i]);
            text[n_bytes++] = (i + 1) % n_cols == 0 ? '\n' : ',';
        }
        MR_TRY(mr_new_file_write(file, text, n_bytes));
    }
done:
    free(text);
    return status;
}

const mr_matrix_format mr_matrix_csv = {
    .suffix = ".csv",
    .has_header = true,
    .read = csv_read,
    .open = csv_open,
    .begin = csv_begin,
    .append = csv_append,
};
