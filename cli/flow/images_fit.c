// `millrace flow fit` of images.

#include "cli/flow/images_fit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/events.h"
#include "base/file.h"
#include "base/json_memory.h"
#include "cli/command_line.h"
#include "cli/flow/images.h"
#include "cli/flow/table.h"
#include "cli/live_line.h"
#include "cli/print_json.h"
#include "cli/stopping.h"
#include "flows/fit_images.h"

enum {
    N_SHOWN = 64, // samples in a picture of --log
    N_ROWS = 8,   // of each class, if there are classes
    MAX_SHOWN = N_ROWS * 16,
};

// What takes the place of the defaults of tables.
static const char default_flow[] = "glow";
static const struct {
    double lr;
    size_t batch_size, epochs, warm_up;
    const char *lr_schedule;
} defaults = {.lr = 2e-3, .batch_size = 64, .epochs = 20, .warm_up = 200, .lr_schedule = "cosine"};

// Of an image, the loss is a sum over all its numbers, and so is its gradient: in short fits its
// norm was 40 to 4,100 for 64 numbers (digits) and 760 to 1,300 for 784 (Fashion-MNIST). The
// maximum of tables, 10, would be exceeded in every step, which then all have one length; held out,
// that cost 0.18 to 0.50 bits a dimension. This one is exceeded only if a fit goes astray.
static const double clip_norm_per_number = 100;

// ---- Options

static const char *const of_images[] = {"size",   "labels", "class_conditional", "skip_bad",
                                        "bits",   "logit",  "dequantisation",    "flips",
                                        "shifts", "log"};

mr_status mr_image_options_refuse(const mr_command_line *line, const char *data, const char *what) {
    char why[MR_MAX_TEXT];
    snprintf(why, sizeof why, "is for images, and %s is %s", data, what);
    return mr_command_line_refuse(line, MR_COUNT(of_images), of_images, why);
}

static mr_status refuse_options_of_tables(const mr_image_fit *how) {
    char why[MR_MAX_TEXT];
    snprintf(why, sizeof why, "is for tables, and %s is a set of images", how->data);
    return mr_command_line_refuse(how->line, MR_N_OPTIONS_OF_TABLES, mr_options_of_tables, why);
}

static mr_fit_options fit_options_of(const mr_image_fit *how, const mr_images *images) {
    mr_fit_options fit = how->fit;
    if (!mr_command_line_has(how->line, "lr"))
        fit.lr = defaults.lr;
    if (!mr_command_line_has(how->line, "batch_size"))
        fit.batch_size = defaults.batch_size;
    if (!mr_command_line_has(how->line, "epochs"))
        fit.max_epochs = defaults.epochs;
    if (!mr_command_line_has(how->line, "warm_up"))
        fit.warm_up = defaults.warm_up;
    if (!mr_command_line_has(how->line, "lr_schedule"))
        fit.lr_schedule = defaults.lr_schedule;
    if (!mr_command_line_has(how->line, "clip_norm"))
        fit.clip_norm = clip_norm_per_number * (double)mr_images_dim(images);
    return fit;
}

// ---- The density

// Labels make the density class-conditional if they were asked for.
static mr_status use_classes(const mr_image_fit *how, mr_images *images) {
    const mr_image_fit_options *chosen = how->images;
    if (chosen->class_conditional && images->label == NULL)
        return mr_fail(MR_ERR_INPUT,
                       "--class-conditional: %s has no labels; give them by --labels FILE, or "
                       "pictures in a sub-folder for each class",
                       how->data);
    if (chosen->class_conditional || chosen->labels[0] != '\0')
        return images->n_classes > 1
                   ? MR_OK
                   : mr_fail(MR_ERR_INPUT,
                             "%s: all images have one label, %s; leave out --labels "
                             "and --class-conditional",
                             how->data, images->classes[0]);
    mr_images_drop_labels(images);
    return MR_OK;
}

