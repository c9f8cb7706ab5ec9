/* frontend/onnx/rows_reduce.c - the Reduce operators.
 *
 * Each is: a map before, a reduction, a map after.  Axes come from an attribute or, later, from an input.  Axes that
 * only the run knows are read off the declared output: which sets of axes give that shape?  With several, all are
 * computed and the run chooses; a `check` makes sure that the run's axes are among them. */
#include "frontend/onnx/import_cx.h"
#include "frontend/onnx/rows.h"
#include "frontend/onnx/short.h"

enum { SUM, MEAN, PROD, MAX, MIN, L1, L2, LOG_SUM, LOG_SUM_EXP, SUM_SQUARE };

static nnc_value reduce(nnc_onnx_cx *cx, nnc_word kind, nnc_value x, unsigned n,
                        const int64_t *axes, bool keep)
{
    if (nnc_cx_dtype(cx, x) == NNC_DT_bool)
        kind = kind == NNC_W_max ? NNC_W_or : kind == NNC_W_min ? NNC_W_and : kind;
    return n ? nnc_g_reduce(&cx->b, kind, x, n, axes, keep) : x;
}

/* log(sum(exp(x))), shifted by the maximum where that is finite. */
static nnc_value log_sum_exp(nnc_onnx_cx *cx, nnc_value x, unsigned n, const int64_t *axes,
                             bool keep)
{
    nnc_value m = reduce(cx, NNC_W_max, x, n, axes, true), zero = nnc_cx_like(cx, x, 0);
    m = nnc_g_select(&cx->b, op1(cx, NNC_OP_isinf, m), zero, m);
    nnc_value sum =
        reduce(cx, NNC_W_sum, op1(cx, NNC_OP_exp, op2(cx, NNC_OP_sub, x, m)), n, axes, true);
    nnc_value y = op2(cx, NNC_OP_add, op1(cx, NNC_OP_log, sum), m);
    return keep || !n ? y
                      : reduce(cx, NNC_W_sum, y, n, axes, false); /* over sizes of 1: drops them */
}

static nnc_value reduced(nnc_onnx_cx *cx, unsigned n, const int64_t *axes, bool keep)
{
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_dtype dt = nnc_cx_dtype(cx, x);
    bool real = cx->arg == L2 || cx->arg == LOG_SUM || cx->arg == LOG_SUM_EXP;

    if (real && !nnc_dtype_is_float(dt)) /* integers take the detour over f64 */
        x = nnc_g_cast(&cx->b, x, NNC_DT_f64);
    switch (cx->arg) {
    case SUM: x = reduce(cx, NNC_W_sum, x, n, axes, keep); break;
    case MEAN: x = n ? nnc_cx_mean(cx, x, n, axes, keep) : x; break;
    case PROD: x = reduce(cx, NNC_W_prod, x, n, axes, keep); break;
    case MAX: x = reduce(cx, NNC_W_max, x, n, axes, keep); break;
    case MIN: x = reduce(cx, NNC_W_min, x, n, axes, keep); break;
    case L1: x = reduce(cx, NNC_W_sum, op1(cx, NNC_OP_abs, x), n, axes, keep); break;
    case L2:
        x = op1(cx, NNC_OP_sqrt, reduce(cx, NNC_W_sum, op2(cx, NNC_OP_mul, x, x), n, axes, keep));
        break;
    case LOG_SUM: x = op1(cx, NNC_OP_log, reduce(cx, NNC_W_sum, x, n, axes, keep)); break;
    case LOG_SUM_EXP: x = log_sum_exp(cx, x, n, axes, keep); break;
    default: x = reduce(cx, NNC_W_sum, op2(cx, NNC_OP_mul, x, x), n, axes, keep); break;
    }
    return nnc_g_cast(&cx->b, x, dt);
}

/* bool[]: is d among the run's axes? */
static nnc_value is_member(nnc_onnx_cx *cx, nnc_value axes, int d, int rank)
{
    int64_t zero = 0;
    nnc_value hit =
        op2(cx, NNC_OP_eq, nnc_cx_wrap_index(cx, nnc_g_cast(&cx->b, axes, NNC_DT_i64), rank),
            nnc_g_int(&cx->b, NNC_DT_i64, d));
    return nnc_cx_rank(cx, hit) ? nnc_g_reduce(&cx->b, NNC_W_or, hit, 1, &zero, false) : hit;
}

