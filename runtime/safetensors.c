/* A .safetensors file: the length of a JSON header (8 bytes), the header, the data without gaps.  Elements are put in the
 * order of falling size, so that each lies aligned. */
#include "leaves.h"
#include "file.h"
#include "value.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_HEADER = 100000000 }; /* as the format says */

/* ---- writing ---- */

static size_t put_header(const nnp_leaf *l, size_t at, nnp_text *o)
{
    size_t n = nnp_leaf_bytes(l);
    nnp_text_add(o, o->n > 9 ? "," : "");
    nnp_text_json(o, l->name && *l->name ? l->name : "value");
    nnp_text_printf(o, ":{\"dtype\":\"%s\",\"shape\":[", nnp_dtype_get(l->dtype)->safetensors);
    for (int d = 0; d < l->rank; d++)
        nnp_text_printf(o, "%s%zu", d ? "," : "", l->dim[d]);
    nnp_text_printf(o, "],\"data_offsets\":[%zu,%zu]}", at, at + n);
    return at + n;
}

void nnp_safetensors_bytes(const nnp_leaves *l, nnp_text *out)
{
    nnp_text o = {0};
    size_t at = 0;
    nnp_text_fill(&o, 0, 8);
    nnp_text_char(&o, '{');
    for (int size = 8; size; size /= 2)
        for (size_t i = 0; i < l->n; i++)
            if (nnp_dtype_get(l->at[i].dtype)->bytes == size)
                at = put_header(&l->at[i], at, &o);
    nnp_text_char(&o, '}');
    while (o.n % 8)
        nnp_text_char(&o, ' ');
    for (int i = 0; i < 8; i++)
        o.at[i] = (char)((uint64_t)(o.n - 8) >> 8 * i & 255);
    for (int size = 8; size; size /= 2)
        for (size_t i = 0; i < l->n; i++)
            if (nnp_dtype_get(l->at[i].dtype)->bytes == size)
                nnp_text_bytes(&o, l->at[i].data, nnp_leaf_bytes(&l->at[i]));
    nnp_text_bytes(out, o.at, o.n);
    nnp_text_free(&o);
}

/* ---- reading: just enough JSON ---- */

typedef struct json {
    const char *p, *end;
    const char **error;
} json;

static int damaged(json *j)
{
    *j->error = "the header is damaged";
    return 1;
}

static void blanks(json *j)
{
    while (j->p < j->end && strchr(" \t\r\n", *j->p) && *j->p)
        j->p++;
}

static int accept(json *j, char c)
{
    blanks(j);
    if (j->p < j->end && *j->p == c) {
        j->p++;
        return 1;
    }
    return 0;
}

static void put_utf8(unsigned u, nnp_text *o)
{
    if (u < 0x80) {
        nnp_text_char(o, (char)u);
    } else if (u < 0x800) {
        nnp_text_char(o, (char)(0xc0 | u >> 6));
        nnp_text_char(o, (char)(0x80 | (u & 63)));
    } else {
        nnp_text_char(o, (char)(0xe0 | u >> 12));
        nnp_text_char(o, (char)(0x80 | (u >> 6 & 63)));
        nnp_text_char(o, (char)(0x80 | (u & 63)));
    }
}

static int escape(json *j, nnp_text *o)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = *j->p++;
    const char *at = c ? strchr(from, c) : NULL;
    unsigned u = 0;
    if (at) {
        nnp_text_char(o, to[at - from]);
        return 0;
    }
    if (c != 'u' || j->end - j->p < 4)
        return damaged(j);
    for (int i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        char d = *j->p++;
        const char *k = d ? strchr(d >= 'A' && d <= 'F' ? digits + 16 : digits, d) : NULL;
        if (!k)
            return damaged(j);
        u = u << 4 | (unsigned)((k - digits) & 15);
    }
    put_utf8(u, o);
    return 0;
}

