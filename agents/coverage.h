/// How much of a box in the plane has been visited: the share of the cells of a grid.
#pragma once

#include "envs/env.h"
#include "base/tensors.h"

enum { MR_COVERAGE_SIDE = 30 }; // cells along each side

typedef struct mr_coverage mr_coverage;

/// An empty grid over a box of two features of the observation. The caller frees it.
mr_status mr_coverage_new(const mr_env_arena *box, mr_coverage **out);
void mr_coverage_free(mr_coverage *coverage);

/// Marks the cell of an observation [obs_dim]. Outside the box there is none.
void mr_coverage_visit(mr_coverage *coverage, const double *obs);

/// Visited cells over all cells. Cells that cannot be reached count, so that it need not come to 1.
double mr_coverage_share(const mr_coverage *coverage);

/// Adds the box and the cells to a file, as "coverage..."; the data is borrowed until it is
/// written. Reads them back, the box too.
mr_status mr_coverage_write(const mr_coverage *coverage, mr_tensors_writer *writer);
mr_status mr_coverage_read(mr_coverage *coverage, const mr_tensors *file);
