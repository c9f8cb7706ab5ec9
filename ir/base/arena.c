/* Chunks of at least 64 KiB in a list, newest first.  A request that does not fit gets a new chunk; large
 * requests get one of their own.  Growing arrays double, so what they leave behind stays below their size. */
#include "ir/base/arena.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct chunk {
    struct chunk *next;
    size_t cap, used;
};
struct deferred {
    struct deferred *next;
    void (*fn)(void *);
    void *ptr;
};
struct nnc_arena {
    struct chunk *top;
    struct deferred *defers;
    jmp_buf *recover;
    size_t total;
};

enum { CHUNK = 64 * 1024, ALIGN = 16, HEAD = (sizeof(struct chunk) + ALIGN - 1) / ALIGN * ALIGN };

static _Noreturn void out_of_memory(nnc_arena *a)
{
    if (a && a->recover)
        longjmp(*a->recover, 1);
    fputs("nnc: out of memory\n", stderr);
    exit(4);
}

nnc_arena *nnc_arena_new(void)
{
    nnc_arena *a = calloc(1, sizeof *a);
    if (!a)
        out_of_memory(NULL);
    return a;
}

void nnc_arena_free(nnc_arena *a)
{
    if (!a)
        return;
    for (struct deferred *d = a->defers, *next; d; d = next) {
        next = d->next;
        d->fn(d->ptr);
        free(d);
    }
    for (struct chunk *c = a->top, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(a);
}

void *nnc_arena_alloc(nnc_arena *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        out_of_memory(a);
    size = (size + ALIGN - 1) / ALIGN * ALIGN;
    struct chunk *c = a->top;
    if (!c || c->cap - c->used < size) {
        size_t cap = size > CHUNK / 2 ? size : CHUNK;
        c = malloc(HEAD + cap);
        if (!c)
            out_of_memory(a);
        *c = (struct chunk){a->top, cap, 0};
        a->top = c;
    }
    void *p = (char *)c + HEAD + c->used;
    c->used += size;
    a->total += size;
    return memset(p, 0, size);
}

void *nnc_arena_array(nnc_arena *a, size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size)
        out_of_memory(a);
    return nnc_arena_alloc(a, n * size);
}

void *nnc_arena_copy(nnc_arena *a, const void *p, size_t size)
{
    char *q = nnc_arena_alloc(a, size + 1);
    if (size)
        memcpy(q, p, size);
    return q;
}

char *nnc_arena_str(nnc_arena *a, const char *s)
{
    return nnc_arena_copy(a, s, strlen(s));
}

char *nnc_arena_vprintf(nnc_arena *a, const char *fmt, va_list ap)
{
    va_list twice;
    va_copy(twice, ap);
    int n = vsnprintf(NULL, 0, fmt, twice);
    va_end(twice);
    char *s = nnc_arena_alloc(a, (size_t)n + 1);
    vsnprintf(s, (size_t)n + 1, fmt, ap);
    return s;
}

char *nnc_arena_printf(nnc_arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *s = nnc_arena_vprintf(a, fmt, ap);
    va_end(ap);
    return s;
}

void nnc_arena_defer(nnc_arena *a, void (*fn)(void *), void *ptr)
{
    struct deferred *d = malloc(sizeof *d);
    if (!d)
        out_of_memory(a);
    *d = (struct deferred){a->defers, fn, ptr};
    a->defers = d;
}

void nnc_arena_recover(nnc_arena *a, jmp_buf *where)
{
    a->recover = where;
}

nnc_arena_mark nnc_arena_save(nnc_arena *a)
{
    return (nnc_arena_mark){a->top, a->top ? a->top->used : 0};
}

void nnc_arena_restore(nnc_arena *a, nnc_arena_mark mark)
{
    while (a->top && a->top != mark.chunk) {
        struct chunk *c = a->top;
        a->top = c->next;
        free(c);
    }
    if (a->top)
        a->top->used = mark.used;
}

size_t nnc_arena_used(const nnc_arena *a)
{
    return a->total;
}

void nnc_buf_grow(nnc_arena *a, void **at, uint32_t *cap, uint32_t want, size_t elem)
{
    size_t n = *cap ? (size_t)*cap * 2 : 8;
    while (n < want)
        n *= 2;
    if (n > UINT32_MAX)
        out_of_memory(a);
    void *p = nnc_arena_array(a, n, elem);
    if (*cap)
        memcpy(p, *at, *cap * elem);
    *at = p;
    *cap = (uint32_t)n;
}
