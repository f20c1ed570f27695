/// Numbers as text: decimal notation with a point, whatever locale the process has chosen. All
/// files, settings and texts of flows go through these functions; printf and strtod follow the
/// locale, and write or expect a comma under many.
#pragma once

#include <locale.h>
#include <stddef.h>

/// Reads a number as strtod does in the C locale; `*end` is where it ends.
double mr_number_read(const char *text, char **end);

/// Writes the shortest text that reads back as the same number, without an exponent from 1e-4 up to
/// 1e15: "10", "0.0003", "1e-05". At most `size` bytes with the final zero; 25 are always enough.
/// Returns the length, as snprintf does.
int mr_number_write(char *text, size_t size, double number);

/// Writes at most `n_digits` significant digits, as %.*g does in the C locale.
int mr_number_write_digits(char *text, size_t size, int n_digits, double number);

/// The C locale, for a text with many numbers: a thread can switch to it (uselocale). Never freed.
locale_t mr_number_locale(void);
