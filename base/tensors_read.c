// Reading safetensors files.

#include "base/tensors_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "base/json_memory.h"

enum { DESCRIPTION_SIZE = 128 };

// ---- Types of arrays

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

// ---- Files

typedef struct {
    mr_tensor tensor;
    size_t *shape;
    void *aligned; // a copy of the data if the file's is not aligned, else NULL
} file_array;

struct mr_tensors {
    char *path;
    char *bytes;        // the file
    json_t *header;     // owns all names and notes
    file_array *arrays; // [n] in the header's order
    size_t n;
};

void mr_tensors_close(mr_tensors *tensors) {
    if (tensors == NULL)
        return;
    for (size_t i = 0; i < tensors->n; i++) {
        free(tensors->arrays[i].shape);
        free(tensors->arrays[i].aligned);
    }
    free(tensors->arrays);
    json_decref(tensors->header);
    free(tensors->bytes);
    free(tensors->path);
    free(tensors);
}

static mr_status fail_file(const mr_tensors *tensors, const char *what) {
    return mr_fail(MR_ERR_INPUT, "%s: %s; is it a safetensors file, and whole?", tensors->path,
                   what);
}

static mr_status fail_array(const mr_tensors *tensors, const char *name, const char *what) {
    return mr_fail(MR_ERR_INPUT, "%s: array '%.200s' %s; the file is damaged, take another copy",
                   tensors->path, name, what);
}

static mr_status parse_header(mr_tensors *tensors, const char *text, size_t n_bytes) {
    json_error_t error;
    if (n_bytes == 0 || text[0] != '{')
        return fail_file(tensors, "its header does not start with '{'");
    mr_json_watch();
    tensors->header = json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES, &error);
    if (mr_json_is_out_of_memory())
        return mr_fail_memory(tensors->path);
    return tensors->header != NULL ? MR_OK : fail_file(tensors, error.text);
}

// Finds the header and parses it. `data` is what comes after it.
static mr_status read_header(mr_tensors *tensors, size_t n_bytes, mr_bytes *data) {
    uint64_t length;
    if (n_bytes < MR_TENSORS_LENGTH_SIZE)
        return fail_file(tensors, "it is shorter than 8 bytes");
    memcpy(&length, tensors->bytes, MR_TENSORS_LENGTH_SIZE);
    if (length > MR_TENSORS_MAX_HEADER)
        return fail_file(tensors, "its header would be over 100,000,000 bytes");
    if (length > n_bytes - MR_TENSORS_LENGTH_SIZE)
        return fail_file(tensors, "it ends within its header");
    const char *text = tensors->bytes + MR_TENSORS_LENGTH_SIZE;
    data->data = text + length;
    data->n_bytes = n_bytes - MR_TENSORS_LENGTH_SIZE - length;
    return parse_header(tensors, text, length);
}

static mr_status check_notes(const mr_tensors *tensors) {
    json_t *notes = json_object_get(tensors->header, mr_tensors_notes_key);
    const char *key;
    json_t *value;
    if (notes != NULL && !json_is_object(notes))
        return fail_file(tensors, "its __metadata__ is not an object");
    json_object_foreach(notes, key, value) {
        if (!json_is_string(value))
            return fail_file(tensors, "its __metadata__ has a value that is not text");
    }
    return MR_OK;
}

static mr_status read_dtype(const mr_tensors *tensors, json_t *json, mr_tensor *tensor) {
    const char *name = json_string_value(json_object_get(json, "dtype"));
    if (name == NULL)
        return fail_array(tensors, tensor->name, "has no dtype");
    for (size_t i = 0; i < MR_COUNT(mr_dtypes); i++) {
        if (strcmp(name, mr_dtypes[i].name) == 0) {
            tensor->dtype = (mr_dtype)i;
            return MR_OK;
        }
    }
    return mr_fail(MR_ERR_INPUT,
                   "%s: array '%.200s' holds %.20s numbers; only F32, F64, I64 and U8 can be read, "
                   "so convert it first",
                   tensors->path, tensor->name, name);
}

static bool read_sizes(const json_t *json, size_t n, size_t *out) {
    for (size_t i = 0; i < n; i++) {
        const json_t *size = json_array_get(json, i);
        if (!json_is_integer(size) || json_integer_value(size) < 0)
            return false;
        out[i] = (size_t)json_integer_value(size);
    }
    return true;
}

static mr_status read_shape(const mr_tensors *tensors, json_t *json, file_array *array) {
    const json_t *shape = json_object_get(json, "shape");
    const size_t n_dims = json_array_size(shape);
    array->shape = malloc((n_dims + 1) * sizeof *array->shape);
    if (array->shape == NULL)
        return mr_fail_memory(tensors->path);
    if (!json_is_array(shape) || !read_sizes(shape, n_dims, array->shape))
        return fail_array(tensors, array->tensor.name, "has no shape of whole numbers");
    array->tensor.n_dims = n_dims;
    array->tensor.shape = array->shape;
    return MR_OK;
}

