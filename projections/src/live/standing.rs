use kernel::RecordedEvent;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

/// Latitude and longitude.
pub type Place = (f64, f64);

/// What of a node decides who is told of it, after some of its events.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Standing {
    /// `None` when it was redacted.
    pub place: Option<Place>,
    /// Anything but `public` is for its owner only. A node nobody has heard of is not public.
    pub public: bool,
    /// Who tied it, until they left.
    pub owner: Option<Uuid>,
}

/// The fields of a node's events that change a standing.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Fields {
    #[serde(default)]
    pub location: Option<Value>,
    #[serde(default)]
    pub search_visibility: Option<String>,
    #[serde(default)]
    pub to: Option<String>,
    #[serde(default)]
    pub created_by: Option<Uuid>,
}

impl Standing {
    /// After one more event of the node. What cannot be read hides the node: who is told too
    /// little asks again, who is told too much cannot be untold.
    pub fn take(&mut self, event: &RecordedEvent) {
        match event.decode::<Fields>() {
            Ok(fields) => self.apply(event.event_type.as_str(), fields),
            Err(_) => *self = Self { public: false, owner: None, ..*self },
        }
    }

    pub(super) fn apply(&mut self, event_type: &str, fields: Fields) {
        match event_type {
            "NodeTied" => {
                self.place = fields.location.as_ref().and_then(place);
                self.public = fields.search_visibility.as_deref() == Some("public");
                self.owner = fields.created_by;
            }
            "NodeRevised" => {
                if let Some(location) = &fields.location {
                    self.place = place(location);
                }
            }
            "NodeVisibilityChanged" => self.public = fields.to.as_deref() == Some("public"),
            "NodeCreatorUnbound" => self.owner = None,
            _ => {}
        }
    }
}

fn place(location: &Value) -> Option<Place> {
    Some((location["lat"].as_f64()?, location["lon"].as_f64()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_node_is_public_while_it_says_so() {
        let (mut node, owner) = (Standing::default(), Uuid::from_u128(1));
        let location = json!({"lat": 53.5, "lon": 10.0});
        node.apply(
            "NodeTied",
            fields(json!({"location": location, "search_visibility": "public", "created_by": owner})),
        );
        assert_eq!(node, Standing { place: Some((53.5, 10.0)), public: true, owner: Some(owner) });
        for hidden in ["private", "hidden", "revoked", "something new"] {
            node.apply("NodeVisibilityChanged", fields(json!({"from": "public", "to": hidden})));
            assert!(!node.public, "{hidden}");
            node.apply("NodeVisibilityChanged", fields(json!({"from": hidden, "to": "public"})));
            assert!(node.public);
        }
        node.apply("NodeRevised", fields(json!({"title": "x"})));
        assert_eq!(node.place, Some((53.5, 10.0)));
        node.apply("NodeRevised", fields(json!({"location": {"$redacted": true}})));
        assert_eq!(node.place, None);
        node.apply("NodeCreatorUnbound", fields(json!({})));
        assert_eq!(node.owner, None);
    }
}
