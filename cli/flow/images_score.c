// `millrace flow score` of a density of images.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/matrix_file.h"
#include "cli/flow/images.h"
#include "cli/print_json.h"

enum { N_COLUMNS = 3 }; // log-likelihood, bits a dimension, typicality

/// What is known of a set of images.
typedef struct {
    size_t n, n_impossible;
    double sum, square; // of bits a dimension, and of their squared distances from the mean
    double log_prob, typicality; // sums
} summary;

// ---- The classes of images in the model

// Finds the model's class for each of the images' classes [images->n_classes]. One that the model
// doesn't have is an error in a file of labels; labels that the images have themselves are then
// left out, with a note.
static mr_status match_classes(const mr_pixels *pixels, const mr_image_scoring *how,
                               const mr_images *images, size_t *class, bool *are_known) {
    const bool is_given = how->labels[0] != '\0';
    *are_known = images->label != NULL && pixels->n_classes > 0;
    if (is_given && pixels->n_classes == 0)
        return mr_fail(MR_ERR_USAGE,
                       "--labels: the model was fitted without classes; leave it out");
    for (size_t k = 0; k < images->n_classes && *are_known; k++) {
        if (mr_class_is_known(pixels, images->classes[k], &class[k]))
            continue;
        if (is_given)
            return mr_fail(MR_ERR_INPUT,
                           "%s: the model has no class %s; its classes are %s and so on, or their "
                           "numbers from 0 to %zu",
                           how->labels, images->classes[k], pixels->classes[0],
                           pixels->n_classes - 1);
        fprintf(stderr,
                "note: %s has the class %s, which the model doesn't know; scored without "
                "labels\n",
                how->data, images->classes[k]);
        *are_known = false;
    }
    return MR_OK;
}

// The labels of the images as the model's classes, to be freed; NULL: they have none of these.
static mr_status find_labels(const mr_density *density, const mr_image_scoring *how,
                             const mr_images *images, size_t **out) {
    mr_status status;
    bool are_known;
    const mr_pixels *pixels = mr_density_pixels(density);
    size_t *class = malloc((images->n_classes + 1) * sizeof *class);
    size_t *label = malloc(images->n * sizeof *label);
    if (class == NULL || label == NULL) {
        status = mr_fail_memory("the labels");
        goto done;
    }
    MR_TRY(match_classes(pixels, how, images, class, &are_known));
    for (size_t i = 0; i < images->n && are_known; i++)
        label[i] = class[images->label[i]];
    if (are_known) {
        *out = label;
        label = NULL;
    }
done:
    free(class);
    free(label);
    return status;
}

// ---- Scores

// log (sum_c p(x | c) / n_classes) of images whose class is not known: adds class c to the sums so
// far, which begin with -infinity.
static void add_class(size_t n, size_t n_classes, const double *of_class, double *log_prob) {
    for (size_t i = 0; i < n; i++) {
        const double a = of_class[i] - log((double)n_classes), b = log_prob[i];
        const double high = fmax(a, b), low = fmin(a, b);
        log_prob[i] = isfinite(high) ? high + log1p(exp(low - high)) : high;
    }
}

