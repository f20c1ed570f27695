// `millrace record`: plays episodes with a saved policy and writes them as a data set.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/episodes.h"
#include "base/json_memory.h"
#include "cli/command_line.h"
#include "cli/live_line.h"
#include "cli/run/playing.h"
#include "cli/stopping.h"
#include "envs/env.h"

typedef struct {
    mr_playing playing;
    char out[MR_MAX_TEXT];
} record_options;

static const mr_setting options[] = {
    {"out", MR_SETTING_TEXT, offsetof(record_options, out), "", 0, 0, "FILE.h5|DIR",
     "where the data set goes: one file; or, without .h5 or .hdf5 at the end, a new directory that "
     "Minari opens",
     false},
};

// ---- Episodes

/// The steps so far of an episode that is being played.
typedef struct {
    size_t n, capacity;                        // steps
    double *obs;                               // [capacity + 1 x obs_dim]
    double *action;                            // [capacity x act_dim]
    double *reward;                            // [capacity]
    signed char *is_terminated, *is_truncated; // [capacity]
    double *infos;                             // [capacity + 1 x n_info]
} episode;

typedef struct {
    const mr_vec_env *envs;
    mr_episodes_shape shape;
    uint64_t seed; // of the first episode
    size_t n_copies;
    episode *playing; // [n_copies]
    mr_episodes_writer *writer;
    size_t n_written, n_episodes;
    mr_live_line line;
} recorder;

static bool grow(void *array, size_t n_rows, size_t row_size) {
    void *now, *more;
    memcpy(&now, array, sizeof now);
    more = realloc(now, n_rows * row_size);
    if (more)
        memcpy(array, &more, sizeof more);
    return more != NULL;
}

static mr_status reserve(const recorder *r, episode *e) {
    const size_t n = e->capacity > 0 ? 2 * e->capacity : 128, real = sizeof(double);
    if (e->n < e->capacity)
        return MR_OK;
    const bool has_room = grow(&e->obs, n + 1, r->shape.obs_dim * real) &&
                          grow(&e->action, n, r->shape.act_dim * real) &&
                          grow(&e->reward, n, real) && grow(&e->is_terminated, n, 1) &&
                          grow(&e->is_truncated, n, 1) &&
                          grow(&e->infos, n + 1, (r->shape.n_info + 1) * real);
    if (!has_room)
        return mr_fail_memory("an episode");
    e->capacity = n;
    return MR_OK;
}

// Observation and infos after the reset (row 0) or the step before row `t`.
static void keep_state(const recorder *r, const mr_eval_step *told, episode *e, size_t t) {
    const mr_env *env = mr_vec_env_at(r->envs, told->copy);
    memcpy(e->obs + t * r->shape.obs_dim, told->obs, r->shape.obs_dim * sizeof *e->obs);
    if (r->shape.n_info > 0)
        memcpy(e->infos + t * r->shape.n_info, mr_env_info(env),
               r->shape.n_info * sizeof *e->infos);
}

static mr_status write_episode(recorder *r, const mr_eval_step *told, const episode *e) {
    const mr_episode_data data = {e->n,      e->obs,           e->action,
                                  e->reward, e->is_terminated, e->is_truncated};
    const mr_status status =
        mr_episodes_writer_add(r->writer, told->episode, r->seed + told->episode, &data, e->infos);
    r->n_written++;
    return status;
}

static mr_status stepped(void *self, const mr_eval_step *told) {
    recorder *r = self;
    episode *e = &r->playing[told->copy];
    const mr_step *step = told->step;
    if (!step)
        e->n = 0;
    const mr_status status = reserve(r, e);
    if (status != MR_OK)
        return status;
    if (step) {
        memcpy(e->action + e->n * r->shape.act_dim, told->action,
               r->shape.act_dim * sizeof *e->action);
        e->reward[e->n] = step->reward;
        e->is_terminated[e->n] = step->terminated;
        e->is_truncated[e->n] = told->ends && !step->terminated; // cut off by --max-steps, too
        e->n++;
    }
    keep_state(r, told, e, e->n);
    if (mr_live_line_is_due(&r->line))
        mr_live_line_draw(&r->line, "recording: %zu of %zu episodes", r->n_written, r->n_episodes);
    return told->ends ? write_episode(r, told, e) : MR_OK;
}

static mr_status recorder_open(recorder *r, const record_options *chosen, const mr_vec_env *envs) {
    const mr_env_spec *env = mr_vec_env_get_spec(envs);
    const mr_env *first = mr_vec_env_at(envs, 0); // NULL: remote ones send no infos
    *r = (recorder){.envs = envs,
                    .shape = {.obs_dim = env->obs_dim,
                              .act_dim = env->act_dim,
                              .act_low = env->act_low,
                              .act_high = env->act_high,
                              .n_info = first ? mr_env_info_count(first) : 0},
                    .seed = chosen->playing.seed,
                    .n_copies = mr_vec_env_n(envs),
                    .n_episodes = chosen->playing.episodes};
    const char **names = calloc(r->shape.n_info + 1, sizeof *names);
    r->shape.info_names = names;
    r->playing = calloc(r->n_copies, sizeof *r->playing);
    if (!names || !r->playing)
        return mr_fail_memory("the episodes");
    for (size_t i = 0; i < r->shape.n_info; i++)
        names[i] = mr_env_info_name(first, i);
    mr_live_line_begin(&r->line);
    return mr_episodes_writer_new(chosen->out, &r->shape, &r->writer);
}

