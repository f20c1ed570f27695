// Tables in comma-separated files, as they are written.

#include <stdlib.h>
#include <string.h>

#include "base/csv_text.h"
#include "base/matrix_internal.h"
#include "base/number.h"

enum {
    NUMBER_SIZE = 32,
    BUFFER = 1 << 18, // bytes that are written at a time
};

static mr_status write_name(mr_new_file *file, const char *name, char after) {
    char *text = malloc(mr_csv_cell_size(strlen(name)) + 1);
    if (text == NULL)
        return mr_fail_memory("a table");
    const size_t n_bytes = mr_csv_write_cell(text, name);
    text[n_bytes] = after;
    const mr_status status = mr_new_file_write(file, text, n_bytes + 1);
    free(text);
    return status;
}

mr_status mr_csv_begin(mr_new_file *file, size_t n_rows, size_t n_cols,
                       const mr_matrix_labels *labels) {
    (void)n_rows;
    mr_status status = MR_OK;
    for (size_t j = 0; labels != NULL && labels->names != NULL && j < n_cols && status == MR_OK;
         j++)
        status = write_name(file, labels->names[j], j + 1 < n_cols ? ',' : '\n');
    return status;
}

static size_t write_cell(char *text, const mr_matrix_labels *labels, size_t column, double value) {
    const mr_dictionary *d =
        labels != NULL && labels->dictionary != NULL ? &labels->dictionary[column] : NULL;
    if (d == NULL || d->n == 0)
        return (size_t)mr_number_write(text, NUMBER_SIZE, value);
    return mr_csv_write_cell(text, d->name[(size_t)value]);
}

mr_status mr_csv_append(mr_new_file *file, size_t n_rows, size_t n_cols, const double *values,
                        const mr_matrix_labels *labels) {
    mr_status status = MR_OK;
    const size_t n = n_rows * n_cols, room = mr_csv_cell_size(MR_MAX_NAME_BYTES) + 1; // of a cell
    size_t n_bytes = 0;
    char *text = malloc(BUFFER);
    if (text == NULL)
        return mr_fail_memory("a table");
    for (size_t i = 0; i < n; i++) {
        n_bytes += write_cell(text + n_bytes, labels, i % n_cols, values[i]);
        text[n_bytes++] = (i + 1) % n_cols == 0 ? '\n' : ',';
        if (n_bytes + room > BUFFER || i + 1 == n) {
            MR_TRY(mr_new_file_write(file, text, n_bytes));
            n_bytes = 0;
        }
    }
done:
    free(text);
    return status;
}
