# All repositories are turned off.
. ./rpms.sh
package demo 1 && install_it demo 1
package demo 2
repository /srv/updates demo-2
zypper --non-interactive addrepo -G file:///srv/updates updates > /dev/null
zypper --non-interactive refresh > /dev/null
zypper --non-interactive modifyrepo -d updates > /dev/null
ask_zypper
