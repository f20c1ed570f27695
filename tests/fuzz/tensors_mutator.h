/// Mutates safetensors files as such: most of them stay files whose header fits their data, so that
/// what reads them is reached.
#pragma once

#include <jansson.h>

#include "base/tensors_internal.h"
#include "tests/fuzz/fuzz.h"

enum { FUZZ_HEAD = MR_TENSORS_LENGTH_SIZE };

/// A file taken apart.
typedef struct {
    const uint8_t *header, *data;
    size_t n_header, n_data;
} fuzz_parts;

static inline bool fuzz_take_apart(const uint8_t *file, size_t n_bytes, fuzz_parts *out) {
    uint64_t length;
    if (n_bytes < FUZZ_HEAD)
        return false;
    memcpy(&length, file, FUZZ_HEAD);
    if (length > n_bytes - FUZZ_HEAD)
        return false;
    *out = (fuzz_parts){file + FUZZ_HEAD, file + FUZZ_HEAD + length, length,
                        n_bytes - FUZZ_HEAD - length};
    return true;
}

static inline size_t fuzz_offset(const json_t *array, size_t i) {
    const json_int_t offset =
        json_integer_value(json_array_get(json_object_get(array, "data_offsets"), i));
    return offset < 0 ? 0 : (size_t)offset;
}

// The bytes of a number of an array's type, and of the array; 0: it has none such.
static inline size_t fuzz_sizes(const json_t *array, size_t max_bytes, size_t *n_bytes) {
    const char *dtype = json_string_value(json_object_get(array, "dtype"));
    const json_t *shape = json_object_get(array, "shape");
    size_t size = 0, n = 1;
    for (size_t i = 0; dtype != NULL && i < MR_N_DTYPES; i++)
        if (strcmp(dtype, mr_dtypes[i].name) == 0)
            size = mr_dtypes[i].size;
    for (size_t i = 0; i < json_array_size(shape); i++) {
        const json_int_t m = json_integer_value(json_array_get(shape, i));
        if (m < 0 || m > (json_int_t)max_bytes)
            return 0;
        n *= (size_t)m;
        if (n > max_bytes)
            return 0;
    }
    *n_bytes = n * size;
    return size;
}

// Gives each array the place that its shape needs, its old bytes, and zeros beyond; larger numbers
// first, as our writer does. Returns the bytes of data.
static inline size_t fuzz_place(json_t *header, const fuzz_parts *old, uint8_t *data,
                                size_t max_bytes) {
    static const size_t sizes[] = {8, 4, 1};
    size_t used = 0, n_bytes;
    const char *name;
    json_t *array;
    for (size_t k = 0; k < MR_COUNT(sizes); k++)
        json_object_foreach(header, name, array) {
            if (!json_is_object(array) || strcmp(name, mr_tensors_notes_key) == 0 ||
                fuzz_sizes(array, max_bytes, &n_bytes) != sizes[k] || n_bytes > max_bytes - used)
                continue;
            const size_t from = fuzz_offset(array, 0), to = fuzz_offset(array, 1);
            const size_t n_old = from <= to && to <= old->n_data ? to - from : 0;
            memset(data + used, 0, n_bytes);
            memcpy(data + used, old->data + (n_old > 0 ? from : 0),
                   n_old < n_bytes ? n_old : n_bytes);
            json_object_set_new(
                array, "data_offsets",
                json_pack("[I, I]", (json_int_t)used, (json_int_t)(used + n_bytes)));
            used += n_bytes;
        }
    return used;
}

// Puts a file together, if there is room; 0: there is none.
static inline size_t fuzz_put_together(json_t *header, const fuzz_parts *old, uint8_t *out,
                                       size_t max_bytes) {
    uint8_t *data = malloc(max_bytes);
    assert(data != NULL);
    const size_t n_data = fuzz_place(header, old, data, max_bytes);
    char *text = json_dumps(header, JSON_COMPACT);
    const uint64_t length = text != NULL ? strlen(text) : max_bytes;
    const bool fits = FUZZ_HEAD + length + n_data <= max_bytes;
    if (fits) {
        memcpy(out, &length, FUZZ_HEAD);
        memcpy(out + FUZZ_HEAD, text, length);
        memcpy(out + FUZZ_HEAD + length, data, n_data);
    }
    free(text);
    free(data);
    return fits ? FUZZ_HEAD + length + n_data : 0;
}

