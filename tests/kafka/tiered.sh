#!/usr/bin/env bash
# Fetches the remote storage that Apache Kafka tests tiered topics with (a folder), once into a cache, and prints where it lies.
#
#   LIFEBOAT_KAFKA_VERSION   of which Kafka
#   XDG_CACHE_HOME           where caches are (default ~/.cache)
#
# <cache>/lifeboat/tools/tiered-<version>/*.jar      for remote.log.storage.manager.class.path
# <cache>/lifeboat/tools/tiered-<version>/complete   written last: without it the folder is made anew
#
# Safe to be run by several at once: the first one fetches, the others wait for it.
set -euo pipefail
. "$(dirname "$0")/../once.sh"
. "$(dirname "$0")/../twice.sh"

version=$LIFEBOAT_KAFKA_VERSION
plugin=org.apache.maven.plugins:maven-dependency-plugin:2.8
tools=${XDG_CACHE_HOME:-$HOME/.cache}/lifeboat/tools
once "$tools/tiered-$version" "Kafka is fetched by Maven and runs on Java 17 or newer" "openjdk-17-jdk-headless maven" java mvn
echo "fetching the remote storage of Apache Kafka $version's tests" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for artifact in kafka-storage kafka-clients; do
    if ! twice "$log" mvn -B -q "$plugin:copy" -Dartifact="org.apache.kafka:$artifact:$version:jar:test" \
        -DoutputDirectory="$home"; then
        echo "error: can't fetch $artifact's tests from Maven's registry" >&2
        exit 1
    fi
done

completed
