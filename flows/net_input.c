// The nets' view of far points.

#include "flows/net_input.h"

#include "flows/bounded.h"

static const double reach = 4; // c

mr_node *mr_net_input(mr_node *x) {
    return mr_bounded(x, reach);
}
