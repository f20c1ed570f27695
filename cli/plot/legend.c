// Fits names and titles into a picture.

#include "cli/plot/legend.h"

#include <stdio.h>
#include <string.h>

// Sizes of the font of gnuplot.c, DejaVu Sans 13, measured on names of settings.
static const double letter_width = 9.5, line_height = 20; // pixels

static const double beside_names = 210; // pixels, that margins and the colours' samples take
static const double beside_title = 100; // pixels
static const double most_inside = 0.45, most_below = 0.5; // of the picture's width, of its height

static const char dots[] = "...";

// Whether a byte continues a UTF-8 character (10xxxxxx).
static bool is_within_letter(char c) {
    return ((unsigned char)c & 0xC0) == 0x80;
}

size_t mr_count_letters(const char *text) {
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += !is_within_letter(*text);
    return n;
}

// The number of bytes of the first `n` characters.
static size_t letters_size(const char *text, size_t n) {
    size_t i = 0;
    for (; text[i] != '\0'; i++)
        if (!is_within_letter(text[i]) && n-- == 0)
            break;
    return i;
}

static size_t at_least_one(double number) {
    return number > 1 ? (size_t)number : 1;
}

mr_legend mr_legend_choose(size_t n, size_t longest, size_t width, size_t height) {
    const double inside = most_inside * (double)width, room = (double)width - beside_names;
    if ((double)longest * letter_width <= inside)
        return (mr_legend){.n_columns = longest, .n_lines = 1};
    const size_t n_lines = at_least_one(most_below * (double)height / line_height / (double)n);
    return (mr_legend){.is_below = true,
                       .n_columns = at_least_one(room / letter_width),
                       .n_lines = n_lines < MR_LEGEND_LINES ? n_lines : MR_LEGEND_LINES};
}

// The number of bytes of the next line. It breaks after a comma, a space or a slash in its second
// half, or else where it is full.
static size_t next_break(const char *text, size_t n_columns) {
    const size_t size = letters_size(text, n_columns);
    if (text[size] == '\0')
        return size;
    for (size_t i = size; i > size / 2; i--)
        if (strchr(" ,/", text[i - 1]) != NULL)
            return i;
    return size;
}

void mr_legend_break(const mr_legend *legend, const char *text, mr_legend_name *out) {
    out->n = 0;
    while (out->n < legend->n_lines) {
        const size_t size = next_break(text, legend->n_columns);
        const bool is_last = out->n + 1 == legend->n_lines, is_cut = is_last && text[size] != '\0';
        const size_t n_dots = is_cut ? strlen(dots) : 0;
        const size_t kept = is_cut && legend->n_columns > n_dots
                                ? letters_size(text, legend->n_columns - n_dots)
                                : size;
        snprintf(out->line[out->n++], MR_LEGEND_LINE_SIZE, "%.*s%s", (int)kept, text,
                 is_cut ? dots : "");
        text += size;
        text += strspn(text, " ");
        if (*text == '\0')
            return;
    }
}

void mr_title_fit(const char *text, size_t width, char *out, size_t size) {
    const size_t n = mr_count_letters(text),
                 most = at_least_one(((double)width - beside_title) / letter_width);
    if (n <= most || most <= strlen(dots)) {
        snprintf(out, size, "%s", text);
        return;
    }
    const size_t n_kept = most - strlen(dots), n_end = n_kept * 2 / 3; // paths differ in their ends
    const size_t head = letters_size(text, n_kept - n_end), tail = letters_size(text, n - n_end);
    snprintf(out, size, "%.*s%s%s", (int)head, text, dots, text + tail);
}
