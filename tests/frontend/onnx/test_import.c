/* The importer: small models imported and run in the interpreter, and what is said about wrong ones. */
#include "frontend/onnx/import.h"
#include "ir/interp.h"
#include "passes/autodiff/autodiff.h"
#include "ir/verify.h"
#include "tests/frontend/onnx/wire.h"
#include "tests/test.h"

static nnc_arena *arena;
static nnc_diag *diag;
static nnc_module *module;
static char said[1 << 16];

enum { F32 = 1, I64 = 7, BOOL = 9, STRING = 8 };

static void hear(void *user, const char *text)
{
    (void)user;
    strncat(said, text, sizeof said - strlen(said) - 1);
}

static nnc_status import_with(struct wire w, const nnc_onnx_options *opt)
{
    nnc_onnx_model *m;
    nnc_arena_free(arena);
    arena = nnc_arena_new();
    diag = nnc_diag_new(arena);
    nnc_diag_set_sink(diag, hear, NULL);
    said[0] = 0;
    module = nnc_module_new(arena, diag);
    if (nnc_onnx_load_bytes(arena, diag, "net.onnx", w.at, w.n, &m) != NNC_OK)
        return NNC_ERR;
    NNC_TRY(nnc_onnx_import_model(module, m, opt));
    return nnc_verify(module);
}

static nnc_status import(struct wire w)
{
    return import_with(w, NULL);
}

/* Every tensor of these tests is given as f32 numbers or as i64 numbers. */
static nnc_tensor floats(int rank, const int64_t *dim, const float *v)
{
    nnc_tensor t = nnc_tensor_new(arena, NNC_DT_f32, rank, dim);
    memcpy(t.data, v, nnc_tensor_bytes(&t));
    return t;
}

static nnc_tensor ints(int64_t n, const int64_t *v)
{
    nnc_tensor t = nnc_tensor_new(arena, NNC_DT_i64, 1, &n);
    memcpy(t.data, v, nnc_tensor_bytes(&t));
    return t;
}

static nnc_tensor flag(bool v)
{
    nnc_tensor t = nnc_tensor_new(arena, NNC_DT_bool, 0, NULL);
    *(uint8_t *)t.data = v;
    return t;
}

static nnc_tensor result;

/* Runs the imported graph; its first output is in `result`. */
static bool run(unsigned nin, const nnc_tensor *in)
{
    nnc_op graph = nnc_func_entry(module, NNC_OP_graph);
    nnc_tensor out[4];
    unsigned nout = nnc_op_nin(module, nnc_block_last(module, nnc_op_region(module, graph, 0)));
    if (nnc_autodiff_run(module, graph) != NNC_OK ||
        nnc_interp_graph(module, graph, arena, nin, in, nout, out) != NNC_OK)
        return false;
    result = out[0];
    return true;
}

static void check_result(int rank, const int64_t *dim, const float *want)
{
    CHECK_INT(result.rank, rank);
    if (result.rank != rank)
        return;
    for (int i = 0; i < rank; i++)
        CHECK_INT(result.dim[i], dim[i]);
    for (int64_t i = 0; i < nnc_tensor_count(&result); i++)
        CHECK_NEAR(((const float *)result.data)[i], want[i], 1e-6);
}

#define DIMS(...)   \
    (int64_t[])     \
    {               \
        __VA_ARGS__ \
    }
#define FLOATS(...) \
    (float[])       \
    {               \
        __VA_ARGS__ \
    }
#define IN(name, elem, dims)  value(GRAPH_INPUT, name, elem, dims)
#define OUT(name, elem, dims) value(GRAPH_OUTPUT, name, elem, dims)
#define INTS(name, dims, ...)           \
    tensor(GRAPH_INIT, name, I64, dims, \
           raw((int64_t[]){__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__})))

#define REFUSED(w, text)            \
    do {                            \
        CHECK(import(w) != NNC_OK); \
        CHECK_HAS(said, text);      \
    } while (0)

/* ---- meaning of old versions ------------------------------------------------------------------- */

static void old_broadcast_stands_at_its_axis(void)
{
    struct wire add = node_with("Add", "x,b", "y", a_int("broadcast", 1), a_int("axis", 0), END);
    REQUIRE(import(model(6, graph(IN("x", F32, "2,3"), IN("b", F32, "2"), add, OUT("y", F32, "2,3"),
                                  END))) == NNC_OK);
    nnc_tensor in[2] = {floats(2, DIMS(2, 3), FLOATS(0, 1, 2, 3, 4, 5)),
                        floats(1, DIMS(2), FLOATS(10, 20))};
    REQUIRE(run(2, in));
    check_result(2, DIMS(2, 3), FLOATS(10, 11, 12, 23, 24, 25));
}

