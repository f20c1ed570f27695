#include "cli/plot/curves.h"

#include <sys/stat.h>

#include "tests/scratch.h"

TestSuite(curves, .init = scratch_enter, .fini = scratch_leave);

static mr_run_data runs[4];
static size_t n_runs;

// `settings`: further lines of its config.yaml.
static void add_run(const char *settings, const char *progress, const char *evaluations) {
    char dir[16], path[64], text[1024];
    snprintf(dir, sizeof dir, "run%zu", n_runs);
    mkdir(dir, 0777);
    snprintf(path, sizeof path, "%s/config.yaml", dir);
    snprintf(text, sizeof text, "env: Some-v0\n%s", settings);
    scratch_write(path, text);
    snprintf(path, sizeof path, "%s/progress.csv", dir);
    snprintf(text, sizeof text,
             "time/total_timesteps,time/time_elapsed,train/n_updates,train/q_mean\n%s", progress);
    scratch_write(path, text);
    snprintf(path, sizeof path, "%s/evaluations.csv", dir);
    snprintf(text, sizeof text, "time/total_timesteps,eval/mean_reward\n%s", evaluations);
    scratch_write(path, text);
    cr_assert_eq(mr_run_data_read(dir, &runs[n_runs]), MR_OK, "%s", mr_error_message());
    n_runs++;
}

static mr_status make(mr_x_axis x, const char *column, mr_curve_list *list) {
    const mr_curve_options options = {.x = x, .column = column, .group_by = ""};
    return mr_curves_make(n_runs, runs, &options, NULL, list);
}

static void expect_curve(const mr_curve *curve, size_t n, const mr_curve_point *points) {
    cr_assert_eq(curve->n, n, "%zu points of %s, not %zu", curve->n, curve->name, n);
    for (size_t i = 0; i < n; i++) {
        const mr_curve_point *a = &curve->at[i], *b = &points[i];
        cr_expect(a->x == b->x && a->mean == b->mean && a->low == b->low && a->high == b->high,
                  "point %zu is %g: %g, %g to %g", i, a->x, a->mean, a->low, a->high);
    }
}

// Three runs begin at 1000, 2000 and 1000 and end at 4000, 3000 and 9000: between 2000 and 3000
// there are three of them, and nowhere else.
Test(curves, go_as_far_as_all_runs_at_both_ends) {
    mr_curve_list list;
    add_run("seed: 1", "", "1000,10\n2000,20\n4000,40\n");
    add_run("seed: 2", "", "2000,2\n2500,4\n3000,6\n");
    add_run("seed: 3\nsteps: 9000", "", "1000,100\n9000,900\n");
    cr_assert_eq(make(MR_X_STEPS, "eval/mean_reward", &list), MR_OK, "%s", mr_error_message());
    cr_assert_eq(list.n, 1);
    cr_expect_str_eq(list.curve[0].name,
                     "real_nvp (3 runs, up to step 3000, the last that all have reached)");
    expect_curve(&list.curve[0], 3,
                 (const mr_curve_point[]){{2000, (20 + 2 + 200) / 3.0, 2, 200},
                                          {2500, (25 + 4 + 250) / 3.0, 4, 250},
                                          {3000, (30 + 6 + 300) / 3.0, 6, 300}});
    mr_curve_list_free(&list);
}

// An empty cell at the end is no value: the curve ends before it.
Test(curves, leave_out_empty_cells) {
    mr_curve_list list;
    add_run("seed: 1", "1000,1,0,\n2000,2,10,4\n3000,3,20,6\n", "");
    add_run("seed: 2", "1000,1,0,\n2000,2,10,2\n3000,3,20,\n", "");
    cr_assert_eq(make(MR_X_STEPS, "train/q_mean", &list), MR_OK, "%s", mr_error_message());
    expect_curve(&list.curve[0], 1, (const mr_curve_point[]){{2000, 3, 2, 4}});
    mr_curve_list_free(&list);
}

// Rows are at 10 and 30 s: an evaluation at step 1500 is at 20 s, one at 500 at 5 s, and when
// that at 2500 was is not known yet.
Test(curves, find_the_time_of_an_evaluation_between_rows) {
    mr_curve_list list;
    add_run("", "1000,10,0,1\n2000,30,800,1\n", "500,1\n1000,2\n1500,3\n2000,4\n2500,5\n");
    cr_assert_eq(make(MR_X_TIME, "eval/mean_reward", &list), MR_OK, "%s", mr_error_message());
    expect_curve(
        &list.curve[0], 4,
        (const mr_curve_point[]){{5, 1, 1, 1}, {10, 2, 2, 2}, {20, 3, 3, 3}, {30, 4, 4, 4}});
    mr_curve_list_free(&list);
}

// Of rows without an update between them the last one counts.
Test(curves, have_one_point_for_each_number_of_updates) {
    mr_curve_list list;
    add_run("", "1000,1,0,5\n2000,2,0,6\n3000,3,1000,7\n", "");
    cr_assert_eq(make(MR_X_UPDATES, "train/q_mean", &list), MR_OK, "%s", mr_error_message());
    expect_curve(&list.curve[0], 2, (const mr_curve_point[]){{0, 6, 6, 6}, {1000, 7, 7, 7}});
    mr_curve_list_free(&list);
}

Test(curves, of_one_label_have_one_colour_on_all_tasks) {
    mr_curve_list list;
    add_run("policy: gaussian", "", "1,1\n");
    add_run("policy: real_nvp", "", "1,1\n");
    add_run("policy: real_nvp", "", "1,1\n");
    runs[2].settings.env[0] = 'O'; // another task
    cr_assert_eq(make(MR_X_STEPS, "eval/mean_reward", &list), MR_OK, "%s", mr_error_message());
    cr_assert_eq(list.n, 3);
    cr_expect_eq(list.curve[0].colour, 0);
    cr_expect_eq(list.curve[1].colour, 1);
    cr_expect_eq(list.curve[2].colour, 1);
    cr_expect_str_eq(list.curve[2].name, "real_nvp");
    mr_curve_list_free(&list);
}
