// Any text as a .csv file, its first row taken for names, for data, and as it looks.

#include "tests/fuzz/tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static const char *const names[] = {"x", "0", "1"};
    static const mr_matrix_options options[] = {
        {.header = MR_HEADER_AUTO},
        {.header = MR_HEADER_AUTO, .names = names, .n_names = MR_COUNT(names)},
        {.header = MR_HEADER_YES},
        {.header = MR_HEADER_NO}};
    for (size_t i = 0; i < MR_COUNT(options); i++)
        fuzz_table(&mr_matrix_csv, &options[i], data, n_bytes);
    return 0;
}
