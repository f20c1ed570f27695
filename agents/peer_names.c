// The names of Stable-Baselines3's and CleanRL's settings of SAC and TD3, and ours for them.

#include "agents/peer_names.h"

#include <stdio.h>
#include <string.h>

#include "agents/settings.h"

static const char sb3[] = "Stable-Baselines3", cleanrl[] = "CleanRL";

enum { MAX_OURS = 2 };

typedef struct {
    const char *name, *peer;
    const char *ours[MAX_OURS]; // names of settings
    const char *note;           // more about it, or why we have no such setting; NULL: nothing
} peer_name;

static const peer_name table[] = {
    {"learning_rate", sb3, {"actor_lr", "critic_lr"}, NULL},
    {"ent_coef", sb3, {"alpha"}, NULL},
    {"gradient_steps", sb3, {"updates_per_step"}, NULL},
    {"train_freq", sb3, {"updates_per_step"}, "updates follow every step"},
    {"n_steps", sb3, {"n_step"}, NULL},
    {"norm_reward", sb3, {"normalize_reward"}, NULL},
    {"target_update_interval", sb3, {"tau"}, "targets move at every update (td3: of the actor)"},
    {"policy_kwargs", sb3, {"hidden", "policy"}, NULL},
    {"net_arch", sb3, {"hidden", "critic_hidden"}, NULL},
    {"n_critics", sb3, {"critics"}, NULL},
    {"n_quantiles", sb3, {"critic_quantiles"}, "of critic_head quantile"},
    {"top_quantiles_to_drop_per_net", sb3, {"critic_drop"}, "of critic_head quantile"},
    {"activation_fn", sb3, {"critic_activation"}, "actors have ReLU layers"},
    {"action_noise",
     sb3,
     {"policy", "exploration_noise"},
     "the noise of sac is that of its policy, and td3 has normal noise"},
    {"target_policy_noise", sb3, {"target_noise"}, NULL},
    {"use_sde", sb3, {"policy"}, "the noise is that of the policy"},
    {"sde_sample_freq", sb3, {"policy"}, "the noise is that of the policy"},
    {"total_timesteps", sb3, {"steps"}, NULL},
    {"n_timesteps", sb3, {"steps"}, NULL},
    {"n_envs", sb3, {"num_envs"}, NULL},
    {"eval_freq", sb3, {"eval_every"}, NULL},
    {"n_eval_episodes", sb3, {"eval_episodes"}, NULL},
    {"save_freq", sb3, {"checkpoint_every"}, NULL},
    {"env_kwargs", sb3, {"env_set"}, NULL},
    {"log_interval", sb3, {0}, "progress.csv has a row every 1,000 steps"},
    {"verbose", sb3, {0}, "progress goes to stderr, evaluations to stdout"},
    {"progress_bar", sb3, {0}, "a terminal always has a line of progress"},
    {"tensorboard_log", sb3, {"out"}, "a run's directory holds its events for TensorBoard"},
    {"device", sb3, {"threads"}, "nets run on the processor"},
    {"q_lr", cleanrl, {"critic_lr"}, NULL},
    {"policy_lr", cleanrl, {"actor_lr"}, NULL},
    {"autotune", cleanrl, {"alpha"}, "auto learns it, a number fixes it"},
    {"policy_noise", cleanrl, {"target_noise"}, NULL},
    {"noise_clip", cleanrl, {"target_noise_clip"}, NULL},
    {"policy_frequency", cleanrl, {"policy_delay"}, NULL},
    {"target_network_frequency",
     cleanrl,
     {"tau"},
     "targets move at every update (td3: of the actor)"},
    {"env_id", cleanrl, {"env"}, NULL},
    {"exp_name", cleanrl, {"out"}, NULL},
    {"torch_deterministic", cleanrl, {"seed"}, "the same seed and threads give the same run"},
    {"cuda", cleanrl, {"threads"}, "nets run on the processor"},
    {"track", cleanrl, {0}, "a run's directory holds tables and events for TensorBoard"},
    {"wandb_project_name", cleanrl, {0}, "a run's directory holds tables and events"},
    {"wandb_entity", cleanrl, {0}, "a run's directory holds tables and events"},
    {"capture_video",
     cleanrl,
     {0},
     "`millrace eval RUN_DIR --video FILE.mp4` makes a video of a policy"},
};

size_t mr_peer_name_count(void) {
    return MR_COUNT(table);
}

const char *mr_peer_name_at(size_t i) {
    return table[i].name;
}

const char *mr_peer_name_ours(size_t i, size_t k) {
    return k < MAX_OURS ? table[i].ours[k] : NULL;
}

static bool is_name(const char *given, const char *name) {
    for (; *given != '\0' && *name != '\0'; given++, name++)
        if ((*given == '-' ? '_' : *given) != *name)
            return false;
    return *given == *name;
}

static const peer_name *find(const char *name) {
    for (size_t i = 0; i < MR_COUNT(table); i++)
        if (is_name(name, table[i].name))
            return &table[i];
    return NULL;
}

// "actor_lr and critic_lr", or as options.
static void list_ours(const peer_name *row, bool as_options, char *text, size_t size) {
    size_t length = 0;
    for (size_t k = 0; k < MAX_OURS && row->ours[k] != NULL; k++) {
        const size_t first = length;
        length += (size_t)snprintf(text + length, size - length, "%s%s%s", k > 0 ? " and " : "",
                                   as_options ? "--" : "", row->ours[k]);
        for (size_t i = first; as_options && i < length; i++)
            text[i] = text[i] == '_' ? '-' : text[i];
    }
}

bool mr_peer_name_explain(const char *name, bool as_options, char *text, size_t size) {
    char ours[128];
    const peer_name *row = find(name);
    if (row == NULL)
        return false;
    const char *note = row->note != NULL ? row->note : "";
    if (row->ours[0] == NULL) {
        snprintf(text, size, "%s's %s has no counterpart here: %s", row->peer, row->name, note);
        return true;
    }
    list_ours(row, as_options, ours, sizeof ours);
    snprintf(text, size, "%s's %s is %s here%s%s", row->peer, row->name, ours,
             note[0] != '\0' ? ": " : "", note);
    return true;
}
