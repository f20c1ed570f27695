// `millrace eval`: how good a saved policy is.

#include <math.h>
#include <omp.h>
#include <signal.h>
#include <stdio.h>

#include "agents/evaluate.h"
#include "agents/policy.h"
#include "envs/vec_env.h"
#include "scripts/command.h"
#include "scripts/engine_notes.h"
#include "scripts/film.h"
#include "scripts/live_line.h"
#include "scripts/print_json.h"
#include "scripts/saved_policy.h"
#include "scripts/visited.h"
#include "scripts/waiting.h"

// Episodes that are played side by side, and the threads for them.
enum { MAX_ENVS = 10, MAX_THREADS = 4 };

typedef struct {
    size_t episodes;
    uint64_t seed;
    bool deterministic;
    bool stochastic;
    bool json;
    bool coverage;
    char features[MR_MAX_TEXT];
    char env[MR_MAX_TEXT];
    char env_set[MR_MAX_TEXT];
    char task[MR_MAX_TEXT];
    char video[MR_MAX_TEXT];
    char frames[MR_MAX_TEXT];
    char camera[MR_MAX_TEXT];
    size_t width, height;
    mr_auto fps;
    double timeout;
    size_t retries;
    char curve_server_key[MR_MAX_TEXT];
    char curve_secret_key[MR_MAX_TEXT];
} eval_options;

#define AT(field) offsetof(eval_options, field)

static const mr_setting options[] = {
    {"episodes", MR_SETTING_COUNT, AT(episodes), "10", 1, 1e6, "N", "episodes to play", false},
    {"seed", MR_SETTING_SEED, AT(seed), "1", 0, 0, "N",
     "seed of the first episode; the next ones count on from it", false},
    {"deterministic", MR_SETTING_SWITCH, AT(deterministic), "false", 0, 0, NULL,
     "the mean of the base distribution, pushed through the flow (what is done by default)", false},
    {"stochastic", MR_SETTING_SWITCH, AT(stochastic), "false", 0, 0, NULL,
     "actions sampled from the policy, as in training", false},
    {"json", MR_SETTING_SWITCH, AT(json), "false", 0, 0, NULL,
     "print one object: env, policy, episodes, mean_return, std_return, mean_length, returns; with "
     "--coverage states, state_entropy and coverage too (null where they cannot be told)",
     false},
    {"coverage", MR_SETTING_SWITCH, AT(coverage), "false", 0, 0, NULL,
     "report how widely the visited states spread: their entropy, and the share of the task's "
     "arena; best with --stochastic",
     false},
    {"features", MR_SETTING_TEXT, AT(features), "", 0, 0, "NAME|N|N-N,...",
     "what --coverage takes the entropy of, as --bonus-features; default: the arena's two, else "
     "all",
     false},
    {"env", MR_SETTING_TEXT, AT(env), "", 0, 0, "ENV",
     "play there instead, for example zmq:tcp://127.0.0.1:5555", false},
    {"env_set", MR_SETTING_PAIRS, AT(env_set), "", 0, 0, "KEY=VALUE",
     "option of the task, over those that the policy was trained with; may be given again", false},
    {"task", MR_SETTING_TEXT, AT(task), "", 0, 0, "FILE",
     "description of the task, instead of the one that the policy was trained with", false},
    {"video", MR_SETTING_TEXT, AT(video), "", 0, 0, "FILE.mp4",
     "film the episodes, one after the other (needs ffmpeg)", false},
    {"frames", MR_SETTING_TEXT, AT(frames), "", 0, 0, "DIR",
     "film them as numbered PNG files in a new folder", false},
    {"width", MR_SETTING_COUNT, AT(width), "640", 16, 7680, "N", "width of the film, in pixels",
     false},
    {"height", MR_SETTING_COUNT, AT(height), "480", 16, 7680, "N", "height of the film, in pixels",
     false},
    {"camera", MR_SETTING_TEXT, AT(camera), "", 0, 0, "NAME",
     "track (follows the robot, the default), free (the whole scene), or one of the model's",
     false},
    {"fps", MR_SETTING_AUTO, AT(fps), "auto", 1, 240, "auto|N",
     "frames a second of the task's own time; auto: one a step, at most 60", false},
    {"timeout", MR_SETTING_REAL, AT(timeout), "10", 0.001, 1e6, "S",
     "seconds to wait for the reply of a server (zmq:), before it is asked again", false},
    {"retries", MR_SETTING_COUNT, AT(retries), "5", 0, 1000, "N",
     "times that a server is asked again", false},
    {"curve_server_key", MR_SETTING_TEXT, AT(curve_server_key), "", 0, 0, "FILE",
     "the server's public key, instead of the one that the policy was trained with", false},
    {"curve_secret_key", MR_SETTING_TEXT, AT(curve_secret_key), "", 0, 0, "FILE",
     "your own secret key, likewise", false},
};

