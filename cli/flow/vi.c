// `millrace flow vi`: fits a flow to a density known up to a constant.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flows/targets.h"
#include "base/file.h"
#include "base/json_memory.h"
#include "base/matrix_file.h"
#include "cli/command_line.h"
#include "cli/flow/picture.h"
#include "cli/flow/table.h"
#include "cli/live_line.h"
#include "cli/print_json.h"
#include "cli/stopping.h"

typedef struct {
    char flow[MR_MAX_TEXT];
    char out[MR_MAX_TEXT];
    char header[MR_MAX_CHOICE];
    size_t steps;
    size_t batch_size;
    double lr;
    double clip_norm;
    double anneal;
    size_t samples;
    uint64_t seed;
    size_t threads;
    bool json;
} vi_options;

#define AT(field) offsetof(vi_options, field)

static const mr_setting options[] = {
    {"flow", MR_SETTING_TEXT, AT(flow), "real_nvp", 0, 0, "FLOW",
     "the flow, as in planar:layers=16 (`millrace flow list`)", false},
    {"out", MR_SETTING_OUT_DIR, AT(out), "vi", 0, 0, "DIR",
     "where model.safetensors, samples.npy and density.png go", false},
    {"header", MR_SETTING_CHOICE, AT(header), "auto", 0, 0, "auto|yes|no",
     "whether the first row of a target's .csv is the columns' names", false},
    {"steps", MR_SETTING_COUNT, AT(steps), "10000", 1, 1e9, "N", "gradient steps", false},
    {"batch_size", MR_SETTING_COUNT, AT(batch_size), "256", 1, 1e6, "N", "samples in a step",
     false},
    {"lr", MR_SETTING_REAL, AT(lr), "0.005", 1e-12, 10, "X",
     "Adam's learning rate at the start; falls to 0 along half a cosine", false},
    {"clip_norm", MR_SETTING_REAL, AT(clip_norm), "10", 1e-6, 1e30, "X",
     "maximum norm of the gradient; longer ones are scaled down to it", false},
    {"anneal", MR_SETTING_REAL, AT(anneal), "0.25", 0, 1, "X",
     "fraction of the steps over which the target's weight grows from 0.01 to 1; helps to find all "
     "modes",
     false},
    {"samples", MR_SETTING_COUNT, AT(samples), "10000", 1, 1e8, "N", "samples to write", false},
    {"seed", MR_SETTING_SEED, AT(seed), "1", 0, 0, "N", "of the flow's start and all samples",
     false},
    {"threads", MR_SETTING_COUNT, AT(threads), "1", 1, 256, "N", "threads to compute with", false},
    {"json", MR_SETTING_SWITCH, AT(json), "false", 0, 0, NULL,
     "print one object: target, header (whether the first row was names; null where the target has "
     "no data), flow, steps, seed, elbo, elbo_stderr, log_z and kl (null where not "
     "known), log_z_estimate, log_z_estimate_stderr, n_effective, pareto_k, wide_log_z_estimate, "
     "wide_log_z_estimate_stderr, wide_pareto_k, is_reliable, out",
     false},
};

// ---- Progress

typedef struct {
    mr_live_line line;
    size_t n_steps; // in all
} progress;

static void stepped(void *self, const mr_vi_progress *now) {
    progress *p = self;
    if (mr_live_line_is_due(&p->line))
        mr_live_line_draw(&p->line, "%zu/%zu steps  %.1f%%  ELBO %.4f", now->n_steps, p->n_steps,
                          100 * (double)now->n_steps / (double)p->n_steps, now->elbo);
}

// ---- Results

/// The files that are written.
typedef struct {
    char *model, *samples, *picture; // owned
} files;

static mr_status path_in(const char *dir, const char *name, char **out) {
    if (asprintf(out, "%s/%s", dir, name) < 0) {
        *out = NULL;
        return mr_fail_memory("a file name");
    }
    return mr_file_check_writable(*out);
}

static mr_status files_prepare(const char *dir, files *f) {
    mr_status status;
    MR_TRY(mr_make_directories(dir));
    MR_TRY(path_in(dir, "model.safetensors", &f->model));
    MR_TRY(path_in(dir, "samples.npy", &f->samples));
    MR_TRY(path_in(dir, "density.png", &f->picture));
done:
    return status;
}

