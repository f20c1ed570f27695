// `millrace eval`: how good a saved policy is.

#include <jansson.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "agents/evaluate.h"
#include "agents/policy.h"
#include "envs/vec_env.h"
#include "scripts/command.h"

// Episodes that are played side by side, and the threads for them.
enum { MAX_ENVS = 10, MAX_THREADS = 4 };

typedef struct {
    size_t episodes;
    uint64_t seed;
    bool deterministic;
    bool stochastic;
    bool json;
    char env_set[MR_MAX_TEXT];
    char task[MR_MAX_TEXT];
} eval_options;

#define AT(field) offsetof(eval_options, field)

static const mr_setting options[] = {
    {"episodes", MR_SETTING_COUNT, AT(episodes), "10", 1, 1e6, "N", "episodes to play", false},
    {"seed", MR_SETTING_SEED, AT(seed), "1", 0, 0, "N",
     "seed of the first episode; the next ones count on from it", false},
    {"deterministic", MR_SETTING_SWITCH, AT(deterministic), "false", 0, 0, NULL,
     "the mean of the base distribution, pushed through the flow (what is done by default)", false},
    {"stochastic", MR_SETTING_SWITCH, AT(stochastic), "false", 0, 0, NULL,
     "actions sampled from the policy, as in training", false},
    {"json", MR_SETTING_SWITCH, AT(json), "false", 0, 0, NULL,
     "print one object: env, policy, episodes, mean_return, std_return, mean_length, returns",
     false},
    {"env_set", MR_SETTING_PAIRS, AT(env_set), "", 0, 0, "KEY=VALUE",
     "option of the task, over those that the policy was trained with; may be given again", false},
    {"task", MR_SETTING_TEXT, AT(task), "", 0, 0, "FILE",
     "description of the task, instead of the one that the policy was trained with", false},
};

// A run stands for the policy that it ended with. The caller frees the path.
static mr_status policy_path(const char *given, char **out) {
    struct stat info;
    const bool is_run = stat(given, &info) == 0 && S_ISDIR(info.st_mode);
    if (asprintf(out, "%s%s", given, is_run ? "/policy.safetensors" : "") < 0) {
        *out = NULL;
        return mr_fail_memory("a file name");
    }
    if (is_run && stat(*out, &info) != 0)
        return mr_fail(MR_ERR_IO, "%s holds no policy.safetensors; is it the directory of a run?",
                       given);
    return MR_OK;
}

static void print_text(const mr_policy_spec *spec, const eval_options *chosen,
                       const mr_evaluation *evaluation) {
    printf("task         %s\n", spec->env);
    printf("policy       %s, %s\n", spec->flow,
           chosen->stochastic ? "stochastic" : "deterministic");
    printf("episodes     %zu\n", evaluation->n);
    printf("mean return  %.2f ± %.2f\n", evaluation->mean_return, evaluation->std_return);
    printf("mean length  %.1f\n", evaluation->mean_length);
}

static mr_status print_json(const mr_policy_spec *spec, const mr_evaluation *evaluation) {
    json_t *returns = json_array();
    for (size_t i = 0; i < evaluation->n; i++)
        json_array_append_new(returns, json_real(evaluation->returns[i]));
    json_t *object = json_pack("{s:s, s:s, s:I, s:f, s:f, s:f, s:o}", "env", spec->env, "policy",
                               spec->flow, "episodes", (json_int_t)evaluation->n, "mean_return",
                               evaluation->mean_return, "std_return", evaluation->std_return,
                               "mean_length", evaluation->mean_length, "returns", returns);
    const bool written =
        object != NULL && json_dumpf(object, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF;
    json_decref(object);
    return written ? MR_OK : mr_fail(MR_ERR_IO, "cannot write the result to standard output");
}

// The task as it was trained on, but for what the command line says.
static mr_status open_envs(const mr_policy_spec *spec, const eval_options *chosen, size_t n,
                           mr_vec_env **out) {
    char set[2 * MR_MAX_TEXT];
    const bool both = spec->env_set[0] != '\0' && chosen->env_set[0] != '\0';
    snprintf(set, sizeof set, "%s%s%s", spec->env_set, both ? "," : "", chosen->env_set);
    const mr_env_options opened = {
        .set = set,
        .task = chosen->task[0] != '\0' ? chosen->task : spec->task,
    };
    const int n_cores = omp_get_max_threads();
    return mr_vec_env_open(spec->env, &opened, n, n_cores < MAX_THREADS ? n_cores : MAX_THREADS,
                           out);
}

static mr_status run_eval(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    mr_status status;
    eval_options chosen;
    char *path = NULL;
    mr_policy *policy = NULL;
    mr_vec_env *envs = NULL;
    mr_evaluation *evaluation = NULL;

    MR_TRY(mr_command_line_store(&mr_command_eval, line, &chosen));
    if (chosen.deterministic && chosen.stochastic)
        return mr_fail(MR_ERR_USAGE, "--deterministic and --stochastic exclude each other; "
                                     "give one of them");
    MR_TRY(policy_path(line->arguments[0], &path));
    MR_TRY(mr_policy_load(path, &policy));
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    const size_t n_envs = chosen.episodes < MAX_ENVS ? chosen.episodes : MAX_ENVS;
    MR_TRY(open_envs(spec, &chosen, n_envs, &envs));
    MR_TRY(mr_policy_check_env(policy, mr_vec_env_get_spec(envs)));
    MR_TRY(mr_policy_prepare(policy, n_envs));
    MR_TRY(mr_evaluation_new(chosen.episodes, &evaluation));
    MR_TRY(mr_evaluate(policy, envs, chosen.seed, !chosen.stochastic, evaluation));
    if (chosen.json)
        status = print_json(spec, evaluation);
    else
        print_text(spec, &chosen, evaluation);
done:
    mr_evaluation_free(evaluation);
    mr_vec_env_close(envs);
    mr_policy_free(policy);
    free(path);
    return status;
}

const mr_command mr_command_eval = {
    .name = "eval",
    .usage = "RUN_DIR_OR_POLICY_FILE [options]",
    .summary = "play episodes with a saved policy and report the return",
    .details = "Plays episodes with a saved policy and reports mean and standard deviation of\n"
               "the return. A run's directory stands for its policy.safetensors, the policy as\n"
               "training left it; give DIR/best_policy.safetensors for the best so far.",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_eval,
};
