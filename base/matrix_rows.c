// Tables by blocks of rows. Numbers in a file are read by pread, not mapped: the memory that this
// takes is what is allocated here, and a file that is cut short is an error and not a signal.

#include "base/matrix_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/matrix_internal.h"

enum { BLOCK_NUMBERS = 1 << 18 }; // 2 MB as doubles: they stay in a core's cache

struct mr_matrix_file {
    char *path;               // owned
    int file;                 // owned
    mr_stored_numbers stored; // n_cols of them in a row
    size_t max_numbers;
    size_t *column;       // [n_cols of the table] owned: which of the file; NULL: all
    unsigned char *bytes; // [n_bytes] owned: as they are in the file
    size_t n_bytes;
};

void mr_matrix_file_close(mr_matrix_file *f) {
    if (f == NULL)
        return;
    if (f->file >= 0)
        close(f->file);
    free(f->path);
    free(f->column);
    free(f->bytes);
    free(f);
}

mr_status mr_matrix_of_file(const char *path, int file, const mr_stored_numbers *stored,
                            size_t max_numbers, mr_matrix *out) {
    mr_matrix_file *f = calloc(1, sizeof *f);
    char *copy = strdup(path);
    if (f == NULL || copy == NULL) {
        free(f);
        free(copy);
        close(file);
        return mr_fail_memory(path);
    }
    *f =
        (mr_matrix_file){.path = copy, .file = file, .stored = *stored, .max_numbers = max_numbers};
    out->n_rows = stored->n_rows;
    out->n_cols = stored->n_cols;
    out->file = f;
    return MR_OK;
}

void mr_matrix_drop_first_row(mr_matrix *matrix) {
    mr_stored_numbers *s = &matrix->file->stored;
    s->offset += s->n_cols * s->format.type->size;
    s->n_rows--;
    matrix->n_rows--;
}

// ---- Reading rows

static mr_status make_room(mr_matrix_file *f, size_t n_bytes) {
    if (n_bytes <= f->n_bytes)
        return MR_OK;
    free(f->bytes);
    f->bytes = malloc(n_bytes);
    f->n_bytes = f->bytes != NULL ? n_bytes : 0;
    return f->bytes != NULL ? MR_OK : mr_fail_memory(f->path);
}

// Reads numbers `first` .. first+n-1 of the file, as they are there.
static mr_status read_numbers(mr_matrix_file *f, size_t first, size_t n, unsigned char *out) {
    const size_t size = f->stored.format.type->size, n_bytes = n * size;
    for (size_t n_done = 0; n_done < n_bytes;) {
        const ssize_t n_read = pread(f->file, out + n_done, n_bytes - n_done,
                                     (off_t)(f->stored.offset + first * size + n_done));
        if (n_read < 0 && errno != EINTR)
            return mr_fail(MR_ERR_IO, "cannot read %s: %s; check the disk", f->path,
                           strerror(errno));
        if (n_read == 0)
            return mr_fail(MR_ERR_IO, "%s was cut short while it was read; try again", f->path);
        n_done += n_read > 0 ? (size_t)n_read : 0;
    }
    return MR_OK;
}

static size_t file_column(const mr_matrix_file *f, size_t j) {
    return f->column != NULL ? f->column[j] : j;
}

static mr_status get_by_columns(mr_matrix_file *f, size_t n_cols, size_t first, size_t n,
                                double *out) {
    mr_status status;
    const mr_stored_numbers *s = &f->stored;
    MR_TRY(make_room(f, n * s->format.type->size));
    for (size_t j = 0; j < n_cols; j++) {
        MR_TRY(read_numbers(f, file_column(f, j) * s->n_rows + first, n, f->bytes));
        mr_numbers_decode(s->format, f->bytes, s->format.type->size, n, out + j, n_cols);
    }
done:
    return status;
}

static mr_status get_by_rows(mr_matrix_file *f, size_t n_cols, size_t first, size_t n,
                             double *out) {
    mr_status status;
    const mr_stored_numbers *s = &f->stored;
    const size_t size = s->format.type->size;
    MR_TRY(make_room(f, n * s->n_cols * size));
    MR_TRY(read_numbers(f, first * s->n_cols, n * s->n_cols, f->bytes));
    if (f->column == NULL)
        mr_numbers_decode(s->format, f->bytes, size, n * n_cols, out, 1);
    else
        for (size_t j = 0; j < n_cols; j++)
            mr_numbers_decode(s->format, f->bytes + f->column[j] * size, s->n_cols * size, n,
                              out + j, n_cols);
done:
    return status;
}

mr_status mr_matrix_get_rows(const mr_matrix *matrix, size_t first, size_t n, double *out) {
    mr_matrix_file *f = matrix->file;
    if (f == NULL) {
        memcpy(out, matrix->values + first * matrix->n_cols, n * matrix->n_cols * sizeof *out);
        return MR_OK;
    }
    return f->stored.is_by_columns ? get_by_columns(f, matrix->n_cols, first, n, out)
                                   : get_by_rows(f, matrix->n_cols, first, n, out);
}

// ---- Going through a table

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t rows_in_block(const mr_matrix *matrix) {
    const size_t width = matrix->file->stored.n_cols, n = BLOCK_NUMBERS / width;
    return n > 0 ? n : 1;
}

mr_status mr_matrix_next_rows(const mr_matrix *matrix, mr_row_block *block) {
    block->first += block->n;
    block->n = matrix->n_rows - block->first;
    if (matrix->file == NULL) {
        block->x = matrix->values;
        return MR_OK;
    }
    const size_t n_max = rows_in_block(matrix), n_numbers = n_max * matrix->n_cols;
    if (block->numbers == NULL)
        block->numbers = calloc(n_numbers > 0 ? n_numbers : 1, sizeof *block->numbers);
    if (block->numbers == NULL)
        return mr_fail_memory(matrix->file->path);
    block->n = smaller(block->n, n_max);
    block->x = block->numbers;
    return mr_matrix_get_rows(matrix, block->first, block->n, block->numbers);
}

void mr_row_block_free(mr_row_block *block) {
    free(block->numbers);
    *block = (mr_row_block){0};
}

// ---- Into memory

mr_status mr_matrix_file_load(mr_matrix *matrix) {
    double *values = malloc((matrix->n_rows * matrix->n_cols + 1) * sizeof *values);
    mr_row_block block = {0};
    mr_status status = MR_OK;
    if (values == NULL)
        return mr_fail_memory(matrix->file->path);
    do {
        MR_TRY(mr_matrix_next_rows(matrix, &block));
        memcpy(values + block.first * matrix->n_cols, block.x,
               block.n * matrix->n_cols * sizeof *values);
    } while (block.n > 0);
    matrix->values = values;
    values = NULL;
    mr_matrix_file_close(matrix->file);
    matrix->file = NULL;
done:
    mr_row_block_free(&block);
    free(values);
    return status;
}

// The columns kept may fit in memory although the table does not.
mr_status mr_matrix_file_keep(mr_matrix *matrix, size_t n, const size_t *columns) {
    mr_matrix_file *f = matrix->file;
    size_t *kept = malloc((n + 1) * sizeof *kept);
    if (kept == NULL)
        return mr_fail_memory("a table");
    for (size_t j = 0; j < n; j++)
        kept[j] = file_column(f, columns[j]);
    free(f->column);
    f->column = kept;
    matrix->n_cols = n;
    return matrix->n_rows * n > f->max_numbers ? MR_OK : mr_matrix_file_load(matrix);
}
