/* The pass `plan` on entry kernels: order, sharing, loops, branches, budgets, the report. */
#include "passes/plan.h"
#include "tests/passes/judge.h"

#define KERNELS                                                                                    \
    "kernel @sum (%x: f32[64]@arg, %y: f32[]@arg) {\n  store 0:f32, %y\n  for 0, 64, 1 (%i: idx) " \
    "{\n    %v = load %x, %i : f32\n"                                                              \
    "    %s = load %y : f32\n    %t = add %s, %v : f32\n    store %t, %y\n  }\n}\n"                \
    "kernel @fill (%x: f32[64]@arg, %y: f32[64]@arg) {\n  for 0, 64, 1 (%i: idx) {\n    %v = "     \
    "load %x, %i : f32\n"                                                                          \
    "    %t = add %v, %v : f32\n    store %t, %y, %i\n  }\n}\n"                                    \
    "kernel @map [inplace=[1,0]] (%x: f32[64]@arg, %y: f32[64]@arg) {\n  for 0, 64, 1 (%i: idx) "  \
    "{\n    %v = load %x, %i : f32\n"                                                              \
    "    %t = add %v, 1:f32 : f32\n    store %t, %y, %i\n  }\n}\n"

typedef struct planned {
    nnc_arena *a, *scratch;
    nnc_module *m;
    nnc_op entry;
    uint64_t arena, bound;
    nnc_status st;
    char text[2048];
} planned;

static void collect(void *user, const char *text)
{
    planned *p = user;
    strncat(p->text, text, sizeof p->text - 1 - strlen(p->text));
}

static void run_kernel(planned *p, float *out, int nout)
{
    float x[64];
    nnc_kernel_arg arg[2] = {{x, sizeof x, 0}, {out, (size_t)nout * sizeof *out, 0}};

    for (int i = 0; i < 64; i++)
        x[i] = (float)i;
    CHECK_INT(nnc_interp_kernel(p->m, nnc_func_entry(p->m, NNC_OP_kernel), p->a, 2, arg), NNC_OK);
}

/* Plan the text and check that it still computes the same. */
static planned plan(const char *text, uint64_t max_ram, int nout)
{
    planned p = {.a = nnc_arena_new(), .scratch = nnc_arena_new()};
    nnc_options opt = {.max_ram = max_ram};
    nnc_pass_cx cx = {.scratch = p.scratch, .opt = &opt};
    float before[64], after[64];

    memset(before, 0, sizeof before);
    memset(after, 1, sizeof after);
    cx.m = p.m = judge_read(p.a, text);
    CHECK_INT(nnc_verify(p.m), NNC_OK);
    run_kernel(&p, before, nout);
    nnc_diag_set_sink(p.m->diag, collect, &p);
    p.st = nnc_pass_plan(&cx);
    p.entry = nnc_func_entry(p.m, NNC_OP_kernel);
    if (p.st == NNC_OK) {
        CHECK_INT(nnc_verify(p.m), NNC_OK);
        run_kernel(&p, after, nout);
        for (int i = 0; i < nout; i++)
            CHECK_NEAR(after[i], before[i], 0);
    }
    p.arena = (uint64_t)nnc_attr_int(p.m, p.entry, NNC_W_arena, 0);
    p.bound = (uint64_t)nnc_attr_int(p.m, p.entry, NNC_W_bound, 0);
    return p;
}

static void done(planned *p)
{
    nnc_arena_free(p->scratch);
    nnc_arena_free(p->a);
}

static void order_is_chosen_for_the_peak(void)
{
    planned p = plan(
        KERNELS
        "kernel @main [entry=1] (%x: f32[64]@arg, %y: f32[]@arg) {\n"
        "  %a = alloc : f32[64]@arena\n  %b = alloc : f32[64]@arena\n  %c = alloc : f32[64]@arena\n"
        "  %s = alloc : f32[]@arena\n  %t = alloc : f32[]@arena\n  %u = alloc : f32[]@arena\n"
        "  call %x, %a [callee=\"fill\"]\n  call %x, %b [callee=\"fill\"]\n  call %x, %c "
        "[callee=\"fill\"]\n"
        "  call %a, %s [callee=\"sum\"]\n  call %b, %t [callee=\"sum\"]\n  call %c, %u "
        "[callee=\"sum\"]\n"
        "  %v = load %s : f32\n  %w = load %t : f32\n  %z = load %u : f32\n  %q = add %v, %w : "
        "f32\n  %r = sub %q, %z : f32\n"
        "  store %r, %y\n}\n",
        0, 1);
    CHECK_INT(p.arena, 256 + 64); /* one vector and its sum at a time, instead of three vectors */
    CHECK_INT(p.arena, p.bound);
    done(&p);
}

