// The messages of the protocol, field by field.

#include "envs/zmq/message_fields.h"

#include <jansson.h>

#define AT(field) offsetof(mr_message, field)
#define COUNT(field, least, most)                                                                  \
    { #field, MR_FIELD_COUNT, AT(field), 0, least, most, false }
#define TEXT(field)                                                                                \
    { #field, MR_FIELD_TEXT, AT(field), 0, 0, 0, false }
#define OPTIONAL_TEXT(field)                                                                       \
    { #field, MR_FIELD_TEXT, AT(field), 0, 0, 0, true }
#define BYTES(field)                                                                               \
    { #field, MR_FIELD_BYTES, AT(field), 0, 0, 0, false }
#define SIZES                                                                                      \
    COUNT(obs_dim, 1, MR_MESSAGE_MAX_DIM), COUNT(act_dim, 1, MR_MESSAGE_MAX_DIM), BYTES(act_low),  \
        BYTES(act_high)

static const mr_message_field hello[] = {
    TEXT(client),
    // Compared, so that it must not be cut.
    {"process", MR_FIELD_TEXT, AT(process), 0, 0, MR_MESSAGE_TEXT_SIZE - 1, true},
};
static const mr_message_field reset[] = {
    {"envs", MR_FIELD_ENVS, AT(envs), AT(n), 0, 0, false},
    {"seeds", MR_FIELD_SEEDS, AT(seeds), AT(n_seeds), 0, 0, false},
};
static const mr_message_field step[] = {
    {"envs", MR_FIELD_ENVS, AT(envs), AT(n), 0, 0, false},
    BYTES(actions),
};
static const mr_message_field render[] = {
    COUNT(env, 0, UINT64_MAX),
    COUNT(width, 1, MR_MESSAGE_MAX_SIDE),
    COUNT(height, 1, MR_MESSAGE_MAX_SIDE),
};
static const mr_message_field act[] = {
    COUNT(n, 1, MR_MESSAGE_MAX_BYTES),
    BYTES(obs),
    {"stochastic", MR_FIELD_FLAG, AT(stochastic), 0, 0, 0, true},
};
static const mr_message_field spec[] = {
    TEXT(name),
    COUNT(num_envs, 1, MR_MESSAGE_MAX_ENVS),
    SIZES,
    {"obs_dtype", MR_FIELD_DTYPE, AT(obs_dtype), 0, 0, 0, false},
    COUNT(max_episode_steps, 0, UINT32_MAX),
    TEXT(server),
    {"lease_s", MR_FIELD_REAL, AT(lease_s), 0, 0, 0, false},
    OPTIONAL_TEXT(engine),
    OPTIONAL_TEXT(engine_version),
};
static const mr_message_field state[] = {BYTES(obs)};
static const mr_message_field transition[] = {
    BYTES(obs),
    BYTES(reward),
    {"terminated", MR_FIELD_FLAGS, AT(terminated), AT(n), 0, 0, false},
    {"truncated", MR_FIELD_FLAGS, AT(truncated), AT(n_truncated), 0, 0, false},
    {"warned", MR_FIELD_FLAGS, AT(warned), AT(n_warned), 0, 0, true},
    OPTIONAL_TEXT(warning),
    {"info", MR_FIELD_INFO, AT(info), AT(n_info), 0, 0, true},
};
static const mr_message_field frame[] = {BYTES(rgb)};
static const mr_message_field policy[] = {TEXT(name), SIZES, TEXT(server)};
static const mr_message_field action[] = {BYTES(actions)};
static const mr_message_field error[] = {
    {"code", MR_FIELD_CODE, AT(code), 0, 0, 0, false},
    TEXT(message),
    {"fatal", MR_FIELD_FLAG, AT(fatal), 0, 0, 0, false},
};

const mr_message_layout mr_message_layouts[MR_N_MESSAGE_TYPES] = {
    [MR_MESSAGE_HELLO] = {"hello", hello, MR_COUNT(hello)},
    [MR_MESSAGE_RESET] = {"reset", reset, MR_COUNT(reset)},
    [MR_MESSAGE_STEP] = {"step", step, MR_COUNT(step)},
    [MR_MESSAGE_RENDER] = {"render", render, MR_COUNT(render)},
    [MR_MESSAGE_PING] = {"ping", NULL, 0},
    [MR_MESSAGE_ACT] = {"act", act, MR_COUNT(act)},
    [MR_MESSAGE_BYE] = {"bye", NULL, 0},
    [MR_MESSAGE_SPEC] = {"spec", spec, MR_COUNT(spec)},
    [MR_MESSAGE_STATE] = {"state", state, MR_COUNT(state)},
    [MR_MESSAGE_TRANSITION] = {"transition", transition, MR_COUNT(transition)},
    [MR_MESSAGE_FRAME] = {"frame", frame, MR_COUNT(frame)},
    [MR_MESSAGE_PONG] = {"pong", NULL, 0},
    [MR_MESSAGE_POLICY] = {"policy", policy, MR_COUNT(policy)},
    [MR_MESSAGE_ACTION] = {"action", action, MR_COUNT(action)},
    [MR_MESSAGE_ERROR] = {"error", error, MR_COUNT(error)},
};

static const char *const fault_names[] = {
    [MR_FAULT_NONE] = "none",
    [MR_FAULT_BAD_MESSAGE] = "bad-message",
    [MR_FAULT_BAD_VERSION] = "bad-version",
    [MR_FAULT_UNKNOWN_SESSION] = "unknown-session",
    [MR_FAULT_BAD_SEQUENCE] = "bad-sequence",
    [MR_FAULT_BUSY] = "busy",
    [MR_FAULT_BAD_ENV] = "bad-env",
    [MR_FAULT_BAD_ACTION] = "bad-action",
    [MR_FAULT_NEEDS_RESET] = "needs-reset",
    [MR_FAULT_ENV_FAILED] = "env-failed",
    [MR_FAULT_BAD_OBS] = "bad-obs",
    [MR_FAULT_OTHER] = "other",
};

const char *mr_fault_name(mr_fault fault) {
    return fault_names[fault];
}

static bool is_utf8(const char *text, size_t length) {
    json_t *string = json_stringn(text, length);
    json_decref(string);
    return string != NULL;
}

void mr_message_take_text(const char *text, size_t given, char out[MR_MESSAGE_TEXT_SIZE]) {
    size_t length = given < MR_MESSAGE_TEXT_SIZE ? given : MR_MESSAGE_TEXT_SIZE - 1;
    while (length < given && length > 0 && ((uint8_t)text[length] & 0xc0) == 0x80)
        length--; // a character is cut off whole
    const bool valid = is_utf8(text, length);
    for (size_t i = 0; i < length; i++) {
        const uint8_t c = (uint8_t)text[i];
        out[i] = c < ' ' || c == 0x7f ? ' ' : c >= 0x80 && !valid ? '?' : text[i];
    }
    out[length] = '\0';
}
