/// Policies as files that run without millrace (docs/export.md).
///
/// They compute the action of an observation, with noise or without, in the task's own units; the
/// policy must act in one pass.
#pragma once

#include "agents/policy.h"

/// Writes a policy as one C99 file, replaced atomically. Its function is named after the file.
///
/// Fails with MR_ERR_USAGE if the deterministic action is chosen among samples, with MR_ERR_INPUT,
/// naming the op, if the flow is not one pass, with MR_ERR_NUMERIC if a parameter is not finite,
/// and with MR_ERR_IO.
mr_status mr_export_c(const mr_policy *policy, const char *path);
