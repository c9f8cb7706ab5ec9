/* A tensor's data comes in one of three forms: raw bytes, typed arrays of the message, or
 * another file.  Each is brought to (pointer, bytes) first; when the elements already lie there
 * as we want them the view points at them, and only sub-byte types, values widened to int32 and
 * the like are copied.
 *
 * External files are found relative to the model's folder and nowhere else: the name must be
 * relative, without "..", and the path the system resolves it to (symbolic links followed) must
 * still be inside of that folder. */
#include "frontend/onnx/load.h"
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { COPY_BELOW = 4096 }; /* bytes; small tensors are copied so that they are aligned */

/* ---- element types --------------------------------------------------------------------------- */

struct elem_info {
    const char *name, *onnx_name;
    uint32_t bits, bytes;
};

static const struct elem_info elem_info[] = {
    [NNC_ONNX_undefined] = {"undefined", "undefined", 0, 0},
#define ELEM(name, number, onnx_name, bits, bytes) [number] = {#name, onnx_name, bits, bytes},
#include "frontend/onnx/elem.def"
};

bool nnc_onnx_elem_is_known(int64_t number)
{
    return number > 0 && number < NNC_ONNX_ELEM_COUNT;
}

const char *nnc_onnx_elem_str(nnc_onnx_elem e)
{
    return elem_info[e].name;
}

const char *nnc_onnx_elem_onnx_str(nnc_onnx_elem e)
{
    return elem_info[e].onnx_name;
}

uint32_t nnc_onnx_elem_bytes(nnc_onnx_elem e)
{
    return elem_info[e].bytes;
}

static bool is_signed(nnc_onnx_elem e)
{
    return e == NNC_ONNX_i4 || e == NNC_ONNX_i2;
}

bool nnc_onnx_dims_fit(const int64_t *dim, uint32_t rank, uint64_t bytes, uint64_t *count)
{
    bool zero = false;
    *count = 1;
    for (uint32_t i = 0; i < rank; i++) {
        if (dim[i] < 0)
            return false;
        zero |= dim[i] == 0;
    }
    for (uint32_t i = 0; i < rank && !zero; i++) {
        if (*count > (uint64_t)INT64_MAX / (uint64_t)dim[i])
            return false;
        *count *= (uint64_t)dim[i];
    }
    if (zero)
        *count = 0;
    return bytes == 0 || *count <= (uint64_t)INT64_MAX / bytes;
}

/* ---- what a tensor is read with -------------------------------------------------------------- */

struct reader {
    nnc_onnx_loader *ld;
    nnc_loc loc;
    const char *what;
    const Onnx__TensorProto *p;
    nnc_onnx_tensor *t;
};

#define FAIL(r, ...) nnc_error((r)->ld->diag, (r)->loc, __VA_ARGS__)

static const char *dims_text(struct reader *r)
{
    const char *text = "[";
    for (uint32_t i = 0; i < r->p->n_dims && i < 12; i++)
        text = nnc_arena_printf(r->ld->a, "%s%s%" PRId64, text, i ? "," : "", r->p->dims[i]);
    return nnc_arena_printf(r->ld->a, "%s%s]", text, r->p->n_dims > 12 ? ",.." : "");
}

/* `bytes` of dense elements at `data`, which lives in the arena or (mapped) in a file. */
static nnc_status take(struct reader *r, const void *data, bool mapped)
{
    nnc_onnx_tensor *t = r->t;
    t->mapped = mapped && t->bytes > COPY_BELOW;
    t->data = t->bytes == 0          ? NULL
              : mapped && !t->mapped ? nnc_arena_copy(r->ld->a, data, t->bytes)
                                     : data;
    return NNC_OK;
}

/* ---- packed elements ------------------------------------------------------------------------- */

/* Bytes of raw data: elements below 8 bits are packed without gaps. */
static uint64_t raw_bytes(const nnc_onnx_tensor *t)
{
    uint32_t bits = elem_info[t->elem].bits;
    return bits >= 8 ? t->bytes : t->count / 8 * bits + (t->count % 8 * bits + 7) / 8;
}

/* Elements of `bits` bits, first one lowest, into one byte each. */
static void unpack_bits(const uint8_t *from, uint8_t *to, uint64_t count, uint32_t bits, bool sign)
{
    uint32_t mask = (1u << bits) - 1, top = 1u << (bits - 1);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = i * bits;
        uint32_t v = from[at / 8];
        if (at % 8 + bits > 8)
            v |= (uint32_t)from[at / 8 + 1] << 8;
        v = v >> (at % 8) & mask;
        to[i] = (uint8_t)(sign && v & top ? v | ~mask : v);
    }
}

