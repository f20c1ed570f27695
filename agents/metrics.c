// The table of figures. Names: Stable-Baselines3's logger, where it has them.

#include "agents/metrics.h"

#include "nn/status.h"

#include <string.h>

#define AT(field) offsetof(mr_metrics, field)

static const mr_metric table[] = {
    {"time/total_timesteps", AT(total_timesteps), false},
    {"time/time_elapsed", AT(time_elapsed), false},
    {"time/fps", AT(fps), false},
    {"time/episodes", AT(episodes), false},
    {"rollout/ep_rew_mean", AT(ep_rew_mean), false},
    {"rollout/ep_len_mean", AT(ep_len_mean), false},
    {"rollout/ep_rew_last", AT(ep_rew_last), false},
    {"rollout/n_diverged", AT(n_diverged), false},
    {"rollout/n_warnings", AT(n_warnings), false},
    {"train/n_updates", AT(n_updates), false},
    {"train/actor_loss", AT(actor_loss), false},
    {"train/critic_loss", AT(critic_loss), false},
    {"train/ent_coef", AT(ent_coef), false},
    {"train/ent_coef_loss", AT(ent_coef_loss), false},
    {"train/entropy", AT(entropy), false},
    {"train/q_mean", AT(q_mean), false},
    {"eval/mean_reward", AT(eval_mean_reward), true},
    {"eval/std_reward", AT(eval_std_reward), true},
    {"eval/mean_ep_length", AT(eval_mean_ep_length), true},
    {"bonus/state_log_prob", AT(bonus_state_log_prob), false},
    {"bonus/mean", AT(bonus_mean), false},
    {"bonus/std", AT(bonus_std), false},
    {"bonus/beta", AT(bonus_beta), false},
    {"bonus/coverage", AT(bonus_coverage), false},
    {"bonus/restarts", AT(bonus_restarts), false},
};

size_t mr_metric_count(void) {
    return MR_COUNT(table);
}

const mr_metric *mr_metric_at(size_t i) {
    return &table[i];
}

const mr_metric *mr_metric_find(const char *name) {
    for (size_t i = 0; i < MR_COUNT(table); i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}
