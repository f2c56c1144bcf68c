# The repository with the update is turned off. Only the names of those that are on can tell.
. ./rpms.sh
package demo 1 && install_it demo 1
package demo 2
repository /srv/updates demo-2
repository /srv/base demo-1
use_dnf updates=/srv/updates base=/srv/base
sed -i '0,/enabled=1/s//enabled=0/' /etc/yum.repos.d/all.repo
ask_dnf
