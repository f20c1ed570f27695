// Reading data sets of episodes: those of millrace and those of Minari.

#include "base/episodes.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hdf5.h"
#include "base/json_memory.h"
#include "base/path.h"

enum { MAX_TASK = 1024, MAX_NAME = 128 };

struct mr_episodes_reader {
    const mr_hdf5 *h5;
    char *path; // of the HDF5 file
    hid_t file; // -1: closed
    size_t n;
    char task[MAX_TASK];
    size_t capacity; // bytes of each of these
    void *obs, *action, *reward, *terminated, *truncated;
};

mr_status mr_episodes_fail(const mr_episodes_reader *r, size_t number, const char *array,
                           const char *format, ...) {
    char fault[512];
    va_list args;
    va_start(args, format);
    vsnprintf(fault, sizeof fault, format, args);
    va_end(args);
    return mr_fail(MR_ERR_INPUT, "%s: episode_%zu/%s %s", r->path, number, array, fault);
}

// ---- Opening

// The directory of a data set of Minari's has its files itself, or in a folder `data`.
static mr_status find_file(const char *path, char **folder, char **file) {
    static const char *const inner[] = {".", "data"};
    for (size_t i = 0; i < MR_COUNT(inner); i++) {
        free(*folder);
        free(*file);
        *folder = mr_path_join(path, inner[i]);
        *file = *folder ? mr_path_join(*folder, "main_data.hdf5") : NULL;
        if (!*file)
            return mr_fail_memory("a file name");
        mr_path_normalise(*file);
        if (mr_file_is_there(*file))
            return MR_OK;
    }
    return mr_fail(MR_ERR_IO, "%s has no main_data.hdf5; give a .h5 file or a data set of Minari's",
                   path);
}

static mr_status open_file(mr_episodes_reader *r) {
    mr_status status;
    int file = -1;
    size_t n_bytes;
    MR_TRY(mr_file_open(r->path, &file, &n_bytes)); // says why it can't be read
    close(file);
    const hid_t access = r->h5->H5Pcreate(*r->h5->H5P_CLS_FILE_ACCESS_ID_g);
    r->h5->H5Pset_file_locking(access, false, true); // read-only file systems may have no locks
    r->file = r->h5->H5Fopen(r->path, H5F_ACC_RDONLY, access);
    r->h5->H5Pclose(access);
    if (r->file < 0)
        status =
            mr_fail(MR_ERR_INPUT,
                    "%s is not an HDF5 file, or it is damaged; give a data set of episodes, as "
                    "`millrace record` and Minari write them",
                    r->path);
done:
    return status;
}

static mr_status count_episodes(mr_episodes_reader *r) {
    char name[MAX_NAME];
    for (;; r->n++) {
        snprintf(name, sizeof name, "episode_%zu", r->n);
        if (r->h5->H5Lexists(r->file, name, H5P_DEFAULT) <= 0)
            break;
    }
    if (r->n == 0)
        return mr_fail(MR_ERR_INPUT,
                       "%s has no episodes (a group episode_0); give a data set of episodes, as "
                       "`millrace record` and Minari write them",
                       r->path);
    return MR_OK;
}

// ---- Which task

// A text attribute of the file; "": it has none.
static void read_text(const mr_episodes_reader *r, const char *name, char out[MAX_TASK]) {
    const mr_hdf5 *h5 = r->h5;
    char *text = NULL;
    out[0] = '\0';
    if (h5->H5Aexists(r->file, name) <= 0)
        return;
    const hid_t attribute = h5->H5Aopen(r->file, name, H5P_DEFAULT);
    const hid_t type = h5->H5Aget_type(attribute);
    if (type >= 0 && h5->H5Tis_variable_str(type) > 0 && h5->H5Aread(attribute, type, &text) >= 0 &&
        text) {
        snprintf(out, MAX_TASK, "%s", text);
        h5->H5free_memory(text);
    }
    h5->H5Tclose(type);
    h5->H5Aclose(attribute);
}

static void copy_task(const json_t *metadata, char out[MAX_TASK]) {
    const char *task = json_string_value(json_object_get(metadata, "env"));
    const char *spec = json_string_value(json_object_get(metadata, "env_spec"));
    json_t *gymnasium = spec ? json_loads(spec, 0, NULL) : NULL;
    if (!task)
        task = json_string_value(json_object_get(gymnasium, "id"));
    snprintf(out, MAX_TASK, "%s", task ? task : "");
    json_decref(gymnasium);
}

