// `millrace flow` on images, as a user runs it.

#include <glob.h>
#include <jansson.h>
#include <math.h>

#include "base/images.h"
#include "base/matrix_file.h"
#include "base/picture.h"
#include "tests/cli/command_runner.h"
#include "tests/event_reader.h"

enum { N = 60, SIDE = 4, DIM = SIDE * SIDE, SHOWN = 48 }; // shown: of a side, in a grid

#define DATA(name) MR_TEST_DATA "/images/" name

// Two classes: bright on the left, bright on the right.
static void enter(void) {
    unsigned char pixels[N * DIM];
    char labels[2 * N + 1];
    scratch_enter();
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < DIM; j++) {
            const bool is_left = j % SIDE < SIDE / 2;
            const size_t spread = (i * 37 + j * 11) % 40;
            pixels[i * DIM + j] = (unsigned char)((is_left == (i % 2 == 0) ? 180 : 20) + spread);
        }
        labels[2 * i] = i % 2 == 0 ? '3' : '8';
        labels[2 * i + 1] = '\n';
    }
    labels[2 * N] = '\0';
    cr_assert_eq(mr_images_write("x.npy", N, 1, SIDE, SIDE, pixels), MR_OK);
    cr_assert_eq(mr_picture_write("a.png", &(mr_picture){1, SIDE, SIDE, pixels, DIM}), MR_OK);
    cr_assert_eq(mr_picture_write("b.png", &(mr_picture){1, SIDE, SIDE, pixels + DIM, DIM}), MR_OK);
    scratch_write("labels.csv", labels);
    scratch_write("table.csv", "1,2\n3,4\n2,2\n5,1\n");
}

TestSuite(flow_images, .init = enter, .fini = scratch_leave);

#define FIT(...)                                                                                   \
    RUN("flow", "fit", "x.npy", "--flow", "maf:layers=2,hidden=16", "--epochs", "3", "--out",      \
        "m.safetensors", __VA_ARGS__)

static void fit_model(void) {
    outcome o = FIT("--bits", "8");
    expect_success(&o);
    scratch_expect_part(o.out, "60 of 4x4 pixels, grey, 8 bits a pixel");
    scratch_expect_part(o.out, "bits a dimension");
    outcome_free(&o);
}

static void fit_classes(void) {
    outcome o = FIT("--labels", "labels.csv");
    expect_success(&o);
    scratch_expect_part(o.out, "classes   3, 8");
    outcome_free(&o);
}

static json_t *parse(outcome *o) {
    expect_success(o);
    json_t *object = json_loads(o->out, 0, NULL);
    cr_assert_not_null(object, "no JSON: %s", o->out);
    outcome_free(o);
    return object;
}

static double number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    cr_assert(json_is_number(value), "%s is no number", key);
    return json_number_value(value);
}

Test(flow_images, fit_and_score_agree_in_bits) {
    outcome o = FIT("--json");
    json_t *fitted = parse(&o);
    o = RUN("flow", "score", "m.safetensors", "x.npy", "--out", "bits.csv", "--json");
    json_t *scored = parse(&o);
    const double held_out = number(fitted, "held_out_bits_per_dim");
    cr_expect_eq(number(scored, "held_out_bits_per_dim"), held_out);
    cr_expect_float_eq(number(scored, "bits_per_dim"), held_out, 1);
    mr_matrix rows = {0};
    cr_assert_eq(mr_matrix_read("bits.csv", &rows), MR_OK, "%s", mr_error_message());
    cr_assert_eq(rows.n_rows, N);
    cr_assert_eq(rows.n_cols, 3);
    double mean = 0;
    for (size_t i = 0; i < N; i++) {
        const double *row = rows.values + 3 * i;
        cr_expect_float_eq(row[1], -row[0] / (DIM * log(2)), 1e-9);
        cr_expect_float_eq(row[2], fabs(row[1] - held_out), 1e-9);
        mean += row[1] / N;
    }
    cr_expect_float_eq(number(scored, "bits_per_dim"), mean, 1e-9);
    mr_matrix_free(&rows);
    json_decref(fitted);
    json_decref(scored);
}

