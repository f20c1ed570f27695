// OpenGL contexts without a window: EGL, and OSMesa.
//
// MuJoCo looks through the libraries of the process for one that hands out OpenGL's functions, and
// takes the first: a library that gave no context is therefore unloaded again.

#include "envs/mujoco/gl_context.h"

#define EGL_NO_X11 // of whose headers nothing is needed
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEVICES = 16, OSMESA_SIZE = 16 };

// From GL/gl.h and GL/osmesa.h, of which no more is needed.
enum { GL_UNSIGNED_BYTE = 0x1401, OSMESA_RGBA = 0x1908, DEPTH_BITS = 24, STENCIL_BITS = 8 };

typedef struct osmesa_context osmesa_context;

// EGL's functions, by their names.
typedef struct {
    PFNEGLGETPROCADDRESSPROC eglGetProcAddress;
    PFNEGLGETDISPLAYPROC eglGetDisplay;
    PFNEGLINITIALIZEPROC eglInitialize;
    PFNEGLTERMINATEPROC eglTerminate;
    PFNEGLBINDAPIPROC eglBindAPI;
    PFNEGLCHOOSECONFIGPROC eglChooseConfig;
    PFNEGLCREATECONTEXTPROC eglCreateContext;
    PFNEGLDESTROYCONTEXTPROC eglDestroyContext;
    PFNEGLMAKECURRENTPROC eglMakeCurrent;
    EGLDisplay display;
    EGLContext context;
} egl;

typedef struct {
    osmesa_context *(*OSMesaCreateContextExt)(unsigned format, int depth, int stencil, int accum,
                                              osmesa_context *share);
    unsigned char (*OSMesaMakeCurrent)(osmesa_context *context, void *buffer, unsigned type,
                                       int width, int height);
    void (*OSMesaDestroyContext)(osmesa_context *context);
    osmesa_context *context;
    unsigned char buffer[4 * OSMESA_SIZE * OSMESA_SIZE]; // MuJoCo draws into one of its own
} osmesa;

typedef struct {
    const char *name; // in MUJOCO_GL
    const char *library;
    bool (*open)(mr_gl_context *context);
    bool (*use)(mr_gl_context *context);
    void (*close)(mr_gl_context *context);
} backend;

struct mr_gl_context {
    const backend *backend;
    void *library;
    union {
        egl egl;
        osmesa osmesa;
    };
};

typedef void (*function)(void);

// A function of the library; `*found` becomes false if it has none of that name.
static function look_up(const mr_gl_context *context, const char *name, bool *found) {
    void *symbol = dlsym(context->library, name);
    function result = NULL;
    *found = *found && symbol != NULL;
    memcpy(&result, &symbol, sizeof result); // POSIX wants it so; ISO C knows no such cast
    return result;
}

#define LOOK_UP(name) ((__typeof__(e->name))look_up(context, #name, &found))

// ---- EGL

static bool egl_load(mr_gl_context *context) {
    egl *e = &context->egl;
    bool found = true;
    e->eglGetProcAddress = LOOK_UP(eglGetProcAddress);
    e->eglGetDisplay = LOOK_UP(eglGetDisplay);
    e->eglInitialize = LOOK_UP(eglInitialize);
    e->eglTerminate = LOOK_UP(eglTerminate);
    e->eglBindAPI = LOOK_UP(eglBindAPI);
    e->eglChooseConfig = LOOK_UP(eglChooseConfig);
    e->eglCreateContext = LOOK_UP(eglCreateContext);
    e->eglDestroyContext = LOOK_UP(eglDestroyContext);
    e->eglMakeCurrent = LOOK_UP(eglMakeCurrent);
    return found;
}

static bool egl_use(mr_gl_context *context) {
    egl *e = &context->egl;
    return e->eglBindAPI(EGL_OPENGL_API) &&
           e->eglMakeCurrent(e->display, EGL_NO_SURFACE, EGL_NO_SURFACE, e->context);
}

