// Recording: metrics, evaluations, and the files that are made of them.

#include "agents/recorder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/checkpoint.h"
#include "base/clock.h"
#include "base/file.h"

static const mr_agent_ops *agent_ops(const mr_recorder *r) {
    return mr_agent_get_ops(r->updater->agent);
}

static mr_policy *policy(const mr_recorder *r) {
    return mr_agent_policy(r->updater->agent);
}

// What the file of a policy is made of. That of the critics is NULL if it has none.
enum { POLICY, CRITICS, N_SETS };

static void list_sets(const mr_recorder *r, mr_params *out[N_SETS]) {
    out[POLICY] = mr_policy_params(policy(r));
    out[CRITICS] = mr_policy_critic_params(policy(r));
}

// ---- Building

static void clear_metrics(mr_recorder *r) {
    mr_metric_list list;
    mr_metric_list_of(agent_ops(r), &list);
    for (size_t i = 0; i < list.n; i++)
        *mr_metric_value(&list.at[i], &r->now) = NAN;
    r->now.total_timesteps = 0;
    r->now.episodes = 0;
    r->now.n_diverged = 0;
    r->now.n_warnings = 0;
    r->now.n_updates = 0;
}

static mr_status open_best_obs_stats(mr_recorder *r) {
    const mr_policy_spec *spec = mr_policy_get_spec(policy(r));
    if (!spec->obs_mean)
        return MR_OK;
    r->best_obs_mean = calloc(spec->obs_dim, sizeof *r->best_obs_mean);
    r->best_obs_std = calloc(spec->obs_dim, sizeof *r->best_obs_std);
    return r->best_obs_mean && r->best_obs_std
               ? MR_OK
               : mr_fail_memory("the statistics of the best policy");
}

mr_status mr_recorder_open(mr_recorder *r, const mr_settings *settings,
                           const mr_train_watcher *watcher, mr_updater *updater, mr_infos *infos) {
    mr_status status;
    mr_params *sets[N_SETS];
    *r = (mr_recorder){.settings = settings,
                       .watcher = watcher,
                       .updater = updater,
                       .infos = infos,
                       .best_mean_reward = -INFINITY,
                       .logged_steps = -1,
                       .begun_s = mr_clock_s(),
                       .begun_cpu_s = mr_cpu_s()};
    clear_metrics(r);
    MR_TRY(mr_evaluation_new(settings->eval_episodes, &r->evaluation));
    list_sets(r, sets);
    for (size_t k = 0; k < N_SETS; k++)
        if (sets[k])
            MR_TRY(mr_params_copy(sets[k], &r->best[k]));
    MR_TRY(open_best_obs_stats(r));
done:
    return status;
}

void mr_recorder_close(mr_recorder *r) {
    mr_run_close(r->run);
    mr_evaluation_free(r->evaluation);
    for (size_t k = 0; k < N_SETS; k++)
        mr_params_free(r->best[k]);
    free(r->best_obs_mean);
    free(r->best_obs_std);
}

// ---- Telling the watcher

void mr_recorder_tell(const mr_recorder *r, const char *note) {
    if (note && r->watcher && r->watcher->noted)
        r->watcher->noted(r->watcher->self, note);
}

void mr_recorder_tell_once(mr_recorder *r, enum mr_note_kind kind, const char *note) {
    if (!note || r->has_told[kind])
        return;
    r->has_told[kind] = true;
    if (kind != MR_NOTE_WARNING)
        mr_recorder_tell(r, note);
    else if (r->watcher && r->watcher->warned)
        r->watcher->warned(r->watcher->self, note);
}

void mr_recorder_tell_step(mr_recorder *r) {
    if (!r->watcher || !r->watcher->stepped)
        return;
    mr_recorder_update_time(r);
    r->watcher->stepped(r->watcher->self, &r->now);
}

// ---- Metrics

void mr_recorder_update_time(mr_recorder *r) {
    r->now.time_elapsed = r->time_before + mr_clock_s() - r->begun_s;
    r->now.fps = r->now.total_timesteps / r->now.time_elapsed;
    r->now.cpu_seconds = r->cpu_before + mr_cpu_s() - r->begun_cpu_s;
}

static double mean_of_recent(const mr_recorder *r, const double *values) {
    const size_t n = r->n_recent < MR_RECENT_EPISODES ? (size_t)r->n_recent : MR_RECENT_EPISODES;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return sum / (double)n;
}

static void add_episode(mr_recorder *r, const mr_episode *episode) {
    const size_t i = (size_t)r->n_recent % MR_RECENT_EPISODES;
    r->recent_return[i] = episode->episode_return;
    r->recent_length[i] = episode->length;
    r->n_recent++;
    r->now.episodes = r->n_recent;
    r->now.ep_rew_last = episode->episode_return;
    r->now.ep_rew_mean = mean_of_recent(r, r->recent_return);
    r->now.ep_len_mean = mean_of_recent(r, r->recent_length);
}