static mr_status read_range(const mr_tensors *tensors, json_t *json, mr_bytes data,
                            mr_tensor *tensor) {
    const json_t *range = json_object_get(json, "data_offsets");
    size_t offsets[2], n_bytes;
    if (json_array_size(range) != 2 || !read_sizes(range, 2, offsets))
        return fail_array(tensors, tensor->name, "has no data_offsets of two whole numbers");
    if (offsets[0] > offsets[1])
        return fail_array(tensors, tensor->name, "ends before it starts");
    if (offsets[1] > data.n_bytes)
        return fail_array(tensors, tensor->name, "goes beyond the end of the file");
    if (!mr_tensors_count_bytes(tensor->dtype, tensor->n_dims, tensor->shape, &n_bytes))
        return fail_array(tensors, tensor->name, "has an impossible shape");
    if (n_bytes != offsets[1] - offsets[0])
        return fail_array(tensors, tensor->name, "has a shape that does not fit its data_offsets");
    tensor->data = (const char *)data.data + offsets[0];
    tensor->n_bytes = n_bytes;
    return MR_OK;
}

static mr_status read_array(const mr_tensors *tensors, json_t *json, mr_bytes data,
                            file_array *array) {
    mr_status status;
    MR_TRY(read_dtype(tensors, json, &array->tensor));
    MR_TRY(read_shape(tensors, json, array));
    MR_TRY(read_range(tensors, json, data, &array->tensor));
done:
    return status;
}

static mr_status read_arrays(mr_tensors *tensors, mr_bytes data) {
    const char *name;
    json_t *json;
    tensors->arrays = calloc(json_object_size(tensors->header) + 1, sizeof *tensors->arrays);
    if (tensors->arrays == NULL)
        return mr_fail_memory(tensors->path);
    json_object_foreach(tensors->header, name, json) {
        if (strcmp(name, mr_tensors_notes_key) == 0)
            continue;
        file_array *array = &tensors->arrays[tensors->n++];
        array->tensor.name = name;
        const mr_status status = read_array(tensors, json, data, array);
        if (status != MR_OK)
            return status;
    }
    return MR_OK;
}

// In the order of their places. Empty arrays come before the one that starts where they are.
static int compare_places(const void *left, const void *right) {
    const mr_tensor *a = *(const mr_tensor *const *)left, *b = *(const mr_tensor *const *)right;
    if (a->data != b->data)
        return (const char *)a->data < (const char *)b->data ? -1 : 1;
    return a->n_bytes < b->n_bytes ? -1 : a->n_bytes > b->n_bytes;
}

static mr_status check_gaps(const mr_tensors *tensors, const mr_tensor *const *sorted,
                            mr_bytes data) {
    const char *end = data.data;
    for (size_t i = 0; i < tensors->n; i++) {
        if (sorted[i]->data != end)
            return fail_array(tensors, sorted[i]->name,
                              (const char *)sorted[i]->data < end ? "overlaps another one"
                                                                  : "comes after a gap");
        end += sorted[i]->n_bytes;
    }
    if (end != (const char *)data.data + data.n_bytes)
        return fail_file(tensors, "it has bytes that belong to no array");
    return MR_OK;
}

// The arrays must fill the data exactly.
static mr_status check_places(const mr_tensors *tensors, mr_bytes data) {
    const mr_tensor **sorted = malloc((tensors->n + 1) * sizeof *sorted);
    if (sorted == NULL)
        return mr_fail_memory(tensors->path);
    for (size_t i = 0; i < tensors->n; i++)
        sorted[i] = &tensors->arrays[i].tensor;
    qsort(sorted, tensors->n, sizeof *sorted, compare_places);
    const mr_status status = check_gaps(tensors, sorted, data);
    free(sorted);
    return status;
}

// Other writers may pad the header differently, or put an array of bytes before one of floats.
static mr_status align(const mr_tensors *tensors, file_array *array) {
    mr_tensor *tensor = &array->tensor;
    if ((uintptr_t)tensor->data % mr_dtypes[tensor->dtype].size == 0)
        return MR_OK;
    array->aligned = malloc(tensor->n_bytes + 1);
    if (array->aligned == NULL)
        return mr_fail_memory(tensors->path);
    memcpy(array->aligned, tensor->data, tensor->n_bytes);
    tensor->data = array->aligned;
    return MR_OK;
}

