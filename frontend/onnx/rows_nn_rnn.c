/* frontend/onnx/rows_nn_rnn.c - RNN, GRU, LSTM.
 *
 * The input's product with W runs over all steps at once; the rest is a scan.  A reverse direction reads the sequence
 * backwards (each batch entry its own length) and its outputs are turned round again.  Past the end of an entry's
 * sequence the state stands still and the output is 0.  With layout = 1 the batch comes first at the border only. */
#include "frontend/onnx/rows.h"

enum cell { RNN, GRU, LSTM };
static const int gates_of[] = {1, 3, 4};
static const int funcs_of[] = {1, 2, 3};

struct rnn {
    nnc_onnx_cx *cx;
    nnc_builder *b; /* where ops go: outside, then in the loop's body */
    enum cell kind;
    int gates, ndir, dir; /* directions; the one being built */
    nnc_dim steps, batch;
    int64_t hidden;
    nnc_dtype dt;
    nnc_value x, lens;      /* [T, B, I]; i64[B] or none */
    nnc_value r, rb, wb, p; /* of this direction: [gH, H], [gH], [gH], [3H] or none */
    bool linear_before_reset, input_forget;
    double clip; /* 0: none */
};

/* ---- small pieces ---- */

static nnc_value num(struct rnn *s, double v)
{
    return nnc_g_float(s->b, s->dt, v);
}
static nnc_value op1(struct rnn *s, nnc_opcode c, nnc_value x)
{
    return nnc_g_unary(s->b, c, x);
}
static nnc_value op2(struct rnn *s, nnc_opcode c, nnc_value x, nnc_value y)
{
    return nnc_g_binary(s->b, c, x, y);
}
static nnc_value affine(struct rnn *s, nnc_value x, double a, double b)
{
    if (a != 1)
        x = op2(s, NNC_OP_mul, x, num(s, a));
    return b == 0 ? x : op2(s, NNC_OP_add, x, num(s, b));
}

/* Columns [k * H, (k + 1) * H) of the last axis. */
static nnc_value gate(struct rnn *s, nnc_value v, int k)
{
    int rank = nnc_value_ty(s->cx->m, v)->rank;
    return nnc_g_slice_axis(s->b, v, rank - 1, k * s->hidden, 1, s->hidden);
}

static nnc_value clipped(struct rnn *s, nnc_value x)
{
    if (s->clip <= 0)
        return x;
    return op2(s, NNC_OP_min, op2(s, NNC_OP_max, x, num(s, -s->clip)), num(s, s->clip));
}

static const struct func {
    const char *name;
    double alpha, beta;
} funcs[] = {
    {"Relu", 0, 0},         {"Tanh", 0, 0},
    {"Sigmoid", 0, 0},      {"Affine", 1, 0},
    {"LeakyRelu", 0.01, 0}, {"ThresholdedRelu", 1, 0},
    {"ScaledTanh", 1, 1},   {"HardSigmoid", 0.2, 0.5},
    {"Elu", 1, 0},          {"Softsign", 0, 0},
    {"Softplus", 0, 0},
};
enum { NFUNC = sizeof funcs / sizeof funcs[0] };

