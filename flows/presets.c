// Presets: flows of the literature, as compositions of parts.

#include "flows/presets.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    size_t layers;
    mr_widths hidden;
    size_t bins;
    double bound;
    size_t levels, steps, channels; // of image flows
} values;

enum { MAX_LEVELS = 3 }; // of an image flow that chooses them itself

#define LAYERS(initial, help)                                                                      \
    { "layers", MR_FLOW_OPTION_COUNT, offsetof(values, layers), initial, 1, 64, NULL, help }
#define HIDDEN(help)                                                                               \
    { "hidden", MR_FLOW_OPTION_WIDTHS, offsetof(values, hidden), "64x64", 0, 0, NULL, help }
#define BINS(initial)                                                                              \
    {                                                                                              \
        "bins", MR_FLOW_OPTION_COUNT, offsetof(values, bins), initial, 1, MR_MAX_BINS, NULL,       \
            "pieces of each spline"                                                                \
    }
#define BOUND                                                                                      \
    {                                                                                              \
        "bound", MR_FLOW_OPTION_REAL, offsetof(values, bound), "6", 1, 1000, NULL,                 \
            "splines work on [-bound, bound] and are the identity outside"                         \
    }

// A plane is one hidden unit, so it takes many: on ten densities of 2 to 5 dimensions (10,000 rows)
// 16 planes miss the exact held-out likelihood by at most 0.22 nats, 8 by 0.46.
static const mr_flow_option planar[] = {LAYERS("16", "planes")};

static const mr_flow_option radial[] = {LAYERS("8", "balls")};

static const mr_flow_option real_nvp[] = {
    LAYERS("4", "couplings"),
    HIDDEN("widths of each coupling's net"),
};

// Six steps: on the targets of tests/oracle/flow_gaps.py the held-out likelihood then misses the
// exact one by at most 0.21 nats. Eight gain 0.03 there, but learn slower as a policy.
static const mr_flow_option glow[] = {
    LAYERS("6", "steps of actnorm, linear map and coupling"),
    HIDDEN("widths of each coupling's net"),
};

static const mr_flow_option autoregressive[] = {
    LAYERS("5", "autoregressive layers"),
    HIDDEN("widths of each layer's net"),
};

static const mr_flow_option nsf[] = {
    LAYERS("4", "couplings"),
    HIDDEN("widths of each coupling's net"),
    BINS("8"),
    BOUND,
};

// Measured by tests/oracle/flow_modes.py: 16 bins gain more than other nets or more layers do.
static const mr_flow_option nsf_lu[] = {
    LAYERS("2", "steps of two couplings and a linear map"),
    HIDDEN("widths of each coupling's net"),
    BINS("16"),
    BOUND,
};

static const mr_flow_option nsf_ar[] = {
    LAYERS("3", "autoregressive layers"),
    HIDDEN("widths of each layer's net"),
    BINS("8"),
    BOUND,
};

static const mr_flow_option image_glow[] = {
    {"levels", MR_FLOW_OPTION_COUNT, offsetof(values, levels), "0", 0, 8, NULL,
     "times that the image is halved; 0: as often as it can be, 3 times at most"},
    {"steps", MR_FLOW_OPTION_COUNT, offsetof(values, steps), "16", 1, 64, NULL,
     "of actnorm, linear map and coupling, at each level"},
    {"channels", MR_FLOW_OPTION_COUNT, offsetof(values, channels), "64", 1, 4096, NULL,
     "of the hidden layers of each coupling's net"},
};

static const mr_flow_option image_real_nvp[] = {
    {"levels", MR_FLOW_OPTION_COUNT, offsetof(values, levels), "0", 0, 8, NULL,
     "times that the image is halved; 0: as often as it can be, 3 times at most"},
    {"steps", MR_FLOW_OPTION_COUNT, offsetof(values, steps), "3", 1, 64, NULL,
     "couplings by checkerboard and couplings by channels, at each level"},
    {"channels", MR_FLOW_OPTION_COUNT, offsetof(values, channels), "32", 1, 4096, NULL,
     "of the hidden layers of each coupling's net"},
};

