use std::path::Path;

use kernel::Class;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Failure;

/// Which fields are about a person.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonalMap {
    pub fields: Vec<PersonalField>,
    /// Whether the source's metadata may stay readable for ever.
    #[serde(default)]
    pub keep_metadata: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonalField {
    #[serde(rename = "type")]
    pub event_type: String,
    /// JSON pointer into the payload.
    pub pointer: String,
    pub class: Class,
    /// JSON pointer to the UUID of whom it is about; the aggregate when absent.
    pub subject: Option<String>,
}

impl PersonalMap {
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::could_not_run(format!("{} cannot be read: {error}", path.display())))?;
        serde_json::from_str(&text)
            .map_err(|error| Failure::could_not_run(format!("{} is no map: {error}", path.display())))
    }

    /// Marks the fields of an event, so that the store seals them; returns how many.
    pub fn mark(&self, event_type: &str, aggregate: Uuid, payload: &mut Value) -> Result<i64, String> {
        let mut marked = 0;
        for field in self.fields.iter().filter(|field| field.event_type == event_type) {
            let subject = match &field.subject {
                None => aggregate,
                Some(pointer) => payload
                    .pointer(pointer)
                    .and_then(Value::as_str)
                    .and_then(|text| text.parse().ok())
                    .ok_or_else(|| format!("there is no UUID at {pointer}"))?,
            };
            // A field that is not there, or empty, says nothing about anybody.
            let Some(value) = payload.pointer_mut(&field.pointer).filter(|value| !value.is_null()) else {
                continue;
            };
            let taken = value.take();
            *value = json!({"$personal": {"class": field.class, "subject": subject, "value": taken}});
            marked += 1;
        }
        Ok(marked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_fields_are_marked_and_nothing_else() {
        let map: PersonalMap = serde_json::from_value(json!({"fields": [
            {"type": "Noted", "pointer": "/Noted/text", "class": "content", "subject": "/Noted/author"},
            {"type": "Noted", "pointer": "/Noted/place", "class": "location"},
        ]}))
        .unwrap();
        let (author, aggregate) = (Uuid::from_u128(7), Uuid::from_u128(8));
        let mut payload = json!({"Noted": {"text": "x", "author": author, "place": null}});
        assert_eq!(map.mark("Noted", aggregate, &mut payload), Ok(1));
        let marked = &payload["Noted"]["text"]["$personal"];
        assert_eq!((&marked["value"], &marked["subject"]), (&json!("x"), &json!(author)));
        let mut other = json!({"Noted": {"text": "x", "author": "nobody"}});
        assert!(map.mark("Noted", aggregate, &mut other).is_err());
        assert_eq!(map.mark("Other", aggregate, &mut other), Ok(0));
    }
}
