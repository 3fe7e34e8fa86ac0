//! The smallest host with which something still happens.

use super::host::{Content, Host};

/// Takes away from `host` what `happens` does not need: commands, variables, files, modes, lines, and
/// parts of lines.
pub(super) fn minimal(host: &Host, mut happens: impl FnMut(&Host) -> bool) -> Host {
    let mut host = host.clone();
    loop {
        let before = host.clone();
        for at in (0..host.commands.len()).rev() {
            let mut less = host.clone();
            less.commands.remove(at);
            keep(&mut host, less, &mut happens);
        }
        for name in before.variables.keys() {
            let mut less = host.clone();
            less.variables.remove(name);
            keep(&mut host, less, &mut happens);
        }
        for at in (0..host.nodes.len()).rev() {
            let mut less = host.clone();
            less.nodes.remove(at);
            keep(&mut host, less, &mut happens);
        }
        for at in 0..host.nodes.len() {
            let mut less = host.clone();
            less.nodes[at].mode = None;
            keep(&mut host, less, &mut happens);
            lines(&mut host, at, &mut happens);
            parts(&mut host, at, &mut happens);
        }
        if host == before {
            return host;
        }
    }
}

fn keep(host: &mut Host, less: Host, happens: &mut impl FnMut(&Host) -> bool) -> bool {
    let smaller = less != *host && happens(&less);
    if smaller {
        *host = less;
    }
    smaller
}

fn file(host: &Host, at: usize) -> Option<&[u8]> {
    match &host.nodes[at].content {
        Content::File(bytes) => Some(bytes),
        _ => None,
    }
}

fn with(host: &Host, at: usize, bytes: Vec<u8>) -> Host {
    let mut other = host.clone();
    other.nodes[at].content = Content::File(bytes);
    other
}

fn lines(host: &mut Host, at: usize, happens: &mut impl FnMut(&Host) -> bool) {
    let mut line = 0;
    while let Some(bytes) = file(host, at) {
        let all: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        if line >= all.len() {
            return;
        }
        let rest = [&all[..line], &all[line + 1..]].concat().concat();
        let less = with(host, at, rest);
        if !keep(host, less, happens) {
            line += 1;
        }
    }
}

/// Drops what stands between commas, brackets and the like.
fn parts(host: &mut Host, at: usize, happens: &mut impl FnMut(&Host) -> bool) {
    let mut start = 0;
    while let Some(bytes) = file(host, at).map(<[u8]>::to_vec) {
        if start >= bytes.len() || bytes.len() > 4000 {
            return;
        }
        let ends = (start..bytes.len()).filter(|end| b",]}\n\"'".contains(&bytes[*end]));
        let shorter = ends.take(4).any(|end| {
            // A line stays a line.
            let end_too = if bytes[end] == b'\n' { end } else { end + 1 };
            [end, end_too].into_iter().any(|end| {
                let less = with(host, at, [&bytes[..start], &bytes[end..]].concat());
                keep(host, less, happens)
            })
        });
        if !shorter {
            start += 1;
        }
    }
}
