# nginx names certificates that have expired, that will soon, and that are valid for long, and one
# that is not there.
version openssl
mkdir -p /etc/nginx/conf.d /etc/ssl/site
make_one() {  # make_one NAME DAYS
  openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout /root/key -out /root/csr 2> /dev/null
  openssl x509 -req -in /root/csr -signkey /root/key -days "$2" -out "/etc/ssl/site/$1.pem"
}
make_one old -1
make_one soon 9
make_one good 300
for name in old soon good gone; do
  printf 'server {\n  ssl_certificate /etc/ssl/site/%s.pem;\n  ssl_certificate_key /etc/ssl/private/%s.key;\n}\n' $name $name
done > /etc/nginx/conf.d/sites.conf
for name in gone good old soon; do ask openssl storeutl -noout -text -certs /etc/ssl/site/$name.pem; done
keep /etc/nginx/conf.d/sites.conf /etc/ssl/site/*
