/* The ONNX loader: what it reads and, for every kind of mistake, what it says. */
#include "frontend/onnx/model.h"
#include "tests/frontend/onnx/wire.h"
#include "tests/test.h"
#include <sys/stat.h>
#include <unistd.h>

static nnc_arena *arena;
static nnc_diag *diag;
static char said[1 << 16];
static nnc_onnx_model *whole; /* what the last load gave, broken or not */

static void hear(void *user, const char *text)
{
    (void)user;
    strncat(said, text, sizeof said - strlen(said) - 1);
}

static void fresh_start(void)
{
    nnc_arena_free(arena);
    arena = nnc_arena_new();
    diag = nnc_diag_new(arena);
    nnc_diag_set_sink(diag, hear, NULL);
    said[0] = 0;
}

static nnc_onnx_model *load_from(const char *path, struct wire w)
{
    nnc_onnx_model *m;
    fresh_start();
    nnc_status status = nnc_onnx_load_bytes(arena, diag, path, w.at, w.n, &m);
    CHECK_INT(status == NNC_OK, nnc_diag_errors(diag) == 0);
    whole = m;
    return status == NNC_OK ? m : NULL;
}

static nnc_onnx_model *load(struct wire w)
{
    return load_from("net.onnx", w);
}

static nnc_sym sym(const nnc_onnx_model *m, const char *name)
{
    return nnc_intern_put(m->names, name, strlen(name));
}

#define X value(GRAPH_INPUT, "x", 1, "2,3")
#define Y value(GRAPH_OUTPUT, "y", 1, NULL)

/* The model is refused with exactly `errors` errors, one of which has the text. */
#define REFUSED(w, errors, text)                    \
    do {                                            \
        CHECK(load(w) == NULL);                     \
        CHECK_INT(nnc_diag_errors(diag), (errors)); \
        CHECK_HAS(said, text);                      \
    } while (0)

/* ---- good models ----------------------------------------------------------------------------- */

static void reads_a_small_model(void)
{
    const float w[] = {1, 2, 3};
    nnc_onnx_model *m = load(
        parts(f_int(1, 8), f_str(2, "me"), opset(8, "ai.onnx", 13),
              f_msg(14, parts(f_str(1, "author"), f_str(2, "somebody"), END)),
              graph(value(GRAPH_INPUT, "x", 1, "2,n,?"),
                    tensor(GRAPH_INIT, "w", 1, "3", raw(w, sizeof w)),
                    node_with("LeakyRelu", "x", "h", a_float("alpha", 0.5f), f_str(3, "act"), END),
                    node("Mul", "h,w", "y"), Y, END),
              END));
    REQUIRE(m);
    CHECK_STR(m->producer, "me");
    CHECK_STR(m->prop[0].value, "somebody");
    CHECK_INT(m->opset[0].version, 13);
    CHECK_STR(m->opset[0].domain, "");
    const nnc_onnx_graph *g = m->graph;
    REQUIRE(g->nin == 1 && g->nout == 1 && g->nnode == 2 && g->ninit == 1);
    const nnc_onnx_type *ty = g->in[0].type;
    CHECK_INT(ty->rank, 3);
    CHECK_INT(ty->dim[0].value, 2);
    CHECK_STR(ty->dim[1].param, "n");
    CHECK_INT(ty->dim[2].kind, NNC_ONNX_DIM_unknown);
    CHECK(!g->out[0].type->has_shape);
    CHECK_STR(g->node[0].name, "act");
    CHECK_NEAR(nnc_onnx_node_float(&g->node[0], "alpha", 0.01), 0.5, 0);
    CHECK_INT(g->node[0].since, 6);
    CHECK_STR(nnc_onnx_name(m, g->node[1].in[1]), "w");
    const nnc_onnx_tensor *t = nnc_onnx_graph_init(g, sym(m, "w"));
    REQUIRE(t);
    CHECK_NEAR(nnc_onnx_tensor_f64(t, 2), 3, 0);
    CHECK(nnc_onnx_graph_init(g, sym(m, "x")) == NULL);
    CHECK(nnc_onnx_graph_type(g, sym(m, "x")) == ty);
}

static void getters_have_defaults(void)
{
    nnc_onnx_model *m =
        load(model(13, graph(X, node_with("Concat", "x", "y", a_int("axis", -1), END), Y, END)));
    uint32_t n = 7;
    REQUIRE(m);
    const nnc_onnx_node *c = &m->graph->node[0];
    CHECK_INT(nnc_onnx_node_int(c, "axis", 5), -1);
    CHECK_INT(nnc_onnx_node_int(c, "other", 5), 5);
    CHECK_NEAR(nnc_onnx_node_float(c, "axis", 2.5), 2.5, 0); /* not a float: as if absent */
    CHECK_STR(nnc_onnx_node_str(c, "mode", "linear"), "linear");
    CHECK(nnc_onnx_node_ints(c, "pads", &n) == NULL);
    CHECK_INT(n, 0);
    CHECK_INT(nnc_onnx_node_in(c, 0).id, c->in[0].id);
    CHECK_INT(nnc_onnx_node_in(c, 9).id, 0);
}

static void weights_listed_as_inputs_are_constants(void)
{
    nnc_onnx_model *m = load(model(8, graph(X, value(GRAPH_INPUT, "w", 1, "3"),
                                            tensor(GRAPH_INIT, "w", 1, "3", zeros(12)),
                                            node("Add", "x,w", "y"), Y, END)));
    REQUIRE(m);
    CHECK_INT(m->graph->nin, 1);
    CHECK_STR(nnc_onnx_name(m, m->graph->in[0].name), "x");
    CHECK(nnc_onnx_graph_type(m->graph, sym(m, "w")) != NULL);
}

