// The files that a model refers to, found in its XML.
//
// MuJoCo's rules for finding a file (meshdir, texturedir, assetdir, strippath, the folder of the
// model or of the including file) differ between its releases. Here a file counts if any of these
// rules would find it: too many files do no harm.

#include "envs/env_files.h"

#include "envs/mujoco/model.h"

#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/path.h"

static const char scheme[] = "mjcf:", model_option[] = "xml_file=";

void mr_paths_free(mr_paths *paths) {
    for (size_t i = 0; i < paths->n; i++)
        free(paths->path[i]);
    free(paths->path);
    *paths = (mr_paths){0};
}

// Takes over `path`, and frees it if it is in the list already.
static mr_status paths_add(mr_paths *paths, char *path) {
    for (size_t i = 0; path != NULL && i < paths->n; i++)
        if (strcmp(paths->path[i], path) == 0) {
            free(path);
            return MR_OK;
        }
    char **more = path != NULL ? realloc(paths->path, (paths->n + 1) * sizeof *paths->path) : NULL;
    if (more == NULL) {
        free(path);
        return mr_fail_memory("the files of a model");
    }
    paths->path = more;
    paths->path[paths->n++] = path;
    return MR_OK;
}

// ---- What a file names

// A model's files. Those that are XML themselves come first, and are read one after the other.
typedef struct {
    const char *folder; // of the model
    mr_paths xml;       // to be read
    mr_paths places;    // folders that files are looked for in: "", and what the XML says
    mr_paths names;     // of the files that it refers to
    mr_status status;   // of the handlers
} search;

static bool is_one_of(const char *word, const char *const *words) {
    while (*words != NULL && strcmp(word, *words) != 0)
        words++;
    return *words != NULL;
}

static void look_at(void *self, const char *element, const char **attributes) {
    static const char *const dirs[] = {"meshdir", "texturedir", "assetdir", NULL};
    static const char *const xml[] = {"include", "model", NULL};
    search *s = self;
    for (; *attributes != NULL && s->status == MR_OK; attributes += 2) {
        const char *key = attributes[0], *value = attributes[1];
        const bool is_file = strncmp(key, "file", 4) == 0; // file, fileup, filename, ...
        if (is_one_of(key, dirs))
            s->status = paths_add(&s->places, strdup(value));
        else if (is_file && is_one_of(element, xml))
            s->status = paths_add(&s->xml, strdup(value));
        else if (is_file)
            s->status = paths_add(&s->names, strdup(value));
    }
}

// What can't be parsed ends the reading: MuJoCo says what is wrong with it.
static mr_status read_xml(search *s, const char *path) {
    mr_status status;
    char *text = NULL;
    size_t n_bytes;
    XML_Parser parser = XML_ParserCreate(NULL);
    if (parser == NULL)
        return mr_fail_memory("the files of a model");
    MR_TRY(mr_file_read(path, &text, &n_bytes));
    XML_SetUserData(parser, s);
    XML_SetStartElementHandler(parser, look_at);
    const bool is_read = XML_Parse(parser, text, (int)n_bytes, 1) == XML_STATUS_OK;
    status = s->status;
    if (status == MR_OK && !is_read && XML_GetErrorCode(parser) == XML_ERROR_NO_MEMORY)
        status = mr_fail_memory("the files of a model");
done:
    XML_ParserFree(parser);
    free(text);
    return status;
}

// ---- Where it is

static bool is_file(const char *folder, const char *path) {
    char *whole = mr_path_join(folder, path);
    const bool is = whole != NULL && mr_file_is_there(whole);
    free(whole);
    return is;
}

// Adds base/place/name, if there is such a file.
static mr_status add_found(const search *s, const char *base, const char *place, const char *name,
                           mr_paths *out) {
    char *in_place = mr_path_join(place, name);
    char *path = in_place != NULL ? mr_path_join(base, in_place) : NULL;
    free(in_place);
    if (path == NULL)
        return mr_fail_memory("the files of a model");
    mr_path_normalise(path);
    if (is_file(s->folder, path))
        return paths_add(out, path);
    free(path);
    return MR_OK;
}

