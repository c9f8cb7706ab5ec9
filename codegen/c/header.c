/* net.h */
#include <string.h>
#include "codegen/c/c.h"

static void comment(c_cgen *g, FILE *f, const c_field *x)
{
    fprintf(f, "\n/* %s: %s", c_comment(g->a, x->label, 60), c_tensor_text(g, x));
    if (c_is_small_float(c_dtype(g, x->arg)))
        fprintf(f, ", as bits");
    fprintf(f, " */\n");
}

static void tensor_macros(c_cgen *g, FILE *f, const c_field *x)
{
    const nnc_type_rec t = *nnc_value_ty(g->m, x->arg);
    const char *kind = x->role == C_INPUT ? "INPUT" : x->role == C_OUTPUT ? "OUTPUT" : "STATE";
    const char *p = c_fmt(g, "%s_%s_%s", g->upper, kind, x->macro);
    const char *dims = "";
    int64_t n = nnc_type_count(g->m, nnc_value_type(g->m, x->arg));

    comment(g, f, x);
    fprintf(f, "#define %s_RANK %d\n", p, t.rank);
    for (int i = 0; i < t.rank; i++) {
        long long hi = (long long)nnc_dim_hi(g->m->dims, t.dim[i]);
        bool bound = !nnc_dim_is_const(t.dim[i]);
        fprintf(f, "#define %s_DIM%d %lld%s\n", p, i, hi,
                bound ? c_fmt(g, " /* at most: %s */", nnc_dim_text(g->m->dims, t.dim[i])) : "");
        dims = c_fmt(g, "%s%s%lld", dims, i ? ", " : "", hi);
    }
    if (t.rank)
        fprintf(f, "#define %s_DIMS {%s}\n", p, dims);
    fprintf(f, "#define %s_DTYPE %d /* %s, numbered as in ONNX */\n", p,
            nnc_dtype_infos[t.dtype].onnx, nnc_dtype_infos[t.dtype].numpy);
    fprintf(f, "#define %s_ELEMENTS %lld\n", p, (long long)n);
    fprintf(f, "#define %s_BYTES %lld\n", p,
            (long long)n * (long long)nnc_dtype_bytes((nnc_dtype)t.dtype));
}

static void structure(c_cgen *g, FILE *f, bool inputs)
{
    unsigned n = 0;

    fprintf(f, "typedef struct %s_%s {\n", g->name, inputs ? "inputs" : "outputs");
    if (inputs && g->host) {
        fprintf(f, "    const %s_host *host; /* functions of the program that the model calls */\n",
                g->name);
        n++;
    }
    if (inputs && g->parallel) {
        fprintf(f, "    const %s_parallel *parallel; /* NULL: all in the thread that calls */\n",
                g->name);
        n++;
    }
    if (inputs && g->face.weights_in_file) {
        fprintf(f,
                "#ifndef %s_WEIGHTS_SYMBOL\n    const void *weights; /* %s.bin in memory, aligned "
                "to 16; checked */\n#endif\n",
                g->upper, g->name);
        n++;
    }
    for (uint32_t i = 0; i < g->field.n; i++) {
        const c_field *x = &g->field.at[i];
        if (x->role == C_STATE || (x->role == C_INPUT || x->role == C_SYMBOL) != inputs)
            continue;
        n++;
        switch (x->role) {
        case C_SYMBOL:
            fprintf(f, "    size_t %s; /* %lld..%lld */\n", x->field, (long long)x->lo,
                    (long long)x->hi);
            break;
        case C_SYMBOL_OUT:
            fprintf(f, "    size_t *%s; /* set by the run, at most %lld */\n", x->field,
                    (long long)x->hi);
            break;
        default:
            fprintf(f, "    %s%s *%s; /* %s */\n", inputs ? "const " : "",
                    c_storage(c_dtype(g, x->arg)), x->field, c_tensor_text(g, x));
            break;
        }
    }
    if (!n)
        fprintf(f, "    char none; /* C wants a member */\n");
    fprintf(f, "} %s_%s;\n\n", g->name, inputs ? "inputs" : "outputs");
}

