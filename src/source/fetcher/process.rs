//! The fetcher's side: what `launchway fetch-refs` does.

use super::wire::{Brought, Errand, Failure, What, Word};
use crate::process::{confine, read_message, write_message};
use crate::source::FetchError;
use crate::source::bring::{bring, tips_of};
use crate::source::connection::Progress;
use crate::source::libgit2::{self, Stop};
use crate::source::mirror::Mirror;
use crate::source::rebuild;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// It says how far it is after so long, and after each of so many parts of the whole.
const BETWEEN: Duration = Duration::from_millis(200);
const SHARES: usize = 64;
/// How long it may go on when its server has ended: long enough to leave no ref half written.
const LAST_MOMENTS: Duration = Duration::from_secs(2);

/// Does the one thing that comes on standard input, and says what came of it.
///
/// # Errors
/// Where the limits cannot be set, or the server says what nobody can read.
pub fn serve() -> anyhow::Result<()> {
    let Some(errand) = read_message::<Errand>(&mut io::stdin().lock())? else { return Ok(()) };
    confine(errand.most_memory)?;
    let stop = Stop::default();
    let asked = stop.clone();
    // Its server ends, or does not wait any longer.
    std::thread::Builder::new().name("ask".into()).spawn(move || {
        let _ = read_message::<()>(&mut io::stdin().lock());
        asked.ask();
        std::thread::sleep(LAST_MOMENTS);
        std::process::exit(0);
    })?;
    libgit2::set_up(Path::new("."));
    let outcome = run(errand, &stop).map_err(Failure::from);
    write_message(&mut io::stdout().lock(), &Word::Ended(outcome))?;
    Ok(())
}

fn run(errand: Errand, stop: &Stop) -> Result<Brought, FetchError> {
    match errand.what {
        What::Fetch { mirror, remote, refs, most_bytes } => {
            let said = Mutex::new((Instant::now(), 0));
            let progress = move |now: Progress| {
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                let (at, objects) = *said;
                if at.elapsed() >= BETWEEN || now.received_objects > objects + now.total_objects / SHARES {
                    *said = (Instant::now(), now.received_objects);
                    say(&Word::Progress(now));
                }
            };
            let mirror = Mirror::at_path(mirror);
            let (fetched, ignored) = bring(&mirror, remote, &refs, most_bytes, stop, Some(&progress))?;
            say_ignored(ignored);
            Ok(Brought::Fetched(fetched))
        }
        What::Tips { remote } => {
            let (tips, ignored) = tips_of(remote, stop)?;
            say_ignored(ignored);
            Ok(Brought::Tips(tips))
        }
        What::WriteAnew { mirror, to } => {
            let why =
                |error: anyhow::Error| FetchError::Other { doing: "", url: String::new(), why: error.to_string() };
            rebuild::write_anew(&mirror, &to).map_err(why)?;
            Ok(Brought::WrittenAnew)
        }
    }
}

fn say_ignored(names: Vec<String>) {
    if !names.is_empty() {
        say(&Word::Ignored(names));
    }
}

/// Where nobody listens any more, the end of standard input says so as well.
fn say(what: &Word) {
    let _ = write_message(&mut io::stdout().lock(), what);
}
