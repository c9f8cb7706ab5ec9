/* load(like, "file.safetensors"): the parameters of a module, a record of modules or of tensors, from a file.
 *
 * Leaves are found by their paths.  Sizes that the module leaves open come from the file: the trial trace runs with
 * stand-ins, and only shapes that do not depend on them are compared. */
#include "frontend/nn/builtin.h"
#include "frontend/nn/data/dtype.h"
#include "frontend/nn/model.h"
#include "runtime/leaves.h"
#include <string.h>

typedef struct loading {
    const nnp_leaves *file;
    const char *path;
    const nn_ast *at;
} loading;

static const nnp_leaf *find(const loading *l, const char *name)
{
    for (size_t i = 0; i < l->file->n; i++)
        if (!strcmp(l->file->at[i].name, name))
            return &l->file->at[i];
    return NULL;
}

static nn_v read_leaf(nn_trace *t, const loading *l, const char *name)
{
    const nnp_leaf *f = find(l, name);
    if (!f)
        nn_fail(t, l->at->loc, "%s holds no tensor '%s'", l->path, name);
    nnc_tensor x = {.dtype = nn_dtype_of_host(f->dtype), .rank = f->rank};
    for (int i = 0; i < x.rank; i++)
        x.dim[i] = (int64_t)f->dim[i];
    x.data = nnc_arena_copy(t->arena, f->data, nnc_tensor_bytes(&x));
    return nn_thaw(t, nn_host_value(t, &x, name, true));
}

/* A dimension that came from a stand-in is a multiple of nothing in the file: only others are compared. */
static void check_leaf(nn_trace *t, const loading *l, const nn_leaf_spec *want, nn_v v,
                       const char *name)
{
    const nnc_type_rec *a = nnc_type_get(t->m, want->type), *b = nn_ty(t, v);
    bool same = a->rank == b->rank && a->dtype == b->dtype;
    for (int i = 0; same && i < a->rank; i++)
        same = a->dim[i] == b->dim[i] || !nnc_dim_is_const(a->dim[i]) || a->dim[i] % 720 == 0;
    if (same)
        return;
    nn_error(t, l->at->loc, "'%s' in %s is %s, which does not fit the module", name, l->path,
             nn_type_text(t, v));
    nnc_note(t->diag, want->node->loc, "declared here");
    nn_fail_silently(t);
}

static nn_v load_leaf(nn_trace *t, const nn_leaf_spec *s, const char *path, const void *user)
{
    nn_v v = read_leaf(t, user, path);
    check_leaf(t, user, s, v, path);
    return v;
}

static nn_v load_like(nn_trace *t, const loading *l, nn_v like, const char *path)
{
    static const nn_args none = {0, NULL};
    if (like->kind == NN_V_blueprint) {
        t->open_sizes = true;
        const nn_instance *inst = nn_trial(t, like, &none, l->at);
        t->open_sizes = false;
        const char *below = *path ? nnc_arena_printf(t->arena, "%s.", path) : "";
        return nn_model_of(t, inst, nn_instance_record(t, inst, below, false, load_leaf, l),
                           nn_instance_record(t, inst, below, true, load_leaf, l),
                           nn_empty_record(t));
    }
    if (like->kind == NN_V_record) {
        nn_v *item = nnc_arena_array(t->arena, like->n, sizeof *item);
        for (uint32_t i = 0; i < like->n; i++) {
            const char *f = like->name && like->name[i].id ? nn_sym(t, like->name[i])
                                                           : nnc_arena_printf(t->arena, "%u", i);
            item[i] = load_like(t, l, like->item[i],
                                *path ? nnc_arena_printf(t->arena, "%s.%s", path, f) : f);
        }
        return nn_record(t, like->n, like->name, item);
    }
    nn_v x = nn_as_tensor(t, like, l->at), v = read_leaf(t, l, path);
    if (x->weak)
        x = nn_settle(t, x);
    if (nnc_value_type(t->m, x->ssa).id != nnc_value_type(t->m, v->ssa).id)
        nn_fail(t, l->at->loc, "'%s' in %s is %s, not %s", path, l->path, nn_type_text(t, v),
                nn_type_text(t, x));
    return v;
}

nn_v nn_b_load(nn_trace *t, const nn_bcall *c)
{
    const char *file = nn_ask_text(t, nn_argument(t, c, "file"), c->at, "the file's name"),
               *error = NULL;
    const char *path =
        *file == '/' ? file : nnc_arena_printf(t->arena, "%s%s", t->frame->unit->dir, file);
    nnp_leaves leaves = {0};
    if (nnp_safetensors_read(path, &leaves, &error))
        nn_fail(t, c->at->loc, "%s cannot be loaded: %s", path, error);
    loading l = {&leaves, path, c->at};
    nn_v v = load_like(t, &l, nn_argument(t, c, "like"), "");
    nnp_leaves_free(&leaves);
    return v;
}