static mr_status new_density(const mr_image_fit *how, const mr_images *images, mr_density **out) {
    mr_status status;
    mr_density *density = NULL;
    mr_support *support = NULL;
    const size_t dim = mr_images_dim(images);
    const mr_pixels pixels = {.bits = how->images->bits,
                              .logit = how->images->logit,
                              .n_classes = images->n_classes,
                              .classes = images->classes};
    MR_TRY(mr_pixels_supports(&pixels, dim, &support));
    MR_TRY(mr_density_create_dequantised(
        &(mr_density_spec){.flow = how->flow[0] ? how->flow : default_flow,
                           .use = MR_FLOW_TO_SCORE,
                           .base = how->base,
                           .dim = dim,
                           .given_dim = pixels.n_classes,
                           .support = support,
                           .channels = images->channels,
                           .height = images->height,
                           .width = images->width},
        how->images->dequantisation, how->fit.seed, &density));
    MR_TRY(mr_density_set_pixels(density, &pixels));
    *out = density;
    density = NULL;
done:
    mr_density_free(density);
    free(support);
    return status;
}

// ---- Watching

/// What is shown and written while it fits.
typedef struct {
    const mr_image_fit *how;
    const mr_fit_options *fit;
    const mr_density *density;
    mr_live_line line;
    bool has_begun;
    double begun_s;           // mr_clock_s, after the first step
    double n_at_begin, n_now; // images trained on until then, and until now
    mr_events *events;        // owned; NULL: no --log
    mr_status status;         // of writing to --log
    char message[512];        // of its failure
} watch;

static double bits(const watch *w, double log_prob) {
    return mr_bits_per_dim(w->density, log_prob);
}

// "?" while nothing is known of the speed.
static void format_time(double seconds, size_t size, char *text) {
    const unsigned long s = (unsigned long)fmin(fmax(seconds, 0), 1e9);
    if (!isfinite(seconds))
        snprintf(text, size, "?");
    else if (s >= 3600)
        snprintf(text, size, "%luh%02lum", s / 3600, s / 60 % 60);
    else
        snprintf(text, size, "%lum%02lus", s / 60, s % 60);
}

static double images_per_s(const watch *w) {
    const double seconds = mr_clock_s() - w->begun_s;
    return w->has_begun && seconds > 0 ? (w->n_now - w->n_at_begin) / seconds : 0;
}

static void finished_step(void *self, const mr_fit_step *now) {
    watch *w = self;
    char eta[32], best[64] = "";
    w->n_now = (double)now->epochs->epoch * (double)now->n + (double)now->n_done;
    if (!w->has_begun) {
        w->has_begun = true;
        w->begun_s = mr_clock_s();
        w->n_at_begin = w->n_now;
    }
    if (!mr_live_line_is_due(&w->line))
        return;
    const double n_all = (double)w->fit->max_epochs * (double)now->n;
    format_time((n_all - w->n_now) / images_per_s(w), sizeof eta, eta);
    if (now->epochs->epoch > 0)
        snprintf(best, sizeof best, ", held out %.4f, best %.4f",
                 bits(w, now->epochs->held_out_log_prob), bits(w, now->epochs->best_log_prob));
    // What is cut off at the end of a narrow terminal is the least of it.
    mr_live_line_draw(
        &w->line, "epoch %zu/%zu %.0f%%  ETA %s  %.0f images/s  bits/dim: train %.4f%s",
        now->epochs->epoch + 1, w->fit->max_epochs, 100 * (double)now->n_done / (double)now->n, eta,
        images_per_s(w), bits(w, now->log_prob), best);
}