void mr_recorder_add_episodes(mr_recorder *r, const mr_collected *collected) {
    for (size_t i = 0; i < collected->n_ended; i++)
        add_episode(r, &collected->ended[i]);
}

void mr_recorder_add_step(mr_recorder *r, const mr_collected *collected) {
    r->now.total_timesteps += (double)collected->n_envs;
    for (size_t i = 0; i < collected->n_envs; i++) {
        const mr_step *step = &collected->step[i];
        if (!collected->has_stepped[i])
            continue;
        r->now.n_diverged += step->diverged;
        r->now.n_warnings += step->warning != NULL;
        mr_recorder_tell_once(r, MR_NOTE_WARNING, step->warning);
    }
    mr_recorder_add_episodes(r, collected);
}

static void tell_update(mr_recorder *r) {
    mr_train_metric metrics[MR_MAX_AGENT_METRICS];
    const mr_agent_ops *ops = agent_ops(r);
    if (!r->watcher || !r->watcher->updated)
        return;
    for (size_t i = 0; i < ops->n_metrics; i++)
        metrics[i] =
            (mr_train_metric){ops->metrics[i].name, mr_agent_metric_value(r->updater->agent, i)};
    mr_recorder_update_time(r);
    r->watcher->updated(r->watcher->self, &r->now, ops->n_metrics, metrics);
}

void mr_recorder_add_update(mr_recorder *r) {
    const mr_agent *agent = r->updater->agent;
    const mr_agent_ops *ops = agent_ops(r);
    for (size_t i = 0; i < ops->n_metrics; i++) {
        const double value = mr_agent_metric_value(agent, i);
        r->sum[i] += value;
        if (ops->metrics[i].is_latest)
            r->now.agent[i] = value;
    }
    r->n_summed++;
    r->now.n_updates = (double)mr_agent_n_updates(agent);
    tell_update(r);
}

static void take_bonus_metrics(mr_recorder *r) {
    mr_bonus *bonus = r->updater->bonus;
    if (!bonus)
        return;
    const mr_bonus_metrics taken = mr_bonus_take_metrics(bonus);
    r->now.bonus_state_log_prob = taken.state_log_prob;
    r->now.bonus_mean = taken.mean;
    r->now.bonus_std = taken.std;
    r->now.bonus_beta = taken.beta;
    r->now.bonus_coverage = taken.coverage;
    r->now.bonus_restarts = taken.n_restarts;
}

// Values at an end of the categorical critics' support can't be told from still larger ones, so
// that the policy has nothing to improve by. "At an end": in the last twentieth of the support.
static void tell_end_of_support(mr_recorder *r) {
    mr_metric_list list;
    char note[384];
    const mr_settings *s = r->settings;
    if (strcmp(s->critic_head, "categorical") != 0)
        return;
    mr_metric_list_of(agent_ops(r), &list);
    const mr_metric *q_mean = mr_metric_find(&list, "train/q_mean");
    if (!q_mean)
        return;
    const double low = s->critic_value_min, high = s->critic_value_max;
    const double q = *mr_metric_value(q_mean, &r->now), margin = (high - low) / 20;
    if (!(q < low + margin || q > high - margin)) // also before the first update
        return;
    snprintf(
        note, sizeof note,
        "the critics' values are %.3g on average, at an end of their support (critic_value_min "
        "%g to critic_value_max %g), where returns can't be told apart; %s",
        q, low, high,
        s->normalize_reward ? "--max-return, at most as large as these, makes returns smaller"
                            : "set --normalize-reward, or a support that holds the discounted "
                              "returns");
    mr_recorder_tell_once(r, MR_NOTE_SUPPORT, note);
}

mr_status mr_recorder_add_row(mr_recorder *r) {
    const mr_agent_ops *ops = agent_ops(r);
    mr_scalar infos[MR_MAX_INFOS];
    const double n = r->n_summed > 0 ? r->n_summed : NAN;
    for (size_t i = 0; i < ops->n_metrics; i++) {
        if (!ops->metrics[i].is_latest)
            r->now.agent[i] = r->sum[i] / n;
        r->sum[i] = 0;
    }
    r->n_summed = 0;
    r->logged_steps = r->now.total_timesteps;
    take_bonus_metrics(r);
    tell_end_of_support(r);
    mr_recorder_update_time(r);
    const size_t n_infos = mr_infos_take(r->infos, infos);
    return mr_run_log(r->run, &r->now, n_infos, infos);
}

