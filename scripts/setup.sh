# shellcheck shell=bash
# Installs what the project needs from Debian's packages, and only what is missing. Sourced by ./dev.

mapfile -t build_packages < <(sed "s/#.*//; /^\s*$/d" scripts/build-packages.txt)
readonly build_packages
readonly format_packages=(clang-format)
readonly lint_packages=(clang-tidy shellcheck)

# missing_packages PACKAGE...: prints those that are not installed.
missing_packages() {
  local installed package
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
  for package in "$@"; do
    [[ $'\n'$installed$'\n' == *$'\n'"installed $package"$'\n'* ]] || printf '%s\n' "$package"
  done
}

# need_debian PACKAGE...: these are needed.
need_debian() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    printf 'dev: %s\n' "this is not a Debian system (no dpkg and apt-get): cannot install packages" \
      "needed, by their names in Debian 12: $*" >&2
    exit 2
  fi
}

# need_root MESSAGE...: sets as_root to what makes a command root's; where that cannot be, the message.
need_root() {
  as_root=()
  if [[ $EUID -ne 0 ]]; then
    as_root=(sudo)
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null && { [[ ! -t 0 ]] || ! sudo -v; }; then
      printf 'dev: %s\n' "$@" >&2
      exit 2
    fi
  fi
}

# update_package_lists: after need_root. Starts .local/apt.log.
update_package_lists() {
  mkdir -p "$local_dir"
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get -o DPkg::Lock::Timeout=300 update >"$local_dir/apt.log" 2>&1; then
    note "'apt-get update' failed; going on with the package lists that are there"
  fi
}

# need_packages PACKAGE...: installs the missing ones; milliseconds when there are none.
need_packages() {
  local missing
  need_debian "$@"
  mapfile -t missing < <(missing_packages "$@")
  [[ ${#missing[@]} -gt 0 ]] || return 0

  local log=$local_dir/apt.log start=$SECONDS
  need_root "packages are missing, and neither root nor sudo is at hand to install them:" \
    "  apt-get install --no-install-recommends ${missing[*]}"
  note "installing ${#missing[@]} Debian packages (log: .local/apt.log): ${missing[*]}"
  update_package_lists
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" \
      >>"$log" 2>&1 </dev/null; then
    tail -n 15 "$log" >&2
    printf 'dev: %s\n' "apt-get could not install: ${missing[*]}" "the whole log is .local/apt.log" >&2
    exit 2
  fi
  note "packages installed in $((SECONDS - start)) s"
}

setup() {
  lock_build
  need_packages "${build_packages[@]}"
}
