use super::*;
use crate::model::{ComponentName, DeploymentId};
use crate::plan::insights::{
    Cache, Cause, Dora, Failure, Finding, History, Holder, Outcomes, PartTime, Week, insights,
};

fn report(deployments: usize, insights: Insights) -> InsightsReport {
    let (project, environment) = ("shop".parse().unwrap(), "production".parse().unwrap());
    let one = EnvironmentInsights { project, environment, deployments, more: false, insights };
    InsightsReport { days: 30, environments: vec![one] }
}

fn spread(count: usize, median_ms: i64, p95_ms: i64) -> Spread {
    Spread { count, median_ms, p95_ms }
}

fn full() -> Insights {
    let part = |part, median_ms, p95_ms| PartTime { part, time: spread(18, median_ms, p95_ms) };
    let week = |number: i64| Week {
        from_ms: number * 604_800_000,
        until_ms: (number + 1) * 604_800_000,
        deployments: 6,
        failed: 1,
        total: Some(spread(5, 90_000 - number * 10_000, 120_000)),
        parts: if number == 0 { Vec::new() } else { vec![part(Part::Build, 40_000 - number * 5_000, 50_000)] },
    };
    let holder = |name: &str, share| Holder { component: ComponentName::new(name).ok(), share, deployments: 9 };
    Insights {
        outcomes: Outcomes { succeeded: 18, failed: 3, rolled_back: 1, cancelled: 0, superseded: 4 },
        total: Some(spread(18, 78_000, 185_000)),
        parts: vec![part(Part::Queue, 40, 12_000), part(Part::Build, 35_000, 71_000), part(Part::Health, 9_400, 31_000)],
        weeks: (0..5).map(week).collect(),
        longest_path: vec![holder("api", 71), holder("db", 21), Holder { component: None, share: 8, deployments: 0 }],
        cache: Cache { builds: 20, builds_cached: 2, builds_failed: 3, steps: 120, steps_cached: 54 },
        failures: vec![
            Failure { cause: Cause::Build, deployments: vec![DeploymentId(4), DeploymentId(9), DeploymentId(17)] },
            Failure { cause: Cause::NotReady, deployments: vec![DeploymentId(21)] },
        ],
        dora: Dora {
            deployments_per_week: 4.2,
            lead_time: Some(spread(22, 81_000, 240_000)),
            changes: 19,
            failed_changes: 2,
            change_failure_rate: Some(2.0 / 19.0),
            time_to_restore: Some(spread(2, 21_000, 40_000)),
        },
        resources: Default::default(),
        findings: vec![Finding {
            what: "api: an early step of its Dockerfile changes with every push, and all after it is done anew".into(),
            evidence: "`COPY . .` was the first step without a cache in 18 of 20 builds (deployments 20, 22, 23, 24, 25 and 13 before)".into(),
            change: "In its Dockerfile, copy first only the files that name what is to be installed, install, and only then `COPY . .`".into(),
        }],
    }
}

#[test]
fn a_page_of_80_columns_says_where_the_time_goes_what_fails_and_what_to_change() {
    let page = text(&report(26, full()), &page(Look::plain()));
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    insta::assert_snapshot!(page, @r#"
    shop/production, the last 30 days
    18 succeeded, 3 failed, 1 rolled back, 4 superseded

    TIME OF      N   MEDIAN      P95         -2          -1     THIS WEEK
    queue        18  0 s         12 s        -           -      -
    build        18  35 s        1 min 11 s  30 s        25 s   20 s
    health       18  9.4 s       31 s        -           -      -
    push to end  18  1 min 18 s  3 min 5 s   1 min 10 s  1 min  50 s

    Longest path    api 71 %, db 21 %, no component 8 %
    Build cache     45 % of the steps; 2 of 20 builds wholly
    Failed          3 of 22 (14 %): a build failed, last deployment 17
    Failed          1 of 22 (5 %): a container did not become ready, last
                    deployment 21
    Went live       4.2 times a week
    Push to live    1 min 21 s in the middle, 95 % within 4 min
    Changes failed  2 of 19 that reached users (11 %)
    Well again      21 s in the middle, 95 % within 40 s

    1.      api: an early step of its Dockerfile changes with every push, and all
            after it is done anew
    Seen    `COPY . .` was the first step without a cache in 18 of 20 builds
            (deployments 20, 22, 23, 24, 25 and 13 before)
    Change  In its Dockerfile, copy first only the files that name what is to be
            installed, install, and only then `COPY . .`
    "#);
}

#[test]
fn where_nothing_has_happened_it_says_so() {
    let none = report(0, insights(&History::default()));
    insta::assert_snapshot!(text(&none, &page(Look::plain())), @r#"
    shop/production, the last 30 days: no deployment has ended
    "#);
    assert_eq!(
        text(&InsightsReport { days: 1, environments: Vec::new() }, &Look::plain()),
        "launchway.toml has no environment.\n"
    );
}

#[test]
fn where_everything_failed_it_shows_no_times_and_that_no_change_is_known() {
    let failed = Insights {
        outcomes: Outcomes { failed: 2, ..Outcomes::default() },
        failures: vec![Failure { cause: Cause::Settings, deployments: vec![DeploymentId(1), DeploymentId(2)] }],
        ..insights(&History::default())
    };
    insta::assert_snapshot!(text(&report(2, failed), &page(Look::plain())), @r#"
    shop/production, the last 30 days
    2 failed

    Failed     2 of 2 (100 %): before any work, such as a mistake in the Compose
               file, last deployment 2
    Went live  0.0 times a week

    Nothing stands out that could be better.
    "#);
}

#[test]
fn what_is_printed_as_json_is_read_back() {
    let report = report(26, full());
    let json = serde_json::to_string(&report).unwrap();
    let again: InsightsReport = serde_json::from_str(&json).unwrap();
    assert_eq!(again.environments[0].insights, report.environments[0].insights);
    let keys: serde_json::Value = serde_json::from_str(&json).unwrap();
    let one = &keys["environments"][0];
    assert_eq!((&one["parts"][0]["part"], &one["parts"][0]["time"]["median_ms"]), (&"queue".into(), &40.into()));
    assert_eq!((&one["failures"][0]["cause"], &one["dora"]["changes"]), (&"build".into(), &19.into()));
}