// ---- Models

static mr_status save_policy(mr_recorder *r, const char *name, double n_steps) {
    char steps[32];
    snprintf(steps, sizeof steps, "%.0f", n_steps);
    const mr_metadata notes[] = {{"steps", steps}, {"millrace", MR_VERSION}};
    return mr_policy_save(policy(r), mr_run_path(r->run, name), MR_COUNT(notes), notes);
}

static void swap_best(mr_recorder *r) {
    mr_params *sets[N_SETS];
    list_sets(r, sets);
    for (size_t k = 0; k < N_SETS; k++)
        if (sets[k])
            mr_params_swap(sets[k], r->best[k]);
    if (r->best_obs_mean)
        mr_policy_swap_obs_stats(policy(r), r->best_obs_mean, r->best_obs_std);
}

mr_status mr_recorder_save_best(mr_recorder *r, const char *name) {
    swap_best(r);
    const mr_status status = save_policy(r, name, r->best_steps);
    swap_best(r);
    return status;
}

static const mr_density *density(const mr_recorder *r) {
    return r->updater->bonus ? mr_bonus_get_density(r->updater->bonus) : NULL;
}

static mr_status save_latest(mr_recorder *r) {
    mr_status status = MR_OK;
    const mr_density *present = density(r);
    if (present)
        MR_TRY(mr_density_save(present, mr_run_path(r->run, "density.safetensors")));
    MR_TRY(save_policy(r, "policy.safetensors", r->now.total_timesteps));
done:
    return status;
}

// What is evaluated and saved is the average, if there is one.
mr_status mr_recorder_save_latest(mr_recorder *r) {
    mr_agent_swap_average(r->updater->agent);
    const mr_status status = save_latest(r);
    mr_agent_swap_average(r->updater->agent);
    return status;
}

// The density of each evaluation is kept, for pictures of how it changed.
static mr_status save_density_of_step(mr_recorder *r) {
    mr_status status = MR_OK;
    char name[64];
    const mr_density *present = density(r);
    if (!present)
        return MR_OK;
    snprintf(name, sizeof name, "density/%.0f.safetensors", r->now.total_timesteps);
    MR_TRY(mr_make_directories(mr_run_path(r->run, "density")));
    MR_TRY(mr_density_save(present, mr_run_path(r->run, name)));
done:
    return status;
}

// ---- Evaluations

static void tell_cut(mr_recorder *r, size_t max_steps) {
    char note[256];
    const mr_evaluation *e = r->evaluation;
    if (e->n_cut == 0 || r->settings->eval_max_steps > 0)
        return;
    snprintf(note, sizeof note,
             "%zu of %zu evaluation episodes had not ended after %zu steps and were cut off there; "
             "--eval-max-steps sets how many are played",
             e->n_cut, e->n, max_steps);
    mr_recorder_tell_once(r, MR_NOTE_CUT, note);
}

static mr_status play_evaluation(mr_recorder *r, const mr_collector *collector) {
    mr_random seeds =
        mr_random_stream(r->settings->seed, MR_STREAM_EVAL, (uint64_t)r->now.total_timesteps);
    const mr_eval_options options = {
        .seed = mr_random_u32(&seeds),
        .deterministic = !r->settings->eval_stochastic,
        .max_steps = mr_eval_max_steps(mr_collector_env(collector), r->settings->eval_max_steps,
                                       (size_t)collector->longest_episode),
        .stop = collector->stop};
    const mr_status status = mr_evaluate(policy(r), collector->eval_envs, &options, r->evaluation);
    if (status != MR_OK)
        return status;
    tell_cut(r, options.max_steps);
    mr_recorder_tell_once(r, MR_NOTE_WARNING, mr_vec_env_warning(collector->eval_envs));
    return MR_OK;
}

static void keep_obs_stats(mr_recorder *r) {
    const mr_policy_spec *spec = mr_policy_get_spec(policy(r));
    if (!r->best_obs_mean)
        return;
    memcpy(r->best_obs_mean, spec->obs_mean, spec->obs_dim * sizeof *spec->obs_mean);
    memcpy(r->best_obs_std, spec->obs_std, spec->obs_dim * sizeof *spec->obs_std);
}

static mr_status keep_best(mr_recorder *r) {
    mr_params *sets[N_SETS];
    list_sets(r, sets);
    r->best_mean_reward = r->evaluation->mean_return;
    r->best_steps = r->now.total_timesteps;
    for (size_t k = 0; k < N_SETS; k++)
        if (sets[k])
            memcpy(mr_params_value(r->best[k]), mr_params_read(sets[k]),
                   mr_params_size(sets[k]) * sizeof(mr_real));
    keep_obs_stats(r);
    return save_policy(r, "best_policy.safetensors", r->best_steps);
}