static int lower_case(char c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static bool same_word(const char *a, const char *b)
{
    while (*a && lower_case(*a) == lower_case(*b)) {
        a++;
        b++;
    }
    return !*a && !*b;
}

static int func_index(const char *name)
{
    for (int i = 0; i < NFUNC; i++)
        if (same_word(funcs[i].name, name))
            return i;
    return -1;
}

static const char *func_name(struct rnn *s, int k)
{
    uint32_t n;
    const nnc_onnx_str *v = nnc_onnx_node_strs(s->cx->node, "activations", &n);
    uint32_t at = (uint32_t)(s->dir * funcs_of[s->kind] + k);
    if (n)
        return v[at].s;
    return s->kind == RNN || k ? "Tanh" : "Sigmoid";
}

/* The numbers of a list go to the activations that take one, in their order over all directions; those without get the
 * operator's default. */
static double parameter(struct rnn *s, const char *list, int k, bool second, double dflt)
{
    uint32_t n, names, at = 0;
    const float *v = nnc_onnx_node_floats(s->cx->node, list, &n);
    const nnc_onnx_str *name = nnc_onnx_node_strs(s->cx->node, "activations", &names);
    for (uint32_t i = 0; i < (uint32_t)(s->dir * funcs_of[s->kind] + k) && i < names; i++) {
        int f = func_index(name[i].s);
        at += second ? f == 3 || f == 6 || f == 7 : f >= 3 && f <= 8; /* Affine .. Elu */
    }
    return at < n ? (double)v[at] : dflt;
}

/* Activation k of this direction, by name. */
static nnc_value activate(struct rnn *s, int k, nnc_value x)
{
    int f = func_index(func_name(s, k));
    double alpha = parameter(s, "activation_alpha", k, false, funcs[f].alpha),
           beta = parameter(s, "activation_beta", k, true, funcs[f].beta);
    nnc_value zero = num(s, 0);
    switch (f) {
    case 0: return op2(s, NNC_OP_max, x, zero);
    case 1: return op1(s, NNC_OP_tanh, x);
    case 2: return op1(s, NNC_OP_sigmoid, x);
    case 3: return affine(s, x, alpha, beta);
    case 4: return nnc_g_select(s->b, op2(s, NNC_OP_lt, x, zero), affine(s, x, alpha, 0), x);
    case 5: return nnc_g_select(s->b, op2(s, NNC_OP_lt, x, num(s, alpha)), zero, x);
    case 6: return affine(s, op1(s, NNC_OP_tanh, affine(s, x, beta, 0)), alpha, 0);
    case 7:
        return op2(s, NNC_OP_max, op2(s, NNC_OP_min, affine(s, x, alpha, beta), num(s, 1)), zero);
    case 8:
        return nnc_g_select(s->b, op2(s, NNC_OP_lt, x, zero),
                            affine(s, op1(s, NNC_OP_expm1, x), alpha, 0), x);
    case 9: return op2(s, NNC_OP_div, x, affine(s, op1(s, NNC_OP_abs, x), 1, 1));
    default: return op1(s, NNC_OP_softplus, x);
    }
}

/* h [B, H] times rows [k * H, (k + n) * H) of R, transposed: [B, nH] */
static nnc_value recur(struct rnn *s, nnc_value h, int k, int n)
{
    static const int64_t one[1] = {1};
    nnc_value r = s->r;
    if (n != s->gates)
        r = nnc_g_slice_axis(s->b, r, 0, k * s->hidden, 1, n * s->hidden);
    return nnc_g_dot(s->b, h, r, 0, NULL, NULL, 1, one, one, NNC_DT_none);
}

/* ---- one step of each cell: xp [B, gH] is the input's share, biases of W included ---- */

static nnc_value step_rnn(struct rnn *s, nnc_value xp, nnc_value h)
{
    return activate(s, 0, clipped(s, op2(s, NNC_OP_add, xp, recur(s, h, 0, 1))));
}

/* Gates z, r, h.  Without linear_before_reset the recurrent bias of h is already in xp. */
static nnc_value step_gru(struct rnn *s, nnc_value xp, nnc_value h)
{
    nnc_value zr, z, r, n;
    if (s->linear_before_reset) {
        nnc_value all = recur(s, h, 0, 3);
        if (s->rb.id)
            all = op2(s, NNC_OP_add, all, s->rb);
        z = op2(s, NNC_OP_add, gate(s, xp, 0), gate(s, all, 0));
        r = op2(s, NNC_OP_add, gate(s, xp, 1), gate(s, all, 1));
        r = activate(s, 0, clipped(s, r));
        n = op2(s, NNC_OP_add, gate(s, xp, 2), op2(s, NNC_OP_mul, r, gate(s, all, 2)));
    } else {
        zr = recur(s, h, 0, 2);
        z = op2(s, NNC_OP_add, gate(s, xp, 0), gate(s, zr, 0));
        r = activate(s, 0, clipped(s, op2(s, NNC_OP_add, gate(s, xp, 1), gate(s, zr, 1))));
        n = op2(s, NNC_OP_add, gate(s, xp, 2), recur(s, op2(s, NNC_OP_mul, r, h), 2, 1));
    }
    z = activate(s, 0, clipped(s, z));
    n = activate(s, 1, clipped(s, n));
    nnc_value keep = op2(s, NNC_OP_mul, z, h),
              fresh = op2(s, NNC_OP_mul, op2(s, NNC_OP_sub, num(s, 1), z), n);
    return op2(s, NNC_OP_add, fresh, keep);
}

static nnc_value peep(struct rnn *s, nnc_value v, nnc_value c, int k)
{
    return s->p.id ? op2(s, NNC_OP_add, v, op2(s, NNC_OP_mul, gate(s, s->p, k), c)) : v;
}

/* Gates i, o, f, c; *c is the cell state. */
static nnc_value step_lstm(struct rnn *s, nnc_value xp, nnc_value h, nnc_value *c)
{
    nnc_value all = op2(s, NNC_OP_add, xp, recur(s, h, 0, 4));
    nnc_value i = activate(s, 0, clipped(s, peep(s, gate(s, all, 0), *c, 0)));
    nnc_value f = s->input_forget ? op2(s, NNC_OP_sub, num(s, 1), i)
                                  : activate(s, 0, clipped(s, peep(s, gate(s, all, 2), *c, 2)));
    nnc_value g = activate(s, 1, clipped(s, gate(s, all, 3)));
    *c = op2(s, NNC_OP_add, op2(s, NNC_OP_mul, f, *c), op2(s, NNC_OP_mul, i, g));
    nnc_value o = activate(s, 0, clipped(s, peep(s, gate(s, all, 1), *c, 1)));
    return op2(s, NNC_OP_mul, o, activate(s, 2, *c));
}

/* ---- one direction ---- */

/* Entry d of a tensor whose axis `axis` counts directions. */
static nnc_value of_dir(struct rnn *s, nnc_value v, int axis, int d)
{
    nnc_type_rec t = nnc_cx_ty(s->cx, v);
    nnc_dim dim[NNC_MAX_RANK];
    int n = 0;
    for (int i = 0; i < t.rank; i++)
        if (i != axis)
            dim[n++] = t.dim[i];
    return nnc_cx_reshape(s->cx, nnc_g_slice_axis(s->b, v, axis, d, 1, 1), n, dim);
}

/* x [T, B, ..] with the first len[b] steps of each entry turned round. */
static nnc_value turn(struct rnn *s, nnc_value x)
{
    nnc_type_rec t = nnc_cx_ty(s->cx, x);
    nnc_dim tb[2] = {t.dim[0], t.dim[1]}, full[NNC_MAX_RANK],
            ones[NNC_MAX_RANK] = {t.dim[0], t.dim[1], 1, 1, 1, 1, 1, 1};
    if (!s->lens.id)
        return nnc_g_flip(s->b, x, 0);
    nnc_value at = nnc_g_iota(s->b, NNC_DT_i64, 2, tb, 0);
    nnc_value last = op2(s, NNC_OP_sub, s->lens, nnc_g_int(s->b, NNC_DT_i64, 1));
    at = nnc_g_select(s->b, op2(s, NNC_OP_lt, at, s->lens), op2(s, NNC_OP_sub, last, at), at);
    memcpy(full, t.dim, sizeof full);
    at = nnc_g_broadcast(s->b, nnc_cx_reshape(s->cx, at, t.rank, ones), t.rank, full);
    return nnc_g_gather_elements(s->b, x, at, 0);
}

/* x W^T + biases for all steps: [T, B, gH] */
static nnc_value project(struct rnn *s, nnc_value x, nnc_value w)
{
    static const int64_t two[1] = {2}, one[1] = {1};
    nnc_value y = nnc_g_dot(s->b, x, w, 0, NULL, NULL, 1, two, one, NNC_DT_none);
    return s->wb.id ? op2(s, NNC_OP_add, y, s->wb) : y;
}

static void split_bias(struct rnn *s)
{
    nnc_onnx_cx *cx = s->cx;
    s->wb = s->rb = (nnc_value){0};
    if (!nnc_cx_has(cx, 3))
        return;
    nnc_value both = of_dir(s, nnc_cx_in(cx, 3), 0, s->dir);
    nnc_dim n = s->gates * s->hidden;
    s->wb = nnc_g_slice_axis(s->b, both, 0, 0, 1, n);
    s->rb = nnc_g_slice_axis(s->b, both, 0, n, 1, n);
    if (s->kind != GRU ||
        !s->linear_before_reset) { /* both biases stand outside of every product */
        s->wb = op2(s, NNC_OP_add, s->wb, s->rb);
        s->rb = (nnc_value){0};
    }
}

/* The initial state of this direction, [B, H]. */
static nnc_value initial(struct rnn *s, uint32_t i, bool batch_first)
{
    nnc_dim dim[2] = {s->batch, s->hidden};
    if (!nnc_cx_has(s->cx, i))
        return nnc_cx_full(s->cx, num(s, 0), 2, dim);
    return of_dir(s, nnc_cx_in(s->cx, i), batch_first ? 1 : 0, s->dir);
}

/* The loop.  y: [T, B, H]; state: [B, H] each. */
static void run_scan(struct rnn *s, nnc_value xp, nnc_value *state, nnc_value *y)
{
    nnc_onnx_cx *cx = s->cx;
    unsigned n = s->kind == LSTM ? 2 : 1;
    nnc_value in[3] = {state[0], n == 2 ? state[1] : xp, xp};
    nnc_type yt = nnc_value_type(cx->m, state[0]);
    nnc_op op = nnc_g_scan(s->b, s->steps, n, n + 1, in, 1, &yt);
    nnc_block body = nnc_op_region(cx->m, op, 0);
    nnc_builder inner = nnc_builder_at_end(cx->m, body), *outer = s->b;
    inner.loc = outer->loc;
    s->b = &inner;
    nnc_value h = nnc_block_arg(cx->m, body, 1), c = n == 2 ? nnc_block_arg(cx->m, body, 2) : h,
              old[2] = {h, c};
    nnc_value slice = nnc_block_arg(cx->m, body, n + 1), out[3];
    out[0] = s->kind == RNN   ? step_rnn(s, slice, h)
             : s->kind == GRU ? step_gru(s, slice, h)
                              : step_lstm(s, slice, h, &c);
    out[1] = c;
    out[n] = out[0];
    if (s->lens.id) {
        nnc_dim dim[2] = {s->batch, 1};
        nnc_value live =
            nnc_g_reshape(s->b, op2(s, NNC_OP_lt, nnc_block_arg(cx->m, body, 0), s->lens), 2, dim);
        for (unsigned i = 0; i < n; i++)
            out[i] = nnc_g_select(s->b, live, i ? c : out[0], old[i]);
        out[n] = nnc_g_select(s->b, live, out[n], num(s, 0));
    }
    nnc_build_yield(s->b, n + 1, out);
    s->b = outer;
    for (unsigned i = 0; i < n; i++)
        state[i] = nnc_op_out(cx->m, op, i);
    *y = nnc_op_out(cx->m, op, n);
}

static void direction(struct rnn *s, bool reverse, bool batch_first, nnc_value *state, nnc_value *y)
{
    nnc_onnx_cx *cx = s->cx;
    s->r = of_dir(s, nnc_cx_in(cx, 2), 0, s->dir);
    s->p = s->kind == LSTM && nnc_cx_has(cx, 7) ? of_dir(s, nnc_cx_in(cx, 7), 0, s->dir)
                                                : (nnc_value){0};
    split_bias(s);
    state[0] = initial(s, 5, batch_first);
    state[1] = s->kind == LSTM ? initial(s, 6, batch_first) : state[0];
    nnc_value x = reverse ? turn(s, s->x) : s->x;
    run_scan(s, project(s, x, of_dir(s, nnc_cx_in(cx, 1), 0, s->dir)), state, y);
    if (reverse)
        *y = turn(s, *y);
}

/* ---- checks ---- */

static nnc_status want_shape(struct rnn *s, uint32_t i, const char *what, int rank,
                             const nnc_dim *dim)
{
    nnc_onnx_cx *cx = s->cx;
    if (!nnc_cx_has(cx, i))
        return NNC_OK;
    nnc_value v = nnc_cx_in(cx, i);
    nnc_dim best;
    NNC_TRY(nnc_cx_rank_is(cx, v, rank, what));
    for (int k = 0; k < rank; k++)
        NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, v, k), dim[k], what, &best));
    return NNC_OK;
}

