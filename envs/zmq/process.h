/// Processes as the protocol names them ("HOST:PID:START:BOOT:NAMESPACE"), so that a server
/// recognises a client that starts a new session, and notices if a client on its own machine has
/// died.
#pragma once

#include "envs/zmq/message.h"

#include <stdbool.h>

/// Writes the name of this process. Parts that the system does not provide are 0.
void mr_process_name(char out[MR_MESSAGE_TEXT_SIZE]);

/// Whether a process has certainly ended: it ran on this machine in this process's pid namespace,
/// and no longer exists. False if that can't be known; `name` may be any text.
bool mr_process_has_ended(const char *name);
