// The built-in environments. One line each: a new one is its own file and a line here.

#include "envs/env_kind.h"

#include "nn/nearest.h"

#include <stdio.h>
#include <string.h>

extern const mr_env_builtin mr_env_half_cheetah;
extern const mr_env_builtin mr_env_hopper;
extern const mr_env_builtin mr_env_inverted_pendulum;

static const mr_env_builtin *const builtins[] = {
    &mr_env_half_cheetah,
    &mr_env_hopper,
    &mr_env_inverted_pendulum,
};

enum { LIST_SIZE = 512 };

static const char *name_at(const void *table, size_t i) {
    const mr_env_builtin *const *rows = table;
    return rows[i]->name;
}

// "A, B, C", cut where it would not fit.
static void list_names(size_t size, char list[]) {
    size_t length = 0;
    list[0] = '\0';
    for (size_t i = 0; i < MR_COUNT(builtins) && length < size; i++)
        length += (size_t)snprintf(list + length, size - length, "%s%s", i == 0 ? "" : ", ",
                                   builtins[i]->name);
}

static mr_status fail_unknown(const char *name) {
    const char *nearest = mr_nearest(name, MR_COUNT(builtins), name_at, builtins);
    if (nearest != NULL)
        return mr_fail(MR_ERR_USAGE, "unknown environment \"%s\"; did you mean \"%s\"?", name,
                       nearest);
    char list[LIST_SIZE];
    list_names(sizeof list, list);
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
    return (mr_env_entry){.name = builtins[i]->name, .summary = builtins[i]->summary};
}

mr_status mr_env_open(const char *name, mr_env **out) {
    mr_status status;
    const mr_env_builtin *builtin = NULL;

    MR_TRY(find(name, &builtin));
    MR_TRY(builtin->open(builtin, out));
done:
    return status;
}

mr_status mr_env_describe(const char *name, char *text, size_t size) {
    mr_status status;
    const mr_env_builtin *builtin = NULL;

    MR_TRY(find(name, &builtin));
    MR_TRY(builtin->describe(builtin, text, size));
done:
    return status;
}
