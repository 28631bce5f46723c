//! Measures that are read at each scrape: nothing of an earlier one is left in it.

use prometheus_client::encoding::prometheus_text;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

/// Names and values of a sample's labels.
pub type Labels = Vec<(&'static str, String)>;

/// Samples that are collected for one scrape.
#[derive(Default)]
pub struct Exposition {
    registry: Registry,
}

impl Exposition {
    /// One sample.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        let gauge: Gauge<f64, AtomicU64> = Gauge::default();
        gauge.set(value);
        self.registry.register(name, help, gauge);
    }

    /// Samples of one name, each with its labels.
    pub fn gauges(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, f64)>) {
        let family: Family<Labels, Gauge<f64, AtomicU64>> = Family::default();
        for (labels, value) in values {
            family.get_or_create(&labels).set(value);
        }
        self.registry.register(name, help, family);
    }

    /// `name` without `_total`.
    pub fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.registry.register(name, help, ConstCounter::new(value));
    }

    /// `name` without `_total`.
    pub fn counters(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, u64)>) {
        let family: Family<Labels, Counter> = Family::default();
        for (labels, value) in values {
            family.get_or_create(&labels).inc_by(value);
        }
        self.registry.register(name, help, family);
    }

    /// `name` without `_total`.
    pub fn sums(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, f64)>) {
        let family: Family<Labels, Counter<f64, AtomicU64>> = Family::default();
        for (labels, value) in values {
            family.get_or_create(&labels).inc_by(value);
        }
        self.registry.register(name, help, family);
    }

    /// Histograms of one name, each with its labels.
    pub fn histograms(&mut self, name: &str, help: &str, values: Vec<(Labels, Buckets)>) {
        self.registry.register(name, help, Histograms(values));
    }

    /// In Prometheus' text format.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        text(&self.registry)
    }
}

/// A registry in Prometheus' text format.
pub fn text(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    prometheus_text::encode(&mut text, registry)?;
    Ok(text)
}

/// A histogram whose values somebody else has counted.
#[derive(Debug, Default)]
pub struct Buckets {
    pub sum: f64,
    pub count: u64,
    /// `(upper bound, how many are in it and in none before)`
    pub buckets: Vec<(f64, u64)>,
}

#[derive(Debug)]
struct Histograms(Vec<(Labels, Buckets)>);

impl EncodeMetric for Histograms {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), std::fmt::Error> {
        for (labels, Buckets { sum, count, buckets }) in &self.0 {
            encoder.encode_family(labels)?.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}