static unsigned list_axes(unsigned set, int64_t *axes)
{
    unsigned n = 0;
    for (int d = 0; d < NNC_MAX_RANK; d++)
        if (set >> d & 1)
            axes[n++] = d;
    return n;
}

/* Does reducing `set` give the declared shape?  Reducing a size of 1 or not makes no difference when it is kept. */
static bool gives(const nnc_type_rec *x, unsigned set, bool keep, const nnc_type_rec *want)
{
    int j = 0;
    for (int d = 0; d < x->rank; d++) {
        bool in = set >> d & 1;
        if (keep && in && x->dim[d] == 1)
            return false;
        if (in && !keep)
            continue;
        if (j >= want->rank || want->dim[j++] != (in ? 1 : x->dim[d]))
            return false;
    }
    return j == want->rank;
}

static nnc_status by_declaration(nnc_onnx_cx *cx, bool keep)
{
    nnc_value axes = nnc_cx_in(cx, 1), y = {0}, known = {0};
    nnc_type_rec x = nnc_cx_ty(cx, nnc_cx_in(cx, 0)), want;
    int64_t list[NNC_MAX_RANK];

    if (!nnc_cx_declared(cx, 0, &want))
        return nnc_cx_error(cx,
                            "axes ('%s') are only known at run time and output '%s' has no "
                            "declared static shape; fold "
                            "constants before exporting, or declare the output's shape",
                            nnc_onnx_name(cx->model, nnc_onnx_node_in(cx->node, 1)),
                            nnc_onnx_name(cx->model, nnc_onnx_node_out(cx->node, 0)));
    for (unsigned set = 0; set < 1u << x.rank; set++) {
        nnc_value hit = nnc_cx_num(cx, NNC_DT_bool, 1);
        if (!gives(&x, set, keep, &want))
            continue;
        for (int d = 0; d < x.rank; d++) {
            nnc_value in = is_member(cx, axes, d, x.rank);
            if (x.dim[d] != 1 || !keep)
                hit = op2(cx, NNC_OP_and, hit, set >> d & 1 ? in : op1(cx, NNC_OP_not, in));
        }
        nnc_value one = reduced(cx, list_axes(set, list), list, keep);
        y = y.id ? nnc_g_select(&cx->b, hit, one, y) : one;
        known = known.id ? op2(cx, NNC_OP_or, known, hit) : hit;
    }
    if (!y.id)
        return nnc_cx_error(cx, "no choice of axes reduces %s to the declared shape of '%s'",
                            nnc_cx_type_text(cx, nnc_cx_in(cx, 0)),
                            nnc_onnx_name(cx->model, nnc_onnx_node_out(cx->node, 0)));
    NNC_TRY(nnc_cx_check(cx, known, "the axes do not give the declared shape of the output"));
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

/* arg: one of the enumerators above */
nnc_status nnc_row_reduce(nnc_onnx_cx *cx)
{
    int rank = nnc_cx_rank(cx, nnc_cx_in(cx, 0));
    bool keep = nnc_onnx_node_int(cx->node, "keepdims", 1) != 0;
    bool noop = nnc_onnx_node_int(cx->node, "noop_with_empty_axes", 0) != 0;
    int64_t axes[NNC_MAX_RANK];
    uint32_t n = 0;
    const int64_t *at = nnc_onnx_node_ints(cx->node, "axes", &n);

    if (nnc_cx_has(cx, 1)) {
        if (nnc_cx_rank(cx, nnc_cx_in(cx, 1)) > 1)
            return nnc_cx_error(cx, "axes is %s, expected a vector",
                                nnc_cx_type_text(cx, nnc_cx_in(cx, 1)));
        if (!nnc_cx_ints(cx, nnc_cx_in(cx, 1), &n, &at))
            return by_declaration(cx, keep);
    }
    if (n > (uint32_t)rank)
        return nnc_cx_error(cx, "%u axes for an input of rank %d", n, rank);
    NNC_TRY(nnc_cx_axes(cx, n, at, rank, "axes entry", axes));
    if (n == 0 && !noop)
        n = list_axes((1u << rank) - 1, axes);
    nnc_cx_set(cx, 0, reduced(cx, n, axes, keep));
    return NNC_OK;
}