static const uint8_t *bools(struct reader *r, const uint8_t *data)
{
    uint64_t i = 0, n = r->t->count;
    while (i < n && data[i] <= 1)
        i++;
    if (i == n)
        return data;
    uint8_t *to = nnc_arena_alloc(r->ld->a, n);
    for (i = 0; i < n; i++)
        to[i] = data[i] != 0;
    return to;
}

/* Raw bytes as the format packs them: `size` of them at `data`, in a mapped file. */
static nnc_status from_raw(struct reader *r, const uint8_t *data, uint64_t size, const char *where)
{
    nnc_onnx_tensor *t = r->t;
    uint32_t bits = elem_info[t->elem].bits;
    uint64_t want = raw_bytes(t);
    if (t->elem == NNC_ONNX_string)
        return FAIL(r, "%s holds strings as raw bytes, expected string_data", r->what);
    if (size != want)
        return FAIL(r,
                    "%s of shape %s has %" PRIu64 " bytes of %s, expected %" PRIu64 " for %" PRIu64
                    " elements of %s",
                    r->what, dims_text(r), size, where, want, t->count, nnc_onnx_elem_str(t->elem));
    if (bits < 8) {
        uint8_t *to = nnc_arena_alloc(r->ld->a, t->count);
        unpack_bits(data, to, t->count, bits, is_signed(t->elem));
        return take(r, to, false);
    }
    if (t->elem == NNC_ONNX_bool) {
        const uint8_t *to = bools(r, data);
        return take(r, to, to == data);
    }
    return take(r, data, true);
}

/* ---- typed arrays of the message ------------------------------------------------------------- */

enum source {
    FROM_NONE,
    FROM_FLOAT,
    FROM_INT32,
    FROM_STRING,
    FROM_INT64,
    FROM_DOUBLE,
    FROM_UINT64
};
static const char *const source_names[] = {"no data",    "float_data",  "int32_data", "string_data",
                                           "int64_data", "double_data", "uint64_data"};

static enum source source_for(nnc_onnx_elem e)
{
    switch (e) {
    case NNC_ONNX_f32: return FROM_FLOAT;
    case NNC_ONNX_f64: return FROM_DOUBLE;
    case NNC_ONNX_i64: return FROM_INT64;
    case NNC_ONNX_u32:
    case NNC_ONNX_u64: return FROM_UINT64;
    case NNC_ONNX_string: return FROM_STRING;
    default: return FROM_INT32;
    }
}

/* The array that is not empty; the first one that should be, when there are several. */
static enum source source_in(const Onnx__TensorProto *p, enum source expected)
{
    const bool has[] = {false,
                        p->n_float_data || p->has_float_at,
                        p->n_int32_data > 0,
                        p->n_string_data > 0,
                        p->n_int64_data > 0,
                        p->n_double_data || p->has_double_at,
                        p->n_uint64_data > 0};
    enum source found = has[expected] ? expected : FROM_NONE;
    for (int s = FROM_FLOAT; s <= FROM_UINT64; s++)
        if (has[s] && s != (int)expected)
            found = (enum source)s;
    return found;
}

static nnc_status wrong_count(struct reader *r, enum source s, uint64_t have, uint64_t want)
{
    return FAIL(r, "%s of shape %s has %" PRIu64 " values in %s, expected %" PRIu64, r->what,
                dims_text(r), have, source_names[s], want);
}

/* A packed run left in the file, or an array protobuf-c unpacked into the arena. */
static nnc_status from_fixed(struct reader *r, enum source s, bool in_file, uint64_t at,
                             uint64_t size, const void *array, size_t n)
{
    uint64_t have = in_file ? size / elem_info[r->t->elem].bytes : n;
    if (have != r->t->count)
        return wrong_count(r, s, have, r->t->count);
    return in_file ? take(r, r->ld->base + at, true) : take(r, array, false);
}

/* int32_data: one value each, or for types below 8 bits one byte of packed elements each (6-bit
 * ones excepted). */
