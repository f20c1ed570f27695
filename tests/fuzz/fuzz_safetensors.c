// Any bytes as a safetensors file. What is taken is whole: every number can be read.

#include "tests/fuzz/tensors_mutator.h"

static void read_all(const mr_tensors *file) {
    for (size_t i = 0; i < mr_tensors_count(file); i++) {
        const mr_tensor tensor = mr_tensors_at(file, i);
        const void *data;
        mr_tensor found;
        size_t n_bytes;
        assert(mr_tensors_count_bytes(tensor.dtype, tensor.n_dims, tensor.shape, &n_bytes));
        assert(n_bytes == tensor.n_bytes);
        assert((uintptr_t)tensor.data % mr_dtypes[tensor.dtype].size == 0);
        assert(mr_tensors_find(file, tensor.name, &found) && found.data == tensor.data);
        assert(mr_tensors_get(file, tensor.name, tensor.dtype, tensor.n_dims, tensor.shape,
                              &data) == MR_OK);
        for (size_t k = 0; k < n_bytes; k++)
            fuzz_touch((double)((const uint8_t *)data)[k]);
        fuzz_is_fine(mr_tensors_get(file, tensor.name, MR_F64, 1, &n_bytes, &data));
    }
    const char *format = mr_tensors_note(file, "format");
    fuzz_touch(format != NULL ? (double)strlen(format) : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    mr_tensors *file;
    if (!fuzz_is_fine(mr_tensors_open(fuzz_file(data, n_bytes), &file)))
        return 0;
    read_all(file);
    mr_tensors_close(file);
    return 0;
}
