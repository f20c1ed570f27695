// The line of progress.

#include "cli/live_line.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

static const double live_interval = 0.1, plain_interval = 5.0; // s

enum { LINE_SIZE = 512, DEFAULT_WIDTH = 80 };

void mr_live_line_begin(mr_live_line *line) {
    const char *terminal = getenv("TERM");
    const bool is_dumb = terminal != NULL && strcmp(terminal, "dumb") == 0;
    *line = (mr_live_line){.is_live = isatty(STDERR_FILENO) == 1 && !is_dumb};
    line->drawn_s = mr_clock_s();
}

bool mr_live_line_is_due(const mr_live_line *line) {
    return mr_clock_s() - line->drawn_s >= (line->is_live ? live_interval : plain_interval);
}

static int terminal_width(void) {
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return DEFAULT_WIDTH;
    return size.ws_col - 1; // the last column would wrap on some terminals
}

void mr_live_line_draw(mr_live_line *line, const char *format, ...) {
    char text[LINE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    line->drawn_s = mr_clock_s();
    if (line->is_live)
        fprintf(stderr, "\r%.*s\033[K", terminal_width(), text);
    else
        fprintf(stderr, "%s\n", text);
}

void mr_live_line_clear(const mr_live_line *line) {
    if (line->is_live)
        fputs("\r\033[K", stderr);
}
