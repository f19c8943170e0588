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
  export ANSIBLE_CONFIG=$root/ansible.cfg ANSIBLE_COLLECTIONS_PATH=$controller/collections
  exec "$@" </dev/null
)

appliance_lint() {
  in_controller yamllint --strict . && in_controller ansible-lint --offline --strict
}

# molecule_scenario NAME: run one of the folders of molecule/ from nothing to nothing. As root, because the
# addresses of another user's containers cannot be reached.
molecule_scenario() {
  as_root env TESTHOST_ENGINE="${TESTHOST_ENGINE:-podman}" TESTHOST_IMAGE="${TESTHOST_IMAGE:-}" \
    TESTHOST_BASE="${TESTHOST_BASE:-}" "$root/scripts/molecule" "$1"
}
