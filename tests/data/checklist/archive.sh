# Packages and archives of the container's own. Sourced by the scripts about updates.

package() {  # [DEPENDS=PACKAGE] package NAME VERSION: makes /root/NAME_VERSION_all.deb
  mkdir -p "/tmp/$1/DEBIAN"
  printf 'Package: %s\nVersion: %s\n%sArchitecture: all\nMaintainer: nobody <n@example>\nDescription: x\n' "$1" "$2" "${DEPENDS:+Depends: $DEPENDS
}" > "/tmp/$1/DEBIAN/control"
  dpkg-deb --build "/tmp/$1" "/root/$1_$2_all.deb" > /dev/null
}

archive_of() {  # [COMPONENT=NAME] archive_of FOLDER SUITE LABEL DATE PACKAGE...: an archive of the files
  local folder=$1 suite=$2 label=$3 date=$4 part=${COMPONENT:-main} file
  shift 4
  mkdir -p "$folder/pool" "$folder/dists/$suite/$part/binary-amd64"
  for file; do
    cp "$file" "$folder/pool/"
    dpkg-deb -f "$file"
    printf 'Filename: pool/%s\nSize: %s\nSHA256: %s\n\n' "$(basename "$file")" "$(stat -c %s "$file")" "$(sha256sum "$file" | cut -d' ' -f1)"
  done > "$folder/dists/$suite/$part/binary-amd64/Packages"
  local index=$part/binary-amd64/Packages
  (cd "$folder/dists/$suite" && printf 'Origin: %s\nLabel: %s\nSuite: %s\nCodename: %s\nArchitectures: amd64\nComponents: %s\nDate: %s\nSHA256:\n %s %s %s\n' \
    "${label%-Security}" "$label" "$suite" "$suite" "$part" "$date" "$(sha256sum $index | cut -d' ' -f1)" "$(stat -c %s $index)" $index > Release)
}

ask_apt() {  # ask_apt [NAME...]: and about packages that are kept back
  local quiet="-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Dir::Log::Planner=/dev/null -o Debug::NoLocking=true"
  ask apt-get $quiet indextargets --format '$(RELEASE)|$(CODENAME)|$(COMPONENT)|$(LABEL)|$(SITE)|$(FILENAME)' 'Created-By: Packages'
  ask apt-get $quiet -s --ignore-hold dist-upgrade
  ask apt-cache $quiet policy
  [ $# = 0 ] || ask apt-cache $quiet policy "$@"
  ask apt-mark showhold
  ask dpkg --audit
  cp --remove-destination /usr/lib/os-release /etc/os-release
  keep /var/lib/apt/lists/*Release /etc/os-release /usr/share/distro-info/debian.csv
  touch_only /var/lib/apt/lists/*_Packages /etc/apt/sources.list
  keep /proc/sys/kernel/osrelease
}