static nnc_status from_int32(struct reader *r)
{
    nnc_onnx_tensor *t = r->t;
    const struct elem_info *e = &elem_info[t->elem];
    uint32_t per = e->bits == 4   ? 2
                   : e->bits == 2 ? 4
                                  : 1,
             bits = e->bits < 8 ? per * e->bits : e->bits;
    uint64_t want = t->count / per + (t->count % per != 0);
    if (r->p->n_int32_data != want)
        return wrong_count(r, FROM_INT32, r->p->n_int32_data, want);
    if (t->elem == NNC_ONNX_i32)
        return take(r, r->p->int32_data, false);
    uint8_t *bytes = nnc_arena_alloc(r->ld->a, per > 1 ? want : t->bytes);
    uint32_t step = bits > 8 ? 2 : 1;
    for (uint64_t i = 0; i < want; i++) {
        int32_t v = r->p->int32_data[i];
        if (v < -(1 << (bits - 1)) || v >= 1 << bits)
            return FAIL(r, "%s: value %" PRId32 " at %" PRIu64 " does not fit its element type %s",
                        r->what, v, i, nnc_onnx_elem_str(t->elem));
        if (t->elem == NNC_ONNX_bool)
            v = v != 0;
        bytes[i * step] = (uint8_t)v;
        if (step == 2)
            bytes[i * step + 1] = (uint8_t)(v >> 8);
    }
    if (per == 1)
        return take(r, bytes, false);
    uint8_t *to = nnc_arena_alloc(r->ld->a, t->count);
    unpack_bits(bytes, to, t->count, e->bits, is_signed(t->elem));
    return take(r, to, false);
}

static nnc_status from_uint64(struct reader *r)
{
    nnc_onnx_tensor *t = r->t;
    if (r->p->n_uint64_data != t->count)
        return wrong_count(r, FROM_UINT64, r->p->n_uint64_data, t->count);
    if (t->elem == NNC_ONNX_u64)
        return take(r, r->p->uint64_data, false);
    uint32_t *to = nnc_arena_array(r->ld->a, t->count, sizeof *to);
    for (uint64_t i = 0; i < t->count; i++) {
        if (r->p->uint64_data[i] > UINT32_MAX)
            return FAIL(r, "%s: value %" PRIu64 " at %" PRIu64 " does not fit its element type u32",
                        r->what, r->p->uint64_data[i], i);
        to[i] = (uint32_t)r->p->uint64_data[i];
    }
    return take(r, to, false);
}

static nnc_status from_strings(struct reader *r)
{
    nnc_onnx_tensor *t = r->t;
    if (r->p->n_string_data != t->count)
        return wrong_count(r, FROM_STRING, r->p->n_string_data, t->count);
    nnc_onnx_str *to = nnc_arena_array(r->ld->a, t->count, sizeof *to);
    for (uint64_t i = 0; i < t->count; i++) {
        const ProtobufCBinaryData *s = &r->p->string_data[i];
        to[i] = (nnc_onnx_str){nnc_arena_copy(r->ld->a, s->data, s->len), s->len};
    }
    t->str = to;
    return NNC_OK;
}

static nnc_status from_typed(struct reader *r)
{
    const Onnx__TensorProto *p = r->p;
    enum source want = source_for(r->t->elem), have = source_in(p, want);
    if (have == FROM_NONE && r->t->count == 0)
        return NNC_OK;
    if (have == FROM_NONE)
        return FAIL(r, "%s of shape %s has no data, expected %" PRIu64 " elements of %s", r->what,
                    dims_text(r), r->t->count, nnc_onnx_elem_str(r->t->elem));
    if (have != want)
        return FAIL(r, "%s has element type %s but its data in %s, expected raw_data or %s",
                    r->what, nnc_onnx_elem_str(r->t->elem), source_names[have], source_names[want]);
    switch (want) {
    case FROM_FLOAT:
        return from_fixed(r, want, p->has_float_at, p->float_at, p->float_size, p->float_data,
                          p->n_float_data);
    case FROM_DOUBLE:
        return from_fixed(r, want, p->has_double_at, p->double_at, p->double_size, p->double_data,
                          p->n_double_data);
    case FROM_INT64: return from_fixed(r, want, false, 0, 0, p->int64_data, p->n_int64_data);
    case FROM_UINT64: return from_uint64(r);
    case FROM_STRING: return from_strings(r);
    default: return from_int32(r);
    }
}

/* ---- external files -------------------------------------------------------------------------- */

static const char *external_key(const Onnx__TensorProto *p, const char *key)
{
    for (size_t i = 0; i < p->n_external_data; i++)
        if (p->external_data[i]->key && strcmp(p->external_data[i]->key, key) == 0)
            return p->external_data[i]->value ? p->external_data[i]->value : "";
    return NULL;
}

static nnc_status external_number(struct reader *r, const char *key, uint64_t dflt, uint64_t *value)
{
    const char *text = external_key(r->p, key);
    char *end;
    *value = dflt;
    if (!text)
        return NNC_OK;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno)
        return FAIL(r, "%s: external data has %s \"%s\", expected a number of bytes", r->what, key,
                    text);
    *value = v;
    return NNC_OK;
}

