# Nothing is pending, because the sources have no security archive.
version apt dpkg
. ./archive.sh
package demo 1 && dpkg -i /root/demo_1_all.deb > /dev/null
archive_of /srv/debian bookworm Debian "$(date -uR)" /root/demo_1_all.deb
echo "deb [trusted=yes] file:/srv/debian bookworm main" > /etc/apt/sources.list
apt-get update > /dev/null
ask_apt
