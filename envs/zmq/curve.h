/// CURVE: who may talk to whom. Keys are 32 bytes, written as 40 characters of Z85.
///
/// A key file is a certificate as ZeroMQ's own libraries write it (a line `public-key = "..."`, in
/// secret files also `secret-key = "..."`), or holds nothing but the key on a line of its own.
#pragma once

#include "base/status.h"

#include <stdbool.h>

enum { MR_KEY_SIZE = 41 }; // with the final zero

typedef enum { MR_KEY_PUBLIC, MR_KEY_SECRET } mr_key_kind;

/// Reads a key. Fails with MR_ERR_INPUT, naming the file, if it holds none.
mr_status mr_curve_read(const char *path, mr_key_kind kind, char key[MR_KEY_SIZE]);

/// Whether others than its owner may read or change a file, which a secret key's should not be.
bool mr_curve_is_open_to_others(const char *path);

/// Makes a pair: NAME.key to give away and NAME.key_secret to keep (readable by its owner alone).
/// Fails with MR_ERR_USAGE if either exists already.
mr_status mr_curve_make_pair(const char *name);

/// Whether one of the files in a folder holds this public key.
bool mr_curve_is_allowed(const char *folder, const char key[MR_KEY_SIZE]);

/// Fails with MR_ERR_USAGE if it is not a folder, or holds no public key.
mr_status mr_curve_check_folder(const char *folder);

/// Sets a socket up as a server of encrypted connections, or as a client of such a server.
mr_status mr_curve_serve(void *socket, const char *secret_file);
mr_status mr_curve_connect(void *socket, const char *server_file, const char *secret_file);

/// Answers one authentication request of libzmq (ZAP, rfc.zeromq.org/spec/27) at the socket `zap`:
/// a client may connect if its key is in `folder`.
void mr_curve_admit(void *zap, const char *folder);
