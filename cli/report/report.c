// `millrace report`: a page about runs, in one file.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/embedded.h"
#include "base/text_stream.h"
#include "cli/command_line.h"
#include "cli/plot/gnuplot.h"
#include "cli/report/figure.h"
#include "cli/report/html.h"
#include "cli/report/page_files.h"
#include "cli/report/run_section.h"
#include "cli/report/scores.h"
#include "cli/report/video_data.h"

typedef struct {
    char out[MR_MAX_TEXT];
    char title[MR_MAX_TEXT];
    char group_by[MR_MAX_TEXT];
} report_options;

#define AT(field) offsetof(report_options, field)

static const mr_setting options[] = {
    {"out", MR_SETTING_OUT_FILE, AT(out), "report.html", 0, 0, "FILE.html", "where the page goes",
     false},
    {"title", MR_SETTING_TEXT, AT(title), "", 0, 0, "TEXT",
     "title of the page; default: the names of the tasks", false},
    {"group_by", MR_SETTING_TEXT, AT(group_by), "", 0, 0, "SETTING",
     "one curve for each value of a setting (several: with commas between)", false},
};

static const char evaluation_column[] = "eval/mean_reward";

/// A page while it is written.
typedef struct {
    FILE *html;
    const report_options *chosen;
    size_t n;
    const mr_run_data *runs; // [n]
    size_t *curve_of;        // [n] of the evaluations' curves
    mr_curve_list curves;    // of evaluations, over steps
} report;

// A number as people read it.
static void write_plain(const report *r, double number) {
    const char *format = fabs(number) >= 1000 ? "%.0f" : fabs(number) >= 10 ? "%.1f" : "%.3g";
    fprintf(r->html, format, number);
}

// ---- The tasks

static bool begins_task(const report *r, size_t k) {
    for (size_t i = 0; i < k; i++)
        if (strcmp(r->curves.curve[i].env, r->curves.curve[k].env) == 0)
            return false;
    return true;
}

static size_t count_tasks(const report *r) {
    size_t n = 0;
    for (size_t k = 0; k < r->curves.n; k++)
        n += begins_task(r, k);
    return n;
}

static void write_tasks(const report *r) {
    const char *comma = "";
    for (size_t k = 0; k < r->curves.n; k++) {
        if (!begins_task(r, k))
            continue;
        fputs(comma, r->html);
        mr_html_text(r->html, r->curves.curve[k].env);
        comma = ", ";
    }
}

static void write_title(const report *r) {
    if (r->chosen->title[0] != '\0')
        mr_html_text(r->html, r->chosen->title);
    else
        write_tasks(r);
}

// ---- Figures

static bool begins_colour(const report *r, size_t k) {
    for (size_t i = 0; i < k; i++)
        if (r->curves.curve[i].colour == r->curves.curve[k].colour)
            return false;
    return true;
}

// One entry a label. A click hides its curves.
static void write_legend(const report *r) {
    fputs("<ul class=\"legend\">\n", r->html);
    for (size_t k = 0; k < r->curves.n; k++) {
        const mr_curve *curve = &r->curves.curve[k];
        if (!begins_colour(r, k))
            continue;
        fprintf(r->html,
                "<li><button type=\"button\" aria-pressed=\"true\" data-colour=\"%zu\" "
                "style=\"--swatch: var(--c%zu)\">",
                curve->colour, curve->colour % MR_N_COLOURS);
        mr_html_text(r->html, curve->label);
        fputs("</button></li>\n", r->html);
    }
    fputs("</ul>\n", r->html);
}

// A figure of each task, of those that have the column. `*n_figures`: how many have been written.
static mr_status write_figures(const report *r, mr_x_axis x, const char *column, const char *title,
                               size_t *n_figures) {
    mr_status status;
    mr_curve_list list;
    const mr_curve_options wanted = {
        .x = x, .column = column, .group_by = r->chosen->group_by, .skips_missing = true};
    MR_TRY(mr_curves_make(r->n, r->runs, &wanted, NULL, &list));
    for (size_t k = 0; k < r->curves.n; k++) {
        const char *env = r->curves.curve[k].env;
        const bool has_several = count_tasks(r) > 1;
        const mr_figure figure = {.list = &list,
                                  .env = env,
                                  .x = x,
                                  .title = title != NULL ? title : env,
                                  .subtitle = title != NULL && has_several ? env : ""};
        if (!begins_task(r, k) || !mr_figure_has_curves(&figure))
            continue;
        MR_TRY(mr_figure_write(&figure, r->html));
        (*n_figures)++;
    }
done:
    mr_curve_list_free(&list);
    return status;
}

