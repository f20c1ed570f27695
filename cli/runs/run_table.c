// Reads the tables of a run directory.

#include "cli/runs/run_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "base/path.h"

// Counts a character up to `end`.
static size_t count(const char *text, const char *end, char c) {
    size_t n = 0;
    for (; text < end; text++)
        n += *text == c;
    return n;
}

// Cuts a line into its cells, at most `n`; the number that it has.
static size_t split(char *line, size_t n, char **cells) {
    size_t k = 0;
    for (char *at = line; at != NULL; k++) {
        char *comma = strchr(at, ',');
        if (comma != NULL)
            *comma++ = '\0';
        if (k < n)
            cells[k] = at;
        at = comma;
    }
    return k;
}

static mr_status read_rows(mr_run_table *t, char *line) {
    for (size_t i = 0; i < t->n_rows; i++) {
        char *end = strchr(line, '\n');
        *end = '\0';
        const size_t n = split(line, t->n_columns, t->cells + i * t->n_columns);
        if (n != t->n_columns)
            return mr_fail(MR_ERR_INPUT,
                           "%s:%zu: %zu cells under a header of %zu columns; the file is damaged, "
                           "take another copy",
                           t->path, i + 2, n, t->n_columns);
        line = end + 1;
    }
    return MR_OK;
}

static mr_status read_text(mr_run_table *t, size_t n_bytes) {
    char *header_end = strchr(t->text, '\n');
    if (header_end == NULL)
        return MR_OK; // not even a header is complete
    if (strlen(t->text) != n_bytes)
        return mr_fail(MR_ERR_INPUT, "%s has zero bytes; the file is damaged, take another copy",
                       t->path);
    t->n_columns = count(t->text, header_end, ',') + 1;
    t->n_rows = count(header_end + 1, t->text + n_bytes, '\n');
    t->names = calloc(t->n_columns, sizeof *t->names);
    t->cells = calloc(t->n_rows * t->n_columns + 1, sizeof *t->cells);
    if (t->names == NULL || t->cells == NULL)
        return mr_fail_memory("the table of a run");
    *header_end = '\0';
    split(t->text, t->n_columns, t->names);
    return read_rows(t, header_end + 1);
}

mr_status mr_run_table_read(const char *dir, const char *name, mr_run_table *out) {
    mr_status status;
    size_t n_bytes;
    *out = (mr_run_table){.path = mr_path_join(dir, name)};
    if (out->path == NULL)
        return mr_fail_memory("a file name");
    if (!mr_file_is_there(out->path))
        return MR_OK;
    MR_TRY(mr_file_read(out->path, &out->text, &n_bytes));
    status = read_text(out, n_bytes);
done:
    return status;
}

void mr_run_table_free(mr_run_table *table) {
    free(table->path);
    free(table->text);
    free(table->names);
    free(table->cells);
    *table = (mr_run_table){0};
}

int mr_run_table_column(const mr_run_table *table, const char *name) {
    for (size_t j = 0; j < table->n_columns; j++)
        if (strcmp(table->names[j], name) == 0)
            return (int)j;
    return MR_NO_COLUMN;
}

mr_status mr_run_table_number(const mr_run_table *table, size_t row, size_t column, double *out) {
    char *end;
    const char *cell = table->cells[row * table->n_columns + column];
    const double number = mr_number_read(cell, &end);
    if (*cell != '\0' && (end == cell || *end != '\0'))
        return mr_fail(MR_ERR_INPUT, "%s:%zu: '%.60s' under %.100s is not a number", table->path,
                       row + 2, cell, table->names[column]);
    *out = *cell != '\0' ? number : NAN;
    return MR_OK;
}

double mr_run_table_last(const mr_run_table *table, const char *name) {
    const int column = mr_run_table_column(table, name);
    double number = NAN;
    for (size_t i = table->n_rows; column != MR_NO_COLUMN && isnan(number) && i-- > 0;)
        if (mr_run_table_number(table, i, (size_t)column, &number) != MR_OK)
            return NAN;
    return number;
}
