# A file of the journal is cut short: journalctl passes over it, says so, and succeeds.
version systemd systemd-journal-remote
. ./old-journal.sh
old_journal "all is well"
echo "172800 syslog 2 disk it is about to fail" | journal cut
truncate -s 100 /var/log/journal/*/cut.journal
. ./alerts.sh
