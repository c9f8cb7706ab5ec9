/* The exporter builds the protobuf tree in an arena and packs it straight into the file: protobuf-c's buffer interface
 * takes raw_data from the blobs where they lie.  Names of inputs and outputs are kept; inner ones are numbered. */
#include "frontend/onnx/export.h"
#include <string.h>
#include "frontend/onnx/export_cx.h"
#include "ir/eval.h"

static char *copy(nnc_export *x, const char *s)
{
    return nnc_arena_str(x->a, s);
}

static void *make(nnc_export *x, size_t size, void (*init)(void *))
{
    void *p = nnc_arena_alloc(x->a, size);
    init(p);
    return p;
}
#define MAKE(x, Type, fn) ((Type *)make((x), sizeof(Type), (void (*)(void *))(fn)))

/* ---- nodes and attributes ---- */

/* A name that no input or output of the model has. */
static const char *fresh(nnc_export *x, char kind)
{
    const char *name;
    uint32_t before = nnc_intern_count(x->taken);
    do {
        name = nnc_arena_printf(x->a, "%c%u", kind, ++x->serial);
        nnc_intern_put(x->taken, name, strlen(name));
    } while (nnc_intern_count(x->taken) == before);
    return name;
}

const char *nnc_export_node_v(nnc_export *x, const char *op, unsigned nin, const char *const *in,
                              unsigned nout, const char **out)
{
    Onnx__NodeProto *n = MAKE(x, Onnx__NodeProto, onnx__node_proto__init);
    n->op_type = copy(x, op);
    n->n_input = nin;
    n->input = nnc_arena_array(x->a, nin + 1u, sizeof(char *));
    for (unsigned i = 0; i < nin; i++)
        n->input[i] = copy(x, in[i] ? in[i] : "");
    n->n_output = nout;
    n->output = nnc_arena_array(x->a, nout + 1u, sizeof(char *));
    for (unsigned i = 0; i < nout; i++)
        n->output[i] = copy(x, out[i] = fresh(x, 'v'));
    NNC_PUSH(x->a, &x->g->node, n);
    return nout ? out[0] : NULL;
}

const char *nnc_export_node(nnc_export *x, const char *op, unsigned nin, ...)
{
    const char *in[8], *out;
    va_list ap;
    va_start(ap, nin);
    for (unsigned i = 0; i < nin; i++)
        in[i] = va_arg(ap, const char *);
    va_end(ap);
    return nnc_export_node_v(x, op, nin, in, 1, &out);
}

static Onnx__AttributeProto *attribute(nnc_export *x, const char *key, int32_t type)
{
    Onnx__NodeProto *n = x->g->node.at[x->g->node.n - 1];
    Onnx__AttributeProto *a = MAKE(x, Onnx__AttributeProto, onnx__attribute_proto__init), **more;
    a->name = copy(x, key);
    a->has_type = 1;
    a->type = type;
    more = nnc_arena_array(x->a, n->n_attribute + 1, sizeof *more);
    for (size_t i = 0; i < n->n_attribute; i++)
        more[i] = n->attribute[i];
    more[n->n_attribute++] = a;
    n->attribute = more;
    return a;
}

void nnc_export_int(nnc_export *x, const char *key, int64_t v)
{
    Onnx__AttributeProto *a = attribute(x, key, 2);
    a->has_i = 1;
    a->i = v;
}

void nnc_export_float(nnc_export *x, const char *key, double v)
{
    Onnx__AttributeProto *a = attribute(x, key, 1);
    a->has_f = 1;
    a->f = (float)v;
}

void nnc_export_str(nnc_export *x, const char *key, const char *v)
{
    Onnx__AttributeProto *a = attribute(x, key, 3);
    a->has_s = 1;
    a->s.data = (uint8_t *)copy(x, v);
    a->s.len = strlen(v);
}

