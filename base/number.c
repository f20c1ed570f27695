// Numbers as text, in the C locale.

#include "base/number.h"

#include <stdio.h>
#include <stdlib.h>

enum { EXACT_DECIMALS = 15, MOST_DIGITS = 17 }; // DBL_DIG, DBL_DECIMAL_DIG

// glibc has this locale without making it: this can't fail.
locale_t mr_number_locale(void) {
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

double mr_number_read(const char *text, char **end) {
    return strtod_l(text, end, mr_number_locale());
}

int mr_number_write_digits(char *text, size_t size, int n_digits, double number) {
    const locale_t before = uselocale(mr_number_locale()); // of this thread alone
    const int length = snprintf(text, size, "%.*g", n_digits, number);
    uselocale(before);
    return length;
}

// 15 digits give every decimal of so many back, their trailing zeros left out.
int mr_number_write(char *text, size_t size, double number) {
    int length = 0;
    for (int n_digits = EXACT_DECIMALS; n_digits <= MOST_DIGITS; n_digits++) {
        length = mr_number_write_digits(text, size, n_digits, number);
        if (mr_number_read(text, NULL) == number)
            break;
    }
    return length;
}
