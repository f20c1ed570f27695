// What the library changes in the process, on request.

#include "millrace/init.h"

#include <pthread.h>

#include "base/json_memory.h"
#include "base/status.h"
#include "envs/env.h"
#include "nn/openblas.h"

/// One of the things that mr_init may take over.
typedef struct {
    mr_init_part part;
    void (*take)(void);
} part_row;

static const part_row rows[] = {
    {MR_INIT_BLAS, mr_openblas_take},
    {MR_INIT_MUJOCO, mr_env_take_mujoco_errors},
    {MR_INIT_JSON, mr_json_take_memory},
};

const char *mr_version(void) {
    return MR_VERSION;
}

mr_status mr_init(unsigned parts) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static unsigned taken;
    if ((parts & ~(unsigned)MR_INIT_ALL) != 0)
        return mr_fail(MR_ERR_USAGE,
                       "mr_init: unknown parts 0x%x; give MR_INIT_ALL, 0, or some of "
                       "mr_init_part joined by |",
                       parts & ~(unsigned)MR_INIT_ALL);
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < MR_COUNT(rows); i++)
        if ((parts & ~taken & rows[i].part) != 0)
            rows[i].take();
    taken |= parts;
    mr_openblas_allow();
    pthread_mutex_unlock(&mutex);
    return MR_OK;
}
