# A package on hold whose update is a security update, and no security archive: everything else is
# up to date. A local archive stands for Debian's. Its name says that it is one of security updates,
# as in Debian's and Ubuntu's.
version apt dpkg
. ./archive.sh
package demo 1 && dpkg -i /root/demo_1_all.deb > /dev/null
package demo 2
archive_of /srv/debian-security bookworm-security Debian-Security "$(date -uR)" /root/demo_2_all.deb
echo "deb [trusted=yes] file:/srv/debian-security bookworm-security main" > /etc/apt/sources.list
apt-get update > /dev/null
apt-mark hold demo > /dev/null
ask_apt
