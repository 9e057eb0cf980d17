#!/usr/bin/env bash
# Fetches Apache Kafka (its Maven artifacts with everything they need) once into a cache, and prints where it lies.
#
#   LIFEBOAT_KAFKA_VERSION   which Kafka (default 4.3.1)
#   XDG_CACHE_HOME           where caches are (default ~/.cache)
#
# <cache>/lifeboat/kafka/<version>/libs/*.jar     the class path: java -cp '<…>/libs/*' kafka.Kafka …
# <cache>/lifeboat/kafka/<version>/bootstrap.checkpoint   what `kafka-storage format` writes for this version
# <cache>/lifeboat/kafka/<version>/complete       written last: without it the folder is made anew
#
# Safe to be run by several at once: the first one fetches, the others wait for it.
set -euo pipefail
. "$(dirname "$0")/../once.sh"
. "$(dirname "$0")/../twice.sh"

version=${LIFEBOAT_KAFKA_VERSION:-4.3.1}
scala=2.13
plugin=org.apache.maven.plugins:maven-dependency-plugin:2.8
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lifeboat/kafka
once "$cache/$version" "Kafka is fetched by Maven and runs on Java 17 or newer" "openjdk-17-jdk-headless maven" java mvn
echo "fetching Apache Kafka $version" >&2
mkdir -p "$home/libs"
work=$(mktemp -d)
export MAVEN_OPTS="${MAVEN_OPTS:-} -Djava.io.tmpdir=$work -XX:-UsePerfData"
trap 'rm -rf "$work"' EXIT

maven() {
    (cd "$work" && twice "$work/maven.log" mvn -B -q -U "$@") && return
    echo "error: can't fetch Apache Kafka $version from Maven's registry" >&2
    return 1
}

cat >"$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>lifeboat</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_$scala</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$version</version></dependency>
  </dependencies>
</project>
POM
maven "$plugin:copy-dependencies" -DoutputDirectory="$home/libs"

# Kafka's distribution adds the binding of slf4j to log4j, which no artifact depends on: without it nothing is logged.
shopt -s nullglob
for core in "$home"/libs/log4j-core-*.jar; do
    log4j=${core##*/log4j-core-}
    maven "$plugin:copy" -Dartifact="org.apache.logging.log4j:log4j-slf4j-impl:${log4j%.jar}" -DoutputDirectory="$home/libs"
done

# What the first start of a cluster of this version finds (feature levels); it names no node and no cluster.
cat >"$work/format.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:9093
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093
log.dirs=$work/formatted
PROPERTIES
if ! java -Xmx256m -XX:-UsePerfData "-Djava.io.tmpdir=$work" -cp "$home/libs/*" kafka.tools.StorageTool format \
    --cluster-id bGlmZWJvYXQtbGlmZWJvYQ --config "$work/format.properties" >"$work/format.log" 2>&1; then
    cat "$work/format.log" >&2
    exit 1
fi
cp "$work/formatted/bootstrap.checkpoint" "$home/bootstrap.checkpoint"
chmod 644 "$home/bootstrap.checkpoint"

completed