static void left_out_inputs_have_no_name(void)
{
    nnc_onnx_model *m = load(
        model(13, graph(X, value(GRAPH_INPUT, "hi", 1, ""), node("Clip", "x,,hi", "y"), Y, END)));
    REQUIRE(m);
    CHECK_INT(m->graph->node[0].nin, 3);
    CHECK_INT(m->graph->node[0].in[1].id, 0);
}

static void subgraphs_capture_outer_names(void)
{
    struct wire branch =
        graph(node("Neg", "x", "inner"), value(GRAPH_OUTPUT, "inner", 1, NULL), END);
    nnc_onnx_model *m =
        load(model(13, graph(X, value(GRAPH_INPUT, "c", 9, ""),
                             node_with("If", "c", "y", a_graph("then_branch", branch),
                                       a_graph("else_branch", branch), END),
                             Y, END)));
    REQUIRE(m);
    const nnc_onnx_node *n = &m->graph->node[0];
    const nnc_onnx_graph *g = nnc_onnx_node_graph(n, "then_branch");
    REQUIRE(g);
    CHECK(g->parent == m->graph);
    CHECK(g->owner == n);
    CHECK_STR(nnc_onnx_name(m, g->node[0].in[0]), "x");
}

/* ---- tensors --------------------------------------------------------------------------------- */

#undef Y
#define Y value(GRAPH_OUTPUT, "y", 0, NULL)

static const nnc_onnx_tensor *read_tensor(int elem, const char *dims, struct wire data)
{
    nnc_onnx_model *m =
        load(model(28, graph(tensor(GRAPH_INIT, "w", elem, dims, data),
                             node_with("Cast", "w", "y", a_int("to", 1), END), Y, END)));
    if (!m)
        printf("%s", said);
    return m ? &m->graph->init[0] : NULL;
}

static struct wire packed_varints(uint32_t field, int n, const int64_t *v)
{
    struct wire w = {0};
    for (int i = 0; i < n; i++)
        wire_varint(&w, (uint64_t)v[i]);
    return f_msg(field, w);
}

static void check_numbers(const nnc_onnx_tensor *t, int n, const double *want)
{
    REQUIRE(t);
    CHECK_INT(t->count, n);
    for (int i = 0; i < n && i < (int)t->count; i++)
        CHECK_NEAR(nnc_onnx_tensor_f64(t, (uint64_t)i), want[i], 0);
}

static void reads_typed_arrays(void)
{
    const float f[] = {1.5f, -2};
    const double d[] = {0.1, 1e300}, big[] = {4294967295.0, 7};
    check_numbers(read_tensor(1, "2", f_bytes(4, f, sizeof f)), 2, (double[]){1.5, -2});
    check_numbers(read_tensor(1, "2", parts(f_float(4, 1.5f), f_float(4, -2), END)), 2,
                  (double[]){1.5, -2});
    check_numbers(read_tensor(11, "2", f_bytes(10, d, sizeof d)), 2, d);
    check_numbers(read_tensor(7, "2", packed_varints(7, 2, (int64_t[]){-1, 5})), 2,
                  (double[]){-1, 5});
    check_numbers(read_tensor(7, "2", parts(f_int(7, -1), f_int(7, 5), END)), 2, (double[]){-1, 5});
    check_numbers(read_tensor(6, "2", packed_varints(5, 2, (int64_t[]){-7, 9})), 2,
                  (double[]){-7, 9});
    check_numbers(read_tensor(3, "2", packed_varints(5, 2, (int64_t[]){-128, 127})), 2,
                  (double[]){-128, 127});
    check_numbers(read_tensor(2, "2", packed_varints(5, 2, (int64_t[]){255, 0})), 2,
                  (double[]){255, 0});
    check_numbers(read_tensor(4, "1", packed_varints(5, 1, (int64_t[]){65535})), 1,
                  (double[]){65535});
    check_numbers(read_tensor(5, "1", packed_varints(5, 1, (int64_t[]){-3})), 1, (double[]){-3});
    check_numbers(read_tensor(9, "2", packed_varints(5, 2, (int64_t[]){1, 0})), 2,
                  (double[]){1, 0});
    check_numbers(read_tensor(12, "2", packed_varints(11, 2, (int64_t[]){4294967295, 7})), 2, big);
    check_numbers(read_tensor(13, "1", packed_varints(11, 1, (int64_t[]){7})), 1, (double[]){7});
}

/* Floats of 16 bits and fewer travel as their bits in int32_data. */
static void reads_small_floats(void)
{
    check_numbers(read_tensor(10, "3", packed_varints(5, 3, (int64_t[]){0x3e00, 0xfc00, 0x0001})),
                  3, (double[]){1.5, -INFINITY, 0x1p-24});
    check_numbers(read_tensor(16, "2", packed_varints(5, 2, (int64_t[]){0x3fc0, 0xc000})), 2,
                  (double[]){1.5, -2});
    check_numbers(read_tensor(17, "4", raw("\x38\xfe\x01\x7f", 4)), 4,
                  (double[]){1, -448, 0x1p-9, NAN});
    check_numbers(read_tensor(18, "4", raw("\x40\xff\x01\x80", 4)), 4,
                  (double[]){1, -240, 0x1p-10, NAN});
    check_numbers(read_tensor(19, "4", raw("\x3c\x7b\x7c\x01", 4)), 4,
                  (double[]){1, 57344, INFINITY, 0x1p-16});
    check_numbers(read_tensor(20, "3", raw("\x40\x7f\x80", 3)), 3, (double[]){1, 57344, NAN});
    check_numbers(read_tensor(24, "3", raw("\x7f\x00\xff", 3)), 3, (double[]){1, 0x1p-127, NAN});
}

