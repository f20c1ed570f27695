// What task descriptions are made of.

#include "envs/mujoco/terms.h"

#include "envs/mujoco/compat.h"

#include <math.h>

// Fields

#define FIELD(field, object_type, n_each, counted, ...)                                            \
    static const mjtNum *field##_values(const mr_mujoco *mujoco) {                                 \
        return mujoco->data->field;                                                                \
    }                                                                                              \
    const mr_field mr_field_##field = {.name = #field,                                             \
                                       .object = object_type,                                      \
                                       .width = n_each,                                            \
                                       .count = counted,                                           \
                                       .values = field##_values,                                   \
                                       __VA_ARGS__}

static size_t count_nq(const mjModel *model) {
    return (size_t)model->nq;
}

static size_t count_nv(const mjModel *model) {
    return (size_t)model->nv;
}

static size_t count_nu(const mjModel *model) {
    return (size_t)model->nu;
}

static size_t count_bodies(const mjModel *model) {
    return (size_t)model->nbody;
}

static size_t count_sites(const mjModel *model) {
    return (size_t)model->nsite;
}

static size_t count_geoms(const mjModel *model) {
    return (size_t)model->ngeom;
}

static size_t count_activations(const mjModel *model) {
    return (size_t)model->na;
}

static size_t count_tendons(const mjModel *model) {
    return (size_t)model->ntendon;
}

static size_t count_sensordata(const mjModel *model) {
    return (size_t)model->nsensordata;
}

// A free joint has 7 positions and 6 velocities, a ball joint 4 and 3, others 1 and 1.
static void joint_positions(const mjModel *model, int joint, size_t *start, size_t *n) {
    const int type = model->jnt_type[joint];
    *start = (size_t)model->jnt_qposadr[joint];
    *n = type == mjJNT_FREE ? 7 : type == mjJNT_BALL ? 4 : 1;
}

static void joint_velocities(const mjModel *model, int joint, size_t *start, size_t *n) {
    const int type = model->jnt_type[joint];
    *start = (size_t)model->jnt_dofadr[joint];
    *n = type == mjJNT_FREE ? 6 : type == mjJNT_BALL ? 3 : 1;
}

static void sensor_outputs(const mjModel *model, int sensor, size_t *start, size_t *n) {
    *start = (size_t)model->sensor_adr[sensor];
    *n = (size_t)model->sensor_dim[sensor];
}

FIELD(qpos, mjOBJ_JOINT, 1, count_nq, .span = joint_positions);
FIELD(qvel, mjOBJ_JOINT, 1, count_nv, .span = joint_velocities);
FIELD(qacc, mjOBJ_JOINT, 1, count_nv, .span = joint_velocities);
FIELD(ctrl, mjOBJ_ACTUATOR, 1, count_nu);
FIELD(actuator_force, mjOBJ_ACTUATOR, 1, count_nu);
FIELD(qfrc_actuator, mjOBJ_JOINT, 1, count_nv, .span = joint_velocities);
FIELD(qfrc_constraint, mjOBJ_JOINT, 1, count_nv, .span = joint_velocities);
FIELD(cfrc_ext, mjOBJ_BODY, 6, count_bodies, .after_step = true);
FIELD(cinert, mjOBJ_BODY, 10, count_bodies);
FIELD(cvel, mjOBJ_BODY, 6, count_bodies);
FIELD(xpos, mjOBJ_BODY, 3, count_bodies);
FIELD(xquat, mjOBJ_BODY, 4, count_bodies);
FIELD(xmat, mjOBJ_BODY, 9, count_bodies);
FIELD(subtree_com, mjOBJ_BODY, 3, count_bodies);
FIELD(site_xpos, mjOBJ_SITE, 3, count_sites);
FIELD(ten_length, mjOBJ_TENDON, 1, count_tendons);
FIELD(ten_velocity, mjOBJ_TENDON, 1, count_tendons);
FIELD(sensordata, mjOBJ_SENSOR, 1, count_sensordata, .span = sensor_outputs);
FIELD(act, mjOBJ_ACTUATOR, 1, count_activations, .span = mr_mujoco_activations);
FIELD(geom_xpos, mjOBJ_GEOM, 3, count_geoms);
FIELD(site_xmat, mjOBJ_SITE, 9, count_sites);

const mr_field *const mr_fields[] = {
    &mr_field_qpos,
    &mr_field_qvel,
    &mr_field_qacc,
    &mr_field_ctrl,
    &mr_field_actuator_force,
    &mr_field_qfrc_actuator,
    &mr_field_qfrc_constraint,
    &mr_field_cfrc_ext,
    &mr_field_cinert,
    &mr_field_cvel,
    &mr_field_xpos,
    &mr_field_xquat,
    &mr_field_xmat,
    &mr_field_subtree_com,
    &mr_field_site_xpos,
    &mr_field_ten_length,
    &mr_field_ten_velocity,
    &mr_field_sensordata,
    &mr_field_act,
    &mr_field_geom_xpos,
    &mr_field_site_xmat,
    NULL,
};

