//! How evidence is told.

use crate::model::DeploymentId;

/// More numbers tell nobody more.
const MOST_NUMBERS: usize = 5;

/// `deployments 3, 4 and 5`, the newest of them, `... and 7 more`.
pub fn deployments(ids: impl IntoIterator<Item = DeploymentId>) -> String {
    let mut ids: Vec<i64> = ids.into_iter().map(|id| id.0).collect();
    ids.sort_unstable();
    ids.dedup();
    let more = ids.len().saturating_sub(MOST_NUMBERS);
    let shown: Vec<String> = ids[more..].iter().map(i64::to_string).collect();
    match (shown.as_slice(), more) {
        ([], _) => "no deployment".into(),
        ([only], _) => format!("deployment {only}"),
        ([first @ .., last], 0) => format!("deployments {} and {last}", first.join(", ")),
        (all, more) => format!("deployments {} and {more} before", all.join(", ")),
    }
}

/// `0.4 s`, `12 s`, `3 min 5 s`
pub fn time(ms: i64) -> String {
    match ms {
        ..9_950 => format!("{:.1} s", ms.max(0) as f64 / 1000.0),
        9_950..59_500 => format!("{:.0} s", ms as f64 / 1000.0),
        _ => {
            let seconds = (ms + 500) / 1000;
            match seconds % 60 {
                0 => format!("{} min", seconds / 60),
                rest => format!("{} min {rest} s", seconds / 60),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_newest_and_each_stands_once() {
        let told = |ids: &[i64]| deployments(ids.iter().map(|id| DeploymentId(*id)));
        assert_eq!(told(&[]), "no deployment");
        assert_eq!(told(&[4, 4]), "deployment 4");
        assert_eq!(told(&[5, 3, 4]), "deployments 3, 4 and 5");
        assert_eq!(told(&[1, 2, 3, 4, 5, 6, 7]), "deployments 3, 4, 5, 6, 7 and 2 before");
    }

    #[test]
    fn times_are_as_exact_as_people_need() {
        let told: Vec<String> = [-1, 440, 9_960, 59_400, 59_600, 185_000].into_iter().map(time).collect();
        assert_eq!(told, ["0.0 s", "0.4 s", "10 s", "59 s", "1 min", "3 min 5 s"]);
    }
}
