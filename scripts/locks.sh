# shellcheck shell=bash
# Keeps two ./dev at once from treading on each other. Sourced by ./dev.
#
# Two locks, files under .local/: `build` (packages, build folders) and `cluster` (the local
# cluster). Whoever holds one has written who it is into the file beside it. Locks end with the
# process; programs that outlive ./dev are started with the descriptors closed (close_locks).

build_lock_fd=
cluster_lock_fd=

# lock NAME FD: waits for the exclusive lock, and says for whom.
_lock() {
  local name=$1 fd=$2 holder
  if ! flock --nonblock --exclusive "$fd"; then
    holder=$(cat "$local_dir/lock.$name.holder" 2>/dev/null || true)
    note "waiting for another ./dev to finish${holder:+: $holder}"
    flock --exclusive "$fd"
  fi
  printf './dev (pid %s) in %s\n' "$$" "$name" >"$local_dir/lock.$name.holder"
}

lock_build() {
  [[ -z $build_lock_fd ]] || return 0
  mkdir -p "$local_dir"
  exec {build_lock_fd}>"$local_dir/lock.build"
  _lock build "$build_lock_fd"
}

# From here on others may run what is built, but not build.
share_build_lock() { flock --shared "$build_lock_fd"; }

unlock_build() {
  [[ -n $build_lock_fd ]] || return 0
  exec {build_lock_fd}>&-
  build_lock_fd=
}

lock_cluster() {
  mkdir -p "$local_dir"
  exec {cluster_lock_fd}>"$local_dir/lock.cluster"
  _lock cluster "$cluster_lock_fd"
}

# To be called in a subshell that is about to become a long-lived program.
close_locks() {
  [[ -z $build_lock_fd ]] || exec {build_lock_fd}>&-
  [[ -z $cluster_lock_fd ]] || exec {cluster_lock_fd}>&-
}
