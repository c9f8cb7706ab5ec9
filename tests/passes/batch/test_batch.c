/* Every op inside a map, with every choice of which operands differ from turn to turn: the interpreter before and after
 * the pass.  Then random programs, nested maps, tiles, run-time trip counts, and what must stay a loop. */
#include <math.h>
#include "ir/interp.h"
#include "ir/text.h"
#include "passes/batch/batch.h"
#include "passes/pass.h"
#include "tests/test.h"

static char said[8192];

static void collect(void *user, const char *text)
{
    (void)user;
    if (strlen(said) + strlen(text) < sizeof said - 1)
        strcat(said, text);
}

static unsigned count_maps(const nnc_module *m, nnc_block b)
{
    unsigned n = 0;
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        n += nnc_op_code(m, op) == NNC_OP_scan && !nnc_attr_int(m, op, NNC_W_carried, 0) &&
             !nnc_attr_int(m, op, NNC_W_serial, 0);
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            n += count_maps(m, nnc_op_region(m, op, i));
    }
    return n;
}

/* Run passes on the text, validated; the maps that are left must be `maps`. */
static void judge_passes(const char *text, const char *passes, unsigned maps)
{
    nnc_arena *a = nnc_arena_new();
    nnc_diag *d = nnc_diag_new(a);
    nnc_module *m = nnc_module_new(a, d);
    nnc_options o = {
        .target = nnc_target_by_name("avx2"), .passes = passes, .check = true, .check_seed = 3};

    said[0] = 0;
    nnc_diag_set_sink(d, collect, NULL);
    bool ok = nnc_read_module(m, "map.ir", text, strlen(text), ".") == NNC_OK &&
              nnc_passes_run(m, &o) == NNC_OK;
    test_state.checks++;
    if (!ok)
        test_failed(__FILE__, __LINE__, "%s\nfrom\n%s", said, text);
    else if (passes && strcmp(passes, "batch") == 0 && count_maps(m, m->top) != maps)
        test_failed(__FILE__, __LINE__, "%u maps are left, not %u, of\n%s", count_maps(m, m->top),
                    maps, text);
    nnc_arena_free(a);
}

static void judge(const char *text, unsigned maps)
{
    judge_passes(text, "batch", maps);
    if (!maps)
        judge_passes(text, NULL, 0);
}

/* ---- ops ---- */

typedef struct op_case {
    const char *operand[4]; /* %a, %b, ..: types without the lanes */
    const char *body;       /* makes %r */
    const char *result[2];  /* types of %r and, when there is one, %q */
} op_case;

