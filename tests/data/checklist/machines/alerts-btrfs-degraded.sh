# host
# A mirror of btrfs that was mounted without one of its two disks. The counters are all zero.
AS="chroot $base"
mkdir -p "$base/mnt"
mount -t proc proc "$base/proc"
for disk in disk1 disk2; do truncate -s 300M "$base/$disk"; done
one=$(losetup -f --show "$base/disk1")
two=$(losetup -f --show "$base/disk2")
for device in "$one" "$two"; do [ -e "$base$device" ] || cp -a "$device" "$base$device"; done
$AS mkfs.btrfs -q -d raid1 -m raid1 "$one" "$two"
mount "$one" "$base/mnt"
head -c 1M /dev/urandom > "$base/mnt/file"
umount "$base/mnt"
$AS wipefs -aq "$two"
losetup -d "$two"
mount -o degraded "$one" "$base/mnt"
ask btrfs device stats /mnt
ask btrfs filesystem show --raw /mnt
{ echo /proc/self/mounts; grep " btrfs " /proc/self/mounts | sed "s,$base,,; s/^/| /"; echo /proc/1/comm; echo '| systemd'; } >> "$OUT"
umount "$base/mnt"
losetup -d "$one"
umount "$base/proc"
rm "$base/disk1" "$base/disk2" "$base$one" "$base$two"
