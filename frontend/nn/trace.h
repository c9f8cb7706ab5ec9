/* frontend/nn/trace.h - the meaning of a `.nn` program: typing is tracing.
 *
 * The tracer walks the tree with an environment of values.  Every tensor operation appends a G op and gets its type from
 * the op table, so types, shapes and code come from one walk.  A call walks the callee's body again with its arguments:
 * templates, closures, defaults, unrolling and `if [..]` need nothing else.
 *
 * Mistakes do not return: nn_fail reports and jumps to the innermost nn_catch (a statement, a declaration), which goes on
 * with the next one.  A name whose statement failed is `poison`; what touches it fails silently. */
#ifndef NNC_FRONTEND_NN_TRACE_H
#define NNC_FRONTEND_NN_TRACE_H
#include "frontend/nn/ast.h"
#include "frontend/nn/data/strings.h"
#include "ir/build.h"
#include "ir/interp.h"
#include <setjmp.h>

/* ---- values while tracing ---- */
typedef enum {
    NN_V_none, /* no value: a block without a last expression, a function without a result, `none` */
    NN_V_poison,   /* its error is told already */
    NN_V_tensor,   /* ssa; scalars are rank 0; keys have is_key */
    NN_V_record,   /* item[], name[]; a tuple has names 0 */
    NN_V_list,     /* static list: item[]; of known numbers (nested too) it is a tensor as well */
    NN_V_text,     /* text: one string known at compile time */
    NN_V_strings,  /* strings: a tensor of strings, known at compile time */
    NN_V_dtype,    /* dtype: f32 as a value, to convert or to pass in brackets */
    NN_V_function, /* decl: a declared fn or train; bound: static arguments given so far */
    NN_V_builtin,  /* builtin; bound */
    NN_V_closure,  /* lambda: code; item[], name[]: what it captured */
    NN_V_blueprint, /* decl: a module; bound: its static arguments; instance: where it was bound inside a module */
    NN_V_model, /* decl, bound; item[]: params, state, frozen (records); flags */
    NN_V_law, /* callee (function or builtin, item[0]) with bound arguments, the key still missing */
    NN_V_unit,    /* unit: an imported file used as `name.x` */
    NN_V_problem, /* an optimisation problem */
    NN_V_range /* item[0], item[1], item[2] (step, may be NULL): a..b by s; a tensor where one is asked for */
} nn_vkind;

struct nn_val;
struct nn_env;
struct nn_frame;
struct nn_trace;
typedef struct nn_builtin nn_builtin;
struct nn_instance;
typedef const struct nn_val *nn_v;

/* The values that a sweep gave to one axis. */
typedef struct nn_label {
    nnc_sym name;
    uint32_t n;
    const nn_v *
        value; /* known scalars, texts or bools; NULL: run-time numbers or other things, by position only */
} nn_label;

typedef struct nn_arg {
    nnc_sym name; /* 0: by position */
    nn_v v;
    const nn_ast *node; /* for messages; never NULL */
} nn_arg;
typedef struct nn_args {
    uint32_t n;
    const nn_arg *at;
} nn_args;

typedef struct nn_val {
    uint8_t kind;
    bool weak;     /* tensor: i64 or f64 (or bool, never weak) whose dtype is still open */
    bool is_key;   /* tensor of keys: u32[.., 2] in G, the last axis hidden */
    bool has_dim;  /* rank-0 integer that is this dimension (static, symbolic or bounded) */
    bool training; /* model: the flag that modules test */
    bool numeric;  /* list: of known numbers, so usable as a tensor */
    uint8_t batch; /* record of code (model, closure): leading axes that its leaves share */
    nnc_dtype dtype;
    nnc_value ssa;
    nnc_dim dim;
    const nn_label *const *label; /* tensor: per axis, NULL entries; NULL: none at all */
    uint32_t n;
    const nn_v *item;
    const nnc_sym *name;
    const char *text;
    const nn_strings *strings;
    const struct nn_decl *decl;
    const nn_ast *lambda;
    const struct nn_unit *unit; /* of the code of a closure; of an imported file */
    const struct nn_builtin *builtin;
    const nn_args *bound;
    const struct nn_onnx *onnx; /* model: an imported .onnx file */
    const struct nn_instance *instance;
    const nn_ast *where; /* where it was made, when that helps a message */
    const struct nn_slot
        *slot; /* closure: nothing; set by builtins that need the place of a name */
    const struct nn_host_tensor
        *host; /* a constant tensor outside any graph: nn_thaw gives it an SSA value */
} nn_val;

