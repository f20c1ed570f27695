// Parsing choices of features.

#include "agents/features.h"

#include "base/nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEM_SIZE = 128 };

// Whether `name` is `item`, or `item` and a dot and more.
static bool begins_with(const char *name, const char *item) {
    const size_t length = strlen(item);
    return strncmp(name, item, length) == 0 && (name[length] == '\0' || name[length] == '.');
}

static bool take_names(const mr_env_spec *env, const char *item, bool *taken) {
    bool found = false;
    for (size_t i = 0; env->obs_names && i < env->obs_dim; i++)
        if (begins_with(env->obs_names[i], item))
            found = taken[i] = true;
    return found;
}

static const char *name_at(const void *names, size_t i) {
    return ((const char *const *)names)[i];
}

static mr_status fail_name(const mr_env_spec *env, const char *where, const char *item) {
    if (!env->obs_names)
        return mr_fail(MR_ERR_USAGE,
                       "%s: the features of %s have no names, so that %s chooses none; give "
                       "numbers from 0 to %zu",
                       where, env->name, item, env->obs_dim - 1);
    const char *nearest = mr_nearest(item, env->obs_dim, name_at, env->obs_names);
    if (nearest)
        return mr_fail(MR_ERR_USAGE, "%s: %s has no feature %s; did you mean %s?", where, env->name,
                       item, nearest);
    return mr_fail(MR_ERR_USAGE,
                   "%s: %s has no feature %s; its %zu features go from %s to %s "
                   "(`millrace envs %s` lists them)",
                   where, env->name, item, env->obs_dim, env->obs_names[0],
                   env->obs_names[env->obs_dim - 1], env->name);
}

// "3" or "3-5"; false: it is neither.
static bool parse_range(const char *item, size_t *first, size_t *last) {
    char *end;
    if (item[0] < '0' || item[0] > '9')
        return false;
    *first = *last = strtoull(item, &end, 10);
    if (*end == '-' && end[1] >= '0' && end[1] <= '9')
        *last = strtoull(end + 1, &end, 10);
    return *end == '\0';
}

static mr_status take_item(const mr_env_spec *env, const char *where, const char *item,
                           bool *taken) {
    size_t first, last;
    if (strcmp(item, "all") == 0) {
        memset(taken, 1, env->obs_dim);
        return MR_OK;
    }
    if (!parse_range(item, &first, &last))
        return take_names(env, item, taken) ? MR_OK : fail_name(env, where, item);
    if (first > last || last >= env->obs_dim)
        return mr_fail(MR_ERR_USAGE,
                       "%s: %s is out of range, the features of %s are numbered from 0 to %zu",
                       where, item, env->name, env->obs_dim - 1);
    memset(taken + first, 1, last - first + 1);
    return MR_OK;
}

static mr_status take_all(const mr_env_spec *env, const char *where, const char *text,
                          bool *taken) {
    for (;;) {
        char item[ITEM_SIZE];
        const size_t length = strcspn(text, ",");
        if (length == 0 || length >= sizeof item)
            return mr_fail(MR_ERR_USAGE,
                           "%s must be all, or numbers, ranges such as 0-5 and names, separated "
                           "by commas, not '%.60s'",
                           where, text);
        memcpy(item, text, length);
        item[length] = '\0';
        const mr_status status = take_item(env, where, item, taken);
        if (status != MR_OK || text[length] == '\0')
            return status;
        text += length + 1;
    }
}

mr_status mr_features_parse(const char *text, const mr_env_spec *env, const char *where,
                            mr_features *out) {
    mr_status status;
    mr_features features = {0};
    bool *taken = calloc(env->obs_dim, sizeof *taken);
    features.index = calloc(env->obs_dim, sizeof *features.index);
    if (!taken || !features.index) {
        status = mr_fail_memory("the features");
        goto done;
    }
    MR_TRY(take_all(env, where, text, taken));
    for (size_t i = 0; i < env->obs_dim; i++)
        if (taken[i])
            features.index[features.n++] = i;
    *out = features;
    features.index = NULL;
done:
    free(features.index);
    free(taken);
    return status;
}

void mr_features_free(mr_features *features) {
    free(features->index);
    *features = (mr_features){0};
}