static mr_status evaluate(mr_recorder *r, const mr_collector *collector) {
    mr_status status;
    const mr_evaluation *e = r->evaluation;
    MR_TRY(play_evaluation(r, collector));
    r->now.eval_mean_reward = e->mean_return;
    r->now.eval_std_reward = e->std_return;
    r->now.eval_mean_ep_length = e->mean_length;
    const bool is_best = e->mean_return > r->best_mean_reward;
    if (is_best)
        MR_TRY(keep_best(r));
    MR_TRY(save_latest(r));
    MR_TRY(save_density_of_step(r));
    MR_TRY(mr_run_log_evaluation(r->run, (size_t)r->now.total_timesteps, e->n, e->returns,
                                 e->lengths));
    mr_recorder_update_time(r);
    if (r->watcher && r->watcher->evaluated)
        r->watcher->evaluated(r->watcher->self, &r->now, is_best);
done:
    return status;
}

mr_status mr_recorder_evaluate(mr_recorder *r, const mr_collector *collector) {
    mr_agent_swap_average(r->updater->agent);
    const mr_status status = evaluate(r, collector);
    mr_agent_swap_average(r->updater->agent);
    return status;
}

// ---- Checkpoints

static const char *const best_prefix[N_SETS] = {"best.", "best_critic."};

enum { MAX_NUMBERS = 18 + MR_MAX_METRICS + MR_MAX_AGENT_METRICS };

static mr_number named(const char *kind, const char *name, double *value) {
    mr_number number = {.value = value, .n = 1, .is_optional = true};
    snprintf(number.name, sizeof number.name, "%s.%s", kind, name);
    return number;
}

static size_t list_numbers(mr_recorder *r, mr_number out[MAX_NUMBERS]) {
    const mr_number own[] = {
        {"loop.best_mean_reward", &r->best_mean_reward, 1, false, false},
        {"loop.best_steps", &r->best_steps, 1, false, true},
        {"loop.n_recent", &r->n_recent, 1, false, true},
        {"loop.recent_return", r->recent_return, MR_RECENT_EPISODES, false, false},
        {"loop.recent_length", r->recent_length, MR_RECENT_EPISODES, false, false},
        {"loop.n_summed", &r->n_summed, 1, false, true},
        {"loop.n_bytes.progress", &r->n_bytes.progress, 1, false, true},
        {"loop.n_bytes.evaluations", &r->n_bytes.evaluations, 1, false, true},
        {"loop.n_bytes.events", &r->n_bytes.events, 1, false, true},
    };
    size_t n = 0;
    mr_metric_list metrics;
    mr_metric_list_of(agent_ops(r), &metrics);
    for (size_t i = 0; i < metrics.n; i++) {
        out[n] = named("metrics", metrics.at[i].name, mr_metric_value(&metrics.at[i], &r->now));
        out[n].is_count = out[n].value == &r->now.total_timesteps;
        n++;
    }
    for (size_t i = 0; i < agent_ops(r)->n_metrics; i++)
        out[n++] = named("sum", agent_ops(r)->metrics[i].name, &r->sum[i]);
    for (size_t i = 0; i < MR_COUNT(own); i++)
        out[n++] = own[i];
    if (r->best_obs_mean) {
        const size_t dim = mr_policy_get_spec(policy(r))->obs_dim;
        out[n++] = (mr_number){"loop.best_obs_mean", r->best_obs_mean, dim, true, false};
        out[n++] = (mr_number){"loop.best_obs_std", r->best_obs_std, dim, true, false};
    }
    return n;
}

mr_status mr_recorder_write(mr_recorder *r, mr_tensors_writer *writer) {
    mr_status status;
    mr_number numbers[MAX_NUMBERS];
    const size_t n = list_numbers(r, numbers);
    MR_TRY(mr_numbers_write(n, numbers, writer));
    for (size_t k = 0; k < N_SETS; k++)
        if (r->best[k])
            MR_TRY(mr_params_write(r->best[k], mr_params_read(r->best[k]), best_prefix[k], writer));
done:
    return status;
}

mr_status mr_recorder_read(mr_recorder *r, const mr_tensors *file) {
    mr_status status;
    mr_number numbers[MAX_NUMBERS];
    const size_t n = list_numbers(r, numbers);
    keep_obs_stats(r); // of now, for files of before that have none of the best policy
    MR_TRY(mr_numbers_read(n, numbers, file));
    for (size_t k = 0; k < N_SETS; k++)
        if (r->best[k])
            MR_TRY(mr_params_load(r->best[k], file, best_prefix[k], mr_params_value(r->best[k])));
done:
    return status;
}
