// `millrace eval`: plays episodes with a saved policy.

#include <math.h>
#include <stdio.h>

#include "agents/evaluate.h"
#include "agents/policy.h"
#include "envs/vec_env.h"
#include "cli/command_line.h"
#include "cli/video/video.h"
#include "cli/live_line.h"
#include "cli/print_json.h"
#include "cli/run/playing.h"
#include "cli/stopping.h"
#include "cli/run/visited.h"

typedef struct {
    mr_playing playing;
    bool json;
    bool coverage;
    char features[MR_MAX_TEXT];
    char video[MR_MAX_TEXT];
    char frames[MR_MAX_TEXT];
    char camera[MR_MAX_TEXT];
    size_t width, height;
    mr_auto fps;
} eval_options;

#define AT(field) offsetof(eval_options, field)

static const mr_setting options[] = {
    {"json", MR_SETTING_SWITCH, AT(json), "false", 0, 0, NULL,
     "print one object: env, policy, episodes, mean_return, std_return, mean_length, returns; with "
     "--coverage states, state_entropy and coverage too (null if they are unknown)",
     false},
    {"coverage", MR_SETTING_SWITCH, AT(coverage), "false", 0, 0, NULL,
     "report how widely the visited states spread: their entropy, and the visited fraction of the "
     "task's workspace; best with --stochastic",
     false},
    {"features", MR_SETTING_TEXT, AT(features), "", 0, 0, "NAME|N|N-N,...",
     "features that --coverage takes the entropy of, as --bonus-features; default: the "
     "workspace's two, else all",
     false},
    {"video", MR_SETTING_OUT_FILE, AT(video), "", 0, 0, "FILE.mp4",
     "write a video of one episode, or of --episodes N (needs ffmpeg)", false},
    {"frames", MR_SETTING_TEXT, AT(frames), "", 0, 0, "DIR",
     "write the frames as numbered PNG files to a new folder", false},
    {"width", MR_SETTING_COUNT, AT(width), "640", 16, 7680, "N", "width of the video, in pixels",
     false},
    {"height", MR_SETTING_COUNT, AT(height), "480", 16, 7680, "N", "height of the video, in pixels",
     false},
    {"camera", MR_SETTING_TEXT, AT(camera), "", 0, 0, "NAME",
     "track (follows the robot, the default), free (the whole scene), or a camera of the model",
     false},
    {"fps", MR_SETTING_AUTO, AT(fps), "auto", 1, 240, "auto|N",
     "frames per second of simulated time; auto: one a step, at most 60", false},
};

static void print_text(const mr_policy_spec *spec, const eval_options *chosen,
                       const mr_evaluation *evaluation, const mr_visited_summary *visited) {
    printf("task         %s\n", spec->env);
    if (chosen->playing.stochastic)
        printf("policy       %s, stochastic\n", spec->flow);
    else
        printf("policy       %s, deterministic (%s)\n", spec->flow, spec->deterministic);
    printf("episodes     %zu\n", evaluation->n_ended);
    printf("mean return  %.2f ± %.2f\n", evaluation->mean_return, evaluation->std_return);
    printf("mean length  %.1f\n", evaluation->mean_length);
    if (isfinite(visited->entropy))
        printf("entropy      %.3f nats, of %zu visited states\n", visited->entropy,
               visited->n_states);
    if (isfinite(visited->coverage))
        printf("coverage     %.1f %% of the workspace's cells\n", 100 * visited->coverage);
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
    for (size_t i = 0; i < evaluation->n_ended; i++)
        json_array_append_new(returns, json_real(evaluation->returns[i]));
    json_t *object = json_pack(
        "{s:s, s:s, s:I, s:f, s:f, s:f, s:o}", "env", spec->env, "policy", spec->flow, "episodes",
        (json_int_t)evaluation->n_ended, "mean_return", evaluation->mean_return, "std_return",
        evaluation->std_return, "mean_length", evaluation->mean_length, "returns", returns);
    if (chosen->coverage)
        add_visited(object, visited);
    return mr_print_json(object);
}

static bool has_video(const eval_options *chosen) {
    return chosen->video[0] != '\0' || chosen->frames[0] != '\0';
}

// ---- Video

typedef struct {
    mr_video *video;
    mr_live_line line;
    size_t n_episodes;
} recording;

static mr_status look(void *self, size_t copy, size_t episode, size_t n_steps) {
    recording *r = self;
    (void)copy; // the only one
    if (mr_live_line_is_due(&r->line))
        mr_live_line_draw(&r->line, "recording episode %zu of %zu, %zu frames so far", episode + 1,
                          r->n_episodes, mr_video_n_frames(r->video));
    return mr_video_show(r->video, n_steps);
}

// A video that is interrupted leaves nothing behind, even if signals come again.
static mr_status record(mr_policy *policy, mr_vec_env *envs, const eval_options *chosen,
                        mr_eval_options how, mr_evaluation *evaluation) {
    mr_status status;
    recording r = {.n_episodes = chosen->playing.episodes};
    mr_eval_watcher watcher = *how.watcher;
    watcher.self = &r;
    watcher.look = look;
    how.watcher = &watcher;
    const mr_video_options wanted = {.video = chosen->video,
                                     .frames = chosen->frames,
                                     .camera = chosen->camera,
                                     .width = chosen->width,
                                     .height = chosen->height,
                                     .fps = chosen->fps};
    mr_stop_outlast_signals();
    MR_TRY(mr_video_open(mr_vec_env_at(envs, 0), &wanted, &r.video));
    mr_live_line_begin(&r.line);
    status = mr_evaluate(policy, envs, &how, evaluation);
    mr_live_line_clear(&r.line);
    if (status == MR_OK)
        status = mr_video_keep(r.video);
done:
    mr_video_close(r.video);
    return status;
}

