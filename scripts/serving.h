/// What the commands that serve share: their options, and the loop until a signal comes.
#pragma once

#include "agents/settings.h"
#include "envs/zmq/service.h"

typedef struct {
    char bind[MR_MAX_TEXT];
    char curve_secret_key[MR_MAX_TEXT];
    char curve_allow[MR_MAX_TEXT];
    bool insecure;
} mr_serving;

/// Rows of a table of options, for a struct that begins with an mr_serving.
#define MR_SERVING_OPTIONS                                                                         \
    {"bind",                                                                                       \
     MR_SETTING_TEXT,                                                                              \
     offsetof(mr_serving, bind),                                                                   \
     "tcp://127.0.0.1:5555",                                                                       \
     0,                                                                                            \
     0,                                                                                            \
     "ENDPOINT",                                                                                   \
     "where: tcp://ADDRESS:PORT (port *: any free one) or ipc://PATH",                             \
     false},                                                                                       \
        {"curve_secret_key",                                                                       \
         MR_SETTING_TEXT,                                                                          \
         offsetof(mr_serving, curve_secret_key),                                                   \
         "",                                                                                       \
         0,                                                                                        \
         0,                                                                                        \
         "FILE",                                                                                   \
         "encrypt, with this secret key (`millrace keygen` makes one), and...",                    \
         false},                                                                                   \
        {"curve_allow",                                                                            \
         MR_SETTING_TEXT,                                                                          \
         offsetof(mr_serving, curve_allow),                                                        \
         "",                                                                                       \
         0,                                                                                        \
         0,                                                                                        \
         "DIR",                                                                                    \
         "...let in only clients whose public keys (.key files) are in this folder",               \
         false},                                                                                   \
    {                                                                                              \
        "insecure", MR_SETTING_SWITCH, offsetof(mr_serving, insecure), "false", 0, 0, NULL,        \
            "bind an address that others reach, without keys: anybody may use it", false           \
    }

/// Serves until SIGINT or SIGTERM. What is served is said at once, in one line on stderr, and how
/// it is going in a live line after it.
///
///   what    "HalfCheetah-v5"
///   figure  writes how it is going into a line
mr_status mr_serve(const mr_serving *serving, mr_answerer answerer, const char *what,
                   void (*figure)(void *self, char *line, size_t size));
