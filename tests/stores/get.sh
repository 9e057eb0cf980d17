#!/usr/bin/env bash
# Installs the object stores that the tests run against, once, into a cache, and prints the folder that holds them all.
#
#   XDG_CACHE_HOME   where caches are (default ~/.cache)
#
# <cache>/lifeboat/tools/stores-<versions>/{minio,azurite-blob}   the programs
# <cache>/lifeboat/tools/stores-<versions>/complete   written last: without it the folder is made anew
#
# MinIO is built from source (minutes), from modules that Go checks against its checksum database.
# Safe to be run by several at once: the first one installs, the others wait for it.
set -euo pipefail
. "$(dirname "$0")/../once.sh"
. "$(dirname "$0")/../twice.sh"

# MinIO's releases are no versions of a module: this is the last commit of its main branch, of 2026-02-12
minio=v0.0.0-20260212201848-7aac2a2c5b7c
# the newest that runs on the Node.js of Debian
azurite=3.35.0
# what MinIO wants; an older Go fetches it from the module proxy
go_minor=24
go_toolchain=go1.24.9

tools=${XDG_CACHE_HOME:-$HOME/.cache}/lifeboat/tools
once "$tools/stores-${minio##*-}-$azurite" "object stores to test against are built with Go and Node.js" \
    "golang-go nodejs npm" go npm node
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

quietly() {
    twice "$work/log" "$@" && return
    echo "error: failed: $*" >&2
    return 1
}

# Debian's own Go may be too old to build these and to fetch a newer one by itself: a toolchain is a module as well.
go=go
minor=$(go version | sed -n 's/.* go1\.\([0-9]*\).*/\1/p')
if [ "${minor:-0}" -lt "$go_minor" ]; then
    echo "fetching $go_toolchain" >&2
    module=golang.org/toolchain@v0.0.1-$go_toolchain.$(go env GOOS)-$(go env GOARCH)
    quietly go mod download "$module"
    cp -r "$(go env GOMODCACHE)/$module" "$work/go"
    chmod -R u+w "$work/go"
    chmod +x "$work"/go/bin/* "$work"/go/pkg/tool/*/*
    go=$work/go/bin/go
    export GOROOT=$work/go
fi
echo "building MinIO: some minutes, once" >&2
quietly env GOBIN="$home" CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS= \
    "$go" install -trimpath -ldflags="-s -w" "github.com/minio/minio@$minio"
echo "installing Azurite" >&2
quietly npm install --prefix "$home" --no-audit --no-fund --ignore-scripts --omit=dev "azurite@$azurite"
ln -s node_modules/.bin/azurite-blob "$home/azurite-blob"

completed
