//! What refers to an image: by the tags of its repository, which skopeo lists, and by the referrers
//! API of its registry, which oras asks.

use std::ffi::OsString;

use serde::Deserialize;

use super::{Failure, RegistryAccess, repository, skopeo};
use crate::images::Digest;

/// The tags of the repository of `reference`.
pub fn tags(reference: &str, access: RegistryAccess<'_>) -> Result<Vec<String>, Failure> {
    #[derive(Deserialize)]
    struct Listed {
        #[serde(rename = "Tags")]
        tags: Option<Vec<String>>,
    }
    let mut arguments: Vec<OsString> = vec!["list-tags".into()];
    if let Some(authfile) = access.authfile {
        arguments.extend(["--authfile".into(), authfile.into()]);
    }
    if let Some(verify) = access.tls_verify {
        arguments.push(format!("--tls-verify={verify}").into());
    }
    arguments.push(format!("docker://{}", repository(reference)).into());
    let printed = skopeo::run(&arguments, reference, access.lock, access.stall, &|| 0)?;
    let listed: Listed =
        serde_json::from_slice(&printed).map_err(|error| Failure::of(reference, &error.to_string()))?;
    Ok(listed.tags.unwrap_or_default())
}

/// The digests of what refers to the image `reference`, which has a digest, by what its registry says
/// of it. `None` if oras is not installed.
pub fn discover(reference: &str, access: RegistryAccess<'_>) -> Result<Option<Vec<Digest>>, Failure> {
    #[derive(Deserialize)]
    struct Discovered {
        /// The second name is that of oras before 1.3.
        #[serde(default, alias = "manifests")]
        referrers: Option<Vec<Referrer>>,
    }
    #[derive(Deserialize)]
    struct Referrer {
        digest: String,
    }
    let ask = |more: &[&str]| {
        let mut arguments: Vec<OsString> = ["discover", "--format", "json"].map(OsString::from).into();
        if let Some(authfile) = access.authfile {
            arguments.extend(["--registry-config".into(), authfile.into()]);
        }
        arguments.extend(more.iter().chain([&reference]).map(OsString::from));
        skopeo::run_program("oras", &arguments, reference, access.lock, access.stall, &|| 0)
    };
    // It does not find out by itself, as skopeo does, which of them a registry is.
    let printed = match access.tls_verify {
        Some(false) => ask(&["--insecure"]).or_else(|_| ask(&["--plain-http"])),
        _ => ask(&[]),
    };
    let printed = match printed {
        Err(failure) if failure.problem.id == skopeo::NOT_INSTALLED => return Ok(None),
        printed => printed?,
    };
    let discovered: Discovered =
        serde_json::from_slice(&printed).map_err(|error| Failure::of(reference, &error.to_string()))?;
    let all = discovered.referrers.unwrap_or_default();
    Ok(Some(all.iter().filter_map(|referrer| Digest::parse(&referrer.digest)).collect()))
}
