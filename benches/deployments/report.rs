//! What is made of it: tables by class of load and by method.

use super::app::Defect;
use super::figures::{percentile, print_table, row};
use super::load::{Class, Outcome, Sockets, Told};
use super::site::{Ended, METHODS};
use launchway::model::Method;
use std::time::{Duration, Instant};

/// After a deployment its last connections may still be noticed.
const AFTERWARDS: Duration = Duration::from_millis(500);
/// How many reasons are shown of each kind.
const REASONS: usize = 5;

pub struct Report {
    /// When the load began.
    pub began: Instant,
    pub told: Vec<Told>,
    pub sockets: Sockets,
    pub ended: Vec<Ended>,
}

impl Report {
    pub fn print(&self) {
        self.by_class();
        self.by_method();
        self.deployments();
        self.reasons();
    }

    /// Of a class and these methods, in milliseconds: what was due while nothing was deployed anywhere, and what was
    /// due or under way while its own environment was deployed.
    fn times(&self, class: Class, methods: &[Method]) -> (Vec<f64>, Vec<f64>) {
        let (mut quiet, mut deployed) = (Vec::new(), Vec::new());
        let of = |told: &&Told| {
            told.class == class && told.outcome == Outcome::Good && methods.contains(&METHODS[told.method])
        };
        for told in self.told.iter().filter(of) {
            let (from, to) = (told.due.into_std(), told.due.into_std() + told.took);
            let meets = |ended: &&Ended| from < ended.to + AFTERWARDS && ended.from < to;
            let ms = told.took.as_secs_f64() * 1e3;
            if self.ended.iter().filter(meets).any(|ended| ended.method == told.method) {
                deployed.push(ms);
            } else if !self.ended.iter().any(|ended| meets(&ended)) {
                quiet.push(ms);
            }
        }
        (quiet, deployed)
    }

    fn by_class(&self) {
        let beside: Vec<Method> = METHODS.into_iter().filter(|method| *method != Method::Recreate).collect();
        let mut rows = vec![row([
            "load",
            "requests",
            "failed",
            "broken canary's",
            "quiet p50/p99",
            "deploying p50/p99",
            "ratio p50/p99",
        ])];
        for class in Class::ALL {
            let of = |kind: fn(&Outcome) -> bool| {
                self.told.iter().filter(|told| told.class == class && kind(&told.outcome)).count()
            };
            let [quiet, deploying, ratio] = compared(self.times(class, &beside));
            rows.push(row([
                class.name(),
                &of(|_| true).to_string(),
                &of(|outcome| matches!(outcome, Outcome::Failed(_))).to_string(),
                &of(|outcome| *outcome == Outcome::OnPurpose).to_string(),
                &quiet,
                &deploying,
                &ratio,
            ]));
        }
        print_table(
            "By class of load; times in ms, without recreate, where requests wait (aims: failed 0, ratio at most 1.5 but for the 5 s)",
            &rows,
        );
        let Sockets { opened, closed, cut } = &self.sockets;
        println!(
            "  WebSockets: {opened} opened, {closed} closed by the app's close frame after the drain limit, {} cut without one",
            cut.len()
        );
    }

    fn by_method(&self) {
        let mut rows = vec![row(["method", "load", "quiet p50/p99", "deploying p50/p99", "ratio p50/p99", "longest"])];
        for method in METHODS {
            for class in Class::ALL {
                let times = self.times(class, &[method]);
                let longest = times.1.iter().copied().fold(0.0, f64::max);
                let [quiet, deploying, ratio] = compared(times);
                rows.push(row([method.word(), class.name(), &quiet, &deploying, &ratio, &format!("{longest:.0}")]));
            }
        }
        print_table("By method; times in ms of what was under way while its own environment was deployed", &rows);
    }

    fn deployments(&self) {
        let mut rows = vec![row([
            "deployments",
            "well",
            "live",
            "never ready",
            "put back",
            "errors",
            "put back by the verdict",
            "seconds, median",
        ])];
        for (index, method) in METHODS.into_iter().enumerate() {
            let mut cells = vec![method.word().to_string()];
            for defect in [None, Some(Defect::NeverReady), Some(Defect::Errors)] {
                let own = self.ended.iter().filter(|ended| ended.method == index && ended.defect == defect);
                let (all, expected) =
                    own.fold((0, 0), |(all, expected), ended| (all + 1, expected + u32::from(ended.as_expected())));
                cells.extend([all.to_string(), expected.to_string()]);
            }
            let own = self.ended.iter().filter(|ended| ended.method == index);
            let mut seconds: Vec<f64> = own.map(|ended| (ended.to - ended.from).as_secs_f64()).collect();
            cells.push(format!("{:.1}", percentile(&mut seconds, 50.0)));
            rows.push(cells);
        }
        print_table("How they ended; the columns beside one another are to be equal", &rows);
        for ended in self.ended.iter().filter(|ended| !ended.as_expected()) {
            let defect = ended.defect.map_or("well", Defect::word);
            println!(
                "  not as expected, {}: {} ({defect}): {} {}",
                self.at(ended.from),
                METHODS[ended.method],
                ended.state,
                ended.description
            );
        }
    }

    fn reasons(&self) {
        for class in Class::ALL {
            let failed = self.told.iter().filter(|told| told.class == class);
            let failed = failed.filter_map(|told| match &told.outcome {
                Outcome::Failed(why) => Some((told, why)),
                _ => None,
            });
            for (told, why) in failed.take(REASONS) {
                let due = told.due.into_std();
                println!(
                    "  failed, {}: {} to {}, after {:.0} ms, {}: {why}",
                    class.name(),
                    self.at(due),
                    METHODS[told.method],
                    told.took.as_secs_f64() * 1e3,
                    self.meanwhile(due + told.took)
                );
            }
        }
        for (method, at, why) in self.sockets.cut.iter().take(REASONS) {
            println!(
                "  cut: {} to {}, {}: {why}",
                self.at(at.into_std()),
                METHODS[*method],
                self.meanwhile(at.into_std())
            );
        }
    }

    fn at(&self, moment: Instant) -> String {
        format!("{:.1} s", moment.saturating_duration_since(self.began).as_secs_f64())
    }

    /// What was deployed at a moment.
    fn meanwhile(&self, moment: Instant) -> String {
        let under_way = self.ended.iter().filter(|ended| ended.from <= moment && moment <= ended.to);
        let words: Vec<String> = under_way
            .map(|ended| {
                let (into, defect) = ((moment - ended.from).as_secs_f64(), ended.defect.map_or("", Defect::word));
                format!("{into:.1} s into {} {defect}", METHODS[ended.method]).trim_end().to_string()
            })
            .collect();
        if words.is_empty() { "nothing deployed".into() } else { words.join(", ") }
    }
}

/// `50th / 99th` of either, and how many times as long the second are.
fn compared((mut quiet, mut deploying): (Vec<f64>, Vec<f64>)) -> [String; 3] {
    let mut both = |percent| (percentile(&mut quiet, percent), percentile(&mut deploying, percent));
    let ((quiet_50, deploying_50), (quiet_99, deploying_99)) = (both(50.0), both(99.0));
    let pair = |first: f64, second: f64, decimals| match first.is_nan() {
        true => "-".to_string(),
        false => format!("{first:.decimals$} / {second:.decimals$}"),
    };
    [
        pair(quiet_50, quiet_99, 1),
        pair(deploying_50, deploying_99, 1),
        pair(deploying_50 / quiet_50, deploying_99 / quiet_99, 2),
    ]
}
