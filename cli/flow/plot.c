// `millrace flow plot`: a picture of a saved density.

#include <stdio.h>
#include <stdlib.h>

#include "base/json_memory.h"
#include "flows/density.h"
#include "flows/text.h"
#include "cli/command_line.h"
#include "cli/flow/picture.h"
#include "cli/plot/gnuplot.h"
#include "cli/print_json.h"

typedef struct {
    char out[MR_MAX_TEXT];
    char title[MR_MAX_TEXT];
    size_t samples;
    uint64_t seed;
    size_t threads;
    bool json;
} plot_options;

#define AT(field) offsetof(plot_options, field)

static const mr_setting options[] = {
    {"out", MR_SETTING_OUT_FILE, AT(out), "density.png", 0, 0, "FILE.png", "where the picture goes",
     false},
    {"title", MR_SETTING_TEXT, AT(title), "", 0, 0, "TEXT",
     "title of the picture; default: the flow", false},
    {"samples", MR_SETTING_COUNT, AT(samples), "20000", 2, 1e8, "N", "samples to draw it from",
     false},
    {"seed", MR_SETTING_SEED, AT(seed), "1", 0, 0, "N", "of the samples", false},
    {"threads", MR_SETTING_COUNT, AT(threads), "1", 1, 256, "N", "threads to compute with", false},
    {"json", MR_SETTING_SWITCH, AT(json), "false", 0, 0, NULL,
     "print one object: out, flow, dim, samples", false},
};

static mr_status print_json(const plot_options *chosen, const mr_density *density) {
    json_t *object = json_pack("{s:o, s:s, s:I, s:I}", "out", mr_json_text(chosen->out), "flow",
                               mr_density_flow(density), "dim", (json_int_t)mr_density_dim(density),
                               "samples", (json_int_t)chosen->samples);
    return mr_print_json(object);
}

static mr_status run_plot(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    mr_status status;
    plot_options chosen;
    mr_density *density = NULL;
    double *samples = NULL, *log_prob = NULL;

    MR_TRY(mr_command_line_store(&mr_command_flow_plot, line, &chosen));
    MR_TRY(mr_picture_check_name(chosen.out));
    if (mr_text_flow_is_file(line->arguments[0])) {
        status = mr_fail(MR_ERR_INPUT,
                         "%s is a model of text, which has no picture; draw samples of it by "
                         "`millrace flow sample`",
                         line->arguments[0]);
        goto done;
    }
    MR_TRY(mr_density_load(line->arguments[0], &density));
    if (mr_density_given_dim(density) > 0) {
        status = mr_fail(MR_ERR_USAGE,
                         "%s is a conditional model, which has a picture for each given row; draw "
                         "samples of it by `millrace flow sample --given`",
                         line->arguments[0]);
        goto done;
    }
    samples = calloc(chosen.samples * mr_density_dim(density), sizeof *samples);
    log_prob = calloc(chosen.samples, sizeof *log_prob);
    if (samples == NULL || log_prob == NULL) {
        status = mr_fail_memory("the samples");
        goto done;
    }
    MR_TRY(mr_density_sample(density, (int)chosen.threads, chosen.seed, chosen.samples, samples,
                             log_prob));
    const char *title = chosen.title[0] != '\0' ? chosen.title : mr_density_flow(density);
    MR_TRY(mr_flow_picture_draw(&(mr_flow_picture){.title = title,
                                                   .density = density,
                                                   .n = chosen.samples,
                                                   .samples = samples,
                                                   .log_prob = log_prob,
                                                   .n_threads = (int)chosen.threads},
                                chosen.out));
    if (chosen.json)
        status = print_json(&chosen, density);
    else
        printf("%s\n", chosen.out);
done:
    free(log_prob);
    free(samples);
    mr_density_free(density);
    return status;
}

const mr_command mr_command_flow_plot = {
    .name = "flow plot",
    .usage = "MODEL [options]",
    .summary = "draw a saved density and its samples",
    .details = "Draws a model that `millrace flow fit` or `millrace flow vi` has saved: in one\n"
               "dimension the density's curve over a histogram of samples, in two a map of the\n"
               "density beside samples, in more a corner of histograms of samples, one for each\n"
               "pair of the first six features; so it does of categorical columns, too. Needs\n"
               "gnuplot.",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_plot,
};
