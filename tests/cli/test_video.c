// `millrace eval` with a camera: videos and pictures, and that nothing is left of those that
// failed. Skipped on a machine that has nothing to draw with, or no ffmpeg.

#include <dirent.h>
#include <jansson.h>

#include "tests/cli/command_runner.h"

enum { N_EPISODES = 2, TEXT_SIZE = 256 };

// The leak sanitizer of gcc 12 dies (signal 11 in its tracer) where it reads the thread-local
// storage of a process that has drawn with MuJoCo 4.0.0. Without that it finds our leaks all the
// same.
static void spare_thread_storage(void) {
    setenv("LSAN_OPTIONS",
           "suppressions=" MR_TEST_DATA "/../lsan_film.supp:print_suppressions=0:use_tls=0", 1);
}

// A policy of next to nothing, for InvertedPendulum-v5: 25 steps a second, episodes of some ten.
static void enter(void) {
    scratch_enter();
    spare_thread_storage();
    outcome o = RUN("train", "InvertedPendulum-v5", "--steps", "100", "--learning-starts", "50",
                    "--hidden", "16", "--eval-episodes", "1", "--out", "run");
    expect_success(&o);
    outcome_free(&o);
}

TestSuite(video, .init = enter, .fini = scratch_leave);

static void skip_without_renderer(const outcome *o) {
    if (strstr(o->err, "libosmesa6") != NULL)
        cr_skip_test("%s", o->err);
}

static void skip_where_impossible(const outcome *o) {
    skip_without_renderer(o);
    if (strstr(o->err, "cannot run ffmpeg") != NULL)
        cr_skip_test("%s", o->err);
}

// Films take as long as the machine is busy; every 5 s a line says how far they are.
static void drop_progress(outcome *o) {
    const char *line = o->err;
    char *kept = o->err;
    while (*line != '\0') {
        const char *end = line + strcspn(line, "\n");
        const size_t n = (size_t)(end - line) + (*end == '\n');
        if (strncmp(line, "recording episode ", strlen("recording episode ")) != 0) {
            memmove(kept, line, n);
            kept += n;
        }
        line += n;
    }
    *kept = '\0';
}

#define EVAL(...)                                                                                  \
    RUN("eval", "run", "--episodes", "2", "--json", "--width", "160", "--height", "120",           \
        __VA_ARGS__)

// The steps of all episodes.
static size_t n_steps_of(const outcome *o) {
    json_t *object = json_loads(o->out, 0, NULL);
    const double mean = json_number_value(json_object_get(object, "mean_length"));
    json_decref(object);
    return (size_t)(mean * N_EPISODES + 0.5);
}

// What ffprobe says of a video: "width,height,pixel format,frames".
static void expect_video(const char *path, const char *fps, size_t n_frames) {
    char command[TEXT_SIZE], found[TEXT_SIZE] = "", expected[TEXT_SIZE];
    snprintf(command, sizeof command,
             "ffprobe -v error -count_frames -show_entries "
             "stream=codec_name,width,height,pix_fmt,r_frame_rate,nb_read_frames -of csv=p=0 %s",
             path);
    FILE *probe = popen(command, "r");
    cr_assert_not_null(probe);
    cr_assert_not_null(fgets(found, sizeof found, probe), "%s cannot be read", path);
    pclose(probe);
    snprintf(expected, sizeof expected, "h264,160,120,yuv420p,%s,%zu\n", fps, n_frames);
    cr_expect_str_eq(found, expected);
}

static size_t n_files(const char *path, const char *ending) {
    size_t n = 0;
    DIR *folder = opendir(path);
    cr_assert_not_null(folder, "%s is missing", path);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        n += strstr(entry->d_name, ending) != NULL;
    closedir(folder);
    return n;
}

Test(video, shows_every_state_of_every_episode_in_its_own_time) {
    outcome o = EVAL("--video", "a.mp4");
    skip_where_impossible(&o);
    expect_success(&o);
    expect_video("a.mp4", "25/1", n_steps_of(&o) + N_EPISODES);
    outcome_free(&o);
}

Test(video, plays_the_episodes_that_are_played_without_it) {
    outcome filmed = EVAL("--frames", "pictures", "--stochastic", "--coverage");
    outcome not_filmed = RUN("eval", "run", "--episodes", "2", "--json", "--seed", "1",
                             "--stochastic", "--coverage");
    skip_where_impossible(&filmed);
    expect_success(&filmed);
    cr_expect_str_eq(filmed.out, not_filmed.out);
    outcome_free(&filmed);
    outcome_free(&not_filmed);
}

