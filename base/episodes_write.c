// Writing data sets of episodes.

#include "base/episodes.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hdf5.h"
#include "base/json_memory.h"
#include "base/number.h"
#include "base/path.h"
#include "base/text_stream.h"

static const char minari_version[] = "0.5.0"; // the first that reads this layout
static const char main_name[] = "main_data.hdf5", metadata_name[] = "metadata.json";

struct mr_episodes_writer {
    const mr_hdf5 *h5;
    char *path;                      // as given
    char *main_path, *metadata_path; // of a directory; NULL: a single file
    bool has_made_directory;
    mr_new_file *new_file;
    mr_episodes_shape shape; // borrowed
    hid_t file;              // -1: closed
    hid_t boolean;           // h5py's boolean type
    size_t n_episodes, n_steps;
};

// After a failed write (a full disk), HDF5 1.10 crashes when the file is closed, or at the end of
// the process by what it registers with atexit. The file is left open then.
static mr_status fail_write(mr_episodes_writer *w) {
    w->file = -1;
    return mr_fail(MR_ERR_IO, "cannot write %s: %s", w->path,
                   errno != 0 ? strerror(errno) : "the HDF5 library failed");
}

// ---- Beginning

static bool is_empty_directory(const char *path) {
    DIR *directory = opendir(path);
    size_t n = 0;
    while (directory && readdir(directory))
        n++;
    if (directory)
        closedir(directory);
    return n == 2; // "." and ".."
}

static mr_status make_directory(mr_episodes_writer *w) {
    w->has_made_directory = access(w->path, F_OK) != 0;
    if (!w->has_made_directory && !is_empty_directory(w->path))
        return mr_fail(MR_ERR_USAGE,
                       "%s exists already and is not an empty directory; give another name, or one "
                       "that ends in .h5 for a single file",
                       w->path);
    return mr_make_directories(w->path);
}

static mr_status begin_file(mr_episodes_writer *w) {
    mr_status status = MR_OK;
    if (mr_path_has_suffix(w->path, ".h5") || mr_path_has_suffix(w->path, ".hdf5"))
        return mr_new_file_begin(w->path, &w->new_file);
    MR_TRY(make_directory(w));
    w->metadata_path = mr_path_join(w->path, metadata_name);
    w->main_path = mr_path_join(w->path, main_name);
    if (!w->metadata_path || !w->main_path)
        return mr_fail_memory("a file name");
    status = mr_new_file_begin(w->main_path, &w->new_file);
done:
    return status;
}

// The temporary file is locked already, by mr_new_file.
static mr_status create_file(mr_episodes_writer *w) {
    const mr_hdf5 *h5 = w->h5;
    errno = 0;
    const hid_t access = h5->H5Pcreate(*h5->H5P_CLS_FILE_ACCESS_ID_g);
    h5->H5Pset_file_locking(access, false, true);
    w->file = h5->H5Fcreate(mr_new_file_name(w->new_file), H5F_ACC_TRUNC, H5P_DEFAULT, access);
    h5->H5Pclose(access);
    return w->file >= 0 ? MR_OK : fail_write(w);
}

static mr_status make_boolean(mr_episodes_writer *w) {
    static const signed char no = 0, yes = 1;
    w->boolean = w->h5->H5Tenum_create(*w->h5->H5T_NATIVE_SCHAR_g);
    const bool is_made = w->boolean >= 0 && w->h5->H5Tenum_insert(w->boolean, "FALSE", &no) >= 0 &&
                         w->h5->H5Tenum_insert(w->boolean, "TRUE", &yes) >= 0;
    return is_made ? MR_OK : mr_fail_memory("a data set of episodes");
}

mr_status mr_episodes_writer_new(const char *path, const mr_episodes_shape *shape,
                                 mr_episodes_writer **out) {
    mr_status status;
    mr_episodes_writer *w = calloc(1, sizeof *w);
    if (!w)
        return mr_fail_memory("a data set of episodes");
    *w = (mr_episodes_writer){.path = strdup(path), .shape = *shape, .file = -1, .boolean = -1};
    MR_TRY(w->path ? MR_OK : mr_fail_memory("a file name"));
    MR_TRY(mr_hdf5_load(true, &w->h5));
    MR_TRY(begin_file(w));
    MR_TRY(create_file(w));
    MR_TRY(make_boolean(w));
    *out = w;
    w = NULL;
done:
    mr_episodes_writer_close(w);
    return status;
}

static bool close_file(mr_episodes_writer *w) {
    const hid_t file = w->file;
    w->file = -1;
    return file < 0 || w->h5->H5Fclose(file) >= 0;
}

void mr_episodes_writer_close(mr_episodes_writer *w) {
    if (!w)
        return;
    close_file(w);
    if (w->boolean >= 0)
        w->h5->H5Tclose(w->boolean);
    mr_hdf5_release(w->h5);
    mr_new_file_close(w->new_file);
    if (w->has_made_directory)
        rmdir(w->path); // succeeds only if it is empty: the data set was not kept
    free(w->path);
    free(w->main_path);
    free(w->metadata_path);
    free(w);
}

