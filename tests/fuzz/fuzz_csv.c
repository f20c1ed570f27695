// Any text as a .csv file, its first row taken for names, for data, and as it looks; its first
// columns as text.

#include "tests/fuzz/tables.h"

// Columns of text, whose categories then are all there is.
static void read_text(const uint8_t *data, size_t n_bytes) {
    enum { N_COLS = 4, N_MAX = 20 };
    static const bool columns[N_COLS] = {true, true, false, true};
    mr_matrix m = {0};
    mr_dictionary dictionary[N_COLS] = {{0}};
    mr_matrix_options options = {
        .header = MR_HEADER_NO, .dictionary = dictionary, .n_dictionaries = N_COLS};
    char *bytes = fuzz_text(data, n_bytes);
    if (fuzz_is_fine(mr_matrix_csv.read("input", bytes, n_bytes, &options, &m)) &&
        m.n_cols == N_COLS &&
        fuzz_is_fine(
            mr_matrix_find_categories(fuzz_file(data, n_bytes), &m, columns, N_MAX, dictionary))) {
        mr_matrix_free(&m);
        assert(mr_matrix_csv.read("input", bytes, n_bytes, &options, &m) == MR_OK);
        for (size_t i = 0; i < m.n_rows; i++)
            for (size_t j = 0; j < N_COLS; j++)
                assert(!columns[j] || m.values[i * N_COLS + j] < (double)dictionary[j].n);
    }
    for (size_t j = 0; j < N_COLS; j++)
        mr_dictionary_free(&dictionary[j]);
    mr_matrix_free(&m);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static const char *const names[] = {"x", "0", "1"};
    static const mr_matrix_options options[] = {
        {.header = MR_HEADER_AUTO},
        {.header = MR_HEADER_AUTO, .names = names, .n_names = MR_COUNT(names)},
        {.header = MR_HEADER_YES},
        {.header = MR_HEADER_NO}};
    for (size_t i = 0; i < MR_COUNT(options); i++)
        fuzz_table(&mr_matrix_csv, &options[i], data, n_bytes);
    read_text(data, n_bytes);
    return 0;
}
