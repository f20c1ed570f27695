// Where leaks are looked for: in the processes of the tests. The runner that starts them is
// Criterion's own, and it leaves the record of a time limit behind when a test ends just then.

#include <stdlib.h>

// Called by the leak sanitizer at the end of a process; a test's has this in its environment.
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) {
    return getenv("BXFI_MAP") == NULL;
}
