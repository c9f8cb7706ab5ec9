/* The directory at the end of the archive is the truth; local headers are only skipped. */
#include "zip.h"
#include <stdlib.h>
#include <string.h>
#ifdef NNP_ZLIB
#include <zlib.h>
#endif

enum {
    LOCAL = 0x04034b50,
    CENTRAL = 0x02014b50,
    END = 0x06054b50,
    END64 = 0x06064b50,
    LOCATOR64 = 0x07064b50
};
enum { LOCAL_BYTES = 30, CENTRAL_BYTES = 46, END_BYTES = 22, END64_BYTES = 56, LOCATOR_BYTES = 20 };
#define BIG 0xffffffffu /* the size is in the ZIP64 field */

static int fail(const char **error, const char *text)
{
    *error = text;
    return 1;
}

/* Four bits at a time: no table to build, fast enough for files. */
uint32_t nnp_crc32(uint32_t crc, const void *bytes, size_t n)
{
    static const uint32_t nibble[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    const unsigned char *p = bytes;
    crc = ~crc;
    while (n--) {
        crc ^= *p++;
        crc = nibble[crc & 15] ^ crc >> 4;
        crc = nibble[crc & 15] ^ crc >> 4;
    }
    return ~crc;
}

/* ---- writing ---- */

static void put(nnp_text *t, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        nnp_text_char(t, (char)(v >> 8 * i & 255));
}

static uint64_t cut(uint64_t v)
{
    return v < BIG ? v : BIG;
}

void nnp_zip_put(nnp_zip_writer *w, const char *name, const void *bytes, size_t n)
{
    uint32_t crc = nnp_crc32(0, bytes, n);
    size_t len = strlen(name), at = w->file.n;
    int big = n >= BIG || at >= BIG, version = big ? 45 : 20;
    put(&w->file, LOCAL, 4);
    put(&w->file, (uint64_t)version, 2);
    put(&w->file, 0x0800, 2);   /* names are UTF-8 */
    put(&w->file, 0, 2);        /* stored */
    put(&w->file, 0x210000, 4); /* 1980-01-01: the same content gives the same bytes */
    put(&w->file, crc, 4);
    put(&w->file, big ? BIG : n, 4);
    put(&w->file, big ? BIG : n, 4);
    put(&w->file, len, 2);
    put(&w->file, big ? 20 : 0, 2);
    nnp_text_add(&w->file, name);
    if (big) {
        put(&w->file, 1, 2);
        put(&w->file, 16, 2);
        put(&w->file, n, 8);
        put(&w->file, n, 8);
    }
    nnp_text_bytes(&w->file, bytes, n);

    nnp_text *d = &w->directory;
    put(d, CENTRAL, 4);
    put(d, (uint64_t)version, 2);
    put(d, (uint64_t)version, 2);
    put(d, 0x0800, 2);
    put(d, 0, 2);
    put(d, 0x210000, 4);
    put(d, crc, 4);
    put(d, big ? BIG : n, 4);
    put(d, big ? BIG : n, 4);
    put(d, len, 2);
    put(d, big ? 28 : 0, 2);
    put(d, 0, 2); /* comment */
    put(d, 0, 2); /* disk */
    put(d, 0, 2);
    put(d, 0, 4);
    put(d, big ? BIG : at, 4);
    nnp_text_add(d, name);
    if (big) {
        put(d, 1, 2);
        put(d, 24, 2);
        put(d, n, 8);
        put(d, n, 8);
        put(d, at, 8);
    }
    w->count++;
}

void nnp_zip_end(nnp_zip_writer *w)
{
    uint64_t at = w->file.n, size = w->directory.n, count = w->count;
    nnp_text_bytes(&w->file, nnp_text_str(&w->directory), w->directory.n);
    if (at >= BIG || count >= 0xffff) {
        uint64_t here = w->file.n;
        put(&w->file, END64, 4);
        put(&w->file, END64_BYTES - 12, 8);
        put(&w->file, 45, 2);
        put(&w->file, 45, 2);
        put(&w->file, 0, 8);
        put(&w->file, count, 8);
        put(&w->file, count, 8);
        put(&w->file, size, 8);
        put(&w->file, at, 8);
        put(&w->file, LOCATOR64, 4);
        put(&w->file, 0, 4);
        put(&w->file, here, 8);
        put(&w->file, 1, 4);
    }
    put(&w->file, END, 4);
    put(&w->file, 0, 4);
    put(&w->file, count < 0xffff ? count : 0xffff, 2);
    put(&w->file, count < 0xffff ? count : 0xffff, 2);
    put(&w->file, cut(size), 4);
    put(&w->file, cut(at), 4);
    put(&w->file, 0, 2);
}

void nnp_zip_free(nnp_zip_writer *w)
{
    nnp_text_free(&w->file);
    nnp_text_free(&w->directory);
    w->count = 0;
}

/* ---- reading ---- */

static uint64_t get(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

typedef struct directory {
    uint64_t count, at, size;
} directory;

static int find_directory(const unsigned char *p, size_t n, directory *d, const char **error)
{
    if (n < END_BYTES)
        return fail(error, "not a zip archive");
    size_t at = n - END_BYTES, least = at > 65535 ? at - 65535 : 0;
    while (get(p + at, 4) != END) {
        if (at == least)
            return fail(error, "not a zip archive");
        at--;
    }
    *d = (directory){get(p + at + 10, 2), get(p + at + 16, 4), get(p + at + 12, 4)};
    if (at >= LOCATOR_BYTES && get(p + at - LOCATOR_BYTES, 4) == LOCATOR64) {
        uint64_t big = get(p + at - LOCATOR_BYTES + 8, 8);
        if (big > n || n - big < END64_BYTES || get(p + big, 4) != END64)
            return fail(error, "the archive is damaged");
        *d = (directory){get(p + big + 32, 8), get(p + big + 48, 8), get(p + big + 40, 8)};
    }
    if (d->at > n || d->size > n - d->at || d->count > d->size / CENTRAL_BYTES)
        return fail(error, "the archive is damaged");
    return 0;
}

long nnp_zip_count(const void *file, size_t n, const char **error)
{
    directory d;
    return find_directory(file, n, &d, error) ? -1 : (long)d.count;
}

/* Sizes and offset of an entry, which a ZIP64 field may hold in this order, as far as they are BIG. */
static int wide_fields(const unsigned char *extra, size_t n, uint64_t *field[3])
{
    for (size_t i = 0; i + 4 <= n;) {
        uint64_t id = get(extra + i, 2), len = get(extra + i + 2, 2), used = 0;
        if (len > n - i - 4)
            return 1;
        for (int k = 0; k < 3 && id == 1; k++)
            if (*field[k] == BIG) {
                if (used + 8 > len)
                    return 1;
                *field[k] = get(extra + i + 4 + used, 8);
                used += 8;
            }
        i += 4 + len;
    }
    return 0;
}

int nnp_zip_entry_at(const void *file, size_t n, long index, nnp_zip_entry *e, const char **error)
{
    const unsigned char *p = file;
    directory d;
    if (find_directory(p, n, &d, error))
        return 1;
    uint64_t at = d.at, end = d.at + d.size;
    for (long i = 0;; i++) {
        if (end - at < CENTRAL_BYTES || get(p + at, 4) != CENTRAL)
            return fail(error, "the archive is damaged");
        uint64_t name = get(p + at + 28, 2), extra = get(p + at + 30, 2),
                 note = get(p + at + 32, 2);
        uint64_t next = CENTRAL_BYTES + name + extra + note;
        if (next > end - at)
            return fail(error, "the archive is damaged");
        if (i == index) {
            end = at + CENTRAL_BYTES;
            *e = (nnp_zip_entry){.name = (const char *)p + end, .name_len = name};
            break;
        }
        at += next;
    }
    uint64_t packed = get(p + at + 20, 4), bytes = get(p + at + 24, 4), local = get(p + at + 42, 4);
    uint64_t *field[3] = {&bytes, &packed, &local};
    if (wide_fields(p + end + e->name_len, get(p + at + 30, 2), field))
        return fail(error, "the archive is damaged");
    uint64_t method = get(p + at + 10, 2);
    if (get(p + at + 8, 2) & 1)
        return fail(error, "the archive is encrypted");
    if (method != 0 && method != 8)
        return fail(error, "the archive uses a compression other than deflate");
    if (local > n || n - local < LOCAL_BYTES || get(p + local, 4) != LOCAL)
        return fail(error, "the archive is damaged");
    uint64_t body = local + LOCAL_BYTES + get(p + local + 26, 2) + get(p + local + 28, 2);
    if (body > n || packed > n - body || (!method && packed != bytes))
        return fail(error, "the archive is damaged");
    e->packed = p + body;
    e->packed_bytes = (size_t)packed;
    e->bytes = (size_t)bytes;
    e->crc = (uint32_t)get(p + at + 16, 4);
    e->deflated = method == 8;
    return 0;
}

static int inflate_entry(const nnp_zip_entry *e, unsigned char *to, const char **error)
{
#ifdef NNP_ZLIB
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)e->packed, .next_out = to};
    size_t in = e->packed_bytes, out = e->bytes;
    int code = inflateInit2(&z, -15);
    while (code == Z_OK && (in || z.avail_in || out || z.avail_out)) {
        uInt more_in = in > 1u << 30 ? 1u << 30 : (uInt)in;
        uInt more_out = out > 1u << 30 ? 1u << 30 : (uInt)out;
        if (!z.avail_in) {
            z.avail_in = more_in;
            in -= more_in;
        }
        if (!z.avail_out) {
            z.avail_out = more_out;
            out -= more_out;
        }
        code = inflate(&z, Z_NO_FLUSH);
    }
    inflateEnd(&z);
    if (code != Z_STREAM_END || out || z.avail_out)
        return fail(error, "the archive is damaged");
    return 0;
#else
    (void)e;
    (void)to;
    return fail(error, "the archive is compressed and this program has no zlib; save it with "
                       "numpy.savez instead of savez_compressed");
#endif
}

int nnp_zip_read(const nnp_zip_entry *e, void **bytes, const char **error)
{
    if (e->deflated && e->bytes / 1100 > e->packed_bytes) /* deflate packs by 1032 at most */
        return fail(error, "the archive is damaged");
    unsigned char *to = malloc(e->bytes + 1);
    if (!to)
        return fail(error, "out of memory");
    int bad = 0;
    if (e->deflated)
        bad = inflate_entry(e, to, error);
    else
        memcpy(to, e->packed, e->bytes);
    if (!bad && nnp_crc32(0, to, e->bytes) != e->crc)
        bad = fail(error, "the archive is damaged: a checksum differs");
    if (bad) {
        free(to);
        return 1;
    }
    *bytes = to;
    return 0;
}