static int string(json *j, nnp_text *o)
{
    nnp_text_clear(o);
    if (!accept(j, '"'))
        return damaged(j);
    while (j->p < j->end && *j->p != '"') {
        char c = *j->p++;
        if (!c || (c == '\\' && j->p == j->end))
            return damaged(j);
        if (c != '\\')
            nnp_text_char(o, c);
        else if (escape(j, o))
            return 1;
    }
    return accept(j, '"') ? 0 : damaged(j);
}

/* [1, 2, ..]: the count, or -1 */
static int numbers(json *j, uint64_t *to, int most)
{
    int n = 0;
    if (!accept(j, '['))
        return damaged(j), -1;
    while (!accept(j, ']')) {
        if (n == most || (n && !accept(j, ',')))
            return damaged(j), -1;
        blanks(j);
        const char *start = j->p;
        uint64_t v = 0;
        while (j->p < j->end && *j->p >= '0' && *j->p <= '9') {
            if (v > UINT64_MAX / 16)
                return damaged(j), -1;
            v = 10 * v + (uint64_t)(*j->p++ - '0');
        }
        if (j->p == start)
            return damaged(j), -1;
        to[n++] = v;
    }
    return n;
}

/* {"a": "b", ..} of __metadata__ */
static int skip_texts(json *j)
{
    nnp_text t = {0};
    int bad = !accept(j, '{');
    for (int n = 0; !bad && !accept(j, '}'); n++)
        bad = (n && !accept(j, ',')) || string(j, &t) || !accept(j, ':') || string(j, &t);
    nnp_text_free(&t);
    return bad ? damaged(j) : 0;
}

static int find_dtype(const char *name, nnp_dtype *out)
{
    for (int d = NNP_F64; d < NNP_STR; d++)
        if (!strcmp(nnp_dtype_get((nnp_dtype)d)->safetensors, name)) {
            *out = (nnp_dtype)d;
            return 0;
        }
    return 1;
}

static int fields(json *j, nnp_leaf *l, uint64_t offset[2])
{
    nnp_text key = {0}, word = {0};
    uint64_t shape[NNP_MAX_RANK];
    int bad = !accept(j, '{'), have = 0;
    for (int n = 0; !bad && !accept(j, '}'); n++) {
        bad = (n && !accept(j, ',')) || string(j, &key) || !accept(j, ':');
        const char *name = nnp_text_str(&key);
        if (bad)
            break;
        if (!strcmp(name, "dtype")) {
            have |= 1;
            bad = string(j, &word);
            if (!bad && find_dtype(nnp_text_str(&word), &l->dtype)) {
                *j->error = "a tensor has a dtype that is not supported";
                nnp_text_free(&key);
                nnp_text_free(&word);
                return 1;
            }
        } else if (!strcmp(name, "shape")) {
            have |= 2;
            l->rank = numbers(j, shape, NNP_MAX_RANK);
            bad = l->rank < 0;
            for (int d = 0; d < l->rank; d++)
                l->dim[d] = (size_t)shape[d];
        } else if (!strcmp(name, "data_offsets")) {
            have |= 4;
            bad = numbers(j, offset, 2) != 2;
        } else {
            bad = 1;
        }
    }
    nnp_text_free(&key);
    nnp_text_free(&word);
    return bad || have != 7 ? damaged(j) : 0;
}

static int take(json *j, nnp_leaf *l, const uint64_t offset[2], const char *data, size_t size)
{
    size_t n = (size_t)nnp_dtype_get(l->dtype)->bytes;
    for (int d = 0; d < l->rank; d++) {
        if (l->dim[d] && n > SIZE_MAX / 2 / l->dim[d])
            return damaged(j);
        n *= l->dim[d];
    }
    if (offset[1] > size || offset[0] > offset[1] || offset[1] - offset[0] != n)
        return damaged(j);
    l->data = malloc(n ? n : 1);
    if (!l->data) {
        *j->error = "out of memory";
        return 1;
    }
    memcpy(l->data, data + offset[0], n);
    return 0;
}

typedef struct extent {
    uint64_t begin, end;
} extent;
typedef struct loading {
    nnp_leaves *out;
    extent *extent; /* of each leaf */
    size_t room;
    const char *data;
    size_t size, used; /* bytes of data; of the leaves so far */
} loading;

