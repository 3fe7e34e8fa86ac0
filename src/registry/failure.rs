//! What skopeo says when it fails, as a problem that a person can do something about.

use super::repository;
use crate::problem::Problem;

/// Why an image was not fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What is wrong.
    pub problem: Problem,
    /// Whether it may go better a moment later.
    pub may_pass: bool,
}

/// A kind of failure, and the words by which it is known.
struct FailureClass {
    /// Any of these, in lower case, anywhere in what skopeo says.
    words: &'static [&'static str],
    id: &'static str,
    what: &'static str,
    hint: &'static str,
    may_pass: bool,
}

/// The first kind whose words are found counts. The words are those of skopeo 1.9 to 1.20,
/// which takes most of them from its libraries.
const KINDS: &[FailureClass] = &[
    FailureClass {
        words: &["no space left on device", "disk quota exceeded"],
        id: "disk-full",
        what: "there is no space left",
        hint: "free some space and run it again: what is complete is kept",
        may_pass: false,
    },
    FailureClass {
        words: &["read-only file system"],
        id: "read-only",
        what: "the file system is read-only",
        hint: "do it where the system's image is built",
        may_pass: false,
    },
    FailureClass {
        words: &["unmarshaling json at", "reading json file", "getting username and password"],
        id: "authfile",
        what: "a file with credentials cannot be read",
        hint: "check that file, or give another one as `--authfile`",
        may_pass: false,
    },
    FailureClass {
        words: &["permission denied", "operation not permitted"],
        id: "permission",
        what: "the system refuses",
        hint: "run it as root, or correct the owner of the directory",
        may_pass: false,
    },
    FailureClass {
        words: &[
            "trust policy",
            "policy.json",
            "rejected by policy",
            "image rejected",
            "signature was required",
        ],
        id: "signature-policy",
        what: "the signature policy rejects it",
        hint: "see containers-policy.json(5); the package containers-common has the file",
        may_pass: false,
    },
    FailureClass {
        words: &[
            "toomanyrequests",
            "too many requests",
            "statuscode: 429",
            "status code 429",
            "status: 429",
            "registry 429",
        ],
        id: "registry-busy",
        what: "the registry had too many requests",
        hint: "run it again later, with fewer `--jobs` or with credentials that have a higher limit",
        may_pass: true,
    },
    FailureClass {
        words: &[
            "unauthorized",
            "denied",
            "authentication required",
            "invalid username/password",
            "statuscode: 401",
            "statuscode: 403",
            "status code 401",
            "status code 403",
            "status: 401",
            "status: 403",
            "registry 401",
            "registry 403",
            "401 unauthorized",
            "403 forbidden",
            "unable to retrieve auth token",
        ],
        id: "registry-denied",
        what: "the registry refuses these credentials, or wants some",
        hint: "give a pull secret for that registry as `--authfile`, and check the spelling: some registries answer so for images that they do not have",
        may_pass: false,
    },
    FailureClass {
        words: &[
            "manifest unknown",
            "name unknown",
            "name_unknown",
            "statuscode: 404",
            "status code 404",
            "status: 404",
            "registry 404",
            "404 not found",
            "repository name not known",
            "manifest not found",
        ],
        id: "image-not-found",
        what: "the registry does not have it",
        hint: "check the spelling of the reference; `skopeo list-tags docker://REPOSITORY` shows what there is",
        may_pass: false,
    },
    FailureClass {
        words: &["no image found in"],
        id: "image-platform",
        what: "it has no image for this platform",
        hint: "give another image, or another `--arch`",
        may_pass: false,
    },
    FailureClass {
        words: &["digest did not match", "digest mismatch", "does not match", "corrupted blob"],
        id: "blob-digest",
        what: "what the registry sends does not match its digest",
        hint: "run it again; if that does not help, a proxy or the registry is broken",
        may_pass: true,
    },
    FailureClass {
        words: &[
            "invalid reference format",
            "invalid source name",
            "invalid image name",
            "parsing reference",
        ],
        id: "reference-invalid",
        what: "it is not the name of an image in a registry",
        hint: "give it in full, such as `registry.example.com/app:1`",
        may_pass: false,
    },
    FailureClass {
        words: &["server gave http response to https client"],
        id: "registry-insecure",
        what: "the registry uses HTTP, not HTTPS",
        hint: "set `insecure = true` for it in registries.conf, or give `--tls-verify=false`",
        may_pass: false,
    },
    FailureClass {
        words: &["x509:", "tls: ", "certificate"],
        id: "registry-insecure",
        what: "the registry has no trusted certificate",
        hint: "install its certificate in /etc/containers/certs.d, or allow it in registries.conf or with `--tls-verify=false`",
        may_pass: false,
    },
    FailureClass {
        words: &["no such host", "network is unreachable", "no route to host"],
        id: "registry-unreachable",
        what: "the registry cannot be reached",
        hint: "check the name, network and proxy settings",
        may_pass: false,
    },
    FailureClass {
        words: &["connection refused", "server misbehaving", "temporary failure in name resolution"],
        id: "registry-unreachable",
        what: "the registry cannot be reached",
        hint: "check the name, network and proxy settings",
        may_pass: true,
    },
    FailureClass {
        words: &[
            "unexpected http status: 5",
            "statuscode: 5",
            "status code 5",
            "status: 5",
            "registry 5",
            "502 bad gateway",
            "503 service unavailable",
            "504 gateway",
            "unexpected eof",
            ": eof",
            "connection reset",
            "broken pipe",
            "timeout",
            "timed out",
            "deadline exceeded",
            "stream error",
            "http2:",
            "connection closed",
            "bytes in blob, got",
        ],
        id: "registry-broken",
        what: "the registry fails, or stops in the middle",
        hint: "run it again later: what is complete is kept",
        may_pass: true,
    },
    FailureClass {
        words: &["preserve digest", "preserve-digest", "schema1", "schema 1", "v2s1"],
        id: "image-unsupported",
        what: "it cannot be stored unchanged",
        hint: "push it to its registry again with a current tool",
        may_pass: false,
    },
];

