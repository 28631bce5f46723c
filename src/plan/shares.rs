//! A few places that several projects want: slots for builds and deployments, calls to forges, hooks. None holds up the others.
//!
//! Of those that wait, the project with the fewest under way is next. And where there are three places or more, and more than one
//! project, none has all of them: what a repository begins may take as long as it may take at all, and the last place is there
//! for whoever comes meanwhile.

use crate::model::ProjectName;
use std::collections::{BTreeMap, VecDeque};

/// Who has how many of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shares {
    places: usize,
    /// No project has more.
    most: usize,
    taken: BTreeMap<ProjectName, usize>,
}

impl Shares {
    /// `projects`: how many there are that may want one.
    pub fn new(places: usize, projects: usize) -> Self {
        let mut shares = Self { places, most: places, taken: BTreeMap::new() };
        shares.set_projects(projects);
        shares
    }

    /// What is taken stays taken.
    pub fn set_projects(&mut self, projects: usize) {
        self.most = if projects > 1 && self.places >= 3 { self.places - 1 } else { self.places };
    }

    /// How many the project has.
    pub fn of(&self, project: &ProjectName) -> usize {
        self.taken.get(project).copied().unwrap_or(0)
    }

    /// Whether a place is free.
    pub fn any_is_free(&self) -> bool {
        self.taken.values().sum::<usize>() < self.places
    }

    /// Whether the project has as many as one may have beside others, so that what is free is free for them.
    pub fn last_is_kept_from(&self, project: &ProjectName) -> bool {
        self.most < self.places && self.of(project) >= self.most
    }

    /// Whether a project may have one more place now.
    pub fn may_take(&self, project: &ProjectName) -> bool {
        self.any_is_free() && !self.last_is_kept_from(project)
    }

    /// A project has one more place.
    pub fn take(&mut self, project: &ProjectName) {
        *self.taken.entry(project.clone()).or_default() += 1;
    }

    /// A project has one place less.
    pub fn give_back(&mut self, project: &ProjectName) {
        let Some(count) = self.taken.get_mut(project) else { return };
        *count -= 1;
        if *count == 0 {
            self.taken.remove(project);
        }
    }

    /// Gives what is free to those that wait, who stand in the order in which one project wants it; returns who has one now.
    pub fn give<T>(&mut self, waiting: impl IntoIterator<Item = (ProjectName, T)>) -> Vec<T> {
        let mut lines: BTreeMap<ProjectName, VecDeque<(usize, T)>> = BTreeMap::new();
        for (at, (project, one)) in waiting.into_iter().enumerate() {
            lines.entry(project).or_default().push_back((at, one));
        }
        let mut given = Vec::new();
        loop {
            let may = lines.iter().filter(|(project, line)| !line.is_empty() && self.may_take(project));
            let first = may.min_by_key(|(project, line)| (self.of(project), line.front().map(|(at, _)| *at)));
            let Some(project) = first.map(|(project, _)| project.clone()) else { return given };
            given.extend(lines.get_mut(&project).and_then(VecDeque::pop_front).map(|(_, one)| one));
            self.take(&project);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn project(name: &str) -> ProjectName {
        ProjectName::new(name).unwrap()
    }

    fn given(shares: &mut Shares, waiting: &[&str]) -> String {
        let numbered = waiting.iter().enumerate().map(|(at, name)| (project(name), format!("{name}{at}")));
        shares.give(numbered).join(" ")
    }

    #[test]
    fn the_project_with_the_fewest_under_way_is_next() {
        assert_eq!(given(&mut Shares::new(4, 3), &["a", "a", "a", "b", "c"]), "a0 b3 c4 a1");
        let mut shares = Shares::new(5, 2);
        shares.take(&project("a"));
        shares.take(&project("a"));
        assert_eq!(given(&mut shares, &["a", "a", "b", "b", "b"]), "b2 b3 a0");
        assert!(!shares.any_is_free());
    }

    #[test]
    fn of_three_places_or_more_no_project_has_all_where_there_is_another() {
        for (places, projects, most) in [(1, 2, 1), (2, 2, 2), (3, 1, 3), (3, 2, 2), (8, 5, 7)] {
            let mut shares = Shares::new(places, projects);
            assert_eq!(shares.give((0..20).map(|n| (project("a"), n))).len(), most, "{places} {projects}");
            assert_eq!(shares.last_is_kept_from(&project("a")), most < places, "{places} {projects}");
            assert_eq!(shares.give([(project("b"), 0)]).len(), usize::from(most < places), "{places} {projects}");
        }
    }

    #[test]
    fn what_is_given_back_is_there_for_the_next() {
        let mut shares = Shares::new(3, 2);
        assert_eq!(given(&mut shares, &["a", "a", "a"]), "a0 a1");
        shares.give_back(&project("a"));
        assert_eq!(given(&mut shares, &["a", "b", "b"]), "b1 a0");
        // More projects are no reason to take anything away.
        let mut shares = Shares::new(3, 1);
        assert_eq!(given(&mut shares, &["a", "a", "a"]), "a0 a1 a2");
        shares.set_projects(2);
        assert!(!shares.any_is_free());
        shares.give_back(&project("a"));
        assert!(!shares.may_take(&project("a")) && shares.may_take(&project("b")));
    }

    proptest! {
        /// Whatever the others have waiting, who has nothing under way and asks is served before any of them gets another.
        #[test]
        fn nobody_waits_behind_a_project_that_has_more(
            places in 1_usize..9, waiting in prop::collection::vec(0_u8..4, 1..40),
        ) {
            let name = |number: &u8| format!("p{number}");
            let mut shares = Shares::new(places, 4);
            let given = shares.give(waiting.iter().map(|number| (project(&name(number)), *number)));
            prop_assert!(given.len() <= places);
            let count = |number: u8| given.iter().filter(|one| **one == number).count();
            for poor in &waiting {
                for rich in &waiting {
                    let wanted = waiting.iter().filter(|one| *one == poor).count();
                    prop_assert!(count(*poor) == wanted || count(*rich) <= count(*poor) + 1);
                }
            }
        }
    }
}
