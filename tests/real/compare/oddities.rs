//! What makes a sane host odd, one thing at a time.

use storagectl::conf::schema::{KEYS, SchemaKey};

use super::document::{Document, Table};
use super::host::{Content, Host, Node};
use super::values;
use crate::dice::Dice;

const LIST: (&str, &str) = ("storage.options", "additionalimagestores");

/// Makes a document odd in one way, before it is a text.
pub(super) fn document(dice: &mut Dice, doc: &mut Document) {
    match dice.below(20) {
        0..=4 => add_item(dice, doc, LIST, values::odd_store),
        5 => add_item(dice, doc, ("storage.options", "additionallayerstores"), values::odd_layer_store),
        6..=8 => {
            let key = some_key(dice);
            let value = values::odd(dice, key);
            doc.set(key.table, key.name, value);
        }
        9 | 10 => {
            let key = some_key(dice);
            let value = values::any(dice);
            doc.set(key.table, key.name, value);
        }
        11 => {
            // A level too high, too low, or somewhere else.
            let key = some_key(dice);
            let value = values::right(dice, key);
            let table = dice.one(&[
                "",
                "storage",
                "storage.options",
                "storage.options.overlay",
                "storage.options.vfs",
                "other",
                "storage.other",
            ]);
            doc.set(table, key.name, value);
        }
        12 => spelling(dice, doc),
        13 => twice(dice, doc),
        14 => implicit(dice, doc),
        15 => inline(dice, doc),
        16 => instead_of_a_value(dice, doc),
        17 => {
            let value = dice.one(&[
                "1",
                "\"x\"",
                "[]",
                "true",
                "{}",
                "[\"x\"]",
                "{a = 1}",
                "[{a = \"x\"}]",
                "1.5",
                "\"\"",
            ]);
            let at =
                dice.one(&["pull_options", "overlay", "vfs", "zfs", "btrfs", "thinpool", "aufs", "other"]);
            doc.set("storage.options", at, value);
        }
        18 => {
            let value = values::any(dice);
            let name = dice.one(&["enable_partial_images", "other", "use_hard_links"]);
            doc.set("storage.options.pull_options", name, value);
        }
        _ => {
            let value = values::any(dice);
            let at = dice.one(&["storage", "storage.options", "storage.options.overlay", ""]);
            let name =
                dice.one(&["other", "storage", "options", "\"\"", "a.b", "driver", "'x y'", "overlay"]);
            doc.set(at, name, value);
        }
    }
}

fn some_key(dice: &mut Dice) -> &'static SchemaKey {
    // Driver tables of the past have a third of all rows.
    loop {
        let key = &KEYS[dice.below(KEYS.len())];
        if !key.table.ends_with("thinpool") || dice.chance(10) {
            return key;
        }
    }
}

fn add_item(dice: &mut Dice, doc: &mut Document, (table, key): (&str, &str), item: fn(&mut Dice) -> String) {
    let mut items = if dice.chance(50) { values::list(dice) } else { Vec::new() };
    items.insert(dice.below(items.len() + 1), item(dice));
    doc.set(table, key, values::array(&items));
}

/// Keys in other letters, or in quotes.
fn spelling(dice: &mut Dice, doc: &mut Document) {
    let upper_first = |name: &str| {
        let mut letters = name.chars();
        letters
            .next()
            .map(|first| first.to_uppercase().chain(letters).collect::<String>())
            .unwrap_or_default()
    };
    let Some(table) = some_table(dice, doc) else { return };
    let respell = |dice: &mut Dice, name: &str| match dice.below(4) {
        0 => name.to_uppercase(),
        1 => upper_first(name),
        2 => format!("\"{name}\""),
        _ => name.replace('s', "\u{17f}"),
    };
    if table.entries.is_empty() || dice.chance(40) {
        let mut parts: Vec<String> = table.name.split('.').map(str::to_owned).collect();
        let at = dice.below(parts.len());
        parts[at] = respell(dice, &parts[at]);
        table.name = parts.join(dice.one(&[".", ".", " . "]));
    } else {
        let at = dice.below(table.entries.len());
        table.entries[at].0 = respell(dice, &table.entries[at].0.clone());
    }
}

