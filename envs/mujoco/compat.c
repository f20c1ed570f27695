// MuJoCo's releases and MuJoCo's errors.

#include "envs/mujoco/compat.h"

#include "envs/env.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The end of the message about a model that an old MuJoCo refuses: it may be for a newer one.
#ifdef MR_NEWER_MUJOCO // the release of scripts/setup, defined if it is newer than this one
static const char newer_remedy[] =
    "; if it is written for a newer MuJoCo, build with " MR_NEWER_MUJOCO
    ": scripts/setup (without --mujoco debian), then scripts/build";
#else
static const char newer_remedy[] = "";
#endif

// Where a fatal error of this thread lands; NULL outside of mr_mujoco_run.
static _Thread_local jmp_buf *landing;
static _Thread_local char fatal_text[MR_MUJOCO_TEXT_SIZE];

static void (*previous_error)(const char *), (*previous_warning)(const char *); // the host's

const char *mr_mujoco_version(void) {
    return mj_versionString();
}

// Does not return into one of our calls: MuJoCo would go on with what it has just found to be
// broken.
static void land(const char *text) {
    if (landing != NULL) {
        snprintf(fatal_text, sizeof fatal_text, "%s", text);
        longjmp(*landing, 1);
    }
    // Not one of our calls: another user of MuJoCo in this process.
    if (previous_error != NULL) {
        previous_error(text);
        return;
    }
    mju_user_error = NULL; // MuJoCo prints it and ends the process
#if mjVERSION_HEADER >= 300
    mju_error("%s", text);
#else
    mju_error_s("%s", text);
#endif
}

// What matters of those in our calls is counted in mjData.warning, or returned with a model.
static void hear_warning(const char *text) {
    if (landing != NULL)
        return;
    if (previous_warning != NULL)
        previous_warning(text);
    else
        mr_tell(MR_LOG_WARNING, text);
}

void mr_env_take_mujoco_errors(void) {
    previous_error = mju_user_error;
    previous_warning = mju_user_warning;
    mju_user_error = land;
    mju_user_warning = hear_warning;
}

// MuJoCo's texts may have several lines; ours have one.
static void make_one_line(char *text) {
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n')
        text[--length] = '\0';
    for (size_t i = 0; i < length; i++)
        if (text[i] == '\n')
            text[i] = ' ';
}

// MuJoCo has no code for it, but all its texts about it say so.
static bool is_out_of_memory(const char *text) {
    return strcasestr(text, "could not allocate") != NULL;
}

static mr_status fail_memory(const char *name) {
    return mr_fail(MR_ERR_MEMORY,
                   "%s: out of memory for MuJoCo; free some, raise the limit (ulimit -v), or use "
                   "a smaller model",
                   name);
}

mr_status mr_mujoco_run(const char *name, void (*work)(void *argument), void *argument) {
    jmp_buf here;
    jmp_buf *const outer = landing;
    if (setjmp(here) != 0) {
        landing = outer;
        make_one_line(fatal_text);
        if (is_out_of_memory(fatal_text))
            return fail_memory(name);
        return mr_fail(MR_ERR_INPUT, "%s: MuJoCo gave up: %s; check the model's sizes and numbers",
                       name, fatal_text);
    }
    landing = &here;
    work(argument);
    landing = outer;
    return MR_OK;
}

// Headers and library of different releases disagree on the offsets of fields: nothing would work.
static mr_status check_version(void) {
    if (mj_version() == mjVERSION_HEADER)
        return MR_OK;
    return mr_fail(MR_ERR_USAGE,
                   "built for MuJoCo %d, but libmujoco %s is loaded; build again, or correct "
                   "LD_LIBRARY_PATH",
                   mjVERSION_HEADER, mj_versionString());
}

#if mjVERSION_HEADER >= 320 // 3.2.0 made mjVFS opaque
static int add_file(mjVFS *vfs, const char *name, const void *content, size_t size) {
    return mj_addBufferVFS(vfs, name, content, (int)size);
}
#else
static int add_file(mjVFS *vfs, const char *name, const void *content, size_t size) {
    const int failed = mj_makeEmptyFileVFS(vfs, name, (int)size);
    if (!failed)
        memcpy(vfs->filedata[mj_findFileVFS(vfs, name)], content, size);
    return failed;
}
#endif

// Before 2.3.0, mjData has room for njmax constraints (500 unless the model says so) whether they
// come or not. That is 3 MB, most of it njmax squared, which mj_resetData zeroes: 100 us, as long
// as twelve steps of InvertedPendulum, whose first episodes are shorter. So njmax becomes the most
// that the model can have at once, and a reset takes 2 us for the pendulums, 6 for Ant, 42 for
// Humanoid.
#if mjVERSION_HEADER < 230
static size_t max_contacts(int type, int other) {
    const int first = type < other ? type : other, second = type < other ? other : type;
    if (first == mjGEOM_HFIELD || second > mjGEOM_CAPSULE)
        return mjMAXCONPAIR;
    return second == mjGEOM_CAPSULE && first != mjGEOM_SPHERE ? 2 : 1;
}

static bool may_touch(const mjModel *model, int i, int j) {
    return model->geom_bodyid[i] != model->geom_bodyid[j] &&
           ((model->geom_contype[i] & model->geom_conaffinity[j]) != 0 ||
            (model->geom_contype[j] & model->geom_conaffinity[i]) != 0);
}

