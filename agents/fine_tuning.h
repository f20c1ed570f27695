/// Fine-tuning: a new run that begins with the nets of another, its source (`--from`).
///
/// The source is the directory of a run, which has all nets of the agent and the running statistics
/// of rewards and observations, and may lend its replay buffer; or a policy file, which has the
/// policy alone. Optimizers begin anew, and so does an intrinsic reward.
#pragma once

#include "agents/updater.h"

/// Completes the settings of a new run, once those that are set are known; a run that is resumed
/// has all of them already. Settings that describe nets (MR_ROLE_OF_NETS), and the replay buffer if
/// it is wanted, get the values that they have in the source, and all others those of a preset
/// (mr_settings_apply_preset): the one that is named, else that of the source's run. With a run as
/// the source, a preset has its values for the source's task. Fails with MR_ERR_USAGE if there is
/// no such source or preset, and if one of the nets was set to another value than the source's, by
/// name or by a preset that is named.
mr_status mr_settings_complete(mr_settings *settings);

/// Gives completed settings what their preset has for `task`, unless they have it for that of a
/// source's run: a server of environments (zmq:) says only now what its task is.
mr_status mr_settings_complete_for(mr_settings *settings, const char *task);

/// Gives a new updater what the source has. Does nothing if there is no source. Fails with
/// MR_ERR_USAGE if the source's task has other sizes, and with MR_ERR_INPUT if its file is damaged.
///
///   env  the task of the new run
mr_status mr_fine_tuning_take_state(mr_updater *updater, const mr_env_spec *env);
