// A training run: built from its settings, saved to a checkpoint and loaded from one.

#include "agents/trainer.h"

#include <stdio.h>

#include "agents/fine_tuning.h"

// ---- Building

static mr_status find_files(mr_trainer *t, const mr_train_watcher *watcher, bool is_resumed) {
    const mr_settings *s = &t->settings;
    mr_run_place_of(s->env, s->env_set, s->task, s->curve_server_key, s->curve_secret_key,
                    &t->place);
    snprintf(t->place.demonstrations, sizeof t->place.demonstrations, "%s", s->demonstrations);
    if (!is_resumed)
        return MR_OK;
    const mr_status status =
        mr_run_files_find(s->out, mr_changed_files_of(s->changed_files), &t->place);
    if (status == MR_OK && t->place.note[0] != '\0' && watcher && watcher->noted)
        watcher->noted(watcher->self, t->place.note);
    return status;
}

mr_status mr_trainer_build(mr_trainer *t, const mr_settings *settings, const mr_train_envs *envs,
                           const mr_train_watcher *watcher, const volatile sig_atomic_t *stop,
                           bool is_resumed) {
    mr_status status;
    mr_settings *used = &t->settings;
    *t = (mr_trainer){.settings = *settings, .stop = stop};
    MR_TRY(mr_settings_check(used));
    MR_TRY(find_files(t, watcher, is_resumed));
    MR_TRY(mr_collector_open(&t->collector, used, envs, &t->place, watcher, stop));
    used->num_envs = t->collector.n_envs; // servers say only now how many there are
    if (mr_env_is_remote(used->env) && !is_resumed)
        MR_TRY(mr_settings_complete_for(used, mr_collector_env(&t->collector)->name));
    MR_TRY(mr_settings_check(used));
    MR_TRY(mr_updater_open(&t->updater, used, mr_collector_env(&t->collector), used->num_envs,
                           t->place.demonstrations));
    if (!is_resumed)
        MR_TRY(mr_fine_tuning_take_state(&t->updater, mr_collector_env(&t->collector)));
    used->threads = (size_t)mr_agent_n_threads(t->updater.agent);
    MR_TRY(mr_recorder_open(&t->recorder, used, watcher, &t->updater, &t->collector.infos));
done:
    return status;
}

void mr_trainer_close(mr_trainer *t) {
    mr_recorder_close(&t->recorder);
    mr_updater_close(&t->updater);
    mr_collector_close(&t->collector);
}

bool mr_trainer_is_stopped(const mr_trainer *t) {
    return t->stop && *t->stop;
}

// ---- Checkpoints

static mr_number step_part(mr_trainer *t) {
    return (mr_number){.name = "loop.step_part", .value = &t->step_part, .n = 1};
}

static mr_status write_sections(mr_trainer *t, const char *path) {
    mr_status status;
    mr_tensors_writer *writer = NULL;
    const mr_env_spec *env = mr_collector_env(&t->collector);
    const mr_number part = step_part(t);
    MR_TRY(mr_tensors_writer_new(&writer));
    MR_TRY(mr_checkpoint_write_head(&t->settings, env->engine, env->engine_version, t->history,
                                    writer));
    MR_TRY(mr_updater_write(&t->updater, writer));
    MR_TRY(mr_recorder_write(&t->recorder, writer));
    MR_TRY(mr_collector_write(&t->collector, writer));
    MR_TRY(mr_numbers_write(1, &part, writer));
    MR_TRY(mr_tensors_writer_write(writer, path));
done:
    mr_tensors_writer_free(writer);
    return status;
}

mr_status mr_trainer_save_checkpoint(mr_trainer *t) {
    mr_status status;
    mr_recorder *r = &t->recorder;
    mr_recorder_update_time(r);
    MR_TRY(mr_run_sync(r->run, &r->n_bytes));
    MR_TRY(write_sections(t, mr_run_path(r->run, "checkpoint.safetensors")));
    t->checkpoint_step = r->now.total_timesteps;
done:
    return status;
}

mr_status mr_trainer_load_checkpoint(mr_trainer *t, const char *path, mr_checkpoint_head *head) {
    mr_status status;
    mr_tensors *file = NULL;
    const mr_number part = step_part(t);
    MR_TRY(mr_tensors_open(path, &file));
    MR_TRY(mr_checkpoint_read_head(file, &t->settings, head));
    MR_TRY(mr_updater_read(&t->updater, file));
    MR_TRY(mr_recorder_read(&t->recorder, file));
    MR_TRY(mr_collector_read(&t->collector, file));
    MR_TRY(mr_numbers_read(1, &part, file));
    t->checkpoint_step = t->recorder.now.total_timesteps;
done:
    mr_tensors_close(file);
    return status;
}
