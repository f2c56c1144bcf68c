# There are critical messages, and the checks run as a user who may not see them.
version systemd
logger -p user.crit "fan 2 has failed"
sleep 0.5
AS="setpriv --reuid=65534 --regid=65534 --clear-groups"
. ./alerts.sh