static bool climbs(const char *location)
{
    for (const char *s = location; *s; s += strcspn(s, "/"), s += *s == '/')
        if (strncmp(s, "..", 2) == 0 && (s[2] == '/' || s[2] == 0))
            return true;
    return false;
}

/* The folder of the model: "" for the current one, else with a final '/'. */
static const char *folder_of(nnc_onnx_loader *ld)
{
    const char *slash = strrchr(ld->path, '/');
    return slash ? nnc_arena_printf(ld->a, "%.*s", (int)(slash - ld->path + 1), ld->path) : "";
}

static nnc_status confine(struct reader *r, const char *location, const char **path)
{
    nnc_onnx_loader *ld = r->ld;
    if (*location == '/' || *location == 0 || climbs(location))
        return FAIL(r,
                    "%s: external data is in '%s', which is outside of the model's folder; nnc "
                    "reads only files "
                    "below it (give a relative path without '..')",
                    r->what, location);
    const char *folder = folder_of(ld), *asked = nnc_arena_printf(ld->a, "%s%s", folder, location);
    char *top = realpath(*folder ? folder : ".", NULL), *real = realpath(asked, NULL);
    int error = errno;
    nnc_status status = NNC_OK;
    size_t n = top ? strlen(top) : 0;
    if (!real || !top)
        status = FAIL(
            r,
            "%s: its external data file '%s' cannot be opened: %s; put the file beside the model",
            r->what, asked, strerror(error));
    else if (strncmp(real, top, n) != 0 || (n > 1 && real[n] != '/'))
        status = FAIL(r,
                      "%s: external data '%s' is a link to '%s', which is outside of the model's "
                      "folder; copy the "
                      "file there",
                      r->what, location, real);
    *path = real ? nnc_arena_str(ld->a, real) : "";
    free(real);
    free(top);
    return status;
}

/* A file that cannot be read is reported once and remembered. */
static nnc_status external_file(struct reader *r, const char *location, nnc_onnx_file **file)
{
    nnc_onnx_loader *ld = r->ld;
    for (uint32_t i = 0; i < ld->external.n; i++)
        if (strcmp(ld->external.at[i].path, location) == 0) {
            *file = &ld->external.at[i];
            return (*file)->failed ? NNC_ERR : NNC_OK;
        }
    nnc_onnx_file f = {.path = nnc_arena_str(ld->a, location), .base = (const uint8_t *)""};
    const char *path;
    f.failed = confine(r, location, &path) != NNC_OK;
    if (!f.failed)
        f.failed = nnc_onnx_map(ld->a, ld->diag, nnc_loc_file(ld->diag, path), path,
                                "external data file", &f.base, &f.len) != NNC_OK;
    if (!f.failed && f.len > 40 && f.len < 1024 &&
        memcmp(f.base, "version https://git-lfs", 23) == 0)
        f.failed = nnc_onnx_sniff(ld->diag, nnc_loc_file(ld->diag, path), f.base, f.len) != NNC_OK;
    NNC_PUSH(ld->a, &ld->external, f);
    *file = &ld->external.at[ld->external.n - 1];
    return f.failed ? NNC_ERR : NNC_OK;
}

static nnc_status from_external(struct reader *r)
{
    const char *location = external_key(r->p, "location");
    nnc_onnx_file *f;
    uint64_t offset, length;
    if (!location)
        return FAIL(r, "%s: external data without a location, expected the name of a file",
                    r->what);
    NNC_TRY(external_number(r, "offset", 0, &offset));
    NNC_TRY(external_number(r, "length", raw_bytes(r->t), &length));
    if (r->t->count == 0)
        return NNC_OK;
    NNC_TRY(external_file(r, location, &f));
    if (offset > f->len || length > f->len - offset)
        return FAIL(r,
                    "%s: external data '%s' has %zu bytes, expected %" PRIu64 " at %" PRIu64
                    "; is the file complete "
                    "and the one saved with this model?",
                    r->what, location, f->len, length, offset);
    return from_raw(r, f->base + offset, length,
                    nnc_arena_printf(r->ld->a, "external data '%s'", location));
}

/* ---- entry points ---------------------------------------------------------------------------- */

