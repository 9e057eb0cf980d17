# To be sourced.

# What is installed once for a machine. Sets `home`, an empty folder, and holds others back that want the same; where it was
# done before, it ends the script with the folder's path.
#
#   once FOLDER WHY PACKAGES TOOL ...
once() {
    home=$1
    local why=$2 packages=$3 tool
    shift 3
    end_if_complete
    for tool in "$@" flock; do
        if ! command -v "$tool" >/dev/null; then
            echo "error: $tool is missing; $why" >&2
            echo "  hint: apt-get install -y $packages util-linux" >&2
            exit 1
        fi
    done
    mkdir -p "$(dirname "$home")"
    exec 9>"$home.lock"
    flock 9
    # somebody else may have done it meanwhile
    end_if_complete
    rm -rf "$home"
    mkdir -p "$home"
}

end_if_complete() {
    if [ -e "$home/complete" ]; then
        echo "$home"
        exit 0
    fi
}

# All of it is there. Written last: a folder without it is made anew.
completed() {
    touch "$home/complete"
    echo "$home"
}
