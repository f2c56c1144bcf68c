#!/usr/bin/env bash
# How fast is bkverify on an NTFS volume in an image, compared with mounting it? Makes a volume with
# FILES small files and one of 1 GiB by ntfs-3g, and prints, as medians of ROUNDS runs:
#
# - listing: the time that bkverify reports for its listing, and "mount, find with sizes and times,
#   unmount". The goal: at most 0.2.
# - 500 files: a whole run of bkverify, and "mount, copy the same files, compare them, unmount". The
#   goal: at most 0.3.
# - 1 GiB: reading the file through a mount, and reading the image file. `cargo bench --bench image`
#   with BENCH_IMAGE reads the same file by the library. The goals: 20 times the rate of the mount,
#   and 0.8 of that of the image.
#
#   FILES=100000 ROUNDS=5 WORK=target/image BKVERIFY=target/release/bkverify benches/image.sh
#
# Needs root, FUSE, ntfs-3g, jq and 4 GB below WORK, where the data stays. All files are in memory.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
FILES=${FILES:-100000} ROUNDS=${ROUNDS:-5} WORK=${WORK:-target/image}
[ -n "${BKVERIFY:-}" ] || { cargo build --release --locked; BKVERIFY=target/release/bkverify; }
BKVERIFY=$(realpath "$BKVERIFY")
mkdir -p "$WORK"
cd "$WORK"
image=volume-$FILES.ntfs
mkdir -p mount
trap 'umount mount 2>/dev/null || true' EXIT

if [ ! -e "$image" ]; then
    rm -rf originals
    perl -e '
        use File::Path "make_path";
        my $files = $ARGV[0];
        for my $at (0 .. $files - 1) {
            my $folder = sprintf "originals/srv/data/projects/%03d/documents", $at % 500;
            make_path($folder) if $at < 500;
            open my $file, ">", sprintf("%s/report-%07d.pdf", $folder, $at) or die $!;
            print $file "content of $at\n" x (1 + $at % 97);
        }' "$FILES"
    head -c 1G /dev/urandom > originals/large.bin
    find originals -exec touch -d 2026-01-01 {} +
    truncate -s 3G "$image.new"
    mkntfs -q -F -Q "$image.new" 2> /dev/null
    ntfs-3g "$image.new" mount
    cp -a originals/. mount/
    umount mount
    mv "$image.new" "$image"
fi

seconds() {
    local start
    start=$(date +%s%N)
    "$@" > /dev/null
    echo $((($(date +%s%N) - start) / 1000))
}
verify() {
    "$BKVERIFY" --quiet --backup "$image" --source originals --restore-to restore --state none --completeness 0 --cache use \
        --exclude large.bin --sample 500 --seed bench --json report.json
}
find_mounted() {
    ntfs-3g -o ro "$image" mount
    find mount -printf '%s %T@ %p\n'
    umount mount
}
copy_mounted() {
    ntfs-3g -o ro "$image" mount
    mkdir -p copy
    tar -C mount --no-recursion -c -T sample.txt | tar -C copy -x
    umount mount
    while read -r path; do cmp "copy/$path" "originals/$path"; done < sample.txt
    rm -rf copy
}

cat "$image" originals/large.bin > /dev/null
find originals -type f -name '*.pdf' -exec cat {} + > /dev/null
find originals -name '*.pdf' -printf '%P\n' | shuf -n 500 --random-source=<(yes) > sample.txt
rm -f runs.tsv
for _ in $(seq "$ROUNDS"); do
    printf 'run\t%s\n' "$(seconds verify)" >> runs.tsv
    jq -r '["listing", .effort.catalog_seconds * 1e6] | @tsv' report.json >> runs.tsv
    printf 'find\t%s\n' "$(seconds find_mounted)" >> runs.tsv
    printf 'copy\t%s\n' "$(seconds copy_mounted)" >> runs.tsv
    printf 'image\t%s\n' "$(seconds cat "$image")" >> runs.tsv
    ntfs-3g -o ro "$image" mount
    printf 'large\t%s\n' "$(seconds cat mount/large.bin)" >> runs.tsv
    umount mount
done
median() { awk -v which="$1" '$1 == which { print $2 }' runs.tsv | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
awk -v listing="$(median listing)" -v find="$(median find)" -v run="$(median run)" -v copy="$(median copy)" \
    -v image="$(median image)" -v large="$(median large)" -v size="$(stat -c %s "$image")" 'BEGIN {
    printf "| | bkverify, s | mounted, s | ratio |\n|---|---:|---:|---:|\n"
    printf "| listing | %.3f | %.3f | %.3f |\n", listing / 1e6, find / 1e6, listing / find
    printf "| 500 files | %.3f | %.3f | %.3f |\n", run / 1e6, copy / 1e6, run / copy
    printf "\n1 GiB through the mount: %.0f MB/s; the image file: %.0f MB/s\n", 1073.741824 * 1e6 / large, size / image
}'