static const op_case ops[] = {
    {{"f32[3,4]", "f32[4]"}, "%r = add %a, %b : f32[3,4]", {"f32[3,4]"}},
    {{"f32[4]", "f32[2,3,1]", "bool[3,4]"}, "%r = select %c, %a, %b : f32[2,3,4]", {"f32[2,3,4]"}},
    {{"f32[]", "f32[3]"}, "%r = max %a, %b : f32[3]", {"f32[3]"}},
    {{"f32[3]", "f32[3]"}, "%r = lt %a, %b : bool[3]", {"bool[3]"}},
    {{"f32[3]"}, "%r = cast %a : i64[3]", {"i64[3]"}},
    {{"f32[3]"}, "%r = bitcast %a : i32[3]", {"i32[3]"}},
    {{"f32[3]"}, "%r = softplus %a : f32[3]", {"f32[3]"}},
    {{"f32[3]"}, "%j = cast %i : f32[]\n%r = mul %a, %j : f32[3]", {"f32[3]"}},
    {{"f32[3,4]"}, "%r = reshape %a : f32[2,6]", {"f32[2,6]"}},
    {{"f32[3,4,2]"}, "%r = transpose %a [perm=[2,0,1]] : f32[2,3,4]", {"f32[2,3,4]"}},
    {{"f32[3,1]"}, "%r = broadcast %a : f32[2,3,4]", {"f32[2,3,4]"}},
    {{"f32[5,4]"}, "%r = slice %a [start=[4,1], step=[-2,1]] : f32[3,2]", {"f32[3,2]"}},
    {{"f32[3,4]", "f32[]"},
     "%r = pad %a, %b [lo=[1,0], hi=[0,2], mode=constant] : f32[4,6]",
     {"f32[4,6]"}},
    {{"f32[3,4]"},
     "%r = pad %a, 0.0:f32 [lo=[1,0], hi=[0,2], mode=reflect] : f32[4,6]",
     {"f32[4,6]"}},
    {{"f32[3,4]", "f32[3,2]"}, "%r = concat %a, %b [axis=1] : f32[3,6]", {"f32[3,6]"}},
    {{"f32[3]"}, "%k = iota [axis=0] : f32[3]\n%r = add %a, %k : f32[3]", {"f32[3]"}},
    {{"f32[3,5]", "i64[2]"}, "%r = gather %a, %b [axis=1, batch_dims=0] : f32[3,2]", {"f32[3,2]"}},
    {{"f32[3,5]", "i64[]"}, "%r = gather %a, %b [axis=0, batch_dims=0] : f32[5]", {"f32[5]"}},
    {{"f32[3,5]", "i32[3,2]"},
     "%r = gather %a, %b [axis=1, batch_dims=1] : f32[3,2]",
     {"f32[3,2]"}},
    {{"f32[2,3,5]", "i64[2,2]"},
     "%r = gather %a, %b [axis=2, batch_dims=1] : f32[2,3,2]",
     {"f32[2,3,2]"}},
    {{"f32[3,5]", "i64[2,5]"}, "%r = gather_elements %a, %b [axis=0] : f32[2,5]", {"f32[2,5]"}},
    {{"f32[3,5]", "i64[4,2]"}, "%r = gather_nd %a, %b [batch_dims=0] : f32[4]", {"f32[4]"}},
    {{"f32[2,3,5]", "i64[2,4,1]"},
     "%r = gather_nd %a, %b [batch_dims=1] : f32[2,4,5]",
     {"f32[2,4,5]"}},
    {{"f32[4,3]", "i64[2,3]", "f32[2,3]"},
     "%r = scatter_elements %a, %b, %c [axis=0, reduction=add] : f32[4,3]",
     {"f32[4,3]"}},
    {{"f32[4,3]", "i64[2,1]", "f32[2,3]"},
     "%r = scatter_nd %a, %b, %c [reduction=none] : f32[4,3]",
     {"f32[4,3]"}},
    {{"f32[4,3]", "i32[2,2]", "f32[2]"},
     "%r = scatter_nd %a, %b, %c [reduction=add] : f32[4,3]",
     {"f32[4,3]"}},
    {{"f32[4,3]", "i64[2]"}, "%r = dynamic_slice %a, %b : f32[2,3]", {"f32[2,3]"}},
    {{"f32[4,3,5]", "i64[3]"}, "%r = dynamic_slice %a, %b : f32[1,3,2]", {"f32[1,3,2]"}},
    {{"f32[4,3]", "f32[1,3]", "i64[2]"},
     "%r = dynamic_update_slice %a, %b, %c : f32[4,3]",
     {"f32[4,3]"}},
    {{"f32[4,3]", "f32[2,2]", "i64[2]"},
     "%r = dynamic_update_slice %a, %b, %c : f32[4,3]",
     {"f32[4,3]"}},
    {{"f32[2,3]", "f32[2,3]", "i64[2]"},
     "%r = dynamic_update_slice %a, %b, %c : f32[2,3]",
     {"f32[2,3]"}},
    {{"f32[3,4,2]"}, "%r = reduce %a [kind=sum, axes=[0,2], keep=0] : f32[4]", {"f32[4]"}},
    {{"f32[3,4]"}, "%r = reduce %a [kind=max, axes=[1], keep=1] : f32[3,1]", {"f32[3,1]"}},
    {{"f32[3,4]"}, "%r = argreduce %a [kind=max, axis=1, last=0, keep=0] : i64[3]", {"i64[3]"}},
    {{"f32[3,4]"},
     "%r = cumulate %a [kind=add, axis=0, exclusive=1, reverse=1] : f32[3,4]",
     {"f32[3,4]"}},
    {{"f32[3,6]"},
     "%r = window_reduce %a [kind=max, size=[1,3], stride=[1,2], dilation=[1,1], lo=[0,1], "
     "hi=[0,0]] : f32[3,3]",
     {"f32[3,3]"}},
    {{"f32[3,6]"},
     "%r = window_argmax %a [size=[1,3], stride=[1,2], dilation=[1,1], lo=[0,1], hi=[0,0]] : "
     "i64[3,3]",
     {"i64[3,3]"}},
    {{"f32[3,6]", "i64[3,6]"},
     "%r, %q = sort %a, %b [axis=1, descending=1] : f32[3,6], i64[3,6]",
     {"f32[3,6]", "i64[3,6]"}},
    {{"f32[3,6]"},
     "%r, %q = topk %a [k=2, axis=1, largest=1] : f32[3,2], i64[3,2]",
     {"f32[3,2]", "i64[3,2]"}},
    {{"f32[6,2]", "bool[6]"},
     "%s, %q = compact %a, %b : f32[6,2], i64[]\n%k = iota [axis=0] : i64[6,1]\n%in = lt %k, %q : "
     "bool[6,1]\n%r = select %in, %s, 0.0:f32 : f32[6,2]",
     {"f32[6,2]", "i64[]"}},
    {{"u32[2]"}, "%r = rng_bits %a : u32[3,3]", {"u32[3,3]"}},
    {{"u32[2]", "i64[]", "i64[3]"},
     "%r = fold_key %a, %b, %c [site=2, domain=131073] : u32[3,2]",
     {"u32[3,2]"}},
    {{"u32[2,2]", "i64[]"}, "%r = fold_key %a, %b, %i [site=2, domain=3] : u32[2,2]", {"u32[2,2]"}},
    {{"f32[3,4]"}, "%r = softmax %a [axis=1] : f32[3,4]", {"f32[3,4]"}},
    {{"f32[3,4]"}, "%r = log_softmax %a [axis=0] : f32[3,4]", {"f32[3,4]"}},
    {{"f32[3,4]"}, "%r = layer_norm %a [axis=1, eps=0.01] : f32[3,4]", {"f32[3,4]"}},
    {{"f32[3,4]", "f32[]", "u8[]"}, "%r = quantize %a, %b, %c : u8[3,4]", {"u8[3,4]"}},
    {{"i8[3,4]", "f32[]", "i8[]"}, "%r = dequantize %a, %b, %c : f32[3,4]", {"f32[3,4]"}},
    /* contractions */
    {{"f32[4]", "f32[4,3]"},
     "%r = dot %a, %b [contract_a=[0], contract_b=[0]] : f32[3]",
     {"f32[3]"}},
    {{"f32[3,4]", "f32[4]"},
     "%r = dot %a, %b [contract_a=[1], contract_b=[0]] : f32[3]",
     {"f32[3]"}},
    {{"f32[2,4]", "f32[4,3]"},
     "%r = dot %a, %b [contract_a=[1], contract_b=[0]] : f32[2,3]",
     {"f32[2,3]"}},
    {{"f32[4]", "f32[4]"}, "%r = dot %a, %b [contract_a=[0], contract_b=[0]] : f32[]", {"f32[]"}},
    {{"f32[4]", "f32[3]"},
     "%r = dot %a, %b [contract_a=[], contract_b=[]] : f32[4,3]",
     {"f32[4,3]"}},
    {{"f32[2,3,4]", "f32[4,2,5]"},
     "%r = dot %a, %b [batch_a=[0], batch_b=[1], contract_a=[2], contract_b=[0]] : f32[2,3,5]",
     {"f32[2,3,5]"}},
    {{"f32[2,3,4]", "f32[4,3]"},
     "%r = dot %a, %b [contract_a=[2,1], contract_b=[0,1]] : f32[2]",
     {"f32[2]"}},
    {{"u8[2,4]", "i8[4,3]"},
     "%r = dot %a, %b [contract_a=[1], contract_b=[0]] : i32[2,3]",
     {"i32[2,3]"}},
    {{"f32[2,4,5]", "f32[6,4,3]"},
     "%r = conv %a, %b [stride=[1], lo=[1], hi=[1], dilation=[1], lhs_dilation=[1], groups=1, "
     "layout=nchw] : f32[2,6,5]",
     {"f32[2,6,5]"}},
    {{"f32[1,4,5,5]", "f32[6,2,3,3]"},
     "%r = conv %a, %b [stride=[2,1], lo=[1,0], hi=[1,0], dilation=[1,1], lhs_dilation=[1,1], "
     "groups=2, layout=nchw] : f32[1,6,3,3]",
     {"f32[1,6,3,3]"}},
    {{"f32[2,5,5,4]", "f32[3,3,4,6]"},
     "%r = conv %a, %b [stride=[2,1], lo=[1,0], hi=[1,0], dilation=[1,1], lhs_dilation=[1,1], "
     "groups=1, layout=nhwc] : f32[2,3,3,6]",
     {"f32[2,3,3,6]"}},
    {{"f32[2,5,5,4]", "f32[3,3,2,6]"},
     "%r = conv %a, %b [stride=[2,1], lo=[1,0], hi=[1,0], dilation=[1,1], lhs_dilation=[1,1], "
     "groups=2, layout=nhwc] : f32[2,3,3,6]",
     {"f32[2,3,3,6]"}},
    /* regions */
    {{"bool[]", "f32[3]", "f32[3]"},
     "%r = if %a : f32[3] {\n%t = sqrt %b : f32[3]\nyield %t\n} {\n%t = mul %c, %b : f32[3]\nyield "
     "%t\n}",
     {"f32[3]"}},
    {{"bool[]", "f32[3]", "f32[3,3]"},
     "%r, %q = if %a : f32[3], f32[] {\n%t = dot %b, %c [contract_a=[0], contract_b=[0]] : "
     "f32[3]\nyield %t, 1.0:f32\n} {\nyield %b, 2.0:f32\n}",
     {"f32[3]", "f32[]"}},
    {{"f32[3]", "f32[4,3]", "f32[3,3]"},
     "%r, %q = scan %a, %b [carried=1, trips=4] : f32[3], f32[4,3] (%t: i64[], %h: f32[3], %x: "
     "f32[3]) {\n%g = dot %h, %c [contract_a=[0], contract_b=[0]] : f32[3]\n%n = tanh %g : "
     "f32[3]\n%o = add %n, %x : f32[3]\nyield %o, %n\n}",
     {"f32[3]", "f32[4,3]"}},
    /* lanes reach the second carried value after a turn only */
    {{"f32[3]", "f32[4,3]"},
     "%r, %q, %z = scan 0.0:f32, 0.0:f32, %b [carried=2, trips=4] : f32[], f32[], f32[4,3] (%t: "
     "i64[], %h: f32[], %g: f32[], %x: f32[3]) {\n%s = reduce %a [kind=sum, axes=[0], keep=0] : "
     "f32[]\n%n = add %h, %s : f32[]\nyield %n, %h, %x\n}",
     {"f32[]", "f32[]"}},
    {{"f32[3]", "f32[4,3]"},
     "%r = scan %b [carried=0, trips=4] : f32[4,3] (%t: i64[], %x: f32[3]) {\n%n = mul %x, %a : "
     "f32[3]\nyield %n\n}",
     {"f32[4,3]"}},
};
enum { OPS = sizeof ops / sizeof ops[0], LANES = 5 };