static void a_map_overwrites_what_dies(void)
{
    planned p = plan(
        KERNELS
        "kernel @main [entry=1] (%x: f32[64]@arg, %y: f32[]@arg) {\n"
        "  %a = alloc : f32[64]@arena\n  %b = alloc : f32[64]@arena\n  %c = alloc : f32[64]@arena\n"
        "  call %x, %a [callee=\"fill\"]\n  call %a, %b [callee=\"map\"]\n  call %b, %c "
        "[callee=\"map\"]\n"
        "  call %c, %y [callee=\"sum\"]\n}\n",
        0, 1);
    CHECK_INT(p.arena, 256);
    done(&p);
    /* not when the operand is read again */
    p = plan(KERNELS "kernel @main [entry=1] (%x: f32[64]@arg, %y: f32[]@arg) {\n"
                     "  %a = alloc : f32[64]@arena\n  %b = alloc : f32[64]@arena\n  %s = alloc : "
                     "f32[]@arena\n  %t = alloc : f32[]@arena\n"
                     "  call %x, %a [callee=\"fill\"]\n  call %a, %b [callee=\"map\"]\n  call %a, "
                     "%s [callee=\"sum\"]\n"
                     "  call %b, %t [callee=\"sum\"]\n  %v = load %s : f32\n  %w = load %t : f32\n "
                     " %q = sub %v, %w : f32\n  store %q, %y\n}\n",
             0, 1);
    CHECK(p.arena > 256);
    done(&p);
    /* nor when the kernel does not work in place */
    p = plan(KERNELS "kernel @main [entry=1] (%x: f32[64]@arg, %y: f32[]@arg) {\n"
                     "  %a = alloc : f32[64]@arena\n  %b = alloc : f32[64]@arena\n"
                     "  call %x, %a [callee=\"map\"]\n  call %a, %b [callee=\"fill\"]\n  call %b, "
                     "%y [callee=\"sum\"]\n}\n",
             0, 1);
    CHECK_INT(p.arena, 512);
    done(&p);
    /* an input is never overwritten */
    p = plan(KERNELS "kernel @main [entry=1] (%x: f32[64]@arg, %y: f32[]@arg) {\n"
                     "  %a = alloc : f32[64]@arena\n  call %x, %a [callee=\"map\"]\n  call %a, %y "
                     "[callee=\"sum\"]\n}\n",
             0, 1);
    CHECK_INT(p.arena, 256);
    done(&p);
}

static void state_is_updated_in_place(void)
{
    planned p = plan(KERNELS "kernel @main [entry=1] (%x: f32[64]@arg, %y: f32[]@arg) {\n"
                             "  %s = alloc : f32[64]@arena\n  copy %s, %x\n  for 0, 5, 1 (%i: idx) "
                             "{\n    %n = alloc : f32[64]@arena\n"
                             "    call %s, %n [callee=\"map\"]\n    copy %s, %n\n  }\n  call %s, "
                             "%y [callee=\"sum\"]\n}\n",
                     0, 1);
    CHECK_INT(p.arena, 256);
    CHECK_INT(judge_count(p.m, nnc_op_region(p.m, p.entry, 0), NNC_OP_copy), 1);
    done(&p);
    /* the old state is read after the new one is made: two buffers */
    p = plan(
        KERNELS
        "kernel @main [entry=1] (%x: f32[64]@arg, %y: f32[]@arg) {\n"
        "  %s = alloc : f32[64]@arena\n  %t = alloc : f32[]@arena\n  copy %s, %x\n  for 0, 5, 1 "
        "(%i: idx) {\n    %n = alloc : f32[64]@arena\n"
        "    call %s, %n [callee=\"map\"]\n    call %s, %t [callee=\"sum\"]\n    copy %s, %n\n  "
        "}\n  call %s, %y [callee=\"sum\"]\n"
        "  %v = load %y : f32\n  %w = load %t : f32\n  %z = sub %v, %w : f32\n  store %z, %y\n}\n",
        0, 1);
    CHECK(p.arena >= 256);
    done(&p);
}

