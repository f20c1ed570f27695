// `millrace status`: a table of runs, what they have reached and how long they still take.

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json_memory.h"
#include "cli/command_line.h"
#include "cli/print_json.h"
#include "cli/runs/run_data.h"
#include "cli/stopping.h"

typedef struct {
    bool watch;
    bool json;
} status_options;

#define AT(field) offsetof(status_options, field)

static const mr_setting options[] = {
    {"watch", MR_SETTING_SWITCH, AT(watch), "false", 0, 0, NULL,
     "show the table again every two seconds, until Ctrl-C", false},
    {"json", MR_SETTING_SWITCH, AT(json), "false", 0, 0, NULL,
     "print a JSON array with an object for each run", false},
};

static char *default_folder = (char[]){"runs"};

enum {
    N_ROWS_OF_SPEED = 10, // rows of progress.csv that the speed is measured over
    CELL_SIZE = 32,
    MAX_CELLS = 8,
};

/// What is shown of a run. NaN: not known.
typedef struct {
    double steps, total_steps;
    double best, last; // mean returns of evaluations
    double training;   // return of the last training episode
    double speed;      // steps/s
    double eta_s;
} summary;

// ---- Measuring

static double number_at(const mr_run_table *table, size_t row, int column) {
    double number;
    if (column == MR_NO_COLUMN || mr_run_table_number(table, row, (size_t)column, &number) != MR_OK)
        return NAN;
    return number;
}

// Steps a second over the latest rows: random actions, with which a run begins, take less time.
static double speed_of(const mr_run_table *progress) {
    const int steps = mr_run_table_column(progress, "time/total_timesteps");
    const int seconds = mr_run_table_column(progress, "time/time_elapsed");
    const size_t n = progress->n_rows;
    if (n == 0)
        return NAN;
    const double last_step = number_at(progress, n - 1, steps);
    const double last_s = number_at(progress, n - 1, seconds);
    if (n == 1)
        return last_step / last_s;
    const size_t first = n > N_ROWS_OF_SPEED ? n - 1 - N_ROWS_OF_SPEED : 0;
    return (last_step - number_at(progress, first, steps)) /
           (last_s - number_at(progress, first, seconds));
}

static double best_of(const mr_run_table *evaluations) {
    const int column = mr_run_table_column(evaluations, "eval/mean_reward");
    double best = NAN;
    for (size_t i = 0; i < evaluations->n_rows; i++)
        best = fmax(best, number_at(evaluations, i, column)); // fmax ignores NaN
    return best;
}

static summary summarise(const mr_run_data *run) {
    summary s = {.steps = mr_run_data_steps(run),
                 .total_steps = (double)run->settings.steps,
                 .best = best_of(&run->evaluations),
                 .last = mr_run_table_last(&run->evaluations, "eval/mean_reward"),
                 .training = mr_run_table_last(&run->progress, "rollout/ep_rew_last"),
                 .speed = speed_of(&run->progress),
                 .eta_s = NAN};
    if (!(s.speed > 0) || !isfinite(s.speed))
        s.speed = NAN;
    if (run->process.state == MR_RUN_TRAINING)
        s.eta_s = fmax(0, s.total_steps - s.steps) / s.speed;
    return s;
}

// ---- The table

static const char *const titles[MAX_CELLS] = {"run",  "state",    "steps",   "best",
                                              "last", "training", "steps/s", "ETA"};

static void write_number(char text[CELL_SIZE], const char *format, double number) {
    if (isnan(number))
        snprintf(text, CELL_SIZE, "-");
    else
        snprintf(text, CELL_SIZE, format, number);
}

static void write_duration(char text[CELL_SIZE], double seconds) {
    if (!(seconds < 1e7)) {
        snprintf(text, CELL_SIZE, "-");
        return;
    }
    const long s = lround(seconds);
    if (s >= 3600)
        snprintf(text, CELL_SIZE, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, CELL_SIZE, "%ld:%02ld", s / 60, s % 60);
}

