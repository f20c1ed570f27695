// Runs a MuJoCo task from its description.
//
// One step is: control, frame_skip simulation steps, mj_rnePostConstraint (without which contact
// forces stay 0; left out where nobody reads them, 3 to 8 % of a step), then reward, termination
// and observation from the data as they are. Positions of bodies and sites are those that mj_step
// leaves, which belong to the state before its last integration; Gymnasium uses them so.
//
// Where a simulation diverges, MuJoCo puts it back to the model's initial state in the middle of
// the episode, and Gymnasium goes on from there. Here the episode ends instead, as truncated, with
// its last good observation and no reward for the step (mr_step.diverged): what follows a jump
// teaches nothing.

#include "envs/mujoco/obs_names.h"
#include "envs/mujoco/task.h"

#include "envs/mujoco/compat.h"
#include "envs/mujoco/model.h"
#include "envs/mujoco/mujoco.h"
#include "envs/mujoco/notes.h"
#include "envs/mujoco/start.h"
#include "envs/mujoco/warnings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(mjtNum) == sizeof(double), "tasks need a MuJoCo of double precision");

// Observation

static bool is_observed(const mr_obs_part *part) {
    return part->option == NULL || part->included;
}

void mr_mujoco_observe(const mr_mujoco *mujoco, double *obs) {
    for (size_t i = 0; i < mujoco->task.obs.n; i++) {
        const mr_slice *slice = &mujoco->task.obs.rows[i].of;
        if (!is_observed(&mujoco->task.obs.rows[i]))
            continue;
        const mr_slice_values values = mr_slice_look(mujoco, slice);
        for (size_t k = 0; k < slice->dim; k++)
            *obs++ = mr_slice_of(values, slice, k);
    }
}

static size_t count_obs(const mr_mujoco *mujoco) {
    size_t dim = 0;
    for (size_t i = 0; i < mujoco->task.obs.n; i++)
        if (is_observed(&mujoco->task.obs.rows[i]))
            dim += mujoco->task.obs.rows[i].of.dim;
    return dim;
}

// Health

// Written so that NaN lies in no range.
static bool is_within(const mr_healthy_range *range, double x) {
    const double low = range->range.low, high = range->range.high;
    return range->closed ? low <= x && x <= high : low < x && x < high;
}

bool mr_healthy_is_kept(const mr_mujoco *mujoco, const mr_healthy_range *range) {
    if (range->of.kind != NULL)
        return is_within(range, range->of.kind->value(mujoco, &range->of, 0.0));
    for (size_t k = 0; k < range->of.of.dim; k++)
        if (!is_within(range, mr_slice_at(mujoco, &range->of.of, k)))
            return false;
    return true;
}

static bool is_healthy(const mr_mujoco *mujoco) {
    for (size_t i = 0; i < mujoco->task.healthy.n; i++)
        if (!mr_healthy_is_kept(mujoco, &mujoco->task.healthy.rows[i]))
            return false;
    return true;
}

// Reward and info. What terms keep from before the step, or from the start of the episode: rewards
// first, then infos.

static void keep(mr_mujoco *mujoco, const mr_measure *measure, bool is_start, double *before) {
    const mr_quantity *kind = measure->kind;
    if (kind != NULL && kind->before != NULL && (is_start || !kind->since_start))
        *before = kind->before(mujoco, measure);
}

static void keep_before(mr_mujoco *mujoco, bool is_start) {
    const mr_task *task = &mujoco->task;
    for (size_t i = 0; i < task->rewards.n; i++)
        keep(mujoco, &task->rewards.rows[i].of, is_start, &mujoco->before[i]);
    for (size_t i = 0; i < task->infos.n; i++)
        keep(mujoco, &task->infos.rows[i].of, is_start, &mujoco->before[task->rewards.n + i]);
}

