use eventstore::seal::{Opened, SealedField, Sealer};
use kernel::Class;
use serde::de::DeserializeOwned;

use crate::{ReadError, Sealed};

/// A personal field of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shown<T> {
    /// There is none, or none for this viewer.
    Absent,
    Live(T),
    /// Erased or redacted: `null`, and named in `erased`.
    Gone,
}

impl<T> Shown<T> {
    /// The value; what is gone is added to `erased` by its pointer.
    pub fn or_erased<P: From<&'static str>>(self, pointer: &'static str, erased: &mut Vec<P>) -> Option<T> {
        match self {
            Self::Live(value) => Some(value),
            Self::Absent => None,
            Self::Gone => {
                erased.push(pointer.into());
                None
            }
        }
    }
}

/// A column's value, and what the column is for.
#[derive(Clone, Copy)]
pub(crate) struct Column<'a> {
    pub sealed: Option<&'a Sealed>,
    pub class: Class,
    pub field: &'static str,
}

impl<'a> Column<'a> {
    pub fn title(sealed: Option<&'a Sealed>) -> Self {
        Self { sealed, class: Class::Identity, field: "/title" }
    }

    pub fn content(sealed: Option<&'a Sealed>) -> Self {
        Self { sealed, class: Class::Content, field: "/content" }
    }

    pub fn public_position(sealed: Option<&'a Sealed>) -> Self {
        Self { sealed, class: Class::Location, field: "/public_position" }
    }
}

/// The columns of a whole answer, in order, their keys asked for in one call.
///
/// # Errors
/// [`ReadError`] when the key store does not answer, or an envelope does not open for another
/// reason than that it was erased.
pub(crate) async fn open_all<T: DeserializeOwned>(
    sealer: &Sealer,
    columns: &[Column<'_>],
) -> Result<Vec<Shown<T>>, ReadError> {
    let fields: Vec<SealedField<'_>> = columns
        .iter()
        .filter_map(|column| {
            let envelope = column.sealed?.envelope()?;
            Some(SealedField { envelope, class: column.class, field_suffix: column.field })
        })
        .collect();
    let mut answers = sealer.open_fields(&fields).await?.into_iter();
    columns
        .iter()
        .map(|column| match column.sealed {
            None => Ok(Shown::Absent),
            Some(Sealed::Redacted) => Ok(Shown::Gone),
            // One answer came back per envelope, in their order.
            Some(Sealed::Envelope(_)) => match answers.next().transpose()? {
                Some(Opened::Live(value)) => Ok(Shown::Live(value)),
                Some(Opened::Erased) | None => Ok(Shown::Gone),
            },
        })
        .collect()
}
