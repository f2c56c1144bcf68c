# chronyd follows another chronyd.
version chrony
. ./chrony.sh
ask_chrony
