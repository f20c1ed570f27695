/// Presets: short names for compositions. Private to flows/.
#pragma once

#include "flows/flow.h"
#include "flows/options.h"

typedef struct {
    const char *name;
    const char *summary; // one line, with the paper
    mr_flow_options options;
    /// The composition from base to data, for sampling, and from data to base, for scoring (NULL:
    /// the same). {NAME} stands for an option's value.
    const char *sample, *score;
    bool is_for_images;     // it has no form for vectors
    const char *for_images; // the preset that an image gets in its place; NULL: itself
} mr_preset;

/// The table of presets; those for images alone come last.
extern const mr_preset mr_preset_table[];
extern const size_t mr_preset_table_size;

/// The preset that a text names: NAME or NAME:option=value,option=value. NULL if it names none.
const mr_preset *mr_preset_of(const char *text);

/// Reads a text that names `preset`. Writes the text with every option into `full`, and the
/// composition that it stands for into `expanded`. Fails with MR_ERR_USAGE; the message names the
/// choices.
///
///   image  of the features; all 0: a vector
mr_status mr_preset_expand(const mr_preset *preset, const char *text, mr_flow_use use,
                           mr_shape image, char full[MR_FLOW_MAX_TEXT],
                           char expanded[MR_FLOW_MAX_TEXT]);
