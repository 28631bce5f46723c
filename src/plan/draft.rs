//! A plan in the making.

use super::{Action, Phase, Plan, Step};
use crate::model::ComponentName;

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

    pub fn ids(&self) -> Vec<u32> {
        self.steps.iter().map(|step| step.id).collect()
    }

    /// The plan, with the waits left out that follow from others.
    pub fn finish(mut self) -> Plan {
        // reach[i]: all steps that step i + 1 waits for, directly or through others.
        let mut reach: Vec<std::collections::BTreeSet<u32>> = Vec::with_capacity(self.steps.len());
        for step in &mut self.steps {
            let mut all = std::collections::BTreeSet::new();
            for wait in &step.waits_for {
                all.extend(reach[*wait as usize - 1].iter().copied());
            }
            step.waits_for.retain(|wait| !all.contains(wait));
            all.extend(step.waits_for.iter().copied());
            reach.push(all);
        }
        Plan { steps: self.steps }
    }
}
