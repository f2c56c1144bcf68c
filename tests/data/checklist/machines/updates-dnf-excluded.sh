# The package with the security update is excluded in the settings.
. ./rpms.sh
package demo 1 && install_it demo 1
package demo 2
repository /srv/updates demo-2
advisory demo 2 /srv/updates
use_dnf updates=/srv/updates
echo 'excludepkgs=demo' >> /etc/dnf/dnf.conf
ask_dnf
