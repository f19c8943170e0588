#!/usr/bin/env bash
# Makes the image of the test hosts, unless it is there already, and prints its name.
#
#   TESTHOST_IMAGE     use this image as it is: systemd, python3, sudo, sshd, the account "deploy"
#   TESTHOST_BASE      build on this image, such as docker.io/library/ubuntu:24.04
#   TESTHOST_RELEASE   the Debian release to bootstrap, such as trixie; this machine's own, unless set
#   TESTHOST_PACKAGES  packages to have in it, beside those of the file "packages"
#   TESTHOST_ENGINE    podman (default) or docker
#
# Without the first two, Debian is bootstrapped from this machine's own package sources, which needs no
# image registry; where that is not possible, the image of that release or Ubuntu's is the base.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [[ -n ${TESTHOST_IMAGE:-} ]]; then
  echo "$TESTHOST_IMAGE"
  exit
fi
engine=../engine
base=${TESTHOST_BASE:-}
read -ra packages <<<"$(xargs <packages) ${TESTHOST_PACKAGES:-}"
sources=/etc/apt/sources.list.d/debian.sources
release=${TESTHOST_RELEASE:-}
# shellcheck source=/dev/null
own=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
if [[ -z $base ]] && ! { [[ -e $sources ]] && command -v mmdebstrap >/dev/null; }; then
  base=docker.io/library/${release:+debian:$release}
  [[ -n $release ]] || base+=ubuntu:24.04
fi
release=${release:-$own}

# One at a time: scenarios run side by side.
exec {lock}<build.sh
flock "$lock"
key=$( (cat provision.sh testhost-init Containerfile build.sh; echo "${base:-$release} ${packages[*]}") | sha256sum | cut -c1-12)
image=localhost/sls-hec-testhost:$key
if "$engine" image inspect "$image" >/dev/null 2>&1; then
  echo "$image"
  exit
fi

if [[ -n $base ]]; then
  "$engine" build --quiet --build-arg "BASE=$base" --build-arg "PACKAGES=${packages[*]}" --tag "$image" . >&2
else
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  tree=$work/tree.tar
  # The release itself, its updates and its security updates, as this machine has those of its own.
  sed -E "/^Suites:/s/\\b$own\\b/$release/g" "$sources" >"$work/image.sources"
  # It knows whether its mirror stands still, so that lists may be older than they may be elsewhere.
  mapfile -t dates < <(apt-config dump --format '%f "%v";%n' Acquire::Check-Valid-Until Acquire::Check-Date)
  # shellcheck disable=SC2016  # $1 is expanded by mmdebstrap's hook, not here
  mmdebstrap --quiet --variant=minbase --mode=root --format=tar \
    --skip=cleanup/apt/lists \
    --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --aptopt='Acquire::Languages "none"' \
    "${dates[@]/#/--aptopt=}" \
    --include="$(IFS=, && echo "${packages[*]}")" \
    --customize-hook='copy-in testhost-init /usr/local/sbin' \
    --customize-hook='copy-in provision.sh /tmp' \
    --customize-hook='chroot "$1" sh /tmp/provision.sh; rm "$1/tmp/provision.sh"' \
    "$release" "$tree" "$work/image.sources" >&2
  "$engine" import --change 'CMD ["/usr/local/sbin/testhost-init"]' --change "ENV container=${TESTHOST_ENGINE:-podman}" \
    "$tree" "$image" >/dev/null
fi
echo "$image"
