//! Units that prepare stores before any engine starts.

use super::image_name::check_image;
use super::layout::NodeUnit;
use super::model::{NodeModel, NodeStore};
use crate::problem::{Problem, shell_word};

/// Makes the stores' directories, where a document cannot.
pub(super) const MAKE: &str = "storagectl-stores.service";
/// Gives them the labels of the engines' own storage.
pub(super) const LABEL: &str = "storagectl-label.service";
/// Pulls images into one.
pub(super) const LOAD: &str = "storagectl-load.service";

/// All of them.
pub const OWN_UNITS: [&str; 3] = [MAKE, LABEL, LOAD];

/// What reads the stores, as the order of a unit that prepares them. Without sockets:
/// those start before any service with the usual dependencies can.
pub(super) const ENGINES: &str = "\
    Before=crio-wipe.service crio.service kubelet.service microshift.service\n\
    Before=podman.service podman-restart.service podman-auto-update.service\n";

/// The unit of ours that changes what engines read, and the one that fills a store: what those
/// here do is of the one kind or the other.
const APPLY: &str = include_str!("../../scriptlets/systemd/storagectl-apply-late.service");
const COPY: &str = include_str!("../../scriptlets/systemd/storagectl-copy-images.service");

/// How often a pull is tried, and the seconds between.
const TRIES: u32 = 10;
const PAUSE: u32 = 15;

/// The unit that makes the directories; `None` if there are none to be made.
///
/// It runs before basic.target, since other services of a node run podman, which stops
/// without them: OpenShift's own do so on the first boot. CRI-O pulls it in each time it
/// starts, so that a restart without a boot makes them too.
pub(super) fn make_directories(model: &NodeModel) -> Option<NodeUnit> {
    let stores: Vec<&NodeStore> = model.created().collect();
    if stores.is_empty() {
        return None;
    }
    let make: String = stores
        .iter()
        .map(|store| {
            format!("ExecStart=/usr/bin/install -d -m {:04o} {}\n", store.mode, argument(&store.path))
        })
        .collect();
    let text = format!(
        "[Unit]\n\
         Description=Make the directories of additional image stores\n\
         DefaultDependencies=no\n\
         {mounts}\
         Conflicts=shutdown.target\n\
         Before=basic.target shutdown.target\n\
         {ENGINES}\
         \n\
         [Service]\n\
         Type=oneshot\n\
         {make}\
         {confined}\
         \n\
         [Install]\n\
         WantedBy=basic.target crio.service\n",
        mounts = mounts(&stores),
        confined = confined(APPLY, &[]),
    );
    Some(NodeUnit { name: MAKE.to_owned(), text, enabled: true })
}

/// The unit that labels the stores as containers need it; `None` if SELinux is of no
/// concern. `semanage` is on few such nodes, so the line that it would write is written.
pub(super) fn label(model: &NodeModel) -> Option<NodeUnit> {
    let stores: Vec<&NodeStore> = model.labelled().collect();
    if stores.is_empty() {
        return None;
    }
    let graphroot = model.graphroot();
    let label = |store: &&NodeStore| {
        let path = &store.path;
        let script = format!(
            "subs=/etc/selinux/targeted/contexts/files/file_contexts.subs; \
             grep -qxF {rule} $$subs || {{ echo {rule} >>$$subs && restorecon -RF {path}; }}",
            rule = escaped(&shell_word(&format!("{path} {graphroot}"))),
            path = escaped(&shell_word(path)),
        );
        format!("ExecStart=/bin/sh -c {}\n", unit_word(&script))
    };
    let text = format!(
        "[Unit]\n\
         Description=Label additional image stores as the engines' own storage\n\
         ConditionSecurity=selinux\n\
         {mounts}\
         After={MAKE}\n\
         Before={LOAD}\n\
         {ENGINES}\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         {labels}\
         {confined}\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        mounts = mounts(&stores),
        confined = confined(APPLY, &[]),
        labels = stores.iter().map(label).collect::<String>(),
    );
    Some(NodeUnit { name: LABEL.to_owned(), text, enabled: true })
}

