/* The verifier: each rule with a module that breaks it, by text where the reader can say it, by hand where not. */
#include "ir/build.h"
#include "tests/ir/ir_test.h"

/* ---- by text ---- */

#define K                                                                                         \
    "kernel @k (%x: f32[4,6]@arg, %y: f32[4,6]@arg, %w: f32[6]@weight, %h: f16[6]@arg, %n: idx, " \
    "%b: bool, %f: f32) {\n"
#define G "graph @g (%x: f32[4,6], %t: bool[]) {\n"

static const struct {
    const char *text, *said;
} broken[] = {
    /* structure */
    {"add %x", "%x is not defined here"},
    {"barrier", "barrier: stands outside of every function"},
    {"graph @g {\nyield\n}\nkernel @g {\n}", "kernel: there is another function 'g'"},
    {"graph @g", "graph: has 0 regions, needs 1"},
    {"graph @g {\n}", "graph: a region does not end in yield"},
    {G "yield\n%y = neg %x : f32[4,6]\n}", "yield: stands in the middle of a block"},
    {G "%y = neg %x, %x : f32[4,6]\nyield\n}", "neg: has 2 operands, needs 1"},
    {G "%y, %z = neg %x : f32[4,6], f32[4,6]\nyield\n}", "neg: has 2 results, needs 1"},
    {G "%y = neg %x : f32[4,6] {\nyield\n}\nyield\n}", "neg: has 1 regions, needs 0"},
    {G "%y = if %t : f32[4,6] {\nyield %x\n}\nyield\n}", "if: has 1 regions, needs 2"},
    {G "%y = concat [axis=0] : f32[4,6]\nyield\n}", "concat: has 0 operands, needs at least 1"},
    {G "barrier\nyield\n}", "barrier: does not belong in a graph"},
    {K "%z = softmax %f [axis=0] : f32\n}", "softmax: does not belong in a kernel"},
    {G "%y = softmax %x [axis=[0]] : f32[4,6]\nyield\n}",
     "softmax: attribute 'axis' is of the wrong kind"},
    /* types of the level */
    {"graph @g (%x: f32[4]@arg) {\nyield\n}",
     "graph: 'x' has type f32[4]@arg, which does not belong in a graph"},
    {"kernel @g (%x: f32[4]) {\n}",
     "kernel: 'x' has type f32[4], which does not belong in a kernel"},
    {G "%y = neg %x : f32[4,5]\nyield\n}", "neg: result 0 has type f32[4,5], should have f32[4,6]"},
    {G "%y = reshape %x : f32[5]\nyield\n}", "reshape: f32[4,6] has 24 elements"},
    /* memory of K */
    {K "%z = load %x, 0 : f32\n}", "load: 1 indices for f32[4,6]@arg"},
    {K "%z = load %x, 0, %f : f32\n}", "load: index 1 has type f32, needs idx"},
    {K "%z = load %x, 4, 0 : f32\n}", "load: index 0 is 4, outside of f32[4,6]@arg"},
    {K "%z = load %x, -1, 0 : f32\n}", "load: index 0 is -1, outside"},
    {K "%z = load %x, 0, 0 : f16\n}", "load: a value of f16x1 beside f32[4,6]@arg"},
    {K "%z = load %f, 0 : f32\n}", "load: operand 0 has type f32, needs a buffer"},
    {K "store %f, %w, 0\n}", "store: writes to weights: f32[6]@weight"},
    {K "store %f, %h, 0\n}", "store: a value of f32x1 beside f16[6]@arg"},
    {K "store %f, %x, 0, 6\n}", "store: index 1 is 6, outside of f32[4,6]@arg"},
    {K "fill %w, %f\n}", "fill: writes to weights"},
    {K "fill %h, %f\n}", "fill: f16[6]@arg with f32"},
    {K "copy %w, %w\n}", "copy: writes to weights"},
    {K "copy %h, %w\n}", "copy: from f32[6]@weight to f16[6]@arg"},
    {K "%z = alloc : f32[4]@weight\n}",
     "alloc: makes f32[4]@weight, needs a buffer of its own memory"},
    {K "%z = alloc [offset=-64] : f32[4]@arena\n}", "alloc: the offset is negative"},
    {K "%z = view %x : f32[24]@arena\n}",
     "view: f32[4,6]@arg as f32[24]@arena: the space must stay"},
    {K "%z = view %x, %f : f32[24]@arg\n}", "view: operand 1 has type f32, needs idx"},
    {K "%z = const [blob=7, at=0] : f32[4]@weight\n}", "blob 7 is not declared"},
    {K "%z = const : f32[4]@weight\n}", "const: byte 0 of blob 0 does not exist"},
    {K "prefetch %x, 0, 9\n}", "prefetch: index 1 is 9, outside"},
    /* loops and branches of K */
    {K "for 0, %f, 1 (%i: idx) {\n}\n}", "for: operand 1 has type f32, needs idx"},
    {K "for 0, %n, 0 (%i: idx) {\n}\n}", "for: the step is 0, must be positive"},
    {K "for 0, %n, 1 {\n}\n}", "for: the body needs one argument of idx"},
    {K "for 0, %n, 1 [kind=sum] (%i: idx) {\n}\n}", "for: there is no loop kind 'sum'"},
    {K "for 0, %n, 1 [kind=vector] (%i: idx) {\n}\n}", "for: a vector loop needs constant bounds"},
    {K "for 0, 8, 1 [kind=vector] (%i: idx) {\nif %b {\n} {\n}\n}\n}",
     "if: stands in a vector loop"},
    {K "for 0, 8, 1 (%i: idx) {\nfor 0, 8, 1 [kind=grid] (%j: idx) {\n}\n}\n}",
     "for: a grid loop stands inside 'for'"},
    {K "for 0, 8, 1 [kind=grid] (%i: idx) {\nbarrier\nfor 0, 8, 1 [kind=grid] (%j: idx) {\n}\n}\n}",
     "for: grid loops are not perfectly nested"},
    {K "if %b {\nfor 0, 8, 1 [kind=block] (%j: idx) {\n}\n} {\n}\n}",
     "for: a block loop stands inside 'if'"},
    {K "%z = if %b : f32 {\n} {\n}\n}",
     "if: has results; in a kernel values leave through buffers"},
    {K "if %n {\n} {\n}\n}", "if: operand 0 has type idx, needs bool"},
    {K "while {\n} {\n}\n}", "while: the condition region must yield one bool"},
    {K "while {\nyield %f\n} {\n}\n}", "yield: operand 0 has type f32, needs bool"},
    {K "%z = while %f : f32 {\nyield %b\n} {\n}\n}", "while: carries values"},
    {K "yield %f\n}", "yield: a kernel yields nothing"},
    {K "for 0, 8, 1 (%i: idx) {\nyield %i\n}\n}", "yield: 1 values are yielded to 'for'"},
    /* calls, vectors, scalars of K */
    {K "call %x [callee=\"nobody\"]\n}", "call: there is no kernel 'nobody'"},
    {K "}\nkernel @m (%x: f32[4,6]@arg) {\ncall %x [callee=\"k\"]\n}",
     "call: 1 operands and 0 results, 'k' has 7 parameters"},
    {"kernel @a (%x: f32[4]@arg) {\n}\nkernel @m (%x: f32[5]@arg) {\ncall %x [callee=\"a\"]\n}",
     "call: operand 0 is f32[5]@arg, the parameter of 'a' f32[4]@arg"},
    {K "%z = splat %f : f16x8\n}", "splat: from f32 to f16x8"},
    {K "%z = extract 1:f32x4 [index=4] : f32\n}", "extract: lane 4 of f32x4"},
    {K "%z = hsum 1:f32x4 : f32x4\n}", "hsum: from f32x4 to f32x4"},
    {K "%z = dot4 %f, %f, %f : f32\n}", "dot4: f32, f32, f32: needs i32, u8q, i8q"},
    {K "%z = add %f, %n : f32\n}", "add: operands have types f32 and idx"},
    {K "%z = add %f, 1:f32x4 : f32\n}", "add: makes f32, should make f32x4"},
    {K "%z = add 1:f32x8, 1:f32x4 : f32x4\n}", "add: operand 1 has type f32x4 beside f32x8"},
    {K "check %f\n}", "check: operand 0 has type f32, needs bool"},
};

