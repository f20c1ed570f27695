// Messages from bytes, which may be anything.

#include "envs/zmq/message_fields.h"

#include <math.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_DEPTH = 4,                                 // message, info, ...; the rest to spare
    MAX_ELEMENTS = 4 * MR_MESSAGE_MAX_ENVS + 1024, // of all maps and arrays
    ZONE_BYTES = 1 << 13,
};

struct mr_message_reader {
    msgpack_zone *zone; // owned, as all that follows
    uint64_t *envs;     // [MR_MESSAGE_MAX_ENVS], as all that follows
    mr_message_seed *seeds;
    bool *terminated, *truncated, *warned;
    mr_message_info *info; // [MR_MESSAGE_MAX_INFO], with the values in `info_values`
    double *info_values;   // [n_info_values]
    size_t n_info_values;
};

mr_status mr_message_reader_new(mr_message_reader **out) {
    mr_message_reader *reader = calloc(1, sizeof *reader);
    if (reader != NULL) {
        reader->zone = msgpack_zone_new(ZONE_BYTES);
        reader->envs = calloc(MR_MESSAGE_MAX_ENVS, sizeof *reader->envs);
        reader->seeds = calloc(MR_MESSAGE_MAX_ENVS, sizeof *reader->seeds);
        reader->terminated = calloc(MR_MESSAGE_MAX_ENVS, sizeof *reader->terminated);
        reader->truncated = calloc(MR_MESSAGE_MAX_ENVS, sizeof *reader->truncated);
        reader->warned = calloc(MR_MESSAGE_MAX_ENVS, sizeof *reader->warned);
        reader->info = calloc(MR_MESSAGE_MAX_INFO, sizeof *reader->info);
        if (reader->zone && reader->envs && reader->seeds && reader->terminated &&
            reader->truncated && reader->warned && reader->info) {
            *out = reader;
            return MR_OK;
        }
    }
    mr_message_reader_free(reader);
    return mr_fail_memory("messages");
}

void mr_message_reader_free(mr_message_reader *reader) {
    if (reader == NULL)
        return;
    if (reader->zone != NULL)
        msgpack_zone_free(reader->zone);
    free(reader->envs);
    free(reader->seeds);
    free(reader->terminated);
    free(reader->truncated);
    free(reader->warned);
    free(reader->info);
    free(reader->info_values);
    free(reader);
}

static mr_status fail_field(const char *key, const char *what) {
    return mr_fail(MR_ERR_INPUT, "'%s' must be %s", key, what);
}

// ---- Before msgpack-c sees the bytes
//
// It takes memory for as many elements as a header promises, before there is one: five bytes can
// ask for gigabytes. So the headers are added up first.

typedef struct {
    const uint8_t *at, *end;
    size_t n_elements;
} scan;

static bool take(scan *s, size_t n_bytes) {
    if ((size_t)(s->end - s->at) < n_bytes)
        return false;
    s->at += n_bytes;
    return true;
}

// A big-endian number of 1, 2 or 4 bytes.
static bool take_size(scan *s, size_t n_bytes, size_t *out) {
    const uint8_t *from = s->at;
    if (!take(s, n_bytes))
        return false;
    *out = 0;
    for (size_t i = 0; i < n_bytes; i++)
        *out = *out << 8 | from[i];
    return true;
}

// What follows a first byte of 0xc0 and above: a length of so many bytes, or so many bytes as they
// are. By the specification of MessagePack.
typedef struct {
    uint8_t n_length, n_fixed, n_each; // n_each: elements to each that the length counts; 0: bytes
} layout;

static const layout layouts[0x20] = {
    [0x04] = {1, 0, 0},  [0x05] = {2, 0, 0}, [0x06] = {4, 0, 0},                     // bin
    [0x07] = {1, 1, 0},  [0x08] = {2, 1, 0}, [0x09] = {4, 1, 0},                     // ext
    [0x0a] = {0, 4, 0},  [0x0b] = {0, 8, 0},                                         // float
    [0x0c] = {0, 1, 0},  [0x0d] = {0, 2, 0}, [0x0e] = {0, 4, 0}, [0x0f] = {0, 8, 0}, // uint
    [0x10] = {0, 1, 0},  [0x11] = {0, 2, 0}, [0x12] = {0, 4, 0}, [0x13] = {0, 8, 0}, // int
    [0x14] = {0, 2, 0},  [0x15] = {0, 3, 0}, [0x16] = {0, 5, 0}, [0x17] = {0, 9, 0}, // fixext
    [0x18] = {0, 17, 0}, [0x19] = {1, 0, 0}, [0x1a] = {2, 0, 0}, [0x1b] = {4, 0, 0}, // str
    [0x1c] = {2, 0, 1},  [0x1d] = {4, 0, 1},                                         // array
    [0x1e] = {2, 0, 2},  [0x1f] = {4, 0, 2},                                         // map
};