// `base` is the folder of a file of XML, relative to the model's.
static mr_status add_all(const search *s, const char *base, mr_paths *out) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < s->names.n; i++)
        for (size_t j = 0; j < s->places.n; j++) {
            MR_TRY(add_found(s, base, s->places.path[j], s->names.path[i], out));
            MR_TRY(add_found(s, base, s->places.path[j], mr_path_name(s->names.path[i]), out));
        }
done:
    return status;
}

// Reads the XML that the XML names, relative to the model or to the file that names it.
static mr_status read_all(search *s, const char *model, mr_paths *bases, mr_paths *out) {
    mr_status status;
    char *whole = NULL;
    MR_TRY(paths_add(&s->places, strdup("")));
    MR_TRY(paths_add(bases, strdup("")));
    MR_TRY(read_xml(s, model));
    for (size_t i = 0; i < s->xml.n; i++)
        for (size_t j = 0; j < bases->n; j++) {
            const size_t n = out->n;
            MR_TRY(add_found(s, bases->path[j], "", s->xml.path[i], out));
            if (out->n == n)
                continue;
            MR_TRY(paths_add(bases, mr_path_folder(out->path[n])));
            whole = mr_path_join(s->folder, out->path[n]);
            if (whole == NULL) {
                status = mr_fail_memory("the files of a model");
                goto done;
            }
            MR_TRY(read_xml(s, whole));
            free(whole);
            whole = NULL;
        }
done:
    free(whole);
    return status;
}

mr_status mr_env_list_parts(const char *model, mr_paths *out) {
    mr_status status;
    mr_paths bases = {0};
    char *folder = mr_path_folder(model);
    search s = {.folder = folder};
    *out = (mr_paths){0};
    if (folder == NULL)
        return mr_fail_memory("the files of a model");
    MR_TRY(read_all(&s, model, &bases, out));
    for (size_t i = 0; i < bases.n; i++)
        MR_TRY(add_all(&s, bases.path[i], out));
done:
    if (status != MR_OK)
        mr_paths_free(out);
    mr_paths_free(&bases);
    mr_paths_free(&s.xml);
    mr_paths_free(&s.places);
    mr_paths_free(&s.names);
    free(folder);
    return status;
}

// ---- Where the model is named

// The last value of xml_file in "key=value,..."; NULL: none. `*length`: of the value.
static const char *find_option(const char *set, size_t *length) {
    const char *found = NULL;
    const size_t n_key = strlen(model_option);
    for (const char *at = set; *at != '\0'; at += *at == ',') {
        const size_t n = strcspn(at, ",");
        if (strncmp(at, model_option, n_key) == 0) {
            found = at + n_key;
            *length = n - n_key;
        }
        at += n;
    }
    return found;
}

bool mr_env_model_path(const char *name, const char *set, char *path, size_t size) {
    const size_t n_scheme = strlen(scheme);
    size_t length;
    if (strncmp(name, scheme, n_scheme) == 0) {
        snprintf(path, size, "%s", name + n_scheme);
        return true;
    }
    const char *value = find_option(set, &length);
    if (value == NULL)
        return false;
    snprintf(path, size, "%.*s", (int)length, value);
    return !mr_model_is_builtin(path);
}

mr_status mr_env_move_model(const char *name, const char *set, const char *path, size_t size,
                            char *new_name, char *new_set) {
    size_t length = 0;
    const char *value = find_option(set, &length);
    const bool is_scheme = strncmp(name, scheme, strlen(scheme)) == 0;
    int n_name, n_set;
    if (is_scheme || value == NULL) {
        n_name = snprintf(new_name, size, "%s%s", is_scheme ? scheme : "", is_scheme ? path : name);
        n_set = snprintf(new_set, size, "%s", set);
    } else {
        n_name = snprintf(new_name, size, "%s", name);
        n_set = snprintf(new_set, size, "%.*s%s%s", (int)(value - set), set, path, value + length);
    }
    if ((size_t)n_name < size && (size_t)n_set < size && (is_scheme || strchr(path, ',') == NULL))
        return MR_OK;
    return mr_fail(MR_ERR_USAGE,
                   "%s can't be given as a model: its name is too long or has a comma; rename it, "
                   "or a folder that it is in",
                   path);
}
