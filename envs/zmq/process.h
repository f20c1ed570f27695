/// Processes as the protocol names them ("HOST:PID:START:BOOT:NAMESPACE"), so that a server knows a
/// client again that begins anew, and notices that one of its own machine has died.
#pragma once

#include "envs/zmq/message.h"

#include <stdbool.h>

/// Writes the name of this process. Parts that the system does not tell are 0.
void mr_process_name(char out[MR_MESSAGE_TEXT_SIZE]);

/// Whether a process has surely ended: it was one of this machine and of this process's pid
/// namespace, and is not there any more. False if that can't be known; `name` may be any text.
bool mr_process_has_ended(const char *name);
