// Bringing a run back to its latest checkpoint.

#include "agents/trainer.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char best_name[] = "best_policy.safetensors";

// ---- The checkpoint

// Checkpoints of version 0.1 do not name the simulator; the policy file beside them does.
static void find_engine(mr_trainer *t, mr_engine *engine) {
    mr_policy *policy;
    if (engine->name[0] != '\0' ||
        mr_policy_load(mr_run_path(t->recorder.run, "policy.safetensors"), &policy) != MR_OK)
        return;
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    snprintf(engine->name, sizeof engine->name, "%s", spec->engine);
    snprintf(engine->version, sizeof engine->version, "%s", spec->engine_version);
    mr_policy_free(policy);
}

// A setting that has changed changes the results from here on: it is told and kept.
static void note_changes(mr_trainer *t, const mr_checkpoint_head *head) {
    char line[MR_MAX_CHANGED + 128];
    snprintf(t->history, sizeof t->history, "%s", head->history);
    if (head->changed[0] == '\0')
        return;
    snprintf(line, sizeof line, "from step %.0f on: %s", t->checkpoint_step, head->changed);
    mr_checkpoint_add_to_history(t->history, line);
    snprintf(line, sizeof line,
             "from step %.0f on: %s; results differ from those of an uninterrupted run",
             t->checkpoint_step, head->changed);
    mr_recorder_tell(&t->recorder, line);
}

static mr_status load_checkpoint(mr_trainer *t, mr_engine *engine) {
    const mr_settings *s = &t->settings;
    const char *path = mr_run_path(t->recorder.run, "checkpoint.safetensors");
    if (access(path, F_OK) != 0)
        return mr_fail(MR_ERR_USAGE,
                       "%s has no checkpoint.safetensors to resume from; begin the run anew with "
                       "--config %s/config.yaml --out DIR",
                       s->out, s->out);
    mr_checkpoint_head head;
    const mr_status status = mr_trainer_load_checkpoint(t, path, &head);
    if (status != MR_OK)
        return status;
    *engine = head.engine;
    find_engine(t, engine);
    if (t->checkpoint_step > (double)s->steps)
        return mr_fail(MR_ERR_USAGE, "%s is at step %.0f already; give more --steps than %zu",
                       s->out, t->checkpoint_step, s->steps);
    note_changes(t, &head);
    return MR_OK;
}

// ---- The best policy

// A best policy that was saved after the checkpoint is not this run's any more.
static mr_status restore_best(mr_trainer *t) {
    if (isfinite(t->recorder.best_mean_reward))
        return mr_recorder_save_best(&t->recorder, best_name);
    unlink(mr_run_path(t->recorder.run, best_name));
    return MR_OK;
}

// Keeps the policy that was best until the files changed as `name`: that of
// best_policy.safetensors, which may be of an evaluation after the checkpoint; or the checkpoint's,
// if a run that had begun with the new files was killed.
static mr_status keep_former_best(mr_trainer *t, const char *name) {
    mr_status status = MR_OK;
    mr_run *run = t->recorder.run;
    char *file = strdup(mr_run_path(run, best_name));
    if (!file)
        return mr_fail_memory("a file name");
    if (access(mr_run_path(run, name), F_OK) == 0)
        goto done;
    if (t->place.is_changed && access(file, F_OK) == 0) {
        if (rename(file, mr_run_path(run, name)) != 0)
            status = mr_fail(MR_ERR_IO, "cannot rename %s: %s", file, strerror(errno));
    } else if (isfinite(t->recorder.best_mean_reward)) {
        status = mr_recorder_save_best(&t->recorder, name);
    }
done:
    free(file);
    return status;
}

// If model or task have changed since the best evaluation, returns can't be compared: its policy is
// kept under another name, and the best begins anew.
static mr_status part_from_best(mr_trainer *t) {
    char name[64], note[256];
    mr_recorder *r = &t->recorder;
    const double changed_at = t->place.changed_at;
    if (changed_at == 0 || r->best_steps > changed_at)
        return MR_OK;
    snprintf(name, sizeof name, "best_policy-until-%.0f.safetensors", changed_at);
    const mr_status status = keep_former_best(t, name);
    if (status != MR_OK)
        return status;
    r->best_steps = 0;
    r->best_mean_reward = -INFINITY;
    snprintf(note, sizeof note,
             "returns from step %.0f on can't be compared with those before; the best policy until "
             "then is kept as %s",
             changed_at, name);
    if (t->place.is_changed && access(mr_run_path(r->run, name), F_OK) == 0)
        mr_recorder_tell(r, note);
    return MR_OK;
}

// ---- All

// Files that have changed, and were accepted, are this run's from now on.
static mr_status accept_changes(mr_trainer *t) {
    mr_status status;
    if (t->place.is_changed)
        t->place.changed_at = t->recorder.now.total_timesteps;
    MR_TRY(part_from_best(t));
    if (t->place.is_changed)
        MR_TRY(mr_run_files_keep(t->settings.out, &t->settings, &t->place, t->place.changed_at));
done:
    return status;
}

mr_status mr_trainer_restore(mr_trainer *t, mr_engine *engine) {
    mr_status status;
    mr_recorder *r = &t->recorder;
    MR_TRY(mr_run_open(t->settings.out, &t->settings, &r->run));
    MR_TRY(load_checkpoint(t, engine));
    MR_TRY(mr_run_cut(r->run, &r->n_bytes));
    MR_TRY(mr_settings_write(&t->settings, t->history, mr_run_path(r->run, "config.yaml")));
    MR_TRY(accept_changes(t));
    MR_TRY(restore_best(t));
    r->time_before = r->now.time_elapsed;
    r->cpu_before = r->now.cpu_seconds;
done:
    return status;
}
