/* passes/lower/kernel.h - the inside of the lowering of one fused op; shared by kernel*.c and the schedules.
 *
 * A fused op is seen as stages over named axes.  Shapes of fused ops:
 *   MAP     no reduction; the axes are the dims of the result
 *   CONCAT  the result is a concat; one nest per operand, each writing its part
 *   ROOT    one reduction (dot, conv, reduce, window_*, argreduce) and an elementwise epilogue over its result
 *   ROWS    reductions over the same dims of one shape and elementwise ops over that shape (softmax, layer norm): the
 *           kept dims are outer loops, each reduction and each value worth keeping is a stage
 *
 * An index (nnc_kix) is a linear form over axes plus at most one opaque part, so that views of views stay simple and
 * the schedules can ask "is this load contiguous along c" without making code: with `probe` set nothing is emitted and
 * the questions at the end of the struct are answered instead. */
#ifndef NNC_PASSES_LOWER_KERNEL_H
#define NNC_PASSES_LOWER_KERNEL_H
#include "passes/lower/lower.h"
#include "passes/schedule/plan.h"

enum { NNC_AXES = 18 };
typedef struct nnc_kaxis {
    char name;
    bool red; /* reduced? */
    nnc_dim extent;
    int64_t hi; /* upper bound of the extent */
} nnc_kaxis;

typedef struct nnc_kix {
    int64_t c[NNC_AXES], k; /* sum of c[a] * index of axis a, + k */
    bool opaque;            /* + op, which depends on the axes in dep and lies in lo..hi */
    nnc_value op;
    uint32_t dep;
    int64_t lo, hi;
} nnc_kix;

typedef enum { NNC_SHAPE_MAP, NNC_SHAPE_CONCAT, NNC_SHAPE_ROOT, NNC_SHAPE_ROWS } nnc_fused_shape;
enum { NNC_MODE_MAIN, NNC_MODE_INIT, NNC_MODE_EPILOGUE };

typedef struct
    nnc_kacc { /* accumulators of one root: a buffer per width of the innermost vector loop */
    nnc_value buf[7]; /* widths 1, 2, 4, .. 64; [0] also when there is no vector loop */
    bool want[7];
} nnc_kacc;
typedef struct nnc_kdone { /* a finished stage */
    nnc_value v, full;     /* G value; buffer of the full shape, or */
    nnc_kacc cell;         /* cells indexed by the counters of the inner output loops */
} nnc_kdone;
typedef enum {
    NNC_STAGE_REDUCE,
    NNC_STAGE_CELL /* a value per row */,
    NNC_STAGE_KEEP /* a full value used again */,
    NNC_STAGE_RESULT
} nnc_stage_kind;
typedef struct nnc_kstage {
    nnc_value v, buffer; /* where KEEP and RESULT are stored */
    nnc_stage_kind kind;
    bool row;   /* RESULT: v has one element per row */
    int result; /* RESULT: which; KEEP: the result whose buffer it borrows, -1: scratch */
    const char *name;
} nnc_kstage;
typedef struct nnc_kmemo {
    nnc_value v, k;
    nnc_kix *ix;
} nnc_kmemo;

/* A convolution by Winograd's transforms (kernel_winograd.c); sizes of its output, channels, rows of tiles per strip. */
typedef struct nnc_kwinograd {
    int64_t b, h, w, o, i, rows, lanes, crop[2];
    nnc_value weights; /* the block argument */
    nnc_kix from;      /* its address, over the axes w_axis: y x i o */
    int w_axis[4];
    nnc_value v, p;   /* scratch: transformed inputs, products */
    nnc_value result; /* of the output being stored; 0: none */
} nnc_kwinograd;

