// A run on the page of `millrace report`.
#pragma once

#include <stdio.h>

#include "cli/runs/run_data.h"

/// Writes a folded section about a run: its state and steps, its error if it failed, versions, the
/// command that makes it again, and its settings. Fails if memory runs out.
mr_status mr_report_write_run(const mr_run_data *run, FILE *html);
