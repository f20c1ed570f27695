// Tables of numbers in files: finds the format, checks the cells.

#include "nn/matrix_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nn/file.h"
#include "nn/matrix_inside.h"

static const mr_matrix_format *const formats[] = {&mr_matrix_npy, &mr_matrix_csv};

static mr_status find_format(const char *path, const mr_matrix_format **out) {
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < MR_COUNT(formats); i++) {
        if (strcasecmp(dot, formats[i]->suffix) == 0) {
            *out = formats[i];
            return MR_OK;
        }
    }
    return mr_fail(MR_ERR_USAGE, "%s: the name of a table must end in .npy or .csv", path);
}

mr_status mr_matrix_check_name(const char *path) {
    const mr_matrix_format *format = NULL;
    return find_format(path, &format);
}

static mr_status check_cells(const char *path, const mr_matrix *matrix) {
    const size_t n = matrix->n_rows * matrix->n_cols;
    if (n == 0)
        return mr_fail(MR_ERR_INPUT, "%s: holds no rows of numbers", path);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(matrix->values[i]))
            return mr_fail(MR_ERR_INPUT,
                           "%s: row %zu, column %zu is %g; every cell must be a finite number",
                           path, i / matrix->n_cols + 1, i % matrix->n_cols + 1, matrix->values[i]);
    return MR_OK;
}

mr_status mr_matrix_read(const char *path, mr_matrix *out) {
    mr_status status;
    const mr_matrix_format *format = NULL;
    char *bytes = NULL;
    size_t n_bytes;
    mr_matrix matrix = {0};

    MR_TRY(find_format(path, &format));
    MR_TRY(mr_file_read(path, &bytes, &n_bytes));
    MR_TRY(format->read(path, bytes, n_bytes, &matrix));
    MR_TRY(check_cells(path, &matrix));
    *out = matrix;
    matrix.values = NULL;
done:
    mr_matrix_free(&matrix);
    free(bytes);
    return status;
}

void mr_matrix_free(mr_matrix *matrix) {
    free(matrix->values);
    *matrix = (mr_matrix){0};
}

mr_status mr_matrix_write(const char *path, size_t n_rows, size_t n_cols, const double *values) {
    const mr_matrix_format *format = NULL;
    const mr_status status = find_format(path, &format);
    return status == MR_OK ? format->write(path, n_rows, n_cols, values) : status;
}
