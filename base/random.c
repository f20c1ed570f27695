// Philox streams.

#include "base/random.h"

#include "base/vmath.h"

#include <Random123/philox.h>
#include <math.h>

static const double two_pi = 6.283185307179586476925286766559;

enum { CHUNK = 256 }; // normals made at a time: small enough for the stack and the first cache

static void next_block(mr_random *random, uint32_t words[4]) {
    const philox4x32_key_t key = {{(uint32_t)random->seed, (uint32_t)(random->seed >> 32)}};
    const philox4x32_ctr_t counter = {{random->block++, random->purpose, (uint32_t)random->index,
                                       (uint32_t)(random->index >> 32)}};
    const philox4x32_ctr_t result = philox4x32(counter, key);
    for (int i = 0; i < 4; i++)
        words[i] = result.v[i];
}

mr_random mr_random_stream(uint64_t seed, mr_purpose purpose, uint64_t index) {
    return (mr_random){.seed = seed, .index = index, .purpose = (uint32_t)purpose};
}

uint32_t mr_random_u32(mr_random *random) {
    if (random->n_left == 0) {
        next_block(random, random->words);
        random->n_left = 4;
    }
    return random->words[4 - random->n_left--];
}

uint64_t mr_random_u64(mr_random *random) {
    const uint64_t high = mr_random_u32(random);
    return high << 32 | mr_random_u32(random);
}

double mr_random_uniform(mr_random *random) {
    return (double)(mr_random_u64(random) >> 11) * 0x1p-53;
}

double mr_random_between(mr_random *random, double low, double high) {
    return low + (high - low) * mr_random_uniform(random);
}

double mr_random_normal(mr_random *random) {
    const double u = 1.0 - mr_random_uniform(random); // (0, 1]: its logarithm is finite
    return sqrt(-2.0 * log(u)) * cos(two_pi * mr_random_uniform(random));
}

size_t mr_random_below(mr_random *random, size_t n) {
    const uint64_t range = n;
    unsigned __int128 product = (unsigned __int128)mr_random_u64(random) * range;
    if ((uint64_t)product < range) {
        const uint64_t unfair = (0 - range) % range;
        while ((uint64_t)product < unfair)
            product = (unsigned __int128)mr_random_u64(random) * range;
    }
    return (size_t)(product >> 64);
}

// Uniforms on (0, 1], from 24 bits each: what float32 can hold, and never 0.
static void fill_open_uniform(mr_random *random, size_t n, mr_real *out) {
    for (size_t i = 0; i < n; i += 4) {
        uint32_t words[4];
        next_block(random, words);
        for (size_t k = 0; k < 4 && i + k < n; k++)
            out[i + k] = (mr_real)((words[k] >> 8) + 1) * (mr_real)0x1p-24;
    }
}

void mr_random_fill_normal(mr_random *random, size_t n, mr_real *out) {
    mr_real radius[CHUNK / 2], angle[CHUNK / 2], sine[CHUNK / 2], cosine[CHUNK / 2];
    for (size_t start = 0; start < n; start += CHUNK) {
        const size_t n_chunk = n - start < CHUNK ? n - start : CHUNK;
        const size_t n_pairs = (n_chunk + 1) / 2;
        fill_open_uniform(random, n_pairs, radius);
        fill_open_uniform(random, n_pairs, angle);
        mr_vlog(n_pairs, radius, radius);
        for (size_t i = 0; i < n_pairs; i++) {
            radius[i] = mr_sqrt(-2 * radius[i]);
            angle[i] *= (mr_real)two_pi;
        }
        mr_vsin(n_pairs, angle, sine);
        mr_vcos(n_pairs, angle, cosine);
        for (size_t i = 0; i < n_chunk; i++)
            out[start + i] = radius[i / 2] * (i % 2 == 0 ? cosine[i / 2] : sine[i / 2]);
    }
}

void mr_random_fill_uniform(mr_random *random, size_t n, double low, double high, mr_real *out) {
    for (size_t i = 0; i < n; i++)
        out[i] = (mr_real)mr_random_between(random, low, high);
}
