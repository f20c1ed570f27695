// Any bytes as a .npz file, and any array in one: check sums are put right.

#include <zip.h>

#include "tests/fuzz/tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    fuzz_table(&mr_matrix_npz, &(mr_matrix_options){0}, data, n_bytes);
    return 0;
}

// The first array of an archive, out [max_bytes]; 0: there is none.
static size_t unpack(const uint8_t *data, size_t n_bytes, uint8_t *out, size_t max_bytes) {
    zip_int64_t n = 0;
    zip_source_t *source = zip_source_buffer_create(data, n_bytes, 0, NULL);
    zip_t *archive = zip_open_from_source(source, ZIP_RDONLY, NULL);
    if (archive == NULL) {
        zip_source_free(source);
        return 0;
    }
    zip_file_t *file = zip_fopen_index(archive, 0, 0);
    if (file != NULL) {
        n = zip_fread(file, out, max_bytes);
        zip_fclose(file);
    }
    zip_discard(archive);
    return n > 0 ? (size_t)n : 0;
}

// An archive of one array, out [max_bytes]; 0: there is no room for it.
static size_t pack(const uint8_t *array, size_t n_bytes, bool deflated, uint8_t *out,
                   size_t max_bytes) {
    zip_stat_t size;
    zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, NULL);
    zip_source_keep(source);
    zip_t *archive = zip_open_from_source(source, ZIP_TRUNCATE, NULL);
    assert(archive != NULL);
    zip_source_t *content = zip_source_buffer(archive, array, n_bytes, 0);
    const zip_int64_t index = zip_file_add(archive, "arr_0.npy", content, ZIP_FL_OVERWRITE);
    assert(index >= 0);
    zip_set_file_compression(archive, (zip_uint64_t)index, deflated ? ZIP_CM_DEFLATE : ZIP_CM_STORE,
                             0);
    assert(zip_close(archive) == 0 && zip_source_stat(source, &size) == 0);
    const bool fits = size.size <= max_bytes;
    if (fits) {
        assert(zip_source_open(source) == 0);
        assert(zip_source_read(source, out, size.size) == (zip_int64_t)size.size);
        zip_source_close(source);
    }
    zip_source_free(source);
    return fits ? size.size : 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n_bytes, size_t max_bytes, unsigned seed) {
    uint8_t *array = malloc(max_bytes);
    assert(array != NULL);
    size_t n = seed % 4 == 0 ? 0 : unpack(data, n_bytes, array, max_bytes);
    if (n > 0) {
        n = fuzz_mutate_npy(array, n, max_bytes, seed / 4);
        n = pack(array, n, seed / 16 % 2 == 0, data, max_bytes);
    }
    free(array);
    return n > 0 ? n : LLVMFuzzerMutate(data, n_bytes, max_bytes);
}
