#include "nn/lr_schedule.h"

#include <criterion/criterion.h>

enum { N = 6 };

static void expect_factors(const char *name, double last, const double expected[N]) {
    mr_lr_schedule schedule = {.last = last, .n_updates = 4};
    cr_assert(mr_lr_schedule_find(name, &schedule));
    for (uint64_t i = 0; i < N; i++)
        cr_expect_float_eq(mr_lr_factor(&schedule, i), expected[i], 1e-15, "%s, update %d: %.17g",
                           name, (int)i, mr_lr_factor(&schedule, i));
}

// The expected numbers are PyTorch's, with lr=1: LinearLR(start_factor=1, end_factor=0.1,
// total_iters=4) and CosineAnnealingLR(T_max=4, eta_min=0.5), which turns round after T_max.
Test(lr_schedule, is_that_of_pytorch_and_stays_at_its_end) {
    expect_factors("constant", 0.1, (double[N]){1, 1, 1, 1, 1, 1});
    expect_factors("linear", 0.1, (double[N]){1, 0.775, 0.55, 0.325, 0.1, 0.1});
    expect_factors("cosine", 0.5,
                   (double[N]){1, 0.9267766952966369, 0.75, 0.5732233047033631, 0.5, 0.5});
}

Test(lr_schedule, has_no_other_names) {
    mr_lr_schedule schedule = {0};
    cr_expect_not(mr_lr_schedule_find("exponential", &schedule));
}
