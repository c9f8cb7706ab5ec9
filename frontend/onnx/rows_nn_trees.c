/* frontend/onnx/rows_nn_trees.c - TreeEnsemble and the older TreeEnsembleClassifier and
 * -Regressor: attributes into tables of nodes and weights (rows_nn_trees_walk.c uses them).  Where
 * runtimes are known to differ, the form is refused. */
#include <stdlib.h>
#include "frontend/onnx/rows_trees.h"

/* ---- checks that hold for all versions ---- */

static nnc_status check_features(nnc_row_trees *t, int64_t features)
{
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->mode[i] == NNC_TREE_leaf)
            t->feature[i] = 0;
        else if (t->feature[i] < 0 || t->feature[i] >= features)
            return nnc_cx_error(t->cx, "a node asks for feature %d, but the input has %lld",
                                t->feature[i], (long long)features);
    }
    if (!features)
        return nnc_cx_error(t->cx, "the input has no features");
    return NNC_OK;
}

static void *array(nnc_row_trees *t, uint32_t n, size_t size)
{
    return nnc_arena_array(t->cx->a, (size_t)n + 1, size);
}

static void make_room(nnc_row_trees *t, uint32_t n)
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

static nnc_status make_weights(nnc_row_trees *t, int64_t targets)
{
    if (targets < 1 || targets > 1 << 20 || (uint64_t)t->nleaf * (uint64_t)targets > 1u << 26)
        return nnc_cx_error(t->cx,
                            "%u leaves and %lld targets; at most 64 million weights are supported",
                            t->nleaf, (long long)targets);
    t->targets = targets;
    t->weight =
        nnc_arena_array(t->cx->a, (size_t)t->nleaf * (size_t)targets + 1, sizeof *t->weight);
    t->weighed =
        nnc_arena_array(t->cx->a, (size_t)t->nleaf * (size_t)targets + 1, sizeof *t->weighed);
    return NNC_OK;
}

/* ---- versions 1 and 3: nodes by (tree, node) numbers ---- */

struct place {
    int64_t tree, node;
    int32_t at;
};

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->tree != y->tree ? (x->tree > y->tree) - (x->tree < y->tree)
                              : (x->node > y->node) - (x->node < y->node);
}

static int32_t find_node(const struct place *p, uint32_t n, int64_t tree, int64_t node)
{
    struct place key = {tree, node, 0};
    const struct place *hit = bsearch(&key, p, n, sizeof *p, by_place);
    return hit ? hit->at : -1;
}

/* Numbers of the list `name`, or of the tensor `name`_as_tensor. */
static double *numbers(nnc_onnx_cx *cx, const char *name, uint32_t *n)
{
    const float *f = nnc_onnx_node_floats(cx->node, name, n);
    const nnc_onnx_tensor *t =
        nnc_onnx_node_tensor(cx->node, nnc_arena_printf(cx->a, "%s_as_tensor", name));
    if (!*n && t && t->count < UINT32_MAX)
        *n = (uint32_t)t->count;
    double *v = nnc_arena_array(cx->a, (size_t)*n + 1, sizeof *v);
    for (uint32_t i = 0; i < *n; i++)
        v[i] = f ? (double)f[i] : nnc_onnx_tensor_f64(t, i);
    return v;
}

static nnc_status list(nnc_row_trees *t, const char *name, const int64_t **v)
{
    uint32_t n;
    *v = nnc_onnx_node_ints(t->cx->node, name, &n);
    return n == t->n ? NNC_OK
                     : nnc_cx_error(t->cx, "%s has %u numbers, expected %u as nodes_treeids", name,
                                    n, t->n);
}

