/// Time that has passed, on the wall and on the processor.
#pragma once

/// Seconds since some fixed moment, by a clock that nobody sets back: for durations and deadlines.
double mr_clock_s(void);

/// Seconds that all threads of this process have computed.
double mr_cpu_s(void);
