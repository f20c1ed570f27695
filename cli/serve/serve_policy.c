// `millrace serve-policy`: a saved policy for robots and games that need actions.

#include <stdio.h>

#include "cli/command_line.h"
#include "cli/serve/policy_responder.h"
#include "cli/run/saved_policy.h"
#include "cli/serve/serving.h"

typedef struct {
    mr_serving serving;
    uint64_t seed;
    char deterministic_action[MR_MAX_TEXT];
} serve_policy_options;

static const mr_setting options[] = {
    {"seed", MR_SETTING_SEED, offsetof(serve_policy_options, seed), "1", 0, 0, "N",
     "seed of the noise in stochastic actions", false},
    {"deterministic_action", MR_SETTING_TEXT, offsetof(serve_policy_options, deterministic_action),
     "", 0, 0, MR_DETERMINISTIC_WORDS, MR_DETERMINISTIC_HELP, false},
};

static mr_bytes answer(void *self, mr_bytes request) {
    return mr_policy_responder_answer(self, request);
}

static void report(void *self, char *line, size_t size) {
    const mr_policy_responder_metrics m = mr_policy_responder_get_metrics(self);
    snprintf(line, size, "%zu request%s, %zu action%s", m.n_requests, m.n_requests == 1 ? "" : "s",
             m.n_actions, m.n_actions == 1 ? "" : "s");
}

static mr_status run_serve_policy(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    mr_status status;
    serve_policy_options chosen;
    mr_policy *policy = NULL;
    mr_policy_responder *responder = NULL;
    char what[MR_MAX_TEXT];

    MR_TRY(mr_command_line_store(&mr_command_serve_policy, line, &chosen));
    MR_TRY(mr_saved_policy_load(line->arguments[0], chosen.deterministic_action, &policy));
    MR_TRY(mr_policy_responder_new(policy, chosen.seed, &responder));
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    snprintf(what, sizeof what, "a policy (%.100s) for %.100s", spec->flow, spec->env);
    const mr_answerer answerer = {
        .self = responder, .answer = answer, .max_bytes = mr_policy_responder_max_bytes(responder)};
    MR_TRY(mr_serve(&chosen.serving, answerer, what, report, NULL));
done:
    mr_policy_responder_free(responder);
    mr_policy_free(policy);
    return status;
}

const mr_command mr_command_serve_policy = {
    .name = "serve-policy",
    .usage = "RUN_DIR_OR_POLICY_FILE [options]",
    .summary = "serve a saved policy: observations in, actions out",
    .details = "Serves a saved policy over ZeroMQ to any number of clients at once: they send\n"
               "observations, one or many, and get actions, deterministic or sampled. A run's\n"
               "directory stands for its policy.safetensors. docs/bridge.md has the messages.",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .shared = mr_serving_options,
    .n_shared = MR_N_SERVING_OPTIONS,
    .run = run_serve_policy,
};
