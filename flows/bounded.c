// A smooth bound.

#include "flows/bounded.h"

mr_node *mr_bounded(mr_node *x, double c) {
    return mr_affine(mr_tanh(mr_affine(x, 1 / c, 0)), c, 0);
}
