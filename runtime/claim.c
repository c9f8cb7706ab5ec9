/* Claims and assertions.
 *
 *       FAIL  4-bit weights lose at most one point      0.951 >= 0.958   (w = 4, seed = 3)
 *       ok    2 bits reach 99 %                         min 0.9921 >= 0.99
 *
 * Of each part the worst element is looked for: first those that fail, then the smallest margin.  A part that holds
 * everywhere against one number is told by its extreme; otherwise the worst element is told with its label. */
#include "session.h"
#include "value.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_LEAST = 40, TEXT_MOST = 60, PARTS_SHOWN = 3 };
static const char *const sign_of[] = {"", "==", "!=", "<", "<=", ">", ">="};

typedef struct checked {
    const nnp_part *part;
    nnp_view verdict, left, right, tolerance, where;
    size_t seen, failed, worst, first; /* elements looked at, failed ones, flat indices */
    double margin;
} checked;

/* The element of `v` that belongs to element `i` of `like`; sizes are aligned at the right, or at the left for masks. */
static size_t place_in(const nnp_view *v, const nnp_view *like, size_t i, int left)
{
    int rank = v->value->rank, full = like->value->rank;
    size_t at = 0, stride[NNP_MAX_RANK], step = 1;
    for (int d = rank; d-- > 0;) {
        stride[d] = v->dim[d] == 1 ? 0 : step;
        step *= v->dim[d];
    }
    for (int d = full; d-- > 0;) {
        size_t k = i % like->dim[d];
        i /= like->dim[d];
        int mine = left ? d : d - (full - rank);
        if (mine >= 0 && mine < rank && k < v->dim[mine])
            at += k * stride[mine];
    }
    return v->count ? at : 0;
}

/* How far the comparison is from failing; more is better. */
static double margin_of(const checked *k, size_t i)
{
    nnp_compare op = k->part->op;
    if (op == NNP_TRUE)
        return 0;
    double l = nnp_view_get(&k->left, place_in(&k->left, &k->verdict, i, 0));
    double r = nnp_view_get(&k->right, place_in(&k->right, &k->verdict, i, 0)), m = 0;
    if (op == NNP_GE || op == NNP_GT)
        m = l - r;
    else if (op == NNP_LE || op == NNP_LT)
        m = r - l;
    else if (op == NNP_EQ)
        m = l == r ? 0 : -fabs(l - r);
    if (k->tolerance.value)
        m += nnp_view_get(&k->tolerance, place_in(&k->tolerance, &k->verdict, i, 0));
    return isnan(m) ? k->verdict.data[i] ? INFINITY : -INFINITY : m;
}

static void check(checked *k)
{
    for (size_t i = 0; i < k->verdict.count; i++) {
        if (k->where.value && !k->where.data[place_in(&k->where, &k->verdict, i, 1)])
            continue;
        int bad = !k->verdict.data[i];
        double m = margin_of(k, i);
        int worse = bad != (k->failed > 0) ? bad : m < k->margin;
        if (!k->seen || worse) {
            k->worst = i;
            k->margin = m;
        }
        k->seen++;
        k->failed += (size_t)bad;
    }
}

/* ---- words ---- */

/* "w = 4, seed = 3"; unlabelled tensors: "at [3, 5]" */
static void label(const checked *k, size_t i, void *const *data, nnp_text *o)
{
    const nnp_value *v = k->verdict.value;
    size_t at[NNP_MAX_RANK];
    int named = 0;
    for (int d = v->rank; d-- > 0;) {
        at[d] = i % k->verdict.dim[d];
        i /= k->verdict.dim[d];
        named += v->axis && v->axis[d].name;
    }
    if (v->rank && !named) {
        nnp_text_add(o, o->n ? ", at [" : "at [");
        for (int d = 0; d < v->rank; d++)
            nnp_text_printf(o, "%s%zu", d ? ", " : "", at[d]);
        nnp_text_char(o, ']');
        return;
    }
    for (int d = 0; d < v->rank; d++) {
        if (o->n)
            nnp_text_add(o, ", ");
        if (v->axis[d].name)
            nnp_text_printf(o, "%s = ", v->axis[d].name);
        else
            nnp_text_printf(o, "axis %d = ", d);
        nnp_axis_place(v->axis[d].name ? &v->axis[d] : NULL, at[d], data, o);
    }
}

static void one_side(const nnp_view *v, size_t i, int digits, nnp_text *o)
{
    nnp_text_clear(o);
    nnp_view_text(v, i, digits, o);
}

