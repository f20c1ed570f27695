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

enum { MR_N_SERVING_OPTIONS = 4 };

/// Their table, for a struct that begins with an mr_serving.
extern const mr_setting mr_serving_options[MR_N_SERVING_OPTIONS];

/// Serves until SIGINT or SIGTERM. What is served is said at once, in one line on stderr, and how
/// it is going in a live line after it.
///
///   what    "HalfCheetah-v5"
///   report   writes how it is going into a line
///   warning  what is to be said, once, as soon as it is not NULL; may be NULL
mr_status mr_serve(const mr_serving *serving, mr_answerer answerer, const char *what,
                   void (*report)(void *self, char *line, size_t size),
                   const char *(*warning)(void *self));
