#!/usr/bin/env python3
"""Write frontend/onnx/schema.def from the schemas of the installed `onnx` package.

Run it once when a new ONNX release is to be supported, and commit the result; building nnc needs no Python.
When `onnxruntime` is installed as well, its com.microsoft operators are added.

    python3 scripts/gen_onnx_schema.py > frontend/onnx/schema.def
"""
import re
import sys

import onnx
from onnx import defs

ELEMS = {k.lower(): v for k, v in onnx.TensorProto.DataType.items()}
KIND = {"Single": "ONE", "Optional": "OPT"}


def type_bits(types):
    """Bit n: tensor of element type n; 32 + n: sequence of them; 61 optional, 62 map or opaque, 63 sparse."""
    bits = 0
    for t in types:
        m = re.fullmatch(r"tensor\((\w+)\)", t)
        s = re.fullmatch(r"seq\(tensor\((\w+)\)\)", t)
        if m:
            bits |= 1 << ELEMS[m[1]]
        elif s:
            bits |= 1 << (32 + ELEMS[s[1]])
        elif t.startswith("optional("):
            bits |= 1 << 61
        elif t.startswith("sparse_tensor("):
            bits |= 1 << 63
        else:
            bits |= 1 << 62
    return bits


def params_of(schema, params, variables):
    known = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
    for p in params:
        text = p.typeStr if hasattr(p, "typeStr") else p.type_str
        types = known.get(text, [text])
        var = variables.setdefault(text, len(variables) + 1) if text in known else 0
        option = str(p.option).split(".")[-1]
        homogeneous = getattr(p, "isHomogeneous", getattr(p, "is_homogeneous", True))
        kind = KIND.get(option) or ("VAR" if homogeneous else "ANY")
        yield f'PARAM("{p.name}", {kind}, {var}, 0x{type_bits(types):x})'


def schemas():
    found = {(s.domain, s.name, s.since_version): s for s in defs.get_all_schemas_with_history()}
    note = f"onnx {onnx.__version__} (opset {defs.onnx_opset_version()})"
    try:
        import onnxruntime
        from onnxruntime.capi import _pybind_state
        for s in _pybind_state.get_all_operator_schema():
            if s.domain == "com.microsoft":
                found[s.domain, s.name, s.since_version] = s
        note += f" and onnxruntime {onnxruntime.__version__} (com.microsoft)"
    except ImportError:
        print("onnxruntime is not installed: no com.microsoft operators", file=sys.stderr)
    return found, note


def main():
    found, note = schemas()
    param_at = attr_at = 0
    print(f"""/* frontend/onnx/schema.def - made by scripts/gen_onnx_schema.py from {note}; do not edit.
 *
 * SCHEMA(domain, op, since, min_in, max_in, min_out, max_out, removed, param, nin, nout, attr, nattr)
 *   one per operator and version, sorted; 2147483647 means any number.  `param` and `attr` are the positions of its
 *   first PARAM and ATTR row below; inputs come first, then outputs.
 * PARAM(name, kind, var, types)
 *   kind: ONE, OPT (may be left out), VAR (any number, one type), ANY (any number, each its own type);
 *   var: params of one operator with the same non-zero number have the same type;
 *   types: bit n = tensor of element type n (elem.def), 32 + n = sequence of such, 61 optional, 62 map, 63 sparse.
 * ATTR(name, kind, required) */
#ifndef SCHEMA
#define SCHEMA(...)
#endif
#ifndef PARAM
#define PARAM(...)
#endif
#ifndef ATTR
#define ATTR(...)
#endif
""")
    for (domain, name, since), s in sorted(found.items()):
        variables = {}
        ins = list(params_of(s, s.inputs, variables))
        outs = list(params_of(s, s.outputs, variables))
        attrs = sorted(s.attributes.items())
        print(f'SCHEMA("{domain}", "{name}", {since}, {s.min_input}, {s.max_input}, {s.min_output}, {s.max_output}, '
              f"{int(s.deprecated)}, {param_at}, {len(ins)}, {len(outs)}, {attr_at}, {len(attrs)})")
        for row in ins + outs:
            print("  " + row)
        for key, a in attrs:
            kind = str(a.type).split(".")[-1].lower()
            kind = {"sparse_tensor": "sparse", "sparse_tensors": "sparses", "type_proto": "type",
                    "type_protos": "types"}.get(kind, kind)
            print(f'  ATTR("{key}", {kind}, {int(a.required)})')
        param_at += len(ins) + len(outs)
        attr_at += len(attrs)
    print("#undef SCHEMA\n#undef PARAM\n#undef ATTR")


main()
