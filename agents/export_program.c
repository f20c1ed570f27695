// Policies as programs: observations standardised, the nets' instructions, actions scaled.

#include "agents/export_program.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/obs_norm.h"

enum { N_RESCALE = 5 }; // arrays of an mr_rescale

// The next of an exported policy's arrays of constants, which become the task's own.
static mr_rescale rescale_at(double *constants, size_t cols) {
    return (mr_rescale){.origin = constants,
                        .factor = constants + cols,
                        .shift = constants + 2 * cols,
                        .low = constants + 3 * cols,
                        .high = constants + 4 * cols};
}

// (obs - mean) / std, as mr_obs_standardise.
static mr_value *standardise(mr_exported *e, mr_value *obs) {
    const size_t n = e->spec->obs_dim;
    double *c = e->constants;
    if (e->spec->obs_mean == NULL)
        return obs;
    for (size_t j = 0; j < n; j++) {
        c[j] = e->spec->obs_mean[j];
        c[n + j] = 1 / e->spec->obs_std[j];
        c[2 * n + j] = 0;
        c[3 * n + j] = -mr_obs_norm_clip;
        c[4 * n + j] = mr_obs_norm_clip;
    }
    const mr_rescale rescale = rescale_at(c, n);
    return mr_do_rescale(e->program, obs, &rescale);
}

// The middle of the bounds + act (high - low) / 2, as mr_policy_scale.
static mr_value *scale(mr_exported *e, mr_value *act) {
    const size_t n = e->spec->act_dim;
    double *c = e->constants + N_RESCALE * e->spec->obs_dim;
    for (size_t j = 0; j < n; j++) {
        const double low = e->spec->act_low[j], high = e->spec->act_high[j];
        c[j] = 0;
        c[n + j] = (high - low) / 2;
        c[2 * n + j] = low + (high - low) / 2;
        c[3 * n + j] = low;
        c[4 * n + j] = high;
    }
    const mr_rescale rescale = rescale_at(c, n);
    return mr_do_rescale(e->program, act, &rescale);
}

enum { ACT, LOG_PROB }; // outputs of the nets

static mr_status add_nets(const mr_policy *policy, mr_exported *e, mr_value *obs, mr_value *noise,
                          size_t n_outputs, mr_value **out) {
    mr_graph *graph = NULL;
    mr_status status;
    MR_TRY(mr_graph_new_for_one(&graph));
    mr_node *const input[] = {mr_input(graph, e->spec->obs_dim, false),
                              mr_input(graph, e->spec->act_dim, false)};
    const mr_policy_nodes nodes =
        mr_policy_build(policy, mr_policy_params(policy), graph, input[0], input[1], MR_ACTING);
    mr_value *const value[] = {standardise(e, obs), noise};
    mr_node *const output[] = {[ACT] = nodes.act, [LOG_PROB] = nodes.log_prob};
    status = mr_net_program_add_nodes(e->program, graph, MR_COUNT(input), input, value, n_outputs,
                                      output, out);
    if (status == MR_ERR_INPUT) {
        char why[128];
        snprintf(why, sizeof why, "%s", mr_error_message());
        status = mr_fail(MR_ERR_INPUT, "a policy with the flow %.200s can't be exported: its op %s",
                         e->spec->flow, why);
    }
done:
    mr_graph_free(graph);
    return status;
}

static mr_status check_finite(const mr_net_program *program) {
    for (const mr_value *v = mr_net_program_first(program); v != NULL; v = v->next)
        for (size_t i = 0; v->what == MR_DO_CONSTANT && i < v->rows * v->cols; i++)
            if (!isfinite(v->numbers[i]))
                return mr_fail(MR_ERR_NUMERIC,
                               "the policy can't be exported: one of its parameters is %g",
                               (double)v->numbers[i]);
    return MR_OK;
}

// Whether the policy has the actions that are asked for.
static mr_status check_actions(const mr_exported *e, mr_exported_actions actions) {
    const char *deterministic = e->spec->deterministic;
    if (actions == MR_EXPORTED_SAMPLES && !e->is_stochastic)
        return mr_fail(MR_ERR_USAGE, "the policy is deterministic and has no samples; export it "
                                     "without --stochastic");
    if (actions != MR_EXPORTED_SAMPLES && strcmp(deterministic, mr_deterministic_default) != 0)
        return mr_fail(MR_ERR_USAGE,
                       "the policy's deterministic action is %s, which takes several passes; "
                       "export it with --deterministic-action %s, which takes one",
                       deterministic, mr_deterministic_default);
    return MR_OK;
}

static mr_status write_program(const mr_policy *policy, mr_exported_actions actions,
                               mr_exported *e) {
    mr_status status;
    mr_value *output[2];
    const size_t n_outputs = actions == MR_EXPORTED_SAMPLES ? LOG_PROB + 1 : ACT + 1;
    mr_value *obs = mr_do_input(e->program, 0, e->spec->obs_dim);
    mr_value *noise = actions == MR_EXPORTED_DETERMINISTIC
                          ? mr_do_zeros(e->program, e->spec->act_dim)
                          : mr_do_input(e->program, 1, e->spec->act_dim);
    MR_TRY(add_nets(policy, e, obs, noise, n_outputs, output));
    output[ACT] = scale(e, output[ACT]);
    if (output[ACT] == NULL)
        return mr_fail_memory("an exported policy");
    e->action = output[ACT];
    e->log_prob = n_outputs > LOG_PROB ? output[LOG_PROB] : NULL;
    MR_TRY(mr_net_program_prune(e->program, n_outputs, output));
    MR_TRY(check_finite(e->program));
done:
    return status;
}

mr_status mr_exported_make(const mr_policy *policy, mr_exported_actions actions, mr_exported *out) {
    mr_status status;
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    *out = (mr_exported){.spec = spec, .is_stochastic = mr_policy_is_stochastic(policy)};
    MR_TRY(check_actions(out, actions));
    out->constants = calloc(N_RESCALE * (spec->obs_dim + spec->act_dim), sizeof *out->constants);
    if (out->constants == NULL)
        return mr_fail_memory("an exported policy");
    MR_TRY(mr_net_program_new(&out->program));
    MR_TRY(write_program(policy, actions, out));
done:
    return status;
}

void mr_exported_release(mr_exported *exported) {
    mr_net_program_free(exported->program);
    free(exported->constants);
}
