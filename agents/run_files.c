// The files that a run depends on: keeping copies and hashes of them, and finding them again.

#include "agents/run_files.h"

#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "envs/env_files.h"
#include "base/file.h"
#include "base/json_memory.h"
#include "base/path.h"

static const char list_name[] = "files.json", format_name[] = "millrace.files";
static const char root_name[] = "from-root"; // folder of copies of files with absolute paths

enum { HASH_SIZE = 2 * crypto_hash_sha256_BYTES + 1, MAX_NAMED = 3, NAMES_SIZE = 512 };

static const char *const words[] = {
    [MR_CHANGED_REFUSE] = "refuse", [MR_CHANGED_ACCEPT] = "accept", [MR_CHANGED_COPY] = "copy"};

mr_changed_files mr_changed_files_of(const char *word) {
    size_t i = 0;
    while (i + 1 < MR_COUNT(words) && strcmp(words[i], word) != 0)
        i++;
    return (mr_changed_files)i;
}

static void copy_text(char *out, const char *text) {
    snprintf(out, MR_MAX_PLACE, "%s", text != NULL ? text : "");
}

void mr_run_place_of(const char *env, const char *env_set, const char *task, const char *server_key,
                     const char *secret_key, mr_run_place *out) {
    *out = (mr_run_place){0};
    copy_text(out->env, env);
    copy_text(out->env_set, env_set);
    copy_text(out->task, task);
    copy_text(out->server_key, server_key);
    copy_text(out->secret_key, secret_key);
}

static mr_status fail_memory(void) {
    return mr_fail_memory("the files of a run");
}

static void hash_of(const char *bytes, size_t n_bytes, char text[HASH_SIZE]) {
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const unsigned char *)bytes, n_bytes);
    sodium_bin2hex(text, HASH_SIZE, hash, sizeof hash);
}

// ---- Keeping

// Hashes the file at `from` and copies it.
static mr_status keep_file(const char *from, const char *to, char hash[HASH_SIZE]) {
    mr_status status;
    char *bytes = NULL, *folder = NULL;
    size_t n_bytes;
    MR_TRY(mr_file_read(from, &bytes, &n_bytes));
    hash_of(bytes, n_bytes, hash);
    folder = mr_path_folder(to);
    MR_TRY(folder != NULL ? mr_make_directories(folder) : fail_memory());
    MR_TRY(mr_file_replace(to, 1, &(mr_bytes){bytes, n_bytes}));
done:
    free(folder);
    free(bytes);
    return status;
}

// The number of folders above the model's that its parts reach up to.
static size_t levels_above(const mr_paths *parts) {
    size_t max = 0;
    for (size_t i = 0; i < parts->n; i++) {
        size_t n = 0;
        while (strncmp(parts->path[i] + 3 * n, "../", 3) == 0)
            n++;
        max = n > max ? n : max;
    }
    return max;
}

// The end of an absolute path: the file's name and `n_folders` folders above it.
static const char *tail_of(const char *path, size_t n_folders) {
    const char *at = path + strlen(path);
    for (size_t n = 0; at > path + 1; at--)
        if (at[-1] == '/' && n++ == n_folders)
            break;
    return at;
}

// The path of a part's copy, relative to the run's directory; to be freed. NULL: out of memory.
static char *place_of_part(const char *folder, const char *copy, const char *path) {
    char *place = NULL;
    if (path[0] == '/')
        return asprintf(&place, "%s/%s%s", folder, root_name, path) >= 0 ? place : NULL;
    char *copy_folder = mr_path_folder(copy);
    place = copy_folder != NULL ? mr_path_join(copy_folder, path) : NULL;
    free(copy_folder);
    return place;
}

