# A security update is pending, and a package whose name is so long that dnf breaks the line.
. ./rpms.sh
long=a-very-long-name-of-a-package-which-some-vendor-gives-to-its-plugins-and-such
package demo 1 && install_it demo 1
package $long 1 && install_it $long 1
package demo 2
package $long 20231128.git.0123456789abcdef0123456789abcdef
repository /srv/updates demo-2 $long-20231128.git.0123456789abcdef0123456789abcdef
advisory demo 2 /srv/updates
use_dnf updates=/srv/updates
ask_dnf