static void files_free(files *f) {
    free(f->model);
    free(f->samples);
    free(f->picture);
}

static mr_status draw(const vi_options *chosen, const mr_density *density, const mr_target *target,
                      const mr_vi_result *result, const double *samples, const double *log_prob,
                      const char *path) {
    char title[2 * MR_MAX_TEXT + 64];
    snprintf(title, sizeof title, "%s, %s: ELBO %.3f", target->name, mr_density_flow(density),
             result->elbo);
    if (!isnan(target->log_z))
        snprintf(title + strlen(title), 32, ", log Z %.3f", target->log_z);
    return mr_flow_picture_draw(&(mr_flow_picture){.title = title,
                                                   .density = density,
                                                   .target = target,
                                                   .n = chosen->samples,
                                                   .samples = samples,
                                                   .log_prob = log_prob,
                                                   .n_threads = (int)chosen->threads},
                                path);
}

// If gnuplot is missing, a note says that there is no picture; the other results are still written.
static mr_status write_files(const vi_options *chosen, const mr_density *density,
                             const mr_target *target, const mr_vi_result *result, const files *f) {
    mr_status status;
    double *samples = calloc(chosen->samples * target->dim, sizeof *samples);
    double *log_prob = calloc(chosen->samples, sizeof *log_prob);
    if (samples == NULL || log_prob == NULL) {
        status = mr_fail_memory("the samples");
        goto done;
    }
    MR_TRY(mr_density_save(density, f->model));
    MR_TRY(mr_density_sample(density, (int)chosen->threads, chosen->seed, chosen->samples, samples,
                             log_prob));
    MR_TRY(mr_matrix_write(f->samples, chosen->samples, target->dim, samples));
    if (draw(chosen, density, target, result, samples, log_prob, f->picture) != MR_OK)
        fprintf(stderr, "note: there is no picture: %s\n", mr_error_message());
done:
    free(log_prob);
    free(samples);
    return status;
}

static void print_text(const vi_options *chosen, const mr_density *density, const mr_target *target,
                       const mr_vi_result *result) {
    printf("target          %s\n", target->name);
    if (mr_is_csv(target->name))
        printf("header          %s\n",
               target->has_names ? "the first row is names" : "none: the first row is data");
    printf("flow            %s\n", mr_density_flow(density));
    printf("steps           %zu\n", result->n_steps);
    printf("ELBO            %.4f ± %.4f nats\n", result->elbo, result->elbo_stderr);
    if (!isnan(target->log_z)) {
        printf("log Z           %.4f\n", target->log_z);
        printf("KL              %.4f\n", target->log_z - result->elbo);
    }
    printf("log Z estimate  %.4f ± %.4f by importance sampling\n", result->log_z,
           result->log_z_stderr);
    printf("                %.0f effective samples; Pareto k %.2f\n", result->n_effective,
           result->pareto_k);
    printf("  wider         %.4f ± %.4f from a base three times as wide; Pareto k %.2f\n",
           result->wide_log_z, result->wide_log_z_stderr, result->wide_pareto_k);
    printf("results         %s\n", chosen->out);
}

static void note_doubt(const mr_vi_result *result) {
    const char *doubt = mr_vi_doubt(result);
    if (doubt != NULL)
        fprintf(stderr,
                "note: the error bar of log Z cannot be trusted: %s; try a flow with more layers "
                "or a wider bound, or more steps\n",
                doubt);
}