static void recorder_close(recorder *r) {
    for (size_t i = 0; r->playing && i < r->n_copies; i++) {
        free(r->playing[i].obs);
        free(r->playing[i].action);
        free(r->playing[i].reward);
        free(r->playing[i].is_terminated);
        free(r->playing[i].is_truncated);
        free(r->playing[i].infos);
    }
    free(r->playing);
    free((void *)r->shape.info_names);
    mr_episodes_writer_close(r->writer);
}

// ---- The command

// Minari's name of a data set: a task, a policy and a version.
static void name_set(const mr_policy_spec *spec, char *name, size_t size) {
    snprintf(name, size, "%s/%s-v0", spec->env, spec->flow);
    const char *slash = strrchr(name, '/');
    for (char *c = name; *c != '\0'; c++)
        if (c != slash && !strchr("_-", *c) &&
            !((*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z')))
            *c = '-';
}

static mr_status keep(recorder *r, const mr_policy_spec *spec, const record_options *chosen,
                      const char *policy, const mr_evaluation *evaluation) {
    char name[MR_MAX_TEXT];
    name_set(spec, name, sizeof name);
    json_t *metadata = json_pack("{s:s, s:o, s:s, s:s, s:o, s:s, s:I, s:s, s:f}", "dataset_id",
                                 name, "env", mr_json_text(mr_vec_env_get_spec(r->envs)->name),
                                 "env_set", spec->env_set ? spec->env_set : "", "algorithm_name",
                                 spec->flow, "policy_file", mr_json_text(policy), "actions",
                                 chosen->playing.stochastic ? "stochastic" : spec->deterministic,
                                 "seed", (json_int_t)chosen->playing.seed, "millrace_version",
                                 MR_VERSION, "mean_return", evaluation->mean_return);
    const mr_status status = metadata ? mr_episodes_writer_keep(r->writer, metadata)
                                      : mr_fail_memory("the metadata of a data set");
    json_decref(metadata);
    return status;
}

static void report(const record_options *chosen, const mr_evaluation *evaluation) {
    double n_steps = 0;
    for (size_t i = 0; i < evaluation->n_ended; i++)
        n_steps += (double)evaluation->lengths[i];
    printf("%s: %zu episodes, %.0f steps, mean return %.2f ± %.2f\n", chosen->out,
           evaluation->n_ended, n_steps, evaluation->mean_return, evaluation->std_return);
}

// An interrupted recording leaves nothing behind, even if signals come again.
static mr_status play(recorder *r, const mr_policy *policy, mr_vec_env *envs,
                      const record_options *chosen, const volatile sig_atomic_t *stop,
                      mr_evaluation *evaluation) {
    const mr_eval_watcher watcher = {.stepped = stepped, .recorder = r};
    const mr_eval_options how = mr_playing_how(&chosen->playing, envs, stop, &watcher);
    mr_stop_outlast_signals();
    const mr_status status = mr_evaluate(policy, envs, &how, evaluation);
    mr_live_line_clear(&r->line);
    return status;
}

static mr_status check_options(const record_options *chosen) {
    if (chosen->out[0] == '\0')
        return mr_fail(MR_ERR_USAGE, "--out is missing; give a file such as data.h5, or a new "
                                     "directory for a data set that Minari opens");
    return mr_playing_check(&chosen->playing);
}

static mr_status run_record(const mr_command_line *line, int *exit_code) {
    mr_status status;
    record_options chosen;
    recorder r = {0};
    mr_policy *policy = NULL;
    mr_vec_env *envs = NULL;
    mr_evaluation *evaluation = NULL;

    MR_TRY(mr_command_line_store(&mr_command_record, line, &chosen));
    MR_TRY(check_options(&chosen));
    const volatile sig_atomic_t *stop = mr_stop_on_signals();
    MR_TRY(mr_playing_open(line->arguments[0], &chosen.playing, false, stop, &policy, &envs));
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    MR_TRY(mr_evaluation_new(chosen.playing.episodes, &evaluation));
    MR_TRY(recorder_open(&r, &chosen, envs));
    status = play(&r, policy, envs, &chosen, stop, evaluation);
    if (status == MR_OK || status == MR_STOPPED)
        mr_playing_warn(&chosen.playing, envs, spec->env, evaluation);
    if (status == MR_OK) {
        MR_TRY(keep(&r, spec, &chosen, line->arguments[0], evaluation));
        report(&chosen, evaluation);
    } else if (status == MR_STOPPED) {
        fprintf(stderr, "millrace record: stopped after %zu of %zu episodes; nothing was written\n",
                evaluation->n_ended, evaluation->n);
        *exit_code = mr_stop_exit_code();
        status = MR_OK;
    }
done:
    recorder_close(&r);
    mr_evaluation_free(evaluation);
    mr_vec_env_close(envs);
    mr_policy_free(policy);
    return status;
}

const mr_command mr_command_record = {
    .name = "record",
    .usage = "RUN_DIR_OR_POLICY_FILE --out FILE.h5|DIR [options]",
    .summary = "play episodes with a saved policy, and write them as a data set",
    .details = "Plays episodes with a saved policy, as eval does, and writes observations,\n"
               "actions, rewards and the task's other values as a data set in Minari's HDF5\n"
               "layout. `millrace train TASK --demonstrations FILE.h5` learns from it.\n"
               "FILE.h5 is one file; any other name is a new directory with main_data.hdf5 and\n"
               "metadata.json, which Minari opens. Episodes go to the disk as they end. Ctrl-C\n"
               "leaves nothing behind.",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .shared = mr_playing_options,
    .n_shared = MR_N_PLAYING_OPTIONS,
    .run = run_record,
};
