// Reads a recorded table of numbers: one line of column names, then rows. For tests alone.
#pragma once

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CSV_MAX_COLUMNS = 512, CSV_MAX_ROWS = 512, CSV_LINE_SIZE = 32768 };

typedef struct {
    size_t n_columns, n_rows;
    char names[CSV_MAX_COLUMNS][40];
    double rows[CSV_MAX_ROWS][CSV_MAX_COLUMNS];
} csv_table;

static inline void csv_read_names(csv_table *table, char *line) {
    for (char *name = strtok(line, ",\r\n"); name != NULL; name = strtok(NULL, ",\r\n"))
        snprintf(table->names[table->n_columns++], sizeof table->names[0], "%s", name);
}

static inline void csv_read_row(csv_table *table, char *line) {
    double *row = table->rows[table->n_rows++];
    size_t i = 0;
    for (char *text = strtok(line, ",\r\n"); text != NULL; text = strtok(NULL, ",\r\n"))
        row[i++] = strtod(text, NULL);
    cr_assert_eq(i, table->n_columns, "row %zu has %zu columns", table->n_rows, i);
}

// The table at tests/data/`path`. The caller frees it.
static inline csv_table *csv_load(const char *path) {
    char full_path[512], line[CSV_LINE_SIZE];
    snprintf(full_path, sizeof full_path, MR_TEST_DATA "/%s", path);
    FILE *file = fopen(full_path, "r");
    cr_assert_not_null(file, "%s is missing", full_path);
    csv_table *table = calloc(1, sizeof *table);
    cr_assert_not_null(fgets(line, sizeof line, file));
    csv_read_names(table, line);
    while (fgets(line, sizeof line, file) != NULL)
        csv_read_row(table, line);
    fclose(file);
    return table;
}

// The position of a column.
static inline size_t csv_column(const csv_table *table, const char *name) {
    for (size_t i = 0; i < table->n_columns; i++)
        if (strcmp(table->names[i], name) == 0)
            return i;
    cr_assert_fail("no column %s", name);
    return 0;
}
