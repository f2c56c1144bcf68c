# Debian's packages as they are installed: openvpn.service is enabled, and has nothing to start.
version systemd openvpn wireguard-tools network-manager
ask ip -j -d addr
ask_comms
keep /etc/systemd/system/*.wants/* /etc/default/openvpn
