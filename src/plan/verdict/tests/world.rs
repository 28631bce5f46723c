//! A made-up site with visitors: what an edge would count of two releases. Also the bench's; everything is seeded.

use super::{Counts, Interval};

/// SplitMix64 (G. Steele, D. Lea, C. Flood, 2014).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Streams begin far from each other: neighbouring seeds would be the same stream, one number later.
    pub fn new(seed: u64) -> Self {
        Self(Self(seed).number())
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1, without 1.
    pub fn unit(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    pub fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    pub fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 50.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let (limit, mut product) = ((-mean).exp(), self.unit());
        let mut count = 0;
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// 1 and more.
    pub fn geometric(&mut self, mean: f64) -> u64 {
        1 + ((1.0 - self.unit()).ln() / (1.0 - 1.0 / mean).ln()) as u64
    }
}

/// A release's behaviour.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// Share of requests that fail.
    pub errors: f64,
    /// Factor on every answer's time.
    pub slow: f64,
    /// Factor on the slowest 5 % of them.
    pub tail: f64,
}

/// Who comes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Visitors {
    /// Each request for itself.
    Single,
    /// Each sends ten on average over half a minute; errors hit some visitors, and those half of the time; each has a
    /// speed of its own.
    Visits { sticky: bool },
}

#[derive(Debug, Clone, Copy)]
pub struct Site {
    pub requests_per_second: f64,
    /// The new release's share of traffic.
    pub weight: f64,
    pub visitors: Visitors,
    /// Traffic, errors and times of both releases swing within this time.
    pub rhythm_seconds: Option<f64>,
    /// A database that both use fails for 15 s every ten minutes.
    pub outages: bool,
    /// For so long the new release answers five times slower and fails a fifth of all requests.
    pub cold_seconds: f64,
    pub old: Service,
    pub new: Service,
}

pub const GOOD: Service = Service { errors: 0.01, slow: 1.0, tail: 1.0 };
pub const INTERVAL_SECONDS: f64 = 5.0;

/// Times are 1 ms x 1.02^bucket.
const BUCKETS: usize = 512;
const STEP: f64 = 1.02;

pub struct World {
    site: Site,
    chance: Chance,
    elapsed: f64,
    phase: f64,
    active: Vec<Visitor>,
    /// Buckets of a log-normal distribution, median 60 ms, by rank.
    times: Vec<f64>,
    /// Microseconds, by bucket.
    microseconds: Vec<u64>,
}

#[derive(Clone, Copy)]
struct Visitor {
    new: bool,
    left: u64,
    /// A number that, when below the share of visitors that errors hit, makes this one of them.
    luck: f64,
    shift: f64,
}

struct Tally {
    requests: u64,
    errors: u64,
    buckets: Vec<u64>,
}

impl World {
    pub fn new(site: Site, seed: u64) -> Self {
        let mut chance = Chance::new(seed ^ 0x5eed);
        let median = 60f64.ln() / STEP.ln();
        let mut times: Vec<f64> = (0..2048).map(|_| median + 0.6 / STEP.ln() * chance.normal()).collect();
        times.sort_by(f64::total_cmp);
        let phase = chance.unit();
        let microseconds = (0..BUCKETS).map(|bucket| (1e3 * STEP.powi(bucket as i32)) as u64).collect();
        Self { site, chance, elapsed: 0.0, phase, active: Vec::new(), times, microseconds }
    }

    /// Intervals before the new release began.
    pub fn past(&mut self, intervals: usize) -> Vec<Counts> {
        let weight = std::mem::replace(&mut self.site.weight, 0.0);
        let past = (0..intervals).map(|_| self.interval(f64::MAX).old).collect();
        self.site.weight = weight;
        self.elapsed = 0.0;
        past
    }

    pub fn next(&mut self) -> Interval {
        let age = self.elapsed;
        self.interval(age)
    }

    fn interval(&mut self, age: f64) -> Interval {
        let site = self.site;
        let swing = site
            .rhythm_seconds
            .map_or(0.0, |period| (std::f64::consts::TAU * (self.elapsed / period + self.phase)).sin());
        let outage = site.outages && (self.elapsed / 600.0 + self.phase).fract() < 15.0 / 600.0;
        self.elapsed += INTERVAL_SECONDS;
        let mean = site.requests_per_second * INTERVAL_SECONDS * (1.0 + 0.5 * swing);
        let mut tallies = [(); 2].map(|()| Tally { requests: 0, errors: 0, buckets: vec![0; BUCKETS] });
        let services = [(site.old, false), (site.new, age < site.cold_seconds)].map(|(service, cold)| {
            let errors = service.errors * (1.0 + 0.8 * swing) + if cold { 0.2 } else { 0.0 };
            let errors = if outage { 0.4 } else { errors };
            let slow = service.slow * (1.0 + 0.3 * swing) * if cold { 5.0 } else { 1.0 };
            Service { errors, slow: slow.ln() / STEP.ln(), tail: service.tail.ln() / STEP.ln() }
        });
        match site.visitors {
            Visitors::Single => {
                for _ in 0..self.chance.poisson(mean) {
                    let new = self.chance.happens(site.weight);
                    let service = &services[usize::from(new)];
                    self.request(&mut tallies[usize::from(new)], service, service.errors, 0.0);
                }
            }
            Visitors::Visits { sticky } => {
                for _ in 0..self.chance.poisson(mean / 10.0) {
                    let new = self.chance.happens(site.weight);
                    let shift = 10.0 * self.chance.normal();
                    self.active.push(Visitor {
                        new,
                        left: self.chance.geometric(10.0),
                        luck: self.chance.unit(),
                        shift,
                    });
                }
                let mut active = std::mem::take(&mut self.active);
                for visitor in &mut active {
                    let now = visitor.left.min(1 + self.chance.number() % 4);
                    visitor.left -= now;
                    for _ in 0..now {
                        let new = if sticky { visitor.new } else { self.chance.happens(site.weight) };
                        let service = &services[usize::from(new)];
                        // Twice the share of visitors, half of the time.
                        let errors = if visitor.luck < 2.0 * service.errors { 0.5 } else { 0.0 };
                        self.request(&mut tallies[usize::from(new)], service, errors, visitor.shift);
                    }
                }
                active.retain(|visitor| visitor.left > 0);
                self.active = active;
            }
        }
        let [old, new] = tallies.map(|tally| tally.counts(&self.microseconds));
        Interval { seconds: INTERVAL_SECONDS, new, old, ..Interval::default() }
    }

    fn request(&mut self, tally: &mut Tally, service: &Service, errors: f64, shift: f64) {
        tally.requests += 1;
        tally.errors += u64::from(self.chance.happens(errors));
        let number = self.chance.number();
        let rank = (number % 2048) as usize;
        // The fraction of a bucket is drawn, so that factors are exact on average.
        let fraction = (number >> 40) as f64 / (1u64 << 24) as f64;
        let tail = if rank >= 2048 * 95 / 100 { service.tail } else { 0.0 };
        let bucket = self.times[rank] + service.slow + tail + shift + fraction;
        tally.buckets[(bucket.max(0.0) as usize).min(BUCKETS - 1)] += 1;
    }
}

impl Tally {
    fn counts(self, microseconds: &[u64]) -> Counts {
        let latency_us = microseconds.iter().copied().zip(self.buckets).filter(|(_, count)| *count > 0).collect();
        Counts { requests: self.requests, errors: self.errors, latency_us }
    }
}
