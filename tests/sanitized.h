/// Which sanitizer is built in, if one is: SANITIZED for the address or the thread sanitizer, whose
/// own memory defeats tests that count or limit a process's; SANITIZED_THREADS for the latter
/// alone.
#pragma once

#if defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#if __has_feature(thread_sanitizer)
#define SANITIZED_THREADS
#endif
#endif
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED
#endif
#if defined __SANITIZE_THREAD__
#define SANITIZED_THREADS
#endif