void nnc_export_ints(nnc_export *x, const char *key, unsigned n, const int64_t *v)
{
    Onnx__AttributeProto *a = attribute(x, key, 7);
    a->n_ints = n;
    a->ints = nnc_arena_copy(x->a, v, n * sizeof *v);
}

void nnc_export_graph_attr(nnc_export *x, const char *key, Onnx__GraphProto *g)
{
    attribute(x, key, 5)->g = g;
}

void nnc_export_refuse(nnc_export *x, nnc_op op, const char *why)
{
    x->failed = true;
    nnc_error(x->m->diag, nnc_op_loc(x->m, op),
              "cannot be written as ONNX: %s ('%s' operation); emit .ir or code instead", why,
              nnc_op_infos[nnc_op_code(x->m, op)].name);
}

/* ---- constants ---- */

/* An initializer whose bytes stay where they are. */
static const char *initializer(nnc_export *x, nnc_dtype dt, unsigned rank, const int64_t *dim,
                               const void *data, size_t bytes)
{
    Onnx__TensorProto *t = MAKE(x, Onnx__TensorProto, onnx__tensor_proto__init);
    t->name = copy(x, fresh(x, 'c'));
    t->has_data_type = 1;
    t->data_type = nnc_dtype_infos[dt].onnx;
    t->n_dims = rank;
    t->dims = nnc_arena_copy(x->a, dim, rank * sizeof *dim);
    t->has_raw_data = 1;
    t->raw_data.data = (uint8_t *)(uintptr_t)data;
    t->raw_data.len = bytes;
    nnc_export_graph *top = x->g;
    while (top->up)
        top = top->up;
    NNC_PUSH(x->a, &top->init, t);
    return t->name;
}

/* Sub-byte types lie one per byte in memory and two or four per byte in a file. */
static const void *pack_small(nnc_export *x, nnc_dtype dt, const void *data, int64_t count,
                              size_t *bytes)
{
    unsigned bits = nnc_dtype_infos[dt].bits, per = 8 / bits;
    const uint8_t *s = data;
    *bytes = ((size_t)count + per - 1) / per;
    uint8_t *p = nnc_arena_alloc(x->a, *bytes);
    for (int64_t i = 0; i < count; i++)
        p[i / per] |= (uint8_t)((s[i] & ((1u << bits) - 1)) << (unsigned)(i % per) * bits);
    return p;
}

static const char *constant(nnc_export *x, nnc_type type, const void *data)
{
    const nnc_type_rec r = *nnc_type_get(x->m, type);
    int64_t count = nnc_type_count(x->m, type);
    size_t bytes = (size_t)nnc_type_bytes(x->m, type);
    if (nnc_dtype_infos[r.dtype].bits < 8 && r.dtype != NNC_DT_bool)
        data = pack_small(x, (nnc_dtype)r.dtype, data, count, &bytes);
    return initializer(x, (nnc_dtype)r.dtype, r.rank, r.dim, data, bytes);
}

const char *nnc_export_const_ints(nnc_export *x, unsigned n, const int64_t *v)
{
    int64_t dim = n;
    return initializer(x, NNC_DT_i64, 1, &dim, nnc_arena_copy(x->a, v, n * sizeof *v),
                       n * sizeof *v);
}

const char *nnc_export_const_scalar(nnc_export *x, nnc_dtype dt, double v)
{
    char *p = nnc_arena_alloc(x->a, 16);
    nnc_num_store(dt, p, (nnc_num){v, (int64_t)v});
    return initializer(x, dt, 0, NULL, p, nnc_dtype_bytes(dt));
}

const char *nnc_export_value(nnc_export *x, nnc_value v)
{
    const nnc_value_rec r = *nnc_value_get(x->m, v);
    if (!x->name[v.id] && r.kind == NNC_VALUE_const) {
        char *p = nnc_arena_copy(x->a, &r.bits, sizeof r.bits);
        x->name[v.id] = constant(x, r.type, p);
    }
    return x->name[v.id] ? x->name[v.id] : "";
}

