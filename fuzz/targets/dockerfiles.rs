//! A Dockerfile: what stands around an instruction that can be read by itself hides nothing of what it would fetch.
use launchway::compose::has_own_frontend;
use launchway::fuzzing::compose::fetched_by;
use launchway::model::BuildSpec;

const OURS: &str =
    "FROM known.example/base:1\nADD https://known.example/x /x\nCOPY --from=known.example/other:1 /a /a\n";

/// How many of [`OURS`] are found in it; `None`: no BuildKit would read it.
fn found(text: &str) -> Option<usize> {
    let found = fetched_by(text)?;
    let mut all: Vec<&str> = found.images.iter().filter_map(|image| image.reference.as_deref()).collect();
    all.extend(found.remotes.iter().filter_map(|remote| remote.host.as_deref()));
    let ours = ["known.example/base:1", "known.example", "known.example/other:1"];
    Some(ours.iter().filter(|name| all.contains(name)).count())
}

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(8 * 1024)]);
    assert_eq!(fetched_by(&text), fetched_by(&text));
    let inline: BuildSpec =
        serde_json::from_value(serde_json::json!({ "context": "", "dockerfile": "Dockerfile" })).unwrap();
    let _ = has_own_frontend(&inline, &text);
    // In front of it no line is a directive any more, so an escape means the usual.
    if let Some(found) = found(&format!("{OURS}{text}")) {
        assert_eq!(found, 3, "in front of {text:?}");
    }
    // Behind it: where no line can go on over its end, and no name can be that of an earlier stage.
    let ends = !text.contains(['\\', '`']) && !text.contains("<<") && !text.contains("known");
    if ends && let Some(found) = found(&format!("{text}\n{OURS}")) {
        assert_eq!(found, 3, "behind {text:?}");
    }
}
