//! What makes an image safe, as commands.

use std::path::Path;

use super::forecast::Remedy;
use crate::problem::shell_word;

/// CRI-O reads drop-ins there, and does not need the directory.
const DROP_INS: &str = "mkdir -p /etc/crio/crio.conf.d";

/// The lines that a person types, for the images `names` in `store`. What begins
/// with `#` is a word about the next line.
pub fn commands(remedy: &Remedy, store: &Path, driver: &str, names: &[String]) -> Vec<String> {
    let shown = shell_word(&store.display().to_string());
    let line = |text: &str| text.to_owned();
    match remedy {
        Remedy::CopyOrKeep => {
            let mut lines = commands(&Remedy::Copy, store, driver, names);
            lines.push(line("# or:"));
            lines.append(&mut commands(&Remedy::Keep, store, driver, names));
            lines
        }
        Remedy::Keep => vec![
            line("# CRI-O keeps its storage, also what a power cut leaves half-written:"),
            line(DROP_INS),
            line("echo 'crio.clean_shutdown_file = \"\"' > /etc/crio/crio.conf.d/99-keep-storage.conf"),
        ],
        Remedy::Copy => {
            let mut lines = vec![
                line("# a copy in a store that no engine wipes:"),
                line("storagectl init-store /var/lib/images"),
            ];
            for name in names {
                lines.push(format!(
                    "skopeo copy {} {}",
                    shell_word(&format!("containers-storage:[{driver}@{}]{name}", store.display())),
                    shell_word(&format!("containers-storage:[{driver}@/var/lib/images]{name}"))
                ));
            }
            lines.push(line("sync -f /var/lib/images"));
            lines.push(line("storagectl add-store --restart /var/lib/images"));
            lines
        }
        Remedy::Move => {
            let name = store.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let target = shell_word(&format!("/var/lib/{name}"));
            vec![
                line("systemctl stop crio"),
                format!("mv -T {shown} {target}"),
                format!("storagectl add-store {target}"),
                format!("storagectl remove-store {shown}"),
                line("systemctl start crio"),
            ]
        }
        Remedy::NoRepair => vec![
            line("# counts when CRI-O starts the next time:"),
            line(DROP_INS),
            line("echo 'crio.internal_repair = false' > /etc/crio/crio.conf.d/99-no-repair.conf"),
        ],
        Remedy::Mend(broken) => vec![
            line("# until that store is whole again:"),
            format!("storagectl remove-store --restart {}", shell_word(&broken.display().to_string())),
        ],
        Remedy::Sync => vec![format!("sync -f {shown}")],
        Remedy::Hint(hint) => vec![format!("# {hint}")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_image_is_copied_by_its_name() {
        let names = ["localhost/a:1".to_owned()];
        let lines = commands(&Remedy::Copy, Path::new("/g"), "overlay", &names);
        let copy = "skopeo copy 'containers-storage:[overlay@/g]localhost/a:1' \
                    'containers-storage:[overlay@/var/lib/images]localhost/a:1'";
        assert!(lines.iter().any(|line| line == copy), "{lines:?}");
    }
}
