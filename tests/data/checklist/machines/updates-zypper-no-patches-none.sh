# The only repository has no patches, and no package is pending.
. ./rpms.sh
package demo 1 && install_it demo 1
repository /srv/base demo-1
zypper --non-interactive addrepo -G file:///srv/base base > /dev/null
zypper --non-interactive refresh > /dev/null
ask_zypper