/// The unit that pulls the images; `None` if there are none.
///
/// # Errors
/// A [`Problem`] if a name is not one of an image, or there is no store for them.
pub(super) fn load(model: &NodeModel) -> Result<Option<NodeUnit>, Problem> {
    for image in &model.images {
        check_image(image)?;
    }
    let Some(store) = model.loaded()? else {
        return Ok(None);
    };
    let path = &store.path;
    let auth = match &model.authfile {
        Some(file) => format!(" --authfile={}", shell_word(file)),
        None => String::new(),
    };
    let pull = |image: &String| {
        let pull = format!(
            "podman --root={root} --runroot=/run/storagectl-load pull --quiet{auth} {image}",
            root = shell_word(path)
        );
        let script =
            escaped(&format!("for try in $(seq {TRIES}); do {pull} && exit; sleep {PAUSE}; done; exit 1"));
        format!("ExecStart=/bin/sh -c {}\n", unit_word(&script))
    };
    let pulls: String = model.images.iter().map(pull).collect();
    let labels = match store.selinux {
        true => format!("ExecStart=-/usr/sbin/restorecon -RF {}\n", argument(path)),
        false => String::new(),
    };
    let file = |name: &str| argument(&format!("{path}/{name}"));
    let stamp = stamp(model);
    let text = format!(
        "[Unit]\n\
         Description=Pull images into the additional image store {shown}\n\
         Wants=network-online.target\n\
         After=network-online.target {MAKE} {LABEL}\n\
         {mounts}\
         {ENGINES}\
         # All were pulled: another list of images has another stamp.\n\
         ConditionPathExists=!{stamp_path}\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         TimeoutStartSec=infinity\n\
         # Engines start without the images after {TRIES} tries; these go on beside them.\n\
         Restart=on-failure\n\
         RestartSec=60\n\
         # podman leaves a mount in the store.\n\
         PrivateMounts=yes\n\
         {pulls}\
         {labels}\
         # Without its lock files engines do not read a store that is mounted read-only.\n\
         ExecStart=/usr/bin/touch {images_lock} {layers_lock}\n\
         # On the disk before the stamp says so.\n\
         ExecStart=/usr/bin/sync -f {store}\n\
         ExecStart=/usr/bin/touch {stamp}\n\
         {confined}\
         # The store may be below /usr.\n\
         ReadWritePaths={writable}\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        shown = path.replace('%', "%%"),
        mounts = mounts(&[store]),
        confined = confined(COPY, &PULLS),
        writable = word(&format!("-{path}")),
        stamp_path = format!("{path}/{stamp}").replace('%', "%%"),
        images_lock = file("overlay-images/images.lock"),
        layers_lock = file("overlay-layers/layers.lock"),
        store = argument(path),
        stamp = file(&stamp),
    );
    Ok(Some(NodeUnit { name: LOAD.to_owned(), text, enabled: true }))
}

/// In what a unit that pulls with podman differs from one that copies what is there: it talks to
/// registries, mounts an overlay to try it, unpacks in a root directory of its own, and takes
/// an archive from anywhere. Its own SELinux type needs a transition.
const PULLS: [(&str, Option<&str>); 7] = [
    ("PrivateNetwork", None),
    ("PrivateTmp", None),
    ("NoNewPrivileges", None),
    ("RestrictAddressFamilies", Some("AF_UNIX AF_INET AF_INET6 AF_NETLINK")),
    ("RestrictNamespaces", Some("mnt")),
    ("SystemCallFilter", Some("@system-service @mount")),
    (
        "CapabilityBoundingSet",
        Some(
            "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_MKNOD CAP_SETFCAP CAP_SYS_ADMIN CAP_SYS_CHROOT",
        ),
    ),
];

/// What keeps `shipped`, one of our own units, from doing anything beside its work, with other
/// values or without some of it.
fn confined(shipped: &str, other: &[(&str, Option<&str>)]) -> String {
    let lines = shipped.lines().skip_while(|line| !line.starts_with("ExecStart=")).skip(1);
    let settings = lines.filter_map(|line| line.split_once('=')).filter(|(key, _)| !key.starts_with('#'));
    let setting = |(key, value): (&str, &str)| {
        let value = match other.iter().find(|(changed, _)| *changed == key) {
            Some((_, changed)) => (*changed)?,
            None => value,
        };
        Some(format!("{key}={value}\n"))
    };
    settings.filter_map(setting).collect()
}

/// The name of the file that says that these images were pulled.
fn stamp(model: &NodeModel) -> String {
    let digest = super::data_url::sha256(model.images.join("\n").as_bytes());
    format!(".storagectl-loaded-{}", &digest["sha256-".len()..][..12])
}

pub(super) fn mounts(stores: &[&NodeStore]) -> String {
    let paths: Vec<String> = stores.iter().map(|store| word(&store.path)).collect();
    format!("RequiresMountsFor={}\n", paths.join(" "))
}

/// A path in a list of a unit file.
fn word(path: &str) -> String {
    let path = path.replace('%', "%%");
    let bare = |letter: char| !letter.is_whitespace() && !matches!(letter, '"' | '\'' | '\\' | ';');
    if path.chars().all(bare) { path } else { unit_word(&path) }
}

/// The same in a command line, where a `$` would be a variable.
fn argument(path: &str) -> String {
    word(&path.replace('$', "$$"))
}

/// What systemd would replace in a script.
fn escaped(script: &str) -> String {
    script.replace('%', "%%").replace('$', "$$")
}

/// A word of a command line in systemd's double quotes.
fn unit_word(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