/* "f32[3,4]" with lanes: "f32[5,3,4]"; %lanes is a number or a symbol. */
static const char *with_lanes(const char *type, const char *lanes)
{
    static char buf[16][64];
    static int turn;
    char *s = buf[turn++ % 16];
    const char *open = strchr(type, '[');
    snprintf(s, 64, "%.*s[%s%s%s", (int)(open - type), type, lanes, open[1] == ']' ? "" : ",",
             open + 1);
    return s;
}

/* The map over `c` in which the operands of `mask` differ from turn to turn. */
static const char *map_text(const op_case *c, unsigned mask, const char *lanes, const char *head,
                            const char *hint)
{
    static char text[8192];
    char params[512] = "", xs[128] = "", args[256] = "%i: i64[]";
    const char *q = c->result[1] ? c->result[1] : c->result[0];
    for (unsigned k = 0; k < 4 && c->operand[k]; k++) {
        bool lane = mask >> k & 1;
        char name = (char)('a' + k);
        size_t n = strlen(params), nx = strlen(xs), na = strlen(args);
        snprintf(params + n, sizeof params - n, "%s%%%s%c: %s", n ? ", " : "", lane ? "x" : "",
                 name, lane ? with_lanes(c->operand[k], lanes) : c->operand[k]);
        if (!lane)
            continue;
        snprintf(xs + nx, sizeof xs - nx, "%s%%x%c", nx ? ", " : " ", name);
        snprintf(args + na, sizeof args - na, ", %%%c: %s", name, c->operand[k]);
    }
    snprintf(text, sizeof text,
             "%sgraph @f [entry=1] (%s) {\n%%y, %%z = scan%s [carried=0, trips=%s%s] : %s, %s (%s) "
             "{\n%s\nyield %%r, %s\n}\nyield %%y, %%z\n}\n",
             head, params, xs, lanes, hint, with_lanes(c->result[0], lanes), with_lanes(q, lanes),
             args, c->body, c->result[1] ? "%q" : "%r");
    return text;
}