static mr_status write_evaluations(const report *r) {
    static const char *const names[] = {"steps", "time", "updates"};
    mr_status status = MR_OK;
    fputs("<section id=\"evaluations\">\n<h2>Return in evaluations</h2>\n"
          "<p class=\"quiet\">A curve is the mean of its runs, in a band from the lowest to the "
          "highest, as far as all of them go.</p>\n<div class=\"choices\">\n",
          r->html);
    for (size_t i = 0; i < MR_COUNT(names); i++)
        fprintf(r->html,
                "<button type=\"button\" aria-pressed=\"%s\" data-shows=\"by-%s\">by %s</button>\n",
                i == 0 ? "true" : "false", names[i], names[i]);
    fputs("</div>\n", r->html);
    write_legend(r);
    for (size_t i = 0; i < MR_COUNT(names); i++) {
        size_t n_figures = 0;
        fprintf(r->html, "<div class=\"figures\" id=\"by-%s\"%s>\n", names[i],
                i > 0 ? " hidden" : "");
        MR_TRY(write_figures(r, mr_x_axis_of(names[i]), evaluation_column, NULL, &n_figures));
        if (n_figures == 0)
            fputs("<p>There are no two evaluations to draw yet.</p>\n", r->html);
        fputs("</div>\n", r->html);
    }
    fputs("</section>\n", r->html);
done:
    return status;
}

/// Columns of progress.csv in a section.
typedef struct {
    const char *title, *text, *prefix;
    const char *without; // columns that begin so are left out; NULL: none
    bool is_folded;
} column_section;

static const column_section sections[] = {
    {"Reward terms",
     "Each is added up over an episode, so that they add up to the return; means over the training "
     "episodes between two rows.",
     "rollout/reward", NULL, false},
    {"Training episodes",
     "Return and length over the last 100 episodes, and the other infos of the task.", "rollout/",
     "rollout/reward", true},
    {"Updates", "Means over the updates between two rows.", "train/", "train/n_updates", true},
    {"Exploration bonus", "", "bonus/", NULL, true},
};

static bool begins(const char *text, const char *prefix) {
    return prefix != NULL && strncmp(text, prefix, strlen(prefix)) == 0;
}

// Whether an earlier run has the column, too.
static bool is_known(const report *r, size_t run, const char *name) {
    for (size_t i = 0; i < run; i++)
        if (mr_run_table_column(&r->runs[i].progress, name) != MR_NO_COLUMN)
            return true;
    return false;
}

static mr_status write_columns(const report *r, const column_section *s, size_t *n_figures) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < r->n; i++)
        for (size_t j = 0; j < r->runs[i].progress.n_columns; j++) {
            const char *name = r->runs[i].progress.names[j];
            if (begins(name, s->prefix) && !begins(name, s->without) && !is_known(r, i, name))
                MR_TRY(write_figures(r, MR_X_STEPS, name, strchr(name, '/') + 1, n_figures));
        }
done:
    return status;
}

// A section without figures is left out.
static mr_status write_section(report *r, const column_section *s) {
    mr_status status;
    size_t n_figures = 0;
    FILE *page = r->html;
    mr_text_stream part;
    MR_TRY(mr_text_stream_open("the page", &part));
    r->html = part.file;
    status = write_columns(r, s, &n_figures);
    r->html = page;
    MR_TRY(mr_text_stream_close(&part, status));
    if (n_figures > 0) {
        fprintf(page,
                s->is_folded ? "<details><summary>%s</summary><div>\n<p class=\"quiet\">%s"
                               "</p>\n"
                             : "<h2>%s</h2>\n<p class=\"quiet\">%s</p>\n",
                s->title, s->text);
        write_legend(r);
        fprintf(page, "<div class=\"figures\">\n%s</div>\n%s", part.text,
                s->is_folded ? "</div></details>\n" : "");
    }
    free(part.text);
done:
    return status;
}

