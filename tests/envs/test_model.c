// The built-in models compile to the tasks' reference models, field by field.
//
// tests/data/envs/compiled/ holds the reference's fields as libmujoco 2.2.2 compiled them, in
// MuJoCo's names and order.

#include "envs/mujoco/model.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>

// Our files may write a number in another way than the reference does (an angle, a difference): a
// few roundings.
static const double tolerance = 1e-12;

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
    ARRAY(NUMBER, body_iquat),
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

ParameterizedTestParameters(model, equals_the_reference_field_by_field) {
    static model_case cases[] = {
        {"inverted_pendulum.xml", "InvertedPendulum-v5"},
        {"hopper.xml", "Hopper-v5"},
        {"half_cheetah.xml", "HalfCheetah-v5"},
    };
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
    return fabs(value - expected) <= tolerance * fmax(1.0, fabs(expected));
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
    json_t *reference = load_reference(which->reference);
    cr_assert_eq(mr_model_open(which->model, &model), MR_OK, "%s", mr_error_message());

    expect_sizes(model, reference);
    for (size_t i = 0; i < MR_COUNT(fields); i++)
        expect_field(model, reference, &fields[i]);
    for (size_t i = 0; i < MR_COUNT(objects); i++)
        expect_names(model, reference, &objects[i]);
    cr_expect(is_close(mj_getTotalmass(model),
                       json_number_value(json_object_get(reference, "total_mass"))));

    mj_deleteModel(model);
    json_decref(reference);
}

Test(model, refuses_unknown_names) {
    mjModel *model = NULL;
    cr_assert_eq(mr_model_open("unicycle.xml", &model), MR_ERR_USAGE);
    cr_assert_null(model);
    cr_assert_not_null(strstr(mr_error_message(), "unicycle.xml"));
}

Test(model, holds_a_light_a_camera_and_materials_to_be_filmed_by) {
    for (size_t i = 0; i < mr_n_model_files; i++) {
        mjModel *model;
        cr_assert_eq(mr_model_open(mr_model_files[i].name, &model), MR_OK);
        cr_expect_geq((int)model->nlight, 1, "%s", mr_model_files[i].name);
        cr_expect_geq((int)model->ncam, 1, "%s", mr_model_files[i].name);
        cr_expect_geq((int)model->nmat, 1, "%s", mr_model_files[i].name);
        mj_deleteModel(model);
    }
}
