/* Shape inference: for every op of G at least one line whose type is right and, where operands can be wrong, one whose
 * message is known.  A line is an op over the parameters below; the type that stands in it is what must be inferred. */
#include "ir/infer.h"
#include "ir/infer_fn.h"
#include "tests/ir/ir_test.h"

#define PARAMETERS                                                                                 \
    "dim n = 1..64\ndim m = 2..8\ndim z = 0..9\n"                                                  \
    "graph @callee (%x: f32[2,3]) {\n  %y = neg %x : f32[2,3]\n  yield %y\n}\n"                    \
    "graph @f (%a: f32[2,3], %b: f32[3,4], %s: f32[], %v: f32[3], %i: i64[5], %j: i64[2,3], "      \
    "%mask: bool[2],"                                                                              \
    " %t: bool[], %k: u32[2], %ks: u32[3,2], %img: f32[1,4,8,9], %w: f32[6,2,3,3], %u8: u8[2,3], " \
    "%i8: i8[3,4], "                                                                               \
    "%h: f16[2,3],"                                                                                \
    " %d: f32[n,3], %e: f32[n,m], %st: i64[2], %count: i64[], %bx: f32[1,7,4], %sc: f32[1,2,7], "  \
    "%f8: f8e4m3fn[2,3],"                                                                          \
    " %z: f32[z,3], %flags: bool[2,3], %q0: u8[], %sv: f32[2], %sb: f32[2,2], %qb: u8[2,2], "      \
    "%img2: f32[1,8,9,4],"                                                                         \
    " %w2: f32[3,3,2,6], %x3: f32[7,2,3], %y3: f32[7,3,5], %i32: i32[2,3], %nd: i64[5,2], %r8: "   \
    "f32[1,1,1,1,1,1,1,1]) {\n"