static nnc_status read_modes(nnc_row_trees *t)
{
    static const char *const names[] = {"BRANCH_LEQ", "BRANCH_LT",  "BRANCH_GTE", "BRANCH_GT",
                                        "BRANCH_EQ",  "BRANCH_NEQ", "",           "LEAF"};
    uint32_t n;
    const nnc_onnx_str *mode = nnc_onnx_node_strs(t->cx->node, "nodes_modes", &n);
    if (n != t->n)
        return nnc_cx_error(t->cx, "nodes_modes has %u entries, expected %u", n, t->n);
    for (uint32_t i = 0; i < n; i++) {
        int k = 0;
        while (k < 8 && strcmp(mode[i].s, names[k]))
            k++;
        if (k == 8 || k == NNC_TREE_member)
            return nnc_cx_error(
                t->cx,
                "nodes_modes holds '%.40s', expected BRANCH_LEQ, LT, GTE, GT, EQ, NEQ or LEAF",
                mode[i].s);
        t->mode[i] = (uint8_t)k;
    }
    return NNC_OK;
}

/* Children by number, and the root of each tree: the node that is nobody's child. */
static nnc_status link_nodes(nnc_row_trees *t, const struct place *place, const int64_t *tree,
                             const int64_t *node)
{
    const int64_t *yes, *no;
    bool *child = array(t, t->n, sizeof *child);
    NNC_TRY(list(t, "nodes_truenodeids", &yes));
    NNC_TRY(list(t, "nodes_falsenodeids", &no));
    for (uint32_t i = 0; i < t->n; i++) {
        t->yes[i] = t->no[i] = (int32_t)i;
        t->leaf[i] = t->mode[i] == NNC_TREE_leaf ? (int32_t)t->nleaf++ : 0;
        if (t->mode[i] == NNC_TREE_leaf)
            continue;
        t->yes[i] = find_node(place, t->n, tree[i], yes[i]);
        t->no[i] = find_node(place, t->n, tree[i], no[i]);
        if (t->yes[i] < 0 || t->no[i] < 0)
            return nnc_cx_error(t->cx, "node %lld of tree %lld has a child that does not exist",
                                (long long)node[i], (long long)tree[i]);
        child[t->yes[i]] = child[t->no[i]] = true;
    }
    for (uint32_t i = 0; i < t->n; i++) { /* in order of trees */
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
            return nnc_cx_error(t->cx, "tree %lld has no root: its nodes lead round in a circle",
                                (long long)place[i].tree);
    }
    return NNC_OK;
}

/* Weights of the leaves: lists <stem>_treeids, _nodeids, _ids, _weights. */
static nnc_status read_weights(nnc_row_trees *t, const char *stem, const char *ids,
                               const struct place *place, int64_t targets)
{
    nnc_onnx_cx *cx = t->cx;
    uint32_t n[4];
    const int64_t *tree =
        nnc_onnx_node_ints(cx->node, nnc_arena_printf(cx->a, "%s_treeids", stem), &n[0]);
    const int64_t *node =
        nnc_onnx_node_ints(cx->node, nnc_arena_printf(cx->a, "%s_nodeids", stem), &n[1]);
    const int64_t *id = nnc_onnx_node_ints(cx->node, ids, &n[2]);
    const double *w = numbers(cx, nnc_arena_printf(cx->a, "%s_weights", stem), &n[3]);
    if (n[1] != n[0] || n[2] != n[0] || n[3] != n[0])
        return nnc_cx_error(cx,
                            "%s_treeids, _nodeids, %s and %s_weights have %u, %u, %u and %u "
                            "numbers, expected as many",
                            stem, ids, stem, n[0], n[1], n[2], n[3]);
    NNC_TRY(make_weights(t, targets));
    for (uint32_t i = 0; i < n[0]; i++) {
        int32_t at = find_node(place, t->n, tree[i], node[i]);
        if (at < 0 || t->mode[at] != NNC_TREE_leaf)
            return nnc_cx_error(cx,
                                "weight %u belongs to node %lld of tree %lld, which is not a leaf",
                                i, (long long)node[i], (long long)tree[i]);
        if (id[i] < 0 || id[i] >= targets)
            return nnc_cx_error(cx, "weight %u is for number %lld, expected 0 .. %lld", i,
                                (long long)id[i], (long long)targets - 1);
        int64_t cell = t->leaf[at] * targets + id[i];
        t->weight[cell] += w[i];
        t->weighed[cell] = true;
    }
    return NNC_OK;
}