static unsigned operands(const op_case *c)
{
    unsigned n = 0;
    while (n < 4 && c->operand[n])
        n++;
    return n;
}

static void every_op(void)
{
    for (int i = 0; i < OPS; i++)
        for (unsigned mask = 1; mask < 1u << operands(&ops[i]); mask++)
            judge(map_text(&ops[i], mask, "5", "", ""), 0);
}

/* A number of turns that is only known at run time. */
static void run_time_trips(void)
{
    for (int i = 0; i < OPS; i++) {
        unsigned all = (1u << operands(&ops[i])) - 1;
        bool kernels = strstr(ops[i].body, "conv") != NULL;
        judge(map_text(&ops[i], kernels ? 1 : all, "n", "dim n = 1..6\n", ""), 0);
    }
}

/* Two tiles of two lanes, and one that is left; at run time any number of them. */
static void tiles(void)
{
    for (int i = 0; i < OPS; i++) {
        unsigned all = (1u << operands(&ops[i])) - 1;
        bool kernels = strstr(ops[i].body, "conv") != NULL;
        judge(map_text(&ops[i], all, "5", "", ", batch=2"), 0);
        judge(map_text(&ops[i], kernels ? 1 : all, "n", "dim n = 1..6\n", ", batch=2"), 0);
    }
}

