/// Safetensors files: named arrays and text metadata, as Python's `safetensors` reads and writes
/// them. Format: 8 bytes little-endian header length, a JSON header, the raw data. Source:
/// https://github.com/huggingface/safetensors (format section of its README).
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { MR_F32, MR_F64, MR_I64, MR_U8 } mr_dtype;

/// A file to be written.
typedef struct mr_tensors_writer mr_tensors_writer;

mr_status mr_tensors_writer_new(mr_tensors_writer **out);
void mr_tensors_writer_free(mr_tensors_writer *writer);

/// Adds a metadata entry (both texts are copied; safetensors allows text only). An existing
/// key gets the new value. Fails with MR_ERR_INPUT if a text is not UTF-8.
mr_status mr_tensors_writer_note(mr_tensors_writer *writer, const char *key, const char *value);

/// The same with a count as value.
mr_status mr_tensors_writer_note_count(mr_tensors_writer *writer, const char *key, uint64_t count);

/// Adds an array of `n_dims` sizes `shape`. The data is borrowed until the file is written; the
/// name is copied. Fails with MR_ERR_INPUT if the name is in use or not UTF-8, or if the
/// product of the sizes overflows.
mr_status mr_tensors_writer_add(mr_tensors_writer *writer, const char *name, mr_dtype dtype,
                                size_t n_dims, const size_t *shape, const void *data);

/// Writes the file whole or not at all (see mr_file_replace). The same entries added in the same
/// order give the same bytes: the header has metadata and arrays in the order of addition, the data
/// in the same order but with larger elements first. Fails with MR_ERR_IO, the path and the
/// system's reason (disk full, ...).
mr_status mr_tensors_writer_write(const mr_tensors_writer *writer, const char *path);

/// A file that has been read.
typedef struct mr_tensors mr_tensors;

/// An array in it. Borrowed from the mr_tensors. The data is aligned for its type.
typedef struct {
    const char *name;
    mr_dtype dtype;
    size_t n_dims;
    const size_t *shape;
    const void *data;
    size_t n_bytes;
} mr_tensor;

/// Reads a whole file and checks all of it (header, types, shapes, offsets without gaps or
/// overlaps, length): any bytes at all are either a valid file or an error. Fails with MR_ERR_IO or
/// MR_ERR_INPUT and a line that names the path and what is wrong. The caller closes it.
mr_status mr_tensors_open(const char *path, mr_tensors **out);
void mr_tensors_close(mr_tensors *tensors);

/// The same of the bytes [n_bytes] of such a file, which are copied. `name` is what messages call
/// it, in the place of a path.
mr_status mr_tensors_read_memory(const char *name, const void *bytes, size_t n_bytes,
                                 mr_tensors **out);

const char *mr_tensors_path(const mr_tensors *tensors);
size_t mr_tensors_count(const mr_tensors *tensors);
mr_tensor mr_tensors_at(const mr_tensors *tensors, size_t i); // in the order of the header

/// Looks an array up by name. False, and `out` untouched, if there is none of that name.
bool mr_tensors_find(const mr_tensors *tensors, const char *name, mr_tensor *out);

/// Looks an array up by name and checks its type and shape. Fails with MR_ERR_INPUT naming file,
/// array, what was found and what was expected. `data` is borrowed and aligned for its type.
mr_status mr_tensors_get(const mr_tensors *tensors, const char *name, mr_dtype dtype, size_t n_dims,
                         const size_t *shape, const void **data);

/// A metadata value, NULL if there is none. Borrowed.
const char *mr_tensors_note(const mr_tensors *tensors, const char *key);

/// A count in the metadata. Fails with MR_ERR_INPUT if it is missing or not a whole number.
mr_status mr_tensors_get_count(const mr_tensors *tensors, const char *key, uint64_t *count);
