# shellcheck shell=bash
# Starts, watches and ends the processes of the local cluster. Sourced by ./dev.
#
# A process has an id (n1, r1) and a folder, .local/cluster/ID/: `pid` holds its pid and the time the
# kernel started it, `log` what it prints. It counts as ours, and is signalled, only while pid, start
# time and executable all still match.

cluster_dir() { printf '%s\n' "$local_dir/cluster${1:+/$1}"; }

# binary_of ID: the program that an id runs.
binary_of() {
  case $1 in
    r*) printf '%s\n' "$root/build/release/bin/kvrouter" ;;
    *) printf '%s\n' "$root/build/release/bin/kvnode" ;;
  esac
}

# _start_time PID: when it was started, in the kernel's ticks; fails when there is no such process.
_start_time() {
  local stat fields
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  read -ra fields <<<"${stat##*) }"  # the name before ") " may hold anything
  [[ ${fields[0]} != Z ]] || return 1
  printf '%s\n' "${fields[19]}"
}

# pid_of ID: the pid of its running process; fails when it does not run.
pid_of() {
  local pid='' started='' executable wanted
  { read -r pid started <"$(cluster_dir "$1")/pid"; } 2>/dev/null || return 1
  [[ $pid =~ ^[0-9]+$ && $(_start_time "$pid" || true) == "$started" ]] || return 1
  executable=$(readlink "/proc/$pid/exe") || return 1
  wanted=$(readlink -m "$(binary_of "$1")")
  [[ ${executable% (deleted)} == "$wanted" ]] || return 1
  printf '%s\n' "$pid"
}

is_running() { pid_of "$1" >/dev/null; }

# runs_older_build ID: its program was built again since it started.
runs_older_build() {
  local pid
  pid=$(pid_of "$1") && [[ $(readlink "/proc/$pid/exe") == *' (deleted)' ]]
}

# has_died ID: it was started, nobody stopped it, and it does not run.
has_died() { [[ -e $(cluster_dir "$1")/pid ]] && ! is_running "$1"; }

# start_process ID: with the configuration in its folder. Does not wait for it to be ready.
start_process() {
  local id=$1 dir binary pid size
  dir=$(cluster_dir "$id")
  binary=$(binary_of "$id")
  size=$(stat -c %s "$dir/log" 2>/dev/null || echo 0)
  if ((size > 64 * 1024 * 1024)); then mv "$dir/log" "$dir/log.1"; size=0; fi
  printf '%s\n' "$size" >"$dir/log.offset"
  (
    close_locks
    level=${RINGKV_LOG_LEVEL:-}
    clear_ringkv_environment
    [[ -z $level ]] || export RINGKV_LOG_LEVEL=$level
    exec setsid "$binary" --config "$dir/config.yaml" </dev/null >>"$dir/log" 2>&1
  ) &
  pid=$!
  disown "$pid"
  printf '%s %s\n' "$pid" "$(_start_time "$pid" || echo ended)" >"$dir/pid"
  # Between fork and exec it is still a shell: wait until it is what it should be, or gone.
  for _ in {1..100}; do
    if is_running "$id" || [[ ! -e /proc/$pid ]]; then return 0; fi
    sleep 0.02
  done
}

# last_log ID: what it printed since it was last started, the end of it.
last_log() {
  local dir offset
  dir=$(cluster_dir "$1")
  offset=$(cat "$dir/log.offset" 2>/dev/null || echo 0)
  if [[ -s $dir/log ]]; then tail -c "+$((offset + 1))" "$dir/log" | tail -n 20 | sed 's/^/  | /'; fi
  printf '  (the whole log: %s)\n' "${dir#"$root"/}/log"
}

# _wait_end ID SECONDS: fails when it still runs after that time.
_wait_end() {
  local end=$((SECONDS + $2))
  while is_running "$1"; do
    ((SECONDS < end)) || return 1
    sleep 0.05
  done
}

terminate() {
  local pid
  if pid=$(pid_of "$1"); then kill -TERM "$pid" 2>/dev/null || true; fi
}

# kill_process ID: -9, and it is gone when this returns.
kill_process() {
  local pid
  if pid=$(pid_of "$1"); then kill -KILL "$pid" 2>/dev/null || true; fi
  _wait_end "$1" 10 || fail "$1 (pid $pid) does not end, not even on SIGKILL"
  rm -f "$(cluster_dir "$1")/pid"
}

# stop_processes ID...: SIGTERM to all, then SIGKILL to those that have not ended after 20 s.
stop_processes() {
  local id
  for id in "$@"; do terminate "$id"; done
  for id in "$@"; do
    if ! _wait_end "$id" 20; then
      note "$id did not end within 20 s of SIGTERM: ending it with SIGKILL"
      kill_process "$id"
    fi
    rm -f "$(cluster_dir "$id")/pid"
  done
}

# port_taker PORT: says who listens on a port of 127.0.0.1; fails when nobody does.
port_taker() {
  local hex inode pid fd
  printf -v hex '%04X' "$1"
  # Local address: any or loopback, in hex as the kernel prints it (IPv6: any, mapped loopback).
  inode=$(awk -v port="$hex" '
    $4 == "0A" {
      n = split($2, address, ":")
      if (address[n] == port && (address[1] ~ /^0+$/ || address[1] ~ /0100007F$/)) { print $10; exit }
    }' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
  [[ -n $inode ]] || return 1
  for fd in /proc/[0-9]*/fd/*; do
    if [[ $(readlink "$fd" 2>/dev/null) == "socket:[$inode]" ]]; then
      pid=${fd#/proc/}
      pid=${pid%%/*}
      printf '%s (pid %s)\n' "$(readlink "/proc/$pid/exe" 2>/dev/null || cat "/proc/$pid/comm")" "$pid"
      return 0
    fi
  done
  printf 'a process that this user may not look at\n'
}
