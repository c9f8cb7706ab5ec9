/* frontend/onnx/rows_nn_trees_walk.c - the walk down an ensemble of trees.
 *
 * * All trees walk at once: the state is one node number per row and tree, a step gathers feature,
 * threshold and children of those nodes.  Leaves lead to themselves, so the walk is a scan of as
 * many steps as the deepest tree has levels; afterwards the leaves' weights are gathered and
 * combined. */
#include "frontend/onnx/rows_trees.h"

/* ---- the walk ---- */

static nnc_value table_i32(nnc_row_trees *t, uint32_t n, const int32_t *v)
{
    nnc_dim dim = n;
    return nnc_g_const_data(&t->cx->b, NNC_DT_i32, 1, &dim, v);
}

/* Entry of a table for each node at hand. */
static nnc_value of_node(nnc_row_trees *t, nnc_value table, nnc_value at)
{
    return nnc_g_gather(&t->cx->b, table, at, 0, 0);
}

/* Bit `bit` of the flags. */
static nnc_value flag(nnc_row_trees *t, nnc_value flags, int bit)
{
    nnc_value one = nnc_cx_num(t->cx, NNC_DT_i32, 1 << bit);
    return is_equal(t->cx, both(t->cx, flags, one), one);
}

enum { F_LESS, F_EQUAL, F_MORE, F_MISSING, F_MEMBER };

/* The outcomes of a comparison for which each node's condition holds. */
static int32_t node_flags(const nnc_row_trees *t, uint32_t i)
{
    static const int32_t by_mode[] = {[NNC_TREE_leq] = 1 << F_LESS | 1 << F_EQUAL,
                                      [NNC_TREE_lt] = 1 << F_LESS,
                                      [NNC_TREE_gte] = 1 << F_MORE | 1 << F_EQUAL,
                                      [NNC_TREE_gt] = 1 << F_MORE,
                                      [NNC_TREE_eq] = 1 << F_EQUAL,
                                      [NNC_TREE_neq] = 1 << F_LESS | 1 << F_MORE,
                                      [NNC_TREE_member] = 1 << F_MEMBER,
                                      [NNC_TREE_leaf] = 0};
    return by_mode[t->mode[i]] | (t->missing[i] ? 1 << F_MISSING : 0);
}

/* Is x one of the members of its node's set? */
static nnc_value in_set(nnc_row_trees *t, nnc_value at, nnc_value x)
{
    nnc_onnx_cx *cx = t->cx;
    nnc_dim dim[2] = {t->n, t->longest};
    static const int64_t last[1] = {2};
    nnc_value table = nnc_row_ml_const(cx, nnc_cx_dtype(cx, x), 2, dim, t->member);
    nnc_value hit =
        is_equal(cx, nnc_g_gather(&cx->b, table, at, 0, 0), nnc_cx_expand_dim(cx, x, 2));
    return nnc_g_reduce(&cx->b, NNC_W_or, hit, 1, last, false);
}

/* Does the condition of each node hold?  With one mode in all nodes there is one comparison. */
static nnc_value holds(nnc_row_trees *t, nnc_value at, nnc_value x, nnc_value threshold)
{
    nnc_onnx_cx *cx = t->cx;
    int32_t any = 0, all = -1, *flags = nnc_arena_array(cx->a, t->n, sizeof *flags);
    for (uint32_t i = 0; i < t->n; i++) {
        flags[i] = node_flags(t, i);
        any |= flags[i];
        if (t->mode[i] != NNC_TREE_leaf)
            all &= flags[i];
    }
    nnc_value f = table_i32(t, t->n, flags), y = {0};
    bool uniform = true;
    for (int bit = F_LESS; bit <= F_MORE; bit++)
        uniform &= (any >> bit & 1) == (all >> bit & 1);
    uniform &= !(any >> F_MEMBER & 1);
    if (uniform) {
        bool less = any & 1 << F_LESS, equal = any & 1 << F_EQUAL, more = any & 1 << F_MORE;
        y = less && more ? either(cx, is_less(cx, x, threshold), is_less(cx, threshold, x))
            : less       ? equal ? is_at_most(cx, x, threshold) : is_less(cx, x, threshold)
                  : more ? equal ? is_at_most(cx, threshold, x) : is_less(cx, threshold, x)
                         : is_equal(cx, x, threshold);
    } else {
        f = of_node(t, f, at);
        y = both(cx, is_less(cx, x, threshold), flag(t, f, F_LESS));
        y = either(cx, y, both(cx, is_equal(cx, x, threshold), flag(t, f, F_EQUAL)));
        y = either(cx, y, both(cx, is_less(cx, threshold, x), flag(t, f, F_MORE)));
        if (any >> F_MEMBER & 1)
            y = either(cx, y, both(cx, in_set(t, at, x), flag(t, f, F_MEMBER)));
    }
    if (!(any >> F_MISSING & 1))
        return y; /* comparisons with NaN are false, as it should be */
    f = uniform ? of_node(t, f, at) : f;
    return either(cx, y, both(cx, nnc_cx_op1(cx, NNC_OP_isnan, x), flag(t, f, F_MISSING)));
}

