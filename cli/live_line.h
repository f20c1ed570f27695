/// A line on stderr about the progress of some work: rewritten in place on a terminal, elsewhere a
/// new line every few seconds.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { MR_LIVE_LINE_SIZE = 512 }; // of its text, with the final zero

typedef struct {
    bool is_live;   // it is rewritten
    double drawn_s; // mr_clock_s, when it was last drawn
} mr_live_line;

void mr_live_line_begin(mr_live_line *line);

/// How many characters fit.
size_t mr_live_line_width(const mr_live_line *line);

/// Whether it is time to draw it again.
bool mr_live_line_is_due(const mr_live_line *line);

/// Draws it (printf form; cut to its width).
void mr_live_line_draw(mr_live_line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/// Removes it, so that something else can be printed.
void mr_live_line_clear(const mr_live_line *line);
