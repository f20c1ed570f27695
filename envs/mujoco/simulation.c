// Runs a MuJoCo task from its description.
//
// One step is: control, frame_skip simulation steps, mj_rnePostConstraint (without which contact
// forces stay 0; it takes 3 to 8 % of a step, and is left out if no term reads them), then reward,
// termination and observation. Positions of bodies and sites belong to the state before the last
// integration of mj_step, as in Gymnasium.
//
// If a simulation diverges, MuJoCo resets it to the model's initial state in the middle of the
// episode, and Gymnasium goes on from there. Here the episode ends instead, as truncated, with its
// last good observation and no reward for the step (mr_step.diverged), because nothing can be
// learned from a jump.

#include "envs/mujoco/simulation.h"

#include "envs/mujoco/compat.h"
#include "envs/mujoco/open.h"
#include "envs/mujoco/start.h"
#include "envs/mujoco/terms.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(mjtNum) == sizeof(double), "tasks need a MuJoCo of double precision");

// ---- Observation

void mr_mujoco_observe(const mr_mujoco *mujoco, double *obs) {
    for (size_t i = 0; i < mujoco->task.obs.n; i++) {
        const mr_obs_part *part = &mujoco->task.obs.rows[i];
        const mr_slice_values values = mr_slice_look(mujoco, &part->of);
        const size_t dim = mr_obs_part_dim(part);
        for (size_t k = 0; k < dim; k++)
            *obs++ = mr_slice_of(values, &part->of, k);
    }
}

// ---- Health

// NaN lies in no range.
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

// ---- Reward and info

// `before` has what terms remember from before the step, or from the start of the episode: of the
// rewards first, then of the infos.

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

// What info holds beside the parts of the reward.
static void fill_infos(mr_mujoco *mujoco) {
    double *info = mujoco->info + mujoco->n_reward_infos;
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

// ---- Simulation

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
    fill_infos(mujoco);
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

// Whether the step's numbers are useless. MuJoCo counts how often it found the state bad and reset
// it, from the last reset of its data on.
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

// ---- The functions of the environment

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
    fill_infos(mujoco);
    result->terminated = !mujoco->healthy && mujoco->task.terminate_when_unhealthy;
    if (has_diverged(mujoco, obs, result->reward)) {
        memcpy(obs, mujoco->last_obs, obs_size);
        memset(mujoco->info, 0, mujoco->n_info_values * sizeof *mujoco->info);
        *result = (mr_step){.truncated = true, .diverged = true};
    }
    result->warning = mr_mujoco_warning(mujoco->data, mujoco->n_warnings);
    memcpy(mujoco->last_obs, obs, obs_size);
done:
    return status;
}

static void task_close(void *self) {
    mr_mujoco *mujoco = self;
    if (mujoco == NULL)
        return;
    mj_deleteData(mujoco->data);
    mr_shared_model_release(mujoco->shared);
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

const mr_env_ops mr_mujoco_ops = {
    .reset = task_reset,
    .step = task_step,
    .close = task_close,
    .copy = mr_mujoco_copy,
};

mr_mujoco *mr_mujoco_of(const mr_env *env) {
    return mr_env_unwrap(env, &mr_mujoco_ops);
}