#define OPTIONS(rows)                                                                              \
    { rows, MR_COUNT(rows), sizeof(values) }

#define IMAGE_GLOW                                                                                 \
    "[squeeze, [actnorm, lu, coupling(inverse(affine), net=conv, "                                 \
    "hidden={channels}x{channels}, mask=channels)]*{steps}, factor_out]*{levels}"

#define IMAGE_REAL_NVP                                                                             \
    "[[actnorm, coupling(inverse(affine), net=conv_residual, hidden={channels}x{channels}, "       \
    "mask=checkerboard)]*{steps}, squeeze, [actnorm, coupling(inverse(affine), "                   \
    "net=conv_residual, hidden={channels}x{channels}, mask=channels)]*{steps}, factor_out]"        \
    "*{levels}"

// Files of version 0.1 hold these names: what they stand for never changes.
const mr_preset mr_preset_table[] = {
    {
        .name = "gaussian",
        .summary = "no parts: the base distribution alone",
        .options = {.size = sizeof(values)},
        .sample = "[]",
    },
    {
        .name = "planar",
        .summary = "contracts or expands across planes (Rezende and Mohamed 2015)",
        .options = OPTIONS(planar),
        .sample = "[planar]*{layers}",
    },
    {
        .name = "radial",
        .summary = "contracts or expands around points (Rezende and Mohamed 2015)",
        .options = OPTIONS(radial),
        .sample = "[radial]*{layers}",
    },
    {
        .name = "real_nvp",
        .summary = "affine couplings (Dinh et al. 2017)",
        .options = OPTIONS(real_nvp),
        .sample = "[coupling(affine, hidden={hidden})]*{layers}",
        .score = "[coupling(inverse(affine), hidden={hidden})]*{layers}",
        .for_images = "image_real_nvp",
    },
    {
        .name = "glow",
        .summary =
            "actnorm, invertible linear maps and affine couplings (Kingma and Dhariwal 2018)",
        .options = OPTIONS(glow),
        .sample = "[actnorm, lu, coupling(inverse(affine), hidden={hidden})]*{layers}",
        .for_images = "image_glow",
    },
    {
        .name = "maf",
        .summary = "autoregressive, in one pass from data to base (Papamakarios et al. 2017)",
        .options = OPTIONS(autoregressive),
        .sample = "[autoregressive(inverse(affine), hidden={hidden})]*{layers}",
    },
    {
        .name = "iaf",
        .summary = "autoregressive, in one pass from base to sample (Kingma et al. 2016)",
        .options = OPTIONS(autoregressive),
        .sample = "[autoregressive(affine, hidden={hidden})]*{layers}",
    },
    {
        .name = "nsf",
        .summary = "couplings by rational-quadratic splines (Durkan et al. 2019)",
        .options = OPTIONS(nsf),
        .sample = "[coupling(spline(bins={bins}, bound={bound}), hidden={hidden})]*{layers}",
        .score =
            "[coupling(inverse(spline(bins={bins}, bound={bound})), hidden={hidden})]*{layers}",
    },
    {
        .name = "nsf_lu",
        .summary = "pairs of spline couplings, and invertible linear maps (Durkan et al. 2019)",
        .options = OPTIONS(nsf_lu),
        .sample = "[coupling(spline(bins={bins}, bound={bound}), hidden={hidden}), "
                  "coupling(spline(bins={bins}, bound={bound}), hidden={hidden}), lu]*{layers}",
    },
    {
        .name = "nsf_ar",
        .summary = "autoregressive splines, in one pass from data to base (Durkan et al. 2019)",
        .options = OPTIONS(nsf_ar),
        .sample = "[autoregressive(spline(bins={bins}, bound={bound}), hidden={hidden})]*{layers}",
    },
    {
        .name = "image_glow",
        .summary = "for images: squeezes, steps of actnorm, 1x1 convolution and coupling, and "
                   "features that leave at each level (Kingma and Dhariwal 2018)",
        .options = OPTIONS(image_glow),
        .is_for_images = true,
        .sample = "inverse(" IMAGE_GLOW ")",
        .score = IMAGE_GLOW,
    },
    {
        .name = "image_real_nvp",
        .summary = "for images: couplings by checkerboard, a squeeze, couplings by channels, and "
                   "features that leave at each level (Dinh et al. 2017)",
        .options = OPTIONS(image_real_nvp),
        .is_for_images = true,
        .sample = "inverse(" IMAGE_REAL_NVP ")",
        .score = IMAGE_REAL_NVP,
    },
};

