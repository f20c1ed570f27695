// NumPy's .npy files as tables: a header, the numbers.

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/npy.h"

static mr_status check_size(const char *path, const mr_stored_numbers *s, size_t n_bytes) {
    size_t n_expected;
    if (__builtin_mul_overflow(s->n_rows, s->n_cols, &n_expected) ||
        __builtin_mul_overflow(n_expected, s->format.type->size, &n_expected))
        return mr_fail(MR_ERR_INPUT,
                       "%s: its header tells of more numbers than a file can hold; is it a .npy "
                       "file saved by NumPy, and whole?",
                       path);
    if (n_expected < n_bytes)
        return mr_fail(MR_ERR_INPUT,
                       "%s: goes on for %zu bytes after its last row; is it a .npy file saved by "
                       "NumPy, and whole?",
                       path, n_bytes - n_expected);
    if (n_expected > n_bytes)
        return mr_fail(MR_ERR_INPUT,
                       "%s: ends before its last number, after %zu of %zu bytes of numbers (in %s "
                       "%zu of %zu); copy or save it again",
                       path, n_bytes, n_expected, s->is_by_columns ? "column" : "row",
                       n_bytes / (n_expected / (s->is_by_columns ? s->n_cols : s->n_rows)) + 1,
                       s->is_by_columns ? s->n_cols : s->n_rows);
    return MR_OK;
}

// Finds the numbers of a file of n_bytes, of which the first n_read are at `bytes`.
static mr_status find_numbers(const char *path, const char *bytes, size_t n_read, size_t n_bytes,
                              mr_stored_numbers *out) {
    mr_status status;
    mr_npy_header h;
    MR_TRY(mr_npy_read_header(path, bytes, n_read, &h));
    if (h.n_dims != 1 && h.n_dims != 2)
        return mr_fail(MR_ERR_INPUT,
                       "%s: has %zu dimensions; a table has two, or one for a single column", path,
                       h.n_dims);
    *out = (mr_stored_numbers){.format = h.format,
                               .offset = h.offset,
                               .n_rows = h.shape[0],
                               .n_cols = h.n_dims == 2 ? h.shape[1] : 1,
                               .is_by_columns = h.is_by_columns};
    status = check_size(path, out, n_bytes - out->offset);
done:
    return status;
}

static mr_status npy_read(const char *path, const char *bytes, size_t n_bytes,
                          const mr_matrix_options *options, mr_matrix *out) {
    (void)options; // there is no line of names
    mr_stored_numbers s;
    const mr_status status = find_numbers(path, bytes, n_bytes, n_bytes, &s);
    const size_t n = status == MR_OK ? s.n_rows * s.n_cols : 0;
    if (n == 0) // (0, 3) and (1000000000000, 0) alike
        return status;
    *out = (mr_matrix){.n_rows = s.n_rows, .n_cols = s.n_cols};
    out->values = malloc(n * sizeof *out->values);
    if (out->values == NULL)
        return mr_fail_memory(path);
    const size_t size = s.format.type->size;
    const char *numbers = bytes + s.offset;
    if (!s.is_by_columns)
        mr_numbers_decode(s.format, numbers, size, n, out->values, 1);
    for (size_t j = 0; j < s.n_cols && s.is_by_columns; j++)
        mr_numbers_decode(s.format, numbers + j * s.n_rows * size, size, s.n_rows, out->values + j,
                          s.n_cols);
    return MR_OK;
}

static mr_status npy_open(const char *path, const mr_matrix_options *options, mr_matrix *out,
                          bool *is_made) {
    mr_status status;
    int file;
    size_t n_bytes;
    mr_stored_numbers s;
    char bytes[MR_NPY_MAX_HEADER];
    MR_TRY(mr_file_open(path, &file, &n_bytes));
    const ssize_t n_read = pread(file, bytes, sizeof bytes, 0);
    // A small file is read, and what is wrong with it reported, as a whole.
    if (n_read < (ssize_t)sizeof bytes || n_bytes <= options->max_numbers)
        goto done;
    MR_TRY(find_numbers(path, bytes, sizeof bytes, n_bytes, &s));
    if (s.n_rows * s.n_cols <= options->max_numbers)
        goto done;
    *is_made = true;
    const int kept = file;
    file = -1;
    status = mr_matrix_of_file(path, kept, &s, options->max_numbers, out);
done:
    if (file >= 0)
        close(file);
    return status;
}

// ---- Writing

static mr_status npy_begin(mr_new_file *file, size_t n_rows, size_t n_cols,
                           const mr_matrix_labels *labels) {
    (void)labels;
    return mr_npy_write_header(file, "<f8", n_cols == 1 ? 1 : 2, (size_t[]){n_rows, n_cols});
}

static mr_status npy_append(mr_new_file *file, size_t n_rows, size_t n_cols, const double *values,
                            const mr_matrix_labels *labels) {
    (void)labels;
    return mr_new_file_write(file, values, n_rows * n_cols * sizeof *values);
}

const mr_matrix_format mr_matrix_npy = {
    .suffix = ".npy",
    .read = npy_read,
    .open = npy_open,
    .begin = npy_begin,
    .append = npy_append,
};
