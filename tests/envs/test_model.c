// The built-in models compile to the tasks' reference models, field by field, and move as they do.
//
// tests/data/envs/compiled/ holds the reference's fields as libmujoco 2.2.2 compiled them, in
// MuJoCo's names and order, and 4.0.0 compiles them to the same; tests/data/envs/rollouts/ 100
// steps of a task with each, under both.

#include "envs/mujoco/model.h"

#include "rollout.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>

// Our files may write a number in another way than the reference does (an angle, a difference): a
// few roundings, of the number itself or of the ones that cancel to a 0. The smallest figures, the
// inertia of Pusher's goal, are 6e-13.
static const double relative_tolerance = 1e-12, absolute_tolerance = 1e-16;

typedef enum { NUMBER, INTEGER, FLAG } field_type;

// A field of mjModel or of its options that is an array or a scalar.
typedef struct {
    const char *name;
    field_type type;
    size_t offset;
    bool scalar; // in place, not behind a pointer
} model_field;

#define ARRAY(type, name)                                                                          \
    { #name, type, offsetof(mjModel, name), false }
#define OPTION(type, name)                                                                         \
    { #name, type, offsetof(mjModel, opt.name), true }

static const model_field fields[] = {
    OPTION(NUMBER, timestep),
    OPTION(INTEGER, integrator),
    OPTION(INTEGER, solver),
    OPTION(INTEGER, iterations),
    OPTION(NUMBER, tolerance),
    OPTION(INTEGER, cone),
    OPTION(INTEGER, jacobian),
    OPTION(NUMBER, density),
    OPTION(NUMBER, viscosity),
    OPTION(NUMBER, impratio),
    OPTION(INTEGER, disableflags),
    OPTION(INTEGER, enableflags),
    OPTION(NUMBER, gravity),
    OPTION(NUMBER, wind),
    ARRAY(NUMBER, qpos0),
    ARRAY(NUMBER, qpos_spring),
    ARRAY(INTEGER, body_parentid),
    ARRAY(NUMBER, body_pos),
    ARRAY(NUMBER, body_quat),
    ARRAY(NUMBER, body_ipos),
    ARRAY(NUMBER, body_mass),
    ARRAY(NUMBER, body_inertia),
    ARRAY(INTEGER, jnt_type),
    ARRAY(INTEGER, jnt_bodyid),
    ARRAY(FLAG, jnt_limited),
    ARRAY(NUMBER, jnt_pos),
    ARRAY(NUMBER, jnt_axis),
    ARRAY(NUMBER, jnt_range),
    ARRAY(NUMBER, jnt_stiffness),
    ARRAY(NUMBER, jnt_margin),
    ARRAY(NUMBER, jnt_solref),
    ARRAY(NUMBER, jnt_solimp),
    ARRAY(NUMBER, dof_armature),
    ARRAY(NUMBER, dof_damping),
    ARRAY(NUMBER, dof_frictionloss),
    ARRAY(INTEGER, geom_type),
    ARRAY(INTEGER, geom_bodyid),
    ARRAY(INTEGER, geom_contype),
    ARRAY(INTEGER, geom_conaffinity),
    ARRAY(INTEGER, geom_condim),
    ARRAY(NUMBER, geom_size),
    ARRAY(NUMBER, geom_pos),
    ARRAY(NUMBER, geom_quat),
    ARRAY(NUMBER, geom_friction),
    ARRAY(NUMBER, geom_margin),
    ARRAY(NUMBER, geom_gap),
    ARRAY(NUMBER, geom_solref),
    ARRAY(NUMBER, geom_solimp),
    ARRAY(INTEGER, site_bodyid),
    ARRAY(NUMBER, site_pos),
    ARRAY(INTEGER, wrap_objid),
    ARRAY(NUMBER, wrap_prm),
    ARRAY(INTEGER, exclude_signature),
    ARRAY(INTEGER, actuator_trnid),
    ARRAY(INTEGER, actuator_trntype),
    ARRAY(NUMBER, actuator_gear),
    ARRAY(FLAG, actuator_ctrllimited),
    ARRAY(NUMBER, actuator_ctrlrange),
    ARRAY(FLAG, actuator_forcelimited),
    ARRAY(NUMBER, actuator_forcerange),
};

// Names of one kind of object; the counts say how many there must be.
typedef struct {
    const char *names, *count;
    mjtObj type;
} named_objects;

static const named_objects objects[] = {
    {"body_name", "nbody", mjOBJ_BODY},       {"jnt_name", "njnt", mjOBJ_JOINT},
    {"geom_name", "ngeom", mjOBJ_GEOM},       {"site_name", "nsite", mjOBJ_SITE},
    {"tendon_name", "ntendon", mjOBJ_TENDON}, {"actuator_name", "nu", mjOBJ_ACTUATOR},
};

typedef struct {
    char model[32], reference[32];
} model_case;

static const model_field body_iquat = ARRAY(NUMBER, body_iquat); // see inertia_matrix

static model_case cases[] = {
    {"ant.xml", "Ant-v5"},
    {"half_cheetah.xml", "HalfCheetah-v5"},
    {"hopper.xml", "Hopper-v5"},
    {"humanoid.xml", "Humanoid-v5"},
    {"humanoid_standup.xml", "HumanoidStandup-v5"},
    {"inverted_double_pendulum.xml", "InvertedDoublePendulum-v5"},
    {"inverted_pendulum.xml", "InvertedPendulum-v5"},
    {"pusher.xml", "Pusher-v5"},
    {"reacher.xml", "Reacher-v5"},
    {"swimmer.xml", "Swimmer-v5"},
    {"walker2d.xml", "Walker2d-v5"},
};

ParameterizedTestParameters(model, equals_the_reference_field_by_field) {
    return cr_make_param_array(model_case, cases, MR_COUNT(cases));
}

ParameterizedTestParameters(model, moves_as_the_reference_does) {
    return cr_make_param_array(model_case, cases, MR_COUNT(cases));
}

static const void *field_start(const mjModel *model, const model_field *field) {
    const char *place = (const char *)model + field->offset;
    return field->scalar ? (const void *)place : *(const void *const *)place;
}

static double field_value(const mjModel *model, const model_field *field, size_t i) {
    const void *start = field_start(model, field);
    switch (field->type) {
    case NUMBER:
        return ((const mjtNum *)start)[i];
    case INTEGER:
        return ((const int *)start)[i];
    case FLAG:
        return ((const mjtByte *)start)[i];
    }
    return NAN;
}

static bool is_close(double value, double expected) {
    return fabs(value - expected) <= relative_tolerance * fabs(expected) + absolute_tolerance;
}

static json_t *load_reference(const char *name) {
    char path[512];
    snprintf(path, sizeof path, MR_TEST_DATA "/envs/compiled/%s.json", name);
    json_error_t error;
    json_t *reference = json_load_file(path, 0, &error);
    cr_assert_not_null(reference, "%s: %s", path, error.text);
    return reference;
}

static void expect_field(const mjModel *model, const json_t *reference, const model_field *field) {
    const json_t *expected = json_object_get(reference, field->name);
    cr_assert_not_null(expected, "the reference has no %s", field->name);
    const bool is_list = json_is_array(expected);
    const size_t n = is_list ? json_array_size(expected) : 1;
    for (size_t i = 0; i < n; i++) {
        const double value = field_value(model, field, i);
        const double want = json_number_value(is_list ? json_array_get(expected, i) : expected);
        cr_expect(is_close(value, want), "%s[%zu] is %.17g, the reference has %.17g", field->name,
                  i, value, want);
    }
}

// The inertia in the body's frame: R diag(inertia) R^T. Two principal axes of equal inertia may
// point anywhere in their plane, and do so differently from release to release.
static void inertia_matrix(const double *quat, const double *inertia, double matrix[9]) {
    double axes[9];
    mju_quat2Mat(axes, quat);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            matrix[3 * i + j] = 0.0;
            for (int k = 0; k < 3; k++)
                matrix[3 * i + j] += axes[3 * i + k] * inertia[k] * axes[3 * j + k];
        }
}

static void read_numbers(const json_t *reference, const char *field, size_t first, size_t n,
                         double *out) {
    const json_t *numbers = json_object_get(reference, field);
    for (size_t i = 0; i < n; i++)
        out[i] = json_number_value(json_array_get(numbers, first + i));
}

static void expect_inertias(const mjModel *model, const json_t *reference) {
    for (size_t b = 0; b < (size_t)model->nbody; b++) {
        double matrix[9], quat[4], inertia[3], expected[9];
        inertia_matrix(&model->body_iquat[4 * b], &model->body_inertia[3 * b], matrix);
        read_numbers(reference, "body_iquat", 4 * b, 4, quat);
        read_numbers(reference, "body_inertia", 3 * b, 3, inertia);
        inertia_matrix(quat, inertia, expected);
        for (size_t i = 0; i < 9; i++)
            cr_expect(is_close(matrix[i], expected[i]),
                      "inertia %zu of body %zu is %.17g, not %.17g", i, b, matrix[i], expected[i]);
    }
}

static void expect_names(const mjModel *model, const json_t *reference,
                         const named_objects *object) {
    const json_t *names = json_object_get(reference, object->names);
    cr_assert_eq((json_int_t)json_array_size(names),
                 json_integer_value(json_object_get(reference, object->count)));
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = mj_id2name(model, (int)object->type, (int)i);
        const char *want = json_string_value(json_array_get(names, i));
        cr_expect_str_eq(name == NULL ? "" : name, want, "%s[%zu]", object->names, i);
    }
}

