// Means of a task's infos over episodes.

#include "agents/infos.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "rollout/", part_of_reward[] = "rollout/reward";

mr_status mr_infos_open(mr_infos *infos, size_t n_envs) {
    *infos = (mr_infos){.n_envs = n_envs};
    infos->name = calloc(MR_MAX_INFOS, sizeof *infos->name);
    infos->sum = calloc(MR_MAX_INFOS * n_envs, sizeof *infos->sum);
    infos->n_given = calloc(MR_MAX_INFOS * n_envs, sizeof *infos->n_given);
    infos->is_whole = calloc(n_envs, sizeof *infos->is_whole);
    infos->total = calloc(MR_MAX_INFOS, sizeof *infos->total);
    infos->n_episodes = calloc(MR_MAX_INFOS, sizeof *infos->n_episodes);
    infos->index = calloc(MR_MAX_INFOS, sizeof *infos->index);
    const bool is_complete = infos->name && infos->sum && infos->n_given && infos->is_whole &&
                             infos->total && infos->n_episodes && infos->index;
    return is_complete ? MR_OK : mr_fail_memory("the infos of a task");
}

void mr_infos_close(mr_infos *infos) {
    free(infos->name);
    free(infos->sum);
    free(infos->n_given);
    free(infos->is_whole);
    free(infos->total);
    free(infos->n_episodes);
    free(infos->index);
    *infos = (mr_infos){0};
}

// ---- Names

// A column's name: servers may send any text. A long one is cut at a whole UTF-8 character. What
// follows the name is zero, because checkpoints hold all of it.
static void name_column(const char *info, char name[MR_INFO_NAME_SIZE]) {
    size_t n = strnlen(info, MR_INFO_NAME_SIZE - sizeof prefix);
    while (n > 0 && ((unsigned char)info[n] & 0xC0) == 0x80)
        n--;
    memset(name, 0, MR_INFO_NAME_SIZE);
    snprintf(name, MR_INFO_NAME_SIZE, "%s%.*s", prefix, (int)n, info);
    for (char *c = name; *c != '\0'; c++)
        if (iscntrl((unsigned char)*c) || *c == ',' || *c == '"')
            *c = '_';
}

// The index of a name, which is added if there is room; MR_MAX_INFOS: there is none.
static size_t index_of(mr_infos *infos, const char *name) {
    size_t k = 0;
    while (k < infos->n && strcmp(infos->name[k], name) != 0)
        k++;
    if (k == infos->n && k < MR_MAX_INFOS)
        memcpy(infos->name[infos->n++], name, MR_INFO_NAME_SIZE);
    return k;
}

static void look_up_names(mr_infos *infos, const mr_env_spec *env) {
    for (; infos->n_mapped < env->n_info && infos->n_mapped < MR_MAX_INFOS; infos->n_mapped++) {
        char name[MR_INFO_NAME_SIZE];
        name_column(env->info_names[infos->n_mapped], name);
        infos->index[infos->n_mapped] = index_of(infos, name);
    }
}

// ---- Episodes

void mr_infos_begin_episode(mr_infos *infos, size_t i) {
    for (size_t k = 0; k < infos->n; k++)
        infos->sum[k * infos->n_envs + i] = infos->n_given[k * infos->n_envs + i] = 0;
    infos->is_whole[i] = 1;
}

void mr_infos_add_step(mr_infos *infos, const mr_vec_env *envs, size_t i) {
    const mr_env_spec *env = mr_vec_env_get_spec(envs);
    const double *info = mr_vec_env_info(envs, i);
    look_up_names(infos, env);
    for (size_t j = 0; j < infos->n_mapped; j++) {
        const size_t k = infos->index[j] * infos->n_envs + i;
        if (infos->index[j] == MR_MAX_INFOS || !isfinite(info[j]))
            continue;
        infos->sum[k] += info[j];
        infos->n_given[k]++;
    }
}

void mr_infos_end_episode(mr_infos *infos, size_t i) {
    for (size_t k = 0; k < infos->n && infos->is_whole[i] != 0; k++) {
        const double sum = infos->sum[k * infos->n_envs + i];
        const double n_given = infos->n_given[k * infos->n_envs + i];
        const bool is_part = strncmp(infos->name[k], part_of_reward, strlen(part_of_reward)) == 0;
        if (n_given == 0)
            continue;
        infos->total[k] += is_part ? sum : sum / n_given;
        infos->n_episodes[k]++;
    }
}