// ---- The table of scores

// Narrow pages show a row as a list, with the columns' names before the cells.
static const char *const score_columns[] = {
    "task", "settings", "runs", "step", "interquartile mean", "95 % interval", "best evaluation"};

static void begin_cell(const report *r, size_t column) {
    fprintf(r->html, "<td class=\"%s\" data-label=\"%s\">", column < 2 ? "name" : "number",
            score_columns[column]);
}

static void write_text_cell(const report *r, size_t column, const char *text) {
    begin_cell(r, column);
    mr_html_text(r->html, text);
    fputs("</td>", r->html);
}

static void write_number_cell(const report *r, size_t column, double number) {
    begin_cell(r, column);
    write_plain(r, number);
    fputs("</td>", r->html);
}

static void write_interval_cell(const report *r, size_t column, const mr_scores *scores) {
    begin_cell(r, column);
    if (scores->n_samples > 1) {
        fputs("<span>", r->html);
        write_plain(r, scores->interval.low);
        fputs(" to ", r->html);
        write_plain(r, scores->interval.high);
        fprintf(r->html, " <span class=\"quiet\">(%zu %s)</span></span>", scores->n_samples,
                scores->n_runs > 1 ? "runs" : "episodes");
    } else {
        fputs("–", r->html);
    }
    fputs("</td>", r->html);
}

static void write_scores_row(const report *r, const mr_curve *curve, const mr_scores *scores) {
    fputs("<tr>", r->html);
    write_text_cell(r, 0, curve->env);
    write_text_cell(r, 1, curve->label);
    if (scores->n_runs == 0) {
        fputs("<td colspan=\"5\" class=\"quiet\">not evaluated yet</td></tr>\n", r->html);
        return;
    }
    begin_cell(r, 2);
    fprintf(r->html, "%zu</td>", scores->n_runs);
    begin_cell(r, 3);
    fprintf(r->html, "%.0f</td>", scores->step);
    write_number_cell(r, 4, scores->mean);
    write_interval_cell(r, 5, scores);
    write_number_cell(r, 6, scores->best);
    fputs("</tr>\n", r->html);
}

static mr_status write_scores(const report *r) {
    mr_status status = MR_OK;
    fputs("<h2>Evaluations</h2>\n<p class=\"quiet\">Interquartile means of the runs’ mean returns, "
          "at the last evaluation that all runs of a row have, with 95&nbsp;% intervals by "
          "bootstrap (Agarwal et al. 2021). A single run has its mean return, with an interval "
          "over its episodes.</p>\n<table id=\"scores\">\n<tr>",
          r->html);
    for (size_t i = 0; i < MR_COUNT(score_columns); i++)
        fprintf(r->html, "<th%s>%s</th>", i < 2 ? "" : " class=\"number\"", score_columns[i]);
    fputs("</tr>\n", r->html);
    for (size_t k = 0; k < r->curves.n; k++) {
        mr_scores scores;
        MR_TRY(mr_scores_measure(k, r->n, r->runs, r->curve_of, &scores));
        write_scores_row(r, &r->curves.curve[k], &scores);
    }
    fputs("</table>\n", r->html);
done:
    return status;
}

// ---- Videos

static mr_status write_videos(report *r) {
    size_t n_videos = 0;
    mr_text_stream part;
    mr_status status = mr_text_stream_open("the page", &part);
    if (status != MR_OK)
        return status;
    for (size_t i = 0; i < r->n && status == MR_OK; i++)
        status = mr_report_write_videos(r->runs[i].dir, part.file, &n_videos);
    status = mr_text_stream_close(&part, status);
    if (status != MR_OK)
        return status;
    if (n_videos > 0)
        fprintf(r->html, "<h2>Videos</h2>\n%s", part.text);
    free(part.text);
    return MR_OK;
}

// ---- The page

