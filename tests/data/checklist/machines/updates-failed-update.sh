# The lists are three weeks old, and today's `apt-get update` failed: it makes the folder of the
# lists look new.
version apt dpkg
. ./archive.sh
package demo 1 && dpkg -i /root/demo_1_all.deb > /dev/null
archive_of /srv/debian-security bookworm-security Debian-Security "$(date -uR -d '21 days ago')" /root/demo_1_all.deb
echo "deb [trusted=yes] copy:/srv/debian-security bookworm-security main" > /etc/apt/sources.list
apt-get update > /dev/null
mv /srv/debian-security /srv/gone
apt-get update > /dev/null 2>&1 || true
ask_apt
