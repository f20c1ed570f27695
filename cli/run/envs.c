// `millrace envs`: lists and describes the tasks.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/env.h"
#include "cli/command_line.h"
#include "cli/print_json.h"

enum { DESCRIPTION_SIZE = 1 << 16 };

typedef struct {
    bool json;
    char env_set[MR_MAX_TEXT];
    char task[MR_MAX_TEXT];
} envs_options;

static const mr_setting options[] = {
    {.name = "json",
     .type = MR_SETTING_SWITCH,
     .offset = offsetof(envs_options, json),
     .initial = "false",
     .help = "print a list of objects: name, obs_dim, act_dim, act_low, act_high, "
             "max_episode_steps"},
    {.name = "env_set",
     .type = MR_SETTING_PAIRS,
     .offset = offsetof(envs_options, env_set),
     .initial = "",
     .metavar = "KEY=VALUE",
     .help = "describe ENV with this option set; may be given again"},
    {.name = "task",
     .type = MR_SETTING_TEXT,
     .offset = offsetof(envs_options, task),
     .initial = "",
     .metavar = "FILE",
     .help = "description (.yaml or .so) of the task, if ENV is mjcf:FILE.xml"},
};

// JSON has no infinity: a missing bound is null.
static json_t *bounds(size_t n, const double *values) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, isfinite(values[i]) ? json_real(values[i]) : json_null());
    return list;
}

static mr_status append_json(const char *name, const mr_env_options *opened, json_t *list) {
    mr_env *env;
    const mr_status status = mr_env_open(name, opened, &env);
    if (status != MR_OK)
        return status;
    const mr_env_spec *spec = mr_env_get_spec(env);
    json_t *limit = spec->max_episode_steps > 0 ? json_integer((json_int_t)spec->max_episode_steps)
                                                : json_null();
    json_array_append_new(
        list, json_pack("{s:s, s:I, s:I, s:o, s:o, s:o}", "name", spec->name, "obs_dim",
                        (json_int_t)spec->obs_dim, "act_dim", (json_int_t)spec->act_dim, "act_low",
                        bounds(spec->act_dim, spec->act_low), "act_high",
                        bounds(spec->act_dim, spec->act_high), "max_episode_steps", limit));
    mr_env_close(env);
    return MR_OK;
}

static mr_status print_json(size_t n, char *const *names, const mr_env_options *opened) {
    mr_status status = MR_OK;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        MR_TRY(append_json(names[i], opened, list));
    for (size_t i = 0; i < mr_env_count() && n == 0; i++)
        MR_TRY(append_json(mr_env_at(i).name, NULL, list));
    status = mr_print_json(json_incref(list));
done:
    json_decref(list);
    return status;
}

static mr_status print_description(const char *name, const mr_env_options *opened) {
    mr_status status = MR_OK;
    char *text = NULL;
    bool is_cut = true;
    for (size_t size = DESCRIPTION_SIZE; status == MR_OK && is_cut; size *= 2) {
        free(text);
        text = malloc(size);
        status = text != NULL ? mr_env_describe(name, opened, text, size)
                              : mr_fail_memory("a description");
        is_cut = status == MR_OK && strlen(text) + 1 == size;
    }
    if (status == MR_OK)
        printf("%s%s", text, text[0] != '\0' && text[strlen(text) - 1] == '\n' ? "" : "\n");
    free(text);
    return status;
}

typedef mr_env_entry entry_at(size_t i);

static int widest(size_t n, entry_at *at) {
    int width = 0;
    for (size_t i = 0; i < n; i++) {
        const int length = (int)strlen(at(i).name);
        width = length > width ? length : width;
    }
    return width;
}

static void print_entries(size_t n, entry_at *at, int width) {
    for (size_t i = 0; i < n; i++)
        printf("%-*s  %s\n", width, at(i).name, at(i).summary);
}

static void print_list(void) {
    const int width = widest(mr_env_count(), mr_env_at);
    print_entries(mr_env_count(), mr_env_at, width);
    print_entries(mr_env_scheme_count(), mr_env_scheme_at, width);
}

static mr_status run_envs(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    envs_options chosen;
    const mr_status status = mr_command_line_store(&mr_command_envs, line, &chosen);
    if (status != MR_OK)
        return status;
    const mr_env_options opened = {.set = chosen.env_set, .task = chosen.task};
    if (line->n_arguments == 0 && (chosen.env_set[0] != '\0' || chosen.task[0] != '\0'))
        return mr_fail(MR_ERR_USAGE, "--env-set and --task are about one task; name it, as in "
                                     "`millrace envs Hopper-v5 --env-set frame_skip=2`");
    if (chosen.json)
        return print_json(line->n_arguments, line->arguments, &opened);
    if (line->n_arguments > 0)
        return print_description(line->arguments[0], &opened);
    print_list();
    return MR_OK;
}

const mr_command mr_command_envs = {
    .name = "envs",
    .usage = "[ENV] [options]",
    .summary = "list the built-in tasks, or describe one",
    .details = "Lists the built-in tasks, one a line, or describes one of them: sizes, bounds,\n"
               "observation, reward, ends of an episode.",
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_envs,
};
