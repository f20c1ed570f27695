// The built-in environments. One line each: a new one is its own file and a line here.

#include "envs/env_ops.h"

#include "base/nearest.h"
#include "base/number.h"

#include <string.h>

extern const mr_env_builtin mr_env_ant;
extern const mr_env_builtin mr_env_half_cheetah;
extern const mr_env_builtin mr_env_hopper;
extern const mr_env_builtin mr_env_humanoid;
extern const mr_env_builtin mr_env_humanoid_standup;
extern const mr_env_builtin mr_env_inverted_double_pendulum;
extern const mr_env_builtin mr_env_inverted_pendulum;
extern const mr_env_builtin mr_env_multi_goal;
extern const mr_env_builtin mr_env_point_maze;
extern const mr_env_builtin mr_env_pusher;
extern const mr_env_builtin mr_env_reacher;
extern const mr_env_builtin mr_env_sparse_ant;
extern const mr_env_builtin mr_env_sparse_half_cheetah;
extern const mr_env_builtin mr_env_sparse_hopper;
extern const mr_env_builtin mr_env_swimmer;
extern const mr_env_builtin mr_env_walker2d;
extern const mr_env_builtin mr_env_mountain_car;
extern const mr_env_builtin mr_env_pendulum;
extern const mr_env_builtin mr_env_two_doors;

static const mr_env_builtin *const builtins[] = {
    &mr_env_ant,
    &mr_env_half_cheetah,
    &mr_env_hopper,
    &mr_env_humanoid,
    &mr_env_humanoid_standup,
    &mr_env_inverted_double_pendulum,
    &mr_env_inverted_pendulum,
    &mr_env_pusher,
    &mr_env_reacher,
    &mr_env_swimmer,
    &mr_env_walker2d,
    &mr_env_multi_goal,
    &mr_env_point_maze,
    &mr_env_sparse_ant,
    &mr_env_sparse_half_cheetah,
    &mr_env_sparse_hopper,
    &mr_env_mountain_car,
    &mr_env_pendulum,
    &mr_env_two_doors,
};

extern const mr_env_scheme mr_env_mjcf;
extern const mr_env_scheme mr_env_zmq;

static const mr_env_scheme *const schemes[] = {&mr_env_mjcf, &mr_env_zmq};

enum { LIST_SIZE = 768 };

static const char *name_at(const void *table, size_t i) {
    const mr_env_builtin *const *rows = table;
    return rows[i]->name;
}

// The built-in ones, then the schemes.
static const char *any_name_at(const void *table, size_t i) {
    return i < MR_COUNT(builtins) ? name_at(table, i) : schemes[i - MR_COUNT(builtins)]->form;
}

const char *mr_env_task_name(const char *name) {
    static const char of_python[] = "gymnasium/";
    const size_t length = sizeof of_python - 1;
    return strncmp(name, of_python, length) == 0 ? name + length : name;
}

static mr_status fail_unknown(const char *name) {
    if (mr_env_task_name(name) != name)
        return mr_fail(MR_ERR_USAGE,
                       "%s is an environment of a Python program: train on it by millrace.resume, "
                       "or serve it by `python -m millrace.bridge` and name it zmq:ENDPOINT",
                       name);
    const char *nearest = mr_nearest(name, MR_COUNT(builtins), name_at, builtins);
    if (nearest != NULL)
        return mr_fail(MR_ERR_USAGE, "unknown environment \"%s\"; did you mean \"%s\"?", name,
                       nearest);
    char list[LIST_SIZE];
    mr_list_names(MR_COUNT(builtins) + MR_COUNT(schemes), any_name_at, builtins, sizeof list, list);
    return mr_fail(MR_ERR_USAGE, "unknown environment \"%s\"; there are %s", name, list);
}

static mr_status find(const char *name, const mr_env_builtin **out) {
    for (size_t i = 0; i < MR_COUNT(builtins); i++)
        if (strcmp(builtins[i]->name, name) == 0) {
            *out = builtins[i];
            return MR_OK;
        }
    return fail_unknown(name);
}

size_t mr_env_count(void) {
    return MR_COUNT(builtins);
}

mr_env_entry mr_env_at(size_t i) {
    if (i >= MR_COUNT(builtins))
        return (mr_env_entry){0};
    return (mr_env_entry){.name = builtins[i]->name, .summary = builtins[i]->summary};
}

size_t mr_env_scheme_count(void) {
    return MR_COUNT(schemes);
}

mr_env_entry mr_env_scheme_at(size_t i) {
    if (i >= MR_COUNT(schemes))
        return (mr_env_entry){0};
    return (mr_env_entry){.name = schemes[i]->form, .summary = schemes[i]->summary};
}

const mr_env_scheme *mr_env_scheme_find(const char *name, const char **address) {
    for (size_t i = 0; i < MR_COUNT(schemes); i++) {
        const size_t length = strlen(schemes[i]->scheme);
        if (strncmp(name, schemes[i]->scheme, length) == 0 && name[length] == ':') {
            if (address != NULL)
                *address = name + length + 1;
            return schemes[i];
        }
    }
    return NULL;
}

bool mr_env_is_remote(const char *name) {
    const mr_env_scheme *scheme = mr_env_scheme_find(name, NULL);
    return scheme != NULL && scheme->open_all != NULL;
}

// Opening

static mr_env_options without_null(const mr_env_options *options) {
    return (mr_env_options){
        .set = options != NULL && options->set != NULL ? options->set : "",
        .task = options != NULL && options->task != NULL ? options->task : "",
        .link = options != NULL ? options->link : NULL,
    };
}

static mr_status check_no_task(const char *name, const mr_env_options *options) {
    if (options->task[0] == '\0')
        return MR_OK;
    return mr_fail(MR_ERR_USAGE,
                   "%s has its own task, so that %s can't be used; a file describes the task of "
                   "your own model, as in mjcf:model.xml",
                   name, options->task);
}

mr_status mr_env_open(const char *name, const mr_env_options *options, mr_env **out) {
    mr_status status;
    const mr_env_builtin *builtin = NULL;
    const char *address = NULL;
    MR_REQUIRE(name);
    MR_REQUIRE(out);
    const mr_env_options given = without_null(options);
    const mr_env_scheme *scheme = mr_env_scheme_find(name, &address);

    if (scheme != NULL)
        return scheme->open(name, address, &given, out);
    MR_TRY(find(name, &builtin));
    MR_TRY(check_no_task(name, &given));
    MR_TRY(builtin->open(builtin, &given, out));
done:
    return status;
}

static mr_status describe(const char *name, const mr_env_options *options, char *text,
                          size_t size) {
    mr_status status;
    const mr_env_builtin *builtin = NULL;
    const char *address = NULL;
    const mr_env_options given = without_null(options);
    const mr_env_scheme *scheme = mr_env_scheme_find(name, &address);

    if (scheme != NULL)
        return scheme->describe(name, address, &given, text, size);
    MR_TRY(find(name, &builtin));
    MR_TRY(check_no_task(name, &given));
    MR_TRY(builtin->describe(builtin, &given, text, size));
done:
    return status;
}

mr_status mr_env_describe(const char *name, const mr_env_options *options, char *text,
                          size_t size) {
    MR_REQUIRE(name);
    MR_REQUIRE(text);
    const locale_t before = uselocale(mr_number_locale());
    const mr_status status = describe(name, options, text, size);
    uselocale(before);
    return status;
}
