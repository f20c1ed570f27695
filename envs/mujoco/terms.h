/// The vocabulary of tasks: what can be observed, measured, shaped and drawn.
#pragma once

#include "envs/mujoco/slice.h"

#include "base/random.h"

/// A number that is made of a slice, or of the whole state.
struct mr_quantity {
    const char *name;
    const char *formula;  // for descriptions; {} stands for the slice, [] for the range, > for
                          // its lower end
    const mr_field *only; // the one field whose slices it takes; NULL: any
    /// What it must remember from before the step, or from the start of the episode if
    /// `since_start`; NULL: nothing.
    double (*before)(const mr_mujoco *mujoco, const mr_measure *measure);
    double (*value)(const mr_mujoco *mujoco, const mr_measure *measure, double before);
    bool since_start;
};

/// A function that makes a reward of a measure.
struct mr_shape_kind {
    const char *name;
    double (*of)(const mr_shape *shape, double x);
    /// Writes its formula in x, for descriptions.
    void (*describe)(const mr_shape *shape, char *text, size_t size);
};

/// How a tolerance falls off beyond its bounds.
struct mr_sigmoid {
    const char *name;
    /// 1 at 0, `at_1` at 1, falling with `distance`.
    double (*of)(double distance, double at_1);
    bool reaches_0; // at_1 may be 0
};

/// A distribution of noise.
struct mr_noise_kind {
    const char *name;
    double (*draw)(mr_random *random);
};

// ---- What there is

extern const mr_field mr_field_qpos;            // positions of the joints
extern const mr_field mr_field_qvel;            // velocities of the degrees of freedom
extern const mr_field mr_field_qacc;            // their accelerations
extern const mr_field mr_field_ctrl;            // the action
extern const mr_field mr_field_actuator_force;  // what the actuators exert, in their own space
extern const mr_field mr_field_qfrc_actuator;   // the same, in the degrees of freedom
extern const mr_field mr_field_qfrc_constraint; // of contacts and limits, in the same
extern const mr_field mr_field_cfrc_ext;        // external force on bodies: torque, force
extern const mr_field mr_field_cinert;          // inertia about the center of mass, and mass
extern const mr_field mr_field_cvel;            // velocity at the center of mass: angular, linear
extern const mr_field mr_field_xpos;            // positions of bodies
extern const mr_field mr_field_xquat;           // orientations of bodies
extern const mr_field mr_field_xmat;            // the same, as matrices by rows
extern const mr_field mr_field_subtree_com;     // center of mass of bodies and all below them
extern const mr_field mr_field_site_xpos;       // positions of sites
extern const mr_field mr_field_ten_length;      // lengths of tendons
extern const mr_field mr_field_ten_velocity;    // their velocities
extern const mr_field mr_field_sensordata;      // outputs of sensors
extern const mr_field mr_field_act;             // activations of actuators that have a state
extern const mr_field mr_field_geom_xpos;       // positions of geoms
extern const mr_field mr_field_site_xmat;       // orientations of sites, as matrices by rows

extern const mr_map mr_map_sin;
extern const mr_map mr_map_cos;
extern const mr_map mr_map_abs;

extern const mr_quantity mr_quantity_value;  // the first component
extern const mr_quantity mr_quantity_offset; // the first component of qpos minus its initial value
extern const mr_quantity mr_quantity_velocity; // change of the first component over the step
extern const mr_quantity mr_quantity_norm;     // root of the sum of squares
extern const mr_quantity mr_quantity_squares;  // sum of squares
extern const mr_quantity mr_quantity_healthy;  // 1 while the state is healthy, else 0
extern const mr_quantity mr_quantity_one;      // 1
extern const mr_quantity mr_quantity_within;   // 1 if all components are in the range, else 0
extern const mr_quantity mr_quantity_gained;   // 1 if the first component has grown by more than
                                               // the range's low since the start, else 0
extern const mr_quantity mr_quantity_reached;  // 1 if the norm is in the range, else 0

extern const mr_noise_kind mr_noise_uniform; // on [-scale, scale)
extern const mr_noise_kind mr_noise_normal;  // with deviation `scale`

extern const mr_shape_kind mr_shape_exp;       // exp(-x / scale)
extern const mr_shape_kind mr_shape_tolerance; // 1 within bounds, falling off over a margin

extern const mr_sigmoid mr_sigmoid_gaussian;  // also at any distance above 0
extern const mr_sigmoid mr_sigmoid_linear;    // 0 from some distance on
extern const mr_sigmoid mr_sigmoid_quadratic; // so is this
extern const mr_sigmoid mr_sigmoid_long_tail; // falls as the square of the distance

/// All of them, for descriptions that name them in text. NULL ends each list.
extern const mr_field *const mr_fields[];
extern const mr_map *const mr_maps[];
extern const mr_noise_kind *const mr_noise_kinds[];
extern const mr_shape_kind *const mr_shape_kinds[];
extern const mr_sigmoid *const mr_sigmoids[];