// ---- The command

// Options of a video without a video would be ignored.
static mr_status check_video_options(const mr_command_line *line, const eval_options *chosen) {
    static const size_t of_video[] = {AT(width), AT(height), AT(camera), AT(fps)};
    for (size_t i = 0; i < line->n_given && !has_video(chosen); i++)
        for (size_t j = 0; j < MR_COUNT(of_video); j++)
            if (line->given[i].option->offset == of_video[j])
                return mr_fail(MR_ERR_USAGE, "--%s needs --video FILE.mp4 or --frames DIR",
                               line->given[i].option->name);
    return MR_OK;
}

static mr_status check_options(const mr_command_line *line, const eval_options *chosen) {
    const mr_status status = mr_playing_check(&chosen->playing);
    if (status != MR_OK)
        return status;
    if (chosen->features[0] != '\0' && !chosen->coverage)
        return mr_fail(MR_ERR_USAGE, "--features needs --coverage; give that too");
    return check_video_options(line, chosen);
}

static bool is_given(const mr_command_line *line, size_t offset) {
    for (size_t i = 0; i < line->n_given; i++)
        if (line->given[i].option->offset == offset)
            return true;
    return false;
}

static mr_status read_options(const mr_command_line *line, eval_options *chosen) {
    mr_status status;
    MR_TRY(mr_command_line_store(&mr_command_eval, line, chosen));
    MR_TRY(check_options(line, chosen));
    if (has_video(chosen) && !is_given(line, AT(playing.episodes)))
        chosen->playing.episodes = 1; // drawing one takes a minute
done:
    return status;
}

static mr_status play(mr_policy *policy, mr_vec_env *envs, const eval_options *chosen,
                      const volatile sig_atomic_t *stop, mr_visited *visited,
                      mr_evaluation *evaluation) {
    const mr_eval_watcher watcher = {.visited = visited ? mr_visited_add : NULL,
                                     .visitor = visited};
    const mr_eval_options how = mr_playing_how(&chosen->playing, envs, stop, &watcher);
    if (has_video(chosen))
        return record(policy, envs, chosen, how, evaluation);
    return mr_evaluate(policy, envs, &how, evaluation);
}

static mr_status report(const mr_policy_spec *spec, const eval_options *chosen,
                        const mr_visited *visited, const mr_evaluation *evaluation) {
    mr_visited_summary summary = {.entropy = NAN, .coverage = NAN};
    mr_status status = MR_OK;
    if (visited != NULL)
        status =
            mr_visited_summarise(visited, mr_settings_threads(chosen->playing.threads), &summary);
    if (status == MR_OK && chosen->json)
        status = print_json(spec, chosen, evaluation, &summary);
    else if (status == MR_OK)
        print_text(spec, chosen, evaluation, &summary);
    return status;
}

// Without the summary of visited states, which takes a while, and without unfinished episodes.
static mr_status report_stopped(const mr_policy_spec *spec, const eval_options *chosen,
                                const mr_evaluation *evaluation) {
    fprintf(stderr, "millrace eval: stopped; %zu of %zu episodes had ended%s%s\n",
            evaluation->n_ended, evaluation->n,
            evaluation->n_ended > 0 ? "; the report is about these" : "",
            has_video(chosen) ? "; no video was written" : "");
    return evaluation->n_ended > 0 ? report(spec, chosen, NULL, evaluation) : MR_OK;
}

static mr_status run_eval(const mr_command_line *line, int *exit_code) {
    mr_status status;
    eval_options chosen;
    mr_policy *policy = NULL;
    mr_vec_env *envs = NULL;
    mr_evaluation *evaluation = NULL;
    mr_visited *visited = NULL;

    MR_TRY(read_options(line, &chosen));
    const volatile sig_atomic_t *stop = mr_stop_on_signals();
    MR_TRY(mr_playing_open(line->arguments[0], &chosen.playing, has_video(&chosen), stop, &policy,
                           &envs));
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    if (chosen.coverage)
        MR_TRY(mr_visited_new(chosen.features, mr_vec_env_get_spec(envs), &visited));
    MR_TRY(mr_evaluation_new(chosen.playing.episodes, &evaluation));
    status = play(policy, envs, &chosen, stop, visited, evaluation);
    if (status == MR_OK || status == MR_STOPPED)
        mr_playing_warn(&chosen.playing, envs, spec->env, evaluation);
    if (status == MR_OK) {
        status = report(spec, &chosen, visited, evaluation);
    } else if (status == MR_STOPPED) {
        *exit_code = mr_stop_exit_code();
        status = report_stopped(spec, &chosen, evaluation);
    }
done:
    mr_visited_free(visited);
    mr_evaluation_free(evaluation);
    mr_vec_env_close(envs);
    mr_policy_free(policy);
    return status;
}

const mr_command mr_command_eval = {
    .name = "eval",
    .usage = "RUN_DIR_OR_POLICY_FILE [options]",
    .summary = "play episodes with a saved policy, report the return, write videos",
    .details = "Plays episodes with a saved policy and reports mean and standard deviation of\n"
               "the return. A run's directory stands for its policy.safetensors, the latest\n"
               "policy; give DIR/best_policy.safetensors for the best so far.\n"
               "A run that was trained over zmq: is played there again, unless --env names\n"
               "another environment.\n"
               "An episode depends on its seed alone, whatever is played in parallel, with a\n"
               "video or without, with any number of threads.\n"
               "--video and --frames play one episode, or --episodes N; --coverage reports the\n"
               "spread of the visited states. Ctrl-C reports the episodes that have ended, and\n"
               "writes no video.",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .shared = mr_playing_options,
    .n_shared = MR_N_PLAYING_OPTIONS,
    .run = run_eval,
};
