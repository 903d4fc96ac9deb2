#!/bin/sh
# Installs what is missing to build the demo or to run the tests, saying so; does nothing when everything is there.
#
#   tests/setup.sh demo|test|bench|bench-chart|fuzz|coverage|make        SETUP=no in the environment: only look, never install
#
# Packages are tried with apt-get, dnf, apk, pacman or brew; sudo is used only by those who aren't root.

set -u
what=${1:-test}
CC=${CC:-cc}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

command_there() { command -v "$1" >/dev/null 2>&1; }

# Does a program with this header, linked with these libraries, compile?
compiles() {
    header=$1
    shift
    printf '#include <stdarg.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <setjmp.h>\n#include <%s>\nint main(void) { return 0; }\n' \
        "$header" >"$work/try.c"
    # shellcheck disable=SC2046,SC2086
    $CC $(curl_flags) ${CPPFLAGS:-} "$work/try.c" -o "$work/try" ${LDFLAGS:-} "$@" >/dev/null 2>&1
}

curl_flags() {
    if command_there pkg-config && pkg-config --exists libcurl; then
        pkg-config --cflags libcurl
    elif command_there curl-config; then
        curl-config --cflags
    fi
}

# Does clang link a program with its fuzzer and sanitizers?
fuzzes() {
    echo 'int LLVMFuzzerTestOneInput(const char *data, unsigned long size) { return data && size ? 0 : 0; }' >"$work/fuzz.c"
    "${FUZZ_CC:-clang}" -fsanitize=fuzzer,address,undefined "$work/fuzz.c" -o "$work/fuzz" >/dev/null 2>&1
}

there() {
    case $1 in
    cc) compiles stdio.h ;;
    libcurl) compiles curl/curl.h -lcurl ;;
    cmocka) compiles cmocka.h -lcmocka ;;
    cjson) compiles cjson/cJSON.h -lcjson ;;
    zlib) compiles zlib.h -lz ;;
    stb) compiles stb/stb_image.h ;;
    nghttpd) (PATH=$PATH:/usr/sbin:/usr/local/sbin:/sbin && command_there nghttpd) ;;
    fuzzer) fuzzes ;;
    locales) [ -e /usr/share/i18n/locales/de_DE ] || [ -e /usr/share/i18n/locales/de_DE.gz ] ;;
    *) command_there "$1" ;;
    esac
}

# Names of a thing's packages:  thing  apt  dnf  apk  pacman  brew   (a comma joins several, - is none)
package_table='
cc        gcc,libc6-dev          gcc,glibc-devel          gcc,musl-dev       gcc      gcc
make      make                   make                     make               make     make
libcurl   libcurl4-openssl-dev   libcurl-devel            curl-dev           curl     curl
cmocka    libcmocka-dev          libcmocka-devel          cmocka-dev         cmocka   cmocka
cjson     libcjson-dev           cjson-devel              cjson-dev          cjson    cjson
zlib      zlib1g-dev             zlib-devel               zlib-dev           zlib     zlib
stb       libstb-dev             stb_image-devel          stb                stb      -
size      binutils               binutils                 binutils           binutils binutils
gcov      gcc                    gcc                      gcc                gcc      gcc
gnuplot   gnuplot-nox            gnuplot                  gnuplot            gnuplot  gnuplot
python3   python3                python3                  python3            python   python3
openssl   openssl                openssl                  openssl            openssl  openssl
nghttpd   nghttp2-server         nghttp2                  nghttp2            nghttp2  nghttp2
valgrind  valgrind,libc6-dbg     valgrind                 valgrind           valgrind -
locales   locales                glibc-locale-source      -                  glibc    -
g++       g++                    gcc-c++                  g++                gcc      gcc
clang     clang                  clang,compiler-rt        clang,compiler-rt  clang    llvm
fuzzer    clang,libclang-rt-dev  clang,compiler-rt        clang,compiler-rt  clang,compiler-rt llvm'

package_of() { # thing, column
    echo "$package_table" | awk -v thing="$1" -v column="$2" '$1 == thing && $column != "-" { gsub(/,/, " ", $column); print $column }'
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command_there sudo; then
        sudo "$@"
    else
        echo "setup: neither root nor sudo, so this can't be run: $*" >&2
        return 1
    fi
}

apt_updated=no
install_packages() {
    if command_there apt-get; then
        if [ $apt_updated = no ]; then
            as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q || return 1
            apt_updated=yes
        fi
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
    elif command_there dnf; then
        as_root dnf install -y "$@"
    elif command_there apk; then
        as_root apk add "$@"
    elif command_there pacman; then
        as_root pacman -Sy --noconfirm --needed "$@"
    elif command_there brew; then
        brew install "$@"
    else
        echo "setup: no package manager that is known here; please install: $*" >&2
        return 1
    fi
}

column() {
    if command_there apt-get; then echo 2
    elif command_there dnf; then echo 3
    elif command_there apk; then echo 4
    elif command_there pacman; then echo 5
    else echo 6
    fi
}

missing_of() {
    for thing in "$@"; do
        there "$thing" || printf '%s ' "$thing"
    done
}

packages_of() {
    for thing in "$@"; do package_of "$thing" "$(column)"; done | tr '\n' ' '
}

case $what in
demo) required='cc libcurl' optional='' ;;
test) required='cc libcurl cmocka cjson zlib python3 openssl' optional='g++ valgrind clang nghttpd locales' ;;
bench) required='cc libcurl cjson size' optional='stb' ;;
bench-chart) required='gnuplot' optional='' ;;
fuzz) required='libcurl fuzzer' optional='' ;;
coverage) required='cc libcurl cmocka cjson zlib python3 openssl gcov' optional='' ;;
make) required='make' optional='' ;;
*)
    echo "usage: tests/setup.sh demo|test|bench|bench-chart|fuzz|coverage|make" >&2
    exit 2
    ;;
esac

# Both lists are of words.
# shellcheck disable=SC2086
missing=$(missing_of $required)
# shellcheck disable=SC2086
wanted=$(missing_of $optional)
[ -z "$missing$wanted" ] && exit 0

if [ "${SETUP:-yes}" = no ]; then
    echo "setup: missing: $missing$wanted(SETUP=no: nothing is installed)"
    [ -z "$missing" ]
    exit
fi

if [ -n "$missing" ]; then
    # shellcheck disable=SC2086
    packages=$(packages_of $missing)
    echo "setup: missing: $missing- installing $packages"
    # shellcheck disable=SC2086
    install_packages $packages
    # shellcheck disable=SC2086
    missing=$(missing_of $required)
    if [ -n "$missing" ]; then
        echo "setup: still missing: $missing" >&2
        exit 1
    fi
fi
for thing in $wanted; do
    packages=$(packages_of "$thing")
    [ -z "$packages" ] && continue
    echo "setup: missing: $thing - installing $packages"
    # shellcheck disable=SC2086
    install_packages $packages || echo "setup: goes on without $thing"
done
exit 0
