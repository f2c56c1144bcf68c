#!/usr/bin/env bash
# What does the ledger cost? Verifies all files of a tree, in turn without a ledger, with a new one,
# and with one that knows all of them, ROUNDS times. Prints the medians of the whole time and of the
# processor time, their ratios, and how much the ledger grows for each file. The goals: at most 1.05
# of the whole time, and at most 200 bytes.
#
#   TREE=/usr ROUNDS=7 WORK=target/ledger BKVERIFY=target/release/bkverify benches/ledger.sh
#   FILES=100000 benches/ledger.sh
#
# Without a TREE, it makes FILES files of 700 bytes on average: the worst case, in which everything
# else that is done for a file is as little as it can be. WORK is where the data is made and left.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
FILES=${FILES:-100000} ROUNDS=${ROUNDS:-7} WORK=${WORK:-target/ledger} CACHE=${CACHE:-drop}
[ -n "${BKVERIFY:-}" ] || { cargo build --release --locked; BKVERIFY=target/release/bkverify; }
BKVERIFY=$(realpath "$BKVERIFY")
mkdir -p "$WORK"
cd "$WORK"

originals=${TREE:-originals-$FILES} backup=backup-${TREE:+tree}${TREE:-$FILES}
backup=${backup//\//-}
if [ -n "${TREE:-}" ]; then
    [ -e "$backup" ] || { cp -a "$TREE/." "$backup.new" && mv "$backup.new" "$backup"; }
# Paths of 50 bytes, as in the test of the growth.
elif [ ! -e "$originals" ]; then
    perl -e '
        use File::Path "make_path";
        my ($to, $files) = @ARGV;
        for my $at (0 .. $files - 1) {
            my $folder = sprintf "%s/srv/data/projects/%03d/documents", $to, $at % 500;
            make_path($folder) if $at < 500;
            open my $file, ">", sprintf("%s/report-%07d.pdf", $folder, $at) or die $!;
            print $file "content of $at\n" x (1 + $at % 97);
        }' "originals-$FILES.new" "$FILES"
    cp -a "originals-$FILES.new" "backup-$FILES"
    mv "originals-$FILES.new" "originals-$FILES"
fi

run() {
    local TIMEFORMAT='%R %U %S'
    { time "$BKVERIFY" --quiet --backup "$backup" --source "$originals" --restore-to restore --sample all --cache "$CACHE" \
        --completeness 0 --state "$1" > out.txt 2>&1; } 2>&1
}
rm -rf state known runs.tsv
run known > /dev/null
grown=$(stat -c %s known/ledger.sqlite)
for round in $(seq "$ROUNDS"); do
    rm -rf state
    # Each goes first in a third of the rounds, and what the one before left to write is written.
    for which in $(printf '%s\n' none state known none state known | tail -n +$((1 + round % 3)) | head -3); do
        sync -f .
        echo "$which $(run "$which")" >> runs.tsv
    done
done
files=$(find "$backup" -type f | wc -l)
# The median of a column: 2 is the whole time, 3 the processor time.
median() {
    awk -v which="$1" -v column="$2" '$1 == which { print column == 2 ? $2 : $3 + $4 }' runs.tsv | sort -n |
        awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
line() {
    awk -v name="$1" -v time="$(median "$2" 2)" -v none="$(median none 2)" -v processor="$(median "$2" 3)" -v least="$(median none 3)" \
        'BEGIN { printf "| %s | %.2f | %.3f | %.2f | %.3f |\n", name, time, time / none, processor, processor / least }'
}
printf '| ledger | s | ratio | processor, s | ratio |\n|---|---:|---:|---:|---:|\n'
line none none
line new state
line "knows all files" known
echo "$files files, $((grown / files)) bytes a file"
