# A patch for security is pending, and its package is locked.
. ./rpms.sh
package demo 1 && install_it demo 1
package demo 2
repository /srv/updates demo-2
advisory demo 2 /srv/updates
zypper --non-interactive addrepo -G file:///srv/updates updates > /dev/null
zypper --non-interactive refresh > /dev/null
zypper --non-interactive addlock demo > /dev/null
ask_zypper
