// `millrace view`: watch a saved policy in a window.

#include <stdio.h>
#include <stdlib.h>

#include "envs/mujoco/render.h"
#include "base/clock.h"
#include "base/random.h"
#include "cli/command_line.h"
#include "cli/notices.h"
#include "cli/run/saved_policy.h"
#include "cli/video/window.h"

enum { TEXT_SIZE = 256 };

// If steps are slower than simulated time, the picture still moves.
static const double longest_wait = 0.1; // s

typedef struct {
    uint64_t seed;
    bool stochastic;
    char deterministic_action[MR_MAX_TEXT];
    char camera[MR_MAX_TEXT];
    size_t width, height;
    char env_set[MR_MAX_TEXT];
    char task[MR_MAX_TEXT];
    char changed_files[MR_MAX_CHOICE];
} view_options;

#define AT(field) offsetof(view_options, field)

static const mr_setting options[] = {
    {"seed", MR_SETTING_SEED, AT(seed), "1", 0, 0, "N",
     "seed of the first episode; the next ones count on from it", false},
    {"stochastic", MR_SETTING_SWITCH, AT(stochastic), "false", 0, 0, NULL,
     "sample actions from the policy, as in training", false},
    {"deterministic_action", MR_SETTING_TEXT, AT(deterministic_action), "", 0, 0,
     MR_DETERMINISTIC_WORDS, MR_DETERMINISTIC_HELP, false},
    {"camera", MR_SETTING_TEXT, AT(camera), "", 0, 0, "NAME",
     "track (follows the robot, the default), free (the whole scene), or a camera of the model",
     false},
    {"width", MR_SETTING_COUNT, AT(width), "960", 16, 7680, "N", "width of the window, in pixels",
     false},
    {"height", MR_SETTING_COUNT, AT(height), "720", 16, 7680, "N",
     "height of the window, in pixels", false},
    {"env_set", MR_SETTING_PAIRS, AT(env_set), "", 0, 0, "KEY=VALUE",
     "option of the task, in addition to those of training; may be given again", false},
    {"task", MR_SETTING_TEXT, AT(task), "", 0, 0, "FILE",
     "description of the task, instead of the one that the policy was trained with", false},
    {"changed_files", MR_SETTING_CHOICE, AT(changed_files), "refuse", 0, 0, MR_CHANGED_WORDS,
     "if model or task have changed since training: refuse; accept them as they are; use the "
     "run's own copy",
     false},
};

// Plays one episode after the other, as mr_evaluate does.
typedef struct {
    mr_policy *policy;
    mr_env *env;
    uint64_t seed;
    bool is_stochastic;
    double *obs;    // [obs_dim] owned
    double *action; // [act_dim] owned
    mr_real *act;   // [act_dim] owned
    mr_real *noise; // [act_dim] owned
    mr_random random;
    size_t episode; // counted from 1
    size_t n_steps;
    double sum; // the return so far
} player;

static mr_status player_init(player *p) {
    const mr_env_spec *spec = mr_env_get_spec(p->env);
    p->obs = calloc(spec->obs_dim + 1, sizeof *p->obs);
    p->action = calloc(spec->act_dim + 1, sizeof *p->action);
    p->act = calloc(spec->act_dim + 1, sizeof *p->act);
    p->noise = calloc(spec->act_dim + 1, sizeof *p->noise);
    const bool whole = p->obs && p->action && p->act && p->noise;
    return whole ? MR_OK : mr_fail_memory("a player");
}

static void player_free(player *p) {
    free(p->obs);
    free(p->action);
    free(p->act);
    free(p->noise);
}

static mr_status begin(player *p) {
    const uint64_t seed = p->seed + p->episode;
    p->random = mr_random_stream(seed, MR_STREAM_EVAL, 0);
    p->episode++;
    p->n_steps = 0;
    p->sum = 0.0;
    return mr_env_reset(p->env, &seed, p->obs);
}

static mr_status step(player *p) {
    mr_status status;
    mr_step result;
    if (p->is_stochastic)
        mr_random_fill_normal(&p->random, mr_env_get_spec(p->env)->act_dim, p->noise);
    MR_TRY(mr_policy_act_units(p->policy, p->obs, p->is_stochastic ? p->noise : NULL, p->act));
    mr_policy_scale(p->policy, 1, p->act, p->action);
    MR_TRY(mr_env_step(p->env, p->action, p->obs, &result));
    if (result.warning != NULL && mr_env_n_warned(p->env) == 1)
        mr_notice_warning(mr_env_get_spec(p->env)->name, result.warning);
    p->n_steps++;
    p->sum += result.reward;
    if (result.terminated || result.truncated)
        status = begin(p);
done:
    return status;
}

