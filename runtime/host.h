/* runtime/host.h - what a compiled `.nn` program asks of the world, as tables the compiler writes.
 *
 * An experiment is one compiled graph.  Where it needs the outside it calls
 *
 *     host->call(host->context, id, data, dim)      non-zero: stop, hand the number up
 *
 * with the operands, then the results, of that place: dense, row-major; dim[k] are the sizes of data[k].  `id` is a row
 * of nnp_program.host, which says what to do and how the operands are to be read.  All tables are constant, made of
 * plain C structs, so that a compiler may print them as C or hold them in memory.
 *
 * A position in `data` is an int; NNP_NONE means "not given". */
#ifndef NNC_RUNTIME_HOST_H
#define NNC_RUNTIME_HOST_H
#include <stddef.h>
#include <stdint.h>

enum { NNP_NONE = -1, NNP_MAX_RANK = 8 };

/* Small floats travel as their bits, integers of fewer than 8 bits one per byte, bool and key words as below. */
typedef enum nnp_dtype {
    NNP_F64,
    NNP_F32,
    NNP_F16,
    NNP_BF16,
    NNP_F8E4M3,
    NNP_F8E5M2,
    NNP_I64,
    NNP_I32,
    NNP_I16,
    NNP_I8, /* also i4, i2 */
    NNP_U64,
    NNP_U32,
    NNP_U16,
    NNP_U8,   /* also u4, u2, u1 */
    NNP_BOOL, /* one byte, 0 or 1 */
    NNP_STR,  /* int32 index into the strings of its nnp_value */
} nnp_dtype;

/* ---- graphs ---- */

typedef struct nnp_host {
    int (*call)(void *context, int id, void *const *data, const size_t *const *dim);
    void *context;
} nnp_host;

typedef struct nnp_tensor {
    nnp_dtype dtype;
    int rank;
    size_t dim[NNP_MAX_RANK]; /* the sizes; upper bounds where they are known only at run time */
} nnp_tensor;

typedef struct nnp_graph nnp_graph;
typedef struct nnp_arguments {
    void *const *data; /* inputs, then outputs (room for the upper bounds) */
    size_t *const *
        dim; /* their sizes: of inputs given, of outputs preset to the bounds, the graph may lower them */
    const nnp_host *host; /* to be handed to every host call of this graph */
    void *workspace;      /* nnp_graph.workspace bytes, aligned to 64 */
} nnp_arguments;
struct nnp_graph {
    const char *name;
    int ninput, noutput;
    const nnp_tensor *input, *output;
    size_t workspace;
    /* 0, what a host call gave, or a status of the graph's own (text from nnp_program.status).  Reentrant. */
    int (*run)(const nnp_graph *self, const nnp_arguments *arguments);
    void *self; /* for `run` alone: an interpreter keeps its graph here */
};

/* Where input k of a graph that a host op runs comes from. */
typedef enum nnp_source {
    NNP_CAPTURE, /* operand `at` as it is */
    NNP_SLICE,   /* operand `at` at the index of `axis` of the sweep: its first dimension is gone */
    NNP_INDEX,   /* the index of the point along `axis`: i64 scalar */
} nnp_source;
typedef struct nnp_input {
    nnp_source source;
    int at, axis;
} nnp_input;

/* ---- operands with their labels ---- */

/* What the places along one axis of a tensor stand for: texts known when compiling ("4", "0.5", "true", "adam"), or
 * the elements of operand `at` (rank 1), or neither: then places are counted from 0.  A name alone may be given. */
typedef struct nnp_axis {
    const char *name; /* NULL: no label */
    int count;
    const char *const *text; /* [count] or NULL */
    int at;                  /* run-time values, or NNP_NONE; used when text is NULL */
    nnp_dtype dtype;         /* of operand `at` */
} nnp_axis;

typedef struct nnp_value {
    int at;
    nnp_dtype dtype;
    int rank;
    const nnp_axis *axis;       /* [rank] or NULL */
    const char *const *strings; /* NNP_STR: what the indices mean */
    int nstring;
} nnp_value;

typedef struct nnp_item {
    const char *name; /* "acc", "conv1.w"; NULL or "": none */
    nnp_value value;
} nnp_item;

/* ---- host ops ---- */

/* report(step = i, loss = l): a progress line and a line of the log.  step, steps, samples and seconds left are worked
 * out when step (counted from 0) and steps are given; `samples` is what one step consumes. */
typedef struct nnp_report {
    int n;
    const nnp_item *item;
    int step, steps, samples; /* operands (integer scalars) or NNP_NONE, and their dtypes */
    nnp_dtype step_dtype, steps_dtype, samples_dtype;
} nnp_report;

/* print("a {x:.3f} b"): pieces in order.  A piece is text (value < 0), or item[value] by its spec: what stands behind
 * the colon, "" for none: [< > ^ or -][+][0][width][.digits][d e f g x b s %].  `-` is `<`. */
typedef struct nnp_piece {
    const char *text;
    int value;
    const char *spec;
} nnp_piece;
typedef struct nnp_print {
    int npiece, nvalue;
    const nnp_piece *piece;
    const nnp_value *value;
} nnp_print;

/* table("title", acc = a, ..): the items' common leading axes are the rows, what an item has beyond them are columns.  A
 * single item of rank 2 or more keeps its last axis for the columns. */
typedef struct nnp_table {
    const char *title;
    int n;
    const nnp_item *item;
    const nnp_axis *rows; /* names for the first axis, or NULL */
} nnp_table;