static void every_rule_by_text(void)
{
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        nnc_status s;
        ir_test *t = ir_read(broken[i].text, &s);
        if (s == NNC_OK)
            s = nnc_verify(t->m);
        test_state.checks++;
        if (s == NNC_OK || !strstr(t->said, broken[i].said))
            test_failed(__FILE__, __LINE__, "%s\n  said:     %s\n  expected: %s", broken[i].text,
                        t->said, broken[i].said);
        ir_free(t);
    }
}

/* ---- by hand: what the builder and the reader never make ---- */

/* graph @g (x: f32[4]) { a = neg x; b = add a, x; yield b } */
static ir_test *sound(nnc_op op[3])
{
    ir_test *t = ir_new();
    nnc_dim four = 4;
    nnc_op f = nnc_build_func(t->m, NNC_OP_graph, "g", true, (nnc_loc){0});
    nnc_block body = nnc_op_region(t->m, f, 0);
    nnc_value x = nnc_block_add_arg(t->m, body, nnc_type_tensor(t->m, NNC_DT_f32, 1, &four), "x");
    nnc_builder b = nnc_builder_at_end(t->m, body);
    nnc_value a = nnc_g_unary(&b, NNC_OP_neg, x), c = nnc_g_binary(&b, NNC_OP_add, a, x);
    nnc_build_yield(&b, 1, &c);
    op[0] = nnc_value_op(t->m, a);
    op[1] = nnc_value_op(t->m, c);
    op[2] = nnc_block_last(t->m, body);
    return t;
}

static void expect(ir_test *t, const char *said)
{
    CHECK_INT(nnc_verify(t->m), NNC_ERR);
    CHECK_HAS(t->said, said);
    ir_free(t);
}

