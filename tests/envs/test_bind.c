// What a server binds, and what it leaves alone.

#include "envs/zmq/bind.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <zmq.h>

#include "tests/scratch.h"

static void *context, *sockets[2];

static void begin(void) {
    scratch_enter();
    context = zmq_ctx_new();
    for (size_t i = 0; i < MR_COUNT(sockets); i++) {
        sockets[i] = zmq_socket(context, ZMQ_ROUTER);
        zmq_setsockopt(sockets[i], ZMQ_LINGER, &(int){0}, sizeof(int));
    }
}

static void end(void) {
    for (size_t i = 0; i < MR_COUNT(sockets); i++)
        zmq_close(sockets[i]);
    zmq_ctx_term(context);
    scratch_leave();
}

TestSuite(bind, .init = begin, .fini = end);

static mr_status bind_to(size_t i, const char *endpoint) {
    char resolved[MR_BIND_SIZE], bound[MR_BIND_SIZE];
    const mr_status status = mr_bind_resolve(endpoint, resolved);
    return status == MR_OK ? mr_bind(sockets[i], resolved, bound) : status;
}

static void expect_refused(const char *endpoint, const char *why) {
    cr_expect_eq(bind_to(0, endpoint), MR_ERR_IO, "%s", endpoint);
    scratch_expect_message(endpoint);
    scratch_expect_message(why);
}

Test(bind, removes_nothing_that_is_no_socket) {
    scratch_write("file", "precious");
    cr_assert_eq(mkdir("folder", 0777), 0);
    cr_assert_eq(symlink("file", "link"), 0);
    cr_assert_eq(symlink("nowhere", "dangling"), 0);
    cr_assert_eq(mkfifo("pipe", 0666), 0);
    expect_refused("ipc://file", "a file is there");
    expect_refused("ipc://folder", "a folder is there");
    expect_refused("ipc://link", "a symbolic link is there");
    expect_refused("ipc://dangling", "a symbolic link is there");
    expect_refused("ipc://pipe", "a file is there");
    char *text = scratch_read("file");
    cr_expect_str_eq(text, "precious");
    free(text);
    struct stat info;
    cr_expect_eq(lstat("dangling", &info), 0);
    cr_expect_eq(lstat("pipe", &info), 0);
}

Test(bind, takes_the_place_of_a_server_that_died) {
    const pid_t child = fork();
    if (child == 0) {
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "s"};
        const int file = socket(AF_UNIX, SOCK_STREAM, 0);
        _exit(bind(file, (void *)&address, sizeof address) || listen(file, 1));
    }
    int ended;
    cr_assert_eq(waitpid(child, &ended, 0), child);
    cr_assert_eq(ended, 0);
    cr_assert_eq(access("s", F_OK), 0);
    cr_expect_eq(bind_to(0, "ipc://s"), MR_OK, "%s", mr_error_message());
}

Test(bind, leaves_a_server_alone_that_lives) {
    char path[300];
    cr_assert_eq(bind_to(0, "ipc://s"), MR_OK, "%s", mr_error_message());
    snprintf(path, sizeof path, "ipc://%s/s", scratch_folder);
    cr_expect_eq(bind_to(1, path), MR_ERR_IO);
    scratch_expect_message("another server is there");
    cr_assert_eq(bind_to(0, "ipc://@millrace-test-bind"), MR_OK, "%s", mr_error_message());
    cr_expect_eq(bind_to(1, "ipc://@millrace-test-bind"), MR_ERR_IO);
    scratch_expect_message("another server is there");
}

// A socket that is no stream is somebody's too.
Test(bind, leaves_the_socket_of_another_program_alone) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "s"};
    const int file = socket(AF_UNIX, SOCK_DGRAM, 0);
    cr_assert_eq(bind(file, (void *)&address, sizeof address), 0);
    expect_refused("ipc://s", "another server is there");
    close(file);
}

// Both look before either has bound, unless the one waits for the other.
Test(bind, lets_one_of_many_have_the_place_that_start_at_once) {
    enum { N = 12 };
    int gate[2], n_bound = 0;
    cr_assert_eq(pipe(gate), 0);
    pid_t children[N];
    for (int i = 0; i < N; i++)
        if ((children[i] = fork()) == 0) {
            char bound[MR_BIND_SIZE], byte;
            void *socket = zmq_socket(zmq_ctx_new(), ZMQ_ROUTER);
            close(gate[1]);
            const bool begun = read(gate[0], &byte, 1) == 0; // all at once
            const bool mine = begun && mr_bind(socket, "ipc://s", bound) == MR_OK;
            if (mine)
                sleep(1); // until all others have tried
            _exit(mine);
        }
    close(gate[1]);
    for (int i = 0; i < N; i++) {
        int ended;
        cr_assert_eq(waitpid(children[i], &ended, 0), children[i]);
        n_bound += WEXITSTATUS(ended);
    }
    cr_expect_eq(n_bound, 1);
}

Test(bind, looks_up_names_of_hosts) {
    static const char *const names[] = {"tcp://localhost:*", "tcp://localhost:0"};
    char resolved[MR_BIND_SIZE], bound[MR_BIND_SIZE];
    for (size_t i = 0; i < MR_COUNT(names); i++) {
        cr_assert_eq(mr_bind_resolve(names[i], resolved), MR_OK, "%s", mr_error_message());
        cr_expect_eq(strncmp(resolved, "tcp://127.0.0.1:", 16), 0, "%s", resolved);
        cr_assert_eq(mr_bind(sockets[0], resolved, bound), MR_OK, "%s", mr_error_message());
        cr_expect_eq(strncmp(bound, "tcp://127.0.0.1:", 16), 0, "%s", bound);
        cr_expect_gt(atoi(bound + 16), 0, "%s", bound);
    }
    // "invalid" names nothing, ever (RFC 6761).
    cr_expect_eq(mr_bind_resolve("tcp://host.invalid:5555", resolved), MR_ERR_IO);
    scratch_expect_message("no host or interface 'host.invalid'");
    cr_expect_eq(mr_bind_resolve("tcp://lo:5555", resolved), MR_OK);
    cr_expect_str_eq(resolved, "tcp://lo:5555");
}

// On a machine without IPv6 the test is skipped.
Test(bind, binds_ipv6_with_brackets_and_without) {
    static const char *const names[] = {"tcp://[::1]:*", "tcp://::1:*"};
    char bound[MR_BIND_SIZE];
    for (size_t i = 0; i < MR_COUNT(names); i++) {
        if (mr_bind(sockets[0], names[i], bound) != MR_OK)
            cr_skip_test("%s", mr_error_message());
        cr_expect_eq(strncmp(bound, "tcp://[::1]:", 12), 0, "%s", bound);
    }
}

Test(bind, says_what_is_wrong_with_an_address) {
    char resolved[MR_BIND_SIZE];
    char long_path[120] = "ipc://";
    memset(long_path + 6, 'x', sizeof long_path - 7);
    cr_expect_eq(mr_bind_resolve(long_path, resolved), MR_ERR_USAGE);
    scratch_expect_message("a path of 113 bytes, and sockets at most 107");
    char long_host[800] = "tcp://";
    memset(long_host + 6, 'x', sizeof long_host - 10);
    strcpy(long_host + sizeof long_host - 4, ":55");
    cr_expect_eq(mr_bind_resolve(long_host, resolved), MR_ERR_USAGE);
    scratch_expect_message("too long");
    expect_refused("ipc://nowhere/s", "make its folder first");
    // 192.0.2.0/24 is nobody's (RFC 5737).
    expect_refused("tcp://192.0.2.1:5555", "not this machine's");
}
