/// The fraction of a task's workspace that has been visited: of the cells of a grid over a box of
/// two features.
#pragma once

#include "envs/env.h"
#include "base/tensors.h"

enum { MR_COVERAGE_SIDE = 30 }; // cells along each side

typedef struct mr_coverage mr_coverage;

/// A grid over `box` of which no cell has been visited. The caller frees it.
mr_status mr_coverage_new(const mr_env_arena *box, mr_coverage **out);
void mr_coverage_free(mr_coverage *coverage);

/// Marks the cell of an observation [obs_dim] as visited. Observations outside the box have none.
void mr_coverage_visit(mr_coverage *coverage, const double *obs);

/// Visited cells over all cells. Cells that no agent can reach count too, so that a fraction of 1
/// may be out of reach.
double mr_coverage_fraction(const mr_coverage *coverage);

/// Adds the box and the cells to a checkpoint; the data is borrowed until the file is written.
/// Reads both back.
mr_status mr_coverage_write(const mr_coverage *coverage, mr_tensors_writer *writer);
mr_status mr_coverage_read(mr_coverage *coverage, const mr_tensors *file);
