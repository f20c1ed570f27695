// CURVE keys: key files, and authentication of clients by the server (ZAP).

#include "envs/zmq/curve.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "base/file.h"

enum {
    KEY_LENGTH = MR_KEY_SIZE - 1,
    KEY_BYTES = 32,
    N_ZAP_FRAMES = 7, // version, id, domain, address, identity, mechanism, client's key
    PATH_SIZE = 4096,
};

static const char *const kind_names[] = {[MR_KEY_PUBLIC] = "public", [MR_KEY_SECRET] = "secret"};

// ---- Key files

static bool take_key(const char *text, char key[MR_KEY_SIZE]) {
    uint8_t bytes[KEY_BYTES];
    char candidate[MR_KEY_SIZE];
    snprintf(candidate, sizeof candidate, "%s", text);
    // zmq_z85_decode reads outside of its table at characters that are not of Z85: check them
    // first.
    if (strlen(candidate) != KEY_LENGTH ||
        strspn(candidate, "0123456789abcdefghijklmnopqrstuvwxyz"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          ".-:+=^!/*?&<>()[]{}@%$#") != KEY_LENGTH)
        return false;
    if (zmq_z85_decode(bytes, candidate) == NULL)
        return false;
    memcpy(key, candidate, sizeof candidate);
    return true;
}

// Reads the key of a line `secret-key = "..."`, or of a line that has only a key.
static bool key_of_line(char *line, mr_key_kind kind, char key[MR_KEY_SIZE]) {
    char name[16];
    snprintf(name, sizeof name, "%s-key", kind_names[kind]);
    line += strspn(line, " \t");
    if (strncmp(line, name, strlen(name)) == 0) {
        line += strlen(name);
        line += strspn(line, " \t=");
        char *end = line[0] == '"' ? strchr(line + 1, '"') : NULL;
        if (end == NULL || end - line != KEY_LENGTH + 1)
            return false;
        *end = '\0';
        return take_key(line + 1, key);
    }
    line[strcspn(line, " \t\r")] = '\0';
    return strlen(line) == KEY_LENGTH && take_key(line, key);
}

mr_status mr_curve_read(const char *path, mr_key_kind kind, char key[MR_KEY_SIZE]) {
    char *text = NULL, *rest;
    size_t n_bytes;
    bool found = false;
    const mr_status status = mr_file_read(path, &text, &n_bytes);
    if (status != MR_OK)
        return status;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL && !found;
         line = strtok_r(NULL, "\n", &rest))
        found = key_of_line(line, kind, key);
    explicit_bzero(text, n_bytes);
    free(text);
    if (found)
        return MR_OK;
    return mr_fail(MR_ERR_INPUT, "%s: holds no %s key; `millrace keygen` makes a pair", path,
                   kind_names[kind]);
}

bool mr_curve_is_open_to_others(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && (info.st_mode & (S_IRWXG | S_IRWXO)) != 0;
}

static mr_status write_new(const char *path, mode_t mode, const char *text) {
    const int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (file < 0 && errno == EEXIST)
        return mr_fail(MR_ERR_USAGE, "%s exists already; give another name, so that no key is lost",
                       path);
    if (file < 0)
        return mr_fail(MR_ERR_IO, "cannot write %s: %s", path, strerror(errno));
    const bool written = mr_file_write_all(file, text, strlen(text)) && fsync(file) == 0;
    const int cause = errno;
    if (close(file) == 0 && written)
        return MR_OK;
    unlink(path);
    return mr_fail(MR_ERR_IO, "cannot write %s: %s; check the disk", path, strerror(cause));
}

mr_status mr_curve_make_pair(const char *name) {
    mr_status status;
    char public[MR_KEY_SIZE], secret[MR_KEY_SIZE], path[PATH_SIZE], secret_path[PATH_SIZE];
    char text[512];
    if (strlen(name) + sizeof ".key_secret" > sizeof path)
        return mr_fail(MR_ERR_USAGE, "%.60s... is too long for the name of a key; give another",
                       name);
    if (zmq_curve_keypair(public, secret) != 0)
        return mr_fail(MR_ERR_IO, "this libzmq makes no keys (%s); install one built with CURVE",
                       zmq_strerror(zmq_errno()));
    snprintf(path, sizeof path, "%s.key", name);
    snprintf(secret_path, sizeof secret_path, "%s.key_secret", name);
    MR_TRY(mr_file_check_writable(secret_path));
    if (access(path, F_OK) == 0)
        return mr_fail(MR_ERR_USAGE, "%s exists already; give another name, so that no key is lost",
                       path);
    snprintf(text, sizeof text,
             "#   A secret key of ZeroMQ's CURVE. Keep it to yourself.\n\nmetadata\ncurve\n"
             "    public-key = \"%s\"\n    secret-key = \"%s\"\n",
             public, secret);
    MR_TRY(write_new(secret_path, 0600, text));
    snprintf(text, sizeof text,
             "#   A public key of ZeroMQ's CURVE, to give away.\n\nmetadata\ncurve\n"
             "    public-key = \"%s\"\n",
             public);
    status = write_new(path, 0644, text);
    if (status != MR_OK)
        unlink(secret_path);
done:
    explicit_bzero(secret, sizeof secret);
    explicit_bzero(text, sizeof text);
    return status;
}

