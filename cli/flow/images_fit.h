/// `millrace flow fit` of images.
#pragma once

#include "cli/command.h"
#include "millrace/fit.h"

/// The options that are about images alone.
typedef struct {
    char size[MR_MAX_CHOICE];
    char labels[MR_MAX_TEXT];
    bool class_conditional;
    bool skip_bad;
    size_t bits;
    double logit;
    char dequantisation[MR_MAX_TEXT];
    bool flips;
    size_t shifts;
    char log[MR_MAX_TEXT];
} mr_image_fit_options;

/// What it shares with other fits. Options that were not given have the defaults of tables: those
/// of images take their place.
typedef struct {
    const mr_command_line *line;
    const mr_image_fit_options *images;
    mr_fit_options fit; // with the checkpoint
    const char *data, *flow, *base, *out;
    bool json;
} mr_image_fit;

/// Fails with MR_ERR_USAGE on an option that is about images alone; `what` says what `data` is.
mr_status mr_image_options_refuse(const mr_command_line *line, const char *data, const char *what);

mr_status mr_image_fit_run(const mr_image_fit *how, int *exit_code);