/* What is only reduced over all turns is reduced in every tile. */
static void reduced_results(void)
{
    static const char *const trips[] = {"5", "6", "n"}, *const kinds[] = {"sum", "max", "prod"};
    char text[2048];
    for (int i = 0; i < 9; i++) {
        const char *n = trips[i % 3];
        snprintf(
            text, sizeof text,
            "%sgraph @f [entry=1] (%%s: f32[%s,4], %%w: f32[4,3]) {\n"
            "%%y, %%z = scan %%s [carried=0, trips=%s, batch=2] : f32[%s,3], bool[%s,3] (%%i: "
            "i64[], %%x: f32[4]) {\n%%h = dot %%x, %%w [contract_a=[0], contract_b=[0]] : f32[3]\n"
            "%%b = lt %%h, 1.0:f32 : bool[3]\nyield %%h, %%b\n}\n"
            "%%p = reduce %%y [kind=%s, axes=[%s], keep=%d] : f32[%s]\n"
            "%%q = reduce %%z [kind=and, axes=[0], keep=0] : bool[3]\nyield %%p, %%q\n}\n",
            i % 3 == 2 ? "dim n = 1..6\n" : "", n, n, n, n, kinds[i / 3], i % 2 ? "0" : "0, 1",
            i % 2, i % 2 ? "1,3" : "");
        judge(text, 0);
    }
}

/* ---- gradients ---- */

/* Graph @f after pass `autodiff`, with @ in the text replaced by `hint`, on inputs in[]. */
static nnc_status derive(nnc_arena *a, const char *text, const char *hint, unsigned nin,
                         const nnc_tensor *in, unsigned nout, nnc_tensor *out)
{
    char copy[32768] = "";
    nnc_diag *d = nnc_diag_new(a);
    nnc_module *m = nnc_module_new(a, d);
    nnc_options o = {.target = nnc_target_by_name("avx2"), .passes = "autodiff"};
    for (const char *p = text; *p; p++)
        snprintf(copy + strlen(copy), sizeof copy - strlen(copy),
                 *p == '@' && p[1] == ' ' ? "%s" : "%.1s", *p == '@' && p[1] == ' ' ? hint : p);
    said[0] = 0;
    nnc_diag_set_sink(d, collect, NULL);
    NNC_TRY(nnc_read_module(m, "grad.ir", copy, strlen(copy), "."));
    NNC_TRY(nnc_passes_run(m, &o));
    test_state.checks++;
    if (!*hint && count_maps(m, m->top))
        test_failed(__FILE__, __LINE__, "a map is left of\n%s", text);
    return nnc_interp_graph(m, nnc_func_entry(m, NNC_OP_graph), a, nin, in, nout, out);
}

/* Inputs for the graph of a text: floats in [-1, 1), integers from 0 to 2, words. */
static unsigned inputs(nnc_arena *a, const char *text, nnc_tensor *in)
{
    char copy[32768] = "";
    nnc_module *m = nnc_module_new(a, nnc_diag_new(a));
    uint32_t state = 7;
    for (const char *p = text; *p; p += 1 + (*p == '@' && p[1] == ' '))
        if (*p != '@' || p[1] != ' ')
            strncat(copy, p, 1);
    if (nnc_read_module(m, "grad.ir", copy, strlen(copy), ".") != NNC_OK)
        return 0;
    nnc_block b = nnc_op_region(m, nnc_func_entry(m, NNC_OP_graph), 0);
    for (unsigned i = 0; i < nnc_block_narg(m, b); i++) {
        const nnc_type_rec r = *nnc_value_ty(m, nnc_block_arg(m, b, i));
        in[i] = nnc_tensor_new(a, (nnc_dtype)r.dtype, r.rank, r.dim);
        for (int64_t k = 0; k < nnc_tensor_count(&in[i]); k++) {
            state = state * 1664525u + 1013904223u;
            if (r.dtype == NNC_DT_f32)
                ((float *)in[i].data)[k] = (float)(state >> 8) / 8388608.0f - 1;
            else if (r.dtype == NNC_DT_i64)
                ((int64_t *)in[i].data)[k] = (state >> 8) % 3;
            else
                ((uint32_t *)in[i].data)[k] = state;
        }
    }
    return nnc_block_narg(m, b);
}

