#!/bin/sh
# Makes an OCI layout of one image with busybox in it, named REFERENCE.
#
#   tests/machine/image.sh DIR REFERENCE
set -eu
dir=$1 reference=$2
mkdir -p "$dir/blobs/sha256"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
install -D -m 0755 /bin/busybox "$work/root/bin/busybox"
for applet in cat grep ls rm sh sleep touch; do
    ln -s busybox "$work/root/bin/$applet"
done
mkdir "$work/root/etc"
echo "$reference" >"$work/root/etc/image"

# Puts a file among the blobs; prints its digest and size as members of a descriptor.
blob() {
    digest=$(sha256sum "$1" | cut -d ' ' -f 1)
    cp "$1" "$dir/blobs/sha256/$digest"
    printf '"digest": "sha256:%s", "size": %s' "$digest" "$(stat -c %s "$1")"
}

tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$work/root" -cf "$work/layer" .
id=$(sha256sum "$work/layer" | cut -d ' ' -f 1)
gzip -n "$work/layer"
printf '{"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"]},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:%s"]}}' "$id" >"$work/config"
media=application/vnd.oci.image
printf '{"schemaVersion": 2, "mediaType": "%s", "config": {"mediaType": "%s", %s}, "layers": [{"mediaType": "%s", %s}]}' \
    "$media.manifest.v1+json" "$media.config.v1+json" "$(blob "$work/config")" \
    "$media.layer.v1.tar+gzip" "$(blob "$work/layer.gz")" >"$work/manifest"
printf '{"schemaVersion": 2, "manifests": [{"mediaType": "%s", %s, "annotations": {"org.opencontainers.image.ref.name": "%s"}}]}' \
    "$media.manifest.v1+json" "$(blob "$work/manifest")" "$reference" >"$dir/index.json"
echo '{"imageLayoutVersion": "1.0.0"}' >"$dir/oci-layout"
