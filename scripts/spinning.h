/// How long the threads of OpenMP spin while they wait for each other.
#pragma once

/// Makes them let go of their core soon, by beginning the program anew with GOMP_SPINCOUNT set:
/// libgomp reads it before main. Does nothing where the user has set it, or OMP_WAIT_POLICY, and
/// where the program cannot be begun anew.
void mr_limit_spinning(char **argv);