impl Failure {
    /// What `said`, the standard error of skopeo, means for the image `reference`.
    pub fn of(reference: &str, said: &str) -> Self {
        let said = last_word(said);
        // Names may hold any of the words.
        let unnamed = said.replace(reference, "").replace(repository(reference), "");
        let without_url = |word: &str| match (word.contains("://"), word.ends_with(':')) {
            (true, true) => "url:".to_owned(),
            (true, false) => "url".to_owned(),
            (false, _) => word.to_lowercase(),
        };
        let known = unnamed.split(' ').map(without_url).collect::<Vec<_>>().join(" ");
        let kind = KINDS.iter().find(|kind| kind.words.iter().any(|word| known.contains(word)));
        let Some(kind) = kind else {
            let message = format!("cannot fetch `{reference}`: skopeo says: {said}");
            let hint = "fix what it reports and try again";
            return Self { problem: Problem::new("registry-failed", message, hint), may_pass: false };
        };
        let message = format!("cannot fetch `{reference}`: {}; skopeo says: {said}", kind.what);
        Self { problem: Problem::new(kind.id, message, kind.hint), may_pass: kind.may_pass }
    }
}

/// The message of the last line, on one line and without secrets.
fn last_word(said: &str) -> String {
    let line = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("nothing");
    // time="…" level=fatal msg="…", quoted as Go does.
    let quoted = line.split_once(" msg=").map_or(line, |(_, message)| message);
    let text = match serde_json::from_str::<String>(quoted) {
        Ok(text) => text,
        Err(_) => quoted.trim_matches('"').replace("\\\"", "\""),
    };
    let words: Vec<String> = text.split_whitespace().map(without_query).collect();
    words.join(" ").escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'")
}

/// A URL's query may hold a signature that gives access.
fn without_query(word: &str) -> String {
    match word.split_once('?') {
        Some((url, query)) if url.contains("://") => {
            let end = query.find('"').map_or("", |quote| &query[quote..]);
            format!("{url}?…{end}")
        }
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_skopeo_says_is_told_apart() {
        for (said, id, may_pass) in [
            (
                "reading manifest 1 in example.com/a: unauthorized: authentication required",
                "registry-denied",
                false,
            ),
            ("reading manifest 1 in example.com/a: StatusCode: 403, no", "registry-denied", false),
            ("requested access to the resource is denied", "registry-denied", false),
            ("writing blob: open /x/y: permission denied", "permission", false),
            ("reading JSON file \\\"a.json\\\": open a.json: permission denied", "authfile", false),
            (
                "reading manifest 1 in example.com/a: manifest unknown: manifest unknown",
                "image-not-found",
                false,
            ),
            ("reading manifest 1 in example.com/a: StatusCode: 429, oops", "registry-busy", true),
            ("reading manifest 1 in example.com/a: toomanyrequests: slow down", "registry-busy", true),
            ("received unexpected HTTP status: 500 Internal Server Error", "registry-broken", true),
            ("writing blob: happened during read: unexpected EOF", "registry-broken", true),
            ("Get \\\"http://example.com/v2/a/manifests/1\\\": EOF", "registry-broken", true),
            (
                "fetching blob: invalid status code from registry 503 (Service Unavailable)",
                "registry-broken",
                true,
            ),
            ("Get \\\"https://example.com/v2/\\\": net/http: TLS handshake timeout", "registry-broken", true),
            ("writing blob: write /x/dir-put-blob33: no space left on device", "disk-full", false),
            ("Error loading trust policy: open x.json: no such file or directory", "signature-policy", false),
            ("http: server gave HTTP response to HTTPS client", "registry-insecure", false),
            ("dial tcp: lookup example.invalid: no such host", "registry-unreachable", false),
            ("dial tcp 192.0.2.1:443: connect: connection refused", "registry-unreachable", true),
            (
                "happened during read: Digest did not match, expected sha256:a, got sha256:b",
                "blob-digest",
                true,
            ),
            ("no image found in image index for architecture riscv64", "image-platform", false),
            (
                "Invalid source name docker://example.com/A: invalid reference format",
                "reference-invalid",
                false,
            ),
            ("reading manifest 1 in example.com/a: something new", "registry-failed", false),
        ] {
            let line = format!("first\ntime=\"2026-01-01T00:00:00Z\" level=fatal msg=\"{said}\"\n\n");
            let failure = Failure::of("example.com/a:1", &line);
            assert_eq!((failure.problem.id, failure.may_pass), (id, may_pass), "{said}");
        }
    }

    #[test]
    fn the_name_of_an_image_says_nothing_about_the_failure() {
        let reference = "example.com/denied/timeout:429";
        let said = r#"level=fatal msg="initializing source docker://example.com/denied/timeout:429: reading manifest 429 in example.com/denied/timeout: manifest unknown: Get \"https://example.com/v2/denied/timeout\"""#;
        assert_eq!(Failure::of(reference, said).problem.id, "image-not-found");
    }

    #[test]
    fn a_message_is_one_line_without_what_gives_access() {
        let said =
            r#"level=fatal msg="Get \"https://example.com/b?X-Signature=secret\": EOF\n\t* \u001b[31mx""#;
        let message = Failure::of("example.com/a:1", said).problem.message;
        assert!(message.ends_with(r#"Get "https://example.com/b?…": EOF * \u{1b}[31mx"#), "{message}");
    }
}
