/// Schedules of the learning rate over a run.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define MR_LR_SCHEDULE_WORDS "constant|linear|cosine"

typedef struct {
    double (*shape)(double x); // from 1 at x = 0 down to 0 at x = 1; NULL: constant
    double last;               // the factor at the end
    double n_updates;          // of the run, at least 1
} mr_lr_schedule;

/// The shape of that name; false if there is none.
bool mr_lr_schedule_find(const char *name, mr_lr_schedule *schedule);

/// The factor on the learning rate in update `index`, from 0: last + (1 - last) shape(x) with
/// x = index / n_updates, which optax's linear_schedule and cosine_decay_schedule compute too.
/// After the last update it stays at `last`.
double mr_lr_factor(const mr_lr_schedule *schedule, uint64_t index);
