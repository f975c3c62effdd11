use serde::Serialize;
use serde_json::{Map, Value};

/// What a command found, told twice: in lines for people, as a document for machines.
#[derive(Debug)]
pub struct Answer {
    lines: Vec<String>,
    document: Map<String, Value>,
    /// False: a difference, a miss. Exit code 1.
    fine: bool,
}

impl Answer {
    /// `document` is a struct or a map; its fields stand beside `ok` and `exit_code`.
    pub fn new(document: &impl Serialize) -> Self {
        let document = match serde_json::to_value(document) {
            Ok(Value::Object(fields)) => fields,
            // Reports are plain structs; anything else stands under one name.
            Ok(other) => Map::from_iter([("result".to_owned(), other)]),
            Err(_) => Map::new(),
        };
        Self { lines: Vec::new(), document, fine: true }
    }

    #[must_use]
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    #[must_use]
    pub fn lines(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.lines.extend(lines);
        self
    }

    /// Whether everything is as it should be.
    #[must_use]
    pub const fn fine(mut self, fine: bool) -> Self {
        self.fine = fine;
        self
    }

    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        if self.fine { 0 } else { 1 }
    }

    #[must_use]
    pub fn text(&self) -> String {
        self.lines.join("\n")
    }

    #[must_use]
    pub fn json(&self) -> Value {
        let mut document = self.document.clone();
        document.insert("ok".to_owned(), self.fine.into());
        document.insert("exit_code".to_owned(), self.exit_code().into());
        Value::Object(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_says_how_it_ended() {
        #[derive(Serialize)]
        struct Report {
            position: i64,
        }
        let answer = Answer::new(&Report { position: 7 }).line("at 7").fine(false);
        let wanted = serde_json::json!({"position": 7, "ok": false, "exit_code": 1});
        assert_eq!((answer.json(), answer.text().as_str()), (wanted, "at 7"));
    }
}
