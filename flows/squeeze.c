// Squeeze (Dinh et al. 2017, arXiv:1605.08803, section 3.6): each square of 2 x 2 pixels becomes
// four channels of one pixel, [channels x height x width] -> [4 channels x height/2 x width/2].
//
// The four numbers of a channel c become the channels 4c (upper left), 4c + 1 (upper right), 4c + 2
// (lower left) and 4c + 3.

#include "flows/part.h"

typedef struct {
    size_t *order, *back; // [dim] feature j of the result is feature order[j]; and the inverse
} squeeze;

static bool squeeze_reshape(mr_shape shape, mr_shape *out) {
    *out = (mr_shape){4 * shape.channels, shape.height / 2, shape.width / 2};
    return shape.height % 2 == 0 && shape.width % 2 == 0;
}

static mr_status squeeze_declare(mr_part *part, mr_params *params, const char *prefix) {
    (void)params, (void)prefix;
    squeeze *s = part->state;
    const mr_shape in = part->shape, out = part->out;
    s->order = mr_arena_alloc(part->arena, part->dim * sizeof *s->order);
    s->back = mr_arena_alloc(part->arena, part->dim * sizeof *s->back);
    if (!s->order || !s->back)
        return mr_fail_memory("a squeeze");
    for (size_t j = 0; j < part->dim; j++) {
        const size_t channel = j / mr_shape_places(out);
        const size_t y = 2 * (j / out.width % out.height) + channel % 4 / 2;
        const size_t x = 2 * (j % out.width) + channel % 2;
        s->order[j] = (channel / 4 * in.height + y) * in.width + x;
        s->back[s->order[j]] = j;
    }
    return MR_OK;
}

static mr_node *squeeze_forward(const mr_part *part, mr_params *params, mr_node *x,
                                mr_node *context, mr_node **log_det) {
    const squeeze *s = part->state;
    (void)params, (void)context, (void)log_det;
    return mr_columns(x, s->order, part->dim);
}

static mr_node *squeeze_inverse(const mr_part *part, mr_params *params, mr_node *y,
                                mr_node *context, mr_node **log_det) {
    const squeeze *s = part->state;
    (void)params, (void)context, (void)log_det;
    return mr_columns(y, s->back, part->dim);
}

const mr_part_ops mr_part_squeeze = {
    .name = "squeeze",
    .summary =
        "squares of 2 x 2 pixels become pixels of four times the channels (Dinh et al. 2017)",
    .inverse_by = "closed form",
    .state_size = sizeof(squeeze),
    .is_affine = true,
    .keeps_boxes = true,
    .keeps_volume = true,
    .reshape = squeeze_reshape,
    .needs = "an image of even height and width",
    .declare = squeeze_declare,
    .forward = squeeze_forward,
    .inverse = squeeze_inverse,
};
