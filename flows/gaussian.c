// The flow of no layers: what is left is the base, a diagonal Gaussian.

#include "flows/kind.h"

const mr_flow_kind mr_flow_gaussian = {
    .name = "gaussian",
    .summary = "no layers: the diagonal Gaussian base alone",
};
