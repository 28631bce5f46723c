//! "Did you mean ...?"

const MOST_CANDIDATES: usize = 500;

/// The candidate that differs least from `word`, when it differs little enough to be meant.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = match word.chars().count() {
        0..=2 => 1,
        3..=5 => 2,
        _ => 3,
    };
    // More than a person would look through are not looked through here either.
    candidates
        .into_iter()
        .take(MOST_CANDIDATES)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean "x"?`, or nothing.
pub fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    closest(word, candidates).map(|candidate| format!("; did you mean {candidate:?}?")).unwrap_or_default()
}

/// Edits from one word to the other, a swap of neighbours counting as one (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let fold =
        |text: &str| text.chars().take(64).map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect();
    let (a, b): (Vec<char>, Vec<char>) = (fold(a), fold(b));
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let mut best = (rows[i - 1][j] + 1).min(row[j - 1] + 1);
            best = best.min(rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_offered_and_far_ones_not() {
        let keys = ["depends_on", "environment", "ports", "image"];
        assert_eq!(closest("depend_on", keys), Some("depends_on"));
        assert_eq!(closest("depends-on", keys), Some("depends_on"));
        assert_eq!(closest("prots", keys), Some("ports"));
        assert_eq!(closest("enviroment", keys), Some("environment"));
        assert_eq!(closest("zebra", keys), None);
        assert_eq!(closest("", keys), None);
    }
}