static void expect_shape(const char *path, size_t n, size_t height, size_t width) {
    mr_images images = {0};
    cr_assert_eq(mr_images_open(path, &(mr_images_options){0}, &images), MR_OK, "%s",
                 mr_error_message());
    cr_expect_eq(images.n, n, "%s", path);
    cr_expect_eq(images.height, height, "%s", path);
    cr_expect_eq(images.width, width, "%s", path);
    mr_images_free(&images);
}

Test(flow_images, samples_are_a_grid_or_an_array) {
    fit_model();
    outcome o = RUN("flow", "sample", "m.safetensors", "-n", "9", "--temperature", "0.7", "--out",
                    "grid.png");
    expect_success(&o);
    outcome_free(&o);
    expect_shape("grid.png", 1, 3 * (SHOWN + 1) - 1, 3 * (SHOWN + 1) - 1);
    o = RUN("flow", "sample", "m.safetensors", "--out", "s.npy");
    expect_success(&o);
    outcome_free(&o);
    expect_shape("s.npy", 64, SIDE, SIDE);
}

Test(flow_images, samples_of_a_class_are_of_that_class) {
    fit_classes();
    outcome o = RUN("flow", "sample", "m.safetensors", "--given", "8", "-n", "20", "--temperature",
                    "0.5", "--out", "s.npy");
    expect_success(&o);
    outcome_free(&o);
    expect_shape("s.npy", 20, SIDE, SIDE);
    o = RUN("flow", "sample", "m.safetensors", "-n", "6", "--out", "grid.png");
    expect_success(&o);
    outcome_free(&o);
    expect_shape("grid.png", 1, 3 * (SHOWN + 1) - 1,
                 2 * (SHOWN + 1) - 1); // a column for each class
    o = RUN("flow", "sample", "m.safetensors", "--given", "4", "--out", "s.npy");
    expect_refusal(&o, 2, "--given 4: the model has no such class; choose from 3, 8");
    o = RUN("flow", "interpolate", "m.safetensors", "a.png", "b.png");
    expect_refusal(&o, 2, "give the class of the images by --given");
}

Test(flow_images, noise_is_drawn_by_a_flow_on_request) {
    unsigned char pixels[N * DIM];
    double bits[2];
    // At the ends of the range a density varies most within a pixel.
    for (size_t i = 0; i < N * DIM; i++)
        pixels[i] = i * i % 7 < 3 ? 0 : 255;
    cr_assert_eq(mr_images_write("edges.npy", N, 1, SIDE, SIDE, pixels), MR_OK);
    outcome o =
        RUN("flow", "fit", "edges.npy", "--labels", "labels.csv", "--flow", "maf:layers=1,hidden=8",
            "--epochs", "2", "--out", "m.safetensors", "--dequantisation",
            "[coupling(affine, net=conv, hidden=4, mask=checkerboard)]*2", "--json");
    json_t *object = parse(&o);
    scratch_expect_part(json_string_value(json_object_get(object, "dequantisation")),
                        "[coupling(affine, net=conv, hidden=4, mask=checkerboard)]*2");
    json_decref(object);
    static const char *const n_samples[] = {"1", "20"};
    for (size_t k = 0; k < 2; k++) {
        o = RUN("flow", "score", "m.safetensors", "edges.npy", "--labels", "labels.csv",
                "--importance-samples", n_samples[k], "--json");
        object = parse(&o);
        bits[k] = json_number_value(json_object_get(object, "bits_per_dim"));
        json_decref(object);
    }
    cr_expect_lt(bits[1], bits[0]);
    o = RUN("flow", "interpolate", "m.safetensors", "a.png", "b.png", "--given", "3", "--out",
            "row.png");
    expect_success(&o);
    outcome_free(&o);
}

Test(flow_images, without_labels_a_class_conditional_model_scores_by_all_classes) {
    fit_classes();
    outcome o = RUN("flow", "score", "m.safetensors", "x.npy");
    expect_success(&o);
    scratch_expect_part(o.out, "not known: the mean density of all classes");
    outcome_free(&o);
    o = RUN("flow", "score", "m.safetensors", "x.npy", "--labels", "labels.csv");
    expect_success(&o);
    scratch_expect_part(o.out, "by the labels");
    outcome_free(&o);
}

