# Certificates that do not stand in a file of text with an absolute path: one in binary, a relative
# path, a chain whose second one is about to expire, a file with a key, a folder that certbot made,
# a folder of examples that are not in use, and a list of authorities.
version openssl
mkdir -p /etc/nginx/conf.d/certs /etc/nginx/sites-available /etc/ssl/site /etc/letsencrypt/live/site /etc/postfix /etc/haproxy
make_one() {  # make_one NAME DAYS
  openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout /root/key -out /root/csr 2> /dev/null
  openssl x509 -req -in /root/csr -signkey /root/key -days "$2" -out "/etc/ssl/site/$1.pem"
}
make_one soon 9
make_one good 300
openssl x509 -in /etc/ssl/site/soon.pem -outform DER -out /etc/ssl/site/client.cer
cat /etc/ssl/site/good.pem /etc/ssl/site/soon.pem > /etc/ssl/site/chain.pem
cat /root/key /etc/ssl/site/good.pem > /etc/ssl/site/both.pem
cp /etc/ssl/site/good.pem /etc/nginx/conf.d/certs/rel.pem
cp /etc/ssl/site/good.pem /etc/letsencrypt/live/site/cert.pem
echo 'This directory contains your keys and certificates.' > /etc/letsencrypt/live/README
printf 'ssl_client_certificate /etc/ssl/site/client.cer;\nssl_certificate certs/rel.pem;\nssl_certificate /etc/ssl/site/chain.pem;\n' > /etc/nginx/conf.d/a.conf
echo 'ssl_certificate /etc/ssl/site/gone.pem;' > /etc/nginx/sites-available/example
echo 'smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt' > /etc/postfix/main.cf
echo 'bind :443 ssl crt /etc/ssl/site/both.pem' > /etc/haproxy/haproxy.cfg
for file in /etc/letsencrypt/live/site/cert.pem /etc/nginx/conf.d/certs/rel.pem /etc/ssl/site/client.cer /etc/ssl/site/chain.pem /etc/ssl/site/both.pem; do
  ask openssl storeutl -noout -text -certs $file
done
sed -i '/PRIVATE KEY/,/PRIVATE KEY/d' /etc/ssl/site/both.pem
keep /etc/nginx/conf.d/a.conf /etc/nginx/conf.d/certs/rel.pem /etc/nginx/sites-available/example /etc/postfix/main.cf /etc/haproxy/haproxy.cfg
keep /etc/letsencrypt/live/README /etc/letsencrypt/live/site/cert.pem /etc/ssl/site/chain.pem /etc/ssl/site/both.pem
touch_only /etc/ssl/site/client.cer
