# shellcheck shell=bash
# For the scripts beside this folder, after common.sh: the machine that runs Ansible, and the appliance's tests.
# shellcheck source-path=SCRIPTDIR source=common.sh
[[ -n ${root:-} ]] || source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# appliance_packages: print the distribution packages that test hosts need, one a line.
appliance_packages() {
  if [[ ${TESTHOST_ENGINE:-podman} == podman ]]; then
    grep -v '^#' "$root/scripts/packages-molecule"
  else
    echo openssh-client
  fi
}

# choose_engine: set and export what Molecule and create.yml need to know.
choose_engine() {
  export TESTHOST_ENGINE=${TESTHOST_ENGINE:-podman}
  engine=$root/molecule/engine
}

# boots RELEASE: whether this machine can run its systemd; 258 and newer do nothing without cgroup v2.
boots() {
  [[ ! $1 =~ ^(forky|sid)$ || $(stat -fc %T /sys/fs/cgroup) == cgroup2fs ]]
}

# remove_testhosts SCENARIO: the hosts and networks of one scenario, also what an interrupted run left; but
# nothing of one that runs beside it.
remove_testhosts() {
  local id
  command -v "$TESTHOST_ENGINE" >/dev/null || return 0
  for id in $("$engine" ps --all --quiet --filter "label=sls-hec-testhost=$1"); do
    "$engine" rm --force --volumes "$id" >/dev/null
  done
  for id in $("$engine" network ls --quiet --filter "label=sls-hec-testhost=$1"); do
    "$engine" network rm "$id" >/dev/null
  done
}

# controller_env: print the folder of a virtual environment with what requirements.txt locks; made anew when that
# or the interpreter changes.
controller_env() {
  local key dir
  key=$( (python3 -VV; cat "$root/requirements.txt") | sha256sum | cut -c1-12)
  dir=$cache/controller-$key
  if [[ ! -e $dir/complete ]]; then
    say "making the environment of Ansible" >&2
    rm -rf "$dir"
    python3 -m venv "$dir"
    "$dir/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
      -r "$root/requirements.txt" >&2
    touch "$dir/complete"
  fi
  echo "$dir"
}

# in_controller COMMAND...: run a command of that environment from the root of the project, the same whatever the
# terminal, the locale and the user's own collections are.
in_controller() (
  controller=$(controller_env)
  cd "$root" || exit
  export PATH=$controller/bin:$PATH LC_ALL=C.UTF-8 NO_COLOR=1
  export ANSIBLE_CONFIG=$root/ansible.cfg ANSIBLE_COLLECTIONS_PATH=$root/collections
  exec "$@" </dev/null
)

appliance_lint() {
  in_controller yamllint --strict . && in_controller ansible-lint --offline --strict
}

# on_hosts NAME[@RELEASE[@RUNTIME]]: run one of the folders of molecule/, or the demo, from nothing to nothing; one at a
# time of each name, which is that of its hosts. As root, because the addresses of another user's containers cannot be
# reached.
on_hosts() {
  local name release runtime become=()
  IFS=@ read -r name release runtime <<<"$1"
  local test=("$root/scripts/molecule" "$name")
  [[ $name != demo ]] || test=("$root/scripts/demo" test)
  [[ $EUID -eq 0 ]] || become=(sudo)
  mkdir -p "$cache"
  flock --close "$cache/$name.lock" "${become[@]}" env TESTHOST_ENGINE="${TESTHOST_ENGINE:-podman}" \
    TESTHOST_IMAGE="${TESTHOST_IMAGE:-}" TESTHOST_BASE="${TESTHOST_BASE:-}" \
    TESTHOST_RELEASE="${release:-${TESTHOST_RELEASE:-}}" TESTHOST_RUNTIME="${runtime:-${TESTHOST_RUNTIME:-}}" \
    bash "${test[@]}"
}
