/// What the serving commands share: options, and the loop that serves until a signal comes.
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

/// Serves until SIGINT or SIGTERM. Announces the service on stderr, and its progress in a live
/// line.
///
///   what     the name of what is served: "HalfCheetah-v5"
///   report   writes the progress
///   warning  returns a warning, which is printed once, or NULL; may be NULL
mr_status mr_serve(const mr_serving *serving, mr_answerer answerer, const char *what,
                   void (*report)(void *self, char *line, size_t size),
                   const char *(*warning)(void *self));
