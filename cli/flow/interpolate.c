// `millrace flow interpolate`: images between two images.

#include <stdio.h>
#include <stdlib.h>

#include "base/json_memory.h"
#include "flows/text.h"
#include "cli/command_line.h"
#include "cli/flow/images.h"
#include "cli/print_json.h"

typedef struct {
    size_t num;
    char out[MR_MAX_TEXT];
    char given[MR_MAX_TEXT];
    char size[MR_MAX_CHOICE];
    bool json;
} interpolate_options;

#define AT(field) offsetof(interpolate_options, field)

static const mr_setting options[] = {
    {"num", MR_SETTING_COUNT, AT(num), "9", 2, 1000, "N", "images in the row, the two among them",
     false},
    {"out", MR_SETTING_OUT_FILE, AT(out), "row.png", 0, 0, "FILE",
     "where they go: a .png of one row, or a .npy", false},
    {"given", MR_SETTING_TEXT, AT(given), "", 0, 0, "CLASS",
     "the class of all images, by name or number, for a class-conditional model", false},
    {"size", MR_SETTING_TEXT, AT(size), "", 0, 0, "WxH",
     "scale the two images to this size, which is the model's", false},
    {"json", MR_SETTING_SWITCH, AT(json), "false", 0, 0, NULL, "print one object: out, n", false},
};

// The row of one image, its noise in the middle.
static mr_status read_end(const interpolate_options *chosen, const char *path,
                          const mr_density *density, size_t class, double *row) {
    mr_status status;
    const size_t dim = mr_density_dim(density);
    mr_images images = {0};
    mr_real *noise = malloc(dim * sizeof *noise);
    unsigned char *pixels = malloc(dim);
    if (noise == NULL || pixels == NULL) {
        status = mr_fail_memory("an image");
        goto done;
    }
    MR_TRY(mr_model_images_read(path, chosen->size, "", false, density, &images));
    if (images.n != 1) {
        status = mr_fail(MR_ERR_USAGE, "%s: holds %zu images; give a file of one", path, images.n);
        goto done;
    }
    MR_TRY(mr_images_get(&images, 0, 1, pixels));
    for (size_t j = 0; j < dim; j++)
        noise[j] = (mr_real)0.5;
    mr_pixels_to_row(density, pixels, noise, class, row);
done:
    mr_images_free(&images);
    free(noise);
    free(pixels);
    return status;
}

static mr_status check_model(const char *path, const mr_density *density,
                             const interpolate_options *chosen, size_t *class) {
    const mr_pixels *pixels = mr_density_pixels(density);
    if (pixels == NULL)
        return mr_fail(MR_ERR_INPUT, "%s is not a model of images; fit one to images first", path);
    if (chosen->given[0] != '\0')
        return mr_class_find(density, chosen->given, class);
    if (pixels->n_classes > 0)
        return mr_fail(MR_ERR_USAGE,
                       "%s is class-conditional; give the class of the images by --given", path);
    return MR_OK;
}

static mr_status run_interpolate(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    mr_status status;
    interpolate_options chosen;
    mr_density *density = NULL;
    size_t class = 0;
    double *ends = NULL, *x = NULL;
    unsigned char *pixels = NULL;

    MR_TRY(mr_command_line_store(&mr_command_flow_interpolate, line, &chosen));
    MR_TRY(mr_images_check_name(chosen.out));
    if (mr_text_flow_is_file(line->arguments[0])) {
        status =
            mr_fail(MR_ERR_INPUT, "%s is a model of text; `interpolate` is for models of images",
                    line->arguments[0]);
        goto done;
    }
    MR_TRY(mr_density_load(line->arguments[0], &density));
    MR_TRY(check_model(line->arguments[0], density, &chosen, &class));
    const size_t dim = mr_density_dim(density), width = mr_density_width(density);
    ends = malloc(2 * width * sizeof *ends);
    x = malloc(chosen.num * dim * sizeof *x);
    pixels = malloc(chosen.num * dim);
    if (ends == NULL || x == NULL || pixels == NULL) {
        status = mr_fail_memory("the images");
        goto done;
    }
    MR_TRY(read_end(&chosen, line->arguments[1], density, class, ends));
    MR_TRY(read_end(&chosen, line->arguments[2], density, class, ends + width));
    MR_TRY(mr_density_interpolate(density, ends, chosen.num, x));
    mr_pixels_of_rows(density, chosen.num, x, pixels);
    MR_TRY(mr_images_save(chosen.out, density, chosen.num, pixels, chosen.num));
    if (chosen.json)
        status = mr_print_json(
            json_pack("{s:o, s:I}", "out", mr_json_text(chosen.out), "n", (json_int_t)chosen.num));
    else
        printf("%zu images are in %s\n", chosen.num, chosen.out);
done:
    free(ends);
    free(x);
    free(pixels);
    mr_density_free(density);
    return status;
}

const mr_command mr_command_flow_interpolate = {
    .name = "flow interpolate",
    .usage = "MODEL A B [options]",
    .summary = "draw the images between two images",
    .details = "Finds the noise from which a model of images makes A and B (.png or .jpg, or a\n"
               ".npy [1, h, w] or [1, h, w, c]), goes from the one to the other on an arc, and\n"
               "writes the images that the model makes on the way.",
    .min_arguments = 3,
    .max_arguments = 3,
    .options = options,
    .n_options = MR_COUNT(options),
    .letters = "n",
    .run = run_interpolate,
};
