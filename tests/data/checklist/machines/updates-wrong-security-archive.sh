# Of the security archive only contrib is read; another list of updates for security is of another
# release, and a third is of somebody who calls his site so.
version apt dpkg
. ./archive.sh
package demo 1 && dpkg -i /root/demo_1_all.deb > /dev/null
COMPONENT=contrib archive_of /srv/debian-security bookworm-security Debian-Security "$(date -uR)" /root/demo_1_all.deb
archive_of /srv/debian-security bullseye-security Debian-Security "$(date -uR)" /root/demo_1_all.deb
archive_of /srv/security bookworm Vendor "$(date -uR)" /root/demo_1_all.deb
printf 'deb [trusted=yes] file:/srv/%s\n' 'debian-security bookworm-security contrib' 'debian-security bullseye-security main' 'security bookworm main' > /etc/apt/sources.list
apt-get update > /dev/null
ask_apt
