// The types of arrays in safetensors files.

#include "base/tensors_internal.h"

const char mr_tensors_notes_key[] = "__metadata__";

const mr_dtype_row mr_dtypes[MR_N_DTYPES] = {
    [MR_F32] = {"F32", 4},
    [MR_F64] = {"F64", 8},
    [MR_I64] = {"I64", 8},
    [MR_U8] = {"U8", 1},
};

bool mr_tensors_count_bytes(mr_dtype dtype, size_t n_dims, const size_t *shape, size_t *out) {
    int64_t n_bytes = (int64_t)mr_dtypes[dtype].size;
    for (size_t i = 0; i < n_dims; i++)
        if (shape[i] > INT64_MAX || __builtin_mul_overflow(n_bytes, (int64_t)shape[i], &n_bytes))
            return false;
    *out = (size_t)n_bytes;
    return true;
}
