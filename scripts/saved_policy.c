// Saved policies: what RUN stands for.

#include "scripts/saved_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

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

void mr_saved_task_choose(const mr_policy_spec *spec, const char *env_set, const char *task,
                          mr_saved_task *out) {
    const bool both = spec->env_set[0] != '\0' && env_set[0] != '\0';
    snprintf(out->set, sizeof out->set, "%s%s%s", spec->env_set, both ? "," : "", env_set);
    out->opened = (mr_env_options){
        .set = out->set,
        .task = task[0] != '\0' ? task : spec->task,
    };
}
