//! Where something new comes to stand in a YAML document, and what stays around it.

use storagectl::provision::document::{EditFault, ProvisionDocument, Value, map, merge, text};

#[track_caller]
fn assert_with(before: &str, path: &[&str], new: Value, expected: &str) {
    let wanted = path.iter().rev().fold(new, |value, key| map([(*key, value)]));
    let after = merge(&ProvisionDocument::parse(before).unwrap(), &wanted).unwrap().unwrap();
    assert_eq!(after.text, expected);
    assert_eq!(merge(&after, &wanted).map(|it| it.map(|it| it.text)), Ok(None));
}

fn lines() -> Value {
    map([("new", text("two\nlines\n"))])
}

fn item() -> Value {
    Value::List(vec![text("new")])
}

/// What is indented deeper than the new lines is a comment of what stands above them.
#[test]
fn a_comment_stays_with_the_block_that_it_is_indented_as() {
    assert_with(
        "a:\n  - b: |\n      text\n    # of b\n\n  # of nothing\n# of c\nc: 1\n",
        &["a"],
        Value::List(vec![lines()]),
        "a:\n  - b: |\n      text\n    # of b\n  - new: |\n      two\n      lines\n\n  # of nothing\n# of c\nc: 1\n",
    );
    assert_with(
        "a: 1\n     # deep\n# no\n",
        &[],
        lines(),
        "a: 1\n     # deep\nnew: |\n  two\n  lines\n# no\n",
    );
    assert_with("a: 1\n\t# a tab\n", &[], lines(), "a: 1\n\t# a tab\nnew: |\n  two\n  lines\n");
    assert_with(
        "a:   # none\n      # deep\nb: 1\n",
        &["a"],
        lines(),
        "a:   # none\n      # deep\n  new: |\n    two\n    lines\nb: 1\n",
    );
}

#[test]
fn a_comment_in_brackets_stays_behind_its_item() {
    assert_with("a: [x, # x\n  y # y\n  ]\n", &["a"], item(), "a: [x, # x\n  y, # y\n  \"new\"\n  ]\n");
    assert_with("a: [\n  x,   # x\n]\n", &["a"], item(), "a: [\n  x,   # x\n  \"new\",\n]\n");
    assert_with(
        "a: {b: 1, # b\n  c: 2 # c\n}\n",
        &["a"],
        lines(),
        "a: {b: 1, # b\n  c: 2, # c\n  \"new\": \"two\\nlines\\n\"\n}\n",
    );
    assert_with("a: [ # none\n  ]\n", &["a"], item(), "a: [\n  \"new\"\n # none\n  ]\n");
}

#[test]
fn what_says_that_there_is_nothing_gives_way_wherever_it_stands() {
    assert_with(
        "a:\n-   path: x\n    b: ~ # none\n",
        &["a"],
        Value::List(vec![map([("path", text("x")), ("b", lines())])]),
        "a:\n-   path: x\n    b: # none\n      new: |\n        two\n        lines\n",
    );
    assert_with("a:\n  null\nb: 1\n", &["a"], lines(), "a:\n  \n  new: |\n    two\n    lines\nb: 1\n");
    assert_with("a: [\n  ]\nb: 1\n", &["a"], item(), "a:\n  - new\nb: 1\n");
    assert_with("a: ~\t# none\n", &["a"], text("x"), "a: x\t# none\n");
}

#[test]
fn nothing_is_put_into_what_an_alias_stands_for() {
    let doc = ProvisionDocument::parse("a: &x {b: c}\nd: *x\n").unwrap();
    let wanted = map([("d", lines())]);
    assert_eq!(merge(&doc, &wanted).map(|_| ()), Err(EditFault::Other(16..18, "a mapping")));
    let wanted = map([("d", map([("b", text("c"))]))]);
    assert_eq!(merge(&doc, &wanted).map(|it| it.is_none()), Ok(true));
}
