/* frontend/onnx/rows_nn_trees.c - tree ensembles.
 *
 * All trees of an ensemble walk at once: the state is one node number per row and tree, a step gathers feature,
 * threshold and children of those nodes.  Leaves lead to themselves, so the walk is a scan of as many steps as the
 * deepest tree has levels; afterwards the leaves' weights are gathered and aggregated. */
#include <stdlib.h>
#include "frontend/onnx/rows_ml.h"

enum { LEQ, LT, GTE, GT, EQ, NEQ, MEMBER, LEAF };
enum { AVERAGE, SUM, MIN, MAX };

struct trees {
    nnc_onnx_cx *cx;
    uint32_t n, ntree, nleaf;     /* nodes, with leaves */
    int32_t *feature, *yes, *no, *leaf;       /* leaf: its row of weights, -1 for inner nodes */
    double *value;
    uint8_t *mode, *missing;      /* missing: NaN goes the way of a true condition */
    int32_t *root;
    int64_t targets;
    double *weight;               /* [nleaf, targets] */
    bool *weighed;                /* has the leaf a weight for that target? */
    int depth;
    int32_t *level;               /* of each node, 1 for leaves; 0: no root leads there */
    uint32_t longest;             /* members of the largest set */
    double *member;               /* [n, longest], filled with NaN */
};

/* ---- the walk ---- */

static nnc_value table_i32(struct trees *t, uint32_t n, const int32_t *v)
{
    nnc_dim dim = n;
    return nnc_g_const_data(&t->cx->b, NNC_DT_i32, 1, &dim, v);
}

/* Entry of a table for each node at hand. */
static nnc_value of_node(struct trees *t, nnc_value table, nnc_value at) { return nnc_g_gather(&t->cx->b, table, at, 0, 0); }

/* Bit `bit` of the flags. */
static nnc_value flag(struct trees *t, nnc_value flags, int bit)
{
    nnc_value one = nnc_cx_num(t->cx, NNC_DT_i32, 1 << bit);
    return is_equal(t->cx, both(t->cx, flags, one), one);
}

enum { F_LESS, F_EQUAL, F_MORE, F_MISSING, F_MEMBER };

/* The outcomes of a comparison for which each node's condition holds. */
static int32_t node_flags(const struct trees *t, uint32_t i)
{
    static const int32_t by_mode[] = { [LEQ] = 1 << F_LESS | 1 << F_EQUAL, [LT] = 1 << F_LESS, [GTE] = 1 << F_MORE | 1 << F_EQUAL, [GT] = 1 << F_MORE,
                                       [EQ] = 1 << F_EQUAL, [NEQ] = 1 << F_LESS | 1 << F_MORE, [MEMBER] = 1 << F_MEMBER, [LEAF] = 0 };
    return by_mode[t->mode[i]] | (t->missing[i] ? 1 << F_MISSING : 0);
}

/* Is x one of the members of its node's set? */
static nnc_value in_set(struct trees *t, nnc_value at, nnc_value x)
{
    nnc_onnx_cx *cx = t->cx;
    nnc_dim dim[2] = { t->n, t->longest };
    static const int64_t last[1] = { 2 };
    nnc_value table = nnc_row_ml_const(cx, nnc_cx_dtype(cx, x), 2, dim, t->member);
    nnc_value hit = is_equal(cx, nnc_g_gather(&cx->b, table, at, 0, 0), nnc_cx_expand_dim(cx, x, 2));
    return nnc_g_reduce(&cx->b, NNC_W_or, hit, 1, last, false);
}

