/* G constructors: what they simplify, what they share, and the shapes of matmul; each "simplifies" has a twin. */
#include "ir/build.h"
#include "ir/hashset.h"
#include "tests/ir/ir_test.h"

static nnc_builder b;

static ir_test *begin(void)
{
    ir_test *t = ir_new();
    nnc_op f = nnc_build_func(t->m, NNC_OP_graph, "f", true, (nnc_loc){0});
    b = nnc_builder_at_end(t->m, nnc_op_region(t->m, f, 0));
    return t;
}

/* A parameter of f32 with up to four dims, -1 ends the list. */
static nnc_value par(nnc_dtype dt, int64_t d0, int64_t d1, int64_t d2, int64_t d3)
{
    nnc_dim dim[4] = {d0, d1, d2, d3};
    int rank = 0;
    while (rank < 4 && dim[rank] != -1)
        rank++;
    return nnc_block_add_arg(b.m, b.pos.block, nnc_type_tensor(b.m, dt, rank, dim), "p");
}

static const char *type_of(nnc_value v)
{
    return nnc_print_type(b.m, nnc_value_type(b.m, v));
}

static unsigned nops(void)
{
    unsigned n = 0;
    for (nnc_op op = nnc_block_first(b.m, b.pos.block); op.id; op = nnc_op_next(b.m, op))
        n++;
    return n;
}

static void end(ir_test *t)
{
    nnc_build_yield(&b, 0, NULL);
    CHECK_INT(nnc_verify(t->m), NNC_OK);
    CHECK_STR(t->said, "");
    ir_free(t);
}

static void identities_vanish(void)
{
    ir_test *t = begin();
    nnc_value x = par(NNC_DT_f32, 2, 3, -1, -1), s = par(NNC_DT_f32, -1, -1, -1, -1);
    nnc_dim d[2] = {2, 3}, zero[2] = {0, 0};
    int64_t one[2] = {1, 1}, id[2] = {0, 1};
    CHECK_INT(nnc_g_reshape(&b, x, 2, d).id, x.id);
    CHECK_INT(nnc_g_reshape(&b, s, 0, NULL).id, s.id);
    CHECK_INT(nnc_g_broadcast(&b, x, 2, d).id, x.id);
    CHECK_INT(nnc_g_transpose(&b, x, id).id, x.id);
    CHECK_INT(nnc_g_slice(&b, x, zero, one, d).id, x.id);
    CHECK_INT(nnc_g_pad(&b, x, s, zero, zero, NNC_W_constant).id, x.id);
    CHECK_INT(nnc_g_concat(&b, 1, &x, 0).id, x.id);
    CHECK_INT(nnc_g_cast(&b, x, NNC_DT_f32).id, x.id);
    CHECK_INT(nnc_g_bitcast(&b, x, NNC_DT_f32).id, x.id);
    CHECK_INT(nnc_g_reduce(&b, NNC_W_sum, x, 0, NULL, true).id, x.id);
    nnc_value one_long = par(NNC_DT_f32, 1, -1, -1, -1);
    CHECK_INT(nnc_g_flip(&b, one_long, 0).id, one_long.id);
    CHECK_INT(nops(), 0);
    end(t);
}

