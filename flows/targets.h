/// The built-in targets of variational inference, each a formula over graph nodes.
///
/// A target is described by one short text, KIND or KIND:argument: "u2", "funnel:dim=10",
/// "logistic:data.csv". What each kind is stands in its file, flows/target_*.c.
#pragma once

#include "flows/vi.h"
#include "base/matrix_file.h"

/// Makes the target that a text describes, `header` being that of its table. The caller frees it.
/// Fails with MR_ERR_USAGE on a text that is not understood (the message lists the choices), and as
/// reading does if a target's data cannot be read.
mr_status mr_target_new(const char *text, mr_header header, mr_target **out);
void mr_target_free(mr_target *target);

/// What kinds of target there are.
typedef struct {
    const char *usage; // how it is written: "logistic:DATA.csv"
    const char *summary;
} mr_target_entry;

size_t mr_target_count(void);
mr_target_entry mr_target_at(size_t i);

// ---- For those who write targets: one file with a `mr_target_kind`, one line in flows/targets.c

typedef struct mr_target_kind {
    const char *name;
    const char *usage;
    const char *summary; // one line
    size_t dim;          // dim, log_z and view as in mr_target, unless `open` sets them
    double log_z;
    double view;
    mr_node *(*build)(const mr_target *target, mr_node *x);

    /// Reads what follows the colon of `text`, "" if nothing does, and sets what depends on it.
    /// `target` is zeroed but for the above. NULL: nothing may follow.
    mr_status (*open)(mr_target *target, const char *text, const char *argument, mr_header header);
    /// Releases what `open` has set, also after it failed. NULL: there is nothing to release.
    void (*close)(mr_target *target);
} mr_target_kind;
