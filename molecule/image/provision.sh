#!/bin/sh
# Turns a bare Debian or Ubuntu root into a test host; runs inside it.
set -eu

chmod 755 /usr/local/sbin/testhost-init

# Units that would reach through to the machine's kernel, or have nothing to do in a container.
systemctl mask \
  systemd-sysctl.service systemd-modules-load.service \
  systemd-udevd.service systemd-udev-trigger.service \
  systemd-udevd-kernel.socket systemd-udevd-control.socket \
  sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
  sys-fs-fuse-connections.mount dev-hugepages.mount dev-mqueue.mount \
  proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount \
  getty.target console-getty.service
# The container's own resolver and addresses are to be used.
for unit in systemd-resolved.service systemd-networkd.service; do
  if [ -e "/lib/systemd/system/$unit" ]; then systemctl disable "$unit"; fi
done

# Logs in as on a real host: not root, may become root.
useradd --create-home --shell /bin/bash deploy
echo 'deploy ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/deploy
mkdir -p /etc/ssh/authorized_keys
echo 'AuthorizedKeysFile /etc/ssh/authorized_keys/%u' >/etc/ssh/sshd_config.d/testhost.conf

: >/etc/machine-id
rm -f /var/cache/apt/archives/*.deb
