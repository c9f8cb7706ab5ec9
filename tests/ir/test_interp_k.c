/* The K interpreter: results, bounds checks, poison, planned memory; and packed constants. */
#include "ir/interp.h"
#include "ir/pack.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "tests/test.h"

static char said[4096];

static void collect(void *user, const char *text)
{
    (void)user;
    if (strlen(said) + strlen(text) < sizeof said - 1)
        strcat(said, text);
}

static nnc_module *module_of(nnc_arena *a, const char *text)
{
    nnc_diag *d = nnc_diag_new(a);
    nnc_module *m = nnc_module_new(a, d);

    said[0] = 0;
    nnc_diag_set_sink(d, collect, NULL);
    if (!test_true(nnc_read_module(m, "test.ir", text, strlen(text), ".") == NNC_OK,
                   "IR that can be read", __FILE__, __LINE__))
        printf("%s\n", said);
    return m;
}

/* Runs the only kernel with up to four buffers of 16 floats. */
static nnc_status run(nnc_arena *a, nnc_module *m, unsigned n, float (*buf)[16], size_t bytes)
{
    nnc_kernel_arg arg[4] = {{0}};

    for (unsigned i = 0; i < n; i++)
        arg[i] = (nnc_kernel_arg){buf[i], bytes, 0};
    return nnc_interp_kernel(m, nnc_func_entry(m, NNC_OP_kernel), a, n, arg);
}

static void loops_and_vectors(void)
{
    nnc_arena *a = nnc_arena_new();
    float buf[2][16] = {{1, 2, 3, 4, 5, 6, 7, 8}};
    nnc_module *m = module_of(a, "kernel @k (%x: f32[8]@arg, %y: f32[8]@arg) {\n"
                                 "  %acc = alloc : f32[]@reg\n"
                                 "  store 0.0:f32, %acc\n"
                                 "  for 0, 8, 1 (%i: idx) {\n"
                                 "    %v = load %x, %i : f32\n"
                                 "    %s = load %acc : f32\n"
                                 "    %t = add %s, %v : f32\n"
                                 "    store %t, %acc\n"
                                 "    store %t, %y, %i\n"
                                 "  }\n"
                                 "  %p = load %x, 4 : f32x4\n"
                                 "  %q = mul %p, %p : f32x4\n"
                                 "  %h = hsum %q : f32\n"
                                 "  store %h, %y, 0\n"
                                 "}\n");
    REQUIRE(run(a, m, 2, buf, 32) == NNC_OK);
    CHECK_NEAR((double)buf[1][7], 36, 0);
    CHECK_NEAR((double)buf[1][0], 25 + 36 + 49 + 64, 0);
    nnc_arena_free(a);
}

static void control_and_calls(void)
{
    nnc_arena *a = nnc_arena_new();
    float buf[1][16] = {{0}};
    nnc_module *m = module_of(a, "kernel @main [entry=1] (%y: f32[4]@arg) {\n"
                                 "  %c = alloc : i64[]@stack\n"
                                 "  store 0:i64, %c\n"
                                 "  while {\n"
                                 "    %n = load %c : i64\n"
                                 "    %go = lt %n, 10:i64 : bool\n"
                                 "    yield %go\n"
                                 "  } {\n"
                                 "    %n = load %c : i64\n"
                                 "    %k = add %n, 3:i64 : i64\n"
                                 "    store %k, %c\n"
                                 "  }\n"
                                 "  %r = load %c : i64\n"
                                 "  %e = eq %r, 12:i64 : bool\n"
                                 "  if %e {\n"
                                 "    %t = view %y, 2 : f32[2]@arg\n"
                                 "    call %t, 1 [callee=\"put\"]\n"
                                 "  } {\n"
                                 "    store 9.0:f32, %y, 0\n"
                                 "  }\n"
                                 "}\n"
                                 "kernel @put (%b: f32[2]@arg, %i: idx) {\n"
                                 "  store 7.0:f32, %b, %i\n"
                                 "}\n");
    REQUIRE(run(a, m, 1, buf, 16) == NNC_OK);
    CHECK_NEAR((double)buf[0][3], 7, 0);
    CHECK_NEAR((double)buf[0][0], 0, 0);
    nnc_arena_free(a);
}

