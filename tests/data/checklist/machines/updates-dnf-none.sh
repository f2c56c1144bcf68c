# dnf has the lists of all repositories, and nothing is pending.
. ./rpms.sh
package demo 1 && install_it demo 1
repository /srv/updates demo-1
use_dnf updates=/srv/updates
ask_dnf
