// Binds a socket of the server. A file or another server's socket at the endpoint is never removed.

#include "envs/zmq/bind.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "envs/zmq/endpoint.h"

enum {
    HOST_SIZE = 256,
    // How long to wait for a server that binds in the same folder: it needs less than 1 ms.
    LOCK_TRIES = 100,
    LOCK_PAUSE_MS = 10,
};

static const char tcp_prefix[] = "tcp://", ipc_prefix[] = "ipc://";

static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

// ---- Names of hosts

// Whether ZeroMQ accepts it as a host: "*", an IP address, or the name of a network interface.
static bool is_bindable(const char *host) {
    struct in_addr v4;
    return strcmp(host, "*") == 0 || strchr(host, ':') != NULL ||
           inet_pton(AF_INET, host, &v4) == 1 || if_nametoindex(host) != 0;
}

static const struct addrinfo *preferred(const struct addrinfo *first) {
    for (const struct addrinfo *a = first; a != NULL; a = a->ai_next)
        if (a->ai_family == AF_INET) // which clients try, where they are given a name
            return a;
    return first;
}

static mr_status look_up(const char *endpoint, const char *host, char out[HOST_SIZE]) {
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char number[HOST_SIZE - 2];
    int failed = getaddrinfo(host, NULL, &hints, &found);
    if (failed == 0) {
        const struct addrinfo *one = preferred(found);
        failed = getnameinfo(one->ai_addr, one->ai_addrlen, number, sizeof number, NULL, 0,
                             NI_NUMERICHOST);
        snprintf(out, HOST_SIZE, one->ai_family == AF_INET6 ? "[%s]" : "%s", number);
        freeaddrinfo(found);
    }
    if (failed == 0)
        return MR_OK;
    return mr_fail(
        MR_ERR_IO,
        "cannot bind %s: no host or interface '%s' (%s); give a numeric address, such as "
        "tcp://127.0.0.1:5555",
        endpoint, host, gai_strerror(failed));
}

mr_status mr_bind_resolve(const char *endpoint, char out[MR_BIND_SIZE]) {
    char host[HOST_SIZE], number[HOST_SIZE];
    const mr_status status = mr_endpoint_check(endpoint, true);
    if (status != MR_OK)
        return status;
    const char *port = strrchr(endpoint, ':');
    const char *begin = endpoint + strlen(tcp_prefix);
    const size_t length = begins(endpoint, tcp_prefix) ? (size_t)(port - begin) : 0;
    if (strlen(endpoint) >= MR_BIND_SIZE || length >= HOST_SIZE)
        return mr_fail(MR_ERR_USAGE, "'%.60s...' is too long for an endpoint; give a shorter one",
                       endpoint);
    snprintf(host, sizeof host, "%.*s", (int)length, begin);
    if (length == 0 || is_bindable(host)) {
        snprintf(out, MR_BIND_SIZE, "%s", endpoint);
        return MR_OK;
    }
    const mr_status known = look_up(endpoint, host, number);
    if (known == MR_OK)
        snprintf(out, MR_BIND_SIZE, "%s%s%s", tcp_prefix, number, port);
    return known;
}

// ---- Files at the path of an ipc endpoint

// Locks the folder of the path. The lock is held from the check of the path to the end of binding,
// so that of two servers that start at the same time the second one sees the first one's socket. If
// the folder can't be locked, the server binds without a lock.
static int lock_folder(const char *path) {
    char folder[MR_BIND_SIZE];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(slash - path + 1) : 1,
             slash != NULL ? path : ".");
    const int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; file >= 0 && i < LOCK_TRIES && flock(file, LOCK_EX | LOCK_NB) != 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_MS * 1000000}, NULL);
    return file;
}

// Connects to a socket file. Returns 0 if a server accepts there, else the error number.
static int try_to_reach(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int file = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (file < 0)
        return errno;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    const bool reached = connect(file, (const void *)&address, sizeof address) == 0;
    const int cause = reached || errno == EAGAIN ? 0 : errno; // EAGAIN: its queue is full
    close(file);
    return cause;
}

// Removes a socket file that no server listens on; fails if anything else is at the path. ZeroMQ
// itself would remove any file.
static mr_status clear_place(const char *endpoint, const char *path) {
    struct stat info;
    if (lstat(path, &info) != 0)
        return MR_OK; // or a cause for which binding fails too
    if (!S_ISSOCK(info.st_mode))
        return mr_fail(MR_ERR_IO,
                       "cannot bind %s: %s is there, and no socket; give another path, or remove "
                       "it first",
                       endpoint,
                       S_ISDIR(info.st_mode)   ? "a folder"
                       : S_ISLNK(info.st_mode) ? "a symbolic link"
                                               : "a file");
    const int cause = try_to_reach(path);
    if (cause == ECONNREFUSED && unlink(path) == 0)
        return MR_OK; // its server had died
    if (cause == ECONNREFUSED)
        return mr_fail(
            MR_ERR_IO,
            "cannot bind %s: the socket of a dead server is there, and cannot be removed "
            "(%s); give another path",
            endpoint, strerror(errno));
    if (cause == 0 || cause == EPROTOTYPE)
        return mr_fail(MR_ERR_IO,
                       "cannot bind %s: another server is there; stop it, or give another path",
                       endpoint);
    return mr_fail(MR_ERR_IO,
                   "cannot bind %s: a socket is there, and cannot be asked whether somebody serves "
                   "it (%s); give another path",
                   endpoint, strerror(cause));
}

// ---- Binding

typedef struct {
    int cause;
    const char *remedy;
} remedy;

static const remedy remedies[] = {
    {EADDRINUSE, "another server is there; stop it, or give another address"},
    {EADDRNOTAVAIL, "the address is not this machine's; give one that is"},
    {ENODEV, "the address is not this machine's; give one that is"},
    {EACCES, "give a port above 1023, or a path in a folder of yours"},
    {ENOENT, "make its folder first"},
    {ENOTDIR, "give a path in a folder"},
};

static mr_status fail_to_bind(const char *endpoint, int cause) {
    const char *text = "give another address";
    for (size_t i = 0; i < MR_COUNT(remedies); i++)
        if (remedies[i].cause == cause)
            text = remedies[i].remedy;
    return mr_fail(MR_ERR_IO, "cannot bind %s: %s; %s", endpoint, zmq_strerror(cause), text);
}

static mr_status bind_socket(void *socket, const char *endpoint, char out[MR_BIND_SIZE]) {
    const int ipv6 = mr_endpoint_is_ipv6(endpoint);
    size_t size = MR_BIND_SIZE;
    if (zmq_setsockopt(socket, ZMQ_IPV6, &ipv6, sizeof ipv6) != 0 ||
        zmq_bind(socket, endpoint) != 0 ||
        zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, out, &size) != 0)
        return fail_to_bind(endpoint, zmq_errno());
    return MR_OK;
}

mr_status mr_bind(void *socket, const char *endpoint, char out[MR_BIND_SIZE]) {
    const char *path = endpoint + strlen(ipc_prefix);
    // "@NAME" is an abstract address, which has no file; for "*" ZeroMQ chooses a new path.
    if (!begins(endpoint, ipc_prefix) || path[0] == '@' || strcmp(path, "*") == 0)
        return bind_socket(socket, endpoint, out);
    const int lock = lock_folder(path);
    mr_status status = clear_place(endpoint, path);
    if (status == MR_OK)
        status = bind_socket(socket, endpoint, out);
    if (lock >= 0)
        close(lock);
    return status;
}
