/* protobuf-c copies bytes and packed arrays, which for a model is nearly all of it.  So the
 * mapped file is walked once before unpacking and rewritten without its bulk: raw_data and
 * packed float_data / double_data of tensors are replaced by (offset, size) in private fields of
 * onnx.proto, fields onnx.proto does not name are left out, and all else is copied.  What
 * remains is small ("skeleton"), is unpacked by protobuf-c into the arena, and goes away.
 *
 * The walk follows protobuf-c's own descriptors, so there is no second table of the format.  It
 * also makes unpacking safe: bounds, wire types, nesting depth and repeated single messages are
 * checked here, with messages that name the field and the offset, where protobuf-c would only
 * say "no".
 *
 * The length of a rewritten message is not known when its head is written: five bytes are kept
 * for it and filled in as a varint with leading (that is, trailing) zeros, which is legal. */
#include "frontend/onnx/load.h"
#include <assert.h>
#include <string.h>

enum { MAX_DEPTH = 256, LENGTH_BYTES = 5, PRIVATE_FIELDS = 1000 };
enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
enum { TENSOR_FLOATS = 4, TENSOR_RAW = 9, TENSOR_DOUBLES = 10 };

struct level {
    const ProtobufCMessageDescriptor *desc;
    size_t begin, end;
    uint32_t field;
    size_t field_at;
};

struct walk {
    nnc_onnx_loader *ld;
    nnc_arena *scratch;
    const char *what; /* "model" or "tensor" */
    uint8_t *out;
    size_t n, cap;
    struct level level[MAX_DEPTH];
    int depth;
};

/* One field as it stands in the file. */
struct field {
    uint32_t number, wire;
    size_t head, begin, end;
}; /* head: of the tag; [begin, end): payload */

/* ---- reading --------------------------------------------------------------------------------- */

static bool varint(const uint8_t *p, size_t *at, size_t end, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = p[(*at)++];
        *value |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128))
            return true;
    }
    return false;
}

enum scan { SCAN_OK, SCAN_BAD, SCAN_SHORT };

/* Reads the field at *at, which becomes the place after it.  SHORT: the field runs beyond `end`. */
static enum scan scan_field(const uint8_t *p, size_t *at, size_t end, struct field *f)
{
    uint64_t tag, len;
    f->head = *at;
    size_t tag_at = *at;
    if (!varint(p, at, end, &tag))
        return end - tag_at < 5 ? SCAN_SHORT : SCAN_BAD;
    if (tag > UINT32_MAX || tag >> 3 == 0 || *at - tag_at > 5)
        return SCAN_BAD;
    f->number = (uint32_t)(tag >> 3);
    f->wire = tag & 7;
    f->begin = *at;
    switch (f->wire) {
    case WIRE_VARINT:
        if (!varint(p, at, end, &len))
            return end - f->begin < 10 ? SCAN_SHORT : SCAN_BAD;
        break;
    case WIRE_64:
    case WIRE_32:
        len = f->wire == WIRE_64 ? 8 : 4;
        if (end - *at < len)
            return SCAN_SHORT;
        *at += len;
        break;
    case WIRE_BYTES:
        if (!varint(p, at, end, &len))
            return end - f->begin < 10 ? SCAN_SHORT : SCAN_BAD;
        f->begin = *at;
        f->end = f->begin + (size_t)len;
        if (len > end - *at)
            return SCAN_SHORT;
        *at += (size_t)len;
        break;
    default: return SCAN_BAD;
    }
    f->end = *at;
    return SCAN_OK;
}

/* ---- messages -------------------------------------------------------------------------------- */

static uint32_t index_of(const struct walk *w, const struct level *l)
{
    struct field f;
    uint32_t n = 0;
    for (size_t at = l->begin;
         at < l->field_at && scan_field(w->ld->base, &at, l->end, &f) == SCAN_OK;)
        n += f.number == l->field && f.head < l->field_at;
    return n;
}

/* "graph.node[3].attribute[0]", worked out only when something is wrong */
static const char *path_text(const struct walk *w)
{
    const char *text = "";
    for (int i = 0; i < w->depth; i++) {
        const struct level *l = &w->level[i];
        const ProtobufCFieldDescriptor *d =
            protobuf_c_message_descriptor_get_field(l->desc, l->field);
        if (!d)
            break;
        text = nnc_arena_printf(w->scratch, "%s%s%s", text, i ? "." : "", d->name);
        if (d->label == PROTOBUF_C_LABEL_REPEATED)
            text = nnc_arena_printf(w->scratch, "%s[%u]", text, index_of(w, l));
    }
    return *text ? text : "model";
}

static nnc_status damaged(struct walk *w, size_t at, const char *what)
{
    if (w->depth <= 1)
        return nnc_error(w->ld->diag, w->ld->file, "this is not an ONNX %s: at byte %zu %s",
                         w->what, at, what);
    w->depth--;
    return nnc_error(w->ld->diag, w->ld->file,
                     "the file is damaged: in %s, at byte %zu, %s; get or export it again",
                     path_text(w), at, what);
}