static double weigh(const mr_reward_term *term, double x) {
    double reward =
        term->weight * (term->shape.kind != NULL ? term->shape.kind->of(&term->shape, x) : x);
    if (term->clip.low < term->clip.high)
        reward = mr_clip(&term->clip, reward);
    return term->cost ? -reward : reward;
}

static double sum_rewards(mr_mujoco *mujoco) {
    double sum = 0.0, *info = mujoco->info;
    for (size_t i = 0; i < mujoco->task.rewards.n; i++) {
        const mr_reward_term *term = &mujoco->task.rewards.rows[i];
        const double x = term->of.kind->value(mujoco, &term->of, mujoco->before[i]);
        const double reward = weigh(term, x);
        sum += reward;
        if (term->name[0] != '\0')
            *info++ = reward;
    }
    return sum;
}

static size_t count_named_rewards(const mr_mujoco *mujoco) {
    size_t n = 0;
    for (size_t i = 0; i < mujoco->task.rewards.n; i++)
        n += mujoco->task.rewards.rows[i].name[0] != '\0';
    return n;
}

static size_t info_dim(const mr_info_term *term) {
    return term->of.kind != NULL ? 1 : term->of.of.dim;
}

// What info holds beside rewards.
static void note_infos(mr_mujoco *mujoco) {
    double *info = mujoco->info + count_named_rewards(mujoco);
    for (size_t i = 0; i < mujoco->task.infos.n; i++) {
        const mr_measure *measure = &mujoco->task.infos.rows[i].of;
        const double before = mujoco->before[mujoco->task.rewards.n + i];
        if (measure->kind != NULL)
            *info++ = measure->kind->value(mujoco, measure, before);
        else
            for (size_t k = 0; k < measure->of.dim; k++)
                *info++ = mr_slice_at(mujoco, &measure->of, k);
    }
}

// Simulation

static void simulate(void *self) {
    mr_mujoco *mujoco = self;
    for (size_t i = 0; i < mujoco->task.frame_skip; i++)
        mj_step(mujoco->model, mujoco->data);
    if (mujoco->reads_after_step)
        mj_rnePostConstraint(mujoco->model, mujoco->data);
}

static void settle(void *self) {
    mr_mujoco *mujoco = self;
    mj_forward(mujoco->model, mujoco->data);
}

// Forwards the fresh data whose qpos and qvel have been set.
static mr_status forward_start(mr_mujoco *mujoco) {
    mr_status status;

    memset(mujoco->n_warnings, 0, sizeof mujoco->n_warnings); // as mj_resetData did
    MR_TRY(mr_mujoco_run(mujoco->name, settle, mujoco));
    mujoco->healthy = is_healthy(mujoco);
    memset(mujoco->info, 0, mujoco->n_info_values * sizeof *mujoco->info);
    memset(mujoco->plugin_numbers, 0, mujoco->task.n_plugin_numbers * sizeof *mujoco->info);
    keep_before(mujoco, true); // nothing has moved: velocities are 0
    note_infos(mujoco);
done:
    return status;
}

mr_status mr_mujoco_simulate(mr_mujoco *mujoco, const double *action) {
    mr_status status;

    memcpy(mujoco->data->ctrl, action, (size_t)mujoco->model->nu * sizeof *action);
    MR_TRY(mr_mujoco_run(mujoco->name, simulate, mujoco));
    mujoco->healthy = is_healthy(mujoco);
done:
    return status;
}

mr_status mr_mujoco_set_state(mr_mujoco *mujoco, const double *qpos, const double *qvel) {
    mr_start_reset(mujoco);
    memcpy(mujoco->data->qpos, qpos, (size_t)mujoco->model->nq * sizeof *qpos);
    memcpy(mujoco->data->qvel, qvel, (size_t)mujoco->model->nv * sizeof *qvel);
    return forward_start(mujoco);
}

mr_status mr_mujoco_begin(mr_mujoco *mujoco) {
    mr_start_reset(mujoco);
    mr_start_draw(mujoco);
    if (mujoco->task.place != NULL)
        mujoco->task.place(mujoco, mujoco->data->qpos, mujoco->data->qvel);
    return forward_start(mujoco);
}

