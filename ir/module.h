/* ir/module.h - the one container for both levels: operations, values, blocks, types, attributes, blobs.
 *
 * Everything is an id into a growable array of the module; id 0 is "none".  Arrays may move when something is
 * inserted: use a record pointer and drop it before the next insertion.  Operands are uses: use i of an op is
 * record op.in + i, threaded doubly through the value's use list.  Results of one op are consecutive values.
 * Functions (`graph`, `kernel`) are ops of the module block.  Erased ops keep their slot (code = none). */
#ifndef NNC_IR_MODULE_H
#define NNC_IR_MODULE_H
#include "ir/base/diag.h"
#include "ir/type.h"

typedef struct {
    uint32_t id;
} nnc_op;
typedef struct {
    uint32_t id;
} nnc_value;
typedef struct {
    uint32_t id;
} nnc_block;
typedef struct {
    uint32_t id;
} nnc_blob;

typedef enum { /* pre-interned words: (nnc_sym){NNC_W_axis} is "axis" */
               NNC_W_none0,
#define W(x) NNC_W_##x,
#include "ir/words.def"
               NNC_W_COUNT
} nnc_word;

typedef enum {
    NNC_OP_none,
#define OP(name, levels, nin, nout, nregions, traits, infer, eval, class, d, doc) NNC_OP_##name,
#include "ir/ops.def"
    NNC_OP_COUNT
} nnc_opcode;

/* levels: where an op may stand */
enum { NNC_LEVEL_M = 1 /* module */, NNC_LEVEL_G = 2, NNC_LEVEL_K = 4 };
/* traits */
enum {
    NNC_PURE = 1,
    NNC_COMMUTES = 2,
    NNC_ELEMENTWISE = 4,
    NNC_TERMINATOR = 8,
    NNC_SYMBOL = 16,
    NNC_LOOP = 32,
    NNC_WRITES = 64,
    NNC_READS = 128,
    NNC_VIEW = 256,
    NNC_REDUCES = 512,
    NNC_COMPOSITE = 1024,
    NNC_ALLOCATES = 2048,
    NNC_ASSOC = 4096,
    NNC_NAMED = 8192 /* lowered by a hand-written K builder, never inlined */
};
typedef struct nnc_op_info {
    const char *name;
    uint8_t levels;
    int8_t nin, nout, nregions; /* < 0: at least -n - 1, so VAR(0) is -1 and VAR(2) is -3 */
    uint16_t traits;
    char class; /* E L S R C K N, see docs/ir.md section 9 */
    const char *d, *doc;
} nnc_op_info;
extern const nnc_op_info nnc_op_infos[NNC_OP_COUNT];
nnc_opcode nnc_opcode_by_name(const char *s, size_t len);

typedef enum {
    NNC_ATTR_int,
    NNC_ATTR_float,
    NNC_ATTR_word,
    NNC_ATTR_string,
    NNC_ATTR_ints,
    NNC_ATTR_type
} nnc_attr_kind;
typedef struct nnc_attr_rec {
    nnc_sym key;
    uint8_t kind;
    union {
        int64_t i;
        double f;
        nnc_sym s; /* word or string */
        nnc_type t;
        struct {
            uint32_t at, n;
        } ints; /* in module.ints */
    } u;
} nnc_attr_rec;

typedef struct nnc_op_rec {
    uint16_t code, nin, nout;
    uint8_t nattr, nregion;
    uint32_t in, attr, region; /* first use, attribute, region slot */
    nnc_value out;             /* first result */
    nnc_block block;
    nnc_op prev, next;
    nnc_loc loc;
    uint32_t order; /* position in the block, sparse and increasing */
} nnc_op_rec;
typedef enum { NNC_VALUE_none, NNC_VALUE_result, NNC_VALUE_arg, NNC_VALUE_const } nnc_value_kind;
typedef struct nnc_value_rec {
    nnc_type type;
    uint8_t kind;
    uint16_t index; /* which result or argument */
    uint32_t def;   /* op or block */
    uint32_t first_use;
    nnc_sym name;
    uint64_t bits; /* constants: the element's bits in its dtype */
} nnc_value_rec;
typedef struct nnc_use_rec {
    nnc_value value;
    nnc_op user;
    uint32_t next, prev;
} nnc_use_rec;
typedef struct nnc_block_rec {
    nnc_op parent, first, last;
    uint32_t arg, narg, argcap;
} nnc_block_rec; /* arg: in module.args */
typedef struct nnc_blob_rec {
    const void *base;
    size_t bytes;
    nnc_loc loc;
} nnc_blob_rec;