/* A loop and its batched form have the same results, nout of them, all f32. */
static void judge_gradient(const char *text, unsigned nout)
{
    nnc_arena *a = nnc_arena_new();
    nnc_tensor in[4], want[4], got[4];
    unsigned nin = inputs(a, text, in);
    bool ok = nin && derive(a, text, ", serial=1", nin, in, nout, want) == NNC_OK &&
              derive(a, text, "", nin, in, nout, got) == NNC_OK;
    test_state.checks++;
    if (!ok)
        test_failed(__FILE__, __LINE__, "%s\nfrom\n%s", said, text);
    for (unsigned i = 0; i < nout && ok; i++)
        for (int64_t k = 0; k < nnc_tensor_count(&want[i]) && ok; k++) {
            double x = (double)((float *)got[i].data)[k], y = (double)((float *)want[i].data)[k];
            test_state.checks++;
            ok = fabs(x - y) <= 2e-4 * (1 + fabs(y));
            if (!ok)
                test_failed(__FILE__, __LINE__, "result %u: %g, turn by turn %g, of\n%s", i, x, y,
                            text);
        }
    nnc_arena_free(a);
}

static void gradients(void)
{
    judge_gradient("graph @f [entry=1] (%x: f32[7,4], %w0: f32[4,3], %b0: f32[3]) {\n"
                   "%w = leaf %w0 : f32[4,3]\n%b = leaf %b0 : f32[3]\n"
                   "%y = scan %x [carried=0, trips=7@ ] : f32[7] (%i: i64[], %s: f32[4]) {\n"
                   "%h = dot %s, %w [contract_a=[0], contract_b=[0]] : f32[3]\n"
                   "%a = add %h, %b : f32[3]\n%t = tanh %a : f32[3]\n"
                   "%o = reduce %t [kind=sum, axes=[0], keep=0] : f32[]\nyield %o\n}\n"
                   "%l = reduce %y [kind=sum, axes=[0], keep=0] : f32[]\n"
                   "%gw, %gb = grad %l, %w, %b : f32[4,3], f32[3]\nyield %l, %gw, %gb\n}\n",
                   3);
    /* a gradient per sample, and one of all of them */
    judge_gradient("graph @f [entry=1] (%x: f32[7,4], %w0: f32[4,3], %b0: f32[3]) {\n"
                   "%w = leaf %w0 : f32[4,3]\n"
                   "%y, %g = scan %x [carried=0, trips=7@ ] : f32[7], f32[7,4,3] (%i: i64[], %s: "
                   "f32[4]) {\n%v = leaf %w : f32[4,3]\n"
                   "%h = dot %s, %v [contract_a=[0], contract_b=[0]] : f32[3]\n"
                   "%a = add %h, %b0 : f32[3]\n%t = tanh %a : f32[3]\n"
                   "%o = reduce %t [kind=sum, axes=[0], keep=0] : f32[]\n"
                   "%gs = grad %o, %v : f32[4,3]\nyield %o, %gs\n}\n"
                   "%q = mul %g, %g : f32[7,4,3]\n"
                   "%l = reduce %q [kind=sum, axes=[0,1,2], keep=0] : f32[]\n"
                   "%gw = grad %l, %w : f32[4,3]\nyield %l, %gw\n}\n",
                   2);
}

/* log of what only lanes below 0 have: the other lanes must not make the gradient of the shared %w a nan. */
static void untaken_sides(void)
{
    static const char *const text[] = {
        "lt 0.0:f32, %s : bool[]", /* some lanes */
        "lt 5.0:f32, %s : bool[]", /* none */
        "lt %s, 5.0:f32 : bool[]", /* all: nan in both forms is not asked for, hence abs below */
    };
    for (int i = 0; i < 3; i++) {
        char graph[2048];
        snprintf(graph, sizeof graph,
                 "graph @f [entry=1] (%%x: f32[6], %%w0: f32[]) {\n%%w = leaf %%w0 : f32[]\n"
                 "%%v = leaf %%x : f32[6]\n"
                 "%%y = scan %%v [carried=0, trips=6@ ] : f32[6] (%%i: i64[], %%s: f32[]) {\n"
                 "%%c = %s\n%%r = if %%c : f32[] {\n%%m = max %%s, 0.0:f32 : f32[]\n"
                 "%%p = %s %%m : f32[]\n%%t = log %%p : f32[]\n"
                 "%%u = mul %%t, %%w : f32[]\nyield %%u\n} {\n%%u = mul %%s, %%w : f32[]\nyield "
                 "%%u\n}\nyield %%r\n}\n"
                 "%%l = reduce %%y [kind=sum, axes=[0], keep=0] : f32[]\n"
                 "%%gv, %%gw = grad %%l, %%v, %%w : f32[6], f32[]\nyield %%l, %%gv, %%gw\n}\n",
                 text[i], i == 2 ? "exp" : "abs");
        judge_gradient(graph, 3);
    }
}

