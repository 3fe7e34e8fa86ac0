//! Whatever a base and the paths of stores hold comes out of each language as it was.

use proptest::prelude::*;
use storagectl::provision::document::{Node, ProvisionDocument};
use storagectl::provision::{Configuration, NodeModel, NodeStore, Preset, SimpleKind};

/// A node with any comments in its storage.conf, and any paths.
fn models() -> impl Strategy<Value = NodeModel> {
    let path = "/(var|srv)/[ -+.-~é☃]{0,10}[a-z]".prop_filter("a path that may be listed", |path| {
        storagectl::conf::clean(path) == *path && !path.contains('$')
    });
    let comments = prop_oneof![
        "([ -~é☃\u{2028}\t]{0,12}\n){0,4}",
        Just("END\nEOF\n%end\n{{ x }}\n{% raw %}\n---\n".to_owned()),
    ];
    let ends = prop_oneof![Just("\n"), Just(""), Just("\r\n")];
    (proptest::collection::btree_set(path, 1..3), comments, ends).prop_map(|(paths, comments, end)| {
        let stores = paths.iter().map(|path| NodeStore::new(path, 0o750)).collect();
        let mut model = NodeModel::new(Preset::named("none").unwrap(), stores);
        let comments: String = comments.lines().map(|line| format!("#{line}\n")).collect();
        model.base = format!("{comments}[storage]\ndriver = \"overlay\"{end}");
        model
    })
}

/// The value of a string.
fn string<'a>(node: &'a Node, key: &str) -> &'a str {
    node.get(key).and_then(Node::text).unwrap_or_default()
}

/// A field of tmpfiles.d with its quotes, or the last one with its escapes, as it is meant.
fn meant(field: &str) -> String {
    let field = field.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(field);
    let (mut out, mut rest) = (String::new(), field.chars());
    while let Some(letter) = rest.next() {
        let letter = match letter {
            '%' => rest.next().filter(|it| *it == '%').expect("no specifier is meant"),
            '\\' => match rest.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('x') => {
                    let code: String = rest.by_ref().take(2).collect();
                    u8::from_str_radix(&code, 16).unwrap().into()
                }
                Some(other) => other,
                None => panic!("a backslash at the end of `{field}`"),
            },
            other => other,
        };
        out.push(letter);
    }
    out
}

proptest! {
    #[test]
    fn each_language_gives_back_what_was_put_into_it(model in models()) {
        let configuration = Configuration::of(&model);
        // Some bases no engine takes.
        prop_assume!(configuration.is_ok());
        let configuration = configuration.unwrap();
        let main = configuration.main().unwrap();
        let written = |kind: SimpleKind| kind.write(&model, "# Made by a test\n").unwrap().text;
        let paths: Vec<&str> = model.stores.iter().map(|store| store.path.as_str()).collect();

        let text = written(SimpleKind::Tmpfiles);
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let made = lines.iter().filter_map(|line| line.strip_prefix("d ")?.strip_suffix(" 0750 root root -"));
        prop_assert_eq!(made.map(meant).collect::<Vec<_>>(), &paths[..]);
        let argument = lines.iter().find(|line| line.contains("/storage.conf ")).unwrap().split_once(" 0644 root root - ").unwrap().1;
        prop_assert_eq!(meant(argument), main);

        let document = ProvisionDocument::parse(&written(SimpleKind::CloudConfig)).unwrap();
        let files = document.root.get("write_files").unwrap().items();
        prop_assert_eq!(string(&files[0], "content"), main);

        let document = ProvisionDocument::parse(&written(SimpleKind::Ansible)).unwrap();
        let tasks = document.root.items()[0].get("tasks").unwrap().items();
        let copy = tasks.iter().find_map(|task| task.get("ansible.builtin.copy")).unwrap();
        let content = string(copy, "content");
        prop_assert!(content == main || content.ends_with(" | b64decode }}"), "{}", content);
        prop_assert!(content != main || !content.contains("{{"), "{}", content);

        let stages: serde_json::Value = serde_json::from_str(&written(SimpleKind::Osbuild)).unwrap();
        let listed = &stages[1]["options"]["config"]["storage"]["options"]["additionalimagestores"];
        prop_assert_eq!(listed, &serde_json::json!(paths));

        // Each is checked by the models of the engines that read it when it is written.
        written(SimpleKind::DropIn);
        written(SimpleKind::Crio);
    }
}
