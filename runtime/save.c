/* save(value, "file"): the ending of the name chooses the format. */
#include "session.h"
#include "leaves.h"
#include "value.h"
#include <stdlib.h>
#include <string.h>

static int ends(const char *s, const char *ending)
{
    size_t n = strlen(s), k = strlen(ending);
    return n >= k && !strcmp(s + n - k, ending);
}

static int put_bytes(nnp_scope *c, const nnp_host_op *op, const nnp_leaves *l, nnp_text *o)
{
    const nnp_save *s = op->detail;
    const char *where = op->where ? op->where : "save";
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].dtype == NNP_STR)
            return nnp_stop(c, NNP_SYSTEM, "%s: error: text cannot be saved", where);
    if (ends(s->file, ".safetensors"))
        nnp_safetensors_bytes(l, o);
    else if (ends(s->file, ".npz"))
        nnp_npz_bytes(l, o);
    else if (ends(s->file, ".npy") && l->n == 1)
        nnp_npy_bytes(&l->at[0], o);
    else if (ends(s->file, ".npy"))
        return nnp_stop(
            c, NNP_SYSTEM,
            "%s: error: '%s' can hold one tensor, not %zu; save as .npz or .safetensors", where,
            s->file, l->n);
    else
        return nnp_stop(c, NNP_SYSTEM,
                        "%s: error: '%s' has no known ending; use .npy, .npz or .safetensors",
                        where, s->file);
    return 0;
}

int nnp_do_save(nnp_scope *c, const nnp_host_op *op, void *const *data, const size_t *const *dim)
{
    const nnp_save *s = op->detail;
    nnp_leaves l = {(size_t)s->n, nnp_alloc(sizeof *l.at * (size_t)s->n)};
    nnp_text o = {0};
    for (int i = 0; i < s->n; i++) {
        nnp_view v = nnp_view_of(&s->item[i].value, data, dim);
        l.at[i] = (nnp_leaf){.name = (char *)(uintptr_t)s->item[i].name,
                             .dtype = v.value->dtype,
                             .rank = v.value->rank,
                             .data = (void *)(uintptr_t)v.data};
        memcpy(l.at[i].dim, v.dim, sizeof *v.dim * (size_t)v.value->rank);
    }
    nnp_text_add(&o, "saved");
    nnp_text_char(&o, 0);
    nnp_text_add(&o, s->file);
    nnp_text_char(&o, 0);
    if (!put_bytes(c, op, &l, &o))
        nnp_tell(c, NNP_FILE, o.at, o.n);
    free(l.at);
    nnp_text_free(&o);
    return c->code;
}