static nnc_status check_activations(struct rnn *s)
{
    uint32_t n;
    const nnc_onnx_str *v = nnc_onnx_node_strs(s->cx->node, "activations", &n);
    uint32_t want = (uint32_t)(s->ndir * funcs_of[s->kind]);
    if (n && n < want)
        return nnc_cx_error(s->cx,
                            "attribute activations has %u names, expected %u: %d per direction", n,
                            want, funcs_of[s->kind]);
    for (uint32_t i = 0; i < n; i++)
        if (func_index(v[i].s) < 0)
            return nnc_cx_error(
                s->cx,
                "activation '%s' is unknown; known: Relu, Tanh, Sigmoid, Affine, LeakyRelu, "
                "ThresholdedRelu, ScaledTanh, HardSigmoid, Elu, Softsign, Softplus",
                v[i].s);
    return NNC_OK;
}

static nnc_status check_shapes(struct rnn *s, bool batch_first)
{
    nnc_onnx_cx *cx = s->cx;
    nnc_value x = nnc_cx_in(cx, 0), r = nnc_cx_in(cx, 2);
    NNC_TRY(nnc_cx_rank_is(cx, x, 3, "input X"));
    NNC_TRY(nnc_cx_rank_is(cx, r, 3, "input R"));
    nnc_dim h = nnc_cx_dim(cx, r, 2);
    if (!nnc_dim_is_const(h))
        return nnc_cx_error(cx, "the hidden size must be known, R is %s", nnc_cx_type_text(cx, r));
    s->hidden = nnc_onnx_node_int(cx->node, "hidden_size", h);
    if (s->hidden != h)
        return nnc_cx_error(cx, "attribute hidden_size is %lld, R is %s", (long long)s->hidden,
                            nnc_cx_type_text(cx, r));
    s->steps = nnc_cx_dim(cx, x, batch_first ? 1 : 0);
    s->batch = nnc_cx_dim(cx, x, batch_first ? 0 : 1);
    nnc_dim d = s->ndir, gh = s->gates * h;
    NNC_TRY(want_shape(s, 1, "input W", 3, (nnc_dim[]){d, gh, nnc_cx_dim(cx, x, 2)}));
    NNC_TRY(want_shape(s, 2, "input R", 3, (nnc_dim[]){d, gh, h}));
    NNC_TRY(want_shape(s, 3, "input B", 2, (nnc_dim[]){d, 2 * gh}));
    NNC_TRY(want_shape(s, 4, "input sequence_lens", 1, (nnc_dim[]){s->batch}));
    for (uint32_t i = 5; i < (s->kind == LSTM ? 7u : 6u); i++)
        NNC_TRY(want_shape(s, i, i == 5 ? "input initial_h" : "input initial_c", 3,
                           (nnc_dim[]){batch_first ? s->batch : d, batch_first ? d : s->batch, h}));
    return s->kind == LSTM ? want_shape(s, 7, "input P", 2, (nnc_dim[]){d, 3 * h}) : NNC_OK;
}

