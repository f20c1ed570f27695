/// Words of a picture that must fit into it.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { MR_LEGEND_LINES = 8, MR_LEGEND_LINE_SIZE = 1024 };

/// A name, on as many lines as it needs.
typedef struct {
    size_t n;
    char line[MR_LEGEND_LINES][MR_LEGEND_LINE_SIZE];
} mr_legend_name;

/// How the names of a picture's curves are laid out.
typedef struct {
    bool is_below; // the picture; else inside of it, where they leave most of it free
    size_t n_columns;
    size_t n_lines; // at most, of each name
} mr_legend;

/// Chooses the layout of `n` names, of which the longest has so many letters, in a picture of this
/// size in pixels.
mr_legend mr_legend_choose(size_t n, size_t longest, size_t width, size_t height);

/// Breaks a name into lines, after a comma, a space or a slash where that is near enough. What
/// there is no line for is left out, with "..." in its place.
void mr_legend_break(const mr_legend *legend, const char *text, mr_legend_name *out);

/// A title of a picture of this width. What doesn't fit is left out of its middle, with "..." in
/// its place.
void mr_title_fit(const char *text, size_t width, char *out, size_t size);

/// How many letters a text in UTF-8 has.
size_t mr_count_letters(const char *text);
