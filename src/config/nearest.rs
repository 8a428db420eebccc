//! "Did you mean": the nearest of some words.

/// Longest word that is compared; nobody misspells longer ones by a letter.
const WORD_LEN_MAX: usize = 64;

/// The word nearest to `given`, if one is near enough to have been meant.
pub(super) fn nearest<'a>(given: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = given.to_lowercase().replace('-', "_");
    if folded.len() > WORD_LEN_MAX {
        return None;
    }
    let allowed = (folded.chars().count() / 3).max(1);
    words
        .into_iter()
        .filter(|w| w.len() <= WORD_LEN_MAX)
        .map(|w| (distance(&folded, &w.to_lowercase().replace('-', "_")), w))
        .filter(|(d, w)| *d <= allowed && *d < w.chars().count())
        .min_by_key(|(d, _)| *d)
        .map(|(_, w)| w)
}

/// Letters to insert, drop, change or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_and_no_others() {
        let fields = ["hosts", "paths", "upstream", "auth"];
        for (given, meant) in [
            ("upsteam", Some("upstream")),
            ("UpStream", Some("upstream")),
            ("path", Some("paths")),
            ("autj", Some("auth")),
            ("zzz", None),
            ("", None),
            (&"x".repeat(500), None),
        ] {
            assert_eq!(nearest(given, fields), meant, "{given}");
        }
    }
}