static void write_file(const report *r, const char *name) {
    for (size_t i = 0; i < mr_n_page_files; i++)
        if (strcmp(mr_page_files[i].name, name) == 0)
            fputs((const char *)mr_page_files[i].bytes, r->html);
}

static void write_head(const report *r) {
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
          r->html);
    write_title(r);
    fputs("</title>\n<style>\n", r->html);
    write_file(r, "style.css");
    fputs("</style>\n</head>\n<body>\n<header>\n<h1>", r->html);
    write_title(r);
    fprintf(r->html, "</h1>\n<p class=\"quiet\">%zu run%s of ", r->n, r->n == 1 ? "" : "s");
    write_tasks(r);
    fputs(". Made by millrace " MR_VERSION "; figures by gnuplot.</p>\n</header>\n<main>\n",
          r->html);
}

static mr_status write_page(report *r) {
    mr_status status;
    write_head(r);
    MR_TRY(write_scores(r));
    MR_TRY(write_evaluations(r));
    MR_TRY(write_videos(r));
    for (size_t i = 0; i < MR_COUNT(sections); i++)
        MR_TRY(write_section(r, &sections[i]));
    fputs("<h2>Runs</h2>\n", r->html);
    for (size_t i = 0; i < r->n; i++)
        MR_TRY(mr_report_write_run(&r->runs[i], r->html));
    fputs("</main>\n<script>\n", r->html);
    write_file(r, "script.js");
    fputs("</script>\n</body>\n</html>\n", r->html);
done:
    return status;
}

static mr_status make_page(report *r) {
    mr_status status;
    mr_text_stream page;
    const mr_curve_options wanted = {.x = MR_X_STEPS,
                                     .column = evaluation_column,
                                     .group_by = r->chosen->group_by,
                                     .skips_missing = true};
    MR_TRY(mr_curves_make(r->n, r->runs, &wanted, r->curve_of, &r->curves));
    MR_TRY(mr_text_stream_open("the page", &page));
    r->html = page.file;
    status = mr_text_stream_save(&page, write_page(r), r->chosen->out);
done:
    mr_curve_list_free(&r->curves);
    return status;
}

static mr_status report_runs(const mr_run_list *list, const report_options *chosen) {
    mr_status status;
    mr_run_data *runs = NULL;
    report r = {.chosen = chosen, .n = list->n, .curve_of = calloc(list->n, sizeof *r.curve_of)};
    MR_TRY(r.curve_of != NULL ? MR_OK : mr_fail_memory("the page"));
    MR_TRY(mr_run_list_read(list, &runs));
    r.runs = runs;
    status = make_page(&r);
done:
    mr_run_list_free_data(list, runs);
    free(r.curve_of);
    return status;
}

static mr_status check_name(const char *path) {
    const char *dot = strrchr(path, '.');
    if (dot == NULL || (strcmp(dot, ".html") != 0 && strcmp(dot, ".htm") != 0))
        return mr_fail(MR_ERR_USAGE, "--out must end in .html, not '%s'", path);
    return MR_OK;
}

static mr_status run_report(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    mr_status status;
    report_options chosen;
    mr_run_list list = {0};
    MR_TRY(mr_command_line_store(&mr_command_report, line, &chosen));
    MR_TRY(check_name(chosen.out));
    MR_TRY(mr_run_list_find(line->n_arguments, line->arguments, &list));
    MR_TRY(report_runs(&list, &chosen));
    printf("%s\n", chosen.out);
done:
    mr_run_list_free(&list);
    return status;
}

const mr_command mr_command_report = {
    .name = "report",
    .usage = "RUN_DIR... [options]",
    .summary = "make a page about runs: curves, evaluations, settings, videos",
    .details = "Makes a page in one file that needs no network: evaluations with intervals,\n"
               "curves, the terms of the reward, videos (.mp4 files in a run's directory), and\n"
               "for each run its settings, versions and the command that makes it again. A\n"
               "folder stands for the runs in it. Curves are grouped as in `millrace plot`.\n"
               "Needs gnuplot.",
    .min_arguments = 1,
    .max_arguments = SIZE_MAX,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_report,
};
