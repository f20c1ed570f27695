// Updating: agent, replay buffer, batches and intrinsic reward, built from the settings of a run.

#include "agents/updater.h"

#include <math.h>
#include <string.h>

#include "agents/numbers.h"

// ---- Building

static double decay_rate(const mr_settings *s) {
    const double last_fraction = 0.001; // of the intrinsic reward, at the last step
    return s->bonus_decay_rate.automatic ? 1 - pow(last_fraction, 1 / (double)s->steps)
                                         : s->bonus_decay_rate.value;
}

static bool has_bonus(const mr_settings *s) {
    return strcmp(s->bonus, "none") != 0;
}

static bool has_intrinsic_critic(const mr_settings *s) {
    return has_bonus(s) && strcmp(s->bonus_critic, "separate") == 0;
}

static mr_status make_bonus(mr_updater *u, const mr_env_spec *env, size_t n_envs) {
    const mr_settings *s = u->settings;
    const mr_bonus_options options = {.kind = s->bonus,
                                      .flow = s->bonus_flow,
                                      .scale = s->bonus_scale,
                                      .decay = s->bonus_decay,
                                      .decay_rate = decay_rate(s),
                                      .features = s->bonus_features,
                                      .normalize = s->bonus_normalize,
                                      .n_steps = s->steps,
                                      .batch_size = s->batch_size,
                                      .n_envs = n_envs,
                                      .seed = s->seed,
                                      .n_threads = mr_agent_n_threads(u->agent)};
    return has_bonus(s) ? mr_bonus_new(&options, env, &u->bonus) : MR_OK;
}

static size_t n_demonstration_rows(const mr_settings *s) {
    const bool has_some = s->demonstrations[0] != '\0';
    return has_some ? (size_t)lround(s->demonstration_ratio * (double)s->batch_size) : 0;
}

static mr_status make_batches(mr_updater *u, const mr_env_spec *env, size_t n_envs) {
    const mr_settings *s = u->settings;
    const mr_batch_options options = {.batch_size = s->batch_size,
                                      .n_envs = n_envs,
                                      .n_step = s->n_step,
                                      .gamma = s->gamma,
                                      .reward_scale = s->reward_scale,
                                      .normalize_reward = s->normalize_reward,
                                      .max_return = s->max_return,
                                      .bonus = u->bonus,
                                      .obs_norm = u->obs_norm,
                                      .priority_alpha = s->priority_alpha,
                                      .priority_beta = s->priority_beta,
                                      .n_demonstrations = n_demonstration_rows(s),
                                      .is_separate = has_intrinsic_critic(s),
                                      .seed = s->seed};
    return mr_batch_maker_new(&options, env->obs_dim, env->act_dim, &u->batches);
}

static mr_status make_agent(mr_updater *u, const mr_env_spec *env, size_t n_envs) {
    const mr_settings *s = u->settings;
    const mr_policy_spec spec = {.env = mr_env_is_remote(s->env) ? env->name : s->env,
                                 .env_set = s->env_set,
                                 .task = s->task,
                                 .engine = env->engine,
                                 .engine_version = env->engine_version,
                                 .obs_dim = env->obs_dim,
                                 .act_dim = env->act_dim,
                                 .act_low = env->act_low,
                                 .act_high = env->act_high,
                                 .hidden = s->hidden,
                                 .norm = s->actor_norm,
                                 .norm_last = mr_settings_norm_last(s),
                                 .log_std_low = s->log_std_min,
                                 .log_std_high = s->log_std_max,
                                 .deterministic = s->deterministic_action,
                                 .obs_mean = u->obs_norm ? mr_obs_norm_mean(u->obs_norm) : NULL,
                                 .obs_std = u->obs_norm ? mr_obs_norm_std(u->obs_norm) : NULL};
    const mr_agent_setup setup = {.batch_size = s->batch_size,
                                  .n_envs = n_envs,
                                  .critic = mr_settings_critic(s),
                                  .ensemble = mr_settings_ensemble(s),
                                  .critic_targets = mr_settings_critic_targets(s),
                                  .has_weights = s->priority_alpha > 0,
                                  .has_intrinsic = has_intrinsic_critic(s),
                                  .exploration = {s->noise_repeat, s->noise_repeat_exponent},
                                  .lr_schedule = mr_settings_lr_schedule(s),
                                  .intrinsic_hidden = s->bonus_critic_hidden,
                                  .weight_norm = s->weight_norm,
                                  .weight_decay = s->weight_decay,
                                  .adam_beta1 = s->adam_beta1,
                                  .reset_every = s->reset_every,
                                  .policy_ema = s->policy_ema,
                                  .seed = s->seed,
                                  .n_threads = (int)s->threads};
    const mr_status status = mr_agent_new(mr_agent_find(s->agent), &spec, &setup,
                                          mr_settings_agent_options(s), &u->agent);
    return status == MR_OK ? mr_policy_prepare(mr_agent_policy(u->agent), n_envs) : status;
}

