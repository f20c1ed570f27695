// The action of a stochastic policy without noise.

#include "agents/deterministic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "base/options.h"
#include "base/random.h"

enum { DEFAULT_SAMPLES = 8, MAX_SAMPLES = 4096 };

// ---- Workspaces

/// The graph of one observation's samples: N rows.
struct mr_chooser {
    const mr_deterministic_kind *kind;
    size_t n_samples;
    size_t obs_dim, act_dim;
    mr_graph *graph;
    mr_node *obs, *noise;
    mr_node *act;   // [N x act_dim]
    mr_node *score; // [N x 1] that the chosen sample has the largest of; NULL: none is chosen
    struct ascent {
        mr_graph *graph; // NULL: there is none
        mr_node *obs, *noise;
        mr_node *act;
        mr_node *loss;     // -log-density before the tanh
        mr_real *at;       // [act_dim] the noise of the densest action so far; owned
        mr_real *gradient; // [act_dim] of the loss there; owned
    } ascent;
    mr_real *action; // [act_dim] owned
};

struct mr_deterministic_kind {
    const char *name;
    bool has_samples, needs_critics, has_ascent;
    bool (*is_base)(const mr_policy_net *net);
    /// The node that `score` is, if one sample is chosen.
    mr_node *(*score)(const mr_policy_point *point, const mr_policy_critics *critics, mr_node *obs,
                      mr_node *act);
    /// Makes the action of the samples.
    void (*choose)(mr_chooser *chooser);
};

// Pairs z, -z; the last is 0 if their number is odd.
static void fill_noise(mr_chooser *c) {
    mr_random random = mr_random_stream(0, MR_STREAM_CHOOSE, 0);
    mr_real *noise = mr_node_value(c->noise);
    const size_t d = c->act_dim;
    memset(noise, 0, c->n_samples * d * sizeof *noise);
    for (size_t i = 0; i + 1 < c->n_samples; i += 2) {
        mr_random_fill_normal(&random, d, noise + i * d);
        for (size_t j = 0; j < d; j++)
            noise[(i + 1) * d + j] = -noise[i * d + j];
    }
}

static mr_status build(mr_chooser *c, const mr_policy_net *net, const mr_policy_critics *critics) {
    const mr_status status = mr_graph_new(c->n_samples, 1, &c->graph);
    if (status != MR_OK)
        return status;
    c->obs = mr_input(c->graph, c->obs_dim, false);
    c->noise = mr_input(c->graph, c->act_dim, false);
    const mr_policy_point point =
        mr_policy_net_sample(net, net->params, c->graph, c->obs, c->noise, MR_ACTING);
    c->act = mr_keep(mr_tanh(point.x));
    if (c->kind->score)
        c->score = mr_keep(c->kind->score(&point, critics, c->obs, c->act));
    return mr_graph_plan(c->graph, NULL, 0, NULL);
}

static mr_status build_ascent(mr_chooser *c, const mr_policy_net *net) {
    struct ascent *a = &c->ascent;
    a->at = calloc(c->act_dim, sizeof *a->at);
    a->gradient = calloc(c->act_dim, sizeof *a->gradient);
    if (!a->at || !a->gradient)
        return mr_fail_memory("a policy");
    const mr_status status = mr_graph_new_for_one(&a->graph);
    if (status != MR_OK)
        return status;
    a->obs = mr_input(a->graph, c->obs_dim, false);
    a->noise = mr_input(a->graph, c->act_dim, true);
    const mr_policy_point point =
        mr_policy_net_sample(net, net->params, a->graph, a->obs, a->noise, MR_ACTING);
    a->act = mr_keep(mr_tanh(point.x));
    a->loss = mr_keep(mr_affine(point.log_prob, -1, 0));
    return mr_graph_plan(a->graph, a->loss, 0, NULL);
}

