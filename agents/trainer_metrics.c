// The metrics of a training run: its clock, its episodes, its updates, its rows.

#include "agents/trainer.h"

#include <math.h>

#include "base/clock.h"

void mr_trainer_note_time(mr_trainer *t) {
    mr_metrics *now = &t->loop.now;
    now->time_elapsed = t->time_before + mr_clock_s() - t->begun_s;
    now->fps = now->total_timesteps / now->time_elapsed;
    now->cpu_seconds = t->cpu_before + mr_cpu_s() - t->begun_cpu_s;
}

static double mean_of_recent(const mr_loop *l, const double *values) {
    const size_t n = l->n_recent < MR_RECENT_EPISODES ? (size_t)l->n_recent : MR_RECENT_EPISODES;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return sum / (double)n;
}

void mr_trainer_note_episode(mr_trainer *t, const mr_rollout *r) {
    mr_loop *l = &t->loop;
    const size_t i = (size_t)l->n_recent % MR_RECENT_EPISODES;
    l->recent_return[i] = r->episode_return;
    l->recent_length[i] = r->episode_length;
    l->n_recent++;
    l->now.episodes = l->n_recent;
    l->now.ep_rew_last = r->episode_return;
    l->now.ep_rew_mean = mean_of_recent(l, l->recent_return);
    l->now.ep_len_mean = mean_of_recent(l, l->recent_length);
}

void mr_trainer_note_update(mr_trainer *t) {
    const mr_agent_ops *agent = mr_agent_get_ops(t->agent);
    for (size_t i = 0; i < agent->n_metrics; i++) {
        const double value = mr_agent_metric_value(t->agent, i);
        t->loop.sum[i] += value;
        if (agent->metrics[i].is_latest)
            t->loop.now.agent[i] = value;
    }
    t->loop.n_summed++;
    t->loop.now.n_updates = (double)mr_agent_n_updates(t->agent);
}

static void note_bonus(mr_trainer *t) {
    mr_metrics *now = &t->loop.now;
    if (!t->bonus)
        return;
    const mr_bonus_metrics f = mr_bonus_take_metrics(t->bonus);
    now->bonus_state_log_prob = f.state_log_prob;
    now->bonus_mean = f.mean;
    now->bonus_std = f.std;
    now->bonus_beta = f.beta;
    now->bonus_coverage = f.coverage;
    now->bonus_restarts = f.n_restarts;
}

mr_status mr_trainer_log_row(mr_trainer *t) {
    const mr_agent_ops *agent = mr_agent_get_ops(t->agent);
    const double n = t->loop.n_summed > 0 ? t->loop.n_summed : NAN;
    for (size_t i = 0; i < agent->n_metrics; i++) {
        if (!agent->metrics[i].is_latest)
            t->loop.now.agent[i] = t->loop.sum[i] / n;
        t->loop.sum[i] = 0;
    }
    t->loop.n_summed = 0;
    t->logged_steps = t->loop.now.total_timesteps;
    note_bonus(t);
    mr_trainer_note_time(t);
    return mr_run_log(t->run, &t->loop.now);
}
