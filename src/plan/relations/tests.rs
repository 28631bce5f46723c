//! What is found once is what a look at every pair finds.

use super::*;
use crate::plan::sample::{Sample, component, stack_of};
use proptest::prelude::*;

const NAMES: [&str; 5] = ["api", "a.b", "db-1", "web", "a"];
const TEXTS: [&str; 8] =
    ["http://api:8080/x", "rapid api.", "a.b:90,db-1:0", "x/a.b/", "web:1 web:2", "é-a:7 (a)", ":80 a:99999", "b"];

fn any_component(name: &'static str) -> impl Strategy<Value = Sample> {
    let texts = proptest::collection::vec(0..TEXTS.len(), 0..3);
    let others = proptest::collection::vec(0..NAMES.len(), 0..2);
    (texts, others, 0..6_u8).prop_map(move |(texts, others, kind)| {
        let mut sample = component(name);
        for (index, text) in texts.into_iter().enumerate() {
            sample = sample.env(&format!("V{index}"), TEXTS[text]);
        }
        for other in others {
            match kind {
                0 => sample = sample.after(NAMES[other]),
                1 => sample.0.container.links.push(format!("{}:web", NAMES[other])),
                2 => sample = sample.env(&format!("{}_PORT", NAMES[other].to_uppercase().replace('-', "_")), "3000"),
                _ => {}
            }
        }
        if kind == 3 {
            let source = MountSource::Repository {
                path: crate::model::RepoPath::root(),
                folder: true,
                id: String::new(),
                mount_points: Vec::new(),
            };
            sample.0.container.mounts.push(crate::model::Mount { target: "/x".into(), source, read_only: true });
        }
        if kind == 4 {
            sample.0.container.networks.clear();
        }
        sample
    })
}

proptest! {
    #[test]
    fn callers_ports_and_jobs_are_those_of_all_pairs(
        a in any_component(NAMES[0]), b in any_component(NAMES[1]), c in any_component(NAMES[2]),
        d in any_component(NAMES[3]), e in any_component(NAMES[4]),
    ) {
        let stack = stack_of([a, b, c, d, e]);
        let relations = Relations::of(&stack);
        for component in stack.components.values() {
            let one_by_one = stack.components.values().find_map(|other| calls(other, component, &relations.names_of(component)));
            prop_assert_eq!(relations.caller(component), one_by_one);
            prop_assert_eq!(relations.is_job(&component.name), stack.is_job(&component.name));
            let names = relations.names_of(component);
            let others = stack.components.values().filter(|other| other.name != component.name);
            let mut ports: BTreeSet<u16> = others.clone().flat_map(texts)
                .flat_map(|text| names.iter().flat_map(|name| ports_after(text, name))).collect();
            for (key, value) in others.flat_map(|other| &other.container.environment) {
                let is_told = names.iter().any(|name| *key == format!("{}_PORT", name.to_uppercase().replace('-', "_")));
                ports.extend(value.parse::<u16>().ok().filter(|_| is_told));
            }
            prop_assert_eq!(relations.ports_named_by_others(component, &names), ports);
        }
    }
}
