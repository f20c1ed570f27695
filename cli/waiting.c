// What is said while a server does not answer.

#include "cli/waiting.h"

#include <stdio.h>

void mr_waiting_tell(void *self, const char *endpoint, size_t n_asked) {
    (void)self;
    fprintf(stderr, "%s: no reply yet, asked %zu time%s; is the server running?\n", endpoint,
            n_asked, n_asked == 1 ? "" : "s");
}
