/* passes/batch/lanes.h - inside batch/: the rewriting of a body with lanes.
 *
 * Old values map to new ones.  A new value either has the lanes as its first axis ("batched") or does not depend on
 * the lane and has the old type.  Rows get the old op and make the new one at x->b; false: this op has no batched form
 * (x->why says why), and everything made so far is thrown away. */
#ifndef NNC_PASSES_LANES_H
#define NNC_PASSES_LANES_H
#include "ir/build.h"

typedef struct nnc_lanes {
    nnc_module *m;
    nnc_arena *a; /* for the time of the rewriting */
    nnc_builder b;
    nnc_builder once; /* where ops go that need no lanes, outside of all loops that lanes run in */
    nnc_block top;    /* the block of b where that is so */
    nnc_dim n;        /* lanes */
    nnc_value *map;   /* by old value id */
    bool *batched;    /* by old value id */
    uint32_t nmap;
    bool gradients; /* derivatives will be taken of the result */
    const char *why;
} nnc_lanes;

typedef struct nnc_lane_value {
    nnc_value v;
    bool batched;
} nnc_lane_value;

/* ---- lanes.c ---- */
/* Put a batched copy of `scan`'s body at x->b for the lanes first .. first + x->n - 1 (first: i64[], none: 0); xs[i] are
 * the slices of all lanes, [n, ..]; ys[i] gets [n, ..].  What all lanes share is made at x->once.  false: there is no
 * batched form (x->why); the ops made so far are left to the caller. */
bool nnc_lanes_run(nnc_lanes *x, nnc_op scan, nnc_value first, const nnc_value *xs, nnc_value *ys);

nnc_lane_value nnc_lane_get(const nnc_lanes *x, nnc_value old);
static inline nnc_lane_value nnc_lane_in(const nnc_lanes *x, nnc_op op, unsigned i)
{
    return nnc_lane_get(x, nnc_op_in(x->m, op, i));
}
void nnc_lane_set(nnc_lanes *x, nnc_value old, nnc_value v, bool batched);
static inline bool nnc_lane_done(nnc_lanes *x, nnc_op op, nnc_value v)
{
    nnc_lane_set(x, nnc_op_out(x->m, op, 0), v, true);
    return true;
}
bool nnc_lane_fail(nnc_lanes *x, const char *why);
/* With a lane axis, broadcast when it has none. */
nnc_value nnc_lane_full(nnc_lanes *x, nnc_lane_value v);
/* Operand i, full. */
nnc_value nnc_lane_in_full(nnc_lanes *x, nnc_op op, unsigned i);
/* Batched [n, d..] with ones behind the lanes, so that it broadcasts like a value of rank `rank` does per lane; the last
 * `tail` axes do not count. */
nnc_value nnc_lane_align(nnc_lanes *x, nnc_lane_value v, int rank, int tail);
/* Axis `from` moves to position `to`. */
nnc_value nnc_lane_move(nnc_lanes *x, nnc_value v, int from, int to);
/* i64 0 .. n-1 */
nnc_value nnc_lane_iota(nnc_lanes *x);
/* The ops of a block, its terminator excepted. */
bool nnc_lane_block(nnc_lanes *x, nnc_block b);
/* Does an op of the block, or of a region in it, read a value that depends on the lane? */
bool nnc_lane_reads(const nnc_lanes *x, nnc_block b);
/* The same op with other operands and all attributes; nnc_lane_finish types it.  guess: the result type (exact for
 * `given` ops). */
nnc_op nnc_lane_op(nnc_lanes *x, nnc_op like, unsigned nin, const nnc_value *in, nnc_type guess);
nnc_value nnc_lane_finish(nnc_lanes *x, nnc_op op);
/* [n] before the dims of a type. */
nnc_type nnc_lane_type(nnc_lanes *x, nnc_type t);

/* ---- rows ---- */
bool nnc_lane_elementwise(nnc_lanes *x, nnc_op op);
bool nnc_lane_views(nnc_lanes *x, nnc_op op);    /* moves.c */
bool nnc_lane_gathers(nnc_lanes *x, nnc_op op);  /* index.c */
bool nnc_lane_windows(nnc_lanes *x, nnc_op op);  /* index.c: dynamic slices */
bool nnc_lane_axis(nnc_lanes *x, nnc_op op);     /* reduce.c: ops along axes */
bool nnc_lane_compact(nnc_lanes *x, nnc_op op);  /* reduce.c */
bool nnc_lane_quantize(nnc_lanes *x, nnc_op op); /* reduce.c */
bool nnc_lane_keys(nnc_lanes *x, nnc_op op);     /* reduce.c */
bool nnc_lane_dot(nnc_lanes *x, nnc_op op);      /* contract.c */
bool nnc_lane_conv(nnc_lanes *x, nnc_op op);     /* contract.c */
bool nnc_lane_if(nnc_lanes *x, nnc_op op);       /* flow.c */
bool nnc_lane_scan(nnc_lanes *x, nnc_op op);
bool nnc_lane_custom_grad(nnc_lanes *x, nnc_op op);
#endif