/* ---- random programs ---- */

/* Every template makes %o: f32[3,4] from %x and %y of that type, the turn %i, integers %n: i64[3], a key %k; T is a
 * prefix of its own for further names. */
static const char *const templates[] = {
    "%o = add %x, %y : f32[3,4]\n",
    "%o = sub %x, %y : f32[3,4]\n",
    "%Tm = mul %x, %y : f32[3,4]\n%o = tanh %Tm : f32[3,4]\n",
    "%o = max %x, %y : f32[3,4]\n",
    "%Tt = transpose %x [perm=[1,0]] : f32[4,3]\n%o = reshape %Tt : f32[3,4]\n",
    "%Td = dot %x, %y [contract_a=[1], contract_b=[1]] : f32[3,3]\n"
    "%Te = dot %Td, %y [contract_a=[1], contract_b=[0]] : f32[3,4]\n%o = tanh %Te : f32[3,4]\n",
    "%Td = dot %x, %y [batch_a=[0], batch_b=[0], contract_a=[1], contract_b=[1]] : f32[3]\n"
    "%Tr = reshape %Td : f32[3,1]\n%Ts = sigmoid %Tr : f32[3,1]\n%o = mul %Ts, %x : f32[3,4]\n",
    "%Ta = reduce %x [kind=max, axes=[1], keep=0] : f32[3]\n"
    "%Tb = reduce %y [kind=sum, axes=[0], keep=0] : f32[4]\n"
    "%Td = dot %Ta, %Tb [contract_a=[], contract_b=[]] : f32[3,4]\n%o = tanh %Td : f32[3,4]\n",
    "%o = softmax %x [axis=1] : f32[3,4]\n",
    "%Ts = reduce %x [kind=sum, axes=[1], keep=1] : f32[3,1]\n%o = broadcast %Ts : f32[3,4]\n",
    "%o = cumulate %x [kind=add, axis=0, exclusive=0, reverse=1] : f32[3,4]\n",
    "%o = gather %x, %n [axis=0, batch_dims=0] : f32[3,4]\n",
    "%Ti = reshape %n : i64[3,1]\n%o = scatter_nd %x, %Ti, %y [reduction=add] : f32[3,4]\n",
    "%Ti = slice %n [start=[1], step=[1]] : i64[2]\n"
    "%Tu = slice %y [start=[1,1], step=[1,1]] : f32[2,2]\n"
    "%o = dynamic_update_slice %x, %Tu, %Ti : f32[3,4]\n",
    "%Ti = slice %n [start=[0], step=[1]] : i64[2]\n%Tw = dynamic_slice %x, %Ti : f32[1,3]\n"
    "%o = pad %Tw, 0.5:f32 [lo=[1,0], hi=[1,1], mode=constant] : f32[3,4]\n",
    "%Tn = reduce %n [kind=sum, axes=[0], keep=0] : i64[]\n%Tc = lt %Tn, 4:i64 : bool[]\n"
    "%o = if %Tc : f32[3,4] {\n%Ta = tanh %x : f32[3,4]\nyield %Ta\n} {\n"
    "%Tb = dot %x, %y [contract_a=[1], contract_b=[1]] : f32[3,3]\n"
    "%Te = dot %Tb, %y [contract_a=[1], contract_b=[0]] : f32[3,4]\n%Tf = tanh %Te : f32[3,4]\n"
    "yield %Tf\n}\n",
    "%o = scan %x, %y [carried=1, trips=3] : f32[3,4] (%Ti: i64[], %Th: f32[3,4], %Ts: f32[4]) {\n"
    "%Ta = add %Th, %Ts : f32[3,4]\n%Tb = sigmoid %Ta : f32[3,4]\nyield %Tb\n}\n",
    "%o = scan %y [carried=0, trips=3] : f32[3,4] (%Ti: i64[], %Ts: f32[4]) {\n"
    "%Ta = dot %x, %Ts [contract_a=[1], contract_b=[0]] : f32[3]\n"
    "%Tb = reduce %Ta [kind=max, axes=[0], keep=0] : f32[]\n%Tc = tanh %Tb : f32[]\n"
    "%Td = add %Ts, %Tc : f32[4]\nyield %Td\n}\n",
    "%o = sort %x [axis=1, descending=1] : f32[3,4]\n",
    "%Tj = cast %i : f32[]\n%Tt = sin %Tj : f32[]\n%o = add %x, %Tt : f32[3,4]\n",
    "%o = window_reduce %x [kind=max, size=[1,3], stride=[1,1], dilation=[1,1], lo=[0,1], "
    "hi=[0,1]] : "
    "f32[3,4]\n",
    "%Tk = fold_key %k, %i, %n [site=5, domain=131073] : u32[3,2]\n%Tb = rng_bits %Tk : u32[3,4]\n"
    "%Ts = shr %Tb, 8:u32 : u32[3,4]\n%Tf = cast %Ts : f32[3,4]\n%Tm = mul %Tf, 5.96e-8:f32 : "
    "f32[3,4]\n%o = add %x, %Tm : f32[3,4]\n",
};
enum { TEMPLATES = sizeof templates / sizeof templates[0], STEPS = 9, PROGRAMS = 150 };

