# Nothing but small files: all inodes are used, and the space is free. A second file system is
# read-only.
version coreutils
mkdir -p /srv/mail /srv/old
mount -t tmpfs -o size=4M,nr_inodes=20 mail /srv/mail
for n in $(seq 30); do echo x > "/srv/mail/$n"; done 2> /dev/null || true
mount -t tmpfs -o ro,size=1M old /srv/old
ask_space