static void old_softmax_sees_a_matrix(void)
{
    struct wire g =
        graph(IN("x", F32, "1,2,2"), node_with("Softmax", "x", "y", a_int("axis", 1), END),
              OUT("y", F32, "1,2,2"), END);
    nnc_tensor x;
    REQUIRE(import(model(11, g)) == NNC_OK);
    x = floats(3, DIMS(1, 2, 2), FLOATS(0, 0, 0, 0));
    REQUIRE(run(1, &x));
    check_result(3, DIMS(1, 2, 2), FLOATS(0.25f, 0.25f, 0.25f, 0.25f));
    REQUIRE(import(model(13, g)) == NNC_OK);
    x = floats(3, DIMS(1, 2, 2), FLOATS(0, 0, 0, 0));
    REQUIRE(run(1, &x));
    check_result(3, DIMS(1, 2, 2), FLOATS(0.5f, 0.5f, 0.5f, 0.5f));
}

/* ---- shapes ------------------------------------------------------------------------------------ */

/* reshape(x, [shape(x)[0], -1]) with a symbolic first dimension */
static void shape_chains_are_followed(void)
{
    nnc_onnx_bound n = {"n", 1, 8};
    nnc_onnx_options opt = {.bound = &n, .nbound = 1};
    struct wire m =
        model(13, graph(IN("x", F32, "n,2,3"), INTS("zero", "1", 0), INTS("rest", "1", -1),
                        node("Shape", "x", "s"), node("Gather", "s,zero", "n0"),
                        node_with("Concat", "n0,rest", "t", a_int("axis", 0), END),
                        node("Reshape", "x,t", "y"), OUT("y", F32, NULL), END));
    REQUIRE(import_with(m, &opt) == NNC_OK);
    nnc_tensor x = floats(3, DIMS(1, 2, 3), FLOATS(1, 2, 3, 4, 5, 6));
    REQUIRE(run(1, &x));
    check_result(2, DIMS(1, 6), FLOATS(1, 2, 3, 4, 5, 6));
}

/* Sizes scaled by a float and rounded, as exporters write for interpolation. */
static void scaled_sizes_are_followed(void)
{
    nnc_onnx_bound n = {"n", 1, 8};
    nnc_onnx_options opt = {.bound = &n, .nbound = 1};
    float two = 2;
    struct wire m = model(
        13, graph(IN("x", F32, "n"), tensor(GRAPH_INIT, "two", F32, "", raw(&two, 4)),
                  INTS("one", "1", 1), node("Shape", "x", "s"),
                  node_with("Cast", "s", "f", a_int("to", F32), END), node("Mul", "f,two", "g"),
                  node("Floor", "g", "h"), node_with("Cast", "h", "i", a_int("to", I64), END),
                  node("ConstantOfShape", "i", "y"), OUT("y", F32, NULL), END));
    REQUIRE(import_with(m, &opt) == NNC_OK);
    nnc_tensor x = floats(1, DIMS(3), FLOATS(1, 2, 3));
    REQUIRE(run(1, &x));
    check_result(1, DIMS(6), FLOATS(0, 0, 0, 0, 0, 0));
}

static void declared_shapes_stand_in_for_unknown_ones(void)
{
    REQUIRE(import(model(13, graph(IN("x", F32, "2,3"), IN("s", I64, "2"),
                                   node("Reshape", "x,s", "y"), OUT("y", F32, "3,2"), END))) ==
            NNC_OK);
    nnc_tensor in[2] = {floats(2, DIMS(2, 3), FLOATS(1, 2, 3, 4, 5, 6)), ints(2, DIMS(3, -1))};
    REQUIRE(run(2, in));
    check_result(2, DIMS(3, 2), FLOATS(1, 2, 3, 4, 5, 6));
    in[1] = ints(2, DIMS(6, 1));
    CHECK(!run(2, in)); /* the run says otherwise */
    REFUSED(model(13, graph(IN("x", F32, "2,3"), IN("s", I64, "2"), node("Reshape", "x,s", "y"),
                            OUT("y", F32, NULL), END)),
            "only known at run time");
}

