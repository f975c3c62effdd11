use uuid::Uuid;

use super::document::Document;
use crate::search::{Line, Refused};

/// An answer for each line.
pub(super) type Verdicts = Vec<Result<(), Refused>>;

/// What lines are to an engine: documents to put there and ids to take away.
pub(super) struct Batch<'a> {
    lines: &'a [Line],
    made: Vec<Result<Option<Document>, Refused>>,
}

impl<'a> Batch<'a> {
    pub fn of(lines: &'a [Line]) -> Self {
        Self { lines, made: lines.iter().map(Document::of_line).collect() }
    }

    pub fn documents(&self) -> impl Iterator<Item = &Document> {
        self.made.iter().filter_map(|made| made.as_ref().ok()?.as_ref())
    }

    /// Also what cannot be made a document of: what was there before is wrong as well.
    pub fn gone(&self) -> Vec<Uuid> {
        let made = self.lines.iter().zip(&self.made);
        made.filter(|(_, made)| !matches!(made, Ok(Some(_)))).map(|(line, _)| line.id()).collect()
    }

    /// The lines' verdicts, out of the engine's for the documents.
    pub fn verdicts(self, of_documents: Verdicts) -> Verdicts {
        let mut of_documents = of_documents.into_iter();
        let verdict = |made| match made {
            Ok(Some(_)) => of_documents.next().unwrap_or(Ok(())),
            Ok(None) => Ok(()),
            Err(refused) => Err(refused),
        };
        self.made.into_iter().map(verdict).collect()
    }
}
