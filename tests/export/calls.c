// Calls an exported policy (policy.c) as often as its argument says, with observations and noise
// that change, and with the first ones again at the end. test_memory.py compiles and runs it.

#include "policy.c"

#include <stdlib.h>
#include <string.h>

enum { MAX_DIM = 64 };

static void fill(unsigned *state, int n, float *numbers) {
    for (int i = 0; i < n; i++) {
        *state = *state * 75 % 65537; // Lehmer's generator
        numbers[i] = (float)(int)(*state % 1024) / 256 - 2;
    }
}

int main(int argc, char **argv) {
    float obs[MAX_DIM], noise[MAX_DIM], action[MAX_DIM], first[MAX_DIM];
    const long n = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    unsigned state = 1;
    int n_not_finite = 0;
    for (long i = 0; i < n; i++) {
        fill(&state, OBS_DIM, obs);
        fill(&state, ACT_DIM, noise);
        policy_act(obs, i % 2 == 0 ? noise : NULL, action);
        for (int j = 0; j < ACT_DIM; j++)
            n_not_finite += !isfinite(action[j]);
        if (i == 0)
            memcpy(first, action, sizeof first);
    }
    state = 1;
    fill(&state, OBS_DIM, obs);
    fill(&state, ACT_DIM, noise);
    policy_act(obs, noise, action);
    return n_not_finite == 0 && memcmp(first, action, ACT_DIM * sizeof *action) == 0 ? 0 : 1;
}