/* ---- outputs ---- */

/* Directions side by side at a new axis. */
static nnc_value join(struct rnn *s, const nnc_value *v, int axis)
{
    nnc_value part[2];
    for (int i = 0; i < s->ndir; i++)
        part[i] = nnc_cx_expand_dim(s->cx, v[i], axis);
    return nnc_g_concat(s->b, (unsigned)s->ndir, part, axis);
}

static void set_outputs(struct rnn *s, nnc_value y[2], nnc_value state[2][2], bool batch_first)
{
    static const int64_t batch_major[4] = {2, 0, 1, 3}, swap[3] = {1, 0, 2};
    nnc_value all = join(s, y, 1);
    nnc_cx_set(s->cx, 0, batch_first ? nnc_g_transpose(s->b, all, batch_major) : all);
    for (uint32_t k = 0; k < (s->kind == LSTM ? 2u : 1u); k++) {
        nnc_value last[2] = {state[0][k], state[1][k]}, v = join(s, last, 0);
        nnc_cx_set(s->cx, k + 1, batch_first ? nnc_g_transpose(s->b, v, swap) : v);
    }
}

nnc_status nnc_row_recurrent(nnc_onnx_cx *cx)
{
    static const int64_t swap[3] = {1, 0, 2};
    const char *way = nnc_onnx_node_str(cx->node, "direction", "forward");
    bool batch_first = nnc_onnx_node_int(cx->node, "layout", 0) == 1,
         both = !strcmp(way, "bidirectional"), back = !strcmp(way, "reverse");
    struct rnn s = {.cx = cx,
                    .b = &cx->b,
                    .kind = (enum cell)cx->arg,
                    .gates = gates_of[cx->arg],
                    .ndir = both ? 2 : 1,
                    .dt = nnc_cx_dtype(cx, nnc_cx_in(cx, 0)),
                    .clip = nnc_onnx_node_float(cx->node, "clip", 0)};
    nnc_value y[2], state[2][2];
    if (!both && !back && strcmp(way, "forward"))
        return nnc_cx_bad_attr(cx, "direction", "forward, reverse or bidirectional");
    s.linear_before_reset = nnc_onnx_node_int(cx->node, "linear_before_reset", 0) != 0;
    s.input_forget = nnc_onnx_node_int(cx->node, "input_forget", 0) != 0;
    NNC_TRY(check_activations(&s));
    NNC_TRY(check_shapes(&s, batch_first));
    s.x = batch_first ? nnc_g_transpose(s.b, nnc_cx_in(cx, 0), swap) : nnc_cx_in(cx, 0);
    if (nnc_cx_has(cx, 4))
        s.lens = nnc_g_cast(s.b, nnc_cx_in(cx, 4), NNC_DT_i64);
    for (s.dir = 0; s.dir < s.ndir; s.dir++)
        direction(&s, back || s.dir == 1, batch_first, state[s.dir], &y[s.dir]);
    if (s.ndir == 1)
        y[1] = y[0], state[1][0] = state[0][0], state[1][1] = state[0][1];
    set_outputs(&s, y, state, batch_first);
    return NNC_OK;
}