/* ---- files and declarations ---- */
typedef struct nn_decl {
    const nn_ast
        *node; /* const_, type_decl, data, fn, module, train, experiment, test, target, import */
    struct nn_unit *unit;
    nnc_sym name;
    const nn_ast *hint; /* items of @hint before it, or NULL */
    nn_v memo;          /* const: its value, host form */
    uint32_t memo_root; /* data: the graph that memo's SSA values belong to */
    bool busy;          /* being evaluated: a cycle */
    bool in_rule;       /* its backward block is being traced */
    bool leaves_known;  /* leaf_name: names that the text differentiates by, see gradient.c */
    NNC_BUF(nnc_sym) leaf_name;
    struct nn_sites *sites; /* ordinals of mentions, see key.c */
} nn_decl;
typedef struct nn_import {
    nnc_sym name;         /* 0: none */
    struct nn_unit *unit; /* NULL: an ONNX model */
    nn_v model;
    const nn_ast *node;
} nn_import;
typedef struct nn_unit {
    nn_file *file;
    const char *dir; /* with a slash at its end, or "" */
    bool library;    /* part of nn/ */
    NNC_BUF(nn_decl *) decl;
    NNC_BUF(nn_import) import;
    nnc_dtype float_default; /* f32, or what `type float = ..` says */
} nn_unit;

/* ---- environments ---- */
typedef enum {
    NN_ENV_function, /* arguments and symbols; nothing outside but the file's names */
    NN_ENV_block,    /* { } of a run-time region: plain names outside cannot be assigned */
    NN_ENV_pasted    /* for [..], if [..]: new names go to the environment around it */
} nn_env_kind;
typedef struct nn_slot {
    nnc_sym name;
    nn_v val;
    bool is_var, is_state, is_param; /* param: of a module */
    bool is_captured;                /* by a closure */
    bool is_symbol;                  /* a size of the signature: local names hide it */
    nnc_type declared;               /* 0, or the type that every new value must have */
    nnc_loc where;
    const nn_ast *made; /* the binding */
    struct nn_env *env;
    uint32_t serial; /* slots with smaller numbers are older */
    uint32_t turns;  /* loops around the binding: keys mentioned deeper fold the turns between */
} nn_slot;
typedef struct nn_env {
    struct nn_env *up; /* NULL: the file's names come next */
    uint8_t kind;
    bool body; /* of a function: its local names */
    struct nn_frame *frame;
    NNC_BUF(nn_slot *) slot;
    uint32_t nturn; /* turn indices of the loops around, of this frame: rank-0 i64 */
    const nn_v *turn;
} nn_env;
/* One call being traced. */
typedef struct nn_frame {
    struct nn_frame *caller;
    const nn_ast *call; /* where it was called, NULL for a root */
    nn_unit *unit;
    nn_decl *decl;              /* NULL: a closure of nowhere (constants) */
    nnc_dtype float_dt, int_dt; /* what `float` and `int` stand for; 0: open */
    struct nn_instance *self;   /* module: the instance whose parameters are looked up */
    bool effects;               /* inside an experiment, a test or an `every` block */
    uint32_t depth;
} nn_frame;

typedef struct nn_catch {
    jmp_buf at;
    struct nn_catch *up;
    nn_env *env;
    nn_frame *frame;
    struct nn_region *region;
    nnc_pos pos;
    uint32_t nest;
} nn_catch;

/* A parameter of an initialiser or reader that stays outside of graphs until used. */
typedef struct nn_host_tensor {
    nnc_tensor t;
    uint32_t id; /* dense from 1: index of nn_trace.input */
    bool input;  /* contents of `data`: enters graphs as an argument, not as a constant */
    const char *name;
} nn_host_tensor;

/* A run-time count and the symbol that stands for it. */
struct nn_counted {
    nnc_value count;
    nnc_dim dim;
    uint32_t root;
};

