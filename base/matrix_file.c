// Tables of numbers in files: finds the format, checks the cells.

#include "base/matrix_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/matrix_internal.h"
#include "base/matrix_rows.h"

static const mr_matrix_format *const formats[] = {&mr_matrix_npy, &mr_matrix_npz, &mr_matrix_csv};

static const mr_matrix_format *find_format(const char *path) {
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < MR_COUNT(formats); i++)
        if (strcasecmp(dot, formats[i]->suffix) == 0)
            return formats[i];
    return NULL;
}

bool mr_matrix_is_table(const char *path) {
    return find_format(path) != NULL;
}

mr_status mr_matrix_check_name(const char *path) {
    const mr_matrix_format *format = find_format(path);
    if (format != NULL && format->begin != NULL)
        return MR_OK;
    return mr_fail(MR_ERR_USAGE, "%s: the name of a table must end in .npy or .csv", path);
}

// ---- Reading

static mr_status check_header(const char *path, const mr_matrix_format *format, mr_header header) {
    if (header == MR_HEADER_YES && !format->has_header)
        return mr_fail(MR_ERR_USAGE, "%s: a %s has no line of names; leave --header yes away", path,
                       format->suffix);
    return MR_OK;
}

static mr_status read_whole(const char *path, const mr_matrix_format *format,
                            const mr_matrix_options *options, mr_matrix *out) {
    char *bytes;
    size_t n_bytes;
    mr_status status = mr_file_read(path, &bytes, &n_bytes);
    if (status != MR_OK)
        return status;
    status = format->read(path, bytes, n_bytes, options, out);
    free(bytes);
    return status;
}

mr_status mr_matrix_read_cells(const char *path, const mr_matrix_options *options, mr_matrix *out) {
    mr_status status;
    const mr_matrix_format *format = find_format(path);
    mr_matrix matrix = {0};
    bool is_made = false;

    if (format == NULL)
        return mr_fail(MR_ERR_USAGE, "%s: the name of a table must end in .npy, .npz or .csv",
                       path);
    MR_TRY(check_header(path, format, options->header));
    if (options->max_numbers > 0 && format->open != NULL)
        MR_TRY(format->open(path, options, &matrix, &is_made));
    if (!is_made)
        MR_TRY(read_whole(path, format, options, &matrix));
    if (matrix.n_rows == 0 || matrix.n_cols == 0) {
        status = mr_fail(MR_ERR_INPUT, "%s: holds no rows of numbers", path);
        goto done;
    }
    *out = matrix;
    matrix = (mr_matrix){0};
done:
    mr_matrix_free(&matrix);
    return status;
}

// A cell that is none of its column's categories, of which the first few are named.
static mr_status fail_category(const char *path, const mr_matrix *matrix, size_t column) {
    enum { N_NAMED = 5 };
    const mr_bad_cell *bad = &matrix->bad[column];
    const mr_dictionary *d = &matrix->dictionary[column];
    char list[N_NAMED * (MR_WORD_SIZE + 6)] = "";
    for (size_t k = 0; k < d->n && k < N_NAMED; k++) {
        const size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s'%s'", k > 0 ? ", " : "",
                 mr_word_of(d->name[k]).text);
    }
    if (bad->word.text[0] == '\0')
        return mr_fail(MR_ERR_INPUT,
                       "%s: row %zu, column %s is empty; it needs one of its %zu categories: fill "
                       "it in, or leave the row out",
                       path, bad->row, mr_matrix_column_name(matrix, column).text, d->n);
    return mr_fail(MR_ERR_INPUT,
                   "%s: row %zu, column %s is '%s', which is none of its %zu categories (%s%s); "
                   "correct it, leave the row out, or fit a model to data that has it",
                   path, bad->row, mr_matrix_column_name(matrix, column).text, bad->word.text, d->n,
                   list, d->n > N_NAMED ? ", ..." : "");
}