// ---- Keys of allowed clients

// Counts the files in a folder that hold the public key `key`; NULL: any public key.
static size_t count_keys(const char *folder, const char *key) {
    DIR *dir = opendir(folder);
    size_t n = 0;
    for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        char path[PATH_SIZE], found[MR_KEY_SIZE];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (mr_curve_read(path, MR_KEY_PUBLIC, found) == MR_OK)
            n += key == NULL || memcmp(key, found, MR_KEY_SIZE) == 0;
    }
    if (dir != NULL)
        closedir(dir);
    return n;
}

bool mr_curve_is_allowed(const char *folder, const char key[MR_KEY_SIZE]) {
    return count_keys(folder, key) > 0;
}

mr_status mr_curve_check_folder(const char *folder) {
    if (count_keys(folder, NULL) > 0)
        return MR_OK;
    return mr_fail(MR_ERR_USAGE,
                   "%s holds no public key, so that nobody could connect; put clients' .key files "
                   "there (`millrace keygen` makes them)",
                   folder);
}

static mr_status fail_socket(void) {
    return mr_fail(MR_ERR_IO, "this libzmq has no CURVE (%s); install one that has",
                   zmq_strerror(zmq_errno()));
}

mr_status mr_curve_serve(void *socket, const char *secret_file) {
    char secret[MR_KEY_SIZE];
    const int yes = 1;
    const mr_status status = mr_curve_read(secret_file, MR_KEY_SECRET, secret);
    if (status != MR_OK)
        return status;
    const bool done = zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof yes) == 0 &&
                      zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, KEY_LENGTH + 1) == 0 &&
                      zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, "millrace", 8) == 0;
    explicit_bzero(secret, sizeof secret);
    return done ? MR_OK : fail_socket();
}

mr_status mr_curve_connect(void *socket, const char *server_file, const char *secret_file) {
    mr_status status;
    char server[MR_KEY_SIZE], public[MR_KEY_SIZE], secret[MR_KEY_SIZE] = "";
    MR_TRY(mr_curve_read(server_file, MR_KEY_PUBLIC, server));
    MR_TRY(mr_curve_read(secret_file, MR_KEY_SECRET, secret));
    if (zmq_curve_public(public, secret) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server, MR_KEY_SIZE) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public, MR_KEY_SIZE) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, MR_KEY_SIZE) != 0)
        status = fail_socket();
done:
    explicit_bzero(secret, sizeof secret);
    return status;
}

// ---- Authentication

typedef struct {
    size_t n;
    zmq_msg_t frames[N_ZAP_FRAMES];
} request;

static bool has_more(void *socket) {
    int more = 0;
    size_t size = sizeof more;
    return zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) == 0 && more != 0;
}

static void receive(void *zap, request *r) {
    do {
        zmq_msg_t surplus;
        zmq_msg_t *frame = r->n < N_ZAP_FRAMES ? &r->frames[r->n++] : &surplus;
        zmq_msg_init(frame);
        zmq_msg_recv(frame, zap, 0);
        if (frame == &surplus)
            zmq_msg_close(frame);
    } while (has_more(zap));
}

static bool is_good(request *r, const char *folder) {
    char key[MR_KEY_SIZE];
    if (r->n != N_ZAP_FRAMES || zmq_msg_size(&r->frames[5]) != 5 ||
        memcmp(zmq_msg_data(&r->frames[5]), "CURVE", 5) != 0 ||
        zmq_msg_size(&r->frames[6]) != KEY_BYTES)
        return false;
    return zmq_z85_encode(key, zmq_msg_data(&r->frames[6]), KEY_BYTES) != NULL &&
           mr_curve_is_allowed(folder, key);
}

void mr_curve_admit(void *zap, const char *folder) {
    request r = {0};
    receive(zap, &r);
    const bool good = is_good(&r, folder);
    const char *code = good ? "200" : "400", *text = good ? "OK" : "unknown key";
    zmq_send(zap, "1.0", 3, ZMQ_SNDMORE);
    if (r.n > 1)
        zmq_send(zap, zmq_msg_data(&r.frames[1]), zmq_msg_size(&r.frames[1]), ZMQ_SNDMORE);
    else
        zmq_send(zap, "", 0, ZMQ_SNDMORE);
    zmq_send(zap, code, 3, ZMQ_SNDMORE);
    zmq_send(zap, text, strlen(text), ZMQ_SNDMORE);
    zmq_send(zap, "", 0, ZMQ_SNDMORE);
    zmq_send(zap, "", 0, 0);
    for (size_t i = 0; i < r.n; i++)
        zmq_msg_close(&r.frames[i]);
}
