// Processes by name: which have ended, as far as this machine can know.

#include "envs/zmq/process.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

TestSuite(process);

// A child that waits to be killed, and the name that it gave itself.
static pid_t start_child(char name[MR_MESSAGE_TEXT_SIZE]) {
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    const pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        mr_process_name(name);
        if (write(ends[1], name, MR_MESSAGE_TEXT_SIZE) == MR_MESSAGE_TEXT_SIZE)
            pause();
        _exit(0);
    }
    cr_assert_eq(read(ends[0], name, MR_MESSAGE_TEXT_SIZE), MR_MESSAGE_TEXT_SIZE);
    close(ends[0]);
    close(ends[1]);
    return child;
}

Test(process, has_a_name_that_is_its_own) {
    char self[MR_MESSAGE_TEXT_SIZE], again[MR_MESSAGE_TEXT_SIZE], other[MR_MESSAGE_TEXT_SIZE];
    const pid_t child = start_child(other);
    mr_process_name(self);
    mr_process_name(again);
    cr_expect_str_eq(self, again);
    cr_expect_str_neq(self, other);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

Test(process, has_ended_once_it_was_killed_and_not_before) {
    char self[MR_MESSAGE_TEXT_SIZE], other[MR_MESSAGE_TEXT_SIZE];
    siginfo_t how;
    const pid_t child = start_child(other);
    mr_process_name(self);
    cr_expect_not(mr_process_has_ended(self));
    cr_expect_not(mr_process_has_ended(other));
    kill(child, SIGKILL);
    cr_assert_eq(waitid(P_PID, (id_t)child, &how, WEXITED | WNOWAIT), 0);
    cr_expect(mr_process_has_ended(other), "a zombie counts as ended: %s", other);
    waitpid(child, NULL, 0);
    cr_expect(mr_process_has_ended(other), "%s", other);
}

Test(process, of_the_same_number_that_began_at_another_time_is_another) {
    char self[MR_MESSAGE_TEXT_SIZE], old[MR_MESSAGE_TEXT_SIZE + 32], place[64];
    unsigned long long start;
    mr_process_name(self);
    cr_assert_eq(sscanf(self, "%*[^:]:%*d:%llu:%63s", &start, place), 2);
    snprintf(old, sizeof old, "host:%ld:%llu:%s", (long)getpid(), start - 1, place);
    cr_expect(mr_process_has_ended(old), "%s", old);
}

Test(process, of_another_machine_or_container_is_taken_as_alive) {
    // Process 2^22 is above the largest that Linux gives (PID_MAX_LIMIT is 2^22, pids are below).
    static const char *const names[] = {
        "",
        ":",
        "host",
        "host:4194304:5",
        "host:4194304:5:0:0",
        "host:x:5:0:0",
        "host:4194304:5:12345678-1234-1234-1234-123456789012:4026531836",
    };
    char self[MR_MESSAGE_TEXT_SIZE], container[MR_MESSAGE_TEXT_SIZE + 8];
    for (size_t i = 0; i < MR_COUNT(names); i++)
        cr_expect_not(mr_process_has_ended(names[i]), "%s", names[i]);
    mr_process_name(self);
    snprintf(container, sizeof container, "host:4194304:5%s1", strchr(strchr(self, ':') + 1, ':'));
    cr_expect_not(mr_process_has_ended(container), "%s", container);
}