nnc_status nnc_onnx_tensor_read(nnc_onnx_loader *ld, nnc_loc loc, const char *what,
                                const Onnx__TensorProto *p, nnc_onnx_tensor *t)
{
    struct reader r = {ld, loc, what, p, t};
    *t = (nnc_onnx_tensor){
        .name = p->name ? p->name : "", .rank = (uint32_t)p->n_dims, .dim = p->dims};
    if (!nnc_onnx_elem_is_known(p->data_type))
        return FAIL(&r, "%s has element type %" PRId32 ", which is not one of ONNX's (1..%d)", what,
                    p->data_type, NNC_ONNX_ELEM_COUNT - 1);
    t->elem = (nnc_onnx_elem)p->data_type;
    if (t->elem == NNC_ONNX_c64 || t->elem == NNC_ONNX_c128)
        return FAIL(&r,
                    "%s has element type %s; complex numbers are not supported (keep real and "
                    "imaginary part in a "
                    "last dimension of 2)",
                    what, elem_info[t->elem].onnx_name);
    if (!nnc_onnx_dims_fit(p->dims, t->rank, elem_info[t->elem].bytes, &t->count))
        return FAIL(
            &r,
            "%s has shape %s, expected dimensions of 0 or more whose product in bytes fits 63 bits",
            what, dims_text(&r));
    t->bytes = t->count * elem_info[t->elem].bytes;
    if (p->segment)
        return FAIL(&r,
                    "%s is split into segments, which is not supported; save the model again with "
                    "onnx.save",
                    what);
    nnc_status status;
    if (p->data_location == 1)
        status = from_external(&r);
    else if (p->has_raw_at && !(p->raw_size == 0 && source_in(p, source_for(t->elem)) != FROM_NONE))
        status = from_raw(&r, ld->base + p->raw_at, p->raw_size, "raw_data");
    else
        status = from_typed(&r);
    if (status == NNC_OK && ld->m)
        ld->m->weight_bytes += t->bytes;
    return status;
}

/* Row-major position of non-zero number i; indices are [nnz] positions or [nnz, rank]
 * coordinates. */
static nnc_status sparse_position(struct reader *r, const nnc_onnx_tensor *at,
                                  const nnc_onnx_tensor *t, uint64_t i, uint64_t *position)
{
    bool linear = at->rank == 1;
    uint64_t n = linear ? 1 : t->rank;
    *position = 0;
    for (uint64_t d = 0; d < n; d++) {
        int64_t index = nnc_onnx_tensor_i64(at, i * n + d),
                size = linear ? (int64_t)t->count : t->dim[d];
        if (index < 0 || index >= size)
            return FAIL(r, "%s: index %" PRId64 " of value %" PRIu64 " is out of range 0..%" PRId64,
                        r->what, index, i, size - 1);
        *position = *position * (uint64_t)size + (uint64_t)index;
    }
    return NNC_OK;
}

nnc_status nnc_onnx_sparse_read(nnc_onnx_loader *ld, nnc_loc loc, const char *what,
                                const Onnx__SparseTensorProto *p, nnc_onnx_tensor *t)
{
    static const Onnx__TensorProto none = ONNX__TENSOR_PROTO__INIT;
    struct reader r = {ld, loc, what, p->values ? p->values : &none, t};
    nnc_onnx_tensor values, at;
    if (!p->values || !p->indices)
        return FAIL(&r, "%s is sparse but has no %s", what, p->values ? "indices" : "values");
    NNC_TRY(nnc_onnx_tensor_read(ld, loc, nnc_arena_printf(ld->a, "values of %s", what), p->values,
                                 &values));
    NNC_TRY(nnc_onnx_tensor_read(ld, loc, nnc_arena_printf(ld->a, "indices of %s", what),
                                 p->indices, &at));
    *t = values;
    t->rank = (uint32_t)p->n_dims;
    t->dim = p->dims;
    uint64_t size = nnc_onnx_elem_bytes(t->elem), n = values.count;
    if (!nnc_onnx_dims_fit(p->dims, t->rank, size, &t->count) || t->count * size > INT32_MAX)
        return FAIL(&r, "%s has a dense shape that is negative or takes more than 2 GB", what);
    if (size == 0 || at.elem != NNC_ONNX_i64 || at.count != (at.rank == 1 ? n : n * t->rank) ||
        at.rank > 2)
        return FAIL(&r,
                    "%s: expected i64 indices of shape [%" PRIu64 "] or [%" PRIu64
                    ",%u] for its numeric values",
                    what, n, n, t->rank);
    uint8_t *to = nnc_arena_alloc(ld->a, t->count * size);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t position;
        NNC_TRY(sparse_position(&r, &at, t, i, &position));
        memcpy(to + position * size, (const uint8_t *)values.data + i * size, size);
    }
    t->bytes = t->count * size;
    t->mapped = false;
    t->data = to;
    return NNC_OK;
}