static void expect_sizes(const mjModel *model, const json_t *reference) {
    const struct {
        const char *name;
        long long n;
    } sizes[] = {
        {"nq", model->nq},       {"nv", model->nv},           {"nu", model->nu},
        {"nbody", model->nbody}, {"njnt", model->njnt},       {"ngeom", model->ngeom},
        {"nsite", model->nsite}, {"ntendon", model->ntendon},
    };
    for (size_t i = 0; i < MR_COUNT(sizes); i++)
        cr_assert_eq(sizes[i].n, json_integer_value(json_object_get(reference, sizes[i].name)),
                     "%s", sizes[i].name);
}

ParameterizedTest(model_case *which, model, equals_the_reference_field_by_field) {
    mjModel *model;
    char warnings[MR_MUJOCO_TEXT_SIZE];
    json_t *reference = load_reference(which->reference);
    cr_assert_eq(mr_model_open(which->model, warnings, &model), MR_OK, "%s", mr_error_message());

    expect_sizes(model, reference);
    for (size_t i = 0; i < MR_COUNT(fields); i++)
        expect_field(model, reference, &fields[i]);
    expect_inertias(model, reference);
    if (mj_version() == 222)
        expect_field(model, reference, &body_iquat);
    for (size_t i = 0; i < MR_COUNT(objects); i++)
        expect_names(model, reference, &objects[i]);
    cr_expect(is_close(mj_getTotalmass(model),
                       json_number_value(json_object_get(reference, "total_mass"))));

    mj_deleteModel(model);
    json_decref(reference);
}