// Keeps the part `path` of the model whose copy is dir/copy; `folder` is that of all copies. MuJoCo
// reads a part with an absolute path from there for the model's copy too, so that the part's own
// copy is only of use if somebody brings it back.
static mr_status keep_part(const char *dir, const char *folder, const char *model, const char *copy,
                           const char *path, json_t *list) {
    mr_status status;
    char hash[HASH_SIZE];
    char *model_folder = mr_path_folder(model);
    char *from = model_folder != NULL ? mr_path_join(model_folder, path) : NULL;
    char *part = place_of_part(folder, copy, path);
    char *to = part != NULL ? mr_path_join(dir, part) : NULL;
    MR_TRY(from != NULL && to != NULL ? MR_OK : fail_memory());
    mr_path_normalise(to);
    MR_TRY(keep_file(from, to, hash));
    if (json_array_append_new(list, json_pack("{s:s, s:s}", "path", path, "sha256", hash)) != 0)
        status = fail_memory();
done:
    free(model_folder);
    free(from);
    free(part);
    free(to);
    return status;
}

// Keeps the file at `path` with its parts in the folder dir/folder, and lists it as `key`.
static mr_status keep_whole(const char *dir, const char *folder, const char *key, const char *given,
                            const char *path, const mr_paths *parts, json_t *object) {
    mr_status status;
    char hash[HASH_SIZE];
    char *found = mr_path_absolute(path);
    char *copy = found != NULL ? mr_path_join(folder, tail_of(found, levels_above(parts))) : NULL;
    char *to = copy != NULL ? mr_path_join(dir, copy) : NULL;
    json_t *list = json_array();
    MR_TRY(to != NULL && list != NULL ? MR_OK : fail_memory());
    MR_TRY(keep_file(path, to, hash));
    for (size_t i = 0; i < parts->n; i++)
        MR_TRY(keep_part(dir, folder, found, copy, parts->path[i], list));
    if (json_object_set_new(object, key,
                            json_pack("{s:s, s:s, s:s, s:s, s:O}", "given", given, "found", found,
                                      "copy", copy, "sha256", hash, "parts", list)) != 0)
        status = fail_memory();
done:
    json_decref(list);
    free(found);
    free(copy);
    free(to);
    return status;
}

static mr_status keep_path(const char *key, const char *given, const char *path, json_t *object) {
    char *found = mr_path_absolute(path);
    const bool is_noted =
        found != NULL &&
        json_object_set_new(object, key, json_pack("{s:s, s:s}", "given", given, "found", found)) ==
            0;
    free(found);
    return is_noted ? MR_OK : fail_memory();
}

static mr_status write_list(const char *dir, const json_t *object) {
    char *path = mr_path_join(dir, list_name);
    char *text = json_dumps(object, JSON_INDENT(2));
    const mr_status status = path != NULL && text != NULL && !mr_json_is_out_of_memory()
                                 ? mr_file_replace(path, 1, &(mr_bytes){text, strlen(text)})
                                 : fail_memory();
    free(path);
    free(text);
    return status;
}

static mr_status keep_model(const char *dir, const mr_settings *given, const mr_run_place *place,
                            const char *suffix, json_t *object) {
    mr_status status;
    mr_paths parts = {0};
    char folder[64], name[MR_MAX_PLACE], path[MR_MAX_PLACE];
    if (!mr_env_model_path(place->env, place->env_set, path, sizeof path) ||
        !mr_env_model_path(given->env, given->env_set, name, sizeof name))
        return MR_OK;
    snprintf(folder, sizeof folder, "model%s", suffix);
    MR_TRY(mr_env_list_parts(path, &parts));
    status = keep_whole(dir, folder, "model", name, path, &parts, object);
done:
    mr_paths_free(&parts);
    return status;
}

static mr_status keep_all(const char *dir, const mr_settings *given, const mr_run_place *place,
                          double step, json_t *object) {
    mr_status status;
    char suffix[32] = "", folder[64];
    const mr_paths none = {0};
    if (step > 0)
        snprintf(suffix, sizeof suffix, "-%.0f", step);
    MR_TRY(keep_model(dir, given, place, suffix, object));
    snprintf(folder, sizeof folder, "task%s", suffix);
    if (place->task[0] != '\0')
        MR_TRY(keep_whole(dir, folder, "task", given->task, place->task, &none, object));
    if (place->server_key[0] != '\0')
        MR_TRY(keep_path("curve_server_key", given->curve_server_key, place->server_key, object));
    if (place->secret_key[0] != '\0')
        MR_TRY(keep_path("curve_secret_key", given->curve_secret_key, place->secret_key, object));
    if (place->demonstrations[0] != '\0')
        MR_TRY(keep_path("demonstrations", given->demonstrations, place->demonstrations, object));
done:
    return status;
}

