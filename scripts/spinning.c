// libgomp's threads spin for milliseconds before they sleep. Where another program takes a core,
// the one that waits then keeps the one that works from running: updates of two threads beside a
// busy core went at 54 a second, and at 172 with this count; alone at 391 and 355, and the matrix
// products beside them at 506 and 458 (bench_sac_update, two cores).

#include "scripts/spinning.h"

#include <stdlib.h>
#include <unistd.h>

static const char spin_count[] = "10000";

void mr_limit_spinning(char **argv) {
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY"))
        return;
    if (setenv("GOMP_SPINCOUNT", spin_count, 1) == 0)
        execv("/proc/self/exe", argv);
}