static void write_cells(const mr_run_data *run, char cells[MAX_CELLS][CELL_SIZE]) {
    const summary s = summarise(run);
    size_t i = 1; // after the run's name
    snprintf(cells[i++], CELL_SIZE, "%s", mr_run_state_name(run->process.state));
    snprintf(cells[i++], CELL_SIZE, "%.0f/%.0f %3.0f%%", s.steps, s.total_steps,
             100 * s.steps / s.total_steps);
    write_number(cells[i++], "%.2f", s.best);
    write_number(cells[i++], "%.2f", s.last);
    write_number(cells[i++], "%.2f", s.training);
    write_number(cells[i++], s.speed < 10 ? "%.1f" : "%.0f", s.speed);
    write_duration(cells[i], s.eta_s);
}

// A run that can't be read has a message in the place of its cells.
typedef struct {
    mr_run_data data;
    mr_status status;
    char message[1024];
    char cells[MAX_CELLS][CELL_SIZE];
} run_row;

static void print_cells(const char *name, int name_width, const int width[MAX_CELLS],
                        const char *const cells[MAX_CELLS]) {
    printf("%-*s", name_width, name);
    for (size_t i = 1; i < MAX_CELLS; i++)
        printf(i == 1 ? "  %-*s" : "  %*s", width[i], cells[i]);
    putchar('\n');
}

static int larger(int a, size_t b) {
    return (size_t)a > b ? a : (int)b;
}

static void print_notes(const run_row *row, const char *path) {
    if (row->status != MR_OK)
        fprintf(stderr, "millrace status: %s\n", row->message);
    else if (row->data.process.state == MR_RUN_FAILED && row->data.process.message[0] != '\0')
        printf("%s failed: %s\n", path, row->data.process.message);
}

static void print_table(const mr_run_list *list, const run_row *rows) {
    int name_width = (int)strlen(titles[0]), width[MAX_CELLS];
    for (size_t k = 0; k < MAX_CELLS; k++)
        width[k] = (int)strlen(titles[k]);
    for (size_t i = 0; i < list->n; i++) {
        name_width = larger(name_width, strlen(list->path[i]));
        for (size_t k = 1; k < MAX_CELLS; k++)
            width[k] = larger(width[k], strlen(rows[i].cells[k]));
    }
    print_cells(titles[0], name_width, width, titles);
    for (size_t i = 0; i < list->n; i++) {
        const char *cells[MAX_CELLS];
        for (size_t k = 0; k < MAX_CELLS; k++)
            cells[k] = rows[i].cells[k];
        if (rows[i].status == MR_OK)
            print_cells(list->path[i], name_width, width, cells);
    }
    for (size_t i = 0; i < list->n; i++)
        print_notes(&rows[i], list->path[i]);
}

// ---- JSON

static json_t *number_or_null(double number) {
    return isfinite(number) ? json_real(number) : json_null();
}

static json_t *object_of(const mr_run_data *run) {
    const summary s = summarise(run);
    const mr_run_process *process = &run->process;
    return json_pack("{s:o, s:o, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o}", "run",
                     mr_json_text(run->dir), "env", mr_json_text(run->settings.env), "state",
                     mr_run_state_name(process->state), "steps", (json_int_t)s.steps, "total_steps",
                     (json_int_t)s.total_steps, "best_return", number_or_null(s.best),
                     "last_return", number_or_null(s.last), "training_return",
                     number_or_null(s.training), "steps_per_second", number_or_null(s.speed),
                     "eta_seconds", number_or_null(s.eta_s), "host", mr_json_text(process->host),
                     "pid", (json_int_t)process->pid, "message", mr_json_text(process->message));
}

static mr_status print_json(const mr_run_list *list, const run_row *rows) {
    mr_json_watch();
    json_t *array = json_array();
    for (size_t i = 0; i < list->n; i++)
        if (rows[i].status == MR_OK)
            json_array_append_new(array, object_of(&rows[i].data));
        else
            fprintf(stderr, "millrace status: %s\n", rows[i].message);
    return mr_print_json(array);
}