static void outside_is_reported(void)
{
    nnc_arena *a = nnc_arena_new();
    float buf[1][16] = {{0}};
    nnc_module *m = module_of(a, "kernel @k (%x: f32[4]@arg) {\n"
                                 "  for 0, 5, 1 (%i: idx) {\n"
                                 "    store 1.0:f32, %x, %i\n"
                                 "  }\n"
                                 "}\n");
    CHECK(run(a, m, 1, buf, 16) == NNC_ERR);
    CHECK_HAS(said, "index 4 of 'x' in dimension 0 is outside 0..3");
    CHECK_HAS(said, "kernel 'k'");
    m = module_of(a, "kernel @k (%x: f32[4]@arg) {\n"
                     "  %v = load %x, 3 : f32x4\n"
                     "  store %v, %x, 0\n"
                     "}\n");
    CHECK(run(a, m, 1, buf, 16) == NNC_ERR);
    CHECK_HAS(said, "outside its memory of 16 bytes");
    nnc_arena_free(a);
}

static void fresh_memory_is_poison(void)
{
    nnc_arena *a = nnc_arena_new();
    float buf[1][16] = {{0}};
    nnc_module *m = module_of(a, "kernel @k (%y: f32[2]@arg) {\n"
                                 "  %t = alloc : f32[4]@arena\n"
                                 "  %v = load %t, 2 : f32\n"
                                 "  %w = add %v, 1.0:f32 : f32\n"
                                 "  store %w, %y, 0\n"
                                 "}\n");
    REQUIRE(run(a, m, 1, buf, 8) == NNC_OK);
    CHECK(isnan(buf[0][0]));
    nnc_arena_free(a);
}

/* Two planned buffers on one place: the second destroys the first, as it would in the emitted code. */
static void plan_errors_show(void)
{
    nnc_arena *a = nnc_arena_new();
    float buf[1][16] = {{0}};
    const char *form = "kernel @k (%%y: f32[2]@arg) {\n"
                       "  %%s = alloc [offset=0] : f32[4]@arena\n"
                       "  %%t = alloc [offset=%d] : f32[4]@arena\n"
                       "  fill %%s, 1.0:f32\n"
                       "  fill %%t, 2.0:f32\n"
                       "  %%v = load %%s, 3 : f32\n"
                       "  store %%v, %%y, 0\n"
                       "}\n";
    for (int offset = 0; offset <= 16; offset += 8) {
        nnc_module *m = module_of(a, nnc_arena_printf(a, form, offset));
        REQUIRE(run(a, m, 1, buf, 8) == NNC_OK);
        CHECK_NEAR((double)buf[0][0], offset == 16 ? 1 : 2, 0);
    }
    nnc_arena_free(a);
}

static void dot4_of_packed_cells(void)
{
    nnc_arena *a = nnc_arena_new();
    unsigned char x[4] = {255, 1, 2, 3};
    signed char w[4] = {-128, 10, -1, 127};
    int32_t y = 5;
    nnc_module *m = module_of(a, "kernel @k (%x: u8q[1]@arg, %w: i8q[1]@arg, %y: i32[1]@arg) {\n"
                                 "  %a = load %x, 0 : u8q\n"
                                 "  %b = load %w, 0 : i8q\n"
                                 "  %c = load %y, 0 : i32\n"
                                 "  %d = dot4 %c, %a, %b : i32\n"
                                 "  store %d, %y, 0\n"
                                 "}\n");
    nnc_kernel_arg arg[3] = {{x, 4, 0}, {w, 4, 0}, {&y, 4, 0}};
    REQUIRE(nnc_interp_kernel(m, nnc_func_entry(m, NNC_OP_kernel), a, 3, arg) == NNC_OK);
    CHECK_INT(y, 5 + 255 * -128 + 10 - 2 + 381);
    nnc_arena_free(a);
}