// Whether the step's numbers are of no use. MuJoCo counts the times that it found the state bad and
// started over, since its data were last reset.
static bool has_diverged(const mr_mujoco *mujoco, const double *obs, double reward) {
    const mjWarningStat *warnings = mujoco->data->warning;
    if (warnings[mjWARN_BADQPOS].number > 0 || warnings[mjWARN_BADQVEL].number > 0 ||
        warnings[mjWARN_BADQACC].number > 0 || !isfinite(reward))
        return true;
    for (size_t i = 0; i < mujoco->obs_dim; i++)
        if (!isfinite(obs[i]))
            return true;
    return false;
}

// The functions of the environment

static mr_status task_reset(void *self, const uint64_t *seed, double *obs) {
    mr_status status;
    mr_mujoco *mujoco = self;

    if (seed != NULL)
        mujoco->random = mr_random_stream(*seed, MR_STREAM_ENV, 0);
    MR_TRY(mr_mujoco_begin(mujoco));
    mr_mujoco_observe(mujoco, obs);
    memcpy(mujoco->last_obs, obs, mujoco->obs_dim * sizeof *obs);
done:
    return status;
}

static mr_status task_step(void *self, const double *action, double *obs, mr_step *result) {
    mr_status status;
    mr_mujoco *mujoco = self;
    const size_t obs_size = mujoco->obs_dim * sizeof *obs;

    keep_before(mujoco, false);
    MR_TRY(mr_mujoco_simulate(mujoco, action));
    mr_mujoco_observe(mujoco, obs);
    result->reward = sum_rewards(mujoco);
    note_infos(mujoco);
    result->terminated = !mujoco->healthy && mujoco->task.terminate_when_unhealthy;
    if (has_diverged(mujoco, obs, result->reward)) {
        memcpy(obs, mujoco->last_obs, obs_size);
        memset(mujoco->info, 0, mujoco->n_info_values * sizeof *mujoco->info);
        *result = (mr_step){.truncated = true, .diverged = true};
    }
    result->warning = mr_warnings_count(mujoco->data, mujoco->n_warnings);
    memcpy(mujoco->last_obs, obs, obs_size);
done:
    return status;
}

static void task_close(void *self) {
    mr_mujoco *mujoco = self;
    if (mujoco == NULL)
        return;
    mj_deleteData(mujoco->data);
    mj_deleteModel(mujoco->model);
    for (size_t i = 0; i < mujoco->n_notes; i++)
        free(mujoco->notes[i]);
    free(mujoco->notes);
    free(mujoco->noises);
    free(mujoco->numbers);
    free(mujoco->info_texts);
    free(mujoco->info_names);
    free(mujoco->obs_texts);
    free(mujoco->obs_names);
    free(mujoco->name);
    mr_task_free(&mujoco->task);
    free(mujoco);
}

static const mr_env_ops task_ops = {
    .reset = task_reset,
    .step = task_step,
    .close = task_close,
};

// Opening

static void make_data(void *self) {
    mr_mujoco *mujoco = self;
    mujoco->data = mj_makeData(mujoco->model);
}

static void count_parts(mr_mujoco *mujoco) {
    mujoco->obs_dim = count_obs(mujoco);
    mujoco->n_info_values = count_named_rewards(mujoco);
    for (size_t i = 0; i < mujoco->task.infos.n; i++)
        mujoco->n_info_values += info_dim(&mujoco->task.infos.rows[i]);
}

static bool is_after_step(const mr_slice *slice) {
    return slice->field != NULL && slice->field->after_step;
}

