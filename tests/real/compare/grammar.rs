//! Short texts in which tables and keys meet in ways that parsers do not agree about.

use crate::dice::Dice;

/// A few lines of headers and keys.
pub(super) fn text(dice: &mut Dice) -> String {
    let mut text = String::new();
    for _ in 0..2 + dice.below(5) {
        if dice.chance(45) {
            let name = dice.one(&NAMES);
            match dice.below(7) {
                0 => text.push_str(&format!("[[{name}]]\n")),
                1 => text.push_str(&format!("[ {} ]\n", name.replace('.', " . "))),
                _ => text.push_str(&format!("[{name}]\n")),
            }
        } else {
            text.push_str(&format!("{} = {}\n", dice.one(&KEYS), dice.one(&VALUES)));
        }
    }
    text
}

const NAMES: [&str; 14] = [
    "storage",
    "storage",
    "storage.options",
    "storage.options",
    "storage.options.overlay",
    "storage.options.x",
    "storage.options.x.y",
    "storage.options.pull_options",
    "storage.x",
    "x",
    "x.y",
    "storage.driver",
    "storage.options.additionalimagestores",
    "\"storage\".options",
];

const KEYS: [&str; 26] = [
    "x",
    "x",
    "x.y",
    "x.z",
    "x.y.z",
    "y",
    "\"x\"",
    "driver",
    "storage.driver",
    "storage.options.x",
    "storage.options.y",
    "storage.options.overlay.mountopt",
    "storage.x",
    "storage",
    "options",
    "options.x",
    "options.overlay.x",
    "options.additionalimagestores",
    "additionalimagestores",
    "additionalimagestores",
    "overlay",
    "overlay.x",
    "overlay.mountopt",
    "pull_options",
    "pull_options.x",
    "x .  y",
];

const VALUES: [&str; 22] = [
    "1",
    "\"overlay\"",
    "\"x\"",
    "{}",
    "{x = 1}",
    "{y = 1}",
    "{x.y = 1}",
    "{x.y = 1, x.z = 2}",
    "{x = 1, x = 2}",
    "{x = {y = 1}, x.z = 2}",
    "{x = [], x = [1]}",
    "{mountopt = \"nodev\"}",
    "{additionalimagestores = [\"/a\"]}",
    "[]",
    "[\"/a\"]",
    "[\"/b\"]",
    "[\"/a\", {append = true}]",
    "[{append = true}, {append = true}]",
    "[{}]",
    "[[{x = 1}]]",
    "[{x.append = true}]",
    "[{\n append = true, \n}]",
];
