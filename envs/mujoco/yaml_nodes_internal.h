/// Reading YAML documents with libyaml: values with their checks. Private to the reader of task
/// files.
#pragma once

#include "envs/mujoco/task.h"

#include "base/nearest.h"

#include <yaml.h>

/// The state of reading a description into a task.
typedef struct {
    const char *path;
    yaml_document_t document;
    const mjModel *model;
    mr_task *task;
    char *summary; // [MR_OPTION_MAX_TEXT]
} mr_yaml_reader;

/// Fails with MR_ERR_INPUT, file, line and column of the node, and `what`.
mr_status mr_yaml_fault(const mr_yaml_reader *r, const yaml_node_t *node, const char *what);

/// Fails with an unknown `what` called `text`; the message has the nearest of the `n` names, or
/// all.
mr_status mr_yaml_unknown(const mr_yaml_reader *r, const yaml_node_t *node, const char *what,
                          const char *text, size_t n, mr_name_at *at, const void *table);

/// The node of that number in the document.
yaml_node_t *mr_yaml_node(mr_yaml_reader *r, int index);

/// Read the values of nodes; a failure says what is expected. The document owns texts.
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

/// The length of a list; 0 if the node is not a list.
size_t mr_yaml_length(const yaml_node_t *node);

/// The row of a table that the node names. The table is an array of pointers that ends at NULL, to
/// structs that begin with their name (mr_fields, mr_maps).
mr_status mr_yaml_listed(const mr_yaml_reader *r, const yaml_node_t *node, const char *what,
                         const void *table, const void **out);
