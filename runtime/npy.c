/* The header of an .npy file is a Python dictionary literal; only the three keys that the format fixes are looked for.
 * Files are checked against their own size before memory is taken. */
#ifndef _GNU_SOURCE
#define _POSIX_C_SOURCE 200809L /* fmemopen */
#endif
#include "npy.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int fail(const char **error, const char *text)
{
    *error = text;
    return 1;
}

size_t npy_count(const npy *a)
{
    size_t n = 1;
    for (int i = 0; i < a->rank; i++)
        n *= a->dim[i];
    return n;
}

void npy_free(npy *a)
{
    free(a->data);
    a->data = NULL;
}

int npy_dtype(const char *name, char *kind, int *bytes)
{
    static const struct {
        const char *name;
        char kind;
        int bytes;
    } rows[] = {
        {"float64", 'f', 8}, {"float32", 'f', 4}, {"float16", 'f', 2}, {"bfloat16", 'V', 2},
        {"int64", 'i', 8},   {"int32", 'i', 4},   {"int16", 'i', 2},   {"int8", 'i', 1},
        {"int4", 'i', 1},    {"int2", 'i', 1},    {"uint64", 'u', 8},  {"uint32", 'u', 4},
        {"uint16", 'u', 2},  {"uint8", 'u', 1},   {"uint4", 'u', 1},   {"uint2", 'u', 1},
        {"bool", 'b', 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!strcmp(rows[i].name, name)) {
            *kind = rows[i].kind;
            *bytes = rows[i].bytes;
            return 0;
        }
    *kind = 'V'; /* 8-bit and 4-bit floats */
    *bytes = 1;
    return strncmp(name, "float", 5) != 0;
}

/* The text after 'key': in the header, or NULL. */
static const char *value_of(const char *head, const char *key)
{
    const char *p = strstr(head, key);
    if (!p)
        return NULL;
    p += strlen(key);
    while (*p == ' ' || *p == ':' || *p == '\'' || *p == '"')
        p++;
    return p;
}

static int parse_descr(const char *p, npy *out, const char **error)
{
    if (*p == '>')
        return fail(error, "big-endian data is not supported; save it little-endian");
    if (*p == '<' || *p == '|' || *p == '=')
        p++;
    if (!*p || !strchr("fiubV", *p))
        return fail(error, "element type is not a number or bool");
    out->kind = *p++;
    out->bytes = atoi(p);
    if (out->bytes != 1 && out->bytes != 2 && out->bytes != 4 && out->bytes != 8)
        return fail(error, "element size is not 1, 2, 4 or 8 bytes");
    return 0;
}

static int parse_shape(const char *p, npy *out, const char **error)
{
    if (*p++ != '(')
        return fail(error, "header has no shape");
    out->rank = 0;
    while (*p && *p != ')') {
        char *end;
        unsigned long long n = strtoull(p, &end, 10);
        if (end == p)
            return fail(error, "header has a bad shape");
        if (out->rank == NPY_MAX_RANK)
            return fail(error, "more than 8 dimensions");
        if (n > SIZE_MAX / 16)
            return fail(error, "a dimension is too large");
        out->dim[out->rank++] = (size_t)n;
        p = end;
        while (*p == ',' || *p == ' ')
            p++;
    }
    return 0;
}

static int parse_header(const char *head, npy *out, const char **error)
{
    const char *descr = value_of(head, "descr"), *order = value_of(head, "fortran_order"),
               *shape = value_of(head, "shape");
    if (!descr || !order || !shape)
        return fail(error, "header lacks descr, fortran_order or shape");
    if (!strncmp(order, "True", 4))
        return fail(error, "Fortran order is not supported; save with numpy.ascontiguousarray");
    return parse_descr(descr, out, error) || parse_shape(shape, out, error);
}

static int read_body(FILE *f, npy *out, const char **error)
{
    size_t n = (size_t)out->bytes;
    for (int i = 0; i < out->rank; i++) {
        if (out->dim[i] && n > SIZE_MAX / 2 / out->dim[i])
            return fail(error, "the shape is too large");
        n *= out->dim[i];
    }
    long at = ftell(f);
    if (fseek(f, 0, SEEK_END) || at < 0 || ftell(f) < at || (size_t)(ftell(f) - at) < n)
        return fail(error, "the file is shorter than its shape says");
    if (fseek(f, at, SEEK_SET))
        return fail(error, "cannot seek");
    out->data = malloc(n ? n : 1);
    if (!out->data)
        return fail(error, "out of memory");
    if (fread(out->data, 1, n, f) != n) {
        npy_free(out);
        return fail(error, "cannot read the data");
    }
    return 0;
}

static int read_open(FILE *f, npy *out, const char **error)
{
    unsigned char pre[12];
    if (fread(pre, 1, 10, f) != 10 || memcmp(pre, "\x93NUMPY", 6))
        return fail(error, "not an .npy file");
    size_t len = pre[8] + 256u * pre[9];
    if (pre[6] > 1) {
        if (fread(pre + 10, 1, 2, f) != 2)
            return fail(error, "not an .npy file");
        len += 65536u * pre[10] + 16777216u * pre[11];
    }
    if (len > 65536)
        return fail(error, "the header is too long");
    char *head = calloc(len + 1, 1);
    if (!head)
        return fail(error, "out of memory");
    int bad = fread(head, 1, len, f) != len ? fail(error, "the header is cut short")
                                            : parse_header(head, out, error);
    free(head);
    return bad || read_body(f, out, error);
}

int npy_read(const char *path, npy *out, const char **error)
{
    memset(out, 0, sizeof *out);
    FILE *f = fopen(path, "rb");
    if (!f)
        return fail(error, "cannot open the file");
    int bad = read_open(f, out, error);
    fclose(f);
    return bad;
}

int npy_read_memory(const void *bytes, size_t n, npy *out, const char **error)
{
    memset(out, 0, sizeof *out);
    FILE *f = n ? fmemopen((void *)(uintptr_t)bytes, n, "rb") : NULL;
    if (!f)
        return fail(error, "not an .npy file");
    int bad = read_open(f, out, error);
    fclose(f);
    return bad;
}

size_t npy_preamble(const npy *in, char out[NPY_PREAMBLE])
{
    char *head = out + 10;
    size_t room = NPY_PREAMBLE - 10;
    int n = snprintf(head, room, "{'descr': '%c%c%d', 'fortran_order': False, 'shape': (",
                     in->bytes > 1 ? '<' : '|', in->kind, in->bytes);
    for (int i = 0; i < in->rank; i++)
        n += snprintf(head + n, room - (size_t)n, "%zu%s", in->dim[i],
                      in->rank == 1 || i + 1 < in->rank ? ", " : "");
    n += snprintf(head + n, room - (size_t)n, "), }");
    while ((n + 11) % 64)
        head[n++] = ' ';
    head[n++] = '\n';
    memcpy(out, "\x93NUMPY\1\0", 8); /* version 1.0 */
    out[8] = (char)(n & 255);
    out[9] = (char)(n >> 8);
    return (size_t)n + 10;
}

int npy_write(const char *path, const npy *in, const char **error)
{
    char head[NPY_PREAMBLE];
    size_t n = npy_preamble(in, head);
    FILE *f = fopen(path, "wb");
    if (!f)
        return fail(error, "cannot create the file");
    size_t bytes = npy_count(in) * (size_t)in->bytes;
    int ok = fwrite(head, 1, n, f) == n && fwrite(in->data, 1, bytes, f) == bytes;
    if (fclose(f) || !ok) {
        struct stat st;
        if (!stat(path, &st) && S_ISREG(st.st_mode)) /* never a device */
            remove(path);
        return fail(error, "cannot write the file");
    }
    return 0;
}
