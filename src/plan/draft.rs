//! A plan in the making.

use super::{Action, Phase, Plan, Step};
use crate::model::ComponentName;

/// A plan that is being drawn up: steps with the steps that they wait for.
#[derive(Debug, Default)]
pub struct Draft {
    steps: Vec<Step>,
}

impl Draft {
    /// Adds a step and returns its id. `waits` may hold an id more than once.
    pub fn add(
        &mut self,
        component: Option<&ComponentName>,
        subject: &str,
        action: Action,
        cause: &str,
        phase: Phase,
        waits: impl IntoIterator<Item = u32>,
    ) -> u32 {
        let id = self.steps.len() as u32 + 1;
        let mut waits_for: Vec<u32> = waits.into_iter().collect();
        waits_for.sort_unstable();
        waits_for.dedup();
        let (subject, cause) = (subject.to_string(), cause.to_string());
        self.steps.push(Step { id, waits_for, component: component.cloned(), subject, action, cause, phase });
        id
    }

    /// The numbers of all steps so far.
    pub fn ids(&self) -> Vec<u32> {
        self.steps.iter().map(|step| step.id).collect()
    }

    /// The plan, with the waits left out that follow from others.
    pub fn finish(mut self) -> Plan {
        let words = self.steps.len().div_ceil(64);
        // A bit for each step that a step waits for, directly or through others.
        let mut reach: Vec<u64> = vec![0; words * self.steps.len()];
        for (place, step) in self.steps.iter_mut().enumerate() {
            // Only steps before it are waited for, so what it reaches ends before its own word.
            let (before, own) = reach.split_at_mut(words * place);
            // The latest first: what another of the waits reaches is reached when its turn comes.
            step.waits_for.sort_unstable();
            let mut kept = Vec::new();
            for wait in step.waits_for.iter().rev() {
                let index = *wait as usize - 1;
                if own[index / 64] >> (index % 64) & 1 == 1 {
                    continue;
                }
                let theirs = &before[words * index..words * index + index / 64 + 1];
                own.iter_mut().zip(theirs).for_each(|(own, theirs)| *own |= theirs);
                own[index / 64] |= 1 << (index % 64);
                kept.push(*wait);
            }
            kept.reverse();
            step.waits_for = kept;
        }
        Plan { steps: self.steps }
    }
}
