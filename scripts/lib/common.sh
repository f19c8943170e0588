# shellcheck shell=bash
# Shared by the scripts in the parent folder: messages, distribution packages, Python environments.

say() { printf '\n== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sls-hec-forwarder

as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

# need_packages PACKAGE...: install the missing packages.
need_packages() {
  local missing=() package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == "install ok installed" ]] || missing+=("$package")
  done
  [[ ${#missing[@]} -eq 0 ]] && return
  command -v apt-get >/dev/null || die "this needs Debian or Ubuntu (apt-get); missing: ${missing[*]}"
  say "installing distribution packages: ${missing[*]}"
  as_root apt-get update -qq
  # Do not start the services of the packages: running tests must not open ports.
  local policy=/usr/sbin/policy-rc.d
  if [[ -e $policy ]]; then
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    local status=0
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || status=$?
    as_root rm -f "$policy"
    [[ $status -eq 0 ]] || die "apt-get could not install: ${missing[*]}"
  fi
}

# python_env NAME INTERPRETER: print the folder of a virtual environment with the relay, its native encoder (needs gcc),
# the stand-ins and the requirements of their tests. It is made again when the interpreter or the locked requirements
# change.
python_env() {
  local name=$1 interpreter=$2 forwarder=$root/forwarder key dir
  key=$( (echo "$root"; "$interpreter" -VV; cat "$forwarder"/requirements/{runtime,dev}.txt) | sha256sum | cut -c1-12)
  dir=$cache/venv-$name-$key
  if [[ ! -e $dir/complete ]]; then
    say "making the $name environment ($("$interpreter" -VV 2>&1 | tr '\n' ' '))" >&2
    rm -rf "$dir"
    "$interpreter" -m venv "$dir"
    "$dir/bin/python" -m pip install --quiet --no-deps --require-hashes \
      -r "$forwarder/requirements/runtime.txt" >&2
    "$dir/bin/python" -m pip install --quiet --no-deps --require-hashes \
      -r "$forwarder/requirements/dev.txt" >&2
    touch "$dir/complete"
  fi
  # Tests run against the installed packages, so that they find a file missing from a package. Old build folders
  # would hide it.
  rm -rf "$forwarder"/{,standins/,native/}build
  "$dir/bin/python" -m pip install --quiet --no-deps --no-build-isolation --force-reinstall \
    "$forwarder" "$forwarder/standins" "$forwarder/native" >&2
  echo "$dir"
}

# sdks_env INTERPRETER: print the folder of a virtual environment with the other clients of SLS. It is made again when
# the interpreter or the locked requirements change.
sdks_env() {
  local interpreter=$1 locked=$root/forwarder/requirements/sdks.txt key dir
  key=$( ("$interpreter" -VV; cat "$locked") | sha256sum | cut -c1-12)
  dir=$cache/sdks-$key
  if [[ ! -e $dir/complete ]]; then
    say "making the environment of other clients of SLS" >&2
    rm -rf "$dir"
    "$interpreter" -m venv "$dir"
    "$dir/bin/python" -m pip install --quiet --no-deps --require-hashes -r "$locked" >&2
    touch "$dir/complete"
  fi
  echo "$dir"
}

# node_env FOLDER: print the node_modules folder for FOLDER/package-lock.json. Scripts of packages are not run.
node_env() {
  local folder=$1 key dir
  key=$( (node --version; cat "$folder"/package*.json) | sha256sum | cut -c1-12)
  dir=$cache/node-$key
  if [[ ! -e $dir/complete ]]; then
    say "installing clients for Node" >&2
    rm -rf "$dir"
    mkdir -p "$dir"
    cp "$folder"/package*.json "$dir/"
    (cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund --silent >&2)
    touch "$dir/complete"
  fi
  echo "$dir/node_modules"
}
