/// For those who write targets: one file with a `mr_target_kind`, one line in flows/targets.c.
/// Private to flows/.
#pragma once

#include "flows/targets.h"

typedef struct mr_target_kind {
    const char *name;
    const char *usage;
    const char *summary; // one line
    size_t dim;          // dim, log_z and view as in mr_target, unless `open` sets them
    double log_z;
    double view;
    mr_node *(*build)(const mr_target *target, mr_node *x);

    /// Reads what follows the colon of `text`, "" where nothing does, and sets what depends on it.
    /// `target` is zeroed but for the above. NULL: nothing may follow.
    mr_status (*open)(mr_target *target, const char *text, const char *argument, mr_header header);
    /// Releases what `open` has set, also after it failed. NULL: there is nothing to release.
    void (*close)(mr_target *target);
} mr_target_kind;
