// Event files of TensorBoard.

#include "base/events.h"

#include <dirent.h>
#include <endian.h>
#include <isa-l/crc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/growing_file.h"
#include "events.pb-c.h"

static const char name_prefix[] = "events.out.tfevents.";
static const char format_version[] = "brain.Event:2";

enum { MAX_HOST = 256, CHECKSUM_SIZE = sizeof(uint32_t) };

struct mr_events {
    mr_growing_file *file;
};

// ---- Records

static uint32_t checksum(uint8_t *bytes, size_t n_bytes) {
    const uint32_t crc = ~crc32_iscsi(bytes, (int)n_bytes, UINT32_MAX);
    return htole32((crc >> 15 | crc << 17) + 0xa282ead8u);
}

// Adds head and checksum to a record whose payload is in its place already.
static void frame(uint8_t *record, size_t n_payload) {
    const uint64_t length = htole64(n_payload);
    uint8_t *payload = record + sizeof length + CHECKSUM_SIZE;
    memcpy(record, &length, sizeof length);
    memcpy(record + sizeof length, &(uint32_t){checksum(record, sizeof length)}, CHECKSUM_SIZE);
    memcpy(payload + n_payload, &(uint32_t){checksum(payload, n_payload)}, CHECKSUM_SIZE);
}

static mr_status append(mr_events *events, Mr__Tensorboard__Event *event) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    event->wall_time = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;

    const size_t n_payload = mr__tensorboard__event__get_packed_size(event);
    const size_t n_head = sizeof(uint64_t) + CHECKSUM_SIZE;
    const size_t n_bytes = n_head + n_payload + CHECKSUM_SIZE;
    uint8_t *record = malloc(n_bytes);
    if (record == NULL)
        return mr_fail_memory("an event");
    mr__tensorboard__event__pack(event, record + n_head);
    frame(record, n_payload);
    const mr_status status = mr_growing_file_append(events->file, record, n_bytes);
    free(record);
    return status;
}

static mr_status append_version(mr_events *events) {
    Mr__Tensorboard__Event event = MR__TENSORBOARD__EVENT__INIT;
    char version[sizeof format_version];
    memcpy(version, format_version, sizeof version);
    event.file_version = version;
    return append(events, &event);
}

// ---- Files

static mr_status events_new(mr_events **out) {
    *out = calloc(1, sizeof **out);
    return *out != NULL ? MR_OK : mr_fail_memory("an event file");
}

// TensorBoard reads a directory's event files in the order of their names, so time comes first.
// Several files of a second are counted, after the host.
static mr_status name_file(const char *dir, char **out) {
    char host[MAX_HOST] = "", number[24] = "";
    const long long second = (long long)time(NULL);
    gethostname(host, sizeof host - 1);
    for (size_t k = 1;; k++) {
        if (asprintf(out, "%s/%s%010lld.%s%s", dir, name_prefix, second, host, number) < 0) {
            *out = NULL;
            return mr_fail_memory("a file name");
        }
        if (!mr_file_is_there(*out))
            return MR_OK;
        free(*out);
        snprintf(number, sizeof number, ".%zu", k);
    }
}

mr_status mr_events_create(const char *dir, mr_events **out) {
    mr_status status;
    char *path = NULL;
    mr_events *events = NULL;
    MR_TRY(name_file(dir, &path));
    MR_TRY(events_new(&events));
    MR_TRY(mr_growing_file_create(path, &events->file));
    status = append_version(events);
    if (status != MR_OK) {
        unlink(path);
        goto done;
    }
    *out = events;
    events = NULL;
done:
    mr_events_close(events);
    free(path);
    return status;
}

static int is_event_file(const struct dirent *entry) {
    return strncmp(entry->d_name, name_prefix, sizeof name_prefix - 1) == 0;
}

