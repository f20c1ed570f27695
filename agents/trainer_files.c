// What a training run leaves in its directory, and what it goes on from.

#include "agents/trainer.h"

#include "base/file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- Saving

mr_status mr_trainer_save_policy(mr_trainer *t, const char *name, double n_steps) {
    char steps[32];
    snprintf(steps, sizeof steps, "%.0f", n_steps);
    const mr_note notes[] = {{"steps", steps}, {"millrace", MR_VERSION}};
    return mr_policy_save(t->policy, mr_run_path(t->run, name), MR_COUNT(notes), notes);
}

static mr_status save_density(mr_trainer *t, const char *name) {
    const mr_density *density = t->bonus ? mr_bonus_get_density(t->bonus) : NULL;
    return density ? mr_density_save(density, mr_run_path(t->run, name)) : MR_OK;
}

mr_status mr_trainer_save_latest(mr_trainer *t) {
    const mr_status status = save_density(t, "density.safetensors");
    return status == MR_OK
               ? mr_trainer_save_policy(t, "policy.safetensors", t->loop.now.total_timesteps)
               : status;
}

// What the density was at this step, for pictures of how it went.
mr_status mr_trainer_save_density_of_step(mr_trainer *t) {
    char name[64];
    if (!t->bonus || !mr_bonus_get_density(t->bonus))
        return MR_OK;
    const mr_status status = mr_make_directories(mr_run_path(t->run, "density"));
    snprintf(name, sizeof name, "density/%.0f.safetensors", t->loop.now.total_timesteps);
    return status == MR_OK ? save_density(t, name) : status;
}

mr_checkpoint mr_trainer_checkpoint(mr_trainer *t, const mr_settings *used) {
    return (mr_checkpoint){.settings = used,
                           .agent = t->agent,
                           .best = t->best,
                           .replay = t->replay,
                           .bonus = t->bonus,
                           .n_envs = t->n_envs,
                           .obs_dim = t->obs_dim,
                           .act_dim = t->act_dim,
                           .engine = &t->engine,
                           .loop = &t->loop,
                           .rollouts = t->rollout,
                           .actions = t->actions,
                           .obs = t->obs};
}

mr_status mr_trainer_save_checkpoint(mr_trainer *t) {
    const mr_settings used = mr_trainer_used_settings(t);
    const mr_checkpoint checkpoint = mr_trainer_checkpoint(t, &used);
    mr_trainer_note_time(t);
    mr_status status = mr_run_sync(t->run, &t->loop.n_bytes);
    if (status == MR_OK)
        status = mr_checkpoint_save(&checkpoint, mr_run_path(t->run, "checkpoint.safetensors"));
    if (status == MR_OK)
        t->checkpoint_step = t->loop.now.total_timesteps;
    return status;
}

// Keeps what is good after `status` stopped training, and its message. In the middle of a step
// there is no state to go on from: then the last checkpoint stays, if there is one.
mr_status mr_trainer_save_after(mr_trainer *t, mr_status status) {
    char cause[1024];
    const double step = t->loop.now.total_timesteps;
    snprintf(cause, sizeof cause, "%s", mr_error_message());
    if (mr_trainer_save_latest(t) != MR_OK ||
        (t->is_between_steps && mr_trainer_save_checkpoint(t) != MR_OK))
        return mr_fail(status, "step %.0f: %s (and what was learned could not be saved: %s)", step,
                       cause, mr_error_message());
    const char *dir = t->settings->out;
    if (status == MR_ERR_NUMERIC) // the same would happen again
        return mr_fail(status, "step %.0f: %s; the last good policy and checkpoint are in %s", step,
                       cause, dir);
    return mr_fail(status,
                   "step %.0f: %s; the last good policy and checkpoint are in %s: `millrace train "
                   "--resume %s` goes on from step %.0f",
                   step, cause, dir, dir, t->checkpoint_step);
}

// ---- Resuming

// A policy that was better, of a time after the checkpoint, is not this run's any more.
mr_status mr_trainer_restore_best(mr_trainer *t) {
    if (t->loop.best_steps == 0) {
        unlink(mr_run_path(t->run, "best_policy.safetensors"));
        return MR_OK;
    }
    mr_params_swap(mr_policy_params(t->policy), t->best);
    const mr_status status =
        mr_trainer_save_policy(t, "best_policy.safetensors", t->loop.best_steps);
    mr_params_swap(mr_policy_params(t->policy), t->best);
    return status;
}

