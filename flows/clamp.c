// A smooth bound.

#include "flows/clamp.h"

mr_node *mr_smooth_clamp(mr_node *x, double c) {
    return mr_affine(mr_tanh(mr_affine(x, 1 / c, 0)), c, 0);
}
