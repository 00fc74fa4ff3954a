# shellcheck shell=bash
# The local cluster: up, down, node, router. Sourced by ./dev.
#
# .local/cluster/nodes holds with how many nodes it was formed; each process has a folder there
# (scripts/process.sh). Configurations are written anew at each start.

readonly cluster_programs=(kvnode kvrouter kvctl)
readonly ready_seconds=60
readonly most_nodes=90

# ---- ids and ports ------------------------------------------------------------------------

# The last part of an id: n4 -> 4.
_number() { printf '%s\n' "${1#?}"; }

grpc_port() {
  case $1 in
    r*) printf '%s\n' $((7400 + 10 * ($(_number "$1") - 1))) ;;
    *) printf '%s\n' $((7500 + 10 * ($(_number "$1") - 1))) ;;
  esac
}
http_port() { printf '%s\n' $(($(grpc_port "$1") + 1)); }

# count_of 3 node: 3 nodes
count_of() { if (($1 == 1)); then printf '1 %s' "$2"; else printf '%s %ss' "$1" "$2"; fi; }

is_formed() { [[ -s $(cluster_dir)/nodes ]]; }
first_nodes() { cat "$(cluster_dir)/nodes"; }

# is_first_node ID: it was there when the cluster was formed.
is_first_node() { [[ $1 == r* ]] || (($(_number "$1") <= $(first_nodes))); }

# cluster_members: ids of all its processes, running or not; nodes in order, then the router.
cluster_members() {
  local dir
  is_formed || return 0
  {
    new_members "$(first_nodes)"
    for dir in "$(cluster_dir)"/n[1-9]*/; do
      if [[ -d $dir ]]; then basename "$dir"; fi
    done
  } | sort -uV
}

# ---- configuration ------------------------------------------------------------------------

write_config() {
  local id=$1 dir n count
  dir=$(cluster_dir "$id")
  count=$(first_nodes)
  mkdir -p "$dir"
  {
    printf '# Written by ./dev at each start. Every key is explained in configs/.\n'
    printf 'id: %s\n' "$id"
    printf 'listen: 127.0.0.1:%s\n' "$(grpc_port "$id")"
    printf 'http-listen: 127.0.0.1:%s\n' "$(http_port "$id")"
    printf "data-dir: '%s'\n" "${dir//\'/\'\'}/data"
    if [[ $id == r* ]]; then
      printf 'replicas: %s\n' "$((count < 3 ? count : 3))"
      printf 'nodes:\n'
      for ((n = 1; n <= count; n++)); do
        printf '  - {id: n%s, address: "127.0.0.1:%s"}\n' "$n" "$(grpc_port "n$n")"
      done
    else
      printf 'routers: ["127.0.0.1:7400"]\n'
    fi
  } >"$dir/config.yaml"
}

# ---- starting -----------------------------------------------------------------------------