// The display stays: it belongs to all contexts of the process.
static void egl_close(mr_gl_context *context) {
    egl *e = &context->egl;
    e->eglMakeCurrent(e->display, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
    if (e->context != EGL_NO_CONTEXT)
        e->eglDestroyContext(e->display, e->context);
}

static bool egl_open_on(mr_gl_context *context, EGLDisplay display) {
    static const EGLint wanted[] = {EGL_SURFACE_TYPE,
                                    EGL_PBUFFER_BIT,
                                    EGL_RENDERABLE_TYPE,
                                    EGL_OPENGL_BIT,
                                    EGL_RED_SIZE,
                                    8,
                                    EGL_GREEN_SIZE,
                                    8,
                                    EGL_BLUE_SIZE,
                                    8,
                                    EGL_NONE};
    egl *e = &context->egl;
    EGLConfig config;
    EGLint n = 0;
    if (display == EGL_NO_DISPLAY || !e->eglInitialize(display, NULL, NULL))
        return false;
    e->display = display;
    if (e->eglBindAPI(EGL_OPENGL_API) && e->eglChooseConfig(display, wanted, &config, 1, &n) &&
        n > 0)
        e->context = e->eglCreateContext(display, config, EGL_NO_CONTEXT, NULL);
    if (e->context != EGL_NO_CONTEXT && egl_use(context))
        return true;
    egl_close(context);
    e->context = EGL_NO_CONTEXT;
    e->eglTerminate(display);
    return false;
}

// The devices in EGL's order (Mesa's software is one of them, the last), then the display that EGL
// would choose itself, for drivers that know of no devices.
static bool egl_open(mr_gl_context *context) {
    if (!egl_load(context))
        return false;
    const egl *e = &context->egl;
    const PFNEGLQUERYDEVICESEXTPROC query =
        (PFNEGLQUERYDEVICESEXTPROC)e->eglGetProcAddress("eglQueryDevicesEXT");
    const PFNEGLGETPLATFORMDISPLAYEXTPROC display_of =
        (PFNEGLGETPLATFORMDISPLAYEXTPROC)e->eglGetProcAddress("eglGetPlatformDisplayEXT");
    EGLDeviceEXT devices[MAX_DEVICES];
    EGLint n = 0;
    if (query != NULL && display_of != NULL && query(MAX_DEVICES, devices, &n))
        for (EGLint i = 0; i < n; i++)
            if (egl_open_on(context, display_of(EGL_PLATFORM_DEVICE_EXT, devices[i], NULL)))
                return true;
    return egl_open_on(context, e->eglGetDisplay(EGL_DEFAULT_DISPLAY));
}

// ---- OSMesa

static bool osmesa_use(mr_gl_context *context) {
    osmesa *e = &context->osmesa;
    return e->OSMesaMakeCurrent(e->context, e->buffer, GL_UNSIGNED_BYTE, OSMESA_SIZE, OSMESA_SIZE);
}

static void osmesa_close(mr_gl_context *context) {
    osmesa *e = &context->osmesa;
    if (e->context != NULL)
        e->OSMesaDestroyContext(e->context);
}

static bool osmesa_open(mr_gl_context *context) {
    osmesa *e = &context->osmesa;
    bool found = true;
    e->OSMesaCreateContextExt = LOOK_UP(OSMesaCreateContextExt);
    e->OSMesaMakeCurrent = LOOK_UP(OSMesaMakeCurrent);
    e->OSMesaDestroyContext = LOOK_UP(OSMesaDestroyContext);
    if (!found)
        return false;
    e->context = e->OSMesaCreateContextExt(OSMESA_RGBA, DEPTH_BITS, STENCIL_BITS, 0, NULL);
    if (e->context != NULL && osmesa_use(context))
        return true;
    osmesa_close(context);
    return false;
}

// ---- Either

static const backend backends[] = {
    {"egl", "libEGL.so.1", egl_open, egl_use, egl_close},
    {"osmesa", "libOSMesa.so.8", osmesa_open, osmesa_use, osmesa_close},
};

static bool try_backend(const backend *one, mr_gl_context *context) {
    *context = (mr_gl_context){.backend = one, .library = dlopen(one->library, RTLD_NOW)};
    if (context->library == NULL)
        return false;
    if (one->open(context))
        return true;
    dlclose(context->library);
    return false;
}

static mr_status fail_without(const char *wanted) {
    if (wanted != NULL)
        return mr_fail(MR_ERR_IO,
                       "pictures cannot be drawn by \"%.20s\", which MUJOCO_GL asks for; unset it, "
                       "or set it to egl (needs libegl1, libgl1-mesa-dri) or osmesa (libosmesa6)",
                       wanted);
    return mr_fail(MR_ERR_IO, "drawing pictures needs EGL or OSMesa, and this machine has neither; "
                              "install libegl1 and libgl1-mesa-dri, or libosmesa6");
}

mr_status mr_gl_context_open(mr_gl_context **out) {
    const char *wanted = getenv("MUJOCO_GL");
    mr_gl_context *context = malloc(sizeof *context);
    if (context == NULL)
        return mr_fail_memory("a picture");
    if (wanted != NULL && wanted[0] == '\0')
        wanted = NULL;
    for (size_t i = 0; i < MR_COUNT(backends); i++)
        if ((wanted == NULL || strcmp(wanted, backends[i].name) == 0) &&
            try_backend(&backends[i], context)) {
            *out = context;
            return MR_OK;
        }
    free(context);
    return fail_without(wanted);
}

void mr_gl_context_use(mr_gl_context *context) {
    context->backend->use(context);
}

// The library stays: MuJoCo has taken its functions' addresses for good.
void mr_gl_context_close(mr_gl_context *context) {
    if (context == NULL)
        return;
    context->backend->close(context);
    free(context);
}