// A simulation that makes much of the last bit.
Test(video, changes_nothing_in_the_episode_that_it_shows) {
    outcome trained = RUN("train", "HalfCheetah-v5", "--steps", "20", "--hidden", "16",
                          "--eval-episodes", "1", "--eval-max-steps", "10", "--out", "cheetah");
    expect_success(&trained);
    outcome_free(&trained);
    outcome filmed = RUN("eval", "cheetah", "--episodes", "2", "--max-steps", "20", "--json",
                         "--frames", "pictures", "--width", "32", "--height", "32");
    outcome not_filmed = RUN("eval", "cheetah", "--episodes", "2", "--max-steps", "20", "--json");
    skip_where_impossible(&filmed);
    expect_success(&filmed);
    cr_expect_str_eq(filmed.out, not_filmed.out);
    outcome_free(&filmed);
    outcome_free(&not_filmed);
}

Test(video, is_of_one_episode_unless_it_is_said_otherwise) {
    outcome filmed =
        RUN("eval", "run", "--json", "--width", "160", "--height", "120", "--frames", "pictures");
    outcome first = RUN("eval", "run", "--json", "--episodes", "1");
    skip_where_impossible(&filmed);
    expect_success(&filmed);
    cr_expect_str_eq(filmed.out, first.out);
    outcome_free(&filmed);
    outcome_free(&first);
}

// Half the frames: those of steps 0, 2, 4, ...
Test(video, keeps_time_at_another_frame_rate) {
    outcome o = RUN("eval", "run", "--episodes", "1", "--json", "--width", "160", "--height", "120",
                    "--video", "a.mp4", "--fps", "12.5");
    skip_where_impossible(&o);
    expect_success(&o);
    json_t *object = json_loads(o.out, 0, NULL);
    const size_t n_steps = (size_t)json_number_value(json_object_get(object, "mean_length"));
    expect_video("a.mp4", "25/2", n_steps / 2 + 1);
    json_decref(object);
    outcome_free(&o);
}

Test(video, numbers_its_pictures) {
    outcome o = EVAL("--frames", "pictures/", "--camera", "free");
    skip_where_impossible(&o);
    expect_success(&o);
    cr_expect_eq(n_files("pictures", ".png"), n_steps_of(&o) + N_EPISODES);
    char *png = scratch_read("pictures/frame_000000.png");
    cr_expect_arr_eq(png, "\x89PNG", 4);
    free(png);
    outcome_free(&o);
}

Test(video, replaces_a_video_and_fills_an_empty_folder) {
    scratch_write("a.mp4", "old");
    cr_assert_eq(mkdir("pictures", 0777), 0);
    outcome o = EVAL("--video", "a.mp4", "--frames", "pictures");
    skip_where_impossible(&o);
    expect_success(&o);
    expect_video("a.mp4", "25/1", n_steps_of(&o) + N_EPISODES);
    cr_expect_eq(n_files("pictures", ".png"), n_steps_of(&o) + N_EPISODES);
    cr_expect_eq(n_files(".", "millrace-tmp"), 0);
    outcome_free(&o);
}

static void expect_nothing_left(void) {
    cr_expect_eq(n_files(".", "millrace-tmp"), 0);
    cr_expect_eq(n_files(".", "a.mp4"), 0);
    cr_expect_eq(n_files(".", "pictures"), 0);
}

Test(video, refuses_what_cannot_be_filmed_in_one_line) {
    static const struct {
        const char *arguments[6];
        int code;
        const char *message;
    } cases[] = {
        {{"--video", "a.avi"}, 2, "--video must end in .mp4, not 'a.avi'"},
        {{"--video", "none/a.mp4"}, 1, "cannot write none/a.mp4: No such file"},
        {{"--video", "run.mp4/a.mp4"}, 1, "cannot write run.mp4/a.mp4"},
        {{"--video", "a.mp4", "--width", "161"}, 2, "must be even for a video, as in 160 x 480"},
        {{"--video", "a.mp4", "--width", "1"}, 2, "--width must be a whole number from 16 to"},
        {{"--video", "a.mp4", "--camera", "tracks"}, 2, "InvertedPendulum-v5 has no camera"},
        {{"--video", "a.mp4", "--fps", "0"}, 2, "--fps must be auto or a number from 1 to 240"},
        {{"--camera", "free"}, 2, "--camera needs --video FILE.mp4 or --frames DIR"},
        {{"--width", "640"}, 2, "--width needs --video FILE.mp4 or --frames DIR"},
        {{"--json", "--height", "100"}, 2, "--height needs --video FILE.mp4 or --frames DIR"},
        {{"--fps", "auto"}, 2, "--fps needs --video FILE.mp4 or --frames DIR"},
        {{"--frames", "run"}, 2, "--frames needs a new folder or an empty one; run is"},
        {{"--frames", "run.mp4"}, 2, "--frames needs a new folder or an empty one; run.mp4 is"},
        {{"--frames", "none/pictures"}, 1, "cannot make the folder none/pictures"},
    };
    scratch_write("run.mp4", "a file");
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        const char *arguments[9] = {"eval", "run"};
        memcpy(arguments + 2, cases[i].arguments, sizeof cases[i].arguments);
        outcome o = run(arguments);
        skip_where_impossible(&o);
        expect_refusal(&o, cases[i].code, cases[i].message);
        expect_nothing_left();
    }
}

