/// An arm with what tasks can start from, place and measure; its task is in a file beside it.
#pragma once

#include "envs/mujoco/simulation.h"

#include "tests/scratch.h"

// A hinge and a slide; a free, a mocap and a fixed body; a site; an actuator with a state; no
// range.
#define ARM_XML                                                                                    \
    "<mujoco><option gravity=\"0 0 0\"/><worldbody>\n"                                             \
    "<body name=\"arm\"><joint name=\"hinge\" axis=\"0 0 1\"/>\n"                                  \
    "<joint name=\"slide\" type=\"slide\" axis=\"0 1 0\"/>\n"                                      \
    "<geom name=\"link\" type=\"capsule\" fromto=\"0 0 0 0.4 0 0\" size=\"0.02\"/>\n"              \
    "<site name=\"tip\" pos=\"0.4 0 0\" euler=\"30 0 0\"/></body>\n"                               \
    "<body name=\"ball\" pos=\"5 5 5\"><freejoint name=\"free\"/>\n"                               \
    "<geom name=\"ball\" size=\"0.05\"/></body>\n"                                                 \
    "<body name=\"marker\" mocap=\"true\" pos=\"0 0 2\"><geom name=\"mark\" size=\"0.01\"\n"       \
    " pos=\"0 0 0.5\" contype=\"0\" conaffinity=\"0\"/></body>\n"                                  \
    "<body name=\"post\" pos=\"0 7 0\"><geom size=\"0.1\"/>\n"                                     \
    "<body name=\"lamp\" pos=\"0 0 1\"><geom size=\"0.1\"/></body></body>\n"                       \
    "<site name=\"goal\" pos=\"0.1 0.2 0.3\"/></worldbody>\n"                                      \
    "<actuator><motor name=\"direct\" joint=\"hinge\"/>\n"                                         \
    "<general name=\"slow\" joint=\"slide\" dyntype=\"filter\" dynprm=\"0.1\" gainprm=\"1\"\n"     \
    " ctrllimited=\"false\" ctrlrange=\"-3 3\"/></actuator>\n"                                     \
    "<keyframe><key name=\"away\" qpos=\"0 0 5 5 5 1 0 0 0\"/>\n"                                  \
    "<key name=\"up\" qpos=\"0.5 0.1 5 6 5 1 0 0 0\" qvel=\"0 0.2 0 0 0 1 0 0\" act=\"0.25\"/>\n"  \
    "</keyframe></mujoco>\n"

#define ARM_RANGE "default_ctrlrange: [-1, 1]\n"
#define ARM_OBSERVATION "observation: [{field: qpos}]\n"
#define ARM_REWARD "reward: [{term: alive}]\n"

enum { ARM_NQ = 9, ARM_NV = 8, ARM_ACT_DIM = 2 };

/// Opens the arm with a task, in the scratch folder.
static inline mr_env *arm_open_with(const char *task, const char *set) {
    mr_env *env = NULL;
    const mr_env_options options = {.set = set, .task = "task.yaml"};
    scratch_write("arm.xml", ARM_XML);
    scratch_write("task.yaml", task);
    cr_assert_eq(mr_env_open("mjcf:arm.xml", &options, &env), MR_OK, "%s", mr_error_message());
    return env;
}

static inline mr_env *arm_open(const char *task) {
    return arm_open_with(task, NULL);
}

/// The message of opening it fails and has this part.
static inline void arm_expect_refused(const char *task, const char *set, mr_status expected,
                                      const char *part) {
    mr_env *env = NULL;
    const mr_env_options options = {.set = set, .task = "task.yaml"};
    scratch_write("arm.xml", ARM_XML);
    scratch_write("task.yaml", task);
    cr_expect_eq(mr_env_open("mjcf:arm.xml", &options, &env), expected, "%s", task);
    cr_expect_null(env);
    scratch_expect_message(part);
    cr_expect_null(strchr(mr_error_message(), '\n'));
    mr_env_close(env);
}
