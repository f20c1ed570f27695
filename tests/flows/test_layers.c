// Recorded flows' log-densities and gradients against zuko's and normflows', in float32.
//
// The same 300 operations as in exact_layers.c, rounded by 2^-24, with a digit lost in the steepest
// layers: 300 * 6e-8 * 5 = 1e-4.

#include "tests/flows/layer_case.h"

TestSuite(layers, .init = scratch_enter, .fini = scratch_leave);

Test(layers, recorded_flows_have_zukos_and_normflows_log_densities_and_gradients) {
    layer_case_check_all(1e-4);
}
