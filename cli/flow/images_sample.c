// `millrace flow sample` of a density of images.

#include <stdio.h>
#include <stdlib.h>

#include "base/json_memory.h"
#include "cli/flow/images.h"
#include "cli/print_json.h"

// The class of each image: the one that was asked for, or all in turn.
static mr_status choose_classes(const mr_density *density, const mr_image_sampling *how,
                                size_t *label) {
    const size_t n_classes = mr_density_pixels(density)->n_classes;
    size_t class = 0;
    const bool is_one = how->class[0] != '\0';
    const mr_status status = is_one ? mr_class_find(density, how->class, &class) : MR_OK;
    for (size_t i = 0; i < how->n && status == MR_OK; i++)
        label[i] = is_one || n_classes == 0 ? class : i % n_classes;
    return status;
}

static mr_status print_json(const mr_density *density, const mr_image_sampling *how) {
    size_t channels, height, width;
    mr_density_shape(density, &channels, &height, &width);
    return mr_print_json(json_pack(
        "{s:o, s:I, s:I, s:I, s:I, s:f, s:o}", "out", mr_json_text(how->out), "n",
        (json_int_t)how->n, "channels", (json_int_t)channels, "height", (json_int_t)height, "width",
        (json_int_t)width, "temperature", how->temperature, "seed", mr_json_unsigned(how->seed)));
}

mr_status mr_images_sample_run(const mr_density *density, const mr_image_sampling *how) {
    mr_status status;
    const size_t n_classes = mr_density_pixels(density)->n_classes;
    const size_t columns = n_classes > 0 && how->class[0] == '\0' ? n_classes : 0;
    size_t *label = malloc(how->n * sizeof *label);
    unsigned char *pixels = calloc(how->n, mr_density_dim(density));
    if (label == NULL || pixels == NULL) {
        status = mr_fail_memory("the samples");
        goto done;
    }
    MR_TRY(mr_images_check_name(how->out));
    MR_TRY(choose_classes(density, how, label));
    MR_TRY(mr_images_draw(density, how->n_threads, how->seed, how->temperature, how->n, label,
                          pixels));
    MR_TRY(mr_images_save(how->out, density, how->n, pixels, columns));
    if (how->json)
        status = print_json(density, how);
    else
        printf("%zu images are in %s\n", how->n, how->out);
done:
    free(label);
    free(pixels);
    return status;
}
