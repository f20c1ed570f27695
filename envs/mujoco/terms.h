/// The vocabulary of task descriptions: what can be observed, rewarded and disturbed.
#pragma once

#include "envs/mujoco/task.h"

extern const mr_field mr_field_qpos; // positions of the joints
extern const mr_field mr_field_qvel; // velocities of the degrees of freedom

extern const mr_reward_kind mr_reward_forward; // velocity of qpos[0] over the step
extern const mr_reward_kind mr_reward_healthy; // 1 while the state is healthy, else 0
extern const mr_reward_kind mr_reward_control; // minus the sum of squared actions

extern const mr_noise_kind mr_noise_uniform; // on [-scale, scale)
extern const mr_noise_kind mr_noise_normal;  // with deviation `scale`
