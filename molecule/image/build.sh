#!/usr/bin/env bash
# Makes the image of the test hosts, unless it is there already, and prints its name.
#
#   TESTHOST_IMAGE     use this image as it is: systemd, python3, sudo, sshd, the account "deploy"
#   TESTHOST_BASE      build on this image, such as docker.io/library/ubuntu:24.04
#   TESTHOST_PACKAGES  packages to have in it, beside those of the file "packages"
#   TESTHOST_ENGINE    podman (default) or docker
#
# Without the first two, Debian is bootstrapped from this machine's own package sources, which needs no
# image registry; where that is not possible, on Ubuntu's image.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [[ -n ${TESTHOST_IMAGE:-} ]]; then
  echo "$TESTHOST_IMAGE"
  exit
fi
engine=${TESTHOST_ENGINE:-podman}
base=${TESTHOST_BASE:-}
read -ra packages <<<"$(xargs <packages) ${TESTHOST_PACKAGES:-}"
sources=/etc/apt/sources.list.d/debian.sources
if [[ -z $base ]] && ! { [[ -e $sources ]] && command -v mmdebstrap >/dev/null; }; then
  base=docker.io/library/ubuntu:24.04
fi

# One at a time: scenarios run side by side.
exec {lock}<build.sh
flock "$lock"
key=$( (cat provision.sh testhost-init Containerfile build.sh; echo "$base ${packages[*]}") | sha256sum | cut -c1-12)
image=localhost/sls-hec-testhost:$key
if "$engine" image inspect "$image" >/dev/null 2>&1; then
  echo "$image"
  exit
fi

if [[ -n $base ]]; then
  "$engine" build --quiet --build-arg "BASE=$base" --build-arg "PACKAGES=${packages[*]}" --tag "$image" . >&2
else
  tree=$(mktemp --suffix=.tar)
  trap 'rm -f "$tree"' EXIT
  # shellcheck source=/dev/null
  release=$(. /etc/os-release && echo "$VERSION_CODENAME")
  # shellcheck disable=SC2016  # $1 is expanded by mmdebstrap's hook, not here
  mmdebstrap --quiet --variant=minbase --mode=root --format=tar \
    --skip=cleanup/apt/lists \
    --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --aptopt='Acquire::Languages "none"' \
    --include="$(IFS=, && echo "${packages[*]}")" \
    --customize-hook='copy-in testhost-init /usr/local/sbin' \
    --customize-hook='copy-in provision.sh /tmp' \
    --customize-hook='chroot "$1" sh /tmp/provision.sh; rm "$1/tmp/provision.sh"' \
    "$release" "$tree" "$sources" >&2
  "$engine" import --change 'CMD ["/usr/local/sbin/testhost-init"]' --change "ENV container=$engine" \
    "$tree" "$image" >/dev/null
fi
echo "$image"
