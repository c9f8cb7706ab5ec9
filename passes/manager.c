/* The pass manager.
 *
 * The pipeline is the table passes.def, or the comma list the user gave.  Each pass gets an emptied scratch arena, runs
 * between two verifications at the level its row promises, and is printed, counted and validated when asked.  A
 * verifier error after a pass is our mistake, and the text says so. */
#include "passes/pass.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/autodiff/autodiff.h"
#include "passes/validate.h"
#include <string.h>
#include <time.h>

static void free_arena(void *a)
{
    nnc_arena_free(a);
}

const nnc_pass_info nnc_pass_infos[] = {
#define PASS(name, before, after, doc) \
    {#name, NNC_LEVEL_##before, NNC_LEVEL_##after, doc, nnc_pass_##name},
#include "passes/passes.def"
};
const unsigned nnc_pass_count = sizeof nnc_pass_infos / sizeof nnc_pass_infos[0];

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static unsigned count_ops(const nnc_module *m, nnc_block b)
{
    unsigned n = 0;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        n++;
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            n += count_ops(m, nnc_op_region(m, op, i));
    }
    return n;
}

/* Is `name` in the comma list, or is the list "all"? */
static bool listed(const char *list, const char *name)
{
    size_t len = strlen(name);

    for (const char *p = list; p && *p; p += strcspn(p, ","), p += *p == ',') {
        size_t n = strcspn(p, ",");
        if ((n == len && !strncmp(p, name, n)) || (n == 3 && !strncmp(p, "all", 3)))
            return true;
    }
    return false;
}

/* Edit distance, for names a user mistyped. */
static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
    unsigned row[64];

    if (na > 60 || nb > 60)
        return 99;
    for (unsigned j = 0; j <= nb; j++)
        row[j] = j;
    for (unsigned i = 1; i <= na; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= nb; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[nb];
}

static const nnc_pass_info *find_pass(const char *name, size_t len)
{
    for (unsigned i = 0; i < nnc_pass_count; i++)
        if (strlen(nnc_pass_infos[i].name) == len && !memcmp(nnc_pass_infos[i].name, name, len))
            return &nnc_pass_infos[i];
    return NULL;
}

static const char *all_passes(nnc_module *m)
{
    const char *s = "";

    for (unsigned i = 0; i < nnc_pass_count; i++)
        s = nnc_arena_printf(m->arena, "%s%s%s", s, i ? "," : "", nnc_pass_infos[i].name);
    return s;
}

static nnc_status unknown_pass(nnc_module *m, const char *name, size_t len)
{
    const char *best = NULL;
    unsigned least = 4;

    for (unsigned i = 0; i < nnc_pass_count; i++) {
        unsigned d = distance(name, len, nnc_pass_infos[i].name, strlen(nnc_pass_infos[i].name));
        if (d < least) {
            least = d;
            best = nnc_pass_infos[i].name;
        }
    }
    if (best)
        return nnc_error(m->diag, (nnc_loc){0}, "there is no pass '%.*s'; did you mean '%s'?",
                         (int)len, name, best);
    return nnc_error(m->diag, (nnc_loc){0}, "there is no pass '%.*s'; in order they are %s",
                     (int)len, name, all_passes(m));
}

/* Names in --print-before, --print-after must exist too: a typo would silently print nothing. */
static nnc_status check_names(nnc_module *m, const char *list)
{
    nnc_status s = NNC_OK;

    for (const char *p = list; p && *p; p += strcspn(p, ","), p += *p == ',') {
        size_t n = strcspn(p, ",");
        if (n && !(n == 3 && !strncmp(p, "all", 3)) && !find_pass(p, n))
            s = unknown_pass(m, p, n);
    }
    return s;
}

static void print(const nnc_module *m, const char *when, const char *pass)
{
    fprintf(stderr, "# ---- %s %s\n", when, pass);
    nnc_print_module(m, stderr, &(nnc_print_options){0});
}

static nnc_status check_level(nnc_module *m, const nnc_pass_info *p, uint8_t level,
                              const char *when)
{
    nnc_op graph = nnc_func_entry(m, NNC_OP_graph), kernel = nnc_func_entry(m, NNC_OP_kernel);

    if (level == NNC_LEVEL_G ? graph.id != 0 : kernel.id != 0)
        return NNC_OK;
    return nnc_error(m->diag, (nnc_loc){0},
                     "pass '%s' needs an entry %s %s it, and there is none; the order is %s",
                     p->name, level == NNC_LEVEL_G ? "graph" : "kernel", when, all_passes(m));
}

