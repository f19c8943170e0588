# shellcheck shell=bash
# Shared by the scripts in the parent folder: the environment of Ansible, and the tests of the appliance.
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

# choose_engine: set and export the container engine for Molecule and create.yml.
choose_engine() {
  export TESTHOST_ENGINE=${TESTHOST_ENGINE:-podman}
  engine=$root/molecule/engine
}

# boots RELEASE: whether this machine can run the release's systemd. systemd 258 and newer need cgroup v2.
boots() {
  [[ ! $1 =~ ^(forky|sid)$ || $(stat -fc %T /sys/fs/cgroup) == cgroup2fs ]]
}

# remove_testhosts SCENARIO: remove the hosts and networks of one scenario, including those of an interrupted run.
# Other scenarios may run at the same time and are not affected.
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

# controller_env: print the folder of a virtual environment with the packages of requirements.txt. It is made again
# when requirements.txt or the interpreter changes.
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

# in_controller COMMAND...: run a command of that environment from the root of the project. The result does not depend
# on the terminal, the locale or the user's own collections.
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

# on_hosts NAME[@RELEASE[@RUNTIME]]: create the hosts of a Molecule scenario or of the demo, run it, and remove them.
# Runs of the same name wait for each other, because their hosts have the same names. Needs root, because the
# addresses of another user's containers cannot be reached.
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
