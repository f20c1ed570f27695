// Safetensors files.

#include "nn/tensors.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "nn/file.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "safetensors files hold little-endian numbers, which are used here as they are");

enum {
    LENGTH_SIZE = sizeof(uint64_t),
    HEADER_ALIGNMENT = 8,        // the reference implementation pads the header to this
    MAX_HEADER_SIZE = 100000000, // the reference implementation's limit
    N_HEADER_PARTS = 3,          // length, text, padding
    DESCRIPTION_SIZE = 128,
};

static const char notes_key[] = "__metadata__";

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [MR_F32] = {"F32", 4},
    [MR_F64] = {"F64", 8},
    [MR_I64] = {"I64", 8},
    [MR_U8] = {"U8", 1},
};

// The bytes of an array. False where a number on the way is too large for JSON's integers.
static bool count_bytes(mr_dtype dtype, size_t n_dims, const size_t *shape, size_t *out) {
    int64_t n_bytes = (int64_t)dtypes[dtype].size;
    for (size_t i = 0; i < n_dims; i++)
        if (shape[i] > INT64_MAX || __builtin_mul_overflow(n_bytes, (int64_t)shape[i], &n_bytes))
            return false;
    *out = (size_t)n_bytes;
    return true;
}

// ---- Writing

typedef struct {
    mr_dtype dtype;
    mr_bytes bytes;
} added_array;

struct mr_tensors_writer {
    json_t *notes;       // key -> text
    json_t *shapes;      // array name -> sizes, in the order of addition
    added_array *arrays; // [n] in the same order
    size_t n;
    size_t capacity;
};

mr_status mr_tensors_writer_new(mr_tensors_writer **out) {
    mr_tensors_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return mr_fail_memory("a safetensors file");
    writer->notes = json_object();
    writer->shapes = json_object();
    if (writer->notes == NULL || writer->shapes == NULL) {
        mr_tensors_writer_free(writer);
        return mr_fail_memory("a safetensors file");
    }
    *out = writer;
    return MR_OK;
}

void mr_tensors_writer_free(mr_tensors_writer *writer) {
    if (writer == NULL)
        return;
    json_decref(writer->notes);
    json_decref(writer->shapes);
    free(writer->arrays);
    free(writer);
}

// Jansson refuses text that is not UTF-8, but reports it as it does a lack of memory.
static mr_status check_text(const char *what, const char *text) {
    json_t *json = json_string(text);
    const bool is_utf8 = json != NULL;
    if (!is_utf8)
        json = json_string_nocheck(text);
    const bool is_allocated = json != NULL;
    json_decref(json);
    if (!is_allocated)
        return mr_fail_memory(what);
    if (!is_utf8)
        return mr_fail(MR_ERR_INPUT, "%s '%.200s' is not UTF-8 text; write it in UTF-8", what,
                       text);
    return MR_OK;
}

mr_status mr_tensors_writer_note(mr_tensors_writer *writer, const char *key, const char *value) {
    mr_status status;
    MR_TRY(check_text("the metadata key", key));
    MR_TRY(check_text("the metadata value", value));
    if (json_object_set_new(writer->notes, key, json_string(value)) != 0)
        status = mr_fail_memory("a metadata entry");
done:
    return status;
}

static mr_status check_name(const mr_tensors_writer *writer, const char *name) {
    if (strcmp(name, notes_key) == 0)
        return mr_fail(MR_ERR_INPUT, "an array cannot be called %s; choose another name", name);
    if (json_object_get(writer->shapes, name) != NULL)
        return mr_fail(MR_ERR_INPUT, "two arrays of one file are called '%s'; rename one", name);
    return check_text("the array name", name);
}

static bool make_room(mr_tensors_writer *writer) {
    if (writer->n < writer->capacity)
        return true;
    const size_t capacity = writer->capacity == 0 ? 16 : 2 * writer->capacity;
    added_array *arrays = realloc(writer->arrays, capacity * sizeof *arrays);
    if (arrays == NULL)
        return false;
    writer->arrays = arrays;
    writer->capacity = capacity;
    return true;
}

