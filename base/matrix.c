// Tables of numbers: what messages call their columns and cells, and choices of columns.

#include "base/matrix.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/matrix_internal.h"
#include "base/nearest.h"

enum { ITEM_SIZE = 256 };

void mr_matrix_free(mr_matrix *matrix) {
    for (size_t j = 0; j < matrix->n_cols && matrix->names != NULL; j++)
        free(matrix->names[j]);
    free(matrix->names);
    free(matrix->bad);
    mr_dictionaries_free(matrix->n_cols, matrix->dictionary);
    free(matrix->values);
    mr_matrix_file_close(matrix->file);
    *matrix = (mr_matrix){0};
}

mr_word mr_word_of(const char *text) {
    mr_word word;
    size_t n = strnlen(text, MR_WORD_SIZE);
    if (n == MR_WORD_SIZE)
        n--;
    while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) // within a character of UTF-8
        n--;
    snprintf(word.text, sizeof word.text, "%.*s", (int)n, text);
    for (char *c = word.text; *c != '\0'; c++)
        if (iscntrl((unsigned char)*c))
            *c = '?';
    return word;
}

mr_word mr_matrix_value_name(const mr_matrix *matrix, size_t column, double value) {
    mr_word word;
    const mr_dictionary *d = matrix->dictionary != NULL ? &matrix->dictionary[column] : NULL;
    if (d != NULL && value >= 0 && value < (double)d->n)
        return mr_word_of(d->name[(size_t)value]);
    snprintf(word.text, sizeof word.text, "%g", value);
    return word;
}

static size_t first_number(const mr_matrix *matrix) {
    return matrix->from_zero ? 0 : 1;
}

mr_column_name mr_matrix_column_name(const mr_matrix *matrix, size_t column) {
    mr_column_name name;
    const bool is_named = matrix->names != NULL && matrix->names[column][0] != '\0';
    if (is_named)
        snprintf(name.text, sizeof name.text, "%zu (%s)", column + first_number(matrix),
                 mr_word_of(matrix->names[column]).text);
    else
        snprintf(name.text, sizeof name.text, "%zu", column + first_number(matrix));
    return name;
}

static mr_status keep_values(mr_matrix *matrix, size_t n, const size_t *columns) {
    double *values = malloc((matrix->n_rows * n + 1) * sizeof *values);
    if (values == NULL)
        return mr_fail_memory("a table");
    for (size_t i = 0; i < matrix->n_rows; i++)
        for (size_t j = 0; j < n; j++)
            values[i * n + j] = matrix->values[i * matrix->n_cols + columns[j]];
    free(matrix->values);
    matrix->values = values;
    matrix->n_cols = n;
    return MR_OK;
}

mr_status mr_matrix_keep_columns(mr_matrix *matrix, size_t n, const size_t *columns) {
    const size_t n_before = matrix->n_cols;
    const bool has_names = matrix->names != NULL, has_codes = matrix->dictionary != NULL;
    char **names = has_names ? calloc(n + 1, sizeof *names) : NULL;
    mr_dictionary *dictionary = has_codes ? calloc(n + 1, sizeof *dictionary) : NULL;
    const bool is_whole = (names != NULL || !has_names) && (dictionary != NULL || !has_codes);
    const mr_status status = !is_whole              ? mr_fail_memory("a table")
                             : matrix->file != NULL ? mr_matrix_file_keep(matrix, n, columns)
                                                    : keep_values(matrix, n, columns);
    if (status != MR_OK) {
        free(names);
        free(dictionary);
        return status;
    }
    for (size_t j = 0; j < n && has_names; j++) {
        names[j] = matrix->names[columns[j]];
        matrix->names[columns[j]] = NULL;
    }
    for (size_t j = 0; j < n && has_codes; j++) {
        dictionary[j] = matrix->dictionary[columns[j]];
        matrix->dictionary[columns[j]] = (mr_dictionary){0};
    }
    for (size_t j = 0; j < n_before && has_names; j++)
        free(matrix->names[j]);
    free(matrix->names);
    free(matrix->bad);
    mr_dictionaries_free(n_before, matrix->dictionary);
    *matrix = (mr_matrix){.n_rows = matrix->n_rows,
                          .n_cols = n,
                          .values = matrix->values,
                          .file = matrix->file,
                          .names = names,
                          .dictionary = dictionary};
    return MR_OK;
}

