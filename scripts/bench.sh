# shellcheck shell=bash
# Benchmarks. Sourced by ./dev.

# NAME<tab>what it measures; bench/CMakeLists.txt builds ringkv_bench_NAME.
readonly benchmarks=(
  $'ring\tlook-ups, changes, memory and balance of this ring and of others; 10 minutes, less with --quick'
  $'reads\treads of nodes for each read of a client, on real processes; a minute'
  $'rejoin\twhat moves when a node returns that missed 1 % of a million keys, on real processes; minutes'
  $'path\tputs and gets beside RocksDB alone and a gRPC echo, on real processes; 10 minutes'
  $'peers\tthe same load on Redis Cluster and on etcd (fetched as Debian packages); 6 minutes'
  $'overload\tmore than it can do, a stopped node, clients that do not read or say nothing; 5 minutes'
  $'load_balancer\twhat a look-up of the load balancer costs, counting included'
)

_list_benchmarks() {
  local line
  for line in "${benchmarks[@]}"; do printf '  %-14s %s\n' "${line%%$'\t'*}" "${line#*$'\t'}"; done
}

_is_benchmark() {
  local line
  for line in "${benchmarks[@]}"; do
    if [[ ${line%%$'\t'*} == "$1" ]]; then return; fi
  done
  return 1
}

# The release build, whose figures count. JSON goes to build/bench/ unless the options say otherwise.
bench_command() {
  local name=${1:-} option json
  if [[ -z $name ]]; then
    say "benchmarks (./dev bench NAME [OPTIONS]; --help tells a benchmark's options):"
    _list_benchmarks
    return
  fi
  shift
  if ! _is_benchmark "$name"; then
    printf 'dev: %s\n' "there is no benchmark '$name'; there are:" >&2
    _list_benchmarks >&2
    exit 2
  fi
  if [[ $name == peers && " $* " != *" --help "* ]]; then fetch_peers; fi
  build release "ringkv_bench_$name"
  share_build_lock
  clear_ringkv_environment
  mkdir -p build/bench
  json=(--json "build/bench/$name.json")
  for option in "$@"; do
    if [[ $option == --json || $option == --json=* ]]; then json=(); fi
  done
  (close_locks && exec "build/release/bin/ringkv_bench_$name" "${json[@]}" "$@")
}
