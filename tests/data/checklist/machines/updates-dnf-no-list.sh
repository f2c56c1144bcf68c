# The list of the repository with the update is gone, and dnf may leave out what is not available
# (the default of Fedora and Debian): dnf says nothing about it, and ends with 0.
. ./rpms.sh
package demo 1 && install_it demo 1
package demo 2
repository /srv/updates demo-2
repository /srv/base demo-1
use_dnf updates=/srv/updates base=/srv/base
rm -r /var/cache/dnf/updates*
ask_dnf