static mr_status read_metadata(mr_episodes_reader *r, const char *folder) {
    mr_status status = MR_OK;
    char *bytes = NULL;
    size_t n_bytes;
    json_t *metadata = NULL;
    char *path = mr_path_join(folder, "metadata.json");
    if (!path)
        return mr_fail_memory("a file name");
    if (!mr_file_is_there(path))
        goto done;
    MR_TRY(mr_file_read(path, &bytes, &n_bytes));
    mr_json_watch();
    metadata = json_loadb(bytes, n_bytes, 0, NULL);
    copy_task(metadata, r->task);
    if (mr_json_is_out_of_memory())
        status = mr_fail_memory("the metadata of a data set");
    else if (!metadata)
        status = mr_fail(MR_ERR_INPUT, "%s is not JSON; the data set is damaged", path);
done:
    json_decref(metadata);
    free(bytes);
    free(path);
    return status;
}

mr_status mr_episodes_reader_open(const char *path, mr_episodes_reader **out) {
    mr_status status;
    char *folder = NULL;
    mr_episodes_reader *r = calloc(1, sizeof *r);
    if (!r)
        return mr_fail_memory("a data set of episodes");
    r->file = -1;
    MR_TRY(mr_hdf5_load(false, &r->h5));
    if (mr_directory_is_there(path))
        MR_TRY(find_file(path, &folder, &r->path));
    else if (!(r->path = strdup(path)))
        MR_TRY(mr_fail_memory("a file name"));
    MR_TRY(open_file(r));
    MR_TRY(count_episodes(r));
    read_text(r, "env", r->task);
    if (folder)
        MR_TRY(read_metadata(r, folder));
    *out = r;
    r = NULL;
done:
    free(folder);
    mr_episodes_reader_close(r);
    return status;
}

void mr_episodes_reader_close(mr_episodes_reader *r) {
    if (!r)
        return;
    if (r->file >= 0)
        r->h5->H5Fclose(r->file);
    mr_hdf5_release(r->h5);
    free(r->path);
    free(r->obs);
    free(r->action);
    free(r->reward);
    free(r->terminated);
    free(r->truncated);
    free(r);
}

size_t mr_episodes_reader_n(const mr_episodes_reader *r) {
    return r->n;
}

const char *mr_episodes_reader_task(const mr_episodes_reader *r) {
    return r->task;
}

// ---- Arrays

/// What an array of a file is.
typedef struct {
    hid_t set;
    int n_dims;
    hsize_t dims[2];
} array;

// The caller closes array.set.
static mr_status open_array(const mr_episodes_reader *r, size_t number, const char *name,
                            array *out) {
    const mr_hdf5 *h5 = r->h5;
    char path[MAX_NAME];
    snprintf(path, sizeof path, "episode_%zu/%s", number, name);
    if (h5->H5Lexists(r->file, path, H5P_DEFAULT) <= 0)
        return mr_episodes_fail(r, number, name, "is missing; the data set is not complete");
    *out = (array){.set = h5->H5Dopen2(r->file, path, H5P_DEFAULT)};
    if (out->set < 0)
        return mr_episodes_fail(r, number, name,
                                "is not one array: the data set is of a task whose observations or "
                                "actions are dictionaries or tuples; make one vector of them");
    const hid_t space = h5->H5Dget_space(out->set), type = h5->H5Dget_type(out->set);
    const H5T_class_t class = h5->H5Tget_class(type);
    out->n_dims = h5->H5Sget_simple_extent_ndims(space);
    if (out->n_dims == 1 || out->n_dims == 2)
        h5->H5Sget_simple_extent_dims(space, out->dims, NULL);
    h5->H5Tclose(type);
    h5->H5Sclose(space);
    if (class == H5T_INTEGER || class == H5T_FLOAT || class == H5T_ENUM)
        return MR_OK;
    h5->H5Dclose(out->set);
    return mr_episodes_fail(r, number, name, "holds no numbers");
}

