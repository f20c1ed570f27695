// The header of a .npy file: a magic word, a version, a Python dictionary.

#include "base/npy.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "numbers are put into .npy files as they are in memory");

static const char magic[] = "\x93NUMPY";

enum {
    N_MAGIC = sizeof magic - 1,
    N_VERSION = 2,
    ALIGNMENT = 64, // of the numbers in the file
    WORD_SIZE = 64,
    SHAPE_SIZE = 128,
    HEADER_SIZE = 256,
};

/// The entries of the dictionary.
typedef struct {
    char descr[WORD_SIZE]; // NumPy's name of the type of number
    bool fortran_order;
    size_t n_dims;
    size_t shape[MR_NPY_MAX_DIMS];
} entries;

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

// (3, 4), (3,) or (). Of more than MR_NPY_MAX_DIMS sizes the first are kept.
static bool take_shape(const char **at, entries *h) {
    if (!take(at, '('))
        return false;
    while (!take(at, ')')) {
        size_t size;
        if (!take_size(at, &size))
            return false;
        if (h->n_dims < MR_NPY_MAX_DIMS)
            h->shape[h->n_dims] = size;
        h->n_dims++;
        if (!take(at, ',') && *skip_spaces(*at) != ')')
            return false;
    }
    return true;
}

static bool take_entry(const char **at, entries *h) {
    char key[WORD_SIZE];
    if (!take_quoted(at, key, sizeof key) || !take(at, ':'))
        return false;
    if (strcmp(key, "descr") == 0)
        return take_quoted(at, h->descr, sizeof h->descr);
    if (strcmp(key, "fortran_order") == 0)
        return take_truth(at, &h->fortran_order);
    return strcmp(key, "shape") == 0 && take_shape(at, h);
}

static bool parse_header(const char *text, entries *h) {
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
static mr_status read_entries(const char *path, const char *bytes, size_t n_bytes, entries *h,
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

mr_status mr_npy_read_header(const char *path, const char *bytes, size_t n_bytes,
                             mr_npy_header *out) {
    mr_status status;
    entries found = {0};
    mr_npy_header header = {0};
    MR_TRY(read_entries(path, bytes, n_bytes, &found, &header.offset));
    MR_TRY(find_type(path, found.descr, &header.format));
    header.is_by_columns = found.fortran_order;
    header.n_dims = found.n_dims;
    memcpy(header.shape, found.shape, sizeof header.shape);
    *out = header;
done:
    return status;
}

// ---- Writing

// (3, 4), or (3,) as Python writes a tuple of one.
static void write_shape(size_t n_dims, const size_t *shape, char text[SHAPE_SIZE]) {
    size_t used = (size_t)snprintf(text, SHAPE_SIZE, "(%zu,", shape[0]);
    for (size_t i = 1; i < n_dims; i++)
        used += (size_t)snprintf(text + used, SHAPE_SIZE - used, " %zu%s", shape[i],
                                 i + 1 < n_dims ? "," : "");
    snprintf(text + used, SHAPE_SIZE - used, ")");
}

mr_status mr_npy_write_header(mr_new_file *file, const char *descr, size_t n_dims,
                              const size_t *shape) {
    mr_status status;
    char tuple[SHAPE_SIZE], text[HEADER_SIZE];
    write_shape(n_dims, shape, tuple);
    const size_t n_prefix = N_MAGIC + N_VERSION + sizeof(uint16_t);
    const size_t n_text = (size_t)snprintf(
        text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, tuple);
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
