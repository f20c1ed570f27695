// Any bytes as a .npy file.

#include "tests/fuzz/tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    fuzz_table(&mr_matrix_npy, &(mr_matrix_options){0}, data, n_bytes);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n_bytes, size_t max_bytes, unsigned seed) {
    return fuzz_mutate_npy(data, n_bytes, max_bytes, seed);
}