// The header of a value and its bytes; its elements are still to come.
static bool scan_head(scan *s, size_t *n_elements) {
    size_t first, length = 0;
    if (!take_size(s, 1, &first))
        return false;
    *n_elements = 0;
    if (first < 0x80 || first >= 0xe0) // a small number
        return true;
    if (first < 0xa0) { // a small map or array
        *n_elements = (first & 0x0f) * (first < 0x90 ? 2 : 1);
        return true;
    }
    if (first < 0xc0) // a short text
        return take(s, first & 0x1f);
    const layout *l = &layouts[first - 0xc0];
    if (l->n_length > 0 && !take_size(s, l->n_length, &length))
        return false;
    *n_elements = length * l->n_each;
    return take(s, l->n_fixed + (l->n_each == 0 ? length : 0));
}

static bool scan_value(scan *s, int depth) {
    size_t n_elements;
    if (!scan_head(s, &n_elements))
        return false;
    if (n_elements > MAX_ELEMENTS - s->n_elements || (n_elements > 0 && depth == MAX_DEPTH))
        return false;
    s->n_elements += n_elements;
    for (size_t i = 0; i < n_elements; i++)
        if (!scan_value(s, depth + 1))
            return false;
    return true;
}

static mr_status parse(mr_message_reader *reader, const void *data, size_t n_bytes,
                       msgpack_object *out) {
    scan s = {.at = data, .end = (const uint8_t *)data + n_bytes};
    size_t offset = 0;
    if (n_bytes == 0 || !scan_value(&s, 0) || s.at != s.end)
        return mr_fail(MR_ERR_INPUT, "the message is not MessagePack, or has more in it than any "
                                     "message of the protocol");
    msgpack_zone_clear(reader->zone);
    const msgpack_unpack_return result = msgpack_unpack(data, n_bytes, &offset, reader->zone, out);
    if (result == MSGPACK_UNPACK_NOMEM_ERROR)
        return mr_fail_memory("a message");
    if (result != MSGPACK_UNPACK_SUCCESS)
        return mr_fail(MR_ERR_INPUT, "the message is not MessagePack");
    if (out->type != MSGPACK_OBJECT_MAP)
        return mr_fail(MR_ERR_INPUT, "the message is not a map");
    return MR_OK;
}

// ---- Fields

static bool is_key(const msgpack_object *key, const char *name) {
    return key->type == MSGPACK_OBJECT_STR && key->via.str.size == strlen(name) &&
           memcmp(key->via.str.ptr, name, key->via.str.size) == 0;
}

// The value of a key, NULL where there is none. The last counts, should there be several.
static const msgpack_object *find(const msgpack_object_map *map, const char *name) {
    const msgpack_object *found = NULL;
    for (uint32_t i = 0; i < map->size; i++)
        if (is_key(&map->ptr[i].key, name))
            found = &map->ptr[i].val;
    return found;
}

static mr_status read_text(const mr_message_field *field, const msgpack_object *value,
                           char out[MR_MESSAGE_TEXT_SIZE]) {
    if (value->type != MSGPACK_OBJECT_STR)
        return fail_field(field->key, "a text");
    if (field->most > 0 && value->via.str.size > field->most)
        return mr_fail(MR_ERR_INPUT, "'%s' must be a text of at most %llu bytes", field->key,
                       (unsigned long long)field->most);
    mr_message_take_text(value->via.str.ptr, value->via.str.size, out);
    return MR_OK;
}

static mr_status read_count(const mr_message_field *field, const msgpack_object *value,
                            uint64_t *out) {
    if (value->type != MSGPACK_OBJECT_POSITIVE_INTEGER || value->via.u64 < field->least ||
        value->via.u64 > field->most)
        return mr_fail(MR_ERR_INPUT, "'%s' must be an integer from %llu to %llu", field->key,
                       (unsigned long long)field->least, (unsigned long long)field->most);
    *out = value->via.u64;
    return MR_OK;
}

