# host
# A file system of btrfs on which a block was damaged underneath, and read.
AS="chroot $base"
mkdir -p "$base/mnt"
mount -t proc proc "$base/proc"
truncate -s 300M "$base/disk"
$AS mkfs.btrfs -q -d single /disk
device=$(losetup -f --show "$base/disk")
[ -e "$base$device" ] || cp -a "$device" "$base$device"
mount "$device" "$base/mnt"
head -c 50M /dev/urandom > "$base/mnt/file"
sync
where=$(grep -abo -m1 -F "$(head -c 16 "$base/mnt/file" | tr -d '\n\0')" "$base/disk" | head -1 | cut -d: -f1)
umount "$base/mnt"
dd if=/dev/zero of="$base/disk" bs=4096 seek=$((where / 4096 + 1)) count=4 conv=notrunc status=none
mount "$device" "$base/mnt"
cat "$base/mnt/file" > /dev/null 2>&1 || true
ask btrfs device stats /mnt
ask btrfs filesystem show --raw /mnt
{ echo /proc/self/mounts; grep " btrfs " /proc/self/mounts | sed "s,$base,,; s/^/| /"; echo /proc/1/comm; echo '| systemd'; } >> "$OUT"
umount "$base/mnt"
losetup -d "$device"
umount "$base/proc"
rm "$base/disk" "$base$device"