static void other_views_stay(void)
{
    ir_test *t = begin();
    nnc_value x = par(NNC_DT_f32, 2, 3, -1, -1), s = par(NNC_DT_f32, -1, -1, -1, -1);
    nnc_dim flat[1] = {6}, wide[3] = {4, 2, 3}, col[2] = {3, 2},
            lo[2] = {nnc_dim_const(b.m->dims, -1), 2}, hi[2] = {0, 0};
    int64_t swap[2] = {1, 0};
    nnc_value y = nnc_g_reshape(&b, x, 1, flat);
    CHECK_STR(type_of(y), "f32[6]");
    nnc_value z = nnc_g_reshape(&b, y, 2, col);
    CHECK_INT(nnc_op_in(b.m, nnc_value_op(b.m, z), 0).id, x.id); /* reshape of reshape */
    CHECK_STR(type_of(nnc_g_broadcast(&b, x, 3, wide)), "f32[4,2,3]");
    CHECK_STR(type_of(nnc_g_transpose(&b, x, swap)), "f32[3,2]");
    CHECK_STR(type_of(nnc_g_slice_axis(&b, x, 1, 2, -2, 2)), "f32[2,2]");
    CHECK_STR(type_of(nnc_g_flip(&b, x, 1)), "f32[2,3]");
    nnc_value p = nnc_g_pad(&b, x, s, lo, hi, NNC_W_constant); /* a row cut, two columns added */
    CHECK_STR(type_of(p), "f32[1,5]");
    CHECK_INT(nnc_op_code(b.m, nnc_value_op(b.m, nnc_op_in(b.m, nnc_value_op(b.m, p), 0))),
              NNC_OP_slice);
    end(t);
}

static void constants_fold(void)
{
    ir_test *t = begin();
    nnc_value two = nnc_g_float(&b, NNC_DT_f32, 2), three = nnc_g_float(&b, NNC_DT_f32, 3),
              x = par(NNC_DT_f32, -1, -1, -1, -1);
    double d;
    int64_t i;
    CHECK(nnc_value_number(b.m, nnc_g_binary(&b, NNC_OP_mul, two, three), &d) && d == 6);
    CHECK(nnc_value_number(b.m, nnc_g_unary(&b, NNC_OP_sqrt, nnc_g_float(&b, NNC_DT_f32, 9)), &d) &&
          d == 3);
    CHECK(nnc_value_idx(b.m, nnc_g_binary(&b, NNC_OP_lt, two, three), &i) && i == 1);
    CHECK(nnc_value_idx(b.m, nnc_g_cast(&b, nnc_g_float(&b, NNC_DT_f32, -2.7), NNC_DT_i8), &i) &&
          i == -2);
    CHECK(nnc_value_idx(b.m, nnc_g_extent(&b, 12), &i) && i == 12);
    CHECK_INT(nops(), 0);
    /* not folded: attributes still to come, or an operand that is no constant */
    CHECK(!nnc_value_is_const(b.m, nnc_g_binary(&b, NNC_OP_rem, two, three)));
    CHECK(!nnc_value_is_const(b.m, nnc_g_cast(&b, two, NNC_DT_f8e4m3fn)));
    CHECK(!nnc_value_is_const(b.m, nnc_g_binary(&b, NNC_OP_mul, two, x)));
    CHECK_INT(nops(), 3);
    nnc_op mul = nnc_block_last(b.m, b.pos.block); /* and the constant went to the right */
    CHECK_INT(nnc_op_in(b.m, mul, 0).id, x.id);
    nnc_g_check(&b, nnc_g_int(&b, NNC_DT_bool, 1), "true");
    CHECK_INT(nops(), 3);
    end(t);
}

