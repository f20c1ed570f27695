// NumPy's .npy files: a magic word, a version, a header that is a Python dictionary, the numbers.
// Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/matrix_internal.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "numbers are put into .npy files as they are in memory");

static const char magic[] = "\x93NUMPY";

enum {
    N_MAGIC = sizeof magic - 1,
    N_VERSION = 2,
    ALIGNMENT = 64, // of the numbers in the file
    MAX_DIMS = 2,
    WORD_SIZE = 64,
    HEADER_SIZE = 128,
    MAX_HEADER = 4096, // bytes of a large file that its header is looked for in
};

/// What a header says.
typedef struct {
    char descr[WORD_SIZE]; // NumPy's name of the type of number
    bool fortran_order;    // column after column
    size_t n_dims;
    size_t shape[MAX_DIMS];
} header;

static mr_status fail_file(const char *path, const char *what) {
    return mr_fail(MR_ERR_INPUT, "%s: %s; is it a .npy file saved by NumPy, and whole?", path,
                   what);
}

// ---- Reading the header

static const char *skip_spaces(const char *at) {
    return at + strspn(at, " \t\n\r");
}

// Takes the character `c` from where `*at` is, behind spaces.
static bool take(const char **at, char c) {
    const char *next = skip_spaces(*at);
    if (*next != c)
        return false;
    *at = next + 1;
    return true;
}

// 'text' or "text", without escapes.
static bool take_quoted(const char **at, char *out, size_t size) {
    const char *next = skip_spaces(*at);
    if (*next != '\'' && *next != '"')
        return false;
    const char *end = strchr(next + 1, *next);
    if (end == NULL || (size_t)(end - next) > size)
        return false;
    snprintf(out, size, "%.*s", (int)(end - next - 1), next + 1);
    *at = end + 1;
    return true;
}

static bool take_truth(const char **at, bool *out) {
    static const char *const words[] = {"False", "True"};
    const char *next = skip_spaces(*at);
    for (size_t i = 0; i < MR_COUNT(words); i++) {
        if (strncmp(next, words[i], strlen(words[i])) == 0) {
            *out = i == 1;
            *at = next + strlen(words[i]);
            return true;
        }
    }
    return false;
}

static bool take_size(const char **at, size_t *out) {
    const char *next = skip_spaces(*at);
    const size_t n_digits = strspn(next, "0123456789");
    if (n_digits == 0 || n_digits > 18) // 18 digits fit
        return false;
    *out = (size_t)strtoull(next, NULL, 10);
    *at = next + n_digits + (next[n_digits] == 'L'); // as Python 2 wrote them
    return true;
}

// (3, 4), (3,) or (). Of more than two sizes the first two are kept.
static bool take_shape(const char **at, header *h) {
    if (!take(at, '('))
        return false;
    while (!take(at, ')')) {
        size_t size;
        if (!take_size(at, &size))
            return false;
        if (h->n_dims < MAX_DIMS)
            h->shape[h->n_dims] = size;
        h->n_dims++;
        if (!take(at, ',') && *skip_spaces(*at) != ')')
            return false;
    }
    return true;
}

static bool take_entry(const char **at, header *h) {
    char key[WORD_SIZE];
    if (!take_quoted(at, key, sizeof key) || !take(at, ':'))
        return false;
    if (strcmp(key, "descr") == 0)
        return take_quoted(at, h->descr, sizeof h->descr);
    if (strcmp(key, "fortran_order") == 0)
        return take_truth(at, &h->fortran_order);
    return strcmp(key, "shape") == 0 && take_shape(at, h);
}

static bool parse_header(const char *text, header *h) {
    const char *at = text;
    int n_entries = 0;
    if (!take(&at, '{'))
        return false;
    while (!take(&at, '}')) {
        if (!take_entry(&at, h))
            return false;
        n_entries++;
        if (!take(&at, ',') && *skip_spaces(at) != '}')
            return false;
    }
    return n_entries == 3 && h->descr[0] != '\0' && *skip_spaces(at) == '\0';
}

