//! Names like a name that does not exist (pure).

/// The most names that are told.
const MAX_NAMES: usize = 3;
/// Beyond this length a name is no slip of the finger.
const MAX_LEN: usize = 100;

/// Up to three of `names` that are much like `wrong`, the likest first.
pub(crate) fn near<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    if wrong.len() > MAX_LEN {
        return Vec::new();
    }
    let distance_to = |name: &'a str| {
        let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let (ours, theirs) = (last(wrong), last(name));
        let whole = (distance(wrong, name), name.len());
        let tail = (distance(&ours, &theirs), theirs.len());
        let likest = if tail.0 < whole.0 { tail } else { whole };
        (likest.0 * 2 <= likest.1).then_some((likest.0, name))
    };
    let mut found: Vec<_> = names.filter(|name| name.len() <= MAX_LEN).filter_map(distance_to).collect();
    found.sort_unstable();
    found.into_iter().take(MAX_NAMES).map(|(_, name)| name).collect()
}

/// Levenshtein's: insertions, deletions and replacements.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, expected) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("flux", "flux", 0)] {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected));
        }
    }

    #[test]
    fn slips_and_missing_prefixes_find_the_true_name() {
        let names = ["comfyui/flux", "google-cloud/imagen4", "azure-openai/sora", "comfyui/ltx"];
        let near = |wrong: &str| near(wrong, names.iter().copied());
        assert_eq!(near("google-cloud/imagen-4")[0], "google-cloud/imagen4");
        assert_eq!(near("openai/sora")[0], "azure-openai/sora");
        assert_eq!(near("flux")[0], "comfyui/flux");
        assert!(near("runway/gen3-alpha-turbo").is_empty());
        assert!(near(&"x".repeat(10_000)).is_empty());
        assert!(near("comfyui/fltx").len() <= MAX_NAMES);
    }
}
