/* net.c from its parts.  Functions are written into memory first, because only then is known which helpers, vector
 * types and headers they need. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "codegen/c/c.h"

static bool has_vectors(const c_cgen *g)
{
    return g->vectors.n != 0;
}

/* When the vector form is the right one: the machine class that the model was scheduled for. */
static const char *guard(const c_cgen *g)
{
    const char *t = g->opt->target ? g->opt->target->name : "";

    if (!strcmp(t, "avx512"))
        return "defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__)";
    if (!strcmp(t, "avx2"))
        return "defined(__AVX2__) && defined(__FMA__)";
    if (!strcmp(t, "neon"))
        return "defined(__ARM_NEON)";
    return "1";
}

static void vector_prelude(c_cgen *g, FILE *f)
{
    if (!has_vectors(g))
        return;
    fprintf(f, "\n#if defined(__GNUC__) && %s && !defined(%s_PORTABLE)\n#define VECTORS\n#endif\n",
            guard(g), g->upper);
    fprintf(f, "\n#ifdef VECTORS\n");
    if (g->immintrin_h)
        fprintf(f,
                "#if defined(__x86_64__) || defined(__i386__)\n#include <immintrin.h>\n#endif\n");
    if (g->arm_neon_h)
        fprintf(f, "#if defined(__ARM_NEON)\n#include <arm_neon.h>\n#endif\n");
    c_vector_types(g, f);
    fprintf(f, "#define LOAD(type, p) ((type)*(const type##_u *)(p))\n#define STORE(type, p) "
               "(*(type##_u *)(p))\n"
               "#define SPLAT(type, x) ((x) - (type){0})\n");
    fprintf(f,
            "#if defined(__clang__) && defined(__AVX512F__) /* else clang stays at 256 bits */\n"
            "#define WIDE __attribute__((min_vector_width(512)))\n#else\n#define WIDE\n#endif\n");
    if (g->keep)
        fprintf(f, "#if defined(__clang__) /* gcc reads memory again rather than keep a vector in "
                   "a register */\n#define KEEP(x) (void)0\n"
                   "#elif defined(__x86_64__)\n#define KEEP(x) __asm__(\"\" : \"+v\"(x))\n"
                   "#elif defined(__aarch64__)\n#define KEEP(x) __asm__(\"\" : "
                   "\"+w\"(x))\n#else\n#define KEEP(x) (void)0\n#endif\n");
    fprintf(f, "#endif\n");
}

static void prelude(c_cgen *g, FILE *f)
{
    fprintf(f, "/* %s.c - made by nnc.  The interface is described in %s.h. */\n", g->name,
            g->name);
    fprintf(f, "#include \"%s.h\"\n", g->name);
    if (g->math_h)
        fprintf(f, "#include <math.h>\n");
    if (g->string_h)
        fprintf(f, "#include <string.h>\n");
    if (g->opt->reproducible)
        fprintf(f, "\n#if defined(__clang__) /* each product is rounded, on every machine */\n"
                   "#pragma STDC FP_CONTRACT OFF\n#elif defined(__GNUC__)\n"
                   "#pragma GCC optimize(\"fp-contract=off\")\n#endif\n");
    else
        fprintf(f, "\n#if defined(__GNUC__) && !defined(__clang__)\n"
                   "#pragma GCC optimize(\"fp-contract=fast\") /* -std=c99 turns fused "
                   "multiply-add off */\n#endif\n");
    bool aligned = g->weight.n && g->mode == NNC_WEIGHTS_strings;
    const char *gnu = aligned ? "#define ALIGNED __attribute__((aligned(64)))\n" : "",
               *other = aligned ? "#define ALIGNED\n" : "";
    if (g->kernels) /* kernels as functions of their own keep reuse of memory under another type apart, and compile faster */
        fprintf(f,
                "#ifdef __GNUC__\n#define KERNEL __attribute__((noinline))\n%s#else\n#define "
                "KERNEL\n%s#endif\n",
                gnu, other);
    else if (aligned)
        fprintf(f, "#ifdef __GNUC__\n%s#else\n%s#endif\n", gnu, other);
    vector_prelude(g, f);
}