// Samples of the density as it is, a column for each class if there are classes.
static mr_status draw_grid(const watch *w, mr_picture *grid) {
    const size_t n_classes = mr_density_pixels(w->density)->n_classes;
    const size_t n_columns = n_classes < MAX_SHOWN / N_ROWS ? n_classes : MAX_SHOWN / N_ROWS;
    const size_t n = n_columns > 0 ? n_columns * N_ROWS : (size_t)N_SHOWN;
    size_t label[MAX_SHOWN];
    unsigned char *pixels = malloc(n * mr_density_dim(w->density));
    if (pixels == NULL)
        return mr_fail_memory("the samples");
    for (size_t i = 0; i < n; i++)
        label[i] = n_columns > 0 ? i % n_columns : 0;
    mr_status status =
        mr_images_draw(w->density, w->fit->n_threads, w->fit->seed, 1, n, label, pixels);
    if (status == MR_OK)
        status = mr_images_grid(w->density, n, pixels, n_columns, grid);
    free(pixels);
    return status;
}

// The scalars of an epoch, and samples as a picture, to TensorBoard's file and as a .png.
static mr_status write_log(const watch *w, const mr_fit_progress *now) {
    mr_status status;
    mr_picture grid = {0};
    char *path = NULL;
    const mr_scalar scalars[] = {
        {"fit/train_bits_per_dim", bits(w, now->train_log_prob)},
        {"fit/held_out_bits_per_dim", bits(w, now->held_out_log_prob)},
        {"time/images_per_s", images_per_s(w)},
    };
    MR_TRY(mr_events_add(w->events, now->epoch, MR_COUNT(scalars), scalars));
    MR_TRY(draw_grid(w, &grid));
    MR_TRY(mr_events_add_picture(w->events, now->epoch, "samples", &grid));
    if (asprintf(&path, "%s/samples_%04zu.png", w->how->images->log, now->epoch) < 0) {
        path = NULL;
        status = mr_fail_memory("a file name");
        goto done;
    }
    status = mr_picture_write(path, &grid);
done:
    free(path);
    mr_picture_free(&grid);
    return status;
}

// A log that cannot be written stops the fit in good order, so that it can go on.
static void finished_epoch(void *self, const mr_fit_progress *now) {
    watch *w = self;
    if (w->events == NULL || w->status != MR_OK)
        return;
    w->status = write_log(w, now);
    if (w->status == MR_OK)
        return;
    snprintf(w->message, sizeof w->message, "%s", mr_error_message());
    mr_stop_ask();
}

// Each process has an event file of its own; TensorBoard shows all of a folder as one run.
static mr_status open_log(const char *dir, watch *w) {
    if (dir[0] == '\0')
        return MR_OK;
    const mr_status status = mr_make_directories(dir);
    return status == MR_OK ? mr_events_create(dir, &w->events) : status;
}

// ---- Results

/// What came of it.
typedef struct {
    mr_fit_progress end;
    double seconds, images_per_s;
} outcome;

static void print_text(const mr_image_fit *how, const mr_images *images, const mr_density *density,
                       const outcome *o) {
    const mr_pixels *pixels = mr_density_pixels(density);
    printf("images    %zu of %zux%zu pixels, %s, %zu bits a pixel\n", images->n, images->width,
           images->height, images->channels == 1 ? "grey" : "coloured", pixels->bits);
    if (pixels->n_classes > 0) {
        printf("classes   ");
        for (size_t k = 0; k < pixels->n_classes; k++)
            printf("%s%s", k > 0 ? ", " : "", pixels->classes[k]);
        printf("\n");
    }
    printf("flow      %s\n", mr_density_flow(density));
    if (strcmp(mr_density_composition(density), mr_density_flow(density)) != 0)
        printf("          %s\n", mr_density_composition(density));
    printf("base      %s\n", mr_density_base(density));
    printf("noise     %s\n", mr_density_dequantisation(density));
    printf("epochs    %zu in %.1f s (%.0f images/s), the best was %zu\n", o->end.epoch, o->seconds,
           o->images_per_s, o->end.best_epoch);
    printf("held out  %.4f bits a dimension, %.2f nats\n", pixels->mean_bits, o->end.best_log_prob);
    printf("model     %s\n", how->out);
}