// One step of a task: control, simulation steps, contact forces.
static void step(const mjModel *model, mjData *data, const double *control, int frame_skip) {
    memcpy(data->ctrl, control, (size_t)model->nu * sizeof *control);
    for (int i = 0; i < frame_skip; i++)
        mj_step(model, data);
    mj_rnePostConstraint(model, data);
}

static void expect_close(size_t t, const char *name, size_t n, const double *values,
                         const double *expected) {
    static const double rollout_tolerance = 1e-9; // absolute, or relative above 1
    for (size_t i = 0; i < n; i++)
        cr_expect(fabs(values[i] - expected[i]) <= rollout_tolerance * fmax(1.0, fabs(expected[i])),
                  "step %zu: %s[%zu] is %.17g, not %.17g", t, name, i, values[i], expected[i]);
}

static void expect_row(const mjModel *model, const mjData *data, const csv_table *table, size_t t) {
    const double *row = table->rows[t];
    double forces = 0.0;
    for (size_t i = 0; i < 6 * (size_t)model->nbody; i++)
        forces += data->cfrc_ext[i] * data->cfrc_ext[i];
    expect_close(t, "qpos", (size_t)model->nq, data->qpos, &row[csv_column(table, "qpos0")]);
    expect_close(t, "qvel", (size_t)model->nv, data->qvel, &row[csv_column(table, "qvel0")]);
    expect_close(t, "cfrc_ext^2", 1, &forces, &row[csv_column(table, "cfrc_ext_sumsq")]);
    cr_expect_eq((int)data->ncon, (int)row[csv_column(table, "ncon")], "step %zu", t);
}

static void begin_rollout(const mjModel *model, mjData *data, const csv_table *table) {
    const double *row = table->rows[0];
    memcpy(data->qpos, &row[csv_column(table, "qpos0")], (size_t)model->nq * sizeof *row);
    memcpy(data->qvel, &row[csv_column(table, "qvel0")], (size_t)model->nv * sizeof *row);
    mj_forward(model, data);
}

ParameterizedTest(model_case *which, model, moves_as_the_reference_does) {
    mjModel *model;
    char warnings[MR_MUJOCO_TEXT_SIZE];
    const rollout recorded = rollout_load(which->reference);
    csv_table *table = recorded.table;
    json_t *reference = load_reference(which->reference);
    const int frame_skip = (int)json_integer_value(json_object_get(reference, "frame_skip"));
    cr_assert_eq(mr_model_open(which->model, warnings, &model), MR_OK, "%s", mr_error_message());
    mjData *data = mj_makeData(model);

    begin_rollout(model, data, table);
    cr_assert_eq(table->n_rows, 101);
    for (size_t t = 1; t < table->n_rows; t++) {
        step(model, data, &table->rows[t][csv_column(table, "ctrl0")], frame_skip);
        if (!rollout_is_comparable(&recorded, data))
            break;
        expect_row(model, data, table, t);
    }
    mj_deleteData(data);
    mj_deleteModel(model);
    json_decref(reference);
    free(table);
}

Test(model, refuses_unknown_names) {
    mjModel *model = NULL;
    char warnings[MR_MUJOCO_TEXT_SIZE];
    cr_assert_eq(mr_model_open("unicycle.xml", warnings, &model), MR_ERR_IO);
    cr_assert_null(model);
    cr_assert_not_null(strstr(mr_error_message(), "unicycle.xml"));
}

Test(model, holds_a_light_a_camera_and_materials_to_be_filmed_by) {
    for (size_t i = 0; i < mr_n_model_files; i++) {
        mjModel *model;
        char warnings[MR_MUJOCO_TEXT_SIZE];
        cr_assert_eq(mr_model_open(mr_model_files[i].name, warnings, &model), MR_OK);
        cr_expect_geq((int)model->nlight, 1, "%s", mr_model_files[i].name);
        cr_expect_geq(mj_name2id(model, mjOBJ_CAMERA, "track"), 0, "%s", mr_model_files[i].name);
        cr_expect_geq((int)model->nmat, 1, "%s", mr_model_files[i].name);
        mj_deleteModel(model);
    }
}