/* plot("title", y, z, x = t): the last axis of an item runs along x; leading axes make more curves. */
typedef enum nnp_plot_style { NNP_LINES, NNP_POINTS, NNP_BARS } nnp_plot_style;
typedef struct nnp_plot {
    const char *title;
    int n;
    const nnp_item *item;
    /* rank 1, or shaped like the items; NULL: labels of the last axis, else 0, 1, .. */
    const nnp_value *x;
    const char *x_label, *y_label; /* NULL: the axis' name, and the items' when there is one only */
    int log_x, log_y;
    nnp_plot_style style;
} nnp_plot;

/* save(value, "file"): .npy (one item), .npz, .safetensors.  A relative name lies in the results folder. */
typedef struct nnp_save {
    const char *file;
    int n;
    const nnp_item *item;
} nnp_save;

/* claim "text": all parts must hold everywhere.  A part is one comparison (or one bool value) of one leaf: `a and b`, chains
 * and records give several. */
typedef enum nnp_compare { NNP_TRUE, NNP_EQ, NNP_NE, NNP_LT, NNP_LE, NNP_GT, NNP_GE } nnp_compare;
typedef struct nnp_part {
    const char *name;      /* of the leaf, or NULL */
    nnp_value verdict;     /* bool, any shape; its axes carry the labels */
    nnp_compare op;        /* NNP_TRUE: left and right are not given (.at = NNP_NONE) */
    nnp_value left, right; /* shapes broadcast to the verdict's (aligned at the right) */
    nnp_value tolerance;   /* `within`, or .at = NNP_NONE */
    nnp_value where;       /* bool mask over the verdict's leading axes, or .at = NNP_NONE */
    const char *fixed;     /* labels that indexing has fixed: "w = 4", or NULL */
} nnp_part;
typedef struct nnp_claim {
    const char *text;
    int n;
    const nnp_part *part;
} nnp_claim;

/* assert e, "text"; an index that is only known when it runs asserts that it is in range. */
typedef struct nnp_assert {
    const char *text;   /* the message, or the text of the expression */
    const char *source; /* its line and a caret below it, both ended by a newline; or NULL */
    int n;
    const nnp_value *verdict;
} nnp_assert;

/* sweep: one axis per head.  Static heads (count known, `choose` set) choose the variant: variant[row-major index over the
 * static axes].  Results k of the host op, data[noperand + k], are output k of the variants, stacked: [axes.., leaf..]. */
typedef struct nnp_head {
    nnp_axis label; /* name and values, for claims and progress */
    int choose;     /* 1: a static head */
    int count;      /* number of points, or NNP_NONE: the first dimension of operand `at` */
    int at;         /* a run-time head's (first) array, or NNP_NONE */
} nnp_head;
typedef struct nnp_variant {
    int graph;              /* of nnp_program.graph */
    const nnp_input *input; /* [ninput of the graph] */
} nnp_variant;
typedef struct nnp_sweep {
    int nhead, nvariant;
    const nnp_head *head;
    const nnp_variant *variant;
    int noperand, nresult;
    int alone; /* points measure time: one after the other, nothing else runs */
} nnp_sweep;

/* seconds(f, args..): the graph is run repeatedly; data[result] is an f64 scalar. */
typedef struct nnp_seconds {
    nnp_variant call;
    int result;
} nnp_seconds;

typedef enum nnp_kind {
    NNP_REPORT,
    NNP_PRINT,
    NNP_TABLE,
    NNP_PLOT,
    NNP_SAVE,
    NNP_CLAIM,
    NNP_ASSERT,
    NNP_SWEEP,
    NNP_SECONDS,
} nnp_kind;
typedef struct nnp_host_op {
    nnp_kind kind;
    const char *where;  /* "file.nn:12:3", for messages */
    const void *detail; /* the struct of that kind */
} nnp_host_op;

/* ---- a program ---- */

/* A large tensor that graphs only read. */
typedef struct nnp_data {
    const char *name;
    nnp_tensor type;
    size_t offset; /* bytes into nnp_program.data; a multiple of 64 */
} nnp_data;

typedef struct nnp_experiment {
    const char *name;
    int test;         /* a `test`, not an `experiment` */
    int graph;        /* its inputs are the program's data; outputs are dropped */
    const int *input; /* [ninput] rows of nnp_program.dataset */
} nnp_experiment;

typedef struct nnp_program {
    const char *name; /* "mlp": also the name of the results folder, mlp.results */
    int nexperiment, nhost, ngraph, ndata;
    const nnp_experiment *experiment;
    const nnp_host_op *host;
    const nnp_graph *graph;
    const nnp_data *dataset;
    const void *
        data; /* the bytes, or NULL: in the file `data_file` beside the program, mapped at the start */
    const char *data_file; /* or NULL */
    size_t data_bytes;
    const char *(*status)(int code); /* of the graphs' own statuses, or NULL */
} nnp_program;

typedef struct nnp_options {
    int threads;     /* for sweeps; 0: one per core */
    const char *out; /* results folder; NULL: NAME.results for experiments, nothing for tests */
    int quiet;       /* failed claims and the summary only */
    int color;       /* -1: when stdout is a terminal and NO_COLOR is not set */
    int tests;       /* run tests instead of experiments when no name is given */
    int nname;
    const char *const *name; /* what to run; none: all */
} nnp_options;

/* Exit codes: 0 all claims hold, 1 a claim or assertion failed, 2 wrong usage, 4 the system failed (files, memory) or the
 * graph did, 130 interrupted. */
enum { NNP_OK = 0, NNP_FAILED = 1, NNP_USAGE = 2, NNP_SYSTEM = 4, NNP_INTERRUPTED = 130 };

/* Is this a spec that `print` knows? */
int nnp_spec_valid(const char *spec);
int nnp_run(const nnp_program *p, const nnp_options *o);
/* [NAME..] [--test] [--list] [--threads=N] [--out=DIR] [--quiet] [--color|--no-color] [--help] */
int nnp_main(const nnp_program *p, int argc, char **argv);
#endif
