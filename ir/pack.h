/* ir/pack.h - the bytes of a K `const`: weights in the layout in which a kernel reads them.
 *
 * A plain const is a window of its blob: [blob, at].  A packed one also has
 *   src_axis[d], src_mult[d]     packed dimension d walks the logical axis src_axis[d] in steps of src_mult[d]:
 *                                coordinate[src_axis[d]] += src_mult[d] * index[d]
 *   src_extent[a], src_stride[a] size of logical axis a, and its step in the source (elements, may be negative)
 *   offset                       source element of logical coordinate 0, 0, .. (elements from `at`; default 0)
 * A cell of several elements (a vector of `lanes`, u8q, i8q) has one more entry in src_axis and src_mult, for the
 * element within the cell.  Elements with a logical coordinate >= its extent are zero: the padding of partial tiles.
 * Packed buffers are dense and their dimensions constant.  Little-endian, as blobs are. */
#ifndef NNC_IR_PACK_H
#define NNC_IR_PACK_H
#include "ir/module.h"

/* Bytes of the const's buffer type. */
size_t nnc_const_bytes(const nnc_module *m, nnc_op op);
bool nnc_const_is_packed(const nnc_module *m, nnc_op op);
/* Write nnc_const_bytes(m, op) bytes.  Attributes that contradict the type or reach outside the blob give a
 * diagnostic. */
nnc_status nnc_const_pack(nnc_module *m, nnc_op op, void *out);
#endif
