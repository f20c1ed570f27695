/// Inputs as tables of numbers.
#pragma once

#include "base/matrix_internal.h"
#include "tests/fuzz/fuzz.h"

/// Reads the input in one of the formats, and looks at what comes of it.
static inline void fuzz_table(const mr_matrix_format *format, const mr_matrix_options *options,
                              const uint8_t *data, size_t n_bytes) {
    mr_matrix m = {0};
    char *bytes = fuzz_text(data, n_bytes);
    if (fuzz_is_fine(format->read("input", bytes, n_bytes, options, &m))) {
        for (size_t i = 0; i < m.n_rows * m.n_cols; i++)
            fuzz_touch(m.values[i]);
        for (size_t j = 0; j < m.n_cols && m.n_rows > 0; j++)
            fuzz_touch((double)strlen(mr_matrix_column_name(&m, j).text));
        fuzz_is_fine(mr_matrix_check("input", &m, NULL, false));
        fuzz_is_fine(mr_matrix_check("input", &m, NULL, true));
    }
    mr_matrix_free(&m);
    free(bytes);
}

/// Mutates a .npy file: any bytes, or its header, whose length is then put right.
static inline size_t fuzz_mutate_npy(uint8_t *data, size_t n_bytes, size_t max_bytes,
                                     unsigned seed) {
    enum { START = 10, MAX_LENGTH = 65535 }; // of the text in version 1, and where it begins
    uint16_t length = 0;
    if (n_bytes > START)
        memcpy(&length, data + START - sizeof length, sizeof length);
    if (seed % 3 == 0 || n_bytes <= START || length == 0 || length > n_bytes - START ||
        max_bytes > MAX_LENGTH)
        return LLVMFuzzerMutate(data, n_bytes, max_bytes);
    const size_t n_rest = n_bytes - START - length;
    uint8_t *rest = malloc(n_rest + 1);
    assert(rest != NULL);
    memcpy(rest, data + START + length, n_rest);
    length = (uint16_t)LLVMFuzzerMutate(data + START, length, max_bytes - START - n_rest);
    memcpy(data + START - sizeof length, &length, sizeof length);
    memcpy(data + START + length, rest, n_rest);
    free(rest);
    return START + length + n_rest;
}
