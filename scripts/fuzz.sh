# shellcheck shell=bash
# Fuzzing with libFuzzer. Sourced by ./dev.
#
# What a run finds stays in build/fuzz/corpus/NAME; --merge takes what of it reaches new code into
# tests/fuzz/corpus/NAME, as few and as small inputs as do. ./dev test replays those.

readonly fuzz_packages=(clang-14 libclang-rt-14-dev)

# Prints the names of the fuzzers.
fuzzers() { sed -n 's/^ringkv_fuzzer(\([a-z_]*\) .*/\1/p' tests/fuzz/CMakeLists.txt; }

# run_fuzzer NAME MINUTES
run_fuzzer() {
  local name=$1 minutes=$2 program=build/fuzz/bin/fuzz_$1
  local corpus=build/fuzz/corpus/$name found=build/fuzz/found/$name log=build/fuzz/$name.log
  mkdir -p "$corpus" "$found"
  note "$name: $minutes min; log: $log"
  if ! "$program" -max_total_time="$((60 * minutes))" -print_final_stats=1 \
      -artifact_prefix="$found/" "$corpus" "tests/fuzz/corpus/$name" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    fail "$name has found something (above)" "to run it again: $program FILE, with the file of $found/ that the log names"
  fi
  say "$name: $(awk '/^Done/ { print $2 " runs in " $5 " s" }' "$log"), nothing found."
}

# merge_corpus NAME
merge_corpus() {
  local name=$1 kept=tests/fuzz/corpus/$1 fresh=build/fuzz/merged/$1
  rm -rf "$fresh"
  mkdir -p "$fresh" "build/fuzz/corpus/$name"
  "build/fuzz/bin/fuzz_$name" -set_cover_merge=1 -use_counters=0 "$fresh" "$kept" "build/fuzz/corpus/$name" \
    >"build/fuzz/$name.merge.log" 2>&1 || fail "could not merge; see build/fuzz/$name.merge.log"
  rm -f "$kept"/*
  cp "$fresh"/* "$kept/"
  say "$name: $(find "$kept" -type f | wc -l) inputs in $kept."
}

fuzz_command() {
  local minutes=1 merge=0 names=() name known targets=()
  mapfile -t known < <(fuzzers)
  while [[ $# -gt 0 ]]; do
    case $1 in
      --minutes)
        [[ ${2:-} =~ ^[1-9][0-9]{0,3}$ ]] || usage_error "fuzz: --minutes needs a number from 1 to 9999"
        minutes=$2; shift 2 ;;
      --minutes=*)
        [[ ${1#*=} =~ ^[1-9][0-9]{0,3}$ ]] || usage_error "fuzz: --minutes needs a number from 1 to 9999"
        minutes=${1#*=}; shift ;;
      --merge) merge=1; shift ;;
      -*) usage_error "fuzz: unknown option '$1'" ;;
      *)
        [[ " ${known[*]} " == *" $1 "* ]] || usage_error "fuzz: there is no fuzzer '$1'; there are: ${known[*]}"
        names+=("$1"); shift ;;
    esac
  done
  [[ ${#names[@]} -gt 0 ]] || names=("${known[@]}")
  for name in "${names[@]}"; do targets+=("fuzz_$name"); done
  lock_build
  need_packages "${fuzz_packages[@]}"
  build fuzz "${targets[@]}"
  share_build_lock
  for name in "${names[@]}"; do
    if ((merge)); then merge_corpus "$name"; else run_fuzzer "$name" "$minutes"; fi
  done
}