typedef struct nnc_module {
    nnc_arena *arena;
    nnc_diag *diag;
    nnc_intern *intern;
    nnc_dims *dims;
    NNC_BUF(nnc_op_rec) op;
    NNC_BUF(nnc_value_rec) value;
    NNC_BUF(nnc_use_rec) use;
    NNC_BUF(nnc_block_rec) block;
    NNC_BUF(nnc_attr_rec) attr;
    NNC_BUF(nnc_type_rec) type;
    NNC_BUF(nnc_blob_rec) blob;
    NNC_BUF(nnc_block) region;
    NNC_BUF(nnc_value) args;
    NNC_BUF(int64_t) ints;
    struct nnc_hashset *types, *consts;
    nnc_block top;                /* holds graphs and kernels */
    struct nnc_func_cache *funcs; /* of nnc_func_find */
} nnc_module;

nnc_module *nnc_module_new(nnc_arena *a, nnc_diag *d);

/* Symbols */
nnc_sym nnc_sym_put(nnc_module *m, const char *s);
const char *nnc_sym_str(const nnc_module *m, nnc_sym s);
static inline nnc_sym nnc_w(nnc_word w)
{
    return (nnc_sym){(uint32_t)w};
}

/* Types */
nnc_type nnc_type_tensor(nnc_module *m, nnc_dtype dt, int rank, const nnc_dim *dim);
nnc_type nnc_type_scalar(nnc_module *m, nnc_dtype dt, int lanes);
/* stride NULL: dense from upper bounds */
nnc_type nnc_type_buffer(nnc_module *m, nnc_dtype dt, int lanes, int rank, const nnc_dim *dim,
                         const int64_t *stride, nnc_space space);
nnc_type nnc_type_put(nnc_module *m, const nnc_type_rec *r);
static inline const nnc_type_rec *nnc_type_get(const nnc_module *m, nnc_type t)
{
    return &m->type.at[t.id];
}
int64_t nnc_type_count(const nnc_module *m,
                       nnc_type t);               /* elements, upper bound; INT64_MAX on overflow */
nnc_dim nnc_type_size(nnc_module *m, nnc_type t); /* elements, as a dimension expression */
bool nnc_type_is_static(const nnc_module *m, nnc_type t); /* no symbolic dimension */
int64_t nnc_type_bytes(const nnc_module *m,
                       nnc_type t); /* memory of a tensor or buffer (strided extent), upper bound */

/* Values */
static inline const nnc_value_rec *nnc_value_get(const nnc_module *m, nnc_value v)
{
    return &m->value.at[v.id];
}
static inline nnc_type nnc_value_type(const nnc_module *m, nnc_value v)
{
    return m->value.at[v.id].type;
}
static inline const nnc_type_rec *nnc_value_ty(const nnc_module *m, nnc_value v)
{
    return &m->type.at[m->value.at[v.id].type.id];
}
nnc_op nnc_value_op(const nnc_module *m,
                    nnc_value v); /* the op that makes it; 0 for arguments and constants */
bool nnc_value_is_const(const nnc_module *m,
                        nnc_value v); /* an interned constant (not a `const` op) */
unsigned nnc_value_nuse(const nnc_module *m, nnc_value v);
nnc_op nnc_value_single_user(const nnc_module *m,
                             nnc_value v); /* 0 when used never or more than once */
