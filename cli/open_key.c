// What is said of a secret key that is none.

#include "cli/open_key.h"

#include <stdio.h>

#include "envs/zmq/curve.h"

void mr_open_key_tell(const char *secret_file) {
    if (secret_file[0] != '\0' && mr_curve_is_open_to_others(secret_file))
        fprintf(stderr,
                "warning: %s is a secret key that others than its owner can read or change; "
                "chmod 600 %s, and make another (`millrace keygen`) if they have\n",
                secret_file, secret_file);
}
