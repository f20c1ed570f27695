// MuJoCo's warnings that the physics is not the model's. MuJoCo goes on after them: what it has no
// room for is left out, what is no number is put back to the initial state or to 0.

#include "envs/mujoco/warnings.h"

#include "base/status.h"

#include <stddef.h>

// Since 2.3.0, contacts and constraints share one memory with all else.
#if mjVERSION_HEADER < 230
#define CONTACT_REMEDY "give the model room, as in <size nconmax=\"2000\"/>"
#define CONSTRAINT_REMEDY "give the model room, as in <size njmax=\"8000\"/>"
#else
#define CONTACT_REMEDY "give the model memory, as in <size memory=\"100M\"/>"
#define CONSTRAINT_REMEDY CONTACT_REMEDY
#endif

static const char broken_down[] =
    "the simulation broke down (NaN, or numbers beyond 1e10), which ends an episode; a smaller "
    "timestep or weaker actuators make it steadier";

static const struct {
    mjtWarning kind;
    const char *text;
} warnings[] = {
    {mjWARN_CONTACTFULL, "MuJoCo has no room for all contacts and leaves some out, so that bodies "
                         "go through each other; " CONTACT_REMEDY},
    {mjWARN_CNSTRFULL, "MuJoCo has no room for all constraints and leaves contacts and limits of "
                       "joints out; " CONSTRAINT_REMEDY},
    {mjWARN_BADQPOS, broken_down},
    {mjWARN_BADQVEL, broken_down},
    {mjWARN_BADQACC, broken_down},
    {mjWARN_BADCTRL, "an action is beyond 1e10, and MuJoCo takes 0 for all of its components; give "
                     "the actuators smaller ranges"},
    {mjWARN_INERTIA, "MuJoCo finds the inertia matrix nearly singular and changes it; give the "
                     "lightest bodies more inertia, or their joints armature"},
};

const char *mr_warnings_count(const mjData *data, int counted[mjNWARNING]) {
    const char *text = NULL;
    for (size_t i = 0; i < MR_COUNT(warnings); i++) {
        const int number = (int)data->warning[warnings[i].kind].number;
        if (text == NULL && number > counted[warnings[i].kind])
            text = warnings[i].text;
        counted[warnings[i].kind] = number;
    }
    return text;
}
