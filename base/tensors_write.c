// Writing safetensors files.

#include "base/tensors_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "base/json_memory.h"

enum {
    HEADER_ALIGNMENT = 8, // the reference implementation pads the header to this
    N_HEADER_PARTS = 3,   // length, text, padding
};

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

static mr_status check_text(const char *what, const char *text) {
    bool is_utf8;
    const mr_status status = mr_json_check_utf8(text, &is_utf8);
    if (status != MR_OK)
        return status;
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

mr_status mr_tensors_writer_note_count(mr_tensors_writer *writer, const char *key, uint64_t count) {
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, count);
    return mr_tensors_writer_note(writer, key, text);
}

static mr_status check_name(const mr_tensors_writer *writer, const char *name) {
    if (strcmp(name, mr_tensors_notes_key) == 0)
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
    if (!mr_tensors_count_bytes(dtype, n_dims, shape, &n_bytes))
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
            if (mr_dtypes[array->dtype].size != size)
                continue;
            starts[i] = start;
            start += array->bytes.n_bytes;
            parts[n_placed++] = array->bytes;
        }
    }
}

static json_t *make_entry(const added_array *array, json_t *shape, size_t start) {
    return json_pack("{s:s, s:O, s:[I, I]}", "dtype", mr_dtypes[array->dtype].name, "shape", shape,
                     "data_offsets", (json_int_t)start, (json_int_t)(start + array->bytes.n_bytes));
}

static mr_status make_header(const mr_tensors_writer *writer, const size_t *starts, char **out) {
    const char *name;
    json_t *shape;
    size_t i = 0;
    mr_json_watch();
    json_t *header = json_object();
    bool is_made = header != NULL;

    if (is_made && json_object_size(writer->notes) > 0)
        is_made = json_object_set(header, mr_tensors_notes_key, writer->notes) == 0;
    json_object_foreach(writer->shapes, name, shape) {
        if (is_made)
            is_made = json_object_set_new(header, name,
                                          make_entry(&writer->arrays[i], shape, starts[i])) == 0;
        i++;
    }
    char *text = is_made ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    if (text == NULL || mr_json_is_out_of_memory()) {
        free(text);
        return mr_fail_memory("the header of a safetensors file");
    }
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
    if (length > MR_TENSORS_MAX_HEADER) {
        status = mr_fail(MR_ERR_INPUT, "cannot write %s: its header is over %d bytes; note less",
                         path, MR_TENSORS_MAX_HEADER);
        goto done;
    }
    parts[0] = (mr_bytes){&length, MR_TENSORS_LENGTH_SIZE};
    parts[1] = (mr_bytes){header, n_text};
    parts[2] = (mr_bytes){spaces, n_spaces};
    status = mr_file_replace(path, writer->n + N_HEADER_PARTS, parts);
done:
    free(header);
    free(starts);
    free(parts);
    return status;
}