/* Does the condition of each node hold?  With one mode in all nodes there is one comparison. */
static nnc_value holds(struct trees *t, nnc_value at, nnc_value x, nnc_value threshold)
{
    nnc_onnx_cx *cx = t->cx;
    int32_t any = 0, all = -1, *flags = nnc_arena_array(cx->a, t->n, sizeof *flags);
    for (uint32_t i = 0; i < t->n; i++) {
        flags[i] = node_flags(t, i);
        any |= flags[i];
        if (t->mode[i] != LEAF)
            all &= flags[i];
    }
    nnc_value f = table_i32(t, t->n, flags), y = { 0 };
    bool uniform = true;
    for (int bit = F_LESS; bit <= F_MORE; bit++)
        uniform &= (any >> bit & 1) == (all >> bit & 1);
    uniform &= !(any >> F_MEMBER & 1);
    if (uniform) {
        bool less = any & 1 << F_LESS, equal = any & 1 << F_EQUAL, more = any & 1 << F_MORE;
        y = less && more ? either(cx, is_less(cx, x, threshold), is_less(cx, threshold, x))
            : less       ? equal ? is_at_most(cx, x, threshold) : is_less(cx, x, threshold)
            : more       ? equal ? is_at_most(cx, threshold, x) : is_less(cx, threshold, x)
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
        return y;                                         /* comparisons with NaN are false, as it should be */
    f = uniform ? of_node(t, f, at) : f;
    return either(cx, y, both(cx, nnc_cx_op1(cx, NNC_OP_isnan, x), flag(t, f, F_MISSING)));
}

static nnc_value walk_step(struct trees *t, nnc_value x, nnc_value at)
{
    nnc_onnx_cx *cx = t->cx;
    nnc_dim dim = t->n;
    nnc_value v = nnc_g_gather_elements(&cx->b, x, of_node(t, table_i32(t, t->n, t->feature), at), 1);
    nnc_value threshold = of_node(t, nnc_row_ml_const(cx, nnc_cx_dtype(cx, x), 1, &dim, t->value), at);
    nnc_value yes = of_node(t, table_i32(t, t->n, t->yes), at), no = of_node(t, table_i32(t, t->n, t->no), at);
    return choose(cx, holds(t, at, v, threshold), yes, no);
}

/* The leaf each row of x ends in, one per tree: i32 [N, trees]. */
static nnc_value walk(struct trees *t, nnc_value x)
{
    nnc_onnx_cx *cx = t->cx;
    nnc_dim dim[2] = { nnc_cx_dim(cx, x, 0), t->ntree };
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
static nnc_value aggregate(struct trees *t, nnc_value x, int how)
{
    nnc_onnx_cx *cx = t->cx;
    nnc_dtype dt = nnc_cx_dtype(cx, x);
    nnc_dim dim[2] = { t->nleaf, t->targets };
    double far = dt == NNC_DT_f64 ? 1.7976931348623157e308 : 3.4028234663852886e38;
    static const int64_t trees_axis[1] = { 1 };
    for (int64_t i = 0; how >= MIN && i < (int64_t)t->nleaf * t->targets; i++)
        if (!t->weighed[i])
            t->weight[i] = how == MIN ? far : -far;
    nnc_value leaf = of_node(t, table_i32(t, t->n, t->leaf), walk(t, x));
    nnc_value w = nnc_g_gather(&cx->b, nnc_row_ml_const(cx, dt, 2, dim, t->weight), leaf, 0, 0);
    nnc_value y = nnc_g_reduce(&cx->b, how == MIN ? NNC_W_min : how == MAX ? NNC_W_max : NNC_W_sum, w, 1, trees_axis, false);
    return how == AVERAGE ? div_of_num(cx, y, t->ntree) : y;
}

/* ---- checks that hold for all versions ---- */

/* Depth of all trees; a node that leads back to itself is an error.  Depth first; the stack is the path to a node. */
static nnc_status measure(struct trees *t)
{
    enum { NEW, OPEN = -1 };                              /* else depth + 1 */
    int32_t *level = nnc_arena_array(t->cx->a, t->n, sizeof *level), *stack = nnc_arena_array(t->cx->a, (size_t)t->n + 2, sizeof *stack);
    t->level = level;
    for (uint32_t r = 0; r < t->ntree; r++) {
        uint32_t n = 0;
        stack[n++] = t->root[r];
        while (n) {
            int32_t i = stack[n - 1], kid[2] = { t->yes[i], t->no[i] }, next = -1, below = 0;
            for (int k = 0; k < 2 && t->mode[i] != LEAF && level[i] <= 0; k++) {
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

static nnc_status check_features(struct trees *t, int64_t features)
{
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->mode[i] == LEAF)
            t->feature[i] = 0;
        else if (t->feature[i] < 0 || t->feature[i] >= features)
            return nnc_cx_error(t->cx, "a node asks for feature %d, but the input has %lld", t->feature[i], (long long)features);
    }
    if (!features)
        return nnc_cx_error(t->cx, "the input has no features");
    return NNC_OK;
}

static void *array(struct trees *t, uint32_t n, size_t size) { return nnc_arena_array(t->cx->a, (size_t)n + 1, size); }

static void make_room(struct trees *t, uint32_t n)
{
    t->n = n;
    t->feature = array(t, n, sizeof *t->feature);
    t->yes = array(t, n, sizeof *t->yes);
    t->no = array(t, n, sizeof *t->no);
    t->leaf = array(t, n, sizeof *t->leaf);
    t->value = array(t, n, sizeof *t->value);
    t->mode = array(t, n, 1);
    t->missing = array(t, n, 1);
    t->root = array(t, n, sizeof *t->root);
}

static nnc_status make_weights(struct trees *t, int64_t targets)
{
    if (targets < 1 || targets > 1 << 20 || (uint64_t)t->nleaf * (uint64_t)targets > 1u << 26)
        return nnc_cx_error(t->cx, "%u leaves and %lld targets; at most 64 million weights are supported", t->nleaf, (long long)targets);
    t->targets = targets;
    t->weight = nnc_arena_array(t->cx->a, (size_t)t->nleaf * (size_t)targets + 1, sizeof *t->weight);
    t->weighed = nnc_arena_array(t->cx->a, (size_t)t->nleaf * (size_t)targets + 1, sizeof *t->weighed);
    return NNC_OK;
}

/* ---- versions 1 and 3: nodes by (tree, node) numbers ---- */

struct place { int64_t tree, node; int32_t at; };

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->tree != y->tree ? (x->tree > y->tree) - (x->tree < y->tree) : (x->node > y->node) - (x->node < y->node);
}

static int32_t find_node(const struct place *p, uint32_t n, int64_t tree, int64_t node)
{
    struct place key = { tree, node, 0 };
    const struct place *hit = bsearch(&key, p, n, sizeof *p, by_place);
    return hit ? hit->at : -1;
}

/* Numbers of the list `name`, or of the tensor `name`_as_tensor. */
static double *numbers(nnc_onnx_cx *cx, const char *name, uint32_t *n)
{
    const float *f = nnc_onnx_node_floats(cx->node, name, n);
    const nnc_onnx_tensor *t = nnc_onnx_node_tensor(cx->node, nnc_arena_printf(cx->a, "%s_as_tensor", name));
    if (!*n && t && t->count < UINT32_MAX)
        *n = (uint32_t)t->count;
    double *v = nnc_arena_array(cx->a, (size_t)*n + 1, sizeof *v);
    for (uint32_t i = 0; i < *n; i++)
        v[i] = f ? (double)f[i] : nnc_onnx_tensor_f64(t, i);
    return v;
}

static nnc_status list(struct trees *t, const char *name, const int64_t **v)
{
    uint32_t n;
    *v = nnc_onnx_node_ints(t->cx->node, name, &n);
    return n == t->n ? NNC_OK : nnc_cx_error(t->cx, "%s has %u numbers, expected %u as nodes_treeids", name, n, t->n);
}

static nnc_status read_modes(struct trees *t)
{
    static const char *const names[] = { "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "", "LEAF" };
    uint32_t n;
    const nnc_onnx_str *mode = nnc_onnx_node_strs(t->cx->node, "nodes_modes", &n);
    if (n != t->n)
        return nnc_cx_error(t->cx, "nodes_modes has %u entries, expected %u", n, t->n);
    for (uint32_t i = 0; i < n; i++) {
        int k = 0;
        while (k < 8 && strcmp(mode[i].s, names[k]))
            k++;
        if (k == 8 || k == MEMBER)
            return nnc_cx_error(t->cx, "nodes_modes holds '%.40s', expected BRANCH_LEQ, LT, GTE, GT, EQ, NEQ or LEAF", mode[i].s);
        t->mode[i] = (uint8_t)k;
    }
    return NNC_OK;
}

/* Children by number, and the root of each tree: the node that is nobody's child. */
static nnc_status link_nodes(struct trees *t, const struct place *place, const int64_t *tree, const int64_t *node)
{
    const int64_t *yes, *no;
    bool *child = array(t, t->n, sizeof *child);
    NNC_TRY(list(t, "nodes_truenodeids", &yes));
    NNC_TRY(list(t, "nodes_falsenodeids", &no));
    for (uint32_t i = 0; i < t->n; i++) {
        t->yes[i] = t->no[i] = (int32_t)i;
        t->leaf[i] = t->mode[i] == LEAF ? (int32_t)t->nleaf++ : 0;
        if (t->mode[i] == LEAF)
            continue;
        t->yes[i] = find_node(place, t->n, tree[i], yes[i]);
        t->no[i] = find_node(place, t->n, tree[i], no[i]);
        if (t->yes[i] < 0 || t->no[i] < 0)
            return nnc_cx_error(t->cx, "node %lld of tree %lld has a child that does not exist", (long long)node[i], (long long)tree[i]);
        child[t->yes[i]] = child[t->no[i]] = true;
    }
    for (uint32_t i = 0; i < t->n; i++) {                 /* in order of trees */
        const struct place *p = &place[i];
        if (child[p->at])
            continue;
        if (t->ntree && tree[t->root[t->ntree - 1]] == p->tree)
            return nnc_cx_error(t->cx, "tree %lld has two roots", (long long)p->tree);
        t->root[t->ntree++] = p->at;
    }
    for (uint32_t i = 0, k = 0; i < t->n; i++) {
        while (k < t->ntree && tree[t->root[k]] < place[i].tree)
            k++;
        if (k == t->ntree || tree[t->root[k]] != place[i].tree)
            return nnc_cx_error(t->cx, "tree %lld has no root: its nodes lead round in a circle", (long long)place[i].tree);
    }
    return NNC_OK;
}

/* Weights of the leaves: lists <stem>_treeids, _nodeids, _ids, _weights. */
static nnc_status read_weights(struct trees *t, const char *stem, const char *ids, const struct place *place, int64_t targets)
{
    nnc_onnx_cx *cx = t->cx;
    uint32_t n[4];
    const int64_t *tree = nnc_onnx_node_ints(cx->node, nnc_arena_printf(cx->a, "%s_treeids", stem), &n[0]);
    const int64_t *node = nnc_onnx_node_ints(cx->node, nnc_arena_printf(cx->a, "%s_nodeids", stem), &n[1]);
    const int64_t *id = nnc_onnx_node_ints(cx->node, ids, &n[2]);
    const double *w = numbers(cx, nnc_arena_printf(cx->a, "%s_weights", stem), &n[3]);
    if (n[1] != n[0] || n[2] != n[0] || n[3] != n[0])
        return nnc_cx_error(cx, "%s_treeids, _nodeids, %s and %s_weights have %u, %u, %u and %u numbers, expected as many", stem, ids, stem, n[0], n[1], n[2], n[3]);
    NNC_TRY(make_weights(t, targets));
    for (uint32_t i = 0; i < n[0]; i++) {
        int32_t at = find_node(place, t->n, tree[i], node[i]);
        if (at < 0 || t->mode[at] != LEAF)
            return nnc_cx_error(cx, "weight %u belongs to node %lld of tree %lld, which is not a leaf", i, (long long)node[i], (long long)tree[i]);
        if (id[i] < 0 || id[i] >= targets)
            return nnc_cx_error(cx, "weight %u is for number %lld, expected 0 .. %lld", i, (long long)id[i], (long long)targets - 1);
        int64_t cell = t->leaf[at] * targets + id[i];
        t->weight[cell] += w[i];
        t->weighed[cell] = true;
    }
    return NNC_OK;
}

static nnc_status read_nodes(struct trees *t, const struct place **out)
{
    nnc_onnx_cx *cx = t->cx;
    uint32_t n, nv, nm;
    const int64_t *tree = nnc_onnx_node_ints(cx->node, "nodes_treeids", &n), *node, *feature, *missing;
    const double *value;
    if (!n || n > INT32_MAX / 2)
        return nnc_cx_error(cx, "nodes_treeids has %u numbers, expected some", n);
    make_room(t, n);
    NNC_TRY(list(t, "nodes_nodeids", &node));
    NNC_TRY(list(t, "nodes_featureids", &feature));
    value = numbers(cx, "nodes_values", &nv);
    if (nv != n)
        return nnc_cx_error(cx, "nodes_values has %u numbers, expected %u", nv, n);
    missing = nnc_onnx_node_ints(cx->node, "nodes_missing_value_tracks_true", &nm);
    if (nm && nm != n)
        return nnc_cx_error(cx, "nodes_missing_value_tracks_true has %u numbers, expected %u", nm, n);
    NNC_TRY(read_modes(t));
    struct place *place = array(t, n, sizeof *place);
    for (uint32_t i = 0; i < n; i++) {
        t->feature[i] = feature[i] < 0 || feature[i] > INT32_MAX ? -1 : (int32_t)feature[i];
        t->value[i] = value[i];
        t->missing[i] = nm && missing[i];
        place[i] = (struct place){ tree[i], node[i], (int32_t)i };
    }
    qsort(place, n, sizeof *place, by_place);
    for (uint32_t i = 1; i < n; i++)
        if (place[i].tree == place[i - 1].tree && place[i].node == place[i - 1].node)
            return nnc_cx_error(cx, "node %lld of tree %lld is given twice", (long long)place[i].node, (long long)place[i].tree);
    *out = place;
    NNC_TRY(link_nodes(t, place, tree, node));
    NNC_TRY(measure(t));
    for (uint32_t i = 0; i < n; i++)
        if (!t->level[i])
            return nnc_cx_error(cx, "node %lld of tree %lld cannot be reached from the root", (long long)node[i], (long long)tree[i]);
    return NNC_OK;
}

/* y [N, targets] plus base_values, if they are given: one per target. */
static nnc_status add_base(struct trees *t, nnc_value *y)
{
    nnc_onnx_cx *cx = t->cx;
    uint32_t n;
    const double *v = numbers(cx, "base_values", &n);
    nnc_dim dim = n;
    if (!n)
        return NNC_OK;
    if (n != 1 && n != t->targets)
        return nnc_cx_error(cx, "base_values has %u numbers, expected %lld", n, (long long)t->targets);
    *y = add_of(cx, *y, nnc_row_ml_const(cx, nnc_cx_dtype(cx, *y), 1, &dim, v));
    return NNC_OK;
}

nnc_status nnc_row_tree_regressor(nnc_onnx_cx *cx)
{
    static const char *const hows[] = { "AVERAGE", "SUM", "MIN", "MAX" };
    struct trees t = { .cx = cx };
    const struct place *place;
    const char *how = nnc_onnx_node_str(cx->node, "aggregate_function", "SUM");
    nnc_row_post post;
    nnc_value x;
    int64_t features;
    int k = 0;
    while (k < 4 && strcmp(how, hows[k]))
        k++;
    if (k == 4)
        return nnc_cx_bad_attr(cx, "aggregate_function", "SUM, AVERAGE, MIN or MAX");
    NNC_TRY(nnc_row_ml_post(cx, &post));
    NNC_TRY(nnc_row_ml_features(cx, &x, &features));
    NNC_TRY(read_nodes(&t, &place));
    NNC_TRY(check_features(&t, features));
    NNC_TRY(read_weights(&t, "target", "target_ids", place, nnc_onnx_node_int(cx->node, "n_targets", 1)));
    if (post != NNC_POST_none && t.targets == 1)
        return nnc_cx_error(cx, "post_transform %s of a single target is not defined; append the function as an operator of its own", nnc_onnx_node_str(cx->node, "post_transform", ""));
    nnc_value y = aggregate(&t, x, k);
    NNC_TRY(add_base(&t, &y));
    nnc_cx_set(cx, 0, cast_to(cx, nnc_row_ml_transform(cx, post, y), NNC_DT_f32));
    return NNC_OK;
}

/* ---- classes ---- */

/* Two labels with weights for one of them only, a score s: runtimes agree on some of the cases. */
static nnc_status two_from_one(struct trees *t, nnc_row_post post, nnc_value s, bool positive, nnc_value *y, nnc_value *label)
{
    nnc_onnx_cx *cx = t->cx;
    nnc_value one = nnc_cx_like(cx, s, 1);
    if (!(post == NNC_POST_none && positive) && !(post == NNC_POST_logistic && !positive))
        return nnc_cx_error(cx, "two labels with weights for one class only, post_transform %s and %s weights: runtimes differ in the result; give weights for both classes",
                            nnc_onnx_node_str(cx->node, "post_transform", "NONE"), positive ? "no negative" : "negative");
    nnc_value two[2] = { positive ? sub_of(cx, one, s) : neg_of(cx, s), s }, over = is_less(cx, nnc_cx_like(cx, s, positive ? 0.5 : 0), s);
    *y = nnc_g_concat(&cx->b, 2, two, 1);
    nnc_dim rows = nnc_cx_dim(cx, s, 0);
    *label = nnc_cx_reshape(cx, cast_to(cx, over, NNC_DT_i64), 1, &rows);
    return NNC_OK;
}

/* Is class 0 the only one with weights?  *other: there are others, but not 0. */
static bool only_first(nnc_onnx_cx *cx, bool *other, bool *positive)
{
    uint32_t n, nw;
    const double *w = numbers(cx, "class_weights", &nw);
    const int64_t *id = nnc_onnx_node_ints(cx->node, "class_ids", &n);
    bool same = true;
    for (uint32_t i = 1; i < n; i++)
        same &= id[i] == id[0];
    *positive = true;
    for (uint32_t i = 0; i < nw; i++)
        *positive &= w[i] >= 0;
    *other = n && same && id[0] != 0;
    return n && same;
}

nnc_status nnc_row_tree_classifier(nnc_onnx_cx *cx)
{
    struct trees t = { .cx = cx };
    const struct place *place;
    nnc_row_post post;
    nnc_value x, y, label;
    int64_t features;
    uint32_t labels, nbase;
    bool other, positive;
    NNC_TRY(nnc_row_ml_post(cx, &post));
    NNC_TRY(nnc_row_ml_labels(cx, "classlabels_int64s", "classlabels_strings", &labels));
    NNC_TRY(nnc_row_ml_features(cx, &x, &features));
    numbers(cx, "base_values", &nbase);
    bool single = only_first(cx, &other, &positive) && labels == 2;
    if (labels < 2 || (single && other))
        return nnc_cx_error(cx, labels < 2 ? "one label only: runtimes differ in the result; give two labels"
                                           : "two labels with weights for the second class only: runtimes differ in the result; give weights for both");
    if (single && nbase > 1)
        return nnc_cx_error(cx, "%u base_values, but weights for one class only: runtimes differ in the result; give weights for both classes", nbase);
    if (!single && nbase && nbase != labels)
        return nnc_cx_error(cx, "%u base_values for %u classes, expected as many", nbase, labels);
    NNC_TRY(read_nodes(&t, &place));
    NNC_TRY(check_features(&t, features));
    NNC_TRY(read_weights(&t, "class", "class_ids", place, single ? 1 : labels));
    y = aggregate(&t, x, SUM);
    NNC_TRY(add_base(&t, &y));
    if (single)
        NNC_TRY(two_from_one(&t, post, y, positive, &y, &label));
    y = nnc_row_ml_transform(cx, post, y);
    if (!single)
        label = nnc_g_argreduce(&cx->b, NNC_W_max, y, 1, false, false);
    nnc_row_ml_set_label(cx, "classlabels_int64s", label);
    nnc_cx_set(cx, 1, cast_to(cx, y, NNC_DT_f32));
    return NNC_OK;
}

/* ---- version 5: inner nodes and leaves apart ---- */

static nnc_status ints_of(nnc_onnx_cx *cx, const char *name, uint32_t want, const int64_t **v)
{
    uint32_t n;
    *v = nnc_onnx_node_ints(cx->node, name, &n);
    return n == want ? NNC_OK : nnc_cx_error(cx, "%s has %u numbers, expected %u", name, n, want);
}

/* A child: a leaf stands behind the inner nodes. */
static nnc_status child_of(struct trees *t, uint32_t inner, int64_t id, int64_t is_leaf, int32_t *at)
{
    int64_t limit = is_leaf ? t->nleaf : inner;
    if (id < 0 || id >= limit)
        return nnc_cx_error(t->cx, "a child is number %lld, but there are %lld %s", (long long)id, (long long)limit, is_leaf ? "leaves" : "nodes");
    *at = (int32_t)(is_leaf ? id + inner : id);
    return NNC_OK;
}

static nnc_status read_inner(struct trees *t, uint32_t inner)
{
    nnc_onnx_cx *cx = t->cx;
    const int64_t *feature, *yes, *no, *yes_leaf, *no_leaf, *missing;
    const nnc_onnx_tensor *split = nnc_onnx_node_tensor(cx->node, "nodes_splits"), *mode = nnc_onnx_node_tensor(cx->node, "nodes_modes");
    NNC_TRY(ints_of(cx, "nodes_featureids", inner, &feature));
    NNC_TRY(ints_of(cx, "nodes_truenodeids", inner, &yes));
    NNC_TRY(ints_of(cx, "nodes_falsenodeids", inner, &no));
    NNC_TRY(ints_of(cx, "nodes_trueleafs", inner, &yes_leaf));
    NNC_TRY(ints_of(cx, "nodes_falseleafs", inner, &no_leaf));
    bool has_missing = nnc_onnx_node_has(cx->node, "nodes_missing_value_tracks_true");
    if (has_missing)
        NNC_TRY(ints_of(cx, "nodes_missing_value_tracks_true", inner, &missing));
    if (!split || !mode || split->count != inner || mode->count != inner)
        return nnc_cx_error(cx, "nodes_splits and nodes_modes must have %u entries, as nodes_featureids", inner);
    for (uint32_t i = 0; i < inner; i++) {
        int64_t m = nnc_onnx_tensor_i64(mode, i);
        if (m < LEQ || m > MEMBER)
            return nnc_cx_error(cx, "nodes_modes holds %lld, expected 0 .. 6", (long long)m);
        t->mode[i] = (uint8_t)m;
        t->value[i] = nnc_onnx_tensor_f64(split, i);
        t->feature[i] = feature[i] < 0 || feature[i] > INT32_MAX ? -1 : (int32_t)feature[i];
        t->missing[i] = has_missing && missing[i];
        NNC_TRY(child_of(t, inner, yes[i], yes_leaf[i], &t->yes[i]));
        NNC_TRY(child_of(t, inner, no[i], no_leaf[i], &t->no[i]));
    }
    return NNC_OK;
}

static nnc_status read_leaves(struct trees *t, uint32_t inner)
{
    nnc_onnx_cx *cx = t->cx;
    const nnc_onnx_tensor *w = nnc_onnx_node_tensor(cx->node, "leaf_weights");
    const int64_t *id;
    NNC_TRY(ints_of(cx, "leaf_targetids", t->nleaf, &id));
    NNC_TRY(make_weights(t, nnc_onnx_node_int(cx->node, "n_targets", 1)));
    for (uint32_t i = 0; i < t->nleaf; i++) {
        int32_t at = (int32_t)(inner + i);
        if (id[i] < 0 || id[i] >= t->targets)
            return nnc_cx_error(cx, "leaf_targetids holds %lld, expected 0 .. %lld", (long long)id[i], (long long)t->targets - 1);
        t->mode[at] = LEAF;
        t->yes[at] = t->no[at] = at;
        t->leaf[at] = (int32_t)i;
        t->weight[i * t->targets + id[i]] = nnc_onnx_tensor_f64(w, i);
        t->weighed[i * t->targets + id[i]] = true;
    }
    return NNC_OK;
}

/* membership_values: one run of members per BRANCH_MEMBER node, in the order of the nodes, each ended by NaN. */
static nnc_status read_members(struct trees *t)
{
    nnc_onnx_cx *cx = t->cx;
    const nnc_onnx_tensor *v = nnc_onnx_node_tensor(cx->node, "membership_values");
    uint64_t count = v ? v->count : 0, run = 0, at = 0;
    uint32_t sets = 0, nodes = 0;
    for (uint32_t i = 0; i < t->n; i++)
        nodes += t->mode[i] == MEMBER;
    for (uint64_t i = 0; i < count; i++) {
        bool end = isnan(nnc_onnx_tensor_f64(v, i));
        run = end ? 0 : run + 1;
        sets += end;
        t->longest = run > t->longest ? (uint32_t)run : t->longest;
    }
    sets += run > 0;                                      /* the last NaN may be missing */
    if (sets != nodes)
        return nnc_cx_error(cx, "membership_values holds %u sets, but %u nodes have mode BRANCH_MEMBER", sets, nodes);
    if (!nodes)
        return NNC_OK;
    if ((uint64_t)t->n * t->longest > 1u << 26)
        return nnc_cx_error(cx, "%u nodes with sets of up to %u members; at most 64 million cells are supported", t->n, t->longest);
    t->longest = t->longest ? t->longest : 1;
    t->member = nnc_arena_array(cx->a, (size_t)t->n * t->longest, sizeof *t->member);
    for (uint32_t i = 0; i < t->n; i++) {
        for (uint32_t k = 0; k < t->longest; k++)
            t->member[(uint64_t)i * t->longest + k] = (double)NAN;
        for (uint32_t k = 0; t->mode[i] == MEMBER && at < count; at++, k++) {
            double d = nnc_onnx_tensor_f64(v, at);
            if (isnan(d)) {
                at++;
                break;
            }
            t->member[(uint64_t)i * t->longest + k] = d;
        }
    }
    return NNC_OK;
}

nnc_status nnc_row_tree_ensemble(nnc_onnx_cx *cx)
{
    struct trees t = { .cx = cx };
    uint32_t inner, roots;
    const int64_t *root = nnc_onnx_node_ints(cx->node, "tree_roots", &roots);
    const nnc_onnx_tensor *w = nnc_onnx_node_tensor(cx->node, "leaf_weights");
    int64_t how = nnc_onnx_node_int(cx->node, "aggregate_function", SUM), post = nnc_onnx_node_int(cx->node, "post_transform", 0), features;
    nnc_value x;
    nnc_onnx_node_ints(cx->node, "nodes_featureids", &inner);
    if (how < AVERAGE || how > MAX)
        return nnc_cx_bad_attr(cx, "aggregate_function", "0 .. 3");
    if (post < NNC_POST_none || post > NNC_POST_probit)
        return nnc_cx_bad_attr(cx, "post_transform", "0 .. 4");
    if (!w || !w->count || w->count > INT32_MAX / 4 || inner > INT32_MAX / 4 || !roots || roots > inner)
        return nnc_cx_error(cx, "%u nodes, %u roots and %llu leaf weights do not make trees", inner, roots, (unsigned long long)(w ? w->count : 0));
    t.nleaf = (uint32_t)w->count;
    make_room(&t, inner + t.nleaf);
    NNC_TRY(nnc_row_ml_features(cx, &x, &features));
    NNC_TRY(read_inner(&t, inner));
    NNC_TRY(read_leaves(&t, inner));
    NNC_TRY(read_members(&t));
    for (uint32_t i = 0; i < roots; i++) {
        if (root[i] < 0 || root[i] >= inner)
            return nnc_cx_error(cx, "tree_roots holds %lld, expected 0 .. %u", (long long)root[i], inner - 1);
        t.root[t.ntree++] = (int32_t)root[i];
    }
    NNC_TRY(measure(&t));
    NNC_TRY(check_features(&t, features));
    if (post && t.targets == 1)
        return nnc_cx_error(cx, "post_transform of a single target is not defined; append the function as an operator of its own");
    nnc_value y = nnc_row_ml_transform(cx, (nnc_row_post)post, aggregate(&t, x, (int)how));
    nnc_cx_set(cx, 0, cast_to(cx, y, nnc_cx_dtype(cx, nnc_cx_in(cx, 0))));
    return NNC_OK;
}