Test(flow_images, interpolation_is_a_row) {
    fit_model();
    outcome o =
        RUN("flow", "interpolate", "m.safetensors", "a.png", "b.png", "-n", "5", "--out", "r.png");
    expect_success(&o);
    outcome_free(&o);
    expect_shape("r.png", 1, SHOWN, 5 * (SHOWN + 1) - 1);
}

Test(flow_images, a_log_has_scalars_and_samples_of_every_epoch) {
    outcome o = FIT("--log", "log");
    expect_success(&o);
    outcome_free(&o);
    for (size_t epoch = 1; epoch <= 3; epoch++) {
        char path[64];
        snprintf(path, sizeof path, "log/samples_%04zu.png", epoch);
        expect_shape(path, 1, 8 * (SHOWN + 1) - 1, 8 * (SHOWN + 1) - 1);
    }
    event_list list = event_read("log");
    cr_assert_eq(list.n, 3 * 4); // three scalars and a picture
    for (size_t i = 0; i < list.n; i++)
        cr_expect_eq(list.points[i].n_picture > 0, i % 4 == 3);
    free(list.points);
    glob_t files;
    o = FIT("--log", "log");
    expect_success(&o);
    outcome_free(&o);
    cr_assert_eq(glob("log/events.out.tfevents.*", 0, NULL, &files), 0);
    cr_expect_eq(files.gl_pathc, 2, "another fit has a file of its own");
    globfree(&files);
}

Test(flow_images, a_fit_that_was_stopped_goes_on_to_the_same_model) {
    outcome o = FIT("--flips", "--shifts", "1");
    expect_success(&o);
    outcome_free(&o);
    char *expected, *found;
    size_t n_expected, n_found;
    cr_assert_eq(mr_file_read("m.safetensors", &expected, &n_expected), MR_OK);
    // The checkpoint of a fit of fewer epochs is that of a stopped one, but for a schedule.
    const pid_t child =
        start(&(circumstances){0}, "part",
              ARGUMENTS("flow", "fit", "x.npy", "--flow", "maf:layers=2,hidden=16", "--epochs", "3",
                        "--out", "p.safetensors", "--flips", "--shifts", "1"));
    usleep(20000);
    kill(child, SIGINT);
    outcome part = finish(child, "part");
    outcome_free(&part);
    o = RUN("flow", "fit", "x.npy", "--flow", "maf:layers=2,hidden=16", "--epochs", "3", "--out",
            "p.safetensors", "--flips", "--shifts", "1");
    expect_success(&o);
    outcome_free(&o);
    cr_assert_eq(mr_file_read("p.safetensors", &found, &n_found), MR_OK);
    cr_assert_eq(n_expected, n_found);
    cr_expect_arr_eq(expected, found, n_found);
    free(expected);
    free(found);
}

