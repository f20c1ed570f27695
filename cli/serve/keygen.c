// `millrace keygen`: keys for encrypted connections.

#include <stdio.h>

#include "envs/zmq/curve.h"
#include "cli/command.h"

static mr_status run_keygen(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    const char *name = line->arguments[0];
    const mr_status status = mr_curve_make_pair(name);
    if (status == MR_OK)
        printf("%s.key is the public key, to give away; %s.key_secret the secret one, to keep\n",
               name, name);
    return status;
}

const mr_command mr_command_keygen = {
    .name = "keygen",
    .usage = "NAME",
    .summary = "make a pair of keys for encrypted connections",
    .details = "Makes a pair of keys: NAME.key, the public one, to give away, and\n"
               "NAME.key_secret, which only you can read. A server takes its own secret key\n"
               "(--curve-secret-key) and a folder of its clients' public keys (--curve-allow);\n"
               "a client takes its own secret key (--curve-secret-key) and the server's public\n"
               "key (--curve-server-key).",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_keygen,
};
