# shellcheck shell=bash
# Redis and etcd for `./dev bench peers`. Sourced by ./dev.
#
# Installed, Debian's packages would start services. They are unpacked under .local/peers instead,
# and only the libraries that they are linked with are installed.

readonly peer_packages=(redis-server redis-tools etcd-server)
readonly peer_programs=(redis-server etcd)
readonly peers_dir=$local_dir/peers

# The packages' names that a .deb FILE needs and that hold libraries.
_libraries_of() {
  dpkg-deb -f "$1" Depends | tr ',' '\n' | sed -n 's/^ *\(lib[a-z0-9.+-]*\).*/\1/p'
}

# _download_peers DIR: their .deb files; with the package lists that are there, or with new ones.
_download_peers() {
  mkdir -p "$local_dir"
  (cd "$1" && apt-get download "${peer_packages[@]}") >"$local_dir/apt.log" 2>&1 && return
  need_root "Redis and etcd cannot be downloaded with the package lists that are there, and neither root" \
    "nor sudo is at hand for new ones:" "  apt-get update"
  update_package_lists
  (cd "$1" && apt-get download "${peer_packages[@]}") >>"$local_dir/apt.log" 2>&1 && return
  tail -n 15 "$local_dir/apt.log" >&2
  printf 'dev: %s\n' "apt-get could not download: ${peer_packages[*]}" "the whole log is .local/apt.log" >&2
  exit 2
}

# fetch_peers: they are there afterwards, and can be run.
fetch_peers() {
  local fresh=$peers_dir.new deb libraries=() program missing
  lock_build
  if [[ ! -e $peers_dir/complete ]]; then
    need_debian "${peer_packages[@]}"
    note "fetching Redis and etcd (Debian packages: ${peer_packages[*]})"
    rm -rf "$fresh" "$peers_dir"
    mkdir -p "$fresh/deb"
    _download_peers "$fresh/deb"
    for deb in "$fresh"/deb/*.deb; do
      dpkg-deb -x "$deb" "$fresh" || refuse "cannot unpack ${deb##*/}"
    done
    touch "$fresh/complete"
    mv "$fresh" "$peers_dir"
  fi
  for deb in "$peers_dir"/deb/*.deb; do
    mapfile -t -O "${#libraries[@]}" libraries < <(_libraries_of "$deb")
  done
  need_packages "${libraries[@]}"
  for program in "${peer_programs[@]}"; do
    missing=$(ldd "$peers_dir/usr/bin/$program" 2>&1 | sed -n 's/ => not found//p') || true
    [[ -z $missing ]] || refuse "$program needs libraries that Debian's packages did not bring:" "$missing"
    "$peers_dir/usr/bin/$program" --version >/dev/null 2>&1 ||
      refuse "$peers_dir/usr/bin/$program cannot be run"
  done
}