static json_t *number_or_null(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static mr_status print_json(const vi_options *chosen, const mr_density *density,
                            const mr_target *target, const mr_vi_result *result) {
    json_t *object = json_pack(
        "{s:o, s:o, s:s, s:I, s:o, s:f, s:f, s:o, s:o, s:o, s:o, s:f, s:o, s:o, s:o, s:o, s:b, "
        "s:o}",
        "target", mr_json_text(target->name), "header",
        target->has_data ? json_boolean(target->has_names) : json_null(), "flow",
        mr_density_flow(density), "steps", (json_int_t)result->n_steps, "seed",
        mr_json_unsigned(chosen->seed), "elbo", result->elbo, "elbo_stderr", result->elbo_stderr,
        "log_z", number_or_null(target->log_z), "kl", number_or_null(target->log_z - result->elbo),
        "log_z_estimate", number_or_null(result->log_z), "log_z_estimate_stderr",
        number_or_null(result->log_z_stderr), "n_effective", result->n_effective, "pareto_k",
        number_or_null(result->pareto_k), "wide_log_z_estimate", number_or_null(result->wide_log_z),
        "wide_log_z_estimate_stderr", number_or_null(result->wide_log_z_stderr), "wide_pareto_k",
        number_or_null(result->wide_pareto_k), "is_reliable", (int)(mr_vi_doubt(result) == NULL),
        "out", mr_json_text(chosen->out));
    return mr_print_json(object);
}

// ---- The command

static mr_status fit(const vi_options *chosen, mr_density *density, const mr_target *target,
                     mr_vi_result *result) {
    progress p = {.n_steps = chosen->steps};
    const mr_vi_options how = {.lr = chosen->lr,
                               .clip_norm = chosen->clip_norm,
                               .batch_size = chosen->batch_size,
                               .n_steps = chosen->steps,
                               .anneal = chosen->anneal,
                               .seed = chosen->seed,
                               .n_threads = (int)chosen->threads};
    mr_live_line_begin(&p.line);
    const mr_status status =
        mr_vi(density, target, &how, stepped, &p, mr_stop_on_signals(), result);
    mr_live_line_clear(&p.line);
    return status;
}

static mr_status check_header(const vi_options *chosen, const mr_target *target) {
    if (!target->has_data && strcmp(chosen->header, "auto") != 0)
        return mr_fail(MR_ERR_USAGE, "--header is for targets with a table, %s has none",
                       target->name);
    return MR_OK;
}

static mr_status run_vi(const mr_command_line *line, int *exit_code) {
    mr_status status;
    vi_options chosen;
    mr_target *target = NULL;
    mr_density *density = NULL;
    mr_vi_result result;
    files f = {0};

    MR_TRY(mr_command_line_store(&mr_command_flow_vi, line, &chosen));
    MR_TRY(mr_target_new(line->arguments[0], mr_header_of(chosen.header), &target));
    MR_TRY(check_header(&chosen, target));
    MR_TRY(mr_density_new(chosen.flow, MR_FLOW_TO_SAMPLE, target->dim, chosen.seed, &density));
    MR_TRY(files_prepare(chosen.out, &f));
    MR_TRY(fit(&chosen, density, target, &result));
    mr_stop_no_more(); // each file is written as a whole or not at all
    MR_TRY(write_files(&chosen, density, target, &result, &f));
    note_doubt(&result);
    if (chosen.json)
        status = print_json(&chosen, density, target, &result);
    else
        print_text(&chosen, density, target, &result);
    *exit_code = mr_stop_exit_code();
done:
    files_free(&f);
    mr_density_free(density);
    mr_target_free(target);
    return status;
}

const mr_command mr_command_flow_vi = {
    .name = "flow vi",
    .usage = "TARGET [options]",
    .summary = "fit a flow to a density known up to a constant",
    .details = "Fits a flow to an unnormalised density by maximising the evidence lower bound\n"
               "(ELBO), which is log Z less the distance KL(flow || target).\n"
               "\n"
               "Targets:\n"
               "  u1, u2, u3, u4     the energies of Rezende and Mohamed 2015, kept to the box\n"
               "                     [-4, 4]^2 by a window with soft edges 0.05 wide\n"
               "  gaussian_mixture   eight Gaussians of deviation 0.5 on a circle of radius 3\n"
               "  funnel[:dim=N]     v ~ N(0, 9), the others ~ N(0, exp(v)); dim=2 unless given\n"
               "  logistic:DATA.csv  logistic regression on the last column, 0 or 1; weights (of\n"
               "                     the columns as given) and, last, intercept ~ N(0, 1)\n"
               "\n"
               "Ctrl-C stops in good order; while the results are written, at once. The picture\n"
               "needs gnuplot.",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_vi,
};
