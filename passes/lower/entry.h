/* passes/lower/entry.h - shared by the files that make the entry kernel (entry.c, view.c, flow.c) and by the
 * hand-written kernels (named/): the state of a lowering, and a helper that makes one kernel and its call.
 *
 * Layouts.  A tensor whose only dynamic dimension is the outermost one (dimensions that are 1 do not count) lies in
 * memory the same way in its real sizes and in its bounds; every other dynamic tensor is dense outside (what the
 * caller sees) and strided by bounds inside, and is copied at the border. */
#ifndef NNC_PASSES_LOWER_ENTRY_H
#define NNC_PASSES_LOWER_ENTRY_H
#include "passes/lower/lower.h"

typedef struct nnc_own_lies { /* a G value in the list of its root buffer */
    nnc_value g;              /* 0: a lock */
    uint32_t next;            /* place + 1; 0: the last */
} nnc_own_lies;
typedef struct nnc_own_undo {
    uint32_t root, head;
} nnc_own_undo;

typedef struct nnc_entry {
    nnc_lower x;             /* first, so that a hook's nnc_lower is the whole state */
    nnc_value *target;       /* per G value id: the buffer it should be made in, 0: anywhere */
    nnc_op last_const;       /* weights stand first in the entry kernel, in order of first need */
    nnc_block top;           /* body of the entry kernel */
    uint32_t *stamp, nstamp; /* per G value id: scratch of inplace.c */
    unsigned calls;          /* graphs being lowered inside one another */
    nnc_value *wish; /* per G value id: where it goes if own.c finds that safe when it is made */
    NNC_BUF(nnc_value) outputs;
    NNC_BUF(uint32_t) heads; /* per K buffer id: first of its list in `lies`, + 1 (own.c) */
    NNC_BUF(nnc_own_lies) lies;
    NNC_BUF(nnc_own_undo) undo;
    NNC_BUF(uint32_t) granted; /* G values whose target own.c set */
    bool *pieces; /* per G value id: a concat whose parts are made in place (concat.c) */
} nnc_entry;

static inline nnc_entry *nnc_entry_of(nnc_lower *x)
{
    return (nnc_entry *)x;
}

typedef NNC_BUF(uint32_t) nnc_placed; /* ids of G values that were given a target */

/* ---- entry.c ---- */
/* Is g made by an op of block b that can write its result anywhere, and free to be placed? */
bool nnc_entry_can_place(nnc_lower *x, nnc_block b, nnc_value g);
/* The ops of a G block at x->b, then its yielded values into yields[]; target[i] (may be none) is where value i
 * should be made when that is possible, wish[i] where it goes if nobody reads what is there any more (both NULL: none).
 * The caller copies what did not end up there. */
nnc_status nnc_entry_block(nnc_lower *x, nnc_block b, const nnc_value *target,
                           const nnc_value *wish, nnc_value *yields);
unsigned nnc_entry_nyield(const nnc_module *m, nnc_block b);
/* A buffer type for a tensor type, strided by upper bounds. */
nnc_type nnc_entry_type(nnc_module *m, nnc_type tensor, nnc_space space);
nnc_value nnc_entry_alloc(nnc_lower *x, nnc_type tensor, const char *name);
/* A rank-0 buffer's cell; i64 cells as idx. */
nnc_value nnc_entry_cell(nnc_lower *x, nnc_value buffer);
void nnc_entry_set_cell(nnc_lower *x, nnc_value buffer, nnc_value idx);
/* The index of the symbol that is the whole of `d`, or -1. */
int64_t nnc_entry_symbol(const nnc_dims *t, nnc_dim d);
/* Are all symbols of a type known at x->b?  If not, a diagnostic at `loc`. */
nnc_status nnc_entry_known(nnc_lower *x, nnc_type t, nnc_loc loc);

/* ---- view.c ---- */
/* Is the real-size layout of these dims the same as the layout in their bounds? */
bool nnc_entry_plain(const nnc_dims *t, int rank, const nnc_dim *dim);
/* The buffer behind a chain of views. */
nnc_value nnc_entry_base(const nnc_module *m, nnc_value buffer);
/* Has the buffer no gaps between its elements, whatever its sizes turn out to be? */
bool nnc_entry_real_dense(const nnc_module *m, nnc_value buffer);
/* The same memory as one row of real size (for buffers that are dense in real sizes). */
nnc_value nnc_entry_flat(nnc_lower *x, nnc_value buffer);
/* to = from, element by element; equal dims, any strides. */
void nnc_entry_copy(nnc_lower *x, nnc_value to, nnc_value from);
/* Between a buffer in our layout and the same tensor dense in real sizes (both have the type of ours). */
void nnc_entry_import(nnc_lower *x, nnc_value ours, nnc_value dense);
void nnc_entry_export(nnc_lower *x, nnc_value dense, nnc_value ours);
/* `buffer` seen as a tensor of another shape with the same order of elements, without a copy; 0: impossible. */
nnc_value nnc_entry_reshaped(nnc_lower *x, nnc_value buffer, nnc_type tensor);
/* Row i (idx) of a buffer along its first dimension. */
nnc_value nnc_entry_row(nnc_lower *x, nnc_value buffer, nnc_value i);
/* reshape, transpose, broadcast, slice, prefix */
nnc_status nnc_entry_view(nnc_lower *x, nnc_op op);

