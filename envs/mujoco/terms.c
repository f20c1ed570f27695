// What task descriptions are made of.

#include "envs/mujoco/terms.h"

// Fields

static size_t qpos_dim(const mjModel *model) {
    return (size_t)model->nq;
}

static const mjtNum *qpos_values(const mjData *data) {
    return data->qpos;
}

static const char *joint_name(const mjModel *model, size_t joint) {
    return model->names + model->name_jntadr[joint];
}

static const char *qpos_label(const mjModel *model, size_t i) {
    size_t joint = (size_t)model->njnt - 1;
    while (joint > 0 && (size_t)model->jnt_qposadr[joint] > i)
        joint--;
    return joint_name(model, joint);
}

static size_t qvel_dim(const mjModel *model) {
    return (size_t)model->nv;
}

static const mjtNum *qvel_values(const mjData *data) {
    return data->qvel;
}

static const char *qvel_label(const mjModel *model, size_t i) {
    return joint_name(model, (size_t)model->dof_jntid[i]);
}

const mr_field mr_field_qpos = {
    .name = "qpos",
    .dim = qpos_dim,
    .values = qpos_values,
    .label = qpos_label,
};

const mr_field mr_field_qvel = {
    .name = "qvel",
    .dim = qvel_dim,
    .values = qvel_values,
    .label = qvel_label,
};

// Rewards

static double forward_before(const mr_mujoco *mujoco) {
    return mujoco->data->qpos[0];
}

static double forward_value(const mr_mujoco *mujoco, double before, const double *action) {
    (void)action;
    return (mujoco->data->qpos[0] - before) / mujoco->dt;
}

static double healthy_value(const mr_mujoco *mujoco, double before, const double *action) {
    (void)before, (void)action;
    return mujoco->healthy ? 1.0 : 0.0;
}

static double control_value(const mr_mujoco *mujoco, double before, const double *action) {
    (void)before;
    double sum = 0.0;
    for (size_t i = 0; i < (size_t)mujoco->model->nu; i++)
        sum += action[i] * action[i];
    return -sum;
}

const mr_reward_kind mr_reward_forward = {
    .name = "reward_forward",
    .formula = "(qpos[0] after - qpos[0] before) / dt",
    .before = forward_before,
    .value = forward_value,
};

const mr_reward_kind mr_reward_healthy = {
    .name = "reward_survive",
    .formula = "1 if healthy, else 0",
    .value = healthy_value,
};

const mr_reward_kind mr_reward_control = {
    .name = "reward_ctrl",
    .formula = "-sum of action^2",
    .value = control_value,
};

// Noise

static double draw_uniform(mr_random *random) {
    return mr_random_between(random, -1.0, 1.0);
}

const mr_noise_kind mr_noise_uniform = {.name = "uniform on +-", .draw = draw_uniform};
const mr_noise_kind mr_noise_normal = {.name = "normal of deviation ", .draw = mr_random_normal};