typedef struct nn_trace {
    nnc_arena *arena;
    nnc_diag *diag;
    nnc_module *m;
    nn_syntax syntax;
    nnc_builder b; /* where ops go now */
    nn_env *env;
    nn_frame *frame;
    nn_catch *catch_;
    NNC_BUF(nn_unit *) unit;
    nn_unit *main;
    const char *library;    /* folder that holds nn/ */
    const char *const *set; /* name=value of --set, ended by NULL */
    /* the root being traced */
    nnc_op root;     /* its graph */
    nnc_op first_op; /* what `data` and host tensors are put before: an op of the root's block */
    NNC_BUF(const nn_host_tensor *) input; /* extra block arguments of the root, in order */
    uint32_t first_input;                  /* arguments of the root before those of data */
    uint32_t nroot, nhost;
    NNC_BUF(uint8_t) known;               /* by value id: 0 not looked at, 1 no, 2 yes */
    NNC_BUF(const nnc_tensor *) value_of; /* by value id: evaluated before */
    NNC_BUF(uint32_t) undeclared;         /* nodes of names that nn_resolve has told of */
    NNC_BUF(uint32_t) masked;             /* by known masks: their first axis is cut, not overrun */
    NNC_BUF(struct nn_counted)
    counted;                /* bounded sizes and the counts behind them: index_count.c */
    uint64_t budget, steps; /* calls and expressions left for this root */
    bool exhausted;         /* they are used up, and this is told */
    uint32_t nest;          /* expressions being traced inside each other */
    uint64_t most_calls, most_operations; /* of each root; of one evaluation at compile time */
    /* Replaces derivatives in a graph; given by who links the passes.  NULL: there are none to take. */
    nnc_status (*derive)(nnc_module *m, nnc_op graph);
    struct nn_program *program; /* descriptors of effects, sweeps; NULL when nothing will run */
    bool measures;              /* `seconds` was met: points of the sweep around run alone */
    struct nn_model_cx *models; /* model.c */
    struct nn_region *region;   /* run-time regions being traced, see expr.h */
    uint32_t nslot;             /* serial numbers of slots */
    nnc_op trial_graph;         /* of init's trial traces: stand-ins are its arguments */
    nnc_dtype law_dtype;        /* `float` of the laws being drawn and of trial traces */
    bool open_sizes;   /* a trial trace may leave sizes open: `load` takes them from the file */
    bool no_variables; /* nothing is differentiated in this root: values stay known */
    bool standins;     /* inside init's trial traces: effects and asserts are off */
} nn_trace;