Test(flow_images, bad_input_is_refused_in_one_line) {
    fit_model();
    outcome o =
        RUN("flow", "fit", "table.csv", "--flow", "lu", "--epochs", "1", "--out", "t.safetensors");
    expect_success(&o);
    outcome_free(&o);
    cr_assert_eq(mr_make_directories("empty"), MR_OK);
    const struct {
        const char *arguments[10];
        int code;
        const char *part;
    } cases[] = {
        {{"flow", "fit", "x.npy", "--bits", "9"}, 2, "--bits"},
        {{"flow", "fit", "nosuch/", "--size", "4x4"}, 1, "cannot read nosuch/: No such file"},
        {{"flow", "score", "m.safetensors", "x.npy", "--labels", "labels.csv"},
         2,
         "--labels: the model was fitted without classes"},
        {{"flow", "fit", "x.npy", "--columns", "1"}, 2, "--columns is for tables"},
        {{"flow", "fit", "x.npy", "--categorical", "1"}, 2, "--categorical is for tables"},
        {{"flow", "fit", "table.csv", "--flips"}, 2, "--flips is for images"},
        {{"flow", "fit", "table.csv", "--dequantisation", "variational"},
         2,
         "--dequantisation is for images"},
        {{"flow", "fit", "x.npy", "--class-conditional"}, 1, "has no labels"},
        {{"flow", "fit", "x.npy", "--size", "4"}, 2, "give WIDTHxHEIGHT"},
        {{"flow", "fit", "empty"}, 1, "empty: holds no .png or .jpg files"},
        {{"flow", "fit", DATA("mixed")}, 1, "cut.jpg: is no whole JPEG file"},
        {{"flow", "fit", DATA("sixteen.npy")}, 1, "8 bits"},
        {{"flow", "fit", "x.npy", "--labels", DATA("labels.npy")}, 1, "holds 3 labels for 60"},
        {{"flow", "score", "t.safetensors", "table.csv", "--size", "4x4"},
         2,
         "--size is for images"},
        {{"flow", "score", "t.safetensors", "x.npy"}, 1, "a model of the rows of a table"},
        {{"flow", "score", "m.safetensors", "table.csv"}, 1, "neither a .npy nor an IDX file"},
        {{"flow", "score", "m.safetensors", DATA("grey.npy")}, 1, "give --size 4x4"},
        {{"flow", "score", "m.safetensors", DATA("colour.npy")}, 1, "its images are coloured"},
        {{"flow", "sample", "m.safetensors", "--temperature", "0"}, 2, "temperature"},
        {{"flow", "sample", "m.safetensors", "--temperature", "-1"}, 2, "temperature"},
        {{"flow", "sample", "m.safetensors", "--out", "s.csv"}, 2, "must end in .png"},
        {{"flow", "sample", "m.safetensors", "--given", "1"}, 2, "fitted without classes"},
        {{"flow", "interpolate", "m.safetensors", "a.png", DATA("mixed/first.png")},
         1,
         "first.png: its images have 5x4 pixels, the model's 4x4"},
        {{"flow", "interpolate", "m.safetensors", "a.png", "x.npy"}, 2, "holds 60 images"},
        {{"flow", "interpolate", "t.safetensors", "a.png", "b.png"}, 1, "not a model of images"},
    };
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        o = run(cases[i].arguments);
        expect_refusal(&o, cases[i].code, cases[i].part);
    }
}

// Of labels in a file, a number that is no class's name is a class's number.
Test(flow_images, labels_of_a_file_must_be_classes_of_the_model) {
    fit_classes();
    char numbers[2 * N + 1], others[2 * N + 1];
    for (size_t i = 0; i < N; i++) {
        memcpy(numbers + 2 * i, i % 2 == 0 ? "0\n" : "1\n", 3);
        memcpy(others + 2 * i, i % 2 == 0 ? "3\n" : "7\n", 3);
    }
    scratch_write("numbers.csv", numbers);
    scratch_write("others.csv", others);
    static const char *const files[] = {"labels.csv", "numbers.csv"};
    double bits[2];
    for (size_t k = 0; k < 2; k++) {
        outcome o = RUN("flow", "score", "m.safetensors", "x.npy", "--labels", files[k], "--json");
        json_t *object = parse(&o);
        bits[k] = json_number_value(json_object_get(object, "bits_per_dim"));
        json_decref(object);
    }
    cr_expect_eq(bits[0], bits[1]);
    outcome o = RUN("flow", "score", "m.safetensors", "x.npy", "--labels", "others.csv");
    expect_refusal(&o, 1, "others.csv: the model has no class 7; its classes are 3 and so on");
}

Test(flow_images, bad_pictures_are_skipped_on_request) {
    outcome o = RUN("flow", "fit", DATA("mixed"), "--skip-bad", "--flow", "gaussian", "--epochs",
                    "1", "--out", "m.safetensors");
    expect_success(&o);
    scratch_expect_part(o.err, "note: 2 images were skipped");
    scratch_expect_part(o.out, "images    2 of 5x4 pixels");
    outcome_free(&o);
}