static const struct {
    nnc_opcode code;
    const char *line, *said;
} cases[] = {
    /* elementwise: one row of each inference, and every code through the table below */
    {NNC_OP_neg, "%y = neg %a : f32[2,3]", ""},
    {NNC_OP_not, "%y = not %flags : bool[2,3]", ""},
    {NNC_OP_not, "%y = not %a : f32[2,3]",
     "not: operand 0 has type f32[2,3], needs bool or an integer"},
    {NNC_OP_isnan, "%y = isnan %d : bool[n,3]", ""},
    {NNC_OP_add, "%y = add %a, %v : f32[2,3]", ""},
    {NNC_OP_add, "%y = add %d, %a : f32[2,3]", ""},
    {NNC_OP_add, "%y = add %a, %d : f32[2,3]", ""},
    {NNC_OP_add, "%y = add %d, %z : f32[n,3]", ""},
    {NNC_OP_add, "%y = add %s, 1.0:f32 : f32[]", ""},
    {NNC_OP_add, "%y = add %a, %b : f32[2,3]",
     "add: shapes f32[2,3] and f32[3,4] do not broadcast"},
    {NNC_OP_add, "%y = add %a, %h : f32[2,3]",
     "add: operands have types f32[2,3] and f16[2,3], their dtypes must be equal"},
    {NNC_OP_eq, "%y = eq %a, %s : bool[2,3]", ""},
    {NNC_OP_lt, "%y = lt %j, %a : bool[2,3]", "lt: operands have types i64[2,3] and f32[2,3]"},
    {NNC_OP_select, "%y = select %t, %a, %v : f32[2,3]", ""},
    {NNC_OP_select, "%y = select %a, %a, %v : f32[2,3]",
     "select: the condition has type f32[2,3], needs bool"},
    {NNC_OP_cast, "%y = cast %d : i8[n,3]", ""},
    {NNC_OP_bitcast, "%y = bitcast %a : i32[2,3]", ""},
    {NNC_OP_bitcast, "%y = bitcast %a : i64[2,3]", "bitcast: from f32 to i64: the widths differ"},
    /* views and movement */
    {NNC_OP_const, "%y = const [values=[1, 2]] : i32[2]", ""},
    {NNC_OP_const, "%y = const [blob=2, at=0] : i32[2]", "blob 2 is not declared"},
    {NNC_OP_reshape, "%y = reshape %a : f32[6,1]", ""},
    {NNC_OP_reshape, "%y = reshape %e : f32[m*n]", ""},
    {NNC_OP_reshape, "%y = reshape %a : f32[5]", "reshape: f32[2,3] has 6 elements, f32[5] has 5"},
    {NNC_OP_reshape, "%y = reshape %d : f32[500]",
     "reshape: f32[n,3] has 3*n elements, f32[500] has 500"},
    {NNC_OP_reshape, "%y = reshape %a : i32[6]",
     "reshape: from f32[2,3] to i32[6]: the dtype must stay"},
    {NNC_OP_transpose, "%y = transpose %x3 [perm=[2, 0, 1]] : f32[3,7,2]", ""},
    {NNC_OP_transpose, "%y = transpose %a [perm=[0, 0]] : f32[2,2]",
     "transpose: perm names axis 0 twice"},
    {NNC_OP_transpose, "%y = transpose %a [perm=[0]] : f32[2,3]",
     "transpose: perm has 1 entries for f32[2,3]"},
    {NNC_OP_transpose, "%y = transpose %a [perm=[0, 2]] : f32[2,3]",
     "transpose: perm names axis 2 of rank 2"},
    {NNC_OP_broadcast, "%y = broadcast %v : f32[5,n,3]", ""},
    {NNC_OP_broadcast, "%y = broadcast %a : f32[3,3]",
     "broadcast: f32[2,3] does not broadcast to f32[3,3]"},
    {NNC_OP_slice, "%y = slice %a [start=[1, 2], step=[1, -2]] : f32[1,2]", ""},
    {NNC_OP_slice, "%y = slice %d [start=[n-1, 0], step=[-1, 1]] : f32[n,3]", ""},
    {NNC_OP_slice, "%y = slice %a [start=[0, 0], step=[1, 2]] : f32[2,3]",
     "slice: dim 1: 3 elements from 0 with step 2 leave f32[2,3]"},
    {NNC_OP_slice, "%y = slice %a [start=[0, 0], step=[0, 1]] : f32[2,3]",
     "slice: the step of dim 0 is 0"},
    {NNC_OP_slice, "%y = slice %a [start=[0], step=[1]] : f32[2,3]",
     "slice: start has 1 entries, needs 2"},
    {NNC_OP_pad, "%y = pad %a, %s [lo=[1, 0], hi=[0, n], mode=constant] : f32[3,n+3]", ""},
    {NNC_OP_pad, "%y = pad %a, 0:i32 [lo=[1, 0], hi=[0, 0], mode=constant] : f32[3,3]",
     "pad: the padding value has type i32[], needs f32"},
    {NNC_OP_pad, "%y = pad %a, %s [lo=[-1, 0], hi=[0, 0], mode=constant] : f32[1,3]",
     "pad: dim 0: a negative padding (-1, 0)"},
    {NNC_OP_pad, "%y = pad %a, %s [lo=[1, 0], hi=[0, 0], mode=sum] : f32[3,3]",
     "pad: mode sum, must be constant"},
    {NNC_OP_concat, "%y = concat %a, %d, %z [axis=0] : f32[n+z+2,3]", ""},
    {NNC_OP_concat, "%y = concat %a, %b [axis=0] : f32[5,3]",
     "concat: f32[2,3] and f32[3,4] differ in more than axis 0"},
    {NNC_OP_iota, "%y = iota [axis=1] : i32[2,n]", ""},
    {NNC_OP_iota, "%y = iota [axis=2] : i32[2,n]",
     "iota: axis is 2, must be from 0 to 1 for rank 2"},
    {NNC_OP_gather, "%y = gather %a, %i [axis=1, batch_dims=0] : f32[2,5]", ""},
    {NNC_OP_gather, "%y = gather %a, %j [axis=1, batch_dims=1] : f32[2,3]", ""},
    {NNC_OP_gather, "%y = gather %x3, %j [axis=1] : f32[7,2,3,3]", ""},
    {NNC_OP_gather, "%y = gather %a, %a [axis=0] : f32[2,3]",
     "gather: the indices have type f32[2,3], need i64 or i32"},
    {NNC_OP_gather, "%y = gather %r8, %j [axis=0] : f32[2,3]",
     "has rank 9, at most 8 is supported"},
    {NNC_OP_gather, "%y = gather %a, %i [axis=1, batch_dims=1] : f32[2]",
     "gather: batch dim 0 of f32[2,3] and i64[5] differs"},
    {NNC_OP_gather_elements, "%y = gather_elements %a, %j [axis=0] : f32[2,3]", ""},
    {NNC_OP_gather_elements, "%y = gather_elements %a, %i [axis=0] : f32[2,3]",
     "gather_elements: indices i64[5] for f32[2,3] along axis 0"},
    {NNC_OP_gather_nd, "%y = gather_nd %x3, %nd [batch_dims=0] : f32[5,3]", ""},
    {NNC_OP_gather_nd, "%y = gather_nd %v, %nd [batch_dims=0] : f32[5]",
     "gather_nd: i64[5,2] indexes 2 dims of f32[3] behind 0 batch dims"},
    {NNC_OP_scatter_elements, "%y = scatter_elements %a, %j, %a [axis=1, reduction=add] : f32[2,3]",
     ""},
    {NNC_OP_scatter_elements, "%y = scatter_elements %a, %j, %v [axis=1] : f32[2,3]",
     "scatter_elements: f32[2,3] with indices i64[2,3] and updates f32[3]"},
    {NNC_OP_scatter_elements, "%y = scatter_elements %a, %j, %a [axis=1, reduction=sum] : f32[2,3]",
     "reduction sum, must be none, add"},
    {NNC_OP_scatter_nd, "%y = scatter_nd %e, %nd, %i [reduction=none] : f32[n,m]",
     "scatter_nd: updates i64[5] for f32[n,m]: the dtypes must be equal"},
    {NNC_OP_scatter_nd, "%y = scatter_nd %j, %nd, %i [reduction=mul] : i64[2,3]", ""},
    {NNC_OP_dynamic_slice, "%y = dynamic_slice %a, %st : f32[1,2]", ""},
    {NNC_OP_dynamic_slice, "%y = dynamic_slice %a, %st : f32[3,2]",
     "dynamic_slice: a window f32[3,2] of f32[2,3] at i64[2]"},
    {NNC_OP_dynamic_slice, "%y = dynamic_slice %a, %count : f32[1,2]",
     "dynamic_slice: start has type i64[], needs i64 of rank 1"},
    {NNC_OP_dynamic_update_slice, "%y = dynamic_update_slice %a, %a, %st : f32[2,3]", ""},
    {NNC_OP_dynamic_update_slice, "%y = dynamic_update_slice %a, %b, %st : f32[2,3]",
     "a window f32[3,4] of f32[2,3] at i64[2]"},
    {NNC_OP_prefix, "%y = prefix %a, %count [axis=0] : f32[z,3]", ""},
    {NNC_OP_prefix, "%y = prefix %a, %count [axis=0] : f32[9,3]",
     "prefix: f32[9,3] is no prefix of f32[2,3] along axis 0"},
    {NNC_OP_extent, "%y = extent [dim=2*n] : i64[]", ""},
    {NNC_OP_extent, "%y = extent : i64[]", "extent: the attribute dim is missing"},
    {NNC_OP_extent, "%y = extent [dim=n] : f32[]", "extent: makes f32[], must make i64[]"},
    /* reductions and contractions */
    {NNC_OP_reduce, "%y = reduce %x3 [kind=sum, axes=[0, 2], keep=1] : f32[1,2,1]", ""},
    {NNC_OP_reduce, "%y = reduce %x3 [kind=max, axes=[1]] : f32[7,3]", ""},
    {NNC_OP_reduce, "%y = reduce %flags [kind=or, axes=[0, 1]] : bool[]", ""},
    {NNC_OP_reduce, "%y = reduce %flags [kind=sum, axes=[0]] : bool[3]",
     "reduce: kind sum of bool[2,3]"},
    {NNC_OP_reduce, "%y = reduce %a [kind=add, axes=[0]] : f32[3]",
     "reduce: kind 'add', must be sum, prod"},
    {NNC_OP_reduce, "%y = reduce %a [kind=sum, axes=[2]] : f32[3]",
     "reduce: axes names axis 2 of rank 2"},
    {NNC_OP_argreduce, "%y = argreduce %a [kind=min, axis=1, keep=1] : i64[2,1]", ""},
    {NNC_OP_argreduce, "%y = argreduce %a [kind=sum, axis=1] : i64[2]",
     "argreduce: kind 'sum', must be max or min"},
    {NNC_OP_cumulate, "%y = cumulate %d [kind=add, axis=0] : f32[n,3]", ""},
    {NNC_OP_cumulate, "%y = cumulate %d [kind=max, axis=0] : f32[n,3]",
     "cumulate: kind 'max', must be add or mul"},
    {NNC_OP_window_reduce,
     "%y = window_reduce %img [kind=max, size=[1, 1, 3, 3], stride=[1, 1, 2, 2], dilation=[1, 1, "
     "1, 2], "
     "lo=[0, 0, 1, 0], hi=[0, 0, 1, 0]] : f32[1,4,4,3]",
     ""},
    {NNC_OP_window_reduce,
     "%y = window_reduce %d [kind=sum, size=[2, 1], stride=[2, 1], dilation=[1, 1], lo=[0, 0], "
     "hi=[0, 0]] : "
     "f32[floordiv(n,2),3]",
     ""},
    {NNC_OP_window_reduce,
     "%y = window_reduce %z [kind=sum, size=[4, 1], stride=[1, 1], dilation=[1, 1], lo=[0, 0], "
     "hi=[0, 0]] : "
     "f32[max(z-3,0),3]",
     ""},
    {NNC_OP_window_reduce,
     "%y = window_reduce %a [kind=sum, size=[0, 1], stride=[1, 1], dilation=[1, 1], lo=[0, 0], "
     "hi=[0, 0]] : f32[2,3]",
     "window_reduce: size 0 is 0, must be from 1"},
    {NNC_OP_window_argmax,
     "%y = window_argmax %a [size=[1, 2], stride=[1, 1], dilation=[1, 1], lo=[0, 0], hi=[0, 0]] : "
     "i64[2,2]",
     ""},
    {NNC_OP_window_argmax, "%y = window_argmax %a [size=[1, 2]] : i64[2,2]",
     "window_argmax: stride has 0 entries, needs 2"},
    {NNC_OP_dot, "%y = dot %a, %b [contract_a=[1], contract_b=[0]] : f32[2,4]", ""},
    {NNC_OP_dot,
     "%y = dot %x3, %y3 [batch_a=[0], batch_b=[0], contract_a=[2], contract_b=[1]] : f32[7,2,5]",
     ""},
    {NNC_OP_dot, "%y = dot %u8, %i8 [contract_a=[1], contract_b=[0]] : i32[2,4]", ""},
    {NNC_OP_dot, "%y = dot %a, %b [contract_a=[0], contract_b=[0]] : f32[3,4]",
     "dot: axis 0 of f32[2,3] is no match for axis 0 of f32[3,4]"},
    {NNC_OP_dot, "%y = dot %u8, %i8 [contract_a=[1], contract_b=[0]] : u8[2,4]",
     "dtypes must be equal, or integers of up to 16 bits to i32"},
    {NNC_OP_dot, "%y = dot %a, %b [contract_a=[1], contract_b=[]] : f32[2,4]",
     "contract_a has 1 entries, contract_b has 0"},
    {NNC_OP_dot,
     "%y = dot %x3, %y3 [batch_a=[0], batch_b=[0], contract_a=[0], contract_b=[0]] : f32[7]",
     "both a batch and a contracted one"},
    {NNC_OP_conv,
     "%y = conv %img, %w [stride=[2, 1], lo=[1, 1], hi=[1, 1], dilation=[1, 2], lhs_dilation=[1, "
     "1], groups=2, layout=nchw]"
     " : f32[1,6,4,7]",
     ""},
    {NNC_OP_conv,
     "%y = conv %img2, %w2 [stride=[1, 1], lo=[-1, 0], hi=[0, 0], dilation=[1, 1], "
     "lhs_dilation=[2, 1], groups=2, layout=nhwc]"
     " : f32[1,12,7,6]",
     ""},
    {NNC_OP_conv,
     "%y = conv %img, %w [stride=[2, 1], lo=[1, 1], hi=[1, 1], dilation=[1, 2], lhs_dilation=[1, "
     "1], groups=1, layout=nchw]"
     " : f32[1,6,4,7]",
     "conv: x f32[1,4,8,9] has 4 channels, w f32[6,2,3,3] with groups=1 needs 2"},
    {NNC_OP_conv, "%y = conv %a, %w : f32[1]",
     "conv: x f32[2,3] and w f32[6,2,3,3]: both need rank 3, 4 or 5"},
    {NNC_OP_sort, "%y, %p = sort %a, %j [axis=1] : f32[2,3], i64[2,3]", ""},
    {NNC_OP_sort, "%y, %p = sort %a, %i [axis=1] : f32[2,3], i64[5]",
     "sort: keys f32[2,3] and values i64[5] have different shapes"},
    {NNC_OP_topk, "%y, %p = topk %a [k=2, axis=1, largest=1] : f32[2,2], i64[2,2]", ""},
    {NNC_OP_topk, "%y, %p = topk %a [k=4, axis=1, largest=1] : f32[2,4], i64[2,4]",
     "topk: k is 4, axis 1 of f32[2,3] has fewer"},
    {NNC_OP_compact, "%y, %p = compact %a, %mask : f32[2,3], i64[]", ""},
    {NNC_OP_compact, "%y, %p = compact %b, %mask : f32[3,4], i64[]",
     "compact: the mask bool[2] does not fit f32[3,4]"},
    {NNC_OP_rng_bits, "%y = rng_bits %k : u32[5,n]", ""},
    {NNC_OP_rng_bits, "%y = rng_bits %i : u32[5]",
     "rng_bits: the key has type i64[5], needs u32[2] or u32[b.., 2]"},
    {NNC_OP_rng_bits, "%y = rng_bits %ks : u32[3,n]", ""},
    {NNC_OP_rng_bits, "%y = rng_bits %ks : u32[4,n]",
     "rng_bits: makes u32[4,n] from u32[3,2], must make u32[b.., ..] from u32[b.., 2]"},
    {NNC_OP_fold_key, "%y = fold_key %k [site=1, domain=1] : u32[2]", ""},
    {NNC_OP_fold_key, "%y = fold_key %k, %i, %count [site=1, domain=131073] : u32[5,2]", ""},
    {NNC_OP_fold_key, "%y = fold_key %ks, %count [site=1, domain=65537] : u32[3,2]", ""},
    {NNC_OP_fold_key, "%y = fold_key %ks, %i [site=1, domain=1] : u32[3,2]",
     "fold_key: the index i64[5] does not fit the keys u32[3,2]"},
    {NNC_OP_fold_key, "%y = fold_key %k, %a [site=1, domain=1] : u32[2]",
     "fold_key: an index has type f32[2,3], needs i64"},
    {NNC_OP_fold_key, "%y = fold_key %k [site=-1, domain=1] : u32[2]",
     "fold_key: site is -1, must be from 0 to 4294967295"},
    {NNC_OP_fold_key, "%y = fold_key %k [site=1, domain=4294967296] : u32[2]",
     "fold_key: domain is 4294967296, must be from 0 to 4294967295"},
    {NNC_OP_host, "%y, %p = host %a, %i [id=3] : f32[n,4], bool[]", ""},
    {NNC_OP_host, "%y = host %a : f32[2]", "host: needs the number of a function, [id=0] or more"},
    {NNC_OP_state, "state %a [index=0]", ""},
    {NNC_OP_state, "state %a, %a [index=0]", ""},
    {NNC_OP_state, "state %a", "state: needs the result that is its next value, [index=0] or more"},
    {NNC_OP_state, "state %a, %b [index=0]", "state: begins as f32[3,4], but is f32[2,3]"},
    {NNC_OP_state, "state 1.0:f32 [index=0]", "state: only an argument of the entry can be state"},
    {NNC_OP_check, "check %t [message=\"m\"]", ""},
    {NNC_OP_check, "check %flags [message=\"m\"]",
     "check: the condition has type bool[2,3], needs a bool scalar"},
    {NNC_OP_nms, "%y, %p = nms %bx, %sc, %count, %s, %s [size=3] : i64[6,3], i64[]", ""},
    {NNC_OP_nms, "%y, %p = nms %bx, %bx, %count, %s, %s [size=3] : i64[6,3], i64[]",
     "nms: boxes f32[1,7,4] and scores f32[1,7,4], need [b,n,4]"},
    /* composites */
    {NNC_OP_softmax, "%y = softmax %d [axis=1] : f32[n,3]", ""},
    {NNC_OP_softmax, "%y = softmax %j [axis=1] : i64[2,3]",
     "softmax: operand 0 has type i64[2,3], needs a float"},
    {NNC_OP_log_softmax, "%y = log_softmax %d [axis=0] : f32[n,3]", ""},
    {NNC_OP_log_softmax, "%y = log_softmax %d [axis=2] : f32[n,3]", "log_softmax: axis is 2"},
    {NNC_OP_layer_norm, "%y = layer_norm %d [axis=1, eps=0.1] : f32[n,3]", ""},
    {NNC_OP_layer_norm, "%y = layer_norm %s [axis=0, eps=0.1] : f32[]",
     "layer_norm: axis is 0, must be from 0 to -1"},
    {NNC_OP_quantize, "%y = quantize %a, %s, %q0 : u8[2,3]", ""},
    {NNC_OP_quantize, "%y = quantize %a, %sv, %q0 [axis=0] : u8[2,3]", ""},
    {NNC_OP_quantize, "%y = quantize %a, %sb, %qb [axis=1, block=2] : u8[2,3]", ""},
    {NNC_OP_quantize, "%y = quantize %a, %sv, %q0 [axis=1] : u8[2,3]",
     "scale or zero f32[2] does not fit f32[2,3] along axis 1"},
    {NNC_OP_quantize, "%y = quantize %a, %s, %q0 : i8[2,3]",
     "quantize: zero has type u8[], the result is i8"},
    {NNC_OP_dequantize, "%y = dequantize %u8, %sv, %q0 [axis=0] : f32[2,3]", ""},
    {NNC_OP_dequantize, "%y = dequantize %u8, %sv, 0:i8 [axis=0] : f32[2,3]",
     "dequantize: zero has type i8[] beside u8[2,3]"},
    {NNC_OP_dequantize, "%y = dequantize %u8, %q0, %q0 : f32[2,3]",
     "dequantize: the scale has type u8[], needs a float"},
    {NNC_OP_gelu, "%y = gelu %a : f32[2,3]", ""},
    {NNC_OP_softplus, "%y = softplus %j : i64[2,3]",
     "softplus: operand 0 has type i64[2,3], needs a float"},
    {NNC_OP_softplus, "%y = softplus %h : f16[2,3]", ""},
    /* control */
    {NNC_OP_yield, "", ""},
    {NNC_OP_call, "%y = call %a [callee=\"callee\"] : f32[2,3]", ""},
    {NNC_OP_call, "%y = call %b [callee=\"callee\"] : f32[2,3]",
     "call: operand 0 is f32[3,4] beside f32[2,3]"},
    {NNC_OP_call, "%y = call %b [callee=\"nobody\"] : f32[2,3]",
     "call: there is no graph 'nobody'"},
    {NNC_OP_if, "%y = if %t : f32[2,3] {\nyield %a\n} {\nyield %a\n}", ""},
    {NNC_OP_if, "%y = if %t : f32[2,3] {\nyield %a\n} {\nyield %b\n}",
     "if: result 0 is f32[2,3] beside f32[3,4]"},
    {NNC_OP_if, "%y = if %s : f32[2,3] {\nyield %a\n} {\nyield %a\n}",
     "if: the condition has type f32[], needs a bool scalar"},
    {NNC_OP_while,
     "%y = while %a : f32[2,3] (%p: f32[2,3]) {\nyield %t\n} (%p: f32[2,3]) {\nyield %p\n}", ""},
    {NNC_OP_while,
     "%y = while %a : f32[2,3] (%p: f32[2,3]) {\nyield %p\n} (%p: f32[2,3]) {\nyield %p\n}",
     "must yield one bool scalar"},
    {NNC_OP_while,
     "%y = while %a : f32[2,3] (%p: f32[2,3]) {\nyield %t\n} (%p: f32[2,3]) {\nyield %v\n}",
     "carried value 0 is f32[2,3] beside f32[3]"},
    {NNC_OP_scan,
     "%y, %p = scan %v, %a [carried=1, trips=2] : f32[3], f32[2,3] (%t0: i64[], %c: f32[3], %x: "
     "f32[3]) {\nyield %c, %x\n}",
     ""},
    {NNC_OP_scan,
     "%y, %p = scan %v, %a [carried=1, trips=3] : f32[3], f32[2,3] (%t0: i64[], %c: f32[3], %x: "
     "f32[3]) {\nyield %c, %x\n}",
     "scan: operand 1 is f32[2,3], its slice f32[3], trips 3"},
    {NNC_OP_scan,
     "%y, %p = scan %v, %a [carried=1, trips=2] : f32[3], f32[2,3] (%c: f32[3], %x: f32[3]) "
     "{\nyield %c, %x\n}",
     "scan: region 0 has 2 arguments, needs 3"},
    {NNC_OP_fused, "%y = fused %a : f32[2,3] (%p: f32[2,3]) {\nyield %p\n}", ""},
    {NNC_OP_fused, "%y = fused %a : f32[2,3] (%p: f32[3]) {\nyield %a\n}",
     "fused: block argument 0 is f32[3] beside f32[2,3]"},
    /* derivatives */
    {NNC_OP_leaf, "%y = leaf %d : f32[n,3]", ""},
    {NNC_OP_leaf, "%y = leaf %j : i64[2,3]", "leaf: operand 0 has type i64[2,3], needs a float"},
    {NNC_OP_stop_grad, "%y = stop_grad %h : f16[2,3]", ""},
    {NNC_OP_stop_grad, "%y = stop_grad %t : bool[]",
     "stop_grad: operand 0 has type bool[], needs a float"},
    {NNC_OP_grad, "%y, %q = grad %s, %a, %v : f32[2,3], f32[3]", ""},
    {NNC_OP_grad, "%y = grad %a, %a : f32[2,3]",
     "grad: the value to differentiate has type f32[2,3], needs a scalar"},
    {NNC_OP_grad, "%y = grad %s, %j : i64[2,3]",
     "grad: a leaf has type i64[2,3]: derivatives need floating point"},
    {NNC_OP_grad, "%y, %q = grad %s, %v : f32[3], f32[3]", "grad: has 2 results, needs 1"},
    {NNC_OP_vjp, "%y, %q = vjp %a, %a, %b, %v : f32[3,4], f32[3]", ""},
    {NNC_OP_vjp, "%y = vjp %a, %v, %a, %v, %b [outputs=2] : f32[3,4]", ""},
    {NNC_OP_vjp, "%y = vjp %a, %v, %b : f32[3,4]",
     "vjp: operands 0 and 1 have types f32[2,3] and f32[3], must agree"},
    {NNC_OP_vjp, "%y = vjp %a, %a, %b [outputs=2] : f32[3,4]", "vjp: outputs is 2 of 3 operands"},
    {NNC_OP_jvp, "%y = jvp %a, %b, %v, %b, %v : f32[2,3]", ""},
    {NNC_OP_jvp, "%y, %q = jvp %a, %s, %b, %b [outputs=2] : f32[2,3], f32[]", ""},
    {NNC_OP_jvp, "%y = jvp %a, %b, %v, %b : f32[2,3]",
     "jvp: 3 leaves and tangents, must come in pairs"},
    {NNC_OP_jvp, "%y = jvp %a, %b, %v : f32[2,3]",
     "jvp: operands 1 and 2 have types f32[3,4] and f32[3], must agree"},
    {NNC_OP_custom_grad,
     "%y, %r = custom_grad %a, %j [results=1] : f32[2,3], f32[3] (%p: f32[2,3], %q: i64[2,3]) "
     "{\nyield %p, %v\n} (%dy: f32[2,3], %p: f32[2,3], %q: i64[2,3], %t0: f32[3]) {\nyield "
     "%dy\n}",
     ""},
    {NNC_OP_custom_grad,
     "%y = custom_grad %a, %v [results=1, wrt=[1]] : f32[2,3] (%p: f32[2,3], %q: f32[3]) {\nyield "
     "%p\n} (%dy: f32[2,3], %p: f32[2,3], %q: f32[3]) {\nyield %q\n}",
     ""},
    {NNC_OP_custom_grad,
     "%y = custom_grad %a [results=1] : f32[2,3] (%p: f32[2,3]) {\nyield %p\n} (%dy: f32[2,3]) "
     "{\nyield %dy\n}",
     "custom_grad: region 1 has 1 arguments, needs more"},
    {NNC_OP_custom_grad,
     "%y = custom_grad %a [results=1] : f32[2,3] (%p: f32[2,3]) {\nyield %p\n} (%dy: f32[2,3], "
     "%p: f32[2,3]) {\nyield %v\n}",
     "custom_grad: region 1 must yield, as value 0, f32[2,3] for operand 0"},
    {NNC_OP_custom_grad,
     "%y = custom_grad %a [results=2] : f32[2,3] (%p: f32[2,3]) {\nyield %p\n} (%dy: f32[2,3], "
     "%p: f32[2,3]) {\nyield %dy\n}",
     "custom_grad: region 0 yields 1 values for 1 results, of which 2"},
};

