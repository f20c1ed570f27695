// Orders of features: reversed, or shuffled. log |det| is 0.
//
// A shuffle is drawn from a fixed stream, by the number of features and the part's index, because a
// flow is rebuilt from its text when a model is loaded.

#include "flows/part.h"

static const uint64_t shuffle_seed = 0x9e54; // of the fixed stream

typedef struct {
    size_t *order; // [dim] column j of the result is column order[j]
    size_t *back;  // [dim] likewise of the inverse
} permutation;

static mr_status make_order(mr_part *part) {
    permutation *p = part->state;
    p->order = mr_arena_alloc(part->arena, part->dim * sizeof *p->order);
    p->back = mr_arena_alloc(part->arena, part->dim * sizeof *p->back);
    return p->order && p->back ? MR_OK : mr_fail_memory("a permutation");
}

static void note_back(const mr_part *part) {
    const permutation *p = part->state;
    for (size_t j = 0; j < part->dim; j++)
        p->back[p->order[j]] = j;
}

static mr_status reverse_declare(mr_part *part, mr_params *params, const char *prefix) {
    (void)params, (void)prefix;
    permutation *p = part->state;
    const mr_status status = make_order(part);
    if (status != MR_OK)
        return status;
    for (size_t j = 0; j < part->dim; j++)
        p->order[j] = part->dim - 1 - j;
    note_back(part);
    return MR_OK;
}

// By Fisher and Yates.
static mr_status shuffle_declare(mr_part *part, mr_params *params, const char *prefix) {
    (void)params, (void)prefix;
    permutation *p = part->state;
    mr_random random = mr_random_stream(shuffle_seed + part->dim, MR_STREAM_INIT, part->index);
    const mr_status status = make_order(part);
    if (status != MR_OK)
        return status;
    for (size_t j = 0; j < part->dim; j++)
        p->order[j] = j;
    for (size_t j = part->dim; j > 1; j--) {
        const size_t k = mr_random_below(&random, j), last = p->order[j - 1];
        p->order[j - 1] = p->order[k];
        p->order[k] = last;
    }
    note_back(part);
    return MR_OK;
}

static mr_node *permutation_forward(const mr_part *part, mr_params *params, mr_node *x,
                                    mr_node *context, mr_node **log_det) {
    const permutation *p = part->state;
    (void)params, (void)context, (void)log_det;
    return mr_columns(x, p->order, part->dim);
}

static mr_node *permutation_inverse(const mr_part *part, mr_params *params, mr_node *y,
                                    mr_node *context, mr_node **log_det) {
    const permutation *p = part->state;
    (void)params, (void)context, (void)log_det;
    return mr_columns(y, p->back, part->dim);
}

const mr_part_ops mr_part_reverse = {
    .name = "reverse",
    .summary = "reverses the order of the features",
    .inverse_by = "closed form",
    .state_size = sizeof(permutation),
    .is_affine = true,
    .keeps_boxes = true,
    .declare = reverse_declare,
    .forward = permutation_forward,
    .inverse = permutation_inverse,
};

const mr_part_ops mr_part_permutation = {
    .name = "permutation",
    .summary = "shuffles the order of the features, the same way in every model",
    .inverse_by = "closed form",
    .state_size = sizeof(permutation),
    .is_affine = true,
    .keeps_boxes = true,
    .declare = shuffle_declare,
    .forward = permutation_forward,
    .inverse = permutation_inverse,
};