static void grow(loading *l)
{
    l->room = l->room ? 2 * l->room : 16;
    nnp_leaf *more = nnp_alloc(sizeof *more * l->room);
    extent *extents = nnp_alloc(sizeof *extents * l->room);
    if (l->out->n) {
        memcpy(more, l->out->at, sizeof *more * l->out->n);
        memcpy(extents, l->extent, sizeof *extents * l->out->n);
    }
    free(l->out->at);
    free(l->extent);
    l->out->at = more;
    l->extent = extents;
}

static int one_leaf(json *j, loading *to)
{
    nnp_text name = {0};
    nnp_leaf l = {0};
    uint64_t offset[2] = {0, 0};
    int bad = string(j, &name) || (!accept(j, ':') && damaged(j));
    if (!bad && !strcmp(nnp_text_str(&name), "__metadata__")) {
        nnp_text_free(&name);
        return skip_texts(j);
    }
    bad = bad || fields(j, &l, offset);
    if (!bad && (offset[1] < offset[0] || offset[1] > to->size)) {
        *j->error = "the file is shorter than its header says";
        bad = 1;
    } else if (!bad && offset[1] - offset[0] > to->size - to->used) { /* before memory is taken */
        *j->error = "the header is damaged: two tensors overlap";
        bad = 1;
    }
    bad = bad || take(j, &l, offset, to->data, to->size);
    if (bad) {
        nnp_text_free(&name);
        return 1;
    }
    l.name = name.at ? name.at : nnp_alloc(1);
    if (to->out->n == to->room)
        grow(to);
    to->used += offset[1] - offset[0];
    to->extent[to->out->n] = (extent){offset[0], offset[1]};
    to->out->at[to->out->n++] = l;
    return 0;
}

static int by_begin(const void *a, const void *b)
{
    const extent *x = a, *y = b;
    return x->begin != y->begin ? (x->begin > y->begin) - (x->begin < y->begin)
                                : (x->end > y->end) - (x->end < y->end);
}

static int overlap(json *j, loading *l)
{
    if (l->out->n)
        qsort(l->extent, l->out->n, sizeof *l->extent, by_begin);
    for (size_t i = 1; i < l->out->n; i++)
        if (l->extent[i].begin < l->extent[i - 1].end) {
            *j->error = "the header is damaged: two tensors overlap";
            return 1;
        }
    return 0;
}

static int read_all(const unsigned char *file, size_t n, nnp_leaves *out, const char **error)
{
    uint64_t len = 0;
    for (int i = 8; i-- > 0 && n >= 8;)
        len = len << 8 | file[i];
    if (n < 8 || len > n - 8 || len > MOST_HEADER) {
        *error = "not a .safetensors file";
        return 1;
    }
    json j = {(const char *)file + 8, (const char *)file + 8 + len, error};
    loading l = {.out = out, .data = j.end, .size = n - 8 - (size_t)len};
    int bad = !accept(&j, '{') && damaged(&j);
    for (int k = 0; !bad && !accept(&j, '}'); k++)
        bad = (k && !accept(&j, ',') && damaged(&j)) || one_leaf(&j, &l);
    bad = bad || overlap(&j, &l);
    free(l.extent);
    return bad;
}

int nnp_safetensors_read_memory(const void *file, size_t n, nnp_leaves *out, const char **error)
{
    *out = (nnp_leaves){0, NULL};
    int bad = read_all(file, n, out, error);
    if (bad)
        nnp_leaves_free(out);
    return bad;
}

int nnp_safetensors_read(const char *path, nnp_leaves *out, const char **error)
{
    const void *file;
    size_t n;
    *out = (nnp_leaves){0, NULL};
    if (nnp_file_map(path, &file, &n)) {
        *error = "cannot open the file";
        return 1;
    }
    int bad = nnp_safetensors_read_memory(file, n, out, error);
    nnp_file_unmap(file, n);
    return bad;
}
