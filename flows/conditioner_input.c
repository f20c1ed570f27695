// The nets' view of far points.

#include "flows/conditioner_input.h"

#include "flows/clamp.h"

static const double reach = 4; // c

mr_node *mr_conditioner_input(mr_node *x) {
    return mr_smooth_clamp(x, reach);
}
