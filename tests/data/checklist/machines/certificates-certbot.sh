# What certbot leaves, and no server that names it.
version openssl
mkdir -p /etc/letsencrypt/live/site
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=site -days 80 -keyout /root/key -out /etc/letsencrypt/live/site/cert.pem 2> /dev/null
echo 'This directory contains your keys and certificates.' > /etc/letsencrypt/live/README
ask openssl storeutl -noout -text -certs /etc/letsencrypt/live/site/cert.pem
keep /etc/letsencrypt/live/README /etc/letsencrypt/live/site/cert.pem
