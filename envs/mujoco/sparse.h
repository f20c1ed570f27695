/// What the sparse tasks are rewarded for: having come further than a threshold.
#pragma once

#include "envs/mujoco/terms.h"

/// 1 for each step at whose end the robot is more than `threshold` beyond its start; control costs
/// nothing unless `ctrl_cost_weight` is set.
#define MR_SPARSE_REWARDS(threshold)                                                               \
    MR_ROWS(mr_reward_term,                                                                        \
            {.name = "reward_forward",                                                             \
             .of = {&mr_quantity_gained,                                                           \
                    {.field = &mr_field_qpos, .n = 1},                                             \
                    .range = {threshold, INFINITY},                                                \
                    .low_option = "threshold"},                                                    \
             .weight = 1.0,                                                                        \
             .option = "forward_reward_weight"},                                                   \
            {.name = "reward_ctrl",                                                                \
             .of = {&mr_quantity_squares, {.field = &mr_field_ctrl}},                              \
             .weight = 0.0,                                                                        \
             .option = "ctrl_cost_weight",                                                         \
             .cost = true})

/// Positions along the way are observed, unlike in the dense tasks: what is rewarded depends on
/// them.
#define MR_SPARSE_INFOS                                                                            \
    MR_ROWS(                                                                                       \
        mr_info_term, {.name = "x_position", .of = {.of = {.field = &mr_field_qpos, .n = 1}}},     \
        {.name = "x_velocity", .of = {&mr_quantity_velocity, {.field = &mr_field_qpos, .n = 1}}})
