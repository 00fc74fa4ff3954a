# shellcheck shell=bash
# ./dev compose: the smoke test of the container images. Sourced by ./dev.
#
# Runs under a project name and an image tag of its own, on free ports, so that a cluster that
# somebody runs from docker-compose.yml is left alone; takes away everything it made, but for the
# image (the next run builds on it).

readonly compose_project=ringkv-smoke
compose_binary=()

_find_compose() {
  if ! command -v docker >/dev/null; then
    printf 'dev: %s\n' "compose needs docker and docker-compose:" \
      "  apt-get install docker.io docker-compose" >&2
    exit 2
  fi
  if docker compose version >/dev/null 2>&1; then compose_binary=(docker compose)
  elif command -v docker-compose >/dev/null; then compose_binary=(docker-compose)
  else
    printf 'dev: %s\n' "compose needs docker-compose (or the compose plugin of docker):" \
      "  apt-get install docker-compose" >&2
    exit 2
  fi
  local error
  if ! error=$(docker info 2>&1 >/dev/null); then
    printf 'dev: %s\n' "docker is installed, but its engine does not answer:" "  ${error##*$'\n'}" \
      "is it running (systemctl start docker), and may this user use it (group docker)?" >&2
    exit 2
  fi
}

_compose() { "${compose_binary[@]}" --project-name "$compose_project" --file docker-compose.yml "$@"; }

# free_port FIRST: the first free one from there on.
free_port() {
  local port=$1
  while port_taker "$port" >/dev/null; do port=$((port + 1)); done
  printf '%s\n' "$port"
}

_compose_step() { say "compose: $*"; }

_compose_fail() {
  note "compose: $*"
  note "state and last lines of every container:"
  { _compose ps; _compose logs --tail 15; } >&2 2>&1 || true
  exit 1
}

# Also what a run that was cut off has left.
_compose_clean() {
  local output
  if ! output=$(_compose --profile more down --volumes --remove-orphans --timeout 10 2>&1); then
    note "compose: containers could not be taken away:"
    printf '%s\n' "$output" | sed 's/^/  | /' >&2
    return 1
  fi
}

# kvctl inside the router's container.
_compose_kvctl() { _compose exec -T router kvctl --router 127.0.0.1:7400 "$@" </dev/null; }

# _eventually SECONDS WHAT COMMAND...: until it succeeds.
_eventually() {
  local seconds=$1 what=$2 end=$((SECONDS + $1))
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || _compose_fail "not within $seconds s: $what"
    sleep 0.5
  done
}

_container_ready() { _compose exec -T "$1" ringkv-ready </dev/null; }

# _expect WANTED KVCTL-ARGUMENT...
_expect() {
  local wanted=$1 got
  shift
  got=$(_compose_kvctl "$@" 2>&1) || _compose_fail "kvctl $*: $got"
  [[ $got == "$wanted" ]] || _compose_fail "kvctl $*: '$got' instead of '$wanted'"
}

_put() {
  local got
  got=$(_compose_kvctl put "$1" "$2" 2>&1) || _compose_fail "kvctl put $1: $got"
}

_is_waiting() {
  _compose_kvctl -o json admin status |
    tr -d ' \n' | grep -Eq '"id":"n4"[^{}]*"state":"waiting"|"state":"waiting"[^{}]*"id":"n4"'
}

compose_command() {
  local service start=$SECONDS
  [[ $# -eq 0 ]] || usage_error "compose: unknown argument '$1'"
  _find_compose
  lock_build
  need_packages curl
  unlock_build
  lock_cluster
  export IMAGE_TAG=smoke ROUTER_PORT ROUTER_HTTP_PORT
  ROUTER_PORT=$(free_port 7400)
  ROUTER_HTTP_PORT=$(free_port "$((ROUTER_PORT + 1))")
  trap '_compose_clean || true' EXIT
  trap 'exit 130' INT TERM
  _compose_clean

  _compose_step "building the image (packages the first time, then what changed)"
  _compose build router || _compose_fail "the image does not build"
  _compose_step "image built in $((SECONDS - start)) s: $(docker image inspect --format '{{.Size}}' ringkv:smoke | awk '{ printf "%.0f MB", $1 / 1e6 }')"

  _compose up -d --no-build router n1 n2 n3 || _compose_fail "docker-compose up failed"
  for service in router n1 n2 n3; do
    _eventually 90 "$service is ready" _container_ready "$service"
  done
  _eventually 10 "the published port answers" \
    curl --noproxy '*' --silent --fail --max-time 2 "http://127.0.0.1:$ROUTER_HTTP_PORT/readyz"
  _compose_step "one router and three nodes are ready"

  _put smoke:one first
  _expect first get smoke:one
  _compose_step "put and get work"

  _compose up -d --no-build n4 || _compose_fail "n4 does not start"
  _eventually 60 "'kvctl admin status' lists n4 as waiting" _is_waiting
  _compose_step "a further node, n4, has registered and waits to be added"

  _compose kill -s SIGKILL n2 || _compose_fail "n2 cannot be killed"
  _eventually 30 "get works with n2 killed" _compose_kvctl get smoke:one
  _expect first get smoke:one
  _put smoke:two second
  _expect second get smoke:two
  _compose_step "n2 killed: get and put still work"

  _compose up -d --no-build n2 || _compose_fail "n2 does not start again"
  _eventually 60 "n2 is ready again" _container_ready n2
  _expect first get smoke:one
  _expect second get smoke:two
  _compose_step "n2 is back"

  trap - EXIT
  _compose_clean
  _compose_step "passed in $((SECONDS - start)) s; containers and volumes are gone, the image ringkv:smoke stays"
}