fn some_table<'doc>(dice: &mut Dice, doc: &'doc mut Document) -> Option<&'doc mut Table> {
    let at = dice.below(doc.tables.len().max(1));
    doc.tables.get_mut(at).filter(|table| !table.name.is_empty())
}

/// A key or a table that stands there twice.
fn twice(dice: &mut Dice, doc: &mut Document) {
    if dice.chance(40) {
        let at = dice.below(doc.tables.len().max(1));
        let Some(mut table) = doc.tables.get(at).cloned() else { return };
        if dice.chance(50) {
            table.entries.clear();
            table.entries.push(("other".to_owned(), "1".to_owned()));
        }
        if dice.chance(30) {
            table.name = table.name.to_uppercase();
        }
        doc.tables.push(table);
        return;
    }
    let keys =
        [("storage", "driver"), ("storage", "graphroot"), LIST, ("storage.options.overlay", "mountopt")];
    let (table, key) = keys[dice.below(keys.len())];
    let known = KEYS.iter().find(|known| known.table == table && known.name == key).expect("they are known");
    let values = [values::right(dice, known), values::right(dice, known)];
    let other = match dice.below(5) {
        0 => key.to_uppercase(),
        1 => format!("\"{key}\""),
        _ => key.to_owned(),
    };
    let table = doc.table(table);
    table.entries.retain(|(name, _)| name != key);
    let at = dice.below(table.entries.len() + 1);
    let [first, second] = values;
    table.entries.insert(at, (key.to_owned(), first));
    table.entries.push((other, second));
}

/// Dotted keys that make a table, before or after the table itself.
fn implicit(dice: &mut Dice, doc: &mut Document) {
    let (table, key) = *dice.one(&[
        &("", "storage.options.other"),
        &("", "storage.other"),
        &("", "storage.options.overlay.other"),
        &("", "storage.driver"),
        &("", "storage.options.additionalimagestores"),
        &("storage", "options.other"),
        &("storage", "options.overlay.other"),
        &("storage", "options.additionalimagestores"),
        &("storage", "options.overlay.mountopt"),
        &("storage.options", "overlay.other"),
        &("storage.options", "overlay.mountopt"),
        &("storage.options", "pull_options.other"),
    ]);
    let value = if key.ends_with("stores") { values::array(&values::list(dice)) } else { "\"x\"".to_owned() };
    let value = if key.ends_with("driver") { "\"overlay\"".to_owned() } else { value };
    let into = doc.table(table);
    let at = dice.below(into.entries.len() + 1);
    into.entries.insert(at, (key.to_owned(), value));
    match dice.below(3) {
        0 => {
            let from = dice.below(doc.tables.len());
            let table = doc.tables.remove(from);
            doc.tables.push(table);
        }
        1 => {
            doc.table("storage.options").entries.push(("other2".to_owned(), "1".to_owned()));
        }
        _ => {}
    }
}

/// A table in braces, or as dotted keys.
fn inline(dice: &mut Dice, doc: &mut Document) {
    let at = dice.below(doc.tables.len().max(1));
    let Some(table) = doc.tables.get(at).cloned() else { return };
    let Some((above, name)) = table.name.rsplit_once('.').or(Some(("", table.name.as_str()))) else { return };
    if name.is_empty() {
        return;
    }
    doc.tables.remove(at);
    let pairs: Vec<String> = table.entries.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    let value = match dice.below(6) {
        0 => format!("{{\n{}\n}}", pairs.join(",\n")),
        1 => format!("{{{},}}", pairs.join(",")),
        2 => format!("{{ # why\n{} }}", pairs.join(", ")),
        _ => format!("{{{}}}", pairs.join(", ")),
    };
    if dice.chance(30) {
        let above = doc.table(above);
        above
            .entries
            .extend(table.entries.iter().map(|(key, value)| (format!("{name}.{key}"), value.clone())));
    } else {
        doc.table(above).entries.push((name.to_owned(), value));
    }
}