static uint64_t seed = 20;
static unsigned draw(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

/* Append a template: step s, operands x and y as value numbers. */
static void append(char *text, const char *from, int s, unsigned x, unsigned y)
{
    size_t n = strlen(text);
    for (const char *p = from; *p; p++) {
        bool whole = p[0] == '%' && !strchr("abcdefghijklmnopqrstuvwxyz_", p[2]);
        if (p[0] == '%' && p[1] == 'T')
            n += (size_t)sprintf(text + n, "%%t%d", s), p++;
        else if (whole && p[1] == 'o')
            n += (size_t)sprintf(text + n, "%%v%d", s + 2), p++;
        else if (whole && (p[1] == 'x' || p[1] == 'y'))
            n += (size_t)sprintf(text + n, "%%v%u", p[1] == 'x' ? x : y), p++;
        else
            text[n++] = *p;
    }
    text[n] = 0;
}

/* %v0 differs from turn to turn, %v1 does not. */
static const char *random_text(const char *trips, const char *hint)
{
    static char text[32768];
    int n = sprintf(text,
                    "%sgraph @f [entry=1] (%%s: f32[%s,3,4], %%m: i64[%s,3], %%v1: f32[3,4], %%k: "
                    "u32[2]) {\n%%p, %%q = scan %%s, %%m [carried=0, trips=%s%s] : f32[%s,3,4], "
                    "f32[%s,3,4] (%%i: i64[], %%v0: f32[3,4], %%n: i64[3]) {\n",
                    *trips == 'n' ? "dim n = 1..6\n" : "", trips, trips, trips, hint, trips, trips);
    (void)n;
    for (int s = 0; s < STEPS; s++) {
        unsigned have = (unsigned)s + 2;
        append(text, templates[draw(TEMPLATES)], s, draw(have), draw(have));
    }
    sprintf(text + strlen(text), "yield %%v%d, %%v%d\n}\nyield %%p, %%q\n}\n", STEPS + 1, STEPS);
    return text;
}

static void random_programs(void)
{
    static const char *const hints[] = {"", ", batch=2"};
    for (int i = 0; i < PROGRAMS; i++)
        judge(random_text(i % 3 ? "5" : "n", hints[i % 2]), 0);
}

/* Gradients through random maps, by what differs from turn to turn and by what does not. */
static void random_gradients(void)
{
    static char text[32768];
    for (int i = 0; i < PROGRAMS; i++) {
        const char *body = random_text("5", "@ ");
        const char *head = strchr(body, '{') + 2, *tail = strstr(body, "yield %p, %q");
        snprintf(
            text, sizeof text,
            "graph @f [entry=1] (%%s0: f32[5,3,4], %%m: i64[5,3], %%w: f32[3,4], %%k: u32[2]) {\n"
            "%%s = leaf %%s0 : f32[5,3,4]\n%%v1 = leaf %%w : f32[3,4]\n%.*s"
            "%%l0 = reduce %%p [kind=sum, axes=[0,1,2], keep=0] : f32[]\n"
            "%%l1 = reduce %%q [kind=sum, axes=[0,1,2], keep=0] : f32[]\n"
            "%%l = add %%l0, %%l1 : f32[]\n"
            "%%g, %%h = grad %%l, %%s, %%v1 [mode=zero] : f32[5,3,4], f32[3,4]\n"
            "yield %%l, %%g, %%h\n}\n",
            (int)(tail - head), head);
        judge_gradient(text, 3);
    }
}

int main(void)
{
    RUN(random_gradients);
    RUN(random_programs);
    RUN(gradients);
    RUN(untaken_sides);
    RUN(every_op);
    RUN(run_time_trips);
    RUN(tiles);
    RUN(reduced_results);
    return test_end();
}
