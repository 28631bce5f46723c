//! One of the targets, run by libFuzzer: the environment variable `FUZZ` names it. All are in one program, as each would hold
//! the whole product again.
#![no_main]

mod targets;

use std::backtrace::Backtrace;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{LazyLock, Mutex, PoisonError};

static TARGET: LazyLock<targets::Target> = LazyLock::new(|| {
    let wanted = std::env::var("FUZZ").unwrap_or_default();
    let found = targets::ALL.into_iter().find(|(name, _)| *name == wanted);
    let names = targets::ALL.map(|(name, _)| name).join(", ");
    found.unwrap_or_else(|| panic!("FUZZ={wanted:?} names no target; there are: {names}")).1
});

/// What the last panic said. The product catches those of the YAML parser, so only one that leaves the target is told, and
/// ends the program; libFuzzer's own hook would end it at each.
static LAST: Mutex<String> = Mutex::new(String::new());

fn keep_last_words() {
    LazyLock::force(&TARGET);
    std::panic::set_hook(Box::new(|panic| {
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = format!("{panic}\n{}", Backtrace::capture());
    }));
}

libfuzzer_sys::fuzz_target!(init: keep_last_words(), |bytes: &[u8]| {
    if catch_unwind(AssertUnwindSafe(|| (*TARGET)(bytes))).is_err() {
        eprintln!("{}", LAST.lock().unwrap_or_else(PoisonError::into_inner));
        std::process::abort();
    }
});
