"""Makes a spec of an unpacked store as paack does: every file with mode and owner, owners
by name, of which uids and gids share one table, and capabilities, but no other attribute.

paack.py STORE SPEC [without-whiteouts]
"""
import os
import stat
import subprocess
import sys

store, spec, *options = sys.argv[1:]
users, files = {0: "root"}, []


def name(number):
    return users.setdefault(number, f"paack-{number}")


for above, directories, names in os.walk(store):
    for path in [os.path.join(above, each) for each in directories + names]:
        if path.endswith("/backingFsBlockDev"):
            continue
        found = os.lstat(path)
        if options and stat.S_ISCHR(found.st_mode):
            continue
        line = f"%attr({stat.S_IMODE(found.st_mode):04o},{name(found.st_uid)},{name(found.st_gid)}) "
        if stat.S_ISDIR(found.st_mode):
            line += "%dir "
        if stat.S_ISREG(found.st_mode):
            capabilities = subprocess.run(["getcap", path], capture_output=True, text=True).stdout
            if capabilities:
                line += f"%caps({capabilities.split()[-1]}) "
        files.append(f'{line}"{path}"')

accounts = "\n".join(
    f"id -u {user} >/dev/null 2>&1 || useradd --non-unique --no-create-home --uid {number} {user}"
    for number, user in users.items()
    if number
)
with open(spec, "w") as out:
    out.write(f"""%define __os_install_post %{{nil}}
%define _build_id_links none
Name: paack
Version: 1
Release: 1
Summary: An unpacked store
License: Apache-2.0
AutoReqProv: no
%description
%{{summary}}.
%install
mkdir -p %{{buildroot}}{os.path.dirname(store)}
cp -a {store} %{{buildroot}}{store}
%pre
{accounts}
%files
""" + "\n".join(files) + "\n")
