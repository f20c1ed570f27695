// Bounded log-scales.

#include "flows/scale.h"

static const double scale_bound = 2;

mr_node *mr_bounded_log_scale(mr_node *s_hat) {
    return mr_affine(mr_tanh(mr_affine(s_hat, 1 / scale_bound, 0)), scale_bound, 0);
}