// Maps

const mr_map mr_map_sin = {.name = "sin", .of = sin};
const mr_map mr_map_cos = {.name = "cos", .of = cos};
const mr_map mr_map_abs = {.name = "abs", .of = fabs};

const mr_map *const mr_maps[] = {&mr_map_sin, &mr_map_cos, &mr_map_abs, NULL};

// Quantities

static double first_value(const mr_mujoco *mujoco, const mr_measure *measure) {
    return mr_slice_at(mujoco, &measure->of, 0);
}

static double value_value(const mr_mujoco *mujoco, const mr_measure *measure, double before) {
    (void)before;
    return first_value(mujoco, measure);
}

static double offset_value(const mr_mujoco *mujoco, const mr_measure *measure, double before) {
    (void)before;
    return first_value(mujoco, measure) - mujoco->model->qpos0[measure->of.start];
}

static double velocity_value(const mr_mujoco *mujoco, const mr_measure *measure, double before) {
    return (first_value(mujoco, measure) - before) / mujoco->dt;
}

static double squares_value(const mr_mujoco *mujoco, const mr_measure *measure, double before) {
    (void)before;
    double sum = 0.0;
    for (size_t i = 0; i < measure->of.dim; i++) {
        const double x = mr_slice_at(mujoco, &measure->of, i);
        sum += x * x;
    }
    return sum;
}

static double norm_value(const mr_mujoco *mujoco, const mr_measure *measure, double before) {
    return sqrt(squares_value(mujoco, measure, before));
}

static double healthy_value(const mr_mujoco *mujoco, const mr_measure *measure, double before) {
    (void)measure, (void)before;
    return mujoco->healthy ? 1.0 : 0.0;
}

static double one_value(const mr_mujoco *mujoco, const mr_measure *measure, double before) {
    (void)mujoco, (void)measure, (void)before;
    return 1.0;
}

static bool is_within(const mr_range *range, double x) {
    return range->low <= x && x <= range->high;
}

static double within_value(const mr_mujoco *mujoco, const mr_measure *measure, double before) {
    (void)before;
    for (size_t i = 0; i < measure->of.dim; i++)
        if (!is_within(&measure->range, mr_slice_at(mujoco, &measure->of, i)))
            return 0.0;
    return 1.0;
}

static double gained_value(const mr_mujoco *mujoco, const mr_measure *measure, double before) {
    return first_value(mujoco, measure) - before > measure->range.low ? 1.0 : 0.0;
}

static double reached_value(const mr_mujoco *mujoco, const mr_measure *measure, double before) {
    return is_within(&measure->range, norm_value(mujoco, measure, before)) ? 1.0 : 0.0;
}

const mr_quantity mr_quantity_value = {.name = "value", .formula = "{}", .value = value_value};
const mr_quantity mr_quantity_offset = {
    .name = "offset",
    .formula = "{} - its initial value",
    .only = &mr_field_qpos,
    .value = offset_value,
};
const mr_quantity mr_quantity_velocity = {
    .name = "velocity",
    .formula = "({} after - {} before) / dt",
    .before = first_value,
    .value = velocity_value,
};
const mr_quantity mr_quantity_norm = {.name = "norm", .formula = "|{}|", .value = norm_value};
const mr_quantity mr_quantity_squares = {
    .name = "squares", .formula = "sum of squares of {}", .value = squares_value};
const mr_quantity mr_quantity_healthy = {
    .name = "healthy", .formula = "1 if healthy, else 0", .value = healthy_value};
const mr_quantity mr_quantity_one = {.name = "one", .formula = "1", .value = one_value};
const mr_quantity mr_quantity_within = {
    .name = "within", .formula = "1 if {} in [], else 0", .value = within_value};
const mr_quantity mr_quantity_gained = {
    .name = "gained",
    .formula = "1 if {} - its value at the start >, else 0",
    .before = first_value,
    .value = gained_value,
    .since_start = true,
};
const mr_quantity mr_quantity_reached = {
    .name = "reached", .formula = "1 if |{}| in [], else 0", .value = reached_value};

// Noise

static double draw_uniform(mr_random *random) {
    return mr_random_between(random, -1.0, 1.0);
}

const mr_noise_kind mr_noise_uniform = {.name = "uniform", .draw = draw_uniform};
const mr_noise_kind mr_noise_normal = {.name = "normal", .draw = mr_random_normal};

const mr_noise_kind *const mr_noise_kinds[] = {&mr_noise_uniform, &mr_noise_normal, NULL};