static void equal_ops_are_shared(void)
{
    ir_test *t = begin();
    nnc_value x = par(NNC_DT_f32, 2, 3, -1, -1);
    int64_t axes[2] = {1, 0}, sorted[2] = {0, 1}, one = 1;
    CHECK(nnc_g_unary(&b, NNC_OP_exp, x).id !=
          nnc_g_unary(&b, NNC_OP_exp, x).id); /* off unless asked for */
    b.numbering = nnc_hashset_new(t->a);
    nnc_value e = nnc_g_unary(&b, NNC_OP_exp, x);
    CHECK_INT(nnc_g_unary(&b, NNC_OP_exp, x).id, e.id);
    nnc_value r = nnc_g_reduce(&b, NNC_W_sum, x, 2, axes, false);
    CHECK_INT(nnc_g_reduce(&b, NNC_W_sum, x, 2, sorted, false).id, r.id);
    CHECK(nnc_g_reduce(&b, NNC_W_max, x, 2, axes, false).id != r.id); /* another attribute */
    CHECK(nnc_g_reduce(&b, NNC_W_sum, x, 1, &one, false).id != r.id);
    CHECK(nnc_g_cast(&b, x, NNC_DT_i8).id != nnc_g_cast(&b, x, NNC_DT_u8).id); /* another type */
    nnc_value top[2], again[2];
    nnc_g_topk(&b, x, 2, 1, true, top);
    nnc_g_topk(&b, x, 2, 1, true, again);
    CHECK_INT(again[1].id, top[1].id);
    /* only what stands before the insertion point counts */
    nnc_builder early = nnc_builder_before(t->m, nnc_block_first(t->m, b.pos.block));
    early.numbering = b.numbering;
    early.numbered = b.numbered;
    CHECK(nnc_g_unary(&early, NNC_OP_exp, x).id != e.id);
    /* an erased op is not found again */
    nnc_value n = nnc_g_unary(&b, NNC_OP_neg, x);
    nnc_op_erase(t->m, nnc_value_op(t->m, n));
    nnc_value n2 = nnc_g_unary(&b, NNC_OP_neg, x);
    CHECK(n2.id != n.id);
    CHECK_INT(nnc_op_code(t->m, nnc_value_op(t->m, n2)), NNC_OP_neg);
    end(t);
}

static void matmul_follows_numpy(void)
{
    ir_test *t = begin();
    nnc_value v3 = par(NNC_DT_f32, 3, -1, -1, -1), v4 = par(NNC_DT_f32, 4, -1, -1, -1),
              m34 = par(NNC_DT_f32, 3, 4, -1, -1);
    nnc_value m23 = par(NNC_DT_f32, 2, 3, -1, -1), b523 = par(NNC_DT_f32, 5, 2, 3, -1),
              b534 = par(NNC_DT_f32, 5, 3, 4, -1);
    nnc_value b134 = par(NNC_DT_f32, 1, 3, 4, -1), b7123 = par(NNC_DT_f32, 7, 1, 2, 3),
              i8 = par(NNC_DT_i8, 3, 4, -1, -1);
    nnc_value u8 = par(NNC_DT_u8, 2, 3, -1, -1);
    CHECK_STR(type_of(nnc_g_matmul(&b, v3, v3, NNC_DT_none)), "f32[]");
    CHECK_STR(type_of(nnc_g_matmul(&b, v3, m34, NNC_DT_none)), "f32[4]");
    CHECK_STR(type_of(nnc_g_matmul(&b, m34, v4, NNC_DT_none)), "f32[3]");
    CHECK_STR(type_of(nnc_g_matmul(&b, m23, m34, NNC_DT_none)), "f32[2,4]");
    CHECK_STR(type_of(nnc_g_matmul(&b, v3, b534, NNC_DT_none)), "f32[5,4]");
    CHECK_STR(type_of(nnc_g_matmul(&b, b523, v3, NNC_DT_none)), "f32[5,2]");
    CHECK_STR(type_of(nnc_g_matmul(&b, b523, m34, NNC_DT_none)), "f32[5,2,4]");
    CHECK_STR(type_of(nnc_g_matmul(&b, m23, b534, NNC_DT_none)), "f32[5,2,4]");
    CHECK_STR(type_of(nnc_g_matmul(&b, b523, b534, NNC_DT_none)), "f32[5,2,4]");
    CHECK_STR(type_of(nnc_g_matmul(&b, b523, b134, NNC_DT_none)), "f32[5,2,4]");
    CHECK_STR(type_of(nnc_g_matmul(&b, m23, b134, NNC_DT_none)), "f32[1,2,4]");
    CHECK_STR(type_of(nnc_g_matmul(&b, b7123, b534, NNC_DT_none)), "f32[7,5,2,4]");
    CHECK_STR(type_of(nnc_g_matmul(&b, u8, i8, NNC_DT_i32)), "i32[2,4]");
    end(t);
}

