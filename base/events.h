/// An event file: metrics of a run over its steps, for TensorBoard.
///
/// A file is a sequence of records (TFRecord): the payload's length as eight bytes, little-endian;
/// its checksum; the payload, an Event as protobuf (events.proto); its checksum. The first event
/// names the version of the format, "brain.Event:2". The checksums are CRC-32C, rotated right by 15
/// bits plus 0xa282ead8.
#pragma once

#include "base/picture.h"
#include "base/status.h"

typedef struct mr_events mr_events;

/// A metric under its name. TensorBoard keeps it as float32.
typedef struct {
    const char *tag; // "rollout/ep_rew_mean"
    double value;
} mr_scalar;

/// Creates a file in the directory `dir`: events.out.tfevents.SECONDS.HOST. The caller closes it.
/// On failure no file is left.
mr_status mr_events_create(const char *dir, mr_events **out);

/// Opens the newest event file in `dir` to append to it, or creates one if there is none. The
/// caller closes it.
mr_status mr_events_open(const char *dir, mr_events **out);

/// Closes it; NULL is fine.
void mr_events_close(mr_events *events);

/// Its path. Owned by `events`.
const char *mr_events_path(const mr_events *events);

/// Adds scalars [n] of a step, with the time of day. All are in one record: fails with MR_ERR_IO,
/// and then none of them is in the file.
mr_status mr_events_add(mr_events *events, size_t step, size_t n, const mr_scalar *scalars);

/// Adds a picture of a step, in a record of its own; otherwise as mr_events_add.
mr_status mr_events_add_picture(mr_events *events, size_t step, const char *tag,
                                const mr_picture *picture);

/// Waits until all of it is on the disk. `n_bytes`: out, the size of the file.
mr_status mr_events_sync(mr_events *events, size_t *n_bytes);

/// Truncates it to this size. A shorter file is not the one that had this size, because that one
/// was removed: it begins anew.
mr_status mr_events_cut(mr_events *events, size_t n_bytes);