Test(video, says_that_a_task_without_mujoco_has_no_picture) {
    outcome trained = RUN("train", "Pendulum-v1", "--steps", "100", "--learning-starts", "90",
                          "--hidden", "16", "--eval-episodes", "1", "--out", "pendulum");
    expect_success(&trained);
    outcome o = RUN("eval", "pendulum", "--video", "a.mp4");
    expect_refusal(&o, 2, "Pendulum-v1 has no picture");
    o = RUN("view", "pendulum");
    expect_refusal(&o, 2, "Pendulum-v1 has no picture");
    expect_nothing_left();
    outcome_free(&trained);
}

Test(video, says_that_ffmpeg_is_missing) {
    outcome o = run_under(&(circumstances){.path = "/nowhere"},
                          ARGUMENTS("eval", "run", "--episodes", "1", "--video", "a.mp4"));
    skip_without_renderer(&o);
    expect_refusal(&o, 1, "install the package ffmpeg");
    expect_nothing_left();
}

// A stand-in for ffmpeg that fails, before it has read anything or at the end.
static void expect_ffmpegs_failure(const char *script, const char *message) {
    cr_assert_eq(mkdir("programs", 0777), 0);
    scratch_write("programs/ffmpeg", script);
    cr_assert_eq(chmod("programs/ffmpeg", 0755), 0);
    char path[TEXT_SIZE];
    snprintf(path, sizeof path, "%s/programs:/usr/bin:/bin", scratch_folder);
    outcome o = run_under(&(circumstances){.path = path},
                          ARGUMENTS("eval", "run", "--video", "a.mp4", "--max-steps", "2"));
    skip_without_renderer(&o);
    drop_progress(&o);
    expect_refusal(&o, 1, message);
    expect_nothing_left();
}

Test(video, hands_on_what_ffmpeg_complains_of) {
    expect_ffmpegs_failure("#!/bin/sh\necho 'Unknown encoder' >&2\nexit 1\n",
                           "ffmpeg could not make a.mp4: Unknown encoder");
}

Test(video, does_not_trust_an_ffmpeg_that_complains_and_ends_well) {
    expect_ffmpegs_failure("#!/bin/sh\ncat >/dev/null\necho 'Error writing trailer' >&2\n",
                           "ffmpeg could not make a.mp4: Error writing trailer");
}

// What ffmpeg does on a full disk is the test before. The limit leaves room for the files that
// clang's OpenMP keeps; a picture of this size has some 80,000 bytes.
Test(video, leaves_nothing_on_a_full_disk) {
    outcome o = run_under(&(circumstances){.max_file_size = 2048},
                          ARGUMENTS("eval", "run", "--episodes", "1", "--frames", "pictures"));
    skip_where_impossible(&o);
    if (strstr(o.err, "ThreadSanitizer") != NULL)
        cr_skip_test("the thread sanitizer itself writes more than a picture");
    drop_progress(&o);
    expect_refusal(&o, 1, "cannot write a picture for pictures");
    expect_nothing_left();
}

Test(video, leaves_nothing_when_it_is_stopped) {
    const pid_t child = start(&(circumstances){0}, "long",
                              ARGUMENTS("eval", "run", "--episodes", "100000", "--video", "a.mp4"));
    usleep(700000);
    kill(child, SIGINT);
    outcome o = finish(child, "long");
    skip_where_impossible(&o);
    cr_expect_eq(o.code, 128 + SIGINT);
    expect_nothing_left();
    outcome_free(&o);
}

Test(video, view_names_the_cameras_there_are) {
    outcome o = RUN("view", "run", "--camera", "tracks");
    expect_refusal(&o, 2, "InvertedPendulum-v5 has no camera \"tracks\"; there are track, ");
}

Test(video, view_says_that_there_is_no_display) {
    unsetenv("DISPLAY");
    unsetenv("WAYLAND_DISPLAY");
    outcome o = RUN("view", "run");
    expect_refusal(&o, 1, "--video FILE.mp4");
}
