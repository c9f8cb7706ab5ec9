/* Every rule of simplify, tested by machinery.
 *
 * Algebra: the left-hand side is built from the rule itself with random dtypes, shapes and constants, the rule is applied,
 * and the interpreter runs both sides: EXACT rules with nan, inf, -0 and limits among the inputs and bit for bit, ROUND
 * rules with the same inputs and a tolerance, the others with ordinary numbers.
 * Structure: cases in IR text, each with a twin on which the rule must not fire. */
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/rules/rules.h"
#include "tests/test.h"

static uint64_t state = 1;

static uint64_t draw(void)
{
    uint64_t z = (state += 0x9E3779B97F4A7C15u);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

typedef struct world {
    nnc_arena *a;
    nnc_module *m;
    nnc_op graph;
    nnc_builder b;
} world;

static void swallow(void *user, const char *text)
{
    (void)user;
    (void)text;
}

static world world_new(bool quiet)
{
    world w = {.a = nnc_arena_new()};
    nnc_diag *d = nnc_diag_new(w.a);
    if (quiet)
        nnc_diag_set_sink(d, swallow, NULL);
    w.m = nnc_module_new(w.a, d);
    return w;
}

/* ---- numbers ---- */
typedef enum { ORDINARY, SPECIAL } kind;

static nnc_num number(nnc_dtype dt, kind k)
{
    static const double special[] = {NAN,    INFINITY, -INFINITY, -0.0, 0.0,
                                     3.0e38, -1e-42,   1,         -1,   0.5};
    static const int64_t edges[] = {0, 1, -1, INT32_MIN, INT32_MAX, INT64_MIN, 255};
    nnc_num n = {0, 0};

    if (nnc_dtype_is_float(dt)) {
        n.f = 0.25 + (double)(draw() % 1000) / 400;
        if (k == SPECIAL) {
            n.f = draw() % 2 ? special[draw() % 10] : n.f;
            n.f = draw() % 2 ? n.f : -n.f;
        }
        return nnc_eval_cast(n, NNC_DT_f64, dt, true, NNC_W_up);
    }
    n.i = k == SPECIAL && draw() % 2 ? edges[draw() % 7] : (int64_t)(draw() % 16) - 4;
    return nnc_num_of_bits(dt, nnc_num_bits(dt, n));
}

static nnc_tensor tensor(nnc_arena *a, const nnc_type_rec *ty, kind k)
{
    nnc_tensor t = nnc_tensor_new(a, (nnc_dtype)ty->dtype, ty->rank, ty->dim);
    for (int64_t i = 0, n = nnc_tensor_count(&t); i < n; i++)
        nnc_num_store(t.dtype, (char *)t.data + (size_t)i * nnc_dtype_bytes(t.dtype),
                      number(t.dtype, k));
    return t;
}

/* ---- comparison ---- */
typedef struct allowed {
    double relative; /* of the element; 0: bit for bit */
    bool zero_sign;  /* -0 and +0 are different */
} allowed;

static bool equal(nnc_dtype dt, nnc_num p, nnc_num q, allowed ok)
{
    if (!nnc_dtype_is_float(dt))
        return p.i == q.i;
    if (isnan(p.f) || isnan(q.f))
        return isnan(p.f) && isnan(q.f);
    if (p.f == q.f)
        return !ok.zero_sign || p.f != 0 || signbit(p.f) == signbit(q.f);
    return fabs(p.f - q.f) <= ok.relative * fmax(fabs(p.f), fabs(q.f));
}

static bool same(const nnc_tensor *p, const nnc_tensor *q, allowed ok, double *x, double *y)
{
    if (p->rank != q->rank || memcmp(p->dim, q->dim, (size_t)p->rank * sizeof p->dim[0]) != 0)
        return false;
    for (int64_t i = 0, n = nnc_tensor_count(p); i < n; i++) {
        nnc_num a =
            nnc_num_load(p->dtype, (const char *)p->data + (size_t)i * nnc_dtype_bytes(p->dtype));
        nnc_num b =
            nnc_num_load(q->dtype, (const char *)q->data + (size_t)i * nnc_dtype_bytes(q->dtype));
        if (!equal(p->dtype, a, b, ok)) {
            *x = nnc_dtype_is_float(p->dtype) ? a.f : (double)a.i;
            *y = nnc_dtype_is_float(p->dtype) ? b.f : (double)b.i;
            return false;
        }
    }
    return true;
}

/* ---- algebra ---- */
typedef struct trial {
    world w;
    nnc_dtype dt;
    nnc_value var[8];
    bool is_bool[8];
    bool scalar_consts;
} trial;

/* Which variables stand where a bool is needed. */
static void find_bools(const nnc_pat *p, bool wants_bool, bool *is_bool)
{
    bool inner;
    if (p->kind == NNC_PAT_VAR || p->kind == NNC_PAT_CONST)
        is_bool[p->var] |= wants_bool;
    if (p->kind != NNC_PAT_OP)
        return;
    inner = wants_bool && p->code != NNC_OP_lt && p->code != NNC_OP_le && p->code != NNC_OP_eq;
    for (int i = 0; i < 3 && p->in[i]; i++)
        find_bools(p->in[i], p->code == NNC_OP_select && i == 0 ? true : inner, is_bool);
}

static nnc_type random_shape(nnc_module *m, nnc_dtype dt)
{
    static const nnc_dim shapes[][2] = {{2, 3}, {2, 3}, {1, 3}, {2, 1}};
    unsigned k = (unsigned)(draw() % 6);
    nnc_dim three = 3;
    if (k == 5)
        return nnc_type_tensor(m, dt, 1, &three);
    return nnc_type_tensor(m, dt, 2, shapes[k % 4]);
}

static void make_var(trial *t, const nnc_pat *p)
{
    nnc_module *m = t->w.m;
    nnc_dtype dt = t->is_bool[p->var] ? NNC_DT_bool : t->dt;
    if (t->var[p->var].id)
        return;
    if (p->kind == NNC_PAT_VAR) {
        t->var[p->var] =
            nnc_block_add_arg(m, nnc_op_region(m, t->w.graph, 0), random_shape(m, dt), "v");
    } else if (t->scalar_consts) {
        nnc_num n = number(dt, ORDINARY);
        if (nnc_dtype_is_float(dt) && draw() % 2)
            n.f = ldexp(1, (int)(draw() % 7) - 3);
        t->var[p->var] = nnc_const_bits(m, nnc_type_tensor(m, dt, 0, NULL), nnc_num_bits(dt, n));
    } else {
        nnc_dim three = 3;
        nnc_type_rec ty = *nnc_type_get(m, nnc_type_tensor(m, dt, 1, &three));
        t->var[p->var] =
            nnc_g_const_data(&t->w.b, dt, 1, &three, tensor(t->w.a, &ty, ORDINARY).data);
    }
}

/* Raw ops with inferred types, no folding: the rule must see what it states. */
static nnc_value build(trial *t, const nnc_pat *p, bool wants_bool)
{
    nnc_value in[3];
    int n = 0;
    bool inner = wants_bool && p->code != NNC_OP_lt && p->code != NNC_OP_le && p->code != NNC_OP_eq;
    nnc_dtype dt = wants_bool ? NNC_DT_bool : t->dt;

    if (p->kind == NNC_PAT_NUM) {
        nnc_type ty = nnc_type_tensor(t->w.m, dt, 0, NULL);
        return nnc_dtype_is_float(dt) ? nnc_const_float(t->w.m, ty, p->num)
                                      : nnc_const_int(t->w.m, ty, (int64_t)p->num);
    }
    if (p->kind != NNC_PAT_OP) {
        make_var(t, p);
        return t->var[p->var];
    }
    for (; n < 3 && p->in[n]; n++)
        in[n] = build(t, p->in[n], p->code == NNC_OP_select && n == 0 ? true : inner);
    if (n == 1)
        return nnc_g_unary(&t->w.b, p->code, in[0]);
    return n == 2 ? nnc_g_binary(&t->w.b, p->code, in[0], in[1])
                  : nnc_g_select(&t->w.b, in[0], in[1], in[2]);
}

static bool mentions_max(const nnc_pat *p)
{
    if (p->kind != NNC_PAT_OP)
        return false;
    if (p->code == NNC_OP_max || p->code == NNC_OP_min)
        return true;
    for (int i = 0; i < 3 && p->in[i]; i++)
        if (mentions_max(p->in[i]))
            return true;
    return false;
}

static allowed allowed_for(const nnc_rule *r, nnc_dtype dt)
{
    allowed ok = {0, r->class == NNC_RULE_EXACT && !mentions_max(r->lhs)};
    if (r->class != NNC_RULE_EXACT)
        ok.relative = dt == NNC_DT_f16 ? 1e-2 : dt == NNC_DT_f32 ? 1e-5 : 1e-12;
    return ok;
}

/* 1: fired and compared, 0: did not fire. */
static int try_rule(const nnc_rule *r, nnc_dtype dt, bool scalar_consts, bool quiet)
{
    trial t = {.w = world_new(quiet), .dt = dt, .scalar_consts = scalar_consts};
    kind k = r->class == NNC_RULE_EXACT || r->class == NNC_RULE_ROUND ? SPECIAL : ORDINARY;
    nnc_value both[2];
    nnc_tensor *in, out[2];
    nnc_block body;
    nnc_op op;
    unsigned n;
    double x = 0, y = 0;

    find_bools(r->lhs, dt == NNC_DT_bool, t.is_bool);
    t.w.graph = nnc_build_func(t.w.m, NNC_OP_graph, "f", true, (nnc_loc){0});
    body = nnc_op_region(t.w.m, t.w.graph, 0);
    t.w.b = nnc_builder_at_end(t.w.m, body);
    both[0] = build(&t, r->lhs, dt == NNC_DT_bool);
    op = nnc_value_op(t.w.m, both[0]);
    both[1] = (nnc_value){0};
    if (op.id && nnc_op_code(t.w.m, op) == r->lhs->code) {
        nnc_builder b = nnc_builder_at_end(t.w.m, body);
        both[1] = nnc_rule_apply(&b, r, op);
    }
    if (!both[1].id) {
        nnc_arena_free(t.w.a);
        return 0;
    }
    test_true(nnc_value_type(t.w.m, both[0]).id == nnc_value_type(t.w.m, both[1]).id,
              "both sides of one type", r->name, 0);
    nnc_build_yield(&t.w.b, 2, both);
    n = nnc_block_narg(t.w.m, body);
    in = nnc_arena_array(t.w.a, n, sizeof *in);
    for (unsigned i = 0; i < n; i++)
        in[i] = tensor(t.w.a, nnc_value_ty(t.w.m, nnc_block_arg(t.w.m, body, i)), k);
    test_state.running = r->name;
    if (test_true(nnc_verify(t.w.m) == NNC_OK &&
                      nnc_interp_graph(t.w.m, t.w.graph, t.w.a, n, in, 2, out) == NNC_OK,
                  "a graph that runs", r->name, 0) &&
        !test_true(same(&out[0], &out[1], allowed_for(r, dt), &x, &y), "equal results", r->name,
                   0)) {
        printf("  %s: %.9g became %.9g\n", nnc_dtype_infos[dt].name, x, y);
        nnc_print_module(t.w.m, stdout, &(nnc_print_options){.inline_weights = true});
    }
    nnc_arena_free(t.w.a);
    return 1;
}

static void algebra(void)
{
    static const nnc_dtype dts[] = {NNC_DT_f32, NNC_DT_f64, NNC_DT_f16, NNC_DT_i32,
                                    NNC_DT_u8,  NNC_DT_i64, NNC_DT_bool};
    static const unsigned class[] = {NNC_RULE_FLT, NNC_RULE_FLT, NNC_RULE_FLT, NNC_RULE_INT,
                                     NNC_RULE_INT, NNC_RULE_INT, NNC_RULE_BOOL};

    for (unsigned i = 0; i < nnc_rule_count; i++) {
        const nnc_rule *r = &nnc_rules[i];
        int fired = 0;
        for (size_t d = 0; d < sizeof dts / sizeof dts[0]; d++)
            for (int k = 0; k < 24 && (r->dtypes & class[d]); k++)
                fired += try_rule(r, dts[d], k % 2 == 0, false);
        test_true(fired > 0, "the rule fires on what it states", r->name, 0);
    }
}

/* A rule must not fire on a dtype it does not name.  (Some trees cannot be built there: quietly.) */
static void algebra_twins(void)
{
    for (unsigned i = 0; i < nnc_rule_count; i++) {
        const nnc_rule *r = &nnc_rules[i];
        if (!(r->dtypes & NNC_RULE_FLT))
            CHECK_INT(try_rule(r, NNC_DT_f32, true, true), 0);
        if (!(r->dtypes & NNC_RULE_INT) && r->lhs->code != NNC_OP_select)
            CHECK_INT(try_rule(r, NNC_DT_i32, true, true), 0);
    }
}

/* ---- structure ---- */
typedef struct structure_case {
    const char *rule;
    bool fires;
    const char *text;
} structure_case;

static const structure_case cases[] = {
#define FIRES(rule, text) {rule, true, text},
#define STAYS(rule, text) {rule, false, text},
#include "tests/passes/structure_cases.def"
};

static const nnc_structure_rule *find_structure(const char *name)
{
    for (unsigned i = 0; i < nnc_structure_rule_count; i++)
        if (!strcmp(nnc_structure_rules[i].name, name))
            return &nnc_structure_rules[i];
    return NULL;
}

static bool apply_once(nnc_module *m, nnc_op graph, const nnc_structure_rule *r)
{
    for (nnc_op op = nnc_block_first(m, nnc_op_region(m, graph, 0)); op.id;
         op = nnc_op_next(m, op)) {
        nnc_builder b;
        nnc_value v;
        if (r->root == NNC_OP_none ? !nnc_op_has(m, op, NNC_ELEMENTWISE)
                                   : nnc_op_code(m, op) != r->root)
            continue;
        b = nnc_builder_before(m, op);
        v = r->fn(&b, op);
        if (!v.id)
            continue;
        test_true(nnc_value_type(m, v).id == nnc_value_type(m, nnc_op_out(m, op, 0)).id,
                  "the new value has the type of the old", r->name, 0);
        if (v.id != nnc_op_out(m, op, 0).id)
            nnc_op_replace(m, op, v);
        return true;
    }
    return false;
}

static void run_case(const structure_case *c)
{
    const nnc_structure_rule *r = find_structure(c->rule);
    world w = world_new(false);
    nnc_tensor *in, *before, *after;
    nnc_block body;
    unsigned nin, nout;
    allowed ok = {r && r->class == NNC_RULE_EXACT ? 0 : 1e-4, r && r->class == NNC_RULE_EXACT};
    kind k = r && (r->class == NNC_RULE_EXACT || r->class == NNC_RULE_ROUND) ? SPECIAL : ORDINARY;
    double x = 0, y = 0;

    test_state.running = c->rule;
    REQUIRE(r != NULL);
    REQUIRE(nnc_read_module(w.m, c->rule, c->text, strlen(c->text), ".") == NNC_OK &&
            nnc_verify(w.m) == NNC_OK);
    w.graph = nnc_func_entry(w.m, NNC_OP_graph);
    body = nnc_op_region(w.m, w.graph, 0);
    nin = nnc_block_narg(w.m, body);
    nout = nnc_op_nin(w.m, nnc_block_last(w.m, body));
    in = nnc_arena_array(w.a, nin, sizeof *in);
    before = nnc_arena_array(w.a, nout, sizeof *before);
    after = nnc_arena_array(w.a, nout, sizeof *after);
    for (unsigned i = 0; i < nin; i++) {
        nnc_type_rec ty = *nnc_value_ty(w.m, nnc_block_arg(w.m, body, i));
        for (int d = 0; d < ty.rank; d++)
            ty.dim[d] = nnc_dim_is_const(ty.dim[d]) ? ty.dim[d] : 3;
        in[i] = tensor(w.a, &ty, k);
    }
    REQUIRE(nnc_interp_graph(w.m, w.graph, w.a, nin, in, nout, before) == NNC_OK);
    if (!test_true(apply_once(w.m, w.graph, r) == c->fires,
                   c->fires ? "the rule to fire" : "the rule to stay away", c->rule, 0)) {
        printf("%s\n", c->text);
        return;
    }
    REQUIRE(nnc_verify(w.m) == NNC_OK &&
            nnc_interp_graph(w.m, w.graph, w.a, nin, in, nout, after) == NNC_OK);
    for (unsigned i = 0; i < nout; i++)
        if (!test_true(same(&before[i], &after[i], ok, &x, &y), "equal results", c->rule, 0)) {
            printf("  %.9g became %.9g\n", x, y);
            nnc_print_module(w.m, stdout, &(nnc_print_options){.inline_weights = true});
        }
    nnc_arena_free(w.a);
}

static void structure(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        run_case(&cases[i]);
    for (unsigned i = 0; i < nnc_structure_rule_count; i++) {
        int fires = 0, stays = 0;
        for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++)
            if (!strcmp(cases[k].rule, nnc_structure_rules[i].name))
                cases[k].fires ? fires++ : stays++;
        test_true(fires > 0 && stays > 0, "a case and a twin in structure_cases.def",
                  nnc_structure_rules[i].name, 0);
    }
}

int main(void)
{
    algebra();
    RUN(algebra_twins);
    structure();
    return test_end();
}
