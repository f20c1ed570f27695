// The training loop: act, step, remember, update; now and then evaluate, log and save.

#include "agents/train.h"

#include "agents/trainer.h"

#include <stdio.h>
#include <string.h>

enum { LOG_EVERY = 1000 }; // environment steps between rows of progress.csv

static void tell_warning(mr_trainer *t, const char *warning) {
    if (warning == NULL || t->has_told_warning)
        return;
    t->has_told_warning = true;
    if (t->watcher && t->watcher->warned)
        t->watcher->warned(t->watcher->self, warning);
}

// ---- Evaluating

static void tell_cut(mr_trainer *t, size_t max_steps) {
    char text[256];
    if (t->evaluation->n_cut == 0 || t->settings->eval_max_steps > 0 || t->has_told_cut)
        return;
    t->has_told_cut = true;
    snprintf(text, sizeof text,
             "%zu of %zu evaluation episodes had not ended after %zu steps and were cut off there; "
             "--eval-max-steps sets how many are played",
             t->evaluation->n_cut, t->evaluation->n, max_steps);
    mr_trainer_tell(t, text);
}

static mr_status evaluate(mr_trainer *t) {
    mr_status status;
    const mr_evaluation *e = t->evaluation;
    const uint64_t step = (uint64_t)t->loop.now.total_timesteps;
    mr_random seeds = mr_random_stream(t->settings->seed, MR_STREAM_EVAL, step);
    const mr_eval_options options = {.seed = mr_random_u32(&seeds),
                                     .deterministic = true,
                                     .max_steps =
                                         mr_eval_max_steps(mr_vec_env_get_spec(t->eval_envs),
                                                           t->settings->eval_max_steps,
                                                           (size_t)t->loop.longest_episode),
                                     .stop = t->stop};
    MR_TRY(mr_evaluate(t->policy, t->eval_envs, &options, t->evaluation));
    tell_cut(t, options.max_steps);
    tell_warning(t, mr_vec_env_warning(t->eval_envs));
    t->loop.now.eval_mean_reward = e->mean_return;
    t->loop.now.eval_std_reward = e->std_return;
    t->loop.now.eval_mean_ep_length = e->mean_length;
    const bool best = e->mean_return > t->loop.best_mean_reward;
    if (best) {
        const mr_params *params = mr_policy_params(t->policy);
        t->loop.best_mean_reward = e->mean_return;
        t->loop.best_steps = t->loop.now.total_timesteps;
        memcpy(mr_params_value(t->best), mr_params_read(params),
               mr_params_size(params) * sizeof(mr_real));
        MR_TRY(mr_trainer_save_policy(t, "best_policy.safetensors", t->loop.best_steps));
    }
    MR_TRY(mr_trainer_save_latest(t));
    MR_TRY(mr_trainer_save_density_of_step(t));
    MR_TRY(mr_run_log_evaluation(t->run, step, e->n, e->returns, e->lengths));
    mr_trainer_note_time(t);
    if (t->watcher && t->watcher->evaluated)
        t->watcher->evaluated(t->watcher->self, &t->loop.now, best);
done:
    return status;
}

// ---- Stepping

static mr_status choose_actions(mr_trainer *t, size_t step) {
    const mr_settings *s = t->settings;
    const size_t n = t->n_envs * t->act_dim;
    mr_status status = MR_OK;
    if (step < s->learning_starts) {
        mr_random random = mr_random_stream(s->seed, MR_STREAM_EXPLORE, step);
        mr_random_fill_uniform(&random, n, -1, 1, t->act);
    } else {
        status = mr_agent_act(t->agent, t->n_envs, t->obs, step, t->act);
    }
    mr_policy_scale(t->policy, t->n_envs, t->act, t->action);
    return status;
}

