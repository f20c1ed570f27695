// `millrace serve`: environments for remote trainers.

#include <stdio.h>

#include "envs/zmq/responder.h"
#include "base/clock.h"
#include "base/threads.h"
#include "cli/command_line.h"
#include "cli/notices.h"
#include "cli/serve/serving.h"

enum { MAX_THREADS = 4 };

typedef struct {
    mr_serving serving;
    size_t num_envs;
    double lease;
    char env_set[MR_MAX_TEXT];
    char task[MR_MAX_TEXT];
} serve_options;

#define AT(field) offsetof(serve_options, field)

static const mr_setting options[] = {
    {"num_envs", MR_SETTING_COUNT, AT(num_envs), "1", 1, 4096, "N",
     "copies of the task, stepped together by one trainer", false},
    {"lease", MR_SETTING_REAL, AT(lease), "60", 0.001, 1e6, "S",
     "seconds of silence after which another trainer may take the environments", false},
    {"env_set", MR_SETTING_PAIRS, AT(env_set), "", 0, 0, "KEY=VALUE",
     "option of the task (`millrace envs ENV` lists them); may be given again", false},
    {"task", MR_SETTING_TEXT, AT(task), "", 0, 0, "FILE",
     "description (.yaml or .so) of the task, if ENV is mjcf:FILE.xml", false},
};

static mr_bytes answer(void *self, mr_bytes request) {
    return mr_responder_answer(self, request, mr_clock_s());
}

static void report(void *self, char *line, size_t size) {
    const mr_responder_metrics m = mr_responder_get_metrics(self);
    snprintf(line, size, "%zu steps, %zu episodes, %zu trainer%s so far%s", m.n_steps, m.n_episodes,
             m.n_sessions, m.n_sessions == 1 ? "" : "s", m.is_held ? ", one connected" : "");
}

static const char *warning(void *self) {
    return mr_responder_get_metrics(self).warning;
}

static mr_status open_envs(const char *name, const serve_options *chosen, mr_vec_env **out) {
    const mr_env_options opened = {.set = chosen->env_set, .task = chosen->task};
    const int n_cores = mr_threads_cores();
    if (mr_env_is_remote(name))
        return mr_fail(MR_ERR_USAGE, "%s is remote already; name a task", name);
    return mr_vec_env_open(name, &opened, chosen->num_envs,
                           n_cores < MAX_THREADS ? n_cores : MAX_THREADS, out);
}

static mr_status run_serve(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    mr_status status;
    serve_options chosen;
    mr_vec_env *envs = NULL;
    mr_responder *responder = NULL;
    char what[MR_MAX_TEXT];

    MR_TRY(mr_command_line_store(&mr_command_serve, line, &chosen));
    MR_TRY(open_envs(line->arguments[0], &chosen, &envs));
    mr_notice_env(mr_vec_env_get_spec(envs));
    MR_TRY(mr_responder_new(envs, chosen.lease, &responder));
    snprintf(what, sizeof what, "%.200s", mr_vec_env_get_spec(envs)->name);
    if (chosen.num_envs > 1)
        snprintf(what, sizeof what, "%zu x %.200s", chosen.num_envs,
                 mr_vec_env_get_spec(envs)->name);
    const mr_answerer answerer = {
        .self = responder, .answer = answer, .max_bytes = mr_responder_max_bytes(responder)};
    MR_TRY(mr_serve(&chosen.serving, answerer, what, report, warning));
done:
    mr_responder_free(responder);
    mr_vec_env_close(envs);
    return status;
}

const mr_command mr_command_serve = {
    .name = "serve",
    .usage = "ENV [options]",
    .summary = "serve a task to trainers in other processes or on other machines",
    .details = "Serves a task over ZeroMQ to one trainer at a time: `millrace train\n"
               "zmq:ENDPOINT`, or any program that speaks the protocol of docs/bridge.md.",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .shared = mr_serving_options,
    .n_shared = MR_N_SERVING_OPTIONS,
    .run = run_serve,
};
