//! Which images a stage needs in the end: those that it names, and those of the stages that it begins from or copies from.
//! What no stage on the way to the target names, BuildKit never asks for.

use std::collections::BTreeSet;

#[derive(Debug, Default)]
pub struct Stages {
    all: Vec<Stage>,
}

#[derive(Debug, Default)]
struct Stage {
    /// In lower case.
    name: Option<String>,
    images: BTreeSet<String>,
    /// By number, from 0.
    stages: BTreeSet<usize>,
}

impl Stages {
    /// A stage begins; what is told from now on is of it.
    pub fn begin(&mut self, name: Option<String>) {
        self.all.push(Stage { name, ..Stage::default() });
    }

    pub fn image(&mut self, reference: &str) {
        if let Some(stage) = self.all.last_mut() {
            stage.images.insert(reference.to_string());
        }
    }

    /// Another stage, by name or number.
    pub fn stage(&mut self, name: &str) {
        let found = self.find(name, self.all.len().saturating_sub(1));
        if let (Some(stage), Some(found)) = (self.all.last_mut(), found) {
            stage.stages.insert(found);
        }
    }

    /// The last of the first `before` stages that has the name; else the one of this number.
    fn find(&self, name: &str, before: usize) -> Option<usize> {
        let is_it = |stage: &Stage| stage.name.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name));
        let by_name = self.all[..before].iter().rposition(is_it);
        by_name.or(name.parse().ok().filter(|number| *number < before))
    }

    /// The images that a stage needs: the one that is named, else the last one. Where there is no such stage, all images.
    pub fn reached(&self, target: Option<&str>) -> BTreeSet<String> {
        let target = match target {
            Some(name) => self.find(name, self.all.len()),
            None => self.all.len().checked_sub(1),
        };
        let Some(target) = target else { return self.all.iter().flat_map(|stage| stage.images.clone()).collect() };
        let (mut todo, mut seen) = (vec![target], BTreeSet::from([target]));
        let mut images = BTreeSet::new();
        while let Some(stage) = todo.pop().and_then(|number| self.all.get(number)) {
            images.extend(stage.images.iter().cloned());
            todo.extend(stage.stages.iter().filter(|number| seen.insert(**number)));
        }
        images
    }
}
