#!/usr/bin/env bash
# Names the Debian packages that building and testing want and this machine lacks; as root it installs them.
# With `stores`: also what it takes to build the object stores that the tests run against.
set -euo pipefail

missing=()
# a command that must be there, and the package that has it
wants() {
    command -v "$1" >/dev/null || missing+=("$2")
}
wants cc build-essential
wants make build-essential
wants pkg-config pkg-config
wants javac openjdk-17-jdk-headless
wants mvn maven
wants zstd zstd
wants tar tar
wants flock util-linux
wants setsid util-linux
if [ "${1:-}" = stores ]; then
    wants go golang-go
    wants node nodejs
    wants npm npm
fi
pkg-config --exists libssl 2>/dev/null || missing+=(libssl-dev)

if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
install=(apt-get install -y --no-install-recommends "${missing[@]}")
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "error: these packages are missing: ${missing[*]}" >&2
    echo "  hint: sudo ${install[*]}" >&2
    exit 1
fi
echo "installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >&2
"${install[@]}" -qq >&2
