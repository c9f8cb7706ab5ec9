/* tests/frontend/onnx/wire.h - small ONNX models written by hand: protobuf's wire format and the
 * messages needed.
 *
 *     struct wire m = model(13, graph(value(GRAPH_INPUT, "x", 1, "2,n"), node("Relu", "x", "y"),
 *                                     value(GRAPH_OUTPUT, "y", 1, "2,n"), END));
 *
 * A part is the bytes of one field (tag and payload); parts are joined by `parts`, `graph` and
 * so on, whose lists end with END.  Memory comes from the arena wire_memory. */
#ifndef NNC_TESTS_FRONTEND_ONNX_WIRE_H
#define NNC_TESTS_FRONTEND_ONNX_WIRE_H
#include "ir/base/arena.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct wire {
    uint8_t *at;
    size_t n;
};
#define END ((struct wire){NULL, SIZE_MAX})
enum {
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    GRAPH_INFO = 13,
    GRAPH_INIT = 5,
    GRAPH_NODE = 1,
    GRAPH_SPARSE = 15
};
enum { ATTR_FLOAT = 1, ATTR_INT, ATTR_STRING, ATTR_TENSOR, ATTR_GRAPH, ATTR_FLOATS, ATTR_INTS };

static nnc_arena *wire_memory; /* main makes and frees it */

static inline void wire_add(struct wire *w, const void *p, size_t n)
{
    uint8_t *at = nnc_arena_alloc(wire_memory, w->n + n);
    if (w->n)
        memcpy(at, w->at, w->n);
    w->at = at;
    if (n)
        memcpy(w->at + w->n, p, n);
    w->n += n;
}

static inline void wire_varint(struct wire *w, uint64_t v)
{
    do {
        uint8_t byte = (uint8_t)((v & 127) | (v > 127 ? 128 : 0));
        wire_add(w, &byte, 1);
        v >>= 7;
    } while (v);
}

static inline struct wire f_int(uint32_t field, int64_t v)
{
    struct wire w = {0};
    wire_varint(&w, (uint64_t)field << 3);
    wire_varint(&w, (uint64_t)v);
    return w;
}

static inline struct wire f_bytes(uint32_t field, const void *p, size_t n)
{
    struct wire w = {0};
    wire_varint(&w, (uint64_t)field << 3 | 2);
    wire_varint(&w, n);
    wire_add(&w, p, n);
    return w;
}

static inline struct wire f_str(uint32_t field, const char *s)
{
    return f_bytes(field, s, strlen(s));
}

static inline struct wire f_msg(uint32_t field, struct wire inner)
{
    return f_bytes(field, inner.at, inner.n);
}

static inline struct wire f_float(uint32_t field, float v)
{
    struct wire w = {0};
    wire_varint(&w, (uint64_t)field << 3 | 5);
    wire_add(&w, &v, 4);
    return w;
}

static inline struct wire wire_list(struct wire first, va_list ap)
{
    struct wire w = {0};
    for (struct wire p = first; p.n != SIZE_MAX; p = va_arg(ap, struct wire))
        wire_add(&w, p.at, p.n);
    return w;
}

static inline struct wire parts(struct wire first, ...)
{
    va_list ap;
    va_start(ap, first);
    struct wire w = wire_list(first, ap);
    va_end(ap);
    return w;
}

/* "a,,b" to one string field each */
static inline struct wire f_strs(uint32_t field, const char *list)
{
    struct wire w = {0};
    while (*list) {
        size_t n = strcspn(list, ",");
        struct wire one = f_bytes(field, list, n);
        wire_add(&w, one.at, one.n);
        list += n;
        list += *list == ',';
    }
    return w;
}

/* ---- ONNX ------------------------------------------------------------------------------------ */

/* A value info: dims "2,n,?" are a number, a name, or unknown; NULL leaves the shape out. */
static inline struct wire value(uint32_t field, const char *name, int elem, const char *dims)
{
    struct wire shape = {0}, tensor = f_int(1, elem);
    for (const char *s = dims; s && *s;) {
        size_t n = strcspn(s, ",");
        struct wire d = {0};
        char text[64] = "";
        memcpy(text, s, n < 63 ? n : 63);
        if ((*text >= '0' && *text <= '9') || *text == '-')
            d = f_int(1, strtoll(text, NULL, 10));
        else if (*text != '?')
            d = f_str(2, text);
        d = f_msg(1, d);
        wire_add(&shape, d.at, d.n);
        s += n;
        s += *s == ',';
    }
    if (dims) {
        shape = f_msg(2, shape);
        wire_add(&tensor, shape.at, shape.n);
    }
    return f_msg(field, parts(f_str(1, name), f_msg(2, f_msg(1, tensor)), END));
}

/* The head of a tensor; data fields follow it in the list. */
static inline struct wire tensor(uint32_t field, const char *name, int elem, const char *dims,
                                 struct wire data)
{
    struct wire t = parts(f_str(8, name), f_int(2, elem), END);
    for (const char *s = dims; *s;) {
        struct wire d = f_int(1, strtoll(s, NULL, 10));
        wire_add(&t, d.at, d.n);
        s += strcspn(s, ",");
        s += *s == ',';
    }
    wire_add(&t, data.at, data.n);
    return f_msg(field, t);
}

static inline struct wire raw(const void *p, size_t n)
{
    return f_bytes(9, p, n);
}

static inline struct wire zeros(size_t n)
{
    return raw(nnc_arena_alloc(wire_memory, n), n);
}

static inline struct wire a_int(const char *name, int64_t v)
{
    return f_msg(5, parts(f_str(1, name), f_int(20, ATTR_INT), f_int(3, v), END));
}

static inline struct wire a_float(const char *name, float v)
{
    return f_msg(5, parts(f_str(1, name), f_int(20, ATTR_FLOAT), f_float(2, v), END));
}

static inline struct wire a_str(const char *name, const char *v)
{
    return f_msg(5, parts(f_str(1, name), f_int(20, ATTR_STRING), f_str(4, v), END));
}

static inline struct wire a_ref(const char *name, int type, const char *of)
{
    return f_msg(5, parts(f_str(1, name), f_int(20, type), f_str(21, of), END));
}

static inline struct wire a_graph(const char *name, struct wire graph)
{
    graph.at[0] = 6 << 3 | 2; /* from ModelProto.graph to AttributeProto.g */
    return f_msg(5, parts(f_str(1, name), f_int(20, ATTR_GRAPH), graph, END));
}

/* op, inputs "a,b", outputs, and attributes or f_str(3, name), f_str(7, domain).. up to END */
static inline struct wire node_with(const char *op, const char *in, const char *out, ...)
{
    va_list ap;
    va_start(ap, out);
    struct wire more = wire_list(va_arg(ap, struct wire), ap);
    va_end(ap);
    return f_msg(GRAPH_NODE, parts(f_strs(1, in), f_strs(2, out), f_str(4, op), more, END));
}

static inline struct wire node(const char *op, const char *in, const char *out)
{
    return node_with(op, in, out, END);
}

static inline struct wire graph(struct wire first, ...)
{
    va_list ap;
    va_start(ap, first);
    struct wire w = wire_list(first, ap);
    va_end(ap);
    return f_msg(7, w);
}

static inline struct wire opset(uint32_t field, const char *domain, int64_t version)
{
    return f_msg(field, parts(f_str(1, domain), f_int(2, version), END));
}

static inline struct wire model(int64_t version, struct wire graph)
{
    return parts(f_int(1, 8), opset(8, "", version), graph, END);
}
#endif
