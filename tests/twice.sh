# To be sourced.

# Runs a command, once more where it fails: a registry may hiccup. What it prints goes to a file, and is shown only when it
# has failed for good.
#
#   twice LOG COMMAND …
twice() {
    local log=$1 attempt
    shift
    for attempt in 1 2; do
        if "$@" </dev/null >"$log" 2>&1; then
            return 0
        fi
        sleep $((attempt * 3))
    done
    cat "$log" >&2
    return 1
}