// Version 1 has a length of two bytes, 2 and 3 of four.
static mr_status read_header(const char *path, const char *bytes, size_t n_bytes, header *h,
                             size_t *offset) {
    uint32_t length = 0;
    if (n_bytes < N_MAGIC + N_VERSION || memcmp(bytes, magic, N_MAGIC) != 0)
        return fail_file(path, "it does not begin as a .npy file does");
    const unsigned version = (unsigned char)bytes[N_MAGIC];
    const size_t n_length = version == 1 ? 2 : 4, start = N_MAGIC + N_VERSION + n_length;
    if (version < 1 || version > 3)
        return mr_fail(MR_ERR_INPUT,
                       "%s: version %u of the .npy format is not known; save it by numpy.save",
                       path, version);
    if (n_bytes < start)
        return fail_file(path, "it ends within its header");
    memcpy(&length, bytes + N_MAGIC + N_VERSION, n_length);
    if (length > n_bytes - start)
        return fail_file(path, "it ends within its header");
    char *text = strndup(bytes + start, length);
    if (text == NULL)
        return mr_fail_memory(path);
    const bool is_parsed = parse_header(text, h);
    free(text);
    *offset = start + length;
    return is_parsed ? MR_OK
                     : fail_file(path, "its header does not say what an array of plain numbers is");
}

// ---- Reading the numbers

static mr_status find_type(const char *path, const char *descr, mr_number_format *out) {
    out->type = strchr("<>|=", descr[0]) != NULL ? mr_number_type_find(descr + 1) : NULL;
    out->is_big_endian = descr[0] == '>';
    if (out->type != NULL)
        return MR_OK;
    return mr_fail(MR_ERR_INPUT,
                   "%s: holds numbers of type '%s'; booleans, integers and floating-point numbers "
                   "up to 64 bits can be read, so save array.astype('<f8')",
                   path, descr);
}

static mr_status check_size(const char *path, const mr_stored_numbers *s, size_t n_bytes) {
    size_t n_expected;
    if (__builtin_mul_overflow(s->n_rows, s->n_cols, &n_expected) ||
        __builtin_mul_overflow(n_expected, s->format.type->size, &n_expected))
        return fail_file(path, "its header tells of more numbers than a file can hold");
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
    header h = {0};
    MR_TRY(read_header(path, bytes, n_read, &h, &out->offset));
    MR_TRY(find_type(path, h.descr, &out->format));
    if (h.n_dims != 1 && h.n_dims != 2)
        return mr_fail(MR_ERR_INPUT,
                       "%s: has %zu dimensions; a table has two, or one for a single column", path,
                       h.n_dims);
    out->n_rows = h.shape[0];
    out->n_cols = h.n_dims == 2 ? h.shape[1] : 1;
    out->is_by_columns = h.fortran_order;
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
    char bytes[MAX_HEADER];
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

static mr_status npy_begin(mr_new_file *file, size_t n_rows, size_t n_cols) {
    mr_status status;
    char shape[WORD_SIZE], text[HEADER_SIZE];
    if (n_cols == 1)
        snprintf(shape, sizeof shape, "(%zu,)", n_rows);
    else
        snprintf(shape, sizeof shape, "(%zu, %zu)", n_rows, n_cols);
    const size_t n_prefix = N_MAGIC + N_VERSION + sizeof(uint16_t);
    const size_t n_text = (size_t)snprintf(
        text, sizeof text, "{'descr': '<f8', 'fortran_order': False, 'shape': %s, }", shape);
    // Spaces and a line end fill the header up to a multiple of the alignment.
    const size_t n_all = (n_prefix + n_text + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    const uint16_t length = (uint16_t)(n_all - n_prefix);
    char padding[ALIGNMENT];
    const size_t n_padding = length - n_text;
    memset(padding, ' ', n_padding);
    padding[n_padding - 1] = '\n';
    const mr_bytes parts[] = {{magic, N_MAGIC},
                              {"\x01", N_VERSION},
                              {&length, sizeof length},
                              {text, n_text},
                              {padding, n_padding}};
    for (size_t i = 0; i < MR_COUNT(parts); i++)
        MR_TRY(mr_new_file_write(file, parts[i].data, parts[i].n_bytes));
done:
    return status;
}

static mr_status npy_append(mr_new_file *file, size_t n_rows, size_t n_cols, const double *values) {
    return mr_new_file_write(file, values, n_rows * n_cols * sizeof *values);
}

const mr_matrix_format mr_matrix_npy = {
    .suffix = ".npy",
    .read = npy_read,
    .open = npy_open,
    .begin = npy_begin,
    .append = npy_append,
};
