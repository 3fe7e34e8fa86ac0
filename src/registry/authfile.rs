//! The file with credentials, before anything is begun.

use std::path::Path;

use crate::problem::Problem;
use crate::sys::Root;

/// Whether there is a file with credentials at `path`, a path of this process, as
/// containers-auth.json(5) describes it. Nothing of what it says is told.
///
/// # Errors
/// `authfile`, or the system's answer.
pub fn check_authfile(path: &Path) -> Result<(), Problem> {
    let shown = path.display().to_string();
    let wrong = |what: &str| {
        let message = format!("the credentials file `{shown}` {what}");
        let hint = "give a pull secret, such as `podman login --authfile FILE` writes; in an image build it must be mounted for this step";
        Problem::new("authfile", message, hint)
    };
    let root = Root::system().map_err(Problem::cannot("open", "/"))?;
    let absolute = std::path::absolute(path).map_err(Problem::cannot("find", &shown))?;
    let Some((bytes, _)) = root.read(&absolute).map_err(Problem::cannot("read", &shown))? else {
        return Err(wrong("does not exist"));
    };
    match serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&bytes) {
        // Not where: the line would be shown, and with it a secret.
        Err(_) => Err(wrong("is not a JSON object")),
        Ok(object) => match object.get("auths") {
            None | Some(serde_json::Value::Object(_)) => Ok(()),
            Some(_) => Err(wrong("has an `auths` that is not an object")),
        },
    }
}