/* ---- concat.c ---- */
/* Targets for parts of concats in block b, at its begin. */
void nnc_entry_concats(nnc_lower *x, nnc_block b, nnc_placed *placed);
/* A fused op whose parts were made in place: copies what is left.  false: it is not one. */
bool nnc_entry_assemble(nnc_lower *x, nnc_op fused);

/* ---- inplace.c ---- */
/* After the call of a fused op was made: [inplace] on its kernel, pairs of parameters (result, operand) that may share
 * memory. */
void nnc_entry_in_place(nnc_lower *x, nnc_op fused, nnc_op call);

/* ---- own.c ---- */
/* Before an op is lowered: targets for its results, from wishes and from operands that die here. */
void nnc_own_before(nnc_lower *x, nnc_op op);
/* After: its results are noted.  made: the call of a fused op's kernel. */
void nnc_own_after(nnc_lower *x, nnc_op op, nnc_op made);
/* g has its buffer now (arguments of regions; results are noted by the above). */
void nnc_own_note(nnc_lower *x, nnc_value g);
/* Does a G value lie in this buffer's memory that somebody may still read? */
bool nnc_own_is_read(nnc_lower *x, nnc_value buffer);
/* Nobody may write there until the list is restored: a loop's condition looks at the state that its step gets. */
void nnc_own_lock(nnc_lower *x, nnc_value buffer);
/* Around a region. */
uint32_t nnc_own_save(const nnc_lower *x);
void nnc_own_restore(nnc_lower *x, uint32_t mark);

/* May the result of a pick be a view of its operand: is it read for the last time before anybody may write there? */
bool nnc_own_stays(nnc_lower *x, nnc_op op);

/* ---- pick.c ---- */
/* Rows of an operand at a run-time index (passes/group.h: nnc_is_pick). */
nnc_status nnc_entry_pick(nnc_lower *x, nnc_op op);
/* Element i of an index tensor of rank 0 or 1 as idx, from where it was made when that can be seen. */
nnc_value nnc_entry_index(nnc_lower *x, nnc_value g, int64_t i);
/* min(max(i, 0), most) */
nnc_value nnc_entry_clamp(nnc_lower *x, nnc_value i, nnc_value most);

/* ---- host.c ---- */
void nnc_entry_host(nnc_lower *x, nnc_op op);

/* ---- flow.c: if, while, scan, call ---- */
nnc_status nnc_entry_flow(nnc_lower *x, nnc_op op);
/* to[i] = from[i] for all i at once; changes from[]. */
void nnc_entry_copy_all(nnc_lower *x, unsigned n, const nnc_value *to, nnc_value *from);

/* ---- one kernel and its call (named/kernel.c) ---- */
typedef struct nnc_kb {
    nnc_lower *x;
    nnc_op kernel;
    nnc_builder b;             /* inside the kernel */
    NNC_BUF(nnc_value) actual; /* operands of the call, in the order of the kernel's arguments */
    nnc_value *sym;            /* per symbol: the kernel's argument, 0: not asked for yet */
} nnc_kb;

void nnc_kb_begin(nnc_kb *k, nnc_lower *x, const char *stem, nnc_loc loc);
/* A parameter for a buffer or idx of the entry kernel. */
nnc_value nnc_kb_param(nnc_kb *k, nnc_value actual, const char *name);
/* A dimension inside the kernel; its symbols become parameters. */
nnc_value nnc_kb_dim(nnc_kb *k, nnc_dim d);
/* The call, at x->b. */
void nnc_kb_end(nnc_kb *k);
/* Short forms for loops from 0 with step 1, and idx arithmetic. */
nnc_value nnc_kb_for(nnc_kb *k, nnc_value trips, const char *name);
nnc_value nnc_kb_idx(nnc_kb *k, nnc_opcode code, nnc_value a, nnc_value b);
#endif
