// The training loop: collect, update; now and then evaluate, save and log.

#include "agents/train.h"

#include "agents/trainer.h"

#include <math.h>
#include <stdio.h>

enum { LOG_EVERY = 1000 }; // environment steps between rows of progress.csv

// ---- A step

// Whether a multiple of `every` lies in (step, step + n_envs].
static bool is_due(const mr_trainer *t, size_t step, size_t every) {
    const size_t n = t->settings.num_envs;
    return every > 0 && (step + n) / every > step / every;
}

static bool is_last(const mr_trainer *t, size_t step) {
    return step + t->settings.num_envs >= t->settings.steps;
}

// A step of all environments, and what it brings to those that learn and record.
static mr_status collect(mr_trainer *t, size_t step) {
    mr_status status;
    mr_collector *c = &t->collector;
    MR_TRY(mr_collector_step(c, t->updater.agent, step));
    t->can_be_saved = false;
    status = mr_collector_store(c, t->updater.replay);
    mr_updater_observe(&t->updater, &c->latest);
    mr_recorder_add_step(&t->recorder, &c->latest);
    MR_TRY(status);
    t->step_part = MR_STEP_TAKEN;
    t->can_be_saved = c->reset_failure != MR_OK;
    if (c->reset_failure != MR_OK)
        status = mr_fail(c->reset_failure, "%s", c->reset_message);
done:
    return status;
}

// As many updates for each step of an environment, however many environments there are. The replay
// buffer is empty if all of them were lost in the first step.
static mr_status update(mr_trainer *t, size_t step) {
    const mr_settings *s = &t->settings;
    mr_updater *u = &t->updater;
    const size_t n = s->num_envs * s->updates_per_step;
    if (step + s->num_envs <= s->learning_starts || mr_replay_size(u->replay) == 0)
        return MR_OK;
    for (; u->n_step_updates < (double)n; u->n_step_updates++) {
        t->can_be_saved = mr_trainer_is_stopped(t);
        if (t->can_be_saved)
            return MR_STOPPED;
        const mr_status status = mr_updater_update(u);
        if (status != MR_OK)
            return status;
        mr_recorder_add_update(&t->recorder);
    }
    u->n_step_updates = 0;
    mr_recorder_tell_once(&t->recorder, MR_NOTE_FEATURES,
                          u->bonus ? mr_bonus_note(u->bonus) : NULL);
    return MR_OK;
}

// What comes after a step's checkpoint. An evaluation or a row that only the end of the run brings
// must not be in the checkpoint, because the run may go on further.
static mr_status conclude(mr_trainer *t, size_t step) {
    mr_status status = MR_OK;
    t->step_part = MR_STEP_CONCLUDED;
    if (is_last(t, step) && !is_due(t, step, t->settings.eval_every))
        MR_TRY(mr_recorder_evaluate(&t->recorder, &t->collector));
    if (is_due(t, step, LOG_EVERY) || is_last(t, step))
        MR_TRY(mr_recorder_add_row(&t->recorder));
    mr_recorder_tell_step(&t->recorder);
done:
    return status;
}

static mr_status replay_episodes(mr_trainer *t, size_t *n_lost) {
    mr_collector *c = &t->collector;
    const mr_status status = mr_collector_resume(c, t->updater.replay, n_lost);
    mr_recorder_add_episodes(&t->recorder, &c->latest);
    mr_recorder_tell_once(&t->recorder, MR_NOTE_TOO_LONG, c->note[0] != '\0' ? c->note : NULL);
    return status;
}

// All of a step but collecting, from where t->step_part says that it is. Remote environments may
// become unreachable at any time: all that has happened so far is kept then.
static mr_status complete(mr_trainer *t, size_t step) {
    mr_status status = MR_OK;
    size_t n_lost = 0;
    const bool is_evaluated = is_due(t, step, t->settings.eval_every);
    const bool is_shared = t->collector.eval_envs == t->collector.envs;
    if (t->step_part == MR_STEP_TAKEN)
        MR_TRY(update(t, step));
    t->step_part = MR_STEP_UPDATED;
    t->can_be_saved = true;
    if (is_evaluated)
        MR_TRY(mr_recorder_evaluate(&t->recorder, &t->collector));
    t->step_part = MR_STEP_SAVED;
    if (is_evaluated && is_shared && !is_last(t, step))
        MR_TRY(replay_episodes(t, &n_lost)); // the evaluation took their environments
    t->can_be_saved = false;
    if (is_due(t, step, t->settings.checkpoint_every) || is_last(t, step))
        MR_TRY(mr_trainer_save_checkpoint(t));
    MR_TRY(conclude(t, step));
    t->can_be_saved = true;
done:
    return status;
}

