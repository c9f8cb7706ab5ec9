/* Roots: a graph for each experiment, test and exported function, and `nnc check` over all of them.
 *
 * The arguments of a root graph are, in order, what the root itself adds and then the contents of `data` that it turns out
 * to need.  Everything else that a graph of data needs stands before a marker at the start of its block. */
#include "frontend/nn/root.h"
#include "frontend/nn/expr.h"
#include <string.h>

static const uint64_t MOST_CALLS = 1000u * 1000u, MOST_OPERATIONS = 100u * 1000u * 1000u,
                      STEPS_OF_CALL = 4;

nn_trace *nn_trace_new(nnc_arena *a, nnc_diag *d, const char *library)
{
    nn_trace *t = nnc_arena_alloc(a, sizeof *t);
    t->arena = a;
    t->diag = d;
    t->m = nnc_module_new(a, d);
    t->syntax = (nn_syntax){.arena = a, .diag = d, .names = t->m->intern};
    t->library = library;
    t->most_calls = MOST_CALLS;
    t->most_operations = MOST_OPERATIONS;
    t->budget = MOST_CALLS;
    t->steps = STEPS_OF_CALL * MOST_CALLS;
    return t;
}

void nn_root_begin(nn_trace *t, const char *name, nnc_loc loc)
{
    t->root = nnc_build_func(t->m, NNC_OP_graph, name, false, loc);
    t->b = nnc_builder_at_end(t->m, nnc_op_region(t->m, t->root, 0));
    t->b.loc = loc;
    t->b.numbering =
        NULL; /* regions are dropped and traced again: sharing is the business of cse */
    t->input.n = 0;
    t->nroot++;
    t->budget = t->most_calls;
    t->steps = STEPS_OF_CALL * t->most_calls;
    t->exhausted = false;
    t->nest = 0;
    t->region = NULL;
    uint8_t nothing = 0;
    nnc_value marker = nnc_g_const_data(&t->b, NNC_DT_u8, 1, (nnc_dim[]){1}, &nothing);
    t->first_op = nnc_value_op(t->m, marker);
}

void nn_root_end(nn_trace *t, uint32_t n, const nn_v *results)
{
    nnc_value *out = nnc_arena_array(t->arena, n, sizeof *out);
    for (uint32_t i = 0; i < n; i++)
        out[i] = results[i]->ssa;
    nnc_build_yield(&t->b, n, out);
}

nnc_status nn_root_block(nn_trace *t, nn_decl *d)
{
    nn_frame frame = {.unit = d->unit, .decl = d, .effects = true};
    nn_catch c;
    unsigned before = nnc_diag_errors(t->diag);
    nn_root_begin(t, nn_sym(t, d->name), d->node->loc);
    t->frame = &frame;
    t->env = NULL;
    nn_env_push(t, NN_ENV_function)->body = true;
    nn_try_enter(t, &c);
    if (setjmp(c.at) == 0) {
        nn_block_value(t, nn_kid(d->node, 0));
        nn_try_leave(t, &c);
    } else {
        nn_try_failed(t, &c);
    }
    t->b.pos = (nnc_pos){nnc_op_region(t->m, t->root, 0), {0}};
    nn_root_end(t, 0, NULL);
    t->frame = NULL;
    t->env = NULL;
    return nnc_diag_errors(t->diag) > before ? NNC_ERR : NNC_OK;
}

/* A constant or data nobody uses is still checked. */
static void check_value(nn_trace *t, nn_decl *d)
{
    nn_frame frame = {.unit = d->unit, .decl = d};
    nn_catch c;
    nn_root_begin(t, "value", d->node->loc);
    t->frame = &frame;
    t->env = NULL;
    nn_env_push(t, NN_ENV_function);
    nn_try_enter(t, &c);
    if (setjmp(c.at) == 0) {
        nn_decl_value(t, d, d->node);
        nn_try_leave(t, &c);
    } else {
        nn_try_failed(t, &c);
        d->busy = false;
    }
    t->frame = NULL;
    t->env = NULL;
    nnc_op_erase(t->m, t->root);
}

nnc_status nn_check(nn_trace *t, nn_unit *u)
{
    unsigned before = nnc_diag_errors(t->diag);
    t->main = u;
    nn_resolve(t, u);
    for (uint32_t i = 0; i < u->decl.n; i++) {
        nn_decl *d = u->decl.at[i];
        switch ((nn_kind)d->node->kind) {
        case NN_const_:
        case NN_data: check_value(t, d); break;
        case NN_experiment:
        case NN_test: nn_root_block(t, d); break;
        case NN_fn:
        case NN_train:
            if (d->node->exported)
                nn_root_export(t, d);
            break;
        default: break;
        }
    }
    return nnc_diag_errors(t->diag) > before ? NNC_ERR : NNC_OK;
}
