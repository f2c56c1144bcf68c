# Makes the data for peers.sh and devices.sh, which source this file. Needs DATA, and makes only what
# does not exist yet.
#
# Each set is an original and a copy of it that shares no blocks with it:
#   SMALL   the Linux kernel source of Debian's linux-source package, copied by rsync
#   LARGE   LARGE_FILES files of LARGE_MIB MiB of random bytes
#   HUGE    one file of HUGE_MIB MiB of random bytes
#   MANY    MANY_FOLDERS folders of 1,000 tiny files; a tenth of the folders is below `tenth`

# A set gets its final name when it is complete, so one that was made halfway is made again.
whole() { [ -d "$1/original" ] && [ -d "$1/backup" ]; }

make_small() {
    SMALL=$DATA/small/original SMALL_BACKUP=$DATA/small/backup
    whole "$DATA/small" && return
    local part=$DATA/small.part package
    rm -rf "$part" && mkdir -p "$part/package"
    package=$(apt-cache depends --important linux-source | awk '$1 == "Depends:" { print $2; exit }')
    (cd "$part/package" && apt-get download "${package:-linux-source}" && dpkg-deb -x ./*.deb .) >&2
    mkdir "$part/original"
    tar -xf "$part"/package/usr/src/linux-source-*.tar.* -C "$part/original" --strip-components=1
    rm -r "$part/package"
    rsync -a "$part/original/" "$part/backup"
    mv "$part" "$DATA/small"
}

# make_random NAME FILES MIB: makes files of random bytes.
make_random() {
    whole "$DATA/$1" && return
    local part=$DATA/$1.part number
    rm -rf "$part" && mkdir -p "$part/original"
    for number in $(seq "$2"); do
        head -c "$3M" /dev/urandom > "$part/original/$number"
    done
    cp -r --reflink=never "$part/original" "$part/backup"
    mv "$part" "$DATA/$1"
}

make_large() {
    LARGE=$DATA/large/original LARGE_BACKUP=$DATA/large/backup
    make_random large "$LARGE_FILES" "$LARGE_MIB"
}

make_huge() {
    HUGE=$DATA/huge/original HUGE_BACKUP=$DATA/huge/backup
    make_random huge 1 "$HUGE_MIB"
}

make_many() {
    MANY=$DATA/many/original MANY_BACKUP=$DATA/many/backup
    whole "$DATA/many" && return
    local part=$DATA/many.part
    rm -rf "$part" && mkdir -p "$part"
    perl -e '
        my ($root, $folders) = @ARGV;
        mkdir $_ or die "$_: $!" for $root, "$root/tenth", "$root/rest";
        for my $folder (0 .. $folders - 1) {
            my $path = sprintf "%s/%s/%04d", $root, $folder < $folders / 10 ? "tenth" : "rest", $folder;
            mkdir $path or die "$path: $!";
            for my $file (0 .. 999) {
                open my $out, ">", sprintf "%s/file-%03d.txt", $path, $file or die "$path: $!";
                print $out "folder $folder, file $file\n";
            }
        }' "$part/original" "$MANY_FOLDERS"
    cp -r "$part/original" "$part/backup"
    mv "$part" "$DATA/many"
}