// A run that begins with the nets of another is evaluated before its first step. Its first
// checkpoint does not have that evaluation, which a run that is resumed from there plays again.
static mr_status evaluate_source(mr_trainer *t) {
    mr_status status;
    size_t n_lost = 0;
    const mr_metrics *now = &t->recorder.now;
    if (t->settings.from[0] == '\0' || now->total_timesteps > 0 || !isnan(now->eval_mean_reward))
        return MR_OK;
    MR_TRY(mr_recorder_evaluate(&t->recorder, &t->collector));
    if (t->collector.eval_envs == t->collector.envs)
        MR_TRY(replay_episodes(t, &n_lost)); // the evaluation took their environments
done:
    return status;
}

// MR_STOPPED: not to the end.
static mr_status run_loop(mr_trainer *t) {
    mr_status status;
    size_t step = (size_t)t->recorder.now.total_timesteps;
    MR_TRY(evaluate_source(t));
    for (; step < t->settings.steps && !mr_trainer_is_stopped(t); step += t->settings.num_envs) {
        MR_TRY(collect(t, step));
        MR_TRY(complete(t, step));
    }
    if (step < t->settings.steps)
        status = MR_STOPPED;
done:
    return status;
}

// ---- The end

// The row comes after the checkpoint, as in a step.
static mr_status save_stopped(mr_trainer *t) {
    mr_status status;
    MR_TRY(mr_recorder_save_latest(&t->recorder));
    if (t->can_be_saved)
        MR_TRY(mr_trainer_save_checkpoint(t));
    if (t->recorder.logged_steps != t->recorder.now.total_timesteps)
        MR_TRY(mr_recorder_add_row(&t->recorder));
done:
    return status;
}

// Saves what is good after `status` stopped training, and fails with that status and its message. A
// state in the middle of a step can't be saved: the latest checkpoint stays.
static mr_status save_failed(mr_trainer *t, mr_status status) {
    char cause[1024];
    const char *dir = t->settings.out;
    const double step = t->recorder.now.total_timesteps;
    snprintf(cause, sizeof cause, "%s", mr_error_message());
    if (mr_recorder_save_latest(&t->recorder) != MR_OK ||
        (t->can_be_saved && mr_trainer_save_checkpoint(t) != MR_OK))
        return mr_fail(status, "step %.0f: %s (and what was learned could not be saved: %s)", step,
                       cause, mr_error_message());
    if (status == MR_ERR_NUMERIC) // the same would happen again
        return mr_fail(status, "step %.0f: %s; the last good policy and checkpoint are in %s", step,
                       cause, dir);
    return mr_fail(status,
                   "step %.0f: %s; the last good policy and checkpoint are in %s: `millrace train "
                   "--resume %s` goes on from step %.0f",
                   step, cause, dir, dir, t->checkpoint_step);
}

static mr_status run_to_end(mr_trainer *t) {
    mr_status status = run_loop(t);
    const bool is_waiting = status == MR_ERR_IO && t->can_be_saved; // for a server
    if (status == MR_STOPPED || (is_waiting && mr_trainer_is_stopped(t)))
        status = save_stopped(t);
    return status == MR_OK ? MR_OK : save_failed(t, status);
}

// ---- The state for those who look at the run directory

// The directory is locked by now.
static mr_status write_begin(mr_trainer *t) {
    const mr_env_spec *env = mr_collector_env(&t->collector);
    mr_run_process *process = &t->process;
    mr_run_process_begin(process);
    snprintf(process->engine, sizeof process->engine, "%s", env->engine ? env->engine : "");
    snprintf(process->engine_version, sizeof process->engine_version, "%s",
             env->engine_version ? env->engine_version : "");
    return mr_run_process_write(t->settings.out, process);
}

// Returns `status`, how training ended, with its message; MR_OK: also if it was stopped.
static mr_status write_end(mr_trainer *t, mr_status status) {
    char message[1024] = "";
    const bool is_whole = t->recorder.now.total_timesteps >= (double)t->settings.steps;
    if (t->process.pid == 0)
        return status;
    if (status != MR_OK)
        snprintf(message, sizeof message, "%s", mr_error_message());
    mr_run_process_end(&t->process,
                       status != MR_OK ? MR_RUN_FAILED
                       : is_whole      ? MR_RUN_FINISHED
                                       : MR_RUN_INTERRUPTED,
                       message);
    const mr_status written = mr_run_process_write(t->settings.out, &t->process);
    return status == MR_OK ? written : mr_fail(status, "%s", message);
}

// ---- The beginning

