#!/usr/bin/env bash
# Fails when an #include goes against the directions between the folders.
#   scripts/check-includes.sh [ROOT]
set -euo pipefail
cd "${1:-$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/..}"

folders=()
for folder in base ring net migration kvnode router client; do
  [[ ! -d $folder ]] || folders+=("$folder")
done
mapfile -t files < <(find "${folders[@]}" \( -name '*.cc' -o -name '*.h' \) | sort)

awk '
  # may_include(FOLDER, OTHERS): besides itself. `tests` and `bench` may include everything.
  BEGIN {
    may_include("base", "")
    may_include("ring", "base")
    may_include("net", "base proto")
    may_include("migration", "base ring proto")
    may_include("kvnode", "base ring migration net proto")
    may_include("router", "base ring migration net proto")
    may_include("client", "base ring net proto")
    known["proto"] = known["tests"] = known["bench"] = 1
  }
  function may_include(folder, others,   i, n, names) {
    known[folder] = 1
    may[folder, folder] = 1
    n = split(others, names, " ")
    for (i = 1; i <= n; i++) may[folder, names[i]] = 1
  }
  function report(why) {
    printf "%s:%d: %s: %s\n", FILENAME, FNR, why, path
    bad = 1
  }
  FNR == 1 { from = FILENAME; sub(/\/.*/, "", from) }
  /^[ \t]*#[ \t]*include[ \t]*[<"]/ {
    path = $0
    sub(/^[^<"]*[<"]/, "", path)
    sub(/[>"].*/, "", path)
    to = path
    sub(/\/.*/, "", to)
    if (to == "ringkv") to = "proto"
    if (to in known && !((from, to) in may)) report(from "/ may not include")
    # Adapters carry the name of what they adapt; the rest is free of it.
    if (path ~ /^grpc(pp)?\/|\.grpc\.pb\.h$/ && FILENAME !~ /^(net|kvnode|router|client)\/(.*grpc.*|main\.cc)$/)
      report("only gRPC adapters (grpc in the name, or main.cc) include")
    if (path ~ /^rocksdb\// && FILENAME !~ /rocks|embedded_metadata/)
      report("only RocksDB adapters (rocks in the name, or embedded_metadata) include")
    if (path ~ /^\.\.?\//) report("paths are written from the root")
  }
  END { exit bad }
' "${files[@]}"
printf 'includes: %d files keep to the directions.\n' "${#files[@]}"
