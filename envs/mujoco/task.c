// Runs a MuJoCo task from its description.
//
// One step is: control, frame_skip simulation steps, mj_rnePostConstraint (without which contact
// forces stay 0), then reward, termination and observation from the data as they are. Positions of
// bodies and sites are those that mj_step leaves, which belong to the state before its last
// integration; Gymnasium uses them so.
//
// A simulation that diverges is put back to the model's initial state by MuJoCo itself, in the
// middle of the episode, and goes on from there, as in Gymnasium: a trainer is not stopped by it,
// and no number is ever infinite.

#include "envs/mujoco/task.h"

#include "envs/mujoco/compat.h"
#include "envs/mujoco/model.h"
#include "envs/mujoco/mujoco.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(mjtNum) == sizeof(double), "tasks need a MuJoCo of double precision");

size_t mr_slice_dim(const mjModel *model, const mr_slice *slice) {
    return slice->n > 0 ? slice->n : slice->field->dim(model) - slice->first;
}

size_t mr_task_n_obs(const mr_task *task) {
    size_t n = 0;
    while (n < MR_MAX_OBS_PARTS && task->obs[n].of.field != NULL)
        n++;
    return n;
}

size_t mr_task_n_rewards(const mr_task *task) {
    size_t n = 0;
    while (n < MR_MAX_REWARDS && task->rewards[n].kind != NULL)
        n++;
    return n;
}

size_t mr_task_n_ranges(const mr_task *task) {
    size_t n = 0;
    while (n < MR_MAX_RANGES && task->healthy[n].of.field != NULL)
        n++;
    return n;
}

// Observation

static double clip(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}

static void write_part(const mr_mujoco *mujoco, const mr_obs_part *part, size_t n, double *obs) {
    const mjtNum *values = part->of.field->values(mujoco->data) + part->of.first;
    const bool clipped = part->low < part->high;
    for (size_t i = 0; i < n; i++)
        obs[i] = clipped ? clip(values[i], part->low, part->high) : values[i];
}

void mr_mujoco_observe(const mr_mujoco *mujoco, double *obs) {
    const size_t n_parts = mr_task_n_obs(&mujoco->task);
    for (size_t i = 0; i < n_parts; i++) {
        const mr_obs_part *part = &mujoco->task.obs[i];
        const size_t n = mr_slice_dim(mujoco->model, &part->of);
        write_part(mujoco, part, n, obs);
        obs += n;
    }
}

static size_t obs_dim(const mr_mujoco *mujoco) {
    size_t dim = 0;
    const size_t n_parts = mr_task_n_obs(&mujoco->task);
    for (size_t i = 0; i < n_parts; i++)
        dim += mr_slice_dim(mujoco->model, &mujoco->task.obs[i].of);
    return dim;
}

// Health

// Written so that NaN lies in no range.
static bool within(const mr_healthy_range *range, double x) {
    return range->closed ? range->low <= x && x <= range->high : range->low < x && x < range->high;
}

static bool is_healthy(const mr_mujoco *mujoco) {
    const size_t n_ranges = mr_task_n_ranges(&mujoco->task);
    for (size_t i = 0; i < n_ranges; i++) {
        const mr_healthy_range *range = &mujoco->task.healthy[i];
        const mjtNum *values = range->of.field->values(mujoco->data) + range->of.first;
        const size_t n = mr_slice_dim(mujoco->model, &range->of);
        for (size_t k = 0; k < n; k++)
            if (!within(range, values[k]))
                return false;
    }
    return true;
}

// Reward

static void keep_before(mr_mujoco *mujoco) {
    const size_t n_rewards = mr_task_n_rewards(&mujoco->task);
    for (size_t i = 0; i < n_rewards; i++) {
        const mr_reward_kind *kind = mujoco->task.rewards[i].kind;
        if (kind->before != NULL)
            mujoco->before[i] = kind->before(mujoco);
    }
}

static double sum_rewards(const mr_mujoco *mujoco, const double *action) {
    double sum = 0.0;
    const size_t n_rewards = mr_task_n_rewards(&mujoco->task);
    for (size_t i = 0; i < n_rewards; i++) {
        const mr_reward_term *term = &mujoco->task.rewards[i];
        sum += term->weight * term->kind->value(mujoco, mujoco->before[i], action);
    }
    return sum;
}

// Simulation

static void simulate(void *self) {
    mr_mujoco *mujoco = self;
    for (size_t i = 0; i < mujoco->task.frame_skip; i++)
        mj_step(mujoco->model, mujoco->data);
    mj_rnePostConstraint(mujoco->model, mujoco->data);
}

static void settle(void *self) {
    mr_mujoco *mujoco = self;
    mj_forward(mujoco->model, mujoco->data);
}