static mr_status draw(mr_window *window, const player *p, mr_window_input input) {
    char text[TEXT_SIZE];
    snprintf(text, sizeof text, "episode %zu\nstep %zu\nreturn %.1f\nspeed %gx%s", p->episode,
             p->n_steps, p->sum, input.speed, input.is_paused ? "\npaused" : "");
    return mr_window_draw(window, text);
}

// Takes each step when simulated time, at the chosen speed, has reached it.
static mr_status watch(mr_window *window, player *p, double step_time) {
    mr_status status;
    double owed = 0.0, last = mr_clock_s(); // seconds of simulated time not played yet
    mr_window_input input;
    MR_TRY(begin(p));
    while (input = mr_window_poll(window), !input.is_closed) {
        const double start = mr_clock_s();
        owed += input.is_paused ? 0.0 : (start - last) * input.speed;
        last = start;
        if (input.restarts)
            MR_TRY(begin(p));
        for (; owed >= step_time && mr_clock_s() - start < longest_wait; owed -= step_time)
            MR_TRY(step(p));
        if (owed >= step_time)
            owed = 0.0; // too slow to catch up
        MR_TRY(draw(window, p, input));
    }
done:
    return status;
}

static mr_status open_env(const char *run_or_file, const mr_policy_spec *spec,
                          const view_options *chosen, mr_env **out) {
    mr_run_place files;
    mr_saved_task task;
    const mr_status status =
        mr_saved_files_find(run_or_file, spec, "", chosen->task, chosen->changed_files, &files);
    if (status != MR_OK)
        return status;
    mr_saved_task_choose(&files, chosen->env_set, chosen->task, &task);
    return mr_env_open(files.env, &task.opened, out);
}

static mr_status open_window(mr_env *env, const view_options *chosen, mr_window **out) {
    char title[TEXT_SIZE];
    snprintf(title, sizeof title, "%s - millrace", mr_env_get_spec(env)->name);
    const mr_window_options wanted = {.title = title,
                                      .camera = chosen->camera[0] != '\0' ? chosen->camera : NULL,
                                      .width = chosen->width,
                                      .height = chosen->height};
    return mr_window_open(env, &wanted, out);
}

static mr_status run_view(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    mr_status status;
    view_options chosen;
    double step_time;
    mr_window *window = NULL;
    player p = {0};

    MR_TRY(mr_command_line_store(&mr_command_view, line, &chosen));
    MR_TRY(mr_saved_policy_load(line->arguments[0], chosen.deterministic_action, &p.policy));
    p.seed = chosen.seed;
    p.is_stochastic = chosen.stochastic;
    MR_TRY(open_env(line->arguments[0], mr_policy_get_spec(p.policy), &chosen, &p.env));
    MR_TRY(mr_policy_check_env(p.policy, mr_env_get_spec(p.env)));
    mr_notice_env(mr_env_get_spec(p.env));
    mr_notice_engine(mr_policy_get_spec(p.policy), mr_env_get_spec(p.env));
    MR_TRY(mr_render_step_time(p.env, &step_time));
    MR_TRY(mr_policy_prepare(p.policy, 1));
    MR_TRY(player_init(&p));
    MR_TRY(open_window(p.env, &chosen, &window));
    status = watch(window, &p, step_time);
done:
    mr_window_close(window);
    player_free(&p);
    mr_env_close(p.env);
    mr_policy_free(p.policy);
    return status;
}

const mr_command mr_command_view = {
    .name = "view",
    .usage = "RUN_DIR_OR_POLICY_FILE [options]",
    .summary = "watch a saved policy in a window",
    .details = "Plays episodes with a saved policy in a window, until it is closed. Keys: space\n"
               "pauses, r or backspace begins the next episode, - and = change the speed, tab\n"
               "the camera, q or escape quits. The mouse turns the camera (left button), moves\n"
               "it (right button) and zooms (wheel). Without a display, `millrace eval RUN\n"
               "--video FILE.mp4` writes a video.",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_view,
};
