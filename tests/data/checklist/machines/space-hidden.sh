# A full file system lies below a folder that the user who asks may not enter: df leaves it out and
# succeeds. The device is named as a real one, because a container has none of its own.
version coreutils
mkdir -p /root/mail
mount -t tmpfs -o size=1M mail /root/mail
dd if=/dev/zero of=/root/mail/full bs=1M count=2 2> /dev/null || true
chmod 700 /root
AS="setpriv --reuid=65534 --regid=65534 --clear-groups"
ask_space
sed -i 's,^| mail /root/mail tmpfs,| /dev/vdb /root/mail ext4,' "$OUT"
