//! A storage.conf that is made up, table by table, so that its form can be changed.

/// A table, or what stands above the first one if its name is empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// Its dotted name.
    pub(super) name: String,
    /// Keys and values, as TOML.
    pub(super) entries: Vec<(String, String)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Document {
    pub(super) tables: Vec<Table>,
}

impl Document {
    /// Sets a key at the end of its table, which comes into being.
    pub(super) fn set(&mut self, table: &str, key: &str, value: impl Into<String>) {
        let table = self.table(table);
        table.entries.retain(|(name, _)| name != key);
        table.entries.push((key.to_owned(), value.into()));
    }

    pub(super) fn table(&mut self, name: &str) -> &mut Table {
        let at = self.tables.iter().position(|table| table.name == name).unwrap_or_else(|| {
            let table = Table { name: name.to_owned(), entries: Vec::new() };
            // What has no header stands first.
            let at = if name.is_empty() { 0 } else { self.tables.len() };
            self.tables.insert(at, table);
            at
        });
        &mut self.tables[at]
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for table in &self.tables {
            if !table.name.is_empty() {
                text.push_str(&format!("[{}]\n", table.name));
            }
            for (key, value) in &table.entries {
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        text
    }
}
