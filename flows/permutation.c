// Orders of features: reversed, or shuffled. log |det| is 0.
//
// A shuffle is drawn once, from a fixed stream, by the number of features and the part's index; it
// is a buffer of the model, so that what is loaded does not depend on how it is drawn.

#include "flows/part.h"

#include <stdio.h>
#include <stdlib.h>

static const uint64_t shuffle_seed = 0x9e54; // of the fixed stream

// ---- Shuffled

typedef struct {
    mr_buffer order; // [1 x dim] feature j of the result is feature order[j]
} permutation;

// By Fisher and Yates.
static void shuffle(mr_random *random, size_t n, mr_real *order) {
    for (size_t j = 0; j < n; j++)
        order[j] = (mr_real)j;
    for (size_t j = n; j > 1; j--) {
        const size_t k = mr_random_below(random, j);
        const mr_real last = order[j - 1];
        order[j - 1] = order[k];
        order[k] = last;
    }
}

static mr_status permutation_declare(mr_part *part, mr_params *params, const char *prefix) {
    permutation *p = part->state;
    char name[256];
    mr_random random = mr_random_stream(shuffle_seed + part->dim, MR_STREAM_INIT, part->index);
    mr_real *order = calloc(part->dim, sizeof *order);
    if (!order)
        return mr_fail_memory("a permutation");
    shuffle(&random, part->dim, order);
    snprintf(name, sizeof name, "%s.order", prefix);
    p->order =
        mr_params_add_buffer_values(params, name, 1, part->dim, MR_BUFFER_PERMUTATION, order);
    free(order);
    return MR_OK;
}

static mr_node *permutation_forward(const mr_part *part, mr_params *params, mr_node *x,
                                    mr_node *context, mr_node **log_det) {
    const permutation *p = part->state;
    (void)context, (void)log_det;
    return mr_permute(x, params, p->order);
}

static mr_node *permutation_inverse(const mr_part *part, mr_params *params, mr_node *y,
                                    mr_node *context, mr_node **log_det) {
    const permutation *p = part->state;
    (void)context, (void)log_det;
    return mr_unpermute(y, params, p->order);
}

const mr_part_ops mr_part_permutation = {
    .name = "permutation",
    .summary = "shuffles the order of the features; the model keeps the order",
    .inverse_by = "closed form",
    .state_size = sizeof(permutation),
    .is_affine = true,
    .keeps_boxes = true,
    .keeps_volume = true,
    .declare = permutation_declare,
    .forward = permutation_forward,
    .inverse = permutation_inverse,
};

// ---- Reversed

typedef struct {
    size_t *order; // [dim]
} reversal;

static mr_status reverse_declare(mr_part *part, mr_params *params, const char *prefix) {
    (void)params, (void)prefix;
    reversal *r = part->state;
    r->order = mr_arena_alloc(part->arena, part->dim * sizeof *r->order);
    if (!r->order)
        return mr_fail_memory("a reversal");
    for (size_t j = 0; j < part->dim; j++)
        r->order[j] = part->dim - 1 - j;
    return MR_OK;
}

// Its own inverse.
static mr_node *reverse(const mr_part *part, mr_params *params, mr_node *x, mr_node *context,
                        mr_node **log_det) {
    const reversal *r = part->state;
    (void)params, (void)context, (void)log_det;
    return mr_columns(x, r->order, part->dim);
}

const mr_part_ops mr_part_reverse = {
    .name = "reverse",
    .summary = "reverses the order of the features",
    .inverse_by = "itself",
    .state_size = sizeof(reversal),
    .is_affine = true,
    .keeps_boxes = true,
    .keeps_volume = true,
    .declare = reverse_declare,
    .forward = reverse,
    .inverse = reverse,
};
