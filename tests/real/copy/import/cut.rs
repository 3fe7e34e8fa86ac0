//! An archive that ends anywhere is refused, and nothing of it is in the store.

use super::{Arrivals, only, skopeo, text_of};
use crate::copy::machine::Way;
use crate::dice::Dice;
use crate::strace::tried;

/// In how many places each is cut.
const CUTS: usize = 16;

#[test]
fn a_cut_archive_is_refused_wherever_it_is_cut() {
    let arrivals = Arrivals::new();
    let mut dice = Dice::new(7, 0);
    for (transport, packed) in
        [("oci-archive", ""), ("docker-archive", ""), ("docker-archive", "gzip"), ("oci-archive", "zstd")]
    {
        let file = arrivals.at("archive");
        let _ = std::fs::remove_file(&file);
        skopeo("app-0:1", &format!("{transport}:{}:example.com/a:1", text_of(&file)));
        let plain = fs_err::read(&file).unwrap();
        let whole = match packed {
            "gzip" => crate::build::image::gzip(&plain),
            "zstd" => zstd::encode_all(plain.as_slice(), 3).unwrap(),
            _ => plain,
        };
        // The last block or two are the end mark, and what stands behind the first is not looked at.
        let end = if packed.is_empty() { whole.len() - 1024 } else { whole.len() - 1 };
        let mut cuts: Vec<usize> = (0..CUTS).map(|_| dice.below(end)).collect();
        cuts.extend((0..end / 512).rev().take(6).map(|block| block * 512));
        for cut in tried(cuts, 6).into_iter().chain([0, 1, 511, 512, end]) {
            fs_err::write(arrivals.incoming("app.tar"), &whole[..cut]).unwrap();
            let document = arrivals.ends(&["--settle", "0"], 2);
            let item = only(&document);
            assert_eq!(
                item["state"],
                "refused",
                "{transport} {packed} cut at {cut} of {}: {item:#}",
                whole.len()
            );
            assert!(!arrivals.machine.storage(Way::Store).join("overlay-images/images.json").exists());
            fs_err::remove_dir_all(arrivals.at("refused")).unwrap();
        }
        fs_err::write(arrivals.incoming("app.tar"), &whole).unwrap();
        assert_eq!(only(&arrivals.import())["state"], "imported", "{transport} {packed}");
        for dir in ["imported", "bound"] {
            fs_err::remove_dir_all(arrivals.at(dir)).unwrap();
        }
    }
}

/// Whole by its length, and another by its content.
#[test]
fn a_byte_that_was_changed_is_found_wherever_it_counts() {
    let arrivals = Arrivals::new();
    let mut dice = Dice::new(8, 0);
    let file = arrivals.at("archive");
    skopeo("app-0:1", &format!("oci-archive:{}:example.com/a:1", text_of(&file)));
    let whole = fs_err::read(&file).unwrap();
    for _ in 0..CUTS {
        let mut bytes = whole.clone();
        let at = dice.below(bytes.len());
        bytes[at] ^= 1 << dice.below(8);
        fs_err::write(arrivals.incoming("app.tar"), &bytes).unwrap();
        let output =
            crate::support::finish(arrivals.command(&["--settle", "0", "--format", "json"]).arg("-q"));
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        // Times and owners of members, and padding, count for nobody.
        if only(&document)["state"] == "imported" {
            arrivals.machine.assert_sound(Way::Store);
        } else {
            assert_eq!(only(&document)["state"], "refused", "{document:#}");
            assert!(!arrivals.machine.storage(Way::Store).join("overlay-images/images.json").exists());
        }
        for dir in ["imported", "refused", "bound"] {
            let _ = std::fs::remove_dir_all(arrivals.at(dir));
        }
    }
}