// The policy that was best until the files changed: the file's, which may be of an evaluation after
// the checkpoint, or else, where a run was killed meanwhile, the checkpoint's.
static mr_status keep_former_best(mr_trainer *t, const char *name) {
    mr_status status = MR_OK;
    char *file = strdup(mr_run_path(t->run, "best_policy.safetensors"));
    if (!file)
        return mr_fail_memory("a file name");
    if (access(mr_run_path(t->run, name), F_OK) == 0)
        goto done;
    if (t->place.is_changed && access(file, F_OK) == 0) {
        if (rename(file, mr_run_path(t->run, name)) != 0)
            status = mr_fail(MR_ERR_IO, "cannot rename %s: %s", file, strerror(errno));
    } else if (t->loop.best_steps > 0) {
        mr_params_swap(mr_policy_params(t->policy), t->best);
        status = mr_trainer_save_policy(t, name, t->loop.best_steps);
        mr_params_swap(mr_policy_params(t->policy), t->best);
    }
done:
    free(file);
    return status;
}

mr_status mr_trainer_part_from_best(mr_trainer *t) {
    char name[64], note[256];
    const double changed_at = t->place.changed_at;
    if (changed_at == 0 || t->loop.best_steps > changed_at)
        return MR_OK;
    snprintf(name, sizeof name, "best_policy-until-%.0f.safetensors", changed_at);
    const mr_status status = keep_former_best(t, name);
    if (status != MR_OK)
        return status;
    t->loop.best_steps = 0;
    t->loop.best_mean_reward = -INFINITY;
    snprintf(note, sizeof note,
             "returns from step %.0f on can't be compared with those before; the best policy until "
             "then is kept as %s",
             changed_at, name);
    if (t->place.is_changed && access(mr_run_path(t->run, name), F_OK) == 0)
        mr_trainer_tell(t, note);
    return MR_OK;
}

mr_status mr_trainer_find_files(mr_trainer *t) {
    const mr_settings *s = t->settings;
    mr_run_place_of(s->env, s->env_set, s->task, s->curve_server_key, s->curve_secret_key,
                    &t->place);
    if (!t->is_resumed)
        return MR_OK;
    const mr_status status =
        mr_run_files_find(s->out, mr_changed_files_of(s->changed_files), &t->place);
    if (status == MR_OK && t->place.note[0] != '\0')
        mr_trainer_tell(t, t->place.note);
    return status;
}

// Checkpoints of version 0.1 do not tell the engine; the policy beside them does, where there is
// one.
static void find_engine(mr_trainer *t) {
    mr_policy *policy;
    if (t->engine.name[0] != '\0' ||
        mr_policy_load(mr_run_path(t->run, "policy.safetensors"), &policy) != MR_OK)
        return;
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    snprintf(t->engine.name, sizeof t->engine.name, "%s", spec->engine);
    snprintf(t->engine.version, sizeof t->engine.version, "%s", spec->engine_version);
    mr_policy_free(policy);
}

mr_status mr_trainer_load_checkpoint(mr_trainer *t, const mr_settings *used) {
    mr_checkpoint checkpoint = mr_trainer_checkpoint(t, used);
    const char *path = mr_run_path(t->run, "checkpoint.safetensors");
    if (access(path, F_OK) != 0)
        return mr_fail(MR_ERR_USAGE,
                       "%s has no checkpoint.safetensors to resume from; begin the run anew with "
                       "--config %s/config.yaml --out DIR",
                       used->out, used->out);
    const mr_status status = mr_checkpoint_load(&checkpoint, path);
    const double steps = t->loop.now.total_timesteps;
    t->checkpoint_step = steps;
    if (status == MR_OK)
        find_engine(t);
    if (status == MR_OK && steps > (double)used->steps)
        return mr_fail(MR_ERR_USAGE, "%s is at step %.0f already; give more --steps than %zu",
                       used->out, steps, used->steps);
    return status;
}
