//! `[telemetry]`: where traces of deployments are sent.

use super::check::Check;
use super::file::FileTelemetry;
use super::load::web_url;
use crate::model::Secret;
use http::{HeaderName, HeaderValue};
use url::Url;

/// A receiver that speaks OTLP over HTTP with protobuf, such as OpenTelemetry's collector.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// With `/v1/traces`.
    pub endpoint: Url,
    /// Sent with each request, such as a key of the receiver's.
    pub headers: Vec<(HeaderName, Secret)>,
}

impl Check<'_> {
    pub(super) fn telemetry(&mut self, file: &FileTelemetry) -> Option<Telemetry> {
        let endpoint = self.parsed(Some(&file.otlp), "telemetry.otlp", web_url);
        let mut headers = Vec::new();
        for (written, source) in &file.headers {
            let (text, start) = (written.get_ref(), written.span().start);
            let key = format!("telemetry.headers.{text}");
            let Ok(name) = text.parse::<HeaderName>() else {
                self.wrong(start, &key, "it is no name of an HTTP header");
                continue;
            };
            if matches!(name.as_str(), "content-type" | "content-length" | "content-encoding" | "host") {
                self.wrong(start, &key, "Launchway sets it itself: leave it out");
                continue;
            }
            let Some(value) = self.secret(Some(source), &key) else { continue };
            if HeaderValue::from_str(value.expose()).is_err() {
                self.wrong(
                    source.span().start,
                    &key,
                    "its value cannot be an HTTP header: it has a line break or the like",
                );
                continue;
            }
            headers.push((name, value));
        }
        let mut endpoint = endpoint?;
        let base = endpoint.path().trim_end_matches('/');
        // As OpenTelemetry's own variables are read; who writes the whole address means the same.
        if !base.ends_with("/v1/traces") {
            let path = format!("{base}/v1/traces");
            endpoint.set_path(&path);
        }
        Some(Telemetry { endpoint, headers })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;
    use std::path::Path;

    const PROJECT: &str = "[projects.shop]\nforge = \"github\"\nrepository = \"https://github.com/acme/shop.git\"\nsecret = \"0123456789abcdef\"\n[projects.shop.environments.production]\nbranch = \"main\"\n";

    fn endpoint(otlp: &str) -> String {
        let text = format!("{PROJECT}[telemetry]\notlp = \"{otlp}\"\n");
        parse(&text, Path::new("launchway.toml")).unwrap().telemetry.unwrap().endpoint.to_string()
    }

    #[test]
    fn an_endpoint_may_be_written_with_and_without_its_path() {
        for (written, meant) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://otlp.example.com/eu/", "https://otlp.example.com/eu/v1/traces"),
            ("http://127.0.0.1:4318/v1/traces", "http://127.0.0.1:4318/v1/traces"),
        ] {
            assert_eq!(endpoint(written), meant);
        }
    }

    #[test]
    fn the_values_of_headers_are_secrets() {
        let text = format!("{PROJECT}[telemetry]\notlp = \"http://a\"\nheaders = {{ x-key = \"of the receiver\" }}\n");
        let config = parse(&text, Path::new("launchway.toml")).unwrap();
        assert!(config.secrets().iter().any(|secret| secret.expose() == "of the receiver"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let text = format!(
            "{PROJECT}[telemetry]\notlp = \"127.0.0.1:4318\"\n[telemetry.headers]\n\"x key\" = \"one\"\nContent-Type = \"text/plain\"\nx-other = \"two\\nlines\"\n"
        );
        let problems = parse(&text, Path::new("launchway.toml")).unwrap_err().to_string();
        insta::assert_snapshot!(problems, @r#"
        launchway.toml:8: telemetry.otlp: "127.0.0.1:4318" is not an http or https URL
        launchway.toml:10: telemetry.headers.x key: it is no name of an HTTP header
        launchway.toml:11: telemetry.headers.Content-Type: Launchway sets it itself: leave it out
        launchway.toml:12: telemetry.headers.x-other: its value cannot be an HTTP header: it has a line break or the like
        "#);
    }
}