const char *nnc_export_in(nnc_export *x, nnc_op op, unsigned i)
{
    return nnc_export_value(x, nnc_op_in(x->m, op, i));
}
void nnc_export_bind(nnc_export *x, nnc_op op, unsigned i, const char *name)
{
    x->name[nnc_op_out(x->m, op, i).id] = name;
}

const char *nnc_export_cast(nnc_export *x, const char *v, nnc_dtype dt)
{
    const char *y = nnc_export_node(x, "Cast", 1, v);
    nnc_export_int(x, "to", nnc_dtype_infos[dt].onnx);
    return y;
}

/* ---- dimensions ---- */

/* A symbol is read from the shape of the first graph input that shows it. */
static const char *symbol(nnc_export *x, uint32_t index)
{
    nnc_op f = nnc_func_entry(x->m, NNC_OP_graph);
    nnc_block b = nnc_op_region(x->m, f, 0);
    nnc_dim want = nnc_dim_symbol_at(x->m->dims, index);
    for (unsigned i = 0; i < nnc_block_narg(x->m, b); i++) {
        nnc_value v = nnc_block_arg(x->m, b, i);
        const nnc_type_rec r = *nnc_value_ty(x->m, v);
        for (int d = 0; d < r.rank; d++)
            if (r.dim[d] == want) {
                const char *s = nnc_export_node(x, "Shape", 1, nnc_export_value(x, v));
                nnc_export_int(x, "start", d);
                nnc_export_int(x, "end", d + 1);
                return s;
            }
    }
    nnc_export_refuse(x, x->op,
                      nnc_arena_printf(x->a, "the size '%s' depends on data",
                                       nnc_sym_str(x->m, nnc_dim_symbol_name(x->m->dims, index))));
    return "";
}

static const char *one_dim(nnc_export *x, nnc_dim d);

static const char *one_atom(nnc_export *x, nnc_dim_atom a)
{
    int64_t divisor;
    if (a.op == '$')
        return symbol(x, (uint32_t)a.a);
    const char *l = one_dim(x, a.a), *r = one_dim(x, a.b);
    switch (a.op) {
    case '/': /* Div truncates: sizes are never negative, differences may be */
        if (nnc_dim_lo(x->m->dims, a.a) < 0 || !nnc_dim_value(x->m->dims, a.b, &divisor)) {
            const char *rest = nnc_export_node(x, "Mod", 2, l, r);
            l = nnc_export_node(x, "Sub", 2, l, rest);
        }
        return nnc_export_node(x, "Div", 2, l, r);
    case '%': return nnc_export_node(x, "Mod", 2, l, r);
    case '<': return nnc_export_node(x, "Min", 2, l, r);
    default: return nnc_export_node(x, "Max", 2, l, r);
    }
}

/* A dimension as i64[1]. */
static const char *one_dim(nnc_export *x, nnc_dim d)
{
    int64_t v;
    uint32_t n;
    if (nnc_dim_value(x->m->dims, d, &v))
        return nnc_export_const_ints(x, 1, &v);
    const nnc_dim_term *t = nnc_dim_terms(x->m->dims, d, &n);
    const char *sum = NULL;
    for (uint32_t i = 0; i < n; i++) {
        const char *p =
            t[i].coef == 1 && t[i].natom ? NULL : nnc_export_const_ints(x, 1, &t[i].coef);
        for (uint32_t j = 0; j < t[i].natom; j++) {
            const char *q = one_atom(x, nnc_dim_atom_get(x->m->dims, t[i].atom[j]));
            p = p ? nnc_export_node(x, "Mul", 2, p, q) : q;
        }
        sum = sum ? nnc_export_node(x, "Add", 2, sum, p) : p;
    }
    return sum;
}

