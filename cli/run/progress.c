// The progress line of training.

#include "cli/run/progress.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"

static const double smoothing_time = 10.0; // s, over which the speed is averaged

// A line that grows by whole pieces, as long as they fit.
typedef struct {
    char text[MR_LIVE_LINE_SIZE];
    size_t length;
    size_t width;
} text_line;

__attribute__((format(printf, 2, 3))) static void line_add(text_line *l, const char *format, ...) {
    char piece[MR_LIVE_LINE_SIZE];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    const size_t n_space = l->length > 0 ? 2 : 0;
    if (n < 0 || l->length + n_space + (size_t)n > l->width) {
        l->width = l->length; // what comes later is less important
        return;
    }
    l->length += (size_t)snprintf(l->text + l->length, sizeof l->text - l->length, "%s%s",
                                  n_space > 0 ? "  " : "", piece);
}

// 0:07, 12:34, 1:02:03
static void format_duration(double seconds, char *text, size_t size) {
    const long long total = (long long)ceil(seconds);
    const int hours = (int)(total / 3600), minutes = (int)(total / 60 % 60);
    const int rest = (int)(total % 60);
    if (hours > 0)
        snprintf(text, size, "%d:%02d:%02d", hours, minutes, rest);
    else
        snprintf(text, size, "%d:%02d", minutes, rest);
}

// Whether the steps so far tell how long the others will take: random actions without updates are a
// hundred times faster than what follows.
static bool has_settled(const mr_progress *progress) {
    return progress->has_updates ||
           progress->settings->learning_starts >= progress->settings->steps;
}

static void compose(const mr_progress *progress, const mr_metrics *now, text_line *l) {
    const double steps = (double)progress->settings->steps;
    line_add(l, "%.0f/%.0f steps", now->total_timesteps, steps);
    line_add(l, "%.1f%%", 100 * now->total_timesteps / steps);
    if (progress->seconds_per_step > 0)
        line_add(l, "%.0f steps/s", 1 / progress->seconds_per_step);
    if (!has_settled(progress))
        line_add(l, "%s until step %zu",
                 progress->settings->from[0] == '\0' ? "random actions" : "no updates",
                 progress->settings->learning_starts);
    else if (progress->seconds_per_step > 0) {
        char eta[32];
        format_duration((steps - now->total_timesteps) * progress->seconds_per_step, eta,
                        sizeof eta);
        line_add(l, "ETA %s", eta);
    }
    if (!isnan(now->ep_rew_last))
        line_add(l, "return %.1f", now->ep_rew_last);
    if (!isnan(now->eval_mean_reward))
        line_add(l, "evaluated %.1f", now->eval_mean_reward);
    const mr_agent_ops *agent = mr_agent_find(progress->settings->agent);
    for (size_t i = 0; i < agent->n_metrics; i++)
        if (agent->metrics[i].brief && !isnan(now->agent[i]))
            line_add(l, "%s %.4f", agent->metrics[i].brief, now->agent[i]);
}

// Averages the time a step takes, not the steps a second: the few slow seconds of learning soon
// outweigh the many quick steps before it.
static void measure(mr_progress *progress, const mr_metrics *now, double elapsed) {
    const double n_steps = now->total_timesteps - progress->drawn_step;
    if (n_steps <= 0)
        return;
    const double latest = elapsed / n_steps;
    const double weight = progress->seconds_per_step > 0 ? 1 - exp(-elapsed / smoothing_time) : 1;
    progress->seconds_per_step += weight * (latest - progress->seconds_per_step);
}

void mr_progress_begin(mr_progress *progress, const mr_settings *settings) {
    *progress = (mr_progress){.settings = settings};
    mr_live_line_begin(&progress->line);
}

void mr_progress_step(mr_progress *progress, const mr_metrics *now) {
    const double time_s = mr_clock_s();
    if (now->n_updates > 0 && !progress->has_updates) { // the speed is measured anew from here
        progress->has_updates = true;
        progress->seconds_per_step = 0;
        progress->line.drawn_s = time_s;
        progress->drawn_step = now->total_timesteps;
    }
    if (!mr_live_line_is_due(&progress->line))
        return;
    measure(progress, now, time_s - progress->line.drawn_s);
    progress->drawn_step = now->total_timesteps;

    text_line l = {.width = mr_live_line_width(&progress->line)};
    compose(progress, now, &l);
    mr_live_line_draw(&progress->line, "%s", l.text);
}

void mr_progress_evaluation(mr_progress *progress, const mr_metrics *now, bool best) {
    mr_progress_clear(progress);
    printf("step %.0f: mean return %.2f ± %.2f over %zu episodes, mean length %.1f%s\n",
           now->total_timesteps, now->eval_mean_reward, now->eval_std_reward,
           progress->settings->eval_episodes, now->eval_mean_ep_length,
           best ? ", the best so far" : "");
    fflush(stdout);
}

void mr_progress_clear(const mr_progress *progress) {
    mr_live_line_clear(&progress->line);
}