static mr_status remember(mr_trainer *t, size_t i) {
    mr_rollout *r = &t->rollout[i];
    const mr_step *step = &t->step[i];
    const double *next_obs = t->next_obs + i * t->obs_dim;
    if (step->lost) {
        if (r->episode_length > 0)
            mr_trainer_note_episode(t, r);
        return mr_trainer_begin_next(t, i);
    }
    const mr_transition transition = {.act = t->act + i * t->act_dim,
                                      .reward = step->reward,
                                      .next_obs = next_obs,
                                      .terminated = step->terminated};
    mr_replay_push(t->replay, i, &transition);
    memcpy(t->obs + i * t->obs_dim, next_obs, t->obs_dim * sizeof *next_obs);
    mr_trainer_keep_action(t, i);
    r->episode_return += step->reward;
    r->episode_length++;
    t->loop.now.n_diverged += step->diverged;
    t->loop.now.n_warnings += step->warning != NULL;
    tell_warning(t, step->warning);
    if (!step->terminated && !step->truncated)
        return MR_OK;
    if (r->episode_length > t->loop.longest_episode)
        t->loop.longest_episode = r->episode_length;
    mr_trainer_note_episode(t, r);
    return mr_trainer_begin_next(t, i);
}

static void visit(mr_trainer *t) {
    for (size_t i = 0; i < t->n_envs; i++)
        t->active[i] = !t->step[i].lost;
    mr_bonus_visit(t->bonus, t->active, t->next_obs);
}

static mr_status step_envs(mr_trainer *t, size_t step) {
    mr_status status;
    MR_TRY(mr_trainer_reserve_actions(t));
    MR_TRY(choose_actions(t, step));
    MR_TRY(mr_vec_env_step(t->envs, NULL, t->action, t->next_obs, t->step));
    t->is_between_steps = false;
    t->loop.now.total_timesteps += (double)t->n_envs;
    if (t->bonus)
        visit(t);
    for (size_t i = 0; i < t->n_envs; i++)
        MR_TRY(remember(t, i));
done:
    return status;
}

// What the task says of itself.
static void tell_task_notes(mr_trainer *t) {
    const mr_env_spec *spec = mr_vec_env_get_spec(t->envs);
    for (size_t i = 0; i < spec->n_notes; i++)
        mr_trainer_tell(t, spec->notes[i]);
}

static void tell_note(mr_trainer *t) {
    const char *note = t->bonus ? mr_bonus_note(t->bonus) : NULL;
    if (!note || t->has_told_note)
        return;
    t->has_told_note = true;
    mr_trainer_tell(t, note);
}

mr_status mr_trainer_update(mr_trainer *t) {
    mr_status status;
    const mr_batch *batch;
    MR_TRY(mr_batch_draw(t->batches, t->replay, mr_agent_n_updates(t->agent), &batch));
    MR_TRY(mr_agent_update(t->agent, batch));
    if (t->bonus)
        mr_bonus_train(t->bonus);
    mr_trainer_note_update(t);
done:
    return status;
}

// As many updates for each step of an environment, however many environments are stepped at a time.
// There is nothing to learn from where all environments were lost in the first step.
static mr_status update(mr_trainer *t, size_t step) {
    const mr_settings *s = t->settings;
    if (step + t->n_envs <= s->learning_starts || mr_replay_size(t->replay) == 0)
        return MR_OK;
    const size_t n = t->n_envs * s->updates_per_step;
    for (double *k = &t->loop.n_step_updates; *k < (double)n; ++*k) {
        t->is_between_steps = mr_trainer_is_stopped(t);
        if (t->is_between_steps)
            return MR_STOPPED;
        const mr_status status = mr_trainer_update(t);
        if (status != MR_OK)
            return status;
    }
    t->loop.n_step_updates = 0;
    tell_note(t);
    return MR_OK;
}

// Whether a multiple of `every` lies in (step, step + n_envs].
static bool is_due(const mr_trainer *t, size_t step, size_t every) {
    return every > 0 && (step + t->n_envs) / every > step / every;
}

static bool is_last(const mr_trainer *t, size_t step) {
    return step + t->n_envs >= t->settings->steps;
}

