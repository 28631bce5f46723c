//! What is checked, piece by piece: each mistake with its line, and none of them the last.

use super::file::OneOrMore;
use super::read_files::ReadFiles;
use super::value::Source;
use crate::model::{Place, Problem, Secret};
use std::path::PathBuf;
use toml::Spanned;

/// The text of a settings file, and what is wrong with it so far.
pub(super) struct Check<'a> {
    pub(super) text: &'a str,
    pub(super) file: String,
    pub(super) folder: PathBuf,
    pub(super) files: ReadFiles,
    pub(super) problems: Vec<Problem>,
    /// What is right, and may not be what was meant.
    pub(super) warnings: Vec<Problem>,
}

impl Check<'_> {
    pub(super) fn place_at(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or_default();
        Place { file: self.file.clone(), line: before.matches('\n').count() as u32 + 1 }
    }

    pub(super) fn wrong(&mut self, offset: usize, key: &str, message: impl Into<String>) {
        let place = self.place_at(offset);
        self.problems.push(Problem::error(Some(place), key, message));
    }

    /// The parsed value of an optional text, or a problem.
    pub(super) fn parsed<T>(
        &mut self,
        value: Option<&Spanned<String>>,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = value?;
        match parse(value.as_ref()) {
            Ok(parsed) => Some(parsed),
            Err(message) => {
                self.wrong(value.span().start, key, message);
                None
            }
        }
    }

    pub(super) fn secret(&mut self, source: Option<&Spanned<Source>>, key: &str) -> Option<Secret> {
        let source = source?;
        match self.value(source.get_ref()) {
            Ok(text) if text.is_empty() => {
                self.wrong(source.span().start, key, "it is empty");
                None
            }
            Ok(text) => Some(Secret::new(text)),
            Err(message) => {
                self.wrong(source.span().start, key, message);
                None
            }
        }
    }

    /// What a source says now. Where that is a file, it is among those whose change is noticed.
    pub(super) fn value(&mut self, source: &Source) -> Result<String, String> {
        if let Some(file) = source.file(&self.folder) {
            self.files.note(&file);
        }
        source.read(&self.folder)
    }

    pub(super) fn each<T>(
        &mut self,
        list: Option<&Spanned<OneOrMore>>,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let Some(list) = list else { return Vec::new() };
        let mut found = Vec::new();
        for text in list.get_ref().list() {
            match parse(&text) {
                Ok(parsed) => found.push(parsed),
                Err(message) => self.wrong(list.span().start, key, message),
            }
        }
        found
    }
}