// ---- The command

static void read_row(const char *path, run_row *row) {
    row->status = mr_run_data_read(path, &row->data);
    if (row->status != MR_OK)
        snprintf(row->message, sizeof row->message, "%s", mr_error_message());
    else
        write_cells(&row->data, row->cells);
}

// Without arguments there may be no run yet.
static mr_status find_runs(const mr_command_line *line, mr_run_list *list) {
    if (line->n_arguments > 0)
        return mr_run_list_find(line->n_arguments, line->arguments, list);
    if (access(default_folder, F_OK) == 0)
        return mr_run_list_find(1, &default_folder, list);
    *list = (mr_run_list){0};
    return mr_fail(MR_ERR_INPUT, "there is no folder %s here; name the runs", default_folder);
}

// Shows all runs once. `*n_unread`: those that could not be read.
static mr_status show(const mr_command_line *line, const status_options *chosen, bool is_live,
                      size_t *n_unread) {
    mr_status status;
    mr_run_list list;
    run_row *rows = NULL;
    *n_unread = 0;
    MR_TRY(find_runs(line, &list));
    rows = calloc(list.n, sizeof *rows);
    if (rows == NULL) {
        status = mr_fail_memory("a table of runs");
        goto done;
    }
    for (size_t i = 0; i < list.n; i++) {
        read_row(list.path[i], &rows[i]);
        *n_unread += rows[i].status != MR_OK;
    }
    if (is_live)
        fputs("\033[H\033[J", stdout); // to the upper left corner, and clears what follows
    if (chosen->json)
        status = print_json(&list, rows);
    else
        print_table(&list, rows);
done:
    for (size_t i = 0; rows != NULL && i < list.n; i++)
        mr_run_data_free(&rows[i].data);
    free(rows);
    mr_run_list_free(&list);
    return status;
}

static mr_status watch(const mr_command_line *line, const status_options *chosen) {
    static const struct timespec pause = {.tv_sec = 2};
    const volatile sig_atomic_t *stop = mr_stop_on_signals();
    const bool is_live = isatty(STDOUT_FILENO) == 1;
    while (!*stop) {
        size_t n_unread;
        const mr_status status = show(line, chosen, is_live, &n_unread);
        if (status != MR_OK)
            return status;
        fflush(stdout);
        nanosleep(&pause, NULL); // a signal ends it
        if (!is_live && !*stop)
            putchar('\n');
    }
    return MR_OK;
}

static mr_status run_status(const mr_command_line *line, int *exit_code) {
    mr_status status;
    status_options chosen;
    size_t n_unread = 0;
    MR_TRY(mr_command_line_store(&mr_command_status, line, &chosen));
    if (chosen.watch && chosen.json)
        return mr_fail(MR_ERR_USAGE, "--watch and --json exclude each other; give one of them");
    if (chosen.watch) {
        status = watch(line, &chosen);
        *exit_code = mr_stop_exit_code();
    } else {
        status = show(line, &chosen, false, &n_unread);
        *exit_code = n_unread > 0;
    }
done:
    return status;
}

const mr_command mr_command_status = {
    .name = "status",
    .usage = "[RUN_DIR...] [options]",
    .summary = "show which runs train, what they have reached and how long they take",
    .details = "Shows a table of runs: those that are named, those in the folders that are\n"
               "named, or those in runs/. A run is in training, finished (all of its steps are\n"
               "done), interrupted (stopped or killed before; `millrace train --resume` goes on\n"
               "with it) or failed. Returns: of the best and of the last evaluation, and of the\n"
               "last training episode. The speed is that of the last ten rows of progress.csv.\n"
               "The lock that a trainer holds tells whether a run trains. If it trains on\n"
               "another host and the file system does not show locks of other hosts, files that\n"
               "are younger than 15 minutes tell it.",
    .max_arguments = SIZE_MAX,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_status,
};
