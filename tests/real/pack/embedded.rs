//! The payload `embedded`.

use super::builder::Builder;
use super::machine::on_host;

#[test]
fn two_packages_share_nothing_and_their_images_are_copied() {
    let builder = Builder::new();
    builder.write(
        "packages:
  - name: first
    version: 1.0
    payload: embedded
    arch:
      - {name: x86_64, images: [REGISTRY/app-1:1, REGISTRY/app-4:1]}
  - name: second
    version: 1.0
    payload: embedded
    arch:
      - {name: x86_64, images: [REGISTRY/app-2:1]}
",
    );
    builder.built("rpm", &["x86_64"]);
    let said = on_host(
        &builder.path("out"),
        r#"
        r -i /pk/first-1.0-1.x86_64.rpm /pk/second-1.0-1.x86_64.rpm
        r -V --nodeps first second && echo verified
        for name in first second; do
            storagectl verify-images --source /usr/lib/embedded-images/$name >/dev/null 2>&1 && echo sound
            systemd-analyze verify --man=no /usr/lib/systemd/system/storagectl-copy-images-$name.service 2>&1 | grep storagectl-copy || :
            # No more than the shipped unit.
            systemd-analyze security --offline=true --threshold=30 --no-pager /usr/lib/systemd/system/storagectl-copy-images-$name.service >/dev/null && echo may do little
            grep '^ExecStart=\|^ConditionPathExists=' /usr/lib/systemd/system/storagectl-copy-images-$name.service
            storagectl -q copy-images --source /usr/lib/embedded-images/$name --store /var/lib/images
        done
        # A blob that images share is stored once.
        find /usr/lib/embedded-images/first -type f -links 2 | wc -l
        for engine in podman /engines/podman-6; do
            p $engine /var/lib/images images --format '{{.Repository}} {{.ReadOnly}}' | sed 's|.*/||' | sort
        done
        r -e first
        [ ! -e /usr/lib/embedded-images/first ] && [ -e /usr/lib/embedded-images/second/image-list.txt ] && echo one gone
        r -e second
        [ ! -e /usr/lib/embedded-images ] && echo both gone
        find /usr/lib/systemd/system -name '*copy-images-*'
        "#,
    );
    let lines: Vec<&str> = said.lines().collect();
    let images = ["app-1 true", "app-2 true", "app-4 true"];
    let package = |name: &str| {
        let dir = format!("/usr/lib/embedded-images/{name}");
        let command = format!("ExecStart=/usr/bin/storagectl copy-images --source {dir} $COPY_IMAGES");
        let condition = format!("ConditionPathExists={dir}/image-list.txt");
        ["sound".to_owned(), "may do little".to_owned(), condition, command]
    };
    let packages = [package("first"), package("second")].concat();
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    let expected =
        [&["verified"][..], &packages, &["4"], &images, &images, &["one gone", "both gone"]].concat();
    assert_eq!(lines, expected, "{said}");
}
