/* Multiply-adds of contractions and reductions, one per element of other arithmetic; bytes at the border of a kernel. */
#include "codegen/report/report.h"

static double count(const nnc_module *m, nnc_value v)
{
    return (double)nnc_type_count(m, nnc_value_type(m, v));
}
static double bytes(const nnc_module *m, nnc_value v)
{
    return (double)nnc_type_bytes(m, nnc_value_type(m, v));
}

static double macs(const nnc_module *m, nnc_op op)
{
    nnc_opcode code = nnc_op_code(m, op);
    if (!nnc_op_nout(m, op))
        return 0;
    nnc_value out = nnc_op_out(m, op, 0);
    unsigned n;
    if (code == NNC_OP_dot) {
        const int64_t *axes = nnc_attr_ints(m, op, NNC_W_contract_a, &n);
        const nnc_type_rec *a = nnc_value_ty(m, nnc_op_in(m, op, 0));
        double k = 1;
        for (unsigned i = 0; i < n; i++)
            k *= (double)nnc_dim_hi(m->dims, a->dim[axes[i]]);
        return count(m, out) * k;
    }
    if (code == NNC_OP_conv) {
        const nnc_type_rec *y = nnc_value_ty(m, out);
        bool nhwc = nnc_attr_word(m, op, NNC_W_layout, NNC_W_nchw) == NNC_W_nhwc;
        double channels = (double)nnc_dim_hi(m->dims, y->dim[nhwc ? y->rank - 1 : 1]);
        return channels > 0 ? count(m, out) * count(m, nnc_op_in(m, op, 1)) / channels : 0;
    }
    if (code == NNC_OP_reduce || code == NNC_OP_argreduce || code == NNC_OP_cumulate)
        return count(m, nnc_op_in(m, op, 0));
    if (code == NNC_OP_window_reduce || code == NNC_OP_window_argmax) {
        const int64_t *size = nnc_attr_ints(m, op, NNC_W_size, &n);
        double k = 1;
        for (unsigned i = 0; i < n; i++)
            k *= (double)size[i];
        return count(m, out) * k;
    }
    return nnc_op_has(m, op, NNC_ELEMENTWISE) || nnc_op_has(m, op, NNC_COMPOSITE) ? count(m, out)
                                                                                  : 0;
}

static void add_region(const nnc_module *m, nnc_block b, double times, nnc_cost *c)
{
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        c->macs += times * macs(m, op);
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            add_region(m, nnc_op_region(m, op, i), times, c);
    }
}

nnc_cost nnc_report_cost(const nnc_module *m, nnc_op op)
{
    nnc_cost c = {.macs = macs(m, op)};
    double times = 1;
    if (nnc_op_code(m, op) == NNC_OP_scan)
        times = (double)nnc_dim_hi(m->dims, nnc_attr_int(m, op, NNC_W_trips, 1));
    for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
        add_region(m, nnc_op_region(m, op, i), times, &c);
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
        nnc_value v = nnc_op_in(m, op, i);
        nnc_op from = nnc_value_op(m, v);
        bool weight = from.id && nnc_op_code(m, from) == NNC_OP_const;
        if (weight)
            c.weights += bytes(m, v);
        else if (!nnc_value_is_const(m, v))
            c.traffic += bytes(m, v);
    }
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
        c.traffic += bytes(m, nnc_op_out(m, op, i));
    return c;
}
