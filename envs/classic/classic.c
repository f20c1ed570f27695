// What the classic control tasks share: opening, resets, their one option.

#include "envs/classic/classic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

double mr_classic_clip(double x, double low, double high) {
    return fmax(low, fmin(high, x));
}

static mr_status classic_reset(void *self, const uint64_t *seed, double *obs) {
    mr_classic *classic = self;
    if (seed != NULL)
        classic->random = mr_random_stream(*seed, MR_STREAM_ENV, 0);
    classic->task->start(classic);
    classic->n_steps = 0;
    classic->task->observe(classic, obs);
    return MR_OK;
}

static mr_status classic_step(void *self, const double *action, double *obs, mr_step *result) {
    mr_classic *classic = self;
    classic->task->step(classic, action[0], result);
    classic->n_steps++;
    classic->task->observe(classic, obs);
    return MR_OK;
}

static mr_status classic_copy(const void *self, const mr_env_spec *spec, mr_env **out);

static const mr_env_ops ops = {classic_reset, classic_step, free, classic_copy};

static mr_classic new_classic(const mr_classic_task *task, double option) {
    return (mr_classic){
        .task = task, .option = option, .random = mr_random_stream(0, MR_STREAM_ENV, 0)};
}

static mr_status classic_copy(const void *self, const mr_env_spec *spec, mr_env **out) {
    const mr_classic *of = self;
    mr_classic *classic = malloc(sizeof *classic);
    if (classic == NULL)
        return mr_fail_memory(spec->name);
    *classic = new_classic(of->task, of->option);
    return mr_env_wrap(&ops, classic, spec, out);
}

static mr_status set_options(mr_classic *classic, const mr_env_builtin *builtin,
                             const mr_env_options *options) {
    const mr_classic_task *task = builtin->task;
    const mr_option row = {.name = task->option,
                           .type = MR_OPTION_REAL,
                           .offset = offsetof(mr_classic, option),
                           .min = task->option_min,
                           .max = task->option_max};
    *classic = new_classic(task, task->option_default);
    return mr_options_set(builtin->name, options->set, 1, &row, classic);
}

mr_status mr_classic_open(const mr_env_builtin *builtin, const mr_env_options *options,
                          mr_env **out) {
    mr_status status;
    const mr_classic_task *task = builtin->task;
    const mr_env_spec spec = {
        .name = builtin->name,
        .obs_dim = task->obs_dim,
        .act_dim = 1,
        .act_low = task->act_low,
        .act_high = task->act_high,
        .max_episode_steps = task->max_episode_steps,
        .engine = "millrace",
        .engine_version = "", // the same in every version
        .obs_names = task->obs_names,
    };
    mr_classic *classic = malloc(sizeof *classic);
    if (classic == NULL)
        return mr_fail_memory(builtin->name);
    MR_TRY(set_options(classic, builtin, options));
    return mr_env_wrap(&ops, classic, &spec, out);
done:
    free(classic);
    return status;
}

mr_status mr_classic_describe(const mr_env_builtin *builtin, const mr_env_options *options,
                              char *text, size_t size) {
    mr_classic classic;
    const mr_status status = set_options(&classic, builtin, options);
    if (status != MR_OK)
        return status;
    const int length = snprintf(text, size, "%s: %s\n", builtin->name, builtin->summary);
    if ((size_t)length < size)
        classic.task->describe(&classic, text + length, size - (size_t)length);
    return MR_OK;
}

double *mr_classic_state(const mr_env *env) {
    mr_classic *classic = mr_env_unwrap(env, &ops);
    return classic != NULL ? classic->state : NULL;
}