/* First element in the low bits; an odd one leaves the high bits of the last byte unused. */
static void unpacks_elements_below_a_byte(void)
{
    check_numbers(read_tensor(22, "3", raw("\x8f\x07", 2)), 3, (double[]){-1, -8, 7});
    check_numbers(read_tensor(21, "3", raw("\x8f\x07", 2)), 3, (double[]){15, 8, 7});
    check_numbers(read_tensor(22, "3", packed_varints(5, 2, (int64_t[]){0x8f, 7})), 3,
                  (double[]){-1, -8, 7});
    check_numbers(read_tensor(26, "5", raw("\xe4\x01", 2)), 5, (double[]){0, 1, -2, -1, 1});
    check_numbers(read_tensor(25, "5", packed_varints(5, 2, (int64_t[]){0xe4, 1})), 5,
                  (double[]){0, 1, 2, 3, 1});
    check_numbers(read_tensor(23, "4", raw("\x21\xf8", 2)), 4, (double[]){0.5, 1, 0, -6});
    check_numbers(read_tensor(27, "4", raw("\x08\x82\xfc", 3)), 4, (double[]){1, 1, 1, -7.5});
}

static void reads_strings(void)
{
    const nnc_onnx_tensor *t =
        read_tensor(8, "2", parts(f_str(6, "one"), f_bytes(6, "t\0o", 3), END));
    REQUIRE(t);
    CHECK_STR(t->str[0].s, "one");
    CHECK_INT(t->str[1].len, 3);
}

static void empty_tensors_need_no_data(void)
{
    struct wire none = {0};
    const nnc_onnx_tensor *t = read_tensor(1, "3,0", none);
    REQUIRE(t);
    CHECK_INT(t->count, 0);
    CHECK(t->data == NULL);
}

/* Large data is not copied: the view points into the bytes given. */
static void large_weights_stay_where_they_are(void)
{
    struct wire w = model(
        13, graph(tensor(GRAPH_INIT, "w", 1, "4096", zeros(16384)), node("Neg", "w", "y"), Y, END));
    nnc_onnx_model *m = load(w);
    REQUIRE(m);
    const uint8_t *data = m->graph->init[0].data;
    CHECK(m->graph->init[0].mapped);
    CHECK(data > w.at && data + 16384 <= w.at + w.n);
    CHECK(nnc_arena_used(arena) < 16384 + 65536);
}

static void sparse_initializers_become_dense(void)
{
    const float v[] = {5, 6};
    const int64_t linear[] = {1, 5}, pairs[] = {0, 1, 1, 2};
    for (int form = 0; form < 2; form++) {
        struct wire at = form ? tensor(2, "", 7, "2,2", raw(pairs, sizeof pairs))
                              : tensor(2, "", 7, "2", raw(linear, sizeof linear));
        nnc_onnx_model *m =
            load(model(13, graph(f_msg(GRAPH_SPARSE, parts(tensor(1, "w", 1, "2", raw(v, sizeof v)),
                                                           at, f_int(3, 2), f_int(3, 3), END)),
                                 node("Neg", "w", "y"), Y, END)));
        REQUIRE(m);
        check_numbers(&m->graph->init[0], 6, (double[]){0, 5, 0, 0, 0, 6});
    }
}

static struct wire one_init(int elem, const char *dims, struct wire data)
{
    return model(
        28, graph(tensor(GRAPH_INIT, "w", elem, dims, data), node("Identity", "w", "y"), Y, END));
}

static void refuses_wrong_tensors(void)
{
    struct wire none = {0};
    REFUSED(one_init(1, "2,3", zeros(20)), 1,
            "initializer 'w' of shape [2,3] has 20 bytes of raw_data, expected 24 for 6 elements "
            "of f32");
    REFUSED(one_init(1, "2", none), 1, "has no data, expected 2 elements of f32");
    REFUSED(one_init(1, "-2", zeros(8)), 1, "has shape [-2], expected dimensions of 0 or more");
    REFUSED(one_init(1, "4294967296,4294967296", zeros(8)), 1,
            "whose product in bytes fits 63 bits");
    REFUSED(one_init(10, "1", f_float(4, 1)), 1,
            "has element type f16 but its data in float_data, expected raw_data or int32_data");
    REFUSED(one_init(3, "1", f_int(5, 300)), 1, "value 300 at 0 does not fit its element type i8");
    REFUSED(one_init(7, "3", packed_varints(7, 2, (int64_t[]){1, 2})), 1,
            "has 2 values in int64_data, expected 3");
    REFUSED(one_init(15, "1", zeros(16)), 1, "complex numbers are not supported");
    REFUSED(one_init(99, "1", zeros(4)), 1, "element type 99, which is not one of ONNX's");
    REFUSED(one_init(8, "1", zeros(4)), 1, "strings as raw bytes");
}

/* ---- external data --------------------------------------------------------------------------- */

static char folder[] = "/tmp/nnc-loader-XXXXXX";

static struct wire outside(const char *location, const char *offset, const char *length)
{
    struct wire w =
        parts(f_int(14, 1), f_msg(13, parts(f_str(1, "location"), f_str(2, location), END)), END);
    struct wire o =
        offset ? f_msg(13, parts(f_str(1, "offset"), f_str(2, offset), END)) : (struct wire){0};
    struct wire l =
        length ? f_msg(13, parts(f_str(1, "length"), f_str(2, length), END)) : (struct wire){0};
    return one_init(1, "2", parts(w, o, l, END));
}

