// Initialises the library for programs of tests before their main, which may be Criterion's.

#include "millrace/init.h"

#include <stdlib.h>

__attribute__((constructor)) static void initialise(void) {
    if (mr_init(MR_INIT_ALL) != MR_OK)
        abort();
}
