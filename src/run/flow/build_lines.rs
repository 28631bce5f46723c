//! How a build's steps and their output are told in a deployment's log.

use crate::build::{BuildLine, BuildLineKind};

/// `[2/3]` and `RUN make` of `[2/3] RUN make`.
pub fn step_parts(step: &str) -> (&str, Option<&str>) {
    match step.split_once("] ").filter(|_| step.starts_with('[')) {
        Some((number, words)) => (&step[..=number.len()], Some(words)),
        None => (step, None),
    }
}

/// A line of the build's output for the log: `[2/3] | cc -o main`. What the step is stands in its first line.
pub fn text_of(line: &BuildLine) -> String {
    let BuildLine { step, kind, text, .. } = line;
    let (number, _) = step_parts(step);
    match kind {
        BuildLineKind::Output => format!("{number} | {text}"),
        BuildLineKind::Started => step.clone(),
        BuildLineKind::Cached => format!("{step}: cached"),
        BuildLineKind::Done => format!("{number}: done {text}").trim_end().to_string(),
        BuildLineKind::Failed => format!("{number}: failed: {text}"),
        BuildLineKind::Warning => format!("{number}: warning: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_told_whole_once_and_then_by_its_number() {
        let told = |kind, text: &str| {
            let step = "[build 2/3] RUN make && make test".to_string();
            text_of(&BuildLine { time: jiff::Timestamp::UNIX_EPOCH, step, kind, text: text.into() })
        };
        assert_eq!(told(BuildLineKind::Started, ""), "[build 2/3] RUN make && make test");
        assert_eq!(told(BuildLineKind::Output, "cc -o main"), "[build 2/3] | cc -o main");
        assert_eq!(told(BuildLineKind::Done, "0.3 s"), "[build 2/3]: done 0.3 s");
        assert_eq!(told(BuildLineKind::Failed, "exit code: 2"), "[build 2/3]: failed: exit code: 2");
        // Nothing else says what was in the cache.
        assert_eq!(told(BuildLineKind::Cached, ""), "[build 2/3] RUN make && make test: cached");
        assert_eq!(step_parts("exporting to image"), ("exporting to image", None));
        assert_eq!(step_parts("[2/2] RUN [ -f x ] && y"), ("[2/2]", Some("RUN [ -f x ] && y")));
    }
}
