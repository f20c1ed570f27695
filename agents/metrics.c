// The table of metrics. Names: Stable-Baselines3's logger, if it has them.

#include "agents/metrics.h"

#include <assert.h>
#include <string.h>

#define AT(field) offsetof(mr_metrics, field)

// The metrics of every run. Those of the agent come after n_updates.
static const mr_metric table[] = {
    {"time/total_timesteps", AT(total_timesteps), false},
    {"time/time_elapsed", AT(time_elapsed), false},
    {"time/fps", AT(fps), false},
    {"time/cpu_seconds", AT(cpu_seconds), false},
    {"time/episodes", AT(episodes), false},
    {"rollout/ep_rew_mean", AT(ep_rew_mean), false},
    {"rollout/ep_len_mean", AT(ep_len_mean), false},
    {"rollout/ep_rew_last", AT(ep_rew_last), false},
    {"rollout/n_diverged", AT(n_diverged), false},
    {"rollout/n_warnings", AT(n_warnings), false},
    {"train/n_updates", AT(n_updates), false},
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

void mr_metric_list_of(const mr_agent_ops *agent, mr_metric_list *out) {
    out->n = 0;
    assert(MR_COUNT(table) + agent->n_metrics <= MR_MAX_METRICS &&
           agent->n_metrics <= MR_MAX_AGENT_METRICS);
    for (size_t i = 0; i < MR_COUNT(table); i++) {
        out->at[out->n++] = table[i];
        for (size_t k = 0; table[i].offset == AT(n_updates) && k < agent->n_metrics; k++)
            out->at[out->n++] =
                (mr_metric){agent->metrics[k].name, AT(agent) + k * sizeof(double), false};
    }
}

const mr_metric *mr_metric_find(const mr_metric_list *list, const char *name) {
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->at[i].name, name) == 0)
            return &list->at[i];
    return NULL;
}

double *mr_metric_value(const mr_metric *metric, mr_metrics *metrics) {
    return (double *)(void *)((char *)metrics + metric->offset);
}
