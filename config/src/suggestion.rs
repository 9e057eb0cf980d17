//! The word that was probably meant.

/// The candidate nearest to `word`, if any is near enough to be a slip of the pen.
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let limit = (word.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|&(distance, _)| distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours between two words; case, `-`, `_` and `.` are the same.
fn distance(from: &str, to: &str) -> usize {
    let letters = |word: &str| -> Vec<char> {
        let same = |c: char| {
            if matches!(c, '_' | '.') {
                '-'
            } else {
                c.to_ascii_lowercase()
            }
        };
        word.chars().map(same).collect()
    };
    let (from, to) = (letters(from), letters(to));
    let mut before_last = vec![0; to.len() + 1];
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1; to.len() + 1];
        for (j, b) in to.iter().enumerate() {
            let replaced = last[j] + usize::from(a != b);
            row[j + 1] = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                row[j + 1] = row[j + 1].min(before_last[j - 1] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_found_and_another_word_is_not() {
        let words = ["kafka", "repository", "backup", "compression-level"];
        assert_eq!(closest("kafak", words), Some("kafka"));
        assert_eq!(
            closest("compression_level", words),
            Some("compression-level")
        );
        assert_eq!(closest("repositry", words), Some("repository"));
        assert_eq!(closest("retention", words), None);
        assert_eq!(closest("x", words), None);
    }
}
