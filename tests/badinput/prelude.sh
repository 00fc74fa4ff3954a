# What the commands of the bad-input table may use beside our programs. Read by bash (BASH_ENV).
# shellcheck shell=bash

# x N: N letters x.
x() { head -c "$1" /dev/zero | tr '\0' x; }

# given TEXT COMMAND: the command with TEXT (with \n, \xNN and so on; `-` is stdin) in the file `file`.
given() {
  local text=$1 code=0
  shift
  if [[ $text == - ]]; then cat >file; else printf '%b' "$text" >file; fi
  "$@" || code=$?
  rm file
  return "$code"
}

# http METHOD PATH [OPTION...]: a request to the router; its status stands for the exit code.
http() {
  local method=$1 path=$2
  shift 2
  rm -f "$WORK/body"
  curl --noproxy '*' --silent --show-error --max-time 10 --request "$method" --path-as-is "$@" \
    --output "$WORK/body" --write-out '%{http_code}' "http://$ROUTER_HTTP$path" >"$CODE_FILE"
  [[ ! -e $WORK/body ]] || cat "$WORK/body"
}

# runs_on COMMAND: a server that says what is wrong and goes on trying. Ends it with SIGTERM once it
# has said something. Shows the warnings of the part of it that spoke first: how far the others come
# meanwhile differs from run to run.
runs_on() {
  local said=$WORK/said pid code=0 tries=0
  : >"$said" # now: the command below may take a while to begin
  "$@" >"$said" 2>&1 &
  pid=$!
  until grep -qE '^[^ ]+Z (warning|error) ' "$said" || ! kill -0 "$pid" 2>/dev/null; do
    if ((++tries > 1000)); then echo 'it has said nothing in 10 s'; break; fi
    sleep 0.01 # between two looks
  done
  kill -TERM "$pid" 2>/dev/null && printf 'runs on' >"$CODE_FILE"
  wait "$pid" || code=$?
  awk '$2 == "warning" || $2 == "error" { if (part == "") part = $3; if ($3 != part) next } 1' "$said"
  return "$code"
}
