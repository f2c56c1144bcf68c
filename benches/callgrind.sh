#!/usr/bin/env bash
# Counts the instructions that the program itself executes (without the kernel) in three fixed
# cases, with Valgrind's callgrind, and prints the change from instructions.txt. The counts hardly
# depend on the machine or its load, so they show a regression of a few per cent that a clock would
# not show.
#
#     benches/callgrind.sh               compare; exit code 1 if a case takes over 3 % more
#     benches/callgrind.sh --store       compare, and store the new numbers
#
# A case is `valgrind --tool=callgrind bkverify --sample N --threads 1 --seed bench ...`. Valgrind
# does not know AVX-512, so BLAKE3 uses AVX2. The profiles are left in PROFILES (default:
# target/callgrind) for callgrind_annotate. For function names in them, build with
# CARGO_PROFILE_RELEASE_STRIP=none CARGO_PROFILE_RELEASE_DEBUG=1.
#
# Needs: cargo, valgrind, perl. On Debian: apt-get install valgrind perl
set -euo pipefail
# What a run remembers is measured by ledger.sh alone.
export LC_ALL=C BKVERIFY_STATE_DIR=none
here=$(cd "$(dirname "$0")" && pwd)
stored=$here/instructions.txt
profiles=${PROFILES:-$here/../target/callgrind}
mkdir -p "$profiles"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# tree NAME FOLDERS FILES LARGEST: makes an original and its copy, with files of 0 to LARGEST bytes.
# The content is the same on every machine.
tree() {
    perl -e '
        my ($root, $folders, $files, $largest) = @ARGV;
        for my $side ("$root/original", "$root/backup") {
            mkdir $side or die "$side: $!";
            for my $number (0 .. $folders * $files - 1) {
                my $folder = sprintf "%s/folder-%04d", $side, $number / $files;
                mkdir $folder if $number % $files == 0;
                open my $out, ">", sprintf "%s/file-%05d.txt", $folder, $number or die "$folder: $!";
                print $out substr "0123456789abcdef" x ($largest / 16 + 1), 0, $number * 997 % ($largest + 1);
            }
        }' "$1" "$2" "$3" "$4"
}

# count CASE TREE SAMPLE: prints the instructions of one run.
count() {
    valgrind --tool=callgrind --callgrind-out-file="$profiles/$1.out" \
        "$BKVERIFY" --config "$work/none.toml" --quiet --threads 1 --seed bench --cache use --completeness 0 --sample "$3" \
        --backup "$2/backup" --source "$2/original" --restore-to "$work/restore" 2> "$work/log" ||
        { cat "$work/log" >&2 && exit 1; }
    awk '/Collected :/ { print $NF }' "$work/log"
}

if [ -z "${BKVERIFY:-}" ]; then
    (cd "$here/.." && cargo build --release --quiet)
    BKVERIFY=$here/../target/release/bkverify
fi
mkdir "$work/many" "$work/small" "$work/large" "$work/large/original" "$work/large/backup" "$work/restore"
: > "$work/none.toml"
tree "$work/many" 200 100 8192
tree "$work/small" 50 100 8192
head -c 64M /dev/zero | tr '\0' 'x' > "$work/large/original/file"
cp "$work/large/original/file" "$work/large/backup/file"

{
    echo "sample-500-of-20000 $(count sample-500-of-20000 "$work/many" 500)"
    echo "all-of-5000 $(count all-of-5000 "$work/small" all)"
    echo "one-file-of-64-mib $(count one-file-of-64-mib "$work/large" all)"
} > "$work/counts"

touch "$stored"
worse=0
awk '
    NR == FNR { before[$1] = $2; next }
    FNR == 1 { printf "%-22s %15s %15s %8s\n", "case", "stored", "now", "change" }
    {
        change = before[$1] ? ($2 / before[$1] - 1) * 100 : 0
        printf "%-22s %15s %15s %+7.2f%%\n", $1, before[$1] ? before[$1] : "-", $2, change
        if (change > 3) worse = 1
    }
    END { exit worse }' <(grep -v '^#' "$stored" || true) "$work/counts" || worse=1
if [ "${1:-}" = --store ]; then
    { echo "# Instructions of each case, as benches/callgrind.sh --store counted them." && cat "$work/counts"; } > "$stored"
    exit 0
fi
exit $worse
