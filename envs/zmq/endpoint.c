// Addresses, and which of them are this machine's alone.

#include "envs/zmq/endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

// A server's "*" or "0": any that is free.
static bool is_port(const char *text, bool is_server) {
    char *end;
    if (strcmp(text, "*") == 0 || strcmp(text, "0") == 0)
        return is_server;
    if (text[0] < '0' || text[0] > '9')
        return false;
    const unsigned long port = strtoul(text, &end, 10);
    return *end == '\0' && port >= 1 && port <= 65535;
}

mr_status mr_endpoint_check(const char *endpoint, bool is_server) {
    const char *port = strrchr(endpoint, ':');
    const size_t longest_path = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
    const bool is_ipc = begins(endpoint, "ipc://") && endpoint[strlen("ipc://")] != '\0';
    const bool is_tcp = begins(endpoint, "tcp://") && port > endpoint + strlen("tcp://") &&
                        is_port(port + 1, is_server);
    if (is_ipc && strlen(endpoint) - strlen("ipc://") > longest_path)
        return mr_fail(
            MR_ERR_USAGE,
            "'%.40s...' has a path of %zu bytes, and sockets at most %zu; give a shorter "
            "one, from the folder where you are if need be",
            endpoint, strlen(endpoint) - strlen("ipc://"), longest_path);
    if (is_ipc || is_tcp || begins(endpoint, "inproc://"))
        return MR_OK;
    return mr_fail(MR_ERR_USAGE,
                   "'%.200s' is no endpoint; it looks like tcp://127.0.0.1:5555 or ipc://PATH",
                   endpoint);
}

static bool is_loopback(const char *host) {
    struct in_addr v4;
    struct in6_addr v6;
    if (strcmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool mr_endpoint_is_local(const char *endpoint) {
    char host[64];
    if (begins(endpoint, "ipc://") || begins(endpoint, "inproc://"))
        return true;
    if (!begins(endpoint, "tcp://"))
        return false;
    snprintf(host, sizeof host, "%s", endpoint + strlen("tcp://"));
    char *port = strrchr(host, ':');
    if (port != NULL)
        *port = '\0';
    const size_t length = strlen(host);
    if (host[0] != '[' || host[length - 1] != ']')
        return is_loopback(host);
    host[length - 1] = '\0';
    return is_loopback(host + 1);
}

// Of several colons, all but the last are the host's.
bool mr_endpoint_is_ipv6(const char *endpoint) {
    const char *host =
        endpoint + (begins(endpoint, "tcp://") ? strlen("tcp://") : strlen(endpoint));
    return strchr(host, ':') != strrchr(host, ':');
}