static mr_status begin(mr_trainer *t) {
    mr_status status;
    mr_recorder *r = &t->recorder;
    MR_TRY(mr_run_create(t->settings.out, &t->settings, &t->place, &r->run));
    MR_TRY(write_begin(t));
    for (size_t i = 0; i < t->settings.num_envs; i++) {
        if (mr_trainer_is_stopped(t)) // a reset may take long
            return MR_STOPPED;
        MR_TRY(mr_collector_begin_episode(&t->collector, t->updater.replay, i));
    }
    t->step_part = MR_STEP_CONCLUDED;
    t->can_be_saved = true;
    MR_TRY(mr_trainer_save_checkpoint(t)); // whatever happens, there is one to go on from
    if (r->watcher && r->watcher->begun)
        r->watcher->begun(r->watcher->self);
done:
    return status;
}

static void tell_other_engine(const mr_trainer *t, const mr_engine *before) {
    char note[512];
    const mr_env_spec *env = mr_collector_env(&t->collector);
    if (!mr_env_is_other_engine(env, before->name, before->version))
        return;
    snprintf(note, sizeof note,
             "the run was on %s %s and goes on on %s %s: simulations differ a little, and so "
             "do results from those of an uninterrupted run",
             before->name, before->version, env->engine, env->engine_version);
    mr_recorder_tell(&t->recorder, note);
}

// A run may have been saved in the middle of a step, which is completed first.
static mr_status resume(mr_trainer *t) {
    mr_status status;
    mr_engine engine;
    mr_recorder *r = &t->recorder;
    size_t n_lost = 0;
    MR_TRY(mr_trainer_restore(t, &engine));
    MR_TRY(write_begin(t));
    MR_TRY(replay_episodes(t, &n_lost));
    if (r->watcher && r->watcher->resumed)
        r->watcher->resumed(r->watcher->self, &r->now, n_lost);
    tell_other_engine(t, &engine);
    const size_t last_step = (size_t)r->now.total_timesteps - t->settings.num_envs;
    if (t->step_part == MR_STEP_TAKEN || t->step_part == MR_STEP_UPDATED)
        MR_TRY(complete(t, last_step));
    if (t->step_part == MR_STEP_SAVED)
        MR_TRY(conclude(t, last_step));
    t->can_be_saved = true;
done:
    return status;
}

// The notes of the task.
static void tell_task_notes(const mr_trainer *t) {
    const mr_env_spec *env = mr_collector_env(&t->collector);
    for (size_t i = 0; i < env->n_notes; i++)
        mr_recorder_tell(&t->recorder, env->notes[i]);
}

static void tell_demonstrations(const mr_trainer *t) {
    char note[MR_MAX_PLACE + 128];
    const mr_demonstrations *d = &t->updater.demonstrations;
    if (!d->replay)
        return;
    snprintf(note, sizeof note,
             "demonstrations: %zu episodes, %zu transitions, mean return %.2f, of %s",
             d->n_episodes, d->n_transitions, d->mean_return, t->place.demonstrations);
    mr_recorder_tell(&t->recorder, note);
}

static mr_status train(const mr_settings *settings, const mr_train_envs *envs,
                       const mr_train_watcher *watcher, const volatile sig_atomic_t *stop,
                       mr_status (*start)(mr_trainer *), mr_trainer_result *result) {
    mr_status status;
    mr_trainer t;
    MR_TRY(mr_trainer_build(&t, settings, envs, watcher, stop, start == resume));
    status = start(&t);
    if (status == MR_OK) {
        tell_task_notes(&t);
        tell_demonstrations(&t);
        status = run_to_end(&t);
    } else if (status == MR_STOPPED) // nothing has changed since its checkpoint, if it has one
        status = MR_OK;
    MR_TRY(write_end(&t, status));
    mr_recorder_update_time(&t.recorder);
    *result = (mr_trainer_result){.stopped = mr_trainer_is_stopped(&t),
                                  .last = t.recorder.now,
                                  .best_mean_reward = t.recorder.best_mean_reward,
                                  .n_diverged = mr_collector_n_diverged(&t.collector)};
done:
    mr_trainer_close(&t);
    return status;
}

mr_status mr_trainer_run(const mr_settings *settings, const mr_train_envs *envs,
                         const mr_train_watcher *watcher, const volatile sig_atomic_t *stop,
                         mr_trainer_result *result) {
    return train(settings, envs, watcher, stop, begin, result);
}

mr_status mr_trainer_resume(const mr_settings *settings, const mr_train_envs *envs,
                            const mr_train_watcher *watcher, const volatile sig_atomic_t *stop,
                            mr_trainer_result *result) {
    return train(settings, envs, watcher, stop, resume, result);
}