static mr_status read_real(const char *key, const msgpack_object *value, double *out) {
    double number = 0;
    if (value->type == MSGPACK_OBJECT_FLOAT64 || value->type == MSGPACK_OBJECT_FLOAT32)
        number = value->via.f64;
    else if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        number = (double)value->via.u64;
    if (!isfinite(number) || number <= 0)
        return fail_field(key, "a number above 0");
    *out = number;
    return MR_OK;
}

static mr_status read_dtype(const char *key, const msgpack_object *value, char out[3]) {
    if (!is_key(value, "f4") && !is_key(value, "f8"))
        return fail_field(key, "f4 or f8");
    memcpy(out, value->via.str.ptr, 2);
    out[2] = '\0';
    return MR_OK;
}

static mr_status read_code(const char *key, const msgpack_object *value, mr_fault *out) {
    if (value->type != MSGPACK_OBJECT_STR)
        return fail_field(key, "a text");
    *out = MR_FAULT_OTHER;
    for (int i = MR_FAULT_BAD_MESSAGE; i < MR_FAULT_OTHER; i++)
        if (is_key(value, mr_fault_name((mr_fault)i)))
            *out = (mr_fault)i;
    return MR_OK;
}

static mr_status read_flag(const char *key, const msgpack_object *value, bool *out) {
    if (value->type != MSGPACK_OBJECT_BOOLEAN)
        return fail_field(key, "a boolean");
    *out = value->via.boolean;
    return MR_OK;
}

static mr_status read_bytes(const char *key, const msgpack_object *value, mr_bytes *out) {
    if (value->type != MSGPACK_OBJECT_BIN)
        return fail_field(key, "a bin");
    *out = (mr_bytes){.data = value->via.bin.ptr, .n_bytes = value->via.bin.size};
    return MR_OK;
}

