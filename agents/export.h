/// Policies as files that run without millrace (docs/export.md).
///
/// They compute the action of an observation, with noise or without, in the task's own units; the
/// policy must act in one pass.
#pragma once

#include "agents/policy.h"

/// Writes a policy as an ONNX model, opset 14, replaced atomically.
///
///   input  obs       [batch x obs_dim] float32, the task's own units, not normalised
///          noise     [batch x act_dim] standard normals; if `stochastic`
///   output actions   [batch x act_dim] float32, the task's own units, within its bounds
///          log_prob  [batch] nats, as of mr_policy_sample; if `stochastic`
///
/// Its metadata has the keys of a policy file's: env, env_set, policy, act_low, act_high; and
/// millrace_version. Fails as mr_export_c does, and with MR_ERR_USAGE if `stochastic` but the
/// policy is not. Samples are one pass, whatever the deterministic action is.
mr_status mr_export_onnx(const mr_policy *policy, bool stochastic, const char *path);

/// Writes a policy as one C99 file, replaced atomically. Its function is named after the file.
///
/// Fails with MR_ERR_USAGE if the deterministic action is chosen among samples, with MR_ERR_INPUT,
/// naming the op, if the flow is not one pass, with MR_ERR_NUMERIC if a parameter is not finite,
/// and with MR_ERR_IO.
mr_status mr_export_c(const mr_policy *policy, const char *path);
