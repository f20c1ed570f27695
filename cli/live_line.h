/// A line on stderr that tells how some work is going: rewritten on a terminal, elsewhere a plain
/// line every few seconds.
#pragma once

#include <stdbool.h>

typedef struct {
    bool is_live;
    double drawn_s; // mr_clock_s
} mr_live_line;

void mr_live_line_begin(mr_live_line *line);

/// Whether it is time to draw it again.
bool mr_live_line_is_due(const mr_live_line *line);

/// Draws it (printf form; cut to the terminal's width).
void mr_live_line_draw(mr_live_line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/// Takes it away, so that something else can be printed.
void mr_live_line_clear(const mr_live_line *line);
