/// The built-in targets of variational inference, each a formula over graph nodes.
///
/// A target is described by one short text, KIND or KIND:argument: "u2", "funnel:dim=10",
/// "logistic:data.csv". What each kind is stands in its file, flows/target_*.c.
#pragma once

#include "flows/vi.h"
#include "base/matrix_file.h"

/// Makes the target that a text describes, `header` being that of its table. The caller frees it.
/// Fails with MR_ERR_USAGE on a text that is not understood (the message lists the choices), and as
/// reading does where a target's data cannot be read.
mr_status mr_target_new(const char *text, mr_header header, mr_target **out);
void mr_target_free(mr_target *target);

/// What kinds of target there are.
typedef struct {
    const char *usage; // how it is written: "logistic:DATA.csv"
    const char *summary;
} mr_target_entry;

size_t mr_target_count(void);
mr_target_entry mr_target_at(size_t i);
