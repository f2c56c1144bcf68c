# old_journal LEVEL TEXT   adds an entry of ten days ago to the journal
old_journal() {
  local folder level=6
  folder=/var/log/journal/$(cat /etc/machine-id)
  mkdir -p "$folder"
  journalctl --flush
  printf '__REALTIME_TIMESTAMP=%s\n__MONOTONIC_TIMESTAMP=1\n_BOOT_ID=%s\nMESSAGE=%s\nPRIORITY=%s\nSYSLOG_IDENTIFIER=old\n\n' \
    "$(date -d '10 days ago' +%s%6N)" "$(tr -d - < /proc/sys/kernel/random/uuid)" "$2" "$level" |
    /lib/systemd/systemd-journal-remote -o "$folder/old.journal" - > /dev/null 2>&1
}