static void run_time_slices_have_a_count(void)
{
    REQUIRE(import(model(13, graph(IN("x", F32, "5"), IN("a", I64, "1"), IN("b", I64, "1"),
                                   node("Slice", "x,a,b", "y"), OUT("y", F32, "?"), END))) ==
            NNC_OK);
    nnc_tensor in[3] = {floats(1, DIMS(5), FLOATS(0, 1, 2, 3, 4)), ints(1, DIMS(-3)),
                        ints(1, DIMS(100))};
    REQUIRE(run(3, in));
    check_result(1, DIMS(3), FLOATS(2, 3, 4));
    in[1] = ints(1, DIMS(4));
    in[2] = ints(1, DIMS(2));
    REQUIRE(run(3, in));
    CHECK_INT(result.dim[0], 0);
}

/* A start before the axis is its first element, also when stepping down (numpy gives nothing). */
static void slices_clamp_their_start(void)
{
    REQUIRE(import(model(13, graph(IN("x", F32, "2"), INTS("a", "1", -4), INTS("b", "1", -9),
                                   INTS("c", "1", 0), INTS("d", "1", -1),
                                   node("Slice", "x,a,b,c,d", "y"), OUT("y", F32, NULL), END))) ==
            NNC_OK);
    nnc_tensor x = floats(1, DIMS(2), FLOATS(5, 6));
    REQUIRE(run(1, &x));
    check_result(1, DIMS(1), FLOATS(5));
}

static void sizes_that_data_decides(void)
{
    REQUIRE(import(model(13, graph(IN("x", F32, "4"), node("NonZero", "x", "i"),
                                   OUT("i", I64, "1,?"), END))) == NNC_OK);
    nnc_tensor x = floats(1, DIMS(4), FLOATS(0, 5, 0, 7));
    REQUIRE(run(1, &x));
    CHECK_INT(result.dim[1], 2);
    CHECK_INT(((const int64_t *)result.data)[0], 1);
    CHECK_INT(((const int64_t *)result.data)[1], 3);
}

static void dimensions_need_a_bound(void)
{
    struct wire m =
        model(13, graph(IN("x", F32, "n,?"), node("Relu", "x", "y"), OUT("y", F32, NULL), END));
    nnc_onnx_bound b[2] = {{"n", 2, 2}, {"x_dim1", 1, 16}};
    nnc_onnx_options opt = {.bound = b, .nbound = 2};

    CHECK(import(m) != NNC_OK);
    CHECK_INT(nnc_diag_errors(diag), 2);
    CHECK_HAS(said, "'n' (axis 0 of input 'x')");
    CHECK_HAS(said, "--dim 'x_dim1=1..128'");
    CHECK_INT(import_with(m, &opt), NNC_OK);
    /* nothing depends on n here but the shape of x itself */
    CHECK_INT(import(model(15, graph(IN("x", F32, "n,2"),
                                     node_with("Shape", "x", "y", a_int("start", 1), END),
                                     OUT("y", I64, "1"), END))),
              NNC_OK);
    b[0].name = "batch";
    CHECK(import_with(m, &opt) != NNC_OK);
    CHECK_HAS(said, "--dim batch: no input has a dimension of that name; there are: n, x_dim1");
}

/* ---- control flow ------------------------------------------------------------------------------ */

static struct wire branch(struct wire n, const char *out)
{
    return graph(n, OUT(out, F32, NULL), END);
}

static struct wire if_model(struct wire then, struct wire other)
{
    return model(13, graph(IN("c", BOOL, ""), IN("x", F32, "4"), INTS("zero", "1", 0),
                           INTS("two", "1", 2),
                           node_with("If", "c", "y", a_graph("then_branch", then),
                                     a_graph("else_branch", other), END),
                           OUT("y", F32, NULL), END));
}

static void branches_may_differ_in_size(void)
{
    REQUIRE(import(if_model(branch(node("Neg", "x", "t"), "t"),
                            branch(node("Slice", "x,zero,two", "e"), "e"))) == NNC_OK);
    nnc_tensor in[2] = {flag(true), floats(1, DIMS(4), FLOATS(1, 2, 3, 4))};
    REQUIRE(run(2, in));
    check_result(1, DIMS(4), FLOATS(-1, -2, -3, -4));
    in[0] = flag(false);
    REQUIRE(run(2, in));
    check_result(1, DIMS(2), FLOATS(1, 2));
}

static void an_impossible_branch_fails_when_taken(void)
{
    REQUIRE(import(if_model(branch(node("Neg", "x", "t"), "t"),
                            branch(node("Reshape", "x,two", "e"), "e"))) == NNC_OK);
    CHECK_HAS(said, "warning: the else branch cannot be compiled");
    nnc_tensor in[2] = {flag(true), floats(1, DIMS(4), FLOATS(1, 2, 3, 4))};
    CHECK(run(2, in));
    in[0] = flag(false);
    CHECK(!run(2, in));
    CHECK(import(if_model(branch(node("Reshape", "x,two", "t"), "t"),
                          branch(node("Reshape", "x,two", "e"), "e"))) != NNC_OK);
}