static nnc_status read_nodes(nnc_row_trees *t, const struct place **out)
{
    nnc_onnx_cx *cx = t->cx;
    uint32_t n, nv, nm;
    const int64_t *tree = nnc_onnx_node_ints(cx->node, "nodes_treeids", &n), *node, *feature,
                  *missing;
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
        return nnc_cx_error(cx, "nodes_missing_value_tracks_true has %u numbers, expected %u", nm,
                            n);
    NNC_TRY(read_modes(t));
    struct place *place = array(t, n, sizeof *place);
    for (uint32_t i = 0; i < n; i++) {
        t->feature[i] = feature[i] < 0 || feature[i] > INT32_MAX ? -1 : (int32_t)feature[i];
        t->value[i] = value[i];
        t->missing[i] = nm && missing[i];
        place[i] = (struct place){tree[i], node[i], (int32_t)i};
    }
    qsort(place, n, sizeof *place, by_place);
    for (uint32_t i = 1; i < n; i++)
        if (place[i].tree == place[i - 1].tree && place[i].node == place[i - 1].node)
            return nnc_cx_error(cx, "node %lld of tree %lld is given twice",
                                (long long)place[i].node, (long long)place[i].tree);
    *out = place;
    NNC_TRY(link_nodes(t, place, tree, node));
    NNC_TRY(nnc_row_trees_measure(t));
    for (uint32_t i = 0; i < n; i++)
        if (!t->level[i])
            return nnc_cx_error(cx, "node %lld of tree %lld cannot be reached from the root",
                                (long long)node[i], (long long)tree[i]);
    return NNC_OK;
}

/* y [N, targets] plus base_values, if they are given: one per target. */
static nnc_status add_base(nnc_row_trees *t, nnc_value *y)
{
    nnc_onnx_cx *cx = t->cx;
    uint32_t n;
    const double *v = numbers(cx, "base_values", &n);
    nnc_dim dim = n;
    if (!n)
        return NNC_OK;
    if (n != 1 && n != t->targets)
        return nnc_cx_error(cx, "base_values has %u numbers, expected %lld", n,
                            (long long)t->targets);
    *y = add_of(cx, *y, nnc_row_ml_const(cx, nnc_cx_dtype(cx, *y), 1, &dim, v));
    return NNC_OK;
}

nnc_status nnc_row_tree_regressor(nnc_onnx_cx *cx)
{
    static const char *const hows[] = {"AVERAGE", "SUM", "MIN", "MAX"};
    nnc_row_trees t = {.cx = cx};
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
    NNC_TRY(read_weights(&t, "target", "target_ids", place,
                         nnc_onnx_node_int(cx->node, "n_targets", 1)));
    if (post != NNC_POST_none && t.targets == 1)
        return nnc_cx_error(cx,
                            "post_transform %s of a single target is not defined; append the "
                            "function as an operator of its own",
                            nnc_onnx_node_str(cx->node, "post_transform", ""));
    nnc_value y = nnc_row_trees_aggregate(&t, x, k);
    NNC_TRY(add_base(&t, &y));
    nnc_cx_set(cx, 0, cast_to(cx, nnc_row_ml_transform(cx, post, y), NNC_DT_f32));
    return NNC_OK;
}

/* ---- classes ---- */