static size_t max_contact_rows(const mjModel *model, int i, int j) {
    const int dim = model->geom_condim[i] > model->geom_condim[j] ? model->geom_condim[i]
                                                                  : model->geom_condim[j];
    const size_t rows = dim == 1 ? 1 : 2 * (size_t)(dim - 1); // of the pyramid; the cone has fewer
    return rows * max_contacts(model->geom_type[i], model->geom_type[j]);
}

static void fit_room(mjModel *model) {
    size_t n = 6 * (size_t)model->neq + (size_t)model->nv + 2 * (size_t)model->njnt +
               3 * (size_t)model->ntendon; // equalities, friction, limits
    for (int i = 0; i < model->ngeom; i++)
        for (int j = i + 1; j < model->ngeom; j++)
            n += may_touch(model, i, j) ? max_contact_rows(model, i, j) : 0;
    if (model->npair == 0 && n < (size_t)model->njmax)
        model->njmax = (int)n + 1;
}
#else
static void fit_room(mjModel *model) {
    (void)model;
}
#endif

typedef struct {
    const char *name;
    const void *xml; // NULL: `name` is a file
    size_t size;
    mjVFS *vfs;
    mjModel *model;
    char text[MR_MUJOCO_TEXT_SIZE]; // an error, or warnings
} compilation;

static void compile(void *argument) {
    compilation *job = argument;
    if (job->xml == NULL || add_file(job->vfs, job->name, job->xml, job->size) == 0)
        // The analyzer does not see that a jump out of here lands where job->vfs is freed.
        // NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        job->model = mj_loadXML(job->name, job->vfs, job->text, MR_MUJOCO_TEXT_SIZE);
    else
        snprintf(job->text, MR_MUJOCO_TEXT_SIZE, "its text cannot be taken over");
}

static mr_status run_compilation(compilation *job) {
    mr_status status;

    MR_TRY(mr_mujoco_run(job->name, compile, job));
    if (job->model == NULL && is_out_of_memory(job->text)) {
        status = fail_memory(job->name);
    } else if (job->model == NULL) {
        make_one_line(job->text);
        status = mr_fail(MR_ERR_INPUT, "%s: MuJoCo %s does not accept the model: %s%s", job->name,
                         mj_versionString(), job->text, newer_remedy);
    }
done:
    return status;
}

static mr_status load(compilation job, char *warnings, mjModel **out) {
    mr_status status;

    MR_TRY(check_version());
    job.vfs = malloc(sizeof *job.vfs); // 2 MB before 3.2.0: too much for a stack
    if (job.vfs == NULL)
        return mr_fail_memory("a MuJoCo model");
    mj_defaultVFS(job.vfs);
    status = run_compilation(&job);
    mj_deleteVFS(job.vfs);
    if (status == MR_OK) {
        fit_room(job.model);
        memcpy(warnings, job.text, sizeof job.text);
        *out = job.model;
    }
done:
    free(job.vfs);
    return status;
}

mr_status mr_mujoco_load(const char *name, const void *xml, size_t size, char *warnings,
                         mjModel **out) {
    return load((compilation){.name = name, .xml = xml, .size = size}, warnings, out);
}

mr_status mr_mujoco_load_file(const char *path, char *warnings, mjModel **out) {
    return load((compilation){.name = path}, warnings, out);
}

#if mjVERSION_HEADER >= 300
void mr_mujoco_activations(const mjModel *model, int actuator, size_t *start, size_t *n) {
    const int first = model->actuator_actadr[actuator];
    *start = first >= 0 ? (size_t)first : 0;
    *n = first >= 0 ? (size_t)model->actuator_actnum[actuator] : 0;
}
#else // one each, and those that have a state come last
void mr_mujoco_activations(const mjModel *model, int actuator, size_t *start, size_t *n) {
    const int first = actuator - (model->nu - model->na);
    *start = first >= 0 ? (size_t)first : 0;
    *n = first >= 0;
}
#endif

// A release of 2026 took the scene away; which one, its type says.
typedef void move_in_scene(const mjModel *, int, mjtNum, mjtNum, const mjvScene *, mjvCamera *);
typedef void move_alone(const mjModel *, int, mjtNum, mjtNum, mjvCamera *);

void mr_mujoco_move_camera(const mjModel *model, mjtMouse how, double dx, double dy,
                           const mjvScene *scene, mjvCamera *camera) {
    void (*move)(void) = (void (*)(void))mjv_moveCamera;
    const bool wants_scene = _Generic(&mjv_moveCamera, move_in_scene *
                                      : true, move_alone *
                                      : false);
    if (wants_scene)
        ((move_in_scene *)move)(model, (int)how, dx, dy, scene, camera);
    else
        ((move_alone *)move)(model, (int)how, dx, dy, camera);
}

// ---- Warnings of a simulation. MuJoCo goes on after them: it leaves out what it has no room for,
// and replaces a number that is not finite by the initial state or 0.

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
} simulation_warnings[] = {
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

const char *mr_mujoco_warning(const mjData *data, int counted[mjNWARNING]) {
    const char *text = NULL;
    for (size_t i = 0; i < MR_COUNT(simulation_warnings); i++) {
        const int number = (int)data->warning[simulation_warnings[i].kind].number;
        if (text == NULL && number > counted[simulation_warnings[i].kind])
            text = simulation_warnings[i].text;
        counted[simulation_warnings[i].kind] = number;
    }
    return text;
}