static nnc_status truncated(struct walk *w, const struct field *f,
                            const ProtobufCMessageDescriptor *desc)
{
    const ProtobufCFieldDescriptor *d = protobuf_c_message_descriptor_get_field(desc, f->number);
    size_t have = w->ld->len;
    if (!d || d->type != PROTOBUF_C_TYPE_MESSAGE || f->wire != WIRE_BYTES || f->end < f->begin)
        return damaged(w, f->head, "the last field runs beyond the end");
    return nnc_error(w->ld->diag, w->ld->file,
                     "the file is truncated: its %s takes %zu bytes, but the file ends "
                     "after %zu, %zu too early; get or export it again",
                     d->name, f->end - f->begin, have - f->begin, f->end - have);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void room(struct walk *w, size_t more)
{
    if (w->cap - w->n >= more)
        return;
    size_t cap = w->cap * 2 + more + 4096;
    uint8_t *out = nnc_arena_alloc(w->scratch, cap);
    if (w->n)
        memcpy(out, w->out, w->n);
    w->out = out;
    w->cap = cap;
}

static void put_bytes(struct walk *w, const uint8_t *p, size_t n)
{
    room(w, n);
    if (n)
        memcpy(w->out + w->n, p, n);
    w->n += n;
}

static void put_varint(struct walk *w, uint64_t v)
{
    uint8_t b[10];
    size_t n = 0;
    do {
        b[n] = (uint8_t)((v & 127) | (v > 127 ? 128 : 0));
        v >>= 7;
        n++;
    } while (v);
    put_bytes(w, b, n);
}

static void put_place(struct walk *w, uint32_t number, const struct field *f)
{
    put_varint(w, (uint64_t)number << 3 | WIRE_VARINT);
    put_varint(w, f->begin);
    put_varint(w, (uint64_t)(number + 1) << 3 | WIRE_VARINT);
    put_varint(w, f->end - f->begin);
}

/* ---- the walk -------------------------------------------------------------------------------- */

static bool wire_fits(const ProtobufCFieldDescriptor *d, uint32_t wire)
{
    uint32_t want;
    switch (d->type) {
    case PROTOBUF_C_TYPE_FLOAT: want = WIRE_32; break;
    case PROTOBUF_C_TYPE_DOUBLE: want = WIRE_64; break;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE: want = WIRE_BYTES; break;
    default: want = WIRE_VARINT; break; /* onnx.proto has int32, int64 and uint64 only */
    }
    return wire == want ||
           (wire == WIRE_BYTES && d->label == PROTOBUF_C_LABEL_REPEATED && want != WIRE_BYTES);
}

/* Packed varints must end inside their field and packed fixed ones fill it: protobuf-c refuses
 * all else. */
static bool packed_fits(const uint8_t *p, const ProtobufCFieldDescriptor *d, const struct field *f)
{
    size_t len = f->end - f->begin;
    if (f->wire != WIRE_BYTES || d->type == PROTOBUF_C_TYPE_STRING ||
        d->type == PROTOBUF_C_TYPE_BYTES)
        return true;
    if (d->type == PROTOBUF_C_TYPE_FLOAT || d->type == PROTOBUF_C_TYPE_DOUBLE)
        return len % (d->type == PROTOBUF_C_TYPE_FLOAT ? 4 : 8) == 0;
    for (size_t at = f->begin; at < f->end;) {
        uint64_t v;
        if (!varint(p, &at, f->end, &v))
            return false;
    }
    return true;
}

/* What has been met in the message so far, or (runs) is in it at all. */
struct seen {
    uint64_t single;
    uint32_t float_runs, double_runs;
};

static void count_runs(const struct walk *w, size_t begin, size_t end, struct seen *seen)
{
    struct field f;
    for (size_t at = begin; at < end && scan_field(w->ld->base, &at, end, &f) == SCAN_OK;) {
        seen->float_runs += f.number == TENSOR_FLOATS;
        seen->double_runs += f.number == TENSOR_DOUBLES;
    }
}

/* True when the field was replaced by its place.  A packed run is only when it is the whole of
 * the array. */
static bool put_bulk(struct walk *w, const struct field *f, const struct seen *seen)
{
    if (f->number == TENSOR_RAW) {
        put_place(w, 1000, f);
        return true;
    }
    if (f->wire != WIRE_BYTES || (f->number != TENSOR_FLOATS && f->number != TENSOR_DOUBLES) ||
        (f->number == TENSOR_FLOATS ? seen->float_runs : seen->double_runs) != 1)
        return false;
    put_place(w, f->number == TENSOR_FLOATS ? 1002 : 1004, f);
    return true;
}

static nnc_status walk_message(struct walk *w, const ProtobufCMessageDescriptor *desc, size_t begin,
                               size_t end);

static nnc_status walk_inner(struct walk *w, const ProtobufCMessageDescriptor *desc,
                             const struct field *f)
{
    put_varint(w, (uint64_t)f->number << 3 | WIRE_BYTES);
    size_t at = w->n;
    room(w, LENGTH_BYTES);
    w->n += LENGTH_BYTES;
    NNC_TRY(walk_message(w, desc, f->begin, f->end));
    uint64_t len = w->n - at - LENGTH_BYTES;
    for (int i = 0; i < LENGTH_BYTES; i++)
        w->out[at + (size_t)i] =
            (uint8_t)((len >> (7 * i) & 127) | (i + 1 < LENGTH_BYTES ? 128 : 0));
    return NNC_OK;
}

static nnc_status walk_field(struct walk *w, const ProtobufCMessageDescriptor *desc,
                             const struct field *f, struct seen *seen)
{
    const ProtobufCFieldDescriptor *d = protobuf_c_message_descriptor_get_field(desc, f->number);
    if (!d || f->number >= PRIVATE_FIELDS)
        return NNC_OK;
    if (!wire_fits(d, f->wire) ||
        (d->type != PROTOBUF_C_TYPE_MESSAGE && !packed_fits(w->ld->base, d, f)))
        return damaged(w, f->head,
                       nnc_arena_printf(w->scratch, "field '%s' is not of its type", d->name));
    if (d->type == PROTOBUF_C_TYPE_MESSAGE) {
        uint64_t bit = 1ull << (d - desc->fields);
        if (d->label != PROTOBUF_C_LABEL_REPEATED && seen->single & bit)
            return damaged(w, f->head,
                           nnc_arena_printf(w->scratch, "field '%s' is there twice", d->name));
        seen->single |= bit;
        return walk_inner(w, d->descriptor, f);
    }
    if (desc == &onnx__tensor_proto__descriptor && put_bulk(w, f, seen))
        return NNC_OK;
    put_bytes(w, w->ld->base + f->head, f->end - f->head);
    return NNC_OK;
}

static nnc_status walk_message(struct walk *w, const ProtobufCMessageDescriptor *desc, size_t begin,
                               size_t end)
{
    struct seen seen = {0};
    struct field f = {0};
    assert(desc->n_fields <= 64);
    if (w->depth == MAX_DEPTH)
        return nnc_error(w->ld->diag, w->ld->file,
                         "graphs and types are nested more than %d messages deep at byte %zu; "
                         "no real model is",
                         MAX_DEPTH, begin);
    struct level *l = &w->level[w->depth++];
    *l = (struct level){desc, begin, end, 0, begin};
    if (desc == &onnx__tensor_proto__descriptor)
        count_runs(w, begin, end, &seen);
    for (size_t at = begin; at < end;) {
        enum scan got = scan_field(w->ld->base, &at, end, &f);
        if (got == SCAN_SHORT && w->depth == 1)
            return truncated(w, &f, desc);
        if (got != SCAN_OK)
            return damaged(w, f.head,
                           got == SCAN_SHORT ? "a field runs beyond the end of its message"
                                             : "the bytes are no field of the format");
        l->field = f.number;
        l->field_at = f.head;
        NNC_TRY(walk_field(w, desc, &f, &seen));
    }
    w->depth--;
    return NNC_OK;
}

/* ---- unpacking ------------------------------------------------------------------------------- */

static void *alloc_in_arena(void *user, size_t size)
{
    return nnc_arena_alloc(user, size);
}

static void free_nothing(void *user, void *p)
{
    (void)user;
    (void)p;
}

static void *unpack(nnc_onnx_loader *ld, const ProtobufCMessageDescriptor *desc)
{
    ProtobufCAllocator to_arena = {alloc_in_arena, free_nothing, ld->a};
    nnc_arena *scratch = nnc_arena_new();
    struct walk *w = nnc_arena_alloc(scratch, sizeof *w);
    void *p = NULL;
    w->ld = ld;
    w->scratch = scratch;
    w->what = desc == &onnx__model_proto__descriptor ? "model" : "tensor";
    if (walk_message(w, desc, 0, ld->len) == NNC_OK) {
        if (w->n > INT32_MAX)
            nnc_error(ld->diag, ld->file,
                      "the file without its weights takes %zu bytes, at most 2 GB are supported",
                      w->n);
        else if (!(p = protobuf_c_message_unpack(desc, &to_arena, w->n, w->out)))
            nnc_error(ld->diag, ld->file, "the file is damaged: protobuf-c cannot read it");
    }
    nnc_arena_free(scratch);
    return p;
}

const Onnx__ModelProto *nnc_onnx_unpack(nnc_onnx_loader *ld)
{
    return unpack(ld, &onnx__model_proto__descriptor);
}

const Onnx__TensorProto *nnc_onnx_unpack_tensor(nnc_onnx_loader *ld)
{
    return unpack(ld, &onnx__tensor_proto__descriptor);
}
