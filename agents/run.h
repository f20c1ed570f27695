/// A run directory: where a training run keeps its results.
///
///     config.yaml              every setting, as used
///     progress.csv             one row every so many steps (the columns of metrics.h)
///     evaluations.csv          one row an evaluation
///     events.out.tfevents...   the same numbers for TensorBoard (events.h)
///     policy.safetensors       the policy as it is now, replaced after each evaluation and at the
///                              end
///     best_policy.safetensors  the policy with the best evaluation so far
///     checkpoint.safetensors   all that the run needs to go on (checkpoint.h), replaced every so
///                              many steps and where training stops
///     files.json, model, task  what it depends on besides (run_files.h)
///     density.safetensors      the density of an exploration bonus, replaced along with
///                              policy.safetensors; density/STEP.safetensors: at each evaluation
///
/// evaluations.csv has the columns time/total_timesteps, eval/mean_reward, eval/std_reward,
/// eval/mean_ep_length, eval/returns and eval/lengths; the last two hold a number an episode, with
/// spaces between.
///
/// The events have a column's name and the row's time/total_timesteps. The metrics of the latest
/// evaluation, which the rows of progress.csv repeat, come once, at the step of the evaluation.
#pragma once

#include "agents/metrics.h"
#include "agents/run_files.h"
#include "agents/settings.h"
#include "base/status.h"

typedef struct mr_run mr_run;

/// Sizes of the two tables and of the event file, bytes. All doubles: a checkpoint holds them so.
typedef struct {
    double progress, evaluations, events;
} mr_run_sizes;

/// Makes the directory (and its parents), writes config.yaml, begins the two tables and the events,
/// and keeps the files that it depends on, which are at `place`.
/// Fails with MR_ERR_USAGE when it exists already; on any other failure what was made is removed
/// again.
mr_status mr_run_create(const char *dir, const mr_settings *settings, const mr_run_place *place,
                        mr_run **out);

/// Opens the directory of a run that is to go on. Fails with MR_ERR_USAGE when it is none, and when
/// another process trains in it. Where the event file is gone, a new one is begun.
mr_status mr_run_open(const char *dir, const mr_settings *settings, mr_run **out);

/// Sizes of the files, all of which is now on the disk.
mr_status mr_run_sync(mr_run *run, mr_run_sizes *sizes);

/// Cuts off what was added to the files since they had these sizes. Fails with MR_ERR_INPUT when a
/// table is shorter; a shorter event file begins anew.
mr_status mr_run_cut(mr_run *run, const mr_run_sizes *sizes);

/// Closes its files; NULL is fine.
void mr_run_close(mr_run *run);

/// The path of a file of the run, "DIR/name". Owned by the run, valid until the next call.
const char *mr_run_path(mr_run *run, const char *name);

/// Adds a row to progress.csv, and what it holds to the events. Fails with MR_ERR_IO, and then
/// nothing of the row is in either file.
mr_status mr_run_log(mr_run *run, const mr_metrics *metrics);

/// Adds a row to evaluations.csv, and its mean, deviation and length to the events; fails as
/// mr_run_log does.
///
///   returns  [n] undiscounted return of each episode
///   lengths  [n] its number of steps
mr_status mr_run_log_evaluation(mr_run *run, size_t step, size_t n, const double *returns,
                                const size_t *lengths);
