# shellcheck shell=bash
# Build, test, simulation. Sourced by ./dev.

readonly presets=(release debug asan tsan)

# Prints how many compilers may run at once: one a core, and 1.2 GB of free memory for each (a
# source file that includes gRPC takes about 1 GB).
job_count() {
  local cores free_kb limit used jobs
  if [[ -n ${DEV_JOBS:-} ]]; then
    [[ $DEV_JOBS =~ ^[1-9][0-9]{0,3}$ ]] || usage_error "DEV_JOBS must be a number from 1 on, not '$DEV_JOBS'"
    printf '%s\n' "$DEV_JOBS"
    return
  fi
  cores=$(nproc)
  free_kb=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
  if [[ $limit != max ]]; then
    used=$(cat /sys/fs/cgroup/memory.current 2>/dev/null || echo 0)
    if (((limit - used) / 1024 < free_kb)); then free_kb=$(((limit - used) / 1024)); fi
  fi
  jobs=$((free_kb / 1200000))
  if ((jobs > cores)); then jobs=$cores; fi
  if ((jobs < 1)); then jobs=1; fi
  printf '%s\n' "$jobs"
}

# configure PRESET: runs cmake where ninja would not know by itself that it has to.
configure() {
  local dir=build/$1 home
  if [[ -f $dir/CMakeCache.txt ]]; then
    home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$dir/CMakeCache.txt")
    if [[ $home != "$root" ]]; then
      note "$dir was made for $home: starting it anew"
      rm -rf "$dir"
    fi
  fi
  if [[ ! -f $dir/build.ninja || ! -f $dir/configured || CMakePresets.json -nt $dir/configured ]]; then
    mkdir -p "$dir"
    if ! cmake --preset "$1" >"$dir/configure.log" 2>&1; then
      tail -n 30 "$dir/configure.log" >&2
      fail "cmake could not configure preset $1; the whole log is $dir/configure.log"
    fi
    touch "$dir/configured"
  fi
}

# build PRESET [TARGET...]: all targets by default.
build() {
  local preset=$1 jobs start=$SECONDS
  shift
  setup
  configure "$preset"
  jobs=$(job_count)
  export CCACHE_DIR=${CCACHE_DIR:-$local_dir/ccache}
  # What one checkout has compiled serves another one that is given its cache.
  export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$root} CCACHE_NOHASHDIR=1
  note "building preset $preset with $jobs jobs"
  (cd "build/$preset" && ninja -j "$jobs" "$@") || fail "the build failed (preset $preset)"
  note "built in $((SECONDS - start)) s; binaries are in build/$preset/bin/"
}

_need_preset() {
  [[ " ${presets[*]} " == *" $1 "* && -n $1 ]] ||
    usage_error "unknown preset '$1'; there are: ${presets[*]}"
}

build_command() {
  local preset=release
  while [[ $# -gt 0 ]]; do
    case $1 in
      --preset) [[ $# -ge 2 ]] || usage_error "--preset needs a name: ${presets[*]}"; preset=$2; shift 2 ;;
      --preset=*) preset=${1#*=}; shift ;;
      *) usage_error "build: unknown argument '$1'" ;;
    esac
  done
  _need_preset "$preset"
  build "$preset"
}

# What the environment sets for our binaries is not for the tests' processes.
clear_ringkv_environment() {
  local name
  for name in "${!RINGKV_@}"; do unset "$name"; done
}

# run_ctest DIR [ARGUMENT...]: the tests of a preset, or of one folder in it (PRESET/tests/FOLDER).
# Ends in ctest's closing line and exit code.
run_ctest() {
  local dir=$1
  shift
  clear_ringkv_environment
  # The random cases of a property are the same in each run, so that a change is judged by what it
  # changes; RC_PARAMS=noshrink=1 draws others. Making a counterexample smaller may take longer than
  # the test has: a failure shows it as it was found, and how to run just that one
  # (RC_PARAMS=reproduce=...); RC_PARAMS=seed=1, or whatever seed it prints, makes it smaller.
  RC_PARAMS=${RC_PARAMS:-seed=1 noshrink=1} \
    ctest --test-dir "build/$dir" --parallel "$(nproc)" --output-on-failure --no-tests=error "$@"
}

# Prints the folders of tests/ that hold tests.
test_folders() {
  local lists=(tests/*/CMakeLists.txt)
  lists=("${lists[@]#tests/}")
  printf '%s\n' "${lists[@]%/CMakeLists.txt}"
}

test_command() {
  local filter=() preset=release folders=() folder known targets=()
  mapfile -t known < <(test_folders)
  while [[ $# -gt 0 ]]; do
    case $1 in
      --preset) [[ $# -ge 2 ]] || usage_error "--preset needs a name: ${presets[*]}"; preset=$2; shift 2 ;;
      --preset=*) preset=${1#*=}; shift ;;
      --only)
        [[ " ${known[*]} " == *" ${2:-} "* && -n ${2:-} ]] ||
          usage_error "test: --only needs a folder of tests/; there are: ${known[*]}"
        folders+=("$2"); shift 2 ;;
      --only=*) set -- --only "${1#*=}" "${@:2}" ;;
      -* | '') usage_error "test: unknown option '$1'" ;;
      *)
        [[ ${#filter[@]} -eq 0 ]] ||
          usage_error "test: one FILTER at most, a regular expression over names of tests"
        filter=(--tests-regex "$1"); shift ;;
    esac
  done
  _need_preset "$preset"
  for folder in "${folders[@]}"; do targets+=("tests/$folder/all"); done  # as ninja names them
  build "$preset" "${targets[@]}"
  share_build_lock
  (
    close_locks
    failed=0
    [[ ${#folders[@]} -gt 0 ]] || run_ctest "$preset" "${filter[@]}" || failed=$?
    for folder in "${folders[@]}"; do
      run_ctest "$preset/tests/$folder" "${filter[@]}" || failed=$?
    done
    exit "$failed"
  )
}

sim_command() {
  local preset=release program=ringkv_sim arguments=()
  if [[ ${1:-} == --ablations ]]; then program=ringkv_sim_ablations; shift; fi
  while [[ $# -gt 0 ]]; do
    case $1 in
      --seeds | --first | --minutes)
        [[ ${2:-} =~ ^[0-9]+$ ]] || usage_error "sim: $1 needs a whole number"
        arguments+=("$1" "$2"); shift 2 ;;
      --seeds=* | --first=* | --minutes=*)
        [[ ${1#*=} =~ ^[0-9]+$ ]] || usage_error "sim: ${1%%=*} needs a whole number"
        arguments+=("${1%%=*}" "${1#*=}"); shift ;;
      --trace)
        [[ $program == ringkv_sim ]] || usage_error "sim: --ablations has no --trace"
        arguments+=("$1"); shift ;;
      --rule | --ranges)
        [[ $program != ringkv_sim && ${2:-} =~ ^[A-Za-z0-9]+$ ]] || usage_error "sim: $1 goes with --ablations, which comes first, and needs a value"
        arguments+=("$1" "$2"); shift 2 ;;
      --preset) [[ $# -ge 2 ]] || usage_error "--preset needs a name: ${presets[*]}"; preset=$2; shift 2 ;;
      --preset=*) preset=${1#*=}; shift ;;
      *) usage_error "sim: unknown argument '$1'" ;;
    esac
  done
  _need_preset "$preset"
  build "$preset" "$program"
  share_build_lock
  clear_ringkv_environment
  (close_locks && exec "build/$preset/bin/$program" "${arguments[@]}")
}
