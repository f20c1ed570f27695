/// Reading YAML documents with libyaml: values with their checks. Inside the readers of tasks.
#pragma once

#include "envs/mujoco/task.h"

#include "base/nearest.h"

#include <yaml.h>

/// What a description is read with, and what it is read into.
typedef struct {
    const char *path;
    yaml_document_t document;
    const mjModel *model;
    mr_task *task;
    char *summary; // [MR_OPTION_MAX_TEXT]
} mr_yaml_reader;

/// Fails with MR_ERR_INPUT, file, line and column of the node, and `what`.
mr_status mr_yaml_fault(const mr_yaml_reader *r, const yaml_node_t *node, const char *what);

/// Fails because of an unknown WHAT called `text`; the nearest of the `n` names is in the message,
/// or all of them.
mr_status mr_yaml_unknown(const mr_yaml_reader *r, const yaml_node_t *node, const char *what,
                          const char *text, size_t n, mr_name_at *at, const void *table);

/// The node of that number in the document.
yaml_node_t *mr_yaml_node(mr_yaml_reader *r, int index);

/// The values of nodes; each fails with what it expects. Texts belong to the document.
mr_status mr_yaml_text(const mr_yaml_reader *r, const yaml_node_t *node, const char **out);
mr_status mr_yaml_name(const mr_yaml_reader *r, const yaml_node_t *node, size_t size, char *out);
mr_status mr_yaml_number(const mr_yaml_reader *r, const yaml_node_t *node, double *out);
mr_status mr_yaml_count(const mr_yaml_reader *r, const yaml_node_t *node, double least,
                        size_t *out);
mr_status mr_yaml_switch(const mr_yaml_reader *r, const yaml_node_t *node, bool *out);
mr_status mr_yaml_range(mr_yaml_reader *r, const yaml_node_t *node, mr_range *out);
mr_status mr_yaml_finite_range(mr_yaml_reader *r, const yaml_node_t *node, mr_range *out);
mr_status mr_yaml_bounds(mr_yaml_reader *r, const yaml_node_t *node,
                         mr_range *out); // a range whose ends may be the same

/// The length of a list; 0 where it is none.
size_t mr_yaml_length(const yaml_node_t *node);

/// The row of a table that the node names. The table is an array of pointers that ends at NULL, to
/// structs that begin with their name (mr_fields, mr_maps).
mr_status mr_yaml_listed(const mr_yaml_reader *r, const yaml_node_t *node, const char *what,
                         const void *table, const void **out);
