/* passes/autodiff/ad.h - inside the pass: the state of one derivative, and what the rules share. */
#ifndef NNC_PASSES_AUTODIFF_AD_H
#define NNC_PASSES_AUTODIFF_AD_H
#include "ir/build.h"

/* uint32 -> uint32, open addressing; 0 is no key, and no value. */
typedef struct nnc_ad_map {
    uint32_t *key, *val, n, cap;
} nnc_ad_map;
uint32_t nnc_ad_map_get(const nnc_ad_map *t, uint32_t key);
void nnc_ad_map_put(nnc_arena *a, nnc_ad_map *t, uint32_t key, uint32_t val);

typedef struct nnc_ad {
    nnc_module *m;
    nnc_arena *a;      /* as long as the pass runs on this graph */
    nnc_builder b;     /* where derivatives go */
    nnc_ad_map active; /* values between the leaves and the results */
    nnc_ad_map d;    /* by value: its cotangent (reverse) or tangent (forward); absent means zero */
    nnc_ad_map seed; /* forward: tangents of the leaves, added to what reaches them */
    nnc_op at;       /* the op that is replaced */
} nnc_ad;

typedef nnc_status nnc_ad_rule(nnc_ad *x, nnc_op op);

/* ---- what is active (active.c) ---- */
/* Fill x->active: what depends on the leaves, before x->at, and leads to one of the ys.  False when no y depends on any
 * leaf. */
bool nnc_ad_mark(nnc_ad *x, unsigned nleaf, const nnc_value *leaf, unsigned ny, const nnc_value *y);
static inline bool nnc_ad_active(const nnc_ad *x, nnc_value v)
{
    return nnc_ad_map_get(&x->active, v.id) != 0;
}
/* Active values that regions of `op` use and do not define. */
typedef NNC_BUF(nnc_value) nnc_ad_values;
void nnc_ad_captures(nnc_ad *x, nnc_op op, nnc_ad_values *out);
/* Is any result of op active? */
bool nnc_ad_op_active(const nnc_ad *x, nnc_op op);
/* Calls fn for all operations of a block and of the regions in it, in order. */
void nnc_ad_each_op(nnc_module *m, nnc_block b, void (*fn)(void *user, nnc_op op), void *user);

/* ---- derivatives of values (emit.c) ---- */
static inline nnc_value nnc_ad_get(const nnc_ad *x, nnc_value v)
{
    return (nnc_value){nnc_ad_map_get(&x->d, v.id)};
}
void nnc_ad_set(nnc_ad *x, nnc_value v, nnc_value d); /* none: zero */
/* Add g to v's cotangent, summed over what v was broadcast along; nothing when v is not active. */
void nnc_ad_add(nnc_ad *x, nnc_value v, nnc_value g);
/* v's cotangent so far, or zeros: for ops that write into it and end with nnc_ad_set. */
nnc_value nnc_ad_base(nnc_ad *x, nnc_value v);
/* v's tangent or zeros. */
nnc_value nnc_ad_full(nnc_ad *x, nnc_value v);

