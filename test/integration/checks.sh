# What tests in bash share: sourced, it gives check, finish and a folder $work that goes away with the test.
# shellcheck shell=bash

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

check() { # name, command…
    local name=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $name"
    else
        failed=$((failed + 1))
        echo "FAILED  $name"
        cat "$work/output"
    fi
}

finish() {
    echo "$passed passed, $failed failed"
    ((failed == 0))
}
