use clap::Parser;
use launchway::cli::{self, command_line::*};
use std::process::ExitCode;

// The edge allocates for every request, and this allocator is the quicker one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything is made, and before there is a second thread.
    launchway::process::note_start();
    // bollard and reqwest bring two providers of cryptography; rustls wants to be told which.
    let _ = rustls::crypto::ring::default_provider().install_default();
    cli::log::set_up_panics();
    launchway::run::set_up_failpoints();
    let CommandLine { config, command } = CommandLine::parse();
    let config = cli::settings_file::settings_file(config);
    let done = match command {
        Command::Check(args) => cli::check::run(&config, args),
        Command::Config(Config::Check(args)) => cli::config_check::run(&config, args),
        Command::Serve(args) => cli::serve::run(&config, args),
        Command::Edge(args) => cli::edge::run(&config, args),
        Command::Front(args) => cli::front::run(args),
        Command::FetchRefs(args) => cli::fetch_refs::run(args),
        Command::ReadCommits(args) => cli::read_commits::run(args),
        Command::Up(args) => cli::up::run(&config, args),
        Command::Plan(args) => cli::plan::run(&config, args),
        Command::Deploy(args) => cli::deploy::run(&config, args),
        Command::Status(args) => cli::status::run(&config, args),
        Command::Insights(args) => cli::insights::run(&config, args),
        Command::Logs(args) => cli::logs::run(&config, args),
        Command::Deployments(args) => cli::deployments::run(&config, args),
        Command::Releases(args) => cli::releases::run(&config, args),
        Command::Adopt(args) => cli::adopt::run(&config, args),
        Command::Remove(args) => cli::remove::run(&config, args),
        Command::GiveBack(args) => cli::give_back::run(&config, args),
        Command::Rollback(args) => cli::rollback::run(&config, args),
        Command::Cancel(args) => cli::cancel::run(&config, args),
        Command::Start(args) => cli::start::run(&config, args),
        Command::Promote(args) => cli::promote::run(&config, args),
        Command::Abort(args) => cli::abort::run(&config, args),
        Command::Approve(args) => cli::approve::run(&config, args),
        Command::Queue(args) => cli::queue::run(&config, args),
        Command::Audit(args) => cli::audit::run(&config, args),
        Command::Pause(args) => cli::pause::run(&config, args),
        Command::Resume(args) => cli::pause::resume(&config, args),
        Command::Deliveries(args) => cli::deliveries::run(&config, args),
        Command::Webhook(Webhook::Explain(args)) => cli::webhook_explain::run(args),
        Command::Health(args) => cli::health::run(&config, args),
        Command::Gc(args) => cli::gc::run(&config, args),
        Command::Backup(args) => cli::backup::run(&config, args),
    };
    done.unwrap_or_else(|error| cli::exit::of_error(&error))
}
