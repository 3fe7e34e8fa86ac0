//! Capabilities of files, from the attribute to the words of RPM.
//!
//! The attribute is `struct vfs_cap_data` of linux/capability.h; the words are those of
//! cap_from_text(3), which rpmbuild gives to libcap.

/// The names, by number (linux/capability.h).
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

const EFFECTIVE: u32 = 1;
const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;

/// The capabilities that the value of `security.capability` gives, in words; `None` if RPM
/// has no words for them: another format, those of a user namespace, unknown ones.
pub(super) fn words(value: &[u8]) -> Option<String> {
    let mut numbers = value
        .chunks_exact(4)
        .map(|chunk| u32::from_le_bytes(chunk.try_into().expect("a chunk has four bytes")));
    let magic = numbers.next()?;
    let sets = [numbers.next()?, numbers.next()?, numbers.next()?, numbers.next()?];
    let namespace = match (magic & !EFFECTIVE, value.len()) {
        (REVISION_2, 20) => 0,
        (REVISION_3, 24) => numbers.next()?,
        _ => return None,
    };
    if namespace != 0 {
        return None;
    }
    let (permitted, inheritable) = (both(sets[0], sets[2]), both(sets[1], sets[3]));
    if (permitted | inheritable) >> NAMES.len() != 0 {
        return None;
    }
    let mut clauses = Vec::new();
    for flags in ["ip", "p", "i"] {
        let has = |set: u64, number: usize, flag: char| (set >> number & 1 == 1) == flags.contains(flag);
        let names: Vec<String> = (0..NAMES.len())
            .filter(|&number| has(permitted, number, 'p') && has(inheritable, number, 'i'))
            .map(|number| format!("cap_{}", NAMES[number]))
            .collect();
        if !names.is_empty() {
            let effective = if magic & EFFECTIVE == EFFECTIVE { "e" } else { "" };
            clauses.push(format!("{}={effective}{flags}", names.join(",")));
        }
    }
    // Without any, the attribute still takes away what a caller has.
    Some(if clauses.is_empty() { "=".to_owned() } else { clauses.join(" ") })
}

fn both(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_said_in_the_words_of_libcap() {
        let value = |magic: u32, permitted: u64, inheritable: u64| {
            let halves =
                [permitted as u32, inheritable as u32, (permitted >> 32) as u32, (inheritable >> 32) as u32];
            [vec![magic], halves.to_vec()]
                .concat()
                .iter()
                .flat_map(|it| it.to_le_bytes())
                .collect::<Vec<u8>>()
        };
        let words_of = |magic, permitted, inheritable| words(&value(magic, permitted, inheritable));
        assert_eq!(words_of(REVISION_2 | EFFECTIVE, 1 << 13, 0).unwrap(), "cap_net_raw=ep");
        assert_eq!(
            words_of(REVISION_2, 1 << 10 | 1 << 39, 1 << 10 | 1).unwrap(),
            "cap_net_bind_service=ip cap_bpf=p cap_chown=i"
        );
        assert_eq!(words_of(REVISION_2, 0, 0).unwrap(), "=");
        assert_eq!(words_of(REVISION_2, 1 << 41, 0), None);
        assert_eq!(words_of(REVISION_3, 1, 0), None, "it is too short");
        let of_namespace = |id: u32| [value(REVISION_3, 1, 0), id.to_le_bytes().to_vec()].concat();
        assert_eq!(words(&of_namespace(0)).unwrap(), "cap_chown=p");
        assert_eq!(words(&of_namespace(1000)), None);
        assert_eq!(words(b"x"), None);
    }
}
