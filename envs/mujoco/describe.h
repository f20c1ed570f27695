/// What users are told of a running task: its description and notes.
#pragma once

#include "envs/mujoco/state.h"

/// Prints a description of a task. `initial` is the task before its options were set.
mr_status mr_mujoco_print(const mr_mujoco *mujoco, const char *summary, const mr_task *initial,
                          char *text, size_t size);

/// Prints what a range is about: "xpos(torso)[2]"; and the range: "(0.2, 1)".
void mr_healthy_print(const mr_mujoco *mujoco, const mr_healthy_range *range, char *text,
                      size_t size);
void mr_healthy_print_range(const mr_healthy_range *range, char *text, size_t size);

/// Makes mujoco->notes: what users should know before they train on the task. They contain what
/// MuJoCo warned of in its model (`warnings`, a line each). Tries where episodes start; leaves data
/// and random numbers as they are before the first reset.
mr_status mr_mujoco_make_notes(mr_mujoco *mujoco, const char *warnings);

/// Gives `mujoco`, which has none, the notes of another environment of the same task.
mr_status mr_mujoco_copy_notes(const mr_mujoco *from, mr_mujoco *mujoco);