const char *nnc_export_dims(nnc_export *x, unsigned n, const nnc_dim *dim)
{
    int64_t v[NNC_MAX_RANK];
    const char *in[NNC_MAX_RANK], *out;
    bool known = true;
    for (unsigned i = 0; i < n; i++)
        known &= nnc_dim_value(x->m->dims, dim[i], &v[i]);
    if (known)
        return nnc_export_const_ints(x, n, v);
    for (unsigned i = 0; i < n; i++)
        in[i] = one_dim(x, dim[i]);
    if (n == 1)
        return in[0];
    out = nnc_export_node_v(x, "Concat", n, in, 1, &out);
    nnc_export_int(x, "axis", 0);
    return out;
}

/* ---- graphs ---- */

Onnx__ValueInfoProto *nnc_export_info(nnc_export *x, const char *name, nnc_type type)
{
    const nnc_type_rec r = *nnc_type_get(x->m, type);
    Onnx__ValueInfoProto *v = MAKE(x, Onnx__ValueInfoProto, onnx__value_info_proto__init);
    Onnx__TypeProto *t = MAKE(x, Onnx__TypeProto, onnx__type_proto__init);
    Onnx__TypeProto__Tensor *tt = MAKE(x, Onnx__TypeProto__Tensor, onnx__type_proto__tensor__init);
    Onnx__TensorShapeProto *s = MAKE(x, Onnx__TensorShapeProto, onnx__tensor_shape_proto__init);
    s->n_dim = r.rank;
    s->dim = nnc_arena_array(x->a, r.rank + 1u, sizeof *s->dim);
    for (int i = 0; i < r.rank; i++) {
        Onnx__TensorShapeProto__Dimension *d = s->dim[i] =
            MAKE(x, Onnx__TensorShapeProto__Dimension, onnx__tensor_shape_proto__dimension__init);
        bool known = nnc_dim_is_const(r.dim[i]);
        d->value_case = known ? ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE
                              : ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        if (known)
            d->dim_value = r.dim[i];
        else
            d->dim_param = copy(x, nnc_dim_text(x->m->dims, r.dim[i]));
    }
    tt->has_elem_type = 1;
    tt->elem_type = nnc_dtype_infos[r.dtype].onnx;
    tt->shape = s;
    t->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    t->tensor_type = tt;
    v->name = copy(x, name);
    v->type = t;
    return v;
}

static void const_op(nnc_export *x, nnc_op op)
{
    nnc_export_bind(
        x, op, 0,
        constant(x, nnc_value_type(x->m, nnc_op_out(x->m, op, 0)), nnc_const_data(x->m, op)));
}

/* Line i of the names that the importer kept. */
static const char *name_at(nnc_export *x, nnc_op f, nnc_word key, unsigned i, const char *dflt)
{
    const char *s = f.id ? nnc_attr_str(x->m, f, key, "") : "";
    for (; i && *s; i--) {
        const char *nl = strchr(s, '\n');
        s = nl ? nl + 1 : "";
    }
    return *s ? nnc_arena_copy(x->a, s, strcspn(s, "\n")) : dflt;
}

static void take_names(nnc_export *x, nnc_op f, nnc_word key, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const char *name = name_at(x, f, key, i, "");
        nnc_intern_put(x->taken, name, strlen(name));
    }
}

static void export_outputs(nnc_export *x, Onnx__GraphProto *g, nnc_op yield, nnc_op f)
{
    g->n_output = nnc_op_nin(x->m, yield);
    g->output = nnc_arena_array(x->a, g->n_output + 1, sizeof *g->output);
    for (unsigned i = 0; i < g->n_output; i++) {
        nnc_value v = nnc_op_in(x->m, yield, i);
        const char *from = nnc_export_value(x, v), *name = name_at(x, f, NNC_W_output, i, "");
        if (!*name ||
            strcmp(from, name)) { /* else an input that is an output under the same name */
            const char *id = nnc_export_node(x, "Identity", 1, from);
            name = *name ? name : id;
            x->g->node.at[x->g->node.n - 1]->output[0] = copy(x, name);
        }
        g->output[i] = nnc_export_info(x, name, nnc_value_type(x->m, v));
    }
}

