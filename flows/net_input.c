// The nets' view of far points.

#include "flows/net_input.h"

static const double reach = 4; // c

mr_node *mr_net_input(mr_node *x) {
    return mr_affine(mr_tanh(mr_affine(x, 1 / reach, 0)), reach, 0);
}
