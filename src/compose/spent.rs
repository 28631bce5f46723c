//! What a reading has used of the budgets that hold for all of its files together.

use super::problems::Problems;
use super::yaml::{Measure, Node};
use crate::model::Place;
use crate::model::budgets::{self, Budget, TooMuch};
use std::cell::Cell;

#[derive(Debug, Default)]
pub struct Spent {
    read_bytes: Cell<u64>,
    expanded_bytes: Cell<u64>,
    nodes: Cell<u64>,
    includes: Cell<u64>,
    extends: Cell<u64>,
    ports: Cell<u64>,
}

fn add(spent: &Cell<u64>, more: u64, budget: &Budget, what: &str) -> Result<(), TooMuch> {
    let all = spent.get().saturating_add(more);
    spent.set(all);
    budget.check(all, format_args!("{all} {what}"))
}

impl Spent {
    pub fn read(&self, bytes: u64) -> Result<(), TooMuch> {
        add(&self.read_bytes, bytes, &budgets::READ_BYTES, "bytes of Compose and env files")
    }
    /// Bytes that were put in somewhere: for a variable, an alias, or a service that is extended.
    pub fn expanded(&self, bytes: usize) -> Result<(), TooMuch> {
        add(&self.expanded_bytes, bytes as u64, &budgets::EXPANDED_BYTES, "bytes with all variables and aliases put in")
    }
    pub fn nodes(&self, nodes: usize) -> Result<(), TooMuch> {
        add(&self.nodes, nodes as u64, &budgets::NODES, "values with all aliases and `extends` put in")
    }
    pub fn include(&self) -> Result<(), TooMuch> {
        add(&self.includes, 1, &budgets::INCLUDES, "included files")
    }
    pub fn extend(&self) -> Result<(), TooMuch> {
        add(&self.extends, 1, &budgets::EXTENDS, "services that extend another")
    }
    pub fn ports(&self, ports: usize) -> Result<(), TooMuch> {
        add(&self.ports, ports as u64, &budgets::PORTS, "ports with all ranges written out")
    }
    /// A copy of a node is about to be made.
    pub fn copy(&self, measure: &Measure) -> Result<(), TooMuch> {
        self.nodes(measure.nodes)?;
        self.expanded(measure.bytes)
    }

    /// Looks at a whole file once its aliases, merge keys and long forms stand in it. `counted` is what of it was
    /// counted before.
    pub fn check(&self, file: &Node, counted: usize, problems: &Problems) -> Option<()> {
        let place = || Some(Place { file: file.source.file.clone(), line: 1 });
        let measure = file.measure();
        let result = self
            .nodes(measure.nodes.saturating_sub(counted))
            .and_then(|()| budgets::DEPTH.check(measure.depth as u64, format_args!("{} levels", measure.depth)));
        if let Err(error) = result {
            problems.error(place(), "", error.to_string());
            return None;
        }
        let widest = measure.widest;
        if let Err(error) = budgets::KEYS.check(widest as u64, format_args!("a mapping with {widest} keys")) {
            problems.error(place(), "", error.to_string());
            return None;
        }
        let services = file.get("services");
        let count = services.and_then(Node::entries).map_or(0, <[_]>::len);
        if let (Some(services), Err(error)) =
            (services, budgets::SERVICES.check(count as u64, format_args!("{count} services")))
        {
            problems.error(Some(services.place()), "services", error.to_string());
            return None;
        }
        Some(())
    }
}
