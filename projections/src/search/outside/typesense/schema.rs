use typesense_codegen::models::{CollectionSchema, Field};

/// Where the typing errors are forgiven, too.
pub(super) const NAMES: [&str; 2] = ["title_words", "labels"];

/// A collection's fields. `node` is not among them: what is in no field is kept and answered, and
/// costs no memory.
pub(super) fn schema(name: String) -> CollectionSchema<'static> {
    let field = |name: &str, kind: &str| Field::new(name.to_owned(), kind.to_owned());
    let optional = |name: &str, kind: &str| Field { optional: Some(true), ..field(name, kind) };
    let fields = vec![
        Field { sort: Some(true), ..field("_pos", "int64") },
        field("seen_by", "string"),
        field("title_words", "string"),
        optional("labels", "string"),
        optional("ends", "string"),
        optional("summary_words", "string"),
        optional("rest", "string"),
        Field { facet: Some(true), ..optional("title", "string") },
        optional("kind_key", "string"),
        optional("tag_keys", "string[]"),
        optional("point", "geopoint"),
    ];
    CollectionSchema {
        default_sorting_field: Some("_pos".into()),
        enable_nested_fields: Some(false),
        ..CollectionSchema::new(name.into(), fields)
    }
}
