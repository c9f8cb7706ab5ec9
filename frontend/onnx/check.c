/* One node at a time against the operator table: does the operator exist in the opset in force,
 * are inputs, outputs and attributes what its definition says.  Nothing here looks at other
 * nodes. */
#include "frontend/onnx/load.h"
#include <inttypes.h>
#include <string.h>

struct check {
    nnc_onnx_loader *ld;
    NNC_BUF(const char *) missing;
}; /* domains reported as not imported */

static const char *domain_text(const char *domain)
{
    return *domain ? domain : "ai.onnx";
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* ---- does the operator exist? ---------------------------------------------------------------- */

static void not_imported(struct check *cx, const nnc_onnx_node *n)
{
    for (uint32_t i = 0; i < cx->missing.n; i++)
        if (strcmp(cx->missing.at[i], n->domain) == 0)
            return;
    NNC_PUSH(cx->ld->a, &cx->missing, n->domain);
    nnc_error(
        cx->ld->diag, n->loc,
        "the model does not import an opset of domain '%s', which this operator needs; add one to "
        "opset_import (newest known: %" PRId64 ")",
        domain_text(n->domain), nnc_onnx_domain_newest(n->domain));
}

static void unknown_domain(struct check *cx, const nnc_onnx_node *n)
{
    const char *home =
        nnc_onnx_schema_first("", n->op) ? "" : nnc_onnx_schema_elsewhere(n->domain, n->op);
    if (strcmp(n->domain, "com.microsoft.nchwc") == 0 ||
        strncmp(n->domain, "com.ms.internal", strlen("com.ms.internal")) == 0)
        nnc_error(
            cx->ld->diag, n->loc,
            "operator '%s' is of domain '%s': onnxruntime saved the model with layouts of one "
            "machine; save it with optimization level extended or lower",
            n->op, n->domain);
    else if (home)
        nnc_error(cx->ld->diag, n->loc,
                  "domain '%s' is not known; did you mean operator '%s' of domain '%s'?", n->domain,
                  n->op, domain_text(home));
    else
        nnc_error(
            cx->ld->diag, n->loc,
            "operator '%s' is of domain '%s', which is not known; known are ai.onnx, ai.onnx.ml, "
            "com.microsoft, qonnx, and functions inside the model (export custom operators as "
            "such)",
            n->op, n->domain);
}

static void unknown_op(struct check *cx, const nnc_onnx_node *n)
{
    bool shown =
        nnc_diag_errors(cx->ld->diag) < 64; /* suggestions take a while and nobody sees more */
    const nnc_onnx_schema *first = nnc_onnx_schema_first(n->domain, n->op);
    const char *near = shown ? nnc_onnx_schema_nearest(n->domain, n->op) : NULL;
    const char *home = shown ? nnc_onnx_schema_elsewhere(n->domain, n->op) : NULL;
    if (first)
        nnc_error(
            cx->ld->diag, n->loc,
            "operator '%s' exists since opset %d of %s, but the model imports opset %d; raise the "
            "import or convert with onnx.version_converter",
            n->op, first->since, domain_text(n->domain), n->opset);
    else if (near)
        nnc_error(cx->ld->diag, n->loc,
                  "there is no operator '%s' in domain %s; did you mean '%s'?", n->op,
                  domain_text(n->domain), near);
    else if (home)
        nnc_error(cx->ld->diag, n->loc,
                  "there is no operator '%s' in domain %s; did you mean the one of domain %s?",
                  n->op, domain_text(n->domain), domain_text(home));
    else
        nnc_error(
            cx->ld->diag, n->loc,
            "there is no operator '%s' in domain %s; export it as a function inside the model",
            n->op, domain_text(n->domain));
}

/* ---- inputs and outputs ---------------------------------------------------------------------- */

static uint32_t used(const nnc_sym *s, uint32_t n)
{
    while (n && !s[n - 1].id)
        n--;
    return n;
}

typedef const nnc_onnx_param *nth_param(const nnc_onnx_schema *, uint32_t);

/* ": X, W, [B]" */
static const char *param_list(nnc_arena *a, const nnc_onnx_schema *s, nth_param *nth, uint32_t n)
{
    const char *text = n ? ": " : "";
    for (uint32_t i = 0; i < n; i++) {
        const nnc_onnx_param *p = nth(s, i);
        text = p->kind == NNC_ONNX_PARAM_OPT
                   ? nnc_arena_printf(a, "%s%s[%s]", text, i ? ", " : "", p->name)
                   : nnc_arena_printf(a, "%s%s%s%s", text, i ? ", " : "", p->name,
                                      p->kind == NNC_ONNX_PARAM_ONE ? "" : "..");
    }
    return text;
}

static const char *range_text(nnc_arena *a, int least, int most)
{
    if (most == NNC_ONNX_ANY_NUMBER)
        return nnc_arena_printf(a, "at least %d", least);
    if (least == most)
        return nnc_arena_printf(a, "%d", least);
    return nnc_arena_printf(a, "%d to %d", least, most);
}

/* Does definition `s` have the attribute, or (NULL) take the number of inputs? */
static bool fits(const nnc_onnx_schema *s, const char *attr, uint32_t inputs)
{
    if (!s)
        return false;
    return attr ? nnc_onnx_schema_attr(s, attr) != NULL
                : (int64_t)inputs >= s->min_in && (int64_t)inputs <= s->max_in;
}

/* Did the node mean another version of its operator?  The next newer one that fits, else the last
 * older one, as the end of a message; "" when none does. */
static const char *elsewhere(struct check *cx, const nnc_onnx_node *n, const char *attr,
                             uint32_t inputs)
{
    const char *what = attr ? "it exists" : "that is right";
    int64_t newest = nnc_onnx_domain_newest(n->domain);
    for (int64_t v = n->opset + 1; v <= newest; v++)
        if (fits(nnc_onnx_schema_find(n->domain, n->op, v), attr, inputs))
            return nnc_arena_printf(
                cx->ld->a, "; %s from opset %" PRId64 " on, but the model imports opset %d", what,
                v, n->opset);
    for (int64_t v = n->since - 1; v > 0; v--)
        if (fits(nnc_onnx_schema_find(n->domain, n->op, v), attr, inputs))
            return nnc_arena_printf(cx->ld->a,
                                    "; %s until opset %" PRId64 ", but the model imports opset %d "
                                    "(onnx.version_converter converts)",
                                    what, v, n->opset);
    return "";
}

static void check_inputs(struct check *cx, const nnc_onnx_node *n)
{
    const nnc_onnx_schema *s = n->schema;
    nnc_arena *a = cx->ld->a;
    uint32_t have = used(n->in, n->nin);
    if ((int64_t)have < s->min_in || (int64_t)have > s->max_in) {
        nnc_error(cx->ld->diag, n->loc, "%s-%d has %u input%s, expected %s%s%s", n->op, s->since,
                  have, plural(have), range_text(a, s->min_in, s->max_in),
                  param_list(a, s, nnc_onnx_schema_in, s->nin), elsewhere(cx, n, NULL, have));
        return;
    }
    for (uint32_t i = 0; i < have; i++) {
        const nnc_onnx_param *p = nnc_onnx_schema_in(s, i);
        if (!n->in[i].id && p && p->kind == NNC_ONNX_PARAM_ONE)
            nnc_error(cx->ld->diag, n->loc,
                      "%s-%d: input %u, '%s', is left out but is not optional", n->op, s->since, i,
                      p->name);
    }
}

static void check_outputs(struct check *cx, const nnc_onnx_node *n)
{
    const nnc_onnx_schema *s = n->schema;
    nnc_arena *a = cx->ld->a;
    uint32_t have = used(n->out, n->nout);
    if ((int64_t)n->nout < s->min_out || (int64_t)have > s->max_out)
        nnc_error(cx->ld->diag, n->loc, "%s-%d has %u output%s, expected %s%s", n->op, s->since,
                  have, plural(have), range_text(a, s->min_out, s->max_out),
                  param_list(a, s, nnc_onnx_schema_out, s->nout));
}

/* ---- attributes ------------------------------------------------------------------------------ */

static const char *near_attr(const nnc_onnx_schema *s, const char *name)
{
    const nnc_onnx_attr_schema *list = nnc_onnx_schema_attrs(s);
    const char *best = NULL;
    unsigned limit = nnc_onnx_near(name);
    for (uint32_t i = 0; i < s->nattr; i++) {
        unsigned d = nnc_onnx_distance(name, list[i].name, limit);
        if (d <= limit) {
            best = list[i].name;
            limit = d;
        }
    }
    return best;
}

static const char *attr_list(nnc_arena *a, const nnc_onnx_schema *s)
{
    const nnc_onnx_attr_schema *list = nnc_onnx_schema_attrs(s);
    const char *text = s->nattr ? "only " : "none";
    for (uint32_t i = 0; i < s->nattr; i++)
        text = nnc_arena_printf(a, "%s%s%s", text, i ? ", " : "", list[i].name);
    return text;
}

static void check_attr(struct check *cx, const nnc_onnx_node *n, const nnc_onnx_attr *at)
{
    const nnc_onnx_attr_schema *want = nnc_onnx_schema_attr(n->schema, at->name);
    nnc_diag *diag = cx->ld->diag;
    if (!want) {
        const char *near = near_attr(n->schema, at->name), *other = elsewhere(cx, n, at->name, 0);
        if (near && !*other)
            nnc_error(diag, n->loc, "%s-%d has no attribute '%s'; did you mean '%s'?", n->op,
                      n->since, at->name, near);
        else
            nnc_error(diag, n->loc, "%s-%d has no attribute '%s', expected %s%s", n->op, n->since,
                      at->name, attr_list(cx->ld->a, n->schema),
                      *other ? other : "; take it out of the node");
    } else if (at->kind != want->kind && at->kind != NNC_ONNX_ATTR_none) {
        nnc_error(diag, n->loc, "attribute '%s' of %s-%d is %s, expected %s", at->name, n->op,
                  n->since, nnc_onnx_attr_kind_str(at->kind), nnc_onnx_attr_kind_str(want->kind));
    }
}

static void check_attrs(struct check *cx, const nnc_onnx_node *n)
{
    const nnc_onnx_attr_schema *list = nnc_onnx_schema_attrs(n->schema);
    for (uint32_t i = 0; i < n->nattr; i++)
        check_attr(cx, n, &n->attr[i]);
    for (uint32_t i = 0; i < n->schema->nattr; i++)
        if (list[i].required && !nnc_onnx_node_attr(n, list[i].name))
            nnc_error(cx->ld->diag, n->loc, "%s-%d needs the attribute '%s' (%s), which is missing",
                      n->op, n->since, list[i].name, nnc_onnx_attr_kind_str(list[i].kind));
}

/* ---- bodies ---------------------------------------------------------------------------------- */

/* One graph attribute against the numbers its node implies; -1: any. */
static void check_body(struct check *cx, const nnc_onnx_node *n, const char *name, int64_t nin,
                       int64_t nout, const char *why_in, const char *why_out)
{
    const nnc_onnx_graph *g = nnc_onnx_node_graph(n, name);
    if (!g)
        return;
    if (nin >= 0 && g->nin != nin)
        nnc_error(cx->ld->diag, n->loc, "%s of %s has %u input%s, expected %" PRId64 " (%s)", name,
                  n->op, g->nin, plural(g->nin), nin, why_in);
    if (nout >= 0 && g->nout != nout)
        nnc_error(cx->ld->diag, n->loc, "%s of %s has %u output%s, expected %" PRId64 " (%s)", name,
                  n->op, g->nout, plural(g->nout), nout, why_out);
}

/* Scan: states and slices in; states and slices out, as many as the node has.  Scan-8 has
 * sequence lengths in front. */
static void check_scan(struct check *cx, const nnc_onnx_node *n)
{
    int64_t scanned = nnc_onnx_node_int(n, "num_scan_inputs", 0), first = n->since == 8,
            states = (int64_t)n->nin - first - scanned;
    if (scanned < 1 || states < 0)
        nnc_error(cx->ld->diag, n->loc,
                  "num_scan_inputs is %" PRId64 ", expected 1..%" PRId64 ", the number of inputs",
                  scanned, (int64_t)n->nin - first);
    else if (states > n->nout)
        nnc_error(cx->ld->diag, n->loc,
                  "Scan has %" PRId64 " states but only %u outputs; each state is an output too",
                  states, n->nout);
    else
        check_body(cx, n, "body", states + scanned, n->nout,
                   "its states and one slice of each scanned input", "as many as the node has");
}

static void check_bodies(struct check *cx, const nnc_onnx_node *n)
{
    if (strcmp(n->op, "If") == 0) {
        check_body(cx, n, "then_branch", 0, n->nout, "branches capture what they need",
                   "as many as the node has");
        check_body(cx, n, "else_branch", 0, n->nout, "branches capture what they need",
                   "as many as the node has");
    } else if (strcmp(n->op, "Loop") == 0) {
        if (n->nout + 2 < n->nin)
            nnc_error(cx->ld->diag, n->loc,
                      "Loop carries %u values but has only %u outputs; each carried value is an "
                      "output too",
                      n->nin - 2, n->nout);
        check_body(cx, n, "body", n->nin, n->nout + 1,
                   "iteration, condition and the carried values",
                   "condition, carried values and scanned values");
    } else if (strcmp(n->op, "Scan") == 0) {
        check_scan(cx, n);
    } else if (strcmp(n->op, "SequenceMap") == 0) {
        check_body(cx, n, "body", n->nin, n->nout, "as many as the node has",
                   "as many as the node has");
    }
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void check_call(struct check *cx, const nnc_onnx_node *n, const nnc_onnx_func *f)
{
    if (used(n->in, n->nin) > f->body.nin)
        nnc_error(cx->ld->diag, n->loc, "the call has %u inputs, but function '%s' takes %u",
                  n->nin, f->name, f->body.nin);
    if (used(n->out, n->nout) > f->body.nout)
        nnc_error(cx->ld->diag, n->loc, "the call has %u outputs, but function '%s' makes %u",
                  n->nout, f->name, f->body.nout);
}

/* ONNX Runtime's optimiser writes two operators into ai.onnx that are not there, or not yet. */
static bool is_contributed(const nnc_onnx_node *n)
{
    return !*n->domain && !n->schema &&
           (strcmp(n->op, "SimplifiedLayerNormalization") == 0 ||
            (strcmp(n->op, "LayerNormalization") == 0 && n->opset < 17));
}

static void check_node(struct check *cx, const nnc_onnx_node *n)
{
    const nnc_onnx_func *f = nnc_onnx_func_find(cx->ld, n->domain, n->op, n->overload);
    if (!*n->op) {
        nnc_error(cx->ld->diag, n->loc, "the node has no operator (op_type is empty)");
    } else if (f) {
        check_call(cx, n, f);
    } else if (!nnc_onnx_domain_newest(n->domain)) {
        unknown_domain(cx, n);
    } else if (!nnc_onnx_domain_is_known(n->domain) || is_contributed(n)) {
        return; /* accepted without a schema: the mapping rows check */
    } else if (n->opset == 0) {
        not_imported(cx, n);
    } else if (!n->schema) {
        unknown_op(cx, n);
    } else {
        if (n->schema->deprecated)
            nnc_warning(
                cx->ld->diag, n->loc,
                "operator '%s' is deprecated since opset %d; it is read by its last definition",
                n->op, n->since);
        check_inputs(cx, n);
        check_outputs(cx, n);
        check_attrs(cx, n);
        if (!*n->domain)
            check_bodies(cx, n);
    }
}

/* Of a domain that is not imported, which only the first such node says. */
static bool is_unresolved(const struct check *cx, const nnc_onnx_node *n)
{
    return nnc_onnx_domain_is_known(n->domain) && !n->schema && !is_contributed(n) &&
           !nnc_onnx_func_find(cx->ld, n->domain, n->op, n->overload);
}

static void check_graph(struct check *cx, const nnc_onnx_graph *g)
{
    for (uint32_t i = 0; i < g->nnode; i++) {
        nnc_onnx_node *n = (nnc_onnx_node *)&g->node[i];
        unsigned before = nnc_diag_errors(cx->ld->diag);
        check_node(cx, n);
        cx->ld->node_errors += nnc_diag_errors(cx->ld->diag) - before;
        n->broken |= nnc_diag_errors(cx->ld->diag) != before || is_unresolved(cx, n);
        for (uint32_t j = 0; j < n->nattr; j++) {
            const nnc_onnx_attr *at = &n->attr[j];
            if (at->kind == NNC_ONNX_ATTR_graph && at->u.graph)
                check_graph(cx, at->u.graph);
            for (uint32_t k = 0; at->kind == NNC_ONNX_ATTR_graphs && k < at->n; k++)
                check_graph(cx, at->u.graphs[k]);
        }
    }
}

void nnc_onnx_check_ops(nnc_onnx_loader *ld, nnc_onnx_graph *g)
{
    struct check cx = {.ld = ld};
    check_graph(&cx, g);
}
