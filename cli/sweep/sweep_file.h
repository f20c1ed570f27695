/// The file that describes a sweep (docs/sweeps.md): which settings all runs share, which vary, how
/// points are chosen, and the seeds of each point.
#pragma once

#include "agents/settings.h"
#include "base/arena.h"

/// How the points of a sweep are chosen.
typedef enum {
    MR_SWEEP_GRID,    // all combinations of the listed values
    MR_SWEEP_RANDOM,  // drawn
    MR_SWEEP_HALVING, // the same as one of these; then the best go on for longer, again and again
} mr_sweep_method;

/// A setting with a text from the file. `where` begins messages about it: "sweep.yaml:5:3: gamma".
typedef struct {
    const char *name, *text, *where;
} mr_sweep_value;

/// What the values of a setting that varies are drawn from.
typedef enum {
    MR_SWEEP_CHOICE, // one of a list
    MR_SWEEP_UNIFORM,
    MR_SWEEP_LOG_UNIFORM,
    MR_SWEEP_INTEGER, // uniform, both ends included
} mr_sweep_distribution;

/// A setting that varies.
typedef struct {
    const char *name, *where;
    mr_sweep_distribution distribution;
    size_t n_values;
    const char **values; // [n_values] of MR_SWEEP_CHOICE
    double low, high;    // of the others
} mr_sweep_axis;

enum { MR_SWEEP_MAX_SEEDS = 1000, MR_SWEEP_MAX_POINTS = 100000 };

typedef struct {
    mr_arena *arena; // owns all that follows
    const char *path;
    mr_sweep_method method;
    size_t n_fixed;
    mr_sweep_value *fixed; // [n_fixed] settings of all runs
    size_t n_axes;
    mr_sweep_axis *axes; // [n_axes]
    size_t n_seeds;
    const char **seeds; // [n_seeds]
    size_t n_points;    // to draw; 0: all combinations
    size_t draw_seed;   // of the drawing
    size_t eta;         // of halving: one in eta goes on
    size_t first_steps; // of halving: in the first round
    size_t n_slurm;
    mr_sweep_value *slurm; // [n_slurm] options of sbatch
} mr_sweep_file;

/// Reads a sweep's file. Fails with MR_ERR_INPUT, naming the line and column, if it is not one;
/// whether settings are known and have such values is checked by mr_sweep_plan_new.
/// mr_sweep_file_free releases it, also after a failure.
mr_status mr_sweep_file_read(const char *path, mr_sweep_file *out);
void mr_sweep_file_free(mr_sweep_file *file);
