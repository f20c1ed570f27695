// NumPy's .npz files: a zip of .npy files, read by libzip.
// Source: https://numpy.org/doc/stable/reference/generated/numpy.savez.html

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "base/matrix_internal.h"

enum {
    MAX_NAMES = 400,      // bytes, in a message
    MAX_DEFLATION = 1032, // times: what a byte of deflated data can stand for at most
};

static mr_status fail_zip(const char *path, zip_error_t *error) {
    const mr_status status =
        zip_error_code_zip(error) == ZIP_ER_MEMORY
            ? mr_fail_memory(path)
            : mr_fail(MR_ERR_INPUT, "%s: %s; is it a .npz file saved by NumPy, and whole?", path,
                      zip_error_strerror(error));
    zip_error_fini(error);
    return status;
}

static mr_status open_archive(const char *path, const char *bytes, size_t n_bytes, zip_t **out) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(bytes, n_bytes, 0, &error);
    *out = source != NULL ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error) : NULL;
    if (*out != NULL)
        return MR_OK;
    zip_source_free(source);
    return fail_zip(path, &error);
}

static mr_status find_array(const char *path, zip_t *archive, zip_stat_t *entry) {
    char names[MAX_NAMES] = "";
    const zip_int64_t n = zip_get_num_entries(archive, 0);
    for (zip_int64_t i = 0; i < n; i++) {
        const char *name = zip_get_name(archive, (zip_uint64_t)i, 0);
        const size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "",
                 name != NULL ? name : "?");
    }
    if (n != 1)
        return mr_fail(MR_ERR_INPUT,
                       "%s: holds %" PRId64 " arrays (%s), not one; save only the table, by "
                       "numpy.save",
                       path, (int64_t)n, names);
    if (zip_stat_index(archive, 0, 0, entry) != 0)
        return fail_zip(path, zip_get_error(archive));
    return MR_OK;
}

// What a damaged file says of its size is not believed.
static mr_status check_size(const char *path, const zip_stat_t *entry, size_t n_bytes) {
    if ((entry->valid & ZIP_STAT_SIZE) != 0 && entry->size / MAX_DEFLATION <= n_bytes)
        return MR_OK;
    return mr_fail(MR_ERR_INPUT,
                   "%s: %s cannot be as large as it is said to be; is the file damaged?", path,
                   entry->name);
}

static mr_status inflate(const char *path, zip_t *archive, const zip_stat_t *entry, char **out) {
    char *bytes = malloc(entry->size + 1), end;
    zip_file_t *file = bytes != NULL ? zip_fopen_index(archive, 0, 0) : NULL;
    mr_status status = MR_OK;
    if (bytes == NULL)
        return mr_fail_memory(path);
    if (file == NULL && zip_error_code_zip(zip_get_error(archive)) == ZIP_ER_MEMORY) {
        status = mr_fail_memory(path);
        goto done;
    }
    if (file == NULL) {
        status = mr_fail(MR_ERR_INPUT, "%s: %s cannot be unpacked: %s; save it by numpy.savez",
                         path, entry->name, zip_strerror(archive));
        goto done;
    }
    // The check sum is looked at where the end is met: hence the byte beyond.
    if (zip_fread(file, bytes, entry->size) != (zip_int64_t)entry->size ||
        zip_fread(file, &end, 1) != 0) {
        status = mr_fail(MR_ERR_INPUT, "%s: %s is damaged (%s); copy or save the file again", path,
                         entry->name, zip_file_strerror(file));
        goto done;
    }
    bytes[entry->size] = '\0';
    *out = bytes;
    bytes = NULL;
done:
    if (file != NULL)
        zip_fclose(file);
    free(bytes);
    return status;
}

static mr_status npz_read(const char *path, const char *bytes, size_t n_bytes,
                          const mr_matrix_options *options, mr_matrix *out) {
    mr_status status;
    zip_t *archive = NULL;
    zip_stat_t entry;
    char *array = NULL, *label = NULL;
    MR_TRY(open_archive(path, bytes, n_bytes, &archive));
    MR_TRY(find_array(path, archive, &entry));
    MR_TRY(check_size(path, &entry, n_bytes));
    MR_TRY(inflate(path, archive, &entry, &array));
    if (asprintf(&label, "%s: %s", path, entry.name) < 0) {
        label = NULL;
        status = mr_fail_memory(path);
        goto done;
    }
    status = mr_matrix_npy.read(label, array, entry.size, options, out);
done:
    free(label);
    free(array);
    if (archive != NULL)
        zip_discard(archive);
    return status;
}

const mr_matrix_format mr_matrix_npz = {
    .suffix = ".npz",
    .read = npz_read,
};
