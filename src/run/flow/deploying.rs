//! How far the deploy stage is: which component of how many is being started, and what is left.

use crate::model::ComponentName;
use crate::plan::{Action, Plan, Step};
use crate::run::flow::outlook::Outlook;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// `component` is the `number`th of those that are started, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    pub component: ComponentName,
    pub number: usize,
    pub of: usize,
    pub left: Option<Duration>,
}

/// Told of each step by the executor.
pub struct Deploying {
    outlook: Arc<Outlook>,
    tell: UnboundedSender<Started>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is left of it.
    plan: Plan,
    begun: BTreeSet<ComponentName>,
    of: usize,
}

fn starts(step: &Step) -> Option<&ComponentName> {
    matches!(step.action, Action::StartContainer(_)).then_some(step.component.as_ref()).flatten()
}

impl Deploying {
    /// What hears of steps, and where is told what they start.
    pub fn new(outlook: Arc<Outlook>) -> (Arc<Self>, UnboundedReceiver<Started>) {
        let (tell, told) = unbounded_channel();
        (Arc::new(Self { outlook, tell, state: Mutex::default() }), told)
    }

    /// What is about to be walked, for the first time or again. Returns the components that it starts, in its order.
    pub fn plans(&self, plan: &Plan) -> Vec<ComponentName> {
        let mut names: Vec<ComponentName> = Vec::new();
        for name in plan.steps.iter().filter_map(starts) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let mut state = self.lock();
        state.of = state.begun.iter().chain(&names).collect::<BTreeSet<_>>().len();
        state.plan = plan.clone();
        names
    }

    /// What is told before anything is started.
    pub fn first(&self, names: &[ComponentName]) -> Option<Started> {
        let state = self.lock();
        let left = self.outlook.left(&[], &state.plan);
        names.first().map(|first| Started { component: first.clone(), number: 1, of: state.of, left })
    }

    /// A step has begun.
    pub fn began(&self, step: &Step) {
        let Some(component) = starts(step) else { return };
        let mut state = self.lock();
        if !state.begun.insert(component.clone()) {
            return;
        }
        let number = state.begun.len();
        // The first was told of before anything began.
        if number > 1 {
            let left = self.outlook.left(&[], &state.plan);
            let started = Started { component: component.clone(), number, of: state.of.max(number), left };
            // Nobody listens any more once the stage is over.
            let _ = self.tell.send(started);
        }
    }

    /// A step has ended well.
    pub fn ended(&self, step: &Step) {
        self.lock().plan.steps.retain(|other| other.id != step.id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Phase, Target};

    fn start(id: u32, component: &str) -> Step {
        Step {
            id,
            phase: Phase::Deploy,
            component: Some(ComponentName::new(component).unwrap()),
            subject: format!("{component}-1"),
            action: Action::StartContainer(Target::Created { step: id }),
            cause: String::new(),
            waits_for: Vec::new(),
        }
    }

    #[test]
    fn each_component_is_told_once_with_its_number_also_when_the_rest_is_planned_again() {
        let (deploying, mut told) = Deploying::new(Arc::default());
        let steps = vec![start(1, "db"), start(2, "api"), start(3, "api"), start(4, "web")];
        let names = deploying.plans(&Plan { steps: steps.clone() });
        let first = deploying.first(&names).unwrap();
        assert_eq!((first.component.as_str(), first.number, first.of), ("db", 1, 3));
        for step in &steps[..3] {
            deploying.began(step);
            deploying.ended(step);
        }
        deploying.plans(&Plan { steps: vec![start(1, "api"), start(2, "web")] });
        deploying.began(&start(1, "api"));
        deploying.began(&start(2, "web"));
        let mut seen = Vec::new();
        while let Ok(Started { component, number, of, .. }) = told.try_recv() {
            seen.push(format!("{component} {number} of {of}"));
        }
        assert_eq!(seen, ["api 2 of 3", "web 3 of 3"]);
    }
}