// What comes after a step's checkpoint. What only the end of the run brings must not be in the
// checkpoint: the run may go on further.
static mr_status conclude(mr_trainer *t, size_t step) {
    mr_status status = MR_OK;
    t->loop.step_part = MR_STEP_CONCLUDED;
    if (is_last(t, step) && !is_due(t, step, t->settings->eval_every))
        MR_TRY(evaluate(t));
    if (is_due(t, step, LOG_EVERY) || is_last(t, step))
        MR_TRY(mr_trainer_log_row(t));
    if (t->watcher && t->watcher->stepped) {
        mr_trainer_note_time(t);
        t->watcher->stepped(t->watcher->self, &t->loop.now);
    }
done:
    return status;
}

// What comes after the environments' step. Environments elsewhere may fail to be reached at any
// time: all that has happened so far is kept then.
static mr_status complete(mr_trainer *t, size_t step) {
    mr_status status = MR_OK;
    size_t n_lost = 0;
    const mr_settings *s = t->settings;
    const bool is_shared = t->eval_envs == t->envs, is_evaluated = is_due(t, step, s->eval_every);
    if (t->loop.step_part == MR_STEP_TAKEN)
        MR_TRY(update(t, step));
    t->loop.step_part = MR_STEP_UPDATED;
    t->is_between_steps = true;
    if (is_evaluated)
        MR_TRY(evaluate(t));
    t->loop.step_part = MR_STEP_SAVED;
    if (is_evaluated && is_shared && !is_last(t, step))
        MR_TRY(mr_trainer_resume_episodes(t, &n_lost)); // the evaluation was played in their place
    t->is_between_steps = false;
    if (is_due(t, step, s->checkpoint_every) || is_last(t, step))
        MR_TRY(mr_trainer_save_checkpoint(t));
    MR_TRY(conclude(t, step));
    t->is_between_steps = true;
done:
    return status;
}

static mr_status advance(mr_trainer *t, size_t step) {
    mr_status status;
    MR_TRY(step_envs(t, step));
    t->loop.step_part = MR_STEP_TAKEN;
    t->is_between_steps = t->reset_failure != MR_OK;
    if (t->reset_failure != MR_OK)
        return mr_fail(t->reset_failure, "%s", t->reset_message);
    MR_TRY(complete(t, step));
done:
    return status;
}

static mr_status begin(mr_trainer *t) {
    mr_status status;
    const mr_settings used = mr_trainer_used_settings(t);
    MR_TRY(mr_run_create(used.out, &used, &t->place, &t->run));
    for (size_t i = 0; i < t->n_envs; i++) {
        if (mr_trainer_is_stopped(t)) // a reset may take long
            return MR_STOPPED;
        MR_TRY(mr_trainer_begin_episode(t, i));
    }
    t->loop.step_part = MR_STEP_CONCLUDED;
    t->is_between_steps = true;
    MR_TRY(mr_trainer_save_checkpoint(t)); // whatever comes, there is one to go on from
    if (t->watcher && t->watcher->begun)
        t->watcher->begun(t->watcher->self);
done:
    return status;
}

// MR_STOPPED: not to the end.
static mr_status step_on(mr_trainer *t) {
    mr_status status = MR_OK;
    size_t step = (size_t)t->loop.now.total_timesteps;
    for (; step < t->settings->steps && !mr_trainer_is_stopped(t); step += t->n_envs)
        MR_TRY(advance(t, step));
    if (step < t->settings->steps)
        status = MR_STOPPED;
done:
    return status;
}

// What comes after a run's last checkpoint (conclude) is not in one, however far it came.
static mr_status save_stopped(mr_trainer *t) {
    mr_status status;
    MR_TRY(mr_trainer_save_latest(t));
    if (t->is_between_steps)
        MR_TRY(mr_trainer_save_checkpoint(t));
    if (t->logged_steps != t->loop.now.total_timesteps)
        MR_TRY(mr_trainer_log_row(t));
done:
    return status;
}

static mr_status go_on(mr_trainer *t) {
    mr_status status = step_on(t);
    const bool is_waiting = status == MR_ERR_IO && t->is_between_steps; // for a server
    if (status == MR_STOPPED || (is_waiting && mr_trainer_is_stopped(t)))
        status = save_stopped(t);
    return status == MR_OK ? MR_OK : mr_trainer_save_after(t, status);
}

