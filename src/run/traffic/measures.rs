//! Further measures of a verdict: queries to Prometheus, asked at each look.

use crate::model::{CommitId, ComponentName, Measure, Permissions, Quoted, ReleaseId, innermost};
use crate::plan::verdict::External;
use crate::run::ground::log::DeploymentLog;
use futures_util::future::join_all;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// An answer that takes longer is none.
const WITHIN: Duration = Duration::from_secs(5);
/// More than any sensible answer has: the server may be somebody else's.
const MOST_BYTES: usize = 1 << 20;

/// Of which release is asked.
pub struct Asked {
    pub release: ReleaseId,
    pub commit: CommitId,
}

/// Asks the addresses that a canary's settings name how the new release does.
pub struct Measures {
    http: Option<reqwest::Client>,
    measures: Vec<Measure>,
    component: ComponentName,
    log: DeploymentLog,
    /// Those of which it was said that they have no answer.
    told: Mutex<BTreeSet<String>>,
}

impl Measures {
    /// `allowed`: what is by now, whatever was when the release was made.
    pub fn new(
        measures: &[Measure],
        allowed: &Permissions,
        asked: &Asked,
        component: &ComponentName,
        log: &DeploymentLog,
    ) -> Self {
        let measures: Vec<Measure> = measures
            .iter()
            .filter(|measure| allowed.allows_prometheus(&measure.url))
            .map(|measure| Measure { query: filled_in(&measure.query, asked), ..measure.clone() })
            .collect();
        let client = || {
            let redirects = reqwest::redirect::Policy::none();
            reqwest::Client::builder().timeout(WITHIN).redirect(redirects).no_proxy().build()
        };
        let http = if measures.is_empty() { None } else { client().ok() };
        Self { http, measures, component: component.clone(), log: log.clone(), told: Mutex::default() }
    }

    /// Whether none is asked.
    pub fn is_empty(&self) -> bool {
        self.measures.is_empty()
    }

    /// Each with its answer now: the highest of its values, as a query may have one for each replica.
    pub async fn ask(&self) -> Vec<External> {
        join_all(self.measures.iter().map(|measure| self.ask_one(measure))).await
    }

    async fn ask_one(&self, measure: &Measure) -> External {
        let answer = match &self.http {
            Some(http) => answer(http, measure).await,
            None => Err("no HTTP client could be made".into()),
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let value = match answer {
            Ok(value) => {
                told.remove(&measure.name);
                Some(value)
            }
            Err(why) => {
                if told.insert(measure.name.clone()) {
                    let line = format!("{} of {} has no answer: {why}", Quoted(&measure.name), place(&measure.url));
                    self.log.line(Some(&self.component), &line);
                }
                None
            }
        };
        External { name: measure.name.clone(), value, max: measure.max }
    }
}

/// Without a password that it may have.
fn place(url: &str) -> String {
    let mut url = url::Url::parse(url).ok();
    if let Some(url) = &mut url {
        let _ = url.set_username("").and_then(|()| url.set_password(None));
    }
    url.map_or_else(|| "its server".into(), |url| url.as_str().trim_end_matches('/').to_string())
}

/// `{{ release }}` and `{{ commit }}`, as Flagger's queries have such names.
fn filled_in(query: &str, asked: &Asked) -> String {
    let mut text = query.to_string();
    for (name, value) in [("release", asked.release.to_string()), ("commit", asked.commit.to_string())] {
        for written in [format!("{{{{ {name} }}}}"), format!("{{{{{name}}}}}")] {
            text = text.replace(&written, &value);
        }
    }
    text
}

/// What an instant query answers (prometheus.io/docs/prometheus/latest/querying/api).
#[derive(Deserialize)]
struct Answer {
    status: String,
    error: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: serde_json::Value,
}

#[derive(Deserialize)]
struct Sample {
    value: Value,
}

/// A time and a number.
type Value = (f64, String);

async fn answer(http: &reqwest::Client, measure: &Measure) -> Result<f64, String> {
    let words = |error: reqwest::Error| innermost(&error);
    let url = format!("{}/api/v1/query", measure.url);
    let url = url::Url::parse_with_params(&url, [("query", &measure.query)]).map_err(|error| error.to_string())?;
    let mut response = http.get(url).send().await.map_err(words)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(words)? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err("its answer is longer than 1 MiB".into());
        }
        body.extend_from_slice(&chunk);
    }
    read(&body).map_err(|why| if status.is_success() { why } else { format!("{status}: {why}") })
}

fn read(body: &[u8]) -> Result<f64, String> {
    let foreign = |_| "it is no answer of Prometheus' API".to_string();
    let answer: Answer = serde_json::from_slice(body).map_err(foreign)?;
    if answer.status != "success" {
        return Err(Quoted(answer.error.unwrap_or(answer.status)).to_string());
    }
    let data = answer.data.ok_or("it has no data")?;
    let values: Vec<Value> = match data.result_type.as_str() {
        "vector" => {
            let samples: Vec<Sample> = serde_json::from_value(data.result).map_err(foreign)?;
            samples.into_iter().map(|sample| sample.value).collect()
        }
        "scalar" => vec![serde_json::from_value(data.result).map_err(foreign)?],
        other => return Err(format!("it answers with a {}; numbers of one moment are needed", Quoted(other))),
    };
    let numbers = values.iter().filter_map(|(_, value)| value.parse::<f64>().ok()).filter(|value| !value.is_nan());
    numbers.max_by(f64::total_cmp).ok_or_else(|| "it has no value now".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plain;

    #[test]
    fn the_highest_value_counts() {
        let vector = |values: &[&str]| {
            let samples: Vec<_> = values
                .iter()
                .map(|value| serde_json::json!({"metric": {"pod": value}, "value": [1.5, value]}))
                .collect();
            serde_json::json!({"status": "success", "data": {"resultType": "vector", "result": samples}}).to_string()
        };
        assert_eq!(read(vector(&["0.5", "NaN", "3", "+Inf"]).as_bytes()), Ok(f64::INFINITY));
        assert_eq!(read(vector(&["0.5", "NaN", "3"]).as_bytes()), Ok(3.0));
        assert_eq!(read(vector(&["NaN"]).as_bytes()), Err("it has no value now".into()));
        assert_eq!(read(vector(&[]).as_bytes()), Err("it has no value now".into()));
        let scalar = br#"{"status":"success","data":{"resultType":"scalar","result":[1.0,"7"]}}"#;
        assert_eq!(read(scalar), Ok(7.0));
    }

    #[test]
    fn what_is_no_number_is_said() {
        let matrix = br#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
        let said = |body: &[u8]| plain(&read(body).unwrap_err()).into_owned();
        assert_eq!(said(matrix), "it answers with a matrix; numbers of one moment are needed");
        let wrong = br#"{"status":"error","errorType":"bad_data","error":"parse error: unexpected }"}"#;
        assert_eq!(said(wrong), "parse error: unexpected }");
        assert_eq!(said(b"<html>"), "it is no answer of Prometheus' API");
    }

    #[test]
    fn a_password_is_not_told() {
        assert_eq!(place("http://me:secret@prometheus:9090/p"), "http://prometheus:9090/p");
    }

    #[test]
    fn a_query_names_the_release() {
        let asked = Asked { release: ReleaseId(42), commit: CommitId::new("a".repeat(40)).unwrap() };
        let query = r#"rate(errors{release="{{ release }}",commit="{{commit}}"}[1m])"#;
        let filled = format!(r#"rate(errors{{release="42",commit="{}"}}[1m])"#, "a".repeat(40));
        assert_eq!(filled_in(query, &asked), filled);
    }
}
