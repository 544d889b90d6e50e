#!/usr/bin/env bash
# A real Kafka broker (KRaft, one combined node) for tests, on 127.0.0.1 only.
#   broker.sh fetch            put the jars into the cache (the one step that needs the network)
#   broker.sh up DIR PEM       format, start and wait until ready; PEM holds a private key and its
#                              certificate; prints HOST:PORT, a line with the port that wants TLS and
#                              a password (user vigil, password secret), and a line with two ports: clients that find the broker at the first one, of a proxy, are
#                              sent to that one; the proxy forwards to the second
#   broker.sh start DIR        start a stopped broker again on its old data and port
#   broker.sh kill DIR SIGNAL  signal it; after KILL and TERM wait until it is gone
#   broker.sh down DIR         stop it; data stays in DIR
# `fetch` and `up` exit with 77, after one line that says why, where no broker can be had: java or
# mvn is missing, or the jars can be neither found nor fetched.
# The jars are kept between runs in ${XDG_CACHE_HOME:-~/.cache}/vigil-tests, one folder a version
# of pom.xml.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vigil-tests
libs=$cache/kafka-$(sha256sum "$here/pom.xml" | cut -c1-12)

die() { echo "broker.sh: $*" >&2; exit 1; }
skip() { echo "no Kafka broker: $*" >&2; exit 77; }

fetch() {
  command -v java > /dev/null || skip "java is not installed"
  [ ! -d "$libs" ] || return 0
  command -v mvn > /dev/null || skip "mvn is not installed and the jars are not in the cache"
  mkdir -p "$cache"
  # Filled aside and moved: a folder under its final name is whole. Two runs may do so at once.
  local aside
  aside=$(mktemp -d "$cache/fetching-XXXXXX")
  if ! mvn -q -B -ntp -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
      -DoutputDirectory="$aside" > "$aside.log" 2>&1; then
    tail -3 "$aside.log" >&2
    rm -rf "$aside" "$aside.log"
    skip "mvn could not fetch the jars"
  fi
  mv -T "$aside" "$libs" 2> /dev/null || rm -rf "$aside"
  rm -f "$aside.log"
}

free_ports() {
  python3 - "$1" <<'P'
import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in sockets: s.bind(("127.0.0.1", 0))
print(*[s.getsockname()[1] for s in sockets])
P
}

# Never one that begins with `-`: the tools take it for an option.
new_id() { python3 -c 'import base64, uuid
while True:
    i = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    if i[0] != "-": break
print(i)'; }

# A process that was killed and is not yet reaped counts as gone.
is_alive() {
  local state
  [ -s "$1/pid" ] || return 1
  state=$(sed -E 's/.*\) (.).*/\1/' "/proc/$(cat "$1/pid")/stat" 2> /dev/null) || return 1
  [ -n "$state" ] && [ "$state" != Z ]
}

start() {
  local dir=$1 end
  ! is_alive "$dir" || die "the broker in $dir runs already"
  : > "$dir/out.log"
  setsid java -Xmx384m -XX:+UseSerialGC -Dlog4j2.configurationFile="$dir/log4j2.xml" \
      -cp "$libs/*" kafka.Kafka "$dir/server.properties" >> "$dir/out.log" 2>&1 < /dev/null &
  echo $! > "$dir/pid"
  end=$((SECONDS + 120))
  until grep -q 'Kafka Server started' "$dir/out.log"; do
    is_alive "$dir" || { tail -20 "$dir/out.log" >&2; die "the broker ended at its start"; }
    [ $SECONDS -lt $end ] || die "the broker is not ready after 120 s, see $dir/out.log"
    sleep 0.1
  done
}

up() {
  local dir=$1 pem=$2 ports id
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  [ ! -e "$dir/server.properties" ] || die "$dir was used before"
  read -r -a ports <<< "$(free_ports 5)"
  cat > "$dir/log4j2.xml" <<'X'
<Configuration status="WARN"><Appenders><Console name="c" target="SYSTEM_OUT">
<PatternLayout pattern="%d{ISO8601} %-5p %c{1} %m%n"/></Console></Appenders>
<Loggers><Root level="INFO"><AppenderRef ref="c"/></Root></Loggers></Configuration>
X
  cat > "$dir/server.properties" <<X
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:${ports[0]},CONTROLLER://127.0.0.1:${ports[1]},PROXIED://127.0.0.1:${ports[3]},SECURE://127.0.0.1:${ports[4]}
advertised.listeners=PLAINTEXT://127.0.0.1:${ports[0]},PROXIED://127.0.0.1:${ports[2]},SECURE://127.0.0.1:${ports[4]}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT,SECURE:SASL_SSL
sasl.enabled.mechanisms=PLAIN
listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_vigil="secret";
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location=$pem
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
controller.quorum.bootstrap.servers=127.0.0.1:${ports[1]}
log.dirs=$dir/data
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
X
  id=$(new_id)
  java -Xmx256m -cp "$libs/*" kafka.tools.StorageTool format --cluster-id="$(new_id)" \
      --initial-controllers "1@127.0.0.1:${ports[1]}:$id" -c "$dir/server.properties" \
      > "$dir/format.log" 2>&1 || { cat "$dir/format.log" >&2; die "cannot format $dir"; }
  start "$dir"
  echo "127.0.0.1:${ports[0]}"
  echo "${ports[4]}"
  echo "${ports[2]} ${ports[3]}"
}

wait_gone() {
  local end=$((SECONDS + $2))
  while is_alive "$1" && [ $SECONDS -lt $end ]; do sleep 0.05; done
  ! is_alive "$1"
}

down() {
  is_alive "$1" || return 0
  kill -CONT "$(cat "$1/pid")"
  kill -KILL "$(cat "$1/pid")"
  wait_gone "$1" 20 || die "the broker in $1 does not end"
}

command=${1:-}
[ -n "$command" ] || die "see the head of this file"
shift
case $command in
  fetch) fetch ;;
  up) fetch; up "$1" "$(realpath "$2")" ;;
  start) start "$(cd "$1" && pwd)" ;;
  kill)
    kill -"$2" "$(cat "$1/pid")"
    case $2 in KILL | TERM) wait_gone "$1" 30 || die "the broker still runs" ;; esac
    ;;
  down) down "$1" ;;
  *) die "unknown command $command" ;;
esac