// n_cols: 0 for a vector. n_rows: NULL if any number of them is fine.
static mr_status check_array(const mr_episodes_reader *r, size_t number, const char *name,
                             const size_t *n_rows, size_t n_cols, size_t *found) {
    array a = {.set = -1};
    const mr_status status = open_array(r, number, name, &a);
    if (status != MR_OK)
        return status;
    r->h5->H5Dclose(a.set);
    if (a.n_dims != (n_cols > 0 ? 2 : 1))
        return mr_episodes_fail(r, number, name, "has %d dimensions instead of %d", a.n_dims,
                                n_cols > 0 ? 2 : 1);
    if (n_cols > 0 && a.dims[1] != n_cols)
        return mr_episodes_fail(r, number, name, "has %zu columns, and the task has %zu %s",
                                (size_t)a.dims[1], n_cols, name);
    if (n_rows && a.dims[0] != *n_rows)
        return mr_episodes_fail(r, number, name, "has %zu rows instead of %zu", (size_t)a.dims[0],
                                *n_rows);
    *found = a.dims[0];
    return MR_OK;
}

mr_status mr_episodes_reader_check(const mr_episodes_reader *r, size_t number, size_t obs_dim,
                                   size_t act_dim, size_t *n_steps) {
    mr_status status;
    size_t n = 0, unused;
    MR_TRY(check_array(r, number, "rewards", NULL, 0, &n));
    if (n == 0)
        return mr_episodes_fail(r, number, "rewards", "is empty");
    const size_t n_obs = n + 1;
    MR_TRY(check_array(r, number, "observations", &n_obs, obs_dim, &unused));
    MR_TRY(check_array(r, number, "actions", &n, act_dim, &unused));
    MR_TRY(check_array(r, number, "terminations", &n, 0, &unused));
    MR_TRY(check_array(r, number, "truncations", &n, 0, &unused));
    *n_steps = n;
done:
    return status;
}

// Makes room for an episode in each array.
static mr_status reserve(mr_episodes_reader *r, size_t n_bytes) {
    void **const arrays[] = {&r->obs, &r->action, &r->reward, &r->terminated, &r->truncated};
    if (n_bytes <= r->capacity)
        return MR_OK;
    for (size_t i = 0; i < MR_COUNT(arrays); i++) {
        void *more = realloc(*arrays[i], n_bytes);
        if (!more)
            return mr_fail_memory("an episode of demonstrations");
        *arrays[i] = more;
    }
    r->capacity = n_bytes;
    return MR_OK;
}

static mr_status read_array(const mr_episodes_reader *r, size_t number, const char *name,
                            hid_t type, void *out) {
    array a = {.set = -1};
    mr_status status = open_array(r, number, name, &a);
    if (status != MR_OK)
        return status;
    if (r->h5->H5Dread(a.set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) < 0)
        status = mr_episodes_fail(r, number, name, "can't be read; the file is damaged");
    r->h5->H5Dclose(a.set);
    return status;
}

static mr_status check_finite(const mr_episodes_reader *r, size_t number, const char *name,
                              size_t n_cols, size_t n, const double *x) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return mr_episodes_fail(r, number, name,
                                    "is not finite in row %zu, column %zu, from 0; leave that "
                                    "episode out of the data set",
                                    i / n_cols, i % n_cols);
    return MR_OK;
}

mr_status mr_episodes_reader_get(mr_episodes_reader *r, size_t number, size_t obs_dim,
                                 size_t act_dim, mr_episode_data *out) {
    mr_status status;
    size_t n;
    const hid_t real = *r->h5->H5T_NATIVE_DOUBLE_g, flag = *r->h5->H5T_NATIVE_SCHAR_g;
    MR_TRY(mr_episodes_reader_check(r, number, obs_dim, act_dim, &n));
    const size_t widest = obs_dim > act_dim ? obs_dim : act_dim;
    MR_TRY(reserve(r, (n + 1) * widest * sizeof(double)));
    MR_TRY(read_array(r, number, "observations", real, r->obs));
    MR_TRY(read_array(r, number, "actions", real, r->action));
    MR_TRY(read_array(r, number, "rewards", real, r->reward));
    MR_TRY(read_array(r, number, "terminations", flag, r->terminated));
    MR_TRY(read_array(r, number, "truncations", flag, r->truncated));
    MR_TRY(check_finite(r, number, "observations", obs_dim, (n + 1) * obs_dim, r->obs));
    MR_TRY(check_finite(r, number, "actions", act_dim, n * act_dim, r->action));
    MR_TRY(check_finite(r, number, "rewards", 1, n, r->reward));
    *out = (mr_episode_data){n, r->obs, r->action, r->reward, r->terminated, r->truncated};
done:
    return status;
}