// `*out`: the path, to be freed; NULL if there is none.
static mr_status find_newest(const char *dir, char **out) {
    mr_status status = MR_OK;
    struct dirent **entries;
    const int n = scandir(dir, &entries, is_event_file, alphasort);
    *out = NULL;
    if (n > 0 && asprintf(out, "%s/%s", dir, entries[n - 1]->d_name) < 0) {
        *out = NULL;
        status = mr_fail_memory("a file name");
    }
    for (int i = 0; i < n; i++)
        free(entries[i]);
    if (n >= 0)
        free(entries);
    return status;
}

mr_status mr_events_open(const char *dir, mr_events **out) {
    mr_status status;
    char *path = NULL;
    mr_events *events = NULL;
    MR_TRY(find_newest(dir, &path));
    if (path == NULL)
        return mr_events_create(dir, out);
    MR_TRY(events_new(&events));
    MR_TRY(mr_growing_file_open(path, &events->file));
    *out = events;
    events = NULL;
done:
    mr_events_close(events);
    free(path);
    return status;
}

void mr_events_close(mr_events *events) {
    if (events == NULL)
        return;
    mr_growing_file_close(events->file);
    free(events);
}

const char *mr_events_path(const mr_events *events) {
    return mr_growing_file_path(events->file);
}

// ---- Scalars

// The tags are borrowed: protobuf-c only reads them.
static void fill_values(size_t n, const mr_scalar *scalars, Mr__Tensorboard__Value *values,
                        Mr__Tensorboard__Value **pointers) {
    for (size_t i = 0; i < n; i++) {
        mr__tensorboard__value__init(&values[i]);
        values[i].tag = (char *)scalars[i].tag;
        values[i].has_simple_value = true;
        values[i].simple_value = (float)scalars[i].value;
        pointers[i] = &values[i];
    }
}

static mr_status append_values(mr_events *events, size_t step, size_t n,
                               Mr__Tensorboard__Value **values) {
    Mr__Tensorboard__Summary summary = MR__TENSORBOARD__SUMMARY__INIT;
    summary.n_value = n;
    summary.value = values;
    Mr__Tensorboard__Event event = MR__TENSORBOARD__EVENT__INIT;
    event.has_step = true;
    event.step = (int64_t)step;
    event.summary = &summary;
    return append(events, &event);
}

mr_status mr_events_add(mr_events *events, size_t step, size_t n, const mr_scalar *scalars) {
    mr_status status;
    Mr__Tensorboard__Value *values = calloc(n + 1, sizeof *values);
    Mr__Tensorboard__Value **pointers = calloc(n + 1, sizeof *pointers);
    if (values == NULL || pointers == NULL) {
        status = mr_fail_memory("an event");
        goto done;
    }
    fill_values(n, scalars, values, pointers);
    status = append_values(events, step, n, pointers);
done:
    free(values);
    free(pointers);
    return status;
}

// ---- Pictures

mr_status mr_events_add_picture(mr_events *events, size_t step, const char *tag,
                                const mr_picture *picture) {
    unsigned char *png;
    size_t n_bytes;
    mr_status status = mr_picture_encode(picture, &png, &n_bytes);
    if (status != MR_OK)
        return status;
    Mr__Tensorboard__Image image = MR__TENSORBOARD__IMAGE__INIT;
    image.height = (int32_t)picture->height;
    image.width = (int32_t)picture->width;
    image.colorspace = (int32_t)picture->channels;
    image.encoded_image_string = (ProtobufCBinaryData){n_bytes, png};
    Mr__Tensorboard__Value value = MR__TENSORBOARD__VALUE__INIT;
    value.tag = (char *)tag;
    value.image = &image;
    status = append_values(events, step, 1, &(Mr__Tensorboard__Value *){&value});
    free(png);
    return status;
}

mr_status mr_events_sync(mr_events *events, size_t *n_bytes) {
    const mr_status status = mr_growing_file_sync(events->file);
    if (status == MR_OK)
        *n_bytes = mr_growing_file_size(events->file);
    return status;
}

mr_status mr_events_cut(mr_events *events, size_t n_bytes) {
    if (mr_growing_file_size(events->file) >= n_bytes)
        return mr_growing_file_cut(events->file, n_bytes);
    const mr_status status = mr_growing_file_cut(events->file, 0);
    return status == MR_OK ? append_version(events) : status;
}