const size_t mr_preset_table_size = MR_COUNT(mr_preset_table);

const mr_preset *mr_preset_of(const char *text) {
    const size_t n = strcspn(text, ":");
    for (size_t i = 0; i < mr_preset_table_size; i++)
        if (strlen(mr_preset_table[i].name) == n && strncmp(mr_preset_table[i].name, text, n) == 0)
            return &mr_preset_table[i];
    return NULL;
}

// ---- Reading

// Puts values in the place of {NAME}.
static void fill_in(const mr_preset *preset, const values *v, const char *form,
                    char expanded[MR_FLOW_MAX_TEXT]) {
    char value[MR_FLOW_MAX_OPTION];
    size_t used = 0;
    while (*form && used < MR_FLOW_MAX_TEXT) {
        size_t n = strcspn(form, "{");
        if (n > 0) {
            used +=
                (size_t)snprintf(expanded + used, MR_FLOW_MAX_TEXT - used, "%.*s", (int)n, form);
        } else {
            n = strcspn(form, "}") + 1;
            mr_flow_option_write(mr_flow_option_find(&preset->options, form + 1, n - 2), v, value);
            used += (size_t)snprintf(expanded + used, MR_FLOW_MAX_TEXT - used, "%s", value);
        }
        form += n;
    }
}

// How often an image can be halved, from 1 to MAX_LEVELS.
static size_t count_levels(mr_shape image) {
    size_t n = 1;
    while (n < MAX_LEVELS && image.height % (2U << n) == 0 && image.width % (2U << n) == 0)
        n++;
    return n;
}

// The text of the preset that an image gets in the place of this one.
static void write_for_images(const mr_preset *preset, const char *text,
                             char of_image[MR_FLOW_MAX_TEXT]) {
    snprintf(of_image, MR_FLOW_MAX_TEXT, "%s%s", preset->for_images, text + strlen(preset->name));
}

mr_status mr_preset_expand(const mr_preset *preset, const char *text, mr_flow_use use,
                           mr_shape image, char full[MR_FLOW_MAX_TEXT],
                           char expanded[MR_FLOW_MAX_TEXT]) {
    values v = {0}; // a preset may have no `levels`
    char of_image[MR_FLOW_MAX_TEXT];
    if (image.channels > 0 && preset->for_images) {
        write_for_images(preset, text, of_image);
        return mr_preset_expand(mr_preset_of(of_image), of_image, use, image, full, expanded);
    }
    const mr_status status = mr_flow_options_read(&preset->options, "flow", preset->name, text, &v);
    if (status != MR_OK)
        return status;
    if (v.levels == 0 && image.channels > 0)
        v.levels = count_levels(image);
    mr_flow_options_write(&preset->options, preset->name, &v, full, MR_FLOW_MAX_TEXT);
    if (v.levels == 0)
        v.levels = MAX_LEVELS;
    fill_in(preset, &v, use == MR_FLOW_TO_SCORE && preset->score ? preset->score : preset->sample,
            expanded);
    return MR_OK;
}
