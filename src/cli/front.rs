//! `launchway front`: what runs in a front's container.

use super::log::start_log;
use crate::edge;
use anyhow::Result;
use std::path::PathBuf;
use std::process::ExitCode;

/// Own a component's name inside an environment (runs in containers that Launchway makes)
#[derive(clap::Args)]
pub struct Args {
    /// The front's own folder.
    #[arg(long, value_name = "FOLDER")]
    state: PathBuf,
    /// The id of this program.
    #[arg(long, value_name = "ID", default_value = "")]
    program: String,
    /// Serve; without this and `--connect`, keep a process that serves alive.
    #[arg(long)]
    serve: bool,
    /// Join standard input and output to the control socket of the front that runs here.
    #[arg(long)]
    connect: bool,
}

/// Serves as a front until it is ended.
///
/// # Errors
/// What keeps it from beginning.
pub fn run(args: Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if args.connect {
        runtime.block_on(edge::connect_front(&args.state))?;
        // A thread that reads standard input keeps no process alive that has said all.
        runtime.shutdown_background();
        return Ok(ExitCode::SUCCESS);
    }
    start_log(false);
    match args.serve {
        true => runtime.block_on(edge::run_front(&args.state, args.program))?,
        false => {
            // The same command once more, however this one was called.
            let mut command: Vec<String> = std::env::args().collect();
            if let Ok(linker) = std::env::var(LINKED) {
                command.splice(..1, linker.split(' ').map(str::to_string));
            }
            command.push("--serve".into());
            runtime.block_on(edge::guard_front(&args.state, command))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How a program is called that is run by its dynamic linker, which its own arguments do not show.
const LINKED: &str = "LAUNCHWAY_PROGRAM";