static mr_status score_all_classes(const mr_density *density, const mr_image_scoring *how,
                                   const mr_images *images, size_t first, size_t n,
                                   double *log_prob) {
    mr_status status = MR_OK;
    const size_t n_classes = mr_density_pixels(density)->n_classes;
    size_t *label = malloc(n * sizeof *label);
    double *of_class = malloc(n * sizeof *of_class);
    if (label == NULL || of_class == NULL) {
        status = mr_fail_memory("the scores");
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        log_prob[i] = (double)-INFINITY;
    for (size_t k = 0; k < n_classes; k++) {
        for (size_t i = 0; i < n; i++)
            label[i] = k;
        MR_TRY(mr_images_log_prob(density, how->n_threads, how->seed, how->n_samples, images, first,
                                  n, label, of_class));
        add_class(n, n_classes, of_class, log_prob);
    }
done:
    free(label);
    free(of_class);
    return status;
}

static void add_scores(const mr_density *density, size_t n, const double *log_prob, double *rows,
                       summary *s) {
    const double mean_bits = mr_density_pixels(density)->mean_bits;
    for (size_t i = 0; i < n; i++) {
        double *row = rows + i * N_COLUMNS;
        row[0] = log_prob[i];
        row[1] = mr_bits_per_dim(density, log_prob[i]);
        row[2] = fabs(row[1] - mean_bits);
        s->n++;
        if (!isfinite(row[0])) {
            s->n_impossible++;
            continue;
        }
        const double n_before = (double)(s->n - s->n_impossible) - 1;
        const double distance = n_before > 0 ? row[1] - s->sum / n_before : 0;
        s->square += distance * distance * n_before / (n_before + 1);
        s->sum += row[1];
        s->log_prob += row[0];
        s->typicality += row[2];
    }
}

static mr_status score(const mr_density *density, const mr_image_scoring *how,
                       const mr_images *images, const size_t *label, mr_matrix_writer *writer,
                       summary *s) {
    mr_status status = MR_OK;
    enum { AT_ONCE = 1024 };
    const bool is_marginal = label == NULL && mr_density_given_dim(density) > 0;
    double log_prob[AT_ONCE], rows[AT_ONCE * N_COLUMNS];
    for (size_t first = 0; first < images->n; first += AT_ONCE) {
        const size_t n = images->n - first < AT_ONCE ? images->n - first : AT_ONCE;
        MR_TRY(is_marginal
                   ? score_all_classes(density, how, images, first, n, log_prob)
                   : mr_images_log_prob(density, how->n_threads, how->seed, how->n_samples, images,
                                        first, n, label ? label + first : NULL, log_prob));
        add_scores(density, n, log_prob, rows, s);
        if (writer != NULL)
            MR_TRY(mr_matrix_writer_append(writer, n, rows));
    }
done:
    return status;
}

// ---- Results

static double count_possible(const summary *s) {
    return (double)(s->n - s->n_impossible);
}

// The standard error of the mean; NaN for a single image.
static double error_of(const summary *s) {
    const double n = count_possible(s);
    return n > 1 ? sqrt(s->square / (n - 1) / n) : (double)NAN;
}

static json_t *number_or_null(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static mr_status print_json(const mr_density *density, const summary *s, bool has_labels) {
    const double n = count_possible(s);
    return mr_print_json(json_pack(
        "{s:I, s:I, s:b, s:o, s:o, s:o, s:o, s:f}", "n", (json_int_t)s->n, "n_impossible",
        (json_int_t)s->n_impossible, "labels", (int)has_labels, "mean_log_likelihood",
        number_or_null(s->log_prob / n), "bits_per_dim", number_or_null(s->sum / n), "stderr",
        number_or_null(error_of(s)), "mean_typicality", number_or_null(s->typicality / n),
        "held_out_bits_per_dim", mr_density_pixels(density)->mean_bits));
}

static void print_text(const mr_density *density, const summary *s, bool has_labels) {
    const mr_pixels *pixels = mr_density_pixels(density);
    const double n = count_possible(s);
    printf("images               %zu of %zu bits a pixel\n", s->n, pixels->bits);
    if (pixels->n_classes > 0)
        printf("classes              %s\n",
               has_labels ? "by the labels" : "not known: the mean density of all classes");
    if (s->n_impossible > 0)
        printf("impossible           %zu\n", s->n_impossible);
    if (n == 0)
        return;
    printf("mean log-likelihood  %.2f nats\n", s->log_prob / n);
    printf("bits a dimension     %.4f", s->sum / n);
    if (isfinite(error_of(s)))
        printf(" ± %.4f", error_of(s));
    printf(" (held out of the fit: %.4f)\n", pixels->mean_bits);
    printf("typicality           %.4f, mean distance from these\n", s->typicality / n);
}

mr_status mr_images_score_run(const mr_density *density, const mr_image_scoring *how) {
    mr_status status;
    mr_images images = {0};
    mr_matrix_writer *writer = NULL;
    size_t *label = NULL;
    summary s = {0};
    MR_TRY(
        mr_model_images_read(how->data, how->size, how->labels, how->skips_bad, density, &images));
    MR_TRY(find_labels(density, how, &images, &label));
    if (how->out[0] != '\0')
        MR_TRY(mr_matrix_writer_begin(how->out, images.n, N_COLUMNS, NULL, &writer));
    MR_TRY(score(density, how, &images, label, writer, &s));
    if (writer != NULL)
        MR_TRY(mr_matrix_writer_keep(writer));
    if (how->json)
        status = print_json(density, &s, label != NULL);
    else
        print_text(density, &s, label != NULL);
done:
    mr_matrix_writer_close(writer);
    mr_images_free(&images);
    free(label);
    return status;
}
