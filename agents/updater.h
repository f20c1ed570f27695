/// The updater: what a run learns with. It draws batches from the replay buffer and updates the
/// agent on them, and trains the net of the intrinsic reward, if there is one.
#pragma once

#include "agents/agent.h"
#include "agents/collector.h"
#include "agents/demonstrations.h"

typedef struct {
    const mr_settings *settings; // borrowed
    mr_replay *replay;
    mr_demonstrations demonstrations;
    mr_bonus *bonus;       // NULL: no intrinsic reward
    mr_obs_norm *obs_norm; // NULL: observations stay as they are
    mr_batch_maker *batches;
    mr_agent *agent;
    double n_step_updates; // done of those of the present step; a whole number
} mr_updater;

/// Builds all from the settings of a run. mr_updater_close releases it, also after a failure.
///
///   settings  borrowed
///   env       the task; borrowed
///   demonstrations  where the data set of the settings is; "": none
mr_status mr_updater_open(mr_updater *u, const mr_settings *settings, const mr_env_spec *env,
                          size_t n_envs, const char *demonstrations);
void mr_updater_close(mr_updater *u);

/// Lets the policy see observations by the updater's statistics as they are now (u->obs_norm).
void mr_updater_renew_policy_stats(mr_updater *u);

/// Takes in the rewards and observations of the collector's latest step, whose transitions are in
/// the replay buffer.
void mr_updater_observe(mr_updater *u, const mr_collected *collected);

/// One update of the agent, and of the intrinsic reward's net, on a batch from the replay buffer,
/// which is not empty. Allocates nothing after the first. Fails as mr_agent_update does.
mr_status mr_updater_update(mr_updater *u);

/// Adds its state to a checkpoint; the data is borrowed until the file is written. Reads it back
/// into one built from the same settings; on failure it is partly overwritten.
mr_status mr_updater_write(mr_updater *u, mr_tensors_writer *writer);
mr_status mr_updater_read(mr_updater *u, const mr_tensors *file);
