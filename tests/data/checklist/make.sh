#!/bin/bash
# Makes recordings of Linux machines anew, or some of them: make.sh WORK [NAME...]
#
# WORK is a folder with 2 GB of room. Each machines/NAME.sh runs as root in a container of its own
# that booted systemd, and leaves machines/NAME.txt. A script that begins with `# host` runs on this
# machine instead, because a container cannot make its state. Needs root, debootstrap,
# systemd-container, and a Debian mirror.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$1
shift
base=$work/base
packages=systemd,systemd-sysv,dbus,iproute2,procps,chrony,openvpn,wireguard-tools,network-manager,lynis,openssl
[ -d "$base" ] || debootstrap --variant=minbase \
  --include=$packages,libpam-systemd,distro-info-data,systemd-journal-remote,dnsmasq-base,isc-dhcp-client,udhcpd,btrfs-progs,smartmontools,mdadm,zip,util-linux,findutils,dnf,zypper,createrepo-c,rpm,netplan.io,ifupdown,tinc,nginx-light bookworm "$base" > "$work/base.log"

# The container's first process, as this machine numbers it.
first() { pgrep -P "$(cat "$work/nspawn.pid")" | head -1; }
inside() { nsenter -t "$(first)" -m -u -i -n -p -- env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin "$@"; }

record() {
  local name=$1 root=$work/root
  mkdir -p "$work/upper" "$work/overlay" "$root"
  mount -t overlay overlay -o "lowerdir=$base,upperdir=$work/upper,workdir=$work/overlay" "$root"
  cp "$here"/*.sh "$here/machines/$name.sh" "$root/root/"
  systemd-nspawn -q --register=no --keep-unit --private-network --hostname=sbs01 --capability=all --boot -D "$root" \
    > "$work/console.log" 2>&1 < /dev/null &
  echo $! > "$work/nspawn.pid"
  for _ in $(seq 100); do
    inside systemctl is-system-running 2> /dev/null | grep -qE 'running|degraded' && break
    sleep 0.3
  done
  inside bash -c "cd /root && . ./record.sh && begin /root/out.txt && . ./$name.sh" > "$work/$name.log" 2>&1 \
    || { cat "$work/$name.log"; echo "$name failed"; }
  sed "s,$work,/srv/machines,g" "$root/root/out.txt" > "$here/machines/$name.txt"
  inside systemctl poweroff > /dev/null 2>&1 || true
  wait "$(cat "$work/nspawn.pid")" || true
  umount "$root"
  rm -rf "$work/upper" "$work/overlay"
}

for script in "$here"/machines/*.sh; do
  name=$(basename "$script" .sh)
  [ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
  echo "$name"
  if head -1 "$script" | grep -q '^# host'; then
    (cd "$work" && . "$here/record.sh" && begin "$work/out.txt" && . "$script" && cp "$work/out.txt" "$here/machines/$name.txt")
  else
    record "$name"
  fi
done
