/// Random numbers: counter-based streams (Philox4x32-10, Salmon et al. 2011, by Random123).
///
/// A stream is a (seed, purpose, index) triple: nothing depends on the order in which threads or
/// environments draw, and a run that is resumed needs no more than its counters to go on with the
/// same numbers.
#pragma once

#include "base/real.h"

#include <stddef.h>
#include <stdint.h>

/// What a stream is for. Written into the counter, so never renumber: saved runs rely on it.
typedef enum {
    MR_STREAM_INIT = 1,        // parameters at the start
    MR_STREAM_EXPLORE = 2,     // uniform actions before learning starts
    MR_STREAM_ACTION = 3,      // noise of the acting policy
    MR_STREAM_REPLAY = 4,      // which transitions a batch takes
    MR_STREAM_NOISE = 5,       // noise of the policy inside an update
    MR_STREAM_ENV = 6,         // an environment's own randomness
    MR_STREAM_SEEDS = 7,       // seeds handed to environments, one an episode
    MR_STREAM_EVAL = 8,        // evaluation episodes
    MR_STREAM_TEST = 9,        // tests
    MR_STREAM_SAMPLE = 10,     // samples of a density
    MR_STREAM_SPLIT = 11,      // which rows of a data set are held out
    MR_STREAM_ORDER = 12,      // the order of a data set's rows in an epoch
    MR_STREAM_VI = 13,         // samples of variational inference
    MR_STREAM_BONUS = 14,      // noise on the states that a bonus is trained on
    MR_STREAM_BONUS_INIT = 15, // its nets at the start
    MR_STREAM_SERVE = 16,      // noise of a policy that is served
    MR_STREAM_LATENT = 17,     // latents of categories, noise of variational dequantisation
    MR_STREAM_CHOOSE = 18,     // noise of the samples that a deterministic action is made of
    MR_STREAM_PIXELS = 19,     // noise on pixels and augmentation of images that are fitted
    MR_STREAM_HELD_OUT = 20,   // noise on the pixels of images that are held out
    MR_STREAM_SCORE = 21,      // noise on the pixels of images that are scored
    MR_STREAM_SWEEP = 23,      // points of a random sweep
    MR_STREAM_BOOTSTRAP = 24,  // samples of scores for an interval
} mr_purpose;

/// A position in a stream. A plain value: copy it to fork, save its fields to resume.
typedef struct {
    uint64_t seed;
    uint64_t index;
    uint32_t purpose;
    uint32_t block; // next block of four words
    uint32_t words[4];
    uint32_t n_left; // words of the present block not handed out yet
} mr_random;

/// The start of the stream (seed, purpose, index).
mr_random mr_random_stream(uint64_t seed, mr_purpose purpose, uint64_t index);

uint32_t mr_random_u32(mr_random *random);
uint64_t mr_random_u64(mr_random *random);

/// Uniform on [0, 1), 53 bits.
double mr_random_uniform(mr_random *random);

/// Uniform on [low, high).
double mr_random_between(mr_random *random, double low, double high);

/// Standard normal, by Box and Muller from two uniforms (the second normal is not kept).
double mr_random_normal(mr_random *random);

/// Uniform on 0 .. n-1 without bias (Lemire 2019); n is at least 1.
size_t mr_random_below(mr_random *random, size_t n);

/// Fills `out[n]` with standard normals. Vectorised; not the same numbers as n calls of
/// mr_random_normal.
void mr_random_fill_normal(mr_random *random, size_t n, mr_real *out);

/// Fills `out[n]` with uniforms on [low, high).
void mr_random_fill_uniform(mr_random *random, size_t n, double low, double high, mr_real *out);
