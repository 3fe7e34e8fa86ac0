//! What is watched, in Prometheus' text format.

use std::fmt::Write as _;

use crate::doctor::Metrics;

/// All metrics as a document.
pub(super) fn document(metrics: &Metrics) -> String {
    let mut text = String::new();
    for (name, help, samples) in metrics.list() {
        let _ = writeln!(text, "# HELP storagectl_{name} {help}\n# TYPE storagectl_{name} gauge");
        for (labels, value) in samples {
            let labels: Vec<String> =
                labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(text, "storagectl_{name}{labels} {value}");
        }
    }
    text
}

/// The value of a label: these three are escaped, and everything else stands for itself.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_label_is_escaped() {
        assert_eq!(escaped("/a\\b\"c\nd"), "/a\\\\b\\\"c\\nd");
    }

    #[test]
    fn a_host_that_could_not_be_looked_at_says_so_and_nothing_more() {
        let text = document(&Metrics::of_run(false, std::time::Duration::from_millis(1500)));
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(samples.len(), 4, "{text}");
        assert!(samples.contains(&"storagectl_doctor_success 0"), "{text}");
        assert!(samples.contains(&"storagectl_doctor_duration_seconds 1.5"), "{text}");
    }
}
