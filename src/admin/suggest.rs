//! "Did you mean": the name nearest to one that does not exist.

/// Longest text that is compared, in characters.
const COMPARED_LEN_MAX: usize = 64;

/// The candidate nearest to `text`, if one is near enough to be meant.
pub fn closest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (text.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|candidate| (distance(text, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours between two texts.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(COMPARED_LEN_MAX).flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().take(COMPARED_LEN_MAX).flat_map(char::to_lowercase).collect();
    let mut older = vec![0; b.len() + 1];
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (previous[j] + 1).min(row[j - 1] + 1).min(previous[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(older[j - 2] + 1);
            }
        }
        older = std::mem::replace(&mut previous, row);
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names() {
        let names = ["billing", "mobile", "pro"];
        for (text, meant) in
            [("biling", Some("billing")), ("moblie", Some("mobile")), ("prp", Some("pro")), ("nothing-alike", None)]
        {
            assert_eq!(closest(text, names), meant, "{text}");
        }
    }
}
