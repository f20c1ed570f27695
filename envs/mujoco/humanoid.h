/// What both Humanoid tasks observe.
#pragma once

#include "envs/mujoco/terms.h"

/// Without the world, the first body, and without the six forces on the torso's free joint.
#define MR_HUMANOID_OBS                                                                            \
    MR_ROWS(mr_obs_part, {.of = {.field = &mr_field_qpos}, .n_positions = 2},                      \
            {.of = {.field = &mr_field_qvel}},                                                     \
            {.of = {.field = &mr_field_cinert, .first = 10},                                       \
             .option = "include_cinert_in_observation",                                            \
             .included = true},                                                                    \
            {.of = {.field = &mr_field_cvel, .first = 6},                                          \
             .option = "include_cvel_in_observation",                                              \
             .included = true},                                                                    \
            {.of = {.field = &mr_field_qfrc_actuator, .first = 6},                                 \
             .option = "include_qfrc_actuator_in_observation",                                     \
             .included = true},                                                                    \
            {.of = {.field = &mr_field_cfrc_ext, .first = 6},                                      \
             .option = "include_cfrc_ext_in_observation",                                          \
             .included = true})