// Forwards the fresh data whose qpos and qvel have been set.
static mr_status begin(mr_mujoco *mujoco) {
    mr_status status;

    MR_TRY(mr_mujoco_run(mujoco->name, settle, mujoco));
    mujoco->healthy = is_healthy(mujoco);
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
    mj_resetData(mujoco->model, mujoco->data);
    memcpy(mujoco->data->qpos, qpos, (size_t)mujoco->model->nq * sizeof *qpos);
    memcpy(mujoco->data->qvel, qvel, (size_t)mujoco->model->nv * sizeof *qvel);
    return begin(mujoco);
}

// The functions of the environment

static void disturb(mr_random *random, const mr_noise *noise, size_t n, mjtNum *values) {
    for (size_t i = 0; i < n; i++)
        values[i] += noise->scale * noise->kind->draw(random);
}

static mr_status task_reset(void *self, const uint64_t *seed, double *obs) {
    mr_status status;
    mr_mujoco *mujoco = self;
    const mr_task *task = &mujoco->task;

    if (seed != NULL)
        mujoco->random = mr_random_stream(*seed, MR_STREAM_ENV, 0);
    mj_resetData(mujoco->model, mujoco->data);
    disturb(&mujoco->random, &task->qpos_noise, (size_t)mujoco->model->nq, mujoco->data->qpos);
    disturb(&mujoco->random, &task->qvel_noise, (size_t)mujoco->model->nv, mujoco->data->qvel);
    MR_TRY(begin(mujoco));
    mr_mujoco_observe(mujoco, obs);
done:
    return status;
}

static mr_status task_step(void *self, const double *action, double *obs, mr_step *result) {
    mr_status status;
    mr_mujoco *mujoco = self;

    keep_before(mujoco);
    MR_TRY(mr_mujoco_simulate(mujoco, action));
    mr_mujoco_observe(mujoco, obs);
    result->reward = sum_rewards(mujoco, action);
    result->terminated = !mujoco->healthy && mujoco->task.terminate_when_unhealthy;
done:
    return status;
}

static void task_close(void *self) {
    mr_mujoco *mujoco = self;
    if (mujoco == NULL)
        return;
    mj_deleteData(mujoco->data);
    mj_deleteModel(mujoco->model);
    free(mujoco);
}

static const mr_env_kind task_kind = {
    .reset = task_reset,
    .step = task_step,
    .close = task_close,
};

// Opening

static void make_data(void *self) {
    mr_mujoco *mujoco = self;
    mujoco->data = mj_makeData(mujoco->model);
}

static void copy_bounds(mr_mujoco *mujoco) {
    const size_t act_dim = (size_t)mujoco->model->nu;
    for (size_t i = 0; i < act_dim; i++) {
        mujoco->bounds[i] = mujoco->model->actuator_ctrlrange[2 * i];
        mujoco->bounds[act_dim + i] = mujoco->model->actuator_ctrlrange[2 * i + 1];
    }
}

// Takes over `model`, also on failure.
static mr_status build(const mr_env_builtin *builtin, const mr_task *task, mjModel *model,
                       mr_mujoco **out) {
    mr_status status;
    mr_mujoco *mujoco = calloc(1, sizeof *mujoco + 2 * (size_t)model->nu * sizeof(double));

    if (mujoco == NULL) {
        mj_deleteModel(model);
        return mr_fail_memory(builtin->name);
    }
    mujoco->name = builtin->name;
    mujoco->task = *task;
    mujoco->model = model;
    mujoco->random = mr_random_stream(0, MR_STREAM_ENV, 0);
    mujoco->dt = model->opt.timestep * (double)task->frame_skip;
    copy_bounds(mujoco);
    MR_TRY(mr_mujoco_run(builtin->name, make_data, mujoco));
    if (mujoco->data == NULL)
        MR_TRY(mr_fail_memory(builtin->name));
    *out = mujoco;
    mujoco = NULL;
done:
    task_close(mujoco);
    return status;
}

static mr_env_spec make_spec(const mr_mujoco *mujoco) {
    const size_t act_dim = (size_t)mujoco->model->nu;
    return (mr_env_spec){
        .name = mujoco->name,
        .obs_dim = obs_dim(mujoco),
        .act_dim = act_dim,
        .act_low = mujoco->bounds,
        .act_high = mujoco->bounds + act_dim,
        .max_episode_steps = mujoco->task.max_episode_steps,
        .engine = "MuJoCo",
        .engine_version = mr_mujoco_version(),
    };
}

mr_status mr_mujoco_open(const mr_env_builtin *builtin, const mr_env_options *options,
                         mr_env **out) {
    mr_status status;
    mr_task task = *(const mr_task *)builtin->task;
    mjModel *model = NULL;
    mr_mujoco *mujoco = NULL;

    MR_TRY(mr_task_set_options(&task, builtin->name, options->set));
    MR_TRY(mr_model_open(task.model, &model));
    MR_TRY(build(builtin, &task, model, &mujoco));
    const mr_env_spec spec = make_spec(mujoco);
    MR_TRY(mr_env_wrap(&task_kind, mujoco, &spec, out));
done:
    return status;
}

mr_mujoco *mr_mujoco_of(const mr_env *env) {
    return mr_env_unwrap(env, &task_kind);
}