mr_status mr_chooser_new(const mr_deterministic *d, const mr_policy_net *net,
                         const mr_policy_critics *critics, mr_chooser **out) {
    mr_status status;
    mr_chooser *c = calloc(1, sizeof *c);
    if (!c)
        return mr_fail_memory("a policy");
    c->kind = d->kind;
    c->n_samples = d->n_samples;
    c->obs_dim = net->obs_dim;
    c->act_dim = net->act_dim;
    c->action = calloc(net->act_dim, sizeof *c->action);
    if (!c->action) {
        status = mr_fail_memory("a policy");
        goto done;
    }
    MR_TRY(build(c, net, critics));
    if (d->kind->has_ascent)
        MR_TRY(build_ascent(c, net));
    fill_noise(c);
    *out = c;
    c = NULL;
done:
    mr_chooser_free(c);
    return status;
}

void mr_chooser_free(mr_chooser *c) {
    if (!c)
        return;
    mr_graph_free(c->graph);
    mr_graph_free(c->ascent.graph);
    free(c->ascent.at);
    free(c->ascent.gradient);
    free(c->action);
    free(c);
}

mr_real *mr_chooser_obs(mr_chooser *c) {
    return mr_node_value(c->obs);
}

const mr_real *mr_chooser_act(mr_chooser *c) {
    mr_real *obs = mr_node_value(c->obs);
    for (size_t i = 1; i < c->n_samples; i++)
        memcpy(obs + i * c->obs_dim, obs, c->obs_dim * sizeof *obs);
    mr_graph_run(c->graph, c->n_samples);
    c->kind->choose(c);
    return c->action;
}

// ---- base

static bool always(const mr_policy_net *net) {
    (void)net;
    return true;
}

// ---- mean

// The mean that users of Gaussians expect is the Gaussian's own, not that of its squashed samples.
static bool has_no_parts(const mr_policy_net *net) {
    return mr_flow_is_identity(net->flow);
}

static void choose_mean(mr_chooser *c) {
    const mr_real *act = mr_node_value(c->act);
    for (size_t j = 0; j < c->act_dim; j++) {
        double sum = 0;
        for (size_t i = 0; i < c->n_samples; i++)
            sum += (double)act[i * c->act_dim + j];
        c->action[j] = (mr_real)(sum / (double)c->n_samples);
    }
}

// ---- best

static mr_node *score_by_critics(const mr_policy_point *point, const mr_policy_critics *critics,
                                 mr_node *obs, mr_node *act) {
    (void)point;
    const mr_critic *c = critics->critics;
    const mr_critic_outputs outputs =
        mr_critic_build(c, mr_critic_ensemble(c)->n, mr_critic_params(c), obs, act, MR_ACTING);
    return critics->takes_mean ? mr_critic_mean(c, &outputs) : mr_critic_min(c, &outputs);
}

static bool never(const mr_policy_net *net) {
    (void)net;
    return false;
}

static size_t find_largest(const mr_chooser *c) {
    const mr_real *score = mr_node_value(c->score);
    size_t largest = 0;
    for (size_t i = 1; i < c->n_samples; i++)
        largest = score[i] > score[largest] ? i : largest;
    return largest;
}

static void choose_best(mr_chooser *c) {
    memcpy(c->action, mr_node_value(c->act) + find_largest(c) * c->act_dim,
           c->act_dim * sizeof *c->action);
}

// ---- mode

// Before the tanh, the mode of a flow that keeps volumes is its base's.
static bool keeps_volume(const mr_policy_net *net) {
    return mr_flow_check_volume(net->flow) == MR_OK;
}

static mr_node *score_by_density(const mr_policy_point *point, const mr_policy_critics *critics,
                                 mr_node *obs, mr_node *act) {
    (void)critics, (void)obs, (void)act;
    return point->log_prob;
}

