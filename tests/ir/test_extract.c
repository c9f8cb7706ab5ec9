/* Graphs that are closed over what they use, and modules made of one graph. */
#include "ir/extract.h"
#include "ir/build.h"
#include "ir/interp.h"
#include "tests/ir/ir_test.h"

static const char program[] =
    "dim n = 2..9\n"
    "graph @twice (%a: f32[n,m]) {\n  %b = add %a, %a : f32[n,m]\n  yield %b\n}\n"
    "graph @other (%z: i64[]) {\n  yield %z\n}\n"
    "graph @main [entry=1, note=\"kept\"] (%x: f32[n,m]) {\n"
    "  %w = const [values=[1, 2, 3]] : f32[3]\n"
    "  %y = call %x [callee=\"twice\"] : f32[n,m]\n"
    "  %s, %rows = scan %w, %y [carried=1, trips=n] : f32[3], f32[n,2*m+1] (%i: i64[], %c: f32[3], "
    "%r: f32[m]) {\n"
    "    %p = pad %r, 0.5:f32 [lo=[1], hi=[m], mode=constant] : f32[2*m+1]\n"
    "    yield %c, %p\n"
    "  }\n"
    "  yield %s, %rows\n"
    "}\n";

static void a_module_of_one_graph(void)
{
    nnc_status status;
    char text[2048];
    (void)snprintf(text, sizeof text, "dim m = 1..7\n%s", program);
    ir_test *t = ir_read(text, &status);
    CHECK_INT(status, NNC_OK);
    CHECK_STR(t->said, "");
    nnc_module *one = nnc_module_extract(t->m, nnc_func_find(t->m, "main"));
    REQUIRE(one != NULL);
    CHECK_INT(nnc_verify(one), NNC_OK);
    CHECK(!nnc_func_find(one, "other").id);
    CHECK_STR(nnc_func_name(one, nnc_func_entry(one, NNC_OP_graph)), "main");
    char *p = ir_print(one, NULL);
    CHECK(strstr(p, "dim n = 2..9") != NULL);
    CHECK(strstr(p, "dim m = 1..7") != NULL);
    CHECK(strstr(p, "note=\"kept\"") != NULL);
    CHECK(strstr(p, "trips=n") != NULL);
    CHECK(strstr(p, "hi=[m]") != NULL);
    CHECK(strstr(p, "values=[1.0, 2.0, 3.0]") != NULL);
    CHECK(strstr(p, "graph @twice (%a: f32[n,m])") != NULL);
    free(p);
    ir_free(t);
}

static void what_is_not_an_entry(void)
{
    nnc_status status;
    char text[2048];
    (void)snprintf(text, sizeof text, "dim m = 1..7\n%s", program);
    ir_test *t = ir_read(text, &status);
    nnc_module *one = nnc_module_extract(t->m, nnc_func_find(t->m, "twice"));
    REQUIRE(one != NULL);
    CHECK_STR(nnc_func_name(one, nnc_func_entry(one, NNC_OP_graph)), "twice");
    CHECK(!nnc_func_find(one, "main").id);
    ir_free(t);
}

/* A graph g(x) = body that reads values of @outer: u twice (once in a region), a weight and a number. */
static nnc_op nested(ir_test *t, nnc_value *u)
{
    nnc_module *m = t->m;
    nnc_type f = nnc_type_tensor(m, NNC_DT_f32, 1, (nnc_dim[]){3});
    nnc_op outer = nnc_build_func(m, NNC_OP_graph, "outer", true, (nnc_loc){0}),
           g = nnc_build_func(m, NNC_OP_graph, "g", false, (nnc_loc){0});
    nnc_builder b = nnc_builder_at_end(m, nnc_op_region(m, outer, 0)),
                in = nnc_builder_at_end(m, nnc_op_region(m, g, 0));
    float w[3] = {1, 2, 3};
    nnc_value x = nnc_block_add_arg(m, nnc_op_region(m, outer, 0), f, "x");
    nnc_value weight = nnc_g_const_data(&b, NNC_DT_f32, 1, (nnc_dim[]){3}, w);
    *u = nnc_g_binary(&b, NNC_OP_mul, x, weight);
    nnc_value_set_name(m, *u, "u");
    nnc_build_yield(&b, 1, u);
    nnc_value a = nnc_block_add_arg(m, nnc_op_region(m, g, 0), f, "a");
    nnc_value s = nnc_g_binary(&in, NNC_OP_add, a, *u);
    nnc_op scan = nnc_g_scan(&in, 4, 1, 1, &s, 0, NULL);
    nnc_builder body = nnc_builder_at_end(m, nnc_op_region(m, scan, 0));
    nnc_value c = nnc_block_arg(m, nnc_op_region(m, scan, 0), 1);
    c = nnc_g_binary(&body, NNC_OP_mul, c, *u);
    c = nnc_g_binary(&body, NNC_OP_add, c, weight);
    c = nnc_g_binary(&body, NNC_OP_add, c, nnc_g_float(&body, NNC_DT_f32, 0.5));
    nnc_build_yield(&body, 1, &c);
    nnc_g_finish(&in, scan);
    nnc_value y = nnc_g_binary(&in, NNC_OP_max, nnc_op_out(m, scan, 0), weight);
    nnc_build_yield(&in, 1, &y);
    return g;
}

static void values_from_outside(void)
{
    ir_test *t = ir_new();
    nnc_value u;
    nnc_op g = nested(t, &u);
    nnc_captures c;
    CHECK_INT(nnc_graph_capture(t->m, g, &c), NNC_OK);
    CHECK_INT(c.n, 1);
    REQUIRE(c.n == 1);
    CHECK_INT(c.value[0].id, u.id);
    CHECK_INT(nnc_block_narg(t->m, nnc_op_region(t->m, g, 0)), 2);
    CHECK_STR(nnc_value_name(t->m, nnc_block_arg(t->m, nnc_op_region(t->m, g, 0), 1)), "u");
    CHECK_INT(nnc_verify(t->m), NNC_OK);
    CHECK_STR(t->said, "");
    nnc_module *one = nnc_module_extract(t->m, g);
    REQUIRE(one != NULL);
    CHECK_INT(nnc_verify(one), NNC_OK);
    float a[3] = {1, 1, 1}, v[3] = {2, 3, -1};
    nnc_tensor in[2] = {{.dtype = NNC_DT_f32, .rank = 1, .dim = {3}, .data = a},
                        {.dtype = NNC_DT_f32, .rank = 1, .dim = {3}, .data = v}},
               out;
    REQUIRE(nnc_interp_graph(one, nnc_func_entry(one, NNC_OP_graph), t->a, 2, in, 1, &out) ==
            NNC_OK);
    for (int i = 0; i < 3; i++) {
        float w = (float)(i + 1), s = a[i] + v[i];
        for (int k = 0; k < 4; k++)
            s = s * v[i] + w + 0.5f;
        CHECK(((float *)out.data)[i] == (s > w ? s : w));
    }
    ir_free(t);
}

static void an_open_graph_is_refused(void)
{
    ir_test *t = ir_new();
    nnc_value u;
    nnc_op g = nested(t, &u);
    CHECK(nnc_module_extract(t->m, g) == NULL);
    CHECK(strstr(t->said, "has to be captured first") != NULL);
    ir_free(t);
}

int main(void)
{
    RUN(a_module_of_one_graph);
    RUN(what_is_not_an_entry);
    RUN(values_from_outside);
    RUN(an_open_graph_is_refused);
    return test_end();
}
