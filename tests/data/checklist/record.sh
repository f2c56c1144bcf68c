# What the scripts beside the recordings share. Source it; then `ask` and `keep` add to the file
# $OUT.
#
# ask PROGRAM ARGUMENTS...   runs a program in the C locale and notes what it printed
# keep PATH...               notes text files, with their times, and links with their targets
# begin OUT                  begins the recording

begin() { OUT=$1; echo "now $(date -u +%Y-%m-%dT%H:%M:%SZ)" > "$OUT"; }

ask() {
  local code=0
  LC_ALL=C ${AS-} "$@" > /tmp/ask.out 2> /tmp/ask.err < /dev/null || code=$?
  { echo "\$ $*"; [ $code = 0 ] || echo "exit $code"; sed 's/^/| /' /tmp/ask.out; sed 's/^/2| /' /tmp/ask.err; } >> "$OUT"
}

keep() {
  local path
  for path; do
    if [ -L "$path" ]; then echo "$path -> $(readlink "$path")"
    elif [ -f "$path" ]; then echo "$path $(date -u -r "$path" +%Y-%m-%dT%H:%M:%SZ)"; sed '/^#/d; s/^/| /' "$path" 2> /dev/null || true
    fi
  done >> "$OUT"
}

# version PACKAGE...   notes the versions of Debian's packages
version() { dpkg-query -W -f '# ${Package} ${Version}\n' "$@" >> "$OUT"; }

# ask_comms            notes the names of the running programs
ask_comms() { keep /proc/1/comm $(for pid in $(pgrep -v -x 'bash|pgrep'); do echo "/proc/$pid/comm"; done | tail -n +2); }

# touch_only PATH...   notes that files exist, without their content
touch_only() { for path; do [ ! -e "$path" ] || echo "$path" >> "$OUT"; done; }

# ask_space            asks for the room on the file systems; the size of the machine below does not
# matter
ask_space() {
  umount -q /etc/resolv.conf /run/host/* 2> /dev/null || true
  ask df -l -B1 --output=source,fstype,used,avail,iused,iavail,target
  keep /proc/self/mounts
}
