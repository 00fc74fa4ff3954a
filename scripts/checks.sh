# shellcheck shell=bash
# Format and lint. Sourced by ./dev.

# our_sources GLOB...: our files with these names, relative to the root, sorted.
our_sources() {
  local pattern tests=()
  for pattern in "$@"; do tests+=(-o -name "$pattern"); done
  find . \( -path ./build -o -path ./.local -o -path ./.git \) -prune -o -type f \( "${tests[@]:1}" \) -print |
    sed 's|^\./||' | sort
}

fmt_command() {
  local check=0 files wrong
  while [[ $# -gt 0 ]]; do
    case $1 in
      --check) check=1; shift ;;
      *) usage_error "fmt: unknown argument '$1'" ;;
    esac
  done
  lock_build
  need_packages "${format_packages[@]}"
  mapfile -t files < <(our_sources '*.cc' '*.h')
  if ((check)); then
    # clang-format prints a message for each place; the names of the files are enough.
    mapfile -t wrong < <(clang-format --dry-run "${files[@]}" 2>&1 |
      sed -n 's/:[0-9]*:[0-9]*: warning: .*//p' | sort -u)
    [[ ${#wrong[@]} -eq 0 ]] ||
      fail "${#wrong[@]} files are not as .clang-format says (./dev fmt changes them):" "${wrong[@]/#/  }"
    say "format: ${#files[@]} files are as they should be."
  else
    clang-format -i "${files[@]}"
    say "format: ${#files[@]} files done."
  fi
}

# ---- lint ---------------------------------------------------------------------------------

readonly lint_dir=.local/lint

# Prints "SOURCE<tab>DEPENDENCY" for every file of the project or made by its build that a source
# of ours was compiled from, from ninja's own records of the release build.
source_dependencies() {
  ninja -C build/release -t deps 2>/dev/null | awk -v root="$root/" '
    function relative(path) {
      if (path ~ /^\.\.\/\.\.\//) return substr(path, 7)
      if (path !~ /^\//) return "build/release/" path
      return index(path, root) == 1 ? substr(path, length(root) + 1) : ""
    }
    /^[^ ]/ { source = ""; next }
    NF { path = relative(substr($0, 5))
         if (source == "") source = path == "" ? "-" : path
         if (path != "") print source "\t" path }'
}

# files_to_tidy ALL: our sources that changed since clang-tidy last found nothing in them; with
# ALL=1 every one. A source has changed when a file that it includes has.
files_to_tidy() {
  local all=$1 source dependency stamp
  local -A stale=()
  while IFS=$'\t' read -r source dependency; do
    [[ $source != build/* && $source == *.cc ]] || continue
    stamp=$lint_dir/$source.ok
    if ((all)) || [[ ! -e $stamp || .clang-tidy -nt $stamp || $dependency -nt $stamp ]]; then
      stale[$source]=1
    fi
  done < <(source_dependencies)
  [[ ${#stale[@]} -eq 0 ]] || printf '%s\n' "${!stale[@]}" | newest_first
}

# newest_first: sorts names of .cc files, those that git saw change last (they or the header of the
# same name) before the others, and what is not committed before everything.
newest_first() {
  awk '
    { stem = $0; sub(/\.[a-z]+$/, "", stem) }
    FNR == NR { if (stem != "" && !(stem in rank)) rank[stem] = NR; next }
    { print (stem in rank ? rank[stem] : 1e9) "\t" $0 }
  ' <(git diff --name-only HEAD; git ls-files --others --exclude-standard; git log --name-only --format=) - |
    sort -n | cut -f 2
}

# tidy FILE: run by xargs, several at once; prints in one piece.
tidy() {
  local stamp=$lint_dir/$1.ok output
  if ((tidy_until > 0 && EPOCHSECONDS >= tidy_until)); then
    printf '%s\n' "$1" >>"$lint_dir/left-out"
    return 0
  fi
  mkdir -p "${stamp%/*}"
  touch "$stamp.begun"
  # Flags that only GCC knows are no finding.
  if output=$(clang-tidy -p build/release --quiet --extra-arg=-Wno-ignored-optimization-argument \
    "$1" 2>&1); then
    mv "$stamp.begun" "$stamp"
  else
    rm -f "$stamp.begun" "$stamp"
    sed '/^[0-9]* warnings* generated/d' <<<"$output"
    return 1
  fi
}

lint_command() {
  local all=0 minutes=0 files left failed=0 start=$SECONDS
  while [[ $# -gt 0 ]]; do
    case $1 in
      --all) all=1; shift ;;
      --minutes)
        [[ ${2:-} =~ ^[1-9][0-9]{0,3}$ ]] || usage_error "lint: --minutes needs a number from 1 to 9999"
        minutes=$2; shift 2 ;;
      *) usage_error "lint: unknown argument '$1'" ;;
    esac
  done
  lock_build
  need_packages "${lint_packages[@]}"
  shellcheck -x -a dev .ci/run docker/ready || failed=1
  build release
  # Who may include whom (tests/architecture).
  run_ctest release --tests-regex '^IncludeRules' >build/release/include-rules.log 2>&1 ||
    { cat build/release/include-rules.log; failed=1; }
  mapfile -t files < <(files_to_tidy "$all")
  mkdir -p "$lint_dir"
  : >"$lint_dir/left-out"
  if [[ ${#files[@]} -gt 0 ]]; then
    note "clang-tidy over ${#files[@]} files"
    tidy_until=$((minutes > 0 ? EPOCHSECONDS + 60 * minutes : 0))
    export lint_dir tidy_until
    export -f tidy
    # shellcheck disable=SC2016  # expanded by the inner bash
    printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(job_count)" bash -c 'tidy "$1"' tidy || failed=1
  fi
  left=$(wc -l <"$lint_dir/left-out")
  if ((left > 0)); then
    note "the $minutes minutes are over: $left of ${#files[@]} files, those that changed longest ago, were not looked at"
  fi
  ((failed == 0)) || fail "lint found something (above)"
  say "lint: nothing found; clang-tidy looked at $((${#files[@]} - left)) files in $((SECONDS - start)) s."
}
