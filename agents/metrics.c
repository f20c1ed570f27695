// The table of figures. Names: Stable-Baselines3's logger, where it has them.

#include "agents/metrics.h"

#include "nn/status.h"

#define AT(field) offsetof(mr_metrics, field)

static const mr_metric table[] = {
    {"time/total_timesteps", AT(total_timesteps)},
    {"time/time_elapsed", AT(time_elapsed)},
    {"time/fps", AT(fps)},
    {"time/episodes", AT(episodes)},
    {"rollout/ep_rew_mean", AT(ep_rew_mean)},
    {"rollout/ep_len_mean", AT(ep_len_mean)},
    {"rollout/ep_rew_last", AT(ep_rew_last)},
    {"train/n_updates", AT(n_updates)},
    {"train/actor_loss", AT(actor_loss)},
    {"train/critic_loss", AT(critic_loss)},
    {"train/ent_coef", AT(ent_coef)},
    {"train/ent_coef_loss", AT(ent_coef_loss)},
    {"train/entropy", AT(entropy)},
    {"train/q_mean", AT(q_mean)},
    {"eval/mean_reward", AT(eval_mean_reward)},
    {"eval/std_reward", AT(eval_std_reward)},
    {"eval/mean_ep_length", AT(eval_mean_ep_length)},
    {"bonus/state_log_prob", AT(bonus_state_log_prob)},
    {"bonus/mean", AT(bonus_mean)},
    {"bonus/std", AT(bonus_std)},
    {"bonus/beta", AT(bonus_beta)},
    {"bonus/coverage", AT(bonus_coverage)},
    {"bonus/restarts", AT(bonus_restarts)},
};

size_t mr_metric_count(void) {
    return MR_COUNT(table);
}

const mr_metric *mr_metric_at(size_t i) {
    return &table[i];
}
