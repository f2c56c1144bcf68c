# journal NAME   adds the entries on standard input to the journal, as those of an earlier boot. Each
# is a line: how many seconds ago, transport (kernel, syslog), level, program, message.
journal() {
  local folder boot n=0 now
  folder=/var/log/journal/$(cat /etc/machine-id)
  mkdir -p "$folder"
  journalctl --flush
  boot=$(tr -d - < /proc/sys/kernel/random/uuid)
  now=$(date +%s)
  while read -r ago transport level program text; do
    n=$((n + 1))
    printf '__REALTIME_TIMESTAMP=%s000000\n__MONOTONIC_TIMESTAMP=%s\n_BOOT_ID=%s\n_TRANSPORT=%s\nMESSAGE=%s\nPRIORITY=%s\nSYSLOG_IDENTIFIER=%s\n\n' \
      $((now - ago)) $n "$boot" "$transport" "$text" "$level" "$program"
  done | /lib/systemd/systemd-journal-remote -o "$folder/$1.journal" - > /dev/null 2>&1
}

# old_journal TEXT   adds an entry of ten days ago to the journal
old_journal() { echo "864000 syslog 6 old $1" | journal old; }
