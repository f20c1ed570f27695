/// Densities from files. Private to flows/density*.c.
#pragma once

#include "flows/density.h"

/// mr_density_new, but fails with MR_ERR_INPUT where the model would have more than `max_params`
/// numbers, before anything of that size is made.
mr_status mr_density_new_within(const char *flow, mr_flow_use use, size_t dim, uint64_t seed,
                                size_t max_params, mr_density **out);
