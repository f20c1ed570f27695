// The types of number that NumPy has, as doubles.

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/matrix_internal.h"

// IEEE's half precision: a sign, 5 bits of exponent, 10 of fraction.
static double from_half(uint64_t bits) {
    const int exponent = (int)(bits >> 10 & 31);
    const double fraction = (double)(bits & 1023);
    double size;
    if (exponent == 31)
        size = fraction > 0 ? (double)NAN : (double)INFINITY;
    else
        size = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    return bits >> 15 != 0 ? -size : size;
}

static double from_float32(uint64_t bits) {
    const uint32_t low = (uint32_t)bits;
    float number;
    memcpy(&number, &low, sizeof number);
    return (double)number;
}

static double from_float64(uint64_t bits) {
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static double from_unsigned(uint64_t bits) {
    return (double)bits;
}

static double from_int8(uint64_t bits) {
    return (double)(int8_t)bits;
}

static double from_int16(uint64_t bits) {
    return (double)(int16_t)bits;
}

static double from_int32(uint64_t bits) {
    return (double)(int32_t)bits;
}

static double from_int64(uint64_t bits) {
    return (double)(int64_t)bits;
}

static const mr_number_type types[] = {
    {"b1", 1, from_unsigned}, {"i1", 1, from_int8},     {"i2", 2, from_int16},
    {"i4", 4, from_int32},    {"i8", 8, from_int64},    {"u1", 1, from_unsigned},
    {"u2", 2, from_unsigned}, {"u4", 4, from_unsigned}, {"u8", 8, from_unsigned},
    {"f2", 2, from_half},     {"f4", 4, from_float32},  {"f8", 8, from_float64},
};

const mr_number_type *mr_number_type_find(const char *name) {
    for (size_t i = 0; i < MR_COUNT(types); i++)
        if (strcmp(name, types[i].name) == 0)
            return &types[i];
    return NULL;
}

static uint64_t get_bits(const unsigned char *at, size_t size, bool is_big_endian) {
    uint64_t bits = 0;
    for (size_t i = 0; i < size; i++)
        bits |= (uint64_t)at[i] << 8 * (is_big_endian ? size - 1 - i : i);
    return bits;
}

// float32 and float64 as they are in memory, which a table of gigabytes has: a copy a number.
static bool decode_native(mr_number_format format, const unsigned char *at, size_t step, size_t n,
                          double *out, size_t out_step) {
    const bool is_double = format.type->get == from_float64;
    if (format.is_big_endian || (!is_double && format.type->get != from_float32))
        return false;
    for (size_t i = 0; i < n && is_double; i++)
        memcpy(out + i * out_step, at + i * step, sizeof *out);
    for (size_t i = 0; i < n && !is_double; i++) {
        float number;
        memcpy(&number, at + i * step, sizeof number);
        out[i * out_step] = (double)number;
    }
    return true;
}

void mr_numbers_decode(mr_number_format format, const void *bytes, size_t step, size_t n,
                       double *out, size_t out_step) {
    const unsigned char *at = bytes;
    if (decode_native(format, at, step, n, out, out_step))
        return;
    for (size_t i = 0; i < n; i++)
        out[i * out_step] =
            format.type->get(get_bits(at + i * step, format.type->size, format.is_big_endian));
}
