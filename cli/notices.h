/// Notes and warnings of several commands, each a line on stderr.
#pragma once

#include "agents/policy.h"

/// The notes of an open task (mr_env_spec.notes).
void mr_notice_env(const mr_env_spec *spec);

/// That a policy plays on another engine than it was trained on, if it does.
void mr_notice_engine(const mr_policy_spec *policy, const mr_env_spec *env);

/// A warning of the simulation (mr_step.warning).
void mr_notice_warning(const char *env, const char *warning);

/// That a server has not replied yet; for mr_env_link.waiting. `self` is not used.
void mr_notice_waiting(void *self, const char *endpoint, size_t n_asked);

/// That others than the owner of a secret key can read or change its file, if so; "" is no file.
void mr_notice_open_key(const char *secret_file);
