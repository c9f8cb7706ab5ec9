/* einsum("ij,jk->ik", a, b).
 *
 * Every operand is brought to one axis per letter (repeated letters become diagonals), letters that nobody else needs are
 * summed at once, then operands are contracted from left to right by `dot`, and the axes put in the order asked for.
 * `..` in a term are leading axes that align at the right. */
#include "frontend/nn/builtin.h"
#include "frontend/nn/number.h"
#include <string.h>

enum { DOTS = 128 }; /* labels 128 + k: the k-th `..` axis from the right */
typedef struct term {
    nn_v x;
    int n;
    int label[NNC_MAX_RANK];
} term;
typedef struct sum {
    nn_trace *t;
    const nn_bcall *c;
    const char *spec;
    nnc_loc loc;
    int nout;
    int out[2 * NNC_MAX_RANK];
} sum;

static bool has(const term *x, int label)
{
    for (int i = 0; i < x->n; i++)
        if (x->label[i] == label)
            return true;
    return false;
}

static bool wanted(const sum *s, int label)
{
    for (int i = 0; i < s->nout; i++)
        if (s->out[i] == label)
            return true;
    return false;
}

static nnc_dim size_of(const sum *s, const term *x, int label)
{
    for (int i = 0; i < x->n; i++)
        if (x->label[i] == label)
            return nn_axis_size(s->t, x->x, i);
    return 0;
}

/* One axis for two equal labels. */
static void take_diagonal(const sum *s, term *x, int i, int j)
{
    nn_trace *t = s->t;
    int64_t perm[NNC_MAX_RANK];
    int k = 0;
    nnc_dim n = nn_axis_size(t, x->x, i);
    if (n != nn_axis_size(t, x->x, j) || !nnc_dim_is_const(n))
        nn_fail(t, s->loc, "'%c' stands for %s and for %s in \"%s\"", x->label[i],
                nnc_dim_text(t->m->dims, n), nnc_dim_text(t->m->dims, nn_axis_size(t, x->x, j)),
                s->spec);
    int last = x->label[i];
    for (int a = 0; a < x->n; a++)
        if (a != i && a != j) {
            x->label[k] = x->label[a];
            perm[k++] = a;
        }
    perm[k] = i;
    perm[k + 1] = j;
    nn_shape shape = nn_shape_of(t, nn_permute(t, x->x, perm));
    shape.rank--;
    shape.dim[k] = n * n;
    nn_v flat = nn_reshape_to(t, nn_permute(t, x->x, perm), &shape);
    x->x = nn_like(t, flat, nnc_g_slice_axis(&t->b, flat->ssa, k, 0, n + 1, n));
    x->label[k] = last;
    x->n--;
}

static void take_diagonals(const sum *s, term *x)
{
    for (int i = 0; i < x->n; i++)
        for (int j = i + 1; j < x->n; j++)
            if (x->label[i] == x->label[j]) {
                take_diagonal(s, x, i, j);
                i = -1;
                break;
            }
}

/* Sum the axes whose letters neither the result nor a later operand has. */
static void sum_lonely(const sum *s, term *x, const term *rest, unsigned nrest)
{
    int64_t axes[NNC_MAX_RANK];
    unsigned n = 0;
    int k = 0;
    for (int i = 0; i < x->n; i++) {
        bool used = wanted(s, x->label[i]);
        for (unsigned r = 0; r < nrest; r++)
            used |= has(&rest[r], x->label[i]);
        if (!used)
            axes[n++] = i;
        else
            x->label[k++] = x->label[i];
    }
    x->n = k;
    if (n)
        x->x = nn_like(s->t, x->x, nnc_g_reduce(&s->t->b, NNC_W_sum, x->x->ssa, n, axes, false));
}

static void check_sizes(const sum *s, const term *a, const term *b)
{
    for (int i = 0; i < a->n; i++) {
        nnc_dim x = nn_axis_size(s->t, a->x, i), y = size_of(s, b, a->label[i]);
        if (!has(b, a->label[i]) || x == y)
            continue;
        char name[3] = {(char)a->label[i], 0, 0};
        nn_fail(s->t, s->loc, "'%s' is %s in one operand and %s in another of \"%s\"",
                a->label[i] >= DOTS ? ".." : name, nnc_dim_text(s->t->m->dims, x),
                nnc_dim_text(s->t->m->dims, y), s->spec);
    }
}