static mr_status read_seed(const char *key, const msgpack_object *value, mr_message_seed *out) {
    *out = (mr_message_seed){0};
    if (value->type == MSGPACK_OBJECT_NIL)
        return MR_OK;
    if (value->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return fail_field(key, "an array of unsigned integers or nil");
    *out = (mr_message_seed){.given = true, .value = value->via.u64};
    return MR_OK;
}

static mr_status read_env(const char *key, const msgpack_object *value, uint64_t *out) {
    if (value->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return fail_field(key, "an array of unsigned integers");
    *out = value->via.u64;
    return MR_OK;
}

static bool *flags_of(const mr_message_reader *reader, const mr_message_field *field) {
    return field->offset == offsetof(mr_message, terminated)  ? reader->terminated
           : field->offset == offsetof(mr_message, truncated) ? reader->truncated
                                                              : reader->warned;
}

static mr_status read_array(mr_message_reader *reader, const mr_message_field *field,
                            const msgpack_object *value, mr_message *out) {
    mr_status status = MR_OK;
    char *at = (char *)out + field->offset;
    if (value->type != MSGPACK_OBJECT_ARRAY || value->via.array.size > MR_MESSAGE_MAX_ENVS)
        return fail_field(field->key, "an array of at most 4096");
    const size_t n = value->via.array.size;
    const msgpack_object *elements = value->via.array.ptr;
    bool *flags = flags_of(reader, field);
    for (size_t i = 0; i < n && status == MR_OK; i++) {
        if (field->type == MR_FIELD_ENVS)
            status = read_env(field->key, &elements[i], &reader->envs[i]);
        else if (field->type == MR_FIELD_SEEDS)
            status = read_seed(field->key, &elements[i], &reader->seeds[i]);
        else
            status = read_flag(field->key, &elements[i], &flags[i]);
    }
    const void *array = field->type == MR_FIELD_ENVS    ? (const void *)reader->envs
                        : field->type == MR_FIELD_SEEDS ? (const void *)reader->seeds
                                                        : (const void *)flags;
    memcpy(at, &array, sizeof array);
    memcpy((char *)out + field->n_offset, &n, sizeof n);
    return status;
}

static mr_status check_info(const char *key, const msgpack_object *value) {
    if (value->type != MSGPACK_OBJECT_MAP)
        return fail_field(key, "a map");
    for (uint32_t i = 0; i < value->via.map.size; i++)
        if (value->via.map.ptr[i].key.type != MSGPACK_OBJECT_STR ||
            value->via.map.ptr[i].val.type != MSGPACK_OBJECT_BIN)
            return fail_field(key, "a map of names to bins");
    return MR_OK;
}

static mr_status reserve_info_values(mr_message_reader *reader, size_t n) {
    if (n <= reader->n_info_values)
        return MR_OK;
    double *more = realloc(reader->info_values, n * sizeof *more);
    if (more == NULL)
        return mr_fail_memory("messages");
    reader->info_values = more;
    reader->n_info_values = n;
    return MR_OK;
}

// The values are copied, because bytes of a message are not aligned.
static mr_status read_info(mr_message_reader *reader, const char *key, const msgpack_object *value,
                           mr_message *out) {
    mr_status status;
    size_t n_values = 0;
    MR_TRY(check_info(key, value));
    const size_t n =
        value->via.map.size < MR_MESSAGE_MAX_INFO ? value->via.map.size : MR_MESSAGE_MAX_INFO;
    const msgpack_object_kv *pairs = value->via.map.ptr;
    for (size_t i = 0; i < n; i++)
        n_values += pairs[i].val.via.bin.size / sizeof(double);
    MR_TRY(reserve_info_values(reader, n_values));
    double *values = reader->info_values;
    for (size_t i = 0; i < n; i++) {
        mr_message_info *info = &reader->info[i];
        const msgpack_object_bin bytes = pairs[i].val.via.bin;
        mr_message_take_text(pairs[i].key.via.str.ptr, pairs[i].key.via.str.size, info->name);
        info->values = values;
        info->n_values = bytes.size / sizeof(double);
        if (info->n_values > 0)
            memcpy(values, bytes.ptr, info->n_values * sizeof(double));
        values += info->n_values;
    }
    out->n_info = n;
    out->info = reader->info;
done:
    return status;
}

static mr_status read_value(mr_message_reader *reader, const mr_message_field *field,
                            const msgpack_object *value, mr_message *out) {
    void *at = (char *)out + field->offset;
    switch (field->type) {
    case MR_FIELD_COUNT:
        return read_count(field, value, at);
    case MR_FIELD_REAL:
        return read_real(field->key, value, at);
    case MR_FIELD_TEXT:
        return read_text(field, value, at);
    case MR_FIELD_DTYPE:
        return read_dtype(field->key, value, at);
    case MR_FIELD_CODE:
        return read_code(field->key, value, at);
    case MR_FIELD_FLAG:
        return read_flag(field->key, value, at);
    case MR_FIELD_BYTES:
        return read_bytes(field->key, value, at);
    case MR_FIELD_INFO:
        return read_info(reader, field->key, value, out);
    case MR_FIELD_ENVS:
    case MR_FIELD_SEEDS:
    case MR_FIELD_FLAGS:
        break;
    }
    return read_array(reader, field, value, out);
}

// ---- The whole

static mr_status read_head(const msgpack_object_map *map, mr_message_head *head, mr_message *out) {
    const msgpack_object *session = find(map, "session"), *seq = find(map, "seq"),
                         *version = find(map, "v");
    if (session == NULL || session->type != MSGPACK_OBJECT_BIN ||
        session->via.bin.size != MR_SESSION_SIZE)
        return fail_field("session", "a bin of 16 bytes");
    if (seq == NULL || seq->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return fail_field("seq", "an unsigned integer");
    memcpy(out->session, session->via.bin.ptr, MR_SESSION_SIZE);
    out->seq = seq->via.u64;
    head->is_addressed = true;
    if (version == NULL || version->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return fail_field("v", "an unsigned integer");
    if (version->via.u64 != MR_MESSAGE_VERSION) {
        head->fault = MR_FAULT_BAD_VERSION;
        return mr_fail(MR_ERR_INPUT,
                       "version %llu of the protocol is not known here, only %d; use "
                       "a millrace that speaks it",
                       (unsigned long long)version->via.u64, MR_MESSAGE_VERSION);
    }
    return MR_OK;
}

static mr_status read_type(const msgpack_object_map *map, mr_message *out) {
    const msgpack_object *type = find(map, "type");
    if (type == NULL || type->type != MSGPACK_OBJECT_STR)
        return fail_field("type", "a text");
    for (int i = 0; i < MR_N_MESSAGE_TYPES; i++)
        if (is_key(type, mr_message_layouts[i].name)) {
            out->type = (mr_message_type)i;
            return MR_OK;
        }
    return fail_field("type", "that of a message in the protocol");
}

static mr_status read_fields(mr_message_reader *reader, const msgpack_object_map *map,
                             mr_message *out) {
    const mr_message_layout *type = &mr_message_layouts[out->type];
    mr_status status = MR_OK;
    for (size_t i = 0; i < type->n_fields && status == MR_OK; i++) {
        const mr_message_field *field = &type->fields[i];
        const msgpack_object *value = find(map, field->key);
        if (value != NULL)
            status = read_value(reader, field, value, out);
        else if (!field->optional)
            status = mr_fail(MR_ERR_INPUT, "'%s' is missing from '%s'", field->key, type->name);
    }
    return status;
}

static mr_status check_bounds(const mr_message *m) {
    if (m->act_low.n_bytes != m->act_dim * sizeof(double) ||
        m->act_high.n_bytes != m->act_dim * sizeof(double))
        return fail_field("act_low", "a bin of act_dim f8, and so must 'act_high'");
    for (size_t j = 0; j < m->act_dim; j++) {
        double low, high;
        memcpy(&low, (const char *)m->act_low.data + j * sizeof low, sizeof low);
        memcpy(&high, (const char *)m->act_high.data + j * sizeof high, sizeof high);
        if (!(low <= high))
            return fail_field("act_low", "nowhere above 'act_high', nor NaN");
    }
    return MR_OK;
}

// Each side takes memory by these, before the first observation is there.
static mr_status check_sizes(const mr_message *m) {
    if (m->num_envs * (m->obs_dim + m->act_dim) > MR_MESSAGE_MAX_NUMBERS)
        return mr_fail(
            MR_ERR_INPUT,
            "'num_envs' x ('obs_dim' + 'act_dim') must be at most %d, not %llu x (%llu + "
            "%llu); spread the environments over several servers",
            MR_MESSAGE_MAX_NUMBERS, (unsigned long long)m->num_envs, (unsigned long long)m->obs_dim,
            (unsigned long long)m->act_dim);
    return MR_OK;
}

// What fields must agree on.
static mr_status check_together(const mr_message *m) {
    if (m->type == MR_MESSAGE_RESET && m->n_seeds != m->n)
        return fail_field("seeds", "as many as 'envs'");
    if (m->type == MR_MESSAGE_TRANSITION &&
        (m->n_truncated != m->n || m->reward.n_bytes != m->n * sizeof(double)))
        return fail_field("terminated", "as many as 'truncated' and 'reward'");
    if (m->n_warned != 0 && m->n_warned != m->n)
        return fail_field("warned", "as many as 'terminated'");
    if (m->type == MR_MESSAGE_SPEC && check_sizes(m) != MR_OK)
        return MR_ERR_INPUT;
    if (m->type == MR_MESSAGE_SPEC || m->type == MR_MESSAGE_POLICY)
        return check_bounds(m);
    return MR_OK;
}

mr_status mr_message_read(mr_message_reader *reader, const void *data, size_t n_bytes,
                          mr_message_head *head, mr_message *out) {
    mr_status status;
    msgpack_object object;
    *head = (mr_message_head){.fault = MR_FAULT_BAD_MESSAGE};
    memset(out, 0, sizeof *out);
    MR_TRY(parse(reader, data, n_bytes, &object));
    MR_TRY(read_head(&object.via.map, head, out));
    MR_TRY(read_type(&object.via.map, out));
    MR_TRY(read_fields(reader, &object.via.map, out));
    MR_TRY(check_together(out));
    head->fault = MR_FAULT_NONE;
done:
    return status;
}

void mr_message_get_numbers(mr_bytes bytes, size_t size, size_t n, double *out) {
    if (size == sizeof(double)) {
        memcpy(out, bytes.data, n * sizeof(double));
        return;
    }
    for (size_t i = 0; i < n; i++) {
        float number;
        memcpy(&number, (const char *)bytes.data + i * sizeof number, sizeof number);
        out[i] = number;
    }
}
