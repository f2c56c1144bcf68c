# The only repository has no patches: zypper says so in a word, and ends with 0. A package is
# pending.
. ./rpms.sh
package demo 1 && install_it demo 1
package demo 2
repository /srv/updates demo-2
zypper --non-interactive addrepo -G file:///srv/updates updates > /dev/null
zypper --non-interactive refresh > /dev/null
ask_zypper
