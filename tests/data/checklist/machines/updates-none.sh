# Everything is up to date, and the security archive was read today.
version apt dpkg
. ./archive.sh
package demo 1 && dpkg -i /root/demo_1_all.deb > /dev/null
archive_of /srv/debian-security bookworm-security Debian-Security "$(date -uR)" /root/demo_1_all.deb
echo "deb [trusted=yes] file:/srv/debian-security bookworm-security main" > /etc/apt/sources.list
apt-get update > /dev/null
ask_apt
