// The optimizer against tests/oracle/optim_torch.py: AdamW, then rows of norm 1.

#include "nn/learner.h"

#include "tests/recorded.h"

TestSuite(exact_optim_torch, .init = scratch_enter, .fini = scratch_leave);

enum { N_STEPS = 3, IN = 5, HIDDEN = 4, OUT = 2 };

// A few roundings of 2^-53 in each of three steps.
static const double tolerance = 1e-14;

static double number(const mr_tensors *file, const char *key) {
    return strtod(mr_tensors_note(file, key), NULL);
}

static void load(const mr_tensors *file, mr_params *params, const char *kind, mr_real *array) {
    cr_assert_eq(mr_params_load(params, file, kind, array), MR_OK, "%s", mr_error_message());
}

Test(exact_optim_torch, steps_are_those_of_adamw_with_rows_of_norm_one) {
    mr_params *params;
    mr_learner learner;
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    mr_tensors *file = recorded_open("nn/optim");
    cr_assert_eq(mr_params_new(&params), MR_OK);
    const mr_param hidden =
        mr_params_add(params, "hidden.weight", HIDDEN, IN, MR_INIT_ZERO, 1, NULL);
    const mr_param bias = mr_params_add(params, "hidden.bias", 1, HIDDEN, MR_INIT_ZERO, 1, NULL);
    const mr_param output =
        mr_params_add(params, "output.weight", OUT, HIDDEN, MR_INIT_ZERO, 1, NULL);
    mr_params_add(params, "output.bias", 1, OUT, MR_INIT_ZERO, 1, NULL);
    cr_assert_eq(mr_params_alloc(params, &random), MR_OK);
    load(file, params, "start.", mr_params_value(params));
    cr_assert_eq(mr_params_keep_unit_rows(params, hidden, &bias), MR_OK);
    cr_assert_eq(mr_params_keep_unit_rows(params, output, NULL), MR_OK);
    mr_adam adam = mr_adam_new(number(file, "lr"));
    adam.beta1 = number(file, "beta1");
    adam.weight_decay = number(file, "weight_decay");
    cr_assert_eq(mr_learner_init(&learner, params, adam, 0, 2), MR_OK);
    for (int step = 0; step < N_STEPS; step++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "grad.%d.", step);
        load(file, params, prefix, mr_params_grad(params));
        mr_learner_step(&learner);
        snprintf(prefix, sizeof prefix, "after.%d.hidden.weight", step);
        recorded_expect(file, prefix, HIDDEN * IN, mr_params_read(params) + hidden.offset,
                        tolerance);
        snprintf(prefix, sizeof prefix, "after.%d.hidden.bias", step);
        recorded_expect(file, prefix, HIDDEN, mr_params_read(params) + bias.offset, tolerance);
        snprintf(prefix, sizeof prefix, "after.%d.output.weight", step);
        recorded_expect(file, prefix, OUT * HIDDEN, mr_params_read(params) + output.offset,
                        tolerance);
    }
    mr_learner_release(&learner);
    mr_params_free(params);
    mr_tensors_close(file);
}