static mr_status fail_bad(const char *path, const mr_matrix *matrix, size_t column) {
    const mr_bad_cell *bad = &matrix->bad[column];
    const mr_column_name name = mr_matrix_column_name(matrix, column);
    const char *remedy = bad->row == 1 && matrix->names == NULL
                             ? "; if row 1 is the columns' names, give --header yes"
                             : "";
    if (matrix->dictionary != NULL && matrix->dictionary[column].n > 0)
        return fail_category(path, matrix, column);
    if (bad->word.text[0] == '\0')
        return mr_fail(MR_ERR_INPUT,
                       "%s: row %zu, column %s is empty; every cell must be a number%s", path,
                       bad->row, name.text, remedy);
    return mr_fail(MR_ERR_INPUT,
                   "%s: row %zu, column %s is '%s', not a number; cells are numbers with commas "
                   "between them%s",
                   path, bad->row, name.text, bad->word.text, remedy);
}

static mr_status fail_infinite(const char *path, const mr_matrix *matrix, size_t row, size_t column,
                               double value) {
    return mr_fail(MR_ERR_INPUT, "%s: row %zu, column %s is %g; every cell must be a finite number",
                   path, row + 1, mr_matrix_column_name(matrix, column).text, value);
}

mr_status mr_matrix_check(const char *path, const mr_matrix *matrix, const bool *columns,
                          bool allows_infinite) {
    mr_status status = MR_OK;
    mr_row_block b = {0};
    const size_t n = matrix->n_cols;
    for (size_t j = 0; j < n && matrix->bad != NULL; j++)
        if (matrix->bad[j].row > 0 && (columns == NULL || columns[j]))
            return fail_bad(path, matrix, j);
    if (allows_infinite)
        return MR_OK;
    do {
        MR_TRY(mr_matrix_next_rows(matrix, &b));
        for (size_t i = 0; i < b.n; i++)
            for (size_t j = 0; j < n; j++)
                if (!isfinite(b.x[i * n + j]) && (columns == NULL || columns[j])) {
                    status = fail_infinite(path, matrix, b.first + i, j, b.x[i * n + j]);
                    goto done;
                }
    } while (b.n > 0);
done:
    mr_row_block_free(&b);
    return status;
}

mr_status mr_matrix_read(const char *path, mr_matrix *out) {
    mr_matrix matrix = {0};
    mr_status status = mr_matrix_read_cells(path, &(mr_matrix_options){0}, &matrix);
    if (status == MR_OK)
        status = mr_matrix_check(path, &matrix, NULL, false);
    if (status == MR_OK)
        *out = matrix;
    else
        mr_matrix_free(&matrix);
    return status;
}

// ---- Writing

struct mr_matrix_writer {
    const mr_matrix_format *format;
    mr_new_file *file; // owned
    size_t n_cols;
    const mr_matrix_labels *labels; // borrowed; NULL: none
};

mr_status mr_matrix_writer_begin(const char *path, size_t n_rows, size_t n_cols,
                                 const mr_matrix_labels *labels, mr_matrix_writer **out) {
    mr_status status;
    mr_matrix_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return mr_fail_memory(path);
    MR_TRY(mr_matrix_check_name(path));
    writer->format = find_format(path);
    writer->n_cols = n_cols;
    writer->labels = labels;
    MR_TRY(mr_new_file_begin(path, &writer->file));
    MR_TRY(writer->format->begin(writer->file, n_rows, n_cols, labels));
    *out = writer;
    writer = NULL;
done:
    mr_matrix_writer_close(writer);
    return status;
}

mr_status mr_matrix_writer_append(mr_matrix_writer *writer, size_t n_rows, const double *values) {
    return writer->format->append(writer->file, n_rows, writer->n_cols, values, writer->labels);
}

mr_status mr_matrix_writer_keep(mr_matrix_writer *writer) {
    return mr_new_file_keep(writer->file);
}

void mr_matrix_writer_close(mr_matrix_writer *writer) {
    if (writer == NULL)
        return;
    mr_new_file_close(writer->file);
    free(writer);
}

mr_status mr_matrix_write(const char *path, size_t n_rows, size_t n_cols, const double *values) {
    mr_status status;
    mr_matrix_writer *writer = NULL;
    MR_TRY(mr_matrix_writer_begin(path, n_rows, n_cols, NULL, &writer));
    MR_TRY(mr_matrix_writer_append(writer, n_rows, values));
    MR_TRY(mr_matrix_writer_keep(writer));
done:
    mr_matrix_writer_close(writer);
    return status;
}
