# shellcheck shell=bash
# The chaos run: faults on real processes. Sourced by ./dev.

# The options are the program's own, and judged by it (docs/chaos.md).
chaos_command() {
  build release ringkv_chaos
  share_build_lock
  clear_ringkv_environment
  (close_locks && exec build/release/bin/ringkv_chaos "$@")
}
