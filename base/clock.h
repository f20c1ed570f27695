/// Time that has passed.
#pragma once

/// Seconds since some fixed moment, by a clock that nobody sets back: for durations and deadlines.
double mr_clock_s(void);