typedef struct nnc_kx {
    nnc_module *m;
    nnc_arena *scratch;
    nnc_op fused;
    nnc_block body;
    unsigned nresult;
    nnc_value result[8]; /* G values yielded; of a trailing pad, what it pads: */
    nnc_op pad
        [8]; /* the pad around result i, which offsets its store and whose border is filled; 0: none */
    nnc_fused_shape shape;
    nnc_op root; /* ROOT: the reduction; ROWS: of the current stage; else 0 */
    nnc_kaxis ax[NNC_AXES];
    int nax;
    nnc_kix out[NNC_MAX_RANK]; /* index of the current stage's value in terms of axes */
    int nout;
    nnc_kstage stage[96]; /* ROWS; more than a group has ops */
    unsigned nstage;
    nnc_plan plan; /* complete: every axis ends with step 1 */

    /* emission */
    bool probe, stage_probe;
    nnc_builder b;
    nnc_block kernel;              /* body of the kernel */
    nnc_value *param, *store;      /* buffers: per block argument, per result */
    nnc_value *sym, ext[NNC_AXES]; /* idx values of symbols; run-time extents of dynamic axes */
    nnc_value idx[NNC_AXES];       /* element index so far */
    int64_t cur[NNC_AXES];         /* extent still open; -1: the run-time one */
    int loop_axis[NNC_PLAN_LOOPS];
    nnc_value ctr[NNC_PLAN_LOOPS],
        actr[NNC_PLAN_LOOPS]; /* counters: all pieces continue one; per piece */
    int64_t trips[NNC_PLAN_LOOPS];
    int vlog; /* log2 of the width of the open vector loop */
    int mode, acc_from;
    bool acc_ready, whole_only, staging,
        vred;        /* vred: the open vector loop runs over a reduced axis */
    nnc_kacc acc[2]; /* [1]: indices of argreduce and window_argmax */
    NNC_BUF(nnc_kdone) done;
    NNC_BUF(nnc_kmemo) memo;
    nnc_value keep; /* the G value the current stage computes, 0: the results */
    nnc_value to;   /* and where it is stored */
    nnc_kacc to_cell;
    int part; /* CONCAT: the operand being copied */

    nnc_op
        bias; /* the sum of the integer root and one number per output that its accumulators start from; 0: none */
    /* packed products: bytes of the open cell (0: none is open) and the axis they lie along */
    int cell, cell_axis;
    /* conv: (kernel x, input channel) run as one axis t over this view of the input */
    int t_axis; /* -1: no */
    nnc_value t_view;
    nnc_kwinograd winograd; /* when the plan says so */
    /* packing of the constant operand */
    nnc_value packed_arg, packed; /* block argument (G) and its kernel parameter; 0: none */
    int packed_loop[NNC_PLAN_LOOPS], npacked;

    /* answers of a probe */
    uint32_t novec;   /* axes along which some access is neither contiguous nor constant */
    uint32_t opaque;  /* axes that some address depends on other than linearly */
    uint32_t contig;  /* axes along which some load is contiguous */
    bool scalar_only; /* a dtype or operation that has no vector form */
    unsigned flops, heavy, loads; /* per iteration; heavy: exp and such */
    nnc_value pack_arg; /* set before: note the linear address of loads of this argument here */
    nnc_kix pack_address;
    unsigned pack_loads;
} nnc_kx;

/* Can the region be one kernel at all?  `group` makes only such; text may hold others: a diagnostic says what is wrong. */
nnc_status nnc_kx_check(nnc_module *m, nnc_op fused);
/* Fills shape, results, root and axes; the plan is left empty.  `cx` scratch memory. */
void nnc_kx_init(nnc_kx *x, nnc_module *m, nnc_arena *scratch, nnc_op fused);
/* Axes and output index of the stage whose root is `root` (0: map over the dims of v). */
void nnc_kx_axes(nnc_kx *x, nnc_op root, nnc_value v);
int nnc_kx_axis(const nnc_kx *x, char name); /* -1: none */
/* Reads the plan text and completes it: axes it does not mention become serial loops, output axes outermost, reduction
 * axes before the first mentioned one (or innermost). */
bool nnc_kx_plan(nnc_kx *x, const char *text);
/* Why the completed plan cannot be lowered; NULL: it can. */
const char *nnc_kx_plan_fault(nnc_kx *x);
/* Are the operands of the contraction u8 by i8 and read in place?  *adjacent: the u8 ones side by side along the axis. */
bool nnc_kx_bytes(nnc_kx *x, int axis, bool *adjacent);
/* Answers the probe questions for the body of the kernel with the axes as they are. */
void nnc_kx_probe(nnc_kx *x);

/* Indices (kernel_index.c) */
nnc_kix nnc_kix_const(int64_t k);
nnc_kix nnc_kix_axis(const nnc_kx *x, int a);
nnc_kix nnc_kix_add(nnc_kx *x, const nnc_kix *a, const nnc_kix *b);
nnc_kix nnc_kix_addk(nnc_kix a, int64_t k);
nnc_kix nnc_kix_mul(nnc_kx *x, const nnc_kix *a, int64_t k);
nnc_kix nnc_kix_add_dim(nnc_kx *x, const nnc_kix *a, nnc_dim d);
nnc_kix nnc_kix_sub_dim(nnc_kx *x, const nnc_kix *a, nnc_dim d);
nnc_kix nnc_kix_mul_dim(nnc_kx *x, const nnc_kix *a, nnc_dim d);
nnc_kix nnc_kix_div(nnc_kx *x, const nnc_kix *a, nnc_dim d); /* a >= 0 */
nnc_kix nnc_kix_mod(nnc_kx *x, const nnc_kix *a,
                    nnc_dim d); /* floor modulus: also for negative a */