nnc_value nnc_ad_like(nnc_ad *x, nnc_value v, double c); /* rank 0, dtype of v */
nnc_value nnc_ad_zeros(nnc_ad *x, nnc_type t);
nnc_value nnc_ad_op1(nnc_ad *x, nnc_opcode code, nnc_value a);
nnc_value nnc_ad_op2(nnc_ad *x, nnc_opcode code, nnc_value a, nnc_value b);
/* Reshape or broadcast to the shape of a type. */
nnc_value nnc_ad_reshape(nnc_ad *x, nnc_value v, const nnc_type_rec *like);
nnc_value nnc_ad_broadcast(nnc_ad *x, nnc_value v, const nnc_type_rec *like);
nnc_value nnc_ad_sum(nnc_ad *x, nnc_value v, unsigned n, const int64_t *axes, bool keep);
/* g summed over the dims along which a value of type `to` was broadcast, or broadcast when it is smaller. */
nnc_value nnc_ad_unbroadcast(nnc_ad *x, nnc_value g, nnc_type to);
/* step - 1 zeros between the elements along axis d; rank below the limit. */
nnc_value nnc_ad_dilate(nnc_ad *x, nnc_value g, int d, int64_t step);
static inline nnc_type_rec nnc_ad_ty(const nnc_ad *x, nnc_value v)
{
    return *nnc_value_ty(x->m, v);
}
static inline bool nnc_ad_is_float(const nnc_ad *x, nnc_value v)
{
    return nnc_dtype_is_float((nnc_dtype)nnc_value_ty(x->m, v)->dtype);
}
/* An error at the op, with a note that names the derivative. */
nnc_status nnc_ad_error(nnc_ad *x, nnc_op op, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- walking (rules.c) ---- */
/* Adjoints of the active ops of a block, from `last` back to the first. */
nnc_status nnc_ad_reverse(nnc_ad *x, nnc_op last);
/* Tangents of the active ops of a block, from the first to the one before `end` (none: all but the terminator). */
nnc_status nnc_ad_forward(nnc_ad *x, nnc_block b, nnc_op end);
/* Does column `d` of ops.def lead to a rule for this opcode?  For tests. */
bool nnc_ad_has_rule(nnc_opcode code);

/* ---- rules: <name>_vjp gives its operands their cotangents, <name>_jvp its results their tangents ---- */
nnc_ad_rule nnc_ad_formula_vjp, nnc_ad_formula_jvp; /* class E, and L where d is a formula */
/* Counts the partials of a text and says whether it is well-formed. */
bool nnc_ad_formula_check(const char *text, unsigned *n);
nnc_ad_rule nnc_ad_linear_jvp; /* the op itself, on tangents */
nnc_ad_rule nnc_ad_cast_vjp, nnc_ad_reshape_vjp, nnc_ad_transpose_vjp, nnc_ad_broadcast_vjp,
    nnc_ad_slice_vjp, nnc_ad_prefix_vjp, nnc_ad_pad_vjp, nnc_ad_concat_vjp, nnc_ad_select_vjp,
    nnc_ad_select_jvp;
nnc_ad_rule nnc_ad_gather_vjp, nnc_ad_gather_elements_vjp, nnc_ad_gather_nd_vjp, nnc_ad_scatter_vjp,
    nnc_ad_scatter_jvp, nnc_ad_dynamic_slice_vjp, nnc_ad_dynamic_update_slice_vjp, nnc_ad_sort_vjp,
    nnc_ad_sort_jvp, nnc_ad_topk_vjp, nnc_ad_topk_jvp, nnc_ad_compact_vjp, nnc_ad_compact_jvp;
nnc_ad_rule nnc_ad_reduce_vjp, nnc_ad_reduce_jvp, nnc_ad_cumulate_vjp, nnc_ad_cumulate_jvp,
    nnc_ad_window_vjp, nnc_ad_window_jvp;
nnc_ad_rule nnc_ad_dot_vjp, nnc_ad_conv_vjp, nnc_ad_product_jvp;
nnc_ad_rule nnc_ad_composite_vjp, nnc_ad_composite_jvp;
nnc_ad_rule nnc_ad_if_vjp, nnc_ad_if_jvp, nnc_ad_scan_vjp, nnc_ad_scan_jvp, nnc_ad_while_vjp,
    nnc_ad_while_jvp, nnc_ad_custom_vjp, nnc_ad_custom_jvp;

/* ---- control flow ---- */
/* Replace a grad, vjp or jvp by what it computes; result[] gets the values. */
nnc_status nnc_ad_expand(nnc_module *m, nnc_arena *a, nnc_op op, nnc_value *result);
/* Loops that reverse mode wants in another form: `while` as scan, [checkpoint] as nested scans.  Sets *changed. */
nnc_status nnc_ad_prepare(nnc_ad *x, bool *changed);
/* leaf, stop_grad and custom_grad give way to what they compute. */
void nnc_ad_dissolve(nnc_module *m, nnc_arena *a, nnc_block b);

/* ---- regions of adjoints (tape.c) ----
 * An adjoint region begins with a copy of the region it belongs to (the primal), up to a yield that is the boundary; adjoints
 * follow.  What they need of the primal is computed again in place, or saved by the forward op. */
typedef struct nnc_ad_map_of {
    nnc_value *to; /* by old value id */
    uint32_t n;
} nnc_ad_map_of;
nnc_ad_map_of nnc_ad_new_map(nnc_ad *x);
static inline nnc_value nnc_ad_mapped(const nnc_ad_map_of *t, nnc_value v)
{
    return v.id < t->n && t->to[v.id].id ? t->to[v.id] : v;
}
/* Arguments of `to` named in the map stand for those of `from`; active values have active copies. */
nnc_op nnc_ad_copy_region(nnc_ad *x, nnc_block from, nnc_block to, nnc_ad_map_of *map);
/* Ops of `from` up to and with `boundary` copied to the end of `to`. */
void nnc_ad_copy_primal(nnc_ad *x, nnc_block from, nnc_op boundary, nnc_block to,
                        nnc_ad_map_of *map);
/* Pure ops nobody reads, and checks (the forward op has them), leave the block. */
void nnc_ad_sweep(nnc_ad *x, nnc_block b);
/* Primal values (results of ops up to `last`) that adjoints behind need and that the forward op should save. */
void nnc_ad_choose_saved(nnc_ad *x, nnc_block b, nnc_op last, nnc_ad_values *out);
#endif
