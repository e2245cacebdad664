# Shared by ./demo and ./test: finding what is missing, installing it, building. Sourced, not run.

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] || say() { printf '\n%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# packages GROUP...: the names in scripts/packages.txt.
packages() {
  local group
  for group in "$@"; do
    sed -n "s/^$group  *//p" "$root/scripts/packages.txt"
  done
}

# What has a command of its name is there, wherever it came from.
missing_packages() {
  local package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' ||
      command -v -- "$package" >/dev/null || echo "$package"
  done
}

# install_missing GROUP...: asks apt only for what is not there.
install_missing() {
  local missing
  command -v dpkg-query >/dev/null || { echo "no dpkg here: taking the libraries as they are"; return; }
  missing=$(missing_packages $(packages "$@"))
  [ -n "$missing" ] || return 0
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
      die "these packages are missing, and there is no sudo; as root: apt-get install" $missing
    as_root=(sudo)
  fi
  say "Installing" $missing
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
  # Lists that are missing or too old are fetched, and only then.
  "${apt[@]}" install -y --no-install-recommends $missing >/dev/null 2>&1 ||
    { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends $missing >/dev/null; } ||
    die "apt-get could not install" $missing
}

# Memory bounds the compilers that run at once; cores bound them, too.
parallel_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo)
  [ "$memory" -ge 1 ] || memory=1
  echo $((cores < memory ? cores : memory))
}

# A build folder that was copied along with the tree still builds the old one: it is made anew.
drop_if_moved() {
  local cache=$root/build/$1/CMakeCache.txt
  [ -f "$cache" ] || return 0
  [ "$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$cache")" = "$root" ] || rm -rf "${root:?}/build/$1"
}

# configure PRESET [ARGUMENT...]
configure() {
  local preset=$1 log=$root/build/$1-configure.log
  drop_if_moved "$preset"
  shift
  mkdir -p "$root/build"
  (cd "$root" && cmake --preset "$preset" "$@") >"$log" 2>&1 || { cat "$log" >&2; die "cmake failed"; }
}