/* Two labels with weights for one of them only, a score s: runtimes agree on some of the cases. */
static nnc_status two_from_one(nnc_row_trees *t, nnc_row_post post, nnc_value s, bool positive,
                               nnc_value *y, nnc_value *label)
{
    nnc_onnx_cx *cx = t->cx;
    nnc_value one = nnc_cx_like(cx, s, 1);
    if (!(post == NNC_POST_none && positive) && !(post == NNC_POST_logistic && !positive))
        return nnc_cx_error(cx,
                            "two labels with weights for one class only, post_transform %s and %s "
                            "weights: runtimes differ in the result; give weights for both classes",
                            nnc_onnx_node_str(cx->node, "post_transform", "NONE"),
                            positive ? "no negative" : "negative");
    nnc_value two[2] = {positive ? sub_of(cx, one, s) : neg_of(cx, s), s},
              over = is_less(cx, nnc_cx_like(cx, s, positive ? 0.5 : 0), s);
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
    nnc_row_trees t = {.cx = cx};
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
        return nnc_cx_error(
            cx, labels < 2 ? "one label only: runtimes differ in the result; give two labels"
                           : "two labels with weights for the second class only: runtimes differ "
                             "in the result; give weights for both");
    if (single && nbase > 1)
        return nnc_cx_error(cx,
                            "%u base_values, but weights for one class only: runtimes differ in "
                            "the result; give weights for both classes",
                            nbase);
    if (!single && nbase && nbase != labels)
        return nnc_cx_error(cx, "%u base_values for %u classes, expected as many", nbase, labels);
    NNC_TRY(read_nodes(&t, &place));
    NNC_TRY(check_features(&t, features));
    NNC_TRY(read_weights(&t, "class", "class_ids", place, single ? 1 : labels));
    y = nnc_row_trees_aggregate(&t, x, NNC_TREE_sum);
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
static nnc_status child_of(nnc_row_trees *t, uint32_t inner, int64_t id, int64_t is_leaf,
                           int32_t *at)
{
    int64_t limit = is_leaf ? t->nleaf : inner;
    if (id < 0 || id >= limit)
        return nnc_cx_error(t->cx, "a child is number %lld, but there are %lld %s", (long long)id,
                            (long long)limit, is_leaf ? "leaves" : "nodes");
    *at = (int32_t)(is_leaf ? id + inner : id);
    return NNC_OK;
}

static nnc_status read_inner(nnc_row_trees *t, uint32_t inner)
{
    nnc_onnx_cx *cx = t->cx;
    const int64_t *feature, *yes, *no, *yes_leaf, *no_leaf, *missing;
    const nnc_onnx_tensor *split = nnc_onnx_node_tensor(cx->node, "nodes_splits"),
                          *mode = nnc_onnx_node_tensor(cx->node, "nodes_modes");
    NNC_TRY(ints_of(cx, "nodes_featureids", inner, &feature));
    NNC_TRY(ints_of(cx, "nodes_truenodeids", inner, &yes));
    NNC_TRY(ints_of(cx, "nodes_falsenodeids", inner, &no));
    NNC_TRY(ints_of(cx, "nodes_trueleafs", inner, &yes_leaf));
    NNC_TRY(ints_of(cx, "nodes_falseleafs", inner, &no_leaf));
    bool has_missing = nnc_onnx_node_has(cx->node, "nodes_missing_value_tracks_true");
    if (has_missing)
        NNC_TRY(ints_of(cx, "nodes_missing_value_tracks_true", inner, &missing));
    if (!split || !mode || split->count != inner || mode->count != inner)
        return nnc_cx_error(
            cx, "nodes_splits and nodes_modes must have %u entries, as nodes_featureids", inner);
    for (uint32_t i = 0; i < inner; i++) {
        int64_t m = nnc_onnx_tensor_i64(mode, i);
        if (m < NNC_TREE_leq || m > NNC_TREE_member)
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

static nnc_status read_leaves(nnc_row_trees *t, uint32_t inner)
{
    nnc_onnx_cx *cx = t->cx;
    const nnc_onnx_tensor *w = nnc_onnx_node_tensor(cx->node, "leaf_weights");
    const int64_t *id;
    NNC_TRY(ints_of(cx, "leaf_targetids", t->nleaf, &id));
    NNC_TRY(make_weights(t, nnc_onnx_node_int(cx->node, "n_targets", 1)));
    for (uint32_t i = 0; i < t->nleaf; i++) {
        int32_t at = (int32_t)(inner + i);
        if (id[i] < 0 || id[i] >= t->targets)
            return nnc_cx_error(cx, "leaf_targetids holds %lld, expected 0 .. %lld",
                                (long long)id[i], (long long)t->targets - 1);
        t->mode[at] = NNC_TREE_leaf;
        t->yes[at] = t->no[at] = at;
        t->leaf[at] = (int32_t)i;
        t->weight[i * t->targets + id[i]] = nnc_onnx_tensor_f64(w, i);
        t->weighed[i * t->targets + id[i]] = true;
    }
    return NNC_OK;
}

/* membership_values: one run of members per BRANCH_MEMBER node, in the order of the nodes, each
 * ended by NaN. */
static nnc_status read_members(nnc_row_trees *t)
{
    nnc_onnx_cx *cx = t->cx;
    const nnc_onnx_tensor *v = nnc_onnx_node_tensor(cx->node, "membership_values");
    uint64_t count = v ? v->count : 0, run = 0, at = 0;
    uint32_t sets = 0, nodes = 0;
    for (uint32_t i = 0; i < t->n; i++)
        nodes += t->mode[i] == NNC_TREE_member;
    for (uint64_t i = 0; i < count; i++) {
        bool end = isnan(nnc_onnx_tensor_f64(v, i));
        run = end ? 0 : run + 1;
        sets += end;
        t->longest = run > t->longest ? (uint32_t)run : t->longest;
    }
    sets += run > 0; /* the last NaN may be missing */
    if (sets != nodes)
        return nnc_cx_error(cx,
                            "membership_values holds %u sets, but %u nodes have mode BRANCH_MEMBER",
                            sets, nodes);
    if (!nodes)
        return NNC_OK;
    if ((uint64_t)t->n * t->longest > 1u << 26)
        return nnc_cx_error(
            cx, "%u nodes with sets of up to %u members; at most 64 million cells are supported",
            t->n, t->longest);
    t->longest = t->longest ? t->longest : 1;
    t->member = nnc_arena_array(cx->a, (size_t)t->n * t->longest, sizeof *t->member);
    for (uint32_t i = 0; i < t->n; i++) {
        for (uint32_t k = 0; k < t->longest; k++)
            t->member[(uint64_t)i * t->longest + k] = (double)NAN;
        for (uint32_t k = 0; t->mode[i] == NNC_TREE_member && at < count; at++, k++) {
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
    nnc_row_trees t = {.cx = cx};
    uint32_t inner, roots;
    const int64_t *root = nnc_onnx_node_ints(cx->node, "tree_roots", &roots);
    const nnc_onnx_tensor *w = nnc_onnx_node_tensor(cx->node, "leaf_weights");
    int64_t how = nnc_onnx_node_int(cx->node, "aggregate_function", NNC_TREE_sum),
            post = nnc_onnx_node_int(cx->node, "post_transform", 0), features;
    nnc_value x;
    nnc_onnx_node_ints(cx->node, "nodes_featureids", &inner);
    if (how < NNC_TREE_average || how > NNC_TREE_max)
        return nnc_cx_bad_attr(cx, "aggregate_function", "0 .. 3");
    if (post < NNC_POST_none || post > NNC_POST_probit)
        return nnc_cx_bad_attr(cx, "post_transform", "0 .. 4");
    if (!w || !w->count || w->count > INT32_MAX / 4 || inner > INT32_MAX / 4 || !roots ||
        roots > inner)
        return nnc_cx_error(cx, "%u nodes, %u roots and %llu leaf weights do not make trees", inner,
                            roots, (unsigned long long)(w ? w->count : 0));
    t.nleaf = (uint32_t)w->count;
    make_room(&t, inner + t.nleaf);
    NNC_TRY(nnc_row_ml_features(cx, &x, &features));
    NNC_TRY(read_inner(&t, inner));
    NNC_TRY(read_leaves(&t, inner));
    NNC_TRY(read_members(&t));
    for (uint32_t i = 0; i < roots; i++) {
        if (root[i] < 0 || root[i] >= inner)
            return nnc_cx_error(cx, "tree_roots holds %lld, expected 0 .. %u", (long long)root[i],
                                inner - 1);
        t.root[t.ntree++] = (int32_t)root[i];
    }
    NNC_TRY(nnc_row_trees_measure(&t));
    NNC_TRY(check_features(&t, features));
    if (post && t.targets == 1)
        return nnc_cx_error(cx, "post_transform of a single target is not defined; append the "
                                "function as an operator of its own");
    nnc_value y =
        nnc_row_ml_transform(cx, (nnc_row_post)post, nnc_row_trees_aggregate(&t, x, (int)how));
    nnc_cx_set(cx, 0, cast_to(cx, y, nnc_cx_dtype(cx, nnc_cx_in(cx, 0))));
    return NNC_OK;
}