static void print_text(const mr_policy_spec *spec, const eval_options *chosen,
                       const mr_evaluation *evaluation, const mr_visited_summary *visited) {
    printf("task         %s\n", spec->env);
    printf("policy       %s, %s\n", spec->flow,
           chosen->stochastic ? "stochastic" : "deterministic");
    printf("episodes     %zu\n", evaluation->n);
    printf("mean return  %.2f ± %.2f\n", evaluation->mean_return, evaluation->std_return);
    printf("mean length  %.1f\n", evaluation->mean_length);
    if (isfinite(visited->entropy))
        printf("entropy      %.3f nats, of %zu visited states\n", visited->entropy,
               visited->n_states);
    if (isfinite(visited->coverage))
        printf("coverage     %.1f %% of the arena's cells\n", 100 * visited->coverage);
}

static json_t *real_or_null(double number) {
    return isfinite(number) ? json_real(number) : json_null();
}

static void add_visited(json_t *object, const mr_visited_summary *visited) {
    json_object_set_new(object, "states", json_integer((json_int_t)visited->n_states));
    json_object_set_new(object, "state_entropy", real_or_null(visited->entropy));
    json_object_set_new(object, "coverage", real_or_null(visited->coverage));
}

static mr_status print_json(const mr_policy_spec *spec, const eval_options *chosen,
                            const mr_evaluation *evaluation, const mr_visited_summary *visited) {
    json_t *returns = json_array();
    for (size_t i = 0; i < evaluation->n; i++)
        json_array_append_new(returns, json_real(evaluation->returns[i]));
    json_t *object = json_pack("{s:s, s:s, s:I, s:f, s:f, s:f, s:o}", "env", spec->env, "policy",
                               spec->flow, "episodes", (json_int_t)evaluation->n, "mean_return",
                               evaluation->mean_return, "std_return", evaluation->std_return,
                               "mean_length", evaluation->mean_length, "returns", returns);
    if (chosen->coverage)
        add_visited(object, visited);
    return mr_print_json(object);
}

static int n_threads(void) {
    const int n_cores = omp_get_max_threads();
    return n_cores < MAX_THREADS ? n_cores : MAX_THREADS;
}

static bool is_filmed(const eval_options *chosen) {
    return chosen->video[0] != '\0' || chosen->frames[0] != '\0';
}

// Those that are elsewhere have been set up there, and all of them are used.
static mr_status open_remote(const mr_saved_place *place, const eval_options *chosen,
                             mr_vec_env **out) {
    const mr_env_options opened = {
        .set = chosen->env_set, .task = chosen->task, .link = &place->link};
    if (is_filmed(chosen))
        return mr_fail(MR_ERR_USAGE,
                       "%s is elsewhere, and can't be filmed from here; leave out "
                       "--video and --frames, or name a task with --env",
                       place->env);
    return mr_vec_env_open(place->env, &opened, 0, 1, out);
}

static mr_status open_envs(const char *run_or_file, const mr_policy_spec *spec,
                           const eval_options *chosen, mr_vec_env **out) {
    mr_saved_place place;
    mr_saved_task task;
    const mr_env_link link = {.timeout_s = chosen->timeout,
                              .retries = chosen->retries,
                              .curve_server_key = chosen->curve_server_key,
                              .curve_secret_key = chosen->curve_secret_key,
                              .waiting = mr_waiting_tell};
    const mr_status status = mr_saved_place_choose(run_or_file, spec, chosen->env, &link, &place);
    if (status != MR_OK)
        return status;
    if (mr_env_is_remote(place.env))
        return open_remote(&place, chosen, out);
    const size_t most = is_filmed(chosen) ? 1 : MAX_ENVS;
    mr_saved_task_choose(spec, chosen->env_set, chosen->task, &task);
    return mr_vec_env_open(place.env, &task.opened,
                           chosen->episodes < most ? chosen->episodes : most, n_threads(), out);
}

// ---- Filming

// The signal that came; 0: none.
static volatile sig_atomic_t stop_cause;

static void note_signal(int number) {
    stop_cause = number;
}

