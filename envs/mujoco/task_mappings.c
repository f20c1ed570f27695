// Values of task files that are mappings themselves: noises and shapes.

#include "envs/mujoco/task_entry_internal.h"
#include "envs/mujoco/terms.h"

#include <string.h>

// {uniform: 0.1}
mr_status mr_yaml_noise(mr_yaml_reader *r, const yaml_node_t *node, mr_noise *noise) {
    mr_status status;
    const void *kind = NULL;
    if (node->type != YAML_MAPPING_NODE ||
        node->data.mapping.pairs.top - node->data.mapping.pairs.start != 1)
        return mr_yaml_fault(r, node, "expected {uniform: 0.1} or {normal: 0.1} here");
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    const yaml_node_t *scale = mr_yaml_node(r, pair->value);
    MR_TRY(mr_yaml_listed(r, mr_yaml_node(r, pair->key), "noise", mr_noise_kinds, &kind));
    MR_TRY(mr_yaml_number(r, scale, &noise->scale));
    if (noise->scale < 0.0)
        MR_TRY(mr_yaml_fault(r, scale, "a scale is not below 0"));
    noise->kind = kind;
done:
    return status;
}

// ---- Shapes

static mr_status read_exp(mr_yaml_reader *r, const yaml_node_t *node, mr_shape *shape) {
    const mr_status status = mr_yaml_number(r, node, &shape->scale);
    shape->kind = &mr_shape_exp;
    if (status == MR_OK && !(shape->scale > 0.0))
        return mr_yaml_fault(r, node, "the scale of exp(-x / scale) is above 0");
    return status;
}

static mr_status read_tolerance(mr_yaml_reader *r, const yaml_node_t *node, mr_shape *shape) {
    shape->kind = &mr_shape_tolerance;
    return mr_yaml_bounds(r, node, &shape->bounds);
}

static mr_status read_margin(mr_yaml_reader *r, const yaml_node_t *node, mr_shape *shape) {
    const mr_status status = mr_yaml_number(r, node, &shape->margin);
    if (status == MR_OK && shape->margin < 0.0)
        return mr_yaml_fault(r, node, "a margin is not below 0");
    return status;
}

static mr_status read_sigmoid(mr_yaml_reader *r, const yaml_node_t *node, mr_shape *shape) {
    const void *found = NULL;
    const mr_status status = mr_yaml_listed(r, node, "sigmoid", mr_sigmoids, &found);
    shape->sigmoid = found;
    return status;
}

static mr_status read_value_at_margin(mr_yaml_reader *r, const yaml_node_t *node, mr_shape *shape) {
    const mr_status status = mr_yaml_number(r, node, &shape->value_at_margin);
    if (status == MR_OK && !(shape->value_at_margin >= 0.0 && shape->value_at_margin < 1.0))
        return mr_yaml_fault(r, node, "a value at the margin is from 0 to below 1");
    return status;
}

typedef struct {
    const char *name;
    mr_status (*read)(mr_yaml_reader *r, const yaml_node_t *node, mr_shape *shape);
    const mr_shape_kind *kind; // whose it is
} shape_key;

static const shape_key shape_keys[] = {
    {"exp", read_exp, &mr_shape_exp},
    {"tolerance", read_tolerance, &mr_shape_tolerance},
    {"margin", read_margin, &mr_shape_tolerance},
    {"sigmoid", read_sigmoid, &mr_shape_tolerance},
    {"value_at_margin", read_value_at_margin, &mr_shape_tolerance},
};

static const char *shape_key_at(const void *table, size_t i) {
    return ((const shape_key *)table)[i].name;
}

static mr_status read_shape_key(mr_yaml_reader *r, const yaml_node_pair_t *pair,
                                const yaml_node_t *found[MR_COUNT(shape_keys)], mr_shape *shape) {
    const yaml_node_t *key = mr_yaml_node(r, pair->key);
    const char *text = NULL;
    size_t i = 0;
    const mr_status status = mr_yaml_text(r, key, &text);
    if (status != MR_OK)
        return status;
    while (i < MR_COUNT(shape_keys) && strcmp(shape_keys[i].name, text) != 0)
        i++;
    if (i == MR_COUNT(shape_keys))
        return mr_yaml_unknown(r, key, "key", text, MR_COUNT(shape_keys), shape_key_at, shape_keys);
    if (found[i] != NULL)
        return mr_yaml_fault(r, key, "this key is given twice; keep one");
    found[i] = key;
    return shape_keys[i].read(r, mr_yaml_node(r, pair->value), shape);
}

mr_status mr_yaml_shape(mr_yaml_reader *r, const yaml_node_t *node, mr_shape *shape) {
    static const char form[] =
        "expected {exp: 0.1} or {tolerance: [0, 0.1], margin: 0.5} here, one of them";
    mr_status status = MR_OK;
    const yaml_node_t *found[MR_COUNT(shape_keys)] = {0};
    mr_shape read = {.value_at_margin = 0.1, .sigmoid = &mr_sigmoid_gaussian};

    if (node->type != YAML_MAPPING_NODE)
        return mr_yaml_fault(r, node, form);
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++)
        MR_TRY(read_shape_key(r, pair, found, &read));
    for (size_t i = 0; i < MR_COUNT(shape_keys); i++)
        if (read.kind == NULL || (found[i] != NULL && shape_keys[i].kind != read.kind))
            MR_TRY(mr_yaml_fault(r, node, form));
    if (read.value_at_margin == 0.0 && !read.sigmoid->reaches_0)
        MR_TRY(mr_yaml_fault(r, node,
                             "this sigmoid never gets to 0: its value_at_margin is above 0; linear "
                             "and quadratic ones do"));
    *shape = read;
done:
    return status;
}
