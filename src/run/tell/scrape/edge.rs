//! What the edge has counted since its start, as it says itself.

use crate::edge::EdgeClient;
use crate::model::{ReleaseTraffic, RouteKey, Traffic};
use crate::run::ground::deployer::Deployer;
use crate::run::ground::metrics::exposition::{Buckets, Exposition, Labels};
use std::time::Duration;

/// An edge that takes longer counts as away.
const WITHIN: Duration = Duration::from_secs(2);

/// Upper bounds in seconds, those that Prometheus' clients take by default.
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

impl Deployer {
    /// Nothing where this machine has no edge.
    pub(super) async fn put_edge(&self, out: &mut Exposition) {
        let config = self.config();
        if config.edge.is_none() {
            return;
        }
        let asked = tokio::time::timeout(WITHIN, EdgeClient::new(&config.data).traffic()).await;
        let traffic = match asked {
            Ok(Ok(traffic)) => Some(traffic),
            _ => None,
        };
        out.gauge("launchway_edge_up", "1 while the edge answers", f64::from(u8::from(traffic.is_some())));
        if let Some(traffic) = traffic {
            put_traffic(out, "edge", &traffic);
        }
    }

    /// The same of the fronts, as far as they were asked of late: a question takes a process in each one's container.
    pub(super) async fn put_fronts(&self, out: &mut Exposition) {
        let traffic = self.fronts.traffic(WITHIN).await;
        if !traffic.components.is_empty() {
            put_traffic(out, "front", &traffic);
        }
    }
}

/// `who`: the edge, or fronts.
fn put_traffic(out: &mut Exposition, who: &str, traffic: &Traffic) {
    let (mut held, mut in_flight, mut connections) = (Vec::new(), Vec::new(), Vec::new());
    let (mut holds, mut hold_seconds) = (Vec::new(), Vec::new());
    let (mut requests, mut failed, mut latencies) = (Vec::new(), Vec::new(), Vec::new());
    for (key, component) in &traffic.components {
        let place = place(key);
        held.push((place.clone(), component.held as f64));
        holds.push((place.clone(), component.held_before));
        hold_seconds.push((place.clone(), component.held_before_ms as f64 / 1e3));
        let sum = |of: fn(&crate::model::InFlight) -> u64| component.in_flight.values().map(of).sum::<u64>() as f64;
        in_flight.push((place.clone(), sum(|flight| flight.requests)));
        connections.push((place.clone(), sum(|flight| flight.connections)));
        for (release, counts) in &component.releases {
            let mut of_release = place.clone();
            of_release.push(("release", release.to_string()));
            for (class, count) in counts.status_classes.iter().enumerate() {
                let mut labels = of_release.clone();
                labels.push(("class", format!("{}xx", class + 1)));
                requests.push((labels, *count));
            }
            failed.push((of_release.clone(), counts.failed));
            latencies.push((of_release, buckets(counts)));
        }
    }
    out.gauges(&format!("launchway_{who}_requests_held"), "Requests that wait for a replica now", held);
    let help = "Requests and connections that waited for a replica, since its start";
    out.counters(&format!("launchway_{who}_holds"), help, holds);
    let help = "What those waited all together, since its start";
    out.sums(&format!("launchway_{who}_hold_seconds"), help, hold_seconds);
    out.gauges(&format!("launchway_{who}_requests_in_flight"), "Requests that replicas are busy with now", in_flight);
    let help = "WebSockets and plain TCP connections that are open now";
    out.gauges(&format!("launchway_{who}_connections_open"), help, connections);
    let help = "Answers by release and class of status, since its start";
    out.counters(&format!("launchway_{who}_requests"), help, requests);
    let help = "Requests without a whole answer: no connection, broken off, too late; since its start";
    out.counters(&format!("launchway_{who}_requests_failed"), help, failed);
    let help = "From sending a request to a replica until the answer's head, since its start";
    out.histograms(&format!("launchway_{who}_request_duration_seconds"), help, latencies);
}

fn place(key: &RouteKey) -> Labels {
    vec![
        ("project", key.project.to_string()),
        ("environment", key.environment.to_string()),
        ("component", key.component.to_string()),
    ]
}

/// The edge's latencies are exact to 1 %, and so are the buckets they fall into.
fn buckets(counts: &ReleaseTraffic) -> Buckets {
    let mut all = Buckets { buckets: BOUNDS.iter().map(|bound| (*bound, 0)).collect(), ..Buckets::default() };
    for (micros, count) in &counts.latency_us {
        let seconds = *micros as f64 / 1e6;
        all.sum += seconds * *count as f64;
        all.count += count;
        if let Some((_, within)) = all.buckets.iter_mut().find(|(bound, _)| seconds <= *bound) {
            *within += count;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_fall_into_the_first_bucket_that_holds_them() {
        let latency_us = vec![(5_000, 2), (6_000, 3), (20_000_000, 1)];
        let all = buckets(&ReleaseTraffic { latency_us, ..ReleaseTraffic::default() });
        assert_eq!((all.count, all.buckets[0], all.buckets[1]), (6, (0.005, 2), (0.01, 3)));
        assert_eq!(all.buckets.iter().map(|(_, count)| count).sum::<u64>(), 5, "one is longer than all bounds");
        assert!((all.sum - 20.028).abs() < 1e-9, "{}", all.sum);
    }
}
