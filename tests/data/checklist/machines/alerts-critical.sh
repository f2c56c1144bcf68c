# Critical messages. The older part of the journal was written by
# systemd-journal-remote.
version systemd systemd-journal-remote
. ./old-journal.sh
old_journal "all is well"
logger -p user.crit "fan 2 has failed"
logger -p user.crit "fan 3 has failed"
. ./alerts.sh