/* Letters of both: contracted when nothing needs them any more, else batch. */
static term contract(const sum *s, const term *a, const term *b, const term *rest, unsigned nrest)
{
    nn_trace *t = s->t;
    int64_t ba[NNC_MAX_RANK], bb[NNC_MAX_RANK], ca[NNC_MAX_RANK], cb[NNC_MAX_RANK];
    unsigned nb = 0, nc = 0;
    bool used[NNC_MAX_RANK] = {false}, usedb[NNC_MAX_RANK] = {false};
    term y = {0};
    check_sizes(s, a, b);
    for (int i = 0; i < a->n; i++)
        for (int j = 0; j < b->n; j++) {
            if (a->label[i] != b->label[j])
                continue;
            bool keep = wanted(s, a->label[i]);
            for (unsigned r = 0; r < nrest; r++)
                keep |= has(&rest[r], a->label[i]);
            used[i] = usedb[j] = true;
            if (keep) {
                ba[nb] = i;
                bb[nb++] = j;
            } else {
                ca[nc] = i;
                cb[nc++] = j;
            }
        }
    for (unsigned i = 0; i < nb; i++)
        y.label[y.n++] = a->label[ba[i]];
    for (int i = 0; i < a->n; i++)
        if (!used[i])
            y.label[y.n++] = a->label[i];
    for (int j = 0; j < b->n; j++) {
        if (usedb[j])
            continue;
        if (y.n == NNC_MAX_RANK)
            nn_fail(t, s->loc, "\"%s\" needs a tensor of more than %d axes on the way", s->spec,
                    NNC_MAX_RANK);
        y.label[y.n++] = b->label[j];
    }
    nn_v u = a->x, v = b->x;
    y.x = nn_like(t, u, nnc_g_dot(&t->b, u->ssa, v->ssa, nb, ba, bb, nc, ca, cb, NNC_DT_none));
    return y;
}

/* ---- the text ---- */

static const char *skip(const char *s)
{
    while (*s == ' ')
        s++;
    return s;
}