static void a_sound_module_passes(void)
{
    nnc_op op[3];
    ir_test *t = sound(op);
    CHECK_INT(nnc_verify(t->m), NNC_OK);
    CHECK_INT(nnc_verify_func(t->m, nnc_func_find(t->m, "g")), NNC_OK);
    CHECK_STR(t->said, "");
    ir_free(t);
}

static void use_before_definition(void)
{
    nnc_op op[3];
    ir_test *t = sound(op);
    nnc_op_move(t->m, op[0], (nnc_pos){t->m->op.at[op[0].id].block, op[2]});
    expect(t, "add: operand 0, 'an operand without a name', is not defined before its use");
}

static void use_of_a_value_of_another_block(void)
{
    nnc_op op[3];
    ir_test *t = sound(op);
    nnc_dim four = 4;
    nnc_op f = nnc_build_func(t->m, NNC_OP_graph, "other", false, (nnc_loc){0});
    nnc_value y = nnc_block_add_arg(t->m, nnc_op_region(t->m, f, 0),
                                    nnc_type_tensor(t->m, NNC_DT_f32, 1, &four), "y");
    nnc_builder b = nnc_builder_at_end(t->m, nnc_op_region(t->m, f, 0));
    nnc_build_yield(&b, 0, NULL);
    nnc_op_set_in(t->m, op[0], 0, y);
    expect(t, "neg: operand 0, 'y', is not defined before its use");
}

static void use_of_its_own_result(void)
{
    nnc_op op[3];
    ir_test *t = sound(op);
    nnc_op_set_in(t->m, op[0], 0, nnc_op_out(t->m, op[0], 0));
    expect(t, "neg: operand 0");
}

static void broken_use_lists(void)
{
    nnc_op op[3];
    ir_test *t = sound(op);
    t->m->value.at[nnc_op_out(t->m, op[0], 0).id].first_use = 0;
    expect(t, "add: operand 0 is not in the use list of");
    t = sound(op);
    t->m->use.at[t->m->op.at[op[1].id].in + 1].prev = t->m->op.at[op[1].id].in;
    expect(t, "is not in the use list of 'x'");
    t = sound(op);
    t->m->use.at[t->m->op.at[op[1].id].in].user = op[0];
    expect(t, "add: operand 0 is a use of another operation");
    t = sound(op);
    t->m->use.at[t->m->op.at[op[1].id].in].value = (nnc_value){0};
    expect(t, "add: operand 0 is no value");
    t = sound(op);
    t->m->use.at[t->m->op.at[op[1].id].in].value = (nnc_value){1u << 30};
    expect(t, "add: operand 0 is no value");
}

static void broken_block_lists(void)
{
    nnc_op op[3];
    ir_test *t = sound(op);
    t->m->op.at[op[1].id].prev = op[2];
    expect(t, "add: the links of its block are broken");
    t = sound(op);
    t->m->op.at[op[1].id].order = 1;
    expect(t, "add: the links of its block are broken");
    t = sound(op);
    t->m->op.at[op[1].id].code = NNC_OP_none;
    expect(t, "graph: a block lists an erased operation");
    t = sound(op);
    t->m->block.at[t->m->op.at[op[1].id].block.id].last = op[1];
    expect(t, "graph: the last operation of a block is not its last");
    t = sound(op);
    t->m->block.at[t->m->op.at[op[1].id].block.id].parent = op[0];
    expect(t, "graph: a region has another parent");
}

static void broken_values(void)
{
    nnc_op op[3];
    ir_test *t = sound(op);
    t->m->value.at[nnc_op_out(t->m, op[0], 0).id].def = op[1].id;
    expect(t, "neg: result 0 does not belong to the operation");
    t = sound(op);
    t->m->value.at[nnc_block_arg(t->m, t->m->op.at[op[0].id].block, 0).id].index = 3;
    expect(t, "graph: block argument 0 does not belong to its block");
    t = sound(op);
    nnc_value_set_type(t->m, nnc_op_out(t->m, op[0], 0), (nnc_type){0});
    expect(t, "neg: 'an operand without a name' has no type");
}

static void broken_attributes_and_types(void)
{
    nnc_op op[3];
    ir_test *t = sound(op);
    nnc_attr_set(
        t->m, op[0],
        (nnc_attr_rec){.key = nnc_w(NNC_W_perm), .kind = NNC_ATTR_ints, .u.ints = {9, 1000}});
    expect(t, "neg: the integers of attribute 'perm' are gone");
    t = sound(op);
    NNC_PUSH(t->a, &t->m->type, t->m->type.at[1]);
    expect(t, "type 2 of the module is not canonical");
    t = sound(op);
    nnc_attr_set_str(t->m, nnc_func_find(t->m, "g"), NNC_W_sym, "");
    expect(t, "graph: has no name");
}

int main(void)
{
    RUN(every_rule_by_text);
    RUN(a_sound_module_passes);
    RUN(use_before_definition);
    RUN(use_of_a_value_of_another_block);
    RUN(use_of_its_own_result);
    RUN(broken_use_lists);
    RUN(broken_block_lists);
    RUN(broken_values);
    RUN(broken_attributes_and_types);
    return test_end();
}
