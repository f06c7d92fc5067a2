//! "Did you mean …?"

/// A hint that names the known word nearest to a written one, where one is near enough to be meant.
pub(crate) fn hint(written: &str, known: &[&str]) -> Option<String> {
    nearest(written, known).map(|word| format!("did you mean {word}?"))
}

/// The known word nearest to a written one: the same but for upper and lower case, or a third of its letters apart at
/// most.
pub(crate) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let written = written.to_lowercase();
    let distance = |word: &str| strsim::damerau_levenshtein(&written, &word.to_lowercase());
    let near = |word: &str| (word.chars().count().max(written.chars().count()) / 3).max(1);
    // Words far longer than any of ours are no misspelling, and comparing them costs the square of their length.
    if written.len() > 64 {
        return None;
    }
    known
        .iter()
        .map(|word| (distance(word), *word))
        .filter(|(distance, word)| *distance <= near(word))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn takes_what_is_near_and_nothing_else() {
        let known = ["weight", "name", "priority"];
        assert_eq!(nearest("wieght", &known), Some("weight"));
        assert_eq!(nearest("WEIGHT", &known), Some("weight"));
        assert_eq!(nearest("Prority", &known), Some("priority"));
        assert_eq!(nearest("timeout", &known), None);
        assert_eq!(nearest("", &known), None);
        assert_eq!(nearest(&"weight".repeat(100), &known), None);
    }
}
