// Scale and shift.

#include "flows/scale.h"

#include "flows/clamp.h"

static const double scale_bound = 2; // c0

/// What a net's outputs say.
typedef struct {
    mr_node *s, *t; // [rows x d]
} move;

static move read_outputs(mr_node *x, mr_node *out) {
    move m = {0};
    if (!x || !out)
        return m;
    const size_t dim = mr_node_cols(x);
    m.s = mr_smooth_clamp(mr_slice(out, 0, dim), scale_bound);
    m.t = mr_slice(out, dim, dim);
    return m;
}

mr_node *mr_scale_shift(mr_node *x, mr_node *out, mr_node **log_det) {
    const move m = read_outputs(x, out);
    *log_det = mr_row_sum(m.s);
    return mr_add(mr_mul(x, mr_exp(m.s)), m.t);
}

mr_node *mr_scale_shift_inverse(mr_node *x, mr_node *out, mr_node **log_det) {
    const move m = read_outputs(x, out);
    mr_node *minus_s = mr_affine(m.s, -1, 0);
    *log_det = mr_row_sum(minus_s);
    return mr_mul(mr_sub(x, m.t), mr_exp(minus_s));
}
