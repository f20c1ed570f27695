// A flow over text: its parts, and its formulas as graph nodes.

#include "flows/text_internal.h"
#include "flows/part.h"

#include <stdlib.h>
#include <string.h>

static const char flow_name[] = "text";

// Of the encoders' scales at the start. The means are uniform on a cube of side 2, so that most
// characters are then apart already.
static const double log_scale = -4;

#define COUNT(field, initial, min, max, help)                                                      \
    {                                                                                              \
#field, MR_FLOW_OPTION_COUNT, offsetof(mr_text_options, field), initial, min, max, NULL,   \
            help                                                                                   \
    }

static const mr_flow_option rows[] = {
    COUNT(length, "0", 0, 4096, "characters of a window of running text; 0: lines"),
    COUNT(hidden, "128", 1, 4096, "width of the causal net"),
    COUNT(blocks, "6", 1, MR_MAX_CAUSAL_BLOCKS,
          "of the causal net, which sees 2^blocks characters"),
    COUNT(latent, "3", 1, 32, "dimensions of a character's encoding"),
};

static const mr_flow_options options = {rows, MR_COUNT(rows), sizeof(mr_text_options)};

bool mr_text_flow_is(const char *flow) {
    const size_t n = strlen(flow_name);
    return strncmp(flow, flow_name, n) == 0 && (flow[n] == '\0' || flow[n] == ':');
}

size_t mr_text_flow_option_count(void) {
    return MR_COUNT(rows);
}

mr_flow_part_option mr_text_flow_option_at(size_t i) {
    return mr_flow_option_describe(&rows[i]);
}

// ---- Building

static mr_status declare(mr_text_flow *flow, uint64_t seed, size_t max_params) {
    mr_status status;
    const mr_text_options *o = &flow->options;
    const size_t n = flow->alphabet.n;
    mr_random random = mr_random_stream(seed, MR_STREAM_INIT, 0);
    MR_TRY(mr_params_new(&flow->params));
    mr_params_limit(flow->params, max_params);
    MR_TRY(mr_categories_declare(&flow->categories, flow->params, "characters", n, o->latent,
                                 log_scale));
    flow->net = mr_causal_net_declare(flow->params, "net", n, o->hidden, o->blocks, n);
    status = mr_params_alloc(flow->params, &random);
done:
    return status;
}

mr_status mr_text_flow_create(const char *text, const mr_alphabet *alphabet, size_t longest,
                              uint64_t seed, size_t max_params, mr_text_flow **out) {
    mr_status status;
    mr_text_flow *flow = calloc(1, sizeof *flow);
    if (!flow)
        return mr_fail_memory("a flow over text");
    MR_TRY(mr_flow_options_read(&options, "flow", flow_name, text, &flow->options));
    mr_flow_options_write(&options, flow_name, &flow->options, flow->text, sizeof flow->text);
    flow->longest = longest;
    MR_TRY(mr_alphabet_copy(alphabet, &flow->alphabet));
    MR_TRY(declare(flow, seed, max_params));
    *out = flow;
    flow = NULL;
done:
    mr_text_flow_free(flow);
    return status;
}

static mr_status check_alphabet(const char *name, const mr_alphabet *alphabet) {
    if (alphabet->n > 2)
        return MR_OK;
    return mr_fail(MR_ERR_INPUT, "%s: has %s; a fit needs a text of two different ones at least",
                   name, alphabet->n == 2 ? "the same character throughout" : "no characters");
}

mr_status mr_text_flow_new(const char *text, const char *name, const mr_characters *characters,
                           uint64_t seed, mr_text_flow **out) {
    mr_status status;
    mr_text_options chosen;
    mr_alphabet alphabet = {0};
    MR_TRY(mr_flow_options_read(&options, "flow", flow_name, text, &chosen));
    MR_TRY(mr_alphabet_of(characters, chosen.length > 0 ? 0 : '\n', &alphabet));
    MR_TRY(check_alphabet(name, &alphabet));
    status = mr_text_flow_create(text, &alphabet, 0, seed, SIZE_MAX, out);
done:
    mr_alphabet_free(&alphabet);
    return status;
}

void mr_text_flow_free(mr_text_flow *flow) {
    if (!flow)
        return;
    mr_params_free(flow->params);
    mr_alphabet_free(&flow->alphabet);
    free(flow);
}

const char *mr_text_flow_text(const mr_text_flow *flow) {
    return flow->text;
}

const mr_alphabet *mr_text_flow_alphabet(const mr_text_flow *flow) {
    return &flow->alphabet;
}

mr_params *mr_text_flow_params(const mr_text_flow *flow) {
    return flow->params;
}

size_t mr_text_flow_length(const mr_text_flow *flow) {
    return flow->options.length;
}

size_t mr_text_flow_context(const mr_text_flow *flow) {
    return flow->options.length > 0 ? mr_causal_net_reach(&flow->net) : 1;
}

mr_status mr_text_flow_cut(const mr_text_flow *flow, const char *name, const mr_characters *text,
                           mr_sequences *out) {
    return mr_sequences_cut(name, text, &flow->alphabet, flow->options.length,
                            mr_text_flow_context(flow), out);
}

// ---- In a graph

// Steps `first` and later of a node that has a row for each step.
static mr_node *later_steps(mr_node *x, size_t n_steps, size_t first) {
    if (!x)
        return NULL;
    const size_t cols = mr_node_cols(x), n_last = n_steps - first;
    return mr_split_rows(mr_slice(mr_join_rows(x, n_steps), first * cols, n_last * cols), n_last);
}

// The bound log sum_c w_tc p(c | z_t) of each step, times 0 after the end of a sequence.
mr_node *mr_text_flow_build_log_prob(const void *self, mr_node *u) {
    const mr_text_flow *flow = self;
    if (!u)
        return NULL;
    mr_params *params = flow->params;
    const size_t n_steps = mr_node_cols(u), first = mr_text_flow_context(flow);
    mr_node *code = mr_split_rows(u, n_steps);
    mr_node *is_there = mr_clamp(mr_affine(code, 1, 1), 0, 1);
    mr_node *z = mr_categories_encode(&flow->categories, params, code);
    mr_node *log_p = mr_categories_decode(&flow->categories, params, z, NULL);
    // Outputs of step t are about step t + 1; those of the last step are not wanted.
    mr_node *seen = mr_split_rows(
        mr_slice(mr_join_rows(mr_exp(log_p), n_steps), 0, (n_steps - 1) * flow->alphabet.n),
        n_steps - 1);
    mr_node *goes_on = NULL; // a line begins at a mark
    if (flow->options.length == 0)
        goes_on = mr_clamp(mr_slice(u, 0, n_steps - 1), 0, 1);
    mr_node *logit = mr_causal_net_build(&flow->net, params, seen, goes_on, n_steps - 1, first - 1);
    mr_node *joint = mr_add(logit, later_steps(log_p, n_steps, first));
    mr_node *bound = mr_sub(mr_row_log_sum_exp(joint), mr_row_log_sum_exp(logit));
    mr_node *counted = mr_mul(bound, later_steps(is_there, n_steps, first));
    return mr_row_sum(mr_join_rows(counted, n_steps - first));
}
