/// The widths of a net's hidden layers, as settings and models have them.
#pragma once

#include <stddef.h>

enum { MR_MAX_HIDDEN = 8 };

/// The number of hidden layers, and the width of each.
typedef struct {
    size_t n; // hidden layers, 1 to MR_MAX_HIDDEN
    size_t width[MR_MAX_HIDDEN];
} mr_widths;
