/* The tables behind ops.def, dtypes.def and words.def. */
#include "ir/module.h"
#include <string.h>

/* The table spells levels and traits without prefixes. */
enum {
    M = NNC_LEVEL_M,
    G = NNC_LEVEL_G,
    K = NNC_LEVEL_K,
    PURE = NNC_PURE,
    COMMUTES = NNC_COMMUTES,
    ELEMENTWISE = NNC_ELEMENTWISE,
    TERMINATOR = NNC_TERMINATOR,
    SYMBOL = NNC_SYMBOL,
    LOOP = NNC_LOOP,
    WRITES = NNC_WRITES,
    READS = NNC_READS,
    VIEW = NNC_VIEW,
    REDUCES = NNC_REDUCES,
    COMPOSITE = NNC_COMPOSITE,
    ALLOCATES = NNC_ALLOCATES,
    ASSOC = NNC_ASSOC,
    NAMED = NNC_NAMED
};

const nnc_op_info nnc_op_infos[NNC_OP_COUNT] = {
#define OP(name, levels, nin, nout, nregions, traits, infer, eval, class, d, doc) \
    [NNC_OP_##name] = {#name, levels, nin, nout, nregions, traits, #class[0], d, doc},
#include "ir/ops.def"
};

const nnc_dtype_info nnc_dtype_infos[NNC_DT_COUNT] = {
    [NNC_DT_none] = {"none", 0, 0, NNC_DC_OTHER, "void", "none", 0},
#define DTYPE(name, bits, bytes, class, ctype, numpy, onnx) \
    [NNC_DT_##name] = {#name, bits, bytes, NNC_DC_##class, ctype, numpy, onnx},
#include "ir/dtypes.def"
};

const char *const nnc_space_names[NNC_SPACE_COUNT] = {
    "none", "arg", "weight", "arena", "stack", "reg", "shared", "tile", "stream",
};

nnc_opcode nnc_opcode_by_name(const char *s, size_t len)
{
    for (int i = 1; i < NNC_OP_COUNT; i++)
        if (strlen(nnc_op_infos[i].name) == len && !memcmp(nnc_op_infos[i].name, s, len))
            return (nnc_opcode)i;
    return NNC_OP_none;
}

nnc_dtype nnc_dtype_by_name(const char *s, size_t len)
{
    for (int i = 1; i < NNC_DT_COUNT; i++)
        if (strlen(nnc_dtype_infos[i].name) == len && !memcmp(nnc_dtype_infos[i].name, s, len))
            return (nnc_dtype)i;
    return NNC_DT_none;
}

nnc_dtype nnc_dtype_by_onnx(int code)
{
    for (int i = 1; i < NNC_DT_COUNT; i++)
        if (nnc_dtype_infos[i].onnx == code && code > 0)
            return (nnc_dtype)i;
    return NNC_DT_none;
}
