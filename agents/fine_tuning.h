/// Fine-tuning: a new run that begins with the nets of another, its source (`--from`).
///
/// The source is the directory of a run, which has all nets of the agent and the running statistics
/// of rewards and observations, and may lend its replay buffer; or a policy file, which has the
/// policy alone. Optimizers begin anew, and so does an intrinsic reward.
#pragma once

#include "agents/updater.h"

/// Gives settings that describe nets (MR_ROLE_OF_NETS), and the replay buffer if it is wanted, the
/// values that they have in the source, unless they were set. Does nothing if there is no source.
/// Called for a new run, after its preset was applied. Fails with MR_ERR_USAGE if one was set to
/// another value than the source's, and if there is no such source.
mr_status mr_fine_tuning_take_settings(mr_settings *settings);

/// Gives a new updater what the source has. Does nothing if there is no source. Fails with
/// MR_ERR_USAGE if the source's task has other sizes, and with MR_ERR_INPUT if its file is damaged.
///
///   env  the task of the new run
mr_status mr_fine_tuning_take_state(mr_updater *updater, const mr_env_spec *env);
