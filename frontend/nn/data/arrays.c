/* npy, npz and safetensors by the runtime's readers, which check everything against the size of the file.
 *
 * Names with dots become records in records, in the order of the file. */
#include "frontend/nn/data/data.h"
#include "frontend/nn/data/dtype.h"
#include "runtime/leaves.h"
#include "runtime/npy.h"
#include <stdlib.h>
#include <string.h>

static nn_data tensor(const nn_reader *r, nnc_dtype dt, int rank, const size_t *size,
                      const void *data)
{
    int64_t dim[NNC_MAX_RANK];
    for (int i = 0; i < rank; i++)
        dim[i] = (int64_t)size[i];
    nn_data d = {.kind = NN_DATA_tensor, .tensor = nnc_tensor_new(r->arena, dt, rank, dim)};
    memcpy(d.tensor.data, data, nnc_tensor_bytes(&d.tensor));
    uint8_t *bits = d.tensor.data;
    for (int64_t i = 0, n = dt == NNC_DT_bool ? nnc_tensor_count(&d.tensor) : 0; i < n; i++)
        bits[i] = bits[i] != 0;
    return d;
}

/* ---- a tree of names ---- */

typedef struct node {
    nnc_sym name;
    nn_data leaf;
    struct node *first, *last, *next;
    bool is_leaf;
} node;

/* false: a name is a tensor and a record at once, or occurs twice. */
static bool put(const nn_reader *r, node *n, const char *path, const nn_data *leaf)
{
    for (;;) {
        size_t len = strcspn(path, ".");
        nnc_sym name = nnc_intern_put(r->names, path, len);
        node *k = n->first;
        while (k && k->name.id != name.id)
            k = k->next;
        bool end = !path[len];
        if (k && (end || k->is_leaf))
            return false;
        if (!k) {
            k = nnc_arena_alloc(r->arena, sizeof *k);
            *k = (node){.name = name, .is_leaf = end};
            if (n->last)
                n->last->next = k;
            else
                n->first = k;
            n->last = k;
        }
        if (end) {
            k->leaf = *leaf;
            return true;
        }
        n = k;
        path += len + 1;
    }
}

/* Depth is at most that of the longest name; the formats allow long ones, so it is bounded where names are read. */
static nn_data tree(const nn_reader *r, const node *n)
{
    if (n->is_leaf)
        return n->leaf;
    uint32_t count = 0;
    for (node *k = n->first; k; k = k->next)
        count++;
    nn_data *child = nnc_arena_array(r->arena, count, sizeof *child);
    nnc_sym *name = nnc_arena_array(r->arena, count, sizeof *name);
    uint32_t i = 0;
    for (node *k = n->first; k; k = k->next, i++) {
        child[i] = tree(r, k);
        name[i] = k->name;
    }
    return (nn_data){.kind = NN_DATA_record, .n = count, .child = child, .name = name};
}

static nnc_status tree_of(const nn_reader *r, const nn_bytes *b, const nnp_leaves *l, nn_data *out)
{
    node root = {0};
    for (size_t i = 0; i < l->n; i++) {
        const nnp_leaf *f = &l->at[i];
        size_t dots = 0;
        for (const char *c = f->name; *c; c++)
            dots += *c == '.';
        if (dots > 100)
            return nn_bytes_fail(r, b, "the name of entry %zu has more than 100 dots", i);
        nn_data leaf = tensor(r, nn_dtype_of_host(f->dtype), f->rank, f->dim, f->data);
        if (!put(r, &root, f->name, &leaf))
            return nn_bytes_fail(r, b, "entry %zu: '%s' clashes with an entry before it", i,
                                 f->name);
    }
    *out = tree(r, &root);
    return NNC_OK;
}

nnc_status nn_npz_parse(const nn_reader *r, const nn_bytes *b, nn_data *out)
{
    nnp_leaves l;
    const char *error;
    if (nnp_npz_read_memory(b->at, b->n, &l, &error))
        return nn_bytes_fail(r, b, "%s", error);
    nnc_status s = tree_of(r, b, &l, out);
    nnp_leaves_free(&l);
    return s;
}

nnc_status nn_safetensors_parse(const nn_reader *r, const nn_bytes *b, nn_data *out)
{
    nnp_leaves l;
    const char *error;
    if (nnp_safetensors_read_memory(b->at, b->n, &l, &error))
        return nn_bytes_fail(r, b, "%s", error);
    nnc_status s = tree_of(r, b, &l, out);
    nnp_leaves_free(&l);
    return s;
}

static nnc_dtype npy_nn_dtype_of_host(const npy *a)
{
    static const char kinds[] = "fiub";
    static const nnc_dtype of[4][4] = {
        {NNC_DT_none, NNC_DT_f16, NNC_DT_f32, NNC_DT_f64},
        {NNC_DT_i8, NNC_DT_i16, NNC_DT_i32, NNC_DT_i64},
        {NNC_DT_u8, NNC_DT_u16, NNC_DT_u32, NNC_DT_u64},
        {NNC_DT_bool, NNC_DT_none, NNC_DT_none, NNC_DT_none},
    };
    const char *k = strchr(kinds, a->kind);
    int log2 = a->bytes == 1 ? 0 : a->bytes == 2 ? 1 : a->bytes == 4 ? 2 : 3;
    if (a->kind == 'V' && a->bytes == 2)
        return NNC_DT_bf16;
    return k ? of[k - kinds][log2] : NNC_DT_none;
}

nnc_status nn_npy_parse(const nn_reader *r, const nn_bytes *b, nn_data *out)
{
    npy a;
    const char *error;
    if (npy_read_memory(b->at, b->n, &a, &error))
        return nn_bytes_fail(r, b, "%s", error);
    nnc_dtype dt = npy_nn_dtype_of_host(&a);
    if (dt)
        *out = tensor(r, dt, a.rank, a.dim, a.data);
    npy_free(&a);
    return dt ? NNC_OK
              : nn_bytes_fail(r, b, "elements of type '%c%d' are not supported", a.kind, a.bytes);
}