/* Both sides with so many digits that they differ if the numbers do. */
static void both_sides(const checked *k, size_t i, nnp_text *l, nnp_text *r)
{
    size_t il = place_in(&k->left, &k->verdict, i, 0), ir = place_in(&k->right, &k->verdict, i, 0);
    int equal = nnp_view_get(&k->left, il) == nnp_view_get(&k->right, ir);
    for (int digits = 4; digits <= 17; digits++) {
        one_side(&k->left, il, digits, l);
        one_side(&k->right, ir, digits, r);
        if (equal || strcmp(nnp_text_str(l), nnp_text_str(r)))
            return;
    }
}

static void measured(const checked *k, const char *before, const char *between, nnp_text *o)
{
    nnp_text l = {0}, r = {0};
    both_sides(k, k->worst, &l, &r);
    nnp_text_printf(o, "%s%s %s %s%s", before, nnp_text_str(&l), sign_of[k->part->op], between,
                    nnp_text_str(&r));
    if (k->tolerance.value) {
        nnp_text_add(o, " within ");
        nnp_view_text(&k->tolerance, place_in(&k->tolerance, &k->verdict, k->worst, 0), 4, o);
    }
    nnp_text_free(&l);
    nnp_text_free(&r);
}

/* What was measured; 1 if one element was told, which then needs its label. */
static int tell_part(const checked *k, nnp_text *o)
{
    nnp_compare op = k->part->op;
    int many = k->verdict.value->rank > 0 && k->seen > 1;
    if (k->part->name && *k->part->name)
        nnp_text_printf(o, "%s: ", k->part->name);
    if (!k->seen) {
        nnp_text_add(o, "nothing to check");
        return 0;
    }
    if (op == NNP_TRUE) {
        if (many && !k->failed)
            nnp_text_printf(o, "all %zu true", k->seen);
        else
            nnp_text_add(o, k->failed ? "false" : "true");
        return k->failed != 0;
    }
    if (!many || k->failed) {
        measured(k, "", "", o);
        return 1;
    }
    int up = op == NNP_GE || op == NNP_GT, down = op == NNP_LE || op == NNP_LT;
    if (k->right.count == 1 && (up || down)) {
        measured(k, up ? "min " : "max ", "", o);
        return 0;
    }
    if (k->left.count == 1 && (up || down)) {
        measured(k, "", up ? "max " : "min ", o);
        return 0;
    }
    if (op == NNP_NE || (op == NNP_EQ && !k->tolerance.value)) {
        nnp_text_printf(o, "all %zu %s", k->seen, op == NNP_NE ? "differ" : "equal");
        if (k->right.count == 1) {
            nnp_text_add(o, op == NNP_NE ? " from " : " ");
            nnp_view_text(&k->right, 0, 4, o);
        }
        return 0;
    }
    measured(k, "", "", o);
    return 1;
}

/* "   (w = 4, seed = 3; 2 of 5 fail)" */
static void tell_place(const nnp_scope *c, const checked *k, int element, void *const *data,
                       nnp_text *o)
{
    nnp_text s = {0};
    nnp_text_add(&s, nnp_text_str(&c->place));
    if (k->part->fixed && element) {
        nnp_text_add(&s, s.n ? ", " : "");
        nnp_text_add(&s, k->part->fixed);
    }
    if (element && k->seen)
        label(k, k->worst, data, &s);
    if (k->failed > 1)
        nnp_text_printf(&s, "%s%zu of %zu fail", s.n ? "; " : "", k->failed, k->seen);
    if (s.n)
        nnp_text_printf(o, "   (%s)", s.at);
    nnp_text_free(&s);
}

/* ---- the record ---- */

static void json_part(const checked *k, void *const *data, nnp_text *o)
{
    nnp_text s = {0};
    nnp_text_printf(o, "{\"checked\": %zu, \"failed\": %zu", k->seen, k->failed);
    if (k->part->name && *k->part->name) {
        nnp_text_add(o, ", \"leaf\": ");
        nnp_text_json(o, k->part->name);
    }
    if (k->part->op != NNP_TRUE && k->seen) {
        nnp_text_printf(o, ", \"compare\": \"%s\", \"left\": ", sign_of[k->part->op]);
        nnp_view_json(&k->left, place_in(&k->left, &k->verdict, k->worst, 0), o);
        nnp_text_add(o, ", \"right\": ");
        nnp_view_json(&k->right, place_in(&k->right, &k->verdict, k->worst, 0), o);
        if (k->tolerance.value) {
            nnp_text_add(o, ", \"within\": ");
            nnp_view_json(&k->tolerance, place_in(&k->tolerance, &k->verdict, k->worst, 0), o);
        }
    }
    if (k->seen && k->part->fixed)
        nnp_text_add(&s, k->part->fixed);
    if (k->seen)
        label(k, k->worst, data, &s);
    if (s.n) {
        nnp_text_add(o, ", \"worst\": ");
        nnp_text_json(o, s.at);
    }
    nnp_text_char(o, '}');
    nnp_text_free(&s);
}

