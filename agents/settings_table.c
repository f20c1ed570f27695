// The tables of settings: a row for each setting of every run, then those of the agents.

#include "agents/settings.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "agents/agent.h"
#include "agents/run_files.h"

#define AT(field) offsetof(mr_settings, field)
#define NORMS "none|layer|rms|batch|batch_renorm"

// Settings of every run. Their defaults, which a preset goes before, are those of SAC on MuJoCo
// tasks (Haarnoja et al. 2018, arXiv:1812.05905, table 1), with CleanRL's learning rates and
// learning_starts.
static const mr_setting common[] = {
    {"env", MR_SETTING_TEXT, AT(env), "", 0, 0, "ENV",
     "task to train on; may be given as an argument instead", MR_ROLE_FIXED},
    {"env_set", MR_SETTING_PAIRS, AT(env_set), "", 0, 0, "KEY=VALUE",
     "option of the task (`millrace envs ENV` lists them); may be given several times",
     MR_ROLE_FIXED},
    {"task", MR_SETTING_TEXT, AT(task), "", 0, 0, "FILE",
     "task file (.yaml or .so) for your own model, with mjcf:MODEL.xml as ENV", MR_ROLE_FIXED},
    {"preset", MR_SETTING_TEXT, AT(preset), "auto", 0, 0, "PRESET",
     "values for the settings that are not set (`millrace presets` lists presets); auto: that of "
     "the run of from; none if agent is set; else best. none: the defaults of --help",
     MR_ROLE_FIXED},
    {"agent", MR_SETTING_CHOICE, AT(agent), "sac", 0, 0, NULL, // its words: those of the registry
     "sac: soft actor-critic with a flow policy; td3: twin delayed deterministic policy gradient; "
     "meow: one flow as policy and soft Q function; "
     "each has options of its own",
     MR_ROLE_OF_NETS},
    {"from", MR_SETTING_TEXT, AT(from), "", 0, 0, "RUN|FILE",
     "begin with the nets of another run, by its directory (policy, critics, temperature, running "
     "statistics), or with a policy file (the policy alone)",
     MR_ROLE_FIXED},
    {"from_replay", MR_SETTING_SWITCH, AT(from_replay), "false", 0, 0, NULL,
     "begin with the replay buffer of that run as well", MR_ROLE_FIXED},
    {"steps", MR_SETTING_COUNT, AT(steps), "1000000", 1, 1e12, "N",
     "environment steps to train for", MR_ROLE_FREE},
    {"seed", MR_SETTING_SEED, AT(seed), "1", 0, 0, "N",
     "seed of all random numbers; the same seed and threads give the same run", MR_ROLE_FIXED},
    {"threads", MR_SETTING_COUNT, AT(threads), "0", 0, 256, "N",
     "threads; 0: as many as the work of an update is worth, at most one for each core and 4",
     MR_ROLE_TUNABLE},
    {"num_envs", MR_SETTING_COUNT, AT(num_envs), "0", 0, 4096, "N",
     "copies of the task that are stepped together; 0: one, or all that a server (zmq:) has",
     MR_ROLE_FIXED},
    {"batch_size", MR_SETTING_COUNT, AT(batch_size), "256", 1, 65536, "N",
     "transitions in the batch of an update", MR_ROLE_TUNABLE},
    {"buffer_size", MR_SETTING_COUNT, AT(buffer_size), "1000000", 1, 1e9, "N",
     "transitions that the replay buffer holds", MR_ROLE_FIXED},
    {"learning_starts", MR_SETTING_COUNT, AT(learning_starts), "5000", 0, 1e9, "N",
     "environment steps before the first update, with uniformly random actions, or by the policy "
     "that "
     "the run begins with (from)",
     MR_ROLE_TUNABLE},
    {"hidden", MR_SETTING_WIDTHS, AT(hidden), "256,256", 0, 0, "N,N,...",
     "widths of the hidden layers of the actor and of the critics", MR_ROLE_OF_NETS},
    {"critic_hidden", MR_SETTING_WIDTHS, AT(critic_hidden), "", 0, 0, "N,N,...",
     "widths of the hidden layers of the critics, if they are not those of hidden",
     MR_ROLE_OF_NETS},
    {"actor_norm", MR_SETTING_CHOICE, AT(actor_norm), "none", 0, 0, NORMS,
     "normalisation of the actor's hidden layers; batch norms normalise its input too, and act by "
     "running statistics",
     MR_ROLE_OF_NETS},
    {"critic_norm", MR_SETTING_CHOICE, AT(critic_norm), "none", 0, 0, NORMS,
     "normalisation of the critics' hidden layers; batch norms normalise their input too, and take "
     "statistics over (s, a) and (s', a') together",
     MR_ROLE_OF_NETS},
    {"log_std_min", MR_SETTING_REAL, AT(log_std_min), "-5", -50, 10, "X",
     "lower bound of the log standard deviation of a stochastic policy's Gaussian, which is "
     "approached smoothly",
     MR_ROLE_OF_NETS},
    {"log_std_max", MR_SETTING_REAL, AT(log_std_max), "2", -50, 10, "X", "upper bound of the same",
     MR_ROLE_OF_NETS},
    {"deterministic_action", MR_SETTING_TEXT, AT(deterministic_action), "base", 0, 0,
     MR_DETERMINISTIC_WORDS,
     "deterministic action of a flow policy: base: its base's mean, mapped through the flow; of 8 "
     "samples (mean:samples=N), mean: their mean, mode: gradient ascent from the likeliest, best: "
     "the one of highest Q",
     MR_ROLE_FIXED},
    {"norm_position", MR_SETTING_CHOICE, AT(norm_position), "before", 0, 0, "before|after",
     "normalisation comes before the activation, or after it, in actor and critics",
     MR_ROLE_OF_NETS},
    {"critic_targets", MR_SETTING_CHOICE, AT(critic_targets), "polyak", 0, 0, "polyak|none",
     "polyak: target networks, which follow the critics by tau; none: no target networks "
     "(CrossQ), best with batch norms",
     MR_ROLE_OF_NETS},
    {"critic_activation", MR_SETTING_CHOICE, AT(critic_activation), "relu", 0, 0,
     "relu|silu|gelu|tanh", "activation of the critics' hidden layers", MR_ROLE_OF_NETS},
    {"critic_residual", MR_SETTING_SWITCH, AT(critic_residual), "false", 0, 0, NULL,
     "residual critics (BRO): a layer of the first width, then for each further one a residual "
     "block, that wide inside",
     MR_ROLE_OF_NETS},
    {"critic_dropout", MR_SETTING_REAL, AT(critic_dropout), "0", 0, 0.9, "X",
     "dropout rate after the critics' hidden linear layers; DroQ has 0.01 and critic_norm layer",
     MR_ROLE_TUNABLE},
    {"critics", MR_SETTING_COUNT, AT(critics), "2", 1, MR_MAX_CRITICS, "N", "number of critics",
     MR_ROLE_OF_NETS},
    {"critic_target_subset", MR_SETTING_COUNT, AT(critic_target_subset), "0", 0, MR_MAX_CRITICS,
     "N", "critics, drawn for each update, that a target is made of (REDQ: 2 of 10); 0: all",
     MR_ROLE_TUNABLE},
    {"critic_head", MR_SETTING_CHOICE, AT(critic_head), "scalar", 0, 0,
     "scalar|quantile|categorical",
     "what critics learn of the return: its mean; quantiles of it, the target without the largest "
     "(TQC); or probabilities of evenly spaced values (C51)",
     MR_ROLE_OF_NETS},
    {"critic_atoms", MR_SETTING_COUNT, AT(critic_atoms), "101", 2, 1001, "N",
     "number of atoms, the evenly spaced values of critic_head categorical", MR_ROLE_OF_NETS},
    {"critic_value_min", MR_SETTING_REAL, AT(critic_value_min), "-5", -1e9, 1e9, "X",
     "the least value of critic_head categorical", MR_ROLE_OF_NETS},
    {"critic_value_max", MR_SETTING_REAL, AT(critic_value_max), "5", -1e9, 1e9, "X",
     "the largest value of critic_head categorical", MR_ROLE_OF_NETS},
    {"critic_quantiles", MR_SETTING_COUNT, AT(critic_quantiles), "25", 1, 200, "N",
     "number of quantiles of each critic with critic_head quantile", MR_ROLE_OF_NETS},
    {"critic_drop", MR_SETTING_COUNT, AT(critic_drop), "2", 0, 199, "N",
     "largest quantiles, for each critic, that a target of critic_head quantile leaves out",
     MR_ROLE_TUNABLE},
    {"weight_norm", MR_SETTING_SWITCH, AT(weight_norm), "false", 0, 0, NULL,
     "scale the weights of each unit of actor and critics to norm 1 after each update; for nets "
     "whose hidden layers are normalised",
     MR_ROLE_OF_NETS},
    {"weight_decay", MR_SETTING_REAL, AT(weight_decay), "0", 0, 1e3, "X",
     "decoupled weight decay of actor and critics (AdamW)", MR_ROLE_TUNABLE},
    {"adam_beta1", MR_SETTING_REAL, AT(adam_beta1), "0.9", 0, 0.9999, "X",
     "decay of Adam's first moment, of actor and critics", MR_ROLE_TUNABLE},
    {"noise_repeat", MR_SETTING_COUNT, AT(noise_repeat), "1", 1, 10000, "N",
     "exploration noise is kept for n steps, drawn from 1 to N with probability proportional to "
     "n^-noise_repeat_exponent; 1: fresh at every step",
     MR_ROLE_FIXED},
    {"noise_repeat_exponent", MR_SETTING_REAL, AT(noise_repeat_exponent), "2", 0, 100, "X",
     "the larger, the fewer steps exploration noise is kept for (noise_repeat)", MR_ROLE_FIXED},
    {"lr_schedule", MR_SETTING_CHOICE, AT(lr_schedule), "constant", 0, 0, MR_LR_SCHEDULE_WORDS,
     "all learning rates over the run: constant, or falling to lr_final of themselves, linearly or "
     "as half a cosine",
     MR_ROLE_TUNABLE},
    {"lr_final", MR_SETTING_REAL, AT(lr_final), "0.1", 0, 1, "X",
     "fraction of the learning rates that is left at the last step (lr_schedule)", MR_ROLE_TUNABLE},
    {"gamma", MR_SETTING_REAL, AT(gamma), "0.99", 0, 1, "X", "discount factor", MR_ROLE_TUNABLE},
    {"updates_per_step", MR_SETTING_COUNT, AT(updates_per_step), "1", 1, 1000, "N",
     "updates for each environment step (the update-to-data ratio)", MR_ROLE_TUNABLE},
    {"reset_every", MR_SETTING_COUNT, AT(reset_every), "0", 0, 1e12, "N",
     "updates after which all nets are initialised anew, again and again (BRO); 0: never",
     MR_ROLE_TUNABLE},
    {"policy_ema", MR_SETTING_REAL, AT(policy_ema), "0", 0, 0.999999, "X",
     "evaluate and save an exponential moving average of the policy's parameters, which keeps X of "
     "itself at each update; 0: the parameters themselves",
     MR_ROLE_TUNABLE},
    {"n_step", MR_SETTING_COUNT, AT(n_step), "1", 1, 100, "N",
     "steps of n-step returns: rewards that a target sums before it bootstraps", MR_ROLE_TUNABLE},
    {"reward_scale", MR_SETTING_REAL, AT(reward_scale), "1", 0, 1e6, "X",
     "factor on the task's rewards in updates; 0: only the intrinsic reward counts",
     MR_ROLE_TUNABLE},
    {"normalize_reward", MR_SETTING_SWITCH, AT(normalize_reward), "false", 0, 0, NULL,
     "divide the task's rewards by the running standard deviation of the discounted return",
     MR_ROLE_OF_NETS},
    {"max_return", MR_SETTING_REAL, AT(max_return), "0", 0, 1e9, "X",
     "normalize_reward divides by so much that no discounted return so far is larger than X; 0: no "
     "bound",
     MR_ROLE_TUNABLE},
    {"normalize_observation", MR_SETTING_SWITCH, AT(normalize_observation), "false", 0, 0, NULL,
     "actor and critics see observations less their running mean, divided by their running "
     "standard deviation",
     MR_ROLE_OF_NETS},
    {"priority_alpha", MR_SETTING_REAL, AT(priority_alpha), "0", 0, 1, "X",
     "prioritised replay: transitions are drawn with probability proportional to their TD error to "
     "the power of X; 0: uniformly",
     MR_ROLE_FIXED},
    {"priority_beta", MR_SETTING_REAL, AT(priority_beta), "0.4", 0, 1, "X",
     "the critics' losses are weighted by (N P)^-X, for a transition drawn with probability P from "
     "N (priority_alpha)",
     MR_ROLE_TUNABLE},
    {"demonstrations", MR_SETTING_TEXT, AT(demonstrations), "", 0, 0, "FILE.h5|DIR",
     "learn from a data set of episodes, too, as `millrace record` and Minari write them: a part "
     "of each batch is drawn from it (RLPD)",
     MR_ROLE_FREE}, // a checkpoint has its hash
    {"demonstration_ratio", MR_SETTING_REAL, AT(demonstration_ratio), "0.5", 0, 1, "X",
     "fraction of each batch that is drawn from the demonstrations", MR_ROLE_TUNABLE},
    {"bonus", MR_SETTING_CHOICE, AT(bonus), "none", 0, 0, "none|density|rnd",
     "intrinsic reward for novel states: by a flow's log-density, or by random network "
     "distillation",
     MR_ROLE_FIXED},
    {"bonus_flow", MR_SETTING_TEXT, AT(bonus_flow), "nsf_ar:layers=2,hidden=64x64", 0, 0, "NAME",
     "flow of the density, with options as in policy", MR_ROLE_FIXED},
    {"bonus_scale", MR_SETTING_REAL, AT(bonus_scale), "0.3", 0, 1e6, "X",
     "beta at the first step: weight of the intrinsic reward", MR_ROLE_TUNABLE},
    {"bonus_decay", MR_SETTING_CHOICE, AT(bonus_decay), "exponential", 0, 0,
     "none|linear|exponential",
     "decay of beta: linear, to 0 at the last step; exponential, by (1 - rate)^step",
     MR_ROLE_TUNABLE},
    {"bonus_decay_rate", MR_SETTING_AUTO, AT(bonus_decay_rate), "auto", 0, 1, "auto|X",
     "rate of the exponential decay; auto: beta is a thousandth at the last step", MR_ROLE_TUNABLE},
    {"bonus_features", MR_SETTING_TEXT, AT(bonus_features), "all", 0, 0, "NAME|N|N-N,...",
     "features of the observation that the novelty is about: all, or names and numbers",
     MR_ROLE_FIXED},
    {"bonus_normalize", MR_SETTING_CHOICE, AT(bonus_normalize), "auto", 0, 0,
     "auto|standard|scale|none",
     "intrinsic reward: standard: (novelty - mean) / std; scale: novelty / std; none: novelty; "
     "auto: standard for density, scale for rnd",
     MR_ROLE_FIXED},
    {"bonus_critic", MR_SETTING_CHOICE, AT(bonus_critic), "separate", 0, 0, "shared|separate",
     "shared: the intrinsic reward is added to the task's reward; separate: it has critics of its "
     "own",
     MR_ROLE_FIXED},
    {"bonus_critic_hidden", MR_SETTING_WIDTHS, AT(bonus_critic_hidden), "128,128", 0, 0, "N,N,...",
     "widths of the hidden layers of the critics of the intrinsic reward (separate)",
     MR_ROLE_FIXED},
    {"eval_every", MR_SETTING_COUNT, AT(eval_every), "5000", 0, 1e12, "N",
     "steps between evaluations; 0: only at the end", MR_ROLE_TUNABLE},
    {"eval_episodes", MR_SETTING_COUNT, AT(eval_episodes), "10", 1, 100000, "N",
     "episodes in an evaluation", MR_ROLE_TUNABLE},
    {"eval_stochastic", MR_SETTING_SWITCH, AT(eval_stochastic), "false", 0, 0, NULL,
     "sample actions in evaluations, as in training; for tasks whose best policy is random",
     MR_ROLE_TUNABLE},
    {"eval_max_steps", MR_SETTING_COUNT, AT(eval_max_steps), "0", 0, 1e12, "N",
     "steps after which an episode of an evaluation is cut off; 0: the largest of the task's time "
     "limit, the longest episode that has ended in training, and 1000",
     MR_ROLE_TUNABLE},
    {"checkpoint_every", MR_SETTING_COUNT, AT(checkpoint_every), "10000", 0, 1e12, "N",
     "steps between checkpoints, from which --resume continues; 0: only at the beginning, at the "
     "end and on Ctrl-C",
     MR_ROLE_FREE},
    {"timeout", MR_SETTING_REAL, AT(timeout), "10", 0.001, 1e6, "S",
     "seconds to wait for a server's reply (zmq:) before the request is sent again", MR_ROLE_FREE},
    {"retries", MR_SETTING_COUNT, AT(retries), "5", 0, 1000, "N",
     "times that a request is sent again before training stops", MR_ROLE_FREE},
    {"curve_server_key", MR_SETTING_TEXT, AT(curve_server_key), "", 0, 0, "FILE",
     "public key of the servers (zmq:), which turns encryption on, with...", MR_ROLE_FREE},
    {"curve_secret_key", MR_SETTING_TEXT, AT(curve_secret_key), "", 0, 0, "FILE",
     "...your own secret key (`millrace keygen` makes a pair)", MR_ROLE_FREE},
    {"changed_files", MR_SETTING_CHOICE, AT(changed_files), "refuse", 0, 0, MR_CHANGED_WORDS,
     "for --resume, if files of the model or task have changed since the run began: refuse; accept "
     "them; or use the run's own copy",
     MR_ROLE_OWN_TO_RUN},
    {"out", MR_SETTING_OUT_DIR, AT(out), "", 0, 0, "DIR",
     "new directory for the results; default: runs/ENV-POLICY-sSEED-DATE", MR_ROLE_OWN_TO_RUN},
};