// A film that is broken off leaves nothing behind, however often one is asked to stop.
static void catch_signals(void) {
    struct sigaction action = {.sa_handler = note_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

// All is put away: ends as if the signal had not been caught.
static void end_by_signal(void) {
    signal(stop_cause, SIG_DFL);
    raise(stop_cause);
}

typedef struct {
    mr_film *film;
    mr_live_line line;
    size_t n_episodes;
} camera_crew;

static mr_status look(void *self, size_t copy, size_t episode, size_t n_steps) {
    camera_crew *crew = self;
    (void)copy; // there is one
    if (stop_cause != 0)
        return mr_fail(MR_ERR_IO, "stopped by a signal; no film is left");
    if (mr_live_line_is_due(&crew->line))
        mr_live_line_draw(&crew->line, "filming episode %zu of %zu, %zu frames so far", episode + 1,
                          crew->n_episodes, mr_film_length(crew->film));
    return mr_film_show(crew->film, n_steps);
}

static mr_status film(mr_policy *policy, mr_vec_env *envs, const eval_options *chosen,
                      mr_eval_watcher watcher, mr_evaluation *evaluation) {
    mr_status status;
    camera_crew crew = {.n_episodes = chosen->episodes};
    watcher.self = &crew;
    watcher.look = look;
    const mr_film_options wanted = {.video = chosen->video,
                                    .frames = chosen->frames,
                                    .camera = chosen->camera,
                                    .width = chosen->width,
                                    .height = chosen->height,
                                    .fps = chosen->fps};
    catch_signals();
    MR_TRY(mr_film_open(mr_vec_env_at(envs, 0), &wanted, &crew.film));
    mr_live_line_begin(&crew.line);
    status = mr_evaluate(policy, envs, chosen->seed, !chosen->stochastic, &watcher, evaluation);
    mr_live_line_clear(&crew.line);
    if (status == MR_OK)
        status = mr_film_keep(crew.film);
done:
    mr_film_close(crew.film);
    return status;
}

// ---- The command

// What is said of a film that nobody asked for would be ignored.
static mr_status check_film(const mr_command_line *line, const eval_options *chosen) {
    static const size_t of_film[] = {AT(width), AT(height), AT(camera), AT(fps)};
    for (size_t i = 0; i < line->n_given && !is_filmed(chosen); i++)
        for (size_t j = 0; j < MR_COUNT(of_film); j++)
            if (line->given[i].option->offset == of_film[j])
                return mr_fail(MR_ERR_USAGE, "--%s needs --video FILE.mp4 or --frames DIR",
                               line->given[i].option->name);
    return MR_OK;
}

static mr_status check_options(const mr_command_line *line, const eval_options *chosen) {
    if (chosen->deterministic && chosen->stochastic)
        return mr_fail(MR_ERR_USAGE, "--deterministic and --stochastic exclude each other; "
                                     "give one of them");
    if (chosen->features[0] != '\0' && !chosen->coverage)
        return mr_fail(MR_ERR_USAGE, "--features is about --coverage; give that too");
    return check_film(line, chosen);
}

static mr_status play(mr_policy *policy, mr_vec_env *envs, const eval_options *chosen,
                      mr_visited *visited, mr_evaluation *evaluation) {
    const mr_eval_watcher watcher = {.visited = visited ? mr_visited_add : NULL,
                                     .visitor = visited};
    if (is_filmed(chosen))
        return film(policy, envs, chosen, watcher, evaluation);
    return mr_evaluate(policy, envs, chosen->seed, !chosen->stochastic, &watcher, evaluation);
}

static mr_status run_eval(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    mr_status status;
    eval_options chosen;
    mr_policy *policy = NULL;
    mr_vec_env *envs = NULL;
    mr_evaluation *evaluation = NULL;
    mr_visited *visited = NULL;
    mr_visited_summary summary = {.entropy = NAN, .coverage = NAN};

    MR_TRY(mr_command_line_store(&mr_command_eval, line, &chosen));
    MR_TRY(check_options(line, &chosen));
    MR_TRY(mr_saved_policy_load(line->arguments[0], &policy));
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    MR_TRY(open_envs(line->arguments[0], spec, &chosen, &envs));
    MR_TRY(mr_policy_check_env(policy, mr_vec_env_get_spec(envs)));
    mr_engine_tell(spec, mr_vec_env_get_spec(envs));
    if (chosen.coverage)
        MR_TRY(mr_visited_new(chosen.features, mr_vec_env_get_spec(envs), &visited));
    MR_TRY(mr_policy_prepare(policy, mr_vec_env_n(envs)));
    MR_TRY(mr_evaluation_new(chosen.episodes, &evaluation));
    MR_TRY(play(policy, envs, &chosen, visited, evaluation));
    if (visited != NULL)
        MR_TRY(mr_visited_summarise(visited, n_threads(), &summary));
    if (mr_vec_env_n_diverged(envs) > 0)
        fprintf(stderr,
                "warning: the simulation broke down in %zu of the episodes, which ended there\n",
                mr_vec_env_n_diverged(envs));
    if (mr_vec_env_warning(envs) != NULL)
        mr_warning_tell(spec->env, mr_vec_env_warning(envs));
    if (chosen.json)
        status = print_json(spec, &chosen, evaluation, &summary);
    else
        print_text(spec, &chosen, evaluation, &summary);
done:
    mr_visited_free(visited);
    mr_evaluation_free(evaluation);
    mr_vec_env_close(envs);
    mr_policy_free(policy);
    if (stop_cause != 0)
        end_by_signal();
    return status;
}

const mr_command mr_command_eval = {
    .name = "eval",
    .usage = "RUN_DIR_OR_POLICY_FILE [options]",
    .summary = "play episodes with a saved policy, report the return, film them",
    .details = "Plays episodes with a saved policy and reports mean and standard deviation of\n"
               "the return. A run's directory stands for its policy.safetensors, the policy as\n"
               "training left it; give DIR/best_policy.safetensors for the best so far.\n"
               "A run that was trained over zmq: is played there again, unless --env says\n"
               "otherwise.\n"
               "With --video or --frames, the episodes are also filmed; with --coverage, the\n"
               "spread of the visited states is reported.",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_eval,
};