static void json_claim(const nnp_scope *c, const nnp_host_op *op, const checked *k, int n, int ok,
                       void *const *data, nnp_text *o)
{
    const nnp_claim *claim = op->detail;
    nnp_text_add(o, "{\"text\": ");
    nnp_text_json(o, claim->text);
    nnp_text_printf(o, ", \"ok\": %s, \"where\": ", ok ? "true" : "false");
    nnp_text_json(o, op->where ? op->where : "");
    if (c->place_json.n)
        nnp_text_printf(o, ", \"point\": {%s}", c->place_json.at);
    nnp_text_add(o, ", \"parts\": [");
    for (int i = 0; i < n; i++) {
        nnp_text_add(o, i ? ", " : "");
        json_part(&k[i], data, o);
    }
    nnp_text_add(o, "]}");
}

/* The column at which measurements start: the longest text of the program, within reason. */
static int text_column(const nnp_program *p)
{
    int most = TEXT_LEAST;
    for (int i = 0; i < p->nhost; i++)
        if (p->host[i].kind == NNP_CLAIM) {
            int n = nnp_text_width(((const nnp_claim *)p->host[i].detail)->text);
            most = n > most && n <= TEXT_MOST ? n : most;
        }
    return most + 2;
}

static void optional_view(nnp_view *view, const nnp_value *v, void *const *data,
                          const size_t *const *dim)
{
    if (v->at >= 0)
        *view = nnp_view_of(v, data, dim);
}

int nnp_do_claim(nnp_scope *c, const nnp_host_op *op, void *const *data, const size_t *const *dim)
{
    const nnp_claim *claim = op->detail;
    checked *k = nnp_alloc(sizeof *k * (size_t)claim->n);
    int bad = -1;
    for (int i = 0; i < claim->n; i++) {
        const nnp_part *part = &claim->part[i];
        k[i].part = part;
        k[i].verdict = nnp_view_of(&part->verdict, data, dim);
        if (part->op != NNP_TRUE) {
            k[i].left = nnp_view_of(&part->left, data, dim);
            k[i].right = nnp_view_of(&part->right, data, dim);
            optional_view(&k[i].tolerance, &part->tolerance, data, dim);
        }
        optional_view(&k[i].where, &part->where, data, dim);
        check(&k[i]);
        if (k[i].failed && bad < 0)
            bad = i;
    }
    nnp_text line = {0}, json = {0};
    nnp_text_add(&line, bad >= 0 ? "  \033[1;31mFAIL\033[0m  " : "  \033[32mok\033[0m    ");
    nnp_text_pad(&line, claim->text, text_column(c->session->program));
    if (nnp_text_width(claim->text) >= text_column(c->session->program))
        nnp_text_add(&line, "  ");
    int from = bad >= 0 ? bad : 0, to = bad >= 0 ? bad + 1 : claim->n;
    for (int i = from; i < to && i - from < PARTS_SHOWN; i++) {
        nnp_text_add(&line, i > from ? ", " : "");
        int element = tell_part(&k[i], &line);
        tell_place(c, &k[i], element, data, &line);
    }
    if (to - from > PARTS_SHOWN)
        nnp_text_printf(&line, ", and %d more", to - from - PARTS_SHOWN);
    nnp_text_char(&line, '\n');
    json_claim(c, op, k, claim->n, bad < 0, data, &json);
    nnp_tell(c, bad >= 0 ? NNP_WARN : NNP_SHOW, line.at, line.n);
    nnp_tell(c, bad >= 0 ? NNP_FAILS : NNP_HOLDS, json.at, json.n);
    nnp_text_free(&line);
    nnp_text_free(&json);
    free(k);
    return 0;
}

/* The message of a compiler: the place, the line, and as a note which experiment and point it was. */
static int stop_at(nnp_scope *c, const char *where, const nnp_assert *a)
{
    const nnp_experiment *e = c->session->experiment;
    return nnp_stop(c, NNP_FAILED, "%s: error: %s\n%s%s: note: in %s %s%s%s", where, a->text,
                    a->source ? a->source : "", where, e->test ? "test" : "experiment", e->name,
                    c->place.n ? " at " : "", nnp_text_str(&c->place));
}

int nnp_do_assert(nnp_scope *c, const nnp_host_op *op, void *const *data, const size_t *const *dim)
{
    const nnp_assert *a = op->detail;
    for (int k = 0; k < a->n; k++) {
        nnp_view v = nnp_view_of(&a->verdict[k], data, dim);
        for (size_t i = 0; i < v.count; i++)
            if (!v.data[i])
                return stop_at(c, op->where ? op->where : "program", a);
    }
    return 0;
}
