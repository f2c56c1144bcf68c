# chronyd has not heard of any server since it started.
version chrony
sleep 1
. ./chrony.sh none
ask_chrony