/* ---- errors ---- */
_Noreturn void nn_fail(nn_trace *t, nnc_loc loc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void nn_fail_silently(nn_trace *t);
/* A budget of the root is used up: told once, then every statement of the root fails silently. */
_Noreturn void nn_exhausted(nn_trace *t, nnc_loc loc, const char *text);
/* A failure with notes: nn_error(..), nnc_note(..).., nn_fail_silently. */
void nn_error(nn_trace *t, nnc_loc loc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* if (!nn_try(t, &c)) { .. nn_try_end(t, &c); } else { failed }.  setjmp must be called in the user's frame: */
#define NN_TRY_BEGIN(t, c) (nn_try_enter((t), (c)), setjmp((c)->at) == 0)
void nn_try_enter(nn_trace *t, nn_catch *c);
void nn_try_leave(nn_trace *t, nn_catch *c); /* after success */
void nn_try_failed(nn_trace *t,
                   nn_catch *c); /* in the failure branch: restores env, frame, position */

/* ---- value.c ---- */
nn_v nn_none(void);
nn_v nn_poison(void);
nn_v nn_tensor(nn_trace *t, nnc_value v);
nn_v nn_weak(nn_trace *t, nnc_value v);
nn_v nn_like(nn_trace *t, nn_v x, nnc_value v); /* key, weak or plain as x is; no labels */
nn_v nn_key_value(nn_trace *t, nnc_value v);    /* u32[.., 2] */
nn_v nn_with_labels(nn_trace *t, nn_v v, const nn_label *const *label);
nn_v nn_int(nn_trace *t, int64_t v);  /* weak */
nn_v nn_float(nn_trace *t, double v); /* weak */
nn_v nn_bool(nn_trace *t, bool v);
nn_v nn_dim_value(nn_trace *t, nnc_dim d); /* weak integer that knows it is a dimension */
nn_v nn_text(nn_trace *t, const char *s);
nn_v nn_strings_value(nn_trace *t, const nn_strings *s);
nn_v nn_record(nn_trace *t, uint32_t n, const nnc_sym *name,
               const nn_v *item); /* name NULL: a tuple */
nn_v nn_list(nn_trace *t, uint32_t n, const nn_v *item);
nn_v nn_host_value(nn_trace *t, const nnc_tensor *x, const char *name, bool input);
nn_v nn_field(nn_v record, nnc_sym name); /* NULL: no such field */
bool nn_is_tree(nn_v v); /* record, model, closure, static list: has leaves below */
/* All tensor leaves, left to right; none for text, dtypes, code. */
typedef NNC_BUF(nn_v) nn_leaves;
void nn_collect(nn_trace *t, nn_v v, nn_leaves *out);
/* The same tree with other leaves, taken in order from *next. */
nn_v nn_rebuild(nn_trace *t, nn_v v, const nn_v **next);
typedef nn_v (*nn_leaf_fn)(nn_trace *t, nn_v leaf, void *user);
nn_v nn_map(nn_trace *t, nn_v v, nn_leaf_fn fn, void *user);
/* Same structure, same code, same static parts (leaves may differ)?  *why (may be NULL): text of the first difference. */
bool nn_same_tree(nn_trace *t, nn_v a, nn_v b, const char **why);
const char *nn_type_text(
    nn_trace *t, nn_v v); /* "f32[n, 64]", "(x: f32, y: i32[3])", "model of mlp" for messages */
const char *nn_sym(const nn_trace *t, nnc_sym s);
nnc_sym nn_name(nn_trace *t, const char *s);

/* Tensors as such.  nn_as_tensor: lists, ranges, host tensors become tensors; anything else fails at `at`. */
nn_v nn_as_tensor(nn_trace *t, nn_v v, const nn_ast *at);
nn_v nn_thaw(nn_trace *t, nn_v v); /* host tensors of a tree get SSA values here and now */
bool nn_can_be_tensor(nn_v v);
nnc_dtype nn_dtype(const nn_trace *t, nn_v tensor);
int nn_rank(const nn_trace *t, nn_v tensor); /* visible axes: keys hide one */
nnc_dim nn_axis_size(const nn_trace *t, nn_v tensor, int axis);
const nnc_type_rec *nn_ty(const nn_trace *t, nn_v tensor);

/* ---- known.c: values known at compile time ---- */
bool nn_known(nn_trace *t, nn_v v);
/* Ask: fails with "brackets need .. known at compile time" at `at` when it is not; `what` says who asks ("a size"). */
nnc_tensor nn_ask_tensor(nn_trace *t, nn_v v, const nn_ast *at, const char *what);
int64_t nn_ask_int(nn_trace *t, nn_v v, const nn_ast *at, const char *what);
double nn_ask_float(nn_trace *t, nn_v v, const nn_ast *at, const char *what);
bool nn_ask_bool(nn_trace *t, nn_v v, const nn_ast *at, const char *what);
const char *nn_ask_text(nn_trace *t, nn_v v, const nn_ast *at, const char *what);
nnc_dim nn_ask_dim(nn_trace *t, nn_v v, const nn_ast *at,
                   const char *what); /* static, symbolic or bounded */
/* Known scalar without asking?  (constants only, nothing is evaluated) */
bool nn_peek_int(nn_trace *t, nn_v v, int64_t *out);
/* A known value as host form, usable in any graph. */
nn_v nn_freeze_value(nn_trace *t, nn_v v, const nn_ast *at, const char *what);

/* ---- number.c: promotion and operators ---- */
nn_v nn_binary(nn_trace *t, nn_operator op, nn_v a, nn_v b,
               const nn_ast *at); /* records leaf by leaf */
nn_v nn_unary(nn_trace *t, nn_operator op, nn_v a, const nn_ast *at);
/* Bring tensors to one dtype by the rules of promotion (weak ones adapt; two dtypes of one kind: error). */
void nn_promote(nn_trace *t, nn_v *a, nn_v *b, const nn_ast *at);
nn_v nn_convert(nn_trace *t, nn_v x,
                nnc_dtype dt); /* tensor; value conversion of the language (saturating) */
nn_v nn_settle(
    nn_trace *t,
    nn_v x); /* a weak tensor takes its default dtype: i32 (i64 if known not to fit), float */
nn_v nn_settle_tree(nn_trace *t, nn_v v); /* every leaf */
nn_v nn_to_float(nn_trace *t, nn_v x);    /* integers and bools become float; weak stays weak */
/* An elementwise builtin over one G op, floats only (integers promote). */
nn_v nn_elementwise(nn_trace *t, nnc_opcode op, nn_v x, const nn_ast *at);
/* Numpy broadcasting with the language's rule for symbols; fails at `at`. */
void nn_check_broadcast(nn_trace *t, nn_v a, nn_v b, const nn_ast *at);
nnc_dtype nn_float_here(nn_trace *t); /* `float` of the signature around, else the file's */
nn_v nn_where(nn_trace *t, nn_v c, nn_v a, nn_v b, const nn_ast *at); /* trees leaf by leaf */
nn_v nn_matmul(nn_trace *t, nn_v a, nn_v b, const nn_ast *at);

/* ---- index.c ---- */
nn_v nn_index(nn_trace *t, nn_v base,
              const nn_ast *at_node); /* at_node: NN_at; base is a tensor or tree of tensors */
/* base with the indexed part replaced (op none) or combined (add, sub, mul, div) with v. */
nn_v nn_index_update(nn_trace *t, nn_v base, const nn_ast *at_node, nn_operator op, nn_v v);
nn_v nn_take(nn_trace *t, nn_v base, nn_v i,
             const nn_ast *at); /* base[i] for an integer i, every leaf */
nn_v nn_range_tensor(nn_trace *t, nn_v range, const nn_ast *at);
nn_v nn_stack(nn_trace *t, uint32_t n, const nn_v *item, int axis,
              const nn_ast *at); /* trees leaf by leaf */
nn_v nn_concat(nn_trace *t, uint32_t n, const nn_v *item, int axis, const nn_ast *at);

/* ---- env.c ---- */
nn_env *nn_env_push(nn_trace *t, nn_env_kind kind);
void nn_env_pop(nn_trace *t);
nn_slot *nn_lookup(nn_trace *t, nnc_sym name); /* local names of the present frame; NULL */
nn_slot *nn_bind(nn_trace *t, nnc_sym name, nn_v v,
                 const nn_ast *at); /* a new binding in the present block */
nn_decl *nn_find_decl(nn_trace *t, nn_unit *u, nnc_sym name,
                      const nn_ast *at); /* own, then imported; clash: error */
nn_v nn_decl_value(nn_trace *t, nn_decl *d, const nn_ast *at);
nn_v nn_builtin_value(nn_trace *t, const nn_builtin *b);
nn_v nn_mention(nn_trace *t,
                const nn_ast *name); /* the value of a name: local, file, import, builtin */

/* ---- expr.c, stmt.c, branch.c, flow.c, while.c, carry.c ---- */
nn_v nn_expr(nn_trace *t, const nn_ast *e);

/* Charge n expressions to the budget of the declaration; fails when it is used up. */
void nn_step(nn_trace *t, nnc_loc at, uint64_t n);
nn_v nn_block_value(nn_trace *t, const nn_ast *block); /* in the present environment */
nn_v nn_body(nn_trace *t, const nn_ast *body);         /* a block or an expression */
/* A block as a nested run-time region: own environment. */
nn_v nn_scoped(nn_trace *t, const nn_ast *block);
nn_v nn_for(nn_trace *t, const nn_ast *e, const nn_ast *hint);
nn_v nn_while(nn_trace *t, const nn_ast *e);
nn_v nn_if(nn_trace *t, const nn_ast *e);
nn_v nn_static_if(nn_trace *t, const nn_ast *e);
/* Assign to what `target` names: a name, a path, an indexed path, a tuple of those. */
void nn_assign(nn_trace *t, const nn_ast *target, nn_operator op, nn_v v);
/* Slots of enclosing environments (up to `top`) that a text assigns, by scanning it: variables that a region carries. */
typedef NNC_BUF(nn_slot *) nn_slots;
void nn_assigned(nn_trace *t, const nn_ast *text, nn_slots *out);

/* ---- call.c, types.c ---- */
nn_v nn_call(nn_trace *t, nn_v callee, const nn_args *args, const nn_ast *at);
nn_v nn_call1(nn_trace *t, nn_v callee, nn_v x, const nn_ast *at);
nn_v nn_with_statics(nn_trace *t, nn_v callee, const nn_args *statics,
                     const nn_ast *at);                                   /* f[..] */
nn_args nn_eval_statics(nn_trace *t, const nn_ast *items, unsigned from); /* of brackets */
nn_args nn_eval_args(nn_trace *t, const nn_ast *items,
                     unsigned from); /* children from `from` on: items of a call */
/* Match v against a declared type, binding symbols in the present environment (an NN_ENV_function); returns v converted
 * (weak ones settle to the declared dtype).  what: "argument 'x'", "the result". */
nn_v nn_match(nn_trace *t, nn_v v, const nn_ast *type, const nn_ast *at, const char *what);
/* A declared type without symbols left open (param, state, var): dtype and dims; fails when a symbol is not bound. */
nnc_type nn_declared_type(nn_trace *t, const nn_ast *type);
nnc_dtype nn_named_dtype(nn_trace *t,
                         nnc_sym name); /* 0: not a dtype; float and int by the frame */
/* The default of argument nodes, bodies of functions. */
nn_v nn_trace_function(nn_trace *t, nn_v callee, const nn_args *args, const nn_ast *at);

/* ---- builtins ---- */
typedef struct nn_bcall { /* one call of a builtin */
    const nn_args *statics, *args;
    const nn_ast *at;
    const struct nn_builtin *self;
} nn_bcall;
typedef nn_v (*nn_builtin_fn)(nn_trace *t, const nn_bcall *c);
struct nn_builtin {
    const char *name;
    const char *statics; /* names of static arguments: "stride=1 pad=0 ..dims"; "" none */
    const char *args;    /* names of arguments: "x axis? keep?"; "..x" any number */
    nn_builtin_fn fn;
    const char *doc; /* shapes and meaning, one line */
    bool effect;     /* allowed in experiments, tests and every blocks only */
    bool raw;        /* fn reads its arguments from the tree; they are not evaluated before */
    nn_v (*constant)(nn_trace *t); /* `pi`, `inf`, `none`: a value, not a function; else NULL */
};
const nn_builtin *nn_builtin_find(const nn_trace *t, nnc_sym name);
uint32_t nn_builtin_count(void);
const nn_builtin *nn_builtin_at(uint32_t i);
/* The argument called `name` of the signature, or NULL; fails on unknown, missing or doubled ones when first asked. */
nn_v nn_argument(nn_trace *t, const nn_bcall *c, const char *name);
nn_v nn_static(nn_trace *t, const nn_bcall *c, const char *name);
/* Tensors among them, as tensors. */
nn_v nn_arg_tensor(nn_trace *t, const nn_bcall *c, const char *name);
bool nn_arg_given(nn_trace *t, const nn_bcall *c, const char *name);
int64_t nn_static_int(nn_trace *t, const nn_bcall *c, const char *name, int64_t dflt);
/* `..dims` of the brackets as dimensions. */
int nn_static_dims(nn_trace *t, const nn_bcall *c, const char *name, nnc_dim *out);
/* axis = i or [i, j] -> sorted, non-negative, without repetition; none given: all axes (n = rank). */
unsigned nn_arg_axes(nn_trace *t, const nn_bcall *c, nn_v x, int64_t *axes);

/* ---- keys (key.c) ---- */
uint32_t nn_hash32(const char *s); /* FNV-1a */
nn_v nn_key_mention(nn_trace *t, const nn_ast *path, nn_v key, uint32_t bound_turns, nn_decl *top);
/* The text that a known value shows as; spec: what stands behind the colon of {x:.3f}. (text.c) */
const char *nn_value_text(nn_trace *t, nn_v v, const char *spec, const nn_ast *at);
/* ---- files (load.c), constants and data (data.c) ---- */
nn_v nn_const_value(nn_trace *t, nn_decl *d, const nn_ast *at);
nn_v nn_data_value(nn_trace *t, nn_decl *d, const nn_ast *at);
nn_unit *nn_load(nn_trace *t, const char *path,
                 const nn_ast *at); /* with its imports; NULL after diagnostics */
/* The same for a text in memory, ended by a NUL behind its `size` bytes; imports are looked for beside `path`. */
nn_unit *nn_load_text(nn_trace *t, const char *path, const char *text, size_t size);
nn_trace *nn_trace_new(nnc_arena *a, nnc_diag *d, const char *library);
/* Names: everything mentioned is declared somewhere, also in templates that nobody calls. */
void nn_resolve(nn_trace *t, nn_unit *u);
/* Start and end a root graph called `name`. */
void nn_root_begin(nn_trace *t, const char *name, nnc_loc loc);
void nn_root_end(nn_trace *t, uint32_t n, const nn_v *results);
/* Everything that `nnc check` does: names, then every root traced. */
nnc_status nn_check(nn_trace *t, nn_unit *u);
#endif
