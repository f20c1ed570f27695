/// MuJoCo, as far as those outside this folder need to know of it.
#pragma once

/// The version of the libmujoco that runs, for example "2.2.2". Owned by the library.
const char *mr_mujoco_version(void);