static void wrong_operands_are_reported_not_fatal(void)
{
    ir_test *t = begin();
    nnc_value x = par(NNC_DT_f32, 2, 3, -1, -1), y = par(NNC_DT_f32, 4, 5, -1, -1),
              s = par(NNC_DT_f32, -1, -1, -1, -1);
    nnc_window w = {{0}, {0}, {0}, {0}, {0}, {0}};
    nnc_g_binary(&b, NNC_OP_add, x, y);
    nnc_g_matmul(&b, x, y, NNC_DT_none);
    nnc_g_matmul(&b, s, y, NNC_DT_none);
    nnc_g_conv(&b, s, y, &w, 1, NNC_W_nchw, NNC_DT_none);
    nnc_g_softmax(&b, x, 7, false);
    CHECK_INT(nnc_diag_errors(t->diag), 5);
    ir_free(t);
}

static void regions_type_their_results(void)
{
    ir_test *t = begin();
    nnc_value c = par(NNC_DT_bool, -1, -1, -1, -1), x = par(NNC_DT_f32, 2, 3, -1, -1),
              h = par(NNC_DT_f32, 3, -1, -1, -1);
    nnc_type none = {0};
    nnc_op op = nnc_g_if(&b, c, 1, &none);
    for (unsigned r = 0; r < 2; r++) {
        nnc_builder in = nnc_builder_at_end(b.m, nnc_op_region(b.m, op, r));
        nnc_value y = nnc_g_unary(&in, r ? NNC_OP_neg : NNC_OP_exp, x);
        nnc_build_yield(&in, 1, &y);
    }
    nnc_g_finish(&b, op);
    CHECK_STR(type_of(nnc_op_out(b.m, op, 0)), "f32[2,3]");
    nnc_value in[2] = {h, x};
    nnc_type row = nnc_value_type(b.m, h);
    op = nnc_g_scan(&b, 2, 1, 2, in, 1, &row);
    nnc_block body = nnc_op_region(b.m, op, 0);
    CHECK_INT(nnc_block_narg(b.m, body), 3);
    CHECK_STR(type_of(nnc_block_arg(b.m, body, 0)), "i64[]");
    CHECK_STR(type_of(nnc_block_arg(b.m, body, 2)), "f32[3]");
    nnc_builder inner = nnc_builder_at_end(b.m, body);
    nnc_value s = nnc_g_binary(&inner, NNC_OP_add, nnc_block_arg(b.m, body, 1),
                               nnc_block_arg(b.m, body, 2)),
              out[2] = {s, s};
    nnc_build_yield(&inner, 2, out);
    nnc_g_finish(&b, op);
    CHECK_STR(type_of(nnc_op_out(b.m, op, 0)), "f32[3]");
    CHECK_STR(type_of(nnc_op_out(b.m, op, 1)), "f32[2,3]");
    op = nnc_g_while(&b, 1, &h);
    inner = nnc_builder_at_end(b.m, nnc_op_region(b.m, op, 0));
    nnc_build_yield(&inner, 1, &c);
    inner = nnc_builder_at_end(b.m, nnc_op_region(b.m, op, 1));
    nnc_value step =
        nnc_g_unary(&inner, NNC_OP_tanh, nnc_block_arg(b.m, nnc_op_region(b.m, op, 1), 0));
    nnc_build_yield(&inner, 1, &step);
    nnc_g_finish(&b, op);
    CHECK_STR(type_of(nnc_op_out(b.m, op, 0)), "f32[3]");
    end(t);
}

int main(void)
{
    RUN(identities_vanish);
    RUN(other_views_stay);
    RUN(constants_fold);
    RUN(equal_ops_are_shared);
    RUN(matmul_follows_numpy);
    RUN(wrong_operands_are_reported_not_fatal);
    RUN(regions_type_their_results);
    return test_end();
}
