/// What reading and writing safetensors files have in common. Private to base/tensors_*.c.
#pragma once

#include <stdbool.h>

#include "base/tensors.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "safetensors files hold little-endian numbers, which are used here as they are");

enum {
    MR_TENSORS_LENGTH_SIZE = sizeof(uint64_t),
    MR_TENSORS_MAX_HEADER = 100000000, // bytes; the reference implementation's limit
    MR_N_DTYPES = 4,
};

/// The name of a type in headers, and the bytes of a number.
typedef struct {
    const char *name;
    size_t size;
} mr_dtype_row;

extern const mr_dtype_row mr_dtypes[MR_N_DTYPES]; // indexed by mr_dtype
extern const char mr_tensors_notes_key[];         // of the metadata in a header

/// The bytes of an array. False if a number is too large for JSON's integers.
bool mr_tensors_count_bytes(mr_dtype dtype, size_t n_dims, const size_t *shape, size_t *out);
