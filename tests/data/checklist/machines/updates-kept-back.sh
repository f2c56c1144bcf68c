# apt keeps a security update back, because it depends on a package that no archive has.
version apt dpkg
. ./archive.sh
package demo 1 && dpkg -i /root/demo_1_all.deb > /dev/null
DEPENDS=nowhere package demo 2
archive_of /srv/debian-security bookworm-security Debian-Security "$(date -uR)" /root/demo_2_all.deb
echo "deb [trusted=yes] file:/srv/debian-security bookworm-security main" > /etc/apt/sources.list
apt-get update > /dev/null
ask_apt demo
