/* Files in memory.  Plain files are mapped and stay so until the arena ends; gzip's are unpacked into memory of their own. */
#include "frontend/nn/data/data.h"
#include "runtime/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

typedef struct mapping {
    const void *at;
    size_t n;
} mapping;

static void unmap(void *p)
{
    mapping *m = p;
    nnp_file_unmap(m->at, m->n);
}

nnc_status nn_bytes_fail(const nn_reader *r, const nn_bytes *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = nnc_arena_vprintf(r->arena, fmt, ap);
    va_end(ap);
    nnc_error(r->diag, nnc_loc_file(r->diag, b->path), "%s", text);
    nnc_note(r->diag, r->call, "read here");
    return NNC_ERR;
}

nnc_status nn_bytes_fail_at(const nn_reader *r, const nn_bytes *b, size_t at, const char *fmt, ...)
{
    enum { SHOWN = 100 }; /* of a line, around the place */
    va_list ap;
    va_start(ap, fmt);
    const char *text = nnc_arena_vprintf(r->arena, fmt, ap);
    va_end(ap);
    at = at < b->n ? at : b->n;
    size_t line = 1, start = 0;
    for (size_t i = 0; i < at; i++)
        if (b->at[i] == '\n') {
            line++;
            start = i + 1;
        }
    size_t end = at;
    while (end < b->n && b->at[end] != '\n' && b->at[end])
        end++;
    if (b->n < UINT32_MAX && end - start <= SHOWN) {
        nnc_source s = nnc_diag_source(r->diag, b->path, (const char *)b->at, b->n);
        nnc_error(r->diag, nnc_loc_text(r->diag, s, (uint32_t)at, (uint32_t)at + 1), "%s", text);
    } else { /* a long line would fill the screen */
        const char *place = nnc_arena_printf(r->arena, "%s:%zu:%zu", b->path, line, at - start + 1);
        nnc_error(r->diag, nnc_loc_file(r->diag, place), "%s", text);
    }
    nnc_note(r->diag, r->call, "read here");
    return NNC_ERR;
}

typedef struct unpacked {
    unsigned char *at;
    size_t n, room;
} unpacked;

static int inflate_all(const nn_bytes *b, unpacked *u)
{
    z_stream z = {0};
    size_t left = b->n;
    int code = inflateInit2(&z, 15 + 16);
    z.next_in = (unsigned char *)(uintptr_t)b->at;
    while (code == Z_OK || code == Z_BUF_ERROR) {
        if (u->n == u->room) {
            size_t room = u->room ? 2 * u->room : 65536 + 4 * b->n;
            unsigned char *more = realloc(u->at, room);
            if (!more) {
                code = Z_MEM_ERROR;
                break;
            }
            u->at = more;
            u->room = room;
        }
        uInt in = left > 1u << 30 ? 1u << 30 : (uInt)left;
        size_t space = u->room - u->n;
        uInt out = space > 1u << 30 ? 1u << 30 : (uInt)space;
        z.avail_in = in;
        z.next_out = u->at + u->n;
        z.avail_out = out;
        code = inflate(&z, Z_NO_FLUSH);
        left -= in - z.avail_in;
        u->n += out - z.avail_out;
        if (code == Z_STREAM_END && left >= 2 && z.next_in[0] == 0x1f && z.next_in[1] == 0x8b)
            code = inflateReset(&z); /* files may be joined */
        else if (code == Z_BUF_ERROR && !left)
            code = Z_DATA_ERROR;
    }
    inflateEnd(&z);
    return code;
}

nnc_status nn_bytes_unpack(const nn_reader *r, nn_bytes *b)
{
    if (b->n < 2 || b->at[0] != 0x1f || b->at[1] != 0x8b)
        return NNC_OK;
    unpacked u = {0};
    int code = inflate_all(b, &u);
    if (u.at)
        nnc_arena_defer(r->arena, free, u.at);
    if (code == Z_MEM_ERROR)
        return nn_bytes_fail(r, b, "not enough memory to unpack this file");
    if (code != Z_STREAM_END)
        return nn_bytes_fail(r, b, "the gzip file is damaged or cut short after %zu unpacked bytes",
                             u.n);
    b->at = u.at;
    b->n = u.n;
    return NNC_OK;
}

nnc_status nn_bytes_read(const nn_reader *r, const char *path, nn_bytes *out)
{
    const char *full =
        *path == '/' ? path : nnc_arena_printf(r->arena, "%s%s", r->dir ? r->dir : "", path);
    mapping *m = nnc_arena_alloc(r->arena, sizeof *m);
    int code = nnp_file_map(full, &m->at, &m->n);
    if (code)
        return nnc_error(r->diag, r->call, "%s cannot be read: %s", full, strerror(code));
    nnc_arena_defer(r->arena, unmap, m);
    *out = (nn_bytes){full, m->at ? m->at : (const void *)"", m->n};
    return nn_bytes_unpack(r, out);
}

#define READER(name, parse)                                             \
    nnc_status name(const nn_reader *r, const char *path, nn_data *out) \
    {                                                                   \
        nn_bytes b;                                                     \
        NNC_TRY(nn_bytes_read(r, path, &b));                            \
        return parse(r, &b, out);                                       \
    }
READER(nn_read_idx, nn_idx_parse)
READER(nn_read_npy, nn_npy_parse)
READER(nn_read_npz, nn_npz_parse)
READER(nn_read_safetensors, nn_safetensors_parse)
READER(nn_read_json, nn_json_parse)

nnc_status nn_read_table(const nn_reader *r, const char *path, const nn_table_options *o,
                         nn_data *out)
{
    nn_bytes b;
    NNC_TRY(nn_bytes_read(r, path, &b));
    return nn_table_parse(r, &b, o, out);
}

nnc_status nn_read_lines(const nn_reader *r, const char *path, const char *skip, nn_data *out)
{
    nn_bytes b;
    NNC_TRY(nn_bytes_read(r, path, &b));
    return nn_lines_parse(r, &b, skip, out);
}

nnc_status nn_read_bytes(const nn_reader *r, const char *path, nn_data *out)
{
    nn_bytes b;
    NNC_TRY(nn_bytes_read(r, path, &b));
    int64_t n = (int64_t)b.n;
    *out = (nn_data){.kind = NN_DATA_tensor, .tensor = nnc_tensor_new(r->arena, NNC_DT_u8, 1, &n)};
    memcpy(out->tensor.data, b.at, b.n);
    return NNC_OK;
}
