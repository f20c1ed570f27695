// The nets' view of far points.

#include "flows/net_input.h"

static const double near = 2; // c

mr_node *mr_net_input(mr_node *x) {
    return mr_asinh(x, near);
}
