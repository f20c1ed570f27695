/// All of the library but plugin.h, which is for tasks in shared objects of their own and needs
/// MuJoCo's headers. Each of these can be included alone, from C and from C++.
#pragma once

#include <millrace/density.h>
#include <millrace/env.h>
#include <millrace/evaluate.h>
#include <millrace/fit.h>
#include <millrace/init.h>
#include <millrace/policy.h>
#include <millrace/status.h>
#include <millrace/train.h>
#include <millrace/vec_env.h>
#include <millrace/vi.h>
#include <millrace/widths.h>
