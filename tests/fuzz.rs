//! What is fuzzed, over its seeds and what is near them: a short look, the same at each run. `make fuzz` looks for longer, and
//! sees where it has been (docs/FUZZING.md).

#[path = "fuzz/neighbours.rs"]
mod neighbours;
#[path = "../fuzz/targets/mod.rs"]
mod targets;

use neighbours::Neighbours;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// For each target, beside its seeds.
const INPUTS: usize = 2000;

fn fuzz(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder)
}

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = fuzz("seeds").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seeds: Vec<(String, Vec<u8>)> = files
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

/// Runs a target. Its input lies in a file while it runs: whoever dies of it takes nothing away.
fn try_out(target: &str, from: &str, input: &[u8]) {
    let (_, run) = targets::ALL.into_iter().find(|(name, _)| *name == target).unwrap();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{target}"));
    std::fs::write(&file, input).unwrap();
    if catch_unwind(AssertUnwindSafe(|| run(input))).is_err() {
        panic!("{target} does not hold for {from}; the input lies in {}", file.display());
    }
}

fn hold_near_the_seeds(target: &str) {
    let seeds = seeds(target);
    for (name, seed) in &seeds {
        try_out(target, &format!("its seed {name}"), seed);
    }
    let words = std::fs::read_to_string(fuzz("dictionaries").join(target)).unwrap_or_default();
    let mut neighbours = Neighbours::new(target, seeds.into_iter().map(|(_, seed)| seed).collect(), &words);
    for number in 0..INPUTS {
        try_out(target, &format!("the input {number} near its seeds"), &neighbours.next());
    }
}

macro_rules! near_the_seeds_of {
    ($($target:ident)*) => {
        mod nothing_falls_over_near_the_seeds_of {
            $(#[test] fn $target() { super::hold_near_the_seeds(stringify!($target)); })*
        }
        const HERE: &[&str] = &[$(stringify!($target)),*];
    };
}

near_the_seeds_of! {
    compose contexts deliveries dockerfiles dotenv edge_chunked edge_requests edge_routes edge_wire ignore_patterns
    interpolation mask plain signatures
}

#[test]
fn every_target_is_run_here_and_has_seeds() {
    assert_eq!(targets::ALL.map(|(name, _)| name).to_vec(), HERE);
    for folder in ["seeds", "dictionaries"] {
        for entry in std::fs::read_dir(fuzz(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(HERE.contains(&name.as_str()), "fuzz/{folder}/{name} belongs to no target");
        }
    }
    for target in HERE {
        assert!(!seeds(target).is_empty(), "{target} has no seeds");
    }
}

/// A target that sees nothing of the product holds whatever that does.
#[test]
fn the_seeds_of_the_edge_reach_a_replica() {
    let arrived = |target: &str| -> Vec<usize> {
        let head = if target == "edge_chunked" { targets::edge_chunked::HEAD } else { b"" };
        let whole = |seed: Vec<u8>| launchway::fuzzing::edge::pass(&[head, &seed].concat());
        seeds(target).into_iter().map(|(_, seed)| whole(seed)).collect()
    };
    insta::assert_compact_debug_snapshot!(arrived("edge_requests"), @"[1, 1, 2, 1, 1, 0, 1, 2, 2, 0]");
    insta::assert_compact_debug_snapshot!(arrived("edge_chunked"), @"[1, 2, 0, 0]");
}
