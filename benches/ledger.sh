#!/usr/bin/env bash
# What does the ledger cost? Verifies FILES small files, in turn without a ledger, with a new one,
# and with one that knows all of them, ROUNDS times. Prints the medians, their ratios, and how much
# the ledger grows for each file. The goals: at most 1.05, and at most 200 bytes.
#
#   FILES=100000 ROUNDS=7 WORK=target/ledger BKVERIFY=target/release/bkverify benches/ledger.sh
#
# WORK is where the data is made and left.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
FILES=${FILES:-100000} ROUNDS=${ROUNDS:-7} WORK=${WORK:-target/ledger} CACHE=${CACHE:-drop}
[ -n "${BKVERIFY:-}" ] || { cargo build --release --locked; BKVERIFY=target/release/bkverify; }
BKVERIFY=$(realpath "$BKVERIFY")
mkdir -p "$WORK"
cd "$WORK"

# Paths of 50 bytes, as in the test of the growth.
if [ ! -e "originals-$FILES" ]; then
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
    local start end
    start=$(date +%s%N)
    "$BKVERIFY" --quiet --backup "backup-$FILES" --source "originals-$FILES" --restore-to restore --sample all --cache "$CACHE" \
        --completeness 0 --state "$1" > /dev/null
    end=$(date +%s%N)
    echo $(((end - start) / 1000))
}
rm -rf state known runs.tsv
run known > /dev/null
grown=$(stat -c %s known/ledger.sqlite)
for round in $(seq "$ROUNDS"); do
    rm -rf state
    # Each goes first in a third of the rounds, and what the one before left to write is written.
    for which in $(printf '%s\n' none state known none state known | tail -n +$((1 + round % 3)) | head -3); do
        sync -f .
        printf '%s\t%s\n' "$which" "$(run "$which")" >> runs.tsv
    done
done
median() { awk -v which="$1" '$1 == which { print $2 }' runs.tsv | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
awk -v none="$(median none)" -v new="$(median state)" -v known="$(median known)" -v grown="$grown" -v files="$FILES" 'BEGIN {
    printf "| ledger | s | ratio |\n|---|---:|---:|\n"
    printf "| none | %.2f | 1 |\n", none / 1e6
    printf "| new | %.2f | %.3f |\n", new / 1e6, new / none
    printf "| knows all files | %.2f | %.3f |\n", known / 1e6, known / none
    printf "\n%.0f bytes a file\n", grown / files
}'
