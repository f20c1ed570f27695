/// The runs of a sweep: points (values of the settings that vary), each with every seed.
#pragma once

#include "cli/sweep/sweep_file.h"

enum { MR_SWEEP_NAME_SIZE = 128, MR_SWEEP_MAX_ROUNDS = 32 };

/// A point. A run of it is its name with the seed: "003-gamma-0.98-s1".
typedef struct {
    const char **values; // [n_axes] texts of the settings that vary
    char name[MR_SWEEP_NAME_SIZE];
    size_t steps;    // of its runs
    size_t num_envs; // that a run steps together, at least 1
} mr_sweep_point;

typedef struct {
    const mr_sweep_file *file; // borrowed
    const char *dir;           // borrowed; where the runs are
    mr_arena *arena;           // owns points
    size_t n_points, n_runs;
    mr_sweep_point *points;                   // [n_points]
    size_t n_rounds;                          // of halving; else 1
    size_t round_steps[MR_SWEEP_MAX_ROUNDS];  // of halving: of the runs in each round
    size_t round_points[MR_SWEEP_MAX_ROUNDS]; // points in each round
} mr_sweep_plan;

/// Makes the plan, and checks all settings of all points. Nothing is written. Fails with
/// MR_ERR_USAGE or MR_ERR_INPUT, naming the point. mr_sweep_plan_free releases it, also after a
/// failure.
///
///   is_tried  everything that a run of each point consists of is built, too, for a moment: tasks,
///             flows and nets are checked by this
mr_status mr_sweep_plan_new(const mr_sweep_file *file, const char *dir, bool is_tried,
                            mr_sweep_plan *out);
void mr_sweep_plan_free(mr_sweep_plan *plan);

/// The point of run `i`, and its seed.
const mr_sweep_point *mr_sweep_point_of(const mr_sweep_plan *plan, size_t run);
const char *mr_sweep_seed_of(const mr_sweep_plan *plan, size_t run);

/// The directory of a run, and the steps that it has done after a round.
void mr_sweep_run_dir(const mr_sweep_plan *plan, size_t run, char dir[MR_MAX_TEXT]);
size_t mr_sweep_run_steps(const mr_sweep_plan *plan, size_t run, size_t round);

/// The path of a file of the sweep's own: DIR/.sweep/NAME. Such a folder is not seen by `DIR/*`.
void mr_sweep_path(const mr_sweep_plan *plan, const char *name, char path[MR_MAX_TEXT]);

/// Fails with MR_ERR_USAGE if a run that exists was begun with another value of a setting that the
/// file has.
mr_status mr_sweep_check_run(const mr_sweep_plan *plan, size_t run);

/// Whether a run can go on: its directory has a checkpoint.
bool mr_sweep_has_checkpoint(const mr_sweep_plan *plan, size_t run);

enum { MR_SWEEP_MAX_WORDS = 2 * MR_MAX_SETTINGS + 16 };

/// The words of a command.
typedef struct {
    size_t n;
    const char *words[MR_SWEEP_MAX_WORDS + 1]; // [n] in the arena, then NULL
    mr_arena *arena;                           // owned
} mr_sweep_words;

/// The command that trains a run up to a round's steps: begins it, or goes on with it if it has a
/// checkpoint.
/// `program` is its first word. mr_sweep_words_free releases it, also after a failure.
mr_status mr_sweep_command_of(const mr_sweep_plan *plan, size_t run, size_t round,
                              const char *program, mr_sweep_words *out);
void mr_sweep_words_free(mr_sweep_words *words);