/* ---- packing ---- */
static nnc_op const_op(nnc_module *m, nnc_type t, const void *data, size_t bytes)
{
    nnc_op k = nnc_op_new(m, (nnc_pos){m->top, {0}}, NNC_OP_kernel, 0, NULL, 0, NULL, (nnc_loc){0});
    nnc_block b = nnc_op_add_region(m, k);
    nnc_op op = nnc_op_new(m, (nnc_pos){b, {0}}, NNC_OP_const, 0, NULL, 1, &t, (nnc_loc){0});

    nnc_attr_set_int(m, op, NNC_W_blob, nnc_blob_new(m, data, bytes, (nnc_loc){0}).id);
    nnc_attr_set_int(m, op, NNC_W_at, 0);
    return op;
}

/* W[5, 3] (k, n) packed as [n / 2][k][2] with a partial last panel. */
static void panels_with_padding(void)
{
    static const nnc_dim dim[] = {2, 5, 2};
    static const int64_t axis[] = {1, 0, 1}, mult[] = {2, 1, 1}, extent[] = {5, 3},
                         stride[] = {3, 1};
    nnc_arena *a = nnc_arena_new();
    nnc_module *m = module_of(a, "");
    float w[5][3], packed[2][5][2];
    nnc_op op =
        const_op(m, nnc_type_buffer(m, NNC_DT_f32, 1, 3, dim, NULL, NNC_SPACE_weight), w, sizeof w);

    for (int k = 0; k < 5; k++)
        for (int n = 0; n < 3; n++)
            w[k][n] = (float)(10 * k + n + 1);
    nnc_attr_set_ints(m, op, NNC_W_src_axis, 3, axis);
    nnc_attr_set_ints(m, op, NNC_W_src_mult, 3, mult);
    nnc_attr_set_ints(m, op, NNC_W_src_extent, 2, extent);
    nnc_attr_set_ints(m, op, NNC_W_src_stride, 2, stride);
    CHECK_INT(nnc_const_bytes(m, op), sizeof packed);
    REQUIRE(nnc_const_pack(m, op, packed) == NNC_OK);
    for (int p = 0; p < 2; p++)
        for (int k = 0; k < 5; k++)
            for (int j = 0; j < 2; j++)
                CHECK_NEAR((double)packed[p][k][j], 2 * p + j < 3 ? 10 * k + 2 * p + j + 1 : 0, 0);
    nnc_arena_free(a);
}

/* Bytes of i8q cells have an entry of their own; a negative stride walks backwards from `offset`. */
static void cells_and_flips(void)
{
    static const nnc_dim dim[] = {2};
    static const int64_t axis[] = {0, 0}, mult[] = {4, 1}, extent[] = {6}, stride[] = {-1};
    static const signed char w[6] = {1, 2, 3, 4, 5, 6};
    signed char packed[8], want[8] = {6, 5, 4, 3, 2, 1, 0, 0};
    nnc_arena *a = nnc_arena_new();
    nnc_module *m = module_of(a, "");
    nnc_op op =
        const_op(m, nnc_type_buffer(m, NNC_DT_i8q, 1, 1, dim, NULL, NNC_SPACE_weight), w, sizeof w);

    nnc_attr_set_ints(m, op, NNC_W_src_axis, 2, axis);
    nnc_attr_set_ints(m, op, NNC_W_src_mult, 2, mult);
    nnc_attr_set_ints(m, op, NNC_W_src_extent, 1, extent);
    nnc_attr_set_ints(m, op, NNC_W_src_stride, 1, stride);
    nnc_attr_set_int(m, op, NNC_W_offset, 5);
    REQUIRE(nnc_const_pack(m, op, packed) == NNC_OK);
    CHECK(!memcmp(packed, want, 8));
    nnc_attr_set_int(m, op, NNC_W_offset, 6); /* one too far */
    CHECK(nnc_const_pack(m, op, packed) == NNC_ERR);
    CHECK_HAS(said, "reads outside its blob");
    nnc_arena_free(a);
}

int main(void)
{
    RUN(loops_and_vectors);
    RUN(control_and_calls);
    RUN(outside_is_reported);
    RUN(fresh_memory_is_poison);
    RUN(plan_errors_show);
    RUN(dot4_of_packed_cells);
    RUN(panels_with_padding);
    RUN(cells_and_flips);
    return test_end();
}
