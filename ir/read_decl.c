/* The declarations before the ops of a text: bounds of dimensions, and where weights lie.  A side file is mapped, so
 * weights are never copied. */
#include "ir/read_fn.h"
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

nnc_status nnc_read_symbol(nnc_reader *r)
{
    const char *from, *name, *s;
    int64_t lo, hi = INT64_MAX;
    nnc_read_blank(r);
    from = r->p;
    NNC_TRY(nnc_read_name(r, &name, "the name of a dimension"));
    NNC_TRY(nnc_read_expect(r, '=', "behind the name"));
    NNC_TRY(nnc_read_int(r, &lo));
    NNC_TRY(nnc_read_expect(r, '.', "between the bounds: 1..128"));
    NNC_TRY(nnc_read_expect(r, '.', "between the bounds: 1..128"));
    if (r->end - r->p >= 3 && !memcmp(r->p, "inf", 3))
        nnc_read_word(r, &s);
    else
        NNC_TRY(nnc_read_int(r, &hi));
    if (lo > hi)
        return nnc_read_error(r, from, "the lower bound is above the upper one");
    nnc_binding *b = nnc_read_binding(r, nnc_arena_printf(r->a, "$%s", name));
    if (b->has_dim)
        return nnc_read_error(r, from, "dimension '%s' is declared twice", name);
    b->has_dim = true;
    b->dim = nnc_dim_symbol(r->m->dims, nnc_sym_put(r->m, name), lo, hi);
    return NNC_OK;
}

struct mapping {
    void *at;
    size_t bytes;
};

static void unmap(void *p)
{
    struct mapping *m = p;
    munmap(m->at, m->bytes);
}

/* Bytes [at, at + bytes) of a file beside the text; the file's name may not lead elsewhere. */
static nnc_status map_blob(nnc_reader *r, const char *from, const char *name, int64_t at,
                           int64_t bytes, const void **base)
{
    struct stat st;
    if (strchr(name, '/') || !strcmp(name, ".."))
        return nnc_read_error(r, from, "'%s' is not a file beside the text", name);
    int fd = open(nnc_arena_printf(r->a, "%s/%s", r->folder && *r->folder ? r->folder : ".", name),
                  O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        if (fd >= 0)
            close(fd);
        return nnc_read_error(r, from, "the file '%s' cannot be read", name);
    }
    void *p = st.st_size ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    close(fd);
    if (p == MAP_FAILED)
        return nnc_read_error(r, from, "the file '%s' cannot be mapped", name);
    if (p) {
        struct mapping *m = nnc_arena_alloc(r->m->arena, sizeof *m);
        *m = (struct mapping){p, (size_t)st.st_size};
        nnc_arena_defer(r->m->arena, unmap, m);
    }
    if (at > st.st_size || bytes > st.st_size - at)
        return nnc_read_error(r, from, "'%s' has %lld bytes, needs %lld from %lld", name,
                              (long long)st.st_size, (long long)bytes, (long long)at);
    *base = p ? (const char *)p + at : nnc_arena_alloc(r->m->arena, 0);
    return NNC_OK;
}

/* The bytes themselves: "00ff..", two digits each. */
static nnc_status read_hex(nnc_reader *r, int64_t bytes, const void **base)
{
    const char *from = r->p, *s;
    NNC_TRY(nnc_read_quoted(r, &s));
    size_t n = strlen(s);
    if ((uint64_t)bytes * 2 != n || strspn(s, "0123456789abcdef") != n)
        return nnc_read_error(r, from, "expected %lld pairs of hexadecimal digits",
                              (long long)bytes);
    unsigned char *p = nnc_arena_alloc(r->m->arena, (size_t)bytes);
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned)(s[i] <= '9' ? s[i] - '0' : s[i] - 'a' + 10);
        p[i / 2] = (unsigned char)(p[i / 2] << 4 | digit);
    }
    *base = p;
    return NNC_OK;
}

nnc_status nnc_read_blob(nnc_reader *r)
{
    int64_t number, at = 0, bytes;
    const char *from, *name = NULL, *s;
    const void *base = NULL;
    nnc_read_blank(r);
    from = r->p;
    NNC_TRY(nnc_read_int(r, &number));
    if (number != (int64_t)r->blob.n + 1)
        return nnc_read_error(r, from, "blobs are numbered 1, 2, ..: expected %u", r->blob.n + 1);
    NNC_TRY(nnc_read_expect(r, '=', "behind the number"));
    if (nnc_read_peek(r) == '"') {
        NNC_TRY(nnc_read_quoted(r, &name));
        nnc_read_blank(r);
        if (nnc_read_word(r, &s) != 2 || memcmp(s, "at", 2))
            return nnc_read_error(r, s, "expected 'at' and the offset");
        NNC_TRY(nnc_read_int(r, &at));
        NNC_TRY(nnc_read_expect(r, ',', "behind the offset"));
    }
    NNC_TRY(nnc_read_int(r, &bytes));
    nnc_read_blank(r);
    if (nnc_read_word(r, &s) != 5 || memcmp(s, "bytes", 5) || bytes < 0 || at < 0)
        return nnc_read_error(r, from, "expected a number of bytes");
    nnc_loc loc =
        nnc_loc_text(r->m->diag, r->source, (uint32_t)(from - r->base), (uint32_t)(r->p - r->base));
    nnc_blob blob = {0};
    nnc_status status;
    if (name)
        status = map_blob(r, from, name, at, bytes, &base);
    else if (nnc_read_peek(r) == '"')
        status = read_hex(r, bytes, &base);
    else
        status = nnc_read_error(r, from,
                                "the weights of blob %lld are in no file: print with a weights "
                                "file to read the text back",
                                (long long)number);
    if (status == NNC_OK)
        blob = nnc_blob_new(r->m, base, (size_t)bytes, loc);
    NNC_PUSH(r->a, &r->blob, blob);
    return status;
}