static bool reads_after_step(const mr_mujoco *mujoco) {
    const mr_task *task = &mujoco->task;
    bool reads = false;
    for (size_t i = 0; i < task->obs.n; i++)
        reads = reads || (is_observed(&task->obs.rows[i]) && is_after_step(&task->obs.rows[i].of));
    for (size_t i = 0; i < task->rewards.n; i++)
        reads = reads || is_after_step(&task->rewards.rows[i].of.of);
    for (size_t i = 0; i < task->infos.n; i++)
        reads = reads || is_after_step(&task->infos.rows[i].of.of);
    for (size_t i = 0; i < task->healthy.n; i++)
        reads = reads || is_after_step(&task->healthy.rows[i].of.of);
    return reads;
}

static mr_status allocate(mr_mujoco *mujoco) {
    const size_t n_info = mujoco->n_info_values, n_act = (size_t)mujoco->model->nu;
    const size_t n_before = mujoco->task.rewards.n + mujoco->task.infos.n;
    const size_t n_numbers =
        n_before + 2 * n_act + mujoco->obs_dim + n_info + mujoco->task.n_plugin_numbers;
    mujoco->numbers = calloc(n_numbers + 1, sizeof *mujoco->numbers);
    mujoco->info_texts = calloc(n_info + 1, sizeof *mujoco->info_texts);
    mujoco->info_names = calloc(n_info + 1, sizeof *mujoco->info_names);
    mujoco->obs_texts = calloc(mujoco->obs_dim + 1, MR_OBS_NAME_SIZE);
    mujoco->obs_names = calloc(mujoco->obs_dim + 1, sizeof *mujoco->obs_names);
    if (mujoco->numbers == NULL || mujoco->info_texts == NULL || mujoco->info_names == NULL ||
        mujoco->obs_texts == NULL || mujoco->obs_names == NULL)
        return mr_fail_memory(mujoco->name);
    mujoco->before = mujoco->numbers;
    mujoco->act_low = mujoco->before + n_before;
    mujoco->act_high = mujoco->act_low + n_act;
    mujoco->last_obs = mujoco->act_high + n_act;
    mujoco->info = mujoco->last_obs + mujoco->obs_dim;
    mujoco->plugin_numbers = mujoco->info + n_info;
    return MR_OK;
}

static void name_infos(mr_mujoco *mujoco) {
    size_t k = 0;
    const size_t size = sizeof mujoco->info_texts[0];
    for (size_t i = 0; i < mujoco->task.rewards.n; i++)
        if (mujoco->task.rewards.rows[i].name[0] != '\0')
            snprintf(mujoco->info_texts[k++], size, "%s", mujoco->task.rewards.rows[i].name);
    for (size_t i = 0; i < mujoco->task.infos.n; i++) {
        const mr_info_term *term = &mujoco->task.infos.rows[i];
        const size_t n = info_dim(term);
        for (size_t j = 0; j < n; j++)
            snprintf(mujoco->info_texts[k++], size, n > 1 ? "%s[%zu]" : "%s", term->name, j);
    }
    for (size_t i = 0; i < k; i++)
        mujoco->info_names[i] = mujoco->info_texts[i];
}

// Whoever looks for a name must find the one that is meant.
static mr_status check_info_names(const mr_mujoco *mujoco) {
    for (size_t i = 0; i < mujoco->n_info_values; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(mujoco->info_names[k], mujoco->info_names[i]) == 0)
                return mr_fail(MR_ERR_INPUT,
                               "%s: two numbers of the info are called \"%s\"; give each a name of "
                               "its own",
                               mujoco->name, mujoco->info_names[i]);
    return MR_OK;
}

static void name_obs(mr_mujoco *mujoco) {
    char(*texts)[MR_OBS_NAME_SIZE] = (char(*)[MR_OBS_NAME_SIZE])mujoco->obs_texts;
    mr_mujoco_name_obs(mujoco, texts);
    for (size_t i = 0; i < mujoco->obs_dim; i++)
        mujoco->obs_names[i] = texts[i];
}

static void copy_bounds(mr_mujoco *mujoco) {
    for (size_t i = 0; i < (size_t)mujoco->model->nu; i++) {
        mujoco->act_low[i] = mujoco->model->actuator_ctrlrange[2 * i];
        mujoco->act_high[i] = mujoco->model->actuator_ctrlrange[2 * i + 1];
    }
}