nnc_kix nnc_kix_clamp(nnc_kx *x, const nnc_kix *a, nnc_dim n); /* to 0 .. n - 1 */
nnc_kix nnc_kix_opaque(nnc_kx *x, nnc_value v, uint32_t dep, int64_t lo, int64_t hi);
uint32_t nnc_kix_dep(const nnc_kix *a);
void nnc_kix_range(const nnc_kx *x, const nnc_kix *a, int64_t *lo, int64_t *hi);
bool nnc_kix_equal(const nnc_kix *a, const nnc_kix *b);
nnc_value nnc_kix_value(nnc_kx *x, const nnc_kix *a);
/* a >= 0 && a < n as a K bool; *always: it holds whatever the axes are. */
nnc_value nnc_kix_inside(nnc_kx *x, const nnc_kix *a, nnc_dim n, bool *always);
nnc_value nnc_kx_dim(nnc_kx *x, nnc_dim d); /* idx value in the kernel */

/* Values (kernel_value.c).  The K value is of the compute type of v's dtype: f32 for smaller floats, i32/u32 for
 * sub-byte integers, the dtype itself otherwise. */
nnc_dtype nnc_compute_dtype(nnc_dtype dt);
nnc_value nnc_kx_value(nnc_kx *x, nnc_value v, const nnc_kix *ix);
nnc_value nnc_kx_load(nnc_kx *x, nnc_value buf, unsigned n, const nnc_kix *ix);
/* Up to four bytes along the open cell's axis, the rest zero. */
nnc_value nnc_kx_load_cell(nnc_kx *x, nnc_value buf, unsigned n, const nnc_kix *ix);
void nnc_kx_store(nnc_kx *x, nnc_value v, nnc_dtype dt, nnc_value buf, unsigned n,
                  const nnc_kix *ix);
void nnc_kx_note_store(nnc_kx *x, nnc_value v, const nnc_kix *ix); /* in a probe */
/* K builders that do nothing in a probe; b's dtype is that of a. */
nnc_value nnc_kx_un(nnc_kx *x, nnc_opcode code, nnc_value a);
nnc_value nnc_kx_bin(nnc_kx *x, nnc_opcode code, nnc_value a, nnc_value b);
nnc_value nnc_kx_select(nnc_kx *x, nnc_value c, nnc_value a, nnc_value b);
nnc_value nnc_kx_cast(nnc_kx *x, nnc_value a, nnc_dtype dt);
nnc_value nnc_kx_number(nnc_kx *x, nnc_dtype dt, double v);
nnc_value nnc_kx_limit(nnc_kx *x, nnc_dtype dt,
                       bool lowest); /* -inf / inf or the dtype's own, in its compute type */

/* Reductions (kernel_root.c) */
bool nnc_kx_is_root(const nnc_module *m, nnc_op op);
void nnc_kx_root_axes(nnc_kx *x); /* of x->root */
nnc_dtype nnc_kx_acc_dtype(const nnc_kx *x, int which);
int nnc_kx_nacc(const nnc_kx *x);
nnc_opcode nnc_kx_combine(const nnc_kx *x); /* add, max, .. */
void nnc_kx_root_init(nnc_kx *x);
/* Finds `bias`; after the plan is known. */
void nnc_kx_find_bias(nnc_kx *x);
void nnc_kx_root_update(nnc_kx *x);
nnc_value nnc_kx_root_value(
    nnc_kx *x); /* of the accumulator in an epilogue, rounded to the root's dtype */

/* Loops (kernel_loops.c): emit the nest of the current stage at x->b. */
void nnc_kx_nest(nnc_kx *x);
void nnc_kx_body(nnc_kx *x); /* of one iteration; for probes */
void nnc_kx_stage_index(nnc_kx *x, nnc_value v);
nnc_value nnc_kx_acc_load(nnc_kx *x, int which); /* the current cell */
void nnc_kx_acc_store(nnc_kx *x, int which, nnc_value v);
nnc_value nnc_kx_cell_load(nnc_kx *x, const nnc_kacc *cell); /* a finished stage's cell */

/* Winograd (kernel_winograd.c): can the convolution run in tiles of n x n?  Its plan is over the axes of the products. */
bool nnc_kx_winograd_fits(nnc_kx *x, int n);
void nnc_kx_winograd_axes(nnc_kx *x);
double nnc_kx_winograd_error(nnc_kx *x, int n); /* of the worst of a few channels; it fits */
nnc_blob nnc_kx_winograd_weights(nnc_kx *x, nnc_op source); /* transformed, [f, i, o] */
nnc_type nnc_kx_winograd_buffer(nnc_kx *x, bool products);  /* of v, of p */
void nnc_kx_winograd_update(nnc_kx *x);
void nnc_kx_winograd_nest(nnc_kx *x);

/* Packing (kernel_pack.c): decide and make the packed constant of the contraction; entry: the builder of the entry
 * kernel.  Sets packed_arg and packed_loop and returns the buffer in the entry, or 0 when packing does not apply. */
nnc_value nnc_kx_pack(nnc_kx *x, nnc_builder *entry);
/* May the weights of a convolution whose kernel x and channel run as one (t_axis) be packed in cells of four bytes? */
bool nnc_kx_joins_bytes(nnc_kx *x);
/* Which block argument can be packed (constant, read once, linear address)?  0: none. */
nnc_value nnc_kx_packable(nnc_kx *x);
#endif
