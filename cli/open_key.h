/// What is said of a secret key that is none.
#pragma once

/// A line on stderr, if others than its owner may read or change the file; "" is no file.
void mr_open_key_tell(const char *secret_file);