// NULL when memory runs out, which the function that takes the result reports in turn.
static json_t *make_shape(size_t n_dims, const size_t *shape) {
    json_t *json = json_array();
    for (size_t i = 0; i < n_dims; i++) {
        if (json_array_append_new(json, json_integer((json_int_t)shape[i])) != 0) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

mr_status mr_tensors_writer_add(mr_tensors_writer *writer, const char *name, mr_dtype dtype,
                                size_t n_dims, const size_t *shape, const void *data) {
    size_t n_bytes;
    const mr_status status = check_name(writer, name);
    if (status != MR_OK)
        return status;
    if (!count_bytes(dtype, n_dims, shape, &n_bytes))
        return mr_fail(MR_ERR_INPUT, "the array '%s' is too large; use smaller sizes", name);
    if (!make_room(writer) ||
        json_object_set_new(writer->shapes, name, make_shape(n_dims, shape)) != 0)
        return mr_fail_memory(name);
    writer->arrays[writer->n++] = (added_array){dtype, {.data = data, .n_bytes = n_bytes}};
    return MR_OK;
}

// Gives each array its place: those of the largest elements first, as the reference implementation
// does, so that each is aligned in the file.
static void lay_out(const mr_tensors_writer *writer, size_t *starts, mr_bytes *parts) {
    size_t start = 0, n_placed = 0;
    for (size_t size = sizeof(int64_t); size > 0; size /= 2) {
        for (size_t i = 0; i < writer->n; i++) {
            const added_array *array = &writer->arrays[i];
            if (dtypes[array->dtype].size != size)
                continue;
            starts[i] = start;
            start += array->bytes.n_bytes;
            parts[n_placed++] = array->bytes;
        }
    }
}

static json_t *make_entry(const added_array *array, json_t *shape, size_t start) {
    return json_pack("{s:s, s:O, s:[I, I]}", "dtype", dtypes[array->dtype].name, "shape", shape,
                     "data_offsets", (json_int_t)start, (json_int_t)(start + array->bytes.n_bytes));
}

static mr_status make_header(const mr_tensors_writer *writer, const size_t *starts, char **out) {
    const char *name;
    json_t *shape;
    size_t i = 0;
    json_t *header = json_object();
    bool is_made = header != NULL;

    if (json_object_size(writer->notes) > 0)
        is_made = json_object_set(header, notes_key, writer->notes) == 0;
    json_object_foreach(writer->shapes, name, shape) {
        json_t *entry = make_entry(&writer->arrays[i], shape, starts[i]);
        is_made = is_made && json_object_set_new(header, name, entry) == 0;
        i++;
    }
    char *text = is_made ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    if (text == NULL)
        return mr_fail_memory("the header of a safetensors file");
    *out = text;
    return MR_OK;
}

mr_status mr_tensors_writer_write(const mr_tensors_writer *writer, const char *path) {
    static const char spaces[] = "       ";
    mr_status status;
    char *header = NULL;
    size_t *starts = malloc((writer->n + 1) * sizeof *starts);
    mr_bytes *parts = malloc((writer->n + N_HEADER_PARTS) * sizeof *parts);

    if (starts == NULL || parts == NULL) {
        status = mr_fail_memory(path);
        goto done;
    }
    lay_out(writer, starts, parts + N_HEADER_PARTS);
    MR_TRY(make_header(writer, starts, &header));
    const size_t n_text = strlen(header);
    const size_t n_spaces = (HEADER_ALIGNMENT - n_text % HEADER_ALIGNMENT) % HEADER_ALIGNMENT;
    const uint64_t length = n_text + n_spaces;
    if (length > MAX_HEADER_SIZE) {
        status = mr_fail(MR_ERR_INPUT, "cannot write %s: its header is over %d bytes; note less",
                         path, MAX_HEADER_SIZE);
        goto done;
    }
    parts[0] = (mr_bytes){&length, LENGTH_SIZE};
    parts[1] = (mr_bytes){header, n_text};
    parts[2] = (mr_bytes){spaces, n_spaces};
    status = mr_file_replace(path, writer->n + N_HEADER_PARTS, parts);
done:
    free(header);
    free(starts);
    free(parts);
    return status;
}

// ---- Reading

typedef struct {
    mr_tensor tensor;
    size_t *shape;
    void *aligned; // a copy of the data where the file's own is not aligned, else NULL
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
    tensors->header = json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES, &error);
    if (tensors->header != NULL)
        return MR_OK;
    if (error.text[0] == '\0') // jansson's way to say that memory ran out
        return mr_fail_memory(tensors->path);
    return fail_file(tensors, error.text);
}

// Finds the header and parses it. `data` is what comes after it.
static mr_status read_header(mr_tensors *tensors, size_t n_bytes, mr_bytes *data) {
    uint64_t length;
    if (n_bytes < LENGTH_SIZE)
        return fail_file(tensors, "it is shorter than 8 bytes");
    memcpy(&length, tensors->bytes, LENGTH_SIZE);
    if (length > MAX_HEADER_SIZE)
        return fail_file(tensors, "its header would be over 100,000,000 bytes");
    if (length > n_bytes - LENGTH_SIZE)
        return fail_file(tensors, "it ends within its header");
    const char *text = tensors->bytes + LENGTH_SIZE;
    data->data = text + length;
    data->n_bytes = n_bytes - LENGTH_SIZE - length;
    return parse_header(tensors, text, length);
}

static mr_status check_notes(const mr_tensors *tensors) {
    json_t *notes = json_object_get(tensors->header, notes_key);
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
    for (size_t i = 0; i < MR_COUNT(dtypes); i++) {
        if (strcmp(name, dtypes[i].name) == 0) {
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
    if (!count_bytes(tensor->dtype, tensor->n_dims, tensor->shape, &n_bytes))
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
        if (strcmp(name, notes_key) == 0)
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
    if ((uintptr_t)tensor->data % dtypes[tensor->dtype].size == 0)
        return MR_OK;
    array->aligned = malloc(tensor->n_bytes + 1);
    if (array->aligned == NULL)
        return mr_fail_memory(tensors->path);
    memcpy(array->aligned, tensor->data, tensor->n_bytes);
    tensor->data = array->aligned;
    return MR_OK;
}

mr_status mr_tensors_open(const char *path, mr_tensors **out) {
    mr_status status;
    size_t n_bytes;
    mr_bytes data;
    mr_tensors *tensors = calloc(1, sizeof *tensors);

    if (tensors == NULL || (tensors->path = strdup(path)) == NULL) {
        status = mr_fail_memory(path);
        goto done;
    }
    MR_TRY(mr_file_read(path, &tensors->bytes, &n_bytes));
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
    size_t n = (size_t)snprintf(out, DESCRIPTION_SIZE, "%s [", dtypes[dtype].name);
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

mr_status mr_tensors_get(const mr_tensors *tensors, const char *name, mr_dtype dtype, size_t n_dims,
                         const size_t *shape, const void **data) {
    char expected[DESCRIPTION_SIZE];
    describe(dtype, n_dims, shape, expected);
    for (size_t i = 0; i < tensors->n; i++) {
        const mr_tensor *found = &tensors->arrays[i].tensor;
        if (strcmp(found->name, name) != 0)
            continue;
        if (found->dtype != dtype || !same_shape(found, n_dims, shape))
            return fail_mismatch(tensors, found, expected);
        *data = found->data;
        return MR_OK;
    }
    return mr_fail(MR_ERR_INPUT, "%s: no array '%s', %s is needed; was it saved by another model?",
                   tensors->path, name, expected);
}

const char *mr_tensors_note(const mr_tensors *tensors, const char *key) {
    return json_string_value(json_object_get(json_object_get(tensors->header, notes_key), key));
}
