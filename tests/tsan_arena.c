// Lets Criterion run under the thread sanitizer.
//
// Criterion hands its state to the processes of the tests in memory at a random address, drawn with
// rand_r as a number of 16 MB blocks above 0x200000000000; most of that range the sanitizer keeps
// for itself, and Criterion gives up (github.com/Snaipe/Criterion/issues/274). This rand_r stays
// where the sanitizer allows memory of the program and Linux puts none: from 0x550100000000 on.

#include <stdlib.h>

enum { FIRST_BLOCK = 0x350100, N_BLOCKS = 0x100 };

int rand_r(unsigned int *seed) {
    *seed += 1;
    return FIRST_BLOCK + (int)(*seed % N_BLOCKS);
}
