// The live line of a terminal.

#include "cli/live_line.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

static const double live_interval = 0.1, plain_interval = 5.0; // s

enum { DEFAULT_WIDTH = 80 };

void mr_live_line_begin(mr_live_line *line) {
    const char *terminal = getenv("TERM");
    const bool is_dumb = terminal != NULL && strcmp(terminal, "dumb") == 0;
    *line = (mr_live_line){.is_live = isatty(STDERR_FILENO) == 1 && !is_dumb};
    line->drawn_s = mr_clock_s();
}

bool mr_live_line_is_due(const mr_live_line *line) {
    return mr_clock_s() - line->drawn_s >= (line->is_live ? live_interval : plain_interval);
}

size_t mr_live_line_width(const mr_live_line *line) {
    struct winsize size;
    size_t width = DEFAULT_WIDTH;
    if (!line->is_live)
        return MR_LIVE_LINE_SIZE - 1;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        width = size.ws_col - 1u; // the last column would wrap on some terminals
    return width < MR_LIVE_LINE_SIZE ? width : MR_LIVE_LINE_SIZE - 1;
}

void mr_live_line_draw(mr_live_line *line, const char *format, ...) {
    char text[MR_LIVE_LINE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    line->drawn_s = mr_clock_s();
    if (line->is_live)
        fprintf(stderr, "\r%.*s\033[K", (int)mr_live_line_width(line), text);
    else
        fprintf(stderr, "%s\n", text);
}

void mr_live_line_clear(const mr_live_line *line) {
    if (line->is_live)
        fputs("\r\033[K", stderr);
}