void mr_updater_renew_policy_stats(mr_updater *u) {
    mr_policy_set_obs_stats(mr_agent_policy(u->agent), mr_obs_norm_mean(u->obs_norm),
                            mr_obs_norm_std(u->obs_norm));
}

mr_status mr_updater_open(mr_updater *u, const mr_settings *settings, const mr_env_spec *env,
                          size_t n_envs, const char *demonstrations) {
    mr_status status;
    *u = (mr_updater){.settings = settings};
    if (settings->normalize_observation)
        MR_TRY(mr_obs_norm_new(env->obs_dim, &u->obs_norm));
    MR_TRY(make_agent(u, env, n_envs));
    MR_TRY(make_bonus(u, env, n_envs));
    MR_TRY(make_batches(u, env, n_envs));
    if (demonstrations[0] != '\0')
        MR_TRY(mr_demonstrations_read(demonstrations, env, u->batches, u->obs_norm,
                                      &u->demonstrations));
    if (u->obs_norm)
        mr_updater_renew_policy_stats(u);
    MR_TRY(mr_replay_new(settings->buffer_size, n_envs, env->obs_dim, env->act_dim, &u->replay));
    if (settings->priority_alpha > 0)
        MR_TRY(mr_replay_prioritise(u->replay));
done:
    return status;
}

void mr_updater_close(mr_updater *u) {
    mr_agent_free(u->agent);
    mr_batch_maker_free(u->batches);
    mr_bonus_free(u->bonus);
    mr_obs_norm_free(u->obs_norm);
    mr_demonstrations_free(&u->demonstrations);
    mr_replay_free(u->replay);
}

// ---- Learning

static void observe_obs(mr_updater *u, const mr_collected *collected) {
    const size_t obs_dim = mr_policy_get_spec(mr_agent_policy(u->agent))->obs_dim;
    for (size_t i = 0; i < collected->n_envs; i++)
        if (collected->has_stepped[i])
            mr_obs_norm_add(u->obs_norm, collected->next_obs + i * obs_dim);
    mr_updater_renew_policy_stats(u);
}

void mr_updater_observe(mr_updater *u, const mr_collected *collected) {
    mr_batch_observe(u->batches, collected->step, collected->is_first);
    if (u->bonus)
        mr_bonus_visit(u->bonus, collected->has_stepped, collected->next_obs);
    if (u->obs_norm)
        observe_obs(u, collected);
}

mr_status mr_updater_update(mr_updater *u) {
    mr_status status;
    const mr_batch *batch;
    MR_TRY(mr_batch_draw(u->batches, u->replay, u->demonstrations.replay,
                         mr_agent_n_updates(u->agent), &batch));
    MR_TRY(mr_agent_update(u->agent, batch));
    mr_batch_reprioritise(u->batches, u->replay, mr_agent_critic_losses(u->agent));
    if (u->bonus)
        mr_bonus_train(u->bonus);
done:
    return status;
}

// ---- Checkpoints

static mr_number step_updates(mr_updater *u) {
    return (mr_number){.name = "loop.n_step_updates",
                       .value = &u->n_step_updates,
                       .n = 1,
                       .is_optional = true,
                       .is_count = true};
}

mr_status mr_updater_write(mr_updater *u, mr_tensors_writer *writer) {
    mr_status status;
    const mr_number n_step_updates = step_updates(u);
    MR_TRY(mr_numbers_write(1, &n_step_updates, writer));
    MR_TRY(mr_agent_write(u->agent, writer));
    MR_TRY(mr_replay_write(u->replay, writer));
    MR_TRY(mr_demonstrations_note(&u->demonstrations, writer));
    MR_TRY(mr_batch_write(u->batches, writer));
    if (u->bonus)
        MR_TRY(mr_bonus_write(u->bonus, writer));
    if (u->obs_norm)
        MR_TRY(mr_obs_norm_write(u->obs_norm, writer));
done:
    return status;
}

mr_status mr_updater_read(mr_updater *u, const mr_tensors *file) {
    mr_status status;
    const mr_number n_step_updates = step_updates(u);
    MR_TRY(mr_demonstrations_check(&u->demonstrations, u->settings->demonstrations, file));
    MR_TRY(mr_numbers_read(1, &n_step_updates, file));
    MR_TRY(mr_agent_read(u->agent, file));
    MR_TRY(mr_replay_read(u->replay, file));
    MR_TRY(mr_batch_read(u->batches, file));
    if (u->bonus)
        MR_TRY(mr_bonus_read(u->bonus, file));
    if (u->obs_norm) {
        MR_TRY(mr_obs_norm_read(u->obs_norm, file));
        mr_updater_renew_policy_stats(u);
    }
done:
    return status;
}
