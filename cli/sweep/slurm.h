/// A sweep as job arrays of Slurm: one array a round, one task a run.
#pragma once

#include "cli/sweep/results.h"

/// Copies the sweep's file to DIR/.sweep/sweep.yaml, writes the script of the jobs,
/// DIR/.sweep/job.sh, and submits an array for each round with what is left to do, unless jobs of
/// an earlier call are still in the queue: the files are theirs then. The caller has locked DIR.
/// Says on stdout what was submitted, and on stderr what sbatch warns of. Fails with MR_ERR_USAGE
/// if such jobs are in the queue or sbatch is missing, and with MR_ERR_IO and what Slurm's commands
/// say if they fail.
///
///   n_at_once  tasks that may run at the same time; 0: as many as Slurm allows
mr_status mr_sweep_submit(const mr_sweep_plan *plan, size_t n_at_once);

/// Puts the job of this process back into the queue, whose time is over. Fails with MR_ERR_IO.
mr_status mr_sweep_requeue(void);