/* The last op of @f before its yield. */
static nnc_op op_of(ir_test *t, nnc_opcode code)
{
    nnc_op f = nnc_func_find(t->m, "f");
    nnc_op op = nnc_block_last(t->m, nnc_op_region(t->m, f, 0));
    return code == NNC_OP_yield ? op : nnc_op_prev(t->m, op);
}

static void check_case(nnc_opcode code, const char *line, const char *said)
{
    char text[4096];
    nnc_status s;
    snprintf(text, sizeof text, "%s%s\nyield\n}\n", PARAMETERS, line);
    ir_test *t = ir_read(text, &s);
    if (s == NNC_OK) {
        nnc_type out[4];
        nnc_op op = op_of(t, code);
        CHECK_INT(nnc_op_code(t->m, op), code);
        s = nnc_infer(t->m, op, out);
        for (unsigned i = 0; s == NNC_OK && i < nnc_op_nout(t->m, op); i++)
            CHECK_STR(nnc_print_type(t->m, out[i]),
                      nnc_print_type(t->m, nnc_value_type(t->m, nnc_op_out(t->m, op, i))));
    }
    test_state.checks++;
    if (*said ? s == NNC_OK || !strstr(t->said, said) : s != NNC_OK)
        test_failed(__FILE__, __LINE__, "%s\n  said:     %s\n  expected: %s", line, t->said,
                    *said ? said : "nothing");
    ir_free(t);
}

