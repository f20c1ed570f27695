// Saved policies and their tasks, as the command line names them.

#include "cli/run/saved_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/path.h"

// A run stands for its latest policy. The caller frees the path.
static mr_status policy_path(const char *given, char **out) {
    const bool is_run = mr_directory_is_there(given);
    if (asprintf(out, "%s%s", given, is_run ? "/policy.safetensors" : "") < 0) {
        *out = NULL;
        return mr_fail_memory("a file name");
    }
    if (is_run && access(*out, F_OK) != 0)
        return mr_fail(MR_ERR_IO, "%s holds no policy.safetensors; is it the directory of a run?",
                       given);
    return MR_OK;
}

static mr_status load_policy(const char *path, const char *deterministic, mr_policy **out) {
    mr_policy *policy;
    mr_status status = mr_policy_load(path, &policy);
    if (status != MR_OK)
        return status;
    if (deterministic[0] != '\0')
        status = mr_policy_set_deterministic(policy, deterministic);
    if (status == MR_OK)
        *out = policy;
    else
        mr_policy_free(policy);
    return status;
}

mr_status mr_saved_policy_load(const char *run_or_file, const char *deterministic,
                               mr_policy **out) {
    mr_status status;
    char *path = NULL;
    MR_TRY(policy_path(run_or_file, &path));
    MR_TRY(load_policy(path, deterministic, out));
done:
    free(path);
    return status;
}

static const char *either(const char *given, const char *otherwise) {
    return given != NULL && given[0] != '\0' ? given : otherwise;
}

// The directory of the policy's run, if it has one. The caller frees it.
static char *run_of(const char *run_or_file) {
    if (mr_directory_is_there(run_or_file))
        return strdup(run_or_file);
    char *folder = mr_path_folder(run_or_file);
    if (folder == NULL || folder[0] != '\0')
        return folder;
    free(folder);
    return strdup(".");
}

// The settings of a run; the defaults if it has none.
static mr_status read_run(const char *dir, mr_settings *run) {
    char *path = NULL;
    mr_status status = MR_OK;
    mr_settings_init(run);
    if (asprintf(&path, "%s/config.yaml", dir) < 0)
        return mr_fail_memory("a file name");
    if (access(path, F_OK) == 0)
        status = mr_settings_read(run, path);
    free(path);
    return status;
}

mr_status mr_saved_files_find(const char *run_or_file, const mr_policy_spec *spec, const char *env,
                              const char *task, const char *changed, mr_run_place *out) {
    mr_status status;
    mr_settings run;
    const bool is_run = mr_directory_is_there(run_or_file);
    char *dir = run_of(run_or_file);
    if (dir == NULL)
        return mr_fail_memory("a file name");
    if (is_run)
        MR_TRY(read_run(dir, &run));
    else
        mr_settings_init(&run);
    // A run on remote environments is played on them.
    const char *own = mr_env_is_remote(run.env) ? run.env : spec->env;
    mr_run_place_of(own, spec->env_set, task[0] != '\0' ? "" : spec->task, run.curve_server_key,
                    run.curve_secret_key, out);
    if (env[0] != '\0') // another model and task
        out->env[0] = out->task[0] = '\0';
    status = mr_run_files_find(dir, mr_changed_files_of(changed), out);
    if (env[0] != '\0' && task[0] == '\0')
        snprintf(out->task, sizeof out->task, "%s", either(spec->task, ""));
    if (status == MR_OK && out->note[0] != '\0')
        fprintf(stderr, "note: %s\n", out->note);
done:
    free(dir);
    return status;
}

void mr_saved_place_choose(const mr_run_place *files, const char *env, const mr_env_link *link,
                           mr_saved_place *out) {
    snprintf(out->env, sizeof out->env, "%s", either(env, files->env));
    snprintf(out->server_key, sizeof out->server_key, "%s",
             either(link->curve_server_key, files->server_key));
    snprintf(out->secret_key, sizeof out->secret_key, "%s",
             either(link->curve_secret_key, files->secret_key));
    out->link = *link;
    out->link.curve_server_key = out->server_key;
    out->link.curve_secret_key = out->secret_key;
}

void mr_saved_task_choose(const mr_run_place *files, const char *env_set, const char *task,
                          mr_saved_task *out) {
    const bool both = files->env_set[0] != '\0' && env_set[0] != '\0';
    snprintf(out->set, sizeof out->set, "%s%s%s", files->env_set, both ? "," : "", env_set);
    out->opened = (mr_env_options){
        .set = out->set,
        .task = either(task, files->task),
    };
}
