// Saved policies: what RUN stands for.

#include "scripts/saved_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// A run stands for the policy that it ended with. The caller frees the path.
static mr_status policy_path(const char *given, char **out) {
    struct stat info;
    const bool is_run = stat(given, &info) == 0 && S_ISDIR(info.st_mode);
    if (asprintf(out, "%s%s", given, is_run ? "/policy.safetensors" : "") < 0) {
        *out = NULL;
        return mr_fail_memory("a file name");
    }
    if (is_run && stat(*out, &info) != 0)
        return mr_fail(MR_ERR_IO, "%s holds no policy.safetensors; is it the directory of a run?",
                       given);
    return MR_OK;
}

mr_status mr_saved_policy_load(const char *run_or_file, mr_policy **out) {
    mr_status status;
    char *path = NULL;
    MR_TRY(policy_path(run_or_file, &path));
    MR_TRY(mr_policy_load(path, out));
done:
    free(path);
    return status;
}

// Where a run's config.yaml says that its environments are elsewhere, they are taken from there.
static mr_status read_run(const char *run_or_file, mr_settings *run, bool *is_remote) {
    char *path = NULL;
    mr_status status = MR_OK;
    *is_remote = false;
    mr_settings_init(run);
    if (asprintf(&path, "%s/config.yaml", run_or_file) < 0)
        return mr_fail_memory("a file name");
    if (access(path, F_OK) == 0)
        status = mr_settings_read(run, path);
    *is_remote = status == MR_OK && mr_env_is_remote(run->env);
    free(path);
    return status;
}

static const char *either(const char *given, const char *otherwise) {
    return given != NULL && given[0] != '\0' ? given : otherwise;
}

mr_status mr_saved_place_choose(const char *run_or_file, const mr_policy_spec *spec,
                                const char *env, const mr_env_link *link, mr_saved_place *out) {
    mr_settings run;
    bool is_remote;
    const mr_status status = read_run(run_or_file, &run, &is_remote);
    if (status != MR_OK)
        return status;
    snprintf(out->env, sizeof out->env, "%s", either(env, is_remote ? run.env : spec->env));
    snprintf(out->server_key, sizeof out->server_key, "%s",
             either(link->curve_server_key, run.curve_server_key));
    snprintf(out->secret_key, sizeof out->secret_key, "%s",
             either(link->curve_secret_key, run.curve_secret_key));
    out->link = *link;
    out->link.curve_server_key = out->server_key;
    out->link.curve_secret_key = out->secret_key;
    return MR_OK;
}

void mr_saved_task_choose(const mr_policy_spec *spec, const char *env_set, const char *task,
                          mr_saved_task *out) {
    const bool both = spec->env_set[0] != '\0' && env_set[0] != '\0';
    snprintf(out->set, sizeof out->set, "%s%s%s", spec->env_set, both ? "," : "", env_set);
    out->opened = (mr_env_options){
        .set = out->set,
        .task = task[0] != '\0' ? task : spec->task,
    };
}