static void a_value_carried_by_a_loop_lives_all_through_it(void)
{
    /* s is written at the end of an iteration and read at the beginning of the next; t is inside one iteration only */
    planned p = plan(
        KERNELS
        "kernel @main [entry=1] (%x: f32[64]@arg, %y: f32[]@arg) {\n"
        "  %s = alloc : f32[64]@arena\n  call %x, %s [callee=\"fill\"]\n  for 0, 3, 1 (%i: idx) {\n"
        "    %t = alloc : f32[64]@arena\n    %u = alloc : f32[64]@arena\n    call %s, %t "
        "[callee=\"fill\"]\n"
        "    call %t, %u [callee=\"fill\"]\n    call %u, %s [callee=\"fill\"]\n  }\n  call %s, %y "
        "[callee=\"sum\"]\n}\n",
        0, 1);
    CHECK_INT(p.arena, 768);
    done(&p);
}

static void branches_share(void)
{
    planned p =
        plan(KERNELS "kernel @main [entry=1] (%x: f32[64]@arg, %y: f32[]@arg) {\n"
                     "  %c = load %x, 1 : f32\n  %d = lt 0:f32, %c : bool\n  if %d {\n    %a = "
                     "alloc : f32[64]@arena\n"
                     "    call %x, %a [callee=\"fill\"]\n    call %a, %y [callee=\"sum\"]\n  } {\n "
                     "   %b = alloc : f32[64]@arena\n"
                     "    call %x, %b [callee=\"map\"]\n    call %b, %y [callee=\"sum\"]\n  }\n}\n",
             0, 1);
    CHECK_INT(p.arena, 256);
    done(&p);
}

static void too_little_memory_is_explained(void)
{
    planned p = plan(KERNELS "kernel @main [entry=1] (%x: f32[64]@arg, %y: f32[]@arg) {\n"
                             "  %a = alloc : f32[64]@arena\n  %b = alloc : f32[64]@arena\n  call "
                             "%x, %a [callee=\"map\"]\n"
                             "  call %a, %b [callee=\"fill\"]\n  call %b, %y [callee=\"sum\"]\n}\n",
                     500, 1);
    CHECK_INT(p.st, NNC_ERR);
    CHECK_HAS(p.text, "the arena needs 512 bytes and 500 are allowed");
    CHECK_HAS(p.text, "'fill'");
    CHECK_HAS(p.text, "'a' is live there, 256 bytes");
    done(&p);
}

static void report_tells_who_lives_when(void)
{
    planned p = plan(KERNELS "kernel @main [entry=1] (%x: f32[64]@arg, %y: f32[]@arg) {\n"
                             "  %a = alloc : f32[64]@arena\n  %b = alloc : f32[64]@arena\n  call "
                             "%x, %a [callee=\"map\"]\n"
                             "  call %a, %b [callee=\"fill\"]\n  call %b, %y [callee=\"sum\"]\n}\n",
                     0, 1);
    nnc_plan_info info;
    CHECK_INT(nnc_plan_report(p.m, p.a, &info), NNC_OK);
    CHECK_INT(info.arena, 512);
    CHECK_INT(info.lower_bound, 512);
    CHECK_INT(info.nstep, 3);
    CHECK_INT(info.nrow, 2);
    CHECK_INT(info.peak, 1);
    CHECK_STR(info.step[1].name, "fill");
    CHECK_INT(info.step[0].live, 256);
    CHECK_INT(info.step[1].live, 512);
    CHECK_INT(info.step[2].live, 256);
    CHECK_STR(info.row[0].name, "a");
    CHECK_INT(info.row[0].first, 0);
    CHECK_INT(info.row[0].last, 1);
    CHECK_INT(info.row[1].first, 1);
    CHECK_INT(info.row[1].last, 2);
    done(&p);
}

int main(void)
{
    RUN(order_is_chosen_for_the_peak);
    RUN(a_map_overwrites_what_dies);
    RUN(state_is_updated_in_place);
    RUN(a_value_carried_by_a_loop_lives_all_through_it);
    RUN(branches_share);
    RUN(too_little_memory_is_explained);
    RUN(report_tells_who_lives_when);
    return test_end();
}
