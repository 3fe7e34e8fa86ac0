#!/bin/sh
# Makes a package for dpkg of one for rpm: the same files, and what the spec says of it, its
# scriptlets included.
#
#   packaging/deb.sh FILE.rpm DIR
set -eu
rpm=$(realpath "$1") dir=$(realpath "$2")
ask() { rpm -qp --nosignature --queryformat "$1" "$rpm"; }

name=$(ask '%{NAME}')
version=$(ask '%{VERSION}-%{RELEASE}')
case $(ask '%{ARCH}') in
noarch) arch=all ;;
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
ppc64le) arch=ppc64el ;;
*) arch=$(ask '%{ARCH}') ;;
esac
# Of another distribution's package the name differs.
names() { sed 's/^rpm-build$/rpm/' | paste -sd, | sed 's/,/, /g'; }
# A script of the spec, without comments: those that stand behind it there are of what follows.
script() { ask "$1" | grep -v '^(none)$\|^#\|^$' || :; }

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 0755 "$tree"
(cd "$tree" && rpm2cpio "$rpm" | cpio --quiet -idm --no-absolute-filenames)
# cpio makes directories above those that the package has.
find "$tree" -type d -exec chmod 0755 {} +
mkdir "$tree/DEBIAN"
{
    echo "Package: $name"
    echo "Version: $version"
    echo "Architecture: $arch"
    echo "Maintainer: storagectl"
    echo "Section: admin"
    echo "Priority: optional"
    for field in Recommends:RECOMMENDNAME Suggests:SUGGESTNAME; do
        value=$(ask "[%{${field#*:}}\n]" | names)
        [ -z "$value" ] || echo "${field%%:*}: $value"
    done
    echo "Installed-Size: $(du -sk --apparent-size --exclude=DEBIAN "$tree" | cut -f 1)"
    echo "Description: $(ask '%{SUMMARY}')"
    ask '%{DESCRIPTION}' | sed 's/^$/./; s/^/ /'
    echo
} | sed '/^$/d' >"$tree/DEBIAN/control"

# rpm's file triggers are dpkg's triggers. Whatever comes or goes there, the same is done; so
# it is when this package comes.
triggered=$(script '[%{TRANSFILETRIGGERSCRIPTS}\n]' | sort -u)
if [ -n "$triggered" ]; then
    ask '[%{TRANSFILETRIGGERNAME}\n]' | sort -u | sed 's|/$||; s/^/interest-noawait /' >"$tree/DEBIAN/triggers"
    printf '#!/bin/sh\nset -e\ncase $1 in\nconfigure | triggered)\n%s\n;;\nesac\n' "$triggered" >"$tree/DEBIAN/postinst"
fi
removed=$(script '%{PREUN}')
if [ -n "$removed" ]; then
    printf '#!/bin/sh\nset -e\n# As rpm says it: how many are left.\ncase $1 in\nremove) set -- 0 ;;\n*) set -- 1 ;;\nesac\n%s\n' \
        "$removed" >"$tree/DEBIAN/prerm"
fi
chmod -R u=rwX,go=rX "$tree/DEBIAN"
for script in postinst prerm; do [ ! -e "$tree/DEBIAN/$script" ] || chmod 0755 "$tree/DEBIAN/$script"; done
find "$tree" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zgzip --build "$tree" "$dir/${name}_${version}_$arch.deb" >/dev/null