size_t mr_infos_take(mr_infos *infos, mr_scalar *out) {
    for (size_t k = 0; k < infos->n; k++) {
        const double n = infos->n_episodes[k];
        out[k] = (mr_scalar){infos->name[k], n > 0 ? infos->total[k] / n : NAN};
        infos->total[k] = infos->n_episodes[k] = 0;
    }
    return infos->n;
}

// ---- Checkpoints

static const char names_key[] = "infos.names";

/// Arrays of numbers of a checkpoint: n rows, or as many as environments.
typedef struct {
    const char *key;
    double *data;
    size_t n_dims, shape[2];
} array;

enum { N_ARRAYS = 5 };

static void list_arrays(const mr_infos *infos, size_t n, array out[N_ARRAYS]) {
    const array all[N_ARRAYS] = {
        {"infos.sum", infos->sum, 2, {n, infos->n_envs}},
        {"infos.n_given", infos->n_given, 2, {n, infos->n_envs}},
        {"infos.is_whole", infos->is_whole, 1, {infos->n_envs}},
        {"infos.total", infos->total, 1, {n}},
        {"infos.n_episodes", infos->n_episodes, 1, {n}},
    };
    memcpy(out, all, sizeof all);
}

mr_status mr_infos_write(const mr_infos *infos, mr_tensors_writer *writer) {
    mr_status status = MR_OK;
    array arrays[N_ARRAYS];
    const size_t names[] = {infos->n, MR_INFO_NAME_SIZE};
    if (infos->n == 0)
        return MR_OK;
    MR_TRY(mr_tensors_writer_add(writer, names_key, MR_U8, 2, names, infos->name));
    list_arrays(infos, infos->n, arrays);
    for (size_t k = 0; k < N_ARRAYS; k++)
        MR_TRY(mr_tensors_writer_add(writer, arrays[k].key, MR_F64, arrays[k].n_dims,
                                     arrays[k].shape, arrays[k].data));
done:
    return status;
}

static mr_status read_names(mr_infos *infos, size_t n, const char *names, const mr_tensors *file) {
    infos->n = infos->n_mapped = 0;
    for (size_t k = 0; k < n; k++) {
        const char *name = names + k * MR_INFO_NAME_SIZE;
        char clean[MR_INFO_NAME_SIZE];
        const bool is_ours = memchr(name, '\0', MR_INFO_NAME_SIZE) != NULL &&
                             strncmp(name, prefix, strlen(prefix)) == 0;
        if (is_ours)
            name_column(name + strlen(prefix), clean);
        if (!is_ours || strcmp(clean, name) != 0 || index_of(infos, clean) != k)
            return mr_fail(MR_ERR_INPUT,
                           "%s: %s is invalid; the file is damaged, take another copy",
                           mr_tensors_path(file), names_key);
    }
    return MR_OK;
}

mr_status mr_infos_read(mr_infos *infos, const bool *is_under_way, const mr_tensors *file) {
    mr_status status;
    mr_tensor found;
    array arrays[N_ARRAYS];
    const void *data;
    if (!mr_tensors_find(file, names_key, &found)) {
        for (size_t i = 0; i < infos->n_envs; i++)
            infos->is_whole[i] = !is_under_way[i];
        return MR_OK;
    }
    const size_t n =
        found.n_dims == 2 && found.shape[0] < MR_MAX_INFOS ? found.shape[0] : MR_MAX_INFOS;
    const size_t names[] = {n, MR_INFO_NAME_SIZE};
    MR_TRY(mr_tensors_get(file, names_key, MR_U8, 2, names, &data));
    MR_TRY(read_names(infos, n, data, file));
    list_arrays(infos, n, arrays);
    for (size_t k = 0; k < N_ARRAYS; k++) {
        MR_TRY(
            mr_tensors_get(file, arrays[k].key, MR_F64, arrays[k].n_dims, arrays[k].shape, &data));
        memcpy(arrays[k].data, data,
               arrays[k].shape[0] * (arrays[k].n_dims > 1 ? arrays[k].shape[1] : 1) *
                   sizeof(double));
    }
done:
    return status;
}