/* state * 2 per round, which is also stacked; the body's condition is `go` */
static struct wire doubling(struct wire go, struct wire more)
{
    float two = 2;
    return graph(IN("i", I64, ""), IN("c", BOOL, ""), IN("s", F32, "1"),
                 tensor(GRAPH_INIT, "k", F32, "", raw(&two, 4)), node("Mul", "s,k", "t"),
                 node("Identity", "t", "u"), go, more, OUT("d", BOOL, ""), OUT("t", F32, NULL),
                 OUT("u", F32, NULL), END);
}

static struct wire loop_model(struct wire trips, struct wire body, const char *stacked)
{
    return model(13, graph(IN("x", F32, "1"), trips,
                           node_with("Loop", "m,,x", "y,z", a_graph("body", body), END),
                           OUT("z", F32, stacked), OUT("y", F32, NULL), END));
}

static void loops_of_known_length(void)
{
    REQUIRE(import(loop_model(INTS("m", "", 3),
                              doubling(node("Identity", "c", "d"), (struct wire){0}), NULL)) ==
            NNC_OK);
    nnc_tensor x = floats(1, DIMS(1), FLOATS(1));
    REQUIRE(run(1, &x));
    check_result(2, DIMS(3, 1), FLOATS(2, 4, 8));
}

static void loops_that_end_early(void)
{
    float limit = 4;
    struct wire go = node("Less", "r,max", "d");
    struct wire more =
        parts(tensor(GRAPH_INIT, "max", F32, "", raw(&limit, 4)), INTS("first", "", 0), END);
    struct wire pick = node("Gather", "t,first", "r");
    REQUIRE(import(loop_model(INTS("m", "", 10), doubling(parts(pick, go, END), more), NULL)) ==
            NNC_OK);
    nnc_tensor x = floats(1, DIMS(1), FLOATS(1));
    REQUIRE(run(1, &x));
    check_result(2, DIMS(2, 1), FLOATS(2, 4));
}

static void loops_of_unknown_length_need_a_declared_size(void)
{
    struct wire body = doubling(node("Identity", "c", "d"), (struct wire){0});
    REQUIRE(import(loop_model(IN("m", I64, ""), body, "2,1")) == NNC_OK);
    nnc_tensor in[2] = {floats(1, DIMS(1), FLOATS(1)), nnc_tensor_new(arena, NNC_DT_i64, 0, NULL)};
    *(int64_t *)in[1].data = 2;
    REQUIRE(run(2, in));
    check_result(2, DIMS(2, 1), FLOATS(2, 4));
    *(int64_t *)in[1].data = 1;
    CHECK(!run(2, in));
    REFUSED(loop_model(IN("m", I64, ""), body, NULL), "has no bound");
}

/* ---- sequences --------------------------------------------------------------------------------- */

static void sequences_disappear(void)
{
    REQUIRE(import(model(13, graph(IN("a", F32, "2"), IN("b", F32, "2"), INTS("first", "", 0),
                                   node("SequenceConstruct", "a,b", "s"),
                                   node("SequenceInsert", "s,b,first", "t"),
                                   node_with("ConcatFromSequence", "t", "y", a_int("axis", 0), END),
                                   OUT("y", F32, NULL), END))) == NNC_OK);
    nnc_tensor in[2] = {floats(1, DIMS(2), FLOATS(1, 2)), floats(1, DIMS(2), FLOATS(3, 4))};
    REQUIRE(run(2, in));
    check_result(1, DIMS(6), FLOATS(3, 4, 1, 2, 3, 4));
}

static void sequences_stay_inside(void)
{
    REFUSED(model(13, graph(IN("a", F32, "2"), node("SequenceConstruct", "a", "s"),
                            OUT("s", 0, NULL), END)),
            "is a sequence");
}

/* ---- gradients --------------------------------------------------------------------------------- */

static struct wire a_strs(const char *name, const char *list)
{
    return f_msg(5, parts(f_str(1, name), f_int(20, 8), f_strs(9, list), END));
}

