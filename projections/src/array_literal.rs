/// A list as the text form of a Postgres array. Bulk statements unnest one array per column,
/// and `unnest` would flatten an array of arrays.
pub fn array_literal<T: AsRef<str>>(items: &[T]) -> String {
    let mut text = String::with_capacity(2 + items.iter().map(|item| item.as_ref().len() + 3).sum::<usize>());
    text.push('{');
    for (index, item) in items.iter().enumerate() {
        text.push_str(if index == 0 { "\"" } else { ",\"" });
        for c in item.as_ref().chars() {
            if matches!(c, '"' | '\\') {
                text.push('\\');
            }
            text.push(c);
        }
        text.push('"');
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_cannot_end_an_item() {
        assert_eq!(array_literal::<&str>(&[]), "{}");
        assert_eq!(array_literal(&["a", "NULL", "b,c} "]), r#"{"a","NULL","b,c} "}"#);
        assert_eq!(array_literal(&[r#"q"\"#]), r#"{"q\"\\"}"#);
    }
}
