/// Legends and titles of pictures, made to fit.
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
    bool is_below; // the picture; else inside of it, in a free corner
    size_t n_columns;
    size_t n_lines; // at most, of each name
} mr_legend;

/// Chooses the layout of `n` names, the longest of `longest` letters, in a picture of this size in
/// pixels.
mr_legend mr_legend_choose(size_t n, size_t longest, size_t width, size_t height);

/// Breaks a name into lines, after a comma, a space or a slash if one is near. Text beyond the last
/// line is replaced by "...".
void mr_legend_break(const mr_legend *legend, const char *text, mr_legend_name *out);

/// A title for a picture of this width. If it doesn't fit, its middle is replaced by "...".
void mr_title_fit(const char *text, size_t width, char *out, size_t size);

/// The number of characters of a UTF-8 text.
size_t mr_count_letters(const char *text);
