// The scalar value head.

#include "agents/value_head.h"

static mr_node *scalar_value(mr_node *outputs) {
    return outputs;
}

// y = reward + discount (min_i Q_i - entropy_cost)
static mr_node *scalar_target(size_t n, mr_node *const *next, const mr_backup *backup) {
    mr_node *value = next[0];
    for (size_t i = 1; i < n; i++)
        value = mr_min(value, next[i]);
    if (backup->entropy_cost)
        value = mr_sub(value, backup->entropy_cost);
    return mr_add(backup->reward, mr_mul(backup->discount, value));
}

// 1/2 (Q - y)^2
static mr_node *scalar_loss(mr_node *outputs, mr_node *target) {
    return mr_affine(mr_square(mr_sub(outputs, target)), 0.5, 0);
}

const mr_value_head mr_value_head_scalar = {
    .name = "scalar",
    .n_outputs = 1,
    .value = scalar_value,
    .target = scalar_target,
    .loss = scalar_loss,
};
