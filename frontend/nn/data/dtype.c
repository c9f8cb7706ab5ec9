/* One table of the pairs, read in both directions. */
#include "frontend/nn/data/dtype.h"

static const nnc_dtype of[] = {
    [NNP_F64] = NNC_DT_f64,   [NNP_F32] = NNC_DT_f32,         [NNP_F16] = NNC_DT_f16,
    [NNP_BF16] = NNC_DT_bf16, [NNP_F8E4M3] = NNC_DT_f8e4m3fn, [NNP_F8E5M2] = NNC_DT_f8e5m2,
    [NNP_I64] = NNC_DT_i64,   [NNP_I32] = NNC_DT_i32,         [NNP_I16] = NNC_DT_i16,
    [NNP_I8] = NNC_DT_i8,     [NNP_U64] = NNC_DT_u64,         [NNP_U32] = NNC_DT_u32,
    [NNP_U16] = NNC_DT_u16,   [NNP_U8] = NNC_DT_u8,           [NNP_BOOL] = NNC_DT_bool,
    [NNP_STR] = NNC_DT_none,
};

nnc_dtype nn_dtype_of_host(nnp_dtype dt)
{
    return of[dt];
}

nnp_dtype nn_host_dtype_of(nnc_dtype dt)
{
    for (unsigned i = 0; i < sizeof of / sizeof *of; i++)
        if (of[i] == dt && dt)
            return (nnp_dtype)i;
    return nnc_dtype_infos[dt].class == NNC_DC_SINT ? NNP_I8 : NNP_U8;
}