void nnc_value_replace(nnc_module *m, nnc_value from, nnc_value to); /* all uses */
void nnc_value_set_name(nnc_module *m, nnc_value v, const char *hint);
void nnc_value_set_type(nnc_module *m, nnc_value v, nnc_type t);
static inline const char *nnc_value_name(const nnc_module *m, nnc_value v)
{
    return nnc_sym_str(m, m->value.at[v.id].name);
}
/* Constants.  G: rank-0 tensors `1.5:f32`; K: scalars of the same spelling; idx prints bare. */
nnc_value nnc_const_bits(nnc_module *m, nnc_type t, uint64_t bits);
nnc_value nnc_const_int(nnc_module *m, nnc_type t, int64_t v); /* any dtype: converted */
nnc_value nnc_const_float(nnc_module *m, nnc_type t, double v);
nnc_value nnc_const_idx(nnc_module *m, int64_t v);
bool nnc_value_idx(const nnc_module *m, nnc_value v,
                   int64_t *out); /* an integer constant of any dtype? */
bool nnc_value_number(const nnc_module *m, nnc_value v,
                      double *out); /* any scalar constant as a double */

/* Ops.  `before` none: at the end of the block. */
typedef struct nnc_pos {
    nnc_block block;
    nnc_op before;
} nnc_pos;
nnc_op nnc_op_new(nnc_module *m, nnc_pos p, nnc_opcode code, unsigned nin, const nnc_value *in,
                  unsigned nout, const nnc_type *out, nnc_loc loc);
void nnc_op_erase(nnc_module *m, nnc_op op); /* results must be unused; regions go with it */
void nnc_op_move(nnc_module *m, nnc_op op, nnc_pos p);
static inline nnc_op_rec *nnc_op_get(const nnc_module *m, nnc_op op)
{
    return &m->op.at[op.id];
}
static inline nnc_opcode nnc_op_code(const nnc_module *m, nnc_op op)
{
    return (nnc_opcode)m->op.at[op.id].code;
}
static inline unsigned nnc_op_nin(const nnc_module *m, nnc_op op)
{
    return m->op.at[op.id].nin;
}
static inline unsigned nnc_op_nout(const nnc_module *m, nnc_op op)
{
    return m->op.at[op.id].nout;
}
static inline nnc_value nnc_op_in(const nnc_module *m, nnc_op op, unsigned i)
{
    return m->use.at[m->op.at[op.id].in + i].value;
}
static inline nnc_value nnc_op_out(const nnc_module *m, nnc_op op, unsigned i)
{
    return (nnc_value){m->op.at[op.id].out.id + i};
}
static inline nnc_loc nnc_op_loc(const nnc_module *m, nnc_op op)
{
    return m->op.at[op.id].loc;
}
static inline bool nnc_op_has(const nnc_module *m, nnc_op op, unsigned trait)
{
    return (nnc_op_infos[m->op.at[op.id].code].traits & trait) != 0;
}
void nnc_op_set_in(nnc_module *m, nnc_op op, unsigned i, nnc_value v);
void nnc_op_set_ins(nnc_module *m, nnc_op op, unsigned n,
                    const nnc_value *in);                    /* all operands anew */