# check_ports ID...: stops with an error where somebody else listens on a port that is needed.
check_ports() {
  local id port taker bad=()
  for id in "$@"; do
    for port in "$(grpc_port "$id")" "$(http_port "$id")"; do
      if taker=$(port_taker "$port"); then bad+=("port $port, which $id needs, is taken by $taker"); fi
    done
  done
  [[ ${#bad[@]} -eq 0 ]] || fail "${bad[@]}" "nothing was started"
}

# http_status ID PATH: the status code of a GET, 000 when there is no answer.
http_status() {
  curl --noproxy '*' --silent --max-time 2 --output /dev/null --write-out '%{http_code}' \
    "http://127.0.0.1:$(http_port "$1")$2" 2>/dev/null || true
}

is_ready() { [[ $(http_status "$1" /readyz) == 200 ]]; }

# A node that is not part of the cluster yet cannot become ready; it has started when it answers.
has_started() {
  if is_first_node "$1"; then is_ready "$1"; else [[ $(http_status "$1" /livez) == 200 ]]; fi
}

# wait_started ID...: until all have; stops with the log of the one that died or is late.
wait_started() {
  local id waiting=("$@") left end=$((SECONDS + ready_seconds))
  while true; do
    left=()
    for id in "${waiting[@]}"; do
      if ! is_running "$id"; then
        note "$id ended while it was starting; the end of its log:"
        last_log "$id" >&2
        exit 1
      fi
      has_started "$id" || left+=("$id")
    done
    [[ ${#left[@]} -gt 0 ]] || return 0
    if ((SECONDS >= end)); then
      for id in "${left[@]}"; do
        note "$id is not ready after $ready_seconds s; /readyz says:"
        curl --noproxy '*' --silent --show-error --max-time 2 \
          "http://127.0.0.1:$(http_port "$id")/readyz" 2>&1 | sed 's/^/  > /' >&2 || true
        printf '\n' >&2
        last_log "$id" >&2
      done
      fail "the processes are left running for a look at them; './dev down' ends them"
    fi
    waiting=("${left[@]}")
    sleep 0.1
  done
}

# start_members ID...: those that do not run.
start_members() {
  local id to_start=()
  for id in "$@"; do
    is_running "$id" || to_start+=("$id")
  done
  [[ ${#to_start[@]} -gt 0 ]] || return 0
  check_ports "${to_start[@]}"
  for id in "${to_start[@]}"; do
    write_config "$id"
    start_process "$id"
  done
}

kvctl_local() {
  (
    clear_ringkv_environment
    exec "$root/build/release/bin/kvctl" --router 127.0.0.1:7400 "$@"
  )
}

# One key through the cluster and back.
put_and_get() {
  local value output
  value="hello from ./dev up, $(date +%FT%T)"
  if ! output=$(kvctl_local put dev:hello "$value" 2>&1); then
    note "the cluster is ready, but a put failed: $output"
    last_log r1 >&2
    exit 1
  fi
  if ! output=$(kvctl_local get dev:hello 2>&1) || [[ $output != "$value" ]]; then
    note "the cluster is ready, but a get did not return what was put: $output"
    last_log r1 >&2
    exit 1
  fi
}

# Builds unless the programs are there: a node is brought back quickly, and as it was.
need_binaries() {
  local name
  need_packages "${build_packages[@]}"
  for name in "${cluster_programs[@]}"; do
    if [[ ! -x build/release/bin/$name ]]; then build_cluster; return; fi
  done
}

cluster_built=0
build_cluster() {
  ((cluster_built == 0)) || return 0
  cluster_built=1
  build release "${cluster_programs[@]}"
  unlock_build
}

# ---- commands -----------------------------------------------------------------------------

show_endpoints() {
  local id members state
  mapfile -t members < <(cluster_members)
  for id in "${members[@]}"; do
    state=
    if ! is_running "$id"; then state='  (stopped)'
    elif ! is_first_node "$id" && ! is_ready "$id"; then state='  (waits to be added)'
    elif runs_older_build "$id"; then state='  (runs an older build: ./dev down && ./dev up)'
    fi
    printf '  %-4s gRPC 127.0.0.1:%s   HTTP http://127.0.0.1:%s/%s\n' \
      "$id" "$(grpc_port "$id")" "$(http_port "$id")" "$state"
  done
  printf '  data, logs and configurations: .local/cluster/ID/\n'
  cat <<'TEXT'
Try:
  build/release/bin/kvctl put greeting hello
  build/release/bin/kvctl get greeting
  build/release/bin/kvctl admin status
TEXT
}

_need_node_count() {
  if [[ ! $1 =~ ^[1-9][0-9]?$ ]] || (($1 > most_nodes)); then
    usage_error "up: --nodes needs a number from 1 to $most_nodes, not '$1'"
  fi
}

cluster_up() {
  local nodes='' fresh=0 members
  while [[ $# -gt 0 ]]; do
    case $1 in
      --nodes) [[ $# -ge 2 ]] || usage_error "up: --nodes needs a number"; nodes=$2; _need_node_count "$nodes"; shift 2 ;;
      --nodes=*) nodes=${1#*=}; _need_node_count "$nodes"; shift ;;
      --fresh) fresh=1; shift ;;
      *) usage_error "up: unknown argument '$1'" ;;
    esac
  done
  lock_cluster

  if ((fresh)); then
    # Built before anything is deleted, so that a build that fails costs nothing.
    build_cluster
    stop_cluster
    mapfile -t members < <(new_members "${nodes:-3}")
    check_ports "${members[@]}"
    rm -rf "$(cluster_dir)"
  elif is_formed && [[ -n $nodes && $nodes != "$(first_nodes)" ]]; then
    refuse "this cluster was formed with $(count_of "$(first_nodes)" node)" \
      "  ./dev node n$(($(first_nodes) + 1))              starts a further node" \
      "  ./dev up --nodes $nodes --fresh  deletes its data and forms one with $nodes"
  fi

  if is_formed; then bring_back; else form "${nodes:-3}"; fi
}

# new_members N: ids of the processes of a cluster that is formed with N nodes.
new_members() {
  local n
  for ((n = 1; n <= $1; n++)); do printf 'n%s\n' "$n"; done
  printf 'r1\n'
}

form() {
  local members
  build_cluster
  mapfile -t members < <(new_members "$1")
  check_ports "${members[@]}"
  mkdir -p "$(cluster_dir)"
  printf '%s\n' "$1" >"$(cluster_dir)/nodes"
  note "starting $(count_of "$1" node) and a router"
  start_members "${members[@]}"
  wait_started "${members[@]}"
  put_and_get
  say "ringkv is up: $(count_of "$1" node), $(count_of "$(($1 < 3 ? $1 : 3))" replica); one key was put and read back."
  show_endpoints
}

bring_back() {
  local id members to_start died=() stopped=()
  mapfile -t members < <(cluster_members)
  for id in "${members[@]}"; do
    if is_running "$id"; then continue; fi
    if has_died "$id"; then died+=("$id"); else stopped+=("$id"); fi
  done
  if [[ ${#died[@]} -eq 0 && ${#stopped[@]} -eq 0 ]]; then
    wait_started "${members[@]}"
    say "ringkv is up already."
    show_endpoints
    return
  fi

  [[ ${#died[@]} -eq 0 ]] || note "not running though nobody stopped it: ${died[*]} (see .local/cluster/ID/log)"
  build_cluster
  mapfile -t to_start < <(printf '%s\n' "${died[@]}" "${stopped[@]}" | sed '/^$/d')
  note "starting ${to_start[*]}"
  start_members "${to_start[@]}"
  wait_started "${members[@]}"
  put_and_get
  if [[ ${#died[@]} -gt 0 ]]; then
    say "ringkv is up again; restarted after it had died: ${died[*]}${stopped[*]:+; started: ${stopped[*]}}."
  else
    say "ringkv is up, with the data it had; started: ${stopped[*]}."
  fi
  show_endpoints
}

# Routers first: they finish their clients' requests while the nodes still answer.
stop_cluster() {
  local id nodes=() routers=()
  while read -r id; do
    if [[ $id == r* ]]; then routers+=("$id"); else nodes+=("$id"); fi
  done < <(cluster_members)
  stop_processes "${routers[@]}"
  stop_processes "${nodes[@]}"
}

cluster_down() {
  local id running=()
  [[ $# -eq 0 ]] || usage_error "down: unknown argument '$1'"
  lock_cluster
  while read -r id; do
    if is_running "$id"; then running+=("$id"); fi
  done < <(cluster_members)
  stop_cluster
  if [[ ${#running[@]} -eq 0 ]]; then
    say "nothing was running."
  else
    say "stopped: ${running[*]}. The data stays in .local/cluster/; './dev up' goes on with it."
  fi
}

# can_become_ready ID: what it needs for that is running. A node needs its router; a router needs
# more than half of the first nodes.
can_become_ready() {
  local n up=0
  if [[ $1 != r* ]]; then is_running r1; return; fi
  for ((n = 1; n <= $(first_nodes); n++)); do
    if is_running "n$n"; then up=$((up + 1)); fi
  done
  ((2 * up > $(first_nodes)))
}

# start_one ID: one process by hand.
start_one() {
  local id=$1 where
  where="gRPC 127.0.0.1:$(grpc_port "$id"), HTTP http://127.0.0.1:$(http_port "$id")/"
  if is_running "$id"; then
    say "$id is running already (pid $(pid_of "$id"))."
    return
  fi
  need_binaries
  start_members "$id"
  if ! can_become_ready "$id"; then
    sleep 0.5
    is_running "$id" || wait_started "$id"
    say "$id is running and waits for the others (./dev up starts them): $where"
    return
  fi
  wait_started "$id"
  if is_first_node "$id" || is_ready "$id"; then
    say "$id is up: $where"
  else
    say "$id is running and registers with the router: $where"
    say "If it is new it waits, without data, until it is added:" \
      "  build/release/bin/kvctl admin add-node $id 127.0.0.1:$(grpc_port "$id") --wait"
  fi
}

# end_one ID HOW SAID: what stop and kill have in common.
end_one() {
  if is_running "$1"; then
    "$2" "$1"
    say "$1 $3."
  else
    rm -f "$(cluster_dir "$1")/pid"
    say "$1 was not running."
  fi
}
stop_one() { end_one "$1" stop_processes "is stopped"; }
kill_one() { end_one "$1" kill_process "was ended with SIGKILL"; }

wipe_one() {
  local dir
  dir=$(cluster_dir "$1")
  if is_running "$1"; then
    note "$1 is running: ending it with SIGKILL first, as when a disk is lost"
    kill_process "$1"
  fi
  rm -rf "$dir/data"
  rm -f "$dir/pid"
  say "the disk of $1 is empty now; './dev node $1' starts it."
}

_need_formed_cluster() {
  is_formed || refuse "there is no local cluster here yet: ./dev up"
}

cluster_node() {
  local id=${1:-} action=${2:-start}
  [[ -n $id ]] || usage_error "node: which one? ./dev node n1 [start|stop|kill|wipe]"
  [[ $# -le 2 ]] || usage_error "node: too many arguments: '$3'"
  if [[ ! $id =~ ^n[1-9][0-9]?$ ]] || (($(_number "$id") > most_nodes)); then
    usage_error "node: local nodes are called n1 to n$most_nodes, not '$id'"
  fi
  [[ " start stop kill wipe " == *" $action "* ]] ||
    usage_error "node: unknown action '$action'; there are: start, stop, kill, wipe"
  _need_formed_cluster
  lock_cluster
  [[ $action == start || -d $(cluster_dir "$id") ]] || refuse "node: $id was never started here"
  "${action}_one" "$id"
}

cluster_router() {
  local id=${1:-} action=${2:-start}
  [[ -n $id ]] || usage_error "router: which one? ./dev router r1 [start|stop|kill]"
  [[ $# -le 2 ]] || usage_error "router: too many arguments: '$3'"
  [[ $id =~ ^r[1-9]$ ]] || usage_error "router: routers are called r1, r2, ..., not '$id'"
  [[ " start stop kill " == *" $action "* ]] ||
    usage_error "router: unknown action '$action'; there are: start, stop, kill"
  [[ $id == r1 ]] || not_yet "router: only r1 is there: several routers need metadata in etcd, which is not there yet"
  _need_formed_cluster
  lock_cluster
  "${action}_one" "$id"
}