// ---- Choosing

size_t mr_matrix_find_name(const mr_matrix *matrix, const char *name, size_t *out) {
    size_t n = 0;
    for (size_t j = 0; matrix->names != NULL && j < matrix->n_cols; j++)
        if (strcmp(matrix->names[j], name) == 0 && n++ == 0)
            *out = j;
    return n;
}

// A name, or a number.
static bool find_column(const mr_matrix *matrix, const char *text, size_t *out) {
    if (mr_matrix_find_name(matrix, text, out) == 1)
        return true;
    const size_t n_digits = strspn(text, "0123456789");
    if (n_digits == 0 || n_digits > 18 || text[n_digits] != '\0')
        return false;
    const size_t number = strtoull(text, NULL, 10);
    *out = number - first_number(matrix);
    return number >= first_number(matrix) && *out < matrix->n_cols;
}

// "a-b" or "a-"; a name may have dashes too, so that each is tried.
static bool find_range(const mr_matrix *matrix, const char *item, size_t *first, size_t *last) {
    char part[ITEM_SIZE];
    for (const char *dash = strchr(item, '-'); dash != NULL; dash = strchr(dash + 1, '-')) {
        snprintf(part, sizeof part, "%.*s", (int)(dash - item), item);
        *last = matrix->n_cols - 1;
        if (find_column(matrix, part, first) &&
            (dash[1] == '\0' || find_column(matrix, dash + 1, last)) && *first <= *last)
            return true;
    }
    return false;
}

static const char *name_at(const void *names, size_t i) {
    return ((char *const *)names)[i];
}

static mr_status fail_item(const mr_matrix *matrix, const char *where, const char *item) {
    const char *nearest =
        matrix->names != NULL ? mr_nearest(item, matrix->n_cols, name_at, matrix->names) : NULL;
    if (nearest != NULL)
        return mr_fail(MR_ERR_USAGE, "%s: there is no column '%s'; did you mean '%s'?", where, item,
                       nearest);
    return mr_fail(MR_ERR_USAGE,
                   "%s: there is no column '%s'; the %zu columns go from %s to %s, and are counted "
                   "from %zu",
                   where, item, matrix->n_cols, mr_matrix_column_name(matrix, 0).text,
                   mr_matrix_column_name(matrix, matrix->n_cols - 1).text, first_number(matrix));
}

mr_status mr_matrix_choose_columns(const mr_matrix *matrix, const char *text, const char *where,
                                   bool *chosen) {
    memset(chosen, 0, matrix->n_cols * sizeof *chosen);
    for (const char *at = text;; at++) {
        char item[ITEM_SIZE];
        size_t first = 0, last = 0;
        const size_t length = strcspn(at, ",");
        if ((size_t)snprintf(item, sizeof item, "%.*s", (int)length, at) >= sizeof item)
            return mr_fail(MR_ERR_USAGE, "%s: '%.40s...' is too long for a column", where, item);
        if (mr_matrix_find_name(matrix, item, &first) > 1)
            return mr_fail(MR_ERR_USAGE,
                           "%s: several columns are called '%s', of which %s is the first; choose "
                           "by their numbers",
                           where, item, mr_matrix_column_name(matrix, first).text);
        if (find_column(matrix, item, &first))
            last = first;
        else if (!find_range(matrix, item, &first, &last))
            return fail_item(matrix, where, item);
        for (size_t j = first; j <= last; j++)
            chosen[j] = true;
        at += length;
        if (*at == '\0')
            return MR_OK;
    }
}
