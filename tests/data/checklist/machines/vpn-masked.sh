# An instance that is enabled, and masked: it does not start.
version systemd openvpn
mkdir -p /etc/openvpn/client
echo 'dev null' > /etc/openvpn/client/hq.conf
systemctl enable -q openvpn-client@hq
systemctl mask -q openvpn-client@hq
ask ip -j -d addr
ask_comms
keep /etc/systemd/system/*.wants/* /etc/systemd/system/*.service
