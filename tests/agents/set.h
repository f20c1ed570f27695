/// Settings of an agent, for tests.
#pragma once

#include "agents/sac.h"

#include <criterion/criterion.h>

/// Sets one by name.
static inline void set(mr_settings *settings, const char *name, const char *text) {
    cr_assert_eq(mr_settings_set(settings, name, text, name), MR_OK, "%s", mr_error_message());
}

/// The options of settings whose agent is SAC; also to set them beyond their ranges.
static inline mr_sac_options *sac_options(const mr_settings *settings) {
    return (mr_sac_options *)(uintptr_t)mr_settings_agent_options(settings);
}