// Takes over `model`, also on failure.
static mr_status build(const char *name, const mr_task *task, mjModel *model, const char *warnings,
                       mr_mujoco **out) {
    mr_status status;
    mr_mujoco *mujoco = calloc(1, sizeof *mujoco);

    if (mujoco == NULL) {
        mj_deleteModel(model);
        return mr_fail_memory(name);
    }
    mujoco->model = model;
    mujoco->name = strdup(name);
    if (mujoco->name == NULL)
        MR_TRY(mr_fail_memory(name));
    MR_TRY(mr_task_copy(task, &mujoco->task));
    MR_TRY(mr_model_check_actuators(name, model));
    MR_TRY(mr_model_limit_actuators(name, &task->ctrl_range, model));
    MR_TRY(mr_task_resolve(name, model, &mujoco->task));
    MR_TRY(mr_start_resolve(mujoco));
    mujoco->random = mr_random_stream(0, MR_STREAM_ENV, 0);
    mujoco->dt = model->opt.timestep * (double)task->frame_skip;
    count_parts(mujoco);
    mujoco->reads_after_step = reads_after_step(mujoco);
    MR_TRY(allocate(mujoco));
    name_infos(mujoco);
    MR_TRY(check_info_names(mujoco));
    name_obs(mujoco);
    copy_bounds(mujoco);
    MR_TRY(mr_mujoco_run(name, make_data, mujoco));
    if (mujoco->data == NULL)
        MR_TRY(mr_fail_memory(name));
    MR_TRY(mr_mujoco_note(mujoco, warnings));
    *out = mujoco;
    mujoco = NULL;
done:
    task_close(mujoco);
    return status;
}

static mr_env_spec make_spec(const mr_mujoco *mujoco) {
    return (mr_env_spec){
        .name = mujoco->name,
        .obs_dim = mujoco->obs_dim,
        .act_dim = (size_t)mujoco->model->nu,
        .act_low = mujoco->act_low,
        .act_high = mujoco->act_high,
        .max_episode_steps = mujoco->task.max_episode_steps,
        .engine = "MuJoCo",
        .engine_version = mr_mujoco_version(),
        .n_info = mujoco->n_info_values,
        .info_names = mujoco->info_names,
        .info = mujoco->info,
        .obs_names = mujoco->obs_names,
        .arena =
            mujoco->task.arena.high[0] > mujoco->task.arena.low[0] ? &mujoco->task.arena : NULL,
        .n_notes = mujoco->n_notes,
        .notes = (const char *const *)mujoco->notes,
    };
}

mr_status mr_mujoco_new(const char *name, const mr_task *task, mjModel *model, const char *warnings,
                        mr_env **out) {
    mr_status status;
    char own_warnings[MR_MUJOCO_TEXT_SIZE];
    mr_mujoco *mujoco = NULL;

    if (model == NULL) {
        MR_TRY(mr_model_open(task->model, own_warnings, &model));
        warnings = own_warnings;
    }
    MR_TRY(build(name, task, model, warnings, &mujoco));
    const mr_env_spec spec = make_spec(mujoco);
    MR_TRY(mr_env_wrap(&task_ops, mujoco, &spec, out));
done:
    return status;
}

mr_status mr_mujoco_open(const mr_env_builtin *builtin, const mr_env_options *options,
                         mr_env **out) {
    mr_status status;
    mr_task task = {0};

    MR_TRY(mr_task_copy(builtin->task, &task));
    MR_TRY(mr_task_set(builtin->name, options->set, &task));
    MR_TRY(mr_mujoco_new(builtin->name, &task, NULL, NULL, out));
done:
    mr_task_free(&task);
    return status;
}

mr_mujoco *mr_mujoco_of(const mr_env *env) {
    return mr_env_unwrap(env, &task_ops);
}
