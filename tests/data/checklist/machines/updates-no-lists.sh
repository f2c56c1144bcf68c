# `apt-get update` never succeeded: the sources name archives, and their lists are not there.
version apt dpkg
printf 'deb http://127.0.0.1:9/debian bookworm main\ndeb http://127.0.0.1:9/debian-security bookworm-security main\n' > /etc/apt/sources.list
rm -rf /var/lib/apt/lists
apt-get update > /dev/null 2>&1 || true
. ./archive.sh
ask_apt