bool nnc_op_before(const nnc_module *m, nnc_op a, nnc_op b); /* same block: does a come first? */
/* Regions: one block each. */
nnc_block nnc_op_add_region(nnc_module *m, nnc_op op);
/* The regions of `from` become those of `to`, which has none yet. */
void nnc_op_take_regions(nnc_module *m, nnc_op to, nnc_op from);
static inline nnc_block nnc_op_region(const nnc_module *m, nnc_op op, unsigned i)
{
    return m->region.at[m->op.at[op.id].region + i];
}
static inline unsigned nnc_op_nregion(const nnc_module *m, nnc_op op)
{
    return m->op.at[op.id].nregion;
}
/* Walking: for (op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) */
static inline nnc_op nnc_block_first(const nnc_module *m, nnc_block b)
{
    return m->block.at[b.id].first;
}
static inline nnc_op nnc_block_last(const nnc_module *m, nnc_block b)
{
    return m->block.at[b.id].last;
}
static inline nnc_op nnc_op_next(const nnc_module *m, nnc_op op)
{
    return m->op.at[op.id].next;
}
static inline nnc_op nnc_op_prev(const nnc_module *m, nnc_op op)
{
    return m->op.at[op.id].prev;
}
static inline nnc_op nnc_block_parent(const nnc_module *m, nnc_block b)
{
    return m->block.at[b.id].parent;
}
nnc_value nnc_block_add_arg(nnc_module *m, nnc_block b, nnc_type t, const char *name);
void nnc_block_erase_arg(nnc_module *m, nnc_block b, unsigned i); /* must be unused */
static inline unsigned nnc_block_narg(const nnc_module *m, nnc_block b)
{
    return m->block.at[b.id].narg;
}
static inline nnc_value nnc_block_arg(const nnc_module *m, nnc_block b, unsigned i)
{
    return m->args.at[m->block.at[b.id].arg + i];
}
/* Copy the ops of `from` (regions included, terminator excluded unless with_terminator) to p; map[old value id] = new. */
void nnc_block_clone(nnc_module *m, nnc_block from, nnc_pos p, nnc_value *map, uint32_t nmap,
                     bool with_terminator);
/* One op with its regions; operands through map (unmapped stay). */
nnc_op nnc_op_clone(nnc_module *m, nnc_op op, nnc_pos p, nnc_value *map, uint32_t nmap);

/* Attributes */
const nnc_attr_rec *nnc_attr_find(const nnc_module *m, nnc_op op, nnc_word key);
const nnc_attr_rec *nnc_attr_find_sym(const nnc_module *m, nnc_op op, nnc_sym key);
int64_t nnc_attr_int(const nnc_module *m, nnc_op op, nnc_word key, int64_t dflt);
double nnc_attr_float(const nnc_module *m, nnc_op op, nnc_word key, double dflt);
nnc_word nnc_attr_word(const nnc_module *m, nnc_op op, nnc_word key, nnc_word dflt);
const char *nnc_attr_str(const nnc_module *m, nnc_op op, nnc_word key, const char *dflt);
/* *n = 0 and NULL when absent.  The pointer dies with the next insertion. */
const int64_t *nnc_attr_ints(const nnc_module *m, nnc_op op, nnc_word key, unsigned *n);
void nnc_attr_set(nnc_module *m, nnc_op op, nnc_attr_rec a); /* replaces one with the same key */
void nnc_attr_set_int(nnc_module *m, nnc_op op, nnc_word key, int64_t v);
void nnc_attr_set_float(nnc_module *m, nnc_op op, nnc_word key, double v);
void nnc_attr_set_word(nnc_module *m, nnc_op op, nnc_word key, nnc_word v);
void nnc_attr_set_str(nnc_module *m, nnc_op op, nnc_word key, const char *v);
void nnc_attr_set_ints(nnc_module *m, nnc_op op, nnc_word key, unsigned n, const int64_t *v);
void nnc_attr_set_type(nnc_module *m, nnc_op op, nnc_word key, nnc_type t);
void nnc_attr_remove(nnc_module *m, nnc_op op, nnc_word key);
void nnc_attr_copy(nnc_module *m, nnc_op to, nnc_op from); /* all of them */

/* Weights: memory that outlives the module (a mapped file, or the arena). */
nnc_blob nnc_blob_new(nnc_module *m, const void *base, size_t bytes, nnc_loc loc);
/* The bytes behind a `const` op, little-endian dense data of its type. */
const void *nnc_const_data(const nnc_module *m, nnc_op op);

/* Functions */
nnc_op nnc_func_find(const nnc_module *m, const char *name);
nnc_op nnc_func_entry(
    const nnc_module *m,
    nnc_opcode code); /* the graph or kernel marked [entry=1], else the only one */
const char *nnc_func_name(const nnc_module *m, nnc_op func);
/* Drop erased slots' lists etc. is not needed: ids stay. */
#endif
