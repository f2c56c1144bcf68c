# An update is pending, and its repository does not tell which updates are for security.
. ./rpms.sh
package demo 1 && install_it demo 1
package demo 2
repository /srv/updates demo-2
use_dnf updates=/srv/updates
ask_dnf