// ---- Episodes

/// An array of an episode. n_cols is 0 for a vector.
typedef struct {
    const char *name;
    hid_t file_type, memory_type;
    size_t n_rows, n_cols;
    const void *data;
} array;

// In chunks and without a maximum number of rows, as Minari writes them: it may append to them.
static hid_t create_array(const mr_hdf5 *h5, hid_t group, const array *a, hid_t space) {
    const size_t chunk_numbers = 8192, n_cols = a->n_cols > 0 ? a->n_cols : 1;
    const size_t most = chunk_numbers / n_cols > 0 ? chunk_numbers / n_cols : 1;
    const hsize_t chunk[] = {a->n_rows < most ? a->n_rows : most, a->n_cols};
    const hid_t properties = h5->H5Pcreate(*h5->H5P_CLS_DATASET_CREATE_ID_g);
    h5->H5Pset_chunk(properties, a->n_cols > 0 ? 2 : 1, chunk);
    h5->H5Pset_obj_track_times(properties, false); // the same episodes make the same file
    const hid_t result =
        h5->H5Dcreate2(group, a->name, a->file_type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    h5->H5Pclose(properties);
    return result;
}

static mr_status write_array(mr_episodes_writer *w, hid_t group, const array *a) {
    const mr_hdf5 *h5 = w->h5;
    const hsize_t now[] = {a->n_rows, a->n_cols}, most[] = {H5S_UNLIMITED, a->n_cols};
    const hid_t space = h5->H5Screate_simple(a->n_cols > 0 ? 2 : 1, now, most);
    const hid_t set = create_array(h5, group, a, space);
    const bool is_written =
        set >= 0 && h5->H5Dwrite(set, a->memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, a->data) >= 0;
    const bool is_closed = set < 0 || h5->H5Dclose(set) >= 0;
    h5->H5Sclose(space);
    return is_written && is_closed ? MR_OK : fail_write(w);
}

static mr_status write_arrays(mr_episodes_writer *w, hid_t group, const mr_episode_data *e) {
    mr_status status = MR_OK;
    const hid_t real = *w->h5->H5T_NATIVE_DOUBLE_g, single = *w->h5->H5T_NATIVE_FLOAT_g;
    const size_t n = e->n_steps;
    const array arrays[] = {
        {"observations", real, real, n + 1, w->shape.obs_dim, e->obs},
        {"actions", single, real, n, w->shape.act_dim, e->action},
        {"rewards", real, real, n, 0, e->reward},
        {"terminations", w->boolean, w->boolean, n, 0, e->is_terminated},
        {"truncations", w->boolean, w->boolean, n, 0, e->is_truncated},
    };
    for (size_t i = 0; i < MR_COUNT(arrays); i++)
        MR_TRY(write_array(w, group, &arrays[i]));
done:
    return status;
}

static void replace_slashes(char *name) {
    for (; *name != '\0'; name++)
        if (*name == '/') // would make a group
            *name = '_';
}

static mr_status write_info(mr_episodes_writer *w, hid_t group, size_t k, size_t n_rows,
                            const double *infos, double *column) {
    const hid_t real = *w->h5->H5T_NATIVE_DOUBLE_g;
    char name[256];
    snprintf(name, sizeof name, "%s", w->shape.info_names[k]);
    replace_slashes(name);
    for (size_t t = 0; t < n_rows; t++)
        column[t] = infos[t * w->shape.n_info + k];
    return write_array(w, group, &(array){name, real, real, n_rows, 0, column});
}

static mr_status write_infos(mr_episodes_writer *w, hid_t episode, size_t n_rows,
                             const double *infos) {
    mr_status status = MR_OK;
    double *column = calloc(n_rows, sizeof *column);
    const hid_t group = w->h5->H5Gcreate2(episode, "infos", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    MR_TRY(column ? MR_OK : mr_fail_memory("the infos of an episode"));
    MR_TRY(group >= 0 ? MR_OK : fail_write(w));
    for (size_t k = 0; k < w->shape.n_info; k++)
        MR_TRY(write_info(w, group, k, n_rows, infos, column));
done:
    if (group >= 0)
        w->h5->H5Gclose(group);
    free(column);
    return status;
}

// ---- Attributes

static mr_status write_attribute(mr_episodes_writer *w, hid_t object, const char *name, hid_t type,
                                 const void *value) {
    const mr_hdf5 *h5 = w->h5;
    const hid_t space = h5->H5Screate(H5S_SCALAR);
    const hid_t attribute = h5->H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    const bool is_written = attribute >= 0 && h5->H5Awrite(attribute, type, value) >= 0;
    if (attribute >= 0)
        h5->H5Aclose(attribute);
    h5->H5Sclose(space);
    return is_written ? MR_OK : fail_write(w);
}

static mr_status write_text(mr_episodes_writer *w, const char *name, const char *text) {
    const hid_t type = w->h5->H5Tcopy(*w->h5->H5T_C_S1_g);
    w->h5->H5Tset_size(type, H5T_VARIABLE);
    w->h5->H5Tset_cset(type, H5T_CSET_UTF8);
    const mr_status status = write_attribute(w, w->file, name, type, &text);
    w->h5->H5Tclose(type);
    return status;
}

static mr_status write_value(mr_episodes_writer *w, const char *name, const json_t *value) {
    const double real = json_number_value(value);
    const int64_t whole = json_integer_value(value);
    if (json_is_string(value))
        return write_text(w, name, json_string_value(value));
    if (json_is_integer(value))
        return write_attribute(w, w->file, name, *w->h5->H5T_NATIVE_INT64_g, &whole);
    return write_attribute(w, w->file, name, *w->h5->H5T_NATIVE_DOUBLE_g, &real);
}

mr_status mr_episodes_writer_add(mr_episodes_writer *w, size_t number, uint64_t seed,
                                 const mr_episode_data *episode, const double *infos) {
    mr_status status;
    char name[64];
    const int64_t id = (int64_t)number, n_steps = (int64_t)episode->n_steps;
    const hid_t whole = *w->h5->H5T_NATIVE_INT64_g;
    errno = 0;
    snprintf(name, sizeof name, "episode_%zu", number);
    const hid_t group = w->h5->H5Gcreate2(w->file, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (group < 0)
        return fail_write(w);
    MR_TRY(write_attribute(w, group, "id", whole, &id));
    MR_TRY(write_attribute(w, group, "seed", *w->h5->H5T_NATIVE_UINT64_g, &seed));
    MR_TRY(write_attribute(w, group, "total_steps", whole, &n_steps));
    MR_TRY(write_arrays(w, group, episode));
    if (w->shape.n_info > 0)
        MR_TRY(write_infos(w, group, episode->n_steps + 1, infos));
    w->n_episodes++;
    w->n_steps += episode->n_steps;
done:
    w->h5->H5Gclose(group);
    return status;
}

// ---- Metadata

static void print_bounds(FILE *text, size_t n, const double *bound, const char *otherwise) {
    char number[64];
    for (size_t i = 0; i < n; i++) {
        if (bound)
            mr_number_write(number, sizeof number, bound[i]);
        fprintf(text, "%s%s", i > 0 ? ", " : "", bound ? number : otherwise);
    }
}

// A space of Gymnasium as Minari's JSON text has it, with Python's word for infinity.
//   low, high  [n] NULL: unbounded
static json_t *describe_box(size_t n, const char *type, const double *low, const double *high) {
    mr_text_stream box;
    if (mr_text_stream_open("a space", &box) != MR_OK)
        return NULL;
    fprintf(box.file, "{\"type\": \"Box\", \"dtype\": \"%s\", \"shape\": [%zu], \"low\": [", type,
            n);
    print_bounds(box.file, n, low, "-Infinity");
    fputs("], \"high\": [", box.file);
    print_bounds(box.file, n, high, "Infinity");
    fputs("]}", box.file);
    if (mr_text_stream_close(&box, MR_OK) != MR_OK)
        return NULL;
    json_t *result = json_string(box.text);
    free(box.text);
    return result;
}

static json_t *make_metadata(const mr_episodes_writer *w, const json_t *more) {
    const mr_episodes_shape *s = &w->shape;
    json_t *object = json_pack(
        "{s:s, s:s, s:I, s:I, s:o*, s:o*}", "data_format", "hdf5", "minari_version", minari_version,
        "total_episodes", (json_int_t)w->n_episodes, "total_steps", (json_int_t)w->n_steps,
        "observation_space", describe_box(s->obs_dim, "float64", NULL, NULL), "action_space",
        describe_box(s->act_dim, "float32", s->act_low, s->act_high));
    if (object)
        json_object_update(object, (json_t *)more);
    return object;
}

static mr_status write_metadata(const mr_episodes_writer *w, const json_t *metadata) {
    char *text = json_dumps(metadata, JSON_INDENT(2));
    const mr_status status =
        text && !mr_json_is_out_of_memory()
            ? mr_file_replace(w->metadata_path, 1, &(mr_bytes){text, strlen(text)})
            : mr_fail_memory("the metadata of a data set");
    free(text);
    return status;
}

mr_status mr_episodes_writer_keep(mr_episodes_writer *w, const json_t *more) {
    mr_status status;
    const char *name;
    const json_t *value;
    errno = 0;
    mr_json_watch();
    json_t *metadata = make_metadata(w, more);
    MR_TRY(metadata && !mr_json_is_out_of_memory() ? MR_OK
                                                   : mr_fail_memory("the metadata of a data set"));
    json_object_foreach((json_t *)metadata, name, value) MR_TRY(write_value(w, name, value));
    MR_TRY(close_file(w) ? MR_OK : fail_write(w));
    MR_TRY(mr_new_file_keep(w->new_file));
    // Last: without it, main_data.hdf5 can be read all the same.
    status = w->metadata_path ? write_metadata(w, metadata) : MR_OK;
    if (status != MR_OK)
        unlink(w->main_path);
done:
    json_decref(metadata);
    return status;
}