static const char *in_folder(const char *name)
{
    static char path[4][256];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static void write_file(const char *path, const void *p, size_t n)
{
    FILE *out = fopen(path, "wb");
    REQUIRE(out);
    fwrite(p, 1, n, out);
    fclose(out);
}

static void reads_external_data(void)
{
    const float w[] = {1, 2, 3, 4};
    REQUIRE(mkdtemp(folder));
    write_file(in_folder("w.bin"), w, sizeof w);
    nnc_onnx_model *m = load_from(in_folder("net.onnx"), outside("w.bin", "8", "8"));
    REQUIRE(m);
    check_numbers(&m->graph->init[0], 2, (double[]){3, 4});
    m = load_from(in_folder("net.onnx"), outside("w.bin", NULL, NULL));
    REQUIRE(m);
    check_numbers(&m->graph->init[0], 2, (double[]){1, 2});
}

#define REFUSED_HERE(w, text)                               \
    do {                                                    \
        CHECK(load_from(in_folder("net.onnx"), w) == NULL); \
        CHECK_INT(nnc_diag_errors(diag), 1);                \
        CHECK_HAS(said, text);                              \
    } while (0)

static void external_data_stays_in_the_folder(void)
{
    REFUSED_HERE(outside("/etc/passwd", NULL, NULL), "outside of the model's folder");
    REFUSED_HERE(outside("../w.bin", NULL, NULL), "outside of the model's folder");
    REFUSED_HERE(outside("a/../../w.bin", NULL, NULL), "outside of the model's folder");
    CHECK_INT(symlink("/etc/passwd", in_folder("link.bin")), 0);
    REFUSED_HERE(outside("link.bin", NULL, NULL), "is a link to '/etc/passwd'");
    REFUSED_HERE(outside("none.bin", NULL, NULL), "cannot be opened: No such file or directory");
    REFUSED_HERE(outside("w.bin", "12", "8"), "has 16 bytes, expected 8 at 12");
    REFUSED_HERE(outside("w.bin", "18446744073709551615", "8"), "has 16 bytes");
    REFUSED_HERE(outside("w.bin", "x", "8"), "offset \"x\", expected a number of bytes");
    REFUSED_HERE(outside("w.bin", "0", "4"), "has 4 bytes of external data 'w.bin', expected 8");
    write_file(in_folder("lfs.bin"),
               "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 999\n", 66);
    REFUSED_HERE(outside("lfs.bin", NULL, NULL), "Git LFS pointer, not the file of 999 bytes");
    unlink(in_folder("link.bin"));
    unlink(in_folder("lfs.bin"));
    unlink(in_folder("w.bin"));
}

/* ---- files that are not models --------------------------------------------------------------- */

static void try_file(const char *bytes, size_t n, const char *text)
{
    nnc_onnx_model *m;
    const char *path = in_folder("what.onnx");
    write_file(path, bytes, n);
    fresh_start();
    CHECK_INT(nnc_onnx_load(arena, diag, path, &m), NNC_ERR);
    CHECK(m == NULL);
    CHECK_INT(nnc_diag_errors(diag), 1);
    CHECK_HAS(said, path);
    CHECK_HAS(said, text);
    unlink(path);
}

#define FILE_SAYS(bytes, text) try_file((bytes), sizeof(bytes) - 1, (text))

static void says_what_the_file_is(void)
{
    FILE_SAYS("", "the file is empty");
    FILE_SAYS("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1234\n",
              "run 'git lfs pull'");
    FILE_SAYS("PK\3\4....archive/data.pkl....", "PyTorch archive");
    FILE_SAYS("\x1c\0\0\0TFL3....", "TensorFlow Lite");
    FILE_SAYS("<!DOCTYPE html><html>", "web page");
    FILE_SAYS("ir_version: 8\ngraph {\n", "text file");
    FILE_SAYS("\x89HDF\r\n\x1a\n....", "HDF5");
    FILE_SAYS("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "not an ONNX model");
    FILE_SAYS("\x08\x08\x12\x02me", "there is no graph in this file");
    nnc_onnx_model *m;
    fresh_start();
    CHECK_INT(nnc_onnx_load(arena, diag, "/nowhere/net.onnx", &m), NNC_ERR);
    CHECK_HAS(said, "/nowhere/net.onnx: error: there is no such file");
    fresh_start();
    CHECK_INT(nnc_onnx_load(arena, diag, folder, &m), NNC_ERR);
    CHECK_HAS(said, "this is a folder");
    rmdir(folder);
}

/* Every shorter version of a model is refused with one message, and none crashes. */
static void truncated_models_are_refused(void)
{
    struct wire w = model(13, graph(X, tensor(GRAPH_INIT, "w", 1, "64", zeros(256)),
                                    node("Add", "x,w", "y"), Y, END));
    for (size_t n = 1; n < w.n; n++) {
        struct wire cut = {malloc(n), n}; /* its own block, so that reading past it is noticed */
        memcpy(cut.at, w.at, n);
        CHECK(load(cut) == NULL);
        CHECK_INT(nnc_diag_errors(diag), 1);
        free(cut.at);
    }
    w.n -= 10;
    REFUSED(w, 1, "the file is truncated: its graph takes");
    CHECK_HAS(said, "10 too early");
}

static void nesting_has_a_limit(void)
{
    struct wire g = graph(X, node("Relu", "x", "y"), Y, END);
    for (int i = 0; i < 200; i++)
        g = graph(value(GRAPH_INPUT, "c", 9, ""),
                  node_with("If", "c", "y", a_graph("then_branch", g), END), Y, END);
    REFUSED(model(13, g), 1, "nested more than");
}

static void damaged_fields_are_named(void)
{
    struct wire bad = f_msg(GRAPH_NODE, parts(f_int(4, 1), END)); /* op_type as a number */
    REFUSED(model(13, graph(X, node("Relu", "x", "h"), bad, Y, END)), 1,
            "in graph.node[1], at byte");
    CHECK_HAS(said, "field 'op_type' is not of its type");
}

/* ---- operators ------------------------------------------------------------------------------- */

#undef Y
#define Y value(GRAPH_OUTPUT, "y", 1, NULL)

static struct wire one_node(int version, struct wire n)
{
    return model(version, graph(X, n, Y, END));
}

static void refuses_wrong_opsets(void)
{
    REFUSED(one_node(29, node("Relu", "x", "y")), 1,
            "opset 29 of ai.onnx is newer than nnc knows (28)");
    REFUSED(
        parts(f_int(1, 8), graph(X, node("Relu", "x", "h"), node("Relu", "h", "y"), Y, END), END),
        1, "does not import an opset of domain 'ai.onnx'");
    REFUSED(one_node(12, node("HardSwish", "x", "y")), 1,
            "exists since opset 14 of ai.onnx, but the model imports opset 12");
    REFUSED(one_node(13, node_with("Frob", "x", "y", f_str(7, "com.acme"), END)), 1,
            "operator 'Frob' is of domain 'com.acme', which is not known");
    REFUSED(one_node(13, node("Rleu", "x", "y")), 1,
            "there is no operator 'Rleu' in domain ai.onnx; did you mean 'Relu'?");
    REFUSED(one_node(13, node("QLinearAdd", "x", "y")), 1,
            "did you mean the one of domain com.microsoft?");
    CHECK(load(parts(f_int(1, 2), graph(X, node("Relu", "x", "y"), Y, END), END)) !=
          NULL); /* before imports existed */
}

static void refuses_wrong_numbers_of_inputs(void)
{
    REFUSED(one_node(13, node_with("MatMul", "x", "y", f_str(3, "mm"), END)), 1,
            "node 'mm' (MatMul): error: MatMul-13 has 1 input, expected 2: A, B");
    REFUSED(one_node(13, node("Relu", "x,x", "y")), 1, "has 2 inputs, expected 1: X");
    REFUSED(one_node(13, node("Conv", "x", "y")), 1, "has 1 input, expected 2 to 3: X, W, [B]");
    REFUSED(one_node(12, node("Unsqueeze", "x,x", "y")), 2,
            "expected 1: data; that is right from opset 13 on, but the model imports opset 12");
    REFUSED(one_node(13, node("Conv", "x,,x", "y")), 1,
            "input 1, 'W', is left out but is not optional");
    REFUSED(one_node(13, node("Relu", "x", "y,z")), 1, "has 2 outputs, expected 1: Y");
}

static void refuses_wrong_attributes(void)
{
    REFUSED(one_node(13, node("Concat", "x", "y")), 1,
            "Concat-13 needs the attribute 'axis' (an int), which is missing");
    REFUSED(one_node(13, node_with("Concat", "x", "y", a_float("axis", 1), END)), 1,
            "attribute 'axis' of Concat-13 is a float, expected an int");
    REFUSED(one_node(13, node_with("Concat", "x", "y", a_int("axis", 1), a_int("axis", 1), END)), 1,
            "attribute 'axis' is given twice");
    struct wire lies = f_msg(5, parts(f_str(1, "axis"), f_int(20, ATTR_INT), f_float(2, 1), END));
    REFUSED(one_node(13, node_with("Concat", "x", "y", lies, END)), 1,
            "says it is an int but carries a float");
    REFUSED(one_node(13, node_with("LeakyRelu", "x", "y", a_float("alpa", 1), END)), 1,
            "LeakyRelu-6 has no attribute 'alpa'; did you mean 'alpha'?");
    REFUSED(one_node(13, node_with("Relu", "x", "y", a_int("colour", 1), END)), 1,
            "Relu-13 has no attribute 'colour', expected none; take it out");
    struct wire axes = f_msg(5, parts(f_str(1, "axes"), f_int(20, ATTR_INTS), f_int(8, 0), END));
    REFUSED(one_node(13, node_with("Unsqueeze", "x,x", "y", axes, END)), 1,
            "it exists until opset 12, but the model imports opset 13");
    REFUSED(one_node(13, node_with("Shape", "x", "y", a_int("start", 1), END)), 1,
            "it exists from opset 15 on");
}

static void one_run_shows_every_mistake(void)
{
    REFUSED(model(13, graph(X, node("Rleu", "x", "a"), node("MatMul", "a", "b"),
                            node("Concat", "b", "c"), node("Add", "c,nope", "y"),
                            tensor(GRAPH_INIT, "w", 1, "2", zeros(4)), Y, END)),
            5, "Rleu");
    CHECK_HAS(said, "MatMul-13 has 1 input");
    CHECK_HAS(said, "needs the attribute 'axis'");
    CHECK_HAS(said, "'nope', is made by nobody");
    CHECK_HAS(said, "initializer 'w'");
}

static void refuses_wrong_bodies(void)
{
    struct wire c = value(GRAPH_INPUT, "c", 9, ""), n = value(GRAPH_INPUT, "n", 7, "");
    struct wire one = graph(node("Neg", "x", "t"), value(GRAPH_OUTPUT, "t", 1, NULL), END);
    struct wire two = graph(node("Neg", "x", "t"), value(GRAPH_OUTPUT, "t", 1, NULL),
                            value(GRAPH_OUTPUT, "t", 1, NULL), END);
    REFUSED(model(13, graph(X, c,
                            node_with("If", "c", "y", a_graph("then_branch", one),
                                      a_graph("else_branch", two), END),
                            Y, END)),
            1, "else_branch of If has 2 outputs, expected 1");
    struct wire body =
        graph(value(GRAPH_INPUT, "i", 7, ""), value(GRAPH_INPUT, "go", 9, ""),
              value(GRAPH_INPUT, "s", 1, NULL), node("Identity", "go", "on"), node("Neg", "s", "r"),
              value(GRAPH_OUTPUT, "on", 9, ""), value(GRAPH_OUTPUT, "r", 1, NULL), END);
    CHECK(load(model(13, graph(X, n, c, node_with("Loop", "n,c,x", "y", a_graph("body", body), END),
                               Y, END))) != NULL);
    REFUSED(
        model(13, graph(X, n, c, node_with("Loop", "n,c,x,x", "y,z", a_graph("body", body), END), Y,
                        END)),
        2, "body of Loop has 3 inputs, expected 4 (iteration, condition and the carried values)");
    REFUSED(model(13, graph(X,
                            node_with("Scan", "x", "y", a_int("num_scan_inputs", 2),
                                      a_graph("body", one), END),
                            Y, END)),
            1, "num_scan_inputs is 2, expected 1..1");
}

/* The importer goes on with the nodes that are whole. */
static void broken_nodes_are_marked(void)
{
    struct wire cut = f_msg(
        5, parts(f_str(1, "value"), f_int(20, ATTR_TENSOR), tensor(5, "", 1, "4", zeros(3)), END));
    REFUSED(
        model(13, graph(X, node("Rleu", "x", "a"), node("Relu", "a", "b"),
                        node_with("Constant", "", "c", cut, END), node("Add", "b,c", "y"), Y, END)),
        2, "attribute 'value' of shape [4] has 3 bytes");
    REQUIRE(whole);
    CHECK(whole->graph->node[0].broken);
    CHECK(!whole->graph->node[1].broken);
    CHECK(whole->graph->node[2].broken);
    CHECK(!whole->graph->node[3].broken);
    REFUSED(one_init(1, "2", zeros(3)), 1, "initializer");
    CHECK(whole == NULL);
}

/* ---- names and order ------------------------------------------------------------------------- */

static void refuses_wrong_names(void)
{
    REFUSED(
        model(13, graph(value(GRAPH_INPUT, "image", 1, "2"), node("Relu", "imgae", "y"), Y, END)),
        1, "input 0, 'imgae', is made by nobody; did you mean 'image'?");
    REFUSED(one_node(13, node("Relu", "x", "z")), 1, "graph output 0, 'y', is made by nobody");
    REFUSED(model(13, graph(X, node("Relu", "x", "y"), node("Neg", "x", "y"), Y, END)), 1,
            "output 'y' is made already by node #0 (Relu, makes 'y')");
    REFUSED(one_node(13, node("Relu", "x", "x")), 2, "output 'x' is made already by a graph input");
    REFUSED(model(13, graph(X, X, node("Relu", "x", "y"), Y, END)), 1,
            "graph input 'x' has the name of an earlier one");
    REFUSED(model(13, graph(X, node("Relu", "x", "y"), Y, Y, END)), 1,
            "graph output 'y' is listed twice");
}

static void refuses_nodes_out_of_order(void)
{
    REFUSED(model(13, graph(X, node_with("Neg", "h", "y", f_str(3, "late"), END),
                            node_with("Relu", "x", "h", f_str(3, "early"), END), Y, END)),
            1,
            "node 'late' (Neg): error: the nodes are out of order: this one reads 'h', which node "
            "'early' (Relu) makes further down");
}

static void refuses_cycles(void)
{
    REFUSED(model(13, graph(X, node_with("Add", "x,b", "a", f_str(3, "first"), END),
                            node_with("Neg", "a", "b", f_str(3, "second"), END),
                            node("Relu", "a", "y"), Y, END)),
            1,
            "the graph has a cycle: node 'first' (Add) needs node 'second' (Neg) needs node "
            "'first' (Add)");
    REFUSED(model(13, graph(X, node("Add", "x,a", "a"), node("Relu", "a", "y"), Y, END)), 1,
            "the graph has a cycle");
    /* a cycle, and beside it a node that is only out of order */
    REFUSED(model(13, graph(X, node("Add", "x,b", "a"), node("Neg", "a", "b"),
                            node("Relu", "h", "y"), node("Abs", "x", "h"), Y, END)),
            2, "out of order");
}

static void subgraphs_see_only_what_came_before(void)
{
    struct wire branch =
        graph(node("Neg", "later", "inner"), value(GRAPH_OUTPUT, "inner", 1, NULL), END);
    struct wire c = value(GRAPH_INPUT, "c", 9, "");
    struct wire both = node_with("If", "c", "y", a_graph("then_branch", branch),
                                 a_graph("else_branch", branch), END);
    REFUSED(model(13, graph(X, c, both, node("Relu", "x", "later"), Y, END)), 2,
            "in then_branch of node #0 (If, makes 'y')");
    CHECK_HAS(said, "out of order");
    struct wire inner =
        graph(node("Neg", "x", "hidden"), value(GRAPH_OUTPUT, "hidden", 1, NULL), END);
    both = node_with("If", "c", "h", a_graph("then_branch", inner), a_graph("else_branch", inner),
                     END);
    REFUSED(model(13, graph(X, c, both, node("Relu", "hidden", "y"), Y, END)), 1,
            "'hidden', is made by nobody");
}

/* ---- declared types -------------------------------------------------------------------------- */

static void refuses_wrong_declarations(void)
{
    REFUSED(model(13, graph(X, node("Relu", "x", "y"), END)), 1, "the graph has no outputs");
    REFUSED(model(13, graph(value(GRAPH_INPUT, "x", 1, "2,-4"), node("Relu", "x", "y"), Y, END)), 1,
            "graph input 'x': dimension 1 is -4, expected 0 or more");
    REFUSED(model(13, graph(value(GRAPH_INPUT, "x", 1, "4611686018427387904,4"),
                            node("Relu", "x", "y"), Y, END)),
            1, "graph input 'x': the product of its dimensions overflows");
    REFUSED(model(13, graph(f_msg(GRAPH_INPUT, f_str(1, "x")), node("Relu", "x", "y"), Y, END)), 1,
            "graph input 'x' has no type");
    REFUSED(model(8, graph(X, value(GRAPH_INPUT, "w", 1, "4"),
                           tensor(GRAPH_INIT, "w", 1, "3", zeros(12)), node("Add", "x,w", "y"), Y,
                           END)),
            1, "initializer 'w' has shape [3] but is declared as [4]");
    REFUSED(model(13, graph(value(GRAPH_INPUT, "x", 77, "2"), node("Relu", "x", "y"), Y, END)), 1,
            "has element type 77");
    CHECK(load(model(13, graph(value(GRAPH_INPUT, "x", 1, "-1,2"), node("Relu", "x", "y"), Y,
                               END))) != NULL);
    CHECK_HAS(said, "warning: graph input 'x': dimension 0 is -1, read as unknown");
}

/* ---- element types --------------------------------------------------------------------------- */

static void refuses_wrong_element_types(void)
{
    struct wire i = value(GRAPH_INPUT, "i", 7, "2,3");
    REFUSED(model(13, graph(X, i, node("Add", "x,i", "y"), Y, END)), 1,
            "input 1, 'i', is i64, but input 0, 'x', is f32; Add-13 wants equal types");
    REFUSED(model(13, graph(i, node("Softmax", "i", "y"), Y, END)), 1,
            "input 0, 'i', is i64, but 'input' of Softmax-13 takes");
    REFUSED(model(13, graph(i, node("Relu", "i", "y"), value(GRAPH_OUTPUT, "y", 7, NULL), END)), 1,
            "opset 14 allows it");
    REFUSED(model(13, graph(X, node("Relu", "x", "y"), value(GRAPH_OUTPUT, "y", 7, NULL), END)), 1,
            "output 0, 'y', is declared as i64, but Relu-13 makes f32 here");
    REFUSED(model(13, graph(i, node_with("Cast", "i", "h", a_int("to", 10), END),
                            node("Add", "h,h", "y"), Y, END)),
            1, "makes f16 here");
}

/* ---- functions ------------------------------------------------------------------------------- */

static struct wire function(const char *name, const char *in, const char *out, const char *attrs,
                            struct wire body)
{
    return f_msg(25, parts(f_str(1, name), f_str(10, "local"), f_strs(4, in), f_strs(5, out),
                           f_strs(6, attrs), body, opset(9, "", 13), opset(9, "local", 1), END));
}

static struct wire body_node(struct wire n)
{
    n.at[0] = 7 << 3 | 2; /* from GraphProto.node to FunctionProto.node */
    return n;
}

static struct wire call(const char *name, const char *in, const char *out, struct wire attr)
{
    return node_with(name, in, out, f_str(7, "local"), attr, END);
}

static void functions_are_inlined(void)
{
    struct wire none = {0};
    struct wire leaky = function(
        "Leaky", "a", "b", "slope",
        body_node(node_with("LeakyRelu", "a", "b", a_ref("alpha", ATTR_FLOAT, "slope"), END)));
    struct wire twice = function("Twice", "a,unused", "b", "",
                                 parts(body_node(call("Leaky", "a", "h", a_float("slope", 0.25f))),
                                       body_node(call("Leaky", "h", "b", none)), END));
    struct wire g =
        graph(X, node_with("Twice", "x", "h", f_str(7, "local"), f_str(3, "one"), END),
              node_with("Twice", "h", "y", f_str(7, "local"), f_str(3, "two"), END), Y, END);
    nnc_onnx_model *m =
        load(parts(f_int(1, 8), opset(8, "", 13), opset(8, "local", 1), g, leaky, twice, END));
    REQUIRE(m);
    REQUIRE(m->graph->nnode == 4);
    const nnc_onnx_node *n = m->graph->node;
    CHECK_STR(n[0].op, "LeakyRelu");
    CHECK_STR(n[0].name, "one/Leaky_0/LeakyRelu_0");
    CHECK_NEAR(nnc_onnx_node_float(&n[0], "alpha", 9), 0.25, 0);
    CHECK_NEAR(nnc_onnx_node_float(&n[1], "alpha", 9), 9, 0); /* not given: absent */
    CHECK_STR(nnc_onnx_name(m, n[0].in[0]), "x");
    CHECK_STR(nnc_onnx_name(m, n[0].out[0]), "one/h");
    CHECK_INT(n[1].in[0].id, n[0].out[0].id);
    CHECK_STR(nnc_onnx_name(m, n[1].out[0]), "h");
    CHECK_STR(nnc_onnx_name(m, n[2].out[0]), "two/h");
    CHECK_STR(nnc_onnx_name(m, n[3].out[0]), "y");
    CHECK_INT(n[3].index, 3);
}

/* An output that is an input has no node to carry its new name. */
static void a_function_may_hand_its_input_through(void)
{
    struct wire none = {0}, pass = function("Pass", "a", "a", "", none);
    nnc_onnx_model *m = load(parts(f_int(1, 8), opset(8, "", 13), opset(8, "local", 1),
                                   graph(X, call("Pass", "x", "y", none), Y, END), pass, END));
    REQUIRE(m);
    REQUIRE(m->graph->nnode == 1);
    CHECK_STR(m->graph->node[0].op, "Identity");
    CHECK_STR(nnc_onnx_name(m, m->graph->node[0].out[0]), "y");
}

static void subgraphs_of_functions_are_renamed(void)
{
    struct wire branch =
        graph(node("Neg", "a", "inner"), value(GRAPH_OUTPUT, "inner", 1, NULL), END);
    struct wire f = function("F", "a,c", "b", "",
                             body_node(node_with("If", "c", "b", a_graph("then_branch", branch),
                                                 a_graph("else_branch", branch), END)));
    struct wire none = {0};
    nnc_onnx_model *m =
        load(parts(f_int(1, 8), opset(8, "", 13), opset(8, "local", 1),
                   graph(X, value(GRAPH_INPUT, "flag", 9, ""), call("F", "x,flag", "h", none),
                         call("F", "h,flag", "y", none), Y, END),
                   f, END));
    REQUIRE(m);
    const nnc_onnx_node *n = &m->graph->node[1];
    const nnc_onnx_graph *g = nnc_onnx_node_graph(n, "then_branch");
    REQUIRE(g);
    CHECK(g->owner == n);
    CHECK(g->parent == m->graph);
    CHECK_STR(nnc_onnx_name(m, g->node[0].in[0]), "h");
    CHECK_STR(nnc_onnx_name(m, g->node[0].out[0]), "F_1/inner");
    CHECK_INT(g->out[0].name.id, g->node[0].out[0].id);
    CHECK(g->node[0].graph == g);
}

static void refuses_wrong_functions(void)
{
    struct wire none = {0};
    struct wire loop = function("Loop1", "a", "b", "", body_node(call("Loop1", "a", "b", none)));
    struct wire bad = function("Bad", "a", "b", "", body_node(node("Relu", "nothing", "b")));
    struct wire head = parts(f_int(1, 8), opset(8, "", 13), opset(8, "local", 1), END);
    REFUSED(parts(head, graph(X, call("Loop1", "x", "y", none), Y, END), loop, END), 1,
            "function 'Loop1' is recursive");
    REFUSED(parts(head, graph(X, call("Bad", "x", "y", none), Y, END), bad, END), 1,
            "net.onnx: in function 'Bad': node #0");
    REFUSED(parts(head, graph(X, call("Bad", "x,x", "y", none), Y, END), bad, END), 2,
            "the call has 2 inputs, but function 'Bad' takes 1");
    REFUSED(parts(head, graph(X, call("Bad", "x", "y", none), Y, END), bad, bad, END), 3,
            "the function is defined twice");
}

/* Functions that call each other twice grow by two each level; the loader stops before memory
 * does. */
static void exploding_functions_are_stopped(void)
{
    struct wire none = {0}, w = parts(f_int(1, 8), opset(8, "", 13), opset(8, "local", 1),
                                      graph(X, call("F39", "x", "y", none), Y, END), END);
    for (int i = 0; i < 40; i++) {
        char name[16], next[16];
        snprintf(name, sizeof name, "F%d", i);
        snprintf(next, sizeof next, "F%d", i - 1);
        struct wire f = i ? function(name, "a", "b", "",
                                     parts(body_node(call(next, "a", "h", none)),
                                           body_node(call(next, "h", "b", none)), END))
                          : function(name, "a", "b", "", body_node(node("Relu", "a", "b")));
        wire_add(&w, f.at, f.n);
    }
    REFUSED(w, 1, "nodes after its functions are inlined");
}

int main(void)
{
    wire_memory = nnc_arena_new();
    RUN(reads_a_small_model);
    RUN(getters_have_defaults);
    RUN(weights_listed_as_inputs_are_constants);
    RUN(left_out_inputs_have_no_name);
    RUN(subgraphs_capture_outer_names);
    RUN(reads_typed_arrays);
    RUN(reads_small_floats);
    RUN(unpacks_elements_below_a_byte);
    RUN(reads_strings);
    RUN(empty_tensors_need_no_data);
    RUN(large_weights_stay_where_they_are);
    RUN(sparse_initializers_become_dense);
    RUN(refuses_wrong_tensors);
    RUN(reads_external_data);
    RUN(external_data_stays_in_the_folder);
    RUN(says_what_the_file_is);
    RUN(truncated_models_are_refused);
    RUN(nesting_has_a_limit);
    RUN(damaged_fields_are_named);
    RUN(refuses_wrong_opsets);
    RUN(refuses_wrong_numbers_of_inputs);
    RUN(refuses_wrong_attributes);
    RUN(one_run_shows_every_mistake);
    RUN(refuses_wrong_bodies);
    RUN(broken_nodes_are_marked);
    RUN(refuses_wrong_names);
    RUN(refuses_nodes_out_of_order);
    RUN(refuses_cycles);
    RUN(subgraphs_see_only_what_came_before);
    RUN(refuses_wrong_declarations);
    RUN(refuses_wrong_element_types);
    RUN(functions_are_inlined);
    RUN(a_function_may_hand_its_input_through);
    RUN(subgraphs_of_functions_are_renamed);
    RUN(refuses_wrong_functions);
    RUN(exploding_functions_are_stopped);
    nnc_arena_free(arena);
    nnc_arena_free(wire_memory);
    return test_end();
}
