# The journal began when the machine booted a moment ago, so it does not hold seven days.
version systemd
. ./alerts.sh