mr_status mr_run_files_keep(const char *dir, const mr_settings *given, const mr_run_place *place,
                            double step) {
    mr_status status;
    mr_json_watch();
    json_t *object = json_pack("{s:s, s:i, s:f}", "format", format_name, "format_version", 1,
                               "changed_at", step);
    const size_t n_facts = 3;
    if (object == NULL)
        return fail_memory();
    MR_TRY(keep_all(dir, given, place, step, object));
    if (json_object_size(object) > n_facts)
        status = write_list(dir, object);
done:
    json_decref(object);
    return status;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info, (void)kind, (void)at;
    return remove(path);
}

void mr_run_files_remove(const char *dir) {
    static const char *const names[] = {"model", "task", list_name};
    for (size_t i = 0; i < MR_COUNT(names); i++) {
        char *path = mr_path_join(dir, names[i]);
        if (path != NULL)
            nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
        free(path);
    }
}

// ---- Finding

typedef struct {
    const char *dir; // of the run
    mr_changed_files changed;
    mr_run_place *place;
    char differing[NAMES_SIZE]; // names of files that have changed
    size_t n_differing;
} finder;

// A file of the list, with its parts.
typedef struct {
    const char *given, *found, *copy, *hash;
    const json_t *parts;
} kept_file;

static mr_status fail_damaged(const finder *f) {
    return mr_fail(MR_ERR_INPUT,
                   "%s/%s is damaged; take another copy of it, or remove it and go on with the "
                   "files as they are now",
                   f->dir, list_name);
}

