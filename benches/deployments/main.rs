//! Deployments by every method under constant load: what fails, and how much longer answers take meanwhile.
//!
//! The real server, the real edge and the real hook; an environment for each method, deployed one after the other or
//! several at once (`--at-once N`), every ninth time a release that is broken on purpose. First over the edge
//! (`--outside`), then through an nginx in each environment that looks the app's name up once, and with a cache and a
//! database that the app asks (`--inside`).
//! `--deployments N`; `--logs FOLDER` keeps the logs.

mod app;
mod backend;
#[path = "../figures/mod.rs"]
mod figures;
mod image;
mod load;
mod report;
mod site;
mod sockets;
#[allow(dead_code, unused_imports)]
#[path = "../../tests/support/mod.rs"]
mod support;

use app::Defect;
use figures::{argument, is_healthy, is_quick};
use futures_util::future::join_all;
use launchway::model::Method;
use load::Load;
use report::Report;
use site::{METHODS, Site};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Load alone, before the first deployment and after the last one.
const FIRST: Duration = Duration::from_secs(10);
/// The same after each: what is compared was measured in the same minutes.
const BETWEEN: Duration = Duration::from_secs(4);
/// Each of that many releases is broken on purpose: no divisor of the methods' number, so that every method's turn comes.
const BROKEN: usize = 9;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("app") => {
            app::serve();
            return ExitCode::SUCCESS;
        }
        Some("healthy") => return is_healthy(app::PORT),
        _ => {}
    }
    let usual = if is_quick() { 8 } else { 100 };
    let deployments = argument("--deployments").map_or(usual, |text| text.parse().expect("--deployments N"));
    let at_once = argument("--at-once").map_or(1, |text| text.parse().expect("--at-once N"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let at_once = usize::clamp(at_once, 1, METHODS.len());
    for is_inside in [false, true] {
        // Both, unless one of them is asked for.
        let asked = std::env::args().any(|argument| argument == if is_inside { "--inside" } else { "--outside" });
        let other = std::env::args().any(|argument| argument == if is_inside { "--outside" } else { "--inside" });
        if asked || !other {
            runtime.block_on(measure(deployments, at_once, is_inside));
        }
    }
    ExitCode::SUCCESS
}

/// What is wrong with the release of the deployment with this number, of 0 and on.
fn defect(number: usize) -> Option<Defect> {
    let is_canary = METHODS[number % METHODS.len()] == Method::Canary;
    match number % BROKEN {
        // The first canary of them, and then every second.
        7 if is_canary && (number / (BROKEN * METHODS.len())).is_multiple_of(2) => Some(Defect::Errors),
        7 => Some(Defect::NeverReady),
        _ => None,
    }
}

async fn measure(deployments: usize, at_once: usize, is_inside: bool) {
    if is_inside && (image::nginx().is_none() || backend::parts().is_none()) {
        println!("deployments behind a name: not measured, nginx, Redis or PostgreSQL is not installed");
        return;
    }
    let rates: f64 = load::Class::ALL.iter().map(|class| class.rate()).sum();
    println!(
        "deployments{}: {deployments}, {at_once} at once, under {rates:.1} requests and messages a second to each of {} environments",
        if is_inside { " behind an nginx with a literal proxy_pass, before a cache and a database" } else { "" },
        METHODS.len()
    );
    let site = Site::start(is_inside).await;
    let others = site.others().await;
    let began = Instant::now();
    let load = Load::start(site.ports);
    tokio::time::sleep(FIRST).await;
    let mut ended = Vec::new();
    let numbers: Vec<usize> = (0..deployments).collect();
    for group in numbers.chunks(at_once) {
        let deploying = group.iter().map(|number| {
            let (site, number) = (&site, *number);
            async move { site.deploy(number % METHODS.len(), &number.to_string(), defect(number)).await }
        });
        ended.extend(join_all(deploying).await);
        if ended.len() / 20 > (ended.len() - group.len()) / 20 {
            println!("  {} deployed, {} requests failed", ended.len(), load.book.failed());
        }
        tokio::time::sleep(BETWEEN).await;
    }
    tokio::time::sleep(FIRST - BETWEEN).await;
    let (told, sockets) = load.end().await;
    assert_eq!(site.others().await, others, "what stands in front of the app, or behind it, was touched");
    if let Some(folder) = argument("--logs") {
        site.keep_logs(&PathBuf::from(folder));
    }
    site.end().await;
    Report { began, told, sockets, ended }.print();
}
