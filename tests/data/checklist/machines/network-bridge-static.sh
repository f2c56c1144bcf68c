# The server's address is on a bridge of virtual machines, called br-lan.
version iproute2
ip link add br-lan type bridge
ip addr add 192.168.7.9/24 dev br-lan
ip link set br-lan up
sleep 2
ask ip -j -d addr
ask_comms