// Names of earlier versions, which stay valid.
static const struct {
    const char *former, *name;
} renamed[] = {
    {"bonus_hidden", "bonus_critic_hidden"}, // until 0.1
};

// ---- The table of all

static mr_setting table[MR_MAX_SETTINGS];
static const char *agent_of[MR_MAX_SETTINGS]; // whose option a row is; NULL: every run has it
static size_t n_settings;
static char agent_words[MR_MAX_AGENTS * MR_MAX_CHOICE]; // "sac|td3"

static void add_setting(const mr_setting *row, size_t base, const char *agent) {
    assert(n_settings < MR_MAX_SETTINGS);
    mr_setting *added = &table[n_settings];
    agent_of[n_settings++] = agent;
    *added = *row;
    added->offset += base;
}

static void add_agent(size_t i) {
    const mr_agent_ops *agent = mr_agent_at(i);
    const size_t base = AT(agent_options) + i * sizeof(mr_agent_options), n = strlen(agent_words);
    assert(agent->options_size <= MR_MAX_AGENT_OPTIONS);
    snprintf(agent_words + n, sizeof agent_words - n, "%s%s", i > 0 ? "|" : "", agent->name);
    for (size_t k = 0; k < agent->n_options; k++)
        add_setting(&agent->options[k], base, agent->name);
}

