// Recorded flows' log-densities and gradients against zuko's and normflows', in double precision.
//
// Both sides round each of some 300 operations by 2^-53, and sums lose at most three digits:
// 300 * 1.1e-16 * 1,000 = 3e-11. Anything wrong in a formula shows in the first digits.

#include "tests/flows/layer_case.h"

TestSuite(exact_layers, .init = scratch_enter, .fini = scratch_leave);

Test(exact_layers, recorded_flows_have_zukos_and_normflows_log_densities_and_gradients) {
    layer_case_check_all(1e-10);
}
