//! What real engines say, and what `explain` makes of it: each message is known, its cause is what
//! was broken, and the command that it advises lets the engine work again.
//!
//! What podman says of damaged stores is held against `explain` where that damage is made
//! (`check::table`, `random_damage`).

mod configuration;
mod documents;
mod stories;

pub(crate) use stories::host_with_embedded_images;

use serde_json::Value;

use crate::check::engine::Answers;

/// What an engine has said of a damaged store and `explain` does not lead back to what check-store
/// `found` there.
pub(crate) fn unexplained(answers: &Answers, found: &[&Value]) -> Vec<String> {
    let findings = found.iter().flat_map(|report| list(report, "findings"));
    let found: Vec<&str> = findings.map(|finding| finding["id"].as_str().unwrap()).collect();
    let mut wrong = Vec::new();
    for (question, said, explained) in answers.explained() {
        let because = match serde_json::from_str::<Value>(explained) {
            Ok(explained) => mistake(&explained, &found),
            Err(error) => Some(error.to_string()),
        };
        let said: String = said.chars().take(600).collect();
        wrong.extend(because.map(|because| format!("{question}: {because}\n  {said}\n  {found:?}")));
    }
    wrong
}

/// Why an explanation does not lead to what was `found`.
fn mistake(explained: &Value, found: &[&str]) -> Option<String> {
    if list(explained, "messages").is_empty() {
        return Some("nothing of it is known".to_owned());
    }
    for message in list(explained, "messages") {
        let causes = list(message, "causes");
        match causes.first().map(|cause| cause["id"].as_str().unwrap()) {
            Some(cause) if found.contains(&cause) => {}
            // In an empty store there is nothing wrong, and nothing else.
            Some("image-missing")
                if found.iter().all(|id| ["not-sealable", "not-for-users"].contains(id)) => {}
            // Only every byte shows it, and it is said that they show it.
            None if message["check"] == "storagectl check-store --deep" => {}
            cause => return Some(format!("{} is caused by {cause:?}", message["id"])),
        }
    }
    None
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}
