/* tests/ir/ir_test.h - a module per test, with what it reports collected. */
#ifndef NNC_TESTS_IR_TEST_H
#define NNC_TESTS_IR_TEST_H
#include "ir/text.h"
#include "ir/verify.h"
#include "tests/test.h"

typedef struct ir_test {
    nnc_arena *a;
    nnc_diag *diag;
    nnc_module *m;
    char said[16384]; /* all diagnostics */
} ir_test;

static inline void ir_collect(void *user, const char *text)
{
    ir_test *t = user;
    size_t n = strlen(t->said), k = strlen(text);
    if (n + k < sizeof t->said)
        memcpy(t->said + n, text, k + 1);
}

static inline ir_test *ir_new(void)
{
    ir_test *t = calloc(1, sizeof *t);
    if (!t)
        abort();
    t->a = nnc_arena_new();
    t->diag = nnc_diag_new(t->a);
    nnc_diag_set_sink(t->diag, ir_collect, t);
    t->m = nnc_module_new(t->a, t->diag);
    return t;
}

static inline void ir_free(ir_test *t)
{
    nnc_arena_free(t->a);
    free(t);
}

/* A module read from text; t->said tells what went wrong. */
static inline ir_test *ir_read(const char *text, nnc_status *status)
{
    ir_test *t = ir_new();
    *status = nnc_read_module(t->m, "test.ir", text, strlen(text), NNC_TESTS_DIR "/ir");
    return t;
}

/* From malloc. */
static inline char *ir_print(const nnc_module *m, const nnc_print_options *opt)
{
    nnc_print_options all = {.inline_weights = true};
    char *text = NULL;
    size_t n;
    FILE *o = open_memstream(&text, &n);
    if (!o)
        abort();
    nnc_print_module(m, o, opt ? opt : &all);
    fclose(o);
    return text;
}
#endif
