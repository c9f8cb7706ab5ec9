/* codegen/c/c.h - what the files of the C emitter share.  Not a public header. */
#ifndef NNC_CODEGEN_C_C_H
#define NNC_CODEGEN_C_C_H
#include "codegen/emit.h"
#include "codegen/text/flow.h"
#include "passes/krange.h"
#include "passes/linear.h"
#include "codegen/text/names.h"
#include "codegen/text/writer.h"

/* Where a helper is used decides where it is printed. */
enum { C_COMMON = 1, C_VECTOR = 2, C_PORTABLE = 4 };

typedef struct c_helper {
    const char *name, *text;
    unsigned sections;
    uint32_t first_dep, ndep; /* in c_cgen.dep */
} c_helper;

/* One weight tensor as it lies in the file. */
typedef struct c_weight {
    nnc_op op; /* the first K const with these bytes */
    uint64_t at, bytes;
    const char *name; /* NNC_WEIGHTS_numbers: its array */
} c_weight;

/* One public tensor or size. */
enum { C_INPUT, C_OUTPUT, C_SYMBOL, C_SYMBOL_OUT, C_STATE };
typedef struct c_field {
    nnc_value arg; /* of the entry kernel */
    int role;
    const char *label; /* the model's name */
    const char *field, *macro;
    nnc_op first;    /* C_STATE: the K const that it begins with; 0: zeros */
    uint32_t symbol; /* in ir/dim.h's table */
    int64_t lo, hi;  /* symbols */
} c_field;

typedef struct c_cgen {
    nnc_module *m;
    nnc_arena *a;    /* texts; while a function is written, an arena of its own */
    nnc_arena *root; /* what lives as long as the file: helpers, names, tables */
    const nnc_emit_options *opt;
    const char *name, *upper; /* "net", "NET" */
    const char *verb;         /* of the entry: "run" makes net_run */
    nnc_op entry;
    NNC_BUF(c_field) field;
    NNC_BUF(c_weight) weight;
    uint32_t *weight_of; /* per op: index + 1 in weight */
    nnc_interface face;
    nnc_weights_mode mode; /* never auto */
    unsigned kernels;
    nnc_status status; /* NNC_ERR once something had no spelling */

    nnc_names *globals;
    const char **function; /* per kernel op: its C name */
    uint64_t *alias;       /* per kernel op: bit i set: parameter i may share memory with another */
    NNC_BUF(c_helper) helper;
    NNC_BUF(uint32_t) dep;
    bool host;       /* the entry calls into the program */
    bool state;      /* it has state: net_state, net_init */
    bool parallel;   /* the inputs name who runs parts of kernels */
    bool shared;     /* some kernels have parts */
    unsigned splits; /* parallel loops of the function so far */
    bool math_h, string_h, immintrin_h, arm_neon_h, keep;
    NNC_BUF(uint32_t) vectors; /* dtype << 16 | lanes: vector types in use */

    /* the function being written */
    unsigned section;
    nnc_op func;
    nnc_flow flow;
    nnc_names *locals;
    const char **ident; /* per value: its name in the function, NULL: none yet */
    uint8_t
        *cell; /* per value: a reg buffer of cells; bit 0 is, bit 1 is not, bit 2 declared lazily */
    nnc_out *o;
} c_cgen;

/* A piece of an expression: its text and how tightly it binds. */
typedef struct c_expr {
    const char *s;
    int p;
} c_expr;
enum {
    C_COMMA,
    C_COND,
    C_LOR,
    C_LAND,
    C_BOR,
    C_XOR,
    C_BAND,
    C_EQ,
    C_REL,
    C_SHIFT,
    C_ADD,
    C_MUL,
    C_UNARY,
    C_PRIMARY
};

