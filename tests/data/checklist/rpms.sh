# Packages and repositories for dnf and zypper. Sourced by the scripts about updates. Debian's rpm
# and dnf have a database of their own in the user's folder, and zypper reads that in /var/lib/rpm.

package() {  # package NAME VERSION: makes an rpm below /root/rpms
  printf 'Name: %s\nVersion: %s\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n%%description\nx\n%%files\n' "$1" "$2" > "/root/$1.spec"
  rpmbuild --quiet -bb --define '_topdir /root/rpms' "/root/$1.spec" 2> /dev/null
}

install_it() {  # install_it NAME VERSION
  rpm --nodeps -i "/root/rpms/RPMS/noarch/$1-$2-1.noarch.rpm" 2> /dev/null
  rpm --dbpath /var/lib/rpm --nodeps -i "/root/rpms/RPMS/noarch/$1-$2-1.noarch.rpm" 2> /dev/null
}

advisory() {  # advisory NAME VERSION REPOSITORY: says that this is a security update
  cat > /root/updateinfo.xml << EOF
<?xml version="1.0" encoding="UTF-8"?>
<updates><update from="x" status="stable" type="security" version="1"><id>$1-1</id><title>fix</title><severity>important</severity><issued date="1700000000"/><description>d</description><pkglist><collection short="x"><package name="$1" version="$2" release="1" arch="noarch" epoch="0"><filename>$1-$2-1.noarch.rpm</filename></package></collection></pkglist></update></updates>
EOF
  modifyrepo_c /root/updateinfo.xml "$3/repodata" > /dev/null
}

repository() {  # repository FOLDER [NAME-VERSION...]: a repository of these packages
  local folder=$1 file
  mkdir -p "$folder"
  shift
  for file; do cp "/root/rpms/RPMS/noarch/$file-1.noarch.rpm" "$folder/"; done
  createrepo_c -q "$folder"
}

use_dnf() {  # use_dnf NAME=FOLDER...: dnf reads these repositories
  local pair
  mkdir -p /etc/yum.repos.d
  for pair; do
    printf '[%s]\nname=%s\nbaseurl=file://%s\nenabled=1\n' "${pair%%=*}" "${pair%%=*}" "${pair#*=}"
  done > /etc/yum.repos.d/all.repo
  printf 'gpgcheck=0\n' >> /etc/dnf/dnf.conf
  dnf -q makecache
}

ask_dnf() {
  version dnf rpm
  ask dnf -q -C --setopt=plugins=0 --setopt=disable_excludes=all check-update
  ask dnf -q -C --setopt=plugins=0 --setopt=disable_excludes=all updateinfo list security
  keep /etc/dnf/dnf.conf /etc/yum.repos.d/*.repo /var/cache/dnf/*/repodata/repomd.xml /proc/sys/kernel/osrelease
  rpm_release
}

ask_zypper() {
  version zypper rpm
  ask zypper --non-interactive --no-refresh --xmlout list-patches
  ask zypper --non-interactive --no-refresh --xmlout list-updates
  keep /etc/zypp/repos.d/*.repo /etc/zypp/locks /var/cache/zypp/raw/*/repodata/repomd.xml /proc/sys/kernel/osrelease
  rpm_release
}

# The release is not Debian's: this one has no table of distro-info.
rpm_release() { printf '/etc/os-release\n| PRETTY_NAME="a release with rpm"\n' >> "$OUT"; }
