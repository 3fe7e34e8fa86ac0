//! Names for what has a random one in a store: `<L0>` is the id of the first layer, `<S0>`
//! its short name, `<I0>` the id of the first image, `<D0>` its configuration's file,
//! `<M0>` its manifest's by digest.

use std::path::Path;

use serde_json::Value;

pub(super) struct Names(Vec<(String, String)>);

impl Names {
    /// Those of the store at `store`.
    pub(super) fn of(store: &Path) -> Self {
        let records = |file: &str| -> Vec<Value> {
            serde_json::from_slice(&fs_err::read(store.join(file)).unwrap()).unwrap()
        };
        let mut names = Vec::new();
        for (index, layer) in records("overlay-layers/layers.json").iter().enumerate() {
            let id = layer["id"].as_str().unwrap();
            let link = fs_err::read_to_string(store.join(format!("overlay/{id}/link"))).unwrap();
            names.push((format!("<L{index}>"), id.to_owned()));
            names.push((format!("<S{index}>"), link));
        }
        for (index, image) in records("overlay-images/images.json").iter().enumerate() {
            let id = image["id"].as_str().unwrap();
            let files = fs_err::read_dir(store.join(format!("overlay-images/{id}"))).unwrap();
            for file in files {
                let file = file.unwrap().file_name().into_string().unwrap();
                let token = match file.as_bytes() {
                    [b'=', b'c', ..] => format!("<D{index}>"),
                    [b'=', b'b', ..] => format!("<M{index}>"),
                    _ => continue,
                };
                names.push((token, file));
            }
            names.push((format!("<I{index}>"), id.to_owned()));
        }
        Self(names)
    }

    /// A text with the names of this store.
    pub(super) fn real(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (token, real)| text.replace(token, real))
    }

    /// The reverse.
    pub(super) fn token(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (token, real)| text.replace(real, token))
    }
}