const char *c_fmt(c_cgen *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
nnc_status c_refuse(c_cgen *g, nnc_op op, const char *what);

/* type.c */
static inline nnc_dtype c_dtype(const c_cgen *g, nnc_value v)
{
    return (nnc_dtype)nnc_value_ty(g->m, v)->dtype;
}
static inline unsigned c_lanes(const c_cgen *g, nnc_value v)
{
    return nnc_value_ty(g->m, v)->lanes;
}
const char *c_storage(nnc_dtype dt);  /* the type of an element in memory */
const char *c_unsigned(nnc_dtype dt); /* an unsigned type of at least its width and of int's */
const char *c_scalar(nnc_dtype dt);   /* the type of a value: bools are int */
const char *c_vector(c_cgen *g, nnc_dtype dt, unsigned lanes); /* "f32x16", noted as used */
const char *c_value_type(c_cgen *g, nnc_value v);
bool c_is_small_float(nnc_dtype dt); /* travels as bits */
bool c_is_wide_int(nnc_dtype dt);    /* 32 bits or more: wraps through unsigned */
const char *c_number(c_cgen *g, nnc_dtype dt, uint64_t bits);
nnc_dtype c_mask(const c_cgen *g, nnc_value v); /* the integer type of a bool vector's lanes */
nnc_dtype c_int_of_width(unsigned bytes, bool is_signed);
void c_vector_types(c_cgen *g, FILE *f);

/* helper.c */
const char *c_need(c_cgen *g, const char *name, nnc_dtype dt,
                   unsigned lanes); /* instantiates a row of helpers.def */
const char *c_need_cast(c_cgen *g, nnc_dtype from, nnc_dtype to, bool saturate, nnc_word mode);
bool c_helper_known(c_cgen *g, const char *name, uint32_t *index);
void c_helper_mark(c_cgen *g, uint32_t i); /* used in the current section */
void c_helper_add(c_cgen *g, const char *name, const char *text);
void c_helpers(c_cgen *g, FILE *f, unsigned sections);

/* math.c: vector functions made of K arithmetic */
const char *c_need_math(c_cgen *g, nnc_opcode code, nnc_dtype dt, unsigned lanes);

/* place.c, expr.c, vector.c */
c_expr c_value(c_cgen *g, nnc_value v); /* named, constant, or in place */
const char *c_operand(c_cgen *g, nnc_value v, int prec);
c_expr c_compute(c_cgen *g, nnc_op op); /* the op itself */
c_expr c_compute_vector(c_cgen *g, nnc_op op);
const char *c_vector_operand(c_cgen *g, nnc_value v, int prec); /* splats spelled out */
const char *c_linear(c_cgen *g, const nnc_linear *l);
const char *c_place(c_cgen *g, nnc_op op);     /* the cell a load reads or a store writes */
c_expr c_pointer(c_cgen *g, nnc_value buffer); /* for a buffer used whole */
const char *c_name(c_cgen *g, nnc_value v);
const char *c_element_pointer(c_cgen *g, nnc_op op); /* buffer + offset */
c_expr c_prec(const char *s, int p);
/* A product of a converted integer that something is added to, as dequantised values are: quantised nets agree with
 * their reference to the bit only when it is rounded first, so it must not become a fused multiply-add. */
bool c_is_step(const c_cgen *g, nnc_op op);
const char *c_wrap(c_cgen *g, c_expr e, int prec);

/* stmt.c */
void c_block(c_cgen *g, nnc_block b);
bool c_cells(c_cgen *g, nnc_value buffer); /* a reg buffer written as local variables? */

/* kernel.c */
void c_begin_function(c_cgen *g, nnc_op func, nnc_out *o, unsigned section);
void c_kernels(c_cgen *g, FILE *f);
const char *c_parameter(c_cgen *g, nnc_op func, unsigned i);
bool c_param_written(const c_cgen *g, nnc_op func, unsigned i);

/* parallel.c: kernels whose loops are shared by threads */
bool c_is_parallel(const nnc_module *m, nnc_op kernel);
void c_parallel_loop(c_cgen *g, nnc_op op);
void c_parallel_job(c_cgen *g, nnc_op func,
                    FILE *f); /* its arguments as a struct, and the call of a part */
void c_parallel_call(c_cgen *g, nnc_op callee, const char *args);
void c_parallel_types(c_cgen *g, FILE *f); /* for the header */
void c_parallel_pool(c_cgen *g, FILE *f);
extern const char *const c_parallel_names[]; /* what it defines */

/* weights.c */
void c_weights_plan(c_cgen *g); /* offsets, sizes, the hash of all */
void c_weights_text(c_cgen *g, FILE *f);
void c_weights_bin(c_cgen *g, FILE *f);
const char *c_weight_ref(c_cgen *g, nnc_op op);

/* interface.c: fields, sizes, hash; NNC_ERR after a diagnostic */
nnc_status c_begin(c_cgen *g, nnc_module *m, const nnc_emit_options *opt);
const char *c_real_count(c_cgen *g, nnc_type type);     /* in the entry: elements of this run */
const char *c_tensor_text(c_cgen *g, const c_field *x); /* "float32[n, 64]" */

/* state.c: the struct that a caller keeps between runs, and the function that fills it */
void c_state_struct(c_cgen *g, FILE *h);
void c_state_prototype(c_cgen *g, FILE *f);
void c_state_init(c_cgen *g, FILE *f);

/* entry.c, header.c, describe.c */
void c_entry(c_cgen *g, FILE *f);
void c_entry_prototype(c_cgen *g, FILE *f);
void c_header(c_cgen *g, FILE *f);
const char *c_describe(c_cgen *g);
/* At most n bytes of s, safe inside a comment. */
const char *c_comment(nnc_arena *a, const char *s, size_t n);
#endif
