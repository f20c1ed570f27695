#include "cli/run/progress.h"

#include <math.h>
#include <time.h>

#include "tests/scratch.h"

TestSuite(progress, .init = scratch_enter, .fini = scratch_leave);

enum { PAUSE_MS = 60 };

// Goes on with some steps, each so long, and returns the line that they leave, to be freed.
static char *draw(mr_progress *progress, mr_metrics *now, int n_steps, double n_updates, int ms) {
    const struct timespec pause = {.tv_nsec = ms * 1000000L};
    cr_assert_not_null(freopen("line", "w", stderr));
    for (int i = 0; i < n_steps; i++) {
        nanosleep(&pause, NULL);
        now->total_timesteps++;
        now->n_updates += n_updates;
        mr_progress_step(progress, now);
    }
    fflush(stderr);
    return scratch_read("line");
}

// Of a terminal's line, what was drawn last.
static int last_eta_seconds(const char *text) {
    const char *eta = NULL;
    for (const char *at = text; (at = strstr(at, "ETA ")) != NULL; at++)
        eta = at + 4;
    int minutes = 0, seconds = 0;
    cr_assert(eta != NULL && sscanf(eta, "%d:%d", &minutes, &seconds) == 2, "%s", text);
    return 60 * minutes + seconds;
}

static mr_settings settings_of(size_t steps, size_t learning_starts) {
    mr_settings s;
    mr_settings_init(&s);
    s.steps = steps;
    s.learning_starts = learning_starts;
    return s;
}

static mr_progress begin_live(const mr_settings *settings) {
    mr_progress progress;
    mr_progress_begin(&progress, settings);
    progress.line.is_live = true; // a line every 0.1 s
    return progress;
}

static const mr_metrics nothing_yet = {
    .ep_rew_last = NAN, .eval_mean_reward = NAN, .agent = {NAN, NAN, NAN}};

Test(progress, has_no_eta_before_there_are_updates) {
    const mr_settings settings = settings_of(1000, 500);
    mr_progress progress = begin_live(&settings);
    mr_metrics now = nothing_yet;
    char *text = draw(&progress, &now, 200, 0, 1);
    scratch_expect_part(text, "/1000 steps");
    scratch_expect_part(text, "random actions until step 500");
    cr_expect_null(strstr(text, "ETA"), "%s", text);
    free(text);
}

// 200 quick steps would have the 790 others take a second or two.
Test(progress, takes_the_eta_from_steps_with_updates_alone) {
    const mr_settings settings = settings_of(1000, 200);
    mr_progress progress = begin_live(&settings);
    mr_metrics now = nothing_yet;
    free(draw(&progress, &now, 200, 0, 1));
    char *text = draw(&progress, &now, 10, 1, PAUSE_MS);
    cr_expect_geq(last_eta_seconds(text), 790 * PAUSE_MS / 1000, "%s", text);
    free(text);
}

Test(progress, of_a_run_without_updates_has_an_eta_too) {
    const mr_settings settings = settings_of(1000, 1000);
    mr_progress progress = begin_live(&settings);
    mr_metrics now = nothing_yet;
    char *text = draw(&progress, &now, 200, 0, 1);
    cr_expect_geq(last_eta_seconds(text), 0);
    free(text);
}