static const char *text_of(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

__attribute__((format(printf, 2, 3))) static void add_note(finder *f, const char *format, ...) {
    char *note = f->place->note;
    const size_t length = strlen(note), n_semicolon = length > 0 ? 2 : 0;
    if (length + n_semicolon + 1 >= sizeof f->place->note)
        return;
    memcpy(note + length, "; ", n_semicolon);
    va_list args;
    va_start(args, format);
    vsnprintf(note + length + n_semicolon, sizeof f->place->note - length - n_semicolon, format,
              args);
    va_end(args);
}

static void name_differing(finder *f, const char *path, bool is_missing) {
    const size_t length = strlen(f->differing);
    if (f->n_differing++ < MAX_NAMED)
        snprintf(f->differing + length, sizeof f->differing - length, "%s%.150s %s",
                 length > 0 ? ", " : "", path, is_missing ? "is missing" : "has changed");
}

static bool is_same(const char *path, const char *hash) {
    char *bytes, now[HASH_SIZE];
    size_t n_bytes;
    if (mr_file_read(path, &bytes, &n_bytes) != MR_OK)
        return false;
    hash_of(bytes, n_bytes, now);
    free(bytes);
    return strcmp(now, hash) == 0;
}

// Compares the file at `path` and its parts with their hashes. Files that differ are named in `f`,
// if it is not NULL.
static mr_status compare(const kept_file *file, const char *path, finder *f, bool *is_whole) {
    size_t i;
    const json_t *part;
    char *folder = mr_path_folder(path);
    if (folder == NULL)
        return fail_memory();
    *is_whole = is_same(path, file->hash);
    if (!*is_whole && f != NULL)
        name_differing(f, path, false);
    json_array_foreach(file->parts, i, part) {
        const char *name = text_of(part, "path"), *hash = text_of(part, "sha256");
        char *whole = mr_path_join(folder, name != NULL ? name : "");
        if (whole != NULL)
            mr_path_normalise(whole);
        const bool is_kept = whole != NULL && hash != NULL && is_same(whole, hash);
        *is_whole = *is_whole && is_kept;
        if (!is_kept && f != NULL && whole != NULL)
            name_differing(f, whole, !mr_file_is_there(whole));
        free(whole);
    }
    free(folder);
    return MR_OK;
}

static bool names_from_root(const kept_file *file) {
    size_t i;
    const json_t *part;
    json_array_foreach(file->parts, i, part) {
        const char *name = text_of(part, "path");
        if (name != NULL && name[0] == '/')
            return true;
    }
    return false;
}

// The run's own copy, `*out` to be freed.
static mr_status use_copy(const finder *f, const kept_file *file, char **out) {
    mr_status status;
    bool is_whole = false;
    finder of_copy = {.dir = f->dir};
    char *path = mr_path_join(f->dir, file->copy);
    MR_TRY(path != NULL ? MR_OK : fail_memory());
    MR_TRY(compare(file, path, &of_copy, &is_whole));
    if (!is_whole) {
        status = mr_fail(
            MR_ERR_INPUT,
            "%.200s, looked for here and at %.300s, is not the file that the run began "
            "with, and the run's own copy, %.300s, has changed too (%s); bring one of them "
            "back%s%s",
            file->given, file->found, path, of_copy.differing,
            names_from_root(file) ? "; copies of files with absolute paths are in the run's model/"
                                  : "",
            names_from_root(file) ? root_name : "");
        goto done;
    }
    *out = path;
    path = NULL;
done:
    free(path);
    return status;
}

// Looks for a file at the given and at the former absolute path. `*same`: the path where it is
// unchanged; `*seen`: the first path where it is, changed or not; NULL: none.
static mr_status look_for(const kept_file *file, const char **same, const char **seen) {
    const char *const places[] = {file->given, file->found};
    for (size_t i = 0; i < MR_COUNT(places) && *same == NULL; i++) {
        bool is_whole = false;
        if (!mr_file_is_there(places[i]))
            continue;
        const mr_status status = compare(file, places[i], NULL, &is_whole);
        if (status != MR_OK)
            return status;
        *seen = *seen != NULL ? *seen : places[i];
        *same = is_whole ? places[i] : NULL;
    }
    return MR_OK;
}

// The path that a file of the list is taken from; `*out` to be freed.
static mr_status find_file(finder *f, const kept_file *file, char **out) {
    mr_status status;
    const char *same = NULL, *seen = NULL;
    bool is_whole;
    MR_TRY(look_for(file, &same, &seen));
    if (same == file->found && strcmp(same, file->given) != 0 && mr_file_is_there(file->given))
        add_note(f, "%s is another file here, so the run's own is used, %s", file->given, same);
    else if (same == file->found && strcmp(same, file->given) != 0)
        add_note(f, "%s is missing here, so %s is used", file->given, same);
    if (same == NULL && seen != NULL)
        MR_TRY(compare(file, seen, f, &is_whole));
    if (same == NULL && (seen == NULL || f->changed == MR_CHANGED_COPY)) {
        MR_TRY(use_copy(f, file, out));
        if (seen == NULL)
            add_note(f, "%s is neither here nor at %s, so the run's own copy is used, %s",
                     file->given, file->found, *out);
        else
            add_note(f, "%s has changed, so the run's own copy is used, %s", file->given, *out);
        goto done;
    }
    *out = strdup(same != NULL ? same : seen);
    status = *out != NULL ? MR_OK : fail_memory();
done:
    return status;
}

static bool read_file(const json_t *object, const char *key, kept_file *out) {
    const json_t *file = json_object_get(object, key);
    *out = (kept_file){.given = text_of(file, "given"),
                       .found = text_of(file, "found"),
                       .copy = text_of(file, "copy"),
                       .hash = text_of(file, "sha256"),
                       .parts = json_object_get(file, "parts")};
    return out->given && out->found && out->copy && out->hash && json_is_array(out->parts);
}

static mr_status find_model(finder *f, const json_t *object) {
    mr_status status = MR_OK;
    kept_file file;
    char path[MR_MAX_PLACE], env[MR_MAX_PLACE], env_set[MR_MAX_PLACE], *found = NULL;
    mr_run_place *place = f->place;
    if (json_object_get(object, "model") == NULL ||
        !mr_env_model_path(place->env, place->env_set, path, sizeof path))
        return MR_OK;
    if (!read_file(object, "model", &file))
        return fail_damaged(f);
    if (strcmp(file.given, path) != 0)
        return MR_OK;
    MR_TRY(find_file(f, &file, &found));
    MR_TRY(mr_env_move_model(place->env, place->env_set, found, MR_MAX_PLACE, env, env_set));
    copy_text(place->env, env);
    copy_text(place->env_set, env_set);
done:
    free(found);
    return status;
}

static mr_status find_task(finder *f, const json_t *object) {
    kept_file file;
    char *found = NULL;
    if (json_object_get(object, "task") == NULL || f->place->task[0] == '\0')
        return MR_OK;
    if (!read_file(object, "task", &file))
        return fail_damaged(f);
    if (strcmp(file.given, f->place->task) != 0)
        return MR_OK;
    const mr_status status = find_file(f, &file, &found);
    if (status == MR_OK)
        copy_text(f->place->task, found);
    free(found);
    return status;
}

static void find_path(finder *f, const json_t *object, const char *key, char *path) {
    const json_t *file = json_object_get(object, key);
    const char *given = text_of(file, "given"), *found = text_of(file, "found");
    if (path[0] == '\0' || given == NULL || found == NULL || strcmp(given, path) != 0 ||
        access(path, F_OK) == 0 || access(found, F_OK) != 0)
        return;
    copy_text(path, found);
    add_note(f, "%s is missing here, so %s is used", given, found);
}

static mr_status fail_changed(const finder *f) {
    const size_t n_more = f->n_differing > MAX_NAMED ? f->n_differing - MAX_NAMED : 0;
    char more[32] = "";
    if (n_more > 0)
        snprintf(more, sizeof more, " and %zu more", n_more);
    return mr_fail(MR_ERR_USAGE,
                   "since the run %s began, %s%s; --changed-files accept goes on with the files as "
                   "they are now, --changed-files copy with the run's own copies",
                   f->dir, f->differing, more);
}

static mr_status find_all(finder *f, const json_t *object) {
    mr_status status;
    const char *format = text_of(object, "format");
    if (format == NULL || strcmp(format, format_name) != 0)
        return fail_damaged(f);
    MR_TRY(find_model(f, object));
    MR_TRY(find_task(f, object));
    find_path(f, object, "curve_server_key", f->place->server_key);
    find_path(f, object, "curve_secret_key", f->place->secret_key);
    find_path(f, object, "demonstrations", f->place->demonstrations);
    f->place->changed_at = json_number_value(json_object_get(object, "changed_at"));
    if (f->n_differing > 0 && f->changed == MR_CHANGED_REFUSE)
        return fail_changed(f);
    f->place->is_changed = f->n_differing > 0 && f->changed == MR_CHANGED_ACCEPT;
    if (f->place->is_changed)
        add_note(f, "%s, and is used as it is now", f->differing);
done:
    return status;
}

mr_status mr_run_files_find(const char *dir, mr_changed_files changed, mr_run_place *place) {
    mr_status status;
    char *text = NULL;
    size_t n_bytes;
    json_t *object = NULL;
    finder f = {.dir = dir, .changed = changed, .place = place};
    char *path = mr_path_join(dir, list_name);
    MR_TRY(path != NULL ? MR_OK : fail_memory());
    if (!mr_file_is_there(path))
        goto done;
    MR_TRY(mr_file_read(path, &text, &n_bytes));
    mr_json_watch();
    object = json_loadb(text, n_bytes, 0, NULL);
    MR_TRY(mr_json_is_out_of_memory() ? fail_memory() : MR_OK);
    status = object != NULL ? find_all(&f, object) : fail_damaged(&f);
done:
    json_decref(object);
    free(text);
    free(path);
    return status;
}