static inline json_t *fuzz_pick(json_t *object, unsigned draw, const char **key) {
    const size_t n = json_object_size(object);
    void *at = json_object_iter(object);
    for (size_t i = n > 0 ? draw % n : 0; i > 0; i--)
        at = json_object_iter_next(object, at);
    *key = at != NULL ? json_object_iter_key(at) : NULL;
    return at != NULL ? json_object_iter_value(at) : NULL;
}

// Another text for an entry of the metadata; texts that are not UTF-8 leave it as it was.
static inline void fuzz_mutate_note(json_t *header, unsigned draw) {
    enum { ROOM = 64 };
    const char *key;
    json_t *notes = json_object_get(header, mr_tensors_notes_key);
    json_t *note = fuzz_pick(notes, draw, &key);
    if (!json_is_string(note))
        return;
    const size_t n = json_string_length(note);
    uint8_t *text = malloc(n + ROOM);
    assert(text != NULL);
    memcpy(text, json_string_value(note), n);
    const size_t length = LLVMFuzzerMutate(text, n, n + ROOM);
    json_object_set_new(notes, key, json_stringn((const char *)text, length));
    free(text);
}

// Another shape, another type, another name, or no such array at all.
static inline void fuzz_mutate_array(json_t *header, unsigned draw) {
    const char *key;
    json_t *array = fuzz_pick(header, draw >> 3, &key);
    if (!json_is_object(array) || strcmp(key, mr_tensors_notes_key) == 0)
        return;
    json_t *shape = json_object_get(array, "shape");
    const size_t i = json_array_size(shape) > 0 ? (draw >> 9) % json_array_size(shape) : 0;
    const json_int_t size = json_integer_value(json_array_get(shape, i));
    switch (draw % 8) {
    case 0:
        json_object_del(header, key);
        break;
    case 1:
        json_object_set_new(array, "dtype", json_string(mr_dtypes[(draw >> 9) % MR_N_DTYPES].name));
        break;
    case 2:
        json_array_append_new(shape, json_integer((json_int_t)(draw >> 9) % 3));
        break;
    case 3:
        json_array_remove(shape, i);
        break;
    default:
        json_array_set_new(shape, i,
                           json_integer(draw % 8 == 4   ? size + 1
                                        : draw % 8 == 5 ? size - 1
                                                        : (json_int_t)(draw >> 9) % 64));
    }
}

// A number of the data becomes a special one.
static inline void fuzz_mutate_number(uint8_t *data, size_t n_data, unsigned draw) {
    static const double doubles[] = {0, -1, 1, 0.5, 1e9, 1e300, -1e300, 0x1p53, 1e-310};
    const double number = draw % 16 < MR_COUNT(doubles) ? doubles[draw % 16]
                          : draw % 2 == 0               ? (double)__builtin_nanf("")
                                                        : (double)__builtin_inff();
    const float narrow = number > 1e38 ? __builtin_inff() : (float)number;
    const int64_t whole = (int64_t)(draw >> 5) % 1000 - 10;
    const void *const bytes[] = {&number, &narrow, &whole};
    static const size_t sizes[] = {sizeof number, sizeof narrow, sizeof whole};
    const size_t k = (draw >> 4) % 3;
    if (n_data >= sizes[k])
        memcpy(data + (draw >> 6) % (n_data / sizes[k]) * sizes[k], bytes[k], sizes[k]);
}

size_t LLVMFuzzerCustomMutator(uint8_t *file, size_t n_bytes, size_t max_bytes, unsigned seed) {
    fuzz_parts old;
    const unsigned draw = seed * 2654435761u >> 3, way = seed % 8;
    if (way == 0 || !fuzz_take_apart(file, n_bytes, &old))
        return LLVMFuzzerMutate(file, n_bytes, max_bytes);
    if (way == 1) {
        if (old.n_data > 0) // of the same size afterwards
            LLVMFuzzerMutate(file + n_bytes - old.n_data, old.n_data, old.n_data);
        return n_bytes;
    }
    if (way == 2) {
        fuzz_mutate_number(file + n_bytes - old.n_data, old.n_data, draw);
        return n_bytes;
    }
    json_t *header = json_loadb((const char *)old.header, old.n_header, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(header)) {
        json_decref(header);
        return LLVMFuzzerMutate(file, n_bytes, max_bytes);
    }
    if (way < 6)
        fuzz_mutate_note(header, draw);
    else
        fuzz_mutate_array(header, draw);
    const size_t n = fuzz_put_together(header, &old, file, max_bytes);
    json_decref(header);
    return n > 0 ? n : n_bytes;
}