static nnc_status verify_around(nnc_module *m, const nnc_pass_info *p, const char *when)
{
    if (nnc_verify(m) == NNC_OK)
        return NNC_OK;
    return nnc_error(
        m->diag, (nnc_loc){0},
        "the verifier found the errors above %s pass '%s': please report this as a bug of nnc",
        when, p->name);
}

static nnc_status run_one(nnc_pass_cx *cx, const nnc_pass_info *p, nnc_validate *v)
{
    nnc_module *m = cx->m;
    nnc_arena_mark mark = nnc_arena_save(cx->scratch);
    unsigned before = cx->opt->stats ? count_ops(m, m->top) : 0;
    double t0 = seconds();

    NNC_TRY(check_level(m, p, p->before, "before"));
    if (listed(cx->opt->print_before, p->name))
        print(m, "before", p->name);
    cx->changed = 0;
    NNC_TRY(p->run(cx));
    nnc_arena_restore(cx->scratch, mark);
    if (cx->opt->stats)
        fprintf(stderr, "%-10s %8.2f ms  %7u -> %7u ops  %6u changes  %8.2f MB\n", p->name,
                1e3 * (seconds() - t0), before, count_ops(m, m->top), cx->changed,
                (double)nnc_arena_used(m->arena) * 1e-6);
    if (listed(cx->opt->print_after, p->name))
        print(m, "after", p->name);
    NNC_TRY(verify_around(m, p, "after"));
    NNC_TRY(check_level(m, p, p->after, "after"));
    return v ? nnc_validate_pass(v, p) : NNC_OK;
}

/* Derivatives cannot be interpreted: validation begins behind the pass that replaces them. */
static bool has_derivatives(const nnc_module *m)
{
    for (nnc_op f = nnc_block_first(m, m->top); f.id; f = nnc_op_next(m, f))
        if (nnc_op_code(m, f) == NNC_OP_graph && nnc_autodiff_needed(m, f))
            return true;
    return false;
}

/* Run the passes that `take` selects, in order. */
static nnc_status run_list(nnc_module *m, const nnc_options *opt, unsigned n,
                           const nnc_pass_info *const *list)
{
    nnc_arena *scratch = nnc_arena_new();
    nnc_pass_cx cx = {.m = m, .scratch = scratch, .opt = opt};
    nnc_validate *v = NULL;
    nnc_status s = check_names(m, opt->print_before);

    nnc_arena_defer(m->arena, free_arena, scratch); /* also when a recovery point takes over */
    if (check_names(m, opt->print_after) != NNC_OK)
        s = NNC_ERR;
    if (s == NNC_OK && n)
        s = verify_around(m, list[0], "before");
    for (unsigned i = 0; i < n && s == NNC_OK; i++) {
        if (opt->check && !v && !has_derivatives(m))
            s = nnc_validate_begin(m, opt->check_seed, opt->fast, &v);
        if (s == NNC_OK)
            s = run_one(&cx, list[i], v);
    }
    return s;
}

nnc_status nnc_passes_run(nnc_module *m, const nnc_options *opt)
{
    const nnc_pass_info **list;
    unsigned n = 0;
    nnc_status s = NNC_OK;

    if (!opt->passes) {
        list = nnc_arena_array(m->arena, nnc_pass_count, sizeof *list);
        for (unsigned i = 0; i < nnc_pass_count; i++)
            list[n++] = &nnc_pass_infos[i];
        return run_list(m, opt, n, list);
    }
    list = nnc_arena_array(m->arena, strlen(opt->passes) + 1, sizeof *list);
    for (const char *p = opt->passes; *p; p += strcspn(p, ","), p += *p == ',') {
        size_t len = strcspn(p, ",");
        const nnc_pass_info *info = find_pass(p, len);
        if (info)
            list[n++] = info;
        else if (len)
            s = unknown_pass(m, p, len);
    }
    return s == NNC_OK ? run_list(m, opt, n, list) : s;
}

nnc_status nnc_passes_clean(nnc_module *m, const nnc_options *opt)
{
    static const char *const names[] = {"inline", "autodiff", "batch",     "fold", "simplify",
                                        "cse",    "dce",      "recognise", "tidy"};
    const nnc_pass_info *list[sizeof names / sizeof names[0]];
    nnc_options o = *opt;
    unsigned n = 0;

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        list[n++] = find_pass(names[i], strlen(names[i]));
    o.target = NULL; /* no machine in view: no tiles of a cache */
    return run_list(m, &o, n, list);
}
