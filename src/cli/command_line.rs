//! The command line as clap reads it: every command and its arguments. `main` carries out what was asked for.

use super::{
    abort, adopt, approve, audit, backup, cancel, check, config_check, deliveries, deploy, deployments, edge, exit,
    fetch_refs, front, gc, give_back, health, insights, logs, pause, plan, promote, queue, read_commits, releases,
    remove, rollback, serve, start, status, up, webhook_explain,
};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// What was typed.
#[derive(Parser)]
#[command(name = "launchway", version, about, after_help = exit::HELP)]
pub struct CommandLine {
    /// The settings' file [default: launchway.toml here, else /etc/launchway/launchway.toml]
    #[arg(long, global = true, env = "LAUNCHWAY_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

/// The commands, in the order in which `launchway --help` lists them.
#[derive(Subcommand)]
pub enum Command {
    Check(check::Args),
    /// Look at the settings
    #[command(subcommand)]
    Config(Config),
    /// Receive deliveries and deploy
    Serve(serve::Args),
    Edge(edge::Args),
    #[command(hide = true)]
    Front(front::Args),
    #[command(hide = true)]
    ReadCommits(read_commits::Args),
    #[command(hide = true)]
    FetchRefs(fetch_refs::Args),
    Up(up::Args),
    Plan(plan::Args),
    Deploy(deploy::Args),
    Status(status::Args),
    Insights(insights::Args),
    Logs(logs::Args),
    Deployments(deployments::Args),
    Releases(releases::Args),
    Rollback(rollback::Args),
    GiveBack(give_back::Args),
    Adopt(adopt::Args),
    Remove(remove::Args),
    Cancel(cancel::Args),
    Start(start::Args),
    Promote(promote::Args),
    Abort(abort::Args),
    Approve(approve::Args),
    Queue(queue::Args),
    Audit(audit::Args),
    Pause(pause::Args),
    Resume(pause::ResumeArgs),
    Deliveries(deliveries::Args),
    /// Debug webhooks
    #[command(subcommand)]
    Webhook(Webhook),
    Gc(gc::Args),
    Backup(backup::Args),
    Health(health::Args),
}

/// The commands below `launchway config`.
#[derive(Subcommand)]
pub enum Config {
    Check(config_check::Args),
}

/// The commands below `launchway webhook`.
#[derive(Subcommand)]
pub enum Webhook {
    Explain(webhook_explain::Args),
}
