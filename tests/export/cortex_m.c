// A program around an exported policy (policy.c), for a Cortex-M without an operating system and
// for this machine: prints actions, in millionths, for observations and noise that any machine
// computes alike. test_cortex_m.py compiles and runs both.

#include "policy.c"

enum { N_ROWS = 20, MAX_DIM = 64 };

#ifdef __arm__

// The debugger's calls (Arm's "Semihosting for AArch32 and AArch64"): qemu answers them.
enum { SYS_WRITE0 = 0x04, SYS_EXIT = 0x18, APPLICATION_EXIT = 0x20026 };

static void call_debugger(int operation, const void *argument) {
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void print(const char *text) {
    call_debugger(SYS_WRITE0, text);
}

int main(void);

static void reset(void) {
    main();
    call_debugger(SYS_EXIT, (const void *)APPLICATION_EXIT);
}

// Where the processor begins: the stack's end (4 MB of memory), and the first instruction.
__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
    (const void *)0x400000, (const void *)reset};

#else

#include <stdio.h>

static void print(const char *text) {
    fputs(text, stdout);
}

#endif

static void print_number(int number) {
    char text[16], *at = text + sizeof text - 1;
    const int is_negative = number < 0;
    *at = '\0';
    *--at = '\n';
    for (number = is_negative ? -number : number; number > 0 || at[0] == '\n'; number /= 10)
        *--at = (char)('0' + number % 10);
    if (is_negative)
        *--at = '-';
    print(at);
}

// The next of a sequence from -2 to 2, in steps that float32 holds exactly (Lehmer's generator).
static float next_number(void) {
    static unsigned state = 1;
    state = state * 75 % 65537;
    return (float)(int)(state % 1024) / 256 - 2;
}

int main(void) {
    for (int i = 0; i < N_ROWS; i++) {
        float obs[MAX_DIM], noise[MAX_DIM], action[MAX_DIM];
        for (int j = 0; j < OBS_DIM; j++)
            obs[j] = next_number();
        for (int j = 0; j < ACT_DIM; j++)
            noise[j] = next_number();
        policy_act(obs, i % 2 == 0 ? noise : 0, action);
        for (int j = 0; j < ACT_DIM; j++)
            print_number((int)(action[j] * 1e6f));
    }
    return 0;
}
