//! What files and settings say beside the stack, remembered for masking.

use super::read::ReadRequest;
use crate::model::{Secret, StackValues};
use std::cell::RefCell;
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Seen {
    values: RefCell<StackValues>,
}

impl Seen {
    /// The variables of the server's settings, those that are secrets apart.
    pub fn variables_of(&self, request: &ReadRequest<'_>) {
        let mut values = self.values.borrow_mut();
        for (name, value) in &request.variables {
            let secret = Secret::new(value);
            let kind = match request.secret_values.contains(&secret) {
                true => &mut values.declared,
                false => &mut values.variables,
            };
            kind.insert(name.clone(), secret);
        }
    }

    /// What an env file sets that Compose files are read with. What was known before stays.
    pub fn env_file(&self, found: &BTreeMap<String, String>) {
        let mut values = self.values.borrow_mut();
        for (name, value) in found.iter().filter(|(_, value)| !value.is_empty()) {
            if !values.declared.contains_key(name) {
                values.variables.entry(name.clone()).or_insert_with(|| Secret::new(value));
            }
        }
    }

    /// The text of a top-level secret that something gets.
    pub fn secret(&self, key: &str, text: &Secret) {
        self.values.borrow_mut().secrets.insert(key.to_string(), text.clone());
    }

    pub fn values(&self) -> StackValues {
        self.values.borrow().clone()
    }
}
