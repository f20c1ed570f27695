/// Entries of a task file's lists. Private to the reader of task files.
#pragma once

#include "envs/mujoco/yaml_nodes_internal.h"

/// A term: a quantity under its name in task files.
typedef struct {
    const char *name;
    const char *option; // of its weight
    const mr_quantity *kind;
    // The field that it measures: of a body, site, geom or joint; without an object. NULL: not
    // possible.
    const mr_field *of_body, *of_site, *of_geom, *of_joint, *of_all;
    size_t first, n;
    unsigned takes; // AXIS, ... of task_entry.c
    bool cost;
} mr_term_row;

/// An entry that has been read. Nodes are those of values, NULL if not given.
typedef struct {
    const yaml_node_t *whole;
    const mr_term_row *term; // NULL: none
    const mr_field *field;
    mjtObj object_type, to_type; // to_type: mjOBJ_UNKNOWN: the object's
    mr_object object, to;
    const yaml_node_t *object_node, *to_node, *term_node, *axis_node, *radius_node;
    size_t first, count;
    const mr_map *map;
    mr_range clip, range, within;
    mr_range box[3]; // x, y, z
    bool has_first, has_count, has_range, has_box[3], closed, is_scaled;
    double radius, weight, scale, offset;
    mr_shape shape;
    mr_noise qpos, qvel;
    char name[MR_NAME_SIZE];
} mr_task_entry;

/// The lists, as bits: those in which a key is allowed.
enum {
    MR_IN_OBSERVATION = 1,
    MR_IN_REWARD = 2,
    MR_IN_INFO = 4,
    MR_IN_HEALTHY = 8,
    MR_IN_MEASURED = 15, // all of these
    MR_IN_GOALS = 16,
    MR_IN_JOINTS = 32, // of reset_noise
};

/// Reads an entry of one of the lists.
mr_status mr_entry_read(mr_yaml_reader *r, unsigned list, const yaml_node_t *node,
                        mr_task_entry *e);

/// The slice of a field that an entry picks, resolved in the model.
mr_status mr_entry_slice(const mr_yaml_reader *r, const mr_task_entry *e, const mr_field *field,
                         mr_slice *slice);

/// A noise: {uniform: 0.1}.
mr_status mr_yaml_noise(mr_yaml_reader *r, const yaml_node_t *node, mr_noise *noise);

/// A shape: {exp: 0.1}, {tolerance: [0, 0.1], margin: 0.5}.
mr_status mr_yaml_shape(mr_yaml_reader *r, const yaml_node_t *node, mr_shape *shape);

/// The measure of an entry: its term, or the components of its field.
mr_status mr_entry_measure(const mr_yaml_reader *r, const mr_task_entry *given,
                           mr_measure *measure);
