#!/bin/sh
# The generated pages of docs/: operators.md from the importer's table, ir-ops.md from ir/ops.def,
# builtins.md from frontend/nn/builtins*.def.
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

# A row B(name, "statics", "args", function, "text"): name[statics](args) and the text.
builtin_rows() {
    sed 's/\\"/@Q@/g' "$@" |
        sed -n -e 's|^/\* ---- \(.*\) ---- \*/$|#\1|p' \
            -e 's/^CONSTANT(\([a-z_0-9]*\), *[a-z_0-9]*, *"\([^"]*\)")$/\1;;-;\2/p' \
            -e 's/^[A-Z]*(\([a-z_0-9]*\), *"\([^"]*\)", *"\([^"]*\)", *[a-z_0-9]*, *"\([^"]*\)")$/\1;\2;\3;\4/p' |
        sed 's/@Q@/"/g' |
        awk -F';' '
            function list(s) { gsub(/!/, "", s); gsub(/ /, ", ", s); gsub(/=/, " = ", s); return s }
            /^#/ { printf "\n## %s\n\n| call | meaning |\n|---|---|\n", toupper(substr($0, 2, 1)) substr($0, 3); next }
            {
                text = $4
                for (i = 5; i <= NF; i++) text = text ";" $i
                gsub(/\|/, "\\|", text)
                call = $1 ($2 != "" ? "[" list($2) "]" : "") ($3 != "-" ? "(" list($3) ")" : "")
                printf "| `%s` | %s |\n", call, text
            }'
}

{
    echo "# Builtins of the language"
    echo
    echo "Written by \`make docs\` from \`frontend/nn/builtins*.def\`. Brackets hold what must be known while compiling; \`?\` may"
    echo "be left out, \`..\` takes any number. Elementwise functions, and reductions with an axis, go through records leaf by leaf."
    builtin_rows frontend/nn/builtins.def
    for part in model grad text effect; do
        case $part in
        model) title="Models and code" ;;
        grad) title="Gradients and transforms" ;;
        text) title="Readers and strings" ;;
        effect) title="Effects" ;;
        esac
        grep -q '^/\* ----' "frontend/nn/builtins_$part.def" ||
            printf '\n## %s\n\n| call | meaning |\n|---|---|\n' "$title"
        builtin_rows "frontend/nn/builtins_$part.def"
    done
} >docs/builtins.md
