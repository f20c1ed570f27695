/// What the targets have in common.
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

/// libFuzzer's own mutation of data [n_bytes, room for max_bytes]; returns the new size.
size_t LLVMFuzzerMutate(uint8_t *data, size_t n_bytes, size_t max_bytes);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n_bytes, size_t max_bytes, unsigned seed);

/// The path of a file that holds the input: the same for each, in memory.
static inline const char *fuzz_file(const uint8_t *data, size_t n_bytes) {
    static int file = -1;
    static char path[32];
    if (file < 0) {
        file = memfd_create("input", MFD_CLOEXEC);
        assert(file >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    assert(ftruncate(file, 0) == 0);
    assert(pwrite(file, data, n_bytes, 0) == (ssize_t)n_bytes);
    return path;
}

/// A copy of the input with a zero after it, whose end the address sanitizer sees. To be freed.
static inline char *fuzz_text(const uint8_t *data, size_t n_bytes) {
    char *text = malloc(n_bytes + 1);
    assert(text != NULL);
    memcpy(text, data, n_bytes);
    text[n_bytes] = '\0';
    return text;
}

/// True where it went well. A failure has one line to show, and is not for want of memory: inputs
/// are small.
static inline bool fuzz_is_fine(mr_status status) {
    if (status == MR_OK)
        return true;
    const char *line = mr_error_message();
    assert(status != MR_ERR_MEMORY && line[0] != '\0');
    for (; *line != '\0'; line++)
        assert((unsigned char)*line >= ' ' && *line != 127);
    return false;
}

/// Reads a number, so that the address sanitizer looks at it.
static inline void fuzz_touch(double number) {
    static volatile double sum;
    sum = sum + number;
}
