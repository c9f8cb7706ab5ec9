/* tests/frontend/nn/nn_test.h - parse a text, keep its messages and its tree. */
#ifndef NNC_TESTS_NN_TEST_H
#define NNC_TESTS_NN_TEST_H
#include "frontend/nn/ast.h"
#include "tests/test.h"

typedef struct nn_case {
    nnc_arena *arena;
    nn_syntax syntax;
    nn_file *file;
    nnc_status status;
    char *messages; /* everything that was reported */
    size_t size;
} nn_case;

static inline void nn_case_collect(void *user, const char *text)
{
    nn_case *c = user;
    size_t n = strlen(text);
    char *more = nnc_arena_alloc(c->arena, c->size + n + 1);
    memcpy(more, c->messages, c->size);
    memcpy(more + c->size, text, n + 1);
    c->messages = more;
    c->size += n;
}

static inline void nn_case_parse(nn_case *c, const char *name, const char *text, size_t size)
{
    nnc_arena *a = nnc_arena_new();
    *c = (nn_case){.arena = a, .messages = nnc_arena_str(a, "")};
    c->syntax = (nn_syntax){.arena = a, .diag = nnc_diag_new(a), .names = nnc_intern_new(a)};
    nnc_diag_set_sink(c->syntax.diag, nn_case_collect, c);
    c->status = nn_parse(&c->syntax, name, text, size, &c->file);
}

/* Memory from malloc. */
static inline char *nn_case_tree(const nn_case *c)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    nn_ast_print(&c->syntax, c->file->root, out);
    fclose(out);
    return text;
}

static inline void nn_case_free(nn_case *c)
{
    nnc_arena_free(c->arena);
}
#endif
