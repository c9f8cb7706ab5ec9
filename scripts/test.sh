#!/bin/sh
# Run CTest in a build folder and end with its count, whatever the outcome:  test.sh FOLDER CTEST-OPTIONS...
folder=$1; shift
log=$folder/test.log
rm -f "$folder/test.status"
{ ctest --test-dir "$folder" --output-on-failure --no-label-summary "$@"; echo $? >"$folder/test.status"; } | tee "$log"
grep -E 'tests? passed, .* out of|No tests were found' "$log" | tail -1
exit "$(cat "$folder/test.status")"
