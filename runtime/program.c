/* The main function of a compiled model: .npy in, .npy out. */
#include "program.h"
#include "npy.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OK = 0, FAILED = 1, USAGE = 2, SYSTEM = 4 };
enum { CACHE_LINE = 64 };
struct state {
    const program *p;
    void **in, **out;
    const char **out_path;
    size_t *symbol;
    int repeat;
};

static int complain(const struct state *s, const char *what, const char *name, const char *why)
{
    fprintf(stderr, "%s: error: %s '%s': %s\n", s->p->name, what, name, why);
    return FAILED;
}

static int usage(const program *p)
{
    printf("usage: PROGRAM --input NAME=FILE.npy ... [--output NAME=FILE.npy ...] [--repeat N]\n");
    for (int i = 0; i < p->ninput; i++) {
        printf("  input  %s: %s [", p->input[i].name, p->input[i].dtype);
        for (int d = 0; d < p->input[i].rank; d++)
            if (p->input[i].dim[d] < 0)
                printf("%s%s", d ? ", " : "", p->symbol[-p->input[i].dim[d] - 1].name);
            else
                printf("%s%lld", d ? ", " : "", p->input[i].dim[d]);
        printf("]\n");
    }
    for (int i = 0; i < p->noutput; i++)
        printf("  output %s: %s, rank %d\n", p->output[i].name, p->output[i].dtype,
               p->output[i].rank);
    return OK;
}

static int find(const program_tensor *t, int n, const char *name, size_t len)
{
    for (int i = 0; i < n; i++)
        if (strlen(t[i].name) == len && !memcmp(t[i].name, name, len))
            return i;
    return -1;
}

static int no_such(const struct state *s, const char *arg, const char *what,
                   const program_tensor *t, int n)
{
    complain(s, "argument", arg, "expected NAME=FILE.npy with one of these names:");
    for (int i = 0; i < n; i++)
        fprintf(stderr, "  %s %s: %s\n", what, t[i].name, t[i].dtype);
    return USAGE;
}

/* Sizes against the declared ones; a symbol takes its first value. */
static int match_dims(struct state *s, const program_tensor *t, const npy *a)
{
    static char text[200];
    if (a->rank != t->rank) {
        snprintf(text, sizeof text, "has %d dimensions, expected %d", a->rank, t->rank);
        return complain(s, "input", t->name, text);
    }
    for (int d = 0; d < t->rank; d++) {
        size_t want = 0;
        if (t->dim[d] >= 0) {
            want = (size_t)t->dim[d];
        } else {
            size_t *v = &s->symbol[-t->dim[d] - 1];
            const program_symbol *sy = &s->p->symbol[-t->dim[d] - 1];
            if (*v == SIZE_MAX && (a->dim[d] < sy->lo || a->dim[d] > sy->hi)) {
                snprintf(text, sizeof text,
                         "dimension %d (%s) is %zu, the program was compiled for %zu..%zu", d,
                         sy->name, a->dim[d], sy->lo, sy->hi);
                return complain(s, "input", t->name, text);
            }
            if (*v == SIZE_MAX)
                *v = a->dim[d];
            want = *v;
        }
        if (a->dim[d] != want) {
            snprintf(text, sizeof text, "dimension %d is %zu, expected %zu", d, a->dim[d], want);
            return complain(s, "input", t->name, text);
        }
    }
    return OK;
}

static int load_input(struct state *s, const char *arg)
{
    const char *eq = strrchr(arg, '='), *error;
    int i = eq ? find(s->p->input, s->p->ninput, arg, (size_t)(eq - arg)) : -1;
    if (i < 0)
        return no_such(s, arg, "input", s->p->input, s->p->ninput);
    npy a;
    if (npy_read(eq + 1, &a, &error))
        return complain(s, "file", eq + 1, error);
    const program_tensor *t = &s->p->input[i];
    char kind, text[160];
    int bytes;
    npy_dtype(t->dtype, &kind, &bytes);
    if (a.bytes != bytes || (a.kind != kind && !(kind == 'V' && a.kind == 'u'))) {
        snprintf(text, sizeof text, "elements are '%c%d', expected %s", a.kind, a.bytes, t->dtype);
        npy_free(&a);
        return complain(s, "input", t->name, text);
    }
    if (match_dims(s, t, &a)) {
        npy_free(&a);
        return FAILED;
    }
    free(s->in[i]);
    s->in[i] = a.data;
    return OK;
}

static int name_output(struct state *s, const char *arg)
{
    const char *eq = strrchr(arg, '=');
    int k = eq ? find(s->p->output, s->p->noutput, arg, (size_t)(eq - arg)) : -1;
    if (k < 0)
        return no_such(s, arg, "output", s->p->output, s->p->noutput);
    s->out_path[k] = eq + 1;
    return OK;
}