// Gradient ascent over the noise z, in which the base's log-density is -|z|^2 / 2 and a step of 1
// goes to its top. Steps that lead up grow; one that leads down is taken back.
static void choose_mode(mr_chooser *c) {
    enum { N_RUNS = 16 };
    const struct ascent *a = &c->ascent;
    const size_t d = c->act_dim, n_bytes = d * sizeof(mr_real), densest = find_largest(c);
    mr_real *noise = mr_node_value(a->noise);
    mr_real step = 0.25;
    double least = INFINITY;
    memcpy(c->action, mr_node_value(c->act) + densest * d, n_bytes);
    memcpy(a->at, mr_node_value(c->noise) + densest * d, n_bytes);
    memset(a->gradient, 0, n_bytes); // the first run is at the densest sample itself
    memcpy(mr_node_value(a->obs), mr_node_value(c->obs), c->obs_dim * sizeof(mr_real));
    for (size_t k = 0; k < N_RUNS; k++) {
        for (size_t j = 0; j < d; j++)
            noise[j] = a->at[j] - step * a->gradient[j];
        mr_graph_run(a->graph, 1);
        const double loss = (double)mr_node_value(a->loss)[0];
        if (!(loss < least)) {
            step /= 4;
            continue;
        }
        step *= 2;
        least = loss;
        memcpy(a->at, noise, n_bytes);
        memcpy(a->gradient, mr_node_grad(a->noise), n_bytes);
        memcpy(c->action, mr_node_value(a->act), n_bytes);
    }
}

// ---- The kinds

const char mr_deterministic_default[] = "base";

static const mr_deterministic_kind kinds[] = {
    {.name = mr_deterministic_default, .is_base = always},
    {.name = "mean", .has_samples = true, .is_base = has_no_parts, .choose = choose_mean},
    {.name = "mode",
     .has_samples = true,
     .has_ascent = true,
     .is_base = keeps_volume,
     .score = score_by_density,
     .choose = choose_mode},
    {.name = "best",
     .has_samples = true,
     .needs_critics = true,
     .is_base = never,
     .score = score_by_critics,
     .choose = choose_best},
};

const mr_deterministic mr_deterministic_base = {.kind = &kinds[0]};

static const char *name_at(const void *rows, size_t i) {
    return ((const mr_deterministic_kind *)rows)[i].name;
}

static const mr_deterministic_kind *find(const char *name, size_t length) {
    for (size_t i = 0; i < MR_COUNT(kinds); i++)
        if (strlen(kinds[i].name) == length && strncmp(kinds[i].name, name, length) == 0)
            return &kinds[i];
    return NULL;
}

static const mr_option options[] = {{.name = "samples",
                                     .type = MR_OPTION_COUNT,
                                     .offset = offsetof(mr_deterministic, n_samples),
                                     .min = 1,
                                     .max = MAX_SAMPLES}};

mr_status mr_deterministic_read(const char *text, mr_deterministic *out) {
    char list[128], where[128];
    const size_t length = strcspn(text, ":");
    mr_deterministic d = {.kind = find(text, length), .n_samples = DEFAULT_SAMPLES};
    if (!d.kind) {
        mr_list_names(MR_COUNT(kinds), name_at, kinds, sizeof list, list);
        return mr_fail(MR_ERR_USAGE, "there is no deterministic action %.60s; there are %s", text,
                       list);
    }
    snprintf(where, sizeof where, "deterministic action %s", d.kind->name);
    const char *set = text[length] == ':' ? text + length + 1 : "";
    const mr_status status =
        mr_options_set(where, set, d.kind->has_samples ? MR_COUNT(options) : 0, options, &d);
    if (status == MR_OK)
        *out = d;
    return status;
}

void mr_deterministic_format(const mr_deterministic *d, char text[MR_DETERMINISTIC_SIZE]) {
    if (d->kind->has_samples)
        snprintf(text, MR_DETERMINISTIC_SIZE, "%s:samples=%zu", d->kind->name, d->n_samples);
    else
        snprintf(text, MR_DETERMINISTIC_SIZE, "%s", d->kind->name);
}

bool mr_deterministic_needs_critics(const mr_deterministic *d) {
    return d->kind->needs_critics;
}

bool mr_deterministic_is_base(const mr_deterministic *d, const mr_policy_net *net) {
    return !net->flow || d->kind->is_base(net);
}