/* y = sum(tanh(x w)): dy/dx = (1 - t^2) w', dy/dw = x' (1 - t^2) */
static void gradients_follow_the_chain_rule(void)
{
    struct wire grad = node_with("Gradient", "x,w", "gx,gw", f_str(7, "ai.onnx.preview.training"),
                                 a_strs("xs", "x,w"), a_str("y", "y"), END);
    struct wire g = graph(IN("x", F32, "1,2"), IN("w", F32, "2,1"), node("MatMul", "x,w", "z"),
                          node("Tanh", "z", "t"), node("ReduceSum", "t", "y"), grad,
                          OUT("gx", F32, NULL), OUT("gw", F32, NULL), END);
    REQUIRE(import(parts(f_int(1, 8), opset(8, "", 13), opset(8, "ai.onnx.preview.training", 1), g,
                         END)) == NNC_OK);
    nnc_tensor in[2] = {floats(2, DIMS(1, 2), FLOATS(0.5f, -1)),
                        floats(2, DIMS(2, 1), FLOATS(2, 0.25f))};
    float t = tanhf(0.75f), d = 1 - t * t;
    REQUIRE(run(2, in));
    check_result(2, DIMS(1, 2), FLOATS(2 * d, 0.25f * d));
}

/* ---- wrong models ------------------------------------------------------------------------------ */

static void one_run_tells_every_problem(void)
{
    CHECK(import(model(13, graph(IN("x", F32, "2,3"), IN("y", F32, "2,4"), node("Add", "x,y", "a"),
                                 node("Relu", "a", "b"), node("MatMul", "x,y", "c"),
                                 node_with("Concat", "x,y", "d", a_int("axis", 5), END),
                                 OUT("b", F32, NULL), OUT("c", F32, NULL), OUT("d", F32, NULL),
                                 END))) != NNC_OK);
    CHECK_INT(nnc_diag_errors(diag), 3); /* Relu only follows from Add */
    CHECK_HAS(said, "dimensions 3 and 4 differ");
    CHECK_HAS(said, "matrix product of f32[2,3] and f32[2,4]");
    CHECK_HAS(said, "attribute axis 5 is out of range for rank 2");
}

static void declared_shapes_must_agree(void)
{
    REFUSED(
        model(13, graph(IN("x", F32, "2,3"), node("Relu", "x", "y"), OUT("y", F32, "2,4"), END)),
        "'y' is f32[2,3], but the model declares 4 for dimension 1");
    REFUSED(model(13, graph(IN("x", F32, "2,3"), node("Relu", "x", "a"),
                            value(GRAPH_INFO, "a", F32, "6"), node("Relu", "a", "y"),
                            OUT("y", F32, NULL), END)),
            "declares it with rank 1");
}

static void strings_are_refused_unless_unused(void)
{
    struct wire s = tensor(GRAPH_INIT, "s", STRING, "1", f_str(6, "label"));
    CHECK_INT(import(model(13, graph(IN("x", F32, "2"), s, node("Relu", "x", "y"),
                                     OUT("y", F32, NULL), END))),
              NNC_OK);
    REFUSED(model(13, graph(IN("x", STRING, "2"), node("Identity", "x", "y"),
                            OUT("y", STRING, NULL), END)),
            "tensor of strings");
}

static void constant_indices_are_checked(void)
{
    REFUSED(model(13, graph(IN("x", F32, "2,3"), INTS("i", "1", 2), node("Gather", "x,i", "y"),
                            OUT("y", F32, NULL), END)),
            "index 2 is out of range for a dimension of 2");
}

int main(void)
{
    wire_memory = nnc_arena_new();
    arena = nnc_arena_new();
    RUN(old_broadcast_stands_at_its_axis);
    RUN(old_softmax_sees_a_matrix);
    RUN(shape_chains_are_followed);
    RUN(scaled_sizes_are_followed);
    RUN(declared_shapes_stand_in_for_unknown_ones);
    RUN(run_time_slices_have_a_count);
    RUN(slices_clamp_their_start);
    RUN(sizes_that_data_decides);
    RUN(dimensions_need_a_bound);
    RUN(branches_may_differ_in_size);
    RUN(an_impossible_branch_fails_when_taken);
    RUN(loops_of_known_length);
    RUN(loops_that_end_early);
    RUN(loops_of_unknown_length_need_a_declared_size);
    RUN(sequences_disappear);
    RUN(sequences_stay_inside);
    RUN(gradients_follow_the_chain_rule);
    RUN(one_run_tells_every_problem);
    RUN(declared_shapes_must_agree);
    RUN(strings_are_refused_unless_unused);
    RUN(constant_indices_are_checked);
    nnc_arena_free(arena);
    nnc_arena_free(wire_memory);
    return test_end();
}