Onnx__GraphProto *nnc_export_block(nnc_export *x, nnc_block b, const char *name)
{
    nnc_export_graph self = {.up = x->g};
    Onnx__GraphProto *g = MAKE(x, Onnx__GraphProto, onnx__graph_proto__init);
    nnc_op parent = nnc_block_parent(x->m, b),
           f = nnc_op_code(x->m, parent) == NNC_OP_graph ? parent : (nnc_op){0};
    x->g = &self;
    g->name = copy(x, name);
    g->n_input = nnc_block_narg(x->m, b);
    g->input = nnc_arena_array(x->a, g->n_input + 1, sizeof *g->input);
    for (unsigned i = 0; i < g->n_input; i++) {
        nnc_value v = nnc_block_arg(x->m, b, i);
        if (!x->name[v.id])
            x->name[v.id] = name_at(x, f, NNC_W_input, i, fresh(x, 'a'));
        g->input[i] = nnc_export_info(x, x->name[v.id], nnc_value_type(x->m, v));
    }
    for (nnc_op op = nnc_block_first(x->m, b); op.id; op = nnc_op_next(x->m, op)) {
        x->op = op;
        if (nnc_op_code(x->m, op) == NNC_OP_yield)
            export_outputs(x, g, op, f);
        else if (nnc_op_code(x->m, op) == NNC_OP_const)
            const_op(x, op);
        else
            nnc_export_op(x, op);
    }
    g->n_node = self.node.n;
    g->node = self.node.at;
    g->n_initializer = self.init.n;
    g->initializer = self.init.at;
    x->g = self.up;
    return g;
}

struct to_file {
    ProtobufCBuffer base;
    FILE *o;
};

static void append(ProtobufCBuffer *b, size_t len, const uint8_t *data)
{
    fwrite(data, 1, len, ((struct to_file *)b)->o);
}

nnc_status nnc_onnx_export(nnc_module *m, const char *producer_version, FILE *o)
{
    nnc_op f = nnc_func_entry(m, NNC_OP_graph);
    if (!f.id)
        return nnc_error(m->diag, (nnc_loc){0}, "the module has no entry graph to write as ONNX");
    nnc_export self = {.m = m, .a = m->arena, .nname = m->value.n}, *x = &self;
    x->name = nnc_arena_array(x->a, x->nname, sizeof *x->name);
    x->taken = nnc_intern_new(x->a);
    take_names(x, f, NNC_W_input, nnc_block_narg(m, nnc_op_region(m, f, 0)));
    take_names(x, f, NNC_W_output, nnc_op_nin(m, nnc_block_last(m, nnc_op_region(m, f, 0))));
    Onnx__ModelProto *p = MAKE(x, Onnx__ModelProto, onnx__model_proto__init);
    Onnx__OperatorSetIdProto *opset =
        MAKE(x, Onnx__OperatorSetIdProto, onnx__operator_set_id_proto__init);
    opset->domain = copy(x, "");
    opset->has_version = p->has_ir_version = 1;
    opset->version = NNC_ONNX_EXPORT_OPSET;
    p->ir_version = 10;
    p->producer_name = copy(x, "nnc");
    p->producer_version = copy(x, producer_version);
    p->n_opset_import = 1;
    p->opset_import = &opset;
    p->graph = nnc_export_block(x, nnc_op_region(m, f, 0), nnc_func_name(m, f));
    if (x->failed)
        return NNC_ERR;
    struct to_file out = {{append}, o};
    onnx__model_proto__pack_to_buffer(p, &out.base);
    return ferror(o) ? nnc_error(m->diag, (nnc_loc){0}, "cannot write the ONNX file") : NNC_OK;
}
