#!/usr/bin/env bash
# A Confluent-compatible schema registry (Apicurio Registry, in memory) for tests, on 127.0.0.1 only.
#
# Usage: schema_registry.sh check        exit 0 if it can run here, else say what is missing
#        schema_registry.sh up DIR       fetch once, start, wait, print the URL of the API
#        schema_registry.sh stop DIR     suspend it (SIGSTOP)
#        schema_registry.sh cont DIR     let it go on
#        schema_registry.sh down DIR     end it, by its pid
# The distribution (146 MB unpacked) is kept below $XDG_CACHE_HOME or ~/.cache.
set -euo pipefail

readonly version=2.6.13.Final # the last line that runs on Java 17
readonly home=${XDG_CACHE_HOME:-$HOME/.cache}/vigil-test/apicurio-$version
die() { echo "schema_registry.sh: $*" >&2; exit 1; }

check() {
  for tool in java mvn curl python3 tar; do
    command -v "$tool" >/dev/null || die "$tool is not installed"
  done
}

fetch() {
  [ ! -e "$home/.complete" ] || return 0
  [ ! -e "$home" ] || die "$home is incomplete: remove it"
  local new=$home.new.$$
  mkdir -p "$new"
  mvn -q -B -ntp org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
    -Dartifact=io.apicurio:apicurio-registry-app:$version:tar.gz:all \
    -DoutputDirectory="$new/download" >&2 || { rm -rf "$new"; die 'it could not be fetched'; }
  tar xzf "$new/download/apicurio-registry-app-$version-all.tar.gz" -C "$new"
  rm -rf "$new/download"
  touch "$new/.complete"
  mv "$new" "$home"
}

up() {
  check
  fetch
  mkdir -p "$1"
  local port pid url end
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  setsid java -Xmx384m -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$port" \
    -jar "$home/apicurio-registry-app-$version-runner.jar" >"$1/log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$1/pid"
  url=http://127.0.0.1:$port/apis/ccompat/v7
  end=$((SECONDS + 120))
  until curl -sf -o /dev/null "$url/subjects"; do
    kill -0 "$pid" 2>/dev/null || { tail -5 "$1/log" >&2; die 'it died at its start'; }
    [ $SECONDS -lt $end ] || { kill -KILL "$pid"; die 'it was not ready in time'; }
    sleep 0.2
  done
  echo "$url"
}

# Returns when every thread has stopped, which takes a moment on a busy machine.
suspend() {
  local pid
  pid=$(cat "$1/pid")
  kill -STOP "$pid"
  for _ in $(seq 100); do
    cat /proc/"$pid"/task/*/stat 2>/dev/null | sed 's/.*) //' | grep -qv '^T' || return 0
    sleep 0.05
  done
  die 'it did not stop'
}

down() {
  local pid
  pid=$(cat "$1/pid")
  kill -CONT "$pid" 2>/dev/null || true
  kill "$pid" 2>/dev/null || true
  for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
}

case "${1:-}" in
  check) check ;;
  up) up "${2:?DIR}" ;;
  stop) suspend "${2:?DIR}" ;;
  cont) kill -CONT "$(cat "${2:?DIR}/pid")" ;;
  down) down "${2:?DIR}" ;;
  *) die 'see the head of this file' ;;
esac