// ---- Resuming

// Files that have changed, and were accepted, are this run's from here on.
static mr_status take_up_changes(mr_trainer *t) {
    mr_status status;
    if (t->place.is_changed)
        t->place.changed_at = t->loop.now.total_timesteps;
    MR_TRY(mr_trainer_part_from_best(t));
    if (t->place.is_changed)
        MR_TRY(mr_run_files_keep(t->settings->out, t->settings, &t->place, t->place.changed_at));
done:
    return status;
}

static void tell_engine(mr_trainer *t) {
    char note[512];
    const mr_env_spec *env = mr_vec_env_get_spec(t->envs);
    const mr_engine *before = &t->engine;
    if (mr_env_is_other_engine(env, before->name, before->version)) {
        snprintf(note, sizeof note,
                 "the run was on %s %s and goes on on %s %s: simulations differ a little, so that "
                 "it is not the run that it would have been",
                 before->name, before->version, env->engine, env->engine_version);
        mr_trainer_tell(t, note);
    }
    mr_trainer_note_engine(t);
}

static mr_status resume(mr_trainer *t) {
    mr_status status;
    size_t n_lost = 0;
    const mr_settings used = mr_trainer_used_settings(t);
    MR_TRY(mr_run_open(used.out, &used, &t->run));
    MR_TRY(mr_trainer_load_checkpoint(t, &used));
    MR_TRY(mr_run_cut(t->run, &t->loop.n_bytes));
    MR_TRY(mr_settings_write(&used, mr_run_path(t->run, "config.yaml")));
    MR_TRY(take_up_changes(t));
    MR_TRY(mr_trainer_restore_best(t));
    t->time_before = t->loop.now.time_elapsed;
    t->cpu_before = t->loop.now.cpu_seconds;
    MR_TRY(mr_trainer_resume_episodes(t, &n_lost));
    if (t->watcher && t->watcher->resumed)
        t->watcher->resumed(t->watcher->self, &t->loop.now, n_lost);
    tell_engine(t);
    const size_t last_step = (size_t)t->loop.now.total_timesteps - t->n_envs;
    if (t->loop.step_part == MR_STEP_TAKEN || t->loop.step_part == MR_STEP_UPDATED)
        MR_TRY(complete(t, last_step));
    if (t->loop.step_part == MR_STEP_SAVED)
        MR_TRY(conclude(t, last_step));
    t->is_between_steps = true;
done:
    return status;
}

// ---- Both

static mr_status train(const mr_settings *settings, const mr_train_watcher *watcher,
                       const volatile sig_atomic_t *stop, mr_status (*start)(mr_trainer *),
                       mr_train_result *result) {
    mr_status status;
    mr_trainer t = {
        .settings = settings, .watcher = watcher, .stop = stop, .is_resumed = start == resume};
    MR_TRY(mr_trainer_build(&t));
    status = start(&t);
    if (status == MR_OK) {
        tell_task_notes(&t);
        status = go_on(&t);
    } else if (status == MR_STOPPED) // where it began, and so is its checkpoint, if it has one
        status = MR_OK;
    MR_TRY(status);
    mr_trainer_note_time(&t);
    *result = (mr_train_result){.stopped = mr_trainer_is_stopped(&t),
                                .last = t.loop.now,
                                .best_mean_reward = t.loop.best_mean_reward,
                                .n_diverged = mr_vec_env_n_diverged(t.envs) +
                                              mr_vec_env_n_diverged(t.eval_envs)};
done:
    mr_trainer_close(&t);
    return status;
}

mr_status mr_train(const mr_settings *settings, const mr_train_watcher *watcher,
                   const volatile sig_atomic_t *stop, mr_train_result *result) {
    return train(settings, watcher, stop, begin, result);
}

mr_status mr_train_resume(const mr_settings *settings, const mr_train_watcher *watcher,
                          const volatile sig_atomic_t *stop, mr_train_result *result) {
    return train(settings, watcher, stop, resume, result);
}
