# A pin forbids apt to install from the security archive, and a package is configured only in part.
version apt dpkg
. ./archive.sh
package demo 1 && dpkg -i /root/demo_1_all.deb > /dev/null
package demo 2
archive_of /srv/debian-security bookworm-security Debian-Security "$(date -uR)" /root/demo_2_all.deb
echo "deb [trusted=yes] file:/srv/debian-security bookworm-security main" > /etc/apt/sources.list
apt-get update > /dev/null
printf 'Package: *\nPin: release l=Debian-Security\nPin-Priority: -1\n' > /etc/apt/preferences.d/x
sed -i '/^Package: demo$/,/^$/s/^Status: install ok installed/Status: install ok half-configured/' /var/lib/dpkg/status
ask_apt
