/// What is said while a server does not answer.
#pragma once

#include <stddef.h>

/// A line on stderr; as mr_env_link.waiting.
void mr_waiting_tell(void *self, const char *endpoint, size_t n_asked);
