/// Reads a run's event file from the description of its format: records (TFRecord) of Events in
/// protobuf's wire format. For tests alone; shares no code and no library with what writes them.
#pragma once

#include <glob.h>
#include <stdint.h>

#include "tests/scratch.h"

enum { EVENT_TAG_SIZE = 40 };

typedef struct {
    char tag[EVENT_TAG_SIZE];
    int64_t step;
    float value;
    double wall_time; // s since 1970
    size_t n_picture; // bytes of the .png that it is; 0: it is a number
} event_point;

typedef struct {
    char version[EVENT_TAG_SIZE];
    size_t n;
    event_point *points; // in the order of the file
} event_list;

/// CRC-32C, a bit at a time: reversed polynomial 0x82f63b78, all ones before and after.
static inline uint32_t event_crc32c(const uint8_t *bytes, size_t n_bytes) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n_bytes; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static inline uint64_t event_number(const uint8_t *bytes, size_t n_bytes) {
    uint64_t number = 0;
    for (size_t i = n_bytes; i-- > 0;)
        number = number << 8 | bytes[i];
    return number;
}

static inline void event_check(const uint8_t *bytes, size_t n_bytes) {
    const uint32_t crc = event_crc32c(bytes, n_bytes);
    cr_assert_eq(event_number(bytes + n_bytes, 4), (uint32_t)((crc >> 15 | crc << 17) + 0xa282ead8),
                 "a record's checksum is wrong");
}

/// A field of a message: its number, and its value or its bytes.
typedef struct {
    uint64_t number, value;
    const uint8_t *bytes; // NULL unless the field is a string or a message
    size_t n_bytes;
} event_field;

static inline uint64_t event_varint(const uint8_t **at, const uint8_t *end) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        cr_assert_lt(*at, end);
        const uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    cr_assert_fail("a number of more than ten bytes");
    return 0;
}

/// Takes the next field from [*at, end); false at the end.
static inline bool event_next(const uint8_t **at, const uint8_t *end, event_field *field) {
    if (*at == end)
        return false;
    const uint64_t key = event_varint(at, end);
    *field = (event_field){.number = key >> 3};
    const unsigned kind = key & 7;
    if (kind == 0) {
        field->value = event_varint(at, end);
        return true;
    }
    cr_assert(kind == 1 || kind == 2 || kind == 5, "wire type %u", kind);
    field->n_bytes = kind == 1 ? 8 : kind == 5 ? 4 : (size_t)event_varint(at, end);
    cr_assert_leq(field->n_bytes, (size_t)(end - *at));
    if (kind == 2)
        field->bytes = *at;
    else
        field->value = event_number(*at, field->n_bytes);
    *at += field->n_bytes;
    return true;
}

static inline void event_copy(const event_field *field, char text[EVENT_TAG_SIZE]) {
    cr_assert_lt(field->n_bytes, EVENT_TAG_SIZE);
    memcpy(text, field->bytes, field->n_bytes);
    text[field->n_bytes] = '\0';
}

// Value: tag = 1, simple_value = 2 or image = 4.
static inline void event_read_value(const event_field *value, event_point *point) {
    const uint8_t *at = value->bytes, *end = at + value->n_bytes;
    bool has_tag = false, has_value = false;
    for (event_field field; event_next(&at, end, &field);) {
        if (field.number == 1) {
            event_copy(&field, point->tag);
            has_tag = true;
        } else if (field.number == 2) {
            memcpy(&point->value, &(uint32_t){(uint32_t)field.value}, sizeof point->value);
            has_value = true;
        } else if (field.number == 4) { // a picture
            point->n_picture = field.n_bytes;
            has_value = true;
        }
    }
    cr_assert(has_tag && has_value);
}

// Summary: value = 1, repeated.
static inline void event_read_summary(const event_field *summary, event_point first,
                                      event_list *list) {
    const uint8_t *at = summary->bytes, *end = at + summary->n_bytes;
    for (event_field field; event_next(&at, end, &field);) {
        if (field.number != 1)
            continue;
        list->points = realloc(list->points, (list->n + 1) * sizeof *list->points);
        list->points[list->n] = first;
        event_read_value(&field, &list->points[list->n++]);
    }
}

// Event: wall_time = 1, step = 2, file_version = 3, summary = 5. Fields may come in any order.
static inline void event_read_event(const uint8_t *at, size_t n_bytes, event_list *list) {
    const uint8_t *end = at + n_bytes;
    event_point first = {0};
    event_field summary = {0};
    for (event_field field; event_next(&at, end, &field);) {
        if (field.number == 1)
            memcpy(&first.wall_time, &field.value, sizeof first.wall_time);
        else if (field.number == 2)
            first.step = (int64_t)field.value;
        else if (field.number == 3)
            event_copy(&field, list->version);
        else if (field.number == 5)
            summary = field;
    }
    cr_expect_gt(first.wall_time, 0);
    event_read_summary(&summary, first, list);
}

/// Path of the one event file in `dir`, to be freed.
static inline char *event_path(const char *dir) {
    char pattern[128];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/events.out.tfevents.*", dir);
    cr_assert_eq(glob(pattern, 0, NULL, &found), 0, "%s: no event file", dir);
    cr_assert_eq(found.gl_pathc, 1, "%s: more than one event file", dir);
    char *path = strdup(found.gl_pathv[0]);
    globfree(&found);
    return path;
}

/// Everything in the event file of `dir`; the caller frees the points.
static inline event_list event_read(const char *dir) {
    event_list list = {0};
    char *path = event_path(dir), *text;
    size_t n_bytes;
    cr_assert_eq(mr_file_read(path, &text, &n_bytes), MR_OK, "%s", mr_error_message());
    const uint8_t *at = (const uint8_t *)text, *end = at + n_bytes;
    while (at < end) {
        cr_assert_leq(16, end - at, "a torn record");
        event_check(at, 8);
        const uint64_t length = event_number(at, 8);
        cr_assert_leq(length, (uint64_t)(end - at - 16), "a torn record");
        event_check(at + 12, length);
        event_read_event(at + 12, length, &list);
        at += length + 16;
    }
    free(text);
    free(path);
    return list;
}