/* The value of option `name` at argv[*i], as the next argument or behind a '='; NULL when it is another option. */
static const char *value_of(const char *name, int argc, char **argv, int *i)
{
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n))
        return NULL;
    if (argv[*i][n] == '=')
        return argv[*i] + n + 1;
    return !argv[*i][n] && *i + 1 < argc ? argv[++*i] : NULL;
}

static int parse(struct state *s, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *v;
        int code = OK;
        if ((v = value_of("--input", argc, argv, &i)) != NULL) {
            code = load_input(s, v);
        } else if ((v = value_of("--output", argc, argv, &i)) != NULL) {
            code = name_output(s, v);
        } else if ((v = value_of("--repeat", argc, argv, &i)) != NULL) {
            s->repeat = atoi(v);
            if (s->repeat < 1) {
                complain(s, "--repeat", v, "expected a number from 1 up");
                code = USAGE;
            }
        } else {
            complain(s, "argument", argv[i], "unknown, or its value is missing (see --help)");
            code = USAGE;
        }
        if (code)
            return code;
    }
    for (int i = 0; i < s->p->ninput; i++)
        if (!s->in[i])
            return complain(s, "input", s->p->input[i].name,
                            "is missing: --input NAME=FILE.npy (see --help)");
    return OK;
}

static void print_value(char kind, int bytes, const char *p)
{
    double d;
    float f;
    int64_t i = 0;
    if (kind == 'f' && bytes == 8) {
        memcpy(&d, p, 8);
        printf(" %.9g", d);
    } else if (kind == 'f' && bytes == 4) {
        memcpy(&f, p, 4);
        printf(" %.6g", (double)f);
    } else {
        memcpy(&i, p, (size_t)bytes);
        if (kind == 'i' && bytes < 8 && (i >> (8 * bytes - 1)) & 1)
            i -= (int64_t)1 << 8 * bytes;
        printf(kind == 'f' || kind == 'V' ? " 0x%llx" : " %lld", (long long)i);
    }
}

static void summarise(const program_tensor *t, const npy *a)
{
    printf("%s: %s [", t->name, t->dtype);
    for (int d = 0; d < a->rank; d++)
        printf("%s%zu", d ? ", " : "", a->dim[d]);
    printf("]");
    size_t n = npy_count(a);
    for (size_t i = 0; i < n && i < 8; i++)
        print_value(a->kind, a->bytes, (const char *)a->data + i * (size_t)a->bytes);
    printf(n > 8 ? " ...\n" : "\n");
}

static int save_outputs(struct state *s)
{
    int any = 0;
    for (int i = 0; i < s->p->noutput; i++)
        any |= s->out_path[i] != NULL;
    for (int i = 0; i < s->p->noutput; i++) {
        const program_tensor *t = &s->p->output[i];
        npy a = {.rank = t->rank, .data = s->out[i]};
        const char *error;
        npy_dtype(t->dtype, &a.kind, &a.bytes);
        s->p->dims(i, s->symbol, a.dim);
        if (!any)
            summarise(t, &a);
        else if (s->out_path[i] && npy_write(s->out_path[i], &a, &error))
            return complain(s, "file", s->out_path[i], error);
    }
    return OK;
}

static int run(struct state *s)
{
    const program *p = s->p;
    char *raw = malloc(p->workspace + CACHE_LINE + 1);
    for (int i = 0; i < p->noutput; i++)
        s->out[i] = malloc(p->output[i].bytes + 1);
    if (!raw)
        return complain(s, "workspace", "", "out of memory");
    void *work = (void *)(((uintptr_t)raw + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
    clock_t start = clock();
    int code = 0;
    for (int i = 0; i < s->repeat && !code; i++)
        code = p->run(s->in, s->out, s->symbol, work);
    double ms = (double)(clock() - start) * 1e3 / CLOCKS_PER_SEC;
    free(raw);
    if (code)
        return complain(s, "model", p->name, p->status(code));
    if (s->repeat > 1)
        fprintf(stderr, "%s: %d runs, %.6g ms each (CPU time)\n", p->name, s->repeat,
                ms / s->repeat);
    return save_outputs(s);
}

int program_main(const program *p, int argc, char **argv)
{
    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
        return usage(p);
    size_t nin = (size_t)p->ninput + 1, nout = (size_t)p->noutput + 1, ns = (size_t)p->nsymbol + 1;
    struct state s = {p,
                      calloc(nin, sizeof(void *)),
                      calloc(nout, sizeof(void *)),
                      calloc(nout, sizeof(char *)),
                      calloc(ns, sizeof(size_t)),
                      1};
    int code = SYSTEM;
    if (s.in && s.out && s.out_path && s.symbol) {
        for (int i = 0; i < p->nsymbol; i++)
            s.symbol[i] = SIZE_MAX;
        code = parse(&s, argc, argv);
        if (!code)
            code = run(&s);
    }
    for (int i = 0; s.in && i < p->ninput; i++)
        free(s.in[i]);
    for (int i = 0; s.out && i < p->noutput; i++)
        free(s.out[i]);
    free(s.in);
    free(s.out);
    free(s.out_path);
    free(s.symbol);
    return code;
}
