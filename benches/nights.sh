#!/bin/bash
# Plays NIGHTS nights over a copy of the Linux kernel's source, as a server lives them. Each day
# files change, vanish and come. Each night a backup is made, and bkverify goes through another part
# of it. At a known night a byte of one file rots in the backup, and at another one a byte of an
# original.
#
# It fails unless each is found within the nights that the strategy `coverage` promises, is
# attributed to the right side, and is told once.
#
# Needs rsync, perl and jq. DATA is where the data is made; BKVERIFY is the program (by default a
# release build).
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=${DATA:-$PWD/target/bench} NIGHTS=${NIGHTS:-400} SAMPLE=${SAMPLE:-1000} EDITS=${EDITS:-40}
[ -n "${BKVERIFY:-}" ] || { cargo build --release --locked; BKVERIFY=$PWD/target/release/bkverify; }
. benches/data.sh
make_small

world=$(mktemp -d "$DATA/nights.XXXXXX")
trap 'rm -rf "$world"' EXIT
originals=$world/originals backup=$world/backup
cp -r --reflink=auto --preserve=timestamps "$SMALL" "$originals"
told=$world/told
cat > "$world/bkverify.toml" <<TOML
[jobs.nightly]
backup = "$backup"
source = "$originals"
restore-to = "$world/verify"
state = "$world/state"
strategy = "coverage"
sample = "$SAMPLE"
json = "$world/report.json"
cache = "use"

[[jobs.nightly.notify.command]]
when = "on-change"
run = ["sh", "-c", "echo \"\$BKVERIFY_NIGHT \$BKVERIFY_RESULT\" >> $told"]
TOML

# Changes, removes and adds EDITS files each, never the two that are to rot.
live() {
    perl -MFile::Find -e '
        my ($root, $edits, $seed, %keep) = (shift, shift, shift, map { $_ => 1 } @ARGV);
        srand $seed;
        my @files;
        find({ no_chdir => 1, wanted => sub { push @files, $_ if -f && !-l && !$keep{$_} } }, $root);
        @files = sort @files;
        for (1 .. $edits) {
            my $file = $files[rand @files];
            open my $out, ">>", $file or next;
            print $out "edited $seed\n";
            close $out;
            unlink splice @files, rand @files, 1;
            my $folder = $files[rand @files] =~ s{/[^/]*$}{}r;
            open $out, ">", "$folder/new-$seed-$_" or next;
            print $out "came $seed $_\n";
        }' "$originals" "$EDITS" "$1" "$originals/$rots_in_backup" "$originals/$rots_in_original"
}

# Flips one bit in the middle of a file, as a disk does: no time changes.
rot() {
    local time
    time=$(stat -c %y "$1")
    perl -e 'open my $f, "+<", shift or die $!; seek $f, (-s $f) / 2, 0; read $f, my $b, 1; seek $f, -1, 1;
        print $f chr(ord($b) ^ 4)' "$1"
    touch -d "$time" "$1"
}

rots_in_backup=kernel/fork.c rots_in_original=mm/slub.c
# The original rots when its content was verified at least once: otherwise nobody can tell the sides apart.
rots_at=$((NIGHTS / 10)) original_rots_at=$((NIGHTS * 45 / 100))
found_backup='' found_original=''
for night in $(seq "$NIGHTS"); do
    live "$night"
    [ "$night" -eq "$original_rots_at" ] && rot "$originals/$rots_in_original"
    # Whoever makes the backup goes by size and time, and sees no rot.
    rsync -a --delete "$originals/" "$backup"
    [ "$night" -eq "$rots_at" ] && rot "$backup/$rots_in_backup"
    code=0
    BKVERIFY_NIGHT=$night "$BKVERIFY" --config "$world/bkverify.toml" --quiet > "$world/out" 2>&1 || code=$?
    verdict() { jq -r --arg path "$1" '.findings[] | select(.path == $path) | .verdict' "$world/report.json"; }
    in_backup=$(verdict "$rots_in_backup") in_original=$(verdict "$rots_in_original")
    [ -n "$in_backup" ] && { echo "night $night: $rots_in_backup is $in_backup"; found_backup=${found_backup:-$night:$in_backup}; }
    [ -n "$in_original" ] && { echo "night $night: $rots_in_original is $in_original"; found_original=${found_original:-$night:$in_original}; }
    if [ "$code" -ne 0 ] && [ -z "$in_backup$in_original" ]; then
        echo "night $night: exit code $code although nothing is wrong" >&2
        cat "$world/out" >&2
        exit 1
    fi
done

# Each night N / (n / 2) files of the backup that were not verified for longest are verified.
files=$(jq .population.files "$world/report.json")
promise=$(((files + SAMPLE / 2 - 1) / (SAMPLE / 2)))
echo "$files files: coverage promises to find rot within $promise nights"
check() {
    local what=$1 found=$2 since=$3 verdict=$4
    [ -n "$found" ] || { echo "$what was never found" >&2; exit 1; }
    [ "${found#*:}" = "$verdict" ] || { echo "$what is ${found#*:}, not $verdict" >&2; exit 1; }
    [ "${found%%:*}" -lt $((since + promise)) ] || { echo "$what was found in night ${found%%:*} only" >&2; exit 1; }
    echo "$what: rotted in night $since, found in night ${found%%:*}, as $verdict"
}
check "the bad copy" "$found_backup" "$rots_at" corrupt
check "the bad original" "$found_original" "$original_rots_at" original-corrupt
echo "told:"
cat "$told"
