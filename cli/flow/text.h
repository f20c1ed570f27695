/// What the commands of `millrace flow` do with flows over text.
#pragma once

#include "millrace/fit.h"
#include "cli/command.h"

/// Fits one, with the options of `flow fit`.
///
///   fit   with a checkpoint; the defaults of a text take the place of options that were not given
///   flow  its text
///   out   where the model goes
mr_status mr_text_fit_run(const mr_command_line *line, mr_fit_options *fit, const char *flow,
                          const char *out, bool json, int *exit_code);

/// Samples one, line->arguments[0].
///
///   length  characters of a sample; 0: as many as the model was fitted to
///   out     a file of text; NULL: standard output
mr_status mr_text_sample_run(const mr_command_line *line, size_t n, double temperature,
                             size_t length, uint64_t seed, const char *out, bool json);

/// Scores a text, line->arguments[1].
///
///   n_samples  importance samples
///   out        a table for the log-likelihood of each sequence; "": none
mr_status mr_text_score_run(const mr_command_line *line, int n_threads, uint64_t seed,
                            size_t n_samples, const char *out, bool json);
