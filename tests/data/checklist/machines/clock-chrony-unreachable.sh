# chronyd followed a server, which has not answered its last eight questions. `tracking` still says
# Normal.
version chrony
. ./chrony.sh
kill "$server"
for _ in $(seq 60); do chronyc -n -c sources | grep -q ',0,[0-9]*,[^,]*,[^,]*,[^,]*$' && break; sleep 1; done
ask_chrony
