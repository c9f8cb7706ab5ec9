/* ir/base/intern.h - one id per distinct string.  Ids are dense and start at 1. */
#ifndef NNC_IR_BASE_INTERN_H
#define NNC_IR_BASE_INTERN_H
#include "ir/base/arena.h"

typedef struct {
    uint32_t id;
} nnc_sym; /* 0 means "no name" */
typedef struct nnc_intern nnc_intern;

/* The bytes are copied into `a`; the id stays valid as long as the arena does. */
nnc_intern *nnc_intern_new(nnc_arena *a);
nnc_sym nnc_intern_put(nnc_intern *t, const char *s, size_t len);
/* The string of an id; "" for 0. */
const char *nnc_intern_str(const nnc_intern *t, nnc_sym sym);
/* The newest id. */
uint32_t nnc_intern_count(const nnc_intern *t);

/* A hash of bytes (FNV-1a with a final mix); `seed` chains calls. */
uint64_t nnc_hash(const void *p, size_t n, uint64_t seed);
#endif