static void host_type(c_cgen *g, FILE *f)
{
    fprintf(
        f,
        "/* Functions of the program that the model calls, by number.  data: the operands, then "
        "the "
        "results to be filled, dense and\n"
        " * row-major; dim[i]: the sizes of data[i] (NULL for a single number).  Anything but 0 "
        "ends the run with %s_ERR_HOST. */\n"
        "typedef struct %s_host {\n    void *context;\n"
        "    int (*call)(void *context, int id, void *const *data, const size_t *const *dim);\n"
        "} %s_host;\n\n",
        g->upper, g->name, g->name);
}

static void manual(c_cgen *g, FILE *f)
{
    const char *u = g->upper, *n = g->name;

    fprintf(f,
            " * %s_%s computes the outputs from the inputs.  It keeps nothing between calls and "
            "uses no memory but its arguments: the\n"
            " * workspace needs %s_WORKSPACE_BYTES at an address that is a multiple of "
            "%s_WORKSPACE_ALIGN (a multiple of\n"
            " * 64 is faster where there are vectors) and may be used for other things between "
            "calls.  Tensors are dense and row-major; no two of them may overlap.  Dimensions that "
            "may vary are\n"
            " * arguments of type size_t; their macros give the largest value.",
            n, g->verb, u, u);
    if (g->state)
        fprintf(f,
                "\n * The state is the caller's: %s_init fills it, each call of %s_%s goes on "
                "from it, in place.  It holds numbers only, so a copy of\n"
                " * its bytes can be kept and put back.",
                n, n, g->verb);
    fprintf(f, " */\n");
}

void c_header(c_cgen *g, FILE *f)
{
    const char *u = g->upper, *n = g->name;

    fprintf(f, "/* %s.h - made by nnc.\n *\n", n);
    manual(g, f);
    fprintf(f, "#ifndef %s_H\n#define %s_H\n#include <stddef.h>\n#include <stdint.h>\n\n", u, u);
    fprintf(f, "#define %s_HASH \"%016llx\" /* of code and weights */\n", u,
            (unsigned long long)g->face.hash);
    fprintf(f,
            "#define %s_WORKSPACE_BYTES %llu\n#define %s_WORKSPACE_ALIGN %llu\n#define "
            "%s_WEIGHTS_BYTES %llu\n",
            u, (unsigned long long)(g->face.workspace ? g->face.workspace : 1), u,
            (unsigned long long)g->face.align, u, (unsigned long long)g->face.weights);
    for (uint32_t i = 0; i < g->field.n; i++)
        if (g->field.at[i].role != C_SYMBOL && g->field.at[i].role != C_SYMBOL_OUT)
            tensor_macros(g, f, &g->field.at[i]);
    fprintf(f, "\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    fprintf(f,
            "enum {\n    %s_OK = 0,\n    %s_ERR_ARGUMENT = 1, /* a pointer is NULL, or the "
            "workspace is not aligned */\n"
            "    %s_ERR_SHAPE = 2,    /* a size is out of its bounds; nothing was written */\n"
            "    %s_ERR_CHECK = 3,    /* the model itself refuses these inputs */\n"
            "    %s_ERR_WEIGHTS = 4%s  /* the weights do not belong to this code */\n",
            u, u, u, u, u, g->host ? "," : " ");
    if (g->host)
        fprintf(f, "    %s_ERR_HOST = 5      /* a function of the program failed */\n", u);
    fprintf(f, "};\n\n");
    if (g->host)
        host_type(g, f);
    if (g->parallel)
        c_parallel_types(g, f);
    structure(g, f, true);
    structure(g, f, false);
    if (g->state) {
        c_state_struct(g, f);
        c_state_prototype(g, f);
        fprintf(f, ";\n");
    }
    c_entry_prototype(g, f);
    fprintf(f, ";\n");
    if (g->opt->describe)
        fprintf(f, "const char *%s_describe(void); /* the interface as JSON */\n", n);
    fprintf(f, "\n#ifdef __cplusplus\n}\n#endif\n#endif\n");
}