/// A table, or an array of tables, where a value or a table is meant.
fn instead_of_a_value(dice: &mut Dice, doc: &mut Document) {
    let key = some_key(dice);
    let name = dice
        .one(&[
            key.dotted().as_str(),
            "storage",
            "storage.options",
            "storage.options.overlay",
            "storage.options.pull_options",
        ])
        .to_owned();
    let array = dice.chance(50);
    let name = if array { format!("[{name}]") } else { name };
    let entries = if dice.chance(50) { vec![("a".to_owned(), "\"b\"".to_owned())] } else { Vec::new() };
    if array && dice.chance(50) {
        doc.tables.retain(|table| format!("[{}]", table.name) != name);
    } else {
        doc.table(key.table).entries.retain(|(entry, _)| entry != key.name);
    }
    doc.tables.push(Table { name, entries });
}

/// Makes a text odd in one way.
pub(super) fn text(dice: &mut Dice, text: &mut Vec<u8>) {
    let lines = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
    match dice.below(12) {
        0 => {
            text.splice(0..0, *b"\xef\xbb\xbf");
        }
        1 => *text = String::from_utf8_lossy(text).replace('\n', "\r\n").into_bytes(),
        2 => {
            // A byte somewhere.
            let bytes: [&[u8]; 16] = [
                b"\xff", b"\0", b"\x01", b"\x7f", b"\r", b"\t", b"\"", b"'", b"[", b"]", b"{", b"}", b"=",
                b",", b"#", b"\n",
            ];
            let at = dice.below(text.len() + 1);
            text.splice(at..at, dice.one(&bytes).iter().copied());
        }
        3 => {
            let comments: [&[u8]; 6] =
                [b"# \xff\n", b"# \x01\n", b"# \xc3\xa4\n", b"# \x7f\n", b"# x\r\n", b"# \0\n"];
            let line = dice.below(lines(text) + 1);
            insert_line(text, line, dice.one(&comments));
        }
        4 => text.truncate(dice.below(text.len() + 1)),
        5 => {
            while text.last() == Some(&b'\n') {
                text.pop();
            }
        }
        6 => text.clear(),
        7 => *text = b"# nothing\n".to_vec(),
        8 => {
            let odd: [&[u8]; 24] = [
                b"x\n",
                b"= 1\n",
                b"x =\n",
                b"[x\n",
                b"[]\n",
                b"[[x]\n",
                b"x = 1 y = 2\n",
                b"x = \"\n",
                b"'' = 1\n",
                b"x = 07:32\n",
                b"x = \"\\e\"\n",
                b"x = \"\\x41\"\n",
                b"x = \"\\q\"\n",
                b"x = 01\n",
                b"x = 1__0\n",
                b"x.y = 1\n",
                b"\xc3\xa4 = 1\n",
                b"x = {y = 1,}\n",
                b"x = {\ny = 1}\n",
                b"x = [1, \"a\"]\n",
                b"x = {y = 1, y = 2}\n",
                b"x = 1979-05-27 07:32:00\n",
                b"x = tru\n",
                b"x = .5\n",
            ];
            let line = dice.below(lines(text) + 1);
            insert_line(text, line, dice.one(&odd));
        }
        9 => {
            // A line twice.
            let all: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
            if !all.is_empty() {
                let line = all[dice.below(all.len())].to_vec();
                let at = dice.below(all.len() + 1);
                insert_line(text, at, &line);
            }
        }
        10 => {
            // A line less.
            let all: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
            if !all.is_empty() {
                let gone = dice.below(all.len());
                let rest: Vec<&[u8]> =
                    all.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, line)| *line).collect();
                *text = rest.concat();
            }
        }
        _ => {
            // Two lines in the other order.
            let mut all: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
            if !all.is_empty() {
                let (one, other) = (dice.below(all.len()), dice.below(all.len()));
                all.swap(one, other);
                *text = all.concat();
            }
        }
    }
}

