# A machine without trouble, with a journal of ten days.
version systemd
. ./old-journal.sh
old_journal "all is well"
. ./alerts.sh