static void every_case(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_case(cases[i].code, cases[i].line, cases[i].said);
}

/* Elementwise codes share few inferences; each is tried on what it takes. */
static void every_elementwise_op(void)
{
    char line[200];
    for (int code = 1; code < NNC_OP_COUNT; code++) {
        const nnc_op_info *info = &nnc_op_infos[code];
        if (!(info->levels & NNC_LEVEL_G) || !(info->traits & NNC_ELEMENTWISE) || info->nin > 2 ||
            code == NNC_OP_cast || code == NNC_OP_bitcast)
            continue;
        bool pred = code == NNC_OP_eq || code == NNC_OP_lt || code == NNC_OP_le ||
                    code == NNC_OP_isnan || code == NNC_OP_isinf;
        bool bits = code == NNC_OP_not || code == NNC_OP_and || code == NNC_OP_or ||
                    code == NNC_OP_xor || code == NNC_OP_shl || code == NNC_OP_shr;
        snprintf(line, sizeof line, "%%y = %s %s%s : %s[2,3]", info->name, bits ? "%j" : "%a",
                 info->nin == 2 ? (bits ? ", 1:i64" : ", %v") : "",
                 pred   ? "bool"
                 : bits ? "i64"
                        : "f32");
        check_case((nnc_opcode)code, line, "");
    }
}