static void put_section(c_cgen *g, FILE *f, unsigned section, const char *condition)
{
    nnc_text t;

    nnc_text_begin(&t);
    c_helpers(g, t.f, section);
    const char *s = nnc_text_end(&t, g->a);
    if (*s)
        fprintf(f, "%s%s%s", condition ? condition : "", s, condition ? "#endif\n" : "");
}

/* The JSON as a C string, in pieces below the length that C99 promises. */
static void describe(c_cgen *g, FILE *f)
{
    const char *s = c_describe(g);
    size_t n = 0;

    if (strlen(s) > 4000) /* one literal may not be longer: build it from characters */
        fprintf(f, "\nconst char *%s_describe(void)\n{\n    static const char text[] = {", g->name);
    else
        fprintf(f, "\nconst char *%s_describe(void)\n{\n    return \"", g->name);
    bool numbers = strlen(s) > 4000;
    for (; *s; s++) {
        if (numbers)
            fprintf(f, "%s%d,", n++ % 24 ? " " : "\n        ", *s);
        else if (*s == '"' || *s == '\\')
            fprintf(f, "\\%c", *s);
        else if (isprint((unsigned char)*s) && *s != '?')
            fputc(*s, f);
        else
            fprintf(f, "\\%03o", (unsigned char)*s);
    }
    fprintf(f, numbers ? " 0\n    };\n    return text;\n}\n" : "\";\n}\n");
}

static const char *const reserved[] = {"weights", "weights_fit", "LOAD",    "STORE",   "SPLAT",
                                       "WIDE",    "KERNEL",      "VECTORS", "ALIGNED", "KEEP"};

static void prepare(c_cgen *g)
{
    g->globals = nnc_names_new(g->a, NULL);
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        nnc_names_reserve(g->globals, reserved[i]);
    nnc_names_reserve(g->globals, c_fmt(g, "%s_%s", g->name, g->verb));
    nnc_names_reserve(g->globals, c_fmt(g, "%s_init", g->name));
    nnc_names_reserve(g->globals, c_fmt(g, "%s_describe", g->name));
    if (g->parallel)
        for (const char *const *s = c_parallel_names; *s; s++)
            nnc_names_reserve(g->globals, *s);
    g->function = nnc_arena_array(g->a, g->m->op.n, sizeof *g->function);
    g->alias = nnc_arena_array(g->a, g->m->op.n, sizeof *g->alias);
    g->ident = nnc_arena_array(g->a, g->m->value.n, sizeof *g->ident);
    g->cell = nnc_arena_array(g->a, g->m->value.n, sizeof *g->cell);
    g->flow = nnc_flow_new(g->m, g->a);
}

nnc_status nnc_emit_c(nnc_module *m, const nnc_emit_options *opt, FILE *c, FILE *h, FILE *bin)
{
    c_cgen g;
    nnc_text weights, code;

    NNC_TRY(c_begin(&g, m, opt));
    if (g.mode == NNC_WEIGHTS_bin && !bin)
        return nnc_error(m->diag, (nnc_loc){0}, "the weights (%llu bytes) need a file of their own",
                         (unsigned long long)g.face.weights);
    prepare(&g);
    nnc_text_begin(&weights);
    c_weights_text(&g, weights.f);
    nnc_text_begin(&code);
    c_kernels(&g, code.f);
    if (g.state)
        c_state_init(&g, code.f);
    c_entry(&g, code.f);
    fclose(weights.f);
    fclose(code.f);
    if (g.status == NNC_OK) {
        prelude(&g, c);
        put_section(&g, c, C_COMMON, NULL);
        put_section(&g, c, C_VECTOR, "\n#ifdef VECTORS");
        put_section(&g, c, C_PORTABLE, "\n#ifndef VECTORS");
        if (g.parallel)
            c_parallel_pool(&g, c);
        fwrite(weights.at, 1, weights.n, c);
        fwrite(code.at, 1, code.n, c);
        if (opt->describe)
            describe(&g, c);
        c_header(&g, h);
        if (g.mode == NNC_WEIGHTS_bin)
            c_weights_bin(&g, bin);
    }
    free(weights.at);
    free(code.at);
    if (g.status == NNC_OK && (ferror(c) || ferror(h) || (bin && ferror(bin))))
        return nnc_error(m->diag, (nnc_loc){0}, "cannot write: %s", strerror(errno));
    return g.status;
}
