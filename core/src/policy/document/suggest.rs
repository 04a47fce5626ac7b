//! “Did you mean …?”

/// The candidate that looks most like a word, if one does.
pub(super) fn closest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let word = plain(word);
    let near = |candidate: &'c str| {
        let other = plain(candidate);
        let most = word.len().max(other.len()).div_ceil(3);
        let distance = distance(&word, &other);
        (distance <= most && distance < other.len()).then_some((distance, candidate))
    };
    let candidates = candidates.into_iter().filter(|candidate| candidate.len() <= LONGEST);
    candidates.filter_map(near).min().map(|(_, candidate)| candidate)
}

/// Without what people write in different ways: case, hyphens, underscores.
fn plain(word: &str) -> Vec<char> {
    word.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// How many letters must be added, dropped, changed, or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = [vec![0; b.len() + 1], (0..=b.len()).collect(), vec![0; b.len() + 1]];
    for i in 1..=a.len() {
        let [before, above, row] = &mut rows;
        row[0] = i;
        for j in 1..=b.len() {
            let changed = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = changed.min(above[j] + 1).min(row[j - 1] + 1);
            let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if swapped {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        rows.rotate_left(1);
    }
    rows[1][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(a: &str, b: &str) -> usize {
        distance(&plain(a), &plain(b))
    }

    #[test]
    fn distances() {
        for (a, b, want) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abc", 0),
            ("atempts", "attempts", 1),
            ("jittre", "jitter", 1),
            ("kitten", "sitting", 3),
            ("Max-Attempts", "max_attempts", 0),
        ] {
            assert_eq!(apart(a, b), want, "{a} {b}");
        }
    }

    #[test]
    fn the_closest_is_suggested_and_a_stranger_is_not() {
        let names = ["max_attempts", "max_backoff", "multiplier", "jitter"];
        assert_eq!(closest("max_atempts", names), Some("max_attempts"));
        assert_eq!(closest("maxBackoff", names), Some("max_backoff"));
        assert_eq!(closest("jiter", names), Some("jitter"));
        assert_eq!(closest("colour", names), None);
        assert_eq!(closest(&"x".repeat(1 << 20), names), None);
        assert_eq!(closest("x", ["y"]), None);
    }
}