/* A row of ops.def without a case here is a gap. */
static void every_op_is_tried(void)
{
    for (int code = 1; code < NNC_OP_COUNT; code++) {
        const nnc_op_info *info = &nnc_op_infos[code];
        bool right = false, wrong = false,
             simple = info->traits & NNC_ELEMENTWISE && info->nin <= 2;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
            if (cases[i].code == (nnc_opcode)code)
                *(*cases[i].said ? &wrong : &right) = true;
        test_state.checks++;
        if (info->levels & NNC_LEVEL_G && !simple && (!right || (!wrong && code != NNC_OP_yield)))
            test_failed(__FILE__, __LINE__, "'%s' has no %s case", info->name,
                        right ? "failing" : "passing");
    }
}

static void broadcasting_follows_numpy(void)
{
    ir_test *t = ir_new();
    nnc_dims *d = t->m->dims;
    nnc_dim n = nnc_dim_symbol(d, nnc_sym_put(t->m, "n"), 2, 8),
            big = nnc_dim_symbol(d, nnc_sym_put(t->m, "big"), 10, 20);
    static const struct {
        int ra;
        int64_t a[3];
        int rb;
        int64_t b[3];
        int r;
        int64_t out[3];
    } ok[] = {
        {0, {0}, 2, {3, 4}, 2, {3, 4}},    {1, {4}, 2, {3, 4}, 2, {3, 4}},
        {2, {3, 1}, 2, {1, 4}, 2, {3, 4}}, {2, {0, 1}, 1, {5}, 2, {0, 5}},
        {1, {1}, 1, {0}, 1, {0}},
    };
    nnc_dim out[NNC_MAX_RANK];
    int r;
    for (size_t i = 0; i < sizeof ok / sizeof ok[0]; i++) {
        CHECK(nnc_broadcast_dims(d, ok[i].ra, ok[i].a, ok[i].rb, ok[i].b, &r, out));
        CHECK_INT(r, ok[i].r);
        for (int k = 0; k < r; k++)
            CHECK_INT(out[k], ok[i].out[k]);
    }
    CHECK(nnc_broadcast_dims(d, 1, &n, 1, (nnc_dim[]){5}, &r, out));
    CHECK_INT(out[0], 5);
    CHECK(nnc_broadcast_dims(d, 1, &n, 1, (nnc_dim[]){1}, &r, out));
    CHECK_INT(out[0], n);
    CHECK(!nnc_broadcast_dims(d, 1, &n, 1, (nnc_dim[]){9}, &r, out));
    CHECK(!nnc_broadcast_dims(d, 1, &n, 1, &big, &r, out));
    CHECK(!nnc_broadcast_dims(d, 1, (nnc_dim[]){3}, 1, (nnc_dim[]){2}, &r, out));
    ir_free(t);
}

int main(void)
{
    RUN(every_case);
    RUN(every_elementwise_op);
    RUN(every_op_is_tried);
    RUN(broadcasting_follows_numpy);
    return test_end();
}