static mr_status print_json(const mr_image_fit *how, const mr_images *images,
                            const mr_density *density, const outcome *o) {
    const mr_pixels *pixels = mr_density_pixels(density);
    json_t *classes = json_array();
    for (size_t k = 0; k < pixels->n_classes; k++)
        json_array_append_new(classes, json_string(pixels->classes[k]));
    return mr_print_json(json_pack(
        "{s:o, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:f, s:f, s:f, s:f, "
        "s:s}",
        "out", mr_json_text(how->out), "flow", mr_density_flow(density), "composition",
        mr_density_composition(density), "base", mr_density_base(density), "n",
        (json_int_t)images->n, "skipped", (json_int_t)images->n_skipped, "channels",
        (json_int_t)images->channels, "height", (json_int_t)images->height, "width",
        (json_int_t)images->width, "bits", (json_int_t)pixels->bits, "classes", classes, "epochs",
        (json_int_t)o->end.epoch, "best_epoch", (json_int_t)o->end.best_epoch,
        "held_out_bits_per_dim", pixels->mean_bits, "held_out_log_likelihood", o->end.best_log_prob,
        "images_per_second", o->images_per_s, "seconds", o->seconds, "dequantisation",
        mr_density_dequantisation(density)));
}

// A fit that is stopped saves its best model so far, and a checkpoint to resume from.
static mr_status finish(const mr_image_fit *how, const mr_images *images, const mr_density *density,
                        const outcome *o, bool is_stopped) {
    if (is_stopped)
        mr_stop_report_fit(o->end.epoch + 1, how->fit.checkpoint);
    if (o->end.best_epoch == 0)
        return MR_OK;
    const mr_status status = mr_density_save(density, how->out);
    if (status != MR_OK)
        return status;
    if (!is_stopped)
        unlink(how->fit.checkpoint);
    if (how->json)
        return print_json(how, images, density, o);
    print_text(how, images, density, o);
    return MR_OK;
}

static mr_status fit(const mr_image_fit *how, const mr_images *images, mr_density *density) {
    mr_status status;
    const mr_fit_options options = fit_options_of(how, images);
    const mr_augmentation augmentation = {how->images->flips, how->images->shifts};
    watch w = {.how = how, .fit = &options, .density = density, .begun_s = mr_clock_s()};
    const double begun_s = w.begun_s;
    outcome o;
    MR_TRY(open_log(how->images->log, &w));
    mr_live_line_begin(&w.line);
    status = mr_fit_to_images(density, images, &augmentation, &options,
                              &(mr_fit_watch){finished_epoch, finished_step, &w},
                              mr_stop_on_signals(), &o.end);
    mr_live_line_clear(&w.line);
    o.seconds = mr_clock_s() - begun_s;
    o.images_per_s = images_per_s(&w);
    if (status == MR_ERR_NUMERIC)
        unlink(options.checkpoint); // going on from it would end the same way
    if (status == MR_OK)
        status = finish(how, images, density, &o, mr_stop_exit_code() != 0 || w.status != MR_OK);
    if (status == MR_OK && w.status != MR_OK)
        status = mr_fail(w.status, "%s", w.message);
done:
    mr_events_close(w.events);
    return status;
}

mr_status mr_image_fit_run(const mr_image_fit *how, int *exit_code) {
    mr_status status;
    const mr_image_fit_options *chosen = how->images;
    mr_images images = {0};
    mr_density *density = NULL;
    MR_TRY(refuse_options_of_tables(how));
    MR_TRY(mr_images_read(how->data, chosen->size, chosen->labels, chosen->skip_bad, &images));
    MR_TRY(use_classes(how, &images));
    MR_TRY(new_density(how, &images, &density));
    status = fit(how, &images, density);
    *exit_code = mr_stop_exit_code();
done:
    mr_density_free(density);
    mr_images_free(&images);
    return status;
}