static void make_table(void) {
    assert(mr_agent_count() <= MR_MAX_AGENTS);
    for (size_t i = 0; i < MR_COUNT(common); i++) {
        add_setting(&common[i], 0, NULL);
        if (common[i].offset != AT(agent))
            continue;
        table[n_settings - 1].metavar = agent_words;
        for (size_t k = 0; k < mr_agent_count(); k++)
            add_agent(k);
    }
}

size_t mr_setting_count(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_table);
    return n_settings;
}

const mr_setting *mr_setting_at(size_t i) {
    return i < mr_setting_count() ? &table[i] : NULL;
}

const char *mr_setting_agent(const mr_setting *setting) {
    return agent_of[setting - table];
}

bool mr_setting_is_used(const mr_setting *setting, const mr_settings *settings) {
    const char *agent = mr_setting_agent(setting);
    return !agent || strcmp(agent, settings->agent) == 0;
}

const mr_setting *mr_setting_find_used(const char *name, const mr_settings *settings) {
    for (size_t i = 0; i < mr_setting_count(); i++)
        if (strcmp(mr_setting_at(i)->name, name) == 0 &&
            mr_setting_is_used(mr_setting_at(i), settings))
            return mr_setting_at(i);
    return NULL;
}

// ---- Names

static bool same_name(const char *a, const char *b) {
    for (; *a != '\0' && *b != '\0'; a++, b++)
        if ((*a == '-' ? '_' : *a) != (*b == '-' ? '_' : *b))
            return false;
    return *a == *b;
}

const char *mr_setting_of_older(const mr_setting *setting) {
    return setting->offset == AT(preset) ? "none" : setting->initial;
}

const char *mr_setting_former_name(const mr_setting *setting) {
    for (size_t i = 0; i < MR_COUNT(renamed); i++)
        if (strcmp(renamed[i].name, setting->name) == 0)
            return renamed[i].former;
    return NULL;
}

static const char *present_name(const char *name) {
    for (size_t i = 0; i < MR_COUNT(renamed); i++)
        if (same_name(renamed[i].former, name))
            return renamed[i].name;
    return name;
}

const mr_setting *mr_setting_find(const char *name) {
    name = present_name(name);
    for (size_t i = 0; i < mr_setting_count(); i++)
        if (same_name(name, table[i].name))
            return &table[i];
    return NULL;
}
