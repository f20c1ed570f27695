// Finds and reads runs.

#include "cli/runs/run_data.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/path.h"

static const char config_name[] = "config.yaml";

enum { MAX_DEPTH = 4 };

// ---- Reading

static mr_status read_config(const char *dir, mr_settings *settings) {
    char *path = mr_path_join(dir, config_name);
    if (path == NULL)
        return mr_fail_memory("a file name");
    mr_settings_init(settings);
    const mr_status status = mr_settings_read(settings, path);
    free(path);
    return status;
}

mr_status mr_run_data_read(const char *dir, mr_run_data *out) {
    mr_status status;
    *out = (mr_run_data){.dir = strdup(dir)};
    if (out->dir == NULL)
        return mr_fail_memory("a file name");
    MR_TRY(read_config(dir, &out->settings));
    MR_TRY(mr_run_process_read(dir, &out->process)); // before the tables: it may end meanwhile
    MR_TRY(mr_run_table_read(dir, "progress.csv", &out->progress));
    MR_TRY(mr_run_table_read(dir, "evaluations.csv", &out->evaluations));
    // Earlier versions left no word of how a run ended.
    if (out->process.state == MR_RUN_INTERRUPTED &&
        mr_run_data_steps(out) >= (double)out->settings.steps)
        out->process.state = MR_RUN_FINISHED;
done:
    return status;
}

void mr_run_data_free(mr_run_data *run) {
    free(run->dir);
    mr_run_table_free(&run->progress);
    mr_run_table_free(&run->evaluations);
    run->dir = NULL;
}

double mr_run_data_steps(const mr_run_data *run) {
    const double steps = mr_run_table_last(&run->progress, "time/total_timesteps");
    return isnan(steps) ? 0 : steps;
}

// ---- Finding

static bool is_run(const char *dir) {
    char *path = mr_path_join(dir, config_name);
    const bool is_one = path != NULL && mr_file_is_there(path);
    free(path);
    return is_one;
}

static mr_run_id id_of(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 ? (mr_run_id){info.st_dev, info.st_ino} : (mr_run_id){0};
}

// The index of a directory in the list; list->n: it is not there.
static size_t index_of(const mr_run_list *list, mr_run_id id) {
    size_t i = 0;
    while (i < list->n &&
           (id.inode == 0 || list->id[i].inode != id.inode || list->id[i].device != id.device))
        i++;
    return i;
}

static mr_status append(mr_run_list *list, const char *path, mr_run_id id) {
    char **paths = realloc(list->path, (list->n + 1) * sizeof *paths);
    if (paths != NULL)
        list->path = paths;
    mr_run_id *ids = realloc(list->id, (list->n + 1) * sizeof *ids);
    if (ids != NULL)
        list->id = ids;
    char *copy = strdup(path);
    if (paths == NULL || ids == NULL || copy == NULL) {
        free(copy);
        return mr_fail_memory("a list of runs");
    }
    paths[list->n] = copy;
    ids[list->n++] = id;
    return MR_OK;
}

// A run that several folders lead to is one run.
static mr_status add(mr_run_list *list, const char *path, mr_run_id id) {
    return index_of(list, id) < list->n ? MR_OK : append(list, path, id);
}

static int is_visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

// Adds the runs in a folder. One that can't be listed has none to show.
static mr_status search(mr_run_list *list, const char *folder, int depth) {
    mr_status status = MR_OK;
    struct dirent **entries = NULL;
    const int n = depth > 0 ? scandir(folder, &entries, is_visible, alphasort) : 0;
    for (int i = 0; i < n; i++) {
        char *path = status == MR_OK ? mr_path_join(folder, entries[i]->d_name) : NULL;
        if (status == MR_OK && path == NULL)
            status = mr_fail_memory("a file name");
        else if (status == MR_OK && mr_directory_is_there(path))
            status = is_run(path) ? add(list, path, id_of(path)) : search(list, path, depth - 1);
        free(path);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static mr_status check_distinct(size_t n, char *const *paths) {
    mr_status status = MR_OK;
    mr_run_list named = {0};
    for (size_t i = 0; i < n; i++) {
        const mr_run_id id = id_of(paths[i]);
        const size_t j = index_of(&named, id);
        if (j < named.n)
            MR_TRY(mr_fail(MR_ERR_USAGE, "%s and %s are the same run; leave out one of them",
                           paths[j], paths[i]));
        MR_TRY(append(&named, paths[i], id));
    }
done:
    mr_run_list_free(&named);
    return status;
}

static mr_status fail_none(const char *path) {
    if (!mr_directory_is_there(path))
        return mr_fail(MR_ERR_INPUT, "cannot read %s/%s: %s; give the directory of a run", path,
                       config_name, strerror(errno != 0 ? errno : ENOTDIR));
    return mr_fail(MR_ERR_INPUT,
                   "%s is not the directory of a run, because there is no %s/%s, nor is there a "
                   "run in it",
                   path, path, config_name);
}

static mr_status find_at(const char *path, mr_run_list *out) {
    mr_status status;
    mr_run_list found = {0};
    errno = 0;
    MR_TRY(is_run(path) ? add(&found, path, id_of(path)) : search(&found, path, MAX_DEPTH));
    if (found.n == 0)
        status = fail_none(path);
    for (size_t i = 0; i < found.n && status == MR_OK; i++)
        status = add(out, found.path[i], found.id[i]);
done:
    mr_run_list_free(&found);
    return status;
}

mr_status mr_run_list_find(size_t n, char *const *paths, mr_run_list *out) {
    *out = (mr_run_list){0};
    mr_status status = check_distinct(n, paths);
    for (size_t i = 0; i < n && status == MR_OK; i++)
        status = find_at(paths[i], out);
    return status;
}

void mr_run_list_free(mr_run_list *list) {
    for (size_t i = 0; i < list->n; i++)
        free(list->path[i]);
    free(list->path);
    free(list->id);
    *list = (mr_run_list){0};
}

// ---- Reading all

mr_status mr_run_list_read(const mr_run_list *list, mr_run_data **out) {
    mr_status status = MR_OK;
    *out = calloc(list->n, sizeof **out);
    if (*out == NULL)
        return mr_fail_memory("the runs");
    for (size_t i = 0; i < list->n; i++)
        MR_TRY(mr_run_data_read(list->path[i], &(*out)[i]));
done:
    return status;
}

void mr_run_list_free_data(const mr_run_list *list, mr_run_data *runs) {
    for (size_t i = 0; i < list->n && runs != NULL; i++)
        mr_run_data_free(&runs[i]);
    free(runs);
}
