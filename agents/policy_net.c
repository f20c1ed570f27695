// The nets of a policy, and the formulas of its action and log-density.

#include "agents/policy_net.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/random.h"

static const char deterministic[] = "deterministic"; // in place of a flow's text

static void declare_output(mr_policy_net *net, size_t embedding_dim) {
    net->weight = mr_params_add(net->params, "output.weight", net->act_dim, embedding_dim,
                                MR_INIT_FAN_IN, embedding_dim, NULL);
    net->bias = mr_params_add(net->params, "output.bias", 1, net->act_dim, MR_INIT_FAN_IN,
                              embedding_dim, NULL);
}

static mr_status declare_flow(mr_policy_net *net, size_t embedding_dim,
                              const mr_policy_spec *spec) {
    mr_flow_values values;
    net->base = mr_base_declare(net->params, "base", net->act_dim, embedding_dim, spec->log_std_low,
                                spec->log_std_high);
    const mr_status status = mr_flow_new(spec->flow, MR_FLOW_TO_SAMPLE, net->act_dim, embedding_dim,
                                         net->params, "flow", &net->flow);
    return status == MR_OK ? mr_flow_find_values(net->flow, (double)INFINITY, &values) : status;
}

static mr_status make_trunk(const mr_policy_spec *spec, mr_mlp_spec *out) {
    *out = mr_mlp_plain(&spec->hidden);
    out->norm_last = spec->norm_last;
    if (!spec->norm || mr_norm_find(spec->norm, &out->norm))
        return MR_OK;
    return mr_fail(MR_ERR_USAGE, "there is no normalisation %.40s", spec->norm);
}

mr_status mr_policy_net_declare(mr_policy_net *net, const mr_policy_spec *spec, uint64_t seed,
                                size_t max_params) {
    mr_status status;
    const mr_widths *hidden = &spec->hidden;
    mr_random random = mr_random_stream(seed, MR_STREAM_INIT, 0);
    *net = (mr_policy_net){.obs_dim = spec->obs_dim,
                           .act_dim = spec->act_dim,
                           .act_low = spec->act_low,
                           .act_high = spec->act_high,
                           .obs_mean = spec->obs_mean,
                           .obs_std = spec->obs_std};
    mr_mlp_spec trunk;
    MR_TRY(make_trunk(spec, &trunk));
    MR_TRY(mr_params_new(&net->params));
    mr_params_limit(net->params, max_params);
    net->trunk = mr_mlp_declare_spec(net->params, "trunk", net->obs_dim, &trunk, 0, MR_INIT_FAN_IN);
    if (strcmp(spec->flow, deterministic) == 0)
        declare_output(net, hidden->width[hidden->n - 1]);
    else
        MR_TRY(declare_flow(net, hidden->width[hidden->n - 1], spec));
    MR_TRY(mr_params_alloc(net->params, &random));
done:
    return status;
}

void mr_policy_net_release(mr_policy_net *net) {
    mr_flow_free(net->flow);
    mr_params_free(net->params);
}

const char *mr_policy_net_text(const mr_policy_net *net) {
    return net->flow ? mr_flow_text(net->flow) : deterministic;
}

static mr_policy_point sample(const mr_policy_net *net, mr_params *params, mr_graph *graph,
                              mr_node *embedding, mr_node *noise) {
    mr_policy_point point;
    const mr_gaussian base = mr_base_build(&net->base, params, graph, embedding);
    mr_node *log_det = NULL;
    mr_node *z = mr_gaussian_sample(base, noise, &point.log_prob);
    point.x = mr_flow_forward(net->flow, params, z, embedding, &log_det);
    if (log_det)
        point.log_prob = mr_sub(point.log_prob, log_det);
    return point;
}

mr_policy_point mr_policy_net_sample(const mr_policy_net *net, mr_params *params, mr_graph *graph,
                                     mr_node *obs, mr_node *noise, mr_mode mode) {
    assert(net->flow);
    return sample(net, params, graph, mr_mlp_build_mode(&net->trunk, params, obs, mode), noise);
}

mr_policy_nodes mr_policy_net_build(const mr_policy_net *net, mr_params *params, mr_graph *graph,
                                    mr_node *obs, mr_node *noise, mr_mode mode) {
    mr_node *embedding = mr_mlp_build_mode(&net->trunk, params, obs, mode);
    if (!net->flow)
        return (mr_policy_nodes){.act =
                                     mr_linear(embedding, params, net->weight, net->bias, MR_TANH)};
    const mr_policy_point point = sample(net, params, graph, embedding, noise);
    mr_policy_nodes nodes = {.log_prob = point.log_prob};
    nodes.act = mr_squash(point.x, &nodes.log_prob);
    return nodes;
}

mr_status mr_policy_net_keep_unit_rows(const mr_policy_net *net) {
    const mr_status status = mr_mlp_keep_unit_rows(&net->trunk, net->params);
    if (status != MR_OK)
        return status;
    return mr_params_keep_unit_rows(net->params, net->flow ? net->base.weight : net->weight, NULL);
}

mr_policy_density mr_policy_net_build_density(const mr_policy_net *net, mr_params *params,
                                              mr_node *obs, mr_node *act, mr_mode mode) {
    assert(net->flow);
    mr_node *embedding = mr_mlp_build_mode(&net->trunk, params, obs, mode);
    const mr_gaussian base = mr_base_build(&net->base, params, mr_node_graph(obs), embedding);
    mr_policy_density density = {.log_peak = mr_gaussian_log_peak(base)};
    if (!act)
        return density;
    mr_node *log_det;
    mr_node *x = mr_unsquash(act, &log_det);
    mr_node *z = mr_flow_inverse(net->flow, params, x, embedding, &log_det);
    density.log_prob = mr_add(mr_gaussian_log_prob(base, z), log_det);
    return density;
}

void mr_policy_net_scale(const mr_policy_net *net, size_t n, const mr_real *units, double *action) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < net->act_dim; j++) {
            const double low = net->act_low[j], high = net->act_high[j];
            const double unit = (double)units[i * net->act_dim + j];
            action[i * net->act_dim + j] = (float)(low + (unit + 1) / 2 * (high - low));
        }
}

bool mr_policy_unscale(double low, double high, double action, mr_real *act) {
    // Of the range, for actions that were computed in float32; and of the bounds themselves, which
    // float32 may not have: 0.4 becomes 0.4000000059604645.
    const double margin = fmax(5e-6 * (high - low), 0x1p-24 * fmax(fabs(low), fabs(high)));
    if (!(action >= low - margin && action <= high + margin))
        return false;
    *act = (mr_real)fmax(-1, fmin(1, (action - low) / (high - low) * 2 - 1));
    return true;
}