/* Labels up to `,` or `-`; ndots: axes that `..` stands for. */
static const char *read_term(const sum *s, const char *p, int *label, int most, int ndots, int *n)
{
    *n = 0;
    for (p = skip(p); *p && *p != ',' && *p != '-'; p = skip(p)) {
        int add = 1;
        bool dots = p[0] == '.' && p[1] == '.';
        if (!dots && !((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')))
            nn_fail(s->t, s->loc, "'%c' in \"%s\": axes are named by letters", *p, s->spec);
        if (dots)
            add = ndots;
        if (*n + add > most)
            nn_fail(s->t, s->loc, "a term of \"%s\" has more than %d axes", s->spec, most);
        for (int i = 0; i < add; i++)
            label[(*n)++] = dots ? DOTS + ndots - 1 - i : *p;
        p += dots ? (p[2] == '.' ? 3 : 2) : 1;
    }
    return p;
}

static int letters_of(const char *p, bool *dots)
{
    int n = 0;
    *dots = false;
    for (; *p && *p != ',' && *p != '-'; p++) {
        if (*p == '.')
            *dots = true;
        n += *p != '.' && *p != ' ';
    }
    return n;
}

static void read_operand(const sum *s, term *x, const char **p, unsigned i)
{
    bool dots;
    int letters = letters_of(*p, &dots), rank = nn_rank(s->t, x->x);
    if (dots ? rank < letters : rank != letters)
        nn_fail(s->t, s->loc, "operand %u of \"%s\" is %s, which has %d ax%s instead of %s%d",
                i + 1, s->spec, nn_type_text(s->t, x->x), rank, rank == 1 ? "is" : "es",
                dots ? "at least " : "", letters);
    *p = read_term(s, *p, x->label, NNC_MAX_RANK, rank - letters, &x->n);
}

/* Without `->`: letters that occur once, in alphabetical order. */
static void implied_result(sum *s, const term *x, unsigned n, int ndots)
{
    for (int k = ndots; k-- > 0;)
        s->out[s->nout++] = DOTS + k;
    for (int letter = 'A'; letter <= 'z'; letter++) {
        int count = 0;
        for (unsigned i = 0; i < n; i++)
            for (int k = 0; k < x[i].n; k++)
                count += x[i].label[k] == letter;
        if (count == 1)
            s->out[s->nout++] = letter;
    }
}

static void read_spec(sum *s, term *x, unsigned n)
{
    const char *p = s->spec;
    int ndots = 0;
    for (unsigned i = 0; i < n; i++) {
        read_operand(s, &x[i], &p, i);
        for (int k = 0; k < x[i].n; k++)
            if (x[i].label[k] - DOTS >= ndots)
                ndots = x[i].label[k] - DOTS + 1;
        if (i + 1 < n ? *p != ',' : *p == ',')
            nn_fail(s->t, s->loc, "\"%s\" does not name %u operand%s", s->spec, n,
                    n == 1 ? "" : "s");
        p += *p == ',';
    }
    if (!*p) {
        implied_result(s, x, n, ndots);
        return;
    }
    if (p[0] != '-' || p[1] != '>')
        nn_fail(s->t, s->loc, "\"%s\" is no sum; write \"ij,jk->ik\"", s->spec);
    p = read_term(s, p + 2, s->out, NNC_MAX_RANK, ndots, &s->nout);
    if (*p)
        nn_fail(s->t, s->loc, "\"%s\" has something after its result", s->spec);
    for (int i = 0; i < s->nout; i++) {
        bool found = false;
        for (unsigned k = 0; k < n; k++)
            found |= has(&x[k], s->out[i]);
        for (int k = 0; k < i; k++)
            found &= s->out[k] != s->out[i];
        if (!found)
            nn_fail(s->t, s->loc, "'%c' of the result of \"%s\" occurs %s", s->out[i], s->spec,
                    "not once in the result, or in no operand");
    }
}

nn_v nn_b_einsum(nn_trace *t, const nn_bcall *c)
{
    const nn_arg *at;
    nn_v spec = nn_argument(t, c, "spec");
    unsigned n = nn_arg_rest(t, c, &at);
    sum s = {.t = t, .c = c, .loc = nn_arg_at(t, c, "spec")->loc};
    s.spec = nn_ask_text(t, spec, nn_arg_at(t, c, "spec"), "the text of einsum");
    if (!n)
        nn_fail(t, c->at->loc, "einsum needs operands: einsum(\"ij,jk->ik\", a, b)");
    term *x = nnc_arena_array(t->arena, n, sizeof *x);
    nn_v *v = nnc_arena_array(t->arena, n, sizeof *v);
    for (unsigned i = 0; i < n; i++) {
        v[i] = nn_as_tensor(t, at[i].v, at[i].node);
        if (v[i]->is_key)
            nn_fail(t, at[i].node->loc, "einsum of a key");
    }
    nn_promote_all(t, n, v, c->at);
    for (unsigned i = 0; i < n; i++)
        x[i].x = nn_dtype(t, v[i]) == NNC_DT_bool ? nn_convert(t, v[i], NNC_DT_i32) : v[i];
    read_spec(&s, x, n);
    for (unsigned i = 0; i < n; i++)
        take_diagonals(&s, &x[i]);
    for (unsigned i = 0; i < n; i++) { /* letters of this operand alone */
        term other[64];
        unsigned k = 0;
        for (unsigned j = 0; j < n && k < 64; j++)
            if (j != i)
                other[k++] = x[j];
        sum_lonely(&s, &x[i], other, k);
    }
    term y = x[0];
    for (unsigned i = 1; i < n; i++)
        y = contract(&s, &y, &x[i], x + i + 1, n - i - 1);
    sum_lonely(&s, &y, NULL, 0);
    int64_t perm[NNC_MAX_RANK];
    for (int i = 0; i < s.nout; i++)
        for (int k = 0; k < y.n; k++)
            if (y.label[k] == s.out[i])
                perm[i] = k;
    return nn_permute(t, y.x, perm);
}
