#!/bin/sh
# The generated pages of docs/: operators.md from the importer's table, ir-ops.md from ir/ops.def.
set -eu
cd "$(dirname "$0")/.."
nnc=${NNC:-$PWD/build/release/nnc}

{
    echo "# Operators"
    echo
    echo "Written by \`make docs\` from \`nnc ops\`: every ONNX operator that can be imported."
    echo
    "$nnc" ops | sed 's/^/    /'
} >docs/operators.md

{
    echo "# Operations of the IR"
    echo
    echo "Written by \`make docs\` from \`ir/ops.def\`, where the columns are explained. Levels: G tensor graph, K kernel, M module."
    echo
    echo "| op | levels | operands | results | meaning |"
    echo "|---|---|---|---|---|"
    sed -n 's/^OP(\([a-z0-9_]*\), *\([A-Z|]*\), *\([^,]*\), *\([^,]*\),.*, *"\(.*\)") *$/\1;\2;\3;\4;\5/p' ir/ops.def |
        while IFS=';' read -r name levels operands results text; do
            printf '| `%s` | %s | %s | %s | %s |\n' "$name" "$(echo "$levels" | tr '|' ' ')" "$operands" "$results" \
                "$(printf '%s' "$text" | sed 's/|/\\|/g')"
        done
} >docs/ir-ops.md
