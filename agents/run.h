/// A run directory: where a training run keeps its results.
///
///     config.yaml              every setting, as used
///     progress.csv             one row every so many steps (the columns of metrics.h and infos.h)
///     evaluations.csv          one row an evaluation
///     events.out.tfevents...   the same numbers for TensorBoard (events.h)
///     policy.safetensors       the latest policy, replaced after each evaluation and at the end
///     best_policy.safetensors  the policy of the best evaluation so far
///     checkpoint.safetensors   all that the run needs to be resumed (checkpoint.h), replaced every
///                              so many steps and when training stops
///     trainer.json             the process that trains in it, or how it ended (run_process.h)
///     files.json, model, task  files of others that the run depends on (run_files.h)
///     density.safetensors      the density of an exploration bonus, replaced along with
///                              policy.safetensors; density/STEP.safetensors: at each evaluation
///
/// evaluations.csv has the columns time/total_timesteps, eval/mean_reward, eval/std_reward,
/// eval/mean_ep_length, eval/returns and eval/lengths; the last two hold a number an episode, with
/// spaces between.
///
/// The header of progress.csv comes with its first row, because the infos of remote environments
/// are known only then. Infos that come later are in the events alone.
///
/// The events have a column's name and the row's time/total_timesteps. The metrics of the latest
/// evaluation, which the rows of progress.csv repeat, come once, at the step of the evaluation.
#pragma once

#include "agents/infos.h"
#include "agents/metrics.h"
#include "agents/run_files.h"
#include "agents/settings.h"
#include "base/status.h"

typedef struct mr_run mr_run;

/// Sizes of the two tables and of the event file, bytes. All doubles, as a checkpoint holds them.
typedef struct {
    double progress, evaluations, events;
} mr_run_sizes;

/// Creates the directory (and its parents), writes config.yaml, begins the two tables and the
/// events, and copies the files that the run depends on, which are at `place`. Fails with
/// MR_ERR_USAGE if the directory exists. After any other failure, what was created is removed.
mr_status mr_run_create(const char *dir, const mr_settings *settings, const mr_run_place *place,
                        mr_run **out);

/// Opens the directory of a run that is resumed. Fails with MR_ERR_USAGE if it is not the directory
/// of a run, or another process trains in it. A missing event file begins anew.
mr_status mr_run_open(const char *dir, const mr_settings *settings, mr_run **out);

/// Waits until all of the files is on the disk. `sizes`: out.
mr_status mr_run_sync(mr_run *run, mr_run_sizes *sizes);

/// Truncates the files to these sizes. Fails with MR_ERR_INPUT if a table is shorter. A shorter
/// event file begins anew.
mr_status mr_run_cut(mr_run *run, const mr_run_sizes *sizes);

/// Closes its files; NULL is fine.
void mr_run_close(mr_run *run);

/// The path of a file of the run, "DIR/name". Owned by the run, valid until the next call.
const char *mr_run_path(mr_run *run, const char *name);

/// Adds a row to progress.csv, and its metrics and infos [n_infos] to the events. Fails with
/// MR_ERR_IO; then neither file has any of it.
mr_status mr_run_log(mr_run *run, const mr_metrics *metrics, size_t n_infos,
                     const mr_scalar *infos);

/// Adds a row to evaluations.csv, and its mean, deviation and length to the events; fails as
/// mr_run_log does.
///
///   returns  [n] undiscounted return of each episode
///   lengths  [n] its number of steps
mr_status mr_run_log_evaluation(mr_run *run, size_t step, size_t n, const double *returns,
                                const size_t *lengths);