static nnc_value walk_step(nnc_row_trees *t, nnc_value x, nnc_value at)
{
    nnc_onnx_cx *cx = t->cx;
    nnc_dim dim = t->n;
    nnc_value v =
        nnc_g_gather_elements(&cx->b, x, of_node(t, table_i32(t, t->n, t->feature), at), 1);
    nnc_value threshold =
        of_node(t, nnc_row_ml_const(cx, nnc_cx_dtype(cx, x), 1, &dim, t->value), at);
    nnc_value yes = of_node(t, table_i32(t, t->n, t->yes), at),
              no = of_node(t, table_i32(t, t->n, t->no), at);
    return choose(cx, holds(t, at, v, threshold), yes, no);
}

/* The leaf each row of x ends in, one per tree: i32 [N, trees]. */
static nnc_value walk(nnc_row_trees *t, nnc_value x)
{
    nnc_onnx_cx *cx = t->cx;
    nnc_dim dim[2] = {nnc_cx_dim(cx, x, 0), t->ntree};
    nnc_value at = nnc_cx_full(cx, table_i32(t, t->ntree, t->root), 2, dim);
    if (t->depth < 2)
        return t->depth ? walk_step(t, x, at) : at;
    nnc_builder outer = cx->b;
    nnc_op op = nnc_g_scan(&cx->b, t->depth, 1, 1, &at, 0, NULL);
    nnc_block body = nnc_op_region(cx->m, op, 0);
    cx->b = nnc_builder_at_end(cx->m, body);
    cx->b.loc = outer.loc;
    at = walk_step(t, x, nnc_block_arg(cx->m, body, 1));
    nnc_build_yield(&cx->b, 1, &at);
    cx->b = outer;
    return nnc_op_out(cx->m, op, 0);
}

/* Weights of the leaves aggregated over the trees: [N, targets]. */
nnc_value nnc_row_trees_aggregate(nnc_row_trees *t, nnc_value x, int how)
{
    nnc_onnx_cx *cx = t->cx;
    nnc_dtype dt = nnc_cx_dtype(cx, x);
    nnc_dim dim[2] = {t->nleaf, t->targets};
    double far = dt == NNC_DT_f64 ? 1.7976931348623157e308 : 3.4028234663852886e38;
    static const int64_t trees_axis[1] = {1};
    for (int64_t i = 0; how >= NNC_TREE_min && i < (int64_t)t->nleaf * t->targets; i++)
        if (!t->weighed[i])
            t->weight[i] = how == NNC_TREE_min ? far : -far;
    nnc_value leaf = of_node(t, table_i32(t, t->n, t->leaf), walk(t, x));
    nnc_value w = nnc_g_gather(&cx->b, nnc_row_ml_const(cx, dt, 2, dim, t->weight), leaf, 0, 0);
    nnc_value y = nnc_g_reduce(&cx->b,
                               how == NNC_TREE_min   ? NNC_W_min
                               : how == NNC_TREE_max ? NNC_W_max
                                                     : NNC_W_sum,
                               w, 1, trees_axis, false);
    return how == NNC_TREE_average ? div_of_num(cx, y, t->ntree) : y;
}

/* ---- depth ---- */

/* Depth of all trees; a node that leads back to itself is an error.  Depth first; the stack is the
 * path to a node. */
nnc_status nnc_row_trees_measure(nnc_row_trees *t)
{
    enum { NEW, OPEN = -1 }; /* else depth + 1 */
    int32_t *level = nnc_arena_array(t->cx->a, t->n, sizeof *level),
            *stack = nnc_arena_array(t->cx->a, (size_t)t->n + 2, sizeof *stack);
    t->level = level;
    for (uint32_t r = 0; r < t->ntree; r++) {
        uint32_t n = 0;
        stack[n++] = t->root[r];
        while (n) {
            int32_t i = stack[n - 1], kid[2] = {t->yes[i], t->no[i]}, next = -1, below = 0;
            for (int k = 0; k < 2 && t->mode[i] != NNC_TREE_leaf && level[i] <= 0; k++) {
                if (level[kid[k]] == OPEN)
                    return nnc_cx_error(t->cx, "node %d of the trees leads back to itself", kid[k]);
                if (level[kid[k]] == NEW && next < 0)
                    next = kid[k];
                below = level[kid[k]] > below ? level[kid[k]] : below;
            }
            if (next >= 0) {
                level[i] = OPEN;
                stack[n++] = next;
                continue;
            }
            level[i] = level[i] > 0 ? level[i] : below + 1;
            n--;
        }
        int32_t depth = level[t->root[r]] - 1;
        t->depth = depth > t->depth ? depth : t->depth;
    }
    return NNC_OK;
}
