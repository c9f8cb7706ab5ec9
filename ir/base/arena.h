/* ir/base/arena.h - all memory of one compilation: allocate, never free, drop everything at the end.
 *
 * When the system has no memory left the arena jumps to the recovery point set with nnc_arena_recover,
 * so no caller checks for NULL.  Foreign handles (mapped files, protobuf trees) are tied to the arena
 * with nnc_arena_defer and released in reverse order. */
#ifndef NNC_IR_BASE_ARENA_H
#define NNC_IR_BASE_ARENA_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct nnc_arena nnc_arena;

nnc_arena *nnc_arena_new(void);
void nnc_arena_free(nnc_arena *a);
/* Zeroed memory, aligned to 16 bytes.  Never NULL; size 0 gives a valid pointer. */
void *nnc_arena_alloc(nnc_arena *a, size_t size);
/* Memory for `n` things of `size` bytes; a product that overflows counts as out of memory. */
void *nnc_arena_array(nnc_arena *a, size_t n, size_t size);
/* A copy of `size` bytes / of a string / of formatted text, ended by a NUL. */
void *nnc_arena_copy(nnc_arena *a, const void *p, size_t size);
char *nnc_arena_str(nnc_arena *a, const char *s);
char *nnc_arena_printf(nnc_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *nnc_arena_vprintf(nnc_arena *a, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
/* Call fn(ptr) when the arena is freed. */
void nnc_arena_defer(nnc_arena *a, void (*fn)(void *), void *ptr);
/* Where to go when memory runs out.  Without a point the process ends with a message. */
void nnc_arena_recover(nnc_arena *a, jmp_buf *where);
/* Everything allocated after the mark is dropped (deferred calls stay). */
typedef struct nnc_arena_mark {
    void *chunk;
    size_t used;
} nnc_arena_mark;
nnc_arena_mark nnc_arena_save(nnc_arena *a);
void nnc_arena_restore(nnc_arena *a, nnc_arena_mark mark);
/* Bytes handed out so far. */
size_t nnc_arena_used(const nnc_arena *a);

/* Growable arrays in an arena.  NNC_BUF(int) x = {0}; NNC_PUSH(a, &x, 5); x.at[0]; x.n. */
#define NNC_BUF(T)       \
    struct {             \
        T *at;           \
        uint32_t n, cap; \
    }
#define NNC_PUSH(a, b, ...)                                                                     \
    ((void)((b)->n == (b)->cap                                                                  \
                ? nnc_buf_grow((a), (void **)&(b)->at, &(b)->cap, (b)->n + 1u, sizeof *(b)->at) \
                : (void)0),                                                                     \
     (b)->at[(b)->n++] = __VA_ARGS__)
/* Room for n elements in all; new ones are zero. */
#define NNC_RESERVE(a, b, want)                                                                   \
    ((b)->cap < (want) ? nnc_buf_grow((a), (void **)&(b)->at, &(b)->cap, (want), sizeof *(b)->at) \
                       : (void)0)
void nnc_buf_grow(nnc_arena *a, void **at, uint32_t *cap, uint32_t want, size_t elem);
#endif