// Takes over `bytes`, which are from malloc, also on failure.
static mr_status parse(const char *path, char *bytes, size_t n_bytes, mr_tensors **out) {
    mr_status status;
    mr_bytes data = {0};
    mr_tensors *tensors = calloc(1, sizeof *tensors);

    if (tensors == NULL) {
        free(bytes);
        return mr_fail_memory(path);
    }
    tensors->bytes = bytes;
    tensors->path = strdup(path);
    if (tensors->path == NULL) {
        status = mr_fail_memory(path);
        goto done;
    }
    MR_TRY(read_header(tensors, n_bytes, &data));
    MR_TRY(check_notes(tensors));
    MR_TRY(read_arrays(tensors, data));
    MR_TRY(check_places(tensors, data));
    for (size_t i = 0; i < tensors->n; i++)
        MR_TRY(align(tensors, &tensors->arrays[i]));
    *out = tensors;
    tensors = NULL;
done:
    mr_tensors_close(tensors);
    return status;
}

mr_status mr_tensors_open(const char *path, mr_tensors **out) {
    char *bytes;
    size_t n_bytes;
    const mr_status status = mr_file_read(path, &bytes, &n_bytes);
    return status == MR_OK ? parse(path, bytes, n_bytes, out) : status;
}

mr_status mr_tensors_read_memory(const char *name, const void *bytes, size_t n_bytes,
                                 mr_tensors **out) {
    char *copy = malloc(n_bytes + 1);
    if (copy == NULL)
        return mr_fail_memory(name);
    memcpy(copy, bytes, n_bytes);
    return parse(name, copy, n_bytes, out);
}

const char *mr_tensors_path(const mr_tensors *tensors) {
    return tensors->path;
}

size_t mr_tensors_count(const mr_tensors *tensors) {
    return tensors->n;
}

mr_tensor mr_tensors_at(const mr_tensors *tensors, size_t i) {
    return tensors->arrays[i].tensor;
}

// As "F32 [256, 17]". A shape that is too long is cut.
static void describe(mr_dtype dtype, size_t n_dims, const size_t *shape,
                     char out[DESCRIPTION_SIZE]) {
    size_t n = (size_t)snprintf(out, DESCRIPTION_SIZE, "%s [", mr_dtypes[dtype].name);
    for (size_t i = 0; i < n_dims && n < DESCRIPTION_SIZE; i++)
        n += (size_t)snprintf(out + n, DESCRIPTION_SIZE - n, i == 0 ? "%zu" : ", %zu", shape[i]);
    if (n < DESCRIPTION_SIZE)
        snprintf(out + n, DESCRIPTION_SIZE - n, "]");
}

static bool same_shape(const mr_tensor *tensor, size_t n_dims, const size_t *shape) {
    bool is_same = tensor->n_dims == n_dims;
    for (size_t i = 0; i < n_dims && is_same; i++)
        is_same = tensor->shape[i] == shape[i];
    return is_same;
}

static mr_status fail_mismatch(const mr_tensors *tensors, const mr_tensor *found,
                               const char *expected) {
    char description[DESCRIPTION_SIZE];
    describe(found->dtype, found->n_dims, found->shape, description);
    return mr_fail(MR_ERR_INPUT,
                   "%s: array '%s' is %s, %s is needed; was it saved by another model?",
                   tensors->path, found->name, description, expected);
}

bool mr_tensors_find(const mr_tensors *tensors, const char *name, mr_tensor *out) {
    for (size_t i = 0; i < tensors->n; i++)
        if (strcmp(tensors->arrays[i].tensor.name, name) == 0) {
            *out = tensors->arrays[i].tensor;
            return true;
        }
    return false;
}

mr_status mr_tensors_get(const mr_tensors *tensors, const char *name, mr_dtype dtype, size_t n_dims,
                         const size_t *shape, const void **data) {
    char expected[DESCRIPTION_SIZE];
    mr_tensor found;
    describe(dtype, n_dims, shape, expected);
    if (!mr_tensors_find(tensors, name, &found))
        return mr_fail(MR_ERR_INPUT,
                       "%s: no array '%s', %s is needed; was it saved by another model?",
                       tensors->path, name, expected);
    if (found.dtype != dtype || !same_shape(&found, n_dims, shape))
        return fail_mismatch(tensors, &found, expected);
    *data = found.data;
    return MR_OK;
}

const char *mr_tensors_note(const mr_tensors *tensors, const char *key) {
    return json_string_value(
        json_object_get(json_object_get(tensors->header, mr_tensors_notes_key), key));
}

mr_status mr_tensors_get_count(const mr_tensors *tensors, const char *key, uint64_t *count) {
    const char *text = mr_tensors_note(tensors, key);
    char *end = NULL;
    const bool is_digit = text && text[0] >= '0' && text[0] <= '9';
    const uint64_t found = is_digit ? strtoull(text, &end, 10) : 0;
    if (!end || *end != '\0')
        return mr_fail(MR_ERR_INPUT,
                       "%s: %s in its metadata is not a count; the file is damaged, take another "
                       "copy",
                       tensors->path, key);
    *count = found;
    return MR_OK;
}
