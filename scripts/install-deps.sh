#!/bin/sh
# Installs what godwit needs from Debian's packages, only what is missing, and
# says it first. This is the one list of these packages.
#
#   sh scripts/install-deps.sh [-y] [--tests] [--list]
#
# -y       does not ask
# --tests  also what the tests need
# --list   prints the missing packages and installs nothing
set -eu

build="gcc libc6-dev cmake ninja-build pkg-config git ca-certificates
  liblua5.4-dev libedit-dev libcurl4-openssl-dev libgit2-dev libjansson-dev libsqlite3-dev
  libmicrohttpd-dev libssl-dev lua-argparse lua-cjson-dev"
tests="libcmocka-dev lua-luassert nginx-light fcgiwrap spawn-fcgi openssl curl
  clang libclang-rt-14-dev"

yes= list= wanted=$build
for arg; do
  case $arg in
    -y) yes=1 ;;
    --tests) wanted="$build $tests" ;;
    --list) list=1 ;;
    *) echo "install-deps.sh: unknown argument $arg" >&2; exit 2 ;;
  esac
done

if ! command -v dpkg-query >/dev/null; then
  echo "install-deps.sh: this is not Debian; install these yourself:" $wanted >&2
  exit 1
fi

missing=
for package in $wanted; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing="$missing $package"
done

if [ -n "$list" ]; then
  for package in $missing; do echo "$package"; done
  exit 0
fi
if [ -z "$missing" ]; then
  echo "Nothing to install: all packages are there."
  exit 0
fi

echo "These Debian packages are missing and will be installed with apt-get:"
for package in $missing; do echo "  $package"; done
if [ -z "$yes" ]; then
  if [ ! -t 0 ]; then
    echo "install-deps.sh: no terminal to ask on; run it again with -y" >&2
    exit 2
  fi
  printf 'Install them? [y/N] '
  read -r answer
  case $answer in
    y|Y|yes|YES) ;;
    *) echo "Nothing was installed."; exit 2 ;;
  esac
fi

root=
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install-deps.sh: run this as root, or install sudo" >&2
    exit 1
  fi
  root=sudo
fi

# A test machine's nginx is started by the tests on a port of their own; the
# package must neither start one nor fail where services cannot start.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap '$root rm -f "$policy"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null
  $root chmod 755 "$policy"
fi

apt() {
  $root env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 \
    -o DPkg::Lock::Timeout=300 "$@" </dev/null
}
apt update -qq
# shellcheck disable=SC2086 # a list of words
apt install -y -qq --no-install-recommends $missing
