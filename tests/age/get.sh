#!/usr/bin/env bash
# Installs age, by its own authors, once, into a cache, and prints the folder that holds it. What we encrypt is opened by it.
#
#   XDG_CACHE_HOME   where caches are (default ~/.cache)
#
# <cache>/lifeboat/tools/age-<version>/{age,age-keygen}   the programs
# <cache>/lifeboat/tools/age-<version>/complete           written last: without it the folder is made anew
#
# Built from modules that Go checks against its checksum database. Safe to be run by several at once: the first one installs,
# the others wait for it.
set -euo pipefail
. "$(dirname "$0")/../once.sh"
. "$(dirname "$0")/../twice.sh"

# the newest that the Go of Debian builds
age=v1.2.1

tools=${XDG_CACHE_HOME:-$HOME/.cache}/lifeboat/tools
once "$tools/age-$age" "age, which opens what is encrypted, is built with Go" golang-go go
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "building age, once" >&2
if ! twice "$log" env GOBIN="$home" CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS= \
    go install -trimpath -ldflags="-s -w" "filippo.io/age/cmd/age@$age" "filippo.io/age/cmd/age-keygen@$age"; then
    echo "error: age could not be built" >&2
    exit 1
fi

completed
