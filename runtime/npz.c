/* An .npz file is a zip archive of .npy files. */
#include "leaves.h"
#include "file.h"
#include "npy.h"
#include "value.h"
#include "zip.h"
#include <stdlib.h>
#include <string.h>

size_t nnp_leaf_bytes(const nnp_leaf *l)
{
    size_t n = (size_t)nnp_dtype_get(l->dtype)->bytes;
    for (int i = 0; i < l->rank; i++)
        n *= l->dim[i];
    return n;
}

void nnp_leaves_free(nnp_leaves *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->at[i].name);
        free(l->at[i].data);
    }
    free(l->at);
    *l = (nnp_leaves){0, NULL};
}

void nnp_npy_bytes(const nnp_leaf *leaf, nnp_text *out)
{
    const nnp_dtype_info *d = nnp_dtype_get(leaf->dtype);
    npy a = {.kind = d->kind, .bytes = d->bytes, .rank = leaf->rank};
    char head[NPY_PREAMBLE];
    memcpy(a.dim, leaf->dim, sizeof a.dim);
    nnp_text_bytes(out, head, npy_preamble(&a, head));
    nnp_text_bytes(out, leaf->data, nnp_leaf_bytes(leaf));
}

void nnp_npz_bytes(const nnp_leaves *l, nnp_text *out)
{
    nnp_zip_writer w = {0};
    nnp_text name = {0}, body = {0};
    for (size_t i = 0; i < l->n; i++) {
        const char *plain = l->at[i].name;
        nnp_text_clear(&name);
        nnp_text_clear(&body);
        nnp_text_printf(&name, "%s.npy", plain && *plain ? plain : "value");
        nnp_npy_bytes(&l->at[i], &body);
        nnp_zip_put(&w, name.at, body.at, body.n);
    }
    nnp_zip_end(&w);
    nnp_text_bytes(out, w.file.at, w.file.n);
    nnp_zip_free(&w);
    nnp_text_free(&name);
    nnp_text_free(&body);
}

static int dtype_of(const npy *a, nnp_dtype *out)
{
    for (int d = NNP_F64; d < NNP_STR; d++) {
        const nnp_dtype_info *i = nnp_dtype_get((nnp_dtype)d);
        if (i->kind == a->kind && i->bytes == a->bytes) {
            *out = (nnp_dtype)d;
            return 0;
        }
    }
    return 1;
}

static int read_entry(const nnp_zip_entry *e, nnp_leaf *leaf, const char **error)
{
    void *bytes = NULL;
    npy a = {0};
    size_t len = e->name_len;
    if (len > 4 && !memcmp(e->name + len - 4, ".npy", 4))
        len -= 4;
    if (nnp_zip_read(e, &bytes, error))
        return 1;
    int bad = npy_read_memory(bytes, e->bytes, &a, error);
    free(bytes);
    if (!bad && dtype_of(&a, &leaf->dtype)) {
        *error = "an array has elements that are not numbers or bools";
        npy_free(&a);
        bad = 1;
    }
    if (bad)
        return 1;
    leaf->name = nnp_alloc(len + 1);
    memcpy(leaf->name, e->name, len);
    leaf->rank = a.rank;
    memcpy(leaf->dim, a.dim, sizeof leaf->dim);
    leaf->data = a.data;
    return 0;
}

int nnp_npz_read_memory(const void *file, size_t n, nnp_leaves *out, const char **error)
{
    *out = (nnp_leaves){0, NULL};
    long count = nnp_zip_count(file, n, error);
    int bad = count < 0;
    out->at = nnp_alloc(sizeof *out->at * (size_t)(bad ? 0 : count));
    for (long i = 0; i < count && !bad; i++) {
        nnp_zip_entry e;
        bad = nnp_zip_entry_at(file, n, i, &e, error) || read_entry(&e, &out->at[i], error);
        out->n += !bad;
    }
    if (bad)
        nnp_leaves_free(out);
    return bad;
}

int nnp_npz_read(const char *path, nnp_leaves *out, const char **error)
{
    const void *file;
    size_t n;
    *out = (nnp_leaves){0, NULL};
    if (nnp_file_map(path, &file, &n)) {
        *error = "cannot open the file";
        return 1;
    }
    int bad = nnp_npz_read_memory(file, n, out, error);
    nnp_file_unmap(file, n);
    return bad;
}
