// `millrace flow sample`: new data from a saved density.

#include <stdio.h>
#include <stdlib.h>

#include "flows/density.h"
#include "base/matrix_file.h"
#include "cli/command_line.h"
#include "cli/flow/table.h"
#include "cli/print_json.h"

typedef struct {
    size_t num;
    char out[MR_MAX_TEXT];
    uint64_t seed;
    size_t threads;
    bool json;
} sample_options;

#define AT(field) offsetof(sample_options, field)

static const mr_setting options[] = {
    {"num", MR_SETTING_COUNT, AT(num), "1000", 1, 1e9, "N", "samples to draw", false},
    {"out", MR_SETTING_OUT_FILE, AT(out), "samples.npy", 0, 0, "FILE",
     "where they go, a .npy of float64 or a .csv", false},
    {"seed", MR_SETTING_SEED, AT(seed), "1", 0, 0, "N",
     "of the samples; fewer of a seed are the first of more", false},
    {"threads", MR_SETTING_COUNT, AT(threads), "1", 1, 256, "N", "threads to compute with", false},
    {"json", MR_SETTING_SWITCH, AT(json), "false", 0, 0, NULL,
     "print one object: out, n, dim, seed", false},
};

static mr_status print_json(const sample_options *chosen, size_t dim) {
    json_t *object =
        json_pack("{s:s, s:I, s:I, s:o}", "out", chosen->out, "n", (json_int_t)chosen->num, "dim",
                  (json_int_t)dim, "seed", mr_json_unsigned(chosen->seed));
    return mr_print_json(object);
}

static mr_status run_sample(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    mr_status status;
    sample_options chosen;
    mr_density *density = NULL;
    double *x = NULL, *table = NULL;
    size_t n_cols = 0;

    MR_TRY(mr_command_line_store(&mr_command_flow_sample, line, &chosen));
    MR_TRY(mr_matrix_check_name(chosen.out));
    MR_TRY(mr_density_load(line->arguments[0], &density));
    const size_t dim = mr_density_dim(density);
    x = calloc(chosen.num, dim * sizeof *x);
    if (x == NULL) {
        status = mr_fail_memory("the samples");
        goto done;
    }
    MR_TRY(mr_density_sample(density, (int)chosen.threads, chosen.seed, chosen.num, x, NULL));
    MR_TRY(mr_samples_with_constants(density, chosen.num, x, &table, &n_cols));
    MR_TRY(mr_matrix_write(chosen.out, chosen.num, n_cols, table));
    if (chosen.json)
        status = print_json(&chosen, n_cols);
    else
        printf("%zu samples of %zu are in %s\n", chosen.num, n_cols, chosen.out);
done:
    free(table);
    free(x);
    mr_density_free(density);
    return status;
}

const mr_command mr_command_flow_sample = {
    .name = "flow sample",
    .usage = "MODEL [options]",
    .summary = "draw samples from a saved density",
    .details = "Draws samples from a model that `millrace flow fit` or `millrace flow vi` has\n"
               "saved, in the data's own units, one a row. Columns that were left out as\n"
               "constant are there again, as they were.",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .letters = "n    ",
    .run = run_sample,
};
