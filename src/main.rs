use clap::{Parser, Subcommand};
use launchway::cli;
use std::path::PathBuf;
use std::process::ExitCode;

// The edge allocates for every request, and this allocator is the quicker one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "launchway", version, about, after_help = cli::exit::HELP)]
struct Cli {
    /// The settings' file [default: launchway.toml here, else /etc/launchway/launchway.toml]
    #[arg(long, global = true, env = "LAUNCHWAY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(cli::check::Args),
    /// Receive deliveries and deploy
    Serve(cli::serve::Args),
    Edge(cli::edge::Args),
    #[command(hide = true)]
    Front(cli::front::Args),
    #[command(hide = true)]
    ReadCommits(cli::read_commits::Args),
    Up(cli::up::Args),
    Plan(cli::plan::Args),
    Deploy(cli::deploy::Args),
    Status(cli::status::Args),
    Insights(cli::insights::Args),
    Logs(cli::logs::Args),
    Rollback(cli::rollback::Args),
    GiveBack(cli::give_back::Args),
    Adopt(cli::adopt::Args),
    Cancel(cli::cancel::Args),
    Start(cli::start::Args),
    Promote(cli::promote::Args),
    Abort(cli::abort::Args),
    Approve(cli::approve::Args),
    Queue(cli::queue::Args),
    Audit(cli::audit::Args),
    Pause(cli::pause::Args),
    Resume(cli::pause::ResumeArgs),
    Deliveries(cli::deliveries::Args),
    /// Debug webhooks
    #[command(subcommand)]
    Webhook(Webhook),
    Gc(cli::gc::Args),
    Backup(cli::backup::Args),
    Health(cli::health::Args),
}

#[derive(Subcommand)]
enum Webhook {
    Explain(cli::webhook_explain::Args),
}

fn main() -> ExitCode {
    // Before anything is made, and before there is a second thread.
    launchway::process::note_start();
    // bollard and reqwest bring two providers of cryptography; rustls wants to be told which.
    let _ = rustls::crypto::ring::default_provider().install_default();
    cli::log::set_up_panics();
    launchway::run::set_up_failpoints();
    let Cli { config, command } = Cli::parse();
    let config = cli::settings_file::settings_file(config);
    let done = match command {
        Command::Check(args) => cli::check::run(&config, args),
        Command::Serve(args) => cli::serve::run(&config, args),
        Command::Edge(args) => cli::edge::run(&config, args),
        Command::Front(args) => cli::front::run(args),
        Command::ReadCommits(args) => cli::read_commits::run(args),
        Command::Up(args) => cli::up::run(&config, args),
        Command::Plan(args) => cli::plan::run(&config, args),
        Command::Deploy(args) => cli::deploy::run(&config, args),
        Command::Status(args) => cli::status::run(&config, args),
        Command::Insights(args) => cli::insights::run(&config, args),
        Command::Logs(args) => cli::logs::run(&config, args),
        Command::Adopt(args) => cli::adopt::run(&config, args),
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