fn insert_line(text: &mut Vec<u8>, line: usize, new: &[u8]) {
    let at: usize = text.split_inclusive(|byte| *byte == b'\n').take(line).map(<[u8]>::len).sum();
    text.splice(at..at, new.iter().copied());
}

/// Makes what is on the disk, or in the environment, odd in one way.
pub(super) fn host(dice: &mut Dice, host: &mut Host) {
    let mut node = |path: &str, content: Content, mode: Option<u32>| {
        host.nodes.push(Node { path: path.to_owned(), content, mode });
    };
    let link = |target: &str| Content::Link(target.to_owned());
    match dice.below(13) {
        0 => {
            // A store that is not what it was.
            let store = dice.one(&["/a", "/b", "/c", "/opt/s"]);
            match dice.below(6) {
                0 => node(store, Content::File(Vec::new()), None),
                1 => node(store, link("/nowhere"), None),
                2 => node(store, link("/tmp"), None),
                3 => node(store, Content::Directory, Some(0o700)),
                4 => node(store, link("/root"), None),
                _ => node(store, link(store), None),
            }
        }
        1 => {
            let storage = dice.one(&[
                "/var/lib/containers/storage",
                "/home/u/.local/share/containers/storage",
                "/srv/1000/x",
                "/srv/0/x",
            ]);
            // The loaders are built without btrfs, and so do not see what that driver made.
            let names = [
                "overlay",
                "vfs",
                "zfs",
                "overlay-images",
                "vfs-images",
                "x-images",
                "overlay2",
                "zfs-images",
            ];
            for _ in 0..=dice.below(2) {
                node(&format!("{storage}/{}", dice.one(&names)), Content::Directory, None);
            }
        }
        2 => {
            // A file that only root may read, or nobody but by a link.
            let files: Vec<usize> = (0..host.nodes.len())
                .filter(|at| matches!(host.nodes[*at].content, Content::File(_)))
                .collect();
            if files.is_empty() {
                return;
            }
            let at = files[dice.below(files.len())];
            match dice.below(5) {
                0 => host.nodes[at].mode = Some(0o600),
                1 => host.nodes[at].mode = Some(0),
                2 => host.nodes[at].content = Content::Directory,
                3 => host.nodes[at].content = Content::Link("/nowhere".to_owned()),
                _ => {
                    let moved = Node { path: "/srv/moved".to_owned(), ..host.nodes[at].clone() };
                    host.nodes[at].content = Content::Link("/srv/moved".to_owned());
                    host.nodes.push(moved);
                }
            }
        }
        3 => {
            let dir = dice.one(&[
                "/etc/containers/storage.conf.d",
                "/etc/containers/storage.rootless.conf.d",
                "/usr/share/containers/storage.conf.d",
                "/home/u/.config/containers",
                "/home/u/.config",
                "/root/.config",
                "/etc/containers",
                "/usr/share/containers",
                "/etc/containers/storage.rootful.conf.d",
                "/etc/containers/storage.rootless.conf.d/1000",
                "/srv/config",
            ]);
            match dice.below(3) {
                0 => node(dir, Content::Directory, Some(0o700)),
                1 => node(dir, Content::File(Vec::new()), None),
                _ => node(dir, link("/nowhere"), None),
            }
        }
        4 => {
            let dir = dice.one(&[
                "/etc/containers/storage.conf.d",
                "/usr/share/containers/storage.conf.d",
                "/home/u/.config/containers/storage.conf.d",
            ]);
            match dice.below(4) {
                0 => node(&format!("{dir}/50-dir.conf"), Content::Directory, None),
                1 => node(&format!("{dir}/50-link.conf"), link("/nowhere"), None),
                2 => node(
                    &format!("{dir}/.hidden.conf"),
                    Content::File(b"[storage.options]\nadditionalimagestores = [\"/c\"]\n".to_vec()),
                    None,
                ),
                _ => node(&format!("{dir}/50.toml"), Content::File(b"x".to_vec()), None),
            }
        }
        5 => {
            let dir = dice.one(&["/run/user/1000", "/home/u", "/root", "/run/user"]);
            match dice.below(3) {
                0 => node(dir, Content::Directory, Some(0o755)),
                1 => node(dir, Content::Directory, Some(0)),
                _ => node(dir, Content::File(Vec::new()), None),
            }
        }
        6 => {
            let named = dice.one(&[
                "/srv/named.conf",
                "/etc/containers/storage.conf",
                "/nowhere.conf",
                "",
                "relative.conf",
                "/root/x.conf",
            ]);
            variable(host, "CONTAINERS_STORAGE_CONF", named);
            if dice.chance(60) {
                host.file(
                    "/srv/named.conf",
                    "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/n\"\ngraphroot = \"/srv/n\"\n",
                );
            }
        }
        7 => {
            let named = dice.one(&[
                "/srv/last.conf",
                "/etc/containers/storage.conf",
                "/nowhere.conf",
                "",
                "relative.conf",
            ]);
            variable(host, "CONTAINERS_STORAGE_CONF_OVERRIDE", named);
            if dice.chance(60) {
                host.file(
                    "/srv/last.conf",
                    "[storage.options]\nadditionalimagestores = [\"/c\", {append=true}]\n",
                );
            }
        }
        8 => variable(
            host,
            "STORAGE_DRIVER",
            dice.one(&["overlay", "vfs", "zfs", "btrfs", "overlay2", "", "x"]),
        ),
        9 => {
            let options = [
                "",
                ",",
                "overlay.imagestore=/a",
                "imagestore=/a,imagestore=/b",
                ".imagestore=/a",
                "vfs.imagestore=/a",
                "overlay.imagestore=/missing",
                "x",
                "overlay.size=10G",
                "overlay.mountopt=nodev",
                "additionalimagestore=/a",
                "overlay.imagestore=/a,",
                "OVERLAY.IMAGESTORE=/a",
                "overlay2.imagestore=/a",
                " overlay.imagestore = /a ",
                "zfs.fsname=x",
                "other.imagestore=/a",
                "overlay.additionallayerstore=/a:ref",
                "overlay.imagestore=",
                "x.y.imagestore=/a",
                "overlay.bogus=1",
                "overlay.additionalimagestores=/a",
            ];
            variable(host, "STORAGE_OPTS", dice.one(&options));
        }
        10 => {
            let name = dice.one(&["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"]);
            match dice.below(7) {
                0 => drop(host.variables.insert(name.to_owned(), None)),
                1 => variable(host, name, ""),
                2 => variable(host, name, "relative"),
                3 => variable(host, name, "/nowhere"),
                4 => variable(host, name, "/root"),
                _ => {
                    variable(host, name, "/srv/config");
                    if dice.chance(70) {
                        host.file("/srv/config/containers/storage.conf", "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/x\"\ngraphroot = \"/srv/x\"\n[storage.options]\nadditionalimagestores = [\"/b\"]\n");
                    }
                }
            }
        }
        11 => match dice.below(5) {
            0 => drop(host.variables.insert("HOME".to_owned(), None)),
            1 => variable(host, "HOME", ""),
            2 => variable(host, "HOME", "/srv"),
            3 => variable(host, "HOME", "relative"),
            _ => variable(host, "HOME", "/nowhere"),
        },
        _ => {
            node("/etc/containers/storage.conf", link("/usr/share/containers/storage.conf"), None);
        }
    }
}

fn variable(host: &mut Host, name: &str, value: &str) {
    host.variables.insert(name.to_owned(), Some(value.to_owned()));
}
